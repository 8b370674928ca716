package handler

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// How many days a calendar shows.
const (
	normalDays = 35
	mostDays   = 400
)

// stateNone is the state of a day without a dated folder.
const stateNone vault.State = "NONE"

// dayLayout is how a day is written.
const dayLayout = time.DateOnly

// calendarDay is one day of a calendar.
type calendarDay struct {
	Date     string      `json:"date"`
	State    vault.State `json:"state"`    // of the best backup of that day; NONE without any
	Backups  []string    `json:"backups"`  // names of that day's folders, whatever their state, oldest first
	Verified bool        `json:"verified"` // a COMPLETE backup of that day was verified and found whole
	// Inspected tells that somebody has looked into a backup of that state: its manifest was read since it is as it is now, or it was verified, or a
	// glance shows all there is. Else a COMPLETE one is what its backup.json says, and a look may show that it is DAMAGED.
	Inspected bool `json:"inspected"`
}

// calendar is the answer to GET /calendar.
type calendar struct {
	Workspace string        `json:"workspace"`
	Path      string        `json:"path"`  // obs:// path of the location
	Today     string        `json:"today"` // in BACKUP_TIME_ZONE, else UTC
	Days      []calendarDay `json:"days"`  // newest last
}

// showCalendar serves GET /calendar.
func (c *console) showCalendar(ctx context.Context, r event.Request) (reply, error) {
	p := &parameters{values: r.Query}
	until, days := p.day("until"), p.number("days", normalDays, 1, mostDays)
	workspace, ok, err := c.one(ctx, p)
	if err := errors.Join(err, p.err()); err != nil {
		return reply{}, err
	}
	if !ok {
		return jsonReply(http.StatusOK, calendar{Path: c.config.Location.String(), Today: c.today().Format(dayLayout), Days: emptyDays(c.lastDay(until, nil), days)})
	}
	answer, err := c.calendar(ctx, workspace, until, days)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, answer)
}

// day is the value of a parameter that is a date; zero where there is none.
func (p *parameters) day(name string) time.Time {
	text := p.text(name)
	if text == "" {
		return time.Time{}
	}
	day, err := time.Parse(dayLayout, text)
	if err != nil || day.Year() < 1970 {
		p.fault("%s: %q: want a date, like 2026-11-22", name, text)
	}
	return day
}

// today is the date of today, in the zone that dates the backups.
func (c *console) today() time.Time {
	now := c.options.Now().UTC()
	if c.config.TimeZone != nil {
		now = now.In(c.config.TimeZone)
	}
	return time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
}

// lastDay is the last day of a calendar: today, unless another one is asked for. Where the console does not know the zone that dates the backups, tonight's may
// bear the date of tomorrow: then that is the last day.
func (c *console) lastDay(until time.Time, folders []*vault.Folder) time.Time {
	if !until.IsZero() {
		return until
	}
	today := c.today()
	tomorrow := today.AddDate(0, 0, 1)
	if c.config.TimeZone == nil && slices.ContainsFunc(folders, func(f *vault.Folder) bool { return dateName(f) == tomorrow.Format(dayLayout) }) {
		return tomorrow
	}
	return today
}

func emptyDays(until time.Time, days int) []calendarDay {
	all := make([]calendarDay, days)
	for i := range all {
		all[i] = calendarDay{Date: until.AddDate(0, 0, i-days+1).Format(dayLayout), State: stateNone, Backups: []string{}}
	}
	return all
}

// calendar says of every day what backups it has. It reads no manifest, which may have 10 MB, and no other object tells what is in one: a commit counts as
// a COMPLETE backup unless an earlier look or a verification has shown otherwise, and Inspected says whether there was any. until is the last day, today
// where it is zero.
func (c *console) calendar(ctx context.Context, workspace string, until time.Time, days int) (calendar, error) {
	v, err := c.place(workspace)
	if err != nil {
		return calendar{}, err
	}
	work, cancel := inTime(ctx)
	defer cancel()
	folders, err := v.Folders(work)
	if err != nil {
		return calendar{}, overtimeIn(work, v, err)
	}
	answer := calendar{Workspace: workspace, Path: v.Path(), Today: c.today().Format(dayLayout), Days: emptyDays(c.lastDay(until, folders), days)}
	first, last := answer.Days[0].Date, answer.Days[days-1].Date
	folders = slices.DeleteFunc(folders, func(f *vault.Folder) bool { return dateName(f) < first || dateName(f) > last })
	var records verificationRecords
	if len(folders) > 0 {
		records = c.verificationRecords(work, v)
	}
	seen := make([]glance, len(folders))
	var group errgroup.Group
	group.SetLimit(outlines)
	for i, f := range folders {
		group.Go(func() error {
			if work.Err() == nil {
				seen[i] = c.glance(work, f, records)
			}
			return work.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return calendar{}, overtimeIn(work, v, fmt.Errorf("look at the backups in %s: %w", v.Path(), err))
	}
	for i, f := range folders {
		at, found := slices.BinarySearchFunc(answer.Days, dateName(f), func(d calendarDay, date string) int { return strings.Compare(d.Date, date) })
		if !found {
			continue
		}
		day := &answer.Days[at]
		day.Backups = append(day.Backups, f.Name)
		day.Verified = day.Verified || seen[i].verified
		if rank(seen[i].state) > rank(day.State) {
			day.State, day.Inspected = seen[i].state, false
		}
		if seen[i].state == day.State {
			day.Inspected = day.Inspected || seen[i].inspected
		}
	}
	return answer, nil
}

// dateName is the date of a folder.
func dateName(f *vault.Folder) string { return f.Name[:len(dayLayout)] }

// rank orders the states of one day's backups: the best one speaks for the day.
func rank(s vault.State) int {
	return slices.Index([]vault.State{stateNone, stateUnreadable, vault.StateIncomplete, vault.StateDamaged, vault.StateUnsupported, vault.StateUnverified, vault.StatePartial, vault.StateComplete}, s)
}

// glance is how a folder stands without its manifest being read.
type glance struct {
	state     vault.State
	verified  bool // its backup is COMPLETE, was verified and found whole
	inspected bool // see calendarDay
}

// glance looks at a folder.
func (c *console) glance(ctx context.Context, f *vault.Folder, records verificationRecords) glance {
	unreadable := func(err error) glance {
		zerolog.Ctx(ctx).Error().Err(err).Str("path", f.Path()).Msg("the backup could not be looked at")
		return glance{state: stateUnreadable}
	}
	o, err := f.Outline(ctx)
	if err != nil {
		return unreadable(err)
	}
	found, whole, err := c.glanced(ctx, f, o)
	if err != nil {
		return unreadable(err)
	}
	record := c.record(ctx, f, records)
	if record != nil && !record.Of(found) && record.Status == vault.Damaged && !whole {
		// It was damaged so that no manifest could be named. Whether it still is only a whole look tells.
		looked, err := c.inspected(ctx, f, o)
		if err != nil {
			return unreadable(err)
		}
		found, whole = looked.found(), true
	}
	state, verified := judged(found, record)
	return glance{state: state, verified: state == vault.StateComplete && verified != nil && verified.Status == vault.Verified, inspected: whole || verified != nil}
}
