package restore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// round is one generated workspace that is backed up, lost or changed, restored, and undone.
type round struct {
	rapid.TB
	cloud  *dataarts.Service
	client *factory.Client
	store  *memory
	id     string // of the workspace
	w      *dataarts.WorkspaceHandle
	assets int // in the backup
	keys   vault.Keys
}

func (r *round) snapshot() picture {
	all := map[dataarts.Kind]map[string]json.RawMessage{}
	for _, kind := range []dataarts.Kind{dataarts.Env, dataarts.Resources, dataarts.Scripts, dataarts.Jobs} {
		all[kind] = r.w.All(kind)
	}
	p := pictureOf(r, all)
	for job := range all[dataarts.Jobs] {
		p.status[job] = r.w.JobStatus(job)
	}
	return p
}

func (r *round) backUp(name string) *vault.Manifest {
	v := vault.New(r.store, localtest.Bucket, "backups/"+r.id).WithKeys(r.keys)
	res, err := backup.Run(context.Background(), r.client.Workspace(r.id), v, name, backup.Options{Workspace: vault.Workspace{ID: r.id, Name: "sales"}, Lease: terms})
	if err != nil {
		r.Fatalf("%+v %v", res, err)
	}
	b, err := v.Folder(name).Open(context.Background())
	if err != nil {
		r.Fatalf("%v", err)
	}
	return b.Manifest
}

// proved is what a manifest says of the stored assets, without when and whose they were.
func proved(m *vault.Manifest) []string {
	lines := []string{fmt.Sprint(m.Counts, m.Totals)}
	for _, a := range m.Assets {
		lines = append(lines, fmt.Sprintf("%s %s %d %s %s", a.Ref(), a.Key, a.Size, a.SHA256, a.ContentSHA256))
		for _, f := range a.Files {
			lines = append(lines, fmt.Sprintf("%s: %s %d %s %s %s", a.Ref(), f.Location, f.Size, f.SHA256, f.ContentSHA256, f.Reason))
		}
	}
	return lines
}

func (r *round) options() restore.Options {
	return restore.Options{Lease: terms, Workspace: func(id string) restore.Workspace { return r.client.Workspace(id) },
		Locations: restore.Locations{Store: r.store, Bucket: localtest.Bucket, Root: "backups/", PerWorkspace: true, Workspace: r.id, Keys: r.keys,
			Prefix: func(w string) (string, error) { return "backups/" + w + "/", nil }}}
}

func (r *round) run(status restore.Status, request string) *restore.Report {
	req, err := restore.ParseRequest([]byte(request))
	if err != nil {
		r.Fatalf("%v", err)
	}
	report, err := restore.Run(context.Background(), req, r.options())
	if err != nil || report.Status != status {
		r.Fatalf("%s: %v %s", request, err, dump(report))
	}
	return report
}

// same wants the workspace as it is in p: every definition byte for byte, but for what the server owns, which the emulated service does not show here.
func (r *round) same(what string, p picture) {
	now := r.snapshot()
	for _, difference := range p.differences(now, func(asset.Ref) bool { return false }) {
		r.Errorf("%s: %s", what, difference)
	}
	for ref, text := range p.assets {
		if string(text) != string(now.assets[ref]) {
			r.Errorf("%s: %s is spelled otherwise: %s, was %s", what, ref, now.assets[ref], text)
		}
	}
}

// nothingToDo wants a plan that has nothing to write.
func (r *round) nothingToDo(id string) {
	r.cloud.ResetCalls()
	plan := r.run(restore.Planned, `{"id":"`+id+`","date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true}`)
	if plan.Counts[string(restore.Unchanged)] != len(plan.Items) {
		r.Errorf("the second plan is not empty: %s", dump(plan))
	}
	for _, call := range r.cloud.Calls() {
		if call.Method != "GET" && call.Operation != dataarts.ExportJobList && call.Operation != dataarts.ExportJob {
			r.Errorf("a plan sent %s %s", call.Method, call.Path)
		}
	}
}

// wiped is a workspace that is lost as a whole and restored.
func (r *round) wiped(policy string) {
	r.w.Wipe()
	report := r.run(restore.Complete, `{"id":"wiped","date":"2026-11-22","duplicateNamePolicy":"`+policy+`"}`)
	if report.Counts["created"] != len(report.Items) {
		r.Errorf("not all were created: %s", dump(report))
	}
}

// check is the property.
func (r *round) check(t *rapid.T) {
	c := contents().Draw(t, "workspace")
	c.put(r, r.w)
	for _, key := range []string{"a.jar", "b.jar", "a b+c%20d/数据.jar"} {
		r.store.Bucket("libs").(*memory).write(key, []byte("the file "+key))
	}
	whole := r.snapshot()
	r.assets = len(whole.assets)
	before := r.backUp(day)
	if rapid.Bool().Draw(t, "lost as a whole") {
		r.wiped(rapid.SampledFrom([]string{"overwrite", "skip", "fail"}).Draw(t, "policy"))
		for job := range whole.status { // a job that is created anew is not started
			whole.status[job] = "STOPPED"
		}
		r.same("after the restore", whole)
		if diff := cmp.Diff(proved(before), proved(r.backUp("2026-11-23"))); diff != "" {
			r.Errorf("the manifests, -before +after:\n%s", diff)
		}
		r.nothingToDo("again")
		r.undone("wiped", picture{})
		return
	}
	r.w.Wipe()
	c.since(t).put(r, r.w)
	lived := r.snapshot()
	r.run(restore.Complete, `{"id":"lived","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	after := r.snapshot()
	for ref := range lived.assets {
		if whole.assets[ref] == nil { // what the backup does not have stays
			whole.assets[ref] = lived.assets[ref]
		}
	}
	whole.status = map[string]string{}
	for job := range after.status {
		if whole.status[job] = lived.status[job]; lived.status[job] == "" {
			whole.status[job] = "STOPPED"
		}
		if isRunning(whole.status[job]) && isRunning(after.status[job]) { // a batch job of old, or a real-time one: that is part of the definition
			whole.status[job] = after.status[job]
		}
	}
	r.same("after the restore", whole)
	r.nothingToDo("again")
	r.undone("lived", lived)
}

func (r *round) undone(id string, before picture) {
	report, err := restore.Undo(context.Background(), id, r.options())
	if err != nil || report.Status != restore.Undone {
		r.Errorf("undo: %v %s", err, dump(report))
	}
	r.same("after the undo", before)
}

// TestRun_GivesAnyWorkspaceBack takes generated workspaces through backup, loss, restore, backup and undo. rapid keeps what has failed once below testdata.
func TestRun_GivesAnyWorkspaceBack(t *testing.T) {
	t.Parallel()
	groups := 3 // of a hundred, rapid's default
	if os.Getenv("THOROUGH") != "" {
		groups = 100
	}
	var assets, rounds atomic.Int64
	t.Cleanup(func() { t.Logf("%d workspaces, %d assets", rounds.Load(), assets.Load()) })
	for group := range groups {
		t.Run(fmt.Sprintf("hundred %d", group+1), func(t *testing.T) {
			t.Parallel()
			cloud := service()
			number := 0
			rapid.Check(t, func(rt *rapid.T) {
				number++
				id := fmt.Sprintf("%032x", number)
				r := &round{TB: rt, cloud: cloud, client: hurried(rt, cloud), store: newMemory(localtest.Bucket), id: id,
					w: cloud.AddWorkspace(dataarts.Workspace{ID: id, Name: "sales"})}
				r.check(rt)
				rounds.Add(1)
				assets.Add(int64(r.assets))
				r.w.Wipe()
			})
		})
	}
}
