package runtime

import (
	"context"
	"crypto/rand"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/rs/zerolog"
)

// The handler's context ends before the platform kills the function, by 1/marginShare of the time that is left, within these bounds.
const (
	marginShare = 20
	minMargin   = 250 * time.Millisecond
	maxMargin   = 5 * time.Second
)

// margin is how long before its deadline an invocation is told to end, when it has this much time.
func margin(left time.Duration) time.Duration {
	m := min(max(left/marginShare, minMargin), maxMargin)
	// Of very little time the handler keeps at least half.
	return min(m, left/2)
}

// invoker calls the handler for one invocation after another.
type invoker struct {
	handler Handler
	logger  zerolog.Logger
	now     func() time.Time
}

// call runs the handler. A panic comes back as an error of type "panic"; the stack goes to the log and nowhere else.
func (i *invoker) call(ctx context.Context, inv Invocation) (answer any, err error) {
	logger := i.logger.With().Str("requestId", inv.RequestID).Logger()
	ctx = logger.WithContext(ctx)
	if !inv.Deadline.IsZero() {
		left := max(inv.Deadline.Sub(i.now()), 0)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, left-margin(left))
		defer cancel()
	}
	defer func() {
		if v := recover(); v != nil {
			logger.Error().Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).Msg("the handler panicked")
			answer, err = nil, &Failure{Message: fmt.Sprint(v), Type: typePanic}
		}
	}()
	return i.handler(ctx, inv)
}

// serve runs the handler for a platform and returns the body of a response, or the failure to report. Both kinds of bad end are logged.
func (i *invoker) serve(ctx context.Context, inv Invocation, maxBody int64) ([]byte, *Failure) {
	answer, err := i.call(ctx, inv)
	body, failure := settle(answer, err, maxBody)
	switch {
	case failure != nil:
		i.logger.Error().Str("requestId", inv.RequestID).Str("errorType", failure.Type).Str("error", failure.Message).Msg("the invocation failed")
	case err != nil:
		i.logger.Warn().Str("requestId", inv.RequestID).Err(err).Msg("the invocation was unsuccessful")
	}
	return body, failure
}

// newRequestID makes a random UUID (version 4), the form that the platforms' own request ids have.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // It never fails: see crypto/rand.
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
