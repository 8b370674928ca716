package vault_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

func TestInspect_SaysHowAFolderStands(t *testing.T) {
	t.Parallel()
	const folder = "nightly/2026-11-22/"
	for name, c := range map[string]struct {
		status   vault.Status // of the backup written first; empty: none
		change   func(*shelf)
		want     vault.State
		fault    string
		manifest bool
	}{
		"committed":                                      {vault.Complete, nil, vault.StateComplete, "", true},
		"committed_and_edited":                           {vault.Complete, func(s *shelf) { s.replace(folder+"backup.json", `"hive"`, `"spark"`) }, vault.StateComplete, "", true},
		"partial":                                        {vault.Partial, nil, vault.StatePartial, "", true},
		"empty":                                          {"", nil, vault.StateIncomplete, "", false},
		"interrupted":                                    {"", func(s *shelf) { s.put(folder+"4_jobs/a.job", "{}") }, vault.StateIncomplete, "", false},
		"interrupted_in_the_commit":                      {vault.Complete, func(s *shelf) { s.drop(folder + "backup.json") }, vault.StateIncomplete, "", true},
		"a_manifest_altered_after_the_commit":            {vault.Complete, func(s *shelf) { s.replace(folder+"manifest.json", "sales", "other") }, vault.StateDamaged, "backup.json was committed with", false},
		"a_manifest_cut_short":                           {vault.Complete, func(s *shelf) { s.put(folder+"manifest.json", `{"formatVersion":1,`) }, vault.StateDamaged, "malformed", false},
		"a_manifest_cut_short_without_commit":            {"", func(s *shelf) { s.put(folder+"manifest.json", `{`) }, vault.StateDamaged, "malformed", false},
		"a_manifest_of_no_known_status":                  {"", func(s *shelf) { s.put(folder+"manifest.json", `{"formatVersion":1,"status":"DONE"}`) }, vault.StateDamaged, `status "DONE"`, false},
		"a_manifest_of_a_newer_version":                  {"", func(s *shelf) { s.put(folder+"manifest.json", `{"formatVersion":99}`) }, vault.StateUnsupported, "formatVersion is 99", false},
		"a_manifest_of_a_newer_version_with_other_types": {"", func(s *shelf) { s.put(folder+"manifest.json", `{"formatVersion":99,"assets":"elsewhere"}`) }, vault.StateUnsupported, "formatVersion is 99", false},
		"a_commit_of_a_newer_version": {vault.Complete, func(s *shelf) {
			s.newer(folder)
		}, vault.StateUnsupported, "formatVersion is 2", false},
		"a_commit_of_a_newer_version_that_names_its_manifest_otherwise": {vault.Complete, func(s *shelf) {
			s.put(folder+"backup.json", `{"formatVersion":2,"commit":"x"}`)
		}, vault.StateUnsupported, "formatVersion is 2", false},
		"a_format_that_an_edit_gave_it": {vault.Complete, func(s *shelf) {
			s.replace(folder+"backup.json", `"formatVersion": 1`, `"formatVersion": 2`)
		}, vault.StateComplete, "", true},
		"a_format_that_damage_gave_it": {vault.Complete, func(s *shelf) {
			s.replace(folder+"manifest.json", `"formatVersion": 1`, `"formatVersion": 9`)
		}, vault.StateDamaged, "backup.json was committed with", false},
		"a_format_that_never_was":               {"", func(s *shelf) { s.put(folder+"manifest.json", `{"formatVersion":0}`) }, vault.StateDamaged, "formatVersion is 0", false},
		"a_commit_that_is_no_JSON":              {vault.Complete, func(s *shelf) { s.put(folder+"backup.json", "{\n,") }, vault.StateDamaged, "line 2, column 1: ", false},
		"a_commit_with_a_fault_deep_inside":     {vault.Complete, func(s *shelf) { s.put(folder+"backup.json", "{\"jobs\":\n{\"CDMJob\":[{},]}}") }, vault.StateDamaged, "line 2, column 14, jobs.CDMJob: ", false},
		"a_commit_that_is_empty":                {vault.Complete, func(s *shelf) { s.put(folder+"backup.json", "") }, vault.StateDamaged, "backup.json is malformed: line 1, column 1: ", false},
		"a_commit_that_is_a_list":               {vault.Complete, func(s *shelf) { s.put(folder+"backup.json", "[]") }, vault.StateDamaged, "backup.json is malformed: line 1, column 1: ", false},
		"a_commit_whose_manifest_is_lost":       {vault.Complete, func(s *shelf) { s.drop(folder + "manifest.json") }, vault.StateDamaged, "has no manifest.json", false},
		"a_commit_that_forgot_its_manifest":     {vault.Complete, func(s *shelf) { s.put(folder+"backup.json", `{}`) }, vault.StateDamaged, "backup.json: line 1, column 1, manifestSha256: names no manifest", false},
		"a_commit_that_names_nothing":           {"", func(s *shelf) { s.put(folder+"backup.json", `{"manifestSha256":""}`) }, vault.StateDamaged, "names no manifest", false},
		"a_folder_of_the_DataArts_console":      {"", func(s *shelf) { s.put(folder+"backup.json", `{"jobs":{}}`) }, vault.StateUnverified, "", false},
		"a_commit_of_a_manifest_that_is_no_end": {vault.Partial, func(s *shelf) { s.commitAnyway(folder) }, vault.StateDamaged, "status PARTIAL", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			if c.status != "" {
				s.write("2026-11-22", noon, c.status)
			}
			if c.change != nil {
				c.change(s)
			}
			got, err := s.vault.Folder("2026-11-22").Inspect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got.State != c.want || (got.Manifest != nil) != c.manifest || (got.ManifestSHA256 != "") != c.manifest || (got.Fault != nil) != (c.fault != "") {
				t.Fatalf("%+v", got)
			}
			if got.Fault != nil && !strings.Contains(got.Fault.Error(), c.fault) {
				t.Errorf("fault %q, want %q in it", got.Fault, c.fault)
			}
		})
	}
}

// newer makes a committed backup one of the next format.
func (s *shelf) newer(folder string) {
	hash := vault.Hash([]byte(s.object(folder + "manifest.json")))
	s.replace(folder+"manifest.json", `"formatVersion": 1`, `"formatVersion": 2`)
	s.replace(folder+"backup.json", `"formatVersion": 1`, `"formatVersion": 2`)
	s.replace(folder+"backup.json", hash, vault.Hash([]byte(s.object(folder+"manifest.json"))))
}

func TestInspect_OfWhatTheStoreDoesNotGiveOutIsAnErrorAndNoState(t *testing.T) {
	t.Parallel()
	for _, object := range []string{"backup.json", "manifest.json"} {
		s := newShelf(t)
		s.write("2026-11-22", noon, vault.Complete)
		s.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if strings.HasSuffix(c.Key, object) {
				return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
			}
			return nil
		})
		got, err := s.vault.Folder("2026-11-22").Inspect(t.Context())
		if err == nil || errors.Is(err, vault.ErrUnproved) || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("%s: %+v, %v", object, got, err)
		}
	}
}

func TestInspect_ReadsTwoObjectsOfACompleteBackup(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.write("2026-11-22", noon, vault.Complete)
	before := s.Objects.Calls("GetObject")
	got, err := s.vault.Folder("2026-11-22").Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Objects.Calls("GetObject") - before; n != 2 {
		t.Errorf("%d objects were read", n)
	}
	if size, want := got.Manifest.Size(), int64(len(sql)+len(job)); size != want {
		t.Errorf("size %d, want %d", size, want)
	}
}

func TestManifestSize_CountsTheFilesOfResources(t *testing.T) {
	t.Parallel()
	m := vault.Manifest{Assets: []vault.Asset{{Size: 1, Files: []vault.File{{Key: "k", Size: 20}, {Reason: "not on OBS"}}}, {Size: 300}}}
	if m.Size() != 321 {
		t.Errorf("size %d", m.Size())
	}
}

func TestExists_TellsAFolderFromItsNeighbours(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.put("nightly/2026-11-22T120000/4_jobs/a.job", "{}")
	for name, want := range map[string]bool{"2026-11-22T120000": true, "2026-11-22": false, "2026-11-23": false} {
		if got, err := s.vault.Folder(name).Exists(t.Context()); err != nil || got != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func (s *shelf) replace(key, from, to string) {
	s.t.Helper()
	text := s.object(key)
	if !strings.Contains(text, from) {
		s.t.Fatalf("%s has no %s", key, from)
	}
	s.put(key, strings.ReplaceAll(text, from, to))
}

func (s *shelf) drop(key string) {
	s.t.Helper()
	if err := s.Objects.DeleteObject(localtest.Bucket, key); err != nil {
		s.t.Fatal(err)
	}
}

// commitAnyway writes the commit that the writer refused.
func (s *shelf) commitAnyway(folder string) {
	s.t.Helper()
	s.put(folder+"backup.json", `{"manifestSha256":"`+vault.Hash([]byte(s.object(folder+"manifest.json")))+`"}`)
}
