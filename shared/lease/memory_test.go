package lease_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// memory is a bucket in memory, with the ways in which object stores differ about conditions.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	puts    int

	ignoreIfNoneMatch bool // rclone, s3rver
	ignoreIfMatch     bool // the same, and stores that know only If-None-Match
	refuseIfMatch     bool // RGW 16: 412 even for the right ETag
}

// client is one machine's way to the bucket. It is a store.Store.
type client struct {
	*memory

	mu    sync.Mutex
	delay func(operation string) (before, after time.Duration) // of the store's deed
	lose  func(operation string) bool                          // do it and answer an error
}

var errLostAnswer = errors.New("connection reset")

func etagOf(body []byte) string {
	sum := md5.Sum(body)
	return hex.EncodeToString(sum[:])
}

func (c *client) setDelay(delay func(operation string) (before, after time.Duration)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delay = delay
}

// travel is the way to the store and back around a deed.
func (c *client) travel(ctx context.Context, operation string, deed func() error) error {
	c.mu.Lock()
	delay, lose := c.delay, c.lose
	c.mu.Unlock()
	var before, after time.Duration
	if delay != nil {
		before, after = delay(operation)
	}
	// A write that is on its way arrives even when the client stops waiting for it. A deletion does not: see the package's
	// documentation for what it would do.
	result := make(chan error, 1)
	go func() {
		time.Sleep(before)
		if operation == "delete" && ctx.Err() != nil {
			return
		}
		result <- deed()
	}()
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", operation, ctx.Err())
	case err := <-result:
		if lose != nil && lose(operation) {
			return fmt.Errorf("%s: %w", operation, errLostAnswer)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", operation, ctx.Err())
		case <-time.After(after):
			return err
		}
	}
}

func (c *client) Put(ctx context.Context, key string, body []byte, cond store.Condition) (store.Info, error) {
	err := c.travel(ctx, "put", func() error {
		m := c.memory
		m.mu.Lock()
		defer m.mu.Unlock()
		m.puts++
		old, exists := m.objects[key]
		switch {
		case cond.IfNoneMatch && exists && !m.ignoreIfNoneMatch,
			cond.IfMatch != "" && m.refuseIfMatch,
			cond.IfMatch != "" && !m.ignoreIfMatch && (!exists || etagOf(old) != cond.IfMatch):
			return fmt.Errorf("put %s: %w", key, store.ErrPrecondition)
		}
		if m.objects == nil {
			m.objects = map[string][]byte{}
		}
		m.objects[key] = bytes.Clone(body)
		return nil
	})
	if err != nil {
		return store.Info{}, err
	}
	return store.Info{Key: key, Size: int64(len(body)), ETag: etagOf(body)}, nil
}

func (c *client) Get(ctx context.Context, key string) (io.ReadCloser, store.Info, error) {
	var body []byte
	err := c.travel(ctx, "get", func() error {
		m := c.memory
		m.mu.Lock()
		defer m.mu.Unlock()
		found, exists := m.objects[key]
		if !exists {
			return fmt.Errorf("get %s: %w", key, store.ErrNotExist)
		}
		body = found
		return nil
	})
	if err != nil {
		return nil, store.Info{}, err
	}
	return io.NopCloser(bytes.NewReader(body)), store.Info{Key: key, Size: int64(len(body)), ETag: etagOf(body)}, nil
}

func (c *client) Delete(ctx context.Context, keys ...string) error {
	return c.travel(ctx, "delete", func() error {
		m := c.memory
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, key := range keys {
			delete(m.objects, key)
		}
		return nil
	})
}

// The others are no part of a lease.
func (c *client) List(context.Context, string, string, func(store.Info) error) error {
	return errors.New("a lease lists nothing")
}

func (c *client) Copy(context.Context, store.Location, string) (store.Info, error) {
	return store.Info{}, errors.New("a lease copies nothing")
}

func (c *client) PutStream(context.Context, string, io.Reader) (store.Info, error) {
	return store.Info{}, errors.New("a lease streams nothing")
}

func (c *client) Stat(context.Context, string) (store.Info, error) {
	return store.Info{}, errors.New("a lease looks at nothing without reading it")
}

func (c *client) Bucket(string) store.Store { return c }

func (m *memory) has(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, exists := m.objects[key]
	return exists
}
