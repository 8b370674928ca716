package functiongraph

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
)

// maxName is how long the name of a timer may be (Huawei's Terraform provider: a letter, then up to 63 letters, digits, - and _).
const maxName = 64

// changedName is the name of a timer that has taken another's place; the number counts how often that happened.
var changedName = regexp.MustCompile(`^(.*)-changed-([1-9][0-9]{0,8})$`)

// generation is what the timer was called at first, and how many timers had its place before it.
func generation(t timer) (stem string, n int) {
	if m := changedName.FindStringSubmatch(t.name()); m != nil {
		n, _ = strconv.Atoi(m[2]) // nine digits always fit
		return m[1], n
	}
	return t.name(), 0
}

func suffix(n int) string { return "-changed-" + strconv.Itoa(n) }

// succeeds tells whether heir was made to take the place of old: its name counts on, the schedule is the same, and it is not the older one of the two. Times of
// one service have one format, in which they can be compared as texts.
func succeeds(heir, old timer) bool {
	stem, n := generation(heir)
	former, m := generation(old)
	room := maxName - len(suffix(n))
	if m > 0 {
		room = min(room, maxName-len(suffix(m)))
	}
	return n > 0 && m <= n && cut(stem, room) == cut(former, room) &&
		heir.expression() == old.expression() && heir.scheduleType() == old.scheduleType() &&
		(heir.Created == "" || old.Created == "" || old.Created <= heir.Created)
}

// freeName is the name of the timer that takes the place of t, which no timer has.
func freeName(t timer, all []line) string {
	stem, n := generation(t)
	for n++; ; n++ {
		name := cut(stem, maxName-len(suffix(n))) + suffix(n)
		taken := func(t timer) bool { return t.name() == name }
		if !slices.ContainsFunc(all, func(l line) bool { return taken(l.heir) || slices.ContainsFunc(l.older, taken) }) {
			return name
		}
	}
}

// newestFirst puts those first that others may be the predecessors of.
func newestFirst(timers []timer) []timer {
	slices.SortStableFunc(timers, func(a, b timer) int {
		_, n := generation(a)
		_, m := generation(b)
		return cmp.Or(cmp.Compare(m, n), cmp.Compare(b.Created, a.Created))
	})
	return timers
}

func cut(text string, most int) string {
	if len(text) > most {
		return text[:most]
	}
	return text
}
