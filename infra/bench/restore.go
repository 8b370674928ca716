package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/bench/process"
	"github.com/dataarts-backup/dataarts-backup/infra/bench/world"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

// bothWaysShare is the part of n that is restored in both ways: one call for each asset takes its time.
const bothWaysShare = 10

// trial is one way to restore a backup, or to plan that.
type trial struct {
	name     string
	contents world.Contents
	request  string
	switches dataarts.Switches
	wipe     bool // the workspace is emptied before
	status   string
	outcome  string // of every item, or the action where nothing is written
}

// restored is a plan of a full workspace, its restore into an empty one, and a part of it restored by imports and by one call for each asset.
func (b *bench) restored(ctx context.Context) (section, error) {
	b.say("row 6: plan and restore")
	full := world.Contents{Jobs: b.n, RealTime: b.n / realTimePart, Scripts: b.n, Resources: max(1, b.n*3/100), Variables: max(1, b.n/50)}
	part := world.Contents{Jobs: b.share(bothWaysShare), RealTime: b.share(bothWaysShare) / realTimePart, Scripts: b.share(bothWaysShare)}
	quick := b.rate * bothWaysShare
	s := section{
		title: "Plan and restore",
		about: fmt.Sprintf("The full workspace planned against itself (everything is unchanged) and restored into the emptied workspace; then %d jobs and %d scripts restored into the emptied\nworkspace by imports, and by a service that has no import. %s a call, %d calls in a second for the full workspace and %d for the part of it. *Assets* is how many of\nthe workspace's assets are what they were before it was emptied.",
			part.Jobs, part.Scripts, b.latency, b.rate, quick),
		head: []string{"what", "DataArts calls", "429", "time", "bound", "time/bound", "largest memory", "CPU", "assets"},
	}
	const request = `{"date":"latest","duplicateNamePolicy":"overwrite"%s}`
	slow := dataarts.Switches{Latency: b.latency, RateLimit: quick, ImportUnsupported: true}
	for _, t := range []trial{
		{"plan, full workspace", full, fmt.Sprintf(request, `,"dryRun":true`), dataarts.Switches{Latency: b.latency, RateLimit: b.rate}, false, "PLANNED", "unchanged"},
		{"restore, full workspace", full, fmt.Sprintf(request, ""), dataarts.Switches{Latency: b.latency, RateLimit: b.rate}, true, "COMPLETE", "created"},
		{"restore, a part, by imports", part, fmt.Sprintf(request, ""), dataarts.Switches{Latency: b.latency, RateLimit: quick}, true, "COMPLETE", "created"},
		{"restore, a part, call by call", part, fmt.Sprintf(request, ""), slow, true, "COMPLETE", "created"},
	} {
		got, err := b.try(ctx, t)
		if err != nil {
			return s, fmt.Errorf("%s: %w", t.name, err)
		}
		rate := t.switches.RateLimit
		times := spreadOf(got, func(s sample) float64 { return s.Wall.Seconds() / s.bound(rate).Seconds() })
		s.rows = append(s.rows, []string{
			t.name, counts(spreadOf(got, func(s sample) int { return s.Calls })), counts(spreadOf(got, func(s sample) int { return s.Throttled })),
			seconds(spreadOf(got, func(s sample) time.Duration { return s.Wall })), seconds(spreadOf(got, func(s sample) time.Duration { return s.bound(rate) })),
			ratios(times, "%.3f"), memories(spreadOf(got, func(s sample) int64 { return s.RSS })),
			seconds(spreadOf(got, func(s sample) time.Duration { return s.CPU })), equal(got),
		})
		s.notes = append(s.notes, problems(t.name, got)...)
	}
	return s, nil
}

// try fills the workspace, backs it up and runs the trial as often as the flags say.
func (b *bench) try(ctx context.Context, t trial) (got []sample, err error) {
	b.world.Reset(dataarts.Switches{})
	if err := b.world.Fill(ctx, t.contents); err != nil {
		return nil, err
	}
	folder := b.world.Folder()
	defer func() { err = errors.Join(err, b.world.Remove(folder)) }()
	taken, err := b.tools.Run(ctx, process.Command{Path: b.programs["backup"], Env: b.world.Environment(folder, noLimit), Input: `{"time":"2026-11-22T00:00:00Z"}`})
	if err == nil && taken.Status != 0 {
		err = errors.New(taken.Errors)
	}
	if err != nil {
		return nil, fmt.Errorf("back up: %w", err)
	}
	before := b.world.Assets()
	for i := range b.runs {
		b.world.Empty(t.wipe, t.switches)
		s, err := b.restoreOnce(ctx, t, folder)
		if err != nil {
			return nil, err
		}
		s.Equal, s.Want = b.world.Equal(before), before.Size()
		if s.problem == "" && !s.Whole() {
			s.problem = fmt.Sprintf("only %d of %d assets are what they were", s.Equal, s.Want)
		}
		b.say("  %s, run %d: %s, CPU %s, %s, %d calls (%d were 429), %d of %d equal %s", t.name, i+1, s.Wall.Round(time.Millisecond), s.CPU.Round(time.Millisecond),
			mebibytes(s.RSS), s.Calls, s.Throttled, s.Equal, s.Want, s.problem)
		got = append(got, s)
	}
	return got, nil
}

func (b *bench) restoreOnce(ctx context.Context, t trial, folder string) (s sample, err error) {
	stop, err := b.world.Watch()
	if err != nil {
		return s, err
	}
	if s.Usage, err = b.tools.Run(ctx, process.Command{Path: b.programs["restore"], Env: b.world.Environment(folder, t.switches.RateLimit), Input: t.request}); err != nil {
		return s, err
	}
	if s.Traffic, err = stop(); err != nil {
		return s, err
	}
	s.problem = t.judge(s.Usage)
	return s, nil
}

// judge says what is wrong with how a run ended.
func (t trial) judge(u process.Usage) string {
	var report struct {
		Status, Message string
		Counts          map[string]int
		Progress        struct{ Total int }
	}
	if err := json.Unmarshal(u.Output, &report); err != nil {
		return fmt.Sprintf("exit status %d, and the answer is no report: %s", u.Status, u.Errors)
	}
	if n := report.Counts[t.outcome]; u.Status != 0 || report.Status != t.status || n == 0 || n != report.Progress.Total {
		return fmt.Sprintf("exit status %d, %s with %d of %d %s: %s", u.Status, report.Status, n, report.Progress.Total, t.outcome, report.Message)
	}
	return ""
}
