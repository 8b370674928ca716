package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/age"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// streams is how many files are encrypted at the same time: each takes the memory of a part of the store's, and a function has little.
const streams = 2

// former is a file in the backup before this one.
type former struct {
	file   File
	object store.Location
}

// Previous names the backup before this one: a file whose source is the same still is copied from there, which costs no reading. Nil is none. Call it
// before the first CopyFile. A backup that is not encrypted to the writer's recipients serves for nothing.
func (w *Writer) Previous(b *Backup) {
	w.previous = map[string]former{}
	if b == nil || !w.folder.keys.fits(b.Manifest.Recipients) || b.Manifest.Encrypted() != w.folder.keys.Encrypts() {
		return
	}
	for _, a := range b.Manifest.Assets {
		for _, f := range a.Files {
			if f.Key != "" && f.SourceETag != "" {
				w.previous[f.Location] = former{f, store.Location{Bucket: b.folder.bucket, Key: b.folder.assetKey(f.Key)}}
			}
		}
	}
}

// CopyFile copies a file that a resource points to beside its definition, encrypted if the folder has recipients, and returns its line of the manifest. It
// is copied from the backup before this one where the source is unchanged since; see [Writer.Previous]. Errors: store.ErrNotExist when there is no such
// source, and only then; [ErrUnstorable].
func (w *Writer) CopyFile(ctx context.Context, ref asset.Ref, location string) (File, error) {
	file, err := w.copyFile(ctx, ref, location)
	if err != nil {
		return File{}, fmt.Errorf("copy %s of %s: %w", location, ref, err)
	}
	return file, nil
}

// CopyLoose copies a file that belongs to no asset of the folder, for [Manifest.Files]. Errors: as CopyFile.
func (w *Writer) CopyLoose(ctx context.Context, location string) (File, error) {
	file, err := w.copyFile(ctx, looseFile(), location)
	if err != nil {
		return File{}, fmt.Errorf("copy %s: %w", location, err)
	}
	return file, nil
}

// looseFile is what the key of a file is made from that belongs to no asset: a resource without a name, which no service has.
func looseFile() asset.Ref { return asset.Ref{Kind: asset.Resources} }

func (w *Writer) copyFile(ctx context.Context, ref asset.Ref, location string) (File, error) {
	key, ok := ref.FileKey(location)
	if !ok {
		return File{}, errors.New("not an object on OBS")
	}
	if w.folder.keys.Encrypts() {
		key += sealedSuffix
	}
	if len(w.folder.assetKey(key)) > maxKey {
		return File{}, ErrUnstorable
	}
	bucket, object, _ := asset.ParseOBSPath(location)
	c := &copying{folder: w.folder, from: store.Location{Bucket: bucket, Key: object}, file: File{Location: location, Key: key}}
	source, err := w.folder.store.Bucket(bucket).Stat(ctx, object)
	if err != nil {
		return File{}, err
	}
	copied := false
	if old, ok := w.previous[location]; ok {
		if copied, err = c.fromPrevious(ctx, old, source); err != nil {
			return File{}, err
		}
	}
	switch {
	case copied:
	case w.folder.keys.Encrypts():
		err = w.streamed(ctx, c.sealed)
	default:
		err = c.plain(ctx, source)
	}
	if err != nil {
		return File{}, err
	}
	w.mu.Lock()
	w.written[key] = c.file.ETag
	w.mu.Unlock()
	return c.file, nil
}

// streamed runs a copy that goes through here when it is its turn.
func (w *Writer) streamed(ctx context.Context, copy func(context.Context) error) error {
	select {
	case w.streams <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-w.streams }()
	return copy(ctx)
}

// copying is one file on its way into the folder.
type copying struct {
	folder *Folder
	from   store.Location
	file   File
}

// fromPrevious copies the file of the backup before this one, and tells whether that worked: not if the source has changed since, and not if the
// former copy is gone or damaged. The error is that of a context that ended.
func (c *copying) fromPrevious(ctx context.Context, old former, source store.Info) (bool, error) {
	unchanged := source.ETag != "" && old.file.SourceETag == source.ETag && sameMoment(old.file.LastModified, source.LastModified) &&
		(c.folder.keys.Encrypts() || old.file.Size == source.Size)
	if !unchanged {
		return false, nil
	}
	info, err := c.folder.store.Copy(ctx, old.object, c.folder.assetKey(c.file.Key))
	if err != nil {
		return false, ctx.Err()
	}
	// The former copy had this ETag when it was hashed. Where that is an MD5, and the new copy has it too, nothing has changed; elsewhere it is read.
	if info.Size != old.file.Size {
		return false, nil
	}
	if !isMD5(info.ETag) || info.ETag != old.file.ETag {
		sum, size, err := c.folder.hashObject(ctx, c.file.Key)
		if err != nil || sum != old.file.SHA256 || size != old.file.Size {
			return false, ctx.Err()
		}
	}
	c.file.Size, c.file.SHA256, c.file.ContentSHA256, c.file.ETag = old.file.Size, old.file.SHA256, old.file.ContentSHA256, info.ETag
	c.of(source)
	return true, nil
}

// plain copies the source inside the service and reads the copy back.
func (c *copying) plain(ctx context.Context, source store.Info) error {
	info, err := c.folder.store.Copy(ctx, c.from, c.folder.assetKey(c.file.Key))
	if err != nil {
		return err
	}
	sum, size, err := c.folder.hashObject(ctx, c.file.Key)
	if err != nil {
		return fmt.Errorf("read back the copy: %w", notAboutSource(err))
	}
	c.file.Size, c.file.SHA256, c.file.ContentSHA256, c.file.ETag = size, sum, sum, info.ETag
	if isMD5(source.ETag) && info.ETag == source.ETag {
		c.of(source)
		return nil
	}
	// The source may have changed between the look at it and the copy; then it is unknown what was copied, and the next backup copies it again.
	after, err := c.folder.store.Bucket(c.from.Bucket).Stat(ctx, c.from.Key)
	if err == nil && after == source {
		c.of(source)
	}
	return ctx.Err()
}

// sealed streams the source through age. What was sent is what is stored: the store has compared every part.
func (c *copying) sealed(ctx context.Context) error {
	body, source, err := c.folder.store.Bucket(c.from.Bucket).Get(ctx, c.from.Key)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	encrypted, err := age.EncryptReader(body, c.folder.keys.ageRecipients()...)
	if err != nil {
		return fmt.Errorf("encrypt: %w", err)
	}
	sum, sent := sha256.New(), counter(0)
	info, err := c.folder.store.PutStream(ctx, c.folder.assetKey(c.file.Key), io.TeeReader(encrypted, io.MultiWriter(sum, &sent)))
	if err != nil {
		return notAboutSource(err)
	}
	if info.Size != int64(sent) {
		return fmt.Errorf("%d bytes were sent, the store says %d: %w", sent, info.Size, store.ErrDamaged)
	}
	c.file.Size, c.file.SHA256, c.file.ETag = info.Size, hex.EncodeToString(sum.Sum(nil)), info.ETag
	c.of(source)
	return nil
}

// of notes which state of the source was copied.
func (c *copying) of(source store.Info) {
	c.file.SourceETag, c.file.LastModified = source.ETag, nil
	if !source.LastModified.IsZero() {
		t := source.LastModified.UTC()
		c.file.LastModified = &t
	}
}

// notAboutSource takes store.ErrNotExist off an error about the bucket of the backups: to the caller it says that there is no source.
func notAboutSource(err error) error {
	if errors.Is(err, store.ErrNotExist) {
		return errors.New(err.Error())
	}
	return err
}

func sameMoment(then *time.Time, now time.Time) bool {
	if then == nil {
		return now.IsZero()
	}
	return then.Equal(now)
}

// isMD5 tells an ETag that is an MD5 from one that a store made of parts or of something else.
func isMD5(etag string) bool {
	_, err := hex.DecodeString(etag)
	return len(etag) == 32 && err == nil
}

// counter counts the bytes that are written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
