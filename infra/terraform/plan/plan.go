// Package plan says what a Terraform module comes to, without Terraform and without a provider: it reads the module's files and evaluates its variables, locals,
// resources and outputs with given inputs. It is for tests that hold a module against the code it deploys.
//
// It guarantees that what it returns was evaluated: an expression, function or block that it does not know is an error, and so are a variable whose
// validation fails and a resource whose precondition or postcondition does. It knows no schemas: whether a resource takes an argument is for Terraform and the provider.
package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Plan is what a module comes to.
type Plan struct {
	// Resources are those that would be created, by their addresses: type.name, type.name[0] with count, type.name["key"] with for_each.
	Resources map[string]Resource
	Outputs   map[string]any
	Locals    map[string]any
	Variables []string // all that the module has, in their order
}

// Resource is a resource's arguments as Terraform's JSON would have them: an attribute is its value, and a block is a list with an object for each time that it
// is there. What only the provider knows (id, urn) is a text made of the resource's address.
type Resource map[string]any

// Options say what a module is evaluated with.
type Options struct {
	Inputs map[string]any                        // the variables, as JSON would have them
	Files  func(path string) ([]byte, error)     // reads the files that the module itself reads; nil: it may read none
	Known  func(address, argument string) string // what only the provider knows: id, urn, topic_urn or publish_id of a resource; nil: see Resource

	// ReadBack is what the provider says of an argument once the resource is made, as JSON would have it, where that is not what was asked for. Only
	// postconditions see it. Nil: everything is as it was asked for.
	ReadBack func(address, argument string) (value any, answered bool)
}

// Of evaluates the module in dir.
func Of(dir string, opts Options) (*Plan, error) {
	m, err := parse(dir)
	if err != nil {
		return nil, err
	}
	m.files, m.known, m.readBack = opts.Files, opts.Known, opts.ReadBack
	if m.known == nil {
		m.known = func(address, argument string) string { return "(" + argument + " of " + address + ")" }
	}
	if err := m.setVariables(opts.Inputs); err != nil {
		return nil, err
	}
	p := &Plan{Resources: map[string]Resource{}, Outputs: map[string]any{}, Locals: map[string]any{}}
	for _, v := range m.variables {
		p.Variables = append(p.Variables, v.Labels[0])
	}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(m.locals)) {
		value, err := m.local(name)
		faults = append(faults, err, store(p.Locals, name, value))
	}
	for _, address := range slices.Sorted(maps.Keys(m.resources)) {
		r, err := m.resource(address)
		faults = append(faults, err)
		for key, arguments := range r.instances {
			var plain any
			at := address + key
			err := toJSON(arguments, &plain)
			faults = append(faults, err)
			if object, ok := plain.(map[string]any); ok {
				p.Resources[at] = object
			}
		}
	}
	for _, output := range m.outputs {
		value, err := m.evaluate(output.Body.Attributes["value"].Expr, nil)
		faults = append(faults, err, store(p.Outputs, output.Labels[0], value))
	}
	return p, errors.Join(faults...)
}

func store(into map[string]any, name string, value cty.Value) error {
	if value == cty.NilVal {
		return nil
	}
	var plain any
	if err := toJSON(value, &plain); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	into[name] = plain
	return nil
}

func toJSON(value cty.Value, into *any) error {
	value, _ = value.UnmarkDeep()
	if !value.IsWhollyKnown() {
		return errors.New("the value is not known")
	}
	text, err := ctyjson.SimpleJSONValue{Value: value}.MarshalJSON()
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// module is a parsed module, and what of it is evaluated already.
type module struct {
	dir       string
	files     func(string) ([]byte, error)
	known     func(address, argument string) string
	readBack  func(address, argument string) (any, bool)
	variables []*hclsyntax.Block
	outputs   []*hclsyntax.Block
	resources map[string]*hclsyntax.Block     // by type.name
	locals    map[string]hclsyntax.Expression // by name

	vars      map[string]cty.Value
	values    map[string]cty.Value // of locals; cty.NilVal while one is being evaluated
	evaluated map[string]instances // of resources
}

func parse(dir string) (*module, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.tf"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("there is no module in %s: %w", dir, err)
	}
	m := &module{dir: dir, resources: map[string]*hclsyntax.Block{}, locals: map[string]hclsyntax.Expression{}, vars: map[string]cty.Value{},
		values: map[string]cty.Value{}, evaluated: map[string]instances{}}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		file, faults := hclsyntax.ParseConfig(text, path, hcl.InitialPos)
		if faults.HasErrors() {
			return nil, faults
		}
		body, _ := file.Body.(*hclsyntax.Body)
		for _, block := range body.Blocks {
			if err := m.add(block); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	return m, nil
}

func (m *module) add(block *hclsyntax.Block) error {
	switch block.Type {
	case "terraform", "provider":
	case "variable":
		m.variables = append(m.variables, block)
	case "output":
		m.outputs = append(m.outputs, block)
	case "resource":
		m.resources[strings.Join(block.Labels, ".")] = block
	case "locals":
		for name, attribute := range block.Body.Attributes {
			m.locals[name] = attribute.Expr
		}
	default:
		return fmt.Errorf("a %s is not known here", block.Type)
	}
	return nil
}
