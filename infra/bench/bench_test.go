package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRun_measures_every_row_at_its_smallest(t *testing.T) {
	t.Parallel()
	var out, progress bytes.Buffer
	path := filepath.Join(t.TempDir(), "benchmarks.md")
	if err := run(t.Context(), []string{"-n", "8", "-runs", "2", "-latency", "1ms", "-rate", "1000", "-out", path}, &out, &progress); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	written, err := os.ReadFile(path)
	if err != nil || string(written) != out.String() {
		t.Errorf("what was written is not what was shown: %v", err)
	}
	text := out.String()
	for _, want := range []string{
		"command: `go run ./infra/bench -n 8 -runs 2 -latency 1ms -rate 1000`\n", "\n| 100 | ", "\n| 1000 | ", " | 19 of 19 | ", // jobs, scripts, a resource and its file, the variables
		"\n| floor, a put after each get | ", "\n| backup | ", "\n| backup, 16 calls at once | ", "\n| empty | ", "\n| console | ", "12 MB: held",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if strings.Contains(text, "counts for nothing") {
		t.Errorf("a run failed")
	}
	if t.Failed() {
		t.Log(text, progress.String())
	}
}

func TestParse_refuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-rows", "0"}, {"-rows", "7"}, {"-rows", ""}, {"-rows", "x"}, {"-n", "0"}, {"-runs", "0"}, {"-rate", "0"}, {"more"}, {"-other"}} {
		if _, err := parse(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}

func TestParse_writes_the_page_of_the_documentation_with_every_row_only(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "docs/benchmarks.md"}, {[]string{"-runs", "1"}, "docs/benchmarks.md"}, {[]string{"-rows", "6"}, "-"}, {[]string{"-rows", "6", "-out", "x.md"}, "x.md"}, {[]string{"-out", "-"}, "-"},
	} {
		if o, err := parse(c.args, &bytes.Buffer{}); err != nil || o.out != c.want {
			t.Errorf("%q: %q, want %q, %v", c.args, o.out, c.want, err)
		}
	}
}

func TestCommand_leaves_out_where_files_go(t *testing.T) {
	t.Parallel()
	if got := command([]string{"-rows", "1", "-out", "a.md", "--dir=/b", "-n=3"}); got != "go run ./infra/bench -rows 1 -n=3" {
		t.Errorf("%s", got)
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	if got := spreadOver([]time.Duration{3, 1, 2}); got != (spread[time.Duration]{2, 1, 3}) {
		t.Errorf("%v", got)
	}
	if got := spreadOver([]int{4, 1}); got != (spread[int]{1, 1, 4}) {
		t.Errorf("%v", got)
	}
}
