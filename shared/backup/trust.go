package backup

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
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
