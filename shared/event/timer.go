package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// functionGraphTimer reads the event of a FunctionGraph TIMER trigger: five string fields, time in RFC 3339 with the
// region's offset (FunctionGraph user guide, "Using a Timer Trigger").
func functionGraphTimer(payload []byte) (Event, error) {
	var e struct {
		TriggerType string `json:"trigger_type"`
		TriggerName string `json:"trigger_name"`
		Time        string `json:"time"`
		UserEvent   string `json:"user_event"`
	}
	if err := decode(payload, "FunctionGraph trigger event", &e); err != nil {
		return nil, err
	}
	// Kafka and others have the field too.
	if e.TriggerType != "TIMER" {
		return nil, unsupported(fmt.Sprintf("one of a FunctionGraph trigger with trigger_type %q", e.TriggerType))
	}
	at, err := moment(e.Time)
	if err != nil {
		return nil, fmt.Errorf("FunctionGraph timer event: field time: %w", err)
	}
	return Timer{Source: FunctionGraphTimer, Time: at, Name: e.TriggerName, UserEvent: e.UserEvent}, nil
}

// bridged is the envelope of every EventBridge event (EventBridge user guide, "Event structure").
type bridged struct {
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Time       string          `json:"time"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

func eventBridge(payload []byte) (Event, error) {
	var e bridged
	if err := decode(payload, "EventBridge event", &e); err != nil {
		return nil, err
	}
	switch {
	case e.Source == "aws.events" && e.DetailType == "Scheduled Event":
		return e.timer(EventBridgeRule)
	case e.Source == "aws.scheduler" && e.DetailType == "Scheduled Event":
		return e.timer(EventBridgeScheduler)
	case e.Source == "aws.s3":
		return e.object()
	}
	return nil, unsupported(fmt.Sprintf("an EventBridge event %q from %q", e.DetailType, e.Source))
}

func (e bridged) timer(source string) (Event, error) {
	at, err := moment(e.Time)
	if err != nil {
		return nil, fmt.Errorf("%s event: field time: %w", source, err)
	}
	timer := Timer{Source: source, Time: at, UserEvent: e.userEvent()}
	if len(e.Resources) > 0 {
		// arn:aws:events:eu-central-1:123456789012:rule/nightly, arn:aws:scheduler:…:schedule/default/nightly
		arn := e.Resources[0]
		timer.Name = arn[strings.LastIndexByte(arn, '/')+1:]
	}
	return timer, nil
}

// userEvent is the detail, if there is any. A rule sends the object {}, Scheduler the string "{}".
func (e bridged) userEvent() string {
	text := string(bytes.TrimSpace(e.Detail))
	if strings.HasPrefix(text, `"`) {
		text = textOf(e.Detail)
	}
	if trimmed := strings.TrimSpace(text); trimmed == "{}" || trimmed == "null" {
		return ""
	}
	return text
}

// moment reads a time with its offset. The offset stays the event's: time.Parse would put the machine's zone, with its
// changes through the year, where the two agree by chance.
func moment(text string) (time.Time, error) {
	t, err := time.ParseInLocation(time.RFC3339, text, time.UTC)
	if err != nil {
		return time.Time{}, fmt.Errorf("holds %q, want a time with an offset like 2026-01-02T00:00:00+08:00 (RFC 3339)", text)
	}
	return t, nil
}
