package terraform_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/dataarts-backup/dataarts-backup/infra/terraform/plan"
)

const rfs = huaweicloud + "/rfs"

func packages() map[string]any {
	const folder = "https://packages.obs.eu-west-101.myhuaweicloud.com/1/"
	return map[string]any{"package_urls": map[string]any{"backup": folder + "backup.zip", "restore": folder + "restore.zip", "console": folder + "console.zip"}}
}

func TestRFS_MakesTheSameAsTheModule(t *testing.T) {
	t.Parallel()
	for name, inputs := range map[string]map[string]any{"few": few(), "many": many()} {
		module, variant := planned(t, huaweicloud, with(inputs, packages())), planned(t, rfs, with(inputs, packages()))
		if d := cmp.Diff(module.Resources, variant.Resources); d != "" {
			t.Errorf("%s (- the module, + the variant):\n%s", name, d)
		}
		if d := cmp.Diff(module.Outputs, variant.Outputs); d != "" {
			t.Errorf("%s (- the module, + the variant):\n%s", name, d)
		}
		wanted := slices.DeleteFunc(slices.Clone(module.Variables), func(v string) bool { return v == "package_directory" })
		slices.Sort(wanted)
		if got := slices.Sorted(slices.Values(variant.Variables)); !slices.Equal(got, wanted) {
			t.Errorf("%s: the variant has the variables %v, want %v", name, got, wanted)
		}
	}
}

// TestRFS_HasNothingThatTheServiceRefuses has the lists of Resource Formation Service's "Template Constraints": it reads no files, and makes neither objects nor keys.
func TestRFS_HasNothingThatTheServiceRefuses(t *testing.T) {
	t.Parallel()
	functions := []string{"abspath", "basename", "dirname", "file", "filebase64", "filebase64sha256", "filebase64sha512", "fileexists", "fileset", "filemd5", "filesha1",
		"filesha256", "filesha512", "pathexpand", "templatefile"}
	resources := []string{"huaweicloud_obs_bucket_object", "huaweicloud_identity_access_key", "huaweicloud_kps_keypair"}
	// In these, older versions of Terraform than this project asks for would fail.
	functions = append(functions, "strcontains", "startswith", "endswith", "plantimestamp", "issensitive", "templatestring")
	blocks := []string{"backend", "cloud", "provisioner", "connection", "module", "data"}
	if found := refused(t, huaweicloud, functions, resources, blocks); !slices.Contains(found, "filebase64") {
		t.Fatalf("in the module, only %v is found", found)
	}
	if found := refused(t, rfs, functions, resources, blocks); len(found) > 0 {
		t.Errorf("the service takes no %v", found)
	}
	p := planned(t, rfs, with(few(), packages()))
	for address := range p.Resources {
		if !strings.HasPrefix(address, "huaweicloud_") {
			t.Errorf("%s is of another provider than the service's one", address)
		}
	}
	text, err := os.ReadFile(rfs + "/versions.tf")
	if err != nil || !strings.Contains(string(text), `"huawei.com/provider/huaweicloud"`) {
		t.Errorf("the provider is not the service's own: %v\n%s", err, text)
	}
}

// refused lists which of some functions, resources and blocks the files of a module have.
func refused(t *testing.T, dir string, functions, resources, blocks []string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil || len(paths) == 0 {
		t.Fatal(dir, err)
	}
	found := map[string]bool{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		file, problem := hclsyntax.ParseConfig(text, path, hcl.InitialPos)
		if problem.HasErrors() {
			t.Fatal(problem)
		}
		problem = hclsyntax.VisitAll(file.Body.(*hclsyntax.Body), func(node hclsyntax.Node) hcl.Diagnostics {
			switch n := node.(type) {
			case *hclsyntax.FunctionCallExpr:
				found[n.Name] = found[n.Name] || slices.Contains(functions, n.Name)
			case *hclsyntax.Block:
				found[n.Type] = found[n.Type] || slices.Contains(blocks, n.Type)
				if n.Type == "resource" {
					found[n.Labels[0]] = found[n.Labels[0]] || slices.Contains(resources, n.Labels[0])
				}
			}
			return nil
		})
		if problem.HasErrors() {
			t.Fatal(problem)
		}
	}
	maps.DeleteFunc(found, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(found))
}

func TestPlan_AnythingUnknownIsAnError(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a function":          `locals { a = frobnicate("b") }`,
		"a block":             `check "a" {}`,
		"a reference":         `locals { a = local.b }`,
		"a data source":       `locals { a = data.huaweicloud_x.y.id }`,
		"a circle of locals":  "locals {\n a = local.b\n b = local.a\n}",
		"a circle":            "resource \"x\" \"a\" {\n v = x.b.id\n}\nresource \"x\" \"b\" {\n v = x.a.id\n}",
		"a type":              "variable \"v\" {\n type = text\n default = 1\n}",
		"an input of nothing": "variable \"v\" {\n type = string\n}",
		"a wrong input":       "variable \"v\" {\n type = list(string)\n default = 1\n}",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if p, err := plan.Of(dir, plan.Options{}); err == nil {
			t.Errorf("%s: %v and no error", name, p)
		}
	}
}

func TestPlan_EvaluatesWhatTerraformWould(t *testing.T) {
	t.Parallel()
	const text = `
variable "names" {
  type    = list(string)
  default = ["a", "b"]
}
variable "limits" {
  type    = object({ most = optional(number, 7) })
  default = {}
}
resource "x" "each" {
  for_each = toset(var.names)
  name     = each.value
  dynamic "part" {
    for_each = { k = 1 }
    content {
      key   = part.key
      value = part.value + var.limits.most
    }
  }
}
resource "x" "counted" {
  count = 2
  of    = [for r in x.each : r.id]
  at    = count.index
}
output "ids" {
  value = x.counted[*].id
}`
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := plan.Of(dir, plan.Options{Inputs: map[string]any{"names": []string{"a"}}, Known: func(address, argument string) string { return argument + " of " + address }})
	if err != nil {
		t.Fatal(err)
	}
	of := func(address string, more map[string]any) plan.Resource {
		r := plan.Resource{}
		for _, computed := range []string{"id", "urn", "topic_urn"} {
			r[computed] = computed + " of " + address
		}
		maps.Copy(r, more)
		return r
	}
	want := &plan.Plan{
		Resources: map[string]plan.Resource{
			`x.each["a"]`:  of(`x.each["a"]`, map[string]any{"name": "a", "part": []any{map[string]any{"key": "k", "value": 8.0}}}),
			"x.counted[0]": of("x.counted[0]", map[string]any{"of": []any{`id of x.each["a"]`}, "at": 0.0}),
			"x.counted[1]": of("x.counted[1]", map[string]any{"of": []any{`id of x.each["a"]`}, "at": 1.0}),
		},
		Outputs: map[string]any{"ids": []any{"id of x.counted[0]", "id of x.counted[1]"}}, Locals: map[string]any{}, Variables: []string{"names", "limits"},
	}
	if d := cmp.Diff(want, p); d != "" {
		t.Error(d)
	}
}
