// Package objectstore is the object service of the local cloud: it stands in the place of OBS for clients that speak OBS and in the
// place of S3 for those that speak S3, at the same time and over the same objects.
//
// It believes nobody: every request's signature is checked here, before anything else looks at the request, and a request without
// one is refused. It is as strict as OBS where being lenient would hide a fault of the product: OBS requests must name the bucket in
// the host, sub-resources that it does not know are refused instead of ignored (a PUT with an ignored ?metadata would replace the
// object), and conditions are kept. What it stores is in memory, in gofakes3, unless Options.Backend is another S3 server.
//
// For tests it counts calls, injects faults and can be told to behave like poorer services.
package objectstore

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

// Options of a Server. Only Keyring is required.
type Options struct {
	Keyring *iam.Keyring
	// Region is what S3 requests must be signed for; empty: us-east-1. OBS signatures have no region.
	Region string
	// Backend holds the objects: an S3 server that takes path-style requests without looking at signatures. Nil: one in memory.
	Backend http.Handler
	Now     func() time.Time // nil: time.Now
}

// Server is an object service. It is safe for concurrent use.
type Server struct {
	keyring *iam.Keyring
	region  string
	backend http.Handler
	now     func() time.Time
	memory  bool // the backend is gofakes3, whose gaps are filled here
	serial  atomic.Uint64

	mu          sync.Mutex
	calls       map[string]int
	onCreated   []func(bucket, key, etag string, size int64)
	intercept   func(Call) *Fault
	protected   []string         // "bucket/prefix"
	undeletable []string         // "bucket/prefix"
	hidden      map[string]delay // "bucket/key" that listings do not show yet
	staleList   bool
	lateLists   int
	lateFor     time.Duration
	noCondition bool

	pipe pipe
}

// New returns a server without buckets.
func New(opts Options) *Server {
	s := &Server{keyring: opts.Keyring, region: opts.Region, backend: opts.Backend, now: opts.Now, calls: map[string]int{}, hidden: map[string]delay{}}
	if s.region == "" {
		s.region = "us-east-1"
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.backend == nil {
		s.memory = true
		clock := clock{now: s.now}
		s.backend = gofakes3.New(s3mem.New(s3mem.WithTimeSource(clock)), gofakes3.WithTimeSource(clock), gofakes3.WithTimeSkewLimit(0)).Server()
	}
	return s
}

// clock is the server's time for gofakes3.
type clock struct{ now func() time.Time }

func (c clock) Now() time.Time                  { return c.now() }
func (c clock) Since(t time.Time) time.Duration { return c.now().Sub(t) }

// OnObjectCreated registers a function that is called after every object that was written, copied or completed from parts. It is
// called before the writer hears of its success, and must not wait for another call to this server that waits for the writer.
func (s *Server) OnObjectCreated(fn func(bucket, key, etag string, size int64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onCreated = append(s.onCreated, fn)
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := fmt.Sprintf("%016X%016X", s.now().UnixNano(), s.serial.Add(1))
	call := parse(r)
	s.mu.Lock()
	s.calls[call.Operation]++
	intercept := s.intercept
	s.mu.Unlock()
	// The body comes first: only then does the server notice that a client is gone, and a client that is refused while it is still
	// sending may see a broken connection instead of the answer.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var fault *Fault
	if intercept != nil {
		fault = intercept(call)
	}
	if !fault.before(w, r, call, id) {
		return
	}
	var answer *reply
	if denial := s.authenticate(r, call); denial != nil {
		answer = refuse(call, denial)
	} else {
		answer = s.apply(r, call)
	}
	fault.after(r, call, answer).send(w, call, id)
}

// authenticate checks who is asking.
func (s *Server) authenticate(r *http.Request, call Call) *iam.Denial {
	var err error
	switch {
	case call.OBS && !call.virtualHost && call.Bucket != "":
		// "The bucket must precede the domain" (OBS limits page); the code is that of the OBS error list.
		return &iam.Denial{Status: http.StatusBadRequest, Code: "VirtualHostDomainRequired", Message: "Virtual host domain is required when accessing a specific bucket."}
	case call.OBS:
		_, err = s.keyring.VerifyOBS(r, call.Bucket, s.now())
	default:
		_, err = s.keyring.VerifyV4(r, s.region, s.now())
	}
	if err == nil {
		return nil
	}
	if denial, ok := asDenial(err); ok {
		return denial
	}
	return &iam.Denial{Status: http.StatusForbidden, Code: "AccessDenied", Message: err.Error()}
}

// refuse makes the answer to a request that is not carried out.
func refuse(call Call, d *iam.Denial) *reply {
	answer := &reply{status: d.Status, header: http.Header{}, call: call}
	if call.Request.Method != http.MethodHead {
		body, err := xml.Marshal(errorAnswer{Code: d.Code, Message: d.Message, Region: d.Region, StringToSign: d.StringToSign, Resource: "/" + call.Bucket + "/" + call.Key})
		if err != nil {
			body = []byte(d.Code)
		}
		answer.body = append([]byte(xml.Header), body...)
		answer.header.Set("Content-Type", "application/xml")
	}
	return answer
}

type errorAnswer struct {
	XMLName      xml.Name `xml:"Error"`
	Code         string
	Message      string
	Resource     string
	Region       string `xml:",omitempty"`
	StringToSign string `xml:",omitempty"`
}

// reply is an answer that is complete before its first byte is sent, so that faults can be done to it.
type reply struct {
	call    Call
	status  int
	header  http.Header
	body    []byte
	abort   bool // close the connection instead of answering
	cut     int  // send only this many bytes of the body and close the connection, if cutting
	cutting bool
	stall   <-chan struct{} // after that, wait for this instead of closing
	dribble time.Duration   // passes before each piece of the body
	piece   int             // bytes of a piece
}

// send writes an answer in the dialect of the call.
func (a *reply) send(w http.ResponseWriter, call Call, id string) {
	if a.abort {
		panic(http.ErrAbortHandler)
	}
	out := w.Header()
	for name, values := range a.header {
		if rest, ok := strings.CutPrefix(name, "X-Amz-"); ok && call.OBS {
			if rest == "Id-2" || rest == "Request-Id" {
				continue
			}
			name = "X-Obs-" + rest
		}
		out[name] = values
	}
	out.Set(call.headerPrefix()+"Request-Id", id)
	out.Set("Server", map[bool]string{true: "OBS", false: "AmazonS3"}[call.OBS])
	if call.Request.Method != http.MethodHead && a.status != http.StatusNoContent {
		out.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	if call.Request.Method == http.MethodHead {
		return
	}
	body := a.body
	if a.cutting {
		body = body[:min(a.cut, len(body))]
	}
	for a.dribble > 0 && len(body) > a.piece {
		pause(call.Request, a.dribble)
		_, _ = w.Write(body[:a.piece])
		_ = http.NewResponseController(w).Flush()
		body = body[a.piece:]
	}
	pause(call.Request, a.dribble)
	_, _ = w.Write(body) // the client may have gone
	if a.cutting {
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		if a.stall != nil {
			select {
			case <-a.stall:
			case <-call.Request.Context().Done():
			}
		}
		panic(http.ErrAbortHandler)
	}
}
