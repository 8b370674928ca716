package template_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The largest code packages that the platforms take: FunctionGraph's console takes 40 MB, its API and Lambda's 50 MB inline ("Notes and constraints" of FunctionGraph,
// "Lambda quotas"). check.mjs prints the sizes of what make build has built, and knows the same limit.
const maxPackage = 40 << 20

func TestPackages_FitIntoTheirPlatforms(t *testing.T) {
	t.Parallel()
	for _, fn := range functions() {
		zip := filepath.Join(t.TempDir(), string(fn)+".zip")
		pack := exec.CommandContext(t.Context(), "go", "run", "../zip", filepath.Join(dist, string(fn), "bootstrap"), zip)
		if output, err := pack.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		info, err := os.Stat(zip)
		if err != nil {
			t.Fatal(err)
		}
		size := fmt.Sprintf("%s.zip has %.1f MB", fn, float64(info.Size())/1e6)
		t.Log(size)
		if info.Size() > maxPackage {
			t.Errorf("%s, more than the %d MB that every way to upload it takes", size, maxPackage>>20)
		}
	}
}
