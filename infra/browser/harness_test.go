package browser_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/browser/chromium"
	"github.com/dataarts-backup/dataarts-backup/infra/browser/world"
	"github.com/dataarts-backup/dataarts-backup/infra/local"
)

// What all tests share: the functions, built from the sources as they are, a browser, and the rules of accessibility.
var (
	dist    string
	browser *chromium.Browser
	axe     string
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		failed := func(err error) int {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		source, err := os.ReadFile(filepath.Join("node_modules", "axe-core", "axe.min.js"))
		if err != nil {
			return failed(fmt.Errorf("the rules of accessibility are not there: run make browser, or npm ci in infra/browser: %w", err))
		}
		axe = string(source)
		path, err := chromium.Find()
		if err != nil {
			return failed(err)
		}
		if dist, err = os.MkdirTemp("", "dist-*"); err != nil {
			return failed(err)
		}
		defer func() { _ = os.RemoveAll(dist) }()
		if err := world.Build(context.Background(), dist); err != nil {
			return failed(err)
		}
		if browser, err = chromium.Start(context.Background(), path); err != nil {
			return failed(err)
		}
		defer browser.Close()
		return m.Run()
	}())
}

// start starts a cloud for one test, with an empty workspace and an empty bucket. What the functions print is shown when the test fails.
func start(t *testing.T, opts local.Options) *world.World {
	t.Helper()
	w := world.Start(t, dist, opts)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the functions printed:\n%s", w.Logs())
		}
	})
	return w
}

// open shows the page with a query in a tab of its own. Whatever the test is about, the page must not do what no page may do.
func open(t *testing.T, w *world.World, view chromium.View, query string) *chromium.Tab {
	t.Helper()
	tab := browser.Open(t, view)
	t.Cleanup(func() {
		for _, fault := range tab.Faults() {
			t.Errorf("the page did what it must not do: %s", fault)
		}
	})
	tab.Go(w.Page(query))
	return tab
}

// row is the row of a backup in the list.
func row(tab *chromium.Tab, name string) chromium.Area {
	return tab.Part("table.backups tbody tr", "/"+name+"/")
}

// accessible fails the test for every rule of accessibility that the page breaks as it is shown now.
func accessible(t *testing.T, tab *chromium.Tab, what string) {
	t.Helper()
	for _, v := range tab.Violations(axe) {
		t.Errorf("%s: accessibility: %s", what, v)
	}
}
