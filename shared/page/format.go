package page

import (
	"fmt"
	"strings"
	"time"
)

// longestMessage is how much of a message a table shows, in characters.
const longestMessage = 240

// Moment is a time for people and for machines; both texts are empty where it is not known.
type Moment struct{ Text, Machine string }

// MomentOf is a point in time, in UTC.
func MomentOf(t time.Time) Moment {
	if t.IsZero() {
		return Moment{}
	}
	t = t.UTC()
	return Moment{Text: t.Format("2006-01-02 15:04:05") + " UTC", Machine: t.Format(time.RFC3339)}
}

// Size is a number of bytes in the unit that people would use.
func Size(count int64) string {
	if count < 1<<10 {
		return fmt.Sprintf("%d B", count)
	}
	n, units := float64(count), []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	unit := 0
	for n >= 1023.95 && unit < len(units)-1 { // would read as 1024.0
		n, unit = n/1024, unit+1
	}
	return fmt.Sprintf("%.1f %s", n, units[unit])
}

// Duration is a number of milliseconds in the units that people would use.
func Duration(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", ms)
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Truncate(100*time.Millisecond).Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// Shorten cuts a message to what fits into a table. The whole of it is in the JSON.
func Shorten(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if runes := []rune(text); len(runes) > longestMessage {
		return string(runes[:longestMessage-1]) + "…"
	}
	return text
}

// DiffLine is a line of a unified diff: what it is ("add", "del", "at" for a place, "" for what is the same) and its text.
type DiffLine struct{ Class, Text string }

// diffLines takes a unified diff apart.
func diffLines(diff string) []DiffLine {
	var lines []DiffLine
	for text := range strings.SplitSeq(strings.TrimSuffix(diff, "\n"), "\n") {
		line := DiffLine{Text: text}
		switch {
		case strings.HasPrefix(text, "@@"), len(lines) < 2 && (strings.HasPrefix(text, "--- ") || strings.HasPrefix(text, "+++ ")):
			line.Class = "at"
		case strings.HasPrefix(text, "+"):
			line.Class = "add"
		case strings.HasPrefix(text, "-"):
			line.Class = "del"
		}
		lines = append(lines, line)
	}
	return lines
}
