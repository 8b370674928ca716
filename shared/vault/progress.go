package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// progressName is the object that an unfinished backup has beside its assets: what is stored so far. It marks a folder as ours from the
// first moment on, and it is removed right before the commit.
const progressName = "progress.json"

// Stored is an asset that an unfinished backup has stored, with what the store said of its objects.
type Stored struct {
	Asset Asset             `json:"asset"`
	ETags map[string]string `json:"etags"` // by key relative to the folder
	// Note is the caller's own: what it needs to know whether the asset is still as it was.
	Note json.RawMessage `json:"note,omitempty"`
}

// Encrypts tells whether what is stored is encrypted.
func (w *Writer) Encrypts() bool { return w.folder.keys.Encrypts() }

// Tally is how far an unfinished backup is.
type Tally struct {
	Done  int       `json:"done"`  // assets stored
	Total *int      `json:"total"` // of the assets; null while not everything has been listed
	At    time.Time `json:"at"`    // when it stood so
}

// SaveProgress writes progress.json. An unfinished backup can be continued from it. The tally may count assets that are not listed, because they have to be read again.
func (w *Writer) SaveProgress(ctx context.Context, tally Tally, assets []Stored) error {
	var text bytes.Buffer
	recipients, err := encodeJSON(w.folder.keys.Recipients(), "")
	if err != nil {
		return fmt.Errorf("write %s%s: %w", w.folder.Path(), progressName, err)
	}
	tally.At = tally.At.UTC()
	head, err := encodeJSON(tally, "")
	if err != nil {
		return fmt.Errorf("write %s%s: %w", w.folder.Path(), progressName, err)
	}
	// The tally comes first, so that it can be read without the rest.
	fmt.Fprintf(&text, "{\"formatVersion\": %d, %s, \"recipients\": %s, \"assets\": [", FormatVersion, bytes.Trim(head, "{}\n"), recipients)
	for i, a := range assets {
		if i > 0 {
			text.WriteByte(',')
		}
		line, err := encodeJSON(a, "")
		if err != nil {
			return fmt.Errorf("write %s%s: %w", w.folder.Path(), progressName, err)
		}
		text.WriteByte('\n')
		text.Write(line)
	}
	text.WriteString("\n]}\n")
	w.saved.Store(true)
	return w.put(ctx, progressName, text.Bytes(), nil)
}

// Tally is how far the unfinished backup in the folder is, or was when its progress was saved last; nil where that is not known. It does not read the
// whole of progress.json, which may have megabytes.
func (f *Folder) Tally(ctx context.Context) (*Tally, error) {
	text, _, err := store.ReadStart(ctx, f.store, f.prefix+progressName, headSize)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return nil, nil //nolint:nilnil // no progress is no error
	case err != nil:
		return nil, fmt.Errorf("read %s%s: %w", f.Path(), progressName, err)
	}
	var t Tally
	rawjson.Leading(text, func(name string, value json.RawMessage) bool {
		switch name {
		case "done":
			err = json.Unmarshal(value, &t.Done)
		case "total":
			err = json.Unmarshal(value, &t.Total)
		case "at":
			err = json.Unmarshal(value, &t.At)
		}
		return err == nil && t.At.IsZero()
	})
	if err != nil || t.At.IsZero() { // written before there was a tally
		return nil, nil //nolint:nilnil,nilerr // see above
	}
	return &t, nil
}

// Progress returns what an earlier run stored and what still is in the folder as it was then, by what the store says. It is empty where there is
// no earlier run, where it encrypted to other recipients, or where its progress cannot be read: then everything is read anew.
func (w *Writer) Progress(ctx context.Context) ([]Stored, error) {
	if _, ok := w.there[progressName]; !ok {
		return nil, nil
	}
	text, _, err := store.ReadAll(ctx, w.folder.store, w.folder.prefix+progressName, maxDocument)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read %s%s: %w", w.folder.Path(), progressName, err)
	}
	var progress struct {
		FormatVersion int      `json:"formatVersion"`
		Recipients    []string `json:"recipients"`
		Assets        []Stored `json:"assets"`
	}
	if err := json.Unmarshal(text, &progress); err != nil || progress.FormatVersion != FormatVersion || !w.folder.keys.fits(progress.Recipients) {
		return nil, nil //nolint:nilerr // what cannot be read is no progress
	}
	var kept []Stored
	for _, a := range progress.Assets {
		if w.has(a) {
			kept = append(kept, a)
		}
	}
	return kept, nil
}

// has tells whether the folder holds the objects of a stored asset.
func (w *Writer) has(a Stored) bool {
	sizes := map[string]int64{a.Asset.Key: a.Asset.Size}
	for _, f := range a.Asset.Files {
		if f.Key != "" {
			sizes[f.Key] = f.Size
		}
	}
	for key, size := range sizes {
		info, ok := w.there[key]
		if !ok || info.Size != size || info.ETag == "" || info.ETag != a.ETags[key] {
			return false
		}
	}
	return true
}

// Keep takes an asset of [Writer.Progress] over into this backup.
func (w *Writer) Keep(a Stored) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, etag := range a.ETags {
		w.written[key] = etag
	}
}

// ETags returns what the store said of an asset's objects when they were written, by key; empty where it said nothing that can be compared.
func (w *Writer) ETags(a Asset) map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	etags := map[string]string{a.Key: w.written[a.Key]}
	for _, f := range a.Files {
		if f.Key != "" {
			etags[f.Key] = w.written[f.Key]
		}
	}
	return etags
}
