// Package digest says what has changed in a workspace from one backup to the next: how many assets were added, changed, removed or renamed, which, and by
// whom.
//
// What it guarantees: it looks at two manifests and nothing else, so it costs no request; the counts are exact while the list is
// bounded; what cannot be told is counted apart and never passes for unchanged; and it holds names only, never a variable's value and never a
// script's text.
//
// An asset has changed when its content differs, unless the API said of both that they were changed last at the same moment: a job's export and its own
// call may spell one job differently, and which of them a run could use may change from night to night. Where a time is missing, the content alone decides.
package digest

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
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
	old := map[asset.Ref]vault.Asset{}
	if before != nil {
		if after.Previous != nil {
			d.Since = strings.TrimSuffix(after.Previous.Path, "manifest.json")
		}
		for _, a := range before.Assets {
			old[a.Ref().Identity()] = a
		}
	}
	var added, changed []vault.Asset
	for _, a := range after.Assets {
		was, existed := old[a.Ref().Identity()]
		delete(old, a.Ref().Identity())
		if !existed {
			added = append(added, a)
			continue
		}
		switch differs(was, a) {
		case yes:
			changed = append(changed, a)
		case unknown:
			d.Unknown++
		}
	}
	removed := make([]vault.Asset, 0, len(old))
	for _, a := range old {
		removed = append(removed, a)
	}
	order(removed)
	order(added)
	order(changed)
	removed, added, renamed := rename(removed, added)

	d.Added, d.Changed, d.Removed, d.Renamed = len(added), len(changed), len(removed), len(renamed)
	if before != nil && len(before.Assets) > 0 {
		d.LostShare = float64(d.Removed) / float64(len(before.Assets))
		d.MassLoss = d.Removed*massLossParts > len(before.Assets)
	}
	all := slices.Concat(changes(Removed, removed), renamed, changes(Changed, changed), changes(Added, added))
	if before != nil { // Of the first backup the manifest is the list.
		d.Changes = append(d.Changes, all[:min(len(all), MaxChanges)]...)
	}
	d.Unlisted = len(all) - len(d.Changes)
	return d
}

// rename takes out of removed and added what is one asset under another name: the only ones of their kind with a certain content.
func rename(removed, added []vault.Asset) (stillRemoved, stillAdded []vault.Asset, renamed []Change) {
	type content struct {
		kind asset.Kind
		hash string
	}
	of := func(a vault.Asset) content { return content{a.Kind, a.ContentSHA256} }
	count := func(assets []vault.Asset) map[content][]vault.Asset {
		by := map[content][]vault.Asset{}
		for _, a := range assets {
			if a.ContentSHA256 != "" {
				by[of(a)] = append(by[of(a)], a)
			}
		}
		return by
	}
	gone, come := count(removed), count(added)
	pair := func(a vault.Asset) bool { return len(gone[of(a)]) == 1 && len(come[of(a)]) == 1 }
	for _, a := range added {
		if !pair(a) {
			stillAdded = append(stillAdded, a)
			continue
		}
		c := change(Renamed, a)
		was := gone[of(a)][0]
		c.From = was.Name
		if was.Kind == asset.Resources {
			c.From = strings.TrimSuffix(was.Directory, "/") + "/" + was.Name
		}
		renamed = append(renamed, c)
	}
	return slices.DeleteFunc(removed, pair), stillAdded, renamed
}

// answer is whether two assets differ.
type answer int

const (
	no answer = iota
	yes
	unknown
)

// differs compares an asset with itself a day before. A definition that was changed last at the same moment is the same, however it was read.
func differs(a, b vault.Asset) answer {
	definition := no
	if a.LastModified == nil || b.LastModified == nil || !a.LastModified.Equal(*b.LastModified) {
		definition = compare(
			side{a.ContentSHA256, a.Size, encrypted(a.Key), a.LastModified != nil, ""},
			side{b.ContentSHA256, b.Size, encrypted(b.Key), b.LastModified != nil, ""},
			func() bool { return false })
	}
	return either(definition, filesDiffer(a.Files, b.Files))
}

// filesDiffer compares the files that a resource points to: one may change while the definition stays.
func filesDiffer(before, after []vault.File) answer {
	old := map[string]vault.File{}
	for _, f := range before {
		old[f.Location] = f
	}
	result := no
	for _, b := range after {
		a, existed := old[b.Location]
		if !existed {
			continue // The definition has changed then, or an older version did not look for this file.
		}
		if a.Key == "" && b.Key == "" {
			continue
		}
		if a.Key == "" || b.Key == "" {
			return yes // It has come, or it has gone.
		}
		result = either(result, compare(
			side{a.ContentSHA256, a.Size, encrypted(a.Key), a.LastModified != nil, a.SourceETag},
			side{b.ContentSHA256, b.Size, encrypted(b.Key), b.LastModified != nil, b.SourceETag},
			func() bool { return a.LastModified.Equal(*b.LastModified) }))
	}
	return result
}

// side is what a manifest knows of stored content.
type side struct {
	content   string
	size      int64
	encrypted bool
	dated     bool
	etag      string // of a file's source
}

// compare takes the best proof there is: the hash of the content, the source's ETag, the time of the last change, and of two files stored in the same way their size.
func compare(a, b side, sameTime func() bool) answer {
	is := func(differs bool) answer {
		if differs {
			return yes
		}
		return no
	}
	switch {
	case a.content != "" && b.content != "":
		return is(a.content != b.content)
	case a.etag != "" && b.etag != "":
		return is(a.etag != b.etag)
	case a.dated && b.dated:
		return is(!sameTime())
	case a.encrypted == b.encrypted:
		return is(a.size != b.size)
	}
	return unknown
}

// either is yes if one of them is, else unknown if one is.
func either(a, b answer) answer {
	switch {
	case a == yes || b == yes:
		return yes
	case a == unknown || b == unknown:
		return unknown
	}
	return no
}

// encrypted tells an encrypted object by its key.
func encrypted(key string) bool { return strings.HasSuffix(key, ".age") }

// order is that of manifests: by kind in restore order, then by key.
func order(assets []vault.Asset) {
	slices.SortFunc(assets, func(a, b vault.Asset) int {
		return cmp.Or(slices.Index(asset.Kinds(), a.Kind)-slices.Index(asset.Kinds(), b.Kind), cmp.Compare(a.Key, b.Key))
	})
}

func changes(what string, assets []vault.Asset) []Change {
	list := make([]Change, 0, len(assets))
	for _, a := range assets {
		list = append(list, change(what, a))
	}
	return list
}

func change(what string, a vault.Asset) Change {
	return Change{Kind: a.Kind, Name: a.Name, Directory: a.Directory, Change: what, By: cmp.Or(a.LastModifiedBy, a.Owner)}
}
