package event

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// gatewayV1 reads a request of APIG, of an API Gateway REST API, or of an HTTP API in payload format 1.0. They share their
// fields, and differ in what their response needs.
func gatewayV1(payload []byte, fields, context map[string]json.RawMessage) (Event, error) {
	source := APIG
	// APIG has none of these (FunctionGraph user guide, "Using an APIG Trigger").
	if has(fields, "resource") || has(fields, "multiValueHeaders") || has(context, "identity") || has(context, "resourceId") {
		source = APIGatewayV1
	}
	var e struct {
		Version         string            `json:"version"`
		Method          string            `json:"httpMethod"`
		Path            string            `json:"path"`
		Header          map[string]values `json:"headers"`
		MultiHeader     map[string]values `json:"multiValueHeaders"`
		Query           map[string]values `json:"queryStringParameters"`
		MultiQuery      map[string]values `json:"multiValueQueryStringParameters"`
		Body            *string           `json:"body"`
		IsBase64Encoded *bool             `json:"isBase64Encoded"`
		RequestContext  struct {
			Stage string `json:"stage"`
		} `json:"requestContext"`
	}
	if err := decode(payload, source, &e); err != nil {
		return nil, err
	}
	if e.Version == "1.0" {
		// An HTTP API puts its stage before the path in this format; a REST API does not.
		e.Path = withoutStage(e.Path, e.RequestContext.Stage)
	}
	r := Request{Source: source, Method: e.Method, Path: decodePath(e.Path), Query: url.Values{}, Header: http.Header{}}
	// Where both maps have a name, the one with lists has every value and the other the last.
	for name, list := range e.Query {
		r.Query[name] = list
	}
	for name, list := range e.MultiQuery {
		r.Query[name] = list
	}
	addHeaders(r.Header, e.MultiHeader)
	for name := range e.Header {
		if _, repeated := e.MultiHeader[name]; repeated {
			delete(e.Header, name)
		}
	}
	addHeaders(r.Header, e.Header)
	encoded := e.IsBase64Encoded != nil && *e.IsBase64Encoded
	if e.IsBase64Encoded == nil && source == APIG && e.Body != nil {
		// APIG encodes unless told otherwise, so without the field it is base64 if it can be. No JSON object can.
		_, err := base64.StdEncoding.DecodeString(*e.Body)
		encoded = err == nil
	}
	return r.finish(e.Body, encoded)
}

// gatewayV2 reads a request of an API Gateway HTTP API in payload format 2.0 or of a Lambda function URL, which has the
// same format (API Gateway developer guide, "Working with AWS Lambda proxy integrations for HTTP APIs").
func gatewayV2(payload []byte) (Event, error) {
	var e struct {
		RawPath         string            `json:"rawPath"`
		RawQuery        string            `json:"rawQueryString"`
		Cookies         []string          `json:"cookies"`
		Header          map[string]values `json:"headers"`
		Body            *string           `json:"body"`
		IsBase64Encoded bool              `json:"isBase64Encoded"`
		RequestContext  struct {
			Stage      string `json:"stage"`
			DomainName string `json:"domainName"`
			HTTP       struct {
				Method string `json:"method"`
				Path   string `json:"path"`
			} `json:"http"`
		} `json:"requestContext"`
	}
	if err := decode(payload, APIGatewayV2, &e); err != nil {
		return nil, err
	}
	source := APIGatewayV2
	if strings.Contains(e.RequestContext.DomainName, ".lambda-url.") {
		source = FunctionURL
	}
	path := e.RawPath
	if path == "" {
		path = e.RequestContext.HTTP.Path
	}
	r := Request{
		Source: source, Method: e.RequestContext.HTTP.Method,
		Path:   decodePath(withoutStage(path, e.RequestContext.Stage)),
		Header: http.Header{},
	}
	// What ParseQuery could read it returns, error or not. A gateway lets malformed pairs pass, and the missing parameter is
	// a better answer to the client than a failed function.
	r.Query, _ = url.ParseQuery(e.RawQuery)
	addHeaders(r.Header, e.Header)
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	return r.finish(e.Body, e.IsBase64Encoded)
}

// addHeaders adds headers under their canonical names, always in the same order.
func addHeaders(to http.Header, from map[string]values) {
	for _, name := range slices.Sorted(maps.Keys(from)) {
		for _, value := range from[name] {
			to.Add(name, value)
		}
	}
}

// finish adds the body and checks that the request is one.
func (r Request) finish(body *string, encoded bool) (Event, error) {
	if r.Method == "" {
		return nil, fmt.Errorf("%s: the method is empty, want one like GET", r.Source)
	}
	if body == nil || *body == "" {
		return r, nil
	}
	if !encoded {
		r.Body = []byte(*body)
		return r, nil
	}
	decoded, err := base64.StdEncoding.DecodeString(*body)
	if err != nil {
		decoded, err = base64.RawStdEncoding.DecodeString(*body)
	}
	if err != nil {
		r.Malformed = fmt.Errorf("%s: field body is not base64 although isBase64Encoded is true: %w", r.Source, err)
		return r, nil
	}
	r.Body = decoded
	return r, nil
}

// withoutStage removes the stage that a gateway puts before the path. The stage $default is not put there.
func withoutStage(path, stage string) string {
	rest, found := strings.CutPrefix(path, "/"+stage)
	if stage == "" || stage == "$default" || !found || rest != "" && rest[0] != '/' {
		return path
	}
	return rest
}

// decodePath decodes a path. Gateways differ in whether they have done it already, so one that cannot be decoded is taken
// as it is. (The names in our own paths need no encoding.)
func decodePath(path string) string {
	if decoded, err := url.PathUnescape(path); err == nil {
		path = decoded
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return path
}

// values is the value of a header or parameter, or a list of them. APIG sends a list where others have a map of their own.
type values []string

func (v *values) UnmarshalJSON(data []byte) error {
	var one *string
	if json.Unmarshal(data, &one) == nil {
		if one != nil {
			*v = values{*one}
		}
		return nil
	}
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return errors.New("a header or query parameter is neither a string nor a list of strings")
	}
	*v = list
	return nil
}
