package iam

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The clocks of client and service may differ by this much where the service is not S3.
const maxServiceSkew = 5 * time.Minute

// VerifyV4Service checks a request's AWS Signature Version 4 as the services of AWS do that are not S3: for this service and region, over the path as it
// came, encoded once more ("Create a signed AWS API request": each segment is encoded twice, save for S3), the whole query, the host, every x-amz- header
// and the body, with exactly the security token that the keys have. Errors are *Denial, in the words of the common errors of those services' API references.
func (k *Keyring) VerifyV4Service(r *http.Request, body []byte, service, region string, now time.Time) (Credentials, error) {
	deny := func(code, format string, args ...any) (Credentials, error) {
		return Credentials{}, &Denial{Status: http.StatusForbidden, Code: code, Message: fmt.Sprintf(format, args...)}
	}
	fields, ok := strings.CutPrefix(r.Header.Get("Authorization"), v4Algorithm+" ")
	if !ok {
		return deny("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	values := map[string]string{}
	for part := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		values[name] = value
	}
	for _, name := range []string{"Credential", "Signature", "SignedHeaders"} {
		if values[name] == "" {
			return deny("IncompleteSignatureException", "Authorization header requires '%s' parameter.", name)
		}
	}
	sent, err := time.Parse(v4TimeFormat, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return deny("IncompleteSignatureException", "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	scope := strings.Split(values["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" || scope[1] != sent.Format("20060102") {
		return deny("IncompleteSignatureException", "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term")
	}
	switch {
	case scope[2] != region:
		return deny("InvalidSignatureException", "Credential should be scoped to a valid region.")
	case scope[3] != service:
		return deny("InvalidSignatureException", "Credential should be scoped to correct service: '%s'.", service)
	case sent.Sub(now).Abs() > maxServiceSkew:
		return deny("InvalidSignatureException", "Signature expired: %s is now earlier than %s", sent.Format(v4TimeFormat), now.UTC().Add(-maxServiceSkew).Format(v4TimeFormat))
	}
	credentials, ok := k.Lookup(scope[0])
	if !ok || r.Header.Get("X-Amz-Security-Token") != credentials.SecurityToken {
		return deny("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	signed := strings.Split(values["SignedHeaders"], ";")
	if !slices.Contains(signed, "host") {
		return deny("IncompleteSignatureException", "'Host' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(signed, lower) {
			return deny("InvalidSignatureException", "'%s' must be a 'SignedHeader' in the AWS Authorization.", lower)
		}
	}
	digest := sha256.Sum256(body)
	text, err := v4StringToSign(r, r.URL.EscapedPath(), signed, strings.Join(scope[1:], "/"), hex.EncodeToString(digest[:]))
	if err != nil {
		return deny("InvalidSignatureException", "%v", err)
	}
	if subtle.ConstantTimeCompare([]byte(v4Signature(credentials.SecretKey, scope[1:], text)), []byte(values["Signature"])) != 1 {
		return deny("InvalidSignatureException", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. "+
			"Consult the service documentation for details.")
	}
	return credentials, nil
}
