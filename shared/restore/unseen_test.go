package restore_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

// This file has restores whose first run ended before it could put on record what it had just written, and is continued by one that cannot see it.

// diesWriting runs a restore whose process ends when its first write was carried out: nothing of that write is on record.
func (d *desk) diesWriting(request string) {
	d.t.Helper()
	d.reaper().during(1, dead, func() {
		if report, err := d.run(request); err == nil {
			d.t.Fatalf("it was not interrupted: %s", dump(report))
		}
	})
}

// unseen lets the service refuse to show assets of a name, and do some operations.
func (d *desk) unseen(name string, refuses ...dataarts.Operation) {
	shows := []dataarts.Operation{dataarts.ShowJob, dataarts.ShowScript, dataarts.ShowJobStatus}
	d.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if slices.Contains(shows, op) && strings.Contains(r.URL.Path, "/"+name) || slices.Contains(refuses, op) {
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.3051","error_msg":"no"}`}
		}
		return nil
	})
}

func TestRun_ThatIsContinuedTellsWhatItMayHaveDoneToAnAssetThatItCannotSee(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy, schedules string
		live              string // before the restore; empty where it is not there
		action            restore.Action
		told              string
		undone            restore.Status
	}{
		"created, policy skip":      {"skip", "keep", "", restore.ActionCreate, "it is unknown whether an earlier run of this restore has written it", restore.Partial},
		"created, policy overwrite": {"overwrite", "keep", "", restore.ActionCreate, "it is unknown whether an earlier run of this restore has written it", restore.Partial},
		"created, policy fail":      {"fail", "start", "", restore.ActionCreate, "it is unknown whether an earlier run of this restore has written it", restore.Partial},
		"overwritten":               {"overwrite", "keep", described(batch("a"), "old"), restore.ActionOverwrite, "it is unknown whether an earlier run of this restore has written it", restore.Undone},
		"started":                   {"overwrite", "start", batch("a"), restore.ActionUnchanged, "may have started or stopped it", restore.Undone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("a")))
			d.hurry()
			w := d.Handle(localtest.Workspace)
			w.Wipe()
			if c.live != "" {
				d.put(dataarts.Jobs, c.live)
			}
			request := `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"` + c.policy + `","schedules":"` + c.schedules + `"}`
			d.diesWriting(request)
			d.unseen("a")
			report := d.must(restore.Partial, request)
			if i := item(report, asset.Jobs, "a"); i.Action != c.action || i.Outcome != restore.Blocked || i.Written || !strings.Contains(i.Reason, c.told) {
				t.Errorf("%+v", i)
			}
			d.DataArts.Intercept(nil)
			u := d.undo(c.undone, "x")
			got, there := d.description("a")
			switch {
			case c.live == "" && (!there || !strings.Contains(u.Message, `job "a"`) || !strings.Contains(u.Message, "it is unknown whether")):
				t.Errorf("there: %v; %s", there, u.Message)
			case c.live != "" && (!strings.Contains(c.live, got) || w.JobStatus("a") != "STOPPED"):
				t.Errorf("it is %q and %s: %s", got, w.JobStatus("a"), u.Message)
			}
		})
	}
}

func TestRun_KnowsWhatItCreatedThatARunInBetweenCouldNotSee(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"skip", "overwrite", "fail"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			for _, undone := range []bool{false, true} {
				d := newDesk(t, having(dataarts.Jobs, batch("b")), having(dataarts.Scripts, `{"name":"a","type":"Shell","content":"1"}`))
				d.hurry()
				w := d.Handle(localtest.Workspace)
				w.Wipe()
				request := `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"` + policy + `"}`
				d.diesWriting(request)
				d.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
					switch op {
					case dataarts.ShowScript:
						return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.3051","error_msg":"no"}`}
					case dataarts.CreateJob:
						return expired()
					}
					return nil
				})
				if report, err := d.run(request); err == nil || item(report, asset.Scripts, "a").Outcome != restore.Blocked {
					t.Fatalf("%v %s", err, dump(report))
				}
				d.DataArts.Intercept(nil)
				if !undone {
					if i := item(d.must(restore.Complete, request), asset.Scripts, "a"); i.Outcome != restore.Created {
						t.Errorf("%+v", i)
					}
				}
				d.undo(restore.Undone, "x")
				if left := len(w.All(dataarts.Scripts)) + len(w.All(dataarts.Jobs)); left > 0 {
					t.Errorf("%d assets are left", left)
				}
			}
		})
	}
}

func TestUndo_StartsAJobAgainThatTheRestoreStoppedAndDidNotComeBackTo(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	d.hurry()
	d.put(dataarts.Jobs, described(batch("a"), "old"))
	w := d.Handle(localtest.Workspace)
	w.SetJobStatus("a", "SCHEDULING")
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	d.diesWriting(request)
	if w.JobStatus("a") != "STOPPED" {
		t.Fatalf("it is %s", w.JobStatus("a"))
	}
	d.unseen("a", dataarts.StartJob)
	d.must(restore.Partial, request)
	d.DataArts.Intercept(nil)
	u := d.undo(restore.Undone, "x")
	if got, _ := d.description("a"); got != "old" || w.JobStatus("a") != "SCHEDULING" {
		t.Errorf("it is %q and %s: %s", got, w.JobStatus("a"), u.Message)
	}
}

func TestRun_ThatIsContinuedDoesNotTakeForItsOwnWhatItSaidThatSomebodyElseCreated(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("b")), having(dataarts.Scripts, `{"name":"a","type":"Shell","content":"1"}`))
	d.hurry()
	w := d.Handle(localtest.Workspace)
	w.Wipe()
	d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Operation == "PutObject" && strings.HasSuffix(c.Key, "/x/before/backup.json") {
			d.put(dataarts.Scripts, `{"name":"a","type":"Shell","content":"1"}`) // the plan is made
		}
		return nil
	})
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"skip"}`
	if i := item(d.interrupt(request, 0, dataarts.CreateJob), asset.Scripts, "a"); i.Outcome != restore.Skipped {
		t.Fatalf("%+v", i)
	}
	d.Objects.Intercept(nil)
	if i := item(d.must(restore.Complete, request), asset.Scripts, "a"); i.Outcome != restore.Skipped || i.Written {
		t.Errorf("%+v", i)
	}
	d.undo(restore.Undone, "x")
	if len(w.All(dataarts.Scripts)) != 1 {
		t.Error("the undo has deleted what somebody else created")
	}
}

func TestUndo_RemovesAJobThatDependsOnItselfAndCouldNotBeCompleted(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a", "a", "on"), batch("on")))
	d.hurry()
	w := d.Handle(localtest.Workspace)
	w.Delete(dataarts.Jobs, "a")
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","select":{"names":["a"]}}`
	d.diesWriting(request)
	w.Delete(dataarts.Jobs, "on")
	report := d.must(restore.Partial, request)
	if i := item(report, asset.Jobs, "a"); i.Outcome != restore.Blocked || !i.Written {
		t.Errorf("%+v", i)
	}
	u := d.undo(restore.Undone, "x")
	if _, there := d.description("a"); there {
		t.Errorf("it is there: %s", u.Message)
	}
}
