package backup

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/bulk"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// rememberFor is how long a class is read one by one after a difference was seen: the service may be repaired one day.
const rememberFor = 30 * 24 * time.Hour

// remember takes over what the backup before has found out about lists and exports, while that is not older than a few weeks. What bulk leaves out of a few
// assets shows only when chance picks one of them, so what a difference has shown is remembered by the manifest, for the nights to come.
func (t *taking) remember(before *vault.Manifest, now time.Time) {
	for _, s := range before.Singly {
		if now.Sub(s.Since) < rememberFor {
			t.trust.Doubt(s.Class, s.Field)
			t.differed[s.Class] = s
		}
	}
}

// singly is what the manifest remembers.
func (t *taking) singly() []vault.Single {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := slices.Collect(maps.Values(t.differed))
	slices.SortFunc(all, func(a, b vault.Single) int { return strings.Compare(a.Class, b.Class) })
	return all
}

// check holds the samples of this round against single calls, and reads everything by single calls that cannot be believed.
func (t *taking) check() error {
	for {
		samples := t.trust.Take()
		r := t.newReading()
		for _, s := range samples {
			if err := r.run(r.calls, &r.reads, func() error { return t.checkOne(r, s) }); err != nil {
				break // the group's own error is the reason
			}
		}
		if err := r.end(); err != nil {
			return err
		}
		var again []*entry
		if t.trust.DoubtUnproved(samples) {
			t.work.stored.Wait() // what is not stored yet does not show its classes
			again = t.unbelieved()
		}
		if len(samples) == 0 && len(again) == 0 {
			break
		}
		for batch := range slices.Chunk(again, bulk.Together) {
			r.read(single, batch)
		}
		if err := r.end(); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.assets {
		e.proved = true
	}
	return nil
}

// checkOne reads one asset by its single call and compares.
func (t *taking) checkOne(r *reading, s bulk.Sample[*entry]) error {
	e := s.Of
	ref := e.row.ref
	detail, err := t.source.Get(r.ctx, ref, e.row.id)
	if err != nil {
		if err := fatal(r.ctx, err); err != nil {
			return err
		}
		zerolog.Ctx(r.ctx).Warn().Err(err).Str("operation", "backup").Str("asset", ref.String()).Msg("what came in bulk could not be checked with this asset")
		return nil
	}
	differences := t.trust.Hold(s, detail)
	if len(differences) == 0 {
		return nil
	}
	if t.trust.Edited(r.ctx, t.source, s, e.row.modified, detail) {
		return r.store(e, detail, false)
	}
	for _, d := range differences {
		t.mu.Lock()
		t.differed[d.Class] = vault.Single{Class: d.Class, Field: d.Field, Since: t.opts.Now().UTC()}
		t.mu.Unlock()
		if t.trust.Doubt(d.Class, d.Field) {
			zerolog.Ctx(r.ctx).Warn().Str("operation", "backup").Str("asset", ref.String()).Str("field", d.Field).Str("class", d.Class).
				Msg("a listing or an export does not give this field as the asset's own call does: everything of this class is read one by one")
		}
	}
	return r.store(e, detail, false)
}

// unbelieved are the assets that were stored from bulk and are in a class that is not believed.
func (t *taking) unbelieved() []*entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	var again []*entry
	for _, e := range t.assets {
		if e.bulk && e.done && !t.trust.Believes(e.classes()) {
			e.bulk, e.done = false, false
			again = append(again, e)
		}
	}
	slices.SortFunc(again, func(a, b *entry) int { return strings.Compare(a.row.ref.String(), b.row.ref.String()) })
	return again
}

// classes are those of the stored definition.
func (e *entry) classes() []string {
	var types []string
	for _, b := range e.bindings {
		types = append(types, b.Type)
	}
	return bulk.ClassesOf(e.row.ref.Kind, types)
}
