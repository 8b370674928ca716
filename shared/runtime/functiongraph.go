package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// The API that FunctionGraph's custom runtime offers to the function ("Custom Runtime" in FunctionGraph's developer guide).
const (
	requestPath  = "/v1/runtime/invocation/request"
	responsePath = "/v1/runtime/invocation/response/"
	errorPath    = "/v1/runtime/invocation/error/"

	headerRequestID  = "X-Cff-Request-Id"
	headerInvokeType = "X-Cff-Invoke-Type" // "async" when nobody waits
	// The keys of the function's agency. The developer guide of the custom runtime lists the first pair, the one of Go1.x calls it
	// "no longer maintained" and reads the second.
	headerAccessKey         = "X-Cff-Access-Key"
	headerSecretKey         = "X-Cff-Secret-Key"
	headerSecurityAccessKey = "X-Cff-Security-Access-Key"
	headerSecuritySecretKey = "X-Cff-Security-Secret-Key"
	headerSecurityToken     = "X-Cff-Security-Token"
)

// What FunctionGraph says about the function in its environment, and what holds where it does not.
const (
	timeoutVariable     = "RUNTIME_TIMEOUT" // seconds
	defaultTimeout      = 3 * time.Second
	maxResponseVariable = "RUNTIME_MAX_RESP_BODY_SIZE" // bytes
	defaultMaxResponse  = 6 << 20
)

const (
	dialTimeout = 3 * time.Second // as in the developer guide's sample
	postTimeout = 30 * time.Second
	postTries   = 4
	// longPoll is how long a poll must have lasted to count as one that waited for an event, so that the next may follow at once.
	longPoll = time.Second
	// maxRequestBody is the size of the largest event that is read, in bytes: a synchronous invocation takes 6 MB (documented)
	// and what a trigger adds around it is not known, hence the room.
	maxRequestBody = 8 << 20
)

// errNoRequest means that the API answered a poll without an event, which the developer guide says to answer by asking again.
var errNoRequest = errors.New("the answer holds no request id")

// poller takes events from FunctionGraph and posts the answers.
type poller struct {
	base        string
	client      *http.Client
	invoker     *invoker
	logger      zerolog.Logger
	now         func() time.Time
	sleep       func(context.Context, time.Duration) error
	wait        backoff
	timeout     time.Duration
	maxResponse int64
}

func newPoller(addr string, i *invoker, opts Options) *poller {
	p := &poller{
		base: "http://" + addr,
		client: &http.Client{Transport: &http.Transport{
			Proxy:       nil, // The API is on this machine, whatever proxy the function needs for the rest.
			DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext,
		}},
		invoker:     i,
		logger:      i.logger,
		now:         opts.Now,
		sleep:       opts.Sleep,
		wait:        backoff{jitter: opts.Jitter},
		timeout:     defaultTimeout,
		maxResponse: defaultMaxResponse,
	}
	if seconds, ok := p.positive(opts.Getenv, timeoutVariable); ok {
		p.timeout = time.Duration(seconds) * time.Second
	}
	if size, ok := p.positive(opts.Getenv, maxResponseVariable); ok {
		p.maxResponse = size
	}
	return p
}

// positive reads a variable that FunctionGraph sets to a positive number.
func (p *poller) positive(getenv func(string) string, name string) (int64, bool) {
	text := getenv(name)
	if text == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n <= 0 || n > int64(1<<53) {
		p.logger.Warn().Str("variable", name).Str("value", text).Msg("not a positive number; its documented default is used")
		return 0, false
	}
	return n, true
}

// run serves one event after another until ctx ends. The invocation under way then is finished and answered.
func (p *poller) run(ctx context.Context) int {
	defer p.client.CloseIdleConnections()
	for ctx.Err() == nil {
		started := p.now()
		inv, err := p.next(ctx)
		if err == nil {
			p.wait.reset()
			p.serve(context.WithoutCancel(ctx), inv)
			continue
		}
		if ctx.Err() != nil {
			break
		}
		if p.now().Sub(started) >= longPoll {
			p.wait.reset()
		}
		d := p.wait.next()
		if errors.Is(err, errNoRequest) {
			p.logger.Debug().Err(err).Dur("wait", d).Msg("no event yet")
		} else {
			p.logger.Warn().Err(err).Dur("wait", d).Msg("cannot get the next event")
		}
		if p.sleep(ctx, d) != nil {
			break
		}
	}
	return 0
}

// next waits for an event. The invocation's deadline runs from the moment when it arrives, since the API does not tell it.
func (p *poller) next(ctx context.Context) (Invocation, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.base+requestPath, nil)
	if err != nil {
		return Invocation{}, fmt.Errorf("get the next event: %w", err)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return Invocation{}, fmt.Errorf("get the next event: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	received := p.now()
	if resp.StatusCode != http.StatusOK {
		// Read a little, so that the connection can be used again. What it says is not logged: it may hold anything.
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
		return Invocation{}, fmt.Errorf("get the next event: the runtime API answered %s", resp.Status)
	}
	id := resp.Header.Get(headerRequestID)
	if id == "" {
		_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
		return Invocation{}, fmt.Errorf("get the next event: %w", errNoRequest)
	}
	inv := Invocation{
		Platform:    FunctionGraph,
		RequestID:   id,
		Deadline:    received.Add(p.timeout),
		Credentials: credentials(resp.Header),
		Async:       strings.EqualFold(resp.Header.Get(headerInvokeType), "async"),
	}
	inv.Payload, err = io.ReadAll(io.LimitReader(resp.Body, maxRequestBody+1))
	if err == nil && len(inv.Payload) > maxRequestBody {
		err = fmt.Errorf("it has more than %d bytes", maxRequestBody)
	}
	if err != nil {
		// The event has been taken, so it must be answered: half an event is never handled.
		err = fmt.Errorf("read the event of request %s: %w", id, err)
		p.post(context.WithoutCancel(ctx), errorPath, id, (&Failure{Message: err.Error(), Type: typeRequestBroken}).encode())
		return Invocation{}, err
	}
	return inv, nil
}

// credentials are the keys in the headers of an event. A pair is taken whole or not at all.
func credentials(h http.Header) Credentials {
	pairs := [][2]string{{headerSecurityAccessKey, headerSecuritySecretKey}, {headerAccessKey, headerSecretKey}}
	for _, pair := range pairs {
		if ak, sk := h.Get(pair[0]), h.Get(pair[1]); ak != "" && sk != "" {
			return Credentials{AccessKey: ak, SecretKey: sk, SecurityToken: h.Get(headerSecurityToken)}
		}
	}
	return Credentials{}
}

// serve handles one event and posts its answer.
func (p *poller) serve(ctx context.Context, inv Invocation) {
	body, failure := p.invoker.serve(ctx, inv, p.maxResponse)
	if failure != nil {
		p.post(ctx, errorPath, inv.RequestID, failure.encode())
		return
	}
	p.post(ctx, responsePath, inv.RequestID, body)
}

// post sends an answer, several times if need be. An answer that cannot be sent is logged: the platform will count the
// invocation as one that timed out, and nothing else can be done.
func (p *poller) post(ctx context.Context, path, id string, body []byte) {
	wait := backoff{jitter: p.wait.jitter}
	for try := 1; ; try++ {
		again, err := p.postOnce(ctx, path+url.PathEscape(id), body)
		if err == nil {
			return
		}
		if !again || try == postTries {
			p.logger.Error().Str("requestId", id).Int("tries", try).Err(err).Msg("the answer could not be sent")
			return
		}
		p.logger.Warn().Str("requestId", id).Int("tries", try).Err(err).Msg("sending the answer again")
		if p.sleep(ctx, wait.next()) != nil {
			return
		}
	}
}

// postOnce sends an answer and tells, if that failed, whether trying again can help.
func (p *poller) postOnce(ctx context.Context, path string, body []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+path, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("post the answer: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		return true, fmt.Errorf("post the answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	switch {
	case resp.StatusCode/100 == 2:
		return false, nil
	case resp.StatusCode/100 == 5, resp.StatusCode == http.StatusTooManyRequests, resp.StatusCode == http.StatusRequestTimeout:
		return true, fmt.Errorf("post the answer: the runtime API answered %s", resp.Status)
	default:
		// A refusal stays one. It is also what a second try gets whose first arrived after all.
		return false, fmt.Errorf("post the answer: the runtime API answered %s", resp.Status)
	}
}
