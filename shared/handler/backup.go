package handler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// backupCommand is the backup function's command: a direct invocation, or the text of the timer's user_event.
type backupCommand struct {
	Workspaces []string   `json:"workspaces"`
	Folder     string     `json:"folder"`
	Time       *time.Time `json:"time"`
	Verify     string     `json:"verify"`
	DryRun     bool       `json:"dryRun"` // say what a run would write and remove, and write and remove nothing
}

// Statuses of a workspace in an answer that are not those of a backup.
const (
	statusRunning vault.Status = "RUNNING" // another invocation of this function does it
	statusPlanned vault.Status = "PLANNED" // nothing was done: a dry run
)

// backupAnswer is the answer of the backup function.
type backupAnswer struct {
	Status  vault.Status    `json:"status"`
	Backups []backup.Result `json:"backups"`
}

// Backup is the backup function: it backs up every configured workspace, or verifies a backup of each.
func Backup(options Options) runtime.Handler {
	options = options.withDefaults()
	return func(ctx context.Context, inv runtime.Invocation) (any, error) {
		ctx, s, err := options.open(ctx, config.Backup, inv)
		if err != nil {
			return nil, failure("ConfigurationError", err)
		}
		e, err := event.Decode(inv.Payload)
		if err != nil {
			return nil, failure("BadRequest", err)
		}
		timer, isTimer := e.(event.Timer)
		command, due, err := s.backupCommand(ctx, e)
		if err != nil {
			if isTimer { // Nobody reads the answer of a timer.
				s.tellOfFailure(ctx, inv, fmt.Sprintf("the timer %s asks for what cannot be understood", timer.Name), err)
			}
			return nil, failure("BadRequest", err)
		}
		command.DryRun = command.DryRun || slices.Contains(inv.Flags, FlagDryRun)
		j := job{session: s, inv: inv, command: command, due: due}
		workspaces, err := s.workspaces(ctx, command.Workspaces, command.Verify != "")
		if err != nil {
			err = s.advised(err)
			if !command.DryRun {
				s.tellOfFailure(ctx, inv, "nothing is backed up", err)
			}
			if o := j.outcome(vault.Failed, err); o != "" {
				o.log(ctx, j.operation())
			}
			return nil, failure("BackupFailed", err)
		}
		var handed []handover
		if isTimer && inv.Platform == runtime.FunctionGraph && len(workspaces) > 1 && command.Verify == "" && !command.DryRun {
			handed = j.handOver(ctx, workspaces)
		}
		answer := backupAnswer{Backups: []backup.Result{}}
		var failures []string
		for _, t := range j.inTurn(ctx, workspaces, handed) {
			answer.Backups = append(answer.Backups, t.res)
			if t.err != nil {
				failures = append(failures, fmt.Sprintf("workspace %s: %v", t.workspace.ID, t.err))
			}
		}
		answer.Status = overall(answer.Backups)
		if len(failures) > 0 {
			return answer, failure("BackupFailed", fmt.Errorf("%s: %s", answer.Status, strings.Join(failures, "; ")))
		}
		return answer, nil
	}
}

// overall is what every workspace's status is; RUNNING if what is not RUNNING is COMPLETE; and else PARTIAL.
func overall(backups []backup.Result) vault.Status {
	all := func(wanted ...vault.Status) bool {
		return !slices.ContainsFunc(backups, func(b backup.Result) bool { return !slices.Contains(wanted, b.Status) })
	}
	switch {
	case all(backups[0].Status):
		return backups[0].Status
	case all(vault.Complete, statusRunning):
		return statusRunning
	}
	return vault.Partial
}

// backupCommand reads the command in the event, and the moment that the nightly run was due; that is zero for a backup by hand.
func (s *session) backupCommand(ctx context.Context, e event.Event) (command backupCommand, due time.Time, err error) {
	switch e := e.(type) {
	case event.Timer:
		text := bytes.TrimSpace([]byte(e.UserEvent))
		if len(text) > 0 && rawjson.Check(text) != nil {
			zerolog.Ctx(ctx).Warn().Str("trigger", e.Name).Msg("the timer's user_event is no JSON object and is ignored")
			text = nil
		}
		if len(text) > 0 {
			if command, err = readBackupCommand(text); err != nil {
				return command, due, fmt.Errorf("the timer's user_event: %w", err)
			}
		}
		due = e.Time
	case event.Command:
		if command, err = readBackupCommand(e.JSON); err != nil {
			return command, due, err
		}
	default:
		return command, due, fmt.Errorf("the backup function takes a timer or a command, and got an %s", e.Trigger())
	}
	if command.Time != nil {
		due = *command.Time
	}
	if !due.IsZero() && s.config.TimeZone != nil {
		due = due.In(s.config.TimeZone)
	}
	return command, due, nil
}

func readBackupCommand(data []byte) (backupCommand, error) {
	doc, err := strictjson.Parse(data)
	if err != nil {
		return backupCommand{}, err
	}
	var c backupCommand
	var faults strictjson.Faults
	if err := doc.Decode(&c); err != nil && !errors.As(err, &faults) {
		return backupCommand{}, err
	}
	for i, id := range c.Workspaces {
		if err := config.CheckWorkspaceID(id); err != nil {
			faults = append(faults, doc.FaultAt(strictjson.Element("workspaces", i), err.Error()))
		}
	}
	c.Folder = strings.Trim(c.Folder, "/")
	if problem := folderProblem(c.Folder); problem != "" {
		faults = append(faults, doc.FaultAt("folder", fmt.Sprintf("%q %s: want a folder below the location, like before-upgrade", c.Folder, problem)))
	}
	if c.Verify != "" && c.Verify != verifyLatest && !vault.IsFolderName(c.Verify) {
		faults = append(faults, doc.FaultAt("verify", fmt.Sprintf("%q: want the name of a backup, like 2026-11-22 or 2026-11-22T153000, or latest", c.Verify)))
	}
	if err := faults.Err(); err != nil {
		return backupCommand{}, err
	}
	return c, nil
}

// folderProblem says why a backup must not lie in a folder below the location: there it would be part of another backup, or taken for a request.
func folderProblem(folder string) string {
	if folder == "" {
		return ""
	}
	for segment := range strings.SplitSeq(folder, "/") {
		switch {
		case segment == "" || segment == "." || segment == "..":
			return "has a segment that is no name"
		case vault.IsFolderName(segment):
			return "lies in a backup"
		case slices.Contains([]string{"restore-requests", "restores", "drills", "leases", "removed", "verifications"}, segment):
			return "is a folder of the functions' own"
		case strings.ContainsFunc(segment, func(r rune) bool { return unicode.IsControl(r) || strings.ContainsRune(`\{}`, r) }):
			return "has a character that no folder may have"
		}
	}
	return ""
}

func failed(w vault.Workspace, err error) backup.Result {
	res := backup.Result{Workspace: w.ID, Status: vault.Failed, Counts: map[asset.Kind]int{}, Drift: []vault.Drift{}, Missing: []vault.Missing{}, Removed: []string{}}
	if err != nil {
		res.Message = err.Error()
	}
	return res
}
