// Package obs is an object store behind the OBS SDK: Huawei Cloud's and Open Telekom Cloud's OBS in their own dialect, every
// other object service in that of S3.
//
// The SDK alone keeps few of the promises that shared/store makes: it knows no context per call, sleeps between its retries
// without looking at one, sends most bodies only once, believes whatever ETag comes back and does not verify TLS unless told to.
// This package therefore lets the SDK build requests and read answers, one attempt at a time, and guarantees the rest itself:
//
//   - Every call ends soon after its context, has a time limit for each attempt, and is repeated with growing, jittered delays
//     after answers 5xx, 408 and 429 and after transport errors, and only then.
//   - Bytes travel with their MD5 and what the store answers is compared with it. Where the answer is not an MD5, as in buckets
//     that encrypt, what the store holds is looked at instead.
//   - A lost answer to a conditional write is told apart from a lost race.
//   - A listing is complete and in order, or it is an error.
//   - "Does not exist" is said only if the service said so. A 404 of something between here and the service is a plain error.
//   - Errors carry the service's code, status and request id, and never a key, a secret or a token.
package obs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	sdk "github.com/huaweicloud/huaweicloud-sdk-go-obs/obs"
	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Limits that hold unless Options say otherwise.
const (
	defaultAttempts       = 6
	defaultAttemptTimeout = 30 * time.Second
	defaultStallTimeout   = 60 * time.Second
	defaultPartSize       = 16 << 20
	// A single copy request takes at most 5 GB (documented in the Copying Objects page of the OBS API, the same in S3).
	defaultCopyLimit = 5_000_000_000
	// No connection that works at all is slower than this; it stretches the time limit of an attempt with its size.
	slowestBytesPerSecond = 256 << 10
	// The service allows this many parts in an upload.
	maxParts = 10_000
)

// Options say where the store is and who is asking. Only Endpoint and the two keys are required.
type Options struct {
	// Endpoint is the base URL of the service, without a bucket: "https://obs.eu-de.otc.t-systems.com".
	Endpoint string
	// Region is what requests to an S3 service are signed for. Empty: the one in an amazonaws.com host, else us-east-1. A service
	// that names another region is believed, once for the life of the client. OBS signatures have no region.
	Region string

	AccessKey     string
	SecretKey     string
	SecurityToken string // of temporary keys

	// Transport carries the requests. Nil: one of this client's own, made by NewTransport. Clients that are made often, as for
	// keys that change, should share one.
	Transport http.RoundTripper

	Attempts       int           // how often a request is sent at most; 0: 6
	AttemptTimeout time.Duration // until the answer begins, for an empty body; grows with the size; 0: 30 s
	StallTimeout   time.Duration // how long an object's body may stand still while it is read; 0: 60 s
	PartSize       int64         // bytes a part when an object is streamed or copied through here (its memory); 0: 16 MiB
	CopyLimit      int64         // bytes up to which an object is copied in one request; 0: 5 GB

	Now    func() time.Time                           // nil: time.Now
	Sleep  func(context.Context, time.Duration) error // nil: a timer; must end with the context
	Jitter func() float64                             // in [0,1); nil: math/rand
	Logger zerolog.Logger                             // told of retries; the zero value is silent
}

// Client is a connection to one object service with one pair of keys. It is safe for concurrent use.
type Client struct {
	opts     Options
	endpoint endpoint
	http     *http.Client
	region   atomic.Pointer[string] // what S3 requests are signed for; changes when the service says so
}

// New checks the options; it sends nothing. The error names what is wrong with the endpoint.
func New(opts Options) (*Client, error) {
	e, err := parseEndpoint(opts.Endpoint)
	if err != nil {
		return nil, err
	}
	if opts.AccessKey == "" || opts.SecretKey == "" {
		return nil, errors.New("access key or secret key of the object store is empty")
	}
	if opts.Transport == nil {
		opts.Transport = NewTransport()
	}
	opts.Attempts = cmp.Or(opts.Attempts, defaultAttempts)
	opts.AttemptTimeout = cmp.Or(opts.AttemptTimeout, defaultAttemptTimeout)
	opts.StallTimeout = cmp.Or(opts.StallTimeout, defaultStallTimeout)
	opts.PartSize = cmp.Or(opts.PartSize, defaultPartSize)
	opts.CopyLimit = cmp.Or(opts.CopyLimit, defaultCopyLimit)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Sleep == nil {
		opts.Sleep = sleep
	}
	if opts.Jitter == nil {
		opts.Jitter = rand.Float64
	}
	c := &Client{opts: opts, endpoint: e}
	region := cmp.Or(e.region, cmp.Or(opts.Region, "us-east-1"))
	c.region.Store(&region)
	c.http = &http.Client{
		Transport: &wire{client: c, next: opts.Transport},
		// A redirect is another endpoint's answer: following it would send the signature, made for this host, elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	// Everything that can be wrong with the SDK's own configuration shows here instead of at the first call.
	if _, err := c.sdk(context.Background()); err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", opts.Endpoint, err)
	}
	return c, nil
}

// Bucket is the store of one bucket. It sends nothing: a bucket that does not exist shows at the first call.
func (c *Client) Bucket(name string) *Bucket { return &Bucket{client: c, name: name} }

// Bucket is one bucket of a Client. It is safe for concurrent use.
type Bucket struct {
	client *Client
	name   string
}

var _ store.Store = (*Bucket)(nil)

// Bucket is another bucket of the same client.
func (b *Bucket) Bucket(name string) store.Store { return b.client.Bucket(name) }

// sdk makes the SDK's client for one attempt. It costs a few microseconds because the HTTP client is shared, and it is the only
// way to give a call its context: the SDK takes one for a client, not for a call.
func (c *Client) sdk(ctx context.Context) (*sdk.ObsClient, error) {
	if c.endpoint.dialect == OBS {
		return sdk.New(c.opts.AccessKey, c.opts.SecretKey, c.endpoint.url, sdk.WithSecurityToken(c.opts.SecurityToken),
			sdk.WithSignature(sdk.SignatureObs), sdk.WithSslVerify(true), sdk.WithRequestContext(ctx),
			sdk.WithMaxRetryCount(0), sdk.WithMaxRedirectCount(0), sdk.WithHttpClient(c.http))
	}
	// Without keys the SDK leaves a request unsigned; wire signs it, as S3 servers want it.
	return sdk.New("", "", c.endpoint.url, sdk.WithSignature(sdk.SignatureV4), sdk.WithPathStyle(c.endpoint.pathStyle),
		sdk.WithSslVerify(true), sdk.WithRequestContext(ctx),
		sdk.WithMaxRetryCount(0), sdk.WithMaxRedirectCount(0), sdk.WithHttpClient(c.http))
}

// serviceHeader is a service header's name in the client's dialect: "copy-source" is x-obs-copy-source or x-amz-copy-source. The SDK drops
// such headers silently unless they are in lower case.
func (c *Client) serviceHeader(name string) string {
	if c.endpoint.dialect == OBS {
		return "x-obs-" + name
	}
	return "x-amz-" + name
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
