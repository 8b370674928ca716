// Command schemaprovider is a Terraform provider that knows what the resources of opentelekomcloud/opentelekomcloud look like, and can do nothing. With it,
// "terraform validate" and "terraform test" with mocks check infra/opentelekomcloud as they check files whose provider is at hand: every argument, block and
// type, every reference and every function.
package main

import (
	_ "embed"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/hashicorp/terraform-plugin-sdk/v2/plugin"
)

// text says what it is itself.
//
//go:embed opentelekomcloud.schema
var text string

func main() {
	provider, err := read(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, "opentelekomcloud.schema:", err)
		os.Exit(1)
	}
	plugin.Serve(&plugin.ServeOpts{ProviderFunc: func() *schema.Provider { return provider }})
}

// read makes a provider of the text.
func read(text string) (*schema.Provider, error) {
	provider := &schema.Provider{Schema: map[string]*schema.Schema{}, ResourcesMap: map[string]*schema.Resource{}}
	// What the provider itself is told in the examples.
	for _, name := range []string{"auth_url", "domain_name", "tenant_name", "region"} {
		provider.Schema[name] = &schema.Schema{Type: schema.TypeString, Optional: true}
	}
	var open []map[string]*schema.Schema // the resource, and the blocks that the line is in
	for number, line := range strings.Split(text, "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		if depth > len(open) || (depth == 0 && fields[0] != "resource") {
			return nil, fmt.Errorf("line %d is not indented as it should be", number+1)
		}
		open = open[:depth]
		var err error
		switch {
		case depth == 0:
			resource := &schema.Resource{Schema: map[string]*schema.Schema{}}
			provider.ResourcesMap[fields[1]] = resource
			open = append(open, resource.Schema)
		case fields[0] == "block":
			inside := map[string]*schema.Schema{}
			open[depth-1][fields[1]], err = block(fields[2:], inside)
			open = append(open, inside)
		case fields[0] == "id":
			// Every resource of the SDK has one by itself.
		default:
			open[depth-1][fields[0]], err = attribute(fields[1:])
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number+1, err)
		}
	}
	return provider, nil
}

// block is "list|set <at least> <at most>".
func block(fields []string, inside map[string]*schema.Schema) (*schema.Schema, error) {
	if len(fields) != 3 {
		return nil, fmt.Errorf("a block has a kind and two numbers, not %d words", len(fields))
	}
	kind, ok := map[string]schema.ValueType{"list": schema.TypeList, "set": schema.TypeSet}[fields[0]]
	least, err := strconv.Atoi(fields[1])
	most, err2 := strconv.Atoi(fields[2])
	if !ok || err != nil || err2 != nil {
		return nil, fmt.Errorf("%q is no block", strings.Join(fields, " "))
	}
	return &schema.Schema{Type: kind, Required: least > 0, Optional: least == 0, MinItems: least, MaxItems: most, Elem: &schema.Resource{Schema: inside}}, nil
}

// attribute is "<type> <roles>".
func attribute(fields []string) (*schema.Schema, error) {
	if len(fields) != 2 {
		return nil, fmt.Errorf("an attribute has a type and a role, not %d words", len(fields))
	}
	kind, inner, _ := strings.Cut(strings.TrimSuffix(fields[0], ")"), "(")
	types := map[string]schema.ValueType{
		"string": schema.TypeString, "number": schema.TypeFloat, "bool": schema.TypeBool,
		"list": schema.TypeList, "set": schema.TypeSet, "map": schema.TypeMap,
	}
	roles := strings.Split(fields[1], ",")
	s := &schema.Schema{
		Type:     types[kind],
		Required: slices.Contains(roles, "required"), Optional: slices.Contains(roles, "optional"), Computed: slices.Contains(roles, "computed"),
	}
	if inner != "" {
		s.Elem = &schema.Schema{Type: types[inner]}
	}
	if s.Type == schema.TypeInvalid || s.Required == (s.Optional || s.Computed) {
		return nil, fmt.Errorf("%q is no attribute", strings.Join(fields, " "))
	}
	return s, nil
}
