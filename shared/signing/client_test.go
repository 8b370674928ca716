package signing_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

// transport answers the n-th request, from 1 on.
type transport func(n int, r *http.Request) (*http.Response, error)

type counted struct {
	n  atomic.Int64
	do transport
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) { return c.do(int(c.n.Add(1)), r) }

func respond(status int, body string, header ...string) (*http.Response, error) {
	w := httptest.NewRecorder()
	for i := 0; i < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.WriteHeader(status)
	_, _ = w.WriteString(body)
	return w.Result(), nil
}

func client(t *testing.T, c *counted) *signing.Client {
	t.Helper()
	api, err := signing.NewClient(signing.Options{Endpoint: "https://api.test", ProjectID: "p", Credentials: keys, Transport: c, Jitter: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	return api
}

func TestClient_Do(t *testing.T) {
	t.Parallel()
	refusedConnection := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	lost := errors.New("connection reset by peer")
	tests := map[string]struct {
		once     bool
		do       transport
		attempts int64
		body     string
		err      string
		unknown  bool
	}{
		"an_answer": {do: func(int, *http.Request) (*http.Response, error) { return respond(202, `{"a":1}`) }, attempts: 1, body: `{"a":1}`},
		"what_passes_is_tried_again": {do: func(n int, _ *http.Request) (*http.Response, error) {
			switch n {
			case 1:
				return respond(503, "busy")
			case 2:
				return nil, lost
			}
			return respond(200, "ok")
		}, attempts: 3, body: "ok"},
		"three_times_at_most": {do: func(int, *http.Request) (*http.Response, error) {
			return respond(500, `{"error_code":"FSS.0500","error_msg":"oh"}`)
		},
			attempts: 3, err: "do it: status 500, FSS.0500, oh (3 attempts)", unknown: true},
		"a_refusal_is_final": {do: func(int, *http.Request) (*http.Response, error) {
			return respond(403, `{"request_id":"r1","code":"SMN.1","message":"no"}`)
		}, attempts: 1, err: "do it: status 403, SMN.1, no (request id r1)"},
		"an_error_of_AWS": {do: func(int, *http.Request) (*http.Response, error) {
			return respond(404, `{"Message":"gone"}`, "X-Amzn-ErrorType", "ResourceNotFoundException:http://internal/", "x-amzn-RequestId", "r2")
		}, attempts: 1, err: "do it: status 404, ResourceNotFoundException, gone (request id r2)"},
		"AWS_may_throttle_with_another_status": {once: true, do: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return respond(400, `{"message":"Rate exceeded"}`, "X-Amzn-ErrorType", "ThrottlingException")
			}
			return respond(200, "ok")
		}, attempts: 2, body: "ok"},
		"a_throttled_call_was_not_carried_out": {once: true, do: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return respond(429, "", "Retry-After", "2")
			}
			return respond(200, "ok")
		}, attempts: 2, body: "ok"},
		"what_must_happen_once_is_not_repeated_when_the_answer_is_lost": {once: true, do: func(int, *http.Request) (*http.Response, error) { return nil, lost },
			attempts: 1, err: "connection reset", unknown: true},
		"but_when_it_has_never_left_it_is": {once: true, do: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return nil, refusedConnection
			}
			return respond(200, "ok")
		}, attempts: 2, body: "ok"},
		"a_service_that_asks_for_too_long_a_pause": {do: func(int, *http.Request) (*http.Response, error) { return respond(503, "", "Retry-After", "3600") },
			attempts: 1, err: "status 503", unknown: true},
		"a_silent_service_is_given_up": {do: func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, attempts: 3, err: "no answer within 10s", unknown: true},
		"a_redirect_is_not_followed": {do: func(int, *http.Request) (*http.Response, error) {
			return respond(307, "", "Location", "https://evil.test")
		},
			attempts: 1, err: "status 307"},
		"what_quotes_the_keys_is_told_without": {do: func(int, *http.Request) (*http.Response, error) {
			return respond(401, fmt.Sprintf(`{"error_msg":"wrong signature for %s %s %s"}`, keys.AccessKey, keys.SecurityToken, keys.SecretKey))
		}, attempts: 1, err: "status 401, wrong signature for *** *** ***"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := &counted{do: test.do}
				body, err := client(t, c).Do(t.Context(), signing.Call{Operation: "do it", Method: http.MethodPost, Path: []string{"x"}, Body: []byte("{}"), Once: test.once})
				if c.n.Load() != test.attempts || string(body) != test.body {
					t.Errorf("%d attempts and %q, want %d and %q", c.n.Load(), body, test.attempts, test.body)
				}
				if test.err == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				failed, ok := errors.AsType[*signing.Error](err)
				if !ok || !strings.Contains(err.Error(), test.err) || failed.Unknown != test.unknown {
					t.Errorf("error %v (unknown %t), want %q (unknown %t)", err, failed.Unknown, test.err, test.unknown)
				}
			})
		})
	}
}

func TestClient_SendHasHeadersBothWays(t *testing.T) {
	t.Parallel()
	c := &counted{do: func(_ int, r *http.Request) (*http.Response, error) {
		return respond(202, "", "Got", r.Header.Get("Given"))
	}}
	answer, err := client(t, c).Send(t.Context(), signing.Call{Operation: "do it", Method: http.MethodPost, Header: map[string]string{"Given": "x"}})
	if err != nil || answer.Header.Get("Got") != "x" || len(answer.Body) > 0 {
		t.Errorf("%+v, %v", answer, err)
	}
}

func TestClient_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started := time.Now()
		c := &counted{do: func(int, *http.Request) (*http.Response, error) { return respond(503, "", "Retry-After", "5") }}
		if _, err := client(t, c).Do(ctx, signing.Call{Operation: "x", Method: http.MethodGet}); err == nil || c.n.Load() != 1 || time.Since(started) > time.Second {
			t.Errorf("%v after %d attempts and %v", err, c.n.Load(), time.Since(started))
		}
	})
}

func TestNewClient_NamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]signing.Options{
		"endpoint":   {Credentials: keys, Transport: &counted{}},
		"access key": {Endpoint: "host.test", Transport: &counted{}},
		"transport":  {Endpoint: "host.test", Credentials: keys},
	} {
		if _, err := signing.NewClient(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want one about the %s", err, want)
		}
	}
}
