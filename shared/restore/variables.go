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

// liveVariables reads the environment variables of a workspace. Errors: factory.ErrUnsupported.
func liveVariables(ctx context.Context, target Reader) (*asset.Variables, error) {
	text, err := target.Env(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the live environment variables: %w", err)
	}
	live, err := asset.ParseVariables(text)
	if err != nil {
		return nil, fmt.Errorf("read the live environment variables: %w", err)
	}
	return live, nil
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
	live, err := liveVariables(ctx, p.target)
	if errors.Is(err, factory.ErrUnsupported) {
		for _, s := range chosen {
			s.item.Action, s.item.Reason = ActionBlocked, "this region has no API for environment variables"
		}
		return nil
	}
	if err != nil {
		return p.refuseUnknownWorkspace(err)
	}
	for _, s := range chosen {
		current, exists := live.Get(s.item.Name)
		if !exists {
			s.item.Action = ActionCreate
			continue
		}
		s.exists = true
		s.live = vault.Hash(current)
		changes, err := rawjson.Diff(current, s.desires)
		if err != nil {
			return fmt.Errorf("compare environment variable %q: %w", s.item.Name, err)
		}
		before, continued := p.done[s.item.Ref().Identity()]
		mayBeOurs := continued && before.Action == ActionCreate
		switch {
		case len(changes) == 0 && (p.request.DuplicateNamePolicy != Skip || mayBeOurs):
			s.item.Action = ActionUnchanged
		case p.request.DuplicateNamePolicy == Skip:
			s.item.Action, s.item.Reason = ActionSkip, "it exists"
		case p.request.DuplicateNamePolicy == Fail && p.prior.running():
			s.item.Action, s.item.Reason = ActionBlocked, "somebody else created it since this restore began, and duplicateNamePolicy is fail"
		default:
			s.item.Action, s.item.Changes = ActionOverwrite, p.describeChanges(asset.Env, changes)
		}
	}
	return nil
}
