package lease_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
)

// TestLease_OnAnObjectStore runs contenders against a store over HTTP, in real time and so with short terms.
func TestLease_OnAnObjectStore(t *testing.T) {
	t.Parallel()
	for name, ignore := range map[string]bool{"that honours conditions": false, "that ignores conditions": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keyring := &iam.Keyring{}
			keyring.Add(iam.Credentials{AccessKey: "access", SecretKey: "secret"})
			server := objectstore.New(objectstore.Options{Keyring: keyring})
			t.Cleanup(func() { _ = server.Close() })
			server.IgnoreConditions(ignore)
			if err := server.CreateBucket("vault"); err != nil {
				t.Fatal(err)
			}
			client, err := obs.New(obs.Options{
				Endpoint: "https://obs.eu-de.otc.t-systems.com", AccessKey: "access", SecretKey: "secret", Transport: server.Transport(),
			})
			if err != nil {
				t.Fatal(err)
			}
			opts := lease.Options{TTL: 10 * time.Second, Settle: time.Second, Poll: 30 * time.Millisecond}
			var inside atomic.Int32
			var everybody sync.WaitGroup
			for i := range 3 {
				everybody.Go(func() {
					own := opts
					own.Owner = fmt.Sprint("contender ", i)
					l, err := lease.Acquire(t.Context(), client.Bucket("vault"), key, own)
					if err != nil {
						t.Error(err)
						return
					}
					if inside.Add(1) != 1 {
						t.Error("two contenders hold the lease")
					}
					if err := l.Check(t.Context()); err != nil {
						t.Error(err)
					}
					inside.Add(-1)
					if err := l.Release(context.WithoutCancel(t.Context())); err != nil {
						t.Error(err)
					}
				})
			}
			everybody.Wait()
			keys, err := server.Keys("vault", "")
			if err != nil || len(keys) != 0 {
				t.Errorf("%s was left behind, error %v", strings.Join(keys, ", "), err)
			}
		})
	}
}

func TestLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keyring := &iam.Keyring{}
		keyring.Add(iam.Credentials{AccessKey: "access", SecretKey: "secret"})
		server := objectstore.New(objectstore.Options{Keyring: keyring})
		t.Cleanup(func() { _ = server.Close() })
		if err := server.CreateBucket("vault"); err != nil {
			t.Fatal(err)
		}
		client, err := obs.New(obs.Options{Endpoint: "https://obs.eu-de.otc.t-systems.com", AccessKey: "access", SecretKey: "secret", Transport: server.Transport()})
		if err != nil {
			t.Fatal(err)
		}
		bucket := client.Bucket("vault")
		if sight, err := lease.Look(t.Context(), bucket, key); sight != nil || err != nil {
			t.Fatalf("nobody holds it: %+v %v", sight, err)
		}
		var notes atomic.Int32
		began := time.Now().Add(-2 * time.Second) // stores tell seconds
		l, err := lease.Acquire(t.Context(), bucket, key, lease.Options{Owner: "backup r1", TTL: 300 * time.Millisecond, Settle: 50 * time.Millisecond,
			Note: func() string { return fmt.Sprintf("%d done", notes.Add(1)) }})
		if err != nil {
			t.Fatal(err)
		}
		seen := func() *lease.Sight {
			t.Helper()
			sight, err := lease.Look(t.Context(), bucket, key)
			if err != nil || sight == nil || sight.Owner != "backup r1" || sight.Renewed.Before(began) || sight.Since.IsZero() {
				t.Fatalf("%+v %v", sight, err)
			}
			return sight
		}
		first := ""
		for range 100 {
			time.Sleep(10 * time.Millisecond)
			if first = seen().Note; first != "" {
				break
			}
		}
		time.Sleep(time.Second)
		if note := seen().Note; first == "" || note == first { // every renewal asks anew
			t.Errorf("first %q, a second later %q", first, note)
		}
		if err := l.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if sight, err := lease.Look(t.Context(), bucket, key); sight != nil || err != nil {
			t.Errorf("it was released: %+v %v", sight, err)
		}
	})
}
