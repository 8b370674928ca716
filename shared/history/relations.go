package history

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// mostUnread is how many definitions that could not be read are named.
const mostUnread = 20

// Relations is what needs what in one backup. It never changes, and is safe for concurrent use.
type Relations struct {
	// Read and Total are how many definitions were read and how many there are. Where time ended before all were, what the others need is not known.
	Read, Total int
	// Unread says why definitions could not be read, of the first few; UnreadCount is how many there are.
	Unread      []string
	UnreadCount int

	facts []facts // of the assets of the manifest up to Read, in its order
	nodes []placed
	ids   map[nodeID]int
	byKey map[string]int
	out   [][]link // by node: what it needs
	in    [][]link // by node: what needs it
}

// Complete tells whether every definition was looked at.
func (r *Relations) Complete() bool { return r.Read == r.Total }

// facts is what one definition says.
type facts struct {
	references asset.References
	variables  []string            // that its expressions name
	locations  []string            // of a resource
	own        []string            // of the list of environment variables: their names
	uses       map[string][]string // and what those name
}

// nodeID is one thing that needs or is needed.
type nodeID struct {
	ref   asset.Ref // identity
	state State
}

// placed is a node with how it is shown.
type placed struct {
	ref   asset.Ref
	key   string
	state State
}

// link is an edge as one of its nodes sees it.
type link struct {
	to   int
	kind EdgeType
}

// Relate reads the definitions of a backup and sees what they need. What an earlier call for the same backup had read, when its time ended, is taken over; earlier
// may be nil. Where time ends again the relations are not complete, and one step further. Errors: those of [vault.Backup.Readable]; of the context.
func Relate(ctx context.Context, b *vault.Backup, earlier *Relations, opts Options) (*Relations, error) {
	if err := b.Readable(); err != nil {
		return nil, err
	}
	assets := b.Manifest.Assets
	r := &Relations{Total: len(assets)}
	if earlier != nil {
		r.Read, r.facts, r.Unread, r.UnreadCount = earlier.Read, slices.Clip(earlier.facts), slices.Clip(earlier.Unread), earlier.UnreadCount
	}
	jobs := map[string]bool{}
	for _, a := range assets {
		jobs[a.Name] = jobs[a.Name] || a.Kind == asset.Jobs
	}
	for begun := false; r.Read < r.Total && (!begun || !opts.over()); begun = true {
		now := assets[r.Read:min(r.Read+chunk, r.Total)]
		err := r.read(ctx, b, now, jobs)
		if err != nil && begun {
			break // what was read is the answer
		}
		if err != nil {
			return nil, fmt.Errorf("read what the assets of %s need: %w", b.Folder().Path(), err)
		}
	}
	r.connect(assets)
	return r, nil
}

// read takes the facts of some assets.
func (r *Relations) read(ctx context.Context, b *vault.Backup, assets []vault.Asset, jobs map[string]bool) error {
	found, faults := make([]facts, len(assets)), make([]string, len(assets))
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, a := range assets {
		group.Go(func() error {
			text, err := b.Definition(reading, a)
			if err == nil {
				found[i], err = factsOf(a.Kind, text, jobs)
			}
			if err != nil {
				reason, fatal := unreadable(reading, err)
				faults[i] = fmt.Sprintf("%s: %s", a.Ref(), shortened(reason))
				return fatal
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, fault := range faults {
		if fault == "" {
			continue
		}
		if r.UnreadCount++; r.UnreadCount <= mostUnread {
			r.Unread = append(r.Unread, fault)
		}
	}
	r.facts = append(r.facts, found...)
	r.Read += len(assets)
	return nil
}

// factsOf reads a definition, and keeps none of its text.
func factsOf(kind asset.Kind, definition []byte, jobs map[string]bool) (facts, error) {
	f := facts{variables: variablesOf(definition)}
	switch kind {
	case asset.Jobs:
		f.references = asset.ReferencesOf(definition)
		for _, names := range [][]string{f.references.Dependencies, f.references.Elsewhere, f.references.Scripts, f.references.Files} {
			bounded(names)
		}
		// What nodes of unknown types hold may be anything.
		f.references.Called = slices.DeleteFunc(f.references.Called, func(name string) bool { return !jobs[name] })
	case asset.Resources:
		f.locations = asset.FileLocations(definition)
	case asset.Env:
		all, err := asset.ParseVariables(definition)
		if err != nil {
			return facts{}, err
		}
		f = facts{uses: map[string][]string{}}
		for _, name := range all.Names() {
			text, _ := all.Get(name)
			f.own = append(f.own, strings.Clone(name))
			if used := variablesOf(text); len(used) > 0 {
				f.uses[strings.Clone(name)] = used
			}
		}
	}
	return f, nil
}

// variablesOf lists the environment variables that a text names, without holding on to the text.
func variablesOf(text []byte) []string {
	names := asset.VariablesOf(text)
	for i, name := range names {
		names[i] = strings.Clone(name)
	}
	bounded(names)
	return names
}

// bounded cuts what is longer than any name or path, so that a definition of another hand fills neither memory nor answer.
func bounded(names []string) {
	const most = 2048 // bytes
	for i, name := range names {
		if len(name) > most {
			names[i] = strings.ToValidUTF8(name[:most], "") + "…"
		}
	}
}

// connect makes nodes and edges of the facts.
func (r *Relations) connect(assets []vault.Asset) {
	r.ids, r.byKey = map[nodeID]int{}, map[string]int{}
	env := asset.Ref{Kind: asset.Env}.Key()
	for _, a := range assets { // what there is, before anything is found missing
		if a.Kind == asset.Env {
			env = a.Key
			continue
		}
		r.node(a.Ref(), a.Key, Present)
	}
	locations := map[string][]int{}
	envRead := !slices.ContainsFunc(assets, func(a vault.Asset) bool { return a.Kind == asset.Env })
	for i, f := range r.facts {
		a := assets[i]
		for _, name := range f.own {
			r.node(asset.Ref{Kind: asset.Env, Name: name}, variableKey(env, name), Present)
		}
		envRead = envRead || a.Kind == asset.Env && f.uses != nil
		for _, location := range f.locations {
			locations[location] = append(locations[location], r.ids[nodeID{a.Ref().Identity(), Present}])
		}
	}
	absent := Missing
	if !envRead {
		absent = Unread // there may be such a variable
	}
	variable := func(name string) int {
		ref := asset.Ref{Kind: asset.Env, Name: name}
		return r.find(ref, variableKey(env, name), absent)
	}
	for i, f := range r.facts {
		a := assets[i]
		for _, name := range f.own {
			from := r.ids[nodeID{asset.Ref{Kind: asset.Env, Name: name}, Present}]
			for _, used := range f.uses[name] {
				r.edge(from, variable(used), Reads)
			}
		}
		if a.Kind == asset.Env {
			continue
		}
		from := r.ids[nodeID{a.Ref().Identity(), Present}]
		for _, name := range f.references.Dependencies {
			ref := asset.Ref{Kind: asset.Jobs, Name: name}
			r.edge(from, r.find(ref, ref.Key(), Missing), DependsOn)
		}
		for _, name := range f.references.Elsewhere {
			r.edge(from, r.node(asset.Ref{Kind: asset.Jobs, Name: name}, "", Elsewhere), DependsOn)
		}
		for _, name := range f.references.Called {
			r.edge(from, r.ids[nodeID{asset.Ref{Kind: asset.Jobs, Name: name}, Present}], Calls)
		}
		for _, name := range f.references.Scripts {
			ref := asset.Ref{Kind: asset.Scripts, Name: name}
			if strings.Contains(name, "#{") || strings.Contains(name, "${") { // an expression that becomes a name when the job runs
				r.edge(from, r.node(ref, "", Computed), Runs)
				continue
			}
			r.edge(from, r.find(ref, ref.Key(), Missing), Runs)
		}
		for _, location := range f.references.Files {
			for _, resource := range locations[location] {
				r.edge(from, resource, Uses)
			}
		}
		for _, name := range f.variables {
			r.edge(from, variable(name), Reads)
		}
	}
	for _, links := range slices.Concat(r.out, r.in) {
		slices.SortFunc(links, r.order)
	}
}

// variableKey is the key of one environment variable: that of their list and the name. Keys of assets hold no #.
func variableKey(env, name string) string { return env + "#" + name }

// plainKey is a key as it would be unencrypted.
func plainKey(key string) string {
	list, name, variable := strings.Cut(key, "#")
	if list = strings.TrimSuffix(list, ".age"); variable {
		return variableKey(list, name)
	}
	return list
}

// node is the node of a thing in some state, made where there is none.
func (r *Relations) node(ref asset.Ref, key string, state State) int {
	id := nodeID{ref.Identity(), state}
	at, known := r.ids[id]
	if !known {
		at = len(r.nodes)
		r.ids[id] = at
		r.nodes = append(r.nodes, placed{ref, key, state})
		r.out, r.in = append(r.out, nil), append(r.in, nil)
		if key != "" {
			r.byKey[plainKey(key)] = at
		}
	}
	return at
}

// find is the node of a thing that is in the backup, else one in the state absent.
func (r *Relations) find(ref asset.Ref, key string, absent State) int {
	if at, present := r.ids[nodeID{ref.Identity(), Present}]; present {
		return at
	}
	return r.node(ref, key, absent)
}

func (r *Relations) edge(from, to int, kind EdgeType) {
	if slices.Contains(r.out[from], link{to, kind}) {
		return
	}
	r.out[from] = append(r.out[from], link{to, kind})
	r.in[to] = append(r.in[to], link{from, kind})
}

// Cache keeps the relations of the backups that were asked for last. Safe for concurrent use; its zero value keeps nothing.
type Cache struct {
	most int
	mu   sync.Mutex
	kept []keptRelations // the one asked for last at the end
}

type keptRelations struct {
	manifest  string
	relations *Relations
}

// NewCache returns a cache for so many backups.
func NewCache(most int) *Cache { return &Cache{most: most} }

// Relations is [Relate] with what is kept: relations that are complete are not read again, since a manifest's hash proves everything it describes, and those that are
// not are continued. Complete ones in which something could not be read are not kept: it may be readable the next time. c may be nil.
func (c *Cache) Relations(ctx context.Context, b *vault.Backup, opts Options) (*Relations, error) {
	if err := b.Readable(); err != nil || c == nil {
		if err != nil {
			return nil, err
		}
		return Relate(ctx, b, nil, opts)
	}
	earlier := c.get(b.ManifestSHA256)
	if earlier != nil && earlier.Complete() {
		return earlier, nil
	}
	r, err := Relate(ctx, b, earlier, opts)
	if err == nil {
		c.put(b.ManifestSHA256, r)
	}
	return r, err
}

func (c *Cache) get(manifest string) *Relations {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.kept, func(k keptRelations) bool { return k.manifest == manifest })
	if at < 0 {
		return nil
	}
	k := c.kept[at]
	c.kept = append(slices.Delete(c.kept, at, at+1), k)
	return k.relations
}

func (c *Cache) put(manifest string, r *Relations) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = slices.DeleteFunc(c.kept, func(k keptRelations) bool { return k.manifest == manifest })
	if !r.Complete() || r.UnreadCount == 0 {
		c.kept = append(c.kept, keptRelations{manifest, r})
	}
	c.kept = slices.Delete(c.kept, 0, max(0, len(c.kept)-c.most))
}
