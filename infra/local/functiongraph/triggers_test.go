package functiongraph_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

// managed is a function whose management API takes signed requests.
func managed(t *testing.T, switches functiongraph.TriggerSwitches) (*functiongraph.Deployment, func(method, path, body string) (status int, answer string)) {
	t.Helper()
	keys := signing.Credentials{AccessKey: "ak", SecretKey: "sk"}
	ring := &iam.Keyring{}
	ring.Add(iam.Credentials(keys))
	s := functiongraph.New(functiongraph.Options{Keyring: ring, ProjectID: "0dd3"})
	t.Cleanup(s.Close)
	d, err := s.Deploy(t.Context(), functiongraph.Function{Name: "backup", Bootstrap: "bootstrap"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Management(functiongraph.ManagementOptions{Region: "eu-de", Keyring: ring, Triggers: switches}))
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return d, func(method, path, body string) (int, string) {
		t.Helper()
		var content []byte
		if body != "" {
			content = []byte(body)
		}
		parts := append([]string{"v2", "0dd3", "fgs", "triggers"}, strings.Split(path, "/")...)
		request, err := signing.Request{Base: base, Method: method, Path: parts, KeepColons: true, ContentType: "application/json", Body: content, ProjectID: "0dd3"}.Sign(keys, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		response, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(answer)
	}
}

const triggersOf = "urn:fss:eu-de:0dd3:function:default:backup:latest"

func TestManagement_keeps_timers(t *testing.T) {
	t.Parallel()
	d, call := managed(t, functiongraph.TriggerSwitches{})
	status, answer := call(http.MethodPost, triggersOf, `{"trigger_type_code":"TIMER","trigger_status":"DISABLED","event_type_code":"MessageCreated",
		"event_data":{"name":"daily","schedule_type":"Rate","schedule":"1d","user_event":"hello","sync_execution":false}}`)
	var made struct {
		ID   string         `json:"trigger_id"`
		Data map[string]any `json:"event_data"`
	}
	if err := json.Unmarshal([]byte(answer), &made); err != nil || status != http.StatusCreated || made.ID == "" || made.Data["user_event"] != "hello" {
		t.Fatalf("created: %d %s", status, answer)
	}
	if status, answer = call(http.MethodGet, triggersOf, ""); status != http.StatusOK || !strings.HasPrefix(answer, "[") || !strings.Contains(answer, made.ID) || !strings.Contains(answer, `"DISABLED"`) {
		t.Errorf("listed: %d %s", status, answer)
	}
	if status, answer = call(http.MethodPut, triggersOf+"/TIMER/"+made.ID, `{"trigger_status":"ACTIVE"}`); status != http.StatusOK || !strings.Contains(answer, `"ACTIVE"`) || !d.Timers()[0].Active {
		t.Errorf("updated: %d %s", status, answer)
	}
	if status, answer = call(http.MethodGet, triggersOf+"/TIMER/"+made.ID, ""); status != http.StatusOK || !strings.Contains(answer, `"ACTIVE"`) {
		t.Errorf("shown: %d %s", status, answer)
	}
	for _, want := range []int{http.StatusNoContent, http.StatusNotFound} {
		if status, answer = call(http.MethodDelete, triggersOf+"/TIMER/"+made.ID, ""); status != want {
			t.Errorf("deleted: %d %s, want %d", status, answer, want)
		}
	}
	if status, answer = call(http.MethodGet, triggersOf, ""); status != http.StatusOK || answer != "[]" {
		t.Errorf("listed at last: %d %s", status, answer)
	}
}

func TestManagement_refuses_triggers_that_the_documents_do_not_know(t *testing.T) {
	t.Parallel()
	const create = `{"trigger_type_code":"TIMER","event_data":{"name":"daily","schedule_type":"Rate","schedule":"1d"}}`
	d, call := managed(t, functiongraph.TriggerSwitches{})
	timer, err := d.CreateTimer(functiongraph.Timer{Name: "nightly", Active: true, ScheduleType: "Cron", Schedule: "CRON_TZ=Asia/Shanghai 0 0 0 * * *"})
	if err != nil {
		t.Fatal(err)
	}
	one := triggersOf + "/TIMER/" + timer.ID
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		code               string
	}{
		"an_unknown_field":             {http.MethodPost, triggersOf, strings.Replace(create, `{"trigger_type_code"`, `{"status":"ACTIVE","trigger_type_code"`, 1), 400, "FSS.0400"},
		"an_unknown_field_of_a_timer":  {http.MethodPost, triggersOf, strings.Replace(create, `"name"`, `"folder":"x","name"`, 1), 400, "FSS.0400"},
		"another_type":                 {http.MethodPost, triggersOf, strings.Replace(create, "TIMER", "CRON", 1), 400, "FSS.0400"},
		"another_status":               {http.MethodPost, triggersOf, strings.Replace(create, `{"trigger_type`, `{"trigger_status":"DISABLE","trigger_type`, 1), 400, "FSS.0400"},
		"another_type_of_schedule":     {http.MethodPost, triggersOf, strings.Replace(create, "Rate", "rate", 1), 400, "FSS.0400"},
		"too_many_days":                {http.MethodPost, triggersOf, strings.Replace(create, "1d", "31d", 1), 400, "FSS.0400"},
		"days_in_a_cron_expression":    {http.MethodPost, triggersOf, strings.NewReplacer("Rate", "Cron", "1d", "@every 3d").Replace(create), 400, "FSS.0400"},
		"a_cron_expression_of_AWS":     {http.MethodPost, triggersOf, strings.NewReplacer("Rate", "Cron", "1d", "cron(0 0 * * ? *)").Replace(create), 400, "FSS.0400"},
		"a_name_that_is_none":          {http.MethodPost, triggersOf, strings.Replace(create, "daily", "1daily", 1), 400, "FSS.0400"},
		"a_name_that_is_taken":         {http.MethodPost, triggersOf, strings.Replace(create, "daily", "nightly", 1), 409, "FSS.0409"},
		"no_event_data":                {http.MethodPost, triggersOf, `{"trigger_type_code":"TIMER"}`, 400, "FSS.0400"},
		"an_update_of_nothing":         {http.MethodPut, one, `{}`, 400, "FSS.0400"},
		"an_update_of_a_name":          {http.MethodPut, one, `{"name":"x"}`, 400, "FSS.0400"},
		"an_update_to_another_status":  {http.MethodPut, one, `{"trigger_status":"OFF"}`, 400, "FSS.0400"},
		"an_update_with_an_object":     {http.MethodPut, one, `{"event_data":{"name":"nightly","schedule_type":"Rate","schedule":"1d"}}`, 406, "FSS.0406"},
		"a_list_with_a_timer_s_fields": {http.MethodPut, one, `{"event_data":[{"user_event":"x"}]}`, 400, "FSS.0400"},
		"a_trigger_that_is_none":       {http.MethodPut, triggersOf + "/TIMER/none", `{"trigger_status":"ACTIVE"}`, 404, "FSS.0404"},
		"a_trigger_of_another_type":    {http.MethodGet, triggersOf + "/OBS/" + timer.ID, "", 404, "FSS.0404"},
		"another_version":              {http.MethodGet, strings.Replace(triggersOf, "latest", "v1", 1), "", 404, "FSS.1051"},
		"another_method":               {http.MethodPatch, one, `{}`, 404, "APIG.0101"},
	} {
		t.Run(name, func(t *testing.T) { // one after the other: they share the timers
			if status, answer := call(test.method, test.path, test.body); status != test.status || !strings.Contains(answer, `"`+test.code+`"`) {
				t.Errorf("%d %s, want %d %s", status, answer, test.status, test.code)
			}
			if timers := d.Timers(); len(timers) != 1 || timers[0] != timer {
				t.Errorf("the timers are %+v", timers)
			}
		})
	}
	if status, answer := call(http.MethodPut, one, `{"event_data":[{"is_serial":true,"max_fetch_bytes":1,"polling_interval":1,"polling_unit":"s"}]}`); status != http.StatusOK {
		t.Errorf("the documented list: %d %s", status, answer)
	}
	for range 9 {
		if _, err := d.CreateTimer(functiongraph.Timer{Name: "x" + strings.Repeat("x", len(d.Timers())), ScheduleType: "Rate", Schedule: "1d"}); err != nil {
			t.Fatal(err)
		}
	}
	if status, answer := call(http.MethodPost, triggersOf, create); status != http.StatusBadRequest || !strings.Contains(answer, "at most 10") {
		t.Errorf("an eleventh: %d %s", status, answer)
	}
}

func TestManagement_follows_the_switches(t *testing.T) {
	t.Parallel()
	const update = `{"trigger_status":"DISABLED","event_data":{"name":"renamed","schedule_type":"Rate","schedule":"2d","user_event":"now"}}`
	for name, test := range map[string]struct {
		switches functiongraph.TriggerSwitches
		timer    string
		shows    string
	}{
		"ignores_event_data":     {functiongraph.TriggerSwitches{UpdateEventData: functiongraph.UpdateIgnoresEventData}, "nightly", `"trigger_status":"DISABLED"`},
		"takes_event_data":       {functiongraph.TriggerSwitches{UpdateEventData: functiongraph.UpdateTakesEventData}, "renamed", `"user_event":"now"`},
		"shows_event_data_as_is": {functiongraph.TriggerSwitches{UpdateEventData: functiongraph.UpdateTakesEventData, EventDataAsText: true}, "renamed", `"event_data":"{\"name\":\"renamed\"`},
		"shows_DISABLE":          {functiongraph.TriggerSwitches{UpdateEventData: functiongraph.UpdateTakesEventData, DisableWithoutD: true}, "renamed", `"trigger_status":"DISABLE"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, call := managed(t, test.switches)
			timer, err := d.CreateTimer(functiongraph.Timer{Name: "nightly", Active: true, ScheduleType: "Rate", Schedule: "1d"})
			if err != nil {
				t.Fatal(err)
			}
			status, answer := call(http.MethodPut, triggersOf+"/TIMER/"+timer.ID, update)
			if got := d.Timers()[0]; status != http.StatusOK || got.Active || got.Name != test.timer || got.ID != timer.ID || !strings.Contains(answer, test.shows) {
				t.Errorf("%d %s: %+v", status, answer, got)
			}
		})
	}
	t.Run("creates_what_is_on_whatever_was_asked", func(t *testing.T) {
		t.Parallel()
		d, call := managed(t, functiongraph.TriggerSwitches{CreateIgnoresStatus: true})
		call(http.MethodPost, triggersOf, `{"trigger_type_code":"TIMER","trigger_status":"DISABLED","event_data":{"name":"daily","schedule_type":"Rate","schedule":"1d"}}`)
		if timers := d.Timers(); len(timers) != 1 || !timers[0].Active {
			t.Errorf("%+v", timers)
		}
	})
}
