package strictjson

import "sync"

// Position returns the line and column of the byte at offset, both counted from 1, the column in characters. An offset
// outside the data is moved to its nearest end, one within a character to the character.
func Position(data []byte, offset int64) (line, column int) {
	offset = max(0, min(offset, int64(len(data))))
	return walk(data, 0, characterStart(data, int(offset)), 1, 1)
}

// walk counts lines and columns from one offset to another.
func walk(data []byte, from, to, line, column int) (int, int) {
	for _, b := range data[from:to] {
		switch {
		case b == '\n':
			line, column = line+1, 1
		case !continuation(b):
			column++
		}
	}
	return line, column
}

// continuation tells whether b is a later byte of a UTF-8 character.
func continuation(b byte) bool { return b&0xC0 == 0x80 }

// characterStart moves an offset within a character back to the character's first byte.
func characterStart(data []byte, offset int) int {
	start := offset
	for range 3 {
		if start == 0 || start >= len(data) || !continuation(data[start]) {
			return start
		}
		start--
	}
	if continuation(data[start]) {
		return offset
	}
	return start
}

// markEvery is the distance in bytes between two remembered positions.
const markEvery = 4096

// positions finds lines and columns of many offsets in one large document, be it one long line: it walks the document
// once and later only the few bytes after the nearest mark.
type positions struct {
	data  []byte
	once  sync.Once
	marks []mark
}

// mark is the position of the byte at a multiple of markEvery.
type mark struct{ line, column int }

func (p *positions) at(offset int) (line, column int) {
	p.once.Do(p.index)
	offset = characterStart(p.data, max(0, min(offset, len(p.data))))
	nearest := offset / markEvery
	m := p.marks[nearest]
	return walk(p.data, nearest*markEvery, offset, m.line, m.column)
}

func (p *positions) index() {
	p.marks = make([]mark, 0, len(p.data)/markEvery+1)
	line, column := 1, 1
	for from := 0; ; from += markEvery {
		p.marks = append(p.marks, mark{line, column})
		if from+markEvery > len(p.data) {
			return
		}
		line, column = walk(p.data, from, from+markEvery, line, column)
	}
}
