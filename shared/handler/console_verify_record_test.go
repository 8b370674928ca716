package handler_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

func TestConsole_VerifyLeavesARecord(t *testing.T) {
	t.Parallel()
	type verification struct {
		Status, RequestID, Message string
		Faults, Notes              []string
	}
	record := func(t *testing.T, b *consoleBench, name string) *vault.Verification {
		t.Helper()
		r, err := b.vault("factory").Verification(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	state := func(t *testing.T, b *consoleBench, name string) liveBackup {
		t.Helper()
		one := decodeConsole[liveBackup](t, b.send("GET", "/backups/"+name), 200)
		for _, listed := range decodeConsole[liveList](t, b.send("GET", "/backups"), 200).Backups {
			if listed.Name == name && (listed.Verified == nil) != (one.Verified == nil) {
				t.Errorf("%+v, in the list %+v", one, listed)
			}
		}
		return one
	}

	t.Run("that_stands_with_the_backup", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		at := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
		b.now = func() time.Time { return at }
		b.backup("factory", "2026-11-22", nil)
		if s := state(t, b, "2026-11-22"); s.Verified != nil {
			t.Errorf("before there was one: %+v", s.Verified)
		}
		b.send("POST", "/backups/2026-11-22/verify")
		if s := state(t, b, "2026-11-22"); s.Verified == nil || s.Verified.Status != "VERIFIED" || !s.Verified.At.Equal(at) || s.Verified.Message != "" {
			t.Errorf("%+v", s.Verified)
		}
		if r := record(t, b, "2026-11-22"); r.By != "console" {
			t.Errorf("%+v", r)
		}
		b.remove("factory/2026-11-22/4_jobs/nightly.job")
		b.put("factory/2026-11-22/3_scripts/stranger.script", "x")
		b.send("POST", "/backups/2026-11-22/verify")
		if s := state(t, b, "2026-11-22"); s.Status != "DAMAGED" || s.Message != s.Verified.Message || s.Verified.Status != "DAMAGED" || !strings.HasSuffix(s.Verified.Message, "; and 1 more") || !strings.Contains(s.Verified.Message, "nightly.job") {
			t.Errorf("%+v", s.Verified)
		}
	})

	t.Run("of_a_broken_chain_and_of_a_manifest_that_proves_nothing", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.everyState()
		b.backup("factory", "2026-11-30", func(m *vault.Manifest) {
			m.Previous = &vault.Previous{Path: "obs://backups/factory/2026-11-29/manifest.json", SHA256: "gone"}
		})
		b.send("POST", "/backups/2026-11-30/verify")
		if s := state(t, b, "2026-11-30"); s.Verified == nil || s.Verified.Status != "CHAIN_BROKEN" || !strings.Contains(s.Verified.Message, "2026-11-29") {
			t.Errorf("%+v", s.Verified)
		}
		b.send("POST", "/backups/2026-11-05/verify")
		if s := state(t, b, "2026-11-05"); s.Status != "DAMAGED" || s.Verified == nil || s.Verified.Status != "DAMAGED" {
			t.Errorf("%+v", s)
		}
		manifest, _ := b.objects.GetObject(consoleBucket, "factory/2026-11-05/manifest.json")
		b.put("factory/2026-11-05/manifest.json", strings.Replace(string(manifest), `"other"`, `"sales"`, 1))
		if s := state(t, b, "2026-11-05"); s.Status != "COMPLETE" || s.Verified != nil {
			t.Errorf("it was put right since: %+v", s)
		}
	})

	t.Run("only_where_there_is_a_verdict", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.everyState()
		for _, name := range []string{"2026-11-02", "2026-11-03", "2026-11-04", "2026-11-09"} {
			b.send("POST", "/backups/"+name+"/verify")
		}
		b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if strings.HasSuffix(c.Key, "dim.script") {
				return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
			}
			return nil
		})
		b.send("POST", "/backups/2026-11-01/verify")
		b.objects.Intercept(nil)
		if keys, _ := b.objects.Keys(consoleBucket, "factory/verifications/"); len(keys) > 0 {
			t.Errorf("%q", keys)
		}
	})

	t.Run("and_says_where_it_could_not_be_written", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-22", nil)
		b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if c.Operation == "PutObject" {
				return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
			}
			return nil
		})
		v := decodeConsole[verification](t, b.send("POST", "/backups/2026-11-22/verify"), 200)
		if v.Status != "VERIFIED" || len(v.Notes) != 1 || !strings.Contains(v.Notes[0], "not on record") || !strings.Contains(v.Notes[0], "AccessDenied") {
			t.Errorf("%+v", v)
		}
	})

	t.Run("is_that_of_the_backup_function_where_a_gateway_does_not_wait", func(t *testing.T) {
		t.Parallel()
		b := newPlatformBench(t)
		b.env["BACKUP_LOCATION"] = "obs://" + consoleBucket + "/{workspace}"
		b.backup("ws1", "2026-11-22", nil)
		b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if strings.HasSuffix(c.Key, "dim.script") {
				return &objectstore.Fault{Delay: time.Hour}
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		v := decodeConsole[verification](t, b.sendWithin(ctx, "POST", "/backups/2026-11-22/verify?workspace=ws1"), 202)
		if v.Status != "RUNNING" || v.RequestID == "" || v.Message == "" || v.Faults == nil {
			t.Errorf("%+v", v)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.sent) != 1 || !strings.HasSuffix(b.sent[0], `{"verify":"2026-11-22","workspaces":["ws1"]}`) {
			t.Errorf("%q", b.sent)
		}
	})
}

func TestBackup_VerifyLeavesARecord(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	v := vault.New(f.Store, localtest.Bucket, localtest.Workspace)
	last := func() *vault.Verification {
		t.Helper()
		r, err := v.Verification(t.Context(), "2026-11-22")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if answer, err := f.invoke(f.backup, []byte(`{"verify":"2026-11-22","dryRun":true}`)); err != nil || last() != nil {
		t.Fatalf("a dry run: %s %v %+v", answer, err, last())
	}
	for _, name := range []string{"2026-11-22", "latest"} {
		answer, err := f.invoke(f.backup, []byte(`{"verify":"`+name+`"}`))
		r := last()
		if err != nil || r == nil || r.Status != vault.Verified || r.By != "backup" {
			t.Fatalf("%s: %s %v %+v", name, answer, err, r)
		}
		b, err := v.Folder("2026-11-22").Open(t.Context())
		if err != nil || r.ManifestSHA256 != b.ManifestSHA256 {
			t.Errorf("%+v %v", r, err)
		}
	}
	keys, err := f.Objects.Keys(localtest.Bucket, localtest.Workspace+"/2026-11-22/3_scripts/")
	if err != nil || len(keys) == 0 {
		t.Fatal(keys, err)
	}
	if err := f.Objects.PutObject(localtest.Bucket, keys[0], []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if answer, err := f.invoke(f.backup, []byte(`{"verify":"latest"}`)); err == nil || last().Status != vault.Damaged || len(last().Faults) != 1 {
		t.Errorf("%s %v %+v", answer, err, last())
	}
	// The verdict stays what it is where it cannot be put on record.
	f.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if strings.Contains(c.Key, "/verifications/") {
			return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
		}
		return nil
	})
	answer, err := f.invoke(f.backup, []byte(`{"verify":"2026-11-22"}`))
	if err == nil || !strings.Contains(answer, "the manifest says") || !strings.Contains(answer, "not on record") {
		t.Errorf("%s %v", answer, err)
	}
	if _, err := f.invoke(handler.Backup(handler.Options{Lookup: f.Environment(nil)}), []byte(`{"folder":"verifications"}`)); err == nil {
		t.Error("a backup may lie among the records")
	}
}
