package restore

import (
	"context"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// Choice is what a selection takes of a backup.
type Choice struct {
	// Assets are in manifest order. The environment variables are one of them as soon as one variable is chosen.
	Assets []vault.Asset
	// Variables are the names of the environment variables that are chosen; nil where the selection takes all and nothing had to be read for that.
	Variables []string
}

// Faults names what is wrong with a selection, whatever there is to select from.
func (s Select) Faults() []string {
	var faults []string
	r := Request{Date: latest, Export: true, Select: &s}
	for _, f := range r.check() {
		faults = append(faults, strings.TrimPrefix(f.path, "select.")+": "+f.problem)
	}
	return faults
}

// Choose tells what a restore with this selection would take of a backup, with what that needs where the selection asks for it. Only then it reads every definition,
// so many at once; and the environment variables where the selection is by their names. A choice without assets means that nothing fits. The error is
// a [Refusal] where the backup is damaged, or encrypted and cannot be read.
func Choose(ctx context.Context, b *vault.Backup, s Select, concurrency int) (Choice, error) {
	reads := func(a vault.Asset) bool {
		return s.WithDependencies || a.Kind == asset.Env && s.fitsKind(asset.Env) && len(s.Names) > 0
	}
	if !slices.ContainsFunc(b.Manifest.Assets, reads) {
		return Choice{Assets: b.Only(func(a vault.Asset) bool { return s.fits(a.Ref()) }).Manifest.Assets}, nil
	}
	p := newPlan(planning{request: Request{Select: &s}, backup: b, concurrency: concurrency})
	err := b.Only(reads).Each(ctx, concurrency, func(a vault.Asset, definition []byte) error {
		p.note(a.Ref().Identity(), definition, nil)
		return nil
	})
	if err != nil {
		return Choice{}, Explain(ctx, b, err)
	}
	if err := p.choose(); err != nil && (len(p.steps) > 0 || p.variablesErr != nil) {
		return Choice{}, err
	}
	chosen, variables := map[string]bool{}, []string{}
	for _, step := range p.steps {
		chosen[step.asset.Key] = true
		if step.item.Kind == asset.Env {
			variables = append(variables, step.item.Name)
		}
	}
	return Choice{Assets: b.Only(func(a vault.Asset) bool { return chosen[a.Key] }).Manifest.Assets, Variables: variables}, nil
}
