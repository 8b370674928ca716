package restore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/compare"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// live compares the desk's backup with a workspace.
func (d *desk) live(workspace string, opts compare.Options) (*compare.Comparison, error) {
	d.t.Helper()
	return d.liveIn(d.t.Context(), workspace, d.Factory.Workspace(workspace), opts)
}

func (d *desk) liveIn(ctx context.Context, id string, workspace restore.Workspace, opts compare.Options) (*compare.Comparison, error) {
	d.t.Helper()
	b, err := vault.New(d.Store, localtest.Bucket, "backups/"+localtest.Workspace).WithKeys(d.keys).Folder(day).Open(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return restore.CompareLive(ctx, b, workspace, restore.LiveOptions{Target: id, Locations: d.options().Locations, Page: opts})
}

func (d *desk) mustLive(opts compare.Options) *compare.Comparison {
	d.t.Helper()
	c, err := d.live(localtest.Workspace, opts)
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

func told(c *compare.Comparison) (all []string) {
	for _, i := range c.Items {
		all = append(all, fmt.Sprintf("%s %s %s", i.Change, i.Kind, i.Name))
	}
	return all
}

func TestCompareLive_TellsWhatTheWorkspaceHasOtherwise(t *testing.T) {
	t.Parallel()
	d := newDesk(t, with(dataarts.Scripts, shell("same", "a"), shell("text", "select 1\nfrom a\n"), shell("gone", "a")),
		with(dataarts.Jobs, sqlJob("job", "select 1"), sqlJob("kept", "select 1")),
		with(dataarts.Env, []byte(variables(variable("kept", "1"), variable("secret", "hush")))))
	unchanged := d.mustLive(compare.Options{})
	if len(unchanged.Items) > 0 || unchanged.Counts != (compare.Counts{Unchanged: 7}) || unchanged.CountedBy != compare.ByDefinitions {
		t.Errorf("nothing has changed: %+v", unchanged)
	}
	d.putAll(dataarts.Scripts, shell("text", "select 2\nfrom a\n"), shell("new", "b"))
	d.putAll(dataarts.Jobs, sqlJob("job", "select 2"), sqlJob("newer", "select 1"))
	d.putAll(dataarts.Env, []byte(variables(variable("kept", "1"), variable("secret", "quiet"), variable("come", "1"))))
	d.Handle(localtest.Workspace).Delete(dataarts.Scripts, "gone")
	d.DataArts.ResetCalls()
	c := d.mustLive(compare.Options{})
	want := []string{"removed scripts gone", "changed env secret", "changed scripts text", "changed jobs job", "added env come", "added scripts new", "added jobs newer"}
	if diff := cmp.Diff(want, told(c)); diff != "" {
		t.Fatal(diff)
	}
	if c.Counts != (compare.Counts{Added: 3, Changed: 3, Removed: 1, Unchanged: 3}) || len(c.Remarks) > 0 || c.Total != 7 {
		t.Errorf("%+v", c)
	}
	fromBackup := []compare.Change{{Field: "content", To: "lines of text: 1 added, 1 removed", Diff: "--- backup\n+++ live\n@@ -1,2 +1,2 @@\n-select 1\n+select 2\n from a\n"}}
	if diff := cmp.Diff(fromBackup, c.Items[2].Changes); diff != "" {
		t.Error(diff)
	}
	if changes := c.Items[3].Changes; !slices.Equal(changes, []compare.Change{{Field: "nodes[0].properties[0].value", From: `"select 1"`, To: `"select 2"`}}) {
		t.Errorf("from the backup to the workspace: %+v", changes)
	}
	text, err := json.Marshal(c)
	if err != nil || strings.Contains(string(text), "hush") || strings.Contains(string(text), "quiet") || !slices.Equal(c.Items[1].Changes, []compare.Change{{Field: "value"}}) {
		t.Errorf("%s", text)
	}
	if d.Writes() > 0 {
		t.Errorf("%d writes", d.Writes())
	}
	if n := d.DataArts.CallCounts()[dataarts.ListConnections] + d.DataArts.CallCounts()[dataarts.ShowJobStatus]; n > 0 {
		t.Errorf("%d calls that only a restore needs", n)
	}
	d.DataArts.ResetCalls()
	if one := d.mustLive(compare.Options{Kind: asset.Scripts, Change: compare.Added}); !slices.Equal(told(one), []string{"added scripts new"}) || one.Counts.Unchanged != 1 {
		t.Errorf("one kind: %+v", one)
	}
	if calls := d.DataArts.CallCounts(); calls[dataarts.ListJobs]+calls[dataarts.ListResources]+calls[dataarts.ShowFactoryEnv] > 0 {
		t.Errorf("calls for kinds that are not compared: %v", calls)
	}
	var pages []string
	for opts := (compare.Options{Limit: 2}); ; {
		page := d.mustLive(opts)
		pages = append(pages, told(page)...)
		if opts.After = page.Next; opts.After == "" {
			break
		}
	}
	if !slices.Equal(pages, want) {
		t.Errorf("page by page: %q", pages)
	}
}

func TestCompareLive_OfManyAssetsCostsListingsExportsAndSamples(t *testing.T) {
	t.Parallel()
	d := newDesk(t, crowd(300, 300, 10))
	d.stir()
	d.DataArts.ResetCalls()
	c := d.mustLive(compare.Options{Limit: 1000})
	if c.Counts != (compare.Counts{Added: 1, Changed: 11, Removed: 2, Unchanged: 597}) {
		t.Errorf("%+v %q", c.Counts, told(c))
	}
	calls := d.DataArts.CallCounts()
	for op, most := range map[dataarts.Operation]int{dataarts.ListScripts: 4, dataarts.ListResources: 2, dataarts.ListJobs: 6, dataarts.ExportJobList: 5, dataarts.ShowFactoryEnv: 1,
		dataarts.ShowScript: 60, dataarts.ShowJob: 60, dataarts.ShowResource: 10} {
		if calls[op] > most {
			t.Errorf("%s: %d calls, want %d at most", op, calls[op], most)
		}
		delete(calls, op)
	}
	if len(calls) > 0 {
		t.Errorf("other calls: %v", calls)
	}
}

func TestCompareLive_OfAnotherWorkspace(t *testing.T) {
	t.Parallel()
	d := newDesk(t, with(dataarts.Scripts, shell("s", "a")))
	if err := with(dataarts.Jobs, sqlJob("theirs", "x"))(d.Handle(localtest.Other)); err != nil {
		t.Fatal(err)
	}
	c, err := d.live(localtest.Other, compare.Options{})
	if err != nil || !slices.Equal(told(c), []string{"removed scripts s", "added jobs theirs"}) || len(c.Remarks) != 1 || !strings.Contains(c.Remarks[0], localtest.Other) {
		t.Errorf("%+v %v", c, err)
	}
	_, err = d.live("nowhere", compare.Options{})
	if refusal, ok := errors.AsType[*restore.Refusal](err); !ok || !strings.Contains(refusal.Error(), "does not exist") {
		t.Errorf("%v", err)
	}
}

func TestCompareLive_LooksAtTheFilesOfResources(t *testing.T) {
	t.Parallel()
	c := localtest.New(t)
	if err := c.Objects.CreateBucket("files"); err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) {
		if err := c.Objects.PutObject("files", name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	jar := func(name string) []byte {
		return fmt.Appendf(nil, `{"name":%q,"type":"jar","location":"obs://files/%s","directory":"/"}`, name, name)
	}
	for _, name := range []string{"same", "changed", "gone"} {
		put(name, "1")
	}
	d := newDeskIn(t, c, vault.Keys{}, with(dataarts.Resources, jar("same"), jar("changed"), jar("gone"), jar("come")))
	put("changed", "22")
	put("come", "333")
	if err := c.Objects.DeleteObject("files", "gone"); err != nil {
		t.Fatal(err)
	}
	got := d.mustLive(compare.Options{})
	if !slices.Equal(told(got), []string{"changed resources changed", "changed resources come", "changed resources gone"}) {
		t.Fatalf("%+v", got)
	}
	for i, want := range []compare.Change{{Field: "file obs://files/changed", From: "1 bytes", To: "2 bytes"}, {Field: "file obs://files/come", To: "3 bytes"},
		{Field: "file obs://files/gone", From: "1 bytes"}} {
		if !slices.Equal(got.Items[i].Changes, []compare.Change{want}) {
			t.Errorf("%+v", got.Items[i])
		}
	}
}

func TestCompareLive_DoesNotPassOffWhatIsUnknown(t *testing.T) {
	t.Parallel()
	d := newDesk(t, with(dataarts.Scripts, shell("s", "a"), shell("unlisted", "a")), with(dataarts.Jobs, sqlJob("fine", "x"), sqlJob("broken", "x")))
	d.putAll(dataarts.Jobs, sqlJob("broken", "y"))
	d.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowJob && strings.HasSuffix(r.URL.Path, "/broken") {
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.3051","error_msg":"it cannot be read"}`}
		}
		return nil
	})
	c, err := d.liveIn(t.Context(), localtest.Workspace, forgetful{d.Factory.Workspace(localtest.Workspace)}, compare.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told(c), []string{"unknown scripts unlisted", "unknown jobs broken"}) || c.Counts != (compare.Counts{Unknown: 2, Unchanged: 2}) {
		t.Fatalf("%+v", c)
	}
	if !strings.Contains(c.Items[0].Reason, "not listed") || !strings.Contains(c.Items[1].Reason, "it cannot be read") ||
		!slices.Equal(c.Remarks, []string{"the workspace claims 2 scripts and lists 1: of those that are not listed nothing is known"}) {
		t.Errorf("%+v", c)
	}
}

// forgetful is a workspace that claims more scripts than it lists.
type forgetful struct{ restore.Workspace }

func (f forgetful) List(ctx context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error) {
	listing, err := f.Workspace.List(ctx, kind, func(r factory.Row) error {
		if r.Ref.Name == "unlisted" {
			return nil
		}
		return fn(r)
	})
	if kind == asset.Scripts {
		listing.Unique--
	}
	return listing, err
}

func TestCompareLive_OfAnEncryptedBackup(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	d := newDeskWith(t, ring(t, nil, id), with(dataarts.Scripts, shell("s", "secret 1\nsame\n")))
	d.putAll(dataarts.Scripts, shell("s", "secret 2\nsame\n"))
	_, err := d.live(localtest.Workspace, compare.Options{})
	if refusal, ok := errors.AsType[*restore.Refusal](err); !ok || !strings.Contains(refusal.Error(), "RESTORE_IDENTITY") {
		t.Errorf("without the identity: %v", err)
	}
	d.keys = ring(t, id)
	c := d.mustLive(compare.Options{})
	if len(c.Items) != 1 || !slices.Equal(c.Items[0].Changes, []compare.Change{{Field: "content", To: "lines of text: 1 added, 1 removed"}}) {
		t.Errorf("%+v", c)
	}
}

func TestCompareLive_EndsWithItsTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t, with(dataarts.Scripts, shell("s", "a")))
	ctx, cancel := context.WithCancel(t.Context())
	d.DataArts.Intercept(func(*http.Request, dataarts.Operation) *dataarts.Fault { cancel(); return nil })
	if c, err := d.liveIn(ctx, localtest.Workspace, d.Factory.Workspace(localtest.Workspace), compare.Options{}); err == nil || ctx.Err() == nil {
		t.Errorf("%+v", c)
	}
}
