package objectstore

import (
	"bytes"
	"maps"
	"net/http"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

// Fault is what goes wrong with one request.
type Fault struct {
	// Delay passes before the request is looked at.
	Delay time.Duration
	// DelayAfter passes between the request's being carried out and its answer: who does not wait that long never hears of it.
	DelayAfter time.Duration
	// Status is answered instead of carrying the request out, with Code (empty: none, as a gateway answers, in HTML) and Header. If Applied is
	// set, the request is carried out all the same: a 503 SlowDown, and the object is there.
	Status  int
	Code    string
	Header  http.Header
	Applied bool
	// ResetBefore closes the connection before the request is carried out, ResetAfter after: the answer is lost.
	ResetBefore, ResetAfter bool
	// Truncate ends the answer's body after TruncateAt bytes and closes the connection; with Stall, nothing more comes until
	// that channel is closed.
	Truncate   bool
	TruncateAt int
	Stall      <-chan struct{}
	// Dribble is how long the server pauses before each piece of the body of DribbleBytes (0: one byte).
	Dribble      time.Duration
	DribbleBytes int
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
	pause(r, f.Delay)
	if f.ResetBefore {
		panic(http.ErrAbortHandler)
	}
	if f.Status == 0 || f.Applied {
		return true
	}
	f.answer(r, call).send(w, call, id)
	return false
}

// answer is what a fault with a status says.
func (f *Fault) answer(r *http.Request, call Call) *reply {
	answer := refuse(call, &iam.Denial{Status: f.Status, Code: f.Code, Message: http.StatusText(f.Status)})
	if f.Code == "" && r.Method != http.MethodHead {
		answer.body = []byte("<html><head><title>" + http.StatusText(f.Status) + "</title></head><body></body></html>")
		answer.header.Set("Content-Type", "text/html")
	}
	maps.Copy(answer.header, f.Header)
	return answer
}

// after does what goes wrong with the answer to a request that was carried out.
func (f *Fault) after(r *http.Request, call Call, answer *reply) *reply {
	if f == nil {
		return answer
	}
	pause(r, f.DelayAfter)
	if f.Status != 0 {
		answer = f.answer(r, call)
	}
	answer.abort = f.ResetAfter
	answer.cutting, answer.cut, answer.stall = f.Truncate, f.TruncateAt, f.Stall
	answer.dribble, answer.piece = f.Dribble, max(1, f.DribbleBytes)
	if f.Replace != nil {
		answer.body = bytes.Clone(f.Replace)
	}
	maps.Copy(answer.header, f.SetHeader)
	return answer
}

// pause waits, unless the client leaves.
func pause(r *http.Request, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

// Calls says how often an operation was asked for, successfully or not: "PutObject", "GetObject", "GetObjectMetadata", "ListObjects",
// "DeleteObject", "DeleteObjects", "CopyObject", "UploadPart", ...
func (s *Server) Calls(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}
