// Command restore is the restore function of DataArts Backup; shared/handler says what it does.
package main

import (
	"context"
	"os"

	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
)

// version is set by the build.
var version = "dev"

func main() {
	lookup := config.Environment(os.LookupEnv)
	os.Exit(runtime.Run(context.Background(), handler.Restore(handler.Options{
		Lookup:  lookup,
		Version: version,
	}), runtime.Options{
		Getenv:  func(name string) string { value, _ := lookup(name); return value },
		Version: version,
	}))
}
