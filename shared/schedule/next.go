package schedule

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// rate is a schedule of FunctionGraph's type Rate: a number of minutes, hours or days.
var rate = regexp.MustCompile(`^[0-9]+[mhd]$`)

// nextRun is when a timer fires next after now, in the zone of its expression. It is zero where that cannot be told, and why says why not. zone is the name
// of the zone as far as something names it.
func nextRun(t Timer, now time.Time) (next time.Time, zone, why string) {
	text := strings.TrimSpace(t.Expression)
	inner, isAWS := awsCall(text)
	switch {
	case strings.HasPrefix(text, "rate(") || strings.HasPrefix(text, "@every ") || rate.MatchString(text):
		return time.Time{}, t.TimeZone, counted(text)
	case isAWS:
		return nextAWS(text, inner, t.TimeZone, now)
	}
	return nextGo(text, t.TimeZone, now)
}

func unknown(format string, args ...any) string {
	return "the next run is not known: " + fmt.Sprintf(format, args...)
}

// counted is why a rate has no next run that is known.
func counted(text string) string {
	return unknown("%s counts from a moment that only the platform knows", text)
}

// nextGo reads the grammar of FunctionGraph: seconds, minutes, hours, day of month, month and perhaps day of week, after an optional CRON_TZ. It is that of
// robfig/cron, its handling of daylight saving time included: a time that a day lacks does not come on that day.
func nextGo(text, zone string, now time.Time) (time.Time, string, string) {
	fields := text
	for _, prefix := range []string{"CRON_TZ=", "TZ="} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			zone, fields, _ = strings.Cut(rest, " ")
			break
		}
	}
	location, err := time.LoadLocation(zone)
	switch {
	case strings.HasPrefix(fields, "@every "):
		return time.Time{}, zone, counted(text)
	case zone == "":
		return time.Time{}, "", unknown("the expression names no time zone, so that the platform takes the region's own; write CRON_TZ=<time zone> in front of it")
	case err != nil || location == time.Local:
		return time.Time{}, zone, unknown("%q is no time zone of the IANA database", zone)
	}
	if strings.Contains(fields, "TZ=") { // a second zone, at which the parser panics
		return time.Time{}, zone, unknown("the expression %q cannot be read", text)
	}
	schedule, err := cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.DowOptional | cron.Descriptor).Parse(fields)
	if err != nil {
		return time.Time{}, zone, unknown("the expression %q cannot be read: %v", text, err)
	}
	next := schedule.Next(now.In(location))
	if next.IsZero() {
		return next, zone, unknown("the expression %q has none in the next years", text)
	}
	return next, zone, ""
}

// awsCall is what stands in the brackets of cron(…) or at(…).
func awsCall(text string) (inner string, ok bool) {
	for _, prefix := range []string{"cron(", "at("} {
		if rest, found := strings.CutPrefix(text, prefix); found {
			return strings.CutSuffix(rest, ")")
		}
	}
	return "", false
}

// nextAWS reads an expression of EventBridge ("Schedule types in EventBridge Scheduler"). Without a zone it is UTC. When the clocks go forward, a time that
// the day lacks does not come on that day; when they go back, a time that comes twice counts once, the first time.
func nextAWS(text, inner, zone string, now time.Time) (time.Time, string, string) {
	if zone == "" {
		zone = "UTC"
	}
	location, err := time.LoadLocation(zone)
	if err != nil || location == time.Local {
		return time.Time{}, zone, unknown("%q is no time zone of the IANA database", zone)
	}
	if strings.HasPrefix(text, "at(") {
		at, err := time.ParseInLocation("2006-01-02T15:04:05", inner, location)
		switch {
		case err != nil:
			return time.Time{}, zone, unknown("the expression %q cannot be read", text)
		case !at.After(now):
			return time.Time{}, zone, fmt.Sprintf("there is no next run: %s is over", text)
		}
		return at, zone, ""
	}
	schedule, years, err := parseAWS(inner)
	if err != nil {
		return time.Time{}, zone, unknown("the expression %q cannot be read: %v", text, err)
	}
	wall := onTheWall(now.In(location))
	for {
		wall = schedule.Next(wall)
		if wall.IsZero() {
			return time.Time{}, zone, unknown("the expression %q has none in the next years", text)
		}
		if year, ok := years.from(wall.Year()); !ok {
			return time.Time{}, zone, fmt.Sprintf("there is no next run: the years of %s are over", text)
		} else if year != wall.Year() {
			wall = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Add(-time.Second)
			continue
		}
		if at, ok := inZone(wall, location); ok && at.After(now) {
			return at, zone, ""
		}
	}
}

// onTheWall is what a clock shows, as if it were UTC, so that adding to it knows no daylight saving time.
func onTheWall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// inZone is the first moment at which the clocks of a zone show this time; ok is false if they never do.
func inZone(wall time.Time, location *time.Location) (at time.Time, ok bool) {
	guess := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, location)
	// No zone has moved its clocks by more than a day since it keeps the time of UTC; daylight saving time is at most two hours.
	for _, offset := range []time.Duration{-2 * time.Hour, -time.Hour, -30 * time.Minute, 0, 30 * time.Minute, time.Hour, 2 * time.Hour} {
		if t := guess.Add(offset); onTheWall(t).Equal(wall) {
			return t, true
		}
	}
	return time.Time{}, false
}

// parseAWS reads minutes, hours, day of month, month, day of week and year. What robfig/cron has no word for (L, W and #) is an error.
func parseAWS(inner string) (cron.Schedule, years, error) {
	fields := strings.Fields(inner)
	if len(fields) != 6 {
		return nil, nil, fmt.Errorf("it has %d fields, want 6: minutes, hours, day of month, month, day of week, year", len(fields))
	}
	if strings.ContainsAny(fields[2], "LWlw") || strings.ContainsAny(fields[4], "#") || strings.HasSuffix(strings.ToUpper(fields[4]), "L") {
		return nil, nil, fmt.Errorf("L, W and # are left to the platform")
	}
	if (fields[2] == "?") == (fields[4] == "?") {
		return nil, nil, fmt.Errorf("one of day of month and day of week has to be ?")
	}
	days, err := daysOfWeek(fields[4])
	if err != nil {
		return nil, nil, err
	}
	y, err := parseYears(fields[5])
	if err != nil {
		return nil, nil, err
	}
	fields[4] = days
	schedule, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(strings.Join(fields[:5], " "))
	return schedule, y, err
}

// daysOfWeek spells days as robfig/cron does: Sunday is 1 to AWS, and 0 to it.
func daysOfWeek(field string) (string, error) {
	var out []string
	for part := range strings.SplitSeq(field, ",") {
		days, step, hasStep := strings.Cut(part, "/")
		var ends []string
		for end := range strings.SplitSeq(days, "-") {
			if n, err := strconv.Atoi(end); err == nil {
				if n < 1 || n > 7 {
					return "", fmt.Errorf("day of week %d: want 1 to 7", n)
				}
				end = strconv.Itoa(n - 1)
			}
			ends = append(ends, end)
		}
		spelled := strings.Join(ends, "-")
		if hasStep {
			spelled += "/" + step
		}
		out = append(out, spelled)
	}
	return strings.Join(out, ","), nil
}

// firstYear and lastYear are those that AWS knows.
const firstYear, lastYear = 1970, 2199

// years are the years of an expression; nil for every year.
type years map[int]bool

// from is the first of the years that is not before this one.
func (y years) from(year int) (int, bool) {
	if y == nil {
		return year, true
	}
	for ; year <= lastYear; year++ {
		if y[year] {
			return year, true
		}
	}
	return 0, false
}

func parseYears(field string) (years, error) {
	if field == "*" {
		return nil, nil
	}
	all := years{}
	for part := range strings.SplitSeq(field, ",") {
		text, stepText, hasStep := strings.Cut(part, "/")
		first, last, isRange := strings.Cut(text, "-")
		step := 1
		var err error
		if hasStep {
			if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
				return nil, fmt.Errorf("year %q", part)
			}
		}
		from, to := firstYear, lastYear
		if text != "*" {
			if from, err = strconv.Atoi(first); err != nil {
				return nil, fmt.Errorf("year %q", part)
			}
			switch {
			case isRange:
				if to, err = strconv.Atoi(last); err != nil {
					return nil, fmt.Errorf("year %q", part)
				}
			case !hasStep:
				to = from
			}
		}
		if from < firstYear || to > lastYear || from > to {
			return nil, fmt.Errorf("year %q: want %d to %d", part, firstYear, lastYear)
		}
		for year := from; year <= to; year += step {
			all[year] = true
		}
	}
	return all, nil
}
