package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/bench/process"
	"github.com/dataarts-backup/dataarts-backup/infra/bench/world"
)

// sample is one run of a program.
type sample struct {
	process.Usage
	world.Traffic
	world.Stored
	problem string // why it counts for nothing
}

// bound is how long the calls take at a rate, whatever else there is to do.
func (s sample) bound(rate int) time.Duration {
	return time.Duration(s.Calls) * time.Second / time.Duration(rate)
}

// program is one of those that take turns in a row.
type program struct {
	name  string
	run   func(ctx context.Context, folder string) (process.Command, error)
	judge func(process.Usage) string // empty: it says that it worked
}

// backup is the backup function in a folder of its own.
func (b *bench) backup(name string, rate int) program {
	return program{name: name, run: func(_ context.Context, folder string) (process.Command, error) {
		return process.Command{Path: b.programs["backup"], Env: b.world.Environment(folder, rate), Input: `{"time":"2026-11-22T00:00:00Z"}`}, nil
	}, judge: func(u process.Usage) string {
		var answer struct{ Status string }
		if err := json.Unmarshal(u.Output, &answer); err != nil || answer.Status != "COMPLETE" {
			return fmt.Sprintf("it says %q: %.300s", answer.Status, u.Output)
		}
		return ""
	}}
}

// take runs each program in turn, as often as the flags say, and returns the samples of each.
func (b *bench) take(ctx context.Context, programs ...program) ([][]sample, error) {
	samples := make([][]sample, len(programs))
	for i := range b.runs {
		order := make([]int, len(programs))
		for j := range order {
			order[j] = j
		}
		if i%2 == 1 {
			slices.Reverse(order) // so that nobody is always the first
		}
		for _, j := range order {
			s, err := b.once(ctx, programs[j])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", programs[j].name, err)
			}
			b.say("  %s, run %d: %s, CPU %s, %s, %d calls (%d were 429), %d store requests, %d of %d equal %s", programs[j].name, i+1, s.Wall.Round(time.Millisecond),
				s.CPU.Round(time.Millisecond), mebibytes(s.RSS), s.Calls, s.Throttled, s.StoreRequests(), s.Equal, s.Want, s.problem)
			samples[j] = append(samples[j], s)
		}
	}
	return samples, nil
}

func (b *bench) once(ctx context.Context, p program) (s sample, err error) {
	folder := b.world.Folder()
	defer func() { err = errors.Join(err, b.world.Remove(folder)) }()
	command, err := p.run(ctx, folder)
	if err != nil {
		return s, err
	}
	stop, err := b.world.Watch()
	if err != nil {
		return s, err
	}
	if s.Usage, err = b.tools.Run(ctx, command); err != nil {
		return s, err
	}
	if s.Traffic, err = stop(); err != nil {
		return s, err
	}
	if s.Stored, err = b.world.Check(ctx, folder); err != nil {
		return s, err
	}
	switch {
	case s.Status != 0:
		s.problem = fmt.Sprintf("exit status %d: %s", s.Status, s.Errors)
	case p.judge != nil && p.judge(s.Usage) != "":
		s.problem = p.judge(s.Usage)
	case !s.Whole():
		s.problem = fmt.Sprintf("only %d of %d are stored and equal", s.Equal, s.Want)
	}
	return s, nil
}

// spread is the median of some figures, and how far they lie apart.
type spread[T cmp.Ordered] struct{ median, least, most T }

func spreadOf[T cmp.Ordered](samples []sample, figure func(sample) T) spread[T] {
	figures := make([]T, len(samples))
	for i, s := range samples {
		figures[i] = figure(s)
	}
	return spreadOver(figures)
}

func spreadOver[T cmp.Ordered](figures []T) spread[T] {
	sorted := slices.Sorted(slices.Values(figures))
	return spread[T]{sorted[(len(sorted)-1)/2], sorted[0], sorted[len(sorted)-1]}
}
