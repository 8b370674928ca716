package restore_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

// A refusal of the service or of its gateway has a code. What has none may come from something in between, when the service has taken the write.
func TestRun_LooksWhetherAWriteWasTakenThatAnAnswerWithoutACodeRefuses(t *testing.T) {
	t.Parallel()
	old := described(batch("a"), "old")
	taken, refused, explained := dataarts.Fault{Status: 400, Applied: true}, dataarts.Fault{Status: 400}, dataarts.Fault{Status: 400, Code: "DLF.3051"}
	for name, c := range map[string]struct {
		live   string // before the restore; empty where it is not there
		fault  dataarts.Fault
		unseen bool // it cannot be looked at
		want   restore.Outcome
		told   string
		looks  bool
	}{
		"a create that was taken":                {"", taken, false, restore.Created, "", true},
		"a create that was not taken":            {"", refused, false, restore.Errored, "status 400", true},
		"a create that is refused with a code":   {"", explained, false, restore.Errored, "DLF.3051", false},
		"a create of which nothing can be seen":  {"", taken, true, restore.Errored, "look whether", true},
		"an update that was taken":               {old, taken, false, restore.Overwritten, "", true},
		"an update that was not taken":           {old, refused, false, restore.Errored, "status 400", true},
		"an update that is refused with a code":  {old, explained, false, restore.Errored, "DLF.3051", false},
		"an update of which nothing can be seen": {old, taken, true, restore.Errored, "it is unknown whether it was applied", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("a")))
			d.hurry()
			d.Handle(localtest.Workspace).Wipe()
			if c.live != "" {
				d.put(dataarts.Jobs, c.live)
			}
			looked, written := false, false
			d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
				switch {
				case op == dataarts.CreateJob || op == dataarts.UpdateJob:
					written = true
					return &c.fault
				case op == dataarts.ShowJob && written:
					if looked = true; c.unseen {
						return &explained
					}
				}
				return nil
			})
			report, err := d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
			d.DataArts.Intercept(nil)
			i := item(report, asset.Jobs, "a")
			if err != nil || i.Outcome != c.want || i.Written != (c.want != restore.Errored) || !strings.Contains(i.Reason, c.told) || looked != c.looks {
				t.Errorf("looked at: %v; %v %+v", looked, err, i)
			}
			if c.want == restore.Errored {
				return
			}
			u := d.undo(restore.Undone, "x")
			if got, there := d.description("a"); there != (c.live != "") || !strings.Contains(c.live, got) {
				t.Errorf("%q, there: %v: %s", got, there, u.Message)
			}
		})
	}
}
