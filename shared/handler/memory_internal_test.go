package handler

import (
	"fmt"
	"sync"
	"testing"
)

func TestMemory(t *testing.T) {
	t.Parallel()

	t.Run("forgets_what_was_not_asked_for_longest", func(t *testing.T) {
		t.Parallel()
		m := newMemory[int](100)
		m.keep("wanted", -1)
		for i := range 1000 {
			m.keep(fmt.Sprint(i), i)
			if _, ok := m.recall("wanted"); !ok {
				t.Fatalf("forgotten after %d", i)
			}
			if len(m.entries) > 100 {
				t.Fatalf("%d entries", len(m.entries))
			}
		}
		if v, ok := m.recall("999"); !ok || v != 999 {
			t.Error("the newest is forgotten")
		}
		if _, ok := m.recall("0"); ok {
			t.Error("the oldest is kept")
		}
	})

	t.Run("keeps_nothing_without_a_key", func(t *testing.T) {
		t.Parallel()
		m := newMemory[int](10)
		m.keep("", 1)
		if _, ok := m.recall(""); ok {
			t.Error("kept")
		}
		var none *memory[int]
		none.keep("a", 1)
		if _, ok := none.recall("a"); ok {
			t.Error("kept by nobody")
		}
	})

	t.Run("serves_many_at_once", func(t *testing.T) {
		t.Parallel()
		m := newMemory[int](50)
		var everybody sync.WaitGroup
		for g := range 8 {
			everybody.Go(func() {
				for i := range 500 {
					key := fmt.Sprint((g + i) % 80)
					m.keep(key, (g+i)%80)
					if v, ok := m.recall(key); ok && fmt.Sprint(v) != key {
						t.Errorf("%s is %d", key, v)
					}
				}
			})
		}
		everybody.Wait()
	})
}
