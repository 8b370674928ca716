package functiongraph_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	local "github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/shared/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/shared/schedule"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

const midnightCron = "CRON_TZ=Asia/Shanghai 0 0 0 * * *"

// bench is a function with timers, and what was asked of the API about them.
type bench struct {
	t        *testing.T
	function *local.Deployment
	backup   functiongraph.BackupFunction
	slept    time.Duration

	mu    sync.Mutex
	calls []string // method and body
	// before answers a request in the service's place; after may lose the answer to one that was served.
	before func(w http.ResponseWriter, r *http.Request, body string) bool
	after  func(r *http.Request, body string) bool
}

func newBench(t *testing.T, switches local.TriggerSwitches, timers ...local.Timer) *bench {
	t.Helper()
	b := &bench{t: t}
	ring := &iam.Keyring{}
	ring.Add(iam.Credentials{AccessKey: "ak", SecretKey: "sk", SecurityToken: "st"})
	s := local.New(local.Options{Keyring: ring, ProjectID: "0dd3", Logs: t.Output()})
	t.Cleanup(s.Close)
	var err error
	if b.function, err = s.Deploy(t.Context(), local.Function{Name: "backup", Bootstrap: bootstrap}); err != nil {
		t.Fatal(err)
	}
	for _, timer := range timers {
		if _, err := b.function.CreateTimer(timer); err != nil {
			t.Fatal(err)
		}
	}
	service := s.Management(local.ManagementOptions{Region: "eu-de", Keyring: ring, Triggers: switches})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		b.mu.Lock()
		defer b.mu.Unlock()
		if r.Method != http.MethodGet {
			b.calls = append(b.calls, r.Method+" "+string(body))
		}
		if b.before != nil && b.before(w, r, string(body)) {
			return
		}
		answer := httptest.NewRecorder()
		service.ServeHTTP(answer, r)
		if b.after != nil && b.after(r, string(body)) {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(server.Close)
	client, err := functiongraph.New(functiongraph.Options{Endpoint: server.URL, ProjectID: "0dd3", Transport: server.Client().Transport,
		Credentials: signing.Credentials{AccessKey: "ak", SecretKey: "sk", SecurityToken: "st"},
		Sleep:       func(_ context.Context, d time.Duration) error { b.slept += d; return nil }})
	if err != nil {
		t.Fatal(err)
	}
	b.backup = functiongraph.BackupFunction{Client: client, URN: "urn:fss:eu-de:0dd3:function:default:backup"}
	return b
}

func (b *bench) hook(before func(http.ResponseWriter, *http.Request, string) bool, after func(*http.Request, string) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before, b.after = before, after
}

func nightly(change func(*local.Timer)) local.Timer {
	t := local.Timer{Name: "nightly-backup", Active: true, ScheduleType: "Cron", Schedule: midnightCron, SyncExecution: true}
	if change != nil {
		change(&t)
	}
	return t
}

func (b *bench) set(change schedule.Change) (schedule.Schedule, error) {
	return schedule.Set(b.t.Context(), b.backup, change, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
}

func (b *bench) read() schedule.Schedule {
	b.t.Helper()
	s, err := schedule.Read(b.t.Context(), b.backup, "", time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// there describes the function's timers as the service has them.
func (b *bench) there() string {
	var all []string
	for _, t := range b.function.Timers() {
		status := "off"
		if t.Active {
			status = "on"
		}
		all = append(all, fmt.Sprintf("%s %s %s", t.Name, status, t.UserEvent))
		if t.Schedule != midnightCron || t.ScheduleType != "Cron" || !t.SyncExecution {
			b.t.Errorf("the timer %s has another schedule: %+v", t.Name, t)
		}
	}
	return strings.Join(all, ", ")
}

func (b *bench) wants(there string) {
	b.t.Helper()
	if got := b.there(); got != there {
		b.t.Errorf("the timers are %q, want %q", got, there)
	}
}

func to(enabled bool, folder string) schedule.Change {
	return schedule.Change{Enabled: &enabled, Folder: &folder}
}

func switched(enabled bool) schedule.Change { return schedule.Change{Enabled: &enabled} }
