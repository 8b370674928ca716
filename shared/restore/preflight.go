package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

// preflight finds what will not work in the target workspace although every asset could be written: what definitions are bound to and name, and is
// nowhere. It becomes the plan's problems, one for each missing thing, and keeps no asset from being written, because all of it can be made afterwards.
func (p *plan) preflight(ctx context.Context) error {
	if p.only != nil {
		return nil // an undo puts back what was there, whatever that needed
	}
	if p.prior.running() {
		p.problems = p.prior.Problems // found before the first write; what is written since needs nothing any more
		return nil
	}
	p.findCycles()
	for _, find := range []func(context.Context) error{p.findConnections, p.findNames, p.findVariables} {
		if err := find(ctx); err != nil {
			return err
		}
	}
	p.findElsewhere()
	p.findOversized()
	if status := p.request.TargetStatus; (status == "SUBMITTED" || status == "PRODUCTION") && len(p.request.Approvers) == 0 {
		p.problem("targetStatus is %s and there are no approvers: a workspace whose review switch is on refuses that", status)
	}
	return nil
}

func (p *plan) problem(format string, args ...any) {
	p.problems = append(p.problems, Problem{Problem: fmt.Sprintf(format, args...)})
}

// problemRemark says in the plan's sentence that there are problems.
func (p *plan) problemRemark() string {
	switch n := len(p.problems); n {
	case 0:
		return ""
	case 1:
		return "; 1 problem: see problems"
	default:
		return fmt.Sprintf("; %d problems: see problems", n)
	}
}

// written lists the steps that will be written.
func (p *plan) written() []*step {
	var all []*step
	for _, s := range p.steps {
		if s.item.Action == ActionCreate || s.item.Action == ActionOverwrite {
			all = append(all, s)
		}
	}
	return all
}

// users are those who need each of several things, in the order in which the things were met.
type users struct {
	order []string
	of    map[string][]*step
}

func (u *users) add(thing string, s *step) {
	if u.of == nil {
		u.of = map[string][]*step{}
	}
	known := u.of[thing]
	if known == nil {
		u.order = append(u.order, thing)
	}
	if len(known) == 0 || known[len(known)-1] != s {
		u.of[thing] = append(known, s)
	}
}

// keep drops things.
func (u *users) keep(keep func(thing string) bool) {
	u.order = slices.DeleteFunc(u.order, func(thing string) bool { return !keep(thing) })
}

// count says how many assets need any of the things.
func (u *users) count() string {
	all := map[*step]bool{}
	for _, thing := range u.order {
		for _, s := range u.of[thing] {
			all[s] = true
		}
	}
	if len(all) == 1 {
		return "1 asset"
	}
	return fmt.Sprintf("%d assets", len(all))
}

// named says how many assets need a thing, and which are the first.
func (u *users) named(thing string) string {
	const most = 3
	all := u.of[thing]
	var names []string
	for _, s := range all[:min(most, len(all))] {
		names = append(names, describeRef(s.item))
	}
	if len(all) > most {
		return fmt.Sprintf("%d assets, the first are %s", len(all), strings.Join(names, ", "))
	}
	return strings.Join(names, ", ")
}

// findCycles names the jobs that wait for each other. They can be restored, but hardly ever run as they are.
func (p *plan) findCycles() {
	for _, layer := range p.layers {
		for _, group := range layer {
			if group.Cycle() {
				p.problems = append(p.problems, Problem{Kind: asset.Jobs, Name: group[0],
					Problem: "it is part of a cycle of jobs that depend on each other: " + strings.Join(group, ", ")})
			}
		}
	}
}

// findConnections finds the data connections that what will be written is bound to and that the target does not have. Connections are no part of a backup:
// the service gives out no passwords.
func (p *plan) findConnections(ctx context.Context) error {
	var uses users
	for _, s := range p.written() {
		for _, b := range p.bindings[s.item.Ref().Identity()] {
			for _, v := range b.Values {
				if field, _ := asset.Bindable(v.Wire); field == asset.ConnectionName {
					if name := p.mapping.value(s.item.Kind, s.item.Name, b, v); isName(name) {
						uses.add(name, s)
					}
				}
			}
		}
	}
	if len(uses.order) == 0 {
		return nil
	}
	live, err := p.target.Connections(ctx)
	switch {
	case err != nil && !errors.Is(err, factory.ErrUnauthorized) && interrupted(ctx, err):
		return err
	case err != nil:
		p.problem("whether the target has the connections of %s, among them %q, is unknown: %v", uses.count(), uses.order[0], err)
		return nil
	}
	uses.keep(func(name string) bool { return !slices.Contains(live, name) })
	for _, name := range uses.order {
		p.problem("the target has no connection %q, which %s: make it, or map it to another one with replace.connectionName", name, usedBy(&uses, name))
	}
	return nil
}

// usedBy says who uses a thing.
func usedBy(u *users, thing string) string {
	if len(u.of[thing]) == 1 {
		return u.named(thing) + " uses"
	}
	return u.named(thing) + " use"
}

// isName tells whether a text is the name of something rather than an expression or parameter that becomes one when a job runs.
func isName(text string) bool {
	return text != "" && !strings.Contains(text, "#{") && !strings.Contains(text, "${")
}

// findNames finds the jobs, scripts and resources that what will be written uses and that are neither restored with it nor in the target. That a job waits for
// one that does not exist keeps it from being written; see block.
func (p *plan) findNames(ctx context.Context) error {
	var uses users
	refs := map[string]asset.Ref{}
	for _, s := range p.written() {
		ref := s.item.Ref().Identity()
		if ref.Kind != asset.Jobs {
			continue
		}
		r := p.references[ref.Name]
		for _, needed := range p.needs(ref) {
			known := needed.Kind == asset.Scripts && isName(needed.Name) || needed.Kind == asset.Resources
			if needed.Kind == asset.Jobs { // what nodes of unknown types hold is a job only if there was one
				_, known = p.references[needed.Name]
				known = known && !slices.Contains(r.Dependencies, needed.Name)
			}
			if known && p.byIdentity[needed] == nil {
				refs[needed.String()] = needed
				uses.add(needed.String(), s)
			}
		}
	}
	for _, kind := range []asset.Kind{asset.Resources, asset.Scripts, asset.Jobs} {
		if !slices.ContainsFunc(uses.order, func(thing string) bool { return refs[thing].Kind == kind }) {
			continue
		}
		if err := p.listKind(ctx, kind); err != nil {
			if interrupted(ctx, err) {
				return err
			}
			p.problem("whether the target has the %s that are used and not restored is unknown: %v", kind, err)
			uses.keep(func(thing string) bool { return refs[thing].Kind != kind })
		}
	}
	uses.keep(func(thing string) bool {
		_, live := p.rows[refs[thing]]
		return !live
	})
	for _, thing := range uses.order {
		p.problem("%s, which %s, is neither in what is restored nor in the target", thing, usedBy(&uses, thing))
	}
	return nil
}

// findVariables finds the environment variables that expressions name and that are nowhere.
func (p *plan) findVariables(ctx context.Context) error {
	var uses users
	for _, s := range p.written() {
		for _, name := range p.uses[s.item.Ref().Identity()] {
			if p.byIdentity[variable(name)] == nil {
				uses.add(name, s)
			}
		}
	}
	if len(uses.order) == 0 {
		return nil
	}
	if p.liveVariables == nil {
		live, err := liveVariables(ctx, p.target)
		switch {
		case err != nil && !errors.Is(err, factory.ErrUnauthorized) && interrupted(ctx, err):
			return err
		case err != nil:
			p.problem("whether the target has the environment variables in expressions of %s, among them %q, is unknown: %s", uses.count(), uses.order[0], withoutMessage(err))
			return nil
		}
		p.noteVariables(live)
	}
	uses.keep(func(name string) bool { return !p.liveVariables[name] })
	for _, name := range uses.order {
		p.problem("environment variable %q, which %s, is neither in what is restored nor in the target", name, usedBy(&uses, name))
	}
	return nil
}

// findElsewhere tells of jobs that wait for jobs of other workspaces, where these may be others than they were.
func (p *plan) findElsewhere() {
	if p.request.Workspace == "" || p.request.Workspace == p.backup.Manifest.Workspace.ID {
		return
	}
	var uses users
	for _, s := range p.written() {
		if s.item.Kind == asset.Jobs {
			for _, name := range p.references[s.item.Name].Elsewhere {
				uses.add(name, s)
			}
		}
	}
	if len(uses.order) > 0 {
		p.problem("%s with dependencies in other workspaces, among them job %q: whether these are there is not looked at", uses.count(), uses.order[0])
	}
}

// mostNodes is how many nodes a job may have (Notes and Constraints page).
const mostNodes = 200

// findOversized tells of jobs with more nodes than are allowed. They come from a workspace that had them, so this one may take them, too.
func (p *plan) findOversized() {
	for _, s := range p.written() {
		if n := len(p.bindings[s.item.Ref().Identity()]); s.item.Kind == asset.Jobs && n > mostNodes {
			p.problems = append(p.problems, Problem{Kind: asset.Jobs, Name: s.item.Name,
				Problem: fmt.Sprintf("it has %d nodes, where %d are allowed by the documents: the service may refuse it", n, mostNodes)})
		}
	}
}

// noteVariables keeps which environment variables the target has.
func (p *plan) noteVariables(live *asset.Variables) {
	p.liveVariables = map[string]bool{}
	for _, name := range live.Names() {
		p.liveVariables[name] = true
	}
}

// listKind lists the live assets of a kind, unless that was done.
func (p *plan) listKind(ctx context.Context, kind asset.Kind) error {
	if _, listed := p.listings[kind]; listed {
		return nil
	}
	listing, err := p.target.List(ctx, kind, func(row factory.Row) error {
		p.meet(p.byIdentity[row.Ref.Identity()], row)
		return nil
	})
	if err != nil {
		return err
	}
	if listing.Missing() > 0 {
		return fmt.Errorf("the workspace claims %d %s and lists %d", listing.Total, kind, listing.Unique)
	}
	p.listings[kind] = listing
	return nil
}
