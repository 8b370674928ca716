package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// State is how a dated folder stands, as far as its backup.json and manifest.json tell. The assets themselves are not read for it: that is
// [Backup.Verify].
type State string

// The states.
const (
	// StateComplete: committed, and the commit fits the manifest. It can be restored from.
	StateComplete State = "COMPLETE"
	// StatePartial: there is a manifest that says what is missing, and no commit.
	StatePartial State = "PARTIAL"
	// StateIncomplete: there is no commit, and no manifest that explains it. The backup runs right now or was interrupted.
	StateIncomplete State = "INCOMPLETE"
	// StateDamaged: manifest.json or backup.json is there and cannot be understood, or the two do not fit each other.
	StateDamaged State = "DAMAGED"
	// StateUnsupported: a newer version wrote it, in a format that this one does not know. Nothing is said about whether it is whole; that version can tell.
	StateUnsupported State = "UNSUPPORTED"
	// StateUnverified: there is a backup.json that names no manifest, and there is none. The DataArts console writes such folders.
	StateUnverified State = "UNVERIFIED"
)

// Inspection is what a look at a folder's backup.json and manifest.json found.
type Inspection struct {
	State State
	// Manifest is nil where there is none or where it proves nothing: INCOMPLETE without one, DAMAGED, UNSUPPORTED, UNVERIFIED.
	Manifest       *Manifest
	ManifestSHA256 string // of manifest.json as stored; empty without Manifest
	// Fault says what is wrong with a DAMAGED folder, and in which format an UNSUPPORTED one is; nil otherwise.
	Fault error
}

// Inspect reads backup.json and manifest.json and says how the folder stands. A folder that does not exist is INCOMPLETE, like an empty one; see
// [Folder.Exists]. The error is that of a store that did not give an object out, so that nothing is known about the folder.
func (f *Folder) Inspect(ctx context.Context) (Inspection, error) {
	b, err := f.Open(ctx)
	if err == nil {
		return Inspection{State: StateComplete, Manifest: b.Manifest, ManifestSHA256: b.ManifestSHA256}, nil
	}
	if !errors.Is(err, ErrIncomplete) {
		return f.inspectFault(err)
	}
	b, err = f.OpenPartial(ctx)
	switch {
	case errors.Is(err, ErrIncomplete):
		return Inspection{State: StateIncomplete}, nil
	case err != nil:
		return f.inspectFault(err)
	}
	found := Inspection{Manifest: b.Manifest, ManifestSHA256: b.ManifestSHA256}
	switch b.Manifest.Status {
	case Partial:
		found.State = StatePartial
	case Complete: // a run that ended between the two writes of the commit, or somebody removed backup.json
		found.State = StateIncomplete
	default:
		return Inspection{State: StateDamaged, Fault: fmt.Errorf("%smanifest.json has status %q: %w", f.Path(), b.Manifest.Status, ErrUnproved)}, nil
	}
	return found, nil
}

// inspectFault tells damage from a store that does not answer, and a folder of the DataArts console from both.
func (f *Folder) inspectFault(fault error) (Inspection, error) {
	switch {
	case errors.Is(fault, ErrForeign):
		return Inspection{State: StateUnverified}, nil
	case errors.Is(fault, ErrUnsupported):
		return Inspection{State: StateUnsupported, Fault: fault}, nil
	case errors.Is(fault, ErrUnproved), errors.Is(fault, ErrMalformed), errors.Is(fault, store.ErrDamaged):
		return Inspection{State: StateDamaged, Fault: fault}, nil
	}
	return Inspection{}, fault
}

// Exists tells whether there is any object in the folder.
func (f *Folder) Exists(ctx context.Context) (bool, error) {
	found := errors.New("found")
	err := f.store.List(ctx, f.prefix, "", func(store.Info) error { return found })
	switch {
	case errors.Is(err, found):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("look into %s: %w", f.Path(), err)
	}
	return false, nil
}

// Size is the number of bytes that the manifest's assets and their files have in the store.
func (m *Manifest) Size() int64 {
	var size int64
	for _, a := range m.Assets {
		size += a.Size
	}
	for file := range m.copies() {
		size += file.Size
	}
	return size
}
