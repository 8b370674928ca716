package signing_test

import (
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

func TestV4_Sign(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		request signing.Request
		address string
	}{
		"a_plain_one":       {signing.Request{Method: http.MethodGet, Path: []string{"schedules"}, Query: url.Values{"NextToken": {"a b+c/=&é"}, "MaxResults": {"100"}}}, "https://host.test/schedules?MaxResults=100&NextToken=a%20b%2Bc%2F%3D%26%C3%A9"},
		"an_ARN":            {signing.Request{Method: http.MethodPost, Path: []string{"functions", "arn:aws:lambda:x", "invocations"}, KeepColons: true, Body: []byte(`{"a":"ä"}`), Header: map[string]string{"X-Amz-Invocation-Type": "Event"}}, "https://host.test/functions/arn%3Aaws%3Alambda%3Ax/invocations"},
		"an_alias_with_$":   {signing.Request{Method: http.MethodPost, Path: []string{"a b", "$LATEST"}, Body: []byte(`{}`)}, "https://host.test/a%20b/%24LATEST"},
		"a_body_of_nothing": {signing.Request{Method: http.MethodPut, Path: []string{"x"}}, "https://host.test/x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.request.Base, test.request.ContentType, test.request.UserAgent = base(t, "https://host.test"), "application/json", "agent"
			r, err := signing.V4{Service: "lambda", Region: "eu-central-1"}.Sign(test.request, keys, now)
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
			if string(body) != string(test.request.Body) || r.ContentLength != int64(len(body)) || r.Header.Get("User-Agent") != "agent" || r.Header.Get("X-Project-Id") != "" {
				t.Errorf("body %q of %d bytes, headers %v", body, r.ContentLength, r.Header)
			}
			var ring iam.Keyring
			ring.Add(iam.Credentials(keys))
			if _, err := ring.VerifyV4Service(r, body, "lambda", "eu-central-1", now); err != nil {
				t.Errorf("the signature is refused: %v", err)
			}
			if _, err := ring.VerifyV4Service(r, append(body, ' '), "lambda", "eu-central-1", now); err == nil {
				t.Error("the body is not signed")
			}
		})
	}
	if _, err := (signing.V4{Service: "lambda", Region: "x"}).Sign(signing.Request{Base: base(t, "host.test"), Method: http.MethodGet, Path: []string{".."}}, keys, now); err == nil {
		t.Error("a path was signed that reaches another address")
	}
}
