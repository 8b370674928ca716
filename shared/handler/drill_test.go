package handler_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/smn"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
)

// command is a drill in the second workspace, which is empty.
const drillCommand = `{"drill":{"workspace":"` + localtest.Other + `"}}`

// drilled is the answer to a drill.
type drilled struct {
	ID, Status, Step, Source, Message string
	RestoreMS, DurationMS             int64
}

func (f *functions) drill(h runtime.Handler, payload []byte) (drilled, error) {
	f.t.Helper()
	answer, err := f.invoke(h, payload)
	var d drilled
	if parseErr := json.Unmarshal([]byte(answer), &d); parseErr != nil {
		f.t.Fatal(answer, parseErr)
	}
	return d, err
}

// tellingRestore is a restore function that tells people, and who is told.
func (f *functions) tellingRestore(settings map[string]string) (runtime.Handler, *smn.Service) {
	f.t.Helper()
	_, people := f.telling(settings)
	return handler.Restore(handler.Options{Lookup: f.Environment(settings)}), people
}

func TestRestore_ATimerHoldsADrillAndTheSameTickIsTheSameDrill(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	tick := functiongraph.TimerEvent("weekly-drill", midnight.Add(3*time.Hour), drillCommand)
	d, err := f.drill(f.restore, tick)
	if err != nil || d.Status != "GOOD" || d.Source != localtest.Workspace || !strings.HasPrefix(d.ID, "drill-20261122T020000Z-") {
		t.Fatalf("%+v %v", d, err)
	}
	if left := len(f.Handle(localtest.Other).All(dataarts.Jobs)); left > 0 {
		t.Errorf("%d jobs are left", left)
	}
	f.DataArts.ResetCalls()
	again, err := f.drill(f.restore, tick)
	if err != nil || again != d || len(f.DataArts.Calls()) > 0 {
		t.Errorf("%+v %v, %d calls", again, err, len(f.DataArts.Calls()))
	}
	next, err := f.drill(f.restore, functiongraph.TimerEvent("weekly-drill", midnight.AddDate(0, 0, 7), drillCommand))
	if err != nil || next.ID == d.ID || next.Status != "GOOD" {
		t.Errorf("%+v %v", next, err)
	}
	scheduled := strings.Replace(drillCommand, "{", `{"time":"2026-11-22T02:00:00Z",`, 1) // a scheduler that delivers only its own input
	if same, err := f.drill(f.restore, []byte(scheduled)); err != nil || same != d {
		t.Errorf("%+v %v", same, err)
	}
}

func TestRestore_HoldsADrillByDirectInvocationAndByObject(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	first, err := f.drill(f.restore, []byte(drillCommand))
	if err != nil || first.Status != "GOOD" {
		t.Fatalf("%+v %v", first, err)
	}
	if second, err := f.drill(f.restore, []byte(drillCommand)); err != nil || second.Status != "GOOD" || second.ID == first.ID {
		t.Errorf("%+v %v", second, err)
	}
	if err := f.Objects.PutObject(localtest.Bucket, "restore-requests/drill.json", []byte(drillCommand)); err != nil {
		t.Fatal(err)
	}
	event := functiongraph.ObjectCreatedEvent(localtest.Bucket, "restore-requests/drill.json", "", 10, midnight, localtest.Region)
	third, err := f.drill(f.restore, event)
	if err != nil || third.Status != "GOOD" {
		t.Fatalf("%+v %v", third, err)
	}
	if again, err := f.drill(f.restore, event); err != nil || again != third {
		t.Errorf("%+v %v", again, err)
	}
	if status, _, body := f.http("GET", "/restores/drill", ""); status != http.StatusNotFound {
		t.Errorf("%d %s", status, body)
	}
	if status, _, body := f.http("POST", "/restores", drillCommand); status != http.StatusBadRequest || !strings.Contains(body, "drills are asked for by") {
		t.Errorf("%d %s", status, body)
	}
}

func TestRestore_ADrillThatFailsIsAnErrorAndIsToldOfOnce(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	h, people := f.tellingRestore(map[string]string{"DATAARTS_WORKSPACES": localtest.Workspace + "," + localtest.Other})
	tick := functiongraph.TimerEvent("weekly-drill", midnight, strings.Replace(drillCommand, "}}", `,"source":"`+localtest.Workspace+`"}}`, 1))
	for range 2 {
		d, err := f.drill(h, tick)
		if failed, ok := failureOf(err); !ok || failed.Type != "DrillFailed" || d.Status != "FAILED" || d.Step != "check" || !strings.Contains(err.Error(), "DATAARTS_WORKSPACES") {
			t.Fatalf("%+v %v", d, err)
		}
	}
	messages := people.Messages()
	if len(messages) != 1 || messages[0].Subject != "DataArts drill FAILED: backup of workspace "+localtest.Workspace || !strings.Contains(messages[0].Text, "DATAARTS_WORKSPACES") {
		t.Errorf("%+v", messages)
	}
	if f.Writes() > 0 {
		t.Errorf("%d writes", f.Writes())
	}
}

func TestRestore_ATimerThatCannotBeUnderstoodIsToldOf(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	h, people := f.tellingRestore(map[string]string{})
	for n, c := range []struct{ text, want string }{
		{"", "user_event is empty"},
		{"nightly", "line 1, column 1"},
		{`{"date":"latest","duplicateNamePolicy":"fail"}`, "asks for no drill"},
		{`{"drill":{"workspace":"a b","keep":1}}`, "drill.workspace"},
	} {
		_, err := f.invoke(h, functiongraph.TimerEvent("weekly", midnight, c.text))
		if failed, ok := failureOf(err); !ok || failed.Type != "BadRequest" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.text, err)
		}
		if messages := people.Messages(); len(messages) != n+1 || !strings.Contains(messages[n].Text, c.want) || messages[n].Subject != "DataArts drill FAILED" {
			t.Errorf("%s: %+v", c.text, messages)
		}
	}
	if f.Writes() > 0 {
		t.Errorf("%d writes", f.Writes())
	}
}

func TestRestore_ADrillWhoseTimeIsOverGoesOnWithItsEvent(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	tick := functiongraph.TimerEvent("weekly-drill", midnight, drillCommand)
	f.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.CreateJob {
			return &dataarts.Fault{Status: http.StatusUnauthorized, Code: "APIGW.0301"}
		}
		return nil
	})
	h, people := f.tellingRestore(map[string]string{})
	d, err := f.drill(h, tick)
	if failed, ok := failureOf(err); !ok || failed.Type != "DrillInterrupted" || d.Status != "RUNNING" {
		t.Fatalf("%+v %v", d, err)
	}
	if messages := people.Messages(); len(messages) != 1 {
		t.Errorf("%+v", messages)
	}
	f.DataArts.Intercept(nil)
	if again, err := f.drill(h, tick); err != nil || again.Status != "GOOD" || again.ID != d.ID {
		t.Errorf("%+v %v", again, err)
	}
}

func TestConsole_TellsTheLastDrillsOfAWorkspace(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	api := readOpenAPI(t)
	console := handler.Console(handler.Options{Lookup: f.Environment(nil)})
	look := func(path string) string {
		t.Helper()
		e, err := json.Marshal(map[string]any{"httpMethod": "GET", "path": path, "headers": map[string]string{}, "isBase64Encoded": false, "body": "",
			"queryStringParameters": map[string]string{"workspace": localtest.Workspace}, "requestContext": map[string]string{"stage": "RELEASE"}})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := f.invoke(console, e)
		if err != nil {
			t.Fatal(err)
		}
		var a struct{ Body string }
		if err := json.Unmarshal([]byte(answer), &a); err != nil {
			t.Fatal(err)
		}
		return a.Body
	}
	drills := func() (last struct {
		Drills struct {
			LastGood, LastFailed *struct {
				ID, Backup, FinishedAt, Message string
				DurationMS, RestoreMS           *int64
			}
		}
	}) {
		t.Helper()
		body := []byte(look("/backups"))
		var v any
		if err := errors.Join(json.Unmarshal(body, &last), json.Unmarshal(body, &v)); err != nil {
			t.Fatal(err)
		}
		for _, fault := range api.faults(api.answer(t, "GET", "/backups", 200), v, "answer") {
			t.Error(fault)
		}
		return last
	}
	if none := drills(); none.Drills.LastGood != nil || none.Drills.LastFailed != nil {
		t.Errorf("%+v", none)
	}
	good, err := f.drill(f.restore, []byte(drillCommand))
	if err != nil {
		t.Fatal(err)
	}
	d := drills().Drills
	if d.LastFailed != nil || d.LastGood == nil || d.LastGood.ID != good.ID || d.LastGood.FinishedAt == "" || d.LastGood.DurationMS == nil ||
		*d.LastGood.RestoreMS != good.RestoreMS || d.LastGood.Backup != "obs://"+localtest.Bucket+"/"+localtest.Workspace+"/2026-11-22/" {
		t.Errorf("%+v", d)
	}
	if page := look("/"); !strings.Contains(page, "Last good drill") || strings.Contains(page, "Failed drill") || strings.Contains(page, ">drills<") {
		t.Errorf("%s", page)
	}
	if _, err := f.drill(f.restore, []byte(fmt.Sprintf(`{"drill":{"workspace":%q,"date":"2026-11-21","source":%q}}`, localtest.Other, localtest.Workspace))); err == nil {
		t.Fatal("a drill without a backup is good")
	}
	d = drills().Drills
	if d.LastFailed == nil || !strings.Contains(d.LastFailed.Message, "no complete backup") || d.LastGood == nil || d.LastGood.ID != good.ID {
		t.Errorf("%+v", d)
	}
	if page := look("/"); !strings.Contains(page, "Last good drill") || !strings.Contains(page, "Failed drill") {
		t.Errorf("%s", page)
	}
}
