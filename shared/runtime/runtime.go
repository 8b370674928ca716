// Package runtime runs one handler wherever its binary was started: on AWS Lambda, on FunctionGraph's custom runtime, or from
// standard input.
//
// It guarantees that the handler sees the same thing everywhere, one [Invocation] with its own payload, request id, deadline and
// credentials; that every invocation is answered, a panic included, and that the process then takes the next one; and that neither
// payloads nor credentials are logged.
//
// The place is found out from the environment: AWS_LAMBDA_RUNTIME_API means Lambda, RUNTIME_API_ADDR means FunctionGraph, neither
// means standard input.
package runtime

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

// Platform is the place where an invocation runs.
type Platform string

// The platforms.
const (
	Lambda        Platform = "lambda"        // AWS Lambda, through its runtime API
	FunctionGraph Platform = "functiongraph" // FunctionGraph of Huawei Cloud and Open Telekom Cloud, custom runtime
	Stdin         Platform = "stdin"         // one event from standard input, for a laptop, a cron job and CI
)

// logLevelVariable holds the level of the log, which the settings know by this name, too.
const logLevelVariable = "LOG_LEVEL"

// Environment variables that tell the platforms apart.
const (
	lambdaVariable        = "AWS_LAMBDA_RUNTIME_API" // set by Lambda, host:port
	functionGraphVariable = "RUNTIME_API_ADDR"       // set by FunctionGraph, host:port
)

// Credentials are the access keys that came with an invocation. The zero value means that the platform gave none.
type Credentials struct {
	AccessKey     string
	SecretKey     string
	SecurityToken string // empty for permanent keys
}

// Invocation is one event for the function.
type Invocation struct {
	Platform  Platform
	RequestID string
	Payload   []byte
	// Deadline is when the platform kills the function; zero where there is none. The context that the handler gets ends a
	// little earlier, so that there is time to answer.
	Deadline time.Time
	// Credentials are those of this invocation. On FunctionGraph they are the agency's temporary keys, which change between
	// invocations: a client made of other keys must not be used again. Lambda and standard input give none here.
	Credentials Credentials
	// Flags are the flags on the command line, each one of Options.Flags. Only standard input has them.
	Flags []string
	// Async tells that nobody waits for the answer. Only FunctionGraph says so; false elsewhere.
	Async bool
}

// Handler does a function's work for one event. The context ends a little before the invocation's deadline and carries a logger
// (zerolog.Ctx) that adds the request id.
//
// The answer is JSON: bytes ([]byte or json.RawMessage) are sent as they are, any other value is encoded. An error makes the platform count the
// invocation as failed and, where it does so, try again; the answer is then not sent. An error that is or wraps [*Unsuccessful] is
// for the outcome that trying again would not change: the platforms send the answer as of an invocation that went well.
// Standard input prints the answer in any case and exits 1 on any error.
type Handler func(ctx context.Context, inv Invocation) (answer any, err error)

// Options are what Run takes from outside. The zero value of each field is the real thing.
type Options struct {
	Getenv func(string) string // os.Getenv. On Lambda, aws-lambda-go reads the process's environment all the same.
	// Args are the arguments of the command line, without the program; none. They count on standard input only, where one that is not
	// among Flags is an error that names it, before anything is read.
	Args   []string
	Flags  []string        // the flags that the handler knows, e.g. --dry-run
	Stdin  io.Reader       // os.Stdin
	Stdout io.Writer       // os.Stdout
	Stderr io.Writer       // os.Stderr; used by the default Logger only
	Logger *zerolog.Logger // JSON lines with a time stamp on Stderr, from the level in LOG_LEVEL on
	// Version is the program's. Every line of the log has it, so that a line tells which build it is from; none: no line has it.
	Version string

	Now          func() time.Time                                 // time.Now
	NewRequestID func() string                                    // a random UUID; used on standard input, where no platform gives an id
	Sleep        func(ctx context.Context, d time.Duration) error // waits between tries of FunctionGraph's API; returns the context's error if it ends
	Jitter       func() float64                                   // a number in [0,1) that spreads the tries of many instances; math/rand
}

// Run runs the handler until the platform or a signal ends it and returns the process's exit code.
//
// SIGINT and SIGTERM, like the end of ctx, end it after the invocation under way, which keeps its own deadline, and the code is 0;
// a second signal kills. On standard input they end the handler's context instead. The code is 1 on standard input when the handler
// returned an error. On Lambda a broken runtime API ends the process with code 1, which aws-lambda-go does by itself.
func Run(ctx context.Context, h Handler, opts Options) int {
	opts = opts.withDefaults()
	limitMemory(opts.Getenv)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Once the first signal has been taken, the next one does what it does by default.
	defer context.AfterFunc(ctx, stop)()

	i := &invoker{handler: h, logger: *opts.Logger, now: opts.Now}
	if opts.Getenv(lambdaVariable) != "" {
		return runLambda(ctx, i)
	}
	if addr := opts.Getenv(functionGraphVariable); addr != "" {
		return newPoller(addr, i, opts).run(ctx)
	}
	return runStdin(ctx, i, opts)
}

func (o Options) withDefaults() Options {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	if o.Logger == nil {
		logger := zerolog.New(o.Stderr).Level(logLevel(o.Getenv(logLevelVariable))).With().Timestamp().Logger()
		o.Logger = &logger
	}
	if o.Version != "" {
		logger := o.Logger.With().Str("version", o.Version).Logger()
		o.Logger = &logger
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewRequestID == nil {
		o.NewRequestID = newRequestID
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	return o
}

// logLevel reads a level by its name. What is none is reported by whoever reads the settings; here it stands for the default.
func logLevel(name string) zerolog.Level {
	level, err := zerolog.ParseLevel(strings.ToLower(strings.TrimSpace(name)))
	if err != nil || level == zerolog.NoLevel {
		return zerolog.InfoLevel
	}
	return level
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
