package local_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
)

func TestLog_of_a_run_names_it_and_holds_no_secret(t *testing.T) {
	t.Parallel()
	for name, level := range map[string]string{"info": "info", "trace": "trace"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var output logs
			c, err := local.Start(context.Background(), local.Options{Dist: dist, Logs: &output, Workspaces: three(),
				Variables: map[string]string{"LOG_LEVEL": level, "BACKUP_KEEP": "daily=1"}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			secrets := []string{"X-Security-Token", "Signature="}
			for _, w := range three() {
				if err := sample.Fill(c.Workspace(w.ID), sample.Options{Jobs: 3, Scripts: 2, Resources: 1}); err != nil {
					t.Fatal(err)
				}
				// A file that is not there would be named, and the bucket of these is a variable's value as well.
				if _, err := c.UploadFiles(c.Workspace(w.ID)); err != nil {
					t.Fatal(err)
				}
				env, _ := c.Workspace(w.ID).Asset(dataarts.Env, "env")
				params := parse[struct{ Params []struct{ Value string } }](t, env)
				for _, p := range params.Params {
					if len(p.Value) > 3 {
						secrets = append(secrets, p.Value)
					}
				}
			}
			for day := range 2 {
				if _, err := c.Midnight(t.Context(), midnight().AddDate(0, 0, day)); err != nil {
					t.Fatal(err)
				}
				change(t, c.Workspace("ws-one"))
			}
			o := run(t, "backup", `{"workspaces":["ws-two"]}`, append(c.Environment(), "LOG_LEVEL="+level)).succeed(t)
			for _, pair := range c.Environment() {
				if name, value, _ := strings.Cut(pair, "="); strings.HasSuffix(name, "_SK") {
					secrets = append(secrets, value)
				}
			}
			text := output.String() + o.stderr
			for _, m := range c.SMN.Messages() {
				text += m.Subject + m.Text
			}
			for _, secret := range secrets {
				if strings.Contains(text, secret) {
					t.Errorf("the log or a notification holds %q", secret)
				}
			}
			runs := map[string]bool{}
			for line := range strings.Lines(o.stderr) {
				entry := parse[map[string]any](t, []byte(line))
				runs[fmt.Sprint(entry["runId"])] = true
				for _, field := range []string{"requestId", "runId", "workspace", "operation"} {
					if entry[field] == nil && !beforeTheRun(entry) {
						t.Errorf("a line lacks %s: %s", field, line)
					}
				}
			}
			delete(runs, "<nil>")
			if len(runs) != 1 {
				t.Errorf("one run has the ids %v", runs)
			}
		})
	}
}

// beforeTheRun tells lines of what comes before the runs for each workspace: there is no run yet.
func beforeTheRun(entry map[string]any) bool {
	return entry["runId"] == nil && entry["requestId"] != nil
}

func TestLogLevel_is_that_of_the_runtime_too(t *testing.T) {
	t.Parallel()
	c := start(t, local.Options{})
	env := append(c.Environment(), "LOG_LEVEL=disabled")
	if o := run(t, "backup", `{"foldr":"x"}`, env).refuse(t); o.stderr != "" {
		t.Errorf("printed %s", o.stderr)
	}
}
