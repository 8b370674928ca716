package restore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

func shell(name, text string) []byte {
	return fmt.Appendf(nil, `{"name":%q,"type":"Shell","content":%s,"connectionName":"c"}`, name, rawjson.Quote(text))
}

func sqlJob(name, statement string) []byte {
	return fmt.Appendf(nil, `{"name":%q,"processType":"BATCH","schedule":{"type":"EXECUTE_ONCE"},"nodes":[{"name":"n","type":"HiveSQL","location":{"x":"0","y":"0"},
		"properties":[{"name":"statement","value":%s}]}]}`, name, rawjson.Quote(statement))
}

// with writes assets of a kind, each with its text.
func with(kind dataarts.Kind, definitions ...[]byte) func(*dataarts.WorkspaceHandle) error {
	return func(w *dataarts.WorkspaceHandle) error {
		for _, d := range definitions {
			if err := w.Put(kind, d); err != nil {
				return err
			}
		}
		return nil
	}
}

func (d *desk) putAll(kind dataarts.Kind, definitions ...[]byte) {
	d.t.Helper()
	if err := with(kind, definitions...)(d.Handle(localtest.Workspace)); err != nil {
		d.t.Fatal(err)
	}
}

func numbered(n int, line func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(line(i) + "\n")
	}
	return b.String()
}

func TestPlan_ShowsWhatTextsDifferIn(t *testing.T) {
	t.Parallel()
	ten := numbered(10, func(i int) string { return fmt.Sprintf("line %d", i) })
	long := numbered(3000, func(i int) string { return fmt.Sprintf("this is line %d", i) })
	huge := strings.Repeat("x", 300<<10)
	d := newDesk(t, with(dataarts.Scripts, shell("short", ten), shell("long", long), shell("huge", huge+"\n"), shell("one", "a"), shell("wide", strings.Repeat("é", 3000))),
		with(dataarts.Jobs, sqlJob("sql", "select 1\nfrom a\n"), sqlJob("single", "select 1")))
	d.putAll(dataarts.Scripts, shell("short", strings.Replace(ten, "line 5\n", "LINE 5\nmore\n", 1)), shell("long", numbered(3000, func(i int) string { return fmt.Sprint(i) })),
		shell("huge", huge+"y\n"), shell("one", "b"), shell("wide", strings.Repeat("ü", 3000)))
	d.putAll(dataarts.Jobs, sqlJob("sql", "select 2\nfrom a\n"), sqlJob("single", "select 2"))
	plan := d.must(restore.Planned, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true}`)
	change := func(kind asset.Kind, name string) restore.Change {
		t.Helper()
		changes := item(plan, kind, name).Changes
		if len(changes) != 1 {
			t.Fatalf("%s: %+v", name, changes)
		}
		return changes[0]
	}
	want := restore.Change{Field: "content", To: "lines of text: 1 added, 2 removed",
		Diff: "--- live\n+++ restored\n@@ -3,8 +3,7 @@\n line 2\n line 3\n line 4\n-LINE 5\n-more\n+line 5\n line 6\n line 7\n line 8\n"}
	if got := change(asset.Scripts, "short"); got != want {
		t.Errorf("%+v", got)
	}
	want = restore.Change{Field: "content", To: "lines of text: 1 added, 1 removed",
		Diff: "--- live\n+++ restored\n@@ -1 +1 @@\n-b\n\\ No newline at end of file\n+a\n\\ No newline at end of file\n"}
	if got := change(asset.Scripts, "one"); got != want {
		t.Errorf("%+v", got)
	}
	if got := change(asset.Scripts, "long"); len(got.Diff) > 2100 || !strings.HasSuffix(got.Diff, " more lines\n") || got.To != "lines of text: 3000 added, 3000 removed" {
		t.Errorf("%+v", got)
	}
	if got := change(asset.Scripts, "huge"); got.Diff != "" || got.To != "lines of text: 1 added, 1 removed" {
		t.Errorf("a text of 300 KB: %.300q", got)
	}
	if got := change(asset.Scripts, "wide"); len(got.Diff) > 2100 || !strings.HasSuffix(got.Diff, "…\n") || !strings.Contains(got.Diff, "-üüü") {
		t.Errorf("a line of 6 KB: %.300q", got.Diff)
	}
	want = restore.Change{Field: "nodes[0].properties[0].value", To: "lines of text: 1 added, 1 removed",
		Diff: "--- live\n+++ restored\n@@ -1,2 +1,2 @@\n-select 2\n+select 1\n from a\n"}
	if got := change(asset.Jobs, "sql"); got != want {
		t.Errorf("%+v", got)
	}
	want = restore.Change{Field: "nodes[0].properties[0].value", From: `"select 2"`, To: `"select 1"`}
	if got := change(asset.Jobs, "single"); got != want {
		t.Errorf("%+v", got)
	}
}

func TestPlan_OfAnEncryptedBackupCountsLinesOnly(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	d := newDeskWith(t, ring(t, nil, id), with(dataarts.Scripts, shell("s", "secret 1\nsame\n")), with(dataarts.Jobs, sqlJob("j", "secret 2\nsame\n")))
	d.keys = ring(t, id)
	d.putAll(dataarts.Scripts, shell("s", "other 1\nsame\n"))
	d.putAll(dataarts.Jobs, sqlJob("j", "other 2\nsame\n"))
	plan := d.must(restore.Planned, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true}`)
	const counted = "lines of text: 1 added, 1 removed"
	if got := item(plan, asset.Scripts, "s").Changes; !slices.Equal(got, []restore.Change{{Field: "content", To: counted}}) {
		t.Errorf("%+v", got)
	}
	if got := item(plan, asset.Jobs, "j").Changes; !slices.Equal(got, []restore.Change{{Field: "nodes[0].properties[0].value", To: counted}}) {
		t.Errorf("%+v", got)
	}
}
