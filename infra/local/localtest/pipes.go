package localtest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
)

// piped serves a handler over pipes inside the process and returns the transport that reaches it, whatever the host. HTTP itself is real:
// connections are kept, broken and cut off in the middle. It ends with the test.
func piped(t *testing.T, handler http.Handler) *http.Transport {
	t.Helper()
	p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(p) // it ends with Close
	}()
	transport := &http.Transport{DialContext: p.dial, DisableCompression: true, MaxIdleConnsPerHost: 128}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		<-served
	})
	return transport
}

// The two hosts of DataArts Factory in a cloud that is reached through pipes.
const (
	v1Host = "dayu-dlf.invalid"
	v2Host = "dayu.invalid"
)

// byHost is a transport for each host.
type byHost map[string]http.RoundTripper

// RoundTrip sends a request by the transport of its host.
func (b byHost) RoundTrip(r *http.Request) (*http.Response, error) { return b[r.URL.Host].RoundTrip(r) }

// pipes is a listener without a network.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (*pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "inside the process" }
