package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

const consoleDocument = "/backups/2026-11-22/document"

// putManifest puts a manifest into a folder, and a backup.json that names it.
func (b *consoleBench) putManifest(name string, m *vault.Manifest) {
	b.t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		b.t.Fatal(err)
	}
	b.put("factory/"+name+"/manifest.json", string(text))
	b.put("factory/"+name+"/backup.json", fmt.Sprintf(`{"manifestSha256":%q}`, vault.Hash(text)))
}

func (b *consoleBench) stored(key string) string {
	data, _ := b.objects.GetObject(consoleBucket, "factory/2026-11-22/"+key)
	return string(data)
}

// edit puts a new text in the place of the backup.json that has this ETag.
func (b *consoleBench) edit(text, etag string) wholeAnswer {
	b.t.Helper()
	return b.ask("PUT", consoleDocument, text, map[string]string{"if-match": etag})
}

// edited is edit for any backup.
func (b *consoleBench) edited(target, text, etag string) wholeAnswer {
	b.t.Helper()
	var header map[string]string
	if etag != "" {
		header = map[string]string{"if-match": etag}
	}
	return b.ask("PUT", target, text, header)
}

type consoleEdit struct {
	Changes []struct{ Kind, Name, Node, Field, From, To string }
	Total   int
	Replace map[string]map[string]string
	Diff    string
	ETag    string
	Written bool

	Complete bool
}

type consoleFaults struct {
	Error struct {
		Code, Message string
		Faults        []struct {
			Line, Column  int
			Path, Message string
		}
	}
}

func TestConsole_Document(t *testing.T) {
	t.Parallel()
	bench := func(t *testing.T) (b *consoleBench, text, etag string) {
		t.Helper()
		b = newConsoleBench(t)
		b.keep("2026-11-22", nil, variables(`{"params":[]}`), script("s", "HiveSQL", "x"), hiveJob("j", "one", "old"))
		a := b.ask("GET", consoleDocument, "", nil)
		if a.Status != 200 || a.Header["Content-Type"] != "application/json" || string(a.Body) != b.stored("backup.json") {
			t.Fatalf("%d %v %s", a.Status, a.Header, a.Body)
		}
		info, err := b.client.Bucket(consoleBucket).Stat(t.Context(), "factory/2026-11-22/backup.json")
		if err != nil || a.Header["ETag"]+a.Header["Etag"] != `"`+info.ETag+`"` {
			t.Fatalf("ETag %v, the object has %s: %v", a.Header, info.ETag, err)
		}
		return b, string(a.Body), `"` + info.ETag + `"`
	}

	t.Run("is_edited_with_a_preview_of_what_a_restore_will_change", func(t *testing.T) {
		t.Parallel()
		b, text, etag := bench(t)
		edited := strings.Replace(text, `"connectionName": "old"`, `"connectionName": "<new> 订单"`, 1)
		edited = strings.Replace(edited, `"database": {}`, `"database": {"dwd": "dwd_dr"}`, 1)
		for _, dryRun := range []bool{true, false} {
			a := b.ask("PUT", fmt.Sprintf("%s?dryRun=%v", consoleDocument, dryRun), edited, map[string]string{"If-Match": etag})
			got := decodeConsole[consoleEdit](t, a.plain(), 200)
			if got.Total != 1 || len(got.Changes) != 1 || !got.Complete || got.Written == dryRun || len(got.Replace) != 3 || got.Replace["database"]["dwd"] != "dwd_dr" {
				t.Fatalf("%s", a.Body)
			}
			if c := got.Changes[0]; c.Kind != "jobs" || c.Name != "j" || c.Node != "one" || c.Field != "connectionName" || c.From != "old" || c.To != "<new> 订单" {
				t.Errorf("%+v", c)
			}
			for _, want := range []string{"--- backup.json (stored)\n+++ backup.json (edited)\n", "-      {\"job\": \"j\", \"node\": \"one\", \"connectionName\": \"old\"}\n+      {\"job\": \"j\", \"node\": \"one\", \"connectionName\": \"<new> 订单\"}\n"} {
				if !strings.Contains(got.Diff, want) {
					t.Errorf("no %q in the diff:\n%s", want, got.Diff)
				}
			}
			if want := map[bool]string{true: text, false: edited}[dryRun]; b.stored("backup.json") != want {
				t.Errorf("dry run %v: stored is %s", dryRun, b.stored("backup.json"))
			}
			if same := `"`+got.ETag+`"` == etag; same != dryRun || a.Header["ETag"]+a.Header["Etag"] != `"`+got.ETag+`"` {
				t.Errorf("dry run %v: ETag %s, header %v", dryRun, got.ETag, a.Header)
			}
		}
		// The backup is what it was.
		decodeConsole[consoleError](t, b.edit(edited, etag).plain(), 412)
		if status := decodeConsole[struct{ Status string }](t, b.send("POST", "/backups/2026-11-22/verify"), 200).Status; status != "VERIFIED" {
			t.Errorf("the edited backup is %s", status)
		}
		opened, err := b.vault("factory").Folder("2026-11-22").Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := b.vault("factory").Remove(t.Context(), "2026-11-22", vault.Removal{ManifestSHA256: opened.ManifestSHA256, At: time.Now(), Reason: "test"}); err != nil {
			t.Errorf("retention cannot remove it any more: %v", err)
		}
	})

	t.Run("goes_back_and_on_and_each_time_the_changes_are_those_against_the_assets", func(t *testing.T) {
		t.Parallel()
		b, text, etag := bench(t)
		for _, value := range []string{"one", "two", "old"} {
			edited := strings.Replace(text, `"connectionName": "old"`, `"connectionName": "`+value+`"`, 1)
			got := decodeConsole[consoleEdit](t, b.edit(edited, etag).plain(), 200)
			if value == "old" && got.Total != 0 || value != "old" && (got.Total != 1 || got.Changes[0].From != "old" || got.Changes[0].To != value) || !got.Written || b.stored("backup.json") != edited {
				t.Errorf("%s: %+v", value, got)
			}
			etag = got.ETag // without quotes is as good
		}
	})

	t.Run("that_is_the_same_is_not_written", func(t *testing.T) {
		t.Parallel()
		b, text, etag := bench(t)
		before := b.objects.Calls("PutObject")
		got := decodeConsole[consoleEdit](t, b.edit(text, "W/"+etag).plain(), 200)
		if got.Written || got.Diff != "" || got.Total != 0 || `"`+got.ETag+`"` != etag || b.objects.Calls("PutObject") != before {
			t.Errorf("%+v", got)
		}
	})

	t.Run("is_not_edited_without_the_ETag_of_what_stands_there", func(t *testing.T) {
		t.Parallel()
		b, text, etag := bench(t)
		edited := strings.Replace(text, "old", "new", 1)
		for tag, want := range map[string]int{"": 428, "*": 428, `""`: 428, etag + `, "other"`: 428, `"other"`: 412, "W/\"other\"": 412, strings.ToUpper(etag): 412} {
			for _, target := range []string{consoleDocument, consoleDocument + "?dryRun=true"} {
				headers := map[string]string{"if-match": tag}
				if tag == "" {
					headers = nil
				}
				a := b.ask("PUT", target, edited, headers)
				e := decodeConsole[consoleError](t, a.plain(), want)
				if code := map[int]string{428: "precondition_required", 412: "precondition_failed"}[want]; e.Error.Code != code {
					t.Errorf("If-Match %s: %+v", tag, e)
				}
			}
		}
		if b.stored("backup.json") != text {
			t.Error("it was written")
		}
	})

	t.Run("that_is_not_legal_is_refused_with_every_fault_and_where_it_stands", func(t *testing.T) {
		t.Parallel()
		b, text, etag := bench(t)
		edited := strings.NewReplacer(`"job": "j"`, `"job": "<k>"`, `"backupDate": "2026-11-22"`, `"backupDate": "2026-11-23"`, `"replace": {`, `"replace": {"obsPath": {}, `,
			`"manifestSha256": "`, `"manifestSha256": "0`).Replace(text)
		for _, target := range []string{consoleDocument, consoleDocument + "?dryRun=true"} {
			a := b.ask("PUT", target, edited, map[string]string{"if-match": etag})
			e := decodeConsole[consoleFaults](t, a.plain(), 400)
			if e.Error.Code != "invalid" || len(e.Error.Faults) != 5 || strings.Count(e.Error.Message, "\n") != 4 {
				t.Fatalf("%s", a.Body)
			}
			last := 0
			for i, want := range []struct{ path, message string }{{"backupDate", `was "2026-11-22" and must not be edited`}, {"manifestSha256", "manifest.json has SHA-256"},
				{"jobs.HiveSQL", `the entry of node "one" of job "j" is gone`}, {"jobs.HiveSQL[0]", `the backup has no job "<k>"`}, {"replace.obsPath", "want connectionName"}} {
				f := e.Error.Faults[i]
				line := fmt.Sprintf("backup.json: line %d, column %d, %s: %s", f.Line, f.Column, f.Path, f.Message)
				if f.Path != want.path || !strings.Contains(f.Message, want.message) || f.Line < max(2, last) || f.Column < 1 || !strings.Contains(e.Error.Message, line) {
					t.Errorf("fault %d is %+v, want %v; %s", i, f, want, e.Error.Message)
				}
				last = f.Line
			}
		}
		for what, broken := range map[string]string{"nothing": "", "no JSON": text[:len(text)/2], "another value": "[]", "a byte order mark": "\ufeff" + text, "a key twice": strings.Replace(text, "{", `{"formatVersion": 1,`, 1)} {
			e := decodeConsole[consoleFaults](t, b.edit(broken, etag).plain(), 400)
			if len(e.Error.Faults) == 0 || e.Error.Faults[0].Line < 1 {
				t.Errorf("%s: %+v", what, e)
			}
		}
		if b.stored("backup.json") != text {
			t.Error("it was written")
		}
	})

	t.Run("with_thousands_of_faults_is_answered_all_the_same", func(t *testing.T) {
		t.Parallel()
		b, text, etag := bench(t)
		var entries strings.Builder
		for i := range 2000 {
			fmt.Fprintf(&entries, `{"job": "no %s %d", "node": "n"},`, strings.Repeat("x", 150), i)
		}
		a := b.edit(strings.Replace(text, `"HiveSQL": [`, `"HiveSQL": [`+entries.String(), 1), etag)
		e := decodeConsole[consoleFaults](t, a.plain(), 400)
		if len(e.Error.Faults) != 500 || !strings.Contains(e.Error.Message, "and 1500 more") {
			t.Errorf("%d faults, %d bytes", len(e.Error.Faults), len(a.Body))
		}
	})

	t.Run("keeps_the_line_ends_of_another_system", func(t *testing.T) {
		t.Parallel()
		b, text, etag := bench(t)
		edited := strings.ReplaceAll(text, "\n", "\r\n")
		got := decodeConsole[consoleEdit](t, b.edit(edited, etag).plain(), 200)
		if !got.Written || got.Total != 0 || b.stored("backup.json") != edited {
			t.Errorf("%+v", got)
		}
	})

	t.Run("is_no_larger_than_it_may_be", func(t *testing.T) {
		t.Parallel()
		b, text, etag := bench(t)
		e := decodeConsole[consoleError](t, b.edit(text+strings.Repeat(" ", 5<<20), etag).plain(), 413)
		if e.Error.Code != "too_large" {
			t.Errorf("%+v", e)
		}
		// The largest that may be is, however little of it a diff can show.
		line := strings.Repeat(" ", 100) + "\n"
		got := decodeConsole[consoleEdit](t, b.edit(text+strings.Repeat(line, (5<<20-len(text))/len(line)), etag).plain(), 200)
		if !got.Written || got.Complete {
			t.Errorf("written %v, complete %v", got.Written, got.Complete)
		}
		b.put("factory/2026-11-22/backup.json", text+strings.Repeat(" ", 6<<20))
		if a := b.ask("GET", consoleDocument, "", nil); a.Status != 413 || !strings.Contains(string(a.Body), "obs://backups/factory/2026-11-22/backup.json") {
			t.Errorf("%d %.300s", a.Status, a.Body)
		}
	})

	t.Run("of_what_is_no_complete_backup_is_not_edited", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.everyState()
		for name, want := range map[string][2]int{"2026-11-02": {404, 409}, "2026-11-03": {404, 409}, "2026-11-04": {404, 409}, "2026-11-05": {200, 409}, "2026-11-06": {404, 409}, "2026-11-07": {200, 409},
			"2026-11-08": {200, 409}, "2026-11-09": {200, 409}, "2026-01-01": {404, 404}} {
			target := "/backups/" + name + "/document"
			if a := b.ask("GET", target, "", nil); a.Status != want[0] {
				t.Errorf("GET %s: %d, want %d: %s", name, a.Status, want[0], a.Body)
			}
			if a := b.ask("PUT", target, "{}", map[string]string{"if-match": `"x"`}); a.Status != want[1] {
				t.Errorf("PUT %s: %d, want %d: %s", name, a.Status, want[1], a.Body)
			}
		}
	})

	t.Run("of_a_damaged_backup_is_not_edited", func(t *testing.T) {
		t.Parallel()
		b, text, etag := bench(t)
		b.put("factory/2026-11-22/4_jobs/j.job", "{}")
		e := decodeConsole[consoleError](t, b.edit(strings.Replace(text, "old", "new", 1), etag).plain(), 409)
		if !strings.Contains(e.Error.Message, "4_jobs/j.job") || b.stored("backup.json") != text {
			t.Errorf("%+v", e)
		}
	})

	t.Run("of_an_encrypted_backup_is_edited_with_the_key", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		id := newAgeIdentity(t)
		b.keep("2026-11-22", []string{id.Recipient().String()}, hiveJob("j", "one", "old"))
		text := b.stored("backup.json")
		etag := b.ask("GET", consoleDocument, "", nil).Header
		edited := strings.Replace(text, "old", "new", 1)
		e := decodeConsole[consoleError](t, b.edit(edited, etag["ETag"]+etag["Etag"]).plain(), 409)
		if !strings.Contains(e.Error.Message, "set RESTORE_IDENTITY") || b.stored("backup.json") != text {
			t.Errorf("%+v", e)
		}
		b.env["RESTORE_IDENTITY"] = id.String()
		if got := decodeConsole[consoleEdit](t, b.edit(edited, etag["ETag"]+etag["Etag"]).plain(), 200); !got.Written || b.stored("backup.json") != edited {
			t.Errorf("%+v", got)
		}
	})

	t.Run("is_not_written_while_somebody_else_works_on_the_folder", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b, text, etag := bench(t)
			v := b.vault("factory")
			hold, err := lease.Acquire(t.Context(), v.Store(), v.LeaseKey("2026-11-22"), lease.Options{Owner: "retention"})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			a := b.askWithin(ctx, "PUT", consoleDocument, strings.Replace(text, "old", "new", 1), map[string]string{"if-match": etag})
			e := decodeConsole[consoleError](t, a.plain(), 409)
			if !strings.Contains(e.Error.Message, "retention works on obs://backups/factory/2026-11-22/") || b.stored("backup.json") != text {
				t.Errorf("%+v", e)
			}
			if err := hold.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			decodeConsole[consoleEdit](t, b.edit(strings.Replace(text, "old", "new", 1), etag).plain(), 200)
			if keys, _ := b.objects.Keys(consoleBucket, "factory/leases/"); len(keys) > 0 {
				t.Errorf("left behind: %v", keys)
			}
		})
	})

	t.Run("does_not_come_back_when_the_backup_is_removed_meanwhile", func(t *testing.T) {
		t.Parallel()
		b, text, etag := bench(t)
		var once sync.Once
		b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if c.Operation == "PutObject" && strings.Contains(c.Key, "leases/") {
				once.Do(func() { b.remove("factory/2026-11-22/backup.json") })
			}
			return nil
		})
		decodeConsole[consoleError](t, b.edit(strings.Replace(text, "old", "new", 1), etag).plain(), 412)
		if b.stored("backup.json") != "" {
			t.Error("it is back")
		}
	})

	for name, poorer := range map[string]func(*consoleBench){
		"a_store_with_conditions":         func(*consoleBench) {},
		"a_store_that_ignores_conditions": func(b *consoleBench) { b.objects.IgnoreConditions(true) },
	} {
		t.Run("edited_by_several_at_once_is_one_of_theirs_in_"+name, func(t *testing.T) {
			t.Parallel()
			b, text, etag := bench(t)
			poorer(b)
			const editors = 3
			answers := make([]wholeAnswer, editors)
			edited := func(i int) string { return strings.Replace(text, "old", fmt.Sprintf("new %d", i), 1) }
			var group sync.WaitGroup
			for i := range editors {
				group.Go(func() { answers[i] = b.edit(edited(i), etag) })
			}
			group.Wait()
			won := -1
			for i, a := range answers {
				switch {
				case a.Status == 200 && won < 0:
					won = i
				case a.Status != 412:
					t.Errorf("editor %d: %d %s", i, a.Status, a.Body)
				}
			}
			if won < 0 || b.stored("backup.json") != edited(won) {
				t.Errorf("editor %d won, and there stands %s", won, b.stored("backup.json"))
			}
		})
	}

	t.Run("refuses_a_page_of_another_site", func(t *testing.T) {
		t.Parallel()
		b, text, etag := bench(t)
		a := b.ask("PUT", consoleDocument, strings.Replace(text, "old", "new", 1), map[string]string{"if-match": etag, "sec-fetch-site": "cross-site", "origin": "https://evil.example"})
		if a.Status != http.StatusForbidden || b.stored("backup.json") != text {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
}

func TestConsole_AnEditedDocumentIsWhatARestorePlans(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	w := f.Handle(localtest.Workspace)
	for _, definition := range []string{
		`{"name":"edited_job","processType":"BATCH","schedule":{"type":"EXECUTE_ONCE"},"nodes":[{"name":"n","type":"HiveSQL","properties":[{"name":"connectionName","value":"hive_prod"},{"name":"statementOrScript","value":"STATEMENT"}]}]}`,
	} {
		if err := w.Put(dataarts.Jobs, []byte(definition)); err != nil {
			t.Fatal(err)
		}
	}
	if answer, err := f.invoke(f.backup, []byte(`{"time":"2026-11-23T00:00:00+01:00"}`)); err != nil {
		t.Fatal(answer, err)
	}
	console := handler.Console(handler.Options{Lookup: f.Environment(nil), Version: "test"})
	ask := func(method, path, body, etag string) (int, map[string]string, string) {
		e, err := json.Marshal(map[string]any{"httpMethod": method, "path": path, "headers": map[string]string{"if-match": etag}, "isBase64Encoded": false, "body": body, "requestContext": map[string]string{"stage": "RELEASE"}})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := f.invoke(console, e)
		if err != nil {
			t.Fatal(err)
		}
		var a struct {
			StatusCode int
			Headers    map[string]string
			Body       string
		}
		if err := json.Unmarshal([]byte(answer), &a); err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, a.Headers, a.Body
	}
	status, headers, text := ask("GET", "/backups/2026-11-23/document", "", "")
	if status != 200 || !strings.Contains(text, `"connectionName": "hive_prod"`) {
		t.Fatalf("%d %s", status, text)
	}
	etag := headers["ETag"] + headers["Etag"]
	if status, _, body := ask("PUT", "/backups/2026-11-23/document", strings.Replace(text, `"connectionName": "hive_prod"`, `"connectionName": "hive_dr"`, 1), etag); status != 200 || !strings.Contains(body, `"written": true`) {
		t.Fatalf("%d %s", status, body)
	}
	status, _, plan := f.http("POST", "/restores", `{"date":"2026-11-23","duplicateNamePolicy":"overwrite","dryRun":true,"select":{"kinds":["jobs"],"names":["edited_job"]}}`)
	if status != 200 || !strings.Contains(plan, "hive_dr") || !strings.Contains(plan, `"action": "overwrite"`) {
		t.Fatalf("%d %s", status, plan)
	}
}
