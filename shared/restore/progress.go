package restore

import (
	"context"
	"errors"
	"fmt"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

func (a *applying) outcome(s *step) Outcome {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.report.Items[s.index].Outcome
}

func (a *applying) set(s *step, o Outcome, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	item := &a.report.Items[s.index]
	item.Outcome = o
	if reason != "" {
		item.Reason = reason
	}
}

// settleWithoutWriting gives their outcome to items for which nothing is written.
func (a *applying) settleWithoutWriting() {
	for i, s := range a.plan.steps {
		item := &a.report.Items[i]
		switch s.item.Action {
		case ActionSkip:
			item.Outcome = Skipped
		case ActionBlocked:
			item.Outcome = Blocked
		case ActionUnchanged:
			// In a restore that is continued, what it has written already counts as written.
			switch item.Action {
			case ActionCreate:
				item.Outcome = Created
			case ActionOverwrite:
				item.Outcome = Overwritten
			default:
				item.Outcome = Unchanged
			}
		}
	}
}

// save writes the report now and then.
func (a *applying) save(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.quiet || a.opts.Now().Sub(a.saved) < saveEvery {
		return nil
	}
	if err := a.opts.Locations.Reports().Save(ctx, a.report); err != nil {
		return err
	}
	a.saved = a.opts.Now()
	return nil
}

// conclude says how it ended.
func (a *applying) conclude() {
	a.report.count()
	c := a.report.Counts
	a.report.Status = Complete
	undone := c[string(Errored)] + c[string(Blocked)]
	a.report.Message = fmt.Sprintf("%d created, %d overwritten, %d skipped, %d unchanged",
		c[string(Created)], c[string(Overwritten)], c[string(Skipped)], c[string(Unchanged)])
	if undone > 0 {
		a.report.Status = Partial
		a.report.Message += fmt.Sprintf(", %d failed, %d blocked: see the items' reasons", c[string(Errored)], c[string(Blocked)])
	}
	a.report.Message += a.plan.remarks()
}

// saveBefore keeps what will be overwritten under restores/<id>/before/, as a backup of its own. A restore that is continued keeps what its first
// run has saved: that is the state before.
func (a *applying) saveBefore(ctx context.Context) error {
	l := a.opts.Locations
	folder := vault.FolderAt(l.Store, l.Bucket, l.Reports().before(a.req.ID))
	w, err := folder.Begin(ctx)
	if errors.Is(err, vault.ErrComplete) {
		return nil
	}
	if err != nil {
		return err
	}
	m := &vault.Manifest{FormatVersion: vault.FormatVersion, BackupDate: a.opts.Now().UTC().Format("2006-01-02"),
		Workspace: vault.Workspace{ID: a.report.Workspace}, ProjectID: a.plan.backup.Manifest.ProjectID, Region: a.plan.backup.Manifest.Region,
		Tool: a.plan.backup.Manifest.Tool, StartedAt: a.opts.Now().UTC(), Status: vault.Complete,
		Totals: map[asset.Kind]int{}, Counts: map[asset.Kind]int{}}
	bindings := map[asset.Ref][]asset.Binding{}
	env := false
	for _, s := range a.plan.steps {
		switch {
		case s.item.Kind == asset.Env:
			env = env || s.item.Action == ActionCreate || s.item.Action == ActionOverwrite
		case s.item.Action == ActionOverwrite:
			ref := s.asset.Ref()
			current, err := a.target.Get(ctx, ref, s.id)
			if err != nil {
				return fmt.Errorf("save %s before it is overwritten: %w", ref, err)
			}
			kept := asset.Stored(ref.Kind, current)
			stored, err := w.Put(ctx, ref, kept)
			if err != nil {
				return err
			}
			bindings[ref.Identity()] = asset.Bindings(ref.Kind, kept)
			m.Assets = append(m.Assets, stored)
			m.Counts[ref.Kind]++
		}
	}
	if env {
		params, err := a.target.Env(ctx)
		if err != nil {
			return fmt.Errorf("save the environment variables before they are changed: %w", err)
		}
		stored, err := w.Put(ctx, asset.Ref{Kind: asset.Env, Name: asset.EnvName}, params)
		if err != nil {
			return err
		}
		m.Assets = append(m.Assets, stored)
		if v, err := readVariables(params); err == nil {
			m.Counts[asset.Env] = len(v.byName)
		}
	}
	m.Totals = m.Counts
	m.FinishedAt = a.opts.Now().UTC()
	m.Sort()
	for _, stored := range m.Assets {
		w.Bind(stored.Ref(), bindings[stored.Ref().Identity()])
	}
	return w.Commit(ctx, m, nil)
}
