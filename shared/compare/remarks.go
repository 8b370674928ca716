package compare

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// FullName is how an item names another asset: a resource with its directory, without which its name says little.
func FullName(ref asset.Ref) string {
	if ref.Kind != asset.Resources {
		return ref.Name
	}
	return strings.TrimSuffix(ref.Directory, "/") + "/" + ref.Name
}

// Lacks says why a backup may be without an asset although the workspace had it: it could not be read, or nobody knows what the workspace had of the kind. It
// is empty where the backup would have the asset if there was one.
func Lacks(m *vault.Manifest, ref asset.Ref) string {
	ref = ref.Identity()
	for _, missing := range m.Missing {
		named := asset.Ref{Kind: missing.Kind, Name: missing.Name, Directory: missing.Directory}.Identity()
		switch {
		case missing.Kind != ref.Kind:
		case missing.Kind == asset.Env, named == ref:
			return "it could not be read then: " + missing.Reason
		case missing.Name == "":
			return fmt.Sprintf("not all %s could be read then: %s", missing.Kind, missing.Reason)
		}
	}
	for _, kind := range m.Unsupported {
		if kind.Kind == ref.Kind {
			return fmt.Sprintf("no %s could be read then: %s", kind.Kind, kind.Reason)
		}
	}
	return ""
}

// Remarks are what one should know of a backup that is compared with something.
func Remarks(b *vault.Backup) []string {
	var all []string
	if b.Unverified {
		all = append(all, b.Folder().Path()+" is unverified: it was not written by DataArts Backup, and nothing proves what is in it")
	}
	if b.Manifest.Status != vault.Complete {
		all = append(all, fmt.Sprintf("%s is %s: what its manifest lists as missing counts as unknown, unless the other has none of it either", b.Folder().Path(), b.Manifest.Status))
	}
	return all
}

func (c *comparing) remarks() []string {
	all := Remarks(c.from)
	if c.to.Folder().Path() != c.from.Folder().Path() {
		all = append(all, Remarks(c.to)...)
	}
	if a, b := c.from.Manifest.Workspace.ID, c.to.Manifest.Workspace.ID; a != "" && b != "" && a != b {
		all = append(all, fmt.Sprintf("the two are of different workspaces, %s and %s", a, b))
	}
	if c.closed != "" {
		all = append(all, "fields are not told: "+strings.TrimPrefix(c.closed, "its fields cannot be told: "))
	}
	return all
}

// InWords is the error of reading a backup, in the words of the settings where they are at fault.
func InWords(b *vault.Backup, err error) string { return inWords(b, err).Error() }

func inWords(b *vault.Backup, err error) error {
	switch {
	case errors.Is(err, vault.ErrNoIdentity):
		return fmt.Errorf("%s is encrypted, and RESTORE_IDENTITY is not set", b.Folder().Path())
	case errors.Is(err, vault.ErrWrongIdentity):
		return fmt.Errorf("%s is encrypted to others than the age private key in RESTORE_IDENTITY", b.Folder().Path())
	}
	return err
}
