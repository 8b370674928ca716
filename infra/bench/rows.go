package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/bench/process"
	"github.com/dataarts-backup/dataarts-backup/infra/bench/world"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

// noLimit is a rate that nothing here reaches.
const noLimit = 100_000

// bar is a verdict at full size, and none otherwise: of fewer assets it would say nothing.
func (b *bench) bar(text string, held bool) string {
	if b.n != fullSize {
		return "–"
	}
	return verdict(text, held)
}

// full is a whole workspace through a service that limits the rate, with pages of 100 and of 1000.
func (b *bench) full(ctx context.Context) (section, error) {
	contents := world.Contents{Jobs: b.n, RealTime: b.n / realTimePart, Scripts: b.n, Resources: max(1, b.n*3/100), Variables: max(1, b.n/50)}
	s := section{
		title: "A full workspace",
		about: fmt.Sprintf("%d jobs (%d of them real-time), %d scripts, %d resources with a file each, %d environment variables, about 3 KB each. DataArts takes %s for a call and serves\n%d in a second; `DATAARTS_RATE_LIMIT=%d`.",
			contents.Jobs, contents.RealTime, contents.Scripts, contents.Resources, contents.Variables, b.latency, b.rate, b.rate),
		head: []string{"pages of", "DataArts calls", "429", "time", "bound", "time/bound", "efficiency", "largest memory", "CPU", "store requests", "stored and equal", "bars"},
	}
	for _, pages := range []struct{ size, calls int }{{100, 650}, {1000, 450}} {
		b.say("row 1: a full workspace, pages of %d", pages.size)
		switches := dataarts.Switches{Latency: b.latency, RateLimit: b.rate}
		if pages.size != 100 {
			switches.MaxLimit = pages.size
		}
		b.world.Reset(switches)
		if err := b.world.Fill(ctx, contents); err != nil {
			return s, err
		}
		name := fmt.Sprintf("pages of %d", pages.size)
		taken, err := b.take(ctx, b.backup(name, b.rate))
		if err != nil {
			return s, err
		}
		got := taken[0]
		calls := spreadOf(got, func(s sample) int { return s.Calls + s.Throttled })
		refused := spreadOf(got, func(s sample) float64 { return 100 * float64(s.Throttled) / float64(max(1, s.Calls+s.Throttled)) })
		times := spreadOf(got, func(s sample) float64 { return s.Wall.Seconds() / s.bound(b.rate).Seconds() })
		memory := spreadOf(got, func(s sample) int64 { return s.RSS })
		s.rows = append(s.rows, []string{
			fmt.Sprint(pages.size), counts(calls), ratios(refused, "%.2f %%"), seconds(spreadOf(got, func(s sample) time.Duration { return s.Wall })),
			seconds(spreadOf(got, func(s sample) time.Duration { return s.bound(b.rate) })), ratios(times, "%.3f"), fmt.Sprintf("%.0f %%", 100/times.median), memories(memory),
			seconds(spreadOf(got, func(s sample) time.Duration { return s.CPU })), counts(spreadOf(got, func(s sample) int { return s.StoreRequests() })), equal(got),
			strings.Join([]string{b.bar(fmt.Sprintf("%d calls", pages.calls), calls.median <= pages.calls), b.bar("1.10 × bound", times.median <= 1.10),
				b.bar("1 % 429", refused.median <= 1), b.bar("96 MiB", memory.median <= 96<<20)}, "<br>"),
		})
		s.notes = append(s.notes, problems(name, got)...)
	}
	alone, err := b.storeAlone(ctx, contents.Size())
	if err != nil {
		return s, err
	}
	s.notes = append(s.notes, fmt.Sprintf("The store alone takes %s for as many objects of that size, put by a program that does nothing else, 64 at once: where that is near the bound or above it, the\ntime tells of the store and of this machine.", seconds(alone)))
	return s, nil
}

// storeAlone is how long the store takes for n objects.
func (b *bench) storeAlone(ctx context.Context, n int) (spread[time.Duration], error) {
	var times []time.Duration
	for i := range b.runs {
		folder := b.world.Folder()
		usage, err := b.tools.Run(ctx, process.Command{Path: b.programs["floor"], Env: append(b.world.Environment(folder, noLimit),
			"FLOOR_CONCURRENCY=1", "FLOOR_WRITERS=64", fmt.Sprintf("FLOOR_PUTS=%d", n))})
		if err == nil && usage.Status != 0 {
			err = errors.New(usage.Errors)
		}
		if err = errors.Join(err, b.world.Remove(folder)); err != nil {
			return spread[time.Duration]{}, fmt.Errorf("the store alone: %w", err)
		}
		b.say("  the store alone, run %d: %s for %d objects", i+1, usage.Wall.Round(time.Millisecond), n)
		times = append(times, usage.Wall)
	}
	return spreadOver(times), nil
}

// large is a few scripts of the largest size that there is.
func (b *bench) large(ctx context.Context) (section, error) {
	contents := world.Contents{Scripts: b.share(largeShare), ScriptBytes: largeScript - 4096}
	s := section{
		title: "Large scripts",
		about: fmt.Sprintf("%d scripts of 4 MB, which the service sends in its lists, %s a call, no limit of rates.", contents.Scripts, b.latency),
		head:  []string{"DataArts calls", "time", "largest memory", "CPU", "stored and equal", "bar"},
	}
	b.say("row 2: large scripts")
	b.world.Reset(dataarts.Switches{Latency: b.latency})
	if err := b.world.Fill(ctx, contents); err != nil {
		return s, err
	}
	taken, err := b.take(ctx, b.backup("large scripts", noLimit))
	if err != nil {
		return s, err
	}
	got := taken[0]
	memory := spreadOf(got, func(s sample) int64 { return s.RSS })
	s.rows = [][]string{{
		counts(spreadOf(got, func(s sample) int { return s.Calls })), seconds(spreadOf(got, func(s sample) time.Duration { return s.Wall })), memories(memory),
		seconds(spreadOf(got, func(s sample) time.Duration { return s.CPU })), equal(got), b.bar("complete within 512 MiB", !failed(got) && memory.most <= 512<<20),
	}}
	s.notes = problems("large scripts", got)
	return s, nil
}

// oneByOne fills the workspace for the rows that fetch every asset by itself.
func (b *bench) oneByOne(ctx context.Context) (assets int, err error) {
	assets = max(2, b.share(smallShare))
	b.world.Reset(dataarts.Switches{Latency: b.latency, ExportUnsupported: true, ListOmits: []string{"content"}})
	jobs := assets / 2
	return assets, b.world.Fill(ctx, world.Contents{Jobs: jobs, RealTime: jobs / realTimePart, Scripts: assets - jobs})
}

// single is the backup function against the least that a program can do, where every asset needs a call of its own.
func (b *bench) single(ctx context.Context) (section, error) {
	const concurrency = 16
	b.say("row 3: one call for each asset, against the floor")
	assets, err := b.oneByOne(ctx)
	s := section{
		title: "One call for each asset",
		about: fmt.Sprintf("%d jobs and scripts of about 3 KB; exports are not supported and lists have no content, so that each asset is fetched by itself. %s a call, no limit of\nrates, %d calls at once. The floor (`infra/bench/floor`) is the same by hand: list, get, hash, put, manifest, and nothing else: it lists once, page after page, retries nothing\nand verifies nothing.", assets, b.latency, concurrency),
		head:  []string{"program", "DataArts calls", "store requests", "time", "of the first floor", "of the second", "largest memory", "CPU", "stored and equal", "bar"},
	}
	if err != nil {
		return s, err
	}
	floor := func(name string, writers int) program {
		return program{name: name, run: func(_ context.Context, folder string) (process.Command, error) {
			return process.Command{Path: b.programs["floor"], Env: append(b.world.Environment(folder, noLimit), fmt.Sprintf("FLOOR_CONCURRENCY=%d", concurrency),
				fmt.Sprintf("FLOOR_WRITERS=%d", writers))}, nil
		}}
	}
	programs := []program{floor("floor, a put after each get", 0), floor("floor, puts beside the gets", 4*concurrency), b.backup("backup", noLimit)}
	taken, err := b.take(ctx, programs...)
	if err != nil {
		return s, err
	}
	wall := func(i int) spread[time.Duration] {
		return spreadOf(taken[i], func(s sample) time.Duration { return s.Wall })
	}
	for i, p := range programs {
		got := taken[i]
		ratio := func(floor int) float64 { return wall(i).median.Seconds() / wall(floor).median.Seconds() }
		bar := "–"
		if i == 2 {
			bar = b.bar("1.05 × either floor", !failed(got) && max(ratio(0), ratio(1)) <= 1.05)
		}
		s.rows = append(s.rows, []string{p.name, counts(spreadOf(got, func(s sample) int { return s.Calls })), counts(spreadOf(got, func(s sample) int { return s.StoreRequests() })),
			seconds(wall(i)), fmt.Sprintf("%.3f", ratio(0)), fmt.Sprintf("%.3f", ratio(1)), memories(spreadOf(got, func(s sample) int64 { return s.RSS })),
			seconds(spreadOf(got, func(s sample) time.Duration { return s.CPU })), equal(got), bar})
		s.notes = append(s.notes, problems(p.name, got)...)
	}
	return s, nil
}

// peers is the same set of assets as files on a web server, copied by rclone.
func (b *bench) peers(ctx context.Context) (section, error) {
	b.say("row 4: against rclone")
	assets, err := b.oneByOne(ctx)
	s := section{
		title: "Against rclone",
		about: fmt.Sprintf("The same %d assets. rclone copies them from a web server that shows each as a file, a hundred in a directory, and takes %s for every request like a call of\nDataArts; it is given nothing of signatures, types of lists, changes meanwhile, or a manifest to do.", assets, b.latency),
		head:  []string{"program", "requests to the source", "store requests", "time", "largest memory", "CPU", "stored and equal"},
	}
	if err != nil {
		return s, err
	}
	programs := []program{b.backup("backup, 16 calls at once", noLimit)}
	path, err := exec.LookPath("rclone")
	switch {
	case errors.Is(err, exec.ErrNotFound):
		s.notes = append(s.notes, "rclone is not installed here.")
	case err != nil:
		return s, err
	default:
		source, err := b.world.Index(b.latency)
		if err != nil {
			return s, err
		}
		if out, err := exec.CommandContext(ctx, path, "version").Output(); err == nil {
			version, _, _ := strings.Cut(string(out), "\n")
			s.notes = append(s.notes, "Version: "+version+".")
		}
		best := []string{"--http-no-head", "--s3-no-head", "--s3-no-check-bucket", "--no-traverse", "--no-check-dest"}
		programs = append(programs, b.rclone("rclone, default settings", path, source),
			b.rclone("rclone, 16 transfers, best settings", path, source, append([]string{"--transfers=16", "--checkers=16"}, best...)...),
			b.rclone("rclone, 64 transfers, best settings", path, source, append([]string{"--transfers=64", "--checkers=64"}, best...)...))
		s.notes = append(s.notes, "Best settings: `"+strings.Join(best, " ")+"`, and as many `--checkers` as `--transfers`.")
	}
	taken, err := b.take(ctx, programs...)
	if err != nil {
		return s, err
	}
	for i, p := range programs {
		got := taken[i]
		s.rows = append(s.rows, []string{p.name, counts(spreadOf(got, func(s sample) int { return s.Calls })), counts(spreadOf(got, func(s sample) int { return s.StoreRequests() })),
			seconds(spreadOf(got, func(s sample) time.Duration { return s.Wall })), memories(spreadOf(got, func(s sample) int64 { return s.RSS })),
			seconds(spreadOf(got, func(s sample) time.Duration { return s.CPU })), equal(got)})
		s.notes = append(s.notes, problems(p.name, got)...)
	}
	return s, nil
}

// rclone copies everything that a web server shows into a folder.
func (b *bench) rclone(name, path, source string, flags ...string) program {
	return program{name: name, run: func(_ context.Context, folder string) (process.Command, error) {
		return process.Command{Path: path, Args: append([]string{"copy", "--config=/dev/null", ":http:", ":s3:" + world.Bucket + "/" + folder}, flags...), Env: []string{
			"RCLONE_HTTP_URL=" + source, "RCLONE_S3_PROVIDER=Other", "RCLONE_S3_ENDPOINT=" + b.world.StoreURL, "RCLONE_S3_ACCESS_KEY_ID=" + world.AccessKey,
			"RCLONE_S3_SECRET_ACCESS_KEY=" + world.SecretKey, "RCLONE_S3_REGION=" + world.Region, "RCLONE_S3_FORCE_PATH_STYLE=true",
		}}, nil
	}}
}
