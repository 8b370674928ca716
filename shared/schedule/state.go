package schedule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// Schedule is the state of the daily backup.
type Schedule struct {
	Enabled    bool
	Folder     string     // below the location, without slashes at its ends; empty for the location itself
	Trigger    string     // name of the timer; empty where there is none
	Expression string     // as the platform spells it
	TimeZone   string     // IANA name of the zone of the expression; empty where nothing names one
	Input      string     // what the timer's events carry, as it stands
	NextRun    *time.Time // nil while the timer is off, and where it cannot be told: then Message says why
	Message    string     // what is worth knowing, for people; often empty
}

// Change is what is to be changed of the daily backup; what is nil stays as it is.
type Change struct {
	Enabled *bool
	Folder  *string // below the location; empty for the location itself. It is not checked here.
	Trigger string  // name of the timer, where there are several; else empty
}

// Conflict means that the platform's timers are not such that the question can be answered, or the change be made. Nothing was changed.
type Conflict struct{ Message string }

func (c *Conflict) Error() string { return c.Message }

func conflict(format string, args ...any) error {
	return &Conflict{Message: fmt.Sprintf(format, args...)}
}

// noTimer is what to do where there is no timer.
const noTimer = "the backup function has no timer that starts a backup; make one: on FunctionGraph a trigger of type TIMER with the cron expression " +
	"CRON_TZ=<time zone> 0 0 0 * * *, on Lambda a schedule of EventBridge Scheduler with cron(0 0 * * ? *) and a time zone"

// Read tells the state of the daily backup. trigger names the timer where there are several, and is else empty. That there is no timer is no error:
// the message of the state says what to do. Errors: *Conflict, those of the platform.
func Read(ctx context.Context, p Platform, trigger string, now time.Time) (Schedule, error) {
	t, err := daily(ctx, p, trigger)
	if errors.Is(err, errNone) {
		return Schedule{Message: noTimer}, nil
	}
	if err != nil {
		return Schedule{}, err
	}
	return t.state(now, ""), nil
}

// Set changes the daily backup and tells the state it then has. Where nothing is to change, nothing is sent. Errors: *Conflict, those of the platform, and
// what the platform did not take.
func Set(ctx context.Context, p Platform, change Change, now time.Time) (Schedule, error) {
	t, err := daily(ctx, p, change.Trigger)
	if errors.Is(err, errNone) {
		return Schedule{}, conflict("%s", noTimer)
	}
	if err != nil {
		return Schedule{}, err
	}
	if wanted, _ := change.of(t); wanted == t && t.Unfinished == "" {
		return t.state(now, ""), nil
	}
	note := ""
	got, err := p.Update(ctx, t, func(now Timer) (wanted Timer) {
		wanted, note = change.of(now) // and not of t: somebody may have changed the rest meanwhile
		return wanted
	})
	if err != nil {
		return Schedule{}, fmt.Errorf("change the timer %s: %w", t.Name, err)
	}
	if faults := change.missing(t, got); len(faults) > 0 {
		return Schedule{}, fmt.Errorf("change the timer %s: the platform answered that it did, and did not: %s", t.Name, strings.Join(faults, "; "))
	}
	if got.ID != t.ID {
		note = joined(note, fmt.Sprintf("the platform does not change the text of a timer: the timer %s, with the id %s, was made in the place of %s (%s); "+
			"infrastructure as code that declares the old one has to be told", got.Name, got.ID, t.Name, t.ID))
	}
	return got.state(now, note), nil
}

// of is how a timer shall be; the note says what that does to it beside what was asked for.
func (c Change) of(t Timer) (wanted Timer, note string) {
	wanted = t
	if c.Enabled != nil {
		wanted.Enabled = *c.Enabled
	}
	if c.Folder != nil {
		wanted.Input, note = withFolder(t.Input, *c.Folder)
	}
	return wanted, note
}

var errNone = errors.New("there is no timer")

// daily is the timer of the daily backup: the one of that name, else the only one, among those that start a backup. Errors: errNone, *Conflict.
func daily(ctx context.Context, p Platform, trigger string) (Timer, error) {
	timers, err := p.Timers(ctx)
	if err != nil {
		return Timer{}, fmt.Errorf("list the timers of the backup function: %w", err)
	}
	var candidates []Timer
	var names, others []string
	for _, t := range timers {
		switch {
		case !takesBackups(t.Input):
			others = append(others, t.Name)
		case trigger == "" || t.Name == trigger:
			candidates = append(candidates, t)
		}
		if takesBackups(t.Input) {
			names = append(names, t.Name)
		}
	}
	switch {
	case len(candidates) == 1:
		return candidates[0], nil
	case len(candidates) > 1 && trigger == "":
		return Timer{}, conflict("the backup function has several timers that start a backup: %s; say in trigger which one is meant", strings.Join(names, ", "))
	case len(candidates) > 1:
		return Timer{}, conflict("the backup function has %d timers with the name %s; delete all but one", len(candidates), trigger)
	case trigger == "":
		return Timer{}, errNone
	case len(names) > 0:
		return Timer{}, conflict("the backup function has no timer %s that starts a backup, but %s", trigger, strings.Join(names, ", "))
	case len(others) > 0:
		return Timer{}, conflict("the backup function has no timer %s that starts a backup, but others that do something else: %s", trigger, strings.Join(others, ", "))
	}
	return Timer{}, errNone
}

// takesBackups tells whether the events of a timer start backups: a command to verify one, or to say only what would be done, does not.
func takesBackups(input string) bool {
	text := []byte(input)
	if rawjson.Check(text) != nil {
		return true
	}
	dryRun, _ := rawjson.Path(text, "dryRun")
	return rawjson.StringAt(text, "verify") == "" && string(dryRun) != "true"
}

// folderIn is the folder in what a timer's events carry, and a note where that is text that the backup function ignores.
func folderIn(input string) (folder, note string) {
	text := bytes.TrimSpace([]byte(input))
	if len(text) == 0 {
		return "", ""
	}
	if rawjson.Check(text) != nil {
		return "", "the text of the timer's events is no JSON object, and the backup function ignores it"
	}
	return strings.Trim(rawjson.StringAt(text, "folder"), "/"), ""
}

// withFolder is input with another folder, and everything else in it as it is, to the byte. Text that is no command makes way for a folder, and for nothing
// else; the note says so.
func withFolder(input, folder string) (changed, note string) {
	if now, _ := folderIn(input); now == folder {
		return input, ""
	}
	text := []byte(input)
	if rawjson.Check(text) != nil {
		if len(bytes.TrimSpace(text)) > 0 {
			note = fmt.Sprintf("the folder stands in the place of the text %q, which the backup function ignored", shorten(input))
		}
		text = []byte("{}")
	}
	count := 0
	for name := range rawjson.Members(text) {
		if name == "folder" {
			count++
		}
	}
	if folder == "" || count > 1 {
		text = rawjson.Without(text, func(name string) bool { return name == "folder" })
	}
	if folder != "" {
		text = rawjson.Set(text, "folder", rawjson.Quote(folder))
	}
	return string(text), note
}

// missing says what a platform did not take. What was not to change may be as somebody else has set it meanwhile, but for the expression.
func (c Change) missing(before, got Timer) []string {
	var faults []string
	wanted, _ := c.of(got)
	if got.Enabled != wanted.Enabled {
		faults = append(faults, "the timer is still "+onOff(got.Enabled))
	}
	if !same(wanted.Input, got.Input) {
		faults = append(faults, fmt.Sprintf("its events carry %q and not %q", shorten(got.Input), shorten(wanted.Input)))
	}
	if got.Expression != before.Expression || got.TimeZone != before.TimeZone {
		faults = append(faults, fmt.Sprintf("its expression, which nobody wanted to change, was %s and is %s", strings.TrimSpace(before.Expression+" "+before.TimeZone),
			strings.TrimSpace(got.Expression+" "+got.TimeZone)))
	}
	if got.Unfinished != "" {
		faults = append(faults, got.Unfinished)
	}
	return faults
}

// same tells whether two inputs mean the same: platforms may write JSON in another way.
func same(a, b string) bool {
	if a == b {
		return true
	}
	da, ok := rawjson.Digest([]byte(a))
	db, okB := rawjson.Digest([]byte(b))
	return ok && okB && da == db
}

func (t Timer) state(now time.Time, note string) Schedule {
	folder, ignored := folderIn(t.Input)
	s := Schedule{Enabled: t.Enabled, Folder: folder, Trigger: t.Name, Expression: t.Expression, Input: t.Input}
	next, zone, why := nextRun(t, now)
	s.TimeZone = zone
	if t.Enabled {
		if !next.IsZero() {
			s.NextRun = &next
		}
		note = joined(note, why)
	}
	s.Message = joined(joined(note, ignored), t.Unfinished)
	return s
}

func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

func onOff(enabled bool) string {
	if enabled {
		return "on"
	}
	return "off"
}

// shorten keeps a foreign text from filling a message.
func shorten(text string) string {
	const most = 200
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
