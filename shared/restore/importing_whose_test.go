package restore_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// This file tells whose what an import was to create is, where somebody else was there first or the run ended before it could look.

// before lets somebody act right before the first import is asked for, more than a second of the service's clock earlier.
func (d *importDesk) before(act func()) {
	d.target = func(w restore.Workspace) restore.Workspace {
		return intruder{w, sync.OnceFunc(func() {
			act()
			<-time.After(1100 * time.Millisecond)
		})}
	}
}

// cutAfterTheTask runs a restore that ends once the service has told how its import ended.
func (d *importDesk) cutAfterTheTask(request string) {
	d.t.Helper()
	var told atomic.Bool
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowSystemTask {
			told.Store(true)
			return nil
		}
		if told.Load() {
			return expired()
		}
		return nil
	})
	if report, err := d.run(request); err == nil {
		d.t.Fatalf("not interrupted: %s", dump(report))
	}
	d.DataArts.Intercept(nil)
	d.target = nil
}

func TestUndo_OfAKilledImportLeavesAloneWhatSomebodyElseCreated(t *testing.T) {
	t.Parallel()
	for name, theirs := range map[string]string{"the same": batch("a"), "another": described(batch("a"), "of somebody else")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newImportDesk(t, nil, handful)
			d.before(func() { d.put(dataarts.Jobs, theirs) })
			d.cutAfterTheTask(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"fail"}`)
			u := d.undo(restore.Undone, "x")
			left := d.snapshot(localtest.Workspace)[dataarts.Jobs]
			if len(left) != 1 || left["a"] == nil {
				t.Errorf("%s: %d jobs are left, somebody else's among them: %v", u.Message, len(left), left["a"] != nil)
			}
		})
	}
}

func TestImport_ThatWasKilledAndIsContinuedTakesNobodyElsesJobForItsOwn(t *testing.T) {
	t.Parallel()
	other := described(batch("a"), "of somebody else")
	for name, c := range map[string]struct {
		theirs, policy string
		outcome        restore.Outcome
	}{
		"the same, fail":      {batch("a"), "fail", restore.Unchanged},
		"the same, overwrite": {batch("a"), "overwrite", restore.Unchanged},
		"the same, skip":      {batch("a"), "skip", restore.Skipped},
		"another, fail":       {other, "fail", restore.Blocked},
		"another, overwrite":  {other, "overwrite", restore.Overwritten}, // saved before, as everything that this policy overwrites
		"another, skip":       {other, "skip", restore.Skipped},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newImportDesk(t, nil, handful)
			d.before(func() { d.put(dataarts.Jobs, c.theirs) })
			request := `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"` + c.policy + `"}`
			d.cutAfterTheTask(request)
			report, err := d.run(request)
			if i := item(report, asset.Jobs, "a"); err != nil || i.Outcome != c.outcome || i.Action == restore.ActionCreate {
				t.Errorf("%v %s: %+v", err, report.Status, i)
			}
			if i := item(report, asset.Scripts, "used"); i.Outcome != restore.Created {
				t.Errorf("%+v", i)
			}
			d.undo(restore.Undone, "x")
			left := d.snapshot(localtest.Workspace)[dataarts.Jobs]
			if len(left) != 1 || rawjson.StringAt(left["a"], "description") != rawjson.StringAt([]byte(c.theirs), "description") {
				t.Errorf("%d jobs are left, and a is %s", len(left), left["a"])
			}
		})
	}
}

// resending sends its first import twice, as the client does where the gateway says that it let nothing through, and carries out both.
type resending struct {
	restore.Workspace
	first func(ctx context.Context, req factory.ImportRequest)
}

func (w resending) Import(ctx context.Context, req factory.ImportRequest) (string, error) {
	w.first(ctx, req)
	return w.Workspace.Import(ctx, req)
}

func TestImport_OwnsWhatItBroughtBeforeTheClientSentItAgain(t *testing.T) {
	t.Parallel()
	for _, killed := range []bool{false, true} {
		t.Run(map[bool]string{false: "in one go", true: "killed and continued"}[killed], func(t *testing.T) {
			t.Parallel()
			d := newImportDesk(t, nil, handful)
			d.target = func(w restore.Workspace) restore.Workspace {
				var once sync.Once
				return resending{w, func(ctx context.Context, req factory.ImportRequest) {
					once.Do(func() {
						if _, err := w.Import(ctx, req); err != nil {
							t.Error(err)
						}
						<-time.After(1100 * time.Millisecond) // the service tells times in seconds
					})
				}}
			}
			const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"fail"}`
			if killed {
				d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
					if op == dataarts.ShowSystemTask {
						return expired()
					}
					return nil
				})
				if report, err := d.run(request); err == nil {
					t.Fatalf("not interrupted: %s", dump(report))
				}
				d.DataArts.Intercept(nil)
				d.target = nil
			}
			report, err := d.run(request)
			if err != nil || report.Counts["created"] != len(report.Items) {
				t.Errorf("%v %s", err, dump(report))
			}
			d.undo(restore.Undone, "x")
			if left := len(d.snapshot(localtest.Workspace)[dataarts.Jobs]); left > 0 {
				t.Errorf("%d jobs are left", left)
			}
		})
	}
}

// timeless is a service whose list rows do not say when something was created or changed.
type timeless struct{ restore.Workspace }

func (w timeless) List(ctx context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error) {
	return w.Workspace.List(ctx, kind, func(r factory.Row) error {
		r.LastModified = time.Time{}
		r.Raw = rawjson.Without(r.Raw, func(name string) bool { return strings.HasSuffix(name, "Time") })
		return fn(r)
	})
}

func TestImport_ClaimsNothingOfWhichTheListTellsNoTimeWithoutReadingIt(t *testing.T) {
	t.Parallel()
	names := make([]string, 100)
	for i := range names {
		names[i] = "job_" + string(rune('a'+i/26)) + string(rune('a'+i%26))
	}
	jobs := func(w *dataarts.WorkspaceHandle) error {
		for _, name := range names {
			if err := having(dataarts.Jobs, batch(name))(w); err != nil {
				return err
			}
		}
		return nil
	}
	for _, killed := range []bool{false, true} {
		t.Run(map[bool]string{false: "in one go", true: "killed and continued"}[killed], func(t *testing.T) {
			t.Parallel()
			d := newImportDesk(t, nil, jobs)
			d.before(func() {
				for _, name := range names {
					d.put(dataarts.Jobs, batch(name))
				}
			})
			inner := d.target
			d.target = func(w restore.Workspace) restore.Workspace { return timeless{inner(w)} }
			const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"fail"}`
			if killed {
				d.cutAfterTheTask(request)
				d.target = func(w restore.Workspace) restore.Workspace { return timeless{w} }
			}
			report, err := d.run(request)
			if err != nil || report.Counts["unchanged"] != len(names) {
				t.Errorf("%v %s %v: somebody else created all of them", err, report.Status, report.Counts)
			}
			d.undo(restore.Undone, "x")
			if left := len(d.snapshot(localtest.Workspace)[dataarts.Jobs]); left != len(names) {
				t.Errorf("%d of %d are left", left, len(names))
			}
		})
	}
}

// losing is cut off while the answer to an import is on its way.
type losing struct {
	restore.Workspace
	task *atomic.Value
}

func (w losing) Import(ctx context.Context, req factory.ImportRequest) (string, error) {
	id, err := w.Workspace.Import(ctx, req)
	if err == nil {
		w.task.Store(id)
		err = &factory.Error{Operation: "import jobs", StatusCode: 401, Err: factory.ErrUnauthorized}
	}
	return "", err
}

func TestUndo_WaitsForAnImportThatNobodyCanWatch(t *testing.T) {
	t.Parallel()
	for name, arrives := range map[string]bool{"all of it arrives": true, "nothing arrives": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newImportDesk(t, func(s *dataarts.Switches) { s.ImportLater, s.RunningPolls = true, 1 }, handful)
			var task atomic.Value
			d.target = func(w restore.Workspace) restore.Workspace { return losing{w, &task} }
			if report, err := d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"fail"}`); err == nil {
				t.Fatalf("it was not interrupted: %s", dump(report))
			}
			goOn := func() { // the service carries out what it was asked for
				for range 2 {
					if _, err := d.Factory.Workspace(localtest.Workspace).Task(t.Context(), task.Load().(string)); err != nil {
						t.Error(err)
					}
				}
			}
			opts := d.options()
			waits := 0
			opts.Sleep = func(ctx context.Context, wait time.Duration) error {
				if waits++; waits == 3 && arrives {
					goOn()
				}
				return ctx.Err()
			}
			u, err := restore.Undo(t.Context(), "x", opts)
			if err != nil {
				t.Fatal(err)
			}
			if undone := u.Status == restore.Undone; undone != arrives {
				t.Errorf("%s %s", u.Status, u.Message)
			}
			if warned := strings.Contains(u.Message, "nobody can tell what has become of the import"); warned == arrives {
				t.Errorf("the import is named: %v: %s", warned, u.Message)
			}
			if jobs := d.snapshot(localtest.Workspace)[dataarts.Jobs]; len(jobs) > 0 {
				t.Errorf("%d jobs are left", len(jobs))
			}
			if len(d.bundles()) > 0 {
				t.Errorf("left in the bucket: %q", d.bundles())
			}
		})
	}
}

func TestUndo_NamesAnImportThatWasLostAndRefusedWhenItWasAskedForAgain(t *testing.T) {
	t.Parallel()
	d := newImportDesk(t, nil, handful)
	asked := 0
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		switch {
		case op == dataarts.ImportJob && asked == 0:
			asked++
			return &dataarts.Fault{Status: 502}
		case op == dataarts.ImportJob:
			asked++
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.0815","error_msg":"another import is under way"}`}
		case asked > 1:
			return expired()
		}
		return nil
	})
	report, err := d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"fail"}`)
	if err == nil || len(report.Imports) != 1 || report.Imports[0].Status != "UNKNOWN" {
		t.Fatalf("%v %s", err, dump(report))
	}
	d.DataArts.Intercept(nil)
	if u := d.undo(restore.Partial, "x"); !strings.Contains(u.Message, "nobody can tell what has become of the import of obs://") {
		t.Errorf("%s", u.Message)
	}
}

func TestUndo_NamesAnImportThatCannotBeWatchedAnyMore(t *testing.T) {
	t.Parallel()
	d := newImportDesk(t, func(s *dataarts.Switches) { s.ImportLater, s.RunningPolls = true, 5 }, handful)
	polls := 0
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowSystemTask {
			polls++
		}
		if polls >= 2 {
			return expired()
		}
		return nil
	})
	if report, err := d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"fail"}`); err == nil {
		t.Fatalf("it was not interrupted: %s", dump(report))
	}
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowSystemTask {
			return &dataarts.Fault{Status: 403, Code: "DLF.6888"}
		}
		return nil
	})
	if u := d.undo(restore.Partial, "x"); !strings.Contains(u.Message, "nobody can tell what has become of the import") {
		t.Errorf("%s", u.Message)
	}
}

func TestImport_LeavesNoBundleBehind(t *testing.T) {
	t.Parallel()
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"fail"}`
	for name, end := range map[string]func(t *testing.T, d *importDesk){
		"undone before the import was on record": func(t *testing.T, d *importDesk) {
			d.undo(restore.Undone, "x")
		},
		"refused when continued": func(t *testing.T, d *importDesk) {
			if err := d.Objects.DeleteObject(localtest.Bucket, "backups/"+localtest.Workspace+"/"+day+"/manifest.json"); err != nil {
				t.Fatal(err)
			}
			if report, err := d.run(request); err != nil || report.Status == restore.Complete {
				t.Errorf("%v %s", err, dump(report))
			}
		},
		"continued": func(t *testing.T, d *importDesk) {
			if report, err := d.run(request); err != nil || report.Status != restore.Complete {
				t.Errorf("%v %s", err, dump(report))
			}
		},
		"continued, and deleted with the last call only": func(t *testing.T, d *importDesk) {
			var refused atomic.Int32
			d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
				if strings.HasPrefix(c.Operation, "DeleteObject") && (c.Operation == "DeleteObjects" || strings.Contains(c.Key, "/import/")) && refused.Add(1) <= 2 {
					return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
				}
				return nil
			})
			if report, err := d.run(request); err != nil || report.Status != restore.Complete {
				t.Errorf("%v %s", err, dump(report))
			}
			d.Objects.Intercept(nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, vault.Keys{}, func(quick *desk) {
				d := &importDesk{desk: quick, threshold: 1}
				d.Handle(localtest.Workspace).Wipe()
				var put atomic.Bool
				d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
					if c.Operation == "PutObject" && strings.Contains(c.Key, "/import/") {
						put.Store(true)
						return nil
					}
					if put.Load() {
						return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
					}
					return nil
				})
				d.DataArts.Intercept(func(_ *http.Request, _ dataarts.Operation) *dataarts.Fault {
					if put.Load() {
						return expired()
					}
					return nil
				})
				if report, err := d.run(request); err == nil {
					d.t.Fatalf("not interrupted: %s", dump(report))
				}
				d.Objects.Intercept(nil)
				d.DataArts.Intercept(nil)
				if len(d.bundles()) == 0 {
					d.t.Fatal("there is no bundle that could be left")
				}
				end(d.t, d)
				if left := d.bundles(); len(left) > 0 {
					d.t.Errorf("%q", left)
				}
			}, handful)
		})
	}
}

// bottomless is a service whose listings claim more than they show.
type bottomless struct{ restore.Workspace }

func (w bottomless) List(ctx context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error) {
	listing, err := w.Workspace.List(ctx, kind, fn)
	listing.Total++
	return listing, err
}

func TestImport_TakesNoWorkspaceForEmptyThatClaimsMoreThanItLists(t *testing.T) {
	t.Parallel()
	d := newImportDesk(t, nil, handful)
	d.target = func(w restore.Workspace) restore.Workspace { return bottomless{w} }
	report, err := d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	if err != nil || len(report.Imports) > 0 || report.Counts["created"] != len(report.Items) {
		t.Errorf("%v %s", err, dump(report))
	}
}
