package dataarts

import (
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

// fuzzy reports whether a name filter lets a name through: it looks for the text anywhere, whatever its case.
func fuzzy(name, filter string) bool {
	return strings.Contains(strings.ToLower(name), strings.ToLower(filter))
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
