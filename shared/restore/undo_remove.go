package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

// remove removes what the restore created: jobs first, then scripts, resources and environment variables.
func (u *undoing) remove(ctx context.Context, created []Item, rows map[asset.Ref]factory.Row) (int, error) {
	removed := 0
	for _, kind := range []asset.Kind{asset.Jobs, asset.Scripts, asset.Resources} {
		n, err := u.removeAll(ctx, slices.DeleteFunc(slices.Clone(created), func(i Item) bool { return i.Kind != kind || u.left[i.Ref().Identity()] }), rows)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	n, err := u.removeVariables(ctx)
	if err != nil && !interrupted(ctx, err) {
		u.fault("environment variables were not removed: %s", withoutMessage(err))
		err = nil
	}
	return removed + n, err
}

// removeAll deletes assets of one kind. Those that the service refuses, because others still need them, are tried again as long as that helps.
func (u *undoing) removeAll(ctx context.Context, items []Item, rows map[asset.Ref]factory.Row) (int, error) {
	removed := 0
	for len(items) > 0 {
		var left []Item
		var reasons []string
		for _, i := range items {
			err := u.removeOne(ctx, i, rows[i.Ref().Identity()])
			if interrupted(ctx, err) {
				return removed, err
			}
			if err != nil {
				left, reasons = append(left, i), append(reasons, fmt.Sprintf("%s was not removed: %v", describeRef(i), err))
				continue
			}
			removed++
			u.removed = append(u.removed, rows[i.Ref().Identity()])
		}
		if len(left) == len(items) {
			u.faults = append(u.faults, reasons...)
			break
		}
		items = left
	}
	return removed, nil
}

func (u *undoing) removeOne(ctx context.Context, i Item, row factory.Row) error {
	if i.Kind == asset.Jobs {
		running, err := runs(ctx, u.target, row)
		if err == nil && running {
			err = u.target.StopJob(ctx, i.Name)
		}
		if err != nil && !errors.Is(err, factory.ErrNotFound) {
			return err
		}
	}
	err := u.target.Delete(ctx, i.Ref(), row.ID, u.approvers()...)
	if errors.Is(err, factory.ErrNotFound) {
		return nil
	}
	return err
}

// removeVariables takes the variables that the restore created out of the live list.
func (u *undoing) removeVariables(ctx context.Context) (int, error) {
	created, unknown := map[string]bool{}, map[string]bool{}
	for _, i := range u.report.Items {
		switch {
		case i.Kind != asset.Env || i.Action != ActionCreate || i.Undone:
		case i.Outcome == Created || i.Written:
			created[i.Name] = true
		case i.mayBeCreated():
			unknown[i.Name] = true
		}
	}
	if len(created)+len(unknown) == 0 || u.left[envRef()] {
		return 0, nil
	}
	now, err := liveVariables(ctx, u.target)
	if err != nil {
		return 0, err
	}
	for _, name := range now.Names() {
		if unknown[name] {
			u.fault("environment variable %q is there, and it is unknown whether the restore created it; it was left alone", name)
		}
	}
	isCreated := func(name string) bool { return created[name] }
	removed := len(slices.DeleteFunc(slices.Clone(now.Names()), func(name string) bool { return !created[name] }))
	if removed > 0 {
		if err := u.target.PutEnv(ctx, now.Without(isCreated)); err != nil {
			return 0, fmt.Errorf("remove environment variables: %w", err)
		}
		if now, err = liveVariables(ctx, u.target); err != nil {
			return 0, err
		}
	}
	for name := range created {
		if _, there := now.Get(name); !there {
			u.undone(variable(name))
		}
	}
	for _, name := range now.Names() {
		if created[name] {
			removed--
			u.fault("environment variable %q was not removed: the service keeps variables that a list leaves out", name)
		}
	}
	return removed, nil
}
