package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// setVariables gives every variable its value: the input, else the default. The error has every variable that lacks both, is of another type or fails a
// validation, and every input that is no variable.
func (m *module) setVariables(inputs map[string]any) error {
	var faults []error
	left := maps.Clone(inputs)
	for _, block := range m.variables {
		name := block.Labels[0]
		input, given := left[name]
		delete(left, name)
		value, err := m.variable(name, block.Body.Attributes["type"].Expr, input, given)
		if err != nil {
			faults = append(faults, fmt.Errorf("variable %s: %w", name, err))
			continue
		}
		m.vars[name] = value
	}
	for name := range left {
		faults = append(faults, fmt.Errorf("there is no variable %s", name))
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	for _, block := range m.variables {
		for _, validation := range block.Body.Blocks {
			faults = append(faults, m.condition("variable "+block.Labels[0], validation, nil))
		}
	}
	return errors.Join(faults...)
}

func (m *module) variable(name string, expression hcl.Expression, input any, given bool) (cty.Value, error) {
	kind, defaults, problem := typeexpr.TypeConstraintWithDefaults(expression)
	if problem.HasErrors() {
		return cty.NilVal, problem
	}
	var value cty.Value
	switch fallback := m.byName(name).Body.Attributes["default"]; {
	case given:
		text, err := json.Marshal(input)
		if err != nil {
			return cty.NilVal, err
		}
		var simple ctyjson.SimpleJSONValue
		if err := simple.UnmarshalJSON(text); err != nil {
			return cty.NilVal, err
		}
		value = simple.Value
	case fallback != nil:
		var problem hcl.Diagnostics
		if value, problem = fallback.Expr.Value(nil); problem.HasErrors() {
			return cty.NilVal, problem
		}
	default:
		return cty.NilVal, errors.New("it has no default and is not given")
	}
	if defaults != nil && !value.IsNull() {
		value = defaults.Apply(value)
	}
	return convert.Convert(value, kind)
}
