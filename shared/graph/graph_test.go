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

func TestLayers_HoldForAnyGraph(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 60).Draw(t, "n")
		names := make([]string, n)
		edges := map[string][]string{}
		for i := range names {
			names[i] = fmt.Sprint(i)
			for _, d := range rapid.SliceOfN(rapid.IntRange(0, n), 0, 3).Draw(t, "edges") {
				edges[names[i]] = append(edges[names[i]], fmt.Sprint(d))
			}
		}
		dependsOn := func(name string) []string { return edges[name] }
		layer := map[string]int{}
		group := map[string]int{}
		groups := 0
		for i, l := range graph.Layers(names, dependsOn) {
			for _, g := range l {
				groups++
				for _, name := range g {
					if _, twice := layer[name]; twice {
						t.Fatalf("%s comes twice", name)
					}
					layer[name], group[name] = i, groups
				}
				for _, a := range g { // every two of a cycle reach each other
					for _, b := range g {
						if !slices.Contains(graph.Closure([]string{a}, dependsOn), b) {
							t.Fatalf("%s and %s are in one group without a cycle", a, b)
						}
					}
				}
			}
		}
		if len(layer) != n {
			t.Fatalf("%d of %d names", len(layer), n)
		}
		for name, ds := range edges {
			for _, d := range ds {
				if _, known := layer[d]; known && group[d] != group[name] && layer[d] >= layer[name] {
					t.Fatalf("%s in layer %d depends on %s in layer %d", name, layer[name], d, layer[d])
				}
			}
		}
	})
}
