package strictjson

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// maxDepth is how deep values may nest, the same as in encoding/json.
const maxDepth = 10_000

// parse reads a document as far as it can be read. A document with a syntax error has the values before it, so that what
// is wrong with them is told at the same time.
func parse(data []byte) (*Document, Faults) {
	where := &positions{data: data}
	s := &scanner{data: data, names: map[string]string{}, faults: collector{positions: where}}
	s.document()
	return &Document{data: data, positions: where, root: s.root}, s.faults.faults
}

// scanner reads JSON text into nodes. A fault in the grammar stops it; others it notes and goes on.
type scanner struct {
	data    []byte
	at      int
	depth   int
	path    path
	names   map[string]string // Field names seen, since most documents repeat a few of them.
	faults  collector
	stopped bool
	root    node
}

// stop notes a syntax error, of which a document can have one: what follows it cannot be trusted.
func (s *scanner) stop(at int, format string, args ...any) {
	s.faults.add(at, s.path, fmt.Sprintf(format, args...))
	s.stopped = true
}

func (s *scanner) document() {
	if bytes.HasPrefix(s.data, []byte("\xEF\xBB\xBF")) {
		s.faults.add(0, nil, "the document begins with a byte order mark: save it as UTF-8 without one")
		s.at = 3
	}
	s.space()
	s.root.start, s.root.end = s.at, s.at
	if s.at == len(s.data) {
		s.stop(s.at, "the document is empty, want JSON")
		return
	}
	s.root = s.value()
	if s.stopped {
		return
	}
	if s.space(); s.at < len(s.data) {
		s.stop(s.at, "found %s after the end of the document, want nothing more", s.found())
	}
}

func (s *scanner) space() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// next is the byte at hand, 0 at the end. (A 0 byte in the document is illegal wherever next is asked.)
func (s *scanner) next() byte {
	if s.at < len(s.data) {
		return s.data[s.at]
	}
	return 0
}

// found describes the character at hand for a message.
func (s *scanner) found() string {
	if s.at >= len(s.data) {
		return "the end of the document"
	}
	r, size := utf8.DecodeRune(s.data[s.at:])
	if r == utf8.RuneError && size == 1 {
		return fmt.Sprintf("the byte 0x%02x, which is not UTF-8", s.data[s.at])
	}
	if !unicode.IsPrint(r) {
		return fmt.Sprintf("the character %U", r)
	}
	return "'" + string(r) + "'"
}

func (s *scanner) value() node {
	switch c := s.next(); {
	case c == '{' || c == '[':
		s.depth++
		defer func() { s.depth-- }()
		if s.depth > maxDepth {
			s.path = nil // Ten thousand steps help nobody.
			s.stop(s.at, "values are nested deeper than %d levels", maxDepth)
			return node{}
		}
		if c == '{' {
			return s.object()
		}
		return s.array()
	case c == '"':
		start := s.at
		if !s.text() {
			return node{}
		}
		return node{kind: text, start: start, end: s.at}
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	case c == 't':
		return s.literal("true", boolean)
	case c == 'f':
		return s.literal("false", boolean)
	case c == 'n':
		return s.literal("null", null)
	case c == '\'':
		s.stop(s.at, "found ', want a value; text stands in double quotes")
	case c == '/':
		s.stop(s.at, "found '/', want a value; JSON has no comments")
	case s.at < len(s.data) && unicode.IsLetter(rune(c)):
		s.stop(s.at, "found %s, want a value; text stands in double quotes, and it is true, false, null in small letters", s.found())
	default:
		s.stop(s.at, "found %s, want a value", s.found())
	}
	return node{}
}

func (s *scanner) literal(word string, k kind) node {
	start := s.at
	if !bytes.HasPrefix(s.data[s.at:], []byte(word)) {
		s.stop(s.at, "found %s, want a value; text stands in double quotes", s.found())
		return node{}
	}
	s.at += len(word)
	return node{kind: k, start: start, end: s.at}
}

// number reads the number grammar of RFC 8259: no leading zeros or plus, digits on both sides of a point.
func (s *scanner) number() node {
	start := s.at
	if s.next() == '-' {
		s.at++
	}
	whole := s.digits()
	malformed := whole == 0 || whole > 1 && s.data[s.at-whole] == '0'
	if s.next() == '.' {
		s.at++
		malformed = s.digits() == 0 || malformed
	}
	if c := s.next(); c == 'e' || c == 'E' {
		s.at++
		if c := s.next(); c == '+' || c == '-' {
			s.at++
		}
		malformed = s.digits() == 0 || malformed
	}
	if malformed {
		s.stop(start, "malformed number, want one like 0, -12 or 1.5e3")
		return node{}
	}
	return node{kind: number, start: start, end: s.at}
}

func (s *scanner) digits() int {
	start := s.at
	for c := s.next(); '0' <= c && c <= '9'; c = s.next() {
		s.at++
	}
	return s.at - start
}

// text reads a string. A broken character is noted and read over; the string goes on.
func (s *scanner) text() bool {
	start := s.at
	end, problem := scanText(s.data, s.at, func(at int, problem string) { s.faults.add(at, s.path, problem) })
	if end >= 0 {
		s.at = end
		return true
	}
	// scanText returns the place of a fault as its complement.
	if problem == unclosed {
		s.stop(start, "the string that begins here is not closed")
	} else {
		s.stop(^end, "%s", problem)
	}
	return false
}

func (s *scanner) array() node {
	n := node{kind: array, start: s.at}
	s.at++
	if s.space(); s.next() == ']' {
		s.at++
		n.end = s.at
		return n
	}
	for {
		s.space()
		s.path = append(s.path, element(len(n.children)))
		v := s.value()
		if v.kind != absent {
			n.children = append(n.children, child{value: v})
		}
		if s.stopped {
			return s.cutShort(n)
		}
		s.path = s.path[:len(s.path)-1]
		if !s.separator(&n, ']') {
			return n
		}
	}
}

func (s *scanner) object() node {
	n := node{kind: object, start: s.at}
	s.at++
	if s.space(); s.next() == '}' {
		s.at++
		n.end = s.at
		return n
	}
	for {
		s.space()
		nameAt := s.at
		name, ok := s.name()
		if !ok {
			return s.cutShort(n)
		}
		s.path = append(s.path, field(name))
		if first := n.named(name); first != nil {
			line, column := s.faults.positions.at(first.nameAt)
			s.faults.add(nameAt, s.path, fmt.Sprintf("the field %s stands twice, first at line %d, column %d", quote(name), line, column))
		}
		v := s.value()
		if v.kind != absent && n.named(name) == nil {
			n.add(child{name: name, nameAt: nameAt, value: v})
		}
		if s.stopped {
			return s.cutShort(n)
		}
		s.path = s.path[:len(s.path)-1]
		if !s.separator(&n, '}') {
			return n
		}
	}
}

// name reads a field's name, its colon and the space behind.
func (s *scanner) name() (string, bool) {
	switch s.next() {
	case '"':
	case '/':
		s.stop(s.at, "found '/', want a field's name; JSON has no comments")
		return "", false
	default:
		s.stop(s.at, "found %s, want a field's name in double quotes", s.found())
		return "", false
	}
	start := s.at
	if !s.text() {
		return "", false
	}
	raw := s.data[start:s.at]
	name, seen := s.names[string(raw)]
	if !seen {
		name = unquote(raw)
		s.names[string(raw)] = name
	}
	if s.space(); s.next() != ':' {
		s.stop(s.at, "found %s, want ':' after the field's name %s", s.found(), quote(name))
		return "", false
	}
	s.at++
	s.space()
	return name, true
}

// separator reads what stands behind an element or a field: a comma, or the end of the list or object. It is true when
// another element or field follows.
func (s *scanner) separator(n *node, closing byte) bool {
	s.space()
	switch c := s.next(); {
	case c == closing:
		s.at++
		n.end = s.at
		return false
	case c == ',':
		comma := s.at
		s.at++
		if s.space(); s.next() == closing {
			s.stop(comma, "a comma stands before '%c', want none after the last one", closing)
			*n = s.cutShort(*n)
			return false
		}
		return true
	case s.at == len(s.data):
		line, column := s.faults.positions.at(n.start)
		s.stop(s.at, "the document ends inside %s that begins at line %d, column %d, want '%c'", n.kind, line, column, closing)
	case c == '/':
		s.stop(s.at, "found '/', want ',' or '%c'; JSON has no comments", closing)
	default:
		s.stop(s.at, "found %s, want ',' or '%c'", s.found(), closing)
	}
	*n = s.cutShort(*n)
	return false
}

func (s *scanner) cutShort(n node) node {
	n.cut, n.end = true, s.at
	return n
}
