package handler_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/smn"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
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

// lose deletes what the workspace has of jobs and scripts.
func (f *functions) lose() {
	w := f.Handle(localtest.Workspace)
	for _, kind := range []dataarts.Kind{dataarts.Jobs, dataarts.Scripts} {
		for name := range w.All(kind) {
			w.Delete(kind, name)
		}
	}
}

// complete are the names of the workspace's complete backups.
func (f *functions) complete() []string {
	f.t.Helper()
	keys, err := f.Objects.Keys(localtest.Bucket, localtest.Workspace+"/")
	if err != nil {
		f.t.Fatal(err)
	}
	var names []string
	for _, key := range keys {
		if strings.HasSuffix(key, "/backup.json") {
			names = append(names, strings.Split(key, "/")[1])
		}
	}
	return names
}

// interrupted takes the nightly backup and ends right after the commit, as a run does that the platform ends there.
func (f *functions) interrupted(due time.Time) {
	f.t.Helper()
	v := vault.New(f.Store, localtest.Bucket, localtest.Workspace)
	if _, err := backup.Run(f.t.Context(), f.Factory.Workspace(localtest.Workspace), v, vault.NightlyName(due), backup.Options{Workspace: vault.Workspace{ID: localtest.Workspace}}); err != nil {
		f.t.Fatal(err)
	}
}

// telling is a backup function that tells people, and who is told.
func (f *functions) telling(settings map[string]string) (runtime.Handler, *smn.Service) {
	f.t.Helper()
	keys := &iam.Keyring{}
	keys.Add(iam.Credentials{AccessKey: localtest.AccessKey, SecretKey: localtest.SecretKey})
	service := smn.New(smn.Options{Keyring: keys, ProjectID: localtest.ProjectID})
	server := httptest.NewServer(service)
	f.t.Cleanup(server.Close)
	settings["NOTIFY_TOPIC_URN"], settings["SMN_ENDPOINT"] = service.CreateTopic(localtest.Region, "backups"), server.URL
	return handler.Backup(handler.Options{Lookup: f.Environment(settings)}), service
}

// Somebody saves by hand what a mass deletion has left, and then comes the next night.
func TestBackup_ByHandAfterAMassDeletionDoesNotLetRetentionGo(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	env := f.Environment(map[string]string{"BACKUP_KEEP": "daily=1"})
	f.lose()
	byHand := handler.Backup(handler.Options{Lookup: env, Now: func() time.Time { return midnight.Add(15 * time.Hour) }})
	answer, err := f.invoke(byHand, []byte(`{}`))
	if err != nil || !strings.Contains(answer, "retention is held") {
		t.Fatal(answer, err)
	}
	nightly := handler.Backup(handler.Options{Lookup: env})
	if answer, err = f.invoke(nightly, functiongraph.TimerEvent("nightly", midnight.AddDate(0, 0, 1), "")); err != nil || !strings.Contains(answer, "retention is held") {
		t.Error(answer, err)
	}
	if got := f.complete(); !slices.Equal(got, []string{"2026-11-22", "2026-11-22T140000", "2026-11-23"}) {
		t.Errorf("there are %q", got)
	}
	// One day is what there is to notice it in.
	if answer, err = f.invoke(nightly, functiongraph.TimerEvent("nightly", midnight.AddDate(0, 0, 2), "")); err != nil || !slices.Equal(f.complete(), []string{"2026-11-24"}) {
		t.Errorf("there are %q: %s %v", f.complete(), answer, err)
	}
}

func TestBackup_ThatWasCommittedAndNotReportedIsReportedByTheNextRun(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	due := midnight.AddDate(0, 0, 1)
	h, people := f.telling(map[string]string{"BACKUP_KEEP": "daily=1"})
	f.lose()
	f.interrupted(due)
	answer, err := f.invoke(h, functiongraph.TimerEvent("nightly", due, ""))
	if err != nil || !strings.Contains(answer, "complete already") || !strings.Contains(answer, "retention is held") || !strings.Contains(answer, `"massLoss":true`) {
		t.Error(answer, err)
	}
	messages := people.Messages()
	if len(messages) != 1 || !strings.Contains(messages[0].Subject, "MASS DELETION") || !strings.Contains(messages[0].Text, "Since obs://"+localtest.Bucket+"/"+localtest.Workspace+"/2026-11-22/") {
		t.Errorf("%+v", messages)
	}
	if got := f.complete(); !slices.Equal(got, []string{"2026-11-22", "2026-11-23"}) {
		t.Errorf("there are %q", got)
	}
	// Once it is told of, it is left alone.
	answer, err = f.invoke(h, functiongraph.TimerEvent("nightly", due, ""))
	if err != nil || strings.Contains(answer, "digest") || strings.Contains(answer, "retention") || len(people.Messages()) != 1 {
		t.Errorf("%s %v, %d messages", answer, err, len(people.Messages()))
	}
}

func TestBackup_ThatNobodyCouldBeToldOfIsReportedWhenItsEventComesAgain(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	due := midnight.AddDate(0, 0, 1)
	h, people := f.telling(map[string]string{})
	people.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	if answer, err := f.invoke(h, functiongraph.TimerEvent("nightly", due, "")); err != nil || !strings.Contains(answer, "could not be sent") {
		t.Fatal(answer, err)
	}
	people.Intercept(nil)
	for range 2 {
		if answer, err := f.invoke(h, functiongraph.TimerEvent("nightly", due, "")); err != nil || len(people.Messages()) != 1 {
			t.Errorf("%s %v, %d messages", answer, err, len(people.Messages()))
		}
	}
}

func TestBackup_ReportedByAnotherRunWithoutTheBackupBeforeSaysSo(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	due := midnight.AddDate(0, 0, 1)
	f.interrupted(due)
	if err := f.Objects.DeleteObject(localtest.Bucket, localtest.Workspace+"/2026-11-22/backup.json"); err != nil {
		t.Fatal(err)
	}
	answer, err := f.invoke(f.backup, functiongraph.TimerEvent("nightly", due, ""))
	if err != nil || !strings.Contains(answer, "what has changed since the backup before cannot be told") || strings.Contains(answer, `"digest"`) {
		t.Error(answer, err)
	}
}
