package compare_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// watched is a store that tells which objects were read, and may refuse to give some out.
type watched struct {
	store.Store
	mu    *sync.Mutex
	reads *[]string
	deny  func(key string) error
}

func (w watched) Get(ctx context.Context, key string) (io.ReadCloser, store.Info, error) {
	w.mu.Lock()
	*w.reads = append(*w.reads, key)
	deny := w.deny
	w.mu.Unlock()
	if deny != nil {
		if err := deny(key); err != nil {
			return nil, store.Info{}, err
		}
	}
	return w.Store.Get(ctx, key)
}

// shelf is a location with backups.
type shelf struct {
	t     *testing.T
	cloud *localtest.Cloud
	reads []string
	mu    sync.Mutex
	deny  func(key string) error
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	c := localtest.New(t)
	if err := c.Objects.CreateBucket("files"); err != nil {
		t.Fatal(err)
	}
	return &shelf{t: t, cloud: c}
}

// content is an asset that a test puts into a backup.
type content struct {
	ref  asset.Ref
	text string
	at   int // hour of the last change; 0 for none
	by   string
	jar  string // what obs://files/udf.jar holds when the backup is taken; empty where it does not point there
}

func (c content) changed(hour int, by string) content { c.at, c.by = hour, by; return c }

func script(name, text string) content {
	return content{ref: asset.Ref{Kind: asset.Scripts, Name: name, Directory: "/"},
		text: fmt.Sprintf(`{"name":%q,"type":"HiveSQL","directory":"/","content":%q}`, name, text)}
}

func job(name, description string) content {
	return content{ref: asset.Ref{Kind: asset.Jobs, Name: name, Directory: "/ods"},
		text: fmt.Sprintf(`{"name":%q,"processType":"BATCH","directory":"/ods","description":%q,"nodes":[]}`, name, description)}
}

const jar = "obs://files/udf.jar"

func resource(directory, name, holds string) content {
	return content{ref: asset.Ref{Kind: asset.Resources, Name: name, Directory: directory}, jar: holds,
		text: fmt.Sprintf(`{"name":%q,"type":"jar","directory":%q,"location":"obs://files/udf.jar"}`, name, directory)}
}

// env is a list of environment variables, "name=value" each.
func env(variables ...string) content {
	var params []string
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		params = append(params, fmt.Sprintf(`{"name":%q,"type":"constant","value":%q}`, name, value))
	}
	return content{ref: asset.Ref{Kind: asset.Env, Name: asset.EnvName}, text: `{"params":[` + strings.Join(params, ",") + `]}`}
}

// take writes a backup and opens it. change may alter the manifest before it is committed.
func (s *shelf) take(name string, keys vault.Keys, change func(*vault.Manifest), contents ...content) *vault.Backup {
	s.t.Helper()
	ctx := s.t.Context()
	f := vault.New(s.cloud.Store, localtest.Bucket, "backups").WithKeys(keys).Folder(name)
	w, err := f.Begin(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	m := &vault.Manifest{FormatVersion: vault.FormatVersion, BackupDate: name[:10], Workspace: vault.Workspace{ID: "ws1"}, Status: vault.Complete,
		Totals: map[asset.Kind]int{}, Counts: map[asset.Kind]int{}, Recipients: keys.Recipients()}
	for _, c := range contents {
		a, err := w.Put(ctx, c.ref, []byte(c.text))
		if err != nil {
			s.t.Fatal(err)
		}
		if c.at > 0 {
			at(&a, c.at)
		}
		a.LastModifiedBy = c.by
		if c.jar != "" {
			if err := s.cloud.Objects.PutObject("files", "udf.jar", []byte(c.jar)); err != nil {
				s.t.Fatal(err)
			}
			file, err := w.CopyFile(ctx, c.ref, jar)
			if err != nil {
				s.t.Fatal(err)
			}
			a.Files = []vault.File{file}
		}
		m.Assets = append(m.Assets, a)
		if c.ref.Kind == asset.Env {
			m.Counts[asset.Env] = strings.Count(c.text, `"name"`)
		} else {
			m.Counts[c.ref.Kind]++
		}
	}
	if change != nil {
		change(m)
	}
	if err := w.Commit(ctx, m, nil); err != nil {
		s.t.Fatal(err)
	}
	return s.open(name, keys)
}

// open opens a backup so that its reads are counted from now on.
func (s *shelf) open(name string, keys vault.Keys) *vault.Backup {
	s.t.Helper()
	through := watched{Store: s.cloud.Store, mu: &s.mu, reads: &s.reads, deny: func(key string) error {
		s.mu.Lock()
		deny := s.deny
		s.mu.Unlock()
		if deny == nil {
			return nil
		}
		return deny(key)
	}}
	f := vault.New(through, localtest.Bucket, "backups").WithKeys(keys).Folder(name)
	b, err := f.Open(s.t.Context())
	if err != nil {
		if b, err = f.OpenPartial(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
	}
	s.mu.Lock()
	s.reads = nil
	s.mu.Unlock()
	return b
}

// read tells how many objects were read since a backup was opened last.
func (s *shelf) read() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.reads)
}

// refuse makes the store ask, before it gives an object out.
func (s *shelf) refuse(deny func(key string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deny = deny
}

// at lets an asset have been changed last at an hour.
func at(a *vault.Asset, hour int) {
	moment := time.Date(2026, 11, 20, hour, 0, 0, 0, time.UTC)
	a.LastModified = &moment
}
