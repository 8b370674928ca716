package restore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// Locations is where backups, requests and reports lie.
type Locations struct {
	Store  store.Store
	Bucket string
	Root   string // what no restore leaves; ends with "/", or is empty
	// Keys read encrypted backups, and encrypt what a restore or an undo saves before it writes. Where they have no recipients, what is saved on account of
	// an encrypted backup is encrypted to that backup's.
	Keys vault.Keys
	// Prefix is the location of a workspace's backups in the bucket.
	Prefix func(workspace string) (string, error)
	// PerWorkspace tells whether each workspace has a location of its own.
	PerWorkspace bool
	// WorkspaceOf is the workspace in whose location a key lies; false where that does not show. Nil: it never does.
	WorkspaceOf func(key string) (id string, ok bool)
	// Workspace is the workspace that is meant where none is named; empty if there is no such one.
	Workspace string
}

// Reports is where reports are kept.
func (l Locations) Reports() Reports { return Reports{Store: l.Store, Root: l.Root} }

func (l Locations) leaseKey(workspace string) string {
	return l.Root + "leases/restore-" + asset.Escape(workspace) + ".json"
}

// find opens the backup that a request names.
func (l Locations) find(ctx context.Context, req Request) (*vault.Backup, error) {
	folder, err := l.folder(ctx, req)
	if err != nil {
		return nil, err
	}
	return l.open(ctx, folder, req)
}

// open opens a folder as far as the request allows.
func (l Locations) open(ctx context.Context, folder *vault.Folder, req Request) (*vault.Backup, error) {
	b, err := folder.Open(ctx)
	if errors.Is(err, vault.ErrIncomplete) && req.AllowPartial {
		b, err = folder.OpenPartial(ctx)
	}
	if errors.Is(err, vault.ErrForeign) {
		b, err = folder.OpenForeign(ctx)
	}
	switch {
	case errors.Is(err, vault.ErrIncomplete), errors.Is(err, vault.ErrUnproved), errors.Is(err, vault.ErrMalformed), errors.Is(err, store.ErrNotExist):
		return nil, refuse("%v", err)
	case err != nil:
		return nil, err
	}
	return b, nil
}

// ParseRequest reads a restore request as [ParseRequest] does. The error also has what is wrong with the place that the request names, as far as that shows
// without a look at the bucket. In a request without any other fault that is for Check and Run to refuse.
func (l Locations) ParseRequest(data []byte) (Request, error) {
	return parseRequest(data, func(r *Request) []fault {
		if _, _, readable := asset.ParseOBSPath(r.Path); r.Undo != "" || !readable && r.Date == "" {
			return nil
		}
		if f := l.misplaced(*r); f != nil {
			return []fault{*f}
		}
		return nil
	})
}

// whose is the workspace whose backup a date refers to; empty where none is named.
func (l Locations) whose(req Request) string { return cmp.Or(req.Source, req.Workspace, l.Workspace) }

// backedUp is the workspace that a backup is of: the manifest's, and of a folder that has none the one that the request or the place says; empty where nothing
// does.
func (l Locations) backedUp(req Request, b *vault.Backup) string {
	if id := cmp.Or(b.Manifest.Workspace.ID, req.Source); id != "" || !l.PerWorkspace {
		return cmp.Or(id, l.Workspace)
	}
	if _, key, ok := asset.ParseOBSPath(b.Folder().Path()); ok && l.WorkspaceOf != nil {
		if id, ok := l.WorkspaceOf(key); ok {
			return id
		}
	}
	return ""
}

// misplaced is what is wrong with the place that a request names, whatever lies there.
func (l Locations) misplaced(req Request) *fault {
	if req.Path != "" {
		if bucket, key, _ := asset.ParseOBSPath(req.Path); bucket != l.Bucket || !strings.HasPrefix(strings.Trim(key, "/")+"/", l.Root) {
			return &fault{"path", fmt.Sprintf("%s is outside of obs://%s/%s, where backups lie", req.Path, l.Bucket, l.Root)}
		}
		return nil
	}
	if req.Source != "" && !l.PerWorkspace {
		return &fault{"source", "is given, but BACKUP_LOCATION has no {workspace}: all backups lie in one place"}
	}
	if l.PerWorkspace && l.whose(req) == "" {
		return &fault{"date", "does not say whose backup is meant: want source or workspace beside it, as every workspace has a location of its own"}
	}
	return nil
}

func (l Locations) folder(ctx context.Context, req Request) (*vault.Folder, error) {
	if f := l.misplaced(req); f != nil {
		return nil, refuse("%s %s", f.path, f.problem)
	}
	if req.Path != "" {
		_, key, _ := asset.ParseOBSPath(req.Path)
		return vault.FolderAt(l.Store, l.Bucket, strings.Trim(key, "/")+"/").WithKeys(l.Keys), nil
	}
	workspace := l.whose(req)
	prefix, err := l.Prefix(workspace)
	if err != nil {
		return nil, refuse("%v", err)
	}
	v := vault.New(l.Store, l.Bucket, prefix).WithKeys(l.Keys)
	if req.Date != latest {
		return v.Folder(req.Date), nil
	}
	newest, err := v.Latest(ctx)
	switch {
	case errors.Is(err, vault.ErrUnproved), errors.Is(err, vault.ErrMalformed):
		return nil, refuse("the newest backup cannot be trusted: %v", err)
	case err != nil:
		return nil, err
	case newest == nil:
		return nil, refuse("there is no complete backup in %s", v.Path())
	}
	return newest.Folder(), nil
}

// Find opens the backup that a request names. What it holds is not verified yet. The error is a [Refusal] where there is none to restore from.
func (l Locations) Find(ctx context.Context, req Request) (*vault.Backup, error) {
	return l.find(ctx, req)
}

// Check finds out early whether the backup that a request names is there and may be restored from. The error is a [Refusal] if not.
func (l Locations) Check(ctx context.Context, req Request) error {
	_, err := l.find(ctx, req)
	return err
}
