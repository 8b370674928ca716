// Command testfunction is a function that does what its event says, for the tests of the runtime and of the local clouds: they
// build it as a bootstrap and run it as a process.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
	"github.com/rs/zerolog"
)

// Event says what the function does.
type Event struct {
	Do    string `json:"do"`
	Text  string `json:"text"`
	Milli int    `json:"milli"`
	Bytes int    `json:"bytes"`
}

// Seen is what the function knows of its invocation.
type Seen struct {
	Platform      runtime.Platform `json:"platform"`
	RequestID     string           `json:"requestId"`
	Text          string           `json:"text"`
	Async         bool             `json:"async"`
	AccessKey     string           `json:"accessKey"`
	SecretKey     string           `json:"secretKey"`
	SecurityToken string           `json:"securityToken"`
	LeftMilli     int64            `json:"leftMilli"`    // until the deadline
	ContextMilli  int64            `json:"contextMilli"` // until the context ends
	Environment   []string         `json:"environment"`
	Directory     string           `json:"directory"`
	Process       int              `json:"process"`
}

func main() {
	os.Exit(runtime.Run(context.Background(), handle, runtime.Options{}))
}

func handle(ctx context.Context, inv runtime.Invocation) (any, error) {
	event, err := decode(inv.Payload)
	if err != nil {
		return nil, err
	}
	zerolog.Ctx(ctx).Info().Str("do", event.Do).Msg("handling")
	switch event.Do {
	case "see":
		return see(ctx, inv, event), nil
	case "event": // an answer to API Gateway with the event itself as its body
		return map[string]any{"isBase64Encoded": false, "statusCode": 200, "headers": map[string]string{}, "body": string(inv.Payload)}, nil
	case "bytes":
		return []byte(event.Text), nil
	case "large":
		return bytes.Repeat([]byte("1"), event.Bytes), nil
	case "fail":
		return map[string]string{"never": "sent"}, errors.New(event.Text)
	case "refuse":
		return map[string]string{"refused": event.Text}, fmt.Errorf("handle: %w", &runtime.Unsuccessful{Reason: event.Text})
	case "panic":
		panic(event.Text)
	case "print":
		_, _ = fmt.Fprintln(os.Stdout, event.Text)
		_, _ = fmt.Fprint(os.Stderr, strings.ToUpper(event.Text), "\n")
		return true, nil
	case "wait":
		select {
		case <-time.After(time.Duration(event.Milli) * time.Millisecond):
			return see(ctx, inv, event), nil
		case <-ctx.Done():
			return nil, fmt.Errorf("interrupted: %w", ctx.Err())
		}
	case "hang":
		select {}
	case "exit":
		os.Exit(event.Milli)
	}
	return nil, &runtime.Failure{Type: "UnknownEvent", Message: "no such thing to do: " + event.Do}
}

// decode reads the event: as it is, or from the body of an API Gateway event.
func decode(payload []byte) (Event, error) {
	var gateway struct {
		HTTPMethod      string `json:"httpMethod"`
		IsBase64Encoded bool   `json:"isBase64Encoded"`
		Body            string `json:"body"`
	}
	if err := json.Unmarshal(payload, &gateway); err != nil {
		return Event{}, fmt.Errorf("decode the event: %w", err)
	}
	if gateway.HTTPMethod != "" {
		payload = []byte(gateway.Body)
		if gateway.IsBase64Encoded {
			var err error
			if payload, err = base64.StdEncoding.DecodeString(gateway.Body); err != nil {
				return Event{}, fmt.Errorf("decode the body: %w", err)
			}
		}
	}
	var event Event
	if err := json.Unmarshal(payload, &event); err != nil {
		return Event{}, fmt.Errorf("decode the event: %w", err)
	}
	return event, nil
}

func see(ctx context.Context, inv runtime.Invocation, event Event) Seen {
	s := Seen{
		Platform: inv.Platform, RequestID: inv.RequestID, Text: event.Text, Async: inv.Async,
		AccessKey: inv.Credentials.AccessKey, SecretKey: inv.Credentials.SecretKey, SecurityToken: inv.Credentials.SecurityToken,
		Environment: os.Environ(), Process: os.Getpid(),
	}
	s.Directory, _ = os.Getwd()
	if !inv.Deadline.IsZero() {
		s.LeftMilli = time.Until(inv.Deadline).Milliseconds()
	}
	if deadline, ok := ctx.Deadline(); ok {
		s.ContextMilli = time.Until(deadline).Milliseconds()
	}
	return s
}
