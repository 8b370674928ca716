package handler_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

const backupFunctionURN = "urn:fss:eu-de:0dd3:function:default:backup"

// platformBench is a console beside a FunctionGraph that has the backup function.
type platformBench struct {
	*consoleBench
	function *functiongraph.Deployment

	mu    sync.Mutex
	sent  []string // what was sent to change something: method, last part of the path, body
	fault func(w http.ResponseWriter, r *http.Request) bool
}

type consoleSchedule struct {
	Enabled                                              bool
	Folder, Path, Trigger, Expression, TimeZone, Message string
	NextRun                                              *time.Time
}

func newPlatformBench(t *testing.T, timers ...functiongraph.Timer) *platformBench {
	t.Helper()
	b := &platformBench{consoleBench: newConsoleBench(t)}
	ring := &iam.Keyring{}
	ring.Add(iam.Credentials{AccessKey: "platform-access", SecretKey: consoleSecret})
	s := functiongraph.New(functiongraph.Options{ProjectID: "0dd3"})
	t.Cleanup(s.Close)
	var err error
	// Nothing is at this path: what is invoked fails, which nobody here waits for.
	if b.function, err = s.Deploy(t.Context(), functiongraph.Function{Name: "backup", Bootstrap: t.TempDir() + "/bootstrap"}); err != nil {
		t.Fatal(err)
	}
	for _, timer := range timers {
		if _, err := b.function.CreateTimer(timer); err != nil {
			t.Fatal(err)
		}
	}
	service := s.Management(functiongraph.ManagementOptions{Region: "eu-de", Keyring: ring, Triggers: functiongraph.TriggerSwitches{UpdateEventData: functiongraph.UpdateTakesEventData}})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		b.mu.Lock()
		defer b.mu.Unlock()
		if r.Method != http.MethodGet {
			b.sent = append(b.sent, r.Method+" "+r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]+" "+string(body))
		}
		if b.fault == nil || !b.fault(w, r) {
			service.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{"BACKUP_FUNCTION": backupFunctionURN, "FUNCTIONGRAPH_ENDPOINT": server.URL,
		"HUAWEICLOUD_SDK_AK": "platform-access", "HUAWEICLOUD_SDK_SK": consoleSecret} {
		b.env[name] = value
	}
	return b
}

func dailyTimer(change func(*functiongraph.Timer)) functiongraph.Timer {
	t := functiongraph.Timer{Name: "nightly-backup", Active: true, ScheduleType: "Cron", Schedule: "CRON_TZ=Asia/Shanghai 0 0 0 * * *"}
	if change != nil {
		change(&t)
	}
	return t
}

// ask sends a request with a body, and returns the answer.
func (b *platformBench) ask(method, target, body string) consoleAnswer {
	b.t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		b.t.Fatal(err)
	}
	payload, err := json.Marshal(map[string]any{"body": body, "isBase64Encoded": false, "httpMethod": method, "path": u.Path, "queryStringParameters": u.Query(),
		"headers": map[string]string{"content-type": "application/json"}, "requestContext": map[string]string{"stage": "RELEASE"}})
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := b.invoke(b.t.Context(), payload)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, target, err)
	}
	raw, ok := answer.(json.RawMessage)
	var a consoleAnswer
	if err := json.Unmarshal(raw, &a); err != nil || !ok {
		b.t.Fatalf("%s %s: %v: %v", method, target, err, answer)
	}
	if strings.Contains(a.Body, consoleSecret) {
		b.t.Errorf("%s %s shows a key: %s", method, target, a.Body)
	}
	return a
}

func (b *platformBench) refuses(a consoleAnswer, status int, code string, words ...string) {
	b.t.Helper()
	e := decodeConsole[consoleError](b.t, a, status)
	if e.Error.Code != code {
		b.t.Errorf("code %q, want %q", e.Error.Code, code)
	}
	for _, word := range words {
		if !strings.Contains(e.Error.Message, word) {
			b.t.Errorf("message %q lacks %q", e.Error.Message, word)
		}
	}
}

func TestConsole_Schedule(t *testing.T) {
	t.Parallel()
	t.Run("is_that_of_the_platform", func(t *testing.T) {
		t.Parallel()
		b := newPlatformBench(t, dailyTimer(func(timer *functiongraph.Timer) { timer.UserEvent = `{"folder":"nights/","workspaces":["ws1"]}` }))
		s := decodeConsole[consoleSchedule](t, b.ask("GET", "/schedule", ""), http.StatusOK)
		if s.NextRun == nil || !s.NextRun.After(time.Now()) || time.Until(*s.NextRun) > 24*time.Hour || s.NextRun.UTC().Hour() != 16 {
			t.Errorf("next run %v", s.NextRun)
		}
		s.NextRun = nil
		want := consoleSchedule{Enabled: true, Folder: "nights", Path: "obs://" + consoleBucket + "/factory/nights/", Trigger: "nightly-backup",
			Expression: "CRON_TZ=Asia/Shanghai 0 0 0 * * *", TimeZone: "Asia/Shanghai", Message: "of the workspaces, only these are backed up: ws1"}
		if diff := cmp.Diff(want, s); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("is_off_where_there_is_no_timer", func(t *testing.T) {
		t.Parallel()
		b := newPlatformBench(t)
		s := decodeConsole[consoleSchedule](t, b.ask("GET", "/schedule", ""), http.StatusOK)
		if s.Enabled || s.Path != "" || s.NextRun != nil || !strings.Contains(s.Message, "TIMER") {
			t.Errorf("%+v", s)
		}
		b.refuses(b.ask("PUT", "/schedule", `{"enabled":true}`), http.StatusConflict, "conflict", "TIMER", "CRON_TZ=")
	})
	t.Run("says_that_the_backup_function_will_not_understand_its_timer", func(t *testing.T) {
		t.Parallel()
		for input, word := range map[string]string{`{"foldr":"nights"}`: "foldr", `{"time":"<aws.scheduler.scheduled-time>"}`: "time"} {
			b := newPlatformBench(t, dailyTimer(func(timer *functiongraph.Timer) { timer.UserEvent = input }))
			if s := decodeConsole[consoleSchedule](t, b.ask("GET", "/schedule", ""), http.StatusOK); !strings.Contains(s.Message, "refuses the text") || !strings.Contains(s.Message, word) {
				t.Errorf("%+v", s)
			}
		}
	})
	t.Run("says_that_every_run_would_be_that_of_one_moment", func(t *testing.T) {
		t.Parallel()
		b := newPlatformBench(t, dailyTimer(func(timer *functiongraph.Timer) { timer.UserEvent = `{"time":"2026-11-22T00:00:00+08:00"}` }))
		if s := decodeConsole[consoleSchedule](t, b.ask("GET", "/schedule", ""), http.StatusOK); !strings.Contains(s.Message, "every run is that of this one moment") {
			t.Errorf("%+v", s)
		}
	})
	t.Run("is_asked_of_one_timer_among_several", func(t *testing.T) {
		t.Parallel()
		b := newPlatformBench(t, dailyTimer(nil), dailyTimer(func(timer *functiongraph.Timer) { timer.Name, timer.Active = "second", false }))
		b.refuses(b.ask("GET", "/schedule", ""), http.StatusConflict, "conflict", "nightly-backup, second", "trigger")
		b.refuses(b.ask("PUT", "/schedule", `{"enabled":true}`), http.StatusConflict, "conflict", "nightly-backup, second")
		if s := decodeConsole[consoleSchedule](t, b.ask("GET", "/schedule?trigger=second", ""), http.StatusOK); s.Enabled || s.Trigger != "second" {
			t.Errorf("%+v", s)
		}
		if s := decodeConsole[consoleSchedule](t, b.ask("PUT", "/schedule", `{"trigger":"second","enabled":true}`), http.StatusOK); !s.Enabled || s.Trigger != "second" {
			t.Errorf("%+v", s)
		}
	})
	t.Run("is_changed", func(t *testing.T) {
		t.Parallel()
		b := newPlatformBench(t, dailyTimer(nil))
		for _, step := range []struct {
			body    string
			enabled bool
			folder  string
			sends   int // so many requests that change something, all in all
		}{
			{`{"enabled":false}`, false, "", 1},
			{`{"enabled":false,"folder":""}`, false, "", 1},
			{`{"enabled":true,"folder":"nights"}`, true, "nights", 2},
			{`{"folder":"/nights/"}`, true, "nights", 2},
			{`{"folder":"obs://` + consoleBucket + `/factory/nights/eu/"}`, true, "nights/eu", 3},
			{`{"folder":"obs://` + consoleBucket + `/factory/"}`, true, "", 4},
			{`{"folder":"obs://` + consoleBucket + `/factory","enabled":false}`, false, "", 5},
		} {
			s := decodeConsole[consoleSchedule](t, b.ask("PUT", "/schedule", step.body), http.StatusOK)
			path := strings.TrimSuffix("obs://"+consoleBucket+"/factory/"+step.folder, "/") + "/"
			if s.Enabled != step.enabled || s.Folder != step.folder || s.Path != path || (s.NextRun != nil) != step.enabled || len(b.sent) != step.sends {
				t.Errorf("%s: %+v after %d requests", step.body, s, len(b.sent))
			}
			if now := decodeConsole[consoleSchedule](t, b.ask("GET", "/schedule", ""), http.StatusOK); !cmp.Equal(now, s) {
				t.Errorf("%s: %+v, then %+v", step.body, s, now)
			}
			if timer := b.function.Timers()[0]; timer.Active != step.enabled || step.folder != "" && timer.UserEvent != `{"folder":"`+step.folder+`"}` {
				t.Errorf("%s: the timer is %+v", step.body, timer)
			}
		}
	})
	t.Run("leaves_the_workspace_open_in_the_path", func(t *testing.T) {
		t.Parallel()
		b := newPlatformBench(t, dailyTimer(nil))
		b.env["BACKUP_LOCATION"] = "obs://" + consoleBucket + "/factory/{workspace}/x"
		if s := decodeConsole[consoleSchedule](t, b.ask("PUT", "/schedule", `{"folder":"n"}`), http.StatusOK); s.Path != "obs://"+consoleBucket+"/factory/{workspace}/x/n/" {
			t.Errorf("%+v", s)
		}
		b.refuses(b.ask("PUT", "/schedule", `{"folder":"obs://`+consoleBucket+`/factory/ws1/x/n"}`), http.StatusBadRequest, "invalid", "each workspace has a location of its own")
	})
	t.Run("is_not_changed_by_what_is_not_understood", func(t *testing.T) {
		t.Parallel()
		b := newPlatformBench(t, dailyTimer(nil))
		for body, words := range map[string][]string{
			"":                             {"line 1"},
			"null":                         {"object"},
			`{}`:                           {"nothing is to change"},
			`{"trigger":"nightly-backup"}`: {"nothing is to change"},
			`{"enabled":null}`:             {"nothing is to change"},
			`{"enabled":"yes","foldr":"x","folder":"../up"}`:        {"enabled", "foldr", "folder", "no name"},
			`{"folder":"2026-11-22/x"}`:                             {"lies in a backup"},
			`{"folder":"x/restores"}`:                               {"of the functions' own"},
			`{"folder":"{workspace}"}`:                              {"no folder may have"},
			`{"folder":"obs://"}`:                                   {"obs://bucket/folder/"},
			`{"folder":"obs://` + consoleBucket + `/factory/a//b"}`: {"no name"},
			`{"enabled":true} x`:                                    {"line 1"},
		} {
			b.refuses(b.ask("PUT", "/schedule", body), http.StatusBadRequest, "invalid", words...)
		}
		b.refuses(b.ask("PUT", "/schedule?trigger=a", `{"trigger":"b","enabled":"x","y":1,"folder":"obs://elsewhere/n"}`), http.StatusBadRequest, "invalid",
			`the body names "b"`, "enabled", "y", "outside of")
		b.refuses(b.ask("PUT", "/schedule?trigger=a&trigger=b", `{"x":1}`), http.StatusBadRequest, "invalid", "2 times", "x")
		for _, folder := range []string{"obs://elsewhere/factory/n", "obs://" + consoleBucket + "/other/n", "obs://" + consoleBucket + "/factory2", "obs://" + consoleBucket} {
			b.refuses(b.ask("PUT", "/schedule", `{"folder":"`+folder+`"}`), http.StatusForbidden, "forbidden", "outside of")
		}
		if len(b.sent) > 0 {
			t.Errorf("sent %v", b.sent)
		}
	})
	t.Run("says_what_the_console_lacks", func(t *testing.T) {
		t.Parallel()
		for name, value := range map[string]string{"BACKUP_FUNCTION": "", "HUAWEICLOUD_SDK_AK": ""} {
			b := newPlatformBench(t, dailyTimer(nil))
			b.env[name] = value
			for _, request := range [][2]string{{"GET", "/schedule"}, {"PUT", "/schedule"}, {"POST", "/backups"}} {
				body := map[string]string{"PUT": `{"enabled":true}`}[request[0]]
				b.refuses(b.ask(request[0], request[1], body), http.StatusConflict, "conflict", name)
			}
		}
	})
	t.Run("tells_the_platform_s_own_words", func(t *testing.T) {
		t.Parallel()
		b := newPlatformBench(t, dailyTimer(nil))
		b.fault = func(w http.ResponseWriter, r *http.Request) bool {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"error_code":"FSS.0403","error_msg":"`+consoleSecret+` may not do this"}`)
			return true
		}
		b.refuses(b.ask("GET", "/schedule", ""), http.StatusBadGateway, "unavailable", "FSS.0403", "may not do this")
		b.refuses(b.ask("PUT", "/schedule", `{"enabled":false}`), http.StatusBadGateway, "unavailable", "FSS.0403")
		b.refuses(b.ask("POST", "/backups", ""), http.StatusBadGateway, "unavailable", "FSS.0403", "start the backup function")
		if !b.function.Timers()[0].Active {
			t.Error("the timer was changed")
		}
	})
}

func TestConsole_BackUpNow_says_that_it_may_have_begun_all_the_same(t *testing.T) {
	t.Parallel()
	b := newPlatformBench(t)
	b.fault = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusAccepted) // and no word of an invocation
		return true
	}
	b.refuses(b.ask("POST", "/backups", ""), http.StatusBadGateway, "unavailable", "may have been started all the same")
}

func TestConsole_BackUpNow(t *testing.T) {
	t.Parallel()
	type started struct {
		RequestID, Folder, Message string
		Workspaces                 []string
	}
	const all, one = "obs://" + consoleBucket + "/{workspace}", "obs://" + consoleBucket + "/factory"
	for name, test := range map[string]struct {
		location, target, body string
		command                string
		workspaces             []string
		folder                 string
		listed                 string
	}{
		"of_all_workspaces":           {all, "/backups", "", `{}`, []string{}, "", "/backups"},
		"of_all_workspaces_with_json": {all, "/backups", `{}`, `{}`, []string{}, "", "/backups"},
		"of_one_by_the_query":         {all, "/backups?workspace=ws1", "", `{"workspaces":["ws1"]}`, []string{"ws1"}, "", "/backups?workspace=ws1"},
		"of_some_into_a_folder":       {all, "/backups", `{"workspaces":["ws1","ws2"],"folder":"/before/"}`, `{"workspaces":["ws1","ws2"],"folder":"before"}`, []string{"ws1", "ws2"}, "before", "/backups?folder=before&workspace=ws1"},
		"of_one_named_twice":          {all, "/backups?workspace=ws1", `{"workspaces":["ws1"]}`, `{"workspaces":["ws1"]}`, []string{"ws1"}, "", "/backups?workspace=ws1"},
		"into_a_folder_by_its_path":   {one, "/backups", `{"folder":"obs://` + consoleBucket + `/factory/before/"}`, `{"folder":"before"}`, []string{}, "before", "/backups?folder=before"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newPlatformBench(t)
			b.env["BACKUP_LOCATION"] = test.location
			a := b.ask("POST", test.target, test.body)
			got := decodeConsole[started](t, a, http.StatusAccepted)
			if got.RequestID == "" || got.Message == "" || a.Header["Location"] != test.listed || got.Folder != test.folder || !cmp.Equal(got.Workspaces, test.workspaces) {
				t.Errorf("%+v, %v", got, a.Header)
			}
			if _, ok := b.function.Async(got.RequestID); !ok || !cmp.Equal(b.sent, []string{"POST invocations-async " + test.command}) {
				t.Errorf("sent %v", b.sent)
			}
		})
	}
	t.Run("not_without_knowing_of_what", func(t *testing.T) {
		t.Parallel()
		b := newPlatformBench(t)
		b.env["BACKUP_LOCATION"], b.env["DATAARTS_WORKSPACES"] = one, "ws1"
		for _, c := range []struct {
			target, body string
			words        []string
		}{
			{"/backups", `{"workspace":"ws1"}`, []string{"workspace"}},
			{"/backups", `{"verify":"latest"}`, []string{"verify"}},
			{"/backups", `{"time":"2026-11-22T00:00:00Z"}`, []string{"time"}},
			{"/backups", `{"workspaces":["../x"],"folder":"..","foo":1}`, []string{"workspaces[0]", "folder", "foo"}},
			{"/backups", `{"workspaces":["ws1","ws1b"]}`, []string{"workspaces[1]", "want one"}},
			{"/backups?workspace=ws2", "", []string{"ws2", "are those of ws1"}},
			{"/backups?workspace=ws1", `{"workspaces":["ws3"]}`, []string{"names other workspaces"}},
			{"/backups?workspace=a/b", "", []string{"no workspace id"}},
			{"/backups?workspace=ws1&workspace=ws1", "", []string{"2 times"}},
			{"/backups", `[]`, []string{"object"}},
		} {
			b.refuses(b.ask("POST", c.target, c.body), http.StatusBadRequest, "invalid", c.words...)
		}
		b.refuses(b.ask("POST", "/backups", `{"folder":"obs://elsewhere/x"}`), http.StatusForbidden, "forbidden", "outside of")
		if len(b.sent) > 0 {
			t.Errorf("sent %v", b.sent)
		}
	})
}

// The document and the routes are held together here, as TestOpenAPI does for what needs no platform.
func TestOpenAPI_describes_the_schedule(t *testing.T) {
	t.Parallel()
	api := readOpenAPI(t)
	b := newPlatformBench(t, dailyTimer(nil))
	for _, c := range []struct{ method, target, body string }{
		{"GET", "/schedule", ""},
		{"PUT", "/schedule", `{"enabled":false,"folder":"n"}`},
		{"PUT", "/schedule", `{"enabled":1}`},
		{"PUT", "/schedule", `{"folder":"obs://elsewhere/x"}`},
		{"PUT", "/schedule", `{"enabled":true,"trigger":"other"}`},
		{"POST", "/backups", ""},
		{"POST", "/backups", `{"folder":"obs://elsewhere/x"}`},
		{"POST", "/backups", `{"x":1}`},
		{"FAULT", "", ""},
		{"GET", "/schedule", ""},
		{"PUT", "/schedule", `{"enabled":true}`},
		{"POST", "/backups", ""},
	} {
		if c.method == "FAULT" {
			b.fault = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusForbidden); return true }
			continue
		}
		a := b.ask(c.method, c.target, c.body)
		var v any
		if err := json.Unmarshal([]byte(a.Body), &v); err != nil {
			t.Fatal(err)
		}
		for _, fault := range api.faults(api.answer(t, c.method, c.target, a.Status), v, "answer") {
			t.Errorf("%s %s %s: %d: %s", c.method, c.target, c.body, a.Status, fault)
		}
	}
}
