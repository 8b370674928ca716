package objectstore

import (
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

// Call is a request as the service understands it.
type Call struct {
	Operation string // "PutObject", "GetObject", ... as the SDK's methods are called
	Bucket    string
	Key       string
	OBS       bool // spoken in OBS's dialect
	Request   *http.Request

	virtualHost bool
}

func (c Call) headerPrefix() string {
	if c.OBS {
		return "X-Obs-"
	}
	return "X-Amz-"
}

// parse finds out what a request is about, from its host, path, query and headers.
func parse(r *http.Request) Call {
	c := Call{Request: r, OBS: strings.HasPrefix(r.Header.Get("Authorization"), "OBS ")}
	path := strings.TrimPrefix(r.URL.Path, "/")
	if bucket := bucketOfHost(r.Host); bucket != "" {
		c.Bucket, c.Key, c.virtualHost = bucket, path, true
	} else {
		c.Bucket, c.Key, _ = strings.Cut(path, "/")
	}
	c.Operation = operation(c)
	return c
}

// bucketOfHost is what stands before the service's own name in a host: bucket.obs.eu-de.otc.t-systems.com, bucket.s3.amazonaws.com,
// bucket.localhost.
func bucketOfHost(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if net.ParseIP(host) != nil {
		return ""
	}
	for _, service := range []string{".obs.", ".s3.", ".s3-"} {
		if i := strings.LastIndex(host, service); i >= 0 {
			return host[:i]
		}
	}
	if bucket, ok := strings.CutSuffix(host, ".localhost"); ok {
		return bucket
	}
	return ""
}

// operation names what is asked; "" is something that this service does not know.
func operation(c Call) string {
	r, query := c.Request, c.Request.URL.Query()
	copying := r.Header.Get(c.headerPrefix()+"Copy-Source") != ""
	var sub []string
	for name := range query {
		switch name {
		case "prefix", "marker", "delimiter", "max-keys", "encoding-type", "list-type", "continuation-token", "start-after",
			"fetch-owner", "partNumber", "x-id", "max-parts", "part-number-marker":
		default:
			sub = append(sub, name)
		}
	}
	switch {
	case len(sub) == 1 && c.Key != "" && query.Has("uploads") && r.Method == http.MethodPost:
		return "InitiateMultipartUpload"
	case len(sub) == 1 && c.Key != "" && query.Has("uploadId"):
		switch {
		case r.Method == http.MethodPut && copying:
			return "CopyPart"
		case r.Method == http.MethodPut:
			return "UploadPart"
		case r.Method == http.MethodPost:
			return "CompleteMultipartUpload"
		case r.Method == http.MethodDelete:
			return "AbortMultipartUpload"
		case r.Method == http.MethodGet:
			return "ListParts"
		}
	case len(sub) == 1 && c.Key == "" && query.Has("uploads") && r.Method == http.MethodGet:
		return "ListMultipartUploads"
	case len(sub) == 1 && c.Key == "" && query.Has("delete") && r.Method == http.MethodPost:
		return "DeleteObjects"
	case len(sub) > 0:
		return ""
	case c.Bucket == "" && r.Method == http.MethodGet:
		return "ListBuckets"
	case c.Bucket == "":
		return ""
	case c.Key == "":
		return map[string]string{
			http.MethodGet: "ListObjects", http.MethodHead: "HeadBucket", http.MethodPut: "CreateBucket", http.MethodDelete: "DeleteBucket",
		}[r.Method]
	case r.Method == http.MethodPut && copying:
		return "CopyObject"
	}
	return map[string]string{
		http.MethodGet: "GetObject", http.MethodHead: "GetObjectMetadata", http.MethodPut: "PutObject", http.MethodDelete: "DeleteObject",
	}[r.Method]
}

func asDenial(err error) (*iam.Denial, bool) { return errors.AsType[*iam.Denial](err) }
