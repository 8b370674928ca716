package backup

import (
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// classes are what a definition belongs to: its kind, and its types.
func classes(kind asset.Kind, definition []byte) []string {
	all := []string{string(kind)}
	switch kind {
	case asset.Scripts:
		all = append(all, string(kind)+"/"+rawjson.StringAt(definition, "type"))
	case asset.Jobs:
		if nodes, ok := rawjson.Path(definition, "nodes"); ok {
			for node := range rawjson.Elements(nodes) {
				if class := nodeClass(node.In(nodes)); !slices.Contains(all, class) {
					all = append(all, class)
				}
			}
		}
		if len(all) == 1 {
			all = append(all, withoutNodes)
		}
	}
	return all
}

// withoutNodes is the class of jobs that have no nodes.
const withoutNodes = string(asset.Jobs) + "/"

func nodeClass(node []byte) string {
	return string(asset.Jobs) + "/" + rawjson.StringAt(node, "type")
}

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
func sizes(kind asset.Kind, definition []byte) map[string]int {
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
