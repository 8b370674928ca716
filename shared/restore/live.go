package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/compare"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// LiveOptions is what a comparison with a live workspace needs to know.
type LiveOptions struct {
	Target      string    // id of the workspace
	Locations   Locations // its Store reaches the files of resources; its Keys tell whether what is told has to be closed
	Concurrency int       // assets read at the same time; default 8
	Page        compare.Options
}

// CompareLive holds a backup against a live workspace, from the one to the other: what is added is there and not in the backup. It reads as a plan does,
// with listings and exports, and looks at the files that the backup's resources point to. It writes nothing, waits for nobody, and
// leaves out what only a restore needs: what was edited in backup.json is not read, and whether jobs run is not asked.
//
// The whole of both is read for every page, so that a large workspace takes long. Errors: a [Refusal] where the backup cannot be read or there is no such
// workspace; that of a context that ended.
func CompareLive(ctx context.Context, backup *vault.Backup, workspace Workspace, opts LiveOptions) (*compare.Comparison, error) {
	if opts.Concurrency <= 0 {
		opts.Concurrency = 8
	}
	if backup.Manifest.Encrypted() || opts.Locations.Keys.Encrypts() {
		workspace = Discreet(workspace)
	}
	l := &living{backup: backup, opts: opts, plan: newPlan(planning{request: Request{Workspace: opts.Target, DuplicateNamePolicy: Overwrite},
		backup: only(opts.Page.Kind, backup), target: onlyRead{workspace}, concurrency: opts.Concurrency, keys: opts.Locations.Keys, places: opts.Locations,
		towardsLive: true})}
	for _, read := range []func(context.Context) error{l.readBackup, l.plan.desire, l.plan.compare, l.compareFiles, l.listOthers} {
		if err := read(ctx); err != nil {
			return nil, err
		}
	}
	return l.page()
}

// only is a backup with the assets of one kind; all of them if the kind is empty.
func only(kind asset.Kind, b *vault.Backup) *vault.Backup {
	if kind == "" {
		return b
	}
	narrow, manifest := *b, *b.Manifest
	manifest.Assets = slices.DeleteFunc(slices.Clone(manifest.Assets), func(a vault.Asset) bool { return a.Kind != kind })
	narrow.Manifest = &manifest
	return &narrow
}

// onlyRead is a workspace of which nothing is asked but what it holds.
type onlyRead struct{ Reader }

// JobStatus is of no interest to a comparison.
func (onlyRead) JobStatus(context.Context, string) (string, error) { return "", nil }

// Connections are none of a backup's.
func (onlyRead) Connections(context.Context) ([]string, error) { return nil, nil }

// living is one comparison with a live workspace.
type living struct {
	backup *vault.Backup
	opts   LiveOptions
	plan   *plan

	files  map[*step][]compare.Change // copied files that differ from what lies there
	doubts map[*step]string           // why that is unknown
	others []compare.Item             // what the backup has not
}

// readBackup reads the definitions of the backup and makes a step of each.
func (l *living) readBackup(ctx context.Context) error {
	p := l.plan
	err := p.backup.Each(ctx, p.concurrency, func(a vault.Asset, definition []byte) error {
		p.note(a.Ref().Identity(), definition, nil)
		return nil
	})
	switch {
	case isFault(err) && !interrupted(ctx, err):
		return &Refusal{Faults: faultsOf(p.backup, err)}
	case err != nil:
		return err
	}
	p.mapping = newMapping(nil, nil)
	return p.choose()
}

// compareFiles holds the copied files of resources that are live against what lies where they point to.
func (l *living) compareFiles(ctx context.Context) error {
	p := l.plan
	l.files, l.doubts = map[*step][]compare.Change{}, map[*step]string{}
	p.gatherFiles()
	group, looking := errgroup.WithContext(ctx)
	group.SetLimit(fileLooks)
	var mu sync.Mutex
	for _, f := range p.files {
		f.users = slices.DeleteFunc(f.users, func(s *step) bool { return !s.exists })
		if f.conflict != "" || len(f.users) == 0 {
			continue
		}
		group.Go(func() error {
			if err := p.lookAtFile(looking, f); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			l.tell(f)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, changes := range l.files {
		slices.SortFunc(changes, func(a, b compare.Change) int { return cmp.Compare(a.Field, b.Field) })
	}
	return nil
}

// tell notes what was found of a file.
func (l *living) tell(f *resourceFile) {
	then, now := "", ""
	if f.copy.Key != "" {
		then = fmt.Sprintf("%d bytes", f.copy.Size)
		if l.backup.Manifest.Encrypted() {
			then += " as it is encrypted"
		}
	}
	if f.there {
		now = fmt.Sprintf("%d bytes", f.live.Size)
	}
	differs := f.there != (f.copy.Key != "") || f.there && !f.same
	for _, s := range f.users {
		switch {
		case f.fault != nil && !errors.Is(f.fault, vault.ErrIncomparable):
			l.doubts[s] = fmt.Sprintf("whether its file %s is as in the backup cannot be seen: %v", f.location, f.fault)
		case differs:
			l.files[s] = append(l.files[s], compare.FileChange(f.location, then, now))
		}
	}
}

// listOthers finds what the workspace has and the backup has not, in listings that were read already where they were.
func (l *living) listOthers(ctx context.Context) error {
	p := l.plan
	for _, kind := range []asset.Kind{asset.Resources, asset.Scripts, asset.Jobs} {
		_, listed := p.listings[kind]
		if listed || l.leavesOut(kind) {
			continue
		}
		listing, err := p.target.List(ctx, kind, func(row factory.Row) error {
			p.meet(nil, row)
			return nil
		})
		if errors.Is(err, factory.ErrUnsupported) {
			continue
		}
		if err != nil {
			return p.refuseUnknownWorkspace(err)
		}
		if err := p.counted(kind, listing); err != nil {
			return err
		}
	}
	for identity, row := range p.rows {
		if p.byIdentity[identity] != nil {
			continue
		}
		item := compare.Item{Kind: row.Ref.Kind, Name: row.Ref.Name, Directory: row.Ref.Directory, Change: compare.Added}
		ofRow(&item, row)
		l.add(item, identity)
	}
	return l.otherVariables(ctx)
}

// leavesOut tells whether a kind is not compared.
func (l *living) leavesOut(kind asset.Kind) bool {
	return l.opts.Page.Kind != "" && l.opts.Page.Kind != kind
}

// otherVariables finds environment variables that the backup has not.
func (l *living) otherVariables(ctx context.Context) error {
	p := l.plan
	if l.leavesOut(asset.Env) {
		return nil
	}
	if p.liveVariables == nil && len(p.variableNames()) == 0 { // else they were read, or the region has none
		live, err := liveVariables(ctx, p.target)
		if errors.Is(err, factory.ErrUnsupported) {
			return nil
		}
		if err != nil {
			return p.refuseUnknownWorkspace(err)
		}
		p.noteVariables(live)
	}
	for name := range p.liveVariables {
		if p.byIdentity[variable(name)] == nil {
			l.add(compare.Item{Kind: asset.Env, Name: name, Change: compare.Added}, variable(name))
		}
	}
	return nil
}

// add notes an asset that the backup has not. Where the backup may only have failed to read it, nobody knows whether it is new.
func (l *living) add(item compare.Item, identity asset.Ref) {
	if reason := compare.Lacks(l.backup.Manifest, identity); reason != "" {
		item.Change, item.Reason = compare.Unknown, "the backup does not have it: "+reason
	}
	l.others = append(l.others, item)
}

// ofRow puts into an item what a listing says of the asset.
func ofRow(item *compare.Item, row factory.Row) {
	item.By = cmp.Or(row.LastModifiedBy, row.Owner)
	if !row.LastModified.IsZero() {
		item.At = &row.LastModified
	}
}

// page turns the steps into a page.
func (l *living) page() (*compare.Comparison, error) {
	items, unchanged := l.others, 0
	for _, s := range l.plan.steps {
		item := l.item(s)
		if item.Change == compare.Same {
			unchanged++
		} else {
			items = append(items, item)
		}
	}
	result, err := compare.Page(items, unchanged, l.opts.Page)
	if err != nil {
		return nil, err
	}
	result.Remarks = compare.Remarks(l.backup)
	if own := l.backup.Manifest.Workspace.ID; own != "" && l.opts.Target != own {
		result.Remarks = append(result.Remarks, fmt.Sprintf("the backup is of workspace %s, and the live one is %s", own, l.opts.Target))
	}
	for _, kind := range asset.Kinds() {
		if listing := l.plan.listings[kind]; listing.Missing() > 0 {
			result.Remarks = append(result.Remarks, fmt.Sprintf("the workspace claims %d %s and lists %d: of those that are not listed nothing is known",
				listing.Total, kind, listing.Unique))
		}
	}
	return result, nil
}

// item is what a step says of its asset.
func (l *living) item(s *step) compare.Item {
	item := compare.Item{Kind: s.item.Kind, Name: s.item.Name, Directory: s.item.Directory, Change: compare.Same}
	if item.Kind != asset.Env {
		if row, live := l.plan.rows[s.item.Ref().Identity()]; live {
			item.Directory = row.Ref.Directory
			ofRow(&item, row)
		} else {
			item.By, item.At = cmp.Or(s.asset.LastModifiedBy, s.asset.Owner), s.asset.LastModified
		}
	}
	changes := slices.Concat(l.files[s], s.item.Changes)
	item.Changes, item.MoreChanges = compare.Keep(changes)
	switch {
	case len(changes) > 0: // of a type that no restore can change, too
		item.Change = compare.Changed
	case s.item.Action == ActionCreate:
		item.Change = compare.Removed
		if listing := l.plan.listings[item.Kind]; listing.Missing() > 0 {
			item.Change, item.Reason = compare.Unknown, "it is not listed, and the workspace claims more than it lists"
		}
	case s.item.Action == ActionBlocked:
		item.Change, item.Reason = compare.Unknown, s.item.Reason
	case l.doubts[s] != "":
		item.Change, item.Reason = compare.Unknown, l.doubts[s]
	}
	return item
}
