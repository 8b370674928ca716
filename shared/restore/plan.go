package restore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/graph"
	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// planning is what a plan is made from.
type planning struct {
	request     Request
	backup      *vault.Backup
	target      planned
	concurrency int
	prior       *Report // of a restore that is continued; else nil or of another state
	keys        vault.Keys
	only        func(name string) bool // narrows the environment variables down; nil: as selected
}

// planned is what a plan asks the live workspace.
type planned interface {
	Reader
	JobStatus(ctx context.Context, name string) (string, error)
}

// plan is what a restore will do.
type plan struct {
	planning
	mapping *mapping
	done    map[asset.Ref]Item // items of the run that is continued, by identity

	references map[string]asset.References // of every job of the backup
	uses       map[asset.Ref][]string      // environment variables that an asset names
	byIdentity map[asset.Ref]*step

	steps        []*step // in manifest order, environment variables first
	variables    *asset.Variables
	variablesErr error
	layers       [][]graph.Group // job names, dependencies first
	liveJobs     map[string]bool
	hash         string
}

// step is one asset of a plan.
type step struct {
	index   int // among the steps, and of its item in the report
	item    Item
	asset   vault.Asset
	desired string // hash of the definition to write
	live    string // hash of the live definition, empty where there is none or it was not looked at
	id      string // the live asset's id
	exists  bool   // in the live workspace
	running bool   // the live job runs
	cut     bool   // a job of a cycle: created without its dependencies so far
	desires []byte // an environment variable's own JSON
}

// makePlan verifies the backup, reads the edits and holds the selection against the live workspace. It writes nothing.
func makePlan(ctx context.Context, in planning) (*plan, error) {
	p := &plan{planning: in, references: map[string]asset.References{}, uses: map[asset.Ref][]string{},
		byIdentity: map[asset.Ref]*step{}, done: map[asset.Ref]Item{}}
	if in.prior.running() {
		for _, i := range in.prior.Items {
			p.done[i.Ref().Identity()] = i
		}
	}
	if err := p.verify(ctx); err != nil {
		return nil, err
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
	p.block()
	p.hash = p.fingerprint()
	if p.request.DuplicateNamePolicy == Fail && !in.prior.running() {
		if err := p.refuseExisting(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// verify reads the whole backup: every object against the manifest, and backup.json against the assets.
func (p *plan) verify(ctx context.Context) error {
	var original vault.Document
	err := p.backup.Each(ctx, p.concurrency, func(a vault.Asset, definition []byte) error {
		original.Add(a.Ref(), asset.Bindings(a.Kind, definition))
		switch a.Kind {
		case asset.Jobs:
			p.references[a.Name] = asset.ReferencesOf(definition)
			p.uses[a.Ref().Identity()] = asset.VariablesOf(definition)
		case asset.Scripts:
			p.uses[a.Ref().Identity()] = asset.VariablesOf(definition)
		case asset.Env:
			p.variables, p.variablesErr = asset.ParseVariables(definition)
		}
		return nil
	})
	if err == nil || isFault(err) { // all faults at once
		err = errors.Join(err, p.backup.VerifyFiles(ctx))
	}
	if isFault(err) && !interrupted(ctx, err) {
		return &Refusal{Faults: faultsOf(p.backup, err)}
	}
	if err != nil {
		return err
	}
	var e *edits
	if p.backup.Document != nil {
		e, err = readEdits(p.backup.Document, p.backup.Manifest, &original)
		if faults, ok := errors.AsType[strictjson.Faults](err); ok {
			refusal := &Refusal{}
			for _, f := range faults {
				refusal.Faults = append(refusal.Faults, "backup.json: "+f.String())
			}
			return refusal
		}
		if err != nil {
			return err
		}
	}
	p.mapping = newMapping(e, p.request.Replace)
	return nil
}

// desire maps every chosen asset and keeps the hash of what is to be written.
func (p *plan) desire(ctx context.Context) error {
	if p.mapping.identity() {
		for _, s := range p.steps {
			if s.item.Kind != asset.Env {
				s.desired = s.asset.SHA256
			}
		}
		return nil
	}
	return p.backup.Each(ctx, p.concurrency, func(a vault.Asset, stored []byte) error {
		if s := p.byIdentity[a.Ref().Identity()]; s != nil && a.Kind != asset.Env {
			s.desired = vault.Hash(p.mapping.apply(a.Kind, a.Name, stored))
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

// inCycle tells whether a job is part of a cycle.
func (p *plan) inCycle(name string) bool {
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

// refuseExisting is the policy fail.
func (p *plan) refuseExisting() error {
	var there []string
	for _, s := range p.steps {
		if s.exists {
			there = append(there, describeRef(s.item))
		}
	}
	if len(there) == 0 {
		return nil
	}
	const most = 20
	listed := there[:min(len(there), most)]
	more := ""
	if len(there) > most {
		more = fmt.Sprintf(" and %d more", len(there)-most)
	}
	return refuse("duplicateNamePolicy is fail, and the workspace has already %s%s", strings.Join(listed, ", "), more)
}

func describeRef(i Item) string {
	if i.Kind == asset.Env {
		return fmt.Sprintf("environment variable %q", i.Name)
	}
	return i.Ref().String()
}

// fingerprint is the plan's hash: it changes when the backup, the request's effect or what it meets in the workspace changes.
func (p *plan) fingerprint() string {
	h := sha256.New()
	line := func(parts ...string) {
		for _, s := range parts {
			_, _ = fmt.Fprintf(h, "%d:%s,", len(s), s) // a hash takes everything
		}
		_, _ = io.WriteString(h, "\n")
	}
	line("plan 1", p.backup.ManifestSHA256, p.backup.Manifest.Workspace.ID, p.request.Workspace, string(p.request.DuplicateNamePolicy),
		p.request.schedules(), p.request.TargetStatus, strings.Join(p.request.Approvers, "\n"))
	for _, s := range p.steps {
		line(string(s.item.Kind), s.item.Directory, s.item.Name, string(s.item.Action), s.desired, s.live, fmt.Sprint(s.item.WasRunning))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// describe fills a report with the plan.
func (p *plan) describe(r *Report) {
	r.PlanHash = p.hash
	r.Items = make([]Item, 0, len(p.steps))
	for _, s := range p.steps {
		item := s.item
		if before, ok := p.done[item.Ref().Identity()]; ok {
			item.Written = item.Written || before.Written
			switch {
			case before.Action == ActionOverwrite && item.Action == ActionCreate: // deleted meanwhile: it is no creation of this restore
				item.Action = ActionOverwrite
			case before.Action == ActionCreate && before.Written: // whatever has become of it, this restore created it
				item.Action = ActionCreate
			}
			if item.Action == ActionUnchanged && (before.Action == ActionCreate || before.Action == ActionOverwrite) {
				item.Action, item.Changes = before.Action, before.Changes // the run that is continued has written it already
			}
		}
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
	return s + p.remarks()
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
	return s + p.undoRemark()
}
