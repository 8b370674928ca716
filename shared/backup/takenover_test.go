package backup_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// A continued run knows a real-time job from an earlier run only, its row cannot tell whether it has changed, and its own call fails.
func TestRun_ATakenOverJobThatCannotBeConfirmedIsMissing(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(30, 30)
	n.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ExportUnsupported = true })
	now, calls := time.Now(), atomic.Int64{}
	opts := backup.Options{Workspace: vault.Workspace{ID: localtest.Workspace}, Now: func() time.Time { return now.Add(time.Duration(calls.Add(1)) * time.Minute) }}
	broken := "job_0029"
	l := &lens{Workspace: n.Factory.Workspace(localtest.Workspace), get: func(ref asset.Ref) error {
		if ref.Name == broken {
			return &factory.Error{Operation: "get job", StatusCode: 502, Attempts: 7}
		}
		return nil
	}}
	if res, _ := backup.Run(t.Context(), l, n.vault, day, opts); res.Status != vault.Partial {
		t.Fatal(res)
	}
	broken = "job_0019"
	w := n.Handle(localtest.Workspace)
	raw, _ := w.Asset(dataarts.Jobs, broken)
	_ = w.Put(dataarts.Jobs, rawjson.Set(raw, "description", []byte(`"edited between the two runs"`)))
	n.honest(l)
}
