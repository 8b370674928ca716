package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/bundle"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// An export writes the selection, mapped like a restore's, as zips that DataArts' own job import accepts. It asks no workspace for anything.
const (
	ActionExport Action  = "export"
	Exported     Outcome = "exported"
)

// Export is one file of an export.
type Export struct {
	Path      string `json:"path"` // obs:// path of the zip
	Size      int    `json:"size"` // bytes
	SHA256    string `json:"sha256"`
	Jobs      int    `json:"jobs"`
	Scripts   int    `json:"scripts"`
	Resources int    `json:"resources"`
}

// IsExport tells whether the report is that of an export.
func (r *Report) IsExport() bool { return r.Request != nil && r.Request.Export }

// besideExport names the fields of a request that an export cannot have.
func (r *Request) besideExport() []string {
	var paths []string
	for _, field := range []struct {
		path  string
		given bool
	}{
		{"workspace", r.Workspace != ""}, {"duplicateNamePolicy", r.DuplicateNamePolicy != ""}, {"dryRun", r.DryRun}, {"planHash", r.PlanHash != ""},
		{"schedules", r.Schedules != ""}, {"targetStatus", r.TargetStatus != ""}, {"approvers", len(r.Approvers) > 0},
	} {
		if field.given {
			paths = append(paths, field.path)
		}
	}
	return paths
}

// What cannot be in an import file.
const (
	noVariables = "environment variables have no place in an import file: restore them, or set them by hand"
	noFiles     = "the definition is in the import file, and the file that it points to is not: it lies in the backup, and a restore puts it back where it is missing"
)

// export carries out an export. One that was cut off begins anew and ends in the same files, byte for byte.
func (opts Options) export(ctx context.Context, req Request, report *Report, backup *vault.Backup) error {
	if backup.Manifest.Encrypted() {
		return refuse("%s is encrypted, and its export would lie in the bucket in plain text: restore it into a workspace, and export that in the DataArts console", backup.Folder().Path())
	}
	reports := opts.Locations.Reports()
	hold, release, err := opts.acquire(ctx, opts.Locations.Root+"leases/export-"+req.ID+".json", "keep other runs away from export "+req.ID)
	if err != nil {
		return err
	}
	defer release()
	return lostReason(hold, inUse(hold.Context(), req, opts, backup, func(ctx context.Context) error {
		stored, err := reports.prior(ctx, req.ID)
		if err != nil {
			return err
		}
		if known := stored.answerTo(*report.Request, report); known != nil {
			return &knownReport{known}
		}
		e := &exporting{opts: opts, report: report, plan: newPlan(planning{request: req, backup: backup, concurrency: opts.Concurrency, keys: opts.Locations.Keys,
			places: opts.Locations})}
		if err := e.choose(ctx); err != nil {
			return err
		}
		report.Status, report.Message = Running, ""
		err = reports.save(ctx, report, store.Condition{IfNoneMatch: stored == nil})
		if errors.Is(err, store.ErrPrecondition) {
			return report.taken()
		}
		if err == nil {
			err = e.pack(ctx)
		}
		if err == nil {
			err = hold.Check(ctx)
		}
		if err != nil {
			return err
		}
		e.conclude()
		if err := reports.Save(ctx, report); err != nil { // it is over only once that is on record
			report.Status, report.FinishedAt = Running, nil
			return err
		}
		return nil
	}))
}

// exporting is an export under way.
type exporting struct {
	opts   Options
	report *Report
	plan   *plan
}

// choose verifies the backup, and lists in the report what will be exported and what cannot be.
func (e *exporting) choose(ctx context.Context) error {
	p := e.plan
	if err := p.verify(ctx); err != nil {
		return err
	}
	if err := p.choose(); err != nil {
		return err
	}
	p.order()
	some := false
	for _, s := range p.steps {
		if s.item.Kind == asset.Env {
			s.item.Action, s.item.Reason = ActionSkip, noVariables
			continue
		}
		some, s.item.Action = true, ActionExport
		for _, f := range s.asset.Files {
			if f.Key != "" {
				s.item.Files = append(s.item.Files, FileItem{Location: f.Location, Action: ActionSkip, Outcome: Skipped, Reason: noFiles})
			}
		}
	}
	if !some {
		return refuse("there is nothing to export: %s", noVariables)
	}
	p.describe(e.report)
	for i := range e.report.Items {
		if e.report.Items[i].Action == ActionSkip {
			e.report.Items[i].Outcome = Skipped
		}
	}
	return nil
}

// pack writes the zips. What an earlier run has left there is overwritten or removed.
func (e *exporting) pack(ctx context.Context) error {
	p, l := e.plan, e.opts.Locations
	var assets []bundle.Asset
	for _, s := range p.steps {
		if ref := s.item.Ref(); s.item.Action == ActionExport {
			assets = append(assets, bundle.Asset{Ref: ref, Needs: p.needs(ref.Identity())})
		}
	}
	folder := l.Reports().folder(e.report.ID, "export")
	written := map[string]bool{}
	e.report.Exports = nil
	left, err := bundle.Pack(ctx, assets, func(ctx context.Context, ref asset.Ref) ([]byte, error) {
		return p.definition(ctx, p.byIdentity[ref.Identity()])
	}, bundle.Options{Limit: e.opts.ImportLimit, Concurrency: e.opts.Concurrency}, func(z bundle.Zip) error {
		key := fmt.Sprintf("%s%d.zip", folder, z.Number)
		if _, err := l.Store.Put(ctx, key, z.Data, store.Condition{}); err != nil {
			return fmt.Errorf("write an import file: %w", err)
		}
		written[key] = true
		e.report.Exports = append(e.report.Exports, Export{Path: "obs://" + l.Bucket + "/" + key, Size: len(z.Data), SHA256: vault.Hash(z.Data),
			Jobs: len(z.Names(asset.Jobs)), Scripts: len(z.Names(asset.Scripts)), Resources: len(z.Names(asset.Resources))})
		for _, ref := range z.Assets {
			e.report.Items[p.byIdentity[ref.Identity()].index].Outcome = Exported
		}
		return l.Reports().Save(ctx, e.report)
	})
	if err != nil {
		return err
	}
	missing := map[asset.Ref]bool{}
	for _, one := range left {
		item := &e.report.Items[p.byIdentity[one.Ref.Identity()].index]
		item.Outcome, item.Reason = Errored, one.Err.Error()
		missing[one.Ref.Identity()] = true
	}
	for i := range e.report.Items {
		item := &e.report.Items[i]
		for _, need := range p.needs(item.Ref().Identity()) {
			if item.Outcome == Exported && missing[need] {
				item.Reason = fmt.Sprintf("it needs %s, which is in no file and has to be there before", need)
			}
		}
	}
	return e.removeOthers(ctx, folder, written)
}

// removeOthers removes the zips of an earlier run that would otherwise be taken for part of this export.
func (e *exporting) removeOthers(ctx context.Context, folder string, written map[string]bool) error {
	var others []string
	s := e.opts.Locations.Store
	err := s.List(ctx, folder, "", func(info store.Info) error {
		if !written[info.Key] {
			others = append(others, info.Key)
		}
		return nil
	})
	if err == nil && len(others) > 0 {
		err = s.Delete(ctx, others...)
	}
	if err != nil {
		return fmt.Errorf("remove what an earlier run of the export has left: %w", err)
	}
	return nil
}

// conclude says how it ended.
func (e *exporting) conclude() {
	r, finished := e.report, e.opts.Now().UTC()
	r.FinishedAt = &finished
	r.count()
	exported, skipped, failed := r.Counts[string(Exported)], r.Counts[string(Skipped)], r.Counts[string(Errored)]
	r.Status = Complete
	files := fmt.Sprintf("%d files", len(r.Exports))
	if len(r.Exports) == 1 {
		files = "1 file"
	}
	r.Message = fmt.Sprintf("%d exported into %s for DataArts' job import", exported, files)
	if skipped > 0 {
		r.Message += fmt.Sprintf("; %d skipped: %s", skipped, noVariables)
	}
	if slices.ContainsFunc(r.Items, func(i Item) bool { return len(i.Files) > 0 }) {
		r.Message += "; the files that resources point to are not in them"
	}
	if failed > 0 {
		r.Status = Partial
		r.Message += fmt.Sprintf("; %d failed: see the items' reasons", failed)
	}
	r.Message += e.plan.remarks()
}
