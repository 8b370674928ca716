package iam_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

// sign signs a string that the test has written out itself, as the tables in "Authentication of Signature in a Header" of the OBS API
// reference do, so that the verifier is not compared with itself.
func sign(text, secret string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestVerifyOBS(t *testing.T) {
	t.Parallel()
	keys := iam.Credentials{AccessKey: "AK", SecretKey: "SK"}
	const date = "Fri, 24 May 2013 00:00:00 GMT"
	for name, test := range map[string]struct {
		method, url, bucket string
		header              http.Header
		text                string
	}{
		"an_object": {"GET", "https://bucket.obs.eu-de.otc.t-systems.com/object.txt", "bucket", http.Header{"Date": {date}},
			"GET\n\n\n" + date + "\n/bucket/object.txt"},
		"headers_sorted_by_name_and_a_type": {"PUT", "https://bucket.obs.eu-de.otc.t-systems.com/object.txt", "bucket",
			http.Header{"Date": {date}, "Content-Type": {"text/plain"}, "Content-Md5": {"sum"}, "X-Obs-Copy-Source-If-Match": {`"e"`}, "X-Obs-Copy-Source": {"b/k"}, "X-Obs-Acl": {"public-read"}},
			"PUT\nsum\ntext/plain\n" + date + "\nx-obs-acl:public-read\nx-obs-copy-source:b/k\nx-obs-copy-source-if-match:\"e\"\n/bucket/object.txt"},
		"a_date_of_its_own_in_place_of_Date": {"GET", "https://bucket.obs.eu-de.otc.t-systems.com/object.txt", "bucket", http.Header{"Date": {"ignored"}, "X-Obs-Date": {date}},
			"GET\n\n\n\nx-obs-date:" + date + "\n/bucket/object.txt"},
		"repeated_headers_joined": {"PUT", "https://bucket.obs.eu-de.otc.t-systems.com/o", "bucket", http.Header{"Date": {date}, "X-Obs-Meta-Name": {"one ", " two"}},
			"PUT\n\n\n" + date + "\nx-obs-meta-name:one,two\n/bucket/o"},
		"a_listing_without_its_parameters": {"GET", "https://bucket.obs.eu-de.otc.t-systems.com/?prefix=a&marker=b", "bucket", http.Header{"Date": {date}},
			"GET\n\n\n" + date + "\n/bucket/"},
		"sub_resources_in_order": {"PUT", "https://bucket.obs.eu-de.otc.t-systems.com/o?uploadId=u%2B1&partNumber=2&x-id=ignored", "bucket", http.Header{"Date": {date}},
			"PUT\n\n\n" + date + "\n/bucket/o?partNumber=2&uploadId=u+1"},
		"a_sub_resource_without_a_value": {"POST", "https://bucket.obs.eu-de.otc.t-systems.com/?delete", "bucket", http.Header{"Date": {date}},
			"POST\n\n\n" + date + "\n/bucket/?delete"},
		"an_encoded_key": {"GET", "https://bucket.obs.eu-de.otc.t-systems.com/%E4%BD%9C%20%25", "bucket", http.Header{"Date": {date}},
			"GET\n\n\n" + date + "\n/bucket/%E4%BD%9C%20%25"},
		"the_service": {"GET", "https://obs.eu-de.otc.t-systems.com/", "", http.Header{"Date": {date}},
			"GET\n\n\n" + date + "\n/"},
	} {
		t.Run("signs_"+name, func(t *testing.T) {
			t.Parallel()
			r := storageRequest(t, test.method, test.url, "", test.header)
			r.Header.Set("Authorization", "OBS AK:"+sign(test.text, "SK"))
			_, err := storageKeys(keys).VerifyOBS(r, test.bucket, storageNow)
			wantDenial(t, err, "")
		})
	}
}

func TestVerifyOBS_Refuses(t *testing.T) {
	t.Parallel()
	temporary := iam.Credentials{AccessKey: "TEMPORARY", SecretKey: "secret", SecurityToken: "token"}
	const date = "Fri, 24 May 2013 00:00:00 GMT"
	text := "PUT\nsum\n\n" + date + "\nx-obs-security-token:token\n/bucket/key?acl"
	for name, test := range map[string]struct {
		change func(*http.Request)
		at     time.Duration
		bucket string
		want   string
	}{
		"nothing_that_is_right":   {},
		"a_wrong_secret":          {change: func(r *http.Request) { r.Header.Set("Authorization", "OBS TEMPORARY:"+sign(text, "wrong")) }, want: "SignatureDoesNotMatch"},
		"a_changed_method":        {change: func(r *http.Request) { r.Method = "DELETE" }, want: "SignatureDoesNotMatch"},
		"a_changed_key":           {change: func(r *http.Request) { r.URL.Path = "/other" }, want: "SignatureDoesNotMatch"},
		"another_bucket":          {bucket: "other", want: "SignatureDoesNotMatch"},
		"a_changed_sub_resource":  {change: func(r *http.Request) { r.URL.RawQuery = "tagging" }, want: "SignatureDoesNotMatch"},
		"a_changed_MD5":           {change: func(r *http.Request) { r.Header.Set("Content-Md5", "other") }, want: "SignatureDoesNotMatch"},
		"an_added_service_header": {change: func(r *http.Request) { r.Header.Set("X-Obs-Acl", "public-read") }, want: "SignatureDoesNotMatch"},
		"a_changed_token":         {change: func(r *http.Request) { r.Header.Set("X-Obs-Security-Token", "other") }, want: "InvalidAccessKeyId"},
		"no_token":                {change: func(r *http.Request) { r.Header.Del("X-Obs-Security-Token") }, want: "InvalidAccessKeyId"},
		"an_unknown_key":          {change: func(r *http.Request) { r.Header.Set("Authorization", "OBS UNKNOWN:"+sign(text, "secret")) }, want: "InvalidAccessKeyId"},
		"no_date":                 {change: func(r *http.Request) { r.Header.Del("Date") }, want: "AccessDenied"},
		"no_signature":            {change: func(r *http.Request) { r.Header.Del("Authorization") }, want: "AccessDenied"},
		"another_scheme": {change: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "OBS", "AWS", 1))
		}, want: "AccessDenied"},
		"a_request_of_16_minutes_ago": {at: 16 * time.Minute, want: "RequestTimeTooSkewed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := storageRequest(t, "PUT", "https://bucket.obs.eu-de.otc.t-systems.com/key?acl", "", http.Header{
				"Date": {date}, "Content-Md5": {"sum"}, "X-Obs-Security-Token": {"token"}, "Authorization": {"OBS TEMPORARY:" + sign(text, "secret")},
			})
			if test.change != nil {
				test.change(r)
			}
			bucket := "bucket"
			if test.bucket != "" {
				bucket = test.bucket
			}
			_, err := storageKeys(temporary).VerifyOBS(r, bucket, storageNow.Add(test.at))
			wantDenial(t, err, test.want)
		})
	}
}
