package retention_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/retention"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

func TestApply_RemovesWhatNoRuleKeeps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.backup("2026-11-18", vault.Complete)
	w.backup("2026-11-19", vault.Partial)
	w.put("2026-11-19T120000/4_jobs/a.job.age", "{}")
	w.put("2026-11-19T120000/progress.json", "{}")
	w.backup("2026-11-20", vault.Complete)
	w.backup("2026-11-21", vault.Complete)
	w.backup("2026-11-21T120000", vault.Complete)
	w.backup("2026-11-22", vault.Complete)
	w.put("not-a-date/4_jobs/a.job", "{}")
	w.put("2026-11-17/backup.json", `{"jobs":{}}`) // the DataArts console's
	before := w.keys("")
	opts := retention.Options{Keep: retention.Keep{Daily: 2}, Newest: vault.Complete, Now: func() time.Time { return time.Unix(1800000000, 0) }}
	want := []string{"2026-11-18", "2026-11-19", "2026-11-19T120000", "2026-11-20", "2026-11-21"}

	dry := opts
	dry.DryRun = true
	planned := w.apply(dry)
	if !slices.Equal(planned.Removed, want) || len(planned.Left) != 0 || !slices.Equal(w.keys(""), before) {
		t.Fatalf("a dry run says %+v and leaves %q", planned, w.keys(""))
	}
	if writes := w.server.Calls("DeleteObject") + w.server.Calls("DeleteObjects"); writes > 2 {
		t.Fatalf("a dry run deletes %d times", writes)
	}

	done := w.apply(opts)
	if !slices.Equal(done.Removed, want) || !slices.Equal(done.Stay, planned.Stay) || len(done.Left) != 0 || done.Message() != "" {
		t.Fatalf("%+v", done)
	}
	w.wantFolders("2026-11-17", "2026-11-21T120000", "2026-11-22")
	if len(w.keys("not-a-date/")) != 1 || len(w.keys("leases/")) != 0 || len(w.keys("removed/")) != 5 {
		t.Errorf("%q", w.keys(""))
	}
	w.whole("2026-11-22")
	stone, err := w.vault.Tombstone(t.Context(), "2026-11-20")
	if err != nil || stone.Path != "obs://backups/factory/sales/2026-11-20/" || len(stone.ManifestSHA256) != 64 || stone.Previous == nil ||
		!strings.HasSuffix(stone.Previous.Path, "/2026-11-18/manifest.json") || !stone.RemovedAt.Equal(time.Unix(1800000000, 0)) || stone.Reason != "no rule of daily=2 keeps it" {
		t.Errorf("%+v %v", stone, err)
	}
	if again := w.apply(opts); len(again.Removed) != 0 {
		t.Errorf("a second run removes %q", again.Removed)
	}
}

func TestApply_WithoutARuleLooksAtNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.backup("2026-11-18", vault.Partial)
	w.backup("2026-11-19", vault.Complete)
	w.server.Intercept(func(c objectstore.Call) *objectstore.Fault {
		t.Errorf("%s %s", c.Operation, c.Key)
		return nil
	})
	if out := w.apply(retention.Options{}); len(out.Removed) != 0 || out.Removed == nil {
		t.Errorf("%+v", out)
	}
}

func TestApply_KeepsLocationsApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.backup("2026-11-18", vault.Complete)
	w.backup("2026-11-19", vault.Complete)
	other := *w
	other.vault = vault.New(w.store, bucket, location+"before-upgrade")
	other.last = nil
	other.backup("2026-11-01", vault.Complete)
	w.apply(retention.Options{Keep: retention.Keep{Daily: 1}})
	if _, err := other.vault.Folder("2026-11-01").Open(t.Context()); err != nil {
		t.Errorf("a folder below the location: %v", err)
	}
	w.wantFolders("2026-11-19")
}

func TestApply_IsHeld(t *testing.T) {
	t.Parallel()
	three := func(w *world) {
		w.backup("2026-11-19", vault.Complete)
		w.backup("2026-11-20", vault.Complete)
		w.backup("2026-11-21", vault.Complete)
	}
	for name, c := range map[string]struct {
		change func(*world)
		opts   retention.Options
		want   string // in Held; empty: it goes on
	}{
		"while_the_run_is_PARTIAL":               {nil, retention.Options{Newest: vault.Partial}, "the newest run is PARTIAL"},
		"while_the_run_FAILED":                   {nil, retention.Options{Newest: vault.Failed}, "the newest run is FAILED"},
		"while_the_newest_folder_is_PARTIAL":     {func(w *world) { w.backup("2026-11-22", vault.Partial) }, retention.Options{}, "2026-11-22, of the newest date, is PARTIAL"},
		"while_a_run_has_only_begun":             {func(w *world) { w.put("2026-11-22T100000/progress.json", "{}") }, retention.Options{Newest: vault.Complete}, "2026-11-22T100000, of the newest date, is INCOMPLETE"},
		"while_the_newest_is_damaged":            {func(w *world) { w.put("2026-11-21/manifest.json", "{}") }, retention.Options{}, "2026-11-21, of the newest date, is DAMAGED"},
		"while_a_newer_version_wrote_the_newest": {func(w *world) { w.newer("2026-11-21/") }, retention.Options{}, "2026-11-21, of the newest date, is UNSUPPORTED"},
		"while_the_newest_lost_an_object":        {func(w *world) { w.drop("2026-11-21/4_jobs/load.job") }, retention.Options{}, "2026-11-21, of the newest date, is DAMAGED"},
		"when_more_than_a_fifth_is_gone":         {func(w *world) { w.holding("2026-11-22", 98); w.holding("2026-11-23", 77) }, retention.Options{}, "21 of the 100 assets of 2026-11-22 are gone from 2026-11-23"},
		"and_not_when_a_fifth_is_gone":           {func(w *world) { w.holding("2026-11-22", 98); w.holding("2026-11-23", 78) }, retention.Options{}, ""},
		"and_not_for_what_was_lost_a_day_ago": {func(w *world) {
			w.holding("2026-11-22", 98)
			w.holding("2026-11-23", 1)
			w.holding("2026-11-24", 1)
		}, retention.Options{}, ""},
		"when_a_backup_by_hand_finds_more_than_a_fifth_gone": {func(w *world) { w.holding("2026-11-22", 98); w.holding("2026-11-22T150000", 1) }, retention.Options{},
			"97 of the 100 assets of 2026-11-22 are gone from 2026-11-22T150000"},
		"although_a_backup_by_hand_was_taken_after_the_loss_the_day_before": {func(w *world) {
			w.holding("2026-11-22", 98)
			w.holding("2026-11-22T150000", 1)
			w.holding("2026-11-23", 1)
		}, retention.Options{}, "97 of the 100 assets of 2026-11-22 are gone from 2026-11-23"},
		"although_a_backup_by_hand_was_taken_after_the_loss_the_same_day": {func(w *world) {
			w.holding("2026-11-22", 98)
			w.holding("2026-11-23", 1)
			w.holding("2026-11-23T150000", 1)
		}, retention.Options{}, "97 of the 100 assets of 2026-11-22 are gone from 2026-11-23"},
		"although_everything_is_back_the_same_day": {func(w *world) {
			w.holding("2026-11-22", 98)
			w.holding("2026-11-23", 1)
			w.holding("2026-11-23T150000", 98)
		}, retention.Options{}, "97 of the 100 assets of 2026-11-22 are gone from 2026-11-23"},
		"and_not_by_a_loss_that_was_made_good_before_the_next_day": {func(w *world) {
			w.holding("2026-11-22", 98)
			w.holding("2026-11-22T150000", 1)
			w.holding("2026-11-23", 98)
		}, retention.Options{}, ""},
		"when_the_last_date_before_is_days_ago": {func(w *world) { w.holding("2026-11-22", 98); w.holding("2026-11-29", 1) }, retention.Options{}, "are gone from 2026-11-29"},
		"and_not_by_what_the_console_wrote":     {func(w *world) { w.put("2026-11-22/backup.json", `{"jobs":{}}`) }, retention.Options{}, ""},
		"and_not_by_a_failure_that_was_healed": {func(w *world) {
			w.backup("2026-11-22T080000", vault.Partial)
			w.backup("2026-11-22T090000", vault.Complete)
		}, retention.Options{}, ""},
		"by_a_nightly_run_that_may_be_later": {func(w *world) { w.put("2026-11-22/progress.json", "{}"); w.backup("2026-11-22T090000", vault.Complete) }, retention.Options{}, "2026-11-22, of the newest date"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			three(w)
			if c.change != nil {
				c.change(w)
			}
			before := w.keys("")
			c.opts.Keep = retention.Keep{Daily: 1}
			for _, dry := range []bool{true, false} {
				c.opts.DryRun = dry
				out := w.apply(c.opts)
				if c.want == "" {
					if out.Held != "" || len(out.Removed) == 0 {
						t.Fatalf("dry %v: %+v", dry, out)
					}
					continue
				}
				if !strings.Contains(out.Held, c.want) || len(out.Removed) != 0 || !slices.Equal(w.keys(""), before) || !strings.Contains(out.Message(), "retention is held: ") {
					t.Fatalf("dry %v: %+v, and there is %q", dry, out, w.keys(""))
				}
			}
		})
	}
}

func TestApply_CountsOnNothingThatIsNotWhole(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage func(*world)
		reason string
	}{
		"an_object_is_gone":          {func(w *world) { w.drop("2026-11-21/3_scripts/dim.script") }, "3_scripts/dim.script not there"},
		"an_object_has_another_size": {func(w *world) { w.put("2026-11-21/3_scripts/dim.script", "{}") }, "3_scripts/dim.script has 2 bytes"},
		"the_manifest_is_another":    {func(w *world) { w.put("2026-11-21/manifest.json", `{"formatVersion":1,"status":"COMPLETE"}`) }, "manifest.json has SHA-256"},
		"the_commit_is_malformed":    {func(w *world) { w.put("2026-11-21/backup.json", `{`) }, "malformed"},
		"a_newer_version_wrote_it":   {func(w *world) { w.newer("2026-11-21/") }, "was written by a newer version"},
		"the_manifest_is_not_to_be_had": {func(w *world) {
			w.server.Intercept(func(c objectstore.Call) *objectstore.Fault {
				if strings.HasSuffix(c.Key, "2026-11-21/manifest.json") {
					return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
				}
				return nil
			})
		}, "AccessDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, day := range []string{"2026-11-19", "2026-11-20", "2026-11-21", "2026-11-22"} {
				w.backup(day, vault.Complete)
			}
			c.damage(w)
			opts := retention.Options{Keep: retention.Keep{Daily: 2}, DryRun: true}
			planned := w.apply(opts)
			opts.DryRun = false
			out := w.apply(opts)
			// The 20th takes the place of the 21st, which is not touched.
			w.wantFolders("2026-11-20", "2026-11-21", "2026-11-22")
			if !slices.Equal(out.Removed, []string{"2026-11-19"}) || !slices.Equal(planned.Removed, out.Removed) || !slices.Equal(planned.Stay, out.Stay) {
				t.Errorf("%+v, planned %+v", out, planned)
			}
			wantLeft(t, planned, "2026-11-21", c.reason)
			wantLeft(t, out, "2026-11-21", c.reason)
		})
	}
}

func TestApply_LeavesAndReports(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*world)
		folder string
		reason string
	}{
		"a_backup_with_a_stranger's_object":    {func(w *world) { w.put("2026-11-20/notes.txt", "keep me") }, "2026-11-20", "notes.txt"},
		"a_backup_with_an_object_too_many":     {func(w *world) { w.put("2026-11-20/4_jobs/mine.job", "{}") }, "2026-11-20", "4_jobs/mine.job"},
		"a_backup_that_lost_an_object":         {func(w *world) { w.drop("2026-11-20/4_jobs/load.job") }, "2026-11-20", "4_jobs/load.job not there"},
		"a_damaged_folder":                     {func(w *world) { w.put("2026-11-20/backup.json", "{") }, "2026-11-20", "malformed"},
		"an_unfinished_one_with_a_stranger":    {func(w *world) { w.put("2026-11-19/3_scripts/sub/a.script", "{}") }, "2026-11-19", "3_scripts/sub/a.script"},
		"an_unfinished_one_of_unknown_objects": {func(w *world) { w.put("2026-11-19/5_other/a", "{}") }, "2026-11-19", "5_other/a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put("2026-11-19/2_resources/jars/udf.files/libs/udf.jar", "jar")
			w.put("2026-11-19/1_env/env.json", "{}")
			w.backup("2026-11-20", vault.Complete)
			w.backup("2026-11-21", vault.Complete)
			c.change(w)
			before := w.keys(c.folder + "/")
			opts := retention.Options{Keep: retention.Keep{Daily: 1}, DryRun: true}
			planned := w.apply(opts)
			opts.DryRun = false
			out := w.apply(opts)
			wantLeft(t, out, c.folder, c.reason)
			if !slices.Equal(planned.Left, out.Left) || !slices.Equal(planned.Removed, out.Removed) || len(out.Removed) != 1 {
				t.Errorf("%+v, planned %+v", out, planned)
			}
			if got := w.keys(c.folder + "/"); !slices.Equal(got, before) || len(w.keys("removed/"+c.folder)) != 0 {
				t.Errorf("there is %q, and was %q", got, before)
			}
			if !strings.Contains(out.Message(), c.folder) {
				t.Errorf("message %q", out.Message())
			}
		})
	}
}

func TestApply_TakesTheMarkersOfFoldersAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("2026-11-19/", "")
	w.put("2026-11-19/4_jobs/", "")
	w.put("2026-11-20/", "")
	w.backup("2026-11-20", vault.Complete)
	w.backup("2026-11-21", vault.Complete)
	if out := w.apply(retention.Options{Keep: retention.Keep{Daily: 1}}); len(out.Left) != 0 {
		t.Errorf("%+v", out)
	}
	w.wantFolders("2026-11-21")
}

func TestApply_LeavesADayUnderWORM(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, day := range []string{"2026-11-19", "2026-11-20", "2026-11-21"} {
		w.backup(day, vault.Complete)
	}
	w.server.Protect(bucket, location+"2026-11-19/")
	before := w.keys("2026-11-19/")
	out := w.apply(retention.Options{Keep: retention.Keep{Daily: 1}})
	wantLeft(t, out, "2026-11-19", "it is protected")
	if !slices.Equal(out.Removed, []string{"2026-11-20"}) || !slices.Equal(w.keys("2026-11-19/"), before) {
		t.Errorf("%+v", out)
	}
	if stones := w.keys("removed/"); !slices.Equal(stones, []string{"removed/2026-11-20.json"}) {
		t.Errorf("the tombstone of a day that stays: %q", stones)
	}
	w.whole("2026-11-19")
	w.whole("2026-11-21")
	// The day is there still; should it vanish, it shows.
	for _, key := range before {
		w.drop(key)
	}
	chain, err := w.open("2026-11-21").Chain(t.Context())
	if err != nil || len(chain.Breaks) != 1 || chain.Breaks[0].Kind != vault.Vanished {
		t.Errorf("%+v %v", chain, err)
	}
}

// OBS has WORM only in buckets that keep versions, and there a deletion is taken and hides the object: the protection has to be looked for.
func TestApply_LeavesADayUnderWORMWhereTheStoreWouldTakeTheDeletion(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 0, 1, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		header, value string
		left          bool
	}{
		"until_later":                {"X-Obs-Object-Lock-Retain-Until-Date", "2026-11-23T00:00:00Z", true},
		"until_later_in_ms":          {"X-Obs-Object-Lock-Retain-Until-Date", "1795478400000", true},
		"until_nobody_knows_when":    {"X-Obs-Object-Lock-Retain-Until-Date", "later", true},
		"by_a_legal_hold":            {"X-Amz-Object-Lock-Legal-Hold", "ON", true},
		"no_more":                    {"X-Obs-Object-Lock-Retain-Until-Date", "2026-11-21T23:00:00.000Z", false},
		"by_no_legal_hold":           {"X-Amz-Object-Lock-Legal-Hold", "OFF", false},
		"no_more_by_the_millisecond": {"X-Obs-Object-Lock-Retain-Until-Date", "1795305600000", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.backup("2026-11-20", vault.Complete)
			w.backup("2026-11-21", vault.Complete)
			w.server.Intercept(func(call objectstore.Call) *objectstore.Fault {
				if strings.HasSuffix(call.Key, "2026-11-20/backup.json") {
					return &objectstore.Fault{SetHeader: map[string][]string{c.header: {c.value}}}
				}
				return nil
			})
			opts := retention.Options{Keep: retention.Keep{Daily: 1}, Now: func() time.Time { return now }, DryRun: true}
			planned := w.apply(opts)
			opts.DryRun = false
			out := w.apply(opts)
			if !slices.Equal(planned.Left, out.Left) || (len(out.Removed) == 0) != c.left {
				t.Errorf("%+v, planned %+v", out, planned)
			}
			if c.left {
				wantLeft(t, out, "2026-11-20", "it is protected")
				w.whole("2026-11-20")
			}
		})
	}
}

func TestApply_StopsAtAnObjectUnderWORMAndGoesOnLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.backup("2026-11-20", vault.Complete)
	w.backup("2026-11-21", vault.Complete)
	w.server.Protect(bucket, location+"2026-11-20/4_jobs/")
	out := w.apply(retention.Options{Keep: retention.Keep{Daily: 1}})
	wantLeft(t, out, "2026-11-20", "the next run tries again")
	if got := w.keys("2026-11-20/"); !slices.Equal(got, []string{"2026-11-20/4_jobs/load.job", "2026-11-20/manifest.json"}) {
		t.Errorf("%q", got)
	}
	w.whole("2026-11-21")
}

func TestApply_LeavesAFolderThatARunWorksOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("2026-11-19/4_jobs/a.job", "{}") // whose run is alive
		w.put("2026-11-20/4_jobs/a.job", "{}") // whose run is dead
		w.put("leases/2026-11-20.json", `{"owner":"a run that was killed","token":"x"}`)
		w.backup("2026-11-21", vault.Complete)
		running, err := lease.Acquire(t.Context(), w.store, w.vault.LeaseKey("2026-11-19"), lease.Options{Owner: "a run"})
		if err != nil {
			t.Fatal(err)
		}
		out := w.apply(retention.Options{Keep: retention.Keep{Daily: 1}})
		wantLeft(t, out, "2026-11-19", "a run is at work on it")
		w.wantFolders("2026-11-19", "2026-11-21")
		if err := running.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if out := w.apply(retention.Options{Keep: retention.Keep{Daily: 1}}); !slices.Equal(out.Removed, []string{"2026-11-19"}) || len(w.keys("leases/")) != 0 {
			t.Errorf("%+v %q", out, w.keys("leases/"))
		}
	})
}

func TestApply_OfAFolderThatWasFinishedMeanwhileRemovesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("2026-11-20/4_jobs/a.job", "{}")
	w.backup("2026-11-21", vault.Complete)
	finished := false
	w.server.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Key == location+"leases/2026-11-20.json" && !finished { // between the plan and the removal
			finished = true
			w.put("2026-11-20/backup.json", `{"jobs":{}}`)
		}
		return nil
	})
	out := w.apply(retention.Options{Keep: retention.Keep{Daily: 1}})
	wantLeft(t, out, "2026-11-20", "has changed meanwhile")
	w.wantFolders("2026-11-20", "2026-11-21")
}

// TestApply_KilledAtAnyRequest kills a run at each of its requests, before and after the store carried it out.
func TestApply_KilledAtAnyRequest(t *testing.T) {
	t.Parallel()
	for name, carried := range map[string]bool{"before_it_is_carried_out": false, "after_it_was_carried_out": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kills := 0
			for n := int64(1); ; n++ {
				finished := false
				synctest.Test(t, func(t *testing.T) { finished = killedAt(t, n, carried) })
				if finished {
					break
				}
				kills++
			}
			if kills < 40 {
				t.Errorf("only %d requests were made", kills)
			}
		})
	}
}

// killedAt tells whether the run ended before its n-th request.
func killedAt(t *testing.T, n int64, carried bool) bool {
	w := newWorld(t)
	w.backup("2026-11-19", vault.Complete)
	w.put("2026-11-20/4_jobs/a.job", "{}")
	w.put("2026-11-20/progress.json", "{}")
	w.backup("2026-11-21", vault.Complete)
	w.backup("2026-11-22", vault.Complete)
	opts := retention.Options{Keep: retention.Keep{Daily: 1}, Concurrency: 1}
	ctx, seen := w.kill(n, carried)
	first, err := retention.Apply(ctx, w.vault, opts)
	w.server.Intercept(nil)
	finished := seen.Load() < n
	if !finished && err == nil && len(first.Removed) < 3 && len(first.Left) == 0 {
		t.Fatalf("request %d: a run that was killed says nothing of it: %+v", n, first)
	}

	w.whole("2026-11-22")
	for _, name := range []string{"2026-11-19", "2026-11-20", "2026-11-21"} {
		found, err := w.vault.Folder(name).Inspect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		gone := len(w.keys(name+"/")) == 0
		switch {
		case slices.Contains(first.Removed, name) && !gone:
			t.Fatalf("request %d: %s is said to be removed, and is not", n, name)
		case found.State == vault.StateComplete:
			w.whole(name)
		case !gone && found.State != vault.StateIncomplete:
			t.Fatalf("request %d: %s is %s", n, name, found.State)
		}
	}

	second := w.apply(opts)
	w.wantFolders("2026-11-22")
	w.whole("2026-11-22")
	if len(second.Left) != 0 || len(w.keys("leases/")) > 1 { // a killed run's own lease may stay; whoever wants it waits until it is stale
		t.Fatalf("request %d: the next run says %+v and leaves %q", n, second, w.keys(""))
	}
	return finished
}

func TestApply_TakesBackTheTombstoneOfABackupThatStaysAfterAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.backup("2026-11-20", vault.Complete)
		w.backup("2026-11-21", vault.Complete)
		// A run is killed between the tombstone and the deletion of backup.json.
		ctx, cancel := context.WithCancel(t.Context())
		w.server.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if strings.HasPrefix(c.Operation, "DeleteObject") {
				cancel()
			}
			if ctx.Err() != nil {
				return &objectstore.Fault{ResetBefore: true}
			}
			return nil
		})
		opts := retention.Options{Keep: retention.Keep{Daily: 1}}
		if _, err := retention.Apply(ctx, w.vault, opts); !errors.Is(err, context.Canceled) {
			t.Fatalf("%v", err)
		}
		w.server.Intercept(nil)
		if len(w.keys("removed/")) != 1 {
			t.Fatalf("%q", w.keys(""))
		}
		opts.Keep.Daily = 2
		if out := w.apply(opts); len(out.Removed) != 0 || len(w.keys("removed/")) != 0 {
			t.Errorf("%+v %q", out, w.keys("removed/"))
		}
	})
}

func TestApply_BeforeTheRunSaysWhatWouldGoAfterIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.backup("2026-11-20", vault.Complete)
	w.backup("2026-11-21", vault.Complete)
	w.backup("2026-11-22", vault.Partial) // which the run would finish
	out := w.apply(retention.Options{Keep: retention.Keep{Daily: 2}, DryRun: true, Upcoming: "2026-11-22"})
	if !slices.Equal(out.Removed, []string{"2026-11-20"}) {
		t.Errorf("%+v", out)
	}
}

func TestLoss_CountsWhatYesterdayHadAndTodayHasNot(t *testing.T) {
	t.Parallel()
	a := func(kind asset.Kind, name, directory string) vault.Asset {
		return vault.Asset{Kind: kind, Name: name, Directory: directory}
	}
	env := a(asset.Env, asset.EnvName, "")
	yesterday := &vault.Manifest{Counts: map[asset.Kind]int{asset.Env: 4}, Assets: []vault.Asset{env,
		a(asset.Jobs, "moved", "/a"), a(asset.Jobs, "gone", "/"), a(asset.Resources, "udf", "/a"), a(asset.Scripts, "dim", "/")}}
	today := &vault.Manifest{Counts: map[asset.Kind]int{asset.Env: 1}, Assets: []vault.Asset{env,
		a(asset.Jobs, "moved", "/b"), a(asset.Jobs, "new", "/"), a(asset.Resources, "udf", "/b"), a(asset.Scripts, "dim", "/")}}
	if lost, of := retention.Loss(today, yesterday); lost != 5 || of != 8 {
		t.Errorf("%d of %d", lost, of)
	}
	if lost, of := retention.Loss(today, nil); lost != 0 || of != 0 {
		t.Errorf("%d of %d", lost, of)
	}
}

func TestApply_LeavesABackupThatIsReadUntilThatEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.backup("2026-11-20", vault.Complete)
		w.backup("2026-11-21", vault.Complete)
		opts := retention.Options{Keep: retention.Keep{Daily: 1}}
		first, err := lease.Acquire(t.Context(), w.store, w.vault.UseKey("2026-11-20", "restore-a"), lease.Options{})
		if err != nil {
			t.Fatal(err)
		}
		killed, kill := context.WithCancel(t.Context())
		if _, err := lease.Acquire(killed, w.store, w.vault.UseKey("2026-11-20", "restore-b"), lease.Options{}); err != nil {
			t.Fatal(err)
		}
		kill() // its object stays
		before := w.keys("2026-11-20/")
		began := time.Now()
		out := w.apply(opts)
		wantLeft(t, out, "2026-11-20", "it is being restored from")
		if took := time.Since(began); len(out.Removed) != 0 || !slices.Equal(w.keys("2026-11-20/"), before) || took > time.Minute {
			t.Errorf("%+v after %s, and there is %q", out, took, w.keys(""))
		}
		if err := first.Context().Err(); err != nil {
			t.Errorf("the reading ended: %v", err)
		}
		if err := first.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if out := w.apply(opts); !slices.Equal(out.Removed, []string{"2026-11-20"}) || len(w.keys("leases/")) != 0 {
			t.Errorf("%+v, and there is %q", out, w.keys("leases/"))
		}
	})
}
