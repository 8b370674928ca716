package restore_test

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// content is what a generated workspace holds, as the console or the API may have put it there.
type content struct {
	jobs, scripts, resources []string
	env                      string
	running                  []string // names of jobs
}

// put puts the content into a workspace.
func (c content) put(t fataler, w *dataarts.WorkspaceHandle) {
	for kind, texts := range map[dataarts.Kind][]string{dataarts.Jobs: c.jobs, dataarts.Scripts: c.scripts, dataarts.Resources: c.resources, dataarts.Env: {c.env}} {
		for _, text := range texts {
			if err := w.Put(kind, []byte(text)); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
	}
	for _, job := range c.running {
		status := "SCHEDULING"
		if raw, _ := w.Asset(dataarts.Jobs, job); rawjson.StringAt(raw, "processType") == "REAL_TIME" {
			status = "NORMAL"
		}
		w.SetJobStatus(job, status)
	}
}

// asJSON is a text as JSON.
func asJSON(s string) string { return string(rawjson.Quote(s)) }

// names are those of jobs and scripts: plain ones, and such as only the console makes.
func names() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"ods", "dwd", "dws", "ads", "Twin", "twin", "TWIN", "订单 日汇总", "a b+c%d(1)", "a%20b", "what?#&x=1", "~tilde'quote", "😀", "ods.job", "ods.script",
		".hidden", "-", "con", "{project_id}", "manifest.json", "a;b,c", `back\slash"`, "é", "e\u0301", strings.Repeat("数", 128), strings.Repeat("n", 128)})
}

// texts are what encoders and careless editors spoil.
func texts() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"", "SELECT 1;\r\nSELECT '<&>';\r\n", "\ufeffselect", "a\u2028b\u2029c", "\x01\x02\x7f\u0085\t", "数据 😀", `\u0041 \" \\ %s ${dlf.x}`, "\n\n\n", "null",
			`#{Env.get("dlf.x")} #{Env.get('a')}`, strings.Repeat("0123456789abcde\n", 4<<10)}),
		rapid.StringN(0, 40, -1))
}

// unknown are fields that no documentation has, with values that no struct holds.
func unknown() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"", "", `,"x_big":12345678901234567890`, `,"x_float":1.0,"x_exp":1e3,"x_zero":-0.0`, `,"x_null":null,"x_list":[[],{},[null]]`,
		`,"x \u00e9 \/":"<a href='x'>&amp; \ud83d\ude00 \/"`, `,"resouces":[],"value_is_sensitive":true`})
}

// amount is how many assets of a kind a workspace has: few, since what matters is how they go together.
func amount(t *rapid.T, what string, most int) int { return rapid.IntRange(0, most).Draw(t, what) }

// some are some of the given names.
func some(t *rapid.T, of []string, most int, what string) []string {
	if len(of) == 0 {
		return nil
	}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, min(most, len(of)), rapid.ID[string]).Draw(t, what)
}

func list(names []string) string {
	quoted := []string{}
	for _, name := range names {
		quoted = append(quoted, asJSON(name))
	}
	return "[" + strings.Join(quoted, ",") + "]"
}

// contents generates workspaces.
func contents() *rapid.Generator[content] {
	return rapid.Custom(func(t *rapid.T) content {
		var c content
		jobs := rapid.SliceOfNDistinct(names(), 0, 5, rapid.ID[string]).Draw(t, "jobs")
		scripts := rapid.SliceOfNDistinct(names(), 0, 3, rapid.ID[string]).Draw(t, "scripts")
		for _, name := range jobs {
			c.jobs = append(c.jobs, job(t, name, jobs, scripts))
		}
		for _, name := range scripts {
			c.scripts = append(c.scripts, script(t, name))
		}
		seen := map[string]bool{}
		for range amount(t, "resources", 3) {
			name := rapid.SampledFrom([]string{"udf", "UDF", "数", "a-b_c"}).Draw(t, "resource")
			directory := rapid.SampledFrom([]string{"/", "/a", "/a/b", "/中", "/A"}).Draw(t, "directory")
			if !seen[directory+"/"+name] {
				seen[directory+"/"+name] = true
				c.resources = append(c.resources, resource(t, name, directory))
			}
		}
		c.env = environment(t)
		c.running = some(t, jobs, 3, "running")
		return c
	})
}

func job(t *rapid.T, name string, jobs, scripts []string) string {
	depend := func() string {
		on := some(t, jobs, 2, "depends on")
		same := ""
		for _, other := range some(t, jobs, 1, "depends on, in the other list") {
			same = `,"sameWorkSpaceJobs":[{"jobName":` + asJSON(other) + `,"dependOnLastPeriod":true` + unknown().Draw(t, "more") + `}]`
		}
		return `"dependJobs":{"jobs":` + list(on) + same + `,"dependPeriod":"SAME_PERIOD"` + unknown().Draw(t, "more") + `}`
	}
	cron := func() string {
		s := `"startTime":"2026-01-01T00:00:00+08","expression":"0 0 1 * * ?"` + unknown().Draw(t, "more")
		if rapid.Bool().Draw(t, "depends") {
			s += "," + depend()
		}
		return "{" + s + "}"
	}
	var schedule string
	switch rapid.IntRange(0, 5).Draw(t, "schedule") {
	case 0:
		schedule = `{"type":"EXECUTE_ONCE"}`
	case 1:
		schedule = `{"type":"CRON"}`
	case 2:
		schedule = `{"type":"EVENT","event":{"eventType":"KAFKA","channel":"c","concurrent":1` + unknown().Draw(t, "more") + `}}`
	default:
		schedule = `{"type":"CRON","cron":` + cron() + unknown().Draw(t, "more") + `}`
	}
	var nodes []string
	for i := range amount(t, "nodes", 3) {
		kind := rapid.SampledFrom([]string{"HiveSQL", "SparkSQL", "DWSSQL", "DLISQL", "RDS SQL", "Shell", "Python", "CDMJob", "MRSSpark", "MapReduce", "DLISpark", "MRSFlink", "MRSHetuEngine",
			"OBSManager", "RESTAPI", "SMN", "Dummy", "SubJob", "For Each", "Not yet known"}).Draw(t, "type")
		properties := []string{`{"name":"connectionName","value":"c1"` + unknown().Draw(t, "more") + `}`}
		for _, p := range some(t, []string{"scriptName", "jobName", "resourcePath", "sql", "number", "clusterName", "database", "Database"}, 4, "properties") {
			value := asJSON("x")
			switch p {
			case "scriptName":
				for _, s := range some(t, scripts, 1, "script") {
					value = asJSON(s)
				}
			case "jobName":
				for _, j := range some(t, jobs, 1, "called") {
					value = asJSON(j)
				}
			case "resourcePath":
				value = `"obs://libs/a.jar"`
			case "sql":
				value = asJSON(texts().Draw(t, "sql"))
			case "number":
				value = "9007199254740993"
			}
			properties = append(properties, fmt.Sprintf(`{"name":%q,"value":%s}`, p, value))
		}
		trigger := ""
		if rapid.IntRange(0, 4).Draw(t, "trigger") == 0 {
			trigger = `,"cronTrigger":` + cron()
		}
		nodes = append(nodes, fmt.Sprintf(`{"name":"n%d","type":%q,"location":{"x":%s,"y":"-45.5"},"properties":[%s]%s%s}`, i, kind,
			rapid.SampledFrom([]string{`"1"`, "1", "-45.50"}).Draw(t, "x"), strings.Join(properties, ","), trigger, unknown().Draw(t, "more")))
	}
	process := rapid.SampledFrom([]string{"BATCH", "BATCH", "BATCH", "REAL_TIME"}).Draw(t, "processType")
	odd := rapid.SampledFrom([]string{"", `,"cleanoverdueDays":"60"`, `,"cleanOverdueDays":60,"basicConfig":{"owner":"o","tags":{},"priority":0}`, `,"basicConfig":{"tags":["a","b"],"customFields":"x"}`,
		`,"params":[{"name":"p","value":"1.0","type":"variable"}]`, `,"description":"d","version":"1.0"`, `,"emptyRunningJob":"0","logPath":"obs://log/x/"`}).Draw(t, "odd")
	return fmt.Sprintf(`{"name":%s,"processType":%q,"directory":%s,"schedule":%s,"nodes":[%s]%s%s}`, asJSON(name), process,
		rapid.SampledFrom([]string{`"/"`, `"/a"`, `"/a/b c"`, `"/数/😀"`}).Draw(t, "directory"), schedule, strings.Join(nodes, ","), odd, unknown().Draw(t, "more"))
}

func script(t *rapid.T, name string) string {
	kind := rapid.SampledFrom([]string{"FlinkSQL", "DLISQL", "SparkSQL", "HiveSQL", "DWSSQL", "RDSSQL", "Shell", "PRESTO", "ClickHouseSQL", "HetuEngineSQL", "PYTHON", "ImpalaSQL",
		"Spark Python", "SparkPython"}).Draw(t, "type")
	odd := rapid.SampledFrom([]string{"", `,"directory":"/a/b"`, `,"configuration":{"k":"v","n":1.0}`, `,"description":"d","autoAcquireLock":false`, `,"queueName":"q"`}).Draw(t, "odd")
	return fmt.Sprintf(`{"name":%s,"type":%q,"content":%s,"connectionName":"c1"%s%s}`, asJSON(name), kind, asJSON(texts().Draw(t, "content")), odd, unknown().Draw(t, "more"))
}

func resource(t *rapid.T, name, directory string) string {
	odd := rapid.SampledFrom([]string{"", `,"dependFiles":["obs://libs/b.jar","obs://gone/c.jar"]`, `,"dependPackages":[{"type":"jar","location":"obs://libs/a.jar"},{"type":"pyFile","location":"obs://gone/d.py"}]`,
		`,"dependFiles":[],"desc":""`}).Draw(t, "odd")
	return fmt.Sprintf(`{"name":%q,"type":%q,"directory":%q,"location":%q%s%s}`, name, rapid.SampledFrom([]string{"jar", "file", "archive", "pyFile"}).Draw(t, "type"), directory,
		rapid.SampledFrom([]string{"obs://libs/a.jar", "obs://libs/a b+c%20d/数据.jar", "obs://gone/x.jar", "hdfs://ns/x.jar"}).Draw(t, "location"), odd, unknown().Draw(t, "more"))
}

func environment(t *rapid.T) string {
	var all []string
	for _, name := range some(t, []string{"a", "dlf.x", "A", "x-y_z.1", strings.Repeat("v", 64)}, 4, "variables") {
		all = append(all, fmt.Sprintf(`{"name":%q,"type":%q,"value":%s%s}`, name, rapid.SampledFrom([]string{"variable", "constant"}).Draw(t, "type"),
			asJSON(rapid.SampledFrom([]string{"", "1", `"05"`, "#{DateUtil.now()}", "a.b", "<&>\u2028"}).Draw(t, "value")), rapid.SampledFrom([]string{"", `,"desc":"d"`, `,"x_unknown":1.0`}).Draw(t, "more")))
	}
	return variables(all...)
}

// since is the content after somebody has worked on it: assets changed, gone and new. Types stay: the service cannot change one.
func (c content) since(t *rapid.T) content {
	var now content
	edited := func(texts []string, edit func(string) string) (kept []string) {
		for _, text := range texts {
			switch rapid.IntRange(0, 3).Draw(t, "what became of it") {
			case 0: // gone
			case 1:
				kept = append(kept, text)
			default:
				kept = append(kept, edit(text))
			}
		}
		return kept
	}
	set := func(name, value string) func(string) string {
		return func(text string) string { return string(rawjson.Set([]byte(text), name, []byte(value))) }
	}
	left := map[string]bool{}
	now.scripts = edited(c.scripts, set("content", `"somebody else's"`))
	now.resources = edited(c.resources, set("desc", `"somebody else's"`))
	now.jobs = edited(c.jobs, func(text string) string {
		return rapid.SampledFrom([]func(string) string{set("description", `"somebody else's"`), set("schedule", `{"type":"EXECUTE_ONCE"}`), set("nodes", "[]"), set("processType", `"BATCH"`),
			set("x_more", "1.0")}).Draw(t, "edit")(text)
	})
	for _, text := range now.jobs {
		left[rawjson.StringAt([]byte(text), "name")] = true
	}
	now.jobs = append(now.jobs, `{"name":"only live","processType":"BATCH","directory":"/","schedule":{"type":"EXECUTE_ONCE"},"nodes":[]}`)
	now.env = rapid.SampledFrom([]string{c.env, variables(variable("only_live", "1")), variables(variable("a", "somebody else's"), variable("only_live", "1")), variables()}).Draw(t, "env")
	for name := range left {
		if rapid.Bool().Draw(t, "runs") {
			now.running = append(now.running, name)
		}
	}
	return now
}
