package compare

import (
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// Change is one field in which two states of an asset differ. Of a script's text, and of one with several lines in a job's node, To tells how many lines
// differ and Diff which; of an environment variable's value nothing is told. Where one of the two is encrypted in the bucket, only values come that lie in
// the clear anyway, and of a text only how many lines differ.
type Change struct {
	Field string `json:"field"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
	Diff  string `json:"diff,omitempty"` // unified, with three lines around what differs; cut where it is long
}

// MostFields is how many fields of an asset are described; the others are counted.
const MostFields = 20

// View is who may see what of two states, and what they are called.
type View struct {
	Concealed bool   // one of the two is encrypted in the bucket
	From, To  string // above the diffs of texts
}

// Fields turns the places in which two definitions differ into what may be shown of them: one for each, in the same order. Of what is not shown, and of
// those beyond [MostFields], there are the names.
func Fields(kind asset.Kind, changes []rawjson.Change, view View) []Change {
	var out []Change
	for n, c := range changes {
		switch {
		case n >= MostFields:
			out = append(out, Change{Field: c.Path})
		case kind == asset.Env:
			out = append(out, Change{Field: c.Path}) // a value is nobody's business
		case IsText(kind, c):
			change := Change{Field: c.Path, To: lineChanges(c)}
			if !view.Concealed {
				change.Diff = lineDiff(c, view)
			}
			out = append(out, change)
		case view.Concealed && !isOpen(c.Path):
			out = append(out, Change{Field: c.Path})
		default:
			out = append(out, Change{Field: c.Path, From: shorten(c.From), To: shorten(c.To)})
		}
	}
	return out
}

// Keep leaves of the changes those that are shown, and counts the others.
func Keep(changes []Change) (kept []Change, more int) {
	if more = len(changes) - MostFields; more > 0 {
		return slices.Clip(changes[:MostFields]), more
	}
	return changes, 0
}

// isOpen tells whether the value at a path is one that an encrypted backup has in the clear anyway: in its keys, its manifest or its backup.json, or
// when a job runs. Everything else, as the SQL in a job's node, is as secret as a script's text.
func isOpen(path string) bool {
	switch path {
	case asset.ConnectionName, asset.Database, asset.ClusterName, "directory", "location", "type":
		return true
	}
	return strings.HasPrefix(path, "schedule.")
}

// shorten keeps what is shown readable: the whole values are in the backup and in the workspace.
func shorten(text string) string {
	const most = 200
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
