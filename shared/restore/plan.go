package restore

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/graph"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// planning is what a plan is made from.
type planning struct {
	request     Request
	backup      *vault.Backup
	target      planned
	concurrency int
	prior       *Report             // of a restore that is continued; else nil or of another state
	claims      map[asset.Ref]claim // of what the run that is continued may have imported
	keys        vault.Keys
	only        func(asset.Ref) bool       // narrows down what is selected, each environment variable by itself; nil: as selected
	places      Locations                  // where backups lie, and through whose store the files of resources are reached
	looseFile   func(location string) bool // which files are put back that belong to no asset; nil: none, only an undo does that
	mappedOnly  bool                       // see Options.MappedFilesOnly
	towardsLive bool                       // changes are told from the backup to the live workspace, as nothing is restored
}

// planned is what a plan asks the live workspace.
type planned interface {
	Reader
	Connector
	JobStatus(ctx context.Context, name string) (string, error)
}

// plan is what a restore will do.
type plan struct {
	planning
	mapping *mapping
	done    map[asset.Ref]Item // items of the run that is continued, by identity

	references map[string]asset.References // of every job of the backup
	uses       map[asset.Ref][]string      // environment variables that an asset names
	meanings   map[asset.Ref]string        // of every asset of the backup as it is stored; see meaning
	byIdentity map[asset.Ref]*step

	steps        []*step // in manifest order, environment variables first
	variables    *asset.Variables
	variablesErr error
	layers       [][]graph.Group[string] // job names, dependencies first
	liveJobs     map[string]bool
	files        []*resourceFile
	hash         string

	rows          map[asset.Ref]factory.Row      // live, by identity, of the kinds that were listed; without Raw
	listings      map[asset.Kind]factory.Listing // of the kinds that were listed
	liveVariables map[string]bool                // names; nil where the live environment variables were not read
	locations     map[string][]asset.Ref         // resources of the backup by the files that they point to
	bindings      map[asset.Ref][]asset.Binding  // of every job and script of the backup, as stored
	realTime      map[asset.Ref]bool             // jobs of the backup that are no batch jobs
	problems      []Problem
}

// step is one asset of a plan.
type step struct {
	index   int // among the steps, and of its item in the report
	item    Item
	asset   vault.Asset
	desired string           // hash of the definition to write
	meaning string           // hash of what that definition means; see meaning
	live    string           // hash of the live definition, empty where there is none or it was not looked at
	id      string           // the live asset's id
	exists  bool             // in the live workspace
	running bool             // the live job runs
	ranAt   time.Time        // when the live job's last instance ended, as its list row tells; zero where it does not
	turned  bool             // this run has started or stopped it last
	removes map[removal]bool // what overwriting is to take away
	saved   string           // hash of what the definition means that was saved before it is overwritten; see meaning
	// doubtful tells that it was to be created and was there: an earlier run of this restore may have been the one, or somebody else.
	doubtful bool
	cut      bool // a job of a cycle: created without its dependencies so far
	imports  imported
	made     time.Time // when the live asset was made, as far as that is known and of interest
	desires  []byte    // an environment variable's own JSON
}

// newPlan is a plan that knows nothing yet but the run that it continues.
func newPlan(in planning) *plan {
	p := &plan{planning: in, references: map[string]asset.References{}, uses: map[asset.Ref][]string{}, meanings: map[asset.Ref]string{}, locations: map[string][]asset.Ref{},
		rows: map[asset.Ref]factory.Row{}, listings: map[asset.Kind]factory.Listing{}, bindings: map[asset.Ref][]asset.Binding{}, realTime: map[asset.Ref]bool{},
		byIdentity: map[asset.Ref]*step{}, done: map[asset.Ref]Item{}}
	if in.prior.running() {
		for _, i := range in.prior.Items {
			p.done[i.Ref().Identity()] = i
		}
	}
	return p
}

// makePlan verifies the backup, reads the edits and holds the selection against the live workspace. It writes nothing.
func makePlan(ctx context.Context, in planning) (*plan, error) {
	p := newPlan(in)
	if err := p.verify(ctx); err != nil {
		return nil, p.refuseWithTarget(ctx, err)
	}
	if err := p.choose(); err != nil {
		return nil, err
	}
	if err := p.desire(ctx); err != nil {
		return nil, err
	}
	p.order()
	if err := p.compare(ctx); err != nil {
		return nil, err
	}
	if err := p.planFiles(ctx); err != nil {
		return nil, err
	}
	p.block()
	if err := p.preflight(ctx); err != nil {
		return nil, err
	}
	p.hash = p.fingerprint()
	if faults := p.faultsOfTarget(); len(faults) > 0 {
		return nil, &Refusal{Faults: faults}
	}
	return p, nil
}

// desire maps every chosen asset and keeps the hash of what is to be written.
func (p *plan) desire(ctx context.Context) error {
	if p.mapping.identity() {
		for _, s := range p.steps {
			if s.item.Kind != asset.Env {
				s.desired, s.meaning = s.asset.SHA256, p.meanings[s.asset.Ref().Identity()]
			}
		}
		return nil
	}
	return p.backup.Each(ctx, p.concurrency, func(a vault.Asset, stored []byte) error {
		if s := p.byIdentity[a.Ref().Identity()]; s != nil && a.Kind != asset.Env {
			mapped := p.mapping.apply(a.Kind, a.Name, stored)
			s.desired, s.meaning = vault.Hash(mapped), meaning(a.Kind, mapped)
		}
		return nil
	})
}

// definition reads an asset of the backup and maps it. It is what a step writes.
func (p *plan) definition(ctx context.Context, s *step) ([]byte, error) {
	stored, err := p.backup.Definition(ctx, s.asset)
	if err != nil {
		return nil, err
	}
	if p.backup.Unverified { // ours have no fields of the server's
		stored = asset.Stored(s.asset.Kind, stored)
	}
	return p.mapping.apply(s.asset.Kind, s.asset.Name, stored), nil
}

// order sorts the jobs so that each comes after those it needs.
func (p *plan) order() {
	var names []string
	for _, s := range p.steps {
		if s.item.Kind == asset.Jobs {
			names = append(names, s.item.Name)
		}
	}
	p.layers = graph.Layers(names, func(name string) []string {
		r := p.references[name]
		return slices.Concat(r.Dependencies, r.Called)
	})
	for _, layer := range p.layers {
		for _, group := range layer {
			if !group.Cycle() {
				continue
			}
			reason := "part of a cycle of jobs that depend on each other: " + strings.Join(group, ", ")
			for _, name := range group {
				p.job(name).item.Reason = reason
			}
		}
	}
}

// needsItself tells whether a job depends on its own last run. Like those of a cycle it cannot be created with its dependencies.
func (p *plan) needsItself(name string) bool {
	return slices.Contains(p.references[name].Dependencies, name)
}

// inCycle tells whether a job is part of a cycle, be it of itself alone.
func (p *plan) inCycle(name string) bool {
	if p.needsItself(name) {
		return true
	}
	for _, layer := range p.layers {
		for _, group := range layer {
			if group.Cycle() && slices.Contains(group, name) {
				return true
			}
		}
	}
	return false
}

func (p *plan) job(name string) *step {
	return p.byIdentity[asset.Ref{Kind: asset.Jobs, Name: name}]
}

// existing is the fault of the policy fail, empty where no asset exists.
func (p *plan) existing() string {
	var there []string
	for _, s := range p.steps {
		if s.exists {
			there = append(there, describeRef(s.item))
		}
	}
	if len(there) == 0 {
		return ""
	}
	const most = 20
	listed := there[:min(len(there), most)]
	more := ""
	if len(there) > most {
		more = fmt.Sprintf(" and %d more", len(there)-most)
	}
	return fmt.Sprintf("duplicateNamePolicy is fail, and the workspace has already %s%s", strings.Join(listed, ", "), more)
}

func describeRef(i Item) string {
	if i.Kind == asset.Env {
		return fmt.Sprintf("environment variable %q", i.Name)
	}
	return i.Ref().String()
}

// workspace is the id of the workspace that is restored into: the one that the request names, else the one that was backed up.
func (p *plan) workspace() string {
	return cmp.Or(p.request.Workspace, p.backup.Manifest.Workspace.ID)
}

// fingerprint is the plan's hash: it changes when the backup, the request's effect or what it meets in the workspace changes. It hangs on what the request
// means and not on how that is spelled: a plan that was approved can be applied by a request that names what the first one left out. What a request selects
// and replaces is in the steps.
func (p *plan) fingerprint() string {
	return hashOf(func(line func(...string)) {
		line("plan 2", p.backup.ManifestSHA256, p.backup.Manifest.Workspace.ID, p.workspace(), string(p.request.DuplicateNamePolicy),
			p.request.schedules(), p.request.TargetStatus)
		line(slices.Compact(slices.Sorted(slices.Values(p.request.Approvers)))...)
		for _, s := range p.steps {
			line(string(s.item.Kind), s.item.Directory, s.item.Name, string(s.item.Action), s.desired, s.live, fmt.Sprint(s.item.WasRunning))
		}
		p.fileLines(line)
	})
}

// wants is the hash of what the plan is to write, whatever it meets in the workspace.
func (p *plan) wants() string {
	return hashOf(func(line func(...string)) {
		line("wants 1", p.backup.ManifestSHA256)
		for _, s := range p.steps {
			line(string(s.item.Kind), s.item.Directory, s.item.Name, s.desired)
		}
	})
}

// hashOf is the hash of lines.
func hashOf(write func(line func(parts ...string))) string {
	h := sha256.New()
	write(func(parts ...string) {
		for _, s := range parts {
			_, _ = fmt.Fprintf(h, "%d:%s,", len(s), s) // a hash takes everything
		}
		_, _ = io.WriteString(h, "\n")
	})
	return hex.EncodeToString(h.Sum(nil))
}

// describe fills a report with the plan.
func (p *plan) describe(r *Report) {
	r.PlanHash, r.WantsHash = p.hash, p.wants()
	if p.prior.running() && p.prior.PlanHash != "" {
		r.PlanHash = p.prior.PlanHash // of the plan that was made, and may have been approved, before anything was written
	}
	r.Problems = p.problems
	r.Items = make([]Item, 0, len(p.steps))
	for _, s := range p.steps {
		item := s.item
		item.keepChanges()
		if p.theirs(s) && item.Action == ActionUnchanged {
			item.Reason = createdByOthers
		}
		p.carry(s, &item)
		r.Items = append(r.Items, item)
	}
	r.count()
}

// message is the plan in a sentence.
func (p *plan) message() string {
	n := map[Action]int{}
	for _, s := range p.steps {
		n[s.item.Action]++
	}
	s := fmt.Sprintf("plan: %d to create, %d to overwrite, %d to skip, %d unchanged, %d blocked",
		n[ActionCreate], n[ActionOverwrite], n[ActionSkip], n[ActionUnchanged], n[ActionBlocked])
	return s + p.filesMessage() + p.remarks()
}

// remarks is what an operator should know besides, each with "; " before it.
func (p *plan) remarks() string {
	s := ""
	for _, layer := range p.layers {
		for _, group := range layer {
			if group.Cycle() {
				s += "; cycle of jobs: " + strings.Join(group, ", ")
			}
		}
	}
	if unused := p.mapping.unused(); len(unused) > 0 {
		s += "; replace rules that fit nothing: " + strings.Join(unused, ", ")
	}
	if p.backup.Unverified {
		s += "; the backup is unverified: it was not written by DataArts Backup and has no manifest, and what was edited in its backup.json is not read (use replace)"
	}
	if p.backup.Manifest.Status != vault.Complete {
		s += "; the backup is " + string(p.backup.Manifest.Status) + ": what its manifest lists as missing is not restored"
	}
	return s + p.undoRemark() + p.problemRemark()
}
