// Package template_test holds template.yaml, the AWS SAM template, to what the functions need. That it is a valid template is
// checked by check.mjs beside this file.
package template_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/dataarts-backup/dataarts-backup/shared/config"
)

type environment struct{ Variables map[string]any }

type function struct {
	Type       string
	Properties struct {
		Runtime       string
		Handler       string
		Architectures []string
		CodeUri       string
		Timeout       int
		Environment   environment
		Events        map[string]struct {
			Type       string
			Properties map[string]any
		}
		FunctionUrlConfig any
	}
}

type template struct {
	Globals struct {
		Function struct {
			Runtime       string
			Handler       string
			Architectures []string
			Timeout       int
			Environment   environment
		}
	}
	Parameters map[string]struct{ Type, Description, AllowedPattern string }
	Resources  map[string]any
	Outputs    map[string]struct{ Description string }
}

func read(t *testing.T) template {
	t.Helper()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var generic any // short forms such as !Ref come out as their argument
	if err := yaml.Unmarshal(text, &generic); err != nil {
		t.Fatal(err)
	}
	var parsed template
	convert(t, generic, &parsed)
	return parsed
}

// convert brings decoded YAML into a struct by the names of its fields.
func convert(t *testing.T, generic, into any) {
	t.Helper()
	text, err := json.Marshal(generic)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func (tpl template) resource(t *testing.T, name string, into any) {
	t.Helper()
	generic, exists := tpl.Resources[name]
	if !exists {
		t.Fatalf("there is no resource %s", name)
	}
	convert(t, generic, into)
}

// functions are the resources of the functions.
func functions() map[string]config.Function {
	return map[string]config.Function{"BackupFunction": config.Backup, "RestoreFunction": config.Restore, "ConsoleFunction": config.Console}
}

func TestTemplate_FunctionsRunTheBinaries(t *testing.T) {
	t.Parallel()
	tpl := read(t)
	g := tpl.Globals.Function
	if g.Runtime != "provided.al2023" || g.Handler != "bootstrap" || !slices.Equal(g.Architectures, []string{"x86_64"}) {
		t.Errorf("runtime %q, handler %q, architectures %v", g.Runtime, g.Handler, g.Architectures)
	}
	for name, fn := range functions() {
		var f function
		tpl.resource(t, name, &f)
		if f.Type != "AWS::Serverless::Function" {
			t.Errorf("%s is a %s", name, f.Type)
		}
		if want := "dist/" + string(fn) + "/"; f.Properties.CodeUri != want {
			t.Errorf("%s runs %s, want %s", name, f.Properties.CodeUri, want)
		}
		if p := f.Properties; p.Runtime != "" || p.Handler != "" || p.Architectures != nil {
			t.Errorf("%s has a runtime of its own", name)
		}
		timeout := g.Timeout
		if f.Properties.Timeout != 0 {
			timeout = f.Properties.Timeout
		}
		if timeout < 1 || timeout > 900 {
			t.Errorf("%s may run for %d s, Lambda's limit is 900", name, timeout)
		}
		if f.Properties.FunctionUrlConfig != nil {
			t.Errorf("%s has a URL past the gateway", name)
		}
	}
}

// required are the variables without which a function does not start on Lambda.
func required(fn config.Function) []string {
	names := []string{"DATAARTS_REGION", "OBS_ENDPOINT", "BACKUP_LOCATION"}
	switch fn {
	case config.Backup:
		return append(names, "DATAARTS_PROJECT_ID", "DATAARTS_WORKSPACES", "HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK")
	case config.Restore:
		return append(names, "DATAARTS_PROJECT_ID", "HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK")
	default:
		return names
	}
}

func TestTemplate_SetsOnlyVariablesThatTheFunctionReads(t *testing.T) {
	t.Parallel()
	tpl := read(t)
	for name, fn := range functions() {
		var f function
		tpl.resource(t, name, &f)
		known := config.Names(fn)
		set := maps.Clone(tpl.Globals.Function.Environment.Variables)
		maps.Copy(set, f.Properties.Environment.Variables)
		for variable := range set {
			if !slices.Contains(known, variable) {
				t.Errorf("%s sets %s, which %s does not read", name, variable, fn)
			}
		}
		for _, variable := range required(fn) {
			if _, is := set[variable]; !is {
				t.Errorf("%s does not set %s", name, variable)
			}
		}
		for variable, value := range set {
			secret := strings.HasPrefix(variable, "HUAWEICLOUD_SDK_")
			if text, _ := value.(string); secret && !strings.HasPrefix(text, "{{resolve:secretsmanager:") {
				t.Errorf("%s takes %s from %v, want Secrets Manager", name, variable, value)
			}
		}
	}
}

func TestTemplate_BackupRunsAtMidnight(t *testing.T) {
	t.Parallel()
	var f function
	read(t).resource(t, "BackupFunction", &f)
	var schedules int
	for name, event := range f.Properties.Events {
		if event.Type != "ScheduleV2" {
			continue
		}
		schedules++
		expression, _ := event.Properties["ScheduleExpression"].(string)
		// Minute, hour, day of month, month, day of week, year; one of the two days must be "?".
		if !regexp.MustCompile(`^cron\(0 0 (\* \* \?|\? \* \*) \*\)$`).MatchString(expression) {
			t.Errorf("%s runs at %q, which is not midnight", name, expression)
		}
		if event.Properties["ScheduleExpressionTimezone"] != "TimeZone" {
			t.Errorf("%s runs in the zone %v, want the parameter", name, event.Properties["ScheduleExpressionTimezone"])
		}
		input, _ := event.Properties["Input"].(string)
		var command map[string]string
		if err := json.Unmarshal([]byte(input), &command); err != nil || len(command) != 1 || command["time"] != "<aws.scheduler.scheduled-time>" {
			t.Errorf("%s sends %q, want the scheduled time", name, input)
		}
	}
	if schedules != 1 {
		t.Errorf("there are %d schedules, want 1", schedules)
	}
}

func TestTemplate_RestoreRequestsTriggerTheRestore(t *testing.T) {
	t.Parallel()
	tpl := read(t)
	var f function
	tpl.resource(t, "RestoreFunction", &f)
	var filter struct {
		S3Key struct {
			Rules []struct{ Name, Value string }
		}
	}
	convert(t, f.Properties.Events["Requested"].Properties["Filter"], &filter)
	// The rules must match the location: requests lie below its root.
	location, err := config.ParseLocation(strings.ReplaceAll(
		tpl.Globals.Function.Environment.Variables["BACKUP_LOCATION"].(string), "${VaultName}", "vault"))
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]string{}
	for _, rule := range filter.S3Key.Rules {
		rules[rule.Name] = rule.Value
	}
	if want := location.Root() + "restore-requests/"; rules["prefix"] != want || rules["suffix"] != ".json" {
		t.Errorf("objects like %v trigger the restore, want %s*.json", rules, want)
	}
	if event := f.Properties.Events["Requested"]; event.Type != "S3" || event.Properties["Bucket"] != "Vault" {
		t.Errorf("the trigger is %s on %v", event.Type, event.Properties["Bucket"])
	}
}

func TestTemplate_NoRouteWithoutAuthentication(t *testing.T) {
	t.Parallel()
	tpl := read(t)
	var api struct {
		Properties struct {
			Auth struct {
				EnableIamAuthorizer bool
				DefaultAuthorizer   string
			}
		}
	}
	tpl.resource(t, "Api", &api)
	if !api.Properties.Auth.EnableIamAuthorizer || api.Properties.Auth.DefaultAuthorizer != "AWS_IAM" {
		t.Errorf("the API's authentication is %+v", api.Properties.Auth)
	}
	routes := map[string]string{}
	for name := range functions() {
		var f function
		tpl.resource(t, name, &f)
		for event, e := range f.Properties.Events {
			if e.Type == "Api" {
				t.Errorf("%s of %s is on a gateway of its own", event, name)
			}
			if e.Type != "HttpApi" {
				continue
			}
			if e.Properties["ApiId"] != "Api" || e.Properties["Auth"] != nil {
				t.Errorf("%s of %s leaves the gateway's authentication", event, name)
			}
			routes[e.Properties["Method"].(string)+" "+e.Properties["Path"].(string)] = name
		}
	}
	want := described(t)
	if !maps.Equal(routes, want) {
		t.Errorf("routes are %v, want %v", routes, want)
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
		Paths map[string]struct{ Get, Post, Put, Delete struct{ Tags []string } }
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{"restore": "RestoreFunction", "console": "ConsoleFunction"}
	routes := map[string]string{}
	for path, p := range doc.Paths {
		for method, operation := range map[string]struct{ Tags []string }{"GET": p.Get, "POST": p.Post, "PUT": p.Put, "DELETE": p.Delete} {
			if len(operation.Tags) == 1 {
				routes[method+" "+path] = names[operation.Tags[0]]
			}
		}
	}
	return routes
}

func TestTemplate_VaultIsPrivateAndStays(t *testing.T) {
	t.Parallel()
	var vault struct {
		DeletionPolicy, UpdateReplacePolicy string
		Properties                          struct {
			VersioningConfiguration        struct{ Status string }
			BucketEncryption               map[string]any
			PublicAccessBlockConfiguration map[string]bool
		}
	}
	read(t).resource(t, "Vault", &vault)
	if vault.DeletionPolicy != "Retain" || vault.UpdateReplacePolicy != "Retain" {
		t.Errorf("the bucket does not stay: %q, %q", vault.DeletionPolicy, vault.UpdateReplacePolicy)
	}
	if vault.Properties.VersioningConfiguration.Status != "Enabled" || len(vault.Properties.BucketEncryption) == 0 {
		t.Errorf("the bucket is not versioned and encrypted: %+v", vault.Properties)
	}
	for _, block := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
		if !vault.Properties.PublicAccessBlockConfiguration[block] {
			t.Errorf("%s is off", block)
		}
	}
}

// statement is a statement of a policy that allows something.
type statement struct {
	Effect, Sid string
	Action      any // one or several
	Resource    any
	Principal   struct{ Service string }
	Condition   map[string]map[string]string
}

func (s statement) actions() []string { return list(s.Action) }

func (s statement) resources() []string { return list(s.Resource) }

func list(value any) []string {
	if text, ok := value.(string); ok {
		return []string{text}
	}
	var texts []string
	values, _ := value.([]any)
	for _, v := range values {
		text, _ := v.(string)
		texts = append(texts, text)
	}
	return texts
}

// allowed are the statements that allow something, wherever they stand below a value.
func allowed(t *testing.T, value any) []statement {
	t.Helper()
	var found []statement
	switch v := value.(type) {
	case map[string]any:
		if v["Effect"] == "Allow" {
			var s statement
			convert(t, v, &s)
			return []statement{s}
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			found = append(found, allowed(t, v[name])...)
		}
	case []any:
		for _, element := range v {
			found = append(found, allowed(t, element)...)
		}
	}
	return found
}

func TestTemplate_PermitsNothingBeyondItself(t *testing.T) {
	t.Parallel()
	statements := allowed(t, read(t).Resources)
	if len(statements) < 10 {
		t.Fatalf("only %d permissions were found", len(statements))
	}
	for _, s := range statements {
		if s.Principal.Service != "" {
			if s.Principal.Service != "scheduler.amazonaws.com" || !slices.Equal(s.actions(), []string{"sts:AssumeRole"}) || s.Condition["StringEquals"]["aws:SourceAccount"] != "AWS::AccountId" {
				t.Errorf("somebody may take on a role: %+v", s)
			}
			continue
		}
		if len(s.actions()) == 0 || len(s.resources()) == 0 {
			t.Errorf("%s allows nothing that can be checked: %+v", s.Sid, s)
		}
		for _, action := range s.actions() {
			if strings.Contains(action, "*") {
				t.Errorf("%s allows %s", s.Sid, action)
			}
			for _, resource := range s.resources() {
				if !own(action, resource) {
					t.Errorf("%s allows %s on %s", s.Sid, action, resource)
				}
			}
			// Without the condition the console could hand the role to any service.
			if action == "iam:PassRole" && s.Condition["StringEquals"]["iam:PassedToService"] != "scheduler.amazonaws.com" {
				t.Errorf("%s allows to pass a role on the condition %v", s.Sid, s.Condition)
			}
		}
	}
}

// own tells whether a resource is one of the template's, as the action needs it. A list of schedules cannot be permitted for a part of it.
func own(action, resource string) bool {
	service, _, _ := strings.Cut(action, ":")
	switch service {
	case "s3":
		return strings.HasPrefix(resource, "arn:${AWS::Partition}:s3:::${VaultName}")
	case "lambda":
		return resource == "BackupFunction.Arn"
	case "sqs":
		return resource == "FailedEvents.Arn"
	case "iam":
		return resource == "NightlyRole.Arn"
	case "scheduler":
		return resource == "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule/default/${AWS::StackName}-nightly" ||
			action == "scheduler:ListSchedules" && resource == "*"
	}
	return false
}

func TestTemplate_TheConsoleMaySwitchTheNightlyBackup(t *testing.T) {
	t.Parallel()
	tpl := read(t)
	var backup, console function
	tpl.resource(t, "BackupFunction", &backup)
	tpl.resource(t, "ConsoleFunction", &console)
	if name := console.Properties.Environment.Variables["BACKUP_FUNCTION"]; name != "BackupFunction" {
		t.Errorf("the console starts %v", name)
	}
	permitted := map[string][]string{}
	for _, s := range allowed(t, tpl.Resources["ConsoleFunction"]) {
		for _, action := range s.actions() {
			permitted[action] = append(permitted[action], s.resources()...)
		}
	}
	nightly := backup.Properties.Events["Nightly"].Properties
	name, _ := nightly["Name"].(string)
	for _, want := range []struct{ action, resource string }{
		{"lambda:InvokeFunction", "BackupFunction.Arn"},
		{"scheduler:ListSchedules", "*"},
		{"scheduler:GetSchedule", "schedule/default/" + name},
		{"scheduler:UpdateSchedule", "schedule/default/" + name},
		{"iam:PassRole", nightly["RoleArn"].(string)}, // "UpdateSchedule" hands the role on again
	} {
		if !slices.ContainsFunc(permitted[want.action], func(r string) bool { return name != "" && strings.HasSuffix(r, want.resource) }) {
			t.Errorf("the console may %s on %v, want %s", want.action, permitted[want.action], want.resource)
		}
	}
	if nightly["GroupName"] != nil {
		t.Errorf("the schedule is in the group %v, and the permissions are for the default one", nightly["GroupName"])
	}
}
