package factory

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// What an import does with an asset whose name is taken (sameNamePolicy, Importing a Job page).
const (
	ImportSkip      = "SKIP"
	ImportOverwrite = "OVERWRITE"
)

// ErrNoFile says that the service cannot read the file in the object store (DLF.0815), or does not take its path for one (DLF.0803).
var ErrNoFile = errors.New("the service cannot read the file")

// ImportRequest says what to import and how.
type ImportRequest struct {
	Path   string // obs:// path of a zip of at most 10 MB, unpacked as well
	Policy string // ImportSkip or ImportOverwrite; the service takes none for ImportSkip
	// TargetStatus is SAVED, SUBMITTED or PRODUCTION. Where there is none, the service decides; DataArts' console submits what it imports.
	TargetStatus string
	Approvers    []string // wanted by a workspace under review
}

// FileContent is what the service finds in an import file.
type FileContent struct {
	Jobs, Scripts []string // names, in the order of the answer
}

// Import begins the import of a file and returns the id of the task that carries it out. What has become of each asset is told by Task.
//
// Like a create, an import whose answer was lost is not sent again: ErrUnknownOutcome. Errors: ErrNoFile, ErrUnsupported where the endpoint has no such API.
func (w *Workspace) Import(ctx context.Context, req ImportRequest) (taskID string, err error) {
	body := rawjson.Set([]byte("{}"), "path", rawjson.Quote(req.Path))
	if req.Policy != "" {
		body = rawjson.Set(body, "sameNamePolicy", rawjson.Quote(req.Policy))
	}
	if req.TargetStatus != "" {
		body = rawjson.Set(body, "targetStatus", rawjson.Quote(req.TargetStatus))
	}
	if len(req.Approvers) > 0 {
		var names []string
		for _, name := range req.Approvers {
			names = append(names, `{"approverName":`+string(rawjson.Quote(name))+`}`)
		}
		body = rawjson.Set(body, "approvers", []byte("["+strings.Join(names, ",")+"]"))
	}
	q := w.file("import jobs from", req.Path, "import", once, body)
	q.accept = func(body io.Reader, header http.Header) error {
		data, err := w.client.done(body, header)
		if err != nil {
			return err
		}
		if taskID = first(gjson.ParseBytes(data), "taskId", "task_id", "id"); taskID == "" {
			return malformed(errors.New("no id of the import's task"))
		}
		return nil
	}
	err = fileError(w.client.do(ctx, q))
	return taskID, err
}

// CheckFile asks what the service finds in a file that could be imported. Nothing is changed. Errors: as of Import, but for ErrUnknownOutcome.
func (w *Workspace) CheckFile(ctx context.Context, path string) (FileContent, error) {
	var found FileContent
	q := w.file("check import file", path, "check-file", read, rawjson.Set([]byte("{}"), "path", rawjson.Quote(path)))
	q.accept = func(body io.Reader, _ http.Header) error {
		data, err := w.client.readObject(body)
		if err != nil {
			return err
		}
		root := gjson.ParseBytes(data)
		if !root.Get("jobs").Exists() && !root.Get("scripts").Exists() {
			if said := parseEnvelope(data); said.Code != "" {
				return envelopeError(said)
			}
		}
		names := func(list string) (all []string) {
			for _, one := range root.Get(list).Array() {
				all = append(all, one.Get("name").String())
			}
			return all
		}
		found = FileContent{Jobs: names("jobs"), Scripts: names("scripts")}
		return nil
	}
	err := fileError(w.client.do(ctx, q))
	return found, err
}

// file prepares a call about an import file.
func (w *Workspace) file(operation, path, verb string, e effect, body []byte) *call {
	return &call{
		operation: operation, asset: path, service: w.client.v1, workspace: w.id, effect: e, method: http.MethodPost,
		path: w.client.path("v1", string(asset.Jobs), verb), body: body,
	}
}

// fileError makes the errors of import files those that callers tell apart.
func fileError(err error) error {
	if IsCode(err, "DLF.0815") || IsCode(err, "DLF.0803") {
		var e *Error
		if errors.As(err, &e) && e.Err == nil {
			e.Err = ErrNoFile
		}
	}
	return unsupported(err)
}
