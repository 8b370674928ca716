package handler

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/event"
)

// maxAnswer is the most that an answer may have, in bytes, as the gateway gets it: FunctionGraph and Lambda take 6 MB. More would be a failure of the
// platform that says nothing of why.
const maxAnswer = 6_000_000

// Policies for caches. An answer with an ETag may be kept by the browser that got it, and has to be asked for again every time: the gateway, which
// authenticates, sees every request.
const (
	cacheAsking = "private, no-cache"
	cacheNever  = "no-store"
)

// policyOfData keeps a browser from running or loading anything because of an answer that is no page.
const policyOfData = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// encode gives an answer the form that the request's gateway wants, with the headers that all answers have.
func encode(r event.Request, answer reply) (any, error) {
	answer = answer.complete(r)
	encoded, err := r.Encode(answer.status, answer.header, answer.body)
	if err == nil && len(encoded) > maxAnswer {
		answer = errorReply(&httpError{status: http.StatusInternalServerError, code: codeTooLarge, message: fmt.Sprintf(
			"the answer would have %d bytes, and the platform takes %d at most: ask for less of it, with limit or by choosing what you need", len(encoded), maxAnswer)}).complete(r)
		encoded, err = r.Encode(answer.status, answer.header, answer.body)
	}
	if err == nil && r.Method == http.MethodHead {
		encoded, err = r.Encode(answer.status, answer.header, nil) // not every gateway takes the body away
	}
	if err != nil {
		return nil, fmt.Errorf("encode the HTTP answer: %w", err)
	}
	return json.RawMessage(encoded), nil
}

// complete adds what every answer has, and makes one that the client has already a 304.
func (a reply) complete(r event.Request) reply {
	header := http.Header{}
	maps.Copy(header, a.header)
	a.header = header
	byDefault := func(name, value string) {
		if len(header.Values(name)) == 0 {
			header.Set(name, value)
		}
	}
	read := (r.Method == http.MethodGet || r.Method == http.MethodHead) && a.status == http.StatusOK && !a.secret
	if read {
		byDefault("ETag", etagOf(a.body))
		byDefault("Cache-Control", cacheAsking)
		if matches(r.Header.Values("If-None-Match"), header.Get("ETag")) {
			a.status, a.body = http.StatusNotModified, nil
			header.Del("Content-Type")
		}
	} else {
		header.Set("Cache-Control", cacheNever)
	}
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	byDefault("Content-Security-Policy", policyOfData)
	return a
}

// etagOf is the ETag of a body. It is a weak one, because gateways compress what they pass on.
func etagOf(body []byte) string {
	const enough = 18 // bytes of the hash
	sum := sha256.Sum256(body)
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:enough]) + `"`
}

// matches tells whether an If-None-Match header names an ETag, by the weak comparison of RFC 9110, section 8.8.3.2.
func matches(values []string, etag string) bool {
	want := strings.TrimPrefix(etag, "W/")
	list := strings.TrimSpace(strings.Join(values, ","))
	if list == "*" {
		return true
	}
	for list != "" {
		list = strings.TrimPrefix(strings.TrimLeft(list, " \t,"), "W/")
		if !strings.HasPrefix(list, `"`) {
			return false // no list of tags
		}
		end := strings.IndexByte(list[1:], '"')
		if end < 0 {
			return false
		}
		if list[:end+2] == want {
			return true
		}
		list = list[end+2:]
	}
	return false
}
