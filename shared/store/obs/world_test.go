package obs_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
)

// world is a service in this process with one bucket, and a client that does not wait between attempts.
type world struct {
	server *objectstore.Server
	bucket *obs.Bucket
	mu     sync.Mutex
	pauses []time.Duration
}

func newWorld(t *testing.T, change ...func(*obs.Options)) *world {
	t.Helper()
	w := &world{server: objectstore.New(objectstore.Options{Keyring: keyring(testKeys)})}
	transport := w.server.Transport()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = w.server.Close()
	})
	if err := w.server.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	opts := obs.Options{
		Endpoint: obsEndpoint, AccessKey: testKeys.AccessKey, SecretKey: testKeys.SecretKey, Transport: transport,
		Jitter: func() float64 { return 0 },
		Sleep: func(ctx context.Context, d time.Duration) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.pauses = append(w.pauses, d)
			return ctx.Err()
		},
	}
	for _, fn := range change {
		fn(&opts)
	}
	client, err := obs.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	w.bucket = client.Bucket("bucket")
	return w
}

// failFirst makes the first n calls of an operation fail.
func (w *world) failFirst(operation string, n int, fault objectstore.Fault) {
	var mu sync.Mutex
	w.server.Intercept(func(call objectstore.Call) *objectstore.Fault {
		mu.Lock()
		defer mu.Unlock()
		if call.Operation != operation || n == 0 {
			return nil
		}
		n--
		return &fault
	})
}

func (w *world) put(t *testing.T, key string, data []byte) {
	t.Helper()
	if err := w.server.PutObject("bucket", key, data); err != nil {
		t.Fatal(err)
	}
}

func (w *world) want(t *testing.T, key, data string) {
	t.Helper()
	if got, ok := w.server.GetObject("bucket", key); !ok || string(got) != data {
		t.Errorf("the store holds %q (%v), want %q", got, ok, data)
	}
}
