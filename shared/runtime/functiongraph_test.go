package runtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
)

// answer is what the function posted.
type answer struct {
	Path string
	Body string
}

// api is FunctionGraph's side: it answers each poll with the next of its events, posts with the next of its statuses, and
// ends the function after the last event.
type api struct {
	mu       sync.Mutex
	events   []http.HandlerFunc
	statuses []int // of the answers to posts; 200 when there are no more
	answers  []answer
	end      context.CancelFunc
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	if r.Method == http.MethodPost {
		defer a.mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		a.answers = append(a.answers, answer{r.URL.EscapedPath(), string(body)})
		if len(a.statuses) > 0 {
			w.WriteHeader(a.statuses[0])
			a.statuses = a.statuses[1:]
		}
		return
	}
	if r.URL.Path != "/v1/runtime/invocation/request" {
		a.mu.Unlock()
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if len(a.events) == 0 {
		a.mu.Unlock()
		a.end()
		<-r.Context().Done()
		return
	}
	event := a.events[0]
	a.events = a.events[1:]
	a.mu.Unlock()
	event(w, r)
}

// event is an answer to a poll. Each header is "Name: value".
func event(id, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-CFF-Request-Id", id)
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Set(name, value)
		}
		_, _ = io.WriteString(w, body)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// serve runs a handler until the API has no more events, and returns what was posted.
func serve(t *testing.T, a *api, h runtime.Handler, change ...func(*runtime.Options)) []answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	a.end = cancel
	server := httptest.NewServer(a)
	defer server.Close()
	silent := zerolog.Nop()
	opts := runtime.Options{
		Getenv: environment("RUNTIME_API_ADDR=" + server.Listener.Addr().String()),
		Logger: &silent,
		Sleep:  func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Jitter: func() float64 { return 0.5 },
	}
	for _, c := range change {
		c(&opts)
	}
	if code := runtime.Run(ctx, h, opts); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Fatalf("the function did not take all events: %v", ctx.Err())
	}
	return a.answers
}

// environment is a Getenv over these variables, each "NAME=value".
func environment(variables ...string) func(string) string {
	return func(name string) string {
		for _, v := range variables {
			if n, value, _ := strings.Cut(v, "="); n == name {
				return value
			}
		}
		return ""
	}
}

// with adds variables to the environment.
func with(variables ...string) func(*runtime.Options) {
	return func(o *runtime.Options) {
		before, added := o.Getenv, environment(variables...)
		o.Getenv = func(name string) string {
			if v := added(name); v != "" {
				return v
			}
			return before(name)
		}
	}
}

func TestFunctionGraph_Answers(t *testing.T) {
	t.Parallel()
	const response, failure = "/v1/runtime/invocation/response/", "/v1/runtime/invocation/error/"
	tests := map[string]struct {
		handler runtime.Handler
		want    answer
	}{
		"a_value_is_encoded_as_JSON": {
			func(context.Context, runtime.Invocation) (any, error) { return map[string]string{"a": "b & c"}, nil },
			answer{response + "id-1", `{"a":"b & c"}`},
		},
		"bytes_are_sent_as_they_are": {
			func(context.Context, runtime.Invocation) (any, error) { return []byte(`{ "a":1.0 }`), nil },
			answer{response + "id-1", `{ "a":1.0 }`},
		},
		"raw_JSON_is_sent_as_it_is": {
			func(context.Context, runtime.Invocation) (any, error) { return json.RawMessage(`{ "a":1.0 }`), nil },
			answer{response + "id-1", `{ "a":1.0 }`},
		},
		"no_answer_is_null": {
			func(context.Context, runtime.Invocation) (any, error) { return nil, nil },
			answer{response + "id-1", `null`},
		},
		"an_error_fails_the_invocation_and_the_answer_is_not_sent": {
			func(context.Context, runtime.Invocation) (any, error) { return "answer", errors.New("two < three") },
			answer{failure + "id-1", `{"errorMessage":"two < three","errorType":"FunctionReturnError"}`},
		},
		"a_Failure_names_its_type": {
			func(context.Context, runtime.Invocation) (any, error) {
				return nil, fmt.Errorf("back up: %w", &runtime.Failure{Type: "Partial", Message: "2 missing"})
			},
			answer{failure + "id-1", `{"errorMessage":"back up: 2 missing","errorType":"Partial"}`},
		},
		"an_unsuccessful_outcome_is_a_normal_response": {
			func(context.Context, runtime.Invocation) (any, error) {
				return map[string]string{"status": "FAILED"}, fmt.Errorf("restore: %w", &runtime.Unsuccessful{Reason: "refused"})
			},
			answer{response + "id-1", `{"status":"FAILED"}`},
		},
		"an_unsuccessful_outcome_without_an_answer_gives_the_reason": {
			func(context.Context, runtime.Invocation) (any, error) {
				return nil, fmt.Errorf("restore: %w", &runtime.Unsuccessful{Reason: "refused"})
			},
			answer{response + "id-1", `{"errorMessage":"restore: refused","errorType":"Unsuccessful"}`},
		},
		"an_answer_that_has_no_JSON_form_is_a_failure": {
			func(context.Context, runtime.Invocation) (any, error) { return func() {}, nil },
			answer{failure + "id-1", `{"errorMessage":"encode the answer: json: unsupported type: func()","errorType":"FunctionReturnError"}`},
		},
		"an_answer_larger_than_the_platform_takes_is_a_failure": {
			func(context.Context, runtime.Invocation) (any, error) { return strings.Repeat("x", 99), nil },
			answer{failure + "id-1", `{"errorMessage":"the answer has 101 bytes, the platform takes 100","errorType":"FunctionResponseTooLarge"}`},
		},
		"a_panic_is_a_failure_without_a_stack": {
			func(context.Context, runtime.Invocation) (any, error) { panic("gone wrong") },
			answer{failure + "id-1", `{"errorMessage":"gone wrong","errorType":"panic"}`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler := func(ctx context.Context, inv runtime.Invocation) (any, error) {
				if inv.RequestID == "id-2" {
					return "still here", nil
				}
				return test.handler(ctx, inv)
			}
			got := serve(t, &api{events: []http.HandlerFunc{event("id-1", "{}"), event("id-2", "{}")}}, handler,
				with("RUNTIME_MAX_RESP_BODY_SIZE=100"))
			want := []answer{test.want, {response + "id-2", `"still here"`}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("posted (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFunctionGraph_Invocation(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		event       http.HandlerFunc
		environment []string
		want        runtime.Invocation
	}{
		"the_documented_keys": {
			event: event("r", "{}", "X-CFF-Access-Key: ak", "X-CFF-Secret-Key: sk", "X-CFF-Security-Token: st", "X-CFF-Invoke-Type: sync"),
			want:  runtime.Invocation{Deadline: now.Add(3 * time.Second), Credentials: runtime.Credentials{AccessKey: "ak", SecretKey: "sk", SecurityToken: "st"}},
		},
		"the_security_keys_come_first": {
			event: event("r", "{}", "X-CFF-Access-Key: old", "X-CFF-Secret-Key: old", "X-CFF-Security-Access-Key: ak", "X-CFF-Security-Secret-Key: sk", "X-CFF-Security-Token: st"),
			want:  runtime.Invocation{Deadline: now.Add(3 * time.Second), Credentials: runtime.Credentials{AccessKey: "ak", SecretKey: "sk", SecurityToken: "st"}},
		},
		"keys_of_two_pairs_are_never_mixed": {
			event: event("r", "{}", "X-CFF-Access-Key: ak", "X-CFF-Secret-Key: sk", "X-CFF-Security-Access-Key: half", "X-CFF-Security-Token: st"),
			want:  runtime.Invocation{Deadline: now.Add(3 * time.Second), Credentials: runtime.Credentials{AccessKey: "ak", SecretKey: "sk", SecurityToken: "st"}},
		},
		"a_function_without_an_agency_has_no_keys": {
			event: event("r", "{}", "X-CFF-Auth-Token: at", "X-CFF-Security-Token: st"),
			want:  runtime.Invocation{Deadline: now.Add(3 * time.Second)},
		},
		"the_deadline_comes_from_the_environment": {
			event:       event("r", "{}"),
			environment: []string{"RUNTIME_TIMEOUT=900"},
			want:        runtime.Invocation{Deadline: now.Add(900 * time.Second)},
		},
		"a_timeout_that_is_no_number_counts_as_none": {
			event:       event("r", "{}"),
			environment: []string{"RUNTIME_TIMEOUT=soon"},
			want:        runtime.Invocation{Deadline: now.Add(3 * time.Second)},
		},
		"an_asynchronous_one": {
			event: event("r", "{}", "X-CFF-Invoke-Type: async"),
			want:  runtime.Invocation{Deadline: now.Add(3 * time.Second), Async: true},
		},
		"the_payload_is_given_byte_for_byte": {
			event: event("r", " {\"n\":1.50}\n\xff"),
			want:  runtime.Invocation{Deadline: now.Add(3 * time.Second), Payload: []byte(" {\"n\":1.50}\n\xff")},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got runtime.Invocation
			handler := func(_ context.Context, inv runtime.Invocation) (any, error) {
				got = inv
				return nil, nil
			}
			serve(t, &api{events: []http.HandlerFunc{test.event}}, handler, with(test.environment...),
				func(o *runtime.Options) { o.Now = func() time.Time { return now } })
			test.want.Platform, test.want.RequestID = runtime.FunctionGraph, "r"
			if test.want.Payload == nil {
				test.want.Payload = []byte("{}")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("invocation (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFunctionGraph_ContextEndsBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for timeout, margin := range map[string]time.Duration{
		"1":   250 * time.Millisecond, // never less
		"20":  time.Second,            // a twentieth
		"900": 5 * time.Second,        // never more
	} {
		t.Run(timeout+"s", func(t *testing.T) {
			t.Parallel()
			var before, after time.Time
			var end, deadline time.Time
			handler := func(ctx context.Context, inv runtime.Invocation) (any, error) {
				after = time.Now()
				end, _ = ctx.Deadline()
				deadline = inv.Deadline
				return nil, nil
			}
			// The clock stands still, so that what is left is exactly the timeout; the context itself runs on the real clock.
			serve(t, &api{events: []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
				before = time.Now()
				event("r", "{}")(w, r)
			}}}, handler, with("RUNTIME_TIMEOUT="+timeout), func(o *runtime.Options) { o.Now = func() time.Time { return now } })
			left := deadline.Sub(now) - margin
			if end.Before(before.Add(left)) || end.After(after.Add(left)) {
				t.Errorf("the context ends %v after the event came, want %v", end.Sub(before), left)
			}
		})
	}
}

func TestFunctionGraph_RequestIDIsEscapedInThePath(t *testing.T) {
	t.Parallel()
	got := serve(t, &api{events: []http.HandlerFunc{event("a/../b c", "{}")}},
		func(context.Context, runtime.Invocation) (any, error) { return 1, nil })
	if diff := cmp.Diff([]answer{{"/v1/runtime/invocation/response/a%2F..%2Fb%20c", "1"}}, got); diff != "" {
		t.Errorf("posted (-want +got):\n%s", diff)
	}
}

// waits collects how long the runtime would have slept.
type waits struct {
	mu  sync.Mutex
	all []time.Duration
}

func (w *waits) option(o *runtime.Options) {
	o.Sleep = func(ctx context.Context, d time.Duration) error {
		w.mu.Lock()
		w.all = append(w.all, d)
		w.mu.Unlock()
		return ctx.Err()
	}
	o.Jitter = func() float64 { return 0 }
}

func TestFunctionGraph_WaitsLongerAndLongerWhenTheAPIDoesNotWork(t *testing.T) {
	t.Parallel()
	ms := func(all ...int) (d []time.Duration) {
		for _, n := range all {
			d = append(d, time.Duration(n)*time.Millisecond)
		}
		return d
	}
	echo := func(context.Context, runtime.Invocation) (any, error) { return 1, nil }

	t.Run("errors_and_answers_without_a_request_id_up_to_a_limit", func(t *testing.T) {
		t.Parallel()
		var w waits
		a := &api{}
		for n := range 10 {
			if n%2 == 0 {
				a.events = append(a.events, status(http.StatusBadGateway))
			} else {
				a.events = append(a.events, event("", "garbage"))
			}
		}
		serve(t, a, echo, w.option)
		// Half of what doubles, as the jitter is none.
		if diff := cmp.Diff(ms(25, 50, 100, 200, 400, 800, 1600, 2500, 2500, 2500), w.all); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
	})
	t.Run("an_event_starts_it_anew", func(t *testing.T) {
		t.Parallel()
		var w waits
		serve(t, &api{events: []http.HandlerFunc{status(500), status(500), event("r", "{}"), status(500)}}, echo, w.option)
		if diff := cmp.Diff(ms(25, 50, 25), w.all); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
	})
	t.Run("a_poll_that_lasted_starts_it_anew", func(t *testing.T) {
		t.Parallel()
		var w waits
		clock := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
		var mu sync.Mutex
		late := func(rw http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			clock = clock.Add(time.Minute)
			rw.WriteHeader(http.StatusGatewayTimeout)
		}
		serve(t, &api{events: []http.HandlerFunc{status(500), status(500), late, status(500)}}, echo, w.option, func(o *runtime.Options) {
			o.Now = func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return clock
			}
		})
		if diff := cmp.Diff(ms(25, 50, 25, 50), w.all); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
	})
	t.Run("nothing_listens", func(t *testing.T) {
		t.Parallel()
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var w waits
		silent := zerolog.Nop()
		opts := runtime.Options{Getenv: environment("RUNTIME_API_ADDR=" + addr), Logger: &silent}
		w.option(&opts)
		record := opts.Sleep
		opts.Sleep = func(ctx context.Context, d time.Duration) error {
			if len(w.all) == 3 {
				cancel()
			}
			return record(ctx, d)
		}
		if code := runtime.Run(ctx, echo, opts); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
		if diff := cmp.Diff(ms(25, 50, 100, 200), w.all); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
	})
}

func TestFunctionGraph_Posts(t *testing.T) {
	t.Parallel()
	handler := func(context.Context, runtime.Invocation) (any, error) { return 1, nil }
	for name, test := range map[string]struct {
		statuses []int
		want     int
	}{
		"an_answer_is_sent_again_when_the_API_fails": {[]int{500, 503, 429}, 4},
		"an_answer_is_given_up_after_four_tries":     {[]int{500, 500, 500, 500, 500}, 4},
		"a_refused_answer_is_not_sent_again":         {[]int{404}, 1},
		"any_2xx_will_do":                            {[]int{202}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := serve(t, &api{events: []http.HandlerFunc{event("r", "{}")}, statuses: test.statuses}, handler)
			if len(got) != test.want {
				t.Errorf("posted %d times, want %d", len(got), test.want)
			}
		})
	}
}

func TestFunctionGraph_HalfAnEventIsAnsweredAndNeverHandled(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]http.HandlerFunc{
		"connection_cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Cff-Request-Id", "half")
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"a":`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"too_large": event("half", strings.Repeat(" ", 8<<20+1)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handled := 0
			got := serve(t, &api{events: []http.HandlerFunc{broken, event("whole", "{}")}},
				func(context.Context, runtime.Invocation) (any, error) { handled++; return 1, nil })
			if handled != 1 || len(got) != 2 || got[0].Path != "/v1/runtime/invocation/error/half" ||
				!strings.Contains(got[0].Body, `"errorType":"RuntimeRequestError"`) {
				t.Errorf("handled %d events and posted %v; want one, after an error for the other", handled, got)
			}
		})
	}
}

func TestFunctionGraph_TheInvocationUnderWayIsFinishedWhenTheProcessIsToldToEnd(t *testing.T) {
	t.Parallel()
	a := &api{events: []http.HandlerFunc{event("r", "{}")}}
	got := serve(t, a, func(ctx context.Context, _ runtime.Invocation) (any, error) {
		a.end()
		return "done", ctx.Err()
	})
	if diff := cmp.Diff([]answer{{"/v1/runtime/invocation/response/r", `"done"`}}, got); diff != "" {
		t.Errorf("posted (-want +got):\n%s", diff)
	}
}

func TestFunctionGraph_Log(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := zerolog.New(&log)
	serve(t, &api{events: []http.HandlerFunc{
		event("id-1", `"PAYLOAD"`, "X-CFF-Access-Key: AKAKAK", "X-CFF-Secret-Key: SKSKSK", "X-CFF-Security-Token: STSTST", "X-CFF-Auth-Token: ATATAT"),
		event("id-2", `"PAYLOAD"`),
		event("", `"PAYLOAD"`),
		func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "PAYLOAD", http.StatusInternalServerError) },
	}}, func(ctx context.Context, inv runtime.Invocation) (any, error) {
		zerolog.Ctx(ctx).Info().Msg("from the handler")
		if inv.RequestID == "id-2" {
			panic("oh")
		}
		return "PAYLOAD", nil
	}, func(o *runtime.Options) { o.Logger = &logger })

	text := log.String()
	if !strings.Contains(text, `"requestId":"id-1","message":"from the handler"`) {
		t.Errorf("the handler's logger does not have the request id: %s", text)
	}
	if !strings.Contains(text, "functiongraph_test.go") {
		t.Errorf("the log lacks the stack of the panic: %s", text)
	}
	for _, secret := range []string{"PAYLOAD", "AKAKAK", "SKSKSK", "STSTST", "ATATAT"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log holds %s: %s", secret, text)
		}
	}
}
