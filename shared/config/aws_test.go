package config_test

import (
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/shared/config"
)

func TestLoad_TellsTheConsoleOfItsAccountOnLambda(t *testing.T) {
	t.Parallel()
	lambda := env{"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1", "AWS_REGION": "eu-central-1"}
	for name, test := range map[string]struct {
		function config.Function
		env      env
		want     config.AWS
	}{
		"the_region":               {config.Console, lambda, config.AWS{Region: "eu-central-1"}},
		"one_endpoint_for_all":     {config.Console, lambda.with(env{"AWS_ENDPOINT_URL": "http://127.0.0.1:1/"}), config.AWS{Region: "eu-central-1", LambdaEndpoint: "http://127.0.0.1:1", SchedulerEndpoint: "http://127.0.0.1:1"}},
		"a_service's_own_first":    {config.Console, lambda.with(env{"AWS_ENDPOINT_URL": "http://a.test", "AWS_ENDPOINT_URL_LAMBDA": "http://b.test", "AWS_ENDPOINT_URL_SCHEDULER": "http://c.test"}), config.AWS{Region: "eu-central-1", LambdaEndpoint: "http://b.test", SchedulerEndpoint: "http://c.test"}},
		"an_odd_region_is_none":    {config.Console, lambda.with(env{"AWS_REGION": "evil.test/"}), config.AWS{}},
		"another_function_is_not":  {config.Backup, lambda.with(env{"AWS_ENDPOINT_URL": "?"}), config.AWS{}},
		"and_nobody_is_elsewhere":  {config.Console, env{"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": "?"}, config.AWS{}},
		"user_data_is_not_trusted": {config.Console, lambda.with(env{"RUNTIME_USERDATA": `{"AWS_ENDPOINT_URL":"https://evil.test"}`}), config.AWS{Region: "eu-central-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := minimal().with(test.env)
			c, err := config.Load(test.function, config.Environment(e.lookup), options())
			if err != nil {
				t.Fatal(err)
			}
			if c.AWS != test.want {
				t.Errorf("got %+v, want %+v", c.AWS, test.want)
			}
		})
	}
	t.Run("all_faults_of_the_endpoints_at_once", func(t *testing.T) {
		t.Parallel()
		_, err := load(config.Console, minimal().with(lambda).with(env{"AWS_ENDPOINT_URL": "nowhere", "AWS_ENDPOINT_URL_LAMBDA": "ftp://x", "AWS_ENDPOINT_URL_SCHEDULER": "https://u:pass@x"}))
		for _, want := range []string{"AWS_ENDPOINT_URL holds", "AWS_ENDPOINT_URL_LAMBDA holds", "AWS_ENDPOINT_URL_SCHEDULER holds"} {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pass") {
				t.Errorf("got %v, want %s", err, want)
			}
		}
	})
}
