package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/bulk"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

const (
	// storing is how many times as many objects are written at the same time as calls to the service are under way: the service gives
	// up to a hundred assets with one call.
	storing = 4
	// inMemory bounds the bytes of definitions that wait for being written.
	inMemory = 20 << 20
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
		exports: make(chan struct{}, bulk.Exporting), writes: make(chan struct{}, storing*concurrency)}
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
	case kind == asset.Jobs && r.t.trust.Exports(row.JobType):
		return r.wait(row.JobType, e)
	case kind != asset.Jobs && r.t.trust.Believes(bulk.Classes(kind, row.Raw)) && bulk.Whole(kind, row.Raw):
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
	if len(batch) < bulk.Together { // as many as one export takes
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
	names, byName := make([]string, len(batch)), make(map[string]*entry, len(batch))
	for i, e := range batch {
		names[i], byName[e.row.ref.Name] = e.row.ref.Name, e
	}
	missed, err := r.t.trust.Export(r.ctx, r.t.source, how, names, func(name string, definition json.RawMessage) (bool, error) {
		e := byName[name]
		if !bulk.WholeJob(e.row.ref.Directory, definition) && factory.Addressable(name) { // a job that cannot be asked for has nothing better
			return false, nil
		}
		return true, r.store(e, definition, true)
	})
	<-r.exports
	if err != nil {
		return err
	}
	left := make([]*entry, len(missed))
	for i, name := range missed {
		left[i] = byName[name]
	}
	return r.getAll(left)
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
		r.t.trust.Offer(e, e.row.ref, definition)
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
