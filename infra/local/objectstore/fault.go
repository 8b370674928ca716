package objectstore

import (
	"bytes"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

// Fault is what goes wrong with one request.
type Fault struct {
	// Delay passes before the request is looked at.
	Delay time.Duration
	// Status is answered instead of carrying the request out, with Code (empty: none, as a gateway answers, in HTML) and Header.
	Status int
	Code   string
	Header http.Header
	// ResetBefore closes the connection before the request is carried out, ResetAfter after: the answer is lost.
	ResetBefore, ResetAfter bool
	// Truncate ends the answer's body after TruncateAt bytes and closes the connection; with Stall, nothing more comes until
	// that channel is closed.
	Truncate   bool
	TruncateAt int
	Stall      <-chan struct{}
	// Replace is sent as the body of the answer to a request that is carried out; nil: the answer's own.
	Replace []byte
	// SetHeader is added to the answer of a request that is carried out.
	SetHeader http.Header
}

// Intercept makes fn decide what goes wrong with each request; nil: nothing. fn is called before the signature is checked, by many
// goroutines at once.
func (s *Server) Intercept(fn func(Call) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = fn
}

// before does what goes wrong before a request is carried out. It says whether it still is.
func (f *Fault) before(w http.ResponseWriter, r *http.Request, call Call, id string) bool {
	if f == nil {
		return true
	}
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if f.ResetBefore {
		panic(http.ErrAbortHandler)
	}
	if f.Status == 0 {
		return true
	}
	answer := refuse(call, &iam.Denial{Status: f.Status, Code: f.Code, Message: http.StatusText(f.Status)})
	if f.Code == "" && r.Method != http.MethodHead {
		answer.body = []byte("<html><head><title>" + http.StatusText(f.Status) + "</title></head><body></body></html>")
		answer.header.Set("Content-Type", "text/html")
	}
	maps.Copy(answer.header, f.Header)
	answer.send(w, call, id)
	return false
}

// after does what goes wrong with the answer.
func (f *Fault) after(answer *reply) {
	if f == nil {
		return
	}
	answer.abort = f.ResetAfter
	answer.cutting, answer.cut, answer.stall = f.Truncate, f.TruncateAt, f.Stall
	if f.Replace != nil {
		answer.body = bytes.Clone(f.Replace)
	}
	maps.Copy(answer.header, f.SetHeader)
}

// Calls says how often an operation was asked for, successfully or not: "PutObject", "GetObject", "GetObjectMetadata", "ListObjects",
// "DeleteObject", "DeleteObjects", "CopyObject", "UploadPart", ...
func (s *Server) Calls(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

// IgnoreConditions makes the server write whatever If-None-Match and If-Match say, like rclone and s3rver do.
func (s *Server) IgnoreConditions(ignore bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noCondition = ignore
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

// Protect puts objects under WORM protection: those whose key begins with prefix can be neither deleted nor overwritten.
func (s *Server) Protect(bucket, prefix string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.protected = append(s.protected, bucket+"/"+prefix)
}

func (s *Server) isProtected(bucket, key string) bool {
	s.mu.Lock()
	protected := s.protected
	s.mu.Unlock()
	for _, prefix := range protected {
		if strings.HasPrefix(bucket+"/"+key, prefix) {
			stored := s.backendCall(Call{Bucket: bucket, Key: key}, http.MethodHead, "", nil, nil)
			return stored.status == http.StatusOK
		}
	}
	return false
}
