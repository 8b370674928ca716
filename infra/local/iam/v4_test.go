package iam_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

var (
	storageNow = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	// The keys of the examples in the S3 API reference.
	exampleKeys = iam.Credentials{AccessKey: "AKIAIOSFODNN7EXAMPLE", SecretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"} //nolint:gosec // published
)

func storageKeys(credentials ...iam.Credentials) *iam.Keyring {
	k := &iam.Keyring{}
	for _, c := range credentials {
		k.Add(c)
	}
	return k
}

func storageRequest(t *testing.T, method, url, body string, header http.Header) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	return r
}

// TestVerifyV4_PublishedExamples are two examples of "Signature Calculations for the Authorization Header" in the S3 API reference.
func TestVerifyV4_PublishedExamples(t *testing.T) {
	t.Parallel()
	const none = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	t.Run("get_object_with_range", func(t *testing.T) {
		t.Parallel()
		r := storageRequest(t, "GET", "https://examplebucket.s3.amazonaws.com/test.txt", "", http.Header{
			"Range": {"bytes=0-9"}, "X-Amz-Content-Sha256": {none}, "X-Amz-Date": {"20130524T000000Z"},
			"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		})
		if _, err := storageKeys(exampleKeys).VerifyV4(r, "us-east-1", storageNow); err != nil {
			t.Error(err)
		}
	})
	t.Run("list_objects", func(t *testing.T) {
		t.Parallel()
		r := storageRequest(t, "GET", "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J", "", http.Header{
			"X-Amz-Content-Sha256": {none}, "X-Amz-Date": {"20130524T000000Z"},
			"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
		})
		if _, err := storageKeys(exampleKeys).VerifyV4(r, "us-east-1", storageNow); err != nil {
			t.Error(err)
		}
	})
}

func TestVerifyV4_Refuses(t *testing.T) {
	t.Parallel()
	temporary := iam.Credentials{AccessKey: "TEMPORARY", SecretKey: "secret", SecurityToken: "token"}
	for name, test := range map[string]struct {
		change func(*http.Request)
		at     time.Duration
		region string
		want   string
	}{
		"nothing_that_is_right":      {},
		"a_changed_method":           {change: func(r *http.Request) { r.Method = "DELETE" }, want: "SignatureDoesNotMatch"},
		"a_changed_path":             {change: func(r *http.Request) { r.URL.Path = "/b/other" }, want: "SignatureDoesNotMatch"},
		"a_changed_query":            {change: func(r *http.Request) { r.URL.RawQuery = "prefix=b" }, want: "SignatureDoesNotMatch"},
		"a_changed_host":             {change: func(r *http.Request) { r.Host = "elsewhere" }, want: "SignatureDoesNotMatch"},
		"a_changed_signed_header":    {change: func(r *http.Request) { r.Header.Set("Content-Md5", "other") }, want: "SignatureDoesNotMatch"},
		"an_unsigned_service_header": {change: func(r *http.Request) { r.Header.Set("X-Amz-Acl", "public-read") }, want: "AccessDenied"},
		"a_changed_token":            {change: func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "other") }, want: "InvalidToken"},
		"no_token":                   {change: func(r *http.Request) { r.Header.Del("X-Amz-Security-Token") }, want: "InvalidToken"},
		"no_payload_hash":            {change: func(r *http.Request) { r.Header.Del("X-Amz-Content-Sha256") }, want: "InvalidRequest"},
		"no_date":                    {change: func(r *http.Request) { r.Header.Del("X-Amz-Date") }, want: "AccessDenied"},
		"no_signature":               {change: func(r *http.Request) { r.Header.Del("Authorization") }, want: "AccessDenied"},
		"an_unknown_key": {change: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "TEMPORARY", "UNKNOWN", 1))
		}, want: "InvalidAccessKeyId"},
		"a_request_of_16_minutes_ago": {at: 16 * time.Minute, want: "RequestTimeTooSkewed"},
		"a_request_from_the_future":   {at: -16 * time.Minute, want: "RequestTimeTooSkewed"},
		"another_region":              {region: "eu-central-1", want: "AuthorizationHeaderMalformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := storageRequest(t, "PUT", "http://localhost/b/a%20key?prefix=a", "body", http.Header{"Content-Md5": {"sum"}})
			if err := iam.SignV4(r, temporary, "us-east-1", storageNow); err != nil {
				t.Fatal(err)
			}
			if test.change != nil {
				test.change(r)
			}
			region := "us-east-1"
			if test.region != "" {
				region = test.region
			}
			_, err := storageKeys(temporary).VerifyV4(r, region, storageNow.Add(test.at))
			wantDenial(t, err, test.want)
			if d, ok := errors.AsType[*iam.Denial](err); ok && test.region != "" && (d.Region != test.region || !strings.Contains(d.Message, "expecting '"+test.region+"'")) {
				t.Errorf("denial %+v does not name the region", d)
			}
		})
	}
	t.Run("a_wrong_secret", func(t *testing.T) {
		t.Parallel()
		r := storageRequest(t, "GET", "http://localhost/b", "", http.Header{})
		if err := iam.SignV4(r, iam.Credentials{AccessKey: "TEMPORARY", SecretKey: "wrong", SecurityToken: "token"}, "us-east-1", storageNow); err != nil {
			t.Fatal(err)
		}
		_, err := storageKeys(temporary).VerifyV4(r, "us-east-1", storageNow)
		wantDenial(t, err, "SignatureDoesNotMatch")
	})
}

// TestVerifyV4_Body changes one byte of the body of a request whose hash was signed.
func TestVerifyV4_Body(t *testing.T) {
	t.Parallel()
	header := http.Header{
		"X-Amz-Content-Sha256": {"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"}, // of "Welcome to Amazon S3."
		"X-Amz-Date":           {"20130524T000000Z"}, "Date": {"Fri, 24 May 2013 00:00:00 GMT"}, "X-Amz-Storage-Class": {"REDUCED_REDUNDANCY"},
		"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
	}
	for body, ok := range map[string]bool{"Welcome to Amazon S3.": true, "Welcome to Amazon S3!": false} {
		r := storageRequest(t, "PUT", "https://examplebucket.s3.amazonaws.com/test%24file.text", body, header)
		if _, err := storageKeys(exampleKeys).VerifyV4(r, "us-east-1", storageNow); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(r.Body); (err == nil) != ok {
			t.Errorf("body %q: error %v", body, err)
		}
	}
}

func wantDenial(t *testing.T, err error, code string) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if d, ok := errors.AsType[*iam.Denial](err); !ok || d.Code != code || d.Status < 400 {
		t.Errorf("error %v, want %s", err, code)
	}
}
