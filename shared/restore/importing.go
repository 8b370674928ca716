package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/bundle"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// This file is the fast way to create many jobs and scripts: bundles that DataArts imports itself, with some calls each. It decides nothing. What the
// service makes of a bundle is read back like every write, and what is not there afterwards as it should be is written one by one, as if there had
// been no import.

// Importer imports bundles.
type Importer interface {
	// CheckFile tells what the service finds in a file. Errors: factory.ErrNoFile, factory.ErrUnsupported.
	CheckFile(ctx context.Context, path string) (factory.FileContent, error)
	// Import begins an import. Errors: factory.ErrUnknownOutcome where the answer was lost.
	Import(ctx context.Context, req factory.ImportRequest) (taskID string, err error)
	// Task tells how an import stands. Errors: factory.ErrNoTask.
	Task(ctx context.Context, id string) (factory.Task, error)
}

// DefaultImportThreshold is how many jobs a restore has to create before it imports: below, the import's own calls and its waiting would not pay.
const DefaultImportThreshold = 50

// importAssets is how many jobs and scripts one bundle holds at most, though the service names no such limit: its task shall be over within minutes, and what an
// interrupted restore has to wait for shall be little.
const importAssets = 500

// imported is what the import of a bundle has to do with a step.
type imported struct {
	sent    bool   // it was in a bundle that the service took, or may have taken
	runs    bool   // as its list row has it when it is read back
	there   bool   // it was read back and is as it should be, and is yet to be started
	differs bool   // the import created it, and otherwise than it should be
	said    string // the service's words about it, where it failed
}

// remark is what the service said about an asset that it could not import, to be added to why it could not be written otherwise.
func (i imported) remark() string {
	if i.said == "" {
		return ""
	}
	return "; its import had failed before: " + i.said
}

// errSlow ends the importing. What is left is written one by one.
var errSlow = errors.New("the rest is written one by one")

// importing creates as many scripts and jobs as it can by imports.
func (a *applying) importing(ctx context.Context) error {
	if a.quiet || a.opts.ImportThreshold < 0 || a.plan.concealed() {
		return nil // what is encrypted in the bucket must not lie there in plain beside it
	}
	if a.importable(nil) < a.opts.ImportThreshold { // no call is spent where there is little to import
		return nil
	}
	live, ours, err := a.liveNames(ctx)
	if err != nil || !ours {
		return err
	}
	i := &importer{applying: a, members: map[asset.Ref]*step{}, claims: map[asset.Ref]claim{}, ends: map[int]string{}, log: zerolog.Ctx(ctx)}
	jobs := 0
	a.importable(func(s *step, needs []asset.Ref) {
		id := s.item.Ref().Identity()
		if live[id] {
			return
		}
		if i.members[id] = s; id.Kind == asset.Jobs {
			jobs++
		}
		i.assets = append(i.assets, bundle.Asset{Ref: s.item.Ref(), Needs: needs})
	})
	if jobs < a.opts.ImportThreshold {
		return nil
	}
	defer func() { a.say("") }()
	_, err = bundle.Pack(ctx, i.assets, i.definition, bundle.Options{Limit: a.opts.ImportLimit, Assets: importAssets, Concurrency: a.opts.Concurrency},
		func(z bundle.Zip) error { return i.bundle(ctx, z) })
	if err != nil && !errors.Is(err, errSlow) {
		return err
	}
	return i.readBack(ctx)
}

// importable goes through the steps that may be imported, scripts first and then jobs, dependencies first, and returns how many jobs there are. What
// has to be handled with care stays with the slow way: cycles, what is blocked, what no address can name, and what needs any of these.
func (a *applying) importable(visit func(s *step, needs []asset.Ref)) int {
	out := map[asset.Ref]bool{} // in the plan, not there yet, and not imported
	fits := func(s *step) bool {
		return s.item.Action == ActionCreate && !s.cut && a.outcome(s) == "" && factory.Addressable(s.item.Name) && a.blockedBy(s) == ""
	}
	settled := func(s *step) bool {
		o := a.outcome(s)
		return s.item.Action != ActionCreate && s.item.Action != ActionBlocked || o == Created || o == Unchanged
	}
	for _, s := range a.plan.steps {
		if s.item.Kind != asset.Scripts {
			continue
		}
		if !fits(s) {
			out[s.item.Ref().Identity()] = !settled(s)
		} else if visit != nil {
			visit(s, nil)
		}
	}
	jobs := 0
	for _, layer := range a.plan.layers {
		for _, group := range layer {
			for _, name := range group {
				s := a.plan.job(name)
				needs := a.needs(s)
				if group.Cycle() || !fits(s) || slices.ContainsFunc(needs, func(need asset.Ref) bool { return out[need] }) {
					out[s.item.Ref().Identity()] = !settled(s)
					continue
				}
				jobs++
				if visit != nil {
					visit(s, needs)
				}
			}
		}
	}
	return jobs
}

// needs lists the jobs and scripts that have to be there before a job, by identity.
func (a *applying) needs(s *step) []asset.Ref {
	r := a.plan.references[s.item.Name]
	var needs []asset.Ref
	for _, name := range slices.Concat(r.Dependencies, r.Called) {
		if name != s.item.Name {
			needs = append(needs, asset.Ref{Kind: asset.Jobs, Name: name})
		}
	}
	for _, name := range r.Scripts {
		needs = append(needs, asset.Ref{Kind: asset.Scripts, Name: name})
	}
	return needs
}

// liveNames lists the jobs and scripts of the workspace, right before the import: somebody may have created one since the plan. ours tells that there are
// none but those that an earlier run of this restore was to create. A listing that contradicts itself does not tell that.
func (a *applying) liveNames(ctx context.Context) (live map[asset.Ref]bool, ours bool, err error) {
	live, ours = map[asset.Ref]bool{}, true
	for _, kind := range []asset.Kind{asset.Jobs, asset.Scripts} {
		listing, err := a.target.List(ctx, kind, func(r factory.Row) error {
			id := r.Ref.Identity()
			live[id] = true
			if s := a.plan.byIdentity[id]; s == nil || !a.plan.mayBeOurs(s) {
				ours = false
			}
			return nil
		})
		if err != nil {
			return nil, false, err
		}
		ours = ours && listing.Missing() == 0 && listing.Unreadable == 0
	}
	return live, ours, nil
}

// say is the report's message while the restore runs.
func (a *applying) say(message string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.report.Message = message
}

// importer imports one bundle after the other.
type importer struct {
	*applying
	log     *zerolog.Logger
	assets  []bundle.Asset
	members map[asset.Ref]*step
	handed  []*step             // in bundles that the service took, or may have taken
	claims  map[asset.Ref]claim // by identity, of what tasks told of
	ends    map[int]string      // statuses of tasks, by the place of their imports in the report; see over
	// differing are those that the service imported otherwise than they should be.
	differing []*step
}

// definition is what is packed: the text of the create call that the slow way would send, without what an import is told beside the file.
func (i *importer) definition(ctx context.Context, ref asset.Ref) ([]byte, error) {
	definition, err := i.plan.definition(ctx, i.members[ref.Identity()])
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	if err != nil { // that one asset cannot be read is for the slow way to say
		return nil, fmt.Errorf("%w: %w", bundle.ErrLeaveOut, err)
	}
	own := asset.WriteOnly(ref.Kind)
	if i.req.TargetStatus == "" && slices.ContainsFunc(own, func(name string) bool { _, has := rawjson.Lookup(definition, name); return has }) {
		return nil, fmt.Errorf("%s says itself how it is to be created: %w", ref, bundle.ErrLeaveOut)
	}
	return rawjson.Without(definition, func(name string) bool { return slices.Contains(own, name) }), nil
}

// bundle imports one bundle and waits until that is over. What it holds is deleted from the bucket in any case.
func (i *importer) bundle(ctx context.Context, z bundle.Zip) error {
	l := i.opts.Locations
	key := fmt.Sprintf("%s%d.zip", l.Reports().folder(i.report.ID, importFolder), z.Number)
	path := "obs://" + l.Bucket + "/" + key
	if _, err := l.Store.Put(ctx, key, z.Data, store.Condition{}); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return i.slow(err, "an import file cannot be stored")
	}
	err := i.take(ctx, path, z)
	if err != nil && !errors.Is(err, errSlow) {
		return err // the service may still be reading: the run that continues this one deletes the file
	}
	if gone := l.Store.Delete(ctx, key); gone != nil {
		i.log.Warn().Err(gone).Str("restore", i.report.ID).Str("key", key).Msg("an import file was not deleted")
	}
	return err
}

// take lets the service look at a bundle, and import it if it sees what was packed.
func (i *importer) take(ctx context.Context, path string, z bundle.Zip) error {
	content, err := i.target.CheckFile(ctx, path)
	switch {
	case err != nil && keysAreOver(ctx, err):
		return err
	case err != nil:
		return i.slow(err, "the service does not take import files")
	case !sameNames(content.Jobs, z.Names(asset.Jobs)) || !sameNames(content.Scripts, z.Names(asset.Scripts)):
		return i.slow(nil, "the service finds other jobs or scripts in an import file than were packed")
	}
	task, err := i.importOne(ctx, path, z)
	if err != nil {
		return err
	}
	return i.judge(task, z)
}

// slow gives the importing up.
func (i *importer) slow(why error, message string) error {
	i.log.Warn().Err(why).Str("restore", i.report.ID).Msg(message + "; what is left to create is written one by one")
	return errSlow
}

func sameNames(found, packed []string) bool {
	found, packed = slices.Clone(found), slices.Clone(packed)
	slices.Sort(found)
	slices.Sort(packed)
	return slices.Equal(found, packed)
}

// importOne has a bundle imported. Before anything is asked of the service it is on record: who continues this restore has to wait for what is
// under way. An import whose answer was lost is asked for once more, because what is there already is skipped.
func (i *importer) importOne(ctx context.Context, path string, z bundle.Zip) (factory.Task, error) {
	i.say(fmt.Sprintf("importing %d jobs and scripts: bundle %d holds %d of them, and %d are imported", len(i.assets), z.Number, len(z.Assets), len(i.handed)))
	if err := i.record(ctx, path, z); err != nil {
		return factory.Task{}, err
	}
	if err := i.check(ctx); err != nil {
		return factory.Task{}, err
	}
	// Without a targetStatus a create call leaves it to the service, and so does this: the Create Job and Importing a Job pages describe it in the same words.
	asked, lost := i.opts.Now(), false
	req := factory.ImportRequest{Path: path, Policy: factory.ImportSkip, TargetStatus: i.req.TargetStatus, Approvers: i.req.Approvers}
	id, err := i.target.Import(ctx, req)
	if errors.Is(err, factory.ErrUnknownOutcome) && ctx.Err() == nil {
		lost = true
		i.sent(z)
		if err := i.opts.Sleep(ctx, importSettles); err != nil {
			return factory.Task{}, err
		}
		id, err = i.target.Import(ctx, req)
	}
	switch {
	case err != nil && keysAreOver(ctx, err):
		return factory.Task{}, err
	case err != nil && lost: // the first one may be under way
		i.ended(unknownStatus)
		return factory.Task{}, i.slow(err, "an import whose answer was lost was refused when it was asked for again")
	case err != nil:
		i.ended(refusedStatus)
		return factory.Task{}, i.slow(err, "an import was refused")
	}
	i.sent(z)
	took := i.opts.Now().Sub(asked)
	if err := i.recordTask(ctx, id, lost, took); err != nil {
		return factory.Task{}, err
	}
	// The client sends again what the gateway says that it let nothing of through, and so does this what it heard nothing of: the service may have imported
	// it before this task began, but not before it was asked for.
	since := func(t factory.Task) time.Time {
		if t.Started.IsZero() || i.another() {
			return time.Time{}
		}
		return t.Started.Add(-took)
	}
	task, err := i.opts.waitFor(ctx, i.target, id, func(t factory.Task) error {
		i.started(since(t))
		return i.watch(ctx, t, z)
	})
	task.Started = since(task)
	i.started(task.Started)
	return task, err
}

// sent notes that the service took a bundle, or may have.
func (i *importer) sent(z bundle.Zip) {
	for _, ref := range z.Assets {
		if s := i.members[ref.Identity()]; !s.imports.sent {
			s.imports.sent = true
			i.handed = append(i.handed, s)
		}
	}
}

// record puts an import on record, and which assets it is of.
func (i *importer) record(ctx context.Context, path string, z bundle.Zip) error {
	i.mu.Lock()
	i.report.Imports = append(i.report.Imports, Import{Path: path})
	for _, ref := range z.Assets {
		i.report.Items[i.members[ref.Identity()].index].Import = len(i.report.Imports)
	}
	i.mu.Unlock()
	return i.saveNow(ctx)
}

func (i *importer) recordTask(ctx context.Context, id string, repeated bool, took time.Duration) error {
	i.mu.Lock()
	last := &i.report.Imports[len(i.report.Imports)-1]
	last.TaskID, last.Repeated, last.AskedMS = id, repeated || i.another(), took.Milliseconds()+1 // rounded up
	i.mu.Unlock()
	return i.saveNow(ctx)
}

// started notes since when the last import may have created assets.
func (i *importer) started(at time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.report.Imports[len(i.report.Imports)-1].StartedAt = at
}

// another tells whether an import before the last one may be under way: what that brings is this restore's, too. Only this importer changes the imports, one
// at a time, so it needs no lock.
func (i *importer) another() bool {
	before := i.report.Imports[:len(i.report.Imports)-1]
	return slices.ContainsFunc(before, func(one Import) bool { return one.Status == unknownStatus || one.Status == factory.TaskRunning })
}

// ended notes how the last import ended, where no task is to be asked about it again.
func (i *importer) ended(status string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.report.Imports[len(i.report.Imports)-1].Status = status
}

// over notes how the imports ended that were read back. Until then a run that continues this one has to ask their tasks again.
func (i *importer) over() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, status := range i.ends {
		i.report.Imports[n].Status = status
	}
}

// claim is what a task told of an asset.
func (i *importer) claim(s *step) claim { return i.claims[s.item.Ref().Identity()] }

// watch lets the report show how far an import is.
func (i *importer) watch(ctx context.Context, t factory.Task, z bundle.Zip) error {
	over := 0
	for _, sub := range t.Subtasks {
		if sub.Status == factory.TaskSuccessful || sub.Status == factory.TaskFailed {
			over++
		}
	}
	i.say(fmt.Sprintf("importing %d jobs and scripts: bundle %d, %d of %d", len(i.assets), z.Number, over, len(z.Assets)))
	return i.save(ctx)
}

// judge notes what a task says of the assets of its bundle. Only what is read back counts as created: a task says of what it skips, too, that it was
// imported.
func (i *importer) judge(t factory.Task, z bundle.Zip) error {
	i.ends[len(i.report.Imports)-1] = t.Status
	said := subtasksOf(t)
	done := 0
	for _, ref := range z.Assets {
		status, message := said.of(ref)
		switch status {
		case factory.TaskSuccessful:
			done++
		case factory.TaskFailed:
			i.members[ref.Identity()].imports.said = message
		}
		i.claims[ref.Identity()] = claim{began: t.Started, done: status == factory.TaskSuccessful}
	}
	switch {
	case !t.Over():
		return i.slow(nil, "an import does not come to an end")
	case t.Status == factory.TaskFailed && done == 0:
		return i.slow(nil, "an import failed as a whole")
	}
	return nil
}
