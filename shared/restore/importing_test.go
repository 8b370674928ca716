package restore_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// importDesk is a desk whose workspace is empty, and whose restores import from one job on.
type importDesk struct {
	*desk
	threshold, limit int
	target           func(restore.Workspace) restore.Workspace // between the restore and the service; nil is nothing
}

func newImportDesk(t *testing.T, switches func(*dataarts.Switches), fill ...func(*dataarts.WorkspaceHandle) error) *importDesk {
	t.Helper()
	d := &importDesk{desk: newDesk(t, fill...), threshold: 1}
	d.hurry()
	d.Handle(localtest.Workspace).Wipe()
	if switches != nil {
		d.DataArts.SetSwitches(switches)
	}
	return d
}

func (d *importDesk) run(request string, change ...func(*restore.Options)) (*restore.Report, error) {
	d.t.Helper()
	opts := d.options()
	opts.ImportThreshold, opts.ImportLimit = d.threshold, d.limit
	opts.Lease.Settle = 10 * time.Millisecond
	if d.target != nil {
		opts.Workspace = func(id string) restore.Workspace { return d.target(d.Factory.Workspace(id)) }
	}
	for _, c := range change {
		c(&opts)
	}
	req, err := restore.ParseRequest([]byte(request))
	if err != nil {
		d.t.Fatal(err)
	}
	if req.ID == "" {
		req.ID = fmt.Sprintf("restore-%d", d.ids.Add(1))
	}
	return restore.Run(d.t.Context(), req, opts)
}

func (d *importDesk) must(status restore.Status, request string) *restore.Report {
	d.t.Helper()
	d.DataArts.ResetCalls()
	report, err := d.run(request)
	if err != nil || report.Status != status {
		d.t.Fatalf("%s: %v\n%.4000s", request, err, dump(report))
	}
	return report
}

// calls counts what was asked of the service since the last restore began.
func (d *importDesk) calls(operations ...dataarts.Operation) int {
	n := 0
	for _, call := range d.DataArts.Calls() {
		for _, op := range operations {
			if call.Operation == op {
				n++
			}
		}
	}
	return n
}

// bundles are the import files in the bucket.
func (d *importDesk) bundles() []string {
	d.t.Helper()
	keys, err := d.Objects.Keys(localtest.Bucket, "backups/restores/")
	if err != nil {
		d.t.Fatal(err)
	}
	var bundles []string
	for _, key := range keys {
		if strings.Contains(key, "/import/") {
			bundles = append(bundles, key)
		}
	}
	return bundles
}

// whole fails the test where the workspace is not what was backed up, or an import file is left.
func (d *importDesk) whole() {
	d.t.Helper()
	if differences := d.same(localtest.Workspace); len(differences) > 0 {
		d.t.Errorf("%d differences: %.2000q", len(differences), differences)
	}
	if left := d.bundles(); len(left) > 0 {
		d.t.Errorf("import files are left in the bucket: %q", left)
	}
}

func using(name, script string, on ...string) string {
	return strings.Replace(batch(name, on...), `"nodes":[]`,
		`"nodes":[{"name":"run","type":"Shell","location":{"x":"0","y":"0"},"properties":[{"name":"scriptName","value":"`+script+`"}]}]`, 1)
}

func shellScript(name string) string {
	return `{"name":"` + name + `","type":"Shell","content":"echo ` + name + `"}`
}

// handful is a workspace that is imported but for its cycle.
func handful(w *dataarts.WorkspaceHandle) error {
	for _, fill := range []func(*dataarts.WorkspaceHandle) error{
		having(dataarts.Env, variables(variable("v", "1"))),
		having(dataarts.Resources, `{"name":"udf","type":"jar","directory":"/lib","location":"obs://libs/udf.jar"}`),
		having(dataarts.Scripts, shellScript("used"), shellScript("unused")),
		having(dataarts.Jobs, batch("c", "b"), using("b", "used", "a"), batch("a"), batch("ring_1", "ring_2"), batch("ring_2", "ring_1"), batch("after", "ring_1")),
	} {
		if err := fill(w); err != nil {
			return err
		}
	}
	return nil
}

const create = `{"date":"2026-11-22","duplicateNamePolicy":"fail"}`

func TestImport_EndsLikeTheSlowWay(t *testing.T) {
	t.Parallel()
	for name, request := range map[string]string{
		"as it is":        create,
		"started":         `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","schedules":"start"}`,
		"mapped":          `{"date":"2026-11-22","duplicateNamePolicy":"skip","replace":{"connectionName":{"mrs_hive_prod":"hive_dr"},"database":{"dwd":"dwd_dr"}}}`,
		"a target status": `{"date":"2026-11-22","duplicateNamePolicy":"skip","targetStatus":"SUBMITTED","approvers":["boss"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fill := []func(*dataarts.WorkspaceHandle) error{sample.Cycle, func(w *dataarts.WorkspaceHandle) error {
				return sample.Fill(w, sample.Options{Jobs: 40, Scripts: 30, Resources: 3})
			}}
			if name == "as it is" || share(2) == 1 { // megabytes of hard assets
				fill = append(fill, sample.Hard)
			}
			d := newImportDesk(t, nil, fill...)
			d.threshold = -1
			slow := d.must(restore.Complete, request)
			if d.calls(dataarts.ImportJob, dataarts.ShowFileInfo) > 0 || len(slow.Imports) > 0 {
				t.Error("the slow way imports")
			}
			want := d.state()
			d.Handle(localtest.Workspace).Wipe()
			d.threshold, d.limit = 1, 60_000
			fast := d.must(restore.Complete, request)
			if len(fast.Imports) < 2 || d.calls(dataarts.ImportJob) != len(fast.Imports) {
				t.Errorf("%d imports: %+v", d.calls(dataarts.ImportJob), fast.Imports)
			}
			if text := fmt.Sprint(want); strings.Contains(text, "hive_dr") != (name == "mapped") || strings.Contains(text, "dwd_dr") != (name == "mapped") {
				t.Error("the rules fit nothing, or what they do not have to")
			}
			if diff := cmp.Diff(want, d.state()); diff != "" {
				t.Errorf("the workspace, -slow +fast:\n%s", diff)
			}
			if diff := cmp.Diff(outcomes(slow), outcomes(fast)); diff != "" {
				t.Errorf("the report, -slow +fast:\n%s", diff)
			}
			if left := d.bundles(); len(left) > 0 {
				t.Errorf("left in the bucket: %q", left)
			}
			d.undo(restore.Undone, fast.ID)
			for kind, assets := range d.snapshot(localtest.Workspace) {
				if kind != dataarts.Env && len(assets) > 0 {
					t.Errorf("%d %s are left after the undo", len(assets), kind)
				}
			}
		})
	}
}

func TestImport_CostsFarLessThanTwoCallsForEachAsset(t *testing.T) {
	t.Parallel()
	d := newImportDesk(t, nil, func(w *dataarts.WorkspaceHandle) error {
		return sample.Fill(w, sample.Options{Jobs: 1000, Scripts: 1000, Resources: 1})
	})
	d.threshold = 0 // as it is by default
	report := d.must(restore.Complete, create)
	fast := len(d.DataArts.Calls())
	d.whole()
	t.Logf("%d assets: %d calls, %d imports, %d exports, %d single reads", len(report.Items), fast, d.calls(dataarts.ImportJob), d.calls(dataarts.ExportJobList),
		d.calls(dataarts.ShowJob, dataarts.ShowScript))
	// Pages of a hundred, of jobs and scripts: a plan of nothing, a look before the import, and one reading back, by exports of a hundred jobs and samples.
	if most := 12 + 20 + 10 + 5*len(report.Imports) + 250; fast > most {
		t.Errorf("%d calls, want at most %d", fast, most)
	}
	if d.calls(dataarts.CreateJob, dataarts.CreateScript) > 0 {
		t.Errorf("%d are created one by one", d.calls(dataarts.CreateJob, dataarts.CreateScript))
	}
}

func TestImport_IsNotUsedWhereItIsNotSafeOrNotWorthIt(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	for name, c := range map[string]struct {
		threshold int
		keys      vault.Keys
		before    func(d *desk)
	}{
		"few jobs":            {threshold: 50},
		"an encrypted backup": {threshold: 1, keys: ring(t, id, id)},
		"a live job":          {threshold: 1, before: func(d *desk) { d.put(dataarts.Jobs, batch("mine")) }},
		"a live script":       {threshold: 1, before: func(d *desk) { d.put(dataarts.Scripts, shellScript("mine")) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &importDesk{desk: newDeskWith(t, c.keys, handful), threshold: c.threshold}
			d.keys = c.keys
			d.Handle(localtest.Workspace).Wipe()
			if c.before != nil {
				c.before(d.desk)
			}
			report := d.must(restore.Complete, create)
			if n := d.calls(dataarts.ImportJob, dataarts.ShowFileInfo); n > 0 || len(report.Imports) > 0 || len(d.bundles()) > 0 {
				t.Errorf("%d calls of imports, %+v", n, report.Imports)
			}
		})
	}
}

func TestImport_LeavesToTheSlowWayWhatTheServiceDoesNotTake(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		switches func(*dataarts.Switches)
		imports  int // tasks
		created  int // jobs and scripts, one by one
	}{
		"all is well":                    {nil, 1, 3},
		"no such API":                    {func(s *dataarts.Switches) { s.ImportUnsupported = true }, 0, 8},
		"no way to the bucket":           {func(s *dataarts.Switches) { s.ImportUnreadable = true }, 0, 8},
		"a job left out":                 {func(s *dataarts.Switches) { s.ImportLacks = []string{"a", "c"} }, 1, 5},
		"a task that fails":              {func(s *dataarts.Switches) { s.ImportFails = true }, 1, 8},
		"a task that never ends":         {func(s *dataarts.Switches) { s.ImportNeverEnds = true }, 1, 3},
		"a task that ends late":          {func(s *dataarts.Switches) { s.ImportLater, s.RunningPolls = true, 9 }, 1, 3},
		"subtasks named otherwise":       {func(s *dataarts.Switches) { s.ImportBareNames = true }, 1, 3},
		"no exports to read back with":   {func(s *dataarts.Switches) { s.ExportUnsupported = true }, 1, 3},
		"writes that show late":          {func(s *dataarts.Switches) { s.StaleReads = 3 }, 1, 3},
		"a field dropped, one by one":    {func(s *dataarts.Switches) { s.ImportOmits = []string{"nodes"} }, 1, 3 + 3}, // without nodes, the jobs are refused
		"a quota that only the job hits": {func(s *dataarts.Switches) { s.JobQuota = 6 }, 1, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newImportDesk(t, c.switches, handful)
			report := d.must(restore.Complete, create)
			if len(report.Imports) != c.imports {
				t.Errorf("%+v", report.Imports)
			}
			if n := d.calls(dataarts.CreateJob, dataarts.CreateScript); n != c.created {
				t.Errorf("%d are created one by one, want %d", n, c.created)
			}
			d.whole()
			if report.Counts["created"] != len(report.Items) {
				t.Errorf("%v", report.Counts)
			}
			d.DataArts.SetSwitches(func(s *dataarts.Switches) { s.StaleReads = 0 })
			undone := restore.Undone
			if name == "a task that never ends" { // an undo waits for it, and says that it may bring more
				undone = restore.Partial
			}
			d.undo(undone, report.ID)
			if jobs := d.snapshot(localtest.Workspace)[dataarts.Jobs]; len(jobs) > 0 {
				t.Errorf("%d jobs are left after the undo", len(jobs))
			}
		})
	}
}

func TestImport_UpdatesWhatTheServiceImportedOtherwise(t *testing.T) {
	t.Parallel()
	d := newImportDesk(t, func(s *dataarts.Switches) { s.ImportOmits = []string{"description"} },
		having(dataarts.Jobs, described(batch("a"), "kept"), batch("b", "a"), described(batch("c"), "kept, too")))
	report := d.must(restore.Complete, create)
	d.whole()
	if n := d.calls(dataarts.CreateJob); n > 0 || d.calls(dataarts.UpdateJob) != 2 {
		t.Errorf("%d created, %d updated", n, d.calls(dataarts.UpdateJob))
	}
	for _, i := range report.Items {
		if i.Outcome != restore.Created || !i.Written {
			t.Errorf("%+v", i)
		}
	}
	d.undo(restore.Undone, report.ID)
	if jobs := d.snapshot(localtest.Workspace)[dataarts.Jobs]; len(jobs) > 0 {
		t.Errorf("%d jobs are left after the undo", len(jobs))
	}
}

func TestImport_SaysWhyAnAssetCannotBeImportedNorCreated(t *testing.T) {
	t.Parallel()
	d := newImportDesk(t, func(s *dataarts.Switches) { s.JobQuota = 2 }, having(dataarts.Jobs, batch("a"), batch("b"), batch("c")))
	report := d.must(restore.Partial, create)
	failed := 0
	for _, i := range report.Items {
		if i.Outcome == restore.Errored {
			failed++
			if !strings.Contains(i.Reason, "its import had failed before: ") || strings.Count(i.Reason, "DLF.0101") != 2 {
				t.Errorf("%+v", i)
			}
		}
	}
	if failed != 1 {
		t.Errorf("%v", report.Counts)
	}
}

func TestImport_StartsNoJobWhoseScriptCouldNotBeWritten(t *testing.T) {
	t.Parallel()
	d := newImportDesk(t, func(s *dataarts.Switches) { s.ScriptQuota = 1 }, handful)
	report := d.must(restore.Partial, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"fail","schedules":"start"}`)
	if i := item(report, asset.Scripts, "used"); i.Outcome != restore.Errored || !strings.Contains(i.Reason, "DLF.6253") {
		t.Errorf("%+v", i)
	}
	if i := item(report, asset.Jobs, "b"); i.Outcome != restore.Errored || !i.Written || !strings.Contains(i.Reason, "not started: it needs script") {
		t.Errorf("%+v", i)
	}
	w := d.Handle(localtest.Workspace)
	if a, b := w.JobStatus("a"), w.JobStatus("b"); a != "SCHEDULING" || b != "STOPPED" {
		t.Errorf("a is %s, b is %s", a, b)
	}
	d.undo(restore.Undone, "x")
	if jobs := d.snapshot(localtest.Workspace)[dataarts.Jobs]; len(jobs) > 0 {
		t.Errorf("%d jobs are left after the undo", len(jobs))
	}
}

func TestImport_IsNotNeededByThoseWhoHaveNoRightToIt(t *testing.T) {
	t.Parallel()
	for _, forbidden := range []dataarts.Operation{dataarts.ShowFileInfo, dataarts.ImportJob, dataarts.ShowSystemTask} {
		t.Run(string(forbidden), func(t *testing.T) {
			t.Parallel()
			d := newImportDesk(t, nil, handful)
			d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
				if op == forbidden {
					return &dataarts.Fault{Status: 403, Code: "DLF.6888"}
				}
				return nil
			})
			report := d.must(restore.Complete, create)
			if report.Counts["created"] != len(report.Items) {
				t.Errorf("%v", report.Counts)
			}
			d.whole()
		})
	}
}

func TestImport_IsNotNeededWhereTheBucketTakesNoBundles(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"PutObject", "DeleteObjects", "DeleteObject"} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			d := newImportDesk(t, nil, handful)
			d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
				if c.Operation == operation && (strings.Contains(c.Key, "/import/") || operation == "DeleteObjects") {
					return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
				}
				return nil
			})
			d.must(restore.Complete, create)
			if differences := d.same(localtest.Workspace); len(differences) > 0 {
				t.Errorf("%d differences: %.2000q", len(differences), differences)
			}
		})
	}
}

// otherNames is a service that finds something else in a file.
type otherNames struct{ restore.Workspace }

func (o otherNames) CheckFile(ctx context.Context, path string) (factory.FileContent, error) {
	found, err := o.Workspace.CheckFile(ctx, path)
	found.Jobs = append(found.Jobs, "of somebody else")
	return found, err
}

func TestImport_IsGivenUpWhereTheServiceReadsAFileOtherwise(t *testing.T) {
	t.Parallel()
	d := newImportDesk(t, nil, handful)
	d.target = func(w restore.Workspace) restore.Workspace { return otherNames{w} }
	d.must(restore.Complete, create)
	if n := d.calls(dataarts.ImportJob); n > 0 {
		t.Errorf("%d imports", n)
	}
	d.whole()
}

// intruder creates assets right before the first import is asked for, as somebody else may.
type intruder struct {
	restore.Workspace
	act func()
}

func (i intruder) CheckFile(ctx context.Context, path string) (factory.FileContent, error) {
	i.act()
	return i.Workspace.CheckFile(ctx, path)
}

func TestImport_LeavesAloneWhatSomebodyElseCreatedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		theirs  string
		bare    bool
		outcome restore.Outcome
		reason  string
	}{
		"another job":                       {described(batch("a"), "of somebody else"), false, restore.Errored, "left alone"},
		"another job, told of by its name":  {described(batch("a"), "of somebody else"), true, restore.Errored, "left alone"},
		"a job without what it should have": {strings.Replace(batch("a"), "CRON", "EXECUTE_ONCE", 1), false, restore.Errored, "left alone"},
		"the same job":                      {batch("a"), false, restore.Unchanged, "somebody else created it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newImportDesk(t, func(s *dataarts.Switches) { s.ImportBareNames = c.bare }, handful)
			d.target = func(w restore.Workspace) restore.Workspace {
				return intruder{w, sync.OnceFunc(func() {
					d.put(dataarts.Jobs, c.theirs)
					<-time.After(1100 * time.Millisecond) // the service's clock, told in seconds by some, has to go on
				})}
			}
			report, err := d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
			if err != nil {
				t.Fatal(err)
			}
			if i := item(report, asset.Jobs, "a"); i.Outcome != c.outcome || i.Written || !strings.Contains(i.Reason, c.reason) {
				t.Errorf("%+v", i)
			}
			theirs := d.snapshot(localtest.Workspace)[dataarts.Jobs]["a"]
			if _, err := restore.Undo(t.Context(), "x", d.options()); err != nil {
				t.Fatal(err)
			}
			left := d.snapshot(localtest.Workspace)[dataarts.Jobs]
			if diff := cmp.Diff(string(theirs), string(left["a"])); diff != "" || len(left) != 1 {
				t.Errorf("after the undo there are %d jobs, and somebody else's is, -before +after:\n%s", len(left), diff)
			}
		})
	}
}

// patiently lets the service's clock, which is told in seconds by some, go on whenever a restore waits for an import whose answer was lost.
func patiently(o *restore.Options) {
	o.Sleep = func(ctx context.Context, wait time.Duration) error {
		if wait == 10*time.Second {
			<-time.After(1100 * time.Millisecond)
		}
		return ctx.Err()
	}
}

func TestImport_WhoseAnswerWasLostIsAskedForOnceMoreAndDoublesNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]dataarts.Fault{
		"applied":     {Status: 502, Applied: true},
		"not applied": {Status: 502},
		"reset after": {ResetAfter: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newImportDesk(t, nil, handful)
			var once sync.Once
			d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) (f *dataarts.Fault) {
				if op == dataarts.ImportJob {
					once.Do(func() { f = &fault })
				}
				return f
			})
			report, err := d.run(create, patiently)
			if err != nil || report.Status != restore.Complete {
				t.Fatalf("%v %s", err, dump(report))
			}
			if n := d.calls(dataarts.ImportJob); n != 2 || report.Counts["created"] != len(report.Items) {
				t.Errorf("%d imports, %v", n, report.Counts)
			}
			d.whole()
			d.undo(restore.Undone, report.ID)
			if jobs := d.snapshot(localtest.Workspace)[dataarts.Jobs]; len(jobs) > 0 {
				t.Errorf("%d jobs are left after the undo", len(jobs))
			}
		})
	}
}

func TestImport_ShowsItsProgressInTheReport(t *testing.T) {
	t.Parallel()
	d := newImportDesk(t, func(s *dataarts.Switches) { s.RunningPolls = 3 }, handful)
	var mu sync.Mutex
	seen := map[string]bool{}
	var clock time.Time
	reports := restore.Reports{Store: d.Store, Root: "backups/"}
	report, err := d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"fail"}`, func(o *restore.Options) {
		o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); clock = clock.Add(3 * time.Second); return clock }
		o.Sleep = func(ctx context.Context, _ time.Duration) error {
			if now, err := reports.Load(ctx, "x"); err == nil && strings.Contains(now.Message, "import") {
				seen[now.Message] = true
			}
			return ctx.Err()
		}
	})
	if err != nil || report.Status != restore.Complete || strings.Contains(report.Message, "importing") {
		t.Fatalf("%v %s", err, dump(report))
	}
	if len(seen) < 2 {
		t.Errorf("%v", seen)
	}
}

// murderer ends a run at one of its requests to the service.
type murderer struct {
	d     *importDesk
	mu    sync.Mutex
	seen  int
	ended bool
}

// during lets fn run to its end at request number at; 0 for one that is left alone.
func (m *murderer) during(at int, how end, fn func()) {
	m.seen, m.ended = 0, false
	m.d.DataArts.Intercept(func(*http.Request, dataarts.Operation) *dataarts.Fault {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.ended {
			return expired()
		}
		if m.seen++; m.seen != at {
			return nil
		}
		m.ended = true
		fault := expired()
		fault.Applied = how != refused
		return fault
	})
	m.d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.ended && how == dead && (strings.HasSuffix(c.Key, "/report.json") && c.Operation == "PutObject" || strings.Contains(c.Key, "/import/") ||
			c.Operation == "DeleteObjects") {
			return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
		}
		return nil
	})
	fn()
	m.d.DataArts.Intercept(nil)
	m.d.Objects.Intercept(nil)
}

func TestImport_KilledAtAnyRequestAndContinuedEndsLikeOneThatWasNot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		how      end
		switches func(*dataarts.Switches)
	}{
		{"refused", refused, nil},
		{"applied", applied, nil},
		{"dead", dead, nil},
		{"dead, and the import goes on", dead, func(s *dataarts.Switches) { s.ImportLater, s.RunningPolls = true, 2 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newImportDesk(t, c.switches, handful)
			d.limit = 900 // so that there are several
			one := func(o *restore.Options) { o.Concurrency = 1 }
			request := func(id string) string {
				return `{"id":"` + id + `","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
			}
			before := d.state()
			m := &murderer{d: d}
			var want *restore.Report
			requests := 0
			m.during(0, refused, func() {
				report, err := d.run(request("whole"), one)
				if err != nil || report.Status != restore.Complete || len(report.Imports) < 2 {
					t.Fatalf("%v %s", err, dump(report))
				}
				want, requests = report, m.seen
			})
			d.whole()
			after := d.state()
			d.undo(restore.Undone, "whole")
			for k := range requests {
				name, id := fmt.Sprintf("request %d of %d", k+1, requests), fmt.Sprintf("k%d", k+1)
				d.Handle(localtest.Workspace).Wipe()
				m.during(k+1, c.how, func() {
					if report, err := d.run(request(id), one); err == nil && report.Status != restore.Complete {
						t.Errorf("%s: %s", name, dump(report))
					}
				})
				report, err := d.run(request(id), one)
				if err != nil || report.Status != restore.Complete {
					t.Errorf("%s: continued: %v %s", name, err, dump(report))
					continue
				}
				if diff := cmp.Diff(outcomes(want), outcomes(report)); diff != "" {
					t.Errorf("%s: the report, -uninterrupted +continued:\n%s", name, diff)
				}
				if diff := cmp.Diff(after, d.state()); diff != "" {
					t.Errorf("%s: the workspace, -uninterrupted +continued:\n%s", name, diff)
				}
				if left := d.bundles(); len(left) > 0 {
					t.Errorf("%s: left in the bucket: %q", name, left)
				}
				opts := d.options()
				opts.Lease.Settle = 10 * time.Millisecond
				if report, err := restore.Undo(t.Context(), id, opts); err != nil || report.Status != restore.Undone {
					t.Errorf("%s: undo: %v %s", name, err, dump(report))
				}
				if diff := cmp.Diff(before, d.state()); diff != "" {
					t.Errorf("%s: the workspace, -before +after the undo:\n%s", name, diff)
				}
			}
		})
	}
}

func TestUndo_OfARestoreThatWasEndedDuringAnImportRemovesWhatThatBrings(t *testing.T) {
	t.Parallel()
	d := newImportDesk(t, func(s *dataarts.Switches) { s.ImportLater, s.RunningPolls = true, 3 }, handful)
	polls := 0
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowSystemTask {
			polls++
		}
		if polls >= 2 {
			return expired()
		}
		return nil
	})
	if report, err := d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"fail"}`); err == nil {
		t.Fatalf("it was not interrupted: %s", dump(report))
	}
	d.DataArts.Intercept(nil)
	if jobs := d.snapshot(localtest.Workspace)[dataarts.Jobs]; len(jobs) > 0 {
		t.Fatalf("%d jobs are there already", len(jobs))
	}
	d.undo(restore.Undone, "x")
	for kind, assets := range d.snapshot(localtest.Workspace) {
		if kind != dataarts.Env && len(assets) > 0 {
			t.Errorf("%d %s are left", len(assets), kind)
		}
	}
	if left := d.bundles(); len(left) > 0 {
		t.Errorf("left in the bucket: %q", left)
	}
}

func TestImport_StopsAJobThatNobodyWantedStarted(t *testing.T) {
	t.Parallel()
	d := newImportDesk(t, nil, having(dataarts.Jobs, batch("a"), batch("b", "a")))
	w := d.Handle(localtest.Workspace)
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowSystemTask {
			w.SetJobStatus("a", "SCHEDULING")
		}
		return nil
	})
	report := d.must(restore.Complete, create)
	if i := item(report, asset.Jobs, "a"); i.Outcome != restore.Created || !strings.Contains(i.Reason, "stopped") || w.JobStatus("a") != "STOPPED" {
		t.Errorf("it is %s: %+v", w.JobStatus("a"), i)
	}
	if d.calls(dataarts.ImportJob) != 1 || d.calls(dataarts.StopJob) != 1 {
		t.Errorf("%v", d.DataArts.CallCounts())
	}
}
