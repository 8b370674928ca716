// Package notify tells people, through a topic of Simple Message Notification (SMN), what the functions have done.
//
// What it guarantees: a message is within SMN's limits, cut at a line where it must be and saying so; a call ends within seconds
// whatever the service does; and an error shows no key. A message may arrive twice when an answer was lost: better than not at all.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

// Limits of a message ("Publishing a Message" of SMN's API reference: the subject cannot exceed 512 bytes, the message 256 KB of UTF-8).
const (
	MaxSubject = 512
	MaxMessage = 256 << 10
)

// Options configure a Client. Endpoint, TopicURN, Credentials and Transport are required.
type Options struct {
	Endpoint    string // base URL of the SMN API
	TopicURN    string // urn:smn:<region>:<project id>:<name>; its project is the one that is called
	Credentials signing.Credentials
	Transport   http.RoundTripper
	UserAgent   string

	// Now, Sleep and Jitter are for tests; see signing.Options.
	Now    func() time.Time
	Sleep  func(ctx context.Context, d time.Duration) error
	Jitter func() float64
}

// Client publishes to one topic. It is safe for concurrent use.
type Client struct {
	api     *signing.Client
	project string
	topic   string
}

// New checks the options and returns a client. It sends nothing.
func New(o Options) (*Client, error) {
	parts := strings.Split(o.TopicURN, ":")
	if len(parts) != 5 || parts[0] != "urn" || parts[1] != "smn" || parts[3] == "" || parts[4] == "" {
		return nil, fmt.Errorf("SMN client: %q is not the URN of a topic", o.TopicURN)
	}
	api, err := signing.NewClient(signing.Options{Endpoint: o.Endpoint, ProjectID: parts[3], Credentials: o.Credentials, Transport: o.Transport,
		UserAgent: o.UserAgent, Now: o.Now, Sleep: o.Sleep, Jitter: o.Jitter})
	if err != nil {
		return nil, fmt.Errorf("SMN client: %w", err)
	}
	return &Client{api: api, project: parts[3], topic: o.TopicURN}, nil
}

// Publish sends a message to the topic and returns its id. Subject and message are brought within the limits first. Errors: *signing.Error, an
// answer without an id.
func (c *Client) Publish(ctx context.Context, subject, message string) (messageID string, err error) {
	const operation = "publish a message"
	body, err := json.Marshal(struct {
		Subject string `json:"subject"`
		Message string `json:"message"`
	}{fitSubject(subject), fitMessage(message)})
	if err != nil {
		return "", fmt.Errorf("%s: %w", operation, err)
	}
	answer, err := c.api.Do(ctx, signing.Call{Operation: operation, Method: http.MethodPost,
		Path: []string{"v2", c.project, "notifications", "topics", c.topic, "publish"}, Body: body})
	if err != nil {
		return "", err
	}
	var accepted struct {
		MessageID string `json:"message_id"`
	}
	if err := json.Unmarshal(answer, &accepted); err != nil || accepted.MessageID == "" {
		return "", &signing.Error{Operation: operation, Attempts: 1, Unknown: true, Err: errors.New("the answer holds no message id")}
	}
	return accepted.MessageID, nil
}

// fitSubject is a subject as SMN takes it. It is the subject of an e-mail, hence one line.
func fitSubject(subject string) string {
	subject = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(subject, "?"))
	return cut(subject, MaxSubject, "…")
}

// fitMessage is a message as SMN takes it: of a longer one as many whole lines as fit, and a line that says how many are left out.
func fitMessage(message string) string {
	message = strings.ToValidUTF8(message, "?")
	if message == "" {
		return "-" // SMN takes no empty message.
	}
	if len(message) <= MaxMessage {
		return message
	}
	const room = 100 // for the last line
	end := strings.LastIndexByte(message[:MaxMessage-room], '\n')
	if end < 0 {
		return cut(message, MaxMessage, fmt.Sprintf("… (cut: the whole message has %d bytes)", len(message)))
	}
	return fmt.Sprintf("%s\n(cut: %d more lines do not fit into a notification)", message[:end], strings.Count(message[end+1:], "\n")+1)
}

// cut shortens a text to a number of bytes, its end included, between two characters.
func cut(text string, limit int, end string) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len(end)], "") + end
}
