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
		if !strings.HasPrefix(address, "huaweicloud_") && !strings.HasPrefix(address, "terraform_data.") { // that one is Terraform's own
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

// TestRFS_NoValidationLooksAtAnotherVariable, because Terraform before 1.9 refuses that, and the service is said to run 1.5. Preconditions do it instead.
func TestRFS_NoValidationLooksAtAnotherVariable(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"variables.tf", "packages.tf"} {
		text, err := os.ReadFile(filepath.Join(rfs, name))
		if err != nil {
			t.Fatal(err)
		}
		file, problem := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
		if problem.HasErrors() {
			t.Fatal(problem)
		}
		for _, variable := range file.Body.(*hclsyntax.Body).Blocks {
			for _, validation := range variable.Body.Blocks {
				for _, reference := range validation.Body.Attributes["condition"].Expr.Variables() {
					if step, ok := reference[1].(hcl.TraverseAttr); reference.RootName() != "var" || !ok || step.Name != variable.Labels[0] {
						t.Errorf("%s: the validation of %s looks at something else", reference.SourceRange(), variable.Labels[0])
					}
				}
			}
		}
	}
}
