package lease_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

const key = "dataarts/.lease"

// stores are the kinds of store there are, by what they do with conditions.
func stores() map[string]*memory {
	return map[string]*memory{
		"a store that honours conditions":              {},
		"a store that ignores conditions":              {ignoreIfNoneMatch: true, ignoreIfMatch: true},
		"a store that knows only If-None-Match":        {ignoreIfMatch: true},
		"a store that refuses every If-Match":          {refuseIfMatch: true},
		"a store that only honours If-Match, not none": {ignoreIfNoneMatch: true},
	}
}

// onEveryStore runs a test in its own bubble of time for each kind of store.
func onEveryStore(t *testing.T, test func(t *testing.T, m *memory)) {
	t.Helper()
	for name, m := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, m) })
		})
	}
}

func acquire(t *testing.T, s store.Store, opts lease.Options) *lease.Lease {
	t.Helper()
	l, err := lease.Acquire(t.Context(), s, key, opts)
	if err != nil {
		t.Fatalf("Acquire(%s): %v", opts.Owner, err)
	}
	return l
}

func release(t *testing.T, l *lease.Lease) {
	t.Helper()
	if err := l.Release(context.WithoutCancel(t.Context())); err != nil {
		t.Errorf("Release: %v", err)
	}
}

// room counts who is inside.
type room struct {
	mu     sync.Mutex
	inside map[string]*lease.Lease
	visits int
}

// enter reports everybody who believes to be the holder at the same moment.
func (r *room) enter(t *testing.T, name string, l *lease.Lease) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for other, held := range r.inside {
		if held.Context().Err() == nil {
			t.Errorf("%s and %s hold the lease at the same time", name, other)
		}
	}
	if r.inside == nil {
		r.inside = map[string]*lease.Lease{}
	}
	r.inside[name] = l
	r.visits++
}

func (r *room) leave(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.inside, name)
}

func TestLease_FiftyContendersOneAtATime(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, m *memory) {
		var everybody sync.WaitGroup
		var inside room
		for i := range 50 {
			everybody.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), 1))
				var mu sync.Mutex
				below := func(limit time.Duration) time.Duration {
					mu.Lock()
					defer mu.Unlock()
					return time.Duration(random.Int64N(int64(limit)))
				}
				c := &client{memory: m}
				c.setDelay(func(string) (before, after time.Duration) {
					return below(300 * time.Millisecond), below(300 * time.Millisecond)
				})
				time.Sleep(below(3 * time.Second))
				name := fmt.Sprint("contender ", i)
				l := acquire(t, c, lease.Options{Owner: name})
				inside.enter(t, name, l)
				time.Sleep(below(40 * time.Second)) // some for longer than the time to live
				if err := l.Context().Err(); err != nil {
					t.Errorf("%s lost the lease: %v", name, context.Cause(l.Context()))
				}
				if err := l.Check(t.Context()); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				inside.leave(name)
				release(t, l)
			})
		}
		everybody.Wait()
		if inside.visits != 50 {
			t.Errorf("%d of 50 contenders came in", inside.visits)
		}
		if m.has(key) {
			t.Error("the lease's object was left behind")
		}
	})
}

func TestLease_SlowAndLossyStoreNeverHasTwoHolders(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, m *memory) {
		for round := range 10 {
			slowAndLossy(t, m, uint64(round))
		}
	})
}

func slowAndLossy(t *testing.T, m *memory, seed uint64) {
	t.Helper()
	key := fmt.Sprint(key, seed)
	var everybody sync.WaitGroup
	var inside room
	for i := range 20 {
		everybody.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), seed))
			var mu sync.Mutex
			draw := func(n int64) int64 {
				mu.Lock()
				defer mu.Unlock()
				return random.Int64N(n)
			}
			c := &client{memory: m, lose: func(string) bool { return draw(50) == 0 }}
			c.setDelay(func(string) (before, after time.Duration) {
				if draw(20) == 0 { // now and then a request hangs for longer than anybody settles
					return time.Duration(draw(int64(40 * time.Second))), 0
				}
				return time.Duration(draw(int64(200 * time.Millisecond))), 0
			})
			for visit := range 3 {
				name := fmt.Sprintf("contender %d, visit %d", i, visit)
				l, err := lease.Acquire(t.Context(), c, key, lease.Options{Owner: name})
				if err != nil {
					time.Sleep(time.Minute)
					continue
				}
				// Only what Check confirms counts: a late write may take a lease away from its holder.
				if l.Check(t.Context()) == nil {
					inside.enter(t, name, l)
					select {
					case <-time.After(time.Duration(draw(int64(20 * time.Second)))):
					case <-l.Context().Done():
					}
					inside.leave(name)
				}
				_ = l.Release(t.Context()) // the store is allowed to fail
			}
		})
	}
	everybody.Wait()
	time.Sleep(time.Minute) // everything that was late arrives while there is still time in this bubble
	if inside.visits == 0 {
		t.Error("nobody ever came in")
	}
}

func TestLease_HolderThatDiedPassesItOn(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, m *memory) {
		dying, die := context.WithCancel(t.Context())
		first, err := lease.Acquire(dying, &client{memory: m}, key, lease.Options{Owner: "first"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Second)
		die() // without a release
		died := time.Now()
		var waited []lease.Holder
		second := acquire(t, &client{memory: m}, lease.Options{Owner: "second", OnWait: func(h lease.Holder) { waited = append(waited, h) }})
		defer release(t, second)
		if took := time.Since(died); took < 30*time.Second || took > 36*time.Second {
			t.Errorf("the lease passed on after %s, want about 30s and the settling", took)
		}
		if len(waited) != 1 || waited[0].Owner != "first" || waited[0].Since.IsZero() {
			t.Errorf("waited for %+v, want for the first alone", waited)
		}
		if err := first.Check(t.Context()); !errors.Is(err, lease.ErrLost) {
			t.Errorf("the dead holder's Check gives %v", err)
		}
	})
}

func TestLease_HolderCutOffFromTheStoreLosesItBeforeTheNextHasIt(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, m *memory) {
		cut := &client{memory: m}
		first := acquire(t, cut, lease.Options{Owner: "first"})
		time.Sleep(12 * time.Second)
		cut.setDelay(func(string) (before, after time.Duration) { return 75 * time.Second, 0 }) // requests arrive far too late
		second := acquire(t, &client{memory: m}, lease.Options{Owner: "second"})
		if first.Context().Err() == nil {
			t.Fatal("two holders at the same time")
		}
		if cause := context.Cause(first.Context()); !errors.Is(cause, lease.ErrLost) || !strings.Contains(cause.Error(), "could not be renewed for 30s") {
			t.Errorf("the first lease ended with %v", cause)
		}
		if err := first.Check(t.Context()); !errors.Is(err, lease.ErrLost) {
			t.Errorf("Check gives %v", err)
		}
		cut.setDelay(nil)
		release(t, first)
		if err := second.Check(t.Context()); err != nil {
			t.Errorf("releasing a lost lease took the next one away: %v", err)
		}
		time.Sleep(2 * time.Minute) // all that was late has arrived
		if err := second.Check(t.Context()); err != nil {
			t.Errorf("after all late requests: %v", err)
		}
		release(t, second)
	})
}

func TestLease_ALateWriteEndsTheLeaseItOverwrites(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, m *memory) {
		l := acquire(t, &client{memory: m}, lease.Options{Owner: "first"})
		intruder := &client{memory: m}
		if _, err := intruder.Put(t.Context(), key, []byte(`{"owner":"late","token":"x"}`), store.Condition{}); err != nil {
			t.Fatal(err)
		}
		if err := l.Check(t.Context()); !errors.Is(err, lease.ErrLost) || !strings.Contains(err.Error(), "passed to late") {
			t.Errorf("Check gives %v", err)
		}
		if l.Context().Err() == nil {
			t.Error("the context goes on")
		}
		release(t, l)
		if !m.has(key) {
			t.Error("a lost lease's release deleted the object of its successor")
		}
	})
}

func TestLease_RenewalNoticesALoss(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, m *memory) {
		l := acquire(t, &client{memory: m}, lease.Options{})
		if err := (&client{memory: m}).Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		select {
		case <-l.Context().Done():
		case <-time.After(11 * time.Second):
			t.Fatal("the loss was not noticed within a third of the time to live")
		}
		if cause := context.Cause(l.Context()); !errors.Is(cause, lease.ErrLost) || !strings.Contains(cause.Error(), "was deleted") {
			t.Errorf("the cause is %v", cause)
		}
		if m.has(key) {
			t.Error("a lost lease was written anew")
		}
	})
}

func TestLease_SurvivesAFailureOfTheStore(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, m *memory) {
		c := &client{memory: m}
		l := acquire(t, c, lease.Options{})
		c.mu.Lock()
		began := time.Now()
		c.lose = func(string) bool { return time.Since(began) < 25*time.Second }
		c.mu.Unlock()
		time.Sleep(3 * time.Minute)
		if err := l.Check(t.Context()); err != nil {
			t.Errorf("after 25 seconds without answers: %v", err)
		}
		release(t, l)
	})
}

func TestLease_ALostAnswerToTheFirstWriteIsFoundOut(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, m *memory) {
		lost := false
		c := &client{memory: m, lose: func(operation string) bool {
			if operation != "put" || lost {
				return false
			}
			lost = true
			return true
		}}
		began := time.Now()
		l := acquire(t, c, lease.Options{})
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %s to take a lease that was free", took)
		}
		release(t, l)
	})
}

func TestAcquire_NoWait(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, m *memory) {
		first := acquire(t, &client{memory: m}, lease.Options{Owner: "first", NoWait: true})
		_, err := lease.Acquire(t.Context(), &client{memory: m}, key, lease.Options{Owner: "second", NoWait: true})
		var held *lease.HeldError
		if !errors.Is(err, lease.ErrHeld) || !errors.As(err, &held) || held.Holder.Owner != "first" || !strings.Contains(err.Error(), "is held by first since 2000-01-01T") {
			t.Errorf("got %v", err)
		}
		release(t, first)
		release(t, acquire(t, &client{memory: m}, lease.Options{NoWait: true}))
	})
}

func TestAcquire_CancelledLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, m *memory) {
		c := &client{memory: m}
		c.setDelay(func(string) (before, after time.Duration) { return 0, 200 * time.Millisecond })
		// At every moment of an acquisition.
		for wait := 50 * time.Millisecond; wait < 3*time.Second; wait += 100 * time.Millisecond {
			ctx, cancel := context.WithTimeout(t.Context(), wait)
			l, err := lease.Acquire(ctx, c, key, lease.Options{})
			if err == nil {
				release(t, l)
			} else if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after %s: %v", wait, err)
			}
			cancel()
			if m.has(key) {
				t.Fatalf("cancelled after %s, the object was left behind", wait)
			}
		}
	})
}

func TestAcquire_ForeignObjectIsAHolderToo(t *testing.T) {
	t.Parallel()
	onEveryStore(t, func(t *testing.T, m *memory) {
		c := &client{memory: m}
		if _, err := c.Put(t.Context(), key, []byte("not a lease"), store.Condition{}); err != nil {
			t.Fatal(err)
		}
		if _, err := lease.Acquire(t.Context(), c, key, lease.Options{NoWait: true}); !errors.Is(err, lease.ErrHeld) || !strings.Contains(err.Error(), "somebody unknown") {
			t.Errorf("got %v", err)
		}
		release(t, acquire(t, c, lease.Options{}))
	})
}

func TestAcquire_StoreTooSlowToSettleIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &client{memory: &memory{ignoreIfMatch: true, ignoreIfNoneMatch: true}}
		c.setDelay(func(operation string) (before, after time.Duration) { return 0, 3 * time.Second })
		if _, err := lease.Acquire(t.Context(), c, key, lease.Options{}); err == nil || !strings.Contains(err.Error(), "too slow") {
			t.Errorf("got %v", err)
		}
	})
}

func TestAcquire_RefusesTermsThatCannotHold(t *testing.T) {
	t.Parallel()
	_, err := lease.Acquire(t.Context(), &client{memory: &memory{}}, key, lease.Options{TTL: 3 * time.Second, Settle: time.Second})
	if err == nil || !strings.Contains(err.Error(), "third") {
		t.Errorf("got %v", err)
	}
}

func TestAcquire_CostsLittleWhereConditionsAreHonoured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		began := time.Now()
		l := acquire(t, &client{memory: m}, lease.Options{})
		if time.Since(began) != 0 || m.puts != 2 {
			t.Errorf("a free lease took %s and %d writes, want no waiting and 2 writes", time.Since(began), m.puts)
		}
		release(t, l)
		release(t, l) // releasing twice is allowed
	})
}
