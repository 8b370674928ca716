package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestZip(t *testing.T) {
	t.Parallel()
	executable := bytes.Repeat([]byte("bootstrap"), 10_000)
	var packages [][]byte
	for _, age := range []time.Duration{0, time.Hour} {
		dir := t.TempDir()
		bootstrap, target := filepath.Join(dir, "bootstrap"), filepath.Join(dir, "backup.zip")
		if err := os.WriteFile(bootstrap, executable, 0o600); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(bootstrap, then, then); err != nil {
			t.Fatal(err)
		}
		if err := run([]string{bootstrap, target}); err != nil {
			t.Fatal(err)
		}
		packed, err := os.ReadFile(target)
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, packed)
	}
	if !bytes.Equal(packages[0], packages[1]) {
		t.Error("the same executable gave two different packages")
	}

	archive, err := zip.NewReader(bytes.NewReader(packages[0]), int64(len(packages[0])))
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.File) != 1 || archive.File[0].Name != "bootstrap" {
		t.Fatalf("the package holds %d files, want bootstrap at its root alone", len(archive.File))
	}
	if mode := archive.File[0].Mode(); mode != 0o755 {
		t.Errorf("bootstrap has the mode %v, want -rwxr-xr-x", mode)
	}
	content, err := archive.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(content)
	if err != nil || !bytes.Equal(got, executable) {
		t.Errorf("bootstrap came out differently, error %v", err)
	}
}

func TestZip_WrongArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"one"}, {filepath.Join(t.TempDir(), "missing"), filepath.Join(t.TempDir(), "x.zip")}} {
		if run(args) == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
