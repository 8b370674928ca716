package graph_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/dataarts-backup/dataarts-backup/shared/graph"
)

func TestLayers_AJobComesAfterWhatItDependsOnAndACycleIsOneGroup(t *testing.T) {
	t.Parallel()
	edges := map[string][]string{"a": {"z", "unknown"}, "z": nil, "x": {"y"}, "y": {"x", "z"}, "own": {"own"}, "last": {"a", "x"}}
	got := fmt.Sprint(graph.Layers([]string{"a", "last", "own", "x", "y", "z"}, func(n string) []string { return edges[n] }))
	if want := "[[[own] [z]] [[a] [x y]] [[last]]]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// node is what any comparable type may be.
type node struct{ kind, name string }

// edges is a graph that was drawn, as a matrix: the simplest form there is. The nodes after the first n are not given to the functions under test.
type edges struct {
	n     int
	needs [][]bool
}

func drawEdges(t *rapid.T) edges {
	n := rapid.IntRange(0, 9).Draw(t, "nodes")
	e := edges{n: n, needs: make([][]bool, n+2)}
	some := rapid.IntRange(1, 9).Draw(t, "density")
	for i := range e.needs {
		e.needs[i] = make([]bool, n+2)
		for j := range e.needs[i] {
			e.needs[i][j] = rapid.IntRange(0, some).Draw(t, "edge") == 0
		}
	}
	return e
}

func at(i int) node { return node{string(rune('a' + i%3)), fmt.Sprint(i)} }

func (e edges) nodes() []node {
	var all []node
	for i := range e.n {
		all = append(all, at(i))
	}
	return all
}

func (e edges) dependsOn(n node) []node {
	var on []node
	for i, row := range e.needs {
		for j, needed := range row {
			if needed && at(i) == n {
				on = append(on, at(j), at(j)) // twice is once
			}
		}
	}
	return on
}

// reaches is the transitive closure by Warshall's algorithm, over the first so many nodes.
func (e edges) reaches(size int) [][]bool {
	r := make([][]bool, size)
	for i := range r {
		r[i] = slices.Clone(e.needs[i][:size])
	}
	for k := range size {
		for i := range size {
			for j := range size {
				r[i][j] = r[i][j] || r[i][k] && r[k][j]
			}
		}
	}
	return r
}

func TestLayers_HoldForAnyGraph(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := drawEdges(t)
		reaches := e.reaches(e.n) // a cycle that goes through what is not among the nodes is none of theirs
		layer, group := map[node]int{}, map[node]graph.Group[node]{}
		layers := graph.Layers(e.nodes(), e.dependsOn)
		for i, l := range layers {
			if len(l) == 0 {
				t.Fatalf("layer %d is empty", i)
			}
			for _, g := range l {
				for _, n := range g {
					if _, twice := layer[n]; twice {
						t.Fatalf("%v comes twice", n)
					}
					layer[n], group[n] = i, g
				}
			}
		}
		if len(layer) != e.n {
			t.Fatalf("%d of %d nodes", len(layer), e.n)
		}
		for i := range e.n {
			var cycle graph.Group[node] // exactly those that reach each other, in the order of the input
			for j := range e.n {
				if i == j || reaches[i][j] && reaches[j][i] {
					cycle = append(cycle, at(j))
				}
			}
			if !slices.Equal(group[at(i)], cycle) || group[at(i)].Cycle() != (len(cycle) > 1) {
				t.Fatalf("%v is in group %v, want %v", at(i), group[at(i)], cycle)
			}
			least := 0 // as early as can be
			for _, member := range group[at(i)] {
				for j := range e.n {
					if !slices.Contains(group[at(i)], at(j)) && slices.Contains(e.dependsOn(member), at(j)) {
						least = max(least, layer[at(j)]+1)
					}
				}
			}
			if layer[at(i)] != least {
				t.Fatalf("%v is in layer %d, want %d", at(i), layer[at(i)], least)
			}
		}
	})
}

func TestClosure_IsSufficientAndMinimal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := drawEdges(t)
		all := len(e.needs)
		var from []node
		chosen := make([]bool, all)
		for i := range all {
			if chosen[i] = rapid.IntRange(0, 3).Draw(t, "chosen") == 0; chosen[i] {
				from = append(from, at(i))
			}
		}
		got := graph.Closure(from, e.dependsOn)

		// Of all sets that hold the selection and what their members need, the smallest: by trying them all.
		best, bestSize := 0, all+1
		for set := range 1 << all {
			size, closed := 0, true
			for i := range all {
				in := set&(1<<i) != 0
				if in {
					size++
				}
				closed = closed && (in || !chosen[i])
				for j := range all {
					closed = closed && (!in || !e.needs[i][j] || set&(1<<j) != 0)
				}
			}
			if closed && size < bestSize {
				best, bestSize = set, size
			}
		}
		if len(got) != bestSize {
			t.Fatalf("%d nodes %v, want %d", len(got), got, bestSize)
		}
		for i := range all {
			if (best&(1<<i) != 0) != slices.Contains(got, at(i)) {
				t.Fatalf("%v, want it to hold %v: %v", got, at(i), best&(1<<i) != 0)
			}
		}

		shuffled := graph.Closure(rapid.Permutation(from).Draw(t, "order"), e.dependsOn)
		byName := func(a, b node) int { return slices.Compare([]string{a.kind, a.name}, []string{b.kind, b.name}) }
		slices.SortFunc(got, byName)
		slices.SortFunc(shuffled, byName)
		if !slices.Equal(got, shuffled) {
			t.Fatalf("in another order %v instead of %v", shuffled, got)
		}
	})
}

func TestLayers_OfALongChainAreFound(t *testing.T) {
	t.Parallel()
	const length = 20_000
	var nodes []int
	for i := range length {
		nodes = append(nodes, i)
	}
	layers := graph.Layers(nodes, func(n int) []int { return []int{n + 1} })
	if len(layers) != length || layers[0][0][0] != length-1 {
		t.Errorf("%d layers", len(layers))
	}
}
