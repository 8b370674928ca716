package restore

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// mostAnswered is how many bytes of items, and of the rest, an answer holds. FunctionGraph and Lambda take 6 MB, and some of it is lost to escaping.
const (
	mostAnsweredItems = 3 << 20
	mostAnsweredRest  = 1 << 19
)

// Within returns the report as an answer of limited size carries it: with so many items at most and in about 4 MB, those items that need attention first
// among them. The message says what is left out; report.json has all.
func (r *Report) Within(items int) *Report {
	short := *r
	var left []string
	if room := sizes(r.Items, mostAnsweredItems); len(r.Items) > items || room < len(r.Items) {
		short.Items = slices.Clone(r.Items)
		slices.SortStableFunc(short.Items, func(a, b Item) int { return a.rank() - b.rank() })
		short.Items = short.Items[:min(items, len(short.Items))]
		for i := range short.Items {
			item := &short.Items[i]
			item.MoreChanges, item.Changes = item.MoreChanges+len(item.Changes), nil
		}
		short.Items = short.Items[:sizes(short.Items, mostAnsweredItems)]
		left = append(left, fmt.Sprintf("%d of %d items are shown, without their changes", len(short.Items), len(r.Items)))
	}
	if room := sizes(r.Problems, mostAnsweredRest); room < len(r.Problems) {
		short.Problems = r.Problems[:room]
		left = append(left, fmt.Sprintf("%d of %d problems are shown", room, len(r.Problems)))
	}
	if len(short.Message) > mostAnsweredRest {
		short.Message = strings.ToValidUTF8(short.Message[:mostAnsweredRest], "") + "…"
		left = append(left, "the message is cut")
	}
	if len(left) == 0 {
		return r
	}
	short.Message += fmt.Sprintf("; %s: restores/%s/report.json has all", strings.Join(left, ", "), r.ID)
	return &short
}

// sizes tells how many of the first ones fit into so many bytes of JSON, as it is indented in an answer.
func sizes[T any](all []T, most int) int {
	for n := range all {
		data, err := json.MarshalIndent(all[n], "    ", "  ")
		if most -= len(data) + 1; err != nil || most < 0 {
			return n
		}
	}
	return len(all)
}

// rank orders items by how much they need attention.
func (i Item) rank() int {
	switch {
	case i.Outcome == Errored || i.Outcome == Blocked || i.Action == ActionBlocked:
		return 0
	case slices.ContainsFunc(i.Files, func(f FileItem) bool { return f.Action == ActionBlocked }):
		return 0
	case i.Action == ActionCreate || i.Action == ActionOverwrite || len(i.Files) > 0:
		return 1
	}
	return 2
}
