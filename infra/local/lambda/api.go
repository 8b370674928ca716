package lambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

// apiError is an error as the services of AWS send it.
type apiError struct {
	status  int
	code    string // in x-amzn-ErrorType
	message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func refuse(status int, code, format string, args ...any) *apiError {
	return &apiError{status, code, fmt.Sprintf(format, args...)}
}

// ServeHTTP is the endpoint of Lambda ("Invoke") and of EventBridge Scheduler ("ListSchedules", "GetSchedule", "CreateSchedule", "UpdateSchedule") at one
// address. Every request has to be signed with keys of the keyring; without a keyring none is good.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	requestID := s.opts.NewRequestID()
	w.Header().Set("X-Amzn-Requestid", requestID)
	if err := s.serve(w, r, requestID); err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Amzn-Errortype", err.code)
		w.WriteHeader(err.status)
		writeJSON(w, map[string]string{"Message": err.message})
	}
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request, requestID string) *apiError {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest+1))
	if err != nil {
		return refuse(http.StatusRequestEntityTooLarge, "RequestTooLargeException", "Request must be smaller than %d bytes for the InvokeFunction operation", maxRequest)
	}
	service := "lambda"
	if strings.HasPrefix(r.URL.Path, "/schedules") {
		service = "scheduler"
	}
	ring := s.opts.Keyring
	if ring == nil {
		ring = &iam.Keyring{}
	}
	if _, err := ring.VerifyV4Service(r, body, service, s.opts.Region, s.opts.Now()); err != nil {
		if d, ok := errors.AsType[*iam.Denial](err); ok {
			return refuse(d.Status, d.Code, "%s", d.Message)
		}
		return refuse(http.StatusInternalServerError, "InternalFailure", "%v", err)
	}
	var failed *apiError
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", func(w http.ResponseWriter, r *http.Request) { failed = s.invoke(w, r, requestID, body) })
	mux.HandleFunc("GET /schedules", func(w http.ResponseWriter, r *http.Request) { failed = s.listSchedules(w, r) })
	mux.HandleFunc("GET /schedules/{name}", func(w http.ResponseWriter, r *http.Request) { failed = s.getSchedule(w, r) })
	mux.HandleFunc("POST /schedules/{name}", func(w http.ResponseWriter, r *http.Request) { failed = s.putSchedule(w, r, body, true) })
	mux.HandleFunc("PUT /schedules/{name}", func(w http.ResponseWriter, r *http.Request) { failed = s.putSchedule(w, r, body, false) })
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {
		failed = refuse(http.StatusNotFound, "UnknownOperationException", "%s %s is not part of the API", r.Method, r.URL.Path)
	})
	mux.ServeHTTP(w, r)
	return failed
}

// functionReference is how the API names functions: by name, ARN, or account and name, with or without a version or alias.
var functionReference = regexp.MustCompile(`^(?:(?:arn:aws[a-z-]*:lambda:([a-z0-9-]+):)?([0-9]{12}):function:)?([A-Za-z0-9_-]{1,64})(?::([A-Za-z0-9$_-]+))?$`)

// deployment finds a function by a reference. There are no versions but $LATEST.
func (s *Service) deployment(reference, qualifier string) (*Deployment, *apiError) {
	m := functionReference.FindStringSubmatch(reference)
	if m == nil {
		return nil, refuse(http.StatusBadRequest, "ValidationException", "1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern", reference)
	}
	if qualifier == "" {
		qualifier = m[4]
	}
	s.mu.Lock()
	d := s.functions[m[3]]
	s.mu.Unlock()
	if d == nil || m[1] != "" && m[1] != s.opts.Region || m[2] != "" && m[2] != s.opts.AccountID || qualifier != "" && qualifier != "$LATEST" {
		arn := "arn:aws:lambda:" + s.opts.Region + ":" + s.opts.AccountID + ":function:" + m[3]
		if qualifier != "" {
			arn += ":" + qualifier
		}
		return nil, refuse(http.StatusNotFound, "ResourceNotFoundException", "Function not found: %s", arn)
	}
	return d, nil
}

// invoke is Invoke. The request id of the answer is that of the invocation.
func (s *Service) invoke(w http.ResponseWriter, r *http.Request, requestID string, payload []byte) *apiError {
	d, refused := s.deployment(r.PathValue("name"), r.URL.Query().Get("Qualifier"))
	if refused != nil {
		return refused
	}
	if len(payload) == 0 {
		payload = []byte("{}")
	}
	kind, most := r.Header.Get("X-Amz-Invocation-Type"), maxRequest
	switch kind {
	case "DryRun":
		w.WriteHeader(http.StatusNoContent)
		return nil
	case "Event":
		most = maxEvent
	case "", "RequestResponse":
	default:
		return refuse(http.StatusBadRequest, "InvalidParameterValueException", "Invocation type %q is not known", kind)
	}
	var answer end
	var err error
	if kind == "Event" {
		err = d.enqueue(requestID, payload)
	} else {
		done := make(chan end, 1)
		if err = d.start(requestID, payload, most, func(e end) { done <- e }); err == nil {
			answer = <-done
			err = answer.err
		}
	}
	switch {
	case errors.Is(err, ErrRequestTooLarge):
		return refuse(http.StatusRequestEntityTooLarge, "RequestTooLargeException", "%d byte payload is too large for the %s invocation type (limit %d bytes)", len(payload), kind, most)
	case errors.Is(err, ErrNotJSON):
		return refuse(http.StatusBadRequest, "InvalidRequestContentException", "Could not parse request body into json")
	case errors.Is(err, ErrThrottled):
		return refuse(http.StatusTooManyRequests, "TooManyRequestsException", "Rate Exceeded.")
	case errors.Is(err, ErrRemoved):
		return refuse(http.StatusNotFound, "ResourceNotFoundException", "Function not found: %s", d.arn)
	case err != nil:
		return refuse(http.StatusInternalServerError, "ServiceException", "%v", err)
	}
	if kind == "Event" {
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	if answer.result.FunctionError != nil {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
	}
	_, _ = w.Write(answer.result.Payload) // Who has gone does not need it.
	return nil
}

func writeJSON(w io.Writer, value any) {
	// An answer that does not arrive is the client's loss.
	_ = json.NewEncoder(w).Encode(value)
}
