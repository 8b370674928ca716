package functiongraph_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
)

func TestTimerEvent(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.FixedZone("", 8*60*60))
	got := string(functiongraph.TimerEvent("nightly-backup", at, `{"workspaces":["a"]}`))
	want := `{"version":"v1.0","time":"2026-01-02T00:00:00+08:00","trigger_type":"TIMER","trigger_name":"nightly-backup","user_event":"{\"workspaces\":[\"a\"]}"}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

func TestObjectCreatedEvent(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 8, 15, 30, 123_000_000, time.UTC)
	event := functiongraph.ObjectCreatedEvent("vault", "restore-requests/a b+c.json", "0123456789abcdef0123456789abcdef", 64, at, "eu-de")
	// The fields of an event that the service sent.
	var fields struct {
		Records []struct {
			EventVersion, EventSource, AwsRegion, EventTime, EventName string
			UserIdentity                                               struct{ PrincipalID string }
			S3                                                         struct {
				Bucket struct {
					Name, Arn     string
					OwnerIdentity map[string]string
				}
				Object struct {
					Key, ETag, VersionID, Sequencer string
					Size                            int64
				}
			}
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(event))
	if err := decoder.Decode(&fields); err != nil {
		t.Fatal(err)
	}
	if len(fields.Records) != 1 {
		t.Fatalf("%d records", len(fields.Records))
	}
	r := fields.Records[0]
	got := []string{r.EventVersion, r.EventSource, r.AwsRegion, r.EventTime, r.EventName, r.S3.Bucket.Name, r.S3.Object.Key, r.S3.Object.ETag, r.S3.Object.VersionID}
	want := []string{"2.0", "aws:s3", "eu-de", "2026-01-02T08:15:30.123Z", "ObjectCreated:Put", "vault", "restore-requests%2Fa+b%2Bc.json", "0123456789abcdef0123456789abcdef", "null"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	if r.S3.Object.Size != 64 || r.S3.Object.Sequencer == "" || r.S3.Bucket.OwnerIdentity["PrincipalId"] == "" {
		t.Errorf("event %s", event)
	}
}

// gateway serves a route to the test function.
func gateway(t *testing.T, opts functiongraph.APIGOptions) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(deploy(t, functiongraph.Options{}).APIG(opts))
	t.Cleanup(server.Close)
	return server
}

func post(t *testing.T, server *httptest.Server, path, body string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Add("X-Mixed-CASE", "one")
	req.Header.Add("X-Mixed-CASE", "two")
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func TestAPIG_Event(t *testing.T) {
	t.Parallel()
	const body = `{"do":"event"}`
	for name, test := range map[string]struct {
		opts  functiongraph.APIGOptions
		body  string
		stage string
	}{
		"base64_unless_told_otherwise": {functiongraph.APIGOptions{}, base64.StdEncoding.EncodeToString([]byte(body)), "RELEASE"},
		"plain":                        {functiongraph.APIGOptions{PlainBody: true, Stage: "TEST"}, body, "TEST"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := gateway(t, test.opts)
			host := server.Listener.Addr().String()
			_, port, _ := strings.Cut(host, ":")
			status, header, text := post(t, server, "/restores/a%20b?mode=plan&mode=b", body)
			if status != http.StatusOK {
				t.Fatalf("status %d: %s", status, text)
			}
			var got map[string]any
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatal(err)
			}
			id := header.Get("X-Request-Id")
			want := map[string]any{
				"body": test.body, "isBase64Encoded": !test.opts.PlainBody, "httpMethod": "POST", "path": "/restores/a b",
				"pathParameters": map[string]any{}, "queryStringParameters": map[string]any{"mode": "plan"},
				"headers": map[string]any{
					"host": host, "x-request-id": id, "x-real-ip": "127.0.0.1", "x-forwarded-for": "127.0.0.1",
					"x-forwarded-host": host, "x-forwarded-port": port, "x-forwarded-proto": "http", "x-mixed-case": "one,two",
					"accept-encoding": "gzip", "user-agent": "Go-http-client/1.1", "content-length": "14",
				},
				"requestContext": map[string]any{
					"apiId": "00000000000000000000000000000001", "requestId": id, "stage": test.stage, "sourceIp": "127.0.0.1",
				},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPIG_Answer(t *testing.T) {
	t.Parallel()
	server := gateway(t, functiongraph.APIGOptions{})
	for name, test := range map[string]struct {
		answer string
		status int
		body   string // the whole body of a good answer, a part of a bad one's
	}{
		"text":                {`{"isBase64Encoded":false,"statusCode":202,"headers":{"Location":"/restores/1"},"body":"hello"}`, 202, "hello"},
		"base64":              {`{"isBase64Encoded":true,"statusCode":404,"headers":{"Location":"/restores/1"},"body":"aGVsbG8="}`, 404, "hello"},
		"without_headers":     {`{"isBase64Encoded":false,"statusCode":200,"body":""}`, 500, "it lacks headers"},
		"without_the_others":  {`{"headers":{}}`, 500, "it lacks body, isBase64Encoded, statusCode"},
		"a_header_no_string":  {`{"isBase64Encoded":false,"statusCode":200,"headers":{"A":1},"body":""}`, 500, "FSS.1202"},
		"a_body_no_string":    {`{"isBase64Encoded":false,"statusCode":200,"headers":{},"body":{}}`, 500, "FSS.1202"},
		"a_body_not_base64":   {`{"isBase64Encoded":true,"statusCode":200,"headers":{},"body":"?"}`, 500, "body is not base64"},
		"a_status_that_isn't": {`{"isBase64Encoded":false,"statusCode":42,"headers":{},"body":""}`, 500, "statusCode is 42"},
		"no_object":           {`[]`, 500, "FSS.1202"},
		"nothing":             {``, 500, "FSS.1202"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			event, err := json.Marshal(map[string]string{"do": "bytes", "text": test.answer})
			if err != nil {
				t.Fatal(err)
			}
			status, header, body := post(t, server, "", string(event))
			if status != test.status {
				t.Errorf("status %d, want %d", status, test.status)
			}
			if status == 500 {
				if !strings.Contains(body, test.body) {
					t.Errorf("body %s, want %s in it", body, test.body)
				}
				return
			}
			if body != test.body || header.Get("Location") != "/restores/1" {
				t.Errorf("body %q with %v", body, header)
			}
		})
	}
}

func TestAPIG_Failures(t *testing.T) {
	t.Parallel()
	t.Run("a_request_that_may_not_pass_never_reaches_the_function", func(t *testing.T) {
		t.Parallel()
		d := deploy(t, functiongraph.Options{})
		server := httptest.NewServer(d.APIG(functiongraph.APIGOptions{Authorize: func(r *http.Request) error {
			if r.Header.Get("X-Mixed-Case") != "" {
				return errors.New("no signature")
			}
			return nil
		}}))
		defer server.Close()
		status, _, body := post(t, server, "", `{"do":"event"}`)
		if status != http.StatusUnauthorized || !strings.Contains(body, "APIG.0301") || d.Instances() != 0 {
			t.Errorf("status %d: %s; %d instances", status, body, d.Instances())
		}
	})
	t.Run("a_function_that_fails_is_a_500_without_its_words", func(t *testing.T) {
		t.Parallel()
		status, _, body := post(t, gateway(t, functiongraph.APIGOptions{}), "", `{"do":"fail","text":"secret"}`)
		if status != http.StatusInternalServerError || strings.Contains(body, "secret") {
			t.Errorf("status %d: %s", status, body)
		}
	})
	t.Run("the_gateway_hangs_up_on_a_slow_function", func(t *testing.T) {
		t.Parallel()
		status, _, body := post(t, gateway(t, functiongraph.APIGOptions{Timeout: 100 * time.Millisecond}), "", `{"do":"wait","milli":1000}`)
		if status != http.StatusGatewayTimeout || !strings.Contains(body, "Backend timeout") {
			t.Errorf("status %d: %s", status, body)
		}
	})
	t.Run("a_body_that_makes_the_event_too_large", func(t *testing.T) {
		t.Parallel()
		server := gateway(t, functiongraph.APIGOptions{})
		for _, size := range []int{5 << 20, 6<<20 + 1} { // with base64, and by itself
			if status, _, _ := post(t, server, "", strings.Repeat("x", size)); status != http.StatusRequestEntityTooLarge {
				t.Errorf("%d bytes: status %d", size, status)
			}
		}
	})
	t.Run("a_function_that_was_removed", func(t *testing.T) {
		t.Parallel()
		d := deploy(t, functiongraph.Options{})
		server := httptest.NewServer(d.APIG(functiongraph.APIGOptions{}))
		defer server.Close()
		d.Close()
		if status, _, _ := post(t, server, "", `{}`); status != http.StatusServiceUnavailable {
			t.Errorf("status %d", status)
		}
	})
}
