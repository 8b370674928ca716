package dataarts_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

func TestSwitches_ListOmits(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{ListOmits: []string{"content", "modifyTime", "desc", "jobs.owner", "scripts.id"}})
	c.seed(dataarts.Scripts, `{"name":"s","content":"text","type":"Shell","directory":"/d","autoAcquireLock":true}`)
	c.seed(dataarts.Resources, `{"desc":"x","name":"r","type":"jar","location":"obs://b/r","directory":"/"}`)
	c.seed(dataarts.Jobs, batchJob("j"))
	for target, want := range map[string]string{
		"/scripts":   `{"total":1,"scripts":[{"name":"s","type":"Shell","directory":"/d","autoAcquireLock":true,"owner":"admin","version":1,"createUser":"admin"}]}`,
		"/resources": `{"total":1,"resources":[{"name":"r","type":"jar","location":"obs://b/r","directory":"/","id":"id-1"}]}`,
	} {
		if got := c.want(200, "", "GET", target, ""); got != want {
			t.Errorf("%s: %s\nwant %s", target, got, want)
		}
	}
	if got := c.want(200, "", "GET", "/jobs", ""); strings.Contains(got, `"owner"`) || !strings.Contains(got, `"path"`) {
		t.Errorf("jobs: %s", got)
	}
	if got := c.want(200, "", "GET", "/scripts/s", ""); !strings.Contains(got, `"content":"text"`) {
		t.Errorf("show: %s", got)
	}
}

func TestSwitches_ListTruncatesContent(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{ListTruncatesContent: 4})
	for name, content := range map[string]string{"short": "abcd", "long": `ab\ncdef`, "between characters": "ab作业"} {
		c.seed(dataarts.Scripts, `{"name":"`+name+`","content":"`+content+`","type":"Shell"}`)
	}
	got := c.want(200, "", "GET", "/scripts", "")
	for _, want := range []string{`"name":"short","content":"abcd","type"`, `"name":"long","content":"ab\nc","type"`, `"name":"between characters","content":"ab","type"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
	if got := c.want(200, "", "GET", "/scripts/long", ""); !strings.Contains(got, `"ab\ncdef"`) {
		t.Errorf("show: %s", got)
	}
}

func TestSwitches_ListMoves(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{ListMoves: 2})
	c.numbered(6)
	for _, list := range []string{"jobs", "scripts", "resources"} {
		var got []string
		for page := range 3 {
			rows, total := names(t, c.want(200, "", "GET", fmt.Sprintf("/%s?limit=2&offset=%d", list, page), ""), list)
			if got = append(got, rows...); total != "6" {
				t.Errorf("%s: a total of %s", list, total)
			}
		}
		// Before the last page, the last row has become the first and pushed the others on.
		if want := []string{"00", "01", "02", "03", "03", "04"}; !cmp.Equal(got, want) {
			t.Errorf("%s: %v, want %v", list, got, want)
		}
		if rows, _ := names(t, c.want(200, "", "GET", "/"+list, ""), list); !cmp.Equal(rows, []string{"05", "00", "01", "02", "03", "04"}) {
			t.Errorf("%s: afterwards %v", list, rows)
		}
	}
}

func TestWorkspaceHandle_Move(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	c.numbered(4)
	c.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ListResources && r.URL.Query().Get("offset") == "1" {
			c.handle().Move(dataarts.Resources, "/00", 99)
		}
		return nil
	})
	first, _ := names(t, c.want(200, "", "GET", "/resources?limit=2", ""), "resources")
	second, _ := names(t, c.want(200, "", "GET", "/resources?limit=2&offset=1", ""), "resources")
	if got := append(first, second...); !cmp.Equal(got, []string{"00", "01", "03", "00"}) {
		t.Errorf("listed %v", got)
	}
	if c.handle().Move(dataarts.Jobs, "none", 0) {
		t.Error("a job that is not there was moved")
	}
	if !c.handle().Move(dataarts.Jobs, "03", -1) {
		t.Error("a job was not moved")
	}
	if got, _ := names(t, c.want(200, "", "GET", "/jobs", ""), "jobs"); !cmp.Equal(got, []string{"03", "00", "01", "02"}) {
		t.Errorf("jobs: %v", got)
	}
}

// sink takes an answer and forgets it.
type sink struct {
	header http.Header
	bytes  int64
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { s.bytes += int64(len(p)); return len(p), nil }

func TestListScripts_a_page_of_large_scripts_is_not_copied(t *testing.T) { //nolint:paralleltest // it measures what is allocated meanwhile
	const scripts, size = 20, 1 << 20
	for name, switches := range map[string]dataarts.Switches{
		"as_it_is":       {},
		"in_snake_case":  {SnakeScripts: true},
		"with_omissions": {ListOmits: []string{"configuration", "type"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newDirect(t, switches)
			for i := range scripts {
				c.seed(dataarts.Scripts, fmt.Sprintf(`{"name":"%d","connectionName":"con","configuration":{},"type":"Shell","content":"%s"}`, i, strings.Repeat("x", size)))
			}
			request, _ := c.request("GET", "/scripts?limit=100", "")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			out := &sink{header: http.Header{}}
			c.V1().ServeHTTP(out, request)
			runtime.ReadMemStats(&after)
			if allocated := after.TotalAlloc - before.TotalAlloc; out.bytes < scripts*size || allocated > size/2 {
				t.Errorf("%d bytes were answered, %d allocated", out.bytes, allocated)
			}
		})
	}
}

// BenchmarkLists is what the pages of a full workspace and the export of a hundred jobs cost the service itself.
func BenchmarkLists(b *testing.B) {
	c := newDirect(b, dataarts.Switches{})
	for i := range 10_000 {
		name := fmt.Sprintf("name_%05d", i)
		c.seed(dataarts.Jobs, strings.TrimSuffix(batchJob(name), "}")+`,"x":"`+strings.Repeat("job ", 700)+`"}`)
		c.seed(dataarts.Scripts, `{"name":"`+name+`","type":"Shell","connectionName":"c","content":"`+strings.Repeat("line\\n", 500)+`"}`)
		if i < 300 {
			c.seed(dataarts.Resources, jar(name, "/"))
		}
	}
	list := func(n int) string {
		quoted := make([]string, n)
		for i := range quoted {
			quoted[i] = fmt.Sprintf(`"name_%05d"`, i*7)
		}
		return `{"jobList":[` + strings.Join(quoted, ",") + `]}`
	}
	for _, call := range []struct{ name, method, target, body string }{
		{"jobs", "GET", "/jobs?limit=100&offset=50", ""}, {"scripts", "GET", "/scripts?limit=100&offset=50", ""},
		{"resources", "GET", "/resources?limit=100&offset=1", ""}, {"script", "GET", "/scripts/name_05000", ""},
		{"export", "POST", "/jobs/batch-export", list(100)},
	} {
		b.Run(call.name, func(b *testing.B) {
			handler := c.V1()
			for b.Loop() {
				b.StopTimer()
				request, _ := c.request(call.method, call.target, call.body)
				b.StartTimer()
				out := &sink{header: http.Header{}}
				handler.ServeHTTP(out, request)
				b.SetBytes(out.bytes)
				_ = request.Body.Close()
			}
		})
	}
}
