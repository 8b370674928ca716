package runtime

import (
	"os"
	"runtime/debug"
	"strconv"
)

const (
	// collectAt is how much of the live heap may be garbage, in percent, before it is collected. Go's own 100 lets the heap grow to twice of what
	// is alive, and memory is what a function is paid by and killed for.
	collectAt = 40
	// limitPercent is the part of a function's memory above which the collector works harder rather than let the platform kill the process.
	limitPercent = 85
)

// Environment variables in which the platforms say how much memory a function has, in megabytes.
const (
	functionGraphMemory = "RUNTIME_MEMORY"
	lambdaMemory        = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
)

// limitMemory makes the garbage collector fit a function. What an operator set with Go's own variables is left as it is.
func limitMemory(getenv func(string) string) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	for _, name := range []string{functionGraphMemory, lambdaMemory} {
		if megabytes, err := strconv.ParseInt(getenv(name), 10, 32); err == nil && megabytes > 0 {
			debug.SetMemoryLimit(megabytes << 20 * limitPercent / 100)
		}
	}
}
