package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

const (
	consoleBucket   = "backups"
	consoleEndpoint = "https://obs.eu-de.otc.t-systems.com"
	consoleSecret   = "secret-key-of-the-console-test"
)

// consoleBench is a console function with an object store of its own.
type consoleBench struct {
	t       *testing.T
	objects *objectstore.Server
	client  *obs.Client
	env     map[string]string
	now     func() time.Time // nil: the real time

	once    sync.Once
	console runtime.Handler // one for the whole test, as in a process that serves many requests
}

func newConsoleBench(t *testing.T) *consoleBench {
	t.Helper()
	keys := &iam.Keyring{}
	keys.Add(iam.Credentials{AccessKey: "access", SecretKey: consoleSecret})
	objects := objectstore.New(objectstore.Options{Keyring: keys})
	t.Cleanup(func() { _ = objects.Close() })
	if err := objects.CreateBucket(consoleBucket); err != nil {
		t.Fatal(err)
	}
	client, err := obs.New(obs.Options{Endpoint: consoleEndpoint, AccessKey: "access", SecretKey: consoleSecret, Transport: objects.Transport()})
	if err != nil {
		t.Fatal(err)
	}
	return &consoleBench{t: t, objects: objects, client: client, env: map[string]string{
		"DATAARTS_REGION": "eu-de", "BACKUP_LOCATION": "obs://" + consoleBucket + "/factory", "OBS_ENDPOINT": consoleEndpoint,
		"OBS_ACCESS_KEY_ID": "access", "OBS_SECRET_ACCESS_KEY": consoleSecret,
	}}
}

func (b *consoleBench) vault(prefix string) *vault.Vault {
	return vault.New(b.client.Bucket(consoleBucket), consoleBucket, prefix)
}

// backup writes a dated folder with an environment, two scripts and a job. change may alter the manifest before the commit.
func (b *consoleBench) backup(prefix, name string, change func(*vault.Manifest)) *vault.Manifest {
	b.t.Helper()
	ctx := b.t.Context()
	w, err := b.vault(prefix).Folder(name).Begin(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	started := time.Date(2026, 11, 22, 0, 0, 3, 0, time.UTC)
	m := &vault.Manifest{FormatVersion: vault.FormatVersion, BackupDate: name[:10], Workspace: vault.Workspace{ID: "ws1", Name: "sales"},
		ProjectID: "project", Region: "eu-de", Tool: "dataarts-backup/test", StartedAt: started, FinishedAt: started.Add(62 * time.Second),
		Status: vault.Complete, Totals: map[asset.Kind]int{asset.Env: 3, asset.Scripts: 2, asset.Jobs: 1, asset.Resources: 0},
		Counts: map[asset.Kind]int{asset.Env: 3, asset.Scripts: 2, asset.Jobs: 1, asset.Resources: 0}}
	for _, ref := range []asset.Ref{
		{Kind: asset.Env, Name: asset.EnvName}, {Kind: asset.Scripts, Name: "dim", Directory: "/"},
		{Kind: asset.Scripts, Name: "fact", Directory: "/"}, {Kind: asset.Jobs, Name: "nightly", Directory: "/"},
	} {
		a, err := w.Put(ctx, ref, fmt.Appendf(nil, `{"name":%q}`, ref.Name))
		if err != nil {
			b.t.Fatal(err)
		}
		m.Assets = append(m.Assets, a)
	}
	if change != nil {
		change(m)
	}
	if err := w.Commit(ctx, m, nil); err != nil {
		b.t.Fatal(err)
	}
	return m
}

func (b *consoleBench) put(key, text string) {
	b.t.Helper()
	if err := b.objects.PutObject(consoleBucket, key, []byte(text)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *consoleBench) remove(key string) {
	b.t.Helper()
	if err := b.objects.DeleteObject(consoleBucket, key); err != nil {
		b.t.Fatal(err)
	}
}

// consoleAnswer is an answer as a gateway gets it.
type consoleAnswer struct {
	Status int               `json:"statusCode"`
	Header map[string]string `json:"headers"`
	Body   string            `json:"body"`
}

// send sends an APIG request. target is a path with a query string.
func (b *consoleBench) send(method, target string) consoleAnswer {
	b.t.Helper()
	return b.sendWithin(b.t.Context(), method, target)
}

func (b *consoleBench) sendWithin(ctx context.Context, method, target string) consoleAnswer {
	b.t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		b.t.Fatal(err)
	}
	payload, err := json.Marshal(map[string]any{"body": "", "isBase64Encoded": false, "httpMethod": method, "path": u.Path,
		"queryStringParameters": u.Query(), "headers": map[string]string{"accept": "*/*"}, "requestContext": map[string]string{"stage": "RELEASE"}})
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := b.invoke(ctx, payload)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, target, err)
	}
	raw, ok := answer.(json.RawMessage)
	if !ok {
		b.t.Fatalf("%s %s: the answer is a %T", method, target, answer)
	}
	var a consoleAnswer
	if err := json.Unmarshal(raw, &a); err != nil {
		b.t.Fatal(err)
	}
	return a
}

func (b *consoleBench) invoke(ctx context.Context, payload []byte) (any, error) {
	b.once.Do(func() {
		b.console = handler.Console(handler.Options{Version: "1.2.3", StoreTransport: b.objects.Transport(), Now: func() time.Time {
			if b.now != nil {
				return b.now()
			}
			return time.Now()
		}, Lookup: config.Lookup(func(name string) (string, bool) { value, ok := b.env[name]; return value, ok })})
	})
	return b.console(ctx, runtime.Invocation{RequestID: "request", Payload: payload})
}

// decode reads the JSON of an answer that must have this status.
func decodeConsole[T any](t *testing.T, a consoleAnswer, status int) T {
	t.Helper()
	var v T
	if a.Status != status {
		t.Fatalf("status %d, want %d: %s", a.Status, status, a.Body)
	}
	if err := json.Unmarshal([]byte(a.Body), &v); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
	return v
}

type consoleError struct {
	Error struct{ Code, Message string }
}

type consoleBackup struct {
	Name, Path, Status, Message string
	Counts                      map[string]int
	StartedAt, FinishedAt       *time.Time
	DurationMS, Size            *int64
}

type consoleList struct {
	Workspace, Path, Next string
	Total                 int
	Backups               []consoleBackup
}

// report writes the report of a restore.
func (b *consoleBench) report(r restore.Report) {
	b.t.Helper()
	reports := restore.Reports{Store: b.client.Bucket(consoleBucket), Root: "factory/"}
	if err := reports.Save(b.t.Context(), &r); err != nil {
		b.t.Fatal(err)
	}
}

// denyListing makes the store refuse to list what has this prefix.
func (b *consoleBench) denyListing(prefix string) {
	b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Operation == "ListObjects" && c.Request.URL.Query().Get("prefix") == prefix {
			return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
		}
		return nil
	})
}
