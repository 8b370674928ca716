package handler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// nameTime is how long the names of workspaces may take to look up: they are for people, and the backups wait.
const nameTime = 10 * time.Second

// workspaces are those of the command, else the configured ones. Their names are looked up where an instance id allows it. A verification takes no names and does
// not depend on the service: where that does not list its workspaces, every workspace is every one that has backups.
func (s *session) workspaces(ctx context.Context, ids []string, verify bool) ([]vault.Workspace, error) {
	if len(ids) == 0 {
		ids = s.config.Workspaces
	}
	every := len(ids) == 0 && s.config.AllWorkspaces
	names := map[string]string{}
	if s.config.InstanceID != "" && (every || !verify) {
		look, end := context.WithCancel(ctx)
		if !every || verify {
			look, end = context.WithTimeout(ctx, nameTime)
		}
		all, err := s.factory.Workspaces(look, s.config.InstanceID)
		end()
		switch {
		case err != nil && every && verify:
			zerolog.Ctx(ctx).Warn().Err(err).Msg("the workspaces could not be listed: those that have backups are verified")
			known, knownErr := s.knownWorkspaces(ctx)
			if knownErr != nil || len(known) == 0 {
				return nil, errors.Join(fmt.Errorf("list the workspaces of instance %s: %w", s.config.InstanceID, err), knownErr)
			}
			ids = known
		case err != nil && every:
			return nil, fmt.Errorf("list the workspaces of instance %s: %w", s.config.InstanceID, err)
		case err != nil:
			zerolog.Ctx(ctx).Warn().Err(err).Msg("the names of the workspaces could not be looked up")
		}
		for _, w := range all {
			names[w.ID] = w.Name
			if every {
				ids = append(ids, w.ID)
			}
		}
	}
	var workspaces []vault.Workspace
	seen := map[string]bool{}
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			workspaces = append(workspaces, vault.Workspace{ID: id, Name: names[id]})
		}
	}
	switch {
	case len(workspaces) == 0:
		return nil, fmt.Errorf("instance %s has no workspace to back up", s.config.InstanceID)
	case len(workspaces) > 1 && !s.config.Location.PerWorkspace():
		return nil, fmt.Errorf("BACKUP_LOCATION holds %s, but several workspaces need {workspace} in it", s.config.Location)
	}
	return workspaces, nil
}

// mostLookedInto is of how many folders at most it is found out whether they are workspaces; any more are taken for some.
const mostLookedInto = 200

// knownWorkspaces are the workspaces that are configured, as they are, and then those that have backups in the bucket, in ascending order: any folder may
// lie there, and one with a dated folder in it is a workspace's. It is empty for a location that all workspaces would share: its path does not tell whose it is.
func (s *session) knownWorkspaces(ctx context.Context) ([]string, error) {
	l := s.config.Location
	if !l.PerWorkspace() {
		return nil, nil
	}
	var found []string
	root := l.Root()
	err := s.store.Bucket(l.Bucket).List(ctx, root, "/", func(info store.Info) error {
		name, isFolder := strings.CutSuffix(strings.TrimPrefix(info.Key, root), "/")
		own := slices.Contains([]string{"restores", "drills", "leases", "verifications"}, name) || name+"/" == requestFolder // folders of the functions, which lie there too
		if id, ok := l.WorkspaceOf(info.Key); isFolder && !own && ok && !slices.Contains(s.config.Workspaces, id) {
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
	for _, id := range s.config.Workspaces {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return append(ids, s.backedUp(ctx, found)...), nil
}

// backedUp are those of the workspaces that have a backup. One of which that cannot be told is taken for one.
func (s *session) backedUp(ctx context.Context, ids []string) []string {
	none := make([]bool, len(ids))
	var group errgroup.Group
	group.SetLimit(outlines)
	for i, id := range ids[:min(len(ids), mostLookedInto)] {
		group.Go(func() error {
			v, err := s.vault(id, "")
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
