package storetest

import (
	"errors"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

func testStart(t *testing.T, s Subject) {
	ctx := t.Context()
	if _, err := s.Store.Put(ctx, "k", []byte("0123456789"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Store.Put(ctx, "empty", nil, store.Condition{}); err != nil {
		t.Fatal(err)
	}
	whole, err := s.Store.Stat(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("the_beginning_of_an_object_comes_without_the_rest", func(t *testing.T) {
		for n, want := range map[int64]string{1: "0", 4: "0123", 10: "0123456789", 11: "0123456789", 1 << 20: "0123456789"} {
			data, info, err := store.ReadStart(ctx, s.Store, "k", n)
			if err != nil || string(data) != want || info.ETag != whole.ETag || info.Key != "k" {
				t.Errorf("%d bytes: %q %+v %v", n, data, info, err)
			}
		}
	})
	t.Run("an_empty_object_is_empty", func(t *testing.T) {
		if data, _, err := store.ReadStart(ctx, s.Store, "empty", 10); err != nil || len(data) != 0 {
			t.Errorf("%q %v", data, err)
		}
	})
	t.Run("one_that_is_not_there_does_not_exist", func(t *testing.T) {
		if _, _, err := store.ReadStart(ctx, s.Store, "none", 10); !errors.Is(err, store.ErrNotExist) || !strings.Contains(err.Error(), "none") {
			t.Error(err)
		}
	})
}
