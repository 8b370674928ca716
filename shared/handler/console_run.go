package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
)

// backupRun is the body of POST /backups, and the command that the backup function gets.
type backupRun struct {
	Workspaces []string `json:"workspaces,omitempty"` // none: those that the backup function is configured with
	Folder     string   `json:"folder,omitempty"`     // below the location
}

// startedBackup is the answer to POST /backups.
type startedBackup struct {
	RequestID  string   `json:"requestId"` // of the invocation of the backup function
	Workspaces []string `json:"workspaces"`
	Folder     string   `json:"folder"`
	Message    string   `json:"message"`
}

// postBackups serves POST /backups.
func (c *console) postBackups(ctx context.Context, r event.Request) (reply, error) {
	p := &parameters{values: r.Query}
	run, err := c.readBackupRun(r.Body, p)
	if err != nil {
		return reply{}, err
	}
	started, err := c.runBackup(ctx, run)
	if err != nil {
		return reply{}, err
	}
	answer, err := jsonReply(http.StatusAccepted, started)
	if err == nil {
		answer.header.Set("Location", c.listed(run))
	}
	return answer, err
}

// listed is the path and query of the list in which the backups of a run will be; of the first workspace where they are in several lists.
func (c *console) listed(run backupRun) string {
	query := url.Values{}
	if ids := append(slices.Clone(run.Workspaces), c.config.Workspaces...); c.config.Location.PerWorkspace() && len(ids) > 0 {
		query.Set("workspace", ids[0])
	}
	if run.Folder != "" {
		query.Set("folder", run.Folder)
	}
	return strings.TrimSuffix("/backups?"+query.Encode(), "?")
}

// runBackup starts the backup function, which takes a backup by hand, and does not wait for it. The error is a 400 or 403 for what readBackupRun refuses, too.
func (c *console) runBackup(ctx context.Context, run backupRun) (startedBackup, error) {
	if len(run.Workspaces) > 1 && !c.config.Location.PerWorkspace() {
		return startedBackup{}, invalid("workspaces: the backups in %s are not kept by workspace: want one", c.config.Location)
	}
	for _, id := range run.Workspaces {
		if err := c.mayBackUp(id); err != nil {
			return startedBackup{}, invalid("workspaces: %v", err)
		}
	}
	var err error
	if run.Folder, err = c.folderBelow(run.Folder); err != nil {
		return startedBackup{}, err
	}
	platform, err := c.platform()
	if err != nil {
		return startedBackup{}, err
	}
	command, err := json.Marshal(run)
	if err != nil {
		return startedBackup{}, fmt.Errorf("encode the command: %w", err)
	}
	id, err := platform.Run(ctx, command)
	if known, ok := errors.AsType[*signing.Error](err); ok && known.Unknown {
		err = fmt.Errorf("%w; it may have been started all the same: look whether a backup begins", err)
	}
	if err != nil {
		return startedBackup{}, platformError(ctx, fmt.Errorf("start the backup function: %w", err))
	}
	which := "every configured workspace"
	if len(run.Workspaces) > 0 {
		which = strings.Join(run.Workspaces, ", ")
	}
	return startedBackup{RequestID: id, Workspaces: nonNil(run.Workspaces), Folder: run.Folder,
		Message: fmt.Sprintf("the backup function was started for %s; its backups are in the list as soon as they have begun", which)}, nil
}

// readBackupRun reads what POST /backups asks for, as strictly as the backup function reads its command: that one answers nobody. The error has every fault.
func (c *console) readBackupRun(body []byte, p *parameters) (backupRun, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		body = []byte("{}")
	}
	doc, err := strictjson.Parse(body)
	if err != nil {
		return backupRun{}, err
	}
	var run backupRun
	var faults strictjson.Faults
	if err := doc.Decode(&run); err != nil && !errors.As(err, &faults) {
		return backupRun{}, err
	}
	for i, id := range run.Workspaces {
		path := strictjson.Element("workspaces", i)
		unread := slices.ContainsFunc(faults, func(known strictjson.Fault) bool { return known.Path == path })
		if err := c.mayBackUp(id); err != nil && !unread {
			faults = append(faults, doc.FaultAt(path, err.Error()))
		}
	}
	if id := p.text("workspace"); id != "" {
		if err := c.mayBackUp(id); err != nil {
			p.fault("workspace: %v", err)
		}
		if len(run.Workspaces) > 0 && !slices.Equal(run.Workspaces, []string{id}) {
			p.fault("workspace: %q, but the body names other workspaces", id)
		}
		run.Workspaces = []string{id}
	}
	if len(run.Workspaces) > 1 && !c.config.Location.PerWorkspace() {
		faults = append(faults, doc.FaultAt("workspaces", fmt.Sprintf("the backups in %s are not kept by workspace: want one", c.config.Location)))
	}
	folder, err := c.folderBelow(run.Folder)
	if refusal, ok := errors.AsType[*httpError](err); ok && len(faults)+len(p.faults) == 0 && refusal.status == http.StatusForbidden {
		return backupRun{}, err
	}
	if err != nil {
		faults = append(faults, doc.FaultAt("folder", strings.TrimPrefix(err.Error(), "folder: ")))
	}
	run.Folder = folder
	if c.readBelow(p); c.below != "" {
		if _, named := rawjson.Path(body, "folder"); named && folder != c.below && err == nil {
			p.fault("folder: %q, but the body names %q", c.below, folder)
		}
		run.Folder = c.below
	}
	if err := faults.Err(); err != nil {
		p.fault("%v", err)
	}
	return run, p.err()
}

// mayBackUp says why a workspace cannot be backed up into this location.
func (c *console) mayBackUp(id string) error {
	if err := config.CheckWorkspaceID(id); err != nil {
		return err
	}
	if known := c.config.Workspaces; !c.config.Location.PerWorkspace() && len(known) > 0 && !slices.Contains(known, id) {
		return fmt.Errorf("%q: the backups in %s are not kept by workspace, and are those of %s", id, c.config.Location, strings.Join(known, ", "))
	}
	return nil
}
