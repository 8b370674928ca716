package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Verdict is what a verification of a backup came to.
type Verdict string

// The verdicts. What the store did not give out has none.
const (
	// Verified: every object is what the manifest says, there is none more, and so are the manifests before it.
	Verified Verdict = "VERIFIED"
	// Damaged: something is not as the manifest says.
	Damaged Verdict = "DAMAGED"
	// ChainBroken: the backup is what its manifest says, and one before it vanished or was altered.
	ChainBroken Verdict = "CHAIN_BROKEN"
)

// Verification is the record of the last verification of a backup: `<location>/verifications/<folder>.json`. It lies beside the folders, so that no folder holds
// more than a backup. It speaks of the backup with that manifest, and of no other that may have the folder later.
type Verification struct {
	FormatVersion int    `json:"formatVersion"`
	Path          string `json:"path"` // obs:// path of the folder
	// ManifestSHA256 is the hash of the manifest that was verified against; empty where none could be trusted.
	ManifestSHA256 string    `json:"manifestSha256"`
	Status         Verdict   `json:"status"`
	At             time.Time `json:"at"`     // when it ended
	By             string    `json:"by"`     // the function that did it
	Faults         []string  `json:"faults"` // the first of them
	FaultCount     int       `json:"faultCount"`
}

const verificationFolder = "verifications/"

// Bounds of a record.
const (
	maxFaults       = 20
	maxFault        = 1000 // bytes of one fault
	maxVerification = 256 << 10
)

func (v *Vault) verificationKey(name string) string {
	return v.prefix + verificationFolder + name + ".json"
}

// SetVerification puts a verification of a folder on record, in the place of the one before. Faults are cut to what a record holds; FaultCount is
// set to how many there are.
func (v *Vault) SetVerification(ctx context.Context, folder string, record Verification) error {
	record.FormatVersion, record.Path, record.At = FormatVersion, v.Folder(folder).Path(), record.At.UTC()
	record.FaultCount = len(record.Faults)
	faults := []string{}
	for _, fault := range record.Faults[:min(len(record.Faults), maxFaults)] {
		faults = append(faults, cut(strings.ToValidUTF8(fault, "\uFFFD"), maxFault))
	}
	record.Faults = faults
	text, err := encodeJSON(record, "  ")
	if err == nil {
		_, err = v.store.Put(ctx, v.verificationKey(folder), append(text, '\n'), store.Condition{})
	}
	if err != nil {
		return fmt.Errorf("write the verification of %s: %w", v.Folder(folder).Path(), err)
	}
	return nil
}

// cut is the beginning of a text with so many bytes at most.
func cut(text string, most int) string {
	const more = "…"
	if len(text) <= most {
		return text
	}
	end := most - len(more)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}

// Verification reads the record of the last verification of a folder; nil where there is none. Whether it speaks of the backup that is there now is for
// [Verification.Of]. Errors: [ErrMalformed].
func (v *Vault) Verification(ctx context.Context, folder string) (*Verification, error) {
	text, _, err := store.ReadAll(ctx, v.store, v.verificationKey(folder), maxVerification)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return nil, nil //nolint:nilnil // most backups have none
	case err != nil:
		return nil, fmt.Errorf("read the verification of %s: %w", v.Folder(folder).Path(), err)
	}
	var record Verification
	if err := json.Unmarshal(text, &record); err != nil {
		return nil, fmt.Errorf("the verification of %s is %w: %w", v.Folder(folder).Path(), ErrMalformed, err)
	}
	return &record, nil
}

// Of tells whether the verification speaks of the backup that was found in the folder.
func (r *Verification) Of(found Inspection) bool {
	return r != nil && (found.State == StateComplete || found.State == StateDamaged) && r.ManifestSHA256 == found.ManifestSHA256
}

// Verifications lists the folders that have a record, with the text that changes whenever the record does.
func (v *Vault) Verifications(ctx context.Context) (map[string]string, error) {
	records := map[string]string{}
	prefix := v.prefix + verificationFolder
	err := v.store.List(ctx, prefix, "", func(info store.Info) error {
		if name, ok := strings.CutSuffix(strings.TrimPrefix(info.Key, prefix), ".json"); ok && IsFolderName(name) {
			records[name] = fmt.Sprintf("%s %d %d", info.ETag, info.Size, info.LastModified.UnixNano())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the verifications in %s: %w", v.Path(), err)
	}
	return records, nil
}

// verificationOf is the key of a folder's record, if it may be there. A deletion of what is not would leave a delete marker in a bucket with versions.
func (v *Vault) verificationOf(ctx context.Context, folder string) []string {
	key := v.verificationKey(folder)
	if _, err := v.store.Stat(ctx, key); errors.Is(err, store.ErrNotExist) {
		return nil
	}
	return []string{key}
}
