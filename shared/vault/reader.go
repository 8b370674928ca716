package vault

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrIncomplete: the folder has no backup.json, so it is no backup.
	ErrIncomplete = errors.New("there is no complete backup")
	// ErrMalformed: backup.json or manifest.json cannot be understood.
	ErrMalformed = errors.New("malformed")
	// ErrUnsupported: the folder is of a format that this version does not know, because a newer one wrote it. Such an error is [ErrMalformed] as well, and
	// has to be asked for before it.
	ErrUnsupported = errors.New("written by a newer version")
	// ErrForeign: the folder has a backup.json that names no manifest, and no manifest.json. The DataArts console writes such folders.
	ErrForeign = errors.New("the folder was not written by DataArts Backup")
	// ErrUnproved: what is in the folder is not what its manifest says.
	ErrUnproved = errors.New("the backup does not match its manifest")
	// ErrLeftover: an object of a run that was not finished lies in a complete backup. It does no harm.
	ErrLeftover = errors.New("a run left it behind, and it does no harm")
)

// Backup is a committed folder as it is read back.
type Backup struct {
	Manifest *Manifest
	// ManifestSHA256 is the hash of manifest.json as stored; the commit names the same.
	ManifestSHA256 string
	// Document is backup.json as it stands in the bucket, edits of an operator included. It is JSON; nil where there is none of ours.
	Document []byte
	// DocumentVersion is the version of Document, see [Folder.ReadDocument]; empty without one.
	DocumentVersion string
	// Unverified tells that nothing proves the backup: the DataArts console wrote it.
	Unverified bool

	folder *Folder
}

// Folder is where the backup lies.
func (b *Backup) Folder() *Folder { return b.folder }

// Manifest reads manifest.json of a folder that need not be complete, and its hash. Errors: store.ErrNotExist, [ErrMalformed], and [ErrUnsupported], with
// which there is a hash as well.
func (f *Folder) Manifest(ctx context.Context) (*Manifest, string, error) {
	text, _, err := store.ReadAll(ctx, f.store, f.prefix+manifestName, maxDocument)
	if err != nil {
		return nil, "", fmt.Errorf("read %s%s: %w", f.Path(), manifestName, err)
	}
	m, err := parseManifest(text)
	switch {
	case errors.Is(err, ErrUnsupported):
		return nil, Hash(text), fmt.Errorf("%smanifest.json was written by a newer version: %w", f.Path(), err)
	case err != nil:
		return nil, "", fmt.Errorf("%smanifest.json is %w: %w", f.Path(), ErrMalformed, err)
	}
	return m, Hash(text), nil
}

// Open reads the commit and the manifest of a complete backup and holds them against each other. backup.json may have been edited; whether
// the edits are legal is not decided here. Errors: [ErrIncomplete], [ErrForeign], [ErrUnproved], [ErrUnsupported], [ErrMalformed] with the line in backup.json.
func (f *Folder) Open(ctx context.Context) (*Backup, error) {
	document, info, err := store.ReadAll(ctx, f.store, f.prefix+documentName, maxDocument)
	if errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w (no backup.json)", f.Path(), ErrIncomplete)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", f.Path(), err)
	}
	if err := rawjson.Check(document); err != nil {
		return nil, fmt.Errorf("%sbackup.json is %w: %w", f.Path(), ErrMalformed, syntaxFault(document, err))
	}
	want := rawjson.StringAt(document, "manifestSha256")
	version, newer := newerFormat(document)
	if want == "" && newer { // however that one names its manifest
		return nil, fmt.Errorf("%sbackup.json was written by a newer version: %w", f.Path(), unsupportedError(version))
	}
	if want == "" {
		foreign, err := f.isForeign(ctx, document)
		if err != nil {
			return nil, err
		}
		if foreign {
			return nil, fmt.Errorf("%s has no manifest: %w", f.Path(), ErrForeign)
		}
		return nil, fmt.Errorf("%sbackup.json: %s: %w", f.Path(), faultAt(document, "manifestSha256", "names no manifest"), ErrUnproved)
	}
	m, got, err := f.Manifest(ctx)
	if errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("%s has no manifest.json: %w", f.Path(), ErrUnproved)
	}
	if err != nil && (!errors.Is(err, ErrUnsupported) || newer || got == want) {
		return nil, err
	}
	if got != want {
		problem := fmt.Sprintf("manifest.json has SHA-256 %s, backup.json was committed with %s", got, want)
		return nil, fmt.Errorf("%sbackup.json: %s: %w", f.Path(), faultAt(document, "manifestSha256", problem), ErrUnproved)
	}
	if m.Status != Complete {
		return nil, fmt.Errorf("%smanifest.json has status %s: %w", f.Path(), m.Status, ErrUnproved)
	}
	return &Backup{Manifest: m, ManifestSHA256: got, Document: document, DocumentVersion: versionOf(document, info), folder: f}, nil
}

// OpenPartial reads the manifest of a folder whose backup is PARTIAL and therefore was never committed. Document is nil. Errors:
// [ErrIncomplete] where there is not even a manifest.
func (f *Folder) OpenPartial(ctx context.Context) (*Backup, error) {
	m, hash, err := f.Manifest(ctx)
	if errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w (neither backup.json nor manifest.json)", f.Path(), ErrIncomplete)
	}
	if err != nil {
		return nil, err
	}
	return &Backup{Manifest: m, ManifestSHA256: hash, folder: f}, nil
}

// syntaxFault says with line, column and path what err says, which is why a text is no JSON object. It is not the error of whoever asks, and so no
// strictjson.Faults.
func syntaxFault(text []byte, err error) error {
	if _, faults := strictjson.Parse(text); faults != nil {
		return errors.New(faults.Error())
	}
	return errors.New(strictjson.Fault{Line: 1, Column: 1, Problem: err.Error()}.String())
}

// faultAt is a fault of the value at a path of a document. One that strictjson does not read has it without a place.
func faultAt(document []byte, path, problem string) strictjson.Fault {
	doc, err := strictjson.Parse(document)
	if err != nil {
		return strictjson.Fault{Line: 1, Column: 1, Path: path, Problem: problem}
	}
	return doc.FaultAt(path, problem)
}

// Definition reads an asset's definition, and decrypts it after its stored bytes are proved. Bytes that are not those that the manifest proves are
// [ErrUnproved]. Errors: [ErrNoIdentity], [ErrWrongIdentity].
func (b *Backup) Definition(ctx context.Context, a Asset) ([]byte, error) {
	stored, err := b.stored(ctx, a)
	if err != nil || !a.encrypted() || b.Unverified {
		return stored, err
	}
	plain, err := b.folder.keys.unseal(stored)
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", b.folder.Path(), a.Key, err)
	}
	return plain, nil
}

// stored reads the bytes that an asset has in the store, which are those that the manifest proves.
func (b *Backup) stored(ctx context.Context, a Asset) ([]byte, error) {
	data, _, err := store.ReadAll(ctx, b.folder.store, b.folder.assetKey(a.Key), max(maxAsset, a.Size))
	if errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("%s%s is not there: %w", b.folder.Path(), a.Key, ErrUnproved)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s from %s: %w", a.Ref(), b.folder.Path(), err)
	}
	if int64(len(data)) != a.Size || Hash(data) != a.SHA256 {
		return nil, fmt.Errorf("%s%s has %d bytes and SHA-256 %s, the manifest says %d and %s: %w",
			b.folder.Path(), a.Key, len(data), Hash(data), a.Size, a.SHA256, ErrUnproved)
	}
	return data, nil
}

// Each reads every definition of the backup, with at most so many in memory at once, and calls fn with each, one at a time and in manifest
// order. It goes on after a damaged object, so that all are named: their errors are joined. That the identity is missing or wrong is named once, and
// every object is held against the manifest all the same.
func (b *Backup) Each(ctx context.Context, concurrency int, fn func(Asset, []byte) error) error {
	return b.each(ctx, concurrency, b.Definition, fn)
}

// each is Each with another way to read an asset.
func (b *Backup) each(ctx context.Context, concurrency int, read func(context.Context, Asset) ([]byte, error), fn func(Asset, []byte) error) error {
	type result struct {
		data []byte
		err  error
	}
	slots := make([]chan result, len(b.Manifest.Assets))
	for i := range slots {
		slots[i] = make(chan result, 1)
	}
	tokens := make(chan struct{}, concurrency)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		for i, a := range b.Manifest.Assets {
			select {
			case tokens <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			group.Go(func() error {
				data, err := read(ctx, a)
				slots[i] <- result{data, err}
				return nil
			})
		}
		return nil
	})
	var faults []error
	var unreadable error
	group.Go(func() error {
		for i, a := range b.Manifest.Assets {
			select {
			case r := <-slots[i]:
				<-tokens
				if errors.Is(r.err, ErrNoIdentity) || errors.Is(r.err, ErrWrongIdentity) {
					unreadable = cmp.Or(unreadable, r.err)
				} else if r.err != nil {
					faults = append(faults, r.err)
				} else if err := fn(a, r.data); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return errors.Join(append([]error{unreadable}, faults...)...)
}

// VerifyFiles reads every copied resource file and holds it against the manifest.
func (b *Backup) VerifyFiles(ctx context.Context) error {
	const concurrency = 8
	var faults []error
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for f := range b.Manifest.copies() {
		group.Go(func() error {
			sum, size, err := b.folder.hashObject(ctx, f.Key)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, store.ErrNotExist):
				faults = append(faults, fmt.Errorf("%s%s is not there: %w", b.folder.Path(), f.Key, ErrUnproved))
			case err != nil:
				return fmt.Errorf("verify %s%s: %w", b.folder.Path(), f.Key, err)
			case sum != f.SHA256 || size != f.Size:
				faults = append(faults, fmt.Errorf("%s%s has %d bytes and SHA-256 %s, the manifest says %d and %s: %w",
					b.folder.Path(), f.Key, size, sum, f.Size, f.SHA256, ErrUnproved))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	slices.SortFunc(faults, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(faults...)
}

func (f *Folder) hashObject(ctx context.Context, key string) (sum string, size int64, err error) {
	body, _, err := f.store.Get(ctx, f.assetKey(key))
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	h := sha256.New()
	if size, err = io.Copy(h, body); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// Verify reads everything in the folder and holds it against the manifest: definitions, copied files, and that there is no object more. Every
// difference is named. An encrypted backup is verified as it is stored, without an identity. The error is joined from the differences; one that is an [ErrLeftover] is no damage.
func (b *Backup) Verify(ctx context.Context) error {
	const concurrency = 16
	known := map[string]bool{}
	for _, a := range b.Manifest.Assets {
		known[a.Key] = true
	}
	for f := range b.Manifest.copies() {
		known[f.Key] = true
	}
	faults := []error{b.each(ctx, concurrency, b.stored, func(Asset, []byte) error { return nil }), b.VerifyFiles(ctx)}
	err := b.folder.store.List(ctx, b.folder.prefix, "", func(info store.Info) error {
		key := strings.TrimPrefix(info.Key, b.folder.prefix)
		switch {
		case key == progressName:
			faults = append(faults, fmt.Errorf("%s%s is there: %w", b.folder.Path(), key, ErrLeftover))
		case key != manifestName && key != documentName && !known[key]:
			faults = append(faults, fmt.Errorf("%s%s is there, and the manifest does not know it: %w", b.folder.Path(), key, ErrUnproved))
		}
		return nil
	})
	return errors.Join(append(faults, err)...)
}
