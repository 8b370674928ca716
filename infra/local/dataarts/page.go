package dataarts

import (
	"slices"
	"strconv"
	"strings"
)

// paging are the limits of one list.
type paging struct {
	fallback, largest int
	records           bool // offset counts records
}

// page cuts one page out of rows, and returns with it the total that the list claims.
func page[T any](q *request, p paging, rows []T) (cut []T, total int, err error) {
	limit, err := q.number("limit", p.fallback)
	if err != nil {
		return nil, 0, err
	}
	offset, err := q.number("offset", 0)
	if err != nil {
		return nil, 0, err
	}
	if limit < 1 || limit > p.largest {
		return nil, 0, invalid("limit must be in 1 to %d.", p.largest)
	}
	if offset < 0 {
		return nil, 0, invalid("offset must not be negative.")
	}
	start := min(offset, len(rows)) // also keeps the product below from overflowing
	if !p.records {
		start *= limit
	}
	start = min(start, len(rows))
	return rows[start:min(start+limit, len(rows))], len(rows), nil
}

// number reads a parameter of the query.
func (q *request) number(name string, fallback int) (int, error) {
	text := q.query.Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, invalid("%s is not a number.", name)
	}
	return n, nil
}

// v1Paging are the limits of the lists of host V1: 1 to 100, 10 by default.
func (q *request) v1Paging() paging {
	return paging{fallback: 10, largest: orDefault(q.switches.MaxLimit, 100), records: q.switches.RecordOffsets}
}

// filter returns what a reader sees of a kind and fits, in order.
func (q *request) filter(kind Kind, fits func(*asset) bool) []*asset {
	return slices.DeleteFunc(q.ws.shelves[kind].list(q.view), func(a *asset) bool { return !fits(a) })
}

// moving is a list whose order changes while it is read, if ListMoves says so: the last row becomes the first, and stays it.
func (q *request) moving(kind Kind, rows []*asset) []*asset {
	offset, err := q.number("offset", 0)
	if q.switches.ListMoves <= 0 || err != nil || offset <= 0 || len(rows) == 0 {
		return rows
	}
	q.s.laterPages++
	if q.s.laterPages%q.switches.ListMoves != 0 {
		return rows
	}
	last := rows[len(rows)-1]
	q.ws.shelves[kind].move(storeKey(kind, last), 0)
	return append([]*asset{last}, rows[:len(rows)-1]...)
}

// rowOmits are the fields that ListOmits leaves out of a list's rows.
func (q *request) rowOmits(kind Kind) []string {
	var omits []string
	for _, name := range q.switches.ListOmits {
		list, field, qualified := strings.Cut(name, ".")
		switch {
		case qualified && list == string(kind):
			omits = append(omits, field)
		case !qualified && kind != Jobs:
			omits = append(omits, name)
		}
	}
	return omits
}

// fuzzy reports whether a name filter lets a name through: it looks for the text anywhere, whatever its case.
func fuzzy(name, filter string) bool {
	return filter == "" || strings.Contains(strings.ToLower(name), strings.ToLower(filter))
}

// list answers a page of rows under a name, and the total.
func list(name string, total int, rows [][][]byte) (reply, error) {
	var head fields
	head.add("total", total)
	parts := [][]byte{[]byte("{"), head.text, []byte(`,"` + name + `":[`)}
	for i, row := range rows {
		if i > 0 {
			parts = append(parts, []byte(","))
		}
		parts = append(parts, row...)
	}
	return okJSON(append(parts, []byte("]}"))...)
}
