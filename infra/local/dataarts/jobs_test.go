package dataarts_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

func TestJobs_are_kept_byte_for_byte(t *testing.T) {
	t.Parallel()
	odd := `{ "name":"odd",` + "\n" + `  "nodes":[{"name":"n","type":"Dummy","location":{"x":-45,"y":"1.0"},"properties":[{"name":"p","value":1.0,"value_is_sensitive":false}],` +
		`"resouces":[],"n9":12345678901234567890}],"schedule":{"type":"EXECUTE_ONCE","zz":1E3},` +
		`"processType":"BATCH","b":"<a>&\u2028` + "\u2028" + `","a":0.10,"z":{"z":1,"a":[ ]}` + "\t}"
	c := newCloud(t, dataarts.Switches{})
	c.want(204, "", "POST", "/jobs", odd+"\n")

	got := c.want(200, "", "GET", "/jobs/odd", "")
	head := strings.TrimSuffix(odd, "\t}")
	if !strings.HasPrefix(got, head) || !strings.HasSuffix(got, "\t}") {
		t.Fatalf("the text changed:\n%s\nwant it to start with\n%s", got, head)
	}
	want := `,"id":608627,"createTime":1695642746000,"version":1,"lastUpdateUser":"test_user"`
	if owned := strings.TrimSuffix(strings.TrimPrefix(got, head), "\t}"); owned != want {
		t.Errorf("the server added %s, want %s", owned, want)
	}
	if kept, _ := c.handle().Asset(dataarts.Jobs, "odd"); string(kept) != odd {
		t.Errorf("Asset: %s, want %s", kept, odd)
	}
}

func TestJobs_every_sample_of_the_documents_is_accepted(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	c.seed(dataarts.Jobs, batchJob("ods_orders_df"))
	files, err := filepath.Glob("sample/assets/job_*.json")
	if err != nil || len(files) < 5 {
		t.Fatalf("samples: %v, %v", files, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint(object(t, string(raw))["name"])
		c.handle().Delete(dataarts.Jobs, name)
		if name == "dws_daily_agg" {
			c.seed(dataarts.Jobs, batchJob("ods_orders_df"))
		}
		t.Log(file)
		c.want(204, "", "POST", "/jobs", string(raw))
		c.want(204, "", "PUT", "/jobs/"+name, string(raw))
		if again := c.want(200, "", "GET", "/jobs/"+name, ""); object(t, again)["version"].(fmt.Stringer).String() != "2" {
			t.Errorf("%s: after PUT %s, want version 2", file, shorten(again))
		}
	}
}

func TestJobs_server_owned_fields_of_a_request_are_overwritten(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	c.want(204, "", "POST", "/jobs", `{"id":1,"createTime":"x","version":"7","lastUpdateUser":"eve","targetStatus":"SUBMITTED","approvers":[],"downstreamJobs":[],`+
		strings.TrimPrefix(batchJob("j"), "{"))
	want := strings.TrimSuffix(batchJob("j"), "}") + `,"id":608627,"createTime":1695642746000,"version":1,"lastUpdateUser":"test_user"}`
	if got := c.want(200, "", "GET", "/jobs/j", ""); got != want {
		t.Errorf("show: %s\nwant  %s", got, want)
	}
}

func TestJobs_refuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("长", 129)
	node := func(n string) string {
		return `{"name":"x","nodes":[` + n + `],"schedule":{"type":"CRON"},"processType":"BATCH"}`
	}
	cron := func(c string) string {
		return `{"name":"x","nodes":[],"schedule":{"type":"CRON","cron":` + c + `},"processType":"BATCH"}`
	}
	tests := []struct{ name, method, target, body, code string }{
		{"a missing job", "GET", "/jobs/none", "", "DLF.0100"},
		{"changing a missing job", "PUT", "/jobs/none", batchJob("none"), "DLF.0100"},
		{"deleting a missing job", "DELETE", "/jobs/none", "", "DLF.0100"},
		{"starting a missing job", "POST", "/jobs/none/start", "", "DLF.0100"},
		{"stopping a missing job", "POST", "/jobs/none/stop", "", "DLF.0100"},
		{"the status of a missing job", "GET", "/jobs/none/status", "", "DLF.0100"},
		{"the status of a batch job", "GET", "/jobs/there/status", "", "DLF.3051"},
		{"a version that is not a number", "GET", "/jobs/there?version=x", "", "DLF.3051"},
		{"a version that never was", "GET", "/jobs/there?version=9", "", "DLF.0100"},
		{"a name in use", "POST", "/jobs", batchJob("there"), "DLF.0102"},
		{"no name", "POST", "/jobs", `{"nodes":[],"schedule":{"type":"CRON"},"processType":"BATCH"}`, "DLF.3004"},
		{"a name with a blank", "POST", "/jobs", batchJob("a b"), "DLF.3018"},
		{"a name of 129 characters", "POST", "/jobs", batchJob(long), "DLF.3018"},
		{"another name than that of the path", "PUT", "/jobs/there", batchJob("other"), "DLF.3018"},
		{"no process type", "POST", "/jobs", `{"name":"x","nodes":[],"schedule":{"type":"CRON"}}`, "DLF.3051"},
		{"no nodes at all", "POST", "/jobs", `{"name":"x","schedule":{"type":"CRON"},"processType":"BATCH"}`, "DLF.1006"},
		{"no schedule", "POST", "/jobs", `{"name":"x","nodes":[],"processType":"BATCH"}`, "DLF.3025"},
		{"a cron without a start", "POST", "/jobs", cron(`{"expression":"0 0 1 * * ?"}`), "DLF.3025"},
		{"a cron with seconds", "POST", "/jobs", cron(`{"startTime":"t","expression":"5 0 1 * * ?"}`), "DLF.3025"},
		{"a cron with a month", "POST", "/jobs", cron(`{"startTime":"t","expression":"0 0 1 * 3 ?"}`), "DLF.3025"},
		{"an unknown event", "POST", "/jobs", `{"name":"x","nodes":[],"schedule":{"type":"EVENT","event":{"eventType":"MAIL"}},"processType":"REAL_TIME"}`, "DLF.3025"},
		{"a dependency on a missing job", "POST", "/jobs", dependentJob("x", "there", "none"), "DLF.3025"},
		{"a dependency on itself when new", "POST", "/jobs", dependentJob("x", "x"), "DLF.3025"},
		{"a name that differs in case from the one depended on", "POST", "/jobs", dependentJob("x", "There"), "DLF.3025"},
		{"a long description", "POST", "/jobs", `{"description":"` + strings.Repeat("d", 256) + `",` + strings.TrimPrefix(batchJob("x"), "{"), "DLF.3050"},
		{"a node without a type", "POST", "/jobs", node(`{"name":"n","location":{},"properties":[]}`), "DLF.3051"},
		{"a node without a location", "POST", "/jobs", node(`{"name":"n","type":"Dummy","properties":[]}`), "DLF.3051"},
		{"a node without properties", "POST", "/jobs", node(`{"name":"n","type":"Dummy","location":{}}`), "DLF.3051"},
		{"two nodes of one name", "POST", "/jobs", node(`{"name":"n","type":"Dummy","location":{},"properties":[]},{"name":"n","type":"Dummy","location":{},"properties":[]}`), "DLF.3051"},
		{"a node after one that is not there", "POST", "/jobs", node(`{"name":"n","type":"Dummy","location":{},"properties":[],"preNodeName":["m"]}`), "DLF.3051"},
		{"201 nodes", "POST", "/jobs", node(strings.Repeat(`{},`, 200) + `{}`), "DLF.3051"},
		{"a parameter with a bad name", "POST", "/jobs", `{"params":[{"name":"a b","value":""}],` + strings.TrimPrefix(batchJob("x"), "{"), "DLF.3051"},
		{"a parameter with a long value", "POST", "/jobs", `{"params":[{"name":"a","value":"` + strings.Repeat("v", 1025) + `"}],` + strings.TrimPrefix(batchJob("x"), "{"), "DLF.3051"},
		{"an unknown target status", "POST", "/jobs", `{"targetStatus":"DONE",` + strings.TrimPrefix(batchJob("x"), "{"), "DLF.3051"},
		{"broken JSON", "POST", "/jobs", `{"name":`, "DLF.3051"},
		{"JSON that is no object", "POST", "/jobs", `[]`, "DLF.3051"},
		{"text that is not UTF-8", "POST", "/jobs", `{"name":"` + "\xff" + `"}`, "DLF.3051"},
		{"eleven levels of directories", "POST", "/jobs", `{"directory":"` + strings.Repeat("/d", 11) + `",` + strings.TrimPrefix(batchJob("x"), "{"), "DLF.3051"},
		{"a directory name of 65 characters", "POST", "/jobs", `{"directory":"/` + strings.Repeat("d", 65) + `",` + strings.TrimPrefix(batchJob("x"), "{"), "DLF.3051"},
		{"a relative directory", "POST", "/jobs", `{"directory":"d",` + strings.TrimPrefix(batchJob("x"), "{"), "DLF.3051"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, dataarts.Switches{})
			c.seed(dataarts.Jobs, batchJob("there"))
			c.want(400, test.code, test.method, test.target, test.body)
			if left := len(c.handle().All(dataarts.Jobs)); left != 1 {
				t.Errorf("%d jobs are left, want 1", left)
			}
		})
	}
}

func TestJobs_accepts(t *testing.T) {
	t.Parallel()
	for title, name := range map[string]string{
		"letters, digits and marks": "Az_0-9.x", "chinese": "订单_日汇总", "128 characters": strings.Repeat("a", 128), "128 Chinese characters": strings.Repeat("数", 128),
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, dataarts.Switches{})
			c.want(204, "", "POST", "/jobs", batchJob(name))
			if got := object(t, c.want(200, "", "GET", "/jobs/"+name, "")); got["name"] != name {
				t.Errorf("show: name %v, want %s", got["name"], name)
			}
			c.want(204, "", "DELETE", "/jobs/"+name, "")
			c.want(400, "DLF.0100", "GET", "/jobs/"+name, "")
		})
	}
	t.Run("two names that differ only in case", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.want(204, "", "POST", "/jobs", batchJob("Job"))
		c.want(204, "", "POST", "/jobs", batchJob("job"))
	})
	t.Run("a change of the process type", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.seed(dataarts.Jobs, batchJob("j"))
		c.want(204, "", "PUT", "/jobs/j", strings.Replace(batchJob("j"), "BATCH", "REAL_TIME", 1))
		if got, _ := names(t, c.want(200, "", "GET", "/jobs?jobType=REAL_TIME", ""), "jobs"); !cmp.Equal(got, []string{"j"}) {
			t.Errorf("real-time jobs: %v", got)
		}
	})
	t.Run("a job that depends on itself once it is there", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.seed(dataarts.Jobs, batchJob("j"))
		c.want(204, "", "PUT", "/jobs/j", dependentJob("j", "j"))
	})
}

func TestJobs_show(t *testing.T) {
	t.Parallel()
	t.Run("names the jobs downstream, their ids as strings", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.want(204, "", "POST", "/jobs", batchJob("up"))
		c.want(204, "", "POST", "/jobs", dependentJob("down", "up"))
		if got := c.want(200, "", "GET", "/jobs/up", ""); !strings.Contains(got, `"downstreamJobs":[{"jobId":"608628","jobName":"down","workSpace":"default"}]`) {
			t.Errorf("show: %s", got)
		}
		c.want(204, "", "DELETE", "/jobs/down", "")
		if got := c.want(200, "", "GET", "/jobs/up", ""); strings.Contains(got, "downstreamJobs") {
			t.Errorf("show after delete: %s", got)
		}
	})
	t.Run("gives the development state, the submitted version or an earlier one", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.want(204, "", "POST", "/jobs", batchJob("j"))
		c.want(204, "", "PUT", "/jobs/j", strings.Replace(batchJob("j"), "EXECUTE_ONCE", "CRON", 1))
		for query, want := range map[string]string{"": "CRON", "?getJobSubmitVersion=true": "EXECUTE_ONCE", "?version=1": "EXECUTE_ONCE", "?version=2&getJobSubmitVersion=true": "CRON"} {
			if got := c.want(200, "", "GET", "/jobs/j"+query, ""); !strings.Contains(got, want) {
				t.Errorf("show%s: %s, want type %s", query, got, want)
			}
		}
	})
	t.Run("has no submitted version of a job that was only saved", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.want(204, "", "POST", "/jobs", `{"targetStatus":"SAVED",`+strings.TrimPrefix(batchJob("j"), "{"))
		c.want(400, "DLF.0100", "GET", "/jobs/j?getJobSubmitVersion=true", "")
		c.want(400, "DLF.3051", "POST", "/jobs/j/start", "")
	})
	t.Run("spells createTime as a string by switch", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{StringCreateTime: true})
		c.seed(dataarts.Jobs, batchJob("j"))
		if got := c.want(200, "", "GET", "/jobs/j", ""); !strings.Contains(got, `"createTime":"1695642746000"`) {
			t.Errorf("show: %s", got)
		}
	})
	t.Run("spells missing tags as an object by switch", func(t *testing.T) {
		t.Parallel()
		for config, want := range map[string]string{
			`{"owner":"o"}`: `{"owner":"o","tags":{}}`, `{"tags":[ ],"owner":"o"}`: `{"tags":{},"owner":"o"}`, `{}`: `{"tags":{}}`, `{"tags":["a"]}`: `{"tags":["a"]}`,
		} {
			c := newCloud(t, dataarts.Switches{EmptyTagsAsObject: true})
			c.seed(dataarts.Jobs, `{"basicConfig":`+config+","+strings.TrimPrefix(batchJob("j"), "{"))
			if got := c.want(200, "", "GET", "/jobs/j", ""); !strings.HasPrefix(got, `{"basicConfig":`+want+`,"name"`) {
				t.Errorf("show: %s, want tags as in %s", got, want)
			}
		}
	})
}

func TestJobs_start_and_stop(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	c.want(204, "", "POST", "/jobs", batchJob("b"))
	c.want(204, "", "POST", "/jobs", strings.Replace(batchJob("r"), "BATCH", "REAL_TIME", 1))
	c.want(204, "", "POST", "/jobs/b/start", `{"jobParams":[{"name":"dt","value":"1","paramType":"variable"}]}`)
	c.want(204, "", "POST", "/jobs/r/start", "")
	if got := c.handle().JobStatus("b"); got != "SCHEDULING" {
		t.Errorf("a batch job that was started is %s", got)
	}
	if got := c.want(200, "", "GET", "/jobs/r/status", ""); !strings.Contains(got, `"status":"NORMAL"`) || !strings.Contains(got, `"nodes":[]`) {
		t.Errorf("status of a real-time job that was started: %s", got)
	}
	c.want(204, "", "PUT", "/jobs/b", batchJob("b"))
	if got := c.handle().JobStatus("b"); got != "SCHEDULING" {
		t.Errorf("after a change the job is %s, want it to go on", got)
	}
	for _, name := range []string{"b", "r", "b"} {
		c.want(204, "", "POST", "/jobs/"+name+"/stop", "")
		if got := c.handle().JobStatus(name); got != "STOPPED" {
			t.Errorf("%s is %s after stop", name, got)
		}
	}
	if !c.handle().SetJobStatus("b", "PAUSED") || c.handle().SetJobStatus("none", "PAUSED") {
		t.Error("SetJobStatus does not know which jobs there are")
	}
	if got := c.want(200, "", "GET", "/jobs", ""); !strings.Contains(got, `"status":"PAUSED"`) {
		t.Errorf("list: %s", got)
	}
}
