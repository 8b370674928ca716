package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// Undo takes a restore back: what it overwrote is put back as it was saved before the first write, what it created is removed, and jobs run or do
// not run as they did. Nothing else is touched, and everything that is overwritten or removed is saved first, under restores/<id>/undo/: somebody
// may have worked on it since.
//
// The report is that of the restore, with status UNDONE, or PARTIAL where something could not be taken back, which its message names. Asking again goes
// on, and a restore that was undone stays undone. A refusal is a FAILED report; the restore's own stays as it is.
func Undo(ctx context.Context, id string, opts Options) (*Report, error) {
	opts = opts.withDefaults()
	report, err := opts.undoable(ctx, id)
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return opts.refusedUndo(id, refusal), nil
	}
	if err != nil || report.Status == Undone {
		return report, err
	}
	err = underLease(ctx, opts, report.Workspace, func(ctx context.Context, check func(context.Context) error) error {
		// What was loaded before the lease was held may be of a restore that was under way.
		now, err := opts.undoable(ctx, id)
		if err != nil {
			return err
		}
		if report = now; report.Status == Undone {
			return nil
		}
		former := report.Status
		u := &undoing{opts: opts, report: report, target: opts.Workspace(report.Workspace), check: check, left: map[asset.Ref]bool{}, leftFiles: map[string]bool{}}
		if err := u.run(ctx); err != nil {
			return err
		}
		finished := opts.Now().UTC()
		report.FinishedAt = &finished
		if err := opts.Locations.Reports().Save(ctx, report); err != nil {
			report.Status = former // it is undone only once that is on record
			return err
		}
		return nil
	})
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return opts.refusedUndo(id, refusal), nil
	}
	logReport(ctx, report, err)
	return report, err
}

// undoable reads the report of a restore that can be undone, or was.
func (opts Options) undoable(ctx context.Context, id string) (*Report, error) {
	report, err := opts.Locations.Reports().Load(ctx, id)
	switch {
	case errors.Is(err, ErrNoReport):
		return nil, refuse("undo: there is no restore %q", id)
	case err != nil:
		return nil, err
	case report.Status == Planned || report.Status == Failed:
		return nil, refuse("undo: restore %q is %s and has written nothing", id, report.Status)
	case report.IsExport():
		return nil, refuse("undo: %q is an export and has written into no workspace", id)
	}
	return report, nil
}

func (opts Options) refusedUndo(id string, why *Refusal) *Report {
	now := opts.Now().UTC()
	return &Report{ID: id, Status: Failed, StartedAt: now, FinishedAt: &now, Counts: map[string]int{}, Message: why.Error(), Items: []Item{}}
}

// undoing is an undo under way.
type undoing struct {
	opts   Options
	report *Report
	target Workspace
	check  func(context.Context) error
	left   map[asset.Ref]bool // what cannot be saved, and is therefore not removed
	faults []string

	removed []Item // what was to be deleted, as far as the service did not refuse

	leftFiles map[string]bool // the same of resources' files, by location: they are not overwritten either
}

func (u *undoing) fault(format string, args ...any) {
	u.faults = append(u.faults, fmt.Sprintf(format, args...))
}

func (u *undoing) run(ctx context.Context) error {
	before, _, err := u.opts.saved(ctx, u.report.ID, "before")
	if err != nil {
		return err
	}
	if err := readable(before); err != nil {
		return err
	}
	if u.opts, err = u.opts.sealingLike(before...); err != nil {
		return err
	}
	if err := u.imports(ctx); err != nil {
		return err
	}
	rows, err := u.list(ctx)
	if err != nil {
		return err
	}
	created := u.created(rows)
	if err := u.save(ctx, before, created, rows); err != nil {
		return err
	}
	if err := u.check(ctx); err != nil {
		return err
	}
	back := 0
	for _, b := range slices.Backward(before) { // of an asset that was saved more than once, the oldest state is the one before
		n, err := u.putBack(ctx, b)
		if err != nil {
			return err
		}
		back += n
	}
	removed, err := u.remove(ctx, created, rows)
	if err != nil {
		return err
	}
	files, err := u.removeFiles(ctx)
	if err != nil {
		return err
	}
	removed += files
	rows, kept, err := u.gone(ctx)
	if err != nil {
		return err
	}
	removed -= kept
	if err := u.schedules(ctx, rows); err != nil {
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

// readable refuses an undo that could not read what was saved: half an undo helps nobody.
func readable(before []*vault.Backup) error {
	refusal := &Refusal{}
	for _, b := range before {
		if err := b.Readable(); err != nil {
			refusal.Faults = append(refusal.Faults, "undo: "+faultsOf(b, err)[0])
		}
	}
	if len(refusal.Faults) > 0 {
		return refusal
	}
	return nil
}

// list lists the live assets of the kinds that the restore had to do with.
func (u *undoing) list(ctx context.Context) (map[asset.Ref]factory.Row, error) {
	rows := map[asset.Ref]factory.Row{}
	for _, kind := range []asset.Kind{asset.Resources, asset.Scripts, asset.Jobs} {
		if !slices.ContainsFunc(u.report.Items, func(i Item) bool { return i.Kind == kind }) {
			continue
		}
		if _, err := u.target.List(ctx, kind, func(r factory.Row) error {
			r.Raw = nil // valid during the call only
			rows[r.Ref.Identity()] = r
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// created lists the items that the restore created and that are still there. An asset that it was to create, and of which it does not know that it
// did, is left alone and named: it may be somebody else's.
func (u *undoing) created(rows map[asset.Ref]factory.Row) []Item {
	var created []Item
	for _, i := range u.report.Items {
		if i.Action != ActionCreate || i.Kind == asset.Env {
			continue
		}
		_, there := rows[i.Ref().Identity()]
		switch {
		case !there:
		case i.Outcome == Created || i.Written:
			created = append(created, i)
		case i.Outcome == Errored || i.Outcome == "":
			u.fault("%s is there, and it is unknown whether the restore created it; it was left alone", describeRef(i))
		}
	}
	return created
}

// touched tells whether the restore wrote, or may have written, an environment variable.
func (u *undoing) touched(name string) bool {
	return slices.ContainsFunc(u.report.Items, func(i Item) bool {
		return i.Kind == asset.Env && i.Name == name && (i.Action == ActionCreate || i.Action == ActionOverwrite) && i.Outcome != Skipped && i.Outcome != Blocked
	})
}

// save saves what the undo is about to overwrite or remove.
func (u *undoing) save(ctx context.Context, before []*vault.Backup, created []Item, rows map[asset.Ref]factory.Row) error {
	var all []live
	env := false
	named := map[asset.Ref]bool{}
	for _, b := range before {
		for _, a := range b.Manifest.Assets {
			id := a.Ref().Identity()
			if row, there := rows[id]; there && !named[id] { // it may have been saved more than once
				named[id] = true
				all = append(all, live{ref: a.Ref(), id: row.ID})
			}
			env = env || a.Kind == asset.Env
		}
	}
	for _, i := range created {
		if id := i.Ref().Identity(); !named[id] {
			all = append(all, live{ref: i.Ref(), id: rows[id].ID})
		}
	}
	all = append(all, u.savedFiles(before)...)
	return u.opts.saveLive(ctx, u.target, u.report, "undo", all, env, u.check, func(one live, err error) error {
		if one.file != "" {
			u.leftFiles[one.file] = true
			u.fault("file %s cannot be saved, so it was left alone: %v", one.file, err)
			return nil
		}
		u.left[one.ref.Identity()] = true
		u.fault("%s cannot be saved, so it was left alone: %v", one.ref, err)
		return nil
	})
}

// approvers are those of the restore: what it took to write, it takes to write back.
func (u *undoing) approvers() []string {
	if u.report.Request == nil {
		return nil
	}
	return u.report.Request.Approvers
}

// putBack restores what was saved before the restore wrote.
func (u *undoing) putBack(ctx context.Context, saved *vault.Backup) (int, error) {
	req := Request{ID: u.report.ID, Workspace: u.report.Workspace, DuplicateNamePolicy: Overwrite}
	req.Approvers = u.approvers()
	p, err := makePlan(ctx, planning{request: req, backup: saved, target: u.target, concurrency: u.opts.Concurrency,
		keys: u.opts.Locations.Keys, only: u.touched, places: u.opts.Locations,
		looseFile: func(location string) bool { return !u.leftFiles[location] }})
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		u.faults = append(u.faults, refusal.Faults...)
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	started := u.startedByIt()
	for _, s := range p.steps {
		if s.item.Kind == asset.Jobs && started[s.item.Name] { // it is not started again: a job that runs once would run once more
			s.item.WasRunning = false
		}
	}
	inner := &Report{ID: u.report.ID, Workspace: u.report.Workspace}
	p.describe(inner)
	a := &applying{plan: p, target: u.target, opts: u.opts, req: req, report: inner, check: u.check, saved: u.opts.Now(), quiet: true}
	a.settleWithoutWriting()
	if err := a.write(ctx); err != nil {
		return 0, err
	}
	back := 0
	for _, i := range inner.Items {
		switch i.Outcome {
		case Errored, Blocked:
			u.fault("%s was not put back: %s", describeRef(i), i.Reason)
		case Created, Overwritten:
			back++
		}
	}
	return back + u.putBackFiles(p), nil
}

// startedByIt names the jobs that did not run before the restore, if that was asked to start all.
func (u *undoing) startedByIt() map[string]bool {
	started := map[string]bool{}
	for _, i := range u.report.Items {
		if i.Kind == asset.Jobs && !i.WasRunning && u.report.Request != nil && u.report.Request.Schedules == Start {
			started[i.Name] = true
		}
	}
	return started
}

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
			u.removed = append(u.removed, i)
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
		case i.Kind != asset.Env || i.Action != ActionCreate:
		case i.Outcome == Created || i.Written:
			created[i.Name] = true
		case i.Outcome == Errored || i.Outcome == "":
			unknown[i.Name] = true
		}
	}
	if len(created)+len(unknown) == 0 {
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
	if removed == 0 {
		return 0, nil
	}
	if err := u.target.PutEnv(ctx, now.Without(isCreated)); err != nil {
		return 0, fmt.Errorf("remove environment variables: %w", err)
	}
	if now, err = liveVariables(ctx, u.target); err != nil {
		return 0, err
	}
	for _, name := range now.Names() {
		if created[name] {
			removed--
			u.fault("environment variable %q was not removed: the service keeps variables that a list leaves out", name)
		}
	}
	return removed, nil
}
