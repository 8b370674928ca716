package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// Undo takes a restore back: what it overwrote is put back as it was saved before the first write, and what it created is removed. Only what its
// report says it created is removed; the rest is left alone and named. The report is that of the restore, with status UNDONE, or PARTIAL where
// something could not be taken back. Asking again continues, and a restore that was undone stays undone.
func Undo(ctx context.Context, id string, opts Options) (*Report, error) {
	opts = opts.withDefaults()
	reports := opts.Locations.Reports()
	report, err := reports.Load(ctx, id)
	if errors.Is(err, ErrNoReport) {
		return refusedUndo(id, opts, fmt.Sprintf("undo: there is no restore %q", id)), nil
	}
	if err != nil {
		return nil, err
	}
	switch report.Status {
	case Undone:
		return report, nil
	case Planned, Failed:
		return refusedUndo(id, opts, fmt.Sprintf("undo: restore %q is %s and has written nothing", id, report.Status)), nil
	}
	hold, err := lease.Acquire(ctx, opts.Locations.Store, opts.Locations.leaseKey(report.Workspace), opts.Lease)
	if err != nil {
		return report, fmt.Errorf("keep other restores away from workspace %s: %w", report.Workspace, err)
	}
	defer release(ctx, hold)
	u := &undoing{opts: opts, report: report, target: opts.Workspace(report.Workspace)}
	if err := because(hold.Context(), u.run(hold.Context())); err != nil {
		report.Message = "the undo was interrupted: " + err.Error()
		logReport(ctx, report, err)
		return report, err
	}
	finished := opts.Now().UTC()
	report.FinishedAt = &finished
	if err := reports.Save(ctx, report); err != nil {
		return report, err
	}
	logReport(ctx, report, nil)
	return report, nil
}

func refusedUndo(id string, opts Options, why string) *Report {
	now := opts.Now().UTC()
	return &Report{ID: id, Status: Failed, StartedAt: now, FinishedAt: &now, Counts: map[string]int{}, Message: why, Items: []Item{}}
}

func release(ctx context.Context, hold *lease.Lease) {
	// The restore's own context may be over; the lease has to go all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := hold.Release(ctx); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Msg("the lease was not released; the next restore waits until it is stale")
	}
}

// undoing is an undo under way.
type undoing struct {
	opts   Options
	report *Report
	target Workspace
	faults []string
}

func (u *undoing) run(ctx context.Context) error {
	back, err := u.putBack(ctx)
	if err != nil {
		return err
	}
	removed, err := u.remove(ctx)
	if err != nil {
		return err
	}
	u.report.Status = Undone
	u.report.Message = fmt.Sprintf("undone: %d put back, %d removed", back, removed)
	if len(u.faults) > 0 {
		u.report.Status = Partial
		u.report.Message = fmt.Sprintf("partly undone: %d put back, %d removed, but:\n%s", back, removed, strings.Join(u.faults, "\n"))
	}
	return nil
}

// putBack restores what was saved before the first write.
func (u *undoing) putBack(ctx context.Context) (int, error) {
	l := u.opts.Locations
	saved, err := vault.FolderAt(l.Store, l.Bucket, l.Reports().before(u.report.ID)).Open(ctx)
	if errors.Is(err, vault.ErrIncomplete) {
		return 0, nil // killed while it saved, so before its first write
	}
	if err != nil {
		return 0, err
	}
	req := Request{ID: u.report.ID, Workspace: u.report.Workspace, DuplicateNamePolicy: Overwrite}
	inner := &Report{ID: u.report.ID, Workspace: u.report.Workspace}
	p, err := makePlan(ctx, req, u.opts, saved, u.target, nil)
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		u.faults = append(u.faults, refusal.Faults...)
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	p.describe(inner)
	a := &applying{plan: p, target: u.target, opts: u.opts, req: req, report: inner, saved: u.opts.Now(), quiet: true}
	a.settleWithoutWriting()
	if err := a.write(ctx); err != nil {
		return 0, err
	}
	back := 0
	for _, i := range inner.Items {
		switch i.Outcome {
		case Errored, Blocked:
			u.faults = append(u.faults, fmt.Sprintf("%s was not put back: %s", describeRef(i), i.Reason))
		case Created, Overwritten:
			back++
		}
	}
	return back, nil
}

// remove removes what the restore created: jobs first, then scripts, resources and environment variables.
func (u *undoing) remove(ctx context.Context) (int, error) {
	removed := 0
	for _, kind := range []asset.Kind{asset.Jobs, asset.Scripts, asset.Resources} {
		var created []Item
		for _, i := range u.report.Items {
			if i.Kind != kind || i.Action != ActionCreate {
				continue
			}
			switch i.Outcome {
			case Created:
				created = append(created, i)
			case Errored, "":
				u.faults = append(u.faults, fmt.Sprintf("%s: the restore did not finish creating it, so it is unknown whose it is if it is there; it was left alone", describeRef(i)))
			}
		}
		if len(created) == 0 {
			continue
		}
		n, err := u.removeAll(ctx, kind, created)
		if err != nil {
			return removed, err
		}
		removed += n
	}
	n, err := u.removeVariables(ctx)
	return removed + n, err
}

// removeAll deletes assets of one kind. Those that the service refuses, because others still need them, are tried again as long as that helps.
func (u *undoing) removeAll(ctx context.Context, kind asset.Kind, items []Item) (int, error) {
	live := map[asset.Ref]factory.Row{}
	if _, err := u.target.List(ctx, kind, func(r factory.Row) error {
		r.Raw = nil
		live[r.Ref.Identity()] = r
		return nil
	}); err != nil {
		return 0, err
	}
	items = slices.DeleteFunc(items, func(i Item) bool { _, there := live[i.Ref().Identity()]; return !there })
	removed := 0
	for len(items) > 0 {
		var left []Item
		var reasons []string
		for _, i := range items {
			row := live[i.Ref().Identity()]
			if kind == asset.Jobs && isRunning(row.Status) {
				if err := u.target.StopJob(ctx, i.Name); err != nil && ctx.Err() != nil {
					return removed, err
				}
			}
			if err := u.target.Delete(ctx, i.Ref(), row.ID); err != nil && !errors.Is(err, factory.ErrNotFound) {
				if ctx.Err() != nil || errors.Is(err, factory.ErrUnauthorized) {
					return removed, err
				}
				left, reasons = append(left, i), append(reasons, fmt.Sprintf("%s was not removed: %v", describeRef(i), err))
				continue
			}
			removed++
		}
		if len(left) == len(items) {
			u.faults = append(u.faults, reasons...)
			break
		}
		items = left
	}
	return removed, nil
}

// removeVariables takes the variables that the restore created out of the live list.
func (u *undoing) removeVariables(ctx context.Context) (int, error) {
	created := map[string]bool{}
	for _, i := range u.report.Items {
		if i.Kind == asset.Env && i.Outcome == Created {
			created[i.Name] = true
		}
	}
	if len(created) == 0 {
		return 0, nil
	}
	text, err := u.target.Env(ctx)
	if err != nil {
		return 0, err
	}
	live, err := readVariables(text)
	if err != nil {
		return 0, err
	}
	kept := []byte("[")
	removed := 0
	for _, name := range live.order {
		if created[name] {
			removed++
			continue
		}
		if len(kept) > 1 {
			kept = append(kept, ',')
		}
		kept = append(kept, live.byName[name].In(text)...)
	}
	if removed == 0 {
		return 0, nil
	}
	if err := u.target.PutEnv(ctx, rawjson.Set(text, "params", append(kept, ']'))); err != nil {
		return 0, fmt.Errorf("remove environment variables: %w", err)
	}
	if text, err = u.target.Env(ctx); err != nil {
		return 0, fmt.Errorf("read the environment variables back: %w", err)
	}
	if live, err = readVariables(text); err != nil {
		return 0, err
	}
	for _, name := range live.order {
		if created[name] {
			removed--
			u.faults = append(u.faults, fmt.Sprintf("environment variable %q was not removed: the service keeps variables that a list leaves out", name))
		}
	}
	return removed, nil
}
