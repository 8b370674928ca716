package factory_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

const project = "b384b9e9ab9b4ee8994c8633aabc9505"

// keys are valid in every test's cloud.
func keys() factory.Credentials {
	return factory.Credentials{AccessKey: "HPUATESTACCESSKEY001", SecretKey: "secret-of-the-test", SecurityToken: "token-of-the-test"}
}

// clock is a time that passes only by sleeping, so that back-off and pauses take no time in tests.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration // pauses of 100 ms and more: the others are pacing
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	if d >= 100*time.Millisecond {
		c.slept = append(c.slept, d)
	}
	return nil
}

func (c *clock) pauses() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]time.Duration(nil), c.slept...)
}

// options point at a server for both APIs, with a clock that costs no time.
func options(url string, c *clock) factory.Options {
	return factory.Options{
		Endpoint: url, V2Endpoint: url, ProjectID: project, Credentials: keys(), RateLimit: 1e6,
		UserAgent: "dataarts-backup/test", Now: c.Now, Sleep: c.Sleep, Jitter: func() float64 { return 0 },
	}
}

func newClient(t testing.TB, o factory.Options) *factory.Client {
	t.Helper()
	c, err := factory.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serve runs a handler and returns its address.
func serve(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// answering is a workspace on a server that is just this handler.
func answering(t testing.TB, handler http.HandlerFunc) (*factory.Workspace, *clock) {
	t.Helper()
	c := newClock()
	return newClient(t, options(serve(t, handler), c)).Workspace("ws-1"), c
}

// clientOf is a client of a server that is just this handler.
func clientOf(t testing.TB, handler http.HandlerFunc) *factory.Client {
	t.Helper()
	return newClient(t, options(serve(t, handler), newClock()))
}

// cloud is an emulated DataArts Factory with one workspace, and a client of it.
type cloud struct {
	service   *dataarts.Service
	inside    *dataarts.WorkspaceHandle
	options   factory.Options
	client    *factory.Client
	workspace *factory.Workspace
	clock     *clock
}

func newCloud(t testing.TB, switches dataarts.Switches) *cloud {
	t.Helper()
	keyring := &iam.Keyring{}
	k := keys()
	keyring.Add(iam.Credentials{AccessKey: k.AccessKey, SecretKey: k.SecretKey, SecurityToken: k.SecurityToken})
	service := dataarts.New(dataarts.Options{Keyring: keyring, ProjectID: project, InstanceID: "instance-1", Switches: switches})
	v1, v2 := httptest.NewServer(service.V1()), httptest.NewServer(service.V2())
	t.Cleanup(v1.Close)
	t.Cleanup(v2.Close)
	c := &cloud{service: service, clock: newClock()}
	c.inside = service.AddWorkspace(dataarts.Workspace{ID: "ws-1", Name: "default", IsDefault: true})
	c.options = options(v1.URL, c.clock)
	c.options.V2Endpoint = v2.URL
	c.client = newClient(t, c.options)
	c.workspace = c.client.Workspace("ws-1")
	return c
}

// put seeds an asset with this definition.
func (c *cloud) put(t testing.TB, kind asset.Kind, definition string) {
	t.Helper()
	if err := c.inside.Put(dataarts.Kind(kind), []byte(definition)); err != nil {
		t.Fatal(err)
	}
}

// fail lets the next calls of an operation meet these faults, one each; nil is none.
func (c *cloud) fail(op dataarts.Operation, faults ...*dataarts.Fault) {
	var mu sync.Mutex
	c.service.Intercept(func(_ *http.Request, got dataarts.Operation) *dataarts.Fault {
		mu.Lock()
		defer mu.Unlock()
		if got != op || len(faults) == 0 {
			return nil
		}
		fault := faults[0]
		faults = faults[1:]
		return fault
	})
}

func script(name string) string {
	return fmt.Sprintf(`{"name":%s,"type":"Shell","content":"echo %s","directory":"/","connectionName":"hosts"}`, quote(name), "x")
}

func job(name, processType string) string {
	return fmt.Sprintf(`{"name":%s,"processType":%q,"schedule":{"type":"CRON"},"nodes":[]}`, quote(name), processType)
}

func resource(directory, name string) string {
	return fmt.Sprintf(`{"name":%s,"type":"jar","location":"obs://b/x.jar","directory":%s,"desc":""}`, quote(name), quote(directory))
}

func quote(text string) string {
	b, _ := json.Marshal(text) // A string can always be marshalled.
	return string(b)
}

// names lists and returns the names in the order met.
func names(t testing.TB, w *factory.Workspace, kind asset.Kind) ([]string, factory.Listing) {
	t.Helper()
	var found []string
	listing, err := w.List(t.Context(), kind, func(r factory.Row) error {
		found = append(found, r.Ref.Name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found, listing
}
