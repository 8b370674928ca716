package process_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/bench/process"
)

func tools(t *testing.T) *process.Tools {
	t.Helper()
	root, err := process.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	built, err := process.NewTools(t.Context(), root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func TestTools_Run(t *testing.T) {
	t.Parallel()
	tools := tools(t)
	shell := func(script string) process.Command {
		return process.Command{Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"NAME=value"}, Input: "input"}
	}
	t.Run("passes_input_environment_and_outputs_on", func(t *testing.T) {
		t.Parallel()
		got, err := tools.Run(t.Context(), shell(`read -r line; echo "$line $NAME $(ls)"; echo problem >&2; exit 3`))
		if err != nil || string(got.Output) != "input value \n" || got.Errors != "problem\n" || got.Status != 3 {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("counts_the_memory_of_the_program_alone", func(t *testing.T) {
		t.Parallel()
		large := make([]byte, 256<<20)
		for i := range len(large) / 4096 {
			large[4096*i] = 1
		}
		got, err := tools.Run(t.Context(), shell(":"))
		if err != nil || got.RSS < 100<<10 || got.RSS > 64<<20 || large[0] != 1 {
			t.Errorf("%d bytes, %v", got.RSS, err)
		}
	})
	t.Run("counts_time_that_passes_and_time_that_is_used", func(t *testing.T) {
		t.Parallel()
		start := time.Now()
		got, err := tools.Run(t.Context(), shell(`i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 0.05`))
		if err != nil || got.CPU <= 0 || got.Wall < got.CPU/2+50*time.Millisecond || got.Wall > time.Since(start) || got.Started.Before(start) {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("says_that_a_program_does_not_exist", func(t *testing.T) {
		t.Parallel()
		if got, err := tools.Run(t.Context(), process.Command{Path: "/nonexistent"}); err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestTools_Until(t *testing.T) {
	t.Parallel()
	tools := tools(t)
	t.Run("ends_with_the_event", func(t *testing.T) {
		t.Parallel()
		happened := make(chan time.Time, 1)
		happened <- time.Now().Add(time.Hour)
		took, err := tools.Until(t.Context(), process.Command{Path: "/bin/sleep", Args: []string{"60"}}, happened)
		if err != nil || took < 59*time.Minute {
			t.Errorf("%s, %v", took, err)
		}
	})
	t.Run("ends_with_the_program", func(t *testing.T) {
		t.Parallel()
		if took, err := tools.Until(t.Context(), process.Command{Path: "/bin/true"}, nil); err != nil || took <= 0 {
			t.Errorf("%s, %v", took, err)
		}
	})
	t.Run("fails_if_the_program_ends_first", func(t *testing.T) {
		t.Parallel()
		if took, err := tools.Until(t.Context(), process.Command{Path: "/bin/true"}, make(chan time.Time)); err == nil {
			t.Errorf("%s", took)
		}
	})
}
