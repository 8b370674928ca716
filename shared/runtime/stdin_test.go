package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
)

func TestStdin(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		stdin   io.Reader
		handler runtime.Handler
		code    int
		stdout  string
	}{
		"an_answer_is_printed": {
			strings.NewReader(`{"a":1}`),
			func(_ context.Context, inv runtime.Invocation) (any, error) { return inv.Payload, nil },
			0, `{"a":1}` + "\n",
		},
		"no_answer_prints_nothing": {
			strings.NewReader(`{}`),
			func(context.Context, runtime.Invocation) (any, error) { return nil, nil },
			0, "",
		},
		"an_error_is_printed_where_there_is_no_answer": {
			strings.NewReader(`{}`),
			func(context.Context, runtime.Invocation) (any, error) { return nil, errors.New("no bucket") },
			1, `{"errorMessage":"no bucket","errorType":"FunctionReturnError"}` + "\n",
		},
		"an_answer_is_printed_with_an_error_too": {
			strings.NewReader(`{}`),
			func(context.Context, runtime.Invocation) (any, error) {
				return map[string]string{"status": "PARTIAL"}, errors.New("2 missing")
			},
			1, `{"status":"PARTIAL"}` + "\n",
		},
		"an_unsuccessful_outcome_exits_1": {
			strings.NewReader(`{}`),
			func(context.Context, runtime.Invocation) (any, error) {
				return map[string]string{"status": "FAILED"}, &runtime.Unsuccessful{Reason: "refused"}
			},
			1, `{"status":"FAILED"}` + "\n",
		},
		"a_panic_exits_1": {
			strings.NewReader(`{}`),
			func(context.Context, runtime.Invocation) (any, error) { panic("oh") },
			1, `{"errorMessage":"oh","errorType":"panic"}` + "\n",
		},
		"an_answer_without_a_JSON_form_exits_1": {
			strings.NewReader(`{}`),
			func(context.Context, runtime.Invocation) (any, error) { return make(chan int), nil },
			1, `{"errorMessage":"encode the answer: json: unsupported type: chan int","errorType":"FunctionReturnError"}` + "\n",
		},
		"an_empty_input_says_what_was_expected": {
			strings.NewReader(" \n"), nil,
			1, `{"errorMessage":"standard input is empty: expected one event as JSON, for example {}","errorType":"FunctionReturnError"}` + "\n",
		},
		"an_input_that_cannot_be_read": {
			iotest.ErrReader(errors.New("broken pipe")), nil,
			1, `{"errorMessage":"read the event from standard input: broken pipe","errorType":"FunctionReturnError"}` + "\n",
		},
		"an_input_that_no_platform_would_take": {
			strings.NewReader(strings.Repeat(" ", 6<<20+1)), nil,
			1, `{"errorMessage":"the event on standard input has more than 6291456 bytes, the most that a platform takes","errorType":"FunctionReturnError"}` + "\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := runtime.Run(t.Context(), test.handler, runtime.Options{
				Getenv: environment(), Stdin: test.stdin, Stdout: &stdout, Stderr: &stderr,
			})
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if diff := cmp.Diff(test.stdout, stdout.String()); diff != "" {
				t.Errorf("standard output (-want +got):\n%s", diff)
			}
			if failed, logged := test.code != 0, strings.Contains(stderr.String(), `"level":"error"`); failed != logged {
				t.Errorf("the log on standard error is %q", stderr.String())
			}
		})
	}
}

func TestStdin_Arguments(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args, flags []string
		code        int
		stdout      string
	}{
		"none":                            {nil, []string{"--dry-run"}, 0, "[]\n"},
		"a_flag_reaches_the_handler":      {[]string{"--dry-run"}, []string{"--dry-run"}, 0, "[\"--dry-run\"]\n"},
		"a_mistyped_one_starts_nothing":   {[]string{"--dry-run", "--dryrun"}, []string{"--dry-run"}, 1, `{"errorMessage":"unknown arguments [\"--dryrun\"]: known is --dry-run","errorType":"FunctionReturnError"}` + "\n"},
		"where_there_are_none_any_is_one": {[]string{"x"}, nil, 1, `{"errorMessage":"unknown arguments [\"x\"]: there are none: the event comes from standard input","errorType":"FunctionReturnError"}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			silent := zerolog.Nop()
			var stdout bytes.Buffer
			code := runtime.Run(t.Context(), func(_ context.Context, inv runtime.Invocation) (any, error) {
				return append([]string{}, inv.Flags...), nil
			}, runtime.Options{Getenv: environment(), Args: test.args, Flags: test.flags, Stdin: strings.NewReader("{}"), Stdout: &stdout, Logger: &silent})
			if code != test.code || stdout.String() != test.stdout {
				t.Errorf("exit code %d and %s, want %d and %s", code, stdout.String(), test.code, test.stdout)
			}
		})
	}
}

func TestRun_LogsFromTheLevelOn(t *testing.T) {
	t.Parallel()
	for level, want := range map[string]string{"": "info warn error", "debug": "debug info warn error", " WARN ": "warn error", "disabled": "", "loud": "info warn error"} {
		var stderr bytes.Buffer
		runtime.Run(t.Context(), func(ctx context.Context, _ runtime.Invocation) (any, error) {
			for _, l := range []zerolog.Level{zerolog.DebugLevel, zerolog.InfoLevel, zerolog.WarnLevel} {
				zerolog.Ctx(ctx).WithLevel(l).Send()
			}
			return nil, errors.New("the runtime's own line")
		}, runtime.Options{Getenv: environment("LOG_LEVEL=" + level), Stdin: strings.NewReader("{}"), Stdout: io.Discard, Stderr: &stderr})
		var got []string
		for line := range strings.Lines(stderr.String()) {
			got = append(got, strings.Split(line, `"`)[3])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("LOG_LEVEL=%s logs %v, want %s", level, got, want)
		}
	}
}

func TestStdin_AnAnswerThatCannotBePrintedExits1(t *testing.T) {
	t.Parallel()
	silent := zerolog.Nop()
	r, w := io.Pipe()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	code := runtime.Run(t.Context(), func(context.Context, runtime.Invocation) (any, error) { return 1, nil },
		runtime.Options{Getenv: environment(), Stdin: strings.NewReader("{}"), Stdout: w, Logger: &silent})
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}

func TestStdin_Invocation(t *testing.T) {
	t.Parallel()
	silent := zerolog.Nop()
	var got runtime.Invocation
	runtime.Run(t.Context(), func(ctx context.Context, inv runtime.Invocation) (any, error) {
		got = inv
		if deadline, ok := ctx.Deadline(); ok {
			t.Errorf("there is a deadline: %v", deadline)
		}
		return nil, nil
	}, runtime.Options{
		Getenv: environment("RUNTIME_TIMEOUT=9"), Stdin: strings.NewReader("{}\n"), Stdout: io.Discard, Logger: &silent,
		NewRequestID: func() string { return "an-id" },
	})
	want := runtime.Invocation{Platform: runtime.Stdin, RequestID: "an-id", Payload: []byte("{}\n")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("invocation (-want +got):\n%s", diff)
	}
}

func TestStdin_EndsWhenItsContextEndsThoughNothingIsTyped(t *testing.T) {
	t.Parallel()
	silent := zerolog.Nop()
	stdin, typing := io.Pipe()
	defer func() { _ = typing.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout bytes.Buffer
	code := runtime.Run(ctx, nil, runtime.Options{Getenv: environment(), Stdin: stdin, Stdout: &stdout, Logger: &silent})
	if code != 1 || !strings.Contains(stdout.String(), "context canceled") {
		t.Errorf("exit code %d, standard output %q; want 1 and the reason", code, stdout.String())
	}
}

func TestStdin_TheHandlerIsInterrupted(t *testing.T) {
	t.Parallel()
	silent := zerolog.Nop()
	ctx, cancel := context.WithCancel(t.Context())
	code := runtime.Run(ctx, func(ctx context.Context, _ runtime.Invocation) (any, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}, runtime.Options{Getenv: environment(), Stdin: strings.NewReader("{}"), Stdout: io.Discard, Logger: &silent})
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}

func TestRun_EveryLineOfTheLogNamesTheVersion(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	code := runtime.Run(context.Background(), func(ctx context.Context, _ runtime.Invocation) (any, error) {
		zerolog.Ctx(ctx).Info().Msg("of the handler")
		return nil, errors.New("of the runtime")
	}, runtime.Options{Getenv: func(string) string { return "" }, Stdin: strings.NewReader(`{}`), Stdout: io.Discard, Stderr: &log, Version: "v1.2.3"})
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if code != 1 || len(lines) < 2 {
		t.Fatalf("exit code %d, the log:\n%s", code, log.String())
	}
	for _, line := range lines {
		if !strings.Contains(line, `"version":"v1.2.3"`) {
			t.Errorf("the line does not name the version: %s", line)
		}
	}
}
