package handler

import (
	"context"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// followUp does what follows a commit: the digest, and retention. It is done as well for a backup that was complete already but is not on record as reported: the
// run that committed it was ended before it could tell, and otherwise a mass deletion would pass unnoticed and be yesterday's state for the next night.
// Nothing here changes what the backup is, and nothing here fails it.
func (j job) followUp(ctx context.Context, folder *vault.Folder, res *backup.Result, after *aftermath) {
	comparable := true
	if res.Manifest == nil {
		committed := j.unreported(ctx, folder, after)
		if committed == nil {
			return
		}
		res.Message += "; it had not been reported yet"
		res.Manifest = committed.Manifest
		before, err := committed.Before(ctx)
		switch {
		case err != nil:
			comparable = false
			after.warn("what has changed since the backup before cannot be told: %v", err)
		case before != nil:
			res.Previous = before.Manifest
		}
	}
	after.committed = folder
	if comparable {
		j.digest(ctx, res, after)
	}
	j.retain(ctx, folder.Location(), res, after)
}

// unreported is the backup in a folder if it is not on record as reported, else nil. Where that cannot be told it is: once more does no harm.
func (j job) unreported(ctx context.Context, folder *vault.Folder, after *aftermath) *vault.Backup {
	committed, err := folder.Open(ctx)
	if err != nil {
		after.warn("whether it was reported was not looked up: %v", err)
		return nil
	}
	done, err := folder.Location().IsReported(ctx, folder.Name, committed.Manifest.StartedAt)
	if err != nil {
		after.warn("whether it was reported before cannot be told: %v", err)
	}
	if done {
		return nil
	}
	return committed
}

// reported puts on record that a backup was followed up and told of. The run's own time may be over.
func (j job) reported(ctx context.Context, res backup.Result, after *aftermath) {
	const limit = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	if err := after.committed.Location().SetReported(ctx, after.committed.Name, res.Manifest.StartedAt); err != nil {
		after.warn("that this was reported is not on record, and it is reported again if its event comes again: %v", err)
	}
}
