package history_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/history"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// TestTenThousandAssets looks at a large workspace over some days, each with a hundred changes.
func TestTenThousandAssets(t *testing.T) {
	const assets, nights, changes = 10_000, 5, 100
	s := newShelf(t)
	sql := strings.Repeat("select * from orders\n", 50)
	d := dayModel{state: vault.StateComplete, things: []thing{env("DAY", "1")}}
	for i := range assets / 2 {
		d.things = append(d.things, script(fmt.Sprintf("s%05d", i), "hive", sql),
			job(fmt.Sprintf("j%05d", i), []string{fmt.Sprintf("j%05d", max(0, i-1))}, runs(fmt.Sprintf("s%05d", i)), node{"x", "CDMJob", []property{{"clusterName", "cdm"}}}))
	}
	for night := range nights {
		d.name = fmt.Sprintf("2026-11-%02d", night+1)
		for i := range changes {
			d.things[1+2*i] = script(fmt.Sprintf("s%05d", i), "hive", fmt.Sprint(sql, "-- needle ", night))
		}
		s.write(d)
	}
	s.store.reset()
	for _, c := range []struct {
		what  string
		reads int
		run   func() bool
	}{
		{"log", 2 * nights, func() bool {
			l := s.log(history.LogQuery{Asset: ref(asset.Scripts, "s00001")})
			return len(l.Entries) == nights && l.Complete
		}},
		{"find a text", 2*nights + assets + 1 + (nights-1)*changes, func() bool {
			f := s.find(history.FindQuery{Criteria: history.Criteria{Text: "NEEDLE"}})
			return len(f.Assets) == changes && len(f.Assets[0].Backups) == nights && f.Complete
		}},
		{"find a cluster", 2*nights + assets + (nights-1)*changes, func() bool {
			f := s.find(history.FindQuery{Criteria: history.Criteria{ClusterName: "cdm"}, Limit: 10_000})
			return len(f.Assets) == assets/2 && f.Complete
		}},
		{"find a name", 2 * nights, func() bool {
			f := s.find(history.FindQuery{Criteria: history.Criteria{Name: "s0100?", Kind: asset.Scripts}})
			return len(f.Assets) == 10 && f.Complete
		}},
		{"relations and graph", 2 + assets + 1, func() bool {
			g, ok := s.relate("2026-11-01").Graph(history.GraphQuery{Key: "4_jobs/j02500.job", Depth: 20, Limit: 500})
			return ok && len(g.Nodes) == 1+20+20+20
		}},
	} {
		s.store.reset()
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		begun := time.Now()
		ok := c.run()
		took := time.Since(begun)
		runtime.ReadMemStats(&after)
		t.Logf("%s: %s, %d reads, %d MB allocated", c.what, took.Round(time.Millisecond), s.store.reads(""), (after.TotalAlloc-before.TotalAlloc)>>20)
		if n := s.store.reads(""); !ok || n > c.reads || took > time.Minute {
			t.Errorf("%s: right %v, %d reads, want %d at most, %s", c.what, ok, n, c.reads, took)
		}
	}
}
