// Command zip packs one executable into a function's code package: a zip with the executable at its root, executable for everybody.
//
// The same executable gives the same bytes, whenever and wherever it is packed, so that a package can be compared with one that
// somebody else built.
//
//	go run ./infra/zip dist/backup/bootstrap dist/backup.zip
package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "zip:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want two arguments, the executable and the zip, not %d", len(args))
	}
	executable, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	if err := pack(&packed, filepath.Base(args[0]), executable); err != nil {
		return fmt.Errorf("pack %s: %w", args[0], err)
	}
	return os.WriteFile(args[1], packed.Bytes(), 0o644)
}

// pack writes a zip with one executable in it.
func pack(to io.Writer, name string, executable []byte) error {
	header := &zip.FileHeader{
		Name:     name,
		Method:   zip.Deflate,
		Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), // the first moment that a zip can name
	}
	header.SetMode(0o755)
	archive := zip.NewWriter(to)
	entry, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	if _, err := entry.Write(executable); err != nil {
		return err
	}
	return archive.Close()
}
