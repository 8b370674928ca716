package factory

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// MaxExport is how many jobs one call of Export may name (Batch Exporting Jobs page).
const MaxExport = 100

// exportAttempts is how often an export is sent: less than other calls, because its caller has another way.
const exportAttempts = 3

// maxPacked and maxUnpacked bound one export in memory. The service's own import takes 10 MB, before and after unpacking.
const (
	maxPacked   = 16 << 20
	maxUnpacked = 32 << 20
)

// ErrTooLarge says that an export holds more than fits into memory. Fewer jobs may.
var ErrTooLarge = errors.New("too large")

// Export reads the definitions of up to MaxExport jobs with one call, as they were last saved, submitted or not. It calls fn for each of these
// jobs that the archive of the answer holds, in the order of names; a job that it does not hold, or that it holds twice in two ways, is left out.
//
// The definitions are what DataArts exports: the text that a create call takes. Whether it is all that Get returns is for the caller to find out.
// One job that is gone makes the service refuse the whole call (ErrNotFound). The service's page names the files of the archive
// jobs/<job>/<job>.job; what counts here is the name inside a file, so that the layout does not matter.
//
// An archive that is broken or too large is an error that is not tried again. An error of fn ends the export and is returned as it is.
func (w *Workspace) Export(ctx context.Context, names []string, fn func(name string, definition json.RawMessage) error) error {
	if len(names) == 0 || len(names) > MaxExport {
		return fmt.Errorf("export jobs: %d names, want 1 to %d", len(names), MaxExport)
	}
	q := &call{
		operation: "export jobs", service: w.client.v1, workspace: w.id, effect: read, method: http.MethodPost,
		path: w.client.path("v1", string(asset.Jobs), "batch-export"), attempts: exportAttempts,
	}
	if len(names) == 1 {
		q.asset = names[0]
	}
	list := []byte(`{"jobList":[`)
	for i, name := range names {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, rawjson.Quote(name)...)
	}
	q.body = append(list, `],"exportDepend":false,"exportStatus":"DEVELOP"}`...)
	var found map[string]json.RawMessage
	q.accept = func(body io.Reader, _ http.Header) error {
		data, err := io.ReadAll(io.LimitReader(body, maxPacked+1))
		if err != nil {
			return fmt.Errorf("read body: %w", err)
		}
		if len(data) > maxPacked {
			return finalError{fmt.Errorf("%w: the archive has more than %d bytes", ErrTooLarge, maxPacked)}
		}
		if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) { // an error of the service with status 200
			if said := parseEnvelope(data); said.Code != "" {
				return envelopeError(said)
			}
		}
		if found, err = unpackJobs(data, names); err != nil {
			return finalError{err}
		}
		return nil
	}
	if err := w.client.do(ctx, q); err != nil {
		return err
	}
	for _, name := range names {
		if definition := found[name]; definition != nil {
			if err := fn(name, definition); err != nil {
				return err
			}
		}
	}
	return nil
}

// unpackJobs takes the definitions of the named jobs out of an exported archive.
func unpackJobs(archive []byte, names []string) (map[string]json.RawMessage, error) {
	files, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return nil, fmt.Errorf("the answer is no archive: %w", err)
	}
	found, left := map[string]json.RawMessage{}, int64(maxUnpacked)
	var doubtful []string
	for _, file := range files.File {
		if !strings.EqualFold(path.Ext(file.Name), ".job") {
			continue
		}
		definition, err := unpack(file, left)
		if err != nil {
			return nil, fmt.Errorf("file %q of the archive: %w", shorten(file.Name), err)
		}
		left -= int64(len(definition))
		name, ok := jobName(definition)
		if !ok || !slices.Contains(names, name) {
			continue
		}
		if other, twice := found[name]; twice && !bytes.Equal(other, definition) {
			doubtful = append(doubtful, name)
		}
		found[name] = definition
	}
	for _, name := range doubtful {
		delete(found, name)
	}
	return found, nil
}

// unpack reads a file of an archive; its checksum is verified on the way.
func unpack(file *zip.File, limit int64) ([]byte, error) {
	body, err := file.Open()
	if err != nil {
		return nil, err
	}
	definition, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err = errors.Join(err, body.Close()); err != nil {
		return nil, err
	}
	if int64(len(definition)) > limit {
		return nil, fmt.Errorf("%w: the archive holds more than %d bytes", ErrTooLarge, maxUnpacked)
	}
	return definition, nil
}

// jobName is the name in a job's definition; ok is false for what is no job.
func jobName(definition []byte) (name string, ok bool) {
	if rawjson.Check(definition) != nil {
		return "", false
	}
	text, ok := rawjson.Path(definition, "name")
	if !ok {
		return "", false
	}
	return rawjson.String(text)
}
