package handler

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/compare"
	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// How many items a comparison has on a page.
const (
	normalItems = 200
	mostItems   = 1000
)

// live is what the workspace as it is now is called where a backup's name may stand.
const live = "live"

// stateLive is the status of a workspace that is compared as it is now.
const stateLive vault.State = "LIVE"

// diffRequest says what is compared, and what of it is wanted.
type diffRequest struct {
	Workspace, Name       string // the backup from which changes are told; the workspace is that of its location, empty where that is not one's own
	OtherWorkspace, Other string // that to which they are told; Other may be live
	Target                string // id of the live workspace; empty for the one that was backed up

	Kind   asset.Kind // empty for all
	Query  string     // part of the name
	Change compare.What
	After  string
	Limit  int // 0 for a page of normal size
}

// diffSide is one of the two that are compared.
type diffSide struct {
	Name      string      `json:"name"`
	Path      string      `json:"path"`      // obs:// path of the folder; empty for a live workspace
	Workspace string      `json:"workspace"` // id; empty where nobody says it
	Status    vault.State `json:"status"`
}

// diffAnswer is the answer to GET /backups/{name}/diff/{other}.
type diffAnswer struct {
	From diffSide `json:"from"`
	To   diffSide `json:"to"`
	compare.Comparison
	Message string `json:"message"`
}

// diffRoute reads what a request wants compared.
func (c *console) diffRoute(ctx context.Context, r event.Request, name, other string) (reply, error) {
	p := &parameters{values: r.Query}
	request := diffRequest{Name: p.folderName("name", name), Other: other, Target: p.text("target"), Query: p.text("q"), After: p.text("after"),
		Limit: p.limit(normalItems, mostItems)}
	if other != live {
		p.folderName("other", other)
	}
	if text := p.text("kind"); text != "" {
		var err error
		if request.Kind, err = asset.ParseKind(text); err != nil {
			p.fault("%v", err)
		}
	}
	if text := p.text("change"); text != "" {
		var err error
		if request.Change, err = compare.ParseWhat(text); err != nil {
			p.fault("change: %q: %v", text, err)
		}
	}
	if request.After != "" {
		if err := compare.CheckNext(request.After); err != nil {
			p.fault("after: %q: %v", request.After, err)
		}
	}
	c.checkTarget(p, request)
	some, err := c.diffWorkspaces(ctx, p, &request)
	if err := errors.Join(err, p.err()); err != nil {
		return reply{}, err
	}
	if !some {
		return reply{}, notFound("there is no backup %s: there is none in %s at all", name, c.config.Location)
	}
	answer, err := c.diff(ctx, request)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, answer)
}

// checkTarget checks which live workspace is meant.
func (c *console) checkTarget(p *parameters, request diffRequest) {
	switch {
	case request.Target == "":
	case request.Other != live:
		p.fault("target: goes with a comparison with %s only", live)
	default:
		if err := config.CheckWorkspaceID(request.Target); err != nil {
			p.fault("target: %v", err)
		}
	}
}

// diffWorkspaces finds out in which locations the two lie, and whether there are any.
func (c *console) diffWorkspaces(ctx context.Context, p *parameters, request *diffRequest) (some bool, err error) {
	if request.Workspace, some, err = c.one(ctx, p); err != nil {
		return false, err
	}
	request.OtherWorkspace = request.Workspace
	text := p.text("otherWorkspace")
	switch {
	case text == "":
	case request.Other == live:
		p.fault("otherWorkspace: goes with another backup; a live workspace is the target")
	default:
		there := &parameters{values: url.Values{"workspace": {text}}}
		if request.OtherWorkspace, _, err = c.one(ctx, there); err != nil {
			return false, err
		}
		for _, fault := range there.faults {
			p.fault("%s", strings.Replace(fault, "workspace:", "otherWorkspace:", 1))
		}
	}
	return some, nil
}

// diff compares a backup with another one, or with the live workspace. Two backups are compared by their manifests, and what is on the page by its definitions. Where
// time does not suffice, the page is shorter or, of a live workspace, the error says what else to do.
func (c *console) diff(ctx context.Context, request diffRequest) (diffAnswer, error) {
	for _, name := range []string{request.Name, request.Other} {
		if !vault.IsFolderName(name) && (name != live || name == request.Name) {
			return diffAnswer{}, invalid("%q: want the name of a backup, like 2026-11-22 or 2026-11-22T153000", name)
		}
	}
	if request.After != "" {
		if err := compare.CheckNext(request.After); err != nil {
			return diffAnswer{}, invalid("after: %q: %v", request.After, err)
		}
	}
	working, cancel := inTime(ctx)
	defer cancel()
	answer, err := c.compared(working, request)
	if err != nil && working.Err() != nil {
		message := fmt.Sprintf("the comparison of %s with %s did not end in time: ask for less, with kind or a smaller limit", request.Name, request.Other)
		if request.Other == live {
			message = fmt.Sprintf(`the comparison of %s with the live workspace did not end in time: ask for one kind at a time, or let a dry run of a restore tell `+
				`what differs (POST /restores with {"date": %q, "duplicateNamePolicy": "overwrite", "dryRun": true}), which may run as a command and has longer`, request.Name, request.Name)
		}
		return diffAnswer{}, &httpError{status: http.StatusGatewayTimeout, code: codeTimeout, message: message}
	}
	return answer, err
}

func (c *console) compared(ctx context.Context, request diffRequest) (diffAnswer, error) {
	from, err := c.openCompared(ctx, request.Workspace, request.Name)
	if err != nil {
		return diffAnswer{}, err
	}
	answer := diffAnswer{From: sideOf(from, request.Workspace)}
	options := compare.Options{Kind: request.Kind, Query: request.Query, Change: request.Change, After: request.After, Limit: request.Limit}
	var result *compare.Comparison
	if request.Other == live {
		answer.To, result, err = c.comparedLive(ctx, request, from, options)
	} else {
		to := from
		if request.Other != request.Name || request.OtherWorkspace != request.Workspace {
			if to, err = c.openCompared(ctx, request.OtherWorkspace, request.Other); err != nil {
				return diffAnswer{}, err
			}
		}
		answer.To = sideOf(to, request.OtherWorkspace)
		if result, err = compare.Backups(ctx, from, to, options); err != nil {
			err = fmt.Errorf("compare %s with %s: %w", answer.From.Path, answer.To.Path, err)
		}
	}
	if err != nil {
		return diffAnswer{}, err
	}
	answer.Comparison, answer.Message = *result, strings.Join(result.Remarks, "; ")
	return answer, nil
}

// comparedLive compares a backup with the live workspace.
func (c *console) comparedLive(ctx context.Context, request diffRequest, from *vault.Backup, options compare.Options) (diffSide, *compare.Comparison, error) {
	side := diffSide{Name: live, Workspace: request.Target, Status: stateLive}
	for _, known := range []string{from.Manifest.Workspace.ID, request.Workspace} {
		if side.Workspace == "" {
			side.Workspace = known
		}
	}
	if side.Workspace == "" {
		return side, nil, invalid("target: missing: %s does not say which workspace it is of", from.Folder().Path())
	}
	if c.factory == nil {
		return side, nil, conflict("the console cannot look into a workspace: %s", strings.ReplaceAll(c.noFactory.Error(), "\n", "; "))
	}
	location := c.config.Location
	result, err := restore.CompareLive(ctx, from, c.factory.Workspace(side.Workspace), restore.LiveOptions{Target: side.Workspace, Page: options,
		Locations: restore.Locations{Store: c.store.Bucket(location.Bucket), Bucket: location.Bucket, Root: location.Root(), Keys: c.vaultKeys}})
	if refusal, ok := errors.AsType[*restore.Refusal](err); ok {
		return side, nil, conflict("%s", strings.Join(refusal.Faults, "; "))
	}
	if err != nil {
		return side, nil, fmt.Errorf("compare %s with workspace %s: %w", from.Folder().Path(), side.Workspace, c.advised(err))
	}
	return side, result, nil
}

// openCompared opens a backup that can be compared: a complete one, a partial one as far as it goes, or one that the DataArts console wrote.
func (c *console) openCompared(ctx context.Context, workspace, name string) (*vault.Backup, error) {
	v, err := c.place(workspace)
	if err != nil {
		return nil, err
	}
	f := v.Folder(name)
	b, err := f.Open(ctx)
	if errors.Is(err, vault.ErrIncomplete) {
		b, err = f.OpenPartial(ctx)
		if err == nil && b.Manifest.Status != vault.Partial {
			err = fmt.Errorf("%s: %w (no backup.json)", f.Path(), vault.ErrIncomplete)
		}
	}
	if errors.Is(err, vault.ErrForeign) {
		b, err = f.OpenForeign(ctx)
	}
	switch {
	case err == nil:
		return b, nil
	case errors.Is(err, vault.ErrIncomplete):
		exists, lookErr := f.Exists(ctx)
		if lookErr != nil {
			return nil, lookErr
		}
		if !exists {
			return nil, notFound("there is no backup at %s", f.Path())
		}
	case errors.Is(err, vault.ErrUnproved), errors.Is(err, vault.ErrMalformed), errors.Is(err, store.ErrDamaged):
	default:
		return nil, err
	}
	return nil, conflict("it cannot be compared: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
}

// sideOf is a backup as one of the two that are compared.
func sideOf(b *vault.Backup, workspace string) diffSide {
	side := diffSide{Name: b.Folder().Name, Path: b.Folder().Path(), Workspace: b.Manifest.Workspace.ID, Status: vault.State(b.Manifest.Status)}
	if b.Unverified {
		side.Status = vault.StateUnverified
	}
	if side.Workspace == "" {
		side.Workspace = workspace
	}
	return side
}
