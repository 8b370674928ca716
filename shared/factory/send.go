package factory

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/signer"
	sdkrequest "github.com/huaweicloud/huaweicloud-sdk-go-v3/core/request"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// Headers of the API.
const (
	headerProject       = "X-Project-Id"     // without it, AK/SK signed calls answer "Workspace does not exists" (FAQ)
	headerSecurityToken = "X-Security-Token" // with temporary keys
	headerWorkspace     = "workspace"

	// contentType is what the SDK sends. It goes on every request: without a JSON type the service answers that the content
	// type is not supported, even where there is no content.
	contentType = "application/json;charset=UTF-8"
)

// request makes the signed HTTP request of a call. It signs with the SDK's signer and lets net/http do the rest.
func (c *Client) request(q *call) (*http.Request, error) {
	base := q.service.base
	path, escaped := base.Path, escapePath(base.Path)
	for _, segment := range q.path {
		if segment == "" || segment == "." || segment == ".." || strings.Contains(segment, "/") {
			// Dots are a step in the path wherever it is cleaned on the way, and would reach another address. An escaped
			// slash has no defined signature: the signer takes it for two segments. No name may legally hold a slash.
			return nil, fmt.Errorf("%q cannot be a part of an address of the API", segment)
		}
		path += "/" + segment
		escaped += "/" + escapeSegment(segment)
	}
	address := &url.URL{
		Scheme: base.Scheme, Host: base.Host, Path: path, RawPath: escaped,
		RawQuery: strings.ReplaceAll(q.query.Encode(), "+", "%20"),
	}
	request := &http.Request{
		Method: q.method, URL: address, Host: address.Host, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if q.body != nil {
		request.ContentLength = int64(len(q.body))
		request.Body = io.NopCloser(bytes.NewReader(q.body))
		// net/http may send again by itself, but only what has not left this machine yet.
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(q.body)), nil }
	}

	build := sdkrequest.NewHttpRequestBuilder().
		WithEndpoint(base.Scheme+"://"+base.Host).WithMethod(q.method).WithPath(path).
		AddHeaderParam(signer.HeaderXDate, c.options.Now().UTC().Format(signer.BasicDateFormat)).
		AddHeaderParam(headerProject, c.options.ProjectID).
		AddHeaderParam("Content-Type", contentType)
	if c.options.Credentials.SecurityToken != "" {
		build.AddHeaderParam(headerSecurityToken, c.options.Credentials.SecurityToken)
	}
	if q.workspace != "" {
		build.AddHeaderParam(headerWorkspace, q.workspace)
	}
	for name, values := range q.query { // One value each: see series.
		build.AddQueryParam(name, reflect.ValueOf(values[0]))
	}
	if q.body != nil {
		build.WithBody("", string(q.body))
	}
	signed := build.Build()
	added, err := signer.Sign(signed, c.options.Credentials.AccessKey, c.options.Credentials.SecretKey)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	for name, value := range signed.GetHeaderParams() {
		request.Header.Set(name, value)
	}
	for name, value := range added {
		request.Header.Set(name, value)
	}
	request.Header.Set("User-Agent", c.options.UserAgent)
	return request, nil
}

// escapePath escapes each segment of a path.
func escapePath(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = escapeSegment(segment)
	}
	return strings.Join(segments, "/")
}

// escapeSegment escapes all but the unreserved characters of RFC 3986, as the signature does. url.PathEscape leaves more.
func escapeSegment(segment string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(segment) {
		c := segment[i]
		if 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
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
		if !neverSent(err) {
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

// neverSent says whether an error of the transport proves that the request has not left: no connection was made.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

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
