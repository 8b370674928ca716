package handler

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

const (
	// mostExport is the largest zip: as base64 it fits into an answer.
	mostExport = 4 << 20
	// mostPacked is how many bytes as stored are read for a zip: text that becomes smaller than a sixteenth is rare.
	mostPacked = 16 * mostExport
)

// selectionName is what lies in a zip beside the assets.
const selectionName = "selection.json"

// exported is a selection of a backup as a zip.
type exported struct {
	Name   string // of the file
	Zip    []byte
	Secret bool // it has the values of environment variables
}

// exportSelection is selection.json: what is in a zip, and of which backup.
type exportSelection struct {
	FormatVersion int             `json:"formatVersion"`
	Backup        exportedBackup  `json:"backup"`
	Select        restore.Select  `json:"select"`
	Query         string          `json:"q,omitempty"` // part of the names and directories, where the assets were selected as a list shows them
	Assets        []exportedAsset `json:"assets"`
	NotIncluded   []notIncluded   `json:"notIncluded"` // what belongs to the assets and is not in the zip
}

type exportedBackup struct {
	Path           string          `json:"path"`
	BackupDate     string          `json:"backupDate"`
	Workspace      vault.Workspace `json:"workspace"`
	Status         string          `json:"status"` // of the folder
	ManifestSHA256 string          `json:"manifestSha256"`
	Encrypted      bool            `json:"encrypted"` // the files are age-encrypted, as they are stored
}

type exportedAsset struct {
	Kind      asset.Kind     `json:"kind"`
	Name      string         `json:"name"`
	Directory string         `json:"directory,omitempty"`
	Path      string         `json:"path"` // in the zip
	Size      int64          `json:"size"`
	SHA256    string         `json:"sha256"`
	Files     []exportedFile `json:"files,omitempty"` // copies of the files that a resource points to
}

type exportedFile struct {
	Location string `json:"location"`
	Path     string `json:"path"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256"`
}

type notIncluded struct {
	Kind      asset.Kind `json:"kind"`
	Name      string     `json:"name"`
	Directory string     `json:"directory,omitempty"`
	Location  string     `json:"location,omitempty"` // of a resource's file
	Reason    string     `json:"reason"`
}

// exportRoute answers GET /backups/{name}/export.
func (c *console) exportRoute(ctx context.Context, r event.Request, name string) (reply, error) {
	p := &parameters{values: r.Query}
	selection := selectionOf(p)
	f, err := c.folder(ctx, p, name)
	if err != nil {
		return reply{}, err
	}
	var e exported
	if listed := listedOf(p); listed != nil {
		e, err = c.exportListed(ctx, f, *listed)
	} else {
		e, err = c.export(ctx, f, selection)
	}
	if err != nil {
		return reply{}, err
	}
	answer, err := download(e.Name, "application/zip", e.Zip, f.Path())
	answer.secret = e.Secret
	return answer, err
}

// selectionOf reads a selection as a restore request has it.
func selectionOf(p *parameters) restore.Select {
	s := restore.Select{Kinds: kindsOf(p, "kinds"), Names: listOf(p, "names"), WithDependencies: choice(p, "withDependencies")}
	for _, directory := range listOf(p, "directories") {
		s.Directories = append(s.Directories, strings.ReplaceAll(directory, `\,`, ","))
	}
	for _, name := range []string{"kinds", "names", "directories"} {
		if values, given := p.values[name]; given && len(listOf(p, name)) == 0 {
			p.fault("%s: %q: is empty, which would select nothing: name some, or leave it out for all", name, strings.Join(values, ","))
		}
	}
	p.faults = append(p.faults, s.Faults()...)
	_, byQuery := p.values["q"]
	_, byKind := p.values["kind"]
	if byQuery || byKind {
		for _, name := range []string{"kinds", "names", "directories", "withDependencies"} {
			if _, given := p.values[name]; given {
				p.fault("%s: beside q or kind, which select what GET /backups/{name} lists: want one or the other", name)
			}
		}
		listedOf(p) // for its faults
	}
	return s
}

// listedOf is the query with which GET /backups/{name} would list assets; nil where the request selects otherwise.
func listedOf(p *parameters) *assetQuery {
	_, byQuery := p.values["q"]
	_, byKind := p.values["kind"]
	if !byQuery && !byKind {
		return nil
	}
	query := assetQueryOf(p)
	return &query
}

// exportListed packs the assets that GET /backups/{name} lists for a query, on all its pages.
func (c *console) exportListed(ctx context.Context, f *vault.Folder, query assetQuery) (exported, error) {
	return c.exportChosen(ctx, f, exportSelection{Query: query.Text, Select: restore.Select{Kinds: query.Kinds}}, slices.Contains(query.Kinds, asset.Env),
		func(_ context.Context, b *vault.Backup) (restore.Choice, error) {
			return restore.Choice{Assets: query.among(b.Manifest.Assets)}, nil
		})
}

// export packs a selection of a backup, as it is stored and proved against the manifest. Environment variables are in it only where the selection names their
// kind. The same selection of the same backup gives the same bytes.
func (c *console) export(ctx context.Context, f *vault.Folder, s restore.Select) (exported, error) {
	chosen := s
	if len(chosen.Kinds) == 0 {
		chosen.Kinds = slices.DeleteFunc(asset.Kinds(), func(k asset.Kind) bool { return k == asset.Env })
	}
	return c.exportChosen(ctx, f, exportSelection{Select: s}, slices.Contains(s.Kinds, asset.Env), func(ctx context.Context, b *vault.Backup) (restore.Choice, error) {
		return restore.Choose(ctx, b, chosen, readers)
	})
}

// exportChosen packs what choose takes. Environment variables are left out, and said to be, unless withVariables.
func (c *console) exportChosen(ctx context.Context, f *vault.Folder, selection exportSelection, withVariables bool,
	choose func(context.Context, *vault.Backup) (restore.Choice, error),
) (exported, error) {
	ctx, cancel := inTime(ctx)
	defer cancel()
	b, err := c.openProved(ctx, f, true)
	if err != nil {
		return exported{}, err
	}
	taken, err := choose(ctx, b)
	if err != nil {
		return exported{}, tooSlow(ctx, f, unreadable(ctx, b, err))
	}
	selection.FormatVersion, selection.Assets, selection.NotIncluded = vault.FormatVersion, []exportedAsset{}, []notIncluded{}
	selection.Backup = exportedBackup{Path: f.Path(), BackupDate: b.Manifest.BackupDate, Workspace: b.Manifest.Workspace, Status: statusOf(b),
		ManifestSHA256: b.ManifestSHA256, Encrypted: b.Manifest.Encrypted()}
	x := &export{backup: b, paths: map[string]bool{}, selection: selection}
	assets := taken.Assets
	if !withVariables {
		const reason = "environment variables are exported only where the kind env is asked for"
		for _, name := range taken.Variables {
			x.leaveOut(notIncluded{Kind: asset.Env, Name: name, Reason: "it is needed; " + reason})
		}
		assets = slices.DeleteFunc(slices.Clone(assets), func(a vault.Asset) bool {
			if a.Kind == asset.Env && len(taken.Variables) == 0 {
				x.leaveOut(notIncluded{Kind: asset.Env, Name: a.Name, Reason: reason})
			}
			return a.Kind == asset.Env
		})
	}
	if len(assets) == 0 {
		return exported{}, invalid("nothing in %s fits the selection", f.Path())
	}
	if err := x.pack(ctx, f, assets); err != nil {
		return exported{}, tooSlow(ctx, f, unreadable(ctx, b, err))
	}
	name := f.Name + ".zip"
	if id := b.Manifest.Workspace.ID; id != "" {
		name = id + "-" + name
	}
	return exported{Name: name, Zip: x.out.Bytes(), Secret: withVariables}, nil
}

// tooSlow says what else there is for a selection that takes too long.
func tooSlow(ctx context.Context, f *vault.Folder, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return &httpError{status: http.StatusGatewayTimeout, code: codeTimeout,
		message: fmt.Sprintf("the selection of %s could not be packed in the time that a request has: %s", f.Path(), otherExports(f))}
}

func otherExports(f *vault.Folder) string {
	return fmt.Sprintf(`select less, fetch the objects below %s, or have the restore function write zips into the bucket, for DataArts' own job import: `+
		`POST /restores {"path": %q, "export": true, "select": {…}}`, f.Path(), f.Path())
}

// export is a zip that is being filled.
type export struct {
	backup    *vault.Backup
	selection exportSelection
	out       bytes.Buffer
	zip       *zip.Writer
	paths     map[string]bool // what is in it
	modified  time.Time
	directory int // bytes that the zip's directory will have, about
}

func (x *export) leaveOut(n notIncluded) {
	x.selection.NotIncluded = append(x.selection.NotIncluded, n)
}

// errTooMuch ends the packing of what will not fit.
var errTooMuch = errors.New("the zip is too large")

// pack writes the zip: the assets, then the files that still have room, then what is in it.
func (x *export) pack(ctx context.Context, f *vault.Folder, assets []vault.Asset) error {
	stored := int64(0)
	chosen := map[string]bool{}
	for _, a := range assets {
		stored += a.Size
		chosen[a.Key] = true
	}
	excess := func() error {
		return tooLarge("the selection has %d assets with %d bytes, and the zip would have more than %d: %s", len(assets), stored, mostExport, otherExports(f))
	}
	if stored > mostPacked {
		return excess()
	}
	x.zip = zip.NewWriter(&x.out)
	x.modified = x.backup.Manifest.FinishedAt.UTC().Truncate(time.Second)
	if first := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC); x.modified.Before(first) { // the oldest that a zip can hold
		x.modified = first
	}
	top := f.Name + "/"
	err := x.backup.Only(func(a vault.Asset) bool { return chosen[a.Key] }).EachStored(ctx, readers, func(a vault.Asset, data []byte) error {
		x.selection.Assets = append(x.selection.Assets, exportedAsset{Kind: a.Kind, Name: a.Name, Directory: a.Directory, Path: top + a.Key, Size: a.Size, SHA256: a.SHA256})
		method := zip.Deflate
		if x.selection.Backup.Encrypted { // nothing makes that smaller
			method = zip.Store
		}
		return x.add(top+a.Key, data, method)
	})
	if err == nil {
		err = x.packFiles(ctx, top, assets)
	}
	if err == nil {
		var text []byte
		if text, err = json.MarshalIndent(x.selection, "", "  "); err == nil {
			err = x.add(top+selectionName, append(text, '\n'), zip.Deflate)
		}
	}
	if err == nil {
		err = x.zip.Close()
	}
	if errors.Is(err, errTooMuch) || err == nil && x.out.Len() > mostExport {
		return excess()
	}
	return err
}

// packFiles adds the copies of the resources' files, as far as there is room. The others are named.
func (x *export) packFiles(ctx context.Context, top string, assets []vault.Asset) error {
	const (
		selectionSize = 256       // bytes of an asset in the packed selection.json, about
		underway      = 192 << 10 // that are not yet in the zip, at most: the rest of the file before
	)
	for i, a := range assets {
		for _, f := range a.Files {
			out := notIncluded{Kind: a.Kind, Name: a.Name, Directory: a.Directory, Location: f.Location}
			room := mostExport - x.out.Len() - x.directory - selectionSize*(len(assets)+len(x.selection.NotIncluded)) - underway
			switch {
			case f.Key == "":
				out.Reason = "the backup has no copy: " + f.Reason
				x.leaveOut(out)
				continue
			case f.Size > int64(room):
				out.Reason = fmt.Sprintf("its %d bytes do not fit into the zip: it lies at %s%s", f.Size, x.backup.Folder().Path(), f.Key)
				x.leaveOut(out)
				continue
			}
			data, err := x.backup.StoredFile(ctx, f)
			if err != nil {
				return err
			}
			if err := x.add(top+f.Key, data, zip.Store); err != nil { // most are packages, which are packed themselves
				return err
			}
			listed := &x.selection.Assets[i]
			listed.Files = append(listed.Files, exportedFile{Location: f.Location, Path: top + f.Key, Size: f.Size, SHA256: f.SHA256})
		}
	}
	return nil
}

// add adds a file. Keys of assets are escaped names below the folder of their kind: vault holds every key of a manifest against its name, so that no path leads
// out of where a zip is unpacked.
func (x *export) add(name string, data []byte, method uint16) error {
	if x.paths[name] { // two spellings of a location are one file
		return nil
	}
	x.paths[name] = true
	x.directory += 2*len(name) + 128
	if x.out.Len()+x.directory > mostExport {
		return errTooMuch
	}
	w, err := x.zip.CreateHeader(&zip.FileHeader{Name: name, Method: method, Modified: x.modified})
	if err == nil {
		_, err = w.Write(data)
	}
	if err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	return nil
}
