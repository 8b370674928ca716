package terraform_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/terraform/plan"
	"github.com/dataarts-backup/dataarts-backup/shared/config"
)

// grant is the smallest piece of a permission: one action on one resource ("" is every one), of one function on one cloud.
type grant struct {
	cloud    string
	function config.Function
	action   string
	resource string
}

// idle are the permissions that no call of the story needs, each with what does.
func idle() map[grant]string {
	const tell = "FunctionGraph tells of an invocation that failed for good in the function's name (Configuring Asynchronous Invocation: smn:topic:list)"
	const parts = "a large object is stored in parts, and they are removed where that fails"
	all := map[grant]string{}
	for _, cloud := range []string{huaweicloud, openTelekomCloud} {
		for _, f := range []config.Function{config.Backup, config.Restore} {
			all[grant{cloud, f, "smn:topic:list", ""}] = tell
		}
		all[grant{cloud, config.Backup, abort, "OBS:*:*:object:vault/dataarts/*/*"}] = parts
	}
	return all
}

// TestTerraform_PermitsWhatTheFunctionsDoAndNothingElse runs everything that the functions do in an account that a plan was carried out in, and holds each of their
// requests against the policies that both modules give them.
func TestTerraform_PermitsWhatTheFunctionsDoAndNothingElse(t *testing.T) {
	t.Parallel()
	inputs := map[string]any{"region": planRegion, "workspaces": []string{sales, stock}, "instance_id": planInstance, "bucket": "vault", "location": "dataarts/{workspace}",
		"time_zone": "Asia/Shanghai", "keep": "daily=2", "resource_buckets": []string{filesBucket}, "drill": map[string]any{"workspace": spare, "source": sales},
		"kms_key_id": "0d0466b0-e727-4d9c-b35d-f84bb474a37f", "alarm_user": "operator"}
	plans := map[string]*plan.Plan{huaweicloud: carriedOutPlan(t, huaweicloud, inputs), openTelekomCloud: carriedOutPlan(t, openTelekomCloud, with(inputs, map[string]any{"region": "eu-de"}))}
	for _, f := range allFunctions() { // one story is enough for both
		there := environment(t, plans[huaweicloud], f)
		for name, value := range otcEnvironment(t, plans[openTelekomCloud], f) {
			if !strings.HasSuffix(name, "_ENDPOINT") && name != "DATAARTS_REGION" && value != there[name] {
				t.Errorf("%s of %s is %q on one cloud, and %q on the other", name, f, there[name], value)
			}
		}
	}
	a := carriedOut(t, plans[huaweicloud])
	a.story()

	unneeded := idle()
	for cloud, p := range plans {
		for _, f := range allFunctions() {
			may := policyOf(t, plans[huaweicloud], f)
			if cloud == openTelekomCloud {
				may = otcPolicyOf(t, p, f)
			}
			for _, g := range a.judged(cloud, f, may) {
				if unneeded[g] == "" {
					t.Errorf("%s: %s may %s on %q, and nothing that it does needs that", g.cloud, g.function, g.action, g.resource)
				}
				delete(unneeded, g)
			}
		}
	}
	for g := range unneeded {
		t.Errorf("%s: %s may not %s on %q, or needs that; it is listed as what the story does not need", g.cloud, g.function, g.action, g.resource)
	}
	for c := range a.calls {
		if !slices.Contains(allFunctions(), c.function) {
			t.Errorf("%s of %s, which is no function, on %s", c.action, c.function, c.on)
		}
	}
}

// carriedOutPlan is a plan in which the functions have the names that they are carried out with.
func carriedOutPlan(t *testing.T, dir string, inputs map[string]any) *plan.Plan {
	t.Helper()
	p, err := plan.Of(dir, plan.Options{Inputs: inputs, Files: func(path string) ([]byte, error) { return []byte(path), nil },
		Known: func(address, argument string) string {
			switch argument {
			case "urn":
				return functionURN(config.Function(address[strings.LastIndexByte(address, '.')+1:]))
			case "topic_urn":
				return "urn:smn:" + planRegion + ":" + planProject + ":dataarts-backup"
			}
			return argument + " of " + address
		}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// otcPolicyOf is what a function may do on Open Telekom Cloud.
func otcPolicyOf(t *testing.T, p *plan.Plan, f config.Function) policy {
	t.Helper()
	var all policy
	for _, role := range []string{"vault", "project"} {
		text, err := json.Marshal(resource(t, p, `opentelekomcloud_identity_role_v3.`+role+`["`+string(f)+`"]`)["statement"])
		var statements []struct {
			Effect string
			statement
		}
		if err != nil || json.Unmarshal(text, &statements) != nil || len(statements) == 0 {
			t.Fatalf("the role %s of %s: %v: %s", role, f, err, text)
		}
		for _, s := range statements {
			if s.Effect == "Deny" {
				all.deny = append(all.deny, s.statement)
			} else {
				all.allow = append(all.allow, s.statement)
			}
		}
	}
	return all
}

// judged holds a function's calls against what it may do on a cloud, and returns what it may do and did not.
func (a *account) judged(cloud string, f config.Function, may policy) (unused []grant) {
	a.t.Helper()
	var own []call
	for c := range a.calls {
		if c.function != f {
			continue
		}
		own = append(own, c)
		if !may.allows(c.action, c.on) {
			a.t.Errorf("%s: %s is refused %s on %s", cloud, f, c.action, c.on)
		}
	}
	for _, s := range may.allow {
		for _, action := range s.Action {
			service, _, _ := strings.Cut(action, ":")
			for _, on := range append(s.Resource, slices.Repeat([]string{""}, max(0, 1-len(s.Resource)))...) {
				one := statement{Action: []string{action}}
				if on != "" {
					one.Resource = []string{on}
				}
				needed := slices.ContainsFunc(own, func(c call) bool { return one.matches(c.action, c.on) })
				if !needed && slices.Contains([]string{"obs", "functiongraph", "smn"}, service) { // keys are OBS's business
					unused = append(unused, grant{cloud, f, action, on})
				}
			}
		}
	}
	return unused
}

// night is the n-th midnight in Shanghai after some nights ago; the tenth is last night, so that a backup by hand comes after it.
func night(n int) time.Time {
	zone := time.FixedZone("", 8*3600)
	y, m, d := time.Now().In(zone).Date()
	return time.Date(y, m, d-10+n, 0, 0, 0, 0, zone)
}

// folder is where a workspace's backup of a night lies.
func folder(workspace string, n int) string {
	return "dataarts/" + workspace + "/" + night(n).Format(time.DateOnly) + "/"
}

// story has the functions do everything that they do.
func (a *account) story() {
	a.t.Helper()
	w := a.dataarts.Workspace(sales)
	for id, options := range map[string]sample.Options{sales: {Jobs: 72, Scripts: 12, Resources: 3}, stock: {Jobs: 3, Scripts: 3, Resources: 1}} {
		if err := sample.Fill(a.dataarts.Workspace(id), options); err != nil {
			a.t.Fatal(err)
		}
	}
	files := a.upload(w)
	a.nights()
	byHand := a.byHand()
	a.tick(config.Backup, "verify", night(11))
	a.page(night(3).Format(time.DateOnly), byHand)
	a.switches()
	a.restores(w, byHand, files)
	a.tick(config.Restore, "drill", night(11))
	a.tick(config.Restore, "drill", night(12)) // which removes the former one's records
}

// upload puts the files there that the resources point to, and returns their keys.
func (a *account) upload(w *dataarts.WorkspaceHandle) []string {
	a.t.Helper()
	keys := map[string]bool{}
	for _, raw := range w.All(dataarts.Resources) {
		for text := range strings.SplitSeq(string(raw), `"`) {
			if key, is := strings.CutPrefix(text, "obs://"+filesBucket+"/"); is {
				keys[key] = true
			}
		}
	}
	var all []string
	for key := range keys {
		all = append(all, key)
		if err := a.store.PutObject(filesBucket, key, []byte("the content of "+key)); err != nil {
			a.t.Fatal(err)
		}
	}
	if len(all) == 0 {
		a.t.Fatal("the resources point to no files")
	}
	return all
}

// tick lets the time of a timer come, and waits for everything that it starts.
func (a *account) tick(f config.Function, name string, at time.Time) {
	a.t.Helper()
	d, ticked := a.functions[f], 0
	for _, timer := range d.Timers() {
		if !timer.Active || !strings.HasPrefix(timer.Name, name) {
			continue
		}
		ticked++
		id, err := d.InvokeAsync(functiongraph.TimerEvent(timer.Name, at, timer.UserEvent))
		if err != nil {
			a.t.Fatal(err)
		}
		a.settled(f)
		if run, _ := d.Async(id); run.Status != functiongraph.AsyncSuccess {
			a.t.Fatalf("%s at %s: %+v: %s", name, at, run, run.Result.Payload)
		}
	}
	if ticked != 1 {
		a.t.Fatalf("%d timers %s are on", ticked, name)
	}
}

// settled waits until a function has done with what it was started for.
func (a *account) settled(f config.Function) {
	a.t.Helper()
	d := a.functions[f]
	if err := d.Wait(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
	for _, run := range d.AsyncInvocations() {
		if run.Status != functiongraph.AsyncSuccess {
			a.t.Errorf("%s: %+v: %s", f, run, run.Result.Payload)
		}
	}
}

func (a *account) has(key string) bool {
	_, there := a.store.GetObject("vault", key)
	return there
}

// nights has the backup function take nightly backups of both workspaces, remove old ones, and take a tombstone back.
func (a *account) nights() {
	a.t.Helper()
	for n := range 3 {
		a.tick(config.Backup, "nightly", night(n))
	}
	for _, id := range []string{sales, stock} {
		if !a.has(folder(id, 2)+"backup.json") || a.has(folder(id, 0)+"backup.json") {
			a.t.Fatalf("the backups of %s are not what three nights and retention leave", id)
		}
	}
	a.tick(config.Backup, "nightly", night(3))
}

// byHand takes a backup and returns its name.
func (a *account) byHand() string {
	a.t.Helper()
	return path.Base(a.invoked(config.Backup, `{"workspaces":["`+sales+`"]}`).Backups[0].Path)
}

// invoked is a command's answer.
func (a *account) invoked(f config.Function, command string) (answer struct{ Backups []struct{ Path string } }) {
	a.t.Helper()
	result, err := a.functions[f].Invoke(a.t.Context(), []byte(command))
	if err != nil || result.FunctionError != nil {
		a.t.Fatalf("%s: %v, %s", command, err, result.Payload)
	}
	if err := json.Unmarshal(result.Payload, &answer); err != nil {
		a.t.Fatal(err)
	}
	return answer
}

// asked sends a request through the gateway, and wants an answer with this status.
func (a *account) asked(status int, method, target, body string, header ...string) *http.Response {
	a.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	f := config.Console
	if strings.HasPrefix(r.URL.Path, "/restores") {
		f = config.Restore
	}
	w := httptest.NewRecorder()
	a.functions[f].APIG(functiongraph.APIGOptions{}).ServeHTTP(w, r)
	if w.Code != status {
		a.t.Fatalf("%s %s: %d %s", method, target, w.Code, w.Body)
	}
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r.Body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// page has the console show everything, edit a backup and verify it.
func (a *account) page(name, other string) {
	a.t.Helper()
	const of = "workspace=" + sales
	backup := "/backups/" + name
	first := func(kind, suffix string) string {
		keys, err := a.store.Keys("vault", "dataarts/"+sales+"/"+name+"/"+kind)
		if err != nil || len(keys) == 0 {
			a.t.Fatalf("%v, keys: %v", err, keys)
		}
		return strings.TrimSuffix(path.Base(keys[0]), suffix)
	}
	script, job := first("3_scripts/", ".script"), first("4_jobs/", ".job")
	for _, target := range []string{"/?" + of, "/?view=backup&backup=" + name + "&" + of, "/backups?" + of, backup + "?" + of, backup + "/diff/" + other + "?" + of, backup + "/diff/live?" + of,
		backup + "/graph?key=4_jobs/" + job + ".job&" + of, backup + "/asset?key=3_scripts/" + script + ".script&" + of, backup + "/export?kinds=scripts&" + of, "/calendar?" + of,
		"/log?kind=scripts&name=" + script + "&" + of, "/find?text=select&" + of, "/folders?path=obs://vault/dataarts/", "/schedule"} {
		a.asked(http.StatusOK, http.MethodGet, target, "")
	}
	document := a.asked(http.StatusOK, http.MethodGet, backup+"/document?"+of, "")
	edited := strings.Replace(text(a.t, document), `"connectionName": {}`, `"connectionName": {"dws_prod": "dws_dr"}`, 1)
	a.asked(http.StatusOK, http.MethodPut, backup+"/document?"+of, edited, "Content-Type", "application/json", "If-Match", document.Header.Get("ETag"))
	a.asked(http.StatusOK, http.MethodPost, backup+"/verify?"+of, "")
}

// switches has the console stop and start the nightly backup, move it to a folder, and back up now.
func (a *account) switches() {
	a.t.Helper()
	a.asked(http.StatusOK, http.MethodPut, "/schedule", `{"enabled":false}`)
	a.asked(http.StatusOK, http.MethodPut, "/schedule", `{"enabled":true,"folder":"nights"}`) // the trigger is exchanged for another
	var active []string
	for _, timer := range a.functions[config.Backup].Timers() {
		if timer.Active {
			active = append(active, timer.Name+" "+timer.UserEvent)
		}
	}
	slices.Sort(active)
	if d := cmp.Diff([]string{`nightly-changed-1 {"folder":"nights"}`, `verify {"verify":"latest"}`}, active); d != "" {
		a.t.Errorf("timers:\n%s", d)
	}
	a.asked(http.StatusAccepted, http.MethodPost, "/backups", `{"folder":"by-hand"}`)
	a.settled(config.Backup)
	a.tick(config.Backup, "nightly", night(11))
	in := night(11).Format(time.DateOnly)
	if !a.has("dataarts/" + stock + "/nights/" + in + "/backup.json") {
		a.t.Error("the nightly backup is not in its folder")
	}
	a.asked(http.StatusOK, http.MethodPost, "/backups/"+in+"/verify?folder=nights&workspace="+stock, "")
}

// restores has the restore function export, restore into the empty workspace, where so many jobs are imported and files of resources are gone, restore over what is
// there as somebody asks who puts the request into the bucket, and undo both.
func (a *account) restores(w *dataarts.WorkspaceHandle, byHand string, files []string) {
	a.t.Helper()
	a.invoked(config.Restore, `{"id":"exported","source":"`+sales+`","date":"latest","export":true}`)
	w.Wipe()
	for _, key := range files {
		if err := a.store.DeleteObject(filesBucket, key); err != nil {
			a.t.Fatal(err)
		}
	}
	first := a.restored("/restores", fmt.Sprintf(`{"workspace":%q,"date":%q,"duplicateNamePolicy":"fail"}`, sales, byHand), "COMPLETE")
	for _, key := range files {
		if _, there := a.store.GetObject(filesBucket, key); !there {
			a.t.Errorf("the file %s was not restored", key)
		}
	}
	for id, raw := range w.All(dataarts.Scripts) {
		if err := w.Put(dataarts.Scripts, bytes.Replace(raw, []byte(`"content":"`), []byte(`"content":"-- changed\n`), 1)); err != nil {
			a.t.Fatal(id, err)
		}
	}
	over := fmt.Sprintf(`{"workspace":%q,"date":%q,"duplicateNamePolicy":"overwrite"}`, sales, byHand)
	a.asked(http.StatusOK, http.MethodPost, "/restores", strings.Replace(over, "}", `,"dryRun":true}`, 1))
	if err := a.store.PutObject("vault", "dataarts/restore-requests/by-object.json", []byte(over)); err != nil {
		a.t.Fatal(err)
	}
	a.settled(config.Restore)
	reports, err := a.store.Keys("vault", "dataarts/restores/by-object-") // an id is made of the object's name
	if err != nil || len(reports) == 0 {
		a.t.Fatalf("%v, reports: %v", err, reports)
	}
	second := strings.Split(reports[0], "/")[2]
	a.is(second, "COMPLETE")
	a.restored("/restores/"+second+"/undo", "", "UNDONE")
	a.restored("/restores/"+first+"/undo", "", "UNDONE")
	a.asked(http.StatusOK, http.MethodGet, "/restores", "")
}

// restored asks for a restore or an undo by HTTP, and wants this to become of it.
func (a *account) restored(target, body, status string) (id string) {
	a.t.Helper()
	id = strings.TrimPrefix(a.asked(http.StatusAccepted, http.MethodPost, target, body, "Content-Type", "application/json").Header.Get("Location"), "/restores/")
	a.settled(config.Restore)
	a.is(id, status)
	return id
}

func (a *account) is(id, status string) {
	a.t.Helper()
	report := text(a.t, a.asked(http.StatusOK, http.MethodGet, "/restores/"+id, ""))
	var got struct{ Status, Message string }
	if err := json.Unmarshal([]byte(report), &got); err != nil || got.Status != status {
		a.t.Fatalf("the restore %s is %s: %s (%v)", id, got.Status, got.Message, err)
	}
}
