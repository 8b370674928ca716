package backup

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/bulk"
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
	trust  *bulk.Trust[*entry]
	work   *work

	marking chan struct{} // taken while the folder is being marked

	mu           sync.Mutex                     // guards what follows while kinds are listed and read side by side
	assets       map[asset.Ref]*entry           // by identity
	resumed      map[asset.Ref]vault.Stored     // what an earlier run has stored and no listing has shown yet
	totals       map[asset.Kind]factory.Listing // of the last listing
	seen         map[asset.Kind]bool            // kinds that were listed whole at least once
	env          []byte
	envCount     int
	hadVariables int // of the backup before this one
	unsupported  []vault.Unsupported
	unlisted     []vault.Missing         // kinds that could not be listed
	differed     map[string]vault.Single // classes in which a sample of bulk definitions differed, in this run or in one not long ago
	drift        map[asset.Ref]vault.Drift
	saved        time.Time // when the progress was saved last
	stored       time.Time // when an asset was stored last; zero before the first
	saving       bool
	marked       bool                        // the folder holds progress.json
	busy         map[asset.Ref]chan struct{} // assets whose objects are being written; closed when that ends
}

// entry is one asset that a listing has shown.
type entry struct {
	row      row
	stored   vault.Asset
	bindings []asset.Binding
	err      error             // why the definition is not stored
	done     bool              // stored as it was at row
	tried    int               // in how many rounds reading it failed
	writing  bool              // the definition is read and waits to be stored
	version  int               // counts the definitions that were read: only the last one is stored
	listed   int               // the last round that listed it
	bulk     bool              // the definition came with others, from a listing or an export
	proved   bool              // it came by a call of its own, or the samples of its class were as they should be
	hash     [sha256.Size]byte // of the definition as it was read last
	again    bool              // it is read again because its list row cannot tell whether it has changed
}

// row is what is kept of a listed row.
type row struct {
	ref         asset.Ref
	id          string
	owner       string
	modified    time.Time
	modifiedBy  string
	fingerprint [sha256.Size]byte
}

// listed are the kinds that the API lists asset by asset.
func listed() []asset.Kind { return []asset.Kind{asset.Resources, asset.Scripts, asset.Jobs} }

func newTaking(source Workspace, writer *vault.Writer, opts Options, seed string) *taking {
	return &taking{source: source, writer: writer, opts: opts, trust: bulk.NewTrust[*entry](seed, bulk.ByText), differed: map[string]vault.Single{}, assets: map[asset.Ref]*entry{},
		resumed: map[asset.Ref]vault.Stored{}, seen: map[asset.Kind]bool{}, drift: map[asset.Ref]vault.Drift{}, saved: opts.Now(),
		marking: make(chan struct{}, 1), busy: map[asset.Ref]chan struct{}{}}
}

// take reads and stores everything, and leaves enough of the time that ctx has to keep what is stored when that time ends first.
func (t *taking) take(ctx context.Context) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	end, limited := ctx.Deadline()
	left := end.Sub(t.opts.Now())
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	if limited {
		work, cancel = context.WithDeadline(work, end.Add(-reserve(left)))
		defer cancel()
	}
	t.work = newWork(work, t.opts.Concurrency)
	err := t.read(t.work.ctx)
	if waitErr := t.work.group.Wait(); err == nil || waitErr != nil {
		err = waitErr // the first error, rather than one that followed from it
	}
	if err == nil {
		err = t.again(work)
	}
	if err != nil && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return t.interrupted(ctx, err)
	}
	if err == nil && limited && end.Sub(t.opts.Now()) < commitTime {
		t.keep(ctx) // the commit may not be reached
	}
	return err
}

// commitTime is how long a commit of the largest backup may take on a slow store.
const commitTime = time.Minute

// reserve is the part of the time left that is kept for saving the progress.
func reserve(left time.Duration) time.Duration {
	return min(max(left/20, 200*time.Millisecond), 10*time.Second)
}

// read lists, reads and stores until a listing shows nothing new, or until the rounds are used up.
func (t *taking) read(ctx context.Context) error {
	for round := range rounds {
		took, err := t.round(ctx, round)
		if err != nil {
			return err
		}
		if !took && round > 0 && t.settled() {
			break
		}
	}
	return nil
}

// round lists every kind, and reads and stores what is new or has changed while the listings go on. It tells whether there was anything.
func (t *taking) round(ctx context.Context, number int) (took bool, err error) {
	t.mu.Lock() // what the round before has read may still be stored, and counted
	t.totals, t.unlisted = map[asset.Kind]factory.Listing{}, nil
	t.mu.Unlock()
	r := t.newReading()
	if number == 0 {
		r.start(&r.reads, func() error { return t.readEnv(r.ctx) })
	}
	failures := make([]error, len(listed()))
	r.start(&r.reads, func() error {
		var kinds errgroup.Group
		for i, kind := range listed() {
			kinds.Go(func() error {
				return guarded(r.ctx, func() (err error) {
					failures[i], err = t.list(r, kind, number)
					return err
				})
			})
		}
		err := kinds.Wait()
		r.flush()
		return err
	})
	if err := r.end(); err != nil {
		return false, err
	}
	if !slices.Contains(failures, nil) {
		return false, fmt.Errorf("nothing could be listed: %w", errors.Join(failures...))
	}
	if err := t.confirmGone(r, number); err != nil {
		return false, err
	}
	return r.took, t.check()
}

// confirmGone asks for every asset that the last listing does not show. One that is gone is left out, and one that is there was lost by the listing: a
// row that moves from a page that is still to be read to one that was read already shows nowhere, while another that was deleted makes up the
// total.
func (t *taking) confirmGone(r *reading, round int) error {
	t.mu.Lock()
	var gone []*entry
	for ref, e := range t.assets {
		if ref.Kind != asset.Env && e.listed != round {
			gone = append(gone, e)
		}
	}
	t.mu.Unlock()
	for _, e := range gone {
		err := r.run(r.calls, &r.reads, func() error {
			definition, err := t.source.Get(r.ctx, e.row.ref, e.row.id)
			if err := fatal(r.ctx, err); err != nil {
				return err
			}
			t.mu.Lock()
			vanished := err != nil && proves(e.row.ref, err)
			if vanished {
				t.drifted(e.row.ref, "vanished")
				delete(t.assets, e.row.ref.Identity())
			} else {
				e.listed, r.took = round, true
			}
			if err != nil && !vanished && round == rounds-1 { // nobody knows whether it is there, and there is no other listing to tell
				e.err, e.done, e.writing = fmt.Errorf("the last listing does not show it: %w", err), false, false
				e.version++
			}
			e.again = err == nil && (e.done || e.writing)
			t.mu.Unlock()
			if err != nil {
				return nil //nolint:nilerr // the listing has said it, or the next one will
			}
			return r.store(e, definition, false)
		})
		if err != nil {
			break // the group has the reason
		}
	}
	return r.end()
}

// proves tells whether a failed call proves that there is no such asset. A service that is out of order, throttles, withholds a right or answers nonsense
// proves nothing. What cannot be asked for is believed to be gone when it is not listed.
func proves(ref asset.Ref, err error) bool {
	var e *factory.Error
	return errors.Is(err, factory.ErrNotFound) || errors.As(err, &e) && e.StatusCode == http.StatusNotFound ||
		ref.Kind != asset.Resources && !factory.Addressable(ref.Name)
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

// list lists a kind and has everything read that is new or has changed since it was read. A kind that cannot be listed is noted as missing: failure
// is why.
func (t *taking) list(r *reading, kind asset.Kind, round int) (failure, err error) {
	listing, err := t.source.List(r.ctx, kind, func(row factory.Row) error {
		return guarded(r.ctx, func() error {
			if e := t.note(row, round); e != nil {
				return r.take(e, row)
			}
			return nil
		})
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.totals[kind] = listing
	if err == nil {
		t.seen[kind] = true
		return nil, nil
	}
	var unlisted *factory.Error
	if !errors.As(err, &unlisted) || fatal(r.ctx, err) != nil {
		return nil, err
	}
	t.unlisted = append(t.unlisted, vault.Missing{Kind: kind, Reason: "could not be listed: " + err.Error()})
	for _, e := range t.assets { // What could not be listed did not vanish.
		if e.row.ref.Kind == kind {
			e.listed = round
		}
	}
	return err, nil
}

// note takes a listed row down and returns its entry if it has to be read.
func (t *taking) note(r factory.Row, round int) *entry {
	now := row{ref: r.Ref, id: r.ID, owner: r.Owner, modified: r.LastModified, modifiedBy: r.LastModifiedBy, fingerprint: fingerprint(r.Raw)}
	id := r.Ref.Identity()
	t.mu.Lock()
	defer t.mu.Unlock()
	e, known := t.assets[id]
	switch {
	case !known:
		e = &entry{}
		t.assets[id] = e
		if t.seen[r.Ref.Kind] {
			t.drifted(r.Ref, "appeared")
		}
		t.resume(id, e, now)
	case e.row.fingerprint != now.fingerprint:
		t.drifted(r.Ref, "changed")
		e.done, e.writing, e.tried = false, false, 0
		e.version++ // what is being stored is out of date
	}
	e.row, e.listed = now, round
	switch {
	case e.tried >= attempts:
		return nil
	case !e.done && !e.writing:
		return e
	case round > 0 && known && now.modified.IsZero() && (r.Ref.Kind == asset.Jobs || !e.bulk):
		// The definition did not come from the row, and the row has no time of the last change, as those of real-time jobs.
		e.again = true
		return e
	}
	return nil
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

// failed notes that an asset could not be read.
func (t *taking) failed(ctx context.Context, e *entry, err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.again { // what is stored may be out of date
		e.again, e.done, e.writing = false, false, false
		e.version++
	}
	e.err = err
	e.tried++
	return fatal(ctx, err)
}

// store keeps a definition that was read for a list row, unless another one has been read since. An error means that the store does not work, and
// ends the run.
func (t *taking) store(ctx context.Context, e *entry, version int, r row, definition []byte) error {
	outdated, end, err := t.turn(ctx, e, version)
	if outdated || err != nil {
		return err
	}
	defer end()
	stored, bindings, err := t.put(ctx, r, definition)
	t.mu.Lock()
	if e.version == version {
		e.writing = false
		e.stored, e.bindings, e.err, e.done = stored, bindings, err, err == nil
		if errors.Is(err, vault.ErrUnstorable) {
			e.tried = attempts
		}
	}
	t.mu.Unlock()
	var broken *storeError
	if errors.As(err, &broken) {
		return broken.error
	}
	if err := fatal(ctx, err); err != nil {
		return err
	}
	t.saveNow(ctx)
	return nil
}

// turn waits until no other definition of the asset is being written. It tells whether this one is out of date then.
func (t *taking) turn(ctx context.Context, e *entry, version int) (outdated bool, end func(), err error) {
	for {
		t.mu.Lock()
		id := e.row.ref.Identity()
		before := t.busy[id]
		if before == nil {
			if e.version != version {
				t.mu.Unlock()
				return true, nil, nil
			}
			mine := make(chan struct{})
			t.busy[id] = mine
			t.mu.Unlock()
			return false, func() {
				t.mu.Lock()
				delete(t.busy, id)
				t.mu.Unlock()
				close(mine)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
			return false, nil, ctx.Err()
		}
	}
}

// storeError is an error of the store, rather than of an asset.
type storeError struct{ error }

// put stores a definition and what belongs to it.
func (t *taking) put(ctx context.Context, r row, definition []byte) (vault.Asset, []asset.Binding, error) {
	ref := r.ref
	if ref.Kind == asset.Jobs || ref.Kind == asset.Scripts {
		if dir := rawjson.StringAt(definition, "directory"); dir != "" {
			ref.Directory = asset.CleanDirectory(dir)
		}
	}
	kept := asset.Stored(ref.Kind, definition)
	if err := t.mark(ctx); err != nil {
		return vault.Asset{}, nil, &storeError{err}
	}
	stored, err := t.writer.Put(ctx, ref, kept)
	switch {
	case errors.Is(err, vault.ErrUnstorable):
		return vault.Asset{}, nil, err
	case err != nil:
		return vault.Asset{}, nil, &storeError{err}
	}
	stored.Owner, stored.LastModifiedBy = owner(r, definition), r.modifiedBy
	if !r.modified.IsZero() {
		modified := r.modified.UTC()
		stored.LastModified = &modified
	}
	if ref.Kind == asset.Resources {
		if stored.Files, err = t.copyFiles(ctx, ref, definition); err != nil {
			return vault.Asset{}, nil, err
		}
	}
	return stored, asset.Bindings(ref.Kind, kept), nil
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

// fatal returns err if it ends the whole run rather than one asset: nobody is let in, or time is over.
func fatal(ctx context.Context, err error) error {
	if bulk.Fatal(ctx, err) {
		return err
	}
	return nil
}
