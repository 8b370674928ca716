package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/graph"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// saveEvery is how often the report is written while a restore runs, so that its progress can be watched.
const saveEvery = 2 * time.Second

// applying is a plan being carried out.
type applying struct {
	plan   *plan
	target Workspace
	opts   Options
	req    Request
	report *Report
	quiet  bool // the report is not written while it runs

	mu    sync.Mutex // guards the report
	saved time.Time
}

// run saves what will be overwritten, writes what the plan says and leaves the outcome of every item in the report.
func (a *applying) run(ctx context.Context) error {
	a.report.Status, a.report.Message = Running, ""
	a.settleWithoutWriting()
	// The plan is on record before the first write: who continues this restore has to know what it was about to create.
	if err := a.opts.Locations.Reports().Save(ctx, a.report); err != nil {
		return err
	}
	a.saved = a.opts.Now()
	if err := a.saveBefore(ctx); err != nil {
		return err
	}
	if err := a.write(ctx); err != nil {
		return err
	}
	a.conclude()
	return nil
}

// write writes kind by kind, in restore order.
func (a *applying) write(ctx context.Context) error {
	if err := a.variables(ctx); err != nil {
		return err
	}
	for _, kind := range []asset.Kind{asset.Resources, asset.Scripts} {
		var steps []*step
		for _, s := range a.plan.steps {
			if s.item.Kind == kind {
				steps = append(steps, s)
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
	return nil
}

// layer writes the jobs of one layer. The jobs of a cycle are first created without their dependencies, because the service refuses a job that
// depends on one that does not exist.
func (a *applying) layer(ctx context.Context, layer []graph.Group) error {
	var steps, cut []*step
	for _, group := range layer {
		for _, name := range group {
			s := a.plan.job(name)
			steps = append(steps, s)
			if group.Cycle() && s.item.Action == ActionCreate {
				cut = append(cut, s)
			}
		}
	}
	err := a.each(ctx, cut, func(ctx context.Context, s *step) error {
		definition, err := a.plan.definition(ctx, s)
		if err != nil {
			return err
		}
		return a.create(ctx, s, asset.WithoutDependencies(definition))
	})
	if err != nil {
		return err
	}
	for _, s := range cut {
		s.created = a.outcome(s) == ""
	}
	return a.each(ctx, steps, func(ctx context.Context, s *step) error { return a.asset(ctx, s) })
}

// each handles steps, several at a time. fn's error is the step's outcome, unless the whole restore is interrupted.
func (a *applying) each(ctx context.Context, steps []*step, fn func(context.Context, *step) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(a.opts.Concurrency)
	for _, s := range steps {
		if a.outcome(s) != "" {
			continue
		}
		group.Go(func() error {
			err := fn(ctx, s)
			if err == nil {
				return a.save(ctx)
			}
			if ctx.Err() != nil || errors.Is(err, factory.ErrUnauthorized) {
				return err
			}
			a.set(s, Errored, err.Error())
			return a.save(ctx)
		})
	}
	return group.Wait()
}

// asset writes one asset, reads it back and compares.
func (a *applying) asset(ctx context.Context, s *step) error {
	if reason := a.blockedBy(s); reason != "" {
		a.set(s, Blocked, reason)
		return nil
	}
	definition, err := a.plan.definition(ctx, s)
	if err != nil {
		return err
	}
	stopped, err := a.stop(ctx, s)
	if err != nil {
		return err
	}
	outcome := Overwritten
	if s.item.Action == ActionCreate && !s.created {
		outcome = Created
		err = a.create(ctx, s, definition)
	} else {
		if s.item.Action == ActionCreate {
			outcome = Created
		}
		err = a.update(ctx, s, definition)
	}
	if err == nil {
		err = a.readBack(ctx, s, definition)
	}
	if startErr := a.start(ctx, s, stopped, err); startErr != nil {
		err = errors.Join(err, startErr)
	}
	if err == nil {
		a.set(s, outcome, "")
	}
	return err
}

// blockedBy says which asset that this one needs could not be restored, if it is not live either.
func (a *applying) blockedBy(s *step) string {
	if s.item.Kind != asset.Jobs {
		return ""
	}
	r := a.plan.references[s.item.Name]
	needs := make([]asset.Ref, 0, len(r.Dependencies)+len(r.Called)+len(r.Scripts))
	for _, name := range slices.Concat(r.Dependencies, r.Called) {
		needs = append(needs, asset.Ref{Kind: asset.Jobs, Name: name})
	}
	for _, name := range r.Scripts {
		needs = append(needs, asset.Ref{Kind: asset.Scripts, Name: name})
	}
	for _, ref := range needs {
		on := a.plan.byIdentity[ref]
		if on == nil || on == s {
			continue
		}
		if o := a.outcome(on); o == Errored || o == Blocked {
			return fmt.Sprintf("it needs %s, which is %s", ref, o)
		}
	}
	return ""
}

// create creates an asset. Whether a create whose answer was lost was applied is looked up.
func (a *applying) create(ctx context.Context, s *step, definition []byte) error {
	ref := s.asset.Ref()
	body := a.withReview(s.item.Kind, definition, true)
	const tries = 3
	for try := 1; ; try++ {
		id, err := a.target.Create(ctx, s.item.Kind, body)
		if err == nil {
			s.id = id
			return nil
		}
		lost := errors.Is(err, factory.ErrUnknownOutcome)
		if !lost && (try == 1 || !errors.Is(err, factory.ErrExists)) {
			return err // it names the operation and the asset
		}
		there, findErr := a.find(ctx, s)
		switch {
		case findErr != nil:
			return fmt.Errorf("look whether %s was created: %w", ref, findErr)
		case there:
			return nil // what it holds is compared when it is read back
		case try == tries:
			return err
		}
	}
}

// find looks whether the asset is live, giving a service that shows writes late some time, and notes its id.
func (a *applying) find(ctx context.Context, s *step) (bool, error) {
	for _, wait := range []time.Duration{0, time.Second, 4 * time.Second} {
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

func (a *applying) update(ctx context.Context, s *step, definition []byte) error {
	return a.target.Update(ctx, s.asset.Ref(), s.id, a.withReview(s.item.Kind, definition, false))
}

// withReview adds what a workspace under review wants with every write. targetStatus goes with a create only (Create Job and Modify Job pages).
// Resources are not reviewed: their pages have neither field, and a service that keeps what it does not know would keep them for good.
func (a *applying) withReview(kind asset.Kind, definition []byte, create bool) json.RawMessage {
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

// readBack reads a written asset and compares. A service that shows writes late is given some time.
func (a *applying) readBack(ctx context.Context, s *step, definition []byte) error {
	ref, kind := s.asset.Ref(), s.item.Kind
	var last error
	for _, wait := range []time.Duration{0, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
		if err := a.opts.Sleep(ctx, wait); err != nil {
			return err
		}
		current, err := a.target.Get(ctx, ref, s.id)
		if err != nil {
			if last = fmt.Errorf("read %s back: %w", ref, err); errors.Is(err, factory.ErrNotFound) {
				continue
			}
			return last
		}
		lost, err := rawjson.Lost(asset.Comparable(kind, definition), asset.Comparable(kind, current))
		if err != nil {
			return fmt.Errorf("read %s back: %w", ref, err)
		}
		if len(lost) == 0 {
			return nil
		}
		c := describeChanges(kind, lost[:1])[0]
		last = fmt.Errorf("%s was written, but reads back with %d fields otherwise, the first is %s: %s was sent, %s is there",
			ref, len(lost), c.Field, orNothing(c.From), orNothing(c.To))
	}
	return last
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// stop stops a running job that is about to be overwritten.
func (a *applying) stop(ctx context.Context, s *step) (stopped bool, err error) {
	if s.item.Kind != asset.Jobs || !s.running {
		return false, nil
	}
	if err := a.target.StopJob(ctx, s.item.Name); err != nil && !errors.Is(err, factory.ErrUnknownOutcome) {
		return false, fmt.Errorf("before it is overwritten: %w", err)
	}
	return true, nil
}

// start starts a job again that was stopped, whether it was overwritten or not, or as the request wants it.
func (a *applying) start(ctx context.Context, s *step, stopped bool, writeErr error) error {
	if s.item.Kind != asset.Jobs {
		return nil
	}
	switch a.req.schedules() {
	case Keep:
		if !stopped {
			return nil
		}
	case Stop:
		if !stopped || writeErr == nil {
			return nil
		}
	case Start:
		if writeErr != nil && !stopped {
			return nil
		}
	}
	return a.target.StartJob(ctx, s.item.Name)
}

// variables writes the environment variables, all at once and merged with the live ones.
func (a *applying) variables(ctx context.Context) error {
	changed := map[string][]byte{}
	var order []string
	var steps []*step
	for _, s := range a.plan.steps {
		if s.item.Kind == asset.Env && a.outcome(s) == "" {
			steps = append(steps, s)
			changed[s.item.Name] = s.desires
			order = append(order, s.item.Name)
		}
	}
	if len(steps) == 0 {
		return nil
	}
	err := a.putVariables(ctx, changed, order)
	if err != nil && (ctx.Err() != nil || errors.Is(err, factory.ErrUnauthorized)) {
		return err
	}
	for _, s := range steps {
		switch {
		case err != nil:
			a.set(s, Errored, err.Error())
		case s.item.Action == ActionCreate:
			a.set(s, Created, "")
		default:
			a.set(s, Overwritten, "")
		}
	}
	return a.save(ctx)
}

func (a *applying) putVariables(ctx context.Context, changed map[string][]byte, order []string) error {
	text, err := a.target.Env(ctx)
	if err != nil {
		return fmt.Errorf("read the live environment variables: %w", err)
	}
	live, err := readVariables(text)
	if err != nil {
		return fmt.Errorf("read the live environment variables: %w", err)
	}
	if err := a.target.PutEnv(ctx, live.merge(changed, order)); err != nil {
		return fmt.Errorf("write the environment variables: %w", err)
	}
	var last error
	for _, wait := range []time.Duration{0, 500 * time.Millisecond, 2 * time.Second, 4 * time.Second} {
		if err := a.opts.Sleep(ctx, wait); err != nil {
			return err
		}
		if text, err = a.target.Env(ctx); err != nil {
			return fmt.Errorf("read the environment variables back: %w", err)
		}
		now, err := readVariables(text)
		if err != nil {
			return fmt.Errorf("read the environment variables back: %w", err)
		}
		if last = sameVariables(live, now, changed); last == nil {
			return nil
		}
	}
	return last
}

// sameVariables tells whether now is live with the changes made: nothing lost, nothing otherwise.
func sameVariables(live, now *variables, changed map[string][]byte) error {
	want := map[string][]byte{}
	for name, span := range live.byName {
		want[name] = span.In(live.text)
	}
	for name, text := range changed {
		want[name] = text
	}
	for name, text := range want {
		span, ok := now.byName[name]
		if !ok {
			return fmt.Errorf("environment variable %q was written, but is not there when read back", name)
		}
		if lost, err := rawjson.Lost(text, span.In(now.text)); err != nil || len(lost) > 0 {
			return fmt.Errorf("environment variable %q reads back otherwise than it was written", name)
		}
	}
	return nil
}
