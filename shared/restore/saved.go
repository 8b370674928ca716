package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// live names an asset of the target workspace.
type live struct {
	ref  asset.Ref
	id   string
	file string // location of a resource's file; then there is no asset
}

// saved reads the folders in which a restore saved live assets under a name ("before", "before-2", …), oldest first, and returns the first of them that
// is free: a run that was continued may have more to save than the first one.
func (opts Options) saved(ctx context.Context, id, name string) (folders []*vault.Backup, free *vault.Folder, err error) {
	l := opts.Locations
	for n := 1; ; n++ {
		numbered := name
		if n > 1 {
			numbered = fmt.Sprintf("%s-%d", name, n)
		}
		folder := vault.FolderAt(l.Store, l.Bucket, l.Reports().folder(id, numbered)).WithKeys(l.Keys)
		b, err := folder.Open(ctx)
		if errors.Is(err, vault.ErrIncomplete) {
			return folders, folder, nil
		}
		if err != nil {
			return nil, nil, err
		}
		folders = append(folders, b)
	}
}

// saveBefore saves what will be overwritten and is not saved yet.
func (a *applying) saveBefore(ctx context.Context) error {
	var all []live
	env := false
	for _, s := range a.plan.steps {
		switch {
		case s.item.Kind == asset.Env:
			env = env || s.item.Action == ActionCreate || s.item.Action == ActionOverwrite
		case s.item.Action == ActionOverwrite:
			all = append(all, live{ref: s.asset.Ref(), id: s.id})
		}
	}
	all = append(all, a.plan.overwrittenFiles()...)
	return a.opts.saveLive(ctx, noting{a.target, a.plan}, a.report, "before", all, env, a.check, func(one live, err error) error {
		if one.file != "" {
			a.plan.unsaved(one.file, err)
			return nil
		}
		steps, reason := []*step{a.plan.byIdentity[one.ref.Identity()]}, err.Error()
		if one.ref.Kind == asset.Env {
			steps = slices.DeleteFunc(slices.Clone(a.plan.steps), func(s *step) bool { return s.item.Kind != asset.Env || a.outcome(s) != "" })
			reason = withoutMessage(err)
		}
		for _, s := range steps { // the others are restored all the same
			a.set(s, Blocked, "the live one cannot be saved before it is changed: "+reason)
		}
		return nil
	})
}

// noting reads for what is saved, and notes what an asset meant then.
type noting struct {
	Reader
	plan *plan
}

func (n noting) Get(ctx context.Context, ref asset.Ref, id string) (json.RawMessage, error) {
	current, err := n.Reader.Get(ctx, ref, id)
	if s := n.plan.byIdentity[ref.Identity()]; err == nil && s != nil {
		s.saved = meaning(ref.Kind, current)
	}
	return current, err
}

// unmoved refuses to overwrite an asset that is no longer as it was planned and saved: somebody has worked on it since, and nobody has seen or saved that.
// What holds already what is to be written may be this restore's own, shown late. An undo saves all that it may overwrite by itself.
func (a *applying) unmoved(ctx context.Context, s *step) error {
	if s.item.Action != ActionOverwrite || s.live == "" {
		return nil
	}
	current, err := a.target.Get(ctx, s.asset.Ref(), s.id)
	if errors.Is(err, factory.ErrNotFound) {
		return fmt.Errorf("%s was deleted since the restore was planned: plan it again", s.asset.Ref())
	}
	if err != nil {
		return fmt.Errorf("look whether %s is still as it was saved: %w", s.asset.Ref(), err)
	}
	now := meaning(s.item.Kind, current)
	if now != s.meaning && (now != s.live || !a.quiet && now != s.saved) {
		return fmt.Errorf("%s was changed since the restore was planned: it was left alone, plan it again", s.asset.Ref())
	}
	return nil
}

// saveLive saves live assets, and the environment variables if env is set, as a backup of their own under the restore's folder. What is saved there
// under this name already is not saved again, unless it has changed since. unsaved, if given, is
// told of what cannot be read, and its error ends it; else that is an error. Where there are files among them it has to be given.
func (opts Options) saveLive(ctx context.Context, target Reader, report *Report, name string, all []live, env bool, check func(context.Context) error,
	unsaved func(one live, err error) error) error {
	folders, free, err := opts.saved(ctx, report.ID, name)
	if err != nil {
		return err
	}
	held, err := versions(ctx, folders, opts.Concurrency)
	if err != nil {
		return err
	}
	if env {
		all = append(all, live{ref: asset.Ref{Kind: asset.Env, Name: asset.EnvName}})
	}
	w, err := free.Begin(ctx)
	if err != nil {
		return err
	}
	now := opts.Now().UTC()
	m := &vault.Manifest{FormatVersion: vault.FormatVersion, BackupDate: vault.NightlyName(now), Workspace: vault.Workspace{ID: report.Workspace},
		Tool: "dataarts-backup, restore " + report.ID, StartedAt: now, Status: vault.Complete, Totals: map[asset.Kind]int{}, Counts: map[asset.Kind]int{}}
	bindings := map[asset.Ref][]asset.Binding{}
	var mu sync.Mutex
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(opts.Concurrency)
	for _, one := range all {
		group.Go(func() error {
			if one.file != "" {
				kept, err := opts.saveFile(reading, w, folders, one.file)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case interrupted(reading, err):
					return err
				case err != nil:
					return unsaved(one, err)
				case kept != nil:
					m.Files = append(m.Files, *kept)
				}
				return nil
			}
			kept, err := read(reading, target, one)
			if errors.Is(err, factory.ErrNotFound) {
				return nil // gone meanwhile: there is nothing to lose
			}
			if err != nil && unsaved != nil && !interrupted(reading, err) {
				mu.Lock()
				defer mu.Unlock()
				return unsaved(one, err)
			}
			if err != nil {
				return fmt.Errorf("save %s before it is changed: %w", one.ref, err)
			}
			if held[version{one.ref.Identity(), vault.Hash(kept)}] {
				return nil
			}
			stored, err := w.Put(reading, one.ref, kept)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			m.Assets = append(m.Assets, stored)
			m.Counts[one.ref.Kind]++
			bindings[one.ref.Identity()] = asset.Bindings(one.ref.Kind, kept)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if len(m.Assets)+len(m.Files) == 0 && len(folders) > 0 {
		return nil // the first folder is written in any case: it says that nothing had to be saved
	}
	m.Totals, m.FinishedAt = m.Counts, opts.Now().UTC()
	m.Sort()
	slices.SortFunc(m.Files, func(a, b vault.File) int { return strings.Compare(a.Location, b.Location) })
	for _, stored := range m.Assets {
		w.Bind(stored.Ref(), bindings[stored.Ref().Identity()])
	}
	return w.Commit(ctx, m, check)
}

// version is one state of an asset.
type version struct {
	ref  asset.Ref
	hash string // of the definition
}

// versions lists what is saved in folders. Of encrypted ones that takes reading them; where there is no key, or they are damaged, nothing is known of
// what they hold, and what is saved twice does no harm.
func versions(ctx context.Context, folders []*vault.Backup, concurrency int) (map[version]bool, error) {
	held := map[version]bool{}
	for _, b := range folders {
		if !b.Manifest.Encrypted() {
			for _, kept := range b.Manifest.Assets {
				held[version{kept.Ref().Identity(), kept.SHA256}] = true
			}
			continue
		}
		if b.Readable() != nil {
			continue
		}
		err := b.Each(ctx, concurrency, func(kept vault.Asset, definition []byte) error {
			held[version{kept.Ref().Identity(), vault.Hash(definition)}] = true
			return nil
		})
		if err != nil && !isFault(err) {
			return nil, err
		}
	}
	return held, nil
}

func read(ctx context.Context, target Reader, one live) ([]byte, error) {
	if one.ref.Kind == asset.Env {
		return target.Env(ctx)
	}
	current, err := target.Get(ctx, one.ref, one.id)
	if err != nil {
		return nil, err
	}
	return asset.Stored(one.ref.Kind, current), nil
}
