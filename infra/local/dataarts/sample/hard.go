package sample

import (
	"bytes"
	"embed"
	"fmt"
	"path"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

// documents are payloads from the API references of both clouds, from Huawei's Terraform provider and from console exports.
//
//go:embed assets/*.json
var documents embed.FS

// bulk is how many more assets of each kind Hard adds, so that no list fits on one page.
const bulk = 101

// Hard adds everything that a backup could get wrong and the API accepts: the payloads of the documents, unknown keys at every level, numbers
// that no float holds, text that encoders like to escape, names at the edge of the rules, the smallest and the largest script, more than a page of
// each kind. LooseNames and Cycle add what the API does not accept.
func Hard(w *dataarts.WorkspaceHandle) error {
	h := hard{w: w}
	for _, step := range []func() error{h.documented, h.odd, h.named, h.scripts, h.dependent, h.many, h.env} {
		if err := step(); err != nil {
			return fmt.Errorf("fill workspace %s: %w", w.Info().ID, err)
		}
	}
	return nil
}

// LooseNames adds assets whose names only the console makes. The API takes them if the switch LooseNames is on.
func LooseNames(w *dataarts.WorkspaceHandle) error {
	h := hard{w: w}
	for _, name := range []string{"a b+c%d(1)", "a%20b", "what?#", "x=1&y=2", "{project_id}", "~tilde'quote", "..", "."} {
		if err := h.everywhere(name); err != nil {
			return err
		}
	}
	return nil
}

// Cycle adds two jobs that depend on each other, and one that depends on them. Two clients that edit at the same time can make that; the API's
// checks cannot.
func Cycle(w *dataarts.WorkspaceHandle) error {
	h := hard{w: w}
	return h.all(dataarts.Jobs,
		dependentJob("cycle_a", "cycle_b"), dependentJob("cycle_b", "cycle_a"), dependentJob("after_cycle", "cycle_a"))
}

type hard struct{ w *dataarts.WorkspaceHandle }

func (h hard) all(kind dataarts.Kind, raws ...string) error {
	for _, raw := range raws {
		if err := h.w.Put(kind, []byte(raw)); err != nil {
			return err
		}
	}
	return nil
}

// documented adds the embedded payloads. Several are called alike; those after the first get a number.
func (h hard) documented() error {
	files, err := documents.ReadDir("assets")
	if err != nil {
		return err
	}
	used := map[string]int{}
	for _, file := range files {
		raw, err := documents.ReadFile(path.Join("assets", file.Name()))
		if err != nil {
			return err
		}
		var kind dataarts.Kind
		switch prefix, _, _ := strings.Cut(file.Name(), "_"); prefix {
		case "job":
			kind = dataarts.Jobs
		case "script":
			kind = dataarts.Scripts
		case "resource":
			kind = dataarts.Resources
		default: // The list of variables is made by env.
			continue
		}
		if kind == dataarts.Scripts && !gjson.GetBytes(raw, "content").Exists() {
			continue // a row of a list, no definition
		}
		name := gjson.GetBytes(raw, "name")
		key := string(kind) + name.String()
		if used[key]++; used[key] > 1 {
			number := fmt.Sprintf("_%d\"", used[key])
			raw = bytes.Join([][]byte{raw[:name.Index], []byte(strings.TrimSuffix(name.Raw, `"`) + number), raw[name.Index+len(name.Raw):]}, nil)
		}
		if err := h.w.Put(kind, raw); err != nil {
			return fmt.Errorf("%s: %w", file.Name(), err)
		}
	}
	return nil
}

// odd adds one asset of each kind with what a struct or a careless encoder would lose.
func (h hard) odd() error {
	const more = `"x_unknown":{"deep":[1.0,1,1e3,12345678901234567890,-0.0,null,true,{"k":[]}]},"x_text":"<a href='x'>&amp; \u2028` + "\u2028" + ` \u00e9é \/ \ud83d\ude00"`
	job := `{ "name":"odd_job", ` + more + `,"nodes":[{"name":"n1","type":"HiveSQL","location":{"x":-45.50,"y":"1",` + more + `},"preNodeName":[],` +
		`"properties":[{"name":"connectionName","value":"mrs_hive_prod",` + more + `},{"name":"timeout","value":9007199254740993}],"resouces":[ ],` + more + `}],` +
		`"schedule":{"type":"CRON","cron":{"startTime":"2026-01-01T00:00:00+08","expression":"0 0 1 * * ?","dependJobs":{"jobs":[],` + more + `},` + more + `},` + more + `},` +
		`"processType":"BATCH","basicConfig":{"owner":"o","tags":{},` + more + `},"params":[{"name":"p","value":"1.0",` + more + `}],"cleanoverdueDays":"60"}`
	return errorOf(
		h.all(dataarts.Jobs, job),
		h.all(dataarts.Scripts, `{"name":"odd_script","type":"HiveSQL","content":"SELECT '<&>' \u2028\t\n-- 数据 😀","connectionName":"mrs_hive_prod","configuration":{`+more+`},`+more+`}`),
		h.all(dataarts.Resources, `{"name":"odd_resource","type":"jar","location":"obs://dlf-prod/a b+c%20d/数据.jar","desc":"<&>","directory":"/odd",`+more+`}`),
	)
}

// named adds names at the edge of the rules.
func (h hard) named() error {
	for _, name := range []string{"订单_日汇总", "Case", "case", "CASE", "-", "_", "con", "0"} {
		if err := h.everywhere(name); err != nil {
			return err
		}
	}
	for _, name := range []string{strings.Repeat("a", 128), strings.Repeat("数", 128), "a.b", ".hidden", "a.job"} {
		if err := errorOf(h.all(dataarts.Jobs, batchJob(name)), h.all(dataarts.Scripts, shell(name, "echo "+name))); err != nil {
			return err
		}
	}
	return h.all(dataarts.Resources, resource(strings.Repeat("数", 32), "/"+strings.Repeat("d", 32)), resource("twin", "/a"), resource("twin", "/b"), resource("twin", "/a/b"),
		resource("deep", "/1/2/3/4/5/6/7/8/9/10"))
}

// everywhere adds a job, a script and a resource of one name.
func (h hard) everywhere(name string) error {
	return errorOf(h.all(dataarts.Jobs, batchJob(name)), h.all(dataarts.Scripts, shell(name, "echo 1")), h.all(dataarts.Resources, resource(name, "/names")))
}

// scripts adds the smallest and the largest text.
func (h hard) scripts() error {
	return h.all(dataarts.Scripts, shell("empty_script", ""), shell("largest_script", strings.Repeat("0123456789abcde\n", 4<<20/16)))
}

// dependent adds jobs whose order matters.
func (h hard) dependent() error {
	return h.all(dataarts.Jobs,
		batchJob("zz_first"), dependentJob("aa_second", "zz_first"), dependentJob("zz_third", "aa_second", "zz_first"),
		// A CDM job and a job of the workspace share a name: the node's jobName is not a dependency.
		`{"name":"aa_cdm","nodes":[{"name":"n","type":"CDMJob","location":{"x":"0","y":"0"},"properties":[{"name":"clusterName","value":"cdm-prod"},{"name":"jobName","value":"zz_cdm"}]}],`+
			`"schedule":{"type":"EXECUTE_ONCE"},"processType":"BATCH"}`,
		`{"name":"zz_cdm","nodes":[{"name":"n","type":"CDMJob","location":{"x":"0","y":"0"},"properties":[{"name":"clusterName","value":"cdm-prod"},{"name":"jobName","value":"aa_cdm"}]}],`+
			`"schedule":{"type":"EXECUTE_ONCE"},"processType":"BATCH"}`)
}

func (h hard) many() error {
	for i := range bulk {
		name := fmt.Sprintf("bulk_%03d", i)
		if err := errorOf(
			h.all(dataarts.Jobs, batchJob(name), strings.Replace(batchJob("bulk_rt_"+name), "BATCH", "REAL_TIME", 1)),
			h.all(dataarts.Scripts, shell(name, "echo "+name)),
			h.all(dataarts.Resources, resource(name, "/bulk")),
		); err != nil {
			return err
		}
	}
	return nil
}

// env sets the variables of the documents, one whose value is an expression among them, and a page of others.
func (h hard) env() error {
	raw, err := documents.ReadFile("assets/env_params.json")
	if err != nil {
		return err
	}
	var more strings.Builder
	for i := range bulk {
		fmt.Fprintf(&more, `,{"name":"dlf.var_%03d","type":"constant","value":"\"%d\" <&>","x_unknown":1.0}`, i, i)
	}
	end := bytes.LastIndexByte(raw, ']')
	return h.w.Put(dataarts.Env, bytes.Join([][]byte{raw[:end], []byte(more.String()), raw[end:]}, nil))
}

func batchJob(name string) string {
	return `{"name":"` + name + `","nodes":[],"schedule":{"type":"EXECUTE_ONCE"},"processType":"BATCH","directory":"/hard"}`
}

func dependentJob(name string, on ...string) string {
	return `{"name":"` + name + `","nodes":[],"schedule":{"type":"CRON","cron":{"startTime":"2026-01-01T00:00:00+08","expression":"0 0 1 * * ?",` +
		`"dependJobs":{"jobs":["` + strings.Join(on, `","`) + `"],"dependPeriod":"SAME_PERIOD","dependFailPolicy":"FAIL"}}},"processType":"BATCH","directory":"/hard"}`
}

func shell(name, content string) string {
	return `{"name":"` + name + `","type":"Shell","content":"` + strings.ReplaceAll(content, "\n", `\n`) + `","connectionName":"ecs_agent","directory":"/hard"}`
}

func resource(name, directory string) string {
	return `{"name":"` + name + `","type":"file","location":"obs://dlf-prod/hard/file.txt","dependFiles":[],"desc":"","directory":"` + directory + `"}`
}

func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
