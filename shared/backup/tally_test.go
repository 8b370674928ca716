package backup_test

import (
	"encoding/json"
	"net/http"
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
	told := make(chan struct{})
	n.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if (op == dataarts.ShowJob || op == dataarts.ShowScript) && reads.Add(1) > 40 {
			select {
			case <-told:
			case <-r.Context().Done():
			}
		}
		return nil
	})
	ended := make(chan error, 1)
	go func() {
		_, err := backup.Run(t.Context(), n.Factory.Workspace(localtest.Workspace), n.vault, day, backup.Options{Workspace: vault.Workspace{ID: localtest.Workspace},
			Lease: lease.Options{Owner: "backup r", TTL: 18 * time.Second, Settle: time.Second}})
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
	// progress.json is there from the first asset on, and is saved again every half a minute.
	saved, err := n.vault.Folder(day).Tally(t.Context())
	if err != nil || saved == nil || saved.Done > tally.Done || saved.At.IsZero() {
		t.Errorf("%+v %v", saved, err)
	}
	close(told)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	n.whole(day)
}
