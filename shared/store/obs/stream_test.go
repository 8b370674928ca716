package obs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
)

func TestBucket_PutStream(t *testing.T) {
	t.Parallel()
	large := bytes.Repeat([]byte("0123456789abc"), 5) // 65 bytes: 7 parts of 10
	noUploadIsLeft := func(t *testing.T, w *world) {
		t.Helper()
		if begun, given := w.server.Calls("InitiateMultipartUpload"), w.server.Calls("AbortMultipartUpload"); begun != 1 || given != 1 {
			t.Errorf("%d uploads begun, %d given up, want 1 and 1", begun, given)
		}
		if _, ok := w.server.GetObject("bucket", "k"); ok {
			t.Error("there is an object")
		}
	}
	t.Run("of_up_to_a_part_is_one_request", func(t *testing.T) {
		t.Parallel()
		for _, size := range []int{0, 1, 9} {
			w := newWorld(t, smallParts)
			if _, err := w.bucket.PutStream(t.Context(), "k", bytes.NewReader(large[:size])); err != nil {
				t.Fatal(err)
			}
			w.want(t, "k", string(large[:size]))
			if w.server.Calls("PutObject") != 1 || w.server.Calls("InitiateMultipartUpload") != 0 {
				t.Errorf("%d bytes: %d puts, %d uploads", size, w.server.Calls("PutObject"), w.server.Calls("InitiateMultipartUpload"))
			}
		}
	})
	t.Run("of_more_goes_in_parts", func(t *testing.T) {
		t.Parallel()
		for size, parts := range map[int]int{11: 2, 20: 2, 35: 4, 65: 7} {
			w := newWorld(t, smallParts)
			info, err := w.bucket.PutStream(t.Context(), "k", bytes.NewReader(large[:size]))
			if err != nil {
				t.Fatal(err)
			}
			w.want(t, "k", string(large[:size]))
			if n := w.server.Calls("UploadPart"); n != parts || info.Size != int64(size) || info.LastModified.IsZero() || w.server.Calls("GetObject") != 0 {
				t.Errorf("%d bytes: %d parts, want %d; %+v", size, n, parts, info)
			}
		}
	})
	for _, lost := range []string{"InitiateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "GetObjectMetadata"} {
		t.Run("survives_a_lost_answer_to_"+lost, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, smallParts)
			w.failFirst(lost, 1, objectstore.Fault{ResetAfter: true})
			if _, err := w.bucket.PutStream(t.Context(), "k", bytes.NewReader(large)); err != nil {
				t.Fatal(err)
			}
			w.want(t, "k", string(large))
		})
		t.Run("survives_an_overload_at_"+lost, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, smallParts)
			w.failFirst(lost, 2, objectstore.Fault{Status: 503, Code: "SlowDown"})
			if _, err := w.bucket.PutStream(t.Context(), "k", bytes.NewReader(large)); err != nil {
				t.Fatal(err)
			}
			w.want(t, "k", string(large))
		})
	}
	for _, refused := range []string{"UploadPart", "CompleteMultipartUpload"} {
		t.Run("refused_at_"+refused+"_leaves_no_upload", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, smallParts)
			w.server.Intercept(func(call objectstore.Call) *objectstore.Fault {
				if call.Operation == refused {
					return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
				}
				return nil
			})
			_, err := w.bucket.PutStream(t.Context(), "k", bytes.NewReader(large))
			if e, ok := errors.AsType[*obs.Error](err); !ok || e.Code != "AccessDenied" || e.Key != "k" {
				t.Errorf("error %v", err)
			}
			noUploadIsLeft(t, w)
		})
	}
	t.Run("whose_source_fails_leaves_no_upload", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, smallParts)
		broken := errors.New("broken")
		_, err := w.bucket.PutStream(t.Context(), "k", io.MultiReader(bytes.NewReader(large), failing{broken}))
		if !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
		noUploadIsLeft(t, w)
	})
	t.Run("that_is_cancelled_leaves_no_upload", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, smallParts)
		ctx, cancel := context.WithCancel(t.Context())
		w.server.Intercept(func(call objectstore.Call) *objectstore.Fault {
			if call.Operation == "UploadPart" {
				cancel()
			}
			return nil
		})
		if _, err := w.bucket.PutStream(ctx, "k", bytes.NewReader(large)); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
		noUploadIsLeft(t, w)
	})
	t.Run("a_part_that_the_store_answers_another_ETag_for_is_ErrDamaged", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, smallParts)
		w.failFirst("UploadPart", 100, objectstore.Fault{SetHeader: http.Header{"Etag": {`"0123456789abcdef0123456789abcdef"`}}})
		if _, err := w.bucket.PutStream(t.Context(), "k", bytes.NewReader(large)); !errors.Is(err, store.ErrDamaged) {
			t.Errorf("error %v, want ErrDamaged", err)
		}
		noUploadIsLeft(t, w)
	})
	t.Run("bytes_that_change_on_the_way_are_refused_by_their_MD5", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, smallParts, func(o *obs.Options) { o.Transport = flipper{o.Transport} })
		_, err := w.bucket.PutStream(t.Context(), "k", bytes.NewReader(large))
		if e, ok := errors.AsType[*obs.Error](err); !ok || e.Code != "BadDigest" {
			t.Errorf("error %v, want BadDigest", err)
		}
		noUploadIsLeft(t, w)
	})
	for name, c := range map[string]struct {
		header  http.Header
		held    []byte
		damaged bool
	}{
		"of_another_size_is_ErrDamaged":                 {header: http.Header{"Content-Length": {"64"}}, damaged: true},
		"of_another_ETag_and_other_bytes_is_ErrDamaged": {header: http.Header{"Etag": {`"0123456789abcdef0123456789abcdef-7"`}}, held: bytes.ToUpper(large), damaged: true},
		"of_another_ETag_is_settled_by_reading_back":    {header: http.Header{"Etag": {`"opaque"`}}},
		"in_a_bucket_that_encrypts_is_not_read_back": {header: http.Header{"Etag": {`"0123456789abcdef0123456789abcdef"`},
			"X-Amz-Server-Side-Encryption": {"aws:kms"}}, held: []byte("not asked for")},
	} {
		t.Run("an_object_"+name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, smallParts)
			w.server.Intercept(func(call objectstore.Call) *objectstore.Fault {
				call.Request.Header.Del("If-Match") // the server knows its own ETag only
				switch call.Operation {
				case "GetObjectMetadata":
					return &objectstore.Fault{SetHeader: c.header}
				case "GetObject":
					return &objectstore.Fault{Replace: c.held}
				}
				return nil
			})
			if _, err := w.bucket.PutStream(t.Context(), "k", bytes.NewReader(large)); errors.Is(err, store.ErrDamaged) != c.damaged || (err != nil) != c.damaged {
				t.Errorf("error %v", err)
			}
		})
	}
}

// It runs alone, because it looks at the memory of the whole process.
func TestBucket_PutStreamOfManyPartsTakesTheMemoryOfAFew(t *testing.T) {
	const part, parts = 1 << 20, 64
	taken := &taker{}
	client, err := obs.New(obs.Options{Endpoint: s3Endpoint, AccessKey: "AK", SecretKey: "SK", Transport: taken, PartSize: part})
	if err != nil {
		t.Fatal(err)
	}
	var most uint64
	source := &source{left: part*parts - part/2, each: func() {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	info, err := client.Bucket("b").PutStream(t.Context(), "k", source)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size != part*parts-part/2 || taken.parts != parts {
		t.Errorf("%+v in %d parts", info, taken.parts)
	}
	if grown := int64(most) - int64(before.HeapAlloc); grown > 8*part {
		t.Errorf("the heap grew by %d bytes while %d were written in parts of %d", grown, part*parts, part)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// source gives zeros, and looks around after every four megabytes.
type source struct {
	left, since int
	each        func()
}

func (s *source) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), s.left)
	clear(p[:n])
	s.left -= n
	if s.since += n; s.since >= 4<<20 {
		s.since = 0
		s.each()
	}
	return n, nil
}

// taker is a service that keeps nothing but the number of parts and bytes.
type taker struct {
	parts int
	bytes int64
}

func (s *taker) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := &http.Response{StatusCode: 200, Status: "200 OK", Header: http.Header{}, Body: http.NoBody, Request: r}
	text := ""
	query := r.URL.Query()
	switch {
	case query.Has("uploads"):
		text = "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
	case query.Has("partNumber"):
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return nil, err
		}
		s.parts++
		s.bytes += n
		answer.Header.Set("Etag", `"part"`)
	case query.Has("uploadId"):
		text = `<CompleteMultipartUploadResult><ETag>"whole"</ETag></CompleteMultipartUploadResult>`
	case r.Method == http.MethodHead:
		answer.Header.Set("Etag", `"whole"`)
		answer.Header.Set("X-Amz-Server-Side-Encryption", "aws:kms")
		answer.Header.Set("Content-Length", fmt.Sprint(s.bytes))
		answer.ContentLength = s.bytes
	}
	if text != "" {
		answer.Body, answer.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	}
	return answer, nil
}
