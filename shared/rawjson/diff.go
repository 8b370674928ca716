package rawjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Change is one place in which two JSON values differ.
type Change struct {
	Path string // e.g. nodes[2].properties[0].value
	From string // JSON text, empty where the place is new
	To   string // JSON text, empty where the place is gone
}

// Diff lists the places in which two JSON texts differ in meaning: order of keys, white space, escapes and the spelling of one number
// ("1" and "1.0") do not count. Text that is not Unicode is the same only if every byte is. Paths come in ascending order. Both texts must be JSON.
func Diff(from, to []byte) ([]Change, error) {
	for _, text := range [][]byte{from, to} {
		if !json.Valid(text) {
			var v json.RawMessage
			return nil, fmt.Errorf("not JSON: %w", json.Unmarshal(text, &v))
		}
	}
	var changes []Change
	walk("", bytes.TrimSpace(from), bytes.TrimSpace(to), &changes)
	return changes, nil
}

// Lost lists the places of want that have is without or has otherwise. Members that only have has are no loss: services add defaults.
// Elements that only have has are one, because an array is a value as a whole.
func Lost(want, have []byte) ([]Change, error) {
	changes, err := Diff(want, have)
	if err != nil {
		return nil, err
	}
	return Losses(changes), nil
}

// Losses are the changes of a [Diff] from want to have that [Lost] lists.
func Losses(changes []Change) []Change {
	return slices.DeleteFunc(changes, func(c Change) bool {
		return c.From == "" && !strings.HasSuffix(c.Path, "]")
	})
}

// exact tells whether decoding keeps every character: the text is UTF-8, and no escape is half of a surrogate pair.
func exact(text []byte) bool {
	if !utf8.Valid(text) {
		return false
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		r, size := escaped(text[i:])
		if utf16.IsSurrogate(r) {
			low, more := escaped(text[i+size:])
			if utf16.DecodeRune(r, low) == utf8.RuneError {
				return false
			}
			size += more
		}
		i += size - 1
	}
	return true
}

// escaped reads the escape at the beginning of text: its character, if it is one by number, and its length.
func escaped(text []byte) (rune, int) {
	if len(text) < 2 || text[0] != '\\' {
		return 0, 0
	}
	if text[1] != 'u' || len(text) < 6 {
		return 0, 2
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 32)
	if err != nil {
		return 0, 2
	}
	return rune(n), 6
}

// walk compares two values that are JSON.
func walk(path string, a, b []byte, changes *[]Change) {
	switch {
	case a[0] == '{' && b[0] == '{':
		x, y := fields(a), fields(b)
		names := slices.Collect(maps.Keys(x))
		for name := range y {
			if _, both := x[name]; !both {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			at := name
			if path != "" {
				at = path + "." + name
			}
			step(at, x[name], y[name], changes)
		}
	case a[0] == '[' && b[0] == '[':
		x, y := slices.Collect(Elements(a)), slices.Collect(Elements(b))
		for i := range max(len(x), len(y)) {
			var v, w []byte
			if i < len(x) {
				v = x[i].In(a)
			}
			if i < len(y) {
				w = y[i].In(b)
			}
			step(fmt.Sprintf("%s[%d]", path, i), v, w, changes)
		}
	case !same(a, b):
		*changes = append(*changes, Change{Path: path, From: compact(a), To: compact(b)})
	}
}

// step compares two values of which one may not be there.
func step(path string, a, b []byte, changes *[]Change) {
	if a == nil || b == nil {
		*changes = append(*changes, Change{Path: path, From: compact(a), To: compact(b)})
		return
	}
	walk(path, a, b, changes)
}

func fields(object []byte) map[string][]byte {
	all := map[string][]byte{}
	for name, span := range Members(object) {
		all[name] = span.In(object)
	}
	return all
}

// same compares values that are not both objects or both lists.
func same(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if a[0] == '"' && b[0] == '"' {
		// Decoding turns every half of a surrogate pair and every byte that is no UTF-8 into one and the same character.
		x, okX := String(a)
		y, okY := String(b)
		return okX && okY && x == y && exact(a) && exact(b)
	}
	return isNumber(a) && isNumber(b) && sameNumber(string(a), string(b))
}

func isNumber(text []byte) bool { return text[0] == '-' || (text[0] >= '0' && text[0] <= '9') }

// compact is a value on one line; empty for none.
func compact(text []byte) string {
	if text == nil {
		return ""
	}
	var buf bytes.Buffer
	if err := json.Compact(&buf, text); err != nil {
		return string(text)
	}
	return buf.String()
}

// longNumber is the length from which two spellings of a number are only compared as text: an exponent can make a short text a number
// of any size.
const longNumber = 64

func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	if len(a) > longNumber || len(b) > longNumber || strings.ContainsAny(a+b, "eE") {
		return false
	}
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	return okX && okY && x.Cmp(y) == 0
}
