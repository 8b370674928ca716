// Package signing signs requests with an access key pair and, for the small calls of control APIs, sends them: to Huawei Cloud's API gateways
// (SDK-HMAC-SHA256, "API Request Signing Guide") and, for a function that runs on Lambda, to AWS (Signature Version 4, see [V4]).
//
// What it guarantees: what is signed is what goes on the wire, path escaping included; a part of a path that would reach another
// address is refused; and what a service answers is told without the keys, which a gateway quotes when a signature is wrong.
package signing

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/signer"
	sdkrequest "github.com/huaweicloud/huaweicloud-sdk-go-v3/core/request"
)

// Headers that every signed request carries.
const (
	headerProject       = "X-Project-Id"     // without it, AK/SK signed calls of DataArts answer "Workspace does not exists" (FAQ)
	headerSecurityToken = "X-Security-Token" // with temporary keys
)

// Credentials are an access key pair; temporary ones come with a security token.
type Credentials struct {
	AccessKey, SecretKey, SecurityToken string
}

// Redact replaces the keys, the access key's id among them, in a text that came from outside. Real ids are long; one of fewer than six characters stays,
// because its letters would be taken out of every word.
func (c Credentials) Redact(text string) string {
	keys := []string{c.SecurityToken, c.SecretKey}
	if len(c.AccessKey) >= 6 {
		keys = append(keys, c.AccessKey)
	}
	for _, key := range keys {
		if key != "" {
			text = strings.ReplaceAll(text, key, "***")
		}
	}
	return text
}

// Request is a request that is to be signed.
type Request struct {
	Base   *url.URL // scheme, host and the folder that the API lies in; see ParseEndpoint
	Method string
	Path   []string // segments below Base, unescaped
	// KeepColons leaves the colons of a path as they are, as the SDK does with URNs, instead of escaping them. The signature is the same.
	KeepColons  bool
	Query       url.Values // one value each
	Header      map[string]string
	ContentType string
	Body        []byte
	ProjectID   string
	UserAgent   string // not signed
}

// Sign makes the HTTP request as Huawei Cloud's gateways take it. It signs with the SDK's signer and leaves the sending to net/http.
func (r Request) Sign(keys Credentials, now time.Time) (*http.Request, error) {
	request, err := r.unsigned()
	if err != nil {
		return nil, err
	}
	build := sdkrequest.NewHttpRequestBuilder().
		WithEndpoint(r.Base.Scheme+"://"+r.Base.Host).WithMethod(r.Method).WithPath(request.URL.Path).
		AddHeaderParam(signer.HeaderXDate, now.UTC().Format(signer.BasicDateFormat)).
		AddHeaderParam(headerProject, r.ProjectID).
		AddHeaderParam("Content-Type", r.ContentType)
	if keys.SecurityToken != "" {
		build.AddHeaderParam(headerSecurityToken, keys.SecurityToken)
	}
	for name, value := range r.Header {
		build.AddHeaderParam(name, value)
	}
	for name, values := range r.Query {
		build.AddQueryParam(name, reflect.ValueOf(values[0]))
	}
	if r.Body != nil {
		build.WithBody("", string(r.Body))
	}
	signed := build.Build()
	added, err := signer.Sign(signed, keys.AccessKey, keys.SecretKey)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	for name, value := range signed.GetHeaderParams() {
		request.Header.Set(name, value)
	}
	for name, value := range added {
		request.Header.Set(name, value)
	}
	request.Header.Set("User-Agent", r.UserAgent)
	return request, nil
}

// unsigned is the HTTP request without any header.
func (r Request) unsigned() (*http.Request, error) {
	path, escaped := r.Base.Path, escapePath(r.Base.Path)
	for _, segment := range r.Path {
		if segment == "" || segment == "." || segment == ".." || strings.Contains(segment, "/") {
			// Dots are a step in the path wherever it is cleaned on the way, and would reach another address. An escaped
			// slash has no defined signature: the signer takes it for two segments. No name may legally hold a slash.
			return nil, fmt.Errorf("%q cannot be a part of an address of the API", segment)
		}
		text := escapeSegment(segment)
		if r.KeepColons {
			text = strings.ReplaceAll(text, "%3A", ":")
		}
		path += "/" + segment
		escaped += "/" + text
	}
	address := &url.URL{
		Scheme: r.Base.Scheme, Host: r.Base.Host, Path: path, RawPath: escaped,
		RawQuery: strings.ReplaceAll(r.Query.Encode(), "+", "%20"),
	}
	request := &http.Request{
		Method: r.Method, URL: address, Host: address.Host, Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if r.Body != nil {
		request.ContentLength = int64(len(r.Body))
		request.Body = io.NopCloser(bytes.NewReader(r.Body))
		// net/http may send again by itself, but only what has not left this machine yet.
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.Body)), nil }
	}
	return request, nil
}

// ParseEndpoint reads a base URL; without a scheme it is https. A folder in it is kept: the service may sit behind a proxy.
func ParseEndpoint(text string) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("is missing")
	}
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	base, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	if (base.Scheme != "https" && base.Scheme != "http") || base.Host == "" ||
		base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("%q: want a base URL like https://host", base.Redacted())
	}
	base.Path = strings.TrimRight(base.Path, "/")
	base.RawPath = ""
	return base, nil
}

// escapePath escapes each segment of a path.
func escapePath(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = escapeSegment(segment)
	}
	return strings.Join(segments, "/")
}

// escapeSegment escapes all but the unreserved characters of RFC 3986, as the signature does. url.PathEscape leaves more.
func escapeSegment(segment string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(segment) {
		c := segment[i]
		if 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}
