package restore

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// This file decides whose an asset is that an import was to create, where the run that asked for it did not get to reading it back. An import skips what is
// there and says of it that it succeeded, and somebody may have created the asset right before: so what the task says is not enough.

// createdByOthers is the reason of what was to be created and is there as it should be, though not by this restore.
const createdByOthers = "somebody else created it meanwhile, as it is in the backup"

// claim is what is known of the import that was to create an asset.
type claim struct {
	began time.Time // by the service's clock; zero where nobody knows
	done  bool      // its task says that the asset was imported
}

// older tells whether an asset is older than its import, and therefore somebody else's. Some services tell times in seconds.
func (c claim) older(made time.Time) bool {
	return !made.IsZero() && !c.began.IsZero() && made.Before(c.began.Truncate(time.Second))
}

// proved tells whether the import created the asset.
func (c claim) proved(made time.Time) bool {
	return c.done && !made.IsZero() && !c.began.IsZero() && !c.older(made)
}

// madeAt is when a live asset was created, or else changed last, by the service's clock; zero where it does not say. The time is in milliseconds, a number
// or, in Show Job's example, a string.
func madeAt(definition []byte) time.Time {
	for _, name := range []string{"createTime", "create_time", "modifyTime", "modify_time"} {
		text, ok := rawjson.Path(definition, name)
		if !ok {
			continue
		}
		if ms, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64); err == nil && ms > 0 {
			return time.UnixMilli(ms).UTC()
		}
	}
	return time.Time{}
}

// rowMade is when a listed asset was made, as far as its row tells. It is for while the row's text is valid.
func rowMade(row factory.Row) time.Time {
	if made := madeAt(row.Raw); !made.IsZero() {
		return made
	}
	return row.LastModified
}

// theirs tells whether somebody else created what the run that is continued was to import.
func (p *plan) theirs(s *step) bool { return p.claims[s.item.Ref().Identity()].older(s.made) }

// dateless tells whether it hangs on when a live asset was made whose it is, and that is not known yet.
func (p *plan) dateless(s *step) bool {
	return s.made.IsZero() && !p.claims[s.item.Ref().Identity()].began.IsZero()
}

// before is what the run that is continued has on record of an asset, and what is known by now of its import.
func (p *plan) before(s *step) (Item, bool) {
	id := s.item.Ref().Identity()
	i, ok := p.done[id]
	if !ok || p.theirs(s) {
		return Item{}, false
	}
	i.Written = i.Written || p.claims[id].proved(s.made)
	return i, true
}

// imports waits, before anything is undone, for imports that would bring assets afterwards, and finds out whose those are that they were to bring.
func (u *undoing) imports(ctx context.Context) error {
	known, err := u.opts.awaitImports(ctx, u.target, u.report)
	if err != nil {
		return err
	}
	u.faults = append(u.faults, known.faults...)
	u.report.Imports, u.claims = known.imports, known.claims
	if err := u.opts.deleteBundles(ctx, u.report.ID); err != nil {
		if ctx.Err() != nil {
			return err
		}
		u.fault("what was to be imported is still in the bucket: %v", err)
	}
	var refs []asset.Ref
	for _, i := range u.report.Items {
		if !known.claims[i.Ref().Identity()].began.IsZero() {
			refs = append(refs, i.Ref())
		}
	}
	if len(refs) == 0 {
		return nil
	}
	live, err := rowsOf(ctx, u.target, refs)
	if err != nil {
		return err
	}
	for n := range u.report.Items {
		i := &u.report.Items[n]
		c := known.claims[i.Ref().Identity()]
		made, there := live[i.Ref().Identity()]
		if !there || c.began.IsZero() {
			continue
		}
		if made.IsZero() {
			definition, err := u.target.Get(ctx, i.Ref(), "")
			if interrupted(ctx, err) {
				return err
			}
			made = madeAt(definition) // of one that cannot be read nothing is known
		}
		switch {
		case c.older(made):
			i.Outcome, i.Reason = Unchanged, "somebody else created it before it could be imported"
		case c.proved(made):
			i.Written = true
		}
	}
	return nil
}
