package restore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// Edits is what a backup.json has otherwise than it was committed, so what a restore will change.
type Edits struct {
	Values  []Edit  // by kind, name, node and field
	Replace Replace // the file's own rules: of connections, databases and clusters
}

// Edit is one value that was edited by hand.
type Edit struct {
	Kind  asset.Kind `json:"kind"` // jobs or scripts
	Name  string     `json:"name"`
	Node  string     `json:"node,omitempty"` // of a job
	Index int        `json:"-"`              // of the node in its job
	Field string     `json:"field"`          // as the definition spells it: connectionName, Database
	From  string     `json:"from"`           // what the definition has
	To    string     `json:"to"`
}

// CheckDocument holds a text against what the backup.json of a backup may be, as a restore does before its first write, and returns what it changes. For that
// it reads the definition of every job and script, so many at once. The error is strictjson.Faults with every fault of the text, in its order, or a [Refusal]
// where the backup itself is damaged or cannot be read, so that nobody knows what the text was.
func CheckDocument(ctx context.Context, b *vault.Backup, text []byte, concurrency int) (Edits, error) {
	if b.Document == nil || b.Unverified {
		return Edits{}, refuse("%s has no backup.json of ours", b.Folder().Path())
	}
	doc, err := strictjson.Parse(text)
	if err != nil {
		return Edits{}, err
	}
	if err := rawjson.Check(text); err != nil {
		return Edits{}, strictjson.Faults{syntaxFault(text, err)}
	}
	var original vault.Document
	err = b.Only(hasBindings).Each(ctx, concurrency, func(a vault.Asset, definition []byte) error {
		original.Add(a.Ref(), asset.Bindings(a.Kind, definition))
		return nil
	})
	if err != nil {
		return Edits{}, Explain(ctx, b, err)
	}
	var faults strictjson.Faults
	if problem := namesAnotherManifest(b, text); problem != "" {
		faults = append(faults, doc.FaultAt("manifestSha256", problem))
	}
	e, err := readEdits(text, b.Manifest, &original, nil)
	if more, ok := errors.AsType[strictjson.Faults](err); ok {
		faults = append(faults, more...)
	} else if err != nil {
		return Edits{}, err
	}
	if err := faults.Err(); err != nil {
		return Edits{}, err
	}
	return Edits{Values: e.list(&original), Replace: e.replace}, nil
}

func hasBindings(a vault.Asset) bool { return a.Kind == asset.Jobs || a.Kind == asset.Scripts }

// syntaxFault is what keeps a text from being a JSON object, although it reads like JSON.
func syntaxFault(text []byte, err error) strictjson.Fault {
	f := strictjson.Fault{Line: 1, Column: 1, Problem: fmt.Sprintf("is malformed: %v", err)}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		f.Line, f.Column = strictjson.Position(text, syntax.Offset)
	}
	return f
}

// namesAnotherManifest says what a restore would, which does not take such a folder for a backup; empty where the text names the backup's own manifest.
func namesAnotherManifest(b *vault.Backup, text []byte) string {
	switch named := rawjson.StringAt(text, "manifestSha256"); named {
	case b.ManifestSHA256:
		return ""
	case "":
		return "names no manifest"
	default:
		return fmt.Sprintf("manifest.json has SHA-256 %s, backup.json was committed with %s", b.ManifestSHA256, named)
	}
}

// list names every value that was edited.
func (e *edits) list(original *vault.Document) []Edit {
	all := []Edit{}
	note := func(kind asset.Kind, sections map[string][]vault.Entry) {
		for _, t := range slices.Sorted(maps.Keys(sections)) {
			for _, entry := range sections[t] {
				p := placeOf(kind, entry)
				now, edited := e.values[spot{kind, p.name, entry.Index}]
				if !edited {
					continue
				}
				for _, v := range entry.Values {
					if to := now[v.Wire]; to != v.Value {
						all = append(all, Edit{Kind: kind, Name: p.name, Node: p.node, Index: entry.Index, Field: v.Wire, From: v.Value, To: to})
					}
				}
			}
		}
	}
	note(asset.Jobs, original.Jobs)
	note(asset.Scripts, original.Scripts)
	slices.SortStableFunc(all, func(a, b Edit) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Index, b.Index))
	})
	return all
}

// Explain turns an error about what a backup is into a [Refusal], in the words of the settings: it is damaged, or encrypted and there is no key to it. An error
// of a store that did not give something out, and that of a context that is over, it returns as it is.
func Explain(ctx context.Context, b *vault.Backup, err error) error {
	if err == nil || !isFault(err) || interrupted(ctx, err) {
		return err
	}
	return &Refusal{Faults: faultsOf(b, err)}
}
