package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Tombstone is what is left of a folder that was removed on purpose: `<location>/removed/<folder>.json`. It carries the chain of manifests on over the
// removed day, so that a day that vanished otherwise shows.
type Tombstone struct {
	FormatVersion int `json:"formatVersion"`
	// Path is the obs:// path that the folder had.
	Path string `json:"path"`
	// ManifestSHA256 is the hash that the next backup's manifest knows the day by. It is empty for a folder that was never complete.
	ManifestSHA256 string    `json:"manifestSha256"`
	Previous       *Previous `json:"previous"` // as in the manifest that was removed
	RemovedAt      time.Time `json:"removedAt"`
	Reason         string    `json:"reason"`
	// Earlier are the tombstones of backups that had the same folder before, the newest first.
	Earlier []Tombstone `json:"earlier,omitempty"`
}

// of is the tombstone of the manifest with that hash, or nil.
func (t *Tombstone) of(sha256 string) *Tombstone {
	if t == nil || sha256 == "" {
		return nil
	}
	if t.ManifestSHA256 == sha256 {
		return t
	}
	for i := range t.Earlier {
		if t.Earlier[i].ManifestSHA256 == sha256 {
			return &t.Earlier[i]
		}
	}
	return nil
}

const removedFolder = "removed/"

// maxTombstone bounds what is read of a tombstone, in bytes.
const maxTombstone = 1 << 20

func (v *Vault) tombstoneKey(name string) string { return v.prefix + removedFolder + name + ".json" }

// Tombstone reads the tombstone of a folder. Errors: store.ErrNotExist, [ErrMalformed].
func (v *Vault) Tombstone(ctx context.Context, name string) (*Tombstone, error) {
	text, _, err := store.ReadAll(ctx, v.store, v.tombstoneKey(name), maxTombstone)
	if err != nil {
		return nil, fmt.Errorf("read the tombstone of %s: %w", v.Folder(name).Path(), err)
	}
	var t Tombstone
	if err := json.Unmarshal(text, &t); err != nil {
		return nil, fmt.Errorf("the tombstone of %s is %w: %w", v.Folder(name).Path(), ErrMalformed, err)
	}
	return &t, nil
}

// Tombstones lists the names of the folders that have a tombstone, oldest first.
func (v *Vault) Tombstones(ctx context.Context) ([]string, error) {
	var names []string
	prefix := v.prefix + removedFolder
	err := v.store.List(ctx, prefix, "", func(info store.Info) error {
		if name, ok := strings.CutSuffix(strings.TrimPrefix(info.Key, prefix), ".json"); ok && IsFolderName(name) {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list tombstones in %s: %w", v.Path(), err)
	}
	slices.Sort(names)
	return names, nil
}

// bury writes the tombstone and returns how to take it back. One that is there already for this manifest is left: an earlier removal was cut off.
func (v *Vault) bury(ctx context.Context, name string, stone Tombstone) (withdraw func(context.Context) error, err error) {
	old, err := v.Tombstone(ctx, name)
	switch {
	case errors.Is(err, store.ErrNotExist):
		old = nil
	case err != nil:
		return nil, err
	}
	withdraw = func(ctx context.Context) error { return v.unbury(ctx, name, stone.ManifestSHA256) }
	if old != nil {
		if old.ManifestSHA256 == stone.ManifestSHA256 || stone.ManifestSHA256 == "" {
			return withdraw, nil
		}
		stone.Earlier = slices.DeleteFunc(append([]Tombstone{*old}, old.Earlier...), func(t Tombstone) bool {
			return t.ManifestSHA256 == "" || t.ManifestSHA256 == stone.ManifestSHA256
		})
		for i := range stone.Earlier {
			stone.Earlier[i].Earlier = nil
		}
	}
	return withdraw, v.putTombstone(ctx, name, stone)
}

func (v *Vault) putTombstone(ctx context.Context, name string, stone Tombstone) error {
	text, err := encodeJSON(stone, "  ")
	if err == nil {
		_, err = v.store.Put(ctx, v.tombstoneKey(name), append(text, '\n'), store.Condition{})
	}
	if err != nil {
		return fmt.Errorf("write the tombstone of %s: %w", v.Folder(name).Path(), err)
	}
	return nil
}

// unbury takes back the tombstone of a manifest, and leaves those of earlier backups in the same folder.
func (v *Vault) unbury(ctx context.Context, name, sha256 string) error {
	stone, err := v.Tombstone(ctx, name)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return nil
	case err != nil:
		return err
	case stone.ManifestSHA256 != sha256:
		return nil
	}
	if len(stone.Earlier) == 0 {
		if err := v.store.Delete(ctx, v.tombstoneKey(name)); err != nil {
			return fmt.Errorf("take back the tombstone of %s: %w", v.Folder(name).Path(), err)
		}
		return nil
	}
	before := stone.Earlier[0]
	before.Earlier = stone.Earlier[1:]
	return v.putTombstone(ctx, name, before)
}

// Unbury takes back the tombstone of a backup that is whole, and shall stay: a removal was cut off before it removed anything. A tombstone of another
// manifest is left. The caller holds the folder's lease.
func (v *Vault) Unbury(ctx context.Context, name string) error {
	stone, err := v.Tombstone(ctx, name)
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	found, err := v.Folder(name).Inspect(ctx)
	if err != nil || found.State != StateComplete || stone.ManifestSHA256 != found.ManifestSHA256 {
		return err
	}
	return v.unbury(ctx, name, found.ManifestSHA256)
}
