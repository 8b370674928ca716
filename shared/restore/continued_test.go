package restore_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

func TestRun_ThatIsContinuedWritesNothingElseThanItBeganWith(t *testing.T) {
	t.Parallel()
	for name, approved := range map[string]bool{"with the hash of a plan": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("a")), having(dataarts.Scripts, `{"name":"s","type":"HiveSQL","content":"select 1","connectionName":"approved"}`))
			d.Handle(localtest.Workspace).Wipe()
			plan := d.must(restore.Planned, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true}`)
			request := `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
			if approved {
				request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","planHash":"` + plan.PlanHash + `"}`
			}
			d.interrupt(request, 0, dataarts.CreateScript)
			d.edit(`"connectionName": "approved"`, `"connectionName": "never approved"`)
			refused := d.must(restore.Failed, request)
			if !strings.Contains(refused.Message, "backup.json") || !strings.Contains(refused.Message, "undo") {
				t.Errorf("the message does not say what to do: %s", refused.Message)
			}
			if _, written := d.Handle(localtest.Workspace).Asset(dataarts.Scripts, "s"); written {
				t.Error("s was written")
			}
			reports := restore.Reports{Store: d.Store, Root: "backups/"}
			if kept, err := reports.Load(t.Context(), "x"); err != nil || kept.Status != restore.Running || kept.Message != refused.Message || len(kept.Items) != 2 {
				t.Errorf("on record: %v %s", err, dump(kept))
			}
			d.edit(`"connectionName": "never approved"`, `"connectionName": "approved"`)
			report := d.must(restore.Complete, request)
			if report.PlanHash != plan.PlanHash {
				t.Errorf("the plan that was made has hash %s, and %s is reported", plan.PlanHash, report.PlanHash)
			}
			live, _ := d.Handle(localtest.Workspace).Asset(dataarts.Scripts, "s")
			if got := rawjson.StringAt(live, "connectionName"); got != "approved" {
				t.Errorf("s is bound to %q", got)
			}
		})
	}
}

func TestUndo_TakesARestoreBackThatDoesNotGoOnBecauseItsBackupHasChanged(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a")), having(dataarts.Scripts, `{"name":"s","type":"HiveSQL","content":"select 1","connectionName":"one"}`))
	d.Handle(localtest.Workspace).Wipe()
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	d.interrupt(request, 1, dataarts.CreateJob)
	d.edit(`"connectionName": "one"`, `"connectionName": "two"`)
	d.must(restore.Failed, request)
	d.undo(restore.Undone, "x")
	if now := d.snapshot(localtest.Workspace); len(now[dataarts.Jobs])+len(now[dataarts.Scripts]) > 0 {
		t.Errorf("left: %v", now)
	}
}

// concealing is a service whose listing claims an asset that it does not show.
type concealing struct {
	restore.Workspace
	kind asset.Kind
	name string
}

func (w concealing) List(ctx context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error) {
	hidden := 0
	l, err := w.Workspace.List(ctx, kind, func(r factory.Row) error {
		if kind == w.kind && r.Ref.Name == w.name {
			hidden++
			return nil
		}
		return fn(r)
	})
	l.Unique -= hidden
	return l, err
}

func TestRun_ThatIsContinuedIsNotEndedByAListingThatContradictsItself(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a")))
	d.Handle(localtest.Workspace).Wipe()
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"fail"}`
	d.interrupt(request, 1, dataarts.CreateJob)
	opts := d.options()
	opts.Workspace = func(id string) restore.Workspace { return concealing{d.Factory.Workspace(id), asset.Jobs, "a"} }
	if report, err := restore.Run(t.Context(), d.request(request), opts); err == nil || report.Status != restore.Running {
		t.Errorf("want an interruption: %v %s", err, dump(report))
	}
	if report := d.must(restore.Complete, request); report.Counts["created"] != 2 {
		t.Error(dump(report))
	}
}

func TestRun_ThatOnlyPlansDoesNotReplaceTheReportOfARestoreThatHasBegunMeanwhile(t *testing.T) {
	t.Parallel()
	for name, planned := range map[string]bool{"the first under this id": false, "planned before": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a")))
			d.Handle(localtest.Workspace).Wipe()
			const dry = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true}`
			if planned {
				d.must(restore.Planned, dry)
			}
			var begin sync.Once
			d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
				if c.Operation == "PutObject" && strings.HasSuffix(c.Key, "restores/x/report.json") {
					begin.Do(func() { // between the dry run's look and its write
						d.Objects.Intercept(nil)
						d.interrupt(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`, 1, dataarts.CreateJob)
					})
				}
				return nil
			})
			d.must(restore.Planned, dry)
			d.undo(restore.Undone, "x")
			if _, there := d.description("a"); there {
				t.Error("the restore has written a, and the undo left it")
			}
		})
	}
}
