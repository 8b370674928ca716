package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/instance"
)

// The limits of an invocation, in bytes ("Lambda quotas": 6 MB each for a synchronous one, 1 MB for an event).
const (
	maxRequest  = 6 << 20
	maxResponse = 6 << 20
	maxEvent    = 1 << 20
)

// Errors of an invocation that the service refuses. What goes wrong in the function is a FunctionError.
var (
	ErrRequestTooLarge = errors.New("the event is larger than the service takes") // RequestTooLargeException
	ErrNotJSON         = errors.New("the event is not JSON")                      // InvalidRequestContentException
	ErrThrottled       = errors.New("as many instances as may be are busy")       // TooManyRequestsException
	ErrRemoved         = errors.New("the function has been removed")              // ResourceNotFoundException
)

// Types of a FunctionError that Lambda gives by itself.
const (
	TypeTimeout    = "Sandbox.Timedout"
	TypeExited     = "Runtime.ExitError"
	TypeNotStarted = "Runtime.InvalidEntrypoint"
)

// FunctionError is what went wrong in a function: what it posted as an error, or what Lambda says of it.
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
	arn      string
	keys     iam.Credentials
	ctx      context.Context // ends when the function is removed
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu         sync.Mutex
	initError  *FunctionError
	violations []string
	events     []Result      // asynchronous invocations that have ended
	eventEnded chan struct{} // closed when the next one ends; nil while nobody waits
}

// ARN is the function's name for all of AWS.
func (d *Deployment) ARN() string { return d.arn }

// Name is the function's name.
func (d *Deployment) Name() string { return d.function.Name }

// Instances is how many processes of the function run.
func (d *Deployment) Instances() int { return d.pool.Instances() }

// Violations are the wrong uses of the runtime API by the function's processes, in words. A function that works has none.
func (d *Deployment) Violations() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.violations)
}

// Close removes the function and its role's keys: running instances get SIGTERM, a moment later SIGKILL. It returns when they
// have ended.
func (d *Deployment) Close() {
	d.mu.Lock()
	d.cancel() // Under the lock, so that Invoke counts nothing in after this.
	d.mu.Unlock()
	d.pool.Close()
	d.running.Wait()
	if d.service.opts.Keyring != nil {
		d.service.opts.Keyring.Remove(d.keys.AccessKey)
	}
}

// Invoke is a synchronous invocation (RequestResponse). When ctx ends Invoke returns its error, but the invocation goes on.
// Errors: ErrRequestTooLarge, ErrNotJSON, ErrThrottled, ErrRemoved, those of ctx; what goes wrong in the function is in the Result.
func (d *Deployment) Invoke(ctx context.Context, payload []byte) (Result, error) {
	requestID := d.service.opts.NewRequestID()
	done := make(chan end, 1)
	if err := d.start(requestID, payload, maxRequest, func(e end) { done <- e }); err != nil {
		return Result{RequestID: requestID}, err
	}
	select {
	case <-ctx.Done():
		return Result{RequestID: requestID}, d.failed(requestID, ctx.Err())
	case e := <-done:
		return e.result, e.err
	}
}

// InvokeEvent is an asynchronous invocation (Event): it returns when the event is accepted. Unlike Lambda, which tries a failed event twice more after
// some minutes, it runs each event once; Event tells how that ended. Errors: ErrRequestTooLarge, ErrNotJSON, ErrRemoved.
func (d *Deployment) InvokeEvent(payload []byte) (requestID string, err error) {
	requestID = d.service.opts.NewRequestID()
	return requestID, d.enqueue(requestID, payload)
}

func (d *Deployment) enqueue(requestID string, payload []byte) error {
	return d.start(requestID, payload, maxEvent, func(e end) {
		if e.err != nil {
			e.result.FunctionError = &FunctionError{Type: "EventDropped", Message: e.err.Error()}
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.events = append(d.events, e.result)
		if d.eventEnded != nil {
			close(d.eventEnded)
			d.eventEnded = nil
		}
	})
}

// Event waits until the asynchronous invocation with this request id has ended. Errors: those of ctx.
func (d *Deployment) Event(ctx context.Context, requestID string) (Result, error) {
	for {
		d.mu.Lock()
		for _, r := range d.events {
			if r.RequestID == requestID {
				d.mu.Unlock()
				return r, nil
			}
		}
		if d.eventEnded == nil {
			d.eventEnded = make(chan struct{})
		}
		ended := d.eventEnded
		d.mu.Unlock()
		select {
		case <-ctx.Done():
			return Result{RequestID: requestID}, d.failed(requestID, ctx.Err())
		case <-ended:
		}
	}
}

// end is how an invocation ended.
type end struct {
	result Result
	err    error
}

func (d *Deployment) failed(requestID string, err error) error {
	return fmt.Errorf("invoke function %q, request %s: %w", d.function.Name, requestID, err)
}

// start begins an invocation; ended is called with its end, unless start returns an error.
func (d *Deployment) start(requestID string, payload []byte, most int, ended func(end)) error {
	if len(payload) > most {
		return d.failed(requestID, ErrRequestTooLarge)
	}
	if !json.Valid(payload) {
		return d.failed(requestID, ErrNotJSON)
	}
	d.mu.Lock()
	if d.ctx.Err() != nil {
		d.mu.Unlock()
		return d.failed(requestID, ErrRemoved)
	}
	d.running.Add(1)
	d.mu.Unlock()
	go func() {
		defer d.running.Done()
		outcome, err := d.pool.Invoke(instance.Call{
			RequestID: requestID,
			Payload:   payload,
			Timeout:   d.function.Timeout,
			Started: func(h http.Header, deadline time.Time) {
				h.Set("Lambda-Runtime-Aws-Request-Id", requestID)
				h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(deadline.UnixMilli(), 10))
				h.Set("Lambda-Runtime-Invoked-Function-Arn", d.arn)
				h.Set("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0")
				h.Set("Content-Type", "application/json")
			},
		})
		switch {
		case errors.Is(err, instance.ErrBusy):
			err = ErrThrottled
		case errors.Is(err, instance.ErrClosed), outcome.End == instance.Stopped:
			err = ErrRemoved
		}
		if err != nil {
			ended(end{Result{RequestID: requestID}, d.failed(requestID, err)})
			return
		}
		ended(end{result: d.result(requestID, outcome)})
	}()
	return nil
}

// result is an outcome in Lambda's words.
func (d *Deployment) result(requestID string, outcome instance.Outcome) Result {
	r := Result{RequestID: requestID, Payload: outcome.Answer, Duration: outcome.Duration, ColdStart: outcome.Cold}
	say := func(errorType, format string, args ...any) {
		message := "RequestId: " + requestID + " Error: " + fmt.Sprintf(format, args...)
		r.FunctionError = &FunctionError{errorType, message}
		r.Payload = errorBody(*r.FunctionError)
	}
	switch outcome.End {
	case instance.TimedOut:
		say(TypeTimeout, "Task timed out after %.2f seconds", d.function.Timeout.Seconds())
	case instance.Exited:
		say(TypeExited, "Runtime exited: %s", outcome.Exit)
	case instance.NotStarted:
		say(TypeNotStarted, "%s", outcome.Exit)
	case instance.EndedEarly:
		d.mu.Lock()
		posted := d.initError
		d.initError = nil
		d.mu.Unlock()
		if posted != nil {
			r.FunctionError, r.Payload = posted, errorBody(*posted)
			break
		}
		say(TypeExited, "Runtime exited: %s", outcome.Exit)
	default:
		if outcome.Failed {
			e := postedError(outcome.Answer)
			r.FunctionError = &e
		}
	}
	return r
}

// postedError reads an error as a function posts it.
func postedError(body []byte) FunctionError {
	var posted struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}
	if err := json.Unmarshal(body, &posted); err != nil {
		return FunctionError{Message: string(body)}
	}
	return FunctionError{Type: posted.Type, Message: posted.Message}
}

// api is the runtime API of one instance. Wrong use is answered as by the Runtime Interface Emulator and is a violation.
func (d *Deployment) api(i *instance.Instance) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		call, err := i.Next(r.Context())
		switch {
		case errors.Is(err, instance.ErrUnanswered):
			d.violation(w, http.StatusForbidden, "InvalidStateTransition", "the next event was asked for: "+err.Error())
			return
		case err != nil:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		maps.Copy(w.Header(), call.Header)
		_, _ = w.Write(call.Payload) // If it does not arrive, the invocation takes too long.
	})
	answer := func(failed bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxResponse))
			tooLarge := false
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				tooLarge = true
				body = errorBody(FunctionError{"Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes)."})
			} else if err != nil {
				d.violation(w, http.StatusBadRequest, "TruncatedHTTPRequest", err.Error())
				return
			}
			switch err := i.Answer(r.PathValue("id"), body, failed || tooLarge); {
			case errors.Is(err, instance.ErrAnswered):
				d.violation(w, http.StatusForbidden, "InvalidStateTransition", err.Error())
			case err != nil:
				d.violation(w, http.StatusBadRequest, "InvalidRequestID", err.Error())
			case tooLarge:
				d.violation(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the answer is too large")
			default:
				accept(w)
			}
		}
	}
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", answer(false))
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", answer(true))
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxResponse))
		if err != nil {
			d.violation(w, http.StatusBadRequest, "TruncatedHTTPRequest", err.Error())
			return
		}
		e := postedError(body)
		d.mu.Lock()
		d.initError = &e // For the invocation that is waiting for this start, whose process ends now.
		d.mu.Unlock()
		accept(w)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		d.violation(w, http.StatusNotFound, "NotFound", r.Method+" "+r.URL.Path+" is not part of the runtime API")
	})
	return mux
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

// violation writes down what the function did wrong with the API and answers it.
func (d *Deployment) violation(w http.ResponseWriter, status int, errorType, message string) {
	d.mu.Lock()
	d.violations = append(d.violations, errorType+": "+message)
	d.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(errorBody(FunctionError{errorType, message}))
}
