package template_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // as the product has it

	"go.yaml.in/yaml/v3"

	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/drill"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/schedule"
)

// functions are the resources of the functions.
func functions() map[string]config.Function {
	return map[string]config.Function{"BackupFunction": config.Backup, "RestoreFunction": config.Restore, "ConsoleFunction": config.Console}
}

func TestTemplate_FunctionsRunTheBinaries(t *testing.T) {
	t.Parallel()
	s := deploy(t, defaults(nil))
	for name, fn := range functions() {
		f := s.function(name)
		if f.Runtime != "provided.al2023" || f.Handler != "bootstrap" || !slices.Equal(f.Architectures, []string{"x86_64"}) {
			t.Errorf("%s: runtime %q, handler %q, architectures %v", name, f.Runtime, f.Handler, f.Architectures)
		}
		if want := "dist/" + string(fn) + "/"; f.CodeUri != want {
			t.Errorf("%s runs %s, want %s", name, f.CodeUri, want)
		}
		if f.Timeout < 1 || f.Timeout > 900 {
			t.Errorf("%s may run for %d s, Lambda's limit is 900", name, f.Timeout)
		}
		if f.MemorySize < 128 || f.MemorySize > 10240 {
			t.Errorf("%s has %d MB", name, f.MemorySize)
		}
		if f.FunctionUrlConfig != nil || f.Policies != nil {
			t.Errorf("%s has a URL past the gateway, or permissions beside its role's", name)
		}
		var group struct{ RetentionInDays any }
		if logs := strings.TrimPrefix(f.LoggingConfig.LogGroup, stackName+"-"); s.of(logs, &group).Type != "AWS::Logs::LogGroup" || fmt.Sprint(group.RetentionInDays) != "90" {
			t.Errorf("%s logs into %s, which keeps %v days", name, logs, group.RetentionInDays)
		}
		routes := slices.Contains(slices.Collect(maps.Values(s.routes())), name)
		events := f.EventInvokeConfig
		switch {
		case fn == config.Console: // it is never invoked but by the gateway, which waits 30 s
			if !routes || f.Timeout > 30 {
				t.Errorf("%s may run for %d s, and the gateway waits 30 s", name, f.Timeout)
			}
		case events.DestinationConfig.OnFailure.Type != "SQS" || events.DestinationConfig.OnFailure.Destination != s.attribute("FailedEvents", "Arn"):
			t.Errorf("what %s fails at for good goes to %+v", name, events.DestinationConfig.OnFailure)
		case events.MaximumRetryAttempts != 2 || events.MaximumEventAgeInSeconds < 3600 || events.MaximumEventAgeInSeconds > 21600:
			t.Errorf("%s tries again %+v", name, events)
		}
	}
}

// beside are the variables that the template does not give a function, each with the reason.
func beside() map[string]string {
	return map[string]string{
		"FUNCTIONGRAPH_ENDPOINT":         "on Lambda the functions call AWS instead",
		"HUAWEICLOUD_SDK_SECURITY_TOKEN": "temporary keys would be over before the next deployment",
		"OBS_ACCESS_KEY_ID":              "the vault is reached with the role's keys",
		"OBS_SECRET_ACCESS_KEY":          "the vault is reached with the role's keys",
		"OBS_SECURITY_TOKEN":             "the vault is reached with the role's keys",
	}
}

func TestTemplate_SetsTheVariablesThatTheFunctionReads(t *testing.T) {
	t.Parallel()
	s := deploy(t, defaults(optional()))
	for name, fn := range functions() {
		set := s.function(name).Environment.Variables
		for variable := range set {
			if !slices.Contains(config.Names(fn), variable) {
				t.Errorf("%s sets %s, which %s does not read", name, variable, fn)
			}
		}
		for _, variable := range config.Names(fn) {
			value, is := set[variable]
			if reason := beside()[variable]; (reason != "") == is {
				t.Errorf("%s sets %s: %v (%s)", name, variable, is, reason)
			}
			hidden := strings.HasPrefix(variable, "HUAWEICLOUD_SDK_") || variable == "RESTORE_IDENTITY"
			if is && hidden != secret.MatchString(value) {
				t.Errorf("%s takes %s from %q", name, variable, value)
			}
			if is && value == "" {
				t.Errorf("no parameter of these tests sets %s of %s", variable, name)
			}
		}
	}
}

// What the functions make of what the template sets is the proof that it is right.
func TestTemplate_SettingsAreUnderstood(t *testing.T) {
	t.Parallel()
	secrets := secretsManager{"age": {"identity": "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"}}
	for _, name := range []string{"dataarts", "restore", "console"} {
		secrets[name] = map[string]string{"ak": "key of " + name, "sk": "secret of " + name}
	}
	lambda := map[string]string{"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001", "AWS_REGION": awsRegion, "AWS_ACCESS_KEY_ID": "ASIA", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
	for stackIs, parameters := range map[string]map[string]string{"plain": defaults(nil), "with_everything": defaults(optional())} {
		for name, fn := range functions() {
			t.Run(stackIs+"/"+string(fn), func(t *testing.T) {
				t.Parallel()
				environment := secrets.reveal(t, deploy(t, parameters).function(name).Environment.Variables)
				maps.Copy(environment, lambda)
				c, err := config.Load(fn, func(name string) (string, bool) { value, is := environment[name]; return value, is },
					config.Options{DataArtsEndpoints: func(string) (string, string, bool) { return "https://v1.example.com", "https://v2.example.com", true }})
				if err != nil {
					t.Fatal(err)
				}
				if c.Location.Bucket != vaultName || !c.Location.PerWorkspace() || c.OBSEndpoint != "https://s3.eu-central-1.amazonaws.com" {
					t.Errorf("the vault is %v at %s", c.Location, c.OBSEndpoint)
				}
				if keys, err := c.StoreCredentials(config.Credentials{}); err != nil || keys.SecurityToken != "t" {
					t.Errorf("the vault is reached with %v, %v", keys.AccessKey, err)
				}
				want := map[config.Function]string{config.Backup: "key of dataarts", config.Restore: "key of dataarts"}
				if stackIs != "plain" {
					want[config.Restore], want[config.Console] = "key of restore", "key of console"
				}
				if keys, err := c.DataArtsCredentials(config.Credentials{}); keys.AccessKey != want[fn] {
					t.Errorf("DataArts is reached with %q, %v", keys.AccessKey, err)
				}
				if stackIs != "plain" && fn == config.Backup && (c.Keep == (config.Keep{}) || len(c.Recipients) != 1 || c.NotifyTopicURN == "" || c.TimeZone.String() != "Asia/Shanghai" || c.RateLimit != 12.5) {
					t.Errorf("%+v", c)
				}
				size := 0 // Lambda's quota: 4 KB for all of them
				for variable, value := range environment {
					size += len(variable) + len(value)
				}
				if size > 4<<10 {
					t.Errorf("the settings have %d bytes", size)
				}
			})
		}
	}
}

func TestTemplate_SchedulesSendWhatTheFunctionsUnderstand(t *testing.T) {
	t.Parallel()
	for drillSource, parameters := range map[string]map[string]string{"": defaults(map[string]string{"DrillWorkspace": "dddd"}), "aaaa": defaults(optional())} {
		s := deploy(t, parameters)
		seen := map[string]bool{}
		for _, found := range s.schedules() {
			kind := strings.TrimPrefix(found.Name, stackName+"-")
			seen[kind] = true
			now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
			read, err := schedule.Read(t.Context(), one{schedule.Timer{ID: "default/" + found.Name, Name: found.Name, Enabled: true, Expression: found.ScheduleExpression,
				TimeZone: found.ScheduleExpressionTimezone}}, "", now)
			if err != nil || read.NextRun == nil {
				t.Fatalf("%s runs at %q: %v, %s", kind, found.ScheduleExpression, err, read.Message)
			}
			zone := s.parameters["TimeZone"]
			if found.ScheduleExpressionTimezone != zone || read.NextRun.Location().String() != zone {
				t.Errorf("%s runs in %s", kind, found.ScheduleExpressionTimezone)
			}
			if found.GroupName != "" || found.FlexibleTimeWindow.Mode != "OFF" || found.Target.RetryPolicy.MaximumRetryAttempts < 1 || found.Target.RetryPolicy.MaximumRetryAttempts > 185 {
				t.Errorf("%s: %+v", kind, found)
			}
			// What the schedule may do: start its function and keep what it could not start.
			r := s.roleOf(found.Target.RoleArn)
			for _, q := range []request{{action: "lambda:InvokeFunction", resource: found.Target.Arn}, {action: "sqs:SendMessage", resource: found.Target.DeadLetterConfig.Arn}} {
				if !r.permits(q) {
					t.Errorf("the role of %s may not %s on %s", kind, q.action, q.resource)
				}
			}
			if found.Target.DeadLetterConfig.Arn != s.attribute("FailedEvents", "Arn") || len(r.unused()) > 0 {
				t.Errorf("what %s cannot start goes to %s; unused: %v", kind, found.Target.DeadLetterConfig.Arn, r.unused())
			}
			input := strings.ReplaceAll(found.Target.Input, "<aws.scheduler.scheduled-time>", "2026-11-22T16:00:00Z")
			decoded, err := event.Decode([]byte(input))
			command, is := decoded.(event.Command)
			if err != nil || !is {
				t.Fatalf("%s sends %s: %v", kind, input, err)
			}
			switch kind {
			case "nightly":
				if found.Target.Arn != s.attribute("BackupFunction", "Arn") || found.State != "ENABLED" || found.Target.Input != `{"time":"<aws.scheduler.scheduled-time>"}` {
					t.Errorf("%+v", found)
				}
				if h, m, sec := read.NextRun.Clock(); h+m+sec != 0 || read.NextRun.Sub(now) > 24*time.Hour {
					t.Errorf("the backup runs at %s", read.NextRun)
				}
				sameFields(t, input, "../../events/lambda-eventbridge-scheduler-input.json")
			case "verify":
				if found.Target.Arn != s.attribute("BackupFunction", "Arn") || found.Target.Input != `{"verify":"latest"}` || read.NextRun.Weekday() != time.Sunday {
					t.Errorf("%+v", found)
				}
				sameFields(t, input, "../../events/command-backup-verify.json")
			case "drill":
				asked, err := drill.ParseCommand(command.JSON)
				if err != nil || !drill.IsCommand(command.JSON) || asked.Drill.Workspace != "dddd" || asked.Drill.Source != drillSource || asked.Time == nil || read.NextRun.Weekday() != time.Sunday {
					t.Errorf("%+v, %v", asked, err)
				}
				if found.Target.Arn != s.attribute("RestoreFunction", "Arn") {
					t.Errorf("%+v", found)
				}
			default:
				t.Errorf("what is %s?", found.Name)
			}
		}
		if len(seen) != 3 {
			t.Errorf("the schedules are %v", seen)
		}
	}
	if rest := deploy(t, defaults(map[string]string{"VerifySchedule": ""})).schedules(); len(rest) != 1 || rest[0].Name != stackName+"-nightly" {
		t.Errorf("without the optional ones the schedules are %+v", rest)
	}
}

// sameFields tells whether a sample in events/ is of the shape of what the template sends.
func sameFields(t *testing.T, input, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var have, sent map[string]any
	if err := json.Unmarshal(text, &have); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(input), &sent); err != nil || !slices.Equal(slices.Sorted(maps.Keys(have)), slices.Sorted(maps.Keys(sent))) {
		t.Errorf("%s has %s, and the template sends %s", path, text, input)
	}
}

// one is a platform with one timer.
type one struct{ timer schedule.Timer }

func (o one) Timers(context.Context) ([]schedule.Timer, error) { return []schedule.Timer{o.timer}, nil }
func (o one) Update(context.Context, schedule.Timer, func(schedule.Timer) schedule.Timer) (schedule.Timer, error) {
	return schedule.Timer{}, nil
}
func (o one) Run(context.Context, []byte) (string, error) { return "", nil }

// A name that is too long would be refused when the stack is created; the longest addition decides how long the stack's own name may be.
func TestTemplate_NamesOfSchedulesLeaveRoomForTheStacks(t *testing.T) {
	t.Parallel()
	const limit = 64 // of EventBridge Scheduler
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	promised := regexp.MustCompile(`The stack's name may have (\d+) characters`).FindStringSubmatch(string(text))
	if promised == nil {
		t.Fatal("the template does not say how long the stack's name may be")
	}
	longest := 0
	for _, found := range deploy(t, defaults(optional())).schedules() {
		longest = max(longest, len(strings.TrimPrefix(found.Name, stackName)))
	}
	if got := fmt.Sprint(limit - longest); got != promised[1] {
		t.Errorf("the stack's name may have %s characters, and the template says %s", got, promised[1])
	}
}

func TestTemplate_RestoreRequestsTriggerTheRestore(t *testing.T) {
	t.Parallel()
	s := deploy(t, defaults(nil))
	f := s.function("RestoreFunction")
	location, err := config.ParseLocation(f.Environment.Variables["BACKUP_LOCATION"])
	if err != nil {
		t.Fatal(err)
	}
	requested := f.Events["Requested"]
	if requested.Type != "S3" || requested.Properties["Bucket"] != vaultName || requested.Properties["Events"] != "s3:ObjectCreated:*" {
		t.Errorf("the trigger is %s %v", requested.Type, requested.Properties)
	}
	triggers := objectFilter(t, requested.Properties)
	for key, want := range map[string]bool{
		location.Root() + "restore-requests/x.json": true, location.Root() + "restore-requests/undo/x.json": true, // "undo" is how undos are queued
		location.Root() + "restore-requests/x.txt": false, location.Root() + "restores/x/report.json": false, sales + "/2026-11-22/backup.json": false,
	} {
		if triggers(key) != want {
			t.Errorf("%s triggers a restore: %v", key, !want)
		}
	}
}

func TestTemplate_NoRouteWithoutAuthentication(t *testing.T) {
	t.Parallel()
	s := deploy(t, defaults(nil))
	var api struct {
		Auth struct {
			EnableIamAuthorizer bool
			DefaultAuthorizer   string
		}
		AccessLogSettings struct{ DestinationArn, Format string }
	}
	s.of("Api", &api)
	if !api.Auth.EnableIamAuthorizer || api.Auth.DefaultAuthorizer != "AWS_IAM" {
		t.Errorf("the API's authentication is %+v", api.Auth)
	}
	if !json.Valid([]byte(api.AccessLogSettings.Format)) || !strings.Contains(api.AccessLogSettings.Format, "$context.identity.userArn") {
		t.Errorf("the access log has %s", api.AccessLogSettings.Format)
	}
	for name := range functions() {
		for event, e := range s.function(name).Events {
			if e.Type == "Api" {
				t.Errorf("%s of %s is on a gateway of its own", event, name)
			}
			if e.Type == "HttpApi" && (e.Properties["ApiId"] != s.physical("Api") || e.Properties["Auth"] != nil) {
				t.Errorf("%s of %s leaves the gateway's authentication", event, name)
			}
		}
	}
	if have, want := s.routes(), described(t); !maps.Equal(have, want) {
		t.Errorf("routes are %v, want %v", have, want)
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
	names := map[string]string{"restore": "RestoreFunction", "console": "ConsoleFunction"}
	routes := map[string]string{}
	for path, operations := range doc.Paths {
		for method, node := range operations {
			if method == "parameters" {
				continue
			}
			var operation struct{ Tags []string }
			if err := node.Decode(&operation); err != nil || len(operation.Tags) != 1 {
				t.Fatalf("%s %s: %v, tags %v", method, path, err, operation.Tags)
			}
			routes[strings.ToUpper(method)+" "+path] = names[operation.Tags[0]]
		}
	}
	return routes
}

// TestTemplate_SpellsPropertiesAsSAMDoes holds the names of properties against the AWS SAM specification, because check.mjs takes any of a function's and of its
// events', and SAM would refuse them only when the stack is deployed.
func TestTemplate_SpellsPropertiesAsSAMDoes(t *testing.T) {
	t.Parallel()
	known := map[string]string{
		"AWS::Serverless::Function": "Architectures CodeUri Description Environment EventInvokeConfig Events FunctionName Handler KmsKeyArn LoggingConfig MemorySize " +
			"ReservedConcurrentExecutions Role Runtime Timeout",
		"AWS::Serverless::HttpApi": "AccessLogSettings Auth CorsConfiguration DefaultRouteSettings Description FailOnWarnings Name StageName",
		"ScheduleV2": "DeadLetterConfig Description FlexibleTimeWindow GroupName Input Name RetryPolicy RoleArn ScheduleExpression ScheduleExpressionTimezone " +
			"StartDate EndDate State",
		"S3":                "Bucket Events Filter",
		"HttpApi":           "ApiId Auth Method Path PayloadFormatVersion TimeoutInMillis",
		"EventInvokeConfig": "DestinationConfig MaximumEventAgeInSeconds MaximumRetryAttempts",
	}
	s := deploy(t, defaults(optional()))
	check := func(where, kind string, properties any) {
		spelled, _ := properties.(map[string]any)
		for property := range spelled {
			if !slices.Contains(strings.Fields(known[kind]), property) {
				t.Errorf("%s: %s has no property %s", where, kind, property)
			}
		}
	}
	global, _ := s.resolve(member(s.section("Globals"), "Function")).(map[string]any)
	check("Globals", "AWS::Serverless::Function", global)
	for name, r := range s.resources {
		if !strings.HasPrefix(r.Type, "AWS::Serverless::") {
			continue
		}
		check(name, r.Type, r.Properties)
		check(name, "EventInvokeConfig", r.Properties["EventInvokeConfig"])
		events, _ := r.Properties["Events"].(map[string]any)
		for event, value := range events {
			e, _ := value.(map[string]any)
			kind, _ := e["Type"].(string)
			check(name+"."+event, kind, e["Properties"])
		}
	}
}

func TestTemplate_LogsEnd(t *testing.T) {
	t.Parallel()
	for name, r := range deploy(t, defaults(map[string]string{"LogDays": "365"})).resources {
		if r.Type == "AWS::Logs::LogGroup" && fmt.Sprint(r.Properties["RetentionInDays"]) != "365" {
			t.Errorf("%s is kept %v days", name, r.Properties["RetentionInDays"])
		}
	}
}
