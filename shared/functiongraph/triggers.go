package functiongraph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

// TypeTimer is the type code of the triggers that start a function by time.
const TypeTimer = "TIMER"

// Trigger is a trigger of a function, as the API shows it ("Querying All Triggers of a Function").
type Trigger struct {
	ID      string
	Type    string // TIMER, OBS, …
	Active  bool   // trigger_status is ACTIVE; off is DISABLED in most documents and DISABLE in some
	Data    []byte // event_data: a JSON object, as the API sent it
	Created string // created_time, in whatever format
}

// wireTrigger is a trigger as it comes. event_data is an object in the newer documents, and a text that holds one in the older.
type wireTrigger struct {
	ID      string          `json:"trigger_id"`
	Type    string          `json:"trigger_type_code"`
	Status  string          `json:"trigger_status"`
	Data    json.RawMessage `json:"event_data"`
	Created string          `json:"created_time"`
}

func (w wireTrigger) trigger() (Trigger, error) {
	t := Trigger{ID: w.ID, Type: w.Type, Created: w.Created}
	switch w.Status {
	case "ACTIVE":
		t.Active = true
	case "DISABLED", "DISABLE":
	default:
		return t, fmt.Errorf("trigger %s has the status %q, which is not known", w.ID, w.Status)
	}
	if w.ID == "" {
		return t, errors.New("a trigger has no id")
	}
	t.Data = bytes.TrimSpace(w.Data)
	if text, ok := rawjson.String(t.Data); ok {
		t.Data = []byte(text)
	}
	if err := rawjson.Check(t.Data); err != nil {
		return t, fmt.Errorf("the event_data of trigger %s: %w", w.ID, err)
	}
	return t, nil
}

// ListTriggers lists the triggers of a function that have this type. Those of other types are not looked into. Errors: *signing.Error, an answer that
// cannot be understood.
func (c *Client) ListTriggers(ctx context.Context, functionURN, typeCode string) ([]Trigger, error) {
	const operation = "list the triggers of the function"
	body, err := c.triggers(ctx, operation, http.MethodGet, functionURN, nil, nil, false)
	if err != nil {
		return nil, err
	}
	var list []wireTrigger
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("%s: the answer is not the list that is documented: %w", operation, err)
	}
	var triggers []Trigger
	for _, w := range list {
		if w.Type != typeCode {
			continue
		}
		t, err := w.trigger()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", operation, err)
		}
		triggers = append(triggers, t)
	}
	return triggers, nil
}

// SetTriggerStatus switches a trigger on or off and changes nothing else of it ("Updating a Trigger": trigger_status).
func (c *Client) SetTriggerStatus(ctx context.Context, functionURN string, t Trigger, active bool) error {
	body, err := json.Marshal(map[string]string{"trigger_status": statusOf(active)})
	if err != nil {
		return fmt.Errorf("encode the status of trigger %s: %w", t.ID, err)
	}
	_, err = c.triggers(ctx, "switch the trigger "+t.ID+" "+onOff(active), http.MethodPut, functionURN, []string{t.Type, t.ID}, body, false)
	return err
}

// UpdateTrigger sends the status and the whole event_data of a trigger. The documents of "Updating a Trigger" know no event_data of a timer, only a list with
// the fields of a queue; Huawei's and Open Telekom Cloud's Terraform providers send an object like this. Whether the service took it has to be read back.
func (c *Client) UpdateTrigger(ctx context.Context, functionURN string, t Trigger) error {
	body, err := json.Marshal(map[string]any{"trigger_status": statusOf(t.Active), "event_data": json.RawMessage(t.Data)})
	if err != nil {
		return fmt.Errorf("encode trigger %s: %w", t.ID, err)
	}
	_, err = c.triggers(ctx, "update the trigger "+t.ID, http.MethodPut, functionURN, []string{t.Type, t.ID}, body, false)
	return err
}

// CreateTrigger makes a trigger of the type, status and event_data that t has ("Creating a Trigger"), and returns its id. It is sent once: with
// signing.Error.Unknown the trigger may be there all the same. Whether the status was taken has to be read back: creating may ignore it.
func (c *Client) CreateTrigger(ctx context.Context, functionURN string, t Trigger) (id string, err error) {
	const operation = "create a trigger"
	body, err := json.Marshal(map[string]any{"trigger_type_code": t.Type, "trigger_status": statusOf(t.Active), "event_data": json.RawMessage(t.Data)})
	if err != nil {
		return "", fmt.Errorf("encode a trigger: %w", err)
	}
	answer, err := c.triggers(ctx, operation, http.MethodPost, functionURN, nil, body, true)
	if err != nil {
		return "", err
	}
	var created wireTrigger
	if err := json.Unmarshal(answer, &created); err != nil || created.ID == "" {
		return "", &signing.Error{Operation: operation, Attempts: 1, Unknown: true, Err: errors.New("the answer holds no trigger id")}
	}
	return created.ID, nil
}

// DeleteTrigger removes a trigger ("Deleting a Trigger"). One that is gone already is no error.
func (c *Client) DeleteTrigger(ctx context.Context, functionURN string, t Trigger) error {
	_, err := c.triggers(ctx, "delete the trigger "+t.ID, http.MethodDelete, functionURN, []string{t.Type, t.ID}, nil, false)
	if known, ok := errors.AsType[*signing.Error](err); ok && known.StatusCode == http.StatusNotFound {
		return nil
	}
	return err
}

// triggers sends a call to the API's triggers. They belong to a version of the function: to latest, where the URN names none.
func (c *Client) triggers(ctx context.Context, operation, method, functionURN string, below []string, body []byte, once bool) ([]byte, error) {
	if !urn.MatchString(functionURN) {
		return nil, fmt.Errorf("%s: %q is not the URN of a function", operation, functionURN)
	}
	if strings.Count(functionURN, ":") == 6 {
		functionURN += ":latest"
	}
	return c.api.Do(ctx, signing.Call{Operation: operation, Method: method, Once: once, Body: body,
		Path: append([]string{"v2", c.project, "fgs", "triggers", functionURN}, below...)})
}

func statusOf(active bool) string {
	if active {
		return "ACTIVE"
	}
	return "DISABLED"
}

func onOff(active bool) string {
	if active {
		return "on"
	}
	return "off"
}
