package restore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

func TestReport_WithinIsAnAnswerThatThePlatformsTake(t *testing.T) {
	t.Parallel()
	overwritten := func(changes int, diff string) restore.Item {
		i := restore.Item{Kind: asset.Scripts, Name: "s", Action: restore.ActionOverwrite, Outcome: restore.Overwritten}
		for range changes {
			i.Changes = append(i.Changes, restore.Change{Field: "content", To: "lines of text: 9 added, 9 removed", Diff: diff})
		}
		return i
	}
	failed := restore.Item{Kind: asset.Jobs, Name: "failed", Action: restore.ActionCreate, Outcome: restore.Errored, Reason: strings.Repeat("r", 2000)}
	for name, fill := range map[string]func(*restore.Report){
		"of long diffs": func(r *restore.Report) {
			for range 2900 {
				r.Items = append(r.Items, overwritten(1, strings.Repeat("+select \"a\"\n", 160)))
			}
		},
		"of long reasons": func(r *restore.Report) {
			for range 2900 {
				r.Items = append(r.Items, failed)
			}
		},
		"of many problems": func(r *restore.Report) {
			for range 40_000 {
				r.Problems = append(r.Problems, restore.Problem{Kind: asset.Jobs, Name: "j", Problem: strings.Repeat("p", 200)})
			}
		},
		"of many faults": func(r *restore.Report) { r.Message = strings.Repeat("a fault\n", 1<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &restore.Report{ID: "x", Status: restore.Complete, Counts: map[string]int{}}
			fill(r)
			r.Items = append(r.Items, failed)
			short := r.Within(3000)
			data, err := json.MarshalIndent(short, "", "  ")
			if err != nil || len(data) > 9<<19 || len(data) < 1<<18 {
				t.Errorf("%v, %d bytes", err, len(data))
			}
			if !strings.HasSuffix(short.Message, "restores/x/report.json has all") {
				t.Errorf("it does not say that it is cut: …%s", short.Message[max(0, len(short.Message)-100):])
			}
			if short.Items[0].Name != "failed" && len(short.Items) < len(r.Items) {
				t.Error("what needs attention is not first")
			}
		})
	}
	whole := &restore.Report{ID: "x", Message: "fine", Items: []restore.Item{overwritten(3, "+a\n")}}
	if whole.Within(3000) != whole {
		t.Error("a small report is not answered whole")
	}
}

func TestRun_TellsTheFirstFieldsOfAnAssetThatDiffersAllOver(t *testing.T) {
	t.Parallel()
	job := func(cluster string) string {
		var nodes []string
		for n := range 50 {
			nodes = append(nodes, fmt.Sprintf(`{"name":"n%d","type":"HiveSQL","location":{"x":1,"y":1},"properties":[{"name":"connectionName","value":%q}]}`, n, cluster))
		}
		return `{"name":"j","processType":"BATCH","schedule":{"type":"EXECUTE_ONCE"},"nodes":[` + strings.Join(nodes, ",") + `]}`
	}
	d := newDesk(t, having(dataarts.Jobs, job("old")))
	d.put(dataarts.Jobs, job("new"))
	plan := d.must(restore.Planned, `{"id":"p","date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true}`)
	if i := item(plan, asset.Jobs, "j"); len(i.Changes) != 20 || i.MoreChanges != 30 || i.Changes[19].From == "" {
		t.Errorf("%d changes and %d more: %+v", len(i.Changes), i.MoreChanges, i.Changes)
	}
	report := d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	if i := item(report, asset.Jobs, "j"); i.Outcome != restore.Overwritten || i.MoreChanges != 30 {
		t.Error(dump(report))
	}
	if differences := d.same(localtest.Workspace); len(differences) > 0 {
		t.Errorf("%q", differences)
	}
}

// slow is a store that takes its time to write reports.
type slow struct {
	store.Store
	during func()
}

func (s slow) Put(ctx context.Context, key string, body []byte, cond store.Condition) (store.Info, error) {
	if strings.HasSuffix(key, "/report.json") {
		s.during()
	}
	return s.Store.Put(ctx, key, body, cond)
}

func TestRun_GoesOnWhileItsReportIsWrittenAndWritesOneAtATime(t *testing.T) {
	t.Parallel()
	const scripts = 6
	var all []string
	for n := range scripts {
		all = append(all, fmt.Sprintf(`{"name":"s%d","type":"Shell","content":"x"}`, n))
	}
	d := newDesk(t, having(dataarts.Scripts, all...))
	d.Handle(localtest.Workspace).Wipe()
	var seconds, puts, under atomic.Int64
	opts := d.options()
	opts.Concurrency = 2
	opts.Now = func() time.Time { return time.Unix(1_700_000_000, 0).Add(time.Duration(seconds.Add(10)) * time.Second) } // it is always time to write it
	opts.Locations.Store = slow{d.Store, func() {
		if under.Add(1) > 1 {
			t.Error("two reports are written at the same time")
		}
		defer under.Add(-1)
		if puts.Add(1) != 2 { // the second one is the first that is written on the way
			return
		}
		for start := time.Now(); d.DataArts.CallCounts()[dataarts.CreateScript] < scripts; time.Sleep(time.Millisecond) {
			if time.Since(start) > 20*time.Second {
				t.Errorf("%d scripts were created while the report was written", d.DataArts.CallCounts()[dataarts.CreateScript])
				return
			}
		}
	}}
	report, err := restore.Run(t.Context(), d.request(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`), opts)
	if err != nil || report.Status != restore.Complete || puts.Load() < 3 {
		t.Errorf("%v, written %d times: %s", err, puts.Load(), dump(report))
	}
}

func TestReports_SaveRefusesWhatLoadCouldNotRead(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	reports := restore.Reports{Store: d.Store, Root: "backups/"}
	r := &restore.Report{ID: "big", Status: restore.Running, Message: strings.Repeat("m", 256<<20)}
	if err := reports.Save(t.Context(), r); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("%v", err)
	}
	if stored(d, "big") != "" {
		t.Error("it was written")
	}
}
