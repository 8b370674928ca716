package instance

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// logsAfterExit is how long a process that has ended may have children that hold its output open.
const logsAfterExit = 2 * time.Second

// process is one running bootstrap, in a directory of its own that is removed with it.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and its output has been written
	exit string        // how it ended; valid once done is closed
}

// start runs the executable at path with env and nothing else in its environment, in an empty directory that is also its HOME and
// TMPDIR. Both outputs go to logs.
func start(path string, env []string, logs *lineWriter) (*process, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	dir, err := os.MkdirTemp("", "instance-*")
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	cmd := exec.Command(path)
	cmd.Dir = dir
	// The first of two equal names would win in some programs and the last in others, so that there must be none.
	cmd.Env = append([]string{"HOME=" + dir, "TMPDIR=" + dir, "PATH=/usr/local/bin:/usr/bin:/bin"}, env...)
	cmd.Stdout, cmd.Stderr = logs, logs
	cmd.WaitDelay = logsAfterExit
	// A group of its own: what a terminal's Ctrl-C says is for the local cloud, which then stops its functions itself.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", path, err), os.RemoveAll(dir))
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.exit = "exit status 0"
		if err := cmd.Wait(); err != nil {
			p.exit = err.Error()
		}
		logs.flush()
		_ = os.RemoveAll(dir)
	}()
	return p, nil
}

// kill ends the process and its children at once.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// signal sends a signal to the process and its children, unless it has ended: its id may be another's by then.
func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.done:
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, s)
	}
}

// stop asks the process to end and kills it when it has not after the grace period.
func (p *process) stop(grace time.Duration) {
	p.signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.kill()
	}
}

// maxLine is where a line of output that does not end is cut, in bytes.
const maxLine = 64 << 10

// lineWriter writes whole lines, each with a prefix, so that the output of several processes stays readable in one place.
type lineWriter struct {
	prefix string
	out    *sharedWriter
	mu     sync.Mutex
	line   []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range p {
		if b != '\n' {
			w.line = append(w.line, b)
		}
		if b == '\n' || len(w.line) >= maxLine {
			w.end()
		}
	}
	return len(p), nil
}

// flush writes what is left of a last line that did not end.
func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.line) > 0 {
		w.end()
	}
}

func (w *lineWriter) end() {
	w.out.writeLine(w.prefix, w.line)
	w.line = w.line[:0]
}

// sharedWriter lets several processes write lines into one writer.
type sharedWriter struct {
	mu  sync.Mutex
	out io.Writer
}

func (w *sharedWriter) writeLine(prefix string, line []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// A process does not fail because nobody can read what it prints.
	_, _ = fmt.Fprintf(w.out, "%s%s\n", prefix, line)
}
