package asset

import (
	"errors"
	"fmt"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// Variables is the list of environment variables as the API has it: {"params":[{"name":…,"type":…,"value":…}]}.
type Variables struct {
	text   []byte
	order  []string
	byName map[string]rawjson.Span // of the variable's object in text
}

// ParseVariables reads a list. One without params, or with null for it, is empty, as a workspace that has none may answer. A variable that is no
// object with a name is an error: such a list cannot be given back one by one.
func ParseVariables(text []byte) (*Variables, error) {
	if err := rawjson.Check(text); err != nil {
		return nil, err
	}
	v := &Variables{text: text, byName: map[string]rawjson.Span{}}
	params, ok := rawjson.Lookup(text, "params")
	if !ok || string(params.In(text)) == "null" {
		v.text = rawjson.Set(text, "params", []byte("[]"))
		return v, nil
	}
	if params.In(text)[0] != '[' {
		return nil, errors.New("params is no list")
	}
	for e := range elements(text, params) {
		name := rawjson.StringAt(e.In(text), "name")
		if name == "" {
			return nil, fmt.Errorf("params[%d] is no variable with a name", len(v.order))
		}
		if _, twice := v.byName[name]; twice {
			return nil, fmt.Errorf("variable %q stands there twice", name)
		}
		v.order = append(v.order, name)
		v.byName[name] = e
	}
	return v, nil
}

// Names lists the variables in their order.
func (v *Variables) Names() []string { return v.order }

// Get returns a variable's own JSON.
func (v *Variables) Get(name string) ([]byte, bool) {
	span, ok := v.byName[name]
	if !ok {
		return nil, false
	}
	return span.In(v.text), true
}

// Merge returns the list with variables changed or, at its end and in the given order, added, each given as its own JSON. The others stay as
// they are, because the service may take the list that it is sent for the whole.
func (v *Variables) Merge(changed map[string][]byte, order []string) []byte {
	return v.edit(func(name string, text []byte) []byte {
		if now, ok := changed[name]; ok {
			return now
		}
		return text
	}, changed, order)
}

// Without returns the list without the variables that drop accepts.
func (v *Variables) Without(drop func(name string) bool) []byte {
	return v.edit(func(name string, text []byte) []byte {
		if drop(name) {
			return nil
		}
		return text
	}, nil, nil)
}

func (v *Variables) edit(keep func(name string, text []byte) []byte, added map[string][]byte, order []string) []byte {
	list := []byte("[")
	add := func(text []byte) {
		if text == nil {
			return
		}
		if len(list) > 1 {
			list = append(list, ',')
		}
		list = append(list, text...)
	}
	for _, name := range v.order {
		add(keep(name, v.byName[name].In(v.text)))
	}
	for _, name := range order {
		if _, known := v.byName[name]; !known {
			add(added[name])
		}
	}
	return rawjson.Set(v.text, "params", append(list, ']'))
}
