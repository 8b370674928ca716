package restore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

const day = "2026-11-22"

// terms outlive every stall of a busy machine. brief ones are for bubbles, where nothing stalls and tests wait for leases that were left behind.
var (
	terms = lease.Options{Owner: "test", TTL: 2 * time.Minute, Settle: 200 * time.Millisecond}
	brief = lease.Options{Owner: "test", TTL: 10 * time.Second, Settle: 200 * time.Millisecond}
)

// desk is where an operator restores: a cloud, a vault, and the workspace as it was when the backup was taken.
type desk struct {
	*localtest.Cloud
	t      *testing.T
	before map[dataarts.Kind]map[string]json.RawMessage
	ids    atomic.Int32
	keys   vault.Keys    // of the restores
	terms  lease.Options // of their leases
}

func newDesk(t *testing.T, fill ...func(*dataarts.WorkspaceHandle) error) *desk {
	t.Helper()
	return newDeskWith(t, vault.Keys{}, fill...)
}

// newDeskWith makes a desk whose backup is taken with keys.
func newDeskWith(t *testing.T, keys vault.Keys, fill ...func(*dataarts.WorkspaceHandle) error) *desk {
	t.Helper()
	return newDeskIn(t, localtest.New(t), keys, fill...)
}

// newDeskIn makes a desk in a cloud.
func newDeskIn(t *testing.T, c *localtest.Cloud, keys vault.Keys, fill ...func(*dataarts.WorkspaceHandle) error) *desk {
	t.Helper()
	d := &desk{Cloud: c, t: t, terms: terms}
	w := d.Handle(localtest.Workspace)
	if len(fill) == 0 {
		fill = append(fill, func(w *dataarts.WorkspaceHandle) error {
			return sample.Fill(w, sample.Options{Jobs: 12, Scripts: 8, Resources: 3})
		})
	}
	for _, f := range fill {
		if err := f(w); err != nil {
			t.Fatal(err)
		}
	}
	d.before = d.snapshot(localtest.Workspace)
	v := vault.New(d.Store, localtest.Bucket, "backups/"+localtest.Workspace).WithKeys(keys)
	if res, err := backup.Run(t.Context(), d.Factory.Workspace(localtest.Workspace), v, day, backup.Options{
		Workspace: vault.Workspace{ID: localtest.Workspace, Name: "sales"}, Lease: terms}); err != nil {
		t.Fatalf("%+v %v", res, err)
	}
	d.DataArts.ResetCalls()
	return d
}

func (d *desk) snapshot(workspace string) map[dataarts.Kind]map[string]json.RawMessage {
	all := map[dataarts.Kind]map[string]json.RawMessage{}
	for _, kind := range []dataarts.Kind{dataarts.Env, dataarts.Resources, dataarts.Scripts, dataarts.Jobs} {
		all[kind] = d.Handle(workspace).All(kind)
	}
	return all
}

func (d *desk) options() restore.Options {
	return restore.Options{Lease: d.terms,
		Workspace: func(id string) restore.Workspace { return d.Factory.Workspace(id) },
		Sleep:     func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Locations: restore.Locations{Store: d.Store, Bucket: localtest.Bucket, Root: "backups/", PerWorkspace: true, Workspace: localtest.Workspace, Keys: d.keys,
			Prefix: func(w string) (string, error) { return "backups/" + w + "/", nil }}}
}

// run restores with a request in JSON, to which an id is added.
func (d *desk) run(request string) (*restore.Report, error) {
	d.t.Helper()
	req, err := restore.ParseRequest([]byte(request))
	if err != nil {
		d.t.Fatal(err)
	}
	if req.ID == "" {
		req.ID = fmt.Sprintf("restore-%d", d.ids.Add(1))
	}
	return restore.Run(d.t.Context(), req, d.options())
}

// must restores and wants the status.
func (d *desk) must(status restore.Status, request string) *restore.Report {
	d.t.Helper()
	report, err := d.run(request)
	if err != nil || report.Status != status {
		text, _ := json.MarshalIndent(report, "", " ")
		d.t.Fatalf("%s: %v\n%.4000s", request, err, text)
	}
	return report
}

// same tells how a workspace differs from the one that was backed up.
func (d *desk) same(workspace string) []string {
	var differences []string
	now := d.snapshot(workspace)
	for kind, assets := range d.before {
		for name, want := range assets {
			got, ok := now[kind][name]
			if !ok {
				differences = append(differences, fmt.Sprintf("%s %q is not there", kind, name))
				continue
			}
			changes, err := rawjson.Diff(asset.Comparable(asset.Kind(kind), want), asset.Comparable(asset.Kind(kind), got))
			if err != nil || len(changes) > 0 {
				differences = append(differences, fmt.Sprintf("%s %q: %v %v", kind, name, changes, err))
			}
		}
		for name := range now[kind] {
			if _, ok := assets[name]; !ok {
				differences = append(differences, fmt.Sprintf("%s %q is there in addition", kind, name))
			}
		}
	}
	slices.Sort(differences)
	return differences
}

func (d *desk) document() string {
	data, _ := d.Objects.GetObject(localtest.Bucket, "backups/"+localtest.Workspace+"/"+day+"/backup.json")
	return string(data)
}

// edit changes backup.json as an operator would.
func (d *desk) edit(old, new string) {
	d.t.Helper()
	text := d.document()
	if !strings.Contains(text, old) {
		d.t.Fatalf("backup.json has no %s:\n%s", old, text)
	}
	if err := d.Objects.PutObject(localtest.Bucket, "backups/"+localtest.Workspace+"/"+day+"/backup.json", []byte(strings.Replace(text, old, new, 1))); err != nil {
		d.t.Fatal(err)
	}
}

func item(r *restore.Report, kind asset.Kind, name string) restore.Item {
	for _, i := range r.Items {
		if i.Kind == kind && i.Name == name {
			return i
		}
	}
	return restore.Item{}
}

const overwrite = `{"date":"2026-11-22","duplicateNamePolicy":"overwrite"}`

func TestRun_GivesAWipedWorkspaceBackWhole(t *testing.T) {
	t.Parallel()
	d := newDesk(t, sample.Hard, sample.Cycle)
	d.Handle(localtest.Workspace).Wipe()
	report := d.must(restore.Complete, overwrite)
	if differences := d.same(localtest.Workspace); len(differences) > 0 {
		t.Errorf("%d differences: %.2000q", len(differences), differences)
	}
	if !strings.Contains(report.Message, "cycle of jobs") {
		t.Errorf("the cycle is not named: %s", report.Message)
	}
	if report.Counts["created"] != len(report.Items) || report.Progress.Done != len(report.Items) {
		t.Errorf("%v of %d items, progress %v", report.Counts, len(report.Items), report.Progress)
	}
	d.DataArts.ResetCalls()
	if again := d.must(restore.Complete, overwrite); again.Counts["unchanged"] != len(again.Items) || d.Writes() > 0 {
		t.Errorf("a second restore: %v, %d writes", again.Counts, d.Writes())
	}
}

func TestRun_IntoAnotherWorkspace(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.must(restore.Complete, `{"date":"latest","source":"`+localtest.Workspace+`","workspace":"`+localtest.Other+`","duplicateNamePolicy":"fail"}`)
	if differences := d.same(localtest.Other); len(differences) > 0 {
		t.Errorf("%q", differences)
	}
}

func TestRun_FromAPath(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Handle(localtest.Workspace).Wipe()
	d.must(restore.Complete, `{"path":"obs://dataarts-backup/backups/`+localtest.Workspace+`/2026-11-22/","duplicateNamePolicy":"skip"}`)
	if differences := d.same(localtest.Workspace); len(differences) > 0 {
		t.Errorf("%q", differences)
	}
}

func TestRun_FromAFolderThatTheConsoleWroteSaysThatItIsUnverified(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const ours, console = "backups/" + localtest.Workspace + "/" + day + "/", "backups/console/2026-11-20/"
	keys, _ := d.Objects.Keys(localtest.Bucket, ours)
	for _, key := range keys {
		data, _ := d.Objects.GetObject(localtest.Bucket, key)
		switch name := strings.TrimPrefix(key, ours); name {
		case "manifest.json":
		case "backup.json":
			_ = d.Objects.PutObject(localtest.Bucket, console+name, []byte(`{"jobs":{"HiveSQL":[]}}`))
		default:
			_ = d.Objects.PutObject(localtest.Bucket, console+name, data)
		}
	}
	d.Handle(localtest.Workspace).Wipe()
	const request = `{"path":"obs://dataarts-backup/` + console + `","workspace":"` + localtest.Workspace + `","duplicateNamePolicy":"overwrite"`
	if plan := d.must(restore.Planned, request+`,"dryRun":true}`); !strings.Contains(plan.Message, "unverified") {
		t.Errorf("%s", plan.Message)
	}
	d.must(restore.Complete, request+`}`)
	if differences := d.same(localtest.Workspace); len(differences) > 0 {
		t.Errorf("%q", differences)
	}
	if report := d.must(restore.Failed, `{"path":"obs://dataarts-backup/`+console+`","duplicateNamePolicy":"overwrite"}`); !strings.Contains(report.Message, "workspace") {
		t.Errorf("the folder does not say whose it is: %s", report.Message)
	}
	t.Run("says whose it is by where it lies, or by the request", func(t *testing.T) {
		for _, key := range []string{"console", localtest.Workspace} {
			opts, req := d.options(), d.request(`{"path":"obs://dataarts-backup/`+console+`","duplicateNamePolicy":"overwrite","dryRun":true}`)
			opts.Locations.WorkspaceOf = func(string) (string, bool) { return key, key != "console" }
			report, err := restore.Run(t.Context(), req, opts)
			if planned := err == nil && report.Status == restore.Planned && report.Workspace == localtest.Workspace; planned != (key != "console") {
				t.Errorf("%s: %v %s", key, err, dump(report))
			}
		}
		opts, req := d.options(), d.request(`{"date":"2026-11-20","source":"console","duplicateNamePolicy":"overwrite","dryRun":true}`)
		if report, err := restore.Run(t.Context(), req, opts); report.Workspace != "console" || report.Status == restore.Planned { // which is not there
			t.Errorf("%v %s", err, dump(report))
		}
		opts, req = d.options(), d.request(`{"path":"obs://dataarts-backup/`+console+`","duplicateNamePolicy":"overwrite","dryRun":true}`)
		opts.Locations.PerWorkspace = false
		if report, err := restore.Run(t.Context(), req, opts); err != nil || report.Status != restore.Planned || report.Workspace != localtest.Workspace {
			t.Errorf("the only workspace there is: %v %s", err, dump(report))
		}
	})
	_ = d.Objects.PutObject(localtest.Bucket, console+"4_jobs/odd.job", []byte("PK"))
	if report := d.must(restore.Failed, request+`}`); !strings.Contains(report.Message, "odd.job") {
		t.Errorf("%s", report.Message)
	}
}

// change alters a job, a script, a resource and a variable of the live workspace, and returns the names of the first two.
func (d *desk) change() (job, script string) {
	w := d.Handle(localtest.Workspace)
	job = slices.Min(slices.Collect(maps.Keys(w.All(dataarts.Jobs))))
	script = slices.Min(slices.Collect(maps.Keys(w.All(dataarts.Scripts))))
	raw, _ := w.Asset(dataarts.Jobs, job)
	_ = w.Put(dataarts.Jobs, rawjson.Set(raw, "description", []byte(`"changed since"`)))
	raw, _ = w.Asset(dataarts.Scripts, script)
	_ = w.Put(dataarts.Scripts, rawjson.Set(raw, "content", []byte(`"changed since"`)))
	return job, script
}

func TestRun_OverwriteWritesOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	job, script := d.change()
	report := d.must(restore.Complete, overwrite)
	if differences := d.same(localtest.Workspace); len(differences) > 0 {
		t.Errorf("%q", differences)
	}
	if report.Counts["overwritten"] != 2 || report.Counts["unchanged"] != len(report.Items)-2 {
		t.Errorf("%v", report.Counts)
	}
	if calls := d.DataArts.CallCounts(); calls[dataarts.UpdateJob] != 1 || calls[dataarts.UpdateScript] != 1 || calls[dataarts.CreateFactoryEnv] > 0 || calls[dataarts.UpdateResource] > 0 {
		t.Errorf("%v", calls)
	}
	if c := item(report, asset.Jobs, job).Changes; len(c) != 1 || c[0].Field != "description" || c[0].From != `"changed since"` {
		t.Errorf("changes of the job: %+v", c)
	}
	if c := item(report, asset.Scripts, script).Changes; len(c) != 1 || c[0].Field != "content" || c[0].From != "" || !strings.Contains(c[0].Diff, "\n-changed since\n") {
		t.Errorf("changes of the script: %+v", c)
	}
}

func TestRun_SkipLeavesWhatExists(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	job, _ := d.change()
	w := d.Handle(localtest.Workspace)
	names := slices.Sorted(maps.Keys(w.All(dataarts.Scripts)))
	w.Delete(dataarts.Scripts, names[len(names)-1])
	report := d.must(restore.Complete, `{"date":"2026-11-22","duplicateNamePolicy":"skip"}`)
	if raw, _ := w.Asset(dataarts.Jobs, job); rawjson.StringAt(raw, "description") != "changed since" {
		t.Error("the changed job was overwritten")
	}
	if report.Counts["created"] != 1 || item(report, asset.Jobs, job).Outcome != restore.Skipped {
		t.Errorf("%v", report.Counts)
	}
}

func TestRun_FailRefusesWhenAnythingExistsAndWritesNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	report := d.must(restore.Failed, `{"date":"2026-11-22","duplicateNamePolicy":"fail"}`)
	if d.Writes() > 0 || !strings.Contains(report.Message, "duplicateNamePolicy is fail") {
		t.Errorf("%d writes: %s", d.Writes(), report.Message)
	}
}

func TestRun_DryRunPlansAndWritesNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Handle(localtest.Workspace).Wipe()
	report := d.must(restore.Planned, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true}`)
	if d.Writes() > 0 || report.PlanHash == "" || report.Counts["create"] != len(report.Items) {
		t.Errorf("%d writes, hash %q, %v", d.Writes(), report.PlanHash, report.Counts)
	}
	same := d.must(restore.Planned, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true}`)
	if same.PlanHash != report.PlanHash {
		t.Error("the same plan has another hash")
	}
	if err := d.Handle(localtest.Workspace).Put(dataarts.Scripts, []byte(`{"name":"dwd_orders_merge","type":"HiveSQL","content":""}`)); err != nil {
		t.Fatal(err)
	}
	for name := range d.before[dataarts.Scripts] {
		_ = d.Handle(localtest.Workspace).Put(dataarts.Scripts, []byte(fmt.Sprintf(`{"name":%q,"type":"HiveSQL","content":""}`, name)))
		break
	}
	moved := d.must(restore.Failed, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","planHash":"`+report.PlanHash+`"}`)
	if d.Writes() > 0 || !strings.Contains(moved.Message, "the plan is no longer") {
		t.Errorf("%d writes: %s", d.Writes(), moved.Message)
	}
}

func TestRun_HonoursEditsOfBackupJSON(t *testing.T) {
	t.Parallel()
	node := func(name, connection, cluster string) string {
		return `{"name":"` + name + `","type":"HiveSQL","location":{"x":"0","y":"0"},"properties":[{"name":"connectionName","value":"` + connection + `"},{"name":"connectionId","value":"7"},{"name":"clusterName","value":"` + cluster + `"}]}`
	}
	d := newDesk(t, func(w *dataarts.WorkspaceHandle) error {
		_ = w.Put(dataarts.Scripts, []byte(`{"name":"s","type":"HiveSQL","content":"x","connectionName":"old","database":"db"}`))
		return w.Put(dataarts.Jobs, []byte(`{"name":"j","processType":"BATCH","schedule":{"type":"CRON","cron":{"startTime":"2026-01-01T00:00:00+08","expression":"0 0 1 * * ?","expressionTimeZone":"GMT+8"}},"logPath":"obs://logs/a","nodes":[`+node("one", "old", "c1")+`,`+node("two", "old", "c1")+`]}`))
	})
	d.edit(`"node": "one", "connectionName": "old"`, `"node": "one", "connectionName": "by_hand"`)
	d.edit(`"replace": {"connectionName": {}`, `"replace": {"connectionName": {"old": "by_file", "typo": "x"}`)
	w := d.Handle(localtest.Workspace)
	w.Wipe()
	report := d.must(restore.Complete, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","replace":{"connectionName":{"by_file":"by_request"},"clusterName":{"c1":"c2"},
		"database":{"db":"db2"},"obsPath":{"obs://logs/":"obs://logs-dr/"},"expressionTimeZone":{"GMT+8":"Europe/Berlin"}}}`)
	job, _ := w.Asset(dataarts.Jobs, "j")
	for _, want := range []string{
		`{"name":"connectionName","value":"by_hand"},{"name":"clusterName","value":"c2"}`,
		`{"name":"connectionName","value":"by_request"},{"name":"clusterName","value":"c2"}`,
		`"logPath":"obs://logs-dr/a"`, `"expressionTimeZone":"Europe/Berlin"`,
	} {
		if !strings.Contains(string(job), want) {
			t.Errorf("no %s in %s", want, job)
		}
	}
	if script, _ := w.Asset(dataarts.Scripts, "s"); rawjson.StringAt(script, "connectionName") != "by_request" || rawjson.StringAt(script, "database") != "db2" {
		t.Errorf("%s", script)
	}
	if !strings.Contains(report.Message, `replace rules that fit nothing: backup.json connectionName "typo"`) {
		t.Errorf("the unused rule is not named: %s", report.Message)
	}
}

func TestRun_RefusesIllegalEditsWithLineAndPathAndWritesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new, want string }{
		"another job":       {`"job": "j"`, `"job": "k"`, `jobs.HiveSQL[0]`},
		"another node":      {`"node": "one"`, `"node": "three"`, `job "j" has no node "three"`},
		"another date":      {`"backupDate": "2026-11-22"`, `"backupDate": "2026-11-23"`, "backupDate: was \"2026-11-22\""},
		"a syntax error":    {`"job": "j",`, `"job": "j"`, "line 1"},
		"an entry more":     {`{"job": "j"`, `{"job": "j", "node": "one", "connectionName": "x"}, {"job": "j"`, "twice"},
		"an entry less":     {`{"script": "s", "connectionName": "old", "database": "db"}`, ``, `the entry of script "s" is gone`},
		"a field more":      {`"node": "one"`, `"node": "one", "database": "x"`, `jobs.HiveSQL[0].database`},
		"a field less":      {`, "database": "db"`, ``, `database of script "s" is gone`},
		"no string":         {`"connectionName": "old"`, `"connectionName": 7`, "want a string"},
		"an unknown rule":   {`"replace": {`, `"replace": {"obsPath": {}, `, "replace.obsPath"},
		"another top field": {`"replace":`, `"more": 1, "replace":`, "more"},
		"another manifest":  {`"manifestSha256": "`, `"manifestSha256": "0`, "manifest.json has SHA-256"},
		"another workspace": {`"name": "sales"`, `"name": "other"`, "workspace"},
		"an unknown type":   {`"HiveSQL": [`, `"SparkSQL": [], "HiveSQL": [`, `no node of type "SparkSQL"`},
		"an old format":     {`"formatVersion": 1`, `"formatVersion": 2`, "formatVersion"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, func(w *dataarts.WorkspaceHandle) error {
				_ = w.Put(dataarts.Scripts, []byte(`{"name":"s","type":"HiveSQL","content":"x","connectionName":"old","database":"db"}`))
				return w.Put(dataarts.Jobs, []byte(`{"name":"j","processType":"BATCH","schedule":{"type":"CRON"},"nodes":[{"name":"one","type":"HiveSQL","properties":[{"name":"connectionName","value":"old"}]}]}`))
			})
			d.edit(c.old, c.new)
			report := d.must(restore.Failed, overwrite)
			if !strings.Contains(report.Message, c.want) {
				t.Errorf("%q does not say %q", report.Message, c.want)
			}
			if d.Writes() > 0 {
				t.Errorf("%d writes", d.Writes())
			}
		})
	}
}

func TestRun_RefusesADamagedBackupNamingEveryObject(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	folder := "backups/" + localtest.Workspace + "/" + day + "/"
	keys, _ := d.Objects.Keys(localtest.Bucket, folder+"4_jobs/")
	data, _ := d.Objects.GetObject(localtest.Bucket, keys[0])
	data[len(data)/2] ^= 1
	_ = d.Objects.PutObject(localtest.Bucket, keys[0], data)
	_ = d.Objects.DeleteObject(localtest.Bucket, keys[1])
	report := d.must(restore.Failed, overwrite)
	for _, key := range keys[:2] {
		if !strings.Contains(report.Message, key) {
			t.Errorf("%s is not named in %s", key, report.Message)
		}
	}
	if d.Writes() > 0 {
		t.Errorf("%d writes", d.Writes())
	}
}

func TestRun_RefusesWhatIsNoBackup(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for request, want := range map[string]string{
		`{"date":"2026-11-21","duplicateNamePolicy":"skip"}`:                                                                "no complete backup",
		`{"path":"obs://elsewhere/2026-11-22/","duplicateNamePolicy":"skip"}`:                                               "outside of obs://dataarts-backup/backups/",
		`{"path":"obs://dataarts-backup/other/2026-11-22/","duplicateNamePolicy":"skip"}`:                                   "outside of obs://dataarts-backup/backups/",
		`{"date":"2026-11-22","source":"` + localtest.Other + `","duplicateNamePolicy":"overwrite"}`:                        "no complete backup",
		`{"date":"latest","workspace":"` + localtest.Other + `","duplicateNamePolicy":"overwrite"}`:                         "no complete backup",
		`{"date":"2026-11-22","source":"` + localtest.Workspace + `","workspace":"nope","duplicateNamePolicy":"overwrite"}`: "does not exist",
	} {
		if report := d.must(restore.Failed, request); !strings.Contains(report.Message, want) {
			t.Errorf("%s: %q does not say %q", request, report.Message, want)
		}
	}
}

func TestRun_RestoresTheSelectionAndWhatItNeeds(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(w *dataarts.WorkspaceHandle) error {
		_ = w.Put(dataarts.Env, []byte(`{"params":[{"name":"bucket","type":"variable","value":"b"},{"name":"other","type":"variable","value":"o"}]}`))
		_ = w.Put(dataarts.Scripts, []byte(`{"name":"s","type":"Shell","content":"#{Env.get(\"bucket\")}"}`))
		_ = w.Put(dataarts.Scripts, []byte(`{"name":"unused","type":"Shell","content":""}`))
		_ = w.Put(dataarts.Jobs, []byte(`{"name":"z_first","processType":"BATCH","nodes":[{"name":"n","type":"Shell","location":{"x":"0","y":"0"},"properties":[{"name":"scriptName","value":"s"}]}],"schedule":{"type":"CRON"}}`))
		_ = w.Put(dataarts.Jobs, []byte(`{"name":"alone","processType":"BATCH","nodes":[],"schedule":{"type":"CRON"}}`))
		return w.Put(dataarts.Jobs, []byte(`{"name":"a_second","directory":"/ads/daily","processType":"BATCH","nodes":[],"schedule":{"type":"CRON","cron":{"startTime":"2026-01-01T00:00:00+08","expression":"0 0 1 * * ?","dependJobs":{"jobs":["z_first"]}}}}`))
	})
	names := func(request string) string {
		d.Handle(localtest.Workspace).Wipe()
		var all []string
		for _, i := range d.must(restore.Complete, request).Items {
			all = append(all, i.Name)
		}
		return strings.Join(all, " ")
	}
	if got := names(`{"date":"latest","duplicateNamePolicy":"fail","select":{"names":["a_*"],"withDependencies":true}}`); got != "bucket s a_second z_first" {
		t.Errorf("with dependencies: %s", got)
	}
	if got := names(`{"date":"latest","duplicateNamePolicy":"fail","select":{"kinds":["scripts","env"]}}`); got != "bucket other s unused" {
		t.Errorf("by kind: %s", got)
	}
	d.Handle(localtest.Workspace).Wipe()
	report := d.must(restore.Partial, `{"date":"latest","duplicateNamePolicy":"fail","select":{"directories":["/ads"]}}`)
	if i := item(report, asset.Jobs, "a_second"); i.Outcome != restore.Blocked || !strings.Contains(i.Reason, `"z_first"`) || d.Handle(localtest.Workspace).JobStatus("a_second") != "" {
		t.Errorf("%+v", i)
	}
}

func TestRun_KeepsSchedulesAsTheyWere(t *testing.T) {
	t.Parallel()
	for _, refuseRunning := range []bool{false, true} {
		for schedules, want := range map[string]string{"": "SCHEDULING", "keep": "SCHEDULING", "stop": "STOPPED", "start": "SCHEDULING"} {
			d := newDesk(t)
			d.DataArts.SetSwitches(func(s *dataarts.Switches) { s.RefuseRunning = refuseRunning })
			job, _ := d.change()
			d.Handle(localtest.Workspace).SetJobStatus(job, "SCHEDULING")
			d.must(restore.Complete, `{"date":"latest","duplicateNamePolicy":"overwrite","select":{"kinds":["jobs"]}`+map[bool]string{true: `,"schedules":"` + schedules + `"`}[schedules != ""]+`}`)
			if got := d.Handle(localtest.Workspace).JobStatus(job); got != want {
				t.Errorf("schedules %q: %s, want %s", schedules, got, want)
			}
		}
	}
}

func TestRun_OneFailureStopsNothingButWhatDependsOnIt(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 403} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, func(w *dataarts.WorkspaceHandle) error {
				for _, j := range []string{`{"name":"a","processType":"BATCH","nodes":[],"schedule":{"type":"CRON"}}`, `{"name":"free","processType":"BATCH","nodes":[],"schedule":{"type":"CRON"}}`,
					`{"name":"b","processType":"BATCH","nodes":[],"schedule":{"type":"CRON","cron":{"startTime":"2026-01-01T00:00:00+08","expression":"0 0 1 * * ?","dependJobs":{"jobs":["a"]}}}}`} {
					_ = w.Put(dataarts.Jobs, []byte(j))
				}
				return nil
			})
			d.Handle(localtest.Workspace).Wipe()
			var creates atomic.Int32
			d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
				if op == dataarts.CreateJob && creates.Add(1) == 1 {
					return &dataarts.Fault{Status: status, Body: `{"error_code":"DLF.6888","error_msg":"no permission"}`}
				}
				return nil
			})
			opts := d.options()
			opts.Concurrency = 1
			req, _ := restore.ParseRequest([]byte(overwrite))
			req.ID = "one"
			report, err := restore.Run(t.Context(), req, opts)
			if err != nil || report.Status != restore.Partial {
				t.Fatalf("%+v %v", report, err)
			}
			a, b, free := item(report, asset.Jobs, "a"), item(report, asset.Jobs, "b"), item(report, asset.Jobs, "free")
			if a.Outcome != restore.Errored || !strings.Contains(a.Reason, "DLF.6888") || b.Outcome != restore.Blocked || !strings.Contains(b.Reason, `job "a"`) || free.Outcome != restore.Created {
				t.Errorf("%+v", report.Items)
			}
		})
	}
}

func TestRun_ACreateWhoseAnswerWasLostIsNeitherDoubledNorCalledFailed(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]dataarts.Fault{"after it was applied": {ResetAfter: true}, "before it was applied": {ResetBefore: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.Handle(localtest.Workspace).Wipe()
			var n atomic.Int32
			d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
				if (op == dataarts.CreateJob || op == dataarts.CreateScript || op == dataarts.CreateResource) && n.Add(1)%3 == 0 {
					return &fault
				}
				return nil
			})
			opts := d.options()
			opts.Concurrency = 1 // so that no asset meets the fault twice
			req, _ := restore.ParseRequest([]byte(overwrite))
			req.ID = "lost"
			if report, err := restore.Run(t.Context(), req, opts); err != nil || report.Status != restore.Complete {
				t.Fatalf("%+v %v", report, err)
			}
			if differences := d.same(localtest.Workspace); len(differences) > 0 {
				t.Errorf("%q", differences)
			}
		})
	}
}

func TestRun_ThatWasInterruptedIsContinuedUnderItsID(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"overwrite", "skip", "fail"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.Handle(localtest.Workspace).Wipe()
			var creates atomic.Int32
			d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
				if op == dataarts.CreateJob && creates.Add(1) > 5 {
					return &dataarts.Fault{Status: 401, Body: `{"error_code":"APIGW.0301","error_msg":"keys expired"}`}
				}
				return nil
			})
			request := `{"id":"mine","date":"latest","duplicateNamePolicy":"` + policy + `"}`
			report, err := d.run(request)
			if err == nil || report.Status != restore.Running {
				t.Fatalf("%+v %v", report, err)
			}
			d.DataArts.Intercept(nil)
			report = d.must(restore.Complete, request)
			if differences := d.same(localtest.Workspace); len(differences) > 0 {
				t.Errorf("%q", differences)
			}
			if report.Counts["created"] != len(report.Items) {
				t.Errorf("what both runs created is %v of %d", report.Counts, len(report.Items))
			}
			d.DataArts.ResetCalls()
			if again := d.must(restore.Complete, request); len(d.DataArts.Calls()) > 0 || again.FinishedAt == nil {
				t.Error("the same id is the same restore, and it was over")
			}
		})
	}
}

func TestRun_ReadsBackWhatItWroteFromAServiceThatShowsWritesLate(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Handle(localtest.Workspace).Wipe()
	d.DataArts.SetSwitches(func(s *dataarts.Switches) { s.StaleReads = 2 })
	d.must(restore.Complete, overwrite)
	d.DataArts.SetSwitches(func(s *dataarts.Switches) { s.StaleReads = 0 })
	if differences := d.same(localtest.Workspace); len(differences) > 0 {
		t.Errorf("%q", differences)
	}
}

func TestUndo_GivesTheStateBeforeTheRestoreBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	w := d.Handle(localtest.Workspace)
	d.change()
	names := slices.Sorted(maps.Keys(w.All(dataarts.Scripts)))
	w.Delete(dataarts.Scripts, names[len(names)-1])
	_ = w.Put(dataarts.Env, []byte(`{"params":[{"name":"only_live","type":"variable","value":"x"}]}`))
	before := d.snapshot(localtest.Workspace)
	d.must(restore.Complete, `{"id":"r1","date":"latest","duplicateNamePolicy":"overwrite"}`)
	report, err := restore.Undo(t.Context(), "r1", d.options())
	if err != nil || report.Status != restore.Undone {
		t.Fatalf("%+v %v", report, err)
	}
	d.before = before
	if differences := d.same(localtest.Workspace); len(differences) > 0 {
		t.Errorf("%q", differences)
	}
	for id, want := range map[string]restore.Status{"r1": restore.Undone, "unknown": restore.Failed} {
		if again, err := restore.Undo(t.Context(), id, d.options()); err != nil || again.Status != want {
			t.Errorf("undo of %s: %+v %v", id, again, err)
		}
	}
}

func TestParseRequest_NamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := restore.ParseRequest([]byte(`{
  "id": "a/b", "date": "yesterday", "duplicateNamePolicy": "merge", "schedules": "go",
  "select": {"kinds": ["job"], "names": ["[a"], "directories": ["ods"]}, "targetStatus": "DONE"}`))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`line 2, column 9, id: "a/b"`, `date: "yesterday"`, `duplicateNamePolicy: "merge"`, `schedules: "go"`,
		`select.kinds[0]: kind "job"`, `select.names[0]`, `select.directories[0]`, `targetStatus: "DONE"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	for _, request := range []string{`{}`, `{"date":"latest"}`, `{"date":"latest","path":"obs://b/x/","duplicateNamePolicy":"skip"}`, `{"path":"obs://b/../x","duplicateNamePolicy":"skip"}`,
		`{"undo":"x","date":"latest"}`, `{"date":"latest","duplicateNamePolicy":"skip","Date":"x"}`} {
		if _, err := restore.ParseRequest([]byte(request)); err == nil {
			t.Errorf("%s is accepted", request)
		}
	}
}
