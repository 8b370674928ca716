package dataarts

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxBody bounds what one request may carry: a script's 4 MB in the longest spelling of JSON, and then some.
const maxBody = 64 << 20

// jsonType is the type of every answer in JSON.
const jsonType = "application/json;charset=UTF-8"

// request is one call on its way through the service. Handlers run with the service's lock held.
type request struct {
	s        *Service
	op       Operation
	args     []string // values of the route's {}, the project id first
	query    url.Values
	body     []byte
	user     string
	ws       *workspace // nil for routes without one
	view     view
	switches Switches
	// arriving are jobs that the same import brings, so that others may depend on them already.
	arriving map[string]bool
}

// reply is an answer in parts, so that large assets are not copied.
type reply struct {
	status int
	header map[string]string
	parts  [][]byte
	// build makes the body once the service's lock is given back; nil if parts are the body already.
	build func() ([]byte, error)
}

func noContent() (reply, error) { return reply{status: http.StatusNoContent}, nil }

func okJSON(parts ...[]byte) (reply, error) {
	return reply{status: http.StatusOK, parts: parts, header: map[string]string{"Content-Type": jsonType}}, nil
}

func okZip(name string, build func() ([]byte, error)) (reply, error) {
	return reply{status: http.StatusOK, build: build, header: map[string]string{
		"Content-Type":        "application/octet-stream",
		"Content-Disposition": "attachment;filename=" + url.PathEscape(name),
	}}, nil
}

// host serves the routes of one host: fault injection, signature, rate limit, workspace, and then the operation itself.
func (s *Service) host(name string, routes []route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requestID := s.newID()
		w.Header().Set("X-Request-Id", requestID)
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			panic(http.ErrAbortHandler) // The client went away, or sends without end.
		}
		found, args := match(routes, r.Method, r.URL.EscapedPath())
		number, intercept, switches := s.arrived(r, found.op)

		fault := &Fault{}
		if intercept != nil && found.op != "" {
			if f := intercept(r, found.op); f != nil {
				fault = f
			}
		}
		pause(r, switches.Latency+fault.Delay)
		if fault.ResetBefore {
			panic(http.ErrAbortHandler)
		}
		var answer reply
		if fault.Status == 0 || fault.Applied {
			answer, err = s.serve(r, name, found, args, body)
			if err == nil && answer.build != nil {
				var data []byte
				data, err = answer.build()
				answer.parts = [][]byte{data}
			}
			if err != nil {
				answer = s.problemReply(err, found.op, requestID)
			}
		}
		pause(r, fault.DelayAfter)
		if fault.ResetAfter {
			panic(http.ErrAbortHandler)
		}
		if fault.Status != 0 {
			answer = fault.answer(requestID)
			for key, values := range fault.Header {
				w.Header()[key] = values
			}
		}
		if fault.Malformed {
			answer.parts = firstBytes(answer.parts, length(answer.parts)/2)
		}
		s.answered(number, answer.status)
		write(w, r, answer, fault)
	})
}

// answer is what a fault with a status says.
func (f *Fault) answer(requestID string) reply {
	if f.Code == "" {
		return reply{status: f.Status, parts: [][]byte{[]byte(f.Body)}}
	}
	p := &problem{f.Status, f.Code, http.StatusText(f.Status)}
	return reply{status: f.Status, parts: [][]byte{p.body(false, requestID)}, header: map[string]string{"Content-Type": jsonType}}
}

func (s *Service) arrived(r *http.Request, op Operation) (number int, intercept func(*http.Request, Operation) *Fault, now Switches) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, Call{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Operation: op, Workspace: r.Header.Get("workspace")})
	return len(s.calls) - 1, s.intercept, s.switches
}

func (s *Service) answered(number, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number < len(s.calls) { // else ResetCalls came in between
		s.calls[number].Status = status
	}
}

// serve is the service without faults.
func (s *Service) serve(r *http.Request, host string, found route, args []string, body []byte) (reply, error) {
	if found.op == "" {
		return reply{}, notPublished()
	}
	keys, err := s.keyring.VerifySDK(r, body, time.Now())
	if err != nil {
		return reply{}, unauthorized(err.Error())
	}
	if s.projectID != "" && args[0] != s.projectID {
		return reply{}, unauthorized("the keys have no rights in project " + args[0])
	}
	if header := r.Header.Get("X-Project-Id"); header != "" && header != args[0] {
		return reply{}, unauthorized("X-Project-Id is not the project of the path")
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.admit(host); err != nil {
		return reply{}, err
	}
	if err := checkContentType(r, found, body); err != nil {
		return reply{}, err
	}
	q := &request{
		s: s, op: found.op, args: args, query: r.URL.Query(), body: bytes.TrimSpace(body),
		user: s.userName(keys.AccessKey), switches: s.switches,
	}
	if found.workspace {
		q.ws = s.find(r.Header.Get("workspace"))
		if q.ws == nil {
			code := "DLF.0819"
			if s.switches.WorkspaceCode20819 {
				code = "DLF.20819"
			}
			return reply{}, refuse(code, "Workspace does not exists.")
		}
		if r.Method == http.MethodGet {
			q.ws.reads++
		}
		q.view = view{now: time.Now(), reads: q.ws.reads, stale: s.switches.StaleFor, lag: s.switches.StaleReads}
	}
	return found.handle(q)
}

// window counts the requests of one second.
type window struct {
	second int64
	count  int
}

// admit counts a request against the rate limit of its host. The caller holds the lock.
func (s *Service) admit(host string) error {
	w := s.windows[host]
	if w == nil {
		w = &window{}
		s.windows[host] = w
	}
	if second := time.Now().Unix(); second != w.second {
		*w = window{second: second}
	}
	w.count++
	if limit := s.switches.RateLimit; limit > 0 && w.count > limit {
		return throttled(limit)
	}
	return nil
}

// checkContentType refuses bodies that are not declared as JSON. Exports need the declaration even without a body.
func checkContentType(r *http.Request, found route, body []byte) error {
	if len(body) == 0 && !found.export {
		return nil
	}
	declared := r.Header.Get("Content-Type")
	mediaType, _, _ := strings.Cut(declared, ";")
	if strings.EqualFold(strings.TrimSpace(mediaType), "application/json") {
		return nil
	}
	if declared == "" {
		declared = "application/octet-stream" // what HTTP means by a body without a type
	}
	return refuse("DLF.3051", "Content type '"+declared+"' not supported")
}

func (s *Service) problemReply(err error, op Operation, requestID string) reply {
	p, ok := errors.AsType[*problem](err)
	if !ok {
		p = &problem{http.StatusInternalServerError, "DLF.500", err.Error()}
	}
	s.mu.Lock()
	switches := s.switches
	s.mu.Unlock()
	answer := reply{status: p.status, header: map[string]string{"Content-Type": jsonType}}
	list := switches.ScriptErrorsEnvelope && p.status == http.StatusBadRequest && strings.Contains(string(op), "Script")
	answer.parts = [][]byte{p.body(list, requestID)}
	if p.status == http.StatusTooManyRequests && switches.RetryAfter > 0 {
		answer.header["Retry-After"] = strconv.Itoa(int((switches.RetryAfter + time.Second - 1) / time.Second))
	}
	return answer
}

// write sends an answer. A truncated one announces its whole length, and then the connection is cut.
func write(w http.ResponseWriter, r *http.Request, answer reply, fault *Fault) {
	for key, value := range answer.header {
		w.Header().Set(key, value)
	}
	total := length(answer.parts)
	if answer.status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.Itoa(total))
	}
	w.WriteHeader(answer.status)
	parts := answer.parts
	if fault.Truncate > 0 {
		parts = firstBytes(parts, int(float64(total)*fault.Truncate))
	}
	for _, part := range parts {
		for len(part) > 0 {
			piece := part
			if fault.Dribble > 0 {
				_ = http.NewResponseController(w).Flush()
				pause(r, fault.Dribble)
				piece = part[:min(len(part), max(1, fault.DribbleBytes))]
			}
			if _, err := w.Write(piece); err != nil {
				return // The client went away.
			}
			part = part[len(piece):]
		}
	}
	if fault.Truncate > 0 {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func length(parts [][]byte) int {
	total := 0
	for _, part := range parts {
		total += len(part)
	}
	return total
}

// firstBytes is the beginning of an answer.
func firstBytes(parts [][]byte, n int) [][]byte {
	var first [][]byte
	for _, part := range parts {
		part = part[:min(len(part), n)]
		n -= len(part)
		first = append(first, part)
	}
	return first
}

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
