package factory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// Get returns the definition of an asset: the bytes of the answer. Jobs and scripts are addressed by name, resources by id.
// A job is read as it was last saved, submitted or not, because that is what a backup keeps. An answer that is not an
// object with the asset's name is an error.
func (w *Workspace) Get(ctx context.Context, ref asset.Ref, id string) (json.RawMessage, error) {
	q, err := w.one("get", ref, id, read, http.MethodGet)
	if err != nil {
		return nil, err
	}
	var definition json.RawMessage
	q.accept = func(body io.Reader, _ http.Header) error {
		data, err := w.client.readObject(body)
		if err != nil {
			return err
		}
		if name, _ := rawjson.Path(data, "name"); name != nil {
			if text, ok := rawjson.String(name); ok && text == ref.Name {
				definition = data
				return nil
			}
		}
		if said := parseEnvelope(data); said.Code != "" {
			return envelopeError(said)
		}
		return finalError{fmt.Errorf("the answer is about another asset: its name is %q", shorten(rawjson.StringAt(data, "name")))}
	}
	err = w.client.do(ctx, q)
	return definition, err
}

// Addressable tells whether a job or script of this name can be asked for by itself. Its name is a segment of an address, and no address can
// hold these.
func Addressable(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.Contains(name, "/")
}

// Create creates an asset from a definition. It returns the id of a new resource; for jobs and scripts the API tells none.
//
// It is sent again only when it is certain that the service has not seen it (no connection, throttled). Where the answer was
// lost the error is ErrUnknownOutcome.
func (w *Workspace) Create(ctx context.Context, kind asset.Kind, definition json.RawMessage) (id string, err error) {
	if err := listable(kind); err != nil {
		return "", fmt.Errorf("create: %w", err)
	}
	q := &call{
		operation: "create " + kind.Singular(),
		asset: spelled(asset.Ref{
			Kind: kind, Name: rawjson.StringAt(definition, "name"), Directory: rawjson.StringAt(definition, "directory"),
		}),
		service: w.client.v1, workspace: w.id, effect: once, method: http.MethodPost,
		path: w.client.path("v1", string(kind)), body: definition,
	}
	q.accept = func(body io.Reader, header http.Header) error {
		data, err := w.client.done(body, header)
		if err != nil || kind != asset.Resources {
			return err
		}
		if id = first(gjson.ParseBytes(data), "resourceId", "resource_id", "id"); id == "" {
			return malformed(errors.New("no id of the new resource"))
		}
		return nil
	}
	err = w.client.do(ctx, q)
	return id, err
}

// Update replaces the definition of an asset. It is repeated like a read, because twice is the same as once; when it fails
// after an answer was lost the error is ErrUnknownOutcome as well.
func (w *Workspace) Update(ctx context.Context, ref asset.Ref, id string, definition json.RawMessage) error {
	q, err := w.one("update", ref, id, replace, http.MethodPut)
	if err != nil {
		return err
	}
	q.body = definition
	q.accept = w.client.accepted
	return w.client.do(ctx, q)
}

// Delete deletes an asset. When an answer was lost it is sent again, and then finding nothing is success. A workspace under review wants approvers for
// jobs and scripts (optional body in the Delete Job and Delete Script pages).
func (w *Workspace) Delete(ctx context.Context, ref asset.Ref, id string, approvers ...string) error {
	q, err := w.one("delete", ref, id, remove, http.MethodDelete)
	if err != nil {
		return err
	}
	if len(approvers) > 0 && ref.Kind != asset.Resources {
		list := []byte(`{"approvers":[`)
		for i, name := range approvers {
			if i > 0 {
				list = append(list, ',')
			}
			list = append(append(append(list, `{"approverName":`...), rawjson.Quote(name)...), '}')
		}
		q.body = append(list, "]}"...)
	}
	q.accept = w.client.accepted
	return w.client.do(ctx, q)
}

// StartJob starts the schedule of a job, which needs a submitted version. A job scheduled to run once runs, so a start whose
// answer was lost is not sent again: the error is ErrUnknownOutcome.
func (w *Workspace) StartJob(ctx context.Context, name string) error {
	return w.order(ctx, "start", name, []byte("{}"))
}

// StopJob stops the schedule of a job. Like StartJob, it is not sent again when its answer was lost: somebody else may have
// started the job on purpose in the meantime.
func (w *Workspace) StopJob(ctx context.Context, name string) error {
	return w.order(ctx, "stop", name, nil)
}

func (w *Workspace) order(ctx context.Context, verb, name string, body []byte) error {
	q, err := w.one(verb, asset.Ref{Kind: asset.Jobs, Name: name}, "", once, http.MethodPost)
	if err != nil {
		return err
	}
	q.path = append(q.path, verb)
	q.body = body
	q.accept = w.client.accepted
	return w.client.do(ctx, q)
}

// JobStatus asks for the status of a real-time job, which listings may lack. For a batch job see Row.Status: this call is
// documented for real-time jobs only.
func (w *Workspace) JobStatus(ctx context.Context, name string) (status string, err error) {
	q, err := w.one("get status of", asset.Ref{Kind: asset.Jobs, Name: name}, "", read, http.MethodGet)
	if err != nil {
		return "", err
	}
	q.path = append(q.path, "status")
	q.accept = func(body io.Reader, header http.Header) error {
		data, err := w.client.done(body, header)
		if err != nil {
			return err
		}
		if status = gjson.GetBytes(data, "status").String(); status == "" {
			return malformed(errors.New("no status"))
		}
		return nil
	}
	err = w.client.do(ctx, q)
	return status, err
}

// one prepares a call about one asset.
func (w *Workspace) one(verb string, ref asset.Ref, id string, e effect, method string) (*call, error) {
	if err := listable(ref.Kind); err != nil {
		return nil, fmt.Errorf("%s: %w", verb, err)
	}
	key := ref.Name
	if ref.Kind == asset.Resources {
		if key = id; id == "" {
			return nil, fmt.Errorf("%s %s: the id of the resource is missing", verb, ref)
		}
	}
	return &call{
		operation: verb + " " + ref.Kind.Singular(), asset: spelled(ref),
		service: w.client.v1, workspace: w.id, effect: e, method: method,
		path: w.client.path("v1", string(ref.Kind), key),
	}, nil
}

// spelled is how messages name the asset after its kind: resources with their directory, which is part of what they are.
func spelled(ref asset.Ref) string {
	if ref.Kind == asset.Resources && ref.Directory != "" {
		return strings.TrimSuffix(asset.CleanDirectory(ref.Directory), "/") + "/" + ref.Name
	}
	return ref.Name
}

func listable(kind asset.Kind) error {
	switch kind {
	case asset.Jobs, asset.Scripts, asset.Resources:
		return nil
	}
	return fmt.Errorf("kind %q is not addressed one by one", kind)
}

// path puts the project id after the version. The kinds' names are those of the API's path segments.
func (c *Client) path(version string, segments ...string) []string {
	return append([]string{version, c.options.ProjectID}, segments...)
}

// accepted reads the answer to a write.
func (c *Client) accepted(body io.Reader, header http.Header) error {
	_, err := c.done(body, header)
	return err
}

// done reads the answer to a call that has nothing or little to tell. The service answers most writes with 204 and no body;
// a body, where there is one, is a JSON object that does not say that the write has failed. "is_success" is declared as a
// header of the answer by the SDK, and as a field of its body by the pages of other calls.
func (c *Client) done(body io.Reader, header http.Header) ([]byte, error) {
	data, err := c.readAll(body)
	if err != nil {
		return nil, err
	}
	if header.Get("is_success") == "false" {
		return nil, &Error{Message: or(parseEnvelope(data).Message, "is_success is false")}
	}
	root := gjson.ParseBytes(data)
	if len(data) == 0 || string(data) == "null" {
		return data, nil
	}
	if err := rawjson.Check(data); err != nil {
		return nil, malformed(err)
	}
	if said := parseEnvelope(data); said.Code != "" || root.Get("is_success").Raw == "false" {
		return nil, envelopeError(said)
	}
	return data, nil
}

func or(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}
