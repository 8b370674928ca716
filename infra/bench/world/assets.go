package world

import (
	"encoding/json"
	"reflect"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

// Assets are the definitions of a workspace's assets, by kind and identity.
type Assets map[dataarts.Kind]map[string]json.RawMessage

// Size is how many there are. The environment variables are one.
func (a Assets) Size() int {
	n := 0
	for _, kind := range a {
		n += len(kind)
	}
	return n
}

// Assets returns what is in the workspace now.
func (w *World) Assets() Assets {
	all := Assets{}
	for _, kind := range []dataarts.Kind{dataarts.Jobs, dataarts.Scripts, dataarts.Resources, dataarts.Env} {
		all[kind] = w.DataArts.Workspace(Workspace).All(kind)
	}
	return all
}

// Empty sets how the service behaves, and empties the workspace if it is told to.
func (w *World) Empty(wipe bool, switches dataarts.Switches) {
	if wipe {
		w.DataArts.Workspace(Workspace).Wipe()
	}
	w.DataArts.SetSwitches(func(s *dataarts.Switches) { *s = switches })
}

// Equal counts the assets that are in the workspace now as they are in want, but for what only the service sets. An asset that is there and not in want takes
// one away.
func (w *World) Equal(want Assets) int {
	now, equal := w.Assets(), 0
	for kind, assets := range now {
		for identity, raw := range assets {
			old, known := want[kind][identity]
			switch {
			case !known:
				equal--
			case reflect.DeepEqual(own(raw), own(old)):
				equal++
			}
		}
	}
	return equal
}

// own is what a definition holds beside what only the service sets.
func own(definition []byte) map[string]any {
	fields, err := decode(definition)
	if err != nil {
		return nil
	}
	for _, name := range serverOwned() {
		delete(fields, name)
	}
	return fields
}
