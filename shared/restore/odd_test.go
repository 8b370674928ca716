package restore_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

func TestRun_TakesAListWithoutVariablesForAnEmptyOne(t *testing.T) {
	t.Parallel()
	for _, live := range []string{`{"params":null}`, `{}`, `{"params":[]}`} {
		t.Run(live, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Env, variables(variable("a", "1"), variable("b", "2"))))
			d.hurry()
			d.Handle(localtest.Workspace).Wipe()
			d.put(dataarts.Env, live)
			report := d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
			if report.Counts["created"] != 2 || !strings.Contains(d.variables(), variable("a", "1")+","+variable("b", "2")) {
				t.Errorf("%v: %s", report.Counts, d.variables())
			}
			d.undo(restore.Undone, "x")
			if got := d.variables(); strings.Contains(got, `"a"`) || strings.Contains(got, `"b"`) {
				t.Errorf("after the undo: %s", got)
			}
		})
	}
}

// updates keeps what a job was last overwritten with, whatever the service says to it.
type updates struct {
	restore.Workspace
	last string
}

func (u *updates) Update(ctx context.Context, ref asset.Ref, id string, definition json.RawMessage) error {
	u.last = string(definition)
	return u.Workspace.Update(ctx, ref, id, definition)
}

func TestRun_AppliesAnEditToTheNodeThatItIsMadeOn(t *testing.T) {
	t.Parallel()
	node := func(kind, properties string) string {
		return `{"name":"","type":"` + kind + `","location":{"x":"0","y":"0"},"properties":[` + properties + `]}`
	}
	// Nodes of one name, here of none: the console's exports have them, while the API refuses them, so what counts is what is sent.
	job := `{"name":"j","processType":"BATCH","schedule":{"type":"CRON"},"nodes":[` +
		node("HiveSQL", `{"name":"connectionName","value":"hive"},{"name":"connectionId","value":"6"}`) + "," +
		node("HiveSQL", `{"name":"connectionName","value":"other"},{"name":"connectionId","value":"7"}`) + "," +
		node("CDMJob", `{"name":"clusterName","value":"cdm"},{"name":"clusterId","value":"8"}`) + `]}`
	d := newDesk(t, having(dataarts.Jobs, job))
	d.edit(`"connectionName": "hive"`, `"connectionName": "hive_dr"`)
	target := &updates{Workspace: d.Factory.Workspace(localtest.Workspace)}
	opts := d.options()
	opts.Workspace = func(string) restore.Workspace { return target }
	req, err := restore.ParseRequest([]byte(overwrite))
	if err != nil {
		t.Fatal(err)
	}
	req.ID = "x"
	if _, err := restore.Run(t.Context(), req, opts); err != nil {
		t.Fatal(err)
	}
	got := target.last
	for _, want := range []string{
		`{"name":"connectionName","value":"hive_dr"}`, `{"name":"connectionName","value":"other"}`, `{"name":"connectionId","value":"7"}`,
		`{"name":"clusterName","value":"cdm"}`, `{"name":"clusterId","value":"8"}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in what is written: %s", want, got)
		}
	}
	if strings.Contains(got, `"value":"6"`) || strings.Contains(got, `"value":"hive"`) {
		t.Errorf("the edited node keeps its connection or the connection's id: %s", got)
	}
}

func TestRun_ReplacesEachValueOfAPropertyThatIsGivenTwice(t *testing.T) {
	t.Parallel()
	const job = `{"name":"j","processType":"BATCH","schedule":{"type":"CRON"},"nodes":[{"name":"n","type":"HiveSQL","location":{"x":"0","y":"0"},
		"properties":[{"name":"connectionName","value":"first"},{"name":"connectionName","value":"second"}]}]}`
	for rule, want := range map[string]string{
		`{"first":"1"}`:              `{"name":"connectionName","value":"1"},{"name":"connectionName","value":"second"}`,
		`{"second":"2"}`:             `{"name":"connectionName","value":"first"},{"name":"connectionName","value":"2"}`,
		`{"first":"1","second":"2"}`: `{"name":"connectionName","value":"1"},{"name":"connectionName","value":"2"}`,
	} {
		d := newDesk(t, having(dataarts.Jobs, job))
		d.Handle(localtest.Workspace).Wipe()
		d.must(restore.Complete, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","replace":{"connectionName":`+rule+`}}`)
		if raw, _ := d.Handle(localtest.Workspace).Asset(dataarts.Jobs, "j"); !strings.Contains(string(raw), want) {
			t.Errorf("%s: %s", rule, raw)
		}
	}
}

func TestRun_TakesTextThatIsNoUnicodeForEqualToItsOwnBytesOnly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ backup, live string }{
		"a lone surrogate and the replacement character": {`"\ud800"`, `"\ufffd"`},
		"two lone surrogates":                            {`"\ud800"`, `"\ud801"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := func(content string) string { return `{"name":"s","type":"Shell","content":` + content + `}` }
			d := newDesk(t, having(dataarts.Scripts, script(c.backup)))
			if report := d.must(restore.Complete, overwrite); item(report, asset.Scripts, "s").Outcome != restore.Unchanged {
				t.Errorf("the same bytes: %s", dump(report))
			}
			d.put(dataarts.Scripts, script(c.live))
			if report := d.must(restore.Complete, overwrite); item(report, asset.Scripts, "s").Outcome != restore.Overwritten {
				t.Errorf("other bytes: %s", dump(report))
			}
			if raw, _ := d.Handle(localtest.Workspace).Asset(dataarts.Scripts, "s"); !strings.Contains(string(raw), `"content":`+c.backup) {
				t.Errorf("restored as %q", raw)
			}
		})
	}
}

func TestRun_CallsItFailedWhenTheServiceKeptOtherText(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Scripts, `{"name":"s","type":"Shell","content":"\ud800"}`))
	w := d.Handle(localtest.Workspace)
	w.Wipe()
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowScript { // the service has made U+FFFD of it
			_ = w.Put(dataarts.Scripts, []byte(`{"name":"s","type":"Shell","content":"\ufffd"}`))
		}
		return nil
	})
	report := d.must(restore.Partial, overwrite)
	if i := item(report, asset.Scripts, "s"); i.Outcome != restore.Errored || !i.Written || !strings.Contains(i.Reason, "reads back") {
		t.Errorf("%+v", i)
	}
}

func TestRun_RefusesASelectionThatFitsNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	for _, selection := range []string{`{"names":["typo_*"]}`, `{"kinds":["scripts"]}`, `{"directories":["/nowhere"]}`, `{"names":["typo"],"withDependencies":true}`} {
		for _, dry := range []string{"", `,"dryRun":true`} {
			report := d.must(restore.Failed, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","select":`+selection+dry+`}`)
			if report.Message == "" || d.Writes() > 0 {
				t.Errorf("%s: %d writes, %q", selection, d.Writes(), report.Message)
			}
		}
	}
}

func TestRun_CreatesAnAssetThatIsGoneSinceItWasListed(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]string{"a job that ran": "SCHEDULING", "a job that stood": "STOPPED"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("a")))
			w := d.Handle(localtest.Workspace)
			w.SetJobStatus("a", status)
			d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
				if op == dataarts.ShowJob {
					w.Delete(dataarts.Jobs, "a")
					d.DataArts.Intercept(nil)
				}
				return nil
			})
			report := d.must(restore.Complete, overwrite)
			if i := item(report, asset.Jobs, "a"); i.Action != restore.ActionCreate || i.Outcome != restore.Created {
				t.Errorf("%+v", i)
			}
			if differences := d.same(localtest.Workspace); len(differences) > 0 {
				t.Errorf("%q", differences)
			}
		})
	}
}

func TestRun_RefusesABackupJSONThatLacksAnythingOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, field := range []string{"formatVersion", "backupDate", "workspace", "manifestSha256", "jobs", "scripts", "replace"} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("a")), having(dataarts.Scripts, `{"name":"s","type":"HiveSQL","content":"x","connectionName":"c","database":"d"}`))
			key := "backups/" + localtest.Workspace + "/" + day + "/backup.json"
			without := string(rawjson.Without([]byte(d.document()), func(name string) bool { return name == field }))
			if without == d.document() {
				t.Fatalf("backup.json has no %s: %s", field, without)
			}
			if err := d.Objects.PutObject(localtest.Bucket, key, []byte(without)); err != nil {
				t.Fatal(err)
			}
			if report := d.must(restore.Failed, overwrite); !strings.Contains(report.Message, field) || d.Writes() > 0 {
				t.Errorf("%d writes: %q", d.Writes(), report.Message)
			}
		})
	}
}
