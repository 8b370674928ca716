package backup_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

const day = "2026-11-22"

// night is a workspace and the place where its backups go.
type night struct {
	*localtest.Cloud
	t     *testing.T
	vault *vault.Vault
}

func newNight(t *testing.T) *night {
	t.Helper()
	c := localtest.New(t)
	return &night{Cloud: c, t: t, vault: vault.New(c.Store, localtest.Bucket, "backups")}
}

func (n *night) fill() *night {
	n.t.Helper()
	if err := sample.Fill(n.Handle(localtest.Workspace), sample.Options{}); err != nil {
		n.t.Fatal(err)
	}
	return n
}

func (n *night) run(name string) (backup.Result, error) {
	n.t.Helper()
	return n.runIn(n.t.Context(), name)
}

func (n *night) runIn(ctx context.Context, name string) (backup.Result, error) {
	n.t.Helper()
	return backup.Run(ctx, n.Factory.Workspace(localtest.Workspace), n.vault, name, backup.Options{
		Workspace: vault.Workspace{ID: localtest.Workspace, Name: "sales"}, ProjectID: localtest.ProjectID, Region: localtest.Region, Tool: "dataarts-backup/test",
		Lease: lease.Options{Owner: "test", TTL: 2 * time.Minute, Settle: 200 * time.Millisecond}})
}

func (n *night) open(name string) *vault.Backup {
	n.t.Helper()
	b, err := n.vault.Folder(name).Open(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return b
}

func (n *night) keys() []string {
	n.t.Helper()
	keys, err := n.Objects.Keys(localtest.Bucket, "")
	if err != nil {
		n.t.Fatal(err)
	}
	return keys
}

func (n *night) has(key string) bool {
	_, ok := n.Objects.GetObject(localtest.Bucket, key)
	return ok
}

// identity is how the emulated service names an asset.
func identity(a vault.Asset) (dataarts.Kind, string) {
	if a.Kind == asset.Resources {
		return dataarts.Resources, strings.TrimSuffix(a.Directory, "/") + "/" + a.Name
	}
	return dataarts.Kind(a.Kind), a.Name
}

func TestRun_StoresEveryAssetAsTheServiceHasIt(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	w := n.Handle(localtest.Workspace)
	for _, add := range []func(*dataarts.WorkspaceHandle) error{sample.Hard, sample.LooseNames, sample.Cycle} {
		if err := add(w); err != nil {
			t.Fatal(err)
		}
	}
	for _, dots := range []string{".", ".."} { // no address of the API can hold these
		w.Delete(dataarts.Jobs, dots)
		w.Delete(dataarts.Scripts, dots)
	}
	res, err := n.run(day)
	if err != nil || res.Status != vault.Complete {
		t.Fatalf("%+v %v", res, err)
	}
	b := n.open(day)
	if err := b.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	got := 0
	err = b.Each(t.Context(), 4, func(a vault.Asset, definition []byte) error {
		kind, id := identity(a)
		want, ok := w.Asset(kind, id)
		if !ok {
			t.Errorf("%s is in the backup only", a.Ref())
			return nil
		}
		got++
		if changes, err := rawjson.Diff(asset.Stored(a.Kind, want), definition); err != nil || len(changes) > 0 {
			t.Errorf("%s: %v %v", a.Ref(), changes, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, kind := range []dataarts.Kind{dataarts.Env, dataarts.Resources, dataarts.Scripts, dataarts.Jobs} {
		want += len(w.All(kind))
	}
	if got != want || want < 300 {
		t.Errorf("%d assets stored of %d", got, want)
	}
	for _, kind := range []asset.Kind{asset.Jobs, asset.Scripts, asset.Resources} {
		if have := len(w.All(dataarts.Kind(kind))); b.Manifest.Totals[kind] != have || b.Manifest.Counts[kind] != have || res.Counts[kind] != have {
			t.Errorf("%s: totals %d, counts %d, the workspace has %d", kind, b.Manifest.Totals[kind], b.Manifest.Counts[kind], have)
		}
	}
}

func TestRun_GivesTheSameBytesForTheSameWorkspace(t *testing.T) {
	t.Parallel()
	n := newNight(t).fill()
	if _, err := n.run(day); err != nil {
		t.Fatal(err)
	}
	if _, err := n.run("2026-11-23"); err != nil {
		t.Fatal(err)
	}
	first, second := n.open(day).Manifest, n.open("2026-11-23").Manifest
	for i, a := range first.Assets {
		if a.ContentSHA256 != second.Assets[i].ContentSHA256 {
			t.Errorf("%s has other bytes on the second day", a.Ref())
		}
	}
	if p := second.Previous; p == nil || p.SHA256 != n.open(day).ManifestSHA256 || p.Path != "obs://dataarts-backup/backups/2026-11-22/manifest.json" {
		t.Errorf("the second day names %+v as the one before", p)
	}
}

func TestRun_ForADateThatIsCompleteReportsItAndTouchesNothing(t *testing.T) {
	t.Parallel()
	n := newNight(t).fill()
	if _, err := n.run(day); err != nil {
		t.Fatal(err)
	}
	n.DataArts.ResetCalls()
	puts := n.Objects.Calls("PutObject")
	res, err := n.run(day)
	if err != nil || res.Status != vault.Complete || !strings.Contains(res.Message, "complete already") {
		t.Errorf("%+v %v", res, err)
	}
	if calls, now := len(n.DataArts.Calls()), n.Objects.Calls("PutObject"); calls > 0 || now != puts {
		t.Errorf("%d calls to the service, %d writes to the store", calls, now-puts)
	}
}

func TestRun_WithAnAssetThatCannotBeReadIsPartialAndALaterRunFinishesIt(t *testing.T) {
	t.Parallel()
	n := newNight(t).fill()
	n.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ListOmits = []string{"content"} })
	broken := ""
	for name := range n.Handle(localtest.Workspace).All(dataarts.Scripts) {
		broken = name
		break
	}
	n.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowScript && strings.HasSuffix(r.URL.Path, "/"+broken) {
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.9999","error_msg":"cannot be shown"}`}
		}
		return nil
	})
	res, err := n.run(day)
	if err == nil || res.Status != vault.Partial || len(res.Missing) != 1 || res.Missing[0].Name != broken || !strings.Contains(res.Missing[0].Reason, "DLF.9999") {
		t.Fatalf("%+v %v", res, err)
	}
	if n.has("backups/2026-11-22/backup.json") || !n.has("backups/2026-11-22/manifest.json") {
		t.Errorf("a partial backup has a manifest and no commit: %q", n.keys())
	}
	n.DataArts.Intercept(nil)
	if res, err := n.run(day); err != nil || res.Status != vault.Complete {
		t.Fatalf("%+v %v", res, err)
	}
	if err := n.open(day).Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRun_WhenTheServiceClaimsMoreThanItListsSaysHowManyAreMissing(t *testing.T) {
	t.Parallel()
	n := newNight(t).fill()
	n.DataArts.SetSwitches(func(s *dataarts.Switches) { s.TotalDelta = 2 })
	res, err := n.run(day)
	if err == nil || res.Status != vault.Partial {
		t.Fatalf("%+v %v", res, err)
	}
	for _, kind := range []asset.Kind{asset.Jobs, asset.Scripts, asset.Resources} {
		found := false
		for _, m := range res.Missing {
			found = found || (m.Kind == kind && m.Name == "" && m.Count >= 2)
		}
		if !found {
			t.Errorf("nothing is said of %s in %+v", kind, res.Missing)
		}
	}
}

func TestRun_WithoutAnEnvironmentAPISaysSoAndIsComplete(t *testing.T) {
	t.Parallel()
	n := newNight(t).fill()
	n.DataArts.SetSwitches(func(s *dataarts.Switches) { s.EnvUnsupported = true })
	res, err := n.run(day)
	if err != nil || res.Status != vault.Complete || !strings.Contains(res.Message, "no environment variables") {
		t.Fatalf("%+v %v", res, err)
	}
	if u := n.open(day).Manifest.Unsupported; len(u) != 1 || u[0].Kind != asset.Env {
		t.Errorf("%+v", u)
	}
}

func TestRun_SeesWhatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	n := newNight(t).fill()
	w := n.Handle(localtest.Workspace)
	var gone, changed string
	for name := range w.All(dataarts.Scripts) {
		if gone == "" {
			gone = name
		} else {
			changed = name
		}
	}
	done := make(chan struct{}, 1)
	done <- struct{}{}
	n.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op != dataarts.ExportJobList { // by then everything has been listed once, and the scripts have been read
			return nil
		}
		select {
		case <-done:
		default:
			return nil
		}
		raw, _ := w.Asset(dataarts.Scripts, changed)
		w.Delete(dataarts.Scripts, gone)
		_ = w.Put(dataarts.Scripts, rawjson.Set(raw, "content", []byte(`"changed"`)))
		_ = w.Put(dataarts.Scripts, []byte(`{"name":"brand_new","type":"Shell","content":"","connectionName":"c"}`))
		return nil
	})
	res, err := n.run(day)
	if err != nil || res.Status != vault.Complete {
		t.Fatalf("%+v %v", res, err)
	}
	got := map[string]string{}
	for _, d := range res.Drift {
		got[d.Name] = d.Change
	}
	if len(got) != 3 || got[gone] != "vanished" || got[changed] != "changed" || got["brand_new"] != "appeared" {
		t.Errorf("drift %v", got)
	}
	b := n.open(day)
	if err := b.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	_ = b.Each(t.Context(), 1, func(a vault.Asset, definition []byte) error {
		if a.Name == gone {
			t.Errorf("%s vanished and is in the backup", gone)
		}
		if a.Name == changed && rawjson.StringAt(definition, "content") != "changed" {
			t.Errorf("%s is stored as it was before", changed)
		}
		return nil
	})
}

func TestRun_CopiesTheFilesOfResources(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	if err := n.Objects.CreateBucket("libs"); err != nil {
		t.Fatal(err)
	}
	if err := n.Objects.PutObject("libs", "jars/a b.jar", []byte("jar")); err != nil {
		t.Fatal(err)
	}
	if err := n.Handle(localtest.Workspace).Put(dataarts.Resources, []byte(`{"name":"udf","type":"jar","directory":"/","location":"obs://libs/jars/a b.jar","dependFiles":["obs://libs/gone.jar","hdfs://ns/x.jar"]}`)); err != nil {
		t.Fatal(err)
	}
	res, err := n.run(day)
	if want := "2 files that resources point to are not copied: obs://libs/gone.jar (there is no such object in the object service of the backups), hdfs://ns/x.jar (not an object on OBS)"; err != nil || !strings.HasSuffix(res.Message, want) {
		t.Fatalf("%+v %v", res, err)
	}
	files := n.open(day).Manifest.Assets[1].Files
	text, _ := json.Marshal(files)
	if len(files) != 3 || files[0].Key != "2_resources/udf.files/libs/jars/a%20b.jar" || files[0].Size != 3 || files[1].Reason != "there is no such object in the object service of the backups" || files[2].Reason != "not an object on OBS" {
		t.Errorf("%s", text)
	}
	if data, _ := n.Objects.GetObject(localtest.Bucket, "backups/2026-11-22/"+files[0].Key); string(data) != "jar" {
		t.Errorf("the copy holds %q", data)
	}
	if err := n.open(day).Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRun_NamesTheFilesThatVanishedSinceTheBackupBefore(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	if err := n.Objects.CreateBucket("libs"); err != nil {
		t.Fatal(err)
	}
	if err := n.Objects.PutObject("libs", "z.jar", []byte("jar")); err != nil {
		t.Fatal(err)
	}
	if err := n.Handle(localtest.Workspace).Put(dataarts.Resources, []byte(`{"name":"udf","type":"jar","directory":"/","location":"obs://libs/z.jar",`+
		`"dependFiles":["obs://libs/1","obs://libs/2","obs://libs/3","obs://libs/4","obs://libs/5","obs://libs/6"]}`)); err != nil {
		t.Fatal(err)
	}
	if res, err := n.run("2026-11-21"); err != nil || !strings.Contains(res.Message, "1 resource,") || !strings.Contains(res.Message, "6 files that") {
		t.Fatalf("%+v %v", res, err)
	}
	if err := n.Objects.DeleteObject("libs", "z.jar"); err != nil {
		t.Fatal(err)
	}
	res, err := n.run(day)
	if err != nil || !strings.Contains(res.Message, "; warning: 7 files that resources point to are not copied: obs://libs/z.jar (there is no such object in the object service of the backups; the copy of 2026-11-21 is the last one), obs://libs/1 (") ||
		!strings.HasSuffix(res.Message, ", and 2 more (see the manifest)") {
		t.Errorf("%+v %v", res, err)
	}
	if again, err := n.run(day); err != nil || !strings.Contains(again.Message, "obs://libs/z.jar") {
		t.Errorf("the same date again: %+v %v", again, err)
	}
}

func TestIncomplete_SaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want    string
		missing []vault.Missing
	}{
		{"environment variables are missing: forbidden", []vault.Missing{{Kind: asset.Env, Name: asset.EnvName, Reason: "forbidden"}}},
		{`job "a" is missing: broken`, []vault.Missing{{Kind: asset.Jobs, Name: "a", Reason: "broken"}}},
		{"1 script is missing: short", []vault.Missing{{Kind: asset.Scripts, Count: 1, Reason: "short"}}},
		{"scripts are missing: could not be listed", []vault.Missing{{Kind: asset.Scripts, Reason: "could not be listed"}}},
		{`3 assets are missing, the first is job "a": broken`, []vault.Missing{{Kind: asset.Jobs, Name: "a", Reason: "broken"}, {Kind: asset.Scripts, Count: 2, Reason: "short"}}},
	} {
		if got := (&backup.Incomplete{Missing: c.missing}).Error(); got != "the backup is PARTIAL: "+c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestRun_WithoutAccessFailsAndLeavesNoManifest(t *testing.T) {
	t.Parallel()
	n := newNight(t).fill()
	n.DataArts.Intercept(func(*http.Request, dataarts.Operation) *dataarts.Fault {
		return &dataarts.Fault{Status: 401, Body: `{"error_code":"APIGW.0301","error_msg":"Incorrect IAM authentication information"}`}
	})
	res, err := n.run(day)
	if err == nil || res.Status != vault.Failed || !strings.Contains(res.Message, "APIGW.0301") {
		t.Fatalf("%+v %v", res, err)
	}
	if len(n.keys()) > 0 {
		t.Errorf("left behind: %q", n.keys())
	}
}

func TestRun_WhenTheStoreFailsAtTheCommitIsFailedAndTheNextRunCommits(t *testing.T) {
	t.Parallel()
	n := newNight(t).fill()
	n.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Operation == "PutObject" && strings.HasSuffix(c.Key, "backup.json") {
			return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
		}
		return nil
	})
	res, err := n.run(day)
	if err == nil || res.Status != vault.Failed {
		t.Fatalf("%+v %v", res, err)
	}
	if n.has("backups/2026-11-22/backup.json") {
		t.Error("committed all the same")
	}
	n.Objects.Intercept(nil)
	if res, err := n.run(day); err != nil || res.Status != vault.Complete {
		t.Fatalf("%+v %v", res, err)
	}
}

func TestRun_TwiceAtOnceEndsInOneCommittedBackup(t *testing.T) {
	t.Parallel()
	for _, ignore := range []bool{false, true} {
		n := newNight(t).fill()
		n.Objects.IgnoreConditions(ignore)
		results := make(chan error, 3)
		for range cap(results) {
			go func() {
				_, err := n.run(day)
				results <- err
			}()
		}
		for range cap(results) {
			if err := <-results; err != nil {
				t.Errorf("a store that ignores conditions: %v: %v", ignore, err)
			}
		}
		if err := n.open(day).Verify(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestRun_AfterAnUnfinishedOneLeavesNoLeftovers(t *testing.T) {
	t.Parallel()
	n := newNight(t).fill()
	for _, key := range []string{"4_jobs/deleted_since.job", "manifest.json"} {
		if err := n.Objects.PutObject(localtest.Bucket, "backups/2026-11-22/"+key, []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.run(day); err != nil {
		t.Fatal(err)
	}
	if err := n.open(day).Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRun_RefusesAFolderOfAnotherWorkspace(t *testing.T) {
	t.Parallel()
	n := newNight(t).fill()
	if _, err := n.run(day); err != nil {
		t.Fatal(err)
	}
	_, err := backup.Run(context.Background(), n.Factory.Workspace(localtest.Other), n.vault, day, backup.Options{Workspace: vault.Workspace{ID: localtest.Other}})
	if err == nil || !strings.Contains(err.Error(), localtest.Workspace) {
		t.Errorf("%v", err)
	}
}
