package obs_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
)

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
	t.Run("a_service_that_goes_backwards_is_an_error", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		first, second := page(true, "", "b2", "b3"), page(false, "", "b1")
		w.server.Intercept(func(call objectstore.Call) *objectstore.Fault {
			if call.Request.URL.Query().Get("marker") == "" {
				return &first
			}
			return &second
		})
		if err := w.bucket.List(t.Context(), "b", "", func(store.Info) error { return nil }); err == nil {
			t.Error("no error")
		}
	})
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
		w.server.Intercept(func(call objectstore.Call) *objectstore.Fault {
			if call.Request.URL.Query().Get("encoding-type") == "" {
				return nil
			}
			return &objectstore.Fault{Replace: []byte("<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>100%</Key></Contents></ListBucketResult>")}
		})
		var keys []string
		if err := w.bucket.List(t.Context(), "", "", func(info store.Info) error {
			keys = append(keys, info.Key)
			return nil
		}); err != nil || strings.Join(keys, " ") != "100%" {
			t.Errorf("%q, %v", keys, err)
		}
	})
}
