package store

import (
	"context"
	"io"
)

// Starter is a Store that gives out the beginning of an object without the rest.
type Starter interface {
	// GetStart opens the first n bytes of an object, or all of it where it has fewer. Info.Size is not that of the object. Errors: ErrNotExist.
	GetStart(ctx context.Context, key string, n int64) (io.ReadCloser, Info, error)
}

// ReadStart reads the first n bytes of an object, or all of it where it has fewer. A store that is no [Starter] is asked for the object, and the rest is not read.
// Errors: ErrNotExist.
func ReadStart(ctx context.Context, s Store, key string, n int64) ([]byte, Info, error) {
	get := s.Get
	if starter, ok := s.(Starter); ok {
		get = func(ctx context.Context, key string) (io.ReadCloser, Info, error) {
			return starter.GetStart(ctx, key, n)
		}
	}
	body, info, err := get(ctx, key)
	if err != nil {
		return nil, Info{}, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, n))
	if err != nil {
		return nil, Info{}, &ReadError{Key: key, Err: err}
	}
	return data, info, nil
}
