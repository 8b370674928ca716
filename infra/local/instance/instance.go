// Package instance runs a function's bootstrap as FunctionGraph's custom runtime and Lambda's provided runtimes both do: as a
// process that polls an HTTP API for events and posts the answers.
//
// It knows what the two have in common: an instance handles one invocation at a time and is used again, a new one is started when
// all are busy, a process that dies or takes too long fails its invocation and is replaced. Paths, headers and words of the API
// are those of the cloud that uses it.
package instance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// What a bootstrap can do wrong with the API.
var (
	// ErrUnknownRequest: an answer for a request id that this instance was never given.
	ErrUnknownRequest = errors.New("this instance has no such request")
	// ErrAnswered: a second answer for one request.
	ErrAnswered = errors.New("the request has been answered already")
	// ErrUnanswered: a poll for the next event while one has not been answered.
	ErrUnanswered = errors.New("the request before has not been answered")
	// ErrStopped: the instance is being stopped.
	ErrStopped = errors.New("the instance has been stopped")
)

// Call is one event on its way to an instance.
type Call struct {
	RequestID string
	Payload   []byte
	Header    http.Header   // what the API's answer to the poll carries; Started may still add to it
	Timeout   time.Duration // after which the instance is killed
	// Started, if not nil, is called when an instance takes the event, just before it gets it. The deadline is when it will be killed.
	Started func(h http.Header, deadline time.Time)
}

// Outcome is how a call ended.
type Outcome struct {
	Answer   []byte // what the function posted; nil if it posted nothing
	Failed   bool   // the answer was posted as an error
	End      End
	Exit     string        // for Exited and EndedEarly how the process ended, for NotStarted the reason
	Cold     bool          // an instance was started for this call
	Duration time.Duration // from taking the event to the end
}

// End tells how a call came to its end.
type End int

// The ends of a call.
const (
	Answered   End = iota // the function posted an answer
	Exited                // the process ended before it had answered
	TimedOut              // the process was killed because it took too long
	NotStarted            // the process could not be started
	EndedEarly            // the process ended before it asked for an event, or was killed because it never did
	Stopped               // the pool was closed
)

// Instance is one process and its API.
type Instance struct {
	process *process
	server  *http.Server
	calls   chan *active
	stopped chan struct{}
	stop    sync.Once

	mu       sync.Mutex
	current  *active
	answered map[string]bool // request ids; they are few, for an instance does not live long
}

// active is a call that an instance may take.
type active struct {
	Call
	taken  chan time.Time // gets the moment when an instance took it
	answer chan Outcome   // gets the answer
}

// Next waits for the next event, for the handler of the API's poll. Errors: ErrUnanswered, ErrStopped, the context's.
func (i *Instance) Next(ctx context.Context) (Call, error) {
	i.mu.Lock()
	busy := i.current != nil
	i.mu.Unlock()
	if busy {
		return Call{}, ErrUnanswered
	}
	select {
	case <-i.stopped:
		return Call{}, ErrStopped
	case <-ctx.Done():
		return Call{}, fmt.Errorf("wait for an event: %w", ctx.Err())
	case a := <-i.calls:
		i.mu.Lock()
		i.current = a
		delete(i.answered, a.RequestID) // The same request comes again when an asynchronous invocation is tried again.
		i.mu.Unlock()
		now := time.Now()
		if a.Header == nil {
			a.Header = http.Header{}
		}
		if a.Started != nil {
			a.Started(a.Header, now.Add(a.Timeout))
		}
		a.taken <- now
		return a.Call, nil
	}
}

// Answer takes what the function posted for a request. Errors: ErrUnknownRequest, ErrAnswered.
func (i *Instance) Answer(requestID string, body []byte, failed bool) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.answered[requestID] {
		return ErrAnswered
	}
	if i.current == nil || i.current.RequestID != requestID {
		return ErrUnknownRequest
	}
	i.answered[requestID] = true
	i.current.answer <- Outcome{Answer: body, Failed: failed, End: Answered}
	i.current = nil
	return nil
}

// launch starts the API on a port of its own and then the process that polls it.
func launch(opts Options, logs *lineWriter) (*Instance, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the runtime API: %w", err)
	}
	i := &Instance{calls: make(chan *active), stopped: make(chan struct{}), answered: map[string]bool{}}
	i.server = &http.Server{Handler: opts.API(i), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = i.server.Serve(listener) }() // It ends when the instance is stopped.
	i.process, err = start(opts.Bootstrap, append([]string{opts.AddressVariable + "=" + listener.Addr().String()}, opts.Env...), logs)
	if err != nil {
		_ = i.server.Close()
		return nil, err
	}
	return i, nil
}

// run gives a call to the instance and waits for its end. ok is false when the process ended before it took the call, which
// may then be given to another.
func (i *Instance) run(c Call) (outcome Outcome, ok bool) {
	a := &active{Call: c, taken: make(chan time.Time, 1), answer: make(chan Outcome, 1)}
	startup := time.NewTimer(startTimeout)
	defer startup.Stop()
	select {
	case i.calls <- a:
	case <-i.process.done:
		return Outcome{End: EndedEarly, Exit: i.process.exit}, false
	case <-i.stopped:
		return Outcome{End: Stopped}, true
	case <-startup.C:
		i.process.kill()
		return Outcome{End: EndedEarly, Exit: fmt.Sprintf("killed: it did not ask for an event within %v", startTimeout)}, false
	}
	began := <-a.taken
	timer := time.NewTimer(time.Until(began.Add(c.Timeout)))
	defer timer.Stop()
	select {
	case outcome = <-a.answer:
	case <-i.process.done:
		// The answer may have come just before the end.
		select {
		case outcome = <-a.answer:
		default:
			outcome = Outcome{End: Exited, Exit: i.process.exit}
		}
	case <-timer.C:
		i.process.kill()
		outcome = Outcome{End: TimedOut}
	}
	outcome.Duration = time.Since(began)
	return outcome, true
}

// alive tells whether the process has not ended.
func (i *Instance) alive() bool {
	select {
	case <-i.process.done:
		return false
	case <-i.stopped:
		return false
	default:
		return true
	}
}

// close stops the process, gently first, and the API.
func (i *Instance) close(grace time.Duration) {
	i.stop.Do(func() {
		close(i.stopped)
		i.process.stop(grace)
		_ = i.server.Close()
	})
}
