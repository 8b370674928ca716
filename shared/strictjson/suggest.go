package strictjson

import (
	"strings"
	"unicode/utf8"
)

// unknownField says that a name is unknown, what was probably meant and what is known.
func unknownField(name string, known []string) string {
	problem := "unknown field " + quote(name)
	if near := nearest(name, known); near != "" {
		problem += ", did you mean " + quote(near) + "?"
	}
	if len(known) == 0 {
		return problem + " (no field is known here)"
	}
	return problem + " (known: " + strings.Join(known, ", ") + ")"
}

// nearest returns the known name that a mistyped one most likely stands for, or "". Case, '-' and '_' do not count; of the
// rest a third may be wrong.
func nearest(name string, known []string) string {
	const longest = 64
	if utf8.RuneCountInString(name) > longest {
		return ""
	}
	best, least := "", 0
	for _, k := range known {
		a, b := fold(name), fold(k)
		d := distance(a, b)
		if d > min(len(a), len(b))/3 {
			continue
		}
		if best == "" || d < least {
			best, least = k, d
		}
	}
	return best
}

func fold(name string) []rune {
	return []rune(strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name)))
}

// distance is how many characters must be added, dropped, replaced or swapped with their neighbour to make a into b.
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
