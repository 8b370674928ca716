package runtime

import "time"

// Waiting times between tries of an API that does not work: each about twice the one before.
const (
	firstWait = 50 * time.Millisecond // as in the developer guide's sample
	maxWait   = 5 * time.Second
)

// backoff counts the waiting time up.
type backoff struct {
	jitter func() float64 // in [0,1)
	last   time.Duration
}

// next is the time to wait now: between half and all of a time that doubles.
func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, firstWait), maxWait)
	return b.last/2 + time.Duration(b.jitter()*float64(b.last/2))
}

// reset starts anew after something worked.
func (b *backoff) reset() { b.last = 0 }
