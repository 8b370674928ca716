package event_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/shared/event"
)

// decodeAs decodes a payload that must be an event of type E.
func decodeAs[E event.Event](t *testing.T, payload string) E {
	t.Helper()
	got, err := event.Decode([]byte(payload))
	if err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	e, ok := got.(E)
	if !ok {
		t.Fatalf("%s: decoded to a %T", payload, got)
	}
	return e
}

func TestDecode_Faults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ payload, want string }{
		"nothing":         {"", "the event is empty, want a JSON object ({} is the plainest command)"},
		"only space":      {" \n", "the event is empty, want a JSON object ({} is the plainest command)"},
		"no JSON":         {"{\n  \"date\": latest}", "the event is not JSON: line 2, column 11, date: found 'l', want a value; text stands in double quotes, and it is true, false, null in small letters"},
		"a list":          {"\n [{}]", "the event is a list (line 2, column 2), want a JSON object"},
		"a string":        {`"{}"`, "the event is a string (line 1, column 1), want a JSON object"},
		"a number":        {`7`, "the event is a number (line 1, column 1), want a JSON object"},
		"null":            {`null`, "the event is null (line 1, column 1), want a JSON object"},
		"not UTF-8":       {"{\"date\": \"\xff\"}", "the event is not JSON: line 1, column 11, date: the byte 0xff is not UTF-8, save the document as UTF-8"},
		"byte order mark": {"\xEF\xBB\xBF{}", "the event is not JSON: line 1, column 1: the document begins with a byte order mark: save it as UTF-8 without one"},

		"a timer without time":         {`{"trigger_type":"TIMER"}`, `FunctionGraph timer event: field time: holds "", want a time with an offset like 2026-01-02T00:00:00+08:00 (RFC 3339)`},
		"a timer without offset":       {`{"trigger_type":"TIMER","time":"2026-01-02T00:00:00"}`, `FunctionGraph timer event: field time: holds "2026-01-02T00:00:00", want a time with an offset like 2026-01-02T00:00:00+08:00 (RFC 3339)`},
		"a timer whose time is none":   {`{"trigger_type":"TIMER","time":1767312000}`, "FunctionGraph trigger event: field time: found a JSON number, want a JSON string"},
		"a user event that is no text": {`{"trigger_type":"TIMER","time":"2026-01-02T00:00:00Z","user_event":{}}`, "FunctionGraph trigger event: field user_event: found a JSON object, want a JSON string"},
		"a rule without time":          {`{"detail-type":"Scheduled Event","source":"aws.events"}`, `EventBridge rule event: field time: holds "", want a time with an offset like 2026-01-02T00:00:00+08:00 (RFC 3339)`},

		"no records":                  {`{"Records":[]}`, "notification: field Records is empty, want at least one record"},
		"a record without bucket":     {`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"object":{"key":"k"}}}]}`, "OBS notification: Records[0]: field bucket.name is empty, want a bucket's name"},
		"a record without key":        {`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"}}}]}`, "OBS notification: Records[0]: field object.key is empty, want an object's key"},
		"a record without event name": {`{"Records":[{"s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}`, "OBS notification: Records[0]: it does not say what happened, want an event name like ObjectCreated:Put"},
		"a size that is none":         {`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k","size":"big"}}}]}`, `notification: field size holds "big", want a number of bytes`},
		"EventGrid without data":      {`{"specversion":"1.0","type":"OBS:DWR:ObjectCreated:PUT"}`, "OBS event through EventGrid: field data is missing"},
		"EventGrid with no object":    {`{"specversion":"1.0","type":"OBS:DWR:ObjectCreated:PUT","data":{}}`, "OBS event through EventGrid: field data: it names no object"},
		"EventGrid with empty data":   {`{"specversion":"1.0","type":"OBS:DWR:ObjectCreated:PUT","data":[]}`, "OBS event through EventGrid: field data is empty, want what happened to an object"},
		"EventBridge without detail":  {`{"detail-type":"Object Created","source":"aws.s3"}`, "S3 event through EventBridge: field detail is missing"},

		"records that are no list":     {`{"Records":{}}`, "notification: field Records: found a JSON object, want a JSON array"},
		"records of both clouds":       {`{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}},{"eventName":"ObjectCreated:Put","eventSource":"aws:s3","eventVersion":"2.1","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}`, "notification: Records[1] is an S3 notification and those before it are not"},
		"a CloudEvent's type":          {`{"specversion":"1.0","type":1}`, "CloudEvent: field type: found a JSON number, want a JSON string"},
		"EventGrid's data is text":     {`{"specversion":"1.0","type":"OBS:DWR:ObjectCreated:PUT","data":"x"}`, "OBS event through EventGrid: field data: found a JSON string, want a JSON object"},
		"EventGrid's data is texts":    {`{"specversion":"1.0","type":"OBS:DWR:ObjectCreated:PUT","data":["x"]}`, "OBS event through EventGrid: field data: found a JSON string, want a JSON object"},
		"EventBridge's source":         {`{"detail-type":"Object Created","source":1}`, "EventBridge event: field source: found a JSON number, want a JSON string"},
		"EventBridge's bucket":         {`{"detail-type":"Object Created","source":"aws.s3","detail":{"bucket":"b"}}`, "S3 event through EventBridge: field detail: field bucket: found a JSON string, want a JSON object"},
		"EventBridge without a bucket": {`{"detail-type":"Object Created","source":"aws.s3","detail":{}}`, "S3 event through EventBridge: field detail: field bucket.name is empty, want a bucket's name"},

		"isBase64Encoded as text":  {`{"httpMethod":"GET","headers":{},"isBase64Encoded":"true"}`, "APIG request: field isBase64Encoded: found a JSON string, want a JSON boolean"},
		"cookies as text":          {`{"cookies":"a=1","requestContext":{"http":{"method":"GET"}}}`, "API Gateway request (format 2.0): field cookies: found a JSON string, want a JSON array"},
		"a header that is no text": {`{"httpMethod":"GET","headers":{"a":1}}`, "APIG request: a header or query parameter is neither a string nor a list of strings"},
		"a request without method": {`{"httpMethod":"","headers":{}}`, "APIG request: the method is empty, want one like GET"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := event.Decode([]byte(c.payload))
			if err == nil {
				t.Fatalf("decoded to %#v, want an error", got)
			}
			if err.Error() != c.want {
				t.Errorf("error is\n%s\nwant\n%s", err, c.want)
			}
		})
	}
}

func TestDecode_RefusesOtherServicesByName(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]string{
		`{"trigger_type":"KAFKA","records":[]}`:                          `one of a FunctionGraph trigger with trigger_type "KAFKA"`,
		`{"detail-type":"EC2 Instance State-change","source":"aws.ec2"}`: `an EventBridge event "EC2 Instance State-change" from "aws.ec2"`,
		`{"detail-type":"Scheduled Event","source":"custom"}`:            `an EventBridge event "Scheduled Event" from "custom"`,
		`{"Records":[{"eventSource":"aws:sqs","body":"{}"}]}`:            "a notification from aws:sqs",
		`{"Records":[{}]}`:    "a notification of an unnamed source",
		`{"lts":{"data":""}}`: "an LTS log event",
		`{"httpMethod":"GET","headers":{},"requestContext":{"elb":{}}}`:        "a request of an Application Load Balancer",
		`{"specversion":"1.0","type":"OBS:CloudTrace:ApiCall","source":"x"}`:   `a CloudEvent of type "OBS:CloudTrace:ApiCall" from "x"`,
		`{"specversion":"1.0","type":"com.example","source":"","data":"text"}`: `a CloudEvent of type "com.example" from ""`,
	} {
		got, err := event.Decode([]byte(payload))
		if err == nil {
			t.Errorf("%s: decoded to %#v, want an error", payload, got)
		} else if !strings.HasPrefix(err.Error(), "the event is "+want+", want a timer") {
			t.Errorf("%s: error is %q, want it to begin with %q", payload, err, "the event is "+want)
		}
	}
}

func TestDecode_Timer(t *testing.T) {
	t.Parallel()
	t.Run("keeps the offset of the event and nothing of the machine's zone", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{"2026-07-02T00:00:00+02:00", "2026-01-02T00:00:00+08:00", "2026-01-02T00:00:00-03:30", "2026-01-02T00:00:00Z"} {
			timer := decodeAs[event.Timer](t, `{"trigger_type":"TIMER","time":"`+text+`"}`)
			if got := timer.Time.Format(time.RFC3339); got != text {
				t.Errorf("time is %s, want %s", got, text)
			}
			// In a zone with daylight saving time the offset would change by the season.
			_, now := timer.Time.Zone()
			if _, later := timer.Time.AddDate(0, 6, 0).Zone(); later != now {
				t.Errorf("%s: the offset half a year later is %d, want %d", text, later, now)
			}
		}
	})
	t.Run("gives the detail of EventBridge where it holds something", func(t *testing.T) {
		t.Parallel()
		for detail, want := range map[string]string{
			`{}`: "", `"{}"`: "", `" {} "`: "", `null`: "",
			`{"workspaces":["a"]}`:       `{"workspaces":["a"]}`,
			`"{\"workspaces\":[\"a\"]}"`: `{"workspaces":["a"]}`,
			`"a note of the operator's"`: "a note of the operator's",
		} {
			timer := decodeAs[event.Timer](t, `{"detail-type":"Scheduled Event","source":"aws.scheduler","time":"2026-01-02T00:00:00Z","detail":`+detail+`}`)
			if timer.UserEvent != want {
				t.Errorf("detail %s: user event is %q, want %q", detail, timer.UserEvent, want)
			}
		}
	})
}

func TestDecode_ObjectKeys(t *testing.T) {
	t.Parallel()
	record := func(key, more string) string {
		return `{"Records":[{"eventName":"ObjectCreated:Put","eventSource":"aws:s3",` + more + `"object":{"key":` + quoted(key) + `}}}]}`
	}
	const (
		obs     = `"eventVersion":"2.0","s3":{"bucket":{"name":"b","ownerIdentity":{"PrincipalId":"x"}},`
		s3      = `"eventVersion":"2.1","s3":{"bucket":{"name":"b","ownerIdentity":{"principalId":"x"}},`
		s3Bare  = `"eventVersion":"2.1","s3":{"bucket":{"name":"b"},`
		unclear = `"eventVersion":"2.0","s3":{"bucket":{"name":"b"},`
	)
	grid := func(key, subject string) string {
		return `{"specversion":"1.0","source":"HC.OBS.DWR","type":"OBS:DWR:ObjectCreated:CompleteMultipartUpload","subject":` + quoted(subject) +
			`,"data":{"obs":{"bucket":{"name":"b"},"object":{"key":` + quoted(key) + `}}}}`
	}
	for name, c := range map[string]struct {
		payload string
		want    []string
	}{
		"S3 always encodes":                               {record("a%2Fb+c", s3), []string{"a/b c"}},
		"S3 without an owner shows by its version":        {record("a%2Fb", s3Bare), []string{"a/b"}},
		"S3's key that is not encoded after all is kept":  {record("100%", s3), []string{"100%"}},
		"OBS may have encoded":                            {record("a%2Fb+c", obs), []string{"a/b c", "a%2Fb+c"}},
		"what could be either may have encoded":           {record("a%2Fb", unclear), []string{"a/b", "a%2Fb"}},
		"a key that reads the same both ways stands once": {record("a/b.json", obs), []string{"a/b.json"}},
		"OBS did not encode a key with a space":           {record("a b%20c", obs), []string{"a b%20c", "a b c"}},
		"OBS did not encode a key of Chinese characters":  {record("恢复/a+b", obs), []string{"恢复/a+b", "恢复/a b"}},
		"bytes that are no text are no key":               {record("a%ff", obs), []string{"a%ff"}},
		"EventGrid with Key_encode":                       {grid("a%2Fb", "a/b"), []string{"a/b", "a%2Fb"}},
		"EventGrid without Key_encode":                    {grid("a%2Fb", "a%2Fb"), []string{"a%2Fb", "a/b"}},
		"EventGrid without a subject":                     {grid("a%2Fb", ""), []string{"a/b", "a%2Fb"}},
		"EventBridge never encodes": {
			`{"detail-type":"Object Created","source":"aws.s3","detail":{"reason":"PutObject","bucket":{"name":"b"},"object":{"key":"a%2Fb+c"}}}`,
			[]string{"a%2Fb+c"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := decodeAs[event.Objects](t, c.payload)
			if len(got.Objects) != 1 {
				t.Fatalf("%d objects, want 1", len(got.Objects))
			}
			if diff := cmp.Diff(c.want, got.Objects[0].Keys); diff != "" {
				t.Errorf("keys differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecode_WhatHappenedToAnObject(t *testing.T) {
	t.Parallel()
	type happened struct {
		Event   string
		Created bool
	}
	record := func(name string) string {
		return `{"Records":[{"eventName":"` + name + `","s3":{"bucket":{"name":"b"},"object":{"key":"k","size":"12"}}}]}`
	}
	grid := func(kind, data string) string {
		return `{"specversion":"1.0","type":"OBS:DWR:` + kind + `","data":` + data + `}`
	}
	bridge := func(kind, detail string) string {
		return `{"detail-type":"` + kind + `","source":"aws.s3","detail":{` + detail + `"bucket":{"name":"b"},"object":{"key":"k"}}}`
	}
	const about = `{"bucket":{"name":"b"},"object":{"key":"k","size":12}}`
	for payload, want := range map[string]happened{
		record("ObjectCreated:CompleteMultipartUpload"): {"ObjectCreated:CompleteMultipartUpload", true},
		record("s3:ObjectCreated:Copy"):                 {"ObjectCreated:Copy", true},
		record("ObjectRemoved:DeleteMarkerCreated"):     {"ObjectRemoved:DeleteMarkerCreated", false},
		record("ObjectTagging:Put"):                     {"ObjectTagging:Put", false},

		grid("ObjectCreated:PUT", `{"obs":`+about+`}`):                                       {"ObjectCreated:Put", true},
		grid("ObjectCreated:PUT", `[{"obs":`+about+`}]`):                                     {"ObjectCreated:Put", true},
		grid("ObjectCreated:CompleteMultipartUpload", `{"s3":`+about+`}`):                    {"ObjectCreated:CompleteMultipartUpload", true},
		grid("ObjectRemoved:Delete", `{"eventName":"ObjectRemoved:Delete","obs":`+about+`}`): {"ObjectRemoved:Delete", false},

		bridge("Object Created", `"reason":"POST Object",`):                  {"ObjectCreated:Post", true},
		bridge("Object Created", `"reason":"CompleteMultipartUpload",`):      {"ObjectCreated:CompleteMultipartUpload", true},
		bridge("Object Created", ``):                                         {"ObjectCreated", true},
		bridge("Object Deleted", `"deletion-type":"Permanently Deleted",`):   {"ObjectRemoved:Delete", false},
		bridge("Object Deleted", `"deletion-type":"Delete Marker Created",`): {"ObjectRemoved:DeleteMarkerCreated", false},
		bridge("Object Tags Added", ``):                                      {"Object Tags Added", false},
	} {
		got := decodeAs[event.Objects](t, payload)
		if len(got.Objects) != 1 {
			t.Fatalf("%s: %d objects, want 1", payload, len(got.Objects))
		}
		if o := got.Objects[0]; (happened{o.Event, o.Created}) != want {
			t.Errorf("%s: event %q created %t, want %+v", payload, o.Event, o.Created, want)
		}
	}
	t.Run("every record counts", func(t *testing.T) {
		t.Parallel()
		one := `{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}`
		got := decodeAs[event.Objects](t, `{"Records":[`+one+`,`+one+`]}`)
		if len(got.Objects) != 2 {
			t.Errorf("%d objects, want 2", len(got.Objects))
		}
	})
}

// TestDecode_CommandsAreNoEnvelopes holds that no field of a command makes it another event, alone or with all others.
func TestDecode_CommandsAreNoEnvelopes(t *testing.T) {
	t.Parallel()
	all := map[string]json.RawMessage{}
	for name, value := range map[string]string{
		"workspaces": `["a"]`, "folder": `"f"`, "time": `"2026-01-02T00:00:00Z"`, "verify": `"2026-01-01"`, "id": `"r1"`,
		"path": `"obs://b/f/"`, "date": `"latest"`, "source": `"aws.s3"`, "workspace": `"w"`, "duplicateNamePolicy": `"fail"`,
		"dryRun": `true`, "planHash": `"h"`, "select": `{"kinds":["jobs"]}`, "replace": `{"connectionName":{}}`, "schedules": `"keep"`,
		"targetStatus": `"SAVED"`, "approvers": `["p"]`, "allowPartial": `false`, "undo": `"r1"`,
		// Near to an envelope, and none: the function that gets it refuses it by name.
		"records": `[]`, "headers": `{}`, "body": `"{}"`, "version": `"2.0"`, "requestContext": `{"http":"x"}`, "Event": `"other"`, "detail": `{}`,
	} {
		all[name] = json.RawMessage(value)
		payload := `{"` + name + `":` + value + `}`
		if got := decodeAs[event.Command](t, payload); string(got.JSON) != payload {
			t.Errorf("command is %s, want %s", got.JSON, payload)
		}
	}
	together, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	decodeAs[event.Command](t, string(together))
	decodeAs[event.Command](t, `{"httpMethod":"GET"}`)
}

func TestDecode_Request(t *testing.T) {
	t.Parallel()
	t.Run("header names are canonical", func(t *testing.T) {
		t.Parallel()
		for _, file := range []string{"functiongraph-apig.json", "lambda-apigw-v2.json", "lambda-function-url.json"} {
			r := decodeAs[event.Request](t, string(read(t, filepath.Join(eventsDir, file))))
			if got := r.Header["Content-Type"]; len(got) != 1 || got[0] != "application/json" {
				t.Errorf("%s: Content-Type is %q", file, got)
			}
		}
	})
	t.Run("a header of both maps is there once, one of either map is not lost", func(t *testing.T) {
		t.Parallel()
		r := decodeAs[event.Request](t, `{"httpMethod":"GET","path":"/","headers":{"accept":"b","x-one":"1"},"multiValueHeaders":{"accept":["a","b"]},
			"queryStringParameters":{"q":"2","p":"1"},"multiValueQueryStringParameters":{"q":["1","2"]}}`)
		want := http.Header{"Accept": {"a", "b"}, "X-One": {"1"}}
		if diff := cmp.Diff(want, r.Header); diff != "" {
			t.Errorf("headers differ (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string][]string{"q": {"1", "2"}, "p": {"1"}}, map[string][]string(r.Query)); diff != "" {
			t.Errorf("query differs (-want +got):\n%s", diff)
		}
	})
	t.Run("APIG may send a list where others have a second map", func(t *testing.T) {
		t.Parallel()
		r := decodeAs[event.Request](t, `{"httpMethod":"GET","path":"/","headers":{"accept":["a","b"],"x":null},"queryStringParameters":{"q":["1","2"]}}`)
		if got := r.Header.Values("Accept"); len(got) != 2 {
			t.Errorf("Accept is %q, want two values", got)
		}
		if got := r.Query["q"]; len(got) != 2 {
			t.Errorf("q is %q, want two values", got)
		}
	})
	t.Run("cookies are a header", func(t *testing.T) {
		t.Parallel()
		r := decodeAs[event.Request](t, `{"rawPath":"/","cookies":["a=1","b=2"],"requestContext":{"http":{"method":"GET"}}}`)
		if got := r.Header.Get("Cookie"); got != "a=1; b=2" {
			t.Errorf("Cookie is %q", got)
		}
	})
	t.Run("APIG's body without isBase64Encoded is base64 if it can be", func(t *testing.T) {
		t.Parallel()
		for body, want := range map[string]string{`"e30="`: "{}", `"{}"`: "{}", `null`: "", `""`: ""} {
			r := decodeAs[event.Request](t, `{"httpMethod":"POST","path":"/","headers":{},"body":`+body+`}`)
			if string(r.Body) != want {
				t.Errorf("body %s: decoded to %q, want %q", body, r.Body, want)
			}
		}
	})
	t.Run("a body that is no base64 is for the client to be told of", func(t *testing.T) {
		t.Parallel()
		r := decodeAs[event.Request](t, `{"httpMethod":"POST","path":"/restores","headers":{},"isBase64Encoded":true,"body":"{\"date\":\"latest\"}"}`)
		want := "APIG request: field body is not base64 although isBase64Encoded is true: illegal base64 data at input byte 0"
		if r.Source != event.APIG || r.Path != "/restores" || r.Body != nil || r.Malformed == nil || r.Malformed.Error() != want {
			t.Errorf("%+v", r)
		}
	})
	t.Run("malformed query pairs do not fail the function", func(t *testing.T) {
		t.Parallel()
		r := decodeAs[event.Request](t, `{"rawPath":"/","rawQueryString":"a=1&b=%zz&c=3","requestContext":{"http":{"method":"GET"}}}`)
		if diff := cmp.Diff(map[string][]string{"a": {"1"}, "c": {"3"}}, map[string][]string(r.Query)); diff != "" {
			t.Errorf("query differs (-want +got):\n%s", diff)
		}
	})
}

func TestDecode_RequestPath(t *testing.T) {
	t.Parallel()
	v1 := func(version, path, stage string) string {
		return `{` + version + `"httpMethod":"GET","path":"` + path + `","headers":{},"requestContext":{"stage":"` + stage + `"}}`
	}
	v2 := func(path, stage string) string {
		return `{"rawPath":"` + path + `","requestContext":{"stage":"` + stage + `","http":{"method":"GET","path":"/other"}}}`
	}
	for payload, want := range map[string]string{
		v1("", "/RELEASE/backups", "RELEASE"):           "/RELEASE/backups",
		v1(`"version":"1.0",`, "/prod/backups", "prod"): "/backups",
		v1("", "/backups/2026-01-01T12%3A00", ""):       "/backups/2026-01-01T12:00",
		v1("", "backups", ""):                           "/backups",
		v1("", "/100%", ""):                             "/100%",
		v2("/backups", "$default"):                      "/backups",
		v2("/prod/backups", "prod"):                     "/backups",
		v2("/prod", "prod"):                             "/",
		v2("/production", "prod"):                       "/production",
		v2("/restores/a%20b", "$default"):               "/restores/a b",
		v2("", "$default"):                              "/other",
	} {
		if r := decodeAs[event.Request](t, payload); r.Path != want {
			t.Errorf("%s: path is %q, want %q", payload, r.Path, want)
		}
	}
}

func quoted(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(data)
}
