package restore

import (
	"context"
	"encoding/json"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

// discreet is a workspace whose errors do not have the service's own words: those may quote a definition that is encrypted in the bucket, and errors become
// reasons in reports, notifications and the records of drills. The service's code stays, and the id of the request, by which the support finds them.
type discreet struct{ Workspace }

// Discreet returns a workspace whose errors do not quote what the service says.
func Discreet(w Workspace) Workspace {
	if _, ok := w.(discreet); ok {
		return w
	}
	return discreet{w}
}

// discreetly makes the workspaces that a function returns discreet.
func discreetly(workspace func(id string) Workspace) func(id string) Workspace {
	return func(id string) Workspace { return Discreet(workspace(id)) }
}

// unquoted is an error whose text has no words of the service's.
type unquoted struct {
	error
	text string
}

func (e *unquoted) Error() string { return e.text }
func (e *unquoted) Unwrap() error { return e.error }

// unquote takes the service's words out of an error's text. It stays the same error for errors.Is and errors.As.
func unquote(err error) error {
	if err == nil {
		return nil
	}
	if text := withoutMessage(err); text != err.Error() {
		return &unquoted{err, text}
	}
	return err
}

func (d discreet) List(ctx context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error) {
	listing, err := d.Workspace.List(ctx, kind, fn)
	return listing, unquote(err)
}

func (d discreet) Get(ctx context.Context, ref asset.Ref, id string) (json.RawMessage, error) {
	definition, err := d.Workspace.Get(ctx, ref, id)
	return definition, unquote(err)
}

func (d discreet) Export(ctx context.Context, jobs []string, fn func(name string, definition json.RawMessage) error) error {
	return unquote(d.Workspace.Export(ctx, jobs, fn))
}

func (d discreet) Env(ctx context.Context) (json.RawMessage, error) {
	params, err := d.Workspace.Env(ctx)
	return params, unquote(err)
}

func (d discreet) Create(ctx context.Context, kind asset.Kind, definition json.RawMessage) (string, error) {
	id, err := d.Workspace.Create(ctx, kind, definition)
	return id, unquote(err)
}

func (d discreet) Update(ctx context.Context, ref asset.Ref, id string, definition json.RawMessage) error {
	return unquote(d.Workspace.Update(ctx, ref, id, definition))
}

func (d discreet) PutEnv(ctx context.Context, params json.RawMessage) error {
	return unquote(d.Workspace.PutEnv(ctx, params))
}

func (d discreet) JobStatus(ctx context.Context, name string) (string, error) {
	status, err := d.Workspace.JobStatus(ctx, name)
	return status, unquote(err)
}

func (d discreet) StartJob(ctx context.Context, name string) error {
	return unquote(d.Workspace.StartJob(ctx, name))
}

func (d discreet) StopJob(ctx context.Context, name string) error {
	return unquote(d.Workspace.StopJob(ctx, name))
}

func (d discreet) Delete(ctx context.Context, ref asset.Ref, id string, approvers ...string) error {
	return unquote(d.Workspace.Delete(ctx, ref, id, approvers...))
}

func (d discreet) Connections(ctx context.Context) ([]string, error) {
	names, err := d.Workspace.Connections(ctx)
	return names, unquote(err)
}

func (d discreet) CheckFile(ctx context.Context, path string) (factory.FileContent, error) {
	content, err := d.Workspace.CheckFile(ctx, path)
	return content, unquote(err)
}

func (d discreet) Import(ctx context.Context, req factory.ImportRequest) (string, error) {
	id, err := d.Workspace.Import(ctx, req)
	return id, unquote(err)
}

func (d discreet) Task(ctx context.Context, id string) (factory.Task, error) {
	task, err := d.Workspace.Task(ctx, id)
	for i := range task.Subtasks {
		task.Subtasks[i].Message = ""
	}
	return task, unquote(err)
}
