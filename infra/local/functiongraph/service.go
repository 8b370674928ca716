// Package functiongraph is the FunctionGraph of the local cloud: it runs the real bootstrap of a function the way FunctionGraph's
// custom runtime does, and delivers events of triggers to it.
//
// It guarantees the documented behaviour that a function can depend on: one event at a time in each instance, temporary keys that
// belong to the invocation, the limits of payloads, environment and time, retries of asynchronous invocations. It is strict where
// the service is lenient or silent: keys stop working when their invocation ends, and every wrong use of the runtime API is
// written down (Deployment.Violations).
package functiongraph

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/instance"
)

// KeyHeaders is under which names an invocation's temporary keys reach the function. The documents disagree.
type KeyHeaders int

// The names of the key headers.
const (
	// DocumentedKeys are X-CFF-Access-Key, X-CFF-Secret-Key and X-CFF-Security-Token, which the developer guide lists for the
	// custom runtime.
	DocumentedKeys KeyHeaders = iota
	// SecurityKeys are X-CFF-Security-Access-Key, X-CFF-Security-Secret-Key and X-CFF-Security-Token, which the native Go runtime
	// reads since the others are "no longer maintained"; those come along, empty.
	SecurityKeys
)

// Options are what a Service takes from outside. Useful zero values, except where it says otherwise.
type Options struct {
	// Keyring is where the temporary keys of the functions' agency are valid while their invocation runs. Without one the
	// functions have no agency, and no keys reach them.
	Keyring         *iam.Keyring
	KeyHeaders      KeyHeaders
	Logs            io.Writer              // what the functions print, each line after "[name] "; nil discards it
	ProjectID       string                 // RUNTIME_PROJECT_ID
	AsyncRetryDelay time.Duration          // between two tries of an asynchronous invocation; 1 s. The service's is not documented.
	NewRequestID    func() string          // random UUIDs
	NewKeys         func() iam.Credentials // random temporary keys
}

// Service is one project's FunctionGraph. It is safe for concurrent use.
type Service struct {
	opts Options

	mu        sync.Mutex
	closed    bool
	functions map[string]*Deployment
}

// New makes a service without functions.
func New(opts Options) *Service {
	if opts.Logs == nil {
		opts.Logs = io.Discard
	}
	opts.Logs = &syncWriter{out: opts.Logs}
	if opts.AsyncRetryDelay == 0 {
		opts.AsyncRetryDelay = time.Second
	}
	if opts.NewRequestID == nil {
		opts.NewRequestID = newRequestID
	}
	if opts.NewKeys == nil {
		opts.NewKeys = newKeys
	}
	return &Service{opts: opts, functions: map[string]*Deployment{}}
}

// Deploy makes a function ready for invocations, and removes an older one of the same name. Instances are started by the
// invocations that need them (cold start), never before, and ended by Service.Close, Deployment.Close, the end of ctx, or
// an invocation that takes too long. A process that ended is replaced at the next invocation.
//
// As in the service, a bootstrap that is missing or not executable is no error here: every invocation fails.
// Errors: a definition outside the documented limits (all of them at once).
func (s *Service) Deploy(ctx context.Context, f Function) (*Deployment, error) {
	f, err := f.complete()
	if err != nil {
		return nil, fmt.Errorf("deploy function %q: %w", f.Name, err)
	}
	environment, err := f.environment(s.opts.ProjectID)
	if err != nil {
		return nil, fmt.Errorf("deploy function %q: %w", f.Name, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	d := &Deployment{
		service:  s,
		function: f,
		cancel:   cancel,
		ctx:      ctx,
		async:    map[string]*AsyncInvocation{},
	}
	d.pool = instance.NewPool(instance.Options{
		Name:            f.Name,
		Bootstrap:       f.Bootstrap,
		Env:             environment,
		AddressVariable: "RUNTIME_API_ADDR",
		API:             d.api,
		Max:             f.MaxInstances,
		Logs:            s.opts.Logs,
	})
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		cancel()
		return nil, fmt.Errorf("deploy function %q: %w", f.Name, ErrRemoved)
	}
	older := s.functions[f.Name]
	s.functions[f.Name] = d
	s.mu.Unlock()
	if older != nil {
		older.Close()
	}
	context.AfterFunc(ctx, d.Close)
	return d, nil
}

// Close ends all functions and returns when their processes have ended. Invocations under way get a moment to finish.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	functions := s.functions
	s.functions = map[string]*Deployment{}
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, d := range functions {
		wg.Go(d.Close)
	}
	wg.Wait()
}

// syncWriter keeps the writes of several functions apart.
type syncWriter struct {
	mu  sync.Mutex
	out io.Writer
}

func (w *syncWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(p)
}

func newRequestID() string {
	b := randomHex(16)
	return strings.Join([]string{b[:8], b[8:12], "4" + b[13:16], "8" + b[17:20], b[20:]}, "-")
}

func newKeys() iam.Credentials {
	return iam.Credentials{
		AccessKey:     strings.ToUpper(randomHex(10)),
		SecretKey:     randomHex(20),
		SecurityToken: randomHex(64),
	}
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // It never fails: see crypto/rand.
	return hex.EncodeToString(b)
}

// codeRoot is where the function finds its code.
func codeRoot(bootstrap string) string {
	path, err := filepath.Abs(filepath.Dir(bootstrap))
	if err != nil {
		return filepath.Dir(bootstrap)
	}
	return path
}
