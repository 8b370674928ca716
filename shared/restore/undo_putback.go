package restore

import (
	"context"
	"errors"
	"slices"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// approvers are those of the restore: what it took to write, it takes to write back.
func (u *undoing) approvers() []string {
	if u.report.Request == nil {
		return nil
	}
	return u.report.Request.Approvers
}

// folders says in which of the folders that a restore saved something lies in its oldest state. That is the one from before the restore.
type folders struct {
	assets map[asset.Ref]int
	files  map[string]int
}

func oldestOf(before []*vault.Backup) folders {
	f := folders{assets: map[asset.Ref]int{}, files: map[string]int{}}
	for n, b := range slices.Backward(before) {
		for _, a := range b.Manifest.Assets {
			f.assets[a.Ref().Identity()] = n
		}
		for _, kept := range b.Manifest.Files {
			f.files[kept.Location] = n
		}
	}
	return f
}

// envRef is the identity of the environment variables where they are one asset.
func envRef() asset.Ref { return asset.Ref{Kind: asset.Env, Name: asset.EnvName}.Identity() }

// putBack restores what was saved before the restore wrote: of one folder, what lies in its oldest state there. Of the environment variables every state is
// put back, so that of those which appeared later the oldest is there in the end, too.
func (u *undoing) putBack(ctx context.Context, saved *vault.Backup, oldest func(asset.Ref) bool, oldestFile func(location string) bool) (int, error) {
	takes := func(ref asset.Ref) bool {
		if ref.Kind == asset.Env {
			return !u.left[envRef()] && u.touched(ref)
		}
		return oldest(ref) && !u.left[ref] && u.touched(ref)
	}
	takesFile := func(location string) bool {
		return oldestFile(location) && !u.leftFiles[location] && u.touchedFile(location)
	}
	if !slices.ContainsFunc(saved.Manifest.Assets, func(a vault.Asset) bool {
		return a.Kind == asset.Env && u.touchedVariables() || takes(a.Ref().Identity())
	}) && !slices.ContainsFunc(saved.Manifest.Files, func(f vault.File) bool { return takesFile(f.Location) }) {
		return 0, nil
	}
	req := Request{ID: u.report.ID, Workspace: u.report.Workspace, DuplicateNamePolicy: Overwrite}
	req.Approvers = u.approvers()
	p, err := makePlan(ctx, planning{request: req, backup: saved, target: u.target, concurrency: u.opts.Concurrency,
		keys: u.opts.Locations.Keys, only: takes, places: u.opts.Locations, looseFile: takesFile})
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
		if s.item.Kind != asset.Env && s.item.Action == ActionOverwrite && !u.secured[s.item.Ref().Identity()] {
			s.item.Action, s.item.Reason = ActionBlocked, "it was not listed when the undo began, so what is there is not saved"
		}
	}
	inner := &Report{ID: u.report.ID, Workspace: u.report.Workspace}
	p.describe(inner)
	a := &applying{plan: p, target: u.target, opts: u.opts, req: req, report: inner, check: u.check, saved: u.opts.Now(), quiet: true}
	a.settleWithoutWriting()
	err = a.write(ctx)
	back := 0
	for _, i := range inner.Items {
		id := i.Ref().Identity()
		u.back[id] = i.Outcome == Created || i.Outcome == Overwritten || i.Outcome == Unchanged
		switch {
		case err != nil: // what is not done is said by whoever goes on
		case i.Outcome == Errored || i.Outcome == Blocked:
			u.fault("%s was not put back: %s", describeRef(i), i.Reason)
		case i.Outcome != Unchanged:
			back++
		}
	}
	if err != nil {
		return 0, err
	}
	return back + u.putBackFiles(p), nil
}

// noteBack puts into the report what is there again as it was.
func (u *undoing) noteBack() {
	for id, back := range u.back {
		if back {
			u.undone(id)
		}
	}
	for n := range u.report.Items {
		files := u.report.Items[n].Files
		for k := range files {
			if u.backFiles[files[k].Location] && files[k].mayBeWritten() {
				files[k].Undone, u.changed = true, true
			}
		}
	}
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
