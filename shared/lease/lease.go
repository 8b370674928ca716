// Package lease is mutual exclusion through an object store: whoever holds the lease on a key may work, everybody else waits.
//
// It guarantees one holder at a time, on stores that honour conditional writes and on stores that ignore them, and that a
// holder which died does not block the others for longer than the lease's time to live.
//
// # How
//
// The lease is a small object with the holder's name and a random token. The holder rewrites it three times per time to live. A
// waiting contender compares what it reads with what it read before: when nothing changed for a whole time to live, by the
// contender's own clock, the holder is dead and the lease may be taken over. Clocks of different machines are never compared.
//
// Every claim is a conditional write (only if there is no object; only if it is still the stale one), which is then repeated
// under the same condition. A store that honours conditions refuses the repetition. One that does not refuse it ignores
// conditions, and then the claim has to settle: wait, read back, and yield if somebody else's claim came later. A claim that took
// longer than the settling time of the others is not trusted but made anew.
//
// The holder gives up by itself, before anybody may take over, when it could not renew for a time to live; the context of
// its lease ends then.
//
// What no lease through a store can exclude is a holder that is stopped as a whole (a frozen machine) and does not notice, and a
// deletion that the store carries out long after its sender gave up on it, which has no condition to stop it. A holder must
// call [Lease.Check] right before a step that cannot be taken back.
package lease

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrHeld: somebody else holds the lease, and Options.NoWait was set. The error is a *HeldError.
	ErrHeld = errors.New("lease is held")
	// ErrLost: the lease was ours and is not any more, or may not be any more.
	ErrLost = errors.New("lease is lost")
)

// Holder is who holds a lease, as its object says.
type Holder struct {
	Owner string    // Options.Owner of the holder; empty if the object is not one of this package's
	Since time.Time // by the holder's clock, for people; zero if the object does not say
}

// HeldError names the holder of a lease that was not waited for. It is an ErrHeld.
type HeldError struct {
	Key    string
	Holder Holder
}

func (e *HeldError) Error() string {
	if e.Holder.Owner == "" {
		return fmt.Sprintf("lease %s is held by somebody unknown", e.Key)
	}
	return fmt.Sprintf("lease %s is held by %s since %s", e.Key, e.Holder.Owner, e.Holder.Since.UTC().Format(time.RFC3339))
}

// Is makes errors.Is(err, ErrHeld) true.
func (e *HeldError) Is(target error) bool { return target == ErrHeld }

// Options are the terms of a lease. All contenders for a key must have the same TTL and Settle. The zero value is useful.
type Options struct {
	Owner  string        // who asks, for people: it is shown to those who wait; default "unknown"
	TTL    time.Duration // after which an unrenewed lease passes on; default 30 s
	Settle time.Duration // how long a claim stays open to be overwritten on a store that ignores conditions; default 2 s
	Poll   time.Duration // how often a waiting contender looks, give or take a half; default a tenth of TTL, at most 1 s
	NoWait bool          // return a *HeldError instead of waiting for the holder

	// Note is called whenever the lease is renewed, and what it returns stands in the lease's object for those who look at it: what the holder says of its
	// work. It must return at once. Default: nothing.
	Note func() string

	// OnWait is called when waiting begins, and again whenever the holder waited for is another one.
	OnWait func(Holder)

	Now      func() time.Time // default time.Now; elapsed time is measured with its monotonic part
	NewToken func() string    // a text that nobody else ever uses; default random
	Jitter   func() float64   // in [0,1), spreads the contenders; default random
}

func (o Options) withDefaults() Options {
	if o.Owner == "" {
		o.Owner = "unknown"
	}
	if o.TTL <= 0 {
		o.TTL = 30 * time.Second
	}
	if o.Settle <= 0 {
		o.Settle = 2 * time.Second
	}
	if o.Poll <= 0 {
		o.Poll = min(o.TTL/10, time.Second)
	}
	if o.Note == nil {
		o.Note = func() string { return "" }
	}
	if o.OnWait == nil {
		o.OnWait = func(Holder) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewToken == nil {
		o.NewToken = rand.Text
	}
	if o.Jitter == nil {
		o.Jitter = mathrand.Float64
	}
	return o
}

// Acquire waits for the lease on an object key and returns it held and renewed in the background until Release. The lease is bound
// to ctx: when ctx ends, so does the lease's context, and the lease is not renewed any more.
//
// The error is ctx's, a *HeldError, or the store's; then nothing is held.
func Acquire(ctx context.Context, s store.Store, key string, opts Options) (*Lease, error) {
	opts = opts.withDefaults()
	if opts.Settle >= opts.TTL/3 {
		return nil, fmt.Errorf("acquire lease %s: settling (%s) must take less than a third of the time to live (%s)", key, opts.Settle, opts.TTL)
	}
	c := &claimant{
		object: object{store: s, key: key},
		opts:   opts,
		record: record{Owner: opts.Owner, Token: opts.NewToken(), Since: opts.Now().UTC()},
	}
	lease, err := c.acquire(ctx)
	if err != nil {
		// A write that came late may lie upon the object of a holder, who finds out because it is there: it has to grow stale.
		if c.wrote && !c.late {
			c.withdraw(ctx)
		}
		return nil, fmt.Errorf("acquire lease %s: %w", key, err)
	}
	return lease, nil
}

// sleep waits, or returns the context's error when that ends first.
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
