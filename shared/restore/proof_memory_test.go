package restore_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// memory is an object service in memory, for tests of thousands of restores in which nothing goes wrong with the store. It is a store.Store, one bucket of it.
type memory struct {
	bucket string
	*buckets
}

type buckets struct {
	mu      sync.Mutex
	objects map[store.Location][]byte
	times   map[store.Location]time.Time
}

func newMemory(bucket string) *memory {
	return &memory{bucket, &buckets{objects: map[store.Location][]byte{}, times: map[store.Location]time.Time{}}}
}

func (m *memory) at(key string) store.Location { return store.Location{Bucket: m.bucket, Key: key} }

// info is what is known of an object. The caller holds the lock.
func (m *memory) info(at store.Location) store.Info {
	sum := md5.Sum(m.objects[at])
	return store.Info{Key: at.Key, Size: int64(len(m.objects[at])), ETag: hex.EncodeToString(sum[:]), LastModified: m.times[at]}
}

// write writes an object. The caller holds the lock.
func (m *memory) write(key string, body []byte) store.Info {
	m.objects[m.at(key)], m.times[m.at(key)] = bytes.Clone(body), time.Now()
	return m.info(m.at(key))
}

// Put writes an object, and honours conditions.
func (m *memory) Put(ctx context.Context, key string, body []byte, cond store.Condition) (store.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, exists := m.objects[m.at(key)]
	if cond.IfNoneMatch && exists || cond.IfMatch != "" && (!exists || m.info(m.at(key)).ETag != cond.IfMatch) {
		return store.Info{}, fmt.Errorf("put %s: %w", key, store.ErrPrecondition)
	}
	return m.write(key, body), ctx.Err()
}

// Get opens an object.
func (m *memory) Get(ctx context.Context, key string) (io.ReadCloser, store.Info, error) {
	info, err := m.Stat(ctx, key)
	if err != nil {
		return nil, store.Info{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return io.NopCloser(bytes.NewReader(m.objects[m.at(key)])), info, nil
}

// List lists in ascending order.
func (m *memory) List(_ context.Context, prefix, delimiter string, fn func(store.Info) error) error {
	m.mu.Lock()
	var found []store.Info
	for at := range m.objects {
		if at.Bucket != m.bucket || !strings.HasPrefix(at.Key, prefix) {
			continue
		}
		info := m.info(at)
		if head, _, cut := strings.Cut(at.Key[len(prefix):], delimiter); cut && delimiter != "" {
			info = store.Info{Key: prefix + head + delimiter}
		}
		found = append(found, info)
	}
	m.mu.Unlock()
	slices.SortFunc(found, func(a, b store.Info) int { return strings.Compare(a.Key, b.Key) })
	for _, info := range slices.CompactFunc(found, func(a, b store.Info) bool { return a.Key == b.Key }) {
		if err := fn(info); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes objects.
func (m *memory) Delete(_ context.Context, keys ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.objects, func(at store.Location, _ []byte) bool { return at.Bucket == m.bucket && slices.Contains(keys, at.Key) })
	return nil
}

// Copy copies an object.
func (m *memory) Copy(_ context.Context, from store.Location, key string) (store.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	body, exists := m.objects[from]
	if !exists {
		return store.Info{}, fmt.Errorf("copy %s: %w", from.Key, store.ErrNotExist)
	}
	return m.write(key, body), nil
}

// PutStream writes what body holds.
func (m *memory) PutStream(_ context.Context, key string, body io.Reader) (store.Info, error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return store.Info{}, fmt.Errorf("put %s: %w", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.write(key, data), nil
}

// Stat tells of an object.
func (m *memory) Stat(ctx context.Context, key string) (store.Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, exists := m.objects[m.at(key)]; !exists {
		return store.Info{}, fmt.Errorf("get %s: %w", key, store.ErrNotExist)
	}
	return m.info(m.at(key)), ctx.Err()
}

// Bucket is another bucket.
func (m *memory) Bucket(name string) store.Store { return &memory{name, m.buckets} }

// direct calls a handler instead of sending requests over a network.
type direct struct{ handler http.Handler }

// RoundTrip lets the handler answer.
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	served := r.Clone(r.Context())
	if served.Body == nil {
		served.Body = http.NoBody
	}
	served.RequestURI = r.URL.RequestURI()
	if served.Host == "" {
		served.Host = r.URL.Host
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, served)
	return w.Result(), nil
}

// hosts is a handler for each host.
type hosts map[string]http.Handler

// RoundTrip lets the handler of the host answer.
func (h hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	return direct{h[r.URL.Host]}.RoundTrip(r)
}

// service is an emulated DataArts without a network.
func service() *dataarts.Service {
	keys := &iam.Keyring{}
	keys.Add(iam.Credentials{AccessKey: localtest.AccessKey, SecretKey: localtest.SecretKey})
	return dataarts.New(dataarts.Options{Keyring: keys, ProjectID: localtest.ProjectID, Switches: dataarts.Switches{LooseNames: true}})
}

// hurried is a client of the service that does not wait for its pace: the client's clock runs ahead instead. It is good for some minutes of that clock.
func hurried(t fataler, s *dataarts.Service) *factory.Client {
	var mu sync.Mutex
	var ahead time.Duration
	client, err := factory.New(factory.Options{Endpoint: "http://v1.invalid", V2Endpoint: "http://v2.invalid", ProjectID: localtest.ProjectID, RateLimit: 100_000,
		Credentials: factory.Credentials{AccessKey: localtest.AccessKey, SecretKey: localtest.SecretKey},
		Transport:   hosts{"v1.invalid": s.V1(), "v2.invalid": s.V2()},
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(ahead)
		},
		Sleep: func(ctx context.Context, d time.Duration) error {
			mu.Lock()
			defer mu.Unlock()
			ahead += d
			return ctx.Err()
		}})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return client
}
