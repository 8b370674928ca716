package vault_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

var target = store.Location{Bucket: localtest.Bucket, Key: "elsewhere/udf.jar"}

// taken takes a backup of one file and opens it with keys.
func (s *shelf) taken(text string, k vault.Keys) (*vault.Backup, vault.File) {
	s.t.Helper()
	s.put("libs/udf.jar", text)
	file := s.mustFile("2026-11-22", "")
	return s.openWith("2026-11-22", k), file
}

func TestPutFile_WritesTheBytesOfTheCopy(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789", 20_000)
	id := identity(t)
	for name, c := range map[string]struct {
		to   []*age.X25519Identity
		part int64
		text string
	}{
		"plain":               {text: "jar"},
		"plain and large":     {part: 64 << 10, text: large},
		"encrypted":           {to: []*age.X25519Identity{id}, text: "jar"},
		"encrypted and large": {to: []*age.X25519Identity{id}, part: 64 << 10, text: large},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			if c.part > 0 {
				s = s.parts(c.part)
			}
			s = s.sealed(c.to...)
			b, file := s.taken(c.text, keys(t, id))
			info, err := b.PutFile(t.Context(), file, target)
			if err != nil || s.object(target.Key) != c.text || info.Size != int64(len(c.text)) {
				t.Fatalf("%v %+v %.20q", err, info, s.object(target.Key))
			}
			if same, err := b.IsFile(t.Context(), file, target, info); err != nil || !same {
				t.Errorf("it is not told from another: %v %v", same, err)
			}
			for other := range map[string]bool{c.text + "x": true, c.text[1:]: true, "x" + c.text[1:]: true, "": true} {
				s.put(target.Key, other)
				now, err := s.Store.Stat(t.Context(), target.Key)
				if err != nil {
					t.Fatal(err)
				}
				if same, err := b.IsFile(t.Context(), file, target, now); err != nil || same {
					t.Errorf("%.20q is taken for the file: %v", other, err)
				}
			}
		})
	}
}

func TestPutFile_OfACopyThatIsNotWhatWasStoredIsAnError(t *testing.T) {
	t.Parallel()
	id := identity(t)
	for name, to := range map[string][]*age.X25519Identity{"plain": nil, "encrypted": {id}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t).sealed(to...)
			b, file := s.taken("the bytes of a jar", keys(t, id))
			other := "the BYTES of a jar"
			if to != nil { // another file that the same key reads
				s.put("libs/udf.jar", other)
				other = s.object("nightly/2026-11-23/" + s.mustFile("2026-11-23", "").Key)
			}
			s.put("nightly/2026-11-22/"+file.Key, other)
			if _, err := b.PutFile(t.Context(), file, target); !errors.Is(err, vault.ErrUnproved) && !errors.Is(err, store.ErrDamaged) {
				t.Errorf("%v", err)
			}
			if to != nil && s.object(target.Key) != "" {
				t.Errorf("%q was written", s.object(target.Key))
			}
			if err := s.Objects.DeleteObject(localtest.Bucket, "nightly/2026-11-22/"+file.Key); err != nil {
				t.Fatal(err)
			}
			if _, err := b.PutFile(t.Context(), file, target); !errors.Is(err, vault.ErrUnproved) || errors.Is(err, store.ErrNotExist) {
				t.Errorf("without the copy: %v", err)
			}
		})
	}
}

func TestPutFile_BelievesNoETagThatIsNotTheCopys(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	b, file := s.taken("the bytes of a jar", vault.Keys{})
	s.Objects.Intercept(func(call objectstore.Call) *objectstore.Fault {
		switch {
		case call.Key != target.Key:
		case call.Operation == "GetObjectMetadata":
			return &objectstore.Fault{SetHeader: map[string][]string{"Etag": {`"a-1"`}}}
		case call.Operation == "GetObject":
			return &objectstore.Fault{Replace: []byte("the BYTES of a jar")}
		}
		return nil
	})
	if _, err := b.PutFile(t.Context(), file, target); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("%v", err)
	}
}

func TestPutFile_OfAnEncryptedCopyNeedsItsKey(t *testing.T) {
	t.Parallel()
	s := newShelf(t).sealed(identity(t))
	b, file := s.taken("jar", vault.Keys{})
	if _, err := b.PutFile(t.Context(), file, target); !errors.Is(err, vault.ErrNoIdentity) {
		t.Errorf("%v", err)
	}
	b = s.openWith("2026-11-22", keys(t, identity(t)))
	if _, err := b.PutFile(t.Context(), file, target); !errors.Is(err, vault.ErrWrongIdentity) {
		t.Errorf("%v", err)
	}
}

func TestIsFile_OfWhatIsTooLargeToBeReadIsUnknown(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	b, file := s.taken("jar", vault.Keys{})
	file.Size = 2 << 30
	if _, err := b.IsFile(t.Context(), file, target, store.Info{Size: 2 << 30, ETag: "a-9"}); !errors.Is(err, vault.ErrIncomparable) {
		t.Errorf("%v", err)
	}
	if same, err := b.IsFile(t.Context(), file, target, store.Info{Size: 2 << 30, ETag: file.ETag}); err != nil || !same {
		t.Errorf("its ETag tells: %v %v", same, err)
	}
}

func TestCopyLoose_IsPartOfTheProof(t *testing.T) {
	t.Parallel()
	id := identity(t)
	for name, to := range map[string][]*age.X25519Identity{"plain": nil, "encrypted": {id}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t).sealed(to...)
			s.put("libs/udf.jar", "jar")
			w, err := s.vault.Folder("2026-11-22").Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			file, err := w.CopyLoose(t.Context(), jar)
			if err != nil {
				t.Fatal(err)
			}
			m := &vault.Manifest{FormatVersion: 1, BackupDate: "2026-11-22", Status: vault.Complete, StartedAt: noon, Files: []vault.File{file}}
			if err := w.Commit(t.Context(), m, nil); err != nil {
				t.Fatal(err)
			}
			b := s.openWith("2026-11-22", keys(t, id))
			if err := b.Verify(t.Context()); err != nil || len(b.Manifest.Files) != 1 || b.Manifest.Encrypted() != (to != nil) {
				t.Errorf("%v %+v", err, b.Manifest.Files)
			}
			if _, err := b.PutFile(t.Context(), b.Manifest.Files[0], target); err != nil || s.object(target.Key) != "jar" {
				t.Errorf("%v %q", err, s.object(target.Key))
			}
			if err := s.openWith("2026-11-22", vault.Keys{}).Readable(); errors.Is(err, vault.ErrNoIdentity) != (to != nil) {
				t.Errorf("%v", err)
			}
			s.put("nightly/2026-11-22/"+file.Key, "raj")
			if err := b.VerifyFiles(t.Context()); !errors.Is(err, vault.ErrUnproved) {
				t.Errorf("altered: %v", err)
			}
			if _, err := w.CopyLoose(t.Context(), "obs://dataarts-backup/nothing"); !errors.Is(err, store.ErrNotExist) {
				t.Errorf("%v", err)
			}
		})
	}
}

// onDisk is a store whose one object beside the manifest is a file, and that keeps nothing of what it is sent.
type onDisk struct {
	store.Store
	manifest string
	path     string
	sent     int64
	most     uint64 // bytes of heap in use while it was sent
}

func (s *onDisk) Bucket(string) store.Store { return s }

func (s *onDisk) Get(_ context.Context, key string) (io.ReadCloser, store.Info, error) {
	if strings.HasSuffix(key, "/manifest.json") {
		return io.NopCloser(strings.NewReader(s.manifest)), store.Info{Key: key}, nil
	}
	f, err := os.Open(s.path)
	return f, store.Info{Key: key}, err
}

func (s *onDisk) PutStream(_ context.Context, key string, body io.Reader) (store.Info, error) {
	piece := make([]byte, 1<<20)
	for {
		n, err := body.Read(piece)
		s.sent += int64(n)
		if s.sent/(8<<20) != (s.sent-int64(n))/(8<<20) {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			s.most = max(s.most, m.HeapAlloc)
		}
		if errors.Is(err, io.EOF) {
			return store.Info{Key: key, Size: s.sent}, nil
		}
		if err != nil {
			return store.Info{}, err
		}
	}
}

// It measures the heap of the process, so it does not run beside others.
func TestPutFile_DecryptsInBoundedMemory(t *testing.T) { //nolint:paralleltest // see above
	const size = 64 << 20
	id := identity(t)
	s := &onDisk{path: filepath.Join(t.TempDir(), "copy.age")}
	f, err := os.Create(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	sealed, err := age.EncryptReader(io.LimitReader(rand.NewChaCha8([32]byte{1}), size), id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	stored, err := io.Copy(io.MultiWriter(f, sum), sealed)
	if err != nil {
		t.Fatal(err)
	}
	s.manifest = `{"formatVersion":1,"recipients":["` + id.Recipient().String() + `"]}`
	b, err := vault.FolderAt(s, localtest.Bucket, "nightly/2026-11-22").WithKeys(keys(t, id)).OpenPartial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := vault.File{Location: jar, Key: "2_resources/udf.files/f.age", Size: stored, SHA256: hex.EncodeToString(sum.Sum(nil))}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if _, err := b.PutFile(t.Context(), file, target); err != nil || s.sent != size {
		t.Fatalf("%v, %d bytes", err, s.sent)
	}
	if s.most > before.HeapAlloc+8<<20 {
		t.Errorf("%d bytes of heap for a file of %d", s.most-before.HeapAlloc, size)
	}
}
