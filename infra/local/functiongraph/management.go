package functiongraph

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

// What a URN begins with, and how many parts it has without a version: urn:fss:region:project:function:package:name.
const (
	urnPrefix = "urn:fss:"
	urnParts  = 7
)

// ManagementOptions configure the management API. Region and Keyring are required.
type ManagementOptions struct {
	Region  string       // that the functions' URNs have
	Keyring *iam.Keyring // of those who may call
	Now     func() time.Time
	// Intercept answers a request in the service's place, as a service does that is down; false lets it through.
	Intercept func(w http.ResponseWriter, r *http.Request) bool
}

// Management is the service's own API, as far as functions call it: POST /v2/{project_id}/fgs/functions/{function_urn}/invocations-async, 202 with the
// request id ("Executing a Function Asynchronously"). Every request must be signed; a URN is that of this project's region, package "default" and
// version "latest", which may be left out. Errors have the service's fields ("error_code", "error_msg"); of their
// codes only those of the gateway are documented for these cases.
func (s *Service) Management(opts ManagementOptions) http.Handler {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requestID := strings.ReplaceAll(s.opts.NewRequestID(), "-", "")
		w.Header().Set("X-Request-Id", requestID)
		w.Header().Set("Content-Type", "application/json")
		if opts.Intercept != nil && opts.Intercept(w, r) {
			return
		}
		answer := func(status int, fields map[string]string) {
			w.WriteHeader(status)
			_, _ = w.Write(encode(fields)) // The client may have gone.
		}
		fail := func(status int, code, message string) {
			answer(status, map[string]string{"error_code": code, "error_msg": message, "request_id": requestID})
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			fail(http.StatusRequestEntityTooLarge, "APIG.0201", "Request entity too large")
			return
		}
		if _, err := opts.Keyring.VerifySDK(r, body, opts.Now()); err != nil {
			fail(http.StatusUnauthorized, "APIG.0301", "Incorrect IAM authentication information: "+err.Error())
			return
		}
		parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if r.Method != http.MethodPost || len(parts) != 6 || parts[0] != "v2" || parts[2] != "fgs" || parts[3] != "functions" || parts[5] != "invocations-async" {
			fail(http.StatusNotFound, "APIG.0101", "The API does not exist or has not been published in the environment")
			return
		}
		if parts[1] != s.opts.ProjectID {
			fail(http.StatusForbidden, "FSS.0403", "the project is not that of the caller: "+parts[1])
			return
		}
		d := s.named(opts.Region, parts[4])
		if d == nil {
			fail(http.StatusNotFound, "FSS.1051", "Not found the function: "+parts[4])
			return
		}
		id, err := d.InvokeAsync(body)
		switch {
		case errors.Is(err, ErrRequestTooLarge):
			fail(http.StatusRequestEntityTooLarge, "FSS.0413", "the request body is larger than 256 KB")
		case err != nil:
			fail(http.StatusInternalServerError, "FSS.0500", "the function has been removed")
		default:
			answer(http.StatusAccepted, map[string]string{"request_id": id})
		}
	})
}

// named is the function with this URN; nil if there is none.
func (s *Service) named(region, urn string) *Deployment {
	parts := strings.Split(urn, ":")
	if len(parts) == urnParts {
		parts = append(parts, "latest")
	}
	if len(parts) != urnParts+1 || strings.Join(parts[:6], ":") != urnPrefix+region+":"+s.opts.ProjectID+":function:default" || parts[7] != "latest" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.functions[parts[6]]
}

// AsyncInvocations are all asynchronous invocations so far, in no certain order.
func (d *Deployment) AsyncInvocations() []AsyncInvocation {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]AsyncInvocation, 0, len(d.async))
	for _, a := range d.async {
		all = append(all, *a)
	}
	return all
}
