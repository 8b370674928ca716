package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

// This file reads back what was imported, which decides what has become of it.

// readBack reads what was imported and gives those assets their outcome that are as they should be. The others are left to the slow way: what is not
// there is created, and what the import created otherwise is updated.
func (i *importer) readBack(ctx context.Context) error {
	left := slices.DeleteFunc(i.handed, func(s *step) bool { return i.outcome(s) != "" })
	for _, wait := range []time.Duration{0, 2 * time.Second, 8 * time.Second} { // a service that shows writes late is given some time
		if len(left) == 0 {
			break
		}
		if err := i.opts.Sleep(ctx, wait); err != nil {
			return err
		}
		i.say(fmt.Sprintf("reading back %d of %d imported jobs and scripts", len(left), len(i.handed)))
		var mu sync.Mutex
		seen := map[*step]bool{}
		err := i.plan.many().read(ctx, left, manyVisit{
			row: func(s *step, row factory.Row) bool {
				if s == nil {
					return false
				}
				mu.Lock()
				defer mu.Unlock()
				seen[s] = true
				s.made, s.imports.runs = rowMade(row), isRunning(row.Status)
				return true
			},
			settles: func(s *step, definition json.RawMessage) bool { return s.equals(definition) },
			settled: func(ctx context.Context, s *step, row factory.Row) error {
				if s.made.IsZero() && !i.claim(s).began.IsZero() { // the list does not tell whose it is
					definition, err := i.target.Get(ctx, s.asset.Ref(), row.ID)
					return i.single(ctx, s, row, definition, err)
				}
				return i.created(ctx, s, s.made)
			},
			single: i.single,
		})
		if err != nil {
			return err
		}
		left = slices.DeleteFunc(left, func(s *step) bool { return seen[s] })
		if !slices.ContainsFunc(left, func(s *step) bool { return s.imports.said == "" }) {
			break
		}
	}
	for _, s := range left { // whatever the task says, it is not there
		i.unwritten(s)
	}
	if err := i.update(ctx); err != nil {
		return err
	}
	i.over()
	return nil
}

// single takes the definition of an imported asset by its own call, or that call's error.
func (i *importer) single(ctx context.Context, s *step, _ factory.Row, definition json.RawMessage, err error) error {
	switch {
	case errors.Is(err, factory.ErrNotFound): // the slow way looks again
		i.unwritten(s)
		return nil
	case interrupted(ctx, err):
		return err
	case err != nil:
		if i.claim(s).proved(s.made) {
			i.written(s)
		}
		i.set(s, Errored, fmt.Sprintf("it was imported, and it is unknown whether it is as it should be, because it cannot be read back: %v", err))
		return i.save(ctx)
	}
	return i.look(ctx, s, definition)
}

// created gives an asset its outcome that was imported and reads back as it should. made is when the service says that it was created or changed last,
// zero where it does not.
func (i *importer) created(ctx context.Context, s *step, made time.Time) error {
	if i.claim(s).older(made) {
		i.unwritten(s)
		i.set(s, Unchanged, createdByOthers)
		return i.save(ctx)
	}
	i.written(s)
	if i.owes(s) { // it is started in its turn, after what it needs
		s.imports.there = true
		return nil
	}
	if s.imports.runs && s.item.Kind == asset.Jobs && !i.shallRun(s) {
		return i.calm(ctx, s)
	}
	i.succeed(s)
	return i.save(ctx)
}

// calm stops a job that its import has started, which nobody has asked for.
func (i *importer) calm(ctx context.Context, s *step) error {
	s.running = true
	_, err := i.stop(ctx, s)
	switch {
	case interrupted(ctx, err):
		return err
	case err != nil:
		i.set(s, Errored, fmt.Sprintf("its import has started it, and it could not be stopped: %v", err))
	default:
		s.running, s.turned = false, true
		i.succeed(s)
		i.set(s, Created, "its import had started it; it was stopped")
	}
	return i.save(ctx)
}

// startImported starts a job that was imported as it should be, when its turn comes.
func (a *applying) startImported(ctx context.Context, s *step) error {
	if reason := a.blockedBy(s); reason != "" {
		return fmt.Errorf("it was imported, and not started: %s", reason)
	}
	if err := a.settle(ctx, s); err != nil {
		return err
	}
	a.succeed(s)
	return nil
}

// look holds an imported asset against what it should be. One that is otherwise is updated, unless somebody else has created it between the last look at
// the workspace and the import, which skips what is there: that is left alone.
func (i *importer) look(ctx context.Context, s *step, definition []byte) error {
	want, err := i.plan.definition(ctx, s)
	if err != nil {
		return err
	}
	lost, err := asset.Lost(s.item.Kind, want, definition)
	made := madeAt(definition)
	switch {
	case made.IsZero() || i.claim(s).began.IsZero():
		if err == nil && len(lost) == 0 {
			return i.created(ctx, s, made)
		}
		i.leave(s, "it is there and is not what the backup holds, and the service does not tell whether this restore created it or somebody else meanwhile")
	case !i.claim(s).older(made) && err == nil && len(lost) == 0:
		return i.created(ctx, s, made)
	case i.claim(s).older(made):
		if changes, err := asset.Changes(s.item.Kind, want, definition); err == nil && len(changes) == 0 {
			return i.created(ctx, s, made)
		}
		i.leave(s, "somebody else created it meanwhile, and not as it is in the backup")
	default:
		i.mu.Lock()
		defer i.mu.Unlock()
		i.differing = append(i.differing, s)
	}
	return nil
}

// leave gives an asset up that may be somebody else's.
func (i *importer) leave(s *step, why string) {
	i.unwritten(s)
	i.set(s, Errored, why+": it was left alone")
}

// update prepares those assets to be updated that the import created otherwise than they should be. They are saved first, as everything is that a restore
// overwrites: times are told in seconds by some services, and within one second somebody else may have been there first.
func (i *importer) update(ctx context.Context) error {
	if len(i.differing) == 0 {
		return nil
	}
	var all []live
	for _, s := range i.differing {
		all = append(all, live{ref: s.asset.Ref(), id: s.id})
	}
	if err := i.opts.saveLive(ctx, i.target, i.report, "before", all, false, i.check, nil); err != nil {
		return err
	}
	for _, s := range i.differing {
		s.imports.differs = true
		i.written(s)
	}
	return nil
}

// unwritten takes back what a task said of an asset.
func (i *importer) unwritten(s *step) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.report.Items[s.index].Written = s.item.Written
}
