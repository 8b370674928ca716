package template_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Where the stacks of these tests are.
const (
	awsRegion  = "eu-central-1"
	awsAccount = "000000000000"
	stackName  = "dataarts-backup"
	vaultName  = "dataarts-vault"
)

// stack is template.yaml as CloudFormation sees it, with parameters given: what has a condition that does not hold is gone, and every reference is resolved.
type stack struct {
	t          *testing.T
	document   *yaml.Node
	parameters map[string]string
	resources  map[string]resource
	outputs    map[string]string
}

type resource struct {
	Type                                string
	DeletionPolicy, UpdateReplacePolicy string
	Properties                          map[string]any
}

// noValue is AWS::NoValue: what has it is left out.
type noValue struct{}

// secretsManager is what is in Secrets Manager.
type secretsManager map[string]map[string]string

// defaults are parameters of an ordinary stack.
func defaults(change map[string]string) map[string]string {
	parameters := map[string]string{"VaultName": vaultName, "DataArtsRegion": "cn-north-4", "DataArtsProjectId": "0123456789abcdef", "DataArtsWorkspaces": "aaaa",
		"DataArtsKeys": "dataarts"}
	maps.Copy(parameters, change)
	return parameters
}

// optional gives every parameter that is optional.
func optional() map[string]string {
	return map[string]string{"DataArtsInstanceId": "instance", "DataArtsEndpoint": "https://dayu-dlf.example.com", "DataArtsV2Endpoint": "https://dayu.example.com",
		"DataArtsRateLimit": "12.5", "RestoreKeys": "restore", "ConsoleKeys": "console", "TimeZone": "Asia/Shanghai", "DrillWorkspace": "dddd", "DrillSource": "aaaa",
		"BackupKeep": "daily=30,weekly=8", "ObjectLockDays": "14", "KmsKeyArn": "arn:aws:kms:eu-central-1:000000000000:key/0a1b", "RestoreIdentity": "age",
		"BackupRecipients": "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p", "AlarmEmail": "ops@example.com",
		"NotifyTopicUrn": "urn:smn:cn-north-4:0123456789abcdef:backups", "SmnEndpoint": "https://smn.example.com", "LogLevel": "debug"}
}

// deploy reads the template as it is with these parameters. Parameters that CloudFormation would refuse fail the test.
func deploy(t *testing.T, parameters map[string]string) *stack {
	t.Helper()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return deployText(t, text, parameters)
}

func deployText(t *testing.T, text []byte, parameters map[string]string) *stack {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	s := &stack{t: t, document: document.Content[0], parameters: map[string]string{}, resources: map[string]resource{}, outputs: map[string]string{}}
	s.take(parameters)
	for name, rule := range members(s.section("Rules")) {
		if condition := member(rule, "RuleCondition"); condition != nil && !s.truth(condition) {
			continue
		}
		for _, assertion := range member(rule, "Assertions").Content {
			if !s.truth(member(assertion, "Assert")) {
				t.Fatalf("rule %s: %s", name, member(assertion, "AssertDescription").Value)
			}
		}
	}
	for name, node := range members(s.section("Resources")) {
		if condition := member(node, "Condition"); condition != nil && !s.condition(condition.Value) {
			continue
		}
		var r resource
		convert(t, s.resolve(node), &r)
		s.resources[name] = r
	}
	for name, node := range members(s.section("Outputs")) {
		s.outputs[name] = fmt.Sprint(s.resolve(member(node, "Value")))
	}
	return s
}

// take checks parameters by what the template says of them.
func (s *stack) take(given map[string]string) {
	s.t.Helper()
	known := map[string]bool{}
	for name, node := range members(s.section("Parameters")) {
		known[name] = true
		var generic any
		if err := node.Decode(&generic); err != nil {
			s.t.Fatalf("parameter %s: %v", name, err)
		}
		var p struct {
			AllowedPattern string
			Default        any
			AllowedValues  []any
			MinLength      int
		}
		convert(s.t, generic, &p)
		value, is := given[name]
		switch {
		case !is && p.Default == nil:
			s.t.Fatalf("parameter %s is not given", name)
		case !is:
			value = fmt.Sprint(p.Default)
		}
		if p.AllowedPattern != "" && !regexp.MustCompile(p.AllowedPattern).MatchString(value) || len(value) < p.MinLength ||
			len(p.AllowedValues) > 0 && !slices.ContainsFunc(p.AllowedValues, func(allowed any) bool { return fmt.Sprint(allowed) == value }) {
			s.t.Fatalf("parameter %s must not be %q", name, value)
		}
		s.parameters[name] = value
	}
	for name := range given {
		if !known[name] {
			s.t.Fatalf("there is no parameter %s", name)
		}
	}
}

func (s *stack) section(name string) *yaml.Node { return member(s.document, name) }

// member is the value of a key of a mapping, or nil.
func member(node *yaml.Node, name string) *yaml.Node { return members(node)[name] }

func members(node *yaml.Node) map[string]*yaml.Node {
	all := map[string]*yaml.Node{}
	if node == nil || node.Kind != yaml.MappingNode {
		return all
	}
	for i := 0; i < len(node.Content); i += 2 {
		all[node.Content[i].Value] = node.Content[i+1]
	}
	return all
}

func (s *stack) condition(name string) bool {
	node := member(s.section("Conditions"), name)
	if node == nil {
		s.t.Fatalf("there is no condition %s", name)
	}
	return s.truth(node)
}

func (s *stack) truth(node *yaml.Node) bool {
	switch node.Tag {
	case "!Equals":
		return fmt.Sprint(s.resolve(node.Content[0])) == fmt.Sprint(s.resolve(node.Content[1]))
	case "!Not":
		return !s.truth(node.Content[0])
	case "!Condition":
		return s.condition(node.Value)
	}
	s.t.Fatalf("line %d: %s is not known to these tests as a condition", node.Line, node.Tag)
	return false
}

// resolve is what CloudFormation makes of a value.
func (s *stack) resolve(node *yaml.Node) any {
	switch node.Tag {
	case "!Ref":
		return s.ref(node.Value)
	case "!GetAtt":
		name, attribute, _ := strings.Cut(node.Value, ".")
		return s.attribute(name, attribute)
	case "!Sub":
		return regexp.MustCompile(`\$\{([^}]+)\}`).ReplaceAllStringFunc(node.Value, func(match string) string {
			name, attribute, has := strings.Cut(match[2:len(match)-1], ".")
			if has {
				return s.attribute(name, attribute)
			}
			return fmt.Sprint(s.ref(name))
		})
	case "!If":
		if s.condition(node.Content[0].Value) {
			return s.resolve(node.Content[1])
		}
		return s.resolve(node.Content[2])
	}
	if strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!") {
		s.t.Fatalf("line %d: %s is not known to these tests", node.Line, node.Tag)
	}
	switch node.Kind {
	case yaml.MappingNode:
		all := map[string]any{}
		for name, value := range members(node) {
			if v := s.resolve(value); !isNoValue(v) {
				all[name] = v
			}
		}
		return all
	case yaml.SequenceNode:
		all := []any{}
		for _, value := range node.Content {
			if v := s.resolve(value); !isNoValue(v) {
				all = append(all, v)
			}
		}
		return all
	}
	var value any
	if err := node.Decode(&value); err != nil {
		s.t.Fatalf("line %d: %v", node.Line, err)
	}
	return value
}

func isNoValue(v any) bool {
	_, is := v.(noValue)
	return is
}

func (s *stack) ref(name string) any {
	pseudo := map[string]any{"AWS::Region": awsRegion, "AWS::AccountId": awsAccount, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
		"AWS::StackName": stackName, "AWS::NoValue": noValue{}}
	if value, is := pseudo[name]; is {
		return value
	}
	if value, is := s.parameters[name]; is {
		return value
	}
	return s.physical(name)
}

// physical is the name that a resource has, or its ARN where Ref is that.
func (s *stack) physical(name string) string {
	node := s.declared(name)
	switch member(node, "Type").Value {
	case "AWS::SNS::Topic", "AWS::IAM::ManagedPolicy":
		return s.attribute(name, "Arn")
	case "AWS::SQS::Queue":
		return "https://sqs." + awsRegion + ".amazonaws.com/" + awsAccount + "/" + name
	}
	if named := member(member(node, "Properties"), "BucketName"); named != nil {
		return fmt.Sprint(s.resolve(named))
	}
	return stackName + "-" + name
}

// declared is a resource that is there with these parameters.
func (s *stack) declared(name string) *yaml.Node {
	s.t.Helper()
	node := member(s.section("Resources"), name)
	if node == nil {
		s.t.Fatalf("there is no resource %s", name)
	}
	if condition := member(node, "Condition"); condition != nil && !s.condition(condition.Value) {
		s.t.Fatalf("%s is referred to and not there", name)
	}
	return node
}

func (s *stack) attribute(name, attribute string) string {
	node := s.declared(name)
	kind := member(node, "Type").Value
	arn := func(service, format string, args ...any) string {
		return "arn:aws:" + service + ":" + awsRegion + ":" + awsAccount + ":" + fmt.Sprintf(format, args...)
	}
	switch kind + "." + attribute {
	case "AWS::Serverless::Function.Arn":
		return arn("lambda", "function:%s", s.physical(name))
	case "AWS::Logs::LogGroup.Arn":
		return arn("logs", "log-group:%s:*", s.physical(name))
	case "AWS::SQS::Queue.Arn":
		return arn("sqs", "%s", name)
	case "AWS::SNS::Topic.Arn":
		return arn("sns", "%s", name)
	case "AWS::SQS::Queue.QueueName":
		return name
	case "AWS::IAM::Role.Arn":
		return "arn:aws:iam::" + awsAccount + ":role/" + s.physical(name)
	case "AWS::IAM::ManagedPolicy.Arn":
		return "arn:aws:iam::" + awsAccount + ":policy/" + stackName + "-" + name
	case "AWS::S3::Bucket.Arn":
		return "arn:aws:s3:::" + s.physical(name)
	}
	s.t.Fatalf("%s of %s is not known to these tests", attribute, name)
	return ""
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

// of brings the properties of a resource into a struct.
func (s *stack) of(name string, into any) resource {
	s.t.Helper()
	r, exists := s.resources[name]
	if !exists {
		s.t.Fatalf("there is no resource %s", name)
	}
	convert(s.t, r.Properties, into)
	return r
}

// function is a function as it is deployed: with what the template sets for all of them.
type function struct {
	Runtime, Handler, CodeUri, Role, KmsKeyArn string
	Architectures                              []string
	MemorySize, Timeout                        int
	LoggingConfig                              struct{ LogGroup string }
	Environment                                struct{ Variables map[string]string }
	EventInvokeConfig                          struct {
		MaximumRetryAttempts, MaximumEventAgeInSeconds int
		DestinationConfig                              struct {
			OnFailure struct{ Type, Destination string }
		}
	}
	Events map[string]struct {
		Type       string
		Properties map[string]any
	}
	FunctionUrlConfig, Policies any
}

func (s *stack) function(name string) function {
	s.t.Helper()
	var f function
	convert(s.t, s.resolve(member(s.section("Globals"), "Function")), &f)
	global := f.Environment.Variables
	f.Environment.Variables = nil
	s.of(name, &f)
	maps.Copy(global, f.Environment.Variables)
	f.Environment.Variables = global
	return f
}

// secret is a dynamic reference to Secrets Manager ("Get a secret or secret value from Secrets Manager" of the CloudFormation user guide).
var secret = regexp.MustCompile(`^\{\{resolve:secretsmanager:([^:}]+|arn:[^}]+?:secret:[^:}]+):SecretString:([^:}]+)\}\}$`)

// reveal puts secrets in the place of references to them, as CloudFormation does when it deploys.
func (m secretsManager) reveal(t *testing.T, variables map[string]string) map[string]string {
	t.Helper()
	revealed := maps.Clone(variables)
	for name, value := range variables {
		if match := secret.FindStringSubmatch(value); match != nil {
			var is bool
			if revealed[name], is = m[match[1]][match[2]]; !is {
				t.Fatalf("%s refers to %s, which is not in Secrets Manager", name, value)
			}
		}
	}
	return revealed
}
