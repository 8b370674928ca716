package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

func testList(t *testing.T, s Subject) {
	t.Run("an_empty_bucket_has_no_objects", func(t *testing.T) { wantKeys(t, s.Other, "", "") })
	t.Run("a_missing_bucket_is_ErrNotExist", func(t *testing.T) {
		err := s.Missing.List(t.Context(), "", "", func(store.Info) error { return nil })
		wantError(t, err, store.ErrNotExist, s.NoBucket)
	})

	// In ascending order of bytes: "-", "." and upper case stand before "/" or lower case, Chinese after all of them.
	keys := []string{"l/A", "l/a-b", "l/a.b", "l/a/1", "l/a/2", "l/a/b/3", "l/a0", "l/b", "l/中", "m"}
	for i := range keys {
		put(t, s.Store, keys[len(keys)-1-i], []byte("xyz"))
	}
	t.Run("objects_come_in_ascending_order_of_bytes", func(t *testing.T) {
		wantKeys(t, s.Store, "l/", "", keys[:9]...)
	})
	t.Run("a_prefix_need_not_end_at_a_slash", func(t *testing.T) {
		wantKeys(t, s.Store, "l/a", "", "l/a-b", "l/a.b", "l/a/1", "l/a/2", "l/a/b/3", "l/a0")
		wantKeys(t, s.Store, "l/中", "", "l/中")
		wantKeys(t, s.Store, "nothing", "")
	})
	t.Run("a_delimiter_rolls_keys_up", func(t *testing.T) {
		wantKeys(t, s.Store, "l/", "/", "l/A", "l/a-b", "l/a.b", "l/a/", "l/a0", "l/b", "l/中")
		wantKeys(t, s.Store, "l/a/", "/", "l/a/1", "l/a/2", "l/a/b/")
		wantKeys(t, s.Store, "", "/", "l/", "m")
	})
	t.Run("what_was_rolled_up_has_only_a_key", func(t *testing.T) {
		for _, info := range list(t, s.Store, "", "/") {
			if info.Key == "l/" && info != (store.Info{Key: "l/"}) {
				t.Errorf("List reported %+v", info)
			}
		}
	})
	t.Run("objects_are_described", func(t *testing.T) {
		for _, info := range list(t, s.Store, "m", "") {
			if info.Size != 3 || info.ETag != md5Hex([]byte("xyz")) || info.LastModified.IsZero() {
				t.Errorf("List reported %+v", info)
			}
		}
	})
	t.Run("an_error_of_the_caller_ends_it_and_comes_back_as_it_is", func(t *testing.T) {
		enough, seen := errors.New("enough"), 0
		err := s.Store.List(t.Context(), "l/", "", func(store.Info) error {
			seen++
			return enough
		})
		if err != enough || seen != 1 { //nolint:errorlint // the very error is what the contract promises
			t.Errorf("error %v after %d objects", err, seen)
		}
	})
	t.Run("a_prefix_with_awkward_characters", func(t *testing.T) {
		prefix := "p q/a+b&c=d%20e#?/订单 "
		put(t, s.Store, prefix+"/1", nil)
		put(t, s.Store, prefix+"/2", nil)
		wantKeys(t, s.Store, prefix, "", prefix+"/1", prefix+"/2")
		wantKeys(t, s.Store, prefix, "/", prefix+"/")
	})
	t.Run("more_than_a_page", func(t *testing.T) { testPages(t, s) })
}

// testPages needs more objects than a service lists or deletes in one request, so it tests all that there is to these at once. The
// keys hold characters that break paging where they are not encoded.
func testPages(t *testing.T, s Subject) {
	const folders, files = 1003, 1002
	var keys, rolled []string
	for i := range folders {
		keys = append(keys, fmt.Sprintf("pages/folder %04d+%%/file", i))
		rolled = append(rolled, fmt.Sprintf("pages/folder %04d+%%/", i))
	}
	for i := range files {
		key := fmt.Sprintf("pages/one/文件 %04d&+", i)
		keys = append(keys, key)
	}
	rolled = append(rolled, "pages/one/")
	putAll(t, s.Store, keys)
	t.Run("is_listed_completely", func(t *testing.T) { wantKeys(t, s.Store, "pages/", "", keys...) })
	t.Run("is_rolled_up_completely", func(t *testing.T) { wantKeys(t, s.Store, "pages/", "/", rolled...) })
	t.Run("of_one_folder_is_rolled_up_once", func(t *testing.T) { wantKeys(t, s.Store, "pages/o", "/", "pages/one/") })
	t.Run("is_deleted_completely", func(t *testing.T) {
		if err := s.Store.Delete(t.Context(), keys[:1001]...); err != nil {
			t.Fatal(err)
		}
		wantKeys(t, s.Store, "pages/", "", keys[1001:]...)
	})
}

func testKeys(t *testing.T, s Subject) {
	keys := []string{
		"k/percent%", "k/%25", "k/a%2Fb", "k/%E4%BD%9C", "k/space in it", "k/two  spaces", "k/作业/订单同步.job", "k/plus+", "k/hash#x", "k/question?x=y",
		"k/equals=and&", "k/quote'\"", "k/<angle>&amp;", "k/(brackets)[x]{y}", "k/tilde~star*bang!", "k/at@dollar$comma,semi;colon:", "k/back\\slash|",
		"k/é", "k/e\u0301", "k/😀", "k/caret^tick`", "k/dots...", "k/.hidden",
		longKey(),
	}
	if s.AnyKey {
		keys = append(keys, "k/f", "k/f/g", "k/"+strings.Repeat("n", 300), "k/"+strings.Repeat("作业", 100), "k/trailing space ")
	}
	for _, key := range keys {
		t.Run("every_key_is_its_own_object/"+strings.ToValidUTF8(key[2:min(len(key), 20)], ""), func(t *testing.T) {
			put(t, s.Store, key, []byte(key))
			wantObject(t, s.Store, key, []byte(key))
		})
	}
	slices.Sort(keys)
	t.Run("they_list_as_they_were_written", func(t *testing.T) { wantKeys(t, s.Store, "k/", "", keys...) })
	t.Run("they_are_told_apart", func(t *testing.T) {
		for _, key := range keys {
			wantObject(t, s.Store, key, []byte(key))
		}
	})
	t.Run("they_copy", func(t *testing.T) {
		for _, key := range keys {
			if _, err := s.Other.Copy(t.Context(), store.Location{Bucket: s.Bucket, Key: key}, key); err != nil {
				t.Error(err)
				continue
			}
			wantObject(t, s.Other, key, []byte(key))
		}
	})
	t.Run("they_are_deleted_together", func(t *testing.T) {
		if err := s.Other.Delete(t.Context(), keys...); err != nil {
			t.Fatal(err)
		}
		wantKeys(t, s.Other, "k/", "")
	})
	t.Run("they_are_deleted_one_by_one", func(t *testing.T) {
		for _, key := range keys {
			if err := s.Store.Delete(t.Context(), key); err != nil {
				t.Error(err)
			}
		}
		wantKeys(t, s.Store, "k/", "")
	})
	t.Run("one_that_no_service_takes_is_refused", func(t *testing.T) {
		for name, key := range map[string]string{"empty": "", "not UTF-8": "a\xffb", "too long": strings.Repeat("x", 1025)} {
			if _, err := s.Store.Put(t.Context(), key, nil, store.Condition{}); err == nil {
				t.Errorf("a key that is %s was written", name)
			}
		}
	})
}

// longKey has 1,000 bytes and no more than 240 between two slashes, as percent-encoded names in deep directories do.
func longKey() string {
	key := "k/"
	for len(key)+241 < 1000 {
		key += strings.Repeat("%E4", 80) + "/"
	}
	return key + strings.Repeat("x", 1000-len(key))
}

func putAll(t *testing.T, s store.Store, keys []string) {
	t.Helper()
	todo := make(chan string)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for key := range todo {
				if _, err := s.Put(t.Context(), key, nil, store.Condition{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, key := range keys {
		todo <- key
	}
	close(todo)
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
}
