package world

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// gateway is a versitygw of its own: an S3 server that checks Signature Version 4 and keeps objects as files.
type gateway struct {
	url    string
	data   string // a directory for each bucket
	log    string
	stop   func()
	output *bytes.Buffer
}

// startGateway starts the program at path below dir. A port that was free and is taken in between is tried again with another.
func startGateway(ctx context.Context, path, dir string) (*gateway, error) {
	var problems []error
	for range 5 {
		g, err := tryGateway(ctx, path, dir)
		if err == nil {
			return g, nil
		}
		problems = append(problems, err)
	}
	return nil, fmt.Errorf("start versitygw: %w", errors.Join(problems...))
}

func tryGateway(ctx context.Context, path, dir string) (*gateway, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	g := &gateway{url: "http://" + address, data: filepath.Join(dir, "data"), log: filepath.Join(dir, "access.log"), output: &bytes.Buffer{}}
	if err := os.MkdirAll(g.data, 0o700); err != nil {
		return nil, err
	}
	// The shell waits for the end of its standard input, which comes even when the benchmark crashes.
	const untilInputEnds = `exec 3<&0; "$@" 3<&- & server=$!; { cat <&3 >/dev/null; kill -9 $server; } & wait $server`
	server := exec.Command("sh", "-c", untilInputEnds, "sh", //nolint:gosec // what was just built, ended below
		path, "--port", address, "--quiet", "--keep-alive", "--access-log", g.log, "posix", g.data)
	server.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey)
	server.WaitDelay = time.Second
	server.Stdout, server.Stderr = g.output, g.output
	input, err := server.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, err
	}
	exited := make(chan struct{})
	go func() {
		_ = server.Wait() // it is killed, which is an error
		close(exited)
	}()
	g.stop = func() {
		_ = input.Close()
		<-exited
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
			return g, nil
		}
		select {
		case <-exited:
			return nil, fmt.Errorf("it ended: %s", g.output)
		case <-ctx.Done():
			g.stop()
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			g.stop()
			return nil, fmt.Errorf("it did not listen: %s", g.output)
		}
	}
}

// settled counts what the gateway's log tells from an offset on once nothing more comes: a request is logged after it has been answered.
func (g *gateway) settled(from int64) (map[string]int, error) {
	for last := int64(-1); ; {
		counts, next, err := g.requests(from)
		if err != nil || next == last {
			return counts, err
		}
		last = next
		time.Sleep(10 * time.Millisecond)
	}
}

// requests counts what the gateway's log tells from an offset on, by operation, and returns the offset of what comes next.
func (g *gateway) requests(from int64) (counts map[string]int, next int64, err error) {
	file, err := os.Open(g.log)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	if _, err := file.Seek(from, io.SeekStart); err != nil {
		return nil, 0, err
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, 0, err
	}
	counts = map[string]int{}
	for line := range strings.Lines(string(data)) {
		if _, rest, ok := strings.Cut(line, " s3_"); ok {
			operation, _, _ := strings.Cut(rest, " ")
			counts[operation]++
		}
	}
	return counts, from + int64(len(data)), nil
}
