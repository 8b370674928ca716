package restore

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// resourceFile is one object that resources of the plan point to, or that a restore saved before it overwrote it.
type resourceFile struct {
	location string // obs:// path in the target, as the definition has it
	at       store.Location
	copy     vault.File // in the backup; without a key where there is none
	mapped   bool       // it lies elsewhere than when it was backed up
	users    []*step    // the resources that point to it; none of a file that only an undo puts back
	conflict string     // why it is unknown which of the backup's files belongs there

	live  store.Info // as the plan found it
	there bool
	same  bool  // what is there is what the backup has
	fault error // why that is unknown

	action  Action // empty where there is nothing to do and nothing to say
	reason  string
	outcome Outcome
	written store.Info // what this restore has put there, in this run or the one that is continued
	unsaved error      // why what is there could not be saved, so that it is not overwritten
	sent    bool       // this run has begun to write it

	doubtful bool // it is unknown whether a write that failed has put it there
}

// fileLooks is how many files are looked at at the same time.
const fileLooks = 16

// planFiles holds the files that the resources point to against what lies there. It costs one call for each file, and reads only what has the size
// of the backup's copy and an ETag that does not tell.
func (p *plan) planFiles(ctx context.Context) error {
	p.gatherFiles()
	group, looking := errgroup.WithContext(ctx)
	group.SetLimit(fileLooks)
	for _, f := range p.files {
		if f.conflict == "" {
			group.Go(func() error { return p.lookAtFile(looking, f) })
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	d := &deciding{plan: p, buckets: map[string]bool{}, pointsTo: map[*step][]string{}}
	for _, f := range p.files {
		if err := d.file(ctx, f); err != nil {
			return err
		}
	}
	for _, f := range p.files {
		if f.action == ActionBlocked {
			p.tellOfFile(f)
		}
	}
	for _, f := range p.files {
		if f.action != ActionBlocked && f.action != "" {
			p.tellOfFile(f)
		}
	}
	p.keepFiles()
	return nil
}

// keepFiles keeps on record what the run that is continued has written, even where that is none of this run's business any more: an undo has to know.
func (p *plan) keepFiles() {
	for _, s := range p.steps {
		for _, before := range p.done[s.item.Ref().Identity()].Files {
			known := slices.ContainsFunc(s.item.Files, func(f FileItem) bool { return f.Location == before.Location })
			if before.mayBeWritten() && !known {
				s.item.Files = append(s.item.Files, before)
			}
		}
	}
}

// gatherFiles lists the files of the chosen resources, each once, however many point to it.
func (p *plan) gatherFiles() {
	if p.backup.Unverified {
		return
	}
	known := map[store.Location]*resourceFile{}
	for _, s := range p.steps {
		if s.item.Kind != asset.Resources || s.item.Action == ActionBlocked {
			continue
		}
		for _, kept := range s.asset.Files {
			f := p.placed(kept)
			before := known[f.at]
			if f.at == (store.Location{}) || before == nil {
				p.files, known[f.at] = append(p.files, f), f
			} else {
				before.merge(f)
				f = before
			}
			if !slices.Contains(f.users, s) {
				f.users = append(f.users, s)
			}
		}
	}
	for _, kept := range p.backup.Manifest.Files {
		bucket, key, _ := asset.ParseOBSPath(kept.Location)
		if p.looseFile != nil && p.looseFile(kept.Location) {
			p.files = append(p.files, &resourceFile{location: kept.Location, at: store.Location{Bucket: bucket, Key: key}, copy: kept})
		}
	}
	if n := len(p.backup.Manifest.Files); n > 0 && p.looseFile == nil {
		p.problems = append(p.problems, Problem{Kind: asset.Resources,
			Problem: fmt.Sprintf("%d files of resources lie in this folder that a restore overwrote: only the undo of that restore puts them back", n)})
	}
}

// placed is a file of the backup at the place where it belongs in the target.
func (p *plan) placed(kept vault.File) *resourceFile {
	f := &resourceFile{location: p.mapping.path(kept.Location), copy: kept}
	f.mapped = f.location != kept.Location
	if bucket, key, ok := asset.ParseOBSPath(f.location); ok && key != "" {
		f.at = store.Location{Bucket: bucket, Key: key}
	} else {
		f.conflict = "it is not an object on OBS"
	}
	return f
}

// merge takes in that another resource points to the same place. Where the backup has two states of one file, which changed while it was taken, the later
// one counts.
func (f *resourceFile) merge(other *resourceFile) {
	switch {
	case other.copy.Key == "":
	case f.copy.Key == "":
		f.copy, f.mapped = other.copy, other.mapped
	case f.copy.Location == other.copy.Location:
		if then, now := f.copy.LastModified, other.copy.LastModified; then != nil && now != nil && now.After(*then) {
			f.copy = other.copy
		}
	case !f.copy.Same(other.copy):
		f.conflict = fmt.Sprintf("two different files of the backup would come to lie there, %s and %s", f.copy.Location, other.copy.Location)
	}
}

// lookAtFile finds out what lies where a file belongs.
func (p *plan) lookAtFile(ctx context.Context, f *resourceFile) error {
	var err error
	f.live, err = p.places.Store.Bucket(f.at.Bucket).Stat(ctx, f.at.Key)
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	f.there = err == nil
	if f.there && f.copy.Key != "" && (len(f.users) == 0 || slices.ContainsFunc(f.users, wanted)) {
		if before := p.fileBefore(f); before.ETag != "" && before.ETag == f.live.ETag && before.Size == f.live.Size {
			f.same = true // the run that is continued has written it
		} else {
			f.same, err = p.backup.IsFile(ctx, f.copy, f.at, f.live)
		}
	}
	if interrupted(ctx, err) {
		return fmt.Errorf("look at %s: %w", f.location, err)
	}
	f.fault = err
	return nil
}

// wanted tells whether a resource will be as in the backup after the restore, so that its files should be, too.
func wanted(s *step) bool {
	return s.item.Action == ActionCreate || s.item.Action == ActionOverwrite || s.item.Action == ActionUnchanged
}

// fileBefore is what the run that is continued has on record of a file that it wrote, or was about to.
func (p *plan) fileBefore(f *resourceFile) FileItem {
	for _, s := range f.users {
		for _, before := range p.done[s.item.Ref().Identity()].Files {
			if before.Location == f.location && (before.Action == ActionCreate || before.Action == ActionOverwrite) {
				return before
			}
		}
	}
	return FileItem{}
}

// deciding decides what is to be done with files.
type deciding struct {
	plan     *plan
	buckets  map[string]bool    // whether they exist
	pointsTo map[*step][]string // the files of live resources
}

// file decides what is to be done with one file, once it was looked at.
func (d *deciding) file(ctx context.Context, f *resourceFile) error {
	if err := d.usersOf(ctx, f); err != nil {
		return err
	}
	p, before := d.plan, d.plan.fileBefore(f)
	f.doubtful = before.mayBeWritten()
	loose := len(f.users) == 0 && p.looseFile != nil
	switch {
	case len(f.users) == 0 && !loose:
	case f.copy.Key == "":
		d.withoutCopy(f)
	case f.conflict != "":
		f.action, f.reason = ActionBlocked, f.conflict
	case f.fault != nil && !errors.Is(f.fault, vault.ErrIncomparable):
		f.action, f.reason = ActionBlocked, "whether it is as in the backup cannot be seen: "+f.fault.Error()
	case f.same && before.Action != "": // the run that is continued has put it there
		f.action, f.written = before.Action, f.live
		if before.ETag != "" {
			f.written.LastModified = before.LastModified
		}
		f.outcome = map[Action]Outcome{ActionCreate: Created, ActionOverwrite: Overwritten}[before.Action]
	case f.same:
	case p.mappedOnly && !f.mapped && !loose:
		f.action, f.reason = ActionSkip, "its place is that of the workspace that was backed up: map it to one of its own with replace.obsPath"
	case f.there && p.request.DuplicateNamePolicy != Overwrite:
		f.action, f.reason = ActionSkip, fmt.Sprintf("a different file is there, and duplicateNamePolicy is %s", p.request.DuplicateNamePolicy)
	case f.there && !f.mapped && p.intoAnother():
		f.action, f.reason = ActionSkip, "a different file is there, and it is that of the workspace that was backed up: map it to a place of its own with replace.obsPath"
	case p.places.owns(f.at):
		f.action, f.reason = ActionBlocked, "it would lie among the backups, where no restore writes files of resources"
	case f.there:
		f.action = ActionOverwrite
		if f.fault != nil {
			f.reason = "it counts as different: " + f.fault.Error()
		}
	case !d.bucketExists(ctx, f.at):
		f.action, f.reason = ActionBlocked, fmt.Sprintf("bucket %s does not exist", f.at.Bucket)
	case before.Action == ActionOverwrite: // somebody has deleted it meanwhile: it is no creation of this restore
		f.action = ActionOverwrite
	default:
		f.action = ActionCreate
	}
	return ctx.Err()
}

// withoutCopy says that a file has no copy in the backup, where it is needed.
func (d *deciding) withoutCopy(f *resourceFile) {
	if f.there {
		return
	}
	state := "it is not there"
	switch {
	case f.conflict != "":
		state = "whether it is there cannot be seen"
	case f.fault != nil:
		state = "whether it is there cannot be seen: " + f.fault.Error()
	}
	others := ""
	if n := len(f.users) - 1; n > 0 {
		others = fmt.Sprintf(", as do %d other resources", n)
	}
	d.plan.problems = append(d.plan.problems, Problem{Kind: asset.Resources, Name: f.users[0].item.Name,
		Problem: fmt.Sprintf("it points to %s%s, of which the backup has no copy (%s), and %s", f.location, others, f.copy.Reason, state)})
}

// usersOf leaves those resources that will want the file after the restore. A resource that is skipped stays as it is: where the file is missing that the
// live one points to, it gets it back, and nothing else is its business.
func (d *deciding) usersOf(ctx context.Context, f *resourceFile) error {
	var users []*step
	for _, s := range f.users {
		switch {
		case wanted(s):
			users = append(users, s)
		case s.item.Action == ActionSkip && !f.there && f.fault == nil:
			points, err := d.pointsOf(ctx, s)
			if err != nil {
				return err
			}
			if slices.Contains(points, f.location) {
				users = append(users, s)
			}
		}
	}
	f.users = users
	return nil
}

// pointsOf lists the files that the live resource points to.
func (d *deciding) pointsOf(ctx context.Context, s *step) ([]string, error) {
	if points, known := d.pointsTo[s]; known {
		return points, nil
	}
	definition, err := d.plan.target.Get(ctx, s.asset.Ref(), s.id)
	if interrupted(ctx, err) {
		return nil, err
	}
	if err != nil { // it stays as it is, whatever it points to
		definition = nil
	}
	d.pointsTo[s] = asset.FileLocations(definition)
	return d.pointsTo[s], nil
}

// bucketExists tells whether a bucket exists, as far as the store says so: where it does not, the write will tell.
func (d *deciding) bucketExists(ctx context.Context, at store.Location) bool {
	exists, known := d.buckets[at.Bucket]
	if !known {
		err := d.plan.places.Store.Bucket(at.Bucket).List(ctx, at.Key, "", func(store.Info) error { return errEnough })
		exists = !errors.Is(err, store.ErrNotExist)
		d.buckets[at.Bucket] = exists
	}
	return exists
}

// errEnough ends a listing of which nothing more is wanted.
var errEnough = errors.New("enough")

// intoAnother tells whether the target is another workspace than the one that was backed up.
func (p *plan) intoAnother() bool {
	own := p.backup.Manifest.Workspace.ID
	return own != "" && p.request.Workspace != "" && p.request.Workspace != own
}

// owns tells whether an object lies where only backups, requests and reports do.
func (l Locations) owns(at store.Location) bool {
	return at.Bucket == l.Bucket && (strings.HasPrefix(at.Key, l.Root) || strings.HasPrefix(strings.TrimPrefix(path.Clean("/"+at.Key), "/")+"/", l.Root))
}

// tellOfFile puts what is to be done with a file into the items of the resources that want it. A resource that would be written and whose file cannot be is
// blocked: its definition would point to nothing. Its other files are then no business of this restore, unless another resource wants them.
func (p *plan) tellOfFile(f *resourceFile) {
	if f.action != ActionBlocked && len(f.users) > 0 {
		f.users = slices.DeleteFunc(f.users, func(s *step) bool { return s.item.Action == ActionBlocked })
		if len(f.users) == 0 {
			f.action = ""
		}
	}
	for _, s := range f.users {
		s.item.Files = append(s.item.Files, f.item())
		if f.action == ActionBlocked && (s.item.Action == ActionCreate || s.item.Action == ActionOverwrite) {
			s.item.Action, s.item.Reason = ActionBlocked, fmt.Sprintf("its file %s cannot be put back: %s", f.location, f.reason)
		}
	}
}

// item is the file as reports show it.
func (f *resourceFile) item() FileItem {
	return FileItem{Location: f.location, Action: f.action, Outcome: f.outcome, Reason: f.reason, Size: f.written.Size, ETag: f.written.ETag,
		LastModified: f.written.LastModified, Written: f.doubtful}
}

// filesMessage is what is to be done with files in a few words; "" where that is nothing.
func (p *plan) filesMessage() string {
	return countFiles(p.files, func(f *resourceFile) string {
		return map[Action]string{ActionCreate: "to put back", ActionOverwrite: "to overwrite", ActionSkip: "to leave as it is", ActionBlocked: "blocked"}[f.action]
	}, "to put back", "to overwrite", "to leave as it is", "blocked")
}

// countFiles counts files by words, in this order.
func countFiles(files []*resourceFile, word func(*resourceFile) string, order ...string) string {
	counts := map[string]int{}
	for _, f := range files {
		counts[word(f)]++
	}
	var parts []string
	for _, w := range order {
		if counts[w] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[w], w))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "; files of resources: " + strings.Join(parts, ", ")
}

// fileLines are what the plan's hash has of files.
func (p *plan) fileLines(line func(...string)) {
	for _, f := range p.files {
		if f.action != "" {
			line("file", f.location, string(f.action), f.copy.SHA256, f.live.ETag, fmt.Sprint(f.live.Size))
		}
	}
}
