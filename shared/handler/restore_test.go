package handler_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
)

var midnight = time.Date(2026, 11, 22, 0, 0, 0, 0, time.FixedZone("", 3600))

// functions are the handlers in a cloud with a filled workspace that has been backed up at midnight.
type functions struct {
	*localtest.Cloud
	t       *testing.T
	backup  runtime.Handler
	restore runtime.Handler
}

func newFunctions(t *testing.T) *functions {
	t.Helper()
	c := localtest.New(t)
	if err := sample.Fill(c.Handle(localtest.Workspace), sample.Options{Jobs: 6, Scripts: 4, Resources: 2}); err != nil {
		t.Fatal(err)
	}
	options := handler.Options{Lookup: c.Environment(nil), Version: "test"}
	f := &functions{Cloud: c, t: t, backup: handler.Backup(options), restore: handler.Restore(options)}
	if answer, err := f.invoke(f.backup, functiongraph.TimerEvent("nightly", midnight, "not JSON")); err != nil {
		t.Fatal(answer, err)
	}
	c.DataArts.ResetCalls()
	return f
}

// invoke calls a handler and returns the answer's JSON.
func (f *functions) invoke(h runtime.Handler, payload []byte) (string, error) {
	f.t.Helper()
	answer, err := h(context.Background(), runtime.Invocation{Platform: runtime.Stdin, RequestID: "r", Payload: payload})
	if raw, ok := answer.(json.RawMessage); ok {
		return string(raw), err
	}
	text, encodeErr := json.Marshal(answer)
	if encodeErr != nil {
		f.t.Fatal(encodeErr)
	}
	return string(text), err
}

// http sends a request through the gateway's event and returns status, headers and body.
func (f *functions) http(method, path, body string) (int, map[string]string, string) {
	f.t.Helper()
	path, query, _ := strings.Cut(path, "?")
	parameters, err := url.ParseQuery(query)
	if err != nil {
		f.t.Fatal(err)
	}
	e, err := json.Marshal(map[string]any{"httpMethod": method, "path": path, "queryStringParameters": parameters, "headers": map[string]string{}, "isBase64Encoded": false, "body": body,
		"requestContext": map[string]string{"stage": "RELEASE", "requestId": "r", "apiId": "a", "sourceIp": "192.0.2.1"}})
	if err != nil {
		f.t.Fatal(err)
	}
	answer, err := f.invoke(f.restore, e)
	if err != nil {
		f.t.Fatal(err)
	}
	var a struct {
		StatusCode int               `json:"statusCode"`
		Headers    map[string]string `json:"headers"`
		Body       string            `json:"body"`
	}
	if err := json.Unmarshal([]byte(answer), &a); err != nil {
		f.t.Fatal(err)
	}
	return a.StatusCode, a.Headers, a.Body
}

func TestRestore_ByHTTPPlansAtOnceAndQueuesTheRest(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	f.Handle(localtest.Workspace).Wipe()
	status, _, body := f.http("POST", "/restores", `{"date":"latest","duplicateNamePolicy":"overwrite","dryRun":true}`)
	if status != 200 || !strings.Contains(body, `"status": "PLANNED"`) || !strings.Contains(body, `"planHash": "`) {
		t.Fatalf("%d %s", status, body)
	}
	status, headers, body := f.http("POST", "/restores", `{"id":"mine","date":"latest","duplicateNamePolicy":"overwrite"}`)
	if status != 202 || headers["Location"] != "/restores/mine" {
		t.Fatalf("%d %v %s", status, headers, body)
	}
	if f.Writes() > 0 {
		t.Errorf("%d writes before the OBS event", f.Writes())
	}
	if status, _, body := f.http("GET", "/restores/mine", ""); status != 200 || !strings.Contains(body, `"message": "queued"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, _, body := f.http("POST", "/restores/mine/undo", ""); status != 409 || !strings.Contains(body, "queued") {
		t.Errorf("undone before it has begun: %d %s", status, body)
	}
	if status, _, body := f.http("POST", "/restores", `{"id":"mine","date":"latest","duplicateNamePolicy":"skip"}`); status != 409 {
		t.Errorf("another request with the same id: %d %s", status, body)
	}
	event := functiongraph.ObjectCreatedEvent(localtest.Bucket, "restore-requests/mine.json", "", 10, midnight, localtest.Region)
	if answer, err := f.invoke(f.restore, event); err != nil || !strings.Contains(answer, `"status":"COMPLETE"`) {
		t.Fatalf("%s %v", answer, err)
	}
	if status, _, body := f.http("GET", "/restores/mine", ""); status != 200 || !strings.Contains(body, `"status": "COMPLETE"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, _, body := f.http("GET", "/restores", ""); status != 200 || !strings.Contains(body, `"id": "mine"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, headers, _ := f.http("POST", "/restores/mine/undo", ""); status != 202 || headers["Location"] != "/restores/mine" {
		t.Errorf("undo: %d %v", status, headers)
	}
	event = functiongraph.ObjectCreatedEvent(localtest.Bucket, "restore-requests/undo/mine.json", "", 10, midnight, localtest.Region)
	if answer, err := f.invoke(f.restore, event); err != nil || !strings.Contains(answer, `"status":"UNDONE"`) {
		t.Errorf("%s %v", answer, err)
	}
	if left := len(f.Handle(localtest.Workspace).All(dataarts.Jobs)); left > 0 {
		t.Errorf("%d jobs are left after the undo", left)
	}
}

func TestRestore_ByHTTPStoresOneOfTwoRequestsThatTakeAnIDAtTheSameTime(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	const first = `{"id":"mine","date":"latest","duplicateNamePolicy":"overwrite"}`
	other := 0
	f.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Operation == "PutObject" && strings.HasSuffix(c.Key, "restore-requests/mine.json") { // between the look and the write of the second one
			f.Objects.Intercept(nil)
			other, _, _ = f.http("POST", "/restores", first)
		}
		return nil
	})
	status, _, body := f.http("POST", "/restores", `{"id":"mine","date":"latest","duplicateNamePolicy":"skip"}`)
	if other != 202 || status != 409 {
		t.Errorf("answered %d and %d %s", other, status, body)
	}
	if status, _, body := f.http("POST", "/restores", first); status != 202 {
		t.Errorf("the same again: %d %s", status, body)
	}
}

func TestRestore_ByHTTPNamesEveryFaultOfABadRequest(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		code               string
		want               []string
	}{
		{"POST", "/restores", `{"date":"monday","duplicateNamePolicy":"merge","dryrun":true}`, 400, "invalid", []string{"dryrun", "monday", "merge"}},
		{"POST", "/restores", `{"date":"monday","duplicateNamePolicy":"merge"}`, 400, "invalid", []string{"monday", "merge"}},
		{"POST", "/restores", `{"path":"obs://elsewhere/2026-11-22/","dryRun":"yes","schedules":"some"}`, 400, "invalid", []string{"path: obs://elsewhere", "dryRun", "schedules", "duplicateNamePolicy"}},
		{"POST", "/restores", `{"id":"","workspace":"","date":"latest","duplicateNamePolicy":"skip"}`, 400, "invalid", []string{"id: is empty", "workspace: is empty"}},
		{"POST", "/restores/unknown/undo", `{"now":true}`, 400, "invalid", []string{"now"}},
		{"POST", "/restores", `{`, 400, "invalid", []string{"line 1"}},
		{"POST", "/restores", ``, 400, "invalid", nil},
		{"POST", "/restores", `{"path":"obs://elsewhere/2026-11-22/","duplicateNamePolicy":"skip"}`, 400, "invalid", []string{"outside"}},
		{"POST", "/restores", `{"date":"2026-11-21","duplicateNamePolicy":"skip"}`, 400, "invalid", []string{"no complete backup"}},
		{"POST", "/restores", `{"date":"latest","duplicateNamePolicy":"fail","dryRun":true}`, 400, "invalid", []string{"duplicateNamePolicy is fail"}},
		{"GET", "/restores/unknown", "", 404, "not_found", nil},
		{"GET", "/restores/..%2F..", "", 404, "not_found", nil},
		{"POST", "/restores/unknown/undo", "", 404, "not_found", nil},
		{"DELETE", "/restores", "", 405, "method_not_allowed", []string{"GET or HEAD or POST"}},
		{"GET", "/elsewhere", "", 404, "not_found", nil},
	} {
		status, headers, body := f.http(c.method, c.path, c.body)
		var answer struct {
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != c.status || answer.Error.Code != c.code || headers["Content-Type"] != "application/json" {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, status, body)
		}
		for _, want := range c.want {
			if !strings.Contains(answer.Error.Message, want) {
				t.Errorf("%s %s %s: %q does not say %q", c.method, c.path, c.body, answer.Error.Message, want)
			}
		}
	}
	if f.Writes() > 0 {
		t.Errorf("%d writes", f.Writes())
	}
	if keys, _ := f.Objects.Keys(localtest.Bucket, "restore-requests/"); len(keys) > 0 {
		t.Errorf("left behind: %q", keys)
	}
}

func TestRestore_ByOBSEventWritesARefusalAsAReport(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	if err := f.Objects.PutObject(localtest.Bucket, "restore-requests/for monday.json", []byte(`{"date":"monday"}`)); err != nil {
		t.Fatal(err)
	}
	event := functiongraph.ObjectCreatedEvent(localtest.Bucket, "restore-requests/for monday.json", "", 10, midnight, localtest.Region)
	answer, err := f.invoke(f.restore, event)
	if _, ok := errors.AsType[*runtime.Unsuccessful](err); !ok || !strings.Contains(answer, "monday") {
		t.Fatalf("%s %v", answer, err)
	}
	keys, _ := f.Objects.Keys(localtest.Bucket, "restores/")
	if len(keys) != 1 || !strings.HasPrefix(keys[0], "restores/for-monday-") {
		t.Fatalf("%q", keys)
	}
	report, _ := f.Objects.GetObject(localtest.Bucket, keys[0])
	if !strings.Contains(string(report), `"status": "FAILED"`) || !strings.Contains(string(report), "duplicateNamePolicy: is missing") {
		t.Errorf("%s", report)
	}
}

func TestRestore_IsNotStartedByTheFunctionsOwnWrites(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	for _, key := range []string{localtest.Workspace + "/2026-11-22/backup.json", "restores/x/report.json", "restore-requests/readme.txt"} {
		answer, err := f.invoke(f.restore, functiongraph.ObjectCreatedEvent(localtest.Bucket, key, "", 10, midnight, localtest.Region))
		if err != nil || answer != `{"restores":[]}` {
			t.Errorf("%s: %s %v", key, answer, err)
		}
	}
	if calls := f.DataArts.Calls(); len(calls) > 0 {
		t.Errorf("%v", calls)
	}
}

func TestFunctions_NameEveryFaultOfTheirSettingsAndNoSecret(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	broken := handler.Options{Lookup: f.Environment(map[string]string{"BACKUP_LOCATION": "s3://x", "DATAARTS_RATE_LIMIT": "fast", "HUAWEICLOUD_SDK_SK": "tell-nobody"})}
	for name, h := range map[string]runtime.Handler{"backup": handler.Backup(broken), "restore": handler.Restore(broken)} {
		_, err := f.invoke(h, []byte(`{"date":"latest","duplicateNamePolicy":"skip"}`))
		if err == nil || !strings.Contains(err.Error(), "BACKUP_LOCATION") || !strings.Contains(err.Error(), "DATAARTS_RATE_LIMIT") || strings.Contains(err.Error(), "tell-nobody") {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.restore = handler.Restore(broken)
	if status, _, body := f.http("GET", "/restores", ""); status != http.StatusInternalServerError || !strings.Contains(body, "BACKUP_LOCATION") {
		t.Errorf("%d %s", status, body)
	}
}

func TestBackup_AnswersForEveryWorkspace(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	all := handler.Backup(handler.Options{Lookup: f.Environment(map[string]string{"DATAARTS_WORKSPACES": "*"}), Now: func() time.Time { return midnight.Add(time.Hour) }})
	answer, err := f.invoke(all, []byte(`{}`))
	if err != nil {
		t.Fatal(answer, err)
	}
	for _, want := range []string{`"path":"obs://dataarts-backup/` + localtest.Workspace + `/2026-11-22T000000/"`, `"path":"obs://dataarts-backup/` + localtest.Other + `/2026-11-22T000000/"`, `"status":"COMPLETE","backups"`} {
		if !strings.Contains(answer, want) {
			t.Errorf("%s is not in %s", want, answer)
		}
	}
	answer, err = f.invoke(all, []byte(`{"workspaces":["`+localtest.Workspace+`","unknown"],"time":"2026-11-23T00:00:00+01:00"}`))
	if err == nil || !strings.Contains(answer, `"status":"PARTIAL","backups"`) || !strings.Contains(err.Error(), "workspace unknown") || !strings.Contains(answer, localtest.Workspace+`/2026-11-23/`) {
		t.Errorf("%s %v", answer, err)
	}
}

func TestBackup_VerifiesWithoutTheService(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	f.DataArts.Intercept(func(*http.Request, dataarts.Operation) *dataarts.Fault { return &dataarts.Fault{Status: 403} })
	for workspaces, calls := range map[string]int{localtest.Workspace: 0, "*": 1} {
		f.DataArts.ResetCalls()
		h := handler.Backup(handler.Options{Lookup: f.Environment(map[string]string{"DATAARTS_WORKSPACES": workspaces})})
		answer, err := f.invoke(h, []byte(`{"verify":"2026-11-22"}`))
		if err != nil || !strings.Contains(answer, `"workspace":"`+localtest.Workspace+`"`) || !strings.Contains(answer, "verified") {
			t.Errorf("%s: %s %v", workspaces, answer, err)
		}
		if sent := f.DataArts.Calls(); len(sent) != calls {
			t.Errorf("%s: %d calls: %v", workspaces, len(sent), sent)
		}
	}
}

func TestBackup_TakesTheDateOfTheScheduleInItsZone(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	keys, _ := f.Objects.Keys(localtest.Bucket, "")
	if !slices.Contains(keys, localtest.Workspace+"/2026-11-22/backup.json") {
		t.Fatalf("the timer's own offset decides without BACKUP_TIME_ZONE: %q", keys)
	}
	tokyo := handler.Backup(handler.Options{Lookup: f.Environment(map[string]string{"BACKUP_TIME_ZONE": "Asia/Tokyo"})})
	late := functiongraph.TimerEvent("nightly", time.Date(2026, 11, 22, 23, 59, 0, 0, time.UTC), "{}")
	if answer, err := f.invoke(tokyo, late); err != nil || !strings.Contains(answer, "/2026-11-23/") {
		t.Errorf("%s %v", answer, err)
	}
	if answer, err := f.invoke(tokyo, []byte(`{"verify":"2026-11-23"}`)); err != nil || !strings.Contains(answer, "verified") {
		t.Errorf("%s %v", answer, err)
	}
	for _, bad := range []string{`{"folder":"../x"}`, `{"folder":"drills"}`, `{"verify":"yesterday"}`, `{"workspaces":["a/b"]}`, `{"Folder":"x"}`, `[]`} {
		if answer, err := f.invoke(tokyo, []byte(bad)); err == nil {
			t.Errorf("%s is accepted: %s", bad, answer)
		}
	}
}
