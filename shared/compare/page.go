package compare

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// entry is an item on its way to a page.
type entry struct {
	at   position
	item Item
	// from and to are the asset in both backups, where its definitions have to be read.
	from, to *vault.Asset
}

// position is where an item stands among all: a text that tells it, so that a page may go on behind an item that is not there any more.
type position struct {
	Rank int    `json:"r"` // of what has become of the asset, as it is known before it is read
	Kind int    `json:"k"`
	Key  string `json:"n"`
}

// ranks is the order of items: what somebody may want back comes first.
func ranks() []What { return []What{Removed, Changed, Unknown, Added} }

func positionOf(i Item) position {
	key := i.Name
	if i.Kind != asset.Env {
		key = asset.Ref{Kind: i.Kind, Name: i.Name, Directory: i.Directory}.Key()
	}
	return position{slices.Index(ranks(), i.Change), slices.Index(asset.Kinds(), i.Kind), key}
}

func (p position) compare(q position) int {
	return cmp.Or(p.Rank-q.Rank, p.Kind-q.Kind, strings.Compare(p.Key, q.Key))
}

func (p position) encode() string {
	text, _ := json.Marshal(p) // two numbers and a text can be encoded
	return base64.RawURLEncoding.EncodeToString(text)
}

// errNext says that a text is the Next of no page.
var errNext = errors.New("want the next of an answer before this one")

func parsePosition(text string) (p position, err error) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || json.Unmarshal(data, &p) != nil || p.encode() != text {
		return position{}, errNext
	}
	return p, nil
}

// CheckNext tells whether a text may be the Next of a page.
func CheckNext(text string) error {
	_, err := parsePosition(text)
	return err
}

// ParseWhat reads what items are wanted: added, changed, removed or unknown.
func ParseWhat(text string) (What, error) {
	if what := What(text); slices.Contains(ranks(), what) {
		return what, nil
	}
	return "", errors.New("want added, changed, removed or unknown")
}

// Page makes a page of items whose fields are known already, and counts them. unchanged is how many assets there are besides. Errors: an Options.After that
// is none.
func Page(items []Item, unchanged int, opts Options) (*Comparison, error) {
	opts = opts.withDefaults()
	counts := Counts{Unchanged: unchanged}
	entries := make([]entry, 0, len(items))
	for _, i := range items {
		counts.Count(i.Change)
		entries = append(entries, entry{item: i})
	}
	result, err := opts.page(context.Background(), entries, nil)
	if err != nil {
		return nil, err
	}
	result.Counts, result.CountedBy = counts, ByDefinitions
	return result, nil
}

// fits tells whether an item is wanted.
func (o Options) fits(i Item) bool {
	return (o.Kind == "" || o.Kind == i.Kind) && (o.Change == "" || o.Change == i.Change) &&
		(o.Query == "" || strings.Contains(strings.ToLower(i.Name), strings.ToLower(o.Query)))
}

// page makes the page that is wanted of all entries. fill, which may be nil, completes an entry; its error ends the page before that entry.
func (o Options) page(ctx context.Context, entries []entry, fill func(context.Context, *entry) error) (*Comparison, error) {
	var after position
	if o.After != "" {
		var err error
		if after, err = parsePosition(o.After); err != nil {
			return nil, err
		}
	}
	entries = slices.DeleteFunc(entries, func(e entry) bool { return !o.fits(e.item) })
	for i := range entries {
		entries[i].at = positionOf(entries[i].item)
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.at.compare(b.at) })
	result := &Comparison{Total: len(entries), Items: []Item{}, Complete: true}
	if o.After != "" {
		entries = slices.DeleteFunc(entries, func(e entry) bool { return e.at.compare(after) <= 0 })
	}
	chosen := entries[:min(len(entries), o.Limit)]
	n := len(chosen)
	if fill != nil {
		if n = o.filled(ctx, chosen, fill); n == 0 && len(chosen) > 0 {
			return nil, context.Cause(ctx)
		}
	}
	size := 0
	for _, e := range chosen[:n] {
		text, err := json.MarshalIndent(e.item, "    ", "  ")
		if err != nil {
			return nil, err
		}
		if size += len(text); size > o.Size && len(result.Items) > 0 {
			break
		}
		result.Items = append(result.Items, e.item)
	}
	if n = len(result.Items); n < len(entries) {
		result.Next = entries[n-1].at.encode()
	}
	result.Complete = n == len(chosen)
	return result, nil
}

// filled completes entries, and says how many of the first ones are.
func (o Options) filled(ctx context.Context, entries []entry, fill func(context.Context, *entry) error) int {
	done := make([]bool, len(entries))
	var group errgroup.Group
	group.SetLimit(o.Concurrency)
	for i := range entries {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			done[i] = fill(ctx, &entries[i]) == nil
			return nil
		})
	}
	_ = group.Wait() // what could not be completed is not done
	if n := slices.Index(done, false); n >= 0 {
		return n
	}
	return len(entries)
}
