// Package functiongraph is the client of FunctionGraph's API, as far as a function needs it that hands work to itself or to another one, and that switches
// another one's timer on and off.
//
// What it guarantees: a call that it reports as accepted was accepted; one that it reports as failed may have been accepted only where the error says
// so (signing.Error.Unknown). An invocation is handed over again when its answer was lost, so that the function may run twice: what is handed over
// must bear that, as a backup does.
package functiongraph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

// MaxAsyncPayload is the size of the largest event of an asynchronous invocation, in bytes ("Notes and Constraints" of FunctionGraph's user guide: 256 KB).
const MaxAsyncPayload = 256 << 10

// ErrPayloadTooLarge means that an event is above MaxAsyncPayload. Nothing was sent.
var ErrPayloadTooLarge = errors.New("the event is larger than an asynchronous invocation takes")

// urn is urn:fss:<region>:<project>:function:<package>:<function>, with an optional version or alias.
var urn = regexp.MustCompile(`^urn:fss:[^:/\s]+:[^:/\s]+:function:[^:/\s]+:[^:/\s]+(:[^:/\s]+)?$`)

// Options configure a Client. Endpoint, ProjectID, Credentials and Transport are required.
type Options struct {
	Endpoint    string // base URL of the API
	ProjectID   string // of the function
	Credentials signing.Credentials
	Transport   http.RoundTripper
	UserAgent   string

	// Now, Sleep and Jitter are for tests; see signing.Options.
	Now    func() time.Time
	Sleep  func(ctx context.Context, d time.Duration) error
	Jitter func() float64
}

// Client calls the API of one project. It is safe for concurrent use.
type Client struct {
	api     *signing.Client
	project string
	sleep   func(ctx context.Context, d time.Duration) error
}

// New checks the options and returns a client. It sends nothing.
func New(o Options) (*Client, error) {
	if o.ProjectID == "" {
		return nil, errors.New("FunctionGraph client: project id is missing")
	}
	api, err := signing.NewClient(signing.Options{Endpoint: o.Endpoint, ProjectID: o.ProjectID, Credentials: o.Credentials, Transport: o.Transport,
		UserAgent: o.UserAgent, Now: o.Now, Sleep: o.Sleep, Jitter: o.Jitter})
	if err != nil {
		return nil, fmt.Errorf("FunctionGraph client: %w", err)
	}
	c := &Client{api: api, project: o.ProjectID, sleep: o.Sleep}
	if c.sleep == nil {
		c.sleep = sleep
	}
	return c, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// InvokeAsync queues an event for the function with this URN and returns the request id of the invocation that will run ("Executing a Function
// Asynchronously": 202 and the id). Errors: ErrPayloadTooLarge, *signing.Error, an answer without an id.
func (c *Client) InvokeAsync(ctx context.Context, functionURN string, payload []byte) (requestID string, err error) {
	const operation = "invoke the function asynchronously"
	if !urn.MatchString(functionURN) {
		return "", fmt.Errorf("%s: %q is not the URN of a function", operation, functionURN)
	}
	if len(payload) > MaxAsyncPayload {
		return "", fmt.Errorf("%s: %w: %d bytes, at most %d", operation, ErrPayloadTooLarge, len(payload), MaxAsyncPayload)
	}
	body, err := c.api.Do(ctx, signing.Call{Operation: operation, Method: http.MethodPost,
		Path: []string{"v2", c.project, "fgs", "functions", functionURN, "invocations-async"}, Body: payload})
	if err != nil {
		return "", err
	}
	var answer struct {
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.RequestID == "" {
		// Accepted or not: the caller does the work itself then, which a doubled run does not harm.
		return "", &signing.Error{Operation: operation, Attempts: 1, Unknown: true, Err: errors.New("the answer holds no request id")}
	}
	return answer.RequestID, nil
}
