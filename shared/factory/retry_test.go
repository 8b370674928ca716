package factory_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

func status(code int) *dataarts.Fault { return &dataarts.Fault{Status: code} }

func TestClient_RepeatsReads(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]*dataarts.Fault{
		"a reset connection":       {ResetBefore: true},
		"a lost answer":            {ResetAfter: true},
		"status 408":               status(408),
		"status 429":               status(429),
		"status 500":               status(500),
		"status 502 with HTML":     {Status: 502, Body: "<html><body>Bad gateway</body></html>"},
		"status 503":               status(503),
		"status 504":               status(504),
		"a body cut off":           {Truncate: 0.5},
		"malformed JSON":           {Status: 200, Body: `{"name":"a"`},
		"throttling in status 400": {Status: 400, Body: `{"error_code":"APIGW.0308","error_msg":"The throttling threshold has been reached"}`},
	} {
		t.Run("after "+name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, dataarts.Switches{})
			c.put(t, asset.Scripts, script("a"))
			c.fail(dataarts.ShowScript, fault, fault)
			if _, err := c.workspace.Get(t.Context(), ref(asset.Scripts, "a"), ""); err != nil {
				t.Error(err)
			}
			if n := len(c.service.Calls()); n != 3 || c.client.Calls() != 3 {
				t.Errorf("%d calls, %d counted", n, c.client.Calls())
			}
			pauses := c.clock.pauses()
			if len(pauses) != 2 || pauses[0] < 250*time.Millisecond || pauses[1] < 2*pauses[0]-time.Millisecond {
				t.Errorf("pauses %v do not back off", pauses)
			}
		})
	}

	for _, code := range []int{301, 302, 307, 400, 401, 403, 404, 405, 409, 413} {
		t.Run(fmt.Sprintf("but not after status %d", code), func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, dataarts.Switches{})
			c.put(t, asset.Scripts, script("a"))
			c.fail(dataarts.ShowScript, &dataarts.Fault{Status: code, Header: http.Header{"Location": {"/v1/elsewhere"}}})
			_, err := c.workspace.Get(t.Context(), ref(asset.Scripts, "a"), "")
			var e *factory.Error
			if !errors.As(err, &e) || e.StatusCode != code || len(c.service.Calls()) != 1 || errors.Is(err, factory.ErrNotFound) {
				t.Errorf("%v after %d calls", err, len(c.service.Calls()))
			}
		})
	}

	t.Run("as often as the options say", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.options.MaxAttempts = 4
		c.fail(dataarts.ShowScript, slices.Repeat([]*dataarts.Fault{{Status: 503, Body: "busy"}}, 9)...)
		_, err := newClient(t, c.options).Workspace("ws-1").Get(t.Context(), ref(asset.Scripts, "a"), "")
		if err == nil || len(c.service.Calls()) != 4 || !strings.Contains(err.Error(), "busy") || !strings.Contains(err.Error(), "4 attempts") {
			t.Errorf("%v after %d calls", err, len(c.service.Calls()))
		}
	})

	t.Run("waiting as long as Retry-After says, in seconds or as a date", func(t *testing.T) {
		t.Parallel()
		for _, code := range []int{429, 503} {
			c := newCloud(t, dataarts.Switches{})
			c.put(t, asset.Scripts, script("a"))
			date := c.clock.Now().Add(41 * time.Second).UTC().Format(http.TimeFormat)
			c.fail(dataarts.ShowScript,
				&dataarts.Fault{Status: code, Header: http.Header{"Retry-After": {"17"}}},
				&dataarts.Fault{Status: code, Header: http.Header{"Retry-After": {date}}})
			if _, err := c.workspace.Get(t.Context(), ref(asset.Scripts, "a"), ""); err != nil {
				t.Fatal(err)
			}
			pauses := c.clock.pauses()
			if len(pauses) != 2 || pauses[0].Round(time.Second) != 17*time.Second || (pauses[0]+pauses[1]-41*time.Second).Abs() > 2*time.Second {
				t.Errorf("status %d: pauses %v", code, pauses)
			}
		}
	})

	t.Run("but not when the pause is longer than the time that is left", func(t *testing.T) {
		t.Parallel()
		for _, code := range []int{429, 503} {
			c := newCloud(t, dataarts.Switches{})
			c.fail(dataarts.ShowScript, &dataarts.Fault{Status: code, Header: http.Header{"Retry-After": {"100"}}})
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
			defer cancel()
			_, err := c.workspace.Get(ctx, ref(asset.Scripts, "a"), "")
			if err == nil || errors.Is(err, factory.ErrThrottled) != (code == 429) || len(c.clock.pauses()) != 0 {
				t.Errorf("%v after pauses %v", err, c.clock.pauses())
			}
		}
	})

	t.Run("and nothing after the context has ended", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		reason := errors.New("the function is about to be stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		c.service.Intercept(func(*http.Request, dataarts.Operation) *dataarts.Fault {
			cancel(reason)
			return &dataarts.Fault{Status: 503}
		})
		_, err := c.workspace.Get(ctx, ref(asset.Scripts, "a"), "")
		if err == nil || len(c.service.Calls()) != 1 {
			t.Errorf("%v after %d calls", err, len(c.service.Calls()))
		}
		_, err = c.workspace.Get(ctx, ref(asset.Scripts, "a"), "")
		if !errors.Is(err, reason) || !errors.Is(err, context.Canceled) || len(c.service.Calls()) != 1 {
			t.Errorf("%v after %d calls", err, len(c.service.Calls()))
		}
	})
}

func TestClient_Writes(t *testing.T) {
	t.Parallel()
	ambiguous := map[string]*dataarts.Fault{
		"the connection breaks before":    {ResetBefore: true},
		"the connection breaks after":     {ResetAfter: true},
		"status 500":                      status(500),
		"status 503 with Retry-After":     {Status: 503, Header: http.Header{"Retry-After": {"1"}}},
		"status 504 after being applied":  {Status: 504, Applied: true},
		"status 408":                      status(408),
		"status 200 with a page of HTML":  {Status: 200, Body: "<html>", Applied: true},
		"status 200 with half of a reply": {Status: 200, Body: `{"resour`, Applied: true},
	}
	for name, fault := range ambiguous {
		t.Run("a create whose answer was lost is not repeated: "+name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, dataarts.Switches{})
			c.fail(dataarts.CreateResource, fault)
			_, err := c.workspace.Create(t.Context(), asset.Resources, json.RawMessage(resource("/", "a")))
			if !errors.Is(err, factory.ErrUnknownOutcome) || len(c.service.Calls()) != 1 {
				t.Errorf("%v after %d calls", err, len(c.service.Calls()))
			}
			if err != nil && !strings.Contains(err.Error(), "unknown whether it was applied") {
				t.Errorf("the error does not say it: %v", err)
			}
		})
		t.Run("neither are start and stop: "+name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, dataarts.Switches{})
			c.put(t, asset.Jobs, job("a", "BATCH"))
			c.fail(dataarts.StartJob, fault)
			if err := c.workspace.StartJob(t.Context(), "a"); !errors.Is(err, factory.ErrUnknownOutcome) {
				t.Error(err)
			}
			c.fail(dataarts.StopJob, fault)
			if err := c.workspace.StopJob(t.Context(), "a"); !errors.Is(err, factory.ErrUnknownOutcome) {
				t.Error(err)
			}
			if n := len(c.service.Calls()); n != 2 {
				t.Errorf("%d calls", n)
			}
		})
		t.Run("an update is repeated, twice is the same as once: "+name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, dataarts.Switches{})
			c.put(t, asset.Jobs, job("a", "BATCH"))
			c.fail(dataarts.UpdateJob, fault)
			if err := c.workspace.Update(t.Context(), ref(asset.Jobs, "a"), "", json.RawMessage(job("a", "BATCH"))); err != nil {
				t.Error(err)
			}
			c.fail(dataarts.CreateFactoryEnv, fault)
			if err := c.workspace.PutEnv(t.Context(), json.RawMessage(`{"params":[]}`)); err != nil {
				t.Error(err)
			}
			if n := len(c.service.Calls()); n != 4 {
				t.Errorf("%d calls", n)
			}
		})
		t.Run("a delete is repeated, and finding nothing then is success: "+name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, dataarts.Switches{})
			c.put(t, asset.Jobs, job("a", "BATCH"))
			c.fail(dataarts.DeleteJob, fault)
			if err := c.workspace.Delete(t.Context(), ref(asset.Jobs, "a"), ""); err != nil {
				t.Error(err)
			}
			if _, there := c.inside.Asset(dataarts.Jobs, "a"); there || len(c.service.Calls()) != 2 {
				t.Errorf("there %t after %d calls", there, len(c.service.Calls()))
			}
		})
	}

	t.Run("a delete that was throttled first and finds nothing then is not found", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.fail(dataarts.DeleteJob, status(429))
		if err := c.workspace.Delete(t.Context(), ref(asset.Jobs, "a"), ""); !errors.Is(err, factory.ErrNotFound) {
			t.Error(err)
		}
	})

	t.Run("an update that fails after an answer was lost has an unknown outcome", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.fail(dataarts.UpdateJob, &dataarts.Fault{ResetAfter: true})
		err := c.workspace.Update(t.Context(), ref(asset.Jobs, "a"), "", json.RawMessage(job("a", "BATCH")))
		if !errors.Is(err, factory.ErrUnknownOutcome) || !errors.Is(err, factory.ErrNotFound) {
			t.Error(err)
		}
	})

	t.Run("a create that was throttled was not seen and is repeated", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.fail(dataarts.CreateJob, status(429), status(429))
		if _, err := c.workspace.Create(t.Context(), asset.Jobs, json.RawMessage(job("a", "BATCH"))); err != nil || len(c.service.Calls()) != 3 {
			t.Errorf("%v after %d calls", err, len(c.service.Calls()))
		}
	})

	t.Run("a create that was refused is known", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.fail(dataarts.CreateJob, &dataarts.Fault{Status: 200, Body: `{"error_code":"DLF.3025","error_msg":"no"}`})
		_, err := c.workspace.Create(t.Context(), asset.Jobs, json.RawMessage(job("a", "BATCH")))
		if errors.Is(err, factory.ErrUnknownOutcome) || !factory.IsCode(err, "DLF.3025") {
			t.Error(err)
		}
	})

	t.Run("a create without a connection was not sent and is repeated", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		var dials atomic.Int32
		transport := factory.NewTransport()
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if dials.Add(1) <= 2 {
				return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
		c.options.Transport = transport
		w := newClient(t, c.options).Workspace("ws-1")
		if _, err := w.Create(t.Context(), asset.Jobs, json.RawMessage(job("a", "BATCH"))); err != nil || len(c.service.Calls()) != 1 {
			t.Errorf("%v after %d calls", err, len(c.service.Calls()))
		}
		transport.CloseIdleConnections()
	})

	t.Run("a create broken off by its context has an unknown outcome", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		ctx, cancel := context.WithCancel(t.Context())
		c.service.Intercept(func(r *http.Request, _ dataarts.Operation) *dataarts.Fault {
			cancel()
			<-r.Context().Done()
			return nil
		})
		_, err := c.workspace.Create(ctx, asset.Jobs, json.RawMessage(job("a", "BATCH")))
		if !errors.Is(err, factory.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		_, err = c.workspace.Create(ctx, asset.Jobs, json.RawMessage(job("a", "BATCH")))
		if errors.Is(err, factory.ErrUnknownOutcome) || !errors.Is(err, context.Canceled) {
			t.Errorf("nothing was sent: %v", err)
		}
	})
}

func TestClient_Timeouts(t *testing.T) {
	t.Parallel()
	t.Run("an answer that does not begin", func(t *testing.T) {
		t.Parallel()
		server := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		o := options(server, newClock())
		o.HeaderTimeout, o.MaxAttempts = 20*time.Millisecond, 2
		_, err := newClient(t, o).Workspace("w").Get(t.Context(), ref(asset.Jobs, "a"), "")
		if err == nil || !strings.Contains(err.Error(), "no answer in time") || errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})

	t.Run("a body that stands still", func(t *testing.T) {
		t.Parallel()
		server := serve(t, func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprint(rw, `{"name":`)
			_ = http.NewResponseController(rw).Flush()
			<-r.Context().Done()
		})
		o := options(server, newClock())
		o.StallTimeout, o.MaxAttempts = 20*time.Millisecond, 2
		_, err := newClient(t, o).Workspace("w").Get(t.Context(), ref(asset.Jobs, "a"), "")
		if err == nil || !strings.Contains(err.Error(), "stopped coming") || !strings.Contains(err.Error(), "2 attempts") {
			t.Error(err)
		}
	})

	t.Run("a body that comes slowly but steadily has all the time it needs, and so has its reader", func(t *testing.T) {
		t.Parallel()
		const stall = 400 * time.Millisecond
		server := serve(t, func(rw http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(rw, `{"total":8,"scripts":[`)
			for i := range 8 {
				if i > 0 {
					fmt.Fprint(rw, ",")
				}
				fmt.Fprintf(rw, `{"name":"r%d"}`, i)
				_ = http.NewResponseController(rw).Flush()
				time.Sleep(stall / 4) // Together twice the stall timeout.
			}
			fmt.Fprint(rw, "]}")
		})
		o := options(server, newClock())
		o.StallTimeout, o.HeaderTimeout, o.MaxAttempts = stall, stall, 1
		shown := 0
		_, err := newClient(t, o).Workspace("w").List(t.Context(), asset.Scripts, func(factory.Row) error {
			if shown++; shown == 1 {
				time.Sleep(2 * stall)
			}
			return nil
		})
		if err != nil || shown != 8 {
			t.Errorf("%d shown, %v", shown, err)
		}
	})

	t.Run("a body without end", func(t *testing.T) {
		t.Parallel()
		const limit = 1 << 20
		blanks := []byte(strings.Repeat(" ", limit))
		server := serve(t, func(rw http.ResponseWriter, _ *http.Request) {
			for range 3 {
				if _, err := rw.Write(blanks); err != nil {
					return
				}
			}
		})
		o := options(server, newClock())
		o.MaxBodySize = limit
		w := newClient(t, o).Workspace("w")
		if _, err := w.Get(t.Context(), ref(asset.Jobs, "a"), ""); err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Error(err)
		}
		if _, err := w.List(t.Context(), asset.Scripts, nil); err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Error(err)
		}
	})

	t.Run("a listing may be longer than any row of it", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		for _, name := range numbered(300) {
			c.put(t, asset.Scripts, script(name))
		}
		c.options.MaxBodySize = 1000
		found, listing := names(t, newClient(t, c.options).Workspace("ws-1"), asset.Scripts)
		if len(found) != 300 || !listing.Settled {
			t.Errorf("%d found, %+v", len(found), listing)
		}
	})
}
