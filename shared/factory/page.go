package factory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/tidwall/gjson"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// readPage reads one page of a listing from r: an object with an array of rows and the total under "total" or "count". It
// calls visit for each row as it comes, which is valid during the call, and holds no more than one row, which may have limit bytes.
func readPage(r io.Reader, rowsKey string, limit int, visit func(json.RawMessage) error) (rows, total int, err error) {
	p := &pageReader{r: r, limit: limit}
	total = -1
	found := false
	rest := []byte("{") // The other fields: an error, if this is no page.
	err = p.members(func(key string) error {
		if key == rowsKey && !found {
			found = true
			var err error
			rows, err = p.elements(visit)
			return err
		}
		value, err := p.value()
		if err != nil {
			return err
		}
		if key == "total" || key == "count" {
			if n, err := strconv.Atoi(scalar(gjson.ParseBytes(value))); err == nil && n >= 0 {
				total = n
			}
		}
		if len(rest) > 1 {
			rest = append(rest, ',')
		}
		rest = append(append(append(rest, rawjson.Quote(key)...), ':'), value...)
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	if said := parseEnvelope(append(rest, '}')); said.Code != "" {
		return 0, 0, envelopeError(said)
	}
	if !found || total < 0 {
		return 0, 0, malformed(fmt.Errorf("a page without %q and a total", rowsKey))
	}
	return rows, total, nil
}

// malformed wraps what is wrong with an answer. The end of the body inside a value is io.ErrUnexpectedEOF.
func malformed(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("malformed answer: %w", err)
}

// pageReader reads the JSON text of a page value by value, as it comes in. encoding/json's decoder does that as well, but looks at every byte of a
// value twice where this looks once; a page of scripts has up to 400 MB.
type pageReader struct {
	r     io.Reader
	buf   []byte // what was read; buf[:pos] is used up
	pos   int
	limit int   // of one value, in bytes
	err   error // of r
}

const (
	firstRead = 32 << 10 // bytes of the buffer to begin with
	leastRead = 4 << 10  // room for a read
)

// more reads on and keeps what is not used up. It fails at the end of the text, and when that is more than a value may have.
func (p *pageReader) more() error {
	if len(p.buf)-p.pos > p.limit {
		return p.tooLong()
	}
	if p.err != nil {
		return p.err
	}
	if p.pos > 0 {
		p.buf = p.buf[:copy(p.buf, p.buf[p.pos:])]
		p.pos = 0
	}
	if cap(p.buf)-len(p.buf) < leastRead {
		larger := make([]byte, len(p.buf), max(2*cap(p.buf), firstRead))
		copy(larger, p.buf)
		p.buf = larger
	}
	for range 100 { // as bufio does
		n, err := p.r.Read(p.buf[len(p.buf):cap(p.buf)])
		p.buf, p.err = p.buf[:len(p.buf)+n], err
		switch {
		case n > 0:
			return nil
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

// next is the next byte that is not white space. It is not used up.
func (p *pageReader) next() (byte, error) {
	for blanks := 0; ; {
		for ; p.pos < len(p.buf); p.pos++ {
			switch c := p.buf[p.pos]; c {
			case ' ', '\t', '\r', '\n':
				if blanks++; blanks > p.limit {
					return 0, p.tooLong()
				}
			default:
				return c, nil
			}
		}
		if err := p.more(); err != nil {
			return 0, err
		}
	}
}

func (p *pageReader) tooLong() error {
	return finalError{fmt.Errorf("a row is longer than %d bytes", p.limit)}
}

// expect uses up one of two bytes, and tells which.
func (p *pageReader) expect(one, other byte) (byte, error) {
	c, err := p.next()
	if err != nil {
		return 0, malformed(err)
	}
	if c != one && c != other {
		return 0, malformed(fmt.Errorf("%q where %q should be", c, one))
	}
	p.pos++
	return c, nil
}

// members calls fn after the name of each member of the object that is the whole text. fn uses up the value.
func (p *pageReader) members(fn func(key string) error) error {
	if _, err := p.expect('{', '{'); err != nil {
		return err
	}
	c, err := p.next()
	if err != nil {
		return malformed(err)
	}
	for first := true; ; first = false {
		if first && c == '}' {
			p.pos++
			break
		}
		name, err := p.value()
		if err != nil {
			return err
		}
		key, ok := rawjson.String(name)
		if !ok {
			return malformed(errors.New("a name that is no string"))
		}
		if _, err := p.expect(':', ':'); err != nil {
			return err
		}
		if err := fn(key); err != nil {
			return err
		}
		if c, err = p.expect(',', '}'); err != nil {
			return err
		}
		if c == '}' {
			break
		}
	}
	if _, err := p.next(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("text after the end")
		}
		return malformed(err)
	}
	return nil
}

// elements calls visit with each element of an array; null is an empty one.
func (p *pageReader) elements(visit func(json.RawMessage) error) (n int, err error) {
	c, err := p.next()
	if err != nil {
		return 0, malformed(err)
	}
	if c != '[' {
		value, err := p.value()
		if err == nil && string(value) != "null" {
			err = malformed(fmt.Errorf("rows begin with %q", c))
		}
		return 0, err
	}
	p.pos++
	if c, err = p.next(); err != nil {
		return 0, malformed(err)
	}
	for first := true; ; first = false {
		if first && c == ']' {
			p.pos++
			return n, nil
		}
		value, err := p.value()
		if err != nil {
			return n, err
		}
		n++
		if err := visit(value); err != nil {
			return n, err
		}
		if c, err = p.expect(',', ']'); err != nil || c == ']' {
			return n, err
		}
	}
}

// value uses up the next value and returns its text, which stands until the next call.
func (p *pageReader) value() (json.RawMessage, error) {
	if _, err := p.next(); err != nil {
		return nil, malformed(err)
	}
	var scan scanner
	for {
		end, whole := scan.over(p.buf[p.pos:])
		if whole {
			value := p.buf[p.pos : p.pos+end]
			p.pos += end
			if !json.Valid(value) {
				var v json.RawMessage
				return nil, malformed(json.Unmarshal(value, &v))
			}
			if len(value) > p.limit {
				return nil, p.tooLong()
			}
			return value, nil
		}
		if err := p.more(); err != nil {
			var final finalError
			if errors.As(err, &final) {
				return nil, err
			}
			return nil, malformed(err)
		}
	}
}

// scanner finds the end of a value in text that grows. It takes the value to be JSON: that is checked when it is whole.
type scanner struct {
	at       int // bytes looked at
	depth    int
	inString bool
}

// over goes on in text, which begins with the value, and returns where the value ends, if it does.
func (s *scanner) over(text []byte) (end int, whole bool) {
	for s.at < len(text) {
		if s.inString {
			quote := bytes.IndexByte(text[s.at:], '"')
			if quote < 0 {
				s.at = len(text)
				return 0, false
			}
			s.at += quote + 1
			if backslashes(text[:s.at-1])%2 == 0 {
				s.inString = false
				if s.depth == 0 {
					return s.at, true
				}
			}
			continue
		}
		switch c := text[s.at]; c {
		case '"':
			s.inString = true
		case '{', '[':
			s.depth++
		case '}', ']', ',', ':', ' ', '\t', '\r', '\n':
			if s.depth == 0 { // after a number or a word
				return s.at, true
			}
			if c == '}' || c == ']' {
				if s.depth--; s.depth == 0 {
					return s.at + 1, true
				}
			}
		}
		s.at++
	}
	return 0, false
}

// backslashes counts those at the end of text.
func backslashes(text []byte) (n int) {
	for n < len(text) && text[len(text)-1-n] == '\\' {
		n++
	}
	return n
}
