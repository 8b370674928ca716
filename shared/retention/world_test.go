package retention_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/retention"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

const (
	bucket   = "backups"
	location = "factory/sales/"
)

// world is an object store in this process, and a location in it.
type world struct {
	t      *testing.T
	server *objectstore.Server
	store  store.Store
	vault  *vault.Vault
	last   *vault.Previous // the backup that was written last
}

func newWorld(t *testing.T) *world {
	t.Helper()
	keys := &iam.Keyring{}
	keys.Add(iam.Credentials{AccessKey: "access", SecretKey: "a-secret-of-the-test"})
	server := objectstore.New(objectstore.Options{Keyring: keys})
	transport := server.Transport()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	if err := server.CreateBucket(bucket); err != nil {
		t.Fatal(err)
	}
	client, err := obs.New(obs.Options{Endpoint: "https://obs.eu-de.otc.t-systems.com", AccessKey: "access", SecretKey: "a-secret-of-the-test", Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	s := client.Bucket(bucket)
	return &world{t: t, server: server, store: s, vault: vault.New(s, bucket, location)}
}

// backup writes a folder as a run does: complete, or PARTIAL.
func (w *world) backup(name string, status vault.Status) {
	w.t.Helper()
	w.backupAt(name, status, w.started(name))
}

// holding writes a complete backup of a resource, a script and so many jobs.
func (w *world) holding(name string, jobs int) {
	w.t.Helper()
	names := make([]string, jobs)
	names[0] = "load"
	for i := 1; i < jobs; i++ {
		names[i] = fmt.Sprintf("job%03d", i)
	}
	w.backupOf(name, vault.Complete, w.started(name), names...)
}

// started is the moment that a folder is named after.
func (w *world) started(name string) time.Time {
	w.t.Helper()
	started, err := time.Parse("2006-01-02T150405", name)
	if err != nil {
		if started, err = time.Parse(time.DateOnly, name); err != nil {
			w.t.Fatal(err)
		}
	}
	return started
}

func (w *world) backupAt(name string, status vault.Status, started time.Time) {
	w.t.Helper()
	w.backupOf(name, status, started, "load")
}

// backupOf writes a folder that holds a resource, a script and jobs.
func (w *world) backupOf(name string, status vault.Status, started time.Time, jobs ...string) {
	w.t.Helper()
	ctx := w.t.Context()
	writer, err := w.vault.Folder(name).Begin(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	m := &vault.Manifest{FormatVersion: vault.FormatVersion, BackupDate: name[:10], Workspace: vault.Workspace{ID: "sales"}, StartedAt: started, Status: status,
		Totals: map[asset.Kind]int{}, Counts: map[asset.Kind]int{}, Previous: w.last}
	refs := []asset.Ref{{Kind: asset.Env, Name: asset.EnvName}, {Kind: asset.Resources, Name: "udf", Directory: "/jars"}, {Kind: asset.Scripts, Name: "dim"}}
	for _, job := range jobs {
		refs = append(refs, asset.Ref{Kind: asset.Jobs, Name: job})
	}
	for _, ref := range refs {
		a, err := writer.Put(ctx, ref, fmt.Appendf(nil, `{"name":%q,"day":%q}`, ref.Name, name))
		if err != nil {
			w.t.Fatal(err)
		}
		m.Assets = append(m.Assets, a)
	}
	if err := writer.Commit(ctx, m, nil); err != nil {
		w.t.Fatal(err)
	}
	if status == vault.Complete {
		b := w.open(name)
		w.last = &vault.Previous{Path: b.Folder().Path() + "manifest.json", SHA256: b.ManifestSHA256}
	}
}

func (w *world) open(name string) *vault.Backup {
	w.t.Helper()
	b, err := w.vault.Folder(name).Open(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) put(key, text string) {
	w.t.Helper()
	if err := w.server.PutObject(bucket, location+key, []byte(text)); err != nil {
		w.t.Fatal(err)
	}
}

// newer makes a backup one of the next format, as a newer version would have written it.
func (w *world) newer(folder string) {
	w.t.Helper()
	read := func(name string) string {
		text, ok := w.server.GetObject(bucket, location+folder+name)
		if !ok {
			w.t.Fatalf("there is no %s%s", folder, name)
		}
		return string(text)
	}
	manifest := read("manifest.json")
	next := strings.Replace(manifest, `"formatVersion": 1`, `"formatVersion": 2`, 1)
	if next == manifest {
		w.t.Fatal("the manifest has no formatVersion")
	}
	w.put(folder+"manifest.json", next)
	w.put(folder+"backup.json", strings.NewReplacer(`"formatVersion": 1`, `"formatVersion": 2`, vault.Hash([]byte(manifest)), vault.Hash([]byte(next))).Replace(read("backup.json")))
}

func (w *world) drop(key string) {
	w.t.Helper()
	if err := w.server.DeleteObject(bucket, location+key); err != nil {
		w.t.Fatal(err)
	}
}

// keys are those below the location that begin with prefix.
func (w *world) keys(prefix string) []string {
	w.t.Helper()
	keys, err := w.server.Keys(bucket, location+prefix)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range keys {
		keys[i] = strings.TrimPrefix(keys[i], location)
	}
	return keys
}

// folders are the names of the dated folders that hold anything.
func (w *world) folders() []string {
	w.t.Helper()
	var list []string
	for _, key := range w.keys("") {
		if name, _, _ := strings.Cut(key, "/"); vault.IsFolderName(name) && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

func (w *world) apply(opts retention.Options) retention.Outcome {
	w.t.Helper()
	out, err := retention.Apply(w.t.Context(), w.vault, opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// whole checks that the newest backup is what its manifest says, and that the chain before it is.
func (w *world) whole(name string) {
	w.t.Helper()
	b := w.open(name)
	if err := b.Verify(w.t.Context()); err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
	chain, err := b.Chain(w.t.Context())
	if err != nil || len(chain.Breaks) > 0 {
		w.t.Fatalf("the chain before %s: %+v, %v", name, chain, err)
	}
}

func (w *world) wantFolders(want ...string) {
	w.t.Helper()
	if got := w.folders(); !slices.Equal(got, want) {
		w.t.Fatalf("there are %q, want %q", got, want)
	}
}

// wantLeft checks that a folder was left, for a reason that holds a text.
func wantLeft(t *testing.T, out retention.Outcome, name, reason string) {
	t.Helper()
	for _, l := range out.Left {
		if l.Name == name {
			if !strings.Contains(l.Reason, reason) {
				t.Errorf("%s was left because %q, want %q", name, l.Reason, reason)
			}
			return
		}
	}
	t.Errorf("%s is not among those left: %+v", name, out.Left)
}

var errKilled = errors.New("killed")

// kill makes the n-th request from now on the last one that does anything: carried says whether it does. It returns the run's context, and how many
// requests there were.
func (w *world) kill(n int64, carried bool) (context.Context, *atomic.Int64) {
	ctx, cancel := context.WithCancelCause(w.t.Context())
	seen := &atomic.Int64{}
	w.server.Intercept(func(objectstore.Call) *objectstore.Fault {
		at := seen.Add(1)
		if at < n {
			return nil
		}
		cancel(errKilled)
		return &objectstore.Fault{ResetBefore: at > n || !carried, ResetAfter: at == n && carried}
	})
	return ctx, seen
}
