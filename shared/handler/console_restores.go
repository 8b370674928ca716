package handler

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

// restoration is a restore's report, or why it cannot be read.
type restoration struct {
	id     string
	report *restore.Report // without items; nil where fault is set
	fault  error
}

// restorations reads the reports of all restores, the newest first; those that cannot be read come before them, so that nobody overlooks them.
func (c *console) restorations(ctx context.Context) ([]restoration, error) {
	reports := c.reports()
	ids, err := reports.IDs(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]restoration, len(ids))
	var group errgroup.Group
	group.SetLimit(inspections)
	for i, id := range ids {
		group.Go(func() error {
			all[i] = restoration{id: id}
			report, err := reports.Head(ctx, id)
			switch {
			case errors.Is(err, restore.ErrNoReport): // the folder of leases, or a restore that was killed before its first report
			case err != nil:
				zerolog.Ctx(ctx).Error().Err(err).Str("restore", id).Msg("the report could not be read")
				all[i].fault = err
			default:
				all[i].report = report
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(r restoration) bool { return r.report == nil && r.fault == nil })
	slices.SortStableFunc(all, func(a, b restoration) int {
		switch {
		case a.fault != nil && b.fault != nil:
			return 0
		case a.fault != nil:
			return -1
		case b.fault != nil:
			return 1
		}
		return b.report.StartedAt.Compare(a.report.StartedAt)
	})
	return all, nil
}

// isDamagedReport tells a report that is no JSON from one that the store did not give out.
func isDamagedReport(err error) bool {
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, kind := errors.AsType[*json.UnmarshalTypeError](err)
	return syntax || kind
}
