// Package compare holds two states of a workspace against each other: two backups, or, with what others have read, a backup and the live workspace.
//
// What it guarantees: what two manifests can tell is told from them alone, so that it costs no request however many assets there are; the definitions of the
// assets on one page are read, and only of those that differ. What cannot be told is unknown and never passes for unchanged or removed. No value of an
// environment variable is told, and where one of the two is encrypted in the bucket, nothing that is not in the clear there anyway.
package compare

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// What has become of an asset from one state to the other.
type What string

// What there is. Same is told only of an asset whose bytes differ and whose definition turned out, once it was read, to mean the same.
const (
	Added   What = "added"
	Changed What = "changed"
	Removed What = "removed"
	Unknown What = "unknown"
	Same    What = "same"
)

// Item is an asset that is not the same in both states; each environment variable is one.
type Item struct {
	Kind      asset.Kind `json:"kind"`
	Name      string     `json:"name"`
	Directory string     `json:"directory,omitempty"`
	Change    What       `json:"change"`
	// By is who changed the asset last, else its owner, and At when it was changed last: of what was removed, before it was. Empty where the API does not say.
	By string     `json:"by,omitempty"`
	At *time.Time `json:"at,omitempty"`
	// RenamedFrom is the asset that was removed and had the same content as this one that was added, and RenamedTo the other way round; a resource's has its
	// directory in front.
	RenamedFrom string `json:"renamedFrom,omitempty"`
	RenamedTo   string `json:"renamedTo,omitempty"`
	// Changes are the fields that differ, MostFields at most; MoreChanges counts the others.
	Changes     []Change `json:"changes,omitempty"`
	MoreChanges int      `json:"moreChanges,omitempty"`
	// Reason says why nothing, or not all, is known of the asset.
	Reason string `json:"reason,omitempty"`
}

// Counts are assets by what has become of them; each environment variable is one.
type Counts struct {
	Added     int `json:"added"`
	Changed   int `json:"changed"`
	Removed   int `json:"removed"`
	Unchanged int `json:"unchanged"`
	Unknown   int `json:"unknown"`
}

// How assets are counted.
const (
	ByManifests   = "manifests"   // a few of those that count as changed may turn out to mean the same, once they are read
	ByDefinitions = "definitions" // every definition was compared
)

// Comparison is a page of what differs between two states.
type Comparison struct {
	// Counts are over all assets of the kind that was asked for, whatever else was.
	Counts    Counts `json:"counts"`
	CountedBy string `json:"countedBy"`
	Total     int    `json:"total"` // of the items on all pages
	// Items come by what has become of them, removed, changed, unknown, added, as far as it is known before they are read; and then in the order of manifests: by
	// kind in restore order, then by key, environment variables by name.
	Items []Item `json:"items"`
	// Next continues the items; empty where they end.
	Next string `json:"next,omitempty"`
	// Complete is false where the page ended early, because time was over or it got too large. The next one goes on.
	Complete bool `json:"complete"`
	// Remarks are what one should know besides.
	Remarks []string `json:"-"`
}

// Options narrow a comparison down and cut it into pages. The zero value is everything, on pages of normal size.
type Options struct {
	Kind   asset.Kind // compares this kind alone
	Query  string     // part of the name, in either case
	Change What       // of the items that are wanted, as it is known before they are read
	After  string     // the Next of the page before; see [CheckNext]
	Limit  int        // items of a page at most; default 200
	Size   int        // bytes of a page's items as JSON at most, unless one alone has more; default 2.5 MB
	// Concurrency is how many assets are read at the same time; default 8.
	Concurrency int
}

func (o Options) withDefaults() Options {
	o.Limit = cmp.Or(o.Limit, 200)
	o.Size = cmp.Or(o.Size, 5<<19)
	o.Concurrency = cmp.Or(o.Concurrency, 8)
	return o
}

// Backups compares two backups, of one workspace or of two. What can be told from the manifests is; the environment variables are read where they differ, and
// of the assets on the page the two definitions.
//
// A page for which there is not enough time is shorter, but never empty. Errors: that of a context that ended before there was anything to tell; that of an
// Options.After which is none. An object of a backup that cannot be read is its item's reason.
func Backups(ctx context.Context, from, to *vault.Backup, opts Options) (*Comparison, error) {
	opts = opts.withDefaults()
	c := &comparing{from: from, to: to, opts: opts}
	c.name()
	for _, b := range []*vault.Backup{from, to} {
		if err := b.Readable(); err != nil {
			c.closed = cmp.Or(c.closed, "its fields cannot be told: "+InWords(b, err))
		}
	}
	if err := c.sort(ctx); err != nil {
		return nil, err
	}
	result, err := opts.page(ctx, c.entries, c.fill)
	if err != nil {
		return nil, err
	}
	result.Counts, result.CountedBy = c.counts, ByManifests
	result.Remarks = append(c.remarks(), result.Remarks...)
	return result, nil
}

// comparing is one comparison of two backups.
type comparing struct {
	from, to *vault.Backup
	opts     Options
	view     View
	closed   string // why no definition can be read; empty where that is not known before it is tried

	entries []entry
	counts  Counts
}

// name calls the two by their folders, or where these are called the same by their paths.
func (c *comparing) name() {
	c.view = View{Concealed: c.from.Manifest.Encrypted() || c.to.Manifest.Encrypted(), From: c.from.Folder().Name, To: c.to.Folder().Name}
	if c.view.From == c.view.To {
		c.view.From, c.view.To = c.from.Folder().Path(), c.to.Folder().Path()
	}
}

// sort makes an entry of everything that differs, as far as the manifests tell.
func (c *comparing) sort(ctx context.Context) error {
	sorted := Manifests(c.of(c.from), c.of(c.to))
	if c.from.Unverified != c.to.Unverified { // only the console's definitions hold fields of the server's, so that no two have the same bytes
		sorted.Unknown, sorted.Changed = append(sorted.Unknown, sorted.Changed...), nil
	}
	for _, pair := range sorted.Unchanged {
		if pair.To.Kind == asset.Env {
			c.counts.Unchanged += c.to.Manifest.Counts[asset.Env]
		} else {
			c.counts.Unchanged++
		}
	}
	renamedFrom, renamedTo := map[asset.Ref]string{}, map[asset.Ref]string{}
	for _, pair := range sorted.Renamed {
		renamedFrom[pair.To.Ref().Identity()], renamedTo[pair.From.Ref().Identity()] = FullName(pair.From.Ref()), FullName(pair.To.Ref())
		sorted.Removed, sorted.Added = append(sorted.Removed, pair.From), append(sorted.Added, pair.To)
	}
	for what, pairs := range map[What][]Pair{Changed: sorted.Changed, Unknown: sorted.Unknown} {
		for _, pair := range pairs {
			if err := c.add(ctx, what, &pair.From, &pair.To, Item{}); err != nil {
				return err
			}
		}
	}
	for _, a := range sorted.Removed {
		if err := c.add(ctx, Removed, &a, nil, Item{RenamedTo: renamedTo[a.Ref().Identity()]}); err != nil {
			return err
		}
	}
	for _, a := range sorted.Added {
		if err := c.add(ctx, Added, nil, &a, Item{RenamedFrom: renamedFrom[a.Ref().Identity()]}); err != nil {
			return err
		}
	}
	return nil
}

// of is a backup's manifest with the assets that are compared.
func (c *comparing) of(b *vault.Backup) *vault.Manifest {
	if c.opts.Kind == "" {
		return b.Manifest
	}
	m := *b.Manifest
	m.Assets = slices.DeleteFunc(slices.Clone(m.Assets), func(a vault.Asset) bool { return a.Kind != c.opts.Kind })
	return &m
}

// add notes an asset that differs. One of the two is nil where only the other backup has it.
func (c *comparing) add(ctx context.Context, what What, from, to *vault.Asset, item Item) error {
	is := cmp.Or(to, from)
	lacking := c.to
	if from == nil {
		lacking = c.from
	}
	if from == nil || to == nil {
		if reason := Lacks(lacking.Manifest, is.Ref()); reason != "" {
			what, item.Reason = Unknown, fmt.Sprintf("%s does not have it: %s", lacking.Folder().Path(), reason)
		}
	}
	if is.Kind == asset.Env {
		return c.addVariables(ctx, what, from, to, item.Reason)
	}
	item.Kind, item.Name, item.Directory, item.Change = is.Kind, is.Name, is.Directory, what
	item.By, item.At = cmp.Or(is.LastModifiedBy, is.Owner), is.LastModified
	c.note(entry{item: item, from: from, to: to})
	return nil
}

func (c *comparing) note(e entry) {
	c.entries = append(c.entries, e)
	c.counts.Count(e.item.Change)
}

// Count counts an asset. One that is the same counts as unchanged.
func (n *Counts) Count(what What) {
	switch what {
	case Added:
		n.Added++
	case Changed:
		n.Changed++
	case Removed:
		n.Removed++
	case Unknown:
		n.Unknown++
	case Same:
		n.Unchanged++
	}
}

// addVariables notes each environment variable that differs. Where they cannot be read, all of them are one.
func (c *comparing) addVariables(ctx context.Context, what What, from, to *vault.Asset, reason string) error {
	whole := Item{Kind: asset.Env, Name: asset.EnvName, Change: what, Reason: reason}
	if whole.Reason == "" {
		whole.Reason = c.closed
	}
	if whole.Reason != "" {
		c.note(entry{item: whole})
		return nil
	}
	old, err := c.variables(ctx, c.from, from)
	now, nowErr := c.variables(ctx, c.to, to)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err = errors.Join(err, nowErr); err != nil {
		whole.Reason = "they cannot be read: " + err.Error()
		c.note(entry{item: whole})
		return nil //nolint:nilerr // it is the item's reason
	}
	for _, name := range slices.Sorted(maps.Keys(union(old.Names(), now.Names()))) {
		item := Item{Kind: asset.Env, Name: name}
		a, was := old.Get(name)
		b, is := now.Get(name)
		switch {
		case !was:
			item.Change = Added
		case !is:
			item.Change = Removed
		default:
			changes, err := rawjson.Diff(a, b)
			if err != nil {
				return fmt.Errorf("compare environment variable %q: %w", name, err)
			}
			if len(changes) == 0 {
				c.counts.Count(Same)
				continue
			}
			item.Change = Changed
			item.Changes, item.MoreChanges = Keep(Fields(asset.Env, changes, c.view))
		}
		c.note(entry{item: item})
	}
	return nil
}

func union(lists ...[]string) map[string]bool {
	all := map[string]bool{}
	for _, list := range lists {
		for _, name := range list {
			all[name] = true
		}
	}
	return all
}

// variables reads the environment variables of a backup; none where it has no list of them.
func (c *comparing) variables(ctx context.Context, b *vault.Backup, a *vault.Asset) (*asset.Variables, error) {
	if a == nil {
		return asset.ParseVariables([]byte(`{}`))
	}
	text, err := b.Definition(ctx, *a)
	if err != nil {
		return nil, inWords(b, err)
	}
	list, err := asset.ParseVariables(text)
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", b.Folder().Path(), a.Key, err)
	}
	return list, nil
}

// fill reads what an entry's fields are. The error is that of a context that ended.
func (c *comparing) fill(ctx context.Context, e *entry) error {
	if e.from == nil || e.to == nil {
		return nil
	}
	item := &e.item
	files, doubt := fileChanges(e.from.Files, e.to.Files)
	changes, err := c.fields(ctx, e)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	item.Changes, item.MoreChanges = Keep(slices.Concat(files, changes))
	switch {
	case err != nil:
		item.Reason = err.Error()
		if len(files) > 0 {
			item.Change = Changed
		}
	case len(item.Changes) > 0:
		item.Change = Changed
	case doubt != "":
		item.Change, item.Reason = Unknown, doubt
	default:
		item.Change, item.Reason = Same, "its definition is stored in other bytes, and means the same"
	}
	return nil
}

// fields are those in which the two definitions of an entry differ.
func (c *comparing) fields(ctx context.Context, e *entry) ([]Change, error) {
	if content := contentOf(*e.from); content != "" && content == contentOf(*e.to) {
		return nil, nil
	}
	if c.closed != "" {
		return nil, errors.New(c.closed)
	}
	from, err := c.from.Definition(ctx, *e.from)
	if err != nil {
		return nil, fmt.Errorf("its fields cannot be told: %w", inWords(c.from, err))
	}
	to, err := c.to.Definition(ctx, *e.to)
	if err != nil {
		return nil, fmt.Errorf("its fields cannot be told: %w", inWords(c.to, err))
	}
	changes, err := asset.Changes(e.item.Kind, from, to)
	if err != nil {
		return nil, fmt.Errorf("its fields cannot be told: %w", err)
	}
	return Fields(e.item.Kind, changes, c.view), nil
}
