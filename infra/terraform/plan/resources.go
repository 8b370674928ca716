package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// instances are the instances of a resource.
type instances struct {
	instances map[string]cty.Value // by "", "[0]" or `["key"]`
	value     cty.Value            // what a reference to the resource gives
}

// scope is what an expression sees beside the module: each, count, self and the iterators of dynamic blocks.
type scope map[string]cty.Value

func (m *module) byName(name string) *hclsyntax.Block {
	return m.variables[slices.IndexFunc(m.variables, func(b *hclsyntax.Block) bool { return b.Labels[0] == name })]
}

// resource evaluates a resource by its address without a key.
func (m *module) resource(address string) (instances, error) {
	if r, done := m.evaluated[address]; done {
		if r.instances == nil {
			return r, fmt.Errorf("%s refers to itself", address)
		}
		return r, nil
	}
	m.evaluated[address] = instances{}
	r, err := m.expand(address, m.resources[address].Body)
	if err != nil {
		err = fmt.Errorf("%s: %w", address, err)
		r.instances = map[string]cty.Value{}
		r.value = cty.DynamicVal
	}
	m.evaluated[address] = r
	return r, err
}

// expand evaluates every instance of a resource.
func (m *module) expand(address string, body *hclsyntax.Body) (instances, error) {
	r := instances{instances: map[string]cty.Value{}}
	count, forEach := body.Attributes["count"], body.Attributes["for_each"]
	switch {
	case count != nil:
		n, err := m.evaluate(count.Expr, nil)
		if err != nil {
			return r, err
		}
		number, _ := n.AsBigFloat().Int64()
		all := []cty.Value{}
		for i := range number {
			key := "[" + strconv.FormatInt(i, 10) + "]"
			one, err := m.instance(address+key, body, scope{"count": cty.ObjectVal(map[string]cty.Value{"index": cty.NumberIntVal(i)})})
			if err != nil {
				return r, err
			}
			r.instances[key] = one
			all = append(all, one)
		}
		r.value = cty.TupleVal(all)
	case forEach != nil:
		over, err := m.evaluate(forEach.Expr, nil)
		if err != nil {
			return r, err
		}
		all := map[string]cty.Value{}
		for key, value := range over.Elements() {
			if over.Type().IsSetType() {
				key = value
			}
			k := key.AsString()
			one, err := m.instance(address+`["`+k+`"]`, body, scope{"each": cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})})
			if err != nil {
				return r, err
			}
			r.instances[`["`+k+`"]`] = one
			all[k] = one
		}
		r.value = cty.ObjectVal(all)
	default:
		one, err := m.instance(address, body, nil)
		if err != nil {
			return r, err
		}
		r.instances[""] = one
		r.value = one
	}
	return r, nil
}

// instance evaluates one instance, and adds what only a provider knows.
func (m *module) instance(address string, body *hclsyntax.Body, s scope) (cty.Value, error) {
	arguments, err := m.body(body, s, true)
	if err != nil {
		return cty.NilVal, err
	}
	for _, computed := range []string{"id", "urn", "topic_urn", "publish_id"} {
		if _, set := arguments[computed]; !set {
			arguments[computed] = cty.StringVal(m.known(address, computed))
		}
	}
	made := cty.ObjectVal(arguments)
	after := scope{"self": made}
	if m.readBack != nil {
		read, err := m.read(address, arguments)
		if err != nil {
			return cty.NilVal, fmt.Errorf("%s: %w", address, err)
		}
		after["self"] = read
	}
	maps.Copy(after, s)
	for _, block := range body.Blocks {
		if block.Type != "lifecycle" {
			continue
		}
		for _, condition := range block.Body.Blocks {
			sees := s
			if condition.Type == "postcondition" {
				sees = after
			}
			if err := m.condition(address, condition, sees); err != nil {
				return cty.NilVal, err
			}
		}
	}
	return made, nil
}

// read is what the provider says of a resource once it is made.
func (m *module) read(address string, arguments map[string]cty.Value) (cty.Value, error) {
	read := maps.Clone(arguments)
	for name := range arguments {
		value, answered := m.readBack(address, name)
		if !answered {
			continue
		}
		text, err := json.Marshal(value)
		if err != nil {
			return cty.NilVal, err
		}
		var simple ctyjson.SimpleJSONValue
		if err := simple.UnmarshalJSON(text); err != nil {
			return cty.NilVal, err
		}
		read[name] = simple.Value
	}
	return cty.ObjectVal(read), nil
}

// body evaluates attributes and blocks. Those that are Terraform's own are left out at the top of a resource.
func (m *module) body(body *hclsyntax.Body, s scope, top bool) (map[string]cty.Value, error) {
	values := map[string]cty.Value{}
	for name, attribute := range body.Attributes {
		if top && slices.Contains([]string{"count", "for_each", "depends_on", "provider"}, name) {
			continue
		}
		value, err := m.evaluate(attribute.Expr, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		values[name] = value
	}
	blocks := map[string][]cty.Value{}
	for _, block := range body.Blocks {
		if top && block.Type == "lifecycle" {
			continue
		}
		kind, all, err := m.block(block, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", block.Type, err)
		}
		blocks[kind] = append(blocks[kind], all...)
	}
	for kind, all := range blocks {
		values[kind] = cty.TupleVal(all)
	}
	return values, nil
}

// block evaluates a block, as many times as a dynamic one is there.
func (m *module) block(block *hclsyntax.Block, s scope) (kind string, all []cty.Value, err error) {
	if block.Type != "dynamic" {
		values, err := m.body(block.Body, s, false)
		return block.Type, []cty.Value{cty.ObjectVal(values)}, err
	}
	kind = block.Labels[0]
	over, err := m.evaluate(block.Body.Attributes["for_each"].Expr, s)
	if err != nil {
		return kind, nil, err
	}
	for key, value := range over.Elements() {
		inner := scope{kind: cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})}
		for name, outer := range s {
			if name != kind {
				inner[name] = outer
			}
		}
		for _, content := range block.Body.Blocks {
			values, err := m.body(content.Body, inner, false)
			if err != nil {
				return kind, nil, err
			}
			all = append(all, cty.ObjectVal(values))
		}
	}
	return kind, all, nil
}

// condition checks a validation, a precondition or a postcondition.
func (m *module) condition(of string, block *hclsyntax.Block, s scope) error {
	if !slices.Contains([]string{"validation", "precondition", "postcondition"}, block.Type) {
		return fmt.Errorf("%s: a %s is not known here", of, block.Type)
	}
	value, err := m.evaluate(block.Body.Attributes["condition"].Expr, s)
	if err != nil {
		return fmt.Errorf("%s: %w", of, err)
	}
	value, _ = value.Unmark()
	if value.IsNull() || !value.IsKnown() || value.Type() != cty.Bool {
		return fmt.Errorf("%s: a condition is neither true nor false", of)
	}
	if value.True() {
		return nil
	}
	message, err := m.evaluate(block.Body.Attributes["error_message"].Expr, s)
	if err != nil {
		return fmt.Errorf("%s: %w", of, err)
	}
	message, _ = message.Unmark()
	return &ConditionFailed{Of: of, Message: message.AsString()}
}

// ConditionFailed is the error of a validation, a precondition or a postcondition.
type ConditionFailed struct {
	Of      string // the variable or the resource
	Message string // the error_message
}

func (f *ConditionFailed) Error() string { return f.Of + ": " + f.Message }

// evaluate evaluates an expression after everything that it refers to.
func (m *module) evaluate(expression hcl.Expression, s scope) (cty.Value, error) {
	context := &hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(m.vars), "path": cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal(m.dir)})},
		Functions: functions(m.files)}
	locals := map[string]cty.Value{}
	resources := map[string]map[string]cty.Value{}
	for _, reference := range expression.Variables() {
		root := reference.RootName()
		if _, own := s[root]; own || root == "var" || root == "path" {
			continue
		}
		if len(reference) < 2 {
			return cty.NilVal, fmt.Errorf("%s: %s is not known here", reference.SourceRange(), root)
		}
		step, ok := reference[1].(hcl.TraverseAttr)
		if !ok {
			return cty.NilVal, fmt.Errorf("%s: %s is not known here", reference.SourceRange(), root)
		}
		if root == "local" {
			value, err := m.local(step.Name)
			if err != nil {
				return cty.NilVal, err
			}
			locals[step.Name] = value
			continue
		}
		address := root + "." + step.Name
		if m.resources[address] == nil {
			return cty.NilVal, fmt.Errorf("%s: there is no %s", reference.SourceRange(), address)
		}
		r, err := m.resource(address)
		if err != nil {
			return cty.NilVal, err
		}
		if resources[root] == nil {
			resources[root] = map[string]cty.Value{}
		}
		resources[root][step.Name] = r.value
	}
	context.Variables["local"] = cty.ObjectVal(locals)
	for kind, all := range resources {
		context.Variables[kind] = cty.ObjectVal(all)
	}
	for name, value := range s {
		context.Variables[name] = value
	}
	value, problem := expression.Value(context)
	if problem.HasErrors() {
		return cty.NilVal, problem
	}
	return value, nil
}

func (m *module) local(name string) (cty.Value, error) {
	if value, done := m.values[name]; done {
		if value == cty.NilVal {
			return value, fmt.Errorf("local.%s refers to itself", name)
		}
		return value, nil
	}
	expression, exists := m.locals[name]
	if !exists {
		return cty.NilVal, fmt.Errorf("there is no local.%s", name)
	}
	m.values[name] = cty.NilVal
	value, err := m.evaluate(expression, nil)
	if err != nil {
		delete(m.values, name)
		return cty.NilVal, fmt.Errorf("local.%s: %w", name, err)
	}
	m.values[name] = value
	return value, nil
}
