// Package restore gives a backup back to a workspace.
//
// What it guarantees: before the first write the backup is verified against its manifest, the edits in backup.json are found legal, and a
// plan is made against the live workspace; a refusal names every fault and writes nothing. Afterwards every asset of the request stands in the
// report with what became of it, and "created" and "overwritten" mean that it was read back and is the same. A restore that was killed
// is continued under its id and does nothing twice. One restore at a time works on a workspace.
package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// Reader reads a workspace, as the DataArts Factory API gives it.
type Reader interface {
	List(ctx context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error)
	// Get returns an asset's definition. id is needed for resources only. Errors: factory.ErrNotFound.
	Get(ctx context.Context, ref asset.Ref, id string) (json.RawMessage, error)
	// Export reads the definitions of up to factory.MaxExport jobs with one call and calls fn for each that the answer holds. What it does not
	// bring is read by Get.
	Export(ctx context.Context, jobs []string, fn func(name string, definition json.RawMessage) error) error
	// Env returns the environment variables, {"params":[…]}. Errors: factory.ErrUnsupported.
	Env(ctx context.Context) (json.RawMessage, error)
}

// Scheduler tells and changes whether jobs run.
type Scheduler interface {
	// JobStatus is the status of a real-time job, which listings leave out.
	JobStatus(ctx context.Context, name string) (string, error)
	StartJob(ctx context.Context, name string) error
	StopJob(ctx context.Context, name string) error
}

// Writer writes a workspace. A write whose answer was lost ends in factory.ErrUnknownOutcome unless it may simply be repeated.
type Writer interface {
	Create(ctx context.Context, kind asset.Kind, definition json.RawMessage) (id string, err error)
	Update(ctx context.Context, ref asset.Ref, id string, definition json.RawMessage) error
	PutEnv(ctx context.Context, params json.RawMessage) error
}

// Remover deletes assets. Only an undo does that. Errors: factory.ErrNotFound.
type Remover interface {
	Delete(ctx context.Context, ref asset.Ref, id string, approvers ...string) error
}

// Connector tells what the definitions of a workspace may be bound to.
type Connector interface {
	// Connections lists the names of the data connections. Errors: factory.ErrUnsupported, factory.ErrUnauthorized.
	Connections(ctx context.Context) ([]string, error)
}

// Workspace is the workspace that is restored into.
type Workspace interface {
	Reader
	Writer
	Scheduler
	Remover
	Importer
	Connector
}

// Options is what a restore needs to know.
type Options struct {
	Locations   Locations
	Workspace   func(id string) Workspace // the target, by workspace id
	Concurrency int                       // assets written at the same time; default 8
	Now         func() time.Time          // default time.Now
	Sleep       func(ctx context.Context, d time.Duration) error
	Lease       lease.Options // how restores into one workspace keep apart
	// MappedFilesOnly puts files of resources back only where replace.obsPath moves them, and never where the workspace has them that was backed up.
	MappedFilesOnly bool
	Calls           func() int64 // how many requests to DataArts were sent so far, for the report; nil where nobody counts
	// ImportThreshold is from how many jobs on a restore creates jobs and scripts by imports, where that is safe; DefaultImportThreshold if zero, never if
	// negative. ImportLimit is the most bytes of one import file, bundle.DefaultLimit if zero.
	ImportThreshold, ImportLimit int

	check func(context.Context) error // of a lease that is held already
}

func (opts Options) withDefaults() Options {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Concurrency <= 0 {
		opts.Concurrency = 8
	}
	if opts.ImportThreshold == 0 {
		opts.ImportThreshold = DefaultImportThreshold
	}
	if opts.Sleep == nil {
		opts.Sleep = sleep
	}
	return opts
}

// Refusal is why nothing was written: what is wrong with the request, the backup or the workspace, every fault in one.
type Refusal struct{ Faults []string }

func (e *Refusal) Error() string { return strings.Join(e.Faults, "\n") }

func refuse(format string, args ...any) error {
	return &Refusal{Faults: []string{fmt.Sprintf(format, args...)}}
}

// Run plans and, unless it is a dry run, applies a restore. The request has been checked; its id is set. The report is what is to be answered
// however the restore ended: it is COMPLETE, PLANNED, PARTIAL or, after a refusal, FAILED with a nil error. An error means an interruption:
// the report says RUNNING, or FAILED where nothing was written yet, and the same request continues the restore.
//
// The same id is the same restore: one that is over is answered with its report, and another request under a used id is refused without
// touching what is on record.
func Run(ctx context.Context, req Request, opts Options) (*Report, error) {
	opts = opts.withDefaults()
	reports := opts.Locations.Reports()
	report := &Report{ID: req.ID, Status: Failed, Request: &req, Workspace: req.Workspace, DuplicateNamePolicy: req.DuplicateNamePolicy,
		Backup: req.Path, StartedAt: opts.Now().UTC(), Counts: map[string]int{}, Items: []Item{}}
	prior, err := reports.prior(ctx, req.ID)
	if err != nil {
		return report, err
	}
	if known := prior.answerTo(req, report); known != nil {
		return known, nil
	}
	report.countCalls(opts, prior)
	err = run(ctx, req, opts, report, prior)
	if known, ok := errors.AsType[*knownReport](err); ok {
		return known.report, nil
	}
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		err = opts.record(ctx, report, refusal)
		if known, ok := errors.AsType[*knownReport](err); ok {
			return known.report, nil
		}
	}
	if err != nil {
		report.Message = "interrupted: " + err.Error()
	}
	report.count()
	logReport(ctx, report, err)
	return report, err
}

// taken refuses an id that another restore has begun to use; what that one has on record is not touched.
func (r *Report) taken() error {
	refused := *r
	refused.Status, refused.FinishedAt, refused.Items = Failed, nil, []Item{}
	refused.Message = fmt.Sprintf("id %q is in use by a restore into another workspace", r.ID)
	refused.count()
	return &knownReport{&refused}
}

// record writes a refusal that came before the lease was held. What another run has on record under this id stays there.
func (opts Options) record(ctx context.Context, report *Report, refusal *Refusal) error {
	reports := opts.Locations.Reports()
	stored, err := reports.prior(ctx, report.ID)
	switch {
	case err != nil:
		return err
	case stored != nil && stored.final():
		return &knownReport{stored}
	case !stored.running():
		return opts.refused(ctx, report, nil, refusal)
	}
	opts.Workspace = discreetly(opts.Workspace) // it is not known whether the backup is encrypted
	return underLease(ctx, opts, stored.Workspace, func(ctx context.Context, _ func(context.Context) error) error {
		now, err := reports.prior(ctx, report.ID)
		if err != nil {
			return err
		}
		if now != nil && now.final() {
			return &knownReport{now}
		}
		return opts.refused(ctx, report, now, refusal)
	})
}

// refused turns the report into that of a refusal and writes it. A restore that has begun keeps what it did on record, and starts the jobs again that it
// had stopped. The report of a restore that has begun under this id since begun was read, nil where there was none, stays.
func (opts Options) refused(ctx context.Context, r, begun *Report, refusal *Refusal) error {
	finished := opts.Now().UTC()
	r.Status, r.Message, r.FinishedAt = Failed, refusal.Error(), &finished
	if begun.running() {
		r.Status, r.Items, r.PlanHash = Partial, begun.Items, begun.PlanHash
		r.Backup, r.Workspace, r.StartedAt = begun.Backup, begun.Workspace, begun.StartedAt
		r.Imports = begun.Imports
		r.Message = "it was begun and cannot be continued: " + refusal.Error()
		if err := opts.restartStopped(ctx, r); err != nil {
			return err
		}
		opts.cleanBundles(ctx, r.ID)
	}
	if begun.running() {
		return opts.Locations.Reports().Save(ctx, r)
	}
	err := opts.Locations.Reports().saveInstead(ctx, r, begun)
	if errors.Is(err, store.ErrPrecondition) {
		return nil
	}
	return err
}

// otherwise refuses to go on with something else than the restore began with. It can be continued still, and undone: what it did stays on record, and why
// it does not go on is added, because nobody may read this answer.
func (opts Options) otherwise(ctx context.Context, r, begun *Report, check func(context.Context) error) error {
	begun.Message = "it was begun and does not go on: what it is to write is no longer what it began with, because backup.json, or the backup, has changed since; " +
		"put that back as it was and send the request again, or undo the restore"
	if err := check(ctx); err != nil {
		return err
	}
	if err := opts.Locations.Reports().Save(ctx, begun); err != nil {
		return err
	}
	finished := opts.Now().UTC()
	refused := *r
	refused.Status, refused.Message, refused.FinishedAt, refused.Items = Failed, begun.Message, &finished, []Item{}
	refused.count()
	return &knownReport{&refused}
}

// knownReport ends a run that finds, once it holds the lease, that another run has finished this restore.
type knownReport struct{ report *Report }

func (*knownReport) Error() string { return "the restore is over" }

func logReport(ctx context.Context, r *Report, err error) {
	event := zerolog.Ctx(ctx).Info()
	if err != nil || r.Status == Failed || r.Status == Partial {
		event = zerolog.Ctx(ctx).Error()
	}
	event.Str("operation", "restore").Str("restore", r.ID).Str("backup", r.Backup).Str("workspace", r.Workspace).
		Str("status", string(r.Status)).Int("done", r.Progress.Done).Int("total", r.Progress.Total).Msg(r.Message)
}

func run(ctx context.Context, req Request, opts Options, report, prior *Report) error {
	if prior.running() {
		// What "latest" or a location mean may have changed since; what was begun goes on.
		req.Path, req.Date, req.Source, req.Workspace = prior.Backup, "", "", prior.Workspace
		report.StartedAt, report.Backup, report.Workspace = prior.StartedAt, prior.Backup, prior.Workspace
		report.Status, report.PlanHash, report.Items = Running, prior.PlanHash, prior.Items
		report.count()
	}
	backup, err := opts.Locations.find(ctx, req)
	if err != nil {
		return err
	}
	if req.Export {
		report.Backup = backup.Folder().Path()
		return opts.export(ctx, req, report, backup)
	}
	sealed, err := opts.sealingLike(backup)
	if err != nil {
		return err
	}
	report.Backup = backup.Folder().Path()
	if report.Workspace == "" {
		report.Workspace = opts.Locations.backedUp(req, backup)
	}
	if report.Workspace == "" {
		return refuse("the backup does not say which workspace it is of: want workspace in the request")
	}
	reports := opts.Locations.Reports()
	if req.DryRun {
		p, err := makePlan(ctx, planning{request: req, backup: backup, target: sealed.Workspace(report.Workspace), concurrency: opts.Concurrency,
			keys: sealed.Locations.Keys, places: sealed.Locations, mappedOnly: opts.MappedFilesOnly})
		if err != nil {
			return err
		}
		p.describe(report)
		report.Status, report.Message = Planned, p.message()
		stored, err := reports.prior(ctx, req.ID)
		if err != nil || stored.running() || (stored != nil && stored.final()) {
			return err // a restore that writes has taken the id meanwhile, and its report stays
		}
		if err := reports.saveInstead(ctx, report, stored); !errors.Is(err, store.ErrPrecondition) {
			return err
		}
		return nil // and so it does if it was right now
	}
	return underLease(ctx, opts, report.Workspace, func(ctx context.Context, check func(context.Context) error) error {
		// Another run may have done it all while this one waited for the lease.
		now, err := reports.prior(ctx, req.ID)
		if err != nil {
			return err
		}
		if known := now.answerTo(*report.Request, report); known != nil {
			return &knownReport{known}
		}
		if now.running() && !prior.running() {
			if now.Workspace != report.Workspace {
				return report.taken()
			}
			err = run(ctx, req, opts.holding(check), report, now)
		} else {
			err = inUse(ctx, req, sealed, backup, func(ctx context.Context) error {
				return apply(ctx, req, sealed, report, now, backup, check)
			})
		}
		if refusal, ok := errors.AsType[*Refusal](err); ok {
			return sealed.refused(ctx, report, now, refusal)
		}
		return err
	})
}

// apply plans and writes under the lease.
func apply(ctx context.Context, req Request, opts Options, report, prior *Report, backup *vault.Backup, check func(context.Context) error) error {
	target := opts.Workspace(report.Workspace)
	var imports awaited
	if prior.running() { // else assets would appear under this run's hands
		var err error
		if imports, err = opts.awaitImports(ctx, target, prior); err != nil {
			return err
		}
		opts.cleanBundles(ctx, report.ID)
		report.Imports = imports.imports
	}
	p, err := makePlan(ctx, planning{request: req, backup: backup, target: target, concurrency: opts.Concurrency, prior: prior, claims: imports.claims,
		keys: opts.Locations.Keys, places: opts.Locations, mappedOnly: opts.MappedFilesOnly})
	if err != nil {
		return err
	}
	if req.PlanHash != "" && req.PlanHash != p.hash && !prior.running() {
		return refuse("the plan is no longer the one with hash %s: the backup or the workspace has changed since; the plan now has hash %s: make it again with dryRun, and look at it", req.PlanHash, p.hash)
	}
	if prior.running() && prior.WantsHash != "" && prior.WantsHash != p.wants() {
		return opts.otherwise(ctx, report, prior, check)
	}
	p.describe(report)
	a := &applying{plan: p, target: target, opts: opts, req: req, report: report, check: check}
	if err := a.run(ctx); err != nil {
		return err
	}
	if len(report.Imports) > 0 { // one may not have been deleted when its import was over
		opts.cleanBundles(ctx, report.ID)
	}
	finished := opts.Now().UTC()
	report.FinishedAt = &finished
	err = check(ctx)
	if err == nil {
		err = opts.Locations.Reports().Save(ctx, report)
	}
	if err != nil { // it is over only once that is on record
		report.Status, report.FinishedAt = Running, nil
	}
	return err
}

// underLease runs fn while no other restore or undo works on the workspace. check asks the store whether that still holds; it belongs right before
// a step that cannot be taken back.
func underLease(ctx context.Context, opts Options, workspace string, fn func(ctx context.Context, check func(context.Context) error) error) error {
	if opts.check != nil { // held by the caller already
		return fn(ctx, opts.check)
	}
	hold, release, err := opts.acquire(ctx, opts.Locations.leaseKey(workspace), "keep other restores away from workspace "+workspace)
	if err != nil {
		return err
	}
	defer release()
	return lostReason(hold, fn(hold.Context(), hold.Check))
}

// acquire waits for the lease on a key; what says what it is for. release gives it back.
func (opts Options) acquire(ctx context.Context, key, what string) (hold *lease.Lease, release func(), err error) {
	hold, err = lease.Acquire(ctx, opts.Locations.Store, key, opts.Lease)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", what, err)
	}
	return hold, func() {
		// The restore's own context may be over; the lease has to go all the same.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := hold.Release(ctx); err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Str("key", key).Msg("the lease was not released; whoever needs it next waits until it is stale")
		}
	}, nil
}

// lostReason is the error of work under a lease: the reason why that ended rather than "context canceled".
func lostReason(hold *lease.Lease, err error) error {
	if cause := context.Cause(hold.Context()); err != nil && cause != nil && errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// holding returns options for work under a lease that is held already.
func (opts Options) holding(check func(context.Context) error) Options {
	opts.check = check
	return opts
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
