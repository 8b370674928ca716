package history

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/compare"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// What a backup's entry in a log says of the asset.
const (
	Added   = "added"
	Changed = "changed"
	Removed = "removed"
	// First: the oldest backup that tells has it. Since when it had been there is not known.
	First = "first"
	// Unknown: nothing can be told, and the reason says why.
	Unknown = "unknown"
)

// LogQuery asks for the history of one asset.
type LogQuery struct {
	// Asset is the asset; of a resource with its directory. The kind env with a name is that one environment variable, without a name their whole list.
	Asset asset.Ref
	// Limit is how many entries the answer has at most; 0 is no limit.
	Limit int
	// After is the Next of the answer before; empty begins at the newest backup.
	After string
}

// Log is the history of an asset, the newest entry first. Backups without an entry hold the asset, or lack it, as the one before them does.
type Log struct {
	Kind      asset.Kind `json:"kind"`
	Name      string     `json:"name"`
	Directory string     `json:"directory,omitempty"`
	Entries   []Entry    `json:"entries"`
	Searched  Searched   `json:"searched"`
	Complete  bool       `json:"complete"`       // false: the log goes on at Next
	Next      string     `json:"next,omitempty"` // the name of the last backup that is told of
}

// Entry is a backup in which the asset is not what it was in the backup before, or of which that cannot be told.
type Entry struct {
	Backup string      `json:"backup"`
	Path   string      `json:"path"` // obs:// path of the folder
	Status vault.State `json:"status"`
	Change string      `json:"change"` // added, changed, removed, first or unknown
	// By is who changed the asset last, else its owner, and At when. Of a removed asset there is neither: the API tells not who removes, nor when.
	By string     `json:"by,omitempty"`
	At *time.Time `json:"at,omitempty"`
	// Key is the asset's in the backup; of a removed one in Before.
	Key string `json:"key,omitempty"`
	// Before is the backup that held the state before: the newest older one that tells of the asset.
	Before string `json:"before,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// ReadLog reads the history of an asset from manifests alone, as package compare holds them against each other. A definition is read only where a manifest cannot tell and the folder's
// keys can: of environment variables, of which a manifest has no time, in encrypted backups, and of a single variable, then only where the list's content has
// changed. The order is that of the folders' names.
func ReadLog(ctx context.Context, v *vault.Vault, q LogQuery, opts Options) (*Log, error) {
	if q.Asset.Kind == asset.Resources {
		q.Asset.Directory = asset.CleanDirectory(q.Asset.Directory)
	}
	folders, total, err := newestFirst(ctx, v, q.After)
	if err != nil {
		return nil, err
	}
	l := &logger{query: q, log: &Log{Kind: q.Asset.Kind, Name: q.Asset.Name, Directory: q.Asset.Identity().Directory, Entries: []Entry{}}}
	l.log.Searched.Total = total
	for d, err := range days(ctx, folders) {
		if err == nil {
			err = l.next(ctx, d)
		}
		if err != nil && len(l.decided) > 0 {
			break // what is decided is the answer
		}
		if err != nil {
			return nil, fmt.Errorf("read the backups in %s: %w", v.Path(), err)
		}
		l.seen++
		if l.full() || len(l.decided) > 0 && opts.over() {
			break
		}
	}
	if !l.full() && l.seen == len(folders) {
		l.end()
	}
	l.finish(folders)
	return l.log, nil
}

// logger makes a log while the backups come by, the newest first.
type logger struct {
	query LogQuery
	log   *Log
	// pending is the oldest backup so far that tells of the asset. It has an entry if the next one that tells is different.
	pending *standing
	held    []Entry  // of those after it that do not tell
	decided []string // the names of the backups that are told of
	seen    int
}

// standing is how an asset stands in one backup that tells.
type standing struct {
	day        day
	present    bool
	asset      vault.Asset
	variable   string // hash of what the variable means
	content    string // hash of the definition, once an encrypted one was read
	recipients []string
	workspace  vault.Workspace
}

func (l *logger) full() bool { return l.query.Limit > 0 && len(l.log.Entries) >= l.query.Limit }

// next takes the next older backup.
func (l *logger) next(ctx context.Context, d day) error {
	s, reason, err := l.stand(ctx, d)
	switch {
	case err != nil:
		return err
	case s == nil && l.pending == nil:
		l.emit(d.name, &Entry{Backup: d.name, Path: d.path, Status: d.state, Change: Unknown, Reason: shortened(reason)})
	case s == nil:
		l.held = append(l.held, Entry{Backup: d.name, Path: d.path, Status: d.state, Change: Unknown, Reason: shortened(reason)})
	case l.pending == nil:
		l.pending = s
	default:
		e, err := l.compare(ctx, s, l.pending)
		if err != nil {
			return err
		}
		l.settle(e)
		l.pending = s
	}
	return nil
}

// end comes when there is no older backup.
func (l *logger) end() {
	if l.pending == nil {
		return
	}
	var e *Entry
	if l.pending.present {
		e = l.pending.entry(First)
		if len(l.held) > 0 {
			e.Reason = "no older backup can be held against it"
		}
	}
	l.settle(e)
}

// settle tells of the pending backup and of those after it that do not tell.
func (l *logger) settle(e *Entry) {
	l.emit(l.pending.day.name, e)
	for _, unknown := range l.held {
		l.emit(unknown.Backup, &unknown)
	}
	l.pending, l.held = nil, nil
}

// emit tells of one backup, with or without an entry. What does not fit is left to the next answer.
func (l *logger) emit(name string, e *Entry) {
	if l.full() {
		return
	}
	if e != nil {
		l.log.Entries = append(l.log.Entries, *e)
	}
	l.decided = append(l.decided, name)
}

// finish says how far the log went.
func (l *logger) finish(folders []*vault.Folder) {
	for _, name := range l.decided {
		l.log.Searched.add(name)
	}
	l.log.Complete = len(l.decided) == len(folders)
	if !l.log.Complete {
		l.log.Next = l.decided[len(l.decided)-1]
	}
}

// stand finds the asset in a backup; nil with the reason where the backup does not tell. The manifest is let go of.
func (l *logger) stand(ctx context.Context, d day) (s *standing, reason string, err error) {
	if d.backup == nil {
		return nil, d.reason, nil
	}
	m := d.backup.Manifest
	ref := l.query.Asset.Identity()
	if ref.Kind == asset.Env {
		ref.Name = asset.EnvName
	}
	s = &standing{day: d, recipients: m.Recipients, workspace: m.Workspace}
	at := slices.IndexFunc(m.Assets, func(a vault.Asset) bool { return a.Kind == ref.Kind && a.Ref().Identity() == ref })
	if at < 0 {
		if reason := untold(m, ref); reason != "" {
			return nil, reason, nil
		}
		d.backup.Manifest, d.backup.Document = nil, nil
		return s, "", nil
	}
	s.present, s.asset = true, m.Assets[at]
	if err := d.backup.Readable(); err != nil && variableOf(l.query.Asset) {
		return nil, err.Error(), nil
	}
	d.backup.Manifest, d.backup.Document = nil, nil
	if variableOf(l.query.Asset) {
		reason, err = l.findVariable(ctx, s)
		if reason != "" || err != nil {
			return nil, reason, err
		}
	}
	return s, "", nil
}

// untold says why the lack of an asset in a manifest does not mean that there was none; empty where it does mean that.
func untold(m *vault.Manifest, ref asset.Ref) string {
	for _, u := range m.Unsupported {
		if u.Kind == ref.Kind {
			return "the backup has no assets of this kind: " + u.Reason
		}
	}
	for _, missing := range m.Missing {
		if missing.Kind != ref.Kind {
			continue
		}
		named := asset.Ref{Kind: missing.Kind, Name: missing.Name, Directory: asset.CleanDirectory(missing.Directory)}
		if missing.Name == "" || ref.Kind == asset.Env || named.Identity() == ref {
			return "it is missing from the backup, or may be: " + missing.Reason
		}
	}
	if m.Status != vault.Complete && len(m.Missing) == 0 {
		return missingOf(m)
	}
	return ""
}

// findVariable finds the variable in the list of environment variables, which is not read where it is that of the backup after this one.
func (l *logger) findVariable(ctx context.Context, s *standing) (reason string, err error) {
	if newer := l.pending; newer != nil && newer.asset.ContentSHA256 != "" && newer.asset.ContentSHA256 == s.asset.ContentSHA256 {
		s.present, s.variable = newer.present, newer.variable
		return "", nil
	}
	text, err := s.day.backup.Definition(ctx, s.asset)
	if err != nil {
		return unreadable(ctx, err)
	}
	all, err := asset.ParseVariables(text)
	if err != nil {
		return fmt.Sprintf("%s%s: %v", s.day.path, s.asset.Key, err), nil
	}
	value, there := all.Get(l.query.Asset.Name)
	if s.present = there; there {
		meaning, _ := rawjson.Digest(value)
		s.variable = hex.EncodeToString(meaning[:])
	}
	return "", nil
}

// compare makes the entry of a backup, nil if the asset is what it was before.
func (l *logger) compare(ctx context.Context, before, now *standing) (*Entry, error) {
	var e *Entry
	switch {
	case !before.present && !now.present:
		return nil, nil //nolint:nilnil // no entry
	case !before.present:
		e = now.entry(Added)
	case !now.present:
		e = &Entry{Backup: now.day.name, Path: now.day.path, Status: now.day.state, Change: Removed, Key: before.asset.Key}
	case variableOf(l.query.Asset):
		if before.variable == now.variable {
			return nil, nil //nolint:nilnil // no entry
		}
		e = now.entry(Changed)
	default:
		verdict, reason, err := decide(ctx, before, now)
		if err != nil {
			return nil, err
		}
		switch verdict {
		case same:
			return nil, nil //nolint:nilnil // no entry
		case different:
			e = now.entry(Changed)
		default:
			e = now.entry(Unknown)
			e.Reason = shortened(reason)
		}
	}
	e.Before = before.day.name
	return e, nil
}

func (s *standing) entry(change string) *Entry {
	return &Entry{Backup: s.day.name, Path: s.day.path, Status: s.day.state, Change: change,
		By: cmp.Or(s.asset.LastModifiedBy, s.asset.Owner), At: s.asset.LastModified, Key: s.asset.Key}
}

// verdict is whether an asset differs from what it was before.
type verdict int

const (
	same verdict = iota
	different
	unclear
)

// judge asks package compare about one asset in two manifests.
func judge(before, now *standing, was, is vault.Asset) verdict {
	sorted := compare.Manifests(&vault.Manifest{Workspace: before.workspace, Assets: []vault.Asset{was}}, &vault.Manifest{Workspace: now.workspace, Assets: []vault.Asset{is}})
	switch {
	case len(sorted.Unchanged) > 0:
		return same
	case len(sorted.Unknown) > 0:
		return unclear
	}
	return different
}

// decide is what package compare says of the two manifests, but for what two sizes alone would say: equal ones prove nothing, and an encrypted object is larger for
// more recipients. There the definitions decide, if they can be read. The reason says why the verdict is unclear.
func decide(ctx context.Context, before, now *standing) (v verdict, reason string, err error) {
	v = judge(before, now, before.asset, now.asset)
	hashed := !encrypted(before.asset) && !encrypted(now.asset)
	dated := before.asset.LastModified != nil && now.asset.LastModified != nil && before.workspace.ID == now.workspace.ID
	if hashed || dated && v != unclear {
		return v, "", nil
	}
	plain := [2]vault.Asset{before.asset, now.asset}
	for i, s := range []*standing{before, now} {
		if !encrypted(s.asset) {
			continue
		}
		if err := s.readContent(ctx); err != nil {
			reason, fatal := unreadable(ctx, err)
			if v == different && slices.Equal(before.recipients, now.recipients) {
				return v, "", fatal
			}
			return unclear, reason, fatal
		}
		plain[i].ContentSHA256 = s.content
	}
	if v = judge(before, now, plain[0], plain[1]); v == unclear {
		reason = "one of the two backups is encrypted, and nothing says whether a file of the resource has changed"
	}
	return v, reason, nil
}

// readContent takes the hash of an encrypted definition.
func (s *standing) readContent(ctx context.Context) error {
	if s.content != "" {
		return nil
	}
	text, err := s.day.backup.Definition(ctx, s.asset)
	if err == nil {
		s.content = vault.Hash(text)
	}
	return err
}

// encrypted tells an encrypted asset by its key, as package vault does.
func encrypted(a vault.Asset) bool { return strings.HasSuffix(a.Key, ".age") }
