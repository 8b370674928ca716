// Package template_test holds template.yaml, the AWS SAM template, to what the functions need. It reads the template as CloudFormation does, puts the real
// functions on an emulated Lambda with the settings, the schedules, the events and the routes that it gives them, and judges every call of theirs by the
// policies of their roles. That it is a valid template is checked by check.mjs beside this file.
package template_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// dist is the folder with the bootstraps, built once from the sources as they are, as make build does, but for this machine.
var dist string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "dist-*")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		for _, function := range []string{"backup", "restore", "console"} {
			build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w",
				"-o", filepath.Join(dir, function, "bootstrap"), "./"+filepath.Join("..", "..", "functions", function))
			build.Env = append(os.Environ(), "CGO_ENABLED=0")
			if output, err := build.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "build the %s function: %v\n%s", function, err, output)
				return 1
			}
		}
		dist = dir
		return m.Run()
	}())
}
