package local_test

import (
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
)

func TestRoundTrip_loses_nothing_of_what_is_hard_to_keep(t *testing.T) {
	t.Parallel()
	c := start(t, local.Options{Switches: dataarts.Switches{LooseNames: true}})
	w := c.Workspace(local.WorkspaceID)
	for _, fill := range []func(*dataarts.WorkspaceHandle) error{sample.Hard, sample.LooseNames, sample.Cycle} {
		if err := fill(w); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{".", ".."} { // see the next test
		w.Delete(dataarts.Jobs, name)
		w.Delete(dataarts.Scripts, name)
	}
	if _, err := c.UploadFiles(w); err != nil {
		t.Fatal(err)
	}
	before := local.TakeSnapshot(w)

	run(t, "backup", nightly, c.Environment()).succeed(t)
	m := provedBackup(t, c, local.WorkspaceID+"/2026-11-22/")
	if want := len(before) - 1; len(m.Assets) != want+1 {
		t.Errorf("%d assets are backed up, the workspace has %d and its variables", len(m.Assets), want)
	}
	seen := map[string]string{}
	for _, a := range m.Assets {
		if other, taken := seen[a.Key]; taken {
			t.Errorf("%s and %s have one key", a.Name, other)
		}
		seen[a.Key] = a.Name
	}

	w.Wipe()
	r := answer[report](t, run(t, "restore", `{"date":"latest","duplicateNamePolicy":"fail"}`, c.Environment()))
	if r.Status != "COMPLETE" {
		t.Errorf("the report is %s: %s", r.Status, r.Message)
		for _, i := range r.Items {
			if i.Outcome != "created" {
				t.Logf("%s %s%s is %s: %s", i.Kind, i.Directory, i.Name, i.Outcome, i.Reason)
			}
		}
	}
	if !strings.Contains(r.Message, "cycle_a") || !strings.Contains(r.Message, "cycle_b") {
		t.Errorf("the message does not name the cycle: %s", r.Message)
	}
	equal(t, before, w)

	again := answer[backups](t, run(t, "backup", `{"time":"2026-11-23T00:00:00+08:00"}`, c.Environment()).succeed(t))
	second := provedBackup(t, c, strings.TrimPrefix(again.Backups[0].Path, "obs://"+local.Bucket+"/"))
	// The list of variables is merged one by one into what is live, so that its white space may be another; equal has compared it.
	sameContent(t, m, second, []local.Difference{{Asset: "env env"}})
	if second.Previous == nil || second.Previous.SHA256 != hash(object(t, c, local.WorkspaceID+"/2026-11-22/manifest.json")) {
		t.Errorf("previous is %+v", second.Previous)
	}
	for _, a := range second.Assets {
		if !strings.HasPrefix(a.Key, "1_env/") && !strings.HasPrefix(a.Key, "2_resources/") && !strings.HasPrefix(a.Key, "3_scripts/") && !strings.HasPrefix(a.Key, "4_jobs/") {
			t.Errorf("%s lies nowhere", a.Key)
		}
	}
}

func TestBackup_reads_together_what_cannot_be_addressed_by_itself(t *testing.T) {
	t.Parallel()
	c := start(t, local.Options{Switches: dataarts.Switches{LooseNames: true}})
	w := c.Workspace(local.WorkspaceID)
	if err := sample.LooseNames(w); err != nil {
		t.Fatal(err)
	}
	run(t, "backup", nightly, c.Environment()).succeed(t)
	stored := map[string]bool{}
	for _, a := range provedBackup(t, c, folderOfTheNight).Assets {
		stored[a.Kind+" "+a.Name] = true
	}
	for _, want := range []string{"jobs .", "jobs ..", "scripts .", "scripts .."} {
		if !stored[want] {
			t.Errorf("%s is not stored", want)
		}
	}
}

func TestBackup_names_what_cannot_be_addressed_through_the_API(t *testing.T) {
	t.Parallel()
	c := start(t, local.Options{Switches: dataarts.Switches{LooseNames: true, ExportUnsupported: true, ListOmits: []string{"scripts.content"}}})
	w := c.Workspace(local.WorkspaceID)
	if err := sample.LooseNames(w); err != nil {
		t.Fatal(err)
	}
	got := answer[backups](t, run(t, "backup", nightly, c.Environment()).refuse(t))
	found := map[string]bool{}
	for _, m := range got.Backups[0].Missing {
		found[m.Kind+" "+m.Name] = m.Reason != ""
	}
	if got.Status != "PARTIAL" || len(found) != 4 || !found["jobs ."] || !found["jobs .."] || !found["scripts ."] || !found["scripts .."] {
		t.Errorf("%s, missing %v", got.Status, got.Backups[0].Missing)
	}
}
