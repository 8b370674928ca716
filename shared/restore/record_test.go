package restore_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

func TestRun_ThatIsRefusedWhileItContinuesKeepsWhatWasDoneOnRecord(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a")))
	d.Handle(localtest.Workspace).Wipe()
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	planning, waitsForB := make(chan struct{}), make(chan struct{})
	var once, n atomic.Int32
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ListJobs && once.Add(1) == 1 {
			close(planning)
			<-waitsForB
		}
		if op == dataarts.CreateJob && n.Add(1) == 2 {
			key := "backups/" + localtest.Workspace + "/" + day + "/4_jobs/b.job"
			_ = d.Objects.PutObject(localtest.Bucket, key, []byte("damaged"))
			return expired()
		}
		return nil
	})
	first := make(chan struct{})
	go func() {
		r, err := d.run(request)
		t.Logf("A: %v %v", err, r.Status)
		close(first)
	}()
	<-planning
	opts := d.options()
	var w atomic.Bool
	opts.Lease.OnWait = func(lease.Holder) {
		if w.CompareAndSwap(false, true) {
			close(waitsForB)
		}
	}
	req, _ := restore.ParseRequest([]byte(request))
	report, err := restore.Run(t.Context(), req, opts)
	<-first
	_, there := d.description("a")
	if report.Status == restore.Failed || len(report.Items) == 0 {
		t.Errorf("B: %v %s\na is live: %v\nstored: %s", err, dump(report), there, stored(d, "x"))
	}
	u, err := restore.Undo(t.Context(), "x", d.options())
	if err != nil || u.Status != restore.Undone {
		t.Errorf("undo: %v %s", err, dump(u))
	}
}

func TestRun_ASlowStartAfterARefusedUpdateEndsOneAssetNotTheRestore(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a"), batch("c")))
	w := d.Handle(localtest.Workspace)
	w.Delete(dataarts.Jobs, "b")
	d.put(dataarts.Jobs, described(batch("a"), "old"))
	w.SetJobStatus("a", "SCHEDULING")
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		switch op {
		case dataarts.UpdateJob:
			return bad()
		case dataarts.StartJob:
			time.Sleep(2500 * time.Millisecond)
		}
		return nil
	})
	for range 2 {
		report, err := d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
		if err != nil || report.Status != restore.Partial {
			t.Errorf("want PARTIAL, got %v %s; a is %s", err, report.Status, w.JobStatus("a"))
		}
	}
}

func TestRun_ThatIsContinuedStartsABlockedJobAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a")))
	d.hurry()
	w := d.Handle(localtest.Workspace)
	d.put(dataarts.Jobs, described(batch("b", "a"), "old"))
	w.SetJobStatus("b", "SCHEDULING")
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	r := d.reaper()
	r.during(1, dead, func() { _, _ = d.run(request) }) // b is stopped, then the process dies
	if w.JobStatus("b") == "SCHEDULING" {
		t.Fatal("not stopped")
	}
	d.put(dataarts.Jobs, described(batch("a"), "edited"))
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.UpdateJob {
			return bad()
		}
		return nil
	})
	report := d.must(restore.Partial, request)
	if w.JobStatus("b") != "SCHEDULING" {
		t.Errorf("b is %s: %+v", w.JobStatus("b"), item(report, asset.Jobs, "b"))
	}
}

func TestRun_WhoseContinuationIsRefusedStartsWhatItStopped(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("b")))
	d.hurry()
	w := d.Handle(localtest.Workspace)
	d.put(dataarts.Jobs, described(batch("b"), "old"))
	w.SetJobStatus("b", "SCHEDULING")
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	r := d.reaper()
	r.during(1, dead, func() { _, _ = d.run(request) })
	key := "backups/" + localtest.Workspace + "/" + day + "/4_jobs/b.job"
	_ = d.Objects.PutObject(localtest.Bucket, key, []byte("damaged"))
	report := d.must(restore.Partial, request)
	if w.JobStatus("b") != "SCHEDULING" {
		t.Errorf("b is %s: %s", w.JobStatus("b"), report.Message)
	}
}

func TestRun_ALateDryRunLeavesTheReportOfARestoreAlone(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	d.Handle(localtest.Workspace).Wipe()
	planning, goOn := make(chan struct{}), make(chan struct{})
	var once atomic.Int32
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ListJobs && once.Add(1) == 1 {
			close(planning)
			<-goOn
		}
		return nil
	})
	done := make(chan struct{})
	go func() {
		_, _ = d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true}`)
		close(done)
	}()
	<-planning
	d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	close(goOn)
	<-done
	u, err := restore.Undo(t.Context(), "x", d.options())
	if err != nil || u.Status != restore.Undone {
		t.Errorf("%v %s\n%.300s", err, dump(u), stored(d, "x"))
	}
}

func TestRun_OneUnreadableAssetIsBlockedAndTheRestIsRestored(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b")))
	w := d.Handle(localtest.Workspace)
	w.Delete(dataarts.Jobs, "b")
	d.put(dataarts.Jobs, described(batch("a"), "old"))
	d.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowJob && strings.HasSuffix(r.URL.Path, "/a") {
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.3051","error_msg":"cannot be shown"}`}
		}
		return nil
	})
	report, err := d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	if _, there := d.description("b"); err != nil || !there {
		t.Errorf("b restored: %v; %v %s", there, err, report.Status)
	}
}

func TestRun_PolicyFailNeverOverwritesWhenContinued(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a"), batch("c")))
	d.Handle(localtest.Workspace).Wipe()
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"fail","select":{"names":["b","c"]}}`
	d.interrupt(request, 0, dataarts.CreateJob)
	d.put(dataarts.Jobs, batch("a"), described(batch("b", "a"), "somebody's"))
	report, err := d.run(request)
	if got, _ := d.description("b"); got != "somebody's" {
		t.Errorf("overwritten under fail: %v %+v", err, item(report, asset.Jobs, "b"))
	}
}

func TestRun_InterruptedAtTheLastSaveIsNotCalledComplete(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	d.Handle(localtest.Workspace).Wipe()
	var n atomic.Int32
	d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Operation == "PutObject" && strings.HasSuffix(c.Key, "/report.json") && n.Add(1) > 1 {
			return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
		}
		return nil
	})
	r, err := d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	if err == nil || r.Status == restore.Complete {
		t.Errorf("%v %s", err, r.Status)
	}
	d.Objects.Intercept(nil)
	d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Operation == "PutObject" && strings.HasSuffix(c.Key, "/report.json") {
			return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
		}
		return nil
	})
	u, err := restore.Undo(t.Context(), "x", d.options())
	if err == nil || u.Status == restore.Undone {
		t.Errorf("undo: %v %s", err, u.Status)
	}
}

func TestRun_AnInterruptedContinuationIsStillRunning(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a")))
	d.Handle(localtest.Workspace).Wipe()
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	d.interrupt(request, 1, dataarts.CreateJob)
	d.interrupt(request, 0, dataarts.ListJobs)
}

func TestRun_OneIDIntoTwoWorkspacesAtOnceIsRefusedOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	d.put(dataarts.Jobs, described(batch("a"), "precious 1"))
	if err := d.Handle(localtest.Other).Put(dataarts.Jobs, []byte(described(batch("a"), "precious 2"))); err != nil {
		t.Fatal(err)
	}
	planning, goOn := make(chan struct{}), make(chan struct{})
	var once atomic.Int32
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ListJobs && once.Add(1) == 1 {
			close(planning)
			<-goOn
		}
		return nil
	})
	done := make(chan *restore.Report)
	go func() {
		r, err := d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
		t.Log(err)
		done <- r
	}()
	<-planning
	r2, err := d.run(`{"id":"x","date":"2026-11-22","source":"` + localtest.Workspace + `","workspace":"` + localtest.Other + `","duplicateNamePolicy":"overwrite"}`)
	close(goOn)
	r1 := <-done
	if r1.Status == restore.Complete && r2.Status == restore.Complete {
		t.Errorf("%v both COMPLETE; saved: precious 1 %v, precious 2 %v; report is of %v", err, d.saved("x", "before", "a.job", "precious 1"), d.saved("x", "before", "a.job", "precious 2"),
			strings.Contains(stored(d, "x"), `"workspace": "`+localtest.Other))
	}
}

func bad() *dataarts.Fault {
	return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.6888","error_msg":"no"}`}
}
