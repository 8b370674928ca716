package sample_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/signer"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/request"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

func workspace(switches dataarts.Switches) (*dataarts.Service, *dataarts.WorkspaceHandle) {
	var ring iam.Keyring
	ring.Add(iam.Credentials{AccessKey: "AK", SecretKey: "SK"})
	s := dataarts.New(dataarts.Options{Keyring: &ring, Switches: switches})
	return s, s.AddWorkspace(dataarts.Workspace{ID: "from", Name: "from"})
}

func kinds() []dataarts.Kind {
	return []dataarts.Kind{dataarts.Env, dataarts.Resources, dataarts.Scripts, dataarts.Jobs}
}

func all(w *dataarts.WorkspaceHandle) map[string]string {
	found := map[string]string{}
	for _, kind := range kinds() {
		for name, raw := range w.All(kind) {
			found[string(kind)+" "+name] = string(raw)
		}
	}
	return found
}

// accepts sends every asset of a workspace to another one through the API, jobs after those they depend on, and compares the two.
func accepts(t *testing.T, s *dataarts.Service, from *dataarts.WorkspaceHandle) {
	t.Helper()
	to := s.AddWorkspace(dataarts.Workspace{ID: "to", Name: "to"})
	v1, v2 := s.V1(), s.V2()
	send := func(host http.Handler, method, path, body string) (int, string) {
		sdk := request.NewHttpRequestBuilder().WithEndpoint("http://api").WithPath(path).WithMethod(method).
			AddHeaderParam("Content-Type", "application/json").AddHeaderParam("workspace", "to").WithBody("", body).Build()
		added, err := signer.Sign(sdk, "AK", "SK")
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		for _, headers := range []map[string]string{sdk.GetHeaderParams(), added} {
			for name, value := range headers {
				r.Header.Set(name, value)
			}
		}
		w := httptest.NewRecorder()
		host.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	must := func(name, body string, host http.Handler, method, path string) {
		if status, answer := send(host, method, path, body); status/100 != 2 {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	for name, raw := range from.All(dataarts.Env) {
		must(name, string(raw), v2, "PUT", "/v2/p/factory/env")
	}
	for name, raw := range from.All(dataarts.Resources) {
		must(name, string(raw), v1, "POST", "/v1/p/resources")
	}
	for name, raw := range from.All(dataarts.Scripts) {
		must(name, string(raw), v1, "POST", "/v1/p/scripts")
	}
	jobs := from.All(dataarts.Jobs)
	for round := 0; len(jobs) > 0; round++ {
		if round > 20 {
			t.Fatalf("%d jobs cannot be created", len(jobs))
		}
		for name, raw := range jobs {
			status, answer := send(v1, "POST", "/v1/p/jobs", string(raw))
			switch {
			case status == http.StatusNoContent:
				delete(jobs, name)
			case !strings.Contains(answer, "depended job"):
				t.Fatalf("%s: %d %s", name, status, answer)
			}
		}
	}
	if diff := cmp.Diff(all(from), all(to)); diff != "" {
		t.Errorf("the workspaces differ:\n%s", diff[:min(len(diff), 2000)])
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	t.Run("makes as much as is asked for", func(t *testing.T) {
		t.Parallel()
		for _, opts := range []sample.Options{{}, {Jobs: 1, Scripts: 1, Resources: 1}, {Jobs: 250, Scripts: 130, Resources: 120, Seed: 7}} {
			_, w := workspace(dataarts.Switches{})
			if err := sample.Fill(w, opts); err != nil {
				t.Fatal(err)
			}
			got := []int{len(w.All(dataarts.Jobs)), len(w.All(dataarts.Scripts)), len(w.All(dataarts.Resources))}
			want := []int{opts.Jobs, opts.Scripts, opts.Resources}
			if opts.Jobs == 0 {
				want = []int{24, 16, 6}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%+v made %v jobs, scripts and resources, want %v", opts, got, want)
			}
		}
	})
	t.Run("makes the same from the same seed, and something else from another", func(t *testing.T) {
		t.Parallel()
		var made []map[string]string
		for _, seed := range []uint64{1, 1, 2} {
			_, w := workspace(dataarts.Switches{})
			if err := sample.Fill(w, sample.Options{Seed: seed}); err != nil {
				t.Fatal(err)
			}
			made = append(made, all(w))
		}
		if !cmp.Equal(made[0], made[1]) {
			t.Error("the same seed made two different workspaces")
		}
		if cmp.Equal(made[0], made[2]) {
			t.Error("two seeds made the same workspace")
		}
	})
	t.Run("makes what the API accepts", func(t *testing.T) {
		t.Parallel()
		s, w := workspace(dataarts.Switches{RefuseNoNodes: true, RefuseUnknownKeys: true})
		if err := sample.Fill(w, sample.Options{Jobs: 60, Scripts: 30, Resources: 10}); err != nil {
			t.Fatal(err)
		}
		accepts(t, s, w)
	})
	t.Run("schedules the last layer and has every node type it promises", func(t *testing.T) {
		t.Parallel()
		_, w := workspace(dataarts.Switches{})
		if err := sample.Fill(w, sample.Options{}); err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprint(all(w))
		for _, kind := range []string{"HiveSQL", "DWSSQL", "DLISQL", "Shell", "CDMJob", "SubJob", "RESTAPI", "MRSSpark", "REAL_TIME", "dependJobs"} {
			if !strings.Contains(text, `"`+kind+`"`) {
				t.Errorf("there is no %s", kind)
			}
		}
		if got := w.JobStatus("ads_orders_df"); got != "SCHEDULING" {
			t.Errorf("ads_orders_df is %q", got)
		}
	})
}

func TestHard(t *testing.T) {
	t.Parallel()
	s, w := workspace(dataarts.Switches{})
	if err := sample.Hard(w); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []dataarts.Kind{dataarts.Jobs, dataarts.Scripts, dataarts.Resources} {
		if got := len(w.All(kind)); got <= 100 {
			t.Errorf("%d %s, want more than a page", got, kind)
		}
	}
	for _, want := range []string{"12345678901234567890", "1.0,1,", `<a href='x'>&`, "\u2028", `\u2028`, `"cleanoverdueDays":"60"`} {
		if raw, _ := w.Asset(dataarts.Jobs, "odd_job"); !strings.Contains(string(raw), want) {
			t.Errorf("odd_job lacks %q", want)
		}
	}
	if raw, _ := w.Asset(dataarts.Scripts, "largest_script"); len(raw) < 4<<20 {
		t.Errorf("largest_script has %d bytes", len(raw))
	}
	accepts(t, s, w)
}

func TestLooseNames_need_the_switch(t *testing.T) {
	t.Parallel()
	s, w := workspace(dataarts.Switches{LooseNames: true})
	if err := sample.LooseNames(w); err != nil {
		t.Fatal(err)
	}
	accepts(t, s, w)
}

func TestCycle_is_made_of_jobs_that_depend_on_each_other(t *testing.T) {
	t.Parallel()
	_, w := workspace(dataarts.Switches{})
	if err := sample.Cycle(w); err != nil {
		t.Fatal(err)
	}
	for job, want := range map[string]string{"cycle_a": "cycle_b", "cycle_b": "cycle_a", "after_cycle": "cycle_a"} {
		raw, _ := w.Asset(dataarts.Jobs, job)
		var decoded struct {
			Schedule struct {
				Cron struct{ DependJobs struct{ Jobs []string } }
			}
		}
		if err := json.Unmarshal(raw, &decoded); err != nil || !slices.Equal(decoded.Schedule.Cron.DependJobs.Jobs, []string{want}) {
			t.Errorf("%s depends on %v, %v", job, decoded.Schedule.Cron.DependJobs.Jobs, err)
		}
	}
}
