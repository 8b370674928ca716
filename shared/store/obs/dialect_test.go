package obs_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
)

func TestDialect(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]obs.Protocol{
		"https://obs.eu-de.otc.t-systems.com":                  obs.OBS,
		"https://obs.eu-de.otc.t-systems.com/":                 obs.OBS,
		"https://OBS.EU-NL.otc.t-systems.com:443":              obs.OBS,
		"https://obs.otc.t-systems.com":                        obs.OBS,
		"https://obs.cn-north-4.myhuaweicloud.com":             obs.OBS,
		"https://obs.eu-west-101.myhuaweicloud.eu":             obs.OBS,
		"https://s3.eu-central-1.amazonaws.com":                obs.S3,
		"https://minio.example.com":                            obs.S3,
		"https://minio.example.com:9000":                       obs.S3,
		"http://127.0.0.1:9000":                                obs.S3,
		"http://localhost:9000":                                obs.S3,
		"https://obs.eu-de.otc.t-systems.com.attacker.example": obs.S3,
		"https://notmyhuaweicloud.com":                         obs.S3,
	} {
		if got, err := obs.Dialect(endpoint); got != want || err != nil {
			t.Errorf("Dialect(%q) = %v, %v; want %v", endpoint, got, err, want)
		}
	}
}

func TestDialect_NamesWhatIsWrongWithAnEndpoint(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"":                                   "empty",
		"obs.eu-de.otc.t-systems.com":        "begins with https://",
		"127.0.0.1:9000":                     "begins with https://",
		"ftp://obs.eu-de.otc.t-systems.com":  `scheme "ftp"`,
		"obs://bucket":                       `scheme "obs"`,
		"http://obs.eu-de.otc.t-systems.com": "TLS",
		"https://bucket.obs.eu-de.otc.t-systems.com": `bucket "bucket"; want https://obs.eu-de.otc.t-systems.com`,
		"https://iam.eu-de.otc.t-systems.com":        "not an OBS host",
		"https://s3.example.com/bucket":              "ends after the host",
		"https://s3.example.com?x=y":                 "ends after the host",
		"http://[::1]:9000":                          "IPv6",
		"https://user:pa55@s3.example.com":           "no user or password",
	} {
		_, err := obs.Dialect(endpoint)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pa55") {
			t.Errorf("Dialect(%q): error %v, want one with %q", endpoint, err, want)
		}
		if _, err := obs.New(obs.Options{Endpoint: endpoint, AccessKey: "a", SecretKey: "s"}); err == nil {
			t.Errorf("New took endpoint %q", endpoint)
		}
	}
}

func TestNew_WantsKeys(t *testing.T) {
	t.Parallel()
	if _, err := obs.New(obs.Options{Endpoint: obsEndpoint, AccessKey: "a"}); err == nil {
		t.Error("no error without a secret key")
	}
}

// TestClient_Addresses holds where requests go to: path style is refused by OBS, and a server on a port has no host names for buckets.
func TestClient_Addresses(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]struct{ url, authorization string }{
		"https://obs.eu-de.otc.t-systems.com":          {"https://bucket.obs.eu-de.otc.t-systems.com/dir/k%20%25", "OBS TESTACCESSKEY:"},
		"https://s3.amazonaws.com":                     {"https://bucket.s3.amazonaws.com/dir/k%20%25", "/us-east-1/s3/"},
		"https://s3.eu-central-1.amazonaws.com":        {"https://bucket.s3.eu-central-1.amazonaws.com/dir/k%20%25", "/eu-central-1/s3/"},
		"https://s3-eu-west-1.amazonaws.com":           {"https://bucket.s3-eu-west-1.amazonaws.com/dir/k%20%25", "/eu-west-1/s3/"},
		"https://s3.dualstack.eu-west-1.amazonaws.com": {"https://bucket.s3.dualstack.eu-west-1.amazonaws.com/dir/k%20%25", "/eu-west-1/s3/"},
		"https://s3.cn-north-1.amazonaws.com.cn":       {"https://bucket.s3.cn-north-1.amazonaws.com.cn/dir/k%20%25", "/cn-north-1/s3/"},
		"https://minio.example.com":                    {"https://bucket.minio.example.com/dir/k%20%25", "/us-east-1/s3/"},
		"https://minio.example.com:9000":               {"https://minio.example.com:9000/bucket/dir/k%20%25", "/us-east-1/s3/"},
		"http://127.0.0.1":                             {"http://127.0.0.1/bucket/dir/k%20%25", "/us-east-1/s3/"},
		"http://localhost":                             {"http://localhost/bucket/dir/k%20%25", "/us-east-1/s3/"},
	} {
		t.Run(endpoint, func(t *testing.T) {
			t.Parallel()
			var got *http.Request
			client := newClient(t, endpoint, roundTripper(func(r *http.Request) (*http.Response, error) {
				got = r
				return &http.Response{StatusCode: 403, Status: "403 Forbidden", Header: http.Header{}, Body: http.NoBody}, nil
			}), 0)
			if _, err := client.Bucket("bucket").Put(t.Context(), "dir/k %", []byte("x"), store.Condition{}); err == nil {
				t.Fatal("no error")
			}
			if url := got.URL.Scheme + "://" + got.Host + got.URL.EscapedPath(); url != want.url {
				t.Errorf("sent to %s, want %s", url, want.url)
			}
			if authorization := got.Header.Get("Authorization"); !strings.Contains(authorization, want.authorization) {
				t.Errorf("authorization %q, want %q", authorization, want.authorization)
			}
		})
	}
}
