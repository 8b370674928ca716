package restore_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

func TestUndo_WhoseReportCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	d.Handle(localtest.Workspace).Wipe()
	d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	var n atomic.Int32
	d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Operation == "GetObject" && strings.HasSuffix(c.Key, "/report.json") && n.Add(1) > 1 {
			return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
		}
		return nil
	})
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("panic: %v", r)
		}
	}()
	_, err := restore.Undo(t.Context(), "x", d.options())
	t.Log(err)
}

func TestUndo_KeepsWhatWasThereBeforeAndWasRecreated(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	w := d.Handle(localtest.Workspace)
	d.put(dataarts.Jobs, described(batch("a"), "precious"))
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	d.interrupt(request, 0, dataarts.UpdateJob)
	w.Delete(dataarts.Jobs, "a")
	d.must(restore.Complete, request)
	d.undo(restore.Undone, "x")
	if got, there := d.description("a"); !there || got != "precious" {
		t.Errorf("UNDONE, but a is there: %v %q", there, got)
	}
}

func TestUndo_NamesVariablesOfAWriteThatWasNotRecorded(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Env, variables(variable("a", "1"), variable("b", "1"))))
	d.hurry()
	d.put(dataarts.Env, variables(variable("b", "1")))
	r := d.reaper()
	r.during(1, dead, func() {
		if _, err := d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`); err == nil {
			t.Error("not interrupted")
		}
	})
	if !strings.Contains(d.variables(), `"a"`) {
		t.Fatal("not written")
	}
	report, err := restore.Undo(t.Context(), "x", d.options())
	if strings.Contains(d.variables(), `"a"`) && report.Status == restore.Undone {
		t.Errorf("%v %s %s: %s", err, report.Status, report.Message, d.variables())
	}
}

func TestUndo_RemovesWhatTheRestoreCreatedWhoeverEditedIt(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"overwrite", "skip", "fail"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a")))
			d.Handle(localtest.Workspace).Wipe()
			request := `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"` + policy + `"}`
			d.interrupt(request, 1, dataarts.CreateJob)
			d.put(dataarts.Jobs, described(batch("a"), "edited"))
			r, err := d.run(request)
			t.Logf("%v %s %+v", err, r.Status, item(r, asset.Jobs, "a"))
			u, err := restore.Undo(t.Context(), "x", d.options())
			if _, there := d.description("a"); there && u.Status == restore.Undone {
				t.Errorf("UNDONE and a is there: %v %s", err, u.Message)
			}
		})
	}
}

func TestUndo_WithARefusedRemovalOfVariablesStillSeesToTheSchedules(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Env, variables(variable("a", "1"))), having(dataarts.Jobs, batch("j")))
	d.hurry()
	w := d.Handle(localtest.Workspace)
	d.put(dataarts.Env, variables())
	w.SetJobStatus("j", "SCHEDULING")
	d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","schedules":"stop"}`)
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.CreateFactoryEnv {
			return bad()
		}
		return nil
	})
	for range 2 {
		u, err := restore.Undo(t.Context(), "x", d.options())
		if err != nil || w.JobStatus("j") != "SCHEDULING" {
			t.Errorf("%v %v; j is %s", err, u.Status, w.JobStatus("j"))
		}
	}
}

func TestUndo_RemovesTheFirstVersionOfACyclesJob(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("base"), batch("x", "y", "base"), batch("y", "x")))
	d.hurry()
	w := d.Handle(localtest.Workspace)
	w.Wipe()
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	r := d.reaper()
	req, _ := restore.ParseRequest([]byte(request))
	opts := d.options()
	opts.Concurrency = 1
	r.during(3, dead, func() { _, _ = restore.Run(t.Context(), req, opts) }) // base, x, y: first versions
	d.put(dataarts.Jobs, described(batch("base"), "edited"))
	d.DataArts.Intercept(func(rq *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.UpdateJob && strings.HasSuffix(rq.URL.Path, "/base") {
			return bad()
		}
		return nil
	})
	report, err := restore.Run(t.Context(), req, opts)
	t.Logf("%v %s x %+v y %+v", err, report.Status, item(report, asset.Jobs, "x"), item(report, asset.Jobs, "y"))
	d.DataArts.Intercept(nil)
	u, err := restore.Undo(t.Context(), "x", d.options())
	for name := range w.All(dataarts.Jobs) {
		if name != "base" {
			t.Errorf("%s is left: %v %s %s", name, err, u.Status, u.Message)
		}
	}
}

func TestUndo_OfWhatWasSavedTwice(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	d.put(dataarts.Jobs, described(batch("a"), "old"))
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	d.interrupt(request, 0, dataarts.UpdateJob)
	d.put(dataarts.Jobs, described(batch("a"), "precious"))
	d.must(restore.Complete, request)
	for range 2 {
		u, err := restore.Undo(t.Context(), "x", d.options())
		got, _ := d.description("a")
		if err != nil || u.Status != restore.Undone || got != "old" {
			t.Errorf("%v %s, a is %q", err, u.Status, got)
		}
	}
}

func TestUndo_RemovesWhatTheRestoreCreatedUnderEveryPolicy(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"overwrite", "skip", "fail"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, described(batch("a"), "backup"), batch("b", "a")))
			d.Handle(localtest.Workspace).Wipe()
			request := `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"` + policy + `"}`
			d.interrupt(request, 1, dataarts.CreateJob)
			d.put(dataarts.Jobs, described(batch("a"), "edited"))
			r, err := d.run(request)
			t.Logf("%v %s %+v", err, r.Status, item(r, asset.Jobs, "a"))
			u, err := restore.Undo(t.Context(), "x", d.options())
			if _, there := d.description("a"); there && u.Status == restore.Undone {
				t.Errorf("UNDONE and a is there: %v %s", err, u.Message)
			}
		})
	}
}

func TestUndo_ThatWasInterruptedCanBeAskedForAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a"), batch("c", "b")))
	w := d.Handle(localtest.Workspace)
	w.Wipe()
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	d.interrupt(request, 2, dataarts.CreateJob)
	var n atomic.Int32
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.DeleteJob && n.Add(1) > 1 {
			return expired()
		}
		return nil
	})
	_, err := restore.Undo(t.Context(), "x", d.options())
	d.DataArts.Intercept(nil)
	r, err2 := d.run(request)
	t.Logf("%v; %v %s, %d jobs", err, err2, r.Status, len(w.All(dataarts.Jobs)))
}

func TestUndo_LeavesTheScheduleOfAnUntouchedJobAlone(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a")))
	w := d.Handle(localtest.Workspace)
	d.put(dataarts.Jobs, described(batch("a"), "old"), described(batch("b", "a"), "old"))
	w.SetJobStatus("b", "SCHEDULING")
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.UpdateJob {
			return bad()
		}
		return nil
	})
	d.must(restore.Partial, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	d.DataArts.Intercept(nil)
	w.SetJobStatus("b", "STOPPED") // the operator
	_, _ = restore.Undo(t.Context(), "x", d.options())
	if w.JobStatus("b") != "STOPPED" {
		t.Errorf("b is %s", w.JobStatus("b"))
	}
}

func TestUndo_LeavesAnUnreadableAssetAloneAndTakesTheRestBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b"), batch("c")))
	w := d.Handle(localtest.Workspace)
	w.Delete(dataarts.Jobs, "c")
	d.put(dataarts.Jobs, described(batch("a"), "old"), described(batch("b"), "old"))
	d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	d.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowJob && strings.HasSuffix(r.URL.Path, "/a") {
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.3051","error_msg":"cannot be shown"}`}
		}
		return nil
	})
	u, err := restore.Undo(t.Context(), "x", d.options())
	b, _ := d.description("b")
	_, c := d.description("c")
	if err != nil || b != "old" || c {
		t.Errorf("%v %v b=%q c there=%v", err, u.Status, b, c)
	}
}

func TestUndo_NamesAVariableWhoseWriteHasAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Env, variables(variable("a", "1"), variable("b", "1"))))
	d.hurry()
	d.put(dataarts.Env, variables(variable("b", "1")))
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.CreateFactoryEnv {
			return &dataarts.Fault{ResetAfter: true}
		}
		return nil
	})
	r := d.must(restore.Partial, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	d.DataArts.Intercept(nil)
	u, err := restore.Undo(t.Context(), "x", d.options())
	if strings.Contains(d.variables(), `"a"`) && u.Status == restore.Undone {
		t.Errorf("%v %s %s: %s; %+v", err, u.Status, u.Message, d.variables(), r.Items)
	}
}
