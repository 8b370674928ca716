package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// Encrypted tells whether the backup's assets and files are age-encrypted. All are, or none.
func (m *Manifest) Encrypted() bool {
	return len(m.Recipients) > 0 || len(m.Assets) > 0 && m.Assets[0].encrypted()
}

// encrypted tells an encrypted asset by its key: no plain one ends so, because every kind has an ending of its own.
func (a Asset) encrypted() bool { return strings.HasSuffix(a.Key, sealedSuffix) }

// checkKeys holds the keys of assets and files against their names. Either all have the ending of encrypted objects or none has.
func (m *Manifest) checkKeys() error {
	encrypted, seen := m.Encrypted(), map[string]bool{}
	suffix := ""
	if encrypted {
		suffix = sealedSuffix
	}
	for _, a := range m.Assets {
		if want := a.Ref().Key() + suffix; a.Key != want {
			if a.encrypted() != encrypted && strings.TrimSuffix(a.Key, sealedSuffix) == a.Ref().Key() {
				return fmt.Errorf("%s has key %q, but other assets or the recipients say otherwise: a backup is encrypted as a whole or not at all", a.Ref(), a.Key)
			}
			return fmt.Errorf("%s has key %q, want %q", a.Ref(), a.Key, want)
		}
		if seen[a.Key] {
			return fmt.Errorf("%s stands there twice", a.Ref())
		}
		seen[a.Key] = true
		for _, f := range a.Files {
			want, _ := a.Ref().FileKey(f.Location)
			if f.Key != "" && f.Key != want+suffix {
				return fmt.Errorf("file %s of %s has key %q, want %q", f.Location, a.Ref(), f.Key, want+suffix)
			}
		}
	}
	for _, f := range m.Files {
		if want, _ := looseFile().FileKey(f.Location); f.Key != want+suffix {
			return fmt.Errorf("file %s has key %q, want %q", f.Location, f.Key, want+suffix)
		}
	}
	return nil
}

// Readable tells early whether the folder's identity can read the definitions: nil if they are not encrypted, if there are none, or if nothing speaks
// against it. Errors: [ErrNoIdentity], [ErrWrongIdentity].
func (b *Backup) Readable() error {
	if !b.Manifest.Encrypted() || len(b.Manifest.Assets)+len(b.Manifest.Files) == 0 || b.Unverified {
		return nil
	}
	own := b.folder.keys.identity
	if own == nil {
		return fmt.Errorf("%s: %w", b.folder.Path(), ErrNoIdentity)
	}
	for _, r := range b.Manifest.Recipients {
		if r == own.Recipient().String() {
			return nil
		}
	}
	if len(b.Manifest.Recipients) > 0 {
		return fmt.Errorf("%s: %w", b.folder.Path(), ErrWrongIdentity)
	}
	return nil
}

// ageRecipients are the recipients as the library takes them.
func (k Keys) ageRecipients() []age.Recipient {
	var all []age.Recipient
	for _, r := range k.recipients {
		all = append(all, r)
	}
	return all
}

// seal encrypts a definition. The same bytes give others every time.
func (k Keys) seal(plain []byte) ([]byte, error) {
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, k.ageRecipients()...)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return sealed.Bytes(), nil
}

// unseal decrypts what seal made. Errors: [ErrNoIdentity], [ErrWrongIdentity], [ErrMalformed].
func (k Keys) unseal(sealed []byte) ([]byte, error) {
	if k.identity == nil {
		return nil, ErrNoIdentity
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), k.identity)
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return nil, ErrWrongIdentity
	}
	if err != nil {
		return nil, fmt.Errorf("%w: not an age file: %w", ErrMalformed, err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%w: not a whole age file: %w", ErrMalformed, err)
	}
	return plain, nil
}
