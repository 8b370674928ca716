package restore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
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
		lost, err := rawjson.Lost(asset.Comparable(kind, definition), asset.Comparable(kind, current))
		if err != nil {
			return fmt.Errorf("read %s back: %w", ref, err)
		}
		if len(lost) == 0 {
			return nil
		}
		c := a.plan.describeChanges(kind, lost[:1])[0]
		values := ""
		if c.From != "" || c.To != "" {
			values = fmt.Sprintf(": %s was sent, %s is there", orNothing(c.From), orNothing(c.To))
		}
		last = fmt.Errorf("%s was written, but reads back with %d fields otherwise, the first is %s%s", ref, len(lost), c.Field, values)
	}
	return last
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
