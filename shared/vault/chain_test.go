package vault_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// linked writes a complete backup whose manifest names the one before it, as a run does.
func (s *shelf) linked(name string) *vault.Backup {
	s.t.Helper()
	before, err := s.vault.Before(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	w, err := s.vault.Folder(name).Begin(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	m := &vault.Manifest{FormatVersion: vault.FormatVersion, BackupDate: name[:10], StartedAt: time.Now(), Status: vault.Complete} // two of one name differ
	if before != nil {
		m.Previous = &vault.Previous{Path: before.Folder().Path() + "manifest.json", SHA256: before.ManifestSHA256}
	}
	a, err := w.Put(s.t.Context(), asset.Ref{Kind: asset.Scripts, Name: "sql"}, fmt.Appendf(nil, "{%q:%q}", "name", name))
	if err != nil {
		s.t.Fatal(err)
	}
	m.Assets = []vault.Asset{a}
	if err := w.Commit(s.t.Context(), m, nil); err != nil {
		s.t.Fatal(err)
	}
	return s.committed(name)
}

func (s *shelf) committed(name string) *vault.Backup {
	s.t.Helper()
	b, err := s.vault.Folder(name).Open(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *shelf) remove(name string) {
	s.t.Helper()
	if err := s.vault.Remove(s.t.Context(), name, vault.Removal{ManifestSHA256: s.committed(name).ManifestSHA256, At: noon, Reason: "test"}); err != nil {
		s.t.Fatal(err)
	}
}

// lose removes a folder as somebody does who leaves no tombstone.
func (s *shelf) lose(name string) {
	s.t.Helper()
	keys, err := s.Objects.Keys(localtest.Bucket, "nightly/"+name+"/")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, key := range keys {
		s.drop(key)
	}
}

// recommit writes a manifest anew, and the commit that fits it, as somebody does who wants to hide a change.
func (s *shelf) recommit(name, from, to string) {
	s.t.Helper()
	old := s.committed(name).ManifestSHA256
	s.replace("nightly/"+name+"/manifest.json", from, to)
	s.replace("nightly/"+name+"/backup.json", old, vault.Hash([]byte(s.object("nightly/"+name+"/manifest.json"))))
}

func TestChain(t *testing.T) {
	t.Parallel()
	all := []string{"2026-11-18", "2026-11-19", "2026-11-20", "2026-11-20T150000", "2026-11-21", "2026-11-22"}
	type broken struct {
		name string
		kind vault.BreakKind
		text string
	}
	for name, c := range map[string]struct {
		change func(*shelf)
		length int
		breaks []broken
	}{
		"is_whole":                          {func(*shelf) {}, 5, nil},
		"without_days_that_were_removed":    {func(s *shelf) { s.remove("2026-11-18"); s.remove("2026-11-20"); s.remove("2026-11-21") }, 5, nil},
		"without_the_first_day":             {func(s *shelf) { s.remove("2026-11-18") }, 5, nil},
		"without_one_taken_by_hand":         {func(s *shelf) { s.remove("2026-11-20T150000") }, 5, nil},
		"with_a_removal_that_was_cut_off":   {func(s *shelf) { s.remove("2026-11-20"); s.put("nightly/2026-11-20/4_jobs/left.job", "{}") }, 5, nil},
		"with_a_day_removed_and_made_again": {func(s *shelf) { s.remove("2026-11-20"); s.linked("2026-11-20") }, 5, nil},
		"with_one_removed_twice":            {func(s *shelf) { s.remove("2026-11-20"); s.linked("2026-11-20"); s.remove("2026-11-20") }, 5, nil},
		"in_a_location_that_was_moved":      {func(s *shelf) { s.moveLocation("nightly/", "elsewhere/sales/") }, 5, nil},
		"a_day_vanished":                    {func(s *shelf) { s.lose("2026-11-20") }, 4, []broken{{"2026-11-20", vault.Vanished, "no tombstone"}}},
		"the_newest_but_one_vanished":       {func(s *shelf) { s.lose("2026-11-21") }, 4, []broken{{"2026-11-21", vault.Vanished, "2026-11-22 was taken after it"}}},
		"two_days_in_a_row_vanished":        {func(s *shelf) { s.lose("2026-11-20"); s.lose("2026-11-19") }, 3, []broken{{"2026-11-20", vault.Vanished, "no tombstone"}}},
		"two_days_vanished":                 {func(s *shelf) { s.lose("2026-11-21"); s.lose("2026-11-19") }, 3, []broken{{"2026-11-21", vault.Vanished, ""}, {"2026-11-19", vault.Vanished, ""}}},
		"the_first_day_vanished":            {func(s *shelf) { s.lose("2026-11-18") }, 4, []broken{{"2026-11-18", vault.Vanished, "no tombstone"}}},
		"a_commit_was_taken_away":           {func(s *shelf) { s.drop("nightly/2026-11-20/backup.json") }, 4, []broken{{"2026-11-20", vault.Vanished, "its backup.json is gone"}}},
		"a_manifest_was_altered":            {func(s *shelf) { s.recommit("2026-11-20", `"status": "COMPLETE"`, `"status":  "COMPLETE"`) }, 4, []broken{{"2026-11-20", vault.Altered, "was altered"}}},
		"a_manifest_is_no_manifest":         {func(s *shelf) { s.put("nightly/2026-11-20/manifest.json", "{") }, 4, []broken{{"2026-11-20", vault.Altered, "was altered"}}},
		"altered_and_vanished":              {func(s *shelf) { s.recommit("2026-11-21", `"COMPLETE"`, ` "COMPLETE"`); s.lose("2026-11-18") }, 3, []broken{{"2026-11-21", vault.Altered, ""}, {"2026-11-18", vault.Vanished, ""}}},
		"altered_into_a_circle": {func(s *shelf) {
			s.recommit("2026-11-19", "2026-11-18/manifest.json", "2026-11-21/manifest.json")
			s.recommit("2026-11-19", s.committed("2026-11-18").ManifestSHA256, s.committed("2026-11-21").ManifestSHA256)
		}, 4, []broken{{"2026-11-19", vault.Altered, ""}, {"2026-11-19", vault.Astray, "in a circle"}}},
		"altered_to_name_what_is_no_backup": {func(s *shelf) { s.recommit("2026-11-19", "2026-11-18/manifest.json", "../secret/manifest.json") }, 4,
			[]broken{{"2026-11-19", vault.Altered, ""}, {"2026-11-19", vault.Astray, "and that is none"}}},
		"a_tombstone_of_another_manifest": {func(s *shelf) {
			s.lose("2026-11-20")
			s.put("nightly/removed/2026-11-20.json", `{"formatVersion":1,"manifestSha256":"beef"}`)
		}, 4, []broken{{"2026-11-20", vault.Vanished, ""}}},
		"a_tombstone_that_is_no_JSON": {func(s *shelf) { s.lose("2026-11-20"); s.put("nightly/removed/2026-11-20.json", `{`) }, 4, []broken{{"2026-11-20", vault.Vanished, ""}}},
		"a_tombstone_of_what_was_never_complete": {func(s *shelf) {
			s.lose("2026-11-20")
			s.put("nightly/removed/2026-11-20.json", `{"manifestSha256":""}`)
		}, 4, []broken{{"2026-11-20", vault.Vanished, ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			for _, day := range all {
				s.linked(day)
			}
			c.change(s)
			chain, err := s.committed("2026-11-22").Chain(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if chain.Length != c.length || len(chain.Breaks) != len(c.breaks) {
				t.Fatalf("%+v", chain)
			}
			for i, want := range c.breaks {
				got := chain.Breaks[i]
				if got.Folder != s.vault.Folder(want.name).Path() || got.Kind != want.kind || !strings.Contains(got.Reason, want.text) || !strings.HasPrefix(got.Reason, got.Folder) {
					t.Errorf("break %d is %+v, want %+v", i, got, want)
				}
			}
		})
	}
}

// moveLocation moves everything below a prefix, byte for byte.
func (s *shelf) moveLocation(from, to string) {
	s.t.Helper()
	keys, err := s.Objects.Keys(localtest.Bucket, from)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, key := range keys {
		s.put(to+strings.TrimPrefix(key, from), s.object(key))
		s.drop(key)
	}
	s.vault = vault.New(s.Store, localtest.Bucket, to)
}

func TestChain_OfTombstonesInACircleEnds(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	first := s.linked("2026-11-21")
	s.linked("2026-11-22")
	s.lose("2026-11-21")
	path := s.vault.Folder("2026-11-21").Path() + "manifest.json"
	s.put("nightly/removed/2026-11-21.json", fmt.Sprintf(`{"manifestSha256":%q,"previous":{"path":%q,"sha256":%[1]q}}`, first.ManifestSHA256, path))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	chain, err := s.committed("2026-11-22").Chain(ctx)
	if err != nil || len(chain.Breaks) != 1 || chain.Breaks[0].Kind != vault.Astray {
		t.Errorf("%+v %v", chain, err)
	}
}

func TestChain_OfWhatTheStoreDoesNotGiveOutIsAnErrorAndNoVerdict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		denied string
		change func(*shelf)
	}{
		"a_manifest":  {"2026-11-21/manifest.json", func(*shelf) {}},
		"a_commit":    {"2026-11-21/backup.json", func(*shelf) {}},
		"a_tombstone": {"removed/2026-11-21.json", func(s *shelf) { s.remove("2026-11-21") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			s.linked("2026-11-21")
			last := s.linked("2026-11-22")
			c.change(s)
			s.Objects.Intercept(func(call objectstore.Call) *objectstore.Fault {
				if strings.HasSuffix(call.Key, c.denied) {
					return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
				}
				return nil
			})
			if chain, err := last.Chain(t.Context()); err == nil || len(chain.Breaks) != 0 || !strings.Contains(err.Error(), "AccessDenied") {
				t.Errorf("%+v %v", chain, err)
			}
		})
	}
}

// A damaged backup is not named by those that are taken after it, so that no link leads to it.
func TestChain_TellsOfADamagedDayThatLaterBackupsPassedOver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*shelf)
		want   []string // folders of breaks
	}{
		"its_manifest_was_altered":  {func(s *shelf) { s.put("nightly/2026-11-20/manifest.json", "{}") }, []string{"2026-11-20"}},
		"its_manifest_has_vanished": {func(s *shelf) { s.drop("nightly/2026-11-20/manifest.json") }, []string{"2026-11-20"}},
		"its_commit_is_malformed":   {func(s *shelf) { s.put("nightly/2026-11-20/backup.json", "{") }, []string{"2026-11-20"}},
		"all_the_days_before": {func(s *shelf) {
			s.put("nightly/2026-11-19/manifest.json", "{}")
			s.put("nightly/2026-11-20/manifest.json", "{}")
		}, []string{"2026-11-20", "2026-11-19"}},
		"it_was_never_finished":           {func(s *shelf) { s.lose("2026-11-20"); s.put("nightly/2026-11-20/progress.json", "{}") }, nil},
		"it_is_PARTIAL":                   {func(s *shelf) { s.lose("2026-11-20"); s.write("2026-11-20", noon, vault.Partial) }, nil},
		"it_is_the_DataArts_console's":    {func(s *shelf) { s.lose("2026-11-20"); s.put("nightly/2026-11-20/backup.json", `{"jobs":{}}`) }, nil},
		"and_no_folder_of_another_making": {func(s *shelf) { s.lose("2026-11-20"); s.put("nightly/20.11.2026/backup.json", "{") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			s.linked("2026-11-19")
			s.linked("2026-11-20")
			c.change(s)
			s.linked("2026-11-21")
			chain, err := s.linked("2026-11-22").Chain(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, b := range chain.Breaks {
				got = append(got, strings.TrimSuffix(strings.TrimPrefix(b.Folder, s.vault.Path()), "/"))
				if b.Kind != vault.Altered || !strings.HasPrefix(b.Reason, b.Folder+" was damaged or altered") {
					t.Errorf("%+v", b)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("breaks %q, want %q: %+v", got, c.want, chain)
			}
		})
	}
}

func TestChain_OfADayThatWasFinishedLate(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.linked("2026-11-20")
	s.linked("2026-11-22")
	s.linked("2026-11-21") // after the 22nd, which knows only the 20th
	chain, err := s.linked("2026-11-23").Chain(t.Context())
	if err != nil || chain.Length != 2 || len(chain.Breaks) != 0 {
		t.Errorf("%+v %v", chain, err)
	}
}

func TestRemove_RefusesWhatIsNotWhatWasMeant(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		write  func(*shelf) string // the manifest's hash
		want   error
		stones int
	}{
		"another_manifest":          {func(s *shelf) string { s.linked("2026-11-22"); return strings.Repeat("0", 64) }, vault.ErrChanged, 0},
		"a_backup_as_if_unfinished": {func(s *shelf) string { s.linked("2026-11-22"); return "" }, vault.ErrChanged, 0},
		"unfinished_as_if_a_backup": {func(s *shelf) string { s.write("2026-11-22", noon, vault.Partial); return strings.Repeat("0", 64) }, vault.ErrChanged, 0},
		"damaged":                   {func(s *shelf) string { s.put("nightly/2026-11-22/backup.json", "{"); return "" }, vault.ErrChanged, 0},
		"the_DataArts_console's":    {func(s *shelf) string { s.put("nightly/2026-11-22/backup.json", "{}"); return "" }, vault.ErrChanged, 0},
		"with_a_stranger": {func(s *shelf) string {
			s.put("nightly/2026-11-22/a.txt", "x")
			return s.linked("2026-11-22").ManifestSHA256
		}, vault.ErrStranger, 0},
		"with_an_object_missing": {func(s *shelf) string {
			b := s.linked("2026-11-22")
			s.drop("nightly/2026-11-22/3_scripts/sql.script")
			return b.ManifestSHA256
		}, vault.ErrUnproved, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			hash := c.write(s)
			before, _ := s.Objects.Keys(localtest.Bucket, "nightly/")
			if err := s.vault.CheckRemoval(t.Context(), "2026-11-22", vault.Removal{ManifestSHA256: hash, At: noon}); !errors.Is(err, c.want) {
				t.Errorf("the check says %v", err)
			}
			if err := s.vault.Remove(t.Context(), "2026-11-22", vault.Removal{ManifestSHA256: hash, At: noon}); !errors.Is(err, c.want) {
				t.Errorf("%v", err)
			}
			if after, _ := s.Objects.Keys(localtest.Bucket, "nightly/"); !slices.Equal(before, after) {
				t.Errorf("%q became %q", before, after)
			}
		})
	}
}

func TestRemove_OfAnUnfinishedFolderKnowsItsOwnKeys(t *testing.T) {
	t.Parallel()
	for key, ours := range map[string]bool{
		"1_env/env.json": true, "1_env/env.json.age": true, "1_env/other.json": false,
		"2_resources/a/b/udf.resource": true, "2_resources/udf.resource.age": true, "2_resources/a/udf.files/bucket/libs/udf.jar": true,
		"2_resources/udf.files/bucket/udf.jar.age": true, "2_resources/readme.txt": false, "2_resources/.resource": false,
		"3_scripts/a.script": true, "3_scripts/a.script.age": true, "3_scripts/a.sql": false, "3_scripts/x/a.script": false, "3_scripts/.script": false,
		"4_jobs/a.job": true, "4_jobs/a.job.age": true, "4_jobs/a.job.bak": false, "4_jobs/a.job.age.age": false,
		"manifest.json": true, "progress.json": true, "report.json": false, "5_more/a.job": false, "a.job": false, "": true,
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			text := "x"
			switch key {
			case "":
				text = ""
			case "manifest.json":
				text = `{"formatVersion":1,"status":"PARTIAL"}`
			}
			s.put("nightly/2026-11-22/"+key, text)
			err := s.vault.Remove(t.Context(), "2026-11-22", vault.Removal{At: noon, Reason: "test"})
			left, _ := s.Objects.Keys(localtest.Bucket, "nightly/2026-11-22/")
			if ours && (err != nil || len(left) != 0) || !ours && (!errors.Is(err, vault.ErrStranger) || len(left) != 1) {
				t.Errorf("ours %v: %v, and there is %q", ours, err, left)
			}
		})
	}
}

func TestRemove_AsksBeforeEveryStepThatCannotBeTakenBack(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	hash := s.linked("2026-11-22").ManifestSHA256
	lost := errors.New("the lease is lost")
	asked := 0
	err := s.vault.Remove(t.Context(), "2026-11-22", vault.Removal{ManifestSHA256: hash, At: noon, Ready: func(context.Context) error {
		if asked++; asked > 1 {
			return lost
		}
		return nil
	}})
	if !errors.Is(err, lost) || s.object("nightly/2026-11-22/backup.json") == "" {
		t.Errorf("%v", err)
	}
	// The tombstone is there, and is taken back for a backup that stays; not for another manifest.
	if names, err := s.vault.Tombstones(t.Context()); err != nil || !slices.Equal(names, []string{"2026-11-22"}) {
		t.Errorf("%q %v", names, err)
	}
	if err := s.vault.Unbury(t.Context(), "2026-11-22"); err != nil {
		t.Error(err)
	}
	if names, err := s.vault.Tombstones(t.Context()); err != nil || len(names) != 0 {
		t.Errorf("%q %v", names, err)
	}
}

func TestUnbury_LeavesTheTombstonesOfEarlierBackupsInTheFolder(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	first := s.linked("2026-11-21").ManifestSHA256
	s.remove("2026-11-21")
	second := s.linked("2026-11-21").ManifestSHA256
	s.Objects.Protect(localtest.Bucket, "nightly/2026-11-21/")
	err := s.vault.Remove(t.Context(), "2026-11-21", vault.Removal{ManifestSHA256: second, At: noon})
	if !errors.Is(err, vault.ErrProtected) {
		t.Fatal(err)
	}
	stone, err := s.vault.Tombstone(t.Context(), "2026-11-21")
	if err != nil || stone.ManifestSHA256 != first || len(stone.Earlier) != 0 {
		t.Errorf("%+v %v", stone, err)
	}
}

func TestVerify_NamesTheProgressOfAnUnfinishedRunAsHarmless(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	b := s.linked("2026-11-22")
	s.put("nightly/2026-11-22/progress.json", "{}")
	if err := b.Verify(t.Context()); !errors.Is(err, vault.ErrLeftover) || errors.Is(err, vault.ErrUnproved) || !strings.Contains(err.Error(), "2026-11-22/progress.json") {
		t.Errorf("%v", err)
	}
}
