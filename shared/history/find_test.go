package history_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
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

func (s *shelf) find(q history.FindQuery) *history.Findings {
	s.t.Helper()
	f, err := history.Find(context.Background(), s.vault, q, history.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

// found is what was found, as "kind name: backups".
func found(f *history.Findings) (lines []string) {
	for _, a := range f.Assets {
		lines = append(lines, fmt.Sprintf("%s %s: %s", a.Kind, a.Name, strings.Join(a.Backups, " ")))
	}
	return lines
}

func days(n int, things ...thing) (all []dayModel) {
	for i := range n {
		all = append(all, dayModel{name: fmt.Sprintf("2026-11-%02d", i+1), state: vault.StateComplete, things: things})
	}
	return all
}

func TestFind(t *testing.T) {
	t.Parallel()
	load := node{"load", "HiveSQL", []property{{"connectionName", "hive_prod"}, {"database", "ods"}, {"sql", "insert\ninto Orders\nselect 1"}}}
	copying := node{"copy", "CDMJob", []property{{"clusterName", "cdm_1"}, {"jobName", "x"}}}
	things := []thing{
		env("ORDERS_DAY", "hive_prod"), script("s1", "hive_prod", "select *\nfrom orders\nwhere 1"), script("s2", "hive_test", "-- nothing"), job("j1", nil, load, copying), job("j2", nil, copying),
		{ref: asset.Ref{Kind: asset.Resources, Name: "udf", Directory: "/jars"}, text: `{"name":"udf","location":"obs://b/Orders.jar"}`},
	}
	s := newShelf(t)
	for _, d := range days(3, things...) {
		s.write(d)
	}
	all := "2026-11-03 2026-11-02 2026-11-01"

	for name, c := range map[string]struct {
		query history.Criteria
		want  map[string][]string // by kind and name: where
	}{
		"connection":           {history.Criteria{ConnectionName: "hive_prod"}, map[string][]string{"scripts s1": {`connectionName "hive_prod"`}, "jobs j1": {`node "load": connectionName "hive_prod"`}}},
		"connection_by_a_glob": {history.Criteria{ConnectionName: "hive_t?s*"}, map[string][]string{"scripts s2": {`connectionName "hive_test"`}}},
		"cluster":              {history.Criteria{ClusterName: "cdm_1"}, map[string][]string{"jobs j1": {`node "copy": clusterName "cdm_1"`}, "jobs j2": {`node "copy": clusterName "cdm_1"`}}},
		"all_have_to_hold":     {history.Criteria{ClusterName: "cdm*", ConnectionName: "*", Database: "ods"}, map[string][]string{"jobs j1": {`node "load": connectionName "hive_prod"`, `node "load": database "ods"`, `node "copy": clusterName "cdm_1"`}}},
		"name":                 {history.Criteria{Name: "s?"}, map[string][]string{"scripts s1": {"name"}, "scripts s2": {"name"}}},
		"name_of_a_variable":   {history.Criteria{Name: "ORDERS*"}, map[string][]string{"env ORDERS_DAY": {"name"}}},
		"name_and_kind":        {history.Criteria{Name: "*", Kind: asset.Resources}, map[string][]string{"resources udf": {"name"}}},
		"text_in_any_case": {history.Criteria{Text: "oRDERS"}, map[string][]string{"env ORDERS_DAY": {"name"}, "resources udf": {"file: obs://b/Orders.jar"},
			"scripts s1": {"line 2: from orders"}, "jobs j1": {`node "load": sql, line 2: into Orders`}}},
		"text_over_lines":                  {history.Criteria{Text: "*\nFROM"}, map[string][]string{"scripts s1": {"line 1: select *"}}},
		"no_value_of_a_variable":           {history.Criteria{Text: "hive_prod", Kind: asset.Env}, nil},
		"text_and_connection":              {history.Criteria{Text: "orders", ConnectionName: "hive_prod", Kind: asset.Scripts}, map[string][]string{"scripts s1": {`connectionName "hive_prod"`, "line 2: from orders"}}},
		"nothing":                          {history.Criteria{Text: "not there"}, nil},
		"no_glob_in_brackets":              {history.Criteria{Name: "[s]1"}, nil},
		"a_name_is_one_of_its_very_case":   {history.Criteria{Name: "S1"}, nil},
		"a_part_of_a_name_is_not_the_name": {history.Criteria{Name: "s"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := history.Find(t.Context(), s.vault, history.FindQuery{Criteria: c.query}, history.Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string][]string{}
			for _, a := range f.Assets {
				got[string(a.Kind)+" "+a.Name] = a.Where
				if strings.Join(a.Backups, " ") != all || a.First != "2026-11-01" || a.Last != "2026-11-03" || a.Key == "" {
					t.Errorf("%+v", a)
				}
			}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			if !f.Complete || len(f.Unsearched) > 0 || f.Searched != (history.Searched{Backups: 3, Newest: "2026-11-03", Oldest: "2026-11-01", Total: 3}) {
				t.Errorf("%+v", f)
			}
		})
	}

	t.Run("reads_each_content_once_and_none_for_a_name", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		for i, d := range days(20, things...) {
			if i == 10 {
				d.things = append(slices.Clone(things), script("s3", "a", "orders"))
			}
			s.write(d)
		}
		s.store.reset()
		if f := s.find(history.FindQuery{Criteria: history.Criteria{Text: "orders"}}); len(f.Assets) != 5 {
			t.Errorf("%v", found(f))
		}
		if m, d, all := s.store.reads("manifest.json"), s.store.reads("backup.json"), s.store.reads(""); m != 20 || d != 20 || all != 40+len(things)+1 {
			t.Errorf("%d manifests, %d documents, %d reads", m, d, all)
		}
		s.store.reset()
		s.find(history.FindQuery{Criteria: history.Criteria{Name: "s*", Kind: asset.Scripts}, Backups: 5})
		if n := s.store.reads(""); n != 10 {
			t.Errorf("%d reads", n)
		}
		s.store.reset()
		s.find(history.FindQuery{Criteria: history.Criteria{ConnectionName: "x"}, Backups: 1})
		if n := s.store.reads(""); n != 2+4 {
			t.Errorf("%d reads", n)
		}
	})

	t.Run("is_not_misled_by_an_edited_document", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		for _, d := range days(2, things...) {
			s.write(d)
			key := prefix + d.name + "/backup.json"
			s.store.objects[key] = []byte(strings.ReplaceAll(string(s.store.objects[key]), "hive_prod", "hive_dr"))
		}
		if f := s.find(history.FindQuery{Criteria: history.Criteria{ConnectionName: "hive_prod"}}); len(f.Assets) != 2 || len(f.Assets[0].Backups) != 2 {
			t.Errorf("%v", found(f))
		}
		if f := s.find(history.FindQuery{Criteria: history.Criteria{ConnectionName: "hive_dr"}}); len(f.Assets) != 0 {
			t.Errorf("%v", found(f))
		}
	})

	t.Run("names_what_a_newer_version_wrote", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		all := days(2, things...)
		all[0].state = vault.StateUnsupported
		for _, d := range all {
			s.write(d)
		}
		f := s.find(history.FindQuery{Criteria: history.Criteria{ConnectionName: "hive_prod"}})
		if len(f.Unsearched) != 1 || f.Unsearched[0].Status != "UNSUPPORTED" || !strings.Contains(f.Unsearched[0].Reason, "was written by a newer version") {
			t.Errorf("%+v", f.Unsearched)
		}
	})

	t.Run("names_what_it_could_not_look_into", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		own, _ := keys(t)
		all := days(8, things...)
		for i, state := range []vault.State{vault.StateDamaged, vault.StateIncomplete, vault.StateUnverified, "UNREADABLE", vault.StatePartial} {
			all[i].state = state
		}
		all[4].missing = []vault.Missing{{Kind: asset.Jobs, Name: "x", Reason: "500"}}
		all[5].keys = own
		for _, d := range all {
			s.write(d)
		}
		// Damaged in the two newest: the third one proves what it was.
		s.store.objects[prefix+all[7].name+"/3_scripts/s1.script"] = []byte("{}")
		s.store.broken[prefix+all[6].name+"/3_scripts/s1.script"] = true
		f := s.find(history.FindQuery{Criteria: history.Criteria{ConnectionName: "hive_prod"}})
		want := []history.Unsearched{
			{Backup: "2026-11-08", Status: "COMPLETE", Assets: 1}, {Backup: "2026-11-07", Status: "COMPLETE", Assets: 1}, {Backup: "2026-11-06", Status: "COMPLETE"},
			{Backup: "2026-11-05", Status: "PARTIAL"}, {Backup: "2026-11-04", Status: "UNREADABLE"}, {Backup: "2026-11-03", Status: "UNVERIFIED"},
			{Backup: "2026-11-02", Status: "INCOMPLETE"}, {Backup: "2026-11-01", Status: "DAMAGED"}}
		if diff := cmp.Diff(want, f.Unsearched, cmpopts.IgnoreFields(history.Unsearched{}, "Reason")); diff != "" {
			t.Error(diff)
		}
		for _, u := range f.Unsearched {
			if u.Reason == "" {
				t.Errorf("%+v", u)
			}
		}
		if !strings.Contains(f.Unsearched[2].Reason, "backup.json") {
			t.Error(f.Unsearched[2].Reason)
		}
		// The encrypted backup is found by its document, which says so where it is the newest.
		if diff := cmp.Diff([]string{"scripts s1: 2026-11-08 2026-11-07 2026-11-06 2026-11-05", "jobs j1: 2026-11-08 2026-11-07 2026-11-06 2026-11-05"}, found(f)); diff != "" {
			t.Error(diff)
		}
		f = s.find(history.FindQuery{Criteria: history.Criteria{Text: "orders", Kind: asset.Scripts}})
		if diff := cmp.Diff([]string{"scripts s1: 2026-11-08 2026-11-07 2026-11-05"}, found(f)); diff != "" || len(f.Unsearched) != 8 {
			t.Error(diff, f.Unsearched)
		}
		s.vault = s.vault.WithKeys(own)
		f = s.find(history.FindQuery{Criteria: history.Criteria{Text: "orders", Kind: asset.Scripts}})
		if diff := cmp.Diff([]string{"scripts s1: 2026-11-08 2026-11-07 2026-11-06 2026-11-05"}, found(f)); diff != "" || len(f.Unsearched) != 7 {
			t.Error(diff, f.Unsearched)
		}
	})

	t.Run("an_encrypted_backup_without_an_identity_is_searched_by_its_document_and_by_name", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		own, _ := keys(t)
		for _, d := range days(2, things...) {
			d.keys = own
			s.write(d)
		}
		f := s.find(history.FindQuery{Criteria: history.Criteria{ClusterName: "cdm_1", Name: "j1"}})
		if diff := cmp.Diff([]string{"jobs j1: 2026-11-02 2026-11-01"}, found(f)); diff != "" || len(f.Unsearched) != 2 {
			t.Error(diff, f)
		}
		if diff := cmp.Diff([]string{`node "copy": clusterName "cdm_1" (backup.json)`, "name"}, f.Assets[0].Where); diff != "" {
			t.Error(diff)
		}
		f = s.find(history.FindQuery{Criteria: history.Criteria{Name: "j1", Kind: asset.Jobs}})
		if diff := cmp.Diff([]string{"jobs j1: 2026-11-02 2026-11-01"}, found(f)); diff != "" || len(f.Unsearched) != 0 {
			t.Error(diff, f.Unsearched)
		}
		if f = s.find(history.FindQuery{Criteria: history.Criteria{Name: "ORDERS_DAY"}}); len(f.Assets) != 0 || len(f.Unsearched) != 2 {
			t.Errorf("%+v", f)
		}
	})

	t.Run("shows_hostile_text_cut_and_on_one_line", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		long := strings.Repeat("界", 5000) + "\x00needle\t\x1b[31m" + strings.Repeat("<", 5000)
		var lines []string
		for range 50_000 {
			lines = append(lines, "needle")
		}
		s.write(days(1, script(`"><script>`, "x", long), script("many", "x", strings.Join(lines, "\n")), script("odd", "x", "İİİ\nKneedle\n\xff\xfeneedle"))[0])
		f := s.find(history.FindQuery{Criteria: history.Criteria{Text: "NEEDLE"}})
		if len(f.Assets) != 3 {
			t.Fatal(found(f))
		}
		for _, a := range f.Assets {
			for _, where := range a.Where {
				if strings.ContainsAny(where, "\x00\x1b\n\t") || len([]rune(where)) > 220 {
					t.Errorf("%q", where)
				}
				if !strings.Contains(where, "needle") && !strings.HasPrefix(where, "and ") {
					t.Errorf("%q", where)
				}
			}
		}
		if many := f.Assets[slices.IndexFunc(f.Assets, func(a history.Found) bool { return a.Name == "many" })]; len(many.Where) != 6 || many.Where[4] != "line 5: needle" || many.Where[5] != "and 49995 more" {
			t.Errorf("%v", many.Where)
		}
	})

	t.Run("goes_on_among_the_variables_of_one_list", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		s.write(dayModel{name: "2026-11-01", state: vault.StateComplete, things: []thing{env("C", "", "A", "", "B", ""), script("s", "x", "")}})
		s.write(dayModel{name: "2026-11-02", state: vault.StateComplete, things: []thing{env("B", "", "A", ""), script("s", "x", "")}})
		s.write(dayModel{name: "2026-11-03", state: vault.StateComplete, things: []thing{env("B", "2"), script("s", "x", "")}})
		s.store.objects[prefix+"2026-11-03/1_env/env.json"] = []byte("{}")
		q := history.FindQuery{Criteria: history.Criteria{Name: "*"}, Limit: 1}
		var got []string
		faults := 0
		for range 4 {
			f := s.find(q)
			got, q.After, faults = append(got, found(f)...), f.Next, faults+len(f.Unsearched)
		}
		want := []string{"env A: 2026-11-02 2026-11-01", "env B: 2026-11-02 2026-11-01", "env C: 2026-11-01", "scripts s: 2026-11-03 2026-11-02 2026-11-01"}
		if diff := cmp.Diff(want, got); diff != "" || q.After != "" || faults != 1 {
			t.Errorf("%s %q, %d faults", diff, q.After, faults)
		}
	})

	t.Run("one_name_may_be_of_several_kinds_and_one_time_of_several_assets", func(t *testing.T) {
		t.Parallel()
		own, other := keys(t)
		s := newShelf(t)
		dated := func(x thing) thing { x.at = ago(1); return x }
		for i, k := range []vault.Keys{other, own} {
			s.write(dayModel{name: fmt.Sprintf("2026-11-%02d", 2-i), state: vault.StateComplete, keys: k,
				things: []thing{dated(script("a", "x", "needle")), dated(script("b", "x", "no")), dated(job("a", nil, node{"n", "X", []property{{"p", "Needle"}}}))}})
		}
		s.vault = s.vault.WithKeys(own)
		// The newer backup is encrypted to somebody else. That its definitions are those of the older one is not taken for granted: it tells by itself.
		f := s.find(history.FindQuery{Criteria: history.Criteria{Text: "needle"}})
		if diff := cmp.Diff([]string{"scripts a: 2026-11-01", "jobs a: 2026-11-01"}, found(f)); diff != "" || len(f.Unsearched) != 1 {
			t.Error(diff, f.Unsearched)
		}
	})

	t.Run("a_cursor_of_another_hand_is_refused", func(t *testing.T) {
		t.Parallel()
		f, err := history.Find(t.Context(), s.vault, history.FindQuery{Criteria: history.Criteria{Name: "*"}, Limit: 1}, history.Options{})
		if err != nil || f.Next == "" || f.Complete {
			t.Fatal(f, err)
		}
		for _, q := range []history.FindQuery{
			{Criteria: history.Criteria{Name: "s*"}, After: f.Next}, {Criteria: history.Criteria{Name: "*"}, After: f.Next[1:]},
			{Criteria: history.Criteria{Name: "*"}, After: "e30"}, {Criteria: history.Criteria{Name: "*"}, After: "../.."}, {Criteria: history.Criteria{Name: "*"}, After: "2026-11-01"},
		} {
			if _, err := history.Find(t.Context(), s.vault, q, history.Options{}); !errors.Is(err, history.ErrCursor) {
				t.Errorf("%q: %v", q.After, err)
			}
		}
	})

	t.Run("a_backup_that_came_or_went_between_two_answers_does_no_harm", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		for _, d := range days(4, things...) {
			s.write(d)
		}
		q := history.FindQuery{Criteria: history.Criteria{Name: "s?"}, Limit: 1, Backups: 3}
		f := s.find(q)
		q.After = f.Next
		s.write(days(5, things...)[4])
		for key := range s.store.objects {
			if strings.HasPrefix(key, prefix+"2026-11-02/") {
				delete(s.store.objects, key)
			}
		}
		if g := s.find(q); f.Assets[0].Name != "s1" || !slices.Equal(found(g), []string{"scripts s2: 2026-11-04 2026-11-03"}) || !g.Complete {
			t.Error(found(f), found(g), g.Complete)
		}
		for key := range s.store.objects {
			delete(s.store.objects, key)
		}
		if g := s.find(q); len(g.Assets) != 0 || !g.Complete {
			t.Errorf("%+v", g)
		}
	})

	t.Run("looks_at_more_backups_than_are_held_against_each_other_at_a_time", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		var want []string
		for i := range 90 {
			d := dayModel{name: time.Date(2026, 8, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), state: vault.StateComplete,
				things: []thing{script("always", "hive", "orders"), script("s", "hive", []string{"orders", "nothing"}[i/7%2])}}
			if i == 40 {
				d.state = vault.StateDamaged
			} else if i/7%2 == 0 {
				want = append([]string{d.name}, want...)
			}
			s.write(d)
		}
		s.store.reset()
		q := history.FindQuery{Criteria: history.Criteria{Text: "orders"}}
		f := s.find(q)
		if len(f.Assets) != 2 || len(f.Assets[0].Backups) != 89 || !slices.Equal(f.Assets[1].Backups, want) || f.Assets[1].First != want[len(want)-1] || f.Assets[1].Last != want[0] {
			t.Error(found(f))
		}
		if n := s.store.reads("3_scripts"); n != 3 || f.Searched.Backups != 90 || len(f.Unsearched) != 1 {
			t.Errorf("%d reads, %+v, %+v", n, f.Searched, f.Unsearched)
		}
		q.Limit = 1
		var pages []*history.Findings
		for {
			g := s.find(q)
			pages = append(pages, g)
			if q.After = g.Next; g.Complete {
				break
			}
		}
		if diff := cmp.Diff(merged(f), merged(pages...)); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("ends_when_its_time_does_and_goes_on", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newShelf(t)
			for i, d := range days(10) {
				if i == 3 {
					d.state = vault.StateDamaged
				}
				for i := range 500 {
					d.things = append(d.things, script(fmt.Sprintf("s%03d", i), "hive", fmt.Sprint("orders ", i)))
				}
				s.write(d)
			}
			q := history.FindQuery{Criteria: history.Criteria{Text: "ORDERS"}}
			want := merged(s.find(q))
			s.store.delay = time.Second / 2
			for _, limits := range []struct{ until, end, most time.Duration }{{15 * time.Second, time.Hour, 17 * time.Second}, {time.Hour, 15 * time.Second, 15 * time.Second}} {
				var pages []*history.Findings
				for {
					begun := time.Now()
					ctx, cancel := context.WithTimeout(t.Context(), limits.end)
					f, err := history.Find(ctx, s.vault, q, history.Options{Until: begun.Add(limits.until)})
					cancel()
					if err != nil {
						t.Fatal(err)
					}
					if took := time.Since(begun); took > limits.most {
						t.Errorf("an answer after %s", took)
					}
					pages = append(pages, f)
					if q.After = f.Next; f.Complete {
						break
					}
				}
				if diff := cmp.Diff(want, merged(pages...)); diff != "" || len(pages) < 2 {
					t.Errorf("%d answers: %s", len(pages), diff)
				}
			}
			if s.store.most > 2+16 {
				t.Errorf("%d reads at one time", s.store.most)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			q.After = ""
			if f, err := history.Find(ctx, s.vault, q, history.Options{}); err == nil {
				t.Errorf("an answer without any time: %+v", f)
			}
		})
	})
}

// merged puts answers that belong together into one, by asset and by backup.
func merged(pages ...*history.Findings) map[string][]string {
	all := map[string][]string{}
	for _, f := range pages {
		for _, a := range f.Assets {
			id := fmt.Sprintf("%s %s %s", a.Kind, a.Directory, a.Name)
			all[id] = append(all[id], a.Backups...)
		}
		for _, u := range f.Unsearched {
			id := fmt.Sprintf("unsearched %s %v", u.Backup, u.Assets == 0)
			all[id] = append(all[id], slices.Repeat([]string{"x"}, max(1, u.Assets))...)
		}
	}
	return all
}

// TestFind_Random holds searches of random histories against a scan of everything in them.
func TestFind_Random(t *testing.T) {
	t.Parallel()
	own, other := keys(t)
	rapid.Check(t, func(t *rapid.T) {
		s := newShelf(t)
		names := []string{"s", "s1", "a/b", "表", "*", "?", `"`, "<b>"}
		connections := []string{"hive", "hive2", "HIVE", "表", "*"}
		texts := []string{"", "select 1", "SELECT\n2", "drop", "表 Ü"}
		type item struct {
			kind             asset.Kind
			name, conn, text string
		}
		type model struct {
			name  string
			items map[item]bool
			tells bool
		}
		var models []model
		current := map[asset.Ref]item{}
		versions, version := map[asset.Ref]int{}, 0
		n := rapid.IntRange(1, 6).Draw(t, "days")
		for i := range n {
			for range rapid.IntRange(0, 4).Draw(t, "changes") {
				version++
				it := item{rapid.SampledFrom([]asset.Kind{asset.Env, asset.Scripts, asset.Jobs}).Draw(t, "kind"), rapid.SampledFrom(names).Draw(t, "name"),
					rapid.SampledFrom(connections).Draw(t, "connection"), rapid.SampledFrom(texts).Draw(t, "text")}
				r := asset.Ref{Kind: it.kind, Name: it.name}
				if versions[r] = version; rapid.IntRange(0, 3).Draw(t, "remove") == 0 {
					delete(current, r)
				} else {
					current[r] = it
				}
			}
			d := dayModel{name: fmt.Sprintf("2026-10-%02d", i+1), state: rapid.SampledFrom([]vault.State{vault.StateComplete, vault.StateComplete, vault.StatePartial, vault.StateDamaged}).Draw(t, "state")}
			m := model{d.name, map[item]bool{}, d.state != vault.StateDamaged}
			var variables []string
			for r, it := range current {
				m.items[it] = true
				var x thing
				switch it.kind {
				case asset.Env:
					variables = append(variables, it.name, it.text)
					continue
				case asset.Scripts:
					x = script(it.name, it.conn, it.text)
				default:
					x = job(it.name, nil, node{"n", "HiveSQL", []property{{"connectionName", it.conn}, {"sql", it.text}}})
				}
				x.at = ago(versions[r])
				d.things = append(d.things, x)
			}
			d.things = append(d.things, env(variables...))
			if rapid.IntRange(0, 2).Draw(t, "sealed") == 0 {
				d.keys = own
				if rapid.IntRange(0, 3).Draw(t, "closed") == 0 {
					d.keys, m.tells = other, false
				}
			}
			s.write(d)
			models = append(models, m)
		}
		s.vault = s.vault.WithKeys(own)
		globs := append(slices.Clone(names), "*", "s*", "??", "a?b", "")
		q := history.FindQuery{Backups: rapid.IntRange(0, n).Draw(t, "backups")}
		q.Name = rapid.SampledFrom(globs).Draw(t, "byName")
		q.ConnectionName = rapid.SampledFrom([]string{"", "", "hive", "hive*", "?", "x"}).Draw(t, "byConnection")
		q.Text = rapid.SampledFrom([]string{"", "", "SELECT", "1", "ü", "t\n2"}).Draw(t, "byText")
		q.Kind = rapid.SampledFrom([]asset.Kind{"", asset.Env, asset.Jobs}).Draw(t, "byKind")

		glob := func(pattern, text string) bool {
			expr := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
			return regexp.MustCompile("(?s)^(" + expr + ")$").MatchString(text)
		}
		want := map[string][]string{}
		for i, m := range slices.Backward(models) {
			if q.Backups > 0 && i < n-q.Backups {
				break
			}
			for it := range m.items {
				text := it.text
				if it.kind == asset.Env {
					text = it.name
				}
				if m.tells && (q.Kind == "" || q.Kind == it.kind) && (q.Name == "" || glob(q.Name, it.name)) &&
					(q.Text == "" || strings.Contains(strings.ToLower(text), strings.ToLower(q.Text))) && (q.ConnectionName == "" || it.kind != asset.Env && glob(q.ConnectionName, it.conn)) {
					id := fmt.Sprintf("%s %s", it.kind, it.name)
					want[id] = append(want[id], m.name)
				}
			}
		}
		closed := map[string]bool{} // what a closed backup is found to hold is right, but not all
		for _, m := range models {
			closed[m.name] = !m.tells
		}
		union := func(pages ...*history.Findings) map[string][]string {
			all := map[string][]string{}
			for _, f := range pages {
				for _, a := range f.Assets {
					for _, b := range a.Backups {
						if !closed[b] {
							id := fmt.Sprintf("%s %s", a.Kind, a.Name)
							all[id] = append(all[id], b)
						}
					}
				}
			}
			return all
		}
		whole := s.find(q)
		if diff := cmp.Diff(want, union(whole)); diff != "" || !whole.Complete {
			t.Fatalf("%+v: %s", q, diff)
		}
		q.Limit = rapid.IntRange(0, 2).Draw(t, "limit")
		seconds := rapid.IntRange(0, 4).Draw(t, "seconds")
		opts := history.Options{Now: ticking()}
		var pages []*history.Findings
		for range 500 {
			if seconds > 0 {
				opts.Until = opts.Now().Add(time.Duration(seconds) * time.Second)
			}
			f, err := history.Find(context.Background(), s.vault, q, opts)
			if err != nil {
				t.Fatal(err)
			}
			if q.Limit > 0 && len(f.Assets) > q.Limit {
				t.Fatalf("%d assets, limit %d", len(f.Assets), q.Limit)
			}
			pages = append(pages, f)
			if q.After = f.Next; f.Complete {
				break
			}
		}
		if diff := cmp.Diff(merged(whole), merged(pages...)); diff != "" || q.After != "" {
			t.Fatalf("%+v in %d answers: %s", q, len(pages), diff)
		}
	})
}
