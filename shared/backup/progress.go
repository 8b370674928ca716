package backup

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// saveEvery is how long a run works at most without saving what it has, so that a run that is killed has little to do again.
const saveEvery = 30 * time.Second

// note is what progress.json says of an asset for the run that goes on: the list row that it was read for, and what a commit needs.
type progressNote struct {
	Fingerprint string          `json:"fingerprint"` // of the row
	Hash        string          `json:"hash"`        // of the definition
	Bindings    []asset.Binding `json:"bindings,omitempty"`
}

// begin takes over what an earlier run for the same folder has stored.
func (t *taking) begin(ctx context.Context) error {
	kept, err := t.writer.Progress(ctx)
	if err != nil {
		return err
	}
	for _, a := range kept {
		t.resumed[a.Asset.Ref().Identity()] = a
	}
	t.marked = len(kept) > 0
	return nil
}

// mark makes the folder one that is under way, before the first asset is stored in it.
func (t *taking) mark(ctx context.Context) error {
	if t.isMarked() {
		return nil
	}
	select {
	case t.marking <- struct{}{}:
		defer func() { <-t.marking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if t.isMarked() { // by the one before
		return nil
	}
	if err := t.writer.SaveProgress(ctx, nil); err != nil {
		return err
	}
	t.mu.Lock()
	t.marked = true
	t.mu.Unlock()
	return nil
}

func (t *taking) isMarked() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.marked
}

// resume makes an entry that a listing shows for the first time one that is done, if an earlier run stored it and its list row is still the
// same. The caller holds the lock.
func (t *taking) resume(id asset.Ref, e *entry, now row) {
	stored, ok := t.resumed[id]
	if !ok {
		return
	}
	delete(t.resumed, id)
	var note progressNote
	if json.Unmarshal(stored.Note, &note) != nil || note.Fingerprint != hex.EncodeToString(now.fingerprint[:]) {
		return
	}
	t.writer.Keep(stored)
	e.stored, e.bindings, e.done, e.proved = stored.Asset, note.Bindings, true, true
	if hash, err := hex.DecodeString(note.Hash); err == nil && len(hash) == len(e.hash) {
		e.hash = [len(e.hash)]byte(hash)
	}
}

// saveNow saves the progress if that is due.
func (t *taking) saveNow(ctx context.Context) error {
	t.mu.Lock()
	now := t.opts.Now()
	if t.saving || now.Sub(t.saved) < saveEvery {
		t.mu.Unlock()
		return nil
	}
	t.saving = true
	t.mu.Unlock()
	err := t.save(ctx)
	t.mu.Lock()
	t.saving, t.saved = false, now
	t.mu.Unlock()
	return err
}

// save saves what is stored and need not be read again. A definition that came in bulk counts only when the samples were checked; reading it again
// costs little.
func (t *taking) save(ctx context.Context) error {
	t.mu.Lock()
	var assets []vault.Stored
	var failed error
	for id, e := range t.assets {
		if !e.done || !e.proved || id.Kind == asset.Env {
			continue
		}
		note, err := json.Marshal(progressNote{Fingerprint: hex.EncodeToString(e.row.fingerprint[:]), Hash: hex.EncodeToString(e.hash[:]), Bindings: e.bindings})
		failed = errors.Join(failed, err)
		assets = append(assets, vault.Stored{Asset: e.stored, ETags: t.writer.ETags(e.stored), Note: note})
	}
	for _, a := range t.resumed {
		assets = append(assets, a)
	}
	t.mu.Unlock()
	if failed != nil {
		return failed
	}
	return t.writer.SaveProgress(ctx, assets)
}

// Interrupted is the error of a run whose time ended before its work. What it stored is kept, and the next run for the same folder goes on
// from there. It matches context.DeadlineExceeded.
type Interrupted struct {
	Stored, Known int // assets stored, and assets that the listings have shown so far
	err           error
}

func (e *Interrupted) Error() string {
	return fmt.Sprintf("time is over: %d of the %d assets seen so far are stored, and the next run for this backup goes on from there: %v", e.Stored, e.Known, e.err)
}

// Unwrap returns what ended the run.
func (e *Interrupted) Unwrap() error { return e.err }

// interrupted keeps what a run has whose time is over. ctx has a little time left.
func (t *taking) interrupted(ctx context.Context, cause error) error {
	t.mu.Lock()
	e := &Interrupted{Known: len(t.assets) + len(t.resumed), Stored: len(t.resumed), err: cause}
	for _, a := range t.assets {
		if a.done {
			e.Stored++
		}
	}
	t.mu.Unlock()
	if err := t.save(ctx); err != nil {
		e.err = errors.Join(cause, fmt.Errorf("the progress could not be saved: %w", err))
	}
	return e
}
