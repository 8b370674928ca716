package asset

import (
	"bytes"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// Normalised returns what a definition means, as JSON text: without the fields that only the server sets, without those whose value means the same as
// their absence, and the others that [Normals] lists in one spelling, under the names that [Taken] gives. Two definitions for which [Changes] finds nothing have normalised texts
// between which [rawjson.Diff] finds nothing, and the other way round; so its [rawjson.Digest] stands for the definition. It is for comparing: what is stored or
// sent stays as it came.
func Normalised(k Kind, definition []byte) []byte {
	text, _ := normalsOf(k).spell(Comparable(k, Taken(k, definition)))
	return text
}

// normal is what is known of one place in definitions, and below it.
type normal struct {
	field   *Normal
	members map[string]*normal
	element *normal           // of each element of a list
	also    map[string]string // members to their other names
}

// normalsOf is the table of a kind as a tree.
func normalsOf(k Kind) *normal {
	root := &normal{}
	for _, field := range Normals() {
		if field.Kind != k {
			continue
		}
		at := root.at(field.Path, true)
		at.field = &field
		if field.Also != "" {
			root.at(field.Also, true).field = &field
			if root.also == nil {
				root.also = map[string]string{}
			}
			root.also[field.Path] = field.Also
		}
	}
	return root
}

// at follows a path, in which an element may have an index. It is nil where nothing is known, unless places are made on the way.
func (n *normal) at(path string, create ...bool) *normal {
	for n != nil && path != "" {
		var name string
		end := strings.IndexAny(path, ".[")
		switch {
		case path[0] == '[':
			if n.element == nil && len(create) > 0 {
				n.element = &normal{}
			}
			_, path, _ = strings.Cut(path, "]")
			path = strings.TrimPrefix(path, ".")
			n = n.element
			continue
		case end < 0:
			name, path = path, ""
		case path[end] == '.':
			name, path = path[:end], path[end+1:]
		default:
			name, path = path[:end], path[end:]
		}
		next := n.members[name]
		if next == nil && len(create) > 0 {
			if n.members == nil {
				n.members = map[string]*normal{}
			}
			next = &normal{}
			n.members[name] = next
		}
		n = next
	}
	return n
}

// spell returns the value at a place in its one spelling, and whether it means the same as nothing: it is the documented default, or an object that holds
// nothing else.
func (n *normal) spell(value []byte) (spelled []byte, absent bool) {
	switch {
	case n.field != nil:
		return n.field.Form.spell(value), n.field.Absent != "" && n.field.Form.same(value, []byte(n.field.Absent))
	case n.element != nil:
		var edits []rawjson.Edit
		for e := range rawjson.Elements(value) {
			old := e.In(value)
			if now, _ := n.element.spell(old); !bytes.Equal(now, old) {
				edits = append(edits, rawjson.Edit{Span: e, New: now})
			}
		}
		if len(edits) == 0 {
			return value, false
		}
		return rawjson.Splice(value, edits...), false
	case n.members != nil && len(value) > 0 && value[0] == '{':
		return n.spellMembers(value)
	}
	return value, false
}

// spellMembers is spell for an object.
func (n *normal) spellMembers(object []byte) (spelled []byte, absent bool) {
	last := map[string]rawjson.Span{} // of a name that stands there twice, the last counts
	names := 0
	for name, span := range rawjson.Members(object) {
		names++
		if n.members[name] != nil {
			last[name] = span
		}
	}
	var edits []rawjson.Edit
	drop := map[string]bool{}
	for name, span := range last {
		old := span.In(object)
		now, nothing := n.members[name].spell(old)
		if nothing {
			drop[name] = true
		} else if !bytes.Equal(now, old) {
			edits = append(edits, rawjson.Edit{Span: span, New: now})
		}
	}
	if len(edits) > 0 {
		object = rawjson.Splice(object, edits...)
	}
	if len(drop) > 0 {
		object = rawjson.Without(object, func(name string) bool { return drop[name] })
	}
	for name, other := range n.also {
		value, ok := rawjson.Path(object, other)
		if _, both := rawjson.Lookup(object, name); ok && !both {
			object = rawjson.Set(rawjson.Without(object, func(name string) bool { return name == other }), name, bytes.Clone(value))
		}
	}
	return object, isEmpty(object)
}

// spell returns the one spelling of a value in a form.
func (f Form) spell(value []byte) []byte {
	switch f {
	case Scalar:
		text := string(value)
		if s, ok := rawjson.String(value); ok {
			text = s
		}
		if text == "true" || text == "false" || isDecimal(text) {
			return []byte(text)
		}
	case Directory:
		if s, ok := rawjson.String(value); ok && (s == "" || strings.HasSuffix(s, "/")) && equal(value, rawjson.Quote(s)) {
			return rawjson.Quote(CleanDirectory(s))
		}
	case Empty:
		if isEmpty(value) {
			return []byte("[]")
		}
	}
	return value
}

// same tells whether two values mean the same in a form.
func (f Form) same(a, b []byte) bool { return equal(f.spell(a), f.spell(b)) }

// equal tells whether two values are equal as JSON.
func equal(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if len(a) == 0 || len(b) == 0 || a[0] != b[0] && !(isDigit(a[0]) && isDigit(b[0])) {
		return false
	}
	changes, err := rawjson.Diff(a, b)
	return err == nil && len(changes) == 0
}

func isDigit(c byte) bool { return c == '-' || c >= '0' && c <= '9' }

// isEmpty tells whether a value is an object or a list with nothing in it.
func isEmpty(value []byte) bool {
	inside := len(value) >= 2 && (value[0] == '{' || value[0] == '[')
	return inside && len(bytes.TrimSpace(value[1:len(value)-1])) == 0
}

// isDecimal tells whether text is a number as JSON spells it, without an exponent, such as -45.5.
func isDecimal(text string) bool {
	whole, fraction, point := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return digits(whole) && (whole == "0" || whole[0] != '0') && (!point || digits(fraction))
}
