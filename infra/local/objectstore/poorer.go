package objectstore

import (
	"net/http"
	"strings"
	"time"
)

// This file is what other stores do worse than OBS, or allow less.

// delay is how long listings lack an object that was written: forever if until is zero and lists is negative.
type delay struct {
	lists int
	until time.Time
}

// StaleList makes listings lack every object that is written from now on, until it is switched off.
func (s *Server) StaleList(stale bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.staleList = stale
	if !stale {
		clear(s.hidden)
	}
}

// LateListings makes listings lack every new object for a while: for the first lists listings that should have it, and as long as a time says. An object
// that is replaced stays listed. Two zeros switch it off for what is written from now on.
func (s *Server) LateListings(lists int, lasting time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lateLists, s.lateFor = lists, lasting
}

// hide makes listings lack an object, as StaleList and LateListings say. The caller holds the lock.
func (s *Server) hide(call Call, isNew bool) {
	name := call.Bucket + "/" + call.Key
	switch {
	case s.staleList:
		s.hidden[name] = delay{lists: -1}
	case isNew && (s.lateLists > 0 || s.lateFor > 0):
		s.hidden[name] = delay{lists: s.lateLists, until: time.Now().Add(s.lateFor)}
	}
}

// unlisted reports whether a listing that is to have an object lacks it still, and counts the listing if so. The caller holds the lock.
func (s *Server) unlisted(name string) bool {
	d, ok := s.hidden[name]
	switch {
	case !ok:
		return false
	case d.lists > 0:
		d.lists--
		s.hidden[name] = d
		return true
	case d.lists < 0 || time.Now().Before(d.until):
		return true
	}
	delete(s.hidden, name)
	return false
}

// late reports whether LateListings is on.
func (s *Server) late() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lateLists > 0 || s.lateFor > 0
}

func (s *Server) exists(call Call) bool {
	return s.backendCall(Call{Bucket: call.Bucket, Key: call.Key}, http.MethodHead, "", nil, nil).status == http.StatusOK
}

// IgnoreConditions makes the server write whatever If-None-Match and If-Match say, like rclone and s3rver do.
func (s *Server) IgnoreConditions(ignore bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noCondition = ignore
}

// Protect puts objects under WORM protection: those whose key begins with prefix can be neither deleted nor overwritten.
func (s *Server) Protect(bucket, prefix string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.protected = append(s.protected, bucket+"/"+prefix)
}

// DenyDeletes takes the right to delete away for keys that begin with prefix, as a policy without DeleteObject does: there, AccessDenied is the
// answer for objects that exist and for those that do not. They can be overwritten.
func (s *Server) DenyDeletes(bucket, prefix string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.undeletable = append(s.undeletable, bucket+"/"+prefix)
}

// denied is why a request may not remove or replace an object, empty if it may.
func (s *Server) denied(bucket, key string, deleting bool) string {
	s.mu.Lock()
	protected, undeletable := s.protected, s.undeletable
	s.mu.Unlock()
	under := func(prefixes []string) bool {
		for _, prefix := range prefixes {
			if strings.HasPrefix(bucket+"/"+key, prefix) {
				return true
			}
		}
		return false
	}
	if under(protected) && s.exists(Call{Bucket: bucket, Key: key}) {
		return "Access Denied because object protected by object lock."
	}
	if deleting && under(undeletable) {
		return "Access Denied"
	}
	return ""
}
