package restore

import (
	"context"
	"errors"
	"fmt"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// variables is a list of environment variables as the API has it: {"params":[…]}.
type variables struct {
	text   []byte
	order  []string
	byName map[string]rawjson.Span // of the variable's object in text
}

func readVariables(text []byte) (*variables, error) {
	if err := rawjson.Check(text); err != nil {
		return nil, err
	}
	params, ok := rawjson.Lookup(text, "params")
	if !ok {
		return nil, errors.New(`no "params"`)
	}
	v := &variables{text: text, byName: map[string]rawjson.Span{}}
	for e := range rawjson.Elements(params.In(text)) {
		span := rawjson.Span{Start: params.Start + e.Start, End: params.Start + e.End}
		name := rawjson.StringAt(span.In(text), "name")
		if name == "" {
			return nil, errors.New("a variable without a name")
		}
		if _, twice := v.byName[name]; !twice {
			v.order = append(v.order, name)
		}
		v.byName[name] = span
	}
	return v, nil
}

// merge returns the list with variables changed or added, each given as its own JSON. The others stay as they are, because the service may take
// the list it is sent for the whole.
func (v *variables) merge(changed map[string][]byte, order []string) []byte {
	var edits []rawjson.Edit
	var added []byte
	for _, name := range order {
		text := changed[name]
		if span, ok := v.byName[name]; ok {
			edits = append(edits, rawjson.Edit{Span: span, New: text})
			continue
		}
		if len(added) > 0 || len(v.byName) > 0 {
			added = append(added, ',')
		}
		added = append(added, text...)
	}
	if params, ok := rawjson.Lookup(v.text, "params"); ok && len(added) > 0 {
		end := params.End - 1 // before "]"
		edits = append(edits, rawjson.Edit{Span: rawjson.Span{Start: end, End: end}, New: added})
	}
	return rawjson.Splice(v.text, edits...)
}

// compareVariables holds the chosen variables against the live ones.
func (p *plan) compareVariables(ctx context.Context) error {
	var chosen []*step
	for _, s := range p.steps {
		if s.item.Kind == asset.Env {
			chosen = append(chosen, s)
		}
	}
	if len(chosen) == 0 {
		return nil
	}
	text, err := p.target.Env(ctx)
	if errors.Is(err, factory.ErrUnsupported) {
		for _, s := range chosen {
			s.item.Action, s.item.Reason = ActionBlocked, "this region has no API for environment variables"
		}
		return nil
	}
	if err != nil {
		return p.refuseUnknownWorkspace(err)
	}
	live, err := readVariables(text)
	if err != nil {
		return fmt.Errorf("read the live environment variables: %w", err)
	}
	for _, s := range chosen {
		span, exists := live.byName[s.item.Name]
		if !exists {
			s.item.Action = ActionCreate
			continue
		}
		s.exists = true
		current := span.In(text)
		s.live = vault.Hash(current)
		changes, err := rawjson.Diff(current, s.desires)
		if err != nil {
			return fmt.Errorf("compare environment variable %q: %w", s.item.Name, err)
		}
		switch {
		case len(changes) == 0:
			s.item.Action = ActionUnchanged
		case p.request.DuplicateNamePolicy == Skip && !p.ours(s):
			s.item.Action, s.item.Reason = ActionSkip, "it exists"
		default:
			s.item.Action, s.item.Changes = ActionOverwrite, describeChanges(asset.Env, changes)
		}
	}
	return nil
}
