package restore

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// inUse runs fn while retention leaves the backup alone. Whoever removes a folder holds the folder's lease, and looks for those who use it once it does; so the
// use begins under that lease. Behind it the backup is opened again, since it may have been removed or taken anew after it was found.
//
// Every run has a use of its own: restores from one folder into several workspaces go side by side, and a run that continues a killed one need not wait until
// the dead use is stale. Only dated folders of ours have uses, because nothing else is ever removed.
func inUse(ctx context.Context, req Request, opts Options, backup *vault.Backup, fn func(context.Context) error) error {
	folder := backup.Folder()
	root := vault.New(opts.Locations.Store, opts.Locations.Bucket, opts.Locations.Root)
	if backup.Unverified || !vault.IsFolderName(folder.Name) || !strings.HasPrefix(folder.Location().Path(), root.Path()) {
		return fn(ctx)
	}
	use, release, err := beginUse(ctx, req.ID, opts, folder)
	if err != nil {
		return err
	}
	defer release()
	again, err := opts.Locations.open(use.Context(), folder, req)
	switch {
	case err != nil:
	case again.ManifestSHA256 != backup.ManifestSHA256:
		err = refuse("%s was taken anew while this restore began: plan it again", folder.Path())
	default:
		err = fn(use.Context())
	}
	return lostReason(use, err)
}

// beginUse begins to use a folder, after whoever works on it now.
func beginUse(ctx context.Context, id string, opts Options, folder *vault.Folder) (use *lease.Lease, release func(), err error) {
	what := "keep retention away from " + folder.Path()
	location := folder.Location()
	hold, free, err := opts.acquire(ctx, location.LeaseKey(folder.Name), what)
	if err != nil {
		return nil, nil, err
	}
	defer free()
	token := opts.Lease.NewToken
	if token == nil {
		token = rand.Text
	}
	use, release, err = opts.acquire(ctx, location.UseKey(folder.Name, "restore-"+id+"-"+token()), what)
	if err != nil {
		return nil, nil, err
	}
	if err := hold.Check(ctx); err != nil {
		release()
		return nil, nil, err
	}
	return use, release, nil
}
