package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// unclosed is scanText's problem when the end of the document comes before the end of the string.
const unclosed = "unclosed"

// scanText reads the string that begins with the double quote at data[at] and returns the offset behind its closing quote.
// When the string breaks the grammar it returns the complement (^) of the offset of the fault, and the problem.
// Characters that are no characters are told to bad, at most the first of a string.
func scanText(data []byte, at int, bad func(at int, problem string)) (end int, problem string) {
	report := func(at int, problem string) {
		if bad != nil {
			bad(at, problem)
		}
		bad = nil
	}
	for i := at + 1; i < len(data); {
		switch c := data[i]; {
		case c == '"':
			return i + 1, ""
		case c == '\n' || c == '\r':
			return ^i, `a line ends inside a string, want '"' before it (a line break within a string is written \n)`
		case c < ' ':
			return ^i, fmt.Sprintf(`the control character %U stands in a string, want it written as \u%04x`, c, c)
		case c == '\\':
			size, problem := scanEscape(data[i:])
			if size < 0 {
				return ^i, problem
			}
			if problem != "" {
				report(i, problem)
			}
			i += size
		case c < utf8.RuneSelf:
			i++
		default:
			r, size := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && size == 1 {
				report(i, fmt.Sprintf("the byte 0x%02x is not UTF-8, save the document as UTF-8", c))
			}
			i += size
		}
	}
	return ^len(data), unclosed
}

// scanEscape reads the escape sequence at the beginning of data, surrogate pairs as one, and returns its size: -1 with the
// problem when it is none. A size with a problem is half a pair, which is no character.
func scanEscape(data []byte) (size int, problem string) {
	if len(data) < 2 {
		return -1, unclosed
	}
	if bytes.IndexByte([]byte(`"\/bfnrt`), data[1]) >= 0 {
		return 2, ""
	}
	high, ok := hex4(data)
	if !ok {
		return -1, `malformed escape in a string, want one of \" \\ \/ \b \f \n \r \t \u0000 (a backslash itself is written \\)`
	}
	if high < 0xD800 || high > 0xDFFF {
		return 6, ""
	}
	if low, ok := hex4(data[6:]); high < 0xDC00 && ok && 0xDC00 <= low && low <= 0xDFFF {
		return 12, ""
	}
	return 6, fmt.Sprintf(`the escape %s is half of a character, want both halves`, data[:6])
}

// hex4 reads \uXXXX at the beginning of data.
func hex4(data []byte) (code uint64, ok bool) {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0, false
	}
	code, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	return code, err == nil && data[2] != '+' && data[2] != '-'
}

// unquote returns the text of a string that scanText has read.
func unquote(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw[1 : len(raw)-1])
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return string(raw) // Not reached: scanText accepts no string that encoding/json refuses.
	}
	return text
}

// quote shows text in a message, cut where it is long.
func quote(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return strconv.Quote(string(runes[:most])) + "…"
	}
	return strconv.Quote(text)
}
