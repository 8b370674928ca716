package formats_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// format1 is the fixture of formatVersion 1.
const format1 = "format-1"

// Whoever changes a file here says that a backup which people have is something else.
func TestFormat1_IsTheBytesThatWereReleased(t *testing.T) {
	if *update {
		w := newWorld(t)
		dump(t, w, story(t, w), fixture(format1))
	}
	files := map[string][]byte{}
	root := fixture(format1)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == sums {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(root, sums))
	if err != nil {
		t.Fatal(err)
	}
	if got := sumsOf(files); got != string(want) {
		t.Errorf("the files of %s are not those of %s:\n%s", root, sums, got)
	}
	const most = 300 << 10
	size := 0
	for _, data := range files {
		size += len(data)
	}
	if size > most {
		t.Errorf("%s has %d bytes, more than %d", root, size, most)
	}
}

func TestFormat1_IsVerified(t *testing.T) {
	t.Parallel()
	w, _ := loaded(t, format1)
	for name, test := range map[string]struct{ location, command, want string }{
		"a_nightly_backup_that_was_edited": {plain, `{"verify":"2026-11-22"}`, "the chain of 3 backups before it is whole"},
		"one_by_hand":                      {plain, `{"verify":"2026-11-22T153000"}`, "the chain of 4 backups before it is whole"},
		"one_in_a_folder":                  {plain, `{"verify":"2026-11-22T153000","folder":"before-release"}`, "the chain of 0 backups before it is whole"},
		"the_latest_and_the_nights_since":  {plain, `{"verify":"latest"}`, "newer, and no backup to restore from: 2026-11-23 is PARTIAL, 2026-11-24 is INCOMPLETE"},
		"an_encrypted_one":                 {sealed, `{"verify":"latest"}`, "the chain of 1 backup before it is whole"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := w.at(test.location, w.now)
			got, err := w.backUp(test.command, map[string]string{"RESTORE_IDENTITY": "", "BACKUP_RECIPIENTS": ""}) // no key is needed
			if err != nil || got.Status != "COMPLETE" || !strings.Contains(got.Backups[0].Message, test.want) {
				t.Errorf("%+v %v, want %s", got, err, test.want)
			}
		})
	}
}

func TestFormat1_ShowsWhatWasDoneToIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		harm func(w *world)
		want string
	}{
		"a_changed_byte": {func(w *world) {
			key := w.prefix() + "2026-11-22/3_scripts/dwd_orders_hivesql.script"
			w.put(key, bytes.Replace(w.object(key), []byte("INSERT"), []byte("UPSERT"), 1))
		}, "the backup does not match its manifest"},
		"a_lost_object": {func(w *world) { w.drop("2026-11-22/4_jobs/dws_orders_df.job") }, "is not there"},
		"a_day_before_it_that_is_gone": {func(w *world) {
			for _, key := range []string{"backup.json", "manifest.json"} {
				w.drop("2026-11-21/" + key)
			}
		}, "the chain of backups before it is broken"},
		"a_tombstone_that_is_gone": {func(w *world) { w.drop("removed/2026-11-20.json") }, "the chain of backups before it is broken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := loaded(t, format1)
			test.harm(w)
			if got, err := w.backUp(`{"verify":"2026-11-22"}`, nil); err == nil || !strings.Contains(got.Backups[0].Message, test.want) {
				t.Errorf("%+v, want %s", got, test.want)
			}
		})
	}
}

// drop deletes an object below the location.
func (w *world) drop(key string) {
	w.t.Helper()
	w.object(w.prefix() + key)
	if err := w.Objects.DeleteObject(localtest.Bucket, w.prefix()+key); err != nil {
		w.t.Fatal(err)
	}
}

// The edits in backup.json of the 22nd are applied; the request's own take them back.
func TestFormat1_IsRestoredIntoAnEmptyWorkspace(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ location, request string }{
		"an_edited_backup":   {plain, `"date":"2026-11-22","replace":{"connectionName":{"mrs_hive_dr":"mrs_hive_prod"}}`},
		"one_by_hand":        {plain, `"date":"latest"`},
		"one_by_its_path":    {plain, `"path":"obs://dataarts-backup/plain/0dd3000000000000000000000000aaaa/before-release/2026-11-22T153000/"`},
		"an_encrypted_one":   {sealed, `"date":"2026-11-22"`},
		"what_was_PARTIAL":   {plain, `"path":"obs://dataarts-backup/plain/0dd3000000000000000000000000aaaa/2026-11-23/","allowPartial":true`},
		"the_day_it_chained": {sealed, `"date":"2026-11-21"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, held := loaded(t, format1)
			w = w.at(test.location, w.now)
			if err := w.Objects.DeleteObject(filesBucket, "resources/etl_001.jar"); err != nil {
				t.Fatal(err)
			}
			want := held[backedUp]
			if name == "what_was_PARTIAL" { // nobody was let see the variables
				delete(want, "env env")
			}
			plan, err := w.restore(`{"id":"look","duplicateNamePolicy":"fail","dryRun":true,`+test.request+`}`, nil)
			if err != nil || plan.Status != "PLANNED" || plan.Counts["create"] != len(plan.Items) || len(plan.Items) < len(want) {
				t.Fatalf("%+v %v", plan, err)
			}
			got, err := w.restore(`{"id":"all","duplicateNamePolicy":"fail",`+test.request+`}`, nil)
			if err != nil || got.Status != "COMPLETE" || got.Counts["created"] != len(got.Items) {
				t.Fatalf("%+v %v", got, err)
			}
			if differences := w.differences(want); len(differences) > 0 {
				t.Errorf("the workspace differs from what was backed up in\n%s", strings.Join(differences, "\n"))
			}
			if file, _ := w.Objects.GetObject(filesBucket, "resources/etl_001.jar"); string(file) != "the content of resources/etl_001.jar\n" {
				t.Errorf("the resource's file is %q", file)
			}
		})
	}
}

func TestFormat1_IsComparedWithTheWorkspaceItWasTakenOf(t *testing.T) {
	t.Parallel()
	w, held := loaded(t, format1)
	w.fill(held[backedUp])
	for name, test := range map[string]struct {
		location, request string
		overwrite         int
	}{
		"unchanged":            {plain, `"date":"latest"`, 0},
		"unchanged_if_sealed":  {sealed, `"date":"latest"`, 0},
		"but_for_what_is_edit": {plain, `"date":"2026-11-22"`, 2}, // the connection of a script and of a job
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan, err := w.at(test.location, w.now).restore(`{"id":"`+name+`","duplicateNamePolicy":"overwrite","dryRun":true,`+test.request+`}`, nil)
			if err != nil || plan.Counts["overwrite"] != test.overwrite || plan.Counts["unchanged"] != len(plan.Items)-test.overwrite {
				t.Errorf("%+v %v", plan, err)
			}
		})
	}
}

func TestFormat1_RestoresAreKnownAndUndone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ location, id, request, before string }{
		"in_plain_text": {plain, "monday", `{"id":"monday","date":"2026-11-22","duplicateNamePolicy":"overwrite","replace":{"connectionName":{"mrs_hive_dr":"mrs_hive_prod"}}}`, damaged},
		"encrypted":     {sealed, "sealed-monday", `{"id":"sealed-monday","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`, sealedDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, held := loaded(t, format1)
			w = w.at(test.location, w.now)
			w.fill(held[restored])
			w.DataArts.ResetCalls()
			again, err := w.restore(test.request, nil)
			if err != nil || again.Status != "COMPLETE" || w.Writes() > 0 {
				t.Fatalf("the same request: %+v %v, %d writes", again, err, w.Writes())
			}
			undone, err := w.restore(`{"undo":"`+test.id+`"}`, nil)
			if err != nil || undone.Status != "UNDONE" {
				t.Fatalf("%+v %v", undone, err)
			}
			if differences := w.differences(held[test.before]); len(differences) > 0 {
				t.Errorf("the workspace differs from what it was before the restore in\n%s", strings.Join(differences, "\n"))
			}
		})
	}
}

// A location may be copied to another place, with another name, by any tool.
func TestFormat1_MayBeMoved(t *testing.T) {
	t.Parallel()
	w, held := loaded(t, format1)
	keys, err := w.Objects.Keys(localtest.Bucket, plain+"/")
	if err != nil {
		t.Fatal(err)
	}
	const elsewhere = "archive/of sales"
	for _, key := range keys {
		w.put(elsewhere+strings.TrimPrefix(key, plain), w.object(key))
		if err := w.Objects.DeleteObject(localtest.Bucket, key); err != nil {
			t.Fatal(err)
		}
	}
	w = w.at(elsewhere, w.now)
	if got, err := w.backUp(`{"verify":"latest"}`, nil); err != nil || !strings.Contains(got.Backups[0].Message, "the chain of 4 backups before it is whole") {
		t.Errorf("%+v %v", got, err)
	}
	w.fill(held[restored])
	if undone, err := w.restore(`{"undo":"monday"}`, nil); err != nil || undone.Status != "UNDONE" {
		t.Errorf("%+v %v", undone, err)
	}
	if differences := w.differences(held[damaged]); len(differences) > 0 {
		t.Errorf("the workspace differs from what it was before the restore in\n%s", strings.Join(differences, "\n"))
	}
	if got, err := w.restore(`{"id":"all","date":"latest","duplicateNamePolicy":"overwrite"}`, nil); err != nil || got.Status != "COMPLETE" {
		t.Errorf("%+v %v", got, err)
	}
	if differences := w.differences(held[backedUp]); len(differences) > 0 {
		t.Errorf("the workspace differs from what was backed up in\n%s", strings.Join(differences, "\n"))
	}
	got, err := w.night(25, nil)
	w.complete(got, err)
}

func TestFormat1_DrillsAreKnown(t *testing.T) {
	t.Parallel()
	w, _ := loaded(t, format1)
	var again drilled
	if err := w.invoke(t.Context(), handler.Restore, nil, []byte(drillCommand), &again); err != nil || again.Status != "GOOD" || len(w.DataArts.Calls()) > 0 {
		t.Errorf("the same drill: %+v %v, %d calls", again, err, len(w.DataArts.Calls()))
	}
	var list struct {
		Drills struct{ LastGood *struct{ ID string } }
	}
	w.get("/backups", &list)
	if list.Drills.LastGood == nil || list.Drills.LastGood.ID != again.ID {
		t.Errorf("%+v, want %s", list, again.ID)
	}
}

// What an interrupted run and one that was PARTIAL have left is taken over, and every later night is chained to what was there.
func TestFormat1_IsGoneOnWith(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		location, since string
		settings        map[string]string
	}{
		"in_plain_text":     {plain, "2026-11-22T153000/", nil},
		"encrypted":         {sealed, "2026-11-22/", nil},
		"encrypted_no_more": {sealed, "2026-11-22/", map[string]string{"BACKUP_RECIPIENTS": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, held := loaded(t, format1)
			w = w.at(test.location, w.now)
			w.fill(held[backedUp])
			since := "obs://" + localtest.Bucket + "/" + w.prefix() + test.since
			for _, day := range []int{23, 24, 25} {
				got, err := w.night(day, test.settings)
				w.complete(got, err)
				if d := got.Backups[0].Digest; d == nil || d.Since != since {
					t.Errorf("night %d: since %+v, want %s", day, d, since)
				}
				since = got.Backups[0].Path
			}
			kept := map[string]string{"BACKUP_KEEP": "daily=1"}
			for name, value := range test.settings {
				kept[name] = value
			}
			last, err := w.night(26, kept)
			w.complete(last, err)
			if removed := strings.Join(last.Backups[0].Removed, " "); !strings.HasPrefix(removed, "2026-11-21 2026-11-22 ") || !strings.HasSuffix(removed, "2026-11-25") {
				t.Errorf("removed %s: %s", removed, last.Backups[0].Message)
			}
			if got, err := w.backUp(`{"verify":"latest"}`, nil); err != nil || !strings.Contains(got.Backups[0].Message, "before it is whole") {
				t.Errorf("%+v %v", got, err)
			}
		})
	}
}

func TestFormat1_WhatAnInterruptedRunStoredIsTakenOver(t *testing.T) {
	t.Parallel()
	w, _ := loaded(t, format1)
	var progress struct{ Assets []any }
	w.decode(w.prefix()+"2026-11-24/progress.json", &progress)
	writer, err := vault.New(w.Store, localtest.Bucket, strings.TrimSuffix(w.prefix(), "/")).Folder("2026-11-24").Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stored, err := writer.Progress(t.Context())
	if err != nil || len(stored) != len(progress.Assets) || len(stored) == 0 {
		t.Errorf("%d assets are taken over, and progress.json has %d: %v", len(stored), len(progress.Assets), err)
	}
}

func TestFormat1_IsShown(t *testing.T) {
	t.Parallel()
	w, held := loaded(t, format1)
	w.fill(held[backedUp])
	var list struct {
		Backups []struct{ Name, Status string }
	}
	w.get("/backups", &list)
	var names []string
	for _, b := range list.Backups {
		names = append(names, b.Name+" "+b.Status)
	}
	if got := strings.Join(names, ", "); got != "2026-11-24 INCOMPLETE, 2026-11-23 PARTIAL, 2026-11-22T153000 COMPLETE, 2026-11-22 COMPLETE, 2026-11-21 COMPLETE" {
		t.Errorf("backups %s", got)
	}
	var detail struct {
		Verified struct{ Status string }
	}
	w.get("/backups/2026-11-22", &detail)
	if detail.Verified.Status != "VERIFIED" {
		t.Errorf("%+v", detail)
	}
	var diff struct{ Counts map[string]int }
	w.get("/backups/2026-11-21/diff/2026-11-22", &diff)
	if diff.Counts["added"] != 1 || diff.Counts["removed"] != 1 || diff.Counts["changed"] != 0 {
		t.Errorf("%+v", diff)
	}
	for _, target := range []string{"/backups/2026-11-22/graph?key=4_jobs/dws_orders_df.job", "/calendar", "/find?text=orders", "/log?kind=scripts&name=dwd_orders_hivesql",
		"/backups/2026-11-22/asset?key=3_scripts/dwd_orders_hivesql.script", "/backups/2026-11-22/document"} {
		w.get(target, &map[string]any{})
	}
}

// A backup of a newer format was written by a newer version: it is left alone, and the words say what to do.
func TestFormat2_IsRefusedWithWordsThatSayWhatToDo(t *testing.T) {
	t.Parallel()
	w, held := loaded(t, format1)
	w.fill(held[backedUp])
	manifest := bytes.Replace(w.object(w.prefix()+"2026-11-22/manifest.json"), []byte(`"formatVersion": 1`), []byte(`"formatVersion": 2`), 1)
	document := bytes.Replace(w.object(w.prefix()+"2026-11-22/backup.json"), []byte(`"formatVersion": 1`), []byte(`"formatVersion": 2`), 1)
	document = bytes.Replace(document, []byte(vault.Hash(w.object(w.prefix()+"2026-11-22/manifest.json"))), []byte(vault.Hash(manifest)), 1)
	w.put(w.prefix()+"2026-11-22/manifest.json", manifest)
	w.put(w.prefix()+"2026-11-22/backup.json", document)
	const want = "formatVersion is 2, this version of DataArts Backup reads 1 to 1: use the version that wrote it, or a newer one"
	w.DataArts.ResetCalls()
	record := w.object(w.prefix() + "verifications/2026-11-22.json")
	if got, err := w.backUp(`{"verify":"2026-11-22"}`, nil); err == nil || !strings.Contains(got.Backups[0].Message, want) {
		t.Errorf("verify: %+v %v", got, err)
	}
	if now := w.object(w.prefix() + "verifications/2026-11-22.json"); !bytes.Equal(now, record) {
		t.Errorf("there is a verdict on record: %s", now)
	}
	var listed struct {
		Backups []struct{ Name, Status, Message string }
	}
	w.get("/backups", &listed)
	for _, b := range listed.Backups {
		if isNewer := b.Name == "2026-11-22"; isNewer != (b.Status == "UNSUPPORTED") || isNewer && !strings.Contains(b.Message, want) {
			t.Errorf("in the list: %+v", b)
		}
	}
	if got, err := w.restore(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`, nil); got.Status != "FAILED" || !strings.Contains(got.Message, want) || w.Writes() > 0 {
		t.Errorf("restore: %+v %v, %d writes", got, err, w.Writes())
	}
	if _, err := w.night(22, nil); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the night: %v", err)
	}
	got, err := w.night(25, map[string]string{"BACKUP_KEEP": "daily=1"})
	w.complete(got, err)
	if strings.Contains(strings.Join(got.Backups[0].Removed, " ")+" ", "2026-11-22 ") || !bytes.Equal(w.object(w.prefix()+"2026-11-22/manifest.json"), manifest) {
		t.Errorf("removed %v", got.Backups[0].Removed)
	}
}
