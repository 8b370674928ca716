package drill_test

import (
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/shared/drill"
)

func TestParseCommand_NamesEveryFault(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`{"drill":{}}`:    {"line 1, column 10, drill.workspace: is missing"},
		`{"drill":"x"}`:   {"drill: found a string, want an object"},
		`{"drill":null}`:  {"drill: found null"},
		`{"drill":[]} {}`: {"line 1, column 14"},
		`{"drill":{"workspace":"a b","source":"c/d","date":"monday"}}`: {`drill.workspace: "a b" is no workspace id`, `drill.source: "c/d" is no workspace id`,
			`drill.date: "monday": want a backup's name`},
		`{"drill":{"workspace":"w","source":"w"}}`:                                      {"drill.workspace: is the workspace whose backup is tried"},
		`{"drill":{"workspace":"w","duplicateNamePolicy":"overwrite"},"date":"latest"}`: {"drill.duplicateNamePolicy", "line 1, column 62, date"},
		"{\"drill\":{\"workspace\":\"w\",\n\"keep\":\"yes\"},\"time\":\"tonight\"}":     {"line 2, column 8, drill.keep: found a string, want true or false", `time: found "tonight"`},
		`{"drill":{"workspace":"w","replace":{"obsPath":{"/a":"obs://b/"}}}}`:           {`drill.replace.obsPath: "/a": want the beginning of an obs:// path`},
	} {
		_, err := drill.ParseCommand([]byte(text))
		if err == nil {
			t.Errorf("%s is taken", text)
			continue
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", text, err, part)
			}
		}
	}
}

func TestParseCommand_TakesAWholeCommand(t *testing.T) {
	t.Parallel()
	c, err := drill.ParseCommand([]byte(`{"drill":{"workspace":"w","source":"s","date":"2026-11-22","replace":{"connectionName":{"a":"b"}},"keep":true},
		"time":"2026-11-22T03:00:00+01:00"}`))
	if err != nil || c.Drill.Workspace != "w" || c.Drill.Source != "s" || c.Drill.Date != "2026-11-22" || c.Drill.Replace.ConnectionName["a"] != "b" ||
		!c.Drill.Keep || c.Time == nil || c.Time.Unix() != 1795312800 {
		t.Errorf("%+v %v", c, err)
	}
}

func TestIsCommand_TellsADrillFromARestore(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{"drill":{}}`: true, `{"drill":1,"date":"latest"}`: true, `{"date":"latest"}`: false, `{"x":{"drill":{}}}`: false, `{"Drill":{}}`: false, `[]`: false, `{"drill":`: false,
	} {
		if got := drill.IsCommand([]byte(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
