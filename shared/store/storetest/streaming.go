package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// defaultPart is the least that services want in every part of an object but the last.
const defaultPart = 5 << 20

// part is from how many bytes on the subject writes a stream in parts.
func (s Subject) part() int {
	if s.PartSize > 0 {
		return s.PartSize
	}
	return defaultPart
}

func testPutStream(t *testing.T, s Subject) {
	part := s.part()
	for name, size := range map[string]int{
		"nothing": 0, "one_byte": 1, "less_than_a_part": part - 1, "one_part": part, "one_part_and_a_byte": part + 1, "three_parts_and_a_half": 3*part + part/2,
	} {
		t.Run("an_object_has_exactly_the_bytes_that_were_read/"+name, func(t *testing.T) {
			data := numbered(size)
			info, err := s.Store.PutStream(t.Context(), "stream/"+name, onlyReader{bytes.NewReader(data)})
			if err != nil {
				t.Fatal(err)
			}
			if info.Key != "stream/"+name || info.Size != int64(size) || info.ETag == "" {
				t.Errorf("PutStream said %+v", info)
			}
			if listed := list(t, s.Store, "stream/"+name, ""); !slices.ContainsFunc(listed, func(i store.Info) bool { return i.Key == info.Key && i.ETag == info.ETag && i.Size == info.Size }) {
				t.Errorf("PutStream said %+v, List says %+v", info, listed)
			}
			wantObject(t, s.Store, "stream/"+name, data)
		})
	}
	t.Run("a_reader_that_gives_little_at_a_time_is_read_to_its_end", func(t *testing.T) {
		data := numbered(100_000)
		if _, err := s.Store.PutStream(t.Context(), "stream/little", iotest.DataErrReader(iotest.OneByteReader(bytes.NewReader(data)))); err != nil {
			t.Fatal(err)
		}
		wantObject(t, s.Store, "stream/little", data)
	})
	for name, read := range map[string]int{"at_once": 0, "in_the_first_part": part / 2, "after_a_part": part, "in_the_third_part": 2*part + 1} {
		t.Run("a_reader_that_fails_"+name+"_leaves_what_was_there", func(t *testing.T) {
			broken := errors.New("the source broke off")
			old, fresh := "stream/old/"+name, "stream/fresh/"+name
			put(t, s.Store, old, []byte("old"))
			for _, key := range []string{old, fresh} {
				_, err := s.Store.PutStream(t.Context(), key, io.MultiReader(bytes.NewReader(numbered(read)), iotest.ErrReader(broken)))
				wantError(t, err, broken, s.Bucket, key)
			}
			wantObject(t, s.Store, old, []byte("old"))
			_, err := s.Store.Stat(t.Context(), fresh)
			wantError(t, err, store.ErrNotExist)
		})
	}
	t.Run("nothing_is_visible_before_the_reader_has_ended", func(t *testing.T) {
		const key = "stream/hidden"
		look := readerFunc(func([]byte) (int, error) {
			if _, err := s.Store.Stat(t.Context(), key); !errors.Is(err, store.ErrNotExist) {
				t.Errorf("while it was written: %v", err)
			}
			if listed := list(t, s.Store, key, ""); len(listed) > 0 {
				t.Errorf("while it was written, List says %v", listed)
			}
			return 0, io.EOF
		})
		data := numbered(2 * part)
		if _, err := s.Store.PutStream(t.Context(), key, io.MultiReader(bytes.NewReader(data), look)); err != nil {
			t.Fatal(err)
		}
		wantObject(t, s.Store, key, data)
	})
	t.Run("it_ends_with_the_error_of_its_context", func(t *testing.T) {
		const key = "stream/cancelled"
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stop := readerFunc(func(p []byte) (int, error) {
			cancel()
			return copy(p, "more"), nil // for ever
		})
		_, err := s.Store.PutStream(ctx, key, io.MultiReader(bytes.NewReader(numbered(part+1)), stop))
		wantError(t, err, context.Canceled, key)
		_, err = s.Store.Stat(t.Context(), key)
		wantError(t, err, store.ErrNotExist)
	})
	t.Run("a_missing_bucket_is_ErrNotExist", func(t *testing.T) {
		for _, size := range []int{1, part + 1} {
			_, err := s.Missing.PutStream(t.Context(), "k", bytes.NewReader(numbered(size)))
			wantError(t, err, store.ErrNotExist, s.NoBucket, "k")
		}
	})
}

func testStat(t *testing.T, s Subject) {
	t.Run("it_says_what_Get_says", func(t *testing.T) {
		for _, data := range []string{"", "described"} {
			put(t, s.Store, "stat/it", []byte(data))
			info, err := s.Store.Stat(t.Context(), "stat/it")
			if err != nil {
				t.Fatal(err)
			}
			body, got, err := s.Store.Get(t.Context(), "stat/it")
			if err != nil {
				t.Fatal(err)
			}
			_ = body.Close()
			if info != got || info.Key != "stat/it" || info.Size != int64(len(data)) || info.ETag != md5Hex([]byte(data)) || info.LastModified.IsZero() {
				t.Errorf("Stat says %+v, Get %+v", info, got)
			}
		}
	})
	t.Run("a_missing_object_is_ErrNotExist", func(t *testing.T) {
		_, err := s.Store.Stat(t.Context(), "stat/none")
		wantError(t, err, store.ErrNotExist, s.Bucket, "stat/none")
	})
	t.Run("a_missing_bucket_is_ErrNotExist", func(t *testing.T) {
		_, err := s.Missing.Stat(t.Context(), "k")
		wantError(t, err, store.ErrNotExist, s.NoBucket, "k")
	})
}

func testBucket(t *testing.T, s Subject) {
	t.Run("another_bucket_is_the_same_bucket_by_another_way", func(t *testing.T) {
		put(t, s.Other, "b/far", []byte("far"))
		wantObject(t, s.Store.Bucket(s.OtherBucket), "b/far", []byte("far"))
		put(t, s.Store.Bucket(s.Bucket), "b/near", []byte("near"))
		wantObject(t, s.Store, "b/near", []byte("near"))
	})
	t.Run("one_that_does_not_exist_shows_at_the_first_call", func(t *testing.T) {
		_, _, err := s.Store.Bucket(s.NoBucket).Get(t.Context(), "k")
		wantError(t, err, store.ErrNotExist, s.NoBucket, "k")
	})
}

// numbered is data of which no two parts are the same.
func numbered(size int) []byte {
	var line strings.Builder
	data := make([]byte, 0, size+16)
	for i := 0; len(data) < size; i++ {
		line.Reset()
		for n := i; n > 0 || line.Len() == 0; n /= 10 {
			line.WriteByte(byte('0' + n%10))
		}
		data = append(append(data, line.String()...), '\n')
	}
	return data[:size]
}

// onlyReader hides that a reader knows its length and can go back.
type onlyReader struct{ io.Reader }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
