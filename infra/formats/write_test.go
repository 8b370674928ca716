package formats_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
)

// update writes the fixture of the format that this version writes. A fixture is written once, when its format is new, and never again: a release that
// reads only what it would write itself has lost what was there before.
var update = flag.Bool("update", false, "write testdata of the current format; only for a format that was never released")

// story lets happen, in an empty world, what leaves every kind of object behind that the functions write. It returns what the workspace held on the way.
func story(t *testing.T, w *world) holds {
	t.Helper()
	held := holds{}
	h := w.Handle(localtest.Workspace)
	w.furnish()

	w.complete(w.night(19, nil))
	w.complete(w.night(20, nil))
	w.replace(dataarts.Scripts, "dwd_orders_hivesql", "region", "area")
	w.complete(w.night(21, nil))
	w.rename()
	w.complete(w.night(22, map[string]string{"BACKUP_KEEP": "daily=2"})) // the 19th and the 20th go
	held[backedUp] = local.TakeSnapshot(h)
	byHand := w.at(plain, at(22, 15, 30))
	w.complete(byHand.backUp(`{}`, map[string]string{"BACKUP_TIME_ZONE": "Asia/Shanghai"}))
	w.complete(byHand.backUp(`{"folder":"before-release"}`, map[string]string{"BACKUP_TIME_ZONE": "Asia/Shanghai"}))
	night22 := w.prefix() + "2026-11-22/"
	edited := bytes.Replace(w.object(night22+"backup.json"), []byte(`"connectionName": {}`), []byte(`"connectionName": {"mrs_hive_prod": "mrs_hive_dr"}`), 1)
	if bytes.Equal(edited, w.object(night22+"backup.json")) {
		t.Fatalf("there is nothing to edit: %s", edited)
	}
	w.put(night22+"backup.json", edited)
	w.complete(w.at(plain, at(22, 16, 0)).backUp(`{"verify":"2026-11-22"}`, nil))

	w.replace(dataarts.Scripts, "dwd_orders_hivesql", "INSERT", "DELETE")
	if !h.Delete(dataarts.Jobs, "dws_orders_df") {
		t.Fatal("the job is not there")
	}
	held[damaged] = local.TakeSnapshot(h)
	restored22, err := w.at(plain, at(22, 17, 0)).restore(`{"id":"monday","date":"2026-11-22","duplicateNamePolicy":"overwrite","replace":{"connectionName":{"mrs_hive_dr":"mrs_hive_prod"}}}`, nil)
	if err != nil || restored22.Status != "COMPLETE" || restored22.Counts["created"] != 1 || restored22.Counts["overwritten"] == 0 {
		t.Fatalf("%+v %v", restored22, err)
	}
	held[restored] = local.TakeSnapshot(h)
	var d drilled
	if err := w.at(plain, at(22, 18, 0)).invoke(t.Context(), handler.Restore, nil, []byte(drillCommand), &d); err != nil || d.Status != "GOOD" {
		t.Fatalf("%+v %v", d, err)
	}

	w.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowFactoryEnv {
			return &dataarts.Fault{Status: http.StatusForbidden, Code: "DLF.6888"}
		}
		return nil
	})
	if got, err := w.night(23, nil); err == nil || got.Status != "PARTIAL" {
		t.Fatalf("%+v %v", got, err)
	}
	cut, cancel := context.WithCancel(t.Context())
	var listings atomic.Int32
	w.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		const first = 2                                         // of batch jobs, and of real-time jobs
		if op == dataarts.ListJobs && listings.Add(1) > first { // everything is stored, and listed again
			cancel()
		}
		return nil
	})
	event := []byte(`{"time":"2026-11-24T00:00:00+08:00"}`)
	w.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ExportUnsupported = true }) // each job by a call of its own, which is kept at once
	hasty := w.at(plain, at(24, 0, 0))
	hasty.tick = time.Minute // so that its progress is saved often
	if err := hasty.invoke(cut, handler.Backup, nil, event, nil); err == nil {
		t.Fatal("the run was not cut off")
	}
	w.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ExportUnsupported = false })
	w.DataArts.Intercept(nil)

	s := w.at(sealed, at(21, 0, 0))
	w.complete(s.night(21, nil))
	w.complete(s.night(22, nil))
	w.replace(dataarts.Scripts, "dwd_orders_hivesql", "INSERT", "DELETE")
	held[sealedDamaged] = local.TakeSnapshot(h)
	sealedReport, err := s.at(sealed, at(22, 17, 0)).restore(`{"id":"sealed-monday","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`, nil)
	if err != nil || sealedReport.Status != "COMPLETE" || sealedReport.Counts["overwritten"] != 1 {
		t.Fatalf("%+v %v", sealedReport, err)
	}
	return held
}

const drillCommand = `{"drill":{"workspace":"` + localtest.Other + `","source":"` + localtest.Workspace + `","date":"2026-11-22"},"time":"2026-11-22T10:00:00Z"}`

// furnish fills the workspace, and puts the files of its resources where they point to, but for one that is missing.
func (w *world) furnish() {
	w.t.Helper()
	h := w.Handle(localtest.Workspace)
	if err := sample.Fill(h, sample.Options{Jobs: 4, Scripts: 3, Resources: 2}); err != nil {
		w.t.Fatal(err)
	}
	if err := h.Put(dataarts.Scripts, []byte(`{"name":"清洗_100","type":"Shell","directory":"/维度/a b","content":"echo 作业 é\n","version":1}`)); err != nil {
		w.t.Fatal(err)
	}
	if err := h.Put(dataarts.Resources, []byte(`{"name":"conf","type":"file","location":"obs://dlf-prod/resources/a b+é.conf","directory":"/配置","desc":"","dependFiles":[]}`)); err != nil {
		w.t.Fatal(err)
	}
	for _, key := range []string{"resources/etl_000.jar", "resources/etl_001.jar", "resources/a b+é.conf"} {
		if err := w.Objects.PutObject(filesBucket, key, []byte("the content of "+key+"\n")); err != nil {
			w.t.Fatal(err)
		}
	}
}

// replace changes the text of an asset.
func (w *world) replace(kind dataarts.Kind, name, from, to string) {
	w.t.Helper()
	h := w.Handle(localtest.Workspace)
	raw, _ := h.Asset(kind, name)
	changed := strings.ReplaceAll(string(raw), from, to)
	if changed == string(raw) {
		w.t.Fatalf("%s %s has no %s: %s", kind, name, from, raw)
	}
	if err := h.Put(kind, []byte(changed)); err != nil {
		w.t.Fatal(err)
	}
}

// rename gives the workspace one script more and one less.
func (w *world) rename() {
	w.t.Helper()
	h := w.Handle(localtest.Workspace)
	h.Delete(dataarts.Scripts, "清洗_100")
	if err := h.Put(dataarts.Scripts, []byte(`{"name":"清洗_200","type":"Shell","directory":"/维度/a b","content":"echo 作业 é\n","version":1}`)); err != nil {
		w.t.Fatal(err)
	}
}

// complete fails the test unless a backup ended so.
func (w *world) complete(got backups, err error) backups {
	w.t.Helper()
	if err != nil || got.Status != "COMPLETE" {
		w.t.Fatalf("%+v %v", got, err)
	}
	return got
}

// dump writes the world's objects, what the workspace held, and the hash of every file.
func dump(t *testing.T, w *world, h holds, folder string) {
	t.Helper()
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, bucket := range []string{localtest.Bucket, filesBucket} {
		keys, err := w.Objects.Keys(bucket, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range keys {
			files["objects/"+bucket+"/"+key], _ = w.Objects.GetObject(bucket, key)
		}
	}
	text, err := json.MarshalIndent(h, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	files["workspaces.json"] = append(text, '\n')
	for name, data := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, sums), []byte(sumsOf(files)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// sums is the file that freezes a fixture, in the form of sha256sum.
const sums = "SHA256SUMS"

func sumsOf(files map[string][]byte) string {
	var lines []string
	for name, data := range files {
		lines = append(lines, fmt.Sprintf("%x  %s\n", sha256.Sum256(data), name))
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[66:], b[66:]) })
	return strings.Join(lines, "")
}
