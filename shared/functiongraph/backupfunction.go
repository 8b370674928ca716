package functiongraph

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/schedule"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

// BackupFunction is the backup function on FunctionGraph: a schedule.Platform.
//
// The service switches a timer on and off in place. Whether it changes the text of one (user_event) is a question on which its documents and Huawei's own
// Terraform provider disagree, so Update tries, and reads back what became of it. Where the text stays as it was, a new timer takes the old one's place:
// it is made and looked at before the old one is deleted, so that there is always one, and two only in between. The new one's name says of which it is the
// successor (nightly-backup, nightly-backup-changed-1, nightly-backup-changed-2), so that an exchange that broke off is known for what it is, and ended by
// the next Update.
type BackupFunction struct {
	Client *Client
	URN    string // of the function; its triggers are those of the version latest where it names none
}

var _ schedule.Platform = BackupFunction{}

// Run implements schedule.Platform. See Client.InvokeAsync for what is sure when it fails.
func (b BackupFunction) Run(ctx context.Context, command []byte) (requestID string, err error) {
	return b.Client.InvokeAsync(ctx, b.URN, command)
}

// Timers implements schedule.Platform. What an exchange left behind that broke off is one timer with what was to take its place.
func (b BackupFunction) Timers(ctx context.Context) ([]schedule.Timer, error) {
	all, err := b.lines(ctx)
	if err != nil {
		return nil, err
	}
	var timers []schedule.Timer
	for _, l := range all {
		timers = append(timers, l.timer())
	}
	return timers, nil
}

// Update implements schedule.Platform.
func (b BackupFunction) Update(ctx context.Context, t schedule.Timer, change func(now schedule.Timer) schedule.Timer) (schedule.Timer, error) {
	all, err := b.lines(ctx)
	if err != nil {
		return schedule.Timer{}, err
	}
	at := slices.IndexFunc(all, func(l line) bool { return l.heir.ID == t.ID })
	if at < 0 {
		return schedule.Timer{}, &schedule.Conflict{Message: fmt.Sprintf("the timer %s (%s) is no longer there; somebody else has changed it meanwhile", t.Name, t.ID)}
	}
	l := all[at]
	now := l.timer()
	wanted := change(now)
	keeps := wanted.Enabled == now.Enabled
	switch {
	case l.heir.input() != wanted.Input:
		if l, err = b.withInput(ctx, l, wanted, keeps, all); err != nil {
			return schedule.Timer{}, err
		}
	case l.heir.Active != wanted.Enabled:
		if l.heir, err = b.switched(ctx, l.heir, wanted.Enabled); err != nil {
			return schedule.Timer{}, err
		}
	}
	if err := b.removeOlder(ctx, l); err != nil {
		return schedule.Timer{}, err
	}
	return line{heir: l.heir}.timer(), nil
}

// switched switches a timer on or off, and reads it back.
func (b BackupFunction) switched(ctx context.Context, t timer, active bool) (timer, error) {
	sent := b.Client.SetTriggerStatus(ctx, b.URN, t.Trigger, active)
	seen, err := b.settled(ctx, t.ID, func(c timer) bool { return refused(sent) || c.Active == active })
	if err != nil {
		return t, errors.Join(sent, fmt.Errorf("whether the timer %s is on is not known: %w", t.name(), err))
	}
	if seen.Active != active {
		err = fmt.Errorf("the timer %s is still %s", seen.name(), onOff(seen.Active))
		if sent != nil {
			err = fmt.Errorf("%w: %w", err, sent)
		}
	}
	return seen, err
}

// withInput gives the newest timer of a line another text, and the status that t has. Where the service does not take it, the result has another timer
// as the newest, and the former one among the older ones. keeps tells that the status is not to change: one that somebody else sets meanwhile stays.
func (b BackupFunction) withInput(ctx context.Context, l line, t schedule.Timer, keeps bool, all []line) (line, error) {
	old := l.heir
	wanted := old.Trigger
	wanted.Active = t.Enabled
	wanted.Data = rawjson.Set(old.Data, "user_event", rawjson.Quote(t.Input))
	sent := b.Client.UpdateTrigger(ctx, b.URN, wanted)
	asWanted := func(c timer) bool { return c.input() == t.Input && c.Active == t.Enabled }
	seen, err := b.settled(ctx, old.ID, func(c timer) bool { return refused(sent) || asWanted(c) })
	if err != nil {
		return l, errors.Join(sent, fmt.Errorf("what became of the timer %s is not known: %w", old.name(), err))
	}
	l.heir = seen
	switch {
	case asWanted(seen):
		return l, nil
	case sent != nil && !refused(sent):
		return l, fmt.Errorf("the timer %s is %s and has still the text %q: %w", seen.name(), onOff(seen.Active), seen.input(), sent)
	case seen.input() == t.Input && keeps && !seen.Active: // Somebody has stopped it since.
		return l, nil
	case seen.input() == t.Input: // The text alone was taken.
		l.heir, err = b.switched(ctx, seen, t.Enabled)
		return l, err
	}
	if keeps && !seen.Active && len(l.older) == 0 {
		t.Enabled = false // So was this one.
	}
	heir, err := b.successor(ctx, l, t, all)
	if err == nil && keeps && seen.Active && t.Enabled {
		heir, err = b.stoppedLike(ctx, seen, heir)
	}
	if err != nil {
		return l, fmt.Errorf("the service does not change the text of the timer %s, which is still %s with the text %q, and no other could take its place: %w",
			seen.name(), onOff(seen.Active), seen.input(), err)
	}
	l.older = append(l.older, l.heir)
	l.heir = heir
	return l, nil
}

// stoppedLike stops the timer that takes another one's place if somebody has stopped that one since.
func (b BackupFunction) stoppedLike(ctx context.Context, old, heir timer) (timer, error) {
	all, err := b.Client.ListTriggers(ctx, b.URN, TypeTimer)
	if err != nil {
		return heir, fmt.Errorf("whether the timer %s was stopped meanwhile is not known, and %s stands beside it: %w", old.name(), heir.name(), err)
	}
	if at := slices.IndexFunc(all, func(t Trigger) bool { return t.ID == old.ID }); at >= 0 && !all[at].Active {
		return b.switched(ctx, heir, false)
	}
	return heir, nil
}

// refused tells whether an error is the service's answer that it does not take such a body, and not one about the caller, the trigger or the moment. The
// service says "internal server error" of much that is the caller's mistake.
func refused(err error) bool {
	known, ok := errors.AsType[*signing.Error](err)
	if !ok || known.StatusCode < 400 || known.StatusCode > http.StatusInternalServerError {
		return false
	}
	return !slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestTimeout, http.StatusTooManyRequests}, known.StatusCode)
}

// successor makes the timer that takes the place of a line's newest, and looks whether it is as it should be. If it is not, it is removed again.
func (b BackupFunction) successor(ctx context.Context, l line, t schedule.Timer, all []line) (timer, error) {
	data := rawjson.Set(l.heir.Data, "name", rawjson.Quote(freeName(l.heir, all)))
	data = rawjson.Set(data, "user_event", rawjson.Quote(t.Input))
	wanted := timer{Trigger{Type: TypeTimer, Active: t.Enabled, Data: data}}
	right := func(c timer) bool {
		return c.input() == t.Input && c.name() == wanted.name() && c.expression() == wanted.expression() && c.scheduleType() == wanted.scheduleType()
	}
	id, err := b.Client.CreateTrigger(ctx, b.URN, wanted.Trigger)
	if known, ok := errors.AsType[*signing.Error](err); ok && known.Unknown {
		made, lookErr := b.named(ctx, wanted.name())
		switch {
		case lookErr != nil:
			return timer{}, fmt.Errorf("whether the timer %s was made is not known: %w", wanted.name(), errors.Join(err, lookErr))
		case made == "":
			return timer{}, err
		}
		id, err = made, nil
	}
	if err != nil {
		return timer{}, err
	}
	seen, err := b.settled(ctx, id, func(c timer) bool { return right(c) && c.Active == t.Enabled })
	if err == nil && right(seen) && seen.Active != t.Enabled { // Creating may ignore the status.
		seen, err = b.switched(ctx, seen, t.Enabled)
	}
	if err == nil && (!right(seen) || seen.Active != t.Enabled) {
		err = fmt.Errorf("the timer %s that was made is %s with the text %q", wanted.name(), onOff(seen.Active), seen.input())
	}
	if err == nil {
		return seen, nil
	}
	wanted.ID = id
	if removeErr := b.Client.DeleteTrigger(ctx, b.URN, wanted.Trigger); removeErr != nil {
		err = errors.Join(err, fmt.Errorf("the timer %s (%s) stands beside it and could not be deleted: %w", wanted.name(), id, removeErr))
	}
	return timer{}, err
}

// named is the id of the timer with this name; empty if there is none.
func (b BackupFunction) named(ctx context.Context, name string) (id string, err error) {
	all, err := b.Client.ListTriggers(ctx, b.URN, TypeTimer)
	if err != nil {
		return "", err
	}
	for _, t := range all {
		if (timer{t}).name() == name {
			id = t.ID
		}
	}
	return id, nil
}

// removeOlder deletes the timers whose place another has taken, and looks that they are gone.
func (b BackupFunction) removeOlder(ctx context.Context, l line) error {
	for _, old := range l.older {
		sent := b.Client.DeleteTrigger(ctx, b.URN, old.Trigger)
		left, err := b.Client.ListTriggers(ctx, b.URN, TypeTimer)
		at := slices.IndexFunc(left, func(t Trigger) bool { return t.ID == old.ID })
		if err == nil && at < 0 {
			continue
		}
		is := "may still be there"
		if err == nil {
			is = "is still there and " + onOff(left[at].Active)
		}
		return fmt.Errorf("the timer %s is %s with the text %q as it should be, but the one whose place it takes, %s (%s), could not be deleted and %s; "+
			"ask once more to delete it: %w", l.heir.name(), onOff(l.heir.Active), l.heir.input(), old.name(), old.ID, is,
			cmp.Or(errors.Join(sent, err), errors.New("the service answered that it did")))
	}
	return nil
}

// settled reads a timer until it is as wanted, three times at most: the service's documents do not say that a change is seen at once. The timer is what was
// seen last.
func (b BackupFunction) settled(ctx context.Context, id string, wanted func(timer) bool) (timer, error) {
	for _, pause := range []time.Duration{500 * time.Millisecond, time.Second, 0} {
		all, err := b.Client.ListTriggers(ctx, b.URN, TypeTimer)
		if err != nil {
			return timer{}, err
		}
		at := slices.IndexFunc(all, func(t Trigger) bool { return t.ID == id })
		if at >= 0 && wanted(timer{all[at]}) || pause == 0 {
			if at < 0 {
				return timer{}, fmt.Errorf("the trigger %s is not among those of the function", id)
			}
			return timer{all[at]}, nil
		}
		if err := b.Client.sleep(ctx, pause); err != nil {
			return timer{}, err
		}
	}
	return timer{}, errors.New("not reached: the last pause is none")
}

// timer is a trigger of the type TIMER.
type timer struct{ Trigger }

func (t timer) input() string        { return rawjson.StringAt(t.Data, "user_event") }
func (t timer) expression() string   { return rawjson.StringAt(t.Data, "schedule") }
func (t timer) scheduleType() string { return rawjson.StringAt(t.Data, "schedule_type") }

// name is the timer's own, else its id: the documents call the name optional.
func (t timer) name() string {
	if name := rawjson.StringAt(t.Data, "name"); name != "" {
		return name
	}
	return t.ID
}

// line is a timer with those whose place it has taken and that are still there.
type line struct {
	heir  timer
	older []timer
}

func (l line) timer() schedule.Timer {
	t := schedule.Timer{ID: l.heir.ID, Name: l.heir.name(), Enabled: l.heir.Active, Expression: l.heir.expression(), Input: l.heir.input()}
	var left []string
	for _, old := range l.older {
		t.Enabled = t.Enabled || old.Active
		left = append(left, fmt.Sprintf("%s (%s), which is %s with the text %q", old.name(), old.ID, onOff(old.Active), old.input()))
	}
	if len(left) > 0 {
		t.Unfinished = fmt.Sprintf("changing the timer broke off: beside %s, which is %s with the text %q, there is still %s; set the schedule once more to delete it",
			t.Name, onOff(l.heir.Active), t.Input, strings.Join(left, " and "))
	}
	return t
}

// lines lists the function's timers, each with the older ones of its line.
func (b BackupFunction) lines(ctx context.Context) ([]line, error) {
	triggers, err := b.Client.ListTriggers(ctx, b.URN, TypeTimer)
	if err != nil {
		return nil, err
	}
	timers := make([]timer, 0, len(triggers))
	for _, t := range triggers {
		timers = append(timers, timer{t})
	}
	var all []line
	for _, t := range newestFirst(timers) {
		at := slices.IndexFunc(all, func(l line) bool { return succeeds(l.heir, t) })
		if at < 0 {
			all = append(all, line{heir: t})
			continue
		}
		all[at].older = append(all[at].older, t)
	}
	return all, nil
}
