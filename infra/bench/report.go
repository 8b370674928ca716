package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// section is what one of -rows brings: what was measured, in words, and a table.
type section struct {
	title string
	about string
	head  []string
	rows  [][]string
	notes []string
}

type report struct {
	machine  []string
	command  string
	sections []section
}

// markdown is the whole page.
func (r *report) markdown() string {
	var out strings.Builder
	out.WriteString("# Benchmarks\n\nWritten by `make bench`. Programs are measured as whole processes, from exec to exit; their memory and processor time are the kernel's\n" +
		"figures. DataArts Factory is the emulator of `infra/local`, the object store is a real S3 server, versitygw, on the same machine and in its own process. After every\n" +
		"run each object is read back and compared with the asset in the service. Programs that are compared take turns; shown are the median and, in brackets, the smallest and\n" +
		"the largest of the runs. *Bound* is how long the calls that were made take at the service's rate, whatever else there is to do.\n\n")
	for _, line := range r.machine {
		out.WriteString("* " + line + "\n")
	}
	out.WriteString("* command: `" + r.command + "`\n")
	for _, s := range r.sections {
		out.WriteString("\n## " + s.title + "\n\n" + s.about + "\n\n")
		out.WriteString("| " + strings.Join(s.head, " | ") + " |\n|" + strings.Repeat("---|", len(s.head)) + "\n")
		for _, row := range s.rows {
			out.WriteString("| " + strings.Join(row, " | ") + " |\n")
		}
		for _, note := range s.notes {
			out.WriteString("\n" + note + "\n")
		}
	}
	return out.String()
}

// command is how to have the same again. Where files go is left out.
func command(args []string) string {
	line := "go run ./infra/bench"
	for i := 0; i < len(args); i++ {
		if name := strings.TrimLeft(args[i], "-"); name == "out" || name == "dir" {
			i++
			continue
		} else if strings.HasPrefix(name, "out=") || strings.HasPrefix(name, "dir=") {
			continue
		}
		line += " " + args[i]
	}
	return line
}

// machine says where and with what this was measured.
func machine(ctx context.Context, root string) []string {
	lines := []string{
		"date: " + time.Now().UTC().Format("2006-01-02"),
		fmt.Sprintf("machine: %d × %s, %s of memory, %s/%s, %s", runtime.NumCPU(), fromFile("/proc/cpuinfo", `(?m)^model name\s*:\s*(.+)$`), memory(),
			runtime.GOOS, runtime.GOARCH, "Linux "+fromFile("/proc/sys/kernel/osrelease", `^([0-9]+\.[0-9]+)`)),
		"versions: " + runtime.Version() + ", versitygw " + fromFile(root+"/tools/go.mod", `github.com/versity/versitygw v(\S+)`),
	}
	if out, err := exec.CommandContext(ctx, "git", "-C", root, "describe", "--tags", "--always", "--dirty").Output(); err == nil {
		lines = append(lines, "source: "+strings.TrimSpace(string(out)))
	}
	return lines
}

func fromFile(path, pattern string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	if found := regexp.MustCompile(pattern).FindSubmatch(text); found != nil {
		return strings.TrimSpace(string(found[1]))
	}
	return "unknown"
}

func memory() string {
	var kib int64
	if _, err := fmt.Sscan(fromFile("/proc/meminfo", `MemTotal:\s*([0-9]+)`), &kib); err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%d GiB", (kib+(1<<19))>>20)
}

// The spellings of figures.

func seconds(s spread[time.Duration]) string {
	return fmt.Sprintf("%.2f s (%.2f–%.2f)", s.median.Seconds(), s.least.Seconds(), s.most.Seconds())
}

func milliseconds(s spread[time.Duration]) string {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return fmt.Sprintf("%.1f ms (%.1f–%.1f)", ms(s.median), ms(s.least), ms(s.most))
}

func mebibytes(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

func memories(s spread[int64]) string {
	return fmt.Sprintf("%s (%.1f–%.1f)", mebibytes(s.median), float64(s.least)/(1<<20), float64(s.most)/(1<<20))
}

func counts(s spread[int]) string {
	if s.least == s.most {
		return fmt.Sprint(s.median)
	}
	return fmt.Sprintf("%d (%d–%d)", s.median, s.least, s.most)
}

func ratios(s spread[float64], format string) string {
	return fmt.Sprintf(format+" ("+format+"–"+format+")", s.median, s.least, s.most)
}

// equal says how much was stored as it is, of the run that stored least.
func equal(samples []sample) string {
	least := samples[0]
	for _, s := range samples {
		if s.Equal < least.Equal {
			least = s
		}
	}
	return fmt.Sprintf("%d of %d", least.Equal, least.Want)
}

// verdict compares a figure with its bar.
func verdict(bar string, held bool) string {
	if held {
		return bar + ": held"
	}
	return bar + ": **missed**"
}

// problems are what was wrong with the runs of a program.
func problems(name string, samples []sample) []string {
	var notes []string
	for i, s := range samples {
		if s.problem != "" {
			notes = append(notes, fmt.Sprintf("%s, run %d, counts for nothing: %s", name, i+1, strings.ReplaceAll(strings.TrimSpace(s.problem), "\n", " ")))
		}
	}
	return notes
}

func failed(samples []sample) bool {
	for _, s := range samples {
		if s.problem != "" {
			return true
		}
	}
	return false
}
