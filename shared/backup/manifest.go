package backup

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// manifest describes what is stored, and says what is not.
func (t *taking) manifest(folder *vault.Folder, previous *vault.Backup, started time.Time) *vault.Manifest {
	m := &vault.Manifest{
		FormatVersion: vault.FormatVersion, BackupDate: folder.Name[:len("2006-01-02")], Workspace: t.opts.Workspace,
		ProjectID: t.opts.ProjectID, Region: t.opts.Region, Tool: t.opts.Tool,
		StartedAt: started.UTC(), FinishedAt: t.opts.Now().UTC(), Status: vault.Complete,
		Totals: map[asset.Kind]int{asset.Env: t.envCount}, Counts: map[asset.Kind]int{asset.Env: 0, asset.Resources: 0, asset.Scripts: 0, asset.Jobs: 0},
		Missing: t.unlisted, Unsupported: t.unsupported, Singly: t.singly(),
	}
	for _, kind := range listed() {
		m.Totals[kind] = t.totals[kind].Total
	}
	known := map[asset.Kind]int{}
	for _, e := range t.assets {
		ref := e.row.ref
		known[ref.Kind]++
		if !e.done {
			missing := vault.Missing{Kind: ref.Kind, Name: ref.Name, Reason: reason(e.err)}
			if ref.Kind == asset.Resources {
				missing.Directory = ref.Directory
			}
			m.Missing = append(m.Missing, missing)
			continue
		}
		m.Assets = append(m.Assets, e.stored)
		m.Counts[ref.Kind]++
	}
	if e := t.assets[asset.Ref{Kind: asset.Env, Name: asset.EnvName}]; e != nil && e.done {
		m.Counts[asset.Env] = t.envCount
	}
	for _, kind := range listed() {
		if !t.couldNotList(kind) {
			m.Missing = append(m.Missing, t.disagreement(kind, known[kind])...)
		}
	}
	for _, d := range t.drift {
		m.Drift = append(m.Drift, d)
	}
	slices.SortFunc(m.Drift, func(a, b vault.Drift) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Directory, b.Directory), strings.Compare(a.Name, b.Name))
	})
	slices.SortFunc(m.Missing, func(a, b vault.Missing) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Directory, b.Directory), strings.Compare(a.Name, b.Name))
	})
	if len(m.Missing) > 0 {
		m.Status = vault.Partial
	}
	if previous != nil {
		m.Previous = &vault.Previous{Path: previous.Folder().Path() + "manifest.json", SHA256: previous.ManifestSHA256}
	}
	t.bind(m)
	return m
}

// disagreement is what is missing because the last listing of a kind contradicts itself: then nobody knows whether everything was seen.
func (t *taking) disagreement(kind asset.Kind, known int) []vault.Missing {
	l := t.totals[kind]
	missing := func(count int, format string, args ...any) []vault.Missing {
		return []vault.Missing{{Kind: kind, Count: count, Reason: fmt.Sprintf(format, args...)}}
	}
	switch short := max(l.Total-known, l.Missing()); {
	case short > 0:
		return missing(short, "the API claims %d %s and lists %d", l.Total, kind, l.Total-short)
	case l.Unreadable > 0:
		return missing(l.Unreadable, "the API lists %d %s that are no assets: null, or without a name", l.Unreadable, kind)
	case l.Unique > l.Total:
		return missing(0, "the API claims %d %s and lists %d: one of the two is wrong", l.Total, kind, l.Unique)
	case l.Restless:
		return missing(0, "the %s did not come to rest while they were listed, so one may have been missed", kind)
	}
	return nil
}

func (t *taking) couldNotList(kind asset.Kind) bool {
	return slices.ContainsFunc(t.unlisted, func(m vault.Missing) bool { return m.Kind == kind })
}

// bind lists what nodes and scripts are bound to, in an order of its own so that equal workspaces give equal documents.
func (t *taking) bind(m *vault.Manifest) {
	m.Sort()
	for _, a := range m.Assets {
		if e := t.assets[a.Ref().Identity()]; e != nil {
			t.writer.Bind(a.Ref(), e.bindings)
		}
	}
}

func reason(err error) string {
	if err == nil {
		return "was not read"
	}
	return err.Error()
}
