package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/compare"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// readBack reads a written asset and compares. A service that shows writes late is given some time.
func (a *applying) readBack(ctx context.Context, s *step, definition []byte) error {
	ref, kind := s.asset.Ref(), s.item.Kind
	var last error
	for _, wait := range []time.Duration{0, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
		if err := a.opts.Sleep(ctx, wait); err != nil {
			return err
		}
		current, err := a.target.Get(ctx, ref, s.id)
		if err != nil {
			if last = fmt.Errorf("read %s back: %w", ref, err); errors.Is(err, factory.ErrNotFound) {
				continue
			}
			return last
		}
		lost, err := asset.Lost(kind, definition, current)
		if err != nil {
			return fmt.Errorf("read %s back: %w", ref, err)
		}
		if len(lost) == 0 {
			if last, err = s.left(definition, current); err != nil || last == nil {
				return err
			}
			continue
		}
		c := a.plan.describeChanges(kind, lost[:1])[0]
		values := ""
		if c.From != "" || c.To != "" && !compare.IsText(kind, lost[0]) {
			values = fmt.Sprintf(": %s was sent, %s is there", orNothing(c.From), orNothing(c.To))
		}
		last = fmt.Errorf("%s was written, but reads back with %d fields otherwise, the first is %s%s", ref, len(lost), c.Field, values)
	}
	return last
}

// left says which value an overwrite was to take away that is still there; nil if there is none. What else a service has added by itself to what it was
// given, its defaults, tells nothing.
func (s *step) left(definition, current []byte) (left, err error) {
	if len(s.removes) == 0 {
		return nil, nil
	}
	more, err := asset.Changes(s.item.Kind, current, definition)
	if err != nil {
		return nil, fmt.Errorf("read %s back: %w", s.asset.Ref(), err)
	}
	for _, c := range more {
		if s.removes[removal{c.Path, vault.Hash([]byte(c.From))}] {
			return fmt.Errorf("%s was written, but reads back with what the backup is without: %s is still there", s.asset.Ref(), c.Path), nil
		}
	}
	return nil, nil
}

// hasMeaning tells a value from none, and from the empty ones that a service may add by itself.
func hasMeaning(value string) bool {
	return !slices.Contains([]string{"", `""`, "0", "false", "null", "[]", "{}"}, value)
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
