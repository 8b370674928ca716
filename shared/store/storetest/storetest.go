// Package storetest is the contract of store.Store as a test suite. Every implementation passes it against every service that it
// is meant for; what a service cannot do is said in its Subject, and nothing else is left out.
package storetest

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Subject is what the suite is run against: two empty buckets of one service, and one that does not exist.
type Subject struct {
	Store, Other, Missing         store.Store
	Bucket, OtherBucket, NoBucket string // their names

	// Conditions: the service keeps conditions on writes. Without it, only unconditional writes are tested.
	Conditions bool
	// AnyKey: the service takes every key that OBS takes. Services that keep objects as files do not: a key cannot be a
	// directory of another one there, and no name between slashes has more than 255 bytes.
	AnyKey bool
	// PartSize is from how many bytes on Store writes a stream in parts; 0: 5 MiB.
	PartSize int
}

// Run runs the suite. open is called once for each test and returns a fresh Subject.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for name, test := range map[string]func(*testing.T, Subject){
		"Put":        testPut,
		"Conditions": testConditions,
		"Get":        testGet,
		"List":       testList,
		"Delete":     testDelete,
		"Copy":       testCopy,
		"PutStream":  testPutStream,
		"Stat":       testStat,
		"Start":      testStart,
		"Bucket":     testBucket,
		"Keys":       testKeys,
		"Contexts":   testContexts,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func testPut(t *testing.T, s Subject) {
	t.Run("an_object_has_exactly_the_bytes_that_were_written", func(t *testing.T) {
		for name, data := range map[string][]byte{
			"empty":     {},
			"one_byte":  {0},
			"all_bytes": allBytes(),
			"5_MB":      bytes.Repeat(allBytes(), 5<<20/256),
		} {
			t.Run(name, func(t *testing.T) {
				put(t, s.Store, "put/"+name, data)
				wantObject(t, s.Store, "put/"+name, data)
			})
		}
	})
	t.Run("the_answer_describes_the_object", func(t *testing.T) {
		data := []byte("作业")
		info := put(t, s.Store, "put/info", data)
		if want := (store.Info{Key: "put/info", Size: 6, ETag: md5Hex(data), LastModified: info.LastModified}); info != want {
			t.Errorf("Put said %+v, want %+v", info, want)
		}
	})
	t.Run("the_last_write_wins", func(t *testing.T) {
		put(t, s.Store, "put/twice", []byte("the first one is longer"))
		put(t, s.Store, "put/twice", []byte("second"))
		wantObject(t, s.Store, "put/twice", []byte("second"))
	})
	t.Run("the_caller's_bytes_stay_the_caller's", func(t *testing.T) {
		data := []byte("before")
		put(t, s.Store, "put/kept", data)
		copy(data, "after!")
		wantObject(t, s.Store, "put/kept", []byte("before"))
	})
	t.Run("a_missing_bucket_is_ErrNotExist", func(t *testing.T) {
		_, err := s.Missing.Put(t.Context(), "k", []byte("x"), store.Condition{})
		wantError(t, err, store.ErrNotExist, s.NoBucket, "k")
	})
	t.Run("many_writers_at_once_lose_nothing", func(t *testing.T) {
		var group sync.WaitGroup
		for i := range 64 {
			group.Go(func() {
				if _, err := s.Store.Put(t.Context(), fmt.Sprintf("put/many/%02d", i), fmt.Appendf(nil, "object %d", i), store.Condition{}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for i := range 64 {
			wantObject(t, s.Store, fmt.Sprintf("put/many/%02d", i), fmt.Appendf(nil, "object %d", i))
		}
	})
}

func testConditions(t *testing.T, s Subject) {
	if !s.Conditions {
		return
	}
	t.Run("IfNoneMatch_writes_where_there_is_nothing", func(t *testing.T) {
		if _, err := s.Store.Put(t.Context(), "c/new", []byte("x"), store.Condition{IfNoneMatch: true}); err != nil {
			t.Fatal(err)
		}
		wantObject(t, s.Store, "c/new", []byte("x"))
	})
	t.Run("IfNoneMatch_leaves_an_object_alone", func(t *testing.T) {
		put(t, s.Store, "c/old", []byte("old"))
		_, err := s.Store.Put(t.Context(), "c/old", []byte("new"), store.Condition{IfNoneMatch: true})
		wantError(t, err, store.ErrPrecondition, s.Bucket, "c/old")
		wantObject(t, s.Store, "c/old", []byte("old"))
	})
	t.Run("IfNoneMatch_refuses_even_the_same_bytes", func(t *testing.T) {
		put(t, s.Store, "c/same", []byte("same"))
		_, err := s.Store.Put(t.Context(), "c/same", []byte("same"), store.Condition{IfNoneMatch: true})
		wantError(t, err, store.ErrPrecondition, s.Bucket, "c/same")
	})
	t.Run("IfMatch_replaces_the_object_that_was_meant", func(t *testing.T) {
		info := put(t, s.Store, "c/match", []byte("one"))
		if _, err := s.Store.Put(t.Context(), "c/match", []byte("two"), store.Condition{IfMatch: info.ETag}); err != nil {
			t.Fatal(err)
		}
		wantObject(t, s.Store, "c/match", []byte("two"))
	})
	t.Run("IfMatch_leaves_another_object_alone", func(t *testing.T) {
		put(t, s.Store, "c/other", []byte("one"))
		_, err := s.Store.Put(t.Context(), "c/other", []byte("two"), store.Condition{IfMatch: md5Hex([]byte("not one"))})
		wantError(t, err, store.ErrPrecondition, s.Bucket, "c/other")
		wantObject(t, s.Store, "c/other", []byte("one"))
	})
	t.Run("IfMatch_writes_nothing_where_there_is_nothing", func(t *testing.T) {
		_, err := s.Store.Put(t.Context(), "c/none", []byte("x"), store.Condition{IfMatch: md5Hex(nil)})
		wantError(t, err, store.ErrPrecondition, s.Bucket, "c/none")
		_, _, err = s.Store.Get(t.Context(), "c/none")
		wantError(t, err, store.ErrNotExist, s.Bucket, "c/none")
	})
	t.Run("of_32_that_race_exactly_one_wins", func(t *testing.T) {
		for round := range 5 {
			key := fmt.Sprintf("c/race/%d", round)
			winners := make(chan []byte, 32)
			var group sync.WaitGroup
			for i := range 32 {
				group.Go(func() {
					data := fmt.Appendf(nil, "contender %d", i)
					switch _, err := s.Store.Put(t.Context(), key, data, store.Condition{IfNoneMatch: true}); {
					case err == nil:
						winners <- data
					case !errors.Is(err, store.ErrPrecondition):
						t.Error(err)
					}
				})
			}
			group.Wait()
			if len(winners) != 1 {
				t.Fatalf("%d winners, want 1", len(winners))
			}
			wantObject(t, s.Store, key, <-winners)
		}
	})
}

func testGet(t *testing.T, s Subject) {
	t.Run("it_describes_the_object", func(t *testing.T) {
		data := []byte("described")
		put(t, s.Store, "g/info", data)
		body, info, err := s.Store.Get(t.Context(), "g/info")
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		if info.Key != "g/info" || info.Size != int64(len(data)) || info.ETag != md5Hex(data) {
			t.Errorf("Get said %+v", info)
		}
	})
	t.Run("a_missing_object_is_ErrNotExist", func(t *testing.T) {
		_, _, err := s.Store.Get(t.Context(), "g/none")
		wantError(t, err, store.ErrNotExist, s.Bucket, "g/none")
	})
	t.Run("a_missing_bucket_is_ErrNotExist", func(t *testing.T) {
		_, _, err := s.Missing.Get(t.Context(), "k")
		wantError(t, err, store.ErrNotExist, s.NoBucket, "k")
	})
	t.Run("a_body_closed_early_leaves_the_store_usable", func(t *testing.T) {
		put(t, s.Store, "g/large", make([]byte, 1<<20))
		for range 4 {
			body, _, err := s.Store.Get(t.Context(), "g/large")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(body, make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
			if err := body.Close(); err != nil {
				t.Fatal(err)
			}
		}
		wantObject(t, s.Store, "g/large", make([]byte, 1<<20))
	})
}

func testCopy(t *testing.T, s Subject) {
	wantCopy := func(t *testing.T, from store.Location, key string, data []byte) {
		t.Helper()
		info, err := s.Store.Copy(t.Context(), from, key)
		if err != nil {
			t.Fatal(err)
		}
		if info.Key != key || info.Size != int64(len(data)) {
			t.Errorf("Copy said %+v", info)
		}
		wantObject(t, s.Store, key, data)
	}
	t.Run("within_a_bucket", func(t *testing.T) {
		put(t, s.Store, "cp/from", []byte("within"))
		wantCopy(t, store.Location{Bucket: s.Bucket, Key: "cp/from"}, "cp/to", []byte("within"))
		wantObject(t, s.Store, "cp/from", []byte("within"))
	})
	t.Run("from_another_bucket", func(t *testing.T) {
		put(t, s.Other, "cp/far", []byte("far"))
		wantCopy(t, store.Location{Bucket: s.OtherBucket, Key: "cp/far"}, "cp/near", []byte("far"))
	})
	t.Run("an_empty_object", func(t *testing.T) {
		put(t, s.Other, "cp/empty", nil)
		wantCopy(t, store.Location{Bucket: s.OtherBucket, Key: "cp/empty"}, "cp/empty", nil)
	})
	t.Run("a_large_object", func(t *testing.T) {
		data := bytes.Repeat(allBytes(), 5<<20/256)
		put(t, s.Other, "cp/5_MB", data)
		wantCopy(t, store.Location{Bucket: s.OtherBucket, Key: "cp/5_MB"}, "cp/5_MB", data)
	})
	t.Run("over_an_object", func(t *testing.T) {
		put(t, s.Store, "cp/target", []byte("what was there before"))
		put(t, s.Store, "cp/source", []byte("new"))
		wantCopy(t, store.Location{Bucket: s.Bucket, Key: "cp/source"}, "cp/target", []byte("new"))
	})
	t.Run("a_missing_source_is_ErrNotExist", func(t *testing.T) {
		_, err := s.Store.Copy(t.Context(), store.Location{Bucket: s.OtherBucket, Key: "cp/none"}, "cp/x")
		wantError(t, err, store.ErrNotExist, s.OtherBucket, "cp/none")
		_, err = s.Store.Copy(t.Context(), store.Location{Bucket: s.NoBucket, Key: "cp/none"}, "cp/x")
		wantError(t, err, store.ErrNotExist, s.NoBucket, "cp/none")
	})
	t.Run("a_missing_target_bucket_says_nothing_about_the_source", func(t *testing.T) {
		put(t, s.Store, "cp/there", []byte("x"))
		_, err := s.Missing.Copy(t.Context(), store.Location{Bucket: s.Bucket, Key: "cp/there"}, "cp/x")
		if err == nil || errors.Is(err, store.ErrNotExist) {
			t.Errorf("error %v, want one that is not ErrNotExist", err)
		}
	})
}

func testDelete(t *testing.T, s Subject) {
	t.Run("a_deleted_object_is_gone", func(t *testing.T) {
		put(t, s.Store, "d/one", []byte("x"))
		put(t, s.Store, "d/stays", []byte("x"))
		if err := s.Store.Delete(t.Context(), "d/one"); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.Store.Get(t.Context(), "d/one")
		wantError(t, err, store.ErrNotExist, s.Bucket, "d/one")
		wantObject(t, s.Store, "d/stays", []byte("x"))
	})
	t.Run("one_that_is_not_there_is_no_error", func(t *testing.T) {
		if err := s.Store.Delete(t.Context(), "d/none"); err != nil {
			t.Error(err)
		}
		put(t, s.Store, "d/there", []byte("x"))
		if err := s.Store.Delete(t.Context(), "d/none", "d/there", "d/none"); err != nil {
			t.Error(err)
		}
		_, _, err := s.Store.Get(t.Context(), "d/there")
		wantError(t, err, store.ErrNotExist, s.Bucket, "d/there")
	})
	t.Run("nothing_is_no_error", func(t *testing.T) {
		if err := s.Store.Delete(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("a_missing_bucket_is_ErrNotExist", func(t *testing.T) {
		wantError(t, s.Missing.Delete(t.Context(), "k"), store.ErrNotExist, s.NoBucket)
		wantError(t, s.Missing.Delete(t.Context(), "k", "l"), store.ErrNotExist, s.NoBucket)
	})
}

func testContexts(t *testing.T, s Subject) {
	put(t, s.Store, "ctx", make([]byte, 1<<20))
	for name, call := range map[string]func(context.Context) error{
		"Put": func(ctx context.Context) error {
			_, err := s.Store.Put(ctx, "ctx/put", []byte("x"), store.Condition{})
			return err
		},
		"Get": func(ctx context.Context) error {
			_, _, err := s.Store.Get(ctx, "ctx")
			return err
		},
		"List": func(ctx context.Context) error {
			return s.Store.List(ctx, "", "", func(store.Info) error { return nil })
		},
		"Stat": func(ctx context.Context) error {
			_, err := s.Store.Stat(ctx, "ctx")
			return err
		},
		"PutStream": func(ctx context.Context) error {
			_, err := s.Store.PutStream(ctx, "ctx/stream", strings.NewReader("x"))
			return err
		},
		"Delete": func(ctx context.Context) error { return s.Store.Delete(ctx, "ctx/none") },
		"Copy": func(ctx context.Context) error {
			_, err := s.Store.Copy(ctx, store.Location{Bucket: s.Bucket, Key: "ctx"}, "ctx/copy")
			return err
		},
	} {
		t.Run(name+"_ends_with_the_error_of_its_context", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := call(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want context.Canceled", err)
			}
		})
	}
	t.Run("a_body_ends_with_the_error_of_its_context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		body, _, err := s.Store.Get(ctx, "ctx")
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		if _, err := io.ReadFull(body, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := io.Copy(io.Discard, body); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
	})
}

func put(t *testing.T, s store.Store, key string, data []byte) store.Info {
	t.Helper()
	info, err := s.Put(t.Context(), key, data, store.Condition{})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func wantObject(t *testing.T, s store.Store, key string, want []byte) {
	t.Helper()
	got, _, err := store.ReadAll(t.Context(), s, key, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes, want %d; or the same number and others", key, len(got), len(want))
	}
}

// wantError checks that an error is the one that was meant and says where it happened.
func wantError(t *testing.T, err, want error, parts ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not name %q", err, part)
		}
	}
}

func list(t *testing.T, s store.Store, prefix, delimiter string) []store.Info {
	t.Helper()
	var infos []store.Info
	if err := s.List(t.Context(), prefix, delimiter, func(info store.Info) error {
		infos = append(infos, info)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return infos
}

func wantKeys(t *testing.T, s store.Store, prefix, delimiter string, want ...string) {
	t.Helper()
	var got []string
	for _, info := range list(t, s, prefix, delimiter) {
		got = append(got, info.Key)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("List(%q, %q) (-want +got):\n%s", prefix, delimiter, diff)
	}
}

func allBytes() []byte {
	data := make([]byte, 256)
	for i := range data {
		data[i] = byte(i)
	}
	return data
}

func md5Hex(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}
