package local_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
)

const folderOfTheNight = local.WorkspaceID + "/2026-11-22/"

func TestTimer_that_fires_twice_reports_the_backup_there_is(t *testing.T) {
	t.Parallel()
	c, _ := filled(t, local.Options{})
	if night, err := c.Midnight(t.Context(), midnight()); err != nil || night.Status != functiongraph.AsyncSuccess {
		t.Fatalf("%+v, %v", night, err)
	}
	before := map[string]string{}
	for _, key := range keys(t, c, "") {
		before[key] = hash(object(t, c, key))
	}
	written := c.Store.Calls("PutObject")
	night, err := c.Midnight(t.Context(), midnight())
	if err != nil || night.Status != functiongraph.AsyncSuccess {
		t.Fatalf("%+v, %v", night, err)
	}
	got := parse[backups](t, night.Result.Payload).Backups[0]
	if got.Status != "COMPLETE" || !strings.Contains(got.Message, "already") || got.Counts["jobs"] != 8 || !strings.HasSuffix(got.Path, "/"+folderOfTheNight) {
		t.Errorf("answer %+v", got)
	}
	after := map[string]string{}
	for _, key := range keys(t, c, "") {
		after[key] = hash(object(t, c, key))
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the second event changed the bucket:\n%s", diff)
	}
	if n := c.Store.Calls("PutObject"); n != written {
		t.Errorf("%d objects were written by the second event", n-written)
	}
}

func TestTimers_that_fire_at_the_same_moment_end_in_one_backup(t *testing.T) {
	t.Parallel()
	for name, conditions := range map[string]bool{"on_a_store_with_conditions": true, "on_a_store_that_ignores_them": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := filled(t, local.Options{})
			c.Store.IgnoreConditions(!conditions)
			commits := count(c, "PutObject", folderOfTheNight+"backup.json")
			first, second := begin(t, "backup", nightly, c.Environment()), begin(t, "backup", nightly, c.Environment())
			for _, p := range []*process{first, second} {
				if got := answer[backups](t, finish(t, p).succeed(t)); got.Status != "COMPLETE" {
					t.Errorf("answer %+v", got)
				}
			}
			provedBackup(t, c, folderOfTheNight)
			if n := commits.Load(); n != 1 {
				t.Errorf("the backup was committed %d times", n)
			}
			onlyBackups(t, c)
		})
	}
}

// count counts how often an object is asked for by an operation.
func count(c *local.Cloud, operation, key string) *atomic.Int64 {
	var n atomic.Int64
	c.Store.Intercept(func(call objectstore.Call) *objectstore.Fault {
		if call.Operation == operation && call.Key == key {
			n.Add(1)
		}
		return nil
	})
	return &n
}

// onlyBackups wants nothing in the bucket beside the night's folder, the record that it was reported, and reports of restores: no lease, no part of an
// upload.
func onlyBackups(t *testing.T, c *local.Cloud) {
	t.Helper()
	left := slices.DeleteFunc(keys(t, c, ""), func(key string) bool {
		return strings.HasPrefix(key, folderOfTheNight) || strings.HasSuffix(key, "/report.json") || strings.HasSuffix(key, "/reported.json")
	})
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBackup_that_was_killed_is_finished_by_the_next_run(t *testing.T) {
	t.Parallel()
	c, w := filled(t, local.Options{})
	// Killed at the tenth asset, when another that no later listing will show has been stored: what it left must go.
	reached := make(chan struct{})
	var stored atomic.Int64
	c.Store.Intercept(func(call objectstore.Call) *objectstore.Fault {
		if call.Operation == "PutObject" && strings.HasPrefix(call.Key, folderOfTheNight) && stored.Add(1) == 10 {
			close(reached)
			return &objectstore.Fault{Delay: time.Minute, ResetBefore: true}
		}
		return nil
	})
	p := begin(t, "backup", nightly, c.Environment())
	<-reached
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if o := finish(t, p); o.exit == 0 {
		t.Fatalf("the run ended before it was killed: %s", o.stdout)
	}
	left := keys(t, c, folderOfTheNight)
	if len(left) == 0 || slices.Contains(left, folderOfTheNight+"backup.json") {
		t.Fatalf("the killed run left %v", left)
	}
	t.Run("a_folder_without_commit_is_not_offered_for_restore", func(t *testing.T) {
		for _, request := range []string{`{"date":"latest","duplicateNamePolicy":"skip"}`, `{"date":"2026-11-22","duplicateNamePolicy":"skip"}`} {
			if r := answer[report](t, run(t, "restore", request, c.Environment()).refuse(t)); r.Status != "FAILED" {
				t.Errorf("report %+v", r)
			}
		}
	})
	for _, key := range left { // one of the assets that were stored vanishes
		if name, ok := strings.CutPrefix(key, folderOfTheNight+"3_scripts/"); ok {
			w.Delete(dataarts.Scripts, strings.TrimSuffix(name, ".script"))
			break
		}
	}
	if err := c.Store.PutObject(local.Bucket, folderOfTheNight+"4_jobs/vanished.job", []byte(`{"name":"vanished"}`)); err != nil {
		t.Fatal(err)
	}
	c.Store.Intercept(nil)
	began := time.Now()
	got := answer[backups](t, run(t, "backup", nightly, c.Environment()).succeed(t))
	if got.Status != "COMPLETE" {
		t.Errorf("answer %+v", got)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("the dead run kept the next one waiting for %v", took)
	}
	m := provedBackup(t, c, folderOfTheNight)
	if len(m.Assets) != len(local.TakeSnapshot(w)) {
		t.Errorf("%d assets are backed up, %d are there", len(m.Assets), len(local.TakeSnapshot(w)))
	}
	onlyBackups(t, c)
}

func TestRestore_that_was_killed_is_continued_by_the_same_id_and_does_nothing_twice(t *testing.T) {
	t.Parallel()
	c, w, before := backedUp(t)
	w.Wipe()
	reached := make(chan struct{})
	var created atomic.Int64
	c.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.CreateJob && created.Add(1) == 3 {
			close(reached)
			return &dataarts.Fault{Delay: time.Second, ResetAfter: true} // applied, and nobody is told
		}
		return nil
	})
	const request = `{"id":"killed","date":"latest","duplicateNamePolicy":"fail"}`
	p := begin(t, "restore", request, c.Environment())
	<-reached
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	finish(t, p)
	c.DataArts.Intercept(nil)
	r := answer[report](t, run(t, "restore", request, c.Environment()).succeed(t))
	r.wants(t, "COMPLETE", map[string]int{"created": 5 + 3 + 6 + 8})
	equal(t, before, w)
	again := c.DataArts.CallCounts()
	if again[dataarts.CreateScript] != 6 || again[dataarts.CreateResource] != 3 {
		t.Errorf("%d scripts and %d resources were created, want 6 and 3", again[dataarts.CreateScript], again[dataarts.CreateResource])
	}
}

func TestBackup_that_cannot_read_an_asset_is_partial_and_says_which(t *testing.T) {
	t.Parallel()
	c, _ := filled(t, local.Options{Variables: map[string]string{"DATAARTS_RATE_LIMIT": "1000"}, Switches: dataarts.Switches{ExportUnsupported: true}})
	c.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowJob && strings.HasSuffix(r.URL.Path, "/ads_orders_df") {
			return &dataarts.Fault{Status: http.StatusInternalServerError, Body: `{"error_code":"DLF.0100","error_msg":"internal"}`}
		}
		return nil
	})
	got := answer[backups](t, run(t, "backup", nightly, c.Environment()).refuse(t))
	partial(t, c, got, func(m []missing) bool {
		return len(m) == 1 && m[0].Kind == "jobs" && m[0].Name == "ads_orders_df" && m[0].Reason != ""
	})
	t.Run("and_is_not_restored", func(t *testing.T) {
		r := answer[report](t, run(t, "restore", `{"date":"2026-11-22","duplicateNamePolicy":"skip"}`, c.Environment()).refuse(t))
		if r.Status != "FAILED" {
			t.Errorf("report %+v", r)
		}
	})
	t.Run("and_is_finished_by_a_later_run", func(t *testing.T) {
		c.DataArts.Intercept(nil)
		run(t, "backup", nightly, c.Environment()).succeed(t)
		provedBackup(t, c, folderOfTheNight)
	})
}

func TestBackup_of_a_list_that_claims_more_than_it_lists_is_partial(t *testing.T) {
	t.Parallel()
	c, _ := filled(t, local.Options{Switches: dataarts.Switches{TotalDelta: 2}})
	got := answer[backups](t, run(t, "backup", nightly, c.Environment()).refuse(t))
	partial(t, c, got, func(m []missing) bool {
		return len(m) == 3 && !slices.ContainsFunc(m, func(m missing) bool { return m.Count < 2 || m.Name != "" || m.Kind == "" })
	})
}

// partial wants a folder with a manifest that names what is missing, and no commit.
func partial(t *testing.T, c *local.Cloud, got backups, named func([]missing) bool) {
	t.Helper()
	if got.Status != "PARTIAL" || len(got.Backups) != 1 || got.Backups[0].Status != "PARTIAL" || !named(got.Backups[0].Missing) {
		t.Errorf("answer %+v", got)
	}
	m := parse[manifest](t, object(t, c, folderOfTheNight+"manifest.json"))
	if m.Status != "PARTIAL" || !named(m.Missing) {
		t.Errorf("the manifest is %s and misses %+v", m.Status, m.Missing)
	}
	if _, there := c.Store.GetObject(local.Bucket, folderOfTheNight+"backup.json"); there {
		t.Error("a partial backup is committed")
	}
}

func TestBackup_that_fails_is_tried_again_by_the_platform(t *testing.T) {
	t.Parallel()
	c, _ := filled(t, local.Options{})
	var lists atomic.Int64
	c.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		// The keys of the agency are not known for a while, as after its permissions were edited.
		if op == dataarts.ListJobs && lists.Add(1) == 1 {
			return &dataarts.Fault{Status: http.StatusUnauthorized, Body: `{"error_code":"APIG.0301","error_msg":"Incorrect IAM authentication information"}`}
		}
		return nil
	})
	night, err := c.Midnight(t.Context(), midnight())
	if err != nil || night.Status != functiongraph.AsyncSuccess || night.Attempts != 2 {
		t.Fatalf("%+v, %v: %s", night, err, night.Result.Payload)
	}
	provedBackup(t, c, folderOfTheNight)
}

func TestRestore_refuses_a_backup_that_was_tampered_with(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]func(t *testing.T, c *local.Cloud){
		"an_asset_changed": func(t *testing.T, c *local.Cloud) {
			const key = folderOfTheNight + "4_jobs/ads_orders_df.job"
			text := strings.Replace(string(object(t, c, key)), "DWSSQL", "DLISQL", 1)
			if err := c.Store.PutObject(local.Bucket, key, []byte(text)); err != nil {
				t.Fatal(err)
			}
		},
		"an_asset_gone": func(t *testing.T, c *local.Cloud) {
			if err := c.Store.DeleteObject(local.Bucket, folderOfTheNight+"4_jobs/ads_orders_df.job"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, w, _ := backedUp(t)
			tamper(t, c)
			w.Wipe()
			r := answer[report](t, run(t, "restore", `{"date":"latest","duplicateNamePolicy":"overwrite"}`, c.Environment()).refuse(t))
			if r.Status != "FAILED" || !strings.Contains(r.Message, "ads_orders_df") {
				t.Errorf("report %s: %s", r.Status, r.Message)
			}
			if n := writes(c); n > 0 {
				t.Errorf("%d writes", n)
			}
		})
	}
	t.Run("the_manifest_gone", func(t *testing.T) {
		t.Parallel()
		c, w, _ := backedUp(t)
		if err := c.Store.DeleteObject(local.Bucket, folderOfTheNight+"manifest.json"); err != nil {
			t.Fatal(err)
		}
		w.Wipe()
		if r := answer[report](t, run(t, "restore", `{"date":"2026-11-22","duplicateNamePolicy":"overwrite"}`, c.Environment()).refuse(t)); r.Status != "FAILED" {
			t.Errorf("report %+v", r)
		}
		if n := writes(c); n > 0 {
			t.Errorf("%d writes", n)
		}
	})
}

func TestUndo_puts_back_what_a_restore_changed_and_removes_what_it_created(t *testing.T) {
	t.Parallel()
	c, w, _ := backedUp(t)
	damage(t, w)
	damaged, running := local.TakeSnapshot(w), w.JobStatus("ads_orders_df")
	restoreByHTTP(t, c, `{"id":"mistake","date":"latest","duplicateNamePolicy":"overwrite"}`).wants(t, "COMPLETE", map[string]int{"created": 5, "overwritten": 4, "unchanged": 13})

	response, body := call(t, c, http.MethodPost, "/restores/mistake/undo", "")
	if response.StatusCode != http.StatusAccepted {
		t.Fatalf("%s: %s", response.Status, body)
	}
	if err := c.Restore.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, body = call(t, c, http.MethodGet, "/restores/mistake", "")
	if r := parse[report](t, body); r.Status != "UNDONE" {
		t.Errorf("the report is %s: %s", r.Status, r.Message)
	}
	equal(t, damaged, w)
	if now := w.JobStatus("ads_orders_df"); now != running {
		t.Errorf("job ads_orders_df was %s and is %s", running, now)
	}
}
