package restore

import (
	"path"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/graph"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// choose makes a step of every asset that the request selects, and of what those need if that is asked for.
func (p *plan) choose() error {
	chosen := map[asset.Ref]bool{}
	variables := map[string]bool{}
	for _, a := range p.backup.Manifest.Assets {
		if a.Kind == asset.Env {
			if p.variablesErr != nil && p.request.Select.fitsKind(asset.Env) {
				return refuse("%s%s: %v", p.backup.Folder().Path(), a.Key, p.variablesErr)
			}
			for _, name := range p.variableNames() {
				variables[name] = p.request.Select.fits(asset.Ref{Kind: asset.Env, Name: name})
			}
			continue
		}
		chosen[a.Ref().Identity()] = p.request.Select.fits(a.Ref())
	}
	if p.request.Select != nil && p.request.Select.WithDependencies {
		p.close(chosen, variables)
	}
	for _, a := range p.backup.Manifest.Assets {
		if a.Kind == asset.Env {
			for _, name := range p.variableNames() {
				if variables[name] && (p.only == nil || p.only(name)) {
					text, _ := p.variables.Get(name)
					p.add(&step{item: Item{Kind: asset.Env, Name: name}, asset: a, desires: text, desired: vault.Hash(text)})
				}
			}
			continue
		}
		if chosen[a.Ref().Identity()] {
			p.add(&step{item: Item{Kind: a.Kind, Name: a.Name, Directory: a.Directory}, asset: a})
		}
	}
	if len(p.steps) == 0 && p.request.Select != nil {
		return refuse("nothing in the backup fits the selection")
	}
	return nil
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

// close adds what the chosen assets need: the jobs they depend on or call, the scripts and resources these use, and the environment variables
// that any of them names.
func (p *plan) close(chosen map[asset.Ref]bool, variables map[string]bool) {
	var jobs []string
	for _, a := range p.backup.Manifest.Assets {
		if a.Kind == asset.Jobs && chosen[a.Ref().Identity()] {
			jobs = append(jobs, a.Name)
		}
	}
	for _, job := range graph.Closure(jobs, func(name string) []string {
		r := p.references[name]
		return slices.Concat(r.Dependencies, r.Called)
	}) {
		r, known := p.references[job]
		if !known {
			continue
		}
		chosen[asset.Ref{Kind: asset.Jobs, Name: job}] = true
		for _, script := range r.Scripts {
			ref := asset.Ref{Kind: asset.Scripts, Name: script}
			if _, known := chosen[ref]; known {
				chosen[ref] = true
			}
		}
		for _, location := range r.Files {
			for _, ref := range p.resourcesWith(location) {
				chosen[ref] = true
			}
		}
	}
	for ref, is := range chosen {
		if !is {
			continue
		}
		for _, name := range p.uses[ref] {
			if _, known := variables[name]; known {
				variables[name] = true
			}
		}
	}
}

// resourcesWith lists the resources of the backup that point to a file.
func (p *plan) resourcesWith(location string) []asset.Ref {
	var refs []asset.Ref
	for _, a := range p.backup.Manifest.Assets {
		if a.Kind == asset.Resources && slices.ContainsFunc(a.Files, func(f vault.File) bool { return f.Location == location }) {
			refs = append(refs, a.Ref().Identity())
		}
	}
	return refs
}

// describeChanges turns the places in which two definitions differ into what a report may show.
func (p *plan) describeChanges(kind asset.Kind, changes []rawjson.Change) []Change {
	concealed := p.concealed()
	var out []Change
	for _, c := range changes {
		switch {
		case kind == asset.Env:
			out = append(out, Change{Field: c.Path}) // a value is nobody's business
		case kind == asset.Scripts && c.Path == "content":
			out = append(out, Change{Field: c.Path, To: lineChanges(c.From, c.To)})
		case concealed && !isOpen(c.Path):
			out = append(out, Change{Field: c.Path})
		default:
			out = append(out, Change{Field: c.Path, From: shorten(c.From), To: shorten(c.To)})
		}
	}
	return out
}

// isOpen tells whether the value at a path is one that an encrypted backup has in the clear anyway: in its keys, its manifest or its backup.json, or
// when a job runs. Everything else, as the SQL in a job's node, is as secret as a script's text.
func isOpen(path string) bool {
	switch path {
	case asset.ConnectionName, asset.Database, asset.ClusterName, "directory", "location", "type":
		return true
	}
	return strings.HasPrefix(path, "schedule.")
}

// shorten keeps reports readable: the whole values are in the backup and in the workspace.
func shorten(text string) string {
	const most = 200
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
