package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// Undo takes a restore back: what it overwrote is put back as it was saved before the first write, what it created is removed, and jobs run or do
// not run as they did. Nothing else is touched, least of all what the restore never wrote, and everything that is overwritten or removed is saved first, under
// restores/<id>/undo/: somebody may have worked on it since. A file that a live resource relies on stays, and the message says so.
//
// The report is that of the restore, with status UNDONE, or PARTIAL where something could not be taken back, which its message names. Asking again goes
// on with that, leaving alone what was taken back before, and a restore that was undone stays undone. A refusal is a FAILED report; the restore's own stays as it is.
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
		u := newUndoing(opts, report, check)
		if err := u.run(ctx); err != nil {
			return u.keep(ctx, err)
		}
		finished := opts.Now().UTC()
		report.FinishedAt = &finished
		if err := opts.Locations.Reports().Save(ctx, report); err != nil {
			report.Status = Running // it is undone only once that is on record
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
	claims map[asset.Ref]claim // to what imports were to bring

	items    map[asset.Ref]int              // of the report, by identity
	listings map[asset.Kind]factory.Listing // what the service said about the lists that were read last
	secured  map[asset.Ref]bool             // what is saved as it was when the undo began: nothing else is overwritten or removed
	left     map[asset.Ref]bool             // what cannot be saved, and is therefore left alone
	back     map[asset.Ref]bool             // whether what was saved before the restore wrote is there again
	removed  []factory.Row                  // what was to be deleted, as far as the service did not refuse

	leftFiles map[string]bool // files of resources that cannot be saved, by location
	backFiles map[string]bool // files that are as they were saved before the restore wrote

	changed       bool // the report says more than it did
	faults, notes []string
}

func newUndoing(opts Options, report *Report, check func(context.Context) error) *undoing {
	u := &undoing{opts: opts, report: report, target: opts.Workspace(report.Workspace), check: check,
		items: map[asset.Ref]int{}, listings: map[asset.Kind]factory.Listing{}, secured: map[asset.Ref]bool{}, left: map[asset.Ref]bool{}, back: map[asset.Ref]bool{},
		leftFiles: map[string]bool{}, backFiles: map[string]bool{}}
	for n, i := range report.Items {
		u.items[i.Ref().Identity()] = n
	}
	return u
}

// fault notes what could not be taken back, note what was not, because it is none of the restore's.
func (u *undoing) fault(format string, args ...any) {
	u.faults = append(u.faults, fmt.Sprintf(format, args...))
}

func (u *undoing) note(format string, args ...any) {
	u.notes = append(u.notes, fmt.Sprintf(format, args...))
}

// keep puts on record what was taken back before an interruption is reported, if there is still a way to: it is not taken back again.
func (u *undoing) keep(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	u.noteBack()
	if !u.changed || u.check(ctx) != nil {
		return err
	}
	return errors.Join(err, u.opts.Locations.Reports().Save(ctx, u.report))
}

// undone notes that an asset is as it was before the restore.
func (u *undoing) undone(ref asset.Ref) {
	if n, ok := u.items[ref.Identity()]; ok {
		u.report.Items[n].Undone, u.changed = true, true
	}
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
	u.target = u.opts.Workspace(u.report.Workspace)
	if err := u.imports(ctx); err != nil {
		return err
	}
	if err := u.own(ctx); err != nil {
		return err
	}
	rows, err := u.list(ctx)
	if err != nil {
		return err
	}
	created, err := u.created(ctx, rows)
	if err != nil {
		return err
	}
	if err := u.save(ctx, before, created, rows); err != nil {
		return err
	}
	if err := u.check(ctx); err != nil {
		return err
	}
	if err := u.begin(ctx); err != nil {
		return err
	}
	back := 0
	oldest := oldestOf(before)
	for n, b := range slices.Backward(before) {
		count, err := u.putBack(ctx, b, func(ref asset.Ref) bool { return oldest.assets[ref] == n }, func(location string) bool { return oldest.files[location] == n })
		if err != nil {
			return err
		}
		back += count
	}
	u.noteBack()
	removed, err := u.remove(ctx, created, rows)
	if err != nil {
		return err
	}
	rows, kept, err := u.gone(ctx)
	if err != nil {
		return err
	}
	files, err := u.removeFiles(ctx)
	if err != nil {
		return err
	}
	removed += files - kept
	if err := u.schedules(ctx, rows); err != nil {
		return err
	}
	u.conclude(back, removed)
	return nil
}

// conclude says how it ended.
func (u *undoing) conclude(back, removed int) {
	u.report.Status, u.report.Undo = Undone, nil
	did := strings.Join(append([]string{fmt.Sprintf("%d put back, %d removed", back, removed)}, u.notes...), "; ")
	if back+removed > 0 {
		did += fmt.Sprintf("; what was there before that is kept in restores/%s/undo/", u.report.ID)
	}
	u.report.Message = "undone: " + did
	if len(u.faults) > 0 {
		u.report.Status = Partial
		u.report.Message = fmt.Sprintf("partly undone: %s, but:\n%s", did, strings.Join(u.faults, "\n"))
	}
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

// mayBeWritten tells whether the restore has written an asset that was there before, or may have.
func (i Item) mayBeWritten() bool {
	switch {
	case i.Undone:
		return false
	case i.Written || i.Sent:
		return true
	case i.Action != ActionCreate && i.Action != ActionOverwrite:
		return false
	}
	return i.Outcome == Created || i.Outcome == Overwritten || i.Outcome == "" || i.Kind == asset.Env && i.Outcome == Errored
}

// touched tells whether an asset, or an environment variable, is to be put back.
func (u *undoing) touched(ref asset.Ref) bool {
	n, ok := u.items[ref.Identity()]
	return ok && u.report.Items[n].mayBeWritten()
}

// touchedVariables tells whether any environment variable is.
func (u *undoing) touchedVariables() bool {
	return slices.ContainsFunc(u.report.Items, func(i Item) bool { return i.Kind == asset.Env && i.mayBeWritten() })
}

// created lists the items that the restore created and that are still there. An asset that it was to create, and of which it does not know that it
// did, is left alone and named: it may be somebody else's.
func (u *undoing) created(ctx context.Context, rows map[asset.Ref]factory.Row) ([]Item, error) {
	var created []Item
	for _, i := range u.report.Items {
		if i.Action != ActionCreate || i.Kind == asset.Env {
			continue
		}
		own, open := i.Outcome == Created || i.Written, i.mayBeCreated()
		_, there := rows[i.Ref().Identity()]
		switch {
		case there && i.Undone:
			u.note("%s is there again since the undo removed it, and was left alone", describeRef(i))
		case i.Undone || !own && !open:
		case !there:
			why, err := u.hidden(ctx, factory.Row{Ref: i.Ref()})
			switch {
			case err != nil:
				return nil, err
			case why != "":
				u.fault("%s was not removed: %s", describeRef(i), why)
			case own:
				u.undone(i.Ref())
			}
		case own:
			created = append(created, i)
		default:
			u.fault("%s is there, and it is unknown whether the restore created it; it was left alone", describeRef(i))
		}
	}
	return created, nil
}

// save saves what the undo is about to overwrite or remove.
func (u *undoing) save(ctx context.Context, before []*vault.Backup, created []Item, rows map[asset.Ref]factory.Row) error {
	var all []live
	env := false
	add := func(ref asset.Ref) {
		if row, there := rows[ref.Identity()]; there && !u.secured[ref.Identity()] { // it may have been saved more than once
			u.secured[ref.Identity()] = true
			all = append(all, live{ref: ref, id: row.ID})
		}
	}
	for _, b := range before {
		for _, a := range b.Manifest.Assets {
			if a.Kind == asset.Env {
				env = env || u.touchedVariables()
			} else if u.touched(a.Ref()) {
				add(a.Ref())
			}
		}
	}
	for _, i := range created {
		add(i.Ref())
	}
	all = append(all, u.savedFiles(before)...)
	return u.opts.saveLive(ctx, u.target, u.report, "undo", all, env, u.check, func(one live, err error) error {
		if one.file != "" {
			u.leftFiles[one.file] = true
			u.fault("file %s cannot be saved, so it was left alone: %v", one.file, err)
			return nil
		}
		u.left[one.ref.Identity()], u.secured[one.ref.Identity()] = true, false
		if one.ref.Kind == asset.Env {
			u.fault("the environment variables cannot be saved, so they were left alone: %s", withoutMessage(err))
			return nil
		}
		u.fault("%s cannot be saved, so it was left alone: %v", one.ref, err)
		return nil
	})
}
