package restore

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
)

// mapping turns a stored definition into the one to write: first what was edited in backup.json by hand, else the file's own replace; then
// the request's replace on the outcome.
type mapping struct {
	edits   *edits
	request Replace

	mu   sync.Mutex
	used map[rule]bool // rules that fitted something
}

type rule struct{ field, from string }

func newMapping(e *edits, r *Replace) *mapping {
	m := &mapping{edits: e, used: map[rule]bool{}}
	if m.edits == nil {
		m.edits = &edits{}
	}
	if r != nil {
		m.request = *r
	}
	return m
}

// identity tells whether the mapping changes nothing at all.
func (m *mapping) identity() bool {
	rules := 0
	for _, r := range []Replace{m.edits.replace, m.request} {
		rules += len(r.ConnectionName) + len(r.Database) + len(r.ClusterName) + len(r.OBSPath) + len(r.ExpressionTimeZone)
	}
	return rules == 0 && len(m.edits.values) == 0
}

// apply maps the definition of the named asset. It is safe for concurrent use.
func (m *mapping) apply(kind asset.Kind, name string, definition []byte) []byte {
	definition = asset.Rebind(kind, definition, func(b asset.Binding, v asset.BoundValue) string { return m.value(kind, name, b, v) })
	if len(m.request.OBSPath) > 0 {
		definition = asset.RewriteOBSPaths(kind, definition, m.path)
	}
	if kind == asset.Jobs && len(m.request.ExpressionTimeZone) > 0 {
		definition = asset.RewriteTimeZones(definition, func(zone string) string {
			return m.exact("expressionTimeZone", m.request.ExpressionTimeZone, zone)
		})
	}
	return definition
}

// value maps one value that a script, or a node of a job, is bound to.
func (m *mapping) value(kind asset.Kind, name string, b asset.Binding, v asset.BoundValue) string {
	value := v.Value
	field, _ := asset.Bindable(v.Wire)
	if edited, ok := m.edits.values[spot{kind, name, b.Index}]; ok && !v.Repeated {
		value = edited[v.Wire]
	} else {
		value = m.replace("backup.json ", m.edits.replace, field, value)
	}
	return m.replace("", m.request, field, value)
}

func (m *mapping) replace(whose string, r Replace, field, value string) string {
	switch field {
	case asset.ConnectionName:
		return m.exact(whose+field, r.ConnectionName, value)
	case asset.Database:
		return m.exact(whose+field, r.Database, value)
	case asset.ClusterName:
		return m.exact(whose+field, r.ClusterName, value)
	}
	return value
}

func (m *mapping) exact(field string, rules map[string]string, value string) string {
	if to, ok := rules[value]; ok {
		m.use(rule{field, value})
		return to
	}
	return value
}

// path replaces the longest prefix that fits.
func (m *mapping) path(p string) string {
	longest := ""
	for from := range m.request.OBSPath {
		if len(from) > len(longest) && strings.HasPrefix(p, from) && (strings.Count(from, "/") > 2 || p == from || p[len(from)] == '/') { // a bucket's name is whole
			longest = from
		}
	}
	if longest == "" {
		return p
	}
	m.use(rule{"obsPath", longest})
	to, rest := m.request.OBSPath[longest], p[len(longest):]
	if strings.HasSuffix(longest, "/") && !strings.HasSuffix(to, "/") && rest != "" {
		to += "/" // a folder's name stays one
	}
	return to + rest
}

func (m *mapping) use(r rule) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used[r] = true
}

// unused names the rules that nothing fitted, so that a typing error shows.
func (m *mapping) unused() []string {
	var names []string
	note := func(field string, rules map[string]string) {
		for from := range rules {
			if !m.used[rule{field, from}] {
				names = append(names, fmt.Sprintf("%s %q", field, from))
			}
		}
	}
	f, r := m.edits.replace, m.request
	note("backup.json "+asset.ConnectionName, f.ConnectionName)
	note("backup.json "+asset.Database, f.Database)
	note("backup.json "+asset.ClusterName, f.ClusterName)
	note(asset.ConnectionName, r.ConnectionName)
	note(asset.Database, r.Database)
	note(asset.ClusterName, r.ClusterName)
	note("obsPath", r.OBSPath)
	note("expressionTimeZone", r.ExpressionTimeZone)
	slices.Sort(names)
	return names
}
