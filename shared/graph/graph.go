// Package graph says what things need and in which order they can be made, when they depend on each other.
//
// It guarantees of an order that every node comes in a later layer than all nodes it depends on, and that nodes in a cycle come together as one
// group, so that the caller sees and names the cycle; of a closure that it is sufficient, with every node that a member depends on, and minimal,
// without a node that no member needs; and that equal input gives equal output. Nodes may be anything comparable: the name of a job, or a reference to an asset.
package graph

import "slices"

// Group is one node, or the nodes of one cycle in the order of the input.
type Group[N comparable] []N

// Cycle tells whether the group is a cycle. A node that depends on itself only is none: a job may depend on its own last run.
func (g Group[N]) Cycle() bool { return len(g) > 1 }

// Layers sorts nodes into layers: the groups of a layer depend on groups of earlier layers only, so they may be handled at the same time. dependsOn
// is asked once for each node; what it returns beyond nodes is ignored.
func Layers[N comparable](nodes []N, dependsOn func(N) []N) [][]Group[N] {
	t := &tarjan[N]{index: map[N]int{}, low: map[N]int{}, onStack: map[N]bool{}, edges: map[N][]N{}, position: map[N]int{}, group: map[N]int{}}
	for i, n := range nodes {
		t.position[n] = i
	}
	for _, n := range nodes {
		for _, d := range dependsOn(n) {
			if _, known := t.position[d]; known && d != n {
				t.edges[n] = append(t.edges[n], d)
			}
		}
	}
	for _, n := range nodes {
		if _, seen := t.index[n]; !seen {
			t.visit(n)
		}
	}
	// Groups come out with dependencies first, so one pass gives every group its layer.
	var layers [][]Group[N]
	layerOf := make([]int, len(t.groups))
	for i, group := range t.groups {
		for _, n := range group {
			for _, d := range t.edges[n] {
				if g := t.group[d]; g != i {
					layerOf[i] = max(layerOf[i], layerOf[g]+1)
				}
			}
		}
		for len(layers) <= layerOf[i] {
			layers = append(layers, nil)
		}
		layers[layerOf[i]] = append(layers[layerOf[i]], group)
	}
	for _, layer := range layers {
		slices.SortFunc(layer, func(a, b Group[N]) int { return t.position[a[0]] - t.position[b[0]] })
	}
	return layers
}

// Closure returns the given nodes and all that they need, directly or not, each once, in the order in which they are met. dependsOn is asked once for
// each of them; all that it returns belongs to the closure.
func Closure[N comparable](from []N, dependsOn func(N) []N) []N {
	seen := map[N]bool{}
	var all []N
	for queue := slices.Clone(from); len(queue) > 0; queue = queue[1:] {
		if n := queue[0]; !seen[n] {
			seen[n] = true
			all = append(all, n)
			queue = append(queue, dependsOn(n)...)
		}
	}
	return all
}

// tarjan is Tarjan's algorithm for strongly connected components.
type tarjan[N comparable] struct {
	index, low map[N]int
	onStack    map[N]bool
	stack      []N
	edges      map[N][]N
	position   map[N]int
	group      map[N]int
	groups     []Group[N]
}

func (t *tarjan[N]) visit(n N) {
	t.index[n] = len(t.index)
	t.low[n] = t.index[n]
	at := len(t.stack)
	t.stack = append(t.stack, n)
	t.onStack[n] = true
	for _, d := range t.edges[n] {
		if _, seen := t.index[d]; !seen {
			t.visit(d)
			t.low[n] = min(t.low[n], t.low[d])
		} else if t.onStack[d] {
			t.low[n] = min(t.low[n], t.index[d])
		}
	}
	if t.low[n] != t.index[n] {
		return
	}
	group := Group[N](slices.Clone(t.stack[at:]))
	for _, member := range group {
		t.onStack[member] = false
		t.group[member] = len(t.groups)
	}
	t.stack = t.stack[:at]
	slices.SortFunc(group, func(a, b N) int { return t.position[a] - t.position[b] })
	t.groups = append(t.groups, group)
}
