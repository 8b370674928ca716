package vault

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the store's ETag is an MD5; it tells unchanged objects, it proves nothing
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Writer fills one folder. It is safe for concurrent use up to Commit or Abandon.
type Writer struct {
	folder *Folder

	mu       sync.Mutex
	there    map[string]store.Info // what an earlier, unfinished run left, by key relative to the folder
	written  map[string]string     // the ETag that a key's object shall have; empty where that is not known
	saved    atomic.Bool           // progress.json was written
	document Document

	previous map[string]former // files of the backup before this one, by location
	streams  chan struct{}     // one for each file that is encrypted right now
}

// Begin opens the folder for writing. An unfinished backup in it is taken over: what it stored is kept as long as it is the same, and its
// manifest is removed, because it no longer speaks for the folder. A folder that is complete is refused with [ErrComplete].
func (f *Folder) Begin(ctx context.Context) (*Writer, error) {
	w := &Writer{folder: f, there: map[string]store.Info{}, written: map[string]string{}, streams: make(chan struct{}, streams)}
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

// Put stores an asset's definition, encrypted if the folder has recipients, and returns its line of the manifest, without what only the caller knows
// (owner, dates, files). When it returns, the store has confirmed these bytes. Errors: [ErrUnstorable].
func (w *Writer) Put(ctx context.Context, ref asset.Ref, definition []byte) (Asset, error) {
	a := Asset{Kind: ref.Kind, Name: ref.Name, Key: ref.Key(), ContentSHA256: Hash(definition)}
	if ref.Kind != asset.Env {
		a.Directory = asset.CleanDirectory(ref.Directory)
	}
	stored := definition
	if w.folder.keys.Encrypts() {
		// A hash of the plain bytes would tell whether a guess at them is right, and an environment variable is easily guessed.
		a.Key, a.ContentSHA256 = a.Key+sealedSuffix, ""
		var err error
		if stored, err = w.folder.keys.seal(definition); err != nil {
			return Asset{}, fmt.Errorf("store %s: %w", ref, err)
		}
	}
	a.Size, a.SHA256 = int64(len(stored)), Hash(stored)
	if len(w.folder.assetKey(a.Key)) > maxKey {
		return Asset{}, fmt.Errorf("store %s: %w", ref, ErrUnstorable)
	}
	w.mu.Lock()
	old, ok := w.there[a.Key]
	_, again := w.written[a.Key]
	w.written[a.Key] = old.ETag
	w.mu.Unlock()
	if ok && !again && old.Size == a.Size && old.ETag == etag(stored) { // never so where it is encrypted: the bytes are others every time
		return a, nil
	}
	info, err := w.folder.store.Put(ctx, w.folder.assetKey(a.Key), stored, store.Condition{})
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

// Bind adds the bindings of a stored asset to what will be backup.json. Call it in manifest order before Commit.
func (w *Writer) Bind(ref asset.Ref, bindings []asset.Binding) { w.document.Add(ref, bindings) }

// Commit writes manifest.json and then backup.json. Before, it looks into the folder: objects that the manifest does not speak for are removed
// (a run that was killed left them, or an asset that vanished), and an object that is not there with the size the manifest gives is an error.
// ready is asked right before each of the two writes; its error stops the commit. The manifest's recipients are set to the folder's.
//
// With a manifest whose status is not COMPLETE, only manifest.json is written.
func (w *Writer) Commit(ctx context.Context, m *Manifest, ready func(context.Context) error) error {
	m.Recipients = w.folder.keys.Recipients()
	if err := w.settle(ctx, m, ready); err != nil {
		return err
	}
	if err := m.checkKeys(); err != nil {
		return fmt.Errorf("write %smanifest.json: %w", w.folder.Path(), err)
	}
	text, err := m.encode()
	if err != nil {
		return fmt.Errorf("write %smanifest.json: %w", w.folder.Path(), err)
	}
	if err := w.put(ctx, manifestName, text, ready); err != nil {
		return err
	}
	if m.Status != Complete {
		return nil
	}
	if _, ok := w.there[progressName]; ok || w.saved.Load() {
		// Not earlier: a run whose time ended before has to go on from it. Not later: nothing comes after the commit. One that cannot be removed does no
		// harm, and a verification names it.
		if err := w.folder.store.Delete(ctx, w.folder.prefix+progressName); err != nil && ctx.Err() != nil {
			return fmt.Errorf("remove %s%s: %w", w.folder.Path(), progressName, err)
		}
	}
	w.document.FormatVersion = FormatVersion
	w.document.BackupDate, w.document.Workspace, w.document.ManifestSHA256 = m.BackupDate, m.Workspace, Hash(text)
	text, err = w.document.encode()
	if err != nil {
		return fmt.Errorf("write backup.json: %w", err)
	}
	return w.put(ctx, documentName, text, ready)
}

// put writes manifest.json or backup.json. When the answer was lost, what is in the store decides. When the write has failed, the manifest goes: it must
// not stand in a folder whose backup is not as it says. Errors of ready leave everything as it is: another run may be at work.
func (w *Writer) put(ctx context.Context, name string, text []byte, ready func(context.Context) error) error {
	if ready != nil {
		if err := ready(ctx); err != nil {
			return fmt.Errorf("write %s%s: %w", w.folder.Path(), name, err)
		}
	}
	_, err := w.folder.store.Put(ctx, w.folder.prefix+name, text, store.Condition{})
	if err == nil {
		return nil
	}
	err = fmt.Errorf("write %s%s: %w", w.folder.Path(), name, err)
	if name == progressName {
		return err
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLook)
	defer cancel()
	stored, _, readErr := store.ReadAll(after, w.folder.store, w.folder.prefix+name, maxDocument)
	switch {
	case readErr == nil && bytes.Equal(stored, text):
		return nil
	case readErr != nil && !errors.Is(readErr, store.ErrNotExist):
		return errors.Join(err, fmt.Errorf("whether it is there is unknown: %w", readErr)) // then its manifest has to stay
	case ready != nil && ready(after) != nil:
		return err
	}
	if deleteErr := w.folder.store.Delete(after, w.folder.prefix+manifestName); deleteErr != nil {
		return errors.Join(err, fmt.Errorf("remove the manifest again: %w", deleteErr))
	}
	return err
}

// lastLook is how long a write whose answer was lost is looked for, when the time of the run may be over.
const lastLook = 10 * time.Second

// wanted is an object as it must be.
type wanted struct {
	size   int64
	sha256 string
}

// settle makes the folder hold what the manifest says, no less and no more. Where a listing says something else, the object itself is asked: some
// stores list late.
func (w *Writer) settle(ctx context.Context, m *Manifest, ready func(context.Context) error) error {
	want, described := map[string]wanted{}, map[string]bool{}
	for _, a := range m.Assets {
		want[a.Key], described[a.Key] = wanted{a.Size, a.SHA256}, true
	}
	for f := range m.copies() {
		want[f.Key], described[f.Key] = wanted{f.Size, f.SHA256}, true
	}
	var extra []string
	visit := func(info store.Info) error {
		key := strings.TrimPrefix(info.Key, w.folder.prefix)
		object, ok := want[key]
		switch {
		case ok && object.size == info.Size && (w.written[key] == "" || w.written[key] == info.ETag):
			delete(want, key)
		case ok:
		case isAssetKey(key):
			extra = append(extra, info.Key)
		}
		return nil
	}
	if err := w.folder.listAll(ctx, len(want) > listPage, visit); err != nil {
		return fmt.Errorf("check %s before the commit: %w", w.folder.Path(), err)
	}
	group, lookCtx := errgroup.WithContext(ctx)
	group.SetLimit(looks)
	for key, object := range want {
		group.Go(func() error { return w.look(lookCtx, key, object) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("check %s before the commit: %w", w.folder.Path(), err)
	}
	// A listing that is late does not show everything: what is known to have been there is removed by name.
	for key := range w.written {
		if !described[key] {
			extra = append(extra, w.folder.assetKey(key))
		}
	}
	if len(extra) > 0 {
		slices.Sort(extra)
		extra = slices.Compact(extra)
		if ready != nil {
			if err := ready(ctx); err != nil {
				return fmt.Errorf("remove leftovers in %s: %w", w.folder.Path(), err)
			}
		}
		if err := w.folder.store.Delete(ctx, extra...); err != nil {
			return fmt.Errorf("remove leftovers in %s: %w", w.folder.Path(), err)
		}
	}
	return nil
}

// listPage is how many objects a store lists with one call.
const listPage = 1000

// listAll calls fn for every object of the folder. The pages of a listing come one after the other, so in a large folder the kinds are listed side by
// side.
func (f *Folder) listAll(ctx context.Context, large bool, fn func(store.Info) error) error {
	if !large {
		return f.store.List(ctx, f.prefix, "", fn)
	}
	var mu sync.Mutex
	one := func(info store.Info) error {
		mu.Lock()
		defer mu.Unlock()
		return fn(info)
	}
	listings, ctx := errgroup.WithContext(ctx)
	listings.Go(func() error {
		return f.store.List(ctx, f.prefix, "/", func(info store.Info) error {
			if strings.HasSuffix(info.Key, "/") { // a kind's folder
				return nil
			}
			return one(info)
		})
	})
	for _, kind := range asset.Kinds() {
		listings.Go(func() error { return f.store.List(ctx, f.prefix+kind.Folder()+"/", "", one) })
	}
	return listings.Wait()
}

// looks is how many objects are asked for at the same time when the listing did not show them as they must be.
const looks = 32

// look asks for an object by itself, and reads it where its ETag does not tell that it is what was sent: somebody else wrote it, or the store answers
// writes with another ETag than questions.
func (w *Writer) look(ctx context.Context, key string, want wanted) error {
	info, err := w.folder.store.Stat(ctx, w.folder.assetKey(key))
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if info.Size != want.size {
		return fmt.Errorf("%s has %d bytes in the store, %d were sent: %w", key, info.Size, want.size, store.ErrDamaged)
	}
	if sent := w.written[key]; sent != "" && sent == info.ETag {
		return nil
	}
	if sum, _, err := w.folder.hashObject(ctx, key); err != nil || sum != want.sha256 {
		return fmt.Errorf("%s is not what was sent: %w", key, errors.Join(err, store.ErrDamaged))
	}
	return nil
}
