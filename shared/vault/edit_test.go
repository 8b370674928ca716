package vault_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

const committedKey = "nightly/2026-11-22/backup.json"

func TestWriteDocument(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T) (s *shelf, f *vault.Folder, version string) {
		t.Helper()
		s = newShelf(t)
		s.write("2026-11-22", time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), vault.Complete)
		f = s.vault.Folder("2026-11-22")
		text, version, err := f.ReadDocument(t.Context())
		if err != nil || string(text) != s.object(committedKey) {
			t.Fatal(err)
		}
		if b, err := f.Open(t.Context()); err != nil || b.DocumentVersion != version {
			t.Fatal(b, err)
		}
		return s, f, version
	}
	edited := func(s *shelf) []byte { return []byte(strings.Replace(s.object(committedKey), "hive", "hive_dr", 1)) }

	// refusing answers every conditional write as Ceph RGW 16 does.
	refusing := func(s *shelf) {
		s.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if c.Operation == "PutObject" && c.Request.Header.Get("If-Match") != "" {
				return &objectstore.Fault{Status: 412, Code: "PreconditionFailed"}
			}
			return nil
		})
	}
	stores := map[string]func(*shelf){"honours_conditions": func(*shelf) {}, "ignores_conditions": func(s *shelf) { s.Objects.IgnoreConditions(true) }, "refuses_conditions": refusing}
	for name, with := range stores {
		t.Run("replaces_the_text_that_was_meant_and_no_other_where_the_store_"+name, func(t *testing.T) {
			t.Parallel()
			s, f, version := begin(t)
			with(s)
			text := edited(s)
			now, err := f.WriteDocument(t.Context(), text, version, nil)
			if err != nil || now == version || s.object(committedKey) != string(text) {
				t.Fatalf("%s %v", now, err)
			}
			if _, read, err := f.ReadDocument(t.Context()); err != nil || read != now {
				t.Errorf("the version is %s, %s was told: %v", read, now, err)
			}
			if _, err := f.WriteDocument(t.Context(), []byte("{}"), version, nil); !errors.Is(err, vault.ErrEdited) || s.object(committedKey) != string(text) {
				t.Errorf("the second edit: %v", err)
			}
			b, err := f.Open(t.Context())
			if err != nil || string(b.Document) != string(text) {
				t.Fatal(err)
			}
			if err := b.Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
		t.Run("brings_back_nothing_that_was_removed_where_the_store_"+name, func(t *testing.T) {
			t.Parallel()
			s, f, version := begin(t)
			with(s)
			text := edited(s)
			if err := s.Store.Delete(t.Context(), committedKey); err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteDocument(t.Context(), text, version, nil); !errors.Is(err, vault.ErrEdited) || s.object(committedKey) != "" {
				t.Errorf("%v", err)
			}
			if _, _, err := f.ReadDocument(t.Context()); !errors.Is(err, store.ErrNotExist) {
				t.Errorf("%v", err)
			}
		})
	}

	t.Run("writes_nothing_when_it_may_not_any_more", func(t *testing.T) {
		t.Parallel()
		s, f, version := begin(t)
		before := s.object(committedKey)
		lost := errors.New("the lease is lost")
		if _, err := f.WriteDocument(t.Context(), edited(s), version, func(context.Context) error { return lost }); !errors.Is(err, lost) || s.object(committedKey) != before {
			t.Errorf("%v", err)
		}
	})

	t.Run("finds_out_that_it_was_written_when_the_answer_is_lost", func(t *testing.T) {
		t.Parallel()
		s, f, version := begin(t)
		text := edited(s)
		s.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if c.Operation == "PutObject" {
				return &objectstore.Fault{Status: 403, Code: "AccessDenied", Applied: true}
			}
			return nil
		})
		if now, err := f.WriteDocument(t.Context(), text, version, nil); err != nil || now == version || s.object(committedKey) != string(text) {
			t.Errorf("%s %v", now, err)
		}
	})

	t.Run("is_an_error_where_the_store_refuses", func(t *testing.T) {
		t.Parallel()
		s, f, version := begin(t)
		before := s.object(committedKey)
		s.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if c.Operation == "PutObject" {
				return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
			}
			return nil
		})
		if _, err := f.WriteDocument(t.Context(), edited(s), version, nil); err == nil || errors.Is(err, vault.ErrEdited) || !strings.Contains(err.Error(), "AccessDenied") || s.object(committedKey) != before {
			t.Errorf("%v", err)
		}
	})
}

func TestRemove_OfABackupWhoseDocumentWasEdited(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.write("2026-11-22", time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), vault.Complete)
	f := s.vault.Folder("2026-11-22")
	before, err := f.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, version, err := f.ReadDocument(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteDocument(t.Context(), []byte(strings.ReplaceAll(s.object(committedKey), "hive", "a longer name")), version, nil); err != nil {
		t.Fatal(err)
	}
	after, err := f.Inspect(t.Context())
	if err != nil || after.State != vault.StateComplete || after.ManifestSHA256 != before.ManifestSHA256 {
		t.Fatalf("%+v %v", after, err)
	}
	if err := s.vault.Remove(t.Context(), "2026-11-22", vault.Removal{ManifestSHA256: before.ManifestSHA256, At: time.Now(), Reason: "test"}); err != nil {
		t.Error(err)
	}
	if keys, err := s.Objects.Keys(localtest.Bucket, "nightly/2026-11-22/"); err != nil || len(keys) > 0 {
		t.Errorf("%v %v", keys, err)
	}
}

func TestStored_IsWhatTheManifestProves(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.write("2026-11-22", time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), vault.Complete)
	b, err := s.vault.Folder("2026-11-22").Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	scripts := b.Only(func(a vault.Asset) bool { return a.Kind == asset.Scripts })
	var seen []string
	err = scripts.EachStored(t.Context(), 2, func(a vault.Asset, data []byte) error {
		seen = append(seen, a.Name+" "+string(data))
		return nil
	})
	if err != nil || !slices.Equal(seen, []string{"sql " + sql}) || len(b.Manifest.Assets) != 2 {
		t.Errorf("%q %v", seen, err)
	}
	s.put("nightly/2026-11-22/3_scripts/sql.script", sql+" ")
	if _, err := b.Stored(t.Context(), scripts.Manifest.Assets[0]); !errors.Is(err, vault.ErrUnproved) {
		t.Errorf("%v", err)
	}
}

func TestStoredFile_IsWhatTheManifestProves(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	f := vault.File{Key: "2_resources/r.files/b/k", Size: 4, SHA256: vault.Hash([]byte("text"))}
	s.write("2026-11-22", time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), vault.Complete)
	b, err := s.vault.Folder("2026-11-22").Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]error{"text": nil, "texT": vault.ErrUnproved, "tex": vault.ErrUnproved, "texts": vault.ErrUnproved} {
		s.put("nightly/2026-11-22/"+f.Key, text)
		if data, err := b.StoredFile(t.Context(), f); !errors.Is(err, want) || err == nil && string(data) != text {
			t.Errorf("%s: %q %v", text, data, err)
		}
	}
	f.Key += "x"
	if _, err := b.StoredFile(t.Context(), f); !errors.Is(err, vault.ErrUnproved) {
		t.Errorf("%v", err)
	}
}
