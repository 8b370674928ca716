package restore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

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
	p.noteVariables(live)
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
		mayBeOurs := continued && before.mayBeCreated()
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

// variables writes the environment variables, all at once and merged with the live ones.
func (a *applying) variables(ctx context.Context) error {
	changed := map[string][]byte{}
	var order []string
	var steps []*step
	for _, s := range a.plan.steps {
		if s.item.Kind == asset.Env && a.outcome(s) == "" {
			steps = append(steps, s)
			changed[s.item.Name] = s.desires
			order = append(order, s.item.Name)
		}
	}
	if len(steps) == 0 {
		return nil
	}
	err := a.putVariables(ctx, steps, changed, order, func() {
		for _, s := range steps {
			a.written(s)
		}
	})
	if interrupted(ctx, err) {
		return err
	}
	for _, s := range steps {
		if err != nil {
			a.set(s, Errored, withoutMessage(err))
		} else {
			a.succeed(s)
		}
	}
	return a.save(ctx)
}

// withoutMessage is an error of the environment API without the service's own words, which may quote a variable's value.
func withoutMessage(err error) string {
	answer, ok := errors.AsType[*factory.Error](err)
	if !ok {
		return err.Error()
	}
	told := *answer
	told.Message = ""
	return strings.Replace(err.Error(), answer.Error(), told.Error(), 1)
}

func (a *applying) putVariables(ctx context.Context, steps []*step, changed map[string][]byte, order []string, written func()) error {
	live, err := liveVariables(ctx, a.target)
	if err != nil {
		return err
	}
	for _, s := range steps { // they are written all at once, so that all are left alone if somebody has changed one meanwhile
		current, there := live.Get(s.item.Name)
		if there && vault.Hash(current) != s.live && !sameText(current, s.desires) {
			return fmt.Errorf("environment variable %q was changed since the restore was planned: plan it again", s.item.Name)
		}
	}
	if err := a.target.PutEnv(ctx, live.Merge(changed, order)); err != nil {
		return fmt.Errorf("write the environment variables: %w", err)
	}
	written()
	var last error
	for _, wait := range []time.Duration{0, 500 * time.Millisecond, 2 * time.Second, 4 * time.Second} {
		if err := a.opts.Sleep(ctx, wait); err != nil {
			return err
		}
		now, err := liveVariables(ctx, a.target)
		if err != nil {
			return fmt.Errorf("read back: %w", err)
		}
		if last = sameVariables(live, now, changed); last == nil {
			return nil
		}
	}
	return last
}

// sameText tells whether two variables are the same in every field.
func sameText(a, b []byte) bool {
	changes, err := rawjson.Diff(a, b)
	return err == nil && len(changes) == 0
}

// sameVariables tells whether now is live with the changes made: nothing lost, nothing otherwise.
func sameVariables(live, now *asset.Variables, changed map[string][]byte) error {
	want := map[string][]byte{}
	for _, name := range live.Names() {
		want[name], _ = live.Get(name)
	}
	for name, text := range changed {
		want[name] = text
	}
	for name, text := range want {
		is, ok := now.Get(name)
		if !ok {
			return fmt.Errorf("environment variable %q was written, but is not there when read back", name)
		}
		if lost, err := rawjson.Lost(text, is); err != nil || len(lost) > 0 {
			return fmt.Errorf("environment variable %q reads back otherwise than it was written", name)
		}
		if before, ok := live.Get(name); ok && !sameText(before, text) && sameText(before, is) {
			return fmt.Errorf("environment variable %q reads back as it was before it was written", name)
		}
	}
	return nil
}
