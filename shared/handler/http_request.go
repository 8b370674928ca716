package handler

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/dataarts-backup/dataarts-backup/shared/event"
)

// What a request may have at most, in bytes. Gateways have limits of their own, which are no smaller for a path and a query that this API knows.
const (
	maxPath       = 2 << 10
	maxQuery      = 16 << 10
	maxParameters = 200
	normalBody    = 1 << 20
)

// admissible checks what holds for every request, whatever it asks for: where it comes from, how large it is, and that it is text.
func admissible(r event.Request) error {
	if err := sameSite(r); err != nil {
		return err
	}
	if n := len(r.Path); n > maxPath {
		return &httpError{status: http.StatusRequestURITooLong, code: codeTooLarge, message: fmt.Sprintf("the path has %d bytes, at most %d are allowed", n, maxPath)}
	}
	size, count := 0, 0
	text := utf8.ValidString(r.Path)
	for name, values := range r.Query {
		text = text && utf8.ValidString(name)
		for _, value := range values {
			text = text && utf8.ValidString(value)
			size += len(name) + len(value) + 2
			count++
		}
	}
	if size > maxQuery || count > maxParameters {
		return &httpError{status: http.StatusRequestURITooLong, code: codeTooLarge,
			message: fmt.Sprintf("the query has %d parameters with %d bytes, at most %d with %d are allowed", count, size, maxParameters, maxQuery)}
	}
	switch {
	case r.Malformed != nil:
		return invalid("%v", r.Malformed)
	case !text:
		return invalid("the path or the query is no UTF-8 text")
	case !utf8.Valid(r.Body):
		return invalid("the body is no UTF-8 text")
	}
	return nil
}

// fitting checks the size of a body against the most that a route takes; 0 is the usual.
func fitting(size, most int) error {
	if most = cmp.Or(most, normalBody); size > most {
		return &httpError{status: http.StatusRequestEntityTooLarge, code: codeTooLarge, message: fmt.Sprintf("the body has %d bytes, at most %d are allowed", size, most)}
	}
	return nil
}

// sameSite refuses what would change something and comes, as the browser that sends it says, from the page of another site: the gateway would take the
// browser's credentials for the user's consent. No GET changes anything. What sends neither header, such as a script, sends no credentials but its own.
//
// Sec-Fetch-Site decides in every browser since 2023, whatever gateways make of the Host. An older one only tells the Origin, which is compared with the Host;
// behind a gateway that changes the Host its requests are refused. X-Forwarded-Host does not help there: a gateway that answers preflight requests
// for everybody lets any page set it.
func sameSite(r event.Request) error {
	request := &http.Request{Method: r.Method, Host: r.Header.Get("Host"), Header: http.Header{}}
	for _, name := range []string{"Sec-Fetch-Site", "Origin"} {
		if values := r.Header.Values(name); len(values) > 0 {
			request.Header.Set(name, strings.Join(values, ", ")) // several are none that is allowed
		}
	}
	if err := http.NewCrossOriginProtection().Check(request); err != nil {
		return &httpError{status: http.StatusForbidden, code: codeForbidden, message: fmt.Sprintf(
			"%s %s: the browser says that a page of another site sent this (%v); nothing was changed", r.Method, r.Path, err)}
	}
	return nil
}
