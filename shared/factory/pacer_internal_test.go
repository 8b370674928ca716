package factory

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pace sends n requests through a pacer with some workers and returns when each was sent, counted from the start.
func pace(t *testing.T, p *pacer, workers, n int, sent func(wave, number int)) []time.Duration {
	t.Helper()
	started := time.Now()
	var (
		mu   sync.Mutex
		at   []time.Duration
		wait sync.WaitGroup
	)
	for range workers {
		wait.Go(func() {
			for {
				mu.Lock()
				if n == 0 {
					mu.Unlock()
					return
				}
				n--
				mu.Unlock()
				wave, err := p.wait(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				at = append(at, time.Since(started))
				number := len(at)
				mu.Unlock()
				sent(wave, number)
			}
		})
	}
	wait.Wait()
	slices.Sort(at)
	return at
}

// most is the highest number of requests within one second.
func most(at []time.Duration) (highest int) {
	for i := range at {
		n := 0
		for _, later := range at[i:] {
			if later-at[i] < time.Second {
				n++
			}
		}
		highest = max(highest, n)
	}
	return highest
}

func TestPacer(t *testing.T) {
	t.Parallel()
	t.Run("no second has more requests than the rate, whatever the number of workers", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			p := newPacer(10, time.Now, sleep)
			at := pace(t, p, 32, 100, func(int, int) { p.succeeded() })
			if n := most(at); n != 10 {
				t.Errorf("%d requests in one second", n)
			}
			if last := at[len(at)-1]; last > 10*time.Second*104/100 {
				t.Errorf("100 requests took %s", last)
			}
		})
	})

	t.Run("an idle pacer saves nothing up", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			p := newPacer(10, time.Now, sleep)
			time.Sleep(time.Hour)
			if n := most(pace(t, p, 32, 40, func(int, int) {})); n != 10 {
				t.Errorf("%d requests in one second", n)
			}
		})
	})

	t.Run("a refusal makes everybody pause, and nobody starts at once after it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			p := newPacer(10, time.Now, sleep)
			at := pace(t, p, 32, 60, func(wave, number int) {
				if number == 20 {
					p.throttled(wave, 7*time.Second)
				} else {
					p.succeeded()
				}
			})
			paused := at[19]
			for _, d := range at[20:] {
				if d < paused+7*time.Second {
					t.Errorf("sent %s after the refusal", d-paused)
				}
			}
			if n := most(at[20:30]); n > 6 { // It begins to grow back at once.
				t.Errorf("%d requests in a second after the rate was halved to 5", n)
			}
		})
	})

	t.Run("the rate halves once for a wave of refusals, and not below a sixteenth", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			p := newPacer(16, time.Now, sleep)
			for range 30 {
				p.throttled(0, time.Second)
			}
			if p.limiter.Limit() != 8*margin {
				t.Errorf("rate %v after one wave", p.limiter.Limit())
			}
			for wave := range 30 {
				p.throttled(wave+1, time.Second)
			}
			if p.limiter.Limit() != margin {
				t.Errorf("rate %v after many waves", p.limiter.Limit())
			}
		})
	})

	t.Run("the rate returns in seconds to a little below what was refused, and then slowly to what it was", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			p := newPacer(20, time.Now, sleep)
			p.throttled(0, time.Second)
			for range 100 {
				p.succeeded()
			}
			if p.limiter.Limit() != 10*margin {
				t.Errorf("rate %v at once", p.limiter.Limit())
			}
			time.Sleep(time.Second) // the pause
			seconds := 0
			for ; p.limiter.Limit() < p.full; seconds++ {
				before := p.limiter.Limit()
				time.Sleep(time.Second)
				p.succeeded()
				p.succeeded()
				now := p.limiter.Limit()
				if now <= before || now > before+max((0.95*p.full-before)/2, p.full/50)+1e-9 {
					t.Fatalf("rate %v after %v", now, before)
				}
				if seconds == 3 && now < 0.9*p.full {
					t.Errorf("rate %v after 4 seconds, the full one is %v", now, p.full)
				}
			}
			if seconds < 5 || seconds > 10 {
				t.Errorf("back after %d seconds", seconds)
			}
		})
	})

	t.Run("where the service allows half of the rate, few requests are refused", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			const allowed = 10
			p := newPacer(2*allowed, time.Now, sleep)
			var mu sync.Mutex
			var second, inSecond, refused int
			at := pace(t, p, 8, 2000, func(wave, _ int) {
				mu.Lock()
				if now := int(time.Now().Unix()); now != second {
					second, inSecond = now, 0
				}
				inSecond++
				over := inSecond > allowed
				if over {
					refused++
				}
				mu.Unlock()
				if over {
					p.throttled(wave, 500*time.Millisecond)
				} else {
					p.succeeded()
				}
			})
			took := at[len(at)-1]
			if refused > 60 || took > 290*time.Second {
				t.Errorf("%d of 2000 refused, in %s", refused, took)
			}
		})
	})

	t.Run("a pause past the deadline fails at once, a shorter one is waited for", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			p := newPacer(10, time.Now, sleep)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			started := time.Now()
			p.throttled(0, 30*time.Second)
			if _, err := p.wait(ctx); err != nil || time.Since(started) < 30*time.Second {
				t.Errorf("%v after %s", err, time.Since(started))
			}
			p.throttled(1, 40*time.Second)
			started = time.Now()
			if _, err := p.wait(ctx); !errors.Is(err, ErrThrottled) || !errors.Is(err, context.DeadlineExceeded) ||
				ctx.Err() != nil || time.Since(started) != 0 {
				t.Errorf("%v after %s", err, time.Since(started))
			}
		})
	})

	t.Run("a wait ends with its context", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			p := newPacer(0.01, time.Now, sleep)
			reason := errors.New("the function is about to be stopped")
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, reason)
			defer cancel()
			if _, err := p.wait(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := p.wait(ctx); !errors.Is(err, reason) {
				t.Error(err)
			}
			if _, err := p.wait(ctx); !errors.Is(err, reason) {
				t.Error(err)
			}
		})
	})
}
