package rawjson

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Digest is a hash of what a JSON text means: two texts have the same exactly when [Diff] finds no difference between them. ok is false for text
// that is not JSON.
func Digest(text []byte) (digest [sha256.Size]byte, ok bool) {
	if !json.Valid(text) {
		return digest, false
	}
	return sha256.Sum256(appendMeaning(make([]byte, 0, len(text)), bytes.TrimSpace(text))), true
}

// appendMeaning appends a spelling of a value that all texts of this meaning share, and no other. Every part has its length before it.
func appendMeaning(out, value []byte) []byte {
	part := func(kind byte, text []byte) {
		out = binary.AppendUvarint(append(out, kind), uint64(len(text)))
		out = append(out, text...)
	}
	switch {
	case value[0] == '{':
		members := fields(value)
		out = binary.AppendUvarint(append(out, '{'), uint64(len(members)))
		for _, name := range slices.Sorted(maps.Keys(members)) {
			part('k', []byte(name))
			out = appendMeaning(out, members[name])
		}
	case value[0] == '[':
		elements := slices.Collect(Elements(value))
		out = binary.AppendUvarint(append(out, '['), uint64(len(elements)))
		for _, e := range elements {
			out = appendMeaning(out, e.In(value))
		}
	case value[0] == '"' && !exact(value): // equal to its own bytes only
		part('"', value)
	case value[0] == '"':
		s, _ := String(value)
		part('s', []byte(s))
	case isNumber(value):
		part('n', []byte(plainNumber(string(value))))
	default:
		part('l', value)
	}
	return out
}

// plainNumber is the one spelling of a number among those that sameNumber takes for equal.
func plainNumber(number string) string {
	if len(number) > longNumber || strings.ContainsAny(number, "eE") {
		return number
	}
	if strings.Contains(number, ".") {
		number = strings.TrimSuffix(strings.TrimRight(number, "0"), ".")
	}
	if number == "-0" {
		return "0"
	}
	return number
}
