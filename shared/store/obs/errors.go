package obs

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	sdk "github.com/huaweicloud/huaweicloud-sdk-go-obs/obs"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Error is a call that failed for good. errors.Is finds store's errors, the context's error and io.ErrUnexpectedEOF in it.
type Error struct {
	Operation string // "put object"
	Bucket    string
	Key       string // or prefix; empty for a call about the bucket
	Status    int    // HTTP status of the last answer; 0 if there was none
	Code      string // the service's error code; empty where it sends none, as to HEAD requests
	RequestID string // what the provider's support asks for
	Attempts  int    // how often the request was sent

	text  string
	cause error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Operation + " " + e.Bucket)
	if e.Key != "" {
		b.WriteString("/" + e.Key)
	}
	b.WriteString(": " + e.text)
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " (after %d attempts)", e.Attempts)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.cause }

// Causes of failures that this package itself finds.
var (
	errStalled = errors.New("the store stopped sending")
	errNoOrder = errors.New("the store does not list in order, so the listing may lack objects")
)

// attemptTimeout is the end of one attempt. It is deliberately no context.DeadlineExceeded: the caller's context goes on.
type attemptTimeout struct{ after time.Duration }

func (e attemptTimeout) Error() string { return "no answer within " + e.after.String() }

// op names a call in errors.
type op struct{ name, bucket, key string }

// fail makes the error of a call from what the SDK or the network said last.
func (c *Client) fail(o op, attempts int, err error) *Error {
	if done, ok := errors.AsType[*Error](err); ok {
		return done
	}
	e := &Error{Operation: o.name, Bucket: o.bucket, Key: o.key, Attempts: attempts, cause: err, text: err.Error()}
	if answer, ok := serviceError(err); ok {
		e.Status, e.Code, e.RequestID = answer.StatusCode, answer.Code, answer.RequestId
		e.text = strings.TrimSpace(strconv.Itoa(answer.StatusCode) + " " + answer.Code)
		if answer.Code == "" {
			e.text += " " + http.StatusText(answer.StatusCode)
		}
		if answer.Message != "" {
			e.text += ": " + answer.Message
		}
		if answer.Indicator != "" {
			e.text += " [" + answer.Indicator + "]"
		}
		if answer.RequestId != "" {
			e.text += ", request id " + answer.RequestId
		}
		e.cause = nil
		switch {
		case isNotExist(answer):
			e.cause = store.ErrNotExist
		case answer.StatusCode == http.StatusPreconditionFailed:
			e.cause = store.ErrPrecondition
		}
		if e.cause != nil {
			e.text = e.cause.Error() + ": " + e.text
		}
	}
	e.text = c.redact(e.text)
	return e
}

// redact takes the keys out of a text: services repeat what they were sent in their messages. Real keys are long; of short ones, as
// only tests have, the letters would be taken out of every word.
func (c *Client) redact(text string) string {
	for _, secret := range []string{c.opts.SecretKey, c.opts.SecurityToken, c.opts.AccessKey} {
		if len(secret) >= 6 {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

// serviceError finds the service's own answer in an error. The SDK returns it by value.
func serviceError(err error) (sdk.ObsError, bool) {
	return errors.AsType[sdk.ObsError](err)
}

// isNotExist is strict: the word of the service is needed, because a wrong endpoint or a gateway answers 404 to everything, and
// to believe that would turn a fault into "there is nothing to back up".
func isNotExist(answer sdk.ObsError) bool {
	if answer.StatusCode != http.StatusNotFound {
		return false
	}
	switch answer.Code {
	case "NoSuchKey", "NoSuchBucket", "NoSuchVersion":
		return true
	}
	return false
}

// verdict is what is to be done about a failed attempt.
type verdict int

const (
	giveUp verdict = iota
	tryAgain
	signAnew // for another region, at once
)

func (c *Client) judge(err error) verdict {
	answer, ok := serviceError(err)
	if !ok {
		if _, ok := errors.AsType[*Error](err); ok {
			return giveUp
		}
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			return giveUp
		}
		if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
			return giveUp
		}
		if _, ok := errors.AsType[attemptTimeout](err); ok {
			return tryAgain
		}
		if _, ok := errors.AsType[*invalid](err); ok {
			return giveUp
		}
		return tryAgain // the connection, or an answer that breaks off or is no answer of the service
	}
	switch answer.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests:
		return tryAgain
	case http.StatusNotImplemented:
		return giveUp
	case http.StatusBadRequest:
		// S3 answers so when the body did not arrive in time.
		if answer.Code == "RequestTimeout" {
			return tryAgain
		}
		if answer.Code == "AuthorizationHeaderMalformed" && c.learnRegion(answer.Message) {
			return signAnew
		}
	case http.StatusConflict:
		if answer.Code == "OperationAborted" || answer.Code == "ConditionalRequestConflict" {
			return tryAgain
		}
	}
	// A copy may answer 200, begin to work, and send its error in the body.
	if answer.StatusCode >= 500 || answer.StatusCode < 300 {
		return tryAgain
	}
	return giveUp
}

// retryAfter is the pause that the service asked for.
func (c *Client) retryAfter(err error) time.Duration {
	answer, ok := serviceError(err)
	if !ok {
		return 0
	}
	text := header(answer.ResponseHeaders, "retry-after")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(c.opts.Now())
	}
	return 0
}

// header finds a header of an answer: the SDK keeps names in lower case and without x-obs- and x-amz-.
func header(headers map[string][]string, name string) string {
	if v := headers[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}
