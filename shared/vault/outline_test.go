package vault_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

func TestFolder_Glance(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const name = "2026-11-22"
	folder, at := s.vault.Folder(name), "nightly/"+name+"/"
	var versions []string
	glance := func(want vault.State) {
		t.Helper()
		o, err := folder.Outline(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found, err := folder.Glance(t.Context(), o)
		whole, wholeErr := folder.Inspect(t.Context())
		if err != nil || wholeErr != nil || found.State != want || whole.State != want || found.Manifest != nil {
			t.Errorf("%s %v, want %s; a whole look says %s %v", found.State, err, want, whole.State, wholeErr)
		}
		if want == vault.StateComplete && found.ManifestSHA256 != whole.ManifestSHA256 {
			t.Errorf("%s %s", found.ManifestSHA256, whole.ManifestSHA256)
		}
		for _, before := range versions {
			if o.Version() == before {
				t.Errorf("%s has the version of an earlier state", want)
			}
		}
		versions = append(versions, o.Version())
	}
	glance(vault.StateIncomplete)
	s.write(name, noon, vault.Partial)
	glance(vault.StatePartial)
	s.write(name, noon, vault.Complete)
	glance(vault.StateComplete)
	// An editor may have moved the hash behind what an operator edits: then a glance is not enough.
	document := s.object(at + "backup.json")
	hash := vault.Hash([]byte(s.object(at + "manifest.json")))
	s.put(at+"backup.json", fmt.Sprintf(`{"filler": %q, "manifestSha256": %q}`, strings.Repeat("x", 10_000), hash))
	glance(vault.StateComplete)
	s.put(at+"backup.json", `{"jobs": {}}`)
	glance(vault.StateDamaged)
	s.put(at+"backup.json", "{\n broken")
	glance(vault.StateDamaged)
	s.put(at+"backup.json", document+" ")
	manifest := s.object(at + "manifest.json")
	s.drop(at + "manifest.json")
	glance(vault.StateDamaged)
	s.put(at+"backup.json", `{"jobs":{},"scripts":{}}`)
	glance(vault.StateUnverified)
	s.drop(at + "backup.json")
	s.put(at+"manifest.json", manifest)
	glance(vault.StateIncomplete)
	s.put(at+"manifest.json", "{")
	glance(vault.StateDamaged)
	newer := strings.Replace(manifest, `"formatVersion": 1`, `"formatVersion": 2`, 1)
	s.put(at+"manifest.json", newer)
	glance(vault.StateUnsupported)
	s.put(at+"backup.json", strings.NewReplacer(`"formatVersion": 1`, `"formatVersion": 2`, hash, vault.Hash([]byte(newer))).Replace(document))
	glance(vault.StateUnsupported)
}

func TestFolder_GlanceReadsNoManifest(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.write("2026-11-22", noon, vault.Complete)
	s.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Operation == "GetObject" && (strings.HasSuffix(c.Key, "manifest.json") || c.Request.Header.Get("Range") == "") {
			t.Errorf("%s is read", c.Key)
		}
		return nil
	})
	o, err := s.vault.Folder("2026-11-22").Outline(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.vault.Folder("2026-11-22").Glance(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

func TestFolder_Tally(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	folder := s.vault.Folder("2026-11-22")
	if tally, err := folder.Tally(t.Context()); tally != nil || err != nil {
		t.Errorf("nothing is there: %+v %v", tally, err)
	}
	w, err := folder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var assets []vault.Stored
	for i := range 2000 {
		assets = append(assets, vault.Stored{Asset: vault.Asset{Kind: "jobs", Name: fmt.Sprint(i), Key: fmt.Sprintf("4_jobs/%d.job", i), Size: 1}})
	}
	total := 10_300
	if err := w.SaveProgress(t.Context(), vault.Tally{Done: 2001, Total: &total, At: noon}, assets); err != nil {
		t.Fatal(err)
	}
	s.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Operation == "GetObject" && c.Request.Header.Get("Range") == "" {
			t.Errorf("%s is read as a whole", c.Key)
		}
		return nil
	})
	tally, err := folder.Tally(t.Context())
	if err != nil || tally == nil || tally.Done != 2001 || *tally.Total != 10_300 || !tally.At.Equal(noon) {
		t.Errorf("%+v %v", tally, err)
	}
	s.Objects.Intercept(nil)
	for _, old := range []string{`{"formatVersion": 1, "recipients": null, "assets": [`, "{}", "", `{"done": "x", "at": "2026-11-22T12:00:00Z"}`} {
		s.put("nightly/2026-11-22/progress.json", old)
		if tally, err := folder.Tally(t.Context()); tally != nil || err != nil {
			t.Errorf("%s: %+v %v", old, tally, err)
		}
	}
	if err := w.SaveProgress(t.Context(), vault.Tally{Done: 1, At: noon}, nil); err != nil {
		t.Fatal(err)
	}
	if text := s.object("nightly/2026-11-22/progress.json"); !strings.HasPrefix(text, `{"formatVersion": 1, "done":1,"total":null,"at":"2026-11-22T12:00:00Z", "recipients": `) {
		t.Errorf("%s", text)
	}
}
