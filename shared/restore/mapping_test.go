package restore_test

import (
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

func TestRun_ReplacesPathsAtTheirBoundaries(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ location, rules, want string }{
		"the bucket itself":     {"obs://dlf/x.jar", `{"obs://dlf":"obs://other"}`, "obs://other/x.jar"},
		"another bucket":        {"obs://dlf-logs/x.jar", `{"obs://dlf":"obs://other"}`, "obs://dlf-logs/x.jar"},
		"a folder stays one":    {"obs://dlf/jars/x.jar", `{"obs://dlf/jars/":"obs://other"}`, "obs://other/x.jar"},
		"the longest that fits": {"obs://dlf/jars/x.jar", `{"obs://dlf/":"obs://a/","obs://dlf/jars/":"obs://b/"}`, "obs://b/x.jar"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Resources, `{"name":"r","type":"jar","directory":"/","location":"`+test.location+`"}`))
			d.Handle(localtest.Workspace).Wipe()
			d.must(restore.Complete, `{"date":"2026-11-22","duplicateNamePolicy":"fail","replace":{"obsPath":`+test.rules+`}}`)
			for _, raw := range d.Handle(localtest.Workspace).All(dataarts.Resources) {
				if got := rawjson.StringAt(raw, "location"); got != test.want {
					t.Errorf("%s, want %s", got, test.want)
				}
			}
		})
	}
}
