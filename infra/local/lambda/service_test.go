package lambda_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/instance/instancetest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/lambda"
)

// bootstrap is the path of a built function that does what its event says. TestMain sets it before any test runs.
var bootstrap string

func TestMain(m *testing.M) {
	os.Exit(instancetest.Main(m, "../../../shared/runtime/internal/testfunction", &bootstrap))
}

// deploy makes a service with the test function in it.
func deploy(t *testing.T, opts lambda.Options, change ...func(*lambda.Function)) *lambda.Deployment {
	t.Helper()
	opts.Logs = t.Output()
	service := lambda.New(opts)
	t.Cleanup(service.Close)
	f := lambda.Function{Name: "test", Bootstrap: bootstrap, Timeout: 30 * time.Second}
	for _, c := range change {
		c(&f)
	}
	d, err := service.Deploy(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func invoke(t *testing.T, d *lambda.Deployment, event string) lambda.Result {
	t.Helper()
	r, err := d.Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// script makes the bootstrap a shell script.
func script(t *testing.T, text string) func(*lambda.Function) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bootstrap")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	return func(f *lambda.Function) { f.Bootstrap = path }
}

func TestDeployment_GivesTheFunctionItsRolesKeysAndTheDefinedEnvironment(t *testing.T) {
	t.Parallel()
	keyring := &iam.Keyring{}
	keys := iam.Credentials{AccessKey: "ASIA1", SecretKey: "sk", SecurityToken: "st"}
	d := deploy(t, lambda.Options{Keyring: keyring, Region: "eu-west-1", NewKeys: func() iam.Credentials { return keys }},
		func(f *lambda.Function) { f.Env = map[string]string{"BACKUP_LOCATION": "obs://vault"} })
	r := invoke(t, d, `{"do":"see"}`)
	var seen struct{ Environment []string }
	if err := json.Unmarshal(r.Payload, &seen); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, v := range seen.Environment {
		name, value, _ := strings.Cut(v, "=")
		got[name] = value
	}
	for name, want := range map[string]string{
		"AWS_ACCESS_KEY_ID": "ASIA1", "AWS_SECRET_ACCESS_KEY": "sk", "AWS_SESSION_TOKEN": "st", "AWS_REGION": "eu-west-1",
		"AWS_DEFAULT_REGION": "eu-west-1", "AWS_LAMBDA_FUNCTION_NAME": "test", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
		"LAMBDA_TASK_ROOT": filepath.Dir(bootstrap), "BACKUP_LOCATION": "obs://vault",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if !strings.HasPrefix(got["AWS_LAMBDA_RUNTIME_API"], "127.0.0.1:") {
		t.Errorf("the API is at %s", got["AWS_LAMBDA_RUNTIME_API"])
	}
	if _, ok := got["GOROOT"]; ok || got["HOME"] == os.Getenv("HOME") {
		t.Errorf("the environment of the machine got in: %v", got)
	}
	if c, ok := keyring.Lookup("ASIA1"); !ok || c != keys {
		t.Errorf("the role's keys are not valid while the function is there: %+v", c)
	}
	d.Close()
	if _, ok := keyring.Lookup("ASIA1"); ok {
		t.Error("the role's keys are valid after the function was removed")
	}
}

func TestDeployment_Failures(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		event  string
		change func(*lambda.Function)
		want   lambda.FunctionError
	}{
		"too_long":       {`{"do":"hang"}`, func(f *lambda.Function) { f.Timeout = time.Second }, lambda.FunctionError{Type: "Sandbox.Timedout", Message: "RequestId: id Error: Task timed out after 1.00 seconds"}},
		"exit":           {`{"do":"exit","milli":7}`, func(*lambda.Function) {}, lambda.FunctionError{Type: "Runtime.ExitError", Message: "RequestId: id Error: Runtime exited: exit status 7"}},
		"exit_at_once":   {`{}`, script(t, "#!/bin/sh\nexit 4\n"), lambda.FunctionError{Type: "Runtime.ExitError", Message: "RequestId: id Error: Runtime exited: exit status 4"}},
		"error":          {`{"do":"fail","text":"no"}`, func(*lambda.Function) {}, lambda.FunctionError{Type: "FunctionReturnError", Message: "no"}},
		"not_executable": {`{}`, func(f *lambda.Function) { script(t, "")(f); _ = os.Chmod(f.Bootstrap, 0o600) }, lambda.FunctionError{Type: "Runtime.InvalidEntrypoint"}},
		"no_bootstrap":   {`{}`, func(f *lambda.Function) { f.Bootstrap = "/nowhere/bootstrap" }, lambda.FunctionError{Type: "Runtime.InvalidEntrypoint"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := deploy(t, lambda.Options{NewRequestID: func() string { return "id" }}, test.change)
			r := invoke(t, d, test.event)
			if r.FunctionError == nil {
				t.Fatalf("no error, but %s", r.Payload)
			}
			if test.want.Message == "" { // the system's words
				test.want.Message = r.FunctionError.Message
			}
			if diff := cmp.Diff(&test.want, r.FunctionError); diff != "" {
				t.Errorf("function error (-want +got):\n%s", diff)
			}
			var body struct{ ErrorType string }
			if err := json.Unmarshal(r.Payload, &body); err != nil || body.ErrorType != test.want.Type {
				t.Errorf("payload %s", r.Payload)
			}
		})
	}
	t.Run("the_next_invocation_has_a_new_process", func(t *testing.T) {
		t.Parallel()
		d := deploy(t, lambda.Options{})
		invoke(t, d, `{"do":"exit","milli":7}`)
		if r := invoke(t, d, `{"do":"see"}`); !r.ColdStart || r.FunctionError != nil {
			t.Errorf("result %+v", r)
		}
	})
	t.Run("refused_events", func(t *testing.T) {
		t.Parallel()
		d := deploy(t, lambda.Options{})
		if _, err := d.Invoke(t.Context(), make([]byte, 6<<20+1)); !errors.Is(err, lambda.ErrRequestTooLarge) {
			t.Errorf("too large: %v", err)
		}
		if _, err := d.Invoke(t.Context(), []byte("{")); !errors.Is(err, lambda.ErrNotJSON) {
			t.Errorf("no JSON: %v", err)
		}
		d.Close()
		if _, err := d.Invoke(t.Context(), []byte("{}")); !errors.Is(err, lambda.ErrRemoved) {
			t.Errorf("removed: %v", err)
		}
	})
}

func TestService_DeployRefusesWhatLambdaWould(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*lambda.Function)
		want   string
	}{
		"a_long_timeout":     {func(f *lambda.Function) { f.Timeout = 901 * time.Second }, "the timeout is 15m1s"},
		"a_small_memory":     {func(f *lambda.Function) { f.MemoryMB = 64 }, "the memory is 64 MB"},
		"a_name_of_Lambda's": {func(f *lambda.Function) { f.Env = map[string]string{"AWS_REGION": "x"} }, `variable "AWS_REGION" is set by Lambda`},
		"5_KB":               {func(f *lambda.Function) { f.Env = map[string]string{"AA": strings.Repeat("x", 5<<10)} }, "5122 bytes: at most 4096"},
		"no_name":            {func(f *lambda.Function) { f.Name = "" }, "it needs a name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := lambda.New(lambda.Options{})
			defer service.Close()
			f := lambda.Function{Name: "f", Bootstrap: bootstrap}
			test.change(&f)
			if _, err := service.Deploy(t.Context(), f); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

// TestAPI_IsStrict speaks to the runtime API itself, in the place of a bootstrap that only says where the API is.
func TestAPI_IsStrict(t *testing.T) {
	t.Parallel()
	address := filepath.Join(t.TempDir(), "address")
	d := deploy(t, lambda.Options{NewRequestID: func() string { return "the-request" }},
		script(t, "#!/bin/sh\nprintf %s \"$AWS_LAMBDA_RUNTIME_API\" >\"$ADDRESS.new\"\nmv \"$ADDRESS.new\" \"$ADDRESS\"\nexec sleep 60\n"),
		func(f *lambda.Function) { f.Env = map[string]string{"ADDRESS": address} })
	done := make(chan lambda.Result, 1)
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
			base = "http://" + string(text) + "/2018-06-01/runtime/"
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	call := func(method, path, body string, status int, errorType string) (string, http.Header) {
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
		if resp.StatusCode != status || !strings.Contains(string(text), errorType) {
			t.Errorf("%s %s: status %d, %s; want %d, %s", method, path, resp.StatusCode, text, status, errorType)
		}
		return string(text), resp.Header
	}

	call(http.MethodPost, "invocation/the-request/response", "1", http.StatusBadRequest, "InvalidRequestID") // It has not been given out yet.
	begin := time.Now()
	event, header := call(http.MethodGet, "invocation/next", "", http.StatusOK, "")
	if event != `{"the":"event"}` || header.Get("Lambda-Runtime-Aws-Request-Id") != "the-request" ||
		header.Get("Lambda-Runtime-Invoked-Function-Arn") != "arn:aws:lambda:eu-central-1:000000000000:function:test" {
		t.Errorf("the event is %s with %v", event, header)
	}
	milli, err := strconv.ParseInt(header.Get("Lambda-Runtime-Deadline-Ms"), 10, 64)
	if left := time.UnixMilli(milli).Sub(begin); err != nil || left < 29*time.Second || left > 31*time.Second {
		t.Errorf("the deadline is in %v, want the timeout of 30 s; %v", left, err)
	}
	call(http.MethodGet, "invocation/next", "", http.StatusForbidden, "InvalidStateTransition") // The first has not been answered.
	call(http.MethodPost, "invocation/another/response", "1", http.StatusBadRequest, "InvalidRequestID")
	call(http.MethodPost, "invocation/elsewhere", "{}", http.StatusNotFound, "")
	call(http.MethodPost, "invocation/the-request/response", `"once"`, http.StatusAccepted, "")
	call(http.MethodPost, "invocation/the-request/response", `"twice"`, http.StatusForbidden, "InvalidStateTransition")
	call(http.MethodPost, "invocation/the-request/error", `{}`, http.StatusForbidden, "InvalidStateTransition")
	if r := <-done; string(r.Payload) != `"once"` || r.FunctionError != nil {
		t.Errorf("the invocation ended with %s, %+v", r.Payload, r.FunctionError)
	}
	if v := d.Violations(); len(v) != 6 {
		t.Errorf("%d violations, want 6: %q", len(v), v)
	}
}

func TestAPI_AnErrorOfTheInitializationIsTheResultOfTheInvocationThatWaits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := deploy(t, lambda.Options{},
		// It tells where its API is and ends when it is told to.
		script(t, "#!/bin/sh\nprintf %s \"$AWS_LAMBDA_RUNTIME_API\" >\"$DIR/new\"\nmv \"$DIR/new\" \"$DIR/address\"\nwhile [ ! -e \"$DIR/end\" ]; do sleep 0.02; done\nexit 1\n"),
		func(f *lambda.Function) { f.Env = map[string]string{"DIR": dir} })
	done := make(chan lambda.Result, 1)
	go func() {
		r, err := d.Invoke(context.WithoutCancel(t.Context()), []byte(`{}`))
		if err != nil {
			t.Error(err)
		}
		done <- r
	}()
	var address []byte
	for deadline := time.Now().Add(20 * time.Second); address == nil; time.Sleep(5 * time.Millisecond) {
		address, _ = os.ReadFile(filepath.Join(dir, "address"))
		if time.Now().After(deadline) {
			t.Fatal("the bootstrap did not start")
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+string(address)+"/2018-06-01/runtime/init/error",
		strings.NewReader(`{"errorMessage":"no settings","errorType":"InitError"}`))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Errorf("status %d, want 202", resp.StatusCode)
	}
	if err := os.WriteFile(filepath.Join(dir, "end"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&lambda.FunctionError{Type: "InitError", Message: "no settings"}, (<-done).FunctionError); diff != "" {
		t.Errorf("function error (-want +got):\n%s", diff)
	}
}
