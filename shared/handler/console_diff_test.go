package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

type consoleDiff struct {
	From, To  struct{ Name, Path, Workspace, Status string }
	Counts    map[string]int
	CountedBy string
	Total     int
	Items     []struct {
		Kind, Name, Change, Reason string
		Changes                    []struct{ Field, From, To, Diff string }
	}
	Next     string
	Complete bool
	Message  string
}

// diff sends a request for a comparison, whose answer must be as the API is described.
func (b *consoleBench) diff(ctx context.Context, target string) consoleDiff {
	b.t.Helper()
	a := b.sendWithin(ctx, "GET", target)
	d := decodeConsole[consoleDiff](b.t, a, 200)
	var v any
	if err := json.Unmarshal([]byte(a.Body), &v); err != nil {
		b.t.Fatal(err)
	}
	api := readOpenAPI(b.t)
	for _, fault := range api.faults(api.answer(b.t, "GET", "/backups/{name}/diff/{other}", 200), v, "answer") {
		b.t.Errorf("%s: %s", target, fault)
	}
	return d
}

func (d consoleDiff) lines() []string {
	all := []string{}
	for _, i := range d.Items {
		all = append(all, i.Change+" "+i.Kind+" "+i.Name)
	}
	return all
}

// scripts writes a backup of scripts, each "name=content".
func (b *consoleBench) scripts(prefix, name string, change func(*vault.Manifest), scripts ...string) {
	b.t.Helper()
	w, err := b.vault(prefix).Folder(name).Begin(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	m := &vault.Manifest{FormatVersion: vault.FormatVersion, BackupDate: name[:10], Workspace: vault.Workspace{ID: "ws1"}, Status: vault.Complete}
	for _, s := range scripts {
		name, text, _ := strings.Cut(s, "=")
		definition, err := json.Marshal(map[string]string{"name": name, "type": "Shell", "content": text})
		if err != nil {
			b.t.Fatal(err)
		}
		a, err := w.Put(b.t.Context(), asset.Ref{Kind: asset.Scripts, Name: name, Directory: "/"}, definition)
		if err != nil {
			b.t.Fatal(err)
		}
		m.Assets = append(m.Assets, a)
	}
	if change != nil {
		change(m)
	}
	if err := w.Commit(b.t.Context(), m, nil); err != nil {
		b.t.Fatal(err)
	}
}

func TestConsole_Diff(t *testing.T) {
	t.Parallel()

	t.Run("two_backups_are_compared_by_their_manifests_and_a_page_by_its_definitions", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.scripts("factory", "2026-11-21", nil, "same=1", "text=a\nb", "gone=1")
		b.scripts("factory", "2026-11-22", nil, "same=1", "text=a\nc", `<script>alert("come")</script>=1`)
		var reads atomic.Int32
		b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if c.Operation == "GetObject" {
				reads.Add(1)
			}
			return nil
		})
		d := b.diff(t.Context(), "/backups/2026-11-21/diff/2026-11-22")
		if !slices.Equal(d.lines(), []string{"removed scripts gone", "changed scripts text", `added scripts <script>alert("come")</script>`}) || d.Total != 3 || !d.Complete || d.Next != "" {
			t.Errorf("%+v", d)
		}
		if d.From.Name != "2026-11-21" || d.From.Path != "obs://backups/factory/2026-11-21/" || d.From.Status != "COMPLETE" || d.To.Name != "2026-11-22" || d.To.Workspace != "ws1" || d.Message != "" {
			t.Errorf("%+v", d)
		}
		if d.Counts["added"] != 1 || d.Counts["changed"] != 1 || d.Counts["removed"] != 1 || d.Counts["unchanged"] != 1 || d.Counts["unknown"] != 0 || len(d.Counts) != 5 || d.CountedBy != "manifests" {
			t.Errorf("%+v", d.Counts)
		}
		if text := d.Items[1].Changes; len(text) != 1 || !strings.Contains(text[0].Diff, "-b\n") || !strings.Contains(text[0].Diff, "+c\n") {
			t.Errorf("%+v", text)
		}
		if n := reads.Load(); n != 6 {
			t.Errorf("%d objects were read, want two commits, two manifests and one script twice", n)
		}
		back := b.diff(t.Context(), "/backups/2026-11-22/diff/2026-11-21")
		if back.Counts["added"] != 1 || back.Items[0].Name != d.Items[2].Name || back.Items[0].Change != "removed" {
			t.Errorf("the other way round: %+v", back)
		}
		same := b.send("GET", "/backups/2026-11-22/diff/2026-11-22")
		if d := decodeConsole[consoleDiff](t, same, 200); d.Total != 0 || d.Counts["unchanged"] != 3 || !strings.Contains(same.Body, `"items": []`) {
			t.Errorf("with itself: %s", same.Body)
		}
	})

	t.Run("it_is_narrowed_down_and_comes_in_pages", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		var old, now []string
		for i := range 7 {
			old, now = append(old, fmt.Sprintf("Orders %d=1", i)), append(now, fmt.Sprintf("Orders %d=2", i))
		}
		b.scripts("factory", "2026-11-21", nil, append(old, "gone orders=1", "other=1")...)
		b.scripts("factory", "2026-11-22", nil, append(now, "other=2")...)
		var all []string
		for after := ""; ; {
			d := b.diff(t.Context(), "/backups/2026-11-21/diff/2026-11-22?kind=scripts&q=ORDERS&change=changed&limit=3&after="+url.QueryEscape(after))
			if d.Total != 7 || d.Counts["changed"] != 8 || len(d.Items) > 3 {
				t.Fatalf("%+v", d)
			}
			all = append(all, d.lines()...)
			if after = d.Next; after == "" {
				break
			}
		}
		if len(all) != 7 || !slices.IsSorted(all) {
			t.Errorf("%q", all)
		}
	})

	t.Run("what_is_asked_for_wrongly_is_named_all_at_once", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.scripts("factory", "2026-11-22", nil, "a=1")
		e := decodeConsole[consoleError](t, b.send("GET", "/backups/x/diff/y?kind=job&change=renamed&limit=1001&after=x&target=a/b"), 400)
		for _, want := range []string{"name:", "other:", "kind", "change:", "limit:", "after:", "target:"} {
			if !strings.Contains(e.Error.Message, want) {
				t.Errorf("%s: %s", want, e.Error.Message)
			}
		}
		for target, want := range map[string]string{
			"/backups/live/diff/2026-11-22":                                 "name:",
			"/backups/2026-11-22/diff/..":                                   "other:",
			"/backups/2026-11-22/diff/live?target=..":                       "target:",
			"/backups/2026-11-22/diff/live?otherWorkspace=x":                "otherWorkspace:",
			"/backups/2026-11-22/diff/2026-11-22?otherWorkspace=elsewhere":  "otherWorkspace:",
			"/backups/2026-11-22/diff/2026-11-22?q=a&q=b&workspace=another": "workspace:",
		} {
			if e := decodeConsole[consoleError](t, b.send("GET", target), 400); !strings.Contains(e.Error.Message, want) {
				t.Errorf("%s: %s", target, e.Error.Message)
			}
		}
	})

	t.Run("what_is_no_backup_is_not_compared", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.scripts("factory", "2026-11-20", nil, "a=1")
		b.scripts("factory", "2026-11-21", nil, "a=1")
		b.put("factory/2026-11-21/manifest.json", `{"formatVersion":1,"status":"COMPLETE"}`)
		b.put("factory/2026-11-22/3_scripts/a.script", `{}`)
		b.scripts("factory", "2026-11-23", nil, "a=1")
		b.remove("factory/2026-11-23/backup.json")
		for name, status := range map[string]int{"2026-11-19": 404, "2026-11-21": 409, "2026-11-22": 409, "2026-11-23": 409} {
			for _, target := range []string{"/backups/" + name + "/diff/2026-11-20", "/backups/2026-11-20/diff/" + name} {
				if e := decodeConsole[consoleError](t, b.send("GET", target), status); !strings.Contains(e.Error.Message, name) {
					t.Errorf("%s: %s", target, e.Error.Message)
				}
			}
		}
	})

	t.Run("a_partial_backup_is_compared_as_far_as_it_goes", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.scripts("factory", "2026-11-21", nil, "a=1", "b=1")
		b.scripts("factory", "2026-11-22", func(m *vault.Manifest) {
			m.Status, m.Missing = vault.Partial, []vault.Missing{{Kind: asset.Scripts, Name: "b", Directory: "/", Reason: "status 500"}}
		}, "a=2")
		d := b.diff(t.Context(), "/backups/2026-11-21/diff/2026-11-22")
		if !slices.Equal(d.lines(), []string{"changed scripts a", "unknown scripts b"}) || d.To.Status != "PARTIAL" || !strings.Contains(d.Message, "PARTIAL") {
			t.Errorf("%+v", d)
		}
	})

	t.Run("one_that_the_dataarts_console_wrote_is_compared_as_unverified", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.scripts("factory", "2026-11-21", nil, "a=1")
		b.put("factory/2026-11-22/backup.json", `{}`)
		b.put("factory/2026-11-22/3_scripts/a.script", `{"name":"a","type":"Shell","content":"2","id":7}`)
		d := b.diff(t.Context(), "/backups/2026-11-21/diff/2026-11-22")
		if !slices.Equal(d.lines(), []string{"changed scripts a"}) || d.To.Status != "UNVERIFIED" || !strings.Contains(d.Message, "unverified") {
			t.Errorf("%+v", d)
		}
	})

	t.Run("backups_of_two_workspaces_are_compared", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.env["BACKUP_LOCATION"] = "obs://" + consoleBucket + "/factory/{workspace}"
		b.scripts("factory/test", "2026-11-22", func(m *vault.Manifest) { m.Workspace.ID = "test" }, "a=1")
		b.scripts("factory/production", "2026-11-22", func(m *vault.Manifest) { m.Workspace.ID = "production" }, "a=2")
		d := b.diff(t.Context(), "/backups/2026-11-22/diff/2026-11-22?workspace=test&otherWorkspace=production")
		if d.From.Workspace != "test" || d.To.Workspace != "production" || d.To.Path != "obs://backups/factory/production/2026-11-22/" || d.Total != 1 || !strings.Contains(d.Message, "different workspaces") {
			t.Errorf("%+v", d)
		}
		if e := decodeConsole[consoleError](t, b.send("GET", "/backups/2026-11-22/diff/2026-11-22?workspace=test&otherWorkspace=../x"), 400); !strings.Contains(e.Error.Message, "otherWorkspace:") {
			t.Errorf("%+v", e)
		}
	})

	t.Run("a_console_that_is_not_told_of_dataarts_says_what_is_missing", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.scripts("factory", "2026-11-22", nil, "a=1")
		e := decodeConsole[consoleError](t, b.send("GET", "/backups/2026-11-22/diff/live"), 409)
		if e.Error.Code != "conflict" || !strings.Contains(e.Error.Message, "DATAARTS_PROJECT_ID") || !strings.Contains(e.Error.Message, "HUAWEICLOUD_SDK_AK") || strings.Contains(e.Error.Message, "\n") {
			t.Errorf("%+v", e)
		}
	})

	t.Run("a_comparison_that_does_not_end_in_time_says_so", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.scripts("factory", "2026-11-21", nil, "a=1")
		b.scripts("factory", "2026-11-22", nil, "a=2")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if strings.HasSuffix(c.Request.URL.Path, "a.script") {
				cancel()
			}
			return nil
		})
		if e := decodeConsole[consoleError](t, b.sendWithin(ctx, "GET", "/backups/2026-11-21/diff/2026-11-22"), 504); e.Error.Code != "timeout" {
			t.Errorf("%+v", e)
		}
	})
}

// benchIn is a console in a cloud with a workspace that has been backed up.
func benchIn(t *testing.T, f *functions) *consoleBench {
	t.Helper()
	lookup := f.Environment(nil)
	b := &consoleBench{t: t, objects: f.Objects, env: map[string]string{}}
	for _, name := range config.Names(config.Console) {
		if value, ok := lookup(name); ok {
			b.env[name] = value
		}
	}
	return b
}

func TestConsole_DiffWithTheLiveWorkspace(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	b := benchIn(t, f)
	send := func(ctx context.Context, target string) consoleAnswer {
		t.Helper()
		return b.sendWithin(ctx, "GET", target)
	}
	w := f.Handle(localtest.Workspace)
	if d := b.diff(t.Context(), "/backups/2026-11-22/diff/live"); d.Total != 0 || d.Counts["unchanged"] == 0 || d.To.Name != "live" ||
		d.To.Status != "LIVE" || d.To.Workspace != localtest.Workspace || d.To.Path != "" || d.CountedBy != "definitions" {
		t.Fatalf("nothing has changed: %+v", d)
	}
	if err := w.Put(dataarts.Scripts, []byte(`{"name":"new","type":"Shell","content":"x","connectionName":"c","directory":"/"}`)); err != nil {
		t.Fatal(err)
	}
	d := b.diff(t.Context(), "/backups/2026-11-22/diff/live?kind=scripts")
	if !slices.Equal(d.lines(), []string{"added scripts new"}) || f.Writes() > 0 {
		t.Errorf("%d writes, %+v", f.Writes(), d)
	}
	d = b.diff(t.Context(), "/backups/2026-11-22/diff/live?limit=1&target="+localtest.Other)
	if d.To.Workspace != localtest.Other || d.Counts["removed"] == 0 || d.Counts["unchanged"] != 0 || d.Next == "" || !strings.Contains(d.Message, localtest.Other) {
		t.Errorf("%+v", d)
	}
	if e := decodeConsole[consoleError](t, send(t.Context(), "/backups/2026-11-22/diff/live?target=nowhere"), 409); !strings.Contains(e.Error.Message, "does not exist") {
		t.Errorf("%+v", e)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	f.DataArts.Intercept(func(*http.Request, dataarts.Operation) *dataarts.Fault {
		cancel()
		return nil
	})
	e := decodeConsole[consoleError](t, send(ctx, "/backups/2026-11-22/diff/live"), 504)
	if e.Error.Code != "timeout" || !strings.Contains(e.Error.Message, `"dryRun": true`) || !strings.Contains(e.Error.Message, "POST /restores") {
		t.Errorf("%+v", e)
	}
}
