package backup_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

func TestRun_TellsHowFarItIs(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(30, 30)
	n.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ExportUnsupported, s.ListOmits = true, []string{"content"} })
	var reads atomic.Int32
	n.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if (op == dataarts.ShowJob || op == dataarts.ShowScript) && reads.Add(1) > 40 {
			return &dataarts.Fault{Delay: time.Hour}
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := backup.Run(ctx, n.Factory.Workspace(localtest.Workspace), n.vault, day, backup.Options{Workspace: vault.Workspace{ID: localtest.Workspace},
			Lease: lease.Options{Owner: "backup r", TTL: 600 * time.Millisecond, Settle: 100 * time.Millisecond}})
		ended <- err
	}()
	var tally vault.Tally
	for tally.Total == nil || tally.Done < 20 {
		select {
		case err := <-ended:
			t.Fatalf("the lease never told: %+v; %v", tally, err)
		case <-time.After(20 * time.Millisecond):
		}
		sight, err := lease.Look(t.Context(), n.vault.Store(), n.vault.LeaseKey(day))
		if err != nil {
			t.Fatal(err)
		}
		if sight != nil && sight.Note != "" {
			if err := json.Unmarshal([]byte(sight.Note), &tally); err != nil {
				t.Fatalf("%s: %v", sight.Note, err)
			}
		}
	}
	const all = 66 // with those that every night has, and the environment; some of them come without a call of their own
	if *tally.Total != all || tally.Done >= all || time.Since(tally.At) > time.Minute {
		t.Errorf("%+v of %d", tally, *tally.Total)
	}
	if err := <-ended; err == nil {
		t.Fatal("the run was not interrupted")
	}
	saved, err := n.vault.Folder(day).Tally(t.Context())
	if err != nil || saved == nil || saved.Done < tally.Done || saved.Total == nil || *saved.Total != all {
		t.Errorf("%+v %v", saved, err)
	}
	text, _ := n.Objects.GetObject(localtest.Bucket, "backups/2026-11-22/progress.json")
	if !strings.HasPrefix(string(text), `{"formatVersion": 1, "done":`) {
		t.Errorf("%.100s", text)
	}
	// The run that goes on says from its beginning what is there already.
	n.DataArts.Intercept(nil)
	if res, err := n.run(day); err != nil || res.Status != vault.Complete {
		t.Fatalf("%+v %v", res, err)
	}
	n.whole(day)
}
