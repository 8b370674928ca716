package handler

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/drill"
	"github.com/dataarts-backup/dataarts-backup/shared/page"
)

// drillStatus tells when the backups of a workspace were last proved to be restorable.
type drillStatus struct {
	LastGood   *drillSummary `json:"lastGood"`   // null where there was none
	LastFailed *drillSummary `json:"lastFailed"` // null where there was none, or none after the last good one
	Message    string        `json:"message"`    // why this is not known; empty where it is
}

// drillSummary is one drill that is over.
type drillSummary struct {
	ID          string     `json:"id"`
	Workspace   string     `json:"workspace"` // that was restored into
	Backup      string     `json:"backup"`    // obs:// path of the folder; empty where none was found
	FinishedAt  *time.Time `json:"finishedAt"`
	DurationMS  int64      `json:"durationMs"`  // of the whole drill
	RestoreMS   int64      `json:"restoreMs"`   // until everything was there
	BackupAgeMS int64      `json:"backupAgeMs"` // of the backup when the drill began
	Message     string     `json:"message"`
}

// lastDrills reads how the last drills of a workspace's backups ended; of any workspace's where it is empty. Records that cannot be read do not hide the backups.
func (c *console) lastDrills(ctx context.Context, workspace string) drillStatus {
	l := c.config.Location
	last, err := drill.Records{Store: c.store.Bucket(l.Bucket), Root: l.Root()}.Last(ctx, workspace)
	if err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Msg("the records of drills could not be read")
		return drillStatus{Message: err.Error()}
	}
	return drillStatus{LastGood: summaryOfDrill(last.Good), LastFailed: summaryOfDrill(last.Failed)}
}

func summaryOfDrill(r *drill.Record) *drillSummary {
	if r == nil {
		return nil
	}
	return &drillSummary{ID: r.ID, Workspace: r.Workspace, Backup: r.Backup, FinishedAt: r.FinishedAt, DurationMS: r.DurationMS, RestoreMS: r.RestoreMS,
		BackupAgeMS: r.BackupAgeMS, Message: r.Message}
}

func viewOfDrills(s drillStatus) page.Drills {
	v := page.Drills{Fault: s.Message}
	if d := s.LastGood; d != nil {
		v.Good = "in " + page.Duration(d.DurationMS) + ", the restore in " + page.Duration(d.RestoreMS) + ", of " + d.Backup
		v.GoodFinished = finishedOf(d)
	}
	if d := s.LastFailed; d != nil {
		v.Failed, v.FailedFinished = page.Shorten(d.Message), finishedOf(d)
	}
	return v
}

func finishedOf(d *drillSummary) page.Moment {
	if d.FinishedAt == nil {
		return page.Moment{}
	}
	return page.MomentOf(*d.FinishedAt)
}
