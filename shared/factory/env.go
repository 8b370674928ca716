package factory

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/tidwall/gjson"
)

// Env returns the environment variables of the workspace: {"params":[{"name","type","value","desc"}]}, the bytes of the
// answer. The error is ErrUnsupported where the region has no V2 API: none is configured, or it answers 404.
func (w *Workspace) Env(ctx context.Context) (json.RawMessage, error) {
	q, err := w.env("get environment variables", read, http.MethodGet)
	if err != nil {
		return nil, err
	}
	var definition json.RawMessage
	q.accept = func(body io.Reader, _ http.Header) error {
		data, err := w.client.readObject(body)
		if err != nil {
			return err
		}
		root := gjson.ParseBytes(data)
		params := root.Get("params")
		if params.IsArray() || params.Raw == "null" || len(root.Map()) == 0 {
			definition = data
			return nil
		}
		if said := parseEnvelope(data); said.Code != "" {
			return envelopeError(said)
		}
		return finalError{errors.New("the answer has no list of variables")}
	}
	err = unsupported(w.client.do(ctx, q))
	return definition, err
}

// PutEnv writes the whole list of environment variables, in the form that Env returns. Whether variables that the list lacks
// are kept is not documented, so it has to hold them all. It is repeated like Update.
func (w *Workspace) PutEnv(ctx context.Context, definition json.RawMessage) error {
	q, err := w.env("update environment variables", replace, http.MethodPut)
	if err != nil {
		return err
	}
	q.body = definition
	q.accept = w.client.accepted
	return unsupported(w.client.do(ctx, q))
}

func (w *Workspace) env(operation string, e effect, method string) (*call, error) {
	if w.client.v2 == nil {
		return nil, &Error{Operation: operation, Message: "no V2 endpoint is configured", Err: ErrUnsupported}
	}
	return &call{
		operation: operation, service: w.client.v2, workspace: w.id, effect: e, method: method, private: true,
		path: w.client.path("v2", "factory", "env"),
	}, nil
}

// unsupported turns a status 404 of an API that has nothing to be missing into ErrUnsupported.
func unsupported(err error) error {
	var e *Error
	if errors.As(err, &e) && e.StatusCode == http.StatusNotFound {
		e.Err = ErrUnsupported
	}
	return err
}
