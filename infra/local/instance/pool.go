package instance

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// startTimeout is how long a process may take from its start to its first poll. Neither cloud documents such a limit for its
	// HTTP protocol; a bootstrap is one static binary and needs milliseconds.
	startTimeout = 30 * time.Second
	// stopGrace is how long a process gets between SIGTERM and SIGKILL.
	stopGrace = 2 * time.Second
)

// ErrBusy says that every instance that there may be is handling an invocation.
var ErrBusy = errors.New("all instances are busy")

// ErrClosed says that the pool has been closed.
var ErrClosed = errors.New("the function has been removed")

// Options describe the instances of one function.
type Options struct {
	Name            string   // of the function; each line that its processes print starts with it
	Bootstrap       string   // path of the executable
	Env             []string // NAME=value; HOME, TMPDIR, PATH and the API's address are added
	AddressVariable string   // the variable that tells a process host and port of its API
	API             func(*Instance) http.Handler
	Max             int       // instances at the same time
	Logs            io.Writer // what the processes print; nil discards it
}

// Pool is the instances of one function. It is safe for concurrent use.
type Pool struct {
	opts Options
	logs *sharedWriter

	mu     sync.Mutex
	closed bool
	idle   []*Instance
	busy   map[*Instance]bool
	count  int // of instances, those being started included
}

// NewPool makes a pool without instances. They are started when calls come.
func NewPool(opts Options) *Pool {
	if opts.Logs == nil {
		opts.Logs = io.Discard
	}
	return &Pool{opts: opts, logs: &sharedWriter{out: opts.Logs}, busy: map[*Instance]bool{}}
}

// Invoke gives a call to an idle instance, or starts one for it, and returns when the call has ended. Errors: ErrBusy, ErrClosed.
func (p *Pool) Invoke(c Call) (Outcome, error) {
	for {
		i, err := p.take()
		if err != nil {
			return Outcome{}, err
		}
		cold := i == nil
		if cold {
			if i, err = p.start(); err != nil {
				if errors.Is(err, ErrClosed) {
					return Outcome{}, err
				}
				return Outcome{End: NotStarted, Exit: err.Error(), Cold: true}, nil
			}
		}
		outcome, taken := i.run(c)
		outcome.Cold = cold
		p.put(i)
		// An instance that died while it was idle never saw the event, so that another one gets it. One that dies at its
		// start would do it again.
		if !taken && !cold {
			continue
		}
		return outcome, nil
	}
}

// take reserves an idle instance. Without one it reserves the place for a new one and returns nil.
func (p *Pool) take() (*Instance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	for len(p.idle) > 0 {
		i := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if i.alive() {
			p.busy[i] = true
			return i, nil
		}
		p.count--
		go i.close(0)
	}
	if p.count >= p.opts.Max {
		return nil, ErrBusy
	}
	p.count++
	return nil, nil
}

// start fills the place that take reserved.
func (p *Pool) start() (*Instance, error) {
	i, err := launch(p.opts, &lineWriter{prefix: "[" + p.opts.Name + "] ", out: p.logs})
	p.mu.Lock()
	closed := p.closed
	switch {
	case err != nil:
		p.count--
	case !closed:
		p.busy[i] = true
	}
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if closed { // Close does not know of it.
		i.close(0)
		return nil, ErrClosed
	}
	return i, nil
}

// put gives an instance back, or forgets it if its process has ended.
func (p *Pool) put(i *Instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.busy, i)
	if i.alive() && !p.closed {
		p.idle = append(p.idle, i)
		return
	}
	p.count--
	go i.close(0)
}

// Instances is the number of instances whose process runs.
func (p *Pool) Instances() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.busy)
	for _, i := range p.idle {
		if i.alive() {
			n++
		}
	}
	return n
}

// Close stops all instances, also those that are handling an invocation, and returns when their processes have ended.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	all := slices.Clone(p.idle)
	for i := range p.busy {
		all = append(all, i)
	}
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, i := range all {
		wg.Go(func() { i.close(stopGrace) })
	}
	wg.Wait()
}
