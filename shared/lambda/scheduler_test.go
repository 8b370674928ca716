package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	local "github.com/dataarts-backup/dataarts-backup/infra/local/lambda"
	"github.com/dataarts-backup/dataarts-backup/shared/lambda"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/schedule"
)

const scheduledTime = `{"time":"<aws.scheduler.scheduled-time>"}`

func timers(t *testing.T, c *lambda.Client) []schedule.Timer {
	t.Helper()
	got, err := c.Timers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// only is the one timer that there is.
func only(t *testing.T, c *lambda.Client) schedule.Timer {
	t.Helper()
	got := timers(t, c)
	if len(got) != 1 {
		t.Fatalf("there are %d timers: %+v", len(got), got)
	}
	return got[0]
}

func names(timers []schedule.Timer) []string {
	var names []string
	for _, t := range timers {
		names = append(names, t.ID)
	}
	return names
}

func TestClient_TimersAreTheSchedulesOfTheFunction(t *testing.T) {
	t.Parallel()
	a := newAWS(t, local.Options{SchedulePage: 2})
	a.CreateScheduleGroup("team")
	a.create(t, "nightly", nightly(arn))
	a.create(t, "of-a-version", nightly(arn+":prod"))
	a.create(t, "in-a-group", rewritten(nightly(arn), `"FlexibleTimeWindow"`, `"GroupName":"team","State":"DISABLED","FlexibleTimeWindow"`))
	for i := range 7 {
		a.create(t, fmt.Sprint("other-", i), nightly("arn:aws:sqs:eu-central-1:000000000000:queue"))
	}
	for name, target := range map[string]string{
		"restore":   "arn:aws:lambda:eu-central-1:000000000000:function:restore",
		"elsewhere": "arn:aws:lambda:us-east-1:000000000000:function:backup",
		"longer":    arn + "-2",
		"universal": "arn:aws:scheduler:::aws-sdk:lambda:invoke",
	} {
		a.create(t, name, nightly(target))
	}
	want := []schedule.Timer{
		{ID: "default/nightly", Name: "nightly", Enabled: true, Expression: "cron(0 0 * * ? *)", TimeZone: "Europe/Berlin", Input: scheduledTime},
		{ID: "default/of-a-version", Name: "of-a-version", Enabled: true, Expression: "cron(0 0 * * ? *)", TimeZone: "Europe/Berlin", Input: scheduledTime},
		{ID: "team/in-a-group", Name: "in-a-group", Expression: "cron(0 0 * * ? *)", TimeZone: "Europe/Berlin", Input: scheduledTime},
	}
	for _, function := range []string{"backup", "backup:prod", arn, arn + ":other"} {
		if diff := cmp.Diff(want, timers(t, a.client(t, function))); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", function, diff)
		}
	}
	if got := timers(t, a.client(t, "arn:aws:lambda:eu-central-1:123456789012:function:backup")); len(got) > 0 {
		t.Errorf("another account has %v", names(got))
	}
	if got := timers(t, a.client(t, "nobody")); len(got) > 0 {
		t.Errorf("a function without schedules has %v", names(got))
	}
}

// to changes a timer to be as given, whatever it is now.
func to(t schedule.Timer) func(schedule.Timer) schedule.Timer {
	return func(schedule.Timer) schedule.Timer { return t }
}

func rewritten(text, old, new string) string { return strings.Replace(text, old, new, 1) }

func TestClient_TimerWithTheDefaultsOfTheService(t *testing.T) {
	t.Parallel()
	a := newAWS(t, local.Options{})
	a.create(t, "plain", `{"FlexibleTimeWindow":{"Mode":"OFF"},"ScheduleExpression":"rate(1 days)","Target":{"Arn":"`+arn+`","RoleArn":"arn:aws:iam::000000000000:role/nightly"}}`)
	want := schedule.Timer{ID: "default/plain", Name: "plain", Enabled: true, Expression: "rate(1 days)", TimeZone: "UTC", Input: scheduledTime}
	c := a.client(t, "backup")
	if diff := cmp.Diff(want, only(t, c)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	// What the schedule sends without an input stands for the scheduled time. That is no change, and a folder comes beside it.
	if _, err := c.Update(t.Context(), want, to(want)); err != nil || a.counted("PUT") != 0 {
		t.Errorf("%v after %d changes", err, a.counted("PUT"))
	}
	want.Enabled = false
	got, err := c.Update(t.Context(), want, to(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	text, _ := a.Schedule("default", "plain")
	if input, _ := rawjson.Path(text, "Target", "Input"); string(input) != "null" {
		t.Errorf("the schedule has the input %s now", input)
	}
}

// full is a schedule with every setting that a schedule of a Lambda function can have, and with some that no client has heard of.
const full = `{"ActionAfterCompletion":"DELETE","Description":"nightly \u00e4 <b>","EndDate":4.1024448E9,"FlexibleTimeWindow":{"MaximumWindowInMinutes":15,"Mode":"FLEXIBLE"},
	"GroupName":"team","KmsKeyArn":"arn:aws:kms:eu-central-1:000000000000:key/1","Novelty":{"Depth":[1,{"x":1.50}]},"ScheduleExpression":"cron(30 2 * * ? *)",
	"ScheduleExpressionTimezone":"Asia/Shanghai","StartDate":1700000000.125,"State":"ENABLED","Target":{"Arn":"` + arn + `:prod","DeadLetterConfig":{"Arn":"arn:aws:sqs:eu-central-1:000000000000:dead"},
	"Input":"{ \"time\" : \"<aws.scheduler.scheduled-time>\" }","RetryPolicy":{"MaximumEventAgeInSeconds":21600,"MaximumRetryAttempts":0,"Jitter":"0.10"},"RoleArn":"arn:aws:iam::000000000000:role/path/nightly","Future":"x"}}`

func TestClient_UpdateChangesStateAndInputAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change  func(*schedule.Timer)
		changed []string
	}{
		"off": {func(t *schedule.Timer) { t.Enabled = false }, []string{"State"}},
		"a_folder": {func(t *schedule.Timer) {
			t.Input = `{ "time" : "<aws.scheduler.scheduled-time>" ,"folder":"a \"b\" <ä>"}`
		}, []string{"Target.Input"}},
		"both":             {func(t *schedule.Timer) { t.Enabled, t.Input = false, `{"folder":"x"}` }, []string{"State", "Target.Input"}},
		"nothing":          {func(*schedule.Timer) {}, nil},
		"what_it_may_not":  {func(t *schedule.Timer) { t.Expression, t.TimeZone, t.Name = "rate(1 days)", "UTC", "other" }, nil},
		"back_to_no_input": {func(t *schedule.Timer) { t.Input = "" }, []string{"Target.Input"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAWS(t, local.Options{})
			a.CreateScheduleGroup("team")
			a.create(t, "nightly", full)
			c := a.client(t, "backup:prod")
			before, _ := a.Schedule("team", "nightly")
			timer := only(t, c)
			test.change(&timer)
			got, err := c.Update(t.Context(), timer, to(timer))
			if err != nil {
				t.Fatal(err)
			}
			after, _ := a.Schedule("team", "nightly")
			changes, err := rawjson.Diff(before, after)
			if err != nil {
				t.Fatal(err)
			}
			var places []string
			for _, change := range changes {
				if change.Path != "LastModificationDate" {
					places = append(places, change.Path)
				}
			}
			if !slices.Equal(places, test.changed) {
				t.Errorf("changed are %v, want %v", places, test.changed)
			}
			if diff := cmp.Diff(only(t, c), got); diff != "" {
				t.Errorf("Update tells what Timers does not: (-Timers +Update)\n%s", diff)
			}
			if timer.Input != "" && (got.Enabled != timer.Enabled || got.Input != timer.Input) {
				t.Errorf("got %+v", got)
			}
			if puts := a.counted("PUT"); puts != min(len(test.changed), 1) {
				t.Errorf("%d changes were sent", puts)
			}
			for _, body := range a.sent {
				for _, never := range []string{"null", "CreationDate", "LastModificationDate", `"Name"`, "arn:aws:scheduler"} {
					if strings.Contains(string(body), never) {
						t.Errorf("%s was sent in %s", never, body)
					}
				}
				if !json.Valid(body) && len(body) > 0 {
					t.Errorf("sent was %s", body)
				}
			}
		})
	}
}

func TestClient_UpdateIsSentAgainAsTheSameChange(t *testing.T) {
	t.Parallel()
	a := newAWS(t, local.Options{})
	a.create(t, "nightly", nightly(arn))
	lost := false
	a.around = func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		response, err := send()
		if r.Method == http.MethodPut && !lost && err == nil {
			lost = true
			_ = response.Body.Close()
			return nil, errors.New("connection reset by peer")
		}
		return response, err
	}
	c := a.client(t, "backup")
	timer := only(t, c)
	timer.Enabled = false
	if got, err := c.Update(t.Context(), timer, to(timer)); err != nil || got.Enabled {
		t.Fatalf("%+v, %v", got, err)
	}
	var tokens []string
	for i, call := range a.calls {
		if strings.HasPrefix(call, "PUT") {
			tokens = append(tokens, rawjson.StringAt(a.sent[i], "ClientToken"))
		}
	}
	if len(tokens) != 2 || tokens[0] == "" || tokens[0] != tokens[1] {
		t.Errorf("the tokens are %q", tokens)
	}
	timer.Enabled = true
	if _, err := c.Update(t.Context(), timer, to(timer)); err != nil {
		t.Fatal(err)
	}
	if again := rawjson.StringAt(a.sent[slices.IndexFunc(a.calls, func(call string) bool { return strings.HasPrefix(call, "PUT") })+4], "ClientToken"); again == tokens[0] {
		t.Error("another change has the same token")
	}
}

func TestClient_UpdateLooksUntilTheScheduleShowsTheChange(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stale int // how many looks show the old state
		want  string
	}{
		"at_the_third_look": {stale: 2},
		"never":             {stale: 99, want: `change the schedule "default/nightly": the change was accepted, but the schedule shows other values than those sent: State`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAWS(t, local.Options{})
			a.create(t, "nightly", nightly(arn))
			old, _ := a.Schedule("default", "nightly")
			put, looks := false, 0
			a.around = func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
				put = put || r.Method == http.MethodPut
				if put && r.Method == http.MethodGet {
					if looks++; looks <= test.stale {
						return respond(http.StatusOK, string(old))
					}
				}
				return send()
			}
			var pauses []time.Duration
			c := a.client(t, "backup", func(o *lambda.Options) {
				o.Sleep = func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil }
			})
			got, err := c.Update(t.Context(), schedule.Timer{ID: "default/nightly", Input: scheduledTime}, to(schedule.Timer{ID: "default/nightly", Input: scheduledTime}))
			if test.want == "" && (err != nil || got.Enabled || len(pauses) != test.stale) || test.want != "" && (err == nil || err.Error() != test.want) {
				t.Errorf("%+v, %v after pauses of %v, want %q", got, err, pauses, test.want)
			}
		})
	}
}

func TestClient_UpdateTellsWhatTheServiceHasLost(t *testing.T) {
	t.Parallel()
	a := newAWS(t, local.Options{})
	a.CreateScheduleGroup("team")
	a.create(t, "nightly", full)
	put := false
	a.around = func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		put = put || r.Method == http.MethodPut
		if put && r.Method == http.MethodGet {
			text, _ := a.Schedule("team", "nightly")
			return respond(http.StatusOK, rewritten(string(text), `"MaximumRetryAttempts":0`, `"MaximumRetryAttempts":185`))
		}
		return send()
	}
	_, err := a.client(t, "backup").Update(t.Context(), schedule.Timer{ID: "team/nightly", Input: scheduledTime}, to(schedule.Timer{ID: "team/nightly", Input: scheduledTime}))
	if err == nil || !strings.HasSuffix(err.Error(), "other values than those sent: Target.RetryPolicy.MaximumRetryAttempts") {
		t.Errorf("%v", err)
	}
}

func TestClient_UpdateRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		id, input, want string
	}{
		"a_schedule_that_is_not_there": {"default/gone", scheduledTime, `read the schedule "default/gone": status 404, ResourceNotFoundException, Schedule gone does not exist.`},
		"one_of_another_function":      {"default/restore", scheduledTime, "which is not the backup function"},
		"no_schedule":                  {"nightly", scheduledTime, `"nightly" is not the id of one`},
		"a_path":                       {"default/..", scheduledTime, `".." cannot be a part of an address`},
		"an_input_that_is_no_JSON":     {"default/nightly", "{folder:1}", `change the schedule "default/nightly": status 400, ValidationException`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAWS(t, local.Options{})
			a.create(t, "nightly", nightly(arn))
			a.create(t, "restore", nightly("arn:aws:lambda:eu-central-1:000000000000:function:restore"))
			if _, err := a.client(t, "backup").Update(t.Context(), schedule.Timer{ID: test.id, Input: test.input}, to(schedule.Timer{ID: test.id, Input: test.input})); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
			for _, name := range []string{"nightly", "restore"} {
				if text, _ := a.Schedule("default", name); rawjson.StringAt(text, "State") != "ENABLED" {
					t.Errorf("%s was changed", name)
				}
			}
		})
	}
}

func TestClient_AScheduleThatHasEndedIsNotEnabled(t *testing.T) {
	t.Parallel()
	a := newAWS(t, local.Options{})
	a.create(t, "nightly", rewritten(nightly(arn), `"FlexibleTimeWindow"`, `"EndDate":1.7E9,"FlexibleTimeWindow"`))
	c := a.client(t, "backup")
	timer := only(t, c)
	if timer.Enabled {
		t.Error("it is told to be enabled")
	}
	timer.Enabled = true
	if _, err := c.Update(t.Context(), timer, to(timer)); err == nil || !strings.Contains(err.Error(), "it ended on 2023-11-14T22:13:20Z: remove its end date first") {
		t.Errorf("%v", err)
	}
	timer.Enabled = false
	if _, err := c.Update(t.Context(), timer, to(timer)); err != nil {
		t.Errorf("it cannot be switched off either: %v", err)
	}
	text, _ := a.Schedule("default", "nightly")
	if rawjson.StringAt(text, "State") != "DISABLED" {
		t.Errorf("it is %s", text)
	}
}

func TestClient_TimersFail(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		path, answer, want string
		status             int
	}{
		"pages_that_do_not_end": {"/schedules", `{"NextToken":"x","Schedules":[]}`, "list the schedules: the pages do not end", 200},
		"no_list":               {"/schedules", `{}`, "list the schedules: the answer holds no list", 200},
		"no_JSON":               {"/schedules", `<html>`, "list the schedules: invalid character", 200},
		"a_refusal":             {"/schedules", `{"Message":"User: x is not authorized to perform: scheduler:ListSchedules"}`, "list the schedules: status 403, AccessDeniedException, User: x is not authorized", 403},
		"a_schedule_in_no_JSON": {"/schedules/nightly", `[]`, `read the schedule "default/nightly": `, 200},
		"an_unknown_state":      {"/schedules/nightly", `{"State":"PAUSED","ScheduleExpression":"rate(1 days)"}`, `its state is "PAUSED"`, 200},
		"no_expression":         {"/schedules/nightly", `{"State":"ENABLED"}`, `it has no expression`, 200},
		"an_odd_end_date":       {"/schedules/nightly", `{"State":"ENABLED","ScheduleExpression":"rate(1 days)","EndDate":"2026-11-23"}`, `its end date is "2026-11-23"`, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAWS(t, local.Options{})
			a.create(t, "nightly", nightly(arn))
			a.around = func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
				if r.URL.Path == test.path {
					return respond(test.status, test.answer, "X-Amzn-ErrorType", "AccessDeniedException:http://internal.amazon.com/coral/")
				}
				return send()
			}
			if got, err := a.client(t, "backup").Timers(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, %v, want %s", got, err, test.want)
			}
		})
	}
	t.Run("but_not_for_one_that_was_deleted_meanwhile", func(t *testing.T) {
		t.Parallel()
		a := newAWS(t, local.Options{})
		a.create(t, "nightly", nightly(arn))
		a.create(t, "other", nightly(arn))
		a.around = func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			if r.URL.Path == "/schedules/other" {
				return respond(http.StatusNotFound, `{"Message":"Schedule other does not exist."}`, "X-Amzn-ErrorType", "ResourceNotFoundException")
			}
			return send()
		}
		if got := only(t, a.client(t, "backup")); got.Name != "nightly" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestClient_ThrottledCallsAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusTooManyRequests, http.StatusBadRequest} {
		a := newAWS(t, local.Options{})
		a.create(t, "nightly", nightly(arn))
		throttled := 0
		a.around = func(_ *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			if throttled++; throttled%2 == 1 {
				return respond(status, `{"Message":"Rate exceeded"}`, "X-Amzn-ErrorType", "ThrottlingException")
			}
			return send()
		}
		only(t, a.client(t, "backup"))
		if _, err := a.client(t, "backup").Run(t.Context(), []byte(`{"do":"see"}`)); err != nil {
			t.Errorf("status %d: %v", status, err)
		}
	}
}

// overtaken is a platform whose timer somebody else changes right after it was listed.
type overtaken struct {
	schedule.Platform
	by func()
}

func (o overtaken) Timers(ctx context.Context) ([]schedule.Timer, error) {
	timers, err := o.Platform.Timers(ctx)
	o.by()
	return timers, err
}

func TestClient_AScheduleThatWasStoppedMeanwhileStaysStopped(t *testing.T) {
	t.Parallel()
	a := newAWS(t, local.Options{})
	a.create(t, "nightly", nightly(arn))
	c, no, nights := a.client(t, "backup"), false, "nights"
	stop := func() {
		if _, err := schedule.Set(t.Context(), c, schedule.Change{Enabled: &no}, time.Now()); err != nil {
			t.Error(err)
		}
	}
	s, err := schedule.Set(t.Context(), overtaken{c, stop}, schedule.Change{Folder: &nights}, time.Now())
	if err != nil || s.Enabled || s.Folder != nights {
		t.Errorf("%+v, %v", s, err)
	}
	text, _ := a.Schedule("default", "nightly")
	if rawjson.StringAt(text, "State") != "DISABLED" {
		t.Errorf("it is %s", text)
	}
}
