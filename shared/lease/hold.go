package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Lease is a lease that was acquired. Its methods are safe for concurrent use.
type Lease struct {
	object
	opts   Options
	token  string // what makes the object ours
	record record // what was written last; owned by the renewing goroutine

	ctx    context.Context // what Context returns
	cancel context.CancelCauseFunc
	stop   chan struct{} // closed by Release: renew no more
	done   chan struct{} // closed when the renewing goroutine has ended
	once   sync.Once     // closes stop

	renewed time.Time // when the last write that surely arrived began; owned by the renewing goroutine until it ends
}

// hold starts to renew a lease that was won with a write that began at the given time.
func (c *claimant) hold(ctx context.Context, written time.Time) *Lease {
	l := &Lease{
		object: c.object, opts: c.opts, token: c.record.Token, record: c.record, renewed: written,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	go l.keep()
	return l
}

// Context ends when the lease is lost, with a cause (context.Cause) that is an ErrLost and says how; when the lease is
// released; or with the context that the lease was acquired with. Work under the lease belongs under this context.
func (l *Lease) Context() context.Context { return l.ctx }

// Check asks the store whether the lease is still ours. It is meant for the moment right before a step that cannot be taken back.
// Errors: ErrLost, and those of the store, after which nothing is known. A lease found lost ends its context.
func (l *Lease) Check(ctx context.Context) error {
	if l.ctx.Err() != nil {
		return l.ended()
	}
	now, err := l.read(ctx)
	if err != nil {
		return fmt.Errorf("check lease %s: %w", l.key, err)
	}
	if now.record.Token != l.token {
		l.cancel(l.lost(now))
	}
	// The context may also have ended during the reading.
	if l.ctx.Err() != nil {
		return l.ended()
	}
	return nil
}

// ended is the error of a lease whose context has ended.
func (l *Lease) ended() error {
	if cause := context.Cause(l.ctx); errors.Is(cause, ErrLost) {
		return cause
	}
	return fmt.Errorf("%w: lease %s is not held any more: %w", ErrLost, l.key, context.Cause(l.ctx))
}

// Release ends the lease and deletes its object if it is still ours, so that the next contender need not wait for it to grow
// stale. Releasing a lost lease, or one released before, does nothing. After an error the lease is not held, but others
// may have to wait for its time to live.
func (l *Lease) Release(ctx context.Context) error {
	first := false
	l.once.Do(func() { close(l.stop); first = true })
	select { // a write that is under way must not arrive after the deletion
	case <-l.done:
	case <-ctx.Done():
		l.cancel(nil)
		return fmt.Errorf("release lease %s: %w", l.key, context.Cause(ctx))
	}
	lost := errors.Is(context.Cause(l.ctx), ErrLost)
	l.cancel(nil)
	// Past its time to live the object may be about to be somebody else's, and a deletion has no condition.
	if !first || lost || l.remaining() <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.remaining())
	defer cancel()
	now, err := l.read(ctx)
	if err == nil && now.exists && now.record.Token == l.token {
		err = l.store.Delete(ctx, l.key)
	}
	if err != nil {
		return fmt.Errorf("release lease %s: %w", l.key, err)
	}
	return nil
}

// remaining is how long the lease is ours without another renewal.
func (l *Lease) remaining() time.Duration { return l.opts.TTL - l.opts.Now().Sub(l.renewed) }

// keep renews the lease until it is lost, released or its context ends.
func (l *Lease) keep() {
	defer close(l.done)
	for {
		// After a failed renewal, remaining has shrunk below two thirds: try again soon.
		wait := max(l.remaining()-l.opts.TTL*2/3, min(l.opts.TTL/10, l.remaining()))
		timer := time.NewTimer(max(wait, 0))
		select {
		case <-l.stop:
			timer.Stop()
			return
		case <-l.ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if err := l.renewInTime(); err != nil {
			l.cancel(err)
			return
		}
	}
}

// renewInTime tries to renew once. Its error means that the lease is lost; a renewal that failed is none while there is time left.
func (l *Lease) renewInTime() error {
	if l.remaining() <= 0 {
		return l.notRenewed()
	}
	// Not under the lease's own context: a renewal that is cut off may still arrive, after Release has deleted the object.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), l.remaining())
	defer cancel()
	expired := context.AfterFunc(ctx, func() { l.cancel(l.notRenewed()) }) // the work ends at once, whatever the store does
	defer expired()
	err := l.renew(ctx)
	switch {
	case errors.Is(err, ErrLost):
		return err
	case l.remaining() <= 0:
		return errors.Join(l.notRenewed(), err)
	}
	return nil
}

// renew reads the object, because a store that ignores conditions would let us overwrite a successor, and writes it anew.
func (l *Lease) renew(ctx context.Context) error {
	now, err := l.read(ctx)
	if err != nil {
		return err
	}
	if now.record.Token != l.token {
		return l.lost(now)
	}
	err = l.rewrite(ctx, store.Condition{IfMatch: now.etag})
	if !errors.Is(err, store.ErrPrecondition) {
		return err
	}
	again, err := l.read(ctx)
	switch {
	case err != nil:
		return err
	case again.record.Token != l.token:
		return l.lost(again)
	}
	// Still ours: the store refuses every If-Match, as RGW 16 does.
	return l.rewrite(ctx, store.Condition{})
}

func (l *Lease) rewrite(ctx context.Context, condition store.Condition) error {
	if l.remaining() <= 0 {
		return l.notRenewed()
	}
	began := l.opts.Now()
	l.record.RenewedCount++
	l.record.Note = noteOf(l.opts)
	if err := l.write(ctx, l.record, condition); err != nil {
		return err
	}
	l.renewed = began
	return nil
}

// notRenewed is the error of a lease whose time to live is over.
func (l *Lease) notRenewed() error {
	return fmt.Errorf("%w: lease %s could not be renewed for %s", ErrLost, l.key, l.opts.TTL)
}

// lost is the error of a lease whose object is in somebody else's state.
func (l *Lease) lost(now state) error {
	switch {
	case !now.exists:
		return fmt.Errorf("%w: lease %s was deleted", ErrLost, l.key)
	case now.record.Owner == "":
		return fmt.Errorf("%w: lease %s was overwritten", ErrLost, l.key)
	}
	return fmt.Errorf("%w: lease %s passed to %s", ErrLost, l.key, now.record.Owner)
}
