package iam

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// obsSubResources are the query parameters that an OBS signature covers ("Authentication of Signature in a Header" in the OBS API
// reference). All others, prefix and marker among them, are left out.
var obsSubResources = []string{
	"CDNNotifyConfiguration", "acl", "append", "attname", "backtosource", "cors", "customdomain", "delete", "deletebucket",
	"directcoldaccess", "encryption", "inventory", "length", "lifecycle", "location", "logging", "metadata", "mirrorBackToSource",
	"modify", "name", "notification", "obscompresspolicy", "orchestration", "partNumber", "policy", "position", "quota", "rename",
	"replication", "requestPayment", "response-cache-control", "response-content-disposition", "response-content-encoding",
	"response-content-language", "response-content-type", "response-expires", "restore", "storageClass", "storagePolicy",
	"storageinfo", "tagging", "torrent", "truncate", "uploadId", "uploads", "versionId", "versioning", "versions", "website",
	"x-image-process", "x-image-save-bucket", "x-image-save-object", "x-obs-security-token", "object-lock", "retention",
}

// VerifyOBS checks the signature "Authorization: OBS key:signature" of a request to a bucket (empty: to the service), an HMAC-SHA1
// over the method, Content-MD5, Content-Type, the date, every x-obs- header and the resource. The bucket is that of the host name, and
// the path holds only the object's key: OBS has no path style. Errors are *Denial.
func (k *Keyring) VerifyOBS(r *http.Request, bucket string, now time.Time) (Credentials, error) {
	fields, ok := strings.CutPrefix(r.Header.Get("Authorization"), "OBS ")
	if !ok {
		return Credentials{}, &Denial{Status: 403, Code: "AccessDenied", Message: "Access Denied"}
	}
	accessKey, signature, ok := strings.Cut(fields, ":")
	if !ok {
		return Credentials{}, &Denial{Status: 400, Code: "InvalidArgument", Message: "Authorization header is invalid -- one and only one ':' allowed"}
	}
	credentials, ok := k.Lookup(accessKey)
	if !ok {
		return Credentials{}, &Denial{Status: 403, Code: "InvalidAccessKeyId", Message: "The OBS Access Key Id you provided does not exist in our records."}
	}
	date := r.Header.Get("X-Obs-Date")
	if date == "" {
		date = r.Header.Get("Date")
	}
	sent, err := http.ParseTime(date)
	if err != nil {
		return Credentials{}, &Denial{Status: 403, Code: "AccessDenied", Message: "OBS authentication requires a valid Date or x-obs-date header"}
	}
	if skewed(sent, now) {
		return Credentials{}, tooSkewed()
	}
	if r.Header.Get("X-Obs-Security-Token") != credentials.SecurityToken {
		return Credentials{}, &Denial{Status: 403, Code: "InvalidAccessKeyId", Message: "The security token does not belong to the access key."}
	}
	text := obsStringToSign(r, bucket)
	mac := hmac.New(sha1.New, []byte(credentials.SecretKey))
	mac.Write([]byte(text))
	want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if subtle.ConstantTimeCompare([]byte(want), []byte(signature)) != 1 {
		return Credentials{}, mismatch(text)
	}
	return credentials, nil
}

func obsStringToSign(r *http.Request, bucket string) string {
	date := r.Header.Get("Date")
	headers := map[string]string{}
	for name, values := range r.Header {
		lower := strings.ToLower(name)
		if !strings.HasPrefix(lower, "x-obs-") {
			continue
		}
		if lower == "x-obs-date" {
			date = ""
		}
		trimmed := make([]string, len(values))
		for i, value := range values {
			trimmed[i] = strings.TrimSpace(value)
		}
		headers[lower] = lower + ":" + strings.Join(trimmed, ",") + "\n"
	}
	var canonical strings.Builder
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		canonical.WriteString(headers[name])
	}
	resource := r.URL.EscapedPath()
	if bucket != "" {
		resource = "/" + bucket + resource
	}
	var sub []string
	for name, values := range r.URL.Query() {
		if !slices.Contains(obsSubResources, name) {
			continue
		}
		if values[0] == "" {
			sub = append(sub, name)
		} else {
			sub = append(sub, name+"="+values[0])
		}
	}
	if len(sub) > 0 {
		slices.Sort(sub)
		resource += "?" + strings.Join(sub, "&")
	}
	return strings.Join([]string{r.Method, r.Header.Get("Content-Md5"), r.Header.Get("Content-Type"), date, ""}, "\n") +
		canonical.String() + resource
}
