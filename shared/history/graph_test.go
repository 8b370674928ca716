package history_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/history"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

func (s *shelf) relate(name string) *history.Relations {
	s.t.Helper()
	b, err := s.vault.Folder(name).Open(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := history.Relate(context.Background(), b, nil, history.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// drawn is a graph in lines: nodes with their distance and state, then edges.
func drawn(g *history.Graph) (nodes, edges []string) {
	id := func(n history.Node) string {
		text := strings.TrimSuffix(string(n.Kind), "s") + " " + n.Name
		if n.State != history.Present {
			text += " " + string(n.State)
		}
		return text
	}
	for _, n := range g.Nodes {
		nodes = append(nodes, fmt.Sprintf("%+d %s", n.Distance, id(n)))
	}
	for _, e := range g.Edges {
		edges = append(edges, fmt.Sprintf("%s %s %s", id(g.Nodes[e.From]), e.Type, id(g.Nodes[e.To])))
	}
	slices.Sort(edges)
	return nodes, edges
}

func runs(script string) node {
	return node{"run " + script, "HiveSQL", []property{{"scriptName", script}}}
}

func resource(name, location string) thing {
	return thing{ref: asset.Ref{Kind: asset.Resources, Name: name, Directory: "/jars"}, text: fmt.Sprintf(`{"name":%q,"location":%q}`, name, location)}
}

func TestGraph(t *testing.T) {
	t.Parallel()
	elsewhere := thing{ref: ref(asset.Jobs, "far"), text: `{"name":"far","nodes":[],"schedule":{"cron":{"dependJobs":{"otherWorkSpaceJobs":[{"jobName":"top","workspace":"x"}]}}}}`}
	things := []thing{
		env("DAY", "1", "BASE", "#{Env.get('DAY')}"),
		script("load", "hive", "select #{Env.get(\"DAY\")} from #{Env.get('GONE')}"), script("lonely", "hive", ""),
		job("top", []string{"mid", "gone"}, runs("load"), node{"call", "SubJob", []property{{"job", "sub"}, {"x", "no job"}}}),
		job("mid", []string{"low"}, runs("load"), runs("gone"), runs("#{x}")),
		job("low", []string{"low"}, node{"spark", "MRSSpark", []property{{"resourcePath", "obs://b/a.jar"}, {"other", "obs://b/unknown.jar"}}}),
		job("sub", nil, node{"n", "Dummy", []property{{"p", "#{Env.get('BASE')}"}}}),
		resource("jar", "obs://b/a.jar"), elsewhere,
	}
	s := newShelf(t)
	s.write(dayModel{name: "2026-11-01", state: vault.StateComplete, things: things})
	r := s.relate("2026-11-01")

	for name, c := range map[string]struct {
		query        history.GraphQuery
		nodes, edges []string
	}{
		"what_a_job_needs_and_who_needs_it": {history.GraphQuery{Key: "4_jobs/mid.job"},
			[]string{"+0 job mid", "+1 script #{x} computed", "+1 script gone missing", "+1 script load", "+1 job low", "-1 job top",
				"+2 env DAY", "+2 env GONE missing", "+2 resource jar"},
			[]string{"job low dependsOn job low", "job low uses resource jar", "job mid dependsOn job low", "job mid runs script #{x} computed", "job mid runs script gone missing",
				"job mid runs script load", "job top dependsOn job mid", "job top runs script load", "script load reads env DAY", "script load reads env GONE missing"}},
		"one_step": {history.GraphQuery{Key: "3_scripts/load.script", Depth: 1},
			[]string{"+0 script load", "+1 env DAY", "+1 env GONE missing", "-1 job mid", "-1 job top"},
			[]string{"job mid runs script load", "job top dependsOn job mid", "job top runs script load", "script load reads env DAY", "script load reads env GONE missing"}},
		"a_variable": {history.GraphQuery{Key: "1_env/env.json#DAY", Depth: 1}, []string{"+0 env DAY", "-1 env BASE", "-1 script load"},
			[]string{"env BASE reads env DAY", "script load reads env DAY"}},
		"all_variables": {history.GraphQuery{Key: "1_env/env.json", Depth: 1}, []string{"+0 env BASE", "+0 env DAY", "-1 script load", "-1 job sub"},
			[]string{"env BASE reads env DAY", "job sub reads env BASE", "script load reads env DAY"}},
		"a_missing_one":   {history.GraphQuery{Key: "4_jobs/gone.job", Depth: 1}, []string{"+0 job gone missing", "-1 job top"}, []string{"job top dependsOn job gone missing"}},
		"elsewhere":       {history.GraphQuery{Key: "4_jobs/far.job"}, []string{"+0 job far", "+1 job top elsewhere"}, []string{"job far dependsOn job top elsewhere"}},
		"alone":           {history.GraphQuery{Key: "3_scripts/lonely.script"}, []string{"+0 script lonely"}, nil},
		"a_resource":      {history.GraphQuery{Key: "2_resources/jars/jar.resource", Depth: 1}, []string{"+0 resource jar", "-1 job low"}, []string{"job low dependsOn job low", "job low uses resource jar"}},
		"a_called_job":    {history.GraphQuery{Key: "4_jobs/sub.job", Depth: 1}, []string{"+0 job sub", "+1 env BASE", "-1 job top"}, []string{"job sub reads env BASE", "job top calls job sub"}},
		"of_an_encrypted": {history.GraphQuery{Key: "3_scripts/lonely.script.age"}, []string{"+0 script lonely"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, ok := r.Graph(c.query)
			if !ok || g.Truncated {
				t.Fatalf("%+v", g)
			}
			nodes, edges := drawn(g)
			if diff := cmp.Diff(c.nodes, nodes); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.edges, edges, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}

	t.Run("a_limit_keeps_the_nearest_and_says_so", func(t *testing.T) {
		t.Parallel()
		g, _ := r.Graph(history.GraphQuery{Key: "4_jobs/mid.job", Limit: 3})
		if nodes, _ := drawn(g); !g.Truncated || !slices.Equal(nodes, []string{"+0 job mid", "+1 script #{x} computed", "+1 script gone missing"}) || g.Nodes[0].Hidden != 3 {
			t.Errorf("%+v", g)
		}
		if g, _ := r.Graph(history.GraphQuery{Key: "3_scripts/load.script", Limit: 5, Depth: 1}); g.Truncated || len(g.Nodes) != 5 {
			t.Errorf("%+v", g)
		}
	})

	t.Run("knows_no_asset_that_is_not_there", func(t *testing.T) {
		t.Parallel()
		for _, key := range []string{"", "4_jobs/none.job", "1_env/env.json#none", "../manifest.json", "#DAY", "1_env/env.json#", "#{x}"} {
			if g, ok := r.Graph(history.GraphQuery{Key: key}); ok {
				t.Errorf("%q: %+v", key, g)
			}
		}
	})

	t.Run("has_no_more_edges_than_an_answer_takes", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		var names []string
		for i := range 100 {
			names = append(names, fmt.Sprint("j", i))
		}
		d := dayModel{name: "2026-11-01", state: vault.StateComplete}
		for _, name := range names {
			d.things = append(d.things, job(name, names))
		}
		s.write(d)
		if g, _ := s.relate("2026-11-01").Graph(history.GraphQuery{Key: "4_jobs/j1.job"}); len(g.Nodes) != 100 || len(g.Edges) != 5000 || !g.Truncated {
			t.Errorf("%d nodes, %d edges", len(g.Nodes), len(g.Edges))
		}
	})

	t.Run("names_what_could_not_be_read", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		s.write(dayModel{name: "2026-11-01", state: vault.StateComplete, things: things})
		delete(s.store.objects, prefix+"2026-11-01/4_jobs/mid.job")
		s.store.objects[prefix+"2026-11-01/1_env/env.json"] = []byte("{}")
		r := s.relate("2026-11-01")
		if r.UnreadCount != 2 || len(r.Unread) != 2 || !strings.Contains(r.Unread[1], `job "mid"`) || !r.Complete() {
			t.Errorf("%+v", r.Unread)
		}
		g, _ := r.Graph(history.GraphQuery{Key: "3_scripts/load.script", Depth: 1})
		if nodes, _ := drawn(g); !slices.Equal(nodes, []string{"+0 script load", "+1 env DAY unread", "+1 env GONE unread", "-1 job top"}) {
			t.Error(nodes)
		}
	})

	t.Run("a_name_that_is_none_fills_no_answer", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		long := strings.Repeat("界", 1<<20)
		s.write(dayModel{name: "2026-11-01", state: vault.StateComplete, things: []thing{job("j", []string{long}, runs(long), node{"n", "X", []property{{"p", "#{Env.get('" + long + "')}"}}})}})
		g, _ := s.relate("2026-11-01").Graph(history.GraphQuery{Key: "4_jobs/j.job"})
		if text := asJSON(t, g); len(g.Nodes) != 4 || len(text) > 50_000 {
			t.Errorf("%d nodes, %d bytes", len(g.Nodes), len(text))
		}
	})

	t.Run("an_encrypted_backup_needs_an_identity", func(t *testing.T) {
		t.Parallel()
		own, _ := keys(t)
		s := newShelf(t)
		s.write(dayModel{name: "2026-11-01", state: vault.StateComplete, things: things, keys: own})
		b, err := s.vault.Folder("2026-11-01").Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := history.NewCache(1).Relations(t.Context(), b, history.Options{}); !errors.Is(err, vault.ErrNoIdentity) {
			t.Error(err)
		}
		s.vault = s.vault.WithKeys(own)
		g, _ := s.relate("2026-11-01").Graph(history.GraphQuery{Key: "1_env/env.json.age#DAY", Depth: 1})
		if nodes, _ := drawn(g); !slices.Equal(nodes, []string{"+0 env DAY", "-1 env BASE", "-1 script load"}) || g.Nodes[0].Key != "1_env/env.json.age#DAY" || g.Nodes[2].Key != "3_scripts/load.script.age" {
			t.Errorf("%+v", g.Nodes)
		}
	})
}

func TestCache(t *testing.T) {
	t.Parallel()
	large := func(name string) dayModel {
		d := dayModel{name: name, state: vault.StateComplete, things: []thing{env("DAY", name)}}
		for i := range 1000 {
			d.things = append(d.things, job(fmt.Sprintf("j%04d", i), []string{fmt.Sprintf("j%04d", max(0, i-1))}))
		}
		return d
	}
	open := func(t *testing.T, s *shelf, name string) *vault.Backup {
		b, err := s.vault.Folder(name).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}

	t.Run("reads_a_backup_once_and_forgets_the_one_asked_for_longest_ago", func(t *testing.T) {
		t.Parallel()
		s, c := newShelf(t), history.NewCache(2)
		for _, name := range []string{"2026-11-01", "2026-11-02", "2026-11-03"} {
			s.write(large(name))
		}
		for _, step := range []struct {
			name string
			read bool
		}{{"2026-11-01", true}, {"2026-11-02", true}, {"2026-11-01", false}, {"2026-11-03", true}, {"2026-11-01", false}, {"2026-11-02", true}} {
			b := open(t, s, step.name)
			s.store.reset()
			var group sync.WaitGroup
			for range 1 + 3*len(s.store.gets) {
				group.Go(func() {
					if _, err := c.Relations(t.Context(), b, history.Options{}); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if read := s.store.reads(""); (read == 1001) != step.read || !step.read && read != 0 {
				t.Errorf("%s: %d reads", step.name, read)
			}
		}
	})

	t.Run("is_for_many_at_a_time", func(t *testing.T) {
		t.Parallel()
		s, c := newShelf(t), history.NewCache(1)
		s.write(large("2026-11-01"))
		b := open(t, s, "2026-11-01")
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				r, err := c.Relations(t.Context(), b, history.Options{})
				if err != nil {
					t.Error(err)
					return
				}
				if g, ok := r.Graph(history.GraphQuery{Key: "4_jobs/j0500.job", Depth: 2}); !ok || len(g.Nodes) != 5 {
					t.Errorf("%+v", g)
				}
			})
		}
		group.Wait()
	})

	t.Run("goes_on_where_time_ended", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s, c := newShelf(t), history.NewCache(2)
			s.write(large("2026-11-01"))
			b := open(t, s, "2026-11-01")
			s.store.reset()
			s.store.delay = time.Second
			before := 0
			for asked := 1; ; asked++ {
				begun := time.Now()
				r, err := c.Relations(t.Context(), b, history.Options{Until: begun.Add(20 * time.Second)})
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begun); took > 30*time.Second {
					t.Errorf("after %s", took)
				}
				if r.Read <= before {
					t.Fatalf("%d of %d, and %d before", r.Read, r.Total, before)
				}
				if before = r.Read; r.Complete() {
					if asked < 3 || s.store.reads("") != 1001 {
						t.Errorf("asked %d times, %d reads", asked, s.store.reads(""))
					}
					s.store.delay = 0
					want, _ := s.relate("2026-11-01").Graph(history.GraphQuery{Key: "4_jobs/j0500.job"})
					if got, _ := r.Graph(history.GraphQuery{Key: "4_jobs/j0500.job"}); !cmp.Equal(want, got) {
						t.Error(cmp.Diff(want, got))
					}
					return
				}
			}
		})
	})

	t.Run("does_not_keep_what_could_not_be_read", func(t *testing.T) {
		t.Parallel()
		s, c := newShelf(t), history.NewCache(2)
		s.write(large("2026-11-01"))
		b := open(t, s, "2026-11-01")
		s.store.broken[prefix+"2026-11-01/4_jobs/j0001.job"] = true
		if r, err := c.Relations(t.Context(), b, history.Options{}); err != nil || r.UnreadCount != 1 {
			t.Fatal(r, err)
		}
		clear(s.store.broken)
		if r, err := c.Relations(t.Context(), b, history.Options{}); err != nil || r.UnreadCount != 0 {
			t.Error(r, err)
		}
	})
}

// TestGraph_Random holds graphs against a search over all pairs of a random workspace.
func TestGraph_Random(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newShelf(t)
		jobNames, scriptNames, variables := []string{"a", "b", "c", "d", "e", "f"}, []string{"a", "b", "s"}, []string{"V", "W"}
		d := dayModel{name: "2026-11-01", state: vault.StateComplete}
		type edge struct{ from, to string }
		needs := map[edge]bool{}
		some := func(of []string, most int) []string {
			list := rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, most, rapid.ID[string]).Draw(t, "some")
			return list
		}
		held := map[string]bool{}
		var pairs []string
		for _, v := range some(variables, 2) {
			pairs = append(pairs, v, "x")
			held["env "+v] = true
		}
		d.things = append(d.things, env(pairs...))
		for _, name := range some(scriptNames, 3) {
			text := ""
			for _, v := range some(variables, 2) {
				text += "#{Env.get('" + v + "')}"
				needs[edge{"scripts " + name, "env " + v}] = true
			}
			held["scripts "+name] = true
			d.things = append(d.things, script(name, "x", text))
		}
		for _, name := range some(jobNames, 6) {
			held["jobs "+name] = true
			depends := some(jobNames, 3)
			for _, other := range depends {
				needs[edge{"jobs " + name, "jobs " + other}] = true
			}
			var nodes []node
			for _, other := range some(scriptNames, 2) {
				needs[edge{"jobs " + name, "scripts " + other}] = true
				nodes = append(nodes, runs(other))
			}
			d.things = append(d.things, job(name, depends, nodes...))
		}
		s.write(d)
		r := s.relate("2026-11-01")
		var all []string
		for id := range held {
			all = append(all, id)
		}
		slices.Sort(all)
		if len(all) == 0 {
			return
		}
		root := rapid.SampledFrom(all).Draw(t, "root")
		depth := rapid.IntRange(1, 5).Draw(t, "depth")
		limit := rapid.IntRange(1, 20).Draw(t, "limit")
		kind, name, _ := strings.Cut(root, " ")
		key := asset.Ref{Kind: asset.Kind(kind), Name: name}.Key()
		if kind == "env" {
			key += "#" + name
		}
		// distances by relaxation over all edges, in each direction
		distance := map[string]int{root: 0}
		for _, down := range []bool{true, false} {
			reach := map[string]int{root: 0}
			for range 20 {
				for e := range needs {
					from, to := e.from, e.to
					if !down {
						from, to = to, from
					}
					if n, ok := reach[from]; ok {
						if m, known := reach[to]; !known || n+1 < m {
							reach[to] = n + 1
						}
					}
				}
			}
			for id, n := range reach {
				if m, known := distance[id]; !known || n < m {
					distance[id] = n
				}
			}
		}
		g, ok := r.Graph(history.GraphQuery{Key: key, Depth: depth, Limit: limit})
		if !ok {
			t.Fatal("no graph of", key)
		}
		want, got := map[string]int{}, map[string]int{}
		for id, n := range distance {
			if n <= depth {
				want[id] = n
			}
		}
		last := 0
		for _, n := range g.Nodes {
			id := string(n.Kind) + " " + n.Name
			got[id] = max(n.Distance, -n.Distance)
			if got[id] < last || (n.State == history.Present) != held[id] {
				t.Fatalf("%+v", g.Nodes)
			}
			last = got[id]
		}
		if g.Truncated != (len(want) > limit) || len(g.Nodes) != min(limit, len(want)) {
			t.Fatalf("%d of %d nodes, limit %d, truncated %v", len(g.Nodes), len(want), limit, g.Truncated)
		}
		for id, n := range got {
			if want[id] != n {
				t.Fatalf("%s at %d, want %d", id, n, want[id])
			}
		}
		for id, n := range want {
			if _, shown := got[id]; !shown && n < last {
				t.Fatalf("%s at %d is left out, and there are nodes at %d", id, n, last)
			}
		}
		edges := 0
		for e := range needs {
			_, from := got[e.from]
			_, to := got[e.to]
			if from && to {
				edges++
			}
		}
		for _, e := range g.Edges {
			from, to := g.Nodes[e.From], g.Nodes[e.To]
			if !needs[edge{string(from.Kind) + " " + from.Name, string(to.Kind) + " " + to.Name}] {
				t.Fatalf("%v to %v", from, to)
			}
		}
		if len(g.Edges) != edges {
			t.Fatalf("%d edges, want %d", len(g.Edges), edges)
		}
	})
}
