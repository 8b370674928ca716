package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
)

// The codes of HTTP errors.
const (
	codeInvalid   = "invalid"
	codeNotFound  = "not_found"
	codeMethod    = "method_not_allowed"
	codeConflict  = "conflict"
	codeInternal  = "internal"
	codeForbidden = "forbidden"
)

// httpError is an error that knows its status.
type httpError struct {
	status  int
	code    string
	message string
	header  http.Header
}

func (e *httpError) Error() string { return e.message }

func invalid(format string, args ...any) error {
	return &httpError{status: http.StatusBadRequest, code: codeInvalid, message: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return &httpError{status: http.StatusNotFound, code: codeNotFound, message: fmt.Sprintf(format, args...)}
}

// reply is an HTTP answer. What every answer has beside this is added by [encode]: an ETag to a GET, what caches may do with it, and the headers that keep
// browsers from doing more with it than to show it. A header that a route sets itself stays as it is.
type reply struct {
	status int
	header http.Header
	body   []byte

	secret bool // it reveals what nobody may keep, such as the values of environment variables
}

// jsonReply is an answer in JSON.
func jsonReply(status int, v any) (reply, error) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return reply{}, fmt.Errorf("encode the answer: %w", err)
	}
	return reply{status: status, header: http.Header{"Content-Type": {"application/json"}}, body: append(body, '\n')}, nil
}

// errorOf is an error as the outside sees it: with its status, its code and its words.
func errorOf(err error) *httpError {
	if known, ok := errors.AsType[*httpError](err); ok {
		return known
	}
	if _, ok := errors.AsType[strictjson.Faults](err); ok {
		return &httpError{status: http.StatusBadRequest, code: codeInvalid, message: err.Error()}
	}
	if _, ok := errors.AsType[*restore.Refusal](err); ok {
		return &httpError{status: http.StatusBadRequest, code: codeInvalid, message: err.Error()}
	}
	if errors.Is(err, restore.ErrNoReport) {
		return &httpError{status: http.StatusNotFound, code: codeNotFound, message: err.Error()}
	}
	return &httpError{status: http.StatusInternalServerError, code: codeInternal, message: err.Error()}
}

// errorReply is what an error looks like by HTTP.
func errorReply(err error) reply {
	e := errorOf(err)
	r, encodeErr := jsonReply(e.status, map[string]any{"error": map[string]string{"code": e.code, "message": e.message}})
	if encodeErr != nil {
		return reply{status: http.StatusInternalServerError}
	}
	for name, values := range e.header {
		r.header[name] = values
	}
	return r
}

// route is one path of an API. Segments of pattern in braces match any segment and are handed on in order.
type route struct {
	method  string
	pattern string
	serve   func(r event.Request, parameters []string) (reply, error)

	maxBody int // how many bytes the request's body may have; 0: 1 MiB
}

// serve answers a request by the first route that fits.
func serve(ctx context.Context, routes []route, r event.Request) (any, error) {
	err := admissible(r)
	var answer reply
	if err == nil {
		answer, err = dispatch(routes, r)
	}
	if err != nil {
		answer = errorReply(err)
	}
	if answer.status >= http.StatusInternalServerError {
		zerolog.Ctx(ctx).Error().Err(err).Str("method", r.Method).Str("path", r.Path).Int("status", answer.status).Msg("the request failed")
	}
	return encode(r, answer)
}

// unusable answers a request to a function whose settings are faulty. The faults name variables and no secret.
func unusable(ctx context.Context, r event.Request, err error) (any, error) {
	zerolog.Ctx(ctx).Error().Err(err).Msg("the settings are not usable")
	return encode(r, errorReply(fmt.Errorf("the function is not configured: %w", err)))
}

func dispatch(routes []route, r event.Request) (reply, error) {
	var allowed []string
	for _, candidate := range routes {
		parameters, ok := match(candidate.pattern, r.Path)
		if !ok {
			continue
		}
		if candidate.method == r.Method || (candidate.method == http.MethodGet && r.Method == http.MethodHead) {
			if err := fitting(len(r.Body), candidate.maxBody); err != nil {
				return reply{}, err
			}
			return candidate.serve(r, parameters)
		}
		allowed = append(allowed, candidate.method)
		if candidate.method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	if len(allowed) > 0 {
		slices.Sort(allowed)
		return reply{}, &httpError{status: http.StatusMethodNotAllowed, code: codeMethod,
			message: fmt.Sprintf("%s %s: want %s", r.Method, r.Path, strings.Join(allowed, " or ")),
			header:  http.Header{"Allow": {strings.Join(allowed, ", ")}}}
	}
	return reply{}, notFound("there is nothing at %s", r.Path)
}

// bodiless refuses a body where there is nothing to be said in one. Empty, or an object without fields, is none.
func bodiless(r event.Request) error {
	if len(bytes.TrimSpace(r.Body)) == 0 {
		return nil
	}
	doc, err := strictjson.Parse(r.Body)
	if err != nil {
		return err
	}
	return doc.Decode(&struct{}{})
}

func match(pattern, path string) (parameters []string, ok bool) {
	want, got := strings.Split(strings.Trim(pattern, "/"), "/"), strings.Split(strings.Trim(path, "/"), "/")
	if len(want) != len(got) {
		return nil, false
	}
	for i, segment := range want {
		switch {
		case strings.HasPrefix(segment, "{"):
			parameters = append(parameters, got[i])
		case segment != got[i]:
			return nil, false
		}
	}
	return parameters, true
}
