package restore

import (
	"context"
	"errors"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// verify reads the whole backup: every object against the manifest, and backup.json against the assets. The error is a [Refusal] that names all that is
// wrong with them.
func (p *plan) verify(ctx context.Context) error {
	var original vault.Document
	unread := map[asset.Ref]bool{}
	for _, a := range p.backup.Manifest.Assets {
		unread[a.Ref().Identity()] = true
	}
	err := p.backup.Each(ctx, p.concurrency, func(a vault.Asset, definition []byte) error {
		delete(unread, a.Ref().Identity())
		bindings := asset.Bindings(a.Kind, definition)
		original.Add(a.Ref(), bindings)
		p.note(a.Ref().Identity(), definition, bindings)
		return nil
	})
	if err == nil || isFault(err) {
		err = errors.Join(err, p.backup.VerifyFiles(ctx))
	}
	refusal := &Refusal{}
	switch {
	case isFault(err) && !interrupted(ctx, err):
		refusal.Faults = faultsOf(p.backup, err)
	case err != nil:
		return err
	}
	var e *edits
	if p.backup.Document != nil {
		e, err = readEdits(p.backup.Document, p.backup.Manifest, &original, unread)
		if faults, ok := errors.AsType[strictjson.Faults](err); ok {
			for _, f := range faults {
				refusal.Faults = append(refusal.Faults, "backup.json: "+f.String())
			}
		} else if err != nil {
			return err
		}
	}
	p.mapping = newMapping(e, p.request.Replace)
	if len(refusal.Faults) > 0 {
		return refusal
	}
	return nil
}

// note keeps what the plan has to know of a stored definition, so that it need not be read again for that.
func (p *plan) note(ref asset.Ref, definition []byte, bindings []asset.Binding) {
	p.meanings[ref] = meaning(ref.Kind, definition)
	if ref.Kind != asset.Env {
		p.uses[ref] = asset.VariablesOf(definition)
	}
	switch ref.Kind {
	case asset.Jobs:
		p.references[ref.Name] = asset.ReferencesOf(definition)
		p.bindings[ref] = bindings
		p.realTime[ref] = rawjson.StringAt(definition, "processType") == "REAL_TIME"
	case asset.Scripts:
		p.bindings[ref] = bindings
	case asset.Resources:
		for _, location := range asset.FileLocations(definition) {
			p.locations[location] = append(p.locations[location], ref)
		}
	case asset.Env:
		p.variables, p.variablesErr = asset.ParseVariables(definition)
		for _, name := range p.variableNames() {
			text, _ := p.variables.Get(name)
			p.uses[variable(name)] = asset.VariablesOf(text)
		}
	}
}

// refuseWithTarget adds to a refusal what would be refused in view of the target workspace, as far as that can be found out without what could not be
// read, so that one round of corrections is enough. Any other error it returns as it is.
func (p *plan) refuseWithTarget(ctx context.Context, err error) error {
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok || p.prior.running() {
		return err
	}
	err = p.choose()
	if err == nil {
		err = p.list(ctx)
	}
	if more, ok := errors.AsType[*Refusal](err); ok {
		refusal.Faults = append(refusal.Faults, more.Faults...)
	} else if interrupted(ctx, err) {
		return err
	} else if err == nil { // the workspace need not answer for the backup to be refused
		refusal.Faults = append(refusal.Faults, p.faultsOfTarget()...)
	}
	return refusal
}
