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
	"github.com/dataarts-backup/dataarts-backup/shared/config"
)

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
	lacking := a.without(files[0])
	byHand := lacking
	for byHand == lacking { // a name has whole seconds
		byHand = a.byHand()
	}
	a.tick(config.Backup, "verify", night(11))
	a.page(night(3).Format(time.DateOnly), byHand)
	a.switches()
	a.restores(w, byHand, files)
	a.tick(config.Restore, "drill", night(11))
	a.tick(config.Restore, "drill", night(12)) // which removes the former one's records
}

// without has the functions look for a file of a resource that is not there, and returns the name of the backup.
func (a *account) without(key string) (backup string) {
	a.t.Helper()
	data, _ := a.store.GetObject(filesBucket, key)
	if err := a.store.DeleteObject(filesBucket, key); err != nil {
		a.t.Fatal(err)
	}
	backup = a.byHand()
	a.asked(http.StatusOK, http.MethodGet, "/backups/"+night(3).Format(time.DateOnly)+"/diff/live?workspace="+sales, "")
	if err := a.store.PutObject(filesBucket, key, data); err != nil {
		a.t.Fatal(err)
	}
	return backup
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

// nights has the backup function take nightly backups of both workspaces and remove old ones.
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
func (a *account) invoked(f config.Function, command string) (answer struct {
	Status  string
	Backups []struct{ Path string }
}) {
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
	a.edit(backup, of)
}

// edit has the console edit a backup and verify it.
func (a *account) edit(backup, of string) {
	a.t.Helper()
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
	a.edit("/backups/"+in, "folder=nights&workspace="+stock)
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
	kept := "obs://vault/dataarts/" + stock + "/nights/" + night(11).Format(time.DateOnly) + "/"
	a.restored("/restores", fmt.Sprintf(`{"workspace":%q,"path":%q,"duplicateNamePolicy":"skip"}`, stock, kept), "COMPLETE")
	if failed := a.invoked(config.Restore, `{"workspace":"`+sales+`","date":"2001-01-01","duplicateNamePolicy":"skip"}`); failed.Status != "FAILED" { // of which people are told
		a.t.Errorf("of no backup: %+v", failed)
	}
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
