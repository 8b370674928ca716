package handler_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

func TestRestore_ByHTTPQueuesAnExportAndTellsOfItsFiles(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	status, headers, body := f.http("POST", "/restores", `{"id":"files","date":"latest","export":true,"select":{"kinds":["jobs","scripts"]}}`)
	if status != 202 || headers["Location"] != "/restores/files" {
		t.Fatalf("%d %v %s", status, headers, body)
	}
	event := functiongraph.ObjectCreatedEvent(localtest.Bucket, "restore-requests/files.json", "", 10, midnight, localtest.Region)
	if answer, err := f.invoke(f.restore, event); err != nil || !strings.Contains(answer, `"status":"COMPLETE"`) {
		t.Fatalf("%s %v", answer, err)
	}
	status, _, body = f.http("GET", "/restores/files", "")
	var report restore.Report
	if err := json.Unmarshal([]byte(body), &report); err != nil || status != 200 || len(report.Exports) != 1 {
		t.Fatalf("%d %s", status, body)
	}
	if e := report.Exports[0]; e.Path != "obs://"+localtest.Bucket+"/restores/files/export/1.zip" || e.Jobs != 6 || e.Scripts != 4 || e.Resources != 0 {
		t.Errorf("%+v", e)
	}
	if status, _, body := f.http("POST", "/restores/files/undo", ""); status != 400 || !strings.Contains(body, "is an export") {
		t.Errorf("%d %s", status, body)
	}
	if f.Writes() > 0 {
		t.Errorf("%d writes", f.Writes())
	}
	if status, _, body := f.http("POST", "/restores", `{"date":"latest","export":true,"duplicateNamePolicy":"skip"}`); status != 400 || !strings.Contains(body, "duplicateNamePolicy: does not go with export") {
		t.Errorf("%d %s", status, body)
	}
}
