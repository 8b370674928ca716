package event_test

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dataarts-backup/dataarts-backup/shared/event"
)

const eventsDir = "../../events"

const (
	restoreRequest = `{"date": "2026-01-01", "duplicateNamePolicy": "overwrite", "select": {"kinds": ["scripts", "jobs"], ` +
		`"names": ["ods_*"], "withDependencies": true}, "schedules": "keep"}`
	planRequest = `{"date": "latest", "duplicateNamePolicy": "skip", "dryRun": true}`
)

// decodings says for every file in events/ what it decodes to; headers are looked at in tests of their own.
func decodings(t *testing.T) map[string]event.Event {
	created := func(source string, keys ...string) event.Objects {
		return event.Objects{Source: source, Objects: []event.Object{{
			Bucket: "dataarts-backup-demo", Keys: keys, ETag: "0123456789abcdef0123456789abcdef", Size: 64,
			Event: "ObjectCreated:Put", Created: true,
		}}}
	}
	post := func(source, body string) event.Request {
		return event.Request{Source: source, Method: "POST", Path: "/restores", Query: url.Values{}, Body: []byte(body)}
	}
	command := func(file string) event.Command {
		return event.Command{JSON: read(t, filepath.Join(eventsDir, file))}
	}
	const key, encoded = "restore-requests/2026-01-01.json", "restore-requests%2F2026-01-01.json"
	return map[string]event.Event{
		"functiongraph-timer.json": event.Timer{
			Source: event.FunctionGraphTimer, Time: moment("2026-01-02T00:00:00+08:00"), Name: "nightly-backup",
		},
		"functiongraph-timer-command.json": event.Timer{
			Source: event.FunctionGraphTimer, Time: moment("2026-01-02T00:00:00+08:00"), Name: "nightly-backup",
			UserEvent: `{"workspaces":["0dd3000000000000000000000000aaaa"],"folder":"nightly"}`,
		},
		"functiongraph-timer-drill.json": event.Timer{
			Source: event.FunctionGraphTimer, Time: moment("2026-01-04T03:00:00+08:00"), Name: "weekly-drill",
			UserEvent: `{"drill":{"workspace":"0dd3000000000000000000000000dddd","source":"0dd3000000000000000000000000aaaa"}}`,
		},
		"lambda-eventbridge-rule.json": event.Timer{
			Source: event.EventBridgeRule, Time: moment("2026-01-02T00:00:00Z"), Name: "nightly",
		},
		"lambda-eventbridge-scheduler.json": event.Timer{
			Source: event.EventBridgeScheduler, Time: moment("2026-01-01T16:00:00Z"), Name: "nightly",
		},
		"functiongraph-obs.json":           created(event.OBSNotification, key, encoded),
		"functiongraph-obs-eventgrid.json": created(event.OBSEventGrid, key, encoded),
		"lambda-s3.json":                   created(event.S3Notification, "restore-requests/2026-01-01 full.json"),
		"lambda-s3-eventbridge.json":       created(event.S3EventBridge, key),
		"functiongraph-obs-removed.json": event.Objects{Source: event.OBSNotification, Objects: []event.Object{{
			Bucket: "dataarts-backup-demo", Keys: []string{key, encoded}, Event: "ObjectRemoved:Delete",
		}}},
		"lambda-s3-test.json":            event.Objects{Source: event.S3TestNotification},
		"functiongraph-apig.json":        post(event.APIG, planRequest),
		"functiongraph-apig-base64.json": post(event.APIG, restoreRequest),
		"lambda-apigw-v2.json":           post(event.APIGatewayV2, restoreRequest),
		"lambda-function-url.json":       post(event.FunctionURL, planRequest),
		"functiongraph-apig-get.json": event.Request{
			Source: event.APIG, Method: "GET", Path: "/folders", Query: url.Values{"path": {"obs://dataarts-backup-demo/factory/"}},
		},
		"lambda-apigw-v2-stage.json": event.Request{
			Source: event.APIGatewayV2, Method: "GET", Path: "/folders", Query: url.Values{"path": {"obs://dataarts-backup-demo/factory/"}},
		},
		"lambda-apigw-v1.json": event.Request{Source: event.APIGatewayV1, Method: "GET", Path: "/backups", Query: url.Values{}},

		"lambda-eventbridge-scheduler-input.json": command("lambda-eventbridge-scheduler-input.json"),
		"command-backup.json":                     command("command-backup.json"),
		"command-backup-workspaces.json":          command("command-backup-workspaces.json"),
		"command-backup-nightly.json":             command("command-backup-nightly.json"),
		"command-backup-verify.json":              command("command-backup-verify.json"),
		"command-restore.json":                    command("command-restore.json"),
		"command-restore-dry-run.json":            command("command-restore-dry-run.json"),
		"command-restore-undo.json":               command("command-restore-undo.json"),
		"command-restore-drill.json":              command("command-restore-drill.json"),
		"command-restore-export.json":             command("command-restore-export.json"),
	}
}

func TestDecode_EveryEventFile(t *testing.T) {
	t.Parallel()
	want := decodings(t)
	files := eventFiles(t)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			expected, known := want[filepath.Base(file)]
			if !known {
				t.Fatalf("no expectation for %s: add one to decodings", file)
			}
			got, err := event.Decode(read(t, file))
			if err != nil {
				t.Fatal(err)
			}
			ignore := cmp.Options{
				cmpopts.IgnoreFields(event.Request{}, "Header"),
				cmpopts.IgnoreFields(event.Object{}, "Sequencer"),
			}
			if diff := cmp.Diff(expected, got, ignore); diff != "" {
				t.Errorf("decoded otherwise (-want +got):\n%s", diff)
			}
		})
	}
	if len(files) != len(want) {
		t.Errorf("%d event files, %d expectations", len(files), len(want))
	}
}

// TestDecode_UnsupportedEvents holds that what we know and do not take is refused by name, and with what we take.
func TestDecode_UnsupportedEvents(t *testing.T) {
	t.Parallel()
	const accepted = ", want a timer (FunctionGraph, EventBridge), an object event (OBS, S3, EventGrid, EventBridge), " +
		"an HTTP request (APIG, API Gateway, function URL) or a command as a JSON object"
	for file, want := range map[string]string{
		"sns.json":               "the event is a notification from aws:sns",
		"smn.json":               "the event is an SMN message",
		"cts.json":               "the event is a CTS trace",
		"eventgrid-custom.json":  `the event is a CloudEvent of type "restore.requested" from "backup.ctl"`,
		"async-destination.json": "the event is FunctionGraph's notice of an asynchronous invocation",
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			got, err := event.Decode(read(t, filepath.Join("testdata/unsupported", file)))
			if err == nil {
				t.Fatalf("decoded to %#v, want an error", got)
			}
			if err.Error() != want+accepted {
				t.Errorf("error is\n%s\nwant\n%s", err, want+accepted)
			}
		})
	}
}

// moment is a time with its own offset.
func moment(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return at
}

func eventFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(eventsDir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no event files: %v", err)
	}
	return files
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
