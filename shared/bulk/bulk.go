// Package bulk reads many definitions with few calls, from list rows and exports, and knows how far they can be believed.
//
// List rows and exports are documented loosely, and one that leaves a field out would be a silent loss. What this package guarantees: of every kind,
// node type, script type and field that came in bulk, some definitions are named to be held against the call that reads one asset, and a class of assets
// is believed only as long as every sample of it that was held against that call says as much. The engines make the calls, and read what is not believed
// one by one. What remains is a lie about a few assets that no sample shows.
package bulk

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// Whole tells whether the list row of a script or resource looks like a definition, as far as that can be seen without another one: the fields that a
// create call asks for are there.
func Whole(kind asset.Kind, row []byte) bool {
	want := []string{"type", "content"}
	if kind == asset.Resources {
		want = []string{"type", "location"}
	}
	for _, name := range want {
		value, ok := rawjson.Path(row, name)
		if !ok {
			return false
		}
		if _, ok := rawjson.String(value); !ok {
			return false
		}
	}
	return true
}

// WholeJob tells whether an exported definition looks like the job's: it has a list of nodes, and lies in the directory that the job's list row names, if
// that names one.
func WholeJob(directory string, definition []byte) bool {
	nodes, ok := rawjson.Path(definition, "nodes")
	return ok && nodes[0] == '[' && (directory == "/" || asset.CleanDirectory(rawjson.StringAt(definition, "directory")) == directory)
}

// hollow tells whether a definition has nothing in it: a job without nodes, a script without text. There are such assets; and it is what a list or an
// export that leaves things out looks like.
func hollow(kind asset.Kind, definition []byte) bool {
	switch kind {
	case asset.Scripts:
		return rawjson.StringAt(definition, "content") == ""
	case asset.Jobs:
		nodes, _ := rawjson.Path(definition, "nodes")
		for range rawjson.Elements(nodes) {
			return false
		}
		return true
	}
	return false
}

// Classes are what a definition belongs to, and is believed by: its kind, and its types; for a job those of its nodes.
func Classes(kind asset.Kind, definition []byte) []string {
	var types []string
	switch kind {
	case asset.Scripts:
		types = []string{rawjson.StringAt(definition, "type")}
	case asset.Jobs:
		if nodes, ok := rawjson.Path(definition, "nodes"); ok {
			for node := range rawjson.Elements(nodes) {
				types = append(types, rawjson.StringAt(node.In(nodes), "type"))
			}
		}
	}
	return ClassesOf(kind, types)
}

// ClassesOf are the classes of a definition of which only the types are known: that of a script, or those of a job's nodes.
func ClassesOf(kind asset.Kind, types []string) []string {
	all := []string{string(kind)}
	for _, t := range types {
		if c := class(kind, t); !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	if kind == asset.Jobs && len(all) == 1 {
		all = append(all, withoutNodes)
	}
	return all
}

// withoutNodes is the class of jobs that have no nodes.
const withoutNodes = string(asset.Jobs) + "/"

func class(kind asset.Kind, name string) string { return string(kind) + "/" + name }

func nodeClass(node []byte) string { return class(asset.Jobs, rawjson.StringAt(node, "type")) }

// features are what makes a definition worth checking, once in a run: each field that it has, those of nodes by node type. Names that users choose, as
// those of a script's configuration, are none.
func features(kind asset.Kind, definition []byte) []string {
	prefix := string(kind)
	if kind != asset.Jobs {
		prefix += "/" + rawjson.StringAt(definition, "type")
	}
	var all []string
	add := func(prefix string, object []byte) {
		for name := range rawjson.Members(object) {
			all = append(all, prefix+"."+name)
		}
	}
	add(prefix, definition)
	if kind != asset.Jobs {
		return all
	}
	for _, path := range [][]string{{"basicConfig"}, {"schedule"}, {"schedule", "cron"}, {"schedule", "event"}} {
		if object, ok := rawjson.Path(definition, path...); ok {
			add(prefix+"."+strings.Join(path, "."), object)
		}
	}
	if nodes, ok := rawjson.Path(definition, "nodes"); ok {
		for node := range rawjson.Elements(nodes) {
			add(nodeClass(node.In(nodes)), node.In(nodes))
		}
	}
	return append(all, prefix+"="+rawjson.StringAt(definition, "processType"), prefix+".schedule="+rawjson.StringAt(definition, "schedule", "type"))
}

// sizes measures a definition in the ways in which a service may limit it.
func sizes(definition []byte) map[string]int {
	bytes, characters := longestText(definition)
	return map[string]int{"whole": len(definition), "bytes": bytes, "characters": characters}
}

// longestText is the length of the longest string in a JSON text, in bytes of UTF-8 and in characters.
func longestText(text []byte) (inBytes, characters int) {
	inString, escaped, unicode := false, false, 0
	b, c := 0, 0
	for _, ch := range text {
		switch {
		case !inString:
			inString = ch == '"'
			b, c = 0, 0
		case unicode > 0:
			unicode--
		case escaped:
			escaped = false
			if ch == 'u' {
				unicode = 4
				b += 2 // between one and three
			}
			b++
			c++
		case ch == '\\':
			escaped = true
		case ch == '"':
			inString = false
			inBytes, characters = max(inBytes, b), max(characters, c)
		default:
			b++
			if ch&0xC0 != 0x80 {
				c++
			}
		}
	}
	return inBytes, characters
}

// Difference is a field that a bulk definition does not have as the asset's own call gives it.
type Difference struct {
	Class string // of the assets about which that says something
	Field string
}

// Comparison finds the places in which a bulk definition is without what the detail, the answer to the asset's own call, has, or has it otherwise. An
// export may have more than the detail: it is what a create call takes. A list row may not, because it may hold what no create call takes.
type Comparison func(kind asset.Kind, detail, definition []byte) ([]rawjson.Change, error)

// ByText compares what a backup keeps: every field but those that only the server sets.
func ByText(kind asset.Kind, detail, definition []byte) ([]rawjson.Change, error) {
	detail, definition = asset.Comparable(kind, detail), asset.Comparable(kind, definition)
	if kind == asset.Jobs {
		return rawjson.Lost(detail, definition)
	}
	return rawjson.Diff(detail, definition)
}

// ByMeaning takes what means the same for the same, as [asset.Normals] has it.
func ByMeaning(kind asset.Kind, detail, definition []byte) ([]rawjson.Change, error) {
	if kind == asset.Jobs {
		return asset.Lost(kind, detail, definition)
	}
	return asset.Changes(kind, detail, definition)
}

// differences names the fields that a bulk definition does not have as the detail has them.
func (compare Comparison) differences(kind asset.Kind, definition, detail []byte) []Difference {
	changes, err := compare(kind, detail, definition)
	if err != nil {
		return []Difference{{Class: string(kind), Field: "(not JSON)"}}
	}
	var all []Difference
	for _, c := range changes {
		field := cmp.Or(c.Path, "(all)")
		all = append(all, Difference{Class: doubtful(kind, definition, detail, field), Field: field})
	}
	return all
}

// doubtful is the class that a difference speaks of: a node's type, a script's type, or the whole kind.
func doubtful(kind asset.Kind, definition, detail []byte, path string) string {
	switch kind {
	case asset.Jobs:
		if strings.HasPrefix(path, "nodes") && hollow(kind, definition) {
			return withoutNodes
		}
		var index int
		if _, err := fmt.Sscanf(path, "nodes[%d]", &index); err == nil {
			if nodes, ok := rawjson.Path(detail, "nodes"); ok {
				for node := range rawjson.Elements(nodes) {
					if index == 0 {
						return nodeClass(node.In(nodes))
					}
					index--
				}
			}
		}
	case asset.Scripts:
		if path != "content" { // a text that is cut off says nothing about the type
			return class(kind, rawjson.StringAt(detail, "type"))
		}
	}
	return string(kind)
}
