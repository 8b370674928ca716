package asset_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
)

const job = `{"id":608627,"name":"j","version":"1","x":{"id":1,"n":12345678901234567890},"createTime":"1695642745000","nodes":[
 {"name":"sql","type":"HiveSQL","properties":[{"name":"scriptName","value":"s1"},{"name":"connectionName","value":"old"},{"name":"connectionId","value":"c1"},{"name":"database","value":"db"}]},
 {"name":"hetu","type":"MRSHetuEngine","properties":[{"name":"Database","value":"HDB"},{"name":"connectionName","value":7}]},
 {"name":"cdm","type":"CDMJob","properties":[{"name":"clusterName","value":"cdm1"},{"value_is_sensitive":false,"name":"clusterId","value":"id1"},{"name":"jobName","value":"ods_orders"}]},
 {"name":"sub","type":"SubJob","properties":[{"name":"jobName","value":"dwd_job"}],"cronTrigger":{"period":"1","dependJobs":{"jobs":["t"]}}},
 {"name":"empty","type":"Dummy","properties":[]}],
 "schedule":{"type":"CRON","cron":{"expressionTimeZone":"GMT+8","dependJobs":{"jobs":["a","b"],"sameWorkSpaceJobs":[{"jobName":"a"},{"jobName":"c"}],"otherWorkSpaceJobs":[{"jobName":"elsewhere"}]}}},
 "logPath":"obs://log/x","lastUpdateUser":"me","downstreamJobs":[]}`

func TestStored_LosesNothingButWhatTheServerOwns(t *testing.T) {
	t.Parallel()
	got := string(asset.Stored(asset.Jobs, []byte(job)))
	for _, kept := range []string{`"x":{"id":1,"n":12345678901234567890}`, `"connectionId","value":"c1"`, `"logPath":"obs://log/x"`} {
		if !strings.Contains(got, kept) {
			t.Errorf("%s is lost in %s", kept, got)
		}
	}
	for _, gone := range []string{"608627", `"version"`, "createTime", "lastUpdateUser", "downstreamJobs"} {
		if strings.Contains(got, gone) {
			t.Errorf("%s is still in %s", gone, got)
		}
	}
}

func TestBindings_AreThoseOfEveryNodeInTheSpellingOfTheWire(t *testing.T) {
	t.Parallel()
	var lines []string
	for _, b := range asset.Bindings(asset.Jobs, []byte(job)) {
		line := b.Type + " " + b.Node
		for _, v := range b.Values {
			line += " " + v.Wire + "=" + v.Value
		}
		lines = append(lines, line)
	}
	want := []string{"HiveSQL sql connectionName=old database=db", "MRSHetuEngine hetu Database=HDB", "CDMJob cdm clusterName=cdm1", "SubJob sub", "Dummy empty"}
	if !slices.Equal(lines, want) {
		t.Errorf("%q, want %q", lines, want)
	}
}

func TestRebind_ChangesTheValuesAndDropsTheStaleIDsAndNothingElse(t *testing.T) {
	t.Parallel()
	got := asset.Rebind(asset.Jobs, []byte(job), func(b asset.Binding, v asset.BoundValue) string {
		switch v.Value {
		case "old":
			return "new <&> \"中\""
		case "cdm1":
			return "cdm2"
		}
		return v.Value
	})
	want := strings.NewReplacer(`"old"`, `"new <&> \"中\""`, `"cdm1"`, `"cdm2"`, `,{"name":"connectionId","value":"c1"}`, "",
		`,{"value_is_sensitive":false,"name":"clusterId","value":"id1"}`, "").Replace(job)
	if string(got) != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	same := asset.Rebind(asset.Jobs, []byte(job), func(_ asset.Binding, v asset.BoundValue) string { return v.Value })
	if string(same) != job {
		t.Errorf("without a change: %s", same)
	}
}

func TestRebind_OfAScriptDropsItsConnectionID(t *testing.T) {
	t.Parallel()
	got := asset.Rebind(asset.Scripts, []byte(`{"name":"s","connectionId":"1","connectionName":"a","database":"d","content":"connectionName"}`),
		func(_ asset.Binding, v asset.BoundValue) string { return v.Value + "2" })
	if string(got) != `{"name":"s","connectionName":"a2","database":"d2","content":"connectionName"}` {
		t.Errorf("%s", got)
	}
}

func TestBindings_KnowTheNameThatTheListOfScriptsHasForAConnection(t *testing.T) {
	t.Parallel()
	const listed = `{"name":"s","type":"HiveSQL","connection_name":"old","database":"d"}`
	b := asset.Bindings(asset.Scripts, []byte(listed))
	if len(b) != 1 || len(b[0].Values) != 2 || b[0].Values[0].Wire != "connection_name" || b[0].Values[0].Value != "old" {
		t.Fatalf("%+v", b)
	}
	got := asset.Rebind(asset.Scripts, []byte(listed), func(_ asset.Binding, v asset.BoundValue) string { return strings.Replace(v.Value, "old", "new", 1) })
	if string(got) != `{"name":"s","type":"HiveSQL","connection_name":"new","database":"d"}` {
		t.Errorf("%s", got)
	}
}

func TestTaken_HasTheNamesOfTheCreatePages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind       asset.Kind
		text, want string
	}{
		{asset.Scripts, `{"name":"s","connection_name":"c","database":"d"}`, `{"name":"s","database":"d","connectionName":"c"}`},
		{asset.Scripts, `{"connection_name":"c","connectionName":"d"}`, `{"connection_name":"c","connectionName":"d"}`},
		{asset.Scripts, `{"name":"connection_name"}`, `{"name":"connection_name"}`},
		{asset.Resources, `{"depend_files":["obs://b/x"]}`, `{"dependFiles":["obs://b/x"]}`},
		{asset.Jobs, `{"connection_name":"c","depend_files":[]}`, `{"connection_name":"c","depend_files":[]}`},
		{asset.Env, `{"params":[]}`, `{"params":[]}`},
	} {
		if got := asset.Taken(c.kind, []byte(c.text)); string(got) != c.want {
			t.Errorf("%s %s: %s, want %s", c.kind, c.text, got, c.want)
		}
	}
}

func TestReferences_TakeNoForeignJobForAJobOfFactory(t *testing.T) {
	t.Parallel()
	got := fmt.Sprintf("%+v", asset.ReferencesOf([]byte(job)))
	if want := "{Dependencies:[a b c t] Elsewhere:[elsewhere] Called:[dwd_job] Scripts:[s1] Files:[]}"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWithoutDependencies_CutsThemEverywhere(t *testing.T) {
	t.Parallel()
	got := asset.WithoutDependencies([]byte(job))
	if r := asset.ReferencesOf(got); len(r.Dependencies) > 0 || len(r.Called) != 1 || !strings.Contains(string(got), `"cron":{"expressionTimeZone":"GMT+8"}`) {
		t.Errorf("%+v in %s", r, got)
	}
}

func TestVariables_AreFoundInExpressions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`{"a":"#{Env.get(\"bucket\")}/#{Env.get('month')}","b":"Env.get(x) Env.get(\"bucket\")"}`: {"bucket", "month"},
		`{"a":"#{ Env . get ( \"dlf.a-b\" ) }"}`:                                                  {"dlf.a-b"},
		`{"content":"select Env\n.get(\n\t'x'\r\n)"}`:                                             {"x"},
		`{"a":"#{Env.get(\u0022u\u0022)}#{Env.get(\u0027v\u0027)}"}`:                              {"u", "v"},
		`{"a":"#{Env.get(\"open)} #{Env.get('')} Env.getAll('x') Environment.get('y')"}`:          nil,
		`{"Env":"EnvEnv.get('z')","b":"Env."}`:                                                    {"z"},
	} {
		if got := asset.VariablesOf([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestFileLocations_AreListedOnceInEitherSpelling(t *testing.T) {
	t.Parallel()
	got := asset.FileLocations([]byte(`{"location":"obs://b/a","dependFiles":["obs://b/c","obs://b/a"],"depend_packages":[{"type":"jar","location":"hdfs://d"}]}`))
	if !slices.Equal(got, []string{"obs://b/a", "obs://b/c", "hdfs://d"}) {
		t.Errorf("%q", got)
	}
	moved := asset.RewriteOBSPaths(asset.Resources, []byte(`{"location":"obs://b/a","dependPackages":[{"location":"obs://b/c"}]}`), func(p string) string {
		return strings.Replace(p, "obs://b/", "obs://new/", 1)
	})
	if string(moved) != `{"location":"obs://new/a","dependPackages":[{"location":"obs://new/c"}]}` {
		t.Errorf("%s", moved)
	}
}

func TestChanges_NameAFieldAsACreateTakesIt(t *testing.T) {
	t.Parallel()
	changes, err := asset.Changes(asset.Scripts, []byte(`{"connection_name":"a"}`), []byte(`{"connectionName":"b"}`))
	if err != nil || len(changes) != 1 || changes[0].Path != "connectionName" || changes[0].From != `"a"` || changes[0].To != `"b"` {
		t.Errorf("%+v %v", changes, err)
	}
}
