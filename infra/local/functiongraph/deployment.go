package functiongraph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/instance"
)

// The documented limits of an invocation, in bytes ("Notes and Constraints" of FunctionGraph's user guide).
const (
	maxRequest      = 6 << 20   // synchronous
	maxResponse     = 6291456   // the default of RUNTIME_MAX_RESP_BODY_SIZE
	maxAsyncRequest = 256 << 10 // asynchronous
	maxAsyncAnswer  = 256 << 10 // a larger answer of an asynchronous invocation becomes an empty one
)

// Errors of an invocation that the service refuses. What goes wrong in the function is a FunctionError.
var (
	ErrRequestTooLarge  = errors.New("the event is larger than the service takes")
	ErrTooManyInstances = errors.New("the function has as many instances as it may, and all are busy")
	ErrRemoved          = errors.New("the function has been removed")
)

// Types of a FunctionError that the service gives by itself. The words are this package's: the service's are not documented.
const (
	TypeTimeout    = "FunctionTimeout"    // the instance was killed because the invocation took too long
	TypeExited     = "FunctionExited"     // the process ended before it had answered
	TypeNotStarted = "FunctionNotStarted" // the bootstrap is missing, not executable, or ended before it asked for an event
)

// FunctionError is what went wrong in a function: what it posted as an error, or what the service says of it.
type FunctionError struct {
	Type    string // errorType
	Message string // errorMessage
}

// Result is a finished invocation.
type Result struct {
	RequestID     string
	Payload       []byte         // what the function answered; with a FunctionError the error's body
	FunctionError *FunctionError // nil when the function answered
	Duration      time.Duration
	ColdStart     bool
}

// Deployment is a function that takes invocations. It is safe for concurrent use.
type Deployment struct {
	service  *Service
	function Function
	pool     *instance.Pool
	ctx      context.Context // ends when the function is removed
	cancel   context.CancelFunc

	running sync.WaitGroup

	mu         sync.Mutex
	async      map[string]*AsyncInvocation
	pending    int
	waiting    []chan struct{}
	violations []string
	timers     []Timer
}

// Name is the function's name.
func (d *Deployment) Name() string { return d.function.Name }

// Instances is how many processes of the function run.
func (d *Deployment) Instances() int { return d.pool.Instances() }

// Violations are the wrong uses of the runtime API by the function's processes, in words: a second answer, an answer to an unknown
// request, an unknown path. A function that works has none.
func (d *Deployment) Violations() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.violations)
}

// Close removes the function: running instances get SIGTERM, a moment later SIGKILL. It returns when they have ended.
func (d *Deployment) Close() {
	d.mu.Lock()
	d.cancel() // Under the lock, so that begin counts nothing in after this.
	d.mu.Unlock()
	d.pool.Close()
	d.running.Wait()
}

// Invoke is a synchronous invocation. When ctx ends Invoke returns its error, but the invocation goes on, as it does when a client
// hangs up. Errors: ErrRequestTooLarge, ErrTooManyInstances, ErrRemoved, those of ctx; what goes wrong in the function is in the Result.
func (d *Deployment) Invoke(ctx context.Context, payload []byte) (Result, error) {
	if len(payload) > maxRequest {
		return Result{}, fmt.Errorf("invoke function %q: %w: %d bytes, at most %d", d.function.Name, ErrRequestTooLarge, len(payload), maxRequest)
	}
	requestID := d.service.opts.NewRequestID()
	type end struct {
		result Result
		err    error
	}
	done := make(chan end, 1)
	if !d.begin() {
		return Result{}, fmt.Errorf("invoke function %q: %w", d.function.Name, ErrRemoved)
	}
	go func() {
		defer d.running.Done()
		result, err := d.run(requestID, payload, "sync")
		done <- end{result, err}
	}()
	select {
	case e := <-done:
		return e.result, e.err
	case <-ctx.Done():
		return Result{RequestID: requestID}, fmt.Errorf("invoke function %q, request %s: %w", d.function.Name, requestID, ctx.Err())
	}
}

// begin counts an invocation in, unless the function has been removed.
func (d *Deployment) begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		return false
	}
	d.running.Add(1)
	return true
}

// run gives one event to an instance. The agency's keys are valid until it has answered.
func (d *Deployment) run(requestID string, payload []byte, invokeType string) (Result, error) {
	keys, header := d.keys()
	header.Set("X-Cff-Request-Id", requestID)
	header.Set("X-Cff-Invoke-Type", invokeType)
	header.Set("Content-Type", "application/json")
	if keyring := d.service.opts.Keyring; keyring != nil {
		keyring.Add(keys)
		defer keyring.Remove(keys.AccessKey)
	}
	outcome, err := d.pool.Invoke(instance.Call{
		RequestID: requestID,
		Payload:   payload,
		Header:    header,
		Timeout:   d.function.Timeout,
	})
	switch {
	case errors.Is(err, instance.ErrBusy):
		err = ErrTooManyInstances
	case errors.Is(err, instance.ErrClosed):
		err = ErrRemoved
	}
	if err != nil {
		return Result{RequestID: requestID}, fmt.Errorf("invoke function %q, request %s: %w", d.function.Name, requestID, err)
	}
	if outcome.End == instance.Stopped {
		return Result{RequestID: requestID}, fmt.Errorf("invoke function %q, request %s: %w", d.function.Name, requestID, ErrRemoved)
	}
	return d.result(requestID, outcome), nil
}

// result is an outcome in the service's words.
func (d *Deployment) result(requestID string, outcome instance.Outcome) Result {
	r := Result{RequestID: requestID, Payload: outcome.Answer, Duration: outcome.Duration, ColdStart: outcome.Cold}
	switch outcome.End {
	case instance.TimedOut:
		r.FunctionError = &FunctionError{TypeTimeout, fmt.Sprintf("the invocation took longer than the function's timeout of %v", d.function.Timeout)}
	case instance.Exited:
		r.FunctionError = &FunctionError{TypeExited, "the bootstrap ended before it had answered: " + outcome.Exit}
	case instance.NotStarted, instance.EndedEarly:
		r.FunctionError = &FunctionError{TypeNotStarted, "the bootstrap did not start: " + outcome.Exit}
	default:
		if !outcome.Failed {
			return r
		}
		r.FunctionError = postedError(outcome.Answer)
		return r
	}
	r.Payload = errorBody(r.FunctionError)
	return r
}

// postedError reads an error as a function posts it.
func postedError(body []byte) *FunctionError {
	var posted struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}
	if err := json.Unmarshal(body, &posted); err != nil || posted.Type == "" && posted.Message == "" {
		return &FunctionError{Message: string(body)}
	}
	return &FunctionError{Type: posted.Type, Message: posted.Message}
}

func errorBody(e *FunctionError) []byte {
	body, err := json.Marshal(map[string]string{"errorMessage": e.Message, "errorType": e.Type})
	if err != nil { // Strings always have a JSON form.
		panic(err)
	}
	return body
}

// violation writes down what the function did wrong with the API and answers it.
func (d *Deployment) violation(w http.ResponseWriter, status int, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	d.mu.Lock()
	d.violations = append(d.violations, text)
	d.mu.Unlock()
	http.Error(w, text, status)
}
