package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// isForeign tells whether a backup.json without a manifestSha256 is one that no version of this program wrote: there is no manifest.json beside it.
func (f *Folder) isForeign(ctx context.Context, document []byte) (bool, error) {
	if _, named := rawjson.Lookup(document, "manifestSha256"); named {
		return false, nil
	}
	_, _, err := f.Manifest(ctx)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return true, nil
	case err == nil, errors.Is(err, ErrMalformed):
		return false, nil
	}
	return false, err
}

// OpenForeign reads a folder that the DataArts console wrote, the four kinds in their numbered folders, as an unverified backup: what is in it is all that is
// known. The format of the console's files is documented nowhere; what is taken for an asset is a JSON object with a name, as the
// service's own job export has them, and for the environment variables one with params. The manifest is made up from what was
// read, so that what changes while it is used shows. Anything else in the four folders is [ErrMalformed].
func (f *Folder) OpenForeign(ctx context.Context) (*Backup, error) {
	m := &Manifest{FormatVersion: FormatVersion, BackupDate: f.Name, Status: Complete, Totals: map[asset.Kind]int{}, Counts: map[asset.Kind]int{}}
	var faults []error
	var mu sync.Mutex
	group, reading := errgroup.WithContext(ctx)
	const concurrency = 16
	group.SetLimit(concurrency)
	err := f.store.List(ctx, f.prefix, "", func(info store.Info) error {
		key := strings.TrimPrefix(info.Key, f.prefix)
		if !isAssetKey(key) || strings.HasSuffix(key, "/") {
			return nil
		}
		group.Go(func() error {
			text, _, err := store.ReadAll(reading, f.store, info.Key, maxAsset)
			if err != nil {
				return fmt.Errorf("read %s%s: %w", f.Path(), key, err)
			}
			a, err := foreignAsset(key, text)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				faults = append(faults, fmt.Errorf("%s%s is %w: %w", f.Path(), key, ErrMalformed, err))
				return nil
			}
			m.Assets = append(m.Assets, a)
			m.Counts[a.Kind]++
			return nil
		})
		return nil
	})
	if err := errors.Join(err, group.Wait()); err != nil {
		return nil, err
	}
	seen := map[asset.Ref]string{}
	for _, a := range m.Assets {
		if other, twice := seen[a.Ref().Identity()]; twice {
			faults = append(faults, fmt.Errorf("%s%s and %s are %w: both are %s", f.Path(), other, a.Key, ErrMalformed, a.Ref()))
		}
		seen[a.Ref().Identity()] = a.Key
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	m.Totals = m.Counts
	text, err := m.encode()
	if err != nil {
		return nil, err
	}
	return &Backup{Manifest: m, ManifestSHA256: Hash(text), Unverified: true, folder: f}, nil
}

func foreignAsset(key string, text []byte) (Asset, error) {
	if err := rawjson.Check(text); err != nil {
		return Asset{}, err
	}
	a := Asset{Key: key, Size: int64(len(text)), SHA256: Hash(text), Name: rawjson.StringAt(text, "name")}
	for _, k := range asset.Kinds() {
		if strings.HasPrefix(key, k.Folder()+"/") {
			a.Kind = k
		}
	}
	switch {
	case a.Kind == asset.Env:
		a.Name = asset.EnvName
		if _, err := asset.ParseVariables(text); err != nil {
			return Asset{}, err
		}
	case a.Name == "":
		return Asset{}, errors.New("it has no name")
	default:
		a.Directory = asset.CleanDirectory(rawjson.StringAt(text, "directory"))
	}
	return a, nil
}
