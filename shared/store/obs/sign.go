package obs

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// unsignedPayload leaves the body out of the signature. Bodies travel with a Content-MD5 instead, which is signed.
const unsignedPayload = "UNSIGNED-PAYLOAD"

// sign signs a request with AWS Signature Version 4.
//
// The SDK can do so too, but S3 servers refuse it: it sends no x-amz-date (AWS's own documentation allows the Date header, servers
// do not), signs a space in a query as "+", and fixes the region before the service could name the right one.
func (c *Client) sign(r *http.Request) {
	now := c.opts.Now().UTC()
	date, region := now.Format("20060102"), *c.region.Load()
	r.Header.Del("Date")
	r.Header.Set("X-Amz-Date", now.Format("20060102T150405Z"))
	r.Header.Set("X-Amz-Content-Sha256", unsignedPayload)
	if c.opts.SecurityToken != "" {
		r.Header.Set("X-Amz-Security-Token", c.opts.SecurityToken)
	}
	// The SDK writes its own header names in lower case, past the canonical form that Set and Get use.
	values := map[string]string{"host": r.Host}
	for name, v := range r.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") || lower == "content-md5" || lower == "content-type" || lower == "range" {
			values[lower] = strings.Join(strings.Fields(strings.Join(v, ",")), " ")
		}
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	var headers strings.Builder
	for _, name := range names {
		fmt.Fprintf(&headers, "%s:%s\n", name, values[name])
	}
	signed := strings.Join(names, ";")
	request := strings.Join([]string{r.Method, escapeKey(r.URL.Path), canonicalQuery(r.URL.RawQuery), headers.String(), signed, unsignedPayload}, "\n")
	scope := date + "/" + region + "/s3/aws4_request"
	digest := sha256.Sum256([]byte(request))
	text := "AWS4-HMAC-SHA256\n" + now.Format("20060102T150405Z") + "\n" + scope + "\n" + hex.EncodeToString(digest[:])
	key := []byte("AWS4" + c.opts.SecretKey)
	for _, part := range []string{date, region, "s3", "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x",
		c.opts.AccessKey, scope, signed, key))
}

// canonicalQuery sorts a query that is already percent-encoded as S3 wants it, and gives every name its "=".
func canonicalQuery(raw string) string {
	if raw == "" {
		return ""
	}
	pairs := strings.Split(raw, "&")
	for i, pair := range pairs {
		if !strings.Contains(pair, "=") {
			pairs[i] = pair + "="
		}
	}
	slices.SortFunc(pairs, func(x, y string) int {
		nameX, valueX, _ := strings.Cut(x, "=")
		nameY, valueY, _ := strings.Cut(y, "=")
		return cmp.Or(cmp.Compare(nameX, nameY), cmp.Compare(valueX, valueY))
	})
	return strings.Join(pairs, "&")
}

// escapeKey percent-encodes everything but unreserved characters and "/", as the SDK does in a path and as both signatures and
// copy sources want it.
func escapeKey(key string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(key) + 16)
	for i := range len(key) {
		ch := key[i]
		switch {
		case 'a' <= ch && ch <= 'z', 'A' <= ch && ch <= 'Z', '0' <= ch && ch <= '9', strings.IndexByte("-_.~/", ch) >= 0:
			b.WriteByte(ch)
		default:
			b.Write([]byte{'%', hexDigits[ch>>4], hexDigits[ch&15]})
		}
	}
	return b.String()
}
