package template_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
)

// night is the n-th midnight in Shanghai after some nights ago; the tenth is last night, so that a backup by hand comes after it.
func night(n int) time.Time {
	y, m, d := time.Now().In(shanghai()).Date()
	return time.Date(y, m, d-10+n, 0, 0, 0, 0, shanghai())
}

func shanghai() *time.Location { return time.FixedZone("", 8*3600) }

// date is the name of its folder.
func date(n int) string { return night(n).Format("2006-01-02") }

// fill puts assets into the workspace that is backed up; enough of them that a restore has the service import them.
func (a *account) fill() *dataarts.WorkspaceHandle {
	a.t.Helper()
	w := a.cloud.Workspace(sales)
	if err := sample.Fill(w, sample.Options{Jobs: 72, Scripts: 12, Resources: 3}); err != nil {
		a.t.Fatal(err)
	}
	return w
}

// have reads an object of the vault.
func (a *account) have(key string) []byte {
	a.t.Helper()
	data, ok := a.bucket.GetObject(vaultName, key)
	if !ok {
		a.t.Fatalf("there is no object %s", key)
	}
	return data
}

// TestRoles_PermitWhatTheFunctionsDoAndNothingElse runs everything that the functions do under the policies of the template.
func TestRoles_PermitWhatTheFunctionsDoAndNothingElse(t *testing.T) {
	t.Parallel()
	a := open(t, map[string]string{"BackupKeep": "daily=2", "KmsKeyArn": optional()["KmsKeyArn"], "ObjectLockDays": "2"})
	w := a.fill()
	a.nights()
	older := a.byHand()
	newer := older
	for newer == older { // a name has whole seconds
		newer = a.byHand()
	}
	a.good("nightly", night(11)) // retention removes the older backup of that day
	if _, ok := a.bucket.GetObject(vaultName, sales+"/"+older+"/backup.json"); ok {
		t.Error("retention has not removed the backup taken by hand")
	}
	a.good("verify", night(11))
	a.page(date(11), newer)
	a.page(newer, date(11))
	a.switches()
	a.restores(w, newer)
	a.good("drill", night(11))
	a.good("drill", night(12))
	a.judged()
}

// nights has the backup function take nightly backups, remove old ones, and take a tombstone back.
func (a *account) nights() {
	a.t.Helper()
	for n := range 3 {
		a.good("nightly", night(n))
	}
	if _, ok := a.bucket.GetObject(vaultName, sales+"/"+date(0)+"/backup.json"); ok {
		a.t.Fatal("retention has removed nothing")
	}
	// As a removal leaves it that was cut off before it had removed anything.
	stone := a.have(sales + "/removed/" + date(0) + ".json")
	var of struct{ ManifestSHA256 string }
	if err := json.Unmarshal(stone, &of); err != nil || of.ManifestSHA256 == "" {
		a.t.Fatalf("%v: %s", err, stone)
	}
	stone = bytes.ReplaceAll(stone, []byte(of.ManifestSHA256), []byte(sha256Of(a.have(sales+"/"+date(2)+"/manifest.json"))))
	if err := a.bucket.PutObject(vaultName, sales+"/removed/"+date(2)+".json", stone); err != nil {
		a.t.Fatal(err)
	}
	a.good("nightly", night(3))
	if _, ok := a.bucket.GetObject(vaultName, sales+"/removed/"+date(2)+".json"); ok {
		a.t.Error("the tombstone was not taken back")
	}
}

// byHand takes a backup and returns the name of its folder.
func (a *account) byHand() string {
	a.t.Helper()
	result := a.invoke("BackupFunction", `{}`)
	var got struct{ Backups []struct{ Path string } }
	if err := json.Unmarshal(result.Payload, &got); err != nil || result.FunctionError != nil || len(got.Backups) != 1 {
		a.t.Fatalf("by hand: %v, %s", err, result.Payload)
	}
	return path.Base(got.Backups[0].Path)
}

// page has the console show everything, edit a backup and verify it.
func (a *account) page(name, other string) {
	a.t.Helper()
	backup := "/backups/" + name
	first := func(folder, suffix string) string {
		keys, err := a.bucket.Keys(vaultName, sales+"/"+name+"/"+folder)
		if err != nil || len(keys) == 0 {
			a.t.Fatalf("%v, keys: %v", err, keys)
		}
		return strings.TrimSuffix(path.Base(keys[0]), suffix)
	}
	script, job := first("3_scripts/", ".script"), first("4_jobs/", ".job")
	for _, target := range []string{"/", "/?view=backup&backup=" + name, "/backups", backup, backup + "/diff/" + other, backup + "/diff/live", backup + "/graph?key=4_jobs/" + job + ".job",
		backup + "/asset?key=3_scripts/" + script + ".script", backup + "/export?kinds=scripts", "/calendar", "/log?kind=scripts&name=" + script, "/find?text=select", "/folders?path=obs://" + vaultName + "/", "/schedule"} {
		if got := a.ask(http.MethodGet, target, ""); got.StatusCode != http.StatusOK {
			a.t.Errorf("GET %s: %d %s", target, got.StatusCode, got.Body)
		}
	}
	document := a.wants(http.StatusOK, http.MethodGet, backup+"/document", "")
	edited := strings.Replace(document.Body, `"connectionName": {}`, `"connectionName": {"dws_prod": "dws_dr"}`, 1)
	a.wants(http.StatusOK, http.MethodPut, backup+"/document", edited, "if-match", document.header("ETag"))
	a.wants(http.StatusOK, http.MethodPost, backup+"/verify", "")
}

// switches has the console switch the nightly backup, and start one.
func (a *account) switches() {
	a.t.Helper()
	a.wants(http.StatusOK, http.MethodPut, "/schedule", `{"enabled":false}`)
	a.wants(http.StatusOK, http.MethodPut, "/schedule", `{"enabled":true,"folder":"nights"}`)
	var schedule struct {
		Enabled         bool
		Trigger, Folder string
	}
	got := a.wants(http.StatusOK, http.MethodPut, "/schedule", `{"folder":""}`).Body
	if err := json.Unmarshal([]byte(got), &schedule); err != nil || !schedule.Enabled || schedule.Trigger != stackName+"-nightly" || schedule.Folder != "" {
		a.t.Errorf("the schedule is %s", got)
	}
	var started struct{ RequestID string }
	if err := json.Unmarshal([]byte(a.wants(http.StatusAccepted, http.MethodPost, "/backups", `{"folder":"by-hand"}`).Body), &started); err != nil {
		a.t.Fatal(err)
	}
	if result, err := a.functions["BackupFunction"].Event(a.t.Context(), started.RequestID); err != nil || result.FunctionError != nil {
		a.t.Errorf("started by the console: %v, %+v", err, result.FunctionError)
	}
}

// restores has the restore function export, restore into the empty workspace, where so many jobs are imported, restore over what is there, and undo that.
func (a *account) restores(w *dataarts.WorkspaceHandle, byHand string) {
	a.t.Helper()
	if result := a.invoke("RestoreFunction", `{"id":"exported","date":"latest","export":true}`); result.FunctionError != nil {
		a.t.Errorf("export: %+v", result.FunctionError)
	}
	w.Wipe()
	if _, status := a.restored("/restores", `{"date":"`+byHand+`","duplicateNamePolicy":"fail"}`); status != "COMPLETE" {
		a.t.Errorf("into the empty workspace: %s", status)
	}
	for id, raw := range w.All(dataarts.Scripts) {
		if err := w.Put(dataarts.Scripts, bytes.Replace(raw, []byte(`"content":"`), []byte(`"content":"-- changed\n`), 1)); err != nil {
			a.t.Fatal(id, err)
		}
	}
	a.wants(http.StatusOK, http.MethodPost, "/restores", `{"date":"latest","duplicateNamePolicy":"overwrite","dryRun":true}`)
	id, status := a.restored("/restores", `{"date":"latest","duplicateNamePolicy":"overwrite"}`)
	if status != "COMPLETE" {
		a.t.Errorf("over what is there: %s", status)
	}
	if _, status := a.restored("/restores/"+id+"/undo", ""); status != "UNDONE" {
		a.t.Errorf("undone: %s", status)
	}
	a.wants(http.StatusOK, http.MethodGet, "/restores", "")
}

// judged compares what was done with what is permitted.
func (a *account) judged() {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.denied) > 0 {
		slices.Sort(a.denied)
		a.t.Errorf("denied:\n%s", strings.Join(slices.Compact(a.denied), "\n"))
	}
	for bucket := range a.elsewhere {
		if bucket != local.FilesBucket { // to which the sample's resources point
			a.t.Errorf("the bucket %s was asked for", bucket)
		}
	}
	for resource := range functions() {
		a.platform(resource)
		for _, idle := range a.roles[resource].unused() {
			a.t.Errorf("%s has no use for %+v", resource, idle)
		}
	}
}

// platform is what AWS itself does in a function's name: its log, its failed events, and the encryption of the vault.
func (a *account) platform(resource string) {
	a.t.Helper()
	f := a.stack.function(resource)
	group := strings.TrimSuffix(a.attribute(strings.TrimPrefix(f.LoggingConfig.LogGroup, stackName+"-"), "Arn"), ":*")
	through := map[string]string{"kms:ViaService": "s3." + awsRegion + ".amazonaws.com"}
	wants := []request{{action: "logs:CreateLogStream", resource: group + ":log-stream:x"}, {action: "logs:PutLogEvents", resource: group + ":log-stream:x"},
		{action: "kms:Decrypt", resource: a.parameters["KmsKeyArn"], context: through}, {action: "kms:GenerateDataKey", resource: a.parameters["KmsKeyArn"], context: through}}
	if on := f.EventInvokeConfig.DestinationConfig.OnFailure; on.Type == "SQS" {
		wants = append(wants, request{action: "sqs:SendMessage", resource: on.Destination})
	}
	for _, q := range wants {
		if !a.roles[resource].permits(q) {
			a.t.Errorf("%s may not %s on %s", resource, q.action, q.resource)
		}
	}
}

// TestRoles_RefuseWhatIsNotTheirs names what must stay impossible, whatever the wildcards of the template come to.
func TestRoles_RefuseWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	s := deploy(t, defaults(optional()))
	const day = sales + "/2026-11-22/"
	for resource, refused := range map[string][]request{
		"BackupFunction": {
			{action: "s3:PutObject", resource: object("restore-requests/x.json")}, // it would start a restore
			{action: "s3:PutObject", resource: object("restore-requests/2026-11-22/x.json")},
			{action: "s3:PutObject", resource: object("restores/2026-11-22/report.json")},
			{action: "s3:DeleteObject", resource: object("restores/x/before/2026-11-22/manifest.json")},
			{action: "s3:DeleteObject", resource: object("drills/last/" + sales + "/good.json")},
			{action: "s3:GetObject", resource: object("restores/x/before/1_env/env.json")},
		},
		"RestoreFunction": {
			{action: "s3:PutObject", resource: object(day + "backup.json")},
			{action: "s3:PutObject", resource: object(day + "4_jobs/nightly.job")},
			{action: "s3:DeleteObject", resource: object(day + "manifest.json")},
			{action: "s3:PutObject", resource: object(sales + "/removed/2026-11-22.json")},
			{action: "s3:DeleteObject", resource: object("restore-requests/x.json")},
			{action: "lambda:InvokeFunction", resource: s.attribute("BackupFunction", "Arn")},
		},
		"ConsoleFunction": {
			{action: "s3:PutObject", resource: object(day + "manifest.json")},
			{action: "s3:PutObject", resource: object(day + "4_jobs/nightly.job")},
			{action: "s3:DeleteObject", resource: object(day + "backup.json")},
			{action: "s3:PutObject", resource: object("restore-requests/2026-11-22/backup.json")},
			{action: "s3:PutObject", resource: object("restore-requests/leases/x.json")},
			{action: "s3:PutObject", resource: object("restores/2026-11-22/backup.json")},
			{action: "lambda:InvokeFunction", resource: s.attribute("RestoreFunction", "Arn")},
			{action: "scheduler:UpdateSchedule", resource: "arn:aws:scheduler:" + awsRegion + ":" + awsAccount + ":schedule/default/" + stackName + "-verify"},
			{action: "scheduler:UpdateSchedule", resource: "arn:aws:scheduler:" + awsRegion + ":" + awsAccount + ":schedule/default/" + stackName + "-drill"},
			{action: "iam:PassRole", resource: s.attribute("DrillRole", "Arn"), context: map[string]string{"iam:PassedToService": "scheduler.amazonaws.com"}},
			{action: "iam:PassRole", resource: s.attribute("NightlyRole", "Arn"), context: map[string]string{"iam:PassedToService": "lambda.amazonaws.com"}},
		},
	} {
		r := s.roleOf(s.function(resource).Role)
		for _, q := range append(refused,
			request{action: "s3:DeleteObjectVersion", resource: object(day + "backup.json")}, // then nothing could be had back
			request{action: "s3:BypassGovernanceRetention", resource: object(day + "backup.json")},
			request{action: "s3:PutObject", resource: object("elsewhere.json")},
			request{action: "s3:GetObject", resource: "arn:aws:s3:::" + vaultName + "-of-others/x"},
			request{action: "s3:PutLifecycleConfiguration", resource: "arn:aws:s3:::" + vaultName},
			request{action: "s3:PutBucketPolicy", resource: "arn:aws:s3:::" + vaultName},
			request{action: "secretsmanager:GetSecretValue", resource: "*"},
			request{action: "kms:Decrypt", resource: s.parameters["KmsKeyArn"]}, // past S3
			request{action: "kms:ScheduleKeyDeletion", resource: s.parameters["KmsKeyArn"]},
		) {
			if r.permits(q) {
				t.Errorf("%s may %s on %s", resource, q.action, q.resource)
			}
		}
	}
}

// TestRetention_LeavesWhatIsLocked: a versioned bucket takes the deletion of a locked object and hides it, so that the function has to see the lock. S3 shows
// it only to those who may see it.
func TestRetention_LeavesWhatIsLocked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		days  string
		lock  func(*account)
		stays bool
	}{
		"until_a_date":                    {"30", func(a *account) { a.locked = time.Now().Add(time.Hour) }, true},
		"for_as_long_as_a_hold_lasts":     {"30", func(a *account) { a.hold = true }, true},
		"and_not_what_is_locked_no_more":  {"30", func(a *account) { a.locked = time.Now().Add(-time.Hour) }, false},
		"and_not_what_it_is_not_shown_as": {"0", func(a *account) { a.locked = time.Now().Add(time.Hour) }, false}, // a lock of which the template does not know
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := open(t, map[string]string{"BackupKeep": "daily=1", "ObjectLockDays": test.days})
			if err := sample.Fill(a.cloud.Workspace(sales), sample.Options{Jobs: 3, Scripts: 3, Resources: 1}); err != nil {
				t.Fatal(err)
			}
			a.good("nightly", night(0))
			test.lock(a)
			a.good("nightly", night(1))
			if _, there := a.bucket.GetObject(vaultName, sales+"/"+date(0)+"/backup.json"); there != test.stays {
				t.Errorf("the day is there: %v", there)
			}
		})
	}
}
