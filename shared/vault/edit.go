package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// ErrEdited says that backup.json is not the one that was meant: it was written or removed since. Nothing was written.
var ErrEdited = errors.New("backup.json has changed meanwhile")

// ReadDocument reads backup.json as it stands, whatever it holds, and its version: a text without blanks and quotes that is another one after every
// edit. Errors: store.ErrNotExist.
func (f *Folder) ReadDocument(ctx context.Context) (text []byte, version string, err error) {
	text, info, err := store.ReadAll(ctx, f.store, f.prefix+documentName, maxDocument)
	if err != nil {
		return nil, "", fmt.Errorf("read %s%s: %w", f.Path(), documentName, err)
	}
	return text, versionOf(text, info), nil
}

// versionOf is the ETag of an object, or the hash of its bytes where the store tells none that fits into a header.
func versionOf(text []byte, info store.Info) string {
	if info.ETag == "" || strings.IndexFunc(info.ETag, func(c rune) bool { return c <= ' ' || c == '"' || c > '~' }) >= 0 {
		return Hash(text)
	}
	return info.ETag
}

// WriteDocument puts text in the place of the backup.json that has this version, and returns the version that it has then. Whether the text is legal is for the caller
// to know, who also holds the folder's lease: it keeps out others who edit, where the store ignores conditions on writes, and a removal, whose backup.json
// must not come back. ready is asked right before the write, for instance whether that lease is still held; nil: always ready.
//
// When it returns, the object was read back and has these bytes. Errors: [ErrEdited].
func (f *Folder) WriteDocument(ctx context.Context, text []byte, version string, ready func(context.Context) error) (string, error) {
	fail := func(err error) (string, error) { return "", fmt.Errorf("write %s%s: %w", f.Path(), documentName, err) }
	// The look comes first, for the stores that ignore conditions.
	if err := f.unedited(ctx, version); err != nil {
		return fail(err)
	}
	if ready != nil {
		if err := ready(ctx); err != nil {
			return fail(err)
		}
	}
	_, err := f.store.Put(ctx, f.prefix+documentName, text, store.Condition{IfMatch: version})
	if errors.Is(err, store.ErrPrecondition) {
		// Some services refuse every If-Match (RGW 16 does), and one that tells no ETag cannot know this one. The lease keeps the others away.
		if err := f.unedited(ctx, version); err != nil {
			return fail(err)
		}
		_, err = f.store.Put(ctx, f.prefix+documentName, text, store.Condition{})
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLook)
	defer cancel()
	stored, now, readErr := f.ReadDocument(after)
	switch {
	case readErr == nil && bytes.Equal(stored, text): // also where the write's answer was lost
		return now, nil
	case err != nil:
		return fail(err)
	case readErr != nil:
		return fail(fmt.Errorf("it was sent and could not be read back: %w", readErr))
	}
	return fail(errors.New("it reads back with other bytes than were written: somebody else has written it since"))
}

// unedited is an error unless backup.json has this version.
func (f *Folder) unedited(ctx context.Context, version string) error {
	_, now, err := f.ReadDocument(ctx)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return fmt.Errorf("it is gone: %w", ErrEdited)
	case err != nil:
		return err
	case now != version:
		return fmt.Errorf("it has version %s now: %w", now, ErrEdited)
	}
	return nil
}
