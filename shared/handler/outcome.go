package handler

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/drill"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// outcome is how something ended, in one word. The alarms of the templates look for these words, so they stay as they are.
type outcome string

// The outcomes.
const (
	backupComplete     outcome = "BackupComplete"
	backupPartial      outcome = "BackupPartial"
	backupFailed       outcome = "BackupFailed"
	verificationPassed outcome = "VerificationPassed"
	verificationFailed outcome = "VerificationFailed"
	massDeletionHold   outcome = "MassDeletionHold"
	restorePlanned     outcome = "RestorePlanned"
	restoreComplete    outcome = "RestoreComplete"
	restorePartial     outcome = "RestorePartial"
	restoreFailed      outcome = "RestoreFailed"
	restoreInterrupted outcome = "RestoreInterrupted"
	restoreUndone      outcome = "RestoreUndone"
	drillPassed        outcome = "DrillPassed"
	drillFailed        outcome = "DrillFailed"
	drillInterrupted   outcome = "DrillInterrupted"
	notificationFailed outcome = "NotificationFailed"
)

// log writes the line that the alarms look for, and of which operation it tells. Nothing else writes the field outcome, and the line holds no text from elsewhere: no path, no name of an
// asset and no error, which may hold any word. An alarm that waits for a good end would else take a failure for one, or overlook a good one. What there is
// to say besides stands in the lines before it, with the same requestId and runId.
func (o outcome) log(ctx context.Context, operation string) {
	line := zerolog.Ctx(ctx).Info()
	switch o {
	case backupPartial, backupFailed, verificationFailed, restorePartial, restoreFailed, restoreInterrupted, drillFailed, drillInterrupted:
		line = zerolog.Ctx(ctx).Error()
	case massDeletionHold, notificationFailed:
		line = zerolog.Ctx(ctx).Warn()
	}
	line.Str("operation", operation).Str("outcome", string(o)).Msg("outcome")
}

// outcome is that of the job for one workspace; empty for a dry run, which does nothing.
func (j job) outcome(status vault.Status, err error) outcome {
	switch {
	case j.command.Verify != "" && err != nil:
		return verificationFailed
	case j.command.Verify != "":
		return verificationPassed
	case j.command.DryRun:
		return ""
	case status == vault.Partial:
		return backupPartial
	case status == vault.Complete && err == nil:
		return backupComplete
	}
	return backupFailed
}

// outcomeOfRestore is that of a restore or an undo.
func outcomeOfRestore(report *restore.Report, err error) outcome {
	if err != nil || report == nil {
		return restoreInterrupted
	}
	switch report.Status {
	case restore.Planned:
		return restorePlanned
	case restore.Complete:
		return restoreComplete
	case restore.Undone:
		return restoreUndone
	case restore.Partial:
		return restorePartial
	case restore.Running: // it goes on elsewhere
		return restoreInterrupted
	}
	return restoreFailed
}

// outcomeOfDrill is that of a drill.
func outcomeOfDrill(record *drill.Record, err error) outcome {
	switch {
	case err != nil || record == nil:
		return drillInterrupted
	case record.Status == drill.Good:
		return drillPassed
	}
	return drillFailed
}
