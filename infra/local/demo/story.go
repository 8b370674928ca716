package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
)

// options of the demo.
type options struct {
	dist, zone string
	keep       bool
	logs       io.Writer
}

// The workspaces of the story.
const (
	warehouse = local.WorkspaceID
	oddities  = "0dd3000000000000000000000000bbbb"
)

// story is what is told, and what is known so far.
type story struct {
	t     *terminal
	opts  options
	zone  *time.Location
	cloud *local.Cloud

	places []*place
	date   string // of the backup
}

// place is a workspace of the story.
type place struct {
	id, name string
	w        *dataarts.WorkspaceHandle
	before   local.Snapshot // as it was backed up
	expected local.Snapshot // as it has to come back: with the operator's edits
	report   report
}

// folder is where the place's backup lies in the bucket.
func (s *story) folder(p *place) string { return p.id + "/" + s.date + "/" }

// tell tells the story. An error says what was not as promised.
func tell(ctx context.Context, t *terminal, opts options) error {
	zone, err := time.LoadLocation(opts.zone)
	if err != nil {
		return fmt.Errorf("-zone %s: %w", opts.zone, err)
	}
	began := time.Now()
	s := &story{t: t, opts: opts, zone: zone}
	t.print(t.paint(bold, "DataArts Backup on a local cloud") + "\n")
	if err := s.start(ctx); err != nil {
		return err
	}
	defer s.cloud.Close()
	for _, step := range []func(context.Context) error{s.fill, s.midnight, s.edit, s.wipe, s.restore, s.prove} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	t.print(fmt.Sprintf("\n%s %s\n", t.paint(green, "Everything came back."), t.paint(faint, "The whole story took "+seconds(time.Since(began))+".")))
	if opts.keep {
		return s.serve(ctx)
	}
	s.next()
	return nil
}

// start starts the cloud.
func (s *story) start(ctx context.Context) error {
	s.t.heading("A cloud on this machine")
	cloud, err := local.Start(ctx, local.Options{
		Dist: s.opts.dist, Logs: s.opts.logs,
		Workspaces: []dataarts.Workspace{{ID: warehouse, Name: "warehouse", IsDefault: true}, {ID: oddities, Name: "oddities"}},
		Variables:  map[string]string{"BACKUP_TIME_ZONE": s.opts.zone},
	})
	if err != nil {
		return err
	}
	s.cloud = cloud
	s.t.line("DataArts Factory  %s, every request's AK/SK signature is checked", cloud.DataArtsURL)
	s.t.line("OBS               %s, a server that speaks S3, and checks signatures, too", cloud.StoreURL)
	s.t.line("FunctionGraph     runs %s/*/bootstrap: backup, restore, console", filepath.Clean(s.opts.dist))
	s.t.line("API gateway       %s", cloud.GatewayURL)
	for _, p := range []*place{{id: warehouse, name: "warehouse"}, {id: oddities, name: "oddities"}} {
		p.w = cloud.Workspace(p.id)
		s.places = append(s.places, p)
	}
	return nil
}

// fill fills the workspaces.
func (s *story) fill(context.Context) error {
	s.t.heading("Two workspaces with work in them")
	w, odd := s.places[0].w, s.places[1].w
	if err := errors.Join(sample.Fill(w, sample.Options{Jobs: 32, Scripts: 20, Resources: 8}), sample.Hard(odd), sample.Cycle(odd)); err != nil {
		return err
	}
	for _, p := range s.places {
		if _, err := s.cloud.UploadFiles(p.w); err != nil {
			return err
		}
		p.before = local.TakeSnapshot(p.w)
	}
	rows := [][]string{{"workspace", "variables", "resources", "scripts", "jobs"}}
	for _, p := range s.places {
		rows = append(rows, append([]string{p.name}, numbers(p.w)...))
	}
	s.t.table(rows)
	s.t.line("warehouse looks like a data team's; oddities holds what a backup could get wrong: unknown")
	s.t.line("fields, 20-digit numbers, names that differ in case only, a script of 4 MB, a cycle of jobs.")
	return nil
}

// numbers are how many assets of each kind a workspace has.
func numbers(w *dataarts.WorkspaceHandle) []string {
	var row []string
	for _, n := range countAssets(w) {
		row = append(row, fmt.Sprint(n))
	}
	return row
}

// countAssets counts variables, resources, scripts and jobs.
func countAssets(w *dataarts.WorkspaceHandle) []int {
	return []int{len(variables(w)), len(w.All(dataarts.Resources)), len(w.All(dataarts.Scripts)), len(w.All(dataarts.Jobs))}
}

// wipe empties the workspaces.
func (s *story) wipe(context.Context) error {
	s.t.heading("Somebody empties both workspaces")
	rows := [][]string{{"workspace", "variables", "resources", "scripts", "jobs"}}
	for _, p := range s.places {
		p.w.Wipe()
		if slices.Max(countAssets(p.w)) > 0 {
			return fmt.Errorf("workspace %s is not empty", p.name)
		}
		rows = append(rows, append([]string{p.name}, numbers(p.w)...))
	}
	s.t.table(rows)
	return nil
}
