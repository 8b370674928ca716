package iam_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/signer"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/request"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

// signed returns a request as a server receives it, signed by the SDK itself.
func signed(t *testing.T, keys iam.Credentials, method, path string, query map[string]string, body string, headers map[string]string) *http.Request {
	t.Helper()
	const endpoint = "https://dayu-dlf.eu-de.example"
	builder := request.NewHttpRequestBuilder().WithEndpoint(endpoint).WithPath(path).WithMethod(method).
		AddHeaderParam("Content-Type", "application/json;charset=UTF-8").
		AddHeaderParam("X-Project-Id", "p").
		AddHeaderParam("host", "dayu-dlf.eu-de.example")
	if keys.SecurityToken != "" {
		builder.AddHeaderParam("X-Security-Token", keys.SecurityToken)
	}
	for name, value := range headers {
		builder.AddHeaderParam(name, value)
	}
	values := url.Values{}
	for name, value := range query {
		builder.AddQueryParam(name, reflect.ValueOf(value))
		values.Set(name, value)
	}
	if body != "" {
		builder.WithBody("", body)
	}
	sdk := builder.Build()
	added, err := signer.Sign(sdk, keys.AccessKey, keys.SecretKey)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	// What the SDK sends: URL.Path is the plain path, so net/http spells it.
	u := url.URL{Scheme: "https", Host: "dayu-dlf.eu-de.example", Path: path, RawQuery: values.Encode()}
	r := httptest.NewRequest(method, u.String(), strings.NewReader(body))
	for name, value := range sdk.GetHeaderParams() {
		r.Header.Set(name, value)
	}
	for name, value := range added {
		r.Header.Set(name, value)
	}
	return r
}

var (
	permanent = iam.Credentials{AccessKey: "AK1", SecretKey: "secret1"}
	temporary = iam.Credentials{AccessKey: "AK2", SecretKey: "secret2", SecurityToken: "token2"}
)

func keyring() *iam.Keyring {
	var k iam.Keyring
	k.Add(permanent)
	k.Add(temporary)
	return &k
}

func TestKeyring_VerifySDK_accepts_what_the_SDK_signs(t *testing.T) {
	t.Parallel()
	names := map[string]string{
		"plain":    "ods_orders",
		"chinese":  "订单汇总",
		"blank":    "a b",
		"percent":  "100%",
		"escaped":  "a%20b",
		"plus":     "a+b",
		"marks":    "a(b)'c!*;,:@&=$~",
		"question": "what?#",
		"braces":   "{project_id}",
	}
	for title, name := range names {
		for _, keys := range []iam.Credentials{permanent, temporary} {
			t.Run(title+"/"+keys.AccessKey, func(t *testing.T) {
				t.Parallel()
				r := signed(t, keys, "PUT", "/v1/p/jobs/"+name, map[string]string{"q": name, "a": "", "B": "~ +%"}, `{"a":1}`, nil)
				got, err := keyring().VerifySDK(r, []byte(`{"a":1}`), time.Now())
				if err != nil {
					t.Fatalf("VerifySDK: %v", err)
				}
				if got != keys {
					t.Errorf("signed by %v, want %v", got, keys)
				}
			})
		}
	}
}

func TestKeyring_VerifySDK_takes_any_spelling_of_a_path(t *testing.T) {
	t.Parallel()
	r := signed(t, permanent, "GET", "/v1/p/jobs/a+b", nil, "", nil)
	r.URL.RawPath = "/v1/p/jobs/a%2Bb"
	if _, err := keyring().VerifySDK(r, nil, time.Now()); err != nil {
		t.Errorf("VerifySDK: %v", err)
	}
}

func TestKeyring_VerifySDK_takes_an_unsigned_payload(t *testing.T) {
	t.Parallel()
	r := signed(t, permanent, "POST", "/v1/p/files", nil, "data", map[string]string{"Content-Type": "application/octet-stream"})
	if got := r.Header.Get("X-Sdk-Content-Sha256"); got != "UNSIGNED-PAYLOAD" {
		t.Fatalf("the SDK sent the payload hash %q", got)
	}
	if _, err := keyring().VerifySDK(r, []byte("data"), time.Now()); err != nil {
		t.Errorf("VerifySDK: %v", err)
	}
}

func TestKeyring_VerifySDK_refuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		keys   iam.Credentials
		change func(r *http.Request)
		body   string
		now    time.Duration
		want   string
	}{
		"no Authorization":                     {change: func(r *http.Request) { r.Header.Del("Authorization") }, want: "Authorization is missing"},
		"another algorithm":                    {change: func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 x") }, want: "SDK-HMAC-SHA256"},
		"half an Authorization":                {change: func(r *http.Request) { r.Header.Set("Authorization", "SDK-HMAC-SHA256 Access=AK1") }, want: "needs Access"},
		"an unknown access key":                {keys: iam.Credentials{AccessKey: "AK9", SecretKey: "x"}, want: "ak not exist"},
		"a wrong secret":                       {keys: iam.Credentials{AccessKey: "AK1", SecretKey: "x"}, want: "verify aksk signature fail"},
		"a temporary key's token missing":      {keys: iam.Credentials{AccessKey: "AK2", SecretKey: "secret2"}, want: "needs the header"},
		"a temporary key's token wrong":        {keys: iam.Credentials{AccessKey: "AK2", SecretKey: "secret2", SecurityToken: "x"}, want: "not that of"},
		"a permanent key with a token":         {keys: iam.Credentials{AccessKey: "AK1", SecretKey: "secret1", SecurityToken: "x"}, want: "not that of"},
		"another method":                       {change: func(r *http.Request) { r.Method = "DELETE" }, want: "verify aksk signature fail"},
		"another path":                         {change: func(r *http.Request) { r.URL.Path = "/v1/p/jobs/b" }, want: "verify aksk signature fail"},
		"another query":                        {change: func(r *http.Request) { r.URL.RawQuery = "limit=2" }, want: "verify aksk signature fail"},
		"a malformed query":                    {change: func(r *http.Request) { r.URL.RawQuery = "a=%zz" }, want: "query"},
		"another signed header":                {change: func(r *http.Request) { r.Header.Set("X-Project-Id", "q") }, want: "verify aksk signature fail"},
		"another host":                         {change: func(r *http.Request) { r.Host = "elsewhere" }, want: "verify aksk signature fail"},
		"another body":                         {body: `{"a":2}`, want: "verify aksk signature fail"},
		"a stated hash that is not the body's": {change: func(r *http.Request) { r.Header.Set("X-Sdk-Content-Sha256", strings.Repeat("0", 64)) }, want: "not the hash"},
		"a request from long ago":              {now: 16 * time.Minute, want: "expired"},
		"a request from the future":            {now: -16 * time.Minute, want: "expired"},
		"a malformed date":                     {change: func(r *http.Request) { r.Header.Set("X-Sdk-Date", "today") }, want: "X-Sdk-Date"},
		"a date that is not signed": {change: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "x-sdk-date", "x-other", 1))
		}, want: "not among the signed headers"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys := test.keys
			if keys.AccessKey == "" {
				keys = permanent
			}
			r := signed(t, keys, "PUT", "/v1/p/jobs/a", map[string]string{"limit": "1"}, `{"a":1}`, nil)
			if test.change != nil {
				test.change(r)
			}
			body := `{"a":1}`
			if test.body != "" {
				body = test.body
			}
			_, err := keyring().VerifySDK(r, []byte(body), time.Now().Add(test.now))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("VerifySDK: %v, want an error about %q", err, test.want)
			}
		})
	}
}

func TestKeyring_Remove_makes_signatures_invalid(t *testing.T) {
	t.Parallel()
	k := keyring()
	r := signed(t, temporary, "GET", "/v1/p/jobs", nil, "", nil)
	k.Remove(temporary.AccessKey)
	if _, err := k.VerifySDK(r, nil, time.Now()); err == nil {
		t.Error("VerifySDK accepted keys that were removed")
	}
}
