// Package factory is the client of the DataArts Factory API: it lists, reads and writes the jobs, scripts, resources and
// environment variables of a workspace.
//
// It guarantees that
//   - definitions are JSON text as the service sent it, byte for byte, and as the caller gave it;
//   - a listing calls back once for every asset, and says how many the API claims to have, so that a row lost between two
//     pages is noticed;
//   - a write whose answer was lost is never repeated blindly: creating, starting and stopping end in ErrUnknownOutcome, and
//     the caller looks;
//   - reads are repeated on everything that may pass, and all calls of a client together stay below its rate.
package factory

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

// Limits of the API and the defaults of Options.
const (
	// DefaultRateLimit leaves room below the 30 requests a second for one user that the V1 overview page documents.
	DefaultRateLimit = 25.0
	// MaxV2RateLimit is what the V2 overview page documents for one user, in requests a second.
	MaxV2RateLimit = 10.0
	// DefaultPageSize is the highest page size that every edition of the list pages allows.
	DefaultPageSize = 100
	// MaxPageSize is the highest page size that Huawei Cloud's edition of List Jobs allows; Open Telekom Cloud's allows 100.
	MaxPageSize = 1000
	// DefaultMaxAttempts lets a call live through about half a minute of failures.
	DefaultMaxAttempts = 7
	// DefaultMaxBodySize is far above what the API takes for one asset: 4 MB of script.
	DefaultMaxBodySize = 64 << 20

	defaultHeaderTimeout = 90 * time.Second
	defaultStallTimeout  = 30 * time.Second
	defaultListPasses    = 4
)

// Credentials are an access key pair; temporary ones come with a security token.
type Credentials struct {
	AccessKey, SecretKey, SecurityToken string
}

// Options configure a Client. Endpoint, ProjectID and Credentials are required; the rest has useful zero values.
type Options struct {
	// Endpoint is the base URL of the V1 API, which has jobs, scripts and resources. Without a scheme it is https.
	Endpoint string
	// V2Endpoint is the base URL of the V2 API and of the Management Center. Empty where a region has none: then
	// environment variables and the list of workspaces are ErrUnsupported.
	V2Endpoint  string
	ProjectID   string
	Credentials Credentials
	// RateLimit is the highest number of V1 requests a second, DefaultRateLimit if zero. V2 requests are paced apart, by
	// the same number but never above MaxV2RateLimit.
	RateLimit float64
	// PageSize is the highest page size of listings, MaxPageSize if zero. Above DefaultPageSize it is tried for jobs only, where there
	// are pages to be saved, and given up where the API refuses it.
	PageSize int
	// MaxAttempts is how often one call is sent at most, DefaultMaxAttempts if zero.
	MaxAttempts int
	// MaxBodySize is how many bytes one answer, or one row of a listing, may have; DefaultMaxBodySize if zero. A whole
	// listing has no limit.
	MaxBodySize int
	// HeaderTimeout is how long one attempt waits for the head of the answer, 90 s if zero. The gateway itself gives up
	// after a minute.
	HeaderTimeout time.Duration
	// StallTimeout is how long the body of an answer may stand still, 30 s if zero. There is no limit for the whole
	// body: a page of scripts may hold hundreds of megabytes.
	StallTimeout time.Duration
	// Transport sends the requests. Share one between clients (NewTransport); nil makes one for this client.
	Transport http.RoundTripper
	// UserAgent is "dataarts-backup/<version>"; "dataarts-backup" if empty.
	UserAgent string

	// Now, Sleep and Jitter are the clock and the randomness (in [0,1)) of signatures, pacing and back-off.
	Now    func() time.Time
	Sleep  func(ctx context.Context, d time.Duration) error
	Jitter func() float64
}

// Client calls the API of one project with one set of credentials. It is safe for concurrent use; all workers share its pace.
type Client struct {
	v1, v2  *service // v2 is nil where there is no V2 API
	options Options
	calls   atomic.Int64
	// jobPages is the page size of job listings that the API is known to take; 0 while it has not been asked for more than the default.
	jobPages atomic.Int64
}

// service is one of the two APIs: each has its own host and its own rate limit.
type service struct {
	base  *url.URL
	pacer *pacer
}

// New checks the options and returns a client. It sends nothing.
func New(options Options) (*Client, error) {
	o := options
	if o.ProjectID == "" {
		return nil, errors.New("factory client: project id is missing")
	}
	if o.Credentials.AccessKey == "" || o.Credentials.SecretKey == "" {
		return nil, errors.New("factory client: access key or secret key is missing")
	}
	if o.RateLimit < 0 || o.PageSize < 0 || o.MaxAttempts < 0 || o.MaxBodySize < 0 {
		return nil, errors.New("factory client: rate limit, page size, attempts and body size cannot be negative")
	}
	if o.RateLimit == 0 {
		o.RateLimit = DefaultRateLimit
	}
	if o.PageSize == 0 {
		o.PageSize = MaxPageSize
	}
	if o.MaxAttempts == 0 {
		o.MaxAttempts = DefaultMaxAttempts
	}
	if o.MaxBodySize == 0 {
		o.MaxBodySize = DefaultMaxBodySize
	}
	if o.HeaderTimeout == 0 {
		o.HeaderTimeout = defaultHeaderTimeout
	}
	if o.StallTimeout == 0 {
		o.StallTimeout = defaultStallTimeout
	}
	if o.Transport == nil {
		o.Transport = NewTransport()
	}
	if o.UserAgent == "" {
		o.UserAgent = "dataarts-backup"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	c := &Client{options: o}
	base, err := signing.ParseEndpoint(o.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("factory client: V1 endpoint: %w", err)
	}
	c.v1 = &service{base: base, pacer: newPacer(o.RateLimit, o.Now, o.Sleep)}
	if o.V2Endpoint != "" {
		if base, err = signing.ParseEndpoint(o.V2Endpoint); err != nil {
			return nil, fmt.Errorf("factory client: V2 endpoint: %w", err)
		}
		c.v2 = &service{base: base, pacer: newPacer(min(o.RateLimit, MaxV2RateLimit), o.Now, o.Sleep)}
	}
	return c, nil
}

// NewTransport returns a transport made for this API: connections verified by TLS, kept for all workers, dropped before the
// gateway drops them (a request on a connection that the other side has just closed is a write with a lost answer), and a
// dead HTTP/2 connection noticed.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       30 * time.Second,
		ForceAttemptHTTP2:     true,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
	}
}

// Calls is how many requests were sent so far, repeated ones included.
func (c *Client) Calls() int64 { return c.calls.Load() }

// Workspace returns the workspace with this id. Nothing is sent: whether it exists shows with the first call.
func (c *Client) Workspace(id string) *Workspace { return &Workspace{client: c, id: id} }

// Workspace is one workspace of the project. Every call carries its id in the header "workspace": without it the service
// takes the default workspace.
type Workspace struct {
	client *Client
	id     string
}

// ID is the workspace's id.
func (w *Workspace) ID() string { return w.id }

// sleep waits for d, or until ctx ends.
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
