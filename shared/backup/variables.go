package backup

import (
	"context"
	"errors"
	"fmt"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// readEnv reads and stores the environment variables.
func (t *taking) readEnv(ctx context.Context) error {
	params, err := t.source.Env(ctx)
	if errors.Is(err, factory.ErrUnsupported) && t.hadVariables == 0 {
		t.unsupported = append(t.unsupported, vault.Unsupported{Kind: asset.Env, Reason: "this region has no API for environment variables"})
		return nil
	}
	ref := asset.Ref{Kind: asset.Env, Name: asset.EnvName}
	t.mu.Lock()
	t.assets[ref] = &entry{row: row{ref: ref}}
	t.mu.Unlock()
	return t.keepEnv(ctx, params, err)
}

// keepEnv stores a reading of the environment variables, unless it is one that could not be given back.
func (t *taking) keepEnv(ctx context.Context, params []byte, err error) error {
	t.mu.Lock()
	e := t.assets[asset.Ref{Kind: asset.Env, Name: asset.EnvName}]
	t.mu.Unlock()
	var list *asset.Variables
	if err == nil {
		list, err = asset.ParseVariables(params)
	}
	if err == nil && t.hadVariables > 0 && !isList(params) {
		err = fmt.Errorf("the answer has no list of variables, and the backup before this one has %d", t.hadVariables)
	}
	t.mu.Lock()
	if err != nil {
		e.err, e.done = err, false
		t.mu.Unlock()
		return fatal(ctx, err)
	}
	t.env, t.envCount = params, len(list.Names())
	e.version++
	version := e.version
	t.mu.Unlock()
	return t.store(ctx, e, version, e.row, params)
}

// isList tells whether an answer holds a list of variables, empty or not.
func isList(params []byte) bool {
	list, ok := rawjson.Path(params, "params")
	return ok && list[0] == '['
}

// again holds the environment variables against a second reading.
func (t *taking) again(ctx context.Context) error {
	if len(t.unsupported) > 0 {
		return nil
	}
	params, err := t.source.Env(ctx)
	if err == nil && t.env != nil {
		changes, diffErr := rawjson.Diff(t.env, params)
		if diffErr == nil && len(changes) == 0 {
			return nil
		}
		t.drift[asset.Ref{Kind: asset.Env, Name: asset.EnvName}] = vault.Drift{Kind: asset.Env, Name: asset.EnvName, Change: "changed"}
	}
	return t.keepEnv(ctx, params, err)
}
