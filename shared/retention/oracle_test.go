package retention_test

import (
	"slices"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/retention"
)

// The oracle decides about one backup at a time, by counting, and shares nothing with the code under test.

// staysByRule tells whether a rule keeps f: nothing in its period is newer, and fewer than n later periods hold a backup.
func staysByRule(f retention.Candidate, all []retention.Candidate, n int, period func(name string) int) bool {
	if n == 0 {
		return false
	}
	later := map[int]bool{}
	for _, other := range slices.Backward(all) { // mostly the newest come last, and decide
		if !other.Complete {
			continue
		}
		switch p := period(other.Name); {
		case p > period(f.Name):
			if later[p] = true; len(later) == n {
				return false
			}
		case p == period(f.Name) && isNewer(other, f):
			return false
		}
	}
	return true
}

func isNewer(a, b retention.Candidate) bool {
	if dayOf(a.Name) != dayOf(b.Name) {
		return dayOf(a.Name) > dayOf(b.Name)
	}
	if !a.StartedAt.Equal(b.StartedAt) {
		return a.StartedAt.After(b.StartedAt)
	}
	return a.Name > b.Name
}

// oracleStays says whether a folder stays.
func oracleStays(f retention.Candidate, all []retention.Candidate, keep retention.Keep) bool {
	if keep == (retention.Keep{}) {
		return true
	}
	if !f.Complete {
		if !f.Unfinished {
			return true
		}
		for _, other := range all {
			if other.Complete && dayOf(other.Name) > dayOf(f.Name) {
				return false
			}
		}
		return true
	}
	newest := true
	for _, other := range slices.Backward(all) {
		if other.Complete && isNewer(other, f) {
			newest = false
			break
		}
	}
	return newest || staysByRule(f, all, keep.Daily, dayOf) || staysByRule(f, all, keep.Weekly, weekOf) ||
		staysByRule(f, all, keep.Monthly, monthOf) || staysByRule(f, all, keep.Yearly, yearOf)
}

// numbers reads the date at the beginning of a name, digit by digit: this is called some hundred million times.
func numbers(name string) (year, month, day int) {
	digits := func(from, to int) (n int) {
		for _, c := range []byte(name[from:to]) {
			n = n*10 + int(c-'0')
		}
		return n
	}
	return digits(0, 4), digits(5, 7), digits(8, 10)
}

// dayOf counts days, by the formula for the Julian day number.
func dayOf(name string) int {
	y, m, d := numbers(name)
	a := (14 - m) / 12
	y, m = y+4800-a, m+12*a-3
	return d + (153*m+2)/5 + 365*y + y/4 - y/100 + y/400 - 32045
}

// weekOf counts weeks that begin on a Monday: Julian day 0 was one. An ISO week never is part of two ISO years, so that this is the same division.
func weekOf(name string) int  { return dayOf(name) / 7 }
func monthOf(name string) int { y, m, _ := numbers(name); return y*12 + m }
func yearOf(name string) int  { y, _, _ := numbers(name); return y }

func nightly(day time.Time) retention.Candidate {
	return retention.Candidate{Name: day.Format(time.DateOnly), Complete: true, StartedAt: day}
}

func byHand(at time.Time) retention.Candidate {
	return retention.Candidate{Name: at.Format("2006-01-02T150405"), Complete: true, StartedAt: at}
}
