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
	if !bytes.Equal(from, to) && (!exact(from) || !exact(to)) {
		// Decoding would turn both into the replacement character, and call them the same.
		return []Change{{From: inexact, To: inexact}}, nil
	}
	a, err := decode(from)
	if err != nil {
		return nil, err
	}
	b, err := decode(to)
	if err != nil {
		return nil, err
	}
	var changes []Change
	walk("", a, b, &changes)
	return changes, nil
}

// Lost lists the places of want that have is without or has otherwise. Members that only have has are no loss: services add defaults.
// Elements that only have has are one, because an array is a value as a whole.
func Lost(want, have []byte) ([]Change, error) {
	changes, err := Diff(want, have)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(changes, func(c Change) bool {
		return c.From == "" && !strings.HasSuffix(c.Path, "]")
	}), nil
}

// inexact stands for a text that cannot be shown as it is.
const inexact = `"(text that is not Unicode)"`

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

func decode(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	return v, nil
}

func walk(path string, a, b any, changes *[]Change) {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
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
				v, inX := x[name]
				w, inY := y[name]
				switch {
				case !inX:
					*changes = append(*changes, Change{Path: at, To: text(w)})
				case !inY:
					*changes = append(*changes, Change{Path: at, From: text(v)})
				default:
					walk(at, v, w, changes)
				}
			}
			return
		}
	case []any:
		if y, ok := b.([]any); ok {
			for i := range max(len(x), len(y)) {
				at := fmt.Sprintf("%s[%d]", path, i)
				switch {
				case i >= len(x):
					*changes = append(*changes, Change{Path: at, To: text(y[i])})
				case i >= len(y):
					*changes = append(*changes, Change{Path: at, From: text(x[i])})
				default:
					walk(at, x[i], y[i], changes)
				}
			}
			return
		}
	case json.Number:
		if y, ok := b.(json.Number); ok && sameNumber(string(x), string(y)) {
			return
		}
	default:
		if a == b {
			return
		}
	}
	*changes = append(*changes, Change{Path: path, From: text(a), To: text(b)})
}

func text(v any) string {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprintf("%v", v)
	}
	return strings.TrimSuffix(buf.String(), "\n")
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
