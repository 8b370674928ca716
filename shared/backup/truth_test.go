package backup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// drill is a night whose backups are held against the truth: what the workspace had, by the ledger of its edits, and what the bucket has. It
// lives in a bubble of testing/synctest, so that back-off, slow answers, leases and deadlines take no time.
type drill struct {
	*night
	name string // of the folder

	mu    sync.Mutex
	edits []edit
	marks map[asset.Kind]*mark // of the run that was last

	late bool // listings of the store are late, so that a run cannot see what it should remove

	// What the run that was last tried after it had sent the two objects of the commit. Where the store lets it do neither, nobody can know.
	described, committed, removing, asking bool
}

// edit is one change of the workspace while a backup runs. before and after are nil where the asset is not there.
type edit struct {
	kind          dataarts.Kind
	id            string
	before, after []byte
}

// mark is where the listings of a kind lie in the ledger: how many edits there were when the first good one began and ended, and when the last good
// one began.
type mark struct {
	listed             bool
	began, first, last int
	restless           bool // the last listing did not meet the kind at rest
}

// inBubble runs fn in a bubble with a cloud of its own.
func inBubble(t *testing.T, opts localtest.Options, fn func(d *drill)) {
	t.Helper()
	opts.Pipes = true
	// A run may hold a mutex while it writes an object, and the time of a bubble stands still while somebody waits for a mutex. So nobody may wait for
	// time who writes one.
	opts.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	synctest.Test(t, func(t *testing.T) {
		c := localtest.NewWith(t, opts)
		d := &drill{night: &night{Cloud: c, t: t, vault: vault.New(c.Store, localtest.Bucket, "backups")}, name: day}
		if err := c.Objects.CreateBucket("libs"); err != nil {
			t.Fatal(err)
		}
		d.turnPage()
		fn(d)
		time.Sleep(time.Minute) // a lease that was being renewed when its run ended lives that long
	})
}

// stock fills the workspace with so many jobs and scripts, three resources of which two have files, and two environment variables.
func (d *drill) stock(jobs, scripts int) *drill {
	d.t.Helper()
	for i := range scripts {
		d.put(dataarts.Scripts, scriptText(i, 0))
	}
	for i := range jobs {
		d.put(dataarts.Jobs, jobText(i, 0))
	}
	for _, key := range []string{"a.jar", "b.jar"} {
		if err := d.Objects.PutObject("libs", key, []byte("the file "+key)); err != nil {
			d.t.Fatal(err)
		}
	}
	d.put(dataarts.Resources, `{"name":"res_a","type":"jar","location":"obs://libs/a.jar","directory":"/r","desc":"d"}`)
	d.put(dataarts.Resources, `{"name":"res_b","type":"jar","location":"obs://libs/b.jar","directory":"/r","desc":"d"}`)
	d.put(dataarts.Resources, `{"name":"res_c","type":"file","location":"hdfs://ns/c","directory":"/","desc":"d"}`)
	d.put(dataarts.Env, envText(0))
	return d
}

func scriptText(i, version int) string {
	return fmt.Sprintf(`{"name":"script_%02d","type":%q,"content":"select %d -- %d%s","connectionName":"c","directory":"/a/b"}`,
		i, []string{"HiveSQL", "Shell", "PYTHON"}[i%3], i, version, strings.Repeat(" x", i))
}

func jobText(i, version int) string {
	process := "BATCH"
	if i%7 == 6 {
		process = "REAL_TIME"
	}
	return fmt.Sprintf(`{"name":"job_%02d","processType":%q,"directory":"/d","schedule":{"type":"EXECUTE_ONCE"},"basicConfig":{"owner":"ada","customFields":"x%d"},
		"nodes":[{"name":"n","type":%q,"location":{"x":"1","y":"2"},"pollingInterval":%d,"properties":[{"name":"connectionName","value":"c"}]}]}`,
		i, process, version, []string{"HiveSQL", "Shell", "Dummy"}[i%3], 1+i%60)
}

func envText(version int) string {
	return fmt.Sprintf(`{"params":[{"name":"a","type":"variable","value":"%d"},{"name":"b","type":"constant","value":"1"}]}`, version)
}

func (d *drill) put(kind dataarts.Kind, text string) {
	if err := d.Handle(localtest.Workspace).Put(kind, []byte(text)); err != nil {
		d.t.Error(err)
	}
}

// change makes one edit of the workspace and enters it into the ledger. A nil text deletes.
func (d *drill) change(kind dataarts.Kind, id string, text []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.Handle(localtest.Workspace)
	before, _ := w.Asset(kind, id)
	if text == nil {
		if !w.Delete(kind, id) {
			return
		}
	} else if err := w.Put(kind, text); err != nil {
		d.t.Error(err)
		return
	}
	after, _ := w.Asset(kind, id)
	d.edits = append(d.edits, edit{kind, id, before, after})
}

// states are the definitions that an asset had from one place of the ledger to another, nil where it was not there.
func (d *drill) states(kind dataarts.Kind, id string, from, to int) [][]byte {
	now, _ := d.Handle(localtest.Workspace).Asset(kind, id)
	state, known := []byte(now), false
	var states [][]byte
	for i, e := range d.edits {
		if e.kind != kind || e.id != id {
			continue
		}
		if i < from {
			state, known = e.after, true
			continue
		}
		if !known {
			state, known = e.before, true
		}
		if i < to {
			states = append(states, state)
			state = e.after
		}
	}
	return append(states, state)
}

// watched is a workspace whose listings are marked in the ledger.
type watched struct {
	backup.Workspace
	d *drill
}

func (w *watched) marked(kind asset.Kind, read func() error) error {
	w.d.mu.Lock()
	began := len(w.d.edits)
	w.d.mu.Unlock()
	err := read()
	if err != nil {
		return err
	}
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	m := w.d.marks[kind]
	if !m.listed {
		m.listed, m.began, m.first = true, began, len(w.d.edits)
	}
	m.last = began
	return nil
}

// List marks a good listing.
func (w *watched) List(ctx context.Context, kind asset.Kind, fn func(factory.Row) error) (listing factory.Listing, err error) {
	err = w.marked(kind, func() error {
		listing, err = w.Workspace.List(ctx, kind, fn)
		return err
	})
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	w.d.marks[kind].restless = !listing.Settled
	return listing, err
}

// Env marks a good reading of the environment variables.
func (w *watched) Env(ctx context.Context) (params json.RawMessage, err error) {
	err = w.marked(asset.Env, func() error {
		params, err = w.Workspace.Env(ctx)
		return err
	})
	return params, err
}

// turnPage begins the ledger anew.
func (d *drill) turnPage() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.edits, d.marks = nil, map[asset.Kind]*mark{}
	d.described, d.committed, d.removing, d.asking = false, false, false, false
	for _, k := range asset.Kinds() {
		d.marks[k] = &mark{}
	}
}

// backUp runs one backup of the drill's folder.
func (d *drill) backUp(ctx context.Context) (backup.Result, error) {
	d.turnPage()
	return backup.Run(ctx, &watched{d.Factory.Workspace(localtest.Workspace), d}, d.vault, d.name, backup.Options{
		Workspace: vault.Workspace{ID: localtest.Workspace, Name: "sales"}, ProjectID: localtest.ProjectID, Region: localtest.Region, Tool: "dataarts-backup/test",
		Lease: lease.Options{Owner: "test"}})
}

// lie is everything in which the result of the last run differs from the truth. lenient allows what is stored to be of any moment of the run: a
// service whose reads are stale gives no better.
func (d *drill) lie(res backup.Result, runErr error, lenient bool) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var lies []string
	say := func(format string, args ...any) { lies = append(lies, fmt.Sprintf(format, args...)) }
	if (runErr == nil) != (res.Status == vault.Complete) {
		say("status %s with error %v", res.Status, runErr)
	}
	_, committed := d.Objects.GetObject(localtest.Bucket, "backups/"+d.name+"/backup.json")
	_, described := d.Objects.GetObject(localtest.Bucket, "backups/"+d.name+"/manifest.json")
	if committed != (res.Status == vault.Complete) && !d.asking {
		say("status %s, but backup.json is there: %v", res.Status, committed)
	}
	// A manifest may stay where it could not be removed, where nobody knows whether the commit has arrived, and where nobody knows who holds the lease:
	// another run may speak through it by then.
	whose := errors.Is(runErr, lease.ErrLost) || runErr != nil && strings.Contains(runErr.Error(), "check lease")
	if described != (res.Status != vault.Failed) && !d.removing && !d.asking && !whose {
		say("status %s, but manifest.json is there: %v", res.Status, described)
	}
	folder := vault.New(inspector{d.Store, d.Objects}, localtest.Bucket, "backups").Folder(d.name)
	var b *vault.Backup
	var err error
	switch res.Status {
	case vault.Failed:
		return lies
	case vault.Complete:
		if b, err = folder.Open(context.Background()); err == nil {
			err = b.Verify(context.Background())
		}
		if len(res.Missing) > 0 {
			say("COMPLETE with missing %+v", res.Missing)
		}
	case vault.Partial:
		b, err = folder.OpenPartial(context.Background())
		if len(res.Missing) == 0 {
			say("PARTIAL, and nothing is missing")
		}
	}
	for _, fault := range faultsOf(err) {
		if !d.late || !errors.Is(fault, vault.ErrLeftover) {
			say("%v", fault)
		}
	}
	if b == nil {
		return lies
	}
	if want, got := fmt.Sprintf("%+v", res.Missing), fmt.Sprintf("%+v", b.Manifest.Missing); want != got {
		say("the answer's missing is %s, the manifest's %s", want, got)
	}
	return append(lies, d.contents(b, lenient)...)
}

// faultsOf takes a joined error apart.
func faultsOf(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// contents holds what is stored against the workspace.
func (d *drill) contents(b *vault.Backup, lenient bool) []string {
	var lies []string
	say := func(format string, args ...any) { lies = append(lies, fmt.Sprintf(format, args...)) }
	type place struct {
		kind dataarts.Kind
		id   string
	}
	stored, missing, kinds, drifted := map[place][]byte{}, map[place]bool{}, map[dataarts.Kind]bool{}, map[place]bool{}
	err := b.Each(context.Background(), 4, func(a vault.Asset, definition []byte) error {
		kind, id := identity(a)
		if a.Kind == asset.Env {
			id = string(dataarts.Env)
		}
		if _, twice := stored[place{kind, id}]; twice {
			say("%s is stored twice", a.Ref())
		}
		stored[place{kind, id}] = definition
		lies = append(lies, d.files(a)...)
		return nil
	})
	if err != nil {
		say("%v", err)
	}
	for _, m := range b.Manifest.Missing {
		kind, id := identity(vault.Asset{Kind: m.Kind, Name: m.Name, Directory: m.Directory})
		switch {
		case m.Kind == asset.Env:
			missing[place{kind, string(dataarts.Env)}] = true
		case m.Name == "":
			kinds[kind] = true
		default:
			missing[place{kind, id}] = true
		}
	}
	for _, x := range b.Manifest.Drift {
		kind, id := identity(vault.Asset{Kind: x.Kind, Name: x.Name, Directory: x.Directory})
		if x.Kind == asset.Env {
			id = string(dataarts.Env)
		}
		drifted[place{kind, id}] = true
	}
	all := map[place]bool{}
	unsupported := func(kind dataarts.Kind) bool {
		return slices.ContainsFunc(b.Manifest.Unsupported, func(u vault.Unsupported) bool { return u.Kind == asset.Kind(kind) })
	}
	for _, kind := range []dataarts.Kind{dataarts.Env, dataarts.Resources, dataarts.Scripts, dataarts.Jobs} {
		for id := range d.Handle(localtest.Workspace).All(kind) {
			all[place{kind, id}] = true
		}
	}
	for _, e := range d.edits {
		all[place{e.kind, e.id}] = true
	}
	for at := range stored {
		if !all[at] {
			say("%s %s is in the backup only", at.kind, at.id)
		}
	}
	for at := range missing {
		if !all[at] {
			say("%s %s is said to be missing, and never was there", at.kind, at.id)
		}
	}
	for at := range all {
		if unsupported(at.kind) {
			continue
		}
		m := d.marks[asset.Kind(at.kind)]
		have, ok := stored[at]
		if missing[at] {
			if ok {
				say("%s %s is said to be missing, and is stored", at.kind, at.id)
			}
			continue
		}
		from := m.last
		if lenient || kinds[at.kind] {
			from = 0
		}
		states := d.states(at.kind, at.id, from, len(d.edits))
		fits := slices.ContainsFunc(states, func(s []byte) bool { return ok == (s != nil) && (!ok || same(asset.Kind(at.kind), s, have)) })
		if !fits && !(kinds[at.kind] && !ok) {
			say("%s %s is stored: %v, and not as it was after the last listing began: %s", at.kind, at.id, ok, have)
			for i, e := range d.edits {
				if e.id == at.id {
					say("edit %d of it: from %s to %s; the last good listing (restless: %v) began after %d edits, the first ended after %d", i, e.before, e.after, m.restless, m.last, m.first)
				}
			}
		}
		if lenient || kinds[at.kind] {
			continue
		}
		// What was changed while it was listed may have been listed either way. A real-time job has no time of the last change in its list rows: one that was
		// changed before it was read shows no change after that.
		if bytes.Contains(have, []byte(`"REAL_TIME"`)) {
			continue
		}
		first, last := d.states(at.kind, at.id, m.began, m.first), d.states(at.kind, at.id, m.last, len(d.edits))
		if m.first < m.last && len(first) == 1 && len(last) == 1 && !bytes.Equal(first[0], last[0]) && !drifted[at] {
			say("%s %s was changed between the first listing and the last, and there is no drift", at.kind, at.id)
		}
	}
	return lies
}

func same(kind asset.Kind, live, stored []byte) bool {
	changes, err := rawjson.Diff(asset.Stored(kind, live), stored)
	return err == nil && len(changes) == 0
}

// inspector reads the bucket as it is, without requests that faults could befall.
type inspector struct {
	store.Store
	objects *objectstore.Server
}

// Get reads an object.
func (i inspector) Get(_ context.Context, key string) (io.ReadCloser, store.Info, error) {
	data, ok := i.objects.GetObject(localtest.Bucket, key)
	if !ok {
		return nil, store.Info{}, store.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(data)), store.Info{Key: key, Size: int64(len(data))}, nil
}

// List lists all objects below a prefix.
func (i inspector) List(_ context.Context, prefix, _ string, fn func(store.Info) error) error {
	keys, err := i.objects.Keys(localtest.Bucket, prefix)
	for _, key := range keys {
		if err := fn(store.Info{Key: key}); err != nil {
			return err
		}
	}
	return err
}

// files holds the copied files of a resource against their sources.
func (d *drill) files(a vault.Asset) []string {
	var lies []string
	for _, f := range a.Files {
		source, ok := []byte(nil), false
		if bucket, key, isOBS := asset.ParseOBSPath(f.Location); isOBS {
			source, ok = d.Objects.GetObject(bucket, key)
		}
		switch {
		case f.Key == "" && ok:
			lies = append(lies, fmt.Sprintf("%s is there, and %s has no copy: %s", f.Location, a.Ref(), f.Reason))
		case f.Key != "" && ok && f.ContentSHA256 != vault.Hash(source):
			lies = append(lies, fmt.Sprintf("the copy of %s is another file", f.Location))
		}
	}
	return lies
}

// storeFaults makes fn decide what goes wrong with each request to the store.
func (d *drill) storeFaults(fn func(objectstore.Call) *objectstore.Fault) {
	d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		f := fn(c)
		d.tried(c, f != nil)
		return f
	})
}

// tried notes what a run does about a commit that failed, and is kept from.
func (d *drill) tried(c objectstore.Call, faulty bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	put, get := c.Operation == "PutObject", c.Operation == "GetObject" || c.Operation == "GetObjectMetadata"
	switch {
	case put && strings.HasSuffix(c.Key, "/manifest.json"):
		d.described = true
	case put && strings.HasSuffix(c.Key, "/backup.json"):
		d.committed = true
	case d.committed && get && faulty && strings.HasSuffix(c.Key, "/backup.json"):
		d.asking = true
	case d.described && faulty && strings.HasPrefix(c.Operation, "DeleteObject") && !strings.Contains(c.Key, "/leases/"):
		d.removing = true
	}
}

// finish runs the backup again with all faults lifted: it has to be complete, and all of it.
func (d *drill) finish() []string {
	d.t.Helper()
	d.DataArts.Intercept(nil)
	d.DataArts.SetSwitches(func(s *dataarts.Switches) { *s = dataarts.Switches{Latency: time.Millisecond} })
	d.Objects.Intercept(nil)
	d.Objects.StaleList(false)
	d.Objects.LateListings(0, 0)
	complete := d.has("backups/" + d.name + "/backup.json")
	before := d.edits
	marks := d.marks
	res, err := d.backUp(context.Background())
	if complete { // the run looks and goes: the truth is that of the run before
		d.edits, d.marks = before, marks
	}
	if err != nil {
		return []string{fmt.Sprintf("with the faults lifted: %v", err)}
	}
	lies := d.lie(res, err, false)
	if complete {
		return lies // a lease whose holder was killed after the commit has nobody to wait for it
	}
	if leases, _ := d.Objects.Keys(localtest.Bucket, "backups/leases/"); len(leases) > 0 {
		lies = append(lies, fmt.Sprintf("left behind: %q", leases))
	}
	return lies
}
