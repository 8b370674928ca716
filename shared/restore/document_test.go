package restore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// backup opens the backup of a desk.
func (d *desk) backup() *vault.Backup {
	d.t.Helper()
	b, err := vault.New(d.Store, localtest.Bucket, "backups/"+localtest.Workspace).WithKeys(d.keys).Folder(day).Open(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

func bound(w *dataarts.WorkspaceHandle) error {
	return errors.Join(w.Put(dataarts.Scripts, []byte(`{"name":"s","type":"HiveSQL","content":"x","connectionName":"old","database":"db"}`)),
		w.Put(dataarts.Jobs, []byte(`{"name":"j","processType":"BATCH","schedule":{"type":"CRON"},"nodes":[{"name":"one","type":"HiveSQL","properties":[{"name":"connectionName","value":"old"},{"name":"Database","value":"db"}]},`+
			`{"name":"one","type":"HiveSQL","properties":[{"name":"connectionName","value":"old"}]}]}`)))
}

func TestCheckDocument_ListsWhatARestoreWillChange(t *testing.T) {
	t.Parallel()
	d := newDesk(t, bound)
	text := strings.NewReplacer(`"connectionName": "old", "Database": "db"`, `"Database": "db2", "connectionName": "new"`, `"script": "s", "connectionName": "old"`, `"script": "s", "connectionName": ""`,
		`"clusterName": {}`, `"clusterName": {"a": "b"}`).Replace(d.document())
	edits, err := restore.CheckDocument(t.Context(), d.backup(), []byte(text), 4)
	if err != nil {
		t.Fatal(err)
	}
	want := restore.Edits{Values: []restore.Edit{
		{Kind: asset.Jobs, Name: "j", Node: "one", Field: "connectionName", From: "old", To: "new"},
		{Kind: asset.Jobs, Name: "j", Node: "one", Field: "Database", From: "db", To: "db2"},
		{Kind: asset.Scripts, Name: "s", Field: "connectionName", From: "old", To: ""},
	}, Replace: restore.Replace{ConnectionName: map[string]string{}, Database: map[string]string{}, ClusterName: map[string]string{"a": "b"}}}
	if diff := cmp.Diff(want, edits); diff != "" {
		t.Error(diff)
	}
	if edits, err := restore.CheckDocument(t.Context(), d.backup(), []byte(d.document()), 4); err != nil || len(edits.Values) > 0 {
		t.Errorf("the document as it was committed: %+v %v", edits, err)
	}
}

// What is refused before it is written is what a restore would refuse, in the same words.
func TestCheckDocument_RefusesWhatARestoreRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t, bound)
	committed := d.document()
	for name, c := range map[string]struct {
		old, new string
		otherly  bool // the restore does not take the folder for a backup, and says so in a sentence of its own
	}{
		"another job":           {`"job": "j"`, `"job": "k"`, false},
		"another node":          {`"node": "one"`, `"node": "three"`, false},
		"another date":          {`"backupDate": "2026-11-22"`, `"backupDate": "2026-11-23"`, false},
		"an entry more":         {`{"job": "j"`, `{"job": "j", "node": "one", "connectionName": "x", "Database": "x"}, {"job": "j"`, false},
		"an entry less":         {`{"script": "s", "connectionName": "old", "database": "db"}`, ``, false},
		"a field more":          {`"node": "one"`, `"node": "one", "database": "x"`, false},
		"a field less":          {`, "database": "db"`, ``, false},
		"no string":             {`"connectionName": "old"`, `"connectionName": 7`, false},
		"an unknown rule":       {`"replace": {`, `"replace": {"obsPath": {}, `, false},
		"another top field":     {`"replace":`, `"more": 1, "replace":`, false},
		"another workspace":     {`"name": "sales"`, `"name": "other"`, false},
		"an unknown type":       {`"HiveSQL": [`, `"SparkSQL": [], "HiveSQL": [`, false},
		"an old format":         {`"formatVersion": 1`, `"formatVersion": 2`, false},
		"a key twice":           {`"job": "j"`, `"job": "j", "job": "j"`, false},
		"several faults":        {`"job": "j", "node": "one"`, `"job": "k", "node": 7, "x": 1`, false},
		"no replace":            {`"replace"`, `"replaced"`, false},
		"a list for an object":  {`"connectionName": {}`, `"connectionName": []`, false},
		"a syntax error":        {`"job": "j",`, `"job": "j"`, true},
		"another manifest":      {`"manifestSha256": "`, `"manifestSha256": "0`, true},
		"no manifest":           {`"manifestSha256"`, `"sha256"`, true},
		"a manifest of no text": {`"manifestSha256": "`, `"manifestSha256": 7, "x": "`, true},
	} {
		text := strings.Replace(committed, c.old, c.new, 1)
		if text == committed {
			t.Fatalf("%s: backup.json has no %s", name, c.old)
		}
		if err := d.Objects.PutObject(localtest.Bucket, "backups/"+localtest.Workspace+"/"+day+"/backup.json", []byte(committed)); err != nil {
			t.Fatal(err)
		}
		_, err := restore.CheckDocument(t.Context(), d.backup(), []byte(text), 4)
		faults, ok := errors.AsType[strictjson.Faults](err)
		if !ok || len(faults) == 0 || !slices.IsSortedFunc(faults, func(a, b strictjson.Fault) int { return a.Line - b.Line }) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		d.edit(c.old, c.new)
		report := d.must(restore.Failed, overwrite)
		for _, f := range faults {
			want := "backup.json: " + f.String()
			if c.otherly {
				if name == "a syntax error" {
					want = "backup.json is malformed: " + f.String()
				} else if f.Path != "manifestSha256" {
					continue // what else is wrong with it a restore does not come to
				}
			}
			if !strings.Contains(report.Message, want) {
				t.Errorf("%s: a restore says %q, want %q in it", name, report.Message, want)
			}
		}
		if n := strings.Count(report.Message, "backup.json: line "); !c.otherly && n != len(faults) {
			t.Errorf("%s: a restore names %d faults, the check %d: %s", name, n, len(faults), report.Message)
		}
	}
}

func TestCheckDocument_OfABackupThatCannotBeReadIsARefusal(t *testing.T) {
	t.Parallel()
	t.Run("damaged", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, bound)
		b := d.backup()
		_ = d.Objects.DeleteObject(localtest.Bucket, "backups/"+localtest.Workspace+"/"+day+"/4_jobs/j.job")
		_, err := restore.CheckDocument(t.Context(), b, b.Document, 4)
		if refusal, ok := errors.AsType[*restore.Refusal](err); !ok || len(refusal.Faults) != 1 || !strings.Contains(refusal.Faults[0], "4_jobs/j.job is not there") {
			t.Errorf("%v", err)
		}
	})
	t.Run("encrypted", func(t *testing.T) {
		t.Parallel()
		id := newIdentity(t)
		d := newDeskWith(t, ring(t, id, id), bound)
		d.keys = ring(t, nil, id)
		b := d.backup()
		_, err := restore.CheckDocument(t.Context(), b, b.Document, 4)
		if refusal, ok := errors.AsType[*restore.Refusal](err); !ok || !strings.Contains(refusal.Error(), "set RESTORE_IDENTITY") {
			t.Errorf("%v", err)
		}
	})
	t.Run("but one whose time is over is not", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, bound)
		b := d.backup()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := restore.CheckDocument(ctx, b, b.Document, 4); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// What is chosen is what a restore with the same selection takes.
func TestChoose_TakesWhatARestoreTakes(t *testing.T) {
	t.Parallel()
	d := newDesk(t,
		having(dataarts.Env, `{"params":[{"name":"HOST","type":"variable","value":"h"},{"name":"PORT","type":"variable","value":"p"}]}`),
		having(dataarts.Scripts, `{"name":"s","type":"HiveSQL","content":"#{Env.get('HOST')}","connectionName":"c","database":"d","directory":"/ods"}`),
		having(dataarts.Scripts, `{"name":"t","type":"HiveSQL","content":"","connectionName":"c","database":"d","directory":"/odsx"}`),
		having(dataarts.Jobs, `{"name":"j","processType":"BATCH","directory":"/ods/in","schedule":{"type":"EXECUTE_ONCE"},"nodes":[{"name":"n","type":"HiveSQL","properties":[{"name":"scriptName","value":"s"}]}]}`),
		having(dataarts.Jobs, batch("other")))
	d.Handle(localtest.Workspace).Wipe()
	for selection, s := range map[string]restore.Select{
		`{}`:                                            {},
		`{"kinds":["jobs","env"]}`:                      {Kinds: []asset.Kind{asset.Jobs, asset.Env}},
		`{"names":["j"]}`:                               {Names: []string{"j"}},
		`{"names":["?","P*"]}`:                          {Names: []string{"?", "P*"}},
		`{"kinds":["env"],"names":["HO*"]}`:             {Kinds: []asset.Kind{asset.Env}, Names: []string{"HO*"}},
		`{"directories":["/ods"]}`:                      {Directories: []string{"/ods"}},
		`{"names":["j"],"withDependencies":true}`:       {Names: []string{"j"}, WithDependencies: true},
		`{"kinds":["scripts"],"withDependencies":true}`: {Kinds: []asset.Kind{asset.Scripts}, WithDependencies: true},
	} {
		report := d.must(restore.Planned, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true,"select":`+selection+`}`)
		var want, got []string
		for _, i := range report.Items {
			want = append(want, string(i.Kind)+" "+i.Name)
		}
		choice, err := restore.Choose(t.Context(), d.backup(), s, 4)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range choice.Assets {
			if a.Kind != asset.Env {
				got = append(got, string(a.Kind)+" "+a.Name)
				continue
			}
			names := choice.Variables
			if names == nil {
				names = []string{"HOST", "PORT"}
			}
			for _, name := range names {
				got = append(got, "env "+name)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: chosen %q, restored %q", selection, got, want)
		}
	}
	for _, nothing := range []restore.Select{{Names: []string{"none"}}, {Names: []string{"none"}, WithDependencies: true}, {Kinds: []asset.Kind{asset.Env}, Names: []string{"none"}}} {
		if choice, err := restore.Choose(t.Context(), d.backup(), nothing, 4); err != nil || len(choice.Assets) > 0 {
			t.Errorf("%+v: %+v %v", nothing, choice, err)
		}
	}
	if faults := (restore.Select{Kinds: []asset.Kind{"tables"}, Names: []string{"["}, Directories: []string{"ods"}}).Faults(); len(faults) != 3 || !strings.HasPrefix(faults[1], "names[0]: ") {
		t.Errorf("%q", faults)
	}
}
