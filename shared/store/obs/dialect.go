package obs

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

// Protocol is how a service wants to be spoken to.
type Protocol int

// The protocols.
const (
	// OBS: "Authorization: OBS", HMAC-SHA1, x-obs- headers, the bucket in front of the host, TLS. Path style is refused by
	// OBS itself, which wants the bucket's own domain.
	OBS Protocol = iota + 1
	// S3: Signature Version 4, x-amz- headers.
	S3
)

func (d Protocol) String() string {
	switch d {
	case OBS:
		return "OBS"
	case S3:
		return "S3"
	}
	return fmt.Sprintf("Protocol(%d)", int(d))
}

// Dialect says which dialect the service at an endpoint speaks. The error names what is wrong with the endpoint.
//
// Hosts of Huawei Cloud (myhuaweicloud.com, myhuaweicloud.eu) and Open Telekom Cloud (otc.t-systems.com) speak OBS, all others S3.
func Dialect(endpointURL string) (Protocol, error) {
	e, err := parseEndpoint(endpointURL)
	return e.dialect, err
}

// endpoint is a checked base URL.
type endpoint struct {
	url       string // scheme and host only, as the SDK takes it
	dialect   Protocol
	pathStyle bool
	region    string // that an amazonaws.com host names
}

// obsDomains are the clouds whose object service is OBS. Their OBS hosts are obs.<region>.<domain>.
func obsDomains() []string {
	return []string{"myhuaweicloud.com", "myhuaweicloud.eu", "otc.t-systems.com"}
}

// awsHost finds the region in s3.<region>.amazonaws.com, s3-<region>.amazonaws.com and s3.dualstack.<region>.amazonaws.com.
var awsHost = regexp.MustCompile(`^s3[.-](?:fips[.-])?(?:dualstack\.)?([a-z]{2}[a-z0-9-]*-\d+)\.amazonaws\.com(?:\.cn)?$`)

func parseEndpoint(text string) (endpoint, error) {
	fail := func(format string, args ...any) (endpoint, error) {
		return endpoint{}, fmt.Errorf("endpoint %q: %s", hideUserinfo(text), fmt.Sprintf(format, args...))
	}
	if strings.TrimSpace(text) == "" {
		return endpoint{}, fmt.Errorf("endpoint is empty: want a base URL like https://obs.eu-de.otc.t-systems.com")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "":
		return fail("want a base URL that begins with https:// (or http:// for a local S3 server)")
	case u.Scheme != "https" && u.Scheme != "http":
		return fail("scheme %q: want https or http", u.Scheme)
	case u.User != nil:
		return fail("a base URL holds no user or password")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return fail("a base URL ends after the host; bucket and folder belong into the location")
	case strings.Contains(u.Hostname(), ":"):
		return fail("the OBS SDK cannot take an IPv6 address; use a host name")
	}
	host := strings.ToLower(u.Hostname())
	e := endpoint{dialect: S3, url: u.Scheme + "://" + strings.ToLower(u.Host)}
	for _, domain := range obsDomains() {
		if host != domain && !strings.HasSuffix(host, "."+domain) {
			continue
		}
		if i := strings.Index(host, ".obs."); i >= 0 {
			return fail("it begins with bucket %q; want %s://%s", host[:i], u.Scheme, host[i+1:])
		}
		if !strings.HasPrefix(host, "obs.") {
			return fail("not an OBS host of %s; want https://obs.<region>.%s", domain, domain)
		}
		if u.Scheme != "https" {
			return fail("OBS is only spoken to over TLS; want https://%s", u.Host)
		}
		e.dialect = OBS
		return e, nil
	}
	// A bucket's own host name resolves only where somebody made it so: public services do, servers on a machine or a port do not.
	e.pathStyle = net.ParseIP(host) != nil || host == "localhost" || u.Port() != ""
	if m := awsHost.FindStringSubmatch(host); m != nil {
		e.region = m[1]
	}
	return e, nil
}

// hideUserinfo keeps a password that somebody put into a URL out of the error that refuses it.
func hideUserinfo(text string) string {
	scheme, rest, ok := strings.Cut(text, "://")
	authority, _, _ := strings.Cut(rest, "/")
	if i := strings.LastIndex(authority, "@"); ok && i >= 0 {
		return scheme + "://…" + rest[i:]
	}
	return text
}
