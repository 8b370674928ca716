package restore

import (
	"context"
	"errors"
	"fmt"
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
	switch status {
	case "SCHEDULING", "STARTING", "NORMAL", "EXCEPTION":
		return true, nil
	}
	return false, nil
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

// owes tells whether a job that is as it should be otherwise has to be started or stopped.
func (a *applying) owes(s *step) bool {
	if s.item.Kind != asset.Jobs || s.running == a.shallRun(s) {
		return false
	}
	return a.req.schedules() != Keep || !s.running // under keep, what somebody started meanwhile goes on
}

// pause stops a running job that is about to be overwritten.
func (a *applying) pause(ctx context.Context, s *step) error {
	if s.item.Kind != asset.Jobs || !s.running {
		return nil
	}
	err := a.stop(ctx, s)
	if err == nil || errors.Is(err, factory.ErrUnknownOutcome) {
		s.running, s.turned = false, true
	}
	return err
}

// stop stops a job. If the answer was lost, the job's status tells; stopping it once more does no harm.
func (a *applying) stop(ctx context.Context, s *step) error {
	err := a.target.StopJob(ctx, s.item.Name)
	if !errors.Is(err, factory.ErrUnknownOutcome) {
		return err
	}
	running, lookErr := a.isRunning(ctx, s.item.Name)
	if lookErr != nil {
		return errors.Join(err, lookErr)
	}
	if !running {
		return nil
	}
	return a.target.StopJob(ctx, s.item.Name)
}

// start starts a job. If the answer was lost, the job's status tells. Where that says that it does not run it is started once more, unless it runs
// once: it may have run already, and would run twice.
func (a *applying) start(ctx context.Context, s *step) error {
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
		case try == tries || a.runsOnce(ctx, s):
			return err
		}
	}
}

// isRunning looks a job's status up. Only listings tell that of a batch job.
func (a *applying) isRunning(ctx context.Context, name string) (bool, error) {
	var found factory.Row
	_, err := a.target.List(ctx, asset.Jobs, func(r factory.Row) error {
		if r.Ref.Name == name {
			r.Raw = nil
			found = r
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	return runs(ctx, a.target, found)
}

// settle starts or stops a job that was written.
func (a *applying) settle(ctx context.Context, s *step) error {
	if !a.owes(s) {
		return nil
	}
	turn := a.start
	if s.running {
		turn = a.stop
	}
	if err := turn(ctx, s); err != nil {
		return err
	}
	s.running, s.turned = !s.running, true
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
	var rows []factory.Row
	if _, err := a.target.List(ctx, asset.Jobs, func(row factory.Row) error {
		if row.Raw = nil; open[row.Ref.Name] != nil {
			rows = append(rows, row)
		}
		return nil
	}); err != nil {
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
	if s.item.Kind != asset.Jobs || !s.item.WasRunning || s.running {
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
	for _, s := range a.plan.steps {
		if s.item.Kind != asset.Jobs || !a.plan.prior.running() || a.outcome(s) != Blocked {
			continue
		}
		if !s.item.WasRunning || s.running {
			continue
		}
		if running, err := a.isRunning(ctx, s.item.Name); err == nil && running {
			continue // the plan could not see it
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
	var rows []factory.Row
	if _, err := target.List(ctx, asset.Jobs, func(row factory.Row) error {
		if row.Raw = nil; stopped[row.Ref.Name] {
			rows = append(rows, row)
		}
		return nil
	}); err != nil {
		return err
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
