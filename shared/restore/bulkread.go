package restore

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/bulk"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// manyReader holds many live assets against what its caller wants to know of them, with few calls: scripts and resources by their list rows, jobs by
// exports.
//
// What comes in bulk is believed as far as samples bear it out: where a sample's own call says more than the bulk answer, all of its class are read by their
// own calls, and those decide. So a wrong answer needs a lie about some assets that no sample shows. What does not settle what the caller hoped for is read by
// its own call as well, unless the caller believes it all the same.
type manyReader struct {
	target      Reader
	concurrency int            // single calls at the same time
	seed        string         // decides which assets are checked at random
	doubted     []vault.Single // classes that are known to come incomplete
}

// many reads for a plan. The same plan against the same workspace takes the same random samples, so that it comes to the same hash.
func (p *plan) many() *manyReader {
	return &manyReader{target: p.target, concurrency: p.concurrency, seed: p.backup.ManifestSHA256 + "/" + p.workspace(),
		doubted: p.backup.Manifest.Singly}
}

// manyVisit is what a caller of manyReader does with what is read. Calls may come from several goroutines, but never two for one step at a time.
type manyVisit struct {
	// row sees every listed row of the kinds that are read, one at a time; s is nil where no step is of it. It tells whether the step's definition is
	// wanted. row.Raw is valid during the call only. Without it every step's is wanted.
	row func(s *step, row factory.Row) (wanted bool)
	// listed sees what the service said about a listing, before any job or single asset is read. It may be nil. Its error ends the reading.
	listed func(kind asset.Kind, listing factory.Listing) error
	// settles tells whether a definition that came in bulk is all that there is to know of a step, as by step.equals. It changes nothing: whether its
	// answer counts is known in the end only.
	settles func(s *step, definition json.RawMessage) bool
	// believes tells that a definition that came in bulk and settles nothing is given to single without a call of its own.
	believes bool
	// settled is called for steps for which that counts. Its error ends the reading.
	settled func(ctx context.Context, s *step, row factory.Row) error
	// single gets the definition by the asset's own call, or that call's error, factory.ErrNotFound where the asset is gone since it was listed. What
	// interrupts the whole restore it does not get. Its error ends the reading.
	single func(ctx context.Context, s *step, row factory.Row, definition json.RawMessage, err error) error
}

// manyReading is one reading under way.
type manyReading struct {
	*manyReader
	visit manyVisit
	trust *bulk.Trust[*liveStep]
	steps map[asset.Ref]*liveStep // by identity
	jobs  []*liveStep             // that were listed and are wanted

	mu       sync.Mutex
	settled  []*liveStep // by what came in bulk
	held     []*liveStep // not settled by it, and believed
	size     int         // of the definitions that are held, in bytes
	singular []*liveStep // to be read by themselves
}

// liveStep is a step that may be live.
type liveStep struct {
	*step
	row     factory.Row
	classes []string // of the bulk definition
	done    bool     // the visitor has been told

	definition []byte // that came in bulk and is held
}

// heldInMemory bounds the bytes of definitions that are held. What is beyond is read by its own call, later.
const heldInMemory = 32 << 20

// read lists the kinds of the steps, environment variables aside, and calls for every step that is listed and wanted either settled or single, once.
// Steps that are not live are not met at all.
func (m *manyReader) read(ctx context.Context, steps []*step, visit manyVisit) error {
	r := &manyReading{manyReader: m, visit: visit, trust: bulk.NewTrust[*liveStep](m.seed, bulk.ByMeaning), steps: map[asset.Ref]*liveStep{}}
	for _, s := range m.doubted {
		r.trust.Doubt(s.Class, s.Field)
	}
	counts := map[asset.Kind]int{}
	for _, s := range steps {
		if s.item.Kind != asset.Env {
			r.steps[s.asset.Ref().Identity()] = &liveStep{step: s}
			counts[s.item.Kind]++
		}
	}
	for _, kind := range []asset.Kind{asset.Resources, asset.Scripts, asset.Jobs} {
		if counts[kind] == 0 {
			continue
		}
		listing, err := m.target.List(ctx, kind, func(row factory.Row) error {
			r.list(row, counts[kind] > bulk.AllOf)
			return nil
		})
		if err == nil && visit.listed != nil {
			err = visit.listed(kind, listing)
		}
		if err != nil {
			return err
		}
	}
	if err := r.export(ctx); err != nil {
		return err
	}
	if err := r.check(ctx); err != nil {
		return err
	}
	return r.finish(ctx)
}

// list takes a row. many says that there are so many assets of its kind that not all of them would be samples.
func (r *manyReading) list(row factory.Row, many bool) {
	one := r.steps[row.Ref.Identity()]
	if one == nil {
		if r.visit.row != nil {
			r.visit.row(nil, row)
		}
		return
	}
	if r.visit.row != nil && !r.visit.row(one.step, row) {
		return
	}
	raw, kind := row.Raw, row.Ref.Kind
	one.row = row
	one.row.Raw = nil
	switch {
	case kind == asset.Jobs:
		r.jobs = append(r.jobs, one)
	case !many || !bulk.Whole(kind, raw):
		r.singly(one)
	default:
		r.came(one, raw)
	}
}

// came takes a definition that came in bulk.
func (r *manyReading) came(one *liveStep, definition []byte) {
	one.classes = bulk.Classes(one.item.Kind, definition)
	if !r.trust.Believes(one.classes) {
		r.singly(one)
		return
	}
	settles := r.visit.settles(one.step, definition)
	if !settles && !r.hold(one, definition) {
		r.singly(one)
		return
	}
	r.trust.Offer(one, one.row.Ref, definition)
	if settles {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.settled = append(r.settled, one)
	}
}

// hold keeps a definition until it is known whether its class is believed. It returns false where that is not wanted or there is no room.
func (r *manyReading) hold(one *liveStep, definition []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.visit.believes || r.size+len(definition) > heldInMemory {
		return false
	}
	r.size += len(definition)
	one.definition = bytes.Clone(definition)
	r.held = append(r.held, one)
	return true
}

func (r *manyReading) singly(one *liveStep) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.singular = append(r.singular, one)
}

// export reads the listed jobs together, where they are so many that not all of them would be samples.
func (r *manyReading) export(ctx context.Context) error {
	if len(r.jobs) <= bulk.AllOf {
		r.singular = append(r.singular, r.jobs...)
		return nil
	}
	byName, byType := map[string]*liveStep{}, map[string][]string{}
	for _, one := range r.jobs {
		byName[one.item.Name] = one
		byType[one.row.JobType] = append(byType[one.row.JobType], one.item.Name)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(bulk.Exporting)
	for how, names := range byType {
		slices.Sort(names) // the listing's order is that of its answers
		for batch := range slices.Chunk(names, bulk.Together) {
			group.Go(func() error {
				left, err := r.trust.Export(ctx, r.target, how, batch, func(name string, definition json.RawMessage) (bool, error) {
					one := byName[name]
					if !bulk.WholeJob(one.row.Ref.Directory, definition) && factory.Addressable(name) {
						return false, nil
					}
					r.came(one, definition)
					return true, nil
				})
				for _, name := range left {
					r.singly(byName[name])
				}
				return err
			})
		}
	}
	return group.Wait()
}

// check holds the samples of what came in bulk against their own calls.
func (r *manyReading) check(ctx context.Context) error {
	samples := r.trust.Take()
	group, calls := errgroup.WithContext(ctx)
	group.SetLimit(r.concurrency)
	for _, s := range samples {
		group.Go(func() error { return r.checkOne(calls, s) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	r.trust.DoubtUnproved(samples)
	return nil
}

func (r *manyReading) checkOne(ctx context.Context, s bulk.Sample[*liveStep]) error {
	one := s.Of
	ref := one.asset.Ref()
	detail, err := r.target.Get(ctx, ref, one.row.ID)
	switch {
	case interrupted(ctx, err):
		return err
	case err != nil && !errors.Is(err, factory.ErrNotFound):
		zerolog.Ctx(ctx).Warn().Err(err).Str("operation", "restore").Str("asset", ref.String()).Msg("what came in bulk could not be checked with this asset")
		return nil
	}
	if err == nil {
		differences := r.trust.Hold(s, detail)
		if len(differences) == 0 {
			return nil
		}
		if !r.trust.Edited(ctx, r.target, s, one.row.LastModified, detail) {
			for _, d := range differences {
				if r.trust.Doubt(d.Class, d.Field) {
					zerolog.Ctx(ctx).Warn().Str("operation", "restore").Str("asset", ref.String()).Str("field", d.Field).Str("class", d.Class).
						Msg("a listing or an export does not give this field as the asset's own call does: everything of this class is read one by one")
				}
			}
		}
	}
	one.done = true
	return r.visit.single(ctx, one.step, one.row, detail, err)
}

// finish reads by itself what bulk answers have not settled, and tells of the rest.
func (r *manyReading) finish(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.concurrency)
	for _, one := range r.settled {
		switch {
		case one.done:
		case r.trust.Believes(one.classes):
			group.Go(func() error { return r.visit.settled(ctx, one.step, one.row) })
		default:
			r.singular = append(r.singular, one)
		}
	}
	for _, one := range r.held {
		switch {
		case one.done:
		case r.trust.Believes(one.classes):
			group.Go(func() error { return r.visit.single(ctx, one.step, one.row, one.definition, nil) })
		default:
			r.singular = append(r.singular, one)
		}
	}
	slices.SortFunc(r.singular, func(a, b *liveStep) int { return strings.Compare(a.asset.Key, b.asset.Key) })
	for _, one := range r.singular {
		group.Go(func() error {
			definition, err := r.target.Get(ctx, one.asset.Ref(), one.row.ID)
			if interrupted(ctx, err) {
				return err
			}
			return r.visit.single(ctx, one.step, one.row, definition, err)
		})
	}
	return group.Wait()
}

// meaning is the hash of what says whether two assets are the same; empty for text that is no JSON.
func meaning(kind asset.Kind, definition []byte) string {
	digest, ok := rawjson.Digest(asset.Normalised(kind, definition))
	if !ok {
		return ""
	}
	return hex.EncodeToString(digest[:])
}

// equals tells whether a live definition is what is to be written, without reading the backup again.
func (s *step) equals(definition json.RawMessage) bool {
	return s.meaning != "" && meaning(s.item.Kind, definition) == s.meaning
}
