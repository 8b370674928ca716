package handler_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
)

func TestConsole_Requests(t *testing.T) {
	t.Parallel()

	t.Run("errors_are_json_with_a_code", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		if e := decodeConsole[consoleError](t, b.send("GET", "/nothing/here"), 404); e.Error.Code != "not_found" {
			t.Errorf("%+v", e)
		}
		for target, allow := range map[string]string{"/": "GET, HEAD", "/backups": "GET, HEAD, POST", "/backups/2026-11-22/verify": "POST",
			"/backups/2026-11-22/asset": "GET, HEAD", "/backups/2026-11-22/document": "GET, HEAD, PUT", "/backups/2026-11-22/export": "GET, HEAD", "/folders": "GET, HEAD"} {
			a := b.send("DELETE", target)
			e := decodeConsole[consoleError](t, a, 405)
			if a.Header["Allow"] != allow || e.Error.Code != "method_not_allowed" || a.Header["Content-Type"] != "application/json" {
				t.Errorf("%s: %+v", target, a)
			}
		}
	})

	t.Run("what_needs_the_backup_function_says_which_setting_is_missing", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		for _, r := range []string{"GET /schedule", "POST /backups"} {
			method, target, _ := strings.Cut(r, " ")
			if e := decodeConsole[consoleError](t, b.send(method, target), 409); !strings.Contains(e.Error.Message, "BACKUP_FUNCTION is not set") {
				t.Errorf("%s: %+v", r, e)
			}
		}
	})

	t.Run("nothing_is_written_but_the_record_of_a_verification", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.everyState()
		writes := []string{"PutObject", "CopyObject", "DeleteObject", "DeleteObjects"}
		count := func() (n int) {
			for _, operation := range writes {
				n += b.objects.Calls(operation)
			}
			return n
		}
		before := count()
		for _, target := range []string{"/", "/backups", "/backups/2026-11-01", "/backups/2026-11-01/asset?key=3_scripts/dim.script", "/backups/2026-11-01/document",
			"/backups/2026-11-01/export?kinds=scripts", "/calendar", "/folders"} {
			if a := b.send("GET", target); a.Status != 200 {
				t.Errorf("%s: %d %s", target, a.Status, a.Body)
			}
		}
		if after := count(); after != before {
			t.Errorf("%d writes", after-before)
		}
		b.send("POST", "/backups/2026-11-01/verify")
		keys, err := b.objects.Keys(consoleBucket, "factory/verifications/")
		if after := count(); err != nil || after != before+1 || !slices.Equal(keys, []string{"factory/verifications/2026-11-01.json"}) {
			t.Errorf("%d writes, records %q, %v", after-before, keys, err)
		}
	})

	t.Run("settings_that_cannot_be_used_are_a_500_that_names_them_and_no_key", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		delete(b.env, "DATAARTS_REGION")
		b.env["BACKUP_LOCATION"] = "obs://" + consoleSecret + "_"
		for _, target := range []string{"/", "/backups"} {
			a := b.send("GET", target)
			e := decodeConsole[consoleError](t, a, 500)
			if !strings.Contains(e.Error.Message, "DATAARTS_REGION") || !strings.Contains(e.Error.Message, "BACKUP_LOCATION") || strings.Contains(a.Body, consoleSecret) {
				t.Errorf("%s", a.Body)
			}
		}
	})

	t.Run("a_bucket_that_does_not_exist_is_an_error", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.env["BACKUP_LOCATION"] = "obs://elsewhere/factory"
		for _, target := range []string{"/backups", "/backups/2026-11-22", "/folders"} {
			if a := b.send("GET", target); a.Status < 400 {
				t.Errorf("%s: %d %s", target, a.Status, a.Body)
			}
		}
	})

	t.Run("an_event_that_is_no_request_is_refused_with_what_is_accepted", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		for _, payload := range []string{`{}`, `{"verify":"2026-11-22"}`, `not json`, `{"version":"v1.0","time":"2026-11-22T00:00:00+01:00","trigger_type":"TIMER","trigger_name":"n","user_event":""}`} {
			_, err := b.invoke(t.Context(), []byte(payload))
			f, ok := errors.AsType[*runtime.Failure](err)
			if !ok || f.Type != "BadRequest" {
				t.Errorf("%s: %v", payload, err)
			}
			if json.Valid([]byte(payload)) && !strings.Contains(err.Error(), "takes an HTTP request") {
				t.Errorf("%s: %v", payload, err)
			}
		}
	})

	t.Run("a_body_that_the_gateway_calls_base64_and_that_is_none_is_a_bad_request", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		answer, err := b.invoke(t.Context(), []byte(`{"httpMethod":"PUT","path":"/schedule","headers":{},"requestContext":{},"isBase64Encoded":true,"body":"%%%"}`))
		if raw, _ := answer.(json.RawMessage); err != nil || !bytes.Contains(raw, []byte(`"statusCode":400`)) || !bytes.Contains(raw, []byte("field body is not base64")) {
			t.Errorf("%s, %v", raw, err)
		}
	})

	t.Run("a_verification_takes_no_body", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		if a := b.ask("POST", "/backups/2026-11-22/verify", `{"fast":true}`, nil); a.Status != 400 || !strings.Contains(string(a.Body), "fast") {
			t.Errorf("%d %s", a.Status, a.Body)
		}
		if a := b.ask("POST", "/backups/2026-11-22/verify", `{}`, nil); a.Status == 400 {
			t.Errorf("%s", a.Body)
		}
	})

	t.Run("come_from_every_gateway", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		if err := b.objects.CreateBucket("dataarts-backup-demo"); err != nil {
			t.Fatal(err)
		}
		b.env["BACKUP_LOCATION"] = "obs://dataarts-backup-demo/factory"
		for file, want := range map[string]string{"functiongraph-apig-get": `"folders": []`, "lambda-apigw-v2-stage": `"folders": []`, "lambda-apigw-v1": `"backups": []`} {
			payload, err := os.ReadFile("../../events/" + file + ".json")
			if err != nil {
				t.Fatal(err)
			}
			answer, err := b.invoke(t.Context(), payload)
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := answer.(json.RawMessage)
			var a consoleAnswer
			if err := json.Unmarshal(raw, &a); err != nil || a.Status != 200 || !strings.Contains(a.Body, want) {
				t.Errorf("%s: %v %s", file, err, raw)
			}
		}
	})

	t.Run("a_HEAD_request_is_answered_like_GET_without_a_body", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-22", nil)
		for _, target := range []string{"/", "/backups", "/backups/2026-11-22", "/folders"} {
			head, get := b.send("HEAD", target), b.send("GET", target)
			if head.Status != 200 || head.Body != "" || get.Body == "" || !maps.Equal(head.Header, get.Header) {
				t.Errorf("%s: %+v", target, head)
			}
		}
	})
}
