package restore_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// lying lets the service take requests of an operation with 204 and do nothing.
func (d *desk) lying(about dataarts.Operation) {
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == about {
			return &dataarts.Fault{Status: http.StatusNoContent}
		}
		return nil
	})
}

func TestRun_BelievesNoAnswerThatNothingFollows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about dataarts.Operation
		kind  asset.Kind
		want  string
	}{
		{dataarts.UpdateJob, asset.Jobs, "reads back with what the backup is without: description is still there"},
		{dataarts.StartJob, asset.Jobs, "does not run"},
		{dataarts.StopJob, asset.Jobs, ""}, // it goes on running, as it shall in the end
		{dataarts.CreateFactoryEnv, asset.Env, "reads back as it was"},
	} {
		t.Run(string(c.about), func(t *testing.T) {
			t.Parallel()
			inBubble(t, vault.Keys{}, func(d *desk) {
				d.put(dataarts.Env, variables(strings.Replace(variable("v", "1"), `"value"`, `"desc":"somebody else's","value"`, 1)))
				d.put(dataarts.Jobs, described(batch("v"), "somebody else's"))
				d.Handle(localtest.Workspace).SetJobStatus("v", "SCHEDULING")
				d.lying(c.about)
				report, err := restore.Run(d.t.Context(), d.request(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`), d.unhurried())
				got := item(report, c.kind, "v")
				if good := c.want == "" && got.Outcome == restore.Overwritten; err != nil || !good && (got.Outcome != restore.Errored || !strings.Contains(got.Reason, c.want)) {
					d.t.Errorf("%v %+v", err, got)
				}
				if status := d.Handle(localtest.Workspace).JobStatus("v"); status != "SCHEDULING" && c.about != dataarts.StartJob {
					d.t.Errorf("the job is %s", status)
				}
			}, having(dataarts.Jobs, batch("v")), having(dataarts.Env, variables(variable("v", "1"))))
		})
	}
}

func TestRun_ThatIsContinuedBelievesNoAnswerThatNothingFollows(t *testing.T) {
	t.Parallel()
	inBubble(t, vault.Keys{}, func(d *desk) {
		d.put(dataarts.Jobs, described(batch("v"), "somebody else's"))
		written := false
		d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
			switch {
			case op == dataarts.UpdateJob:
				written = true
				return &dataarts.Fault{Status: http.StatusNoContent}
			case written:
				return expired()
			}
			return nil
		})
		if report, err := d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`); err == nil {
			d.t.Fatalf("it was not interrupted: %s", dump(report))
		}
		d.DataArts.Intercept(nil)
		d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
		if text, _ := d.description("v"); text != "" {
			d.t.Errorf("overwritten, and the description is %q", text)
		}
	}, having(dataarts.Jobs, batch("v")))
}

func TestUndo_BelievesNoAnswerThatNothingFollows(t *testing.T) {
	t.Parallel()
	for about, schedules := range map[dataarts.Operation]string{dataarts.DeleteJob: "keep", dataarts.StopJob: "start", dataarts.StartJob: "stop"} {
		t.Run(string(about), func(t *testing.T) {
			t.Parallel()
			inBubble(t, vault.Keys{}, func(d *desk) {
				d.Handle(localtest.Workspace).Delete(dataarts.Jobs, "gone")
				d.Handle(localtest.Workspace).SetJobStatus("ran", "SCHEDULING")
				d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","schedules":"`+schedules+`"}`)
				d.lying(about)
				job := map[dataarts.Operation]string{dataarts.DeleteJob: "gone", dataarts.StopJob: "stood", dataarts.StartJob: "ran"}[about]
				if report, err := restore.Undo(d.t.Context(), "x", d.unhurried()); err != nil || report.Status != restore.Partial || !strings.Contains(report.Message, job) {
					d.t.Errorf("%v %s %s", err, report.Status, report.Message)
				}
				d.DataArts.Intercept(nil)
				d.undo(restore.Undone, "x")
				w := d.Handle(localtest.Workspace)
				if _, there := w.Asset(dataarts.Jobs, "gone"); there || w.JobStatus("stood") != "STOPPED" || w.JobStatus("ran") != "SCHEDULING" {
					d.t.Errorf("gone is there: %v, stood is %s, ran is %s", there, w.JobStatus("stood"), w.JobStatus("ran"))
				}
			}, having(dataarts.Jobs, batch("gone"), batch("stood"), batch("ran")))
		})
	}
}

func TestUndo_StartsNoJobThatDidNotRunBeforeTheRestore(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("stood"), batch("ran")))
	d.hurry()
	d.put(dataarts.Jobs, described(batch("stood"), "changed"), described(batch("ran"), "changed"))
	d.Handle(localtest.Workspace).SetJobStatus("ran", "SCHEDULING")
	d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","schedules":"start"}`)
	d.DataArts.ResetCalls()
	d.undo(restore.Undone, "x")
	for _, call := range d.DataArts.Calls() {
		if call.Operation == dataarts.StartJob && strings.Contains(call.Path, "stood") {
			d.t.Errorf("%s %s: it would run once more", call.Method, call.Path)
		}
	}
	if w := d.Handle(localtest.Workspace); w.JobStatus("stood") != "STOPPED" || w.JobStatus("ran") != "SCHEDULING" {
		d.t.Errorf("stood is %s, ran is %s", w.JobStatus("stood"), w.JobStatus("ran"))
	}
}

func TestRun_CreatesAJobThatDependsOnItsOwnLastRun(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("again", "again")))
	d.Handle(localtest.Workspace).Wipe()
	d.must(restore.Complete, overwrite)
	if differences := d.same(localtest.Workspace); len(differences) > 0 {
		d.t.Errorf("%q", differences)
	}
}

// A start whose answer was lost is sent again where the job's status says that it does not run, unless that job runs once.
func TestRun_StartsAJobAgainWhoseStartWasLost(t *testing.T) {
	t.Parallel()
	once := strings.Replace(batch("once"), `"type":"CRON"`, `"type":"EXECUTE_ONCE"`, 1)
	d := newDesk(t, having(dataarts.Jobs, batch("cron"), once))
	d.hurry()
	d.put(dataarts.Jobs, described(batch("cron"), "changed"), described(once, "changed"))
	asked := map[string]int{}
	d.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op != dataarts.StartJob {
			return nil
		}
		job := strings.Split(r.URL.Path, "/")[4]
		if asked[job]++; asked[job] == 1 {
			return &dataarts.Fault{ResetBefore: true}
		}
		return nil
	})
	for _, job := range []string{"cron", "once"} {
		d.Handle(localtest.Workspace).SetJobStatus(job, "SCHEDULING")
	}
	opts := d.options()
	opts.Concurrency = 1
	report, err := restore.Run(d.t.Context(), d.request(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`), opts)
	if err != nil || item(report, asset.Jobs, "cron").Outcome != restore.Overwritten || item(report, asset.Jobs, "once").Outcome != restore.Errored {
		d.t.Errorf("%v %s", err, dump(report))
	}
	if asked["cron"] != 2 || asked["once"] != 1 {
		d.t.Errorf("starts: %v", asked)
	}
}

// A job that an interrupted run had stopped is started again by the one that continues it, even if that could not see it in between.
func TestRun_RemembersThatAJobRanWhenARunInBetweenCouldNotSeeIt(t *testing.T) {
	t.Parallel()
	inBubble(t, vault.Keys{}, func(d *desk) {
		d.put(dataarts.Jobs, described(livelong("v"), "changed"), batch("other"))
		d.Handle(localtest.Workspace).Delete(dataarts.Jobs, "other")
		d.Handle(localtest.Workspace).SetJobStatus("v", "NORMAL")
		const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
		d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
			switch op {
			case dataarts.ShowJobStatus:
				return &dataarts.Fault{Status: 400, Code: "DLF.3051"}
			case dataarts.CreateJob:
				return expired()
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
		defer cancel()
		if report, err := restore.Run(ctx, d.request(request), d.unhurried()); err == nil {
			d.t.Fatalf("it was not interrupted: %s", dump(report))
		}
		d.DataArts.Intercept(nil)
		report := d.must(restore.Complete, request)
		if got := item(report, asset.Jobs, "v"); !got.WasRunning || d.Handle(localtest.Workspace).JobStatus("v") != "NORMAL" {
			d.t.Errorf("%+v, it is %s", got, d.Handle(localtest.Workspace).JobStatus("v"))
		}
	}, having(dataarts.Jobs, livelong("v"), batch("other")))
}
