package asset

import (
	"iter"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// The values that an operator may change in a backup before it is restored, as the DataArts console allows it.
const (
	ConnectionName = "connectionName"
	Database       = "database"
	ClusterName    = "clusterName"
)

// Bindable returns the editable value that a field or property on the wire holds, whatever its capitals ("Database" on an MRSHetuEngine node) and with
// underscores or without ("connection_name" in the example of the List Scripts page).
func Bindable(wire string) (value string, ok bool) {
	for _, value := range []string{ConnectionName, Database, ClusterName} {
		if strings.EqualFold(strings.ReplaceAll(wire, "_", ""), value) {
			return value, true
		}
	}
	return "", false
}

// staleID is the id that the service stores beside a name and that contradicts it once the name changes.
func staleID(value string) string {
	switch value {
	case ConnectionName:
		return "connectionId"
	case ClusterName:
		return "clusterId"
	}
	return ""
}

// Binding is what one node of a job, or one script, is bound to outside Factory.
type Binding struct {
	Type   string // node type or script type: "HiveSQL", "CDMJob", "Shell"
	Node   string // node name; empty for a script
	Index  int    // of the node among the job's nodes, which is what tells two of one name apart; 0 for a script
	Values []BoundValue
}

// BoundValue is one editable value.
type BoundValue struct {
	Wire  string // its name as the definition spells it
	Value string
	// Repeated marks the second and further values of one name in one node. Names are unique by the documents; where they are not, only
	// the first can be edited by hand.
	Repeated bool
	span     rawjson.Span // where it stands in the definition
}

// Bindings lists what the definition of a job or script is bound to: an entry for every node of a job, one for a script, in the order in which
// they stand. Other kinds have none.
func Bindings(k Kind, definition []byte) []Binding {
	switch k {
	case Scripts:
		b := Binding{Type: rawjson.StringAt(definition, "type")}
		for name, span := range rawjson.Members(definition) {
			b.add(name, span, definition)
		}
		return []Binding{b}
	case Jobs:
		nodes, ok := rawjson.Lookup(definition, "nodes")
		if !ok {
			return nil
		}
		var all []Binding
		for node := range elements(definition, nodes) {
			text := node.In(definition)
			b := Binding{Type: rawjson.StringAt(text, "type"), Node: rawjson.StringAt(text, "name"), Index: len(all)}
			if properties, ok := rawjson.Lookup(text, "properties"); ok {
				for property := range elements(definition, offset(properties, node.Start)) {
					p := property.In(definition)
					if value, ok := rawjson.Lookup(p, "value"); ok {
						b.add(rawjson.StringAt(p, "name"), offset(value, property.Start), definition)
					}
				}
			}
			all = append(all, b)
		}
		return all
	}
	return nil
}

func (b *Binding) add(wire string, span rawjson.Span, definition []byte) {
	if _, ok := Bindable(wire); !ok {
		return
	}
	value, ok := rawjson.String(span.In(definition))
	if !ok {
		return
	}
	repeated := slices.ContainsFunc(b.Values, func(v BoundValue) bool { return v.Wire == wire })
	b.Values = append(b.Values, BoundValue{Wire: wire, Value: value, Repeated: repeated, span: span})
}

// Rebind returns the definition with the values of its bindings changed: change is asked for each value and returns what it shall be. When a
// connection or cluster name changes, the id that stands beside it is dropped, because the service would believe the id. The rest of
// the text stays as it is, byte for byte.
func Rebind(k Kind, definition []byte, change func(b Binding, v BoundValue) string) []byte {
	var edits []rawjson.Edit
	stale := map[int]map[string]bool{} // index of the node to the ids to drop
	for _, b := range Bindings(k, definition) {
		for _, v := range b.Values {
			now := change(b, v)
			if now == v.Value {
				continue
			}
			edits = append(edits, rawjson.Edit{Span: v.span, New: rawjson.Quote(now)})
			if value, _ := Bindable(v.Wire); staleID(value) != "" {
				if stale[b.Index] == nil {
					stale[b.Index] = map[string]bool{}
				}
				stale[b.Index][staleID(value)] = true
			}
		}
	}
	if len(edits) == 0 {
		return definition
	}
	definition = rawjson.Splice(definition, edits...)
	if len(stale) == 0 {
		return definition
	}
	if k == Scripts {
		return rawjson.Without(definition, func(name string) bool { return stale[0][name] })
	}
	return dropNodeIDs(definition, stale)
}

// dropNodeIDs removes the properties named in stale from the nodes with these indexes.
func dropNodeIDs(definition []byte, stale map[int]map[string]bool) []byte {
	nodes, ok := rawjson.Lookup(definition, "nodes")
	if !ok {
		return definition
	}
	var edits []rawjson.Edit
	index := -1
	for node := range elements(definition, nodes) {
		text := node.In(definition)
		index++
		ids := stale[index]
		properties, ok := rawjson.Lookup(text, "properties")
		if ids == nil || !ok {
			continue
		}
		span := offset(properties, node.Start)
		kept := []byte("[")
		dropped := false
		for property := range elements(definition, span) {
			p := property.In(definition)
			if ids[rawjson.StringAt(p, "name")] {
				dropped = true
				continue
			}
			if len(kept) > 1 {
				kept = append(kept, ',')
			}
			kept = append(kept, p...)
		}
		if dropped {
			edits = append(edits, rawjson.Edit{Span: span, New: append(kept, ']')})
		}
	}
	return rawjson.Splice(definition, edits...)
}

// elements yields the elements of the array at span, as spans of text.
func elements(text []byte, span rawjson.Span) iter.Seq[rawjson.Span] {
	return func(yield func(rawjson.Span) bool) {
		for e := range rawjson.Elements(span.In(text)) {
			if !yield(offset(e, span.Start)) {
				return
			}
		}
	}
}

func offset(s rawjson.Span, by int) rawjson.Span {
	return rawjson.Span{Start: s.Start + by, End: s.End + by}
}
