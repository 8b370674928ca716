package backup

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// saveEvery is how long a run works at most without saving what it has, so that a run that is killed has little to do again.
const saveEvery = 30 * time.Second

// progressNote is what progress.json says of an asset for the run that goes on: which state of it is stored, and what a commit needs. Where backups are
// encrypted there are no hashes, because they would prove a guess at a script: then the time of the last change has to tell.
type progressNote struct {
	Fingerprint string          `json:"fingerprint,omitempty"` // of the row
	Hash        string          `json:"hash,omitempty"`        // of the definition
	Modified    *time.Time      `json:"modified,omitempty"`
	Bindings    []asset.Binding `json:"bindings,omitempty"`
}

func (t *taking) progressNote(e *entry) progressNote {
	n := progressNote{Bindings: e.bindings}
	switch {
	case !t.writer.Encrypts():
		n.Fingerprint, n.Hash = hex.EncodeToString(e.row.fingerprint[:]), hex.EncodeToString(e.hash[:])
	case !e.row.modified.IsZero():
		modified := e.row.modified
		n.Modified = &modified
	}
	return n
}

// of tells whether what is stored is the state that a row shows.
func (n progressNote) of(now row) bool {
	if n.Fingerprint != "" {
		return n.Fingerprint == hex.EncodeToString(now.fingerprint[:])
	}
	return n.Modified != nil && n.Modified.Equal(now.modified)
}

// begin takes over what an earlier run for the same folder has stored.
func (t *taking) begin(ctx context.Context) error {
	kept, err := t.writer.Progress(ctx)
	if err != nil {
		return err
	}
	t.mu.Lock() // the lease may ask how far the run is
	defer t.mu.Unlock()
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
	if err := t.writer.SaveProgress(ctx, t.count(), nil); err != nil {
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
	if json.Unmarshal(stored.Note, &note) != nil || !note.of(now) {
		return
	}
	t.writer.Keep(stored)
	e.stored, e.bindings, e.done, e.proved = stored.Asset, note.Bindings, true, true
	if hash, err := hex.DecodeString(note.Hash); err == nil && len(hash) == len(e.hash) {
		e.hash = [len(e.hash)]byte(hash)
	}
}

// saveNow saves the progress if that is due.
func (t *taking) saveNow(ctx context.Context) {
	t.mu.Lock()
	now := t.opts.Now()
	due := !t.saving && now.Sub(t.saved) >= saveEvery
	t.saving = t.saving || due
	t.stored = now
	t.mu.Unlock()
	if !due {
		return
	}
	t.keep(ctx)
	t.mu.Lock()
	t.saving, t.saved = false, now
	t.mu.Unlock()
}

// keep saves the progress. A backup does not fail because that failed: it only cannot be continued.
func (t *taking) keep(ctx context.Context) {
	if err := t.save(ctx); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("operation", "backup").Msg("the progress could not be saved; a run that goes on has to read more again")
	}
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
		note, err := json.Marshal(t.progressNote(e))
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
	return t.writer.SaveProgress(ctx, t.count(), assets)
}

// count says how far the run is.
func (t *taking) count() vault.Tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	tally := vault.Tally{At: t.stored.UTC()}
	if t.stored.IsZero() {
		tally.At = t.opts.Now().UTC()
	}
	for _, e := range t.assets {
		if e.done {
			tally.Done++
		}
	}
	for _, kind := range listed() {
		if !t.seen[kind] && !t.couldNotList(kind) {
			tally.Done += len(t.resumed) // stored, and most likely still there when the listing comes to it
			return tally
		}
	}
	total := len(t.assets)
	tally.Total = &total
	return tally
}

// remark is what the lease says of the run. It is renewed three times in its time to live anyway, so this costs no request, while progress.json has
// everything that is stored and may have megabytes.
func (t *taking) remark() string {
	text, err := json.Marshal(t.count())
	if err != nil {
		return ""
	}
	return string(text)
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
