package runtime

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Error types that this package puts into an error body by itself. They are those of FunctionGraph's own Go runtime library.
const (
	typeReturned         = "FunctionReturnError"      // the handler returned an error
	typePanic            = "panic"                    // the handler panicked
	typeResponseTooLarge = "FunctionResponseTooLarge" // the answer is larger than the platform takes
	typeUnsuccessful     = "Unsuccessful"             // the handler returned *Unsuccessful without an answer
	typeRequestBroken    = "RuntimeRequestError"      // the event could not be read whole
)

// Unsuccessful is the error of an invocation that did not do what was asked, and would not if it were tried again: a refusal, or
// a result with failures in it that the answer lists.
type Unsuccessful struct {
	Reason string
}

func (u *Unsuccessful) Error() string { return u.Reason }

// Failure is the body of a failed invocation, in the shape that both platforms use and, on standard input, print. A handler that
// returns an error which is or wraps *Failure decides the type that operators see; any other error has the type
// "FunctionReturnError".
type Failure struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

func (f *Failure) Error() string { return f.Message }

// failureOf is the error body for err. The message is that of err itself, which knows more than the Failure it may wrap.
func failureOf(err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok && f.Type != "" {
		return &Failure{Message: err.Error(), Type: f.Type}
	}
	if _, ok := errors.AsType[*Unsuccessful](err); ok {
		return &Failure{Message: err.Error(), Type: typeUnsuccessful}
	}
	return &Failure{Message: err.Error(), Type: typeReturned}
}

// encode is the failure as JSON.
func (f *Failure) encode() []byte {
	body, err := encode(f)
	if err != nil { // Two strings always have a JSON form.
		panic(err)
	}
	return body
}

// encode is the JSON of an answer: bytes as they are, everything else encoded. Texts keep their <, > and &, since people read them.
func encode(answer any) ([]byte, error) {
	switch a := answer.(type) {
	case []byte:
		if a != nil {
			return a, nil
		}
		answer = nil
	case json.RawMessage:
		if a != nil {
			return a, nil
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(answer); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// settle turns what a handler returned into what a platform is told: the body of a response, or a failure.
func settle(answer any, err error, maxBody int64) ([]byte, *Failure) {
	if err != nil {
		if _, ok := errors.AsType[*Unsuccessful](err); !ok {
			return nil, failureOf(err)
		}
		if isNil(answer) {
			answer = failureOf(err)
		}
	}
	body, encodeErr := encode(answer)
	if encodeErr != nil {
		return nil, failureOf(encodeErr)
	}
	if int64(len(body)) > maxBody {
		return nil, &Failure{
			Message: fmt.Sprintf("the answer has %d bytes, the platform takes %d", len(body), maxBody),
			Type:    typeResponseTooLarge,
		}
	}
	return body, nil
}

// isNil tells whether a handler gave no answer.
func isNil(answer any) bool {
	switch a := answer.(type) {
	case nil:
		return true
	case []byte:
		return a == nil
	case json.RawMessage:
		return a == nil
	}
	return false
}
