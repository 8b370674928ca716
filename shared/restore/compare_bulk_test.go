package restore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// crowd fills a workspace with jobs of three node types, one in twenty of them real-time, scripts of three types, and resources.
func crowd(jobs, scripts, resources int) func(*dataarts.WorkspaceHandle) error {
	return func(w *dataarts.WorkspaceHandle) error {
		for i := range scripts {
			if err := w.Put(dataarts.Scripts, fmt.Appendf(nil, `{"name":"script_%05d","type":%q,"content":"select %d%s","connectionName":"c","directory":"/a/b"}`,
				i, []string{"HiveSQL", "Shell", "PYTHON"}[i%3], i, strings.Repeat(" x", i%120))); err != nil {
				return err
			}
		}
		for i := range jobs {
			process, custom := "BATCH", fmt.Sprintf(`"customFields":"x%d"`, i)
			if i%20 == 19 {
				process = "REAL_TIME"
			}
			if err := w.Put(dataarts.Jobs, fmt.Appendf(nil, `{"name":"job_%05d","processType":%q,"directory":"/d","schedule":{"type":"EXECUTE_ONCE"},"basicConfig":{"owner":"ada",%s},
				"nodes":[{"name":"n","type":%q,"location":{"x":"1","y":"2"},"pollingInterval":%d,"properties":[{"name":"connectionName","value":"c"}]}]}`,
				i, process, custom, []string{"HiveSQL", "Shell", "Dummy"}[i%3], 11+i%49)); err != nil {
				return err
			}
		}
		for i := range resources {
			if err := w.Put(dataarts.Resources, fmt.Appendf(nil, `{"name":"res_%03d","type":"file","location":"hdfs://ns/%d","directory":"/r","desc":"d"}`, i, i)); err != nil {
				return err
			}
		}
		return nil
	}
}

// stir changes, deletes and adds assets of a crowd of more than two hundred of each kind, and lets a job run.
func (d *desk) stir() {
	d.t.Helper()
	w := d.Handle(localtest.Workspace)
	change := func(kind dataarts.Kind, identity, field, value string) {
		raw, ok := w.Asset(kind, identity)
		if !ok {
			d.t.Fatalf("no %s %s", kind, identity)
		}
		if err := w.Put(kind, rawjson.Set(raw, field, []byte(value))); err != nil {
			d.t.Fatal(err)
		}
	}
	for _, i := range []int{3, 19, 100, 201} {
		change(dataarts.Jobs, fmt.Sprintf("job_%05d", i), "description", `"changed since"`)
		change(dataarts.Scripts, fmt.Sprintf("script_%05d", i), "content", `"changed since"`)
	}
	change(dataarts.Jobs, "job_00007", "nodes", `[]`)
	change(dataarts.Scripts, "script_00008", "connectionName", `"other"`)
	change(dataarts.Scripts, "script_00009", "content", `""`)
	w.Delete(dataarts.Scripts, "script_00012")
	w.Delete(dataarts.Jobs, "job_00013")
	w.SetJobStatus("job_00014", "SCHEDULING")
	w.SetJobStatus("job_00039", "NORMAL") // real-time
	d.put(dataarts.Jobs, strings.ReplaceAll(batch("only_live"), "\n", ""))
}

// single is a workspace that shows definitions by their own calls only.
type single struct{ restore.Workspace }

func (s single) List(ctx context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error) {
	return s.Workspace.List(ctx, kind, func(r factory.Row) error {
		r.Raw = []byte(`{}`)
		return fn(r)
	})
}

func (single) Export(context.Context, []string, func(string, json.RawMessage) error) error {
	return &factory.Error{Operation: "export jobs", StatusCode: http.StatusNotFound}
}

// plan makes the plan of a request against a workspace, or against what stands for it.
func (d *desk) plan(request string, target restore.Workspace) *restore.Report {
	d.t.Helper()
	req, err := restore.ParseRequest([]byte(request))
	if err != nil {
		d.t.Fatal(err)
	}
	req.ID = fmt.Sprintf("plan-%d", d.ids.Add(1))
	opts := d.options()
	opts.Workspace = func(string) restore.Workspace { return target }
	report, err := restore.Run(d.t.Context(), req, opts)
	if err != nil || report.Status != restore.Planned {
		d.t.Fatalf("%v: %.2000s", err, dump(report))
	}
	return report
}

const dryRun = `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true}`

func TestPlan_OfManyAssetsCostsListingsExportsAndSamples(t *testing.T) {
	t.Parallel()
	const jobs, scripts, resources = 1000, 1000, 120
	d := newDesk(t, crowd(jobs, scripts, resources))
	report := d.must(restore.Planned, dryRun)
	if report.Counts["unchanged"] != jobs+scripts+resources {
		t.Errorf("%v", report.Counts)
	}
	calls := d.DataArts.CallCounts()
	t.Log(calls)
	const samples = 45 // of a kind: some by chance, the first of each type and field, the largest
	for op, most := range map[dataarts.Operation]int{
		dataarts.ListScripts: scripts/100 + 1, dataarts.ListResources: resources/100 + 2, dataarts.ListJobs: jobs/100 + 3,
		dataarts.ExportJobList: jobs/100 + 1, // batch and real-time jobs apart
		dataarts.ShowScript:    samples, dataarts.ShowJob: samples, dataarts.ShowResource: samples,
		dataarts.ShowJobStatus: jobs / 20, // of real-time jobs, whose rows may lack it
	} {
		if calls[op] > most {
			t.Errorf("%s: %d calls, want %d at most", op, calls[op], most)
		}
		if op != dataarts.ShowJobStatus && calls[op] == 0 {
			t.Errorf("%s: no call", op)
		}
		delete(calls, op)
	}
	delete(calls, dataarts.ShowFactoryEnv)
	delete(calls, dataarts.ListConnections)
	if len(calls) > 0 {
		t.Errorf("other calls: %v", calls)
	}
}

// TestPlan_IsTheSameWhateverListsAndExportsLeaveOut holds plans against the one that reads every asset by its own call.
func TestPlan_IsTheSameWhateverListsAndExportsLeaveOut(t *testing.T) {
	t.Parallel()
	const all = 230
	for name, c := range map[string]struct {
		switches      dataarts.Switches
		jobs, scripts int // are read one by one at most
	}{
		"nothing":                         {dataarts.Switches{}, 60, 60},
		"no exports":                      {dataarts.Switches{ExportUnsupported: true}, all, 60},
		"every second export fails":       {dataarts.Switches{ExportFails: 2}, all, 60},
		"every export fails":              {dataarts.Switches{ExportFails: 1}, all, 60},
		"exports are cut off":             {dataarts.Switches{ExportTruncated: true}, all, 60},
		"exports lack jobs":               {dataarts.Switches{ExportLacks: []string{"job_00003", "job_00020", "job_00101"}}, 60, 60},
		"exports take ten jobs":           {dataarts.Switches{ExportLimit: 10}, all, 60},
		"exports are refused above 8 kB":  {dataarts.Switches{ExportMaxBytes: 8 << 10}, all, 60},
		"archives in archives":            {dataarts.Switches{ExportLayout: dataarts.ExportNested}, all, 60},
		"archives with other names":       {dataarts.Switches{ExportLayout: dataarts.ExportOdd}, 60, 60},
		"real-time jobs are not exported": {dataarts.Switches{ExportBatchOnly: true}, 80, 60},
		"another job's definition":        {dataarts.Switches{ExportForeign: true}, 60, 60},
		"a field of all jobs":             {dataarts.Switches{ExportOmits: []string{"basicConfig.customFields"}}, all + 60, 60},
		"a field of one node type":        {dataarts.Switches{ExportOmits: []string{"nodes[Shell].pollingInterval"}}, all, 60},
		"the nodes of jobs":               {dataarts.Switches{ExportOmits: []string{"nodes"}}, all + 60, 60},
		"script texts":                    {dataarts.Switches{ListOmits: []string{"scripts.content"}}, 60, all},
		"a script's connection":           {dataarts.Switches{ListOmits: []string{"scripts.connectionName"}}, 60, all + 60},
		"the end of script texts":         {dataarts.Switches{ListTruncatesContent: 100}, 60, all + 60},
		"the other spelling of scripts":   {dataarts.Switches{SnakeScripts: true}, 60, all + 60},
		"the descriptions of resources":   {dataarts.Switches{ListOmits: []string{"resources.desc"}}, 60, 60},
		"rows move between pages":         {dataarts.Switches{ListMoves: 3}, 60, 60},
		"records are counted":             {dataarts.Switches{RecordOffsets: true}, 60, 60},
		"times are strings":               {dataarts.Switches{StringCreateTime: true, EmptyTagsAsObject: true}, 60, 60},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, crowd(220, 220, 70))
			d.hurry()
			d.stir()
			want := d.plan(dryRun, single{d.Factory.Workspace(localtest.Workspace)})
			if n := want.Counts; n["overwrite"] != 11 || n["create"] != 2 || n["blocked"] != 0 {
				t.Fatalf("%v", n)
			}
			d.DataArts.SetSwitches(func(s *dataarts.Switches) { *s = c.switches })
			d.DataArts.ResetCalls()
			got := d.plan(dryRun, d.Factory.Workspace(localtest.Workspace))
			if diff := cmp.Diff(want.Items, got.Items); diff != "" {
				t.Errorf("items differ from those of single reads: %.2000s", diff)
			}
			if got.PlanHash != want.PlanHash {
				t.Errorf("the plan hash depends on how assets were read")
			}
			calls := d.DataArts.CallCounts()
			if calls[dataarts.ShowJob] > c.jobs || calls[dataarts.ShowScript] > c.scripts {
				t.Errorf("%d jobs and %d scripts were read one by one, want %d and %d at most", calls[dataarts.ShowJob], calls[dataarts.ShowScript], c.jobs, c.scripts)
			}
		})
	}
}

func TestPlan_HoldsAFieldThatOnlyTheOwnCallShowsAgainstTheBackup(t *testing.T) {
	t.Parallel()
	// The backup has no logPath and exports hide it, so that in bulk nothing seems to have changed.
	d := newDesk(t, crowd(150, 0, 0))
	w := d.Handle(localtest.Workspace)
	for name, raw := range w.All(dataarts.Jobs) {
		if err := w.Put(dataarts.Jobs, rawjson.Set(raw, "logPath", []byte(`"obs://logs/`+name+`"`))); err != nil {
			t.Fatal(err)
		}
	}
	d.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ExportOmits = []string{"logPath"} })
	if report := d.must(restore.Planned, dryRun); report.Counts["overwrite"] != 150 {
		t.Errorf("%v", report.Counts)
	}
}

func TestPlan_TakesFromTheBackupWhichTypesComeIncomplete(t *testing.T) {
	t.Parallel()
	d := newDesk(t, crowd(150, 0, 0))
	if report := d.must(restore.Planned, dryRun); report.Counts["unchanged"] != 150 {
		t.Fatalf("%v", report.Counts)
	}
	believed := d.DataArts.CallCounts()[dataarts.ShowJob]
	const path = "backups/" + localtest.Workspace + "/" + day + "/manifest.json"
	data, _ := d.Objects.GetObject(localtest.Bucket, path)
	doubted := rawjson.Set(data, "singly", []byte(`[{"class":"jobs/Shell","field":"nodes[0].retryTimes","since":"2026-11-22T00:00:00Z"}]`))
	if err := d.Objects.PutObject(localtest.Bucket, path, doubted); err != nil {
		t.Fatal(err)
	}
	d.edit(vault.Hash(data), vault.Hash(doubted))
	d.DataArts.ResetCalls()
	if report := d.must(restore.Planned, dryRun); report.Counts["unchanged"] != 150 {
		t.Fatalf("%v", report.Counts)
	}
	if got := d.DataArts.CallCounts()[dataarts.ShowJob]; believed >= 50 || got < 50 {
		t.Errorf("%d jobs were read one by one, and %d before: fifty have a Shell node", got, believed)
	}
}

func TestPlan_UnderSkipReadsNoDefinitions(t *testing.T) {
	t.Parallel()
	d := newDesk(t, crowd(150, 150, 0))
	report := d.must(restore.Planned, `{"date":"2026-11-22","duplicateNamePolicy":"skip","dryRun":true}`)
	if report.Counts["skip"] != 300 {
		t.Errorf("%v", report.Counts)
	}
	d.readNothing()
}

func TestPlan_UnderFailRefusesWithoutReadingDefinitions(t *testing.T) {
	t.Parallel()
	d := newDesk(t, crowd(150, 150, 70))
	if report := d.must(restore.Failed, `{"date":"2026-11-22","duplicateNamePolicy":"fail"}`); !strings.Contains(report.Message, "duplicateNamePolicy is fail") {
		t.Errorf("%s", report.Message)
	}
	d.readNothing()
}

// readNothing fails if a definition was asked for.
func (d *desk) readNothing() {
	d.t.Helper()
	for op, n := range d.DataArts.CallCounts() {
		if slices.Contains([]dataarts.Operation{dataarts.ShowJob, dataarts.ShowScript, dataarts.ShowResource, dataarts.ExportJobList, dataarts.ExportJob}, op) {
			d.t.Errorf("%s: %d calls", op, n)
		}
	}
}

func TestPlan_IsInterruptedWhenTheKeysEndDuringExports(t *testing.T) {
	t.Parallel()
	d := newDesk(t, crowd(150, 0, 0))
	d.hurry()
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ExportJobList || op == dataarts.ShowJob {
			return expired()
		}
		return nil
	})
	if report, err := d.run(overwrite); err == nil {
		t.Errorf("the plan was made from nothing: %v", report.Counts)
	}
}

func TestRun_OverManyAssetsWritesOnlyWhatDiffersAndIsContinued(t *testing.T) {
	t.Parallel()
	d := newDesk(t, crowd(220, 220, 70))
	d.hurry()
	d.stir()
	d.Handle(localtest.Workspace).Delete(dataarts.Jobs, "only_live")
	const request = `{"id":"cut","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	var writes atomic.Int32
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if isWrite(op) && writes.Add(1) > 7 {
			return expired()
		}
		return nil
	})
	if report, err := d.run(request); err == nil {
		t.Fatalf("it was not cut off: %v", report.Counts)
	}
	d.DataArts.Intercept(nil)
	report := d.must(restore.Complete, request)
	if differences := d.same(localtest.Workspace); len(differences) > 0 {
		t.Errorf("%.2000q", differences)
	}
	if n := report.Counts; n["overwritten"] != 11 || n["created"] != 2 || n["unchanged"] != len(report.Items)-13 {
		t.Errorf("%v", n)
	}
}

func TestPlan_OfManyChangedAssetsCostsNoCallForEach(t *testing.T) {
	t.Parallel()
	d := newDesk(t, crowd(400, 400, 0))
	w := d.Handle(localtest.Workspace)
	for _, kind := range []dataarts.Kind{dataarts.Jobs, dataarts.Scripts} {
		for _, raw := range w.All(kind) {
			if err := w.Put(kind, rawjson.Set(raw, "description", []byte(`"changed since"`))); err != nil {
				t.Fatal(err)
			}
		}
	}
	d.DataArts.ResetCalls()
	report := d.plan(dryRun, d.Factory.Workspace(localtest.Workspace))
	if report.Counts["overwrite"] != 800 {
		t.Errorf("%v", report.Counts)
	}
	counts := d.DataArts.CallCounts()
	if got, most := counts[dataarts.ShowJob]+counts[dataarts.ShowScript], 150; got > most {
		t.Errorf("%d calls for single assets, want samples only, %d at most", got, most)
	}
	if diff := cmp.Diff(d.plan(dryRun, single{d.Factory.Workspace(localtest.Workspace)}).Items, report.Items); diff != "" {
		t.Errorf("the plan by single reads is another one:\n%s", diff)
	}
}
