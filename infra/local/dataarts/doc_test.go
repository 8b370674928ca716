package dataarts_test

import (
	"os"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

func TestDescribe_IsWhatTheDocumentationSays(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../../docs/emulator.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range dataarts.Describe() {
		if line := "| `" + s.Name + "` | " + s.Meaning + " |"; !strings.Contains(string(doc), line) {
			t.Errorf("docs/emulator.md has no line\n%s", line)
		}
	}
	_, table, _ := strings.Cut(string(doc), "| switch")
	switches, _, _ := strings.Cut(table, "\n\n")
	if lines := strings.Count(switches, "| `"); lines != len(dataarts.Describe()) {
		t.Errorf("docs/emulator.md lists %d switches, there are %d", lines, len(dataarts.Describe()))
	}
}
