package obs

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// NewTransport is an HTTP transport fit for an object store: TLS is verified, bodies are not decompressed on the way (they would no
// longer be what was stored), idle connections are dropped before the service does it, and there are enough of them.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   128,
		DisableCompression:    true,
	}
}

// wire stands between the SDK and the network and mends what the SDK gets wrong about a request.
type wire struct {
	client *Client
	next   http.RoundTripper
}

// RoundTrip sends one request. The SDK swallows a panic below itself and then trips over the missing answer, so a panic becomes
// an error here.
func (w *wire) RoundTrip(r *http.Request) (response *http.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			response, err = nil, fmt.Errorf("transport panicked: %v", p)
		}
	}()
	r = r.Clone(r.Context())
	// The SDK writes a space in a query as "+". Servers decode that, but those that check Signature Version 4 sign "%20".
	r.URL.RawQuery = strings.ReplaceAll(r.URL.RawQuery, "+", "%20")
	// It also always writes the port, which some proxies take away again, and then a signed host no longer matches.
	r.Host = cutDefaultPort(r.URL.Scheme, r.URL.Host)
	if w.client.endpoint.dialect == S3 {
		w.client.sign(r)
	}
	return w.next.RoundTrip(r)
}

func cutDefaultPort(scheme, host string) string {
	switch scheme {
	case "https":
		return strings.TrimSuffix(host, ":443")
	case "http":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}
