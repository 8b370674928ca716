package dataarts_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

func TestWorkspaceHandle_seeds_what_the_rules_forbid(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{StaleReads: 9})
	c.seed(dataarts.Jobs, dependentJob("a", "b"), dependentJob("b", "a"), dependentJob("a", "b"))
	if got := object(t, c.want(200, "", "GET", "/jobs/a", "")); fmt.Sprint(got["version"]) != "2" || fmt.Sprint(got["id"]) != "608627" || got["lastUpdateUser"] != "admin" {
		t.Errorf("show: %v", got)
	}
	for _, raw := range []string{`[]`, `{`, `{"nodes":[]}`} {
		if err := c.handle().Put(dataarts.Jobs, []byte(raw)); err == nil {
			t.Errorf("Put took %s", raw)
		}
	}
}

func TestWorkspaceHandle_Wipe_leaves_only_connections(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	c.numbered(2)
	c.seed(dataarts.Env, `{"params":[{"name":"a","type":"constant","value":"1"}]}`)
	c.seed(dataarts.Connections, `{"name":"con","type":"DWS","config":{}}`)
	c.handle().Wipe()
	for kind, want := range map[dataarts.Kind]int{dataarts.Jobs: 0, dataarts.Scripts: 0, dataarts.Resources: 0, dataarts.Env: 0, dataarts.Connections: 1} {
		if got := len(c.handle().All(kind)); got != want {
			t.Errorf("%d %s are left, want %d", got, kind, want)
		}
	}
	if got := c.want(200, "", "GET", envPath, ""); got != `{"params":[]}` {
		t.Errorf("env: %s", got)
	}
	c.want(200, "", "POST", "/resources", jar("00", "/"))
}

func TestService_knows_its_workspaces(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	c.seed(dataarts.Jobs, batchJob("j"))
	if again := c.AddWorkspace(dataarts.Workspace{ID: "ws1", Name: "other"}); again.Info().Name != "default" || len(again.All(dataarts.Jobs)) != 1 {
		t.Errorf("adding a workspace again gave %+v", again.Info())
	}
	if c.Workspace("none") != nil {
		t.Error("there is a workspace that nobody added")
	}
}

func TestService_serves_many_at_once(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{StaleReads: 1})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name := fmt.Sprintf("j%d", i%4)
			for _, step := range []struct{ method, target, body string }{
				{"POST", "/jobs", batchJob(name)}, {"GET", "/jobs", ""}, {"PUT", "/jobs/" + name, batchJob(name)}, {"GET", "/jobs/" + name, ""},
				{"POST", "/jobs/" + name + "/start", ""}, {"DELETE", "/jobs/" + name, ""}, {"POST", "/jobs", batchJob(name)},
			} {
				if got, err := c.try(step.method, step.target, step.body); err != nil || got.status >= 500 {
					t.Errorf("%s %s: %+v, %v", step.method, step.target, got, err)
				}
			}
		})
	}
	wg.Wait()
	if got := len(c.handle().All(dataarts.Jobs)); got < 1 || got > 4 {
		t.Errorf("%d jobs", got)
	}
}
