// Package drill proves that a backup can be given back: it restores one into a workspace that is there for drills alone, compares, measures, and
// removes what it has made.
//
// What it guarantees: GOOD means that every asset of the backup was created in an empty workspace, was read back equal to the backup in a second look, that
// nothing else was there, and that the workspace was as empty afterwards as before. A drill writes into no workspace whose backups lie under the root, nor into
// one that holds anything, and removes nothing that its own restore did not create. One that was cut off is continued under its id, or else the next one
// finishes and removes it first. How every drill ended is on record. Files that resources point to are put only where the drill's replace.obsPath moves them; the
// others are the ones that the workspace has which is backed up, and are left out.
package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// Options is what a drill needs to know.
type Options struct {
	Restore   restore.Options // how restores work here; its Locations also say where records lie
	Protected []string        // workspaces that are never drilled in: those that are backed up
	// Tell tells people of a drill that FAILED. It is called once for each, after that is on record; after an error, again when the drill is asked for again. Nil
	// tells nobody.
	Tell func(ctx context.Context, failed *Record) error
}

func (o Options) now() time.Time {
	if o.Restore.Now == nil {
		return time.Now().UTC()
	}
	return o.Restore.Now().UTC()
}

// records are where the records of drills lie.
func (o Options) records() Records {
	return Records{Store: o.Restore.Locations.Store, Root: o.Restore.Locations.Root}
}

func (o Options) calls() int64 {
	if o.Restore.Calls == nil {
		return 0
	}
	return o.Restore.Calls()
}

// IsID tells whether a text can be the id of a drill.
func IsID(id string) bool { return restore.IsID(id + compareSuffix) }

// compareSuffix makes the id of the comparison, a dry run, from that of a drill.
const compareSuffix = "-compare"

// Run carries a drill out. The same id is the same drill: one that is over is answered with its record, one that was cut off is continued. The record
// says GOOD or FAILED, and where; an error means an interruption, after which the same call goes on.
func Run(ctx context.Context, id string, spec Spec, opts Options) (*Record, error) {
	if !IsID(id) {
		return nil, fmt.Errorf("drill: %q is no id", id)
	}
	opts.Restore.MappedFilesOnly = true // what the workspace that is backed up has is no business of a drill
	d := &drill{opts: opts, records: opts.records(), calls: opts.calls(), target: restore.Discreet(opts.Restore.Workspace(spec.Workspace))}
	d.record = d.fresh(id, spec)
	err := d.underLease(ctx, func(ctx context.Context) error {
		known, err := d.records.Load(ctx, id)
		if err != nil {
			return err
		}
		if known != nil {
			if known.Workspace != spec.Workspace {
				return fmt.Errorf("drill %s is one into workspace %s: the same id is the same drill", id, known.Workspace)
			}
			d.record, d.earlier = known, known.Calls
		}
		if !known.Final() {
			if err := d.run(ctx); err != nil {
				return err
			}
		}
		return d.settle(ctx, d.record)
	})
	if err != nil && !d.record.Final() {
		d.record.Message = "interrupted: " + err.Error()
		d.count()
	}
	d.log(ctx, err)
	return d.record, err
}

// fresh is the record of a drill that has not begun.
func (d *drill) fresh(id string, spec Spec) *Record {
	source := spec.Source
	if source == "" {
		source = d.opts.Restore.Locations.Workspace
	}
	return &Record{ID: id, Status: Running, Step: StepCheck, Source: source, Workspace: spec.Workspace, StartedAt: d.opts.now(),
		Counts: map[asset.Kind]int{}, Spec: spec}
}

// drill is one under way.
type drill struct {
	opts    Options
	records Records
	record  *Record
	target  restore.Workspace
	calls   int64  // that were sent before this run began
	earlier int64  // that earlier runs of this drill have sent
	leftOut string // what the comparison found to be left out; empty for nothing
}

// underLease runs fn while no other drill works in the workspace.
func (d *drill) underLease(ctx context.Context, fn func(context.Context) error) error {
	l := d.opts.Restore.Locations
	hold, err := lease.Acquire(ctx, l.Store, l.Root+"leases/drill-"+asset.Escape(d.record.Workspace)+".json", d.opts.Restore.Lease)
	if err != nil {
		return fmt.Errorf("keep other drills away from workspace %s: %w", d.record.Workspace, err)
	}
	defer func() {
		// The drill's own context may be over; the lease has to go all the same.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := hold.Release(ctx); err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Str("workspace", d.record.Workspace).Msg("the lease was not released; whoever needs it next waits until it is stale")
		}
	}()
	err = fn(hold.Context())
	if cause := context.Cause(hold.Context()); err != nil && cause != nil && errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// failure ends a drill as FAILED at the step that it is at.
type failure struct {
	message string
	left    []string // what is in the workspace and should not be
}

func (f *failure) Error() string { return f.message }

func fail(format string, args ...any) error { return &failure{message: fmt.Sprintf(format, args...)} }

// run takes the steps that are open, and leaves how they ended in the record. The error is an interruption.
func (d *drill) run(ctx context.Context) error {
	r := d.record
	if r.Verdict == nil {
		err := d.prove(ctx)
		failed, ok := errors.AsType[*failure](err)
		if refusal, is := errors.AsType[*restore.Refusal](err); is {
			failed, ok = &failure{message: refusal.Error()}, true
		}
		switch {
		case ok && r.Step == StepCheck:
			d.finish(Failed, failed.message)
			r.Left = failed.left
			return d.save(ctx)
		case ok:
			r.Verdict = &Verdict{Step: r.Step, Message: failed.message}
		case err != nil:
			return err
		default:
			r.Verdict = &Verdict{Message: d.leftOut}
		}
		r.Step = StepCleanUp
		if err := d.save(ctx); err != nil {
			return err
		}
	}
	if r.Spec.Keep {
		r.Kept = true
		d.conclude("what was restored is left in the workspace, as was asked; the next drill removes it")
		return d.save(ctx)
	}
	started := d.opts.now()
	err := d.cleanUp(ctx)
	r.CleanUpMS += d.opts.now().Sub(started).Milliseconds()
	failed, ok := errors.AsType[*failure](err)
	if err != nil && !ok {
		return errors.Join(err, d.note(ctx))
	}
	if !ok {
		d.conclude("what it had made was removed again")
		return d.save(ctx)
	}
	r.Left = failed.left
	if r.Verdict.Step == "" {
		d.finish(Failed, failed.message)
	} else {
		d.conclude(failed.message)
	}
	return d.save(ctx)
}

// conclude ends the drill as its verdict says; after is what became of what it made.
func (d *drill) conclude(after string) {
	r := d.record
	if v := r.Verdict; v.Step != "" {
		d.finish(Failed, v.Message+"; "+after)
		r.Step = v.Step
		return
	}
	total := 0
	for _, n := range r.Counts {
		total += n
	}
	if r.Verdict.Message != "" {
		after = r.Verdict.Message + "; " + after
	}
	r.Step = ""
	d.finish(Good, fmt.Sprintf("%d assets restored in %s and equal to the backup, which was %s old; %s", total, span(r.RestoreMS), span(r.BackupAgeMS), after))
}

func (d *drill) finish(status Status, message string) {
	r, now := d.record, d.opts.now()
	r.Status, r.Message, r.FinishedAt = status, message, &now
	r.DurationMS = now.Sub(r.StartedAt).Milliseconds()
}

// span is a duration for people.
func span(ms int64) string {
	const brief = 10_000
	d := time.Duration(ms) * time.Millisecond
	if ms < brief {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func (d *drill) count() { d.record.Calls = d.earlier + d.opts.calls() - d.calls }

func (d *drill) save(ctx context.Context) error {
	d.count()
	return d.records.write(ctx, d.records.key(d.record.ID), d.record)
}

// note saves what is known before an interruption is reported, if there is still a way to.
func (d *drill) note(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return d.save(ctx)
}

// settle does what follows the end of a drill, as far as it is not done yet.
func (d *drill) settle(ctx context.Context, r *Record) error {
	if err := d.records.remember(ctx, r); err != nil {
		return err
	}
	if !r.Kept && len(r.Left) == 0 {
		if err := d.records.setClosed(ctx, r); err != nil {
			return err
		}
	}
	if r.Status != Failed || r.Told || d.opts.Tell == nil {
		return nil
	}
	if err := d.opts.Tell(ctx, r); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("drill", r.ID).Msg("nobody could be told that the drill failed")
		return nil
	}
	r.Told = true
	return d.records.write(ctx, d.records.key(r.ID), r)
}

func (d *drill) log(ctx context.Context, err error) {
	r := d.record
	line := zerolog.Ctx(ctx).Info()
	if err != nil || r.Status != Good {
		line = zerolog.Ctx(ctx).Error().Err(err)
	}
	line.Str("operation", "drill").Str("drill", r.ID).Str("backup", r.Backup).Str("workspace", r.Workspace).Str("status", string(r.Status)).
		Str("step", string(r.Step)).Int64("durationMs", r.DurationMS).Int64("restoreMs", r.RestoreMS).Int64("calls", r.Calls).Msg(r.Message)
}

// request is the drill's restore. It follows from the record alone, so that a later run asks for the same.
func (r *Record) request() restore.Request {
	return restore.Request{ID: r.ID, Path: r.Backup, Workspace: r.Workspace, DuplicateNamePolicy: restore.Fail, Schedules: restore.Stop, Replace: r.Spec.Replace}
}

// report reads the report of a drill's restore; nil where that has not written anything.
func (d *drill) report(ctx context.Context, r *Record) (*restore.Report, error) {
	report, err := d.opts.Restore.Locations.Reports().Load(ctx, r.ID)
	switch {
	case errors.Is(err, restore.ErrNoReport):
		return nil, nil //nolint:nilnil // it has not begun
	case err != nil:
		return nil, err
	case report.Status == restore.Failed || report.Status == restore.Planned:
		return nil, nil //nolint:nilnil // refused: nothing was written
	case report.StandsForAnother(r.request()):
		return nil, fail("restore %q is not this drill's own: nothing of it is touched", r.ID)
	}
	return report, nil
}

// prove checks, restores and compares.
func (d *drill) prove(ctx context.Context) error {
	if d.record.Step == StepCheck {
		if err := d.begin(ctx); err != nil {
			return err
		}
	}
	report, err := d.restore(ctx)
	if err != nil {
		return err
	}
	d.record.Step = StepCompare
	started := d.opts.now()
	err = d.compare(ctx, report)
	d.record.CompareMS += d.opts.now().Sub(started).Milliseconds()
	return err
}

// begin checks that the drill may be held, and puts on record what the workspace was like. Nothing is written into the workspace, unless an earlier drill
// has left something there.
func (d *drill) begin(ctx context.Context) error {
	backup, err := d.admit(ctx)
	if err != nil {
		return err
	}
	if err := d.removeLeftovers(ctx); err != nil {
		return err
	}
	names, err := d.empty(ctx, backup)
	if err != nil {
		return err
	}
	r := d.record
	r.Variables, r.Step = names, StepRestore
	if err := d.records.setOpen(ctx, r); err != nil {
		r.Step = StepCheck
		return err
	}
	return d.save(ctx)
}

// admit finds the backup, and refuses workspaces that must not be drilled in.
func (d *drill) admit(ctx context.Context) (*vault.Backup, error) {
	r, l := d.record, d.opts.Restore.Locations
	if slices.Contains(d.opts.Protected, r.Workspace) {
		return nil, fail("workspace %s is one of DATAARTS_WORKSPACES: a drill needs a workspace that nothing else uses and that is not backed up", r.Workspace)
	}
	if l.PerWorkspace {
		prefix, err := l.Prefix(r.Workspace)
		if err != nil {
			return nil, fail("workspace: %v", err)
		}
		folders, err := vault.New(l.Store, l.Bucket, prefix).Folders(ctx)
		if err != nil {
			return nil, err
		}
		if len(folders) > 0 {
			return nil, fail("workspace %s has backups (%s): a drill needs a workspace that nothing else uses and that is not backed up. With DATAARTS_WORKSPACES=*, "+
				"every workspace of the instance is: name those that are meant", r.Workspace, folders[len(folders)-1].Path())
		}
	}
	backup, err := l.Find(ctx, restore.Request{Date: r.Spec.date(), Source: r.Spec.Source})
	if err != nil {
		return nil, err
	}
	m := backup.Manifest
	r.Backup, r.Source = backup.Folder().Path(), m.Workspace.ID
	switch {
	case backup.Unverified:
		return nil, fail("%s has no manifest that would say what it should hold: a drill needs a backup of this program", r.Backup)
	case m.Workspace.ID == "":
		return nil, fail("%s does not say which workspace it is of", r.Backup)
	case m.Workspace.ID == r.Workspace:
		return nil, fail("%s is a backup of workspace %s itself: a drill needs a workspace that nothing else uses", r.Backup, r.Workspace)
	}
	taken := m.StartedAt
	r.BackupStartedAt, r.BackupAgeMS = &taken, max(0, r.StartedAt.Sub(taken).Milliseconds())
	return backup, nil
}

// restore runs the restore, or goes on with it.
func (d *drill) restore(ctx context.Context) (*restore.Report, error) {
	r := d.record
	if _, err := d.report(ctx, r); err != nil {
		return nil, err
	}
	report, err := restore.Run(ctx, r.request(), d.opts.Restore)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("restore: %w", err), d.note(ctx))
	}
	if report.FinishedAt != nil {
		r.RestoreMS = report.FinishedAt.Sub(report.StartedAt).Milliseconds()
	}
	switch report.Status {
	case restore.Complete:
		return report, nil
	case restore.Undone:
		return nil, fail("the restore was undone by somebody before it could be compared")
	case restore.Partial:
		return nil, fail("the restore is PARTIAL: %s%s", report.Message, troubles(report))
	default:
		return nil, fail("the restore was refused: %s", report.Message)
	}
}

// troubles names the first items that a restore did not create.
func troubles(report *restore.Report) string {
	const most = 10
	var lines []string
	n := 0
	for _, i := range report.Items {
		if i.Outcome != restore.Created {
			if n++; n <= most {
				lines = append(lines, fmt.Sprintf("%s: %s %s", i.Ref(), i.Outcome, i.Reason))
			}
		}
	}
	if n > most {
		lines = append(lines, fmt.Sprintf("and %d more", n-most))
	}
	if n == 0 {
		return ""
	}
	return "\n" + strings.Join(lines, "\n")
}
