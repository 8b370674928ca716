package lambda_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/instance/instancetest"
	local "github.com/dataarts-backup/dataarts-backup/infra/local/lambda"
	"github.com/dataarts-backup/dataarts-backup/shared/lambda"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

const (
	region  = "eu-central-1"
	account = "000000000000"
	arn     = "arn:aws:lambda:" + region + ":" + account + ":function:backup"
)

// bootstrap is the path of a built function that does what its event says. TestMain sets it before any test runs.
var bootstrap string

func TestMain(m *testing.M) {
	os.Exit(instancetest.Main(m, "../runtime/internal/testfunction", &bootstrap))
}

// aws is an account with a backup function, as seen through a client's transport.
type aws struct {
	*local.Service
	function *local.Deployment
	keys     signing.Credentials
	server   *httptest.Server

	mu    sync.Mutex
	calls []string // method and path of each request
	sent  [][]byte // bodies
	// around may answer a request itself, or change the answer to it.
	around func(r *http.Request, send func() (*http.Response, error)) (*http.Response, error)
}

func newAWS(t *testing.T, o local.Options) *aws {
	t.Helper()
	a := &aws{keys: signing.Credentials{AccessKey: "ASIACALLER", SecretKey: "the-secret-of-the-role", SecurityToken: "the/token+of=the role"}}
	o.Keyring, o.Logs = &iam.Keyring{}, t.Output()
	o.Keyring.Add(iam.Credentials(a.keys))
	a.Service = local.New(o)
	a.server = httptest.NewServer(a.Service)
	t.Cleanup(func() { a.server.Close(); a.Close() })
	d, err := a.Deploy(t.Context(), local.Function{Name: "backup", Bootstrap: bootstrap, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	a.function = d
	return a
}

func (a *aws) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	a.mu.Lock()
	a.calls, a.sent = append(a.calls, r.Method+" "+r.URL.EscapedPath()), append(a.sent, body)
	a.mu.Unlock()
	send := func() (*http.Response, error) { return a.server.Client().Transport.RoundTrip(r) }
	if a.around != nil {
		return a.around(r, send)
	}
	return send()
}

// counted is how often a method was used.
func (a *aws) counted(method string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, call := range a.calls {
		if len(call) > len(method) && call[:len(method)] == method {
			n++
		}
	}
	return n
}

// client is a client for the function of this name.
func (a *aws) client(t *testing.T, function string, change ...func(*lambda.Options)) *lambda.Client {
	t.Helper()
	o := lambda.Options{Function: function, Region: region, LambdaEndpoint: a.server.URL, SchedulerEndpoint: a.server.URL, Credentials: a.keys, Transport: a,
		Sleep: noPause}
	for _, c := range change {
		c(&o)
	}
	c, err := lambda.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// create makes a schedule of the function.
func (a *aws) create(t *testing.T, name, settings string) {
	t.Helper()
	if err := a.CreateSchedule(name, settings); err != nil {
		t.Fatal(err)
	}
}

// nightly is the body that makes a schedule for a target.
func nightly(target string) string {
	return fmt.Sprintf(`{"FlexibleTimeWindow":{"Mode":"OFF"},"ScheduleExpression":"cron(0 0 * * ? *)","ScheduleExpressionTimezone":"Europe/Berlin",`+
		`"Target":{"Arn":%q,"RoleArn":"arn:aws:iam::000000000000:role/nightly","Input":"{\"time\":\"<aws.scheduler.scheduled-time>\"}"}}`, target)
}

func respond(status int, body string, header ...string) (*http.Response, error) {
	w := httptest.NewRecorder()
	for i := 0; i < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.WriteHeader(status)
	_, _ = w.WriteString(body)
	return w.Result(), nil
}

func noPause(context.Context, time.Duration) error { return nil }
