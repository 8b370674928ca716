package functiongraph_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	local "github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/instance/instancetest"
	"github.com/dataarts-backup/dataarts-backup/shared/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

var bootstrap string

func TestMain(m *testing.M) {
	os.Exit(instancetest.Main(m, "../runtime/internal/testfunction", &bootstrap))
}

const urn = "urn:fss:eu-de:0dd3:function:default:test:latest"

// service is the local FunctionGraph with one function, and a client of its API.
func service(t *testing.T, keys signing.Credentials, intercept func(http.ResponseWriter, *http.Request) bool) (*local.Deployment, *functiongraph.Client) {
	t.Helper()
	ring := &iam.Keyring{}
	ring.Add(iam.Credentials{AccessKey: "ak", SecretKey: "sk", SecurityToken: "st"})
	s := local.New(local.Options{Keyring: ring, ProjectID: "0dd3", Logs: t.Output()})
	t.Cleanup(s.Close)
	d, err := s.Deploy(t.Context(), local.Function{Name: "test", Bootstrap: bootstrap})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Management(local.ManagementOptions{Region: "eu-de", Keyring: ring, Intercept: intercept}))
	t.Cleanup(server.Close)
	c, err := functiongraph.New(functiongraph.Options{Endpoint: server.URL, ProjectID: "0dd3", Credentials: keys, Transport: server.Client().Transport,
		Sleep: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	return d, c
}

func TestClient_InvokeAsync(t *testing.T) {
	t.Parallel()
	d, c := service(t, signing.Credentials{AccessKey: "ak", SecretKey: "sk", SecurityToken: "st"}, nil)
	id, err := c.InvokeAsync(t.Context(), urn, []byte(`{"do":"see"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a, ok := d.Async(id); !ok || a.Status != local.AsyncSuccess || !strings.Contains(string(a.Result.Payload), id) {
		t.Errorf("the invocation %s is %+v: %s", id, a, a.Result.Payload)
	}
}

func TestClient_InvokeAsyncFails(t *testing.T) {
	t.Parallel()
	good := signing.Credentials{AccessKey: "ak", SecretKey: "sk", SecurityToken: "st"}
	for name, test := range map[string]struct {
		keys    signing.Credentials
		urn     string
		payload []byte
		answer  http.HandlerFunc
		want    string
		sent    int // requests
	}{
		"with_other_keys":             {signing.Credentials{AccessKey: "ak", SecretKey: "wrong", SecurityToken: "st"}, urn, nil, nil, "APIG.0301", 1},
		"without_the_token":           {signing.Credentials{AccessKey: "ak", SecretKey: "sk"}, urn, nil, nil, "APIG.0301", 1},
		"for_a_function_that_is_none": {good, strings.Replace(urn, "test", "other", 1), nil, nil, "FSS.1051", 1},
		"for_another_region":          {good, strings.Replace(urn, "eu-de", "eu-nl", 1), nil, nil, "FSS.1051", 1},
		"for_what_is_no_URN":          {good, "urn:fss:x/../y", nil, nil, "is not the URN of a function", 0},
		"above_256_KB":                {good, urn, bytes.Repeat([]byte(" "), functiongraph.MaxAsyncPayload+1), nil, "larger than an asynchronous invocation takes", 0},
		"when_nobody_answers": {good, urn, nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
			"status 503 (3 attempts)", 3},
		"when_the_answer_names_no_invocation": {good, urn, nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) },
			"holds no request id", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := 0
			d, c := service(t, test.keys, func(w http.ResponseWriter, r *http.Request) bool {
				sent++
				if test.answer != nil {
					test.answer(w, r)
				}
				return test.answer != nil
			})
			_, err := c.InvokeAsync(t.Context(), test.urn, test.payload)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\"sk\"") {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if tooLarge := errors.Is(err, functiongraph.ErrPayloadTooLarge); tooLarge != (test.payload != nil) {
				t.Errorf("errors.Is(ErrPayloadTooLarge) is %t", tooLarge)
			}
			if n := len(d.AsyncInvocations()); n != 0 || sent != test.sent {
				t.Errorf("%d invocations after %d requests, want none after %d", n, sent, test.sent)
			}
		})
	}
}

func TestClient_InvokeAsyncIsRepeatedWhenTheAnswerWasLost(t *testing.T) {
	t.Parallel()
	n := 0
	d, c := service(t, signing.Credentials{AccessKey: "ak", SecretKey: "sk", SecurityToken: "st"}, func(http.ResponseWriter, *http.Request) bool {
		if n++; n == 1 {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	if id, err := c.InvokeAsync(t.Context(), urn, []byte(`{"do":"see"}`)); err != nil || id == "" || n != 2 {
		t.Errorf("%q, %v after %d requests", id, err, n)
	}
	if err := d.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}
