package local_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

const nightly = `{"time":"2026-11-22T00:00:00+08:00"}`

// backedUp is a cloud whose small sample has been backed up on the 22nd.
func backedUp(t *testing.T) (*local.Cloud, *dataarts.WorkspaceHandle, local.Snapshot) {
	t.Helper()
	c, w := filled(t, local.Options{})
	before := local.TakeSnapshot(w)
	run(t, "backup", nightly, c.Environment()).succeed(t)
	c.DataArts.ResetCalls()
	return c, w, before
}

func TestStandardInput_takes_a_backup(t *testing.T) {
	t.Parallel()
	c, _ := filled(t, local.Options{Variables: map[string]string{"BACKUP_TIME_ZONE": "Asia/Shanghai"}})
	for name, test := range map[string]struct{ event, path string }{
		"by_hand":                     {`{}`, `/\d{4}-\d\d-\d\dT\d{6}/$`},
		"of_the_night_of_a_moment":    {`{"time":"2026-11-21T16:00:00Z"}`, `/` + local.WorkspaceID + `/2026-11-22/$`},
		"into_a_folder":               {`{"time":"2026-11-23T00:00:00+08:00","folder":"before/release"}`, `/` + local.WorkspaceID + `/before/release/2026-11-23/$`},
		"of_a_workspace":              {`{"time":"2026-11-24T00:00:00+08:00","workspaces":["` + local.WorkspaceID + `"]}`, `/2026-11-24/$`},
		"by_a_timer_event_in_a_file":  {`{"version":"v1.0","time":"2026-11-25T00:00:00+08:00","trigger_type":"TIMER","trigger_name":"n","user_event":"hello"}`, `/2026-11-25/$`},
		"by_a_timer_with_a_command":   {`{"version":"v1.0","time":"2026-11-26T00:00:00+08:00","trigger_type":"TIMER","trigger_name":"n","user_event":"{\"folder\":\"x\"}"}`, `/x/2026-11-26/$`},
		"by_an_EventBridge_scheduler": {`{"version":"0","id":"1","detail-type":"Scheduled Event","source":"aws.scheduler","account":"1","time":"2026-11-26T16:00:00Z","region":"eu-central-1","resources":[],"detail":"{}"}`, `/2026-11-27/$`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := run(t, "backup", test.event, c.Environment()).succeed(t)
			got := answer[backups](t, o)
			if got.Status != "COMPLETE" || len(got.Backups) != 1 || !regexp.MustCompile(test.path).MatchString(got.Backups[0].Path) {
				t.Fatalf("answer %+v", got)
			}
			provedBackup(t, c, strings.TrimPrefix(got.Backups[0].Path, "obs://"+local.Bucket+"/"))
		})
	}
}

func TestStandardInput_verifies_a_backup(t *testing.T) {
	t.Parallel()
	c, _, _ := backedUp(t)
	if got := answer[backups](t, run(t, "backup", `{"verify":"2026-11-22"}`, c.Environment()).succeed(t)); got.Status != "COMPLETE" {
		t.Errorf("answer %+v", got)
	}
	key := local.WorkspaceID + "/2026-11-22/4_jobs/ads_orders_df.job"
	if err := c.Store.PutObject(local.Bucket, key, append(object(t, c, key), ' ')); err != nil {
		t.Fatal(err)
	}
	o := run(t, "backup", `{"verify":"2026-11-22"}`, c.Environment()).refuse(t)
	if text := string(o.stdout); !strings.Contains(text, "ads_orders_df") {
		t.Errorf("the answer does not name the damaged asset: %s", text)
	}
}

func TestStandardInput_refuses_what_it_does_not_understand(t *testing.T) {
	t.Parallel()
	c := start(t, local.Options{})
	for name, test := range map[string]struct {
		function, event string
		want            []string
	}{
		"no_event":                 {"backup", ``, []string{"empty"}},
		"no_JSON":                  {"backup", `hello`, []string{"line 1"}},
		"unknown_fields":           {"backup", `{"workspace":["a"],"foldr":"x"}`, []string{"workspace", "foldr"}},
		"a_folder_that_goes_up":    {"backup", `{"folder":"../other","verify":"tomorrow"}`, []string{"../other", "tomorrow"}},
		"an_event_of_another_kind": {"backup", `{"Records":[{"eventSource":"aws:sns"}]}`, []string{"aws:sns"}},
		"a_restore_without_a_word": {"restore", `{}`, []string{"path", "date", "duplicateNamePolicy"}},
		"every_fault_of_a_restore": {"restore", `{"id":"a b","date":"yesterday","duplicateNamePolicy":"maybe","schedules":"never","targetStatus":"DONE","select":{"kinds":["tables"],"names":["["],"directories":["ods"]},"replace":{"obsPath":{"a":"b"}}}`,
			[]string{"a b", "yesterday", "maybe", "never", "DONE", "tables", `"["`, `"ods"`, "obsPath"}},
		"an_unknown_field_and_a_wrong_value": {"restore", `{"date":"latest","duplicateNamePolicy":"maybe","dry_run":true}`, []string{"maybe", "dry_run"}},
		"a_path_outside_the_root":            {"restore", `{"path":"obs://another-bucket/2026-11-22/","duplicateNamePolicy":"skip"}`, []string{"another-bucket"}},
		"a_backup_that_is_not_there":         {"restore", `{"date":"2020-01-01","duplicateNamePolicy":"skip"}`, []string{"2020-01-01"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := run(t, test.function, test.event, c.Environment()).refuse(t)
			if !json.Valid(o.stdout) {
				t.Errorf("standard output is not JSON: %s", o.stdout)
			}
			for _, want := range test.want {
				if quoted, _ := json.Marshal(want); !strings.Contains(string(o.stdout), strings.Trim(string(quoted), `"`)) {
					t.Errorf("the answer lacks %s: %s", want, o.stdout)
				}
			}
		})
	}
	if n := writes(c); n > 0 {
		t.Errorf("%d writes", n)
	}
}

func TestStandardInput_names_every_fault_of_the_configuration_and_no_key(t *testing.T) {
	t.Parallel()
	env := []string{"DATAARTS_REGION=eu de", "DATAARTS_RATE_LIMIT=fast", "BACKUP_LOCATION=s3://x", "HUAWEICLOUD_SDK_AK=AKAKAKAKAKAK", "BACKUP_TIME_ZONE=Mars/Olympus"}
	o := run(t, "backup", `{}`, env).refuse(t)
	for _, want := range []string{"DATAARTS_REGION", "DATAARTS_PROJECT_ID", "DATAARTS_WORKSPACES", "DATAARTS_RATE_LIMIT", "BACKUP_LOCATION", "HUAWEICLOUD_SDK_SK", "BACKUP_TIME_ZONE", "Mars/Olympus"} {
		if !strings.Contains(string(o.stdout), want) {
			t.Errorf("the answer lacks %s: %s", want, o.stdout)
		}
	}
	if strings.Contains(string(o.stdout)+o.stderr, "AKAKAKAKAKAK") {
		t.Errorf("a key is shown: %s%s", o.stdout, o.stderr)
	}
}

func TestStandardInput_restores(t *testing.T) {
	t.Parallel()
	c, w, before := backedUp(t)
	path := "obs://" + local.Bucket + "/" + local.WorkspaceID + "/2026-11-22/"
	all := 5 + 3 + 6 + 8
	// The steps build on each other: each finds the workspace as the one before has left it.
	for _, step := range []struct {
		name    string
		prepare func()
		request string
		exit    int
		status  string
		counts  map[string]int
	}{
		{"nothing_to_do", nil, `{"path":"` + path + `","duplicateNamePolicy":"overwrite"}`, 0, "COMPLETE", map[string]int{"unchanged": all}},
		{"a_dry_run_into_nothing", w.Wipe, `{"date":"latest","duplicateNamePolicy":"fail","dryRun":true}`, 0, "PLANNED", map[string]int{"create": all}},
		{"into_nothing_with_fail", nil, `{"date":"2026-11-22","duplicateNamePolicy":"fail"}`, 0, "COMPLETE", map[string]int{"created": all}},
		{"fail_refuses_what_exists", nil, `{"date":"2026-11-22","duplicateNamePolicy":"fail"}`, 1, "FAILED", map[string]int{}},
		{"skip_leaves_what_exists", func() { change(t, w); w.Delete(dataarts.Scripts, "dwd_orders_hivesql") },
			`{"date":"latest","duplicateNamePolicy":"skip","select":{"kinds":["scripts"]}}`, 0, "COMPLETE", map[string]int{"skipped": 5, "created": 1}},
		{"a_dry_run_of_overwrite", nil, `{"date":"latest","duplicateNamePolicy":"overwrite","dryRun":true,"select":{"kinds":["jobs"]}}`, 0, "PLANNED", map[string]int{"overwrite": 8}},
		{"overwrite_puts_everything_back", nil, `{"date":"latest","duplicateNamePolicy":"overwrite"}`, 0, "COMPLETE",
			map[string]int{"overwritten": 3 + 5 + 8 + 1, "unchanged": 1 + 4}},
	} {
		if step.prepare != nil {
			step.prepare()
		}
		snapshot := local.TakeSnapshot(w)
		c.DataArts.ResetCalls()
		o := run(t, "restore", step.request, c.Environment())
		if o.exit != step.exit {
			t.Errorf("%s: exit %d\n%s\n%s", step.name, o.exit, o.stdout, o.stderr)
		}
		r := answer[report](t, o)
		t.Log(step.name)
		r.wants(t, step.status, step.counts)
		if step.status == "PLANNED" || step.status == "FAILED" {
			if n := writes(c); n > 0 {
				t.Errorf("%s: %d writes", step.name, n)
			}
			equal(t, snapshot, w)
		}
		if len(r.PlanHash) == 0 && step.status != "FAILED" {
			t.Errorf("%s: no planHash", step.name)
		}
	}
	equal(t, before, w)
}

// change edits every asset by hand, in a way that the restore has to take back.
func change(t *testing.T, w *dataarts.WorkspaceHandle) {
	t.Helper()
	changeSome(t, w, func(int) bool { return true })
}

// changeSome edits the assets whose place in the order of their kind's names is chosen. One environment variable gets another value.
func changeSome(t *testing.T, w *dataarts.WorkspaceHandle, chosen func(i int) bool) {
	t.Helper()
	for kind, field := range map[dataarts.Kind]string{dataarts.Resources: "desc", dataarts.Scripts: "description", dataarts.Jobs: "description"} {
		assets := w.All(kind)
		for i, identity := range slices.Sorted(maps.Keys(assets)) {
			if !chosen(i) {
				continue
			}
			members := parse[map[string]json.RawMessage](t, assets[identity])
			members[field] = json.RawMessage(`"changed by hand"`)
			raw, err := json.Marshal(members)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Put(kind, raw); err != nil {
				t.Fatal(err)
			}
		}
	}
	if env, ok := w.Asset(dataarts.Env, "env"); ok {
		if err := w.Put(dataarts.Env, []byte(strings.Replace(string(env), `"dlf-prod"`, `"dlf-changed"`, 1))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStandardInput_restores_into_another_workspace_what_is_selected(t *testing.T) {
	t.Parallel()
	c, w := filled(t, local.Options{Workspaces: []dataarts.Workspace{{ID: local.WorkspaceID, Name: "warehouse"}, {ID: "other", Name: "other"}}})
	other := c.Workspace("other")
	o := run(t, "backup", nightly, c.Environment()).succeed(t)
	if got := answer[backups](t, o); len(got.Backups) != 2 || got.Backups[1].Workspace != "other" || got.Backups[1].Counts["jobs"] != 0 {
		t.Errorf("answer %+v", got)
	}
	r := answer[report](t, run(t, "restore", `{"date":"latest","source":"`+local.WorkspaceID+`","workspace":"other","duplicateNamePolicy":"fail",
		"select":{"kinds":["jobs","scripts","resources"],"directories":["/dws"],"withDependencies":true}}`, c.Environment()).succeed(t))
	if r.Status != "COMPLETE" || r.Workspace != "other" || r.Counts["created"] == 0 {
		t.Errorf("report %+v", r)
	}
	jobs := other.All(dataarts.Jobs)
	for name := range w.All(dataarts.Jobs) {
		if _, there := jobs[name]; strings.HasPrefix(name, "dws_") && !there {
			t.Errorf("job %s is not there", name)
		} else if strings.HasPrefix(name, "ads_") && there {
			t.Errorf("job %s was not selected", name)
		}
	}
	differences, err := local.TakeSnapshot(w).Differences(local.TakeSnapshot(other))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differences {
		if d.Path != "" || d.To != "" {
			t.Errorf("restored otherwise: %v", d)
		}
	}
}

func TestStandardInput_keeps_live_environment_variables_that_the_backup_lacks(t *testing.T) {
	t.Parallel()
	c, w, _ := backedUp(t)
	if err := w.Put(dataarts.Env, []byte(`{"params":[{"name":"mine","type":"variable","value":"kept"},{"name":"hive_db","type":"variable","value":"other"}]}`)); err != nil {
		t.Fatal(err)
	}
	r := answer[report](t, run(t, "restore", `{"date":"latest","duplicateNamePolicy":"overwrite","select":{"kinds":["env"]}}`, c.Environment()).succeed(t))
	r.wants(t, "COMPLETE", map[string]int{"created": 4, "overwritten": 1})
	env, _ := w.Asset(dataarts.Env, "env")
	got := map[string]string{}
	for _, p := range parse[struct {
		Params []struct{ Name, Value string }
	}](t, env).Params {
		got[p.Name] = p.Value
	}
	if len(got) != 6 || got["mine"] != "kept" || got["hive_db"] != "dwd" {
		t.Errorf("variables %v", got)
	}
	for _, text := range []string{string(object(t, c, "restores/"+r.ID+"/report.json"))} {
		if strings.Contains(text, "dlf-prod") || strings.Contains(text, "hooks.example.invalid") {
			t.Errorf("the report holds a variable's value: %s", text)
		}
	}
}

func TestStandardInput_refuses_edits_of_backup_json_that_are_not_allowed(t *testing.T) {
	t.Parallel()
	const folder = local.WorkspaceID + "/2026-11-22/"
	for name, test := range map[string]struct {
		old, now string
		want     []string
	}{
		"a_job_renamed":        {`"job": "ods_orders_df", "node": "load"`, `"job": "ods_order_df", "node": "load"`, []string{"line", "ods_order_df"}},
		"a_node_renamed":       {`"node": "load"`, `"node": "lode"`, []string{"line", "lode"}},
		"a_type_renamed":       {`"CDMJob"`, `"CdmJob"`, []string{"line", "CdmJob"}},
		"a_field_added":        {`"node": "load", `, `"node": "load", "jobName": "x", `, []string{"line", "jobs.CDMJob[0].jobName"}},
		"a_field_gone":         {`, "clusterName": "cdm-prod"`, ``, []string{"line", "clusterName"}},
		"a_number":             {`"clusterName": "cdm-prod"`, `"clusterName": 1`, []string{"line", "jobs.CDMJob[0].clusterName"}},
		"a_syntax_error":       {`"clusterName": "cdm-prod"}`, `"clusterName": "cdm-prod",}`, []string{"line"}},
		"another_date":         {`"backupDate": "2026-11-22"`, `"backupDate": "2026-11-23"`, []string{"line", "backupDate"}},
		"another_manifest":     {`"manifestSha256": "`, `"manifestSha256": "0`, []string{"manifest"}},
		"another_workspace":    {`"id": "` + local.WorkspaceID, `"id": "1` + local.WorkspaceID, []string{"line", "workspace"}},
		"an_unknown_rule":      {`"replace": {`, `"replace": {"obsPath": {}, `, []string{"line", "replace.obsPath"}},
		"an_unknown_member":    {`"replace": {`, `"notes": "mine", "replace": {`, []string{"line", "notes"}},
		"a_rule_of_a_number":   {`"database": {}`, `"database": {"dwd": 1}`, []string{"line", "replace.database.dwd"}},
		"two_faults_at_once":   {`"node": "load", "clusterName": "cdm-prod"`, `"node": "load", "clusterName": true, "colour": "red"`, []string{"clusterName", "colour"}},
		"a_member_given_twice": {`"formatVersion": 1,`, `"formatVersion": 1, "formatVersion": 1,`, []string{"line", "formatVersion"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, w, _ := backedUp(t)
			edit(t, c, folder, test.old, test.now)
			change(t, w)
			live := local.TakeSnapshot(w)
			r := answer[report](t, run(t, "restore", `{"id":"refused","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`, c.Environment()).refuse(t))
			if r.Status != "FAILED" {
				t.Errorf("report %+v", r)
			}
			for _, want := range test.want {
				if !strings.Contains(r.Message, want) {
					t.Errorf("the message lacks %q: %s", want, r.Message)
				}
			}
			if n := writes(c); n > 0 {
				t.Errorf("%d writes", n)
			}
			equal(t, live, w)
		})
	}
}

func TestHTTP_names_every_fault_of_a_request(t *testing.T) {
	t.Parallel()
	c, _, _ := backedUp(t)
	t.Cleanup(func() {
		if found := keys(t, c, "restore-requests/"); len(found) > 0 {
			t.Errorf("requests that are refused are stored: %v", found)
		}
	})
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		want               []string
	}{
		"two_faults":        {http.MethodPost, "/restores", `{"date":"yesterday","duplicateNamePolicy":"maybe"}`, 400, []string{"yesterday", "maybe"}},
		"no_JSON":           {http.MethodPost, "/restores", `{`, 400, []string{"line 1"}},
		"no_such_backup":    {http.MethodPost, "/restores", `{"date":"2020-01-01","duplicateNamePolicy":"skip"}`, 0, []string{"2020-01-01"}},
		"no_such_restore":   {http.MethodGet, "/restores/nobody", ``, 404, []string{"nobody"}},
		"outside_the_root":  {http.MethodPost, "/restores", `{"path":"obs://other-bucket/x/2026-11-22/","duplicateNamePolicy":"skip"}`, 0, []string{"other-bucket"}},
		"a_wrong_method":    {http.MethodDelete, "/restores", ``, 405, []string{"DELETE"}},
		"the_plan_of_a_run": {http.MethodPost, "/restores", `{"date":"latest","duplicateNamePolicy":"skip","dryRun":true}`, 200, []string{"PLANNED", "planHash"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response, body := call(t, c, test.method, test.path, test.body)
			if test.status != 0 && response.StatusCode != test.status || response.StatusCode >= 500 || test.status == 0 && response.StatusCode < 400 {
				t.Errorf("%s: %s", response.Status, body)
			}
			var e struct {
				Error struct{ Code, Message string }
			}
			if err := json.Unmarshal(body, &e); err != nil || response.StatusCode >= 400 && (e.Error.Code == "" || e.Error.Message == "") {
				t.Errorf("the answer is no error in JSON: %v: %s", err, body)
			}
			for _, want := range test.want {
				if !strings.Contains(string(body), want) {
					t.Errorf("the answer lacks %q: %s", want, body)
				}
			}
		})
	}
}
