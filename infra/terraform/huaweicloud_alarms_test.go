package terraform_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/terraform/plan"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
)

// matches tells whether a line of a log is one that LTS finds with a keyword alarm's expression ("Using Search Syntax" of LTS): a line is taken apart at its
// delimiters, and words stand beside "and", "or" and "not", which heed the case of letters in alarms ("Configuring Log Alarm Rules"). Here no expression mixes "or" with
// the others.
func matches(t *testing.T, expression, line string) bool {
	t.Helper()
	words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(", '\";=()[]{}@&<>/:\\?\n\t\r", r) })
	if strings.Contains(expression, " or ") {
		if strings.Contains(expression, " and ") || strings.Contains(expression, "not ") {
			t.Fatalf("%s mixes operators", expression)
		}
		return slices.ContainsFunc(strings.Split(expression, " or "), func(word string) bool { return slices.Contains(words, word) })
	}
	terms := strings.Fields(expression)
	wanted := true
	for _, term := range terms {
		switch term {
		case "and":
		case "not":
			wanted = false
		default:
			if slices.Contains(words, term) != wanted {
				return false
			}
			wanted = true
		}
	}
	return true
}

// alarm is what an alarm searches for.
func alarm(t *testing.T, p *plan.Plan, name string) (expression string, request map[string]any) {
	t.Helper()
	requests, _ := resource(t, p, `huaweicloud_lts_keywords_alarm_rule.log["`+name+`"]`)["keywords_requests"].([]any)
	if len(requests) != 1 {
		t.Fatalf("%s has %d requests", name, len(requests))
	}
	request, _ = requests[0].(map[string]any)
	expression, _ = request["keywords"].(string)
	return expression, request
}

// found counts the lines of a log that an alarm finds.
func found(t *testing.T, p *plan.Plan, name, log string) (n int) {
	t.Helper()
	expression, _ := alarm(t, p, name)
	for line := range strings.Lines(log) {
		if matches(t, expression, line) {
			n++
		}
	}
	return n
}

// invoked runs a function once and returns its log with the line that the runtime adds where an invocation fails.
func invoked(t *testing.T, h runtime.Handler, payload []byte) string {
	t.Helper()
	var log bytes.Buffer
	logger := zerolog.New(&log)
	_, err := h(logger.WithContext(context.Background()), runtime.Invocation{RequestID: "r", Payload: payload})
	if failure, ok := errors.AsType[*runtime.Failure](err); ok {
		logger.Error().Str("requestId", "r").Str("errorType", failure.Type).Str("error", failure.Message).Msg("the invocation failed")
	}
	return log.String()
}

func TestHuaweiCloud_TheAlarmsFindWhatTheFunctionsSay(t *testing.T) {
	t.Parallel()
	p := planned(t, huaweicloud, few())
	cloud := localtest.New(t)
	backup := handler.Backup(handler.Options{Lookup: cloud.Environment(nil)})
	restore := handler.Restore(handler.Options{Lookup: cloud.Environment(nil)})
	midnight := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	const drills = `{"drill":{"workspace":"` + localtest.Other + `"}}`

	script := func(workspace, definition string) {
		t.Helper()
		if err := cloud.Handle(workspace).Put(dataarts.Scripts, []byte(definition)); err != nil {
			t.Fatal(err)
		}
	}
	script(localtest.Workspace, `{"name":"COMPLETE","type":"Shell","directory":"/","content":"ended"}`)

	type counts struct {
		complete                                                       int // lines, because the alarm counts them
		backupFailed, massDeletion, untold, restoreFailed, drillFailed bool
	}
	check := func(what, log string, want counts) {
		t.Helper()
		is := func(name string) bool { return found(t, p, name, log) > 0 }
		got := counts{found(t, p, "backup-late", log), is("backup-failed"), is("mass-deletion"), is("backup-untold"), is("restore-failed"), is("drill-failed")}
		if got != want || is("backup-untold") != is("restore-untold") { // the same in two logs
			t.Errorf("%s: %+v, want %+v in\n%s", what, got, want, log)
		}
	}

	check("a verification of nothing", invoked(t, backup, []byte(`{"verify":"latest"}`)), counts{backupFailed: true})
	check("a dry run", invoked(t, backup, []byte(`{"dryRun":true}`)), counts{})
	check("a backup", invoked(t, backup, functiongraph.TimerEvent("nightly", midnight, "{}")), counts{complete: 1})
	check("the same one again", invoked(t, backup, functiongraph.TimerEvent("nightly", midnight, "{}")), counts{complete: 1})
	check("a verification", invoked(t, backup, []byte(`{"verify":"latest"}`)), counts{})
	check("a dry run after it", invoked(t, backup, []byte(`{"dryRun":true,"time":"2026-11-22T00:00:00Z"}`)), counts{})
	check("the next night", invoked(t, backup, functiongraph.TimerEvent("nightly", midnight.AddDate(0, 0, 1), "{}")), counts{complete: 1})
	check("a verification with one backup before it", invoked(t, backup, []byte(`{"verify":"latest"}`)), counts{})
	check("a verification of the one before", invoked(t, backup, []byte(`{"verify":"2026-11-22"}`)), counts{})
	check("a drill", invoked(t, restore, []byte(drills)), counts{})
	check("what nobody understands", invoked(t, backup, []byte(`{"frobnicate":1}`)), counts{backupFailed: true, restoreFailed: true})
	check("no settings", invoked(t, handler.Backup(handler.Options{Lookup: func(string) (string, bool) { return "", false }}), []byte(`{}`)), counts{backupFailed: true, restoreFailed: true})

	script(localtest.Other, `{"name":"in_the_way","type":"Shell","directory":"/","content":"true"}`)
	check("a drill in a workspace that is not empty", invoked(t, restore, []byte(drills)), counts{drillFailed: true})

	script(localtest.Workspace, `{"name":"later","type":"Shell","directory":"/","content":"true"}`)
	broken := handler.Backup(handler.Options{Lookup: cloud.Environment(map[string]string{"HUAWEICLOUD_SDK_SK": "another"})})
	check("a backup that fails", invoked(t, broken, functiongraph.TimerEvent("nightly", midnight.AddDate(0, 0, 2), "{}")), counts{backupFailed: true})

	// Names that are words of the alarms.
	check("a backup into a folder that is named like another end", invoked(t, backup, functiongraph.TimerEvent("nightly", midnight, `{"folder":"verify/BackupFailure"}`)), counts{complete: 1})
	check("a backup that fails in a folder that is named like a good end", invoked(t, broken, functiongraph.TimerEvent("nightly", midnight, `{"folder":"BackupComplete/COMPLETE"}`)),
		counts{backupFailed: true})

	people := httptest.NewTLSServer(http.NotFoundHandler()) // with a certificate that nobody has signed
	t.Cleanup(people.Close)
	topic := map[string]string{"NOTIFY_TOPIC_URN": "urn:smn:eu-west-101:0123:a", "SMN_ENDPOINT": people.URL}
	untold := handler.Backup(handler.Options{Lookup: cloud.Environment(topic)})
	check("a backup of which nobody could be told", invoked(t, untold, functiongraph.TimerEvent("nightly", midnight.AddDate(0, 0, 3), "{}")), counts{complete: 1, untold: true})
	check("a drill of whose failure nobody could be told", invoked(t, handler.Restore(handler.Options{Lookup: cloud.Environment(topic)}), []byte(drills)), counts{untold: true, drillFailed: true})

	check("a restore that is refused", invoked(t, restore, []byte(`{"date":"latest","duplicateNamePolicy":"fail"}`)), counts{restoreFailed: true})
	check("a restore", invoked(t, restore, []byte(`{"date":"latest","duplicateNamePolicy":"skip"}`)), counts{})
	check("a restore that cannot be understood", invoked(t, restore, []byte(`{"date":"latest"}`)), counts{restoreFailed: true})
	check("a drill that cannot be understood", invoked(t, restore, []byte(`{"drill":{"workspace":""}}`)), counts{restoreFailed: true, drillFailed: true, backupFailed: true})

	cloud.Handle(localtest.Workspace).Wipe()
	check("a night after a mass deletion", invoked(t, backup, functiongraph.TimerEvent("nightly", midnight.AddDate(0, 0, 4), "{}")), counts{complete: 1, massDeletion: true})
}

func TestHuaweiCloud_TheAlarmForALateBackupWantsOneOfEveryWorkspace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		inputs map[string]any
		want   float64
	}{
		{map[string]any{}, 1},
		{map[string]any{"workspaces": []string{"a", "b", "c"}}, 3},
		{map[string]any{"workspaces": []string{"*"}, "instance_id": "i"}, 1},
	} {
		p := planned(t, huaweicloud, with(few(), c.inputs))
		if _, request := alarm(t, p, "backup-late"); request["condition"] != "<" || request["number"] != c.want || request["search_time_range"] != 24.0 || request["search_time_range_unit"] != "hour" {
			t.Errorf("%v: %v", c.inputs, request)
		}
	}
	rule := resource(t, planned(t, huaweicloud, with(few(), map[string]any{"late_after_hours": 28})), `huaweicloud_lts_keywords_alarm_rule.log["backup-late"]`)
	if rule["trigger_condition_count"] != 5.0 || rule["trigger_condition_frequency"] != 5.0 {
		t.Errorf("after 28 hours: %v", rule)
	}
}
