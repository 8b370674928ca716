package functiongraph

import (
	"errors"
	"io"
	"maps"
	"net/http"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/instance"
)

// api is the API that the custom runtime polls ("Custom Runtime" in FunctionGraph's developer guide), for one instance. How the
// service answers wrong use is not documented; here it is a status of 4xx and a violation.
func (d *Deployment) api(i *instance.Instance) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/runtime/invocation/request", func(w http.ResponseWriter, r *http.Request) {
		call, err := i.Next(r.Context())
		switch {
		case errors.Is(err, instance.ErrUnanswered):
			d.violation(w, http.StatusForbidden, "the next event was asked for: %v", err)
			return
		case err != nil:
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		maps.Copy(w.Header(), call.Header)
		_, _ = w.Write(call.Payload) // If it does not arrive, the invocation takes too long.
	})
	answer := func(limit int64, failed bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			id := r.PathValue("id")
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
			tooLarge := false
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				tooLarge = true
				body = errorBody(&FunctionError{"FunctionResponseTooLarge", "the answer is larger than RUNTIME_MAX_RESP_BODY_SIZE"})
			} else if err != nil {
				// Half an answer is none; the function may post it again.
				http.Error(w, "the body could not be read", http.StatusBadRequest)
				return
			}
			switch err := i.Answer(id, body, failed || tooLarge); {
			case err != nil:
				d.violation(w, http.StatusBadRequest, "an answer to request %q was posted: %v", id, err)
			case tooLarge:
				d.violation(w, http.StatusRequestEntityTooLarge, "an answer to request %q has more than %d bytes", id, limit)
			default:
				w.WriteHeader(http.StatusOK)
			}
		}
	}
	mux.HandleFunc("POST /v1/runtime/invocation/response/{id}", answer(maxResponse, false))
	mux.HandleFunc("POST /v1/runtime/invocation/error/{id}", answer(maxResponse, true))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		d.violation(w, http.StatusNotFound, "%s %s is not part of the runtime API", r.Method, r.URL.Path)
	})
	return mux
}

// keys are new temporary keys of the function's agency and the headers that carry them; zero and none without an agency.
func (d *Deployment) keys() (iam.Credentials, http.Header) {
	header := http.Header{}
	if d.service.opts.Keyring == nil {
		return iam.Credentials{}, header
	}
	keys := d.service.opts.NewKeys()
	header.Set("X-Cff-Security-Token", keys.SecurityToken)
	header.Set("X-Cff-Auth-Token", randomHex(32))
	switch d.service.opts.KeyHeaders {
	case SecurityKeys:
		header.Set("X-Cff-Security-Access-Key", keys.AccessKey)
		header.Set("X-Cff-Security-Secret-Key", keys.SecretKey)
		header.Set("X-Cff-Access-Key", "")
		header.Set("X-Cff-Secret-Key", "")
	default:
		header.Set("X-Cff-Access-Key", keys.AccessKey)
		header.Set("X-Cff-Secret-Key", keys.SecretKey)
	}
	return keys, header
}
