package dataarts_test

import (
	"archive/zip"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

// exportingWith is a service with the jobs j and k, which may be exported, and the real-time job live.
func exportingWith(t *testing.T, switches dataarts.Switches) *cloud {
	t.Helper()
	c := exporting(t, &bucket{})
	c.seed(dataarts.Jobs, strings.Replace(batchJob("live"), "BATCH", "REAL_TIME", 1))
	c.SetSwitches(func(s *dataarts.Switches) { *s = switches })
	return c
}

const both = `{"jobList":["j","k"]}`

func TestSwitches_of_exports(t *testing.T) {
	t.Parallel()
	const target = "/jobs/batch-export"
	t.Run("ExportUnsupported", func(t *testing.T) {
		t.Parallel()
		c := exportingWith(t, dataarts.Switches{ExportUnsupported: true})
		c.want(404, "APIGW.0101", "POST", target, both)
		c.want(200, "", "POST", "/jobs/j/export", "{}")
	})
	t.Run("ExportFails", func(t *testing.T) {
		t.Parallel()
		c := exportingWith(t, dataarts.Switches{ExportFails: 2})
		for _, status := range []int{200, 500, 200, 500} {
			c.want(status, "", "POST", target, both)
		}
	})
	t.Run("ExportTruncated", func(t *testing.T) {
		t.Parallel()
		c := exportingWith(t, dataarts.Switches{})
		whole := c.want(200, "", "POST", target, both)
		c.SetSwitches(func(s *dataarts.Switches) { s.ExportTruncated = true })
		cut := c.want(200, "", "POST", target, both) // the client has seen the end of the body
		if cut != whole[:len(whole)/2] {
			t.Errorf("%d bytes of %d", len(cut), len(whole))
		}
		if _, err := zip.NewReader(strings.NewReader(cut), int64(len(cut))); err == nil {
			t.Error("it can be read as a zip")
		}
	})
	t.Run("ExportLacks", func(t *testing.T) {
		t.Parallel()
		c := exportingWith(t, dataarts.Switches{ExportLacks: []string{"j", "other"}})
		got := unzipped(t, c.want(200, "", "POST", target, both))
		if names := slices.Sorted(maps.Keys(got)); !cmp.Equal(names, []string{"jobs/k/k.job"}) {
			t.Errorf("files: %v", names)
		}
		c.want(400, "DLF.0100", "POST", target, `{"jobList":["j","none"]}`)
	})
	t.Run("ExportLimit", func(t *testing.T) {
		t.Parallel()
		c := exportingWith(t, dataarts.Switches{ExportLimit: 1})
		c.want(400, "DLF.3051", "POST", target, both)
		c.want(200, "", "POST", target, `{"jobList":["k"]}`)
	})
	t.Run("ExportMaxBytes", func(t *testing.T) {
		t.Parallel()
		c := exportingWith(t, dataarts.Switches{ExportMaxBytes: len(batchJob("k"))})
		c.want(200, "", "POST", target, `{"jobList":["k"]}`)
		c.want(400, "DLF.3051", "POST", target, both)
	})
	t.Run("ExportBatchOnly", func(t *testing.T) {
		t.Parallel()
		c := exportingWith(t, dataarts.Switches{})
		c.want(200, "", "POST", target, `{"jobList":["j","live"]}`)
		c.SetSwitches(func(s *dataarts.Switches) { s.ExportBatchOnly = true })
		c.want(400, "DLF.0136", "POST", target, `{"jobList":["j","live"]}`)
		c.want(200, "", "POST", target, both)
	})
	t.Run("ExportForeign", func(t *testing.T) {
		t.Parallel()
		c := exportingWith(t, dataarts.Switches{ExportForeign: true})
		got := unzipped(t, c.want(200, "", "POST", target, both))
		if got["jobs/j/j.job"] != batchJob("k") || got["jobs/k/k.job"] != batchJob("k") {
			t.Errorf("files: %v", got)
		}
		if got := unzipped(t, c.want(200, "", "POST", target, `{"jobList":["k"]}`)); got["jobs/k/k.job"] != usingJob {
			t.Errorf("alone: %v", got)
		}
	})
}

func TestSwitches_ExportLayout(t *testing.T) {
	t.Parallel()
	for layout, want := range map[dataarts.ExportLayout][]string{
		dataarts.ExportDocumented: {"jobs/j/j.job", "jobs/j/r.resource", "jobs/j/s.script", "jobs/k/k.job"},
		dataarts.ExportFlat:       {"jobs/j.job", "jobs/k.job", "resources/r.resource", "scripts/s.script"},
		dataarts.ExportNested:     {"DLF_j.zip", "DLF_k.zip"},
		dataarts.ExportOdd:        {"1.job", "2.job", "r.resource", "s.script"},
	} {
		t.Run("is "+string(layout), func(t *testing.T) {
			t.Parallel()
			c := exportingWith(t, dataarts.Switches{ExportLayout: layout})
			got := unzipped(t, c.want(200, "", "POST", "/jobs/batch-export", both))
			if names := slices.Sorted(maps.Keys(got)); !cmp.Equal(names, want) {
				t.Errorf("files: %v, want %v", names, want)
			}
			if inner, ok := got["DLF_j.zip"]; ok && unzipped(t, inner)["jobs/j.job"] != usingJob {
				t.Errorf("the inner zip: %v", unzipped(t, inner))
			}
		})
	}
}

func TestSwitches_ExportOmits(t *testing.T) {
	t.Parallel()
	const job = `{"name":"o", "basicConfig":{"customFields":"x","owner":"me"},` +
		`"nodes":[ {"type":"HiveSQL","pollingInterval":20,"retryTimes":1} , {"type":"Shell","pollingInterval":30,"retryTimes":2}],"processType":"BATCH","schedule":{}}`
	for path, without := range map[string]string{
		"basicConfig.customFields":       `"customFields":"x",`,
		"nodes[HiveSQL].pollingInterval": `"pollingInterval":20,`,
		"processType":                    `"processType":"BATCH",`,
		"nodes.none":                     "",
		"none.at.all":                    "",
		"name.inside":                    "",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			c := exportingWith(t, dataarts.Switches{ExportOmits: []string{path}})
			c.seed(dataarts.Jobs, job)
			want := job
			if without != "" {
				want = strings.Replace(job, without, "", 1)
			}
			if got := unzipped(t, c.want(200, "", "POST", "/jobs/batch-export", `{"jobList":["o"]}`))["jobs/o/o.job"]; got != want {
				t.Errorf("exported %s\nwant     %s", got, want)
			}
			if got := unzipped(t, c.want(200, "", "POST", "/jobs/o/export", `{}`))["jobs/o.job"]; got != want {
				t.Errorf("exported alone: %s", got)
			}
			if got := c.want(200, "", "GET", "/jobs/o", ""); !strings.HasPrefix(got, strings.TrimSuffix(job, "}")) {
				t.Errorf("shown: %s", got)
			}
		})
	}
	t.Run("in every node", func(t *testing.T) {
		t.Parallel()
		c := exportingWith(t, dataarts.Switches{ExportOmits: []string{"nodes.retryTimes", "nodes.type"}})
		c.seed(dataarts.Jobs, job)
		got := unzipped(t, c.want(200, "", "POST", "/jobs/batch-export", `{"jobList":["o"]}`))["jobs/o/o.job"]
		if !strings.Contains(got, `"nodes":[ {"pollingInterval":20} , {"pollingInterval":30}]`) {
			t.Errorf("exported %s", got)
		}
	})
}
