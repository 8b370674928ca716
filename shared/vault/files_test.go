package vault_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"filippo.io/age"

	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

const jar = "obs://dataarts-backup/libs/udf.jar"

var udf = asset.Ref{Kind: asset.Resources, Name: "udf", Directory: "/"}

// parts makes the shelf's store write in parts of so many bytes.
func (s *shelf) parts(size int64) *shelf {
	s.t.Helper()
	client, err := obs.New(obs.Options{Endpoint: s.StoreURL, AccessKey: localtest.AccessKey, SecretKey: localtest.SecretKey, PartSize: size, CopyLimit: size})
	if err != nil {
		s.t.Fatal(err)
	}
	other := *s
	other.vault = vault.New(client.Bucket(localtest.Bucket), localtest.Bucket, "nightly")
	return &other
}

// file takes a backup of one resource with its file, after the one that is named, and returns the file's line.
func (s *shelf) file(name, previous string) (vault.File, error) {
	s.t.Helper()
	w, err := s.vault.Folder(name).Begin(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if previous != "" {
		w.Previous(s.openWith(previous, vault.Keys{}))
	}
	stored, err := w.Put(s.t.Context(), udf, []byte(`{"name":"udf","location":"`+jar+`"}`))
	if err != nil {
		s.t.Fatal(err)
	}
	file, err := w.CopyFile(s.t.Context(), udf, jar)
	if err != nil {
		return file, err
	}
	stored.Files = []vault.File{file}
	m := &vault.Manifest{FormatVersion: 1, BackupDate: name, Status: vault.Complete, StartedAt: noon, Assets: []vault.Asset{stored}}
	if err := w.Commit(s.t.Context(), m, nil); err != nil {
		return file, err
	}
	return file, s.openWith(name, vault.Keys{}).Verify(s.t.Context())
}

func (s *shelf) mustFile(name, previous string) vault.File {
	s.t.Helper()
	file, err := s.file(name, previous)
	if err != nil {
		s.t.Fatal(err)
	}
	return file
}

// counters count operations of the store that move bytes.
func counters() map[string]*atomic.Int32 {
	counts := map[string]*atomic.Int32{}
	for _, operation := range []string{"GetObject", "CopyObject", "CopyPart", "PutObject", "UploadPart"} {
		counts[operation] = &atomic.Int32{}
	}
	return counts
}

func TestCopyFile_TellsWhatWasCopied(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.put("libs/udf.jar", "jar")
	source, err := s.Store.Stat(t.Context(), "libs/udf.jar")
	if err != nil {
		t.Fatal(err)
	}
	f := s.mustFile("2026-11-22", "")
	if f.Location != jar || f.Key != "2_resources/udf.files/dataarts-backup/libs/udf.jar" || f.Size != 3 || f.SHA256 != vault.Hash([]byte("jar")) || f.ContentSHA256 != f.SHA256 ||
		f.SourceETag != source.ETag || f.LastModified == nil || !f.LastModified.Equal(source.LastModified) {
		t.Errorf("%+v of %+v", f, source)
	}
	id := identity(t)
	f = s.sealed(id).mustFile("2026-11-23", "2026-11-22")
	if f.Key != "2_resources/udf.files/dataarts-backup/libs/udf.jar.age" || f.ContentSHA256 != "" || f.SourceETag != source.ETag || !f.LastModified.Equal(source.LastModified) ||
		f.SHA256 != vault.Hash([]byte(s.object("nightly/2026-11-23/"+f.Key))) {
		t.Errorf("encrypted: %+v of %+v", f, source)
	}
	if got := decrypt(t, s.object("nightly/2026-11-23/"+f.Key), id); got != "jar" {
		t.Errorf("it decrypts to %q", got)
	}
}

func TestCopyFile_OfASourceThatIsNotThereIsErrNotExist(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*shelf{"plain": newShelf(t), "encrypted": newShelf(t).sealed(identity(t))} {
		if _, err := s.file("2026-11-22", ""); !errors.Is(err, store.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCopyFile_WhoseOwnBucketFailsIsNotErrNotExist(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*shelf{"plain": newShelf(t), "encrypted": newShelf(t).sealed(identity(t))} {
		s.put("libs/udf.jar", "jar")
		s.Objects.Intercept(func(call objectstore.Call) *objectstore.Fault {
			if strings.HasPrefix(call.Key, "nightly/") && strings.Contains(call.Key, ".files/") {
				return &objectstore.Fault{Status: 404, Code: "NoSuchBucket"}
			}
			return nil
		})
		if _, err := s.file("2026-11-22", ""); err == nil || errors.Is(err, store.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The copy of yesterday serves for today while the source is the same: nothing is read, and in an encrypted backup nothing is encrypted anew.
func TestCopyFile_OfAnUnchangedSourceComesFromThePreviousBackup(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789", 20_000)
	id := identity(t)
	for name, c := range map[string]struct {
		to       []*age.X25519Identity
		part     int64
		text     string
		readBack bool
	}{
		"plain":                       {text: "jar"},
		"plain and large":             {part: 64 << 10, text: large},
		"encrypted":                   {to: []*age.X25519Identity{id}, text: "jar"},
		"encrypted and large":         {to: []*age.X25519Identity{id}, part: 64 << 10, text: large},
		"by somebody else's ETags":    {text: "jar", readBack: true},
		"encrypted, of foreign ETags": {to: []*age.X25519Identity{id}, text: "jar", readBack: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			if c.part > 0 {
				s = s.parts(c.part)
			}
			s = s.sealed(c.to...)
			s.put("libs/udf.jar", c.text)
			yesterday := s.mustFile("2026-11-21", "")
			source, copies := counters(), counters()
			s.Objects.Intercept(func(call objectstore.Call) *objectstore.Fault {
				if n := source[call.Operation]; n != nil && strings.HasPrefix(call.Key, "libs/") {
					n.Add(1)
				}
				if n := copies[call.Operation]; n != nil && strings.HasPrefix(call.Key, "nightly/2026-11-22/2_resources/udf.files") {
					n.Add(1)
				}
				if c.readBack && call.Operation == "GetObjectMetadata" && strings.HasPrefix(call.Key, "nightly/2026-11-22/") {
					return &objectstore.Fault{SetHeader: http.Header{"Etag": {`"opaque"`}}}
				}
				return nil
			})
			w, err := s.vault.Folder("2026-11-22").Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			w.Previous(s.openWith("2026-11-21", vault.Keys{}))
			today, err := w.CopyFile(t.Context(), udf, jar)
			if err != nil {
				t.Fatal(err)
			}
			if n := source["GetObject"].Load(); n != 0 {
				t.Errorf("the source was read %d times", n)
			}
			if n := copies["PutObject"].Load() + copies["UploadPart"].Load(); n != 0 {
				t.Errorf("the copy was written %d times from here", n)
			}
			if copies["CopyObject"].Load()+copies["CopyPart"].Load() == 0 {
				t.Error("nothing was copied by the store")
			}
			if reads := copies["GetObject"].Load(); (reads > 0) != c.readBack {
				t.Errorf("the copy was read back %d times", reads)
			}
			stored, err := w.Put(t.Context(), udf, []byte(`{"name":"udf"}`))
			if err != nil {
				t.Fatal(err)
			}
			stored.Files = []vault.File{today}
			if err := w.Commit(t.Context(), &vault.Manifest{FormatVersion: 1, BackupDate: "2026-11-22", Status: vault.Complete, Assets: []vault.Asset{stored}}, nil); err != nil {
				t.Error(err)
			}
			yesterday.ETag, today.ETag = "", ""
			if !sameFile(today, yesterday) || s.object("nightly/2026-11-22/"+today.Key) != s.object("nightly/2026-11-21/"+today.Key) {
				t.Errorf("%+v, want %+v", today, yesterday)
			}
		})
	}
}

func sameFile(a, b vault.File) bool {
	same := a.LastModified.Equal(*b.LastModified)
	a.LastModified, b.LastModified = nil, nil
	return same && a == b
}

func TestCopyFile_OfWhatIsNotThePreviousOneComesFromTheSource(t *testing.T) {
	t.Parallel()
	mine, other := identity(t), identity(t)
	const copied = "nightly/2026-11-21/2_resources/udf.files/dataarts-backup/libs/udf.jar"
	for name, c := range map[string]struct {
		yesterday, today []*age.X25519Identity
		change           func(*shelf)
		want             string
	}{
		"a changed source":               {change: func(s *shelf) { s.put("libs/udf.jar", "raj") }, want: "raj"},
		"a changed source, encrypted":    {yesterday: []*age.X25519Identity{mine}, today: []*age.X25519Identity{mine}, change: func(s *shelf) { s.put("libs/udf.jar", "raj") }, want: "raj"},
		"a copy that was lost":           {change: func(s *shelf) { _ = s.Objects.DeleteObject(localtest.Bucket, copied) }, want: "jar"},
		"a copy that was damaged":        {change: func(s *shelf) { s.put(copied, "jaR") }, want: "jar"},
		"a copy that was cut":            {change: func(s *shelf) { s.put(copied, "ja") }, want: "jar"},
		"a damaged copy, encrypted":      {yesterday: []*age.X25519Identity{mine}, today: []*age.X25519Identity{mine}, change: func(s *shelf) { s.put(copied+".age", s.object(copied + ".age")[1:]+"x") }, want: "jar"},
		"a plain backup, now encrypted":  {today: []*age.X25519Identity{mine}, want: "jar"},
		"an encrypted backup, now plain": {yesterday: []*age.X25519Identity{mine}, want: "jar"},
		"a backup that was for another":  {yesterday: []*age.X25519Identity{other}, today: []*age.X25519Identity{mine}, want: "jar"},
		"a backup that was for one more": {yesterday: []*age.X25519Identity{other, mine}, today: []*age.X25519Identity{mine}, want: "jar"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			s.put("libs/udf.jar", "jar")
			s.sealed(c.yesterday...).mustFile("2026-11-21", "")
			if c.change != nil {
				c.change(s)
			}
			f := s.sealed(c.today...).mustFile("2026-11-22", "2026-11-21")
			got := s.object("nightly/2026-11-22/" + f.Key)
			if len(c.today) > 0 {
				got = decrypt(t, got, mine)
			}
			if got != c.want {
				t.Errorf("it holds %q, want %q", got, c.want)
			}
		})
	}
}

func TestCopyFile_OfASourceThatWasWrittenAnewTellsWhen(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.put("libs/udf.jar", "jar")
	s.mustFile("2026-11-21", "")
	var fromSource atomic.Bool
	s.Objects.Intercept(func(call objectstore.Call) *objectstore.Fault {
		if call.Operation == "CopyObject" && strings.HasSuffix(call.Request.Header.Get("X-Amz-Copy-Source"), "/libs/udf.jar") && !strings.Contains(call.Request.Header.Get("X-Amz-Copy-Source"), "nightly") {
			fromSource.Store(true)
		}
		if call.Operation == "GetObjectMetadata" && call.Key == "libs/udf.jar" {
			return &objectstore.Fault{SetHeader: http.Header{"Last-Modified": {noon.Format(http.TimeFormat)}}}
		}
		return nil
	})
	if f := s.mustFile("2026-11-22", "2026-11-21"); f.LastModified == nil || !f.LastModified.Equal(noon) || !fromSource.Load() {
		t.Errorf("copied from the source: %v; %+v", fromSource.Load(), f)
	}
}

func TestCopyFile_OfASourceThatChangesMeanwhileIsCopiedAgainTomorrow(t *testing.T) {
	t.Parallel()
	s := newShelf(t).parts(64 << 10)
	text := strings.Repeat("0123456789", 20_000)
	s.put("libs/udf.jar", text)
	var once atomic.Bool
	s.Objects.Intercept(func(call objectstore.Call) *objectstore.Fault {
		// After the copy, before it is compared.
		if call.Operation == "GetObject" && strings.HasPrefix(call.Key, "nightly/") && once.CompareAndSwap(false, true) {
			s.put("libs/udf.jar", strings.ToUpper(text)+"!")
		}
		if call.Operation == "GetObjectMetadata" && strings.HasPrefix(call.Key, "nightly/") { // so that the ETag proves nothing
			return &objectstore.Fault{SetHeader: http.Header{"Etag": {`"opaque"`}}}
		}
		return nil
	})
	w, err := s.vault.Folder("2026-11-22").Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f, err := w.CopyFile(t.Context(), udf, jar)
	if err != nil || f.SourceETag != "" {
		t.Errorf("%+v %v", f, err)
	}
}

func TestCommit_RefusesACopiedFileThatSomebodyElseWroteMeanwhile(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*shelf{"plain": newShelf(t), "encrypted": newShelf(t).sealed(identity(t))} {
		t.Run(name, func(t *testing.T) {
			s.put("libs/udf.jar", "jar")
			w, err := s.vault.Folder("2026-11-22").Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			stored, err := w.Put(t.Context(), udf, []byte(`{"name":"udf"}`))
			if err != nil {
				t.Fatal(err)
			}
			file, err := w.CopyFile(t.Context(), udf, jar)
			if err != nil {
				t.Fatal(err)
			}
			stored.Files = []vault.File{file}
			s.put("nightly/2026-11-22/"+file.Key, strings.Repeat("x", int(file.Size)))
			err = w.Commit(t.Context(), &vault.Manifest{FormatVersion: 1, BackupDate: "2026-11-22", Status: vault.Complete, Assets: []vault.Asset{stored}}, nil)
			if !errors.Is(err, store.ErrDamaged) || s.object("nightly/2026-11-22/backup.json") != "" {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestCopyFile_OfThreePartsAndAHalfIsEncryptedPartByPart(t *testing.T) {
	t.Parallel()
	id := identity(t)
	s := newShelf(t).parts(256 << 10).sealed(id)
	text := strings.Repeat("0123456789abcdef", 7*(256<<10)/2/16)
	s.put("libs/udf.jar", text)
	var refused atomic.Bool
	s.Objects.Intercept(func(call objectstore.Call) *objectstore.Fault {
		if call.Operation == "UploadPart" && call.Request.URL.Query().Get("partNumber") == "3" && refused.CompareAndSwap(false, true) {
			return &objectstore.Fault{ResetAfter: true}
		}
		return nil
	})
	f := s.mustFile("2026-11-22", "")
	if n := s.Objects.Calls("UploadPart"); n != 5 { // and one again
		t.Errorf("%d parts were sent", n)
	}
	if decrypt(t, s.object("nightly/2026-11-22/"+f.Key), id) != text {
		t.Error("it decrypts to something else")
	}
}

func TestCopyFile_ThatFailsOnTheWayLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t).parts(64 << 10).sealed(identity(t))
	s.put("libs/udf.jar", strings.Repeat("x", 500<<10))
	s.Objects.Intercept(func(call objectstore.Call) *objectstore.Fault {
		if call.Operation == "GetObject" && call.Key == "libs/udf.jar" {
			return &objectstore.Fault{Truncate: true, TruncateAt: 300 << 10}
		}
		return nil
	})
	if _, err := s.file("2026-11-22", ""); err == nil || errors.Is(err, store.ErrNotExist) {
		t.Errorf("%v", err)
	}
	keys, _ := s.Objects.Keys(localtest.Bucket, "nightly/2026-11-22/2_resources/udf.files/")
	if len(keys) > 0 || s.Objects.Calls("AbortMultipartUpload") != s.Objects.Calls("InitiateMultipartUpload") {
		t.Errorf("%q, %d uploads begun and %d given up", keys, s.Objects.Calls("InitiateMultipartUpload"), s.Objects.Calls("AbortMultipartUpload"))
	}
}
