// Package event tells what triggered a function, and what the trigger carries.
//
// One decoder serves every function on every platform. It guarantees that an event is taken for what it is or refused by
// name: timers of FunctionGraph and EventBridge, object events of OBS and S3 (as notifications, and through EventGrid and
// EventBridge), HTTP requests of APIG, API Gateway and function URLs, and plain JSON commands. Events of other services are
// errors that name them. Fields that a cloud adds to an envelope are ignored; the fields of a command are not looked at
// here, since only the function that gets it knows them.
package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
)

// What sent an event, as it reads in messages and logs: the Source of every kind of event.
const (
	FunctionGraphTimer   = "FunctionGraph timer"
	EventBridgeRule      = "EventBridge rule"
	EventBridgeScheduler = "EventBridge Scheduler"
	OBSNotification      = "OBS notification"
	OBSEventGrid         = "OBS event through EventGrid"
	S3Notification       = "S3 notification"
	S3EventBridge        = "S3 event through EventBridge"
	S3TestNotification   = "S3 test notification"
	APIG                 = "APIG request"
	APIGatewayV1         = "API Gateway request (format 1.0)"
	APIGatewayV2         = "API Gateway request (format 2.0)"
	FunctionURL          = "function URL request"
	DirectInvocation     = "direct invocation"
)

// accepted ends every error about an event of another service.
const accepted = "want a timer (FunctionGraph, EventBridge), an object event (OBS, S3, EventGrid, EventBridge), " +
	"an HTTP request (APIG, API Gateway, function URL) or a command as a JSON object"

// Event is one of Timer, Objects, Request and Command; no other type implements it.
type Event interface {
	// Trigger names what sent the event, for messages: one of the constants of this package.
	Trigger() string
	event()
}

// Timer is the tick of a schedule.
type Timer struct {
	Source string
	// Time is the moment that the schedule meant, not that of the delivery, with the offset in which the event gave it.
	// FunctionGraph gives the offset of the region; EventBridge always gives UTC.
	Time time.Time
	// Name is the trigger's, the rule's or the schedule's name, where the event has one.
	Name string
	// UserEvent is the text that the operator attached to the timer (FunctionGraph's user_event), any text at all. From
	// EventBridge it is the event's detail, empty when that is.
	UserEvent string
}

// Objects is a change of objects in a bucket. S3's test notification, sent when a notification is set up, is one without
// objects.
type Objects struct {
	Source  string
	Objects []Object
}

// Object is one object that was written or removed.
type Object struct {
	Bucket string
	// Keys are the keys that the object can have, the likeliest first. There is more than one where it is not documented
	// whether the event's key is percent-encoded and both readings differ; ETag then tells which object is meant.
	Keys []string
	// ETag is the object's, without quotes; empty for a removed one.
	ETag string
	// Size is in bytes; 0 for a removed one.
	Size int64
	// Sequencer orders the events of one key, compared as text of equal length; empty where the event has none.
	Sequencer string
	// Event is what happened, in the words of S3 notifications: ObjectCreated:Put, ObjectRemoved:Delete.
	Event string
	// Created tells whether the object was written, by whichever call.
	Created bool
}

// Request is an HTTP request that came through a gateway. Source decides the form of its response.
type Request struct {
	Source string
	Method string
	// Path is decoded, begins with a slash and holds no stage of the gateway.
	Path string
	// Query holds the parameters, decoded. Pairs that are malformed are left out.
	Query url.Values
	// Header has canonical names (Content-Type).
	Header http.Header
	// Body is decoded from base64 where the gateway encoded it; nil when there is none.
	Body []byte
	// Malformed is why the body could not be decoded, so that the client can be told; Body is nil then. Nil for every other request.
	Malformed error
}

// Command is a JSON object that is no known event. What it means is up to the function that it was sent to.
type Command struct {
	// JSON is the object's text as it came.
	JSON []byte
}

// Trigger returns Source.
func (t Timer) Trigger() string { return t.Source }

// Trigger returns Source.
func (o Objects) Trigger() string { return o.Source }

// Trigger returns Source, or "HTTP request" when that is empty.
func (r Request) Trigger() string {
	if r.Source == "" {
		return "HTTP request"
	}
	return r.Source
}

// Trigger returns DirectInvocation.
func (Command) Trigger() string { return DirectInvocation }

func (Timer) event()   {}
func (Objects) event() {}
func (Request) event() {}
func (Command) event() {}

// Decode tells what a payload is. The event may share memory with it.
//
// Which event it is shows in the names of its fields, case included, in the order of the fields that are the hardest to
// meet by accident. A JSON object with none of them is a Command.
func Decode(payload []byte) (Event, error) {
	fields, err := object(payload)
	if err != nil {
		return nil, err
	}
	switch {
	case has(fields, "trigger_type"):
		return functionGraphTimer(payload)
	case has(fields, "specversion"):
		return eventGrid(payload)
	case has(fields, "Records"):
		return records(payload)
	case has(fields, "detail-type"):
		return eventBridge(payload)
	case textOf(fields["Event"]) == "s3:TestEvent":
		// S3 sends it when a notification is set up. There is nothing to do, and an error would make Lambda try again.
		return Objects{Source: S3TestNotification}, nil
	}
	context := fieldsOf(fields["requestContext"])
	switch {
	case has(fieldsOf(context["http"]), "method"):
		return gatewayV2(payload)
	case has(fields, "httpMethod") && has(context, "elb"):
		return nil, unsupported("a request of an Application Load Balancer")
	case has(fields, "httpMethod") && (context != nil || fieldsOf(fields["headers"]) != nil):
		return gatewayV1(payload, fields, context)
	}
	for _, other := range []struct{ field, name string }{
		{"record", "an SMN message"},
		{"cts", "a CTS trace"},
		{"lts", "an LTS log event"},
		{"request_payload", "FunctionGraph's notice of an asynchronous invocation"},
	} {
		if has(fields, other.field) {
			return nil, unsupported(other.name)
		}
	}
	return Command{JSON: payload}, nil
}

// unsupported is the error about an event that is known and not accepted.
func unsupported(name string) error { return fmt.Errorf("the event is %s, %s", name, accepted) }

// object returns the fields of the payload, or what is wrong with it and where.
func object(payload []byte) (map[string]json.RawMessage, error) {
	if len(bytes.TrimSpace(payload)) == 0 {
		return nil, errors.New("the event is empty, want a JSON object ({} is the plainest command)")
	}
	if !json.Valid(payload) || !utf8.Valid(payload) {
		// The strict reader says where, and is as strict as the two tests.
		_, err := strictjson.Parse(payload)
		return nil, fmt.Errorf("the event is not JSON: %w", err)
	}
	if fields := fieldsOf(payload); fields != nil {
		return fields, nil
	}
	start := len(payload) - len(bytes.TrimLeft(payload, " \t\r\n"))
	line, column := strictjson.Position(payload, int64(start))
	return nil, fmt.Errorf("the event is %s (line %d, column %d), want a JSON object", kindOf(payload[start]), line, column)
}

// kindOf names the kind of a JSON value that is no object by its first byte.
func kindOf(first byte) string {
	switch first {
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}

func has(fields map[string]json.RawMessage, name string) bool {
	_, ok := fields[name]
	return ok
}

// fieldsOf returns the fields of a JSON object, nil when the value is none.
func fieldsOf(value json.RawMessage) map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(value, &fields) != nil {
		return nil
	}
	return fields
}

// textOf returns the text of a JSON string, empty when the value is none.
func textOf(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) != nil {
		return ""
	}
	return text
}

// decode fills a struct with the fields that we need of an envelope. Its errors name the envelope and the field.
func decode(payload []byte, envelope string, into any) error {
	if len(payload) == 0 {
		return fmt.Errorf("%s is missing", envelope)
	}
	err := json.Unmarshal(payload, into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field != "" {
			envelope += ": field " + wrong.Field
		}
		return fmt.Errorf("%s: found a JSON %s, want a JSON %s", envelope, wrong.Value, wanted(wrong.Type))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", envelope, err)
	}
	return nil
}

// wanted names the kind of JSON value that a Go type is read from.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Slice:
		return "array"
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	}
	return "number"
}
