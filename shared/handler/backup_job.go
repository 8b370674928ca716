package handler

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/digest"
	"github.com/dataarts-backup/dataarts-backup/shared/retention"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// job is what one invocation of the backup function has to do for each workspace.
type job struct {
	session *session
	inv     runtime.Invocation
	command backupCommand
	due     time.Time // of the nightly run; zero for a backup by hand
}

// operation names the job in the log.
func (j job) operation() string {
	switch {
	case j.command.Verify != "":
		return "verify"
	case j.command.DryRun:
		return "dryRun"
	}
	return "backup"
}

// work does the job for one workspace. A panic fails this workspace only.
func (j job) work(ctx context.Context, w vault.Workspace, after *aftermath) (backup.Result, error) {
	return j.guarded(ctx, w, func() (backup.Result, error) {
		switch {
		case j.command.Verify != "":
			return j.session.verify(ctx, w, j.command, after)
		case j.command.DryRun:
			return j.plan(ctx, w)
		}
		return j.backUp(ctx, w, after)
	})
}

// log writes the line that says how it ended.
func (j job) log(ctx context.Context, res backup.Result, err error, started time.Time) {
	line := zerolog.Ctx(ctx).Info().Str("summary", res.Message)
	if err != nil {
		line = zerolog.Ctx(ctx).Error().Err(err)
	}
	counts := zerolog.Dict()
	for kind, n := range res.Counts {
		counts = counts.Int(string(kind), n)
	}
	line.Str("operation", j.operation()).Str("path", res.Path).Str("status", string(res.Status)).Dict("counts", counts).Int("drift", len(res.Drift)).Int("missing", len(res.Missing)).
		Strs("removed", res.Removed).Int64("calls", res.Calls).Int64("durationMs", j.session.options.Now().Sub(started).Milliseconds()).Msg("ended")
}

// guarded runs work and makes a panic in it the failure of this workspace. The stack goes to the log and nowhere else.
func (j job) guarded(ctx context.Context, w vault.Workspace, work func() (backup.Result, error)) (res backup.Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			zerolog.Ctx(ctx).Error().Str("operation", j.operation()).Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).Msg("the run panicked")
			err = fmt.Errorf("a fault of this program: %v", v)
			res = failed(w, err)
		}
	}()
	return work()
}

// aftermath is what there is to say of a run beside its result.
type aftermath struct {
	name     string // of the workspace, as a verified backup has it
	warnings []string
	held     string // why retention removed nothing
	massLoss bool

	committed *vault.Folder // the backup that this run has followed up; nil where there was nothing to do
}

func (a *aftermath) warn(format string, args ...any) {
	a.warnings = append(a.warnings, fmt.Sprintf(format, args...))
}

// backUp takes the backup of one workspace, and does what follows.
func (j job) backUp(ctx context.Context, w vault.Workspace, after *aftermath) (backup.Result, error) {
	s := j.session
	v, err := s.vault(w.ID, j.command.Folder)
	if err != nil {
		return failed(w, err), err
	}
	name := j.name()
	before := s.factory.Calls()
	res, err := backup.Run(ctx, s.factory.Workspace(w.ID), v, name, backup.Options{Workspace: w, ProjectID: s.config.ProjectID,
		Region: s.config.Region, Tool: s.options.tool(), Now: s.options.Now, Lease: s.lease(j.inv)})
	res.Calls = s.factory.Calls() - before
	if err != nil {
		err = s.advised(err)
		res.Message = err.Error()
		return res, err
	}
	if res.Status != vault.Complete {
		return res, nil
	}
	j.followUp(ctx, v.Folder(name), &res, after)
	return res, nil
}

// name is that of the dated folder.
func (j job) name() string {
	if !j.due.IsZero() {
		return vault.NightlyName(j.due)
	}
	now := j.session.options.Now().UTC()
	if zone := j.session.config.TimeZone; zone != nil {
		now = now.In(zone)
	}
	return vault.ByHandName(now)
}

// digest compares the new backup with the one before.
func (j job) digest(ctx context.Context, res *backup.Result, after *aftermath) {
	d := digest.Between(res.Previous, res.Manifest)
	d.MassLoss = d.MassLoss || retention.TooMuchLost(retention.Loss(res.Manifest, res.Previous))
	res.Digest = &d
	after.massLoss = d.MassLoss
	line := zerolog.Ctx(ctx).Info()
	if d.MassLoss {
		line = zerolog.Ctx(ctx).Warn()
	}
	line.Str("operation", "digest").Interface("digest", d).Msg("what has changed since the backup before")
	if d.MassLoss {
		massDeletionHold.log(ctx, "digest")
		after.warn("more than a fifth of what the backup before holds is gone")
	}
}

// retain removes what BACKUP_KEEP does not keep.
func (j job) retain(ctx context.Context, v *vault.Vault, res *backup.Result, after *aftermath) {
	s := j.session
	opts := j.retention()
	if opts.Keep == (retention.Keep{}) {
		return
	}
	started := s.options.Now()
	opts.Newest = res.Status
	out, err := retention.Apply(ctx, v, opts)
	res.Removed = append(res.Removed, out.Removed...)
	after.held = out.Held
	res.DurationMS += s.options.Now().Sub(started).Milliseconds()
	if message := out.Message(); message != "" {
		after.warn("%s", message)
	}
	if err != nil {
		after.warn("retention did not finish and goes on with the next backup: %v", err)
	}
	zerolog.Ctx(ctx).Info().Str("operation", "retention").Strs("removed", out.Removed).Int("left", len(out.Left)).Int("kept", len(out.Stay)).Str("held", out.Held).
		Int64("durationMs", s.options.Now().Sub(started).Milliseconds()).Msg("retention")
}

func (j job) retention() retention.Options {
	return retention.Options{Keep: retention.Keep(j.session.config.Keep), Now: j.session.options.Now, Lease: j.session.lease(j.inv)}
}

// plan says what a run would write and what retention would remove after it, if nothing went wrong, and does neither.
func (j job) plan(ctx context.Context, w vault.Workspace) (backup.Result, error) {
	s := j.session
	v, err := s.vault(w.ID, j.command.Folder)
	if err != nil {
		return failed(w, err), err
	}
	started := s.options.Now()
	name := j.name()
	res := failed(w, nil)
	res.Path = v.Folder(name).Path()
	err = j.planInto(ctx, v, name, w, &res)
	res.DurationMS = s.options.Now().Sub(started).Milliseconds()
	if err != nil {
		res.Message = err.Error()
	}
	return res, err
}

func (j job) planInto(ctx context.Context, v *vault.Vault, name string, w vault.Workspace, res *backup.Result) error {
	var message string
	switch b, err := v.Folder(name).Open(ctx); {
	case err == nil && b.Manifest.Workspace.ID != w.ID:
		return fmt.Errorf("%s holds a backup of workspace %s: give every workspace a location of its own", res.Path, b.Manifest.Workspace.ID)
	case err == nil:
		res.Status, res.Message = statusPlanned, "the backup of this date is complete already: a run would leave it alone, and remove nothing"
		return nil
	case errors.Is(err, vault.ErrIncomplete):
		message = "a run would write this folder"
	case errors.Is(err, vault.ErrUnsupported):
		return fmt.Errorf("a backup of this date is there: %w", err)
	case errors.Is(err, vault.ErrUnproved), errors.Is(err, vault.ErrMalformed):
		return fmt.Errorf("a backup of this date is there, but cannot be trusted: %w", err)
	default:
		return err
	}
	opts := j.retention()
	opts.DryRun, opts.Upcoming = true, name
	out, err := retention.Apply(ctx, v, opts)
	if err != nil {
		return err
	}
	res.Removed = append(res.Removed, out.Removed...)
	switch {
	case opts.Keep == (retention.Keep{}):
		message += "; BACKUP_KEEP is not set: nothing would be removed"
	case len(out.Removed) > 0:
		message += "; once it is complete, retention would remove " + strings.Join(out.Removed, ", ")
	default:
		message += "; retention would remove nothing"
	}
	if more := out.Message(); more != "" {
		message += "; " + more
	}
	res.Status, res.Message = statusPlanned, message
	return nil
}
