package dataarts_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/signer"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/request"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

var keys = iam.Credentials{AccessKey: "AK", SecretKey: "secret", SecurityToken: "token"}

// cloud is a service with one workspace, and a client of it that signs with the SDK's signer.
type cloud struct {
	*dataarts.Service
	t         testing.TB
	hosts     map[string]string // "v1" and "v2"
	workspace string            // header, left out if empty
	keys      iam.Credentials
	project   string
	headers   map[string]string
	direct    bool // calls the handlers without a network, for tests with a clock of their own
	client    *http.Client
}

// newCloud starts a service with the workspace ws1, which is the default one, on two ports of this machine.
func newCloud(t *testing.T, switches dataarts.Switches, change ...func(*dataarts.Options)) *cloud {
	t.Helper()
	c := newDirect(t, switches, change...)
	c.direct = false
	// Not the default client: every test server that closes takes that one's connections along, whoever uses them.
	c.client = &http.Client{Transport: &http.Transport{}}
	t.Cleanup(c.client.CloseIdleConnections)
	v1, v2 := httptest.NewServer(c.V1()), httptest.NewServer(c.V2())
	t.Cleanup(v1.Close)
	t.Cleanup(v2.Close)
	c.hosts = map[string]string{"v1": v1.URL, "v2": v2.URL}
	return c
}

// newDirect is newCloud without a network.
func newDirect(t testing.TB, switches dataarts.Switches, change ...func(*dataarts.Options)) *cloud {
	t.Helper()
	var ring iam.Keyring
	ring.Add(keys)
	var ids, seconds atomic.Int64
	opts := dataarts.Options{
		Keyring:    &ring,
		UserName:   func(string) string { return "test_user" },
		ProjectID:  "p1",
		InstanceID: "i1",
		Now:        func() time.Time { return time.Unix(1_695_642_745+seconds.Add(1), 0) },
		NewID:      func() string { return fmt.Sprintf("id-%d", ids.Add(1)) },
		Switches:   switches,
	}
	for _, f := range change {
		f(&opts)
	}
	s := dataarts.New(opts)
	s.AddWorkspace(dataarts.Workspace{ID: "ws1", Name: "default", IsDefault: true, LogLocation: "obs://dlf-log"})
	return &cloud{Service: s, t: t, workspace: "ws1", keys: keys, project: "p1", direct: true,
		hosts: map[string]string{"v1": "http://v1.example", "v2": "http://v2.example"}}
}

func (c *cloud) handle() *dataarts.WorkspaceHandle { return c.Workspace("ws1") }

// seed puts assets into the workspace.
func (c *cloud) seed(kind dataarts.Kind, raws ...string) {
	c.t.Helper()
	for _, raw := range raws {
		if err := c.handle().Put(kind, []byte(raw)); err != nil {
			c.t.Fatalf("seed: %v", err)
		}
	}
}

// answer is what a request brought.
type answer struct {
	status int
	body   string
	header http.Header
}

// try sends a request: target is a path below /v1/{project} or, with the prefix "v2:" on the other host, a path there, with {p} for the project. It may
// end in a query. A name in it is plain text, not escaped.
func (c *cloud) try(method, target, body string) (answer, error) {
	c.t.Helper()
	r, host := c.request(method, target, body)
	if c.direct {
		w := httptest.NewRecorder()
		map[string]http.Handler{"v1": c.V1(), "v2": c.V2()}[host].ServeHTTP(w, r)
		return answer{w.Code, w.Body.String(), w.Header()}, nil
	}
	response, err := c.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	data, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	return answer{response.StatusCode, string(data), response.Header}, err
}

// request makes a signed request, and says for which host.
func (c *cloud) request(method, target, body string) (r *http.Request, host string) {
	c.t.Helper()
	host = "v1"
	if rest, ok := strings.CutPrefix(target, "v2:"); ok {
		host, target = "v2", rest
	} else {
		target = "/v1/{p}" + target
	}
	path, rawQuery, _ := strings.Cut(target, "?")
	path = strings.Replace(path, "{p}", c.project, 1)
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		c.t.Fatalf("query %q: %v", rawQuery, err)
	}
	builder := request.NewHttpRequestBuilder().WithEndpoint(c.hosts[host]).WithPath(path).WithMethod(method).AddHeaderParam("X-Project-Id", c.project)
	for name := range values {
		builder.AddQueryParam(name, reflect.ValueOf(values.Get(name)))
	}
	if body != "" {
		builder.AddHeaderParam("Content-Type", "application/json;charset=UTF-8").WithBody("", body)
	}
	if c.workspace != "" {
		builder.AddHeaderParam("workspace", c.workspace)
	}
	if c.keys.SecurityToken != "" {
		builder.AddHeaderParam("X-Security-Token", c.keys.SecurityToken)
	}
	for name, value := range c.headers {
		builder.AddHeaderParam(name, value)
	}
	sdk := builder.Build()
	added, err := signer.Sign(sdk, c.keys.AccessKey, c.keys.SecretKey)
	if err != nil {
		c.t.Fatalf("sign: %v", err)
	}
	r, err = http.NewRequestWithContext(c.t.Context(), method, c.hosts[host], strings.NewReader(body))
	if err != nil {
		c.t.Fatalf("request: %v", err)
	}
	r.URL.Path, r.URL.RawQuery = path, values.Encode()
	for _, headers := range []map[string]string{sdk.GetHeaderParams(), added} {
		for name, value := range headers {
			r.Header.Set(name, value)
		}
	}
	return r, host
}

func (c *cloud) call(method, target, body string) answer {
	c.t.Helper()
	got, err := c.try(method, target, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, target, err)
	}
	return got
}

// want sends a request that must bring a status, and for errors a code.
func (c *cloud) want(status int, code, method, target, body string) string {
	c.t.Helper()
	got := c.call(method, target, body)
	if got.status != status {
		c.t.Fatalf("%s %s: status %d %s, want %d %s", method, target, got.status, shorten(got.body), status, code)
	}
	if code != "" && !strings.Contains(got.body, `"error_code":"`+code+`"`) {
		c.t.Fatalf("%s %s: %s, want code %s", method, target, shorten(got.body), code)
	}
	if status == http.StatusNoContent && (got.body != "" || got.header.Get("Content-Type") != "") {
		c.t.Fatalf("%s %s: 204 with a body %q", method, target, got.body)
	}
	return got.body
}

func shorten(s string) string { return s[:min(len(s), 300)] }

// object decodes a JSON object.
func object(t testing.TB, text string) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.UseNumber()
	var decoded map[string]any
	if err := decoder.Decode(&decoded); err != nil {
		t.Fatalf("decode %s: %v", shorten(text), err)
	}
	return decoded
}

// names returns the names of a list's rows, and its total.
func names(t *testing.T, text, list string) ([]string, string) {
	t.Helper()
	decoded := object(t, text)
	found := []string{}
	rows, ok := decoded[list].([]any)
	if !ok {
		t.Fatalf("no %s in %s", list, shorten(text))
	}
	for _, row := range rows {
		name, _ := row.(map[string]any)["name"].(string)
		found = append(found, name)
	}
	return found, fmt.Sprint(decoded["total"])
}

func batchJob(name string) string {
	return `{"name":"` + name + `","nodes":[],"schedule":{"type":"EXECUTE_ONCE"},"processType":"BATCH"}`
}

func dependentJob(name string, on ...string) string {
	list, _ := json.Marshal(on)
	return `{"name":"` + name + `","nodes":[],"processType":"BATCH","schedule":{"type":"CRON","cron":{"startTime":"2026-01-01T00:00:00+08",` +
		`"expression":"0 0 1 * * ?","dependJobs":{"jobs":` + string(list) + `}}}}`
}

func shellScript(name string) string {
	return `{"name":"` + name + `","type":"Shell","content":"echo a","connectionName":"con"}`
}

func jar(name, directory string) string {
	return `{"name":"` + name + `","type":"jar","location":"obs://b/` + name + `.jar","directory":"` + directory + `"}`
}
