package restore_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

// variable is one environment variable.
func variable(name, value string) string {
	return `{"name":"` + name + `","type":"variable","value":"` + value + `"}`
}

// variables is a list of them.
func variables(all ...string) string { return `{"params":[` + strings.Join(all, ",") + `]}` }

func (d *desk) variables() string {
	raw, _ := d.Handle(localtest.Workspace).Asset(dataarts.Env, "env")
	return string(raw)
}

func TestUndo_OfARestoreThatRunsWaitsForItAndTakesItBackWhole(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a")))
	d.Handle(localtest.Workspace).Wipe()
	began, goOn := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.CreateJob && first.CompareAndSwap(false, true) {
			close(began)
			<-goOn
		}
		return nil
	})
	restored := make(chan *restore.Report, 1)
	go func() {
		report, err := d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
		if err != nil {
			t.Error(err)
		}
		restored <- report
	}()
	<-began
	opts := d.options()
	var waited atomic.Bool
	opts.Lease.OnWait = func(lease.Holder) {
		if waited.CompareAndSwap(false, true) {
			close(goOn)
		}
	}
	undone, err := restore.Undo(t.Context(), "x", opts)
	if err != nil || undone.Status != restore.Undone || !waited.Load() {
		t.Errorf("it waited: %v; %v %s", waited.Load(), err, dump(undone))
	}
	if report := <-restored; report.Status != restore.Complete {
		t.Errorf("%s", dump(report))
	}
	if left := len(d.Handle(localtest.Workspace).All(dataarts.Jobs)); left > 0 {
		t.Errorf("%d jobs are left", left)
	}
}

func TestUndo_TwiceAtOnceRemovesEverythingOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b")))
	d.Handle(localtest.Workspace).Wipe()
	d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	d.DataArts.ResetCalls()
	reports := make(chan *restore.Report, 2)
	for range cap(reports) {
		go func() {
			report, err := restore.Undo(t.Context(), "x", d.options())
			if err != nil {
				t.Error(err)
			}
			reports <- report
		}()
	}
	for range cap(reports) {
		if r := <-reports; r.Status != restore.Undone {
			t.Errorf("%s", dump(r))
		}
	}
	if n := d.DataArts.CallCounts()[dataarts.DeleteJob]; n != 2 {
		t.Errorf("%d deletions of 2 jobs", n)
	}
}

func TestUndo_TouchesOnlyTheVariablesThatTheRestoreWrote(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Env, variables(variable("a", "1"), variable("b", "1"), variable("c", "1"))))
	d.hurry()
	d.put(dataarts.Env, variables(variable("a", "2"), variable("b", "1")))
	d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","select":{"names":["a","c"]}}`)
	d.put(dataarts.Env, variables(variable("a", "1"), variable("b", "edited since"), variable("c", "1"), variable("d", "new since")))
	d.undo(restore.Undone, "x")
	for _, want := range []string{variable("a", "2"), variable("b", "edited since"), variable("d", "new since")} {
		if !strings.Contains(d.variables(), want) {
			t.Errorf("no %s in %s", want, d.variables())
		}
	}
	if strings.Contains(d.variables(), `"c"`) {
		t.Errorf("what the restore created is still there: %s", d.variables())
	}
}

func TestUndo_TakesVariablesBackThatWereWrittenAndNotReadBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Env, variables(variable("a", "1"), variable("b", "1"))))
	d.hurry()
	d.put(dataarts.Env, variables(variable("b", "2")))
	var put, refused atomic.Bool
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		switch {
		case op == dataarts.CreateFactoryEnv:
			put.Store(true)
		case op == dataarts.ShowFactoryEnv && put.Load() && refused.CompareAndSwap(false, true):
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.3051","error_msg":"cannot be shown"}`}
		}
		return nil
	})
	report := d.must(restore.Partial, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	for _, name := range []string{"a", "b"} {
		if i := item(report, asset.Env, name); i.Outcome != restore.Errored || !i.Written {
			t.Errorf("%+v", i)
		}
	}
	if !strings.Contains(stored(d, "x"), `"written": true`) {
		t.Errorf("the report does not say what was written: %s", stored(d, "x"))
	}
	d.undo(restore.Undone, "x")
	if got := d.variables(); strings.Contains(got, `"a"`) || !strings.Contains(got, variable("b", "2")) {
		t.Errorf("after the undo: %s", got)
	}
}

func TestUndo_RemovesWhatWasCreatedAndNotReadBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	d.Handle(localtest.Workspace).Wipe()
	var created atomic.Bool
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		switch {
		case op == dataarts.CreateJob:
			created.Store(true)
		case op == dataarts.ShowJob && created.Load():
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.3051","error_msg":"cannot be shown"}`}
		}
		return nil
	})
	report := d.must(restore.Partial, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	if i := item(report, asset.Jobs, "a"); i.Outcome != restore.Errored || !i.Written {
		t.Errorf("%+v", i)
	}
	d.DataArts.Intercept(nil)
	d.undo(restore.Undone, "x")
	if _, there := d.description("a"); there {
		t.Error("it is left")
	}
}

func TestUndo_RemovesTheFirstVersionsOfACycleThatCouldNotBeCompleted(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("x", "y"), batch("y", "z"), batch("z", "x")))
	w := d.Handle(localtest.Workspace)
	w.Wipe()
	var n atomic.Int32
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.CreateJob && n.Add(1) == 2 {
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.6888","error_msg":"no permission"}`}
		}
		return nil
	})
	report := d.must(restore.Partial, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	d.DataArts.Intercept(nil)
	for _, i := range report.Items {
		_, live := d.description(i.Name)
		switch {
		case live && i.Outcome != restore.Created && i.Outcome != restore.Errored:
			t.Errorf("%s is in the workspace, and its outcome is %q (%s)", i.Name, i.Outcome, i.Reason)
		case live && !i.Written:
			t.Errorf("%s is in the workspace and not marked as written: %+v", i.Name, i)
		case !live && i.Outcome == restore.Created:
			t.Errorf("%s is created, and not in the workspace", i.Name)
		}
	}
	d.undo(restore.Undone, "x")
	if left := len(w.All(dataarts.Jobs)); left > 0 {
		t.Errorf("%d jobs are left", left)
	}
}

func TestRun_BlocksAWholeCycleBeforeAnythingOfItIsCreated(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("base"), batch("x", "y", "base"), batch("y", "x"), batch("after", "y")))
	d.Handle(localtest.Workspace).Wipe()
	var n atomic.Int32
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.CreateJob && n.Add(1) == 1 {
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.6888","error_msg":"no permission"}`}
		}
		return nil
	})
	report := d.must(restore.Partial, overwrite)
	for _, name := range []string{"x", "y", "after"} {
		if i := item(report, asset.Jobs, name); i.Outcome != restore.Blocked || i.Reason == "" || i.Written {
			t.Errorf("%+v", i)
		}
	}
	if n := d.DataArts.CallCounts()[dataarts.CreateJob]; n != 1 {
		t.Errorf("%d creations were tried, want that of base alone", n)
	}
}

func TestUndo_SavesWhatItOverwritesOrDeletes(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("created"), batch("overwritten")),
		having(dataarts.Scripts, `{"name":"s","type":"Shell","content":"backup"}`), having(dataarts.Env, variables(variable("v", "1"))))
	w := d.Handle(localtest.Workspace)
	w.Wipe()
	d.put(dataarts.Jobs, described(batch("overwritten"), "old"))
	d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	d.put(dataarts.Jobs, described(batch("created"), "a week of work"), described(batch("overwritten"), "a week of work"))
	d.put(dataarts.Scripts, `{"name":"s","type":"Shell","content":"a week of work"}`)
	d.put(dataarts.Env, variables(variable("v", "a week of work")))
	d.undo(restore.Undone, "x")
	for _, file := range []string{"created.job", "overwritten.job", "s.script", "env.json"} {
		if !d.saved("x", "undo/", file, "a week of work") {
			t.Errorf("%s was not saved", file)
		}
	}
	if got, _ := d.description("overwritten"); got != "old" || len(w.All(dataarts.Jobs)) != 1 || len(w.All(dataarts.Scripts)) > 0 {
		t.Errorf("after the undo: %q, %d jobs, %d scripts", got, len(w.All(dataarts.Jobs)), len(w.All(dataarts.Scripts)))
	}
}

func TestUndo_RemovesNothingThatItCouldNotSave(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	d.Handle(localtest.Workspace).Wipe()
	d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowJob {
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.3051","error_msg":"cannot be shown"}`}
		}
		return nil
	})
	report, err := restore.Undo(t.Context(), "x", d.options())
	if _, there := d.description("a"); !there || err == nil && report.Status == restore.Undone {
		t.Errorf("the job is there: %v; %v %s", there, err, dump(report))
	}
}

func TestUndo_GivesTheSchedulesBack(t *testing.T) {
	t.Parallel()
	for schedules, refuseRunning := range map[string]bool{"stop": false, "start": true} {
		t.Run(schedules, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("ran"), batch("stood"), batch("ran_unchanged"), batch("stood_unchanged")))
			d.DataArts.SetSwitches(func(s *dataarts.Switches) { s.RefuseRunning = refuseRunning })
			w := d.Handle(localtest.Workspace)
			d.put(dataarts.Jobs, described(batch("ran"), "changed"), described(batch("stood"), "changed"))
			w.SetJobStatus("ran", "SCHEDULING")
			w.SetJobStatus("ran_unchanged", "SCHEDULING")
			d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","schedules":"`+schedules+`"}`)
			d.undo(restore.Undone, "x")
			for job, want := range map[string]string{"ran": "SCHEDULING", "stood": "STOPPED", "ran_unchanged": "SCHEDULING", "stood_unchanged": "STOPPED"} {
				if got := w.JobStatus(job); got != want {
					t.Errorf("%s was %s before the restore and is %s", job, want, got)
				}
			}
			if ran, _ := d.description("ran"); ran != "changed" {
				t.Errorf("ran is %q", ran)
			}
		})
	}
}
