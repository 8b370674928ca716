package vault

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Errors of a removal that callers tell apart with errors.Is.
var (
	// ErrProtected: the store did not delete backup.json. The backup is as it was, and nothing else of it was touched.
	ErrProtected = errors.New("the store does not let go of the backup")
	// ErrStranger: there are objects in the folder that this program did not write. Nothing was touched.
	ErrStranger = errors.New("there are objects in the folder that are not part of a backup")
	// ErrChanged: the folder is not what it was when the removal was decided. Nothing was touched.
	ErrChanged = errors.New("the folder has changed meanwhile")
)

// Removal says what is to be removed and why.
type Removal struct {
	// ManifestSHA256 is the hash of the manifest of the complete backup that is meant; empty for a folder without a backup.json.
	ManifestSHA256 string
	At             time.Time
	Reason         string
	// Ready is asked before every step that cannot be taken back, for instance whether the folder's lease is still held. Nil: always ready.
	Ready func(context.Context) error
}

func (r Removal) ready(ctx context.Context) error {
	if r.Ready == nil {
		return ctx.Err()
	}
	return r.Ready(ctx)
}

// Remove deletes a dated folder, under its lease, which the caller holds. The order is what makes it safe to be cut off at any moment: first the
// tombstone, then backup.json, then the assets and the record of the last verification, then manifest.json, then what is left. So the folder is either a whole backup or is no
// backup at all, and calling Remove again ends what was begun.
//
// A complete backup is removed only while every object is there as its manifest says, and no other; a folder that is not complete only while
// all its objects are of this program's making. Errors: [ErrChanged], [ErrStranger], [ErrUnproved], [ErrProtected].
func (v *Vault) Remove(ctx context.Context, name string, r Removal) error {
	f := v.Folder(name)
	keys, previous, err := f.removable(ctx, r)
	if err != nil {
		return fmt.Errorf("remove %s: %w", f.Path(), err)
	}
	if len(keys) == 0 {
		return nil
	}
	if err := r.ready(ctx); err != nil {
		return fmt.Errorf("remove %s: %w", f.Path(), err)
	}
	withdraw, err := v.bury(ctx, name, Tombstone{FormatVersion: FormatVersion, Path: f.Path(), ManifestSHA256: r.ManifestSHA256, Previous: previous,
		RemovedAt: r.At.UTC(), Reason: r.Reason})
	if err != nil {
		return fmt.Errorf("remove %s: %w", f.Path(), err)
	}
	if r.ManifestSHA256 != "" {
		if err := f.uncommit(ctx, r, withdraw); err != nil {
			return fmt.Errorf("remove %s: %w", f.Path(), err)
		}
	}
	for i, batch := range inRemovalOrder(keys) {
		for j, key := range batch {
			batch[j] = f.prefix + key
		}
		if i == 0 { // with the first, so that a removal that is cut off and begun again does not forget it
			batch = append(batch, v.verificationOf(ctx, name)...)
		}
		if len(batch) == 0 {
			continue
		}
		if err := r.ready(ctx); err != nil {
			return fmt.Errorf("remove %s: %w", f.Path(), err)
		}
		if err := f.store.Delete(ctx, batch...); err != nil {
			return fmt.Errorf("remove %s, which is no backup any more: %w", f.Path(), err)
		}
	}
	return nil
}

// CheckRemoval says what keeps [Vault.Remove] from touching the folder, as far as that can be told without trying. It changes nothing. Errors:
// [ErrChanged], [ErrStranger], [ErrUnproved], [ErrProtected].
func (v *Vault) CheckRemoval(ctx context.Context, name string, r Removal) error {
	f := v.Folder(name)
	if _, _, err := f.removable(ctx, r); err != nil {
		return fmt.Errorf("remove %s: %w", f.Path(), err)
	}
	return nil
}

// removable returns the keys of a folder that is what it is taken for, and what its manifest says was before it.
func (f *Folder) removable(ctx context.Context, r Removal) (keys []string, previous *Previous, err error) {
	sha256 := r.ManifestSHA256
	found, err := f.Inspect(ctx)
	if err != nil {
		return nil, nil, err
	}
	complete := found.State == StateComplete
	if complete != (sha256 != "") || complete && found.ManifestSHA256 != sha256 || !complete && !found.State.Unfinished() {
		return nil, nil, fmt.Errorf("it is %s now: %w", found.State, ErrChanged)
	}
	if complete {
		if err := f.protected(ctx, r.At); err != nil {
			return nil, nil, err
		}
		keys, err = f.compare(ctx, found.Manifest, true)
		return keys, found.Manifest.Previous, err
	}
	var strangers []string
	err = f.store.List(ctx, f.prefix, "", func(info store.Info) error {
		key := strings.TrimPrefix(info.Key, f.prefix)
		if key == documentName {
			return fmt.Errorf("it was committed: %w", ErrChanged)
		}
		if !isOurs(key) && !isMarker(key, info.Size) {
			strangers = append(strangers, key)
		}
		keys = append(keys, key)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return keys, nil, strangersIn(strangers)
}

// protected is an error while backup.json is under WORM protection. It was written last, so that under the bucket's own rule nothing of the folder is protected
// for longer. OBS keeps versions wherever it offers WORM, and would take the deletion and only hide the object.
func (f *Folder) protected(ctx context.Context, now time.Time) error {
	info, err := f.store.Stat(ctx, f.prefix+documentName)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return fmt.Errorf("its backup.json has gone: %w", ErrChanged)
	case err != nil:
		return err
	case info.RetainUntil.After(now):
		return fmt.Errorf("%w before %s", ErrProtected, info.RetainUntil.UTC().Format(time.RFC3339))
	}
	return nil
}

// Unfinished tells whether the state is that of a folder without a commit, of which a run was not the end.
func (s State) Unfinished() bool { return s == StateIncomplete || s == StatePartial }

// CheckListing compares what the store lists with what the manifest says: every object is there and has its size. Nothing is read, so this is quick, and no
// proof of the bytes, as [Backup.Verify] is. Objects that the manifest does not know are passed over. Errors: [ErrUnproved].
func (b *Backup) CheckListing(ctx context.Context) error {
	_, err := b.folder.compare(ctx, b.Manifest, false)
	return err
}

// compare lists the folder against a manifest. alone: that there is anything else is an error, too.
func (f *Folder) compare(ctx context.Context, m *Manifest, alone bool) (keys []string, err error) {
	want := make(map[string]int64, len(m.Assets))
	for _, a := range m.Assets {
		want[a.Key] = a.Size
	}
	for file := range m.copies() {
		want[file.Key] = file.Size
	}
	var faults []error
	var strangers []string
	err = f.store.List(ctx, f.prefix, "", func(info store.Info) error {
		key := strings.TrimPrefix(info.Key, f.prefix)
		keys = append(keys, key)
		size, known := want[key]
		switch {
		case known && size != info.Size:
			faults = append(faults, fmt.Errorf("%s has %d bytes, the manifest says %d: %w", key, info.Size, size, ErrUnproved))
		case !known && key != manifestName && key != documentName && key != progressName && !isMarker(key, info.Size):
			strangers = append(strangers, key)
		}
		delete(want, key)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look into %s: %w", f.Path(), err)
	}
	if len(want) > 0 {
		missing := make([]string, 0, len(want))
		for key := range want {
			missing = append(missing, key)
		}
		faults = append(faults, fmt.Errorf("%s not there: %w", some(missing), ErrUnproved))
	}
	if alone {
		faults = append(faults, strangersIn(strangers))
	}
	return keys, errors.Join(faults...)
}

func strangersIn(keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrStranger, some(keys))
}

// some names the first few of many keys.
func some(keys []string) string {
	const most = 3
	slices.Sort(keys)
	text := strings.Join(keys[:min(most, len(keys))], ", ")
	if len(keys) > most {
		text += fmt.Sprintf(" and %d more", len(keys)-most)
	}
	return text
}

// uncommit deletes backup.json. Where the store refuses and still has it, the tombstone is withdrawn.
func (f *Folder) uncommit(ctx context.Context, r Removal, withdraw func(context.Context) error) error {
	if err := r.ready(ctx); err != nil {
		return err
	}
	failed := f.store.Delete(ctx, f.prefix+documentName)
	if failed == nil {
		return nil
	}
	if ctx.Err() != nil {
		return failed
	}
	// A deletion whose answer was lost may have been done. Only a commit that is surely there is one that the store keeps.
	there, err := f.holds(ctx, documentName)
	if err != nil {
		return errors.Join(failed, err)
	}
	if !there {
		return nil
	}
	return errors.Join(fmt.Errorf("%w: %w", ErrProtected, failed), withdraw(ctx))
}

// holds tells whether an object of the folder is there.
func (f *Folder) holds(ctx context.Context, key string) (bool, error) {
	body, _, err := f.store.Get(ctx, f.prefix+key)
	if errors.Is(err, store.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s%s: %w", f.Path(), key, err)
	}
	return true, body.Close()
}

// inRemovalOrder puts the keys of a folder, but backup.json, into the batches in which they go. manifest.json stays until the assets have gone, because it
// says what they were; the markers and what an unfinished run left go last.
func inRemovalOrder(keys []string) [][]string {
	var assets, manifest, last []string
	for _, key := range keys {
		switch {
		case key == documentName:
		case key == manifestName:
			manifest = append(manifest, key)
		case key == progressName, isMarker(key, 0):
			last = append(last, key)
		default:
			assets = append(assets, key)
		}
	}
	return [][]string{assets, manifest, last}
}

// isMarker tells whether an object is an empty one that stands for a folder: consoles and file system clients make them. It holds nothing.
func isMarker(key string, size int64) bool {
	return size == 0 && (key == "" || strings.HasSuffix(key, "/"))
}

// isOurs tells whether a key relative to a dated folder is one that a backup may write, whatever its run knew.
func isOurs(key string) bool {
	if key == manifestName || key == progressName {
		return true
	}
	key = strings.TrimSuffix(key, ".age")
	dir, name := path.Split(key)
	named := func(extension string) bool { return strings.HasSuffix(name, extension) && name != extension }
	switch {
	case name == "":
		return false
	case key == asset.Ref{Kind: asset.Env}.Key():
		return true
	case dir == asset.Scripts.Folder()+"/":
		return named(".script")
	case dir == asset.Jobs.Folder()+"/":
		return named(".job")
	case strings.HasPrefix(key, asset.Resources.Folder()+"/"):
		return named(".resource") || strings.Contains(dir, ".files/")
	}
	return false
}
