// Package process builds programs and measures them as whole processes: from exec to exit, with the memory and the processor time that the
// kernel counted for them.
package process

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Usage is what a process cost.
type Usage struct {
	Started time.Time     // when it was about to be executed
	Wall    time.Duration // from then until it had ended
	CPU     time.Duration // user and system
	RSS     int64         // largest resident set, in bytes
	Status  int           // exit status; -1 if a signal ended it
	Output  []byte        // standard output
	Errors  string        // the end of standard error
}

// Command says what to run.
type Command struct {
	Path  string
	Args  []string
	Env   []string // all of its environment but HOME, TMPDIR and PATH
	Input string   // standard input
}

// Tools are the programs that were built for one run of the benchmarks. Their directory is the caller's.
type Tools struct {
	dir  string
	root string // of the module
}

// Root returns the module's directory.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// NewTools builds what this package needs into dir.
func NewTools(ctx context.Context, root, dir string) (*Tools, error) {
	t := &Tools{dir: dir, root: root}
	_, err := t.Build(ctx, "./infra/bench/timed", "timed")
	return t, err
}

// Build builds a package as a release is built, for this machine, and returns the program's path.
func (t *Tools) Build(ctx context.Context, pkg, name string) (string, error) {
	path := filepath.Join(t.dir, name)
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", path, pkg) //nolint:gosec // packages of this module
	build.Dir = t.root
	// Flags of a test run that this is part of, such as -race, are not those of a release.
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

// GoTool returns the path of a tool of tools/go.mod, built.
func GoTool(ctx context.Context, root, name string) (string, error) {
	build := exec.CommandContext(ctx, "go", "tool", "-modfile="+filepath.Join(root, "tools", "go.mod"), "-n", name) //nolint:gosec // a tool of this module
	var problems bytes.Buffer
	build.Dir, build.Stderr = root, &problems
	build.Env = append(os.Environ(), "GOFLAGS=")
	out, err := build.Output()
	if err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, problems.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// Run runs a command to its end and measures it. A command that fails is no error: see Usage.Status. It runs in an empty directory.
func (t *Tools) Run(ctx context.Context, c Command) (Usage, error) {
	fail := func(err error) (Usage, error) { return Usage{}, fmt.Errorf("run %s: %w", filepath.Base(c.Path), err) }
	dir, err := os.MkdirTemp(t.dir, "run-*")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	report, reportEnd, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer report.Close()
	command := exec.CommandContext(ctx, filepath.Join(t.dir, "timed"), append([]string{c.Path}, c.Args...)...) //nolint:gosec // what was just built
	command.Dir = dir
	command.Env = append([]string{"HOME=" + dir, "TMPDIR=" + dir, "PATH=" + os.Getenv("PATH")}, c.Env...)
	command.Stdin = strings.NewReader(c.Input)
	command.ExtraFiles = []*os.File{reportEnd}
	var output, problems bytes.Buffer
	command.Stdout, command.Stderr = &output, &problems
	// A group of its own, so that all of it ends if the benchmark does.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = time.Second
	err = command.Start()
	_ = reportEnd.Close()
	if err != nil {
		return fail(err)
	}
	line, readErr := io.ReadAll(report)
	if err := errors.Join(command.Wait(), readErr); err != nil {
		return fail(fmt.Errorf("%w\n%s", err, tail(problems.String())))
	}
	var got struct{ StartedNs, WallNs, CPUNs, RSS, Status int64 }
	if err := json.Unmarshal(line, &got); err != nil {
		return fail(err)
	}
	return Usage{
		Started: time.Unix(0, got.StartedNs), Wall: time.Duration(got.WallNs), CPU: time.Duration(got.CPUNs), RSS: got.RSS, Status: int(got.Status),
		Output: output.Bytes(), Errors: tail(problems.String()),
	}, nil
}

// Until starts a command, waits until something happens, which a time on happened tells, kills it and returns how long that took from just before its
// exec. A nil happened waits for the command's end.
func (t *Tools) Until(ctx context.Context, c Command, happened <-chan time.Time) (time.Duration, error) {
	fail := func(err error) (time.Duration, error) {
		return 0, fmt.Errorf("start %s: %w", filepath.Base(c.Path), err)
	}
	dir, err := os.MkdirTemp(t.dir, "start-*")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	command := exec.Command(c.Path, c.Args...) //nolint:gosec // what was just built
	command.Dir, command.Env = dir, append([]string{"HOME=" + dir, "TMPDIR=" + dir, "PATH=" + os.Getenv("PATH")}, c.Env...)
	var problems bytes.Buffer
	command.Stderr = &problems
	start := time.Now()
	if err := command.Start(); err != nil {
		return fail(err)
	}
	ended := make(chan time.Duration, 1)
	go func() {
		_ = command.Wait() // how it ended is told by ProcessState
		ended <- time.Since(start)
	}()
	select {
	case at := <-happened:
		_ = command.Process.Kill()
		<-ended
		return at.Sub(start), nil
	case took := <-ended:
		if happened != nil || !command.ProcessState.Success() {
			return fail(fmt.Errorf("%s: %s", command.ProcessState, tail(problems.String())))
		}
		return took, nil
	case <-ctx.Done():
		_ = command.Process.Kill()
		<-ended
		return fail(ctx.Err())
	}
}

// tail is the end of what a program had to say.
func tail(text string) string {
	const most = 2000
	if len(text) > most {
		return "..." + text[len(text)-most:]
	}
	return text
}
