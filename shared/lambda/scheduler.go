package lambda

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/schedule"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

const (
	pageSize = 100 // "ListSchedules": at most 100

	// A change is looked for this often: that a schedule shows a change at once is nowhere promised.
	looks     = 4
	lookPause = 500 * time.Millisecond
)

// unset is the input of a schedule that has none, as far as a backup is concerned: the notification that the service sends then is nothing but the scheduled
// time, too ("Adding context attributes"). With an input of its own a schedule sends that alone, so the time has to be in it.
const unset = `{"time":"<aws.scheduler.scheduled-time>"}`

// The words of the service for a schedule that starts its target, and for one that does not.
const (
	stateEnabled  = "ENABLED"
	stateDisabled = "DISABLED"
)

// Timers lists the schedules of all groups that have the function as their target, whichever version of it. One whose end date has passed is not enabled,
// whatever its state says: it starts nothing any more. One without an input is shown with the input that does the same.
func (c *Client) Timers(ctx context.Context) ([]schedule.Timer, error) {
	ids, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	var timers []schedule.Timer
	for _, id := range ids {
		text, err := c.get(ctx, id)
		if failed, ok := errors.AsType[*signing.Error](err); ok && failed.StatusCode == http.StatusNotFound {
			continue // It was deleted after it was listed.
		}
		if err != nil {
			return nil, err
		}
		timer, err := c.timer(id, text)
		if err != nil {
			return nil, err
		}
		timers = append(timers, timer)
	}
	return timers, nil
}

// identity is the key of a schedule: names are unique within a group only.
type identity struct{ group, name string }

func (id identity) String() string { return id.group + "/" + id.name }

// list returns the schedules whose target is the function. The service cannot look for a target, so all are listed.
func (c *Client) list(ctx context.Context) ([]identity, error) {
	const operation = "list the schedules"
	var ids []identity
	seen := map[string]bool{}
	for token := ""; ; {
		query := url.Values{"MaxResults": {strconv.Itoa(pageSize)}}
		if token != "" {
			query.Set("NextToken", token)
		}
		body, err := c.scheduler.Do(ctx, signing.Call{Operation: operation, Method: http.MethodGet, Path: []string{"schedules"}, Query: query})
		if err != nil {
			return nil, err
		}
		var page struct {
			NextToken string
			Schedules []struct {
				GroupName, Name string
				Target          struct{ Arn string }
			}
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return nil, fmt.Errorf("%s: %w", operation, err)
		}
		if page.Schedules == nil {
			return nil, fmt.Errorf("%s: the answer holds no list", operation)
		}
		for _, s := range page.Schedules {
			id := identity{cmp.Or(s.GroupName, "default"), s.Name}
			if c.function.is(s.Target.Arn) && !slices.Contains(ids, id) { // A listing may show one twice that moved while it was read.
				ids = append(ids, id)
			}
		}
		if page.NextToken == "" {
			return ids, nil
		}
		if token = page.NextToken; seen[token] {
			return nil, fmt.Errorf("%s: the pages do not end", operation)
		}
		seen[token] = true
	}
}

// get reads a schedule, as the service sends it.
func (c *Client) get(ctx context.Context, id identity) ([]byte, error) {
	operation := fmt.Sprintf("read the schedule %q", id)
	text, err := c.scheduler.Do(ctx, signing.Call{Operation: operation, Method: http.MethodGet, Path: []string{"schedules", id.name}, Query: url.Values{"groupName": {id.group}}})
	if err != nil {
		return nil, err
	}
	if err := rawjson.Check(text); err != nil {
		return nil, fmt.Errorf("%s: %w", operation, err)
	}
	return text, nil
}

// timer reads what GetSchedule answers.
func (c *Client) timer(id identity, text []byte) (schedule.Timer, error) {
	fault := func(format string, args ...any) (schedule.Timer, error) {
		return schedule.Timer{}, fmt.Errorf("read the schedule %q: %s", id, fmt.Sprintf(format, args...))
	}
	t := schedule.Timer{ID: id.String(), Name: id.name, Expression: rawjson.StringAt(text, "ScheduleExpression"),
		TimeZone: rawjson.StringAt(text, "ScheduleExpressionTimezone"), Input: input(text)}
	if t.Expression == "" {
		return fault("it has no expression")
	}
	if t.TimeZone == "" {
		t.TimeZone = "UTC" // the default
	}
	switch state := rawjson.StringAt(text, "State"); state {
	case stateEnabled:
		_, ended, err := c.ended(text)
		if err != nil {
			return fault("%v", err)
		}
		t.Enabled = !ended
	case stateDisabled:
	default:
		return fault("its state is %q, want %s or %s", state, stateEnabled, stateDisabled)
	}
	return t, nil
}

// input is what the events of a schedule carry.
func input(text []byte) string {
	return cmp.Or(rawjson.StringAt(text, "Target", "Input"), unset)
}

// ended tells when a schedule ends, and whether that is over. Dates are seconds since 1970, with a fraction maybe.
func (c *Client) ended(text []byte) (time.Time, bool, error) {
	value, ok := rawjson.Path(text, "EndDate")
	if !ok || string(value) == "null" {
		return time.Time{}, false, nil
	}
	seconds, err := strconv.ParseFloat(string(value), 64)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("its end date is %s, want a number of seconds", value)
	}
	end := time.Unix(int64(seconds), 0).UTC()
	return end, !end.After(c.now()), nil
}

// Update sets state and input of a schedule, and nothing else: UpdateSchedule replaces a schedule as a whole and resets what it is not given, so everything
// is sent back that GetSchedule told. Nothing is sent where nothing is to change. What somebody else changes in between, within about a second, is lost:
// the service has no condition against that.
func (c *Client) Update(ctx context.Context, t schedule.Timer, change func(now schedule.Timer) schedule.Timer) (schedule.Timer, error) {
	group, name, _ := strings.Cut(t.ID, "/")
	id := identity{group, name}
	operation := fmt.Sprintf("change the schedule %q", id)
	fault := func(format string, args ...any) (schedule.Timer, error) {
		return schedule.Timer{}, fmt.Errorf("%s: %s", operation, fmt.Sprintf(format, args...))
	}
	if group == "" || name == "" {
		return schedule.Timer{}, fmt.Errorf("change a schedule: %q is not the id of one", t.ID)
	}
	before, err := c.get(ctx, id)
	if err != nil {
		return schedule.Timer{}, err
	}
	if target := rawjson.StringAt(before, "Target", "Arn"); !c.function.is(target) {
		return fault("it starts %q now, which is not the backup function", target)
	}
	now, err := c.timer(id, before)
	if err != nil {
		return schedule.Timer{}, err
	}
	wanted := change(now)
	if end, ended, err := c.ended(before); err != nil || ended && wanted.Enabled {
		if err != nil {
			return fault("%v", err)
		}
		return fault("it ended on %s: remove its end date first", end.Format(time.RFC3339))
	}
	want := edited(id, before, wanted)
	if bytes.Equal(want, settings(id, before)) {
		return c.timer(id, before)
	}
	// With a token of its own, a change that is sent again is the same change.
	body := rawjson.Set(want, "ClientToken", rawjson.Quote(c.newToken()))
	if _, err := c.scheduler.Do(ctx, signing.Call{Operation: operation, Method: http.MethodPut, Path: []string{"schedules", id.name}, Body: body}); err != nil {
		return schedule.Timer{}, err
	}
	return c.shown(ctx, operation, id, want)
}

// shown reads a changed schedule until it shows what was sent.
func (c *Client) shown(ctx context.Context, operation string, id identity, want []byte) (schedule.Timer, error) {
	for look := 1; ; look++ {
		text, err := c.get(ctx, id)
		if err != nil {
			return schedule.Timer{}, fmt.Errorf("%s: the change was accepted, and then: %w", operation, err)
		}
		lost, err := missing(want, text)
		if err != nil {
			return schedule.Timer{}, fmt.Errorf("%s: the change was accepted, and then: %w", operation, err)
		}
		if len(lost) == 0 {
			return c.timer(id, text)
		}
		if look == looks {
			return schedule.Timer{}, fmt.Errorf("%s: the change was accepted, but the schedule shows other values than those sent: %s", operation, strings.Join(lost, ", "))
		}
		if err := c.sleep(ctx, lookPause<<(look-1)); err != nil {
			return schedule.Timer{}, fmt.Errorf("%s: the change was accepted, but not shown yet: %w", operation, err)
		}
	}
}

// missing names the places of want that a schedule does not show. Values are not repeated: an input may hold anything.
func missing(want, have []byte) ([]string, error) {
	changes, err := rawjson.Lost(want, have)
	var places []string
	for _, change := range changes {
		if change.From == `""` && (change.To == "" || change.To == "null") {
			continue // To the service, an empty text and none are the same.
		}
		places = append(places, change.Path)
	}
	return places, err
}

// settings is a schedule as UpdateSchedule takes it: without what GetSchedule tells beyond the settings, and without nulls, which mean "not set" in an
// answer and which no client of AWS sends.
func settings(id identity, text []byte) []byte {
	text = rawjson.Without(text, func(name string) bool {
		return slices.Contains([]string{"Arn", "CreationDate", "LastModificationDate", "Name"}, name)
	})
	if rawjson.StringAt(text, "GroupName") == "" {
		text = rawjson.Set(text, "GroupName", rawjson.Quote(id.group))
	}
	return withoutNulls(text)
}

// edited is a schedule with the state and the input of a timer.
func edited(id identity, text []byte, t schedule.Timer) []byte {
	text = settings(id, text)
	state := stateDisabled
	if t.Enabled {
		state = stateEnabled
	}
	if rawjson.StringAt(text, "State") != state {
		text = rawjson.Set(text, "State", rawjson.Quote(state))
	}
	if input(text) == t.Input {
		return text
	}
	target, _ := rawjson.Path(text, "Target")
	if t.Input == "" {
		target = rawjson.Without(target, func(name string) bool { return name == "Input" })
	} else {
		target = rawjson.Set(target, "Input", rawjson.Quote(t.Input))
	}
	return rawjson.Set(text, "Target", target)
}

// withoutNulls leaves out the members of an object, and of the objects in it, that are null.
func withoutNulls(text []byte) []byte {
	null := func(name string) bool {
		value, _ := rawjson.Path(text, name)
		return string(value) == "null"
	}
	text = rawjson.Without(text, null)
	var edits []rawjson.Edit
	for _, span := range rawjson.Members(text) {
		if value := span.In(text); value[0] == '{' {
			edits = append(edits, rawjson.Edit{Span: span, New: withoutNulls(value)})
		}
	}
	return rawjson.Splice(text, edits...)
}
