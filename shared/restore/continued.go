package restore

import "github.com/dataarts-backup/dataarts-backup/shared/asset"

// This file is about what the run that is continued has on record of an asset. That run may have ended right after a write, so that the record knows less
// than was done: what is open there may be written, and stays so until a run has seen the asset. Otherwise an undo would leave it behind.

// mayBeCreated tells whether the restore has created an asset, or may have. It has not where it found that somebody else had been first, and where it
// was blocked before a create was sent.
func (i Item) mayBeCreated() bool {
	switch {
	case i.Action != ActionCreate:
		return false
	case i.Written:
		return true
	}
	return i.Outcome == "" || i.Outcome == Created || i.Outcome == Errored || i.Outcome == Blocked && i.Sent
}

// unseen tells whether the restore may have created an asset that it has not looked at since.
func (i Item) unseen() bool { return i.mayBeCreated() && !i.Written && i.Outcome != Errored }

// mayBeOurs tells whether the run that is continued may have created the asset.
func (p *plan) mayBeOurs(s *step) bool {
	before, continued := p.before(s)
	return continued && before.mayBeCreated()
}

// carry gives the item of a step what the run that is continued has on record of it.
func (p *plan) carry(s *step, item *Item) {
	before, continued := p.before(s)
	if !continued {
		return
	}
	item.Import = before.Import
	item.Written = item.Written || before.Written
	item.Settled, item.Started = item.Kind == asset.Jobs && before.settled(), before.Started
	planned := item.Action
	switch before.Action {
	case ActionCreate:
		switch {
		case item.Written: // whatever has become of it, this restore created it
			item.Action = ActionCreate
		case !before.mayBeCreated():
			if planned == ActionUnchanged && before.Outcome == Unchanged {
				item.Reason = createdByOthers
			}
		case planned == ActionCreate, planned == ActionUnchanged, planned == ActionBlocked && s.live == "": // it is not seen that it is somebody else's
			item.Action, item.Sent = ActionCreate, true
		}
	case ActionOverwrite:
		item.Sent = before.Sent || before.Outcome == "" // its run may have ended while it was sent
		switch planned {
		case ActionCreate: // deleted meanwhile: it is no creation of this restore
			item.Action = ActionOverwrite
		case ActionBlocked, ActionUnchanged: // it may have been written all the same, or the run that is continued has written it already
			item.Action, item.Changes, item.MoreChanges = ActionOverwrite, before.Changes, before.MoreChanges
		}
	case ActionUnchanged:
		if planned == ActionBlocked && p.mayBeTurned(before) { // an undo has to look how it runs
			item.Action = ActionUnchanged
		}
	}
	item.Written = item.Written || planned == ActionUnchanged && item.Sent
}

// mayBeTurned tells whether an earlier run may have started or stopped a job that it did not write.
func (p *plan) mayBeTurned(before Item) bool {
	return before.Kind == asset.Jobs && before.Action == ActionUnchanged && p.request.schedules() != Keep
}

// told says what an earlier run has done with an asset that cannot be seen now, or may have done, each with "; " before it.
func (p *plan) told(before Item) string {
	reason, turned := "", ""
	switch {
	case before.Written:
		reason, turned = "; this restore has written it already", ", and may have started or stopped it"
	case before.mayBeCreated() || before.Action == ActionOverwrite && before.mayBeWritten():
		reason, turned = "; it is unknown whether an earlier run of this restore has written it", ", started or stopped it"
	case p.mayBeTurned(before):
		reason = "; an earlier run of this restore may have started or stopped it"
	}
	if before.Kind == asset.Jobs {
		reason += turned
	}
	return reason
}
