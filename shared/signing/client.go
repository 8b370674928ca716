package signing

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

const (
	defaultTimeout     = 10 * time.Second
	defaultMaxAttempts = 3
	firstPause         = 500 * time.Millisecond
	maxPause           = 10 * time.Second
	maxAnswer          = 1 << 20 // bytes of an answer that are read
	maxText            = 500     // bytes of what a service says that are shown
)

// Options configure a Client. Endpoint, Credentials and Transport are required; the rest has useful zero values.
type Options struct {
	Endpoint    string // base URL
	ProjectID   string
	Credentials Credentials
	Transport   http.RoundTripper // shared between clients
	Signer      Signer            // of Huawei Cloud
	UserAgent   string            // "dataarts-backup"
	Timeout     time.Duration     // of one attempt, answer included; 10 s
	MaxAttempts int               // 3

	// Now, Sleep and Jitter are the clock and the randomness (in [0,1)) of signatures and back-off.
	Now    func() time.Time
	Sleep  func(ctx context.Context, d time.Duration) error
	Jitter func() float64
}

// Signer makes the HTTP request of a call, signed with the keys at the time now. The request is complete: it is sent as it is, once.
type Signer interface {
	Sign(r Request, keys Credentials, now time.Time) (*http.Request, error)
}

// gateway signs for Huawei Cloud.
type gateway struct{}

func (gateway) Sign(r Request, keys Credentials, now time.Time) (*http.Request, error) {
	return r.Sign(keys, now)
}

// Client sends the calls of a control API: small JSON both ways, answered within seconds. It is safe for concurrent use.
type Client struct {
	base    *url.URL
	options Options
}

// NewClient checks the options and returns a client. It sends nothing.
func NewClient(o Options) (*Client, error) {
	base, err := ParseEndpoint(o.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	if o.Credentials.AccessKey == "" || o.Credentials.SecretKey == "" {
		return nil, errors.New("access key or secret key is missing")
	}
	if o.Transport == nil {
		return nil, errors.New("transport is missing")
	}
	if o.Signer == nil {
		o.Signer = gateway{}
	}
	if o.UserAgent == "" {
		o.UserAgent = "dataarts-backup"
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxAttempts == 0 {
		o.MaxAttempts = defaultMaxAttempts
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = Sleep
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	return &Client{base: base, options: o}, nil
}

// Call is one call of the API.
type Call struct {
	Operation string // for messages: "publish a message"
	Method    string
	Path      []string // segments below the endpoint, unescaped
	Query     url.Values
	Header    map[string]string // beyond those that every call has
	Body      []byte            // JSON; nil for none
	// Once says that the call must not reach the service twice: then it is repeated only when no connection was made, or when the gateway has
	// turned it away (429).
	Once bool
}

// Answer is what a service answered with 2xx.
type Answer struct {
	Header http.Header
	Body   []byte
}

// Error is a call that failed.
type Error struct {
	Operation  string
	StatusCode int    // of the last answer; 0 if there was none
	Code       string // the service's
	Message    string // the service's, without keys
	RequestID  string
	Attempts   int
	// Unknown says that the call may have been carried out: an answer was lost or was a server's failure.
	Unknown bool
	Err     error // why there was no answer
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Operation + ": ")
	switch {
	case e.StatusCode == 0 && e.Err != nil:
		b.WriteString(e.Err.Error())
	default:
		fmt.Fprintf(&b, "status %d", e.StatusCode)
		for _, part := range []string{e.Code, e.Message} {
			if part != "" {
				b.WriteString(", " + part)
			}
		}
		if e.Err != nil {
			b.WriteString(": " + e.Err.Error())
		}
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " (%d attempts)", e.Attempts)
	}
	if e.RequestID != "" {
		b.WriteString(" (request id " + e.RequestID + ")")
	}
	return b.String()
}

// Unwrap returns why there was no answer.
func (e *Error) Unwrap() error { return e.Err }

// Do is Send for who needs the body only.
func (c *Client) Do(ctx context.Context, call Call) ([]byte, error) {
	answer, err := c.Send(ctx, call)
	return answer.Body, err
}

// Send sends a call until it is answered with 2xx. It tries again after 408, 429, 5xx and broken connections, within the attempts and the time that ctx
// has. The error is an *Error.
func (c *Client) Send(ctx context.Context, call Call) (Answer, error) {
	unknown := false
	for attempt := 1; ; attempt++ {
		started := c.options.Now()
		answer, f, err := c.attempt(ctx, call)
		event := zerolog.Ctx(ctx).Debug().Str("operation", call.Operation).Int("attempt", attempt).Dur("duration", c.options.Now().Sub(started))
		if err == nil {
			event.Msg("API call")
			return answer, nil
		}
		event.Err(err).Msg("API call")
		unknown = unknown || f.maybeApplied
		err.Attempts, err.Unknown = attempt, unknown
		if !f.again || call.Once && f.maybeApplied || attempt >= c.options.MaxAttempts || ctx.Err() != nil {
			return Answer{}, err
		}
		pause := min(firstPause<<(attempt-1), maxPause)
		pause -= time.Duration(c.options.Jitter() * float64(pause/2))
		pause = max(pause, f.pause)
		if deadline, ok := ctx.Deadline(); pause > maxPause || ok && c.options.Now().Add(pause).After(deadline) {
			return Answer{}, err
		}
		if c.options.Sleep(ctx, pause) != nil {
			return Answer{}, err
		}
	}
}

// failure is what a failed attempt says about the call.
type failure struct {
	again        bool // it may pass
	maybeApplied bool
	pause        time.Duration // that the service asks for
}

// attempt sends the call once. Redirects are not followed: a signature is for one address.
func (c *Client) attempt(ctx context.Context, call Call) (Answer, failure, *Error) {
	fail := func(err error) *Error { return &Error{Operation: call.Operation, Err: err} }
	request, err := c.options.Signer.Sign(Request{Base: c.base, Method: call.Method, Path: call.Path, KeepColons: true, Query: call.Query, Header: call.Header,
		ContentType: "application/json", Body: call.Body, ProjectID: c.options.ProjectID, UserAgent: c.options.UserAgent}, c.options.Credentials, c.options.Now())
	if err != nil {
		return Answer{}, failure{}, fail(err)
	}
	attemptCtx, cancel := context.WithTimeoutCause(ctx, c.options.Timeout, fmt.Errorf("no answer within %v", c.options.Timeout))
	defer cancel()
	response, err := c.options.Transport.RoundTrip(request.WithContext(attemptCtx))
	if err != nil {
		var certificate *tls.CertificateVerificationError
		return Answer{}, failure{again: !errors.As(err, &certificate), maybeApplied: !NeverSent(err)}, fail(c.because(attemptCtx, err))
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode/100 == 2 {
		if err != nil {
			return Answer{}, failure{again: true, maybeApplied: true}, fail(fmt.Errorf("read the answer: %w", c.because(attemptCtx, err)))
		}
		return Answer{Header: response.Header, Body: body}, failure{}, nil
	}
	// What was read before an error is good enough for a message.
	e := c.said(call, response, body)
	status := response.StatusCode
	// The common errors of AWS have the status 400 for this one, those of single services 429.
	throttled := status == http.StatusTooManyRequests || e.Code == "ThrottlingException"
	f := failure{again: throttled || status == http.StatusRequestTimeout || status >= 500}
	f.maybeApplied = f.again && !throttled
	f.pause = RetryAfter(response.Header.Get("Retry-After"), c.options.Now())
	return Answer{}, f, e
}

// because is the reason why an attempt was broken off, and else the transport's error, without the keys.
func (c *Client) because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// said reads an error of the service: {"error_code","error_msg","request_id"} of the gateway and of FunctionGraph, {"code","message","request_id"} of SMN,
// {"Message"} of AWS, which has the code and the request id in headers.
func (c *Client) said(call Call, response *http.Response, body []byte) *Error {
	var envelope struct {
		ErrorCode string `json:"error_code"`
		ErrorMsg  string `json:"error_msg"`
		Code      string `json:"code"`
		Message   string `json:"message"`
		RequestID string `json:"request_id"`
	}
	_ = json.Unmarshal(body, &envelope) // What is no JSON has nothing to tell.
	text := func(values ...string) string {
		for _, s := range values {
			if s != "" {
				s = c.options.Credentials.Redact(s)
				if len(s) > maxText {
					s = strings.ToValidUTF8(s[:maxText], "") + "…"
				}
				return s
			}
		}
		return ""
	}
	// "ValidationException:http://internal.amazon.com/…": what follows the colon is documented to be of no meaning (restJson1 protocol of Smithy).
	errorType, _, _ := strings.Cut(response.Header.Get("X-Amzn-Errortype"), ":")
	return &Error{Operation: call.Operation, StatusCode: response.StatusCode, Code: text(envelope.ErrorCode, envelope.Code, errorType),
		Message: text(envelope.ErrorMsg, envelope.Message), RequestID: text(envelope.RequestID, response.Header.Get("X-Request-Id"), response.Header.Get("X-Amzn-Requestid"))}
}

// Sleep waits, or ends with ctx and returns its cause.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
