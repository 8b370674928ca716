package terraform_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/terraform/plan"
	"github.com/dataarts-backup/dataarts-backup/shared/config"
)

// statement is a statement of a custom policy of IAM, version 1.1. No resource is every resource.
type statement struct{ Action, Resource []string }

type policy struct{ allow, deny []statement }

func readPolicy(t *testing.T, p *plan.Plan, addresses ...string) policy {
	t.Helper()
	var all policy
	for _, address := range addresses {
		var document struct {
			Version   string
			Statement []struct {
				Effect string
				statement
			}
		}
		text, _ := resource(t, p, address)["policy"].(string)
		if err := json.Unmarshal([]byte(text), &document); err != nil || document.Version != "1.1" || len(document.Statement) == 0 {
			t.Fatalf("%s: %s: %v", address, text, err)
		}
		// "Custom Policy Content" of IAM: 8 statements at most; 6,144 characters.
		if len(document.Statement) > 8 || len(text) > 6144 {
			t.Errorf("%s has %d statements in %d characters", address, len(document.Statement), len(text))
		}
		for _, s := range document.Statement {
			switch s.Effect {
			case "Allow":
				all.allow = append(all.allow, s.statement)
			case "Deny":
				all.deny = append(all.deny, s.statement)
			default:
				t.Errorf("%s has the effect %q", address, s.Effect)
			}
		}
	}
	return all
}

func (s statement) matches(action, on string) bool {
	return slices.Contains(s.Action, action) && (len(s.Resource) == 0 || slices.ContainsFunc(s.Resource, func(pattern string) bool {
		return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(on)
	}))
}

func (p policy) allows(action, on string) bool {
	match := func(s statement) bool { return s.matches(action, on) }
	return slices.ContainsFunc(p.allow, match) && !slices.ContainsFunc(p.deny, match)
}

// policyOf is what a function may do.
func policyOf(t *testing.T, p *plan.Plan, f config.Function) policy {
	t.Helper()
	key := `["` + string(f) + `"]`
	agency := resource(t, p, "huaweicloud_identity_agency.function"+key)
	vault, project := "huaweicloud_identity_role.vault"+key, "huaweicloud_identity_role.project"+key
	roles, _ := agency["domain_roles"].([]any)
	inProjects := []any{}
	for _, granted := range agency["project_role"].([]any) {
		inProject, _ := granted.(map[string]any)["roles"].([]any)
		inProjects = append(inProjects, inProject...)
	}
	if !slices.Equal(roles, []any{resource(t, p, vault)["name"]}) || !slices.Equal(inProjects, []any{resource(t, p, project)["name"], "DAYU User"}) {
		t.Errorf("the agency of %s has the roles %v and %v", f, roles, inProjects)
	}
	if name := resource(t, p, "huaweicloud_fgs_function."+string(f))["app_agency"]; name != agency["name"] || agency["delegated_domain_name"] != "op_svc_cff" {
		t.Errorf("%s runs with the agency %v, and its own is %v for %v", f, name, agency["name"], agency["delegated_domain_name"])
	}
	if kind := []any{resource(t, p, vault)["type"], resource(t, p, project)["type"]}; !slices.Equal(kind, []any{"AX", "XA"}) {
		t.Errorf("the roles of %s are of the types %v, want AX for OBS and XA for the project", f, kind)
	}
	return readPolicy(t, p, vault, project)
}

// What is done to an object.
const (
	get     = "obs:object:GetObject"
	put     = "obs:object:PutObject"
	remove  = "obs:object:DeleteObject"
	abort   = "obs:object:AbortMultipartUpload"
	version = "obs:object:DeleteObjectVersion"
)

// TestHuaweiCloud_EachFunctionMayDoInTheBucketWhatItDoes goes through the keys of docs/format.md. R stands for the root, L for a workspace's location.
func TestHuaweiCloud_EachFunctionMayDoInTheBucketWhatItDoes(t *testing.T) {
	t.Parallel()
	everything := []string{get, put, remove, abort}
	keys := map[string]map[config.Function][]string{
		"L2026-11-22/manifest.json":             {config.Backup: everything, config.Restore: {get}, config.Console: {get}},
		"L2026-11-22/backup.json":               {config.Backup: everything, config.Restore: {get}, config.Console: {get, put}},
		"L2026-11-22T153000/3_scripts/a.script": {config.Backup: everything, config.Restore: {get}, config.Console: {get}},
		"L2026-11-22/progress.json":             {config.Backup: everything, config.Restore: {get}, config.Console: {get}},
		"Lnights/2026-11-22/backup.json":        {config.Backup: everything, config.Restore: {get}, config.Console: {get, put}},
		"Lremoved/2026-11-22.json":              {config.Backup: everything, config.Restore: {get}, config.Console: {get}},
		"Lreported.json":                        {config.Backup: everything, config.Restore: {get}, config.Console: {get}},
		"Lverifications/2026-11-22.json":        {config.Backup: everything, config.Restore: {get}, config.Console: {get, put}},
		"Lnights/verifications/2026-11-22.json": {config.Backup: everything, config.Restore: {get}, config.Console: {get, put}},
		"Lleases/2026-11-22.json":               {config.Backup: everything, config.Restore: {get, put, remove}, config.Console: {get, put, remove}},
		"Lleases/2026-11-22/restore.json":       {config.Backup: everything, config.Restore: {get, put, remove}, config.Console: {get, put, remove}},
		"Lnights/leases/2026-11-22.json":        {config.Backup: everything, config.Restore: {get, put, remove}, config.Console: {get, put, remove}},
		"Rrestores/a/report.json":               {config.Backup: {get}, config.Restore: everything, config.Console: {get}},
		"Rrestores/a/before/manifest.json":      {config.Backup: {get}, config.Restore: everything, config.Console: {get}},
		"Rrestores/a/import/1.zip":              {config.Backup: {get}, config.Restore: everything, config.Console: {get}},
		"Rdrills/a.json":                        {config.Backup: {get}, config.Restore: {get, put, remove}, config.Console: {get}},
		"Rdrills/open/w.json":                   {config.Backup: {get}, config.Restore: {get, put, remove}, config.Console: {get}},
		"Rrestore-requests/a.json":              {config.Backup: {get}, config.Restore: {get, put}, config.Console: {get}},
	}
	for location, workspaces := range locations() {
		p := planned(t, huaweicloud, with(few(), map[string]any{"location": location, "workspaces": workspaces}))
		parsed, err := config.ParseLocation(environment(t, p, config.Backup)["BACKUP_LOCATION"])
		if err != nil {
			t.Fatal(err)
		}
		_, prefix, err := parsed.For("one")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range allFunctions() {
			may := policyOf(t, p, f)
			if !may.allows("obs:bucket:ListBucket", "OBS:*:*:bucket:vault") {
				t.Errorf("%q: %s may not list", location, f)
			}
			for key, wanted := range keys {
				// The restore holds its own lease below the root; where that is the location, too, they lie together.
				on := strings.Replace(strings.Replace(key, "L", prefix, 1), "R", parsed.Root(), 1)
				if strings.HasPrefix(key, "R") {
					on = parsed.Root() + key[1:]
				}
				for _, action := range append(slices.Clone(everything), version) {
					if got, want := may.allows(action, "OBS:*:*:object:vault/"+on), slices.Contains(wanted[f], action); got != want {
						t.Errorf("%q: %s may %s on %s: %v, want %v", location, f, action, on, got, want)
					}
				}
			}
			if !may.allows(put, "OBS:*:*:object:vault/"+parsed.Root()+"leases/restore-w.json") && f == config.Restore {
				t.Errorf("%q: the restore may not keep others away", location)
			}
			for _, action := range append(slices.Clone(everything), version) {
				if may.allows(action, "OBS:*:*:object:another/"+prefix+"2026-11-22/backup.json") {
					t.Errorf("%q: %s may %s in another bucket", location, f, action)
				}
				if root := parsed.Root(); root != "" && may.allows(action, "OBS:*:*:object:vault/else"+root) {
					t.Errorf("%q: %s may %s outside of the root", location, f, action)
				}
			}
		}
	}
}

func TestHuaweiCloud_FilesOfResourcesAreReadByAllAndPutBackByTheRestore(t *testing.T) {
	t.Parallel()
	p := planned(t, huaweicloud, many())
	const file = "OBS:*:*:object:jars/lib/a.jar"
	for f, want := range map[config.Function][]string{config.Backup: {get}, config.Restore: {get, put, remove, abort}, config.Console: {get}} {
		may := policyOf(t, p, f)
		for _, action := range []string{get, put, remove, abort, version} {
			if got := may.allows(action, file); got != slices.Contains(want, action) {
				t.Errorf("%s may %s on a file of a resource: %v", f, action, got)
			}
		}
		if !may.allows("obs:bucket:ListBucket", "OBS:*:*:bucket:jars") {
			t.Errorf("%s may not list the files of resources", f)
		}
	}
}

// TestHuaweiCloud_PermitsInTheProjectWhatTheCodeCalls has the calls of shared/functiongraph and shared/notify, and what FunctionGraph and OBS themselves do in the functions' name.
func TestHuaweiCloud_PermitsInTheProjectWhatTheCodeCalls(t *testing.T) {
	t.Parallel()
	p := planned(t, huaweicloud, many())
	const backup, restore, trigger = "FUNCTIONGRAPH:*:*:function:default/dataarts-backup-backup", "FUNCTIONGRAPH:*:*:function:default/dataarts-backup-restore", "FUNCTIONGRAPH:*:*:trigger:t"
	const key, resourceKey = "KMS:*:*:KeyId:0d0466b0-e727-4d9c-b35d-f84bb474a37f", "KMS:*:*:KeyId:1d0466b0-e727-4d9c-b35d-f84bb474a37f"
	type call struct{ action, on string }
	tell := []call{{"smn:topic:publish", "SMN:*:*:topic:a"}, {"smn:topic:list", "SMN:*:*:topic:a"}}
	crypt := []call{{"kms:cmk:get", key}, {"kms:dek:create", key}, {"kms:dek:crypto", key}}
	cryptResources := []call{{"kms:cmk:get", resourceKey}, {"kms:dek:create", resourceKey}, {"kms:dek:crypto", resourceKey}} // files of resources
	start := call{"functiongraph:function:invokeAsync", backup}
	switchOver := []call{{"functiongraph:trigger:list", trigger}, {"functiongraph:trigger:update", trigger}, {"functiongraph:trigger:create", trigger}, {"functiongraph:trigger:delete", trigger}}
	every := slices.Concat(tell, crypt, cryptResources, []call{start, {start.action, restore}}, switchOver)
	for f, want := range map[config.Function][]call{
		config.Backup:  slices.Concat(tell, crypt, cryptResources, []call{start}),
		config.Restore: slices.Concat(tell, crypt, cryptResources),
		config.Console: slices.Concat(crypt, cryptResources, []call{start}, switchOver),
	} {
		may := policyOf(t, p, f)
		for _, c := range every {
			if got := may.allows(c.action, c.on); got != slices.Contains(want, c) {
				t.Errorf("%s may %s on %s: %v", f, c.action, c.on, got)
			}
		}
		// Nothing is allowed that the two tests above and this one do not know.
		for _, s := range may.allow {
			for _, action := range s.Action {
				known := strings.HasPrefix(action, "obs:") && slices.Contains([]string{"obs:bucket:ListBucket", get, put, remove, abort}, action)
				if !known && !slices.ContainsFunc(every, func(c call) bool { return c.action == action }) {
					t.Errorf("%s may %s, and nothing needs that", f, action)
				}
			}
		}
	}
}

func TestHuaweiCloud_TheReadmeSaysWhatEachPermissionIsFor(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(huaweicloud + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	p := planned(t, huaweicloud, many())
	for _, f := range allFunctions() {
		for _, s := range policyOf(t, p, f).allow {
			for _, action := range s.Action {
				if !strings.Contains(string(text), "| `"+action+"` |") && !strings.Contains(string(text), "`"+action+"`,") && !strings.Contains(string(text), ", `"+action+"`") {
					t.Errorf("README.md says nothing of %s", action)
				}
			}
		}
	}
	for _, name := range p.Variables {
		if strings.Contains(string(text), "`"+name+"`") {
			continue
		}
		if slices.Contains([]string{"region", "workspaces", "bucket", "time_zone", "drill", "gateway", "alarm_user", "dataarts_role", "create_bucket", "project_id", "dataarts_project_name", "resource_kms_key_ids"}, name) {
			t.Errorf("README.md says nothing of the variable %s", name)
		}
	}
}
