package functiongraph_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/instance/instancetest"
)

// bootstrap is the path of a built function that does what its event says. TestMain sets it before any test runs.
var bootstrap string

func TestMain(m *testing.M) {
	os.Exit(instancetest.Main(m, "../../../shared/runtime/internal/testfunction", &bootstrap))
}

// deploy makes a service with the test function in it.
func deploy(t *testing.T, opts functiongraph.Options, change ...func(*functiongraph.Function)) *functiongraph.Deployment {
	t.Helper()
	if opts.Logs == nil {
		opts.Logs = t.Output()
	}
	service := functiongraph.New(opts)
	t.Cleanup(service.Close)
	f := functiongraph.Function{Name: "test", Bootstrap: bootstrap, Timeout: 30 * time.Second}
	for _, c := range change {
		c(&f)
	}
	d, err := service.Deploy(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func invoke(t *testing.T, d *functiongraph.Deployment, event string) functiongraph.Result {
	t.Helper()
	r, err := d.Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// seen is what the function reports of its invocation.
type seen struct {
	RequestID                           string
	Async                               bool
	AccessKey, SecretKey, SecurityToken string
	Environment                         []string
	Directory                           string
	Process                             int
}

func see(t *testing.T, r functiongraph.Result) seen {
	t.Helper()
	var s seen
	if r.FunctionError != nil {
		t.Fatalf("the function failed: %+v", *r.FunctionError)
	}
	if err := json.Unmarshal(r.Payload, &s); err != nil {
		t.Fatalf("%v: %s", err, r.Payload)
	}
	return s
}

func TestDeployment_Invoke(t *testing.T) {
	t.Parallel()
	d := deploy(t, functiongraph.Options{})
	first := invoke(t, d, `{"do":"see"}`)
	second := invoke(t, d, `{"do":"see"}`)
	if !first.ColdStart || second.ColdStart {
		t.Errorf("cold starts: first %t, second %t; want only the first", first.ColdStart, second.ColdStart)
	}
	if a, b := see(t, first), see(t, second); a.Process != b.Process || a.RequestID != first.RequestID || b.RequestID == a.RequestID {
		t.Errorf("the function saw %+v, then %+v", a, b)
	}
	if r := invoke(t, d, `{"do":"fail","text":"no"}`); r.FunctionError == nil || *r.FunctionError != (functiongraph.FunctionError{Type: "FunctionReturnError", Message: "no"}) {
		t.Errorf("a failure came back as %+v", r)
	}
	if n := d.Instances(); n != 1 {
		t.Errorf("%d instances, want 1", n)
	}
	if v := d.Violations(); len(v) > 0 {
		t.Errorf("violations: %q", v)
	}
}

func TestDeployment_GivesTheFunctionTheDocumentedEnvironmentAndNothingElse(t *testing.T) {
	t.Parallel()
	d := deploy(t, functiongraph.Options{ProjectID: "0dd3"}, func(f *functiongraph.Function) {
		f.Env = map[string]string{"DATAARTS_REGION": "eu-de"}
		f.UserData = map[string]string{"LOG_LEVEL": "debug"}
		f.MemoryMB = 256
	})
	got := map[string]string{}
	s := see(t, invoke(t, d, `{"do":"see"}`))
	for _, v := range s.Environment {
		name, value, _ := strings.Cut(v, "=")
		got[name] = value
	}
	want := map[string]string{
		"RUNTIME_PROJECT_ID": "0dd3", "RUNTIME_FUNC_NAME": "test", "RUNTIME_FUNC_VERSION": "latest", "RUNTIME_PACKAGE": "default",
		"RUNTIME_HANDLER": "bootstrap", "RUNTIME_TIMEOUT": "30", "RUNTIME_USERDATA": `{"DATAARTS_REGION":"eu-de","LOG_LEVEL":"debug"}`,
		"RUNTIME_MEMORY": "256", "RUNTIME_CPU": "200", "RUNTIME_CODE_ROOT": filepath.Dir(bootstrap), "RUNTIME_MAX_RESP_BODY_SIZE": "6291456",
		"RUNTIME_API_ADDR": got["RUNTIME_API_ADDR"], "DATAARTS_REGION": "eu-de",
		"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": got["HOME"], "TMPDIR": got["HOME"], "PWD": got["PWD"],
	}
	if _, ok := got["PWD"]; !ok {
		delete(want, "PWD") // os/exec adds it where a directory is set.
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(got["RUNTIME_API_ADDR"], "127.0.0.1:") {
		t.Errorf("the API is at %s", got["RUNTIME_API_ADDR"])
	}
	if s.Directory != got["HOME"] || s.Directory == filepath.Dir(bootstrap) {
		t.Errorf("it runs in %s with HOME=%s", s.Directory, got["HOME"])
	}
	d.Close()
	if _, err := os.Stat(s.Directory); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its directory is still there: %v", err)
	}
}

func TestDeployment_KeysBelongToTheInvocation(t *testing.T) {
	t.Parallel()
	keyring := &iam.Keyring{}
	d := deploy(t, functiongraph.Options{Keyring: keyring}, func(f *functiongraph.Function) { f.AsyncRetries = 0 })
	id, err := d.InvokeAsync([]byte(`{"do":"wait","milli":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, _ := d.Async(id)
	first, second := see(t, a.Result), see(t, invoke(t, d, `{"do":"see"}`))
	if first.AccessKey == "" || first.SecretKey == "" || first.SecurityToken == "" || first.AccessKey == second.AccessKey {
		t.Errorf("keys %+v, then %+v", first, second)
	}
	for _, s := range []seen{first, second} {
		if _, ok := keyring.Lookup(s.AccessKey); ok {
			t.Errorf("the keys of request %s are valid after it has ended", s.RequestID)
		}
	}

	// During the invocation they are valid.
	minted := make(chan iam.Credentials, 1)
	during := deploy(t, functiongraph.Options{Keyring: keyring, NewKeys: func() iam.Credentials {
		c := iam.Credentials{AccessKey: "during", SecretKey: "sk", SecurityToken: "st"}
		minted <- c
		return c
	}})
	done := make(chan functiongraph.Result, 1)
	go func() {
		r, _ := during.Invoke(context.WithoutCancel(t.Context()), []byte(`{"do":"wait","milli":1000}`))
		done <- r
	}()
	want := <-minted
	for {
		if got, ok := keyring.Lookup("during"); ok {
			if got != want {
				t.Errorf("the keyring has %+v", got)
			}
			break
		}
		select {
		case <-done:
			t.Fatal("the keys were never valid")
		case <-time.After(time.Millisecond):
		}
	}
	<-done
}

func TestDeployment_RunsInstancesSideBySide(t *testing.T) {
	t.Parallel()
	d := deploy(t, functiongraph.Options{}, func(f *functiongraph.Function) { f.MaxInstances = 2 })
	var wg sync.WaitGroup
	var mu sync.Mutex
	processes, refused := map[int]bool{}, 0
	for range 3 {
		wg.Go(func() {
			r, err := d.Invoke(t.Context(), []byte(`{"do":"wait","milli":1500}`))
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, functiongraph.ErrTooManyInstances) {
				refused++
				return
			}
			processes[see(t, r).Process] = true
		})
	}
	wg.Wait()
	if len(processes) != 2 || refused != 1 {
		t.Errorf("%d processes ran and %d invocations were refused, want 2 and 1", len(processes), refused)
	}
}

func TestDeployment_Failures(t *testing.T) {
	t.Parallel()
	t.Run("an_invocation_that_takes_too_long_is_killed", func(t *testing.T) {
		t.Parallel()
		d := deploy(t, functiongraph.Options{}, func(f *functiongraph.Function) { f.Timeout = 3 * time.Second })
		before := see(t, invoke(t, d, `{"do":"see"}`))
		r := invoke(t, d, `{"do":"hang"}`)
		if r.FunctionError == nil || r.FunctionError.Type != functiongraph.TypeTimeout || r.Duration < 3*time.Second || r.Duration > 10*time.Second {
			t.Errorf("result %+v, %+v", r, r.FunctionError)
		}
		if after := invoke(t, d, `{"do":"see"}`); !after.ColdStart || see(t, after).Process == before.Process {
			t.Error("the process that was killed was used again")
		}
	})
	t.Run("a_process_that_ends_fails_its_invocation_and_is_replaced", func(t *testing.T) {
		t.Parallel()
		d := deploy(t, functiongraph.Options{})
		r := invoke(t, d, `{"do":"exit","milli":7}`)
		want := &functiongraph.FunctionError{Type: functiongraph.TypeExited, Message: "the bootstrap ended before it had answered: exit status 7"}
		if diff := cmp.Diff(want, r.FunctionError); diff != "" {
			t.Errorf("function error (-want +got):\n%s", diff)
		}
		if r := invoke(t, d, `{"do":"see"}`); !r.ColdStart || r.FunctionError != nil {
			t.Errorf("the next invocation: %+v", r)
		}
	})
	t.Run("a_process_that_died_while_idle_is_replaced_unnoticed", func(t *testing.T) {
		t.Parallel()
		d := deploy(t, functiongraph.Options{})
		process, err := os.FindProcess(see(t, invoke(t, d, `{"do":"see"}`)).Process)
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Kill(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); d.Instances() > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the death of the process was not noticed")
			}
		}
		if r := invoke(t, d, `{"do":"see"}`); !r.ColdStart || r.FunctionError != nil {
			t.Errorf("the next invocation: %+v", r)
		}
	})
	t.Run("a_bootstrap_that_is_missing_fails_every_invocation", func(t *testing.T) {
		t.Parallel()
		d := deploy(t, functiongraph.Options{}, func(f *functiongraph.Function) { f.Bootstrap = filepath.Join(t.TempDir(), "bootstrap") })
		for range 2 {
			if r := invoke(t, d, `{}`); r.FunctionError == nil || r.FunctionError.Type != functiongraph.TypeNotStarted {
				t.Errorf("result %+v", r)
			}
		}
	})
	t.Run("a_bootstrap_that_ends_at_once_fails_every_invocation", func(t *testing.T) {
		t.Parallel()
		d := deploy(t, functiongraph.Options{}, script(t, "#!/bin/sh\nexit 4\n"))
		for range 2 {
			want := &functiongraph.FunctionError{Type: functiongraph.TypeNotStarted, Message: "the bootstrap did not start: exit status 4"}
			if diff := cmp.Diff(want, invoke(t, d, `{}`).FunctionError); diff != "" {
				t.Errorf("function error (-want +got):\n%s", diff)
			}
		}
	})
	t.Run("a_client_that_hangs_up_does_not_end_the_invocation", func(t *testing.T) {
		t.Parallel()
		var logs bytes.Buffer
		d := deploy(t, functiongraph.Options{Logs: &logs})
		invoke(t, d, `{"do":"see"}`)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := d.Invoke(ctx, []byte(`{"do":"wait","milli":500}`)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		d.Close() // It waits for the invocation, which has two seconds to finish.
		if strings.Contains(logs.String(), "error") {
			t.Errorf("the invocation was interrupted: %s", logs.String())
		}
	})
	t.Run("an_event_that_is_too_large_is_refused", func(t *testing.T) {
		t.Parallel()
		d := deploy(t, functiongraph.Options{})
		if _, err := d.Invoke(t.Context(), make([]byte, 6<<20+1)); !errors.Is(err, functiongraph.ErrRequestTooLarge) {
			t.Errorf("synchronous: %v", err)
		}
		if _, err := d.InvokeAsync(make([]byte, 256<<10+1)); !errors.Is(err, functiongraph.ErrRequestTooLarge) {
			t.Errorf("asynchronous: %v", err)
		}
	})
	t.Run("a_function_that_was_removed_takes_no_invocation", func(t *testing.T) {
		t.Parallel()
		d := deploy(t, functiongraph.Options{})
		invoke(t, d, `{"do":"see"}`)
		d.Close()
		if _, err := d.Invoke(t.Context(), []byte(`{}`)); !errors.Is(err, functiongraph.ErrRemoved) {
			t.Errorf("synchronous: %v", err)
		}
		if _, err := d.InvokeAsync([]byte(`{}`)); !errors.Is(err, functiongraph.ErrRemoved) {
			t.Errorf("asynchronous: %v", err)
		}
		if n := d.Instances(); n != 0 {
			t.Errorf("%d instances are left", n)
		}
	})
}

func TestDeployment_InvokeAsync(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		event    string
		retries  int
		status   functiongraph.AsyncStatus
		attempts int
	}{
		"an_event_that_is_handled":             {`{"do":"see"}`, 3, functiongraph.AsyncSuccess, 1},
		"an_event_that_fails_is_tried_again":   {`{"do":"fail","text":"no"}`, 2, functiongraph.AsyncFail, 3},
		"a_policy_without_tries":               {`{"do":"fail","text":"no"}`, 0, functiongraph.AsyncFail, 1},
		"an_unsuccessful_one_is_not_a_failure": {`{"do":"refuse","text":"no"}`, 3, functiongraph.AsyncSuccess, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var logs bytes.Buffer
			d := deploy(t, functiongraph.Options{AsyncRetryDelay: time.Millisecond, Logs: &logs}, func(f *functiongraph.Function) { f.AsyncRetries = test.retries })
			id, err := d.InvokeAsync([]byte(test.event))
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			a, ok := d.Async(id)
			if !ok || a.Status != test.status || a.Attempts != test.attempts {
				t.Errorf("%+v, want %s after %d attempts", a, test.status, test.attempts)
			}
			if failed := test.status == functiongraph.AsyncFail; failed != (a.Result.FunctionError != nil) || failed && a.Result.FunctionError.Message != "no" {
				t.Errorf("the last try ended with %+v", a.Result.FunctionError)
			}
			if v := d.Violations(); len(v) > 0 {
				t.Errorf("violations: %q", v)
			}
			d.Close() // The log is whole when the process has ended.
			if n := strings.Count(logs.String(), `"requestId":"`+id+`","do":`); n != test.attempts {
				t.Errorf("the function handled request %s %d times, want %d: %s", id, n, test.attempts, logs.String())
			}
		})
	}
	t.Run("a_large_answer_is_dropped", func(t *testing.T) {
		t.Parallel()
		d := deploy(t, functiongraph.Options{})
		id, err := d.InvokeAsync(fmt.Appendf(nil, `{"do":"large","bytes":%d}`, 256<<10+1))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a, _ := d.Async(id); a.Status != functiongraph.AsyncSuccess || len(a.Result.Payload) != 0 {
			t.Errorf("status %s with %d bytes, want SUCCESS and none", a.Status, len(a.Result.Payload))
		}
	})
}

func TestService_Logs(t *testing.T) {
	t.Parallel()
	var logs bytes.Buffer
	d := deploy(t, functiongraph.Options{Logs: &logs})
	invoke(t, d, `{"do":"print","text":"hello"}`)
	d.Close()
	lines := strings.Split(strings.TrimSpace(logs.String()), "\n")
	if !slices.Contains(lines, "[test] hello") || !slices.Contains(lines, "[test] HELLO") {
		t.Errorf("the log lacks what the function printed: %q", lines)
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "[test] ") {
			t.Errorf("line %q lacks the function's name", line)
		}
	}
}

func TestService_DeployRefusesWhatTheServiceWould(t *testing.T) {
	t.Parallel()
	many := map[string]string{}
	for n := range 21 {
		many[fmt.Sprint("V", n)] = ""
	}
	for name, test := range map[string]struct {
		function functiongraph.Function
		want     string
	}{
		"21_variables":        {functiongraph.Function{Name: "f", Bootstrap: bootstrap, Env: many}, "21 environment variables: at most 20 are allowed"},
		"too_many_in_all":     {functiongraph.Function{Name: "f", Bootstrap: bootstrap, Env: map[string]string{"A": strings.Repeat("x", 2000)}, UserData: map[string]string{"B": strings.Repeat("x", 47)}}, "the environment variables have 2049 bytes (FSS.1018): at most 2048 are allowed"},
		"a_name_of_the_cloud": {functiongraph.Function{Name: "f", Bootstrap: bootstrap, Env: map[string]string{"RUNTIME_TIMEOUT": "secret"}}, `variable "RUNTIME_TIMEOUT" is set by FunctionGraph`},
		"a_bad_name":          {functiongraph.Function{Name: "f", Bootstrap: bootstrap, Env: map[string]string{"_A": ""}}, `variable "_A": a name is a letter, then letters, digits and _`},
		"a_short_timeout":     {functiongraph.Function{Name: "f", Bootstrap: bootstrap, Timeout: time.Second}, "the timeout is 1s: whole seconds from 3s to 72h0m0s are allowed"},
		"an_odd_size":         {functiongraph.Function{Name: "f", Bootstrap: bootstrap, MemoryMB: 500}, "the memory is 500 MB: allowed are [128 256 512"},
		"too_many_retries":    {functiongraph.Function{Name: "f", Bootstrap: bootstrap, AsyncRetries: 4}, "asynchronous invocations are tried again 4 times: 0 to 3 are allowed"},
		"another_executable":  {functiongraph.Function{Name: "f", Bootstrap: "/bin/sh"}, `the executable of a custom runtime is named bootstrap, not "sh"`},
		"every_fault_at_once": {functiongraph.Function{MemoryMB: 1}, "it needs a name\nthe executable of a custom runtime is named bootstrap, not \".\"\nthe memory is 1 MB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := functiongraph.New(functiongraph.Options{})
			defer service.Close()
			_, err := service.Deploy(t.Context(), test.function)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
	t.Run("20_variables_of_2_KB_are_fine", func(t *testing.T) {
		t.Parallel()
		env := map[string]string{"A": strings.Repeat("x", 2048-1-19*2)}
		for n := range 19 {
			env[string(rune('B'+n))] = "1"
		}
		d := deploy(t, functiongraph.Options{}, func(f *functiongraph.Function) { f.Env = env })
		if r := invoke(t, d, `{"do":"see"}`); r.FunctionError != nil {
			t.Errorf("result %+v", r)
		}
	})
}

// script makes the bootstrap a shell script.
func script(t *testing.T, text string) func(*functiongraph.Function) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bootstrap")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return func(f *functiongraph.Function) { f.Bootstrap = path }
}

// TestAPI_IsStrict speaks to the runtime API itself, in the place of a bootstrap that only says where the API is.
func TestAPI_IsStrict(t *testing.T) {
	t.Parallel()
	address := filepath.Join(t.TempDir(), "address")
	d := deploy(t, functiongraph.Options{NewRequestID: func() string { return "the-request" }},
		script(t, "#!/bin/sh\nprintf %s \"$RUNTIME_API_ADDR\" >\"$ADDRESS.new\"\nmv \"$ADDRESS.new\" \"$ADDRESS\"\nexec sleep 60\n"),
		func(f *functiongraph.Function) { f.Env = map[string]string{"ADDRESS": address} })
	done := make(chan functiongraph.Result, 1)
	go func() {
		r, err := d.Invoke(context.WithoutCancel(t.Context()), []byte(`{"the":"event"}`))
		if err != nil {
			t.Error(err)
		}
		done <- r
	}()
	var base string
	for deadline := time.Now().Add(20 * time.Second); base == ""; time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(address); err == nil {
			base = "http://" + string(text) + "/v1/runtime/"
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	call := func(method, path, body string, status int) (string, http.Header) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != status {
			t.Errorf("%s %s: status %d, want %d", method, path, resp.StatusCode, status)
		}
		return string(text), resp.Header
	}

	call(http.MethodPost, "invocation/response/the-request", "1", http.StatusBadRequest) // It has not been given out yet.
	event, header := call(http.MethodGet, "invocation/request", "", http.StatusOK)
	if event != `{"the":"event"}` || header.Get("X-CFF-Request-Id") != "the-request" || header.Get("X-CFF-Invoke-Type") != "sync" {
		t.Errorf("the event is %s with %v", event, header)
	}
	for _, name := range []string{"X-Cff-Access-Key", "X-Cff-Security-Token", "X-Cff-Auth-Token"} {
		if header.Get(name) != "" {
			t.Errorf("a function without an agency got %s", name)
		}
	}
	call(http.MethodGet, "invocation/request", "", http.StatusForbidden) // The first has not been answered.
	call(http.MethodPost, "invocation/response/another", "1", http.StatusBadRequest)
	call(http.MethodPost, "init/error", "{}", http.StatusNotFound)
	call(http.MethodPost, "invocation/response/the-request", `"once"`, http.StatusOK)
	call(http.MethodPost, "invocation/response/the-request", `"twice"`, http.StatusBadRequest)
	call(http.MethodPost, "invocation/error/the-request", `{}`, http.StatusBadRequest)
	if r := <-done; string(r.Payload) != `"once"` || r.FunctionError != nil {
		t.Errorf("the invocation ended with %s, %+v", r.Payload, r.FunctionError)
	}
	if v := d.Violations(); len(v) != 6 {
		t.Errorf("%d violations, want 6: %q", len(v), v)
	}
}
