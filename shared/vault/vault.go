// Package vault keeps backups as dated folders in a bucket.
//
// A folder is `<location>/<yyyy-MM-dd>/` for the nightly backup and `<location>/<yyyy-MM-dd>T<HHmmss>/` for one taken by hand:
//
//	1_env/env.json                      {"params":[…]} as the API returns it
//	2_resources/<dir>/<name>.resource   the definition
//	2_resources/<dir>/<name>.files/…    the files that it points to
//	3_scripts/<name>.script
//	4_jobs/<name>.job
//	manifest.json                       what is here: the proof
//	backup.json                         written last: the commit
//
// With recipients, assets and files are age-encrypted and their keys end in ".age". manifest.json and backup.json stay readable, and hold no more of an
// asset than its name, its dates and what its nodes are bound to.
//
// What it guarantees: backup.json exists only in a folder whose manifest.json describes every object and whose objects had been written
// and verified before; what is read back through this package is what the manifest proves, or an error. Nothing outside the root
// is read or written, apart from the files that resources point to.
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

// Names of the two objects beside the assets.
const (
	manifestName = "manifest.json"
	documentName = "backup.json"
)

// Sizes above which an object is not one of ours. A manifest of the largest workspace is about 10 MB.
const (
	maxDocument = 256 << 20
	maxAsset    = 64 << 20
)

// Vault is one location in a bucket: the dated folders of one workspace.
type Vault struct {
	store  store.Store
	bucket string
	prefix string // ends with "/", or is empty
	keys   Keys
}

// New returns the vault at prefix in a bucket. prefix is a folder, with or without a slash at its end; empty is the bucket itself.
func New(s store.Store, bucket, prefix string) *Vault {
	return &Vault{store: s, bucket: bucket, prefix: folderPrefix(prefix)}
}

func folderPrefix(prefix string) string {
	prefix = strings.Trim(prefix, "/")
	if prefix == "" {
		return ""
	}
	return prefix + "/"
}

// Store is the bucket that the vault lies in.
func (v *Vault) Store() store.Store { return v.store }

// Path is the obs:// path of the location.
func (v *Vault) Path() string { return "obs://" + v.bucket + "/" + v.prefix }

// Layouts of the names of dated folders.
const (
	nightlyLayout = "2006-01-02"
	byHandLayout  = "2006-01-02T150405"
)

// IsFolderName tells whether name is that of a dated folder: "2026-11-22" or "2026-11-22T153000".
func IsFolderName(name string) bool {
	for _, layout := range []string{nightlyLayout, byHandLayout} {
		if t, err := time.Parse(layout, name); err == nil && t.Format(layout) == name {
			return true
		}
	}
	return false
}

// NightlyName is the folder of the nightly backup that was due at t, in t's own zone.
func NightlyName(t time.Time) string { return t.Format(nightlyLayout) }

// ByHandName is the folder of a backup that was taken by hand at t, in t's own zone.
func ByHandName(t time.Time) string { return t.Format(byHandLayout) }

// Before returns the newest complete backup whose name sorts before the given one and that can be trusted, as far as its commit and manifest tell; nil
// where there is none. What is wrong with a newer one is for a verification to say.
func (v *Vault) Before(ctx context.Context, name string) (*Backup, error) {
	folders, err := v.Folders(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range slices.Backward(folders) {
		if f.Name >= name {
			continue
		}
		b, err := f.Open(ctx)
		switch {
		case err == nil:
			return b, nil
		case errors.Is(err, ErrIncomplete), errors.Is(err, ErrForeign), errors.Is(err, ErrUnproved), errors.Is(err, ErrMalformed):
		default:
			return nil, err
		}
	}
	return nil, nil //nolint:nilnil // the first backup has none before it
}

// Folder is one dated folder, whether it exists or not.
type Folder struct {
	Name string

	store  store.Store
	bucket string
	prefix string // ends with "/"
	keys   Keys
}

// Folder returns the dated folder of that name.
func (v *Vault) Folder(name string) *Folder {
	return &Folder{Name: name, store: v.store, bucket: v.bucket, prefix: v.prefix + name + "/", keys: v.keys}
}

// FolderAt returns the folder at a path of the bucket that need not be a dated one, such as one that the console wrote or a restore saved.
func FolderAt(s store.Store, bucket, prefix string) *Folder {
	prefix = folderPrefix(prefix)
	return &Folder{Name: path.Base(prefix), store: s, bucket: bucket, prefix: prefix}
}

// Location is the vault that the folder lies in.
func (f *Folder) Location() *Vault {
	return &Vault{store: f.store, bucket: f.bucket, prefix: strings.TrimSuffix(f.prefix, f.Name+"/"), keys: f.keys}
}

// Path is the obs:// path of the folder.
func (f *Folder) Path() string { return "obs://" + f.bucket + "/" + f.prefix }

// Folders lists the dated folders of the location, oldest first, complete or not.
func (v *Vault) Folders(ctx context.Context) ([]*Folder, error) {
	var folders []*Folder
	err := v.store.List(ctx, v.prefix, "/", func(info store.Info) error {
		name, isFolder := strings.CutSuffix(strings.TrimPrefix(info.Key, v.prefix), "/")
		if isFolder && IsFolderName(name) {
			folders = append(folders, v.Folder(name))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list backups in %s: %w", v.Path(), err)
	}
	slices.SortFunc(folders, func(a, b *Folder) int { return strings.Compare(a.Name, b.Name) })
	return folders, nil
}

// Empty tells whether there is no dated folder in the location. It reads no more of the listing than it needs.
func (v *Vault) Empty(ctx context.Context) (bool, error) {
	found := errors.New("found")
	err := v.store.List(ctx, v.prefix, "/", func(info store.Info) error {
		name, isFolder := strings.CutSuffix(strings.TrimPrefix(info.Key, v.prefix), "/")
		if isFolder && IsFolderName(name) {
			return found
		}
		return nil
	})
	switch {
	case errors.Is(err, found):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for backups in %s: %w", v.Path(), err)
	}
	return true, nil
}

// Latest returns the newest complete backup, nightly or by hand; nil where there is none. Two of one date are told apart by when they were started.
// One that cannot be trusted is an error rather than passed over.
func (v *Vault) Latest(ctx context.Context) (*Backup, error) {
	folders, err := v.Folders(ctx)
	if err != nil {
		return nil, err
	}
	var latest *Backup
	for _, f := range slices.Backward(folders) {
		if latest != nil && f.Name[:10] != latest.folder.Name[:10] {
			break // every older date started earlier
		}
		b, err := f.Open(ctx)
		if errors.Is(err, ErrIncomplete) || errors.Is(err, ErrForeign) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if latest == nil || (b.Manifest != nil && latest.Manifest != nil && b.Manifest.StartedAt.After(latest.Manifest.StartedAt)) {
			latest = b
		}
	}
	return latest, nil
}

// AssetKey is where an asset of the folder lies in the bucket.
func (f *Folder) assetKey(key string) string { return f.prefix + key }

// isAssetKey tells whether a key relative to the folder is one of an asset or of a resource's file.
func isAssetKey(key string) bool {
	for _, k := range asset.Kinds() {
		if strings.HasPrefix(key, k.Folder()+"/") {
			return true
		}
	}
	return false
}

// LeaseKey is the object through which runs for one dated folder keep apart. It lies beside the folders, so that no folder holds more than a backup.
func (v *Vault) LeaseKey(folder string) string { return v.prefix + leaseFolder + folder + ".json" }

const leaseFolder = "leases/"

// useFolder is where the leases of those lie who read a folder that must not go meanwhile.
func (v *Vault) useFolder(folder string) string { return v.prefix + leaseFolder + folder + "/" }

// UseKey is the lease of one who reads a dated folder that must not be removed meanwhile, such as a restore. Any number may read at the same time, so each has a
// use of its own: a name that fits into a key. It is acquired while the folder's own lease is held, so that it is there before a removal begins or
// comes after its end.
func (v *Vault) UseKey(folder, use string) string { return v.useFolder(folder) + use + ".json" }

// UseKeys lists the leases of those who read a dated folder, or did and were killed. Who holds the folder's lease finds all of them.
func (v *Vault) UseKeys(ctx context.Context, folder string) ([]string, error) {
	var keys []string
	err := v.store.List(ctx, v.useFolder(folder), "", func(info store.Info) error {
		if strings.HasSuffix(info.Key, ".json") {
			keys = append(keys, info.Key)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for those who read %s: %w", v.Folder(folder).Path(), err)
	}
	return keys, nil
}
