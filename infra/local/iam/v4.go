package iam

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Denial is why an object service refuses a request, in the words the service uses.
type Denial struct {
	Status       int
	Code         string
	Message      string
	Region       string // the one that the request should have been signed for, in AuthorizationHeaderMalformed
	StringToSign string // what the service signed, in SignatureDoesNotMatch
}

func (d *Denial) Error() string { return d.Code + ": " + d.Message }

// The clocks of client and service may differ by this much (documented for OBS and for S3).
const maxSkew = 15 * time.Minute

const (
	v4Algorithm     = "AWS4-HMAC-SHA256"
	v4TimeFormat    = "20060102T150405Z"
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// VerifyV4 checks a request's AWS Signature Version 4 as S3 does: in the Authorization header, for this region, over the method, the
// path encoded once, the whole query, the host and every x-amz- header, with exactly the security token that the keys have. A body
// whose hash was signed is checked while it is read: its last Read fails if it is another one. Errors are *Denial.
func (k *Keyring) VerifyV4(r *http.Request, region string, now time.Time) (Credentials, error) {
	fields, ok := strings.CutPrefix(r.Header.Get("Authorization"), v4Algorithm+" ")
	if !ok {
		return Credentials{}, &Denial{Status: 403, Code: "AccessDenied", Message: "Access Denied"}
	}
	malformed := func(message string) (Credentials, error) {
		return Credentials{}, &Denial{Status: 400, Code: "AuthorizationHeaderMalformed", Message: "The authorization header is malformed; " + message}
	}
	values := map[string]string{}
	for part := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		values[name] = value
	}
	scope := strings.Split(values["Credential"], "/")
	if len(scope) != 5 || values["SignedHeaders"] == "" || values["Signature"] == "" {
		return malformed("want Credential=key/date/region/s3/aws4_request, SignedHeaders and Signature")
	}
	sent, err := time.Parse(v4TimeFormat, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return Credentials{}, &Denial{Status: 403, Code: "AccessDenied", Message: "AWS authentication requires a valid Date or x-amz-date header"}
	}
	if scope[1] != sent.Format("20060102") || scope[3] != "s3" || scope[4] != "aws4_request" {
		return malformed("the credential's scope does not fit the request")
	}
	credentials, ok := k.Lookup(scope[0])
	if !ok {
		return Credentials{}, &Denial{Status: 403, Code: "InvalidAccessKeyId", Message: "The AWS Access Key Id you provided does not exist in our records."}
	}
	if scope[2] != region {
		return Credentials{}, &Denial{
			Status: 400, Code: "AuthorizationHeaderMalformed", Region: region,
			Message: fmt.Sprintf("The authorization header is malformed; the region '%s' is wrong; expecting '%s'", scope[2], region),
		}
	}
	if skewed(sent, now) {
		return Credentials{}, tooSkewed()
	}
	if r.Header.Get("X-Amz-Security-Token") != credentials.SecurityToken {
		return Credentials{}, &Denial{Status: 400, Code: "InvalidToken", Message: "The provided token is malformed or otherwise invalid."}
	}
	payload := r.Header.Get("X-Amz-Content-Sha256")
	switch {
	case payload == "":
		return Credentials{}, &Denial{Status: 400, Code: "InvalidRequest", Message: "Missing required header for this request: x-amz-content-sha256"}
	case strings.HasPrefix(payload, "STREAMING-"):
		return Credentials{}, &Denial{Status: 501, Code: "NotImplemented", Message: "This server does not take bodies signed chunk by chunk."}
	}
	signed := strings.Split(values["SignedHeaders"], ";")
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(signed, lower) {
			return Credentials{}, &Denial{Status: 403, Code: "AccessDenied", Message: "There were headers present in the request which were not signed: " + lower}
		}
	}
	if !slices.Contains(signed, "host") {
		return malformed("the host is not signed")
	}
	text, err := v4StringToSign(r, r.URL.Path, signed, strings.Join(scope[1:], "/"), payload)
	if err != nil {
		return malformed(err.Error())
	}
	want := v4Signature(credentials.SecretKey, scope[1:], text)
	if subtle.ConstantTimeCompare([]byte(want), []byte(values["Signature"])) != 1 {
		return Credentials{}, mismatch(text)
	}
	if payload != unsignedPayload && r.Body != nil {
		r.Body = &verifiedBody{from: r.Body, sum: sha256.New(), want: payload, left: r.ContentLength}
	}
	return credentials, nil
}

// SignV4 signs a request for S3 with the payload unsigned, as the local cloud does when it passes a verified request on.
func SignV4(r *http.Request, c Credentials, region string, now time.Time) error {
	now = now.UTC()
	r.Header.Set("X-Amz-Date", now.Format(v4TimeFormat))
	r.Header.Set("X-Amz-Content-Sha256", unsignedPayload)
	if c.SecurityToken != "" {
		r.Header.Set("X-Amz-Security-Token", c.SecurityToken)
	}
	signed := []string{"host"}
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") || lower == "content-md5" || lower == "content-type" {
			signed = append(signed, lower)
		}
	}
	slices.Sort(signed)
	date := now.Format("20060102")
	parts := []string{date, region, "s3", "aws4_request"}
	scope := strings.Join(parts, "/")
	text, err := v4StringToSign(r, r.URL.Path, signed, scope, unsignedPayload)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", fmt.Sprintf("%s Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		v4Algorithm, c.AccessKey, scope, strings.Join(signed, ";"), v4Signature(c.SecretKey, parts, text)))
	return nil
}

// v4StringToSign is written from "Signature Calculations for the Authorization Header" in the S3 API reference. The path is encoded once here.
func v4StringToSign(r *http.Request, path string, signed []string, scope, payload string) (string, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", errors.New("the query cannot be read")
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for _, value := range slices.Sorted(slices.Values(query[name])) {
			pairs = append(pairs, escape(name, "")+"="+escape(value, ""))
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n%s\n%s\n", r.Method, escape(path, "/"), strings.Join(pairs, "&"))
	for _, name := range signed {
		value := r.Host
		if name == "content-length" {
			value = fmt.Sprint(r.ContentLength)
		} else if name != "host" {
			value = strings.Join(strings.Fields(strings.Join(r.Header.Values(name), ",")), " ")
		}
		fmt.Fprintf(&b, "%s:%s\n", name, value)
	}
	fmt.Fprintf(&b, "\n%s\n%s", strings.Join(signed, ";"), payload)
	digest := sha256.Sum256(b.Bytes())
	return v4Algorithm + "\n" + r.Header.Get("X-Amz-Date") + "\n" + scope + "\n" + hex.EncodeToString(digest[:]), nil
}

// v4Signature signs a text; scope is date, region, service and "aws4_request".
func v4Signature(secret string, scope []string, text string) string {
	key := []byte("AWS4" + secret)
	for _, part := range append(slices.Clone(scope), text) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// escape percent-encodes everything but unreserved characters and those in keep.
func escape(text, keep string) string {
	var b strings.Builder
	for i := range len(text) {
		ch := text[i]
		if 'a' <= ch && ch <= 'z' || 'A' <= ch && ch <= 'Z' || '0' <= ch && ch <= '9' || strings.IndexByte("-_.~"+keep, ch) >= 0 {
			b.WriteByte(ch)
		} else {
			fmt.Fprintf(&b, "%%%02X", ch)
		}
	}
	return b.String()
}

func skewed(sent, now time.Time) bool { return sent.Sub(now).Abs() > maxSkew }

func tooSkewed() *Denial {
	return &Denial{Status: 403, Code: "RequestTimeTooSkewed", Message: "The difference between the request time and the current time is too large."}
}

func mismatch(text string) *Denial {
	return &Denial{
		Status: 403, Code: "SignatureDoesNotMatch", StringToSign: text,
		Message: "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
	}
}

// verifiedBody compares a body with the hash that was signed.
type verifiedBody struct {
	from io.ReadCloser
	sum  hash.Hash
	want string
	left int64
}

func (b *verifiedBody) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	b.sum.Write(p[:n])
	b.left -= int64(n)
	if (errors.Is(err, io.EOF) || b.left == 0) && hex.EncodeToString(b.sum.Sum(nil)) != b.want {
		return 0, &Denial{Status: 400, Code: "XAmzContentSHA256Mismatch", Message: "The provided 'x-amz-content-sha256' header does not match what was computed."}
	}
	return n, err
}

func (b *verifiedBody) Close() error { return b.from.Close() }

// EscapePath percent-encodes a path as Signature Version 4 signs it.
func EscapePath(path string) string { return escape(path, "/") }
