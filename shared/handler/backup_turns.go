package handler

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// minShare is the least time that a turn lasts: with less, a run would find out how things stand, and end.
const minShare = 5 * time.Second

// turn is what an invocation does for one workspace.
type turn struct {
	job
	workspace vault.Workspace
	handed    handover
	runID     string
	started   time.Time
	after     aftermath
	res       backup.Result
	err       error
	cut       bool // its share of the time ended before the job
}

// inTurn does the job for one workspace after the other. So that one whose service hangs does not starve the others, each backup has a fair share of the
// time: what is left, divided by those that wait for it. One that its share has cut off goes on when all have had their turn, if there is time then; else
// the next invocation continues it.
func (j job) inTurn(ctx context.Context, workspaces []vault.Workspace, handed []handover) []*turn {
	turns := make([]*turn, len(workspaces))
	waiting := 0
	for i, w := range workspaces {
		turns[i] = &turn{job: j, workspace: w, runID: j.session.options.NewID()}
		if handed != nil {
			turns[i].handed = handed[i]
		}
		if turns[i].handed.requestID == "" {
			waiting++
		}
	}
	var cut []*turn
	for _, t := range turns {
		ctx := t.context(ctx)
		if t.handed.requestID != "" {
			t.res = j.handedOver(ctx, t.workspace, t.handed, t.runID)
			continue
		}
		t.begin(ctx)
		t.take(ctx, waiting)
		waiting--
		if t.cut {
			cut = append(cut, t)
			continue
		}
		t.conclude(ctx)
	}
	for i, t := range cut {
		ctx := t.context(ctx)
		if timeLeft(ctx) >= minShare {
			t.take(ctx, len(cut)-i)
		}
		t.conclude(ctx)
	}
	return turns
}

// context is that of the invocation with the workspace and the run in every line of the log.
func (t *turn) context(ctx context.Context) context.Context {
	logger := zerolog.Ctx(ctx).With().Str("runId", t.runID).Str("workspace", t.workspace.ID).Logger()
	return logger.WithContext(ctx)
}

func (t *turn) begin(ctx context.Context) {
	t.started = t.session.options.Now()
	zerolog.Ctx(ctx).Info().Str("operation", t.operation()).Msg("begun")
}

// take does the job, or goes on with it, while others wait for the time.
func (t *turn) take(ctx context.Context, waiting int) {
	share, shorter, end := t.share(ctx, waiting)
	defer end()
	calls, duration := t.res.Calls, t.res.DurationMS
	t.after = aftermath{}
	t.res, t.err = t.work(share, t.workspace, &t.after)
	t.res.RunID = t.runID
	t.res.Calls += calls
	t.res.DurationMS += duration
	t.cut = shorter && errors.Is(t.err, context.DeadlineExceeded) && ctx.Err() == nil
}

// conclude tells who has to know how the turn ended.
func (t *turn) conclude(ctx context.Context) {
	if t.cut {
		t.after.warn("it has had its share of the time, and the other workspaces needed the rest")
	}
	if t.handed.failed != "" {
		t.after.warn("not handed over to an invocation of its own, and done here in turn: %s", t.handed.failed)
	}
	if !t.command.DryRun {
		w := t.workspace
		w.Name = cmp.Or(w.Name, t.after.name)
		t.tell(ctx, w, &t.res, t.err, &t.after)
	}
	for _, warning := range t.after.warnings {
		zerolog.Ctx(ctx).Warn().Str("operation", t.operation()).Msg(warning)
		t.res.Message += "; " + warning
	}
	t.log(ctx, t.res, t.err, t.started)
	if o := t.outcome(t.res.Status, t.err); o != "" {
		o.log(ctx, t.operation())
	}
}

// share is the context of one of so many backups that wait for what is left of the time, and whether it is shorter than that. The last one gets all of it,
// and so does what could not be continued: a verification or a dry run.
func (j job) share(ctx context.Context, waiting int) (share context.Context, shorter bool, end context.CancelFunc) {
	left := timeLeft(ctx)
	part := max(left/time.Duration(max(waiting, 1)), minShare)
	if left == 0 || part >= left || j.command.Verify != "" || j.command.DryRun {
		return ctx, false, func() {}
	}
	share, end = context.WithTimeout(ctx, part)
	return share, true, end
}

// timeLeft is how long a context still goes on; zero where it has ended, or does not end by itself.
func timeLeft(ctx context.Context) time.Duration {
	deadline, limited := ctx.Deadline()
	if !limited || ctx.Err() != nil {
		return 0
	}
	return max(0, time.Until(deadline))
}
