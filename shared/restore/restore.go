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
)

// Reader reads a workspace, as the DataArts Factory API gives it.
type Reader interface {
	List(ctx context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error)
	// Get returns an asset's definition. id is needed for resources only. Errors: factory.ErrNotFound.
	Get(ctx context.Context, ref asset.Ref, id string) (json.RawMessage, error)
	// Env returns the environment variables, {"params":[…]}. Errors: factory.ErrUnsupported.
	Env(ctx context.Context) (json.RawMessage, error)
}

// Writer writes a workspace. A write whose answer was lost ends in factory.ErrUnknownOutcome unless it may simply be repeated.
type Writer interface {
	Create(ctx context.Context, kind asset.Kind, definition json.RawMessage) (id string, err error)
	Update(ctx context.Context, ref asset.Ref, id string, definition json.RawMessage) error
	PutEnv(ctx context.Context, params json.RawMessage) error
	StartJob(ctx context.Context, name string) error
	StopJob(ctx context.Context, name string) error
}

// Remover deletes assets. Only an undo does that. Errors: factory.ErrNotFound.
type Remover interface {
	Delete(ctx context.Context, ref asset.Ref, id string) error
}

// Workspace is the workspace that is restored into.
type Workspace interface {
	Reader
	Writer
	Remover
}

// Options is what a restore needs to know.
type Options struct {
	Locations   Locations
	Workspace   func(id string) Workspace // the target, by workspace id
	Concurrency int                       // assets written at the same time; default 8
	Now         func() time.Time          // default time.Now
	Sleep       func(ctx context.Context, d time.Duration) error
	Lease       lease.Options // how restores into one workspace keep apart
}

func (opts Options) withDefaults() Options {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Concurrency <= 0 {
		opts.Concurrency = 8
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
func Run(ctx context.Context, req Request, opts Options) (*Report, error) {
	opts = opts.withDefaults()
	reports := opts.Locations.Reports()
	report := &Report{ID: req.ID, Status: Failed, Workspace: req.Workspace, DuplicateNamePolicy: req.DuplicateNamePolicy,
		Backup: req.Path, StartedAt: opts.Now().UTC(), Counts: map[string]int{}, Items: []Item{}}
	prior, err := reports.Load(ctx, req.ID)
	switch {
	case errors.Is(err, ErrNoReport):
		prior = nil
	case err != nil:
		return report, err
	case prior.final():
		return prior, nil
	case prior.Status == Running:
		report.StartedAt = prior.StartedAt
	}
	err = run(ctx, req, opts, report, prior)
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		report.Status, report.Message = Failed, refusal.Error()
		err = nil
	}
	if err != nil {
		report.Message = "interrupted: " + err.Error()
		logReport(ctx, report, err)
		return report, err
	}
	if report.Status != Planned {
		finished := opts.Now().UTC()
		report.FinishedAt = &finished
	}
	if err := reports.Save(ctx, report); err != nil {
		return report, err
	}
	logReport(ctx, report, nil)
	return report, nil
}

func logReport(ctx context.Context, r *Report, err error) {
	event := zerolog.Ctx(ctx).Info()
	if err != nil || r.Status == Failed || r.Status == Partial {
		event = zerolog.Ctx(ctx).Error()
	}
	event.Str("operation", "restore").Str("restore", r.ID).Str("backup", r.Backup).Str("workspace", r.Workspace).
		Str("status", string(r.Status)).Int("done", r.Progress.Done).Int("total", r.Progress.Total).Msg(r.Message)
}

func run(ctx context.Context, req Request, opts Options, report *Report, prior *Report) error {
	backup, err := opts.Locations.find(ctx, req)
	if err != nil {
		return err
	}
	report.Backup = backup.Folder().Path()
	if report.Workspace == "" {
		report.Workspace = backup.Manifest.Workspace.ID
	}
	target := opts.Workspace(report.Workspace)
	if req.DryRun {
		p, err := makePlan(ctx, req, opts, backup, target, nil)
		if err != nil {
			return err
		}
		p.describe(report)
		report.Status, report.Message = Planned, p.message()
		return nil
	}
	hold, err := lease.Acquire(ctx, opts.Locations.Store, opts.Locations.leaseKey(report.Workspace), opts.Lease)
	if err != nil {
		return fmt.Errorf("keep other restores away from workspace %s: %w", report.Workspace, err)
	}
	defer release(ctx, hold)
	ctx = hold.Context()
	p, err := makePlan(ctx, req, opts, backup, target, prior)
	if err != nil {
		return because(ctx, err)
	}
	if req.PlanHash != "" && req.PlanHash != p.hash && prior == nil {
		return refuse("the plan is no longer the one with hash %s: the backup or the workspace has changed since; the plan now has hash %s", req.PlanHash, p.hash)
	}
	p.describe(report)
	a := &applying{plan: p, target: target, opts: opts, req: req, report: report}
	return because(ctx, a.run(ctx))
}

// because prefers the reason why the context ended over "context canceled".
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil && errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
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
