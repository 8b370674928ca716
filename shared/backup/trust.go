package backup

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// trust knows which definitions that came in bulk can be believed.
//
// List rows and exports are documented loosely, and one that leaves a field out would be a silent loss. So on every run some of them are held
// against the call that reads one asset: the first that shows a kind, node type, script type or field that was not seen before in this run, one in
// a thousand at random, and some of the largest, which are what a limit would cut. Where the single call says more, everything of that class is read by single calls.
type trust struct {
	seed string // decides the random part; another one each night

	mu       sync.Mutex
	seen     map[string]bool         // features that a sample has shown
	samples  []sample                // to be checked
	largest  map[asset.Kind][]sample // of one size
	checked  map[asset.Kind]int      // the largest size that was checked
	passed   map[string]bool         // classes in which a sample was as it should be
	doubted  map[string]string       // classes that are not believed, with the reason
	noExport string                  // why nothing is exported any more
	faults   int                     // exports that brought nothing
	worked   bool                    // an export brought something
}

// sample is an asset whose bulk definition is to be checked.
type sample struct {
	e          *entry
	definition []byte
	size       int
}

const (
	// oneIn is how many assets there are to one that is checked at random.
	oneIn = 1000
	// ofLargest is how many of the largest are checked, where several have the same size: a limit gives it to all that it cuts.
	ofLargest = 3
)

func newTrust(seed string) *trust {
	return &trust{seed: seed, seen: map[string]bool{}, largest: map[asset.Kind][]sample{}, checked: map[asset.Kind]int{},
		passed: map[string]bool{}, doubted: map[string]string{}}
}

// exports tells whether jobs are exported.
func (t *trust) exports() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.noExport == "" && t.doubted[string(asset.Jobs)] == ""
}

// exported notes how an export ended.
func (t *trust) exported(err error, brought bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.worked = t.worked || brought; t.worked {
		return
	}
	t.faults++
	var e *factory.Error
	unknown := errors.As(err, &e) && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusMethodNotAllowed || e.StatusCode == http.StatusNotImplemented)
	if unknown || t.faults >= exportFaults {
		t.noExport = "exports bring nothing"
		if err != nil {
			t.noExport = err.Error()
		}
	}
}

// believes tells whether a definition of these classes may come in bulk.
func (t *trust) believes(classes []string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !slices.ContainsFunc(classes, func(c string) bool { return t.doubted[c] != "" })
}

// offer shows a bulk definition, which becomes a sample if it teaches something.
func (t *trust) offer(e *entry, definition []byte) {
	kind, features := e.row.ref.Kind, features(e.row.ref.Kind, definition)
	t.mu.Lock()
	defer t.mu.Unlock()
	fresh := t.random(e.row.ref)
	for _, f := range features {
		fresh = fresh || !t.seen[f]
		t.seen[f] = true
	}
	size := len(definition)
	if content, ok := rawjson.Path(definition, "content"); ok {
		size = len(content)
	}
	largest := 0
	if l := t.largest[kind]; len(l) > 0 {
		largest = l[0].size
	}
	switch {
	case fresh:
		t.samples = append(t.samples, sample{e, bytes.Clone(definition), size})
	case size <= t.checked[kind] || size < largest:
	case size > largest:
		t.largest[kind] = []sample{{e, bytes.Clone(definition), size}}
	case len(t.largest[kind]) < ofLargest:
		t.largest[kind] = append(t.largest[kind], sample{e, bytes.Clone(definition), size})
	}
}

// random picks one in so many, others on another day.
func (t *trust) random(ref asset.Ref) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.seed + "\x00" + ref.String()))
	return h.Sum32()%oneIn == 0
}

// take returns the samples that are to be checked, each asset once.
func (t *trust) take() []sample {
	t.mu.Lock()
	defer t.mu.Unlock()
	samples := append(t.samples, slices.Concat(slices.Collect(maps.Values(t.largest))...)...)
	t.samples, t.largest = nil, map[asset.Kind][]sample{}
	for _, s := range samples {
		kind := s.e.row.ref.Kind
		t.checked[kind] = max(t.checked[kind], s.size)
	}
	return samples
}

func (t *trust) pass(classes []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range classes {
		t.passed[c] = true
	}
}

// doubt stops believing a class. It tells whether it was believed before.
func (t *trust) doubt(class, reason string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.doubted[class] != "" {
		return false
	}
	t.doubted[class] = reason
	return true
}

// classes are what a definition belongs to: its kind, and its types.
func classes(kind asset.Kind, definition []byte) []string {
	all := []string{string(kind)}
	switch kind {
	case asset.Scripts, asset.Resources:
		all = append(all, string(kind)+"/"+rawjson.StringAt(definition, "type"))
	case asset.Jobs:
		if nodes, ok := rawjson.Path(definition, "nodes"); ok {
			for node := range rawjson.Elements(nodes) {
				if class := nodeClass(node.In(nodes)); !slices.Contains(all, class) {
					all = append(all, class)
				}
			}
		}
	}
	return all
}

func nodeClass(node []byte) string {
	return string(asset.Jobs) + "/" + rawjson.StringAt(node, "type")
}

// features are what makes a definition worth checking, once in a run: each field that it has, those of nodes by node type.
func features(kind asset.Kind, definition []byte) []string {
	var all []string
	var add func(prefix string, object []byte, depth int)
	add = func(prefix string, object []byte, depth int) {
		for name, span := range rawjson.Members(object) {
			value := span.In(object)
			all = append(all, prefix+"."+name)
			switch {
			case prefix == string(kind) && name == "nodes":
				for node := range rawjson.Elements(value) {
					add(nodeClass(node.In(value)), node.In(value), 0)
				}
			case depth > 0 && len(value) > 0 && value[0] == '{':
				add(prefix+"."+name, value, depth-1)
			}
		}
	}
	prefix := string(kind)
	if kind != asset.Jobs {
		prefix += "/" + rawjson.StringAt(definition, "type")
	}
	add(prefix, definition, 2)
	if kind == asset.Jobs {
		all = append(all, prefix+"="+rawjson.StringAt(definition, "processType"), prefix+".schedule="+rawjson.StringAt(definition, "schedule", "type"))
	}
	return all
}

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
	difference := lacks(ref.Kind, s.definition, detail)
	if difference == "" {
		t.trust.pass(classes(ref.Kind, s.definition))
		return nil
	}
	if t.edited(r.ctx, s, detail) {
		return r.store(s.e, detail, false)
	}
	class := doubtful(ref.Kind, detail, difference)
	if t.trust.doubt(class, difference) {
		zerolog.Ctx(r.ctx).Warn().Str("operation", "backup").Str("asset", ref.String()).Str("field", difference).Str("class", class).
			Msg("a listing or an export does not give this field as the asset's own call does: everything of this class is read one by one")
	}
	return r.store(s.e, detail, false)
}

// lacks names the first field that a bulk definition does not have as the detail has it; "" where there is none. An export may have more than the
// detail: it is what a create call takes. A list row may not, because it may hold what no create call takes.
func lacks(kind asset.Kind, bulk, detail []byte) string {
	if rawjson.Check(bulk) != nil {
		return "(not JSON)"
	}
	compare := rawjson.Diff
	if kind == asset.Jobs {
		compare = rawjson.Lost
	}
	changes, err := compare(asset.Comparable(kind, detail), asset.Comparable(kind, bulk))
	if err != nil {
		return "(not JSON)"
	}
	if len(changes) == 0 {
		return ""
	}
	return cmp.Or(changes[0].Path, "(all)")
}

// edited tells whether somebody changed the asset between the two readings, so that a difference says nothing.
func (t *taking) edited(ctx context.Context, s sample, detail []byte) bool {
	ref := s.e.row.ref
	if ref.Kind == asset.Jobs {
		same := false
		err := t.source.Export(ctx, []string{ref.Name}, func(_ string, again json.RawMessage) error {
			same = lacks(ref.Kind, again, detail) == ""
			return nil
		})
		return err == nil && same
	}
	modified := factory.Modified(detail)
	return !modified.IsZero() && !s.e.row.modified.IsZero() && modified.After(s.e.row.modified)
}

// doubtful is the class that a difference speaks of: a node's type, a script's type, or the whole kind.
func doubtful(kind asset.Kind, detail []byte, path string) string {
	switch kind {
	case asset.Jobs:
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
	all := []string{string(kind)}
	for _, b := range e.bindings {
		all = append(all, string(kind)+"/"+b.Type)
	}
	return all
}
