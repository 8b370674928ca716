package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// mayBeWritten tells whether the restore has put a file to its place, or may have.
func (f FileItem) mayBeWritten() bool {
	switch {
	case f.Undone:
		return false
	case f.Written:
		return true
	case f.Action != ActionCreate && f.Action != ActionOverwrite:
		return false
	}
	return f.Outcome == Created || f.Outcome == Overwritten || f.Outcome == ""
}

// touchedFile tells whether a file is to be put back as it was saved.
func (u *undoing) touchedFile(location string) bool {
	return slices.ContainsFunc(u.report.Items, func(i Item) bool {
		return slices.ContainsFunc(i.Files, func(f FileItem) bool { return f.Location == location && f.mayBeWritten() })
	})
}

// createdFiles lists the files that the restore put where none was, or was about to, each once.
func (u *undoing) createdFiles() []FileItem {
	var created []FileItem
	known := map[string]bool{}
	for _, i := range u.report.Items {
		for _, f := range i.Files {
			if f.Action == ActionCreate && f.mayBeWritten() && !known[f.Location] {
				known[f.Location] = true
				created = append(created, f)
			}
		}
	}
	return created
}

// savedFiles are the files that the undo is about to overwrite or to remove.
func (u *undoing) savedFiles(before []*vault.Backup) []live {
	var all []live
	known := map[string]bool{}
	add := func(location string) {
		if !known[location] {
			known[location] = true
			all = append(all, live{file: location})
		}
	}
	for _, b := range before {
		for _, f := range b.Manifest.Files {
			if u.touchedFile(f.Location) {
				add(f.Location)
			}
		}
	}
	for _, f := range u.createdFiles() {
		if f.ETag != "" {
			add(f.Location)
		}
	}
	return all
}

// removeFiles removes the files that the restore created, that are still as it put them there, and that no live resource relies on. What somebody has put there
// since is named and left.
func (u *undoing) removeFiles(ctx context.Context) (int, error) {
	var own []FileItem
	for _, f := range u.createdFiles() {
		if u.leftFiles[f.Location] {
			continue
		}
		now, err := u.lookAtFile(ctx, f)
		switch {
		case interrupted(ctx, err):
			return 0, err
		case errors.Is(err, store.ErrNotExist):
			if f.ETag != "" {
				u.backFiles[f.Location] = true
			}
		case err != nil:
			u.fault("file %s was not removed: %v", f.Location, err)
		case u.opts.Locations.owns(at(f.Location)): // no restore has put it there
			u.fault("file %s lies among the backups; it was left alone", f.Location)
		case f.ETag == "":
			u.fault("file %s is there, and it is unknown whether the restore put it there; it was left alone", f.Location)
		case !f.is(now):
			u.fault("file %s is not as the restore put it there; it was left alone", f.Location)
		default:
			own = append(own, f)
		}
	}
	users, err := u.usersOf(ctx, own)
	if err != nil {
		return 0, err
	}
	removed := 0
	for _, f := range own {
		user, used := users.of[f.Location]
		switch {
		case used:
			u.note("file %s was kept: %s points to it", f.Location, user)
			continue
		case users.unknown != "":
			u.fault("file %s was not removed: %s", f.Location, users.unknown)
			continue
		}
		place := at(f.Location)
		err := u.opts.Locations.Store.Bucket(place.Bucket).Delete(ctx, place.Key)
		if interrupted(ctx, err) {
			return removed, err
		}
		if err != nil {
			u.fault("file %s was not removed: %v", f.Location, err)
			continue
		}
		u.backFiles[f.Location] = true
		removed++
	}
	u.noteBack()
	return removed, nil
}

// at is the place of a file by its obs:// path.
func at(location string) store.Location {
	bucket, key, _ := asset.ParseOBSPath(location)
	return store.Location{Bucket: bucket, Key: key}
}

func (u *undoing) lookAtFile(ctx context.Context, f FileItem) (store.Info, error) {
	place := at(f.Location)
	return u.opts.Locations.Store.Bucket(place.Bucket).Stat(ctx, place.Key)
}

// is tells whether what lies in a file's place is what the restore has put there, by its bytes and, where both are known, by when that was.
func (f FileItem) is(now store.Info) bool {
	return now.ETag == f.ETag && now.Size == f.Size && (f.LastModified.IsZero() || now.LastModified.IsZero() || now.LastModified.Equal(f.LastModified))
}

// fileUsers are the resources that rely on files which are about to be removed.
type fileUsers struct {
	of      map[string]string // by location
	unknown string            // why they are not all known
}

// usersOf looks which live resources rely on files: of the target workspace all but those that were there before the restore and that it put the file there for,
// and of the workspace that was backed up all, where the files lie as that has them. It costs a listing of each.
func (u *undoing) usersOf(ctx context.Context, files []FileItem) (fileUsers, error) {
	users := fileUsers{of: map[string]string{}}
	if len(files) == 0 {
		return users, nil
	}
	wanted := map[string]bool{}
	for _, f := range files {
		wanted[f.Location] = true
	}
	own := func(ref asset.Ref, location string) bool {
		n, known := u.items[ref.Identity()]
		if !known {
			return false
		}
		i := u.report.Items[n]
		return i.Action != ActionCreate && slices.ContainsFunc(i.Files, func(f FileItem) bool { return f.Location == location })
	}
	if err := users.look(ctx, u.target, u.report.Workspace, wanted, own); err != nil {
		return users, err
	}
	source, theirs, err := u.source(ctx, wanted)
	if err != nil || source == "" || source == u.report.Workspace || len(theirs) == 0 {
		return users, err
	}
	return users, users.look(ctx, u.opts.Workspace(source), source, theirs, func(asset.Ref, string) bool { return false })
}

// look notes which resources of a workspace rely on wanted files. The error is an interruption.
func (users *fileUsers) look(ctx context.Context, in Reader, workspace string, wanted map[string]bool, own func(asset.Ref, string) bool) error {
	listing, err := in.List(ctx, asset.Resources, func(row factory.Row) error {
		for _, location := range asset.FileLocations(row.Raw) {
			if wanted[location] && !own(row.Ref, location) {
				users.of[location] = fmt.Sprintf("%s of workspace %s", row.Ref, workspace)
			}
		}
		return nil
	})
	switch {
	case err != nil && keysAreOver(ctx, err):
		return err
	case factory.IsCode(err, factory.CodeNoWorkspace):
	case err != nil:
		users.unknown = fmt.Sprintf("whether resources of workspace %s point to it cannot be seen: %v", workspace, err)
	case listing.Missing() > 0:
		users.unknown = fmt.Sprintf("workspace %s claims %d resources and lists %d, so it is unknown whether one points to it", workspace, listing.Total, listing.Unique)
	}
	return nil
}

// source is the workspace that was backed up, and which of the files lie where its own lay. Where the backup is gone, nothing is known of it.
func (u *undoing) source(ctx context.Context, wanted map[string]bool) (workspace string, theirs map[string]bool, err error) {
	backup, err := u.opts.Locations.find(ctx, Request{Path: u.report.Backup, AllowPartial: true})
	if _, refused := errors.AsType[*Refusal](err); refused {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, err
	}
	theirs = map[string]bool{}
	for _, a := range backup.Manifest.Assets {
		for _, f := range a.Files {
			if wanted[f.Location] {
				theirs[f.Location] = true
			}
		}
	}
	return backup.Manifest.Workspace.ID, theirs, nil
}

// putBackFiles counts the files that an undo has put back, and names those it has not.
func (u *undoing) putBackFiles(p *plan) int {
	back := 0
	for _, f := range p.files {
		switch f.outcome {
		case Errored, Blocked:
			u.fault("file %s was not put back: %s", f.location, f.reason)
			continue
		case Created, Overwritten:
			back++
		}
		u.backFiles[f.location] = true
	}
	return back
}
