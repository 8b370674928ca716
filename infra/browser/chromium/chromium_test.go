package chromium_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/browser/chromium"
)

// start starts a browser of the test's own.
func start(t *testing.T) *chromium.Browser {
	t.Helper()
	path, err := chromium.Find()
	if err != nil {
		t.Fatal(err)
	}
	b, err := chromium.Start(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// serve serves a page with a policy.
func serve(t *testing.T, policy, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/file" {
			w.Header().Set("Content-Disposition", `attachment; filename="a.txt"`)
			_, _ = w.Write([]byte("content"))
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		body := strings.ReplaceAll(body, "{language}", r.Header.Get("Accept-Language"))
		if policy != "" {
			w.Header().Set("Content-Security-Policy", policy)
		}
		_, _ = fmt.Fprintf(w, `<!DOCTYPE html><html lang="en"><link rel="icon" href="data:,"><title>t</title><main><h1>t</h1>%s</main>`, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestTab(t *testing.T) {
	t.Parallel()
	browser := start(t)

	t.Run("remembers_what_a_page_must_not_do", func(t *testing.T) {
		t.Parallel()
		for name, c := range map[string]struct{ policy, body, want string }{
			"an_error_in_the_console":      {"", `<script>console.error('oh', 1)</script>`, "oh 1"},
			"an_exception":                 {"", `<script>throw new Error('thrown')</script>`, "thrown"},
			"a_rejected_promise":           {"", `<script>Promise.reject(new Error('rejected'))</script>`, "rejected"},
			"a_script_that_is_forbidden":   {"script-src 'none'", `<script>document.title = 'x'</script>`, "script-src"},
			"a_style_that_is_forbidden":    {"style-src 'none'", `<p style="color:red">x</p>`, "style-src"},
			"a_handler_that_is_forbidden":  {"script-src 'self'", `<img src="data:," onerror="alert(1)">`, "script-src"},
			"text_that_becomes_elements":   {"require-trusted-types-for 'script'; script-src 'unsafe-inline'", `<script>document.querySelector('h1').innerHTML = '<b>x</b>'</script>`, "TrustedHTML"},
			"a_request_to_another_host":    {"", `<img alt="" src="http://127.0.0.1:1/x.png">`, "http://127.0.0.1:1/x.png"},
			"a_request_that_policy_stops":  {"img-src 'self'", `<img alt="" src="http://127.0.0.1:1/x.png">`, "img-src"},
			"a_dialog":                     {"", `<script>setTimeout(() => alert('hello'))</script>`, `"hello"`},
			"a_warning_of_the_own_console": {"", `<script>console.warn('careful')</script>`, "careful"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				tab := browser.Open(t, chromium.View{})
				tab.Go(serve(t, c.policy, c.body+`<script async src="data:text/javascript,0"></script>`))
				tab.Until("a fault", "document.readyState === 'complete'")
				if faults := tab.Faults(); !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, c.want) }) {
					t.Errorf("faults %q, want one with %q", faults, c.want)
				}
			})
		}
	})

	t.Run("has_nothing_against_a_good_page", func(t *testing.T) {
		t.Parallel()
		tab := browser.Open(t, chromium.View{})
		tab.Go(serve(t, "default-src 'none'; img-src data:", `<p>fine</p>`))
		tab.WaitText("fine")
		if faults := tab.Faults(); len(faults) > 0 {
			t.Errorf("faults %q", faults)
		}
		if requests := tab.Requests(); len(requests) != 1 || requests[0].Status != http.StatusOK || tab.Bytes() < 100 {
			t.Errorf("%d bytes in %+v", tab.Bytes(), requests)
		}
	})

	t.Run("finds_acts_and_waits", func(t *testing.T) {
		t.Parallel()
		tab := browser.Open(t, chromium.View{})
		tab.Go(serve(t, "", `
<table><tbody><tr><th>one</th><td><button onclick="said.textContent='one'">Restore</button></td></tr><tr><th>two</th><td><button onclick="said.textContent='two'">Restore</button></td></tr></table>
<button hidden onclick="said.textContent='hidden'">Unique</button><button onclick="setTimeout(() => said.textContent='late', 200)">Unique now</button>
<p id="said"></p><label>Name <input value="old" oninput="said.textContent=value"></label><label>Kind <select onchange="said.textContent=value"><option>a</option><option value="b">Bee</option></select></label>
<a href="/file" download>Get</a><label><input type="checkbox"> Tick</label><dialog id="d" aria-labelledby="dt"><h2 id="dt">Sure?</h2><button onclick="d.close()">Yes</button></dialog><button onclick="d.showModal()">Ask</button>`))
		tab.Row("two").Click("button", "Restore")
		tab.WaitText("two")
		tab.Until("the second row's button", "said.textContent === 'two'")
		tab.Click("button", "Unique")
		tab.Until("what comes late", "said.textContent === 'late'")
		tab.Fill("textbox", "Name", "new")
		tab.Until("what was typed", "said.textContent === 'new'")
		if v := tab.Value("textbox", "Name"); v != "new" {
			t.Errorf("the field holds %q", v)
		}
		tab.Choose("Kind", "Bee")
		tab.Until("what was chosen", "said.textContent === 'b'")
		tab.Click("checkbox", "Tick")
		if !tab.Is("checkbox", "Tick", "checked") {
			t.Error("the box is not ticked")
		}
		tab.Click("link", "Get")
		if name, content := tab.Downloaded(); name != "a.txt" || string(content) != "content" {
			t.Errorf("%s holds %q", name, content)
		}
		if tab.Has("dialog", "Sure?") {
			t.Error("a closed dialog is there")
		}
		tab.Click("button", "Ask")
		tab.In("dialog", "Sure?").Wait("button", "Yes")
		if focus := tab.Focus(); focus != "button Yes" {
			t.Errorf("the focus is on %q", focus)
		}
		tab.Press("Escape")
		tab.WaitGone("dialog", "Sure?")
		if focus := tab.Focus(); focus != "button Ask" {
			t.Errorf("the focus is on %q", focus)
		}
		if faults := tab.Faults(); len(faults) > 0 {
			t.Errorf("faults %q", faults)
		}
	})

	t.Run("measures_what_is_slow_and_what_is_wide", func(t *testing.T) {
		t.Parallel()
		tab := browser.Open(t, chromium.View{Phone: true})
		tab.Go(serve(t, "", `<meta name="viewport" content="width=device-width"><p id="wide" style="width:500px">w</p><button onclick="const end = performance.now() + 120; while (performance.now() < end);said.textContent='done'">Slow</button><p id="said"></p>`))
		if tab.Overflow() < 50 || len(tab.Wide()) == 0 {
			t.Errorf("a paragraph of 500 pixels overflows a phone by %d: %q", tab.Overflow(), tab.Wide())
		}
		tab.Click("button", "Slow")
		tab.WaitText("done")
		tab.Until("the long task to be told", "longTasks.length > 0")
	})

	t.Run("shows_what_is_there_without_script_and_in_the_dark", func(t *testing.T) {
		t.Parallel()
		tab := browser.Open(t, chromium.View{NoScript: true, Dark: true, Language: "zh-CN"})
		tab.Go(serve(t, "", `<style>@media (prefers-color-scheme: dark) { #l { display: none } }</style><p id="l">light</p><p>dark {language}</p><noscript>no script</noscript><script>document.body.append('script')</script>`))
		tab.WaitText("dark zh-CN", "no script")
		if text := tab.Text(); strings.Contains(text, "light") || strings.HasSuffix(text, "script\nscript") {
			t.Errorf("shown is %q", text)
		}
	})

	t.Run("knows_the_rules_of_accessibility_behind_a_policy", func(t *testing.T) {
		t.Parallel()
		axe, err := os.ReadFile(filepath.Join("..", "node_modules", "axe-core", "axe.min.js"))
		if err != nil {
			t.Fatal(err)
		}
		tab := browser.Open(t, chromium.View{})
		tab.Go(serve(t, "default-src 'none'; img-src data:; require-trusted-types-for 'script'", `<img src="data:,"><input>`))
		var rules []string
		for _, v := range tab.Violations(string(axe)) {
			rules = append(rules, v.ID)
		}
		if !slices.Contains(rules, "image-alt") || !slices.Contains(rules, "label") {
			t.Errorf("broken are %q, want image-alt and label among them", rules)
		}
	})
}

func TestFind_says_how_to_get_a_browser(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("CHROMIUM", "")
	if _, err := chromium.Find(); err == nil || !strings.Contains(err.Error(), "apt-get install chromium") {
		t.Errorf("%v", err)
	}
	t.Setenv("CHROMIUM", "/nowhere/chromium")
	if _, err := chromium.Find(); err == nil || !strings.Contains(err.Error(), "CHROMIUM") {
		t.Errorf("%v", err)
	}
}
