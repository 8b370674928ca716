package compare

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// Sorted is what two manifests tell of the assets in them. Every list is by kind in restore order, then by key.
type Sorted struct {
	Added, Removed []vault.Asset
	Changed        []Pair
	Unchanged      []Pair
	// Unknown are those of which nothing can be told, such as one that is encrypted in one of the two and has no time of its last change.
	Unknown []Pair
	// Renamed are pairs of a removed and an added asset of one kind that have the same content and are the only ones that do; they are neither in Added
	// nor in Removed. A definition that DataArts sends holds the asset's own name, so that most renamed assets are one removed and one added.
	Renamed []Pair
}

// Pair is one asset in two manifests.
type Pair struct{ From, To vault.Asset }

// Manifests compares two manifests and looks at nothing else. An asset has changed when its content differs, unless the API said of both that they were
// changed last at the same moment: a job's export and its own call may spell one job differently, and which of them a run could use may change from
// night to night. Where a time is missing, the content alone decides; so it does between two workspaces, whose times tell nothing of each other. Of
// encrypted assets the time decides, else the size.
func Manifests(from, to *vault.Manifest) Sorted {
	var s Sorted
	judge := judging{sameWorkspace: from.Workspace.ID == to.Workspace.ID}
	old := make(map[asset.Ref]vault.Asset, len(from.Assets))
	for _, a := range from.Assets {
		old[a.Ref().Identity()] = a
	}
	for _, a := range to.Assets {
		was, existed := old[a.Ref().Identity()]
		delete(old, a.Ref().Identity())
		if !existed {
			s.Added = append(s.Added, a)
			continue
		}
		switch pair := (Pair{was, a}); judge.assets(was, a) {
		case same:
			s.Unchanged = append(s.Unchanged, pair)
		case different:
			s.Changed = append(s.Changed, pair)
		default:
			s.Unknown = append(s.Unknown, pair)
		}
	}
	for _, a := range old {
		s.Removed = append(s.Removed, a)
	}
	inOrder(s.Removed, func(a vault.Asset) vault.Asset { return a })
	inOrder(s.Added, func(a vault.Asset) vault.Asset { return a })
	for _, pairs := range [][]Pair{s.Changed, s.Unchanged, s.Unknown} {
		inOrder(pairs, func(p Pair) vault.Asset { return p.To })
	}
	s.rename()
	return s
}

// inOrder sorts as manifests are.
func inOrder[T any](list []T, of func(T) vault.Asset) {
	slices.SortFunc(list, func(x, y T) int {
		a, b := of(x), of(y)
		return cmp.Or(slices.Index(asset.Kinds(), a.Kind)-slices.Index(asset.Kinds(), b.Kind), cmp.Compare(a.Key, b.Key))
	})
}

// rename takes out of what was removed and added what is one asset under another name: the only ones of their kind with a certain content.
func (s *Sorted) rename() {
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
	gone, come := count(s.Removed), count(s.Added)
	pair := func(a vault.Asset) bool { return len(gone[of(a)]) == 1 && len(come[of(a)]) == 1 }
	for _, a := range s.Added {
		if pair(a) {
			s.Renamed = append(s.Renamed, Pair{gone[of(a)][0], a})
		}
	}
	s.Added, s.Removed = slices.DeleteFunc(s.Added, pair), slices.DeleteFunc(s.Removed, pair)
}

// verdict is whether two states differ.
type verdict int

const (
	same verdict = iota
	different
	unknown
)

// judging compares what two manifests know.
type judging struct{ sameWorkspace bool }

// assets compares an asset with itself in another manifest. A definition that was changed last at the same moment is the same, however it was read.
func (j judging) assets(a, b vault.Asset) verdict {
	dated := func(a vault.Asset) bool { return j.sameWorkspace && a.LastModified != nil }
	definition := same
	if !dated(a) || !dated(b) || !a.LastModified.Equal(*b.LastModified) {
		left := side{contentOf(a), a.Size, encrypted(a.Key), dated(a), ""}
		right := side{contentOf(b), b.Size, encrypted(b.Key), dated(b), ""}
		definition = judge(left, right, func() bool { return false })
		if !j.sameWorkspace && left.encrypted && right.encrypted { // sizes, too, tell nothing of two that were not one asset before
			definition = unknown
		}
	}
	return either(definition, judgeFiles(a.Files, b.Files))
}

// contentOf is the hash of a definition's plain bytes; empty where the manifest does not have it.
func contentOf(a vault.Asset) string {
	if a.ContentSHA256 == "" && !encrypted(a.Key) {
		return a.SHA256
	}
	return a.ContentSHA256
}

// judgeFiles compares the files that a resource points to: one may change while the definition stays.
func judgeFiles(from, to []vault.File) verdict {
	result := same
	eachFile(from, to, func(_, _ vault.File, v verdict) { result = either(result, v) })
	return result
}

// eachFile compares each file that both point to. One that only one of them points to shows in the definition, or was not looked for by an older version.
func eachFile(from, to []vault.File, fn func(a, b vault.File, v verdict)) {
	old := map[string]vault.File{}
	for _, f := range from {
		old[f.Location] = f
	}
	for _, b := range to {
		if a, both := old[b.Location]; both {
			fn(a, b, judgeFile(a, b))
		}
	}
}

func judgeFile(a, b vault.File) verdict {
	switch {
	case a.Key == "" && b.Key == "":
		return same
	case a.Key == "" || b.Key == "":
		return different // it has come, or it has gone
	}
	return judge(
		side{a.ContentSHA256, a.Size, encrypted(a.Key), a.LastModified != nil, a.SourceETag},
		side{b.ContentSHA256, b.Size, encrypted(b.Key), b.LastModified != nil, b.SourceETag},
		func() bool { return a.LastModified.Equal(*b.LastModified) })
}

// fileChanges names the copied files that differ, in words that a manifest has, and says why of another one that is unknown; "" where it is not.
func fileChanges(from, to []vault.File) (changes []Change, doubt string) {
	eachFile(from, to, func(a, b vault.File, v verdict) {
		switch v {
		case different:
			changes = append(changes, FileChange(a.Location, fileState(a), fileState(b)))
		case unknown:
			doubt = fmt.Sprintf("whether its file %s is the same cannot be told from the manifests", a.Location)
		}
	})
	return changes, doubt
}

// FileChange is how it is told that a file to which a resource points differs. A state is empty where there is no file.
func FileChange(location, from, to string) Change {
	return Change{Field: "file " + location, From: from, To: to}
}

// fileState is what a manifest knows of a copied file; "" where there is none.
func fileState(f vault.File) string {
	if f.Key == "" {
		return ""
	}
	state := fmt.Sprintf("%d bytes", f.Size)
	if f.LastModified != nil {
		state += " of " + f.LastModified.UTC().Format("2006-01-02T15:04:05Z")
	}
	return state
}

// side is what a manifest knows of stored content.
type side struct {
	content   string
	size      int64
	encrypted bool
	dated     bool
	etag      string // of a file's source
}

// judge takes the best proof there is: the hash of the content, the source's ETag, the time of the last change, and of two that are stored in the same way
// their size.
func judge(a, b side, sameTime func() bool) verdict {
	is := func(differs bool) verdict {
		if differs {
			return different
		}
		return same
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

// either is different if one of them is, else unknown if one is.
func either(a, b verdict) verdict {
	switch {
	case a == different || b == different:
		return different
	case a == unknown || b == unknown:
		return unknown
	}
	return same
}

// encrypted tells an encrypted object by its key.
func encrypted(key string) bool { return strings.HasSuffix(key, ".age") }
