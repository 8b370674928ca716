package functiongraph

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// gatewayTimeout is the longest time that API Gateway waits for a backend (documented: 1 to 60000 ms; it waits 5 s unless told).
const gatewayTimeout = 60 * time.Second

// APIGOptions configure a route of API Gateway to a function. Useful zero values.
type APIGOptions struct {
	// Authorize decides whether a request may pass. Authentication is the gateway's job, never the function's: a route without
	// one has the authentication type NONE. A request that is refused gets 401 and never reaches the function.
	Authorize func(*http.Request) error
	Timeout   time.Duration // when the gateway hangs up, while the function goes on; 60 s
	Stage     string        // RELEASE
	PlainBody bool          // sends bodies as text; a gateway sends base64 unless told otherwise
}

// APIG is the function behind API Gateway: the handler makes each request an APIG event, invokes the function synchronously and
// makes its answer the response. An answer without any of the four fields isBase64Encoded, statusCode, headers and body is a 500,
// like everything that goes wrong in the function; a function that takes too long is a 504.
func (d *Deployment) APIG(opts APIGOptions) http.Handler {
	if opts.Timeout == 0 {
		opts.Timeout = gatewayTimeout
	}
	if opts.Stage == "" {
		opts.Stage = "RELEASE"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requestID := strings.ReplaceAll(d.service.opts.NewRequestID(), "-", "")
		w.Header().Set("X-Request-Id", requestID)
		fail := func(status int, code, message string) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write(encode(map[string]string{"error_code": code, "error_msg": message, "request_id": requestID}))
		}
		if opts.Authorize != nil {
			if err := opts.Authorize(r); err != nil {
				fail(http.StatusUnauthorized, "APIG.0301", "Incorrect authentication information: "+err.Error())
				return
			}
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			fail(http.StatusRequestEntityTooLarge, "APIG.0201", "Request entity too large")
			return
		} else if err != nil {
			fail(http.StatusBadRequest, "APIG.0201", "Bad request")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), opts.Timeout)
		defer cancel()
		result, err := d.Invoke(ctx, apigEvent(r, body, requestID, opts))
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			fail(http.StatusGatewayTimeout, "APIG.0201", "Backend timeout.")
		case errors.Is(err, ErrRequestTooLarge):
			fail(http.StatusRequestEntityTooLarge, "APIG.0201", "Request entity too large")
		case err != nil:
			fail(http.StatusServiceUnavailable, "APIG.0201", "Backend unavailable")
		case result.FunctionError != nil:
			fail(http.StatusInternalServerError, "FSS.1202", "The function failed: "+result.FunctionError.Type)
		default:
			answer, err := decodeAnswer(result.Payload)
			if err != nil {
				fail(http.StatusInternalServerError, "FSS.1202", "Invalid function response: "+err.Error())
				return
			}
			for name, value := range answer.headers {
				w.Header().Set(name, value)
			}
			w.WriteHeader(answer.status)
			_, _ = w.Write(answer.body) // The client may have gone.
		}
	})
}

// apigEvent is a request as API Gateway passes it to a function. Of a query parameter that comes several times the first is
// passed: what the gateway does then is not documented.
func apigEvent(r *http.Request, body []byte, requestID string, opts APIGOptions) []byte {
	clientIP, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		clientIP = r.RemoteAddr
	}
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		port = "80"
	}
	headers := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		headers[strings.ToLower(name)] = strings.Join(r.Header[name], ",")
	}
	maps.Copy(headers, map[string]string{
		"host":              r.Host,
		"x-request-id":      requestID,
		"x-real-ip":         clientIP,
		"x-forwarded-for":   clientIP,
		"x-forwarded-host":  r.Host,
		"x-forwarded-port":  port,
		"x-forwarded-proto": "http",
	})
	query := map[string]string{}
	for name, values := range r.URL.Query() {
		query[name] = values[0]
	}
	text := base64.StdEncoding.EncodeToString(body)
	if opts.PlainBody {
		text = string(body)
	}
	return encode(map[string]any{
		"body":                  text,
		"isBase64Encoded":       !opts.PlainBody,
		"httpMethod":            r.Method,
		"path":                  r.URL.Path,
		"pathParameters":        map[string]string{},
		"queryStringParameters": query,
		"headers":               headers,
		"requestContext": map[string]string{
			"apiId":     "00000000000000000000000000000001",
			"requestId": requestID,
			"stage":     opts.Stage,
			"sourceIp":  clientIP,
		},
	})
}

// apigAnswer is what a function answers to API Gateway.
type apigAnswer struct {
	status  int
	headers map[string]string
	body    []byte
}

// decodeAnswer reads the answer, in which all four fields are needed.
func decodeAnswer(payload []byte) (apigAnswer, error) {
	var fields struct {
		IsBase64Encoded *bool              `json:"isBase64Encoded"`
		StatusCode      *int               `json:"statusCode"`
		Headers         *map[string]string `json:"headers"`
		Body            *string            `json:"body"`
	}
	if err := json.Unmarshal(payload, &fields); err != nil {
		return apigAnswer{}, fmt.Errorf("not the JSON that is expected: %w", err)
	}
	var missing []string
	for name, absent := range map[string]bool{
		"isBase64Encoded": fields.IsBase64Encoded == nil,
		"statusCode":      fields.StatusCode == nil,
		"headers":         fields.Headers == nil,
		"body":            fields.Body == nil,
	} {
		if absent {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return apigAnswer{}, fmt.Errorf("it lacks %s", strings.Join(missing, ", "))
	}
	if *fields.StatusCode < 200 || *fields.StatusCode > 599 {
		return apigAnswer{}, fmt.Errorf("statusCode is %d", *fields.StatusCode)
	}
	answer := apigAnswer{status: *fields.StatusCode, headers: *fields.Headers, body: []byte(*fields.Body)}
	if *fields.IsBase64Encoded {
		body, err := base64.StdEncoding.DecodeString(*fields.Body)
		if err != nil {
			return apigAnswer{}, fmt.Errorf("body is not base64: %w", err)
		}
		answer.body = body
	}
	return answer, nil
}
