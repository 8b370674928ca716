package obs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
)

// smallParts makes objects of a few bytes large ones.
func smallParts(o *obs.Options) { o.PartSize, o.CopyLimit = 10, 25 }

func TestBucket_Copy(t *testing.T) {
	t.Parallel()
	from := store.Location{Bucket: "bucket", Key: "from"}
	large := bytes.Repeat([]byte("0123456789abc"), 5) // 65 bytes: 3 parts inside the service, 7 through here
	refuse := func(operations ...string) func(objectstore.Call) *objectstore.Fault {
		return func(call objectstore.Call) *objectstore.Fault {
			for _, operation := range operations {
				if call.Operation == operation {
					return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
				}
			}
			return nil
		}
	}
	t.Run("is_done_by_the_service_in_one_request", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.put(t, "from", large)
		info, err := w.bucket.Copy(t.Context(), from, "to")
		if err != nil || info.Size != 65 || info.LastModified.IsZero() {
			t.Errorf("%+v, %v", info, err)
		}
		if w.server.Calls("CopyObject") != 1 || w.server.Calls("GetObject") != 0 {
			t.Errorf("%d copies and %d reads", w.server.Calls("CopyObject"), w.server.Calls("GetObject"))
		}
	})
	t.Run("is_done_by_the_service_whatever_the_key", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, smallParts)
		for i, data := range []string{"small", string(large)} {
			key := fmt.Sprintf("%d/a b+c%%20 作业?#", i)
			w.put(t, key, []byte(data))
			if _, err := w.bucket.Copy(t.Context(), store.Location{Bucket: "bucket", Key: key}, "to"); err != nil {
				t.Fatal(err)
			}
			w.want(t, "to", data)
		}
		if n := w.server.Calls("GetObject"); n != 0 {
			t.Errorf("%d reads", n)
		}
	})
	t.Run("of_a_large_object_is_done_by_the_service_in_parts", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, smallParts)
		w.put(t, "from", large)
		if _, err := w.bucket.Copy(t.Context(), from, "to"); err != nil {
			t.Fatal(err)
		}
		w.want(t, "to", string(large))
		if w.server.Calls("CopyPart") != 3 || w.server.Calls("GetObject") != 0 {
			t.Errorf("%d parts and %d reads", w.server.Calls("CopyPart"), w.server.Calls("GetObject"))
		}
	})
	for name, refused := range map[string][]string{"whole": {"CopyObject"}, "in_parts": {"CopyPart"}} {
		t.Run("that_the_service_refuses_"+name+"_goes_through_here_in_parts", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, smallParts, func(o *obs.Options) {
				if name == "whole" {
					o.CopyLimit = 1000
				}
			})
			w.put(t, "from", large)
			w.server.Intercept(refuse(refused...))
			if _, err := w.bucket.Copy(t.Context(), from, "to"); err != nil {
				t.Fatal(err)
			}
			w.want(t, "to", string(large))
			if w.server.Calls("UploadPart") != 7 {
				t.Errorf("%d parts, want 7", w.server.Calls("UploadPart"))
			}
		})
	}
	t.Run("of_a_small_object_goes_through_here_in_one_piece", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.put(t, "from", large)
		w.server.Intercept(refuse("CopyObject"))
		if _, err := w.bucket.Copy(t.Context(), from, "to"); err != nil {
			t.Fatal(err)
		}
		w.want(t, "to", string(large))
	})
	t.Run("that_fails_both_ways_says_why_and_leaves_no_upload", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, smallParts)
		w.put(t, "from", large)
		w.server.Intercept(refuse("CopyPart", "UploadPart"))
		_, err := w.bucket.Copy(t.Context(), from, "to")
		if err == nil || !strings.Contains(err.Error(), "AccessDenied") || !strings.Contains(err.Error(), "bucket/from") {
			t.Errorf("error %v", err)
		}
		if w.server.Calls("AbortMultipartUpload") != w.server.Calls("InitiateMultipartUpload") {
			t.Errorf("%d uploads begun, %d given up", w.server.Calls("InitiateMultipartUpload"), w.server.Calls("AbortMultipartUpload"))
		}
	})
	t.Run("that_is_cancelled_gives_its_upload_up", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, smallParts)
		w.put(t, "from", large)
		ctx, cancel := context.WithCancel(t.Context())
		w.server.Intercept(func(call objectstore.Call) *objectstore.Fault {
			if call.Operation == "CopyPart" {
				cancel()
			}
			return nil
		})
		if _, err := w.bucket.Copy(ctx, from, "to"); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
		if n := w.server.Calls("AbortMultipartUpload"); n != 1 {
			t.Errorf("%d uploads given up, want 1", n)
		}
	})
	t.Run("whose_pieces_break_off_asks_for_them_again", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, smallParts, func(o *obs.Options) { o.CopyLimit = 1000 })
		w.put(t, "from", large)
		var mu sync.Mutex
		broken := map[string]bool{}
		w.server.Intercept(func(call objectstore.Call) *objectstore.Fault {
			mu.Lock()
			defer mu.Unlock()
			piece := call.Request.Header.Get("Range")
			switch {
			case call.Operation == "CopyObject":
				return &objectstore.Fault{Status: 501, Code: "NotImplemented"}
			case call.Operation == "GetObject" && !broken[piece]:
				broken[piece] = true
				return &objectstore.Fault{Truncate: true, TruncateAt: 3}
			}
			return nil
		})
		if _, err := w.bucket.Copy(t.Context(), from, "to"); err != nil {
			t.Fatal(err)
		}
		w.want(t, "to", string(large))
	})
	t.Run("whose_completion_lost_its_answer_is_done", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, smallParts)
		w.put(t, "from", large)
		w.failFirst("CompleteMultipartUpload", 1, objectstore.Fault{ResetAfter: true})
		if _, err := w.bucket.Copy(t.Context(), from, "to"); err != nil {
			t.Fatal(err)
		}
		w.want(t, "to", string(large))
	})
	for name, body := range map[string]string{
		"an_error":       "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>",
		"nothing_at_all": "",
	} {
		t.Run("answered_200_with_"+name+"_is_tried_again_and_then_an_error", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put(t, "from", large)
			w.failFirst("CopyObject", 100, objectstore.Fault{Replace: []byte(body)})
			if _, err := w.bucket.Copy(t.Context(), from, "to"); err == nil {
				t.Error("no error")
			}
			if n := w.server.Calls("CopyObject"); n != 6 {
				t.Errorf("%d attempts, want 6", n)
			}
		})
	}
	t.Run("of_a_source_that_changes_meanwhile_is_an_error", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, smallParts)
		w.put(t, "from", large)
		parts := 0
		w.server.Intercept(func(call objectstore.Call) *objectstore.Fault {
			if call.Operation == "CopyPart" {
				if parts++; parts == 2 {
					w.put(t, "from", bytes.ToUpper(large))
				}
			}
			return nil
		})
		if _, err := w.bucket.Copy(t.Context(), from, "to"); err == nil {
			t.Error("no error")
		}
		if _, ok := w.server.GetObject("bucket", "to"); ok {
			t.Error("a mixture of two objects was stored")
		}
	})
	t.Run("that_is_not_what_the_source_was_is_ErrDamaged", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.put(t, "from", large)
		w.server.Intercept(func(call objectstore.Call) *objectstore.Fault {
			if call.Operation == "GetObjectMetadata" && call.Key == "to" {
				return &objectstore.Fault{SetHeader: http.Header{"Content-Length": {"64"}}}
			}
			return nil
		})
		if _, err := w.bucket.Copy(t.Context(), from, "to"); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("error %v, want ErrDamaged", err)
		}
	})
	t.Run("that_is_gone_at_once_says_nothing_about_the_source", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.put(t, "from", large)
		w.server.Intercept(func(call objectstore.Call) *objectstore.Fault {
			if call.Key == "to" && call.Operation != "CopyObject" {
				return &objectstore.Fault{Status: 404, Code: "NoSuchKey"}
			}
			return nil
		})
		if _, err := w.bucket.Copy(t.Context(), from, "to"); err == nil || errors.Is(err, store.ErrNotExist) {
			t.Errorf("error %v, want one that is not ErrNotExist", err)
		}
	})
	t.Run("of_a_source_behind_a_gateway_that_answers_404_is_not_ErrNotExist", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.server.Intercept(func(objectstore.Call) *objectstore.Fault { return &objectstore.Fault{Status: 404} })
		if _, err := w.bucket.Copy(t.Context(), from, "to"); err == nil || errors.Is(err, store.ErrNotExist) {
			t.Errorf("error %v, want one that is not ErrNotExist", err)
		}
	})
	t.Run("in_parts_works_with_versitygw_in_both_dialects", func(t *testing.T) {
		t.Parallel()
		gateway := startGateway(t)
		server := objectstore.New(objectstore.Options{Keyring: keyring(testKeys), Backend: gateway.backend()})
		t.Cleanup(func() { _ = server.Close() })
		// Services want at least 5 MiB in every part but the last.
		data := bytes.Repeat([]byte("0123456789abcdef"), 11<<20/16)
		for endpoint, transport := range map[string]http.RoundTripper{s3Endpoint: gateway.transport(), obsEndpoint: server.Transport()} {
			for _, limit := range []int64{5 << 20, 0} {
				name, other := gateway.freshBuckets(t)
				client, err := obs.New(obs.Options{
					Endpoint: endpoint, AccessKey: testKeys.AccessKey, SecretKey: testKeys.SecretKey, PartSize: 5 << 20, CopyLimit: limit,
					Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
						if limit == 0 && hasCopySource(r) { // a service that copies nothing by itself
							return &http.Response{StatusCode: 501, Status: "501 Not Implemented", Body: http.NoBody, Header: http.Header{}}, nil
						}
						return transport.RoundTrip(r)
					}),
				})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := client.Bucket(other).Put(t.Context(), "large 文件", data, store.Condition{}); err != nil {
					t.Fatal(err)
				}
				if _, err := client.Bucket(name).Copy(t.Context(), store.Location{Bucket: other, Key: "large 文件"}, "copy"); err != nil {
					t.Error(endpoint, limit, err)
					continue
				}
				got, _, err := store.ReadAll(t.Context(), client.Bucket(name), "copy", 20<<20)
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("%s: the copy has %d bytes, error %v", endpoint, len(got), err)
				}
			}
		}
	})
}

// hasCopySource looks past http.Header.Get: the SDK's header names are in lower case.
func hasCopySource(r *http.Request) bool {
	return len(r.Header["x-amz-copy-source"])+len(r.Header["x-obs-copy-source"]) > 0 //nolint:staticcheck // not canonical on purpose
}
