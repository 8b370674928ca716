package notify_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
	"github.com/dataarts-backup/dataarts-backup/infra/local/smn"
	"github.com/dataarts-backup/dataarts-backup/shared/notify"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

// service is the local SMN with a topic, and a client that publishes to it.
func service(t *testing.T, secret, topic string) (*smn.Service, *notify.Client) {
	t.Helper()
	ring := &iam.Keyring{}
	ring.Add(iam.Credentials{AccessKey: "ak", SecretKey: "sk", SecurityToken: "st"})
	s := smn.New(smn.Options{Keyring: ring, ProjectID: "0dd3"})
	s.CreateTopic("eu-de", "alerts")
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := notify.New(notify.Options{Endpoint: server.URL, TopicURN: topic, Credentials: signing.Credentials{AccessKey: "ak", SecretKey: secret, SecurityToken: "st"},
		Transport: server.Client().Transport})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

const topic = "urn:smn:eu-de:0dd3:alerts"

func TestClient_Publish(t *testing.T) {
	t.Parallel()
	lines := strings.Repeat(strings.Repeat("é", 500)+"\n", 1000)
	for name, test := range map[string]struct {
		subject, message         string
		wantSubject, wantMessage func(string) bool
	}{
		"as_it_is":                   {"backup FAILED", "line 1\nline <2>", is("backup FAILED"), is("line 1\nline <2>")},
		"a_subject_of_several_lines": {"a\nb\tc", "x", is("a b c"), is("x")},
		"a_subject_that_just_fits":   {strings.Repeat("s", notify.MaxSubject), "x", is(strings.Repeat("s", notify.MaxSubject)), is("x")},
		"a_subject_that_is_too_long": {strings.Repeat("é", notify.MaxSubject), "x", func(s string) bool { return strings.HasSuffix(s, "é…") && len(s) <= notify.MaxSubject }, is("x")},
		"a_message_that_just_fits":   {"s", strings.Repeat("m", notify.MaxMessage), is("s"), is(strings.Repeat("m", notify.MaxMessage))},
		"a_message_of_too_many_lines": {"s", lines, is("s"), func(s string) bool {
			return strings.HasPrefix(lines, s[:strings.Index(s, "\n(cut: ")+1]) && strings.Contains(s, "more lines do not fit")
		}},
		"a_message_of_one_long_line": {"s", strings.Repeat("é", notify.MaxMessage), is("s"), func(s string) bool { return strings.HasSuffix(s, "(cut: the whole message has 524288 bytes)") }},
		"no_message":                 {"s", "", is("s"), is("-")},
		"what_is_no_UTF-8":           {"s\xff", "m\xff", is("s?"), is("m?")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := service(t, "sk", topic)
			id, err := c.Publish(t.Context(), test.subject, test.message)
			if err != nil {
				t.Fatal(err)
			}
			got := s.Messages()
			if len(got) != 1 || got[0].ID != id || got[0].Topic != topic || !test.wantSubject(got[0].Subject) || !test.wantMessage(got[0].Text) || !utf8.ValidString(got[0].Text) {
				t.Errorf("published %d messages, the first with subject %.600q", len(got), got[0].Subject)
			}
			if m := got[0]; len(m.Subject) > notify.MaxSubject || len(m.Text) > notify.MaxMessage {
				t.Errorf("subject of %d bytes, message of %d", len(m.Subject), len(m.Text))
			}
		})
	}
}

func is(want string) func(string) bool { return func(got string) bool { return got == want } }

func TestClient_PublishFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		secret, topic, want string
		intercept           func(http.ResponseWriter, *http.Request) bool
	}{
		"with_other_keys":               {secret: "another", topic: topic, want: "APIG.0301"},
		"for_a_topic_that_is_not_there": {secret: "sk", topic: topic + "2", want: "SMN.00010008"},
		"in_another_project":            {secret: "sk", topic: "urn:smn:eu-de:beef:alerts", want: "SMN.00010003"},
		"when_the_answer_names_no_message": {secret: "sk", topic: topic, want: "holds no message id",
			intercept: func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusOK); return true }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := service(t, test.secret, test.topic)
			s.Intercept(test.intercept)
			if _, err := c.Publish(t.Context(), "s", "m"); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if n := len(s.Messages()); n != 0 {
				t.Errorf("%d messages are published", n)
			}
		})
	}
}

func TestNew_RefusesWhatIsNoTopic(t *testing.T) {
	t.Parallel()
	for _, urn := range []string{"", "alerts", "urn:smn:eu-de:0dd3", "urn:fss:eu-de:0dd3:x", "urn:smn:eu-de::x"} {
		if _, err := notify.New(notify.Options{Endpoint: "https://smn.test", TopicURN: urn, Credentials: signing.Credentials{AccessKey: "a", SecretKey: "b"},
			Transport: http.DefaultTransport}); err == nil {
			t.Errorf("%q is taken", urn)
		}
	}
}
