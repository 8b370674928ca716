package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

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
	for _, s := range p.steps {
		if s.item.Kind != asset.Env {
			s.item.Action = ActionCreate // until a listing shows it
		}
	}
	p.liveJobs = map[string]bool{}
	err := p.many().read(ctx, p.steps, manyVisit{row: p.meet, listed: p.counted, settles: (*step).equals, settled: p.unchanged, single: p.compareOne,
		believes: !p.prior.running()})
	return p.refuseUnknownWorkspace(err)
}

// meet notes a live asset, and tells whether its definition has to be compared: what the policy leaves alone, or refuses, need not be read.
func (p *plan) meet(s *step, row factory.Row) bool {
	if s != nil && row.Ref.Kind == asset.Jobs {
		s.ranAt = ranAt(row.Raw)
	}
	if s != nil {
		s.made = rowMade(row)
	}
	row.Raw = nil // valid during the call only
	p.rows[row.Ref.Identity()] = row
	if row.Ref.Kind == asset.Jobs {
		p.liveJobs[row.Ref.Name] = true
	}
	if s == nil {
		return false
	}
	s.exists, s.id = true, row.ID
	switch policy := p.request.DuplicateNamePolicy; {
	case policy == Skip && !p.mayBeOurs(s):
		s.item.Action, s.item.Reason = ActionSkip, "it exists"
		return false
	case policy == Fail && !p.prior.running():
		s.item.Action, s.item.Reason = ActionBlocked, "it exists, and duplicateNamePolicy is fail"
		return false
	}
	return true
}

// counted notes what the service said about a listing.
func (p *plan) counted(kind asset.Kind, listing factory.Listing) error {
	p.listings[kind] = listing
	if listing.Missing() == 0 || p.request.DuplicateNamePolicy != Fail {
		return nil
	}
	err := refuse("the workspace claims %d %s and lists %d, so it is unknown which exist", listing.Total, kind, listing.Unique)
	if p.prior.running() { // the next listing may tell, and what was begun goes on then
		return fmt.Errorf("list %s: %s", kind, err.Error())
	}
	return err
}

// unchanged is for an asset that is as it should be.
func (p *plan) unchanged(ctx context.Context, s *step, row factory.Row) error {
	if p.dateless(s) {
		definition, err := p.target.Get(ctx, s.asset.Ref(), row.ID)
		if interrupted(ctx, err) {
			return err
		}
		return p.compareOne(ctx, s, row, definition, err)
	}
	if seen, err := p.seen(ctx, s, p.look(ctx, s, row)); !seen {
		return err
	}
	s.same()
	return nil
}

// same makes a step one for which there is nothing to write. Its part of the plan's hash does not depend on how the live asset was read.
func (s *step) same() { s.item.Action, s.live = ActionUnchanged, s.meaning }

// seen tells whether a live asset could be looked at; err is why it could not. Else the step has its action, or the returned error ends the plan.
func (p *plan) seen(ctx context.Context, s *step, err error) (bool, error) {
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, factory.ErrNotFound): // gone since it was listed
		s.exists, s.running, s.item.WasRunning, s.item.Action = false, false, false, ActionCreate
		return false, nil
	case interrupted(ctx, err):
		return false, err
	}
	// What cannot be looked at cannot be saved, so it is not overwritten; the others are restored all the same.
	s.item.Action, s.item.Reason = ActionBlocked, "the live one cannot be read: "+err.Error()
	before, _ := p.before(s)
	s.item.WasRunning = before.WasRunning
	s.item.Reason += p.told(before)
	return false, nil
}

func (p *plan) refuseUnknownWorkspace(err error) error {
	if factory.IsCode(err, factory.CodeNoWorkspace) {
		return refuse("the target workspace does not exist: %v", err)
	}
	return err
}

// compareOne decides what is to be done with an asset that exists, by the definition that its own call gave; err is that call's.
func (p *plan) compareOne(ctx context.Context, s *step, row factory.Row, current json.RawMessage, err error) error {
	if made := madeAt(current); !made.IsZero() {
		s.made = made
	}
	if err == nil {
		err = p.look(ctx, s, row)
	}
	if seen, err := p.seen(ctx, s, err); !seen {
		return err
	}
	kind, policy := s.item.Kind, p.request.DuplicateNamePolicy
	before, continued := p.before(s)
	mayBeOurs := p.mayBeOurs(s)
	desired, err := p.definition(ctx, s)
	if err != nil {
		return err
	}
	s.live = meaning(kind, current)
	changes, err := asset.Changes(kind, current, desired)
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
		s.same()
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
		s.removes = removals(changes)
	}
	return nil
}

// removal is a value that an overwrite is to take away.
type removal struct{ path, hash string }

// removals are those among the changes. A service may add a field with nothing in it by itself, so that these are none.
func removals(changes []rawjson.Change) map[removal]bool {
	removes := map[removal]bool{}
	for _, c := range changes {
		if c.To == "" && hasMeaning(c.From) {
			removes[removal{c.Path, vault.Hash([]byte(c.From))}] = true
		}
	}
	return removes
}

// heldBy tells whether the live definition is what the run that is continued wrote. Of a write that the service is known to have taken nothing may be
// lost, but the service may have added defaults; otherwise it has to be the same.
func (i Item) heldBy(current, definition []byte) (bool, error) {
	compare := asset.Changes
	if i.Written {
		compare = asset.Lost
	}
	differences, err := compare(i.Kind, definition, current)
	if err != nil || len(differences) > 0 || !i.Written {
		return err == nil && len(differences) == 0, err
	}
	left, err := i.left(current, definition)
	return err == nil && !left, err
}

// left tells whether a field is there still that the write was to remove: then it has changed nothing, or not enough. Where not all fields are on record,
// it may be any.
func (i Item) left(current, definition []byte) (bool, error) {
	more, err := asset.Changes(i.Kind, current, definition)
	return err == nil && slices.ContainsFunc(more, func(c rawjson.Change) bool {
		planned := i.MoreChanges > 0 || slices.ContainsFunc(i.Changes, func(planned Change) bool { return planned.Field == c.Path })
		return planned && hasMeaning(c.From)
	}), err
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
	if before, ok := p.before(s); ok && (before.WasRunning || before.Action != ActionBlocked) {
		s.item.WasRunning = before.WasRunning // one that was blocked may not have been looked at, and has not been stopped
	}
	return nil
}

// ranAt is when the last instance of a listed job ended, in milliseconds in the row; zero where none did. The List Jobs page of version 1 has the first
// spelling, that of version 2 the other.
func ranAt(row []byte) time.Time {
	for _, name := range []string{"lastInstanceEndTime", "last_instance_end_time"} {
		if text, ok := rawjson.Path(row, name); ok {
			if ms, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64); err == nil && ms > 0 {
				return time.UnixMilli(ms).UTC()
			}
		}
	}
	return time.Time{}
}
