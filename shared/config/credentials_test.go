package config_test

import (
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/shared/config"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	var (
		sdk        = env{"HUAWEICLOUD_SDK_AK": "sdk-ak", "HUAWEICLOUD_SDK_SK": "sdk-sk", "HUAWEICLOUD_SDK_SECURITY_TOKEN": "sdk-token"}
		obs        = env{"OBS_ACCESS_KEY_ID": "obs-ak", "OBS_SECRET_ACCESS_KEY": "obs-sk", "OBS_SECURITY_TOKEN": "obs-token"}
		role       = env{"AWS_ACCESS_KEY_ID": "aws-ak", "AWS_SECRET_ACCESS_KEY": "aws-sk", "AWS_SESSION_TOKEN": "aws-token"}
		lambda     = env{"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}
		graph      = env{"RUNTIME_API_ADDR": "127.0.0.1:9002"}
		s3         = env{"OBS_ENDPOINT": "https://s3.eu-central-1.amazonaws.com"}
		agency     = config.Credentials{AccessKey: "agency-ak", SecretKey: "agency-sk", SecurityToken: "agency-token"}
		fromSDK    = config.Credentials{AccessKey: "sdk-ak", SecretKey: "sdk-sk", SecurityToken: "sdk-token"}
		fromOBS    = config.Credentials{AccessKey: "obs-ak", SecretKey: "obs-sk", SecurityToken: "obs-token"}
		fromRole   = config.Credentials{AccessKey: "aws-ak", SecretKey: "aws-sk", SecurityToken: "aws-token"}
		invocation = agency
	)
	for _, test := range []struct {
		name            string
		env             []env
		dataArts, store config.Credentials
	}{
		{"on a laptop the SDK's variables serve both", []env{sdk}, fromSDK, fromSDK},
		{"on a laptop the store's own variables come first", []env{sdk, obs}, fromSDK, fromOBS},
		{"on a laptop the AWS variables are somebody else's", []env{sdk, role, s3}, fromSDK, fromSDK},
		{"on FunctionGraph the agency's keys serve both", []env{graph, sdk}, agency, agency},
		{"on FunctionGraph the store's own variables come first", []env{graph, obs}, agency, fromOBS},
		{"on Lambda with S3 the role's keys serve the store", []env{lambda, s3, sdk, role}, fromSDK, fromRole},
		{"on Lambda with S3 the store's own variables come first", []env{lambda, s3, sdk, role, obs}, fromSDK, fromOBS},
		{"on Lambda with OBS the SDK's variables serve both", []env{lambda, sdk, role}, fromSDK, fromSDK},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := minimal()
			delete(e, "HUAWEICLOUD_SDK_AK")
			delete(e, "HUAWEICLOUD_SDK_SK")
			for _, part := range test.env {
				e = e.with(part)
			}
			c := mustLoad(t, config.Backup, e)
			if got, err := c.DataArtsCredentials(invocation); err != nil || got != test.dataArts {
				t.Errorf("DataArts: key %q, error %v; want %q", got.AccessKey, err, test.dataArts.AccessKey)
			}
			if got, err := c.StoreCredentials(invocation); err != nil || got != test.store {
				t.Errorf("store: key %q, error %v; want %q", got.AccessKey, err, test.store.AccessKey)
			}
		})
	}
}

func TestCredentials_MissingOnes(t *testing.T) {
	t.Parallel()
	t.Run("an invocation without an agency is refused", func(t *testing.T) {
		t.Parallel()
		c := mustLoad(t, config.Backup, minimal().with(env{"RUNTIME_API_ADDR": "127.0.0.1:9002"}))
		if _, err := c.StoreCredentials(config.Credentials{}); err == nil || !strings.Contains(err.Error(), "agency") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("keys that are not there are named with the other faults", func(t *testing.T) {
		t.Parallel()
		e := minimal().with(env{"LOG_LEVEL": "loud"})
		delete(e, "HUAWEICLOUD_SDK_AK")
		_, err := load(config.Restore, e)
		if err == nil || !strings.Contains(err.Error(), "LOG_LEVEL") || !strings.Contains(err.Error(), "HUAWEICLOUD_SDK_AK is not set") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a role is only there on Lambda", func(t *testing.T) {
		t.Parallel()
		aws := env{"AWS_ACCESS_KEY_ID": "aws-ak", "AWS_SECRET_ACCESS_KEY": "aws-sk"}
		c := mustLoad(t, config.Console, minimal().with(aws))
		if _, err := c.RoleCredentials(); err == nil || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID is not set") {
			t.Errorf("got %v", err)
		}
		c = mustLoad(t, config.Console, minimal().with(aws).with(env{"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}))
		if got, err := c.RoleCredentials(); err != nil || got.AccessKey != "aws-ak" {
			t.Errorf("got key %q, error %v", got.AccessKey, err)
		}
	})
	t.Run("the console asks for DataArts keys only when it uses them", func(t *testing.T) {
		t.Parallel()
		e := minimal().with(env{"OBS_ACCESS_KEY_ID": "obs-ak", "OBS_SECRET_ACCESS_KEY": "obs-sk"})
		delete(e, "HUAWEICLOUD_SDK_SK")
		c := mustLoad(t, config.Console, e)
		if _, err := c.DataArtsCredentials(config.Credentials{}); err == nil || !strings.Contains(err.Error(), "HUAWEICLOUD_SDK_SK is not set") {
			t.Errorf("got %v", err)
		}
	})
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	lookup := config.Environment(env{
		"LOG_LEVEL":        "warn",
		"BACKUP_KEEP":      "",
		"RUNTIME_USERDATA": `{"LOG_LEVEL":"debug","BACKUP_KEEP":"daily=1","DATAARTS_RATE_LIMIT":5,"BACKUP_FUNCTION":null,"RUNTIME_API_ADDR":"x"}`,
	}.lookup)
	for name, want := range map[string]string{
		"LOG_LEVEL":           "warn",    // the process environment comes first
		"BACKUP_KEEP":         "daily=1", // an empty variable is none
		"DATAARTS_RATE_LIMIT": "5",
		"BACKUP_FUNCTION":     "",
		"RUNTIME_API_ADDR":    "", // the platform's own variables are not the user's to set
		"OBS_ENDPOINT":        "",
	} {
		if got, _ := lookup(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestEnvironment_ServesAWholeFunction(t *testing.T) {
	t.Parallel()
	process := env{
		"RUNTIME_PROJECT_ID": "0123456789abcdef", "RUNTIME_API_ADDR": "127.0.0.1:9002",
		"RUNTIME_USERDATA": `{"DATAARTS_REGION":"eu-west-101","DATAARTS_WORKSPACES":"ws1","BACKUP_LOCATION":"obs://vault"}`,
	}
	c, err := config.Load(config.Backup, config.Environment(process.lookup), options())
	if err != nil {
		t.Fatal(err)
	}
	if c.ProjectID != "0123456789abcdef" || c.Location.Bucket != "vault" {
		t.Errorf("got project %q and location %s", c.ProjectID, c.Location)
	}
}
