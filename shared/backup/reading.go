package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

const (
	// storing is how many times as many objects are written at the same time as calls to the service are under way: the service gives
	// up to a hundred assets with one call.
	storing = 4
	// inMemory bounds the bytes of definitions that wait for being written.
	inMemory = 20 << 20
	// exporting is how many exports are under way at the same time. Each may take the memory of two archives.
	exporting = 4
	// together is how many assets are waited for before they are read: as many as one export takes.
	together = factory.MaxExport
	// exportTries is how often one hundred of jobs is exported in smaller parts after the service refused it, before each is read by itself.
	exportTries = 16
	// exportFaults is after how many batches in a row that brought nothing the rest of a run is read job by job.
	exportFaults = 3
)

// work is what runs side by side in a run. It ends with its first error.
type work struct {
	ctx     context.Context
	group   *errgroup.Group
	calls   chan struct{} // a place for each call to the service but listings and exports
	exports chan struct{} // a place for each export, which may be large
	writes  chan struct{} // a place for each write
	memory  *semaphore.Weighted
	stored  sync.WaitGroup // definitions that are being stored
}

func newWork(ctx context.Context, concurrency int) *work {
	group, ctx := errgroup.WithContext(ctx)
	return &work{ctx: ctx, group: group, memory: semaphore.NewWeighted(inMemory), calls: make(chan struct{}, concurrency),
		exports: make(chan struct{}, exporting), writes: make(chan struct{}, storing*concurrency)}
}

// run runs fn when there is a place for it, and counts it in. It returns when it has begun.
func (w *work) run(places chan struct{}, count *sync.WaitGroup, fn func() error) error {
	select {
	case places <- struct{}{}:
	case <-w.ctx.Done():
		return w.ctx.Err()
	}
	w.start(count, func() error {
		defer func() { <-places }()
		return fn()
	})
	return nil
}

// start runs fn, and counts it in.
func (w *work) start(count *sync.WaitGroup, fn func() error) {
	count.Add(1)
	w.group.Go(func() error {
		defer count.Done()
		return guarded(w.ctx, fn)
	})
}

// guarded runs fn and makes a panic in it an error: it must not end the process, in which other workspaces wait. The stack goes to the log.
func guarded(ctx context.Context, fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			zerolog.Ctx(ctx).Error().Str("operation", "backup").Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).Msg("the run panicked")
			err = fmt.Errorf("a fault of this program: %v", v)
		}
	}()
	return fn()
}

// reading is one round of reading. The listings go on while what they have shown is read, and that while what was read is stored; storing goes on
// during the next round.
type reading struct {
	*work
	t     *taking
	reads sync.WaitGroup

	waiting map[string][]*entry // jobs by type to be exported, and assets to be read one by one; guarded by t.mu
	took    bool                // something was to be read; guarded by t.mu
}

func (t *taking) newReading() *reading {
	return &reading{work: t.work, t: t, waiting: map[string][]*entry{}}
}

// end waits until everything is read, and returns the error that has ended the run, if one has.
func (r *reading) end() error {
	r.reads.Wait()
	if r.ctx.Err() != nil {
		return r.group.Wait()
	}
	return nil
}

// take reads the asset of a list row: from the row where that has it all, by an export, or by a call of its own.
func (r *reading) take(e *entry, row factory.Row) error {
	kind := e.row.ref.Kind
	r.t.mu.Lock()
	r.took = r.took || !e.again
	// What was read by itself before is read so again: to be compared, and because its class may be one that is not believed.
	known := e.version > 0 && !e.bulk
	r.t.mu.Unlock()
	switch {
	case known:
	case kind == asset.Jobs && r.t.trust.exports(row.JobType):
		return r.wait(row.JobType, e)
	case kind != asset.Jobs && r.t.trust.believes(classes(kind, row.Raw)) && whole(kind, row.Raw):
		return r.store(e, bytes.Clone(row.Raw), true)
	}
	return r.wait(single, e)
}

// single is the way of the assets that are read one by one; the other ways are exports, by job type.
const single = "one by one"

// wait lets an asset wait until there are enough for a batch.
func (r *reading) wait(how string, e *entry) error {
	r.t.mu.Lock()
	r.waiting[how] = append(r.waiting[how], e)
	batch := r.waiting[how]
	if len(batch) < together {
		batch = nil
	} else {
		r.waiting[how] = nil
	}
	r.t.mu.Unlock()
	r.read(how, batch)
	return nil
}

// flush starts what waits.
func (r *reading) flush() {
	r.t.mu.Lock()
	waiting := r.waiting
	r.waiting = map[string][]*entry{}
	r.t.mu.Unlock()
	for how, batch := range waiting {
		r.read(how, batch)
	}
}

// read reads a batch. It does not wait for a place, so that a listing goes on.
func (r *reading) read(how string, batch []*entry) {
	if len(batch) == 0 {
		return
	}
	r.work.start(&r.reads, func() error {
		if how == single {
			return r.getAll(batch)
		}
		return r.exportAll(how, batch)
	})
}

// getAll reads assets one by one.
func (r *reading) getAll(batch []*entry) error {
	for _, e := range batch {
		err := r.run(r.calls, &r.reads, func() error {
			definition, err := r.t.source.Get(r.ctx, e.row.ref, e.row.id)
			if err != nil {
				return r.t.failed(r.ctx, e, err)
			}
			return r.store(e, definition, false)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// exportAll reads jobs together, and those that an export does not bring one by one.
func (r *reading) exportAll(how string, batch []*entry) error {
	select {
	case r.exports <- struct{}{}:
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
	tries := exportTries
	left, err := r.export(how, batch, &tries)
	<-r.exports
	if err != nil {
		return err
	}
	return r.getAll(left)
}

// export exports jobs and returns those that it did not bring. When the service refuses them all, because one is gone or together they are too
// large, it tries the halves.
func (r *reading) export(how string, batch []*entry, tries *int) (left []*entry, err error) {
	if *tries == 0 || !r.t.trust.exports(how) {
		return batch, nil
	}
	whole := *tries == exportTries
	*tries--
	names, byName := make([]string, len(batch)), make(map[string]*entry, len(batch))
	for i, e := range batch {
		names[i], byName[e.row.ref.Name] = e.row.ref.Name, e
	}
	err = r.t.source.Export(r.ctx, names, func(name string, definition json.RawMessage) error {
		e := byName[name]
		if !wholeJob(e, definition) && factory.Addressable(name) { // a job that cannot be asked for has nothing better
			return nil
		}
		delete(byName, name)
		return r.store(e, definition, true)
	})
	var refused *factory.Error
	switch {
	case err == nil:
	case fatal(r.ctx, err) != nil:
		return nil, err
	case !errors.As(err, &refused):
		return nil, err
	case len(batch) > 1 && (refused.StatusCode/100 == 4 && refused.StatusCode != http.StatusNotFound || errors.Is(err, factory.ErrTooLarge)):
		half := len(batch) / 2
		first, err := r.export(how, batch[:half], tries)
		if err != nil {
			return nil, err
		}
		second, err := r.export(how, batch[half:], tries)
		if err != nil {
			return nil, err
		}
		left = append(first, second...)
		if whole {
			r.t.trust.exported(how, refused, len(left) < len(batch))
		}
		return left, nil
	}
	for _, e := range batch {
		if byName[e.row.ref.Name] != nil {
			left = append(left, e)
		}
	}
	if whole {
		r.t.trust.exported(how, err, len(left) < len(batch))
	}
	return left, nil
}

// store keeps a definition as soon as there is a place for it. bulk says that it came with others, from a listing or an export.
func (r *reading) store(e *entry, definition []byte, bulk bool) error {
	size := min(int64(len(definition)), inMemory)
	if err := r.memory.Acquire(r.ctx, size); err != nil {
		return err
	}
	version, row, same := r.came(e, definition, bulk)
	if same {
		r.memory.Release(size)
		return nil
	}
	if bulk {
		r.t.trust.offer(e, definition)
	}
	err := r.run(r.writes, &r.stored, func() error {
		defer r.memory.Release(size)
		return r.t.store(r.ctx, e, version, row, definition)
	})
	if err != nil {
		r.memory.Release(size)
	}
	return err
}

// came notes a definition that was read. One that was read again is the same most of the time, and is stored already then; else the asset has changed.
func (r *reading) came(e *entry, definition []byte, bulk bool) (version int, row row, same bool) {
	hash := sha256.Sum256(asset.Stored(e.row.ref.Kind, definition))
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	if e.again {
		e.again = false
		if e.hash == hash {
			return 0, row, true
		}
		r.took = true
		r.t.drifted(e.row.ref, "changed")
	}
	e.bulk, e.proved, e.writing, e.done, e.hash = bulk, !bulk, true, false, hash
	e.version++
	return e.version, e.row, false
}

// whole tells whether a list row looks like a definition, as far as that can be seen without another one: the fields that a create call
// asks for are there.
func whole(kind asset.Kind, row []byte) bool {
	want := []string{"type", "content"}
	if kind == asset.Resources {
		want = []string{"type", "location"}
	}
	for _, name := range want {
		value, ok := rawjson.Path(row, name)
		if !ok {
			return false
		}
		if _, ok := rawjson.String(value); !ok {
			return false
		}
	}
	return true
}

// wholeJob tells whether an exported definition looks like the job's: it has a list of nodes, and lies where the job's list row says, if it says that.
func wholeJob(e *entry, definition []byte) bool {
	nodes, ok := rawjson.Path(definition, "nodes")
	listed := e.row.ref.Directory
	return ok && nodes[0] == '[' && (listed == "/" || asset.CleanDirectory(rawjson.StringAt(definition, "directory")) == listed)
}

// hollow tells whether a definition has nothing in it: a job without nodes, a script without text. There are such assets; and it is what a list or an
// export that leaves things out looks like.
func hollow(kind asset.Kind, definition []byte) bool {
	switch kind {
	case asset.Scripts:
		return rawjson.StringAt(definition, "content") == ""
	case asset.Jobs:
		nodes, _ := rawjson.Path(definition, "nodes")
		for range rawjson.Elements(nodes) {
			return false
		}
		return true
	}
	return false
}
