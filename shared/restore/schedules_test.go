package restore_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

// realTime is a real-time job. Listings do not say whether it runs.
const realTime = `{"name":"r","processType":"REAL_TIME","nodes":[{"name":"n","type":"Dummy","location":{"x":"0","y":"0"},"properties":[]}],"schedule":{"type":"EXECUTE_ONCE"}}`

func TestRun_StartsAJobAgainThatItsInterruptedRunHadStopped(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]dataarts.Operation{"before it was overwritten": dataarts.UpdateJob, "before it was started": dataarts.StartJob} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("a")))
			w := d.Handle(localtest.Workspace)
			d.put(dataarts.Jobs, described(batch("a"), "changed"))
			w.SetJobStatus("a", "SCHEDULING")
			const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
			d.interrupt(request, 0, last, dataarts.StartJob)
			if got := w.JobStatus("a"); got != "STOPPED" {
				t.Fatalf("want it interrupted while the job is stopped, it is %s", got)
			}
			if !strings.Contains(stored(d, "x"), `"wasRunning": true`) {
				t.Errorf("the report does not say that it ran: %s", stored(d, "x"))
			}
			report := d.must(restore.Complete, request)
			if i := item(report, asset.Jobs, "a"); !i.WasRunning || i.Outcome != restore.Overwritten {
				t.Errorf("%+v", i)
			}
			if got := w.JobStatus("a"); got != "SCHEDULING" {
				t.Errorf("it ran before and is %s", got)
			}
		})
	}
}

func TestRun_StartsAJobAgainWhenTimeWasOverWhileItWasStopped(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	w := d.Handle(localtest.Workspace)
	d.put(dataarts.Jobs, described(batch("a"), "changed"))
	w.SetJobStatus("a", "SCHEDULING")
	ctx, cancel := context.WithCancel(t.Context())
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.UpdateJob {
			cancel()
		}
		return nil
	})
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	req, err := restore.ParseRequest([]byte(request))
	if err != nil {
		t.Fatal(err)
	}
	if report, err := restore.Run(ctx, req, d.options()); err == nil {
		t.Fatalf("want an interruption: %s", dump(report))
	}
	d.DataArts.Intercept(nil)
	d.must(restore.Complete, request)
	if got := w.JobStatus("a"); got != "SCHEDULING" {
		t.Errorf("it ran before and is %s", got)
	}
}

func TestRun_ThatIsContinuedStartsWhatItsRequestWantsStarted(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	d.Handle(localtest.Workspace).Wipe()
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","schedules":"start","targetStatus":"SUBMITTED"}`
	d.interrupt(request, 0, dataarts.StartJob)
	report := d.must(restore.Complete, request)
	if got := d.Handle(localtest.Workspace).JobStatus("a"); got != "SCHEDULING" || item(report, asset.Jobs, "a").Outcome != restore.Created {
		t.Errorf("it is %s: %s", got, dump(report))
	}
}

func TestRun_AppliesSchedulesToEverySelectedJob(t *testing.T) {
	t.Parallel()
	for schedules, want := range map[string]map[string]string{
		"keep":  {"ran": "SCHEDULING", "stood": "STOPPED", "ran_changed": "SCHEDULING", "paused_changed": "PAUSED", "gone": "STOPPED", "ran_other": "SCHEDULING", "stood_other": "STOPPED"},
		"stop":  {"ran": "STOPPED", "stood": "STOPPED", "ran_changed": "STOPPED", "gone": "STOPPED", "ran_other": "SCHEDULING", "stood_other": "STOPPED"},
		"start": {"ran": "SCHEDULING", "stood": "SCHEDULING", "ran_changed": "SCHEDULING", "paused_changed": "SCHEDULING", "gone": "SCHEDULING", "ran_other": "SCHEDULING", "stood_other": "STOPPED"},
	} {
		t.Run(schedules, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("ran"), batch("stood"), batch("ran_changed"), batch("paused_changed"), batch("gone"), batch("ran_other"), batch("stood_other")))
			w := d.Handle(localtest.Workspace)
			d.put(dataarts.Jobs, described(batch("ran_changed"), "changed"), described(batch("paused_changed"), "changed"))
			w.Delete(dataarts.Jobs, "gone")
			for job, status := range map[string]string{"ran": "SCHEDULING", "ran_changed": "SCHEDULING", "ran_other": "SCHEDULING", "paused_changed": "PAUSED"} {
				w.SetJobStatus(job, status)
			}
			report := d.must(restore.Complete, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","schedules":"`+schedules+`","select":{"names":["ran","stood","*changed","gone"]}}`)
			for job, want := range want {
				if got := w.JobStatus(job); got != want {
					t.Errorf("%s: %s, want %s", job, got, want)
				}
			}
			for job, was := range map[string]bool{"ran": true, "stood": false, "ran_changed": true, "paused_changed": false, "gone": false} {
				if i := item(report, asset.Jobs, job); i.WasRunning != was {
					t.Errorf("%+v", i)
				}
			}
			if i := item(report, asset.Jobs, "ran"); i.Outcome != restore.Unchanged {
				t.Errorf("a job whose schedule alone is touched is %+v", i)
			}
		})
	}
}

func TestRun_KnowsWhetherARealTimeJobRuns(t *testing.T) {
	t.Parallel()
	for schedules, want := range map[string]string{"keep": "NORMAL", "stop": "STOPPED", "start": "NORMAL"} {
		t.Run(schedules, func(t *testing.T) {
			t.Parallel()
			for _, change := range []bool{false, true} {
				d := newDesk(t, having(dataarts.Jobs, realTime))
				d.DataArts.SetSwitches(func(s *dataarts.Switches) { s.RefuseRunning = true })
				if change {
					d.put(dataarts.Jobs, described(realTime, "changed"))
				}
				w := d.Handle(localtest.Workspace)
				w.SetJobStatus("r", "NORMAL")
				report := d.must(restore.Complete, `{"date":"latest","duplicateNamePolicy":"overwrite","schedules":"`+schedules+`"}`)
				if i := item(report, asset.Jobs, "r"); !i.WasRunning || w.JobStatus("r") != want {
					t.Errorf("changed %v: it is %s: %+v", change, w.JobStatus("r"), i)
				}
			}
		})
	}
}

func TestRun_ADryRunLeavesSchedulesAlone(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	d.Handle(localtest.Workspace).SetJobStatus("a", "SCHEDULING")
	d.must(restore.Planned, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","schedules":"stop","dryRun":true}`)
	if got := d.Handle(localtest.Workspace).JobStatus("a"); got != "SCHEDULING" || d.Writes() > 0 {
		t.Errorf("%s, %d writes", got, d.Writes())
	}
}

func TestRun_SaysOfAJobThatWasStartedAndDoesNotRun(t *testing.T) {
	t.Parallel()
	once := strings.Replace(batch("once"), `"type":"CRON"`, `"type":"EXECUTE_ONCE"`, 1)
	d := newDesk(t, having(dataarts.Jobs, batch("a")), having(dataarts.Jobs, once), having(dataarts.Jobs, batch("late")), having(dataarts.Jobs, strings.Replace(realTime, `"r"`, `"rt"`, 1)))
	w := d.Handle(localtest.Workspace)
	for _, name := range []string{"a", "once", "late", "rt"} {
		w.SetJobStatus(name, map[bool]string{true: "NORMAL", false: "SCHEDULING"}[name == "rt"])
	}
	d.put(dataarts.Jobs, described(batch("a"), "changed"))
	d.put(dataarts.Jobs, described(once, "changed"))
	d.put(dataarts.Jobs, described(batch("late"), "changed"))
	d.put(dataarts.Jobs, described(strings.Replace(realTime, `"r"`, `"rt"`, 1), "changed"))
	lists := 0
	d.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.StartJob {
			return &dataarts.Fault{Status: http.StatusNoContent} // accepted, and nothing happens
		}
		if op == dataarts.ListJobs && w.JobStatus("late") == "STOPPED" {
			if lists++; lists > 2 {
				w.SetJobStatus("late", "SCHEDULING")
			}
		}
		return nil
	})
	report := d.must(restore.Partial, overwrite)
	for name, want := range map[string]restore.Outcome{"a": restore.Errored, "rt": restore.Errored, "once": restore.Overwritten, "late": restore.Overwritten} {
		if i := item(report, asset.Jobs, name); i.Outcome != want || (want == restore.Errored) != strings.Contains(i.Reason, "does not run") {
			t.Errorf("%s: want %s: %+v", name, want, i)
		}
	}
}
