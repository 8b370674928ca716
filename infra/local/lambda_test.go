package local_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/lambda"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
)

// aws is an AWS account beside the cloud: a bucket in S3 and the functions on Lambda. Its keys are worth nothing to DataArts, and those of DataArts
// nothing to S3.
type aws struct {
	*lambda.Service
	bucket                   *objectstore.Server
	backup, restore, console *lambda.Deployment
}

func deployOnLambda(t *testing.T, c *local.Cloud) *aws {
	t.Helper()
	var account iam.Keyring
	var output logs
	a := &aws{bucket: objectstore.New(objectstore.Options{Keyring: &account, Region: "eu-central-1"})}
	if err := a.bucket.CreateBucket(local.Bucket); err != nil {
		t.Fatal(err)
	}
	a.Service = lambda.New(lambda.Options{Keyring: &account, Logs: &output})
	var serving sync.WaitGroup
	var servers []*http.Server
	serve := func(handler http.Handler) (url string) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
		servers = append(servers, server)
		serving.Go(func() { _ = server.Serve(listener) })
		return "http://" + listener.Addr().String()
	}
	t.Cleanup(func() {
		a.Close()
		for _, server := range servers {
			_ = server.Close()
		}
		serving.Wait()
		for _, d := range []*lambda.Deployment{a.backup, a.restore, a.console} {
			if v := d.Violations(); len(v) > 0 {
				t.Errorf("the runtime API was used wrongly: %v", v)
			}
		}
		if t.Failed() {
			t.Logf("the functions printed:\n%s", output.String())
		}
	})
	env := map[string]string{}
	for _, pair := range c.Environment() {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	env["OBS_ENDPOINT"] = serve(a.bucket)
	env["BACKUP_TIME_ZONE"] = "Asia/Shanghai"
	env["BACKUP_FUNCTION"] = "backup"
	api := serve(a.Service)
	env["AWS_ENDPOINT_URL_LAMBDA"], env["AWS_ENDPOINT_URL_SCHEDULER"] = api, api
	for name, to := range map[string]**lambda.Deployment{"backup": &a.backup, "restore": &a.restore, "console": &a.console} {
		d, err := a.Deploy(t.Context(), lambda.Function{Name: name, Bootstrap: filepath.Join(dist, name, "bootstrap"), Env: env, Timeout: 5 * time.Minute, MemoryMB: 512})
		if err != nil {
			t.Fatal(err)
		}
		*to = d
	}
	return a
}

// invoke sends an event to a function, which has to answer it without an error.
func invoke(t *testing.T, d *lambda.Deployment, event string) []byte {
	t.Helper()
	result, err := d.Invoke(t.Context(), []byte(event))
	if err != nil || result.FunctionError != nil {
		t.Fatalf("%s: %v %+v", d.Name(), err, result.FunctionError)
	}
	return result.Payload
}

// object reads an object of the account's bucket.
func (a *aws) object(t *testing.T, key string) []byte {
	t.Helper()
	data, ok := a.bucket.GetObject(local.Bucket, key)
	if !ok {
		t.Fatalf("there is no object %s", key)
	}
	return data
}

func TestLambda_backs_up_on_schedule_and_restores_by_an_S3_event(t *testing.T) {
	t.Parallel()
	c, w := filled(t, local.Options{})
	a := deployOnLambda(t, c)
	before := local.TakeSnapshot(w)

	got := parse[backups](t, invoke(t, a.backup, `{"time":"2026-11-21T16:00:00Z"}`))
	if got.Status != "COMPLETE" || got.Backups[0].Path != "obs://"+local.Bucket+"/"+folderOfTheNight {
		t.Fatalf("answer %+v", got)
	}
	if found := keys(t, c, ""); len(found) > 0 {
		t.Errorf("stored in OBS: %v", found)
	}
	first := parse[manifest](t, a.object(t, folderOfTheNight+"manifest.json"))
	text := strings.Replace(string(a.object(t, folderOfTheNight+"backup.json")), `"node": "load", "clusterName": "cdm-prod"`, `"node": "load", "clusterName": "cdm-dr"`, 1)
	text = strings.Replace(text, `"replace": {"connectionName": {}`, `"replace": {"connectionName": {"dws_prod": "dws_dr"}`, 1)
	if err := a.bucket.PutObject(local.Bucket, folderOfTheNight+"backup.json", []byte(text)); err != nil {
		t.Fatal(err)
	}
	w.Wipe()

	id := a.post(t, `{"date":"latest","duplicateNamePolicy":"fail"}`)
	key := "restore-requests/" + id + ".json"
	event := functiongraph.ObjectCreatedEvent(local.Bucket, key, "0123456789abcdef0123456789abcdef", int64(len(a.object(t, key))), time.Now(), "eu-central-1")
	for range 2 { // S3 delivers at least once
		r := parse[report](t, invoke(t, a.restore, string(event)))
		r.wants(t, "COMPLETE", map[string]int{"created": 5 + 3 + 6 + 8})
		if r.ID != id {
			t.Errorf("the restore is %s, want %s", r.ID, id)
		}
	}
	if n := c.DataArts.CallCounts()["CreateScript"]; n != 6 {
		t.Errorf("%d scripts were created", n)
	}
	differences, err := before.Differences(local.TakeSnapshot(w))
	if err != nil {
		t.Fatal(err)
	}
	checkEdits(t, differences)

	byHand := parse[backups](t, invoke(t, a.backup, `{}`)).Backups[0]
	second := parse[manifest](t, a.object(t, strings.TrimPrefix(byHand.Path, "obs://"+local.Bucket+"/")+"manifest.json"))
	sameContent(t, first, second, differences)
}

// request sends a request to a function as API Gateway's HTTP API does (payload format 2.0).
func (a *aws) request(t *testing.T, d *lambda.Deployment, method, path, body string) gatewayAnswer {
	t.Helper()
	event, err := json.Marshal(map[string]any{
		"version": "2.0", "routeKey": method + " " + path, "rawPath": path, "rawQueryString": "",
		"headers":        map[string]string{"content-type": "application/json", "host": "api.example.com"},
		"requestContext": map[string]any{"http": map[string]string{"method": method, "path": path, "sourceIp": "192.0.2.10"}, "stage": "$default", "requestId": "x="},
		"body":           body, "isBase64Encoded": false,
	})
	if err != nil {
		t.Fatal(err)
	}
	return parse[gatewayAnswer](t, invoke(t, d, string(event)))
}

type gatewayAnswer struct {
	StatusCode int
	Headers    map[string]string
	Body       string
}

// post asks for a restore and returns its id.
func (a *aws) post(t *testing.T, request string) string {
	t.Helper()
	response := a.request(t, a.restore, http.MethodPost, "/restores", request)
	location := response.Headers["Location"] + response.Headers["location"]
	id, ok := strings.CutPrefix(location, "/restores/")
	if response.StatusCode != http.StatusAccepted || !ok {
		t.Fatalf("%+v", response)
	}
	return id
}

// nightlySchedule is the schedule of template.yaml for the backup function.
const nightlySchedule = `{"Description":"Takes the nightly backup","FlexibleTimeWindow":{"Mode":"OFF"},"ScheduleExpression":"cron(0 0 * * ? *)","ScheduleExpressionTimezone":"Asia/Shanghai",
	"State":"ENABLED","Target":{"Arn":"arn:aws:lambda:eu-central-1:000000000000:function:backup","RoleArn":"arn:aws:iam::000000000000:role/stack-NightlyRole",
	"Input":"{\"time\":\"<aws.scheduler.scheduled-time>\"}","RetryPolicy":{"MaximumRetryAttempts":10,"MaximumEventAgeInSeconds":21600},
	"DeadLetterConfig":{"Arn":"arn:aws:sqs:eu-central-1:000000000000:stack-FailedEvents"}}}`

func TestLambda_the_console_switches_the_nightly_schedule_and_starts_backups(t *testing.T) {
	t.Parallel()
	c, _ := filled(t, local.Options{})
	a := deployOnLambda(t, c)
	if err := a.CreateSchedule("stack-nightly", nightlySchedule); err != nil {
		t.Fatal(err)
	}
	asked := func(method, body string) (state struct {
		Enabled                            bool
		Folder, Trigger, TimeZone, Message string
		NextRun                            *time.Time
	}) {
		t.Helper()
		answer := a.request(t, a.console, method, "/schedule", body)
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("%s /schedule: %+v", method, answer)
		}
		if err := json.Unmarshal([]byte(answer.Body), &state); err != nil {
			t.Fatal(err)
		}
		return state
	}
	midnight := time.Date(2026, 11, 21, 16, 0, 0, 0, time.UTC) // in Shanghai

	if got := asked(http.MethodGet, ""); !got.Enabled || got.Trigger != "stack-nightly" || got.TimeZone != "Asia/Shanghai" || got.NextRun == nil || got.NextRun.UTC().Hour() != 16 {
		t.Errorf("at first: %+v", got)
	}
	if got := asked(http.MethodPut, `{"enabled":false}`); got.Enabled || got.NextRun != nil {
		t.Errorf("switched off: %+v", got)
	}
	if id, err := a.Tick("default", "stack-nightly", midnight); err != nil || id != "" {
		t.Errorf("a schedule that is off ran: %q, %v", id, err)
	}
	if got := asked(http.MethodPut, `{"enabled":true,"folder":"nights"}`); !got.Enabled || got.Folder != "nights" {
		t.Errorf("switched on: %+v", got)
	}
	if got := asked(http.MethodGet, ""); !got.Enabled || got.Folder != "nights" {
		t.Errorf("at last: %+v", got)
	}
	id, err := a.Tick("default", "stack-nightly", midnight)
	if err != nil || id == "" {
		t.Fatalf("the night: %q, %v", id, err)
	}
	night, err := a.backup.Event(t.Context(), id)
	if err != nil || night.FunctionError != nil {
		t.Fatalf("the night: %v, %+v", err, night.FunctionError)
	}
	// The scheduled time is in the input still: the date is that of the schedule's night.
	a.object(t, local.WorkspaceID+"/nights/2026-11-22/backup.json")
	settings, _ := a.Schedule("default", "stack-nightly")
	for _, kept := range []string{`"MaximumRetryAttempts":10`, "stack-FailedEvents", "stack-NightlyRole", "Takes the nightly backup", `"cron(0 0 * * ? *)"`} {
		if !strings.Contains(string(settings), kept) {
			t.Errorf("the schedule has lost %s: %s", kept, settings)
		}
	}

	answer := a.request(t, a.console, http.MethodPost, "/backups", `{}`)
	var started struct{ RequestID string }
	if err := json.Unmarshal([]byte(answer.Body), &started); err != nil || answer.StatusCode != http.StatusAccepted {
		t.Fatalf("POST /backups: %+v, %v", answer, err)
	}
	byHand, err := a.backup.Event(t.Context(), started.RequestID)
	if err != nil || byHand.FunctionError != nil {
		t.Fatalf("by hand: %v, %+v", err, byHand.FunctionError)
	}
	if got := parse[backups](t, byHand.Payload); got.Status != "COMPLETE" {
		t.Errorf("by hand: %+v", got)
	}
}

func TestLambda_counts_a_partial_backup_as_failed(t *testing.T) {
	t.Parallel()
	c, _ := filled(t, local.Options{})
	a := deployOnLambda(t, c)
	c.DataArts.SetSwitches(func(s *dataarts.Switches) { s.TotalDelta = 1 })
	result, err := a.backup.Invoke(t.Context(), []byte(nightly))
	if err != nil || result.FunctionError == nil || !strings.Contains(result.FunctionError.Message, "PARTIAL") {
		t.Errorf("%v %s", err, fmt.Sprintf("%+v", result.FunctionError))
	}
}
