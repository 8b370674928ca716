package smn_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/smn"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

func TestService(t *testing.T) {
	t.Parallel()
	message := func(subject, text int) string {
		return `{"subject":"` + strings.Repeat("s", subject) + `","message":"` + strings.Repeat("m", text) + `"}`
	}
	const topic = "urn:smn:eu-de:0dd3:alerts"
	for name, test := range map[string]struct {
		method, project, topic, body string
		keys                         signing.Credentials
		status                       int
	}{
		"a_message_as_large_as_may_be":       {body: message(512, 256<<10), status: 200},
		"a_subject_that_is_too_long":         {body: message(513, 1), status: 400},
		"a_message_that_is_too_long":         {body: message(1, 256<<10+1), status: 400},
		"no_message":                         {body: message(1, 0), status: 400},
		"no_JSON":                            {body: `hello`, status: 400},
		"no_UTF-8":                           {body: "{\"message\":\"\xff\"}", status: 400},
		"a_topic_that_is_not_there":          {topic: topic + "2", body: message(1, 1), status: 404},
		"another_project":                    {project: "beef", body: message(1, 1), status: 403},
		"a_method_that_there_is_not":         {method: http.MethodGet, status: 404},
		"keys_that_there_are_not":            {keys: signing.Credentials{AccessKey: "a", SecretKey: "b"}, body: message(1, 1), status: 401},
		"keys_with_another_secret":           {keys: signing.Credentials{AccessKey: "ak", SecretKey: "b", SecurityToken: "st"}, body: message(1, 1), status: 401},
		"temporary_keys_without_their_token": {keys: signing.Credentials{AccessKey: "ak", SecretKey: "sk"}, body: message(1, 1), status: 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ring := &iam.Keyring{}
			ring.Add(iam.Credentials{AccessKey: "ak", SecretKey: "sk", SecurityToken: "st"})
			s := smn.New(smn.Options{Keyring: ring, ProjectID: "0dd3"})
			if urn := s.CreateTopic("eu-de", "alerts"); urn != topic {
				t.Fatalf("the topic is %s", urn)
			}
			or := func(value, byDefault string) string {
				if value == "" {
					return byDefault
				}
				return value
			}
			if test.keys == (signing.Credentials{}) {
				test.keys = signing.Credentials{AccessKey: "ak", SecretKey: "sk", SecurityToken: "st"}
			}
			base, err := signing.ParseEndpoint("http://smn.test")
			if err != nil {
				t.Fatal(err)
			}
			r, err := signing.Request{Base: base, Method: or(test.method, http.MethodPost), KeepColons: true, ProjectID: "0dd3", ContentType: "application/json", Body: []byte(test.body),
				Path: []string{"v2", or(test.project, "0dd3"), "notifications", "topics", or(test.topic, topic), "publish"}}.Sign(test.keys, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			var answer map[string]string
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != test.status || answer["request_id"] == "" {
				t.Fatalf("%d %v %v, want %d", w.Code, answer, err, test.status)
			}
			published := s.Messages()
			if test.status != 200 {
				if len(published) != 0 {
					t.Errorf("%d messages are published", len(published))
				}
				return
			}
			if len(published) != 1 || published[0].ID != answer["message_id"] || published[0].Topic != topic {
				t.Errorf("answer %v, published %d", answer, len(published))
			}
		})
	}
}
