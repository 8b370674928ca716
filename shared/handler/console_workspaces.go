package handler

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// mostLookedInto is of how many folders at most it is found out whether they are workspaces; any more are taken for some.
const mostLookedInto = 200

// knownWorkspaces are the workspaces that are configured, as they are, and then those that have backups in the bucket, in ascending order: any folder may
// lie there, and one with a dated folder in it is a workspace's. It is empty for a location that all workspaces would share: its path does not tell whose it is.
func (c *console) knownWorkspaces(ctx context.Context) ([]string, error) {
	l := c.config.Location
	if !l.PerWorkspace() {
		return nil, nil
	}
	var found []string
	root := l.Root()
	err := c.store.Bucket(l.Bucket).List(ctx, root, "/", func(info store.Info) error {
		name, isFolder := strings.CutSuffix(strings.TrimPrefix(info.Key, root), "/")
		own := slices.Contains([]string{"restores", "drills", "leases", "verifications"}, name) || name+"/" == requestFolder // folders of the functions, which lie there too
		if id, ok := l.WorkspaceOf(info.Key); isFolder && !own && ok && !slices.Contains(c.config.Workspaces, id) {
			found = append(found, id)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the workspaces in obs://%s/%s: %w", l.Bucket, root, err)
	}
	slices.Sort(found)
	found = slices.Compact(found)
	var ids []string
	for _, id := range c.config.Workspaces {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return append(ids, c.backedUp(ctx, found)...), nil
}

// backedUp are those of the workspaces that have a backup. One of which that cannot be told is taken for one.
func (c *console) backedUp(ctx context.Context, ids []string) []string {
	none := make([]bool, len(ids))
	var group errgroup.Group
	group.SetLimit(outlines)
	for i, id := range ids[:min(len(ids), mostLookedInto)] {
		group.Go(func() error {
			v, err := c.vault(id, "")
			if err == nil {
				none[i], err = v.Empty(ctx)
			}
			if err != nil {
				zerolog.Ctx(ctx).Warn().Err(err).Str("workspace", id).Msg("whether the folder is a workspace's could not be found out")
			}
			return nil
		})
	}
	_ = group.Wait() // its functions return no errors
	var some []string
	for i, id := range ids {
		if !none[i] {
			some = append(some, id)
		}
	}
	return some
}

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
