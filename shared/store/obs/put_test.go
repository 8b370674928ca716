package obs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
)

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
	t.Run("a_condition_that_the_store_does_not_know_is_left_out", func(t *testing.T) {
		t.Parallel()
		for _, fault := range []objectstore.Fault{{Status: 501, Code: "NotImplemented"}, {Status: 400, Code: "InvalidArgument"}, {Status: 405, Code: "MethodNotAllowed"}} {
			for _, cond := range []store.Condition{{IfNoneMatch: true}, {IfMatch: "0123456789abcdef0123456789abcdef"}} {
				w := newWorld(t)
				w.failFirst("PutObject", 1, fault)
				if _, err := w.bucket.Put(t.Context(), "k", newer, cond); err != nil {
					t.Errorf("%+v: %v", fault, err)
				}
				w.want(t, "k", "new")
			}
		}
	})
	t.Run("a_refusal_for_any_other_reason_stands", func(t *testing.T) {
		t.Parallel()
		for _, fault := range []objectstore.Fault{{Status: 403, Code: "AccessDenied"}, {Status: 400, Code: "EntityTooLarge"}, {Status: 409, Code: "BucketNotEmpty"}} {
			w := newWorld(t)
			w.failFirst("PutObject", 1, fault)
			if _, err := w.bucket.Put(t.Context(), "k", newer, store.Condition{IfNoneMatch: true}); err == nil {
				t.Errorf("%+v: written", fault)
			}
			if _, err := w.bucket.Stat(t.Context(), "k"); !errors.Is(err, store.ErrNotExist) {
				t.Errorf("%+v: %v", fault, err)
			}
		}
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
