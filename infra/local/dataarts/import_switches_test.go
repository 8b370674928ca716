package dataarts_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

const anImport = `{"path":"obs://b/f.zip"}`

// importing is a cloud with an import file of two jobs and a script.
func importing(t *testing.T, switches dataarts.Switches) *cloud {
	t.Helper()
	return newCloud(t, switches, withBucket(&bucket{objects: map[string][]byte{"b/f.zip": zipped(t,
		"jobs/a/a.job", dependentJob("a", "z"), "jobs/a/s.script", shellScript("s"), "jobs/z/z.job", batchJob("z"))}}))
}

// imported begins an import and returns the id of its task.
func (c *cloud) imported(body string) string {
	c.t.Helper()
	return object(c.t, c.want(200, "", "POST", "/jobs/import", body))["taskId"].(string)
}

func (c *cloud) task(id string) map[string]any {
	c.t.Helper()
	return object(c.t, c.want(200, "", "GET", "/system-tasks/"+id, ""))
}

// subtasks are the statuses of a task's subtasks by their names.
func subtasks(task map[string]any) map[string]string {
	found := map[string]string{}
	for _, sub := range task["subtasks"].([]any) {
		s := sub.(map[string]any)
		found[s["name"].(string)] = s["status"].(string)
	}
	return found
}

func TestSwitches_ImportUnsupported(t *testing.T) {
	t.Parallel()
	c := importing(t, dataarts.Switches{ImportUnsupported: true})
	c.want(404, "APIGW.0101", "POST", "/jobs/import", anImport)
	c.want(404, "APIGW.0101", "POST", "/jobs/check-file", anImport)
}

func TestSwitches_ImportUnreadable(t *testing.T) {
	t.Parallel()
	c := importing(t, dataarts.Switches{ImportUnreadable: true})
	c.want(400, "DLF.0815", "POST", "/jobs/import", anImport)
	c.want(400, "DLF.0815", "POST", "/jobs/check-file", anImport)
}

func TestSwitches_ImportLacks(t *testing.T) {
	t.Parallel()
	c := importing(t, dataarts.Switches{ImportLacks: []string{"a"}})
	task := c.task(c.imported(anImport))
	want := map[string]string{"Import the a job.": "SUCCESSFUL", "Import the s script.": "SUCCESSFUL", "Import the z job.": "SUCCESSFUL"}
	if diff := cmp.Diff(want, subtasks(task)); diff != "" || task["status"] != "SUCCESSFUL" {
		t.Errorf("task %v:\n%s", task["status"], diff)
	}
	c.want(400, "DLF.0100", "GET", "/jobs/a", "")
	c.want(200, "", "GET", "/jobs/z", "")
}

func TestSwitches_ImportOmits(t *testing.T) {
	t.Parallel()
	c := importing(t, dataarts.Switches{ImportOmits: []string{"schedule.cron.dependJobs"}})
	c.imported(anImport)
	if got, _ := c.handle().Asset(dataarts.Jobs, "a"); strings.Contains(string(got), "dependJobs") || !strings.Contains(string(got), `"cron"`) {
		t.Errorf("job: %s", got)
	}
}

func TestSwitches_ImportFails(t *testing.T) {
	t.Parallel()
	c := importing(t, dataarts.Switches{ImportFails: true})
	if task := c.task(c.imported(anImport)); task["status"] != "FAILED" || len(subtasks(task)) > 0 {
		t.Errorf("task: %v", task)
	}
	c.want(400, "DLF.0100", "GET", "/jobs/z", "")
}

func TestSwitches_ImportNeverEnds(t *testing.T) {
	t.Parallel()
	c := importing(t, dataarts.Switches{ImportNeverEnds: true})
	id := c.imported(anImport)
	for range 3 {
		if task := c.task(id); task["status"] != "RUNNING" || task["endTime"] != nil {
			t.Errorf("task: %v", task)
		}
	}
	c.want(200, "", "GET", "/jobs/z", "")
}

func TestSwitches_ImportLater(t *testing.T) {
	t.Parallel()
	c := importing(t, dataarts.Switches{ImportLater: true, RunningPolls: 2})
	id := c.imported(anImport)
	for range 2 {
		if task := c.task(id); task["status"] != "RUNNING" {
			t.Errorf("task: %v", task)
		}
		c.want(400, "DLF.0100", "GET", "/jobs/z", "")
	}
	if task := c.task(id); task["status"] != "SUCCESSFUL" || len(subtasks(task)) != 3 {
		t.Errorf("task: %v", task)
	}
	c.want(200, "", "GET", "/jobs/z", "")
}

func TestSwitches_ImportBareNames(t *testing.T) {
	t.Parallel()
	c := importing(t, dataarts.Switches{ImportBareNames: true})
	want := map[string]string{"a": "SUCCESSFUL", "s": "SUCCESSFUL", "z": "SUCCESSFUL"}
	if diff := cmp.Diff(want, subtasks(c.task(c.imported(anImport)))); diff != "" {
		t.Error(diff)
	}
}

// What an import submits can be started; what it only saves cannot.
func TestImport_WithTargetStatusSavedDoesNotSubmit(t *testing.T) {
	t.Parallel()
	for status, started := range map[string]int{`SAVED`: 400, `SUBMITTED`: 204} {
		c := importing(t, dataarts.Switches{})
		c.imported(`{"path":"obs://b/f.zip","targetStatus":"` + status + `"}`)
		if got := c.call("POST", "/jobs/z/start", ""); got.status != started {
			t.Errorf("%s: %+v", status, got)
		}
	}
}
