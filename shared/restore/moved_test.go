package restore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// This file has what others do in the workspace while a restore runs, and between its runs.

// beforeUpdate is a workspace in which something happens right before an asset is overwritten.
type beforeUpdate struct {
	restore.Workspace
	happens func(asset.Ref)
}

func (w beforeUpdate) Update(ctx context.Context, ref asset.Ref, id string, definition json.RawMessage) error {
	w.happens(ref)
	return w.Workspace.Update(ctx, ref, id, definition)
}

// meanwhile runs a restore and lets something happen right before job a is overwritten.
func (d *desk) meanwhile(request string, happens func()) *restore.Report {
	d.t.Helper()
	opts := d.options()
	opts.Workspace = func(id string) restore.Workspace {
		return beforeUpdate{d.Factory.Workspace(id), func(ref asset.Ref) {
			if ref.Name == "a" {
				happens()
			}
		}}
	}
	report, err := restore.Run(d.t.Context(), d.request(request), opts)
	if err != nil {
		d.t.Fatal(err)
	}
	return report
}

func TestRun_LeavesAloneWhatWasChangedSinceItWasSaved(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a"), batch("c", "b")))
	d.put(dataarts.Jobs, described(batch("a"), "old"), described(batch("b", "a"), "old"))
	d.Handle(localtest.Workspace).SetJobStatus("b", "SCHEDULING")
	report := d.meanwhile(overwrite, func() { d.put(dataarts.Jobs, described(batch("b", "a"), "a week of work")) })
	if got, _ := d.description("b"); got != "a week of work" {
		t.Errorf("b is %q", got)
	}
	if i := item(report, asset.Jobs, "b"); report.Status != restore.Partial || i.Outcome != restore.Errored || i.Written || !strings.Contains(i.Reason, "changed since the restore was planned") {
		t.Errorf("%s %+v", report.Status, i)
	}
	if got := d.Handle(localtest.Workspace).JobStatus("b"); got != "SCHEDULING" {
		t.Errorf("it ran, was left alone and is %s", got)
	}
}

func TestRun_DoesNotCreateAnewWhatWasDeletedSinceItWasPlanned(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a")))
	d.put(dataarts.Jobs, described(batch("a"), "old"), described(batch("b", "a"), "old"))
	report := d.meanwhile(overwrite, func() { d.Handle(localtest.Workspace).Delete(dataarts.Jobs, "b") })
	if i := item(report, asset.Jobs, "b"); i.Outcome != restore.Errored || !strings.Contains(i.Reason, "deleted since") {
		t.Errorf("%+v", i)
	}
}

func TestRun_LeavesAJobRunningOrNotAsItsOwnerTurnedItMeanwhile(t *testing.T) {
	t.Parallel()
	for _, turned := range []struct{ from, to string }{{"SCHEDULING", "STOPPED"}, {"STOPPED", "SCHEDULING"}} {
		t.Run(turned.to, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a"), batch("other", "a")))
			d.put(dataarts.Jobs, described(batch("a"), "old"), described(batch("b", "a"), "old"), described(batch("other", "a"), "old"))
			w := d.Handle(localtest.Workspace)
			w.SetJobStatus("b", turned.from)
			w.SetJobStatus("other", "SCHEDULING")
			report := d.meanwhile(overwrite, func() { w.SetJobStatus("b", turned.to) })
			if got := w.JobStatus("b"); got != turned.to || report.Status != restore.Complete {
				t.Errorf("its owner left it %s, and the restore %s: %s", turned.to, got, dump(report))
			}
			if got := w.JobStatus("other"); got != "SCHEDULING" {
				t.Errorf("a job that ran is %s", got)
			}
		})
	}
}

func TestRun_LeavesVariablesAloneOfWhichOneWasChangedSinceItWasSaved(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Env, variables(variable("a", "1"), variable("b", "1"))))
	d.put(dataarts.Env, variables(variable("a", "2"), variable("b", "2")))
	var changed atomic.Bool
	d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Operation == "PutObject" && strings.HasSuffix(c.Key, "/x/before/backup.json") && !changed.Swap(true) {
			d.put(dataarts.Env, variables(variable("a", "a week of work"), variable("b", "2")))
		}
		return nil
	})
	report := d.must(restore.Partial, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	if i := item(report, asset.Env, "a"); i.Outcome != restore.Errored || !strings.Contains(i.Reason, "changed since") || strings.Contains(i.Reason, "week") {
		t.Errorf("%+v", i)
	}
	if now := fmt.Sprintf("%s", d.snapshot(localtest.Workspace)[dataarts.Env]); !strings.Contains(now, "a week of work") {
		t.Error(now)
	}
}

// merging is a service whose update keeps the members that it is not given.
type merging struct{ restore.Workspace }

func (w merging) Update(ctx context.Context, ref asset.Ref, id string, definition json.RawMessage) error {
	live, err := w.Get(ctx, ref, id)
	if err != nil {
		return err
	}
	for name, span := range rawjson.Members(live) {
		if _, given := rawjson.Lookup(definition, name); !given {
			definition = rawjson.Set(definition, name, span.In(live))
		}
	}
	return w.Workspace.Update(ctx, ref, id, definition)
}

func TestRun_OverwrittenMeansThatWhatThePlanTakesAwayIsGone(t *testing.T) {
	t.Parallel()
	inBubble(t, vault.Keys{}, func(d *desk) {
		d.put(dataarts.Scripts, `{"name":"s","type":"Shell","content":"echo live","description":"live"}`)
		opts := d.unhurried()
		opts.Workspace = func(id string) restore.Workspace { return merging{d.Factory.Workspace(id)} }
		report, err := restore.Run(d.t.Context(), d.request(overwrite), opts)
		if i := item(report, asset.Scripts, "s"); err != nil || i.Outcome != restore.Errored || !strings.Contains(i.Reason, "description") || !i.Written {
			d.t.Errorf("%v %+v", err, i)
		}
	}, having(dataarts.Scripts, `{"name":"s","type":"Shell","content":"echo backup"}`))
}

// oneTime is a job that runs once.
func oneTime(name string) string {
	return strings.Replace(batch(name), `"type":"CRON"`, `"type":"EXECUTE_ONCE"`, 1)
}

// startedThenKilled runs a restore that is cut off after it has started a job, at the next one that it creates. starts counts what is asked for that job.
func (d *desk) startedThenKilled(job, request string) (starts *atomic.Int32) {
	d.t.Helper()
	starts = &atomic.Int32{}
	var dead atomic.Bool
	count := func(r *http.Request, op dataarts.Operation) {
		if op == dataarts.StartJob && strings.Contains(r.URL.Path, "/"+job+"/") {
			starts.Add(1)
		}
	}
	d.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if dead.Load() || op == dataarts.CreateJob && starts.Load() > 0 {
			dead.Store(true)
			return expired()
		}
		count(r, op)
		return nil
	})
	opts := d.options()
	opts.Concurrency = 1
	if report, err := restore.Run(d.t.Context(), d.request(request), opts); err == nil || starts.Load() != 1 {
		d.t.Fatalf("%v %d starts %s", err, starts.Load(), dump(report))
	}
	d.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		count(r, op)
		return nil
	})
	return starts
}

func TestRun_ThatIsContinuedStartsNothingASecondTime(t *testing.T) {
	t.Parallel()
	for name, job := range map[string]string{"a job that runs once and is over": oneTime("job"), "a job that somebody stopped since": batch("job")} {
		for schedules, live := range map[string]bool{"start": false, "keep": true} {
			t.Run(name+"/"+schedules, func(t *testing.T) {
				t.Parallel()
				d := newDesk(t, having(dataarts.Jobs, job, batch("base"), batch("later", "base")))
				w := d.Handle(localtest.Workspace)
				w.Wipe()
				if live {
					d.put(dataarts.Jobs, described(job, "old"))
					w.SetJobStatus("job", "SCHEDULING")
				}
				d.hurry()
				request := `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","schedules":"` + schedules + `"}`
				starts := d.startedThenKilled("job", request)
				w.SetJobStatus("job", "STOPPED")
				report := d.must(restore.Complete, request)
				want := map[bool]restore.Outcome{true: restore.Overwritten, false: restore.Created}[live]
				if i := item(report, asset.Jobs, "job"); starts.Load() != 1 || i.Outcome != want || !strings.Contains(i.Reason, "does not run") {
					t.Errorf("it was started %d times: %+v", starts.Load(), i)
				}
			})
		}
	}
}

// A run that is killed writes no report any more. That it was about to start a job which runs once is on record before.
func TestRun_ThatIsContinuedStartsNoJobThatRunsOnceAndMayBeOver(t *testing.T) {
	t.Parallel()
	for name, over := range map[string]bool{"it has run": true, "it has not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, oneTime("once")))
			d.Handle(localtest.Workspace).Wipe()
			r := d.reaper()
			const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","schedules":"start"}`
			how := refused
			if over {
				how = dead
			}
			r.during(2, how, func() {
				if _, err := d.run(request); err == nil {
					t.Fatal("it was not interrupted")
				}
			})
			d.Handle(localtest.Workspace).SetJobStatus("once", "STOPPED")
			report, err := d.run(request)
			i := item(report, asset.Jobs, "once")
			if got := d.Handle(localtest.Workspace).JobStatus("once"); err != nil || over != (got == "STOPPED") || over != strings.Contains(i.Reason, "may be over already") {
				t.Errorf("%v, it is %s: %+v", err, got, i)
			}
		})
	}
}

func TestRun_ThatIsContinuedListsTheJobsNotOnceForEachBlockedOne(t *testing.T) {
	t.Parallel()
	jobs := []string{batch("base")}
	for i := range 40 {
		jobs = append(jobs, batch(fmt.Sprintf("job_%d", i), "base"))
	}
	d := newDesk(t, having(dataarts.Jobs, jobs...))
	d.hurry()
	w := d.Handle(localtest.Workspace)
	for name := range w.All(dataarts.Jobs) {
		raw, _ := w.Asset(dataarts.Jobs, name)
		d.put(dataarts.Jobs, described(string(raw), "old"))
		w.SetJobStatus(name, "SCHEDULING")
	}
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	d.interrupt(request, 0, dataarts.UpdateJob)
	d.DataArts.ResetCalls()
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		switch op {
		case dataarts.UpdateJob:
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.6888","error_msg":"no permission"}`}
		case dataarts.ShowJob: // so that the plan of the run that continues blocks all of them
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.3051","error_msg":"cannot be shown"}`}
		}
		return nil
	})
	report := d.must(restore.Partial, request)
	if n := d.DataArts.CallCounts()[dataarts.ListJobs]; n > 20 {
		t.Errorf("%v: %d listings of all jobs", report.Counts, n)
	}
}

func TestRun_AJobWhoseStopWasAnsweredWithAnErrorRunsAgain(t *testing.T) {
	t.Parallel()
	const refusal = `{"error_code":"DLF.3051","error_msg":"x"}`
	for name, fault := range map[string]dataarts.Fault{
		"500":               {Status: 500, Applied: true},
		"400":               {Status: 400, Applied: true, Body: refusal},
		"200 with an error": {Status: 200, Applied: true, Body: refusal},
		"400 and no effect": {Status: 400, Body: refusal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("a")))
			d.hurry()
			d.put(dataarts.Jobs, described(batch("a"), "old"))
			w := d.Handle(localtest.Workspace)
			w.SetJobStatus("a", "SCHEDULING")
			d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
				if op == dataarts.StopJob {
					return &fault
				}
				return nil
			})
			report, err := d.run(overwrite)
			if got := w.JobStatus("a"); err != nil || got != "SCHEDULING" {
				t.Errorf("%v %s %+v: a is %s", err, report.Status, item(report, asset.Jobs, "a"), got)
			}
		})
	}
}

// unreadable is a service that answers no second time for an asset's definition: the plan reads it, and what saves it cannot.
type unreadable struct {
	restore.Workspace
	name string
	asks *atomic.Int32
}

func (w unreadable) Get(ctx context.Context, ref asset.Ref, id string) (json.RawMessage, error) {
	if ref.Name == w.name && w.asks.Add(1) > 1 {
		return nil, &factory.Error{Operation: "get job", StatusCode: 400, Code: "DLF.3051", Message: "cannot be shown"}
	}
	return w.Workspace.Get(ctx, ref, id)
}

func TestRun_OverwritesNothingThatItCannotSaveAndGoesOnWithTheOthers(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a"), batch("c")))
	d.put(dataarts.Jobs, described(batch("a"), "old"), described(batch("c"), "old"))
	d.Handle(localtest.Workspace).Delete(dataarts.Jobs, "b")
	opts := d.options()
	var asks atomic.Int32
	opts.Workspace = func(id string) restore.Workspace { return unreadable{d.Factory.Workspace(id), "a", &asks} }
	report, err := restore.Run(t.Context(), d.request(overwrite), opts)
	if err != nil || report.Status != restore.Partial {
		t.Fatalf("%v %s", err, dump(report))
	}
	if i := item(report, asset.Jobs, "a"); i.Outcome != restore.Blocked || !strings.Contains(i.Reason, "cannot be saved") {
		t.Errorf("%+v", i)
	}
	if got, _ := d.description("a"); got != "old" {
		t.Errorf("a is %q", got)
	}
	if b, c := item(report, asset.Jobs, "b"), item(report, asset.Jobs, "c"); b.Outcome != restore.Blocked || c.Outcome != restore.Overwritten {
		t.Errorf("%+v %+v", b, c)
	}
}

func TestRun_UnderSkipSkipsWhatHasAppearedSinceThePlan(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a")))
	w := d.Handle(localtest.Workspace)
	w.Wipe()
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if _, there := w.Asset(dataarts.Jobs, "a"); op == dataarts.CreateJob && !there {
			d.put(dataarts.Jobs, described(batch("a"), "somebody's own"))
		}
		return nil
	})
	report := d.must(restore.Complete, `{"date":"2026-11-22","duplicateNamePolicy":"skip"}`)
	if i := item(report, asset.Jobs, "a"); i.Outcome != restore.Skipped || i.Written || !strings.Contains(i.Reason, "somebody else") {
		t.Errorf("%+v", i)
	}
	if i := item(report, asset.Jobs, "b"); i.Outcome != restore.Created {
		t.Errorf("%+v", i)
	}
	if raw, _ := w.Asset(dataarts.Jobs, "a"); rawjson.StringAt(raw, "description") != "somebody's own" {
		t.Errorf("it is %s", raw)
	}
}

func TestParseRequest_TakesNoGuardThatIsEmpty(t *testing.T) {
	t.Parallel()
	_, err := restore.ParseRequest([]byte(`{"date":"latest","duplicateNamePolicy":"overwrite","planHash":"","select":{"kinds":[],"names":[],"directories":[]},"approvers":["ada",""]}`))
	for _, path := range []string{"planHash", "select.kinds", "select.names", "select.directories", "approvers[1]"} {
		if err == nil || !strings.Contains(err.Error(), path+": is empty") {
			t.Errorf("want a fault of %s: %v", path, err)
		}
	}
}
