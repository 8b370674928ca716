package event_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/shared/event"
)

// dialects are one request of each gateway.
var dialects = []string{"functiongraph-apig-base64.json", "lambda-apigw-v1.json", "lambda-apigw-v2.json", "lambda-function-url.json"}

// answer is a response as a gateway reads it.
type answer struct {
	StatusCode        int                 `json:"statusCode"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Cookies           []string            `json:"cookies"`
	Body              string              `json:"body"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
}

func (a answer) body(t *testing.T) string {
	t.Helper()
	if !a.IsBase64Encoded {
		return a.Body
	}
	data, err := base64.StdEncoding.DecodeString(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestRequest_EncodeGivesEveryGatewayTheSameResponse(t *testing.T) {
	t.Parallel()
	for _, file := range dialects {
		for name, body := range map[string]string{
			"JSON": `{"id":"r1","html":"<&>"}`, "empty": "", "text": "Größe 恢复\u2028\x00", "binary": "\x1f\x8b\x00\xff",
		} {
			t.Run(file+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := decodeAs[event.Request](t, string(read(t, filepath.Join(eventsDir, file))))
				encoded, err := r.Encode(http.StatusAccepted, http.Header{"Location": {"/restores/r1"}}, []byte(body))
				if err != nil {
					t.Fatal(err)
				}
				var fields map[string]json.RawMessage
				if err := json.Unmarshal(encoded, &fields); err != nil {
					t.Fatal(err)
				}
				for _, needed := range []string{"isBase64Encoded", "statusCode", "headers", "body"} {
					if _, ok := fields[needed]; !ok {
						t.Errorf("field %s is missing in %s", needed, encoded)
					}
				}
				var got answer
				if err := json.Unmarshal(encoded, &got); err != nil {
					t.Fatal(err)
				}
				if got.StatusCode != http.StatusAccepted || got.Headers["Location"] != "/restores/r1" {
					t.Errorf("response is %s", encoded)
				}
				if got.body(t) != body {
					t.Errorf("body is %q, want %q", got.body(t), body)
				}
				if got.IsBase64Encoded != (name == "binary") {
					t.Errorf("isBase64Encoded is %t", got.IsBase64Encoded)
				}
			})
		}
	}
}

func TestRequest_EncodeExactly(t *testing.T) {
	t.Parallel()
	got, err := event.Request{}.Encode(202, http.Header{"Content-Type": {"application/json"}}, []byte(`{"status":"<accepted>"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"isBase64Encoded":false,"statusCode":202,"headers":{"Content-Type":"application/json"},"body":"{\"status\":\"<accepted>\"}"}`
	if string(got) != want {
		t.Errorf("response is\n%s\nwant\n%s", got, want)
	}
	got, err = event.Request{}.Encode(204, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"isBase64Encoded":false,"statusCode":204,"headers":{},"body":""}`; string(got) != want {
		t.Errorf("response is\n%s\nwant\n%s", got, want)
	}
}

func TestRequest_EncodeHeadersWithSeveralValues(t *testing.T) {
	t.Parallel()
	header := http.Header{"Vary": {"Accept", "Origin"}, "Set-Cookie": {"a=1", "b=2"}, "X-None": {}}
	for source, want := range map[string]answer{
		event.APIGatewayV1: {Headers: map[string]string{}, MultiValueHeaders: map[string][]string{"Vary": {"Accept", "Origin"}, "Set-Cookie": {"a=1", "b=2"}}},
		event.APIGatewayV2: {Headers: map[string]string{"Vary": "Accept, Origin"}, Cookies: []string{"a=1", "b=2"}},
		event.FunctionURL:  {Headers: map[string]string{"Vary": "Accept, Origin"}, Cookies: []string{"a=1", "b=2"}},
	} {
		encoded, err := event.Request{Source: source}.Encode(200, header, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got answer
		if err := json.Unmarshal(encoded, &got); err != nil {
			t.Fatal(err)
		}
		want.StatusCode = 200
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: response differs (-want +got):\n%s", source, diff)
		}
	}
}

func TestRequest_EncodeRefusesWhatTheGatewayCannotSend(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		header http.Header
		want   string
	}{
		"a status that is none":      {0, nil, "encode response: status 0, want one from 100 to 599"},
		"two cookies through APIG":   {200, http.Header{"Set-Cookie": {"a=1", "b=2"}}, "encode response: 2 Set-Cookie headers, want at most one for an APIG request"},
		"a header that is not UTF-8": {200, http.Header{"X": {"\xff"}}, `encode response: header "X" is not UTF-8 text`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := event.Request{Source: event.APIG}.Encode(c.status, c.header, nil)
			if err == nil {
				t.Fatalf("encoded to %s, want an error", got)
			}
			if err.Error() != c.want {
				t.Errorf("error is %q, want %q", err, c.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, file := range eventFiles(f) {
		f.Add(read(f, file))
	}
	unsupported, err := filepath.Glob("testdata/unsupported/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range unsupported {
		f.Add(read(f, file))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := event.Decode(payload)
		if err != nil {
			if got != nil || strings.HasSuffix(err.Error(), "%!w(<nil>)") {
				t.Fatalf("decoded to %#v with the error %q", got, err)
			}
			return
		}
		if got.Trigger() == "" {
			t.Errorf("%#v has no trigger", got)
		}
		switch e := got.(type) {
		case event.Command:
			if !json.Valid(e.JSON) {
				t.Errorf("the command is no JSON: %q", e.JSON)
			}
		case event.Timer:
			if e.Time.IsZero() && !strings.Contains(string(payload), "0001-01-01") {
				t.Error("the timer has no time")
			}
		case event.Objects:
			for _, o := range e.Objects {
				if o.Bucket == "" || len(o.Keys) == 0 || o.Keys[0] == "" || o.Event == "" || o.Size < 0 {
					t.Errorf("the object is half decoded: %#v", o)
				}
			}
		case event.Request:
			if e.Method == "" || !strings.HasPrefix(e.Path, "/") {
				t.Errorf("the request is half decoded: %#v", e)
			}
			encoded, err := e.Encode(200, http.Header{"Content-Type": {"application/json"}}, e.Body)
			if err != nil {
				t.Fatalf("the response to a decoded request does not encode: %v", err)
			}
			var back answer
			if err := json.Unmarshal(encoded, &back); err != nil || back.body(t) != string(e.Body) {
				t.Errorf("the body %q comes back as %q (%v)", e.Body, back.Body, err)
			}
		}
	})
}
