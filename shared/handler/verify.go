package handler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// verifyLatest stands in a command for the newest complete backup, so that a timer can verify every day.
const verifyLatest = "latest"

// verify reads a backup against its manifest, and then follows the chain of manifests back to the first backup. A chain that is broken makes the answer
// FAILED, although the backup itself may be sound: somebody removed or altered a day.
func (s *session) verify(ctx context.Context, _ runtime.Invocation, w vault.Workspace, command backupCommand, _ time.Time) (backup.Result, error) {
	v, err := s.vault(w.ID, command.Folder)
	if err != nil {
		return failed(w, err), err
	}
	started := s.options.Now()
	res := failed(w, nil)
	err = verifyInto(ctx, v, command.Verify, &res)
	res.DurationMS = s.options.Now().Sub(started).Milliseconds()
	if err != nil {
		res.Message = err.Error()
	}
	return res, err
}

func verifyInto(ctx context.Context, v *vault.Vault, name string, res *backup.Result) error {
	b, err := openForVerification(ctx, v, name, res)
	if err != nil {
		return err
	}
	leftover, err := verifyObjects(ctx, b)
	if err != nil {
		return err
	}
	res.Counts, res.Drift = b.Manifest.Counts, b.Manifest.Drift
	chain, err := b.Chain(ctx)
	if err != nil {
		return fmt.Errorf("the backup itself is what its manifest says; but the backups before it could not be followed: %w", err)
	}
	if len(chain.Breaks) > 0 {
		return fmt.Errorf("the backup itself is what its manifest says; but %w", brokenChain(chain))
	}
	res.Status = vault.Complete
	res.Message = fmt.Sprintf("verified: %d assets are what the manifest says, no object more and none less; the chain of %s before it is whole",
		len(b.Manifest.Assets), plural(chain.Length, "backup"))
	if leftover != nil {
		res.Message += "; " + leftover.Error()
	}
	return nil
}

// openForVerification opens the backup that is named, and says in the result which it is.
func openForVerification(ctx context.Context, v *vault.Vault, name string, res *backup.Result) (*vault.Backup, error) {
	if name != verifyLatest {
		res.Path = v.Folder(name).Path()
		return v.Folder(name).Open(ctx)
	}
	res.Path = v.Path()
	b, err := v.Latest(ctx)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, fmt.Errorf("%s: %w", v.Path(), vault.ErrIncomplete)
	}
	res.Path = b.Folder().Path()
	return b, nil
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
	return fmt.Errorf("the chain of backups before it is broken: %s", strings.Join(text, "; "))
}
