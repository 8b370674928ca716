// Package instancetest builds a real bootstrap for tests that run one as a process.
package instancetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Main builds the command in the folder source, sets bootstrap to the path of the executable, runs the tests and returns the exit code for
// os.Exit. Call it from TestMain.
func Main(m *testing.M, source string, bootstrap *string) int {
	dir, err := os.MkdirTemp("", "bootstrap-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	*bootstrap = filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", *bootstrap, source)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build %s: %v\n%s", source, err, out)
		return 1
	}
	return m.Run()
}
