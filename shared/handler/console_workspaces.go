package handler

import (
	"context"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// place is where the backups of a workspace lie that the request asks about: its location, or the folder below it that the request names.
func (c *console) place(workspace string) (*vault.Vault, error) {
	return c.vault(workspace, c.below)
}

// readBelow reads the folder whose backups the request asks about.
func (c *console) readBelow(p *parameters) {
	c.below = strings.Trim(p.text("folder"), "/")
	if problem := folderProblem(c.below); problem != "" {
		p.fault("folder: %q %s: want a folder below the location, like nights", c.below, problem)
	}
}

// chooseWorkspace is the workspace that a request asks about: the one that it names, else the only one there is. known is asked for only where
// it is needed. The workspace is empty where the location is not one's own, and where there is none yet.
func (c *console) chooseWorkspace(p *parameters, known func() ([]string, error)) (string, error) {
	id := p.text("workspace")
	c.readBelow(p)
	if !c.config.Location.PerWorkspace() {
		if id != "" && !slices.Contains(c.config.Workspaces, id) {
			// Answering with what is there would pass one workspace's backups off as another's.
			p.fault("workspace: %q: the backups in %s are not kept by workspace", id, c.config.Location)
		}
		return "", nil
	}
	if id != "" {
		if err := config.CheckWorkspaceID(id); err != nil {
			p.fault("workspace: %v", err)
		}
		return id, nil
	}
	if len(c.config.Workspaces) == 1 {
		return c.config.Workspaces[0], nil
	}
	ids, err := known()
	if err != nil || len(ids) == 0 {
		return "", err
	}
	if len(ids) > 1 {
		p.fault("workspace: missing, want one of %s", strings.Join(ids, ", "))
	}
	return ids[0], nil
}

// one is the workspace that a request to the JSON API asks about, and whether there is any.
func (c *console) one(ctx context.Context, p *parameters) (id string, ok bool, err error) {
	id, err = c.chooseWorkspace(p, func() ([]string, error) { return c.knownWorkspaces(ctx) })
	return id, id != "" || !c.config.Location.PerWorkspace(), err
}
