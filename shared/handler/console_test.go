package handler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

func TestConsole_Backups(t *testing.T) {
	t.Parallel()

	t.Run("lists_the_newest_first_with_what_the_manifest_says", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		m := b.backup("factory", "2026-11-21", nil)
		b.backup("factory", "2026-11-22", nil)
		b.backup("factory", "2026-11-22T153000", nil)
		list := decodeConsole[consoleList](t, b.send("GET", "/backups"), 200)
		if got, want := names(list), []string{"2026-11-22T153000", "2026-11-22", "2026-11-21"}; !slices.Equal(got, want) {
			t.Fatalf("names %v, want %v", got, want)
		}
		duration, size := int64(62000), int64(0)
		for _, a := range m.Assets {
			size += a.Size
		}
		want := consoleBackup{Name: "2026-11-21", Path: "obs://backups/factory/2026-11-21/", Status: "COMPLETE",
			Counts:    map[string]int{"env": 3, "scripts": 2, "jobs": 1, "resources": 0},
			StartedAt: &m.StartedAt, FinishedAt: &m.FinishedAt, DurationMS: &duration, Size: &size}
		if diff := cmp.Diff(want, list.Backups[2]); diff != "" {
			t.Error(diff)
		}
		if list.Path != "obs://backups/factory/" || list.Total != 3 || list.Next != "" || list.Workspace != "" {
			t.Errorf("list %+v", list)
		}
	})

	t.Run("says_how_every_folder_stands_and_hides_none", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.everyState()
		list := decodeConsole[consoleList](t, b.send("GET", "/backups"), 200)
		got := map[string]string{}
		for _, f := range list.Backups {
			got[f.Name] = f.Status + ": " + f.Message
		}
		for name, want := range map[string][]string{
			"2026-11-01": {"COMPLETE: "},
			"2026-11-02": {"PARTIAL: 3 assets missing, the first: script \"lost\": 403 from the API"},
			"2026-11-03": {"INCOMPLETE: neither backup.json nor manifest.json is there"},
			"2026-11-04": {"INCOMPLETE: backup.json is not there"},
			"2026-11-05": {"DAMAGED: ", "manifest.json has SHA-256"},
			"2026-11-06": {"DAMAGED: ", "manifest.json is malformed"},
			"2026-11-07": {"DAMAGED: ", "backup.json is malformed", "line 2"},
			"2026-11-08": {"DAMAGED: ", "has no manifest.json"},
			"2026-11-09": {"UNVERIFIED: there is no manifest to verify it against"},
			"2026-11-10": {"COMPLETE: 1 asset changed, appeared or vanished while the backup ran"},
			"2026-11-11": {"PARTIAL: missing: 2 assets of kind jobs: the API claims more than it lists"},
		} {
			for _, part := range want {
				if !strings.Contains(got[name], part) {
					t.Errorf("%s is %q, want %q in it", name, got[name], part)
				}
			}
			delete(got, name)
		}
		if len(got) > 0 {
			t.Errorf("more folders than there should be: %v", got)
		}
	})

	t.Run("says_of_a_folder_that_the_store_does_not_give_out_that_it_is_unreadable", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-21", nil)
		b.backup("factory", "2026-11-22", nil)
		b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if c.Operation == "GetObject" && c.Key == "factory/2026-11-21/manifest.json" {
				return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
			}
			return nil
		})
		list := decodeConsole[consoleList](t, b.send("GET", "/backups"), 200)
		if len(list.Backups) != 2 || list.Backups[0].Status != "COMPLETE" || list.Backups[1].Status != "UNREADABLE" || !strings.Contains(list.Backups[1].Message, "AccessDenied") {
			t.Errorf("backups %+v", list.Backups)
		}
	})

	t.Run("is_empty_for_an_empty_bucket", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		for _, location := range []string{"obs://backups", "obs://backups/factory", "obs://backups/{workspace}"} {
			b.env["BACKUP_LOCATION"] = location
			a := b.send("GET", "/backups")
			if list := decodeConsole[consoleList](t, a, 200); list.Total != 0 || !strings.Contains(a.Body, `"backups": []`) {
				t.Errorf("%s: %s", location, a.Body)
			}
		}
	})

	t.Run("reads_no_more_folders_than_it_answers_with", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.many(1000)
		before := b.objects.Calls("GetObject")
		list := decodeConsole[consoleList](t, b.send("GET", "/backups"), 200)
		if list.Total != 1000 || len(list.Backups) != 100 || list.Next == "" || list.Next != list.Backups[99].Name {
			t.Fatalf("total %d, %d backups, next %q", list.Total, len(list.Backups), list.Next)
		}
		if gets := b.objects.Calls("GetObject") - before; gets != 200 {
			t.Errorf("%d objects were read for 100 backups, want backup.json and manifest.json of each", gets)
		}
		if lists := b.objects.Calls("ListObjects"); lists > 6 { // four pages of folders, the records of verifications, and the last drills
			t.Errorf("%d listings for 1000 folders", lists)
		}
		// Page by page, every backup comes once.
		seen := names(list)
		for list.Next != "" {
			list = decodeConsole[consoleList](t, b.send("GET", "/backups?limit=300&after="+list.Next), 200)
			seen = append(seen, names(list)...)
		}
		if len(seen) != 1000 || !slices.IsSortedFunc(seen, func(x, y string) int { return strings.Compare(y, x) }) || len(slices.Compact(seen)) != 1000 {
			t.Errorf("%d backups over all pages", len(seen))
		}
	})

	t.Run("names_every_fault_of_a_request_at_once", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.env["BACKUP_LOCATION"] = "obs://backups/{workspace}"
		e := decodeConsole[consoleError](t, b.send("GET", "/backups?limit=0&after=yesterday&workspace=../other"), 400)
		for _, want := range []string{`limit: "0"`, `after: "yesterday"`, `workspace: "../other"`} {
			if e.Error.Code != "invalid" || !strings.Contains(e.Error.Message, want) {
				t.Errorf("error %+v, want %s in it", e, want)
			}
		}
		e = decodeConsole[consoleError](t, b.send("GET", "/backups?limit=5&limit=6&workspace=ws1"), 400)
		if !strings.Contains(e.Error.Message, "limit: given 2 times") {
			t.Errorf("error %+v", e)
		}
	})
}

func TestConsole_Workspaces(t *testing.T) {
	t.Parallel()

	t.Run("are_those_with_a_folder_below_the_root", func(t *testing.T) {
		t.Parallel()
		for location, prefix := range map[string]string{
			"obs://backups/factory/{workspace}":                "factory/%s",
			"obs://backups/factory/{workspace}/daily":          "factory/%s/daily",
			"obs://backups/factory/ws-{workspace}-{workspace}": "factory/ws-%[1]s-%[1]s",
		} {
			b := newConsoleBench(t)
			b.env["BACKUP_LOCATION"] = location
			b.put("factory/restores/x/report.json", "{}")
			b.put("factory/restore-requests/x.json", "{}")
			for _, id := range []string{"alpha", "beta"} {
				b.backup(fmt.Sprintf(prefix, id), "2026-11-22", nil)
			}
			e := decodeConsole[consoleError](t, b.send("GET", "/backups"), 400)
			if want := "workspace: missing, want one of alpha, beta"; e.Error.Message != want {
				t.Errorf("%s: %q, want %q", location, e.Error.Message, want)
			}
			list := decodeConsole[consoleList](t, b.send("GET", "/backups?workspace=beta"), 200)
			if list.Workspace != "beta" || len(list.Backups) != 1 || list.Backups[0].Path != "obs://backups/"+fmt.Sprintf(prefix, "beta")+"/2026-11-22/" {
				t.Errorf("%s: %+v", location, list)
			}
		}
	})

	t.Run("the_only_one_need_not_be_named", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.env["BACKUP_LOCATION"] = "obs://backups/{workspace}"
		b.backup("alpha", "2026-11-22", nil)
		if list := decodeConsole[consoleList](t, b.send("GET", "/backups"), 200); list.Workspace != "alpha" || len(list.Backups) != 1 {
			t.Errorf("%+v", list)
		}
	})

	t.Run("one_s_backups_are_not_passed_off_as_another_s", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-22", nil)
		b.env["DATAARTS_WORKSPACES"] = "alpha"
		decodeConsole[consoleList](t, b.send("GET", "/backups?workspace=alpha"), 200)
		e := decodeConsole[consoleError](t, b.send("GET", "/backups?workspace=beta"), 400)
		if !strings.Contains(e.Error.Message, "not kept by workspace") {
			t.Errorf("%+v", e)
		}
	})
}

func TestConsole_Backup(t *testing.T) {
	t.Parallel()
	type detail struct {
		consoleBackup
		Manifest *struct {
			Workspace     vault.Workspace
			SHA256        string
			Drift         []vault.Drift
			Missing       []vault.Missing
			FormatVersion int
		}
		Total  int
		Assets []vault.Asset
		Next   string
	}

	t.Run("tells_the_facts_and_the_assets_of_the_manifest", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		m := b.backup("factory", "2026-11-22", nil)
		d := decodeConsole[detail](t, b.send("GET", "/backups/2026-11-22"), 200)
		stored, _ := b.objects.GetObject(consoleBucket, "factory/2026-11-22/manifest.json")
		if d.Status != "COMPLETE" || d.Manifest == nil || d.Manifest.Workspace != m.Workspace || d.Manifest.SHA256 != vault.Hash(stored) || d.Total != 4 {
			t.Errorf("detail %+v", d)
		}
		if diff := cmp.Diff(m.Assets, d.Assets); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("pages_through_the_assets", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		m := b.backup("factory", "2026-11-22", nil)
		var keys []string
		for after := ""; ; {
			d := decodeConsole[detail](t, b.send("GET", "/backups/2026-11-22?limit=3&after="+after), 200)
			for _, a := range d.Assets {
				keys = append(keys, a.Key)
			}
			if after = d.Next; after == "" {
				break
			}
		}
		var want []string
		for _, a := range m.Assets {
			want = append(want, a.Key)
		}
		if !slices.Equal(keys, want) {
			t.Errorf("keys %v, want %v", keys, want)
		}
	})

	t.Run("shows_a_damaged_one_without_what_its_manifest_claims", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.everyState()
		d := decodeConsole[detail](t, b.send("GET", "/backups/2026-11-05"), 200)
		if d.Status != "DAMAGED" || d.Manifest != nil || len(d.Assets) != 0 || d.Assets == nil {
			t.Errorf("detail %+v", d)
		}
		d = decodeConsole[detail](t, b.send("GET", "/backups/2026-11-02"), 200)
		if d.Status != "PARTIAL" || d.Manifest == nil || len(d.Manifest.Missing) != 2 {
			t.Errorf("detail %+v", d)
		}
	})

	t.Run("is_not_found_where_there_is_no_folder", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-22T153000", nil)
		for _, target := range []string{"/backups/2026-11-22", "/backups/2026-11-23"} {
			if e := decodeConsole[consoleError](t, b.send("GET", target), 404); e.Error.Code != "not_found" {
				t.Errorf("%s: %+v", target, e)
			}
		}
		decodeConsole[consoleError](t, b.send("POST", "/backups/2026-11-22/verify"), 404)
	})

	t.Run("is_refused_for_what_is_no_name", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		for _, name := range []string{"..", "latest", "2026-13-01", "2026-11-22T1530", "<script>", "restores"} {
			e := decodeConsole[consoleError](t, b.send("GET", "/backups/"+name), 400)
			if !strings.Contains(e.Error.Message, "want the name of a backup") {
				t.Errorf("%s: %+v", name, e)
			}
		}
		decodeConsole[consoleError](t, b.send("POST", "/backups//verify"), 400)
	})
}

func names(list consoleList) []string {
	var all []string
	for _, b := range list.Backups {
		all = append(all, b.Name)
	}
	return all
}

// everyState writes a folder in each of the states that a folder can have.
func (b *consoleBench) everyState() {
	b.t.Helper()
	partial := func(missing ...vault.Missing) func(*vault.Manifest) {
		return func(m *vault.Manifest) { m.Status, m.Missing = vault.Partial, missing }
	}
	b.backup("factory", "2026-11-01", nil)
	b.backup("factory", "2026-11-02", partial(vault.Missing{Kind: asset.Scripts, Name: "lost", Reason: "403 from the API"}, vault.Missing{Kind: asset.Jobs, Count: 2, Reason: "unlisted"}))
	b.put("factory/2026-11-03/4_jobs/a.job", "{}")
	b.backup("factory", "2026-11-04", nil)
	b.remove("factory/2026-11-04/backup.json")
	b.backup("factory", "2026-11-05", nil)
	text, _ := b.objects.GetObject(consoleBucket, "factory/2026-11-05/manifest.json")
	b.put("factory/2026-11-05/manifest.json", strings.Replace(string(text), `"sales"`, `"other"`, 1))
	b.put("factory/2026-11-06/manifest.json", `{"formatVersion": 1, `)
	b.backup("factory", "2026-11-07", nil)
	b.put("factory/2026-11-07/backup.json", "{\n  broken")
	b.backup("factory", "2026-11-08", nil)
	b.remove("factory/2026-11-08/manifest.json")
	b.put("factory/2026-11-09/backup.json", `{"jobs": {}, "scripts": {}}`)
	b.backup("factory", "2026-11-10", func(m *vault.Manifest) {
		m.Drift = []vault.Drift{{Kind: asset.Jobs, Name: "nightly", Change: "changed"}}
	})
	b.backup("factory", "2026-11-11", partial(vault.Missing{Kind: asset.Jobs, Count: 2, Reason: "the API claims more than it lists"}))
}

// many writes so many complete backups, a day apart.
func (b *consoleBench) many(n int) {
	b.t.Helper()
	b.backup("template", "2020-01-01", nil)
	for _, object := range []string{"manifest.json", "backup.json"} {
		text, _ := b.objects.GetObject(consoleBucket, "template/2020-01-01/"+object)
		day := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
		for i := range n {
			b.put("factory/"+vault.NightlyName(day.AddDate(0, 0, i))+"/"+object, string(text))
		}
	}
}
