package restore

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// How many files are written at the same time. Each may take the memory of a part of the store's, and one that is decrypted always does.
const (
	copiedFiles   = 4
	streamedFiles = 2
)

// files puts back the files that resources point to, before any definition that points to them is written.
func (a *applying) files(ctx context.Context) error {
	group, putting := errgroup.WithContext(ctx)
	group.SetLimit(copiedFiles)
	if a.plan.backup.Manifest.Encrypted() {
		group.SetLimit(streamedFiles)
	}
	for _, f := range a.plan.files {
		switch {
		case f.outcome != "": // by the run that is continued
		case f.action == ActionSkip:
			a.settleFile(f, Skipped, f.reason)
		case f.action == ActionBlocked:
			a.settleFile(f, Blocked, f.reason)
		case f.action == ActionCreate || f.action == ActionOverwrite:
			group.Go(func() error {
				var err error
				f.written, err = a.putFile(putting, f)
				switch {
				case interrupted(putting, err):
					return fmt.Errorf("put back %s: %w", f.location, err)
				case errors.Is(err, errThereAlready):
					f.written = store.Info{}
					a.settleFile(f, Unchanged, err.Error())
				case err != nil:
					f.written, f.doubtful = store.Info{}, f.doubtful || a.mayBePut(putting, f)
					a.settleFile(f, Errored, err.Error())
				case f.action == ActionCreate:
					a.settleFile(f, Created, "")
				default:
					a.settleFile(f, Overwritten, "")
				}
				return a.save(putting)
			})
		}
	}
	return group.Wait()
}

// putFile writes one file to where it belongs. What is there has to be what the plan found, because nothing else is saved.
func (a *applying) putFile(ctx context.Context, f *resourceFile) (store.Info, error) {
	if f.unsaved != nil {
		return store.Info{}, fmt.Errorf("what is there cannot be saved before it is overwritten: %w", f.unsaved)
	}
	bucket := a.opts.Locations.Store.Bucket(f.at.Bucket)
	now, err := bucket.Stat(ctx, f.at.Key)
	there := err == nil
	switch {
	case err != nil && !errors.Is(err, store.ErrNotExist):
		return store.Info{}, err
	case there && (!f.there || !f.asFound(now)):
		if same, err := a.plan.backup.IsFile(ctx, f.copy, f.at, now); err == nil && same {
			if a.plan.fileBefore(f).Action != "" {
				return now, nil // the run that is continued had sent it
			}
			return store.Info{}, errThereAlready
		}
		return store.Info{}, errors.New("somebody has put another file there since the plan was made")
	}
	f.sent = true
	info, err := a.plan.backup.PutFile(ctx, f.copy, f.at)
	if err == nil && info.LastModified.IsZero() {
		if is, lookErr := bucket.Stat(ctx, f.at.Key); lookErr == nil && is.ETag == info.ETag { // else it is known by its bytes alone
			info.LastModified = is.LastModified
		}
	}
	if errors.Is(err, store.ErrDamaged) && !there {
		// A damaged file is worse than none, and what is there is this restore's own.
		if gone := bucket.Delete(ctx, f.at.Key); gone != nil {
			err = fmt.Errorf("%w; what was written was not removed: %w", err, gone)
		}
	}
	return info, err
}

// errThereAlready says that a file needs not be written: it is somebody else's, and the same.
var errThereAlready = errors.New("somebody else has put the same file there since the plan was made")

// mayBePut tells whether a file whose write has failed may have been written all the same.
func (a *applying) mayBePut(ctx context.Context, f *resourceFile) bool {
	if !f.sent {
		return false
	}
	now, err := a.opts.Locations.Store.Bucket(f.at.Bucket).Stat(ctx, f.at.Key)
	if errors.Is(err, store.ErrNotExist) {
		return f.there
	}
	return err != nil || !f.there || !f.asFound(now)
}

// asFound tells whether what lies in the file's place is what the plan found there.
func (f *resourceFile) asFound(now store.Info) bool {
	return now.ETag == f.live.ETag && now.Size == f.live.Size && now.LastModified.Equal(f.live.LastModified)
}

// settleFile notes what became of a file with all resources that want it. One that is missing fails them: their definition is not written.
func (a *applying) settleFile(f *resourceFile, o Outcome, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f.outcome = o
	if reason != "" {
		f.reason = reason
	}
	for _, s := range f.users {
		item := &a.report.Items[s.index]
		for i := range item.Files {
			if item.Files[i].Location == f.location {
				item.Files[i] = f.item()
			}
		}
		if o != Errored {
			continue
		}
		why := fmt.Sprintf("its file %s was not put back: %s", f.location, reason)
		if item.Outcome == Errored && item.Reason != "" {
			why = item.Reason + "; " + why
		}
		item.Outcome, item.Reason = Errored, why
	}
}

// concludeFiles says how many files were written or not. A file that is blocked leaves the restore PARTIAL, even if its resource is as it should be.
func (a *applying) concludeFiles() {
	a.report.Message += countFiles(a.plan.files, func(f *resourceFile) string {
		return map[Outcome]string{Created: "put back", Overwritten: "overwritten", Skipped: "left as it is", Errored: "failed", Blocked: "blocked"}[f.outcome]
	}, "put back", "overwritten", "left as it is", "failed", "blocked")
	for _, f := range a.plan.files {
		if f.outcome == Blocked || f.outcome == Errored {
			a.report.Status = Partial
		}
	}
}

// overwrittenFiles lists the files that the plan overwrites, to be saved first.
func (p *plan) overwrittenFiles() []live {
	var all []live
	for _, f := range p.files {
		if f.action == ActionOverwrite && f.outcome == "" && f.there {
			all = append(all, live{file: f.location})
		}
	}
	return all
}

// unsaved notes that a file could not be saved, so that it is not overwritten.
func (p *plan) unsaved(location string, err error) {
	for _, f := range p.files {
		if f.location == location {
			f.unsaved = err
		}
	}
}

// saveFile copies a file into the folder of what a restore saves. It is nil where there is no such file, or where it lies in one of the folders as it is.
func (opts Options) saveFile(ctx context.Context, w *vault.Writer, folders []*vault.Backup, location string) (*vault.File, error) {
	bucket, key, _ := asset.ParseOBSPath(location)
	at := store.Location{Bucket: bucket, Key: key}
	if len(folders) > 0 {
		now, err := opts.Locations.Store.Bucket(bucket).Stat(ctx, key)
		if errors.Is(err, store.ErrNotExist) {
			return nil, nil //nolint:nilnil // there is nothing to lose
		}
		if err != nil {
			return nil, err
		}
		for _, b := range folders {
			for _, kept := range b.Manifest.Files {
				if kept.Location != location {
					continue
				}
				if same, err := b.IsFile(ctx, kept, at, now); err == nil && same { // where that is unknown, saving it twice does no harm
					return nil, nil //nolint:nilnil // it is saved
				}
			}
		}
	}
	kept, err := w.CopyLoose(ctx, location)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil //nolint:nilnil // gone meanwhile: there is nothing to lose
	}
	if err != nil {
		return nil, err
	}
	return &kept, nil
}
