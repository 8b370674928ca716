package objectstore

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

// backendCall sends a request to the backend, path-style, and keeps its answer.
func (s *Server) backendCall(call Call, method, rawQuery string, header http.Header, body []byte) *reply {
	ctx := context.Background()
	if call.Request != nil {
		ctx = call.Request.Context()
	}
	path := "/" + call.Bucket
	if call.Key != "" {
		path += "/" + call.Key
	}
	if header == nil {
		header = http.Header{}
	}
	r := (&http.Request{
		Method: method, URL: &url.URL{Scheme: "http", Host: "backend.invalid", Path: path, RawQuery: rawQuery}, Host: "backend.invalid",
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header.Clone(),
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}).WithContext(ctx)
	if method == http.MethodPut || method == http.MethodPost {
		r.Header.Set("Content-Length", strconv.Itoa(len(body))) // gofakes3 reads the header
	}
	w := &recorder{header: http.Header{}}
	s.backend.ServeHTTP(w, r)
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if w.body.Len() > 0 && w.header.Get("Content-Type") == "" {
		w.header.Set("Content-Type", "application/xml")
	}
	return &reply{call: call, status: w.status, header: w.header, body: w.body.Bytes()}
}

// recorder keeps an answer.
type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}

// Upstream is another S3 server as a backend: requests are signed anew for it.
type Upstream struct {
	URL         *url.URL // scheme and host
	Transport   http.RoundTripper
	Credentials iam.Credentials
	Region      string
	Now         func() time.Time // nil: time.Now
}

// ServeHTTP passes a request on.
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now
	if u.Now != nil {
		now = u.Now
	}
	out := r.Clone(r.Context())
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host, out.Host = u.URL.Scheme, u.URL.Host, u.URL.Host
	// The path's encoding is part of what is signed, so it is chosen here and not by net/url.
	out.URL.RawPath = iam.EscapePath(out.URL.Path)
	out.URL.RawQuery = strings.ReplaceAll(out.URL.RawQuery, "+", "%20")
	if out.ContentLength == 0 {
		out.Body = http.NoBody
	}
	if err := iam.SignV4(out, u.Credentials, u.Region, now()); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := u.Transport.RoundTrip(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	for name, values := range answer.Header {
		if name != "Connection" && name != "Transfer-Encoding" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(answer.StatusCode)
	if _, err := io.Copy(w, answer.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
}
