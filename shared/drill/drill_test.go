package drill_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/drill"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

const (
	night = "2026-11-22"
	root  = "backups/"
)

// ground is where drills are held: a backed-up workspace and one that has nothing but a variable of its own, in a bubble of testing/synctest, where waiting takes no time.
type ground struct {
	*localtest.Cloud
	t    *testing.T
	told []string // the drills that people were told of
	opts drill.Options
}

func onGround(t *testing.T, fn func(*ground)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := &ground{Cloud: localtest.NewWith(t, localtest.Options{Pipes: true}), t: t}
		if err := sample.Fill(g.Handle(localtest.Workspace), sample.Options{Jobs: 5, Scripts: 4, Resources: 2}); err != nil {
			t.Fatal(err)
		}
		if err := g.Handle(localtest.Other).Put(dataarts.Env, []byte(`{"params":[{"name":"own","value":"1","type":"variable"}]}`)); err != nil {
			t.Fatal(err)
		}
		g.backUp(night)
		g.opts = g.options()
		time.Sleep(3 * time.Hour) // the backup has an age
		g.DataArts.ResetCalls()
		fn(g)
		time.Sleep(time.Minute) // until leases that were being renewed have ended
	})
}

func (g *ground) backUp(name string) { g.backUpWith(name, vault.Keys{}) }

func (g *ground) backUpWith(name string, keys vault.Keys) {
	g.t.Helper()
	v := vault.New(g.Store, localtest.Bucket, root+localtest.Workspace).WithKeys(keys)
	res, err := backup.Run(g.t.Context(), g.Factory.Workspace(localtest.Workspace), v, name, backup.Options{Workspace: vault.Workspace{ID: localtest.Workspace, Name: "sales"}})
	if err != nil || res.Status != vault.Complete {
		g.t.Fatalf("%+v %v", res, err)
	}
}

func (g *ground) options() drill.Options {
	return drill.Options{
		Restore: restore.Options{Calls: g.Factory.Calls, Lease: lease.Options{Owner: "test"},
			Workspace: func(id string) restore.Workspace { return g.Factory.Workspace(id) },
			Locations: restore.Locations{Store: g.Store, Bucket: localtest.Bucket, Root: root, PerWorkspace: true, Workspace: localtest.Workspace,
				Prefix: func(w string) (string, error) { return root + w + "/", nil }}},
		Tell: func(_ context.Context, failed *drill.Record) error { g.told = append(g.told, failed.ID); return nil },
	}
}

func (g *ground) records() drill.Records { return drill.Records{Store: g.Store, Root: root} }

// try holds a drill in the empty workspace.
func (g *ground) try(id string, change ...func(*drill.Spec)) (*drill.Record, error) {
	spec := drill.Spec{Workspace: localtest.Other}
	for _, c := range change {
		c(&spec)
	}
	return drill.Run(g.t.Context(), id, spec, g.opts)
}

// must holds a drill and wants the status.
func (g *ground) must(status drill.Status, id string, change ...func(*drill.Spec)) *drill.Record {
	g.t.Helper()
	r, err := g.try(id, change...)
	if err != nil || r.Status != status {
		text, _ := json.MarshalIndent(r, "", " ")
		g.t.Fatalf("%s: %v\n%s", id, err, text)
	}
	return r
}

// content is what a workspace holds, as text.
func (g *ground) content(workspace string) string {
	all := map[dataarts.Kind]map[string]json.RawMessage{}
	for _, kind := range []dataarts.Kind{dataarts.Env, dataarts.Resources, dataarts.Scripts, dataarts.Jobs} {
		all[kind] = g.Handle(workspace).All(kind)
	}
	text, err := json.Marshal(all)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}

// assets lists what is in the drill workspace, but for its own variable.
func (g *ground) assets() []string {
	var names []string
	for _, kind := range []dataarts.Kind{dataarts.Resources, dataarts.Scripts, dataarts.Jobs} {
		for name := range g.Handle(localtest.Other).All(kind) {
			names = append(names, fmt.Sprintf("%s %s", kind, name))
		}
	}
	for _, raw := range g.Handle(localtest.Other).All(dataarts.Env) {
		v, err := asset.ParseVariables(raw)
		if err != nil {
			g.t.Fatal(err)
		}
		names = append(names, slices.DeleteFunc(slices.Clone(v.Names()), func(name string) bool { return name == "own" })...)
	}
	return names
}

func (g *ground) isOpen() bool {
	_, open := g.Objects.GetObject(localtest.Bucket, root+"drills/open/"+localtest.Other+".json")
	return open
}

func firstOf(all map[string]json.RawMessage) string {
	var names []string
	for name := range all {
		names = append(names, name)
	}
	return slices.Min(names)
}

func TestRun_ProvesThatABackupCanBeGivenBackAndLeavesNothing(t *testing.T) {
	t.Parallel()
	onGround(t, func(g *ground) {
		source, before := g.content(localtest.Workspace), g.content(localtest.Other)
		g.DataArts.SetSwitches(func(s *dataarts.Switches) { s.Latency = 100 * time.Millisecond })
		r := g.must(drill.Good, "drill-1")
		if r.Source != localtest.Workspace || r.Workspace != localtest.Other || r.Backup != "obs://"+localtest.Bucket+"/"+root+localtest.Workspace+"/"+night+"/" {
			t.Errorf("%+v", r)
		}
		if r.Counts[asset.Jobs] != 5 || r.Counts[asset.Scripts] != 4 || r.Counts[asset.Resources] != 2 || r.Counts[asset.Env] == 0 {
			t.Errorf("counts %v", r.Counts)
		}
		if age := time.Duration(r.BackupAgeMS) * time.Millisecond; age < 3*time.Hour || age > 4*time.Hour {
			t.Errorf("the backup's age is %v", age)
		}
		if r.RestoreMS <= 0 || r.CompareMS <= 0 || r.CleanUpMS <= 0 || r.RestoreMS+r.CompareMS+r.CleanUpMS > r.DurationMS || r.FinishedAt == nil {
			t.Errorf("durations %d, %d, %d of %d", r.RestoreMS, r.CompareMS, r.CleanUpMS, r.DurationMS)
		}
		if calls := len(g.DataArts.Calls()); r.Calls != int64(calls) {
			t.Errorf("%d calls are on record, %d were sent", r.Calls, calls)
		}
		if g.content(localtest.Workspace) != source || g.content(localtest.Other) != before {
			t.Error("a workspace is not as it was")
		}
		last, err := g.records().Last(g.t.Context(), localtest.Workspace)
		if err != nil || last.Good == nil || last.Good.ID != "drill-1" || last.Failed != nil {
			t.Errorf("last: %+v %v", last, err)
		}
		if g.isOpen() || len(g.told) > 0 {
			t.Errorf("open %v, told %v", g.isOpen(), g.told)
		}
	})
}

func TestRun_StartsNoJob(t *testing.T) {
	t.Parallel()
	onGround(t, func(g *ground) {
		g.Handle(localtest.Workspace).SetJobStatus(firstOf(g.Handle(localtest.Workspace).All(dataarts.Jobs)), "SCHEDULING")
		g.backUp("2026-11-23")
		g.DataArts.ResetCalls()
		g.must(drill.Good, "drill-1")
		for _, call := range g.DataArts.Calls() {
			if call.Operation == dataarts.StartJob {
				t.Error("a job was started")
			}
		}
	})
}

func TestRun_RefusesWorkspacesThatAreNotThereForDrills(t *testing.T) {
	t.Parallel()
	put := func(kind dataarts.Kind, text string) func(*ground) {
		return func(g *ground) {
			if err := g.Handle(localtest.Other).Put(kind, []byte(text)); err != nil {
				g.t.Fatal(err)
			}
		}
	}
	variable := func(g *ground) string {
		for _, raw := range g.Handle(localtest.Workspace).All(dataarts.Env) {
			v, err := asset.ParseVariables(raw)
			if err != nil {
				g.t.Fatal(err)
			}
			return v.Names()[0]
		}
		return ""
	}
	for name, c := range map[string]struct {
		prepare func(*ground)
		spec    func(*drill.Spec)
		want    string
	}{
		"the_one_that_was_backed_up": {prepare: func(g *ground) {
			g.opts.Restore.Locations.PerWorkspace = false
			g.opts.Restore.Locations.Prefix = func(string) (string, error) { return root + localtest.Workspace + "/", nil }
		},
			spec: func(s *drill.Spec) { s.Workspace = localtest.Workspace }, want: "is a backup of workspace " + localtest.Workspace + " itself"},
		"one_that_is_configured": {prepare: func(g *ground) { g.opts.Protected = []string{localtest.Other} }, want: "DATAARTS_WORKSPACES"},
		"one_that_has_backups": {prepare: func(g *ground) {
			_ = g.Objects.PutObject(localtest.Bucket, root+localtest.Other+"/2026-01-01/backup.json", []byte("{}"))
		}, want: "has backups"},
		"one_with_a_script": {prepare: put(dataarts.Scripts, `{"name":"mine","type":"Shell","content":"x"}`), want: `is not empty, so it may be somebody's: it holds script "mine"`},
		"one_with_a_variable_of_the_name": {prepare: func(g *ground) {
			put(dataarts.Env, fmt.Sprintf(`{"params":[{"name":%q,"value":"x","type":"variable"}]}`, variable(g)))(g)
		}, want: "has what the backup has, too: environment variable"},
		"one_that_does_not_exist": {spec: func(s *drill.Spec) { s.Workspace = "nowhere" }, want: "workspace nowhere does not exist"},
		"without_a_backup":        {spec: func(s *drill.Spec) { s.Date = "2026-11-21" }, want: "no complete backup"},
		"whose_listing_lies":      {prepare: func(g *ground) { g.DataArts.SetSwitches(func(s *dataarts.Switches) { s.TotalDelta = 3 }) }, want: "so it is unknown what it holds"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onGround(t, func(g *ground) {
				if c.prepare != nil {
					c.prepare(g)
				}
				if c.spec == nil {
					c.spec = func(*drill.Spec) {}
				}
				r := g.must(drill.Failed, "drill-1", c.spec)
				if r.Step != drill.StepCheck || !strings.Contains(r.Message, c.want) {
					t.Errorf("%s: %s", r.Step, r.Message)
				}
				if g.Writes() > 0 {
					t.Errorf("%d writes", g.Writes())
				}
				if g.isOpen() || !slices.Equal(g.told, []string{"drill-1"}) {
					t.Errorf("open %v, told %v", g.isOpen(), g.told)
				}
				last, err := g.records().Last(g.t.Context(), localtest.Workspace)
				if err != nil || last.Failed == nil || last.Failed.ID != "drill-1" {
					t.Errorf("last: %+v %v", last, err)
				}
			})
		})
	}
}

func TestRun_FailsWhenAnAssetCannotBeGivenBackAndCleansUp(t *testing.T) {
	t.Parallel()
	onGround(t, func(g *ground) {
		g.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ScriptLimit = 10 })
		r := g.must(drill.Failed, "drill-1")
		if r.Step != drill.StepRestore || !strings.Contains(r.Message, "PARTIAL") || !strings.Contains(r.Message, "script") || !strings.Contains(r.Message, "removed again") {
			t.Errorf("%s: %s", r.Step, r.Message)
		}
		if left := g.assets(); len(left) > 0 || len(r.Left) > 0 || g.isOpen() {
			t.Errorf("left: %q %q", left, r.Left)
		}
		g.DataArts.SetSwitches(func(s *dataarts.Switches) { *s = dataarts.Switches{} })
		time.Sleep(time.Second)
		g.must(drill.Good, "drill-2")
		if last, err := g.records().Last(g.t.Context(), localtest.Workspace); err != nil || last.Good == nil || last.Failed != nil {
			t.Errorf("%+v %v", last, err)
		}
	})
}

// meddled is a workspace to which something happens before the comparison.
func (g *ground) meddled(meddle func(*dataarts.WorkspaceHandle)) {
	asked := 0
	inner := g.opts.Restore.Workspace
	g.opts.Restore.Workspace = func(id string) restore.Workspace {
		const comparison = 3 // the drill itself and its restore come before
		if asked++; asked == comparison {
			meddle(g.Handle(localtest.Other))
		}
		return inner(id)
	}
}

func TestRun_FailsWhenTheWorkspaceIsNotTheBackup(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meddle func(*dataarts.WorkspaceHandle)
		want   string
	}{
		"something_differs": {func(w *dataarts.WorkspaceHandle) {
			scripts := w.All(dataarts.Scripts)
			text := strings.Replace(string(scripts[firstOf(scripts)]), `"content":"`, `"content":"-- `, 1)
			_ = w.Put(dataarts.Scripts, []byte(text))
		}, "is not as in the backup: a second plan says overwrite of content"},
		"something_is_gone": {func(w *dataarts.WorkspaceHandle) { w.Delete(dataarts.Jobs, firstOf(w.All(dataarts.Jobs))) }, "a second plan says create"},
		"something_is_there_in_addition": {func(w *dataarts.WorkspaceHandle) {
			_ = w.Put(dataarts.Scripts, []byte(`{"name":"somebodys","type":"Shell","content":"x"}`))
		}, `script "somebodys" is there and not in the backup`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onGround(t, func(g *ground) {
				g.meddled(c.meddle)
				r := g.must(drill.Failed, "drill-1")
				if r.Step != drill.StepCompare || !strings.Contains(r.Message, c.want) {
					t.Errorf("%s: %s", r.Step, r.Message)
				}
				want := []string(nil)
				if name == "something_is_there_in_addition" { // it is not the drill's to remove
					want = []string{"scripts somebodys"}
				}
				if left := g.assets(); !slices.Equal(left, want) {
					t.Errorf("left: %q", left)
				}
			})
		})
	}
}

func TestRun_NamesWhatItCouldNotRemoveAndTheNextDrillRemovesIt(t *testing.T) {
	t.Parallel()
	onGround(t, func(g *ground) {
		g.DataArts.Intercept(refuse(dataarts.DeleteScript))
		r := g.must(drill.Failed, "drill-1")
		if r.Step != drill.StepCleanUp || len(r.Left) != 4 || !strings.Contains(r.Left[0], "script") || !g.isOpen() {
			t.Fatalf("%s %q", r.Step, r.Left)
		}
		time.Sleep(time.Second)
		r = g.must(drill.Failed, "drill-2")
		if r.Step != drill.StepCheck || !strings.Contains(r.Message, "what drill drill-1 has left in the workspace") {
			t.Fatalf("%s %s", r.Step, r.Message)
		}
		g.DataArts.Intercept(nil)
		time.Sleep(time.Second)
		g.must(drill.Good, "drill-3")
		if left := g.assets(); len(left) > 0 || g.isOpen() {
			t.Errorf("left: %q", left)
		}
		former, err := g.records().Load(g.t.Context(), "drill-1")
		if err != nil || len(former.Left) > 0 || !strings.Contains(former.Message, "was removed by drill drill-3") {
			t.Errorf("%+v %v", former, err)
		}
		if !slices.Equal(g.told, []string{"drill-1", "drill-2"}) {
			t.Errorf("told %v", g.told)
		}
	})
}

func TestRun_KeepsWhatItRestoredWhereThatIsAsked(t *testing.T) {
	t.Parallel()
	onGround(t, func(g *ground) {
		r := g.must(drill.Good, "drill-1", func(s *drill.Spec) { s.Keep = true })
		if !r.Kept || len(g.assets()) == 0 || !g.isOpen() {
			t.Fatalf("kept %v, %q", r.Kept, g.assets())
		}
		time.Sleep(time.Second)
		g.must(drill.Good, "drill-2")
		if left := g.assets(); len(left) > 0 || g.isOpen() {
			t.Errorf("left: %q", left)
		}
	})
}

func TestRun_TheSameIDIsTheSameDrill(t *testing.T) {
	t.Parallel()
	onGround(t, func(g *ground) {
		first := g.must(drill.Good, "drill-1")
		g.DataArts.ResetCalls()
		again := g.must(drill.Good, "drill-1")
		if !again.StartedAt.Equal(first.StartedAt) || len(g.DataArts.Calls()) > 0 {
			t.Errorf("%+v, %d calls", again, len(g.DataArts.Calls()))
		}
		if r, err := g.try("drill-1", func(s *drill.Spec) { s.Workspace = localtest.Workspace }); err == nil {
			t.Errorf("another workspace under the same id: %+v", r)
		}
	})
}

func TestRun_TellsOfAFailureOnceAndAgainOnlyWhenThatWasNotPossible(t *testing.T) {
	t.Parallel()
	onGround(t, func(g *ground) {
		g.opts.Protected = []string{localtest.Other}
		tell, refused := g.opts.Tell, true
		g.opts.Tell = func(ctx context.Context, r *drill.Record) error {
			if refused {
				return errors.New("no way to tell")
			}
			return tell(ctx, r)
		}
		g.must(drill.Failed, "drill-1")
		refused = false
		for range 3 {
			g.must(drill.Failed, "drill-1")
		}
		if !slices.Equal(g.told, []string{"drill-1"}) {
			t.Errorf("told %v", g.told)
		}
	})
}

func TestRun_StaysWithTheBackupThatItBeganWith(t *testing.T) {
	t.Parallel()
	onGround(t, func(g *ground) {
		g.DataArts.Intercept(refuseAll(401, dataarts.CreateJob))
		if r, err := g.try("drill-1"); err == nil {
			t.Fatalf("%+v", r)
		}
		g.DataArts.Intercept(nil)
		g.backUp("2026-11-23")
		if r := g.must(drill.Good, "drill-1"); !strings.HasSuffix(r.Backup, "/"+night+"/") {
			t.Errorf("%s", r.Backup)
		}
	})
}

func TestRun_NeverTouchesARestoreThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	onGround(t, func(g *ground) {
		report, err := restore.Run(g.t.Context(), restore.Request{ID: "drill-1", Date: "latest", Source: localtest.Workspace, Workspace: localtest.Other,
			DuplicateNamePolicy: restore.Overwrite}, g.opts.Restore)
		if err != nil || report.Status != restore.Complete {
			t.Fatalf("%+v %v", report, err)
		}
		before := g.content(localtest.Other)
		r := g.must(drill.Failed, "drill-1")
		if !strings.Contains(r.Message, "not this drill's own") || g.content(localtest.Other) != before {
			t.Errorf("%s", r.Message)
		}
	})
}

func TestRun_TwoAtOnceInOneWorkspaceGoOneAfterTheOther(t *testing.T) {
	t.Parallel()
	onGround(t, func(g *ground) {
		var group sync.WaitGroup
		for _, id := range []string{"drill-1", "drill-2", "drill-1"} {
			group.Go(func() {
				if r, err := g.try(id); err != nil || r.Status != drill.Good {
					t.Errorf("%s: %+v %v", id, r, err)
				}
			})
		}
		group.Wait()
		if left := g.assets(); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	})
}

func TestRun_OfAnEncryptedBackupShowsNothingOfIt(t *testing.T) {
	t.Parallel()
	const password, statement = "s3cr3t-of-the-drill", "select salary_of_the_drill from payroll"
	onGround(t, func(g *ground) {
		w := g.Handle(localtest.Workspace)
		w.Wipe()
		for kind, text := range map[dataarts.Kind]string{dataarts.Env: `{"params":[{"name":"password","value":"` + password + `","type":"variable"}]}`,
			dataarts.Scripts: `{"name":"payroll","type":"HiveSQL","content":"` + statement + `"}`} {
			if err := w.Put(kind, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		identity, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		keys, err := vault.ParseKeys([]string{identity.Recipient().String()}, identity.String())
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Objects.DeleteObject(localtest.Bucket, root+localtest.Workspace+"/"+night+"/backup.json"); err != nil {
			t.Fatal(err)
		}
		g.backUpWith("2026-11-24", keys)
		before, err := g.Objects.Keys(localtest.Bucket, "")
		if err != nil {
			t.Fatal(err)
		}
		if r := g.must(drill.Failed, "drill-1"); r.Step != drill.StepRestore || !strings.Contains(r.Message, "RESTORE_IDENTITY") {
			t.Errorf("%s %s", r.Step, r.Message)
		}
		g.opts.Restore.Locations.Keys = keys
		time.Sleep(time.Second)
		g.must(drill.Good, "drill-2")
		keysNow, err := g.Objects.Keys(localtest.Bucket, "")
		if err != nil || len(keysNow) <= len(before) {
			t.Fatal(keysNow, err)
		}
		for _, key := range keysNow {
			data, _ := g.Objects.GetObject(localtest.Bucket, key)
			if !slices.Contains(before, key) && (strings.Contains(string(data), password) || strings.Contains(string(data), "salary_of_the_drill")) {
				t.Errorf("%s is readable: %s", key, data)
			}
		}
	})
}

func TestRun_NamesVariablesThatTheServiceDoesNotLetGo(t *testing.T) {
	t.Parallel()
	onGround(t, func(g *ground) {
		g.DataArts.SetSwitches(func(s *dataarts.Switches) { s.EnvMerge = true })
		r := g.must(drill.Failed, "drill-1")
		if r.Step != drill.StepCleanUp || len(r.Left) == 0 || !strings.Contains(strings.Join(r.Left, " "), "environment variable") || !g.isOpen() {
			t.Errorf("%s %q", r.Step, r.Left)
		}
		for _, name := range g.assets() {
			if !strings.Contains(strings.Join(r.Left, " "), fmt.Sprintf("%q", name)) {
				t.Errorf("%s is left and not named", name)
			}
		}
	})
}

func TestRun_LeavesTheFilesOfTheSourceAlone(t *testing.T) {
	t.Parallel()
	onGround(t, func(g *ground) {
		if err := g.Objects.CreateBucket("jars"); err != nil {
			t.Fatal(err)
		}
		for key, text := range map[string]string{"same.jar": "same", "changed.jar": "old", "gone.jar": "gone"} {
			if err := g.Objects.PutObject("jars", key, []byte(text)); err != nil {
				t.Fatal(err)
			}
			if err := g.Handle(localtest.Workspace).Put(dataarts.Resources, fmt.Appendf(nil, `{"name":%q,"type":"jar","location":"obs://jars/%s"}`, strings.TrimSuffix(key, ".jar"), key)); err != nil {
				t.Fatal(err)
			}
		}
		g.backUp("2026-11-24")
		_ = g.Objects.PutObject("jars", "changed.jar", []byte("new"))
		_ = g.Objects.DeleteObject("jars", "gone.jar")
		g.must(drill.Good, "drill-1")
		keys, _ := g.Objects.Keys("jars", "")
		if data, _ := g.Objects.GetObject("jars", "changed.jar"); string(data) != "new" || !slices.Equal(keys, []string{"changed.jar", "same.jar"}) {
			t.Errorf("%q %s", keys, data)
		}
		// Given a place of their own, they are put back there, and removed again.
		if err := g.Objects.CreateBucket("drill-jars"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		g.must(drill.Good, "drill-2", func(s *drill.Spec) {
			s.Replace = &restore.Replace{OBSPath: map[string]string{"obs://jars/": "obs://drill-jars/"}}
		})
		report, err := g.opts.Restore.Locations.Reports().Load(g.t.Context(), "drill-2")
		if err != nil {
			t.Fatal(err)
		}
		created := 0
		for _, i := range report.Items {
			for _, f := range i.Files {
				if strings.HasPrefix(f.Location, "obs://drill-jars/") && f.Outcome == restore.Created {
					created++
				}
			}
		}
		if left, _ := g.Objects.Keys("drill-jars", ""); len(left) > 0 || created != 3 {
			t.Errorf("%d files were put back; left: %q", created, left)
		}
	})
}
