package handler_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
)

// The keys of the settings reach everything: what the backup function writes is encrypted, the console shows and verifies it without a key, and the
// restore function gives it back with one and refuses without.
func TestEncryption_FromTheSettingsToTheWorkspace(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	c := localtest.New(t)
	w := c.Handle(localtest.Workspace)
	if err := sample.Fill(w, sample.Options{Jobs: 4, Scripts: 3, Resources: 2}); err != nil {
		t.Fatal(err)
	}
	with := func(settings map[string]string) handler.Options {
		return handler.Options{Lookup: c.Environment(settings), Version: "test"}
	}
	recipients := map[string]string{"BACKUP_RECIPIENTS": id.Recipient().String()}
	f := &functions{Cloud: c, t: t}
	if answer, err := f.invoke(handler.Backup(with(recipients)), functiongraph.TimerEvent("nightly", midnight, "")); err != nil {
		t.Fatal(answer, err)
	}
	keys, err := c.Objects.Keys(localtest.Bucket, localtest.Workspace+"/2026-11-22/")
	if err != nil {
		t.Fatal(err)
	}
	keys = slices.DeleteFunc(keys, func(k string) bool { return strings.HasSuffix(k, ".age") })
	if len(keys) != 2 || !strings.HasSuffix(keys[0], "/backup.json") || !strings.HasSuffix(keys[1], "/manifest.json") {
		t.Errorf("not encrypted are %q", keys)
	}
	if answer, err := f.invoke(handler.Backup(with(recipients)), []byte(`{"verify":"2026-11-22"}`)); err != nil {
		t.Errorf("the verification: %s %v", answer, err)
	}

	console := handler.Console(with(nil))
	for path, want := range map[string]string{
		"GET /backups":                    `"COMPLETE"`,
		"GET /backups/2026-11-22":         `.script.age"`,
		"POST /backups/2026-11-22/verify": `"VERIFIED"`,
	} {
		if status, body := f.ask(console, path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}

	request := []byte(`{"date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	c.DataArts.ResetCalls()
	answer, err := f.invoke(handler.Restore(with(recipients)), request)
	if err == nil || !strings.Contains(answer, `"FAILED"`) || !strings.Contains(answer, "RESTORE_IDENTITY") || c.Writes() > 0 {
		t.Errorf("without a key: %d writes, %v, %s", c.Writes(), err, answer)
	}
	before := w.All(dataarts.Scripts)
	w.Wipe()
	recipients["RESTORE_IDENTITY"] = id.String()
	answer, err = f.invoke(handler.Restore(with(recipients)), request)
	if err != nil || !strings.Contains(answer, `"COMPLETE"`) || strings.Contains(answer, id.String()) {
		t.Errorf("%v %s", err, answer)
	}
	if !slices.Equal(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(w.All(dataarts.Scripts)))) {
		t.Error("not every script came back")
	}
}

// ask sends "GET /path" to a handler and returns status and body.
func (f *functions) ask(h runtime.Handler, request string) (status int, body string) {
	f.t.Helper()
	method, path, _ := strings.Cut(request, " ")
	e, err := json.Marshal(map[string]any{"httpMethod": method, "path": path, "headers": map[string]string{}, "isBase64Encoded": false, "body": "",
		"requestContext": map[string]string{"stage": "RELEASE", "requestId": "r", "apiId": "a", "sourceIp": "192.0.2.1"}})
	if err != nil {
		f.t.Fatal(err)
	}
	answer, err := f.invoke(h, e)
	if err != nil {
		f.t.Fatal(err)
	}
	var a struct {
		StatusCode int    `json:"statusCode"`
		Body       string `json:"body"`
	}
	if err := json.Unmarshal([]byte(answer), &a); err != nil {
		f.t.Fatal(err)
	}
	return a.StatusCode, a.Body
}
