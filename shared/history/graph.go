package history

import (
	"cmp"
	"slices"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
)

// State is how a node of a graph stands in its backup.
type State string

// The states.
const (
	Present State = "present"
	// Missing: the backup does not have it.
	Missing State = "missing"
	// Elsewhere: a job of another workspace.
	Elsewhere State = "elsewhere"
	// Computed: the name is an expression that becomes one when the job runs.
	Computed State = "computed"
	// Unread: an environment variable, where the list of them could not be read.
	Unread State = "unread"
)

// EdgeType is how one thing needs another.
type EdgeType string

// The types, each from what needs to what is needed.
const (
	DependsOn EdgeType = "dependsOn" // a job waits for a job
	Runs      EdgeType = "runs"      // a job runs a script
	Uses      EdgeType = "uses"      // a job uses a file of a resource
	Reads     EdgeType = "reads"     // an expression reads an environment variable
	Calls     EdgeType = "calls"     // a node of the job holds the name of a job
)

// mostEdges is how many edges a graph has at most.
const mostEdges = 5000

// GraphQuery asks what an asset needs and what needs it.
type GraphQuery struct {
	// Key is the asset's, with or without the ending of encrypted ones; 1_env/env.json#name is an environment variable, without #name all of them.
	Key   string
	Depth int // how many steps away; 0 is any
	Limit int // how many nodes at most; 0 is no limit
}

// Graph is what lies around an asset: what it needs and what that needs, and what needs it and what needs that. Equal questions have equal answers.
type Graph struct {
	Nodes []Node `json:"nodes"` // the asset first, then by distance
	Edges []Edge `json:"edges"` // all there are between the nodes
	// Truncated says that nodes within the depth, or edges between the nodes, are left out.
	Truncated bool `json:"truncated"`
}

// Node is an asset, or one environment variable.
type Node struct {
	Key       string     `json:"key,omitempty"` // of an environment variable 1_env/env.json#name; none of what is elsewhere or computed
	Kind      asset.Kind `json:"kind"`
	Name      string     `json:"name"`
	Directory string     `json:"directory,omitempty"`
	State     State      `json:"state"`
	// Distance is how many steps away it is: above 0 it is needed, below 0 it needs. What is both has the shorter way.
	Distance int `json:"distance"`
	// Hidden is how many nodes it needs, or is needed by, that are not in the answer.
	Hidden int `json:"hidden"`
}

// Edge says that one node needs another; they are counted from 0.
type Edge struct {
	From int      `json:"from"`
	To   int      `json:"to"`
	Type EdgeType `json:"type"`
}

// Graph returns what lies around an asset; ok is false where the backup neither has nor needs it.
func (r *Relations) Graph(q GraphQuery) (g *Graph, ok bool) {
	roots := r.roots(plainKey(q.Key))
	if len(roots) == 0 {
		return nil, false
	}
	g = &Graph{Edges: []Edge{}}
	at := map[int]int{} // place in the answer by node
	add := func(n, distance int) bool {
		if _, known := at[n]; known {
			return false
		}
		if q.Limit > 0 && len(g.Nodes) == q.Limit {
			g.Truncated = true
			return false
		}
		at[n] = len(g.Nodes)
		p := r.nodes[n]
		g.Nodes = append(g.Nodes, Node{Key: p.key, Kind: p.ref.Kind, Name: p.ref.Name, Directory: p.ref.Directory, State: p.state, Distance: distance})
		return true
	}
	for _, n := range roots {
		add(n, 0)
	}
	// The two directions are walked apart: what another user of a needed script needs has nothing to do with this asset. A node may lie in both.
	needed, users := newWalk(r.out, roots), newWalk(r.in, roots)
	for step := 1; q.Depth == 0 || step <= q.Depth; step++ {
		down, up := needed.step(), users.step()
		if len(down)+len(up) == 0 {
			break
		}
		slices.SortFunc(down, r.compare)
		slices.SortFunc(up, r.compare)
		for _, n := range down {
			add(n, step)
		}
		for _, n := range up {
			add(n, -step)
		}
		if g.Truncated {
			break
		}
	}
	r.join(g, at)
	return g, true
}

// join adds the edges between the nodes of a graph.
func (r *Relations) join(g *Graph, at map[int]int) {
	inOrder := make([]int, len(g.Nodes))
	for n, i := range at {
		inOrder[i] = n
	}
	for i, n := range inOrder {
		hidden := map[int]bool{}
		for _, l := range r.out[n] {
			to, shown := at[l.to]
			switch {
			case !shown:
				hidden[l.to] = true
			case len(g.Edges) == mostEdges:
				g.Truncated = true
			default:
				g.Edges = append(g.Edges, Edge{i, to, l.kind})
			}
		}
		for _, l := range r.in[n] {
			if _, shown := at[l.to]; !shown {
				hidden[l.to] = true
			}
		}
		g.Nodes[i].Hidden = len(hidden)
	}
}

// roots are the nodes that a key stands for.
func (r *Relations) roots(key string) []int {
	if at, known := r.byKey[key]; known {
		return []int{at}
	}
	if key != (asset.Ref{Kind: asset.Env}).Key() {
		return nil
	}
	var all []int
	for n, p := range r.nodes {
		if p.ref.Kind == asset.Env && p.state == Present {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, r.compare)
	return all
}

// walk goes breadth-first in one direction.
type walk struct {
	links [][]link
	seen  map[int]bool
	edge  []int
}

func newWalk(links [][]link, roots []int) *walk {
	w := &walk{links: links, seen: map[int]bool{}, edge: roots}
	for _, n := range roots {
		w.seen[n] = true
	}
	return w
}

// step returns the nodes one step further away.
func (w *walk) step() []int {
	var next []int
	for _, n := range w.edge {
		for _, l := range w.links[n] {
			if !w.seen[l.to] {
				w.seen[l.to] = true
				next = append(next, l.to)
			}
		}
	}
	w.edge = next
	return slices.Clone(next)
}

// compare is the order of nodes of one distance: by kind, name, directory and state.
func (r *Relations) compare(a, b int) int {
	x, y := r.nodes[a], r.nodes[b]
	return cmp.Or(slices.Index(asset.Kinds(), x.ref.Kind)-slices.Index(asset.Kinds(), y.ref.Kind), cmp.Compare(x.ref.Name, y.ref.Name),
		cmp.Compare(x.ref.Directory, y.ref.Directory), cmp.Compare(x.state, y.state))
}

// order is that of the edges of one node.
func (r *Relations) order(a, b link) int {
	return cmp.Or(r.compare(a.to, b.to), cmp.Compare(a.kind, b.kind))
}
