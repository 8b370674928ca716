package restore

import (
	"context"
	"slices"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

// gone lists the live assets once more and counts those that were deleted and are there all the same. A service that shows writes late is given some time.
func (u *undoing) gone(ctx context.Context) (rows map[asset.Ref]factory.Row, kept int, err error) {
	var there []Item
	for _, wait := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
		if err := u.opts.Sleep(ctx, wait); err != nil {
			return nil, 0, err
		}
		if rows, err = u.list(ctx); err != nil {
			return nil, 0, err
		}
		there = slices.DeleteFunc(slices.Clone(u.removed), func(i Item) bool {
			_, is := rows[i.Ref().Identity()]
			return !is
		})
		if len(there) == 0 {
			break
		}
	}
	for _, i := range there {
		u.fault("%s was not removed: the service took its deletion, and it is there all the same", describeRef(i))
	}
	return rows, len(there), nil
}

// schedules starts and stops jobs so that those which were there before the restore run as they did.
func (u *undoing) schedules(ctx context.Context, rows map[asset.Ref]factory.Row) error {
	var turned []Item
	asked := u.report.Request != nil && (u.report.Request.Schedules == Start || u.report.Request.Schedules == Stop)
	for _, i := range u.report.Items {
		row, there := rows[i.Ref().Identity()]
		touched := (i.Action == ActionOverwrite && (i.Outcome != Blocked || i.Written)) || (asked && i.Action == ActionUnchanged)
		if i.Kind != asset.Jobs || !there || !touched {
			continue
		}
		running, err := runs(ctx, u.target, row)
		switch {
		case err != nil:
		case running && !i.WasRunning && asked:
			err = u.target.StopJob(ctx, i.Name)
			turned = append(turned, i)
		case !running && i.WasRunning:
			err = u.target.StartJob(ctx, i.Name)
			turned = append(turned, i)
		}
		if interrupted(ctx, err) {
			return err
		}
		if err != nil {
			u.fault("the schedule of %s is not as it was: %v", describeRef(i), err)
		}
	}
	return u.checkTurned(ctx, turned)
}

// checkTurned looks whether jobs that were started run, and those that were stopped do not. A service that shows writes late is given some time.
func (u *undoing) checkTurned(ctx context.Context, turned []Item) error {
	for _, wait := range []time.Duration{0, time.Second, 4 * time.Second} {
		if len(turned) == 0 {
			return nil
		}
		if err := u.opts.Sleep(ctx, wait); err != nil {
			return err
		}
		rows, err := u.list(ctx)
		if err != nil {
			return err
		}
		turned = slices.DeleteFunc(turned, func(i Item) bool {
			row, there := rows[i.Ref().Identity()]
			running, err := runs(ctx, u.target, row)
			return !there || err == nil && running == i.WasRunning
		})
	}
	for _, i := range turned {
		if definition, err := u.target.Get(ctx, i.Ref(), ""); i.WasRunning && err == nil && runsOneTime(definition) {
			continue // it may be over already
		}
		u.fault("the schedule of %s is not as it was: the service took that it was started or stopped, and it is not", describeRef(i))
	}
	return nil
}
