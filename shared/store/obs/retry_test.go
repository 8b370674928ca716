package obs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
)

func TestClient_Retries(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]objectstore.Fault{
		"500":                             {Status: 500, Code: "InternalError"},
		"502_of_a_gateway_in_HTML":        {Status: 502},
		"503":                             {Status: 503, Code: "SlowDown"},
		"408":                             {Status: 408, Code: "RequestTimeout"},
		"400_for_a_body_that_came_late":   {Status: 400, Code: "RequestTimeout"},
		"429":                             {Status: 429, Code: "TooManyRequests"},
		"409_of_writes_at_the_same_time":  {Status: 409, Code: "OperationAborted"},
		"a_connection_that_breaks_before": {ResetBefore: true},
		"a_connection_that_breaks_after":  {ResetAfter: true},
	} {
		t.Run(name+"_is_tried_again", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.failFirst("PutObject", 2, fault)
			if _, err := w.bucket.Put(t.Context(), "k", []byte("data"), store.Condition{}); err != nil {
				t.Fatal(err)
			}
			w.want(t, "k", "data")
			if n := w.server.Calls("PutObject"); n != 3 {
				t.Errorf("%d requests, want 3", n)
			}
		})
	}
	for name, fault := range map[string]objectstore.Fault{
		"400": {Status: 400, Code: "InvalidArgument"},
		"403": {Status: 403, Code: "AccessDenied"},
		"405": {Status: 405, Code: "MethodNotAllowed"},
		"501": {Status: 501, Code: "NotImplemented"},
		"301": {Status: 301, Code: "PermanentRedirect", Header: http.Header{"Location": {"https://elsewhere.example"}}},
	} {
		t.Run(name+"_is_final", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.failFirst("PutObject", 1, fault)
			_, err := w.bucket.Put(t.Context(), "k", []byte("data"), store.Condition{})
			if e, ok := errors.AsType[*obs.Error](err); !ok || e.Status != fault.Status || e.Code != fault.Code || e.RequestID == "" || e.Attempts != 1 {
				t.Errorf("error %#v, want status %d, code %s and a request id", err, fault.Status, fault.Code)
			}
			if n := w.server.Calls("PutObject"); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
	t.Run("end_after_six_attempts_and_say_so", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.failFirst("GetObject", 100, objectstore.Fault{Status: 503, Code: "SlowDown"})
		_, _, err := w.bucket.Get(t.Context(), "k")
		if err == nil || !strings.Contains(err.Error(), "after 6 attempts") || !strings.Contains(err.Error(), "503 SlowDown") {
			t.Errorf("error %v", err)
		}
		if n := w.server.Calls("GetObject"); n != 6 {
			t.Errorf("%d requests, want 6", n)
		}
	})
	t.Run("wait_longer_each_time", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.failFirst("PutObject", 4, objectstore.Fault{Status: 503, Code: "SlowDown"})
		if _, err := w.bucket.Put(t.Context(), "k", nil, store.Condition{}); err != nil {
			t.Fatal(err)
		}
		want := []time.Duration{200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond}
		if fmt.Sprint(w.pauses) != fmt.Sprint(want) {
			t.Errorf("paused %v, want %v", w.pauses, want)
		}
	})
	t.Run("wait_as_long_as_the_service_asks_for", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.failFirst("PutObject", 1, objectstore.Fault{Status: 429, Code: "TooManyRequests", Header: http.Header{"Retry-After": {"7"}}})
		if _, err := w.bucket.Put(t.Context(), "k", nil, store.Condition{}); err != nil {
			t.Fatal(err)
		}
		if len(w.pauses) != 1 || w.pauses[0] != 7*time.Second {
			t.Errorf("paused %v, want 7s", w.pauses)
		}
	})
	t.Run("stop_with_the_context", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(o *obs.Options) { o.Sleep = nil })
			w.failFirst("PutObject", 100, objectstore.Fault{Status: 503, Code: "SlowDown"})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			_, err := w.bucket.Put(ctx, "k", nil, store.Condition{})
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
				t.Errorf("error %v after %v, want the context's after 1s", err, took)
			}
		})
	})
}

func TestClient_TimeLimits(t *testing.T) {
	t.Parallel()
	t.Run("an_attempt_without_an_answer_is_given_up_and_repeated", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.failFirst("PutObject", 1, objectstore.Fault{Delay: time.Hour})
			start := time.Now()
			if _, err := w.bucket.Put(t.Context(), "k", []byte("x"), store.Condition{}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took != 30*time.Second {
				t.Errorf("took %v, want 30s", took)
			}
		})
	})
	t.Run("no_answer_at_all_is_an_error_that_is_not_the_caller's_deadline", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.failFirst("GetObject", 100, objectstore.Fault{Delay: time.Hour})
			_, _, err := w.bucket.Get(t.Context(), "k")
			if err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 30s") {
				t.Errorf("error %v", err)
			}
		})
	})
	t.Run("a_body_that_stands_still_is_an_error", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.put(t, "k", make([]byte, 1000))
			release := make(chan struct{})
			defer close(release)
			w.failFirst("GetObject", 1, objectstore.Fault{Truncate: true, TruncateAt: 10, Stall: release})
			body, _, err := w.bucket.Get(t.Context(), "k")
			if err != nil {
				t.Fatal(err)
			}
			defer body.Close()
			start := time.Now()
			n, err := io.Copy(io.Discard, body)
			if took := time.Since(start); err == nil || n != 10 || took != time.Minute || !strings.Contains(err.Error(), "stopped sending") {
				t.Errorf("read %d bytes, error %v after %v", n, err, took)
			}
		})
	})
	t.Run("a_reader_that_takes_its_time_is_none", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.put(t, "k", make([]byte, 1000))
			body, _, err := w.bucket.Get(t.Context(), "k")
			if err != nil {
				t.Fatal(err)
			}
			defer body.Close()
			time.Sleep(time.Hour)
			if n, err := io.Copy(io.Discard, body); n != 1000 || err != nil {
				t.Errorf("read %d bytes, error %v", n, err)
			}
		})
	})
}
