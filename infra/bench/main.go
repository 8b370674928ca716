// Command bench measures the functions as whole processes against an emulated DataArts Factory and a real S3 server, and writes
// docs/benchmarks.md.
//
// A figure is worth something only beside another one, so programs that are compared take turns in one run, each is run several times, and the
// median is shown with the smallest and the largest. After every run each object is read back and compared with the asset in the service: a run
// that stored less than everything has no time.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/bench/process"
	"github.com/dataarts-backup/dataarts-backup/infra/bench/world"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	rows    []int
	n       int
	runs    int
	rate    int
	latency time.Duration
	out     string
	dir     string
}

// fullSize is the n that the bars of calls and memory are made for.
const fullSize = 10_000

// Part of what a row is made of, for each job of the full workspace.
const (
	largeShare   = 50 // large scripts
	smallShare   = 5  // assets of the rows that fetch one by one
	largeScript  = 4 << 20
	realTimePart = 20 // of jobs
)

func parse(args []string, problems io.Writer) (options, error) {
	var o options
	var rows string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(problems)
	flags.StringVar(&rows, "rows", "1,2,3,4,5,6", "what to measure: 1 full workspace, 2 large scripts, 3 against the floor, 4 against rclone, 5 start, 6 plan and restore")
	flags.IntVar(&o.n, "n", fullSize, "jobs of the full workspace, and as many scripts; the other rows have a share of it")
	flags.IntVar(&o.runs, "runs", 3, "how often each program is run")
	flags.IntVar(&o.rate, "rate", 30, "requests per second that DataArts serves in rows 1 and 6")
	flags.DurationVar(&o.latency, "latency", 50*time.Millisecond, "how long a call of DataArts takes")
	flags.StringVar(&o.out, "out", "", "file for the report; - for none; empty means docs/benchmarks.md for all rows, and none for some of them")
	flags.StringVar(&o.dir, "dir", "", "directory for the objects; empty means one in memory where there is room, else on the disk for temporary files")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.n < 1 || o.runs < 1 || o.rate < 1 {
		return o, errors.New("-n, -runs and -rate must be positive")
	}
	for text := range strings.SplitSeq(rows, ",") {
		row, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || row < 1 || row > 6 {
			return o, fmt.Errorf("-rows: %q is not in 1 to 6", text)
		}
		o.rows = append(o.rows, row)
	}
	if o.out == "" {
		o.out = "-" // a report of some rows would take the place of that of all
		if slices.Equal(o.rows, []int{1, 2, 3, 4, 5, 6}) {
			o.out = "docs/benchmarks.md"
		}
	}
	return o, nil
}

// bench is one run of the benchmarks.
type bench struct {
	options
	tools    *process.Tools
	world    *world.World
	root     string
	programs map[string]string // paths of what was built, by name
	progress io.Writer
}

func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	o, err := parse(args, progress)
	if err != nil {
		return err
	}
	root, err := process.Root(ctx)
	if err != nil {
		return err
	}
	programs, err := os.MkdirTemp("", "bench-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(programs)) }()
	objects, where, err := objectsDirectory(o.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(objects)) }()
	b := &bench{options: o, root: root, progress: progress, programs: map[string]string{}}
	if err := b.build(ctx, programs); err != nil {
		return err
	}
	if slices.ContainsFunc(o.rows, func(row int) bool { return row != 5 }) {
		if b.world, err = world.New(ctx, root, objects); err != nil {
			return err
		}
		defer b.world.Close()
	}
	report := &report{machine: append(machine(ctx, root), "objects: "+where), command: command(args)}
	for _, row := range o.rows {
		section, err := map[int]func(context.Context) (section, error){1: b.full, 2: b.large, 3: b.single, 4: b.peers, 5: b.start, 6: b.restored}[row](ctx)
		if err != nil {
			return fmt.Errorf("row %d: %w", row, err)
		}
		report.sections = append(report.sections, section)
	}
	text := report.markdown()
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	if o.out == "-" {
		return nil
	}
	path := o.out
	if !filepath.IsAbs(path) {
		path = filepath.Join(root, path)
	}
	return os.WriteFile(path, []byte(text), 0o644) //nolint:gosec // a page of the documentation
}

// objectsDirectory makes the directory for the objects of the store, and says what it is on. A disk is slower than a service whose rate is limited, and
// then every figure tells of the disk.
func objectsDirectory(parent string) (path, where string, err error) {
	const memory, room = "/dev/shm", 4 << 30
	var fs syscall.Statfs_t
	if parent == "" && syscall.Statfs(memory, &fs) == nil && fs.Type == tmpfs && fs.Bavail*uint64(fs.Bsize) >= room { //nolint:gosec // sizes are positive
		if path, err := os.MkdirTemp(memory, "bench-*"); err == nil {
			return path, "in memory (tmpfs)", nil
		}
	}
	if path, err = os.MkdirTemp(parent, "bench-*"); err != nil {
		return "", "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", "", err
	}
	where = "on disk"
	if syscall.Statfs(path, &fs) == nil && fs.Type == tmpfs {
		where = "in memory (tmpfs)"
	}
	return path, where, nil
}

// tmpfs is what statfs calls a file system in memory.
const tmpfs = 0x01021994

// build builds the programs that the rows run.
func (b *bench) build(ctx context.Context, dir string) (err error) {
	if b.tools, err = process.NewTools(ctx, b.root, dir); err != nil {
		return err
	}
	want := map[string]string{"backup": "./functions/backup"}
	for _, row := range b.rows {
		switch row {
		case 1, 3:
			want["floor"] = "./infra/bench/floor"
		case 5:
			want["restore"], want["console"], want["empty"] = "./functions/restore", "./functions/console", "./infra/bench/empty"
			want["zip"] = "./infra/zip"
		case 6:
			want["restore"] = "./functions/restore"
		}
	}
	for name, pkg := range want {
		b.say("build %s", pkg)
		if b.programs[name], err = b.tools.Build(ctx, pkg, name); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.progress, format+"\n", args...) // progress is for whoever watches
}

// share is a part of n, at least 1.
func (b *bench) share(part int) int { return max(1, b.n/part) }
