package restore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// place is one entry of backup.json: a node of a job, or a script.
type place struct {
	kind asset.Kind
	name string
	node string // empty for a script
}

// spot is a place by number: names of nodes are unique by the documents only.
type spot struct {
	kind  asset.Kind
	name  string
	index int // of the node in its job; 0 for a script
}

func (p place) String() string {
	if p.kind == asset.Scripts {
		return fmt.Sprintf("script %q", p.name)
	}
	return fmt.Sprintf("node %q of job %q", p.node, p.name)
}

// edits is what an operator changed in backup.json.
type edits struct {
	values  map[spot]map[string]string // new value by the name on the wire; an entry that was edited has all its values here
	replace Replace
}

// readEdits holds backup.json as it stands against what it was when it was committed, which follows from the assets. Only the values of
// connectionName, database and clusterName, and replace, may differ; everything else that does is a fault with its line. What is said of assets that could
// not be read is passed over: nobody knows what stood there.
func readEdits(document []byte, m *vault.Manifest, original *vault.Document, unread map[asset.Ref]bool) (*edits, error) {
	doc, err := strictjson.Parse(document)
	if err != nil {
		return nil, err
	}
	r := &editReader{doc: doc, edits: &edits{values: map[spot]map[string]string{}}, unread: unread}
	for name, span := range rawjson.Members(document) {
		value := span.In(document)
		switch name {
		case "formatVersion":
			r.fixed(name, value, fmt.Sprint(m.FormatVersion))
		case "backupDate":
			r.fixed(name, value, string(rawjson.Quote(m.BackupDate)))
		case "manifestSha256": // held against the manifest when the backup was opened
		case "workspace":
			r.workspace(value, m.Workspace)
		case "jobs":
			r.section(asset.Jobs, value, original.Jobs)
		case "scripts":
			r.section(asset.Scripts, value, original.Scripts)
		case "replace":
			r.replace(value)
		default:
			r.fault(strictjson.Field("", name), "is no field of backup.json: want formatVersion, backupDate, workspace, manifestSha256, jobs, scripts, replace")
		}
	}
	for _, name := range []string{"formatVersion", "backupDate", "workspace", "jobs", "scripts", "replace"} {
		if _, ok := rawjson.Lookup(document, name); !ok {
			r.fault("", fmt.Sprintf("%s is gone: only values may be edited", name))
		}
	}
	if len(r.faults) > 0 {
		return nil, r.faults
	}
	return r.edits, nil
}

type editReader struct {
	doc    *strictjson.Document
	edits  *edits
	unread map[asset.Ref]bool // by identity
	faults strictjson.Faults
}

func (r *editReader) fault(path, problem string) {
	r.faults = append(r.faults, r.doc.FaultAt(path, problem))
}

// fixed faults a value that is not what was written.
func (r *editReader) fixed(path string, value []byte, want string) {
	if changes, err := rawjson.Diff([]byte(want), value); err != nil || len(changes) > 0 {
		r.fault(path, fmt.Sprintf("was %s and must not be edited", want))
	}
}

func (r *editReader) workspace(value []byte, want vault.Workspace) {
	r.fixed("workspace", value, fmt.Sprintf(`{"id":%s,"name":%s}`, rawjson.Quote(want.ID), rawjson.Quote(want.Name)))
}

// section reads jobs or scripts.
func (r *editReader) section(kind asset.Kind, value []byte, want map[string][]vault.Entry) {
	path := string(kind)
	if rawjson.Check(value) != nil {
		r.fault(path, "want an object with a list for each type")
		return
	}
	for t, span := range rawjson.Members(value) {
		list := span.In(value)
		at := strictjson.Field(path, t)
		if _, known := want[t]; !known && len(r.unread) == 0 {
			r.fault(at, fmt.Sprintf("the backup has no %s of type %q", what(kind), t))
			continue
		}
		if len(list) == 0 || list[0] != '[' {
			r.fault(at, "want a list of entries")
			continue
		}
		r.entries(kind, at, list, want[t])
	}
	for t := range want {
		if _, ok := rawjson.Lookup(value, t); !ok {
			r.fault(path, fmt.Sprintf("the entries of type %q are gone: only values may be edited", t))
		}
	}
}

func what(kind asset.Kind) string {
	if kind == asset.Jobs {
		return "node"
	}
	return "script"
}

func (r *editReader) entries(kind asset.Kind, path string, list []byte, want []vault.Entry) {
	open := map[place][]vault.Entry{}
	for _, e := range want {
		p := placeOf(kind, e)
		open[p] = append(open[p], e)
	}
	index := 0
	for span := range rawjson.Elements(list) {
		at := strictjson.Element(path, index)
		index++
		text := span.In(list)
		if rawjson.Check(text) != nil {
			r.fault(at, "want an entry, a JSON object")
			continue
		}
		p := place{kind: kind, name: rawjson.StringAt(text, "script")}
		if kind == asset.Jobs {
			p = place{kind: kind, name: rawjson.StringAt(text, "job"), node: rawjson.StringAt(text, "node")}
		}
		waiting := open[p]
		if len(waiting) == 0 && r.unread[asset.Ref{Kind: kind, Name: p.name}] {
			continue
		}
		if len(waiting) == 0 {
			r.fault(at, r.whyUnknown(kind, p, want))
			continue
		}
		open[p] = waiting[1:]
		r.entry(at, text, p, waiting[0])
	}
	for _, e := range want {
		p := placeOf(kind, e)
		if n := len(open[p]); n > 0 {
			open[p] = open[p][1:]
			r.fault(path, fmt.Sprintf("the entry of %s is gone: only values may be edited", p))
		}
	}
}

func placeOf(kind asset.Kind, e vault.Entry) place {
	if kind == asset.Scripts {
		return place{kind: kind, name: e.Script}
	}
	return place{kind: kind, name: e.Job, node: e.Node}
}

func (r *editReader) whyUnknown(kind asset.Kind, p place, want []vault.Entry) string {
	twice := slices.ContainsFunc(want, func(e vault.Entry) bool { return placeOf(kind, e) == p })
	job := slices.ContainsFunc(want, func(e vault.Entry) bool { return e.Job == p.name })
	switch {
	case twice:
		return fmt.Sprintf("%s stands here twice", p)
	case kind == asset.Scripts:
		return fmt.Sprintf("the backup has no script %q of this type", p.name)
	case job:
		return fmt.Sprintf("job %q has no node %q of this type", p.name, p.node)
	}
	return fmt.Sprintf("the backup has no job %q with a node of this type", p.name)
}

// entry compares one entry, field by field.
func (r *editReader) entry(at string, text []byte, p place, want vault.Entry) {
	now := map[string]string{}
	edited := false
	for name, span := range rawjson.Members(text) {
		if name == "job" || name == "node" || name == "script" {
			if (p.kind == asset.Scripts) != (name == "script") {
				r.fault(strictjson.Field(at, name), "does not belong here")
			}
			continue
		}
		i := slices.IndexFunc(want.Values, func(v asset.BoundValue) bool { return v.Wire == name })
		if i < 0 {
			r.fault(strictjson.Field(at, name), fmt.Sprintf("%s has no %s: want %s", p, name, wires(want)))
			continue
		}
		value, ok := rawjson.String(span.In(text))
		if !ok {
			r.fault(strictjson.Field(at, name), "want a string")
			continue
		}
		now[name] = value
		edited = edited || value != want.Values[i].Value
	}
	for _, v := range want.Values {
		if _, ok := rawjson.Lookup(text, v.Wire); !ok {
			r.fault(at, fmt.Sprintf("%s of %s is gone: only values may be edited", v.Wire, p))
		}
	}
	if edited {
		r.edits.values[spot{p.kind, p.name, want.Index}] = now
	}
}

func wires(e vault.Entry) string {
	if len(e.Values) == 0 {
		return "nothing but its name"
	}
	var names []string
	for _, v := range e.Values {
		names = append(names, v.Wire)
	}
	return strings.Join(names, ", ")
}

// replace reads the file's own replacement rules. It has those of the three editable values only.
func (r *editReader) replace(value []byte) {
	if rawjson.Check(value) != nil {
		r.fault("replace", "want an object")
		return
	}
	for name, span := range rawjson.Members(value) {
		at := strictjson.Field("replace", name)
		var into *map[string]string
		switch name {
		case asset.ConnectionName:
			into = &r.edits.replace.ConnectionName
		case asset.Database:
			into = &r.edits.replace.Database
		case asset.ClusterName:
			into = &r.edits.replace.ClusterName
		default:
			r.fault(at, "want connectionName, database or clusterName")
			continue
		}
		rules := span.In(value)
		if rawjson.Check(rules) != nil {
			r.fault(at, "want an object of old value to new")
			continue
		}
		*into = map[string]string{}
		for old, to := range rawjson.Members(rules) {
			s, ok := rawjson.String(to.In(rules))
			if !ok {
				r.fault(strictjson.Field(at, old), "want a string")
				continue
			}
			(*into)[old] = s
		}
	}
}
