package handler

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/drill"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// requestFolder is where restore requests lie, below the root. The OBS trigger of the restore function watches it and nothing else, so that what
// the functions write themselves starts nothing.
const requestFolder = "restore-requests/"

// maxRequest is the most that a restore request may hold, in bytes.
const maxRequest = 1 << 20

// interrupted is the type of the error of a restore that is not over.
const interrupted = "RestoreInterrupted"

// maxItems is how many items an answer lists at most: FunctionGraph and Lambda take 6 MB. report.json has all.
const maxItems = 3000

// Restore is the restore function: by direct invocation and OBS event it runs a restore, by HTTP it plans one, or stores the request whose OBS event
// runs it, and tells how restores stand. By timer, direct invocation and OBS event it holds drills.
func Restore(options Options) runtime.Handler {
	options = options.withDefaults()
	known := newStarts()
	return func(ctx context.Context, inv runtime.Invocation) (any, error) {
		e, err := event.Decode(inv.Payload)
		if err != nil {
			return nil, failure("BadRequest", err)
		}
		ctx, s, err := options.open(ctx, config.Restore, inv)
		r := &restoring{session: s, inv: inv, starts: known}
		if http, ok := e.(event.Request); ok {
			if err != nil {
				return unusable(ctx, http, err)
			}
			return serve(ctx, r.routes(ctx), http)
		}
		if err != nil {
			return nil, failure("ConfigurationError", err)
		}
		switch e := e.(type) {
		case event.Timer:
			return r.timer(ctx, e)
		case event.Command:
			if drill.IsCommand(e.JSON) {
				return r.drillCommand(ctx, e.JSON)
			}
			req, err := r.locations().ParseRequest(e.JSON)
			if err != nil {
				report, err := r.refused(options.NewID(), err)
				restoreFailed.log(ctx, "restore")
				if inv.Async { // Nobody reads the answer.
					r.tellOfRestore(ctx, restore.Request{}, report, nil)
				}
				return report, err
			}
			if req.ID == "" {
				req.ID = options.NewID()
			}
			return r.run(ctx, req)
		case event.Objects:
			return r.objects(ctx, e)
		}
		return nil, failure("BadRequest", fmt.Errorf("the restore function takes a command, an OBS event, a timer or an HTTP request, and got: %s", e.Trigger()))
	}
}

// restoring is one invocation of the restore function.
type restoring struct {
	*session
	inv    runtime.Invocation
	starts *starts // of restores, as far as earlier invocations have read them
}

func (r *restoring) locations() restore.Locations {
	l := r.config.Location
	one := ""
	if len(r.config.Workspaces) == 1 {
		one = r.config.Workspaces[0]
	}
	return restore.Locations{Store: r.store.Bucket(l.Bucket), Bucket: l.Bucket, Root: l.Root(), PerWorkspace: l.PerWorkspace(), Workspace: one,
		Keys: r.vaultKeys, WorkspaceOf: l.WorkspaceOf,
		Prefix: func(workspace string) (string, error) {
			_, prefix, err := l.For(workspace)
			return prefix, err
		}}
}

// run runs a restore and turns its end into the answer of an invocation.
func (r *restoring) run(ctx context.Context, req restore.Request) (any, error) {
	var report *restore.Report
	var err error
	if req.Undo != "" {
		report, err = restore.Undo(ctx, req.Undo, r.restoreOptions())
	} else {
		report, err = restore.Run(ctx, req, r.restoreOptions())
	}
	outcomeOfRestore(report, err).log(ctx, "restore")
	if err != nil {
		err = r.advised(err)
		r.tellOfRestore(ctx, req, report, err)
		return answerOf(report), failure(interrupted, err)
	}
	r.tellOfRestore(ctx, req, report, nil)
	report = report.Within(maxItems)
	if !report.Succeeded() {
		return report, &runtime.Unsuccessful{Reason: report.Message}
	}
	return report, nil
}

// answerOf keeps a missing report from becoming the answer "null".
func answerOf(report *restore.Report) any {
	if report == nil {
		return nil
	}
	return report
}

func (r *restoring) restoreOptions() restore.Options {
	opts := restore.Options{Locations: r.locations(), Now: r.options.Now, Lease: r.lease(r.inv),
		Calls:     r.factory.Calls,
		Workspace: func(id string) restore.Workspace { return r.factory.Workspace(id) }}
	if !r.config.DataArtsReadsStore() {
		opts.ImportThreshold = -1
	}
	return opts
}

// refused answers a request that cannot be understood with a FAILED report that names its faults.
func (r *restoring) refused(id string, faults error) (*restore.Report, error) {
	now := r.options.Now().UTC()
	return &restore.Report{ID: id, Status: restore.Failed, StartedAt: now, FinishedAt: &now, Counts: map[string]int{},
		Message: faults.Error(), Items: []restore.Item{}}, &runtime.Unsuccessful{Reason: faults.Error()}
}

// objects runs the restores whose requests were written to the bucket.
func (r *restoring) objects(ctx context.Context, e event.Objects) (any, error) {
	answers := []any{}
	var failures []error
	unsuccessful := false
	for _, o := range e.Objects {
		key, ok := r.requestKey(o)
		if !ok {
			zerolog.Ctx(ctx).Info().Str("bucket", o.Bucket).Strs("keys", o.Keys).Str("event", o.Event).Msg("not a restore request: ignored")
			continue
		}
		answer, err := r.object(ctx, o, key)
		if answer != nil {
			answers = append(answers, answer)
		}
		if _, ok := errors.AsType[*runtime.Unsuccessful](err); ok {
			unsuccessful = true
		} else if err != nil {
			failures = append(failures, err)
		}
	}
	var answer any = map[string]any{"restores": answers}
	switch {
	case len(answers) == 1:
		answer = answers[0]
	case len(answers) == 0 && len(failures) > 0:
		answer = nil
	}
	switch {
	case len(failures) > 0:
		kind := interrupted
		if one, ok := errors.AsType[*runtime.Failure](failures[0]); ok && len(failures) == 1 {
			kind = one.Type
		}
		return answer, failure(kind, errors.Join(failures...))
	case unsuccessful:
		return answer, &runtime.Unsuccessful{Reason: "not every restore was complete: see the reports"}
	}
	return answer, nil
}

// requestKey tells whether an object is a restore request; of the keys that it may have, it returns the first that fits.
func (r *restoring) requestKey(o event.Object) (string, bool) {
	l := r.config.Location
	if !o.Created || o.Bucket != l.Bucket {
		return "", false
	}
	for _, key := range o.Keys {
		if strings.HasPrefix(key, l.Root()+requestFolder) && strings.HasSuffix(key, ".json") {
			return key, true
		}
	}
	return "", false
}

// object runs the restore that the object at key asks for. A refusal is written as a report, because nobody waits for the answer.
func (r *restoring) object(ctx context.Context, o event.Object, key string) (any, error) {
	bucket := r.store.Bucket(o.Bucket)
	data, info, err := store.ReadAll(ctx, bucket, key, maxRequest)
	for i := 1; errors.Is(err, store.ErrNotExist) && i < len(o.Keys); i++ {
		data, info, err = store.ReadAll(ctx, bucket, o.Keys[i], maxRequest)
	}
	if errors.Is(err, store.ErrTooLarge) {
		restoreFailed.log(ctx, "restore")
		return r.refuseUnread(ctx, requestID(key, o.ETag), nil, fmt.Errorf("%s: a restore request has %d bytes at most", key, maxRequest))
	}
	if err != nil {
		return nil, fmt.Errorf("read the restore request %s: %w", key, err)
	}
	if drill.IsCommand(data) {
		return r.drillObject(ctx, key, info.ETag, data)
	}
	id := requestID(key, info.ETag)
	req, err := r.locations().ParseRequest(data)
	if err != nil {
		restoreFailed.log(ctx, "restore")
		return r.refuseUnread(ctx, id, data, fmt.Errorf("%s: %w", key, err))
	}
	if req.ID == "" {
		req.ID = id
	}
	answer, err := r.run(ctx, req)
	if report, ok := answer.(*restore.Report); ok && report.Status == restore.Failed {
		// A refusal for the sake of another restore with this id is not on record there: its report stays as it is.
		stored, loadErr := r.locations().Reports().Load(ctx, report.ID)
		if loadErr != nil && !errors.Is(loadErr, restore.ErrNoReport) {
			return answer, errors.Join(err, loadErr)
		}
		if loadErr != nil || stored.Message != report.Message && report.ID != id {
			return r.refuseObject(ctx, id, errors.New(report.Message))
		}
	}
	return answer, err
}

// refuseUnread refuses an object that is no restore request, under the id that it names if that is not taken, else under id, and tells people of it:
// run, which tells of everything else, never sees it.
func (r *restoring) refuseUnread(ctx context.Context, id string, data []byte, faults error) (*restore.Report, error) {
	if named := rawjson.StringAt(data, "id"); restore.IsID(named) {
		if _, err := r.locations().Reports().Load(ctx, named); errors.Is(err, restore.ErrNoReport) {
			id = named
		}
	}
	report, err := r.refuseObject(ctx, id, faults)
	r.tellOfRestore(ctx, restore.Request{}, report, nil)
	return report, err
}

// refuseObject writes a refusal as a report.
func (r *restoring) refuseObject(ctx context.Context, id string, faults error) (*restore.Report, error) {
	report, refusal := r.refused(id, faults)
	if err := r.locations().Reports().Save(ctx, report); err != nil {
		return report, err
	}
	return report, refusal
}

// requestID is the id of a request that names none: it is the same for every delivery of the same object, and another for an object that was changed.
func requestID(key, etag string) string {
	name := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._-", c) {
			return c
		}
		return '-'
	}, strings.TrimSuffix(path.Base(key), ".json"))
	name = strings.TrimLeft(name, "._-")
	if len(name) > 48 {
		name = name[:48]
	}
	if name == "" {
		name = "request"
	}
	return name + "-" + vault.Hash([]byte(key + "\n" + etag))[:8]
}

func (r *restoring) routes(ctx context.Context) []route {
	return []route{
		{method: http.MethodPost, pattern: "/restores", serve: func(req event.Request, _ []string) (reply, error) { return r.post(ctx, req) }},
		{method: http.MethodGet, pattern: "/restores", serve: func(req event.Request, _ []string) (reply, error) {
			return listRestores(ctx, req, r.locations().Reports(), r.starts)
		}},
		{method: http.MethodPost, pattern: "/restores/{id}/undo", serve: func(req event.Request, p []string) (reply, error) {
			if err := bodiless(req); err != nil {
				return reply{}, err
			}
			return r.undo(ctx, p[0])
		}},
		{method: http.MethodGet, pattern: "/restores/{id}", serve: func(_ event.Request, p []string) (reply, error) { return r.get(ctx, p[0]) }},
	}
}

// post answers a dry run with its plan. Any other request is stored, and the OBS event of that object runs it: a gateway cuts the connection after a
// minute, which no restore has to fit into.
func (r *restoring) post(ctx context.Context, http event.Request) (reply, error) {
	if len(http.Body) > maxRequest {
		return reply{}, invalid("the request has %d bytes, at most %d are allowed", len(http.Body), maxRequest)
	}
	if drill.IsCommand(http.Body) {
		return reply{}, invalid("drill: drills are asked for by a timer, by direct invocation, or by an object under %s", requestFolder)
	}
	req, err := r.locations().ParseRequest(http.Body)
	if err != nil {
		return reply{}, err
	}
	if req.Undo != "" {
		return reply{}, invalid("undo: want POST /restores/%s/undo", req.Undo)
	}
	if req.ID == "" {
		req.ID = r.options.NewID()
	}
	if err := r.locations().Check(ctx, req); err != nil {
		return reply{}, err
	}
	if stored, err := r.locations().Reports().Load(ctx, req.ID); err == nil && stored.StandsForAnother(req) {
		return reply{}, &httpError{status: 409, code: codeConflict, message: fmt.Sprintf("id %q stands for another request already, whose restore is %s", req.ID, stored.Status)}
	} else if err != nil && !errors.Is(err, restore.ErrNoReport) {
		return reply{}, err
	}
	if req.DryRun {
		report, err := restore.Run(ctx, req, r.restoreOptions())
		if err != nil {
			return reply{}, err
		}
		if report.Status == restore.Failed {
			return reply{}, invalid("%s", report.Message)
		}
		return jsonReply(200, report.Within(maxItems))
	}
	return r.queue(ctx, req.ID, req)
}

// undo queues the undo of a restore. It is told of by the restore's own report.
func (r *restoring) undo(ctx context.Context, id string) (reply, error) {
	report, err := r.locations().Reports().Load(ctx, id)
	if errors.Is(err, restore.ErrNoReport) {
		if queued, queuedErr := r.queued(ctx, id); queuedErr != nil {
			return reply{}, queuedErr
		} else if queued != nil {
			return reply{}, &httpError{status: http.StatusConflict, code: codeConflict, message: fmt.Sprintf("restore %q is queued and has not begun: undo it when it has", id)}
		}
	}
	if err != nil {
		return reply{}, err
	}
	if report.Status == restore.Planned || report.Status == restore.Failed {
		return reply{}, invalid("restore %q is %s and has written nothing that could be undone", id, report.Status)
	}
	if report.IsExport() {
		return reply{}, invalid("%q is an export and has written nothing that could be undone", id)
	}
	return r.queue(ctx, "undo/"+id, restore.Request{Undo: id})
}

// queue stores a request for the OBS event to run.
func (r *restoring) queue(ctx context.Context, name string, req restore.Request) (reply, error) {
	body, err := json.MarshalIndent(req, "", "  ")
	if err != nil {
		return reply{}, fmt.Errorf("store the restore request: %w", err)
	}
	body = append(body, '\n')
	bucket, key := r.store.Bucket(r.config.Location.Bucket), r.config.Location.Root()+requestFolder+name+".json"
	same, err := r.requested(ctx, name, key, body)
	if err != nil {
		return reply{}, err
	}
	// One that was asked for before is written again, so that its event comes again. One that was not is not written over another that came meanwhile.
	_, err = bucket.Put(ctx, key, body, store.Condition{IfNoneMatch: !same})
	if errors.Is(err, store.ErrPrecondition) {
		if same, err = r.requested(ctx, name, key, body); err == nil && !same {
			err = errors.New("it was there and is gone")
		}
	}
	if err != nil {
		return reply{}, fmt.Errorf("store the restore request: %w", err)
	}
	id := cmp.Or(req.Undo, req.ID)
	answer, err := jsonReply(202, map[string]string{"id": id, "location": "/restores/" + id})
	if err != nil {
		return reply{}, err
	}
	answer.header.Set("Location", "/restores/"+id)
	return answer, nil
}

// requested tells whether this very request is stored already. That another one has its name is an error.
func (r *restoring) requested(ctx context.Context, name, key string, body []byte) (bool, error) {
	before, _, err := store.ReadAll(ctx, r.store.Bucket(r.config.Location.Bucket), key, maxRequest)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for restore request %s: %w", name, err)
	case !bytes.Equal(before, body):
		return false, &httpError{status: 409, code: codeConflict, message: fmt.Sprintf("restore %q was requested before, and otherwise: the same id is the same restore", name)}
	}
	return true, nil
}

// get tells how a restore stands. One whose request is stored but that has not begun is RUNNING with nothing done.
func (r *restoring) get(ctx context.Context, id string) (reply, error) {
	report, err := r.locations().Reports().Load(ctx, id)
	if errors.Is(err, restore.ErrNoReport) {
		queued, queuedErr := r.queued(ctx, id)
		if queuedErr != nil {
			return reply{}, queuedErr
		}
		if queued != nil {
			return jsonReply(200, queued)
		}
	}
	if err != nil {
		return reply{}, err
	}
	return jsonReply(200, report.Within(maxItems))
}

func (r *restoring) queued(ctx context.Context, id string) (*restore.Report, error) {
	l := r.config.Location
	if !restore.IsID(id) {
		return nil, nil
	}
	data, info, err := store.ReadAll(ctx, r.store.Bucket(l.Bucket), l.Root()+requestFolder+id+".json", maxRequest)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for restore request %s: %w", id, err)
	}
	if drill.IsCommand(data) {
		return nil, nil
	}
	req, err := restore.ParseRequest(data)
	if err != nil {
		return nil, fmt.Errorf("restore request %s cannot be read: %w", id, errors.New(err.Error())) // the fault is in the bucket, not in this request
	}
	return &restore.Report{ID: id, Status: restore.Running, Backup: req.Path, Workspace: req.Workspace, DuplicateNamePolicy: req.DuplicateNamePolicy,
		StartedAt: info.LastModified.UTC(), Counts: map[string]int{}, Message: "queued", Items: []restore.Item{}}, nil
}
