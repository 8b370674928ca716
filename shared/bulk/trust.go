package bulk

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

// Trust knows which definitions that came in bulk can be believed in one run. T is what the caller knows an asset by. It may be used by several
// goroutines.
//
// The samples are the first that shows a kind, node type, script type or field that was not seen before in this run; some at random; and those
// that a limit would cut first. What bulk leaves out of a few assets shows only when chance picks one of them, so callers that have a memory should give it
// to later runs.
type Trust[T comparable] struct {
	seed    string // decides the random part
	compare Comparison

	mu       sync.Mutex
	seen     map[string]bool // features that a sample has shown
	samples  []Sample[T]     // to be checked
	largest  map[measure][]Sample[T]
	checked  map[measure]int            // the largest of each that was checked
	random   map[asset.Kind][]Sample[T] // those with the lowest numbers of chance, in ascending order
	offered  map[asset.Kind]int         // how many definitions came in bulk
	hollow   map[asset.Kind]int         // how many of them had nothing in them
	chance   map[asset.Kind]uint32      // the highest number of chance that was checked
	passed   map[string]bool            // classes in which a sample was as it should be
	doubted  map[string]string          // classes that are not believed, with the reason
	noExport map[string]string          // kinds of exports that are given up, with the reason
	faults   map[string]int             // batches in a row that brought nothing
}

// measure is a way in which a definition may be too long for a limit: in all, or by its longest text, in bytes or in characters.
type measure struct {
	kind asset.Kind
	of   string
}

// Sample is an asset whose bulk definition is to be held against its own call.
type Sample[T comparable] struct {
	Of         T
	Ref        asset.Ref
	Definition []byte // as it came in bulk

	size   int
	number uint32 // of chance
}

const (
	// ofLargest is how many of the largest are checked, where several have the same size: a limit gives it to all that it cuts.
	ofLargest = 3
	// ofHollow is how many of the assets that have nothing in them are checked.
	ofHollow = 32
	// largestPicked bounds what a random sample takes in memory.
	largestPicked = 64 << 10
)

// AllOf is how many assets of a kind are all checked, where there are no more. Who reads no more than so many has nothing to win from bulk.
const AllOf = 64

// picks is how many assets of a kind are checked at random, where there are more.
func picks(kind asset.Kind) int {
	if kind == asset.Resources {
		return 6
	}
	return 20
}

// NewTrust returns a Trust that believes everything until it is shown otherwise. seed decides which assets are checked at random.
func NewTrust[T comparable](seed string, compare Comparison) *Trust[T] {
	return &Trust[T]{seed: seed, compare: compare, seen: map[string]bool{}, largest: map[measure][]Sample[T]{}, checked: map[measure]int{},
		random: map[asset.Kind][]Sample[T]{}, chance: map[asset.Kind]uint32{}, offered: map[asset.Kind]int{}, hollow: map[asset.Kind]int{},
		passed: map[string]bool{}, doubted: map[string]string{}, noExport: map[string]string{}, faults: map[string]int{}}
}

// Believes tells whether a definition of these classes may come in bulk.
func (t *Trust[T]) Believes(classes []string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !slices.ContainsFunc(classes, func(c string) bool { return t.doubted[c] != "" })
}

// Offer shows a definition that came in bulk, which becomes a sample if it teaches something. The text is copied.
func (t *Trust[T]) Offer(of T, ref asset.Ref, definition []byte) {
	kind := ref.Kind
	if kind != asset.Resources && !factory.Addressable(ref.Name) {
		return // there is no single call to hold it against
	}
	features, sizes, number, empty := features(kind, definition), sizes(definition), t.number(ref), hollow(kind, definition)
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
	sample := func(size int) Sample[T] { return Sample[T]{of, ref, bytes.Clone(definition), size, number} }
	if fresh {
		t.samples = append(t.samples, sample(0))
		for how, size := range sizes {
			t.checked[measure{kind, how}] = max(t.checked[measure{kind, how}], size)
		}
		return
	}
	t.pick(kind, number, len(definition), sample)
	for how, size := range sizes {
		m := measure{kind, how}
		largest := 0
		if l := t.largest[m]; len(l) > 0 {
			largest = l[0].size
		}
		switch {
		case size < t.checked[m] || size < largest:
		case size > largest:
			t.largest[m] = []Sample[T]{sample(size)}
		case len(t.largest[m]) < ofLargest:
			t.largest[m] = append(t.largest[m], sample(size))
		}
	}
}

// pick keeps an asset if its number of chance is among the lowest.
func (t *Trust[T]) pick(kind asset.Kind, number uint32, length int, sample func(size int) Sample[T]) {
	chosen := t.random[kind]
	if length > largestPicked || t.chance[kind] > 0 && number > t.chance[kind] {
		return
	}
	if len(chosen) == AllOf {
		if number >= chosen[len(chosen)-1].number {
			return
		}
		chosen = chosen[:len(chosen)-1]
	}
	at, _ := slices.BinarySearchFunc(chosen, number, func(s Sample[T], n uint32) int { return cmp.Compare(s.number, n) })
	t.random[kind] = slices.Insert(chosen, at, sample(0))
}

// number is an asset's number of chance, another one under another seed.
func (t *Trust[T]) number(ref asset.Ref) uint32 {
	sum := sha256.Sum256([]byte(t.seed + "\x00" + ref.String()))
	return binary.BigEndian.Uint32(sum[:])
}

// Take returns the samples that are to be checked now, each asset once. What is offered afterwards may give others.
func (t *Trust[T]) Take() []Sample[T] {
	t.mu.Lock()
	defer t.mu.Unlock()
	var samples []Sample[T]
	known := map[T]bool{}
	add := func(s Sample[T]) {
		if !known[s.Of] {
			known[s.Of] = true
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
		if t.offered[kind] > AllOf {
			chosen = chosen[:min(len(chosen), picks(kind))]
		}
		for _, s := range chosen {
			t.chance[kind] = max(t.chance[kind], s.number)
			add(s)
		}
	}
	t.samples, t.largest, t.random = nil, map[measure][]Sample[T]{}, map[asset.Kind][]Sample[T]{}
	return samples
}

// Hold holds a sample against the answer to its own call. One that is as it should be speaks for its classes; else the differences are returned.
func (t *Trust[T]) Hold(s Sample[T], detail []byte) []Difference {
	differences := t.compare.differences(s.Ref.Kind, s.Definition, detail)
	if len(differences) > 0 {
		return differences
	}
	classes := Classes(s.Ref.Kind, s.Definition)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range classes {
		t.passed[c] = true
	}
	return nil
}

// Edited tells whether somebody changed an asset between the two readings of a sample, so that a difference says nothing. Such a sample does not speak for its
// class either. listed is when the asset was changed last by its list row; detail is what its own call says.
func (t *Trust[T]) Edited(ctx context.Context, source Exporter, s Sample[T], listed time.Time, detail []byte) bool {
	if s.Ref.Kind == asset.Jobs {
		same := false
		err := source.Export(ctx, []string{s.Ref.Name}, func(_ string, again json.RawMessage) error {
			same = len(t.compare.differences(s.Ref.Kind, again, detail)) == 0
			return nil
		})
		return err == nil && same
	}
	modified := factory.Modified(detail)
	return !modified.IsZero() && !listed.IsZero() && modified.After(listed)
}

// Doubt stops believing a class, because a field of a sample was not as it should be, now or in an earlier run. It tells whether the class was believed
// before.
func (t *Trust[T]) Doubt(class, field string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.doubted[class] != "" {
		return false
	}
	t.doubted[class] = cmp.Or(field, "unknown")
	return true
}

// DoubtUnproved stops believing the classes of samples that could not be checked, unless another one was as it should be. It tells whether any
// class is doubted.
func (t *Trust[T]) DoubtUnproved(samples []Sample[T]) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range samples {
		for _, c := range Classes(s.Ref.Kind, s.Definition) {
			if !t.passed[c] && t.doubted[c] == "" {
				t.doubted[c] = "no sample could be checked"
			}
		}
	}
	return len(t.doubted) > 0
}
