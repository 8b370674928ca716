package lambda_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	local "github.com/dataarts-backup/dataarts-backup/infra/local/lambda"
	"github.com/dataarts-backup/dataarts-backup/shared/lambda"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
)

func TestClient_RunStartsTheFunction(t *testing.T) {
	t.Parallel()
	for name, function := range map[string]string{
		"by_name": "backup", "by_name_and_version": "backup:$LATEST", "by_ARN": arn, "by_ARN_and_version": arn + ":$LATEST",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAWS(t, local.Options{})
			id, err := a.client(t, function).Run(t.Context(), []byte(`{"do":"event","text":"ä & <b>"}`))
			if err != nil {
				t.Fatal(err)
			}
			r, err := a.function.Event(t.Context(), id)
			if err != nil || r.FunctionError != nil || !strings.Contains(string(r.Payload), "ä & <b>") {
				t.Errorf("%v, %+v, answer %s", err, r.FunctionError, r.Payload)
			}
		})
	}
}

func TestClient_RunFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		function string
		command  string
		change   func(*aws, *lambda.Options)
		want     string
	}{
		"a_function_that_is_not_there": {"restore", `{}`, nil, "invoke the Lambda function: status 404, ResourceNotFoundException, Function not found: arn:aws:lambda:eu-central-1:000000000000:function:restore"},
		"a_version_that_is_not_there":  {"backup:prod", `{}`, nil, "ResourceNotFoundException, Function not found: arn:aws:lambda:eu-central-1:000000000000:function:backup:prod"},
		"a_command_that_is_no_JSON":    {"backup", `{`, nil, "status 400, InvalidRequestContentException"},
		"a_command_that_is_too_large":  {"backup", `"` + strings.Repeat("x", 1<<20) + `"`, nil, "status 413, RequestTooLargeException"},
		"keys_that_have_expired":       {"backup", `{}`, func(a *aws, o *lambda.Options) { o.Credentials.SecurityToken = "old" }, "status 403, UnrecognizedClientException"},
		"a_wrong_secret":               {"backup", `{}`, func(a *aws, o *lambda.Options) { o.Credentials.SecretKey = "wrong" }, "status 403, InvalidSignatureException"},
		"an_answer_without_an_id":      {"backup", `{}`, func(a *aws, o *lambda.Options) { a.around = drop("X-Amzn-Requestid") }, "the answer holds no request id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAWS(t, local.Options{})
			c := a.client(t, test.function, func(o *lambda.Options) {
				if test.change != nil {
					test.change(a, o)
				}
			})
			id, err := c.Run(t.Context(), []byte(test.command))
			if err == nil || id != "" || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), a.keys.SecretKey) {
				t.Errorf("%q, %v, want %s", id, err, test.want)
			}
		})
	}
}

func drop(header string) func(*http.Request, func() (*http.Response, error)) (*http.Response, error) {
	return func(_ *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
		response, err := send()
		if err == nil {
			response.Header.Del(header)
		}
		return response, err
	}
}

func TestClient_RunDoesNotStartTheFunctionTwice(t *testing.T) {
	t.Parallel()
	for name, around := range map[string]func(*http.Request, func() (*http.Response, error)) (*http.Response, error){
		"the_answer_is_lost": func(_ *http.Request, send func() (*http.Response, error)) (*http.Response, error) {
			if response, err := send(); err == nil {
				_ = response.Body.Close()
			}
			return nil, errors.New("connection reset by peer")
		},
		"the_service_fails": func(*http.Request, func() (*http.Response, error)) (*http.Response, error) {
			return respond(http.StatusInternalServerError, `{"Message":"oh"}`, "X-Amzn-ErrorType", "ServiceException")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAWS(t, local.Options{})
			a.around = around
			_, err := a.client(t, "backup").Run(t.Context(), []byte(`{"do":"see"}`))
			failed, ok := errors.AsType[*signing.Error](err)
			if !ok || !failed.Unknown || a.counted("POST") != 1 {
				t.Errorf("%v after %d requests, want one whose fate is unknown", err, a.counted("POST"))
			}
		})
	}
}

func TestNew_NamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	keys := signing.Credentials{AccessKey: "a", SecretKey: "b"}
	for want, o := range map[string]lambda.Options{
		`"urn:fss:eu:p:function:default:backup" is neither the name nor the ARN`: {Function: "urn:fss:eu:p:function:default:backup", Region: region, Credentials: keys, Transport: http.DefaultTransport},
		"AWS_REGION":              {Function: "backup", Credentials: keys, Transport: http.DefaultTransport},
		"access key":              {Function: "backup", Region: region, Transport: http.DefaultTransport},
		"transport":               {Function: "backup", Region: region, Credentials: keys},
		"scheduler: endpoint: \"": {Function: "backup", Region: region, Credentials: keys, Transport: http.DefaultTransport, SchedulerEndpoint: "ftp://x"},
	} {
		if _, err := lambda.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want one with %s", err, want)
		}
	}
}

// seen is a transport that notes the host of a request and the region it is signed for.
type seen struct{ host, scope string }

func (s *seen) RoundTrip(r *http.Request) (*http.Response, error) {
	s.host, s.scope = r.URL.Host, strings.Join(strings.Split(r.Header.Get("Authorization"), "/")[2:4], "/")
	return nil, errors.New("seen")
}

func TestClient_GoesToTheRegionOfTheFunction(t *testing.T) {
	t.Parallel()
	for function, want := range map[string][2]string{
		"backup": {"lambda.eu-central-1.amazonaws.com", "scheduler.eu-central-1.amazonaws.com"},
		"arn:aws:lambda:us-east-1:123456789012:function:backup":            {"lambda.us-east-1.amazonaws.com", "scheduler.us-east-1.amazonaws.com"},
		"arn:aws-cn:lambda:cn-north-1:123456789012:function:backup:1":      {"lambda.cn-north-1.amazonaws.com.cn", "scheduler.cn-north-1.amazonaws.com.cn"},
		"arn:aws-eusc:lambda:eusc-de-east-1:123456789012:function:backup":  {"lambda.eusc-de-east-1.amazonaws.eu", "scheduler.eusc-de-east-1.amazonaws.eu"},
		"arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:backup": {"lambda.us-gov-west-1.amazonaws.com", "scheduler.us-gov-west-1.amazonaws.com"},
	} {
		s := &seen{}
		c, err := lambda.New(lambda.Options{Function: function, Region: region, Credentials: signing.Credentials{AccessKey: "a", SecretKey: "b"}, Transport: s, Sleep: noPause})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Run(t.Context(), []byte(`{}`))
		if got := *s; got.host != want[0] || got.scope != strings.Split(want[0], ".")[1]+"/lambda" {
			t.Errorf("%s is started at %+v, want %s", function, got, want[0])
		}
		if _, err := c.Timers(t.Context()); err == nil {
			t.Error("no error")
		}
		if got := *s; got.host != want[1] || got.scope != strings.Split(want[1], ".")[1]+"/scheduler" {
			t.Errorf("schedules of %s are listed at %+v, want %s", function, got, want[1])
		}
	}
}
