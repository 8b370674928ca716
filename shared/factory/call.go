package factory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

// effect is what sending a call twice does, which decides when it may be repeated.
type effect int

const (
	read    effect = iota // changes nothing: repeated on everything that may pass
	replace               // PUT of a whole definition: twice is the same as once
	remove                // DELETE: a repeated one may find nothing left
	once                  // POST: repeated only when it is certain that nothing was applied
)

// call is one call of the API, which may take several attempts.
type call struct {
	operation string // for messages: "get job"
	asset     string // for messages, may be empty
	service   *service
	workspace string // value of the header, empty for calls outside of a workspace
	effect    effect
	method    string
	path      []string // segments below the base URL, unescaped
	query     url.Values
	body      []byte
	attempts  int  // how often it is sent at most, where that is less than for other calls
	private   bool // answers hold values of variables: of one that is no error of the service nothing is shown
	// accept reads the body of an answer with status 2xx. Its error means that the body was malformed or cut off, unless
	// it is an *Error (the body is an error of the service), a finalError or a callbackError.
	accept func(body io.Reader, header http.Header) error
}

// finalError is a fault of a body that another attempt would not change.
type finalError struct{ error }

// Unwrap returns the fault.
func (e finalError) Unwrap() error { return e.error }

// callbackError is an error of the caller's own callback. It ends the call and goes back as it is.
type callbackError struct{ error }

// outcome is what a failed attempt says about the call.
type outcome int

const (
	refused    outcome = iota // the answer is final
	notApplied                // it is certain that nothing was applied; it may pass
	lost                      // it may have been applied, or an answer was cut off; it may pass
)

// failure is one failed attempt.
type failure struct {
	err     *Error
	outcome outcome
	pause   time.Duration // how long to wait before the next attempt
	paused  bool          // the pacer makes everybody wait that long
}

// do sends the call until it succeeds, fails for good, or the attempts or ctx are used up. It returns an *Error, or the bare
// error inside a callbackError. The *Error is also what ended ctx where ctx is the reason to give up, and
// context.DeadlineExceeded where ctx would end before the next attempt.
func (c *Client) do(ctx context.Context, q *call) error {
	unknown := false
	for attempt := 1; ; attempt++ {
		f, err := c.attempt(ctx, q, attempt)
		if err != nil {
			return err
		}
		if f == nil {
			return nil
		}
		if q.effect == remove && unknown && errors.Is(f.err, ErrNotFound) {
			return nil // The attempt whose answer was lost has deleted it.
		}
		if f.outcome == lost && q.effect != read {
			unknown = true
		}
		f.err.Attempts = attempt
		f.err.unknown = unknown
		f.err.transient = f.outcome != refused
		if f.outcome == refused || f.outcome == lost && q.effect == once ||
			attempt >= c.options.MaxAttempts || attempt == q.attempts {
			return f.err
		}
		if err := c.pause(ctx, f); err != nil {
			f.err.interrupt(err)
			return f.err
		}
		if f.pause > maxPause {
			return f.err
		}
	}
}

// pause waits before the next attempt, unless the pacer does it or the pause is longer than any is waited for. Its error says
// that ctx has ended, or will before the pause does: waiting would use up what is left of the time, for nothing.
func (c *Client) pause(ctx context.Context, f *failure) error {
	if ctx.Err() != nil {
		return withContext(ctx, ctx.Err())
	}
	if deadline, ok := ctx.Deadline(); ok && c.options.Now().Add(f.pause).After(deadline) {
		return fmt.Errorf("the next attempt would have to wait %s, which is too long: %w",
			f.pause.Round(time.Millisecond), context.DeadlineExceeded)
	}
	if f.paused || f.pause > maxPause {
		return nil
	}
	if err := c.options.Sleep(ctx, f.pause); err != nil {
		return withContext(ctx, err)
	}
	return nil
}

// attempt sends the call once. err is for a failure that ends the call and is no *Error.
func (c *Client) attempt(ctx context.Context, q *call, number int) (f *failure, err error) {
	wave, err := q.service.pacer.wait(ctx)
	if err != nil {
		return q.fail(refused, withContext(ctx, err)), nil
	}
	request, err := c.request(q)
	if err != nil {
		return q.fail(refused, err), nil
	}
	started := c.options.Now()
	c.calls.Add(1)
	status := 0
	defer func() {
		event := zerolog.Ctx(ctx).Debug().Str("operation", q.operation).Int("attempt", number).
			Dur("duration", c.options.Now().Sub(started))
		if q.asset != "" {
			event = event.Str("asset", q.asset)
		}
		if status != 0 {
			event = event.Int("status", status)
		}
		if f != nil {
			event = event.Str("code", f.err.Code).AnErr("error", f.err.Err).Str("requestId", f.err.RequestID)
		}
		event.Msg("DataArts Factory call")
	}()

	response, err := c.send(ctx, request)
	if err != nil {
		f = q.fail(lost, c.ofAttempt(ctx, err))
		f.pause = c.backoff(number)
		switch {
		case untrusted(err):
			f.outcome = refused
		case signing.NeverSent(err):
			f.outcome = notApplied
		}
		return f, nil
	}
	defer response.close()
	status = response.StatusCode
	if status/100 == 2 {
		err := q.accept(response.body, response.Header)
		if err == nil {
			q.service.pacer.succeeded()
			return nil, nil
		}
		var (
			callback callbackError
			final    finalError
			said     *Error
		)
		switch {
		case errors.As(err, &callback):
			return nil, callback.error
		case errors.As(err, &said):
			f = q.fail(refused, nil)
			c.tell(q, f.err, said)
		case errors.As(err, &final):
			f = q.fail(refused, final.error)
		default:
			f = q.fail(lost, c.ofAttempt(ctx, err))
		}
	} else {
		body, _ := io.ReadAll(io.LimitReader(response.body, 64<<10)) // What was read before an error is good enough for a message.
		f = q.fail(refused, nil)
		c.tell(q, f.err, envelopeError(parseEnvelope(body)))
	}
	f.err.StatusCode = status
	if id := response.Header.Get("X-Request-Id"); id != "" {
		f.err.RequestID = id
	}
	c.judge(q, f, response.Header, wave, number)
	return f, nil
}

// judge completes a failure by what its answer's status and headers say.
func (c *Client) judge(q *call, f *failure, header http.Header, wave, attempt int) {
	asked := signing.RetryAfter(header.Get("Retry-After"), c.options.Now())
	f.pause = max(asked, c.backoff(attempt))
	switch status := f.err.StatusCode; {
	case errors.Is(f.err, ErrThrottled):
		// The gateway refuses before anything reaches the service.
		f.outcome = notApplied
	case status == http.StatusRequestTimeout || status >= 500:
		// Also 503 with Retry-After: a gateway says it too when the service broke off half-way, so it is no proof that
		// nothing was applied.
		f.outcome = lost
	default:
		return
	}
	if asked > 0 || f.outcome == notApplied {
		f.paused = true
		q.service.pacer.throttled(wave, f.pause)
	}
}

// tell copies what the service said, without the keys: when a signature is wrong the gateway quotes the request that it
// checked, with the security token.
func (c *Client) tell(q *call, e, said *Error) {
	text := func(s string) string { return shorten(signing.Credentials(c.options.Credentials).Redact(s)) }
	e.Code, e.Message, e.RequestID = text(said.Code), text(said.Message), text(said.RequestID)
	if q.private && e.Code == "" {
		e.Message = ""
	}
}

// fail makes the failure of one attempt.
func (q *call) fail(o outcome, err error) *failure {
	return &failure{err: &Error{Operation: q.operation, Asset: q.asset, Err: err}, outcome: o}
}

// backoff doubles from half a second to twenty, less up to half of it at random so that workers do not meet again.
func (c *Client) backoff(attempt int) time.Duration {
	d := min(500*time.Millisecond<<min(attempt-1, 10), 20*time.Second)
	return d - time.Duration(c.options.Jitter()*float64(d/2))
}
