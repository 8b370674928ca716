package handler

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// mostFolders is how many folders an answer has at most.
const mostFolders = 1000

// folderList is the answer to GET /folders.
type folderList struct {
	Path      string        `json:"path"`
	Parent    *string       `json:"parent"` // null at the root, which cannot be left
	Folders   []folderEntry `json:"folders"`
	Truncated bool          `json:"truncated"` // there are more
}

type folderEntry struct {
	Name string `json:"name"`
	Path string `json:"path"` // obs:// path, with a slash at its end
}

// folders lists the folders directly below a path, for a dialog to browse. Without a path it is the root.
func (c *console) folders(ctx context.Context, r event.Request) (reply, error) {
	p := &parameters{values: r.Query}
	path := p.text("path")
	if err := p.err(); err != nil {
		return reply{}, err
	}
	prefix, err := c.prefix(path)
	if err != nil {
		return reply{}, err
	}
	l := c.config.Location
	bucket := "obs://" + l.Bucket + "/"
	list := folderList{Path: bucket + prefix, Folders: []folderEntry{}}
	if prefix != l.Root() {
		parent := bucket + prefix[:strings.LastIndexByte(strings.TrimSuffix(prefix, "/"), '/')+1]
		list.Parent = &parent
	}
	enough := errors.New("enough")
	err = c.store.Bucket(l.Bucket).List(ctx, prefix, "/", func(info store.Info) error {
		name, isFolder := strings.CutSuffix(strings.TrimPrefix(info.Key, prefix), "/")
		if !isFolder || name == "" {
			return nil
		}
		if len(list.Folders) == mostFolders {
			list.Truncated = true
			return enough
		}
		list.Folders = append(list.Folders, folderEntry{Name: name, Path: bucket + info.Key})
		return nil
	})
	if err != nil && !errors.Is(err, enough) {
		return reply{}, fmt.Errorf("list the folders in %s: %w", list.Path, err)
	}
	return jsonReply(http.StatusOK, list)
}

// prefix is the key prefix of an obs:// path, which must lie inside the root.
func (c *console) prefix(path string) (string, error) {
	l := c.config.Location
	if path == "" {
		return l.Root(), nil
	}
	bucket, key, ok := asset.ParseOBSPath(path)
	if !ok {
		return "", invalid("path: %q: want obs://bucket/folder/", path)
	}
	if key = strings.TrimSuffix(key, "/"); key != "" {
		wrong := func(segment string) bool { return segment == "" || segment == "." || segment == ".." }
		if !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl) || slices.ContainsFunc(strings.Split(key, "/"), wrong) {
			return "", invalid("path: %q: want obs://bucket/folder/ without empty folders, . and ..", path)
		}
		key += "/"
	}
	if bucket != l.Bucket || !strings.HasPrefix(key, l.Root()) {
		return "", &httpError{status: http.StatusForbidden, code: codeForbidden,
			message: fmt.Sprintf("path: %q is outside of obs://%s/%s, where backups lie", path, l.Bucket, l.Root())}
	}
	return key, nil
}
