package backup_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// crowd fills a workspace with many jobs of three node types, some of them real-time, and as many scripts of three types.
func (n *night) crowd(jobs, scripts int) *night {
	n.t.Helper()
	w := n.Handle(localtest.Workspace)
	put := func(kind dataarts.Kind, text string) {
		if err := w.Put(kind, []byte(text)); err != nil {
			n.t.Fatal(err)
		}
	}
	types := []string{"HiveSQL", "Shell", "Dummy"}
	for i := range scripts {
		put(dataarts.Scripts, fmt.Sprintf(`{"name":"script_%04d","type":%q,"content":"select %d%s","connectionName":"c","directory":"/a/b"}`,
			i, []string{"HiveSQL", "Shell", "PYTHON"}[i%3], i, strings.Repeat(" x", i%220)))
	}
	for i := range jobs {
		process := "BATCH"
		if i%20 == 19 {
			process = "REAL_TIME"
		}
		put(dataarts.Jobs, fmt.Sprintf(`{"name":"job_%04d","processType":%q,"directory":"/d","schedule":{"type":"EXECUTE_ONCE"},"basicConfig":{"owner":"ada","customFields":"x%d"},
			"nodes":[{"name":"n","type":%q,"location":{"x":"1","y":"2"},"pollingInterval":%d,"properties":[{"name":"connectionName","value":"c"}]}]}`, i, process, i, types[i%3], 1+i%60))
	}
	for i := range 5 {
		put(dataarts.Resources, fmt.Sprintf(`{"name":"res_%d","type":"file","location":"hdfs://ns/%d","directory":"/r","desc":"d"}`, i, i))
	}
	return n
}

// whole fails unless the folder holds every asset of the workspace as the service has it.
func (n *night) whole(name string) {
	n.t.Helper()
	b := n.open(name)
	if err := b.Verify(n.t.Context()); err != nil {
		n.t.Error(err)
	}
	w := n.Handle(localtest.Workspace)
	stored := map[string]bool{}
	err := b.Each(n.t.Context(), 8, func(a vault.Asset, definition []byte) error {
		if a.Kind == asset.Env {
			return nil
		}
		kind, id := identity(a)
		stored[string(kind)+" "+id] = true
		want, ok := w.Asset(kind, id)
		if !ok {
			n.t.Errorf("%s is in the backup only", a.Ref())
			return nil
		}
		if changes, err := rawjson.Diff(asset.Stored(a.Kind, want), definition); err != nil || len(changes) > 0 {
			n.t.Errorf("%s: %v %v", a.Ref(), changes, err)
		}
		return nil
	})
	if err != nil {
		n.t.Fatal(err)
	}
	for _, kind := range []dataarts.Kind{dataarts.Resources, dataarts.Scripts, dataarts.Jobs} {
		for id := range w.All(kind) {
			if !stored[string(kind)+" "+id] {
				n.t.Errorf("%s %s is not stored", kind, id)
			}
		}
	}
}

func TestRun_ReadsManyAssetsWithOneCall(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(1000, 1000)
	res, err := n.run(day)
	if err != nil || res.Status != vault.Complete {
		t.Fatalf("%+v %v", res, err)
	}
	n.whole(day)
	calls := n.DataArts.CallCounts()
	t.Log(calls)
	for op, most := range map[dataarts.Operation]int{dataarts.ListScripts: 2 * 11, dataarts.ListJobs: 2*(10+2) + 1, dataarts.ExportJobList: 12,
		dataarts.ShowScript: 40, dataarts.ShowJob: 40, dataarts.ShowResource: 5} {
		if calls[op] > most {
			t.Errorf("%s: %d calls, want %d at most", op, calls[op], most)
		}
	}
	if calls[dataarts.ShowScript] < 3 || calls[dataarts.ShowJob] < 3 || calls[dataarts.ShowResource] < 1 {
		t.Errorf("every type is checked once: %v", calls)
	}
}

// TestRun_LosesNothingWhateverListsAndExportsLeaveOut turns on what a service may do to the answers that hold many assets.
func TestRun_LosesNothingWhateverListsAndExportsLeaveOut(t *testing.T) {
	t.Parallel()
	const picked = 24   // are checked at random, or because they are among the largest
	const realTime = 11 // jobs whose list rows have no time of the last change: they are read once more in the end, by an export or one by one
	for name, c := range map[string]struct {
		switches    dataarts.Switches
		jobs        [2]int // at least and at most so many of 220 are read one by one
		scripts     [2]int // of 220
		exports     int    // at most so many exports
		moreListing bool
	}{
		"nothing":                         {dataarts.Switches{}, [2]int{1, 12}, [2]int{1, 12}, 4, false},
		"no exports":                      {dataarts.Switches{ExportUnsupported: true}, [2]int{220, 220}, [2]int{1, 12}, 3, false},
		"every second export fails":       {dataarts.Switches{ExportFails: 2}, [2]int{1, 220}, [2]int{1, 12}, 40, false},
		"every export fails":              {dataarts.Switches{ExportFails: 1}, [2]int{220, 220}, [2]int{1, 12}, 40, false},
		"exports are cut off":             {dataarts.Switches{ExportTruncated: true}, [2]int{220, 220}, [2]int{1, 12}, 12, false},
		"exports lack jobs":               {dataarts.Switches{ExportLacks: []string{"job_0007", "job_0100", "job_0219"}}, [2]int{3, 16}, [2]int{1, 12}, 4, false},
		"exports take ten jobs":           {dataarts.Switches{ExportLimit: 10}, [2]int{1, 220}, [2]int{1, 12}, 60, false},
		"exports are refused above 8 kB":  {dataarts.Switches{ExportMaxBytes: 8 << 10}, [2]int{1, 220}, [2]int{1, 12}, 60, false},
		"flat archives":                   {dataarts.Switches{ExportLayout: dataarts.ExportFlat}, [2]int{1, 12}, [2]int{1, 12}, 4, false},
		"archives in archives":            {dataarts.Switches{ExportLayout: dataarts.ExportNested}, [2]int{220, 232}, [2]int{1, 12}, 4, false},
		"archives with other names":       {dataarts.Switches{ExportLayout: dataarts.ExportOdd}, [2]int{1, 12}, [2]int{1, 12}, 4, false},
		"real-time jobs are not exported": {dataarts.Switches{ExportBatchOnly: true}, [2]int{11, 30}, [2]int{1, 12}, 40, false},
		"another job's definition":        {dataarts.Switches{ExportForeign: true}, [2]int{3, 24}, [2]int{1, 12}, 4, false},
		"a field of all jobs":             {dataarts.Switches{ExportOmits: []string{"basicConfig.customFields"}}, [2]int{220, 232}, [2]int{1, 12}, 12, false},
		"a field of one node type":        {dataarts.Switches{ExportOmits: []string{"nodes[Shell].pollingInterval"}}, [2]int{73, 90}, [2]int{1, 12}, 12, false},
		"script texts":                    {dataarts.Switches{ListOmits: []string{"scripts.content"}}, [2]int{1, 12}, [2]int{220, 220}, 4, false},
		"a script's connection":           {dataarts.Switches{ListOmits: []string{"scripts.connectionName"}}, [2]int{1, 12}, [2]int{220, 240}, 4, false},
		"the end of script texts":         {dataarts.Switches{ListTruncatesContent: 200}, [2]int{1, 12}, [2]int{220, 240}, 4, false},
		"the other spelling of scripts":   {dataarts.Switches{SnakeScripts: true}, [2]int{1, 12}, [2]int{220, 240}, 4, false},
		"the descriptions of resources":   {dataarts.Switches{ListOmits: []string{"resources.desc"}}, [2]int{1, 12}, [2]int{1, 12}, 4, false},
		"rows move between pages":         {dataarts.Switches{ListMoves: 5}, [2]int{1, 16}, [2]int{1, 16}, 8, true},
		"records are counted":             {dataarts.Switches{RecordOffsets: true}, [2]int{1, 12}, [2]int{1, 12}, 4, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNight(t).crowd(220, 220)
			n.DataArts.SetSwitches(func(s *dataarts.Switches) { *s = c.switches })
			res, err := n.run(day)
			if err != nil || res.Status != vault.Complete {
				t.Fatalf("%+v %v", res, err)
			}
			n.whole(day)
			calls := n.DataArts.CallCounts()
			if got := calls[dataarts.ShowJob]; got < c.jobs[0] || got > c.jobs[1]+realTime+picked {
				t.Errorf("%d jobs were read one by one, want %v", got, c.jobs)
			}
			if got := calls[dataarts.ShowScript]; got < c.scripts[0] || got > c.scripts[1]+picked {
				t.Errorf("%d scripts were read one by one, want %v", got, c.scripts)
			}
			if got := calls[dataarts.ExportJobList]; got > c.exports+1+picked {
				t.Errorf("%d exports, want %d at most", got, c.exports)
			}
			if len(res.Drift) > 0 && !c.moreListing {
				t.Errorf("drift %v", res.Drift)
			}
		})
	}
}

func TestRun_ThatSeesItsTimeEndKeepsWhatItHasAndIsContinued(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(150, 150)
	n.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ExportUnsupported, s.ListOmits = true, []string{"content"} })
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	var reads atomic.Int32
	n.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if (op == dataarts.ShowJob || op == dataarts.ShowScript) && reads.Add(1) > 200 {
			return &dataarts.Fault{Delay: time.Hour}
		}
		return nil
	})
	res, err := n.runIn(ctx, day)
	var interrupted *backup.Interrupted
	if !errors.As(err, &interrupted) || !errors.Is(err, context.DeadlineExceeded) || res.Status != vault.Failed || interrupted.Stored < 10 {
		t.Fatalf("%+v %v", res, err)
	}
	if n.has("backups/2026-11-22/manifest.json") || !n.has("backups/2026-11-22/progress.json") || !strings.Contains(res.Message, "goes on from there") {
		t.Errorf("%q %q", res.Message, n.keys())
	}
	if tally, err := n.vault.Folder(day).Tally(t.Context()); err != nil || tally == nil || tally.Done != interrupted.Stored || tally.Total == nil || *tally.Total != interrupted.Known {
		t.Errorf("the progress says %+v, the error %+v; %v", tally, interrupted, err)
	}
	n.DataArts.Intercept(nil)
	n.DataArts.ResetCalls()
	if res, err := n.run(day); err != nil || res.Status != vault.Complete || len(res.Drift) > 0 {
		t.Fatalf("%+v %v", res, err)
	}
	n.whole(day)
	calls := n.DataArts.CallCounts()
	if got := calls[dataarts.ShowJob] + calls[dataarts.ShowScript]; got > 300-interrupted.Stored+20 { // real-time jobs are read twice
		t.Errorf("%d assets were read again, and %d of 300 were stored", got, interrupted.Stored)
	}
	if n.has("backups/2026-11-22/progress.json") {
		t.Error("the progress is there after the commit")
	}
}

func TestRun_ContinuedReadsAgainWhatWasChangedMeanwhile(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(40, 40)
	n.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ExportUnsupported, s.ListOmits = true, []string{"content"} })
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	n.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowJob && strings.HasSuffix(r.URL.Path, "/job_0039") {
			return &dataarts.Fault{Delay: time.Hour}
		}
		return nil
	})
	if _, err := n.runIn(ctx, day); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	n.DataArts.Intercept(nil)
	w := n.Handle(localtest.Workspace)
	raw, _ := w.Asset(dataarts.Scripts, "script_0003")
	if err := w.Put(dataarts.Scripts, rawjson.Set(raw, "content", []byte(`"changed"`))); err != nil {
		t.Fatal(err)
	}
	w.Delete(dataarts.Scripts, "script_0004")
	if err := n.Objects.PutObject(localtest.Bucket, "backups/2026-11-22/3_scripts/script_0005.script", []byte("not what was stored")); err != nil {
		t.Fatal(err)
	}
	if res, err := n.run(day); err != nil || res.Status != vault.Complete {
		t.Fatalf("%+v %v", res, err)
	}
	n.whole(day)
}
