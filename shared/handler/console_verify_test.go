package handler_test

import (
	"context"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

func TestConsole_Verify(t *testing.T) {
	t.Parallel()
	type verification struct {
		Name, Path, Status string
		Faults, Notes      []string
		Chain              *struct {
			Length int
			Breaks []struct{ Folder, Kind, Message string }
		}
	}

	t.Run("a_backup_that_is_as_its_manifest_says_is_verified", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-22", nil)
		a := b.send("POST", "/backups/2026-11-22/verify")
		v := decodeConsole[verification](t, a, 200)
		if v.Status != "VERIFIED" || v.Name != "2026-11-22" || !strings.Contains(a.Body, `"faults": []`) || !strings.Contains(a.Body, `"notes": []`) || !strings.Contains(a.Body, `"breaks": []`) {
			t.Errorf("%s", a.Body)
		}
	})

	t.Run("the_backups_before_it_are_followed", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-20", nil)
		var before *vault.Previous
		for _, name := range []string{"2026-11-21", "2026-11-22"} {
			last, err := b.vault("factory").Before(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			before = &vault.Previous{Path: last.Folder().Path() + "manifest.json", SHA256: last.ManifestSHA256}
			b.backup("factory", name, func(m *vault.Manifest) { m.Previous = before })
		}
		b.put("factory/2026-11-22/progress.json", "{}")
		v := decodeConsole[verification](t, b.send("POST", "/backups/2026-11-22/verify"), 200)
		if v.Status != "VERIFIED" || len(v.Faults) != 0 || len(v.Notes) != 1 || v.Chain == nil || v.Chain.Length != 2 {
			t.Errorf("%+v", v)
		}
		b.remove("factory/2026-11-21/backup.json")
		v = decodeConsole[verification](t, b.send("POST", "/backups/2026-11-22/verify"), 200)
		if v.Status != "CHAIN_BROKEN" || len(v.Faults) != 0 || v.Chain == nil || len(v.Chain.Breaks) != 1 || v.Chain.Breaks[0].Kind != "vanished" || !strings.Contains(v.Chain.Breaks[0].Folder, "/2026-11-21/") {
			t.Errorf("%+v", v)
		}
		b.remove("factory/2026-11-22/4_jobs/nightly.job")
		v = decodeConsole[verification](t, b.send("POST", "/backups/2026-11-22/verify"), 200)
		if v.Status != "DAMAGED" || v.Chain != nil {
			t.Errorf("%+v", v)
		}
	})

	t.Run("every_difference_is_a_fault", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-22", nil)
		b.put("factory/2026-11-22/3_scripts/dim.script", `{"name":"DIM"}`)
		b.remove("factory/2026-11-22/4_jobs/nightly.job")
		b.put("factory/2026-11-22/4_jobs/stranger.job", `{}`)
		v := decodeConsole[verification](t, b.send("POST", "/backups/2026-11-22/verify"), 200)
		if v.Status != "DAMAGED" || len(v.Faults) != 3 {
			t.Fatalf("%+v", v)
		}
		for i, want := range []string{"dim.script has", "nightly.job is not there", "stranger.job is there"} {
			if !strings.Contains(v.Faults[i], want) {
				t.Errorf("fault %q, want %q", v.Faults[i], want)
			}
		}
	})

	t.Run("a_manifest_that_the_commit_does_not_name_is_damage", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.everyState()
		v := decodeConsole[verification](t, b.send("POST", "/backups/2026-11-05/verify"), 200)
		if v.Status != "DAMAGED" || len(v.Faults) != 1 || !strings.Contains(v.Faults[0], "manifest.json has SHA-256") {
			t.Errorf("%+v", v)
		}
	})

	t.Run("what_is_no_complete_backup_is_refused", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.everyState()
		for _, name := range []string{"2026-11-02", "2026-11-03", "2026-11-04", "2026-11-09"} {
			if e := decodeConsole[consoleError](t, b.send("POST", "/backups/"+name+"/verify"), 409); e.Error.Code != "conflict" {
				t.Errorf("%s: %+v", name, e)
			}
		}
	})

	t.Run("an_object_that_the_store_does_not_give_out_is_an_error_and_no_verdict", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-22", nil)
		b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if strings.HasSuffix(c.Key, "dim.script") {
				return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
			}
			return nil
		})
		e := decodeConsole[consoleError](t, b.send("POST", "/backups/2026-11-22/verify"), 500)
		if !strings.Contains(e.Error.Message, "AccessDenied") {
			t.Errorf("%+v", e)
		}
	})

	t.Run("one_that_does_not_end_in_time_says_what_has_longer", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-22", nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if strings.HasSuffix(c.Key, ".script") {
				cancel()
			}
			return nil
		})
		e := decodeConsole[consoleError](t, b.sendWithin(ctx, "POST", "/backups/2026-11-22/verify"), 504)
		if e.Error.Code != "timeout" || !strings.Contains(e.Error.Message, `{"verify": "2026-11-22"}`) {
			t.Errorf("%+v", e)
		}
	})
}
