package factory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxPause is the longest pause that a Retry-After can ask for. A longer one fails the call instead.
	maxPause = 5 * time.Minute
	// slowest is the part of the full rate below which throttling does not push the rate.
	slowest = 1.0 / 16
	// margin is the part of the configured rate that is really sent: requests sent evenly do not arrive evenly, and a service that
	// counts them second by second would otherwise refuse one of a second's last.
	margin = 0.98
	// safe is the part of a rate that was refused to which the rate returns first.
	safe = 0.95
	// creep is the part of the full rate that is added in a second above what is known to be safe.
	creep = 1.0 / 50
)

// pacer spaces the requests of all workers to one API.
//
// It adapts: when the API throttles, everybody pauses and the rate halves, once for each wave of refusals. Then it returns to a little
// below the rate that was refused, half of the way in each second in which requests succeed, and from there creeps up to the full rate.
type pacer struct {
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
	full  rate.Limit

	mu      sync.Mutex
	limiter *rate.Limiter
	goal    rate.Limit // where the rate returns to before it creeps
	paused  time.Time  // nobody sends before
	wave    int        // how often the rate was halved
	changed time.Time  // when the rate last changed, or the pause after that ends
}

// newPacer paces to a little less than perSecond requests a second, one by one: the service counts within a second, so there is no burst.
func newPacer(perSecond float64, now func() time.Time, sleep func(context.Context, time.Duration) error) *pacer {
	full := rate.Limit(perSecond * margin)
	return &pacer{now: now, sleep: sleep, full: full, goal: full, limiter: rate.NewLimiter(full, 1), changed: now()}
}

// wait returns when the caller may send one request, with the wave in which it is sent. It fails when ctx ends, or at once
// with ErrThrottled and context.DeadlineExceeded when the API's pause lasts longer than ctx.
func (p *pacer) wait(ctx context.Context) (wave int, err error) {
	for {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		now := p.now()
		until, slot, reservation := p.reserve(now)
		if deadline, ok := ctx.Deadline(); ok && until.After(deadline) {
			return 0, fmt.Errorf("%w: the service asked for a pause until %s, which is too late: %w",
				ErrThrottled, until.UTC().Format(time.RFC3339), context.DeadlineExceeded)
		}
		if slot > 0 {
			if err := p.sleep(ctx, slot); err != nil {
				if reservation != nil {
					reservation.CancelAt(p.now())
				}
				return 0, err
			}
		}
		if reservation == nil {
			continue
		}
		p.mu.Lock()
		wave, until = p.wave, p.paused
		p.mu.Unlock()
		if !until.After(p.now()) {
			return wave, nil
		}
		// A pause began while this one waited for its slot. It takes a new slot after the pause, so that those who
		// waited do not all start at once.
	}
}

// reserve says how long to sleep: until the pause ends, without a reservation, or until the reserved slot.
func (p *pacer) reserve(now time.Time) (pausedUntil time.Time, d time.Duration, r *rate.Reservation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused.After(now) {
		return p.paused, p.paused.Sub(now), nil
	}
	r = p.limiter.ReserveN(now, 1)
	return time.Time{}, r.DelayFrom(now), r
}

// throttled tells the pacer that a request sent in this wave was refused, and for how long nobody should send.
func (p *pacer) throttled(wave int, pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if until := now.Add(min(pause, maxPause)); until.After(p.paused) {
		p.paused = until
	}
	if wave != p.wave {
		return // Sent before the rate was halved: it says nothing about the new rate.
	}
	p.wave++
	p.goal = max(p.full*slowest, p.limiter.Limit()*safe)
	p.limiter.SetLimitAt(now, max(p.full*slowest, p.limiter.Limit()/2))
	p.changed = p.paused // the pause itself proves nothing
}

// succeeded tells the pacer that a request was not refused.
func (p *pacer) succeeded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	limit := p.limiter.Limit()
	if limit >= p.full || now.Sub(p.changed) < time.Second {
		return
	}
	step := max((p.goal-limit)/2, p.full*creep)
	p.limiter.SetLimitAt(now, min(p.full, limit+step))
	p.changed = now
}
