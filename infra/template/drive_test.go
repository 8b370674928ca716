package template_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/lambda"
)

// lines keeps what the functions print.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// of are the lines of one function, as its log group has them.
func (l *lines) of(function string) []string {
	var own []string
	for line := range strings.Lines(l.String()) {
		if text, ok := strings.CutPrefix(line, "["+function+"] "); ok {
			own = append(own, strings.TrimSpace(text))
		}
	}
	return own
}

// scheduled is a schedule of EventBridge Scheduler, however the template spells it.
type scheduled struct {
	Name, GroupName, Description, State            string
	ScheduleExpression, ScheduleExpressionTimezone string
	FlexibleTimeWindow                             struct{ Mode string }
	Target                                         struct {
		Arn, RoleArn, Input string
		RetryPolicy         struct{ MaximumRetryAttempts, MaximumEventAgeInSeconds int }
		DeadLetterConfig    struct{ Arn string }
	}
}

// schedules are the schedules of the stack: resources, and events of functions, which SAM makes into such resources.
func (s *stack) schedules() []scheduled {
	var all []scheduled
	for name, r := range s.resources {
		if r.Type == "AWS::Scheduler::Schedule" {
			var found scheduled
			convert(s.t, r.Properties, &found)
			all = append(all, found)
		}
		if r.Type != "AWS::Serverless::Function" {
			continue
		}
		for _, e := range s.function(name).Events {
			if e.Type != "ScheduleV2" {
				continue
			}
			var found scheduled
			convert(s.t, e.Properties, &found)
			convert(s.t, e.Properties, &found.Target)
			found.Target.Arn = s.attribute(name, "Arn")
			all = append(all, found)
		}
	}
	return all
}

// settings is the schedule as CreateSchedule takes it.
func (s scheduled) settings(t *testing.T) string {
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var settings map[string]any
	if err := json.Unmarshal(text, &settings); err != nil {
		t.Fatal(err)
	}
	for name, value := range settings {
		if value == "" || name == "Name" {
			delete(settings, name)
		}
	}
	text, err = json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tick lets the time of a schedule come, and waits for what it started.
func (a *account) tick(name string, at time.Time) lambda.Result {
	a.t.Helper()
	id, err := a.service.Tick("default", stackName+"-"+name, at)
	if err != nil || id == "" {
		a.t.Fatalf("the schedule %s started %q, %v", name, id, err)
	}
	function := "BackupFunction"
	if name == "drill" {
		function = "RestoreFunction"
	}
	result, err := a.functions[function].Event(a.t.Context(), id)
	if err != nil {
		a.t.Fatal(err)
	}
	return result
}

// good is tick of what has to go well.
func (a *account) good(name string, at time.Time) {
	a.t.Helper()
	if result := a.tick(name, at); result.FunctionError != nil {
		a.t.Fatalf("%s at %s: %+v", name, at, result.FunctionError)
	}
}

// invoke is a direct invocation, by somebody who waits for the answer.
func (a *account) invoke(function, command string) lambda.Result {
	a.t.Helper()
	result, err := a.functions[function].Invoke(a.t.Context(), []byte(command))
	if err != nil {
		a.t.Fatal(err)
	}
	return result
}

// settle waits for what S3 events have started.
func (a *account) settle() []lambda.Result {
	a.t.Helper()
	a.mu.Lock()
	events := a.events
	a.events = map[string][]string{}
	a.mu.Unlock()
	var results []lambda.Result
	for function, ids := range events {
		for _, id := range ids {
			result, err := a.functions[function].Event(a.t.Context(), id)
			if err != nil {
				a.t.Fatal(err)
			}
			results = append(results, result)
		}
	}
	return results
}

// answer is what a function answers to the gateway.
type answer struct {
	StatusCode int
	Headers    map[string]string
	Body       string
}

func (a answer) header(name string) string {
	for other, value := range a.Headers {
		if strings.EqualFold(name, other) {
			return value
		}
	}
	return ""
}

// ask sends a request through the gateway, that is to the function to which the template routes it. target has a path and may have a
// query; header are names, in lower case, and values.
func (a *account) ask(method, target, body string, header ...string) answer {
	a.t.Helper()
	path, query, _ := strings.Cut(target, "?")
	function, route := a.route(method, path)
	headers := map[string]string{"content-type": "application/json", "host": "api.example.com"}
	for i := 0; i+1 < len(header); i += 2 {
		headers[header[i]] = header[i+1]
	}
	event, err := json.Marshal(map[string]any{
		"version": "2.0", "routeKey": method + " " + route, "rawPath": path, "rawQueryString": query,
		"headers":        headers,
		"requestContext": map[string]any{"http": map[string]string{"method": method, "path": path, "sourceIp": "192.0.2.10"}, "stage": "$default", "requestId": "x="},
		"body":           body, "isBase64Encoded": false,
	})
	if err != nil {
		a.t.Fatal(err)
	}
	result := a.invoke(function, string(event))
	if result.FunctionError != nil {
		a.t.Fatalf("%s %s: %+v", method, target, result.FunctionError)
	}
	var got answer
	if err := json.Unmarshal(result.Payload, &got); err != nil {
		a.t.Fatal(err)
	}
	return got
}

// wants is ask of what has to be answered with a status.
func (a *account) wants(status int, method, target, body string, header ...string) answer {
	a.t.Helper()
	got := a.ask(method, target, body, header...)
	if got.StatusCode != status {
		a.t.Fatalf("%s %s: %d %s", method, target, got.StatusCode, got.Body)
	}
	return got
}

// restored asks for a restore or an undo and returns what became of it.
func (a *account) restored(target, body string) (id, status string) {
	a.t.Helper()
	id = strings.TrimPrefix(a.wants(http.StatusAccepted, http.MethodPost, target, body).header("Location"), "/restores/")
	a.settle()
	var report struct{ Status string }
	if err := json.Unmarshal([]byte(a.wants(http.StatusOK, http.MethodGet, "/restores/"+id, "").Body), &report); err != nil {
		a.t.Fatal(err)
	}
	return id, report.Status
}

// route finds the function that a request is routed to, and its route.
func (s *stack) route(method, path string) (function, route string) {
	s.t.Helper()
	for route, function := range s.routes() {
		routed, pattern, _ := strings.Cut(route, " ")
		if routed == method && fits(pattern, path) {
			return function, pattern
		}
	}
	s.t.Fatalf("no route serves %s %s", method, path)
	return "", ""
}

// fits tells whether a path is one of a route.
func fits(pattern, path string) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if want[i] != have[i] && !strings.HasPrefix(want[i], "{") {
			return false
		}
	}
	return true
}

// routes are the routes of the gateway, each with the resource of its function.
func (s *stack) routes() map[string]string {
	all := map[string]string{}
	for resource := range functions() {
		for _, e := range s.function(resource).Events {
			if e.Type == "HttpApi" {
				method, _ := e.Properties["Method"].(string)
				path, _ := e.Properties["Path"].(string)
				all[method+" "+path] = resource
			}
		}
	}
	return all
}
