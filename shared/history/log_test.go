package history_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/history"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// said is what a log says, without what a case does not look at.
func said(l *history.Log) (lines []string) {
	for _, e := range l.Entries {
		line := e.Backup + " " + e.Change
		if e.Before != "" {
			line += " since " + e.Before
		}
		lines = append(lines, line)
	}
	return lines
}

func (s *shelf) log(q history.LogQuery) *history.Log {
	s.t.Helper()
	l, err := history.ReadLog(context.Background(), s.vault, q, history.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

func at(t thing, n int, by string) thing {
	t.at, t.by = ago(n), by
	return t
}

func TestLog(t *testing.T) {
	t.Parallel()
	own, other := keys(t)
	a, b := script("s", "hive", "select 1"), script("s", "hive", "select 2")
	whole := func(name string, things ...thing) dayModel {
		return dayModel{name: name, state: vault.StateComplete, things: things}
	}
	sealed := func(k vault.Keys, d dayModel) dayModel { d.keys = k; return d }
	q := history.LogQuery{Asset: ref(asset.Scripts, "s")}
	list := history.LogQuery{Asset: asset.Ref{Kind: asset.Env}}
	variable := history.LogQuery{Asset: asset.Ref{Kind: asset.Env, Name: "DAY"}}
	jar := history.LogQuery{Asset: asset.Ref{Kind: asset.Resources, Name: "udf", Directory: "/x/"}}
	resource := func(dir, location string) thing {
		return thing{ref: asset.Ref{Kind: asset.Resources, Name: "udf", Directory: dir}, text: `{"name":"udf","location":"` + location + `"}`}
	}
	for name, c := range map[string]struct {
		days  []dayModel
		query history.LogQuery
		keys  vault.Keys
		want  []string
	}{
		"added_changed_removed_and_added_again": {query: q, want: []string{
			"2026-11-06 added since 2026-11-05", "2026-11-05 removed since 2026-11-04", "2026-11-04 changed since 2026-11-03", "2026-11-02 added since 2026-11-01"},
			days: []dayModel{whole("2026-11-01"), whole("2026-11-02", a), whole("2026-11-03", a), whole("2026-11-04", b), whole("2026-11-05"), whole("2026-11-06", b)}},
		"the_oldest_backup_does_not_say_that_it_was_added_then": {query: q, want: []string{"2026-11-01 first"}, days: []dayModel{whole("2026-11-01", a), whole("2026-11-02", a)}},
		"one_that_never_was_has_no_entry":                       {query: q, days: []dayModel{whole("2026-11-01"), whole("2026-11-02")}},
		"folders_that_do_not_tell_are_named_and_passed_over": {query: q, want: []string{
			"2026-11-07 unknown", "2026-11-06 changed since 2026-11-01", "2026-11-05 unknown", "2026-11-04 unknown", "2026-11-03 unknown", "2026-11-02 unknown", "2026-11-01 first"},
			days: []dayModel{whole("2026-11-01", a), {name: "2026-11-02", state: vault.StateDamaged, things: []thing{a}}, {name: "2026-11-03", state: vault.StateIncomplete, things: []thing{b}},
				{name: "2026-11-04", state: vault.StateUnverified}, {name: "2026-11-05", state: "UNREADABLE", things: []thing{b}}, whole("2026-11-06", b), {name: "2026-11-07", state: vault.StateDamaged}}},
		"a_folder_that_does_not_tell_hides_no_sameness": {query: q, want: []string{"2026-11-02 unknown", "2026-11-01 first"},
			days: []dayModel{whole("2026-11-01", a), {name: "2026-11-02", state: vault.StateDamaged}, whole("2026-11-03", a)}},
		"a_partial_backup_tells_of_what_it_has": {query: q, want: []string{"2026-11-02 changed since 2026-11-01", "2026-11-01 first"},
			days: []dayModel{whole("2026-11-01", a), {name: "2026-11-02", state: vault.StatePartial, things: []thing{b}, missing: []vault.Missing{{Kind: asset.Jobs, Name: "j"}}}}},
		"what_a_partial_backup_misses_was_not_removed": {query: q, want: []string{"2026-11-02 unknown", "2026-11-01 first"},
			days: []dayModel{whole("2026-11-01", a), {name: "2026-11-02", state: vault.StatePartial, missing: []vault.Missing{{Kind: asset.Scripts, Name: "s", Reason: "500"}}}, whole("2026-11-03", a)}},
		"nor_was_what_it_may_miss": {query: q, want: []string{"2026-11-02 unknown", "2026-11-01 first"},
			days: []dayModel{whole("2026-11-01", a), {name: "2026-11-02", state: vault.StatePartial, missing: []vault.Missing{{Kind: asset.Scripts, Count: 3, Reason: "unlisted"}}}}},
		"nor_what_may_be_missing_without_a_name": {query: q, want: []string{"2026-11-02 unknown", "2026-11-01 first"},
			days: []dayModel{whole("2026-11-01", a), {name: "2026-11-02", state: vault.StatePartial}}},
		"a_partial_backup_that_misses_something_else_tells_that_it_was_removed": {query: q, want: []string{"2026-11-02 removed since 2026-11-01", "2026-11-01 first"},
			days: []dayModel{whole("2026-11-01", a), {name: "2026-11-02", state: vault.StatePartial, missing: []vault.Missing{{Kind: asset.Scripts, Name: "other"}}}}},
		"a_kind_that_the_region_does_not_offer_was_not_removed": {query: variable, want: []string{"2026-11-02 unknown", "2026-11-01 first"},
			days: []dayModel{whole("2026-11-01", env("DAY", "1")), {name: "2026-11-02", state: vault.StateComplete, unsupported: []vault.Unsupported{{Kind: asset.Env, Reason: "404"}}}}},
		"another_spelling_of_the_same_moment_is_no_change": {query: q, want: []string{"2026-11-01 first"},
			days: []dayModel{whole("2026-11-01", at(a, 1, "x")), whole("2026-11-02", at(b, 1, "x"))}},
		"a_resource_is_one_in_its_directory": {query: jar, want: []string{"2026-11-03 changed since 2026-11-02", "2026-11-02 added since 2026-11-01"},
			days: []dayModel{whole("2026-11-01", resource("/", "obs://a")), whole("2026-11-02", resource("/", "obs://b"), resource("/x", "obs://a")), whole("2026-11-03", resource("/x", "obs://c"))}},
		"a_variable_has_a_history_of_its_own": {query: variable, want: []string{"2026-11-05 removed since 2026-11-04", "2026-11-04 changed since 2026-11-03", "2026-11-02 added since 2026-11-01"},
			days: []dayModel{whole("2026-11-01", env("A", "1")), whole("2026-11-02", env("A", "1", "DAY", "1")), whole("2026-11-03", env("DAY", "1", "A", "2")), whole("2026-11-04", env("DAY", "2")), whole("2026-11-05", env())}},
		"their_list_has_one": {query: list, want: []string{"2026-11-03 changed since 2026-11-02", "2026-11-01 first"},
			days: []dayModel{whole("2026-11-01", env("A", "1")), whole("2026-11-02", env("A", "1")), whole("2026-11-03", env("A", "2"))}},
		"of_encrypted_assets_the_time_decides": {query: q, want: []string{"2026-11-03 changed since 2026-11-02", "2026-11-01 first"},
			days: []dayModel{sealed(own, whole("2026-11-01", at(a, 1, ""))), sealed(own, whole("2026-11-02", at(a, 1, ""))), sealed(own, whole("2026-11-03", at(b, 2, "")))}},
		"encrypted_ones_without_a_time_and_of_one_size_are_not_passed_off_as_unchanged": {query: list, want: []string{"2026-11-02 unknown since 2026-11-01", "2026-11-01 first"},
			days: []dayModel{sealed(own, whole("2026-11-01", env("A", "1"))), sealed(own, whole("2026-11-02", env("A", "2")))}},
		"unless_they_can_be_read": {query: list, keys: own, want: []string{"2026-11-03 changed since 2026-11-02", "2026-11-01 first"},
			days: []dayModel{sealed(own, whole("2026-11-01", env("A", "1"))), sealed(own, whole("2026-11-02", env("A", "1"))), sealed(own, whole("2026-11-03", env("A", "2")))}},
		"another_size_is_a_change": {query: list, want: []string{"2026-11-02 changed since 2026-11-01", "2026-11-01 first"},
			days: []dayModel{sealed(own, whole("2026-11-01", env("A", "1"))), sealed(own, whole("2026-11-02", env("A", "22222")))}},
		"but_not_for_other_recipients": {query: list, want: []string{"2026-11-02 unknown since 2026-11-01", "2026-11-01 first"},
			days: []dayModel{sealed(own, whole("2026-11-01", env("A", "1"))), sealed(other, whole("2026-11-02", env("A", "22222")))}},
		"the_night_from_which_on_everything_is_encrypted": {query: list, keys: own, want: []string{"2026-11-01 first"},
			days: []dayModel{whole("2026-11-01", env("A", "1")), sealed(own, whole("2026-11-02", env("A", "1")))}},
		"that_night_without_an_identity": {query: list, want: []string{"2026-11-02 unknown since 2026-11-01", "2026-11-01 first"},
			days: []dayModel{whole("2026-11-01", env("A", "1")), sealed(own, whole("2026-11-02", env("A", "1")))}},
		"an_encrypted_variable_without_an_identity": {query: variable, want: []string{"2026-11-02 unknown", "2026-11-01 first"},
			days: []dayModel{whole("2026-11-01", env("DAY", "1")), sealed(own, whole("2026-11-02", env("DAY", "1")))}},
		"an_encrypted_variable": {query: variable, keys: own, want: []string{"2026-11-03 changed since 2026-11-02", "2026-11-01 first"},
			days: []dayModel{whole("2026-11-01", env("DAY", "1")), sealed(own, whole("2026-11-02", env("DAY", "1"))), sealed(own, whole("2026-11-03", env("DAY", "2")))}},
		"an_empty_location": {query: q},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			for _, d := range c.days {
				s.write(d)
			}
			s.vault = s.vault.WithKeys(c.keys)
			l := s.log(c.query)
			if diff := cmp.Diff(c.want, said(l)); diff != "" {
				t.Error(diff)
			}
			if !l.Complete || l.Next != "" || l.Searched.Backups != len(c.days) || l.Searched.Total != len(c.days) {
				t.Errorf("%+v", l)
			}
			for _, e := range l.Entries {
				if (e.Change == history.Unknown) != (e.Reason != "") && e.Change != history.First {
					t.Errorf("%+v", e)
				}
			}
			if strings.Contains(asJSON(t, l), "value") {
				t.Errorf("a value: %s", asJSON(t, l))
			}
		})
	}

	t.Run("says_who_when_and_where", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		one, two := at(a, 1, ""), at(b, 2, "alice")
		one.own = "owner"
		s.write(whole("2026-11-01", one))
		s.write(whole("2026-11-02", two))
		s.write(whole("2026-11-02T120000"))
		want := []history.Entry{
			{Backup: "2026-11-02T120000", Path: "obs://bucket/nightly/2026-11-02T120000/", Status: "COMPLETE", Change: "removed", Key: "3_scripts/s.script", Before: "2026-11-02"},
			{Backup: "2026-11-02", Path: "obs://bucket/nightly/2026-11-02/", Status: "COMPLETE", Change: "changed", By: "alice", At: ago(2), Key: "3_scripts/s.script", Before: "2026-11-01"},
			{Backup: "2026-11-01", Path: "obs://bucket/nightly/2026-11-01/", Status: "COMPLETE", Change: "first", By: "owner", At: ago(1), Key: "3_scripts/s.script"},
		}
		if diff := cmp.Diff(want, s.log(q).Entries); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("reads_manifests_alone_and_of_a_variable_each_content_once", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		for i := range 20 {
			s.write(whole(fmt.Sprintf("2026-10-%02d", i+1), a, env("DAY", fmt.Sprint(i/10))))
		}
		s.store.reset()
		s.log(q)
		if m, d, all := s.store.reads("manifest.json"), s.store.reads("backup.json"), s.store.reads(""); m != 20 || d != 20 || all != 40 {
			t.Errorf("%d manifests and %d documents, %d reads", m, d, all)
		}
		s.store.reset()
		s.log(variable)
		if n := s.store.reads("env.json"); n != 2 {
			t.Errorf("%d reads of env.json", n)
		}
		if s.store.most > 2 {
			t.Errorf("%d reads at one time", s.store.most)
		}
	})

	t.Run("a_damaged_list_of_variables_is_named", func(t *testing.T) {
		t.Parallel()
		s := newShelf(t)
		s.write(whole("2026-11-01", env("DAY", "1")))
		s.write(whole("2026-11-02", env("DAY", "2")))
		s.write(whole("2026-11-03", env("DAY", "1")))
		s.store.objects[prefix+"2026-11-02/1_env/env.json"] = []byte("{}")
		if diff := cmp.Diff([]string{"2026-11-02 unknown", "2026-11-01 first"}, said(s.log(variable))); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("ends_when_its_time_does_and_goes_on", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newShelf(t)
			for i := range 20 {
				s.write(whole(fmt.Sprintf("2026-10-%02d", i+1), at(script("s", "hive", fmt.Sprint(i/3)), i/3, "")))
			}
			want := said(s.log(q))
			s.store.delay = time.Second
			var got []string
			pages := 0
			for after := ""; ; pages++ {
				begun := time.Now()
				l, err := history.ReadLog(t.Context(), s.vault, history.LogQuery{Asset: q.Asset, After: after}, history.Options{Until: begun.Add(10 * time.Second)})
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begun); took > 15*time.Second {
					t.Errorf("an answer after %s", took)
				}
				got = append(got, said(l)...)
				if after = l.Next; l.Complete {
					break
				}
			}
			if diff := cmp.Diff(want, got); diff != "" || pages < 3 {
				t.Errorf("%d pages: %s", pages, diff)
			}
			got = nil
			for after := ""; ; {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				l, err := history.ReadLog(ctx, s.vault, history.LogQuery{Asset: q.Asset, After: after}, history.Options{})
				cancel()
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, said(l)...)
				if after = l.Next; l.Complete {
					break
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("with the context: %s", diff)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
			defer cancel()
			if l, err := history.ReadLog(ctx, s.vault, q, history.Options{}); err == nil {
				t.Errorf("an answer without any time: %+v", l)
			}
		})
	})
}

// TestLog_Random holds logs of random histories against an oracle that has the history itself.
func TestLog_Random(t *testing.T) {
	t.Parallel()
	own, _ := keys(t)
	rapid.Check(t, func(t *rapid.T) {
		s := newShelf(t)
		type told struct {
			name  string
			tells bool
			has   *thing
			open  bool // not encrypted
		}
		var model []told
		n := rapid.IntRange(0, 9).Draw(t, "days")
		name := rapid.SampledFrom([]string{"s", "a/b", `"\`, "表 1", "<script>", "%2F", ".."}).Draw(t, "name")
		version := 0
		for i := range n {
			d := dayModel{name: fmt.Sprintf("2026-10-%02d", i+1)}
			d.state = rapid.SampledFrom([]vault.State{vault.StateComplete, vault.StateComplete, vault.StateComplete, vault.StatePartial, vault.StateDamaged, vault.StateIncomplete}).Draw(t, "state")
			m := told{name: d.name, tells: d.state == vault.StateComplete || d.state == vault.StatePartial, open: true}
			if rapid.IntRange(0, 3).Draw(t, "change") == 0 {
				version++
			}
			if rapid.IntRange(0, 4).Draw(t, "there") > 0 {
				it := script(name, "hive", fmt.Sprint(version))
				if rapid.Bool().Draw(t, "dated") {
					it.at = ago(version)
				}
				d.things, m.has = []thing{it}, &it
			} else if d.state == vault.StatePartial {
				d.missing = []vault.Missing{{Kind: asset.Scripts, Name: name, Reason: "500"}}
				m.tells = rapid.Bool().Draw(t, "other")
				if m.tells {
					d.missing[0].Name += "x"
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "sealed") == 0 {
				d.keys, m.open = own, false
			}
			s.write(d)
			model = append(model, m)
		}
		var want []string
		for i, now := range model {
			var before *told
			for j := i - 1; j >= 0 && before == nil; j-- {
				if model[j].tells {
					before = &model[j]
				}
			}
			line := ""
			switch {
			case !now.tells:
				line = " unknown"
			case before == nil && now.has != nil:
				line = " first"
			case before == nil, before.has == nil && now.has == nil:
			case before.has == nil:
				line = " added since " + before.name
			case now.has == nil:
				line = " removed since " + before.name
			case before.has.text != now.has.text:
				line = " changed since " + before.name
			}
			if line != "" {
				want = append([]string{now.name + line}, want...)
			}
		}
		s.vault = s.vault.WithKeys(own)
		q := history.LogQuery{Asset: ref(asset.Scripts, name)}
		if got := said(s.log(q)); !slices.Equal(got, want) {
			t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		q.Limit = rapid.IntRange(0, 3).Draw(t, "limit")
		opts := history.Options{Now: ticking()}
		seconds := rapid.IntRange(0, 3).Draw(t, "seconds")
		var got []string
		searched := 0
		for {
			opts.Until = time.Time{}
			if seconds > 0 {
				opts.Until = opts.Now().Add(time.Duration(seconds) * time.Second)
			}
			l, err := history.ReadLog(context.Background(), s.vault, q, opts)
			if err != nil {
				t.Fatal(err)
			}
			if q.Limit > 0 && len(l.Entries) > q.Limit {
				t.Fatalf("%d entries, limit %d", len(l.Entries), q.Limit)
			}
			got = append(got, said(l)...)
			searched += l.Searched.Backups
			if l.Complete {
				break
			}
			q.After = l.Next
		}
		if !slices.Equal(got, want) || searched != n {
			t.Fatalf("in parts, %d backups: got\n%s\nwant\n%s", searched, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
