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
						if limit == 0 && strings.Contains(fmt.Sprint(r.Header), "opy-Source") || limit == 0 && hasCopySource(r) {
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

func hasCopySource(r *http.Request) bool {
	return len(r.Header["x-amz-copy-source"])+len(r.Header["x-obs-copy-source"]) > 0
}

func TestBucket_Delete(t *testing.T) {
	t.Parallel()
	t.Run("names_the_objects_that_are_still_there", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		for _, key := range []string{"a", "locked/1", "locked/2", "z"} {
			w.put(t, key, nil)
		}
		w.server.Protect("bucket", "locked/")
		err := w.bucket.Delete(t.Context(), "a", "locked/1", "locked/2", "z")
		if err == nil || !strings.Contains(err.Error(), "locked/1 (AccessDenied") || !strings.Contains(err.Error(), "locked/2 (AccessDenied") {
			t.Errorf("error %v", err)
		}
		if keys, err := w.server.Keys("bucket", ""); err != nil || strings.Join(keys, " ") != "locked/1 locked/2" {
			t.Errorf("left %q, %v", keys, err)
		}
		err = w.bucket.Delete(t.Context(), "locked/1")
		if e, ok := errors.AsType[*obs.Error](err); !ok || e.Status != 403 || e.Key != "locked/1" {
			t.Errorf("error %v", err)
		}
	})
	t.Run("deletes_one_by_one_where_there_are_no_batches", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		var keys []string
		for i := range 40 {
			keys = append(keys, fmt.Sprint(i))
			w.put(t, fmt.Sprint(i), nil)
		}
		w.failFirst("DeleteObjects", 1, objectstore.Fault{Status: 501, Code: "NotImplemented"})
		if err := w.bucket.Delete(t.Context(), keys...); err != nil {
			t.Fatal(err)
		}
		if left, err := w.server.Keys("bucket", ""); err != nil || len(left) != 0 {
			t.Errorf("left %q, %v", left, err)
		}
	})
	t.Run("does_not_believe_a_batch_that_passes_objects_over", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.put(t, "a", nil)
		w.put(t, "b", nil)
		w.failFirst("DeleteObjects", 1, objectstore.Fault{Replace: []byte(`<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>SlowDown</Code></Error></DeleteResult>`)})
		if err := w.bucket.Delete(t.Context(), "a", "b"); err != nil {
			t.Fatal(err)
		}
		if w.server.Calls("DeleteObject") != 1 {
			t.Errorf("%d single deletes, want 1", w.server.Calls("DeleteObject"))
		}
	})
	t.Run("does_not_let_XML_change_a_key", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.put(t, "a\nb", nil)
		w.put(t, "a\rb", nil)
		w.put(t, "c", nil)
		if err := w.bucket.Delete(t.Context(), "a\rb", "c"); err != nil {
			t.Fatal(err)
		}
		if _, ok := w.server.GetObject("bucket", "a\nb"); !ok {
			t.Error("another object was deleted")
		}
		if _, ok := w.server.GetObject("bucket", "a\rb"); ok {
			t.Error("the object is still there")
		}
	})
}

func TestBucket_List(t *testing.T) {
	t.Parallel()
	page := func(truncated bool, marker string, keys ...string) objectstore.Fault {
		var b strings.Builder
		fmt.Fprintf(&b, "<ListBucketResult><IsTruncated>%v</IsTruncated><NextMarker>%s</NextMarker>", truncated, marker)
		for _, key := range keys {
			fmt.Fprintf(&b, "<Contents><Key>%s</Key><Size>1</Size></Contents>", key)
		}
		b.WriteString("</ListBucketResult>")
		return objectstore.Fault{Replace: []byte(b.String())}
	}
	for name, fault := range map[string]objectstore.Fault{
		"repeats_a_page":                page(true, "", "b"),
		"promises_more_and_has_nothing": page(true, ""),
		"gives_a_key_of_another_prefix": page(false, "", "x"),
		"answers_with_another_document": {Replace: []byte("<html></html>")},
		"answers_with_nothing":          {Replace: []byte{}},
	} {
		t.Run("a_service_that_"+name+"_is_an_error", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.failFirst("ListObjects", 100, fault)
			if err := w.bucket.List(t.Context(), "b", "", func(store.Info) error { return nil }); err == nil {
				t.Error("no error")
			}
		})
	}
	t.Run("a_page_that_breaks_off_is_asked_for_again", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.put(t, "a", nil)
		w.put(t, "b", nil)
		w.failFirst("ListObjects", 1, objectstore.Fault{Truncate: true, TruncateAt: 100})
		var keys []string
		if err := w.bucket.List(t.Context(), "", "", func(info store.Info) error {
			keys = append(keys, info.Key)
			return nil
		}); err != nil || strings.Join(keys, "") != "ab" {
			t.Errorf("%q, %v", keys, err)
		}
	})
	t.Run("a_service_that_says_it_encodes_and_does_not_is_asked_without", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.put(t, "100%", nil)
		w.failFirst("ListObjects", 1, objectstore.Fault{Replace: []byte("<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>100%</Key></Contents></ListBucketResult>")})
		var keys []string
		if err := w.bucket.List(t.Context(), "", "", func(info store.Info) error {
			keys = append(keys, info.Key)
			return nil
		}); err != nil || strings.Join(keys, " ") != "100%" {
			t.Errorf("%q, %v", keys, err)
		}
	})
}
