// Package retention removes old backups: grandfather, father, son.
//
// What it guarantees: a backup goes only while, for each rule, the newest complete backup of each of the last N calendar days, ISO weeks, months or years that
// hold one stays, and only after the store was asked whether every object of those that stay is there. The newest complete backup never
// goes, nor does anything that this program did not write or cannot account for. Nothing goes while the newest run is not
// COMPLETE, nor on a day that lost more than a fifth of what it or the day before it held. Nothing goes that a restore reads. A removal that is cut off leaves a folder that is a whole backup or
// none at all, and the next run ends what was begun.
package retention

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Keep says how many backups each rule keeps: the newest of each of the last N days, ISO weeks, months or years that hold one. Zero is no such rule; the
// zero value removes nothing.
type Keep struct {
	Daily, Weekly, Monthly, Yearly int
}

// String is the rules as an operator writes them: daily=30,weekly=8.
func (k Keep) String() string {
	var rules []string
	for _, r := range k.rules() {
		rules = append(rules, r.name+"="+strconv.Itoa(r.count))
	}
	return strings.Join(rules, ",")
}

// rule is one of the rules of a Keep.
type rule struct {
	name   string
	count  int
	period func(day time.Time) string // the calendar period that a day lies in, in words
}

// rules are those that are set.
func (k Keep) rules() []rule {
	return slices.DeleteFunc([]rule{
		{"daily", k.Daily, func(day time.Time) string { return day.Format(time.DateOnly) }},
		{"weekly", k.Weekly, func(day time.Time) string {
			year, week := day.ISOWeek()
			return fmt.Sprintf("%04d-W%02d", year, week)
		}},
		{"monthly", k.Monthly, func(day time.Time) string { return day.Format("2006-01") }},
		{"yearly", k.Yearly, func(day time.Time) string { return day.Format("2006") }},
	}, func(r rule) bool { return r.count <= 0 })
}

// Candidate is one dated folder as a plan sees it. A folder that is neither Complete nor Unfinished, such as a damaged one or one that the DataArts
// console wrote, always stays, and keeps nothing.
type Candidate struct {
	Name       string    // of the folder: its first ten characters are its day
	Complete   bool      // it holds a complete backup
	Unfinished bool      // it holds what a run began and did not finish
	StartedAt  time.Time // of a complete backup: tells which of one day is the newest
}

func (c Candidate) date() string { return c.Name[:len(time.DateOnly)] }

// older orders backups by their day, then by when they were started. It is the order of vault.Latest.
func older(a, b Candidate) int {
	return cmp.Or(strings.Compare(a.date(), b.date()), a.StartedAt.Compare(b.StartedAt), strings.Compare(a.Name, b.Name))
}

// Verdict is what a plan says of one folder, and why, in words.
type Verdict struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Decision accounts for every candidate exactly once, each list oldest first.
type Decision struct {
	Stay, Go []Verdict
}

// Plan decides what goes. It looks at nothing but its arguments. The candidates' names are those of dated folders, each once.
func Plan(keep Keep, folders []Candidate) Decision {
	folders = slices.SortedFunc(slices.Values(folders), older)
	kept := reasonsToKeep(keep, folders)
	lastComplete := ""
	for _, f := range folders {
		if f.Complete {
			lastComplete = f.Name
		}
	}
	var d Decision
	stay := func(f Candidate, reason string) { d.Stay = append(d.Stay, Verdict{f.Name, reason}) }
	for _, f := range folders {
		switch {
		case len(keep.rules()) == 0:
			stay(f, "there is no rule, so nothing goes")
		case f.Complete && len(kept[f.Name]) > 0:
			stay(f, strings.Join(kept[f.Name], ", "))
		case f.Complete:
			d.Go = append(d.Go, Verdict{f.Name, "no rule of " + keep.String() + " keeps it"})
		case f.Unfinished && lastComplete != "" && f.date() < lastComplete[:len(time.DateOnly)]:
			d.Go = append(d.Go, Verdict{f.Name, "it was never finished, and " + lastComplete + " is complete"})
		case f.Unfinished:
			stay(f, "it is not finished, and no later date is complete")
		default:
			stay(f, "it is nothing that retention may touch")
		}
	}
	return d
}

// reasonsToKeep tells for each complete backup that stays by which rules it does. folders are sorted, oldest first.
func reasonsToKeep(keep Keep, folders []Candidate) map[string][]string {
	kept := map[string][]string{}
	newest := true
	rules := keep.rules()
	held := make([]map[string]bool, len(rules)) // the periods of each rule that hold a backup, as far as they count
	for i := range held {
		held[i] = map[string]bool{}
	}
	for _, f := range slices.Backward(folders) {
		if !f.Complete {
			continue
		}
		if newest {
			kept[f.Name] = append(kept[f.Name], "the newest of all")
			newest = false
		}
		day, err := time.Parse(time.DateOnly, f.date())
		if err != nil { // not a dated folder, against the contract: it stays
			kept[f.Name] = append(kept[f.Name], "its name is no date")
			continue
		}
		for i, r := range rules {
			period := r.period(day)
			if len(held[i]) < r.count && !held[i][period] {
				held[i][period] = true
				kept[f.Name] = append(kept[f.Name], r.name+": the newest of "+period)
			}
		}
	}
	return kept
}
