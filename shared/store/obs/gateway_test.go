package obs_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
)

// gateway is a versitygw of its own: an S3 server that checks Signature Version 4 and keeps objects as files.
type gateway struct {
	socket  string
	buckets atomic.Int64
}

// startGateway starts versitygw on a Unix socket, so that no port is taken and nothing is on the network, and ends it with the test.
// The first time on a machine it is built, which takes a minute or two; the Go build cache keeps it.
func startGateway(t *testing.T) *gateway {
	t.Helper()
	tools, err := filepath.Abs("../../../tools/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "tool", "-modfile="+tools, "-n", "versitygw")
	var problems bytes.Buffer
	build.Stderr = &problems
	// Flags that are set for these tests, such as -race, would build another server than the one in the cache, and a slow one.
	build.Env = append(os.Environ(), "GOFLAGS=")
	path, err := build.Output()
	if err != nil {
		t.Fatalf("build versitygw: %v\n%s", err, problems.String())
	}
	// A socket's path has at most 107 bytes, and t.TempDir may be longer.
	dir, err := os.MkdirTemp("/tmp", "gw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	g := &gateway{socket: filepath.Join(dir, "s3.sock")}
	// Started directly and not through "go tool": killing that would leave the server behind. The shell waits for the end of its
	// standard input, which comes even when the tests crash.
	const untilInputEnds = `exec 3<&0; "$@" 3<&- & server=$!; { cat <&3 >/dev/null; kill -9 $server; } & wait $server`
	server := exec.Command("sh", "-c", untilInputEnds, "sh", //nolint:gosec // what was just built, ended below
		strings.TrimSpace(string(path)), "--port", g.socket, "--quiet", "--keep-alive", "posix", data)
	server.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+testKeys.AccessKey, "ROOT_SECRET_KEY="+testKeys.SecretKey)
	server.WaitDelay = time.Second
	var output bytes.Buffer
	server.Stdout, server.Stderr = &output, &output
	input, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = server.Wait() // it is killed, which is an error
		close(exited)
	}()
	t.Cleanup(func() {
		_ = input.Close()
		<-exited
	})
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", g.socket)
		if err == nil {
			_ = conn.Close()
			return g
		}
		select {
		case <-exited:
			t.Fatalf("versitygw ended: %s", output.String())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("versitygw did not listen: %v\n%s", err, output.String())
		}
	}
}

// transport reaches the gateway, whatever the host.
func (g *gateway) transport() *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", g.socket)
		},
		DisableCompression: true, MaxIdleConnsPerHost: 64,
	}
}

// backend is the gateway behind a server that has already checked who is asking.
func (g *gateway) backend() http.Handler {
	return &objectstore.Upstream{URL: &url.URL{Scheme: "http", Host: "127.0.0.1:9000"}, Transport: g.transport(), Credentials: testKeys, Region: "us-east-1"}
}

// freshBuckets makes two buckets that nobody else uses.
func (g *gateway) freshBuckets(t *testing.T) (first, second string) {
	t.Helper()
	n := g.buckets.Add(1)
	first, second = fmt.Sprintf("bucket-%d-a", n), fmt.Sprintf("bucket-%d-b", n)
	admin := objectstore.New(objectstore.Options{Keyring: keyring(), Backend: g.backend()})
	for _, bucket := range []string{first, second} {
		if err := admin.CreateBucket(bucket); err != nil {
			t.Fatal(err)
		}
	}
	return first, second
}
