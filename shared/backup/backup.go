// Package backup takes a backup: it reads every asset of a workspace and commits it to a dated folder.
//
// What it guarantees: a folder gets its backup.json only when every asset that the API lists, at the first listing and at the last, is stored
// and the store has confirmed its bytes. What could not be read is named in the manifest, and the backup is PARTIAL; what could not be
// listed or stored at all makes it FAILED. One run at a time works on a folder; a second one waits and reports what the first has made.
package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/digest"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// Workspace is the workspace that is backed up, as the DataArts Factory API gives it. Rows and definitions are JSON objects.
type Workspace interface {
	// List calls fn once for every asset of a kind (not env) and returns what the API said about the listing. A Listing whose Unique
	// is below its Total is not an error of List.
	List(ctx context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error)
	// Get returns an asset's definition, byte for byte as the API sends it. Errors: factory.ErrNotFound.
	Get(ctx context.Context, ref asset.Ref, id string) (json.RawMessage, error)
	// Export reads the definitions of up to factory.MaxExport jobs with one call and calls fn for each that the answer holds. What it does not
	// bring is read by Get.
	Export(ctx context.Context, jobs []string, fn func(name string, definition json.RawMessage) error) error
	// Env returns the environment variables, {"params":[…]}. Errors: factory.ErrUnsupported where the region has no such API.
	Env(ctx context.Context) (json.RawMessage, error)
}

// Options is what a run needs to know.
type Options struct {
	Workspace   vault.Workspace // whose assets these are
	ProjectID   string
	Region      string
	Tool        string           // name and version of this program, for the manifest
	Concurrency int              // calls to the service at the same time, but for listings; default 16
	Now         func() time.Time // default time.Now
	Lease       lease.Options    // how runs for one folder keep apart
}

// Result is how the backup of one workspace ended, in the words of the answer.
type Result struct {
	Workspace  string             `json:"workspace"`
	Path       string             `json:"path"`
	Status     vault.Status       `json:"status"`
	Counts     map[asset.Kind]int `json:"counts"`
	Drift      []vault.Drift      `json:"drift"`
	Missing    []vault.Missing    `json:"missing"`
	Removed    []string           `json:"removed"` // backups that retention deleted
	Calls      int64              `json:"calls"`   // DataArts requests sent
	DurationMS int64              `json:"durationMs"`
	Message    string             `json:"message"`
	RunID      string             `json:"runId,omitempty"`
	Digest     *digest.Digest     `json:"digest,omitempty"`

	// Manifest is what this run has committed, and Previous that of the backup before, nil for the first. Both are nil when the folder was complete already.
	Manifest, Previous *vault.Manifest `json:"-"`
}

// Run backs the workspace up into the folder name of the vault. It always returns a Result that can be reported; err is nil only when the
// folder holds a complete backup in the end, taken by this run or by an earlier one.
func Run(ctx context.Context, source Workspace, v *vault.Vault, name string, opts Options) (Result, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Concurrency <= 0 {
		opts.Concurrency = 16
	}
	started := opts.Now()
	folder := v.Folder(name)
	res := Result{Workspace: opts.Workspace.ID, Path: folder.Path(), Status: vault.Failed,
		Counts: map[asset.Kind]int{}, Drift: []vault.Drift{}, Missing: []vault.Missing{}, Removed: []string{}}
	err := run(ctx, source, v, folder, opts, started, &res)
	if err != nil {
		res.Message = err.Error()
	}
	res.DurationMS = opts.Now().Sub(started).Milliseconds()
	return res, err
}

func run(ctx context.Context, source Workspace, v *vault.Vault, folder *vault.Folder, opts Options, started time.Time, res *Result) (err error) {
	if done, err := existing(ctx, folder, opts.Workspace, res); done || err != nil {
		return err
	}
	var atWork atomic.Pointer[taking]
	leaseOpts := opts.Lease
	leaseOpts.Note = func() string {
		if t := atWork.Load(); t != nil {
			return t.remark()
		}
		return ""
	}
	leaseOpts.OnWait = func(holder lease.Holder) {
		zerolog.Ctx(ctx).Info().Str("operation", "backup").Str("path", folder.Path()).Str("holder", holder.Owner).Msg("another run works on this backup: waiting for it")
	}
	hold, err := lease.Acquire(ctx, v.Store(), v.LeaseKey(folder.Name), leaseOpts)
	if err != nil {
		return fmt.Errorf("keep other runs away from %s: %w", folder.Path(), err)
	}
	defer func() {
		// The run's own context may be over; the lease has to go all the same, or the next run waits for it.
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if releaseErr := hold.Release(release); releaseErr != nil {
			zerolog.Ctx(ctx).Warn().Err(releaseErr).Str("path", folder.Path()).Msg("the lease was not released; the next run waits until it is stale")
		}
	}()
	ctx = hold.Context()
	// Whoever held the lease before may have finished the job.
	if done, err := existing(ctx, folder, opts.Workspace, res); done || err != nil {
		return err
	}
	w, err := folder.Begin(ctx)
	if err != nil {
		return err
	}
	previous, err := v.Before(ctx, folder.Name)
	if err != nil {
		return fmt.Errorf("find the backup before this one: %w", err)
	}
	w.Previous(previous)
	t := newTaking(source, w, opts, opts.Workspace.ID+"/"+folder.Name)
	atWork.Store(t)
	if previous != nil {
		t.hadVariables = previous.Manifest.Counts[asset.Env]
		t.remember(previous.Manifest, started)
	}
	if err := t.take(ctx); err != nil {
		return lost(ctx, err)
	}
	m := t.manifest(folder, previous, started)
	if err := w.Commit(ctx, m, hold.Check); err != nil {
		return lost(ctx, err)
	}
	res.Status, res.Counts, res.Drift, res.Missing = m.Status, m.Counts, m.Drift, m.Missing
	res.Manifest = m
	if previous != nil {
		res.Previous = previous.Manifest
	}
	if !t.settled() {
		zerolog.Ctx(ctx).Warn().Str("operation", "backup").Str("path", folder.Path()).Msg("the workspace did not come to rest while it was listed")
	}
	if m.Status != vault.Complete {
		return &Incomplete{Missing: m.Missing}
	}
	res.Message = summary(m, previous)
	return nil
}

// lost prefers the reason why the context ended over "context canceled".
func lost(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w (%w)", cause, err)
	}
	return err
}

// existing fills the result from a folder that is complete already.
func existing(ctx context.Context, folder *vault.Folder, workspace vault.Workspace, res *Result) (bool, error) {
	b, err := folder.Open(ctx)
	if errors.Is(err, vault.ErrIncomplete) {
		return false, nil
	}
	if errors.Is(err, vault.ErrUnsupported) {
		return false, fmt.Errorf("a backup of this date is there: %w", err)
	}
	if errors.Is(err, vault.ErrUnproved) || errors.Is(err, vault.ErrMalformed) {
		return false, fmt.Errorf("a backup of this date is there, but cannot be trusted: %w", err)
	}
	if err != nil {
		return false, err
	}
	if other := b.Manifest.Workspace.ID; other != workspace.ID {
		return false, fmt.Errorf("%s holds a backup of workspace %s: give every workspace a location of its own", folder.Path(), other)
	}
	res.Status, res.Counts, res.Drift, res.Missing = vault.Complete, b.Manifest.Counts, b.Manifest.Drift, b.Manifest.Missing
	res.Message = "the backup of this date is complete already: " + summary(b.Manifest, nil)
	return true, nil
}

// summary is what a backup holds, in words, and which files it does not have. previous is the backup before, or nil.
func summary(m *vault.Manifest, previous *vault.Backup) string {
	var counts []string
	for _, kind := range []asset.Kind{asset.Jobs, asset.Scripts, asset.Resources, asset.Env} {
		counts = append(counts, kind.Count(m.Counts[kind]))
	}
	s := strings.Join(counts, ", ")
	for _, u := range m.Unsupported {
		s += fmt.Sprintf("; no %s: %s", u.Kind.Singular(), u.Reason)
	}
	const most = 5
	switch files := uncopied(m, previous); {
	case len(files) == 1:
		s += "; warning: 1 file that resources point to is not copied: " + files[0]
	case len(files) > most:
		s += fmt.Sprintf("; warning: %d files that resources point to are not copied: %s, and %d more (see the manifest)", len(files), strings.Join(files[:most], ", "), len(files)-most)
	case len(files) > 1:
		s += fmt.Sprintf("; warning: %d files that resources point to are not copied: %s", len(files), strings.Join(files, ", "))
	}
	return s
}

// uncopied names the files that resources point to and that are not copied, with the reasons. Those of which the backup before has a copy come first: they
// have vanished since.
func uncopied(m *vault.Manifest, previous *vault.Backup) []string {
	copied := map[string]bool{}
	if previous != nil {
		for _, a := range previous.Manifest.Assets {
			for _, f := range a.Files {
				copied[f.Location] = copied[f.Location] || f.Key != ""
			}
		}
	}
	var vanished, others []string
	named := map[string]bool{}
	for _, a := range m.Assets {
		for _, f := range a.Files {
			switch {
			case f.Key != "" || named[f.Location]:
			case copied[f.Location]:
				vanished = append(vanished, fmt.Sprintf("%s (%s; the copy of %s is the last one)", f.Location, f.Reason, previous.Folder().Name))
			default:
				others = append(others, fmt.Sprintf("%s (%s)", f.Location, f.Reason))
			}
			named[f.Location] = true
		}
	}
	return append(vanished, others...)
}

// Incomplete is the error of a backup that is PARTIAL.
type Incomplete struct{ Missing []vault.Missing }

func (e *Incomplete) Error() string {
	n := 0
	for _, m := range e.Missing {
		n += max(1, m.Count)
	}
	first := e.Missing[0]
	what, verb := string(first.Kind), "are"
	switch {
	case first.Kind == asset.Env:
		what = first.Kind.Singular()
	case first.Name != "":
		what, verb = asset.Ref{Kind: first.Kind, Name: first.Name, Directory: first.Directory}.String(), "is"
	case first.Count == 1:
		what, verb = first.Kind.Count(1), "is"
	}
	if n == 1 {
		return fmt.Sprintf("the backup is PARTIAL: %s %s missing: %s", what, verb, first.Reason)
	}
	return fmt.Sprintf("the backup is PARTIAL: %d assets are missing, the first is %s: %s", n, what, first.Reason)
}
