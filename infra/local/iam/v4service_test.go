package iam_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

// TestVerifyV4Service_PublishedExample is "get-vanilla" of the test suite that AWS publishes for Signature Version 4.
func TestVerifyV4Service_PublishedExample(t *testing.T) {
	t.Parallel()
	ring := storageKeys(iam.Credentials{AccessKey: "AKIDEXAMPLE", SecretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}) //nolint:gosec // published
	now := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	r := storageRequest(t, "GET", "https://example.amazonaws.com/", "", http.Header{"X-Amz-Date": {"20150830T123600Z"}, "Authorization": {"AWS4-HMAC-SHA256 " +
		"Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"}})
	if _, err := ring.VerifyV4Service(r, nil, "service", "us-east-1", now); err != nil {
		t.Error(err)
	}
	for code, check := range map[string]func() error{
		"": func() error { _, err := ring.VerifyV4Service(r, nil, "service", "us-east-1", now); return err },
		"InvalidSignatureException": func() error {
			_, err := ring.VerifyV4Service(r, []byte("x"), "service", "us-east-1", now)
			return err
		},
		"UnrecognizedClientException": func() error {
			_, err := storageKeys().VerifyV4Service(r, nil, "service", "us-east-1", now)
			return err
		},
		"MissingAuthenticationTokenException": func() error {
			_, err := ring.VerifyV4Service(storageRequest(t, "GET", "https://example.amazonaws.com/", "", http.Header{}), nil, "service", "us-east-1", now)
			return err
		},
	} {
		wantDenial(t, check(), code)
	}
	for what, check := range map[string]func() error{
		"region":  func() error { _, err := ring.VerifyV4Service(r, nil, "service", "eu-central-1", now); return err },
		"service": func() error { _, err := ring.VerifyV4Service(r, nil, "lambda", "us-east-1", now); return err },
		"expired": func() error {
			_, err := ring.VerifyV4Service(r, nil, "service", "us-east-1", now.Add(6*time.Minute))
			return err
		},
	} {
		if err := check(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want one about %s", err, what)
		}
	}
}
