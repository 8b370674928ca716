package page_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"html/template"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/dataarts-backup/dataarts-backup/shared/page"
)

const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>'` + "`" + `{{.}}</textarea></svg>`

// full are views with something in every field, all of it hostile.
func full() map[string]page.View {
	moment := page.Moment{Text: hostile, Machine: hostile}
	links := page.Links{Workspace: hostile, Language: "en"}
	head := page.Head{Title: hostile, Version: hostile, Location: hostile, Workspace: hostile, Links: links, Live: true,
		Workspaces: []page.Link{{Text: hostile, Href: links.To("workspace", hostile), Current: true}}, Languages: []page.Link{{Text: "zh", Href: "?lang=zh"}},
		Fields: []page.Field{{Name: hostile, Value: hostile}}}
	backup := page.Backup{Name: hostile, Date: hostile, Path: "javascript:" + hostile, Status: hostile, Message: hostile, Href: links.To("backup", hostile), Counts: []page.Count{{Kind: hostile, Count: 3}},
		Size: hostile, Duration: hostile, Finished: moment, Restorable: true, Verified: &page.Verified{Status: hostile, At: moment, Message: hostile}, Progress: &page.Progress{Done: 1, Total: 2}}
	form := page.RestoreForm{Path: hostile, Paths: []string{hostile}, Base: hostile, Names: hostile, Workspaces: head.Workspaces}
	changes := []page.Change{{Field: hostile, From: hostile, To: hostile}, {Field: hostile, To: hostile, Diff: "@@ -1 +1 @@\n-" + hostile + "\n+" + hostile + "\n same"}}
	item := page.Item{ID: "item-1", Word: hostile, Kind: hostile, Name: hostile, Directory: hostile, Reason: hostile, Changes: changes, MoreChanges: 4, Files: []page.FileItem{{Word: hostile, Location: hostile, Reason: hostile}}}
	choices := []page.Link{{Text: hostile, Href: hostile, Current: true}}
	picture := page.Picture([]page.Node{{Kind: hostile, Name: hostile, Href: "javascript:alert(3)"}, {Kind: hostile, Name: hostile, Href: links.To("x", hostile), Absent: true}}, []page.Edge{{From: 0, To: 1}, {From: 9, To: -1}})
	return map[string]page.View{
		"main": page.Main{Head: head, Schedule: page.Schedule{Known: true, Enabled: true, Fault: hostile, Message: hostile, Folder: hostile, Path: hostile, Trigger: hostile, Expression: hostile, Next: moment, CanRun: true},
			Calendar: []page.Day{{Date: hostile, Day: hostile, State: hostile, Month: hostile, Href: links.To("backup", hostile), Verified: true}, {Date: "2026-11-22", Day: "22"}},
			Backups:  []page.Backup{backup}, BackupsTotal: 3, BackupsFault: "", Newest: "?a", Next: "?b", Choice: []string{hostile, hostile},
			Drills:       page.Drills{Good: hostile, Failed: hostile, Fault: hostile, GoodFinished: moment, FailedFinished: moment},
			Restorations: []page.Restoration{{ID: hostile, From: hostile, Workspace: hostile, Policy: hostile, Status: hostile, Message: hostile, Href: links.To("id", hostile), On: moment, Done: 1, Total: 2}}, RestorationsTotal: 9, RestorationsNext: "?c", Recent: "?d"},
		"main without anything": page.Main{Head: page.Head{Links: page.Links{}}, Restoring: true, BackupsFault: hostile, RestorationsFault: hostile},
		"backup": page.BackupView{Head: head, Backup: backup, Facts: []page.Fact{{Name: hostile, Value: hostile}}, CanVerify: true, Missing: []string{hostile}, Drift: []string{hostile}, DocumentLink: "?e", LiveLink: "?f", BeforeLink: "?g", ExportLink: "?h",
			RestoreForm: form, Query: hostile, Kinds: choices, Assets: []page.AssetRow{{Kind: hostile, Name: hostile, Directory: hostile, Owner: hostile, Size: hostile, Href: links.To("key", hostile), Changed: moment}}, Total: 3, Fault: hostile, Next: "?i"},
		"asset": page.AssetView{Head: head, BackupName: hostile, BackupLink: "?j", BackupPath: hostile, Kind: hostile, Name: hostile, Facts: []page.Fact{{Name: hostile, Value: hostile}}, Tabs: []page.Link{{Text: hostile, Href: "?k", Current: true}}, Shown: hostile,
			RevealLink: "?l", RawLink: "?m", Restorable: true, RestoreForm: form, Fault: hostile, Note: hostile, Language: hostile, Text: page.Highlight(page.SQL, hostile), Definition: page.Highlight(page.JSON, `{"a":"`+hostile),
			Picture: picture, Edges: []string{hostile}, History: []page.HistoryRow{{Backup: hostile, Href: "?n", Change: hostile, By: hostile, Reason: hostile, DiffLink: "?o", At: moment}}, Next: "?p"},
		"document": page.DocumentView{Head: head, BackupName: hostile, BackupLink: "?q", API: "backups/" + hostile, ETag: hostile, Text: hostile},
		"restore": page.RestoreView{Head: head, ID: hostile, Status: hostile, Message: hostile, From: hostile, Target: hostile, Policy: hostile, PlanHash: hostile, Request: `{"path":"` + hostile, On: moment, Finished: moment, Done: 1, Total: 2, Queued: true, Undo: hostile,
			CanApply: true, CanUndo: true, Problems: []page.Problem{{Kind: hostile, Name: hostile, Text: hostile}}, Exports: []page.Export{{Path: hostile, Size: hostile}}, Query: hostile, Whats: choices, Items: []page.Item{item}, Fitting: 3, Next: "?r"},
		"compare": page.CompareView{Head: head, From: hostile, To: "live", Message: hostile, Tiles: []page.Tile{{Word: hostile, Href: "?s", Count: 3, Current: true}}, Turned: "?t", Query: hostile, Kinds: choices, Items: []page.Item{item}, Total: 4, Next: "?u"},
		"find": page.FindView{Head: head, Criteria: []page.Criterion{{Name: hostile, Label: hostile, Value: hostile}}, Kinds: choices, Asked: true, Fault: hostile, Searched: hostile, Unsearched: []string{hostile},
			Found: []page.Found{{Kind: hostile, Name: hostile, Href: links.To("key", hostile), Span: hostile, Where: []string{hostile}}}, Next: "?v"},
		"failure": page.Failure{Head: head, Message: hostile},
	}
}

func render(t *testing.T, language string, v page.View) (*html.Node, string) {
	t.Helper()
	body, err := page.New().Render(language, v)
	if err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	return root, string(body)
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func TestRender_shows_hostile_text_as_text(t *testing.T) {
	t.Parallel()
	for name, view := range full() {
		for _, language := range page.Languages() {
			t.Run(name+"_"+language, func(t *testing.T) {
				t.Parallel()
				root, _ := render(t, language, view)
				scripts := 0
				for n := range root.Descendants() {
					if n.Type != html.ElementNode {
						continue
					}
					switch n.Data {
					case "script":
						scripts++
						if n.FirstChild != nil || !strings.HasPrefix(attribute(n, "src"), "?file=page-") {
							t.Error("a script that is not the page's own")
						}
					case "img", "iframe", "object", "embed", "base", "style":
						t.Errorf("<%s> was smuggled in", n.Data)
					}
					for _, a := range n.Attr {
						if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "srcdoc" {
							t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
						}
						if (a.Key == "href" || a.Key == "src" || a.Key == "action") && !strings.HasPrefix(a.Val, "?") && a.Val != "#main" && a.Val != "data:," {
							t.Errorf("<%s %s=%q>: want an address of the page's own", n.Data, a.Key, a.Val)
						}
					}
				}
				if scripts != 1 {
					t.Errorf("%d scripts", scripts)
				}
			})
		}
	}
}

// What machine checks can hold of a page that is used with a screen reader or a keyboard: names, labels, one main heading, ids that are there and there once.
func TestRender_can_be_used_without_eyes(t *testing.T) {
	t.Parallel()
	for name, view := range full() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, _ := render(t, "en", view)
			count, ids := map[string]int{}, map[string]int{}
			var refers []string
			for n := range root.Descendants() {
				if n.Type != html.ElementNode {
					continue
				}
				if n.Namespace == "" { // a picture has titles of its own
					count[n.Data]++
				}
				if id := attribute(n, "id"); id != "" {
					ids[id]++
				}
				for _, key := range []string{"aria-labelledby", "aria-controls", "for", "list"} {
					if id := attribute(n, key); id != "" {
						refers = append(refers, id)
					}
				}
				switch n.Data {
				case "progress", "nav":
					if attribute(n, "aria-label") == "" {
						t.Errorf("a <%s> without a name", n.Data)
					}
				case "th":
					if attribute(n, "scope") == "" {
						t.Error("a header without a scope")
					}
				case "input", "select", "textarea":
					if attribute(n, "type") != "hidden" && attribute(n, "id") == "" && n.Parent.Data != "label" {
						t.Errorf("<%s name=%s> without a label", n.Data, attribute(n, "name"))
					}
				case "dialog":
					if attribute(n, "aria-labelledby") == "" {
						t.Error("a dialog without a name")
					}
				}
			}
			for _, element := range []string{"main", "h1", "title", "footer"} {
				if count[element] != 1 {
					t.Errorf("%d <%s>", count[element], element)
				}
			}
			for id, n := range ids {
				if n > 1 {
					t.Errorf("id %q is there %d times", id, n)
				}
			}
			for _, id := range refers {
				if ids[id] != 1 {
					t.Errorf("something refers to %q, which is there %d times", id, ids[id])
				}
			}
		})
	}
}

func TestPolicy_lets_in_nothing_but_what_is_the_pages_own(t *testing.T) {
	t.Parallel()
	p := page.New()
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(p.Policy(), want) {
			t.Errorf("policy %q, want %s in it", p.Policy(), want)
		}
	}
	if strings.Contains(p.Policy(), "unsafe") || strings.Contains(p.Policy(), "http") {
		t.Error(p.Policy())
	}
}

func TestFile_is_what_the_page_asks_for(t *testing.T) {
	t.Parallel()
	_, body := render(t, "en", page.Failure{})
	names := regexp.MustCompile(`"\?file=([^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(names) != 2 {
		t.Fatalf("files %v", names)
	}
	total := len(body)
	for _, name := range names {
		f, ok := page.New().File(name[1])
		if !ok || len(f.Body) == 0 || !strings.HasPrefix(f.ContentType, "text/") {
			t.Errorf("%s: %v, %d bytes, %s", name[1], ok, len(f.Body), f.ContentType)
		}
		total += len(f.Body)
	}
	if total > 60_000 {
		t.Errorf("the page without content has %d bytes: 100 KB with content is the limit", total)
	}
	if _, ok := page.New().File("../page.go"); ok {
		t.Error("a file that is none of the page's")
	}
}

// Texts of templates are found as t "…", those of code as say("…").
func TestLanguages_every_text_is_there_in_Chinese(t *testing.T) {
	t.Parallel()
	texts := map[string]bool{}
	for month := time.January; month <= time.December; month++ {
		texts[month.String()[:3]] = true // those of the calendar strip are said by their date
	}
	templates, err := filepath.Glob("templates/*.html")
	if err != nil || len(templates) == 0 {
		t.Fatal("no templates", err)
	}
	said := regexp.MustCompile(`\bt ("(?:[^"\\]|\\.)*")`)
	for _, name := range templates {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for action := range strings.SplitSeq(string(text), "{{") {
			action, _, _ = strings.Cut(action, "}}")
			for _, found := range said.FindAllStringSubmatch(action, -1) {
				unquoted, err := strconv.Unquote(found[1])
				if err != nil {
					t.Fatal(err)
				}
				texts[unquoted] = true
			}
		}
	}
	code, err := filepath.Glob("../handler/console_page*.go")
	if err != nil || len(code) == 0 {
		t.Fatal("no code", err)
	}
	for _, name := range code {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			if selector, ok := call.Fun.(*ast.SelectorExpr); ok && selector.Sel.Name == "say" {
				if literal, ok := call.Args[0].(*ast.BasicLit); ok {
					unquoted, err := strconv.Unquote(literal.Value)
					if err != nil {
						t.Fatal(err)
					}
					texts[unquoted] = true
				}
			}
			return true
		})
	}
	catalogue := page.Catalogue("zh")
	for text := range texts {
		translated, ok := catalogue[text]
		if !ok {
			t.Errorf("not there in Chinese: %q", text)
		}
		if strings.Count(text, "%") != strings.Count(translated, "%") {
			t.Errorf("%q and %q hold different numbers of values", text, translated)
		}
	}
	for text := range catalogue {
		if !texts[text] {
			t.Errorf("in Chinese, and nowhere used: %q", text)
		}
	}
}

func TestNegotiate_takes_what_is_asked_for_and_else_what_the_browser_likes_best(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ asked, accept, want string }{
		{"", "", "en"},
		{"zh", "en", "zh"},
		{"", "zh-CN,zh;q=0.9,en;q=0.8", "zh"},
		{"", "de-DE,de;q=0.9,en;q=0.5,zh;q=0.4", "en"},
		{"", "en;q=0.1, ZH-hant;q=0.7", "zh"},
		{"", "zh;q=x", "en"},
		{"", "fr", "en"},
		{"xx", "zh", "zh"},
	} {
		if got := page.Negotiate(c.asked, c.accept); got != c.want {
			t.Errorf("asked %q, accepts %q: %s, want %s", c.asked, c.accept, got, c.want)
		}
	}
}

func TestHighlight(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		language, text string
		want           template.HTML
	}{
		"members_and_values_of_JSON":          {page.JSON, `{"a": "b", "n":-1.5e3, "x":[true]}`, `{<span class="m">&#34;a&#34;</span>: <span class="s">&#34;b&#34;</span>, <span class="m">&#34;n&#34;</span>:-<span class="n">1.5e3</span>, <span class="m">&#34;x&#34;</span>:[<span class="k">true</span>]}`},
		"keywords_of_SQL_whatever_their_case": {page.SQL, "Select x -- why\nfrom t1", `<span class="k">Select</span> x <span class="c">-- why</span>` + "\n" + `<span class="k">from</span> t1`},
		"strings_without_an_end":              {page.SQL, "'abc", `<span class="s">&#39;abc</span>`},
		"comments_without_an_end":             {page.SQL, "/* x", `<span class="c">/* x</span>`},
		"escapes_in_strings":                  {page.JSON, `"a\"b"`, `<span class="s">&#34;a\&#34;b&#34;</span>`},
		"comments_of_a_shell":                 {page.Shell, "if x # <b>", `<span class="k">if</span> x <span class="c"># &lt;b&gt;</span>`},
		"an_unknown_language_plain":           {"cobol", "<b>", `&lt;b&gt;`},
		"what_is_no_UTF-8":                    {page.Python, "\xff\xfe", "\uFFFD"},
		"Chinese":                             {page.SQL, "选择 'x'", `选择 <span class="s">&#39;x&#39;</span>`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := page.Highlight(c.language, c.text); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// Whatever a text holds: it is shown whole, and nothing but marks is added.
func FuzzHighlight(f *testing.F) {
	f.Add("sql", "select '--' /* x")
	f.Add("json", `{"a":"\`)
	f.Add("shell", hostile)
	f.Fuzz(func(t *testing.T, language, text string) {
		got := string(page.Highlight(language, text))
		root, err := html.Parse(strings.NewReader("<pre>" + "\n" + got + "</pre>"))
		if err != nil {
			t.Fatal(err)
		}
		var shown strings.Builder
		for n := range root.Descendants() {
			if n.Type == html.TextNode {
				shown.WriteString(n.Data)
			}
			if n.Type == html.ElementNode && !strings.Contains("html head body pre span", n.Data) {
				t.Fatalf("<%s> in %q", n.Data, got)
			}
		}
		want := strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "\uFFFD").Replace(strings.ToValidUTF8(text, "\uFFFD"))
		if shown.String() != want {
			t.Fatalf("shown %q, want %q", shown.String(), want)
		}
	})
}

func TestPicture_puts_what_is_needed_left_and_what_needs_right(t *testing.T) {
	t.Parallel()
	nodes := []page.Node{{Kind: "jobs", Name: "here"}, {Kind: "scripts", Name: "needed", Distance: 1}, {Kind: "jobs", Name: "needs", Distance: -1}, {Kind: "scripts", Name: "further", Distance: 2}}
	got := string(page.Picture(nodes, []page.Edge{{From: 0, To: 1}, {From: 2, To: 0}, {From: 1, To: 3}, {From: 0, To: 0}}))
	at := func(name string) int {
		found := regexp.MustCompile(`<title>\w+ ` + name + `</title><rect x="(\d+)"`).FindStringSubmatch(got)
		if found == nil {
			t.Fatalf("%s is not in %s", name, got)
		}
		x, err := strconv.Atoi(found[1])
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	if !(at("further") < at("needed") && at("needed") < at("here") && at("here") < at("needs")) {
		t.Error(got)
	}
	if n := strings.Count(got, `class="edge"`); n != 3 {
		t.Errorf("%d edges: an asset that needs itself has no arrow", n)
	}
	if page.Picture(nil, nil) != "" {
		t.Error("a picture of nothing")
	}
	cycle := page.Picture([]page.Node{{Name: "a"}, {Name: "b"}}, []page.Edge{{From: 0, To: 1}, {From: 1, To: 0}})
	if strings.Count(string(cycle), `class="edge"`) != 2 {
		t.Error(cycle)
	}
}

func TestSize_and_Duration_use_the_units_that_people_use(t *testing.T) {
	t.Parallel()
	for count, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1<<20 - 1: "1.0 MiB", 5 << 29: "2.5 GiB"} {
		if got := page.Size(count); got != want {
			t.Errorf("%d bytes: %s, want %s", count, got, want)
		}
	}
	for ms, want := range map[int64]string{0: "0 ms", 999: "999 ms", 59990: "59.9 s", 3599000: "59 min 59 s", 91800000: "25 h 30 min"} {
		if got := page.Duration(ms); got != want {
			t.Errorf("%d ms: %s, want %s", ms, got, want)
		}
	}
}
