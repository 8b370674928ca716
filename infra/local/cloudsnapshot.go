package local

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

// Snapshot is what a workspace holds, by kind and identity ("jobs ods_orders_df"), each asset as the API shows it without what the server owns. It is
// taken from inside the service, so that what it proves does not depend on the product's own reading.
type Snapshot map[string]json.RawMessage

// TakeSnapshot copies a workspace: environment variables, resources, scripts and jobs.
func TakeSnapshot(w *dataarts.WorkspaceHandle) Snapshot {
	s := Snapshot{}
	for _, kind := range []dataarts.Kind{dataarts.Env, dataarts.Resources, dataarts.Scripts, dataarts.Jobs} {
		for identity, raw := range w.All(kind) {
			s[string(kind)+" "+identity] = raw
		}
	}
	return s
}

// Difference is a place in which two snapshots differ.
type Difference struct {
	Asset    string // kind and identity
	Path     string // e.g. nodes[1].properties[0].value; empty for the asset as a whole
	From, To string // JSON texts; empty where the place is new, or gone
}

func (d Difference) String() string {
	return strings.Join(strings.Fields(fmt.Sprintf("%s %s: %s -> %s", d.Asset, d.Path, shorten(d.From), shorten(d.To))), " ")
}

func shorten(text string) string {
	if text == "" {
		return "nothing"
	}
	if runes := []rune(text); len(runes) > 100 {
		return string(runes[:100]) + "..."
	}
	return text
}

// Differences lists every place in which now is otherwise than s, in order. Assets are compared as JSON: the order of an object's keys and white space
// do not count; everything else does, the spelling of numbers included.
func (s Snapshot) Differences(now Snapshot) ([]Difference, error) {
	all := maps.Clone(s)
	maps.Copy(all, now)
	var found []Difference
	for _, name := range slices.Sorted(maps.Keys(all)) {
		from, before := s[name]
		to, after := now[name]
		switch {
		case !before:
			found = append(found, Difference{Asset: name, To: string(to)})
		case !after:
			found = append(found, Difference{Asset: name, From: string(from)})
		case !bytes.Equal(from, to):
			a, err := decode(from)
			if err != nil {
				return nil, fmt.Errorf("compare %s: %w", name, err)
			}
			b, err := decode(to)
			if err != nil {
				return nil, fmt.Errorf("compare %s: %w", name, err)
			}
			compare(name, "", a, b, &found)
		}
	}
	return found, nil
}

func decode(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	return v, nil
}

func compare(name, path string, a, b any, found *[]Difference) {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok {
			break
		}
		all := maps.Clone(x)
		maps.Copy(all, y)
		for _, key := range slices.Sorted(maps.Keys(all)) {
			at := strings.TrimPrefix(path+"."+key, ".")
			from, before := x[key]
			to, after := y[key]
			if before && after {
				compare(name, at, from, to, found)
				continue
			}
			d := Difference{Asset: name, Path: at}
			if before {
				d.From = encode(from)
			} else {
				d.To = encode(to)
			}
			*found = append(*found, d)
		}
		return
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			break
		}
		for i := range x {
			compare(name, fmt.Sprintf("%s[%d]", path, i), x[i], y[i], found)
		}
		return
	}
	if from, to := encode(a), encode(b); from != to {
		*found = append(*found, Difference{Asset: name, Path: path, From: from, To: to})
	}
}

// encode is the JSON of a decoded value, with the numbers as they were spelled.
func encode(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v) // cannot be: it was decoded from JSON
	}
	return strings.TrimSpace(b.String())
}
