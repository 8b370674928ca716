// Package world makes what the page is shown: a cloud on this machine with the real functions, in the states that people find themselves in. What it makes is the same
// every time but for the clock.
package world

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
)

// T is who hears of what does not work: a *testing.T, or a command.
type T interface {
	Helper()
	Context() context.Context
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// module is the product.
const module = "github.com/dataarts-backup/dataarts-backup"

// Root is the folder of the product's sources.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("find the sources: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Build builds the functions from the sources as they are into dist/<function>/bootstrap.
func Build(ctx context.Context, dist string) error {
	root, err := Root(ctx)
	if err != nil {
		return err
	}
	for _, function := range []string{"backup", "restore", "console"} {
		if err := build(ctx, root, "./functions/"+function, filepath.Join(dist, function, "bootstrap")); err != nil {
			return err
		}
	}
	return nil
}

// BuildFixed replaces the console in dist by one whose clock stands still, for pictures. See package fixedconsole.
func BuildFixed(ctx context.Context, dist string) error {
	root, err := Root(ctx)
	if err != nil {
		return err
	}
	return build(ctx, filepath.Join(root, "infra", "browser"), "./fixedconsole", filepath.Join(dist, "console", "bootstrap"))
}

func build(ctx context.Context, dir, source, target string) error {
	command := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-X main.version=1.0.0", "-o", target, source)
	command.Dir, command.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", source, err, output)
	}
	return nil
}

// World is a cloud with one workspace.
type World struct {
	*local.Cloud
	Workspace *dataarts.WorkspaceHandle

	t       T
	logs    *logs
	changes int
}

// logs keeps what the functions print.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// Logs is the end of what the functions have printed.
func (w *World) Logs() string {
	w.logs.mu.Lock()
	defer w.logs.mu.Unlock()
	text := w.logs.text.String()
	return text[max(0, len(text)-6000):]
}

// Zone is where the nights begin, and the time zone of the daily backup.
func Zone() *time.Location { return time.FixedZone("Asia/Shanghai", 8*3600) }

// Start starts a cloud with an empty workspace and an empty bucket; it ends with t.
func Start(t T, dist string, opts local.Options) *World {
	t.Helper()
	w := &World{t: t, logs: &logs{}}
	opts.Dist, opts.Logs = dist, w.logs
	if opts.Variables == nil {
		opts.Variables = map[string]string{}
	}
	opts.Variables["BACKUP_TIME_ZONE"] = "Asia/Shanghai"
	cloud, err := local.Start(context.WithoutCancel(t.Context()), opts)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(cloud.Close)
	w.Cloud, w.Workspace = cloud, cloud.Workspace(local.WorkspaceID)
	return w
}

// TimerOff turns the daily backup's timer off, as somebody may do in FunctionGraph's own console.
func (w *World) TimerOff() *World {
	w.t.Helper()
	for _, timer := range w.Backup.Timers() {
		if _, err := w.Backup.UpdateTimer(timer.ID, func(t *functiongraph.Timer) { t.Active = false }); err != nil {
			w.t.Fatalf("%v", err)
		}
	}
	return w
}

// Fill fills the workspace like a data team's, files of resources included.
func (w *World) Fill(opts sample.Options) *World {
	w.t.Helper()
	if err := sample.Fill(w.Workspace, opts); err != nil {
		w.t.Fatalf("%v", err)
	}
	if _, err := w.UploadFiles(w.Workspace); err != nil {
		w.t.Fatalf("%v", err)
	}
	return w
}

// Midnights are the last n midnights up to the one that began the day of now, the oldest first.
func Midnights(now time.Time, n int) []time.Time {
	now = now.In(Zone())
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, Zone())
	var all []time.Time
	for i := range n {
		all = append(all, today.AddDate(0, 0, i-n+1))
	}
	return all
}

// Nights lets these midnights come. Between two of them somebody changes the workspace a little. It returns the names of the backups.
func (w *World) Nights(midnights []time.Time) []string {
	w.t.Helper()
	var names []string
	for i, at := range midnights {
		if i > 0 {
			w.Change()
		}
		if status, answer := w.Night(at); status != functiongraph.AsyncSuccess {
			w.t.Fatalf("the backup of %s: %s: %s", at.Format(time.DateOnly), status, answer)
		}
		names = append(names, at.Format(time.DateOnly))
	}
	return names
}

// Night lets one midnight come.
func (w *World) Night(at time.Time) (status functiongraph.AsyncStatus, answer string) {
	w.t.Helper()
	night, err := w.Midnight(w.t.Context(), at)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return night.Status, string(night.Result.Payload)
}

// Change changes a script and a connection, and adds a script: what somebody does on a working day.
func (w *World) Change() {
	w.t.Helper()
	w.changes++
	w.Edit(dataarts.Scripts, "dwd_orders_hivesql", "SELECT *", fmt.Sprintf("SELECT * -- revision %d\n     ", w.changes))
	w.Put(dataarts.Scripts, fmt.Sprintf(`{"name":"adhoc_%d","type":"HiveSQL","content":"SELECT %d;","directory":"/adhoc","connectionName":"mrs_hive_prod","database":"dwd","description":"","configuration":{}}`, w.changes, w.changes))
}

// Edit replaces a text in an asset's definition, once; it has to be there.
func (w *World) Edit(kind dataarts.Kind, identity, old, now string) {
	w.t.Helper()
	raw, ok := w.Workspace.Asset(kind, identity)
	if !ok {
		w.t.Fatalf("there is no %s %s", kind, identity)
	}
	from, to := quoted(old), quoted(now)
	if !bytes.Contains(raw, from) {
		w.t.Fatalf("%s %s has no %q: %s", kind, identity, old, raw)
	}
	w.Put(kind, string(bytes.Replace(raw, from, to, 1)))
}

// quoted is a text as it stands inside a JSON string.
func quoted(text string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string can be encoded
	return bytes.Trim(bytes.TrimSpace(b.Bytes()), `"`)
}

// Put adds or replaces an asset.
func (w *World) Put(kind dataarts.Kind, raw string) {
	w.t.Helper()
	if err := w.Workspace.Put(kind, []byte(raw)); err != nil {
		w.t.Fatalf("%v", err)
	}
}

// PartialNight lets a midnight come while DataArts fails for one job with this message, so that the backup is PARTIAL.
func (w *World) PartialNight(at time.Time, job, message string) {
	w.t.Helper()
	body, err := json.Marshal(map[string]string{"error_code": "DLF.0100", "error_msg": message})
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	w.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ExportUnsupported = true })
	w.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowJob && strings.HasSuffix(r.URL.Path, "/"+job) {
			return &dataarts.Fault{Status: http.StatusBadRequest, Body: string(body)}
		}
		return nil
	})
	defer func() {
		w.DataArts.Intercept(nil)
		w.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ExportUnsupported = false })
	}()
	if status, answer := w.Night(at); status == functiongraph.AsyncSuccess {
		w.t.Fatalf("the backup of %s is whole: %s", at.Format(time.DateOnly), answer)
	}
}

// What Hostile puts where somebody might take it for markup or script. Each would open a dialog, or ask another host, if it came alive.
const (
	HostileName    = `<img src=x onerror=alert(1)>`
	HostileText    = "</script><script>alert(2)</script>\n<!-- ${{{`'\"\\\n<svg onload=alert(3)>"
	HostileValue   = `"><iframe src=javascript:alert(4)><b a='`
	HostileMessage = `<img src=//evil.invalid/x onerror=alert(5)>&lt;script&gt;`
)

// Hostile adds a job, a script, a resource and a variable whose every text is hostile.
func (w *World) Hostile() *World {
	w.t.Helper()
	w.DataArts.SetSwitches(func(s *dataarts.Switches) { s.LooseNames = true })
	name, text, value := quoted(HostileName), quoted(HostileText), quoted(HostileValue)
	w.Put(dataarts.Jobs, fmt.Sprintf(`{"name":"%s","directory":"/<b onclick=alert(6)>","processType":"BATCH","description":"%s","params":[],"basicConfig":{"owner":"%s"},"schedule":{"type":"EXECUTE_ONCE"},
		"nodes":[{"name":"%[1]s","type":"HiveSQL","location":{"x":"0","y":"0"},"preNodeName":[],"properties":[{"name":"connectionName","value":"%[3]s"},{"name":"statementOrScript","value":"STATEMENT"},{"name":"statement","value":"%[2]s"}]}]}`, name, text, value))
	w.Put(dataarts.Scripts, fmt.Sprintf(`{"name":"%s","type":"HiveSQL","content":"%s","directory":"/<b onclick=alert(6)>","connectionName":"%s","database":"%[3]s","description":"%[2]s","configuration":{}}`, name, text, value))
	w.Put(dataarts.Resources, fmt.Sprintf(`{"name":"%s","type":"file","location":"obs://dlf-prod/hostile","desc":"%s","directory":"/h","dependFiles":[]}`, name, text))
	w.Put(dataarts.Env, fmt.Sprintf(`{"params":[{"name":"secret","type":"constant","value":"%s","desc":"%s"}]}`, value, text))
	return w
}

// restored is what is read of a report.
type restored struct{ Status, Message string }

// RestoreBy asks for a restore, or for its plan, by HTTP and waits until it is there. request is a JSON object with an id.
func (w *World) RestoreBy(request string) (status string) {
	w.t.Helper()
	var named struct{ ID string }
	if err := json.Unmarshal([]byte(request), &named); err != nil || named.ID == "" {
		w.t.Fatalf("a restore needs an id: %s %v", request, err)
	}
	code, body := w.Call(http.MethodPost, "/restores", request)
	if code != http.StatusAccepted && code != http.StatusOK {
		w.t.Fatalf("ask for a restore: %d: %s", code, body)
	}
	if err := w.Restore.Wait(w.t.Context()); err != nil {
		w.t.Fatalf("%v", err)
	}
	_, body = w.Call(http.MethodGet, "/restores/"+named.ID, "")
	var report restored
	if err := json.Unmarshal(body, &report); err != nil {
		w.t.Fatalf("the report of %s: %v: %s", named.ID, err, body)
	}
	return report.Status
}

// Call sends a request to the gateway.
func (w *World) Call(method, path, body string) (status int, answer []byte) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.GatewayURL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	w.Authorize(r)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	defer func() { _ = response.Body.Close() }()
	var text bytes.Buffer
	if _, err := text.ReadFrom(response.Body); err != nil {
		w.t.Fatalf("%v", err)
	}
	return response.StatusCode, text.Bytes()
}

// Page is the address of the page with a query.
func (w *World) Page(query string) string {
	if query != "" {
		query = "&" + query
	}
	return w.PageURL() + query
}

// Folder is where a backup lies in the bucket, with a slash at its end.
func Folder(name string) string { return local.WorkspaceID + "/" + name + "/" }

// Object is an object of the backups' bucket.
func (w *World) Object(key string) []byte {
	w.t.Helper()
	data, ok := w.Store.GetObject(local.Bucket, key)
	if !ok {
		w.t.Fatalf("there is no object %s", key)
	}
	return data
}

// Timed makes a backup, which took what it took, look as if it had been started at a time and had taken so long, so that pictures are the same every time.
func (w *World) Timed(name string, started time.Time, took time.Duration) {
	w.t.Helper()
	old := w.Object(Folder(name) + "manifest.json")
	now := lastModified.ReplaceAll(timed(old, started, took), []byte(`"lastModified":"`+started.UTC().Format(time.RFC3339)+`"`))
	now = requestID.ReplaceAll(now, []byte("request id 00000000000000000000000000000000"))
	w.put(Folder(name)+"manifest.json", now)
	if document, whole := w.Store.GetObject(local.Bucket, Folder(name)+"backup.json"); whole { // it names the manifest that it commits to
		w.put(Folder(name)+"backup.json", bytes.ReplaceAll(document, []byte(hash(old)), []byte(hash(now))))
	}
}

// TimedReport does the same for a restore's report.
func (w *World) TimedReport(id string, started time.Time, took time.Duration) {
	w.t.Helper()
	keys, err := w.Store.Keys(local.Bucket, "")
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	for _, key := range keys {
		if strings.HasSuffix(key, "/restores/"+id+"/report.json") || key == "restores/"+id+"/report.json" {
			w.put(key, timed(w.Object(key), started, took))
			return
		}
	}
	w.t.Fatalf("there is no report of %s among %q", id, keys)
}

func (w *World) put(key string, data []byte) {
	w.t.Helper()
	if err := w.Store.PutObject(local.Bucket, key, data); err != nil {
		w.t.Fatalf("%v", err)
	}
}

// What depends on the moment, in manifests and reports.
var (
	startedAt    = regexp.MustCompile(`"startedAt": ?"[^"]*"`)
	finishedAt   = regexp.MustCompile(`"finishedAt": ?"[^"]*"`)
	lastModified = regexp.MustCompile(`"lastModified": ?"[^"]*"`) // of files in the bucket; that of assets is the cloud's clock
	requestID    = regexp.MustCompile(`request id [0-9a-f]{32}`)
)

func timed(text []byte, started time.Time, took time.Duration) []byte {
	text = startedAt.ReplaceAll(text, []byte(`"startedAt": "`+started.UTC().Format(time.RFC3339)+`"`))
	return finishedAt.ReplaceAll(text, []byte(`"finishedAt": "`+started.Add(took).UTC().Format(time.RFC3339)+`"`))
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Gate holds DataArts back at an operation.
type Gate struct {
	Open func() // lets everything through from then on

	t       T
	op      dataarts.Operation
	reached <-chan struct{}
}

// Reached waits until it was asked for.
func (g Gate) Reached() {
	g.t.Helper()
	select {
	case <-g.reached:
	case <-time.After(time.Minute):
		g.t.Fatalf("nobody asked for %v", g.op)
	}
}

// Hold makes DataArts wait with its answers to an operation until the gate is opened.
func (w *World) Hold(op dataarts.Operation) Gate {
	reached, opened := make(chan struct{}), make(chan struct{})
	reach := sync.OnceFunc(func() { close(reached) })
	open := sync.OnceFunc(func() { close(opened) })
	w.t.Cleanup(open)
	w.DataArts.Intercept(func(r *http.Request, asked dataarts.Operation) *dataarts.Fault {
		if asked == op {
			reach()
			select {
			case <-opened:
			case <-r.Context().Done():
			}
		}
		return nil
	})
	return Gate{Open: open, t: w.t, op: op, reached: reached}
}
