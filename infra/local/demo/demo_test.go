package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
)

// proving is a story just before its proof: both workspaces are as they have to be. The functions are not needed any more and are no programs.
func proving(t *testing.T) (*story, *bytes.Buffer) {
	t.Helper()
	dist := t.TempDir()
	for _, function := range []string{"backup", "restore", "console"} {
		if err := os.MkdirAll(filepath.Join(dist, function), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dist, function, "bootstrap"), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	s := &story{t: &terminal{out: &out}, opts: options{dist: dist}}
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.cloud.Close)
	for _, p := range s.places {
		if err := sample.Fill(p.w, sample.Options{}); err != nil {
			t.Fatal(err)
		}
		p.before = local.TakeSnapshot(p.w)
		p.expected = p.before
	}
	expected, err := withEdits(s.places[0].before, map[node]bool{{"dwd_orders_df", "transform"}: true, {"dwd_customers_df", "transform"}: true})
	if err != nil {
		t.Fatal(err)
	}
	s.places[0].expected = expected
	for _, kind := range []dataarts.Kind{dataarts.Scripts, dataarts.Jobs} {
		for identity := range s.places[0].w.All(kind) {
			if err := s.places[0].w.Put(kind, expected[string(kind)+" "+identity]); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s, &out
}

func TestProof(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(t *testing.T, w *dataarts.WorkspaceHandle)
		want  string // in the error; empty for none
	}{
		"holds_when_the_edits_are_the_only_differences": {nil, ""},
		"fails_when_a_job_is_lost":                      {func(_ *testing.T, w *dataarts.WorkspaceHandle) { w.Delete(dataarts.Jobs, "ods_orders_df") }, "jobs ods_orders_df"},
		"fails_when_the_variables_are_lost":             {func(_ *testing.T, w *dataarts.WorkspaceHandle) { w.Delete(dataarts.Env, "env") }, "env env"},
		"fails_when_an_edit_is_lost": {func(t *testing.T, w *dataarts.WorkspaceHandle) {
			replaceIn(t, w, "dwd_orders_df", newConnection, oldConnection)
		}, "jobs dwd_orders_df"},
		"fails_when_a_number_is_spelled_otherwise": {func(t *testing.T, w *dataarts.WorkspaceHandle) {
			replaceIn(t, w, "ods_orders_df", `"cleanOverdueDays":60`, `"cleanOverdueDays":60.0`)
		}, "cleanOverdueDays"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, out := proving(t)
			if test.spoil != nil {
				test.spoil(t, s.places[0].w)
			}
			err := s.prove(t.Context())
			if test.want == "" {
				if err != nil || !strings.Contains(out.String(), "nothing is lost") || !strings.Contains(out.String(), `"mrs_hive_prod" → "mrs_hive_dr"`) {
					t.Errorf("%v\n%s", err, out)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

// replaceIn changes a job's text.
func replaceIn(t *testing.T, w *dataarts.WorkspaceHandle, job, old, now string) {
	t.Helper()
	raw, ok := w.Asset(dataarts.Jobs, job)
	if !ok || !strings.Contains(string(raw), old) {
		t.Fatalf("job %s has no %s: %s", job, old, raw)
	}
	if err := w.Put(dataarts.Jobs, json.RawMessage(strings.ReplaceAll(string(raw), old, now))); err != nil {
		t.Fatal(err)
	}
}

func TestTerminal_prints_plain_lines_where_there_is_no_terminal(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	term := newTerminal(file)
	term.heading("A step")
	term.progress("half of it")
	term.table([][]string{{"what", "how many"}, {"订单", "1"}, {"b", "1000"}})
	term.line("%s", term.paint(red, "said"))
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	const want = "\n1  A step\n   what   how many\n   订单            1\n   b          1000\n   said\n"
	if string(text) != want {
		t.Errorf("got\n%q\nwant\n%q", text, want)
	}
}

func TestQuote_makes_one_word_of_a_shell(t *testing.T) {
	t.Parallel()
	if got := quote(`obs://b/{workspace}'s`); got != `'obs://b/{workspace}'\''s'` {
		t.Errorf("got %s", got)
	}
}
