package restore_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// killedAt ends the process of a restore at its n-th request of a sort.
func (d *desk) killedAt(request string, op dataarts.Operation, n int) {
	d.t.Helper()
	ctx, kill := context.WithCancel(d.t.Context())
	defer kill()
	dead := false
	d.DataArts.Intercept(func(_ *http.Request, got dataarts.Operation) *dataarts.Fault {
		if got == op {
			if n--; n == 0 {
				dead = true
				kill()
			}
		}
		return &dataarts.Fault{ResetBefore: dead}
	})
	d.Objects.Intercept(func(objectstore.Call) *objectstore.Fault { return &objectstore.Fault{ResetBefore: dead} })
	opts := d.options()
	opts.Concurrency = 1
	if report, err := restore.Run(ctx, d.request(request), opts); err == nil {
		d.t.Fatalf("want an interruption: %s", dump(report))
	}
	d.DataArts.Intercept(nil)
	d.Objects.Intercept(nil)
}

func TestUndo_OfAKilledRestoreRemovesWhatItHadCreatedAndNothingElse(t *testing.T) {
	t.Parallel()
	inBubble(t, vault.Keys{}, func(d *desk) {
		w := d.Handle(localtest.Workspace)
		w.Wipe()
		d.killedAt(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`, dataarts.CreateJob, 3)
		if n := len(w.All(dataarts.Jobs)); n != 2 {
			d.t.Fatalf("%d jobs are there, want 2", n)
		}
		d.put(dataarts.Jobs, described(batch("c"), "somebody's own"))
		report, err := restore.Undo(d.t.Context(), "x", d.options())
		if err != nil || report.Status != restore.Partial || !strings.Contains(report.Message, `job "c"`) || strings.Contains(report.Message, `job "a"`) {
			d.t.Errorf("%v %s", err, dump(report))
		}
		if left := w.All(dataarts.Jobs); len(left) != 1 || left["c"] == nil || len(w.All(dataarts.Scripts)) != 0 {
			d.t.Errorf("left are %v and %v", left, w.All(dataarts.Scripts))
		}
	}, having(dataarts.Jobs, batch("a"), batch("b"), batch("c"), batch("d")), having(dataarts.Scripts, string(shell("s", "select 1"))))
}

func TestUndo_IsRunningOnRecordUntilItIsOver(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b")))
	w := d.Handle(localtest.Workspace)
	w.Wipe()
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	d.must(restore.Complete, request)
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.DeleteJob {
			kill()
			return &dataarts.Fault{ResetAfter: true}
		}
		return nil
	})
	if report, err := restore.Undo(ctx, "x", d.options()); err == nil {
		t.Fatalf("want an interruption: %s", dump(report))
	}
	d.DataArts.Intercept(nil)
	if report, err := d.options().Locations.Reports().Load(t.Context(), "x"); err != nil || report.Status != restore.Running || report.Undo == nil {
		t.Errorf("%v %s", err, dump(report))
	}
	d.DataArts.ResetCalls()
	if report, err := d.run(request); err != nil || report.Status != restore.Running || report.Undo == nil || len(d.DataArts.Calls()) > 0 {
		t.Errorf("asked for again, the restore was not left alone: %v %s", err, dump(report))
	}
	report, err := restore.Undo(t.Context(), "x", d.options())
	if err != nil || report.Status != restore.Undone || report.Undo != nil || len(w.All(dataarts.Jobs)) != 0 {
		t.Errorf("%v %s", err, dump(report))
	}
	if item(report, asset.Jobs, "a").Name == "" {
		t.Error("the items are gone")
	}
}
