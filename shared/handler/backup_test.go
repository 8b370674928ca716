package handler_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
)

// trap is a transport with a fault of the program's own in it, for one workspace.
type trap struct{ next http.RoundTripper }

func (p trap) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, localtest.Other) {
		panic("index out of range")
	}
	return p.next.RoundTrip(r)
}

func TestBackup_APanicFailsOneWorkspaceOnly(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	h := handler.Backup(handler.Options{Lookup: f.Environment(map[string]string{"DATAARTS_WORKSPACES": localtest.Other + "," + localtest.Workspace}), StoreTransport: trap{transport}})
	answer, err := f.invoke(h, []byte(`{}`))
	if err == nil || !strings.Contains(err.Error(), "index out of range") || strings.Contains(err.Error(), ".go:") {
		t.Errorf("error %v", err)
	}
	var got struct {
		Status  string
		Backups []struct{ Workspace, Status string }
	}
	if err := json.Unmarshal([]byte(answer), &got); err != nil {
		t.Fatal(err)
	}
	if got.Status != "PARTIAL" || len(got.Backups) != 2 || got.Backups[0].Status != "FAILED" || got.Backups[1].Status != "COMPLETE" {
		t.Errorf("answer %s", answer)
	}
}

func TestBackup_WithoutItsOwnNameOnFunctionGraphIsDoneInTurn(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	h := handler.Backup(handler.Options{Lookup: f.Environment(map[string]string{"DATAARTS_WORKSPACES": localtest.Workspace + "," + localtest.Other})})
	answer, err := h(context.Background(), runtime.Invocation{Platform: runtime.FunctionGraph, RequestID: "r", Payload: functiongraph.TimerEvent("nightly", midnight.AddDate(0, 0, 1), "")})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), `{"status":"COMPLETE"`) || strings.Count(string(text), "RUNTIME_FUNC_NAME") != 2 {
		t.Errorf("answer %s", text)
	}
}

func TestBackup_ADryRunRefusesAFolderOfAnotherWorkspace(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	h := handler.Backup(handler.Options{Lookup: f.Environment(map[string]string{"BACKUP_LOCATION": "obs://" + localtest.Bucket + "/" + localtest.Workspace, "DATAARTS_WORKSPACES": localtest.Other})})
	answer, err := f.invoke(h, []byte(`{"dryRun":true,"time":"2026-11-22T00:00:00+01:00"}`))
	if err == nil || !strings.Contains(answer, `"status":"FAILED"`) || !strings.Contains(err.Error(), localtest.Workspace) {
		t.Errorf("%s, %v", answer, err)
	}
}
