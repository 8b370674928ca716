package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

// list lists the live assets of the kinds that the restore had to do with.
func (u *undoing) list(ctx context.Context) (map[asset.Ref]factory.Row, error) {
	rows := map[asset.Ref]factory.Row{}
	for _, kind := range []asset.Kind{asset.Resources, asset.Scripts, asset.Jobs} {
		if !slices.ContainsFunc(u.report.Items, func(i Item) bool { return i.Kind == kind }) {
			continue
		}
		listing, err := u.target.List(ctx, kind, func(r factory.Row) error {
			r.Raw = nil // valid during the call only
			rows[r.Ref.Identity()] = r
			return nil
		})
		if err != nil {
			return nil, err
		}
		u.listings[kind] = listing
	}
	return rows, nil
}

// hidden says why it is not certain that an asset is gone which the last listing does not show; "" where it is. A listing that claims more than it shows proves
// nothing: the asset's own call is asked then. Of a resource that takes its id.
func (u *undoing) hidden(ctx context.Context, row factory.Row) (string, error) {
	kind := row.Ref.Kind
	listing := u.listings[kind]
	if listing.Missing() == 0 {
		return "", nil
	}
	claims := fmt.Sprintf("the workspace claims %d %s and lists %d", listing.Total, kind, listing.Unique)
	if kind == asset.Resources && row.ID == "" {
		return claims + ", so it is unknown whether it is there", nil
	}
	_, err := u.target.Get(ctx, row.Ref, row.ID)
	switch {
	case errors.Is(err, factory.ErrNotFound):
		return "", nil
	case interrupted(ctx, err):
		return "", err
	case err != nil:
		return fmt.Sprintf("%s, and whether it is there cannot be seen: %v", claims, err), nil
	}
	return claims + ": it is there, and not listed", nil
}

// gone lists the live assets once more and counts those that were deleted and are there all the same. A service that shows writes late is given some time.
func (u *undoing) gone(ctx context.Context) (rows map[asset.Ref]factory.Row, kept int, err error) {
	why := map[asset.Ref]string{}
	for _, wait := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
		if err := u.opts.Sleep(ctx, wait); err != nil {
			return nil, 0, err
		}
		if rows, err = u.list(ctx); err != nil {
			return nil, 0, err
		}
		clear(why)
		for _, row := range u.removed {
			id := row.Ref.Identity()
			if _, there := rows[id]; there {
				why[id] = "it is there all the same"
			} else if why[id], err = u.hidden(ctx, row); err != nil {
				return nil, 0, err
			}
			if why[id] == "" {
				delete(why, id)
			}
		}
		if len(why) == 0 {
			break
		}
	}
	for _, row := range u.removed {
		if reason := why[row.Ref.Identity()]; reason != "" {
			u.fault("%s was not removed: the service took its deletion, and %s", row.Ref, reason)
			continue
		}
		u.undone(row.Ref)
	}
	return rows, len(why), nil
}

// schedules starts and stops jobs so that those which were there before the restore run as they did.
func (u *undoing) schedules(ctx context.Context, rows map[asset.Ref]factory.Row) error {
	var turned []Item
	asked := u.report.Request != nil && (u.report.Request.Schedules == Start || u.report.Request.Schedules == Stop)
	for _, i := range u.report.Items {
		row, there := rows[i.Ref().Identity()]
		touched := (i.Action == ActionOverwrite && (i.Outcome != Blocked || i.Written || i.Sent)) || (asked && i.Action == ActionUnchanged)
		if i.Kind != asset.Jobs || !touched {
			continue
		}
		if !there {
			why, err := u.hidden(ctx, factory.Row{Ref: i.Ref()})
			if err != nil {
				return err
			}
			if why != "" {
				u.fault("whether the schedule of %s is as it was is unknown: %s", describeRef(i), why)
			}
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
			return !there && u.listings[asset.Jobs].Missing() == 0 || there && err == nil && running == i.WasRunning
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
