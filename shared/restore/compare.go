package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// compare holds the steps against the live workspace.
func (p *plan) compare(ctx context.Context) error {
	if err := p.compareVariables(ctx); err != nil {
		return err
	}
	live := map[asset.Ref]factory.Row{}
	for _, kind := range []asset.Kind{asset.Resources, asset.Scripts, asset.Jobs} {
		if !slices.ContainsFunc(p.steps, func(s *step) bool { return s.item.Kind == kind }) {
			continue
		}
		listing, err := p.target.List(ctx, kind, func(r factory.Row) error {
			r.Raw = nil // valid during the call only
			live[r.Ref.Identity()] = r
			return nil
		})
		if err != nil {
			return p.refuseUnknownWorkspace(err)
		}
		if listing.Missing() > 0 && p.request.DuplicateNamePolicy == Fail {
			return refuse("the workspace claims %d %s and lists %d, so it is unknown which exist", listing.Total, kind, listing.Unique)
		}
	}
	p.liveJobs = map[string]bool{}
	for ref := range live {
		if ref.Kind == asset.Jobs {
			p.liveJobs[ref.Name] = true
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(p.concurrency)
	for _, s := range p.steps {
		if s.item.Kind == asset.Env {
			continue
		}
		row, exists := live[s.asset.Ref().Identity()]
		if !exists {
			s.item.Action = ActionCreate
			continue
		}
		group.Go(func() error { return p.compareOne(ctx, s, row) })
	}
	return group.Wait()
}

func (p *plan) refuseUnknownWorkspace(err error) error {
	if factory.IsCode(err, factory.CodeNoWorkspace) {
		return refuse("the target workspace does not exist: %v", err)
	}
	return err
}

// compareOne decides what is to be done with an asset that exists.
func (p *plan) compareOne(ctx context.Context, s *step, row factory.Row) error {
	s.exists, s.id = true, row.ID
	before, continued := p.done[s.item.Ref().Identity()]
	mayBeOurs := continued && before.Action == ActionCreate
	policy := p.request.DuplicateNamePolicy
	if policy == Skip && !mayBeOurs {
		s.item.Action, s.item.Reason = ActionSkip, "it exists"
		return nil
	}
	kind := s.item.Kind
	current, err := p.target.Get(ctx, s.asset.Ref(), s.id)
	if err == nil {
		err = p.look(ctx, s, row)
	}
	if errors.Is(err, factory.ErrNotFound) { // gone since it was listed
		s.exists, s.running, s.item.WasRunning, s.item.Action = false, false, false, ActionCreate
		return nil
	}
	if interrupted(ctx, err) {
		return err
	}
	if err != nil { // what cannot be looked at cannot be saved, so it is not overwritten; the others are restored all the same
		s.item.Action, s.item.Reason = ActionBlocked, "the live one cannot be read: "+err.Error()
		return nil //nolint:nilerr // it is the item's, not the plan's
	}
	desired, err := p.definition(ctx, s)
	if err != nil {
		return err
	}
	s.live = vault.Hash(asset.Comparable(kind, current))
	changes, err := rawjson.Diff(asset.Comparable(kind, current), asset.Comparable(kind, desired))
	if err != nil {
		return fmt.Errorf("compare %s: %w", s.asset.Ref(), err)
	}
	if len(changes) > 0 && continued {
		switch holds, err := before.heldBy(current, desired); {
		case err != nil:
			return fmt.Errorf("compare %s: %w", s.asset.Ref(), err)
		case holds:
			changes = nil
		case mayBeOurs && kind == asset.Jobs && p.inCycle(s.item.Name):
			if s.cut, err = before.heldBy(current, asset.WithoutDependencies(desired)); err != nil {
				return fmt.Errorf("compare %s: %w", s.asset.Ref(), err)
			}
			if s.cut {
				s.item.Action, s.item.Written = ActionCreate, true
				return nil
			}
		}
	}
	switch {
	case len(changes) == 0:
		s.item.Action = ActionUnchanged
	case mayBeOurs && policy == Skip:
		s.item.Action, s.item.Reason = ActionSkip, "somebody else created it since this restore began"
	case policy == Fail && p.prior.running():
		s.item.Action, s.item.Reason = ActionBlocked, "somebody else created it since this restore began, and duplicateNamePolicy is fail"
	case kind != asset.Jobs && rawjson.StringAt(current, "type") != rawjson.StringAt(desired, "type"):
		s.item.Action, s.item.Changes = ActionBlocked, p.describeChanges(kind, changes)
		s.item.Reason = fmt.Sprintf("the live %s has type %s and the backup's %s, and the service cannot change a type: delete the live one first",
			kind.Singular(), rawjson.StringAt(current, "type"), rawjson.StringAt(desired, "type"))
	default:
		s.item.Action, s.item.Changes = ActionOverwrite, p.describeChanges(kind, changes)
	}
	return nil
}

// heldBy tells whether the live definition is what the run that is continued wrote. Of a write that the service is known to have taken nothing may be
// lost, but the service may have added defaults; otherwise it has to be the same.
func (i Item) heldBy(current, definition []byte) (bool, error) {
	compare := rawjson.Diff
	if i.Written {
		compare = rawjson.Lost
	}
	differences, err := compare(asset.Comparable(i.Kind, definition), asset.Comparable(i.Kind, current))
	return err == nil && len(differences) == 0, err
}

// look finds out whether a live job runs, now and when the restore began.
func (p *plan) look(ctx context.Context, s *step, row factory.Row) error {
	if s.item.Kind != asset.Jobs {
		return nil
	}
	running, err := runs(ctx, p.target, row)
	if err != nil {
		return err
	}
	s.running, s.item.WasRunning = running, running
	if before, ok := p.done[s.item.Ref().Identity()]; ok {
		s.item.WasRunning = before.WasRunning
	}
	return nil
}
