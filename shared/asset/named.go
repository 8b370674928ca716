package asset

import (
	"bytes"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// ByName returns the changes between two definitions for people: the nodes of a job and their properties by their names, as in
// nodes.load.properties.connectionName, rather than by their places. A property that is gone does not make all behind it look changed then. Where that is
// not possible, because a name is missing or stands there twice, or where only the order differs, it returns changes, which are those that [Changes] found.
func ByName(k Kind, from, to []byte, changes []rawjson.Change) []rawjson.Change {
	if k != Jobs || len(changes) == 0 {
		return changes
	}
	a, okA := named(Normalised(k, from))
	b, okB := named(Normalised(k, to))
	if !okA || !okB {
		return changes
	}
	byName, err := rawjson.Diff(a, b)
	if err != nil || len(byName) == 0 {
		return changes
	}
	return byName
}

// named returns a job's definition with its nodes, and their properties, as objects by name.
func named(definition []byte) ([]byte, bool) {
	nodes, found := rawjson.Lookup(definition, "nodes")
	if !found {
		return definition, true
	}
	text, ok := keyed(nodes.In(definition), func(node []byte) ([]byte, bool) {
		properties, found := rawjson.Lookup(node, "properties")
		if !found {
			return node, true
		}
		text, ok := keyed(properties.In(node), func(property []byte) ([]byte, bool) {
			members := 0
			for range rawjson.Members(property) {
				members++
			}
			if value, found := rawjson.Lookup(property, "value"); found && members == 2 {
				return value.In(property), true
			}
			return property, true
		})
		return rawjson.Splice(node, rawjson.Edit{Span: properties, New: text}), ok
	})
	if !ok {
		return nil, false
	}
	return rawjson.Splice(definition, rawjson.Edit{Span: nodes, New: text}), true
}

// keyed makes an object of a list of objects that have names.
func keyed(list []byte, each func([]byte) ([]byte, bool)) ([]byte, bool) {
	if len(list) == 0 || list[0] != '[' {
		return nil, false
	}
	var out bytes.Buffer
	seen := map[string]bool{}
	_ = out.WriteByte('{')
	for span := range rawjson.Elements(list) {
		element := span.In(list)
		if rawjson.Check(element) != nil {
			return nil, false
		}
		name := rawjson.StringAt(element, "name")
		value, ok := each(element)
		if name == "" || seen[name] || !ok {
			return nil, false
		}
		if seen[name] = true; len(seen) > 1 {
			_ = out.WriteByte(',')
		}
		_, _ = out.Write(rawjson.Quote(name))
		_ = out.WriteByte(':')
		_, _ = out.Write(value)
	}
	_ = out.WriteByte('}')
	return out.Bytes(), true
}
