package restore

import (
	"context"
	"fmt"
)

func (a *applying) outcome(s *step) Outcome {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.report.Items[s.index].Outcome
}

func (a *applying) reason(s *step) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.report.Items[s.index].Reason
}

func (a *applying) set(s *step, o Outcome, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	item := &a.report.Items[s.index]
	item.Outcome = o
	if reason != "" {
		item.Reason = reason
	}
}

// written notes that the service took a write of the step's asset.
func (a *applying) written(s *step) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.report.Items[s.index].Written = true
}

// succeed gives a step the outcome that its action promised. In a restore that is continued, the item's action is that of the first run.
func (a *applying) succeed(s *step) {
	a.mu.Lock()
	defer a.mu.Unlock()
	item := &a.report.Items[s.index]
	switch item.Action {
	case ActionCreate:
		item.Outcome, item.Written = Created, true // by this run or, its answer lost, by the one that is continued
	case ActionOverwrite:
		item.Outcome = Overwritten
	default:
		item.Outcome = Unchanged
	}
}

// settleWithoutWriting gives their outcome to items for which there is nothing to do.
func (a *applying) settleWithoutWriting() {
	for _, s := range a.plan.steps {
		switch s.item.Action {
		case ActionSkip:
			a.set(s, Skipped, "")
		case ActionBlocked:
			a.set(s, Blocked, "")
		case ActionUnchanged:
			if !a.owes(s) {
				a.succeed(s)
			}
		}
	}
}

// save writes the report now and then.
func (a *applying) save(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.quiet || a.opts.Now().Sub(a.saved) < saveEvery {
		return nil
	}
	if err := a.opts.Locations.Reports().Save(ctx, a.report); err != nil {
		return err
	}
	a.saved = a.opts.Now()
	return nil
}

// conclude says how it ended.
func (a *applying) conclude() {
	a.report.count()
	c := a.report.Counts
	a.report.Status = Complete
	undone := c[string(Errored)] + c[string(Blocked)]
	a.report.Message = fmt.Sprintf("%d created, %d overwritten, %d skipped, %d unchanged",
		c[string(Created)], c[string(Overwritten)], c[string(Skipped)], c[string(Unchanged)])
	if undone > 0 {
		a.report.Status = Partial
		a.report.Message += fmt.Sprintf(", %d failed, %d blocked: see the items' reasons", c[string(Errored)], c[string(Blocked)])
	}
	a.concludeFiles()
	a.report.Message += a.plan.remarks()
}
