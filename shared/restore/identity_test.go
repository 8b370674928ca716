package restore_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

func TestRun_KeepsTheRequestAsItWasAsked(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	report := d.must(restore.Complete, `{"id":"x","date":"latest","duplicateNamePolicy":"overwrite","select":{"names":["a"]},"schedules":"keep"}`)
	if q := report.Request; q == nil || q.ID != "x" || q.Date != "latest" || q.Workspace != "" || q.Schedules != "keep" || q.Select == nil {
		t.Errorf("the report says it was asked for %+v", q)
	}
	const want = `"request":{"id":"x","date":"latest","duplicateNamePolicy":"overwrite","select":{"names":["a"]},"schedules":"keep"}`
	var flat bytes.Buffer
	if err := json.Compact(&flat, []byte(stored(d, "x"))); err != nil || !strings.Contains(flat.String(), want) {
		t.Errorf("%v: no %s in %s", err, want, flat.String())
	}
}

func TestRun_SavesTheFinalReportBeforeOthersMayStart(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	d.Handle(localtest.Workspace).Wipe()
	var moment, reported, released atomic.Int64
	d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		switch now := moment.Add(1); {
		case strings.HasSuffix(c.Key, "restores/x/report.json") && c.Operation == "PutObject":
			reported.Store(now)
		case strings.Contains(c.Key, "leases/restore-") && c.Operation == "DeleteObject":
			released.Store(now)
		}
		return nil
	})
	d.must(restore.Complete, `{"id":"x","date":"latest","duplicateNamePolicy":"overwrite"}`)
	if reported.Load() == 0 || reported.Load() > released.Load() {
		t.Errorf("the report was written as call %d, the lease was released as call %d", reported.Load(), released.Load())
	}
	released.Store(0)
	d.undo(restore.Undone, "x")
	if reported.Load() > released.Load() {
		t.Errorf("undo: the report was written as call %d, the lease was released as call %d", reported.Load(), released.Load())
	}
}

func TestRun_RestoreTwiceAtOnce(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"overwrite", "skip", "fail"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a"), batch("c")), having(dataarts.Scripts, `{"name":"s","type":"Shell","content":"x"}`))
			w := d.Handle(localtest.Workspace)
			w.Wipe()
			request := `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"` + policy + `"}`
			reports := make(chan *restore.Report, 2)
			for range cap(reports) {
				go func() {
					report, err := d.run(request)
					if err != nil {
						t.Error(err)
					}
					reports <- report
				}()
			}
			for range cap(reports) {
				if r := <-reports; r.Status != restore.Complete || r.Counts["created"] != 4 || len(r.Items) != 4 {
					t.Errorf("answered: %s", dump(r))
				}
			}
			if final, err := d.options().Locations.Reports().Load(t.Context(), "x"); err != nil || final.Status != restore.Complete || final.Counts["created"] != 4 {
				t.Errorf("on record: %v %s", err, dump(final))
			}
			if calls := d.DataArts.CallCounts(); calls[dataarts.CreateJob] != 3 || calls[dataarts.CreateScript] != 1 || d.Writes() != 4 {
				t.Errorf("%d writes, %v", d.Writes(), calls)
			}
			if differences := d.same(localtest.Workspace); len(differences) > 0 {
				t.Errorf("%q", differences)
			}
			d.undo(restore.Undone, "x")
			if left := len(w.All(dataarts.Jobs)) + len(w.All(dataarts.Scripts)); left > 0 {
				t.Errorf("the undo leaves %d assets", left)
			}
		})
	}
}

func TestRun_ThatIsOverIsAnsweredUnchanged(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	d.Handle(localtest.Workspace).Wipe()
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	first := d.must(restore.Complete, request)
	report := stored(d, "x")
	d.DataArts.ResetCalls()
	if again := d.must(restore.Complete, request); dump(again) != dump(first) {
		t.Errorf("first %s\nagain %s", dump(first), dump(again))
	}
	if n := len(d.DataArts.Calls()); n > 0 || stored(d, "x") != report {
		t.Errorf("%d calls; the report is now %s", n, stored(d, "x"))
	}
}

func TestRun_HoldsTheIDOfARunningRestoreAgainstAnotherRequest(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]string{
		"another workspace": `{"id":"x","date":"2026-11-22","source":"` + localtest.Workspace + `","workspace":"` + localtest.Other + `","duplicateNamePolicy":"fail"}`,
		"another policy":    `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`,
		"a dry run":         `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"fail","dryRun":true}`,
		"another selection": `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"fail","select":{"names":["a"]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b")))
			if err := d.Handle(localtest.Other).Put(dataarts.Jobs, []byte(described(batch("b"), "precious"))); err != nil {
				t.Fatal(err)
			}
			elsewhere := d.snapshot(localtest.Other)
			d.Handle(localtest.Workspace).Wipe()
			const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"fail"}`
			d.interrupt(request, 1, dataarts.CreateJob)
			report := stored(d, "x")
			d.DataArts.ResetCalls()
			refused := d.must(restore.Failed, other)
			if refused.Message == "" || d.Writes() > 0 {
				t.Errorf("%d writes: %s", d.Writes(), dump(refused))
			}
			if now := stored(d, "x"); now != report {
				t.Errorf("the report of the restore that runs was %s\nand is %s", report, now)
			}
			if diff := cmp.Diff(elsewhere, d.snapshot(localtest.Other)); diff != "" {
				t.Errorf("the other workspace, -before +after:\n%s", diff)
			}
			d.must(restore.Complete, request)
			d.undo(restore.Undone, "x")
			if left := d.Handle(localtest.Workspace).All(dataarts.Jobs); len(left) > 0 {
				t.Errorf("the undo leaves %d jobs", len(left))
			}
		})
	}
}

func TestRun_ChecksThePlanHashOfItsOwnDryRun(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b")))
	d.Handle(localtest.Workspace).Delete(dataarts.Jobs, "a")
	planned := d.must(restore.Planned, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true}`)
	d.put(dataarts.Jobs, described(batch("b"), "edited after the plan"))
	report := d.must(restore.Failed, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","planHash":"`+planned.PlanHash+`"}`)
	if d.Writes() > 0 || !strings.Contains(report.Message, "the plan is no longer") {
		t.Errorf("%d writes: %s", d.Writes(), report.Message)
	}
}

func TestParseRequest_TakesEveryIDThatIsAName(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"a", "...", ".hidden", "-x", "_", "A.b_c-9", strings.Repeat("x", 64)} {
		for _, request := range []string{`{"id":"` + id + `","date":"latest","duplicateNamePolicy":"skip"}`, `{"undo":"` + id + `"}`} {
			if _, err := restore.ParseRequest([]byte(request)); err != nil {
				t.Errorf("%s: %v", request, err)
			}
		}
	}
	for _, id := range []string{".", "..", "a/b", "a b", "ä", "a%2F", strings.Repeat("x", 65)} {
		for _, request := range []string{`{"id":"` + id + `","date":"latest","duplicateNamePolicy":"skip"}`, `{"undo":"` + id + `"}`} {
			if _, err := restore.ParseRequest([]byte(request)); err == nil {
				t.Errorf("%s is accepted", request)
			}
		}
	}
}
