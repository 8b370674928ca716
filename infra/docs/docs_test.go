// Package docs_test holds the documentation to what is there: links lead somewhere, words that the program is said to say are in its source, and every
// alarm of a template has its runbook. That commands print what is shown is tested in infra/local.
package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the repository.
var root = filepath.Join("..", "..")

// read reads a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// files are the files of the repository whose names fit, with slashes. Folders of tools and of test data are left out.
func files(t *testing.T, fits func(name string) bool) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if entry.IsDir() {
			if base := entry.Name(); name != "." && (strings.HasPrefix(base, ".") || slices.Contains([]string{"node_modules", "dist"}, base)) {
				return fs.SkipDir
			}
			return nil
		}
		if fits(name) {
			found = append(found, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func isPage(name string) bool { return strings.HasSuffix(name, ".md") }

var (
	fence   = regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```")
	code    = regexp.MustCompile("`[^`\n]+`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// links are the targets of a page's links and pictures.
func links(page string) []string {
	var targets []string
	for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(fence.ReplaceAllString(page, ""), ""), -1) {
		targets = append(targets, m[1]+m[2])
	}
	return targets
}

// anchors are those of a page's headings, made as code hosts make them.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		slug := strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")
		for n, candidate := 0, slug; ; n++ {
			if n > 0 {
				candidate = fmt.Sprintf("%s-%d", slug, n)
			}
			if !found[candidate] {
				found[candidate] = true
				break
			}
		}
	}
	return found
}

func TestPages_link_to_what_is_there(t *testing.T) {
	t.Parallel()
	pages := files(t, isPage)
	if len(pages) < 20 {
		t.Fatalf("only %d pages were found", len(pages))
	}
	checked := 0
	for _, page := range pages {
		for _, target := range links(read(t, page)) {
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			checked++
			file, anchor, _ := strings.Cut(target, "#")
			name := page
			if file != "" {
				name = path.Join(path.Dir(page), file)
			}
			if strings.HasPrefix(name, "..") || strings.HasPrefix(file, "/") {
				t.Errorf("%s: %s leads out of the repository", page, target)
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(name))); err != nil {
				t.Errorf("%s: %s leads nowhere", page, target)
				continue
			}
			if anchor != "" && isPage(name) && !anchors(read(t, name))[anchor] {
				t.Errorf("%s: %s: the page has no such heading", page, target)
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d links were checked", checked)
	}
}

func TestPages_are_found_from_the_first_one(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{"README.md": true}
	for todo := []string{"README.md"}; len(todo) > 0; todo = todo[1:] {
		for _, target := range links(read(t, todo[0])) {
			file, _, _ := strings.Cut(target, "#")
			name := path.Join(path.Dir(todo[0]), file)
			if file != "" && !strings.Contains(target, "://") && isPage(name) && !seen[name] {
				seen[name] = true
				todo = append(todo, name)
			}
		}
	}
	for _, page := range files(t, isPage) {
		if (strings.HasPrefix(page, "docs/") || !strings.Contains(page, "/")) && !seen[page] {
			t.Errorf("no link leads to %s", page)
		}
	}
}

// mention is how a template names the page of an alarm.
var mention = regexp.MustCompile(`runbooks/([a-z0-9-]+)`)

func TestRunbooks_are_there_for_every_alarm(t *testing.T) {
	t.Parallel()
	for _, name := range files(t, func(name string) bool {
		return name == "template.yaml" || strings.HasPrefix(name, "infra/") && (strings.HasSuffix(name, ".tf") || strings.HasSuffix(name, ".tfvars"))
	}) {
		for _, m := range mention.FindAllStringSubmatch(read(t, name), -1) {
			if _, err := os.Stat(filepath.Join(root, "docs", "runbooks", m[1]+".md")); err != nil {
				t.Errorf("%s speaks of %s, and there is no such page", name, m[0])
			}
		}
	}
}

// How the templates name their alarms.
var (
	logAlarm    = regexp.MustCompile(`(?m)^\s+([a-z-]+) = \{\n\s+stream`)
	metricAlarm = regexp.MustCompile(`(?m)^resource "\w+_alarmrule" "(\w+)"`)
	cloudAlarm  = regexp.MustCompile(`(?m)^  (\w+):\n    Type: AWS::CloudWatch::Alarm`)
)

func TestRunbooks_are_listed_by_the_names_of_alarms(t *testing.T) {
	t.Parallel()
	list := read(t, "docs/runbooks/README.md")
	for name, least := range map[string]int{"infra/huaweicloud/alarms.tf": 5, "infra/opentelekomcloud/alarms.tf": 5, "template.yaml": 3} {
		text, found := read(t, name), 0
		for _, pattern := range []*regexp.Regexp{logAlarm, metricAlarm, cloudAlarm} {
			for _, m := range pattern.FindAllStringSubmatch(text, -1) {
				found++
				if !strings.Contains(list, "`"+m[1]+"`") {
					t.Errorf("%s has the alarm %s, and docs/runbooks/README.md does not say which page is its", name, m[1])
				}
			}
		}
		if found < least {
			t.Errorf("%s: %d alarms were found", name, found)
		}
	}
}

// What the pages for operators call the templates' variables, parameters and outputs.
var (
	snake  = regexp.MustCompile("`([a-z]+(?:_[a-z]+)+)(?: = [^`]*)?`")
	pascal = regexp.MustCompile("`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`")
)

func TestPages_name_what_the_templates_have(t *testing.T) {
	t.Parallel()
	var terraform strings.Builder
	for _, name := range files(t, func(name string) bool { return strings.HasPrefix(name, "infra/") && strings.HasSuffix(name, ".tf") }) {
		terraform.WriteString(read(t, name))
	}
	sam := read(t, "template.yaml")
	foreign := []string{"header_up", "request_payload", "response_payload", "request_id"} // of other programs
	actions := []string{"ListBucket", "GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload", "DeleteObjectVersion", "ConfigurationError", "BadRequest", "BackupFailed",
		"RestoreInterrupted", "DrillFailed", "DrillInterrupted", "Caddyfile", "Throttles"}
	outcomes := map[string]bool{} // that are logged
	for _, m := range regexp.MustCompile(`outcome = "(\w+)"`).FindAllStringSubmatch(read(t, "shared/handler/outcome.go"), -1) {
		outcomes[m[1]] = true
	}
	checked := 0
	for _, page := range []string{"docs/deploy.md", "docs/operate.md", "docs/security.md", "docs/runbooks/backup-missing-or-late.md", "docs/runbooks/backup-partial.md", "docs/runbooks/function-errors.md"} {
		text := read(t, page)
		for _, m := range snake.FindAllStringSubmatch(text, -1) {
			checked++
			if !slices.Contains(foreign, m[1]) && !regexp.MustCompile(`(?m)^(?:variable|output) "`+m[1]+`"|\b`+m[1]+`\b`).MatchString(terraform.String()) {
				t.Errorf("%s: no template has %s", page, m[1])
			}
		}
		for _, m := range pascal.FindAllStringSubmatch(text, -1) {
			checked++
			if !slices.Contains(actions, m[1]) && !outcomes[m[1]] && !regexp.MustCompile(`(?m)^  `+m[1]+`:|:`+m[1]+`\b`).MatchString(sam) {
				t.Errorf("%s: template.yaml has no %s", page, m[1])
			}
		}
	}
	if checked < 40 {
		t.Errorf("only %d names were checked", checked)
	}
}

// runbooks are the pages of alarms.
func runbooks(t *testing.T) []string {
	t.Helper()
	return files(t, func(name string) bool {
		return isPage(name) && strings.HasPrefix(name, "docs/runbooks/") && path.Base(name) != "README.md"
	})
}

func TestRunbooks_have_one_shape_and_are_listed(t *testing.T) {
	t.Parallel()
	want := []string{"What it means", "How urgent", "What to look at", "What to do", "How to know it is over"}
	list := read(t, "docs/runbooks/README.md")
	pages := runbooks(t)
	if len(pages) < 9 {
		t.Errorf("only %d runbooks were found", len(pages))
	}
	for _, page := range pages {
		var got []string
		for _, m := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(read(t, page), -1) {
			got = append(got, m[1])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: headings %q, want %q", page, got, want)
		}
		if !strings.Contains(list, "("+path.Base(page)+")") {
			t.Errorf("docs/runbooks/README.md does not list %s", path.Base(page))
		}
	}
}

// The words in a block with the head "says" are those of the program, … standing for what varies.
func TestPages_quote_what_the_program_says(t *testing.T) {
	t.Parallel()
	var source strings.Builder
	for _, name := range files(t, func(name string) bool {
		return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && (strings.HasPrefix(name, "shared/") || strings.HasPrefix(name, "functions/"))
	}) {
		source.WriteString(read(t, name))
	}
	// A text that goes over several lines of the source is one.
	text := regexp.MustCompile(`" ?\+\s*"`).ReplaceAllString(source.String(), "")
	quoted := 0
	for _, page := range files(t, isPage) {
		for _, block := range fence.FindAllStringSubmatch(read(t, page), -1) {
			if block[1] != "says" {
				continue
			}
			for line := range strings.SplitSeq(strings.TrimSpace(block[2]), "\n") {
				for part := range strings.SplitSeq(line, "…") {
					if part = strings.TrimSpace(part); part == "" {
						continue
					}
					quoted++
					if !strings.Contains(text, part) {
						t.Errorf("%s: the program does not say %q (any more)", page, part)
					}
				}
			}
		}
	}
	if quoted < 25 {
		t.Errorf("only %d quotations were found", quoted)
	}
}

// The words that alarms look for: all that are logged are explained, and the templates look for no other.
func TestOutcomes_are_explained(t *testing.T) {
	t.Parallel()
	logged := map[string]bool{"BadRequest": true, "ConfigurationError": true} // types of errors
	page := read(t, "docs/operate.md")
	for _, m := range regexp.MustCompile(`outcome = "(\w+)"`).FindAllStringSubmatch(read(t, "shared/handler/outcome.go"), -1) {
		logged[m[1]] = true
		if !strings.Contains(page, "`"+m[1]+"`") {
			t.Errorf("docs/operate.md does not say what the outcome %s is", m[1])
		}
	}
	if len(logged) < 15 {
		t.Fatalf("only %d outcomes were found", len(logged))
	}
	words := regexp.MustCompile(`\b(?:[A-Z][a-z]+){2,}\b`)
	for name, lines := range map[string]*regexp.Regexp{"infra/huaweicloud/alarms.tf": regexp.MustCompile(`(?m)^\s+keywords += "(.*)"`),
		"infra/opentelekomcloud/alarms.tf": regexp.MustCompile(`(?m)^\s+keywords += "(.*)"`), "template.yaml": regexp.MustCompile(`(?m)FilterPattern: '(.*)'`)} {
		found := lines.FindAllStringSubmatch(read(t, name), -1)
		if len(found) < 7 {
			t.Errorf("%s: %d searches were found", name, len(found))
		}
		for _, m := range found {
			for _, word := range words.FindAllString(m[1], -1) {
				if !logged[word] {
					t.Errorf("%s looks for %s, which nothing logs", name, word)
				}
			}
		}
	}
}

// Subjects of messages and types of errors that pages speak of.
func TestPages_name_subjects_and_types_that_there_are(t *testing.T) {
	t.Parallel()
	var source strings.Builder
	for _, name := range files(t, func(name string) bool {
		return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && strings.HasPrefix(name, "shared/")
	}) {
		source.WriteString(read(t, name))
	}
	for _, kind := range []string{"ConfigurationError", "BadRequest", "BackupFailed", "RestoreInterrupted", "DrillFailed", "DrillInterrupted", "MASS DELETION", "retention held",
		"DataArts backup FAILED", "DataArts drill FAILED", "DataArts %s %s%s: workspace %s", "VERIFIED", "DAMAGED", "CHAIN_BROKEN", "INTERRUPTED", "notification sent"} {
		if !strings.Contains(source.String(), kind) {
			t.Errorf("the source has no %q any more: look through docs/operate.md and docs/runbooks", kind)
		}
	}
}
