// Package history says what the dated folders of one location hold over time: when an asset was added, changed and removed ([ReadLog]), which backups hold what
// one looks for ([Find]), and, within one backup, what needs what around an asset ([Relations]).
//
// What it guarantees: an answer says which backups it speaks about. A folder that is damaged, unfinished, unreadable, or of another hand is named with the reason,
// and so is what an encrypted or PARTIAL backup keeps from being told: none of it ever passes for unchanged, or for a backup without what was looked for. What
// is read is what a manifest proves. An answer that time or its size cuts off says so, and its continuation begins exactly where it stopped: together they
// say what one answer would have said (of a damaged object, only which of several backups it was noticed in may differ). No value of an environment variable is in any answer. Two manifests at most are in memory at a time, and every content is read once,
// over all the backups that share it.
package history

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// StateUnreadable is the status of a folder about which nothing is known, because the store did not give an object out.
const StateUnreadable vault.State = "UNREADABLE"

// Options are what an answer may take. The zero value has no limit.
type Options struct {
	// Until is when the work ends and what there is becomes the answer. Every answer gets at least one step further, however late it is. The end of the context
	// ends the work as well, and is an error only where not even one step was done.
	Until time.Time
	Now   func() time.Time // nil is time.Now
}

func (o Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// over tells whether the work has to end.
func (o Options) over() bool { return !o.Until.IsZero() && !o.now().Before(o.Until) }

// halfOver tells whether half of the time is over that there was at a moment.
func (o Options) halfOver(begun time.Time) bool {
	return !o.Until.IsZero() && !o.now().Before(begun.Add(o.Until.Sub(begun)/2))
}

// Searched says which backups an answer speaks about.
type Searched struct {
	Backups int    `json:"backups"` // how many dated folders, those included that say nothing
	Newest  string `json:"newest,omitempty"`
	Oldest  string `json:"oldest,omitempty"`
	Total   int    `json:"total"` // dated folders in the location
}

func (s *Searched) add(folder string) {
	if s.Newest == "" || folder > s.Newest {
		s.Newest = folder
	}
	if s.Oldest == "" || folder < s.Oldest {
		s.Oldest = folder
	}
	s.Backups++
}

// day is one dated folder as far as it can be told.
type day struct {
	name   string
	path   string
	state  vault.State
	reason string        // why it says nothing, or not everything; empty for one that says everything
	backup *vault.Backup // nil unless COMPLETE or PARTIAL
}

// look opens a folder. The judgement is the vault's own, by the whole manifest, so that a folder stands here as it stands in a list of backups: reading one
// asset's line alone would save half of the computing and none of the transfer. The error is that of the context.
func look(ctx context.Context, f *vault.Folder) (day, error) {
	d := day{name: f.Name, path: f.Path(), state: vault.StateComplete}
	b, err := f.Open(ctx)
	if errors.Is(err, vault.ErrIncomplete) {
		d.state = vault.StatePartial
		b, err = f.OpenPartial(ctx)
	}
	switch {
	case ctx.Err() != nil:
		return d, context.Cause(ctx)
	case err == nil && d.state == vault.StatePartial && b.Manifest.Status == vault.Complete:
		d.state, d.reason = vault.StateIncomplete, "backup.json is not there: the backup was not committed, or the file was removed"
		return d, nil
	case err == nil && d.state == vault.StatePartial && b.Manifest.Status != vault.Partial:
		d.state, d.reason = vault.StateDamaged, fmt.Sprintf("manifest.json has status %q", b.Manifest.Status)
		return d, nil
	case err == nil:
		d.backup = b
		if d.state == vault.StatePartial {
			d.reason = missingOf(b.Manifest)
		}
		return d, nil
	}
	d.reason = err.Error()
	switch {
	case errors.Is(err, vault.ErrIncomplete):
		d.state, d.reason = vault.StateIncomplete, "neither backup.json nor manifest.json is there: the backup is running, or was interrupted"
	case errors.Is(err, vault.ErrForeign):
		d.state, d.reason = vault.StateUnverified, "there is no manifest that says what is in it: written by the DataArts console, or its manifest was lost"
	case errors.Is(err, vault.ErrUnsupported):
		d.state = vault.StateUnsupported
	case errors.Is(err, vault.ErrUnproved), errors.Is(err, vault.ErrMalformed), errors.Is(err, store.ErrDamaged):
		d.state = vault.StateDamaged
	default:
		d.state = StateUnreadable
	}
	return d, nil
}

// Open opens a folder whose manifest can be believed, a complete or a PARTIAL one, and says how any other one stands and why; b is nil then. The error is that of the
// context.
func Open(ctx context.Context, f *vault.Folder) (b *vault.Backup, state vault.State, reason string, err error) {
	d, err := look(ctx, f)
	return d.backup, d.state, d.reason, err
}

// missingOf says how much a PARTIAL backup lacks.
func missingOf(m *vault.Manifest) string {
	n := 0
	for _, missing := range m.Missing {
		n += max(1, missing.Count)
	}
	switch n {
	case 0:
		return "assets are missing, and the manifest does not name them"
	case 1:
		return "1 asset is missing: " + m.Missing[0].Reason
	}
	return fmt.Sprintf("%d assets are missing, the first: %s", n, m.Missing[0].Reason)
}

// newestFirst lists the dated folders whose names sort before the given one, or all, the newest first, and how many there are in all.
func newestFirst(ctx context.Context, v *vault.Vault, before string) (folders []*vault.Folder, total int, err error) {
	all, err := v.Folders(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, f := range slices.Backward(all) {
		if before == "" || f.Name < before {
			folders = append(folders, f)
		}
	}
	return folders, len(all), nil
}

// days opens folders one after the other, the next one while the one before is worked on. An error, that of the context, ends it.
func days(ctx context.Context, folders []*vault.Folder) iter.Seq2[day, error] {
	type opened struct {
		day day
		err error
	}
	return func(yield func(day, error) bool) {
		ahead, cancel := context.WithCancel(ctx)
		results := make(chan opened)
		ended := make(chan struct{})
		defer func() { cancel(); <-ended }()
		go func() {
			defer close(ended)
			defer close(results)
			for _, f := range folders {
				d, err := look(ahead, f)
				select {
				case results <- opened{d, err}:
				case <-ahead.Done():
					return
				}
				if err != nil {
					return
				}
			}
		}()
		n := 0
		for r := range results {
			if n++; !yield(r.day, r.err) || r.err != nil {
				return
			}
		}
		if n < len(folders) {
			yield(day{}, context.Cause(ctx))
		}
	}
}

// unreadable says why a definition could not be read; an error of the context is none of that kind, and is returned.
func unreadable(ctx context.Context, err error) (reason string, fatal error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	return err.Error(), nil
}

// variableOf tells whether a reference is one environment variable rather than their list.
func variableOf(ref asset.Ref) bool { return ref.Kind == asset.Env && ref.Name != "" }
