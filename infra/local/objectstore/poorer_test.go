package objectstore_test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
)

// listed is what a listing shows, folders included.
func listed(t *testing.T, server *objectstore.Server, query string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1/bucket"+query, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if err := iam.SignV4(r, keys, "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	w := &recorder{header: http.Header{}}
	server.ServeHTTP(w, r)
	var answer struct {
		Contents       []struct{ Key string }
		CommonPrefixes []struct{ Prefix string }
	}
	if err := xml.Unmarshal([]byte(w.body.String()), &answer); err != nil {
		t.Fatalf("%v in %s", err, w.body.String())
	}
	found := []string{}
	for _, c := range answer.Contents {
		found = append(found, c.Key)
	}
	for _, c := range answer.CommonPrefixes {
		found = append(found, c.Prefix)
	}
	return strings.Join(found, " ")
}

// recorder is an answer without a network, for tests with a clock of their own.
type recorder struct {
	header http.Header
	status int
	body   strings.Builder
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

func seeded(t *testing.T, keys ...string) *objectstore.Server {
	t.Helper()
	server := newServer(t)
	for _, key := range keys {
		if err := server.PutObject("bucket", key, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	return server
}

func TestServer_LateListings(t *testing.T) {
	t.Parallel()
	t.Run("show_a_new_object_after_some_listings_that_should_have_it", func(t *testing.T) {
		t.Parallel()
		server := seeded(t, "a/old")
		server.LateListings(2, 0)
		send(t, server, "PUT", "http://127.0.0.1/bucket/a/new", "x", nil)
		send(t, server, "PUT", "http://127.0.0.1/bucket/a/old", "y", nil) // it stays listed
		for i, step := range []struct{ query, want string }{
			{"?prefix=b/", ""}, {"?prefix=a/", "a/old"}, {"?prefix=a/", "a/old"}, {"?prefix=a/", "a/new a/old"},
		} {
			if got := listed(t, server, step.query); got != step.want {
				t.Errorf("listing %d: %q, want %q", i, got, step.want)
			}
		}
		if _, body := send(t, server, "GET", "http://127.0.0.1/bucket/a/new", "", nil); body != "x" {
			t.Errorf("read %q", body)
		}
		server.LateListings(0, 0)
		send(t, server, "PUT", "http://127.0.0.1/bucket/a/newer", "x", nil)
		if got := listed(t, server, "?prefix=a/newer"); got != "a/newer" {
			t.Errorf("after it was switched off: %q", got)
		}
	})
	t.Run("do_not_show_the_folder_of_such_an_object_either", func(t *testing.T) {
		t.Parallel()
		server := seeded(t, "both/old")
		server.LateListings(1, 0)
		for _, key := range []string{"both/new", "fresh/new"} {
			send(t, server, "PUT", "http://127.0.0.1/bucket/"+key, "x", nil)
		}
		for i, want := range []string{"both/", "both/ fresh/"} {
			if got := listed(t, server, "?delimiter=/"); got != want {
				t.Errorf("listing %d: %q, want %q", i, got, want)
			}
		}
	})
	t.Run("show_a_new_object_after_a_time", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			server := seeded(t, "a")
			server.LateListings(0, 10*time.Second)
			if err := server.PutObject("bucket", "b", nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10*time.Second - 1)
			if got := listed(t, server, ""); got != "a" {
				t.Errorf("before: %q", got)
			}
			time.Sleep(time.Nanosecond)
			if got := listed(t, server, ""); got != "a b" {
				t.Errorf("after: %q", got)
			}
		})
	})
}

func TestServer_DenyDeletes(t *testing.T) {
	t.Parallel()
	server := seeded(t, "locked/k", "free")
	server.DenyDeletes("bucket", "locked/")
	for _, step := range []struct {
		method, key string
		want        int
	}{
		{"PUT", "locked/k", 200}, {"DELETE", "locked/k", 403}, {"DELETE", "locked/none", 403}, {"DELETE", "free", 204},
	} {
		answer, body := send(t, server, step.method, "http://127.0.0.1/bucket/"+step.key, "x", nil)
		if answer.StatusCode != step.want || step.want == 403 && !strings.Contains(body, "<Code>AccessDenied</Code>") {
			t.Errorf("%s %s: %d %s", step.method, step.key, answer.StatusCode, body)
		}
	}
	if err := server.PutObject("bucket", "free", nil); err != nil {
		t.Fatal(err)
	}
	const two = `<Delete><Object><Key>locked/k</Key></Object><Object><Key>free</Key></Object></Delete>`
	_, body := send(t, server, "POST", "http://127.0.0.1/bucket?delete", two, nil)
	if !strings.Contains(body, "<Error><Key>locked/k</Key><Code>AccessDenied</Code>") {
		t.Errorf("answered %s", body)
	}
	if got := listed(t, server, ""); got != "locked/k" {
		t.Errorf("left %q", got)
	}
}

func TestServer_Faults_of_requests_that_are_carried_out(t *testing.T) {
	t.Parallel()
	t.Run("an_error_is_the_answer", func(t *testing.T) {
		t.Parallel()
		server := newServer(t)
		server.Intercept(func(objectstore.Call) *objectstore.Fault {
			return &objectstore.Fault{Status: 503, Code: "SlowDown", Applied: true, Header: http.Header{"Retry-After": {"3"}}}
		})
		answer, body := send(t, server, "PUT", "http://127.0.0.1/bucket/k", "x", nil)
		if answer.StatusCode != 503 || answer.Header.Get("Retry-After") != "3" || !strings.Contains(body, "<Code>SlowDown</Code>") {
			t.Errorf("answered %d %v %s", answer.StatusCode, answer.Header, body)
		}
		if data, ok := server.GetObject("bucket", "k"); !ok || string(data) != "x" {
			t.Errorf("stored %q", data)
		}
	})
	t.Run("the_answer_comes_late_and_in_pieces", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			server := seeded(t, "a", "b")
			whole := listed(t, server, "")
			server.Intercept(func(objectstore.Call) *objectstore.Fault {
				return &objectstore.Fault{DelayAfter: time.Minute, Dribble: time.Second, DribbleBytes: 100}
			})
			start := time.Now()
			r, err := http.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1/bucket", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if err := iam.SignV4(r, keys, "us-east-1", time.Now()); err != nil {
				t.Fatal(err)
			}
			w := &recorder{header: http.Header{}}
			server.ServeHTTP(w, r)
			if bytes := w.body.Len(); time.Since(start) != time.Minute+time.Duration((bytes+99)/100)*time.Second {
				t.Errorf("%d bytes took %s", bytes, time.Since(start))
			}
			server.Intercept(nil)
			if got := listed(t, server, ""); got != whole || !strings.Contains(w.body.String(), "<Key>b</Key>") {
				t.Errorf("listed %q", got)
			}
		})
	})
	t.Run("a_status_without_a_code_is_a_gateways", func(t *testing.T) {
		t.Parallel()
		server := newServer(t)
		for _, applied := range []bool{false, true} {
			server.Intercept(func(objectstore.Call) *objectstore.Fault { return &objectstore.Fault{Status: 502, Applied: applied} })
			answer, body := send(t, server, "PUT", fmt.Sprintf("http://127.0.0.1/bucket/%t", applied), "x", nil)
			if answer.StatusCode != 502 || !strings.HasPrefix(body, "<html>") {
				t.Errorf("answered %d %s", answer.StatusCode, body)
			}
			if _, ok := server.GetObject("bucket", fmt.Sprint(applied)); ok != applied {
				t.Errorf("stored: %v, want %v", ok, applied)
			}
		}
	})
}
