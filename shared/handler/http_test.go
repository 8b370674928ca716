package handler_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

func TestHTTP_WhatAnotherSiteSendsChangesNothing(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	b.backup("factory", "2026-11-22", nil)
	const refused, served = http.StatusForbidden, http.StatusOK
	for name, c := range map[string]struct {
		method string
		header map[string]string
		want   int
	}{
		"a_script_sends_neither_header":              {"POST", nil, served},
		"the_page_itself":                            {"POST", map[string]string{"sec-fetch-site": "same-origin", "origin": "https://console.example", "host": "console.example"}, served},
		"the_page_itself_behind_another_host":        {"POST", map[string]string{"sec-fetch-site": "same-origin", "origin": "https://console.example", "host": "internal"}, served},
		"the_page_itself_with_a_form":                {"POST", map[string]string{"sec-fetch-site": "same-origin", "origin": "null", "host": "console.example"}, served},
		"the_user_himself":                           {"POST", map[string]string{"sec-fetch-site": "none"}, served},
		"another_site":                               {"POST", map[string]string{"sec-fetch-site": "cross-site", "origin": "https://evil.example", "host": "console.example"}, refused},
		"another_site_whose_origin_is_hidden":        {"POST", map[string]string{"sec-fetch-site": "cross-site"}, refused},
		"another_host_of_the_same_site":              {"POST", map[string]string{"sec-fetch-site": "same-site", "origin": "https://evil.example.com", "host": "console.example.com"}, refused},
		"another_site_in_any_spelling":               {"POST", map[string]string{"SEC-FETCH-SITE": "cross-site"}, refused},
		"what_no_browser_says":                       {"POST", map[string]string{"sec-fetch-site": "friends"}, refused},
		"an_old_browser_on_the_page":                 {"POST", map[string]string{"origin": "https://console.example", "host": "console.example"}, served},
		"an_old_browser_on_another_site":             {"POST", map[string]string{"origin": "https://evil.example", "host": "console.example"}, refused},
		"an_old_browser_that_hides_the_origin":       {"POST", map[string]string{"origin": "null", "host": "console.example"}, refused},
		"an_old_browser_without_a_host_to_compare":   {"POST", map[string]string{"origin": "https://console.example"}, refused},
		"a_host_that_the_page_says_was_the_first":    {"POST", map[string]string{"origin": "https://evil.example", "host": "console.example", "x-forwarded-host": "evil.example"}, refused},
		"another_site_may_link_to_what_only_reads":   {"GET", map[string]string{"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, http.StatusMethodNotAllowed},
		"another_site_with_a_method_that_is_no_real": {"DELETE", map[string]string{"sec-fetch-site": "cross-site"}, refused},
	} {
		a := b.ask(c.method, "/backups/2026-11-22/verify", "", c.header)
		if a.Status != c.want {
			t.Errorf("%s: %d %s, want %d", name, a.Status, a.Body, c.want)
		}
		if c.want == refused && !strings.Contains(string(a.Body), `"code": "forbidden"`) {
			t.Errorf("%s: %s", name, a.Body)
		}
	}
	before := b.objects.Calls("PutObject")
	b.ask("POST", "/backups/2026-11-22/verify", "", map[string]string{"sec-fetch-site": "cross-site"})
	if b.objects.Calls("PutObject") != before {
		t.Error("what was refused has written something")
	}
}

func TestHTTP_TheRestoreFunctionIsGuardedToo(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	payload := []byte(`{"httpMethod":"POST","path":"/restores","headers":{"Sec-Fetch-Site":"cross-site"},"isBase64Encoded":false,"requestContext":{"stage":"RELEASE"},
		"body":"{\"id\":\"mine\",\"date\":\"latest\",\"duplicateNamePolicy\":\"skip\"}"}`)
	answer, err := f.invoke(f.restore, payload)
	if err != nil || !strings.Contains(answer, `"statusCode":403`) {
		t.Fatal(answer, err)
	}
	if keys, _ := f.Objects.Keys("dataarts-backup", "restore-requests/"); len(keys) > 0 {
		t.Errorf("%q", keys)
	}
}

func TestHTTP_NoGETWritesAnything(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	b.backup("factory", "2026-11-21", nil)
	b.backup("factory", "2026-11-22", nil)
	b.report(restore.Report{ID: "mine", Status: restore.Complete})
	writes := func() (n int) {
		for _, operation := range []string{"PutObject", "CopyObject", "DeleteObject", "DeleteObjects", "InitiateMultipartUpload"} {
			n += b.objects.Calls(operation)
		}
		return n
	}
	before, routes := writes(), 0
	for _, r := range handler.RouteTable() {
		method, path, _ := strings.Cut(r, " ")
		if method != http.MethodGet || strings.HasPrefix(path, "/restores") {
			continue
		}
		routes++
		path = strings.NewReplacer("{name}", "2026-11-22", "{other}", "2026-11-21", "{id}", "mine").Replace(path)
		for _, query := range []string{"", "?key=3_scripts/dim.script&kind=scripts&name=dim&text=dim&view=backup&backup=2026-11-22"} {
			b.send("GET", path+query)
		}
	}
	if routes < 5 {
		t.Fatalf("%d routes", routes)
	}
	if after := writes(); after != before {
		t.Errorf("%d writes", after-before)
	}
}

func TestHTTP_ETags(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	b.backup("factory", "2026-11-22", nil)
	for _, target := range []string{"/", "/backups", "/backups/2026-11-22", "/folders", "/calendar"} {
		first := b.ask("GET", target, "", nil)
		etag := first.Header["Etag"]
		if first.Status != 200 || etag == "" || first.Header["Cache-Control"] != "private, no-cache" {
			t.Fatalf("%s: %d %v", target, first.Status, first.Header)
		}
		for _, condition := range []string{etag, `"other", ` + etag, `W/"x,y" ,` + etag + `, "z"`, "*", strings.TrimPrefix(etag, "W/")} {
			for _, method := range []string{"GET", "HEAD"} {
				again := b.ask(method, target, "", map[string]string{"if-none-match": condition})
				if again.Status != http.StatusNotModified || len(again.Body) != 0 || again.Header["Etag"] != etag || again.Header["Cache-Control"] != "private, no-cache" {
					t.Errorf("%s %s: %s: %d %v %s", method, target, condition, again.Status, again.Header, again.Body)
				}
			}
		}
		for _, condition := range []string{"", `"other"`, "other", `W/`, `"unfinished`, etag[:len(etag)-2] + `"`, "**"} {
			if again := b.ask("GET", target, "", map[string]string{"if-none-match": condition}); again.Status != 200 || string(again.Body) != string(first.Body) {
				t.Errorf("%s: %s: %d", target, condition, again.Status)
			}
		}
	}
	before := b.ask("GET", "/backups", "", nil)
	b.backup("factory", "2026-11-23", nil)
	if after := b.ask("GET", "/backups", "", map[string]string{"if-none-match": before.Header["Etag"]}); after.Status != 200 || after.Header["Etag"] == before.Header["Etag"] {
		t.Errorf("a new backup: %d", after.Status)
	}
	for _, r := range []string{"GET /none", "GET /backups/x", "POST /backups/2026-11-22/verify", "DELETE /backups"} {
		method, target, _ := strings.Cut(r, " ")
		if a := b.ask(method, target, "", map[string]string{"if-none-match": "*"}); a.Status == http.StatusNotModified || a.Header["Etag"] != "" || a.Header["Cache-Control"] != "no-store" {
			t.Errorf("%s: %d %v", r, a.Status, a.Header)
		}
	}
}

func TestHTTP_EveryAnswerIsForItsOwnPageOnly(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	b.backup("factory", "2026-11-22", nil)
	want := map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"}
	for _, r := range []string{"GET /", "GET /backups", "GET /none", "POST /backups/2026-11-22/verify", "DELETE /"} {
		method, target, _ := strings.Cut(r, " ")
		a := b.ask(method, target, "", nil)
		for name, value := range want {
			if a.Header[name] != value {
				t.Errorf("%s: %s is %q", r, name, a.Header[name])
			}
		}
		if policy := a.Header["Content-Security-Policy"]; !strings.HasPrefix(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: %q", r, policy)
		}
	}
	get, head := b.ask("GET", "/backups", "", nil), b.ask("HEAD", "/backups", "", nil)
	if !maps.Equal(get.Header, head.Header) || len(head.Body) > 0 {
		t.Errorf("%v %v", get.Header, head.Header)
	}
}

func TestHTTP_WhatIsTooLargeIsRefusedInWords(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	b.backup("factory", "2026-11-22", nil)
	for name, c := range map[string]struct {
		method, target, body string
		status               int
		code                 string
	}{
		"a_body":                        {"POST", "/backups/2026-11-22/verify", strings.Repeat("x", 1<<20+1), 413, "too_large"},
		"a_body_for_nothing":            {"POST", "/none", strings.Repeat("x", 1<<20+1), 404, "not_found"},
		"a_path":                        {"GET", "/" + strings.Repeat("x", 3<<10), "", 414, "too_large"},
		"a_query":                       {"GET", "/backups?x=" + strings.Repeat("x", 17<<10), "", 414, "too_large"},
		"a_query_of_many_parameters":    {"GET", "/backups?x" + strings.Repeat("&x", 300), "", 414, "too_large"},
		"a_path_that_is_no_text":        {"GET", "/backups/%ff", "", 400, "invalid"},
		"a_query_that_is_no_text":       {"GET", "/backups?workspace=%ff", "", 400, "invalid"},
		"a_parameter_s_name_that_is_no": {"GET", "/backups?%ff=1", "", 400, "invalid"},
		"a_body_that_is_no_text":        {"POST", "/backups/2026-11-22/verify", "\xff", 400, "invalid"},
	} {
		payload, err := json.Marshal(map[string]any{"version": "2.0", "rawPath": strings.SplitN(c.target, "?", 2)[0], "rawQueryString": strings.Join(strings.SplitN(c.target, "?", 2)[1:], ""),
			"body": []byte(c.body), "isBase64Encoded": true, "requestContext": map[string]any{"stage": "$default", "http": map[string]string{"method": c.method}}})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := b.invoke(t.Context(), payload)
		if err != nil {
			t.Fatal(name, err)
		}
		raw, _ := answer.(json.RawMessage)
		var a consoleAnswer
		if err := json.Unmarshal(raw, &a); err != nil {
			t.Fatal(err)
		}
		if a.Status != c.status || !strings.Contains(a.Body, `"code": "`+c.code+`"`) {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
}

func TestHTTP_AnAnswerThatNoPlatformTakesIsAnErrorThatSaysSo(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	b.backup("factory", "2026-11-22", func(m *vault.Manifest) {
		for i := range 30_000 {
			m.Drift = append(m.Drift, vault.Drift{Kind: "jobs", Name: fmt.Sprintf("job %d %s", i, strings.Repeat("x", 200)), Change: "changed"})
		}
	})
	for _, method := range []string{"GET", "HEAD"} {
		a := b.ask(method, "/backups/2026-11-22", "", nil)
		if a.Status != 500 || method == "GET" && (!strings.Contains(string(a.Body), `"code": "too_large"`) || !strings.Contains(string(a.Body), "ask for less")) || a.Header["Etag"] != "" {
			t.Errorf("%s: %d %v %.300s", method, a.Status, a.Header, a.Body)
		}
	}
}
