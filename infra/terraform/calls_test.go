package terraform_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/terraform/plan"
	"github.com/dataarts-backup/dataarts-backup/shared/config"
)

// grant is the smallest piece of a permission: one action on one resource ("" is every one), of one function on one cloud.
type grant struct {
	cloud    string
	function config.Function
	action   string
	resource string
}

// idle are the permissions that no call of the story needs, each with what does.
func idle() map[grant]string {
	const tell = "FunctionGraph tells of an invocation that failed for good in the function's name (Configuring Asynchronous Invocation: smn:topic:list)"
	const parts = "a large object is stored in parts, and they are removed where that fails"
	all := map[grant]string{}
	for _, cloud := range []string{huaweicloud, openTelekomCloud} {
		for _, f := range []config.Function{config.Backup, config.Restore} {
			all[grant{cloud, f, "smn:topic:list", ""}] = tell
		}
		all[grant{cloud, config.Backup, abort, "OBS:*:*:object:vault/dataarts/*/*"}] = parts
		for _, on := range []string{"vault/dataarts/restores/*", filesBucket + "/*"} {
			all[grant{cloud, config.Restore, abort, "OBS:*:*:object:" + on}] = parts
		}
	}
	return all
}

// TestTerraform_PermitsWhatTheFunctionsDoAndNothingElse runs everything that the functions do in an account that a plan was carried out in, and holds each of their
// requests against the policies that both modules give them.
func TestTerraform_PermitsWhatTheFunctionsDoAndNothingElse(t *testing.T) {
	t.Parallel()
	inputs := map[string]any{"region": planRegion, "workspaces": []string{sales, stock}, "instance_id": planInstance, "bucket": "vault", "location": "dataarts/{workspace}",
		"time_zone": "Asia/Shanghai", "keep": "daily=2", "resource_buckets": []string{filesBucket}, "drill": map[string]any{"workspace": spare, "source": sales},
		"kms_key_id": "0d0466b0-e727-4d9c-b35d-f84bb474a37f", "alarm_user": "operator"}
	plans := map[string]*plan.Plan{huaweicloud: carriedOutPlan(t, huaweicloud, inputs), openTelekomCloud: carriedOutPlan(t, openTelekomCloud, with(inputs, map[string]any{"region": "eu-de"}))}
	for _, f := range allFunctions() { // one story is enough for both
		there := environment(t, plans[huaweicloud], f)
		for name, value := range otcEnvironment(t, plans[openTelekomCloud], f) {
			if !strings.HasSuffix(name, "_ENDPOINT") && name != "DATAARTS_REGION" && value != there[name] {
				t.Errorf("%s of %s is %q on one cloud, and %q on the other", name, f, there[name], value)
			}
		}
	}
	a := carriedOut(t, plans[huaweicloud])
	a.story()

	unneeded := idle()
	for cloud, p := range plans {
		for _, f := range allFunctions() {
			may := policyOf(t, plans[huaweicloud], f)
			if cloud == openTelekomCloud {
				may = otcPolicyOf(t, p, f)
			}
			for _, g := range a.judged(cloud, f, may) {
				if unneeded[g] == "" {
					t.Errorf("%s: %s may %s on %q, and nothing that it does needs that", g.cloud, g.function, g.action, g.resource)
				}
				delete(unneeded, g)
			}
		}
	}
	for g := range unneeded {
		t.Errorf("%s: %s may not %s on %q, or needs that; it is listed as what the story does not need", g.cloud, g.function, g.action, g.resource)
	}
	for _, c := range a.made() {
		if !slices.Contains(allFunctions(), c.function) {
			t.Errorf("%s of %s, which is no function, on %s", c.action, c.function, c.on)
		}
	}
}

// carriedOutPlan is a plan in which the functions have the names that they are carried out with.
func carriedOutPlan(t *testing.T, dir string, inputs map[string]any) *plan.Plan {
	t.Helper()
	p, err := plan.Of(dir, plan.Options{Inputs: inputs, Files: func(path string) ([]byte, error) { return []byte(path), nil },
		Known: func(address, argument string) string {
			switch argument {
			case "urn":
				return functionURN(config.Function(address[strings.LastIndexByte(address, '.')+1:]))
			case "topic_urn":
				return "urn:smn:" + planRegion + ":" + planProject + ":dataarts-backup"
			}
			return argument + " of " + address
		}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// otcPolicyOf is what a function may do on Open Telekom Cloud.
func otcPolicyOf(t *testing.T, p *plan.Plan, f config.Function) policy {
	t.Helper()
	var all policy
	for _, role := range []string{"vault", "project"} {
		text, err := json.Marshal(resource(t, p, `opentelekomcloud_identity_role_v3.`+role+`["`+string(f)+`"]`)["statement"])
		var statements []struct {
			Effect string
			statement
		}
		if err != nil || json.Unmarshal(text, &statements) != nil || len(statements) == 0 {
			t.Fatalf("the role %s of %s: %v: %s", role, f, err, text)
		}
		for _, s := range statements {
			if s.Effect == "Deny" {
				all.deny = append(all.deny, s.statement)
			} else {
				all.allow = append(all.allow, s.statement)
			}
		}
	}
	return all
}

// judged holds a function's calls against what it may do on a cloud, and returns what it may do and did not.
func (a *account) judged(cloud string, f config.Function, may policy) (unused []grant) {
	a.t.Helper()
	own := slices.DeleteFunc(a.made(), func(c call) bool { return c.function != f })
	for _, c := range own {
		if !may.allows(c.action, c.on) {
			a.t.Errorf("%s: %s is refused %s on %s", cloud, f, c.action, c.on)
		}
	}
	for _, s := range may.allow {
		for _, action := range s.Action {
			service, _, _ := strings.Cut(action, ":")
			for _, on := range append(s.Resource, slices.Repeat([]string{""}, max(0, 1-len(s.Resource)))...) {
				one := statement{Action: []string{action}}
				if on != "" {
					one.Resource = []string{on}
				}
				needed := slices.ContainsFunc(own, func(c call) bool { return one.matches(c.action, c.on) })
				if !needed && slices.Contains([]string{"obs", "functiongraph", "smn"}, service) { // keys are OBS's business
					unused = append(unused, grant{cloud, f, action, on})
				}
			}
		}
	}
	return unused
}
