package world

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/bench/process"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

func newWorld(t *testing.T) *World {
	t.Helper()
	root, err := process.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w, err := New(t.Context(), root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func TestWorld_Check_counts_what_is_equal_and_nothing_else(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.Fill(t.Context(), Contents{Jobs: 2, RealTime: 1, Scripts: 1, Resources: 1, Variables: 2}); err != nil {
		t.Fatal(err)
	}
	handle := w.DataArts.Workspace(Workspace)
	text := func(kind dataarts.Kind, identity string) string {
		raw, ok := handle.Asset(kind, identity)
		if !ok {
			t.Fatalf("no %s %s", kind, identity)
		}
		return string(raw)
	}
	job, script := text(dataarts.Jobs, "job_00000"), text(dataarts.Scripts, "script_00000")
	location := "obs://" + Bucket + "/files/etl_000.jar"
	for _, test := range []struct {
		name, key, body string
		equal           int
	}{
		{"an asset as it is", "a.job", job, 1},
		{"with what only the server sets", "a.job", `{"id":1,"version":2,` + strings.TrimPrefix(job, "{"), 1},
		{"in another order, with blanks", "a.script", reordered(t, script), 1},
		{"a resource", "x/a.resource", text(dataarts.Resources, "/jars/etl_000"), 1},
		{"the file of a resource", "x/a.files/etl_000.jar", string(fileBody(location)), 1},
		{"variables", "1_env/env.json", text(dataarts.Env, "env"), 1},
		{"something changed", "a.job", strings.Replace(job, "GMT+8", "GMT+7", 1), 0},
		{"something more", "a.job", `{"more":1,` + strings.TrimPrefix(job, "{"), 0},
		{"something less", "a.job", strings.Replace(job, `,"singleNodeJobFlag":false`, "", 1), 0},
		{"nobody's asset", "a.job", strings.Replace(job, "job_00000", "job_99999", 1), 0},
		{"a half", "a.job", job[:len(job)/2], 0},
		{"a half of a file", "x/a.files/etl_000.jar", location, 0},
		{"another object", "manifest.json", "{}", 0},
	} {
		folder := w.Folder()
		if _, err := w.store.Bucket(Bucket).Put(t.Context(), folder+"/"+test.key, []byte(test.body), noCondition()); err != nil {
			t.Fatal(err)
		}
		got, err := w.Check(t.Context(), folder)
		if want := (Stored{Objects: 1, Equal: test.equal, Want: 6}); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", test.name, got, err, want)
		}
		if err := w.Remove(folder); err != nil {
			t.Fatal(err)
		}
	}
}

// reordered has the members of an object in alphabetical order, on lines of their own.
func reordered(t *testing.T, text string) string {
	t.Helper()
	fields, err := decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent(fields, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestWorld_Watch_counts_both_services(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Reset(dataarts.Switches{})
	if err := w.Fill(t.Context(), Contents{Jobs: 1}); err != nil {
		t.Fatal(err)
	}
	index, err := w.Index(time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	stop, err := w.Watch()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/jobs-000/", "/jobs-000/job_00000.job", "/none"} {
		answer, err := http.Get(index + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if want := map[bool]int{true: 404, false: 200}[path == "/none"]; answer.StatusCode != want {
			t.Errorf("%s: answered %d", path, answer.StatusCode)
		}
	}
	if _, err := w.store.Bucket(Bucket).Put(t.Context(), "k", []byte("x"), noCondition()); err != nil {
		t.Fatal(err)
	}
	got, err := stop()
	if err != nil || got.Calls != 4 || got.Throttled != 0 || got.Store["PutObject"] != 1 || got.StoreRequests() != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFill_makes_assets_of_about_3_KB(t *testing.T) {
	t.Parallel()
	for name, asset := range map[string]object{"job": job(7, false), "script": script(7, 0)} {
		raw, err := json.Marshal(asset)
		if err != nil || len(raw) < 2700 || len(raw) > 3300 {
			t.Errorf("a %s has %d bytes, %v", name, len(raw), err)
		}
	}
}
