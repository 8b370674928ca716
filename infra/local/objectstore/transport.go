package objectstore

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
)

// Transport is an HTTP transport whose every connection, whatever the host and the scheme, ends at this server, inside the process:
// bucket.obs.eu-de.otc.t-systems.com is reached without a network, and https without a certificate. HTTP itself is real. Close ends it.
func (s *Server) Transport() *http.Transport {
	s.pipe.once.Do(func() {
		s.pipe.conns, s.pipe.done = make(chan net.Conn), make(chan struct{})
		s.pipe.server = &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0)}
		go func() { _ = s.pipe.server.Serve(&s.pipe) }() // it ends with Close
	})
	return &http.Transport{
		DialContext:         s.pipe.dial,
		DialTLSContext:      s.pipe.dial,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 64,
	}
}

// Close ends the connections of Transport.
func (s *Server) Close() error {
	s.pipe.once.Do(func() {})
	if s.pipe.server == nil {
		return nil
	}
	return s.pipe.server.Close()
}

// pipe is a listener without a network.
type pipe struct {
	once   sync.Once
	end    sync.Once
	server *http.Server
	conns  chan net.Conn
	done   chan struct{}
}

func (p *pipe) dial(ctx context.Context, _, _ string) (net.Conn, error) {
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

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error {
	p.end.Do(func() { close(p.done) })
	return nil
}

func (p *pipe) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "in-process" }
