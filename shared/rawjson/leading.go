package rawjson

import (
	"bytes"
	"encoding/json"
)

// Leading calls fn with the members of a JSON object from its beginning on: text may be the beginning of a longer one. The value of the last member is nil where
// text does not have it whole. It ends when fn returns false, and at the first byte that is no JSON, which may be where text was cut off.
func Leading(text []byte, fn func(name string, value json.RawMessage) bool) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return
	}
	for decoder.More() {
		token, err := decoder.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return
		}
		var value json.RawMessage
		// A number at the very end may go on behind it.
		if decoder.Decode(&value) != nil || decoder.InputOffset() == int64(len(text)) {
			fn(name, nil)
			return
		}
		if !fn(name, value) {
			return
		}
	}
}
