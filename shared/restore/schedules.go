package restore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// runs tells whether a listed job runs: by its schedule (BATCH) or at all (REAL_TIME). A schedule that is paused does not run.
func runs(ctx context.Context, target interface {
	JobStatus(ctx context.Context, name string) (string, error)
}, row factory.Row) (bool, error) {
	status := row.Status
	if status == "" && row.JobType == "REAL_TIME" {
		var err error
		if status, err = target.JobStatus(ctx, row.Ref.Name); err != nil {
			return false, err
		}
	}
	return isRunning(status), nil
}

// isRunning tells whether a job of this status runs.
func isRunning(status string) bool {
	switch status {
	case "SCHEDULING", "STARTING", "NORMAL", "EXCEPTION":
		return true
	}
	return false
}

// shallRun is whether a job shall run when the restore is done with it.
func (a *applying) shallRun(s *step) bool {
	switch a.req.schedules() {
	case Start:
		return true
	case Stop:
		return false
	}
	return s.item.WasRunning
}

// leftAlone tells whether an earlier run of this restore was done with a job. Whether that runs or not has been somebody else's will since, or it runs
// once and is over: it is neither started nor stopped a second time, unless this run has stopped it to write it.
func (a *applying) leftAlone(s *step) bool {
	before, known := a.plan.before(s)
	if !known || s.turned || s.item.Kind != asset.Jobs {
		return false
	}
	return before.settled()
}

// settled tells whether a run was done with a job.
func (i Item) settled() bool {
	return i.Settled || i.Outcome == Created || i.Outcome == Overwritten || i.Outcome == Unchanged
}

// owes tells whether a job that is as it should be otherwise has to be started or stopped.
func (a *applying) owes(s *step) bool {
	if s.item.Kind != asset.Jobs || s.running == a.shallRun(s) || a.leftAlone(s) {
		return false
	}
	return a.req.schedules() != Keep || !s.running // under keep, what somebody started meanwhile goes on
}

// pause stops a running job that is about to be overwritten.
func (a *applying) pause(ctx context.Context, s *step) error {
	if s.item.Kind != asset.Jobs || !s.running {
		return nil
	}
	if err := a.note(ctx, func() bool { // whoever continues this restore has to start it again
		item := &a.report.Items[s.index]
		was := item.Settled
		item.Settled = false
		return was
	}); err != nil {
		return err
	}
	stopped, err := a.stop(ctx, s)
	if stopped {
		s.running, s.turned = false, true
	}
	return err
}

// stop stops a job. Whatever the service answers but success, the job's status tells; if the answer was lost, stopping it once more does no harm. stopped
// is false only where it is seen that the job runs.
func (a *applying) stop(ctx context.Context, s *step) (stopped bool, err error) {
	const tries = 2
	for try := 1; ; try++ {
		if err = a.target.StopJob(ctx, s.item.Name); err == nil {
			return true, nil
		}
		running, lookErr := a.isRunning(ctx, s.item.Name)
		switch {
		case lookErr != nil:
			return true, errors.Join(err, lookErr)
		case !running:
			return true, nil
		case try == tries || !errors.Is(err, factory.ErrUnknownOutcome):
			return false, err
		}
	}
}

// note makes a change to the report, and writes it at once if change says that there was one.
func (a *applying) note(ctx context.Context, change func() bool) error {
	a.mu.Lock()
	changed := change()
	a.mu.Unlock()
	if !changed || a.quiet {
		return nil
	}
	return a.saveNow(ctx)
}

// mayHaveRun tells whether a job that runs once may be over already: an earlier run of this restore was about to start it, and it has run at that time as
// far as the workspace's list tells. The clocks of the service and of this machine need not be the same; calls are refused where they are 15 minutes apart.
func (a *applying) mayHaveRun(s *step) bool {
	before, _ := a.plan.before(s)
	return before.Started && s.ranAt.After(a.report.StartedAt.Add(-15*time.Minute))
}

// start starts a job. If the answer was lost, the job's status tells. Where that says that it does not run it is started once more, unless it runs
// once: it may have run already, and would run twice. For the same reason it is on record before such a job is started.
func (a *applying) start(ctx context.Context, s *step) error {
	once := a.runsOnce(ctx, s)
	if once {
		if a.mayHaveRun(s) {
			return errors.New("an earlier run of this restore was about to start it, and it does not run: it may be over already, and is not started a second time")
		}
		if err := a.note(ctx, func() bool {
			a.report.Items[s.index].Started = true
			return true
		}); err != nil {
			return err
		}
	}
	const tries = 3
	for try := 1; ; try++ {
		err := a.target.StartJob(ctx, s.item.Name)
		if !errors.Is(err, factory.ErrUnknownOutcome) {
			return err
		}
		running, lookErr := a.isRunning(ctx, s.item.Name)
		switch {
		case lookErr != nil:
			return errors.Join(err, lookErr)
		case running:
			return nil
		case try == tries || once:
			return err
		}
	}
}

// isRunning looks a job's status up. Only listings tell that of a batch job.
func (a *applying) isRunning(ctx context.Context, name string) (bool, error) {
	rows, err := listed(ctx, a.target, func(job string) bool { return job == name })
	if err != nil {
		return false, err
	}
	row, there := rows[name]
	if !there {
		return false, fmt.Errorf("job %q is not listed, so it is unknown whether it runs", name)
	}
	return runs(ctx, a.target, row)
}

// listed lists those jobs that are wanted, by name.
func listed(ctx context.Context, target Reader, want func(name string) bool) (map[string]factory.Row, error) {
	rows := map[string]factory.Row{}
	_, err := target.List(ctx, asset.Jobs, func(row factory.Row) error {
		if row.Raw = nil; want(row.Ref.Name) { // Raw is valid during the call only
			rows[row.Ref.Name] = row
		}
		return nil
	})
	return rows, err
}

// settle starts or stops a job that was written.
func (a *applying) settle(ctx context.Context, s *step) error {
	if !a.owes(s) {
		return nil
	}
	turn := a.start
	if s.running {
		turn = func(ctx context.Context, s *step) error {
			_, err := a.stop(ctx, s)
			return err
		}
	}
	if err := turn(ctx, s); err != nil {
		return err
	}
	s.running, s.turned = !s.running, true
	return nil
}

// refresh looks, right before a layer is written, which of its jobs run that are to be overwritten: their owners may have stopped or started some since the
// plan. A job runs again afterwards if it ran then. Where no job is to be stopped, there is nothing to look at.
func (a *applying) refresh(ctx context.Context, steps []*step) error {
	open := map[string]*step{}
	any := false
	for _, s := range steps {
		if s.item.Kind == asset.Jobs && s.item.Action == ActionOverwrite && a.outcome(s) == "" && !s.turned {
			open[s.item.Name] = s
			any = any || s.running
		}
	}
	if !any {
		return nil
	}
	rows, err := listed(ctx, a.target, func(name string) bool { return open[name] != nil })
	if interrupted(ctx, err) {
		return err
	}
	for name, row := range rows { // what cannot be seen is taken to be as it was
		s := open[name]
		if !s.running && row.Status == "" {
			continue
		}
		running, err := runs(ctx, a.target, row)
		if interrupted(ctx, err) {
			return err
		}
		if err == nil && running != s.running {
			s.running, s.item.WasRunning = running, running
			a.mu.Lock()
			a.report.Items[s.index].WasRunning = running
			a.mu.Unlock()
		}
	}
	return nil
}

// checkSchedules looks, when all is written, whether the jobs that were started run, and those that were stopped do not. One listing tells that of all.
func (a *applying) checkSchedules(ctx context.Context) error {
	open := map[string]*step{}
	for _, s := range a.plan.steps {
		if s.turned {
			open[s.item.Name] = s
		}
	}
	for _, wait := range []time.Duration{0, time.Second, 4 * time.Second} {
		if len(open) == 0 {
			return nil
		}
		if err := a.opts.Sleep(ctx, wait); err != nil {
			return err
		}
		if err := a.lookAtSchedules(ctx, open); err != nil {
			if interrupted(ctx, err) {
				return err
			}
			for _, s := range open {
				a.set(s, Errored, fmt.Sprintf("it was %s, and whether that holds cannot be seen: %v", turnedTo(s), err))
			}
			return nil
		}
	}
	for _, s := range open {
		if s.running && a.runsOnce(ctx, s) {
			continue // it may be over already
		}
		state := map[bool]string{true: "does not run", false: "still runs"}[s.running]
		a.set(s, Errored, fmt.Sprintf("it was %s, and it %s", turnedTo(s), state))
	}
	return nil
}

func turnedTo(s *step) string {
	if s.running {
		return "started"
	}
	return "stopped"
}

// lookAtSchedules takes out of open what runs, or does not run, as it shall.
func (a *applying) lookAtSchedules(ctx context.Context, open map[string]*step) error {
	rows, err := listed(ctx, a.target, func(name string) bool { return open[name] != nil })
	if err != nil {
		return err
	}
	for _, row := range rows {
		running, err := runs(ctx, a.target, row)
		if err != nil {
			return err
		}
		if running == open[row.Ref.Name].running {
			delete(open, row.Ref.Name)
		}
	}
	return nil
}

// runsOnce tells whether a job's schedule is to run it one time.
func (a *applying) runsOnce(ctx context.Context, s *step) bool {
	definition, err := a.plan.definition(ctx, s)
	return err == nil && runsOneTime(definition)
}

// runsOneTime is runsOnce for who has the definition.
func runsOneTime(definition []byte) bool {
	return rawjson.StringAt(definition, "schedule", "type") == "EXECUTE_ONCE" && rawjson.StringAt(definition, "processType") != "REAL_TIME"
}

// resume starts a job again that was stopped and could not be written. It is worth some time after the restore's own is over.
func (a *applying) resume(ctx context.Context, s *step) error {
	if s.item.Kind != asset.Jobs || !s.item.WasRunning || s.running || a.leftAlone(s) {
		return nil
	}
	if ctx.Err() != nil {
		var cancel func()
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
	}
	if err := a.start(ctx, s); err != nil {
		// In words only: that this took too long does not mean that the restore's time is over.
		return fmt.Errorf("it ran before, and could not be started again: %v", err) //nolint:errorlint // see above
	}
	s.running, s.turned = true, true
	return nil
}

// restart starts jobs that an earlier run of this restore stopped, and that this one did not write.
func (a *applying) restart(ctx context.Context) error {
	open := map[string]*step{}
	for _, s := range a.plan.steps {
		if s.item.Kind == asset.Jobs && a.plan.prior.running() && a.outcome(s) == Blocked && s.item.WasRunning && !s.running && !a.leftAlone(s) {
			open[s.item.Name] = s
		}
	}
	if len(open) == 0 {
		return nil
	}
	rows, err := listed(ctx, a.target, func(name string) bool { return open[name] != nil })
	if interrupted(ctx, err) {
		return err
	}
	for _, s := range a.plan.steps {
		if open[s.item.Name] != s {
			continue
		}
		if row, there := rows[s.item.Name]; there {
			if running, err := runs(ctx, a.target, row); err == nil && running {
				continue // the plan could not see it
			}
		}
		if err := a.resume(ctx, s); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			a.set(s, Blocked, a.reason(s)+"; "+err.Error())
		}
	}
	return nil
}

// restartStopped starts the jobs again that an earlier run of a restore stopped and did not come back to, and says in the message which could not be.
func (opts Options) restartStopped(ctx context.Context, r *Report) error {
	stopped := map[string]bool{}
	for _, i := range r.Items {
		if i.Kind == asset.Jobs && i.WasRunning && i.Action == ActionOverwrite && i.Outcome == "" {
			stopped[i.Name] = true
		}
	}
	if len(stopped) == 0 {
		return nil
	}
	target := opts.Workspace(r.Workspace)
	rows, err := listed(ctx, target, func(name string) bool { return stopped[name] })
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(stopped)) {
		if _, there := rows[name]; !there {
			r.Message += fmt.Sprintf("; job %q ran before and is not listed, so it is unknown whether it runs", name)
		}
	}
	for _, row := range rows {
		running, err := runs(ctx, target, row)
		if err == nil && !running {
			err = target.StartJob(ctx, row.Ref.Name)
		}
		if interrupted(ctx, err) {
			return err
		}
		if err != nil {
			r.Message += fmt.Sprintf("; %s ran before and could not be started again: %v", row.Ref, err)
		}
	}
	return nil
}
