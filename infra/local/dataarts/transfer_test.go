package dataarts_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

// bucket is an object store for imports and exports.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
}

func (b *bucket) get(name, key string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if data, ok := b.objects[name+"/"+key]; ok {
		return data, nil
	}
	return nil, errors.New("no such key")
}

func (b *bucket) put(name, key string, data []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.objects[name+"/"+key] = data
	return nil
}

func withBucket(b *bucket) func(*dataarts.Options) {
	return func(o *dataarts.Options) { o.GetObject, o.PutObject = b.get, b.put }
}

func zipped(t *testing.T, files ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for pair := range slices.Chunk(files, 2) {
		f, err := w.Create(pair[0])
		if err == nil {
			_, err = io.WriteString(f, pair[1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func unzipped(t *testing.T, data string) map[string]string {
	t.Helper()
	r, err := zip.NewReader(strings.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatalf("%v in %s", err, shorten(data))
	}
	found := map[string]string{}
	for _, file := range r.File {
		f, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		found[file.Name] = string(text)
	}
	return found
}

const usingJob = `{"name":"j","nodes":[{"name":"a","type":"Shell","location":{},"properties":[{"name":"scriptName","value":"s"}]},` +
	`{"name":"b","type":"MRSSpark","location":{},"properties":[{"name":"resourcePath","value":"obs://b/r.jar"}]}],"schedule":{"type":"CRON"},"processType":"BATCH","x":1.0}`

func exporting(t *testing.T, b *bucket) *cloud {
	t.Helper()
	c := newCloud(t, dataarts.Switches{}, withBucket(b))
	c.headers = map[string]string{"Content-Type": "application/json"}
	c.seed(dataarts.Jobs, usingJob, batchJob("k"))
	c.seed(dataarts.Scripts, shellScript("s"), shellScript("unused"))
	c.seed(dataarts.Resources, jar("r", "/"))
	return c
}

func TestExport(t *testing.T) {
	t.Parallel()
	t.Run("of a job holds what it needs, as create calls take it", func(t *testing.T) {
		t.Parallel()
		c := exporting(t, &bucket{})
		got := c.call("POST", "/jobs/j/export", `{}`)
		if got.header.Get("Content-Type") != "application/octet-stream" || got.header.Get("Content-Disposition") != "attachment;filename=DLF_j.zip" {
			t.Errorf("headers: %v", got.header)
		}
		script, _ := c.handle().Asset(dataarts.Scripts, "s")
		want := map[string]string{"jobs/j.job": usingJob, "scripts/s.script": string(script), "resources/r.resource": jar("r", "/")}
		if diff := cmp.Diff(want, unzipped(t, got.body)); diff != "" {
			t.Errorf("zip:\n%s", diff)
		}
	})
	t.Run("without what it needs", func(t *testing.T) {
		t.Parallel()
		c := exporting(t, &bucket{})
		got := unzipped(t, c.want(200, "", "POST", "/jobs/j/export", `{"exportDepend":false}`))
		if names := slices.Collect(maps.Keys(got)); !cmp.Equal(names, []string{"jobs/j.job"}) {
			t.Errorf("files: %v", names)
		}
	})
	t.Run("of several jobs has a folder for each", func(t *testing.T) {
		t.Parallel()
		c := exporting(t, &bucket{})
		got := unzipped(t, c.want(200, "", "POST", "/jobs/batch-export", `{"jobList":["j","k"]}`))
		want := []string{"jobs/j/j.job", "jobs/j/r.resource", "jobs/j/s.script", "jobs/k/k.job"}
		if names := slices.Sorted(maps.Keys(got)); !cmp.Equal(names, want) {
			t.Errorf("files: %v", names)
		}
	})
	t.Run("of the submitted version", func(t *testing.T) {
		t.Parallel()
		c := exporting(t, &bucket{})
		c.want(204, "", "PUT", "/jobs/k", strings.Replace(batchJob("k"), "EXECUTE_ONCE", "CRON", 1))
		for status, want := range map[string]string{"DEVELOP": "CRON", "SUBMIT": "EXECUTE_ONCE"} {
			got := unzipped(t, c.want(200, "", "POST", "/jobs/k/export", `{"exportStatus":"`+status+`"}`))
			if !strings.Contains(got["jobs/k.job"], want) {
				t.Errorf("%s: %v", status, got)
			}
		}
	})
	t.Run("to a bucket appears there later", func(t *testing.T) {
		t.Parallel()
		b := &bucket{objects: map[string][]byte{}}
		c := exporting(t, b)
		if got := c.want(200, "", "POST", "/jobs/k/export", `{"obsPath":"obs://out/prefix"}`); got != `{"obsPath":"obs://out/prefix/k_exported/1695642751000"}` {
			t.Errorf("answer: %s", got)
		}
		c.WaitExports()
		data, err := b.get("out", "prefix/k_exported/1695642751000/k.zip")
		if err != nil || unzipped(t, string(data))["jobs/k.job"] != batchJob("k") {
			t.Errorf("object: %v, %q", err, data)
		}
	})
	t.Run("refuses", func(t *testing.T) {
		t.Parallel()
		c := exporting(t, &bucket{})
		c.want(400, "DLF.0100", "POST", "/jobs/none/export", `{}`)
		c.want(400, "DLF.3051", "POST", "/jobs/j/export", `{"exportStatus":"ALL"}`)
		c.want(400, "DLF.0803", "POST", "/jobs/j/export", `{"obsPath":"s3://x"}`)
		c.want(400, "DLF.3051", "POST", "/jobs/batch-export", `{"jobList":[]}`)
		c.want(400, "DLF.3051", "POST", "/jobs/batch-export", `{"jobList":["j"`+strings.Repeat(`,"j"`, 100)+`]}`)
		c.want(400, "DLF.0100", "POST", "/jobs/batch-export", `{"jobList":["j","none"]}`)
		c.AddWorkspace(dataarts.Workspace{ID: "bare"})
		c.workspace = "bare"
		c.want(204, "", "POST", "/jobs", batchJob("j"))
		c.want(400, "DLF.0802", "POST", "/jobs/j/export", `{"obsPath":"obs://out/"}`)
	})
}

func TestImport(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T, switches dataarts.Switches, files ...string) *cloud {
		t.Helper()
		return newCloud(t, switches, withBucket(&bucket{objects: map[string][]byte{"b/f.zip": zipped(t, files...), "b/broken.zip": []byte("PK")}}))
	}
	run := func(c *cloud, body string) map[string]any {
		c.t.Helper()
		id := object(c.t, c.want(200, "", "POST", "/jobs/import", body))["taskId"].(string)
		return object(c.t, c.want(200, "", "GET", "/system-tasks/"+id, ""))
	}
	subtasks := func(task map[string]any) map[string]string {
		found := map[string]string{}
		for _, sub := range task["subtasks"].([]any) {
			s := sub.(map[string]any)
			message, _ := s["message"].(string)
			found[s["name"].(string)] = s["status"].(string) + " " + message
		}
		return found
	}
	t.Run("brings resources, scripts and jobs, whatever their order", func(t *testing.T) {
		t.Parallel()
		c := open(t, dataarts.Switches{RunningPolls: 1},
			"jobs/a.job", dependentJob("a", "z"), "jobs/z.job", batchJob("z"), "scripts/s.script", shellScript("s"), "resources/r.resource", jar("r", "/x"), "readme.txt", "no")
		task := run(c, `{"path":"obs://b/f.zip"}`)
		if task["status"] != "RUNNING" || task["projectId"] != "p1" || task["name"] != "Import the job from obs://b/f.zip." {
			t.Errorf("first poll: %v", task)
		}
		task = object(t, c.want(200, "", "GET", "/system-tasks/"+task["id"].(string), ""))
		want := map[string]string{"Import the a job.": "SUCCESSFUL ", "Import the z job.": "SUCCESSFUL ", "Import the s script.": "SUCCESSFUL ", "Import the r resource.": "SUCCESSFUL "}
		if diff := cmp.Diff(want, subtasks(task)); diff != "" || task["status"] != "SUCCESSFUL" {
			t.Errorf("task %v:\n%s", task["status"], diff)
		}
		if got, _ := c.handle().Asset(dataarts.Jobs, "a"); string(got) != dependentJob("a", "z") {
			t.Errorf("job: %s", got)
		}
	})
	files := []string{"j.job", strings.Replace(usingJob, "CRON", "EXECUTE_ONCE", 1), "s.script", strings.Replace(shellScript("s"), "echo a", "echo b", 1), "r.resource", strings.Replace(jar("r", "/"), "obs://b/r", "obs://new/r", 1)}
	seeded := func(t *testing.T) *cloud {
		t.Helper()
		c := open(t, dataarts.Switches{}, files...)
		c.seed(dataarts.Jobs, usingJob)
		c.seed(dataarts.Scripts, shellScript("s"))
		c.seed(dataarts.Resources, jar("r", "/"))
		return c
	}
	changed := func(c *cloud) []bool {
		job, _ := c.handle().Asset(dataarts.Jobs, "j")
		script, _ := c.handle().Asset(dataarts.Scripts, "s")
		resource, _ := c.handle().Asset(dataarts.Resources, "/r")
		return []bool{strings.Contains(string(job), "EXECUTE_ONCE"), strings.Contains(string(script), "echo b"), strings.Contains(string(resource), "obs://new")}
	}
	t.Run("skips what is there", func(t *testing.T) {
		t.Parallel()
		c := seeded(t)
		if task := run(c, `{"path":"obs://b/f.zip"}`); task["status"] != "SUCCESSFUL" || !cmp.Equal(changed(c), []bool{false, false, false}) {
			t.Errorf("task %v, changed %v", task, changed(c))
		}
	})
	t.Run("overwrites what is there", func(t *testing.T) {
		t.Parallel()
		c := seeded(t)
		if task := run(c, `{"path":"obs://b/f.zip","sameNamePolicy":"OVERWRITE"}`); task["status"] != "SUCCESSFUL" || !cmp.Equal(changed(c), []bool{true, true, true}) {
			t.Errorf("task %v, changed %v", task, changed(c))
		}
	})
	t.Run("fails for a job that is running, and only for it", func(t *testing.T) {
		t.Parallel()
		c := seeded(t)
		c.handle().SetJobStatus("j", "SCHEDULING")
		task := run(c, `{"path":"obs://b/f.zip","sameNamePolicy":"OVERWRITE"}`)
		if got := subtasks(task)["Import the j job."]; task["status"] != "FAILED" || !strings.Contains(got, "DLF.30107") {
			t.Errorf("task: %v", task)
		}
		if !cmp.Equal(changed(c), []bool{false, true, true}) {
			t.Errorf("changed %v", changed(c))
		}
	})
	t.Run("fails for a job whose dependency is nowhere", func(t *testing.T) {
		t.Parallel()
		c := open(t, dataarts.Switches{}, "a.job", dependentJob("a", "none"))
		if got := subtasks(run(c, `{"path":"obs://b/f.zip"}`))["Import the a job."]; !strings.HasPrefix(got, "FAILED ") || !strings.Contains(got, "DLF.3025") {
			t.Errorf("subtask: %s", got)
		}
	})
	t.Run("gives parameters other values", func(t *testing.T) {
		t.Parallel()
		job := `{"params":[{"name":"dt","value":"1","type":"variable","x":1.0},{"name":"env","value":"dev"}],` + strings.TrimPrefix(batchJob("j"), "{")
		c := open(t, dataarts.Switches{}, "j.job", job)
		if got := c.want(200, "", "POST", "/jobs/check-file", `{"path":"obs://b/f.zip"}`); got != `{"jobs":[{"name":"j","path":"/","params":{"dt":"1","env":"dev"}}],"scripts":[]}` {
			t.Errorf("check-file: %s", got)
		}
		run(c, `{"path":"obs://b/f.zip","params":{"env":"prod","dt":"2"},"jobsParam":[{"name":"j","params":{"dt":"3"}}]}`)
		want := strings.NewReplacer(`"value":"1"`, `"value":"3"`, `"value":"dev"`, `"value":"prod"`).Replace(job)
		if got, _ := c.handle().Asset(dataarts.Jobs, "j"); string(got) != want {
			t.Errorf("job: %s\nwant %s", got, want)
		}
	})
	t.Run("needs approval where reviews are on", func(t *testing.T) {
		t.Parallel()
		c := open(t, dataarts.Switches{Review: true}, "j.job", batchJob("j"))
		c.want(400, "DLF.3051", "POST", "/jobs/import", `{"path":"obs://b/f.zip"}`)
		if task := run(c, `{"path":"obs://b/f.zip","targetStatus":"SUBMITTED","approvers":[{"approverName":"u"}]}`); task["status"] != "SUCCESSFUL" {
			t.Errorf("task: %v", task)
		}
	})
	t.Run("refuses", func(t *testing.T) {
		t.Parallel()
		c := open(t, dataarts.Switches{}, "j.job", strings.Repeat(" ", 11<<20))
		for body, code := range map[string]string{
			`{"path":"obs://b/none.zip"}`: "DLF.0815", `{"path":"obs://b/broken.zip"}`: "DLF.0815", `{"path":"obs://b/f.zip"}`: "DLF.0815", `{}`: "DLF.0803",
			`{"path":"obs://b/f.zip","sameNamePolicy":"ASK"}`: "DLF.3051", `{"path":"obs://b/f.zip","executeUser":"u"}`: "DLF.3051",
		} {
			c.want(400, code, "POST", "/jobs/import", body)
		}
		c.want(400, "DLF.0815", "POST", "/jobs/check-file", `{"path":"obs://b/none.zip"}`)
		c.want(400, "DLF.20810", "GET", "/system-tasks/none", "")
	})
}

func TestRenameJob(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	c.seed(dataarts.Jobs, batchJob("old"), batchJob("taken"))
	c.handle().SetJobStatus("old", "SCHEDULING")
	rename := func(status int, code, from, to string) {
		t.Helper()
		c.want(status, code, "PUT", "v2:/v2/{p}/factory/jobs/"+from+"/rename", `{"name":"`+to+`"}`)
	}
	rename(400, "DLF.0100", "none", "x")
	rename(400, "DLF.0102", "old", "taken")
	rename(400, "DLF.3018", "old", "a b")
	rename(204, "", "old", "new")
	c.want(400, "DLF.0100", "GET", "/jobs/old", "")
	if got, _ := c.handle().Asset(dataarts.Jobs, "new"); string(got) != batchJob("new") || c.handle().JobStatus("new") != "SCHEDULING" {
		t.Errorf("renamed: %s, %s", got, c.handle().JobStatus("new"))
	}
}
