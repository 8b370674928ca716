// Package graph orders things by what they depend on.
//
// It guarantees that every name comes in a later layer than all names it depends on, that names in a cycle come together as one group (so
// that the caller sees and names the cycle), and that equal input gives equal output.
package graph

import "slices"

// Group is one name, or the names of one cycle in the order of the input.
type Group []string

// Cycle tells whether the group is a cycle. A name that depends on itself only is none: a job may depend on its own last run.
func (g Group) Cycle() bool { return len(g) > 1 }

// Layers sorts names into layers: the groups of a layer depend on groups of earlier layers only, so they may be handled at the same time. dependsOn
// is asked once for each name; what it returns beyond names is ignored.
func Layers(names []string, dependsOn func(name string) []string) [][]Group {
	t := &tarjan{index: map[string]int{}, low: map[string]int{}, onStack: map[string]bool{}, edges: map[string][]string{}, position: map[string]int{}, group: map[string]int{}}
	for i, name := range names {
		t.position[name] = i
	}
	for _, name := range names {
		for _, d := range dependsOn(name) {
			if _, known := t.position[d]; known && d != name {
				t.edges[name] = append(t.edges[name], d)
			}
		}
	}
	for _, name := range names {
		if _, seen := t.index[name]; !seen {
			t.visit(name)
		}
	}
	// Groups come out with dependencies first, so one pass gives every group its layer.
	var layers [][]Group
	layerOf := make([]int, len(t.groups))
	for i, group := range t.groups {
		for _, name := range group {
			for _, d := range t.edges[name] {
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
		slices.SortFunc(layer, func(a, b Group) int { return t.position[a[0]] - t.position[b[0]] })
	}
	return layers
}

// Closure returns the names reachable from the given ones, themselves included, in the order in which they are met.
func Closure(from []string, dependsOn func(name string) []string) []string {
	seen := map[string]bool{}
	var all []string
	for queue := slices.Clone(from); len(queue) > 0; queue = queue[1:] {
		if name := queue[0]; !seen[name] {
			seen[name] = true
			all = append(all, name)
			queue = append(queue, dependsOn(name)...)
		}
	}
	return all
}

// tarjan is Tarjan's algorithm for strongly connected components.
type tarjan struct {
	index, low map[string]int
	onStack    map[string]bool
	stack      []string
	edges      map[string][]string
	position   map[string]int
	group      map[string]int
	groups     []Group
}

func (t *tarjan) visit(name string) {
	t.index[name] = len(t.index)
	t.low[name] = t.index[name]
	t.stack = append(t.stack, name)
	t.onStack[name] = true
	for _, d := range t.edges[name] {
		if _, seen := t.index[d]; !seen {
			t.visit(d)
			t.low[name] = min(t.low[name], t.low[d])
		} else if t.onStack[d] {
			t.low[name] = min(t.low[name], t.index[d])
		}
	}
	if t.low[name] != t.index[name] {
		return
	}
	at := slices.Index(t.stack, name)
	group := Group(slices.Clone(t.stack[at:]))
	for _, member := range group {
		t.onStack[member] = false
		t.group[member] = len(t.groups)
	}
	t.stack = t.stack[:at]
	slices.SortFunc(group, func(a, b string) int { return t.position[a] - t.position[b] })
	t.groups = append(t.groups, group)
}
