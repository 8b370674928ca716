package restore_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/retention"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// nights is a desk in a bubble whose workspace was backed up on two days; retention keeps the second only.
func nights(t *testing.T) (*desk, *vault.Vault, retention.Options) {
	t.Helper()
	d := &desk{Cloud: localtest.NewWith(t, localtest.Options{Pipes: true}), t: t, terms: brief}
	if err := sample.Fill(d.Handle(localtest.Workspace), sample.Options{Jobs: 6, Scripts: 4, Resources: 2}); err != nil {
		t.Fatal(err)
	}
	d.before = d.snapshot(localtest.Workspace)
	v := vault.New(d.Store, localtest.Bucket, "backups/"+localtest.Workspace)
	for _, name := range []string{day, "2026-11-23"} {
		if res, err := backup.Run(t.Context(), d.Factory.Workspace(localtest.Workspace), v, name, backup.Options{Workspace: vault.Workspace{ID: localtest.Workspace}, Lease: brief}); err != nil {
			t.Fatalf("%+v %v", res, err)
		}
	}
	return d, v, retention.Options{Keep: retention.Keep{Daily: 1}, Lease: brief}
}

// While one restore writes, another one restores the same backup into another workspace, and while both do, retention comes by.
func TestRun_KeepsRetentionAwayFromWhatItReads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, v, keep := nights(t)
		d.Handle(localtest.Workspace).Wipe()
		var mine, theirs atomic.Bool // a lock would keep the bubble's clock from going on
		d.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
			switch {
			case op != dataarts.CreateScript:
			case r.Header.Get("workspace") == localtest.Workspace:
				if mine.CompareAndSwap(false, true) {
					report, err := d.run(`{"date":"` + day + `","source":"` + localtest.Workspace + `","workspace":"` + localtest.Other + `","duplicateNamePolicy":"overwrite"}`)
					if err != nil || report.Status != restore.Complete {
						t.Errorf("%+v %v", report, err)
					}
				}
			default:
				if theirs.CompareAndSwap(false, true) {
					out, err := retention.Apply(t.Context(), v, keep)
					if err != nil || len(out.Removed) != 0 || !strings.Contains(out.Message(), "retention left "+day+": it is being restored from") {
						t.Errorf("%+v %v", out, err)
					}
				}
			}
			return nil
		})
		d.must(restore.Complete, `{"date":"`+day+`","workspace":"`+localtest.Workspace+`","duplicateNamePolicy":"overwrite"}`)
		for _, workspace := range []string{localtest.Workspace, localtest.Other} {
			if diff := d.same(workspace); len(diff) > 0 {
				t.Errorf("%s: %q", workspace, diff)
			}
		}
		if keys, _ := d.Objects.Keys(localtest.Bucket, "backups/"+localtest.Workspace+"/leases/"); len(keys) != 0 {
			t.Errorf("left behind: %q", keys)
		}
		if out, err := retention.Apply(t.Context(), v, keep); err != nil || !slices.Equal(out.Removed, []string{day}) {
			t.Errorf("%+v %v", out, err)
		}
	})
}

func TestRun_DoesNotBeginWithWhatRetentionIsRemoving(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, v, keep := nights(t)
		d.Handle(localtest.Workspace).Wipe()
		d.DataArts.ResetCalls()
		// The restore has found the backup whole, and only then comes retention.
		var begun atomic.Bool
		d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if strings.HasSuffix(c.Key, "/leases/"+day+".json") && begun.CompareAndSwap(false, true) {
				if out, err := retention.Apply(context.Background(), v, keep); err != nil || !slices.Equal(out.Removed, []string{day}) {
					t.Errorf("%+v %v", out, err)
				}
			}
			return nil
		})
		report := d.must(restore.Failed, `{"date":"`+day+`","duplicateNamePolicy":"overwrite"}`)
		if !strings.Contains(report.Message, "there is no complete backup") || d.Writes() != 0 {
			t.Errorf("%s, after %d writes", report.Message, d.Writes())
		}
	})
}

func TestRun_ThatOnlyPlansLeavesNoTrace(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if strings.Contains(c.Key, "/leases/") {
			t.Errorf("%s %s", c.Operation, c.Key)
		}
		return nil
	})
	d.must(restore.Planned, `{"date":"`+day+`","duplicateNamePolicy":"overwrite","dryRun":true}`)
}

// A run that was killed leaves its use behind. The one that continues it does not wait for that, nor does retention forever.
func TestRun_ThatContinuesAKilledOneDoesNotWaitForItsUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d, v, keep := nights(t)
		killed, kill := context.WithCancel(t.Context())
		if _, err := lease.Acquire(killed, d.Store, v.UseKey(day, "restore-mine-OLD"), brief); err != nil {
			t.Fatal(err)
		}
		kill()
		began := time.Now()
		d.must(restore.Complete, `{"id":"mine","date":"`+day+`","duplicateNamePolicy":"overwrite"}`)
		if took := time.Since(began); took >= brief.TTL {
			t.Errorf("it took %s", took)
		}
		if out, err := retention.Apply(t.Context(), v, keep); err != nil || !slices.Equal(out.Removed, []string{day}) {
			t.Errorf("%+v %v", out, err)
		}
		if keys, _ := d.Objects.Keys(localtest.Bucket, "backups/"+localtest.Workspace+"/leases/"); len(keys) != 0 {
			t.Errorf("left behind: %q", keys)
		}
	})
}
