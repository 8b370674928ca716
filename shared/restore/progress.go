package restore

import (
	"context"
	"fmt"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// saveEvery is how often the report is written while a restore runs, so that its progress can be watched. One of many megabytes is written less often: once
// in so long for each byte, a second for each megabyte.
const (
	saveEvery   = 2 * time.Second
	savePerByte = time.Microsecond
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

// sent notes that a write of the step's asset was sent, and that no answer says that it was taken.
func (a *applying) sent(s *step) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.report.Items[s.index].Sent = true
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
	if a.leftAlone(s) && s.running != a.shallRun(s) {
		if item.Reason != "" {
			item.Reason += "; "
		}
		item.Reason += map[bool]string{
			false: "an earlier run of this restore left it running, and it does not run: it is over or was stopped since, and is left so",
			true:  "an earlier run of this restore left it stopped, and it runs: it was started since, and is left so",
		}[s.running]
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

// save writes the report now and then, the less often the longer it is. Who comes while it is being written goes on.
func (a *applying) save(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.quiet || a.writing != nil || a.opts.Now().Sub(a.saved) < max(saveEvery, a.pauses) {
		return nil
	}
	return a.put(ctx)
}

// saveNow returns when the report is on record as it is now, or as it was later. The caller does not hold the lock.
func (a *applying) saveNow(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	for mine := a.asked; a.answered < mine; {
		if a.writing == nil {
			if err := a.put(ctx); err != nil {
				return err
			}
			continue
		}
		// One that is being written may be too old, and one report is written at a time: else an older one might come after a newer one.
		written := a.writing
		a.mu.Unlock()
		select {
		case <-written:
		case <-ctx.Done():
		}
		a.mu.Lock()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// put writes the report as it is now. The caller holds the lock, which is free while the report is sent.
func (a *applying) put(ctx context.Context) error {
	asked, written := a.asked, make(chan struct{})
	a.writing = written
	data, err := a.report.encode()
	if err == nil {
		a.mu.Unlock()
		err = a.opts.Locations.Reports().put(ctx, a.report.ID, data, store.Condition{})
		a.mu.Lock()
	}
	a.writing = nil
	close(written)
	if err == nil {
		a.saved, a.pauses, a.answered = a.opts.Now(), time.Duration(len(data))*savePerByte, asked
	}
	return err
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
