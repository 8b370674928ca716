package restore

import (
	"context"
	"fmt"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/graph"
)

// block marks the jobs that cannot be written, because a job they depend on is neither restored nor live. The service refuses them.
func (p *plan) block() {
	for _, layer := range p.layers {
		for _, group := range layer {
			for range group { // in a cycle, one may block the next
				p.blockGroup(group)
			}
		}
	}
}

func (p *plan) blockGroup(group graph.Group[string]) {
	for _, name := range group {
		s := p.job(name)
		if s.item.Action != ActionCreate && s.item.Action != ActionOverwrite {
			continue
		}
		for _, d := range p.references[name].Dependencies {
			on := p.job(d)
			switch {
			case on == nil && !p.liveJobs[d]:
				s.item.Action, s.item.Reason = ActionBlocked, fmt.Sprintf("it depends on job %q, which is neither in what is restored nor in the workspace", d)
			case on != nil && on.item.Action == ActionBlocked && !p.liveJobs[d]:
				s.item.Action, s.item.Reason = ActionBlocked, fmt.Sprintf("it depends on job %q, which is blocked", d)
			}
		}
	}
}

// list finds out which steps are live, and no more.
func (p *plan) list(ctx context.Context) error {
	p.liveJobs = map[string]bool{}
	if err := p.compareVariables(ctx); err != nil {
		return err
	}
	for _, s := range p.steps {
		if s.item.Kind == asset.Env {
			continue
		}
		if err := p.listKind(ctx, s.item.Kind); err != nil {
			return p.refuseUnknownWorkspace(err)
		}
	}
	for _, s := range p.steps {
		if !s.exists {
			s.item.Action = ActionCreate
		}
	}
	return nil
}

// faultsOfTarget are the reasons to refuse the whole restore that lie in the workspace: assets that the policy does not want to be there, and quotas. A restore
// that was begun is not refused for what it has made of the workspace itself, and an undo puts back what was there.
func (p *plan) faultsOfTarget() []string {
	if p.prior.running() || p.only != nil {
		return nil
	}
	var faults []string
	if fault := p.existing(); fault != "" && p.request.DuplicateNamePolicy == Fail {
		faults = append(faults, fault)
	}
	return append(faults, p.quotas()...)
}

// quota is how many assets of a kind a workspace may have (Notes and Constraints page).
type quota struct {
	kind asset.Kind
	what string
	most int
	// counts tells of which assets; nil: of all of the kind.
	counts func(p *plan, ref asset.Ref) bool
	live   func(factory.Row) bool
}

// quotas finds the quotas that what is to be created would exceed. A backup that holds more shows that they were raised where it was taken, and may be; a
// workspace that does, that they are raised nobody knows how far.
func (p *plan) quotas() []string {
	all := []quota{
		{kind: asset.Jobs, what: "jobs", most: 10_000},
		{kind: asset.Jobs, what: "real-time jobs", most: 500, counts: func(p *plan, ref asset.Ref) bool { return p.realTime[ref] },
			live: func(row factory.Row) bool { return row.JobType == "REAL_TIME" }},
		{kind: asset.Scripts, what: "scripts", most: 10_000},
	}
	var faults []string
	for _, q := range all {
		there, kept, created := 0, 0, 0
		for ref, row := range p.rows {
			if ref.Kind == q.kind && (q.live == nil || q.live(row)) {
				there++
			}
		}
		if q.live == nil {
			there = max(there, p.listings[q.kind].Total)
		}
		for _, a := range p.backup.Manifest.Assets {
			ref := a.Ref().Identity()
			if ref.Kind != q.kind || (q.counts != nil && !q.counts(p, ref)) {
				continue
			}
			kept++
			if s := p.byIdentity[ref]; s != nil && s.item.Action == ActionCreate {
				created++
			}
		}
		if most := max(q.most, kept); created > 0 && there <= most && there+created > most {
			faults = append(faults, fmt.Sprintf("the workspace has %d %s and %d would be created, which is more than its quota of %d: delete some, select fewer, or have the quota raised and the rest restored then",
				there, q.what, created, most))
		}
	}
	return faults
}
