package factory_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

// TestClient_Deadline is about calls that end early for want of time: to the caller they are an interruption of its work, and
// say nothing about the asset.
func TestClient_Deadline(t *testing.T) {
	t.Parallel()
	const left = 50 * time.Second
	// short is a context with 50 s left, far more than any of these tests takes.
	short := func(t *testing.T) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), left)
		t.Cleanup(cancel)
		return ctx
	}
	late := func(code int) *dataarts.Fault {
		return &dataarts.Fault{Status: code, Header: http.Header{"Retry-After": {"100"}}}
	}
	interrupted := func(t *testing.T, ctx context.Context, err error) {
		t.Helper()
		var e *factory.Error
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &e) || e.Operation == "" {
			t.Errorf("want an *Error that is the deadline's: %v", err)
		}
		if ctx.Err() != nil {
			t.Errorf("the context has ended, so this tells nothing: %v", ctx.Err())
		}
	}

	for _, code := range []int{429, 503} {
		t.Run(fmt.Sprintf("a Retry-After past it, with status %d", code), func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, dataarts.Switches{})
			c.fail(dataarts.ShowScript, late(code))
			ctx := short(t)
			_, err := c.workspace.Get(ctx, ref(asset.Scripts, "a"), "")
			interrupted(t, ctx, err)
			var e *factory.Error
			if errors.As(err, &e) && e.StatusCode != code || errors.Is(err, factory.ErrThrottled) != (code == 429) {
				t.Errorf("the answer is lost: %v", err)
			}
			if n := len(c.service.Calls()); n != 1 || len(c.clock.pauses()) != 0 {
				t.Errorf("%d calls, pauses %v", n, c.clock.pauses())
			}
		})
	}

	t.Run("a back-off past it", func(t *testing.T) {
		t.Parallel()
		for _, fault := range []*dataarts.Fault{status(500), {ResetBefore: true}, {Truncate: 0.5}} {
			c := newCloud(t, dataarts.Switches{})
			c.put(t, asset.Scripts, script("a"))
			c.fail(dataarts.ShowScript, fault)
			ctx := short(t)
			_ = c.clock.Sleep(ctx, left-200*time.Millisecond) // It fails only when the context has ended.
			_, err := c.workspace.Get(ctx, ref(asset.Scripts, "a"), "")
			interrupted(t, ctx, err)
			if n := len(c.service.Calls()); n != 1 {
				t.Errorf("%d calls", n)
			}
		}
	})

	t.Run("a pause of the whole client past it", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.put(t, asset.Scripts, script("b"))
		c.fail(dataarts.ShowScript, late(429))
		ctx := short(t)
		_, err := c.workspace.Get(ctx, ref(asset.Scripts, "a"), "")
		interrupted(t, ctx, err)
		_, err = c.workspace.Get(ctx, ref(asset.Scripts, "b"), "")
		interrupted(t, ctx, err)
		if n := len(c.service.Calls()); n != 1 || !errors.Is(err, factory.ErrThrottled) {
			t.Errorf("%v after %d calls", err, n)
		}
	})

	t.Run("an update whose answer was lost before it has an unknown outcome besides", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.put(t, asset.Jobs, job("a", "BATCH"))
		c.fail(dataarts.UpdateJob, late(503))
		ctx := short(t)
		err := c.workspace.Update(ctx, ref(asset.Jobs, "a"), "", json.RawMessage(job("a", "BATCH")))
		interrupted(t, ctx, err)
		if !errors.Is(err, factory.ErrUnknownOutcome) {
			t.Error(err)
		}
	})

	t.Run("a page that breaks off before it is not read again, although it got further", func(t *testing.T) {
		t.Parallel()
		var calls atomic.Int32
		w, clock := answering(t, func(rw http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(rw, `{"total":9,"scripts":[{"name":"r%d"}`, calls.Add(1))
		})
		ctx := short(t)
		_ = clock.Sleep(ctx, left-200*time.Millisecond) // It fails only when the context has ended.
		_, err := w.List(ctx, asset.Scripts, func(factory.Row) error { return nil })
		interrupted(t, ctx, err)
		if calls.Load() != 1 {
			t.Errorf("%d calls", calls.Load())
		}
	})

	t.Run("a context that ends in a pause", func(t *testing.T) {
		t.Parallel()
		reason := errors.New("the function is about to be stopped")
		c := newCloud(t, dataarts.Switches{})
		c.fail(dataarts.ShowScript, status(500))
		ctx, cancel := context.WithCancelCause(t.Context())
		c.options.Sleep = func(ctx context.Context, d time.Duration) error {
			if d > 100*time.Millisecond {
				cancel(reason)
			}
			return context.Cause(ctx)
		}
		_, err := newClient(t, c.options).Workspace("ws-1").Get(ctx, ref(asset.Scripts, "a"), "")
		if !errors.Is(err, context.Canceled) || !errors.Is(err, reason) {
			t.Error(err)
		}
	})

	own := map[string]func(t *testing.T, c *cloud){
		"an answer refused for good": func(_ *testing.T, c *cloud) { c.fail(dataarts.CreateJob, status(400)) },
		"the last attempt":           func(_ *testing.T, c *cloud) { c.options.MaxAttempts = 1; c.fail(dataarts.CreateJob, late(429)) },
		"a create with a lost answer, which is never repeated": func(_ *testing.T, c *cloud) {
			c.fail(dataarts.CreateJob, late(503))
		},
	}
	for name, prepare := range own {
		t.Run("but not what would not have waited: "+name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, dataarts.Switches{})
			prepare(t, c)
			_, err := newClient(t, c.options).Workspace("ws-1").Create(short(t), asset.Jobs, json.RawMessage(job("a", "BATCH")))
			if err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	}

	t.Run("nor a Retry-After that is too long by itself", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.fail(dataarts.ShowScript, &dataarts.Fault{Status: 503, Header: http.Header{"Retry-After": {"1000"}}})
		_, err := c.workspace.Get(t.Context(), ref(asset.Scripts, "a"), "")
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// TestClient_Deadline_OfAnAttempt lets the time limits of single attempts run out. net and net/http call their own ones
// context.DeadlineExceeded, which must not look like the caller's.
func TestClient_Deadline_OfAnAttempt(t *testing.T) {
	t.Parallel()
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	stalled := func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprint(rw, `{"name":`)
		_ = http.NewResponseController(rw).Flush()
		<-r.Context().Done()
	}
	slowDial := func(o *factory.Options, timeout time.Duration) {
		transport := factory.NewTransport()
		transport.Proxy = nil
		dialer := &net.Dialer{Timeout: timeout}
		// A resolver that never answers makes the dialer's own limit run out, without a network.
		dialer.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		transport.DialContext = dialer.DialContext
		o.Transport = transport
		o.Endpoint = "http://dataarts.example"
	}
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		limit   func(*factory.Options)
	}{
		"no head of the answer": {silent, func(o *factory.Options) { o.HeaderTimeout = 20 * time.Millisecond }},
		"a body that stalls":    {stalled, func(o *factory.Options) { o.StallTimeout = 20 * time.Millisecond }},
		"the transport's limit for the head": {silent, func(o *factory.Options) {
			transport := factory.NewTransport()
			transport.ResponseHeaderTimeout = 20 * time.Millisecond
			o.Transport = transport
		}},
		"the dialer's limit": {silent, func(o *factory.Options) { slowDial(o, 20*time.Millisecond) }},
		"no connection before the limit for the head": {silent, func(o *factory.Options) {
			slowDial(o, time.Minute)
			o.HeaderTimeout = 20 * time.Millisecond
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(serve(t, test.handler), newClock())
			o.MaxAttempts = 2
			test.limit(&o)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			_, err := newClient(t, o).Workspace("w").Get(ctx, ref(asset.Jobs, "a"), "")
			var e *factory.Error
			if !errors.As(err, &e) || e.Attempts != 2 {
				t.Errorf("want an *Error after 2 attempts: %v", err)
			}
			if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
				t.Errorf("looks like the caller's context: %v", err)
			}
		})
	}
}
