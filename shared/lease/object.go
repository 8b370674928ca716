package lease

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// record is the content of a lease's object.
type record struct {
	Owner        string    `json:"owner"`
	Token        string    `json:"token"`        // tells holders apart that have the same name
	RenewedCount int       `json:"renewedCount"` // changes with every write, and so do the bytes
	Since        time.Time `json:"since"`
	Note         string    `json:"note,omitempty"` // what the holder says of its work
}

// maxRecord bounds what is read of a lease's object, in bytes.
const maxRecord = 64 << 10

// object is where a lease lies.
type object struct {
	store store.Store
	key   string
}

// state is what was read of a lease's object. Two equal states are the same write.
type state struct {
	exists  bool
	etag    string
	bytes   string
	written time.Time // by the store's clock; zero where it does not say
	record  record    // zero if the bytes are not a record: then the holder is unknown, but still a holder
}

// same tells whether two states are the same write.
func (s state) same(other state) bool {
	return s.exists == other.exists && s.etag == other.etag && s.bytes == other.bytes
}

func (o object) read(ctx context.Context) (state, error) {
	data, info, err := store.ReadAll(ctx, o.store, o.key, maxRecord)
	if errors.Is(err, store.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, fmt.Errorf("read lease: %w", err)
	}
	s := state{exists: true, etag: info.ETag, bytes: string(data), written: info.LastModified}
	var r record
	if json.Unmarshal(data, &r) == nil {
		s.record = r
	}
	return s, nil
}

func (o object) write(ctx context.Context, r record, cond store.Condition) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode lease: %w", err)
	}
	if _, err := o.store.Put(ctx, o.key, append(data, '\n'), cond); err != nil {
		return fmt.Errorf("write lease: %w", err)
	}
	return nil
}

// replaces is the condition under which a write replaces a state.
func (s state) replaces() store.Condition {
	if !s.exists {
		return store.Condition{IfNoneMatch: true}
	}
	return store.Condition{IfMatch: s.etag}
}
