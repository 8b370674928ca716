package compare_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/compare"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

const before, after = "2026-11-21", "2026-11-22"

var plain vault.Keys

// backups compares two, which must be possible.
func backups(t *testing.T, from, to *vault.Backup, opts compare.Options) *compare.Comparison {
	t.Helper()
	c, err := compare.Backups(t.Context(), from, to, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// lines are the items in short: "changed scripts a".
func lines(c *compare.Comparison) []string {
	all := []string{}
	for _, i := range c.Items {
		all = append(all, fmt.Sprintf("%s %s %s", i.Change, i.Kind, i.Name))
	}
	return all
}

func wantLines(t *testing.T, c *compare.Comparison, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), lines(c)); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
}

func wantCounts(t *testing.T, c *compare.Comparison, want compare.Counts) {
	t.Helper()
	if c.Counts != want {
		t.Errorf("counts %+v, want %+v", c.Counts, want)
	}
}

func TestBackups_TellsWhatHasBecomeOfEveryAsset(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	a := s.take(before, plain, nil, env("kept=1", "new value=2", "gone=3"), resource("/jars", "udf", "1"), script("same", "select 1"), script("changed", "select 1\nfrom a").changed(1, "ada"),
		script("removed", "x").changed(2, "bob"), job("both", "old"))
	b := s.take(after, plain, nil, env("kept=1", "new value=9", "come=4"), resource("/jars", "udf", "22"), script("same", "select 1").changed(3, "eve"),
		script("changed", "select 2\nfrom a").changed(4, "eve"), script("added", "y"), job("both", "new"))
	c := backups(t, a, b, compare.Options{})
	wantLines(t, c, "removed env gone", "removed scripts removed", "changed env new value", "changed resources udf", "changed scripts changed", "changed jobs both",
		"added env come", "added scripts added")
	wantCounts(t, c, compare.Counts{Added: 2, Changed: 4, Removed: 2, Unchanged: 2})
	if c.Total != 8 || c.Next != "" || !c.Complete || c.CountedBy != compare.ByManifests || len(c.Remarks) != 0 {
		t.Errorf("%+v", c)
	}
	text := c.Items[4]
	want := []compare.Change{{Field: "content", To: "lines of text: 1 added, 1 removed", Diff: "--- 2026-11-21\n+++ 2026-11-22\n@@ -1,2 +1,2 @@\n-select 1\n+select 2\n from a\n\\ No newline at end of file\n"}}
	if diff := cmp.Diff(want, text.Changes); diff != "" || text.By != "eve" || text.At == nil || text.At.Hour() != 4 {
		t.Errorf("%+v %s", text, diff)
	}
	if removed := c.Items[1]; removed.By != "bob" || removed.At.Hour() != 2 {
		t.Errorf("who changed it last before it was removed: %+v", removed)
	}
	if both := c.Items[5]; both.Directory != "/ods" || !slices.Equal(both.Changes, []compare.Change{{Field: "description", From: `"old"`, To: `"new"`}}) {
		t.Errorf("%+v", both)
	}
	if udf := c.Items[3]; len(udf.Changes) != 1 || udf.Changes[0].Field != "file "+jar || !strings.HasPrefix(udf.Changes[0].From, "1 bytes") || !strings.HasPrefix(udf.Changes[0].To, "2 bytes") {
		t.Errorf("a file under the same definition: %+v", udf)
	}
	back := backups(t, b, a, compare.Options{})
	wantLines(t, back, "removed env come", "removed scripts added", "changed env new value", "changed resources udf", "changed scripts changed", "changed jobs both",
		"added env gone", "added scripts removed")
	wantCounts(t, back, compare.Counts{Added: 2, Changed: 4, Removed: 2, Unchanged: 2})
	if both := back.Items[5]; !slices.Equal(both.Changes, []compare.Change{{Field: "description", From: `"new"`, To: `"old"`}}) {
		t.Errorf("the other way round: %+v", both)
	}
	all, err := json.Marshal(c)
	if err != nil || strings.Contains(string(all), `"9"`) || strings.Contains(string(all), `\"9\"`) {
		t.Errorf("the value of a variable is told: %s %v", all, err)
	}
	if changes := c.Items[2].Changes; !slices.Equal(changes, []compare.Change{{Field: "value"}}) {
		t.Errorf("%+v", changes)
	}
}

func TestBackups_ReadsOnlyWhatDiffersOnThePage(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	old, now := []content{env("a=1")}, []content{env("a=1")}
	for i := range 20 {
		old = append(old, script(fmt.Sprintf("s%02d", i), "x"))
		now = append(now, script(fmt.Sprintf("s%02d", i), fmt.Sprint("x", i/10)))
	}
	a, b := s.take(before, plain, nil, old...), s.take(after, plain, nil, now...)
	if c := backups(t, a, a, compare.Options{}); c.Total != 0 || s.read() != 0 {
		t.Errorf("%d reads of a backup that is compared with itself: %+v", s.read(), c)
	}
	c := backups(t, a, b, compare.Options{Limit: 3})
	if len(c.Items) != 3 || c.Total != 20 || c.Next == "" || s.read() != 6 {
		t.Errorf("%d reads for 3 items: %v", s.read(), lines(c))
	}
	s.open(before, plain)
	if c := backups(t, a, b, compare.Options{Change: compare.Added}); c.Total != 0 || s.read() != 0 {
		t.Errorf("%d reads of what nobody asked for: %+v", s.read(), c)
	}
}

func TestBackups_OfWhatMeansTheSame(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	a := s.take(before, plain, nil, job("j", "d"))
	spelled := job("j", "d")
	spelled.text = strings.Replace(spelled.text, `"directory":"/ods"`, `"directory":"/ods/"`, 1)
	c := backups(t, a, s.take(after, plain, nil, spelled), compare.Options{})
	wantLines(t, c, "same jobs j")
	wantCounts(t, c, compare.Counts{Changed: 1}) // by the manifests, as CountedBy says
	if i := c.Items[0]; i.Reason == "" || len(i.Changes) > 0 || c.CountedBy != compare.ByManifests {
		t.Errorf("%+v", i)
	}
}

func TestBackups_OfVariablesInAnotherOrderTellsNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	c := backups(t, s.take(before, plain, nil, env("a=1", "b=2")), s.take(after, plain, nil, env("b=2", "a=1")), compare.Options{})
	wantLines(t, c)
	wantCounts(t, c, compare.Counts{Unchanged: 2})
}

func TestBackups_TellsOfRenames(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	moved := func(name string) content {
		c := resource("/jars", name, "")
		c.text = `{"type":"jar","location":"hdfs:///x"}`
		return c
	}
	c := backups(t, s.take(before, plain, nil, moved("old")), s.take(after, plain, nil, moved("new")), compare.Options{})
	wantLines(t, c, "removed resources old", "added resources new")
	if c.Items[0].RenamedTo != "/jars/new" || c.Items[1].RenamedFrom != "/jars/old" || c.Items[0].RenamedFrom != "" {
		t.Errorf("%+v", c.Items)
	}
}

func TestBackups_NarrowsDown(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	a := s.take(before, plain, nil, env("Orders=1"), script("ODS_orders", "1"), script("dim", "1"), job("orders_daily", "1"), job("gone_orders", "1"), job("same", "1"))
	b := s.take(after, plain, nil, env("Orders=2"), script("ODS_orders", "2"), script("dim", "2"), job("orders_daily", "2"), job("same", "1"))
	for name, test := range map[string]struct {
		opts   compare.Options
		want   []string
		counts compare.Counts
	}{
		"by_a_part_of_the_name_in_either_case": {compare.Options{Query: "oRDERs"},
			[]string{"removed jobs gone_orders", "changed env Orders", "changed scripts ODS_orders", "changed jobs orders_daily"}, compare.Counts{Changed: 4, Removed: 1, Unchanged: 1}},
		"by_kind":           {compare.Options{Kind: asset.Scripts}, []string{"changed scripts ODS_orders", "changed scripts dim"}, compare.Counts{Changed: 2}},
		"by_what_happened":  {compare.Options{Change: compare.Removed}, []string{"removed jobs gone_orders"}, compare.Counts{Changed: 4, Removed: 1, Unchanged: 1}},
		"by_all_of_them":    {compare.Options{Kind: asset.Jobs, Change: compare.Changed, Query: "daily"}, []string{"changed jobs orders_daily"}, compare.Counts{Changed: 1, Removed: 1, Unchanged: 1}},
		"to_what_is_not":    {compare.Options{Query: "%"}, nil, compare.Counts{Changed: 4, Removed: 1, Unchanged: 1}},
		"to_variables_only": {compare.Options{Kind: asset.Env}, []string{"changed env Orders"}, compare.Counts{Changed: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			c := backups(t, a, b, test.opts)
			wantLines(t, c, test.want...)
			wantCounts(t, c, test.counts)
			if c.Total != len(test.want) {
				t.Errorf("total %d", c.Total)
			}
		})
	}
}

func TestBackups_ThatAreEncrypted(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	keys := func(recipient, identity string) vault.Keys {
		var recipients []string
		if recipient != "" {
			recipients = []string{recipient}
		}
		k, err := vault.ParseKeys(recipients, identity)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	s := newShelf(t)
	own, blind, wrong := keys(id.Recipient().String(), id.String()), keys(id.Recipient().String(), ""), keys("", stranger.String())
	connected := func(hour int, text, connection string) content {
		c := script("secret", text).changed(hour, "eve")
		c.text = strings.Replace(c.text, `"directory"`, fmt.Sprintf(`"connectionName":%q,"directory"`, connection), 1)
		return c
	}
	s.take(before, own, nil, env("password=1"), connected(1, "select 'hush'\nfrom a", "old"), script("calm", "x").changed(1, ""), script("sure", "x").changed(1, ""))
	s.take(after, own, nil, env("password=22"), connected(2, "select 'quiet'\nfrom a", "new"), script("calm", "x").changed(1, ""), script("sure", "x").changed(2, ""))

	t.Run("with_the_identity_fields_come_and_no_text", func(t *testing.T) {
		c := backups(t, s.open(before, own), s.open(after, own), compare.Options{})
		wantLines(t, c, "changed env password", "changed scripts secret", "same scripts sure")
		wantCounts(t, c, compare.Counts{Changed: 3, Unchanged: 1})
		want := []compare.Change{{Field: "connectionName", From: `"old"`, To: `"new"`}, {Field: "content", To: "lines of text: 1 added, 1 removed"}}
		if diff := cmp.Diff(want, c.Items[1].Changes); diff != "" {
			t.Error(diff)
		}
	})
	for name, k := range map[string]vault.Keys{"without_the_identity": blind, "with_the_identity_of_somebody_else": wrong} {
		t.Run(name+"_the_manifests_tell_and_nothing_is_read", func(t *testing.T) {
			a, b := s.open(before, k), s.open(after, k)
			c := backups(t, a, b, compare.Options{})
			wantLines(t, c, "changed env env", "changed scripts secret", "changed scripts sure")
			wantCounts(t, c, compare.Counts{Changed: 3, Unchanged: 1})
			for _, i := range c.Items {
				if len(i.Changes) > 0 || !strings.Contains(i.Reason, "RESTORE_IDENTITY") || strings.Contains(i.Reason, "AGE-SECRET") {
					t.Errorf("%+v", i)
				}
			}
			if s.read() != 0 || len(c.Remarks) != 1 || !strings.Contains(c.Remarks[0], "RESTORE_IDENTITY") {
				t.Errorf("%d reads, %q", s.read(), c.Remarks)
			}
		})
	}
}

func TestBackups_OfTwoWorkspaces(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	own, err := vault.ParseKeys([]string{id.Recipient().String()}, id.String())
	if err != nil {
		t.Fatal(err)
	}
	production := func(m *vault.Manifest) { m.Workspace.ID = "ws2" }
	t.Run("the_same_moment_proves_nothing", func(t *testing.T) {
		c := backups(t, s.take("2026-11-01", plain, nil, script("a", "1").changed(1, ""), script("b", "1").changed(1, "")),
			s.take("2026-11-02", plain, production, script("a", "2").changed(1, ""), script("b", "1").changed(2, "")), compare.Options{})
		wantLines(t, c, "changed scripts a")
		if len(c.Remarks) != 1 || !strings.Contains(c.Remarks[0], "ws1 and ws2") {
			t.Errorf("%q", c.Remarks)
		}
	})
	t.Run("encrypted_ones_are_unknown_until_they_are_read", func(t *testing.T) {
		c := backups(t, s.take("2026-11-03", own, nil, script("a", "1").changed(1, ""), script("b", "1").changed(1, "")),
			s.take("2026-11-04", own, production, script("a", "2").changed(1, ""), script("b", "1").changed(2, "")), compare.Options{})
		wantLines(t, c, "changed scripts a", "same scripts b")
		wantCounts(t, c, compare.Counts{Unknown: 2})
	})
}

func TestBackups_OfWhichOneIsPartialTakeNothingForRemovedThatWasNotRead(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	a := s.take(before, plain, nil, env("v=1"), script("unread", "1"), script("gone", "1"), job("j", "1"), resource("/", "r", ""))
	b := s.take(after, plain, func(m *vault.Manifest) {
		m.Status = vault.Partial
		m.Missing = []vault.Missing{{Kind: asset.Scripts, Name: "unread", Directory: "/", Reason: "status 500"}, {Kind: asset.Jobs, Count: 1, Reason: "2 claimed, 1 listed"},
			{Kind: asset.Env, Reason: "status 403"}}
		m.Unsupported = []vault.Unsupported{{Kind: asset.Resources, Reason: "404"}}
	})
	c := backups(t, a, b, compare.Options{})
	wantLines(t, c, "removed scripts gone", "unknown env env", "unknown resources r", "unknown scripts unread", "unknown jobs j")
	for i, want := range []string{"", "status 403", "404", "status 500", "2 claimed"} {
		if !strings.Contains(c.Items[i].Reason, want) {
			t.Errorf("%+v", c.Items[i])
		}
	}
	if len(c.Remarks) != 1 || !strings.Contains(c.Remarks[0], "PARTIAL") {
		t.Errorf("%q", c.Remarks)
	}
	c = backups(t, b, a, compare.Options{})
	wantLines(t, c, "unknown env env", "unknown resources r", "unknown scripts unread", "unknown jobs j", "added scripts gone")
}

func TestBackups_NamesWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	a := s.take(before, plain, nil, env("v=1"), script("broken", "1"), script("fine", "1"))
	b := s.take(after, plain, nil, env("v=2"), script("broken", "2"), script("fine", "2"))
	key := "backups/" + before + "/3_scripts/broken.script"
	if err := s.cloud.Objects.PutObject("dataarts-backup", key, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	c := backups(t, a, b, compare.Options{Kind: asset.Scripts})
	wantLines(t, c, "changed scripts broken", "changed scripts fine")
	if c.Items[0].Reason == "" || len(c.Items[0].Changes) > 0 || len(c.Items[1].Changes) != 1 {
		t.Errorf("%+v", c.Items)
	}
	s.refuse(func(key string) error {
		if strings.HasSuffix(key, "env.json") {
			return errors.New("denied")
		}
		return nil
	})
	c = backups(t, a, b, compare.Options{Kind: asset.Env})
	wantLines(t, c, "changed env env")
	if !strings.Contains(c.Items[0].Reason, "denied") {
		t.Errorf("%+v", c.Items)
	}
}

func TestBackups_ThatTheConsoleWroteAreReadBeforeTheyCountAsChanged(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	a := s.take(before, plain, nil, script("same", "1"), script("changed", "1"), script("removed", "1"))
	put := func(key, text string) {
		if _, err := s.cloud.Store.Put(t.Context(), "backups/"+after+"/"+key, []byte(text), store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	put("backup.json", `{}`)
	put("3_scripts/same.script", strings.Replace(script("same", "1").text, "{", `{"id":7,"modifyTime":1,`, 1))
	put("3_scripts/changed.script", script("changed", "2").text)
	b, err := vault.New(s.cloud.Store, "dataarts-backup", "backups").Folder(after).OpenForeign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := backups(t, a, b, compare.Options{})
	wantLines(t, c, "removed scripts removed", "changed scripts changed", "same scripts same")
	wantCounts(t, c, compare.Counts{Removed: 1, Unknown: 2})
	if len(c.Remarks) != 1 || !strings.Contains(c.Remarks[0], "unverified") {
		t.Errorf("%q", c.Remarks)
	}
}

func TestBackups_WithHostileNames(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	names := []string{`<script>alert(1)</script>`, `../../manifest`, "line\nbreak", `"quoted"`, "作业", "%2F", "a/b", "..", strings.Repeat("长", 128)}
	var old, now []content
	variables := func(value string) content {
		var all []map[string]string
		for _, n := range names {
			all = append(all, map[string]string{"name": n, "value": value})
		}
		text, err := json.Marshal(map[string]any{"params": all})
		if err != nil {
			t.Fatal(err)
		}
		return content{ref: asset.Ref{Kind: asset.Env, Name: asset.EnvName}, text: string(text)}
	}
	old, now = append(old, variables("1")), append(now, variables("2"))
	hostile := func(name, text string) content {
		c := script(name, text)
		quoted, err := json.Marshal(map[string]string{"name": name, "type": "Shell", "content": text})
		if err != nil {
			t.Fatal(err)
		}
		c.text = string(quoted)
		return c
	}
	for _, n := range names {
		old, now = append(old, hostile(n, "1")), append(now, hostile(n, "2"))
	}
	a, b := s.take(before, plain, nil, old...), s.take(after, plain, nil, now...)
	seen := map[string]int{}
	for opts := (compare.Options{Limit: 1}); ; {
		c := backups(t, a, b, opts)
		for _, i := range c.Items {
			seen[string(i.Kind)+i.Name]++
			if len(i.Changes) != 1 {
				t.Errorf("%+v", i)
			}
		}
		if opts.After = c.Next; opts.After == "" {
			break
		}
	}
	for _, n := range names {
		if seen["env"+n] != 1 || seen["scripts"+n] != 1 {
			t.Errorf("%q: %d, %d", n, seen["env"+n], seen["scripts"+n])
		}
	}
}

func TestBackups_EndsAPageThatGetsTooLarge(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	var old, now []content
	for i := range 12 {
		old, now = append(old, job(fmt.Sprintf("j%02d", i), "old")), append(now, job(fmt.Sprintf("j%02d", i), strings.Repeat("<", 150)))
	}
	a, b := s.take(before, plain, nil, old...), s.take(after, plain, nil, now...)
	var all []string
	pages := 0
	for opts := (compare.Options{Size: 3000}); ; pages++ {
		c := backups(t, a, b, opts)
		text, err := json.MarshalIndent(c.Items, "  ", "  ")
		if err != nil || len(text) > 3500 || len(c.Items) == 0 || c.Total != 12 || c.Complete != (c.Next == "") {
			t.Fatalf("%d bytes, %+v %v", len(text), c, err)
		}
		all = append(all, lines(c)...)
		if opts.After = c.Next; opts.After == "" {
			break
		}
	}
	if len(all) != 12 || pages < 2 || !slices.IsSorted(all) {
		t.Errorf("%d pages: %q", pages, all)
	}
	if c := backups(t, a, b, compare.Options{Size: 1}); len(c.Items) != 1 {
		t.Errorf("one that is too large by itself: %+v", c)
	}
}

func TestBackups_EndsAPageWhenTimeIsOver(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	var old, now []content
	for i := range 9 {
		old, now = append(old, script(fmt.Sprintf("s%d", i), "1")), append(now, script(fmt.Sprintf("s%d", i), "2"))
	}
	a, b := s.take(before, plain, nil, old...), s.take(after, plain, nil, now...)
	stopAt := func(key string) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		s.refuse(func(k string) error {
			if strings.HasSuffix(k, key) {
				cancel()
			}
			return nil
		})
		return ctx, cancel
	}
	ctx, cancel := stopAt("/s5.script")
	defer cancel()
	c, err := compare.Backups(ctx, a, b, compare.Options{Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	wantLines(t, c, "changed scripts s0", "changed scripts s1", "changed scripts s2", "changed scripts s3", "changed scripts s4")
	if c.Complete || c.Next == "" || c.Total != 9 {
		t.Errorf("%+v", c)
	}
	s.refuse(nil)
	c = backups(t, a, b, compare.Options{After: c.Next})
	wantLines(t, c, "changed scripts s5", "changed scripts s6", "changed scripts s7", "changed scripts s8")
	if !c.Complete || c.Next != "" {
		t.Errorf("%+v", c)
	}
	ctx, cancel = stopAt("/s0.script")
	defer cancel()
	if c, err := compare.Backups(ctx, a, b, compare.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("nothing could be told: %+v %v", c, err)
	}
}

func TestBackups_OfTenThousandAssets(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	a, b := s.take(before, plain, nil), s.take(after, plain, nil)
	for i := range 10_000 {
		ref := asset.Ref{Kind: asset.Jobs, Name: fmt.Sprintf("j%05d", i), Directory: "/"}
		one := vault.Asset{Kind: ref.Kind, Name: ref.Name, Directory: "/", Key: ref.Key(), ContentSHA256: vault.Hash([]byte(ref.Name))}
		a.Manifest.Assets = append(a.Manifest.Assets, one)
		if i%2 == 0 {
			b.Manifest.Assets = append(b.Manifest.Assets, one)
		}
	}
	seen := 0
	for opts := (compare.Options{Limit: 1000}); ; {
		c := backups(t, a, b, opts)
		wantCounts(t, c, compare.Counts{Removed: 5000, Unchanged: 5000})
		for _, i := range c.Items {
			if i.Name != fmt.Sprintf("j%05d", 2*seen+1) {
				t.Fatalf("%s is item %d", i.Name, seen)
			}
			seen++
		}
		if opts.After = c.Next; opts.After == "" {
			break
		}
	}
	if seen != 5000 || s.read() != 0 {
		t.Errorf("%d items, %d reads", seen, s.read())
	}
}

func TestCheckNext(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	a, b := s.take(before, plain, nil, script("a", "1"), script("b", "1")), s.take(after, plain, nil)
	next := backups(t, a, b, compare.Options{Limit: 1}).Next
	if err := compare.CheckNext(next); err != nil {
		t.Errorf("%q: %v", next, err)
	}
	for _, text := range []string{"x", "{}", next + "A", next[:len(next)-3], "bnVsbA", http.StatusText(200), "eyJyIjowfQ"} {
		if err := compare.CheckNext(text); err == nil {
			t.Errorf("%q is taken", text)
		}
		if _, err := compare.Backups(t.Context(), a, b, compare.Options{After: text}); err == nil {
			t.Errorf("%q is followed", text)
		}
	}
}

// TestManifests_AnyTwo holds for all manifests: one compared with itself is unchanged; compared the other way round, what was added is removed; every asset
// is told of once.
func TestManifests_AnyTwo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := manifests(t, "a"), manifests(t, "b")
		if s := compare.Manifests(a, a); len(s.Unchanged) != len(a.Assets) || len(s.Added)+len(s.Removed)+len(s.Changed)+len(s.Unknown)+len(s.Renamed) > 0 {
			t.Fatalf("compared with itself: %+v", s)
		}
		there, back := compare.Manifests(a, b), compare.Manifests(b, a)
		names := func(assets []vault.Asset) (all []string) {
			for _, a := range assets {
				all = append(all, a.Ref().Identity().String())
			}
			slices.Sort(all)
			return all
		}
		pairs := func(list []compare.Pair, of func(compare.Pair) vault.Asset) (all []string) {
			for _, p := range list {
				all = append(all, of(p).Ref().Identity().String())
			}
			slices.Sort(all)
			return all
		}
		from, to := func(p compare.Pair) vault.Asset { return p.From }, func(p compare.Pair) vault.Asset { return p.To }
		for what, two := range map[string][2][]string{
			"added":        {names(there.Added), names(back.Removed)},
			"removed":      {names(there.Removed), names(back.Added)},
			"changed":      {pairs(there.Changed, to), pairs(back.Changed, from)},
			"unknown":      {pairs(there.Unknown, to), pairs(back.Unknown, from)},
			"unchanged":    {pairs(there.Unchanged, to), pairs(back.Unchanged, from)},
			"renamed to":   {pairs(there.Renamed, to), pairs(back.Renamed, from)},
			"renamed from": {pairs(there.Renamed, from), pairs(back.Renamed, to)},
		} {
			if !slices.Equal(two[0], two[1]) {
				t.Fatalf("%s: %q, and the other way round %q", what, two[0], two[1])
			}
		}
		if told := len(there.Added) + len(there.Changed) + len(there.Unknown) + len(there.Unchanged) + len(there.Renamed); told != len(b.Assets) {
			t.Fatalf("%d of %d assets are told of", told, len(b.Assets))
		}
		if told := len(there.Removed) + len(there.Changed) + len(there.Unknown) + len(there.Unchanged) + len(there.Renamed); told != len(a.Assets) {
			t.Fatalf("%d of %d assets are told of", told, len(a.Assets))
		}
	})
}

// manifests draws a manifest.
func manifests(t *rapid.T, label string) *vault.Manifest {
	m := &vault.Manifest{Workspace: vault.Workspace{ID: rapid.SampledFrom([]string{"ws1", "ws1", "ws2"}).Draw(t, label+" workspace")}}
	encrypted := rapid.IntRange(0, 3).Draw(t, label+" encrypted") == 0 && m.Workspace.ID == "ws1"
	for _, ref := range []asset.Ref{{Kind: asset.Env, Name: "env"}, {Kind: asset.Resources, Name: "r", Directory: "/a"}, {Kind: asset.Resources, Name: "r", Directory: "/b"},
		{Kind: asset.Scripts, Name: "s"}, {Kind: asset.Jobs, Name: "i", Directory: "/x"}, {Kind: asset.Jobs, Name: "j", Directory: "/y"}} {
		if !rapid.Bool().Draw(t, label+" has "+ref.String()) {
			continue
		}
		text := rapid.SampledFrom([]string{"1", "2", "33"}).Draw(t, label+" content")
		a := vault.Asset{Kind: ref.Kind, Name: ref.Name, Directory: ref.Directory, Key: ref.Key(), Size: int64(len(text)), SHA256: vault.Hash([]byte(text)), ContentSHA256: vault.Hash([]byte(text))}
		if encrypted {
			a.Key, a.ContentSHA256 = a.Key+".age", ""
		}
		if hour := rapid.IntRange(0, 2).Draw(t, label+" hour"); hour > 0 {
			at(&a, hour)
		}
		if ref.Kind == asset.Resources && rapid.Bool().Draw(t, label+" file") {
			a.Files = []vault.File{{Location: jar, Key: rapid.SampledFrom([]string{"", a.Key + "x"}).Draw(t, label+" key"), Size: 1,
				ContentSHA256: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, label+" file's content")}}
		}
		m.Assets = append(m.Assets, a)
	}
	return m
}
