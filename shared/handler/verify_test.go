package handler_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

func TestBackup_Verify(t *testing.T) {
	t.Parallel()
	const location = localtest.Workspace + "/"
	// nights takes two more backups after that of the 22nd.
	nights := func(t *testing.T, f *functions) {
		for i := 1; i <= 2; i++ {
			if answer, err := f.invoke(f.backup, functiongraph.TimerEvent("nightly", midnight.AddDate(0, 0, i), "")); err != nil {
				t.Fatal(answer, err)
			}
		}
	}
	drop := func(t *testing.T, f *functions, prefix string) {
		keys, err := f.Objects.Keys(localtest.Bucket, location+prefix)
		if err != nil || len(keys) == 0 {
			t.Fatalf("%q %v", keys, err)
		}
		for _, key := range keys {
			if err := f.Objects.DeleteObject(localtest.Bucket, key); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		payload []byte
		change  func(*testing.T, *functions)
		want    []string // in the answer
		failure string   // in the error; empty: none
	}{
		"the_latest_by_a_timer": {functiongraph.TimerEvent("check", midnight, `{"verify":"latest"}`), nil,
			[]string{`"status":"COMPLETE"`, location + `2026-11-24/"`, "no object more and none less", "the chain of 2 backups before it is whole"}, ""},
		"one_by_its_name": {[]byte(`{"verify":"2026-11-23"}`), nil, []string{location + `2026-11-23/"`, "the chain of 1 backup before it is whole"}, ""},
		"the_first":       {[]byte(`{"verify":"2026-11-22"}`), nil, []string{"the chain of 0 backups before it is whole"}, ""},
		"with_what_a_run_left_behind": {[]byte(`{"verify":"latest"}`), func(t *testing.T, f *functions) {
			if err := f.Objects.PutObject(localtest.Bucket, location+"2026-11-24/progress.json", []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}, []string{`"status":"COMPLETE"`, "progress.json is there: a run left it behind, and it does no harm"}, ""},
		"before_which_a_day_vanished": {[]byte(`{"verify":"latest"}`), func(t *testing.T, f *functions) { drop(t, f, "2026-11-22/") },
			[]string{`"status":"FAILED","backups"`, `"counts":{"env":`}, "the backup itself is what its manifest says; but the chain of backups before it is broken: obs://dataarts-backup/" + location + "2026-11-22/ has vanished"},
		"before_which_a_day_vanished_with_what_to_do": {[]byte(`{"verify":"latest"}`), func(t *testing.T, f *functions) { drop(t, f, "2026-11-22/") },
			[]string{"Find out who deleted or altered that", "removed/", "docs/format.md"}, "broken"},
		"that_is_damaged": {[]byte(`{"verify":"latest"}`), func(t *testing.T, f *functions) { drop(t, f, "2026-11-24/1_env/") },
			[]string{`"status":"FAILED"`, `"counts":{}`}, "1_env/env.json is not there"},
		"that_never_was": {[]byte(`{"verify":"2026-11-20"}`), nil, []string{`"status":"FAILED"`},
			"there is no complete backup (no backup.json); there is no object in it, and no tombstone says that retention removed it"},
		"the_latest_with_unfinished_ones_after_it": {[]byte(`{"verify":"latest"}`), func(t *testing.T, f *functions) {
			if err := f.Objects.PutObject(localtest.Bucket, location+"2026-11-25/progress.json", []byte("{}")); err != nil {
				t.Fatal(err)
			}
			f.partial(midnight.AddDate(0, 0, 4))
		}, []string{`"status":"COMPLETE"`, location + `2026-11-24/"`, "; newer, and no backup to restore from: 2026-11-25 is INCOMPLETE, 2026-11-26 is PARTIAL"}, ""},
		"that_is_PARTIAL": {[]byte(`{"verify":"2026-11-26"}`), func(_ *testing.T, f *functions) { f.partial(midnight.AddDate(0, 0, 4)) },
			[]string{`"status":"FAILED"`}, "2026-11-26/ is PARTIAL and was never completed; missing: environment variables: "},
		"the_latest_of_nothing": {[]byte(`{"verify":"latest","folder":"elsewhere"}`), nil, []string{`"status":"FAILED"`, location + `elsewhere/"`}, "there is no complete backup"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFunctions(t)
			nights(t, f)
			if c.change != nil {
				c.change(t, f)
			}
			answer, err := f.invoke(f.backup, c.payload)
			for _, want := range c.want {
				if !strings.Contains(answer, want) {
					t.Errorf("%s is not in %s", want, answer)
				}
			}
			if (err != nil) != (c.failure != "") || err != nil && !strings.Contains(err.Error(), c.failure) {
				t.Errorf("%v, want %q", err, c.failure)
			}
		})
	}

	t.Run("after_retention_removed_days_the_chain_is_whole", func(t *testing.T) {
		t.Parallel()
		f := newFunctions(t)
		f.backup = handler.Backup(handler.Options{Lookup: f.Environment(map[string]string{"BACKUP_KEEP": "daily=1"})})
		nights(t, f)
		if keys, err := f.Objects.Keys(localtest.Bucket, location+"2026-11-22/"); err != nil || len(keys) != 0 {
			t.Fatalf("%q %v", keys, err)
		}
		answer, err := f.invoke(f.backup, []byte(`{"verify":"latest"}`))
		if err != nil || !strings.Contains(answer, "the chain of 2 backups before it is whole") {
			t.Errorf("%s %v", answer, err)
		}
		if answer, err = f.invoke(f.backup, []byte(`{"verify":"2026-11-22"}`)); err == nil || !strings.Contains(answer, "2026-11-22/ is gone: retention removed it on 20") || !strings.Contains(answer, "daily=1") {
			t.Errorf("a removed day: %s %v", answer, err)
		}
	})
}

// partial is a night in which the environment variables may not be read.
func (f *functions) partial(at time.Time) string {
	f.t.Helper()
	f.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowFactoryEnv {
			return &dataarts.Fault{Status: http.StatusBadRequest, Code: "DLF.6888"}
		}
		return nil
	})
	answer, err := f.invoke(f.backup, functiongraph.TimerEvent("nightly", at, ""))
	if err == nil || !strings.Contains(answer, `"status":"PARTIAL"`) {
		f.t.Fatalf("%s %v", answer, err)
	}
	f.DataArts.Intercept(nil)
	return answer
}

func TestBackup_ErrorsSayWhatCanBeDone(t *testing.T) {
	t.Parallel()
	t.Run("a_bucket_that_does_not_exist_is_named", func(t *testing.T) {
		t.Parallel()
		f := newFunctions(t)
		h := handler.Backup(handler.Options{Lookup: f.Environment(map[string]string{"BACKUP_LOCATION": "obs://no-such-bucket/{workspace}"})})
		for _, payload := range []string{`{}`, `{"verify":"latest"}`, `{"verify":"2026-11-22"}`} {
			if answer, err := f.invoke(h, []byte(payload)); err == nil || !strings.Contains(answer, `"message":"the bucket no-such-bucket of BACKUP_LOCATION does not exist: `) {
				t.Errorf("%s: %s %v", payload, answer, err)
			}
		}
	})

	const rights = "look at the DataArts Studio permissions of the agency or user"
	t.Run("a_workspace_that_may_not_be_read_names_the_rights_to_look_at", func(t *testing.T) {
		t.Parallel()
		f := newFunctions(t)
		f.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
			if op == dataarts.ListManagerWorkSpaces {
				return nil
			}
			return &dataarts.Fault{Status: http.StatusForbidden, Code: "APIGW.0305"}
		})
		if answer, err := f.invoke(f.backup, []byte(`{}`)); err == nil || !strings.Contains(answer, rights) || !strings.Contains(err.Error(), rights) {
			t.Errorf("%s %v", answer, err)
		}
	})
	t.Run("so_does_an_asset_that_may_not_be_read", func(t *testing.T) {
		t.Parallel()
		f := newFunctions(t)
		if answer := f.partial(midnight.AddDate(0, 0, 1)); !strings.Contains(answer, "environment variables are missing") || !strings.Contains(answer, rights) {
			t.Errorf("%s", answer)
		}
	})
}

// A verification asks DataArts for nothing, not even for the workspace's name: that is the manifest's.
func TestBackup_AVerificationThatFailsNamesTheWorkspaceAsItsBackupDoes(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	h, people := f.telling(map[string]string{})
	v := vault.New(f.Store, localtest.Bucket, localtest.Workspace)
	b, err := v.Folder("2026-11-22").Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Objects.DeleteObject(localtest.Bucket, localtest.Workspace+"/2026-11-22/"+b.Manifest.Assets[1].Key); err != nil {
		t.Fatal(err)
	}
	if answer, err := f.invoke(h, []byte(`{"verify":"2026-11-22"}`)); err == nil {
		t.Fatal(answer)
	}
	name := b.Manifest.Workspace.Name
	if messages := people.Messages(); name == "" || len(messages) != 1 || !strings.Contains(messages[0].Text, name) {
		t.Errorf("want %q told: %+v", name, messages)
	}
}
