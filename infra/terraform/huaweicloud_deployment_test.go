package terraform_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/dataarts-backup/dataarts-backup/infra/terraform/plan"
	"github.com/dataarts-backup/dataarts-backup/shared/config"
)

// anAccount is the id of an account, which is what APIG's list of accounts holds.
const anAccount = "2f1b9a7c5d3e4f60a1b2c3d4e5f60718"

// Both modules, by the resources that stand for the same thing in each.
func clouds() map[string]map[string]string {
	return map[string]map[string]string{
		huaweicloud: {"policy": "huaweicloud_apig_acl_policy.accounts[0]", "binding": "huaweicloud_apig_acl_policy_associate.accounts[0]",
			"published": "huaweicloud_apig_api_publishment.route", "route": "huaweicloud_apig_api.route", "auth": "security_authentication",
			"agency": "huaweicloud_identity_agency.function"},
		openTelekomCloud: {"policy": "opentelekomcloud_apigw_acl_policy_v2.accounts[0]", "binding": "opentelekomcloud_apigw_acl_policy_associate_v2.accounts[0]",
			"published": "opentelekomcloud_apigw_api_publishment_v2.route", "route": "opentelekomcloud_apigw_api_v2.route", "auth": "security_authentication_type",
			"agency": "opentelekomcloud_identity_agency_v3.function"},
	}
}

// on plans either module.
func on(t *testing.T, cloud string, inputs map[string]any) *plan.Plan {
	t.Helper()
	if cloud == openTelekomCloud {
		return otcPlanned(t, with(otcFew(), inputs))
	}
	return planned(t, huaweicloud, with(few(), inputs))
}

// blocksOf are the resources of a module's files, by their types.
func blocksOf(t *testing.T, dir string) map[string][]*hclsyntax.Block {
	t.Helper()
	all := map[string][]*hclsyntax.Block{}
	for _, body := range bodies(t, dir) {
		for _, block := range body.Blocks {
			if block.Type == "resource" {
				all[block.Labels[0]] = append(all[block.Labels[0]], block)
			}
		}
	}
	return all
}

// told is the expression of an argument in a resource's lifecycle block, or of one of its own, as it is written.
func told(t *testing.T, block *hclsyntax.Block, argument string) string {
	t.Helper()
	for _, body := range append([]*hclsyntax.Body{block.Body}, insides(block, "lifecycle")...) {
		if a := body.Attributes[argument]; a != nil {
			at := a.Expr.Range()
			text, err := os.ReadFile(at.Filename)
			if err != nil {
				t.Fatal(err)
			}
			return string(at.SliceBytes(text))
		}
	}
	return ""
}

func insides(block *hclsyntax.Block, kind string) []*hclsyntax.Body {
	var all []*hclsyntax.Body
	for _, inside := range block.Body.Blocks {
		if inside.Type == kind {
			all = append(all, inside.Body)
		}
	}
	return all
}

// With IAM authentication, APIG lets every account of the cloud in: only a list of accounts that is bound to each route keeps strangers out.
func TestGateway_IAMIsForTheAccountsThatAreNamed(t *testing.T) {
	t.Parallel()
	for cloud, at := range clouds() {
		p := on(t, cloud, map[string]any{"gateway": map[string]any{"instance_id": "9a1c", "auth": "IAM", "accounts": []string{anAccount, strings.Repeat("0", 32)}}})
		policy, binding := resource(t, p, at["policy"]), resource(t, p, at["binding"])
		if policy["type"] != "PERMIT" || policy["entity_type"] != "DOMAIN_ID" || policy["value"] != anAccount+","+strings.Repeat("0", 32) {
			t.Errorf("%s: the accounts are %v", cloud, policy)
		}
		if binding["policy_id"] != policy["id"] {
			t.Errorf("%s: bound is %v", cloud, binding)
		}
		bound, _ := binding["publish_ids"].([]any)
		published := 0
		for address, r := range p.Resources {
			if strings.HasPrefix(address, at["published"]) {
				published++
				if !slices.Contains(bound, r["publish_id"]) {
					t.Errorf("%s: %s is open to every account", cloud, address)
				}
			}
		}
		if published == 0 || published != len(described(t)) || len(bound) != published {
			t.Errorf("%s: %d routes are published, %d bound", cloud, published, len(bound))
		}
	}
}

func TestGateway_AppsAreWhatItIsForIfNothingIsSaid(t *testing.T) {
	t.Parallel()
	for cloud, at := range clouds() {
		p := on(t, cloud, map[string]any{"gateway": map[string]any{"instance_id": "9a1c"}})
		if got := resource(t, p, at["route"]+`["GET /"]`)[at["auth"]]; got != "APP" {
			t.Errorf("%s: the authentication is %v", cloud, got)
		}
		for address := range p.Resources {
			if strings.Contains(address, "_acl_") {
				t.Errorf("%s: there is a %s", cloud, address)
			}
		}
	}
}

// A route's authentication and its list of accounts hold for what is published, not for what was changed since.
func TestGateway_ARouteIsPublishedAgainWhenItsAuthenticationChanges(t *testing.T) {
	t.Parallel()
	for cloud, at := range clouds() {
		kind, _, _ := strings.Cut(at["published"], ".")
		for _, block := range blocksOf(t, cloud)[kind] {
			if got, want := told(t, block, "replace_triggered_by"), at["route"]+"[each.key]."+at["auth"]; got != "["+want+"]" {
				t.Errorf("%s is made anew by %s", kind, got)
			}
		}
	}
	for _, block := range blocksOf(t, huaweicloud)["huaweicloud_apig_group_domain_associate"] {
		if !strings.Contains(told(t, block, "depends_on"), "huaweicloud_apig_acl_policy_associate.accounts") {
			t.Error("the address is there before the routes are closed to strangers")
		}
	}
}

// The providers' force_destroy hides the first thousand objects behind delete markers and then fails, because the bucket has versions.
func TestBucket_DestroyIsNotToldToTakeTheBackups(t *testing.T) {
	t.Parallel()
	for cloud := range clouds() {
		p := on(t, cloud, nil)
		for address, r := range p.Resources {
			if r["force_destroy"] != nil {
				t.Errorf("%s: %s has force_destroy", cloud, address)
			}
		}
		if slices.Contains(p.Variables, "force_destroy") {
			t.Errorf("%s promises what the provider does not do", cloud)
		}
		if how, _ := p.Outputs["remove_backups"].(string); !strings.Contains(how, "obs://vault -r -f -v") {
			t.Errorf("%s: backups are removed by %q, which leaves versions", cloud, how)
		}
		text, err := os.ReadFile(cloud + "/README.md")
		if err != nil || strings.Contains(string(text), "force_destroy") || !strings.Contains(string(text), "remove_backups") {
			t.Errorf("%s/README.md does not say how to delete the backups: %v", cloud, err)
		}
	}
}

// Huawei's provider reads the domain that an agency is for back as delegated_service_name, too, and would take it away in every plan.
func TestHuaweiCloud_AnAgencyThatIsMadeIsNoChange(t *testing.T) {
	t.Parallel()
	agencies := blocksOf(t, huaweicloud)["huaweicloud_identity_agency"]
	if len(agencies) != 2 {
		t.Fatalf("there are %d agencies", len(agencies))
	}
	for _, block := range agencies {
		if got := told(t, block, "ignore_changes"); !strings.Contains(got, "delegated_service_name") {
			t.Errorf("%s ignores %s", block.Labels[1], got)
		}
	}
}

// Huawei's provider leaves out a role that it does not find, and says nothing. The one for Open Telekom Cloud says so by itself.
func TestHuaweiCloud_ARoleThatTheRegionLacksIsAnError(t *testing.T) {
	t.Parallel()
	project := func(roles ...string) []any {
		return []any{map[string]any{"project": "eu-west-101", "roles": roles}}
	}
	all := project("dataarts-backup-backup-project", "DAYU User")
	for name, c := range map[string]struct {
		argument, address string
		read              any
		refused           bool
	}{
		"everything is there":       {"project_role", `huaweicloud_identity_agency.function["backup"]`, all, false},
		"DataArts' role is not":     {"project_role", `huaweicloud_identity_agency.function["backup"]`, project("dataarts-backup-backup-project"), true},
		"the project's role is not": {"project_role", `huaweicloud_identity_agency.function["backup"]`, project("DAYU User"), true},
		"none is":                   {"project_role", `huaweicloud_identity_agency.function["backup"]`, []any{}, true},
		"the bucket's role is not":  {"domain_roles", `huaweicloud_identity_agency.function["backup"]`, []any{}, true},
		"the logs' role is not":     {"domain_roles", `huaweicloud_identity_agency.access_logs[0]`, []any{}, true},
	} {
		_, err := plan.Of(huaweicloud, plan.Options{Inputs: with(few(), map[string]any{"package_urls": packages()["package_urls"]}),
			ReadBack: func(address, argument string) (any, bool) {
				return c.read, address == c.address && argument == c.argument
			}})
		failed, ok := errors.AsType[*plan.ConditionFailed](err)
		if ok != c.refused || ok && failed.Of != c.address {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAgencies_MayUseDataArtsInItsOwnProjectAlone(t *testing.T) {
	t.Parallel()
	for cloud, at := range clouds() {
		region := on(t, cloud, nil).Locals["project"]
		for name, c := range map[string]struct {
			inputs map[string]any
			want   map[string]string // role of DataArts by project; "" where the agency has only its own
		}{
			"the functions' own":     {nil, map[string]string{region.(string): "DAYU User"}},
			"another":                {map[string]any{"project_id": "b384b9e9ab9b4ee8994c8633aabc9505", "dataarts_project_name": "data"}, map[string]string{region.(string): "", "data": "DAYU User"}},
			"the own, named as well": {map[string]any{"project_id": "b384b9e9ab9b4ee8994c8633aabc9505", "dataarts_project_name": region}, map[string]string{region.(string): "DAYU User"}},
		} {
			granted, _ := resource(t, on(t, cloud, c.inputs), at["agency"]+`["backup"]`)["project_role"].([]any)
			if len(granted) != len(c.want) {
				t.Errorf("%s, %s: %v", cloud, name, granted)
			}
			for _, one := range granted {
				g := one.(map[string]any)
				roles, _ := g["roles"].([]any)
				project, _ := g["project"].(string)
				if want, known := c.want[project]; !known || slices.Contains(roles, any("DAYU User")) != (want != "") || slices.Contains(roles, any("dataarts-backup-backup-project")) != (project == region) {
					t.Errorf("%s, %s: %v", cloud, name, g)
				}
			}
		}
	}
}

// What is counted before URNs are known is no less than what it comes to.
func TestSettings_AreCountedInFullBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	for cloud := range clouds() {
		for name, inputs := range map[string]map[string]any{"few": nil, "another name": {"name": "nights"}} {
			locals := on(t, cloud, inputs).Locals
			counted, _ := locals["counted"].(map[string]any)
			actual, _ := locals["environment"].(map[string]any)
			actual[string(config.Console)] = locals["console_environment"]
			for _, f := range allFunctions() {
				c, err := json.Marshal(counted[string(f)])
				a, err2 := json.Marshal(actual[string(f)])
				if err = errors.Join(err, err2); err != nil {
					t.Fatal(err)
				}
				// The names of topic and function are this test's, and longer or shorter than a real deployment's.
				slack := len("dataarts-backup-")
				if len(c)+slack < len(a) || len(c) < 200 || len(counted[string(f)].(map[string]any)) != len(actual[string(f)].(map[string]any)) {
					t.Errorf("%s, %s, %s: counted is %s, and it comes to %s", cloud, name, f, c, a)
				}
			}
		}
	}
}

func TestHuaweiCloud_LogsAreEnabledBeforeTheFunctionsAreMade(t *testing.T) {
	t.Parallel()
	blocks := blocksOf(t, huaweicloud)
	if len(blocks["huaweicloud_fgs_lts_log_enable"]) != 1 {
		t.Errorf("logs are enabled %d times", len(blocks["huaweicloud_fgs_lts_log_enable"]))
	}
	for _, block := range blocks["huaweicloud_fgs_function"] {
		if !strings.Contains(told(t, block, "depends_on"), "huaweicloud_fgs_lts_log_enable.project") {
			t.Errorf("%s may be there before its logs", block.Labels[1])
		}
	}
}

// The service gives triggers back in its own words, so their differences are ignored, and the wanted settings themselves tell when to make one anew.
func TestTriggers_AreMadeAnewWhenTheirSettingsChangeAndOnlyThen(t *testing.T) {
	t.Parallel()
	for cloud, kind := range map[string]string{huaweicloud: "huaweicloud_fgs_function_trigger", openTelekomCloud: "opentelekomcloud_fgs_trigger_v2"} {
		blocks := blocksOf(t, cloud)[kind]
		if len(blocks) != 4 {
			t.Errorf("%s has %d triggers", cloud, len(blocks))
		}
		p := on(t, cloud, map[string]any{"drill": map[string]any{"workspace": "drills"}})
		for _, block := range blocks {
			name := block.Labels[1]
			if !strings.Contains(told(t, block, "ignore_changes"), "event_data") || !strings.Contains(told(t, block, "replace_triggered_by"), `terraform_data.trigger["`+name+`"]`) {
				t.Errorf("%s, %s: ignores %s, replaced by %s", cloud, name, told(t, block, "ignore_changes"), told(t, block, "replace_triggered_by"))
			}
			address := kind + "." + name
			if block.Body.Attributes["count"] != nil {
				address += "[0]"
			}
			if p.Resources[`terraform_data.trigger["`+name+`"]`]["input"] != resource(t, p, address)["event_data"] {
				t.Errorf("%s: what %s is made of is not what makes it anew", cloud, name)
			}
		}
	}
}

// example is what an example tells the module, with the given values of its own variables.
func example(t *testing.T, path string, values map[string]any) (inputs map[string]any, open []string) {
	t.Helper()
	file, problem := hclparse.NewParser().ParseHCLFile(path)
	if problem.HasErrors() {
		t.Fatal(problem)
	}
	vars := map[string]cty.Value{}
	inputs = map[string]any{}
	var module *hclsyntax.Body
	for _, block := range file.Body.(*hclsyntax.Body).Blocks {
		switch block.Type {
		case "variable":
			name := block.Labels[0]
			if block.Body.Attributes["default"] != nil {
				t.Errorf("%s: %s has a default, and need not be decided", path, name)
			}
			open = append(open, name)
			text, err := json.Marshal(values[name])
			var value ctyjson.SimpleJSONValue
			if err = errors.Join(err, json.Unmarshal(text, &value)); err != nil {
				t.Fatal(err)
			}
			vars[name] = value.Value
		case "module":
			module = block.Body
		}
	}
	for name, a := range module.Attributes {
		if slices.Contains([]string{"source", "providers"}, name) {
			continue
		}
		value, problem := a.Expr.Value(&hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(vars)}})
		if problem.HasErrors() {
			t.Fatal(problem)
		}
		text, err := ctyjson.SimpleJSONValue{Value: value}.MarshalJSON()
		var plain any
		if err = errors.Join(err, json.Unmarshal(text, &plain)); err != nil {
			t.Fatal(err)
		}
		inputs[name] = plain
	}
	return inputs, open
}

func TestExamples_CanBeDeployedAsTheyAre(t *testing.T) {
	t.Parallel()
	values := map[string]any{
		"region": "eu-west-101", "account": "OTC-EU-DE-1", "workspace": "one", "workspaces": []string{"one", "two"}, "instance_id": "i", "bucket": "vault", "resource_bucket": "jars",
		"kms_key_id": "0d0466b0-e727-4d9c-b35d-f84bb474a37f", "recipients": []string{"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"}, "restored": "one",
		"drill_workspace": "drills", "gateway_id": "9a1c", "accounts": []string{anAccount}, "email": "operator@example.com", "emails": []string{"operator@example.com"}, "alarm_user": "operator",
	}
	for cloud := range clouds() {
		paths, err := filepath.Glob(cloud + "/examples/*/main.tf")
		if err != nil || len(paths) != 2 {
			t.Fatalf("%v, %v", paths, err)
		}
		for _, path := range paths {
			inputs, open := example(t, path, values)
			if cloud == huaweicloud && !slices.Contains(open, "region") {
				t.Errorf("%s does not ask for the region", path)
			}
			try := tried
			if cloud == openTelekomCloud {
				try = func(_ string, inputs map[string]any) (*plan.Plan, error) { return otcTried(inputs) }
			}
			if _, err := try(cloud, inputs); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

// What is relied on here was looked up in 1.95; a second major version may be another provider.
func TestHuaweiCloud_TheProviderIsOneThatWasLookedAt(t *testing.T) {
	t.Parallel()
	examples, err := filepath.Glob(huaweicloud + "/examples/*/main.tf")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(examples, huaweicloud+"/versions.tf", rfs+"/versions.tf") {
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), `version = ">= 1.95.0, < 2.0.0"`) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
