package restore

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
)

// UndoState stands in the report of a restore while it is being undone, or where its undo was interrupted.
type UndoState struct {
	StartedAt time.Time `json:"startedAt"`
}

// begin puts on record that the restore is being undone: it cannot be continued any more, and is not over for who asks how it stands.
func (u *undoing) begin(ctx context.Context) error {
	if u.report.Undo == nil {
		u.report.Undo = &UndoState{StartedAt: u.opts.Now().UTC()}
	}
	u.report.Status, u.report.Message = Running, "undoing"
	return u.opts.Locations.Reports().Save(ctx, u.report)
}

// own finds out which of the assets that an interrupted restore was to create are its own: those that were not there when it was planned, and are there now just as
// it would have made them. What is there otherwise may be somebody else's. Where the backup cannot be read any more, nothing more is known than before.
func (u *undoing) own(ctx context.Context) error {
	if !u.report.running() || u.report.Request == nil {
		return nil
	}
	open := map[asset.Ref]*Item{}
	for n := range u.report.Items {
		if i := &u.report.Items[n]; i.unseen() {
			open[i.Ref().Identity()] = i
		}
	}
	if len(open) == 0 {
		return nil
	}
	req := *u.report.Request
	req.Path, req.Date, req.Source, req.Workspace, req.PlanHash = u.report.Backup, "", "", u.report.Workspace, ""
	backup, err := u.opts.Locations.find(ctx, req)
	var p *plan
	if err == nil {
		p, err = makePlan(ctx, planning{request: req, backup: backup, target: u.target, concurrency: u.opts.Concurrency, keys: u.opts.Locations.Keys,
			places: u.opts.Locations, mappedOnly: u.opts.MappedFilesOnly, prior: u.report, claims: u.claims})
	}
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		zerolog.Ctx(ctx).Warn().Err(refusal).Str("restore", u.report.ID).Msg("what the interrupted restore was to create cannot be recognised by the backup")
		return nil
	}
	if err != nil {
		return err
	}
	for _, s := range p.steps {
		if i := open[s.item.Ref().Identity()]; i != nil && s.exists && (s.item.Action == ActionUnchanged || s.cut) {
			i.Written, u.changed = true, true
		}
	}
	return nil
}
