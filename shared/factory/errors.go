package factory

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// What an Error may be, for errors.Is. The codes are those of the error table of DataArts Factory, which answers all of them
// with status 400.
var (
	// ErrNotFound: the job, script or resource does not exist (DLF.0100, DLF.6201, DLF.6241). A bare status 404 is not
	// this: the gateway sends it when the endpoint does not have the API.
	ErrNotFound = errors.New("asset not found")
	// ErrExists: the name is taken (DLF.0102, DLF.0202, DLF.6259).
	ErrExists = errors.New("asset exists")
	// ErrThrottled: too many requests (status 429, or APIG.0308 of the gateway).
	ErrThrottled = errors.New("throttled")
	// ErrUnauthorized: the credentials were refused: status 401, or 403 without a code of Factory's own. A 403 with one (DLF.…) is a refusal of this one call.
	ErrUnauthorized = errors.New("unauthorized")
	// ErrUnsupported: the endpoint does not have this API, as in regions without V2.
	ErrUnsupported = errors.New("not supported by this endpoint")
	// ErrUnknownOutcome: a write was sent and its answer lost. It may have been applied or not, or may yet be; the
	// caller has to look.
	ErrUnknownOutcome = errors.New("unknown whether it was applied")
)

// CodeNoWorkspace is the answer to a workspace id that does not exist (error table; the examples spell it DLF.20819). See [IsCode].
const CodeNoWorkspace = "DLF.0819"

// Error is a call that failed.
//
// It is also context.DeadlineExceeded or context.Canceled, for errors.Is, when the caller's context kept the call from going
// on, and says nothing about the asset then. So is a call that gave up because a pause before its next attempt would have
// lasted past the context's deadline, while the context itself has not ended yet. The time limits of single attempts are
// neither. A write may be ErrUnknownOutcome besides.
type Error struct {
	Operation  string // what was being done: "create job", "list scripts"
	Asset      string // the asset's name, a resource's with its directory; empty for listings and environment variables
	StatusCode int    // HTTP status of the last answer, 0 if none came
	Code       string // the service's code, e.g. "DLF.0100", or the gateway's, e.g. "APIG.0301"; may be empty
	Message    string // the service's own words, or the shortened text of a body that is not JSON
	RequestID  string // X-Request-Id of the answer, for the support
	Attempts   int    // how often the call was sent
	Err        error  // what went wrong where it was not the service's answer: network, context, malformed body

	unknown   bool // a write that may have been applied
	transient bool // the kind of failure that may pass while the call has time left
}

// Error names the operation, the asset, the code, the status and the request id.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Operation)
	if e.Asset != "" {
		fmt.Fprintf(&b, " %q", e.Asset)
	}
	for _, part := range []string{e.Code, e.Message} {
		if part != "" {
			b.WriteString(": " + part)
		}
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	var notes []string
	if e.StatusCode != 0 {
		notes = append(notes, strings.TrimSpace(fmt.Sprintf("status %d %s", e.StatusCode, http.StatusText(e.StatusCode))))
	}
	if e.RequestID != "" {
		notes = append(notes, "request id "+e.RequestID)
	}
	if e.Attempts > 1 {
		notes = append(notes, fmt.Sprintf("%d attempts", e.Attempts))
	}
	if e.unknown {
		notes = append(notes, ErrUnknownOutcome.Error())
	}
	if len(notes) > 0 {
		b.WriteString(" (" + strings.Join(notes, ", ") + ")")
	}
	return b.String()
}

// Unwrap returns what went wrong below, if it was not the service's answer.
func (e *Error) Unwrap() error { return e.Err }

// interrupt adds why the call could not go on. It keeps what the last attempt said.
func (e *Error) interrupt(reason error) {
	e.transient = false
	if e.Err == nil {
		e.Err = reason
		return
	}
	for _, end := range []error{context.DeadlineExceeded, context.Canceled} {
		if errors.Is(reason, end) && errors.Is(e.Err, end) {
			return // An attempt that the context broke off says so itself.
		}
	}
	e.Err = fmt.Errorf("%w; %w", e.Err, reason)
}

// Is says whether the error is one of the sentinels of this package.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return e.hasCode("DLF.0100", "DLF.6201", "DLF.6241")
	case ErrExists:
		return e.hasCode("DLF.0102", "DLF.0202", "DLF.6259")
	case ErrThrottled:
		return e.StatusCode == http.StatusTooManyRequests || e.hasCode("APIG.0308")
	case ErrUnauthorized:
		return e.StatusCode == http.StatusUnauthorized || e.StatusCode == http.StatusForbidden && !strings.HasPrefix(e.Code, "DLF.")
	case ErrUnknownOutcome:
		return e.unknown
	}
	return false
}

func (e *Error) hasCode(codes ...string) bool { return slices.Contains(codes, canonicalCode(e.Code)) }

// IsCode says whether err is an answer of the service with this code.
func IsCode(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && e.Code != "" && canonicalCode(e.Code) == canonicalCode(code)
}

// canonicalCode brings the spellings of a code to one: the error table has DLF.0810 and DLF.0819 where the examples of the
// same pages answer DLF.20810 and DLF.20819, and the gateway is APIG in newer regions and APIGW in older ones.
func canonicalCode(code string) string {
	if number, ok := strings.CutPrefix(code, "APIGW."); ok {
		return "APIG." + number
	}
	if digits, ok := strings.CutPrefix(code, "DLF.2"); ok && len(digits) == 4 {
		return "DLF." + digits
	}
	return code
}
