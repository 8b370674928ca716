package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// claimant is one contender on its way to the lease.
type claimant struct {
	object
	opts   Options
	record record
	wrote  bool // a write was tried, so an object of ours may be there
	late   bool // a write may have come too late, upon somebody who had settled already

	watched   state     // the holder's object as last read
	unchanged time.Time // since when it has not changed
	waitedFor string    // the token of the holder that OnWait was told of
}

// maxSlow is how many claims in a row may be too slow to be trusted before the store is given up, and maxFailed how many writes in
// a row may fail. The store repeats requests by itself, so a failure here is a lasting one.
const (
	maxSlow   = 3
	maxFailed = 3
)

// outcome is how a claim ended that did not end in an error.
type outcome int

const (
	won     outcome = iota
	beaten          // somebody else was faster
	unclear         // the write may have arrived or not
	slow            // the claim took so long that others cannot know of it
)

func (c *claimant) acquire(ctx context.Context) (*Lease, error) {
	var slowClaims, failedWrites int
	for {
		started := c.opts.Now()
		seen, err := c.read(ctx)
		if err != nil {
			return nil, err
		}
		if c.mustWait(seen, started) {
			if c.opts.NoWait {
				return nil, &HeldError{Key: c.key, Holder: Holder{Owner: seen.record.Owner, Since: seen.record.Since}}
			}
			if err := sleep(ctx, c.pause()); err != nil {
				return nil, err
			}
			failedWrites = 0
			continue
		}
		written, result, err := c.claim(ctx, seen, started)
		c.late = c.late || result == slow
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if result == won {
			if age := c.opts.Now().Sub(written); age < c.opts.TTL/2 {
				return c.hold(ctx, written), nil
			}
			result = slow // too little is left of it
		}
		switch result {
		case beaten:
			failedWrites = 0
		case unclear:
			if failedWrites++; failedWrites == maxFailed {
				return nil, err
			}
			if err := sleep(ctx, c.pause()); err != nil {
				return nil, err
			}
		case slow:
			if slowClaims++; slowClaims == maxSlow {
				return nil, errors.Join(fmt.Errorf("the store is too slow: a claim has to be made within %s", c.opts.Settle), err)
			}
			// If this claim fell upon a holder that had settled before it arrived, that holder finds out within its TTL.
			if err := sleep(ctx, c.opts.TTL); err != nil {
				return nil, err
			}
		}
	}
}

// mustWait tells whether somebody else holds the lease who is not known to be dead. started is when the reading of seen began.
func (c *claimant) mustWait(seen state, started time.Time) bool {
	if !seen.exists || seen.record.Token == c.record.Token {
		c.watched = state{}
		return false
	}
	if !c.watched.same(seen) {
		c.watched, c.unchanged = seen, c.opts.Now()
		if c.waitedFor != seen.record.Token || seen.record.Token == "" {
			c.waitedFor = seen.record.Token
			if !c.opts.NoWait {
				c.opts.OnWait(Holder{Owner: seen.record.Owner, Since: seen.record.Since})
			}
		}
		return true
	}
	return started.Sub(c.unchanged) < c.opts.TTL
}

// claim tries to replace what was seen by an object of ours. It returns when the last write that counts began. started is when the
// reading of seen began: who writes later than Settle after it may overwrite somebody who has settled already.
func (c *claimant) claim(ctx context.Context, seen state, started time.Time) (written time.Time, result outcome, err error) {
	condition := seen.replaces()
	written = c.opts.Now()
	err = c.put(ctx, condition)
	if errors.Is(err, store.ErrPrecondition) {
		restarted := c.opts.Now()
		now, readErr := c.read(ctx)
		switch {
		case readErr != nil:
			return written, unclear, readErr
		case !seen.exists || !now.same(seen):
			return written, beaten, nil
		}
		// The object is just as it was, and still the store refuses the condition: RGW 16 does so for every If-Match.
		// What is left is to write without one, and to settle.
		started, condition = restarted, store.Condition{}
		written = c.opts.Now()
		err = c.put(ctx, condition)
	}
	// A write that arrived late counts, whether or not its answer was lost.
	late := func() bool { return c.opts.Now().Sub(started) > c.opts.Settle }
	switch {
	case err != nil && late():
		return written, slow, err
	case err != nil:
		return written, unclear, err
	}

	honoured := false
	if condition != (store.Condition{}) {
		again := c.opts.Now()
		err := c.put(ctx, condition)
		honoured = errors.Is(err, store.ErrPrecondition)
		if err == nil {
			written = again
		}
	}
	if honoured && condition.IfNoneMatch {
		return written, won, nil
	}
	if !honoured && late() {
		return written, slow, nil
	}
	// Taking over settles even where conditions are honoured: the dead may have had a last write under way.
	if err := sleep(ctx, c.opts.Settle); err != nil {
		return written, unclear, err
	}
	now, err := c.read(ctx)
	switch {
	case err != nil:
		return written, unclear, err
	case now.record.Token != c.record.Token:
		return written, beaten, nil
	}
	return written, won, nil
}

// put writes our object. Its bytes are new each time, so that a store which tells its own lost answers by the bytes never takes
// one write for the other.
func (c *claimant) put(ctx context.Context, condition store.Condition) error {
	c.wrote = true
	c.record.RenewedCount++
	return c.write(ctx, c.record, condition)
}

// pause is how long to wait before looking again.
func (c *claimant) pause() time.Duration {
	return time.Duration(float64(c.opts.Poll) * (0.5 + c.opts.Jitter()))
}

// withdraw removes our object after a failed acquisition, as far as that is possible, so that nobody waits for it to grow stale.
func (c *claimant) withdraw(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.opts.Settle)
	defer cancel()
	if now, err := c.read(ctx); err == nil && now.record.Token == c.record.Token {
		_ = c.store.Delete(ctx, c.key) // it grows stale otherwise
	}
}
