package lambda_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/lambda"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

var caller = signing.Credentials{AccessKey: "ASIACALLER", SecretKey: "secret", SecurityToken: "token"}

// account is a service with a function "test", and its endpoint.
type account struct {
	*lambda.Service
	function *lambda.Deployment
	base     *url.URL
	client   *http.Client
}

func newAccount(t *testing.T, o lambda.Options) *account {
	t.Helper()
	o.Logs, o.Keyring = t.Output(), &iam.Keyring{}
	o.Keyring.Add(iam.Credentials(caller))
	a := &account{Service: lambda.New(o)}
	server := httptest.NewServer(a)
	t.Cleanup(func() { server.Close(); a.Close() })
	a.client = server.Client()
	var err error
	if a.function, err = a.Deploy(t.Context(), lambda.Function{Name: "test", Bootstrap: bootstrap, Timeout: 30 * time.Second}); err != nil {
		t.Fatal(err)
	}
	if a.base, err = signing.ParseEndpoint(server.URL); err != nil {
		t.Fatal(err)
	}
	return a
}

type answer struct {
	status    int
	errorType string
	header    http.Header
	body      string
}

// call sends a signed request; header is pairs of name and value.
func (a *account) call(t *testing.T, service, method, path string, query url.Values, body string, header ...string) answer {
	t.Helper()
	r := signing.Request{Base: a.base, Method: method, Path: strings.Split(path, "/"), Query: query, ContentType: "application/json", Header: map[string]string{}}
	if body != "" {
		r.Body = []byte(body)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header[header[i]] = header[i+1]
	}
	request, err := signing.V4{Service: service, Region: "eu-central-1"}.Sign(r, caller, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	response, err := a.client.Transport.RoundTrip(request.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.Header.Get("X-Amzn-Requestid") == "" {
		t.Error("the answer has no request id")
	}
	return answer{response.StatusCode, response.Header.Get("X-Amzn-Errortype"), response.Header, string(text)}
}

// refused checks an error.
func (got answer) refused(t *testing.T, status int, errorType, message string) {
	t.Helper()
	var e struct{ Message string }
	if err := json.Unmarshal([]byte(got.body), &e); err != nil || got.status != status || got.errorType != errorType || !strings.Contains(e.Message, message) {
		t.Errorf("got %d %s %s, want %d %s with %q", got.status, got.errorType, got.body, status, errorType, message)
	}
}

func (a *account) invoke(t *testing.T, function, kind, event string) answer {
	t.Helper()
	return a.call(t, "lambda", http.MethodPost, "2015-03-31/functions/"+function+"/invocations", nil, event, "X-Amz-Invocation-Type", kind)
}

func TestService_Invoke(t *testing.T) {
	t.Parallel()
	a := newAccount(t, lambda.Options{})
	got := a.invoke(t, "test", "Event", `{"do":"event","text":"hello"}`)
	if got.status != http.StatusAccepted || got.body != "" {
		t.Fatalf("got %+v", got)
	}
	r, err := a.function.Event(t.Context(), got.header.Get("X-Amzn-Requestid"))
	if err != nil || r.FunctionError != nil || !strings.Contains(string(r.Payload), "hello") {
		t.Errorf("the event ended with %v, %+v", err, r)
	}
	if got := a.invoke(t, a.function.ARN(), "RequestResponse", `{"do":"event","text":"hello"}`); got.status != http.StatusOK || !strings.Contains(got.body, "hello") {
		t.Errorf("got %+v", got)
	}
	if got := a.invoke(t, "test:$LATEST", "RequestResponse", `{"do":"fail","text":"no"}`); got.status != http.StatusOK || got.header.Get("X-Amz-Function-Error") == "" || !strings.Contains(got.body, `"errorMessage":"no"`) {
		t.Errorf("got %+v", got)
	}
	if got := a.invoke(t, "test", "DryRun", `{}`); got.status != http.StatusNoContent {
		t.Errorf("got %+v", got)
	}
	a.invoke(t, "other", "Event", `{}`).refused(t, 404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:eu-central-1:000000000000:function:other")
	a.invoke(t, "test:1", "Event", `{}`).refused(t, 404, "ResourceNotFoundException", "function:test:1")
	a.invoke(t, "arn:aws:lambda:us-east-1:000000000000:function:test", "Event", `{}`).refused(t, 404, "ResourceNotFoundException", "Function not found")
	a.invoke(t, "test", "Event", `{`).refused(t, 400, "InvalidRequestContentException", "Could not parse")
	a.invoke(t, "test", "Event", `"`+strings.Repeat("x", 1<<20)+`"`).refused(t, 413, "RequestTooLargeException", "limit 1048576 bytes")
	a.invoke(t, "test", "Later", `{}`).refused(t, 400, "InvalidParameterValueException", "Later")
	a.call(t, "lambda", http.MethodGet, "2015-03-31/functions", nil, "").refused(t, 404, "UnknownOperationException", "GET")
}

func TestService_ChecksSignatures(t *testing.T) {
	t.Parallel()
	a := newAccount(t, lambda.Options{})
	a.call(t, "scheduler", http.MethodPost, "2015-03-31/functions/test/invocations", nil, `{}`).refused(t, 403, "InvalidSignatureException", "correct service: 'lambda'")
	a.call(t, "lambda", http.MethodGet, "schedules", nil, "").refused(t, 403, "InvalidSignatureException", "correct service: 'scheduler'")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.base.String()+"/schedules", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := a.client.Transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusForbidden || response.Header.Get("X-Amzn-Errortype") != "MissingAuthenticationTokenException" {
		t.Errorf("without a signature: %d %v", response.StatusCode, response.Header)
	}
}

const plain = `{"FlexibleTimeWindow":{"Mode":"OFF"},"ScheduleExpression":"cron(0 0 * * ? *)","Target":{"Arn":"arn:aws:lambda:eu-central-1:000000000000:function:test","RoleArn":"arn:aws:iam::000000000000:role/r"}}`

func TestService_UpdateScheduleResetsWhatIsNotSent(t *testing.T) {
	t.Parallel()
	created := time.Now().Truncate(time.Millisecond)
	a := newAccount(t, lambda.Options{})
	rich := `{"ActionAfterCompletion":"DELETE","Description":"d","EndDate":4102444800,"FlexibleTimeWindow":{"Mode":"FLEXIBLE","MaximumWindowInMinutes":5},"KmsKeyArn":"arn:aws:kms:x",
		"ScheduleExpression":"rate(2 hours)","ScheduleExpressionTimezone":"Europe/Berlin","State":"DISABLED",
		"Target":{"Arn":"arn:aws:lambda:eu-central-1:000000000000:function:test","RoleArn":"arn:aws:iam::000000000000:role/r","Input":"{}","RetryPolicy":{"MaximumRetryAttempts":3}}}`
	if got := a.call(t, "scheduler", http.MethodPost, "schedules/nightly", nil, rich); got.status != 200 || got.body != `{"ScheduleArn":"arn:aws:scheduler:eu-central-1:000000000000:schedule/default/nightly"}` {
		t.Fatalf("got %+v", got)
	}
	if got := a.call(t, "scheduler", http.MethodPut, "schedules/nightly", nil, plain); got.status != 200 {
		t.Fatalf("got %+v", got)
	}
	got := a.call(t, "scheduler", http.MethodGet, "schedules/nightly", url.Values{"groupName": {"default"}}, "")
	var shown map[string]any
	if err := json.Unmarshal([]byte(got.body), &shown); err != nil {
		t.Fatal(err)
	}
	if date, _ := shown["CreationDate"].(float64); time.UnixMilli(int64(date * 1000)).Before(created) {
		t.Errorf("created at %v", shown["CreationDate"])
	}
	delete(shown, "CreationDate")
	delete(shown, "LastModificationDate")
	want := map[string]any{
		"ActionAfterCompletion": "NONE", "Arn": "arn:aws:scheduler:eu-central-1:000000000000:schedule/default/nightly", "Description": nil, "EndDate": nil,
		"FlexibleTimeWindow": map[string]any{"Mode": "OFF"}, "GroupName": "default", "KmsKeyArn": nil, "Name": "nightly", "ScheduleExpression": "cron(0 0 * * ? *)",
		"ScheduleExpressionTimezone": "UTC", "StartDate": nil, "State": "ENABLED",
		"Target": map[string]any{"Arn": "arn:aws:lambda:eu-central-1:000000000000:function:test", "RoleArn": "arn:aws:iam::000000000000:role/r", "Input": nil, "DeadLetterConfig": nil,
			"EcsParameters": nil, "EventBridgeParameters": nil, "KinesisParameters": nil, "SageMakerPipelineParameters": nil, "SqsParameters": nil,
			"RetryPolicy": map[string]any{"MaximumEventAgeInSeconds": 86400.0, "MaximumRetryAttempts": 185.0}},
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestService_RefusesSchedules(t *testing.T) {
	t.Parallel()
	a := newAccount(t, lambda.Options{})
	if err := a.CreateSchedule("nightly", plain); err != nil {
		t.Fatal(err)
	}
	change := func(old, with string) string {
		if !strings.Contains(plain, old) {
			t.Fatalf("%s is not in the settings", old)
		}
		return strings.Replace(plain, old, with, 1)
	}
	for name, test := range map[string]struct{ body, want string }{
		"no_window":              {change(`"FlexibleTimeWindow":{"Mode":"OFF"},`, ``), "Value null at 'flexibleTimeWindow'"},
		"a_window_without_mode":  {change(`{"Mode":"OFF"}`, `{}`), "Value null at 'flexibleTimeWindow.mode'"},
		"a_window_without_width": {change(`"OFF"`, `"FLEXIBLE"`), "flexibleTimeWindow"},
		"no_expression":          {change(`"ScheduleExpression":"cron(0 0 * * ? *)",`, ``), "Value null at 'scheduleExpression'"},
		"another_cron":           {change(`cron(0 0 * * ? *)`, `0 0 * * *`), "Invalid Schedule Expression"},
		"no_target_arn":          {change(`"Arn":"arn:aws:lambda:eu-central-1:000000000000:function:test",`, ``), "Value null at 'target.arn'"},
		"no_role":                {change(`,"RoleArn":"arn:aws:iam::000000000000:role/r"`, ``), "Value null at 'target.roleArn'"},
		"no_target":              {`{"FlexibleTimeWindow":{"Mode":"OFF"},"ScheduleExpression":"rate(1 days)"}`, "Value null at 'target'"},
		"an_input_without_sense": {change(`"RoleArn"`, `"Input":"{","RoleArn"`), "target.input"},
		"an_unknown_state":       {change(`"Target"`, `"State":"PAUSED","Target"`), "'state'"},
		"an_unknown_zone":        {change(`"Target"`, `"ScheduleExpressionTimezone":"Mars/Base","Target"`), "Timezone"},
		"too_many_attempts":      {change(`"RoleArn"`, `"RetryPolicy":{"MaximumRetryAttempts":186},"RoleArn"`), "maximumRetryAttempts"},
		"two_faults":             {change(`"Target"`, `"State":"PAUSED","ActionAfterCompletion":"REST","Target"`), "2 validation errors detected"},
	} {
		a.call(t, "scheduler", http.MethodPut, "schedules/nightly", nil, test.body).refused(t, 400, "ValidationException", test.want)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	a.call(t, "scheduler", http.MethodPut, "schedules/nightly", nil, `[]`).refused(t, 400, "SerializationException", "")
	a.call(t, "scheduler", http.MethodPut, "schedules/other", nil, plain).refused(t, 404, "ResourceNotFoundException", "Schedule other does not exist.")
	a.call(t, "scheduler", http.MethodGet, "schedules/nightly", url.Values{"groupName": {"team"}}, "").refused(t, 404, "ResourceNotFoundException", "")
	a.call(t, "scheduler", http.MethodPut, "schedules/nightly", nil, change(`"Target"`, `"GroupName":"team","Target"`)).refused(t, 404, "ResourceNotFoundException", "Schedule group team does not exist.")
	a.call(t, "scheduler", http.MethodPost, "schedules/nightly", nil, plain).refused(t, 409, "ConflictException", "already exists")
	withToken := change(`"Target"`, `"ClientToken":"t1","Target"`)
	for range 2 {
		if got := a.call(t, "scheduler", http.MethodPut, "schedules/nightly", nil, withToken); got.status != 200 {
			t.Errorf("got %+v", got)
		}
	}
	a.call(t, "scheduler", http.MethodPut, "schedules/nightly", nil, strings.Replace(withToken, `"Target"`, `"State":"DISABLED","Target"`, 1)).refused(t, 409, "ConflictException", "client token")
}

func TestService_ListSchedulesInPages(t *testing.T) {
	t.Parallel()
	a := newAccount(t, lambda.Options{SchedulePage: 3})
	a.CreateScheduleGroup("team")
	for i := range 7 {
		settings := plain
		if i%2 == 1 {
			settings = strings.Replace(plain, `"Target"`, `"GroupName":"team","State":"DISABLED","Target"`, 1)
		}
		if err := a.CreateSchedule(fmt.Sprint("s", i), settings); err != nil {
			t.Fatal(err)
		}
	}
	list := func(query url.Values) (names []string, pages int) {
		for {
			got := a.call(t, "scheduler", http.MethodGet, "schedules", query, "")
			var page struct {
				NextToken *string
				Schedules []struct{ GroupName, Name, State string }
			}
			if err := json.Unmarshal([]byte(got.body), &page); err != nil || got.status != 200 {
				t.Fatalf("%+v", got)
			}
			pages++
			for _, s := range page.Schedules {
				names = append(names, s.GroupName+"/"+s.Name+" "+s.State)
			}
			if page.NextToken == nil {
				return names, pages
			}
			query.Set("NextToken", *page.NextToken)
		}
	}
	all := []string{"default/s0 ENABLED", "default/s2 ENABLED", "default/s4 ENABLED", "default/s6 ENABLED", "team/s1 DISABLED", "team/s3 DISABLED", "team/s5 DISABLED"}
	for name, test := range map[string]struct {
		query url.Values
		want  []string
		pages int
	}{
		"all":          {url.Values{}, all, 3},
		"small_pages":  {url.Values{"MaxResults": {"2"}}, all, 4},
		"of_a_group":   {url.Values{"ScheduleGroup": {"team"}}, all[4:], 1},
		"of_a_state":   {url.Values{"State": {"ENABLED"}}, all[:4], 2},
		"with_a_start": {url.Values{"NamePrefix": {"s6"}}, all[3:4], 1},
	} {
		if got, pages := list(test.query); !cmp.Equal(got, test.want) || pages != test.pages {
			t.Errorf("%s: %v in %d pages, want %v in %d", name, got, pages, test.want, test.pages)
		}
	}
	for _, query := range []url.Values{{"MaxResults": {"101"}}, {"MaxResults": {"0"}}, {"NextToken": {"made-up"}}, {"State": {"on"}}} {
		a.call(t, "scheduler", http.MethodGet, "schedules", query, "").refused(t, 400, "ValidationException", "")
	}
	first := a.call(t, "scheduler", http.MethodGet, "schedules", url.Values{}, "")
	var page struct{ NextToken string }
	if err := json.Unmarshal([]byte(first.body), &page); err != nil {
		t.Fatal(err)
	}
	a.call(t, "scheduler", http.MethodGet, "schedules", url.Values{"NextToken": {page.NextToken}, "State": {"ENABLED"}}, "").refused(t, 400, "ValidationException", "NextToken")
}

func TestService_TickStartsTheFunction(t *testing.T) {
	t.Parallel()
	a := newAccount(t, lambda.Options{})
	for name, settings := range map[string]string{
		"given":   strings.Replace(plain, `"RoleArn"`, `"Input":"{\"do\":\"event\",\"time\":\"<aws.scheduler.scheduled-time>\"}","RoleArn"`, 1),
		"default": plain,
		"off":     strings.Replace(plain, `"Target"`, `"State":"DISABLED","Target"`, 1),
	} {
		if err := a.CreateSchedule(name, settings); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.FixedZone("", 3600))
	id, err := a.Tick("default", "given", at)
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.function.Event(t.Context(), id)
	if err != nil || !strings.Contains(string(r.Payload), `2026-11-22T23:00:00Z`) {
		t.Errorf("%v, %+v", err, r)
	}
	if id, err := a.Tick("default", "default", at); err != nil || id == "" {
		t.Errorf("%q, %v", id, err)
	}
	if id, err := a.Tick("default", "off", at); err != nil || id != "" {
		t.Errorf("%q, %v", id, err)
	}
	if _, err := a.Tick("default", "gone", at); err == nil {
		t.Error("a schedule that is not there was run")
	}
}
