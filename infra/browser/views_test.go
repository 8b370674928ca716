package browser_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/browser/chromium"
	"github.com/dataarts-backup/dataarts-backup/infra/browser/world"
	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
)

// A first load may take so many bytes, all files of the page included.
const mostBytes = 100 << 10

// noLongerThan is how long the page may be unable to answer at a time. Alone on a machine it is below 100 ms; where tests share two processors, several times that.
const noLongerThan = 500 * time.Millisecond

// views are addresses of all views, found as a person finds them: by the links of the page, from the first one on. The text that the view is known by is the key.
func views(t *testing.T, w *world.World, names []string) map[string]string {
	t.Helper()
	tab := open(t, w, chromium.View{}, "")
	found := map[string]string{"the backups": ""}
	query := func() string {
		_, query, _ := strings.Cut(tab.Address(), "?")
		return query
	}
	note := func(what string) {
		tab.Settle()
		found[what] = query()
	}
	last := names[len(names)-1]
	tab.Click("link", "Find")
	tab.Wait("heading", "Find")
	note("the search")
	tab.Fill("searchbox", "Connection", "dws_prod")
	tab.Click("button", "Find")
	tab.Wait("heading", "Found")
	note("what was found")
	tab.In("navigation", "Views").Click("link", "Restorations")
	tab.Until("the restorations", "location.search.includes('tab=restorations')")
	note("the restorations")
	tab.Part("table.restorations tbody th", "").Click("link", "")
	tab.WaitText("Every asset")
	note("a restoration")
	tab.Click("link", "DataArts Backup")
	row(tab, last).Click("link", last)
	tab.Wait("heading", "Backup of "+last)
	note("a backup")
	tab.Click("link", "Edit backup.json")
	tab.Wait("heading", "backup.json")
	note("backup.json")
	tab.Click("link", last)
	tab.Wait("heading", "Backup of "+last)
	tab.Click("link", "Compare with the backup before")
	tab.WaitText("What differs")
	note("a comparison")
	tab.Go(w.Page(found["a backup"]))
	tab.Fill("searchbox", "Name or directory", "ads_orders_df")
	tab.Until("only what fits", `document.querySelectorAll('table.assets tbody tr').length === 1`)
	tab.Part("table.assets", "ads_orders_df").Click("link", "ads_orders_df")
	tab.Wait("heading", "ads_orders_df")
	note("an asset")
	for _, name := range []string{"Graph", "History"} {
		tab.In("navigation", "What is shown").Click("link", name)
		tab.Wait("heading", name)
		note("an asset's " + strings.ToLower(name))
	}
	return found
}

func TestEveryView(t *testing.T) {
	t.Parallel()
	w, names := nights(t, 2)
	w.Workspace.Delete(dataarts.Jobs, "ads_orders_df")
	if status := w.RestoreBy(`{"id":"shown","date":"latest","duplicateNamePolicy":"overwrite"}`); status != "COMPLETE" {
		t.Fatalf("the restore is %s", status)
	}
	all := views(t, w, names)
	for what, query := range all {
		t.Run(strings.ReplaceAll(what, " ", "_"), func(t *testing.T) {
			t.Parallel()
			for name, view := range map[string]chromium.View{"light": {}, "dark": {Dark: true}, "chinese": {Language: "zh-CN"}, "phone": {Phone: true}} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					tab := open(t, w, view, query)
					if n := tab.Bytes(); n == 0 || n > mostBytes {
						t.Errorf("the first load took %d bytes, want at most %d", n, mostBytes)
					} else if name == "light" {
						t.Logf("%s: first load %.1f KB in %d requests", what, float64(n)/1024, len(tab.Requests()))
					}
					accessible(t, tab, what)
					if n := tab.Overflow(); n > 0 {
						t.Errorf("it is %d pixels wider than the window: %q", n, tab.Wide())
					}
					if long := tab.LongTasks(); len(long) > 0 && slices.Max(long) > noLongerThan {
						t.Errorf("it could not answer for %v", long)
					}
					if language := chromium.Eval[string](tab, "document.documentElement.lang"); (name == "chinese") != (language == "zh") {
						t.Errorf("its language is %s", language)
					}
				})
			}
			t.Run("without_script", func(t *testing.T) {
				t.Parallel()
				with, without := open(t, w, chromium.View{}, query), open(t, w, chromium.View{NoScript: true}, query)
				const content = `[...document.querySelectorAll('h1, table.backups, table.restorations, table.assets, table.history, table.found, details.item summary, pre.code, textarea')].filter(e => e.checkVisibility()).map(e => [...e.querySelectorAll('button')].reduce((text, b) => text.replace(b.innerText, ''), e.innerText || e.value).replace(/\s+/g, ' ').trim())`
				if a, b := chromium.Eval[[]string](with, content), chromium.Eval[[]string](without, content); len(a) == 0 || !slices.Equal(a, b) {
					t.Errorf("with script it shows %q,\nwithout %q", a, b)
				}
				if strings.Contains(without.Text(), "Back Up Now") {
					t.Error("without script it offers what needs script")
				}
			})
			t.Run("by_keyboard", func(t *testing.T) {
				t.Parallel()
				reachable(t, open(t, w, chromium.View{}, query))
			})
		})
	}
}

// reachable presses Tab until the focus has gone round, and fails the test unless every control that can be seen was reached, in the order of the page, and could be seen to be.
func reachable(t *testing.T, tab *chromium.Tab) {
	t.Helper()
	const mark = `globalThis.controls = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')].filter(e => e.checkVisibility({visibilityProperty: true}) && !e.disabled && e.tabIndex >= 0 && e.type !== 'hidden'
		&& !(e.type === 'radio' && [...document.getElementsByName(e.name)].some(o => o !== e && o.checked)))`
	n := chromium.Eval[int](tab, mark+`, controls.length`)
	var order []int
	for range n {
		tab.Press("Tab")
		place := chromium.Eval[int](tab, `controls.indexOf(document.activeElement)`)
		order = append(order, place)
		if seen := chromium.Eval[string](tab, `(e => { const s = getComputedStyle(e), b = e.getBoundingClientRect(); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 1 && b.width > 0 && b.height > 0 && b.right > 0 ? '' : e.outerHTML.slice(0, 200) })(document.activeElement)`); seen != "" {
			t.Errorf("one does not see that this has the focus: %s", seen)
		}
	}
	for i, place := range order {
		if place != i {
			t.Fatalf("of %d controls, Tab reaches %v in turn; the first that is out of turn is %s", n, order, chromium.Eval[string](tab, fmt.Sprintf(`(controls[%d] ?? document.activeElement).outerHTML.slice(0, 200)`, i)))
		}
	}
}

func TestTabs_are_changed_with_the_arrow_keys(t *testing.T) {
	t.Parallel()
	w := start(t, local.Options{})
	tab := open(t, w, chromium.View{}, "")
	tab.Click("tab", "Manage Backup")
	tab.Press("ArrowRight")
	if focus := tab.Focus(); focus != "tab Manage Restoration" || !tab.Is("tab", "Manage Restoration", "selected") {
		t.Errorf("the focus is on %q", focus)
	}
	tab.WaitText("Nothing was restored yet.")
	tab.Press("ArrowRight")
	tab.WaitText("There is no backup here yet.")
	if focus := tab.Focus(); focus != "tab Manage Backup" {
		t.Errorf("the focus is on %q", focus)
	}
}

func TestDialogs_keep_the_focus_and_give_it_back(t *testing.T) {
	t.Parallel()
	w, names := nights(t, 1)
	tab := open(t, w, chromium.View{}, "")
	for _, opener := range []struct{ button, dialog string }{{"Stop Daily Backup", "Stop Daily Backup"}, {"Change Folder", "Start Daily Backup"}, {"Back Up Now", "Back Up Now"}, {"Restore " + names[0], "Restore Backup"}} {
		tab.Click("button", opener.button)
		tab.In("dialog", opener.dialog)
		accessible(t, tab, "the dialog "+opener.dialog)
		for range 40 { // more than any of them has controls
			tab.Press("Tab")
			if outside := chromium.Eval[bool](tab, `document.activeElement !== document.body && !document.activeElement.closest('dialog')`); outside {
				t.Fatalf("Tab leaves the dialog %q for %q", opener.dialog, tab.Focus())
			}
		}
		tab.Press("Escape")
		tab.WaitGone("dialog", opener.dialog)
		if focus := tab.Focus(); focus != "button "+opener.button {
			t.Errorf("after Escape the focus is on %q, want it on the button %q", focus, opener.button)
		}
	}
}

func TestEmptyBucket_is_shown_as_such(t *testing.T) {
	t.Parallel()
	w := start(t, local.Options{})
	for name, view := range map[string]chromium.View{"desk": {}, "phone": {Phone: true, Dark: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tab := open(t, w, view, "")
			tab.WaitText("There is no backup here yet.")
			accessible(t, tab, "an empty bucket")
			if n := tab.Overflow(); n > 0 {
				t.Errorf("it is %d pixels wider than the window: %q", n, tab.Wide())
			}
			tab.Click("tab", "Manage Restoration")
			tab.WaitText("Nothing was restored yet.")
			accessible(t, tab, "no restorations")
		})
	}
}

func TestFailedBackup_shows_its_reason(t *testing.T) {
	t.Parallel()
	w := start(t, local.Options{}).Fill(sample.Options{})
	midnights := world.Midnights(time.Now(), 2)
	w.Nights(midnights[:1])
	w.PartialNight(midnights[1], "ads_orders_df", "the node is being upgraded")
	tab := open(t, w, chromium.View{}, "")
	name := midnights[1].Format(time.DateOnly)
	failed := row(tab, name)
	failed.WaitText("PARTIAL", "ads_orders_df", "the node is being upgraded")
	tab.Wait("link", name+": PARTIAL")
	failed.Click("link", name)
	tab.Wait("heading", "Missing")
	tab.WaitText("PARTIAL", "ads_orders_df", "the node is being upgraded")
	accessible(t, tab, "a partial backup")
}

func TestLanguage_is_chosen_and_kept(t *testing.T) {
	t.Parallel()
	w, names := nights(t, 1)
	tab := open(t, w, chromium.View{Language: "zh-CN,zh;q=0.9"}, "")
	if lang := chromium.Eval[string](tab, "document.documentElement.lang"); lang != "zh" {
		t.Fatalf("a browser that asks for Chinese gets %s", lang)
	}
	tab.Click("link", "English")
	tab.Wait("tab", "Manage Backup")
	row(tab, names[0]).Click("link", names[0])
	tab.Wait("heading", "Backup of "+names[0])
	tab.Click("link", "中文")
	tab.Until("Chinese", "document.documentElement.lang === 'zh'")
	if text := tab.Text(); strings.Contains(text, "Backup of") || strings.Contains(text, "Finished at") {
		t.Errorf("in Chinese it says %s", text)
	}
}

func TestHostileTexts_are_shown_as_text(t *testing.T) {
	t.Parallel()
	w := start(t, local.Options{}).Fill(sample.Options{}).Hostile()
	midnights := world.Midnights(time.Now(), 2)
	names := w.Nights(midnights[:1])
	w.PartialNight(midnights[1], "ads_orders_df", world.HostileMessage)

	for _, view := range []chromium.View{{}, {NoScript: true}} {
		tab := open(t, w, view, "")
		tab.WaitText(world.HostileMessage)
		row(tab, names[0]).Click("link", names[0])
		tab.Wait("heading", "Backup of "+names[0])
		tab.Settle()
		if tab.Has("button", "Show") && !view.NoScript {
			tab.Fill("searchbox", "Name or directory", "<img")
			tab.Until("only what fits", `document.querySelectorAll('table.assets tbody tr').length === 3`)
		}
		tab.WaitText(world.HostileName)
		for _, kind := range []string{"jobs", "scripts", "resources"} {
			tab.Choose("Kind", kind)
			if view.NoScript {
				tab.Click("button", "Show")
			}
			tab.Until("only "+kind, `document.querySelectorAll('table.assets tbody tr').length > 0 && [...document.querySelectorAll('table.assets tbody tr td:nth-of-type(1)')].every(c => c.innerText === '`+kind+`')`)
			tab.Click("link", world.HostileName)
			tab.Wait("heading", world.HostileName)
			tab.Settle()
			if kind != "resources" {
				tab.WaitText("alert(2)")
			}
			shown := tab.In("navigation", "What is shown").Names("link")
			for _, name := range shown {
				tab.In("navigation", "What is shown").Click("link", name)
				tab.Until("it to be shown", `[...document.querySelectorAll('[aria-label="What is shown"] a')].find(a => a.innerText === `+fmt.Sprintf("%q", name)+`).hasAttribute('aria-current')`)
				tab.Settle()
			}
			alive(t, tab)
			tab.In("navigation", "Where you are").Click("link", names[0])
			tab.Wait("heading", "Backup of "+names[0])
		}
		alive(t, tab)
	}
	for _, query := range []string{
		"q=" + url.QueryEscape(world.HostileValue), "view=" + url.QueryEscape(world.HostileName), "backup=" + url.QueryEscape(world.HostileName),
		"workspace=" + url.QueryEscape(world.HostileValue), "lang=" + url.QueryEscape(world.HostileValue), "view=find&q=" + url.QueryEscape(world.HostileText),
		"view=find&connection=" + url.QueryEscape(world.HostileValue), "view=restore&id=" + url.QueryEscape(world.HostileName), "view=compare&backup=" + names[0] + "&other=" + url.QueryEscape(world.HostileName),
	} {
		tab := open(t, w, chromium.View{}, query)
		tab.Wait("link", "DataArts Backup")
		alive(t, tab)
	}
}

// alive fails the test if anything of what is hostile has become an element or an attribute that does something.
func alive(t *testing.T, tab *chromium.Tab) {
	t.Helper()
	found := chromium.Eval[[]string](tab, `[...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => a.name.startsWith('on') || /^\s*javascript:/i.test(a.value)) || ['IFRAME', 'IMG', 'OBJECT', 'EMBED'].includes(e.tagName)
		|| e.tagName === 'SCRIPT' && !e.src).map(e => e.outerHTML.slice(0, 200))`)
	if len(found) > 0 {
		t.Errorf("at %s hostile text came alive: %q", tab.Address(), found)
	}
}

func TestTenThousandAssets_do_not_freeze_the_page(t *testing.T) {
	t.Parallel()
	w := start(t, local.Options{}).Fill(sample.Options{Jobs: 5000, Scripts: 4500, Resources: 500})
	names := w.Nights(world.Midnights(time.Now(), 1))
	w.Workspace.Wipe() // so that everything has to be restored, and everything differs
	if status := w.RestoreBy(`{"id":"plan","date":"latest","duplicateNamePolicy":"skip","dryRun":true}`); status != "PLANNED" {
		t.Fatalf("the plan is %s", status)
	}
	for what, query := range map[string]string{"the backup": "view=backup&backup=" + names[0], "the comparison": "view=compare&backup=" + names[0] + "&other=live", "the plan": "view=restore&id=plan"} {
		t.Run(strings.ReplaceAll(what, " ", "_"), func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			tab := open(t, w, chromium.View{}, query)
			shown := time.Since(began)
			const rows = `document.querySelectorAll('table.assets tbody tr, details.item').length`
			n := chromium.Eval[int](tab, rows)
			if n == 0 {
				t.Fatalf("nothing is shown: %s", tab.Text())
			}
			if bytes := tab.Bytes(); bytes > mostBytes {
				t.Errorf("the first load took %d bytes, want at most %d", bytes, mostBytes)
			}
			first := tab.Bytes()
			began = time.Now()
			search := func(name string) {
				tab.Fill("searchbox", "Name", name)
				if what == "the comparison" { // it reads the workspace anew each time, so that it waits to be asked
					tab.Click("button", "Show")
				}
			}
			search("ads_orders_99_df")
			tab.Until("only what fits", rows+` === 1`)
			filtered := time.Since(began)
			search("")
			tab.Until("all again", fmt.Sprintf("%s === %d", rows, n))
			long := tab.LongTasks()
			t.Logf("%s: %d of ten thousand shown in %v, %.1f KB; filtered in %v; long tasks %v", what, n, shown.Round(time.Millisecond), float64(first)/1024, filtered.Round(time.Millisecond), long)
			if len(long) > 0 && slices.Max(long) > noLongerThan {
				t.Errorf("the page could not answer for %v", slices.Max(long))
			}
		})
	}
}
