// Command fixedconsole is the console function with a clock that stands still at the time in the variable FIXED_CLOCK, so that pictures of the page are the
// same whenever they are taken.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
)

// version is set by the build.
var version = "dev"

func main() {
	now, err := time.Parse(time.RFC3339, os.Getenv("FIXED_CLOCK"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "FIXED_CLOCK:", err)
		os.Exit(2)
	}
	lookup := config.Environment(os.LookupEnv)
	os.Exit(runtime.Run(context.Background(), handler.Console(handler.Options{Lookup: lookup, Version: version, Now: func() time.Time { return now }}),
		runtime.Options{Getenv: func(name string) string { value, _ := lookup(name); return value }}))
}
