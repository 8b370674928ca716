package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Only returns the backup as if it had no other assets than those that keep accepts, for who reads a part of it. It proves what it reads like the whole.
func (b *Backup) Only(keep func(Asset) bool) *Backup {
	part, m := *b, *b.Manifest
	m.Assets = nil
	for _, a := range b.Manifest.Assets {
		if keep(a) {
			m.Assets = append(m.Assets, a)
		}
	}
	part.Manifest = &m
	return &part
}

// Stored reads the bytes that an asset has in the store, encrypted ones as they are. Bytes that are not those that the manifest proves are [ErrUnproved].
func (b *Backup) Stored(ctx context.Context, a Asset) ([]byte, error) { return b.stored(ctx, a) }

// EachStored is [Backup.Each] with the bytes as they are stored, so that it needs no identity.
func (b *Backup) EachStored(ctx context.Context, concurrency int, fn func(Asset, []byte) error) error {
	return b.each(ctx, concurrency, b.stored, fn)
}

// StoredFile reads the copy of a resource's file whole, an encrypted one as it is. Bytes that are not those that the manifest proves are [ErrUnproved].
func (b *Backup) StoredFile(ctx context.Context, f File) ([]byte, error) {
	data, _, err := store.ReadAll(ctx, b.folder.store, b.folder.assetKey(f.Key), f.Size)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return nil, fmt.Errorf("%s%s is not there: %w", b.folder.Path(), f.Key, ErrUnproved)
	case errors.Is(err, store.ErrTooLarge):
		return nil, fmt.Errorf("%s%s has more than the %d bytes that the manifest says: %w", b.folder.Path(), f.Key, f.Size, ErrUnproved)
	case err != nil:
		return nil, fmt.Errorf("read %s%s: %w", b.folder.Path(), f.Key, err)
	case int64(len(data)) != f.Size || Hash(data) != f.SHA256:
		return nil, fmt.Errorf("%s%s has %d bytes and SHA-256 %s, the manifest says %d and %s: %w",
			b.folder.Path(), f.Key, len(data), Hash(data), f.Size, f.SHA256, ErrUnproved)
	}
	return data, nil
}
