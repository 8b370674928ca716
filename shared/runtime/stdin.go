package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// maxEvent is the size of the largest event that is read, in bytes: what FunctionGraph and Lambda both take for a synchronous
// invocation (documented as 6 MB).
const maxEvent = 6 << 20

// runStdin runs the handler once, for the event on standard input.
func runStdin(ctx context.Context, i *invoker, opts Options) int {
	inv := Invocation{Platform: Stdin, RequestID: opts.NewRequestID()}
	var answer any
	var payload []byte
	err := checkArguments(opts)
	if err == nil {
		inv.Flags = opts.Args
		payload, err = readEvent(ctx, i, opts.Stdin)
	}
	if err == nil {
		inv.Payload = payload
		answer, err = i.call(ctx, inv)
	}
	if err != nil {
		i.logger.Error().Str("requestId", inv.RequestID).Err(err).Msg("the invocation failed")
		if isNil(answer) {
			answer = failureOf(err)
		}
	}
	if isNil(answer) {
		return 0
	}
	body, encodeErr := encode(answer)
	if encodeErr != nil {
		i.logger.Error().Str("requestId", inv.RequestID).Err(encodeErr).Msg("the answer cannot be printed")
		body, err = failureOf(encodeErr).encode(), errors.Join(err, encodeErr)
	}
	if _, writeErr := opts.Stdout.Write(append(bytes.Clone(body), '\n')); writeErr != nil {
		// An answer that nobody gets is no success, whatever was done.
		i.logger.Error().Str("requestId", inv.RequestID).Err(writeErr).Msg("the answer cannot be printed")
		return 1
	}
	if err != nil {
		return 1
	}
	return 0
}

// checkArguments refuses what a typing error or a hope has put on the command line: a run for real must not follow a mistyped --dry-run.
func checkArguments(opts Options) error {
	unknown := slices.DeleteFunc(slices.Clone(opts.Args), func(arg string) bool { return slices.Contains(opts.Flags, arg) })
	if len(unknown) == 0 {
		return nil
	}
	known := "there are none: the event comes from standard input"
	if len(opts.Flags) > 0 {
		known = "known is " + strings.Join(opts.Flags, ", ")
	}
	return fmt.Errorf("unknown arguments %q: %s", unknown, known)
}

// readEvent reads one event. It returns when ctx ends, even while a terminal or a pipe keeps the reading waiting.
func readEvent(ctx context.Context, i *invoker, stdin io.Reader) ([]byte, error) {
	if isTerminal(stdin) {
		i.logger.Info().Msg("reading one event as JSON from standard input, to its end")
	}
	type result struct {
		payload []byte
		err     error
	}
	read := make(chan result, 1)
	go func() {
		payload, err := io.ReadAll(io.LimitReader(stdin, maxEvent+1))
		read <- result{payload, err}
	}()
	var r result
	select {
	case r = <-read:
	case <-ctx.Done():
		return nil, fmt.Errorf("read the event from standard input: %w", context.Cause(ctx))
	}
	switch {
	case r.err != nil:
		return nil, fmt.Errorf("read the event from standard input: %w", r.err)
	case len(r.payload) > maxEvent:
		return nil, fmt.Errorf("the event on standard input has more than %d bytes, the most that a platform takes", maxEvent)
	case len(bytes.TrimSpace(r.payload)) == 0:
		return nil, errors.New("standard input is empty: expected one event as JSON, for example {}")
	}
	return r.payload, nil
}

// isTerminal tells whether somebody may sit there and wonder why nothing happens.
func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
