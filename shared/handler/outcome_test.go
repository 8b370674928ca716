package handler_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The alarms of the templates look for the field outcome and its words. They hear nothing wrong only as long as nothing else writes that field.
func TestOutcomes_are_logged_in_one_place(t *testing.T) {
	t.Parallel()
	var writers []string
	for _, dir := range []string{"..", filepath.Join("..", "..", "functions")} {
		err := filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			text, err := os.ReadFile(file)
			for range strings.Count(string(text), `Str("outcome"`) {
				writers = append(writers, file)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if want := filepath.Join("..", "handler", "outcome.go"); len(writers) != 1 || writers[0] != want {
		t.Errorf("outcomes are written by %q, want %s alone", writers, want)
	}
}
