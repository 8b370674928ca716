// Command screenshots takes the pictures of the page in docs/images. With the same Chromium and the same fonts they come out the same every time.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/browser/chromium"
	"github.com/dataarts-backup/dataarts-backup/infra/browser/world"
	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
)

// largest is how many bytes a picture may have.
const largest = 150 << 10

// command is who hears of what does not work, in the place of a test.
type command struct {
	ctx      context.Context
	cleanups []func()
}

func (c *command) Helper()                  {}
func (c *command) Context() context.Context { return c.ctx }
func (c *command) Cleanup(f func())         { c.cleanups = append(c.cleanups, f) }
func (c *command) end() {
	for i := range c.cleanups {
		c.cleanups[len(c.cleanups)-1-i]()
	}
}

func (c *command) Fatalf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	c.end()
	os.Exit(1)
}

func (c *command) TempDir() string {
	dir, err := os.MkdirTemp("", "screenshots-*")
	if err != nil {
		c.Fatalf("%v", err)
	}
	c.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c := &command{ctx: ctx}
	defer c.end()
	root, err := world.Root(ctx)
	if err != nil {
		c.Fatalf("%v", err)
	}
	path, err := chromium.Find()
	if err != nil {
		c.Fatalf("%v", err)
	}
	browser, err := chromium.Start(ctx, path)
	if err != nil {
		c.Fatalf("%v", err)
	}
	c.Cleanup(browser.Close)
	names, w := story(c)
	images := filepath.Join(root, "docs", "images")
	if err := os.MkdirAll(images, 0o755); err != nil {
		c.Fatalf("%v", err)
	}
	for _, p := range pictures(names) {
		for suffix, view := range p.views() {
			target := filepath.Join(images, p.name+suffix+".png")
			small, err := palette(take(c, browser, w, view, p))
			if err != nil {
				c.Fatalf("%s: %v", target, err)
			}
			if len(small) > largest {
				c.Fatalf("%s has %d bytes, want at most %d", target, len(small), largest)
			}
			if err := os.WriteFile(target, small, 0o644); err != nil {
				c.Fatalf("%v", err)
			}
			fmt.Fprintf(os.Stderr, "%4d KB  %s\n", len(small)>>10, target)
		}
	}
}

// now is when the pictures are taken, as the console believes.
func now() time.Time { return time.Date(2026, 11, 20, 10, 30, 0, 0, world.Zone()) }

// story makes what is shown: eleven nights of which one is not whole, a verified backup, a backup by hand less, a plan and a restore. It returns the names of the backups.
func story(c *command) ([]string, *world.World) {
	dist := c.TempDir()
	if err := world.Build(c.ctx, dist); err != nil {
		c.Fatalf("%v", err)
	}
	if err := world.BuildFixed(c.ctx, dist); err != nil {
		c.Fatalf("%v", err)
	}
	w := world.Start(c, dist, local.Options{Now: now, Variables: map[string]string{"FIXED_CLOCK": now().Format(time.RFC3339)}})
	w.Fill(sample.Options{Jobs: 32, Scripts: 20, Resources: 8})
	var names []string
	for i, at := range world.Midnights(now(), 11) {
		name := at.Format(time.DateOnly)
		if i > 0 {
			w.Change()
		}
		if i == 6 {
			w.PartialNight(at, "ads_orders_df", "The system is busy. Try again later.")
		} else if status, answer := w.Night(at); status != "SUCCESS" {
			c.Fatalf("the backup of %s: %s: %s\n%s", name, status, answer, w.Logs())
		}
		w.Timed(name, at.Add(2*time.Second), time.Duration(37+3*i)*time.Second)
		names = append(names, name)
	}
	for _, name := range names[8:10] {
		if code, answer := w.Call("POST", "/backups/"+name+"/verify", ""); code != 200 {
			c.Fatalf("verify %s: %d: %s\n%s", name, code, answer, w.Logs())
		}
	}
	w.Edit(dataarts.Scripts, "dwd_orders_hivesql", "amount >=", "amount >")
	w.Edit(dataarts.Jobs, "dwd_orders_df", "mrs_hive_prod", "mrs_hive_test")
	w.Workspace.Delete(dataarts.Jobs, "ads_orders_df")
	last := names[len(names)-1]
	for i, r := range []struct{ id, rest, want string }{
		{"orders-back", `"duplicateNamePolicy":"overwrite","select":{"names":["ads_orders_df"],"withDependencies":true}}`, "COMPLETE"},
		{"everything", `"duplicateNamePolicy":"overwrite","dryRun":true}`, "PLANNED"},
	} {
		if i == 1 {
			w.Workspace.Delete(dataarts.Jobs, "ads_customers_df")
			w.Edit(dataarts.Scripts, "dwd_orders_hivesql", "amount >=", "amount >")
		}
		if status := w.RestoreBy(`{"id":"` + r.id + `","date":"` + last + `",` + r.rest); status != r.want {
			c.Fatalf("the restore %s is %s, want %s\n%s", r.id, status, r.want, w.Logs())
		}
		w.TimedReport(r.id, now().Add(time.Duration(i-2)*10*time.Minute), 9*time.Second)
	}
	return names, w
}

// picture is one picture, in light and in dark.
type picture struct {
	name  string // of the file
	query string
	phone bool // another one on a phone
	// more does what is done before the picture is taken.
	more func(tab *chromium.Tab)
}

func (p picture) views() map[string]chromium.View {
	views := map[string]chromium.View{"": {}, "-dark": {Dark: true}}
	if p.phone {
		views["-phone"] = chromium.View{Phone: true}
	}
	return views
}

func pictures(names []string) []picture {
	last, before := names[len(names)-1], names[len(names)-2]
	return []picture{
		{name: "backups", phone: true, more: func(tab *chromium.Tab) { tab.Wait("tab", "Manage Backup") }},
		{name: "backup", query: "view=backup&backup=" + before, more: func(tab *chromium.Tab) { tab.Wait("heading", "Backup of") }},
		{name: "script", query: "view=backup&backup=" + last, more: asset("dwd_orders_hivesql", "")},
		{name: "graph", query: "view=backup&backup=" + last, more: asset("ads_payments_df", "Graph")},
		{name: "history", query: "view=backup&backup=" + last, more: asset("dwd_orders_hivesql", "History")},
		{name: "compare", query: "view=compare&backup=" + before + "&other=live", more: func(tab *chromium.Tab) {
			tab.WaitText("What differs")
			chromium.Eval[bool](tab, `[...document.querySelectorAll('details.item:not([data-empty])')].slice(0, 2).every(d => d.open = true)`)
		}},
		{name: "restore", query: "", more: func(tab *chromium.Tab) {
			tab.Click("button", "Restore "+last)
			tab.In("dialog", "Restore Backup").Click("radio", "overwrite it")
		}},
		{name: "plan", query: "view=restore&id=everything", more: func(tab *chromium.Tab) {
			tab.WaitText("PLANNED")
			chromium.Eval[bool](tab, `[...document.querySelectorAll('details.item:not([data-empty])')].slice(0, 1).every(d => d.open = true)`)
		}},
		{name: "restorations", query: "tab=restorations", more: func(tab *chromium.Tab) { tab.WaitText("COMPLETE") }},
		{name: "document", query: "view=backup&backup=" + last, more: func(tab *chromium.Tab) {
			tab.Click("link", "Edit backup.json")
			tab.Wait("heading", "backup.json")
		}},
	}
}

// asset opens an asset of a backup, and what is to be shown of it.
func asset(name, what string) func(tab *chromium.Tab) {
	return func(tab *chromium.Tab) {
		tab.Fill("searchbox", "Name or directory", name)
		tab.Until("only what fits", `document.querySelectorAll('table.assets tbody tr').length === 1`)
		tab.Part("table.assets", name).Click("link", name)
		tab.Wait("heading", name)
		if what != "" {
			tab.In("navigation", "What is shown").Click("link", what)
			tab.Wait("heading", what)
		}
	}
}

// take takes one picture.
func take(c *command, browser *chromium.Browser, w *world.World, view chromium.View, p picture) []byte {
	tab := browser.Open(c, view)
	tab.Go(w.Page(p.query))
	p.more(tab)
	tab.Settle()
	if faults := tab.Faults(); len(faults) > 0 {
		c.Fatalf("%s: the page did what it must not do: %q", p.name, faults)
	}
	// No caret blinks, and nothing has the focus that the mouse has brought.
	chromium.Eval[bool](tab, `(document.activeElement?.blur(), scrollTo(0, 0), true)`)
	return tab.Picture(false)
}
