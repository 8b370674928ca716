package obs_test

import (
	"bytes"
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
	"testing/synctest"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
)

// world is a service in this process with one bucket, and a client that does not wait between attempts.
type world struct {
	server *objectstore.Server
	bucket *obs.Bucket
	mu     sync.Mutex
	pauses []time.Duration
}

func newWorld(t *testing.T, change ...func(*obs.Options)) *world {
	t.Helper()
	w := &world{server: objectstore.New(objectstore.Options{Keyring: keyring(testKeys)})}
	transport := w.server.Transport()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = w.server.Close()
	})
	if err := w.server.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	opts := obs.Options{
		Endpoint: obsEndpoint, AccessKey: testKeys.AccessKey, SecretKey: testKeys.SecretKey, Transport: transport,
		Jitter: func() float64 { return 0 },
		Sleep: func(ctx context.Context, d time.Duration) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.pauses = append(w.pauses, d)
			return ctx.Err()
		},
	}
	for _, fn := range change {
		fn(&opts)
	}
	client, err := obs.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	w.bucket = client.Bucket("bucket")
	return w
}

// failFirst makes the first n calls of an operation fail.
func (w *world) failFirst(operation string, n int, fault objectstore.Fault) {
	var mu sync.Mutex
	w.server.Intercept(func(call objectstore.Call) *objectstore.Fault {
		mu.Lock()
		defer mu.Unlock()
		if call.Operation != operation || n == 0 {
			return nil
		}
		n--
		return &fault
	})
}

func (w *world) put(t *testing.T, key string, data []byte) {
	t.Helper()
	if err := w.server.PutObject("bucket", key, data); err != nil {
		t.Fatal(err)
	}
}

func (w *world) want(t *testing.T, key, data string) {
	t.Helper()
	if got, ok := w.server.GetObject("bucket", key); !ok || string(got) != data {
		t.Errorf("the store holds %q (%v), want %q", got, ok, data)
	}
}

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

func TestBucket_Get(t *testing.T) {
	t.Parallel()
	t.Run("a_body_that_ends_early_is_an_error_on_Read", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.put(t, "k", make([]byte, 1000))
		w.failFirst("GetObject", 1, objectstore.Fault{Truncate: true, TruncateAt: 999})
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

func TestBucket_Put(t *testing.T) {
	t.Parallel()
	newer := []byte("new")
	t.Run("a_condition_that_its_own_lost_answer_broke_has_held", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.failFirst("PutObject", 1, objectstore.Fault{ResetAfter: true})
		if _, err := w.bucket.Put(t.Context(), "k", newer, store.Condition{IfNoneMatch: true}); err != nil {
			t.Fatal(err)
		}
		w.want(t, "k", "new")
	})
	t.Run("so_has_an_IfMatch", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		info, err := w.bucket.Put(t.Context(), "k", []byte("old"), store.Condition{})
		if err != nil {
			t.Fatal(err)
		}
		w.failFirst("PutObject", 1, objectstore.Fault{ResetAfter: true})
		if _, err := w.bucket.Put(t.Context(), "k", newer, store.Condition{IfMatch: info.ETag}); err != nil {
			t.Fatal(err)
		}
		w.want(t, "k", "new")
	})
	t.Run("a_race_lost_while_answers_were_lost_is_lost", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.put(t, "k", []byte("another's"))
		w.failFirst("PutObject", 1, objectstore.Fault{ResetAfter: true})
		_, err := w.bucket.Put(t.Context(), "k", newer, store.Condition{IfNoneMatch: true})
		if !errors.Is(err, store.ErrPrecondition) {
			t.Errorf("error %v, want ErrPrecondition", err)
		}
		w.want(t, "k", "another's")
	})
	t.Run("not_knowing_who_won_is_not_ErrPrecondition", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		first := true
		var mu sync.Mutex
		w.server.Intercept(func(call objectstore.Call) *objectstore.Fault {
			mu.Lock()
			defer mu.Unlock()
			if call.Operation == "GetObject" {
				return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
			}
			if first {
				first = false
				return &objectstore.Fault{ResetAfter: true}
			}
			return nil
		})
		_, err := w.bucket.Put(t.Context(), "k", newer, store.Condition{IfNoneMatch: true})
		if err == nil || errors.Is(err, store.ErrPrecondition) {
			t.Errorf("error %v, want one that is not ErrPrecondition", err)
		}
	})
	t.Run("bytes_that_the_store_lost_are_ErrDamaged", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		other := "0123456789abcdef0123456789abcdef"
		w.server.Intercept(func(call objectstore.Call) *objectstore.Fault {
			switch call.Operation {
			case "PutObject":
				return &objectstore.Fault{SetHeader: http.Header{"Etag": {`"` + other + `"`}}}
			case "GetObject":
				return &objectstore.Fault{Replace: []byte("neX")}
			}
			return nil
		})
		_, err := w.bucket.Put(t.Context(), "k", newer, store.Condition{})
		if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "bucket/k") {
			t.Errorf("error %v, want ErrDamaged of bucket/k", err)
		}
	})
	t.Run("an_ETag_that_is_no_MD5_is_settled_by_reading_back", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.failFirst("PutObject", 1, objectstore.Fault{SetHeader: http.Header{"Etag": {`"opaque"`}}})
		if _, err := w.bucket.Put(t.Context(), "k", newer, store.Condition{}); err != nil {
			t.Fatal(err)
		}
		if n := w.server.Calls("GetObject"); n != 1 {
			t.Errorf("read back %d times, want once", n)
		}
	})
	for _, size := range []int{3, 4} {
		t.Run(fmt.Sprintf("in_a_bucket_that_encrypts_%d_bytes_of_3_are_looked_at_by_size", size), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			encrypted := http.Header{"Etag": {`"0123456789abcdef0123456789abcdef"`}, "X-Amz-Server-Side-Encryption": {"aws:kms"}}
			w.server.Intercept(func(call objectstore.Call) *objectstore.Fault {
				header := encrypted.Clone()
				if call.Operation == "GetObjectMetadata" {
					header.Set("Content-Length", fmt.Sprint(size))
				}
				return &objectstore.Fault{SetHeader: header}
			})
			_, err := w.bucket.Put(t.Context(), "k", newer, store.Condition{})
			if (err == nil) != (size == 3) || (err != nil && !errors.Is(err, store.ErrDamaged)) {
				t.Errorf("error %v", err)
			}
			if n := w.server.Calls("GetObject"); n != 0 {
				t.Errorf("read back %d times", n)
			}
		})
	}
	t.Run("bytes_that_change_on_the_way_are_refused_by_their_MD5", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(o *obs.Options) { o.Transport = flipper{o.Transport} })
		_, err := w.bucket.Put(t.Context(), "k", newer, store.Condition{})
		if e, ok := errors.AsType[*obs.Error](err); !ok || e.Code != "BadDigest" {
			t.Errorf("error %v, want BadDigest", err)
		}
		if _, ok := w.server.GetObject("bucket", "k"); ok {
			t.Error("the damaged object was stored")
		}
	})
}

// flipper changes a bit of every body.
type flipper struct{ next http.RoundTripper }

func (f flipper) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if len(data) > 0 {
			data[0] ^= 1
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(data))
	}
	return f.next.RoundTrip(r)
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
		bucket := newClient(t, s3Endpoint, server.Transport()).Bucket("bucket")
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
		bucket := newClient(t, s3Endpoint, server.Transport()).Bucket("bucket")
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
