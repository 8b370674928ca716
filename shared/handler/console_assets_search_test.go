package handler_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

type consolePage struct {
	Total, Matching int
	Next            string
	Assets          []vault.Asset
}

func (p consolePage) names() []string {
	var names []string
	for _, a := range p.Assets {
		names = append(names, string(a.Kind)+" "+a.Name)
	}
	return names
}

func TestConsole_SearchesTheAssets(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	at := func(kind asset.Kind, directory, name string) keptAsset {
		return keptAsset{kind: kind, name: name, directory: directory, definition: `{}`}
	}
	b.keep("2026-11-22", nil, variables(`{"params":[]}`), at(asset.Jobs, "/ODS/Orders", "Load_Orders"), at(asset.Jobs, "/", "订单_日报"), at(asset.Scripts, "/ods", "clean"),
		at(asset.Scripts, "/", "a[b]*c"), at(asset.Scripts, "/", "a[b]xc"), at(asset.Resources, "/jars", "orders"))
	for query, want := range map[string][]string{
		"":                         {"env env", "resources orders", "scripts a[b]*c", "scripts a[b]xc", "scripts clean", "jobs Load_Orders", "jobs 订单_日报"},
		"q=ORDERS":                 {"resources orders", "jobs Load_Orders"},
		"q=ods":                    {"scripts clean", "jobs Load_Orders"},
		"q=日报":                     {"jobs 订单_日报"},
		"q=单?日*":                   nil, // a glob is of the whole name
		"q=?单?日*":                  {"jobs 订单_日报"},
		"q=*orders":                {"resources orders", "jobs Load_Orders"},
		"q=/ods/*":                 {"jobs Load_Orders"},
		"q=a[b]":                   {"scripts a[b]*c", "scripts a[b]xc"},
		"q=a[b]*c":                 {"scripts a[b]*c", "scripts a[b]xc"},
		"q=a[b]?c":                 {"scripts a[b]*c", "scripts a[b]xc"},
		"q=*":                      {"env env", "resources orders", "scripts a[b]*c", "scripts a[b]xc", "scripts clean", "jobs Load_Orders", "jobs 订单_日报"},
		"kind=scripts":             {"scripts a[b]*c", "scripts a[b]xc", "scripts clean"},
		"kind=env,jobs":            {"env env", "jobs Load_Orders", "jobs 订单_日报"},
		"kind=jobs&kind=env":       {"env env", "jobs Load_Orders", "jobs 订单_日报"},
		"q=orders&kind=jobs":       {"jobs Load_Orders"},
		"q=nothing":                nil,
		"q=<script>alert</script>": nil,
	} {
		values, err := url.ParseQuery(strings.ReplaceAll(query, "?", "%3F"))
		if err != nil {
			t.Fatal(err)
		}
		page := decodeConsole[consolePage](t, b.send("GET", "/backups/2026-11-22?"+values.Encode()), 200)
		if got := page.names(); !slices.Equal(got, want) || page.Matching != len(want) || page.Total != 7 || page.Next != "" {
			t.Errorf("%s: %q, want %q; %d of %d", query, got, want, page.Matching, page.Total)
		}
		// Page by page it is the same.
		var all []string
		for after := ""; ; {
			values.Set("limit", "1")
			values.Set("after", after)
			page := decodeConsole[consolePage](t, b.send("GET", "/backups/2026-11-22?"+values.Encode()), 200)
			all = append(all, page.names()...)
			if after = page.Next; after == "" {
				break
			}
		}
		if !slices.Equal(all, want) {
			t.Errorf("%s, by ones: %q, want %q", query, all, want)
		}
	}
	e := decodeConsole[consoleError](t, b.send("GET", "/backups/2026-11-22?limit=x&kind=jobs,tables,views&q="+strings.Repeat("x", 300)), 400)
	for _, want := range []string{`limit: "x"`, `kind: kind "tables"`, `kind: kind "views"`, "q: has more than 256"} {
		if !strings.Contains(e.Error.Message, want) {
			t.Errorf("%s is not named: %s", want, e.Error.Message)
		}
	}
}

func TestConsole_SearchesManyAssetsWithABadGlobInNoTime(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	m := b.keep("2026-11-22", nil)
	for i := range 10_000 {
		ref := asset.Ref{Kind: asset.Jobs, Name: fmt.Sprintf("%s%d", strings.Repeat("a", 120), i)}
		m.Assets = append(m.Assets, vault.Asset{Kind: ref.Kind, Name: ref.Name, Key: ref.Key(), Size: 1, SHA256: "0"})
	}
	b.putManifest("2026-11-22", m)
	began := time.Now()
	page := decodeConsole[consolePage](t, b.send("GET", "/backups/2026-11-22?q="+url.QueryEscape(strings.Repeat("*a", 100)+"b")), 200)
	if took := time.Since(began); page.Total != 10_000 || page.Matching != 0 || took > 20*time.Second {
		t.Errorf("%d of %d in %s", page.Matching, page.Total, took)
	}
}
