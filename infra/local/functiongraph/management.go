package functiongraph

import (
	"errors"
	"io"
	"net/http"
	"slices"
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
	// Triggers choose among the readings of the documents about triggers.
	Triggers TriggerSwitches
	// Intercept answers a request in the service's place, as a service does that is down; false lets it through.
	Intercept func(w http.ResponseWriter, r *http.Request) bool
}

// Management is the service's own API, as far as functions call it:
//
//	POST   /v2/{project_id}/fgs/functions/{function_urn}/invocations-async            "Executing a Function Asynchronously": 202 with the request id
//	GET    /v2/{project_id}/fgs/triggers/{function_urn}                               "Querying All Triggers of a Function": a list
//	POST   /v2/{project_id}/fgs/triggers/{function_urn}                               "Creating a Trigger": 201
//	GET    /v2/{project_id}/fgs/triggers/{function_urn}/{trigger_type_code}/{trigger_id}   "Querying the Information About a Trigger"
//	PUT    /v2/{project_id}/fgs/triggers/{function_urn}/{trigger_type_code}/{trigger_id}   "Updating a Trigger"
//	DELETE /v2/{project_id}/fgs/triggers/{function_urn}/{trigger_type_code}/{trigger_id}   "Deleting a Trigger": 204
//
// Every request must be signed; a URN is that of this project's region, package "default" and version "latest", which may be left out. The bodies are read
// strictly: a field that the documents do not know is refused. Errors have the service's fields ("error_code", "error_msg") and codes of its error table
// (FSS.0400 invalid parameter, FSS.0404, FSS.0406 not the form of the body, FSS.0409 exists already); in which case it uses which is not documented.
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
		status, body := s.manage(opts, w, r)
		if refusal, ok := body.(*refusal); ok {
			body = map[string]string{"error_code": refusal.code, "error_msg": refusal.message, "request_id": requestID}
		}
		w.WriteHeader(status)
		if body != nil {
			_, _ = w.Write(encode(body)) // The client may have gone.
		}
	})
}

// refusal is the body of an answer that something is wrong.
type refusal struct{ code, message string }

func refuse(status int, code, message string) (int, any) { return status, &refusal{code, message} }

// manage answers a request: a status and what its body is the JSON of, nil for none.
func (s *Service) manage(opts ManagementOptions, w http.ResponseWriter, r *http.Request) (int, any) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return refuse(http.StatusRequestEntityTooLarge, "APIG.0201", "Request entity too large")
	}
	if _, err := opts.Keyring.VerifySDK(r, body, opts.Now()); err != nil {
		return refuse(http.StatusUnauthorized, "APIG.0301", "Incorrect IAM authentication information: "+err.Error())
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	isInvoke := len(parts) == 6 && parts[3] == "functions" && parts[5] == "invocations-async" && r.Method == http.MethodPost
	isList := len(parts) == 5 && parts[3] == "triggers" && (r.Method == http.MethodGet || r.Method == http.MethodPost)
	isTrigger := len(parts) == 7 && parts[3] == "triggers" && slices.Contains([]string{http.MethodGet, http.MethodPut, http.MethodDelete}, r.Method)
	if !(isInvoke || isList || isTrigger) || parts[0] != "v2" || parts[2] != "fgs" {
		return refuse(http.StatusNotFound, "APIG.0101", "The API does not exist or has not been published in the environment")
	}
	if parts[1] != s.opts.ProjectID {
		return refuse(http.StatusForbidden, "FSS.0403", "the project is not that of the caller: "+parts[1])
	}
	d := s.named(opts.Region, parts[4])
	switch {
	case d == nil:
		return refuse(http.StatusNotFound, "FSS.1051", "Not found the function: "+parts[4])
	case isInvoke:
		return d.manageInvoke(body)
	case isList:
		return d.manageTriggers(r.Method, body, opts.Triggers)
	case parts[5] != typeTimer:
		return refuse(http.StatusNotFound, "FSS.0404", "the function has no trigger of the type "+parts[5])
	}
	return d.manageTrigger(r.Method, parts[6], body, opts.Triggers)
}

func (d *Deployment) manageInvoke(body []byte) (int, any) {
	id, err := d.InvokeAsync(body)
	switch {
	case errors.Is(err, ErrRequestTooLarge):
		return refuse(http.StatusRequestEntityTooLarge, "FSS.0413", "the request body is larger than 256 KB")
	case err != nil:
		return refuse(http.StatusInternalServerError, "FSS.0500", "the function has been removed")
	}
	return http.StatusAccepted, map[string]string{"request_id": id}
}

func (d *Deployment) manageTriggers(method string, body []byte, switches TriggerSwitches) (int, any) {
	if method == http.MethodGet {
		list := []any{}
		for _, t := range d.Timers() {
			list = append(list, t.document(switches))
		}
		return http.StatusOK, list
	}
	t, err := newTimer(body, switches)
	if err == nil {
		t, err = d.CreateTimer(t)
	}
	if err != nil {
		return refuseTrigger(err)
	}
	return http.StatusCreated, t.document(switches)
}

func (d *Deployment) manageTrigger(method, id string, body []byte, switches TriggerSwitches) (int, any) {
	var t Timer
	var err error
	switch method {
	case http.MethodDelete:
		if err = d.DeleteTimer(id); err == nil {
			return http.StatusNoContent, nil
		}
	case http.MethodPut:
		var change func(*Timer)
		if change, err = changeOf(body, switches); err == nil {
			t, err = d.UpdateTimer(id, change)
		}
	default:
		t, err = d.UpdateTimer(id, func(*Timer) {})
	}
	if err != nil {
		return refuseTrigger(err)
	}
	return http.StatusOK, t.document(switches)
}

func refuseTrigger(err error) (int, any) {
	switch {
	case errors.Is(err, errNoTrigger):
		return refuse(http.StatusNotFound, "FSS.0404", err.Error())
	case errors.Is(err, errTaken):
		return refuse(http.StatusConflict, "FSS.0409", err.Error())
	case errors.Is(err, errFormat):
		return refuse(http.StatusNotAcceptable, "FSS.0406", err.Error())
	}
	return refuse(http.StatusBadRequest, "FSS.0400", err.Error())
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
