package drill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// content is what a workspace holds, by name.
type content struct {
	assets    map[asset.Ref]bool // by identity, without environment variables
	variables []string
}

// look lists the workspace. A listing that does not give out what it claims is a failure: what it hides could be anything.
func (d *drill) look(ctx context.Context) (content, error) {
	c := content{assets: map[asset.Ref]bool{}}
	for _, kind := range []asset.Kind{asset.Resources, asset.Scripts, asset.Jobs} {
		listing, err := d.target.List(ctx, kind, func(row factory.Row) error {
			c.assets[row.Ref.Identity()] = true
			return nil
		})
		if factory.IsCode(err, factory.CodeNoWorkspace) {
			return c, fail("workspace %s does not exist: %v", d.record.Workspace, err)
		}
		if err != nil {
			return c, fmt.Errorf("look into the workspace: %w", err)
		}
		if listing.Missing() > 0 {
			return c, fail("workspace %s claims %d %s and lists %d, so it is unknown what it holds", d.record.Workspace, listing.Total, kind, listing.Unique)
		}
	}
	text, err := d.target.Env(ctx)
	if errors.Is(err, factory.ErrUnsupported) {
		return c, nil
	}
	if err == nil {
		var variables *asset.Variables
		if variables, err = asset.ParseVariables(text); err == nil {
			c.variables = slices.Sorted(slices.Values(variables.Names()))
		}
	}
	if err != nil {
		return c, fmt.Errorf("look at the environment variables of the workspace: %w", err)
	}
	return c, nil
}

// named lists what is there, sorted.
func (c content) named() []string {
	var names []string
	for ref := range c.assets {
		names = append(names, ref.String())
	}
	slices.Sort(names)
	return names
}

func describeVariable(name string) string { return fmt.Sprintf("environment variable %q", name) }

// listed is the beginning of a list, for people.
func listed(names []string) string {
	const most = 10
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// empty checks that the workspace has no asset and no environment variable of a name that the backup has. It returns the names of the variables.
func (d *drill) empty(ctx context.Context, backup *vault.Backup) ([]string, error) {
	report, err := d.report(ctx, d.record)
	if err != nil {
		return nil, err
	}
	if report != nil { // it was begun, and that this is on record was lost
		return nil, fail("restore %q was begun and the drill's own record of it is lost: undo it first", d.record.ID)
	}
	now, err := d.look(ctx)
	if err != nil {
		return nil, err
	}
	if names := now.named(); len(names) > 0 {
		return nil, fail("workspace %s is not empty, so it may be somebody's: it holds %s", d.record.Workspace, listed(names))
	}
	var clash []string
	if len(now.variables) > 0 {
		wanted, err := variablesOf(ctx, backup)
		if err != nil {
			return nil, err
		}
		for _, name := range now.variables {
			if wanted[name] {
				clash = append(clash, describeVariable(name))
			}
		}
	}
	if len(clash) > 0 {
		return nil, fail("workspace %s has what the backup has, too: %s", d.record.Workspace, listed(clash))
	}
	return now.variables, nil
}

// variablesOf are the names of the environment variables in a backup. What cannot be read has none here: the restore says why, and its policy fail looks again.
func variablesOf(ctx context.Context, backup *vault.Backup) (map[string]bool, error) {
	names := map[string]bool{}
	for _, a := range backup.Manifest.Assets {
		if a.Kind != asset.Env {
			continue
		}
		text, err := backup.Definition(ctx, a)
		if slices.ContainsFunc([]error{vault.ErrUnproved, vault.ErrMalformed, vault.ErrNoIdentity, vault.ErrWrongIdentity},
			func(fault error) bool { return errors.Is(err, fault) }) {
			continue
		}
		if err != nil {
			return nil, err
		}
		variables, err := asset.ParseVariables(text)
		if err != nil {
			continue
		}
		for _, name := range variables.Names() {
			names[name] = true
		}
	}
	return names, nil
}

// compare holds the workspace against the backup: every asset is there and equal, by a second plan, and there is nothing else.
func (d *drill) compare(ctx context.Context, restored *restore.Report) error {
	r := d.record
	backup, err := d.opts.Restore.Locations.Find(ctx, r.request())
	if err != nil {
		return err
	}
	plan, err := restore.Run(ctx, restore.Request{ID: r.ID + compareSuffix, Path: r.Backup, Workspace: r.Workspace, DuplicateNamePolicy: restore.Overwrite,
		DryRun: true, Replace: r.Spec.Replace}, d.opts.Restore)
	if err != nil {
		return errors.Join(fmt.Errorf("compare: %w", err), d.note(ctx))
	}
	if plan.Status != restore.Planned {
		return fail("the comparison was refused: %s", plan.Message)
	}
	counts := map[asset.Kind]int{}
	known := map[asset.Ref]bool{}
	var faults []string
	for _, i := range plan.Items {
		counts[i.Kind]++
		known[i.Ref().Identity()] = true
		if i.Action != restore.ActionUnchanged {
			faults = append(faults, fmt.Sprintf("%s is not as in the backup: a second plan says %s %s", describe(i), i.Action, reasonOf(i)))
		}
	}
	for _, kind := range asset.Kinds() {
		if n := backup.Manifest.Counts[kind]; counts[kind] != n {
			faults = append(faults, fmt.Sprintf("the manifest has %d %s, and %d were compared", n, kind, counts[kind]))
		}
	}
	if len(plan.Items) != len(restored.Items) {
		faults = append(faults, fmt.Sprintf("%d assets were restored, and %d compared", len(restored.Items), len(plan.Items)))
	}
	now, err := d.look(ctx)
	if err != nil {
		return err
	}
	for ref := range now.assets {
		if !known[ref] {
			faults = append(faults, fmt.Sprintf("%s is there and not in the backup", ref))
		}
	}
	for ref := range known {
		if ref.Kind != asset.Env && !now.assets[ref] {
			faults = append(faults, fmt.Sprintf("%s is not listed", ref))
		}
	}
	if len(faults) > 0 {
		slices.Sort(faults)
		return fail("%d differences: %s", len(faults), listed(faults))
	}
	r.Counts = counts
	d.leftOut = filesLeftOut(plan)
	return nil
}

// filesLeftOut says which files of resources a drill did not put back.
func filesLeftOut(plan *restore.Report) string {
	skipped := map[string]bool{}
	for _, i := range plan.Items {
		for _, f := range i.Files {
			skipped[f.Location] = skipped[f.Location] || f.Action == restore.ActionSkip
		}
	}
	maps.DeleteFunc(skipped, func(_ string, is bool) bool { return !is })
	if len(skipped) == 0 {
		return ""
	}
	locations := slices.Sorted(maps.Keys(skipped))
	return fmt.Sprintf("%d files of resources were left out, because no replace.obsPath gives them a place of the drill's own: %s", len(locations), listed(locations))
}

func describe(i restore.Item) string {
	if i.Kind == asset.Env {
		return describeVariable(i.Name)
	}
	return i.Ref().String()
}

// reasonOf says why an item is not unchanged: its reason, else the fields that differ, without their values.
func reasonOf(i restore.Item) string {
	if i.Reason != "" || len(i.Changes) == 0 {
		return i.Reason
	}
	var fields []string
	for _, c := range i.Changes {
		fields = append(fields, c.Field)
	}
	return "of " + listed(fields)
}

// cleanUp undoes the restore and checks that the workspace is as it was.
func (d *drill) cleanUp(ctx context.Context) error {
	if err := d.undo(ctx, d.record); err != nil {
		return err
	}
	now, err := d.look(ctx)
	if err != nil {
		return err
	}
	left := now.named()
	for _, name := range now.variables {
		if !slices.Contains(d.record.Variables, name) {
			left = append(left, describeVariable(name))
		}
	}
	var gone []string
	for _, name := range d.record.Variables {
		if !slices.Contains(now.variables, name) {
			gone = append(gone, describeVariable(name))
		}
	}
	if len(left)+len(gone) == 0 {
		return nil
	}
	message := "the workspace is not as it was:"
	if len(left) > 0 {
		message += " it has " + listed(left)
	}
	if len(gone) > 0 {
		message += " it lacks " + listed(gone)
	}
	return &failure{message: message, left: left}
}

// undo takes a drill's restore back. What was cut off is ended first, because only then it is known of every asset whether the restore created it.
func (d *drill) undo(ctx context.Context, r *Record) error {
	report, err := d.report(ctx, r)
	if err != nil || report == nil {
		return err
	}
	if report.Status == restore.Running {
		if report, err = restore.Run(ctx, r.request(), d.opts.Restore); err != nil {
			return fmt.Errorf("end the restore before it is undone: %w", err)
		}
	}
	if report.Status != restore.Undone {
		if report, err = restore.Undo(ctx, r.ID, d.opts.Restore); err != nil {
			return fmt.Errorf("clean up: %w", err)
		}
	}
	if report.Status == restore.Undone {
		return nil
	}
	left := slices.DeleteFunc(strings.Split(report.Message, "\n"), func(line string) bool { return line == "" })
	return &failure{message: "what was restored could not be removed again: " + report.Message, left: left[min(1, max(0, len(left)-1)):]}
}

// removeLeftovers removes what an earlier drill has left in the workspace, because it was cut off and never continued, could not remove it, or was asked to
// keep it.
func (d *drill) removeLeftovers(ctx context.Context) error {
	id, err := d.records.open(ctx, d.record.Workspace)
	if err != nil || id == "" || id == d.record.ID {
		return err
	}
	former, err := d.records.Load(ctx, id)
	if err != nil {
		return err
	}
	if former == nil {
		return nil // it was cut off before it began
	}
	if err := d.undo(ctx, former); err != nil {
		if failed, ok := errors.AsType[*failure](err); ok {
			failed.message = fmt.Sprintf("what drill %s has left in the workspace: %s", id, failed.message)
		}
		return err
	}
	note := "what it had restored was removed by drill " + d.record.ID
	former.Kept, former.Left = false, nil
	if former.Final() {
		former.Message += "; " + note
	} else {
		now := d.opts.now()
		former.Status, former.FinishedAt, former.DurationMS = Failed, &now, now.Sub(former.StartedAt).Milliseconds()
		former.Message = "it was cut off and not continued; " + note
	}
	if err := d.records.write(ctx, d.records.key(former.ID), former); err != nil {
		return err
	}
	return d.settle(ctx, former)
}
