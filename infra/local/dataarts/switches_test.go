package dataarts_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

func TestDescribe_says_what_every_switch_does(t *testing.T) {
	t.Parallel()
	docs := dataarts.Describe()
	if len(docs) != reflect.TypeFor[dataarts.Switches]().NumField() {
		t.Errorf("%d switches are described", len(docs))
	}
	seen := map[string]bool{}
	for _, doc := range docs {
		if doc.Meaning == "" || doc.Type == "" || seen[doc.Meaning] {
			t.Errorf("%+v is not described by itself", doc)
		}
		seen[doc.Meaning] = true
	}
}

func TestSwitches_LooseNames(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	bodies := map[string]string{"/jobs": batchJob("a b (1)"), "/scripts": shellScript("a b (1)"), "/resources": jar("a b (1)", "/")}
	for target, body := range bodies {
		c.want(400, "", "POST", target, body)
	}
	c.SetSwitches(func(s *dataarts.Switches) { s.LooseNames = true })
	for target, body := range bodies {
		if got := c.call("POST", target, body); got.status >= 300 {
			t.Errorf("%s: %+v", target, got)
		}
	}
	c.want(400, "DLF.3018", "POST", "/jobs", batchJob("a/b"))
	c.want(400, "DLF.3018", "POST", "/jobs", batchJob(`a\nb`))
}

func TestSwitches_RefuseUnknownKeys(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{RefuseUnknownKeys: true})
	c.seed(dataarts.Jobs, batchJob("ods_orders_df"))
	for file, code := range map[string]string{
		"job_create_otc.json": "", "job_synthetic_cron_with_dependencies.json": "", "job_synthetic_mrs_spark_restapi.json": "",
		"job_exported_template_cdm.json": "DLF.3051",
	} {
		raw, err := os.ReadFile("sample/assets/" + file)
		if err != nil {
			t.Fatal(err)
		}
		status := 204
		if code != "" {
			status = 400
		}
		if got := c.want(status, code, "POST", "/jobs", string(raw)); code != "" && !strings.Contains(got, `Unrecognized field \"basicConfig.encrypt\"`) {
			t.Errorf("%s: %s", file, got)
		}
	}
	deep := `{"name":"d","nodes":[{"name":"n","type":"Dummy","location":{},"properties":[{"name":"a","value":"b","value_is_sensitive":false}]}],"schedule":{"type":"CRON"},"processType":"BATCH"}`
	if got := c.want(400, "DLF.3051", "POST", "/jobs", deep); !strings.Contains(got, "nodes.properties.value_is_sensitive") {
		t.Errorf("a key deep inside: %s", got)
	}
}

func TestSwitches_RefuseNoNodes(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{RefuseNoNodes: true})
	c.want(400, "DLF.1006", "POST", "/jobs", batchJob("j"))
}

func TestSwitches_RefuseRunning(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{RefuseRunning: true})
	c.want(204, "", "POST", "/jobs", batchJob("j"))
	c.want(204, "", "POST", "/jobs/j/start", "")
	c.want(400, "DLF.30107", "PUT", "/jobs/j", batchJob("j"))
	c.want(400, "DLF.30107", "DELETE", "/jobs/j", "")
	c.want(204, "", "POST", "/jobs/j/stop", "")
	c.want(204, "", "PUT", "/jobs/j", batchJob("j"))
	c.want(204, "", "DELETE", "/jobs/j", "")
}

func TestSwitches_DirectoriesMustExist(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{DirectoriesMustExist: true})
	in := func(directory string) string {
		return `{"directory":"` + directory + `",` + strings.TrimPrefix(batchJob("j"), "{")
	}
	c.want(400, "DLF.3051", "POST", "/jobs", in("/a/b"))
	if got := c.handle().JobStatus("j"); got != "" {
		t.Errorf("a job that was refused is %s", got)
	}
	c.handle().AddDirectory(dataarts.Jobs, "/a/b/")
	c.want(204, "", "POST", "/jobs", in("/a/b"))
	c.want(204, "", "PUT", "/jobs/j", in("/a"))
	c.want(400, "DLF.3051", "POST", "/scripts", `{"name":"s","type":"Shell","content":"","directory":"/a"}`)
}

func TestSwitches_Review(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{Review: true})
	with := func(members, body string) string { return "{" + members + strings.TrimPrefix(body, "{") }
	const approvers = `"approvers":[{"approverName":"userName1"}]`
	for target, body := range map[string]string{"/jobs": batchJob("x"), "/scripts": shellScript("x")} {
		c.want(400, "DLF.3051", "POST", target, body)
		c.want(400, "DLF.3051", "POST", target, with(`"targetStatus":"SUBMITTED",`, body))
		c.want(204, "", "POST", target, with(`"targetStatus":"SUBMITTED",`+approvers+",", body))
		c.want(204, "", "PUT", target+"/x", body)
		c.want(400, "DLF.3051", "DELETE", target+"/x", "")
		c.want(204, "", "DELETE", target+"/x", "{"+approvers+"}")
		c.want(204, "", "POST", target, with(`"targetStatus":"SAVED",`, body))
	}
}

func TestSwitches_quotas(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{JobQuota: 3, RealTimeJobQuota: 1, ScriptQuota: 1})
	realTime := func(name string) string { return strings.Replace(batchJob(name), "BATCH", "REAL_TIME", 1) }
	c.want(204, "", "POST", "/jobs", realTime("r1"))
	c.want(400, "DLF.0101", "POST", "/jobs", realTime("r2"))
	c.want(204, "", "POST", "/jobs", batchJob("b1"))
	c.want(204, "", "POST", "/jobs", batchJob("b2"))
	c.want(400, "DLF.0101", "POST", "/jobs", batchJob("b3"))
	c.want(204, "", "DELETE", "/jobs/b1", "")
	c.want(204, "", "POST", "/jobs", batchJob("b3"))
	c.want(204, "", "POST", "/scripts", shellScript("s1"))
	c.want(400, "DLF.6253", "POST", "/scripts", shellScript("s2"))
}

func TestSwitches_HardLocks(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{HardLocks: []string{"locked"}})
	for _, name := range []string{"locked", "free"} {
		c.seed(dataarts.Jobs, batchJob(name))
		c.seed(dataarts.Scripts, shellScript(name))
	}
	c.want(400, "DLF.6888", "PUT", "/jobs/locked", batchJob("locked"))
	c.want(400, "DLF.6888", "DELETE", "/jobs/locked", "")
	c.want(400, "DLF.6888", "PUT", "/scripts/locked", shellScript("locked"))
	c.want(400, "DLF.6888", "DELETE", "/scripts/locked", "")
	c.want(200, "", "GET", "/jobs/locked", "") // nothing that is read says so
	c.want(204, "", "PUT", "/jobs/free", batchJob("free"))
	c.want(204, "", "DELETE", "/scripts/free", "")
}

func TestSwitches_ConnectionsUnsupported(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{ConnectionsUnsupported: true})
	c.want(404, "", "GET", "/connections", "")
}
