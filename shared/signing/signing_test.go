package signing_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

var keys = signing.Credentials{AccessKey: "AKEXAMPLE", SecretKey: "the-secret-key", SecurityToken: "the-security-token"}

func base(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := signing.ParseEndpoint(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRequest_Sign(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		request signing.Request
		address string
	}{
		"a_plain_one":                  {signing.Request{Method: http.MethodGet, Path: []string{"v1", "p", "jobs"}}, "https://host.test/base%20path/v1/p/jobs"},
		"a_name_of_many_characters":    {signing.Request{Method: http.MethodGet, Path: []string{"v1", "a b+c:d%é"}}, "https://host.test/base%20path/v1/a%20b%2Bc%3Ad%25%C3%A9"},
		"a_URN_keeps_its_colons":       {signing.Request{Method: http.MethodPost, Path: []string{"urn:smn:x", "p u"}, KeepColons: true, Body: []byte(`{}`)}, "https://host.test/base%20path/urn:smn:x/p%20u"},
		"a_query_and_headers_and_body": {signing.Request{Method: http.MethodPut, Path: []string{"x"}, Query: url.Values{"name": {"a b+c"}}, Header: map[string]string{"workspace": "w"}, Body: []byte("{\"a\":1}")}, "https://host.test/base%20path/x?name=a%20b%2Bc"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.request.Base, test.request.ProjectID, test.request.ContentType = base(t, "https://host.test/base path/"), "p", "application/json"
			r, err := test.request.Sign(keys, now)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.URL.String(); got != test.address {
				t.Errorf("address %s, want %s", got, test.address)
			}
			var body []byte
			if r.Body != nil {
				if body, err = io.ReadAll(r.Body); err != nil {
					t.Fatal(err)
				}
			}
			var ring iam.Keyring
			ring.Add(iam.Credentials(keys))
			if _, err := ring.VerifySDK(r, body, now); err != nil {
				t.Errorf("the signature is refused: %v", err)
			}
			if r.Header.Get("X-Project-Id") != "p" || r.Header.Get("X-Security-Token") != keys.SecurityToken {
				t.Errorf("headers %v", r.Header)
			}
		})
	}
}

func TestRequest_RefusesAPathThatWouldReachAnotherAddress(t *testing.T) {
	t.Parallel()
	for _, segment := range []string{"", ".", "..", "a/b"} {
		if _, err := (signing.Request{Base: base(t, "host.test"), Method: http.MethodGet, Path: []string{segment}}).Sign(keys, time.Now()); err == nil {
			t.Errorf("%q was signed", segment)
		}
	}
}

func TestParseEndpoint(t *testing.T) {
	t.Parallel()
	if got := base(t, "host.test/").String(); got != "https://host.test" {
		t.Errorf("got %s", got)
	}
	for _, text := range []string{"", "ftp://host", "https://", "https://user:pass@host", "https://host?x=1"} {
		if u, err := signing.ParseEndpoint(text); err == nil {
			t.Errorf("%q gives %s", text, u)
		} else if strings.Contains(err.Error(), "pass") {
			t.Errorf("a password is in %v", err)
		}
	}
}
