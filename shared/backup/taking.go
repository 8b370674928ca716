package backup

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// rounds is how often everything is listed at most: once to begin with, once to see what has changed meanwhile, and once more if something has.
const rounds = 3

// attempts is in how many rounds an asset that could not be read is tried. The client has tried several times in each.
const attempts = 2

// taking is one backup under way.
type taking struct {
	source Workspace
	writer *vault.Writer
	opts   Options

	assets      map[asset.Ref]*entry           // by identity; while assets are fetched, each worker touches its own entry only
	totals      map[asset.Kind]factory.Listing // of the last listing
	seen        map[asset.Kind]bool            // kinds that were listed whole at least once
	env         []byte
	envCount    int
	unsupported []vault.Unsupported
	unlisted    []vault.Missing // kinds that could not be listed
	drift       map[asset.Ref]vault.Drift
}

// entry is one asset that a listing has shown.
type entry struct {
	row      row
	stored   vault.Asset
	bindings []asset.Binding
	err      error // why the definition is not stored
	done     bool  // stored as it was at row
	tried    int   // in how many rounds reading it failed
	listed   int   // the last round that listed it
}

// row is what is kept of a listed row.
type row struct {
	ref         asset.Ref
	id          string
	owner       string
	modified    time.Time
	fingerprint [sha256.Size]byte
}

// listed are the kinds that the API lists asset by asset.
func listed() []asset.Kind { return []asset.Kind{asset.Resources, asset.Scripts, asset.Jobs} }

// read lists, reads and stores until a listing shows nothing new, or until the rounds are used up.
func (t *taking) read(ctx context.Context) error {
	t.drift, t.seen = map[asset.Ref]vault.Drift{}, map[asset.Kind]bool{}
	if err := t.readEnv(ctx); err != nil {
		return err
	}
	for round := range rounds {
		t.totals, t.unlisted = map[asset.Kind]factory.Listing{}, nil
		todo, err := t.list(ctx, round)
		if err != nil {
			return err
		}
		if len(todo) == 0 && round > 0 && t.settled() {
			break
		}
		if err := t.fetch(ctx, todo); err != nil {
			return err
		}
	}
	return t.again(ctx)
}

// settled tells whether the last listing met every kind at rest: a row that moved between two pages while they were read may have been missed.
func (t *taking) settled() bool {
	for _, listing := range t.totals {
		if !listing.Settled {
			return false
		}
	}
	return true
}

// readEnv reads and stores the environment variables.
func (t *taking) readEnv(ctx context.Context) error {
	params, err := t.source.Env(ctx)
	if errors.Is(err, factory.ErrUnsupported) {
		t.unsupported = append(t.unsupported, vault.Unsupported{Kind: asset.Env, Reason: "this region has no API for environment variables"})
		return nil
	}
	ref := asset.Ref{Kind: asset.Env, Name: asset.EnvName}
	t.assets[ref] = &entry{row: row{ref: ref}}
	return t.keepEnv(ctx, params, err)
}

// keepEnv stores a reading of the environment variables, unless it is one that could not be given back.
func (t *taking) keepEnv(ctx context.Context, params []byte, err error) error {
	e := t.assets[asset.Ref{Kind: asset.Env, Name: asset.EnvName}]
	var list *asset.Variables
	if err == nil {
		list, err = asset.ParseVariables(params)
	}
	if err != nil {
		e.err, e.done = err, false
		return fatal(ctx, err)
	}
	t.env, t.envCount = params, len(list.Names())
	return t.store(ctx, e, params)
}

// again holds the environment variables against a second reading.
func (t *taking) again(ctx context.Context) error {
	if t.env == nil {
		return nil
	}
	params, err := t.source.Env(ctx)
	if err == nil {
		changes, diffErr := rawjson.Diff(t.env, params)
		if diffErr == nil && len(changes) == 0 {
			return nil
		}
		t.drift[asset.Ref{Kind: asset.Env, Name: asset.EnvName}] = vault.Drift{Kind: asset.Env, Name: asset.EnvName, Change: "changed"}
	}
	return t.keepEnv(ctx, params, err)
}

// list lists every kind and returns the assets that are new or have changed since they were read. A kind that cannot be listed is noted
// as missing; if no kind can be listed, the run has failed.
func (t *taking) list(ctx context.Context, round int) ([]*entry, error) {
	var todo []*entry
	var failures []error
	for _, kind := range listed() {
		listing, err := t.source.List(ctx, kind, func(r factory.Row) error {
			if e := t.note(r, round); e != nil {
				todo = append(todo, e)
			}
			return nil
		})
		if err != nil {
			if err := fatal(ctx, err); err != nil {
				return nil, err
			}
			failures = append(failures, err)
			t.unlisted = append(t.unlisted, vault.Missing{Kind: kind, Reason: "could not be listed: " + err.Error()})
			// What could not be listed did not vanish.
			for _, e := range t.assets {
				if e.row.ref.Kind == kind {
					e.listed = round
				}
			}
		}
		t.totals[kind] = listing
		t.seen[kind] = t.seen[kind] || err == nil
	}
	if len(failures) == len(listed()) {
		return nil, fmt.Errorf("nothing could be listed: %w", errors.Join(failures...))
	}
	for ref, e := range t.assets {
		if ref.Kind != asset.Env && e.listed != round {
			t.drifted(e.row.ref, "vanished")
			delete(t.assets, ref)
		}
	}
	return todo, nil
}

// note takes a listed row down and returns its entry if it has to be read.
func (t *taking) note(r factory.Row, round int) *entry {
	now := row{ref: r.Ref, id: r.ID, owner: r.Owner, modified: r.LastModified, fingerprint: fingerprint(r.Raw)}
	id := r.Ref.Identity()
	e, known := t.assets[id]
	switch {
	case !known:
		e = &entry{}
		t.assets[id] = e
		if t.seen[r.Ref.Kind] {
			t.drifted(r.Ref, "appeared")
		}
	case e.row.fingerprint != now.fingerprint:
		t.drifted(r.Ref, "changed")
		e.done, e.tried = false, 0
	}
	e.row, e.listed = now, round
	if e.done || e.tried >= attempts {
		return nil
	}
	return e
}

func (t *taking) drifted(ref asset.Ref, change string) {
	id := ref.Identity()
	if before, ok := t.drift[id]; ok && before.Change == "appeared" && change == "changed" {
		return
	}
	d := vault.Drift{Kind: ref.Kind, Name: ref.Name, Change: change}
	if ref.Kind == asset.Resources {
		d.Directory = ref.Directory
	}
	t.drift[id] = d
}

// fingerprint changes when somebody edits the asset of a list row, and not when a job runs.
func fingerprint(raw []byte) [sha256.Size]byte {
	return sha256.Sum256(rawjson.Without(raw, func(name string) bool {
		switch name {
		case "lastInstanceEndTime", "lastInstanceStatus", "status", "startTime",
			"last_instance_end_time", "last_instance_status", "start_time":
			return true
		}
		return false
	}))
}

// fetch reads and stores assets, several at a time.
func (t *taking) fetch(ctx context.Context, todo []*entry) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(t.opts.Concurrency)
	for _, e := range todo {
		group.Go(func() error {
			definition, err := t.source.Get(ctx, e.row.ref, e.row.id)
			if err != nil {
				e.err = err
				e.tried++
				return fatal(ctx, err)
			}
			return t.store(ctx, e, definition)
		})
	}
	return group.Wait()
}

// store keeps a definition. An error means that the store does not work, and ends the run.
func (t *taking) store(ctx context.Context, e *entry, definition []byte) error {
	ref := e.row.ref
	e.err = rawjson.Check(definition)
	if e.err != nil {
		return nil //nolint:nilerr // one asset's fault, on record in its entry, does not end the run
	}
	if ref.Kind == asset.Jobs || ref.Kind == asset.Scripts {
		if dir := rawjson.StringAt(definition, "directory"); dir != "" {
			ref.Directory = asset.CleanDirectory(dir)
		}
	}
	kept := asset.Stored(ref.Kind, definition)
	stored, err := t.writer.Put(ctx, ref, kept)
	if errors.Is(err, vault.ErrUnstorable) {
		e.err, e.tried = err, attempts
		return nil
	}
	if err != nil {
		return err
	}
	stored.Owner = owner(e.row, definition)
	if !e.row.modified.IsZero() {
		modified := e.row.modified.UTC()
		stored.LastModified = &modified
	}
	if ref.Kind == asset.Resources {
		if stored.Files, e.err = t.copyFiles(ctx, ref, definition); e.err != nil {
			return fatal(ctx, e.err)
		}
	}
	e.stored, e.bindings, e.err, e.done = stored, asset.Bindings(ref.Kind, kept), nil, true
	return nil
}

func owner(r row, definition []byte) string {
	if r.owner != "" {
		return r.owner
	}
	return cmp.Or(rawjson.StringAt(definition, "owner"), rawjson.StringAt(definition, "basicConfig", "owner"))
}

// copyFiles copies the files that a resource points to. One that does not exist or is not on OBS is listed with the reason: the definition may
// well name a file that was deleted long ago. One that exists and cannot be read is an error.
func (t *taking) copyFiles(ctx context.Context, ref asset.Ref, definition []byte) ([]vault.File, error) {
	var files []vault.File
	for _, location := range asset.FileLocations(definition) {
		if key, ok := ref.FileKey(location); !ok || key == "" {
			files = append(files, vault.File{Location: location, Reason: "not an object on OBS"})
			continue
		}
		file, err := t.writer.CopyFile(ctx, ref, location)
		switch {
		case errors.Is(err, store.ErrNotExist):
			files = append(files, vault.File{Location: location, Reason: "there is no such object in the object service of the backups"})
		case err != nil:
			return nil, err
		default:
			files = append(files, file)
		}
	}
	return files, nil
}

// manifest describes what is stored, and says what is not.
func (t *taking) manifest(ctx context.Context, v *vault.Vault, folder *vault.Folder, started time.Time) (*vault.Manifest, error) {
	m := &vault.Manifest{
		FormatVersion: vault.FormatVersion, BackupDate: folder.Name[:len("2006-01-02")], Workspace: t.opts.Workspace,
		ProjectID: t.opts.ProjectID, Region: t.opts.Region, Tool: t.opts.Tool,
		StartedAt: started.UTC(), FinishedAt: t.opts.Now().UTC(), Status: vault.Complete,
		Totals: map[asset.Kind]int{asset.Env: t.envCount}, Counts: map[asset.Kind]int{asset.Env: 0, asset.Resources: 0, asset.Scripts: 0, asset.Jobs: 0},
		Missing: t.unlisted, Unsupported: t.unsupported,
	}
	for _, kind := range listed() {
		m.Totals[kind] = t.totals[kind].Total
	}
	known := map[asset.Kind]int{}
	for _, e := range t.assets {
		ref := e.row.ref
		known[ref.Kind]++
		if !e.done {
			missing := vault.Missing{Kind: ref.Kind, Name: ref.Name, Reason: reason(e.err)}
			if ref.Kind == asset.Resources {
				missing.Directory = ref.Directory
			}
			m.Missing = append(m.Missing, missing)
			continue
		}
		m.Assets = append(m.Assets, e.stored)
		m.Counts[ref.Kind]++
	}
	if e := t.assets[asset.Ref{Kind: asset.Env, Name: asset.EnvName}]; e != nil && e.done {
		m.Counts[asset.Env] = t.envCount
	}
	for _, kind := range listed() {
		if short := max(m.Totals[kind]-known[kind], t.totals[kind].Missing()); short > 0 && !t.couldNotList(kind) {
			m.Missing = append(m.Missing, vault.Missing{Kind: kind, Count: short,
				Reason: fmt.Sprintf("the API claims %d %s and lists %d", m.Totals[kind], kind, m.Totals[kind]-short)})
		}
	}
	for _, d := range t.drift {
		m.Drift = append(m.Drift, d)
	}
	slices.SortFunc(m.Drift, func(a, b vault.Drift) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Directory, b.Directory), strings.Compare(a.Name, b.Name))
	})
	slices.SortFunc(m.Missing, func(a, b vault.Missing) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Directory, b.Directory), strings.Compare(a.Name, b.Name))
	})
	if len(m.Missing) > 0 {
		m.Status = vault.Partial
	}
	previous, err := v.Before(ctx, folder.Name)
	if err != nil {
		return nil, fmt.Errorf("find the backup before this one: %w", err)
	}
	if previous != nil {
		m.Previous = &vault.Previous{Path: previous.Folder().Path() + "manifest.json", SHA256: previous.ManifestSHA256}
	}
	t.bind(m)
	return m, nil
}

func (t *taking) couldNotList(kind asset.Kind) bool {
	return slices.ContainsFunc(t.unlisted, func(m vault.Missing) bool { return m.Kind == kind })
}

// bind lists what nodes and scripts are bound to, in an order of its own so that equal workspaces give equal documents.
func (t *taking) bind(m *vault.Manifest) {
	m.Sort()
	for _, a := range m.Assets {
		if e := t.assets[a.Ref().Identity()]; e != nil {
			t.writer.Bind(a.Ref(), e.bindings)
		}
	}
}

// fatal returns err if it ends the whole run rather than one asset: nobody is let in, or time is over.
func fatal(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil || errors.Is(err, factory.ErrUnauthorized) || errors.Is(err, context.DeadlineExceeded) || factory.IsCode(err, factory.CodeNoWorkspace) {
		return err
	}
	return nil
}

func reason(err error) string {
	if err == nil {
		return "was not read"
	}
	return err.Error()
}
