package history

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// FindQuery asks which backups hold an asset.
type FindQuery struct {
	Criteria
	Backups int    // how many dated folders are looked at, the newest; 0 is all
	Limit   int    // how many assets the answer has at most; 0 is no limit
	After   string // the Next of the answer before; empty begins anew
}

// Findings are the assets that were found. The continuation of an answer may name an asset again, with older backups: the two belong together.
type Findings struct {
	Assets     []Found      `json:"assets"`
	Unsearched []Unsearched `json:"unsearched"` // newest first
	Searched   Searched     `json:"searched"`
	Complete   bool         `json:"complete"` // false: the search goes on at Next
	Next       string       `json:"next,omitempty"`
}

// Found is an asset that holds what was looked for, and the backups in which it does.
type Found struct {
	Kind      asset.Kind `json:"kind"`
	Name      string     `json:"name"` // of an environment variable its own
	Directory string     `json:"directory,omitempty"`
	Key       string     `json:"key"`   // in the backup Last
	Where     []string   `json:"where"` // in the backup Last, at most a few places: `node "load": connectionName "hive"`, `line 12: …`
	Backups   []string   `json:"backups"`
	First     string     `json:"first"` // the oldest of Backups
	Last      string     `json:"last"`  // the newest
}

// Unsearched is a backup that may hold more than was found in it, and why.
type Unsearched struct {
	Backup string      `json:"backup"`
	Status vault.State `json:"status"`
	// Assets is how many of its assets could not be looked into; 0 where the reason is about the backup.
	Assets int    `json:"assets,omitempty"`
	Reason string `json:"reason"` // of several assets the first one's
}

const (
	stretchDays = 32          // backups whose manifests are held against each other at a time
	chunk       = 2 * readers // assets between two looks at the clock
	readers     = 16          // definitions that are read at a time
	readBytes   = 64 << 20    // and their size together, but for one that is larger
	// answerBytes is about the size from which an answer takes no further asset: platforms take 6 MB.
	answerBytes = 2 << 20
)

// Find looks for assets. What an asset is bound to is read from its definition rather than from backup.json, which an operator may have edited; only of an
// encrypted backup whose definitions cannot be read is backup.json looked at, and the backup is among the unsearched ones all the same. Errors: [ErrCursor];
// those of the store's listing and of the context.
func Find(ctx context.Context, v *vault.Vault, q FindQuery, opts Options) (*Findings, error) {
	folders, total, err := newestFirst(ctx, v, "")
	if err != nil {
		return nil, err
	}
	f := &finder{query: q, opts: opts, at: map[asset.Ref]int{}, unread: map[string]int{}, states: map[string]vault.State{}, memo: map[string]answer{},
		memory: semaphore.NewWeighted(readBytes), out: &Findings{Assets: []Found{}, Unsearched: []Unsearched{}, Searched: Searched{Total: total}}}
	if len(folders) == 0 {
		f.out.Complete = true
		return f.out, nil
	}
	at := cursor{Question: q.question(), From: folders[0].Name, Oldest: folders[len(folders)-1].Name}
	if q.Backups > 0 {
		at.Oldest = folders[min(q.Backups, len(folders))-1].Name
	}
	if q.After != "" {
		if at, err = parseCursor(q.After, q.question()); err != nil {
			return nil, err
		}
	}
	for {
		left := slices.DeleteFunc(slices.Clone(folders), func(d *vault.Folder) bool { return d.Name > at.From || d.Name < at.Oldest })
		here := left[:min(stretchDays, len(left))]
		if at.To != "" {
			here = slices.DeleteFunc(slices.Clone(left), func(d *vault.Folder) bool { return d.Name < at.To })
		}
		noted, searched := len(f.out.Unsearched), f.out.Searched
		n, next, err := f.stretch(ctx, here, at)
		if err != nil && f.last != nil { // what was found is the answer
			if next, err = f.last, nil; next.Key == "" { // nothing of this stretch is told of
				f.out.Unsearched, f.out.Searched = f.out.Unsearched[:noted], searched
			}
		}
		if err != nil {
			return nil, fmt.Errorf("search the backups in %s: %w", v.Path(), err)
		}
		if next == nil && n < len(left) {
			at = cursor{Question: at.Question, Oldest: at.Oldest, From: left[n].Name}
			reached := at
			f.last = &reached
			if !f.full() && !opts.over() {
				continue
			}
			next = &at
		}
		if f.out.Complete = next == nil; next != nil {
			f.out.Next = next.encode()
		}
		break
	}
	slices.SortStableFunc(f.out.Unsearched, func(a, b Unsearched) int { return cmp.Compare(b.Backup, a.Backup) })
	return f.out, nil
}

// finder is one search.
type finder struct {
	query  FindQuery
	opts   Options
	out    *Findings
	at     map[asset.Ref]int // of an asset in out.Assets
	unread map[string]int    // of a backup with unread assets in out.Unsearched
	states map[string]vault.State
	bytes  int
	last   *cursor // how far the answer is; nil where it is nowhere yet
	memory *semaphore.Weighted

	mu   sync.Mutex
	memo map[string]answer // by asset and content, over stretches
}

// answer is what was found in a content.
type answer struct {
	found bool
	where []string
	names []string // of environment variables
}

func (f *finder) full() bool {
	return f.query.Limit > 0 && len(f.out.Assets) >= f.query.Limit || f.bytes > answerBytes
}

// stretch searches these backups, or as many of the first ones as time allows if the stretch has no end yet, and returns how many. next is where the search goes
// on if it was cut off among them.
func (f *finder) stretch(ctx context.Context, folders []*vault.Folder, at cursor) (n int, next *cursor, err error) {
	s := &stretch{byRef: map[asset.Ref]*subject{}}
	isNew := at.To == ""
	begun := f.opts.now()
	for d, err := range days(ctx, folders) {
		if err != nil {
			return n, nil, err
		}
		f.take(s, d, at.Key == "")
		if n++; isNew && f.opts.halfOver(begun) {
			break // there must be time to look into what is in them
		}
	}
	if n == 0 {
		return 0, nil, nil
	}
	if isNew {
		at.To = folders[n-1].Name
	}
	s.sort()
	next, err = f.subjects(ctx, s, at)
	return n, next, err
}

// take adds a backup to a stretch. What it does not tell is noted in the first answer about the stretch.
func (f *finder) take(s *stretch, d day, first bool) {
	f.out.Searched.add(d.name)
	f.states[d.name] = d.state
	if d.reason != "" && first {
		f.unsearched(d.name, d.reason)
	}
	if d.backup == nil {
		return
	}
	readable, listed := d.backup.Readable(), f.query.byDocument() && d.backup.Document != nil
	if n := s.add(f.query.Criteria, d); n == 0 || readable == nil || !first {
		return
	}
	reason := readable.Error()
	if listed {
		reason += "; only what backup.json lists was looked at, and that may have been edited"
	}
	f.unsearched(d.name, reason)
}

func (f *finder) unsearched(backup, reason string) {
	f.out.Unsearched = append(f.out.Unsearched, Unsearched{Backup: backup, Status: f.states[backup], Reason: shortened(reason)})
}

// unreadAsset counts an asset of a backup that could not be looked into.
func (f *finder) unreadAsset(is fault) {
	at, known := f.unread[is.backup]
	if !known {
		f.unsearched(is.backup, is.reason)
		at = len(f.out.Unsearched) - 1
		f.unread[is.backup] = at
	}
	f.out.Unsearched[at].Assets++
}

// shortened keeps answers small: the whole error names a path, which may be long.
func shortened(reason string) string {
	const most = 500
	if r := []rune(reason); len(r) > most {
		return string(r[:most]) + "…"
	}
	return reason
}

// subjects looks at the assets of a stretch after those that were answered, some at a time. next is where it was cut off; nil at the end.
func (f *finder) subjects(ctx context.Context, s *stretch, at cursor) (next *cursor, err error) {
	from, found := slices.BinarySearchFunc(s.subjects, at.Key, func(sub *subject, key string) int { return strings.Compare(sub.key, key) })
	if found && at.Variable == "" {
		from++
	}
	for rest := s.subjects[from:]; len(rest) > 0; {
		now := rest[:min(chunk, len(rest))]
		rest = rest[len(now):]
		results := make([]result, len(now))
		group, reading := errgroup.WithContext(ctx)
		group.SetLimit(readers)
		for i, sub := range now {
			group.Go(func() (err error) {
				results[i], err = f.evaluate(reading, s, sub)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return nil, err
		}
		for i, sub := range now {
			seen := ""
			if sub.key == at.Key {
				seen = at.Variable
			}
			at.Key, at.Variable = sub.key, ""
			if stopped := f.note(s, results[i], seen); stopped != "" {
				at.Variable = stopped
				return &at, nil
			}
			if f.full() && i+1 < len(now) {
				return &at, nil
			}
			reached := at
			f.last = &reached
		}
		if len(rest) > 0 && (f.full() || f.opts.over()) {
			return &at, nil
		}
	}
	return nil, nil //nolint:nilnil // nothing is left
}

// note puts what an asset came to into the answer. Of environment variables those up to seen were in an answer before; stopped is the last one that fits, if not
// all do.
func (f *finder) note(s *stretch, r result, seen string) (stopped string) {
	if seen == "" {
		for _, is := range r.faults {
			f.unreadAsset(is)
		}
	}
	for i, h := range r.hits {
		if variableOf(h.ref) && h.ref.Name <= seen && seen != "" {
			continue
		}
		f.found(s, h)
		if f.full() && i+1 < len(r.hits) {
			return h.ref.Name
		}
	}
	return ""
}

// found adds an asset to the answer, or older backups to an asset in it.
func (f *finder) found(s *stretch, h hit) {
	const perBackup = 32 // bytes in the answer
	var names []string
	for _, n := range h.days {
		names = append(names, s.days[n].name)
	}
	at, known := f.at[h.ref.Identity()]
	if !known {
		at = len(f.out.Assets)
		f.at[h.ref.Identity()] = at
		f.out.Assets = append(f.out.Assets, Found{Kind: h.ref.Kind, Name: h.ref.Name, Directory: h.ref.Directory, Key: h.key, Where: h.where, Last: names[0]})
		text, _ := json.Marshal(f.out.Assets[at]) // strings always encode
		f.bytes += len(text)
	}
	item := &f.out.Assets[at]
	item.Backups = append(item.Backups, names...)
	item.First = item.Backups[len(item.Backups)-1]
	f.bytes += perBackup * len(names)
}
