package factory

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

// Headers of the API.
const (
	headerWorkspace = "workspace"

	// contentType is what the SDK sends. It goes on every request: without a JSON type the service answers that the content
	// type is not supported, even where there is no content.
	contentType = "application/json;charset=UTF-8"
)

// request makes the signed HTTP request of a call.
func (c *Client) request(q *call) (*http.Request, error) {
	header := map[string]string{}
	if q.workspace != "" {
		header[headerWorkspace] = q.workspace
	}
	return signing.Request{
		Base: q.service.base, Method: q.method, Path: q.path, Query: q.query, Header: header, ContentType: contentType, Body: q.body,
		ProjectID: c.options.ProjectID, UserAgent: c.options.UserAgent,
	}.Sign(signing.Credentials(c.options.Credentials), c.options.Now())
}

var (
	errNoHeader = errors.New("no answer in time")
	errStalled  = errors.New("the answer stopped coming")
)

// response is an answer whose body fails when it stands still.
type response struct {
	*http.Response
	body   io.Reader
	cancel context.CancelCauseFunc
}

// close ends the answer.
func (r *response) close() {
	_ = r.Response.Body.Close() // The body was read as far as it was needed.
	r.cancel(nil)
}

// send sends a request once and waits for the head of the answer. Redirects are not followed: a signature is for one address.
func (c *Client) send(ctx context.Context, request *http.Request) (*response, error) {
	attemptCtx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(c.options.HeaderTimeout, func() { cancel(errNoHeader) })
	answer, err := c.options.Transport.RoundTrip(request.WithContext(attemptCtx)) //nolint:bodyclose // response.close does it
	timer.Stop()
	if err != nil {
		if !signing.NeverSent(err) {
			err = withContext(attemptCtx, err)
		}
		cancel(nil)
		return nil, err
	}
	guard := &guardedBody{body: answer.Body, ctx: attemptCtx, stall: c.options.StallTimeout}
	guard.timer = time.AfterFunc(time.Hour, func() { cancel(errStalled) })
	guard.timer.Stop()
	return &response{Response: answer, body: guard, cancel: cancel}, nil
}

// guardedBody cancels the attempt when one Read waits too long. The time that the reader of the body takes between two
// reads does not count.
type guardedBody struct {
	body  io.Reader
	ctx   context.Context
	timer *time.Timer
	stall time.Duration
}

func (g *guardedBody) Read(p []byte) (int, error) {
	g.timer.Reset(g.stall)
	n, err := g.body.Read(p)
	g.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		err = withContext(g.ctx, err)
	}
	return n, err
}

// withContext returns the reason why ctx ended, if it has, instead of the error that followed from it.
func withContext(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	switch {
	case cause == nil:
		return err
	case errors.Is(cause, errNoHeader), errors.Is(cause, errStalled), errors.Is(cause, ctx.Err()):
		return cause
	}
	return fmt.Errorf("%w: %w", ctx.Err(), cause)
}

// ofAttempt is the error of one attempt as the caller may see it: the reason why ctx ended, if it has, and else nothing that
// looks as if it had.
func (c *Client) ofAttempt(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return withContext(ctx, err)
	}
	if deadline, ok := ctx.Deadline(); ok && c.options.Now().After(deadline) {
		return err // The dialer keeps the deadline of ctx with a timer of its own, which may be the first.
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return attemptError{err}
	}
	return err
}

// attemptError is an error that came from a time limit of one attempt. net and net/http have theirs match
// context.DeadlineExceeded, and what a limit of this package breaks off match context.Canceled; callers would take that for
// the end of their own context. There is no Unwrap, which would let them match again.
type attemptError struct{ err error }

func (e attemptError) Error() string { return e.err.Error() }

// Is matches what the error matches, but for the ends of a context.
func (e attemptError) Is(target error) bool {
	return target != context.DeadlineExceeded && target != context.Canceled && errors.Is(e.err, target)
}

// As finds what the error holds.
func (e attemptError) As(target any) bool { return errors.As(e.err, target) }

// untrusted says whether the other side's certificate was refused, which another attempt does not change. Nothing was sent.
func untrusted(err error) bool {
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &certificate)
}

// readAll reads a body of bounded size.
func (c *Client) readAll(body io.Reader) ([]byte, error) {
	limit := c.options.MaxBodySize
	data, err := io.ReadAll(io.LimitReader(body, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("read body: %w", err)
	}
	if len(data) > limit {
		return nil, finalError{fmt.Errorf("the body is longer than %d bytes", limit)}
	}
	return data, nil
}

// readObject reads a body that is one JSON object.
func (c *Client) readObject(body io.Reader) ([]byte, error) {
	data, err := c.readAll(body)
	if err != nil {
		return nil, err
	}
	if err := rawjson.Check(data); err != nil {
		return nil, malformed(err)
	}
	return data, nil
}
