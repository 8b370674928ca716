// Package store is the contract of the object store that backups live in: a bucket of OBS or of an S3-compatible store.
//
// The contract asks only for what OBS and every S3-compatible store really offer. Conditions on writes are part of it as a
// request, not as a promise: some stores ignore them, and shared/lease is built to notice that.
//
// Package storetest holds the contract as a test suite that every implementation passes.
package store

import (
	"context"
	"errors"
	"io"
	"time"
)

// Errors that callers tell apart with errors.Is. Every other error means that the outcome is unknown or the store refused.
var (
	// ErrNotExist: there is no such object (or bucket).
	ErrNotExist = errors.New("object does not exist")
	// ErrPrecondition: the write's condition did not hold, so nothing was written.
	ErrPrecondition = errors.New("object is not in the expected state")
	// ErrDamaged: what the store kept or sent is not what was written.
	ErrDamaged = errors.New("object is damaged")
)

// Info is what a store says about an object.
type Info struct {
	Key          string
	Size         int64     // bytes
	ETag         string    // without quotes; for an object written by Put, the lower-case hex MD5 of its bytes unless the bucket encrypts
	LastModified time.Time // zero where the store does not say
	// RetainUntil is when the WORM protection of the object's current version ends; zero where the store tells of none. Only Get and Stat tell. A store
	// with versions takes the deletion of a protected object all the same, and hides it behind a delete marker.
	RetainUntil time.Time
}

// Condition restricts a Put. The zero value writes always. A store may ignore conditions.
type Condition struct {
	IfNoneMatch bool   // write only if there is no object of that key
	IfMatch     string // write only if the object's ETag is this one
}

// Location is an object anywhere in the same object service.
type Location struct{ Bucket, Key string }

// Store is one bucket. All methods are safe for concurrent use, end with the context's error soon after the context ends, retry
// what may be retried by themselves, and wrap their errors with operation, bucket and key.
type Store interface {
	// Put writes an object in one piece: after it returns nil, the object has exactly these bytes and readers see them.
	// The bytes travel with their MD5, and the ETag that the store answers is compared where it is one. Put may send the
	// same bytes more than once; with a condition, a lost answer is told apart from a lost race by what the store then
	// holds. Errors: ErrPrecondition, ErrDamaged.
	Put(ctx context.Context, key string, body []byte, cond Condition) (Info, error)
	// Get opens an object. The caller closes it; a body that ends early is an error on Read, never a short object.
	// Errors: ErrNotExist.
	Get(ctx context.Context, key string) (io.ReadCloser, Info, error)
	// List calls fn for every object whose key starts with prefix, in ascending order of the keys' bytes. With a delimiter, keys that
	// hold it after the prefix are rolled up and reported once as an Info with only Key set, ending in the delimiter.
	// An error of fn ends the listing and is returned as it is.
	List(ctx context.Context, prefix, delimiter string, fn func(Info) error) error
	// Delete removes objects; one that is not there is no error.
	Delete(ctx context.Context, keys ...string) error
	// Copy writes the object at from, of any size, to key, inside the service where it can. Info is that of the copy.
	// Errors: ErrNotExist when there is no such source.
	Copy(ctx context.Context, from Location, key string) (Info, error)
	// PutStream writes an object of any size, which need not be known, from body, in bounded memory: above one part of the store's
	// it goes part by part. Every part travels and is compared as in Put. Nothing is visible under the key before body has been
	// read to its end and everything is stored; until then, and after an error, what was there stays, and no parts are left behind.
	// body is read once and not closed; its error ends the write and is wrapped. The ETag of an object in parts is not an MD5.
	// Errors: ErrNotExist when there is no such bucket, ErrDamaged.
	PutStream(ctx context.Context, key string, body io.Reader) (Info, error)
	// Stat is what Get says about an object, without its body. Errors: ErrNotExist.
	Stat(ctx context.Context, key string) (Info, error)
	// Bucket is another bucket of the same service, asked with the same keys. It sends nothing: a bucket that does not exist
	// shows at the first call.
	Bucket(name string) Store
}

// readTries is how often ReadAll reads an object whose body breaks off.
const readTries = 3

// ReadAll gets a whole object of at most limit bytes. A body that breaks off is read again.
func ReadAll(ctx context.Context, s Store, key string, limit int64) ([]byte, Info, error) {
	for try := 1; ; try++ {
		data, info, err := readOnce(ctx, s, key, limit)
		var broken *ReadError
		if err == nil || !errors.As(err, &broken) || errors.Is(err, ErrTooLarge) || try == readTries || ctx.Err() != nil {
			return data, info, err
		}
	}
}

func readOnce(ctx context.Context, s Store, key string, limit int64) ([]byte, Info, error) {
	body, info, err := s.Get(ctx, key)
	if err != nil {
		return nil, Info{}, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, Info{}, &ReadError{Key: key, Err: err}
	}
	if int64(len(data)) > limit {
		return nil, Info{}, &ReadError{Key: key, Err: ErrTooLarge}
	}
	return data, info, nil
}

// ErrTooLarge says that an object holds more than its reader takes.
var ErrTooLarge = errors.New("object is larger than it may be")

// ReadError is a failure while an object's body was read.
type ReadError struct {
	Key string
	Err error
}

func (e *ReadError) Error() string { return "read " + e.Key + ": " + e.Err.Error() }
func (e *ReadError) Unwrap() error { return e.Err }
