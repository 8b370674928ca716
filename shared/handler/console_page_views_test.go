package handler_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// browse asks for a view as a browser does.
func (b *consoleBench) browse(query string) wholeAnswer {
	b.t.Helper()
	return b.ask("GET", "/?"+query, "", map[string]string{"accept": "text/html", "accept-language": "en"})
}

// texts are the words that a view shows, without what is there for the script only.
func texts(t *testing.T, a wholeAnswer) string {
	t.Helper()
	page := parsePageWith(t, a.plain(), a.Status)
	return strings.Join(strings.Fields(textOf(page.all("main")[0])), " ")
}

func TestConsole_Views(t *testing.T) {
	t.Parallel()
	scriptKey := url.QueryEscape(keptAsset{kind: asset.Scripts, name: hostileScript, directory: "/"}.key())
	for name, c := range map[string]struct {
		query      string
		status     int
		shows, not []string
		noStore    bool
	}{
		"a_backup_lists_its_assets":                    {query: "view=backup&backup=2026-11-21", shows: []string{"Backup of 2026-11-21", "COMPLETE", hostileScript, "3 of 3", "sales ws1"}},
		"a_backup_is_searched":                         {query: "view=backup&backup=2026-11-21&q=J&kind=jobs", shows: []string{"1 of 1"}, not: []string{hostileScript}},
		"a_backup_that_is_not_there_is_not_found":      {query: "view=backup&backup=2026-01-01", status: 404, shows: []string{"This cannot be shown", "there is no backup at obs://backups/factory/2026-01-01/"}},
		"a_script_is_shown_with_its_text":              {query: "view=asset&backup=2026-11-21&key=" + scriptKey, shows: []string{hostileScript, "Script (shell)", "echo needle #{Env.get('DAY')}", `"connectionName"`}},
		"variables_are_masked":                         {query: "view=asset&backup=2026-11-21&key=1_env/env.json", shows: []string{"DAY", "null", "Show the values"}, not: []string{"secret-1"}},
		"variables_are_shown_to_who_asks_and_not_kept": {query: "view=asset&backup=2026-11-21&key=1_env/env.json&reveal=true", shows: []string{"secret-1"}, noStore: true},
		"a_graph_shows_what_needs_what":                {query: "view=asset&backup=2026-11-21&show=graph&key=4_jobs/j.job", shows: []string{"jobs j – runs → scripts load"}},
		"a_history_shows_on_which_days":                {query: "view=asset&backup=2026-11-22&show=history&key=" + scriptKey, shows: []string{"2026-11-21", "changed", "2026-11-20", "first", "3 of 3 backups were looked into"}},
		"an_asset_that_is_not_there_is_not_found":      {query: "view=asset&backup=2026-11-22&key=4_jobs/j.job", status: 404, shows: []string{`there is no asset "4_jobs/j.job"`}},
		"backup.json_is_there_to_be_edited":            {query: "view=document&backup=2026-11-21", shows: []string{`"connectionName": "hive_prod"`, "Check, and Show the Difference"}},
		"two_backups_are_compared":                     {query: "view=compare&backup=2026-11-20&other=2026-11-21", shows: []string{"From 2026-11-20 to 2026-11-21", "changed 1", hostileScript, "+echo needle", "-echo 1"}},
		"what_was_removed_is_said":                     {query: "view=compare&backup=2026-11-21&other=2026-11-22&change=removed", shows: []string{"removed 1", "jobs j"}, not: []string{"secret"}},
		"a_live_workspace_needs_settings":              {query: "view=compare&backup=2026-11-21&other=live", shows: []string{"DATAARTS_PROJECT_ID"}},
		"assets_are_found_over_the_days":               {query: "view=find&text=needle", shows: []string{hostileScript, "2, from 2026-11-21 to 2026-11-22"}},
		"nothing_is_looked_for_before_it_is_asked":     {query: "view=find", shows: []string{"Find"}, not: []string{"Found"}},
		"a_plan_can_be_applied":                        {query: "view=restore&id=plan-1", shows: []string{"Plan plan-1", "PLANNED", "Apply This Plan", "overwrite", "nodes[0].name", "1 of 1"}, not: []string{"unchanged_one"}},
		"a_plan_shows_all_of_it":                       {query: "view=restore&id=plan-1&what=all", shows: []string{"unchanged_one", "2 of 2"}},
		"a_restore_that_is_over_can_be_undone":         {query: "view=restore&id=done-1", shows: []string{"Restore done-1", "COMPLETE", "Undo"}},
		"a_restore_that_waits_is_said_to_wait":         {query: "view=restore&id=queued-1", shows: []string{"RUNNING", "The request is stored"}},
		"a_restore_that_is_not_there_is_not_found":     {query: "view=restore&id=no", status: 404, shows: []string{"there is no such restore"}},
		"an_id_that_is_none_is_refused":                {query: "view=restore&id=../x", status: 400, shows: []string{`id: "../x"`}},
		"a_view_that_is_none_is_refused":               {query: "view=nothing", status: 400, shows: []string{`view: "nothing"`}},
		"a_folder_that_is_none_is_refused":             {query: "folder=../x", status: 400, shows: []string{"folder:"}},
		"a_folder_below_the_location":                  {query: "folder=nights&view=backup&backup=2026-11-22", shows: []string{"obs://backups/factory/nights/2026-11-22/"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newConsoleBench(t)
			b.someDays()
			b.backup("factory/nights", "2026-11-22", nil)
			b.report(restore.Report{ID: "plan-1", Status: restore.Planned, Backup: "obs://backups/factory/2026-11-21/", Workspace: "ws1", DuplicateNamePolicy: restore.Overwrite, PlanHash: "abc", StartedAt: time.Now(),
				Message: "1 to overwrite", Request: &restore.Request{ID: "plan-1", Date: "latest", DuplicateNamePolicy: restore.Overwrite, DryRun: true}, Items: []restore.Item{
					{Kind: asset.Jobs, Name: hostileScript, Action: restore.ActionOverwrite, Changes: []restore.Change{{Field: "nodes[0].name", From: "a", To: hostileScript}}},
					{Kind: asset.Jobs, Name: "unchanged_one", Action: restore.ActionUnchanged}}})
			b.report(restore.Report{ID: "done-1", Status: restore.Complete, Backup: "obs://backups/factory/2026-11-21/", StartedAt: time.Now(), Request: &restore.Request{}})
			b.put("factory/restore-requests/queued-1.json", `{"id":"queued-1"}`)
			a := b.browse(c.query)
			want := max(c.status, 200)
			if a.Status != want {
				t.Fatalf("status %d, want %d: %s", a.Status, want, a.Body)
			}
			shown := texts(t, a)
			for _, text := range c.shows {
				if !strings.Contains(shown, text) {
					t.Errorf("%q is not in %q", text, shown)
				}
			}
			for _, text := range c.not {
				if strings.Contains(shown, text) {
					t.Errorf("%q is in %q", text, shown)
				}
			}
			if control := a.Header["Cache-Control"]; c.noStore != (control == "no-store") && want == 200 {
				t.Errorf("Cache-Control %q", control)
			}
			page := parsePageWith(t, a.plain(), want)
			for n := range page.root.Descendants() {
				if n.Type == html.ElementNode && n.Data == "script" && attr(n, "src") == "" || n.Data == "img" {
					t.Errorf("<%s> was smuggled in", n.Data)
				}
			}
		})
	}
}

// What applies a plan is the plan's own backup and workspace, whatever "latest" means by then.
func TestConsole_APlanIsAppliedAsItWasMade(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	b.report(restore.Report{ID: "plan-1", Status: restore.Planned, Backup: "obs://backups/factory/2026-11-21/", Workspace: "ws7", PlanHash: "abc", StartedAt: time.Now(),
		Request: &restore.Request{ID: "plan-1", Date: "latest", Source: "ws1", DuplicateNamePolicy: restore.Skip, DryRun: true, Select: &restore.Select{Names: []string{"ods_*"}}}})
	page := parsePage(t, b.browse("view=restore&id=plan-1").plain())
	for _, form := range page.all("form") {
		if request := attr(form, "data-apply"); request != "" {
			if want := `{"path":"obs://backups/factory/2026-11-21/","duplicateNamePolicy":"skip","select":{"names":["ods_*"]}}`; request != want {
				t.Errorf("the request is %s, want %s", request, want)
			}
			if attr(form, "data-hash") != "abc" {
				t.Errorf("the hash is %q", attr(form, "data-hash"))
			}
			return
		}
	}
	t.Error("there is nothing to apply the plan with")
}

// Ten thousand assets are shown a hundred at a time.
func TestConsole_AViewOfManyAssetsStaysSmall(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	m := vault.Manifest{FormatVersion: vault.FormatVersion, Status: vault.Partial, Missing: []vault.Missing{{Kind: asset.Jobs, Count: 1, Reason: "gone"}}}
	for i := range 10_000 {
		m.Assets = append(m.Assets, vault.Asset{Kind: asset.Jobs, Name: fmt.Sprintf("job_%05d", i), Directory: "/", Key: fmt.Sprintf("4_jobs/job_%05d.job", i), Size: 10, SHA256: strings.Repeat("0", 64)})
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	b.put("factory/2026-11-22/manifest.json", string(text))
	a := b.browse("view=backup&backup=2026-11-22")
	if a.Status != 200 || len(a.Body) > 100_000 || !strings.Contains(texts(t, a), "100 of 10000") {
		t.Errorf("%d, %d bytes", a.Status, len(a.Body))
	}
	if a := b.browse("view=backup&backup=2026-11-22&q=job_09999"); !strings.Contains(texts(t, a), "1 of 1") {
		t.Error(texts(t, a))
	}
	var report restore.Report
	report.ID, report.Status, report.StartedAt = "large", restore.Complete, time.Now()
	for i := range 10_000 {
		report.Items = append(report.Items, restore.Item{Kind: asset.Jobs, Name: fmt.Sprintf("job_%05d", i), Outcome: restore.Created, Changes: []restore.Change{{Field: "x", From: "a", To: "b"}}})
	}
	b.report(report)
	if a := b.browse("view=restore&id=large"); a.Status != 200 || len(a.Body) > 150_000 || !strings.Contains(texts(t, a), "100 of 10000") {
		t.Errorf("%d, %d bytes", a.Status, len(a.Body))
	}
}
