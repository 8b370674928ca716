package backup

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// trust knows which definitions that came in bulk can be believed.
//
// List rows and exports are documented loosely, and one that leaves a field out would be a silent loss. So on every run some of them are held
// against the call that reads one asset: the first that shows a kind, node type, script type or field that was not seen before in this run; some
// at random, others each night; and those that a limit would cut first. What bulk leaves out of a few assets shows only when chance picks one of
// them, so what a difference has shown is remembered by the manifest, for the nights to come. Where the single call says more, everything of
// that class is read by single calls.
type trust struct {
	seed string // decides the random part; another one each night

	mu       sync.Mutex
	seen     map[string]bool // features that a sample has shown
	samples  []sample        // to be checked
	largest  map[measure][]sample
	checked  map[measure]int         // the largest of each that was checked
	random   map[asset.Kind][]sample // those with the lowest numbers of chance, in ascending order
	offered  map[asset.Kind]int      // how many definitions came in bulk
	hollow   map[asset.Kind]int      // how many of them had nothing in them
	chance   map[asset.Kind]uint32   // the highest number of chance that was checked
	passed   map[string]bool         // classes in which a sample was as it should be
	doubted  map[string]string       // classes that are not believed, with the reason
	differed map[string]vault.Single // those in which a sample differed
	noExport map[string]string       // kinds of exports that are given up, with the reason
	faults   map[string]int          // batches in a row that brought nothing
}

// measure is a way in which a definition may be too long for a limit: in all, or by its longest text, in bytes or in characters.
type measure struct {
	kind asset.Kind
	of   string
}

// sample is an asset whose bulk definition is to be checked.
type sample struct {
	e          *entry
	definition []byte
	size       int
	number     uint32 // of chance
}

const (
	// ofLargest is how many of the largest are checked, where several have the same size: a limit gives it to all that it cuts.
	ofLargest = 3
	// ofHollow is how many of the assets that have nothing in them are checked.
	ofHollow = 32
	// largestPicked bounds what a random sample takes in memory.
	largestPicked = 64 << 10
)

// allOf is how many assets of a kind are all checked, where there are no more.
const allOf = 64

// picks is how many assets of a kind are checked at random, where there are more.
func picks(kind asset.Kind) int {
	if kind == asset.Resources {
		return 6
	}
	return 20
}

func newTrust(seed string) *trust {
	return &trust{seed: seed, seen: map[string]bool{}, largest: map[measure][]sample{}, checked: map[measure]int{},
		random: map[asset.Kind][]sample{}, chance: map[asset.Kind]uint32{}, offered: map[asset.Kind]int{}, hollow: map[asset.Kind]int{}, passed: map[string]bool{}, doubted: map[string]string{},
		differed: map[string]vault.Single{}, noExport: map[string]string{}, faults: map[string]int{}}
}

// remember takes over what the backup before has found out, while that is not older than a few weeks.
func (t *trust) remember(before *vault.Manifest, now time.Time) {
	if before == nil {
		return
	}
	for _, s := range before.Singly {
		if now.Sub(s.Since) < rememberFor {
			t.doubted[s.Class], t.differed[s.Class] = s.Field, s
		}
	}
}

// rememberFor is how long a class is read one by one after a difference was seen: the service may be repaired one day.
const rememberFor = 30 * 24 * time.Hour

// singly is what the manifest remembers.
func (t *trust) singly() []vault.Single {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := slices.Collect(maps.Values(t.differed))
	slices.SortFunc(all, func(a, b vault.Single) int { return strings.Compare(a.Class, b.Class) })
	return all
}

// exports tells whether jobs are exported in this way.
func (t *trust) exports(how string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.noExport[how] == "" && t.doubted[string(asset.Jobs)] == ""
}

// exported notes how a batch of exports ended.
func (t *trust) exported(how string, err error, brought bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if brought {
		t.faults[how] = 0
		return
	}
	t.faults[how]++
	var e *factory.Error
	unknown := errors.As(err, &e) && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusMethodNotAllowed || e.StatusCode == http.StatusNotImplemented)
	if unknown || t.faults[how] >= exportFaults {
		t.noExport[how] = "exports bring nothing"
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
	kind := e.row.ref.Kind
	if kind != asset.Resources && !factory.Addressable(e.row.ref.Name) {
		return // there is no single call to hold it against
	}
	features, sizes, number, empty := features(kind, definition), sizes(kind, definition), t.number(e.row.ref), hollow(kind, definition)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.offered[kind]++
	fresh := empty && t.hollow[kind] < ofHollow
	if empty {
		t.hollow[kind]++
	}
	for _, f := range features {
		fresh = fresh || !t.seen[f]
		t.seen[f] = true
	}
	if fresh {
		t.samples = append(t.samples, sample{e, bytes.Clone(definition), 0, number})
		for of, size := range sizes {
			t.checked[measure{kind, of}] = max(t.checked[measure{kind, of}], size)
		}
		return
	}
	t.pick(kind, e, definition, number)
	for of, size := range sizes {
		m := measure{kind, of}
		largest := 0
		if l := t.largest[m]; len(l) > 0 {
			largest = l[0].size
		}
		switch {
		case size < t.checked[m] || size < largest:
		case size > largest:
			t.largest[m] = []sample{{e, bytes.Clone(definition), size, number}}
		case len(t.largest[m]) < ofLargest:
			t.largest[m] = append(t.largest[m], sample{e, bytes.Clone(definition), size, number})
		}
	}
}

// pick keeps an asset if its number of chance is among the lowest.
func (t *trust) pick(kind asset.Kind, e *entry, definition []byte, number uint32) {
	chosen := t.random[kind]
	if len(definition) > largestPicked || t.chance[kind] > 0 && number > t.chance[kind] {
		return
	}
	if len(chosen) == allOf {
		if number >= chosen[len(chosen)-1].number {
			return
		}
		chosen = chosen[:len(chosen)-1]
	}
	at, _ := slices.BinarySearchFunc(chosen, number, func(s sample, n uint32) int { return cmp.Compare(s.number, n) })
	t.random[kind] = slices.Insert(chosen, at, sample{e, bytes.Clone(definition), 0, number})
}

// number is an asset's number of chance, another one on another day.
func (t *trust) number(ref asset.Ref) uint32 {
	sum := sha256.Sum256([]byte(t.seed + "\x00" + ref.String()))
	return binary.BigEndian.Uint32(sum[:])
}

// sizes measures a definition in the ways in which a service may limit it.
func sizes(kind asset.Kind, definition []byte) map[string]int {
	bytes, characters := longestText(definition)
	return map[string]int{"whole": len(definition), "bytes": bytes, "characters": characters}
}

// longestText is the length of the longest string in a JSON text, in bytes of UTF-8 and in characters.
func longestText(text []byte) (inBytes, characters int) {
	inString, escaped, unicode := false, false, 0
	b, c := 0, 0
	for _, ch := range text {
		switch {
		case !inString:
			inString = ch == '"'
			b, c = 0, 0
		case unicode > 0:
			unicode--
		case escaped:
			escaped = false
			if ch == 'u' {
				unicode = 4
				b += 2 // between one and three
			}
			b++
			c++
		case ch == '\\':
			escaped = true
		case ch == '"':
			inString = false
			inBytes, characters = max(inBytes, b), max(characters, c)
		default:
			b++
			if ch&0xC0 != 0x80 {
				c++
			}
		}
	}
	return inBytes, characters
}

// take returns the samples that are to be checked, each asset once.
func (t *trust) take() []sample {
	t.mu.Lock()
	defer t.mu.Unlock()
	var samples []sample
	known := map[*entry]bool{}
	add := func(s sample) {
		if !known[s.e] {
			known[s.e] = true
			samples = append(samples, s)
		}
	}
	for _, s := range t.samples {
		add(s)
	}
	for m, largest := range t.largest {
		for _, s := range largest {
			t.checked[m] = max(t.checked[m], s.size+1) // as large as these is not asked for again
			add(s)
		}
	}
	for kind, chosen := range t.random {
		if t.offered[kind] > allOf {
			chosen = chosen[:min(len(chosen), picks(kind))]
		}
		for _, s := range chosen {
			t.chance[kind] = max(t.chance[kind], s.number)
			add(s)
		}
	}
	t.samples, t.largest, t.random = nil, map[measure][]sample{}, map[asset.Kind][]sample{}
	return samples
}

func (t *trust) pass(classes []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range classes {
		t.passed[c] = true
	}
}

// doubt stops believing a class, because a field of a sample was not as it should be. It tells whether the class was believed before.
func (t *trust) doubt(class, field string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.differed[class] = vault.Single{Class: class, Field: field, Since: now.UTC()}
	if t.doubted[class] != "" {
		return false
	}
	t.doubted[class] = field
	return true
}

// classes are what a definition belongs to: its kind, and its types.
func classes(kind asset.Kind, definition []byte) []string {
	all := []string{string(kind)}
	switch kind {
	case asset.Scripts:
		all = append(all, string(kind)+"/"+rawjson.StringAt(definition, "type"))
	case asset.Jobs:
		if nodes, ok := rawjson.Path(definition, "nodes"); ok {
			for node := range rawjson.Elements(nodes) {
				if class := nodeClass(node.In(nodes)); !slices.Contains(all, class) {
					all = append(all, class)
				}
			}
		}
		if len(all) == 1 {
			all = append(all, withoutNodes)
		}
	}
	return all
}

// withoutNodes is the class of jobs that have no nodes.
const withoutNodes = string(asset.Jobs) + "/"

func nodeClass(node []byte) string {
	return string(asset.Jobs) + "/" + rawjson.StringAt(node, "type")
}

// features are what makes a definition worth checking, once in a run: each field that it has, those of nodes by node type. Names that users choose, as
// those of a script's configuration, are none.
func features(kind asset.Kind, definition []byte) []string {
	prefix := string(kind)
	if kind != asset.Jobs {
		prefix += "/" + rawjson.StringAt(definition, "type")
	}
	var all []string
	add := func(prefix string, object []byte) {
		for name := range rawjson.Members(object) {
			all = append(all, prefix+"."+name)
		}
	}
	add(prefix, definition)
	if kind != asset.Jobs {
		return all
	}
	for _, path := range [][]string{{"basicConfig"}, {"schedule"}, {"schedule", "cron"}, {"schedule", "event"}} {
		if object, ok := rawjson.Path(definition, path...); ok {
			add(prefix+"."+strings.Join(path, "."), object)
		}
	}
	if nodes, ok := rawjson.Path(definition, "nodes"); ok {
		for node := range rawjson.Elements(nodes) {
			add(nodeClass(node.In(nodes)), node.In(nodes))
		}
	}
	return append(all, prefix+"="+rawjson.StringAt(definition, "processType"), prefix+".schedule="+rawjson.StringAt(definition, "schedule", "type"))
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

// edited tells whether somebody changed the asset between the two readings, so that a difference says nothing.
func (t *taking) edited(ctx context.Context, s sample, detail []byte) bool {
	ref := s.e.row.ref
	if ref.Kind == asset.Jobs {
		same := false
		err := t.source.Export(ctx, []string{ref.Name}, func(_ string, again json.RawMessage) error {
			// It must also differ from what the first export gave: one that is right only the second time is no edit.
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
