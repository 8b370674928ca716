package browser_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/browser/chromium"
	"github.com/dataarts-backup/dataarts-backup/infra/browser/world"
	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
)

// nights starts a cloud with a workspace and some nights, and returns the names of the backups.
func nights(t *testing.T, n int) (*world.World, []string) {
	t.Helper()
	w := start(t, local.Options{}).Fill(sample.Options{})
	return w, w.Nights(world.Midnights(time.Now(), n))
}

func TestBackup(t *testing.T) {
	t.Parallel()
	w, names := nights(t, 3)
	last := names[2]
	// opened is the last backup, opened from the list.
	opened := func(t *testing.T) *chromium.Tab {
		tab := open(t, w, chromium.View{}, "")
		row(tab, last).Click("link", last)
		tab.Wait("heading", "Backup of "+last)
		tab.Settle()
		return tab
	}
	// asset is one of its assets, opened from there.
	asset := func(t *testing.T, name string) *chromium.Tab {
		tab := opened(t)
		tab.Fill("searchbox", "Name or directory", name)
		tab.Until("only what fits", `document.querySelectorAll('table.assets tbody tr').length === 1`)
		tab.Part("table.assets", name).Click("link", name)
		tab.Wait("heading", name)
		tab.Settle()
		return tab
	}

	t.Run("shows_its_counts_and_its_state", func(t *testing.T) {
		t.Parallel()
		tab := opened(t)
		tab.WaitText("COMPLETE", "env 5", "resources 6", "scripts 18", "jobs 24", "obs://"+local.Bucket+"/"+world.Folder(last), "not yet")
	})

	t.Run("is_verified_now", func(t *testing.T) {
		t.Parallel()
		tab := open(t, w, chromium.View{}, "")
		row(tab, names[1]).Click("link", names[1])
		tab.Click("button", "Verify Now")
		tab.WaitText("Verified: every byte is as the manifest says.")
		tab.Reload()
		tab.Until("the verdict to be kept", `!document.querySelector('dl.facts').innerText.includes('not yet')`)
	})

	t.Run("finds_assets_while_one_types_and_keeps_the_search_in_the_address", func(t *testing.T) {
		t.Parallel()
		tab := opened(t)
		tab.Fill("searchbox", "Name or directory", "orders")
		tab.Until("only what fits", `(rows => rows.length > 1 && rows.every(r => r.innerText.includes('orders')))([...document.querySelectorAll('table.assets tbody tr')])`)
		tab.Choose("Kind", "scripts")
		tab.Until("only scripts", `[...document.querySelectorAll('table.assets tbody tr')].every(r => r.innerText.includes('scripts') && r.innerText.includes('orders'))`)
		if address := tab.Address(); !strings.Contains(address, "q=orders") || !strings.Contains(address, "kind=scripts") {
			t.Errorf("the address is %s", address)
		}
		tab.Fill("searchbox", "Name or directory", "nothing like it")
		tab.WaitText("There is no such asset in this backup.")
		tab.Fill("searchbox", "Name or directory", "")
		tab.Choose("Kind", "all")
		tab.Until("all of them", `document.querySelectorAll('table.assets tbody tr').length > 40`)
	})

	t.Run("shows_a_script_with_colours", func(t *testing.T) {
		t.Parallel()
		tab := asset(t, "dwd_orders_hivesql")
		tab.WaitText("INSERT OVERWRITE TABLE", "region <> 'test'", "mrs_hive_prod")
		if n := chromium.Eval[int](tab, `document.querySelectorAll('pre.code span[class], pre.code b, pre.code i').length`); n < 5 {
			t.Errorf("%d parts of the text have colours", n)
		}
		accessible(t, tab, "a script")
	})

	t.Run("masks_values_of_variables_until_asked_for", func(t *testing.T) {
		t.Parallel()
		tab := asset(t, "env")
		tab.WaitText("alarm_url")
		if strings.Contains(chromium.Eval[string](tab, "document.documentElement.outerHTML"), "hooks.example.invalid") {
			t.Error("a value is in the page before anybody asked for it")
		}
		tab.Click("link", "Show the values")
		tab.WaitText("hooks.example.invalid")
	})

	t.Run("draws_the_graph_of_a_job", func(t *testing.T) {
		t.Parallel()
		tab := asset(t, "ads_orders_df")
		tab.Click("link", "Graph")
		tab.Until("the picture", `document.querySelectorAll('svg').length === 1 && document.querySelector('svg').getBoundingClientRect().width > 100`)
		tab.Until("the job in it", `[...document.querySelectorAll('svg text')].some(t => t.textContent.includes('ads_orders_df'))`)
		accessible(t, tab, "the graph")
	})

	t.Run("tells_which_days_changed_an_asset", func(t *testing.T) {
		t.Parallel()
		tab := asset(t, "dwd_orders_hivesql")
		tab.Click("link", "History")
		tab.Until("three nights", `['`+names[1]+`', '`+names[2]+`'].every(n => [...document.querySelectorAll('table.history tbody tr')].some(r => r.innerText.includes(n)))`)
		accessible(t, tab, "the history")
		tab.Until("the history", `document.querySelectorAll('table.history tbody tr').length === 3`)
		tab.Part("table.history tbody tr:first-child", names[2]).Click("link", "What changed")
		tab.Wait("heading", "From "+names[1]+" to "+names[2])
		tab.Settle()
		tab.Part("details.item summary", "dwd_orders_hivesql").Hit()
		tab.WaitText("revision 2")
	})

	t.Run("gives_the_assets_that_are_shown_as_a_zip", func(t *testing.T) {
		t.Parallel()
		tab := opened(t)
		tab.Fill("searchbox", "Name or directory", "dwd_orders_hivesql")
		tab.Until("only what fits", `document.querySelectorAll('table.assets tbody tr').length === 1`)
		tab.Click("link", "Export these as a zip")
		name, content := tab.Downloaded()
		archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
		if err != nil || !strings.HasSuffix(name, ".zip") {
			t.Fatalf("%s: %v", name, err)
		}
		var files []string
		for _, f := range archive.File {
			files = append(files, f.Name)
		}
		if !slices.ContainsFunc(files, func(f string) bool { return strings.Contains(f, "dwd_orders_hivesql") }) || slices.ContainsFunc(files, func(f string) bool { return strings.HasSuffix(f, ".job") }) {
			t.Errorf("the zip holds %q", files)
		}
	})
}

func TestDocument(t *testing.T) {
	t.Parallel()
	w, names := nights(t, 1)
	key := world.Folder(names[0]) + "backup.json"
	before := w.Object(key)
	tab := open(t, w, chromium.View{}, "")
	row(tab, names[0]).Click("link", names[0])
	tab.Wait("heading", "Backup of "+names[0])
	tab.Click("link", "Edit backup.json")
	tab.Wait("heading", "backup.json")
	text := tab.Value("textbox", "backup.json")
	if strings.TrimSpace(text) != strings.TrimSpace(string(before)) {
		t.Fatalf("the page has %.200q, the bucket %.200q", text, before)
	}
	accessible(t, tab, "backup.json")
	if !tab.Is("button", "Save", "disabled") {
		t.Error("what was not checked can be saved")
	}

	// An illegal edit is refused, with the line.
	broken := strings.Replace(text, `"formatVersion": 1`, `"formatVersion": 2`, 1)
	if broken == text {
		t.Fatalf("backup.json has no formatVersion: %.200s", text)
	}
	tab.Fill("textbox", "backup.json", broken)
	tab.Click("button", "Check")
	tab.WaitText("line 2", "formatVersion")
	if !tab.Is("button", "Save", "disabled") {
		t.Error("an illegal edit can be saved")
	}
	if !bytes.Equal(before, w.Object(key)) {
		t.Error("an illegal edit changed the bucket")
	}

	// A legal edit shows what it changes, and is saved.
	edited := strings.Replace(text, `"clusterName": "cdm-prod"`, `"clusterName": "cdm-dr"`, 1)
	tab.Fill("textbox", "backup.json", edited)
	tab.Click("button", "Check")
	tab.WaitText("The edit is legal", "+", "cdm-dr")
	if !bytes.Equal(before, w.Object(key)) {
		t.Error("a check changed the bucket")
	}
	tab.Click("button", "Save")
	tab.WaitText("Saved.")
	if after := w.Object(key); !json.Valid(after) || !bytes.Contains(after, []byte("cdm-dr")) {
		t.Errorf("stored is %.200s", after)
	}

	// Somebody else's edit in between is not overwritten.
	if err := w.Store.PutObject(local.Bucket, key, before); err != nil {
		t.Fatal(err)
	}
	tab.Fill("textbox", "backup.json", strings.Replace(text, `"clusterName": "cdm-prod"`, `"clusterName": "cdm-other"`, 1))
	tab.Click("button", "Check")
	tab.WaitText("That did not work:")
	if !bytes.Equal(before, w.Object(key)) {
		t.Error("somebody else's edit was overwritten")
	}
}
