package handler_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

func TestConsole_Page(t *testing.T) {
	t.Parallel()

	t.Run("shows_backups_and_restorations", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.everyState()
		b.report(restore.Report{ID: "20261122T090000Z-1", Status: restore.Partial, Backup: "obs://backups/factory/2026-11-01/", Workspace: "ws2",
			DuplicateNamePolicy: "overwrite", StartedAt: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), Message: "1 of 2 failed",
			Items: []restore.Item{{Kind: asset.Jobs, Name: "a", Outcome: restore.Created}, {Kind: asset.Jobs, Name: "b", Action: restore.ActionCreate}}})
		b.report(restore.Report{ID: "a-newer-one", Status: restore.Complete, StartedAt: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)})
		b.put("factory/restores/torn/report.json", `{"id": `)
		b.put("factory/restores/leases/ws2.json", `{}`)
		a := b.send("GET", "/")
		page := parsePage(t, a)

		backups := page.rows("backups")
		if len(backups) != 11 {
			t.Fatalf("%d backups: %v", len(backups), backups)
		}
		if want := "2026-11-01 obs://backups/factory/2026-11-01/|COMPLETE|env 3 resources 0 scripts 2 jobs 1|61 B|1 min 2 s|2026-11-22 00:01:05 UTC|–|Restore"; backups[10] != want {
			t.Errorf("row %q,\nwant %q", backups[10], want)
		}
		for i, want := range map[int]string{2: "|UNVERIFIED there is no manifest", 6: "|DAMAGED obs://backups/factory/2026-11-05/backup.json: line 8, column 21, manifestSha256: manifest.json has SHA-256", 8: "|INCOMPLETE neither", 9: "|PARTIAL 3 assets missing"} {
			if !strings.Contains(backups[i], want) {
				t.Errorf("row %q, want %q in it", backups[i], want)
			}
		}
		restorations := page.rows("restorations")
		if len(restorations) != 3 {
			t.Fatalf("restorations %v", restorations)
		}
		for i, want := range []string{"torn|–|–|–|–|DAMAGED|read the report", "2026-11-23 09:00:00 UTC|",
			"2026-11-22 09:00:00 UTC|obs://backups/factory/2026-11-01/|ws2|overwrite|1 of 2|PARTIAL|1 of 2 failed"} {
			if !strings.HasPrefix(restorations[i], want) {
				t.Errorf("row %q, want %q", restorations[i], want)
			}
		}
	})

	t.Run("says_sizes_and_durations_in_units_that_people_use", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		started := time.Date(2026, 11, 22, 0, 0, 0, 0, time.FixedZone("", 3600))
		for i, c := range []struct {
			size     int64
			duration time.Duration
			want     string
		}{
			{0, 0, "0 B|0 ms|2026-11-21 23:00:00 UTC"},
			{1023, 999 * time.Millisecond, "1023 B|999 ms|2026-11-21 23:00:00 UTC"},
			{1024, 59990 * time.Millisecond, "1.0 KiB|59.9 s|2026-11-21 23:00:59 UTC"},
			{1<<20 - 1, time.Hour - time.Second, "1.0 MiB|59 min 59 s|2026-11-21 23:59:59 UTC"},
			{5 << 29, 25*time.Hour + 30*time.Minute, "2.5 GiB|25 h 30 min|2026-11-23 00:30:00 UTC"},
			{7, -time.Second, "7 B|0 ms|2026-11-21 22:59:59 UTC"},
		} {
			name := vault.ByHandName(started.Add(time.Duration(i) * time.Second))
			b.put("factory/"+name+"/manifest.json", fmt.Sprintf(`{"formatVersion":1,"status":"PARTIAL","startedAt":%q,"finishedAt":%q,"assets":[{"kind":"env","name":"env","key":"1_env/env.json","size":%d}]}`,
				started.Format(time.RFC3339Nano), started.Add(c.duration).Format(time.RFC3339Nano), c.size))
			row := parsePage(t, b.send("GET", "/")).rows("backups")[0]
			if !strings.HasPrefix(row, fmt.Sprintf("2026-11-22 00:00:%02d ", i)) || !strings.HasSuffix(row, "|"+c.want+"|–|Restore") {
				t.Errorf("row %q, want %q at its end", row, c.want)
			}
		}
		b.put("factory/2026-11-23/manifest.json", `{"formatVersion":1,"status":"PARTIAL"}`)
		if row := parsePage(t, b.send("GET", "/")).rows("backups")[0]; !strings.HasSuffix(row, "|–|0 B|–|–|–|Restore") {
			t.Errorf("a manifest without times: %q", row)
		}
	})

	t.Run("has_a_policy_and_files_that_the_policy_lets_in", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		a := b.send("GET", "/")
		page := parsePage(t, a)
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Content-Type": "text/html; charset=utf-8", "Content-Language": "en"} {
			if a.Header[name] != want {
				t.Errorf("%s is %q, want %q", name, a.Header[name], want)
			}
		}
		if policy := a.Header["Content-Security-Policy"]; !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
			t.Error(policy)
		}
		files := map[string]string{}
		for _, n := range append(page.all("link"), page.all("script")...) {
			for _, name := range []string{"href", "src"} {
				if target := attr(n, name); strings.HasPrefix(target, "?file=") {
					files[target] = n.Data
				}
			}
		}
		if len(files) != 2 {
			t.Fatalf("files %v", files)
		}
		total := len(a.Body)
		for target, element := range files {
			f := b.send("GET", "/"+target)
			if want := map[string]string{"link": "text/css", "script": "text/javascript"}[element]; f.Status != 200 || !strings.HasPrefix(f.Header["Content-Type"], want) || !strings.Contains(f.Header["Cache-Control"], "immutable") {
				t.Errorf("%s: %d %v", target, f.Status, f.Header)
			}
			total += len(f.Body)
		}
		if total > 100_000 {
			t.Errorf("the first load has %d bytes", total)
		}
		decodeConsole[consoleError](t, b.send("GET", "/?file=../page.go"), 404)
	})

	t.Run("shows_hostile_names_as_text", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>`
		b.backup("factory", "2026-11-22", func(m *vault.Manifest) {
			m.Status, m.Missing = vault.Partial, []vault.Missing{{Kind: asset.Jobs, Name: hostile, Reason: hostile}}
		})
		b.put("factory/2026-11-23/manifest.json", `{"formatVersion":1,"status":"<script>alert(3)</script>"}`)
		b.report(restore.Report{ID: "x", Status: restore.Status(hostile), Backup: "javascript:alert(4)", Workspace: hostile, DuplicateNamePolicy: restore.Policy(hostile), Message: hostile, StartedAt: time.Now()})
		page := parsePage(t, b.send("GET", "/"))
		if n := len(page.all("script")) - 1 + len(page.all("img")); n != 0 {
			t.Errorf("%d elements were smuggled in", n)
		}
		for _, a := range page.all("a") {
			if href := attr(a, "href"); !strings.HasPrefix(href, "?") && href != "#main" {
				t.Errorf("link %q", href)
			}
		}
		if rows := page.rows("restorations"); len(rows) != 1 || strings.Count(rows[0], "<script>alert(1)</script>") != 4 {
			t.Errorf("restorations %q", rows)
		}
		if rows := page.rows("backups"); len(rows) != 2 || !strings.Contains(rows[0], "<script>alert(3)</script>") {
			t.Errorf("backups %q", rows)
		}
	})

	t.Run("can_be_read_without_eyes", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.everyState()
		b.report(restore.Report{ID: "x", Status: restore.Running, StartedAt: time.Now(), Items: []restore.Item{{Kind: asset.Jobs, Name: "a"}}})
		page := parsePage(t, b.send("GET", "/"))
		for element, want := range map[string]int{"main": 1, "header": 1, "footer": 1, "h1": 1, "table": 2, "caption": 2, "title": 1} {
			if n := len(page.all(element)); n != want {
				t.Errorf("%d <%s>, want %d", n, element, want)
			}
		}
		for target, want := range map[string]string{"/": "en", "/?lang=zh": "zh"} {
			if lang := attr(parsePage(t, b.send("GET", target)).all("html")[0], "lang"); lang != want {
				t.Errorf("%s: language %q", target, lang)
			}
		}
		decodeConsole[consoleError](t, b.send("GET", "/?lang=xx"), 400)
		for _, th := range page.all("th") {
			if attr(th, "scope") == "" {
				t.Error("a header without a scope")
			}
		}
		for _, p := range page.all("progress") {
			if attr(p, "aria-label") == "" {
				t.Error("a progress bar without a label")
			}
		}
	})

	t.Run("says_so_where_there_is_nothing", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		for _, location := range []string{"obs://backups", "obs://backups/factory", "obs://backups/{workspace}"} {
			b.env["BACKUP_LOCATION"] = location
			a := b.send("GET", "/")
			if page := parsePage(t, a); len(page.all("table")) != 0 || !strings.Contains(a.Body, "There is no backup here yet") || !strings.Contains(a.Body, "Nothing was restored yet") {
				t.Errorf("%s: %s", location, a.Body)
			}
		}
	})

	t.Run("shows_one_workspace_and_links_to_the_others", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.env["BACKUP_LOCATION"] = "obs://backups/factory/{workspace}"
		b.env["DATAARTS_WORKSPACES"] = "alpha,gamma"
		b.backup("factory/alpha", "2026-11-21", nil)
		b.backup("factory/beta", "2026-11-22", nil)
		for target, want := range map[string]string{"/": "alpha", "/?workspace=beta": "beta", "/?workspace=gamma": "gamma", "/?workspace=delta": "delta"} {
			page := parsePage(t, b.send("GET", target))
			var links []string
			current := ""
			for _, a := range page.all("a") {
				if href := attr(a, "href"); attr(a.Parent.Parent.Parent, "aria-label") == "Workspaces" {
					links = append(links, href)
					if attr(a, "aria-current") == "page" {
						current = a.FirstChild.Data
					}
				}
			}
			if current != want || !strings.HasPrefix(strings.Join(links, " "), "?workspace=alpha ?workspace=gamma ?workspace=beta") {
				t.Errorf("%s: current %q of %v", target, current, links)
			}
			if rows := page.rows("backups"); len(rows) != map[string]int{"alpha": 1, "beta": 1}[want] {
				t.Errorf("%s: %v", target, rows)
			}
		}
		decodeConsole[consoleError](t, b.send("GET", "/?workspace=.."), 400)
	})

	t.Run("is_small_with_a_thousand_backups_and_leads_to_the_older_ones", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.many(1000)
		for i := range 60 {
			b.report(restore.Report{ID: fmt.Sprintf("r%d", i), Status: restore.Complete, Backup: "obs://backups/factory/2026-11-01/", Workspace: "0123456789abcdef0123456789abcdef",
				DuplicateNamePolicy: "overwrite", StartedAt: time.Unix(int64(i), 0), Message: strings.Repeat("a long message ", 100)})
		}
		a := b.send("GET", "/")
		page := parsePage(t, a)
		if len(a.Body) >= 100_000 || len(page.rows("backups")) != 30 || len(page.rows("restorations")) != 25 {
			t.Fatalf("%d bytes, %d backups, %d restorations", len(a.Body), len(page.rows("backups")), len(page.rows("restorations")))
		}
		if !strings.Contains(a.Body, "30 of 1000 dated folders") || !strings.Contains(a.Body, "25 of 60 restorations") {
			t.Error("the page does not say that there is more")
		}
		seen := 30
		for {
			target := ""
			for _, link := range page.all("a") {
				if attr(link, "rel") == "next" && attr(link.Parent, "aria-label") == "Pages" {
					target = "/" + attr(link, "href")
				}
			}
			if target == "" {
				break
			}
			page = parsePage(t, b.send("GET", target))
			seen += len(page.rows("backups"))
		}
		if seen != 1000 {
			t.Errorf("%d backups over all pages", seen)
		}
	})

	t.Run("says_which_section_cannot_be_read_and_shows_the_other", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-22", nil)
		b.denyListing("factory/restores/")
		a := b.send("GET", "/")
		page := parsePageWith(t, a, 500)
		if len(page.rows("backups")) != 1 || !strings.Contains(a.Body, "The restorations could not be read") {
			t.Error(a.Body)
		}
		b.denyListing("factory/")
		if a := b.send("GET", "/"); a.Status != 500 || !strings.Contains(a.Body, "The backups could not be read") || !strings.Contains(a.Body, "AccessDenied") {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
}

// page is a parsed page.
type parsedPage struct{ root *html.Node }

func parsePage(t *testing.T, a consoleAnswer) parsedPage {
	t.Helper()
	return parsePageWith(t, a, 200)
}

func parsePageWith(t *testing.T, a consoleAnswer, status int) parsedPage {
	t.Helper()
	if a.Status != status {
		t.Fatalf("status %d, want %d: %s", a.Status, status, a.Body)
	}
	root, err := html.Parse(strings.NewReader(a.Body))
	if err != nil {
		t.Fatal(err)
	}
	return parsedPage{root}
}

func (p parsedPage) all(element string) []*html.Node {
	var found []*html.Node
	for n := range p.root.Descendants() {
		if n.Type == html.ElementNode && n.Data == element {
			found = append(found, n)
		}
	}
	return found
}

// rows are the rows of a section's table, cells separated by "|".
func (p parsedPage) rows(section string) []string {
	var rows []string
	for _, body := range p.all("tbody") {
		if attr(body.Parent, "class") != section {
			continue
		}
		for tr := range body.ChildNodes() {
			var cells []string
			for cell := range tr.ChildNodes() {
				cells = append(cells, strings.Join(strings.Fields(textOf(cell)), " "))
			}
			if len(cells) > 0 {
				rows = append(rows, strings.Join(cells, "|"))
			}
		}
	}
	return rows
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return b.String()
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
