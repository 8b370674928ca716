package restore_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// What no report and no object of an encrypted bucket may hold.
const (
	oldPassword, newPassword = "hunter2-of-old", "hunter3-of-today"
	oldSQL, newSQL           = "select salary from people", "select nothing from nowhere"
)

func secretScript(text string) string {
	content, _ := json.Marshal(text)
	return fmt.Sprintf(`{"name":"payroll","type":"HiveSQL","directory":"/","connectionName":"hive","database":"hr","content":%s}`, content)
}

func secretJob(text, connection string) string {
	return fmt.Sprintf(`{"name":"pay","processType":"BATCH","schedule":{"type":"EXECUTE_ONCE"},"nodes":[{"name":"n","type":"HiveSQL","location":{"x":1,"y":1},"properties":[`+
		`{"name":"statementOrScript","value":"STATEMENT"},{"name":"statement","value":%q},{"name":"connectionName","value":%q},{"name":"database","value":"hr"}]}]}`, text, connection)
}

// secrets fills a workspace with a password and SQL, in a script and in a job.
func secrets(w *dataarts.WorkspaceHandle) error {
	for kind, text := range map[dataarts.Kind]string{
		dataarts.Env: variables(variable("password", oldPassword)), dataarts.Scripts: secretScript(oldSQL), dataarts.Jobs: secretJob(oldSQL, "hive"),
		dataarts.Connections: `{"name":"hive","type":"HIVE"}`,
	} {
		if err := w.Put(kind, []byte(text)); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

// changed is the workspace as somebody has left it since.
func (d *desk) changed() {
	d.t.Helper()
	d.put(dataarts.Env, variables(variable("password", newPassword)))
	d.put(dataarts.Scripts, secretScript(newSQL+"\nand again"))
	d.put(dataarts.Jobs, secretJob(newSQL, "hive"))
}

// leaks names every object of the bucket, and every other text, that holds a secret.
func (d *desk) leaks(texts ...string) []string {
	d.t.Helper()
	keys, err := d.Objects.Keys(localtest.Bucket, "")
	if err != nil || len(keys) == 0 {
		d.t.Fatal(keys, err)
	}
	var found []string
	look := func(where, text string) {
		for _, secret := range []string{oldPassword, newPassword, oldSQL, newSQL} {
			if strings.Contains(text, secret) {
				found = append(found, where+" holds "+secret)
			}
		}
	}
	for _, key := range keys {
		data, _ := d.Objects.GetObject(localtest.Bucket, key)
		look(key, string(data))
	}
	for i, text := range texts {
		look(fmt.Sprintf("text %d", i), text)
	}
	return found
}

func newIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// ring makes keys that encrypt to some and read with one.
func ring(t *testing.T, reads *age.X25519Identity, writes ...*age.X25519Identity) vault.Keys {
	t.Helper()
	var recipients []string
	for _, id := range writes {
		recipients = append(recipients, id.Recipient().String())
	}
	own := ""
	if reads != nil {
		own = reads.String()
	}
	keys, err := vault.ParseKeys(recipients, own)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestRun_GivesAnEncryptedBackupBackWholeAndTakesThatBack(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	d := newDeskWith(t, ring(t, nil, newIdentity(t), id), sample.Hard, sample.Cycle)
	b, err := vault.FolderAt(d.Store, localtest.Bucket, "backups/"+localtest.Workspace+"/"+day).Open(t.Context())
	if err != nil || !b.Manifest.Encrypted() {
		t.Fatal(err)
	}
	if err := b.Verify(t.Context()); err != nil {
		t.Errorf("without the key: %v", err)
	}
	d.keys = ring(t, id, id)
	d.Handle(localtest.Workspace).Wipe()
	d.must(restore.Complete, overwrite)
	if differences := d.same(localtest.Workspace); len(differences) > 0 {
		t.Errorf("%q", differences)
	}
	// Changed, overwritten, and taken back.
	script := string(firstOf(d.before[dataarts.Scripts]))
	d.put(dataarts.Scripts, described(script, "as somebody has left it"))
	changed := d.snapshot(localtest.Workspace)
	d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	if differences := d.same(localtest.Workspace); len(differences) > 0 {
		t.Errorf("%q", differences)
	}
	d.undo(restore.Undone, "x")
	d.before = changed
	if differences := d.same(localtest.Workspace); len(differences) > 0 {
		t.Errorf("after the undo: %q", differences)
	}
	keys, _ := d.Objects.Keys(localtest.Bucket, "backups/restores/x/")
	if !slices.ContainsFunc(keys, func(k string) bool { return strings.HasSuffix(k, ".script.age") }) || slices.ContainsFunc(keys, func(k string) bool { return strings.HasSuffix(k, ".script") }) {
		t.Errorf("what was saved is not encrypted: %q", keys)
	}
}

func firstOf(all map[string]json.RawMessage) json.RawMessage {
	var names []string
	for name := range all {
		names = append(names, name)
	}
	return all[slices.Min(names)]
}

func TestRun_OfAnEncryptedBackupWithoutItsKeyIsRefusedWithAllFaults(t *testing.T) {
	t.Parallel()
	id, other := newIdentity(t), newIdentity(t)
	for name, c := range map[string]struct {
		keys vault.Keys
		want string
	}{
		"none":            {vault.Keys{}, "is encrypted: set RESTORE_IDENTITY to the age private key of recipient " + id.Recipient().String()},
		"recipients only": {ring(t, nil, id), "is encrypted: set RESTORE_IDENTITY to the age private key of recipient " + id.Recipient().String()},
		"another's":       {ring(t, other), "cannot be read with the age private key in RESTORE_IDENTITY: it is encrypted to recipient " + id.Recipient().String()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDeskWith(t, ring(t, nil, id), secrets)
			d.keys = c.keys
			d.Handle(localtest.Workspace).Wipe()
			report := d.must(restore.Failed, overwrite)
			if lines := strings.Split(report.Message, "\n"); len(lines) != 1 || !strings.HasSuffix(lines[0], c.want) {
				t.Errorf("%q", report.Message)
			}
			const damaged = "backups/" + localtest.Workspace + "/" + day + "/3_scripts/payroll.script.age"
			data, _ := d.Objects.GetObject(localtest.Bucket, damaged)
			data[len(data)-1] ^= 1
			if err := d.Objects.PutObject(localtest.Bucket, damaged, data); err != nil {
				t.Fatal(err)
			}
			report = d.must(restore.Failed, overwrite)
			if lines := strings.Split(report.Message, "\n"); len(lines) != 2 || !strings.HasSuffix(lines[0], c.want) || !strings.Contains(lines[1], damaged) {
				t.Errorf("%q", report.Message)
			}
			if strings.Contains(dump(report), "AGE-SECRET") || d.Writes() > 0 {
				t.Errorf("%d writes; %s", d.Writes(), dump(report))
			}
		})
	}
}

func TestRun_OfAnEncryptedBackupWithADamagedObjectIsRefused(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	d := newDeskWith(t, ring(t, nil, id), secrets)
	d.keys = ring(t, id)
	const damaged = "backups/" + localtest.Workspace + "/" + day + "/4_jobs/pay.job.age"
	data, _ := d.Objects.GetObject(localtest.Bucket, damaged)
	data[0] ^= 1
	if err := d.Objects.PutObject(localtest.Bucket, damaged, data); err != nil {
		t.Fatal(err)
	}
	if report := d.must(restore.Failed, overwrite); !strings.Contains(report.Message, damaged) || d.Writes() > 0 {
		t.Errorf("%d writes; %s", d.Writes(), dump(report))
	}
}

func TestRun_WithRecipientsLeavesNothingReadable(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	d := newDeskWith(t, ring(t, nil, id), secrets)
	d.keys = ring(t, id, id)
	if found := d.leaks(); len(found) > 0 {
		t.Errorf("the backup: %q", found)
	}
	d.changed()
	plan := d.must(restore.Planned, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true,"replace":{"connectionName":{"hive":"hive_dr"}}}`)
	d.put(dataarts.Connections, `{"name":"hive_dr","type":"HIVE"}`)
	report := d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","replace":{"connectionName":{"hive":"hive_dr"}}}`)
	undone := d.undo(restore.Undone, "x")
	if found := d.leaks(dump(plan), dump(report), dump(undone)); len(found) > 0 {
		t.Errorf("%q", found)
	}
	// What it does say is enough to know what will happen.
	for _, r := range []*restore.Report{plan, report} {
		script := item(r, asset.Scripts, "payroll").Changes
		if !slices.Contains(script, restore.Change{Field: "content", To: "lines of text: 1 added, 2 removed"}) ||
			!slices.Contains(script, restore.Change{Field: "connectionName", From: `"hive"`, To: `"hive_dr"`}) {
			t.Errorf("%+v", script)
		}
		if job := item(r, asset.Jobs, "pay").Changes; !slices.Contains(job, restore.Change{Field: "nodes[0].properties[1].value"}) {
			t.Errorf("%+v", job)
		}
		if env := item(r, asset.Env, "password").Changes; !slices.Equal(env, []restore.Change{{Field: "value"}}) {
			t.Errorf("%+v", env)
		}
	}
}

func TestRun_NamesDamagedFilesBesideAMissingKey(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	d := newDesk(t, having(dataarts.Resources, `{"name":"udf","type":"jar","directory":"/","location":"obs://`+localtest.Bucket+`/libs/udf.jar"}`))
	if err := d.Objects.PutObject(localtest.Bucket, "libs/udf.jar", []byte("jar")); err != nil {
		t.Fatal(err)
	}
	v := vault.New(d.Store, localtest.Bucket, "backups/"+localtest.Workspace).WithKeys(ring(t, nil, id))
	if res, err := backup.Run(t.Context(), d.Factory.Workspace(localtest.Workspace), v, "2026-11-23", backup.Options{
		Workspace: vault.Workspace{ID: localtest.Workspace}, Lease: terms}); err != nil {
		t.Fatalf("%+v %v", res, err)
	}
	const file = "backups/" + localtest.Workspace + "/2026-11-23/2_resources/udf.files/" + localtest.Bucket + "/libs/udf.jar.age"
	if _, there := d.Objects.GetObject(localtest.Bucket, file); !there {
		t.Fatal("there is no file")
	}
	if err := d.Objects.PutObject(localtest.Bucket, file, []byte("damaged")); err != nil {
		t.Fatal(err)
	}
	if r := d.must(restore.Failed, `{"date":"2026-11-23","duplicateNamePolicy":"overwrite"}`); !strings.Contains(r.Message, "RESTORE_IDENTITY") || !strings.Contains(r.Message, file) {
		t.Errorf("%q", r.Message)
	}
}

func TestRun_OfAPlainBackupWithRecipientsSavesEncrypted(t *testing.T) {
	t.Parallel()
	id, other := newIdentity(t), newIdentity(t)
	for name, c := range map[string]struct {
		keys    vault.Keys
		warning string
	}{
		"and the key":       {ring(t, id, id), ""},
		"and no key":        {ring(t, nil, id), "undo will need RESTORE_IDENTITY, which is not set"},
		"and another's key": {ring(t, other, id), "RESTORE_IDENTITY is the key of none of them"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, secrets)
			d.changed()
			d.keys = c.keys
			for _, r := range []*restore.Report{
				d.must(restore.Planned, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true}`),
				d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`),
			} {
				if strings.Contains(r.Message, "warning") != (c.warning != "") || !strings.Contains(r.Message, c.warning) {
					t.Errorf("%q, want a warning %q", r.Message, c.warning)
				}
				if text := dump(r); strings.Contains(text, oldSQL) || strings.Contains(text, newSQL) {
					t.Errorf("%s", text)
				}
			}
			if c.warning != "" {
				d.DataArts.ResetCalls()
				report := d.undo(restore.Failed, "x")
				if !strings.Contains(report.Message, "RESTORE_IDENTITY") || !strings.Contains(report.Message, id.Recipient().String()) || d.Writes() > 0 {
					t.Errorf("%d writes; %s", d.Writes(), dump(report))
				}
				if text := stored(d, "x"); !strings.Contains(text, `"COMPLETE"`) {
					t.Errorf("the restore's own report is now %s", text)
				}
				d.keys = ring(t, id, id)
			}
			d.undo(restore.Undone, "x")
			if text, _ := d.Handle(localtest.Workspace).Asset(dataarts.Scripts, "payroll"); !strings.Contains(string(text), newSQL) || !strings.Contains(d.variables(), newPassword) {
				t.Errorf("%s %s", text, d.variables())
			}
		})
	}
}

// A restore and its undo that were told of no recipients must not lay bare beside an encrypted backup what it keeps closed.
func TestRun_OfAnEncryptedBackupWithoutRecipientsSavesToThoseOfTheBackup(t *testing.T) {
	t.Parallel()
	id, second := newIdentity(t), newIdentity(t)
	d := newDeskWith(t, ring(t, nil, id, second), secrets)
	d.changed()
	d.keys = ring(t, id)
	report := d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	if strings.Contains(report.Message, "warning") {
		t.Errorf("%q", report.Message)
	}
	before, err := vault.FolderAt(d.Store, localtest.Bucket, "backups/restores/x/before").Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := ring(t, nil, id, second).Recipients(); len(before.Manifest.Assets) != 3 || !slices.Equal(before.Manifest.Recipients, want) {
		t.Errorf("%d assets for %q, want them for %q", len(before.Manifest.Assets), before.Manifest.Recipients, want)
	}
	d.keys = vault.Keys{}
	if refused := d.undo(restore.Failed, "x"); !strings.Contains(refused.Message, "RESTORE_IDENTITY") {
		t.Errorf("%q", refused.Message)
	}
	d.keys = ring(t, second) // the other one who can read the backup
	undone := d.undo(restore.Undone, "x")
	if found := d.leaks(dump(report), dump(undone)); len(found) > 0 {
		t.Errorf("%q", found)
	}
	saved, err := vault.FolderAt(d.Store, localtest.Bucket, "backups/restores/x/undo").Open(t.Context())
	if err != nil || !saved.Manifest.Encrypted() {
		t.Errorf("what the undo overwrote is saved in plain text: %v", err)
	}
	if text, _ := d.Handle(localtest.Workspace).Asset(dataarts.Scripts, "payroll"); !strings.Contains(string(text), newSQL) || !strings.Contains(d.variables(), newPassword) {
		t.Errorf("%s %s", text, d.variables())
	}
}

func TestUndo_OfARestoreThatOverwroteNothingNeedsNoKey(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a")))
	d.Handle(localtest.Workspace).Delete(dataarts.Jobs, "a")
	d.keys = ring(t, nil, newIdentity(t))
	report := d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","select":{"kinds":["jobs"]}}`)
	if strings.Contains(report.Message, "warning") {
		t.Errorf("%q", report.Message)
	}
	d.undo(restore.Undone, "x")
}

func TestUndo_ThatIsAskedForAgainSavesNothingTwice(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	d := newDeskWith(t, ring(t, nil, id), secrets)
	d.changed()
	d.keys = ring(t, id, id)
	d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	// As after a kill: the first folder is there, and its undo is asked for again.
	d.undo(restore.Undone, "x")
	report, err := (restore.Reports{Store: d.Store, Root: "backups/"}).Load(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	report.Status = restore.Complete
	if err := (restore.Reports{Store: d.Store, Root: "backups/"}).Save(t.Context(), report); err != nil {
		t.Fatal(err)
	}
	d.must(restore.Complete, `{"id":"y","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`) // the state that undo/ holds already
	d.undo(restore.Undone, "x")
	if keys, _ := d.Objects.Keys(localtest.Bucket, "backups/restores/x/undo-2/"); len(keys) > 0 {
		t.Errorf("saved again: %q", keys)
	}
}
