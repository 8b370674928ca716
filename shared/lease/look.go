package lease

import (
	"context"
	"fmt"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// maxNote is the longest note that a lease's object holds, in bytes.
const maxNote = 4 << 10

func noteOf(o Options) string {
	note := o.Note()
	if len(note) > maxNote {
		return ""
	}
	return note
}

// Sight is what a look at a lease finds: who holds it, or held it last and died.
type Sight struct {
	Holder
	Note    string    // Options.Note of the holder when it renewed the lease last
	Renewed time.Time // when that was, by the store's clock; zero where the store does not say
}

// Look tells who holds a lease; nil where nobody does. It is for people to see, and no proof: a living holder renews three times per time to live, but clocks
// of different machines are no base for mutual exclusion.
func Look(ctx context.Context, s store.Store, key string) (*Sight, error) {
	seen, err := object{store: s, key: key}.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at lease %s: %w", key, err)
	}
	if !seen.exists {
		return nil, nil //nolint:nilnil // nobody is no error
	}
	return &Sight{Holder: Holder{Owner: seen.record.Owner, Since: seen.record.Since}, Note: seen.record.Note, Renewed: seen.written}, nil
}
