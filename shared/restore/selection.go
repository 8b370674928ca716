package restore

import (
	"path"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/compare"
	"github.com/dataarts-backup/dataarts-backup/shared/graph"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// choose makes a step of every asset that the request selects, and of what those need if that is asked for.
func (p *plan) choose() error {
	all := p.contents()
	if p.variablesErr != nil && p.request.Select.fitsKind(asset.Env) {
		for _, a := range p.backup.Manifest.Assets {
			if a.Kind == asset.Env {
				return refuse("%s%s: %v", p.backup.Folder().Path(), a.Key, p.variablesErr)
			}
		}
	}
	var selected []asset.Ref
	for _, ref := range all {
		if p.request.Select.fits(ref) {
			selected = append(selected, ref.Identity())
		}
	}
	if p.request.Select != nil && p.request.Select.WithDependencies {
		selected = p.withNeeds(all, selected)
	}
	chosen := map[asset.Ref]bool{}
	for _, ref := range selected {
		chosen[ref] = true
	}
	for _, a := range p.backup.Manifest.Assets {
		if a.Kind == asset.Env {
			for _, name := range p.variableNames() {
				if chosen[variable(name)] && p.takes(variable(name)) {
					text, _ := p.variables.Get(name)
					p.add(&step{item: Item{Kind: asset.Env, Name: name}, asset: a, desires: text, desired: vault.Hash(text)})
				}
			}
			continue
		}
		if chosen[a.Ref().Identity()] && p.takes(a.Ref().Identity()) {
			p.add(&step{item: Item{Kind: a.Kind, Name: a.Name, Directory: a.Directory}, asset: a})
		}
	}
	if len(p.steps) == 0 && p.request.Select != nil {
		return refuse("nothing in the backup fits the selection")
	}
	return nil
}

// takes tells whether an asset that is selected is this plan's business, by identity.
func (p *plan) takes(ref asset.Ref) bool { return p.only == nil || p.only(ref) }

// variable is the identity of one environment variable. A backup has all of them in one asset; a restore counts each.
func variable(name string) asset.Ref { return asset.Ref{Kind: asset.Env, Name: name} }

// contents lists what the backup holds, each environment variable by itself.
func (p *plan) contents() []asset.Ref {
	var all []asset.Ref
	for _, a := range p.backup.Manifest.Assets {
		if a.Kind != asset.Env {
			all = append(all, a.Ref())
			continue
		}
		for _, name := range p.variableNames() {
			all = append(all, variable(name))
		}
	}
	return all
}

// variableNames lists the environment variables of the backup; none where their list cannot be read and is not selected.
func (p *plan) variableNames() []string {
	if p.variables == nil {
		return nil
	}
	return p.variables.Names()
}

func (p *plan) add(s *step) {
	s.index = len(p.steps)
	p.steps = append(p.steps, s)
	p.byIdentity[s.item.Ref().Identity()] = s
}

// fitsKind tells whether assets of a kind can be selected.
func (s *Select) fitsKind(kind asset.Kind) bool {
	return s == nil || len(s.Kinds) == 0 || slices.Contains(s.Kinds, kind)
}

// fits tells whether an asset is selected by itself.
func (s *Select) fits(ref asset.Ref) bool {
	if s == nil {
		return true
	}
	if !s.fitsKind(ref.Kind) {
		return false
	}
	if len(s.Names) > 0 && !slices.ContainsFunc(s.Names, func(glob string) bool {
		ok, err := path.Match(glob, ref.Name)
		return err == nil && ok
	}) {
		return false
	}
	return len(s.Directories) == 0 || slices.ContainsFunc(s.Directories, func(dir string) bool {
		dir = asset.CleanDirectory(dir)
		return ref.Directory == dir || strings.HasPrefix(ref.Directory, strings.TrimSuffix(dir, "/")+"/")
	})
}

// withNeeds adds to selected what that needs, as far as the backup has it, and nothing else.
func (p *plan) withNeeds(all, selected []asset.Ref) []asset.Ref {
	held := map[asset.Ref]bool{}
	for _, ref := range all {
		held[ref.Identity()] = true
	}
	return graph.Closure(selected, func(ref asset.Ref) []asset.Ref {
		return slices.DeleteFunc(p.needs(ref), func(needed asset.Ref) bool { return !held[needed] })
	})
}

// needs lists what an asset of the backup needs in its workspace, by identity, whether the backup has it or not: of a job the jobs that it depends on or
// calls, the scripts that its nodes run and the resources whose files they name; of anything the environment variables that its expressions name. What nodes
// of unknown types hold may be the name of a job or anything else.
func (p *plan) needs(ref asset.Ref) []asset.Ref {
	var refs []asset.Ref
	if ref.Kind == asset.Jobs {
		r := p.references[ref.Name]
		for _, name := range slices.Concat(r.Dependencies, r.Called) {
			refs = append(refs, asset.Ref{Kind: asset.Jobs, Name: name})
		}
		for _, name := range r.Scripts {
			refs = append(refs, asset.Ref{Kind: asset.Scripts, Name: name})
		}
		for _, location := range r.Files {
			refs = append(refs, p.resourcesWith(location)...)
		}
	}
	for _, name := range p.uses[ref] {
		refs = append(refs, variable(name))
	}
	return refs
}

// resourcesWith lists the resources of the backup that point to a file.
func (p *plan) resourcesWith(location string) []asset.Ref { return p.locations[location] }

// describeChanges turns the places in which the live definition and the one that is restored differ into what a report may show.
func (p *plan) describeChanges(kind asset.Kind, changes []rawjson.Change) []Change {
	view := compare.View{Concealed: p.concealed(), From: "live", To: "restored"}
	if p.towardsLive {
		view.From, view.To = "backup", "live"
		changes = slices.Clone(changes)
		for i, c := range changes {
			changes[i].From, changes[i].To = c.To, c.From
		}
	}
	return compare.Fields(kind, changes, view)
}
