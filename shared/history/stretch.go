package history

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// stretch is some backups that follow each other, with every content that an asset has in them.
type stretch struct {
	days     []searchDay // newest first
	subjects []*subject  // by ascending key
	byRef    map[asset.Ref]*subject
}

// searchDay is a backup whose manifest tells what is in it.
type searchDay struct {
	name   string
	backup *vault.Backup // without its manifest
	// closed says why no definition can be read; empty where they can.
	closed string
	// listed are the assets that are bound as is looked for, and where, by backup.json; of a closed backup only.
	listed map[asset.Ref][]string
}

// subject is an asset with its contents.
type subject struct {
	ref      asset.Ref
	key      string // as it would be unencrypted, so that it is one in all backups
	contents []*content
}

// content is a definition that one or several backups share.
type content struct {
	id    string
	asset vault.Asset // its line in the newest of them
	days  []int       // in stretch.days, ascending: newest first
	open  bool        // it can be read
}

// id is the same for two lines of manifests that stand for the same content: by its hash; of what is encrypted by the time of the last change, as the digest
// tells changes; without one it is the stored object's own.
func contentID(a vault.Asset) string {
	switch {
	case a.ContentSHA256 != "":
		return a.ContentSHA256
	case encrypted(a) && a.LastModified != nil:
		return "at " + a.LastModified.UTC().Format("2006-01-02T15:04:05.999999999")
	case encrypted(a):
		return "stored " + a.SHA256
	}
	return a.SHA256
}

// add takes a backup into the stretch, lets go of its manifest, and returns how many of its definitions have to be read.
func (s *stretch) add(c Criteria, d day) (reads int) {
	sd := searchDay{name: d.name, backup: d.backup}
	if err := d.backup.Readable(); err != nil {
		sd.closed = err.Error()
		if c.byDocument() {
			sd.listed = listed(c, d.backup.Document)
		}
	}
	n := len(s.days)
	s.days = append(s.days, sd)
	for _, a := range d.backup.Manifest.Assets {
		ref := a.Ref()
		if !c.admits(ref) {
			continue
		}
		if c.reads(ref.Kind) {
			reads++
		}
		sub := s.byRef[ref.Identity()]
		if sub == nil {
			sub = &subject{ref: ref, key: ref.Key()}
			s.byRef[ref.Identity()] = sub
			s.subjects = append(s.subjects, sub)
		}
		sub.add(n, a, sd.closed == "")
	}
	d.backup.Manifest, d.backup.Document = nil, nil
	return reads
}

// add takes the asset's line in a backup that is older than those before.
func (s *subject) add(n int, a vault.Asset, open bool) {
	id := contentID(a)
	if !open { // a backup that cannot be read tells by itself alone what it holds, wherever a search is cut off
		id = "closed " + id
	}
	at := slices.IndexFunc(s.contents, func(c *content) bool { return c.id == id })
	if at < 0 {
		s.contents = append(s.contents, &content{id: id, asset: bare(a), days: []int{n}, open: open})
		return
	}
	s.contents[at].days = append(s.contents[at].days, n)
}

// bare is as much of a line as it takes to read the definition.
func bare(a vault.Asset) vault.Asset {
	return vault.Asset{Kind: a.Kind, Name: a.Name, Directory: a.Directory, Key: a.Key, Size: a.Size, SHA256: a.SHA256}
}

// sort brings the subjects in order.
func (s *stretch) sort() {
	slices.SortFunc(s.subjects, func(a, b *subject) int { return cmp.Compare(a.key, b.key) })
	s.byRef = nil
}

// read reads a content from the newest backup that gives it out. failed has those that did not, with the reason. The error is that of the context.
func (s *stretch) read(ctx context.Context, c *content) (text []byte, ok bool, failed []fault, err error) {
	from := c.days
	if encrypted(c.asset) { // in the other backups it is other bytes
		from = from[:1]
	}
	for _, n := range from {
		text, err := s.days[n].backup.Definition(ctx, c.asset)
		if err == nil {
			return text, true, failed, nil
		}
		reason, fatal := unreadable(ctx, err)
		if fatal != nil {
			return nil, false, nil, fatal
		}
		failed = append(failed, fault{s.days[n].name, reason})
	}
	if encrypted(c.asset) { // the other backups have other bytes of the same definition, which nobody has looked into
		for _, n := range c.days[1:] {
			failed = append(failed, fault{s.days[n].name, failed[0].reason})
		}
	}
	return nil, false, failed, nil
}

// fault is an asset of a backup that could not be looked into.
type fault struct{ backup, reason string }

// listed finds what is bound as is looked for, by backup.json, which may have been edited.
func listed(c Criteria, document []byte) map[asset.Ref][]string {
	found := map[asset.Ref][]string{}
	bindings := map[asset.Ref][]asset.Binding{}
	for _, kind := range []asset.Kind{asset.Jobs, asset.Scripts} {
		section, _ := rawjson.Path(document, string(kind))
		for _, span := range rawjson.Members(section) {
			list := span.In(section)
			for e := range rawjson.Elements(list) {
				entry := e.In(list)
				ref := asset.Ref{Kind: kind, Name: rawjson.StringAt(entry, strings.TrimSuffix(string(kind), "s"))}
				b := asset.Binding{Node: rawjson.StringAt(entry, "node")}
				for name, value := range rawjson.Members(entry) {
					if text, isText := rawjson.String(value.In(entry)); isText {
						b.Values = append(b.Values, asset.BoundValue{Wire: name, Value: text})
					}
				}
				bindings[ref] = append(bindings[ref], b)
			}
		}
	}
	for ref, all := range bindings {
		var p places
		if c.bound(all, " (backup.json)", &p) {
			if c.Name != "" {
				p.add("name")
			}
			found[ref] = p.all()
		}
	}
	return found
}
