package history_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// memory is a bucket in memory that counts what is read.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	gets    map[string]int
	reading int
	most    int                                   // reads at one time
	broken  map[string]bool                       // objects that the store does not give out
	delay   time.Duration                         // of a read
	onGet   func(ctx context.Context, key string) // before a read
}

func newMemory() *memory {
	return &memory{objects: map[string][]byte{}, gets: map[string]int{}, broken: map[string]bool{}}
}

func etag(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

func (m *memory) Put(_ context.Context, key string, body []byte, _ store.Condition) (store.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[key] = bytes.Clone(body)
	return store.Info{Key: key, Size: int64(len(body)), ETag: etag(body)}, nil
}

func (m *memory) Get(ctx context.Context, key string) (io.ReadCloser, store.Info, error) {
	if m.onGet != nil {
		m.onGet(ctx, key)
	}
	m.mu.Lock()
	m.gets[key]++
	m.reading++
	m.most = max(m.most, m.reading)
	body, ok := m.objects[key]
	broken := m.broken[key]
	m.mu.Unlock()
	if m.delay > 0 {
		select {
		case <-time.After(m.delay):
		case <-ctx.Done():
		}
	}
	m.mu.Lock()
	m.reading--
	m.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return nil, store.Info{}, ctx.Err()
	case broken:
		return nil, store.Info{}, fmt.Errorf("get %s: 503 SlowDown", key)
	case !ok:
		return nil, store.Info{}, fmt.Errorf("get %s: %w", key, store.ErrNotExist)
	}
	return io.NopCloser(bytes.NewReader(body)), store.Info{Key: key, Size: int64(len(body)), ETag: etag(body)}, nil
}

func (m *memory) List(_ context.Context, prefix, delimiter string, fn func(store.Info) error) error {
	m.mu.Lock()
	keys := slices.Sorted(maps.Keys(m.objects))
	m.mu.Unlock()
	last := ""
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		info := store.Info{Key: key, Size: int64(len(m.objects[key])), ETag: etag(m.objects[key])}
		if at := strings.Index(rest, delimiter); delimiter != "" && at >= 0 {
			if info = (store.Info{Key: prefix + rest[:at+1]}); info.Key == last {
				continue
			}
			last = info.Key
		}
		if err := fn(info); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Delete(_ context.Context, keys ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		delete(m.objects, key)
	}
	return nil
}

func (m *memory) Stat(ctx context.Context, key string) (store.Info, error) {
	_, info, err := m.Get(ctx, key)
	return info, err
}

func (m *memory) Copy(context.Context, store.Location, string) (store.Info, error) {
	return store.Info{}, errors.ErrUnsupported
}

func (m *memory) PutStream(context.Context, string, io.Reader) (store.Info, error) {
	return store.Info{}, errors.ErrUnsupported
}

func (m *memory) Bucket(string) store.Store { return m }

// reads counts the reads of what has this in its key since the last reset.
func (m *memory) reads(part string) (n int) {
	for key, count := range m.gets {
		if strings.Contains(key, part) {
			n += count
		}
	}
	return n
}

func (m *memory) reset() { m.gets, m.most = map[string]int{}, 0 }

// thing is an asset of a model.
type thing struct {
	ref  asset.Ref
	text string
	at   *time.Time
	by   string
	own  string // owner
}

// dayModel is a dated folder of a model.
type dayModel struct {
	name        string
	state       vault.State
	keys        vault.Keys
	things      []thing
	missing     []vault.Missing
	unsupported []vault.Unsupported
}

// shelf is a location that a test fills.
type shelf struct {
	t     tb
	store *memory
	vault *vault.Vault
}

// tb is what a shelf needs of a test, also of one by package rapid.
type tb interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

const prefix = "nightly/"

func newShelf(t tb) *shelf {
	m := newMemory()
	return &shelf{t, m, vault.New(m, "bucket", prefix)}
}

// write writes a dated folder.
func (s *shelf) write(d dayModel) *vault.Manifest {
	s.t.Helper()
	ctx := context.Background()
	w, err := s.vault.WithKeys(d.keys).Folder(d.name).Begin(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	m := &vault.Manifest{FormatVersion: vault.FormatVersion, BackupDate: d.name[:10], Workspace: vault.Workspace{ID: "w"}, Status: vault.Complete,
		Totals: map[asset.Kind]int{}, Counts: map[asset.Kind]int{}, Missing: d.missing, Unsupported: d.unsupported}
	if d.state == vault.StatePartial {
		m.Status = vault.Partial
	}
	texts := map[asset.Ref][]byte{}
	for _, thing := range d.things {
		texts[thing.ref.Identity()] = []byte(thing.text)
		a, err := w.Put(ctx, thing.ref, []byte(thing.text))
		if err != nil {
			s.t.Fatal(err)
		}
		a.LastModified, a.LastModifiedBy, a.Owner = thing.at, thing.by, thing.own
		m.Assets = append(m.Assets, a)
	}
	m.Sort()
	for _, a := range m.Assets {
		w.Bind(a.Ref(), asset.Bindings(a.Kind, texts[a.Ref().Identity()]))
	}
	if err := w.Commit(ctx, m, nil); err != nil {
		s.t.Fatal(err)
	}
	key := prefix + d.name + "/"
	switch d.state {
	case vault.StateDamaged:
		s.store.objects[key+"manifest.json"] = append(s.store.objects[key+"manifest.json"], ' ')
	case vault.StateUnsupported:
		manifest := s.store.objects[key+"manifest.json"]
		next := bytes.Replace(manifest, []byte(`"formatVersion": 1`), []byte(`"formatVersion": 2`), 1)
		s.store.objects[key+"manifest.json"] = next
		s.store.objects[key+"backup.json"] = bytes.Replace(s.store.objects[key+"backup.json"], []byte(vault.Hash(manifest)), []byte(vault.Hash(next)), 1)
	case vault.StateIncomplete:
		delete(s.store.objects, key+"backup.json")
	case vault.StateUnverified:
		delete(s.store.objects, key+"manifest.json")
		s.store.objects[key+"backup.json"] = []byte(`{"jobs":{}}`)
	case "UNREADABLE":
		s.store.broken[key+"manifest.json"] = true
	}
	return m
}

func ago(n int) *time.Time {
	t := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute)
	return &t
}

func ref(kind asset.Kind, name string) asset.Ref {
	if kind == asset.Env {
		return asset.Ref{Kind: kind, Name: asset.EnvName}
	}
	return asset.Ref{Kind: kind, Name: name, Directory: "/"}
}

func script(name, connection, content string) thing {
	text, _ := json.Marshal(map[string]string{"name": name, "type": "HiveSQL", "connectionName": connection, "database": "ods", "content": content})
	return thing{ref: ref(asset.Scripts, name), text: string(text)}
}

func env(pairs ...string) thing {
	type variable struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	list := []variable{}
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, variable{pairs[i], pairs[i+1]})
	}
	text, _ := json.Marshal(map[string]any{"params": list})
	return thing{ref: ref(asset.Env, ""), text: string(text)}
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type node struct {
	Name       string     `json:"name"`
	Type       string     `json:"type"`
	Properties []property `json:"properties"`
}

func job(name string, dependsOn []string, nodes ...node) thing {
	text, _ := json.Marshal(map[string]any{"name": name, "nodes": nodes,
		"schedule": map[string]any{"cron": map[string]any{"dependJobs": map[string]any{"jobs": dependsOn}}}})
	return thing{ref: ref(asset.Jobs, name), text: string(text)}
}

func keys(t tb) (own, other vault.Keys) {
	t.Helper()
	make := func() vault.Keys {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		k, err := vault.ParseKeys([]string{id.Recipient().String()}, id.String())
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	return make(), make()
}

// ticking is a clock that goes on by a second with every look at it.
func ticking() func() time.Time {
	var mu sync.Mutex
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
