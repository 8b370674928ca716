// Package rawjson reads and edits JSON text without touching a byte of what it does not edit.
//
// A DataArts asset is kept as the text that the API sent: number literals, key order, escapes and fields that nobody has heard of
// included. Decoding such text into Go values and encoding it again would lose or respell some of it. This package therefore works on
// spans of the text: it finds values, and it replaces or removes them by splicing.
//
// Apart from [Check], functions expect text that [Check] has accepted; on other text they find nothing, and they never panic.
package rawjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"unicode/utf8"
)

// Span is where a value stands in a text: text[Start:End], without white space around it.
type Span struct{ Start, End int }

// In returns the value's own text.
func (s Span) In(text []byte) []byte { return text[s.Start:s.End] }

// Check tells whether text is one JSON object, and if not, why.
func Check(text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return errors.New("empty text where a JSON object was expected")
	}
	if !json.Valid(text) {
		var v json.RawMessage
		return fmt.Errorf("not JSON: %w", json.Unmarshal(text, &v))
	}
	if start := skipSpace(text, 0); text[start] != '{' {
		return errors.New("not a JSON object")
	}
	return nil
}

// Members yields name and span of each member of the object in text, in the order in which they stand. Spans count from the start of text.
func Members(text []byte) iter.Seq2[string, Span] {
	return func(yield func(string, Span) bool) {
		for m := range members(text) {
			if !yield(m.name, m.value) {
				return
			}
		}
	}
}

// Elements yields the span of each element of the array in text. Spans count from the start of text.
func Elements(text []byte) iter.Seq[Span] {
	return func(yield func(Span) bool) {
		i := skipSpace(text, 0)
		if i >= len(text) || text[i] != '[' {
			return
		}
		for i = skipSpace(text, i+1); i < len(text) && text[i] != ']'; {
			end := valueEnd(text, i)
			if end <= i || !yield(Span{i, end}) {
				return
			}
			if i = skipSpace(text, end); i < len(text) && text[i] == ',' {
				i = skipSpace(text, i+1)
			}
		}
	}
}

// Lookup finds the value of the member with this name in the object in text; of several, the last, as decoders do.
func Lookup(text []byte, name string) (Span, bool) {
	var found Span
	ok := false
	for n, span := range Members(text) {
		if n == name {
			found, ok = span, true
		}
	}
	return found, ok
}

// Find follows member names from the object in text and returns where the value found stands.
func Find(text []byte, names ...string) (Span, bool) {
	at := Span{0, len(text)}
	for _, name := range names {
		span, ok := Lookup(at.In(text), name)
		if !ok {
			return Span{}, false
		}
		at = Span{at.Start + span.Start, at.Start + span.End}
	}
	return at, true
}

// Path is [Find] for who wants the text only.
func Path(text []byte, names ...string) ([]byte, bool) {
	span, ok := Find(text, names...)
	if !ok {
		return nil, false
	}
	return span.In(text), true
}

// String returns the string that the value in text holds, and whether it is one.
func String(text []byte) (string, bool) {
	if len(text) < 2 || text[0] != '"' {
		return "", false
	}
	if plain(text[1 : len(text)-1]) {
		return string(text[1 : len(text)-1]), text[len(text)-1] == '"'
	}
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return "", false
	}
	return s, true
}

// plain tells whether the inside of a string stands for itself: most strings do, and finding that out is much faster than decoding them.
func plain(inside []byte) bool {
	ascii := true
	for _, c := range inside {
		if c < ' ' || c == '"' || c == '\\' {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	return ascii || utf8.Valid(inside)
}

// StringAt is [Path] followed by [String]; it is "" where there is no string.
func StringAt(text []byte, names ...string) string {
	value, ok := Path(text, names...)
	if !ok {
		return ""
	}
	s, _ := String(value)
	return s
}

// Quote returns s as JSON text. "<", ">" and "&" stay as they are.
func Quote(s string) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// Edit replaces the text at Span by New.
type Edit struct {
	Span
	New []byte
}

// Splice returns text with all edits made. Edits must not overlap.
func Splice(text []byte, edits ...Edit) []byte {
	edits = slices.SortedFunc(slices.Values(edits), func(a, b Edit) int { return a.Start - b.Start })
	out := make([]byte, 0, len(text))
	at := 0
	for _, e := range edits {
		out = append(out, text[at:e.Start]...)
		out = append(out, e.New...)
		at = e.End
	}
	return append(out, text[at:]...)
}

// Without returns text, an object, without the members that drop accepts, each with the comma that belonged to it.
func Without(text []byte, drop func(name string) bool) []byte {
	all := slices.Collect(members(text))
	var edits []Edit
	kept := false // whether a kept member stands before the current one
	for i, m := range all {
		if !drop(m.name) {
			kept = true
			continue
		}
		switch {
		case kept: // from the comma before it
			edits = append(edits, Edit{Span: Span{all[i-1].value.End, m.value.End}})
		case i+1 < len(all): // up to the next member
			edits = append(edits, Edit{Span: Span{m.start, all[i+1].start}})
		default:
			edits = append(edits, Edit{Span: Span{m.start, m.value.End}})
		}
	}
	if len(edits) == 0 {
		return text
	}
	return Splice(text, edits...)
}

// Set returns text, an object, with the member name set to value: replaced where it stands, else added at the end.
func Set(text []byte, name string, value []byte) []byte {
	if span, ok := Lookup(text, name); ok {
		return Splice(text, Edit{span, value})
	}
	end := bytes.LastIndexByte(text, '}')
	if end < 0 {
		return text
	}
	added := append(append(Quote(name), ':'), value...)
	for range Members(text) {
		added = append([]byte{','}, added...)
		break
	}
	last := end
	for last > 0 && isSpace(text[last-1]) {
		last--
	}
	return Splice(text, Edit{Span{last, last}, added})
}

type member struct {
	name  string
	start int // of the quoted name
	value Span
}

func members(text []byte) iter.Seq[member] {
	return func(yield func(member) bool) {
		i := skipSpace(text, 0)
		if i >= len(text) || text[i] != '{' {
			return
		}
		for i = skipSpace(text, i+1); i < len(text) && text[i] == '"'; {
			nameEnd := valueEnd(text, i)
			name, ok := String(text[i:nameEnd])
			colon := skipSpace(text, nameEnd)
			if !ok || colon >= len(text) {
				return
			}
			value := skipSpace(text, colon+1)
			end := valueEnd(text, value)
			if end <= value || !yield(member{name, i, Span{value, end}}) {
				return
			}
			if i = skipSpace(text, end); i < len(text) && text[i] == ',' {
				i = skipSpace(text, i+1)
			}
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func skipSpace(text []byte, i int) int {
	for i < len(text) && isSpace(text[i]) {
		i++
	}
	return i
}

// valueEnd returns where the value that starts at i ends. On text that is not JSON it returns len(text) at the latest.
func valueEnd(text []byte, i int) int {
	if i >= len(text) {
		return i
	}
	switch text[i] {
	case '"':
		return stringEnd(text, i)
	case '{', '[':
		depth := 0
		for i < len(text) {
			switch text[i] {
			case '"':
				i = stringEnd(text, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return i
	}
	for i < len(text) && !isSpace(text[i]) && text[i] != ',' && text[i] != '}' && text[i] != ']' {
		i++
	}
	return i
}

func stringEnd(text []byte, i int) int {
	for start := i + 1; ; {
		quote := bytes.IndexByte(text[start:], '"')
		if quote < 0 {
			return len(text)
		}
		end := start + quote
		if !escapedAt(text[i+1 : end]) {
			return end + 1
		}
		start = end + 1
	}
}

// escapedAt tells whether what follows the inside of a string is escaped: an odd number of backslashes stands before it.
func escapedAt(inside []byte) bool {
	n := 0
	for n < len(inside) && inside[len(inside)-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}
