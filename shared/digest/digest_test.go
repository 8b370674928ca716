package digest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/digest"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

const before = "obs://bucket/backups/2026-11-21/"

// job is a job in a manifest with some content.
func job(name, content string, change ...func(*vault.Asset)) vault.Asset {
	a := vault.Asset{Kind: asset.Jobs, Name: name, Directory: "/ods", Key: "4_jobs/" + name + ".job", Size: int64(len(content)), ContentSHA256: vault.Hash([]byte(content)),
		Owner: "owner"}
	for _, c := range change {
		c(&a)
	}
	return a
}

func by(user string) func(*vault.Asset) { return func(a *vault.Asset) { a.LastModifiedBy = user } }

// sealed makes it one of an encrypted backup.
func sealed(size int64) func(*vault.Asset) {
	return func(a *vault.Asset) { a.Key, a.ContentSHA256, a.Size = a.Key+".age", "", size }
}

func at(hour int) func(*vault.Asset) {
	return func(a *vault.Asset) {
		t := time.Date(2026, 11, 20, hour, 0, 0, 0, time.UTC)
		a.LastModified = &t
	}
}

func manifest(assets ...vault.Asset) *vault.Manifest {
	return &vault.Manifest{Previous: &vault.Previous{Path: before + "manifest.json"}, Assets: assets}
}

func TestBetween(t *testing.T) {
	t.Parallel()
	env := func(content string) vault.Asset {
		return vault.Asset{Kind: asset.Env, Name: asset.EnvName, Key: "1_env/env.json", ContentSHA256: vault.Hash([]byte(content))}
	}
	resource := func(files ...vault.File) vault.Asset {
		return vault.Asset{Kind: asset.Resources, Name: "udf", Directory: "/jars", Key: "2_resources/jars/udf.resource", ContentSHA256: "same", Files: files}
	}
	jar := func(content string) vault.File {
		return vault.File{Location: "obs://files/udf.jar", Key: "2_resources/jars/udf.files/0", ContentSHA256: vault.Hash([]byte(content))}
	}
	touched := func(a vault.Asset) vault.Asset { at(1)(&a); return a }
	changed := func(kind asset.Kind, name, directory, user string) digest.Change {
		return digest.Change{Kind: kind, Name: name, Directory: directory, Change: digest.Changed, By: user}
	}
	tests := map[string]struct {
		old, now []vault.Asset
		want     digest.Digest
	}{
		"nothing_has_changed": {
			[]vault.Asset{env("a"), job("a", "1")}, []vault.Asset{env("a"), job("a", "1", by("eve"))}, digest.Digest{},
		},
		"what_was_changed_last_at_the_same_moment_has_not_changed_however_it_is_spelled": {
			[]vault.Asset{job("a", "1", at(1))}, []vault.Asset{job("a", `{"maskedParams":[]}`, at(1))}, digest.Digest{},
		},
		"saved_again_with_the_same_content": {
			[]vault.Asset{job("a", "1", at(1))}, []vault.Asset{job("a", "1", at(2))}, digest.Digest{},
		},
		"changed_at_another_moment": {
			[]vault.Asset{job("a", "1", at(1))}, []vault.Asset{job("a", "2", at(2))},
			digest.Digest{Changed: 1, Changes: []digest.Change{changed(asset.Jobs, "a", "/ods", "owner")}},
		},
		"without_a_time_in_one_of_them_the_content_decides": {
			[]vault.Asset{job("a", "1", at(1)), job("b", "1")}, []vault.Asset{job("a", "2"), job("b", "2", at(1))},
			digest.Digest{Changed: 2, Changes: []digest.Change{changed(asset.Jobs, "a", "/ods", "owner"), changed(asset.Jobs, "b", "/ods", "owner")}},
		},
		"a_file_that_changed_under_a_definition_that_was_not_touched": {
			[]vault.Asset{touched(resource(jar("1")))}, []vault.Asset{touched(resource(jar("2")))},
			digest.Digest{Changed: 1, Changes: []digest.Change{changed(asset.Resources, "udf", "/jars", "")}},
		},
		"one_of_each_by_whom": {
			[]vault.Asset{job("a", "1"), job("b", "2"), job("c", "3"), job("d", "4"), job("e", "5")},
			[]vault.Asset{job("a", "1"), job("b", "2!", by("eve")), job("d", "4"), job("e", "5"), job("f", "6")},
			digest.Digest{Added: 1, Changed: 1, Removed: 1, LostShare: 0.2, Changes: []digest.Change{
				{Kind: asset.Jobs, Name: "c", Directory: "/ods", Change: digest.Removed, By: "owner"},
				changed(asset.Jobs, "b", "/ods", "eve"),
				{Kind: asset.Jobs, Name: "f", Directory: "/ods", Change: digest.Added, By: "owner"},
			}},
		},
		"the_environment_is_one_asset": {
			[]vault.Asset{env("a")}, []vault.Asset{env("b")}, digest.Digest{Changed: 1, Changes: []digest.Change{changed(asset.Env, "env", "", "")}},
		},
		"more_than_a_fifth_is_a_mass_loss": {
			[]vault.Asset{job("a", "1"), job("b", "2"), job("c", "3"), job("d", "4")}, []vault.Asset{job("a", "1"), job("b", "2"), job("c", "3")},
			digest.Digest{Removed: 1, LostShare: 0.25, MassLoss: true, Changes: []digest.Change{{Kind: asset.Jobs, Name: "d", Directory: "/ods", Change: digest.Removed, By: "owner"}}},
		},
		"the_same_content_under_another_name_is_a_rename_and_no_loss": {
			[]vault.Asset{job("a", "1")}, []vault.Asset{job("b", "1")},
			digest.Digest{Renamed: 1, Changes: []digest.Change{{Kind: asset.Jobs, Name: "b", Directory: "/ods", Change: digest.Renamed, From: "a", By: "owner"}}},
		},
		"of_several_with_the_same_content_none_is_said_to_be_renamed": {
			[]vault.Asset{job("a", "1"), job("b", "1")}, []vault.Asset{job("c", "1")},
			digest.Digest{Added: 1, Removed: 2, LostShare: 1, MassLoss: true, Changes: []digest.Change{
				{Kind: asset.Jobs, Name: "a", Directory: "/ods", Change: digest.Removed, By: "owner"},
				{Kind: asset.Jobs, Name: "b", Directory: "/ods", Change: digest.Removed, By: "owner"},
				{Kind: asset.Jobs, Name: "c", Directory: "/ods", Change: digest.Added, By: "owner"},
			}},
		},
		"a_job_that_moved_to_another_directory_is_still_that_job": {
			[]vault.Asset{job("a", "1")}, []vault.Asset{job("a", "2", func(a *vault.Asset) { a.Directory = "/dws" })},
			digest.Digest{Changed: 1, Changes: []digest.Change{changed(asset.Jobs, "a", "/dws", "owner")}},
		},
		"a_file_that_changed_under_the_same_definition": {
			[]vault.Asset{resource(jar("1"))}, []vault.Asset{resource(jar("2"))},
			digest.Digest{Changed: 1, Changes: []digest.Change{changed(asset.Resources, "udf", "/jars", "")}},
		},
		"a_file_that_is_gone_under_the_same_definition": {
			[]vault.Asset{resource(jar("1"))}, []vault.Asset{resource(vault.File{Location: "obs://files/udf.jar", Reason: "it does not exist"})},
			digest.Digest{Changed: 1, Changes: []digest.Change{changed(asset.Resources, "udf", "/jars", "")}},
		},
		"encrypted_with_the_time_of_the_last_change": {
			[]vault.Asset{job("a", "", sealed(9), at(1)), job("b", "", sealed(9), at(1))}, []vault.Asset{job("a", "", sealed(9), at(2)), job("b", "", sealed(10), at(1))},
			digest.Digest{Changed: 1, Changes: []digest.Change{changed(asset.Jobs, "a", "/ods", "owner")}},
		},
		"encrypted_with_the_size_alone": {
			[]vault.Asset{job("a", "", sealed(9)), job("b", "", sealed(9))}, []vault.Asset{job("a", "", sealed(10)), job("b", "", sealed(9), at(1))},
			digest.Digest{Changed: 1, Changes: []digest.Change{changed(asset.Jobs, "a", "/ods", "owner")}},
		},
		"the_first_encrypted_one_after_a_plain_one_cannot_tell_without_a_time": {
			[]vault.Asset{job("a", "1"), job("b", "1", at(1))}, []vault.Asset{job("a", "", sealed(1)), job("b", "", sealed(1), at(1))},
			digest.Digest{Unknown: 1},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.Since = before
			if test.want.Changes == nil {
				test.want.Changes = []digest.Change{}
			}
			if diff := cmp.Diff(test.want, digest.Between(manifest(test.old...), manifest(test.now...))); diff != "" {
				t.Errorf("digest (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBetween_TheFirstBackupAddsEverythingAndListsNothing(t *testing.T) {
	t.Parallel()
	m := manifest(job("a", "1"))
	m.Previous = nil
	want := digest.Digest{Added: 1, Changes: []digest.Change{}, Unlisted: 1}
	if diff := cmp.Diff(want, digest.Between(nil, m)); diff != "" {
		t.Errorf("digest (-want +got):\n%s", diff)
	}
}

func TestBetween_CountsEverythingAndListsAFew(t *testing.T) {
	t.Parallel()
	var old, now []vault.Asset
	for i := range 200 {
		old = append(old, job(fmt.Sprintf("old%03d", i), fmt.Sprint(i)))
		now = append(now, job(fmt.Sprintf("new%03d", i), fmt.Sprint("new", i)))
	}
	d := digest.Between(manifest(old...), manifest(now...))
	if d.Added != 200 || d.Removed != 200 || len(d.Changes) != digest.MaxChanges || d.Unlisted != 400-digest.MaxChanges || d.Total() != 400 {
		t.Errorf("added %d, removed %d, %d listed, %d not", d.Added, d.Removed, len(d.Changes), d.Unlisted)
	}
	for _, c := range d.Changes {
		if c.Change != digest.Removed {
			t.Fatalf("what is removed does not come first: %+v", c)
		}
	}
}

func TestBetween_HoldsNoHash(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(digest.Between(manifest(job("a", "1")), manifest(job("a", "2"), job("b", "3"))))
	if err != nil {
		t.Fatal(err)
	}
	// The hash of a short value gives the value away.
	if strings.Contains(string(text), vault.Hash([]byte("2"))) {
		t.Errorf("a hash of content is in %s", text)
	}
}
