package terraform_test

import (
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/robfig/cron/v3"

	"github.com/dataarts-backup/dataarts-backup/infra/terraform/plan"
	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/drill"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

const openTelekomCloud = "../opentelekomcloud"

// otcFew are the inputs that one has to give.
func otcFew() map[string]any {
	return map[string]any{"workspaces": []string{"0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11"}, "bucket": "vault", "time_zone": "Europe/Berlin", "alarm_user": "operator",
		"kms_key_id": "0d0466b0-e727-4d9c-b35d-f84bb474a37f"}
}

// otcMany are inputs that set everything there is.
func otcMany() map[string]any {
	return with(many(), map[string]any{"region": "eu-de", "worm_days": 30, "gateway": map[string]any{"instance_id": "9a1c", "auth": "IAM", "accounts": []string{anAccount}}, "tags": map[string]any{"service": "backup"}})
}

func otcTried(inputs map[string]any) (*plan.Plan, error) {
	return plan.Of(openTelekomCloud, plan.Options{Inputs: inputs,
		Files: func(path string) ([]byte, error) { return []byte(path), nil },
		Known: func(address, argument string) string {
			switch argument {
			case "urn":
				return "urn:fss:eu-de:b384b9e9ab9b4ee8994c8633aabc9505:function:default:" + strings.TrimPrefix(address, "opentelekomcloud_fgs_function_v2.") + ":latest"
			case "topic_urn":
				return "urn:smn:eu-de:b384b9e9ab9b4ee8994c8633aabc9505:dataarts-backup"
			}
			return argument + " of " + address
		}})
}

func otcPlanned(t *testing.T, inputs map[string]any) *plan.Plan {
	t.Helper()
	p, err := otcTried(inputs)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func otcFunction(t *testing.T, p *plan.Plan, f config.Function) plan.Resource {
	t.Helper()
	return resource(t, p, "opentelekomcloud_fgs_function_v2."+string(f))
}

// otcEnvironment is everything that a function is told.
func otcEnvironment(t *testing.T, p *plan.Plan, f config.Function) map[string]string {
	t.Helper()
	variables := map[string]string{}
	for _, argument := range []string{"user_data", "encrypted_user_data"} {
		for name, value := range object(t, otcFunction(t, p, f)[argument]) {
			text, ok := value.(string)
			if !ok || text == "" {
				t.Errorf("%s of %s is %v", name, f, value)
			}
			variables[name] = text
		}
	}
	return variables
}

func TestOpenTelekomCloud_EveryVariableOfAFunctionCanBeSetAndNoOther(t *testing.T) {
	t.Parallel()
	p := otcPlanned(t, otcMany())
	for _, f := range allFunctions() {
		got := slices.Sorted(maps.Keys(otcEnvironment(t, p, f)))
		if d := cmp.Diff(slices.Sorted(slices.Values(settable(f))), got); d != "" {
			t.Errorf("%s (- the code, + the template):\n%s", f, d)
		}
		for name := range object(t, otcFunction(t, p, f)["user_data"]) {
			if name == "RESTORE_IDENTITY" || strings.HasPrefix(name, "OBS_") && name != "OBS_ENDPOINT" {
				t.Errorf("%s has %s in plain sight", f, name)
			}
		}
	}
}

// The two modules are meant to be told the same, so that one who knows the one can use the other.
func TestOpenTelekomCloud_ItsVariablesAreThoseOfHuaweiCloud(t *testing.T) {
	t.Parallel()
	here, there := otcPlanned(t, otcFew()).Variables, planned(t, huaweicloud, few()).Variables
	here = slices.DeleteFunc(here, func(name string) bool { return name == "worm_days" }) // Huawei's provider knows no WORM
	slices.Sort(here)
	slices.Sort(there)
	if d := cmp.Diff(there, here); d != "" {
		t.Errorf("variables (- Huawei Cloud, + Open Telekom Cloud):\n%s", d)
	}
}

// What the functions log and which keys they write is the same on both clouds. The permissions are spelled in lower case here.
func TestOpenTelekomCloud_ItLooksForAndAllowsWhatHuaweiCloudDoes(t *testing.T) {
	t.Parallel()
	for name, inputs := range map[string]map[string]any{"few": {}, "many": {"workspaces": []string{"a", "b"}, "location": "x/{workspace}", "resource_buckets": []string{"jars"}}} {
		here, there := otcPlanned(t, with(otcFew(), inputs)).Locals, planned(t, huaweicloud, with(few(), inputs)).Locals
		for _, local := range []string{"log_alarms", "vault_statements", "routes"} {
			want, err := json.Marshal(there[local])
			got, err2 := json.Marshal(here[local])
			if err = errors.Join(err, err2); err != nil {
				t.Fatal(err)
			}
			spell := strings.NewReplacer(`"Effect":`, `"effect":`, `"Action":`, `"action":`, `"Resource":`, `"resource":`)
			if d := cmp.Diff(spell.Replace(string(want)), string(got)); d != "" || string(got) == "null" {
				t.Errorf("%s, %s (- Huawei Cloud, + Open Telekom Cloud):\n%s", name, local, d)
			}
		}
	}
}

func TestOpenTelekomCloud_TheFunctionsStartWithTheirSettings(t *testing.T) {
	t.Parallel()
	for name, inputs := range map[string]map[string]any{
		"few": otcFew(), "many": otcMany(), "several": with(otcFew(), map[string]any{"workspaces": []string{"a", "b"}}),
		"a folder": with(otcFew(), map[string]any{"location": "a/b"}),
	} {
		p := otcPlanned(t, inputs)
		for _, f := range allFunctions() {
			variables := otcEnvironment(t, p, f)
			// The functions know no endpoints of this cloud's DataArts by themselves.
			if variables["DATAARTS_ENDPOINT"] == "" || variables["DATAARTS_V2_ENDPOINT"] == "" {
				t.Errorf("%s, %s: DataArts has no endpoint", name, f)
			}
			maps.Copy(variables, map[string]string{"RUNTIME_API_ADDR": "127.0.0.1:80", "RUNTIME_PROJECT_ID": "b384b9e9ab9b4ee8994c8633aabc9505"})
			lookup := func(name string) (string, bool) { value, is := variables[name]; return value, is }
			c, err := config.Load(f, lookup, config.Options{DataArtsEndpoints: factory.DefaultEndpoints})
			if err != nil {
				t.Errorf("%s, %s: %v", name, f, err)
				continue
			}
			if f == config.Console && c.BackupFunction != otcFunction(t, p, config.Backup)["urn"] {
				t.Errorf("%s: the console starts %s", name, c.BackupFunction)
			}
		}
	}
}

func TestOpenTelekomCloud_RestoreRequestsStartTheRestore(t *testing.T) {
	t.Parallel()
	for location, workspaces := range locations() {
		p := otcPlanned(t, with(otcFew(), map[string]any{"location": location, "workspaces": workspaces}))
		parsed, err := config.ParseLocation(otcEnvironment(t, p, config.Restore)["BACKUP_LOCATION"])
		if err != nil {
			t.Fatalf("%s: %v", location, err)
		}
		trigger := resource(t, p, "opentelekomcloud_fgs_trigger_v2.restore_requests")
		want := map[string]any{"name": "restore-requests", "bucket": "vault", "events": []any{"s3:ObjectCreated:*"}, "prefix": parsed.Root() + "restore-requests/", "suffix": ".json"}
		if d := cmp.Diff(want, object(t, trigger["event_data"])); d != "" {
			t.Errorf("%q:\n%s", location, d)
		}
		if trigger["type"] != "OBS" || trigger["function_urn"] != otcFunction(t, p, config.Restore)["urn"] {
			t.Errorf("the trigger is a %s of %s", trigger["type"], trigger["function_urn"])
		}
	}
	// A bucket notifies one function here.
	triggers := 0
	for _, r := range otcPlanned(t, otcMany()).Resources {
		if r["type"] == "OBS" {
			triggers++
		}
	}
	if triggers != 1 {
		t.Errorf("the bucket has %d triggers", triggers)
	}
}

func TestOpenTelekomCloud_TheTimersAskForWhatTheyAreNamedFor(t *testing.T) {
	t.Parallel()
	p := otcPlanned(t, otcMany())
	for name, want := range map[string]struct {
		function config.Function
		next     string // after the 23rd of October 2026, a Friday, at noon
		ask      string
	}{
		"nightly":   {config.Backup, "2026-10-24T00:00:00+02:00", `{"folder":"nights"}`},
		"verify[0]": {config.Backup, "2026-10-25T06:00:00+01:00", `{"verify":"latest"}`},
		"drill[0]":  {config.Restore, "2026-10-24T04:00:00+02:00", `{"drill":{"source":"0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11","workspace":"drills"}}`},
	} {
		r := resource(t, p, "opentelekomcloud_fgs_trigger_v2."+name)
		data := object(t, r["event_data"])
		schedule, _ := data["schedule"].(string)
		// The grammar of FunctionGraph's timers is that of this parser; without CRON_TZ the zone would be the region's.
		parsed, err := cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.DowOptional).Parse(schedule)
		if err != nil || !strings.HasPrefix(schedule, "CRON_TZ=Europe/Berlin ") {
			t.Errorf("%s: %q: %v", name, schedule, err)
			continue
		}
		zone, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		next := parsed.Next(time.Date(2026, 10, 23, 12, 0, 0, 0, time.UTC)).In(zone).Format(time.RFC3339)
		payload, err := json.Marshal(map[string]any{"version": "v1.0", "time": next, "trigger_type": r["type"], "trigger_name": data["name"], "user_event": data["user_event"]})
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := event.Decode(payload)
		tick, ok := decoded.(event.Timer)
		if err != nil || !ok || next != want.next || tick.UserEvent != want.ask || r["function_urn"] != otcFunction(t, p, want.function)["urn"] {
			t.Errorf("%s: at %s to %s: %v, %v", name, next, r["function_urn"], decoded, err)
		}
	}
	if _, err := drill.ParseCommand([]byte(object(t, resource(t, p, "opentelekomcloud_fgs_trigger_v2.drill[0]")["event_data"])["user_event"].(string))); err != nil {
		t.Error(err)
	}
}

func TestOpenTelekomCloud_EveryRouteIsPublishedWithAuthentication(t *testing.T) {
	t.Parallel()
	const api = "opentelekomcloud_apigw_api_v2.route"
	for auth, accounts := range map[string][]string{"IAM": {anAccount}, "APP": {}} {
		p := otcPlanned(t, with(otcMany(), map[string]any{"gateway": map[string]any{"instance_id": "9a1c", "auth": auth, "accounts": accounts}}))
		routes := map[string]string{}
		for address, r := range p.Resources {
			key, is := strings.CutPrefix(address, api)
			if !is {
				continue
			}
			backend, _ := r["func_graph"].([]any)[0].(map[string]any)
			path, _ := r["request_uri"].(string)
			routes[r["request_method"].(string)+" "+path] = strings.Split(backend["function_urn"].(string), ":")[6]
			// Where nothing is said, the provider makes it NONE.
			if r["security_authentication_type"] != auth || r["request_protocol"] != "HTTPS" || r["match_mode"] != "EXACT" || backend["invocation_type"] != "sync" {
				t.Errorf("%s: %v, %v, %v, %v", address, r["security_authentication_type"], r["request_protocol"], r["match_mode"], backend)
			}
			if publishment := resource(t, p, "opentelekomcloud_apigw_api_publishment_v2.route"+key); publishment["api_id"] != "id of "+address {
				t.Errorf("%s publishes %s", address, publishment["api_id"])
			}
			var parameters []string
			params, _ := r["request_params"].([]any)
			for _, param := range params {
				parameters = append(parameters, "{"+param.(map[string]any)["name"].(string)+"}")
			}
			if want := regexp.MustCompile(`{\w+}`).FindAllString(path, -1); !slices.Equal(parameters, want) {
				t.Errorf("%s declares %v, want %v", address, parameters, want)
			}
		}
		if d := cmp.Diff(described(t), routes); d != "" {
			t.Errorf("routes (- the code, + the template):\n%s", d)
		}
	}
	for address := range otcPlanned(t, otcFew()).Resources {
		if strings.Contains(address, "_apigw_") {
			t.Errorf("without a gateway there is a %s", address)
		}
	}
}

// otcMay are the actions that a function's agency has, with what it has them on; refused are the ones that it is refused.
func otcMay(t *testing.T, p *plan.Plan, f config.Function) (may, refused map[string][]string) {
	t.Helper()
	may, refused = map[string][]string{}, map[string][]string{}
	for _, role := range []string{"vault", "project"} {
		statements, _ := resource(t, p, `opentelekomcloud_identity_role_v3.`+role+`["`+string(f)+`"]`)["statement"].([]any)
		if len(statements) == 0 || len(statements) > 8 {
			t.Errorf("the role %s of %s has %d statements: IAM takes 8", role, f, len(statements))
		}
		for _, statement := range statements {
			s := statement.(map[string]any)
			into := may
			if s["effect"] == "Deny" {
				into = refused
			}
			on, _ := s["resource"].([]any)
			for _, action := range s["action"].([]any) {
				name := action.(string)
				if !regexp.MustCompile(`^[a-z]+:[a-zA-Z]+:[a-zA-Z]+$`).MatchString(name) {
					t.Errorf("%s: the action %q is none that has a name", f, name)
				}
				into[name] = append(into[name], "")
				for _, one := range on {
					into[name] = append(into[name], one.(string))
				}
			}
		}
	}
	return may, refused
}

func TestOpenTelekomCloud_EachFunctionMayDoWhatItDoesAndNoMore(t *testing.T) {
	t.Parallel()
	p := otcPlanned(t, otcMany())
	vault := []string{"obs:bucket:ListBucket", "obs:object:GetObject", "obs:object:PutObject", "obs:object:DeleteObject", "kms:cmk:get", "kms:cmk:generate", "kms:cmk:crypto",
		"kms:dek:create", "kms:dek:crypto"}
	parts := []string{"obs:object:AbortMultipartUpload"}     // large objects are stored in parts
	tell := []string{"smn:topic:publish", "smn:topic:list"}  // people, and of invocations that failed for good
	invoke := []string{"functiongraph:function:invokeAsync"} // shared/functiongraph: InvokeAsync
	timers := []string{"functiongraph:trigger:list", "functiongraph:trigger:update", "functiongraph:trigger:create", "functiongraph:trigger:delete"}
	for f, want := range map[config.Function][]string{
		config.Backup:  slices.Concat(vault, parts, tell, invoke),
		config.Restore: slices.Concat(vault, parts, tell),
		config.Console: slices.Concat(vault, invoke, timers),
	} {
		may, refused := otcMay(t, p, f)
		if d := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(maps.Keys(may))); d != "" {
			t.Errorf("%s (- what it does, + what it may):\n%s", f, d)
		}
		for action, resources := range may {
			for _, r := range resources {
				if strings.HasPrefix(action, "obs:") && strings.Contains(r, ":object:") && !strings.HasPrefix(r, "OBS:*:*:object:vault/factory/") && r != "OBS:*:*:object:jars/*" {
					t.Errorf("%s may %s on %s, outside of the root", f, action, r)
				}
			}
		}
		// Nobody but the restore itself writes where a restore is asked for, and nobody destroys what versions keep.
		if f == config.Backup && !slices.Contains(refused["obs:object:PutObject"], "OBS:*:*:object:vault/factory/restore-requests/*") {
			t.Errorf("the backup could ask for a restore: it is refused %v", refused)
		}
		if f != config.Backup && slices.Contains(may["obs:object:DeleteObject"], "OBS:*:*:object:vault/factory/*") {
			t.Errorf("%s could delete backups", f)
		}
		agency := resource(t, p, `opentelekomcloud_identity_agency_v3.function["`+string(f)+`"]`)
		if agency["delegated_domain_name"] != "op_svc_cff" || otcFunction(t, p, f)["agency"] != agency["name"] || otcFunction(t, p, f)["app_agency"] != agency["name"] {
			t.Errorf("%s has the agency %v", f, agency)
		}
	}
}

func TestOpenTelekomCloud_TheBucketKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	bucket := resource(t, otcPlanned(t, otcMany()), "opentelekomcloud_obs_bucket.backups[0]")
	rules, _ := bucket["lifecycle_rule"].([]any)
	if bucket["acl"] != "private" || bucket["versioning"] != true || bucket["force_destroy"] != nil || len(rules) != 1 || rules[0].(map[string]any)["expiration"] != nil {
		t.Errorf("the bucket is %v", bucket)
	}
	for _, block := range []string{"worm_policy", "server_side_encryption", "logging"} {
		if found, _ := bucket[block].([]any); len(found) != 1 {
			t.Errorf("%s of the bucket is %v", block, bucket[block])
		}
	}
}

func TestOpenTelekomCloud_MistakesAreRefusedBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		inputs map[string]any
		of     string
	}{
		"no authentication":         {map[string]any{"gateway": map[string]any{"instance_id": "9a1c", "auth": "NONE"}}, "variable gateway"},
		"a region of another cloud": {map[string]any{"region": "eu-west-101"}, "variable region"},
		"a project below":           {map[string]any{"project_name": "eu-de_data"}, "opentelekomcloud_fgs_trigger_v2.restore_requests"},
		"WORM by halves":            {map[string]any{"worm_days": 0.5}, "variable worm_days"},
		"several in one folder":     {map[string]any{"workspaces": []string{"a", "b"}, "location": "dataarts"}, "opentelekomcloud_fgs_function_v2.backup"},
		"IAM for everybody":         {map[string]any{"gateway": map[string]any{"instance_id": "9a1c", "auth": "IAM"}}, "variable gateway"},
		"backups among resources":   {map[string]any{"resource_buckets": []string{"vault"}}, "opentelekomcloud_fgs_function_v2.restore"},
		"another project by half":   {map[string]any{"project_id": "b384b9e9ab9b4ee8994c8633aabc9505"}, "opentelekomcloud_identity_agency_v3.function[\"backup\"]"},
		"a drill beside all":        {map[string]any{"workspaces": []string{"*"}, "instance_id": "i", "drill": map[string]any{"workspace": "c", "source": "a"}}, "opentelekomcloud_fgs_trigger_v2.drill[0]"},
		"a drill among the backups": {map[string]any{"drill": map[string]any{"workspace": "0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11"}}, "opentelekomcloud_fgs_trigger_v2.drill[0]"},
		"alarms in nobody's name":   {map[string]any{"alarm_user": ""}, "opentelekomcloud_lts_keywords_alarm_rule_v2.log[\"backup-failed\"]"},
		"more settings than 2 KB":   {map[string]any{"recipients": slices.Repeat([]string{"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"}, 32)}, "opentelekomcloud_fgs_function_v2.backup"},
	} {
		_, err := otcTried(with(otcFew(), c.inputs))
		failed, ok := errors.AsType[*plan.ConditionFailed](err)
		if !ok || failed.Of != c.of {
			t.Errorf("%s: %v, want a refusal of %s", name, err, c.of)
		}
	}
}
