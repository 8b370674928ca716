package runtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/instance/instancetest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/lambda"
)

// The tests in this file build a real bootstrap and run it as a process, under the local clouds and alone.

// bootstrap is the path of the built test function. TestMain sets it before any test runs.
var bootstrap string

func TestMain(m *testing.M) {
	os.Exit(instancetest.Main(m, "./internal/testfunction", &bootstrap))
}

// seen is what the test function reports of its invocation.
type seen struct {
	Platform, RequestID, Text           string
	Async                               bool
	AccessKey, SecretKey, SecurityToken string
	LeftMilli, ContextMilli             int64
	Process                             int
}

// outcome is what both clouds say of an invocation.
type outcome struct {
	Payload             string
	ErrorType, ErrorMsg string
}

// cloud is a place where the bootstrap runs as a function.
type cloud struct {
	invoke     func(t *testing.T, event string) outcome
	violations func() []string
}

func onFunctionGraph(t *testing.T) cloud {
	t.Helper()
	service := functiongraph.New(functiongraph.Options{Logs: t.Output()})
	t.Cleanup(service.Close)
	f, err := service.Deploy(t.Context(), functiongraph.Function{Name: "test", Bootstrap: bootstrap, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return cloud{
		invoke: func(t *testing.T, event string) outcome {
			t.Helper()
			r, err := f.Invoke(t.Context(), []byte(event))
			if err != nil {
				t.Fatal(err)
			}
			o := outcome{Payload: string(r.Payload)}
			if r.FunctionError != nil {
				o.ErrorType, o.ErrorMsg = r.FunctionError.Type, r.FunctionError.Message
			}
			return o
		},
		violations: f.Violations,
	}
}

func onLambda(t *testing.T) cloud {
	t.Helper()
	service := lambda.New(lambda.Options{Logs: t.Output()})
	t.Cleanup(service.Close)
	f, err := service.Deploy(t.Context(), lambda.Function{Name: "test", Bootstrap: bootstrap, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return cloud{
		invoke: func(t *testing.T, event string) outcome {
			t.Helper()
			r, err := f.Invoke(t.Context(), []byte(event))
			if err != nil {
				t.Fatal(err)
			}
			o := outcome{Payload: string(r.Payload)}
			if r.FunctionError != nil {
				o.ErrorType, o.ErrorMsg = r.FunctionError.Type, r.FunctionError.Message
			}
			return o
		},
		violations: f.Violations,
	}
}

// TestProcess holds that one handler sees and does the same on both platforms.
func TestProcess(t *testing.T) {
	t.Parallel()
	for platform, deploy := range map[string]func(*testing.T) cloud{"functiongraph": onFunctionGraph, "lambda": onLambda} {
		t.Run(platform, func(t *testing.T) {
			t.Parallel()
			c := deploy(t)
			first := see(t, c.invoke(t, `{"do":"see","text":"hello"}`).Payload)
			if first.Platform != platform || first.Text != "hello" || first.RequestID == "" {
				t.Errorf("the handler saw %+v", first)
			}
			// Of 30 s, the margin is 1.5 s.
			if gap := first.LeftMilli - first.ContextMilli; first.LeftMilli > 30_000 || first.LeftMilli < 20_000 || gap < 1_000 || gap > 2_000 {
				t.Errorf("%d ms are left until the deadline and %d ms until the context ends", first.LeftMilli, first.ContextMilli)
			}
			for name, test := range map[string]struct {
				event string
				want  outcome
			}{
				"bytes_arrive_as_they_are": {`{"do":"bytes","text":"{ \"a\": 1.0 }"}`, outcome{Payload: `{ "a": 1.0 }`}},
				"an_error":                 {`{"do":"fail","text":"no bucket"}`, outcome{`{"errorMessage":"no bucket","errorType":"FunctionReturnError"}`, "FunctionReturnError", "no bucket"}},
				"an_error_with_a_type":     {`{"do":"?"}`, outcome{`{"errorMessage":"no such thing to do: ?","errorType":"UnknownEvent"}`, "UnknownEvent", "no such thing to do: ?"}},
				"an_unsuccessful_outcome":  {`{"do":"refuse","text":"no"}`, outcome{Payload: `{"refused":"no"}`}},
				"a_panic":                  {`{"do":"panic","text":"oh"}`, outcome{`{"errorMessage":"oh","errorType":"panic"}`, "panic", "oh"}},
				"an_answer_that_is_too_large": {fmt.Sprintf(`{"do":"large","bytes":%d}`, 6<<20+1), outcome{
					`{"errorMessage":"the answer has 6291457 bytes, the platform takes 6291456","errorType":"FunctionResponseTooLarge"}`,
					"FunctionResponseTooLarge", "the answer has 6291457 bytes, the platform takes 6291456"}},
			} {
				if diff := cmp.Diff(test.want, c.invoke(t, test.event)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			// One process took all of it, panic and errors included.
			last := see(t, c.invoke(t, `{"do":"see"}`).Payload)
			if last.Process != first.Process {
				t.Errorf("process %d was followed by process %d", first.Process, last.Process)
			}
			if last.RequestID == first.RequestID {
				t.Errorf("two invocations had the request id %s", last.RequestID)
			}
			if v := c.violations(); len(v) > 0 {
				t.Errorf("the runtime API was used wrongly: %q", v)
			}
		})
	}
}

func see(t *testing.T, payload string) seen {
	t.Helper()
	var s seen
	if err := json.Unmarshal([]byte(payload), &s); err != nil {
		t.Fatalf("%v: %s", err, payload)
	}
	return s
}

func TestProcess_AnInterruptedInvocationIsAnsweredBeforeThePlatformKillsIt(t *testing.T) {
	t.Parallel()
	service := functiongraph.New(functiongraph.Options{Logs: t.Output()})
	defer service.Close()
	f, err := service.Deploy(t.Context(), functiongraph.Function{Name: "test", Bootstrap: bootstrap, Timeout: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Invoke(t.Context(), []byte(`{"do":"wait","milli":60000}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &functiongraph.FunctionError{Type: "FunctionReturnError", Message: "interrupted: context deadline exceeded"}
	if diff := cmp.Diff(want, r.FunctionError); diff != "" {
		t.Errorf("function error (-want +got):\n%s", diff)
	}
}

func TestProcess_EveryInvocationHasItsOwnCredentials(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string]functiongraph.KeyHeaders{"documented": functiongraph.DocumentedKeys, "security": functiongraph.SecurityKeys} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 0
			service := functiongraph.New(functiongraph.Options{
				Logs: t.Output(), Keyring: &iam.Keyring{}, KeyHeaders: headers,
				NewKeys: func() iam.Credentials {
					n++
					return iam.Credentials{AccessKey: fmt.Sprint("ak", n), SecretKey: fmt.Sprint("sk", n), SecurityToken: fmt.Sprint("st", n)}
				},
			})
			defer service.Close()
			f, err := service.Deploy(t.Context(), functiongraph.Function{Name: "test", Bootstrap: bootstrap, Timeout: 30 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			for i := 1; i <= 2; i++ {
				r, err := f.Invoke(t.Context(), []byte(`{"do":"see"}`))
				if err != nil {
					t.Fatal(err)
				}
				got := see(t, string(r.Payload))
				if got.AccessKey != fmt.Sprint("ak", i) || got.SecretKey != fmt.Sprint("sk", i) || got.SecurityToken != fmt.Sprint("st", i) {
					t.Errorf("invocation %d had the keys %s, %s, %s", i, got.AccessKey, got.SecretKey, got.SecurityToken)
				}
			}
		})
	}
}

// start runs the bootstrap alone with this environment and returns its exit code when it ends.
func start(t *testing.T, environment ...string) (process *os.Process, exit <-chan int) {
	t.Helper()
	cmd := exec.Command(bootstrap)
	cmd.Env = environment
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan int, 1)
	go func() {
		_ = cmd.Wait()
		ended <- cmd.ProcessState.ExitCode()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range ended { // until it has ended, so that nothing writes to the test's output any more
		}
	})
	return cmd.Process, ended
}

func wait[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("%s did not come", what)
		panic("unreachable")
	}
}

func TestProcess_WaitsForAnAPIThatComesUpLate(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, "RUNTIME_API_ADDR="+addr)
	time.Sleep(300 * time.Millisecond) // Nothing listens. The process must neither end nor be busy.

	var polls atomic.Int32
	begin := time.Now()
	posted := make(chan string, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posted <- r.URL.Path
			return
		}
		polls.Add(1)
		if time.Since(begin) < time.Second { // It answers, but does not work yet.
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		event("late", `{"do":"see"}`)(w, r)
	}))
	server.Listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	defer server.Close()
	if path := wait(t, posted, "the answer"); path != "/v1/runtime/invocation/response/late" {
		t.Errorf("posted to %s", path)
	}
	// Half a dozen doublings fill a second; the busy loop would have polled thousands of times.
	if n := polls.Load(); n > 12 {
		t.Errorf("%d polls in a second without an event", n)
	}
}

func TestProcess_EndsOnSIGTERM(t *testing.T) {
	t.Parallel()
	platforms := map[string]struct{ variable, poll, post, id, deadline string }{
		"functiongraph": {"RUNTIME_API_ADDR", "/v1/runtime/invocation/request", "/v1/runtime/invocation/response/r", "X-Cff-Request-Id", "X-None"},
		"lambda":        {"AWS_LAMBDA_RUNTIME_API", "/2018-06-01/runtime/invocation/next", "/2018-06-01/runtime/invocation/r/response", "Lambda-Runtime-Aws-Request-Id", "Lambda-Runtime-Deadline-Ms"},
	}
	for name, p := range platforms {
		for _, busy := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/busy_%t", name, busy), func(t *testing.T) {
				t.Parallel()
				polled, posted := make(chan struct{}, 10), make(chan string, 1)
				var once sync.Once
				ctx, cancel := context.WithCancel(t.Context())
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodPost {
						posted <- r.URL.Path
						w.WriteHeader(http.StatusAccepted)
						return
					}
					if r.URL.Path != p.poll {
						t.Errorf("polled %s", r.URL.Path)
					}
					given := false
					if busy {
						once.Do(func() {
							w.Header().Set(p.deadline, fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
							event("r", `{"do":"wait","milli":500}`, p.id+": r")(w, r)
							given = true
						})
					}
					polled <- struct{}{}
					if given {
						return
					}
					select {
					case <-ctx.Done():
					case <-r.Context().Done():
					}
				}))
				defer server.Close()
				defer cancel()
				process, exit := start(t, p.variable+"="+server.Listener.Addr().String(), "RUNTIME_TIMEOUT=60")
				wait(t, polled, "the poll")
				if busy {
					time.Sleep(100 * time.Millisecond) // The event is in the handler by now; if not, the test is only less strict.
				}
				if err := process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				if code := wait(t, exit, "the end of the process"); code != 0 {
					t.Errorf("exit code %d, want 0", code)
				}
				if busy {
					if path := wait(t, posted, "the answer"); path != p.post {
						t.Errorf("posted to %s, want %s", path, p.post)
					}
				}
			})
		}
	}
}

func TestProcess_StandardInput(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stdin, stdout string
		code          int
	}{
		"success":      {`{"do":"bytes","text":"{\"a\":1}"}`, `{"a":1}` + "\n", 0},
		"error":        {`{"do":"fail","text":"no"}`, `{"never":"sent"}` + "\n", 1},
		"unsuccessful": {`{"do":"refuse","text":"no"}`, `{"refused":"no"}` + "\n", 1},
		"panic":        {`{"do":"panic","text":"oh"}`, `{"errorMessage":"oh","errorType":"panic"}` + "\n", 1},
		"nothing":      {``, `{"errorMessage":"standard input is empty: expected one event as JSON, for example {}","errorType":"FunctionReturnError"}` + "\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(bootstrap)
			cmd.Env = []string{}
			cmd.Stdin = strings.NewReader(test.stdin)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			stdout, err := cmd.Output()
			code := 0
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				code = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if diff := cmp.Diff(test.stdout, string(stdout)); diff != "" {
				t.Errorf("standard output (-want +got):\n%s", diff)
			}
			lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
			if slices.ContainsFunc(lines, func(l string) bool { return !json.Valid([]byte(l)) }) {
				t.Errorf("standard error is not lines of JSON: %s", stderr.String())
			}
		})
	}
}
