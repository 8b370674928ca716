package obs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
)

func TestBucket_Get(t *testing.T) {
	t.Parallel()
	t.Run("a_body_that_ends_early_is_an_error_on_Read", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.put(t, "k", make([]byte, 1000))
		w.failFirst("GetObject", 1, objectstore.Fault{Truncate: true, TruncateAt: 999})
		body, _, err := w.bucket.Get(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		if _, err := io.ReadAll(body); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("error %v, want io.ErrUnexpectedEOF", err)
		}
	})
	t.Run("which_reading_it_whole_tries_again_a_few_times", func(t *testing.T) {
		t.Parallel()
		for fails, ok := range map[int]bool{1: true, 2: true, 3: false} {
			w := newWorld(t)
			w.put(t, "k", make([]byte, 1000))
			w.failFirst("GetObject", fails, objectstore.Fault{Truncate: true, TruncateAt: 999})
			data, _, err := store.ReadAll(t.Context(), w.bucket, "k", 1<<20)
			if ok && (err != nil || len(data) != 1000) || !ok && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("after %d: %d bytes, %v", fails, len(data), err)
			}
		}
	})
	t.Run("so_is_one_whose_transport_does_not_notice", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(o *obs.Options) {
			o.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{"Content-Length": {"10"}}, Body: io.NopCloser(strings.NewReader("short"))}, nil
			})
		})
		_, _, err := store.ReadAll(t.Context(), w.bucket, "k", 1<<20)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("error %v, want io.ErrUnexpectedEOF", err)
		}
	})
	t.Run("a_404_that_is_not_the_service's_is_not_ErrNotExist", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.failFirst("GetObject", 1, objectstore.Fault{Status: 404})
		_, _, err := w.bucket.Get(t.Context(), "k")
		if err == nil || errors.Is(err, store.ErrNotExist) {
			t.Errorf("error %v, want one that is not ErrNotExist", err)
		}
	})
	t.Run("a_404_about_something_else_is_not_ErrNotExist", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.failFirst("GetObject", 1, objectstore.Fault{Status: 404, Code: "XAdminUserNotFound"})
		_, _, err := w.bucket.Get(t.Context(), "k")
		if err == nil || errors.Is(err, store.ErrNotExist) {
			t.Errorf("error %v, want one that is not ErrNotExist", err)
		}
	})
}

func TestClient_Errors(t *testing.T) {
	t.Parallel()
	t.Run("never_hold_a_key", func(t *testing.T) {
		t.Parallel()
		temporary := iam.Credentials{AccessKey: "TEMPORARYKEY", SecretKey: "temporary-secret", SecurityToken: "temporary-token"}
		talker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprintf(w, "<Error><Code>InvalidAccessKeyId</Code><Message>%s %s %s %s</Message></Error>",
				temporary.AccessKey, temporary.SecretKey, temporary.SecurityToken, r.Header.Get("X-Amz-Security-Token"))
		}))
		defer talker.Close()
		client, err := obs.New(obs.Options{Endpoint: talker.URL, AccessKey: temporary.AccessKey, SecretKey: temporary.SecretKey, SecurityToken: temporary.SecurityToken})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = client.Bucket("b").Get(t.Context(), "k")
		if err == nil || !strings.Contains(err.Error(), "InvalidAccessKeyId") {
			t.Fatalf("error %v", err)
		}
		for _, secret := range []string{temporary.AccessKey, temporary.SecretKey, temporary.SecurityToken} {
			if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
				t.Errorf("error %v holds %q", err, secret)
			}
		}
	})
	t.Run("are_made_of_a_panic_in_the_SDK", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(o *obs.Options) {
			o.Transport = roundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: brokenBody{}}, nil
			})
		})
		err := w.bucket.List(t.Context(), "", "", func(store.Info) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "broken body") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("are_made_of_a_panic_below_the_SDK", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(o *obs.Options) {
			o.Transport = roundTripper(func(*http.Request) (*http.Response, error) { panic("broken transport") })
		})
		_, err := w.bucket.Put(t.Context(), "k", nil, store.Condition{})
		if err == nil || !strings.Contains(err.Error(), "broken transport") {
			t.Errorf("error %v", err)
		}
	})
}

// brokenBody panics where the SDK does not expect it.
type brokenBody struct{}

func (brokenBody) Read([]byte) (int, error) { panic("broken body") }
func (brokenBody) Close() error             { return nil }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestClient_Credentials(t *testing.T) {
	t.Parallel()
	for name, endpoint := range map[string]string{"OBS": obsEndpoint, "S3": s3Endpoint} {
		for _, token := range []string{"the-token", "another-token", ""} {
			t.Run(fmt.Sprintf("%s_with_token_%q", name, token), func(t *testing.T) {
				t.Parallel()
				temporary := iam.Credentials{AccessKey: "TEMPORARY", SecretKey: "secret", SecurityToken: "the-token"}
				server := objectstore.New(objectstore.Options{Keyring: keyring(temporary)})
				t.Cleanup(func() { _ = server.Close() })
				if err := server.CreateBucket("bucket"); err != nil {
					t.Fatal(err)
				}
				client, err := obs.New(obs.Options{Endpoint: endpoint, AccessKey: "TEMPORARY", SecretKey: "secret", SecurityToken: token, Transport: server.Transport()})
				if err != nil {
					t.Fatal(err)
				}
				_, err = client.Bucket("bucket").Put(t.Context(), "k", []byte("x"), store.Condition{})
				if (err == nil) != (token == "the-token") {
					t.Errorf("error %v", err)
				}
			})
		}
	}
}

func TestClient_TLSIsVerified(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	attempts := 0
	client, err := obs.New(obs.Options{
		Endpoint: server.URL, AccessKey: "a", SecretKey: "s",
		Sleep: func(context.Context, time.Duration) error { attempts++; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = client.Bucket("b").Get(t.Context(), "k")
	if err == nil || !strings.Contains(err.Error(), "certificate") || attempts != 0 {
		t.Errorf("error %v after %d pauses, want one about the certificate at once", err, attempts)
	}
}

func TestClient_Region(t *testing.T) {
	t.Parallel()
	t.Run("that_the_service_names_is_used_from_then_on", func(t *testing.T) {
		t.Parallel()
		server := objectstore.New(objectstore.Options{Keyring: keyring(testKeys), Region: "eu-central-1"})
		t.Cleanup(func() { _ = server.Close() })
		if err := server.CreateBucket("bucket"); err != nil {
			t.Fatal(err)
		}
		bucket := newClient(t, s3Endpoint, server.Transport(), 0).Bucket("bucket")
		for range 3 {
			if _, err := bucket.Put(t.Context(), "k", []byte("x"), store.Condition{}); err != nil {
				t.Fatal(err)
			}
		}
		if n := server.Calls("PutObject"); n != 4 {
			t.Errorf("%d requests for 3 objects, want 4", n)
		}
	})
	t.Run("is_learnt_by_calls_at_the_same_time", func(t *testing.T) {
		t.Parallel()
		server := objectstore.New(objectstore.Options{Keyring: keyring(testKeys), Region: "eu-central-1"})
		t.Cleanup(func() { _ = server.Close() })
		if err := server.CreateBucket("bucket"); err != nil {
			t.Fatal(err)
		}
		bucket := newClient(t, s3Endpoint, server.Transport(), 0).Bucket("bucket")
		var group sync.WaitGroup
		for i := range 16 {
			group.Go(func() {
				if _, err := bucket.Put(t.Context(), fmt.Sprint(i), []byte("x"), store.Condition{}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	})
	t.Run("is_also_learnt_from_versitygw", func(t *testing.T) {
		t.Parallel()
		gateway := startGateway(t)
		name, _ := gateway.freshBuckets(t)
		client, err := obs.New(obs.Options{
			Endpoint: s3Endpoint, Region: "eu-west-9", AccessKey: testKeys.AccessKey, SecretKey: testKeys.SecretKey, Transport: gateway.transport(),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Bucket(name).Put(t.Context(), "k", []byte("x"), store.Condition{}); err != nil {
			t.Error(err)
		}
	})
}
