package dataarts_test

import (
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

func TestScripts_live(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	sent := `{"name":"echoTimeShell","content":"echo <a> & \u2028","type":"Shell","x":{"n":12345678901234567890,"f":1.0},"targetStatus":"SUBMITTED","approvers":[{"approverName":"u"}]}`
	kept := `{"name":"echoTimeShell","content":"echo <a> & \u2028","type":"Shell","x":{"n":12345678901234567890,"f":1.0},"directory":"/","autoAcquireLock":true`
	c.want(204, "", "POST", "/scripts", sent)
	want := kept + `,"id":"608627","owner":"test_user","version":1,"createUser":"test_user","modifyTime":1695642746000}`
	if got := c.want(200, "", "GET", "/scripts/echoTimeShell", ""); got != want {
		t.Errorf("show: %s\nwant  %s", got, want)
	}
	want = `{"total":1,"scripts":[` + kept + `,"owner":"test_user","version":1,"createUser":"test_user","modifyTime":1695642746000}]}`
	if got := c.want(200, "", "GET", "/scripts", ""); got != want {
		t.Errorf("list: %s\nwant  %s", got, want)
	}
	changed := strings.Replace(kept, `"directory":"/"`, `"directory":"/moved/here/"`, 1) + "}"
	c.want(204, "", "PUT", "/scripts/echoTimeShell", changed)
	if got := c.want(200, "", "GET", "/scripts/echoTimeShell", ""); !strings.HasPrefix(got, strings.TrimSuffix(changed, "}")) || !strings.Contains(got, `"version":2`) {
		t.Errorf("after a change: %s", got)
	}
	c.want(204, "", "DELETE", "/scripts/echoTimeShell", "")
	c.want(400, "DLF.6201", "GET", "/scripts/echoTimeShell", "")
}

func TestScripts_refuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, method, target, body, code string }{
		{"a missing script", "GET", "/scripts/none", "", "DLF.6201"},
		{"changing a missing script", "PUT", "/scripts/none", shellScript("none"), "DLF.6201"},
		{"deleting a missing script", "DELETE", "/scripts/none", "", "DLF.6201"},
		{"a name in use", "POST", "/scripts", shellScript("there"), "DLF.0202"},
		{"a name with a slash", "POST", "/scripts", shellScript("a/b"), "DLF.0201"},
		{"no name", "POST", "/scripts", `{"type":"Shell","content":""}`, "DLF.0201"},
		{"no type", "POST", "/scripts", `{"name":"x","content":""}`, "DLF.6247"},
		{"an unknown type", "POST", "/scripts", `{"name":"x","type":"Perl","content":""}`, "DLF.6247"},
		{"no content", "POST", "/scripts", `{"name":"x","type":"Shell"}`, "DLF.0201"},
		{"a description of 256 characters", "POST", "/scripts", `{"name":"x","type":"Shell","content":"","description":"` + strings.Repeat("长", 256) + `"}`, "DLF.0201"},
		{"another name", "PUT", "/scripts/there", shellScript("other"), "DLF.0203"},
		{"another type", "PUT", "/scripts/there", strings.Replace(shellScript("there"), "Shell", "PYTHON", 1), "DLF.0203"},
		{"broken JSON", "POST", "/scripts", `{`, "DLF.3051"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, dataarts.Switches{})
			c.seed(dataarts.Scripts, shellScript("there"))
			c.want(400, test.code, test.method, test.target, test.body)
		})
	}
}

func TestScripts_sizes(t *testing.T) {
	t.Parallel()
	script := func(n int) string { return `{"name":"x","type":"Shell","content":"` + strings.Repeat("x", n) + `"}` }
	for name, test := range map[string]struct {
		switches dataarts.Switches
		size     int
	}{"4 MB": {size: 4 << 20}, "64 KB in older versions": {dataarts.Switches{ScriptLimit: 64 << 10}, 64 << 10}, "nothing": {size: 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, test.switches)
			c.want(204, "", "POST", "/scripts", script(test.size))
			if test.size > 0 {
				c.want(400, "DLF.0203", "PUT", "/scripts/x", script(test.size+1))
			}
			if got := c.want(200, "", "GET", "/scripts/x", ""); !strings.HasPrefix(got, strings.TrimSuffix(script(test.size), "}")) {
				t.Errorf("the script came back changed: %s", shorten(got))
			}
		})
	}
}

func TestScripts_errors_come_in_a_list_by_switch(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{ScriptErrorsEnvelope: true})
	if got := c.want(400, "", "GET", "/scripts/none", ""); got != `{"errors":[{"error_code":"DLF.6201","error_msg":"The script does not exist."}]}` {
		t.Errorf("error: %s", got)
	}
	if got := c.want(400, "", "GET", "/jobs/none", ""); got != `{"error_code":"DLF.0100","error_msg":"The job does not exists."}` {
		t.Errorf("error of a job: %s", got)
	}
}

func TestScripts_rows_mix_spellings_by_switch(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{SnakeScripts: true})
	c.want(204, "", "POST", "/scripts", shellScript("s"))
	want := `{"total":1,"scripts":[{"name":"s","type":"Shell","content":"echo a","directory":"/","autoAcquireLock":true,"connection_name":"con",` +
		`"create_user":"test_user","modifyTime":1695642746000,"owner":"test_user","version":1}]}`
	if got := c.want(200, "", "GET", "/scripts", ""); got != want {
		t.Errorf("list: %s\nwant  %s", got, want)
	}
}

func TestScripts_of_V2_come_without_text(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	c.want(204, "", "POST", "/scripts", shellScript("s"))
	want := `{"total":1,"scripts":[{"name":"s","type":"Shell","connection_name":"con","directory":"/","create_user":"test_user","id":"608627",` +
		`"modify_time":1695642746000,"owner":"test_user","version":1}]}`
	if got := c.want(200, "", "GET", "v2:/v2/{p}/factory/scripts", ""); got != want {
		t.Errorf("list: %s\nwant  %s", got, want)
	}
}
