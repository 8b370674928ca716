package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

const (
	sql = `{"name":"sql","type":"HiveSQL","connectionName":"hive","database":"ods","content":"select 1"}`
	job = `{"name":"a<b","nodes":[{"name":"n1","type":"HiveSQL","properties":[{"name":"connectionName","value":"hive"},{"name":"database","value":"ods"}]},{"name":"n2","type":"Dummy","properties":[]}]}`
)

// shelf is a vault with backups that a test writes itself.
type shelf struct {
	*localtest.Cloud
	t     *testing.T
	vault *vault.Vault
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	c := localtest.New(t)
	return &shelf{c, t, vault.New(c.Store, localtest.Bucket, "/nightly/")}
}

func (s *shelf) write(name string, started time.Time, status vault.Status) {
	s.t.Helper()
	w, err := s.vault.Folder(name).Begin(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	m := &vault.Manifest{FormatVersion: vault.FormatVersion, BackupDate: name[:10], Workspace: vault.Workspace{ID: "w1", Name: "sales"}, StartedAt: started, Status: status,
		Totals: map[asset.Kind]int{}, Counts: map[asset.Kind]int{}}
	for _, a := range []struct {
		ref  asset.Ref
		text string
	}{{asset.Ref{Kind: asset.Jobs, Name: "a<b", Directory: "/x/"}, job}, {asset.Ref{Kind: asset.Scripts, Name: "sql"}, sql}} {
		stored, err := w.Put(s.t.Context(), a.ref, []byte(a.text))
		if err != nil {
			s.t.Fatal(err)
		}
		m.Assets = append(m.Assets, stored)
		w.Bind(a.ref, asset.Bindings(a.ref.Kind, []byte(a.text)))
	}
	if err := w.Commit(s.t.Context(), m, nil); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shelf) object(key string) string {
	data, _ := s.Objects.GetObject(localtest.Bucket, key)
	return string(data)
}

func (s *shelf) put(key, text string) {
	s.t.Helper()
	if err := s.Objects.PutObject(localtest.Bucket, key, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestCommit_WritesADocumentMadeForEditing(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.write("2026-11-22", noon, vault.Complete)
	want := `{
  "formatVersion": 1,
  "backupDate": "2026-11-22",
  "workspace": {
    "id": "w1",
    "name": "sales"
  },
  "manifestSha256": "` + vault.Hash([]byte(s.object("nightly/2026-11-22/manifest.json"))) + `",
  "jobs": {
    "Dummy": [
      {"job": "a<b", "node": "n2"}
    ],
    "HiveSQL": [
      {"job": "a<b", "node": "n1", "connectionName": "hive", "database": "ods"}
    ]
  },
  "scripts": {
    "HiveSQL": [
      {"script": "sql", "connectionName": "hive", "database": "ods"}
    ]
  },
  "replace": {"connectionName": {}, "database": {}, "clusterName": {}}
}
`
	if got := s.object("nightly/2026-11-22/backup.json"); got != want {
		t.Errorf("%s", got)
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(s.object("nightly/2026-11-22/manifest.json")), &m); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"formatVersion", "backupDate", "workspace", "projectId", "region", "tool", "startedAt", "finishedAt", "status", "totals", "counts", "drift", "missing", "previous", "assets"} {
		if _, ok := m[field]; !ok {
			t.Errorf("manifest.json has no %s", field)
		}
	}
	first := m["assets"].([]any)[0].(map[string]any)
	if first["key"] != "3_scripts/sql.script" || first["sha256"] != vault.Hash([]byte(sql)) || first["contentSha256"] != first["sha256"] || first["size"] != float64(len(sql)) {
		t.Errorf("the first asset is %v", first)
	}
}

func TestCommit_OfAPartialBackupWritesNoDocument(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.write("2026-11-22", noon, vault.Partial)
	if _, err := s.vault.Folder("2026-11-22").Open(t.Context()); !errors.Is(err, vault.ErrIncomplete) {
		t.Errorf("%v", err)
	}
	b, err := s.vault.Folder("2026-11-22").OpenPartial(t.Context())
	if err != nil || b.Document != nil || len(b.Manifest.Assets) != 2 {
		t.Errorf("%+v %v", b, err)
	}
}

func TestCommit_WhoseGuardSaysNoWritesNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	w, err := s.vault.Folder("2026-11-22").Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lost := errors.New("the lease is lost")
	err = w.Commit(t.Context(), &vault.Manifest{FormatVersion: 1, BackupDate: "2026-11-22", Status: vault.Complete}, func(context.Context) error { return lost })
	if keys, _ := s.Objects.Keys(localtest.Bucket, ""); !errors.Is(err, lost) || len(keys) > 0 {
		t.Errorf("%v, %q", err, keys)
	}
}

func TestCommit_RefusesAManifestThatSpeaksOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	w, err := s.vault.Folder("2026-11-22").Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ref := asset.Ref{Kind: asset.Scripts, Name: "sql"}
	stored, err := w.Put(t.Context(), ref, []byte(sql))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Objects.DeleteObject(localtest.Bucket, "nightly/2026-11-22/3_scripts/sql.script"); err != nil {
		t.Fatal(err)
	}
	err = w.Commit(t.Context(), &vault.Manifest{FormatVersion: 1, BackupDate: "2026-11-22", Status: vault.Complete, Assets: []vault.Asset{stored}}, nil)
	if !errors.Is(err, store.ErrNotExist) || s.object("nightly/2026-11-22/backup.json") != "" {
		t.Errorf("%v", err)
	}
}

func TestCommit_RefusesAnObjectThatSomebodyElseWroteMeanwhile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ leftover, late string }{
		"of another size":                 {"", sql + " "},
		"of the same size":                {"", strings.Replace(sql, "1", "2", 1)},
		"of the same size, as left there": {strings.Replace(sql, "1", "2", 1), strings.Replace(sql, "1", "2", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			const key = "nightly/2026-11-22/3_scripts/sql.script"
			if c.leftover != "" {
				s.put(key, c.leftover)
			}
			w, err := s.vault.Folder("2026-11-22").Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			stored, err := w.Put(t.Context(), asset.Ref{Kind: asset.Scripts, Name: "sql"}, []byte(sql))
			if err != nil {
				t.Fatal(err)
			}
			s.put(key, c.late)
			err = w.Commit(t.Context(), &vault.Manifest{FormatVersion: 1, BackupDate: "2026-11-22", Status: vault.Complete, Assets: []vault.Asset{stored}}, nil)
			if !errors.Is(err, store.ErrDamaged) || s.object("nightly/2026-11-22/backup.json") != "" {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestCommit_RefusesACopiedFileOfAnotherSize(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.put("libs/udf.jar", "jar")
	ref := asset.Ref{Kind: asset.Resources, Name: "udf", Directory: "/"}
	w, err := s.vault.Folder("2026-11-22").Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stored, err := w.Put(t.Context(), ref, []byte(`{"name":"udf","location":"obs://dataarts-backup/libs/udf.jar"}`))
	if err != nil {
		t.Fatal(err)
	}
	file, err := w.CopyFile(t.Context(), ref, "obs://dataarts-backup/libs/udf.jar")
	if err != nil {
		t.Fatal(err)
	}
	stored.Files = []vault.File{file}
	s.put("nightly/2026-11-22/"+file.Key, "longer")
	err = w.Commit(t.Context(), &vault.Manifest{FormatVersion: 1, BackupDate: "2026-11-22", Status: vault.Complete, Assets: []vault.Asset{stored}}, nil)
	if !errors.Is(err, store.ErrDamaged) || s.object("nightly/2026-11-22/backup.json") != "" {
		t.Errorf("%v", err)
	}
}

func TestCommit_LeavesNoMoreInALargeFolderThanTheManifestDescribes(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for _, leftover := range []string{"progress.json", "4_jobs/old.job", "2_resources/a/b.resource"} {
		s.put("nightly/2026-11-22/"+leftover, "left by a run that was killed")
	}
	w, err := s.vault.Folder("2026-11-22").Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := &vault.Manifest{FormatVersion: 1, BackupDate: "2026-11-22", Status: vault.Complete}
	for i := range 1100 {
		stored, err := w.Put(t.Context(), asset.Ref{Kind: asset.Scripts, Name: fmt.Sprint("s", i), Directory: "/"}, []byte(sql))
		if err != nil {
			t.Fatal(err)
		}
		m.Assets = append(m.Assets, stored)
	}
	if err := w.Commit(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	keys, err := s.Objects.Keys(localtest.Bucket, "")
	if err != nil || len(keys) != 1102 {
		t.Errorf("%d objects, %v", len(keys), err)
	}
}

func TestCommit_AsksForAnObjectThatAListingDoesNotShowYet(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.Objects.LateListings(100, 0)
	s.write("2026-11-22", noon, vault.Complete)
	if _, err := s.vault.Folder("2026-11-22").Open(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestBegin_RefusesACompleteFolder(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.write("2026-11-22", noon, vault.Complete)
	if _, err := s.vault.Folder("2026-11-22").Begin(t.Context()); !errors.Is(err, vault.ErrComplete) {
		t.Errorf("%v", err)
	}
}

func TestLatest_IsTheNewestCompleteBackupNightlyOrByHand(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	if b, err := s.vault.Latest(t.Context()); b != nil || err != nil {
		t.Fatalf("%v %v", b, err)
	}
	s.write("2026-11-20", noon.AddDate(0, 0, -2), vault.Complete)
	s.write("2026-11-21T090000", noon.AddDate(0, 0, -1), vault.Complete)
	s.write("2026-11-21", noon.AddDate(0, 0, -1).Add(time.Hour), vault.Complete) // the nightly one, caught up on late
	s.write("2026-11-22", noon, vault.Partial)
	s.put("nightly/not-a-date/backup.json", "{}")
	if b, err := s.vault.Latest(t.Context()); err != nil || b.Folder().Name != "2026-11-21" {
		t.Errorf("the latest is %+v, %v", b, err)
	}
	for before, want := range map[string]string{"2026-11-23": "2026-11-21T090000", "2026-11-21": "2026-11-20", "2026-11-20": ""} {
		b, err := s.vault.Before(t.Context(), before)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if b != nil {
			got = b.Folder().Name
		}
		if got != want {
			t.Errorf("before %q: %q, want %q", before, got, want)
		}
	}
	s.put("nightly/2026-11-21/backup.json", "{,}")
	if _, err := s.vault.Latest(t.Context()); !errors.Is(err, vault.ErrMalformed) {
		t.Errorf("a newest backup that cannot be read: %v", err)
	}
	if b, err := s.vault.Before(t.Context(), "2026-11-21T"); err != nil || b.Folder().Name != "2026-11-20" {
		t.Errorf("the one before it: %+v %v", b, err)
	}
	folders, err := s.vault.Folders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range folders {
		names = append(names, f.Name)
	}
	if !slices.Equal(names, []string{"2026-11-20", "2026-11-21", "2026-11-21T090000", "2026-11-22"}) {
		t.Errorf("%q", names)
	}
}

func TestVerify_FindsEveryDamage(t *testing.T) {
	t.Parallel()
	const key = "nightly/2026-11-22/3_scripts/sql.script"
	for name, damage := range map[string]func(*shelf){
		"a flipped bit":      func(s *shelf) { s.put(key, strings.Replace(sql, "1", "0", 1)) },
		"a shorter object":   func(s *shelf) { s.put(key, sql[:10]) },
		"a missing object":   func(s *shelf) { _ = s.Objects.DeleteObject(localtest.Bucket, key) },
		"an extra object":    func(s *shelf) { s.put("nightly/2026-11-22/3_scripts/sql.script.bak", sql) },
		"swapped objects":    func(s *shelf) { s.put(key, job); s.put("nightly/2026-11-22/4_jobs/a%3Cb.job", sql) },
		"an edited manifest": func(s *shelf) { m := "nightly/2026-11-22/manifest.json"; s.put(m, s.object(m)+" ") },
		"a lost manifest":    func(s *shelf) { _ = s.Objects.DeleteObject(localtest.Bucket, "nightly/2026-11-22/manifest.json") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			s.write("2026-11-22", noon, vault.Complete)
			damage(s)
			b, err := s.vault.Folder("2026-11-22").Open(t.Context())
			if err == nil {
				err = b.Verify(t.Context())
			}
			if !errors.Is(err, vault.ErrUnproved) || !strings.Contains(err.Error(), "nightly/2026-11-22/") {
				t.Errorf("%v", err)
			}
		})
	}
	s := newShelf(t)
	s.write("2026-11-22", noon, vault.Complete)
	b, err := s.vault.Folder("2026-11-22").Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Verify(t.Context()); err != nil {
		t.Errorf("an undamaged backup: %v", err)
	}
}

func TestFolderNames_AreDatesAndMomentsOnly(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"2026-11-22": true, "2026-11-22T235959": true, "2026-02-30": false, "2026-11-22T250000": false,
		"2026-1-2": false, "2026-11-22/": false, "latest": false, "2026-11-22T1": false, "": false} {
		if got := vault.IsFolderName(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
	shanghai := time.FixedZone("", 8*3600)
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, shanghai)
	if vault.NightlyName(at) != "2026-01-02" || vault.ByHandName(at) != "2026-01-02T000000" {
		t.Errorf("%s %s", vault.NightlyName(at), vault.ByHandName(at))
	}
}

// Another run has taken the lease over, and has stored and committed an asset that this one does not know.
func TestCommit_WithoutTheLeaseRemovesNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	w, err := s.vault.Folder("2026-11-22").Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stored, err := w.Put(t.Context(), asset.Ref{Kind: asset.Scripts, Name: "sql"}, []byte(sql))
	if err != nil {
		t.Fatal(err)
	}
	const others = "nightly/2026-11-22/4_jobs/others.job"
	for _, key := range []string{others, "nightly/2026-11-22/backup.json", "nightly/2026-11-22/manifest.json", "nightly/2026-11-22/progress.json"} {
		if err := s.Objects.PutObject(localtest.Bucket, key, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	lost := errors.New("the lease is lost")
	m := &vault.Manifest{FormatVersion: 1, BackupDate: "2026-11-22", Status: vault.Complete, Totals: map[asset.Kind]int{}, Counts: map[asset.Kind]int{}, Assets: []vault.Asset{stored}}
	if err := w.Commit(t.Context(), m, func(context.Context) error { return lost }); !errors.Is(err, lost) {
		t.Fatal(err)
	}
	if _, ok := s.Objects.GetObject(localtest.Bucket, others); !ok {
		t.Error("a run that does not hold the lease has removed an object of the one that does")
	}
}
