package plan_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/terraform/plan"
)

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
		for _, computed := range []string{"id", "urn", "topic_urn", "publish_id"} {
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
