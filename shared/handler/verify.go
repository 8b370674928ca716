package handler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// verifyLatest stands in a command for the newest complete backup, so that a timer can verify every day.
const verifyLatest = "latest"

// verify reads a backup against its manifest, and then follows the chain of manifests back to the first backup. A chain that is broken makes the answer
// FAILED, although the backup itself may be sound: somebody removed or altered a day.
func (s *session) verify(ctx context.Context, w vault.Workspace, command backupCommand, after *aftermath) (backup.Result, error) {
	v, err := s.vault(w.ID, command.Folder)
	if err != nil {
		return failed(w, err), err
	}
	started := s.options.Now()
	res := failed(w, nil)
	var found verdict
	err = s.advised(verifyInto(ctx, v, command.Verify, &res, &found))
	after.name = found.workspace
	res.DurationMS = s.options.Now().Sub(started).Milliseconds()
	if err != nil {
		res.Message = err.Error()
	}
	if !command.DryRun { // that is to write nothing
		if note := s.putOnRecord(ctx, v, found); note != "" {
			res.Message += "; " + note
		}
	}
	return res, err
}

// verdict is what a verification came to, for the record.
type verdict struct {
	folder         string
	workspace      string        // its name, as the manifest has it
	manifestSHA256 string        // of the backup that was verified; empty where its manifest proves nothing
	status         vault.Verdict // empty where there is no verdict: the store did not give an object out, or time was over
	faults         []error
}

// damage makes an error the verdict DAMAGED if it is one about what lies in the store, rather than about the store.
func (d *verdict) damage(err error) {
	faults := separate(err)
	if slices.ContainsFunc(faults, isDamage) {
		d.status, d.faults = vault.Damaged, faults
	}
}

// isDamage tells whether a fault is damage. That a newer version wrote a backup is none.
func isDamage(fault error) bool {
	if errors.Is(fault, vault.ErrUnsupported) {
		return false
	}
	return errors.Is(fault, vault.ErrUnproved) || errors.Is(fault, vault.ErrMalformed) || errors.Is(fault, store.ErrDamaged)
}

// chained is the verdict of a backup that is what its manifest says.
func (d *verdict) chained(chain vault.Chain) {
	d.status = vault.Verified
	for _, b := range chain.Breaks {
		d.status, d.faults = vault.ChainBroken, append(d.faults, errors.New(b.Reason))
	}
}

// recordTime is how long the record of a verification may take to write, for which the time may be over.
const recordTime = 5 * time.Second

// putOnRecord keeps a verdict for those who look at the backup later. That it could not be written is said, and changes nothing about the verdict.
func (s *session) putOnRecord(ctx context.Context, v *vault.Vault, d verdict) (note string) {
	if d.status == "" || d.folder == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	faults := make([]string, len(d.faults))
	for i, fault := range d.faults {
		faults[i] = fault.Error()
	}
	if err := v.SetVerification(ctx, d.folder, vault.Verification{ManifestSHA256: d.manifestSHA256, Status: d.status, At: s.options.Now(),
		By: string(s.config.Function), Faults: faults}); err != nil {
		return fmt.Sprintf("this verification is not on record: %v", err)
	}
	return ""
}

func verifyInto(ctx context.Context, v *vault.Vault, name string, res *backup.Result, found *verdict) error {
	b, err := openForVerification(ctx, v, name, res)
	if err != nil {
		if name != verifyLatest { // else it is not known which one it is
			found.folder = name
			found.damage(err)
		}
		return err
	}
	found.folder, found.workspace, found.manifestSHA256 = b.Folder().Name, b.Manifest.Workspace.Name, b.ManifestSHA256
	leftover, err := verifyObjects(ctx, b)
	if err != nil {
		found.damage(err)
		return err
	}
	res.Counts, res.Drift = b.Manifest.Counts, b.Manifest.Drift
	chain, err := b.Chain(ctx)
	if err != nil {
		return fmt.Errorf("the backup itself is what its manifest says; but the backups before it could not be followed: %w", err)
	}
	found.chained(chain)
	if len(chain.Breaks) > 0 {
		return fmt.Errorf("the backup itself is what its manifest says; but %w", brokenChain(chain))
	}
	res.Status = vault.Complete
	res.Message = fmt.Sprintf("verified: %s what the manifest says, no object more and none less; the chain of %s before it is whole",
		are(len(b.Manifest.Assets), "asset"), plural(chain.Length, "backup"))
	if leftover != nil {
		res.Message += "; " + leftover.Error()
	}
	if name == verifyLatest {
		newer, err := unfinishedSince(ctx, v, b.Folder().Name)
		if err != nil {
			return err
		}
		res.Message += newer
	}
	return nil
}

// unfinishedSince names the folders after the newest complete backup: a verification of that says nothing of the nights since.
func unfinishedSince(ctx context.Context, v *vault.Vault, name string) (string, error) {
	folders, err := v.Folders(ctx)
	if err != nil {
		return "", err
	}
	var newer []string
	for _, f := range folders {
		if f.Name <= name {
			continue
		}
		found, err := f.Inspect(ctx)
		if err != nil {
			return "", err
		}
		if found.State != vault.StateComplete {
			newer = append(newer, fmt.Sprintf("%s is %s", f.Name, found.State))
		}
	}
	if len(newer) == 0 {
		return "", nil
	}
	return "; newer, and no backup to restore from: " + few(newer), nil
}

// few lists the first of many, and says how many more there are.
func few(all []string) string {
	const most = 5
	text := strings.Join(all[:min(most, len(all))], ", ")
	if more := len(all) - most; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

// openForVerification opens the backup that is named, and says in the result which it is.
func openForVerification(ctx context.Context, v *vault.Vault, name string, res *backup.Result) (*vault.Backup, error) {
	if name != verifyLatest {
		res.Path = v.Folder(name).Path()
		b, err := v.Folder(name).Open(ctx)
		if errors.Is(err, vault.ErrIncomplete) {
			return nil, noBackup(ctx, v, name, err)
		}
		return b, err
	}
	res.Path = v.Path()
	b, err := v.Latest(ctx)
	if err != nil {
		return nil, err
	}
	if b == nil {
		newer, err := unfinishedSince(ctx, v, "")
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %w%s", v.Path(), vault.ErrIncomplete, newer)
	}
	res.Path = b.Folder().Path()
	return b, nil
}

// noBackup says why a folder that was named is no complete backup: it is PARTIAL, retention removed it, or it is only known that none is there.
func noBackup(ctx context.Context, v *vault.Vault, name string, incomplete error) error {
	folder := v.Folder(name)
	found, err := folder.Inspect(ctx)
	if err != nil {
		return err
	}
	if found.State == vault.StatePartial {
		var missing []string
		for _, m := range found.Manifest.Missing {
			missing = append(missing, missingText(m))
		}
		return fmt.Errorf("%s is PARTIAL and was never completed; missing: %s", folder.Path(), few(missing))
	}
	exists, err := folder.Exists(ctx)
	if err != nil {
		return err
	}
	stone, err := v.Tombstone(ctx, name)
	switch {
	case err == nil && !exists:
		return fmt.Errorf("%s is gone: retention removed it on %s (%s)", folder.Path(), stone.RemovedAt.UTC().Format("2006-01-02 15:04:05 UTC"), stone.Reason)
	case err != nil && !errors.Is(err, store.ErrNotExist) && !errors.Is(err, vault.ErrMalformed):
		return err
	case !exists:
		return fmt.Errorf("%w; there is no object in it, and no tombstone says that retention removed it", incomplete)
	}
	return incomplete
}

// verifyObjects reads everything in a backup. What lies there and does no harm is told apart from what is wrong.
func verifyObjects(ctx context.Context, b *vault.Backup) (leftover, err error) {
	var harmless, faults []error
	for _, fault := range separate(b.Verify(ctx)) {
		if errors.Is(fault, vault.ErrLeftover) {
			harmless = append(harmless, fault)
		} else {
			faults = append(faults, fault)
		}
	}
	return errors.Join(harmless...), errors.Join(faults...)
}

// brokenChain is the error of a chain with breaks: it names the newest few.
func brokenChain(c vault.Chain) error {
	const most = 10
	var text []string
	for _, b := range c.Breaks[:min(most, len(c.Breaks))] {
		text = append(text, b.Reason)
	}
	if more := len(c.Breaks) - most; more > 0 {
		text = append(text, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("the chain of backups before it is broken: %s. Find out who deleted or altered that (the access log of the bucket says so); versions of the "+
		"bucket or a replica may bring it back. If it was done on purpose, a tombstone below removed/ carries the chain on over a deleted day (docs/format.md)", strings.Join(text, "; "))
}
