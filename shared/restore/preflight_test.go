package restore_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

// jobWith is a job whose schedule waits for others and whose nodes are given as "type name=value name=value".
func jobWith(name string, waits []string, nodes ...string) []byte {
	var list []string
	for i, node := range nodes {
		parts := strings.Split(node, " ")
		var properties []string
		for _, p := range parts[1:] {
			key, value, _ := strings.Cut(p, "=")
			properties = append(properties, fmt.Sprintf(`{"name":%q,"value":%q}`, key, value))
		}
		list = append(list, fmt.Sprintf(`{"name":"n%d","type":%q,"location":{"x":"0","y":"0"},"properties":[%s]}`, i, parts[0], strings.Join(properties, ",")))
	}
	return fmt.Appendf(nil, `{"name":%q,"processType":"BATCH","nodes":[%s],"schedule":{"type":"CRON","cron":{"startTime":"2026-01-01T00:00:00+08","expression":"0 0 1 * * ?","dependJobs":{"jobs":[%s]}}}}`,
		name, strings.Join(list, ","), quoted(waits))
}

func quoted(names []string) string {
	var all []string
	for _, name := range names {
		all = append(all, fmt.Sprintf("%q", name))
	}
	return strings.Join(all, ",")
}

func jarAt(name, location string) []byte {
	return fmt.Appendf(nil, `{"name":%q,"type":"jar","directory":"/jars","location":%q}`, name, location)
}

// intoOther restores the jobs of the desk's backup into the other workspace.
const intoOther = `{"date":"latest","source":"` + localtest.Workspace + `","workspace":"` + localtest.Other + `","duplicateNamePolicy":"overwrite","select":{"kinds":["jobs"]}`

func problems(r *restore.Report) []string {
	var all []string
	for _, p := range r.Problems {
		all = append(all, strings.TrimPrefix(p.Name+": "+p.Problem, ": "))
	}
	return all
}

func wantProblems(t *testing.T, r *restore.Report, want ...string) {
	t.Helper()
	got := problems(r)
	for _, w := range want {
		if !slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, w) }) {
			t.Errorf("no problem says %q", w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d problems, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	if remark := fmt.Sprintf("; %d problem", len(want)); strings.Contains(r.Message, remark) != (len(want) > 0) {
		t.Errorf("%q", r.Message)
	}
}

func TestPreflight_FindsEverythingThatIsMissingBeforeTheFirstWrite(t *testing.T) {
	t.Parallel()
	nodes := make([]string, 201)
	for i := range nodes {
		nodes[i] = "Dummy"
	}
	d := newDesk(t, with(dataarts.Env, []byte(variables(variable("bucket", "b")))),
		with(dataarts.Resources, jarAt("udf", "obs://dlf/udf.jar")), with(dataarts.Scripts, shell("load", "echo")),
		with(dataarts.Jobs,
			jobWith("sub", nil), jobWith("big", nil, nodes...),
			jobWith("ring_a", []string{"ring_b"}), jobWith("ring_b", []string{"ring_a"}),
			jobWith("first", nil, "Shell scriptName=load connectionName=agent args=#{Env.get('bucket')}", "SubJob jobName=sub"),
			jobWith("second", nil, "MRSSpark jobName=sub clusterName=mrs resourcePath=obs://dlf/udf.jar", "Shell scriptName=load connectionName=agent"),
			jobWith("param", nil, "Shell scriptName=${script} connectionName=#{Env.get('bucket')}"),
			[]byte(strings.Replace(string(jobWith("far", nil)), `"jobs":[]`, `"jobs":[],"otherWorkSpaceJobs":[{"jobName":"crm_export","workSpace":"crm"}]`, 1))))
	want := []string{
		`ring_a: it is part of a cycle of jobs that depend on each other: ring_a, ring_b`,
		`the target has no connection "agent", which job "first", job "second" use: make it, or map it to another one with replace.connectionName`,
		`script "load", which job "first", job "second" use, is neither in what is restored nor in the target`,
		`resource "/jars/udf", which job "second" uses, is neither`,
		`environment variable "bucket", which job "first", job "param" use, is neither`,
		`1 asset with dependencies in other workspaces, among them job "crm_export"`,
		`big: it has 201 nodes, where 200 are allowed`,
	}
	plan := d.must(restore.Planned, intoOther+`,"dryRun":true}`)
	wantProblems(t, plan, want...)
	if plan.Counts["create"] != 8 || d.Writes() > 0 {
		t.Errorf("%v, %d writes", plan.Counts, d.Writes())
	}

	t.Run("a sub-job that is not selected", func(t *testing.T) {
		wantProblems(t, d.must(restore.Planned, strings.Replace(intoOther, `"kinds":["jobs"]`, `"kinds":["jobs"],"names":["first"]`, 1)+`,"dryRun":true,
			"replace":{"connectionName":{"agent":"other"}}}`), `no connection "other"`, `job "sub", which job "first" uses, is neither`, `script "load"`, `variable "bucket"`)
	})
	t.Run("nothing of it where the target has it", func(t *testing.T) {
		other := d.Handle(localtest.Other)
		for _, err := range []error{other.AddConnection([]byte(`{"name":"agent","type":"HOST"}`)), other.Put(dataarts.Scripts, shell("load", "x")),
			other.Put(dataarts.Resources, jarAt("udf", "obs://elsewhere/udf.jar")), other.Put(dataarts.Env, []byte(variables(variable("bucket", "b"))))} {
			if err != nil {
				t.Fatal(err)
			}
		}
		wantProblems(t, d.must(restore.Planned, intoOther+`,"dryRun":true}`), want[0], want[5], want[6])
	})
	t.Run("nothing in a plan that writes nothing", func(t *testing.T) {
		d.DataArts.ResetCalls()
		plan := d.must(restore.Planned, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true,"select":{"kinds":["scripts"]}}`)
		if wantProblems(t, plan); d.DataArts.CallCounts()[dataarts.ListConnections] > 0 {
			t.Error("connections were listed that nothing needs")
		}
	})
}

func TestPreflight_IsToldTheMappedConnections(t *testing.T) {
	t.Parallel()
	d := newDesk(t, with(dataarts.Scripts, shell("s", "echo")), with(dataarts.Connections, []byte(`{"name":"new","type":"HOST"}`)))
	d.Handle(localtest.Workspace).Wipe()
	dry := `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true`
	wantProblems(t, d.must(restore.Planned, dry+`}`), `no connection "c"`)
	wantProblems(t, d.must(restore.Planned, dry+`,"replace":{"connectionName":{"c":"new"}}}`))
	d.edit(`"connectionName": "c"`, `"connectionName": "new"`)
	wantProblems(t, d.must(restore.Planned, dry+`}`))
}

func TestPreflight_GoesOnWhereTheServiceDoesNotTell(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]func(*dataarts.Service){
		"offline": func(s *dataarts.Service) {
			s.SetSwitches(func(s *dataarts.Switches) { s.ConnectionsUnsupported, s.EnvUnsupported = true, true })
		},
		"forbidden": func(s *dataarts.Service) {
			s.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
				if op == dataarts.ListConnections || op == dataarts.ShowFactoryEnv {
					return &dataarts.Fault{Status: http.StatusForbidden}
				}
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, with(dataarts.Scripts, shell("a", "#{Env.get('x')}"), shell("b", "echo")))
			d.Handle(localtest.Workspace).Wipe()
			refuse(d.DataArts)
			report := d.must(restore.Complete, overwrite)
			wantProblems(t, report, `whether the target has the connections of 2 assets, among them "c", is unknown`,
				`whether the target has the environment variables in expressions of 1 asset, among them "x", is unknown`)
		})
	}
}

func TestPreflight_OfARestoreThatIsContinuedIsThatOfItsBeginning(t *testing.T) {
	t.Parallel()
	d := newDesk(t, with(dataarts.Scripts, shell("a", "echo"), shell("b", "echo")))
	d.Handle(localtest.Workspace).Wipe()
	var creates atomic.Int32
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.CreateScript && creates.Add(1) > 1 {
			return &dataarts.Fault{Status: http.StatusUnauthorized}
		}
		return nil
	})
	const request = `{"id":"cut","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	if report, err := d.run(request); err == nil {
		t.Fatalf("%+v", report)
	}
	d.DataArts.Intercept(nil)
	wantProblems(t, d.must(restore.Complete, request), `no connection "c"`)
}

func TestPreflight_BlocksWhatCannotBeWrittenThroughACycle(t *testing.T) {
	t.Parallel()
	d := newDesk(t, with(dataarts.Jobs, jobWith("a", []string{"b"}), jobWith("b", []string{"a", "gone"}), jobWith("c", []string{"a"}), jobWith("gone", nil)))
	d.Handle(localtest.Workspace).Delete(dataarts.Jobs, "a")
	for _, name := range []string{"b", "c", "gone"} {
		d.Handle(localtest.Workspace).Delete(dataarts.Jobs, name)
	}
	plan := d.must(restore.Planned, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true,"select":{"names":["a","b","c"]}}`)
	if plan.Counts["blocked"] != 3 || !strings.Contains(item(plan, asset.Jobs, "b").Reason, `job "gone", which is neither`) ||
		!strings.Contains(item(plan, asset.Jobs, "c").Reason, `job "a", which is blocked`) {
		t.Errorf("%+v", plan.Items)
	}
}

func TestPreflight_RefusesWhatExceedsAQuota(t *testing.T) {
	t.Parallel()
	realTime := func(prefix string) func(w *dataarts.WorkspaceHandle) error {
		return func(w *dataarts.WorkspaceHandle) error {
			for i := range 300 {
				job := fmt.Sprintf(`{"name":"%s_%d","processType":"REAL_TIME","nodes":[],"schedule":{"type":"EXECUTE_ONCE"}}`, prefix, i)
				if err := w.Put(dataarts.Jobs, []byte(job)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	d := newDesk(t, realTime("mine"))
	w := d.Handle(localtest.Workspace)
	w.Wipe()
	if err := realTime("theirs")(w); err != nil {
		t.Fatal(err)
	}
	for _, dryRun := range []string{"", `,"dryRun":true`} {
		report := d.must(restore.Failed, `{"date":"2026-11-22","duplicateNamePolicy":"skip"`+dryRun+`}`)
		if !strings.Contains(report.Message, "the workspace has 300 real-time jobs and 300 would be created, which is more than its quota of 500: ") || d.Writes() > 0 {
			t.Errorf("%q, %d writes", report.Message, d.Writes())
		}
	}
	if plan := d.must(restore.Planned, `{"date":"2026-11-22","duplicateNamePolicy":"skip","dryRun":true,"select":{"names":["mine_1*"]}}`); plan.Counts["create"] != 111 {
		t.Errorf("%v", plan.Counts)
	}
}

func TestRun_NamesFaultsOfTheBackupAndOfTheTargetInOneRefusal(t *testing.T) {
	t.Parallel()
	d := newDesk(t, with(dataarts.Scripts, shell("good", "echo"), shell("bad", "echo"), shell("gone", "echo")), with(dataarts.Jobs, sqlJob("j", "x")))
	d.edit(`"node": "n"`, `"node": "m"`)
	folder := "backups/" + localtest.Workspace + "/" + day + "/3_scripts/"
	if err := d.Objects.PutObject(localtest.Bucket, folder+"bad.script", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := d.Objects.DeleteObject(localtest.Bucket, folder+"gone.script"); err != nil {
		t.Fatal(err)
	}
	d.Handle(localtest.Workspace).Delete(dataarts.Scripts, "gone")
	report := d.must(restore.Failed, `{"date":"2026-11-22","duplicateNamePolicy":"fail"}`)
	for _, want := range []string{"bad.script", "gone.script", `has no node "m"`, `the entry of node "n" of job "j" is gone`,
		`duplicateNamePolicy is fail, and the workspace has already script "bad", script "good", job "j"`} {
		if !strings.Contains(report.Message, want) {
			t.Errorf("nothing says %s in\n%s", want, report.Message)
		}
	}
	if n := strings.Count(report.Message, "\n") + 1; n != 5 || d.Writes() > 0 {
		t.Errorf("%d faults, %d writes:\n%s", n, d.Writes(), report.Message)
	}
}

func TestRun_SaysWhatToDoAboutARefusalThatNothingForetells(t *testing.T) {
	t.Parallel()
	t.Run("review", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, with(dataarts.Scripts, shell("s", "echo")))
		d.Handle(localtest.Workspace).Wipe()
		d.DataArts.SetSwitches(func(s *dataarts.Switches) { s.Review = true })
		report := d.must(restore.Partial, overwrite)
		if reason := item(report, asset.Scripts, "s").Reason; !strings.Contains(reason, "DLF.3051") ||
			!strings.HasSuffix(reason, "; if the workspace's review switch is on, it refuses what comes without targetStatus and approvers: give both in the request") {
			t.Errorf("%q", reason)
		}
		report = d.must(restore.Partial, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","targetStatus":"SUBMITTED"}`)
		wantProblems(t, report, "targetStatus is SUBMITTED and there are no approvers", `no connection "c"`)
		d.must(restore.Complete, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","targetStatus":"SUBMITTED","approvers":["boss"]}`)
	})
	t.Run("a hard lock", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, with(dataarts.Scripts, shell("mine", "echo"), shell("theirs", "echo")), with(dataarts.Jobs, sqlJob("theirs", "x")))
		d.putAll(dataarts.Scripts, shell("mine", "changed"), shell("theirs", "changed"))
		d.putAll(dataarts.Jobs, sqlJob("theirs", "changed"))
		d.DataArts.SetSwitches(func(s *dataarts.Switches) { s.HardLocks = []string{"theirs"} })
		report := d.must(restore.Partial, overwrite)
		for _, kind := range []asset.Kind{asset.Scripts, asset.Jobs} {
			if i := item(report, kind, "theirs"); i.Outcome != restore.Errored || !strings.Contains(i.Reason, "; it may be locked by somebody else: unlock it in the console, or") {
				t.Errorf("%+v", i)
			}
		}
		if i := item(report, asset.Scripts, "mine"); i.Outcome != restore.Overwritten {
			t.Errorf("%+v", i)
		}
	})
}

// generated is a workspace that was made by chance, and what each of its assets needs, by reference.
type generated struct {
	fill  func(*dataarts.WorkspaceHandle) error
	needs map[asset.Ref][]asset.Ref
}

// generate makes assets of all kinds that need each other in every way there is, in cycles too, and some that only seem to.
func generate(random *rand.Rand) generated {
	const most = 5
	g := generated{needs: map[asset.Ref][]asset.Ref{}}
	name := func(kind asset.Kind, i int) asset.Ref {
		ref := asset.Ref{Kind: kind, Name: fmt.Sprintf("%s_%d", strings.TrimSuffix(string(kind), "s"), i)}
		if kind == asset.Resources {
			ref.Directory = "/jars"
		}
		return ref
	}
	var counts [4]int
	for i, kind := range asset.Kinds() {
		counts[i] = 1 + random.IntN(most)
		for n := range counts[i] {
			g.needs[name(kind, n)] = nil
		}
	}
	some := func(kind asset.Kind) asset.Ref {
		return name(kind, random.IntN(counts[slices.Index(asset.Kinds(), kind)]))
	}
	need := func(who, what asset.Ref) asset.Ref {
		g.needs[who] = append(g.needs[who], what)
		return what
	}
	expression := func(who asset.Ref) string {
		spellings := []string{`#{Env.get(\"%s\")}`, `#{Env.get('%s')}`, `#{ Env.get( \"%s\" ) }`}
		return fmt.Sprintf(spellings[random.IntN(len(spellings))], need(who, some(asset.Env)).Name)
	}
	chance := func(n int) bool { return random.IntN(n) == 0 }
	file := func(i int) string { return fmt.Sprintf("obs://dlf/file_%d.jar", i%3) } // several resources share one

	var env []string
	texts := map[dataarts.Kind][]string{}
	for n := range counts[0] {
		ref, value := name(asset.Env, n), "plain"
		if chance(3) {
			value = expression(ref)
		}
		env = append(env, fmt.Sprintf(`{"name":%q,"type":"variable","value":"%s"}`, ref.Name, value))
	}
	for n := range counts[1] {
		texts[dataarts.Resources] = append(texts[dataarts.Resources], string(jarAt(name(asset.Resources, n).Name, file(n))))
	}
	for n := range counts[2] {
		ref, content := name(asset.Scripts, n), "select 1"
		if chance(2) {
			content += expression(ref)
		}
		texts[dataarts.Scripts] = append(texts[dataarts.Scripts], fmt.Sprintf(`{"name":%q,"type":"HiveSQL","content":"%s"}`, ref.Name, content))
	}
	for n := range counts[3] {
		ref := name(asset.Jobs, n)
		var waits, triggers []string
		nodes := []string{`{"name":"cdm","type":"CDMJob","location":{"x":1,"y":1},"properties":[{"name":"jobName","value":"` + some(asset.Jobs).Name + `"}]}`} // no job of Factory
		node := func(kind, property, value string) {
			nodes = append(nodes, fmt.Sprintf(`{"name":"n%d","type":%q,"location":{"x":1,"y":1},"properties":[{"name":%q,"value":"%s"}]}`, len(nodes), kind, property, value))
		}
		if chance(2) {
			waits = append(waits, need(ref, some(asset.Jobs)).Name)
		}
		if chance(3) {
			triggers = append(triggers, need(ref, some(asset.Jobs)).Name)
		}
		if chance(3) {
			node("SubJob", "jobName", need(ref, some(asset.Jobs)).Name)
		}
		if chance(2) {
			node("HiveSQL", "scriptName", need(ref, some(asset.Scripts)).Name)
		}
		if chance(2) {
			at := random.IntN(3)
			for i := range counts[1] {
				if file(i) == file(at) {
					need(ref, name(asset.Resources, i))
				}
			}
			node("MRSSpark", "resourcePath", file(at))
		}
		if chance(3) {
			node("Shell", "arguments", expression(ref))
		}
		nodes = append(nodes, fmt.Sprintf(`{"name":"trigger","type":"Dummy","location":{"x":1,"y":1},"properties":[],"cronTrigger":{"period":"1","dependJobs":{"jobs":[%s]}}}`, quoted(triggers)))
		texts[dataarts.Jobs] = append(texts[dataarts.Jobs], fmt.Sprintf(`{"name":%q,"processType":"BATCH","nodes":[%s],"schedule":{"type":"CRON","cron":{"dependJobs":{"sameWorkSpaceJobs":[{"jobName":"%s"}]}}}}`,
			ref.Name, strings.Join(nodes, ","), strings.Join(waits, "")))
	}
	texts[dataarts.Env] = []string{variables(env...)}
	g.fill = func(w *dataarts.WorkspaceHandle) error {
		for kind, all := range texts {
			for _, text := range all {
				if err := w.Put(kind, []byte(text)); err != nil {
					return fmt.Errorf("%s: %w", text, err)
				}
			}
		}
		return nil
	}
	return g
}

// closed grows a set until nothing in it needs anything outside, the slow way.
func (g generated) closed(set map[asset.Ref]bool) map[asset.Ref]bool {
	for grown := true; grown; {
		grown = false
		for ref := range set {
			for _, needed := range g.needs[ref] {
				grown = grown || !set[needed]
				set[needed] = true
			}
		}
	}
	return set
}

func TestPlan_WithDependenciesIsExactlyWhatTheSelectionNeeds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			g := generate(random)
			d := newDesk(t, g.fill)
			for range 4 {
				all := slices.SortedFunc(maps.Keys(g.needs), func(a, b asset.Ref) int { return strings.Compare(a.String()+a.Name, b.String()+b.Name) })
				chosen := map[asset.Ref]bool{}
				var names []string
				for range 1 + random.IntN(2) {
					ref := all[random.IntN(len(all))]
					chosen[ref] = true
					names = append(names, ref.Name)
				}
				plan := d.must(restore.Planned, `{"date":"2026-11-22","duplicateNamePolicy":"skip","dryRun":true,"select":{"withDependencies":true,"names":[`+quoted(names)+`]}}`)
				got := map[asset.Ref]bool{}
				for _, i := range plan.Items {
					got[i.Ref().Identity()] = true
				}
				if want := g.closed(chosen); !maps.Equal(got, want) {
					t.Errorf("%q: %v, want %v", names, slices.Collect(maps.Keys(got)), slices.Collect(maps.Keys(want)))
				}
			}
		})
	}
}
