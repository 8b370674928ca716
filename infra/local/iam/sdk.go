package iam

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The words of the SDK-HMAC-SHA256 algorithm, as in Huawei Cloud's "API Request Signing Guide".
const (
	sdkAlgorithm     = "SDK-HMAC-SHA256"
	sdkDateHeader    = "X-Sdk-Date"
	sdkDateLayout    = "20060102T150405Z"
	sdkContentHeader = "X-Sdk-Content-Sha256"
	sdkTokenHeader   = "X-Security-Token"
	sdkUnsigned      = "UNSIGNED-PAYLOAD"

	// sdkSkew is how far X-Sdk-Date may be from the gateway's clock, either way.
	sdkSkew = 15 * time.Minute
)

// VerifySDK checks the SDK-HMAC-SHA256 signature with which Huawei Cloud's services are called, and returns the keys that signed.
//
// body is the whole request body; now is the gateway's clock. The path counts as it was sent: each of its segments is decoded and encoded
// again by the algorithm's own rule, so a client may spell "+" or "%2B" as it likes. Temporary keys must come with exactly their
// token in X-Security-Token, and permanent keys with none. The error's text is what the gateway writes after "Incorrect IAM authentication
// information: ".
func (k *Keyring) VerifySDK(r *http.Request, body []byte, now time.Time) (Credentials, error) {
	auth, err := parseSDKAuthorization(r.Header.Get("Authorization"))
	if err != nil {
		return Credentials{}, err
	}
	keys, ok := k.Lookup(auth.access)
	if !ok {
		return Credentials{}, fmt.Errorf("Get secretKey failed,ak:%s,err:ak not exist", auth.access) // the gateway's own wording
	}
	token := r.Header.Get(sdkTokenHeader)
	if subtle.ConstantTimeCompare([]byte(token), []byte(keys.SecurityToken)) != 1 {
		if token == "" {
			return Credentials{}, fmt.Errorf("temporary ak %s needs the header %s", auth.access, sdkTokenHeader)
		}
		return Credentials{}, fmt.Errorf("the security token is not that of ak %s", auth.access)
	}

	date := r.Header.Get(sdkDateHeader)
	at, err := time.Parse(sdkDateLayout, date)
	if err != nil {
		return Credentials{}, fmt.Errorf("%s %q is not of the form %s", sdkDateHeader, date, sdkDateLayout)
	}
	if skew := now.Sub(at); skew > sdkSkew || skew < -sdkSkew {
		return Credentials{}, fmt.Errorf("signature expired: %s is %s away from the server's time", sdkDateHeader, skew.Abs().Round(time.Second))
	}
	if !slices.Contains(auth.signed, strings.ToLower(sdkDateHeader)) {
		return Credentials{}, fmt.Errorf("%s is not among the signed headers", sdkDateHeader)
	}

	payload, err := sdkPayloadHash(r, body)
	if err != nil {
		return Credentials{}, err
	}
	canonical, err := sdkCanonicalRequest(r, auth.signed, payload)
	if err != nil {
		return Credentials{}, err
	}
	digest := sha256.Sum256([]byte(canonical))
	mac := hmac.New(sha256.New, []byte(keys.SecretKey))
	mac.Write([]byte(sdkAlgorithm + "\n" + date + "\n" + hex.EncodeToString(digest[:])))
	if !hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(auth.signature)) {
		return Credentials{}, fmt.Errorf("verify aksk signature fail, canonical request: %q", canonical)
	}
	return keys, nil
}

// sdkAuthorization is the content of an Authorization header of the algorithm.
type sdkAuthorization struct {
	access    string
	signed    []string // lower case, in the order of the header
	signature string
}

func parseSDKAuthorization(header string) (sdkAuthorization, error) {
	if header == "" {
		return sdkAuthorization{}, fmt.Errorf("the header Authorization is missing")
	}
	rest, ok := strings.CutPrefix(header, sdkAlgorithm+" ")
	if !ok {
		return sdkAuthorization{}, fmt.Errorf("the header Authorization does not start with %s", sdkAlgorithm)
	}
	var auth sdkAuthorization
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Access":
			auth.access = value
		case "SignedHeaders":
			auth.signed = strings.Split(strings.ToLower(value), ";")
		case "Signature":
			auth.signature = value
		}
	}
	if auth.access == "" || len(auth.signed) == 0 || auth.signature == "" {
		return sdkAuthorization{}, fmt.Errorf("the header Authorization needs Access, SignedHeaders and Signature")
	}
	return auth, nil
}

// sdkPayloadHash returns the last line of the canonical request. A hash that the client states must be that of the body.
func sdkPayloadHash(r *http.Request, body []byte) (string, error) {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	switch stated := r.Header.Get(sdkContentHeader); stated {
	case "", hash:
		return hash, nil
	case sdkUnsigned:
		return sdkUnsigned, nil
	default:
		return "", fmt.Errorf("%s is not the hash of the body", sdkContentHeader)
	}
}

func sdkCanonicalRequest(r *http.Request, signed []string, payload string) (string, error) {
	path, err := sdkCanonicalPath(r.URL.EscapedPath())
	if err != nil {
		return "", err
	}
	query, err := sdkCanonicalQuery(r.URL.RawQuery)
	if err != nil {
		return "", err
	}
	var headers strings.Builder
	for _, name := range signed {
		values := slices.Clone(r.Header.Values(name))
		if name == "host" {
			values = []string{r.Host}
		}
		slices.Sort(values)
		for _, value := range values {
			headers.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
		}
	}
	return strings.Join([]string{r.Method, path, query, headers.String(), strings.Join(signed, ";"), payload}, "\n"), nil
}

// sdkCanonicalPath is the path with every segment encoded by the algorithm's rule and a slash at the end.
func sdkCanonicalPath(escaped string) (string, error) {
	segments := strings.Split(escaped, "/")
	for i, segment := range segments {
		plain, err := url.PathUnescape(segment)
		if err != nil {
			return "", fmt.Errorf("path: %w", err)
		}
		segments[i] = sdkEscape(plain)
	}
	path := strings.Join(segments, "/")
	if !strings.HasSuffix(path, "/") {
		path += "/"
	}
	return path, nil
}

// sdkCanonicalQuery is the query with names and values encoded by the algorithm's rule, ordered by name and then by value.
func sdkCanonicalQuery(raw string) (string, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return "", fmt.Errorf("query: %w", err)
	}
	names := make([]string, 0, len(query))
	for name := range query {
		names = append(names, name)
	}
	slices.Sort(names)
	var pairs []string
	for _, name := range names {
		values := slices.Sorted(slices.Values(query[name]))
		for _, value := range values {
			pairs = append(pairs, sdkEscape(name)+"="+sdkEscape(value))
		}
	}
	return strings.Join(pairs, "&"), nil
}

// sdkEscape encodes every byte but the unreserved characters of RFC 3986.
func sdkEscape(s string) string {
	const hexDigits = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.~", c) >= 0:
			out.WriteByte(c)
		default:
			out.WriteByte('%')
			out.WriteByte(hexDigits[c>>4])
			out.WriteByte(hexDigits[c&15])
		}
	}
	return out.String()
}
