package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
)

// functions are those whose bootstraps the tests build.
var functions = []string{"backup", "restore", "console"}

// dist is the folder with the bootstraps, built once from the sources as they are.
var dist string

func TestMain(m *testing.M) {
	flag.Parse()
	// Most of the time a test waits for processes that wait for each other, so there may be more of them than processors.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("8")
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "dist-*")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		for _, function := range functions {
			source := filepath.Join("..", "..", "functions", function)
			build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", filepath.Join(dir, function, "bootstrap"), "./"+source)
			build.Env = append(os.Environ(), "CGO_ENABLED=0")
			if output, err := build.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "build the %s function: %v\n%s", function, err, output)
				return 1
			}
		}
		dist = dir
		return m.Run()
	}())
}

// logs keeps what the functions print, to be shown when a test fails.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start starts a cloud for one test.
func start(t *testing.T, opts local.Options) *local.Cloud {
	t.Helper()
	var output logs
	opts.Dist, opts.Logs = dist, &output
	c, err := local.Start(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		for _, d := range []interface{ Violations() []string }{c.Backup, c.Restore, c.Console} {
			if v := d.Violations(); len(v) > 0 {
				t.Errorf("the runtime API was used wrongly: %v", v)
			}
		}
		if t.Failed() {
			text := output.String()
			t.Logf("the functions printed:\n%s", text[max(0, len(text)-8000):])
		}
	})
	return c
}

// filled starts a cloud whose workspace holds the small sample, files included.
func filled(t *testing.T, opts local.Options) (*local.Cloud, *dataarts.WorkspaceHandle) {
	t.Helper()
	c := start(t, opts)
	w := c.Workspace(local.WorkspaceID)
	if err := sample.Fill(w, sample.Options{Jobs: 8, Scripts: 6, Resources: 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UploadFiles(w); err != nil {
		t.Fatal(err)
	}
	return c, w
}

// midnight is the moment at which a night begins in China.
func midnight() time.Time {
	return time.Date(2026, 11, 22, 0, 0, 0, 0, time.FixedZone("", 8*3600))
}

// outcome is how a process ended that was started by hand.
type outcome struct {
	exit   int
	stdout []byte
	stderr string
}

// run sends one event to a bootstrap on standard input.
func run(t *testing.T, function, event string, env []string) outcome {
	t.Helper()
	return finish(t, begin(t, function, event, env))
}

// runWith is run for the backup function, with arguments on its command line.
func runWith(t *testing.T, args []string, event string, env []string) outcome {
	t.Helper()
	return finish(t, begin(t, "backup", event, env, args...))
}

// process is a bootstrap that runs.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

func begin(t *testing.T, function, event string, env []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.CommandContext(t.Context(), filepath.Join(dist, function, "bootstrap"), args...)}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = strings.NewReader(event), &p.stdout, &p.stderr, env
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func finish(t *testing.T, p *process) outcome {
	t.Helper()
	err := p.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	} else if ok && exit.ExitCode() < 0 && t.Context().Err() == nil {
		return outcome{exit: -1, stdout: p.stdout.Bytes(), stderr: p.stderr.String()}
	}
	return outcome{p.cmd.ProcessState.ExitCode(), p.stdout.Bytes(), p.stderr.String()}
}

// answer decodes the one JSON value on standard output.
func answer[T any](t *testing.T, o outcome) T {
	t.Helper()
	return parse[T](t, o.stdout)
}

func parse[T any](t *testing.T, text []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("not one JSON value: %v\n%s", err, text)
	}
	return v
}

// succeed fails the test unless the process exited with 0.
func (o outcome) succeed(t *testing.T) outcome {
	t.Helper()
	if o.exit != 0 {
		t.Fatalf("exit %d\nstdout: %s\nstderr: %s", o.exit, o.stdout, o.stderr)
	}
	return o
}

// refuse fails the test unless the process exited with 1.
func (o outcome) refuse(t *testing.T) outcome {
	t.Helper()
	if o.exit != 1 {
		t.Fatalf("exit %d, want 1\nstdout: %s\nstderr: %s", o.exit, o.stdout, o.stderr)
	}
	return o
}

// backups is the answer of the backup function.
type backups struct {
	Status  string         `json:"status"`
	Backups []backupResult `json:"backups"`
}

type backupResult struct {
	Workspace  string           `json:"workspace"`
	Path       string           `json:"path"`
	Status     string           `json:"status"`
	Counts     map[string]int   `json:"counts"`
	Drift      []map[string]any `json:"drift"`
	Missing    []missing        `json:"missing"`
	Removed    []string         `json:"removed"`
	Calls      int              `json:"calls"`
	DurationMS int64            `json:"durationMs"`
	Message    string           `json:"message"`
}

type missing struct {
	Kind, Name, Directory, Reason string
	Count                         int
}

// report is a restore's report.
type report struct {
	ID, Status, Backup, Workspace, DuplicateNamePolicy, PlanHash, Message string
	StartedAt, FinishedAt                                                 *time.Time
	Progress                                                              struct{ Done, Total int }
	Counts                                                                map[string]int
	Items                                                                 []item
}

type item struct {
	Kind, Name, Directory, Action, Outcome, Reason string
	Changes                                        []struct{ Field, From, To string }
}

// wants fails the test unless the report has this status and counts these outcomes, and no others.
func (r report) wants(t *testing.T, status string, counts map[string]int) {
	t.Helper()
	if r.Status != status {
		t.Errorf("the report is %s, want %s: %s", r.Status, status, r.Message)
	}
	got := map[string]int{}
	for _, i := range r.Items {
		got[cmpOr(i.Outcome, i.Action)]++
	}
	if fmt.Sprint(got) != fmt.Sprint(counts) {
		t.Errorf("outcomes %v, want %v", got, counts)
	}
	for _, i := range r.Items {
		if i.Outcome == "failed" || i.Outcome == "blocked" {
			t.Logf("%s %s is %s: %s", i.Kind, i.Name, i.Outcome, i.Reason)
		}
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// equal fails the test unless the workspace holds what the snapshot holds, apart from the differences that are wanted.
func equal(t *testing.T, before local.Snapshot, w *dataarts.WorkspaceHandle, wanted ...string) {
	t.Helper()
	differences, err := before.Differences(local.TakeSnapshot(w))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range differences {
		got = append(got, d.String())
	}
	if strings.Join(got, "\n") != strings.Join(wanted, "\n") {
		t.Errorf("the workspace differs from what was backed up in\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(wanted, "\n"))
	}
}

// object reads an object of the backup bucket.
func object(t *testing.T, c *local.Cloud, key string) []byte {
	t.Helper()
	data, ok := c.Store.GetObject(local.Bucket, key)
	if !ok {
		t.Fatalf("there is no object %s", key)
	}
	return data
}

func keys(t *testing.T, c *local.Cloud, prefix string) []string {
	t.Helper()
	found, err := c.Store.Keys(local.Bucket, prefix)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// call sends a request to the gateway.
func call(t *testing.T, c *local.Cloud, method, path, body string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.GatewayURL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	c.Authorize(r)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var text bytes.Buffer
	if _, err := text.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	return response, text.Bytes()
}

// writes counts the requests that would have changed the workspace.
func writes(c *local.Cloud) int {
	n := 0
	for _, call := range c.DataArts.Calls() {
		if call.Method != http.MethodGet {
			n++
		}
	}
	return n
}
