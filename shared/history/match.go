package history

import (
	"fmt"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// Criteria are what an asset is looked for by. Every one that is not empty has to hold for the asset.
type Criteria struct {
	// ConnectionName, Database and ClusterName are values that a node of the job, or the script, is bound to. * stands for any text, ? for one character.
	ConnectionName, Database, ClusterName string
	// Name is the asset's, of an environment variable its own, with * and ? as above.
	Name string
	// Text stands in the text of the script, in a property of one of the job's nodes, in the path of one of the resource's files, or in the name of the
	// environment variable, in whatever case. Values of environment variables are not looked into.
	Text string
	// Kind is the only kind that is looked at; empty is every one.
	Kind asset.Kind
}

// Empty tells whether there is nothing to look for. A kind alone is nothing.
func (c Criteria) Empty() bool {
	return c.ConnectionName == "" && c.Database == "" && c.ClusterName == "" && c.Name == "" && c.Text == ""
}

// binds tells whether assets are looked for by what they are bound to.
func (c Criteria) binds() bool {
	return c.ConnectionName != "" || c.Database != "" || c.ClusterName != ""
}

// admits tells whether an asset may hold what is looked for, by all that a manifest says of it.
func (c Criteria) admits(ref asset.Ref) bool {
	switch {
	case c.Kind != "" && c.Kind != ref.Kind:
		return false
	case c.binds() && ref.Kind != asset.Jobs && ref.Kind != asset.Scripts:
		return false
	case ref.Kind == asset.Env: // its variables have the names
		return true
	}
	return c.Name == "" || matches(c.Name, ref.Name)
}

// reads tells whether the definition of an asset of the kind has to be read.
func (c Criteria) reads(kind asset.Kind) bool { return c.binds() || c.Text != "" || kind == asset.Env }

// byDocument tells whether backup.json says something of what is looked for.
func (c Criteria) byDocument() bool { return c.binds() && c.Text == "" }

// How much is told of the places where something was found.
const (
	mostPlaces  = 5
	mostSnippet = 200 // characters
)

// places collects where something was found.
type places struct {
	list []string
	more int
}

func (p *places) add(format string, args ...any) {
	if len(p.list) == mostPlaces {
		p.more++
		return
	}
	p.list = append(p.list, fmt.Sprintf(format, args...))
}

func (p *places) all() []string {
	if p.more > 0 {
		return append(p.list, fmt.Sprintf("and %d more", p.more))
	}
	return p.list
}

// wanted is what the criteria say of one editable value.
func (c Criteria) wanted(value string) string {
	switch value {
	case asset.ConnectionName:
		return c.ConnectionName
	case asset.Database:
		return c.Database
	case asset.ClusterName:
		return c.ClusterName
	}
	return ""
}

// bound tells whether an asset is bound as is looked for, and where.
func (c Criteria) bound(bindings []asset.Binding, source string, p *places) bool {
	held := map[string]bool{}
	for _, b := range bindings {
		for _, v := range b.Values {
			value, _ := asset.Bindable(v.Wire)
			if glob := c.wanted(value); glob != "" && matches(glob, v.Value) {
				held[value] = true
				if b.Node == "" {
					p.add("%s %s%s", v.Wire, quote(v.Value), source)
				} else {
					p.add("node %s: %s %s%s", quote(b.Node), v.Wire, quote(v.Value), source)
				}
			}
		}
	}
	for _, value := range []string{asset.ConnectionName, asset.Database, asset.ClusterName} {
		if c.wanted(value) != "" && !held[value] {
			return false
		}
	}
	return true
}

// definition tells whether a definition of a job, script or resource holds what is looked for, and where.
func (c Criteria) definition(kind asset.Kind, definition []byte) (where []string, ok bool) {
	var p places
	if c.binds() && !c.bound(asset.Bindings(kind, definition), "", &p) {
		return nil, false
	}
	if c.Text != "" && !c.text(kind, definition, &p) {
		return nil, false
	}
	if c.Name != "" {
		p.add("name")
	}
	return p.all(), true
}

// text looks into the texts of a definition.
func (c Criteria) text(kind asset.Kind, definition []byte, p *places) bool {
	needle := strings.ToLower(c.Text)
	found := false
	look := func(what, text string) {
		for line, snippet := range linesWith(text, needle) {
			found = true
			p.add("%s: %s", place(what, line), snippet)
		}
	}
	switch kind {
	case asset.Scripts:
		look("", rawjson.StringAt(definition, "content"))
	case asset.Resources:
		for _, location := range asset.FileLocations(definition) {
			if strings.Contains(strings.ToLower(location), needle) {
				found = true
				p.add("file: %s", around(location, 0))
			}
		}
	case asset.Jobs:
		nodes, _ := rawjson.Path(definition, "nodes")
		for span := range rawjson.Elements(nodes) {
			node := span.In(nodes)
			properties, _ := rawjson.Path(node, "properties")
			for e := range rawjson.Elements(properties) {
				property := e.In(properties)
				value, _ := rawjson.Path(property, "value")
				text, isText := rawjson.String(value)
				if !isText {
					text = string(value)
				}
				look(fmt.Sprintf("node %s: %s", quote(rawjson.StringAt(node, "name")), cut(rawjson.StringAt(property, "name"))), text)
			}
		}
	}
	return found
}

// variable tells whether an environment variable is what is looked for. Only its name counts.
func (c Criteria) variable(name string) bool {
	return !c.binds() && (c.Name == "" || matches(c.Name, name)) &&
		(c.Text == "" || strings.Contains(strings.ToLower(name), strings.ToLower(c.Text)))
}

func place(what string, line int) string {
	if what == "" {
		return fmt.Sprintf("line %d", line)
	}
	return fmt.Sprintf("%s, line %d", what, line)
}

// linesWith yields the lines of a text that hold a lower-case text, by their number from 1, each cut around it. A text of several lines is found where it begins.
func linesWith(text, needle string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		lower := strings.ToLower(text) // as many characters, and the lines where they were
		for line := 1; ; line++ {
			at := strings.Index(lower, needle)
			if at < 0 {
				return
			}
			skipped := strings.Count(lower[:at], "\n")
			line += skipped
			for range skipped {
				_, text, _ = strings.Cut(text, "\n")
			}
			this, rest, _ := strings.Cut(text, "\n")
			start := strings.LastIndexByte(lower[:at], '\n') + 1
			if !yield(line, around(this, utf8.RuneCountInString(lower[start:at]))) {
				return
			}
			end := strings.IndexByte(lower[at:], '\n')
			if end < 0 {
				return
			}
			// A text that begins with a line end is found at the end of a line.
			text, lower = rest, lower[at+end+1:]
		}
	}
}

// around cuts a line to what can be shown around a character of it.
func around(line string, at int) string {
	const before = mostSnippet / 4
	r := []rune(line)
	from := max(0, min(at-before, len(r)-mostSnippet+2))
	to := min(len(r), from+mostSnippet-2) // with the marks of what is cut off
	text := visible(string(r[from:to]))
	if from > 0 {
		text = "…" + text
	} else {
		text = strings.TrimLeft(text, " ")
	}
	if to < len(r) {
		text += "…"
	}
	return text
}

// visible makes blanks of what is no character that a line can show.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
}

func cut(text string) string { return around(text, 0) }

func quote(text string) string { return fmt.Sprintf("%q", cut(text)) }

// matches tells whether a text fits a pattern in which * stands for any text and ? for one character.
func matches(pattern, text string) bool {
	p, t := []rune(pattern), []rune(text)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == t[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
