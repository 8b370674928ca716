package objectstore_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdk "github.com/huaweicloud/huaweicloud-sdk-go-obs/obs"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
)

var keys = iam.Credentials{AccessKey: "TESTACCESSKEY", SecretKey: "test-secret-key"} //nolint:gosec // not a credential

func newServer(t *testing.T) *objectstore.Server {
	t.Helper()
	ring := &iam.Keyring{}
	ring.Add(keys)
	server := objectstore.New(objectstore.Options{Keyring: ring})
	t.Cleanup(func() { _ = server.Close() })
	if err := server.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	return server
}

// newSDK is the OBS SDK as it comes, so that nothing of the product stands between it and the server.
func newSDK(t *testing.T, server *objectstore.Server) *sdk.ObsClient {
	t.Helper()
	client, err := sdk.New(keys.AccessKey, keys.SecretKey, "https://obs.eu-de.otc.t-systems.com", sdk.WithSignature(sdk.SignatureObs),
		sdk.WithMaxRetryCount(0), sdk.WithHttpClient(&http.Client{Transport: server.Transport()}))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func putInput(key, body string) *sdk.PutObjectInput {
	input := &sdk.PutObjectInput{Body: strings.NewReader(body)}
	input.Bucket, input.Key, input.ContentLength = "bucket", key, int64(len(body))
	return input
}

// send signs a request of S3 and sends it.
func send(t *testing.T, server *objectstore.Server, method, url, body string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	if err := iam.SignV4(r, keys, "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	return roundTrip(t, server, r)
}

func roundTrip(t *testing.T, server *objectstore.Server, r *http.Request) (*http.Response, string) {
	t.Helper()
	answer, err := server.Transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(data)
}

func TestServer_SpeaksOBSToTheSDK(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	client := newSDK(t, server)
	put, err := client.PutObject(putInput("dir/作业 %+.job", "text"))
	if err != nil {
		t.Fatal(err)
	}
	if put.ETag != `"1cb251ec0d568de6a929b520c4aed8d1"` || put.RequestId == "" {
		t.Errorf("the answer has ETag %s and request id %q", put.ETag, put.RequestId)
	}
	head, err := client.GetObjectMetadata(&sdk.GetObjectMetadataInput{Bucket: "bucket", Key: "dir/作业 %+.job"})
	if err != nil || head.ContentLength != 4 {
		t.Errorf("%+v, %v", head, err)
	}
	for _, name := range []string{"x-amz-request-id", "authorization", "content-sha256", "security-token"} {
		if _, ok := head.ResponseHeaders[name]; ok {
			t.Errorf("the answer has the header %s", name)
		}
	}
}

func TestServer_Refuses(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	if err := server.PutObject("bucket", "k", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		method, url, authorization string
		status                     int
		code                       string
	}{
		"an_anonymous_request":         {"GET", "https://bucket.obs.eu-de.otc.t-systems.com/k", "", 403, "AccessDenied"},
		"an_OBS_request_in_path_style": {"GET", "https://obs.eu-de.otc.t-systems.com/bucket/k", "OBS TESTACCESSKEY:sig", 400, "VirtualHostDomainRequired"},
		"a_wrong_OBS_signature":        {"GET", "https://bucket.obs.eu-de.otc.t-systems.com/k", "OBS TESTACCESSKEY:c2ln", 403, "SignatureDoesNotMatch"},
		"an_unknown_key":               {"GET", "https://bucket.obs.eu-de.otc.t-systems.com/k", "OBS NOBODY:c2ln", 403, "InvalidAccessKeyId"},
		"signature_version_2":          {"GET", "http://127.0.0.1/bucket/k", "AWS TESTACCESSKEY:c2ln", 403, "AccessDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequestWithContext(t.Context(), test.method, test.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
			if test.authorization != "" {
				r.Header.Set("Authorization", test.authorization)
			}
			answer, body := roundTrip(t, server, r)
			if answer.StatusCode != test.status || !strings.Contains(body, "<Code>"+test.code+"</Code>") {
				t.Errorf("answered %d %s", answer.StatusCode, body)
			}
		})
	}
	t.Run("sub_resources_that_would_replace_the_object_if_they_were_ignored", func(t *testing.T) {
		t.Parallel()
		for _, query := range []string{"metadata", "modify&position=0", "acl", "append&position=0"} {
			if answer, _ := send(t, server, "PUT", "http://127.0.0.1/bucket/k?"+query, "y", nil); answer.StatusCode != 501 {
				t.Errorf("%s: answered %d", query, answer.StatusCode)
			}
		}
		if data, _ := server.GetObject("bucket", "k"); string(data) != "x" {
			t.Errorf("the object is now %q", data)
		}
	})
}

func TestServer_PathStyleAndVirtualHostAreTheSameObjects(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	if answer, body := send(t, server, "PUT", "http://127.0.0.1:9000/bucket/k", "x", nil); answer.StatusCode != 200 {
		t.Fatal(body)
	}
	for _, url := range []string{"https://bucket.s3.eu-central-1.amazonaws.com/k", "http://bucket.localhost:9000/k", "https://bucket.obs.eu-de.otc.t-systems.com/k"} {
		if _, body := send(t, server, "GET", url, "", nil); body != "x" {
			t.Errorf("%s: %s", url, body)
		}
	}
}

func TestServer_Listings(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	for _, key := range []string{"a b", "c+d", "e"} {
		if err := server.PutObject("bucket", key, nil); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("name_the_next_marker_in_OBS", func(t *testing.T) {
		t.Parallel()
		input := &sdk.ListObjectsInput{Bucket: "bucket"}
		input.MaxKeys = 2
		output, err := newSDK(t, server).ListObjects(input)
		if err != nil || !output.IsTruncated || output.NextMarker != "c+d" {
			t.Errorf("%+v, %v", output, err)
		}
	})
	t.Run("leave_it_out_in_S3_without_a_delimiter", func(t *testing.T) {
		t.Parallel()
		_, body := send(t, server, "GET", "http://127.0.0.1/bucket?max-keys=2", "", nil)
		if strings.Contains(body, "NextMarker") || !strings.Contains(body, "<IsTruncated>true</IsTruncated>") {
			t.Error(body)
		}
	})
	t.Run("encode_keys_where_that_is_asked_for", func(t *testing.T) {
		t.Parallel()
		_, body := send(t, server, "GET", "http://127.0.0.1/bucket?encoding-type=url", "", nil)
		if !strings.Contains(body, "<Key>a+b</Key>") || !strings.Contains(body, "<Key>c%2Bd</Key>") {
			t.Error(body)
		}
	})
}

func TestServer_StaleList(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	list := func() (found []string) {
		_, body := send(t, server, "GET", "http://127.0.0.1/bucket", "", nil)
		var answer struct{ Contents []struct{ Key string } }
		if err := xml.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		for _, c := range answer.Contents {
			found = append(found, c.Key)
		}
		return found
	}
	send(t, server, "PUT", "http://127.0.0.1/bucket/before", "", nil)
	server.StaleList(true)
	send(t, server, "PUT", "http://127.0.0.1/bucket/since", "", nil)
	if got := list(); fmt.Sprint(got) != "[before]" {
		t.Errorf("listed %q", got)
	}
	if _, body := send(t, server, "GET", "http://127.0.0.1/bucket/since", "", nil); body != "" {
		t.Errorf("an object that is not listed yet cannot be read: %s", body)
	}
	server.StaleList(false)
	if got := list(); fmt.Sprint(got) != "[before since]" {
		t.Errorf("listed %q", got)
	}
}

func TestServer_IgnoreConditions(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	status := func() int {
		answer, _ := send(t, server, "PUT", "http://127.0.0.1/bucket/k", "x", http.Header{"If-None-Match": {"*"}})
		return answer.StatusCode
	}
	if first, second := status(), status(); first != 200 || second != 412 {
		t.Errorf("answered %d and %d, want 200 and 412", first, second)
	}
	server.IgnoreConditions(true)
	if third := status(); third != 200 {
		t.Errorf("answered %d, want 200", third)
	}
}

func TestServer_OnObjectCreated(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	var got []string
	server.OnObjectCreated(func(bucket, key, etag string, size int64) {
		got = append(got, fmt.Sprintf("%s/%s %s %d", bucket, key, etag, size))
	})
	put := func(url, body string, header http.Header) { send(t, server, "PUT", url, body, header) }
	put("http://127.0.0.1/bucket/k", "text", nil)
	put("http://127.0.0.1/bucket/copy", "", http.Header{"X-Amz-Copy-Source": {"bucket/k"}})
	put("http://127.0.0.1/bucket/nothing", "", http.Header{"X-Amz-Copy-Source": {"bucket/none"}})
	put("http://127.0.0.1/bucket/k", "other", http.Header{"If-None-Match": {"*"}})
	put("http://127.0.0.1/no-such-bucket/k", "text", nil)
	const etag = "1cb251ec0d568de6a929b520c4aed8d1"
	if want := []string{"bucket/k " + etag + " 4", "bucket/copy " + etag + " 4"}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("heard of %q, want %q", got, want)
	}
}

func TestServer_OnObjectCreated_OfParts(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	var got []string
	server.OnObjectCreated(func(bucket, key, _ string, size int64) { got = append(got, fmt.Sprintf("%s/%s %d", bucket, key, size)) })
	client := newSDK(t, server)
	initiate := &sdk.InitiateMultipartUploadInput{}
	initiate.Bucket, initiate.Key = "bucket", "k"
	upload, err := client.InitiateMultipartUpload(initiate)
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("x"), 100)
	part, err := client.UploadPart(&sdk.UploadPartInput{Bucket: "bucket", Key: "k", UploadId: upload.UploadId, PartNumber: 1, PartSize: 100, Body: bytes.NewReader(data)})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 0 {
		t.Errorf("heard of %q before the upload was complete", got)
	}
	if _, err := client.CompleteMultipartUpload(&sdk.CompleteMultipartUploadInput{
		Bucket: "bucket", Key: "k", UploadId: upload.UploadId, Parts: []sdk.Part{{PartNumber: 1, ETag: part.ETag}},
	}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != "[bucket/k 100]" {
		t.Errorf("heard of %q", got)
	}
}

func TestServer_Faults(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	var fault *objectstore.Fault
	server.Intercept(func(call objectstore.Call) *objectstore.Fault {
		if call.Bucket != "bucket" || call.Key != "k" {
			t.Errorf("call for %s/%s", call.Bucket, call.Key)
		}
		return fault
	})
	try := func() error {
		_, err := newSDK(t, server).PutObject(putInput("k", "x"))
		return err
	}
	for _, test := range []struct {
		name   string
		fault  objectstore.Fault
		stored bool
	}{
		{"a_status_stands_in_place_of_the_request", objectstore.Fault{Status: 503, Code: "SlowDown"}, false},
		{"a_connection_can_break_before", objectstore.Fault{ResetBefore: true}, false},
		{"a_connection_can_break_after", objectstore.Fault{ResetAfter: true}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			fault = &test.fault
			if err := server.DeleteObject("bucket", "k"); err != nil {
				t.Fatal(err)
			}
			if err := try(); err == nil {
				t.Error("no error")
			}
			if _, ok := server.GetObject("bucket", "k"); ok != test.stored {
				t.Errorf("stored: %v", ok)
			}
		})
	}
	if n := server.Calls("PutObject"); n != 3 {
		t.Errorf("counted %d calls, want 3", n)
	}
}

func TestServer_Protect(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	server.Protect("bucket", "locked/")
	status := func(method, key, body string) int {
		answer, _ := send(t, server, method, "http://127.0.0.1/bucket/"+key, body, nil)
		return answer.StatusCode
	}
	for _, step := range []struct {
		method, key string
		want        int
	}{
		{"PUT", "locked/k", 200}, {"PUT", "locked/k", 403}, {"DELETE", "locked/k", 403}, {"PUT", "free", 200}, {"DELETE", "free", 204},
	} {
		if got := status(step.method, step.key, "x"); got != step.want {
			t.Errorf("%s %s: answered %d, want %d", step.method, step.key, got, step.want)
		}
	}
}

func TestServer_OnATCPPort(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	tcp := httptest.NewServer(server)
	defer tcp.Close()
	r, err := http.NewRequestWithContext(t.Context(), "PUT", tcp.URL+"/bucket/k", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := iam.SignV4(r, keys, "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	answer, err := tcp.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if data, _ := server.GetObject("bucket", "k"); answer.StatusCode != 200 || string(data) != "x" {
		t.Errorf("answered %d, stored %q", answer.StatusCode, data)
	}
}
