package backup_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// one fills the workspace with a single script: enough where it matters what other backups there are.
func (n *night) one() *night {
	n.t.Helper()
	if err := n.Handle(localtest.Workspace).Put(dataarts.Scripts, []byte(`{"name":"s","type":"Shell","content":"x"}`)); err != nil {
		n.t.Fatal(err)
	}
	return n
}

func TestRun_IsNotStoppedByADamagedEarlierBackup(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]struct{ key, content string }{
		"a typing error in backup.json":    {"backup.json", "{oops"},
		"an empty backup.json":             {"backup.json", ""},
		"a manifest that is no JSON":       {"manifest.json", "{oops"},
		"a manifest of another run":        {"manifest.json", "{}"},
		"a manifest from a newer version":  {"manifest.json", `{"formatVersion":99}`},
		"a backup.json of a newer version": {"backup.json", `{"formatVersion":99}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNight(t).one()
			for _, day := range []string{"2026-11-21", "2026-11-22"} {
				if _, err := n.run(day); err != nil {
					t.Fatal(err)
				}
			}
			if err := n.Objects.PutObject(localtest.Bucket, "backups/2026-11-22/"+damage.key, []byte(damage.content)); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct{ day, before string }{{"2026-11-23", "2026-11-21"}, {"2026-11-24", "2026-11-23"}} {
				res, err := n.run(c.day)
				if err != nil || res.Status != vault.Complete {
					t.Fatalf("%s: %+v %v", c.day, res, err)
				}
				want := "obs://dataarts-backup/backups/" + c.before + "/manifest.json"
				if p := n.open(c.day).Manifest.Previous; p == nil || p.Path != want || p.SHA256 != n.open(c.before).ManifestSHA256 {
					t.Errorf("%s: the newest backup before it that can be trusted is %s, it names %+v", c.day, c.before, p)
				}
			}
		})
	}
}

func TestRun_WithNothingToTrustBeforeItNamesNoPreviousBackup(t *testing.T) {
	t.Parallel()
	n := newNight(t).one()
	if _, err := n.run(day); err != nil {
		t.Fatal(err)
	}
	if err := n.Objects.PutObject(localtest.Bucket, "backups/2026-11-22/manifest.json", []byte("{oops")); err != nil {
		t.Fatal(err)
	}
	if res, err := n.run("2026-11-23"); err != nil || res.Status != vault.Complete {
		t.Fatalf("%+v %v", res, err)
	}
	if p := n.open("2026-11-23").Manifest.Previous; p != nil {
		t.Errorf("it names %+v", p)
	}
}

// readings is a workspace whose environment variables read otherwise each time; the last reading stays.
type readings struct {
	backup.Workspace
	n       atomic.Int32
	answers []string
}

func (e *readings) Env(context.Context) (json.RawMessage, error) {
	i := int(e.n.Add(1)) - 1
	return json.RawMessage(e.answers[min(i, len(e.answers)-1)]), nil
}

func (n *night) runWith(source backup.Workspace) (backup.Result, error) {
	n.t.Helper()
	return backup.Run(n.t.Context(), source, n.vault, day, backup.Options{Workspace: vault.Workspace{ID: localtest.Workspace}})
}

func TestRun_WithVariablesThatCouldNotBeGivenBackIsPartial(t *testing.T) {
	t.Parallel()
	const good = `{"params":[{"name":"a","type":"variable","value":"1"}]}`
	for name, odd := range map[string]string{
		"a variable without a name":  `{"params":[{"name":"","type":"variable","value":"1"}]}`,
		"a name that is no text":     `{"params":[{"name":7,"type":"variable","value":"1"}]}`,
		"a variable that is null":    `{"params":[{"name":"a","type":"variable","value":"1"},null]}`,
		"a list that is no list":     `{"params":{"a":"1"}}`,
		"a variable that is no more": `{"params":["a"]}`,
	} {
		for reading, answers := range map[string][]string{"the first reading": {odd}, "the second reading": {good, odd}} {
			t.Run(name+", "+reading, func(t *testing.T) {
				t.Parallel()
				n := newNight(t).one()
				res, err := n.runWith(&readings{Workspace: n.Factory.Workspace(localtest.Workspace), answers: answers})
				if err == nil || res.Status != vault.Partial || res.Counts[asset.Env] != 0 || res.Counts[asset.Scripts] != 1 {
					t.Errorf("%+v %v", res, err)
				}
				if !slices.ContainsFunc(res.Missing, func(m vault.Missing) bool { return m.Kind == asset.Env && m.Reason != "" }) {
					t.Errorf("the variables are not listed as missing: %+v", res.Missing)
				}
				if n.has("backups/2026-11-22/backup.json") {
					t.Error("committed")
				}
			})
		}
	}
}

func TestRun_TakesAListWithoutVariablesForAnEmptyOne(t *testing.T) {
	t.Parallel()
	const one = `{"params":[{"name":"a","type":"variable","value":"1"}]}`
	for name, c := range map[string]struct {
		answers []string
		count   int
		drift   bool
	}{
		"null":                 {[]string{`{"params":null}`}, 0, false},
		"no list":              {[]string{`{}`}, 0, false},
		"gone meanwhile":       {[]string{one, `{"params":null}`}, 0, true},
		"no list any more":     {[]string{one, `{}`}, 0, true},
		"appeared meanwhile":   {[]string{`{}`, one}, 1, true},
		"the same all the way": {[]string{one}, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNight(t).one()
			res, err := n.runWith(&readings{Workspace: n.Factory.Workspace(localtest.Workspace), answers: c.answers})
			if err != nil || res.Status != vault.Complete || res.Counts[asset.Env] != c.count {
				t.Fatalf("%+v %v", res, err)
			}
			drifted := slices.ContainsFunc(res.Drift, func(d vault.Drift) bool { return d.Kind == asset.Env })
			if drifted != c.drift {
				t.Errorf("drift %+v", res.Drift)
			}
			req, err := restore.ParseRequest([]byte(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true}`))
			if err != nil {
				t.Fatal(err)
			}
			report, err := restore.Run(t.Context(), req, restore.Options{
				Workspace: func(id string) restore.Workspace { return n.Factory.Workspace(id) },
				Locations: restore.Locations{Store: n.Store, Bucket: localtest.Bucket, Root: "backups/", Workspace: localtest.Workspace,
					Prefix: func(string) (string, error) { return "backups/", nil }}})
			if err != nil || report.Status != restore.Planned || len(report.Items) != 1+c.count {
				t.Errorf("it cannot be restored: %v %+v", err, report)
			}
		})
	}
}

// scripts is a workspace of which only the scripts are looked at.
type scripts struct{ backup.Workspace }

func (s scripts) List(ctx context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error) {
	if kind != asset.Scripts {
		return factory.Listing{Settled: true}, nil
	}
	return s.Workspace.List(ctx, kind, fn)
}

func TestRun_ListsToTheEndWhenTheServiceClaimsFewerThanItHas(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	w := n.Handle(localtest.Workspace)
	for i := range 250 {
		if err := w.Put(dataarts.Scripts, []byte(fmt.Sprintf(`{"name":"s%03d","type":"Shell","content":"x"}`, i))); err != nil {
			t.Fatal(err)
		}
	}
	n.DataArts.SetSwitches(func(s *dataarts.Switches) { s.TotalDelta = -150 }) // as if the total were that of the page
	res, err := n.runWith(scripts{n.Factory.Workspace(localtest.Workspace)})
	// All of it is stored, and it is not COMPLETE: totals and lists contradict each other.
	if err == nil || res.Status != vault.Partial || res.Counts[asset.Scripts] != 250 || len(res.Missing) != 1 || !strings.Contains(res.Missing[0].Reason, "one of the two is wrong") {
		t.Errorf("%v of 250 scripts: %s %v", res.Counts[asset.Scripts], res.Message, err)
	}
}

func TestRun_WithAKeyThatNoStoreTakesMissesThatAssetAlone(t *testing.T) {
	t.Parallel()
	n := newNight(t).fill()
	w := n.Handle(localtest.Workspace)
	deep := strings.Repeat("/directory", 110) // 1,100 bytes
	if err := w.Put(dataarts.Resources, []byte(`{"name":"deep","type":"jar","directory":"`+deep+`","location":"obs://libs/x.jar"}`)); err != nil {
		t.Fatal(err)
	}
	res, err := n.run(day)
	if err == nil || res.Status != vault.Partial {
		t.Fatalf("%+v %v", res, err)
	}
	if len(res.Missing) != 1 || res.Missing[0].Kind != asset.Resources || res.Missing[0].Name != "deep" || res.Missing[0].Directory != deep ||
		!strings.Contains(res.Missing[0].Reason, "1024") && !strings.Contains(res.Missing[0].Reason, "1,024") {
		t.Errorf("missing: %+v", res.Missing)
	}
	for kind, less := range map[asset.Kind]int{asset.Resources: 1, asset.Scripts: 0, asset.Jobs: 0} {
		if want := len(w.All(dataarts.Kind(kind))) - less; res.Counts[kind] != want {
			t.Errorf("%d of %d %s", res.Counts[kind], want, kind)
		}
	}
	if !n.has("backups/2026-11-22/manifest.json") || n.has("backups/2026-11-22/backup.json") {
		t.Error("a partial backup has a manifest and no commit")
	}
}

func TestRun_WithAFileWhoseKeyNoStoreTakesMissesThatResourceAlone(t *testing.T) {
	t.Parallel()
	n := newNight(t).one()
	if err := n.Objects.CreateBucket("libs"); err != nil {
		t.Fatal(err)
	}
	object := strings.Repeat("x", 250) + "/" + strings.Repeat("y", 250) + "/" + strings.Repeat("z", 250) + "/" + strings.Repeat("a", 240)
	if err := n.Objects.PutObject("libs", object, []byte("jar")); err != nil {
		t.Fatal(err)
	}
	if err := n.Handle(localtest.Workspace).Put(dataarts.Resources, []byte(`{"name":"udf","type":"jar","directory":"/a_directory","location":"obs://libs/`+object+`"}`)); err != nil {
		t.Fatal(err)
	}
	res, err := n.run(day)
	if err == nil || res.Status != vault.Partial || res.Counts[asset.Scripts] != 1 || len(res.Missing) != 1 || res.Missing[0].Name != "udf" {
		t.Errorf("%+v %v", res, err)
	}
}

// short is a workspace that claims a script more than it lists, while one that it had listed at first is gone.
type short struct{ listings int }

func (s *short) List(_ context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error) {
	if kind != asset.Scripts {
		return factory.Listing{Settled: true}, nil
	}
	s.listings++
	for _, name := range []string{"x", "y"} {
		if err := fn(factory.Row{Ref: asset.Ref{Kind: kind, Name: name}, Raw: []byte(`{"name":"` + name + `"}`)}); err != nil {
			return factory.Listing{}, err
		}
	}
	if s.listings == 1 {
		return factory.Listing{Total: 2, Unique: 2, Settled: true}, nil
	}
	return factory.Listing{Total: 2, Unique: 1}, nil // "x" was seen in an earlier pass, and is not part of the total any more
}

func (s *short) Get(_ context.Context, ref asset.Ref, _ string) (json.RawMessage, error) {
	return json.RawMessage(`{"name":"` + ref.Name + `"}`), nil
}

func (s *short) Export(context.Context, []string, func(string, json.RawMessage) error) error {
	return nil
}

func (s *short) Env(context.Context) (json.RawMessage, error) {
	return json.RawMessage(`{"params":[]}`), nil
}

func TestRun_BelievesTheListingThatSomethingIsMissing(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	res, err := n.runWith(&short{})
	if err == nil || res.Status != vault.Partial {
		t.Fatalf("%+v %v", res, err)
	}
	if len(res.Missing) != 1 || res.Missing[0].Kind != asset.Scripts || res.Missing[0].Count != 1 {
		t.Errorf("missing: %+v", res.Missing)
	}
}
