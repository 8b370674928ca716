// Package smn is the Simple Message Notification of the local cloud: topics to which the functions publish, and a way to read what they published.
//
// It guarantees the documented behaviour of "Publishing a Message": every signature is checked, a topic must exist, a subject has at most
// 512 bytes, a message 1 byte to 256 KB of UTF-8, and an accepted message is kept before it is answered. The codes of its errors are of SMN's form; which number
// stands for what is this package's own, since the documents list only some.
package smn

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

const (
	maxSubject = 512
	maxMessage = 256 << 10
	maxBody    = 1 << 20
)

// Message is a message that was published.
type Message struct {
	ID, Topic, Subject, Text string
}

// Options configure a Service. Keyring and ProjectID are required.
type Options struct {
	Keyring   *iam.Keyring
	ProjectID string
	Now       func() time.Time
}

// Service is one project's SMN. It is safe for concurrent use.
type Service struct {
	opts Options

	mu        sync.Mutex
	topics    []string
	messages  []Message
	intercept func(http.ResponseWriter, *http.Request) bool
}

// New makes a service without topics.
func New(opts Options) *Service {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Service{opts: opts}
}

// CreateTopic makes a topic in the project and returns its URN.
func (s *Service) CreateTopic(region, name string) string {
	urn := "urn:smn:" + region + ":" + s.opts.ProjectID + ":" + name
	s.mu.Lock()
	defer s.mu.Unlock()
	s.topics = append(s.topics, urn)
	return urn
}

// Messages is what was published so far, oldest first.
func (s *Service) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Intercept has fn answer requests in the service's place, as a service does that is down; what it returns false for is served. nil ends that.
func (s *Service) Intercept(fn func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intercept = fn
}

// ServeHTTP serves POST /v2/{project_id}/notifications/topics/{topic_urn}/publish. Errors have SMN's fields: request_id, code, message.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	requestID := randomHex()
	w.Header().Set("X-Request-Id", requestID)
	w.Header().Set("Content-Type", "application/json")
	s.mu.Lock()
	intercept := s.intercept
	s.mu.Unlock()
	if intercept != nil && intercept(w, r) {
		return
	}
	answer := func(status int, fields map[string]string) {
		fields["request_id"] = requestID
		text, err := json.Marshal(fields)
		if err != nil { // Texts always have a JSON form.
			panic(err)
		}
		w.WriteHeader(status)
		_, _ = w.Write(text) // The client may have gone.
	}
	fail := func(status int, code, message string) {
		answer(status, map[string]string{"code": code, "message": message})
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		fail(http.StatusRequestEntityTooLarge, "SMN.00010010", "The request entity is too large.")
		return
	}
	if _, err := s.opts.Keyring.VerifySDK(r, body, s.opts.Now()); err != nil {
		answer(http.StatusUnauthorized, map[string]string{"error_code": "APIG.0301", "error_msg": "Incorrect IAM authentication information: " + err.Error()})
		return
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if r.Method != http.MethodPost || len(parts) != 6 || parts[0] != "v2" || parts[2] != "notifications" || parts[3] != "topics" || parts[5] != "publish" {
		answer(http.StatusNotFound, map[string]string{"error_code": "APIG.0101", "error_msg": "The API does not exist or has not been published in the environment"})
		return
	}
	if parts[1] != s.opts.ProjectID {
		fail(http.StatusForbidden, "SMN.00010003", "The project is not that of the caller.")
		return
	}
	var request struct {
		Subject string
		Message string
	}
	switch err := json.Unmarshal(body, &request); {
	case err != nil || !utf8.Valid(body):
		fail(http.StatusBadRequest, "SMN.00010001", "The request body is not JSON in UTF-8.")
	case len(request.Subject) > maxSubject:
		fail(http.StatusBadRequest, "SMN.00010015", "The subject has more than 512 bytes.")
	case request.Message == "" || len(request.Message) > maxMessage:
		fail(http.StatusBadRequest, "SMN.00010016", "The message is empty or has more than 256 KB.")
	default:
		m := Message{ID: randomHex(), Topic: parts[4], Subject: request.Subject, Text: request.Message}
		if !s.publish(m) {
			fail(http.StatusNotFound, "SMN.00010008", "The topic does not exist.")
			return
		}
		answer(http.StatusOK, map[string]string{"message_id": m.ID})
	}
}

// publish keeps a message, if its topic exists.
func (s *Service) publish(m Message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.topics, m.Topic) {
		return false
	}
	s.messages = append(s.messages, m)
	return true
}

func randomHex() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // It never fails: see crypto/rand.
	return hex.EncodeToString(b)
}
