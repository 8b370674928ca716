package instance_test

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/instance"
)

// pool makes a pool whose bootstrap is a shell script. Its API answers nothing, so that a script cannot take an event.
func pool(t *testing.T, dir, script string, logs *bytes.Buffer) *instance.Pool {
	t.Helper()
	path := filepath.Join(dir, "bootstrap")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	p := instance.NewPool(instance.Options{
		Name: "f", Bootstrap: path, AddressVariable: "API", Max: 1, Logs: logs, Env: []string{"DIR=" + dir},
		API: func(*instance.Instance) http.Handler { return http.NotFoundHandler() },
	})
	t.Cleanup(p.Close)
	return p
}

func TestPool_WritesWholeLines(t *testing.T) {
	t.Parallel()
	var logs bytes.Buffer
	p := pool(t, t.TempDir(), "printf 'a\\nb'; printf c >&2; sleep 0.1; printf 'd\\n\\n'; printf 'the end'", &logs)
	if o, err := p.Invoke(instance.Call{RequestID: "r", Timeout: time.Minute}); err != nil || o.End != instance.EndedEarly || o.Exit != "exit status 0" {
		t.Errorf("outcome %+v, %v", o, err)
	}
	p.Close()
	if diff := cmp.Diff("[f] a\n[f] bcd\n[f] \n[f] the end\n", logs.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestPool_CutsALineThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	var logs bytes.Buffer
	p := pool(t, t.TempDir(), "head -c 100000 /dev/zero | tr '\\0' x", &logs)
	if _, err := p.Invoke(instance.Call{RequestID: "r", Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	p.Close()
	want := "[f] " + strings.Repeat("x", 1<<16) + "\n[f] " + strings.Repeat("x", 100000-1<<16) + "\n"
	if logs.String() != want {
		t.Errorf("%d bytes of log, want %d", logs.Len(), len(want))
	}
}

func TestPool_CloseEndsAProcessThatDoesNotListenAndItsChildren(t *testing.T) {
	t.Parallel()
	var logs bytes.Buffer
	dir := t.TempDir()
	p := pool(t, dir, "trap '' TERM\nsleep 600 &\necho $! >\"$DIR/child.new\"\nmv \"$DIR/child.new\" \"$DIR/child\"\nwait\nwait\n", &logs)
	done := make(chan instance.Outcome, 1)
	go func() {
		o, err := p.Invoke(instance.Call{RequestID: "r", Timeout: time.Minute})
		if err != nil {
			t.Error(err)
		}
		done <- o
	}()
	var child int
	for deadline := time.Now().Add(20 * time.Second); child == 0; time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(filepath.Join(dir, "child")); err == nil {
			child, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	p.Close()
	if o := <-done; o.End != instance.Stopped && o.End != instance.EndedEarly {
		t.Errorf("outcome %+v", o)
	}
	// The child ignores SIGTERM like its parent, so that it was killed.
	for deadline := time.Now().Add(5 * time.Second); !errors.Is(syscall.Kill(child, 0), syscall.ESRCH); time.Sleep(5 * time.Millisecond) {
		if state, err := os.ReadFile("/proc/" + strconv.Itoa(child) + "/stat"); err == nil && strings.Contains(string(state), ") Z ") {
			break // It has ended; nobody has asked for its exit code yet.
		}
		if time.Now().After(deadline) {
			t.Fatalf("child %d still runs", child)
		}
	}
	if _, err := p.Invoke(instance.Call{RequestID: "s"}); !errors.Is(err, instance.ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
}
