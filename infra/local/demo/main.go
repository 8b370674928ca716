// Command demo shows the whole of DataArts Backup on a local cloud: two workspaces are backed up at midnight, an operator edits the backup, the
// workspaces are emptied and restored by HTTP, and what came back is compared with what was there. It needs the bootstraps of `make build`.
//
// It exits with 1, and says what was not as promised, if anything was not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // midnight has to come where the machine knows no time zones, too
)

func main() { os.Exit(run()) }

func run() (code int) {
	var opts options
	flag.StringVar(&opts.dist, "dist", "dist", "folder with <function>/bootstrap, as make build leaves it")
	flag.StringVar(&opts.zone, "zone", "Europe/Berlin", "IANA time zone in which midnight comes")
	flag.BoolVar(&opts.keep, "keep", false, "keep serving when the story is over, until Ctrl-C")
	verbose := flag.Bool("v", false, "show what the functions log, on standard error")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "demo: %q is no option\n", flag.Arg(0))
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	t := newTerminal(os.Stdout)
	opts.logs = io.Writer(os.Stderr)
	if !*verbose {
		file, err := os.CreateTemp("", "dataarts-backup-demo-*.log")
		if err != nil {
			fmt.Fprintf(os.Stderr, "demo: %v\n", err)
			return 1
		}
		opts.logs = file
		where := file.Name()
		defer func() {
			info, err := file.Stat()
			_ = file.Close()
			if code == 0 || err == nil && info.Size() == 0 {
				_ = os.Remove(where)
			} else {
				fmt.Fprintf(os.Stderr, "What the functions logged is in %s\n", where)
			}
		}()
	}
	if err := tell(ctx, t, opts); err != nil {
		t.settle()
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			fmt.Fprintln(os.Stderr, "\ndemo: stopped")
		} else {
			fmt.Fprintf(os.Stderr, "\n%s %v\n", t.paint(red, "Not as promised:"), err)
		}
		return 1
	}
	return 0
}
