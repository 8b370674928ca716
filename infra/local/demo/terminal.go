package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// colour is an ANSI code.
type colour string

const (
	bold  colour = "1"
	faint colour = "2"
	red   colour = "31"
	green colour = "32"
	cyan  colour = "36"
)

// terminal is where the story is told. On a terminal there are colours and a status line that changes in place; elsewhere there are plain lines.
type terminal struct {
	out      io.Writer
	live     bool
	coloured bool
	steps    int
	began    time.Time
	status   string    // on the line now, or printed last
	printed  time.Time // when a plain status line was printed last
}

func newTerminal(f *os.File) *terminal {
	info, err := f.Stat()
	live := err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" && os.Getenv("TERM") != ""
	return &terminal{out: f, live: live, coloured: live && os.Getenv("NO_COLOR") == ""}
}

func (t *terminal) paint(c colour, text string) string {
	if !t.coloured {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// print writes text as it is. A terminal that is gone is no reason to fail.
func (t *terminal) print(text string) { _, _ = io.WriteString(t.out, text) }

// heading begins a step.
func (t *terminal) heading(text string) {
	t.steps++
	t.began = time.Now()
	t.printed = t.began // a step that is soon over needs no plain progress
	t.print("\n" + t.paint(bold, fmt.Sprintf("%d  %s", t.steps, text)) + "\n")
}

// line prints one line of a step.
func (t *terminal) line(format string, args ...any) {
	t.settle()
	t.print(strings.TrimRight("   "+fmt.Sprintf(format, args...), " ") + "\n")
}

// done ends a step with what was achieved, and how long it took.
func (t *terminal) done(format string, args ...any) {
	t.line("%s %s %s", t.paint(green, "✓"), fmt.Sprintf(format, args...), t.paint(faint, "("+seconds(time.Since(t.began))+")"))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// progress shows how far something is: a line that changes on a terminal, a line every other second elsewhere.
func (t *terminal) progress(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	switch {
	case text == t.status:
	case t.live:
		t.status = text
		t.print("\r\x1b[K   " + t.paint(cyan, text))
	case time.Since(t.printed) > 2*time.Second:
		t.status, t.printed = text, time.Now()
		t.print("   " + text + "\n")
	}
}

// settle takes the status line away.
func (t *terminal) settle() {
	if t.live && t.status != "" {
		t.print("\r\x1b[K")
	}
	t.status = ""
}

// table prints rows in columns, the first row as their heads. Numbers are aligned to the right; the first column to the left.
func (t *terminal) table(rows [][]string) {
	t.settle()
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 3, ' ', tabwriter.AlignRight)
	width := 0
	for _, row := range rows {
		width = max(width, len([]rune(row[0])))
	}
	for _, row := range rows {
		first := row[0] + strings.Repeat(" ", width-len([]rune(row[0])))
		_, _ = fmt.Fprintln(w, strings.Join(append([]string{first}, row[1:]...), "\t")+"\t")
	}
	_ = w.Flush() // into memory
	for i, line := range strings.Split(strings.TrimRight(text.String(), "\n"), "\n") {
		line = strings.TrimPrefix(strings.TrimRight(line, " "), "   ")
		if i == 0 {
			line = t.paint(faint, line)
		}
		t.print("   " + line + "\n")
	}
}
