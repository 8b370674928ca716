package restore_test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// secretive is a service whose lists claim an asset that they do not show.
type secretive struct {
	restore.Workspace
	kind asset.Kind
	name string
}

func (w secretive) List(ctx context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error) {
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

// undoOf undoes a restore in a workspace that is seen otherwise than it is.
func (d *desk) undoOf(id string, seen func(restore.Workspace) restore.Workspace) *restore.Report {
	d.t.Helper()
	opts := d.options()
	opts.Workspace = func(id string) restore.Workspace { return seen(d.Factory.Workspace(id)) }
	u, err := restore.Undo(d.t.Context(), id, opts)
	if err != nil {
		d.t.Fatal(err)
	}
	return u
}

func TestUndo_BelievesNoListThatClaimsMoreThanItShows(t *testing.T) {
	t.Parallel()
	hides := func(kind asset.Kind, name string) func(restore.Workspace) restore.Workspace {
		return func(w restore.Workspace) restore.Workspace { return secretive{w, kind, name} }
	}
	t.Run("about what was created", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b")), having(dataarts.Resources, udf))
		d.hurry()
		d.Handle(localtest.Workspace).Wipe()
		d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
		u := d.undoOf("x", hides(asset.Jobs, "a"))
		if _, there := d.description("a"); !there || u.Status != restore.Partial || !strings.Contains(u.Message, `job "a"`) {
			t.Errorf("a is there %v; %s %s", there, u.Status, u.Message)
		}
		d.undo(restore.Undone, "x")
		if _, there := d.description("a"); there {
			t.Error("a is there, though its listing was whole when the undo was asked for again")
		}
	})
	t.Run("about a resource", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, having(dataarts.Resources, udf))
		d.hurry()
		d.Handle(localtest.Workspace).Wipe()
		d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
		if u := d.undoOf("x", hides(asset.Resources, "udf")); u.Status != restore.Partial || !strings.Contains(u.Message, "udf") {
			t.Errorf("%s %s", u.Status, u.Message)
		}
	})
	t.Run("about what was deleted", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b")))
		d.hurry()
		d.Handle(localtest.Workspace).Wipe()
		d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
		d.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
			if op == dataarts.DeleteJob && strings.HasSuffix(r.URL.Path, "/a") {
				return &dataarts.Fault{Status: 204} // and it is not deleted
			}
			return nil
		})
		u := d.undoOf("x", func(w restore.Workspace) restore.Workspace { return &forgetting{Workspace: w} })
		if u.Status != restore.Partial || !strings.Contains(u.Message, `job "a"`) {
			t.Errorf("%s %s", u.Status, u.Message)
		}
	})
	t.Run("but asks for what it is not shown", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b")))
		d.hurry()
		d.Handle(localtest.Workspace).Wipe()
		d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
		d.put(dataarts.Jobs, batch("somebody_elses"))
		if u := d.undoOf("x", hides(asset.Jobs, "somebody_elses")); u.Status != restore.Undone || len(d.snapshot(localtest.Workspace)[dataarts.Jobs]) != 1 {
			t.Errorf("%s %s", u.Status, u.Message)
		}
	})
	t.Run("about whether a job runs", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b")))
		d.hurry()
		d.put(dataarts.Jobs, described(batch("a"), "old"))
		d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
		d.put(dataarts.Jobs, described(batch("a"), "a week of work"))
		u := d.undoOf("x", hides(asset.Jobs, "a"))
		if got, _ := d.description("a"); got != "a week of work" || u.Status != restore.Partial || !strings.Contains(u.Message, "schedule") {
			t.Errorf("a is %q; %s %s", got, u.Status, u.Message)
		}
	})
}

// forgetting is a service that claims what it was asked to delete, and does not show it.
type forgetting struct {
	restore.Workspace
	mu      sync.Mutex
	deleted map[asset.Ref]bool
}

func (w *forgetting) Delete(ctx context.Context, ref asset.Ref, id string, approvers ...string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deleted == nil {
		w.deleted = map[asset.Ref]bool{}
	}
	w.deleted[ref.Identity()] = true
	return w.Workspace.Delete(ctx, ref, id, approvers...)
}

func (w *forgetting) List(ctx context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error) {
	hidden := 0
	l, err := w.Workspace.List(ctx, kind, func(r factory.Row) error {
		w.mu.Lock()
		gone := w.deleted[r.Ref.Identity()]
		w.mu.Unlock()
		if gone {
			hidden++
			return nil
		}
		return fn(r)
	})
	l.Unique -= hidden
	return l, err
}

func TestUndo_LeavesAloneWhatTheRestoreNeverWrote(t *testing.T) {
	t.Parallel()
	t.Run("an asset that was blocked", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a")))
		d.put(dataarts.Jobs, described(batch("a"), "old"), described(batch("b", "a"), "old"))
		d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
			if op == dataarts.UpdateJob {
				return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.6888","error_msg":"no permission"}`}
			}
			return nil
		})
		report := d.must(restore.Partial, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
		d.DataArts.Intercept(nil)
		if i := item(report, asset.Jobs, "b"); i.Outcome != restore.Blocked || i.Written || i.Sent {
			t.Fatalf("%+v", i)
		}
		d.put(dataarts.Jobs, described(batch("b", "a"), "a week of work"))
		u := d.undo(restore.Undone, "x")
		if got, _ := d.description("b"); got != "a week of work" {
			t.Errorf("the restore never wrote b; the undo made it %q: %s", got, u.Message)
		}
	})
	t.Run("a file that could not be written", func(t *testing.T) {
		t.Parallel()
		d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf))
		d.lay(udfJar, newText)
		d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if c.Bucket == "libs" && c.Operation != "GetObject" && c.Operation != "GetObjectMetadata" && c.Operation != "ListObjects" {
				return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
			}
			return nil
		})
		report := d.must(restore.Partial, fileRequest("overwrite", `,"id":"x"`))
		d.Objects.Intercept(nil)
		d.lay(udfJar, "a week of work")
		u := d.undo(restore.Undone, "x")
		if got := d.file(udfJar); got != "a week of work" {
			t.Errorf("%+v; %s: %q", filesOf(report, "udf"), u.Message, got)
		}
	})
	t.Run("but not what it may have written", func(t *testing.T) {
		t.Parallel()
		d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf))
		d.lay(udfJar, newText)
		d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if c.Bucket == "libs" && c.Operation != "GetObject" && c.Operation != "GetObjectMetadata" && c.Operation != "ListObjects" {
				return &objectstore.Fault{Status: 403, Code: "AccessDenied", Applied: true}
			}
			return nil
		})
		report := d.must(restore.Partial, fileRequest("overwrite", `,"id":"x"`))
		d.Objects.Intercept(nil)
		if d.file(udfJar) != jarText {
			t.Fatalf("%+v: %q", filesOf(report, "udf"), d.file(udfJar))
		}
		u := d.undo(restore.Undone, "x")
		if got := d.file(udfJar); got != newText {
			t.Errorf("%+v; %s: %q", filesOf(report, "udf"), u.Message, got)
		}
	})
	t.Run("a file that somebody else has put there", func(t *testing.T) {
		t.Parallel()
		d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf))
		d.Handle(localtest.Workspace).Wipe()
		d.lay(udfJar, "")
		d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if c.Operation == "PutObject" && strings.HasSuffix(c.Key, "/x/report.json") && d.file(udfJar) == "" {
				d.lay(udfJar, jarText) // the plan is made
			}
			return nil
		})
		report := d.must(restore.Complete, fileRequest("overwrite", `,"id":"x"`))
		d.Objects.Intercept(nil)
		u := d.undo(restore.Undone, "x")
		if got := d.file(udfJar); got != jarText {
			t.Errorf("%+v; %s: %q", filesOf(report, "udf"), u.Message, got)
		}
	})
	t.Run("a file that somebody has put there again", func(t *testing.T) {
		t.Parallel()
		d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf))
		d.Handle(localtest.Workspace).Wipe()
		d.lay(udfJar, "")
		d.must(restore.Complete, fileRequest("overwrite", `,"id":"x"`))
		report := regexp.MustCompile(`"lastModified": "[^"]*"`).ReplaceAllString(stored(d, "x"), `"lastModified": "2026-01-01T00:00:00Z"`)
		if err := d.Objects.PutObject(localtest.Bucket, "backups/restores/x/report.json", []byte(report)); err != nil || !strings.Contains(report, "2026-01-01") {
			t.Fatal(err, report)
		}
		if u := d.undo(restore.Partial, "x"); d.file(udfJar) != jarText || !strings.Contains(u.Message, udfJar) {
			t.Errorf("%q: %s", d.file(udfJar), u.Message)
		}
	})
}

func TestUndo_OverwritesNothingThatItCouldNotSave(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	d.put(dataarts.Jobs, described(batch("a"), "old"))
	d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	d.put(dataarts.Jobs, described(batch("a"), "a week of work"))
	var n atomic.Int32
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowJob && n.Add(1) == 1 {
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.3051","error_msg":"cannot be shown"}`}
		}
		return nil
	})
	u := d.undo(restore.Partial, "x")
	if got, _ := d.description("a"); got != "a week of work" || !strings.Contains(u.Message, "cannot be saved") {
		t.Errorf("%s: a is %q", u.Message, got)
	}
	d.undo(restore.Undone, "x")
	if got, _ := d.description("a"); got != "old" || !d.saved("x", "undo-2/", "a.job", "a week of work") {
		t.Errorf("a is %q, and what was there is saved nowhere", got)
	}
}

func TestUndo_LeavesVariablesAloneThatItCouldNotSave(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Env, variables(variable("a", "1"), variable("b", "1"))))
	d.hurry()
	d.put(dataarts.Env, variables(variable("a", "2")))
	d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	before := d.variables()
	var n atomic.Int32
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowFactoryEnv && n.Add(1) == 1 {
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.3051","error_msg":"the value 1 is odd"}`}
		}
		return nil
	})
	u := d.undo(restore.Partial, "x")
	if got := d.variables(); got != before || strings.Contains(u.Message, "odd") {
		t.Errorf("%s: %s", u.Message, got)
	}
	d.undo(restore.Undone, "x")
	if got := d.variables(); strings.Contains(got, `"b"`) || !strings.Contains(got, variable("a", "2")) {
		t.Errorf("after the second undo: %s", got)
	}
}

func TestUndo_AskedForAgainLeavesAloneWhatItHasTakenBackBefore(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b"), batch("c")), having(dataarts.Env, variables(variable("v", "1"))))
	d.hurry()
	d.Handle(localtest.Workspace).Wipe()
	d.put(dataarts.Jobs, described(batch("c"), "old"))
	d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	d.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.DeleteJob && strings.HasSuffix(r.URL.Path, "/b") {
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.6888","error_msg":"locked"}`}
		}
		return nil
	})
	d.undo(restore.Partial, "x")
	d.DataArts.Intercept(nil)
	if _, there := d.description("a"); there {
		t.Fatal("a is there")
	}
	d.put(dataarts.Jobs, described(batch("a"), "somebody else's"), described(batch("c"), "a week of work"))
	d.put(dataarts.Env, variables(variable("v", "somebody else's")))
	u := d.undo(restore.Undone, "x")
	a, _ := d.description("a")
	c, _ := d.description("c")
	if _, there := d.description("b"); there || a != "somebody else's" || c != "a week of work" || !strings.Contains(d.variables(), "somebody else's") {
		t.Errorf("a %q, b there %v, c %q, %s: %s", a, there, c, d.variables(), u.Message)
	}
	if !strings.Contains(u.Message, `job "a" is there again`) {
		t.Errorf("%s", u.Message)
	}
}

func TestUndo_KeepsAFileThatALiveResourceReliesOn(t *testing.T) {
	t.Parallel()
	t.Run("of the workspace that was backed up", func(t *testing.T) {
		t.Parallel()
		d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf))
		d.Handle(localtest.Workspace).Wipe()
		d.lay(udfJar, "")
		d.must(restore.Complete, fileRequest("fail", `,"id":"other","workspace":"`+localtest.Other+`","source":"`+localtest.Workspace+`"`))
		d.must(restore.Complete, fileRequest("overwrite", `,"id":"real"`))
		u := d.undo(restore.Undone, "other")
		if d.file(udfJar) == "" || !strings.Contains(u.Message, udfJar) || !strings.Contains(u.Message, localtest.Workspace) {
			t.Errorf("restore real was COMPLETE, and the file of its resource is %q: %s", d.file(udfJar), u.Message)
		}
	})
	t.Run("of the target", func(t *testing.T) {
		t.Parallel()
		d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf))
		d.Handle(localtest.Workspace).Wipe()
		d.lay(udfJar, "")
		d.must(restore.Complete, fileRequest("overwrite", `,"id":"x"`))
		d.put(dataarts.Resources, strings.Replace(udf, `"udf"`, `"new_one"`, 1))
		u := d.undo(restore.Undone, "x")
		if d.file(udfJar) != jarText || !strings.Contains(u.Message, "new_one") {
			t.Errorf("%q: %s", d.file(udfJar), u.Message)
		}
	})
	t.Run("as far as that can be seen", func(t *testing.T) {
		t.Parallel()
		d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf))
		d.hurry()
		d.Handle(localtest.Workspace).Wipe()
		d.lay(udfJar, "")
		d.must(restore.Complete, fileRequest("overwrite", `,"id":"x"`))
		d.put(dataarts.Resources, strings.Replace(udf, `"udf"`, `"new_one"`, 1))
		u := d.undoOf("x", func(w restore.Workspace) restore.Workspace { return secretive{w, asset.Resources, "new_one"} })
		if d.file(udfJar) != jarText || u.Status != restore.Partial || !strings.Contains(u.Message, udfJar) {
			t.Errorf("%q: %s", d.file(udfJar), u.Message)
		}
	})
}
