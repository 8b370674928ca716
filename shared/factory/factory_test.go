package factory_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	studio "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/dataartsstudio/v1/region"
	dgc "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/dgc/v1/region"
	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

func TestNew_RefusesOptions(t *testing.T) {
	t.Parallel()
	good := factory.Options{Endpoint: "https://dlf.example", ProjectID: "p", Credentials: keys()}
	if _, err := factory.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*factory.Options){
		"without an endpoint":         func(o *factory.Options) { o.Endpoint = "" },
		"without a project":           func(o *factory.Options) { o.ProjectID = "" },
		"without an access key":       func(o *factory.Options) { o.Credentials.AccessKey = "" },
		"without a secret key":        func(o *factory.Options) { o.Credentials.SecretKey = "" },
		"an endpoint with a query":    func(o *factory.Options) { o.Endpoint = "https://dlf.example?x=1" },
		"an endpoint with a user":     func(o *factory.Options) { o.Endpoint = "https://user:pw@dlf.example" },
		"an endpoint of another kind": func(o *factory.Options) { o.Endpoint = "obs://bucket" },
		"a broken V2 endpoint":        func(o *factory.Options) { o.V2Endpoint = "https://" },
		"a negative rate":             func(o *factory.Options) { o.RateLimit = -1 },
	} {
		o := good
		change(&o)
		_, err := factory.New(o)
		if err == nil || strings.Contains(err.Error(), "pw@") || strings.Contains(err.Error(), keys().SecretKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDefaultEndpoints(t *testing.T) {
	t.Parallel()
	t.Run("are the SDK's in every region of its tables", func(t *testing.T) {
		t.Parallel()
		// The tables are not exported, but the refusal of an unknown region lists them.
		_, err := dgc.SafeValueOf("nowhere")
		_, list, _ := strings.Cut(err.Error(), "[")
		regions := strings.Split(strings.TrimSuffix(list, "]"), ", ")
		if len(regions) < 20 {
			t.Fatalf("regions: %v", regions)
		}
		for _, region := range regions {
			one, err1 := dgc.SafeValueOf(region)
			two, err2 := studio.SafeValueOf(region)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			want1, want2 := one.Endpoints[0], two.Endpoints[0]
			if region == "eu-west-101" {
				want1 = strings.TrimSuffix(want1, ".com") + ".eu"
				want2 = strings.TrimSuffix(want2, ".com") + ".eu"
			}
			if v1, v2, ok := factory.DefaultEndpoints(region); !ok || v1 != want1 || v2 != want2 {
				t.Errorf("%s: %s %s %t, want %s %s", region, v1, v2, ok, want1, want2)
			}
		}
	})
	t.Run("are unknown on Open Telekom Cloud and elsewhere", func(t *testing.T) {
		t.Parallel()
		for _, region := range []string{"eu-de", "eu-nl", "", "nowhere"} {
			if v1, v2, ok := factory.DefaultEndpoints(region); ok || v1 != "" || v2 != "" {
				t.Errorf("%q: %s %s", region, v1, v2)
			}
		}
	})
}

func TestIsCode(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		code string
		is   error
	}{
		{"DLF.0100", factory.ErrNotFound}, {"DLF.20100", factory.ErrNotFound}, {"DLF.6201", factory.ErrNotFound}, {"DLF.6241", factory.ErrNotFound},
		{"DLF.0102", factory.ErrExists}, {"DLF.0202", factory.ErrExists}, {"DLF.6259", factory.ErrExists},
		{"APIG.0308", factory.ErrThrottled}, {"APIGW.0308", factory.ErrThrottled}, {"DLF.3051", nil}, {"", nil},
	} {
		err := fmt.Errorf("backup: %w", &factory.Error{Operation: "get job", StatusCode: 400, Code: test.code})
		for _, sentinel := range []error{factory.ErrNotFound, factory.ErrExists, factory.ErrThrottled, factory.ErrUnauthorized, factory.ErrUnknownOutcome, factory.ErrUnsupported} {
			if errors.Is(err, sentinel) != errors.Is(test.is, sentinel) {
				t.Errorf("%s is %v: %t", test.code, sentinel, errors.Is(err, sentinel))
			}
		}
		if factory.IsCode(err, test.code) != (test.code != "") || factory.IsCode(err, "DLF.9999") {
			t.Errorf("code of %v", err)
		}
	}
	if !factory.IsCode(&factory.Error{Code: "DLF.20819"}, "DLF.0819") || factory.IsCode(errors.New("DLF.0819"), "DLF.0819") {
		t.Error("DLF.20819 is DLF.0819")
	}
}

func TestClient_Paces(t *testing.T) {
	t.Parallel()
	t.Run("workers throttled together all come through", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{RateLimit: 20, RetryAfter: time.Second})
		c.put(t, asset.Scripts, script("a"))
		o := c.options
		o.RateLimit, o.Now, o.Sleep, o.Jitter = 60, nil, nil, nil
		client := newClient(t, o)
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				for range 5 {
					if _, err := client.Workspace("ws-1").Get(t.Context(), ref(asset.Scripts, "a"), ""); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wait.Wait()
		if client.Calls() != int64(len(c.service.Calls())) || client.Calls() > 100 {
			t.Errorf("%d calls for 40 answers", client.Calls())
		}
	})

	t.Run("at half of the rate after a 429, and after any answer with Retry-After", func(t *testing.T) {
		t.Parallel()
		for name, test := range map[string]struct {
			fault *dataarts.Fault
			want  time.Duration // between two calls
		}{
			"429":                  {&dataarts.Fault{Status: 429}, 200 * time.Millisecond},
			"429 with Retry-After": {&dataarts.Fault{Status: 429, Header: http.Header{"Retry-After": {"3"}}}, 200 * time.Millisecond},
			"503 with Retry-After": {&dataarts.Fault{Status: 503, Header: http.Header{"Retry-After": {"3"}}}, 200 * time.Millisecond},
			"503":                  {&dataarts.Fault{Status: 503}, 100 * time.Millisecond},
		} {
			c := newCloud(t, dataarts.Switches{})
			c.put(t, asset.Scripts, script("a"))
			c.fail(dataarts.ShowScript, test.fault)
			clk := newClock()
			o := c.options
			o.RateLimit, o.Now, o.Sleep = 10, clk.Now, clk.Sleep
			w := newClient(t, o).Workspace("ws-1")
			get := func() time.Time {
				if _, err := w.Get(t.Context(), ref(asset.Scripts, "a"), ""); err != nil {
					t.Fatal(err)
				}
				return clk.Now()
			}
			get()
			first := get()
			if between := get().Sub(first); between < test.want || between > test.want*11/10 {
				t.Errorf("%s: %s between two calls, want %s", name, between, test.want)
			}
		}
	})

	t.Run("V2 never above 10 requests a second, apart from V1", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.put(t, asset.Scripts, script("a"))
		for _, test := range []struct {
			call func(w *factory.Workspace) error
			want time.Duration // for 41 calls
		}{
			{func(w *factory.Workspace) error { _, err := w.Env(t.Context()); return err }, 4 * time.Second},
			{func(w *factory.Workspace) error {
				_, err := w.Get(t.Context(), ref(asset.Scripts, "a"), "")
				return err
			}, time.Second},
		} {
			clk := newClock()
			o := c.options
			o.RateLimit, o.Now, o.Sleep = 40, clk.Now, clk.Sleep
			w := newClient(t, o).Workspace("ws-1")
			started := clk.Now()
			for range 41 {
				if err := test.call(w); err != nil {
					t.Fatal(err)
				}
			}
			if took := clk.Now().Sub(started); took < test.want || took > test.want*104/100 {
				t.Errorf("41 calls took %s, want %s", took, test.want)
			}
		}
	})
}

func TestClient_Logs(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	ctx := zerolog.New(&log).Level(zerolog.DebugLevel).WithContext(t.Context())
	c := newCloud(t, dataarts.Switches{})
	c.put(t, asset.Scripts, script("ods"))
	c.fail(dataarts.ShowScript, status(503))
	if _, err := c.workspace.Get(ctx, ref(asset.Scripts, "ods"), ""); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("log:\n%s", log.String())
	}
	for i, want := range [][]string{{`"operation":"get script"`, `"asset":"ods"`, `"status":503`, `"attempt":1`}, {`"status":200`, `"attempt":2`, `"duration"`}} {
		for _, part := range want {
			if !strings.Contains(lines[i], part) {
				t.Errorf("line %d lacks %s: %s", i+1, part, lines[i])
			}
		}
	}
	for _, secret := range []string{keys().SecretKey, keys().SecurityToken, "echo"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log has %q:\n%s", secret, log.String())
		}
	}
}

func ExampleWorkspace_List() {
	v1, v2, _ := factory.DefaultEndpoints("eu-west-101")
	client, err := factory.New(factory.Options{
		Endpoint: v1, V2Endpoint: v2, ProjectID: "b384b9e9ab9b4ee8994c8633aabc9505",
		Credentials: factory.Credentials{AccessKey: "…", SecretKey: "…"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	workspace := client.Workspace("0dd3c0ffee")
	listing, err := workspace.List(context.Background(), asset.Jobs, func(row factory.Row) error {
		_, err := workspace.Get(context.Background(), row.Ref, row.ID)
		return err
	})
	fmt.Println(listing.Missing(), err)
}
