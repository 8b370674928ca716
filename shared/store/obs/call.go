package obs

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	sdk "github.com/huaweicloud/huaweicloud-sdk-go-obs/obs"
)

// The pauses between attempts: they double from the first to the longest, and each is shortened by up to half at random so that
// many clients do not come back at once.
const (
	firstPause   = 200 * time.Millisecond
	longestPause = 10 * time.Second
	// A service that asks for a longer pause than this is as good as down for a function that lives for minutes.
	longestRetryAfter = 30 * time.Second
)

// attempt is one try of a call.
type attempt struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	sdk    *sdk.ObsClient
	number int  // from 1
	keep   bool // the answer's body lives on, and with it the context
}

// do calls try until it succeeds, fails for good, or the context ends. bytes is how much the attempt moves, for its time limit.
// Whatever it returns is an *Error.
func (c *Client) do(ctx context.Context, o op, bytes int64, try func(*attempt) error) error {
	limit := c.opts.AttemptTimeout + time.Duration(bytes/slowestBytesPerSecond)*time.Second
	resigned := false
	for n := 1; ; n++ {
		err := c.once(ctx, n, limit, try)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return c.fail(o, n, ctx.Err())
		}
		switch c.judge(err) {
		case giveUp:
			return c.fail(o, n, err)
		case signAnew:
			if resigned {
				return c.fail(o, n, err)
			}
			resigned = true
			n-- // the service did not even look at this one
			continue
		case tryAgain:
		}
		if n >= c.opts.Attempts {
			return c.fail(o, n, err)
		}
		pause := min(firstPause<<(n-1), longestPause)
		pause -= time.Duration(c.opts.Jitter() * float64(pause) / 2)
		pause = max(pause, min(c.retryAfter(err), longestRetryAfter))
		c.opts.Logger.Debug().Str("operation", o.name).Str("bucket", o.bucket).Str("key", o.key).Int("attempt", n).
			Dur("pause", pause).Str("error", c.redact(err.Error())).Msg("object store: trying again")
		if err := c.opts.Sleep(ctx, pause); err != nil {
			return c.fail(o, n, err)
		}
	}
}

// once makes one attempt with its own time limit, and turns a panic of the SDK into an error.
func (c *Client) once(ctx context.Context, number int, limit time.Duration, try func(*attempt) error) (err error) {
	a := &attempt{number: number}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	timer := time.AfterFunc(limit, func() { a.cancel(attemptTimeout{after: limit}) })
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the OBS SDK panicked: %v", p)
		}
		if err != nil {
			// The SDK reports the end of a context in the words of the transport.
			if timeout, ok := errors.AsType[attemptTimeout](context.Cause(a.ctx)); ok {
				err = timeout
			}
		}
		if !timer.Stop() && err == nil && a.keep {
			err = attemptTimeout{after: limit}
		}
		if err != nil || !a.keep {
			a.cancel(nil)
		}
	}()
	if a.sdk, err = c.sdk(a.ctx); err != nil {
		return err
	}
	return try(a)
}

// clock gives a call this client's time: without it the SDK takes the system's. The type it returns has no name outside the SDK.
func (c *Client) clock() func(map[string][]string, bool) error {
	date := sdk.FormatUtcToRfc1123(c.opts.Now())
	return func(headers map[string][]string, _ bool) error {
		headers["Date"] = []string{date}
		return nil
	}
}

// regionNamed finds the region in an answer to a request that was signed for another one. AWS and MinIO put it in single quotes,
// versitygw in double ones.
var regionNamed = regexp.MustCompile(`expecting ['"]([a-z0-9-]+)['"]`)

// learnRegion takes the region that a service asks for, and says whether it named one. That the client knows it already means that
// another call was faster: this one was still signed for the wrong region.
func (c *Client) learnRegion(message string) bool {
	m := regionNamed.FindStringSubmatch(message)
	if c.endpoint.dialect != S3 || m == nil {
		return false
	}
	c.region.Store(&m[1])
	return true
}

// invalid is a request that this package refuses to send.
type invalid struct{ reason string }

func (e *invalid) Error() string { return e.reason }

// checkKey refuses keys that the service would refuse or that the SDK would send as another key.
func checkKey(key string) error {
	switch {
	case strings.TrimSpace(key) == "":
		return &invalid{"the key is blank"}
	case len(key) > 1024:
		return &invalid{fmt.Sprintf("the key has %d bytes; 1024 is the most", len(key))}
	case !utf8.ValidString(key):
		return &invalid{"the key is not UTF-8"}
	}
	return nil
}
