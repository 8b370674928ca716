package backup

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// check holds the samples of this round against single calls, and reads everything by single calls that cannot be believed.
func (t *taking) check() error {
	for {
		samples := t.trust.take()
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
		if t.doubtUnproved(samples) {
			t.work.stored.Wait() // what is not stored yet does not show its classes
			again = t.unbelieved()
		}
		if len(samples) == 0 && len(again) == 0 {
			break
		}
		for batch := range slices.Chunk(again, together) {
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
func (t *taking) checkOne(r *reading, s sample) error {
	ref := s.e.row.ref
	detail, err := t.source.Get(r.ctx, ref, s.e.row.id)
	if err != nil {
		if err := fatal(r.ctx, err); err != nil {
			return err
		}
		zerolog.Ctx(r.ctx).Warn().Err(err).Str("operation", "backup").Str("asset", ref.String()).Msg("what came in bulk could not be checked with this asset")
		return nil
	}
	differences := lacks(ref.Kind, s.definition, detail)
	if len(differences) == 0 {
		t.trust.pass(classes(ref.Kind, s.definition))
		return nil
	}
	if t.edited(r.ctx, s, detail) {
		return r.store(s.e, detail, false)
	}
	for _, difference := range differences {
		class := doubtful(ref.Kind, s.definition, detail, difference)
		if t.trust.doubt(class, difference, t.opts.Now()) {
			zerolog.Ctx(r.ctx).Warn().Str("operation", "backup").Str("asset", ref.String()).Str("field", difference).Str("class", class).
				Msg("a listing or an export does not give this field as the asset's own call does: everything of this class is read one by one")
		}
	}
	return r.store(s.e, detail, false)
}

// lacks names the fields that a bulk definition does not have as the detail has them. An export may have more than the detail: it is what a create call
// takes. A list row may not, because it may hold what no create call takes.
func lacks(kind asset.Kind, bulk, detail []byte) []string {
	compare := rawjson.Diff
	if kind == asset.Jobs {
		compare = rawjson.Lost
	}
	changes, err := compare(asset.Comparable(kind, detail), asset.Comparable(kind, bulk))
	if err != nil {
		return []string{"(not JSON)"}
	}
	var fields []string
	for _, c := range changes {
		fields = append(fields, cmp.Or(c.Path, "(all)"))
	}
	return fields
}

// edited tells whether somebody changed the asset between the two readings, so that a difference says nothing. Such a sample does not speak for its class
// either: if no other one does, the class is not believed.
func (t *taking) edited(ctx context.Context, s sample, detail []byte) bool {
	ref := s.e.row.ref
	if ref.Kind == asset.Jobs {
		same := false
		err := t.source.Export(ctx, []string{ref.Name}, func(_ string, again json.RawMessage) error {
			same = len(lacks(ref.Kind, again, detail)) == 0
			return nil
		})
		return err == nil && same
	}
	modified := factory.Modified(detail)
	return !modified.IsZero() && !s.e.row.modified.IsZero() && modified.After(s.e.row.modified)
}

// doubtful is the class that a difference speaks of: a node's type, a script's type, or the whole kind.
func doubtful(kind asset.Kind, bulk, detail []byte, path string) string {
	switch kind {
	case asset.Jobs:
		if strings.HasPrefix(path, "nodes") && hollow(kind, bulk) {
			return withoutNodes
		}
		var index int
		if _, err := fmt.Sscanf(path, "nodes[%d]", &index); err == nil {
			if nodes, ok := rawjson.Path(detail, "nodes"); ok {
				for node := range rawjson.Elements(nodes) {
					if index == 0 {
						return nodeClass(node.In(nodes))
					}
					index--
				}
			}
		}
	case asset.Scripts:
		if path != "content" { // a text that is cut off says nothing about the type
			return classes(kind, detail)[1]
		}
	}
	return string(kind)
}

// doubtUnproved stops believing the classes of samples that could not be checked, unless another one was as it should be. It tells whether any
// class is doubted.
func (t *taking) doubtUnproved(samples []sample) bool {
	t.trust.mu.Lock()
	defer t.trust.mu.Unlock()
	for _, s := range samples {
		for _, c := range classes(s.e.row.ref.Kind, s.definition) {
			if !t.trust.passed[c] && t.trust.doubted[c] == "" {
				t.trust.doubted[c] = "no sample could be checked"
			}
		}
	}
	return len(t.trust.doubted) > 0
}

// unbelieved are the assets that were stored from bulk and are in a class that is not believed.
func (t *taking) unbelieved() []*entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	var again []*entry
	for _, e := range t.assets {
		if e.bulk && e.done && !t.trust.believes(e.classes()) {
			e.bulk, e.done = false, false
			again = append(again, e)
		}
	}
	slices.SortFunc(again, func(a, b *entry) int { return strings.Compare(a.row.ref.String(), b.row.ref.String()) })
	return again
}

// classes are those of the stored definition.
func (e *entry) classes() []string {
	kind := e.row.ref.Kind
	all := []string{string(kind)} // resources have no other
	for _, b := range e.bindings {
		all = append(all, string(kind)+"/"+b.Type)
	}
	if kind == asset.Jobs && len(all) == 1 {
		all = append(all, withoutNodes)
	}
	return all
}
