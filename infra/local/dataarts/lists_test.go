package dataarts_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

// numbered seeds jobs, scripts and resources 00, 01...
func (c *cloud) numbered(n int) {
	for i := range n {
		name := fmt.Sprintf("%02d", i)
		c.seed(dataarts.Jobs, batchJob(name))
		c.seed(dataarts.Scripts, shellScript(name))
		c.seed(dataarts.Resources, jar(name, "/"))
	}
}

func TestLists_page(t *testing.T) {
	t.Parallel()
	lists := map[string]string{"jobs": "/jobs", "scripts": "/scripts", "resources": "/resources"}
	v2 := map[string]string{"jobs": "v2:/v2/{p}/factory/jobs", "scripts": "v2:/v2/{p}/factory/scripts"}
	tests := []struct {
		name     string
		switches dataarts.Switches
		query    string
		want     string // first and last name of the page, and how many
	}{
		{"ten rows by default", dataarts.Switches{}, "", "00 09 10"},
		{"offset counts pages, as documented", dataarts.Switches{}, "?limit=4&offset=2", "08 11 4"},
		{"the last page is short", dataarts.Switches{}, "?limit=4&offset=6", "24 24 1"},
		{"behind the last page nothing", dataarts.Switches{}, "?limit=4&offset=7", ""},
		{"a huge offset", dataarts.Switches{}, "?limit=100&offset=9223372036854775807", ""},
		{"offset counts records by switch", dataarts.Switches{RecordOffsets: true}, "?limit=4&offset=2", "02 05 4"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, test.switches)
			c.numbered(25)
			check := func(list, target string) {
				if target == v2["jobs"] && test.query == "" {
					return // 100 rows by default
				}
				got, total := names(t, c.want(200, "", "GET", target+test.query, ""), list)
				text := ""
				if len(got) > 0 {
					text = fmt.Sprintf("%s %s %d", got[0], got[len(got)-1], len(got))
				}
				if text != test.want || total != "25" {
					t.Errorf("%s: %q of %s, want %q of 25", target, text, total, test.want)
				}
			}
			for list, target := range lists {
				check(list, target)
			}
			for list, target := range v2 {
				check(list, target)
			}
		})
	}
}

func TestLists_refuse_bad_paging(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	for _, target := range []string{"/jobs", "/scripts", "/resources", "/connections", "v2:/v2/{p}/factory/scripts"} {
		for _, query := range []string{"limit=0", "limit=101", "limit=-1", "limit=x", "offset=-1", "offset=1.5", "limit=99999999999999999999"} {
			c.want(400, "DLF.3051", "GET", target+"?"+query, "")
		}
		c.want(200, "", "GET", target+"?limit=100", "")
	}
	c.want(400, "DLF.3051", "GET", "/jobs?jobType=OTHER", "")
	c.want(200, "", "GET", "v2:/v2/{p}/factory/jobs?limit=1000", "")
	c.want(400, "DLF.3051", "GET", "v2:/v2/{p}/factory/jobs?limit=1001", "")
	c.SetSwitches(func(s *dataarts.Switches) { s.MaxLimit = 1000 })
	c.want(200, "", "GET", "/jobs?limit=1000", "")
	c.want(400, "DLF.3051", "GET", "/jobs?limit=1001", "")
}

func TestLists_filter_by_parts_of_names_whatever_their_case(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	for _, name := range []string{"orders", "ODS_Orders_df", "other"} {
		c.seed(dataarts.Jobs, batchJob(name))
		c.seed(dataarts.Scripts, shellScript(name))
		c.seed(dataarts.Resources, jar(name, "/"))
		c.seed(dataarts.Connections, `{"name":"`+name+`","type":"DWS","config":{}}`)
	}
	for target, list := range map[string]string{"/jobs?jobName=": "jobs", "/scripts?scriptName=": "scripts", "/resources?resourceName=": "resources",
		"/connections?connectionName=": "connections", "v2:/v2/{p}/factory/jobs?job_name=": "jobs", "v2:/v2/{p}/factory/scripts?script_name=": "scripts"} {
		got, total := names(t, c.want(200, "", "GET", target+"orders", ""), list)
		if !cmp.Equal(got, []string{"orders", "ODS_Orders_df"}) || total != "2" {
			t.Errorf("%s: %v of %s", target, got, total)
		}
	}
}

func TestListJobs_rows(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	c.want(204, "", "POST", "/jobs", `{"directory":"/test","basicConfig":{"owner":"boss","priority":2},"singleNodeJobFlag":true,`+strings.TrimPrefix(batchJob("b"), "{"))
	c.want(204, "", "POST", "/jobs", strings.Replace(batchJob("r"), "BATCH", "REAL_TIME", 1))
	t.Run("of batch jobs, which are the default", func(t *testing.T) {
		want := `{"total":1,"jobs":[{"createTime":1695642746000,"createUser":"test_user","jobType":"BATCH","lastUpdateTime":1695642746000,` +
			`"lastUpdateUser":"test_user","name":"b","owner":"boss","path":"/test/","priority":2,"singleNodeJobFlag":true,"status":"STOPPED"}]}`
		if got := c.want(200, "", "GET", "/jobs", ""); got != want {
			t.Errorf("list: %s\nwant  %s", got, want)
		}
	})
	t.Run("of real-time jobs carry few fields", func(t *testing.T) {
		want := `{"total":1,"jobs":[{"createTime":1695642747000,"createUser":"test_user","jobType":"REAL_TIME","name":"r"}]}`
		if got := c.want(200, "", "GET", "/jobs?jobType=REAL_TIME", ""); got != want {
			t.Errorf("list: %s\nwant  %s", got, want)
		}
	})
	t.Run("of V2 hold both types and are spelled with underscores", func(t *testing.T) {
		want := `{"total":2,"jobs":[{"create_time":1695642746000,"create_user":"test_user","job_type":"BATCH","last_update_time":1695642746000,` +
			`"last_update_user":"test_user","name":"b","owner":"boss","path":"/test/","priority":2,"single_node_job_flag":true,"status":"STOPPED","job_id":608627},` +
			`{"create_time":1695642747000,"create_user":"test_user","job_type":"REAL_TIME","name":"r","job_id":608628}]}`
		if got := c.want(200, "", "GET", "v2:/v2/{p}/factory/jobs", ""); got != want {
			t.Errorf("list: %s\nwant  %s", got, want)
		}
	})
	t.Run("tell when a job ran, once it did", func(t *testing.T) {
		c.want(204, "", "POST", "/jobs/b/start", "")
		got := c.want(200, "", "GET", "/jobs", "")
		for _, want := range []string{`"lastInstanceEndTime":`, `"lastInstanceStatus":"success"`, `"startTime":`, `"status":"SCHEDULING"`} {
			if !strings.Contains(got, want) {
				t.Errorf("list: %s lacks %s", got, want)
			}
		}
	})
}

func TestListJobs_filters_by_tags(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	c.seed(dataarts.Jobs, `{"basicConfig":{"tags":["daily"]},`+strings.TrimPrefix(batchJob("a"), "{"), batchJob("b"), batchJob("c"))
	c.want(204, "", "POST", "v2:/v2/{p}/factory/jobs/b/tags", `{"tag_names":["ods"]}`)
	if got, _ := names(t, c.want(200, "", "GET", "/jobs?tags=daily,ods", ""), "jobs"); !cmp.Equal(got, []string{"a", "b"}) {
		t.Errorf("tagged: %v", got)
	}
	c.want(204, "", "POST", "v2:/v2/{p}/factory/jobs/b/tags", `{"tag_names":[]}`)
	if got, _ := names(t, c.want(200, "", "GET", "/jobs?tags=ods", ""), "jobs"); len(got) != 0 {
		t.Errorf("after the tags were removed: %v", got)
	}
}

func TestLists_lie_about_their_total_by_switch(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	c.numbered(3)
	for _, delta := range []int{2, -2} {
		c.SetSwitches(func(s *dataarts.Switches) { s.TotalDelta = delta })
		for _, list := range []string{"jobs", "scripts", "resources"} {
			got, total := names(t, c.want(200, "", "GET", "/"+list, ""), list)
			if len(got) != 3 || total != fmt.Sprint(3+delta) {
				t.Errorf("%s: %d rows of %s, want 3 of %d", list, len(got), total, 3+delta)
			}
		}
	}
}

func TestLists_keep_the_order_of_creation(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	for _, name := range []string{"b", "a", "c"} {
		c.want(204, "", "POST", "/jobs", batchJob(name))
	}
	c.want(204, "", "PUT", "/jobs/b", batchJob("b"))
	c.want(204, "", "DELETE", "/jobs/a", "")
	c.want(204, "", "POST", "/jobs", batchJob("a"))
	if got, _ := names(t, c.want(200, "", "GET", "/jobs", ""), "jobs"); !cmp.Equal(got, []string{"b", "c", "a"}) {
		t.Errorf("order: %v", got)
	}
}

func TestWrites_become_visible_late_by_switch(t *testing.T) {
	t.Parallel()
	t.Run("after some reads", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{StaleReads: 2})
		c.seed(dataarts.Jobs, batchJob("old"))
		c.want(204, "", "POST", "/jobs", batchJob("new"))
		c.want(400, "DLF.0102", "POST", "/jobs", batchJob("new")) // writers see it at once
		c.want(400, "DLF.0100", "GET", "/jobs/new", "")
		if got, total := names(t, c.want(200, "", "GET", "/jobs", ""), "jobs"); !cmp.Equal(got, []string{"old"}) || total != "1" {
			t.Errorf("second read: %v of %s", got, total)
		}
		c.want(200, "", "GET", "/jobs/new", "")

		c.want(204, "", "PUT", "/jobs/new", strings.Replace(batchJob("new"), "EXECUTE_ONCE", "CRON", 1))
		for read, want := range []string{"EXECUTE_ONCE", "EXECUTE_ONCE", "CRON"} {
			if got := c.want(200, "", "GET", "/jobs/new", ""); !strings.Contains(got, want) {
				t.Errorf("read %d after a change: %s, want %s", read, got, want)
			}
		}
		c.want(204, "", "DELETE", "/jobs/new", "")
		c.want(200, "", "GET", "/jobs/new", "")
		if got, _ := names(t, c.want(200, "", "GET", "/jobs", ""), "jobs"); !slices.Contains(got, "new") {
			t.Errorf("second read after a deletion: %v", got)
		}
		c.want(400, "DLF.0100", "GET", "/jobs/new", "")
	})
	t.Run("of environment variables too", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{StaleReads: 1})
		c.want(200, "", "PUT", "v2:/v2/{p}/factory/env", `{"params":[{"name":"a","type":"constant","value":"1"}]}`)
		if got := c.want(200, "", "GET", "v2:/v2/{p}/factory/env", ""); got != `{"params":[]}` {
			t.Errorf("first read: %s", got)
		}
		if got := c.want(200, "", "GET", "v2:/v2/{p}/factory/env", ""); !strings.Contains(got, `"a"`) {
			t.Errorf("second read: %s", got)
		}
	})
}
