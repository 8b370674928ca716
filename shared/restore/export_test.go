package restore_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// files are the import files of an export, by path.
func (d *desk) files(r *restore.Report) map[string][]byte {
	d.t.Helper()
	all := map[string][]byte{}
	for n, e := range r.Exports {
		key := strings.TrimPrefix(e.Path, "obs://"+localtest.Bucket+"/")
		if want := fmt.Sprintf("backups/restores/%s/export/%d.zip", r.ID, n+1); key != want {
			d.t.Errorf("file %s, want %s", key, want)
		}
		data, ok := d.Objects.GetObject(localtest.Bucket, key)
		if !ok || len(data) != e.Size || vault.Hash(data) != e.SHA256 {
			d.t.Errorf("%s: %d bytes, the report says %+v", key, len(data), e)
		}
		all[e.Path] = data
	}
	return all
}

// unpacked are the files of a zip by name.
func unpacked(t *testing.T, data []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if all[f.Name] != "" || path.Clean(f.Name) != f.Name || strings.HasPrefix(f.Name, "/") || strings.HasPrefix(f.Name, "..") || strings.Contains(f.Name, `\`) {
			t.Errorf("file name %q", f.Name)
		}
		all[f.Name] = string(text)
	}
	return all
}

// importAll has the service import files, in their order, as an operator does in the console.
func (d *desk) importAll(workspace string, exports []restore.Export) {
	d.t.Helper()
	w := d.Factory.Workspace(workspace)
	for _, e := range exports {
		id, err := w.Import(d.t.Context(), factory.ImportRequest{Path: e.Path, Policy: factory.ImportSkip, TargetStatus: "SAVED"})
		if err != nil {
			d.t.Fatal(err)
		}
		for {
			task, err := w.Task(d.t.Context(), id)
			if err != nil {
				d.t.Fatal(err)
			}
			if task.Status == "RUNNING" {
				time.Sleep(time.Millisecond)
				continue
			}
			if task.Status != "SUCCESSFUL" {
				d.t.Fatalf("import of %s: %+v", e.Path, task)
			}
			break
		}
	}
}

func TestRun_ExportsWhatTheServiceImportsAsIfItWereRestored(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.hurry()
	d.DataArts.ResetCalls()
	report := d.must(restore.Complete, `{"id":"x","date":"latest","export":true}`)
	if calls := d.DataArts.Calls(); len(calls) > 0 {
		t.Errorf("an export asked the service for %v", calls)
	}
	if len(report.Exports) != 1 || report.Exports[0].Jobs != 12 || report.Exports[0].Scripts != 8 || report.Exports[0].Resources != 3 {
		t.Fatalf("%+v", report.Exports)
	}
	for _, data := range d.files(report) {
		if n := len(unpacked(t, data)); n != 23 {
			t.Errorf("%d files", n)
		}
	}
	for _, i := range report.Items {
		if i.Kind == asset.Env && (i.Action != restore.ActionSkip || i.Outcome != restore.Skipped || i.Reason == "") ||
			i.Kind != asset.Env && (i.Action != restore.ActionExport || i.Outcome != restore.Exported) {
			t.Errorf("%+v", i)
		}
	}
	if !strings.Contains(report.Message, "environment variables have no place in an import file") || report.FinishedAt == nil || report.Workspace != "" {
		t.Errorf("%s", report.Message)
	}
	d.importAll(localtest.Other, report.Exports)
	slow := d.options()
	slow.ImportThreshold = -1
	d.Handle(localtest.Workspace).Wipe()
	restored, err := restore.Run(t.Context(), restore.Request{ID: "slow", Date: "latest", Source: localtest.Workspace, DuplicateNamePolicy: restore.Fail}, slow)
	if err != nil || restored.Status != restore.Complete {
		t.Fatal(dump(restored), err)
	}
	want, got := d.snapshot(localtest.Workspace), d.snapshot(localtest.Other)
	for _, kind := range []dataarts.Kind{dataarts.Jobs, dataarts.Scripts, dataarts.Resources} {
		if len(want[kind]) == 0 || len(got[kind]) != len(want[kind]) {
			t.Errorf("%d %s were imported, %d restored", len(got[kind]), kind, len(want[kind]))
		}
		for name, text := range want[kind] {
			changes, err := rawjson.Diff(asset.Comparable(asset.Kind(kind), text), asset.Comparable(asset.Kind(kind), got[kind][name]))
			if err != nil || len(changes) > 0 {
				t.Errorf("%s %q: %v %v", kind, name, changes, err)
			}
		}
	}
}

func TestRun_ExportsTheSelectionAsItIsMapped(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Scripts, `{"name":"a","type":"HiveSQL","content":"select 1","connectionName":"prod","database":"d"}`,
		`{"name":"b","type":"HiveSQL","content":"select 2","connectionName":"prod","database":"d"}`), having(dataarts.Jobs, using("j", "a"), batch("k")))
	d.edit(`{"script": "a", "connectionName": "prod"`, `{"script": "a", "connectionName": "byhand"`)
	report := d.must(restore.Complete, `{"date":"latest","export":true,"select":{"names":["j"],"withDependencies":true},"replace":{"database":{"d":"dr"},"clusterName":{"x":"y"}}}`)
	if len(report.Exports) != 1 || report.Exports[0].Jobs != 1 || report.Exports[0].Scripts != 1 {
		t.Fatalf("%+v", report.Exports)
	}
	for _, data := range d.files(report) {
		files := unpacked(t, data)
		if text := files["jobs/j/a.script"]; !strings.Contains(text, `"byhand"`) || !strings.Contains(text, `"dr"`) {
			t.Errorf("%v", files)
		}
	}
	if !strings.Contains(report.Message, `replace rules that fit nothing: clusterName "x"`) {
		t.Errorf("%s", report.Message)
	}
}

func TestRun_ExportsInSeveralFilesAndNamesWhatFitsIntoNone(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 4000)
	d := newDesk(t, having(dataarts.Scripts, `{"name":"large","type":"Shell","content":"`+large+`"}`), having(dataarts.Jobs, using("a", "large"), batch("b", "a"), batch("c", "b")))
	opts := d.options()
	opts.ImportLimit = 700
	report, err := restore.Run(t.Context(), restore.Request{ID: "x", Date: "latest", Export: true}, opts)
	if err != nil || report.Status != restore.Partial || len(report.Exports) < 2 {
		t.Fatal(dump(report), err)
	}
	d.files(report)
	if i := item(report, asset.Scripts, "large"); i.Outcome != restore.Errored || !strings.Contains(i.Reason, "too large") {
		t.Errorf("%+v", i)
	}
	if i := item(report, asset.Jobs, "a"); i.Outcome != restore.Exported || !strings.Contains(i.Reason, `it needs script "large", which is in no file`) {
		t.Errorf("%+v", i)
	}
	if report.Counts["exported"] != 3 || report.Counts["failed"] != 1 {
		t.Errorf("%v", report.Counts)
	}
}

func TestRun_ExportsUnderNamesThatAreSafe(t *testing.T) {
	t.Parallel()
	names := []string{"a b", "数据", "50%", "x.y", "..", "a+b"}
	var scripts []string
	for _, name := range names {
		scripts = append(scripts, fmt.Sprintf(`{"name":%q,"type":"Shell","content":"x"}`, name))
	}
	d := newDesk(t, having(dataarts.Scripts, scripts...))
	report := d.must(restore.Complete, `{"date":"latest","export":true}`)
	found := 0
	for _, data := range d.files(report) {
		found += len(unpacked(t, data))
	}
	if found != len(names) {
		t.Errorf("%d files for %d scripts", found, len(names))
	}
}

func TestRun_RefusesAnExportThatCannotBe(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"date":"latest","export":true,"select":{"kinds":["env"]}}`:    "there is nothing to export",
		`{"date":"latest","export":true,"select":{"names":["no-one"]}}`: "nothing in the backup fits the selection",
		`{"date":"2026-11-21","export":true}`:                           "no complete backup",
	} {
		d := newDesk(t)
		if report := d.must(restore.Failed, text); !strings.Contains(report.Message, want) {
			t.Errorf("%s: %s", text, report.Message)
		}
		if keys, _ := d.Objects.Keys(localtest.Bucket, "backups/restores/"); slices.ContainsFunc(keys, func(key string) bool { return strings.HasSuffix(key, ".zip") }) {
			t.Errorf("%s: %q", text, keys)
		}
	}
	_, err := restore.ParseRequest([]byte(`{"export":true,"date":"latest","duplicateNamePolicy":"skip","workspace":"w","dryRun":true,"planHash":"h","schedules":"keep","targetStatus":"SAVED","approvers":["me"]}`))
	if err == nil {
		t.Fatal("taken")
	}
	for _, field := range []string{"duplicateNamePolicy", "workspace", "dryRun", "planHash", "schedules", "targetStatus", "approvers"} {
		if !strings.Contains(err.Error(), field+": does not go with export") {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}

func TestRun_RefusesToExportAnEncryptedBackupIntoPlainText(t *testing.T) {
	t.Parallel()
	me := newIdentity(t)
	d := newDeskWith(t, ring(t, nil, me), secrets)
	d.keys = ring(t, me, me)
	report := d.must(restore.Failed, `{"id":"x","date":"latest","export":true}`)
	if !strings.Contains(report.Message, "is encrypted, and its export would lie in the bucket in plain text") {
		t.Errorf("%s", report.Message)
	}
	if keys, _ := d.Objects.Keys(localtest.Bucket, "backups/restores/x/export/"); len(keys) > 0 {
		t.Errorf("%q", keys)
	}
}

func TestRun_RefusesToExportADamagedBackup(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.Objects.PutObject(localtest.Bucket, "backups/"+localtest.Workspace+"/"+day+"/manifest.json", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	d.must(restore.Failed, `{"id":"x","path":"obs://`+localtest.Bucket+`/backups/`+localtest.Workspace+`/`+day+`/","export":true}`)
}

func TestRun_AnExportThatWasCutOffEndsLikeOneThatWasNot(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	export := func() (*restore.Report, error) {
		opts := d.options()
		opts.ImportLimit = 20_000
		return restore.Run(t.Context(), restore.Request{ID: "x", Date: "latest", Source: localtest.Workspace, Export: true}, opts)
	}
	writes := 0
	count := func(dead int) func(objectstore.Call) *objectstore.Fault {
		return func(c objectstore.Call) *objectstore.Fault {
			if c.Operation != "PutObject" && c.Operation != "DeleteObjects" || !strings.HasPrefix(c.Key, "backups/restores/") {
				return nil
			}
			if writes++; dead > 0 && writes >= dead {
				return &objectstore.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
			}
			return nil
		}
	}
	d.Objects.Intercept(count(0))
	whole, err := export()
	if err != nil || whole.Status != restore.Complete || len(whole.Exports) < 2 {
		t.Fatal(dump(whole), err)
	}
	total, want := writes, d.files(whole)
	for at := 1; at <= total; at++ {
		keys, _ := d.Objects.Keys(localtest.Bucket, "backups/restores/x/")
		for _, key := range keys {
			_ = d.Objects.DeleteObject(localtest.Bucket, key)
		}
		writes = 0
		d.Objects.Intercept(count(at))
		if report, err := export(); err == nil {
			t.Fatalf("write %d failed, and: %s", at, dump(report))
		}
		d.Objects.Intercept(nil)
		if at > 1 { // of a run whose files were more
			_ = d.Objects.PutObject(localtest.Bucket, "backups/restores/x/export/99.zip", []byte("old"))
		}
		again, err := export()
		if err != nil || again.Status != restore.Complete {
			t.Fatalf("write %d: %v %s", at, err, dump(again))
		}
		got := d.files(again)
		for p, data := range want {
			if !bytes.Equal(got[p], data) {
				t.Errorf("write %d: %s is not the same", at, p)
			}
		}
		if keys, _ := d.Objects.Keys(localtest.Bucket, "backups/restores/x/export/"); len(keys) != len(want) {
			t.Errorf("write %d: %q", at, keys)
		}
		known, err := export()
		if text, _ := json.Marshal(known); err != nil || !known.FinishedAt.Equal(*again.FinishedAt) {
			t.Errorf("%s %v", text, err)
		}
	}
}

func TestUndo_RefusesAnExport(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.must(restore.Complete, `{"id":"x","date":"latest","export":true}`)
	if report := d.undo(restore.Failed, "x"); !strings.Contains(report.Message, "is an export") {
		t.Errorf("%s", report.Message)
	}
}
