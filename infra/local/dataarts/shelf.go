package dataarts

import (
	"slices"
	"time"
)

// asset is one revision of a job, a script, a resource, a connection or the list of environment variables. It is never changed.
type asset struct {
	id        string // decimal for jobs and scripts, as the client got it for resources
	name      string
	directory string // without a trailing slash; "/" is the root

	text    []byte // the definition: what the client sent without what the server owns
	version int
	// submitted is the definition of the newest version that was submitted; nil if there is none. Jobs only.
	submitted []byte
	// versions are the definitions of earlier versions by number. Jobs only.
	versions map[int][]byte

	createUser, modifyUser string
	created, modified      time.Time

	facts facts
	spans []member // of text; see members
}

// members returns the members of the asset's text, which are looked for once. The caller holds the service's lock.
func (a *asset) members() []member {
	if a.spans == nil {
		a.spans = members(a.text)
	}
	return a.spans
}

// shelf holds the assets of one kind in the order in which they were created. Writers see it as it is; readers may see it as it was a while
// ago, because the service is only eventually consistent.
type shelf struct {
	byKey map[string]*entry
	order []*entry
}

type entry struct {
	key     string
	history []revision // oldest first; the last one is what writers see
}

// revision is an asset from some moment on; nil from its deletion on.
type revision struct {
	asset *asset
	at    time.Time
	reads int // how many reads the workspace had served before
}

// view is a reader's position.
type view struct {
	now   time.Time
	reads int
	stale time.Duration
	lag   int
}

func (v view) sees(r revision) bool {
	return !v.now.Before(r.at.Add(v.stale)) && v.reads-r.reads > v.lag
}

// current returns what writers see, nil for none.
func (s *shelf) current(key string) *asset {
	e := s.byKey[key]
	if e == nil {
		return nil
	}
	return e.history[len(e.history)-1].asset
}

// put makes a revision the current one; a nil asset deletes.
func (s *shelf) put(key string, r revision) {
	if s.byKey == nil {
		s.byKey = map[string]*entry{}
	}
	e := s.byKey[key]
	if e == nil {
		e = &entry{key: key, history: []revision{{}}}
		s.byKey[key] = e
		s.order = append(s.order, e)
	} else if e.history[len(e.history)-1].asset == nil {
		// Created again: it goes to the end of the list like any new asset.
		at := slices.Index(s.order, e)
		s.order = append(slices.Delete(s.order, at, at+1), e)
	}
	e.history = append(e.history, r)
}

// move gives an entry another place in the order, the last one if there are not so many. It reports whether there is such an entry.
func (s *shelf) move(key string, to int) bool {
	e := s.byKey[key]
	if e == nil {
		return false
	}
	at := slices.Index(s.order, e)
	s.order = slices.Delete(s.order, at, at+1)
	s.order = slices.Insert(s.order, min(max(to, 0), len(s.order)), e)
	return true
}

// seed makes an asset current and visible at once.
func (s *shelf) seed(key string, a *asset) {
	s.put(key, revision{asset: a})
	e := s.byKey[key]
	e.history = e.history[len(e.history)-1:]
}

// seen returns what a reader sees under a key, nil for none.
func (s *shelf) seen(key string, v view) *asset {
	e := s.byKey[key]
	if e == nil {
		return nil
	}
	return e.seen(v)
}

func (e *entry) seen(v view) *asset {
	for i := len(e.history) - 1; i > 0; i-- {
		if v.sees(e.history[i]) {
			// What is older will not be seen again.
			e.history = slices.Delete(e.history, 0, i)
			break
		}
	}
	return e.history[0].asset
}

// list returns what a reader sees, in order.
func (s *shelf) list(v view) []*asset {
	seen := make([]*asset, 0, len(s.order))
	s.order = slices.DeleteFunc(s.order, func(e *entry) bool {
		a := e.seen(v)
		if a != nil {
			seen = append(seen, a)
		}
		gone := a == nil && len(e.history) == 1
		if gone {
			delete(s.byKey, e.key)
		}
		return gone
	})
	return seen
}

// all returns what writers see, in order.
func (s *shelf) all() []*asset {
	var found []*asset
	for _, e := range s.order {
		if a := e.history[len(e.history)-1].asset; a != nil {
			found = append(found, a)
		}
	}
	return found
}

// count is the number of assets that writers see and that fit.
func (s *shelf) count(fits func(*asset) bool) int {
	n := 0
	for _, e := range s.order {
		if a := e.history[len(e.history)-1].asset; a != nil && fits(a) {
			n++
		}
	}
	return n
}
