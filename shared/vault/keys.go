package vault

import (
	"errors"
	"fmt"
	"slices"

	"filippo.io/age"
)

// sealedSuffix is what the key of an encrypted object ends in.
const sealedSuffix = ".age"

// Errors of encrypted backups that callers tell apart with errors.Is. Neither says anything of a key.
var (
	// ErrNoIdentity: the backup is encrypted, and the folder was given no identity.
	ErrNoIdentity = errors.New("the backup is encrypted, and there is no identity to read it with")
	// ErrWrongIdentity: the backup is encrypted to others than the identity that the folder was given.
	ErrWrongIdentity = errors.New("the backup is encrypted to other recipients than that of the identity")
)

// Keys encrypt what is written and read what is encrypted. The zero value writes plain backups and reads those only. Nothing that prints or
// encodes a Keys shows an identity.
type Keys struct {
	recipients []*age.X25519Recipient
	identity   *age.X25519Identity
}

// ParseKeys makes keys of age public keys ("age1…"), to which everything that is written is encrypted, and of the private key
// ("AGE-SECRET-KEY-1…") that reads it. Both may be empty. The error repeats no key.
func ParseKeys(recipients []string, identity string) (Keys, error) {
	var k Keys
	for i, text := range recipients {
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return Keys{}, fmt.Errorf("recipient %d of %d is no age public key", i+1, len(recipients)) // the library's error has the text
		}
		if !slices.Contains(k.Recipients(), r.String()) {
			k.recipients = append(k.recipients, r)
		}
	}
	if identity != "" {
		id, err := age.ParseX25519Identity(identity)
		if err != nil {
			return Keys{}, errors.New("the identity is no age private key")
		}
		k.identity = id
	}
	return k, nil
}

// Encrypts tells whether what is written with these keys is encrypted.
func (k Keys) Encrypts() bool { return len(k.recipients) > 0 }

// HasIdentity tells whether there is a private key.
func (k Keys) HasIdentity() bool { return k.identity != nil }

// ReadsOwn tells whether what is written with these keys can be read with them.
func (k Keys) ReadsOwn() bool {
	return !k.Encrypts() || k.identity != nil && slices.Contains(k.Recipients(), k.identity.Recipient().String())
}

// Recipients lists the public keys in ascending order; nil without any.
func (k Keys) Recipients() []string {
	var all []string
	for _, r := range k.recipients {
		all = append(all, r.String())
	}
	slices.Sort(all)
	return all
}

// OrTo returns the keys, with these recipients if they have none: what is saved beside a backup that is encrypted must not lie there plain because nobody
// configured recipients. Without any it is the identity's own. Errors: [ErrNoIdentity] where there is nobody to encrypt to; a recipient that is none.
func (k Keys) OrTo(recipients []string) (Keys, error) {
	if k.Encrypts() {
		return k, nil
	}
	to, err := ParseKeys(recipients, "")
	if err != nil {
		return Keys{}, err
	}
	to.identity = k.identity
	if !to.Encrypts() {
		if to.identity == nil {
			return Keys{}, ErrNoIdentity
		}
		to.recipients = append(to.recipients, to.identity.Recipient())
	}
	return to, nil
}

// fits tells whether what is encrypted to these recipients, in any order, or to none, is as these keys would write it. What was written to others must not
// be taken over: nobody who has the keys of today could be sure to read it.
func (k Keys) fits(recipients []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(recipients)), k.Recipients())
}

// WithKeys returns the vault with keys for its folders.
func (v *Vault) WithKeys(k Keys) *Vault {
	with := *v
	with.keys = k
	return &with
}

// WithKeys returns the folder with keys: what is written into it is encrypted if there are recipients, and definitions are read with the identity.
func (f *Folder) WithKeys(k Keys) *Folder {
	with := *f
	with.keys = k
	return &with
}
