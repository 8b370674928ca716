package vault

import (
	"context"
	"crypto/md5" //nolint:gosec // the store's ETag is an MD5; it tells unchanged objects, it proves nothing
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Writer fills one folder. It is safe for concurrent use up to Commit or Abandon.
type Writer struct {
	folder *Folder

	mu       sync.Mutex
	there    map[string]store.Info // what an earlier, unfinished run left, by key relative to the folder
	written  map[string]string     // the ETag that a key's object shall have; empty where that is not known
	document Document
}

// Begin opens the folder for writing. An unfinished backup in it is taken over: what it stored is kept as long as it is the same, and its
// manifest is removed, because it no longer speaks for the folder. A folder that is complete is refused with [ErrComplete].
func (f *Folder) Begin(ctx context.Context) (*Writer, error) {
	w := &Writer{folder: f, there: map[string]store.Info{}, written: map[string]string{}}
	complete := false
	err := f.store.List(ctx, f.prefix, "", func(info store.Info) error {
		key := strings.TrimPrefix(info.Key, f.prefix)
		complete = complete || key == documentName
		w.there[key] = info
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look into %s: %w", f.Path(), err)
	}
	if complete {
		return nil, fmt.Errorf("%s: %w", f.Path(), ErrComplete)
	}
	if _, ok := w.there[manifestName]; ok {
		if err := f.store.Delete(ctx, f.prefix+manifestName); err != nil {
			return nil, fmt.Errorf("remove the manifest of the unfinished backup in %s: %w", f.Path(), err)
		}
	}
	return w, nil
}

// ErrComplete is returned for a folder that already holds a complete backup.
var ErrComplete = errors.New("the backup is complete already")

// ErrUnstorable says that an asset cannot be an object: its key would be longer than the 1,024 bytes that OBS and S3 allow.
var ErrUnstorable = errors.New("the name and directory make a key that is longer than 1,024 bytes")

const maxKey = 1024

// Put stores an asset's definition and returns its line of the manifest, without what only the caller knows (owner, dates, files). When it
// returns, the store has confirmed these bytes. Errors: [ErrUnstorable].
func (w *Writer) Put(ctx context.Context, ref asset.Ref, definition []byte) (Asset, error) {
	a := Asset{Kind: ref.Kind, Name: ref.Name, Key: ref.Key(), Size: int64(len(definition)), SHA256: Hash(definition)}
	if ref.Kind != asset.Env {
		a.Directory = asset.CleanDirectory(ref.Directory)
	}
	a.ContentSHA256 = a.SHA256
	if len(w.folder.assetKey(a.Key)) > maxKey {
		return Asset{}, fmt.Errorf("store %s: %w", ref, ErrUnstorable)
	}
	w.mu.Lock()
	old, ok := w.there[a.Key]
	_, again := w.written[a.Key]
	w.written[a.Key] = old.ETag
	w.mu.Unlock()
	if ok && !again && old.Size == a.Size && old.ETag == etag(definition) {
		return a, nil
	}
	info, err := w.folder.store.Put(ctx, w.folder.assetKey(a.Key), definition, store.Condition{})
	if err != nil {
		return Asset{}, fmt.Errorf("store %s: %w", ref, err)
	}
	w.mu.Lock()
	w.written[a.Key] = info.ETag
	w.mu.Unlock()
	return a, nil
}

func etag(data []byte) string {
	sum := md5.Sum(data) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// CopyFile copies a file that a resource points to beside its definition and returns its line of the manifest. Errors: store.ErrNotExist.
func (w *Writer) CopyFile(ctx context.Context, ref asset.Ref, location string) (File, error) {
	key, ok := ref.FileKey(location)
	if !ok {
		return File{}, fmt.Errorf("copy %s of %s: not an object on OBS", location, ref)
	}
	if len(w.folder.assetKey(key)) > maxKey {
		return File{}, fmt.Errorf("copy %s of %s: %w", location, ref, ErrUnstorable)
	}
	bucket, object, _ := asset.ParseOBSPath(location)
	info, err := w.folder.store.Copy(ctx, store.Location{Bucket: bucket, Key: object}, w.folder.assetKey(key))
	if err != nil {
		return File{}, fmt.Errorf("copy %s of %s: %w", location, ref, err)
	}
	sum, size, err := w.folder.hashObject(ctx, key)
	if err != nil {
		return File{}, fmt.Errorf("read back the copy of %s of %s: %w", location, ref, err)
	}
	w.mu.Lock()
	w.written[key] = ""
	w.mu.Unlock()
	file := File{Location: location, Key: key, Size: size, SHA256: sum, ContentSHA256: sum}
	if !info.LastModified.IsZero() {
		t := info.LastModified.UTC()
		file.LastModified = &t
	}
	return file, nil
}

// Bind adds the bindings of a stored asset to what will be backup.json. Call it in manifest order before Commit.
func (w *Writer) Bind(ref asset.Ref, bindings []asset.Binding) { w.document.Add(ref, bindings) }

// Commit writes manifest.json and then backup.json. Before, it looks into the folder: objects that the manifest does not speak for are removed
// (a run that was killed left them, or an asset that vanished), and an object that is not there with the size the manifest gives is an error.
// ready is asked right before each of the two writes; its error stops the commit.
//
// With a manifest whose status is not COMPLETE, only manifest.json is written.
func (w *Writer) Commit(ctx context.Context, m *Manifest, ready func(context.Context) error) error {
	if err := w.settle(ctx, m); err != nil {
		return err
	}
	text, err := m.encode()
	if err != nil {
		return fmt.Errorf("write manifest.json: %w", err)
	}
	if _, err := parseManifest(text); err != nil {
		return fmt.Errorf("write %s: %w", w.folder.Path(), err)
	}
	if err := w.put(ctx, manifestName, text, ready); err != nil {
		return err
	}
	if m.Status != Complete {
		return nil
	}
	w.document.FormatVersion = FormatVersion
	w.document.BackupDate, w.document.Workspace, w.document.ManifestSHA256 = m.BackupDate, m.Workspace, Hash(text)
	text, err = w.document.encode()
	if err != nil {
		return fmt.Errorf("write backup.json: %w", err)
	}
	return w.put(ctx, documentName, text, ready)
}

func (w *Writer) put(ctx context.Context, name string, text []byte, ready func(context.Context) error) error {
	if ready != nil {
		if err := ready(ctx); err != nil {
			return fmt.Errorf("write %s%s: %w", w.folder.Path(), name, err)
		}
	}
	if _, err := w.folder.store.Put(ctx, w.folder.prefix+name, text, store.Condition{}); err != nil {
		return fmt.Errorf("write %s%s: %w", w.folder.Path(), name, err)
	}
	return nil
}

// settle makes the folder hold what the manifest says, no less and no more.
func (w *Writer) settle(ctx context.Context, m *Manifest) error {
	want, hashes := map[string]int64{}, map[string]string{}
	for _, a := range m.Assets {
		want[a.Key], hashes[a.Key] = a.Size, a.SHA256
		for _, f := range a.Files {
			if f.Key != "" {
				want[f.Key] = f.Size
			}
		}
	}
	var extra []string
	err := w.folder.store.List(ctx, w.folder.prefix, "", func(info store.Info) error {
		key := strings.TrimPrefix(info.Key, w.folder.prefix)
		size, ok := want[key]
		switch {
		case ok && size != info.Size:
			return fmt.Errorf("%s has %d bytes in the store, %d were sent: %w", key, info.Size, size, store.ErrDamaged)
		case ok && w.written[key] != "" && info.ETag != w.written[key]:
			// Somebody else wrote it, or the store tells another ETag in listings than it answers to writes: then the object is read back.
			if sum, _, err := w.folder.hashObject(ctx, key); err != nil || sum != hashes[key] {
				return fmt.Errorf("%s is not what was sent: %w", key, errors.Join(err, store.ErrDamaged))
			}
			delete(want, key)
		case ok:
			delete(want, key)
		case isAssetKey(key):
			extra = append(extra, info.Key)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("check %s before the commit: %w", w.folder.Path(), err)
	}
	for key := range want {
		return fmt.Errorf("check %s before the commit: %s and %d more objects: %w", w.folder.Path(), key, len(want)-1, store.ErrNotExist)
	}
	if len(extra) > 0 {
		if err := w.folder.store.Delete(ctx, extra...); err != nil {
			return fmt.Errorf("remove leftovers in %s: %w", w.folder.Path(), err)
		}
	}
	return nil
}
