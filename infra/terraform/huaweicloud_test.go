// Package terraform_test holds the Terraform modules against the code that they deploy: settings, routes, events, permissions. That they are valid for Terraform and
// its provider is checked by ./check, which needs both; this needs neither.
package terraform_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/robfig/cron/v3"
	"go.yaml.in/yaml/v3"

	"github.com/dataarts-backup/dataarts-backup/infra/terraform/plan"
	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/drill"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

const huaweicloud = "../huaweicloud"

func allFunctions() []config.Function {
	return []config.Function{config.Backup, config.Restore, config.Console}
}

// few are the inputs that one has to give.
func few() map[string]any {
	return map[string]any{"region": "eu-west-101", "workspaces": []string{"0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11"}, "bucket": "vault", "time_zone": "Europe/Berlin",
		"alarm_user": "operator"}
}

// many are inputs that set everything that changes what a function is told.
func many() map[string]any {
	return map[string]any{
		"region": "eu-west-101", "project_id": "b384b9e9ab9b4ee8994c8633aabc9505", "dataarts_project_name": "eu-west-101_data",
		"workspaces": []string{"0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11", "0dd3a0e6b0c64a0e8d0fbb5f4a7d9c12"}, "instance_id": "6b88ad0541514d45a1d9ff0cd6e2bf4e",
		"dataarts_endpoint": "https://dayu-dlf.example.com", "dataarts_v2_endpoint": "https://dayu.example.com", "rate_limit": 12.5,
		"obs_endpoint": "https://obs.example.com", "functiongraph_endpoint": "https://functiongraph.example.com", "smn_endpoint": "https://smn.example.com",
		"bucket": "vault", "location": "factory/{workspace}", "nightly_folder": "nights", "time_zone": "Europe/Berlin", "keep": "daily=30,weekly=8",
		"recipients":       []string{"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"},
		"restore_identity": "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX",
		"store_keys":       map[string]any{"access_key": "AK", "secret_key": "SK", "security_token": "token"},
		"resource_buckets": []string{"jars"}, "kms_key_id": "0d0466b0-e727-4d9c-b35d-f84bb474a37f",
		"resource_kms_key_ids": []string{"1d0466b0-e727-4d9c-b35d-f84bb474a37f"}, "log_level": "debug", "alarm_user": "operator",
		"emails":  []string{"operator@example.com"},
		"drill":   map[string]any{"workspace": "drills", "source": "0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11"},
		"gateway": map[string]any{"instance_id": "9a1c", "domain": "backups.example.com"},
	}
}

func with(inputs map[string]any, more map[string]any) map[string]any {
	inputs = maps.Clone(inputs)
	maps.Copy(inputs, more)
	return inputs
}

func planned(t *testing.T, dir string, inputs map[string]any) *plan.Plan {
	t.Helper()
	p, err := tried(dir, inputs)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func tried(dir string, inputs map[string]any) (*plan.Plan, error) {
	return plan.Of(dir, plan.Options{Inputs: inputs,
		Files: func(path string) ([]byte, error) { return []byte(path), nil },
		Known: func(address, argument string) string {
			switch argument {
			case "urn":
				return "urn:fss:eu-west-101:b384b9e9ab9b4ee8994c8633aabc9505:function:default:" + strings.TrimPrefix(address, "huaweicloud_fgs_function.") + ":latest"
			case "topic_urn":
				return "urn:smn:eu-west-101:b384b9e9ab9b4ee8994c8633aabc9505:dataarts-backup"
			}
			return argument + " of " + address
		}})
}

func resource(t *testing.T, p *plan.Plan, address string) plan.Resource {
	t.Helper()
	r, exists := p.Resources[address]
	if !exists {
		t.Fatalf("there is no %s", address)
	}
	return r
}

// object decodes JSON in an argument; null is no member.
func object(t *testing.T, argument any) map[string]any {
	t.Helper()
	if argument == nil {
		return nil
	}
	text, ok := argument.(string)
	if !ok {
		t.Fatalf("%v is no text", argument)
	}
	var o map[string]any
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return o
}

// environment is everything that a function is told.
func environment(t *testing.T, p *plan.Plan, f config.Function) map[string]string {
	t.Helper()
	r := resource(t, p, "huaweicloud_fgs_function."+string(f))
	variables := map[string]string{}
	for _, argument := range []string{"user_data", "encrypted_user_data"} {
		for name, value := range object(t, r[argument]) {
			text, ok := value.(string)
			if !ok || text == "" {
				t.Errorf("%s of %s is %v", name, f, value)
			}
			variables[name] = text
		}
	}
	return variables
}

// settable are the variables that an operator sets on FunctionGraph. The keys for DataArts come with each invocation there, and those of the environment
// are not looked at.
func settable(f config.Function) []string {
	return slices.DeleteFunc(config.Names(f), func(name string) bool { return strings.HasPrefix(name, "HUAWEICLOUD_SDK_") })
}

func TestHuaweiCloud_EveryVariableOfAFunctionCanBeSetAndNoOther(t *testing.T) {
	t.Parallel()
	p := planned(t, huaweicloud, many())
	for _, f := range allFunctions() {
		got := slices.Sorted(maps.Keys(environment(t, p, f)))
		want := slices.Sorted(slices.Values(settable(f)))
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (- the code, + the template):\n%s", f, d)
		}
	}
}

func TestHuaweiCloud_SecretsAreNotInPlainSight(t *testing.T) {
	t.Parallel()
	p := planned(t, huaweicloud, many())
	for _, f := range allFunctions() {
		for name := range object(t, resource(t, p, "huaweicloud_fgs_function."+string(f))["user_data"]) {
			if name == "RESTORE_IDENTITY" || strings.HasPrefix(name, "OBS_") && name != "OBS_ENDPOINT" {
				t.Errorf("%s has %s in plain sight", f, name)
			}
		}
	}
}

func TestHuaweiCloud_TheFunctionsStartWithTheirSettings(t *testing.T) {
	t.Parallel()
	for name, inputs := range map[string]map[string]any{
		"few": few(), "many": many(), "every": with(few(), map[string]any{"workspaces": []string{"*"}, "instance_id": "i"}),
		"several":  with(few(), map[string]any{"workspaces": []string{"a", "b"}}),
		"a folder": with(few(), map[string]any{"location": "a/b"}),
	} {
		p := planned(t, huaweicloud, inputs)
		for _, f := range allFunctions() {
			variables := environment(t, p, f)
			maps.Copy(variables, map[string]string{"RUNTIME_API_ADDR": "127.0.0.1:80", "RUNTIME_PROJECT_ID": "b384b9e9ab9b4ee8994c8633aabc9505"})
			lookup := func(name string) (string, bool) { value, is := variables[name]; return value, is }
			c, err := config.Load(f, lookup, config.Options{DataArtsEndpoints: factory.DefaultEndpoints})
			if err != nil {
				t.Errorf("%s, %s: %v", name, f, err)
				continue
			}
			if f == config.Console && c.BackupFunction != resource(t, p, "huaweicloud_fgs_function.backup")["urn"] {
				t.Errorf("%s: the console starts %s", name, c.BackupFunction)
			}
		}
	}
}

// locations are values of location, each with the workspaces that it is for.
func locations() map[string][]string {
	return map[string][]string{"": {"one"}, "dataarts": {"one"}, "a/b": {"one"}, "{workspace}": {"one", "two"}, "dataarts/{workspace}": {"one", "two"}, "a/of-{workspace}/b": {"one", "two"}}
}

func TestHuaweiCloud_RestoreRequestsStartTheRestore(t *testing.T) {
	t.Parallel()
	for location, workspaces := range locations() {
		p := planned(t, huaweicloud, with(few(), map[string]any{"location": location, "workspaces": workspaces}))
		parsed, err := config.ParseLocation(environment(t, p, config.Restore)["BACKUP_LOCATION"])
		if err != nil {
			t.Fatalf("%s: %v", location, err)
		}
		trigger := resource(t, p, "huaweicloud_fgs_function_trigger.restore_requests")
		want := map[string]any{"name": "restore-requests", "bucket": "vault", "events": []any{"s3:ObjectCreated:*"}, "prefix": parsed.Root() + "restore-requests/", "suffix": ".json"}
		if d := cmp.Diff(want, object(t, trigger["event_data"])); d != "" {
			t.Errorf("%q:\n%s", location, d)
		}
		if trigger["type"] != "OBS" || trigger["function_urn"] != resource(t, p, "huaweicloud_fgs_function.restore")["urn"] {
			t.Errorf("the trigger is a %s of %s", trigger["type"], trigger["function_urn"])
		}
	}
}

// timer reads a timer as the functions get it from the platform at its next moment after now.
func timer(t *testing.T, p *plan.Plan, name string, now time.Time) (function string, next event.Timer) {
	t.Helper()
	r := resource(t, p, "huaweicloud_fgs_function_trigger."+name)
	data := object(t, r["event_data"])
	if r["type"] != "TIMER" || data["schedule_type"] != "Cron" || data["sync_execution"] != false {
		t.Errorf("%s is a %s with %v", name, r["type"], data)
	}
	schedule, _ := data["schedule"].(string)
	// The grammar of FunctionGraph's timers is that of this parser; without CRON_TZ the zone would be the region's.
	parsed, err := cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.DowOptional).Parse(schedule)
	if err != nil || !strings.HasPrefix(schedule, "CRON_TZ=") {
		t.Fatalf("%s: %q: %v", name, schedule, err)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(map[string]any{"version": "v1.0", "time": parsed.Next(now).In(zone).Format(time.RFC3339), "trigger_type": "TIMER", "trigger_name": data["name"], "user_event": data["user_event"]})
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := event.Decode(payload)
	next, ok := decoded.(event.Timer)
	if err != nil || !ok {
		t.Fatalf("%s: %v, %v", name, decoded, err)
	}
	function, _ = r["function_urn"].(string)
	return function, next
}

func TestHuaweiCloud_TheTimersAskForWhatTheyAreNamedFor(t *testing.T) {
	t.Parallel()
	p := planned(t, huaweicloud, many())
	urn := func(f config.Function) any { return resource(t, p, "huaweicloud_fgs_function."+string(f))["urn"] }

	// The last days of summer time and the first of winter time.
	now := time.Date(2026, 10, 23, 12, 0, 0, 0, time.UTC)
	for _, want := range []string{"2026-10-24T00:00:00+02:00", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"} {
		function, tick := timer(t, p, "nightly", now)
		if got := tick.Time.Format(time.RFC3339); got != want || function != urn(config.Backup) {
			t.Errorf("the nightly backup comes at %s to %s, want %s", got, function, want)
		}
		if tick.UserEvent != `{"folder":"nights"}` {
			t.Errorf("the nightly backup asks for %s", tick.UserEvent)
		}
		now = tick.Time
	}
	if function, tick := timer(t, p, "verify[0]", now); function != urn(config.Backup) || tick.UserEvent != `{"verify":"latest"}` || tick.Time.Weekday() != time.Sunday {
		t.Errorf("the verification is %v of %s", tick, function)
	}
	function, tick := timer(t, p, "drill[0]", now)
	command, err := drill.ParseCommand([]byte(tick.UserEvent))
	if err != nil || function != urn(config.Restore) || tick.Time.Weekday() != time.Saturday {
		t.Errorf("the drill is %v of %s: %v", tick, function, err)
	}
	if command.Drill.Workspace != "drills" || command.Drill.Source != "0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11" {
		t.Errorf("the drill is %+v", command.Drill)
	}
}

func TestHuaweiCloud_TheTestEventsAreCommandsOfTheBackup(t *testing.T) {
	t.Parallel()
	p := planned(t, huaweicloud, few())
	for name, want := range map[string]string{"back-up-now": "{}", "verify-latest": `{"verify":"latest"}`} {
		r := resource(t, p, `huaweicloud_fgs_function_event.backup["`+name+`"]`)
		content, _ := r["content"].(string)
		got, err := base64.StdEncoding.DecodeString(content)
		if err != nil || string(got) != want || r["name"] != name || len(name) > 25 {
			t.Errorf("%s is %s, %v; want %s", name, got, err, want)
		}
		if decoded, err := event.Decode(got); err != nil || decoded.Trigger() != (event.Command{}).Trigger() {
			t.Errorf("%s is %v, %v", name, decoded, err)
		}
	}
}

// described are the routes of docs/openapi.yaml, each with its function; that file is held against the handlers by their own tests.
func described(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]yaml.Node
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	routes := map[string]string{}
	for path, operations := range doc.Paths {
		for method, node := range operations {
			var operation struct{ Tags []string }
			if !slices.Contains([]string{"get", "post", "put", "patch", "delete"}, method) {
				continue
			}
			if err := node.Decode(&operation); err != nil || len(operation.Tags) != 1 {
				t.Fatalf("%s %s: %v, %v", method, path, operation, err)
			}
			routes[strings.ToUpper(method)+" "+path] = operation.Tags[0]
		}
	}
	return routes
}

func TestHuaweiCloud_EveryRouteIsPublishedWithAuthentication(t *testing.T) {
	t.Parallel()
	for auth, accounts := range map[string][]string{"IAM": {anAccount}, "APP": {}} {
		p := planned(t, huaweicloud, with(many(), map[string]any{"gateway": map[string]any{"instance_id": "9a1c", "auth": auth, "accounts": accounts}}))
		routes := map[string]string{}
		for address, r := range p.Resources {
			if !strings.HasPrefix(address, "huaweicloud_apig_api.") {
				continue
			}
			backend, _ := r["func_graph"].([]any)[0].(map[string]any)
			function, _ := backend["function_urn"].(string)
			key, _ := strings.CutPrefix(address, "huaweicloud_apig_api.route")
			routes[r["request_method"].(string)+" "+r["request_path"].(string)] = strings.Split(function, ":")[6]
			if r["security_authentication"] != auth || r["request_protocol"] != "HTTPS" || backend["invocation_type"] != "sync" {
				t.Errorf("%s: %v, %v, %v", address, r["security_authentication"], r["request_protocol"], backend)
			}
			if publishment := resource(t, p, "huaweicloud_apig_api_publishment.route"+key); publishment["api_id"] != "id of "+address {
				t.Errorf("%s publishes %s", address, publishment["api_id"])
			}
			var parameters []string
			params, _ := r["request_params"].([]any)
			for _, param := range params {
				parameters = append(parameters, "{"+param.(map[string]any)["name"].(string)+"}")
			}
			if want := regexp.MustCompile(`{\w+}`).FindAllString(r["request_path"].(string), -1); !slices.Equal(parameters, want) {
				t.Errorf("%s declares %v, want %v", address, parameters, want)
			}
		}
		if d := cmp.Diff(described(t), routes); d != "" {
			t.Errorf("routes (- the code, + the template):\n%s", d)
		}
	}
}

func TestHuaweiCloud_NothingIsPublishedUnasked(t *testing.T) {
	t.Parallel()
	for address := range planned(t, huaweicloud, few()).Resources {
		if strings.Contains(address, "_apig_") {
			t.Errorf("there is a %s", address)
		}
	}
	p := planned(t, huaweicloud, many())
	for address := range p.Resources {
		if strings.HasPrefix(address, "huaweicloud_fgs_function_trigger.") && !slices.Contains([]any{"TIMER", "OBS"}, p.Resources[address]["type"]) {
			t.Errorf("there is a trigger of the type %v", p.Resources[address]["type"])
		}
	}
}
