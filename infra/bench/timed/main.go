// Command timed runs a program and writes what it cost, as one line of JSON, to file descriptor 3.
//
// It is a process of its own because Linux reports as a child's largest memory at least that of the process that started it: this one is small.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "timed:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("no program was named")
	}
	command := exec.Command(args[0], args[1:]...) //nolint:gosec // what it is for
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	start := time.Now()
	err := command.Run()
	wall := time.Since(start)
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		return err
	}
	usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return errors.New("the system does not tell what a process used")
	}
	report := os.NewFile(3, "report")
	if report == nil {
		return errors.New("file descriptor 3 is not open")
	}
	return json.NewEncoder(report).Encode(map[string]int64{
		"startedNs": start.UnixNano(), "wallNs": wall.Nanoseconds(),
		"cpuNs":  (command.ProcessState.UserTime() + command.ProcessState.SystemTime()).Nanoseconds(),
		"rss":    usage.Maxrss * 1024, // Linux counts in kilobytes
		"status": int64(command.ProcessState.ExitCode()),
	})
}
