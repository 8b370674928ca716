package handler

import (
	"slices"
	"sync"
)

// memory keeps what was found out at some expense, between the invocations that one process serves. It is bounded: what was not asked for longest goes first.
// It is safe for concurrent use. A nil memory keeps nothing.
type memory[V any] struct {
	most int

	mu      sync.Mutex
	entries map[string]memo[V]
	uses    uint64
}

type memo[V any] struct {
	value V
	used  uint64
}

func newMemory[V any](most int) *memory[V] {
	return &memory[V]{most: most, entries: map[string]memo[V]{}}
}

// recall returns what is kept under a key. An empty key is none.
func (m *memory[V]) recall(key string) (value V, ok bool) {
	if m == nil || key == "" {
		return value, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	found, ok := m.entries[key]
	if ok {
		m.uses++
		found.used = m.uses
		m.entries[key] = found
	}
	return found.value, ok
}

// keep keeps a value under a key. It must not be changed any more.
func (m *memory[V]) keep(key string, value V) {
	if m == nil || key == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.uses++
	m.entries[key] = memo[V]{value, m.uses}
	if len(m.entries) <= m.most {
		return
	}
	// A quarter at a time, so that not every new entry costs a look at all of them.
	uses := make([]uint64, 0, len(m.entries))
	for _, e := range m.entries {
		uses = append(uses, e.used)
	}
	slices.Sort(uses)
	oldest := uses[len(uses)/4]
	for key, e := range m.entries {
		if e.used <= oldest {
			delete(m.entries, key)
		}
	}
}
