package dataarts_test

import (
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

func TestResources_live(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{}, func(o *dataarts.Options) { o.NewID = func() string { return "id-x" } })
	if got := c.want(200, "", "POST", "/resources", jar("udf", "/jars")); got != `{"resourceId":"id-x"}` {
		t.Fatalf("create: %s", got)
	}
	c.want(204, "", "POST", "/jobs", `{"name":"mrJob","nodes":[{"name":"n","type":"MRSSpark","location":{},"properties":[{"name":"resourcePath","value":"obs://b/udf.jar"}]}],`+
		`"schedule":{"type":"EXECUTE_ONCE"},"processType":"BATCH"}`)
	text := strings.TrimSuffix(jar("udf", "/jars"), "}")
	want := text + `,"id":"id-x","jobRelation":[{"relationId":"1","relationType":"job","taskId":608627,"taskName":"mrJob","userName":"test_user","version":1,"scriptId":"","scriptName":"","deleted":false}]}`
	if got := c.want(200, "", "GET", "/resources/id-x", ""); got != want {
		t.Errorf("show: %s\nwant  %s", got, want)
	}
	if got, want := c.want(200, "", "GET", "/resources", ""), `{"total":1,"resources":[`+text+`,"id":"id-x"}]}`; got != want {
		t.Errorf("list: %s\nwant  %s", got, want)
	}
	c.want(204, "", "PUT", "/resources/id-x", jar("renamed", "/jars/"))
	if got := c.want(200, "", "GET", "/resources/id-x", ""); !strings.Contains(got, `"name":"renamed"`) {
		t.Errorf("after a rename: %s", got)
	}
	if id, ok := c.handle().ID(dataarts.Resources, "/jars/renamed"); !ok || id != "id-x" {
		t.Errorf("ID: %q, %v", id, ok)
	}
	c.want(204, "", "DELETE", "/resources/id-x", "")
	c.want(400, "DLF.6241", "GET", "/resources/id-x", "")
}

func TestResources_may_share_a_name_in_different_directories(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	c.want(200, "", "POST", "/resources", jar("udf", "/a"))
	c.want(200, "", "POST", "/resources", jar("udf", "/b"))
	c.want(200, "", "POST", "/resources", jar("UDF", "/a"))
	c.want(400, "DLF.6259", "POST", "/resources", jar("udf", "/a/"))
}

func TestResources_refuses(t *testing.T) {
	t.Parallel()
	with := func(member string) string { return strings.Replace(jar("x", "/"), "{", "{"+member+",", 1) }
	tests := []struct{ name, method, target, body, code string }{
		{"a missing resource", "GET", "/resources/none", "", "DLF.6241"},
		{"changing a missing resource", "PUT", "/resources/none", jar("x", "/"), "DLF.6241"},
		{"deleting a missing resource", "DELETE", "/resources/none", "", "DLF.6241"},
		{"a resource by its name", "GET", "/resources/there", "", "DLF.6241"},
		{"a name of 33 characters", "POST", "/resources", jar(strings.Repeat("a", 33), "/"), "DLF.3051"},
		{"a name with a dot", "POST", "/resources", jar("a.b", "/"), "DLF.3051"},
		{"an unknown type", "POST", "/resources", strings.Replace(jar("x", "/"), `"jar"`, `"exe"`, 1), "DLF.6263"},
		{"a location that is not on OBS", "POST", "/resources", strings.Replace(jar("x", "/"), "obs://", "https://", 1), "DLF.6264"},
		{"a location of 1024 characters", "POST", "/resources", strings.Replace(jar("x", "/"), "obs://", "obs://"+strings.Repeat("l", 1012), 1), "DLF.6264"},
		{"a depended file that is not on OBS", "POST", "/resources", with(`"dependFiles":["/tmp/x"]`), "DLF.6264"},
		{"depended packages that are not on OBS", "POST", "/resources", with(`"dependPackages":[{"type":"jar","location":""}]`), "DLF.6264"},
		{"depended files of 10241 characters", "POST", "/resources", with(`"dependFiles":[` + strings.Repeat(`"obs://`+strings.Repeat("d", 1000)+`",`, 10) + `"obs://` + strings.Repeat("d", 200) + `"]`), "DLF.6264"},
		{"a long description", "POST", "/resources", with(`"desc":"` + strings.Repeat("d", 256) + `"`), "DLF.6265"},
		{"a directory name of 33 characters", "POST", "/resources", jar("x", "/"+strings.Repeat("d", 33)), "DLF.3051"},
		{"changing the type", "PUT", "/resources/id", strings.Replace(jar("there", "/"), `"jar"`, `"file"`, 1), "DLF.6263"},
		{"changing the directory", "PUT", "/resources/id", jar("there", "/other"), "DLF.3051"},
		{"changing without a directory", "PUT", "/resources/id", `{"name":"there","type":"jar","location":"obs://b/x"}`, "DLF.3051"},
		{"renaming to a name in use", "PUT", "/resources/id", jar("other", "/"), "DLF.6259"},
		{"broken JSON", "POST", "/resources", `{`, "DLF.3051"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, dataarts.Switches{})
			c.seed(dataarts.Resources, jar("there", "/"), jar("other", "/"))
			id, _ := c.handle().ID(dataarts.Resources, "/there")
			c.want(400, test.code, test.method, strings.Replace(test.target, "/id", "/"+id, 1), test.body)
		})
	}
}

func TestResources_spellings_by_switch(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{ResourceIDKey: "resourceId", SnakeDepends: true, HideResourceID: true})
	c.want(200, "", "POST", "/resources", `{"name":"x","type":"jar","location":"obs://b/x","dependFiles":["obs://b/d"],"directory":"/"}`)
	id, _ := c.handle().ID(dataarts.Resources, "/x")
	want := `{"total":1,"resources":[{"name":"x","type":"jar","location":"obs://b/x","directory":"/","depend_files":["obs://b/d"],"resourceId":"` + id + `"}]}`
	if got := c.want(200, "", "GET", "/resources", ""); got != want {
		t.Errorf("list: %s\nwant  %s", got, want)
	}
	want = `{"name":"x","type":"jar","location":"obs://b/x","dependFiles":["obs://b/d"],"directory":"/"}`
	if got := c.want(200, "", "GET", "/resources/"+id, ""); got != want {
		t.Errorf("show: %s\nwant  %s", got, want)
	}
}

func TestConnections_are_shown_with_masked_passwords(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	if err := c.handle().AddConnection([]byte(`{"name":"dws_prod","type":"DWS","config":{"userName":"dbadmin","password":"secret","sslEnable":false}}`)); err != nil {
		t.Fatal(err)
	}
	want := `{"name":"dws_prod","type":"DWS","config":{"userName":"dbadmin","password":"*********","sslEnable":false}}`
	if got := c.want(200, "", "GET", "/connections/dws_prod", ""); got != want {
		t.Errorf("show: %s, want %s", got, want)
	}
	if got := c.want(200, "", "GET", "/connections", ""); got != `{"total":1,"connections":[`+want+`]}` {
		t.Errorf("list: %s", got)
	}
	c.want(400, "DLF.6322", "GET", "/connections/none", "")
}
