package asset_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
)

// A plan holds the references of every job at once.
func TestReferencesOf_KeepsNoTextThatCannotBeAName(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("作", 128)
	job := `{"name":"j","nodes":[{"name":"n","type":"ClickHouseSQL","properties":[` +
		`{"name":"statementOrScript","value":"` + strings.Repeat("select 1;", 10_000) + `"},{"name":"statement","value":"select 1;\nselect 2"},` +
		`{"name":"subJob","value":"` + longest + `"}]}]}`
	if called := asset.ReferencesOf([]byte(job)).Called; !slices.Equal(called, []string{longest}) {
		t.Errorf("%.200q", called)
	}
}
