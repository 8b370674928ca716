package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// response is the answer to a gateway. APIG needs all four plain fields, headers as a map of strings and body as a string,
// and answers 500 itself when one is missing (FunctionGraph user guide, "Using an APIG Trigger"); API Gateway takes the same.
type response struct {
	IsBase64Encoded bool              `json:"isBase64Encoded"`
	StatusCode      int               `json:"statusCode"`
	Headers         map[string]string `json:"headers"`
	// MultiValueHeaders is known to API Gateway in format 1.0 only, and Cookies in format 2.0 only.
	MultiValueHeaders map[string][]string `json:"multiValueHeaders,omitempty"`
	Cookies           []string            `json:"cookies,omitempty"`
	Body              string              `json:"body"`
}

// Encode returns the response in the form that the request's gateway understands; for a Request without Source that of
// APIG, which all of them understand. The body may be anything: what is not UTF-8 text is sent as base64.
//
// Several values of one header are joined with ", ", except Set-Cookie, which no client reads when joined: APIG has no
// place for a second one, and Encode says so.
func (r Request) Encode(status int, header http.Header, body []byte) ([]byte, error) {
	if status < 100 || status > 599 {
		return nil, fmt.Errorf("encode response: status %d, want one from 100 to 599", status)
	}
	answer := response{StatusCode: status, Headers: map[string]string{}}
	for name, list := range header {
		joined := strings.Join(list, ", ")
		if !utf8.ValidString(name) || !utf8.ValidString(joined) {
			return nil, fmt.Errorf("encode response: header %q is not UTF-8 text", name)
		}
		cookies := http.CanonicalHeaderKey(name) == "Set-Cookie"
		switch {
		case len(list) == 0:
		case cookies && (r.Source == APIGatewayV2 || r.Source == FunctionURL):
			answer.Cookies = append(answer.Cookies, list...)
		case len(list) > 1 && r.Source == APIGatewayV1:
			if answer.MultiValueHeaders == nil {
				answer.MultiValueHeaders = map[string][]string{}
			}
			answer.MultiValueHeaders[name] = list
		case len(list) > 1 && cookies:
			return nil, fmt.Errorf("encode response: %d Set-Cookie headers, want at most one for an %s", len(list), r.Trigger())
		default:
			answer.Headers[name] = joined
		}
	}
	if utf8.Valid(body) {
		answer.Body = string(body)
	} else {
		answer.IsBase64Encoded, answer.Body = true, base64.StdEncoding.EncodeToString(body)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // A page is half as long again with every < as \u003c, and the response is limited to 6 MB.
	if err := encoder.Encode(answer); err != nil {
		return nil, fmt.Errorf("encode response: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
