// Package digest says what has changed in a workspace from one backup to the next: how many assets were added, changed, removed or renamed, which, and by
// whom.
//
// What it guarantees: it looks at two manifests and nothing else, so it costs no request; the counts are exact while the list is
// bounded; what cannot be told is counted apart and never passes for unchanged; and it holds names only, never a variable's value and never a
// script's text.
//
// When an asset has changed is for [compare.Manifests] to say.
package digest

import (
	"cmp"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/compare"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// MaxChanges is how many changes a digest lists one by one. The counts have no such limit.
const MaxChanges = 50

// massLossParts is how many parts the assets of the backup before have, one of which may be lost: losing more than a fifth looks like an accident or an attack.
const massLossParts = 5

// What has happened to an asset.
const (
	Added   = "added"
	Changed = "changed"
	Removed = "removed"
	Renamed = "renamed"
)

// Digest is what has changed since the backup before.
type Digest struct {
	// Since is the path of the backup before, obs://bucket/…/2026-11-21/; empty for the first backup, where everything counts as added.
	Since   string `json:"since"`
	Added   int    `json:"added"`
	Changed int    `json:"changed"`
	Removed int    `json:"removed"`
	// Renamed counts pairs of a removed and an added asset of one kind with the same content. A definition that DataArts sends holds the asset's own name, so its
	// content changes with the name: renaming a job, script or resource normally shows as one removed and one added.
	Renamed int `json:"renamed"`
	// Unknown counts assets of which nothing can be told: one of the two backups is encrypted, and there is no time of the last change.
	Unknown int `json:"unknown,omitempty"`
	// LostShare is how many of the assets of the backup before are removed, from 0 to 1.
	LostShare float64 `json:"lostShare"`
	// MassLoss says that more than a fifth is removed.
	MassLoss bool `json:"massLoss,omitempty"`
	// Changes are the first MaxChanges changes: what is removed first, since that is what somebody may want back. Of the first backup nothing is listed.
	Changes []Change `json:"changes"`
	// Unlisted is how many changes there are beyond those.
	Unlisted int `json:"unlisted,omitempty"`
}

// Change is what has happened to one asset.
type Change struct {
	Kind      asset.Kind `json:"kind"`
	Name      string     `json:"name"`
	Directory string     `json:"directory,omitempty"`
	Change    string     `json:"change"` // added, changed, removed or renamed
	// From is the name that a renamed asset had, with its directory where that is part of it.
	From string `json:"from,omitempty"`
	// By is who changed the asset last, else its owner; empty where the API says neither. Of a removed asset it is who had changed it before it was removed:
	// the API does not tell who removes.
	By string `json:"by,omitempty"`
}

// Total is how many assets are touched.
func (d Digest) Total() int { return d.Added + d.Changed + d.Removed + d.Renamed }

// Between compares two backups of a workspace. before is nil for the first backup.
func Between(before, after *vault.Manifest) Digest {
	d := Digest{Changes: []Change{}}
	if before != nil && after.Previous != nil {
		d.Since = strings.TrimSuffix(after.Previous.Path, "manifest.json")
	}
	sorted := compare.Manifests(cmp.Or(before, &vault.Manifest{Workspace: after.Workspace}), after)
	d.Unknown = len(sorted.Unknown)

	d.Added, d.Changed, d.Removed, d.Renamed = len(sorted.Added), len(sorted.Changed), len(sorted.Removed), len(sorted.Renamed)
	if before != nil && len(before.Assets) > 0 {
		d.LostShare = float64(d.Removed) / float64(len(before.Assets))
		d.MassLoss = d.Removed*massLossParts > len(before.Assets)
	}
	var all []Change
	for _, a := range sorted.Removed {
		all = append(all, change(Removed, a))
	}
	for _, pair := range sorted.Renamed {
		c := change(Renamed, pair.To)
		c.From = compare.FullName(pair.From.Ref())
		all = append(all, c)
	}
	for _, pair := range sorted.Changed {
		all = append(all, change(Changed, pair.To))
	}
	for _, a := range sorted.Added {
		all = append(all, change(Added, a))
	}
	if before != nil { // Of the first backup the manifest is the list.
		d.Changes = append(d.Changes, all[:min(len(all), MaxChanges)]...)
	}
	d.Unlisted = len(all) - len(d.Changes)
	return d
}

func change(what string, a vault.Asset) Change {
	return Change{Kind: a.Kind, Name: a.Name, Directory: a.Directory, Change: what, By: cmp.Or(a.LastModifiedBy, a.Owner)}
}
