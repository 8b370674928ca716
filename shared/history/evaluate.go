package history

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
)

// result is what became of one asset.
type result struct {
	hits   []hit // one; of the list of environment variables one for each that was found, by ascending name
	faults []fault
}

// hit is an asset in the backups of a stretch that hold it as it is looked for.
type hit struct {
	ref   asset.Ref
	key   string
	where []string
	days  []int // newest first
}

// evaluate looks into all contents of an asset, the newest first. The error is that of the context.
func (f *finder) evaluate(ctx context.Context, s *stretch, sub *subject) (result, error) {
	var r result
	hits := map[string]*hit{} // by name
	add := func(c *content, name string, where []string, days []int) {
		h := hits[name]
		if h == nil {
			h = &hit{ref: sub.ref, where: where, key: c.asset.Key}
			if h.ref.Name = name; sub.ref.Kind == asset.Env {
				h.ref.Directory = ""
			}
			hits[name] = h
		}
		if len(h.days) == 0 || days[0] < h.days[0] {
			h.where, h.key = where, c.asset.Key
		}
		h.days = append(h.days, days...)
	}
	for _, c := range sub.contents {
		switch {
		case !f.query.reads(sub.ref.Kind):
			add(c, sub.ref.Name, []string{"name"}, c.days)
			continue
		case !c.open:
			for _, n := range c.days {
				if where, ok := s.days[n].listed[sub.ref.Identity()]; ok {
					add(c, sub.ref.Name, where, []int{n})
				}
			}
			continue
		}
		a, faults, err := f.answer(ctx, s, sub, c)
		if err != nil {
			return r, err
		}
		r.faults = append(r.faults, faults...)
		for _, name := range a.names {
			add(c, name, []string{"name"}, c.days)
		}
		if a.found {
			add(c, sub.ref.Name, a.where, c.days)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(hits)) {
		slices.Sort(hits[name].days)
		r.hits = append(r.hits, *hits[name])
	}
	return r, nil
}

// answer looks into a content, unless this search has done so.
func (f *finder) answer(ctx context.Context, s *stretch, sub *subject, c *content) (a answer, faults []fault, err error) {
	id := sub.key + "\n" + c.id
	f.mu.Lock()
	a, known := f.memo[id]
	f.mu.Unlock()
	if known {
		return a, nil, nil
	}
	weight := min(max(c.asset.Size, 1), readBytes)
	if err := f.memory.Acquire(ctx, weight); err != nil {
		return a, nil, cmp.Or(context.Cause(ctx), err)
	}
	defer f.memory.Release(weight)
	text, ok, faults, err := s.read(ctx, c)
	if err != nil || !ok {
		return a, faults, err
	}
	if sub.ref.Kind == asset.Env {
		all, err := asset.ParseVariables(text)
		if err != nil {
			for _, n := range c.days {
				faults = append(faults, fault{s.days[n].name, fmt.Sprintf("%s: %v", c.asset.Key, err)})
			}
			return a, faults, nil
		}
		for _, name := range all.Names() {
			if f.query.variable(name) {
				a.names = append(a.names, strings.Clone(name))
			}
		}
	} else {
		a.where, a.found = f.query.definition(sub.ref.Kind, text)
	}
	f.mu.Lock()
	f.memo[id] = a
	f.mu.Unlock()
	return a, faults, nil
}
