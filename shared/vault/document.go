package vault

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// Document is backup.json: the commit of a backup, made for editing. It lists what every node and script is bound to outside Factory.
type Document struct {
	FormatVersion  int
	BackupDate     string
	Workspace      Workspace
	ManifestSHA256 string
	Jobs           map[string][]Entry // by node type
	Scripts        map[string][]Entry // by script type
}

// Entry is one line of backup.json: a node of a job, or a script, with the values that may be edited.
type Entry struct {
	Job    string
	Node   string
	Index  int // of the node in its job
	Script string
	Values []asset.BoundValue // each name once
}

// Add lists the bindings of an asset. Call it in manifest order.
func (d *Document) Add(ref asset.Ref, bindings []asset.Binding) {
	for _, b := range bindings {
		values := b.Values
		if repeated := func(v asset.BoundValue) bool { return v.Repeated }; slices.ContainsFunc(values, repeated) {
			values = slices.DeleteFunc(slices.Clone(values), repeated)
		}
		switch ref.Kind {
		case asset.Jobs:
			if d.Jobs == nil {
				d.Jobs = map[string][]Entry{}
			}
			d.Jobs[b.Type] = append(d.Jobs[b.Type], Entry{Job: ref.Name, Node: b.Node, Index: b.Index, Values: values})
		case asset.Scripts:
			if d.Scripts == nil {
				d.Scripts = map[string][]Entry{}
			}
			d.Scripts[b.Type] = append(d.Scripts[b.Type], Entry{Script: ref.Name, Values: values})
		}
	}
}

// encode returns the document as it is stored: one entry a line, sorted, so that an editor and a diff show what an operator changed.
func (d *Document) encode() ([]byte, error) {
	var out bytes.Buffer
	head, err := encodeJSON(struct {
		FormatVersion  int       `json:"formatVersion"`
		BackupDate     string    `json:"backupDate"`
		Workspace      Workspace `json:"workspace"`
		ManifestSHA256 string    `json:"manifestSha256"`
	}{d.FormatVersion, d.BackupDate, d.Workspace, d.ManifestSHA256}, "  ")
	if err != nil {
		return nil, err
	}
	out.Write(bytes.TrimSuffix(head, []byte("\n}")))
	section(&out, "jobs", d.Jobs)
	section(&out, "scripts", d.Scripts)
	out.WriteString(",\n  \"replace\": {\"connectionName\": {}, \"database\": {}, \"clusterName\": {}}\n}\n")
	return out.Bytes(), nil
}

func section(out *bytes.Buffer, name string, byType map[string][]Entry) {
	out.WriteString(",\n  \"" + name + "\": {")
	for i, t := range slices.Sorted(maps.Keys(byType)) {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString("\n    ")
		out.Write(rawjson.Quote(t))
		out.WriteString(": [")
		entries := slices.Clone(byType[t])
		slices.SortStableFunc(entries, func(a, b Entry) int {
			return strings.Compare(a.Job+"\x00"+a.Script, b.Job+"\x00"+b.Script)
		})
		for j, e := range entries {
			if j > 0 {
				out.WriteByte(',')
			}
			out.WriteString("\n      {")
			if e.Script != "" || e.Job == "" {
				field(out, "script", e.Script, true)
			} else {
				field(out, "job", e.Job, true)
				field(out, "node", e.Node, false)
			}
			for _, v := range e.Values {
				field(out, v.Wire, v.Value, false)
			}
			out.WriteByte('}')
		}
		out.WriteString("\n    ]")
	}
	if len(byType) > 0 {
		out.WriteString("\n  ")
	}
	out.WriteByte('}')
}

func field(out *bytes.Buffer, name, value string, first bool) {
	if !first {
		out.WriteString(", ")
	}
	out.Write(rawjson.Quote(name))
	out.WriteString(": ")
	out.Write(rawjson.Quote(value))
}
