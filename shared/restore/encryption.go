package restore

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// isFault tells an error about what a backup is from one of a store that did not give it out. A joined error is one as soon as one part is.
func isFault(err error) bool {
	for _, target := range []error{vault.ErrUnproved, vault.ErrMalformed, vault.ErrNoIdentity, vault.ErrWrongIdentity} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// faultsOf are the faults of a backup, one for each joined error, in the words of the settings.
func faultsOf(b *vault.Backup, err error) []string {
	var faults []string
	for _, e := range parts(err) {
		switch {
		case errors.Is(e, vault.ErrNoIdentity):
			faults = append(faults, fmt.Sprintf("%s is encrypted: set RESTORE_IDENTITY to the age private key of %s", b.Folder().Path(), recipients(b)))
		case errors.Is(e, vault.ErrWrongIdentity):
			faults = append(faults, fmt.Sprintf("%s cannot be read with the age private key in RESTORE_IDENTITY: it is encrypted to %s", b.Folder().Path(), recipients(b)))
		default:
			faults = append(faults, strings.Split(e.Error(), "\n")...)
		}
	}
	return faults
}

// parts takes a joined error apart.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, parts(e)...)
		}
		return all
	}
	return []error{err}
}

// recipients names those who can read a backup.
func recipients(b *vault.Backup) string {
	switch all := b.Manifest.Recipients; len(all) {
	case 0:
		return "one of its recipients"
	case 1:
		return "recipient " + all[0]
	default:
		return "one of the recipients " + strings.Join(all, ", ")
	}
}

// concealed tells whether the report of the plan must not hold what is encrypted in the bucket: the backup's definitions, or the live ones that will be saved.
func (p *plan) concealed() bool { return p.backup.Manifest.Encrypted() || p.keys.Encrypts() }

// sealingLike returns options that save encrypted what is saved beside encrypted backups: to the recipients that are configured, else to theirs. A setting
// that is not there must not lay bare what the backup itself keeps closed. Nor must the service's words, so the target's errors come without them then.
func (opts Options) sealingLike(backups ...*vault.Backup) (Options, error) {
	var recipients []string
	encrypted := false
	for _, b := range backups {
		encrypted = encrypted || b.Manifest.Encrypted()
		recipients = append(recipients, b.Manifest.Recipients...)
	}
	if !encrypted && !opts.Locations.Keys.Encrypts() {
		return opts, nil
	}
	opts.Workspace = discreetly(opts.Workspace)
	if !encrypted {
		return opts, nil
	}
	keys, err := opts.Locations.Keys.OrTo(recipients)
	if errors.Is(err, vault.ErrNoIdentity) {
		return opts, refuse("what is overwritten would be saved in plain text, although the backup is encrypted: set BACKUP_RECIPIENTS, or RESTORE_IDENTITY")
	}
	if err != nil {
		return opts, refuse("manifest.json, recipients: %v", err)
	}
	opts.Locations.Keys = keys
	return opts, nil
}

// undoRemark says what an undo will need that this run does not have.
func (p *plan) undoRemark() string {
	saves := false
	note := func(i Item) {
		saves = saves || i.Action == ActionOverwrite || i.Kind == asset.Env && i.Action == ActionCreate
		for _, f := range i.Files {
			saves = saves || f.Action == ActionOverwrite
		}
	}
	for _, s := range p.steps {
		note(s.item)
	}
	for _, i := range p.done { // of the run that is continued
		note(i)
	}
	switch {
	case !saves || p.keys.ReadsOwn():
		return ""
	case p.keys.HasIdentity():
		return "; warning: what is saved before it is overwritten is encrypted to BACKUP_RECIPIENTS, and RESTORE_IDENTITY is the key of none of them: undo will need one that is"
	}
	return "; warning: what is saved before it is overwritten is encrypted to BACKUP_RECIPIENTS: undo will need RESTORE_IDENTITY, which is not set"
}
