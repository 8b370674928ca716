package dataarts

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// member is one name and value of a JSON object, as positions in its text.
type member struct {
	name       string
	start, end int // from the name's quote to the value's end
	value      int // where the value starts
}

// isObject reports whether text is one valid JSON object in valid UTF-8.
func isObject(text []byte) bool {
	trimmed := bytes.TrimSpace(text)
	return len(trimmed) > 0 && trimmed[0] == '{' && utf8.Valid(trimmed) && json.Valid(trimmed)
}

// members returns the members of a JSON object in the order of the text. The text must be valid (isObject).
func members(text []byte) []member {
	var found []member
	for i := skipSpace(text, 1+bytes.IndexByte(text, '{')); text[i] != '}'; {
		m := member{start: i}
		i = skipValue(text, i)
		m.name = unquote(text[m.start:i])
		i = skipSpace(text, 1+skipSpace(text, i)) // over the colon
		m.value = i
		i = skipValue(text, i)
		m.end = i
		found = append(found, m)
		if i = skipSpace(text, i); text[i] == ',' {
			i = skipSpace(text, i+1)
		}
	}
	return found
}

// elements returns the start and the end of every element of a JSON array. The text must be valid.
func elements(text []byte) [][2]int {
	var found [][2]int
	for i := skipSpace(text, 1+bytes.IndexByte(text, '[')); text[i] != ']'; {
		end := skipValue(text, i)
		found = append(found, [2]int{i, end})
		if i = skipSpace(text, end); text[i] == ',' {
			i = skipSpace(text, i+1)
		}
	}
	return found
}

// lookup returns the value of the first member with a name, and where it stands.
func lookup(text []byte, name string) (value []byte, at member, ok bool) {
	for _, m := range members(text) {
		if m.name == name {
			return text[m.value:m.end], m, true
		}
	}
	return nil, member{}, false
}

// without returns an object's text without some members. What stands between the others stays as it is.
func without(text []byte, names []string) []byte {
	all := members(text)
	if !slices.ContainsFunc(all, func(m member) bool { return slices.Contains(names, m.name) }) {
		return text
	}
	out := slices.Clone(text[:all[0].start])
	first := true
	for i, m := range all {
		if slices.Contains(names, m.name) {
			continue
		}
		if !first {
			out = append(out, text[all[i-1].end:m.start]...)
		}
		first = false
		out = append(out, text[m.start:m.end]...)
	}
	return append(out, text[all[len(all)-1].end:]...)
}

// replaceValue returns an object's text with another value for one of its members.
func replaceValue(text []byte, m member, value []byte) []byte {
	return slices.Concat(text[:m.value], value, text[m.end:])
}

// spliced returns an object's text, in parts, with more members behind its last one. The parts share the text's memory, so that a page of
// large scripts costs no copies.
func spliced(text []byte, more fields) [][]byte {
	if len(more.text) == 0 {
		return [][]byte{text}
	}
	at, separator := 1+bytes.IndexByte(text, '{'), ""
	// The last member ends before the closing brace and the white space in front of it.
	if end := len(bytes.TrimRight(bytes.TrimSuffix(bytes.TrimSpace(text), []byte("}")), " \t\r\n")); text[end-1] != '{' {
		at, separator = end, ","
	}
	return [][]byte{text[:at], []byte(separator), more.text, text[at:]}
}

// edited returns an object's text, in parts that share its memory, without the members in drop, with other values for those in replace, and with more
// members behind the last one. all are the text's members.
func edited(text []byte, all []member, drop []string, replace map[string][]byte, more fields) [][]byte {
	changed := len(replace) > 0 || slices.ContainsFunc(all, func(m member) bool { return slices.Contains(drop, m.name) })
	if !changed || len(all) == 0 {
		return spliced(text, more)
	}
	parts := [][]byte{text[:all[0].start]}
	first := true
	for i, m := range all {
		if slices.Contains(drop, m.name) {
			continue
		}
		if !first {
			parts = append(parts, text[all[i-1].end:m.start])
		}
		first = false
		if value, ok := replace[m.name]; ok {
			parts = append(parts, text[m.start:m.value], value)
			continue
		}
		parts = append(parts, text[m.start:m.end])
	}
	if len(more.text) > 0 {
		if !first {
			parts = append(parts, []byte(","))
		}
		parts = append(parts, more.text)
	}
	return append(parts, text[all[len(all)-1].end:])
}

// fields builds the members of a JSON object in a given order.
type fields struct {
	text []byte
	drop []string // names that add ignores
}

// add appends a member. The value must be one that encoding/json can encode.
func (f *fields) add(name string, value any) {
	if slices.Contains(f.drop, name) {
		return
	}
	if len(f.text) > 0 {
		f.text = append(f.text, ',')
	}
	f.text = appendValue(append(appendValue(f.text, name), ':'), value)
}

// object returns the members in braces.
func (f *fields) object() []byte {
	return slices.Concat([]byte("{"), f.text, []byte("}"))
}

// encode is json.Marshal without the escapes that are meant for HTML.
func encode(value any) []byte { return appendValue(nil, value) }

// appendValue appends what encode returns. A page has thousands of short values, so those have a short way.
func appendValue(to []byte, value any) []byte {
	switch v := value.(type) {
	case int:
		return strconv.AppendInt(to, int64(v), 10)
	case int64:
		return strconv.AppendInt(to, v, 10)
	case bool:
		return strconv.AppendBool(to, v)
	case jsonLiteral:
		return append(to, v...)
	case string:
		if plain(v) {
			return append(append(append(to, '"'), v...), '"')
		}
	}
	out := bytes.NewBuffer(to)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		// Only strings, numbers, booleans, raw JSON that was checked and structs of these come here.
		panic("dataarts: encode " + err.Error())
	}
	return bytes.TrimRight(out.Bytes(), "\n")
}

// plain reports whether a string needs no escape in JSON.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func unquote(text []byte) string {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return string(text)
	}
	return s
}

func skipSpace(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns the position behind the value that starts at i.
func skipValue(text []byte, i int) int {
	switch text[i] {
	case '"':
		for i++; text[i] != '"'; i++ {
			if text[i] == '\\' {
				i++
			}
		}
		return i + 1
	case '{', '[':
		for depth := 0; ; {
			switch text[i] {
			case '"':
				i = skipValue(text, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			i++
			if depth == 0 {
				return i
			}
		}
	}
	for i < len(text) && bytes.IndexByte([]byte(",]} \t\r\n"), text[i]) < 0 {
		i++
	}
	return i
}
