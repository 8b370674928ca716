package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/graph"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// keepWithin is how long an interrupted restore may take to put on record what it did. The platform leaves it 5 s, of which the lease takes some to be
// given back.
const keepWithin = 4 * time.Second

// applying is a plan being carried out.
type applying struct {
	plan   *plan
	target Workspace
	opts   Options
	req    Request
	report *Report
	quiet  bool // the report is not written while it runs

	check func(context.Context) error // whether the lease is still held

	mu       sync.Mutex    // guards the report and what follows
	writing  chan struct{} // closed when report.json, which is being written, is; nil where it is not
	saved    time.Time     // when it was written last
	pauses   time.Duration // before it is written again
	asked    int           // how often it was wanted at once
	answered int           // how many of these it is on record for
}

// run saves what will be overwritten, writes what the plan says and leaves the outcome of every item in the report.
func (a *applying) run(ctx context.Context) error {
	a.report.Status, a.report.Message = Running, ""
	a.settleWithoutWriting()
	stored, err := a.opts.Locations.Reports().prior(ctx, a.report.ID)
	if err != nil {
		return err
	}
	// The lease is one workspace's: a restore into another one may have taken the id while this one planned.
	if known := stored.answerTo(*a.report.Request, a.report); known != nil {
		return &knownReport{known}
	}
	if stored.running() && !a.plan.prior.running() {
		return a.report.taken()
	}
	// The plan is on record before the first write: who continues this restore has to know what it was about to do.
	err = a.opts.Locations.Reports().save(ctx, a.report, store.Condition{IfNoneMatch: stored == nil})
	if errors.Is(err, store.ErrPrecondition) {
		return a.report.taken()
	}
	if err != nil {
		return err
	}
	a.saved = a.opts.Now()
	if err := a.saveBefore(ctx); err != nil {
		return err
	}
	if err := a.check(ctx); err != nil {
		return err
	}
	if err := a.write(ctx); err != nil {
		return a.keep(ctx, err)
	}
	a.conclude()
	return nil
}

// keep writes what was done on record before an interruption is reported, if there is still a way to.
func (a *applying) keep(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	if a.check(ctx) != nil {
		return err
	}
	return errors.Join(err, a.saveNow(ctx))
}

// write writes kind by kind, in restore order.
func (a *applying) write(ctx context.Context) error {
	if err := a.variables(ctx); err != nil {
		return err
	}
	if err := a.files(ctx); err != nil {
		return err
	}
	for _, kind := range []asset.Kind{asset.Resources, asset.Scripts} {
		var steps []*step
		for _, s := range a.plan.steps {
			if s.item.Kind == kind {
				steps = append(steps, s)
			}
		}
		if kind == asset.Scripts {
			if err := a.importing(ctx); err != nil {
				return err
			}
		}
		if err := a.each(ctx, steps, func(ctx context.Context, s *step) error { return a.asset(ctx, s) }); err != nil {
			return err
		}
	}
	for _, layer := range a.plan.layers {
		if err := a.layer(ctx, layer); err != nil {
			return err
		}
	}
	if err := a.restart(ctx); err != nil {
		return err
	}
	return a.checkSchedules(ctx)
}

// layer writes the jobs of one layer. The jobs of a cycle are first created without their dependencies, because the service refuses a job that
// depends on one that does not exist.
func (a *applying) layer(ctx context.Context, layer []graph.Group[string]) error {
	var steps, cycle []*step
	for _, group := range layer {
		a.blockCycle(group)
		for _, name := range group {
			s := a.plan.job(name)
			steps = append(steps, s)
			if (group.Cycle() || a.plan.needsItself(name)) && s.item.Action == ActionCreate && !s.cut {
				cycle = append(cycle, s)
			}
		}
	}
	err := a.each(ctx, cycle, func(ctx context.Context, s *step) error {
		definition, err := a.plan.definition(ctx, s)
		if err != nil {
			return err
		}
		if err := a.create(ctx, s, asset.WithoutDependencies(definition)); err != nil {
			return err
		}
		s.cut = true
		return nil
	})
	if err != nil {
		return err
	}
	if err := a.refresh(ctx, steps); err != nil {
		return err
	}
	return a.each(ctx, steps, func(ctx context.Context, s *step) error { return a.asset(ctx, s) })
}

// each handles steps whose outcome is open, several at a time. fn's error is the step's outcome, unless the whole restore is interrupted.
func (a *applying) each(ctx context.Context, steps []*step, fn func(context.Context, *step) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(a.opts.Concurrency)
	for _, s := range steps {
		if a.outcome(s) != "" {
			continue
		}
		group.Go(func() error {
			err := fn(ctx, s)
			if interrupted(ctx, err) {
				return err
			}
			if err != nil && !errors.Is(err, errAppeared) {
				a.set(s, Errored, err.Error()+s.imports.remark()+a.advice(s, err))
			}
			return a.save(ctx)
		})
	}
	return group.Wait()
}

// interrupted tells whether an error ends the whole restore rather than one asset: time is over, or nobody is let in. The same request, sent again, goes on.
func interrupted(ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || errors.Is(err, factory.ErrUnauthorized) || errors.Is(err, context.DeadlineExceeded))
}

// asset writes one asset, reads it back and compares.
func (a *applying) asset(ctx context.Context, s *step) error {
	if s.imports.there {
		return a.startImported(ctx, s)
	}
	if s.item.Action == ActionUnchanged { // only its schedule is not as it should be
		if err := a.settle(ctx, s); err != nil {
			return err
		}
		a.succeed(s)
		return nil
	}
	if !s.cut && a.block(s) {
		return nil
	}
	definition, err := a.plan.definition(ctx, s)
	if err != nil {
		return err
	}
	if err := a.unmoved(ctx, s); err != nil {
		return errors.Join(err, a.resume(ctx, s)) // the run that is continued may have stopped it
	}
	if err := a.pause(ctx, s); err != nil {
		return errors.Join(err, a.resume(ctx, s))
	}
	if s.item.Action == ActionCreate && !s.cut && !s.imports.differs {
		err = a.create(ctx, s, definition)
	} else {
		err = a.update(ctx, s, definition)
	}
	if err == nil {
		err = a.readBack(ctx, s, definition)
	}
	if errors.Is(err, errAppeared) {
		return err
	}
	if err == nil {
		if err = a.settle(ctx, s); err != nil && s.item.WasRunning && !s.running {
			err = fmt.Errorf("it was written, and is stopped now although it ran before: %w", err)
		}
	} else {
		err = errors.Join(err, a.resume(ctx, s))
	}
	if err != nil && s.doubtful {
		return fmt.Errorf("it is there, and it is unknown whether this restore created it: %w", err)
	}
	if err != nil && s.cut {
		return fmt.Errorf("it was created without the jobs it depends on, but: %w", err)
	}
	if err == nil {
		a.succeed(s)
	}
	return err
}

// block gives a step that cannot be written its outcome, and tells whether it did.
func (a *applying) block(s *step) bool {
	reason := a.blockedBy(s)
	switch {
	case reason == "":
		return false
	case s.cut:
		a.set(s, Errored, "it was created without the jobs it depends on, and "+reason)
	default:
		a.set(s, Blocked, reason)
	}
	return true
}

// blockCycle blocks all jobs of a cycle if one of them is blocked: none of them could be written whole.
func (a *applying) blockCycle(group graph.Group[string]) {
	if !group.Cycle() {
		return
	}
	for _, name := range group {
		blocked := a.plan.job(name)
		if o := a.outcome(blocked); o != Blocked && (o != "" || !a.block(blocked)) {
			continue
		}
		for _, other := range group {
			if s := a.plan.job(other); a.outcome(s) == "" && !s.cut {
				a.set(s, Blocked, fmt.Sprintf("it is in a cycle with job %q, which is blocked", name))
			}
		}
		return
	}
}

// blockedBy says which asset that this one needs could not be restored.
func (a *applying) blockedBy(s *step) string {
	for _, ref := range a.plan.needs(s.item.Ref().Identity()) {
		on := a.plan.byIdentity[ref]
		if on == nil || on == s {
			continue
		}
		if o := a.outcome(on); o == Errored || o == Blocked {
			return fmt.Sprintf("it needs %s, which is %s", describeRef(on.item), o)
		}
	}
	return ""
}

// errAppeared ends the writing of an asset that somebody else has created meanwhile, and that the policy leaves alone. It has its outcome.
var errAppeared = errors.New("it has appeared meanwhile")

// create creates an asset. Whether a create whose answer was lost was applied is looked up.
func (a *applying) create(ctx context.Context, s *step, definition []byte) error {
	ref := s.asset.Ref()
	body := a.withReview(s.item.Kind, definition, true)
	const tries = 3
	for try := 1; ; try++ {
		id, err := a.target.Create(ctx, s.item.Kind, body)
		if err == nil {
			s.id = id
			a.written(s)
			return nil
		}
		// A create of the run that is continued may have been applied after this one has looked.
		lost, exists := errors.Is(err, factory.ErrUnknownOutcome), errors.Is(err, factory.ErrExists)
		mayExist := exists && (try > 1 || a.plan.prior.running() || s.imports.sent)
		patient := lost || mayExist || sentAgain(err)
		if exists && !mayExist && !sentAgain(err) && a.req.DuplicateNamePolicy == Skip {
			a.set(s, Skipped, "somebody else created it since this restore was planned")
			return errAppeared
		}
		if interrupted(ctx, err) || !patient && !unexplained(err) && !a.plan.prior.running() {
			return err // it names the operation and the asset
		}
		there, findErr := a.find(ctx, s, patient)
		switch {
		case findErr != nil:
			return fmt.Errorf("%w; look whether %s was created: %w", err, ref, findErr)
		case there:
			if lost || try > 1 {
				a.written(s)
			} else {
				s.doubtful = true
			}
			return nil // what it holds is compared when it is read back
		case try == tries || !lost && !exists:
			return err
		}
	}
}

// sentAgain tells whether a create was sent more than once. The client does that where the gateway says that it let nothing through; it is looked at all the
// same, rather than believed.
func sentAgain(err error) bool {
	answer, ok := errors.AsType[*factory.Error](err)
	return ok && answer.Attempts > 1
}

// unexplained tells whether a write was answered without any code of the service or its gateway. Something in between may have said so, and the service have
// taken the write all the same.
func unexplained(err error) bool {
	answer, ok := errors.AsType[*factory.Error](err)
	return ok && answer.StatusCode != 0 && answer.Code == ""
}

// find looks whether the asset is live, and notes its id. Patiently, it gives a service that shows writes late some time.
func (a *applying) find(ctx context.Context, s *step, patient bool) (bool, error) {
	waits := []time.Duration{0, time.Second, 4 * time.Second}
	if !patient {
		waits = waits[:1]
	}
	for _, wait := range waits {
		if err := a.opts.Sleep(ctx, wait); err != nil {
			return false, err
		}
		if s.item.Kind != asset.Resources {
			_, err := a.target.Get(ctx, s.asset.Ref(), "")
			if err == nil {
				return true, nil
			}
			if !errors.Is(err, factory.ErrNotFound) {
				return false, err
			}
			continue
		}
		found := false
		_, err := a.target.List(ctx, asset.Resources, func(r factory.Row) error {
			if r.Ref.Identity() == s.asset.Ref().Identity() {
				s.id, found = r.ID, true
			}
			return nil
		})
		if err != nil || found {
			return found, err
		}
	}
	return false, nil
}

// update overwrites an asset. Whether one was that an unexplained answer refuses is looked up.
func (a *applying) update(ctx context.Context, s *step, definition []byte) error {
	err := a.target.Update(ctx, s.asset.Ref(), s.id, a.withReview(s.item.Kind, definition, false))
	if err == nil {
		a.written(s)
		return nil
	}
	a.sent(s)
	if interrupted(ctx, err) || !unexplained(err) {
		return err
	}
	current, lookErr := a.target.Get(ctx, s.asset.Ref(), s.id)
	if lookErr != nil {
		return fmt.Errorf("%w; it is unknown whether it was applied all the same: %w", err, lookErr)
	}
	switch now := meaning(s.item.Kind, current); {
	case now == s.meaning:
		a.written(s)
		return nil // what it holds is compared when it is read back
	case now == s.live || s.live == "":
		return err
	}
	return fmt.Errorf("%w; it is unknown whether it was applied all the same: it is neither as it was nor as it should be", err)
}

// withReview adds what a workspace under review wants with every write. targetStatus goes with a create only (Create Job and Modify Job pages).
// Resources are not reviewed: their pages have neither field, and a service that keeps what it does not know would keep them for good.
func (a *applying) withReview(kind asset.Kind, definition []byte, create bool) json.RawMessage {
	definition = asset.Taken(kind, definition)
	if kind == asset.Resources {
		return definition
	}
	if !create {
		definition = rawjson.Without(definition, func(name string) bool { return name == "targetStatus" })
	} else if a.req.TargetStatus != "" {
		definition = rawjson.Set(definition, "targetStatus", rawjson.Quote(a.req.TargetStatus))
	}
	if len(a.req.Approvers) > 0 {
		var names []string
		for _, name := range a.req.Approvers {
			names = append(names, `{"approverName":`+string(rawjson.Quote(name))+`}`)
		}
		definition = rawjson.Set(definition, "approvers", []byte("["+strings.Join(names, ",")+"]"))
	}
	return definition
}
