package functiongraph

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
)

// UpdateEventData is what the service does with the event_data of a timer when a trigger is updated. The documents disagree.
type UpdateEventData int

// The readings.
const (
	// UpdateRefusesEventData is the API's page "Updating a Trigger": event_data is a list with the fields of a queue, so that the object of a timer is no
	// such body.
	UpdateRefusesEventData UpdateEventData = iota
	// UpdateIgnoresEventData takes the object, changes the status and nothing else.
	UpdateIgnoresEventData
	// UpdateTakesEventData changes the timer, as Huawei's and Open Telekom Cloud's Terraform providers expect.
	UpdateTakesEventData
)

// TriggerSwitches choose among the readings of the documents about triggers.
type TriggerSwitches struct {
	UpdateEventData UpdateEventData
	// CreateIgnoresStatus makes every new trigger ACTIVE, as one must think who reads how Huawei's Terraform provider once created them.
	CreateIgnoresStatus bool
	// EventDataAsText shows event_data as a text that holds JSON, as the older documents have it.
	EventDataAsText bool
	// DisableWithoutD shows the status of a trigger that is off as DISABLE, as the page "Querying the Information About a Trigger" has it.
	DisableWithoutD bool
}

// The statuses of a trigger.
const (
	statusActive   = "ACTIVE"
	statusDisabled = "DISABLED"
	typeTimer      = "TIMER"
)

// maxTimers is how many triggers of its kind a version of a function may have ("Notes and Constraints").
const maxTimers = 10

// Timer is a trigger of the type TIMER.
type Timer struct {
	ID      string // given by the service
	Active  bool
	Created time.Time // given by the service

	Name          string
	ScheduleType  string // Rate or Cron
	Schedule      string // 3m; CRON_TZ=Europe/Berlin 0 0 0 * * *
	UserEvent     string
	SyncExecution bool
}

var (
	errNoTrigger = errors.New("there is no such trigger")
	errTaken     = errors.New("a trigger of this name already exists")
)

// Timers are the function's timers, in the order in which they were made.
func (d *Deployment) Timers() []Timer {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.timers)
}

// CreateTimer makes a timer as the service's API does, and returns it. Errors: what is wrong with it, a name that is taken, one timer too many.
func (d *Deployment) CreateTimer(t Timer) (Timer, error) {
	if err := t.check(); err != nil {
		return Timer{}, err
	}
	id := d.service.opts.NewRequestID()
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.ContainsFunc(d.timers, func(other Timer) bool { return other.Name == t.Name }) {
		return Timer{}, fmt.Errorf("%w: %s", errTaken, t.Name)
	}
	if len(d.timers) >= maxTimers {
		return Timer{}, fmt.Errorf("a function has at most %d triggers", maxTimers)
	}
	t.ID, t.Created = id, time.Now()
	d.timers = append(d.timers, t)
	return t, nil
}

// UpdateTimer changes a timer.
func (d *Deployment) UpdateTimer(id string, change func(*Timer)) (Timer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := slices.IndexFunc(d.timers, func(t Timer) bool { return t.ID == id })
	if at < 0 {
		return Timer{}, errNoTrigger
	}
	changed := d.timers[at]
	change(&changed)
	if err := changed.check(); err != nil {
		return Timer{}, err
	}
	d.timers[at] = changed
	return changed, nil
}

// DeleteTimer removes a timer.
func (d *Deployment) DeleteTimer(id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := len(d.timers)
	d.timers = slices.DeleteFunc(d.timers, func(t Timer) bool { return t.ID == id })
	if len(d.timers) == before {
		return errNoTrigger
	}
	return nil
}

// check holds a timer against the documents ("Creating a Trigger", and the cron expressions of the user guide).
func (t Timer) check() error {
	var faults []error
	// The name's form is that of Huawei's Terraform provider; the service's own is not documented.
	if !regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`).MatchString(t.Name) {
		faults = append(faults, fmt.Errorf("name %q: a letter, then at most 63 letters, digits, - and _", t.Name))
	}
	switch t.ScheduleType {
	case "Cron":
		parser := cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.DowOptional | cron.Descriptor)
		if _, err := parser.Parse(t.Schedule); err != nil {
			faults = append(faults, fmt.Errorf("schedule %q: %w", t.Schedule, err))
		}
	case "Rate":
		m := regexp.MustCompile(`^([1-9][0-9]?)([mhd])$`).FindStringSubmatch(t.Schedule)
		n, most := 0, map[string]int{"m": 60, "h": 24, "d": 30}
		if m != nil {
			n, _ = strconv.Atoi(m[1]) // two digits always fit
		}
		if m == nil || n > most[m[2]] {
			faults = append(faults, fmt.Errorf("schedule %q: at most 60m, 24h or 30d", t.Schedule))
		}
	default:
		faults = append(faults, fmt.Errorf("schedule_type %q: Rate or Cron", t.ScheduleType))
	}
	return errors.Join(faults...)
}

// document is a timer as the API shows it.
func (t Timer) document(s TriggerSwitches) map[string]any {
	var data any = map[string]any{"name": t.Name, "schedule_type": t.ScheduleType, "schedule": t.Schedule, "user_event": t.UserEvent, "sync_execution": t.SyncExecution}
	if s.EventDataAsText {
		data = string(encode(data))
	}
	status := statusActive
	switch {
	case !t.Active && s.DisableWithoutD:
		status = "DISABLE"
	case !t.Active:
		status = statusDisabled
	}
	at := t.Created.UTC().Format(time.RFC3339)
	return map[string]any{"trigger_id": t.ID, "trigger_type_code": typeTimer, "trigger_status": status, "event_data": data, "created_time": at, "last_updated_time": at}
}

// newTimer reads the body of "Creating a Trigger".
func newTimer(body []byte, s TriggerSwitches) (Timer, error) {
	var b struct {
		Type      string          `json:"trigger_type_code"`
		Status    *string         `json:"trigger_status"`
		EventType *string         `json:"event_type_code"`
		Data      json.RawMessage `json:"event_data"`
	}
	if err := strictjson.Decode(body, &b); err != nil {
		return Timer{}, err
	}
	if b.Type != typeTimer {
		return Timer{}, fmt.Errorf("trigger_type_code %q: this service keeps triggers of the type TIMER", b.Type)
	}
	t, err := eventData(b.Data)
	if err != nil {
		return Timer{}, err
	}
	t.Active, err = active(b.Status, true)
	t.Active = t.Active || s.CreateIgnoresStatus
	return t, err
}

func eventData(data []byte) (Timer, error) {
	if err := rawjson.Check(data); err != nil {
		return Timer{}, fmt.Errorf("event_data: %w", err)
	}
	var d struct {
		Name          string `json:"name"`
		ScheduleType  string `json:"schedule_type"`
		Schedule      string `json:"schedule"`
		UserEvent     string `json:"user_event"`
		SyncExecution bool   `json:"sync_execution"`
	}
	if err := strictjson.Decode(data, &d); err != nil {
		return Timer{}, fmt.Errorf("event_data: %w", err)
	}
	return Timer{Name: d.Name, ScheduleType: d.ScheduleType, Schedule: d.Schedule, UserEvent: d.UserEvent, SyncExecution: d.SyncExecution}, nil
}

// active reads trigger_status.
func active(status *string, otherwise bool) (bool, error) {
	switch {
	case status == nil:
		return otherwise, nil
	case *status == statusActive:
		return true, nil
	case *status == statusDisabled:
		return false, nil
	}
	return false, fmt.Errorf("trigger_status %q: ACTIVE or DISABLED", *status)
}

// changeOf reads the body of "Updating a Trigger".
func changeOf(body []byte, s TriggerSwitches) (func(*Timer), error) {
	var b struct {
		Status *string         `json:"trigger_status"`
		Data   json.RawMessage `json:"event_data"`
	}
	if err := strictjson.Decode(body, &b); err != nil {
		return nil, err
	}
	if b.Status == nil && b.Data == nil {
		return nil, errors.New("neither trigger_status nor event_data is given")
	}
	isActive, err := active(b.Status, false)
	if err != nil {
		return nil, err
	}
	var data *Timer
	switch isObject := rawjson.Check(b.Data) == nil; {
	case b.Data == nil:
	case isObject && s.UpdateEventData == UpdateRefusesEventData:
		return nil, fmt.Errorf("%w: event_data is an object, want a list", errFormat)
	case isObject:
		t, err := eventData(b.Data)
		if err != nil {
			return nil, err
		}
		if s.UpdateEventData == UpdateTakesEventData {
			data = &t
		}
	default: // The list of the documents has nothing that a timer has.
		var queue []struct {
			IsSerial        *bool   `json:"is_serial"`
			MaxFetchBytes   *int    `json:"max_fetch_bytes"`
			PollingInterval *int    `json:"polling_interval"`
			PollingUnit     *string `json:"polling_unit"`
		}
		if err := strictjson.Decode(b.Data, &queue); err != nil {
			return nil, fmt.Errorf("event_data: %w", err)
		}
	}
	return func(t *Timer) {
		if data != nil {
			id, created, was := t.ID, t.Created, t.Active
			*t = *data
			t.ID, t.Created, t.Active = id, created, was
		}
		if b.Status != nil {
			t.Active = isActive
		}
	}, nil
}

// errFormat is a body that has not the documented form.
var errFormat = errors.New("not acceptable")
