// Package strictjson reads JSON that people write: commands and edited files.
//
// It guarantees that a document is either understood whole or refused with every fault at once, each with its line, column
// and path, what is wrong and what was expected. Nothing is guessed and nothing is dropped: a field that nobody knows, a
// field that stands twice, a name in other case, text after the end, and text that is not UTF-8 are faults, where
// encoding/json takes the last, the nearest or a replacement character without a word.
//
// A fault names fields and shows a value only where the value itself is the fault (a number out of range, a time that is
// none). Where the type is wrong it says "a number", not which, so that a secret in the wrong place is not repeated.
package strictjson

// Decode reads the JSON document data into the value that into points to.
//
// The error is a Faults with all faults in the order of the document, or, when into points to a type that this package
// does not read, an error that says so. After an error, what into holds is not to be used.
//
// It reads structs (by json tags; embedded fields need a tag), pointers, slices, maps with text keys, strings, booleans,
// integers, floats, json.Number, json.RawMessage, time.Time (RFC 3339), and types that implement json.Unmarshaler or
// encoding.TextUnmarshaler. null makes a pointer, slice or map nil; anywhere else it is a fault, except that a
// json.RawMessage keeps it and a json.Unmarshaler is asked. A field that the document lacks is left as it was.
func Decode(data []byte, into any) error {
	target, err := targetOf(into)
	if err != nil {
		return err
	}
	doc, faults := parse(data)
	faults = append(faults, doc.fill(target)...)
	return faults.Err()
}
