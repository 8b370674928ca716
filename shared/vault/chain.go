package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Chain is what a walk over the manifests found: every manifest holds the hash of the one before it, so a day that vanished and a day that was altered
// show in what came after it.
type Chain struct {
	// Length is how many backups before the first one were reached and are what the chain says, those that retention removed included.
	Length int
	Breaks []Break // newest first; empty when the chain is whole
}

// BreakKind is how a chain is broken.
type BreakKind string

// The ways in which a chain is broken.
const (
	// Vanished: a day is gone, and no tombstone says that retention removed it.
	Vanished BreakKind = "vanished"
	// Altered: a manifest is not the one that the newer one knew, or the folder is damaged and the newer ones passed it over.
	Altered BreakKind = "altered"
	// Astray: what a manifest names as the one before it cannot be.
	Astray BreakKind = "astray"
)

// Break is one fault of a chain.
type Break struct {
	Folder string    `json:"folder"` // obs:// path of the backup that it is about
	Kind   BreakKind `json:"kind"`
	Reason string    `json:"message"` // in words, with the folder
}

func (b Break) String() string { return b.Reason }

// Chain walks from a backup of a dated folder back over `previous` to the first one. A day that retention removed is fine: its tombstone leads on. After a
// break the walk goes on with the newest backup before it, so that every break is told. A folder that is damaged is a break, too, where it lies between two
// links: a backup that was taken after the damage names the one before it. A folder there that is not finished, or that the DataArts console or a newer version wrote, is none.
// One manifest is in memory at a time. The error is that of a store which did not give an object out, so that nothing is known.
func (b *Backup) Chain(ctx context.Context) (Chain, error) {
	w := walk{vault: b.folder.Location(), seen: map[link]bool{}}
	failed := func(err error) (Chain, error) {
		return w.chain, fmt.Errorf("follow the chain of manifests from %s: %w", b.folder.Path(), err)
	}
	folders, err := w.vault.Folders(ctx)
	if err != nil {
		return failed(err)
	}
	at := position{b.folder.Name, b.Manifest.Previous}
	for at.name != "" {
		var next position
		if at.previous != nil {
			if next, err = w.step(ctx, at.name, *at.previous); err != nil {
				return failed(err)
			}
		}
		if err := w.between(ctx, folders, next.name, at.name); err != nil {
			return failed(err)
		}
		at = next
	}
	return w.chain, nil
}

// walk is a chain being followed.
type walk struct {
	vault *Vault
	seen  map[link]bool
	chain Chain
}

// between looks at the folders that the chain passes over between two links, newest first; older is empty before the first one.
func (w *walk) between(ctx context.Context, folders []*Folder, older, newer string) error {
	for _, f := range slices.Backward(folders) {
		if f.Name <= older || f.Name >= newer || w.told(f) {
			continue
		}
		found, err := f.Inspect(ctx)
		if err != nil {
			return err
		}
		if found.State == StateDamaged {
			w.broken(Altered, f.Name, "was damaged or altered, and the backups after it have passed it over: %v", found.Fault)
		}
	}
	return nil
}

// told tells whether a break says already what is wrong with a folder.
func (w *walk) told(f *Folder) bool {
	return slices.ContainsFunc(w.chain.Breaks, func(b Break) bool { return b.Folder == f.Path() })
}

// link is one manifest as a newer one names it.
type link struct{ name, sha256 string }

// position is where a walk stands: in a folder, and at what that folder says was before it.
type position struct {
	name     string
	previous *Previous
}

func (w *walk) broken(kind BreakKind, name, format string, args ...any) {
	folder := w.vault.Folder(name).Path()
	w.chain.Breaks = append(w.chain.Breaks, Break{Folder: folder, Kind: kind, Reason: folder + " " + fmt.Sprintf(format, args...)})
}

// Before returns the backup that the manifest names as the one before it; nil for the first one. Errors: those of [Folder.Open], and [ErrUnproved] where the
// backup is not the one that was known when this one was taken.
func (b *Backup) Before(ctx context.Context) (*Backup, error) {
	p := b.Manifest.Previous
	if p == nil {
		return nil, nil //nolint:nilnil // the first backup has none before it
	}
	name, ok := p.folder()
	if !ok {
		return nil, fmt.Errorf("%s names %q as the manifest before it, and that is none: %w", b.folder.Path(), p.Path, ErrUnproved)
	}
	before, err := b.folder.Location().Folder(name).Open(ctx)
	if err != nil {
		return nil, err
	}
	if before.ManifestSHA256 != p.SHA256 {
		return nil, fmt.Errorf("%s is not the backup that %s was taken after: %w", before.folder.Path(), b.folder.Name, ErrUnproved)
	}
	return before, nil
}

// folder is the name of the dated folder whose manifest is meant. Only the name counts: a location that was copied to another bucket is the same chain.
func (p Previous) folder() (name string, ok bool) {
	name = path.Base(path.Dir(p.Path))
	return name, path.Base(p.Path) == manifestName && IsFolderName(name)
}

// step goes from the backup newer to the one that its manifest names.
func (w *walk) step(ctx context.Context, newer string, p Previous) (position, error) {
	name, ok := p.folder()
	if !ok {
		w.broken(Astray, newer, "names %q as the manifest before it, and that is none", p.Path)
		return w.resume(ctx, newer)
	}
	here := link{name, p.SHA256}
	if w.seen[here] {
		w.broken(Astray, newer, "names %s as the backup before it, which comes after it in the chain: it goes in a circle", name)
		return w.resume(ctx, newer)
	}
	w.seen[here] = true
	found, err := w.vault.manifestLink(ctx, name)
	if err != nil {
		return position{}, err
	}
	if found.sha256 == p.SHA256 && found.committed {
		w.chain.Length++
		return position{name, found.previous}, nil
	}
	stone, err := w.vault.Tombstone(ctx, name)
	if err != nil && !errors.Is(err, store.ErrNotExist) && !errors.Is(err, ErrMalformed) {
		return position{}, err
	}
	if t := stone.of(p.SHA256); t != nil {
		w.chain.Length++
		return position{name, t.Previous}, nil
	}
	switch found.sha256 {
	case "":
		w.broken(Vanished, name, "has vanished: %s was taken after it, and no tombstone says that retention removed it", newer)
	case p.SHA256:
		w.broken(Vanished, name, "has vanished as a backup: its backup.json is gone, and no tombstone says that retention removed it")
		return position{name, found.previous}, nil
	default:
		w.broken(Altered, name, "was altered: its manifest.json has SHA-256 %s, and %s was taken after one with %s", found.sha256, newer, p.SHA256)
		if found.previous != nil {
			return position{name, found.previous}, nil
		}
	}
	return w.resume(ctx, name)
}

// resume goes on behind a break, with the newest backup before it that was not passed yet.
func (w *walk) resume(ctx context.Context, name string) (position, error) {
	b, err := w.vault.Before(ctx, name)
	if err != nil || b == nil {
		return position{}, err
	}
	here := link{b.folder.Name, b.ManifestSHA256}
	if w.seen[here] {
		return position{}, nil
	}
	w.seen[here] = true
	w.chain.Length++
	return position{b.folder.Name, b.Manifest.Previous}, nil
}

// manifestFound is what a walk needs of a manifest.
type manifestFound struct {
	sha256    string // empty: there is no manifest.json
	previous  *Previous
	committed bool // there is a backup.json
}

// manifestLink reads a manifest without taking it into memory as a whole for longer than its hash takes.
func (v *Vault) manifestLink(ctx context.Context, name string) (manifestFound, error) {
	f := v.Folder(name)
	text, _, err := store.ReadAll(ctx, f.store, f.prefix+manifestName, maxDocument)
	if errors.Is(err, store.ErrNotExist) {
		return manifestFound{}, nil
	}
	if err != nil {
		return manifestFound{}, fmt.Errorf("read %s%s: %w", f.Path(), manifestName, err)
	}
	found := manifestFound{sha256: Hash(text)}
	var head struct {
		Previous *Previous `json:"previous"`
	}
	if json.Unmarshal(text, &head) == nil { // one that is no JSON leads nowhere, and has another hash
		found.previous = head.Previous
	}
	found.committed, err = f.holds(ctx, documentName)
	return found, err
}
