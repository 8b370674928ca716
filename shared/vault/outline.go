package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// headSize is how much of an object is read where only its first fields are wanted, in bytes.
const headSize = 4 << 10

// Outline is which of the objects that tell how a folder stands are there. Their Key is empty where the object is not there.
type Outline struct {
	Document, Manifest store.Info
	Progress           store.Info // not looked for where one of the others is there
}

// Outline asks for what the store says of the objects that tell how the folder stands. It reads none of them.
func (f *Folder) Outline(ctx context.Context) (o Outline, err error) {
	look := func(ctx context.Context, name string, into *store.Info) error {
		info, err := f.store.Stat(ctx, f.prefix+name)
		switch {
		case errors.Is(err, store.ErrNotExist):
			return nil
		case err != nil:
			return fmt.Errorf("look for %s%s: %w", f.Path(), name, err)
		}
		*into = info
		return nil
	}
	group, looking := errgroup.WithContext(ctx)
	group.Go(func() error { return look(looking, documentName, &o.Document) })
	group.Go(func() error { return look(looking, manifestName, &o.Manifest) })
	if err := group.Wait(); err != nil {
		return Outline{}, err
	}
	if o.Document.Key == "" && o.Manifest.Key == "" {
		err = look(ctx, progressName, &o.Progress)
	}
	return o, err
}

// Version is a text that is another one whenever backup.json or manifest.json is another one. It is empty where the store does not tell.
func (o Outline) Version() string {
	var text strings.Builder
	for _, info := range []store.Info{o.Document, o.Manifest} {
		if info.Key != "" && info.ETag == "" {
			return ""
		}
		fmt.Fprintf(&text, "%s %s %d %d\n", info.Key, info.ETag, info.Size, info.LastModified.UnixNano())
	}
	return text.String()
}

// Glance says how the folder stands without reading its manifest as a whole, which may have 10 MB: whether the commit fits the manifest is not looked at, that is
// [Folder.Inspect]. The Inspection has no Manifest; ManifestSHA256 is the one that backup.json names.
func (f *Folder) Glance(ctx context.Context, o Outline) (Inspection, error) {
	switch {
	case o.Document.Key != "":
		sha256, newer, err := f.leading(ctx, documentName, "manifestSha256")
		switch {
		case err != nil:
			return Inspection{}, err
		case sha256 != "" && o.Manifest.Key != "" && !newer:
			return Inspection{State: StateComplete, ManifestSHA256: sha256}, nil
		}
	case o.Manifest.Key != "":
		status, newer, err := f.leading(ctx, manifestName, "status")
		switch {
		case err != nil:
			return Inspection{}, err
		case newer:
		case Status(status) == Partial:
			return Inspection{State: StatePartial}, nil
		case Status(status) == Complete:
			return Inspection{State: StateIncomplete}, nil
		}
	default:
		return Inspection{State: StateIncomplete}, nil
	}
	found, err := f.Inspect(ctx) // edited by somebody, or not ours: it is small, or a rare thing
	found.Manifest = nil
	return found, err
}

// leading is a text that stands among the first fields of an object; empty where it does not. newer tells that the object is of a format that is not known yet.
func (f *Folder) leading(ctx context.Context, name, field string) (text string, newer bool, err error) {
	head, _, err := store.ReadStart(ctx, f.store, f.prefix+name, headSize)
	if err != nil {
		return "", false, fmt.Errorf("read %s%s: %w", f.Path(), name, err)
	}
	rawjson.Leading(head, func(member string, value json.RawMessage) bool {
		switch member {
		case "formatVersion":
			version, err := strconv.Atoi(string(value))
			newer = err == nil && version > FormatVersion
		case field:
			if json.Unmarshal(value, &text) != nil {
				text = ""
			}
			return false
		}
		return true
	})
	return text, newer, nil
}
