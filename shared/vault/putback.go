package vault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"filippo.io/age"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// mostCompared is the largest object, in bytes, that is read to find out whether it is the file of a backup. A function has minutes.
const mostCompared = 1 << 30

// ErrIncomparable says that it cannot be told whether an object is the file of a backup: its ETag does not tell, and it is too large to be read.
var ErrIncomparable = errors.New("its ETag does not tell whether it is the same, and it is too large to be read")

// IsFile tells whether an object has the bytes of a copied file of the backup. live is what the store says of it. Its size and ETag decide where they can;
// else it is read, and an encrypted copy with it. Errors: [ErrIncomparable], [ErrUnproved], [ErrNoIdentity], [ErrWrongIdentity].
func (b *Backup) IsFile(ctx context.Context, f File, at store.Location, live store.Info) (bool, error) {
	encrypted := b.Manifest.Encrypted()
	if live.Size >= 0 && (live.Size != f.Size && !encrypted || live.Size >= f.Size && encrypted) { // encryption always adds some bytes
		return false, nil
	}
	switch {
	case live.ETag == "":
	case live.ETag == f.SourceETag && (isMD5(live.ETag) || sameMoment(f.LastModified, live.LastModified)):
		return true, nil
	case !encrypted && isMD5(live.ETag) && live.ETag == f.ETag:
		return true, nil
	}
	// Two MD5s that differ prove nothing: in a bucket that encrypts, ETags look like MD5s and are none.
	if live.Size < 0 || live.Size > mostCompared {
		return false, ErrIncomparable
	}
	body, _, err := b.folder.store.Bucket(at.Bucket).Get(ctx, at.Key)
	if err != nil {
		return false, err
	}
	defer func() { _ = body.Close() }()
	if !encrypted {
		sum := sha256.New()
		if _, err := io.Copy(sum, body); err != nil {
			return false, err
		}
		return hex.EncodeToString(sum.Sum(nil)) == f.SHA256, nil
	}
	own, err := b.openFile(ctx, f)
	if err != nil {
		return false, err
	}
	defer func() { _ = own.Close() }()
	return equal(own, body)
}

// equal reads two streams as far as they are the same.
func equal(a, b io.Reader) (bool, error) {
	const piece = 64 << 10
	left, right := make([]byte, piece), make([]byte, piece)
	for {
		n, errA := io.ReadFull(a, left)
		m, errB := io.ReadFull(b, right)
		endA, endB := isEnd(errA), isEnd(errB)
		switch {
		case errA != nil && !endA:
			return false, errA
		case errB != nil && !endB:
			return false, errB
		case !bytes.Equal(left[:n], right[:m]) || endA != endB:
			return false, nil
		case endA:
			return true, nil
		}
	}
}

// isEnd tells the end of a stream as io.ReadFull reports it. A stream of the store that breaks off has an error of its own.
func isEnd(err error) bool {
	return err == io.EOF || err == io.ErrUnexpectedEOF //nolint:errorlint // a wrapped one is of a stream that broke off
}

// PutFile writes the bytes of a copied file to where they shall lie: inside the service where the backup is plain, else decrypted on the way, in
// bounded memory. When it returns, the object is proved: its ETag is the copy's MD5, it was read back, or the store compared every part that was sent.
// What was there stays until everything is written. Errors: [ErrUnproved] when the copy is not what the manifest says, store.ErrDamaged when the
// object is not what was written.
func (b *Backup) PutFile(ctx context.Context, f File, to store.Location) (store.Info, error) {
	if b.Manifest.Encrypted() {
		return b.putSealed(ctx, f, to)
	}
	target := b.folder.store.Bucket(to.Bucket)
	info, err := target.Copy(ctx, store.Location{Bucket: b.folder.bucket, Key: b.folder.assetKey(f.Key)}, to.Key)
	if errors.Is(err, store.ErrNotExist) {
		return store.Info{}, fmt.Errorf("%s%s is not there: %w", b.folder.Path(), f.Key, ErrUnproved)
	}
	if err != nil || info.Size == f.Size && isMD5(info.ETag) && info.ETag == f.ETag {
		return info, err
	}
	at := &Folder{store: target, bucket: to.Bucket}
	sum, size, err := at.hashObject(ctx, to.Key)
	if err != nil {
		return store.Info{}, fmt.Errorf("read it back: %w", err)
	}
	if sum != f.SHA256 || size != f.Size {
		return store.Info{}, fmt.Errorf("it reads back with %d bytes and SHA-256 %s, %d and %s were copied: %w", size, sum, f.Size, f.SHA256, store.ErrDamaged)
	}
	return info, nil
}

func (b *Backup) putSealed(ctx context.Context, f File, to store.Location) (store.Info, error) {
	own, err := b.openFile(ctx, f)
	if err != nil {
		return store.Info{}, err
	}
	defer func() { _ = own.Close() }()
	sent := counter(0)
	info, err := b.folder.store.Bucket(to.Bucket).PutStream(ctx, to.Key, io.TeeReader(own, &sent))
	if err != nil {
		return store.Info{}, err
	}
	if info.Size != int64(sent) {
		return store.Info{}, fmt.Errorf("%d bytes were sent, the store says %d: %w", sent, info.Size, store.ErrDamaged)
	}
	return info, nil
}

// openFile opens an encrypted copy for reading its plain bytes. Its end is reached only if what was read is what the manifest proves.
func (b *Backup) openFile(ctx context.Context, f File) (*unsealing, error) {
	if b.folder.keys.identity == nil {
		return nil, fmt.Errorf("%s%s: %w", b.folder.Path(), f.Key, ErrNoIdentity)
	}
	body, _, err := b.folder.store.Get(ctx, b.folder.assetKey(f.Key))
	if errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("%s%s is not there: %w", b.folder.Path(), f.Key, ErrUnproved)
	}
	if err != nil {
		return nil, err
	}
	u := &unsealing{name: b.folder.Path() + f.Key, file: f, body: body, sum: sha256.New()}
	u.stored = io.TeeReader(body, io.MultiWriter(u.sum, &u.size))
	u.plain, err = age.Decrypt(u.stored, b.folder.keys.identity)
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		err = ErrWrongIdentity
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", u.name, err), body.Close())
	}
	return u, nil
}

// unsealing is an encrypted copy that is read.
type unsealing struct {
	name   string
	file   File
	body   io.ReadCloser
	stored io.Reader // body, counted and hashed
	plain  io.Reader
	sum    hash.Hash
	size   counter
}

func (u *unsealing) Read(p []byte) (int, error) {
	n, err := u.plain.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if _, err := io.Copy(io.Discard, u.stored); err != nil {
		return n, err
	}
	if sum := hex.EncodeToString(u.sum.Sum(nil)); int64(u.size) != u.file.Size || sum != u.file.SHA256 {
		return n, fmt.Errorf("%s has %d bytes and SHA-256 %s, the manifest says %d and %s: %w", u.name, u.size, sum, u.file.Size, u.file.SHA256, ErrUnproved)
	}
	return n, io.EOF
}

func (u *unsealing) Close() error { return u.body.Close() }

// Same tells whether two copies are of the same bytes, as far as the manifest says.
func (f File) Same(other File) bool {
	return f.SHA256 != "" && f.SHA256 == other.SHA256 || f.SourceETag != "" && f.SourceETag == other.SourceETag
}
