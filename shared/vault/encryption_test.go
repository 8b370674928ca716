package vault_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func keys(t *testing.T, reads *age.X25519Identity, writes ...*age.X25519Identity) vault.Keys {
	t.Helper()
	var recipients []string
	for _, id := range writes {
		recipients = append(recipients, id.Recipient().String())
	}
	own := ""
	if reads != nil {
		own = reads.String()
	}
	k, err := vault.ParseKeys(recipients, own)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sealed is a shelf whose backups are encrypted to somebody.
func (s *shelf) sealed(to ...*age.X25519Identity) *shelf {
	other := *s
	other.vault = s.vault.WithKeys(keys(s.t, nil, to...))
	return &other
}

func (s *shelf) openWith(name string, k vault.Keys) *vault.Backup {
	s.t.Helper()
	b, err := s.vault.Folder(name).WithKeys(k).Open(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// definitions reads all definitions of a backup.
func definitions(t *testing.T, b *vault.Backup) (map[string]string, error) {
	t.Helper()
	all := map[string]string{}
	err := b.Each(t.Context(), 4, func(a vault.Asset, definition []byte) error {
		all[a.Name] = string(definition)
		return nil
	})
	return all, err
}

func TestEncryptedBackup_IsReadWithAnyOfItsKeysAndNoOther(t *testing.T) {
	t.Parallel()
	first, second, stranger := identity(t), identity(t), identity(t)
	s := newShelf(t).sealed(first, second)
	s.write("2026-11-22", noon, vault.Complete)
	for name, c := range map[string]struct {
		reads *age.X25519Identity
		want  error
	}{"the first": {first, nil}, "the second": {second, nil}, "a stranger's": {stranger, vault.ErrWrongIdentity}, "none": {nil, vault.ErrNoIdentity}} {
		t.Run(name, func(t *testing.T) {
			b := s.openWith("2026-11-22", keys(t, c.reads))
			if err := b.Readable(); !errors.Is(err, c.want) {
				t.Errorf("Readable says %v, want %v", err, c.want)
			}
			got, err := definitions(t, b)
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if err != nil && strings.Count(err.Error(), "identity") != 1 {
				t.Errorf("it is named more than once: %v", err)
			}
			if c.want == nil && (got["sql"] != sql || got["a<b"] != job) {
				t.Errorf("%q", got)
			}
			if err := b.Verify(t.Context()); err != nil {
				t.Errorf("it cannot be verified: %v", err)
			}
		})
	}
}

func TestEncryptedBackup_HoldsNothingReadableButTheProof(t *testing.T) {
	t.Parallel()
	s := newShelf(t).sealed(identity(t))
	s.put("libs/udf.jar", "the text in the jar")
	w, err := s.vault.Folder("2026-11-22").Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := &vault.Manifest{FormatVersion: 1, BackupDate: "2026-11-22", Status: vault.Complete}
	for _, a := range []struct {
		ref  asset.Ref
		text string
	}{
		{asset.Ref{Kind: asset.Env, Name: asset.EnvName}, `{"params":[{"name":"password","value":"hunter2"}]}`},
		{asset.Ref{Kind: asset.Scripts, Name: "sql"}, sql},
		{asset.Ref{Kind: asset.Resources, Name: "udf", Directory: "/"}, `{"name":"udf","desc":"a description","location":"obs://dataarts-backup/libs/udf.jar"}`},
		{asset.Ref{Kind: asset.Jobs, Name: "a<b"}, job},
	} {
		stored, err := w.Put(t.Context(), a.ref, []byte(a.text))
		if err != nil {
			t.Fatal(err)
		}
		if stored.Key != a.ref.Key()+".age" || stored.ContentSHA256 != "" || stored.Size <= int64(len(a.text)) || stored.SHA256 != vault.Hash([]byte(s.object("nightly/2026-11-22/"+stored.Key))) {
			t.Errorf("%+v", stored)
		}
		if a.ref.Kind == asset.Resources {
			file, err := w.CopyFile(t.Context(), a.ref, "obs://dataarts-backup/libs/udf.jar")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(file.Key, "/udf.jar.age") || file.ContentSHA256 != "" {
				t.Errorf("%+v", file)
			}
			stored.Files = []vault.File{file}
		}
		m.Assets = append(m.Assets, stored)
		w.Bind(a.ref, asset.Bindings(a.ref.Kind, []byte(a.text)))
	}
	if err := w.Commit(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	objects, err := s.Objects.Keys(localtest.Bucket, "nightly/")
	if err != nil || len(objects) != 7 {
		t.Fatalf("%q %v", objects, err)
	}
	for _, key := range objects {
		text := s.object(key)
		for _, secret := range []string{"hunter2", "select 1", "the text in the jar", "a description"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %q", key, secret)
			}
		}
		plain := strings.HasSuffix(key, "/manifest.json") || strings.HasSuffix(key, "/backup.json")
		if json.Valid([]byte(text)) != plain || strings.HasSuffix(key, ".age") == plain {
			t.Errorf("%s is otherwise than its name says", key)
		}
	}
	for _, secret := range []string{`{"params":[{"name":"password","value":"hunter2"}]}`, sql, job, "the text in the jar"} {
		if strings.Contains(s.object("nightly/2026-11-22/manifest.json"), vault.Hash([]byte(secret))) {
			t.Errorf("the manifest proves a guess at %q", secret)
		}
	}
}

func TestEncryptedBackup_ABitThatFlippedIsFoundWithAndWithoutTheKey(t *testing.T) {
	t.Parallel()
	id := identity(t)
	s := newShelf(t).sealed(id)
	s.write("2026-11-22", noon, vault.Complete)
	const key = "nightly/2026-11-22/3_scripts/sql.script.age"
	data := []byte(s.object(key))
	data[len(data)/2] ^= 1
	s.put(key, string(data))
	for name, k := range map[string]vault.Keys{"with": keys(t, id), "without": {}, "with a wrong one": keys(t, identity(t))} {
		b := s.openWith("2026-11-22", k)
		if err := b.Verify(t.Context()); !errors.Is(err, vault.ErrUnproved) || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: Verify says %v", name, err)
		}
		if _, err := definitions(t, b); !errors.Is(err, vault.ErrUnproved) || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: reading says %v", name, err)
		}
	}
}

func TestEncryptedBackup_WhatIsProvedAndNoAgeFileIsAnError(t *testing.T) {
	t.Parallel()
	id := identity(t)
	s := newShelf(t).sealed(id)
	s.write("2026-11-22", noon, vault.Complete)
	for name, change := range map[string]func([]byte) []byte{
		"a header that is none": func(b []byte) []byte { return []byte(sql) },
		"a file cut short":      func(b []byte) []byte { return b[:len(b)-1] },
	} {
		const key = "3_scripts/sql.script.age"
		b := s.openWith("2026-11-22", keys(t, id))
		i := slices.IndexFunc(b.Manifest.Assets, func(a vault.Asset) bool { return a.Key == key })
		forged := change([]byte(s.object("nightly/2026-11-22/" + key)))
		b.Manifest.Assets[i].Size, b.Manifest.Assets[i].SHA256 = int64(len(forged)), vault.Hash(forged)
		old := s.object("nightly/2026-11-22/" + key)
		s.put("nightly/2026-11-22/"+key, string(forged))
		if _, err := b.Definition(t.Context(), b.Manifest.Assets[i]); !errors.Is(err, vault.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
		s.put("nightly/2026-11-22/"+key, old)
	}
}

func TestManifest_OfABackupThatIsEncryptedInPartIsMalformed(t *testing.T) {
	t.Parallel()
	id := identity(t)
	for name, change := range map[string]func(m string) string{
		"one plain asset":            func(m string) string { return strings.Replace(m, ".job.age", ".job", 1) },
		"one plain asset, the first": func(m string) string { return strings.Replace(m, ".script.age", ".script", 1) },
		"all plain, with recipients": func(m string) string {
			return strings.NewReplacer(".job.age", ".job", ".script.age", ".script").Replace(m)
		},
		"an asset under another name": func(m string) string { return strings.Replace(m, "sql.script.age", "sqL.script.age", 1) },
		"the ending twice":            func(m string) string { return strings.Replace(m, ".job.age", ".job.age.age", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t).sealed(id)
			s.write("2026-11-22", noon, vault.Complete)
			const key = "nightly/2026-11-22/manifest.json"
			old := s.object(key)
			changed := change(old)
			if changed == old {
				t.Fatal("nothing changed")
			}
			s.put(key, changed)
			document := "nightly/2026-11-22/backup.json"
			s.put(document, strings.Replace(s.object(document), vault.Hash([]byte(old)), vault.Hash([]byte(changed)), 1))
			if _, err := s.vault.Folder("2026-11-22").Open(t.Context()); !errors.Is(err, vault.ErrMalformed) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestCommit_RefusesAnAssetThatAnotherRunStoredWithoutTheKeys(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	ref := asset.Ref{Kind: asset.Scripts, Name: "sql"}
	w, err := s.vault.Folder("2026-11-22").Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plain, err := w.Put(t.Context(), ref, []byte(sql))
	if err != nil {
		t.Fatal(err)
	}
	if w, err = s.sealed(identity(t)).vault.Folder("2026-11-22").Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := &vault.Manifest{FormatVersion: 1, BackupDate: "2026-11-22", Status: vault.Complete, Assets: []vault.Asset{plain}}
	if err := w.Commit(t.Context(), m, nil); err == nil || s.object("nightly/2026-11-22/manifest.json") != "" {
		t.Errorf("%v", err)
	}
	// Stored anew, it is encrypted, and what lay there in the clear is gone.
	sealed, err := w.Put(t.Context(), ref, []byte(sql))
	if err != nil {
		t.Fatal(err)
	}
	m.Assets = []vault.Asset{sealed}
	if err := w.Commit(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	if text := s.object("nightly/2026-11-22/" + plain.Key); text != "" {
		t.Errorf("%s still holds %q", plain.Key, text)
	}
}

func TestCommit_OfAnEncryptedBackupNamesItsRecipients(t *testing.T) {
	t.Parallel()
	first, second := identity(t), identity(t)
	s := newShelf(t).sealed(first, second, first)
	s.write("2026-11-22", noon, vault.Complete)
	want := []string{first.Recipient().String(), second.Recipient().String()}
	slices.Sort(want)
	if got := s.openWith("2026-11-22", vault.Keys{}).Manifest.Recipients; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	plain := newShelf(t)
	plain.write("2026-11-22", noon, vault.Complete)
	if strings.Contains(plain.object("nightly/2026-11-22/manifest.json"), "recipients") {
		t.Error("a plain backup has recipients")
	}
}

func TestKeys_NeverShowAKey(t *testing.T) {
	t.Parallel()
	id := identity(t)
	secret := id.String()
	k := keys(t, id, id)
	var printed strings.Builder
	for _, v := range []any{k, &k, []vault.Keys{k}, struct{ K vault.Keys }{k}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&printed, verb, v)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		printed.Write(text)
	}
	mistyped := strings.Replace(secret, secret[20:21], map[bool]string{true: "Q", false: "P"}[secret[20:21] != "Q"], 1)
	for _, bad := range [][]string{{"", mistyped}, {secret, ""}, {id.Recipient().String()[1:], ""}} {
		var recipients []string
		if bad[0] != "" {
			recipients = []string{bad[0]}
		}
		_, err := vault.ParseKeys(recipients, bad[1])
		if err == nil {
			t.Errorf("%q is taken", bad)
			continue
		}
		printed.WriteString(err.Error())
	}
	for at := 0; at+12 <= len(secret); at++ { // not even a part
		if piece := secret[at : at+12]; piece != "AGE-SECRET-K" && strings.Contains(strings.ToUpper(printed.String()), piece) && !strings.HasPrefix("AGE-SECRET-KEY-1", piece) {
			t.Fatalf("a part of the key was printed: %s", printed.String())
		}
	}
}

func TestKeys_TellWhatTheyCanDo(t *testing.T) {
	t.Parallel()
	mine, other := identity(t), identity(t)
	for name, c := range map[string]struct {
		keys                    vault.Keys
		encrypts, has, readsOwn bool
	}{
		"none":             {vault.Keys{}, false, false, true},
		"recipients only":  {keys(t, nil, other), true, false, false},
		"an identity only": {keys(t, mine), false, true, true},
		"both":             {keys(t, mine, other, mine), true, true, true},
		"not a pair":       {keys(t, mine, other), true, true, false},
	} {
		if c.keys.Encrypts() != c.encrypts || c.keys.HasIdentity() != c.has || c.keys.ReadsOwn() != c.readsOwn {
			t.Errorf("%s: %v %v %v", name, c.keys.Encrypts(), c.keys.HasIdentity(), c.keys.ReadsOwn())
		}
	}
}

// decrypt is what anybody does with age and the key.
func decrypt(t *testing.T, sealed string, id age.Identity) string {
	t.Helper()
	r, err := age.Decrypt(strings.NewReader(sealed), id)
	if err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	if _, err := io.Copy(&plain, r); err != nil {
		t.Fatal(err)
	}
	return plain.String()
}
