package strictjson

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Field returns the path of the named field of the value at path: select and names make select.names. A name that is not
// a plain word is quoted: replace.database["ods.orders"].
func Field(path, name string) string {
	if !plain(name) {
		quoted, _ := json.Marshal(name) // A string always has JSON text.
		return path + "[" + string(quoted) + "]"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// Element returns the path of an element of the list at path, counted from 0: names and 2 make names[2].
func Element(path string, index int) string { return path + "[" + strconv.Itoa(index) + "]" }

// plain tells whether a name can stand in a path as it is.
func plain(name string) bool {
	for _, r := range name {
		if r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-' && r != '$' {
			return false
		}
	}
	return name != ""
}

// step is one step of a path: a field by name, or an element when index is not negative.
type step struct {
	name  string
	index int
}

func field(name string) step   { return step{name: name, index: -1} }
func element(index int) step   { return step{index: index} }
func (s step) isElement() bool { return s.index >= 0 }

// path leads from the document to a value.
type path []step

func (p path) String() string {
	text := ""
	for _, s := range p {
		if s.isElement() {
			text = Element(text, s.index)
		} else {
			text = Field(text, s.name)
		}
	}
	return text
}

// parsePath reads the text of a path. When it cannot read all of it, ok is false; the steps before still lead near the place.
func parsePath(text string) (steps path, ok bool) {
	for text != "" {
		if text[0] != '[' {
			text = strings.TrimPrefix(text, ".")
			end := strings.IndexAny(text, ".[")
			if end < 0 {
				end = len(text)
			}
			if end == 0 {
				return steps, false
			}
			steps = append(steps, field(text[:end]))
			text = text[end:]
			continue
		}
		text = text[1:]
		if strings.HasPrefix(text, `"`) {
			end, _ := scanText([]byte(text), 0, nil)
			if end < 0 || !strings.HasPrefix(text[end:], "]") {
				return steps, false
			}
			steps = append(steps, field(unquote([]byte(text[:end]))))
			text = text[end+1:]
			continue
		}
		digits, rest, found := strings.Cut(text, "]")
		index, err := strconv.Atoi(digits)
		if !found || err != nil || index < 0 {
			return steps, false
		}
		steps = append(steps, element(index))
		text = rest
	}
	return steps, true
}
