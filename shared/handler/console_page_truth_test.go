package handler_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// The strip says COMPLETE of a folder that the table below it says is DAMAGED.
func TestConsole_TheStripAndTheTableAgree(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	b.now = func() time.Time { return time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC) }
	b.backup("factory", "2026-11-22", nil)
	key := "factory/2026-11-22/manifest.json"
	data, _, err := store.ReadAll(t.Context(), b.client.Bucket(consoleBucket), key, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	b.put(key, strings.Replace(string(data), `"nightly"`, `"another"`, 1)) // behind the first fields
	page := b.browse("").plain().Body
	if strings.Contains(page, "2026-11-22: COMPLETE") && strings.Contains(page, `<b class="s DAMAGED">`) {
		t.Error("the strip says 2026-11-22: COMPLETE, the table says DAMAGED")
	}
}

// A change that does not exist is not the same as no difference.
func TestConsole_AChangeThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	b.backup("factory", "2026-11-21", nil)
	b.backup("factory", "2026-11-22", func(m *vault.Manifest) { m.Assets = m.Assets[:3]; m.Counts["jobs"] = 0; m.Totals["jobs"] = 0 })
	if a := b.browse("view=compare&backup=2026-11-21&other=2026-11-22&change=bogus"); a.Status != http.StatusBadRequest {
		t.Errorf("status %d, want 400: %s", a.Status, texts(t, a))
	}
}

// Bad input is no failure of the function.
func TestConsole_ACursorOfRestorationsThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	if a := b.browse("restored=%3Cscript%3E"); a.Status != http.StatusBadRequest {
		t.Errorf("status %d, want 400", a.Status)
	}
}

// "Export these as a zip" gives what is shown.
func TestConsole_TheExportLinkSelectsWhatIsShown(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	b.backup("factory", "2026-11-22", nil)
	for _, q := range []string{"DIM", "dim"} {
		page := b.browse("view=backup&backup=2026-11-22&q=" + q).plain().Body
		if !strings.Contains(page, "1 of 1") {
			t.Fatalf("%s is not shown", q)
		}
		link := regexp.MustCompile(`href="(backups/[^"]*/export[^"]*)"`).FindStringSubmatch(page)
		if a := b.send("GET", "/"+html.UnescapeString(link[1])); a.Status != http.StatusOK {
			t.Errorf("%s: the page shows one asset, and its zip is %d: %s", q, a.Status, a.Body)
		}
	}
}

// "Restore This" restores this.
func TestConsole_RestoreThisSelectsThis(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	b.backup("factory", "2026-11-22", nil)
	if page := b.browse("view=asset&backup=2026-11-22&key=3_scripts/dim.script").plain().Body; !strings.Contains(page, `name="names" value="dim"`) || strings.Contains(page, `value="jobs" checked`) {
		t.Error("Restore This, of a script, would restore other assets as well")
	}
	page := b.browse("view=asset&backup=2026-11-22&key=1_env/env.json").plain().Body
	for _, kind := range []string{"jobs", "scripts", "resources"} {
		if strings.Contains(page, `name="kinds" value="`+kind+`" checked`) {
			t.Errorf("Restore This, of the environment variables, would restore all %s as well", kind)
		}
	}
}

func TestConsole_ABackupLeadsToTheOneBeforeIt(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	b.backup("factory", "2026-11-21", nil)
	b.backup("factory", "2026-11-22", func(m *vault.Manifest) {
		m.Previous = &vault.Previous{Path: "obs://backups/factory/2026-11-21/manifest.json", SHA256: strings.Repeat("0", 64)}
	})
	if page := b.browse("view=backup&backup=2026-11-22").plain().Body; !strings.Contains(html.UnescapeString(page), "?backup=2026-11-21&other=2026-11-22&view=compare") {
		t.Error(page)
	}
}
