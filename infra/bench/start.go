package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/bench/process"
)

// starts is how often each program is started.
const starts = 31

// start is how long the functions take from exec to their first request for an event, against a program that does nothing, and how large their
// packages are.
func (b *bench) start(ctx context.Context) (section, error) {
	b.say("row 5: start")
	s := section{
		title: "Start",
		about: fmt.Sprintf("From exec to the first request for an event of FunctionGraph's runtime API; for the empty program, from exec to exit. %d starts of each, in turns. The size is that of\nthe package with the binary in it.", starts),
		head:  []string{"program", "time", "more than the empty program", "package", "bars"},
	}
	names := []string{"empty", "backup", "restore", "console"}
	times := map[string][]time.Duration{}
	for range starts {
		for _, name := range names {
			took, err := b.startOnce(ctx, name)
			if err != nil {
				return s, fmt.Errorf("start %s: %w", name, err)
			}
			times[name] = append(times[name], took)
		}
	}
	base := spreadOver(times["empty"]).median
	for _, name := range names {
		took := spreadOver(times[name])
		if name == "empty" {
			s.rows = append(s.rows, []string{name, milliseconds(took), "–", "–", "–"})
			continue
		}
		size, err := b.packed(ctx, name)
		if err != nil {
			return s, err
		}
		more := took.median - base
		s.rows = append(s.rows, []string{name, milliseconds(took), fmt.Sprintf("%.1f ms", float64(more.Microseconds())/1000), fmt.Sprintf("%.1f MB", float64(size)/1e6),
			verdict("15 ms", more <= 15*time.Millisecond) + "<br>" + verdict("12 MB", size <= 12e6)})
	}
	return s, nil
}

func (b *bench) startOnce(ctx context.Context, name string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if name == "empty" {
		return b.tools.Until(ctx, process.Command{Path: b.programs[name]}, nil)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	polled := make(chan time.Time, 1)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request) {
		select {
		case polled <- time.Now():
		default:
		}
		panic(http.ErrAbortHandler) // there is no event
	})}
	go func() { _ = server.Serve(listener) }() // it ends with Close
	defer func() { _ = server.Close() }()      // nothing is left to be lost
	command := process.Command{Path: b.programs[name], Env: []string{"RUNTIME_API_ADDR=" + listener.Addr().String()}}
	return b.tools.Until(ctx, command, polled)
}

// packed is the size of a function's package, made as a release is made.
func (b *bench) packed(ctx context.Context, name string) (int64, error) {
	archive := b.programs[name] + ".zip"
	usage, err := b.tools.Run(ctx, process.Command{Path: b.programs["zip"], Args: []string{b.programs[name], archive}})
	if err != nil {
		return 0, err
	}
	if usage.Status != 0 {
		return 0, fmt.Errorf("pack %s: %s", name, usage.Errors)
	}
	info, err := os.Stat(archive)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
