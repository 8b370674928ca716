package local_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

// A page of the documentation shows commands and what they print. What stands between them changes the world, and is written as a comment in HTML.
var (
	guideStep    = regexp.MustCompile("(?s)```console\n(\\$ .*?)```|<!-- meanwhile: (.*?) -->")
	guideCommand = regexp.MustCompile(`^echo '(.*)' \| dist/(backup|restore)/bootstrap \| jq \.$`)
	guideCall    = regexp.MustCompile(`^curl (?:-X (\w+) )?"\$API(/[^"]*)"(?: -d '(.*)')? \| jq \.$`)
	// What differs from run to run, but for ids, which the page chooses itself.
	guideVaries = []struct {
		what *regexp.Regexp
		as   string
	}{
		{regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
		{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "HASH"},
		{regexp.MustCompile(`("\w*(?:Ms|calls|size)": )\d+`), "${1}N"},
		{regexp.MustCompile(`\b\d+(?:\.\d+)?m?s\b`), "Ns"},
		{regexp.MustCompile(`drill-[0-9TZ]+`), "drill-TIME"},
	}
)

// guide is a page being tried.
type guide struct {
	t     *testing.T
	cloud *local.Cloud
	w     *dataarts.WorkspaceHandle
}

// guides are the pages below docs whose commands are tried, and how many steps each has at least.
func guides() map[string]int {
	return map[string]int{
		"restore.md": 10, "operate.md": 9, "deploy.md": 5,
		"runbooks/backup-failed.md": 2, "runbooks/backup-partial.md": 2, "runbooks/backup-missing-or-late.md": 2, "runbooks/backup-damaged.md": 3,
		"runbooks/mass-deletion-hold.md": 3, "runbooks/restore-failed-or-partial.md": 3, "runbooks/drill-failed.md": 1,
	}
}

func TestGuides_show_what_is_really_printed(t *testing.T) {
	t.Parallel()
	for page, least := range guides() {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			tryGuide(t, page, least)
		})
	}
}

func tryGuide(t *testing.T, name string, least int) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	c, w := filled(t, local.Options{Workspaces: []dataarts.Workspace{{ID: local.WorkspaceID, Name: "warehouse"}, {ID: drillWorkspace, Name: "drill"}},
		Variables: map[string]string{"DATAARTS_WORKSPACES": local.WorkspaceID}})
	run(t, "backup", nightly, c.Environment()).succeed(t)
	g := &guide{t: t, cloud: c, w: w}
	steps := guideStep.FindAllStringSubmatch(string(page), -1)
	if len(steps) < least {
		t.Fatalf("%d steps were found, want %d at least", len(steps), least)
	}
	for _, step := range steps {
		if step[2] != "" {
			g.meanwhile(step[2])
			continue
		}
		command, shown, _ := strings.Cut(strings.TrimPrefix(step[1], "$ "), "\n")
		printed := g.print(command)
		if missing := g.missing(printed, shown); missing != "" {
			t.Errorf("$ %s\nthe page shows a line that is not printed (any more, or there):\n%s\nprinted was:\n%s", command, missing, printed)
		}
	}
}

// drillWorkspace is where the page's drill takes place.
const drillWorkspace = "0dd3000000000000000000000000d217"

// meanwhile does what somebody does to the workspace.
func (g *guide) meanwhile(what string) {
	g.t.Helper()
	words := strings.Fields(what)
	switch words[0] {
	case "wipe":
		g.w.Wipe()
	case "delete":
		g.w.Delete(dataarts.Kind(words[1]), words[2])
	case "change": // kind, name, old text, new text
		all := g.w.All(dataarts.Kind(words[1]))
		text := string(all[words[2]])
		if !strings.Contains(text, words[3]) {
			g.t.Fatalf("%s %s has no %s: %s", words[1], words[2], words[3], text)
		}
		if err := g.w.Put(dataarts.Kind(words[1]), json.RawMessage(strings.ReplaceAll(text, words[3], words[4]))); err != nil {
			g.t.Fatal(err)
		}
	case "spoil": // object of the backup: old text, new text
		key := local.WorkspaceID + "/" + words[1]
		text := string(object(g.t, g.cloud, key))
		if !strings.Contains(text, words[2]) {
			g.t.Fatalf("%s has no %s: %s", words[1], words[2], text)
		}
		if err := g.cloud.Store.PutObject(local.Bucket, key, []byte(strings.ReplaceAll(text, words[2], words[3]))); err != nil {
			g.t.Fatal(err)
		}
	case "night": // the night of a date
		run(g.t, "backup", `{"time":"`+words[1]+`T00:00:00+08:00"}`, g.cloud.Environment())
	case "run":
		g.w.SetJobStatus(words[1], "SCHEDULING")
	case "edit": // backup.json: old text, new text
		key := local.WorkspaceID + "/2026-11-22/backup.json"
		text := string(object(g.t, g.cloud, key))
		if !strings.Contains(text, words[1]) {
			g.t.Fatalf("backup.json has no %s", words[1])
		}
		if err := g.cloud.Store.PutObject(local.Bucket, key, []byte(strings.Replace(text, words[1], words[2], 1))); err != nil {
			g.t.Fatal(err)
		}
	default:
		g.t.Fatalf("%q is nothing that can happen meanwhile", what)
	}
}

// print runs a command of the page.
func (g *guide) print(command string) string {
	g.t.Helper()
	if m := guideCommand.FindStringSubmatch(command); m != nil {
		return pretty(g.t, run(g.t, m[2], m[1], g.cloud.Environment()).stdout)
	}
	m := guideCall.FindStringSubmatch(command)
	if m == nil {
		g.t.Fatalf("$ %s: this page can only echo a command to a bootstrap, or curl", command)
	}
	method := m[1]
	if method == "" {
		method = http.MethodGet
	}
	got, body := call(g.t, g.cloud, method, m[2], m[3])
	if got.StatusCode >= http.StatusMultipleChoices {
		g.t.Errorf("$ %s: %s", command, got.Status)
	}
	if got.StatusCode == http.StatusAccepted { // the page goes on when the restore is over
		g.await(got.Header.Get("Location"), strings.HasSuffix(m[2], "/undo"))
	}
	return pretty(g.t, body)
}

// await waits until a restore or its undo is over.
func (g *guide) await(location string, undo bool) {
	g.t.Helper()
	for range 600 {
		_, body := call(g.t, g.cloud, http.MethodGet, location, "")
		switch parse[report](g.t, body).Status {
		case "RUNNING":
		case "COMPLETE":
			if !undo {
				return
			}
		default:
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	g.t.Fatalf("%s has not ended", location)
}

// pretty is what jq makes of it.
func pretty(t *testing.T, text []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		t.Fatalf("not JSON: %v: %s", err, text)
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(out.String())
}

// missing returns the first line that is shown and not printed. The lines that are shown stand in the order in which they are printed; … stands for those
// that are left out.
func (g *guide) missing(printed, shown string) string {
	lines := strings.Split(steady(printed), "\n")
	for line := range strings.SplitSeq(strings.TrimRight(steady(shown), "\n"), "\n") {
		if strings.TrimSpace(line) == "…" {
			continue
		}
		for len(lines) > 0 && strings.TrimRight(lines[0], " ") != strings.TrimRight(line, " ") {
			lines = lines[1:]
		}
		if len(lines) == 0 {
			return line
		}
		lines = lines[1:]
	}
	return ""
}

// steady takes out what differs from run to run.
func steady(text string) string {
	for _, v := range guideVaries {
		text = v.what.ReplaceAllString(text, v.as)
	}
	return text
}

func TestGuide_finds_a_line_that_is_not_printed(t *testing.T) {
	t.Parallel()
	g := &guide{t: t}
	const printed = "{\n  \"status\": \"PLANNED\",\n  \"calls\": 12,\n  \"startedAt\": \"2026-11-22T00:00:01.5Z\"\n}"
	for shown, want := range map[string]string{
		"{\n  \"status\": \"PLANNED\",\n  …\n  \"startedAt\": \"2027-01-01T00:00:00Z\"\n}\n": "",
		"  \"calls\": 99,\n":                             "",
		"  \"calls\": 12,\n  \"status\": \"PLANNED\",\n": `  "status": "PLANNED",`,
		"  \"status\": \"COMPLETE\",\n":                  `  "status": "COMPLETE",`,
	} {
		if got := g.missing(printed, shown); got != want {
			t.Errorf("%q: %q, want %q", shown, got, want)
		}
	}
}
