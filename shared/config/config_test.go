package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/config"
)

const (
	recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
	identity  = "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6"
)

type env map[string]string

func (e env) lookup(name string) (string, bool) {
	value, set := e[name]
	return value, set
}

// with is a copy of the environment with some variables changed.
func (e env) with(changes env) env {
	c := env{}
	for _, m := range []env{e, changes} {
		for name, value := range m {
			c[name] = value
		}
	}
	return c
}

// minimal is the least that every function runs with, on a laptop.
func minimal() env {
	return env{
		"DATAARTS_REGION":     "eu-west-101",
		"DATAARTS_PROJECT_ID": "0123456789abcdef0123456789abcdef",
		"DATAARTS_WORKSPACES": "ws1",
		"BACKUP_LOCATION":     "obs://vault/dataarts/{workspace}",
		"HUAWEICLOUD_SDK_AK":  "HPUAEXAMPLEACCESSKEY",
		"HUAWEICLOUD_SDK_SK":  "example-secret-key-example",
	}
}

func options() config.Options {
	return config.Options{DataArtsEndpoints: func(region string) (string, string, bool) {
		if region != "eu-west-101" {
			return "", "", false
		}
		return "https://v1.example", "https://v2.example", true
	}}
}

func load(f config.Function, e env) (*config.Config, error) {
	return config.Load(f, e.lookup, options())
}

func mustLoad(t *testing.T, f config.Function, e env) *config.Config {
	t.Helper()
	c, err := load(f, e)
	if err != nil {
		t.Fatalf("Load(%s): %v", f, err)
	}
	return c
}

func TestLoad_Defaults(t *testing.T) {
	t.Parallel()
	got := mustLoad(t, config.Backup, minimal())
	want := &config.Config{
		Function:    config.Backup,
		Region:      "eu-west-101",
		ProjectID:   "0123456789abcdef0123456789abcdef",
		Workspaces:  []string{"ws1"},
		Endpoint:    "https://v1.example",
		V2Endpoint:  "https://v2.example",
		RateLimit:   25,
		OBSEndpoint: "https://obs.eu-west-101.myhuaweicloud.eu",
		Location:    config.Location{Bucket: "vault", Folder: "dataarts/{workspace}"},

		FunctionGraphEndpoint: "https://functiongraph.eu-west-101.myhuaweicloud.com",
		SMNEndpoint:           "https://smn.eu-west-101.myhuaweicloud.eu",
		LogLevel:              zerolog.InfoLevel,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(config.Config{}, config.Secret{})); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestLoad_ReadsEveryVariable(t *testing.T) {
	t.Parallel()
	e := minimal().with(env{
		"DATAARTS_REGION":      "eu-de",
		"DATAARTS_WORKSPACES":  " ws1 , ws2",
		"DATAARTS_ENDPOINT":    "http://127.0.0.1:8080/",
		"DATAARTS_V2_ENDPOINT": "https://v2.test/base",
		"DATAARTS_RATE_LIMIT":  "0.5",
		"OBS_ENDPOINT":         "http://localhost:9000",
		"BACKUP_TIME_ZONE":     "Asia/Shanghai",
		"BACKUP_KEEP":          "daily=30,weekly=8,monthly=12,yearly=3",
		"BACKUP_RECIPIENTS":    recipient,
		"NOTIFY_TOPIC_URN":     "urn:smn:eu-de:0123456789abcdef:alerts",
		"LOG_LEVEL":            "DEBUG",
	})
	c := mustLoad(t, config.Backup, e)
	check := func(name string, got, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	check("workspaces", c.Workspaces, []string{"ws1", "ws2"})
	check("endpoint", c.Endpoint, "http://127.0.0.1:8080")
	check("V2 endpoint", c.V2Endpoint, "https://v2.test/base")
	check("rate limit", c.RateLimit, 0.5)
	check("OBS endpoint", c.OBSEndpoint, "http://localhost:9000")
	check("time zone", c.TimeZone.String(), "Asia/Shanghai")
	check("keep", c.Keep, config.Keep{Daily: 30, Weekly: 8, Monthly: 12, Yearly: 3})
	check("recipients", c.Recipients, []string{recipient})
	check("topic", c.NotifyTopicURN, "urn:smn:eu-de:0123456789abcdef:alerts")
	check("SMN endpoint", c.SMNEndpoint, "https://smn.eu-de.otc.t-systems.com")
	check("log level", c.LogLevel, zerolog.DebugLevel)

	e["BACKUP_FUNCTION"] = "urn:fss:eu-de:0123456789abcdef:function:default:backup:latest"
	e["RESTORE_IDENTITY"] = identity
	c = mustLoad(t, config.Console, e)
	check("backup function", c.BackupFunction, "urn:fss:eu-de:0123456789abcdef:function:default:backup:latest")
	check("FunctionGraph endpoint", c.FunctionGraphEndpoint, "https://functiongraph.eu-de.otc.t-systems.com")
	check("identity", c.RestoreIdentity.Reveal(), identity)
	e["FUNCTIONGRAPH_ENDPOINT"] = "https://fg.test"
	check("FunctionGraph endpoint", mustLoad(t, config.Console, e).FunctionGraphEndpoint, "https://fg.test")
}

func TestLoad_EveryWorkspace(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, config.Backup, minimal().with(env{"DATAARTS_WORKSPACES": "*", "DATAARTS_INSTANCE_ID": "0a1b"}))
	if !c.AllWorkspaces || len(c.Workspaces) != 0 || c.InstanceID != "0a1b" {
		t.Errorf("got all %v, workspaces %v, instance %q", c.AllWorkspaces, c.Workspaces, c.InstanceID)
	}
}

func TestLoad_OBSEndpointOfRegion(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{
		"eu-de":          "https://obs.eu-de.otc.t-systems.com",
		"eu-nl":          "https://obs.eu-nl.otc.t-systems.com",
		"eu-west-101":    "https://obs.eu-west-101.myhuaweicloud.eu",
		"cn-north-4":     "https://obs.cn-north-4.myhuaweicloud.com",
		"ap-southeast-1": "https://obs.ap-southeast-1.myhuaweicloud.com",
	} {
		c := mustLoad(t, config.Restore, minimal().with(env{
			"DATAARTS_REGION": region, "DATAARTS_ENDPOINT": "https://a", "DATAARTS_V2_ENDPOINT": "https://b",
		}))
		if c.OBSEndpoint != want {
			t.Errorf("%s: OBS endpoint %q, want %q", region, c.OBSEndpoint, want)
		}
	}
}

func TestLoad_Faults(t *testing.T) {
	t.Parallel()
	const (
		wantProject    = "a project id (1 to 64 of A-Z, a-z, 0-9, '_' and '-')"
		wantWorkspaces = "workspace ids with commas between them, or * for every workspace of the instance"
		wantURL        = "a base URL such as https://host or https://host:port, without user, query or fragment"
		wantLocation   = "obs://bucket or obs://bucket/folder, with {workspace} in the folder where each workspace has its own"
		wantRate       = "a number of requests per second above 0, e.g. 25"
		wantFunction   = "the URN of a FunctionGraph function, or the name or ARN of a Lambda function"
		wantZone       = "a time zone of the IANA database, e.g. Europe/Berlin"
		wantKeep       = "rules such as daily=30,weekly=8,monthly=12,yearly=3"
		wantRecipients = "age public keys (age1...) with commas between them"
		wantTopic      = "the URN of an SMN topic, urn:smn:<region>:<project id>:<name>"
		wantLevel      = "one of trace, debug, info, warn, error, fatal, panic, disabled"
	)
	for _, test := range []struct {
		name     string
		function config.Function
		change   env
		want     []string // each fault as it reads
	}{
		{"no region", config.Console, env{"DATAARTS_REGION": ""}, []string{`DATAARTS_REGION is not set: want a region, e.g. eu-de`}},
		{"bad region", config.Backup, env{"DATAARTS_REGION": "Frankfurt"}, []string{`DATAARTS_REGION holds "Frankfurt": want a region, e.g. eu-de`}},
		{"blanks are nothing", config.Console, env{"DATAARTS_REGION": " \n"}, []string{`DATAARTS_REGION is not set: want a region, e.g. eu-de`}},
		{"no project", config.Backup, env{"DATAARTS_PROJECT_ID": ""}, []string{`DATAARTS_PROJECT_ID is not set: want ` + wantProject}},
		{"bad project", config.Restore, env{"DATAARTS_PROJECT_ID": "a/b"}, []string{`DATAARTS_PROJECT_ID holds "a/b": want ` + wantProject}},
		{"no workspaces", config.Backup, env{"DATAARTS_WORKSPACES": ""}, []string{`DATAARTS_WORKSPACES is not set: want ` + wantWorkspaces}},
		{"a workspace that is a path", config.Restore, env{"DATAARTS_WORKSPACES": "../x"}, []string{`DATAARTS_WORKSPACES holds "../x": want ` + wantWorkspaces + `, each of them once`}},
		{"a workspace twice", config.Backup, env{"DATAARTS_WORKSPACES": "a,b,a"}, []string{`DATAARTS_WORKSPACES holds "a,b,a": want ` + wantWorkspaces + `, each of them once`}},
		{"an empty workspace", config.Backup, env{"DATAARTS_WORKSPACES": "a,"}, []string{`DATAARTS_WORKSPACES holds "a,": want ` + wantWorkspaces + `, each of them once`}},
		{"all and one", config.Backup, env{"DATAARTS_WORKSPACES": "*,a"}, []string{`DATAARTS_WORKSPACES holds "*,a": want ` + wantWorkspaces + `, each of them once`}},
		{"all without instance", config.Backup, env{"DATAARTS_WORKSPACES": "*"}, []string{`DATAARTS_INSTANCE_ID is not set: want the id of the DataArts Studio instance, because DATAARTS_WORKSPACES is *`}},
		{"bad instance", config.Backup, env{"DATAARTS_INSTANCE_ID": "a b"}, []string{`DATAARTS_INSTANCE_ID holds "a b": want the id of a DataArts Studio instance`}},
		{"endpoint without scheme", config.Backup, env{"DATAARTS_ENDPOINT": "dayu.example"}, []string{`DATAARTS_ENDPOINT holds "dayu.example": want ` + wantURL}},
		{"endpoint with a query", config.Backup, env{"DATAARTS_V2_ENDPOINT": "https://h/?a=b"}, []string{`DATAARTS_V2_ENDPOINT holds "https://h/?a=b": want ` + wantURL}},
		{"endpoint with a password", config.Backup, env{"OBS_ENDPOINT": "https://me:hunter2@h"}, []string{`OBS_ENDPOINT holds [redacted]: want ` + wantURL}},
		{"endpoint without host", config.Console, env{"FUNCTIONGRAPH_ENDPOINT": "https://:443"}, []string{`FUNCTIONGRAPH_ENDPOINT holds "https://:443": want ` + wantURL}},
		{"a region without known endpoints", config.Restore, env{"DATAARTS_REGION": "eu-de"}, []string{
			`DATAARTS_ENDPOINT is not set: want ` + wantURL + `, because none is known for the region eu-de`,
			`DATAARTS_V2_ENDPOINT is not set: want ` + wantURL + `, because none is known for the region eu-de`,
		}},
		{"rate of words", config.Backup, env{"DATAARTS_RATE_LIMIT": "fast"}, []string{`DATAARTS_RATE_LIMIT holds "fast": want ` + wantRate}},
		{"rate of nothing", config.Backup, env{"DATAARTS_RATE_LIMIT": "0"}, []string{`DATAARTS_RATE_LIMIT holds "0": want ` + wantRate}},
		{"rate that is no number", config.Backup, env{"DATAARTS_RATE_LIMIT": "NaN"}, []string{`DATAARTS_RATE_LIMIT holds "NaN": want ` + wantRate}},
		{"rate without end", config.Backup, env{"DATAARTS_RATE_LIMIT": "inf"}, []string{`DATAARTS_RATE_LIMIT holds "inf": want ` + wantRate}},
		{"no location", config.Restore, env{"BACKUP_LOCATION": ""}, []string{`BACKUP_LOCATION is not set: want ` + wantLocation}},
		{"location of another store", config.Backup, env{"BACKUP_LOCATION": "s3://vault"}, []string{`BACKUP_LOCATION holds "s3://vault": want ` + wantLocation + ` (it must start with obs://)`}},
		{"one location for two workspaces", config.Backup, env{"DATAARTS_WORKSPACES": "a,b", "BACKUP_LOCATION": "obs://vault/x"}, []string{
			`BACKUP_LOCATION holds "obs://vault/x": want a folder with {workspace} in it, because several workspaces are backed up`}},
		{"one location for all workspaces", config.Backup, env{"DATAARTS_WORKSPACES": "*", "DATAARTS_INSTANCE_ID": "i", "BACKUP_LOCATION": "obs://vault"}, []string{
			`BACKUP_LOCATION holds "obs://vault": want a folder with {workspace} in it, because several workspaces are backed up`}},
		{"bad backup function", config.Console, env{"BACKUP_FUNCTION": "my backup"}, []string{`BACKUP_FUNCTION holds "my backup": want ` + wantFunction}},
		{"unknown zone", config.Backup, env{"BACKUP_TIME_ZONE": "Mars/Base"}, []string{`BACKUP_TIME_ZONE holds "Mars/Base": want ` + wantZone}},
		{"the machine's own zone", config.Backup, env{"BACKUP_TIME_ZONE": "Local"}, []string{`BACKUP_TIME_ZONE holds "Local": want ` + wantZone}},
		{"unknown rule", config.Backup, env{"BACKUP_KEEP": "hourly=3"}, []string{`BACKUP_KEEP holds "hourly=3": want ` + wantKeep + ` ("hourly=3" is no rule)`}},
		{"keep nothing", config.Backup, env{"BACKUP_KEEP": "daily=0"}, []string{`BACKUP_KEEP holds "daily=0": want ` + wantKeep + ` (daily must be a number from 1 to 36525)`}},
		{"a rule twice", config.Backup, env{"BACKUP_KEEP": "daily=1,daily=2"}, []string{`BACKUP_KEEP holds "daily=1,daily=2": want ` + wantKeep + ` (daily is there twice)`}},
		{"mistyped recipient", config.Backup, env{"BACKUP_RECIPIENTS": strings.Replace(recipient, "ql3z", "ql3q", 1)}, []string{
			`BACKUP_RECIPIENTS holds "age1ql3q7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p": want ` + wantRecipients}},
		{"an identity among the recipients", config.Restore, env{"BACKUP_RECIPIENTS": recipient + "," + identity}, []string{
			`BACKUP_RECIPIENTS holds [redacted]: want ` + wantRecipients}},
		{"mistyped identity", config.Restore, env{"RESTORE_IDENTITY": strings.Replace(identity, "XMWW", "XMWQ", 1)}, []string{
			`RESTORE_IDENTITY holds [redacted]: want an age private key (AGE-SECRET-KEY-1...)`}},
		{"bad topic", config.Backup, env{"NOTIFY_TOPIC_URN": "alerts"}, []string{`NOTIFY_TOPIC_URN holds "alerts": want ` + wantTopic}},
		{"unknown log level", config.Backup, env{"LOG_LEVEL": "loud"}, []string{`LOG_LEVEL holds "loud": want ` + wantLevel}},
		{"log level as a number", config.Backup, env{"LOG_LEVEL": "1"}, []string{`LOG_LEVEL holds "1": want ` + wantLevel}},
		{"user data that is no object", config.Backup, env{"RUNTIME_USERDATA": `["HUAWEICLOUD_SDK_SK"]`}, []string{
			`RUNTIME_USERDATA holds [redacted]: want a JSON object such as {"LOG_LEVEL":"info"}`}},
		{"half a key pair", config.Backup, env{"HUAWEICLOUD_SDK_SK": ""}, []string{`HUAWEICLOUD_SDK_SK is not set: want the secret key of HUAWEICLOUD_SDK_AK`}},
		{"half a key pair for the store", config.Console, env{"OBS_SECRET_ACCESS_KEY": "s"}, []string{`OBS_ACCESS_KEY_ID is not set: want an access key id`}},
		{"a key in the wrong place", config.Backup, env{"DATAARTS_REGION": "example-secret-key-example/eu-de"}, []string{`DATAARTS_REGION holds [redacted]: want a region, e.g. eu-de`}},
		{"a long value", config.Backup, env{"LOG_LEVEL": strings.Repeat("é", 100)}, []string{`LOG_LEVEL holds "` + strings.Repeat("é", 80) + `…": want ` + wantLevel}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := load(test.function, minimal().with(test.change))
			if err == nil {
				t.Fatal("no error")
			}
			if want := "settings: " + strings.Join(test.want, "; "); err.Error() != want {
				t.Errorf("got  %s\nwant %s", err, want)
			}
		})
	}
}

func TestLoad_NamesAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Backup, env{"LOG_LEVEL": "loud", "BACKUP_KEEP": "x"}.lookup, config.Options{})
	var faults config.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got %v", err)
	}
	var names []string
	for _, f := range faults {
		names = append(names, f.Variable)
	}
	want := []string{
		"DATAARTS_REGION", "DATAARTS_PROJECT_ID", "DATAARTS_WORKSPACES", "BACKUP_LOCATION",
		"BACKUP_KEEP", "LOG_LEVEL", "HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
	var one config.Fault
	if !errors.As(err, &one) || one.Variable != "DATAARTS_REGION" {
		t.Errorf("errors.As gives %v, want the first fault", one)
	}
}

func TestLoad_IgnoresWhatTheFunctionDoesNotNeed(t *testing.T) {
	t.Parallel()
	broken := env{
		"BACKUP_FUNCTION": "my backup", "FUNCTIONGRAPH_ENDPOINT": "?", // console, and the latter backup, too
		"NOTIFY_TOPIC_URN": "x", "SMN_ENDPOINT": "?",
		"BACKUP_TIME_ZONE": "Mars/Base", "BACKUP_KEEP": "x", "DATAARTS_INSTANCE_ID": "a b", // backup only, and the first console
		"RESTORE_IDENTITY": "x", "BACKUP_RECIPIENTS": "x",
	}
	for _, function := range []config.Function{config.Backup, config.Restore, config.Console} {
		e := minimal()
		known := map[string]bool{}
		for _, name := range config.Names(function) {
			known[name] = true
		}
		for name, value := range broken {
			if !known[name] {
				e[name] = value
			}
		}
		mustLoad(t, function, e)
	}
	// The console needs neither the project nor keys for DataArts.
	mustLoad(t, config.Console, env{
		"DATAARTS_REGION": "eu-de", "BACKUP_LOCATION": "obs://vault", "OBS_ACCESS_KEY_ID": "a", "OBS_SECRET_ACCESS_KEY": "b",
	})
}

func TestLoad_NamesTheFunctionThatRuns(t *testing.T) {
	t.Parallel()
	preset := env{"RUNTIME_PROJECT_ID": "0dd3", "RUNTIME_PACKAGE": "default", "RUNTIME_FUNC_NAME": "nightly", "RUNTIME_FUNC_VERSION": "latest"}
	region := minimal()["DATAARTS_REGION"]
	for name, test := range map[string]struct {
		change env
		want   config.Self
	}{
		"by_what_FunctionGraph_presets":           {env{}, config.Self{ProjectID: "0dd3", URN: "urn:fss:" + region + ":0dd3:function:default:nightly:latest"}},
		"in_its_own_project_and_not_in_DataArts":  {env{"DATAARTS_PROJECT_ID": "another"}, config.Self{ProjectID: "0dd3", URN: "urn:fss:" + region + ":0dd3:function:default:nightly:latest"}},
		"in_that_of_DataArts_where_it_knows_none": {env{"RUNTIME_PROJECT_ID": "", "DATAARTS_PROJECT_ID": "another"}, config.Self{ProjectID: "another", URN: "urn:fss:" + region + ":another:function:default:nightly:latest"}},
		"nowhere_without_a_name":                  {env{"RUNTIME_FUNC_NAME": ""}, config.Self{}},
		"nowhere_without_a_version":               {env{"RUNTIME_FUNC_VERSION": ""}, config.Self{}},
		"nowhere_with_a_name_that_is_none":        {env{"RUNTIME_FUNC_NAME": "a/b"}, config.Self{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, mustLoad(t, config.Backup, minimal().with(preset).with(test.change)).Self); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoad_UnknownFunction(t *testing.T) {
	t.Parallel()
	_, err := load("undo", minimal())
	if err == nil || !strings.Contains(err.Error(), `"undo"`) {
		t.Errorf("got %v", err)
	}
}

func TestConfig_NeverPrintsASecret(t *testing.T) {
	t.Parallel()
	e := minimal().with(env{
		"HUAWEICLOUD_SDK_SECURITY_TOKEN": "sdk-token-value",
		"OBS_ACCESS_KEY_ID":              "obs-access-value", "OBS_SECRET_ACCESS_KEY": "obs-secret-value", "OBS_SECURITY_TOKEN": "obs-token-value",
		"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1", "AWS_ACCESS_KEY_ID": "aws-access-value", "AWS_SECRET_ACCESS_KEY": "aws-secret-value", "AWS_SESSION_TOKEN": "aws-token-value",
		"RESTORE_IDENTITY": identity,
	})
	c := mustLoad(t, config.Restore, e)
	keys, err := c.StoreCredentials(config.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	for _, v := range []any{c, *c, keys, &keys, c.RestoreIdentity, struct{ C *config.Config }{c}, []config.Credentials{keys}} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		printed.Write(text)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&printed, verb, v)
		}
	}
	log := zerolog.New(&printed)
	log.Info().Interface("config", c).Interface("keys", keys).Stringer("identity", c.RestoreIdentity).Any("x", c.RestoreIdentity).Send()
	for name, value := range e {
		secret := strings.HasSuffix(value, "-value") || name == "RESTORE_IDENTITY" || strings.HasPrefix(name, "HUAWEICLOUD")
		if secret && (strings.Contains(printed.String(), value) || strings.Contains(printed.String(), fmt.Sprintf("%x", value))) {
			t.Errorf("the value of %s was printed", name)
		}
	}
	if !strings.Contains(printed.String(), "[redacted]") {
		t.Error("nothing tells that there are secrets")
	}
}

func TestLoad_ErrorsNeverHoldASecret(t *testing.T) {
	t.Parallel()
	secrets := env{
		"HUAWEICLOUD_SDK_SK": "sdk-secret-value", "OBS_SECRET_ACCESS_KEY": "obs-secret-value", "RESTORE_IDENTITY": "mistyped-identity",
		"RUNTIME_USERDATA": `{"OBS_SECRET_ACCESS_KEY":"userdata-secret-value"`,
	}
	for _, function := range []config.Function{config.Backup, config.Restore, config.Console} {
		e := env{}.with(secrets)
		for _, name := range config.Names(function) {
			if _, secret := secrets[name]; !secret {
				e[name] = "? mistyped-identity obs-secret-value sdk-secret-value"
			}
		}
		_, err := load(function, e)
		if err == nil {
			t.Fatal("no error")
		}
		for _, secret := range []string{"sdk-secret-value", "obs-secret-value", "userdata-secret-value"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %s is in %q", function, secret, err)
			}
		}
		if function == config.Restore && strings.Contains(err.Error(), "mistyped-identity") {
			t.Errorf("the identity is in %q", err)
		}
	}
}

func TestConfig_DataArtsReadsTheStoreOnlyWhereItIsOBS(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		store, dataarts string
		want            bool
	}{
		{"https://obs.eu-de.otc.t-systems.com", "https://dayu-dlf.eu-de.otc.t-systems.com", true},
		{"https://s3.eu-central-1.amazonaws.com", "https://dayu-dlf.eu-de.otc.t-systems.com", false},
		{"http://127.0.0.1:9000", "https://dayu.cn-north-4.myhuaweicloud.com", false},
		{"http://127.0.0.1:9000", "http://127.0.0.1:9001", true}, // a local cloud
	} {
		loaded := mustLoad(t, config.Restore, minimal().with(env{"OBS_ENDPOINT": c.store, "DATAARTS_ENDPOINT": c.dataarts}))
		if got := loaded.DataArtsReadsStore(); got != c.want {
			t.Errorf("store %s, DataArts %s: %v, want %v", c.store, c.dataarts, got, c.want)
		}
	}
}
