package drill_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/drill"
)

// refuse answers calls of an operation with an error that is for good.
func refuse(operations ...dataarts.Operation) func(*http.Request, dataarts.Operation) *dataarts.Fault {
	return refuseAll(400, operations...)
}

func refuseAll(status int, operations ...dataarts.Operation) func(*http.Request, dataarts.Operation) *dataarts.Fault {
	return func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if slices.Contains(operations, op) {
			return &dataarts.Fault{Status: status, Code: "DLF.0001"}
		}
		return nil
	}
}

// killer ends a process at one of its requests, to DataArts or to the store: from then on nothing that it sends is answered or applied.
type killer struct {
	mu    sync.Mutex
	at    int // 0: never
	seen  int
	apply bool // the request at which it ends is applied all the same
}

func (k *killer) next() (dead, applied bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen++
	return k.at > 0 && k.seen >= k.at, k.seen == k.at && k.apply
}

// during runs fn in a process that ends at request number at. It returns how many requests there were.
func (g *ground) during(at int, apply bool, fn func()) int {
	k := &killer{at: at, apply: apply}
	g.DataArts.Intercept(func(*http.Request, dataarts.Operation) *dataarts.Fault {
		if dead, applied := k.next(); dead {
			return &dataarts.Fault{Status: 401, Code: "APIGW.0301", Applied: applied}
		}
		return nil
	})
	g.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if strings.HasPrefix(c.Key, root+"leases/") || strings.Contains(c.Key, "/leases/") { // renewed in the background: their number is not that of the work
			return nil
		}
		if dead, applied := k.next(); dead && !applied {
			return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
		}
		return nil
	})
	fn()
	g.DataArts.Intercept(nil)
	g.Objects.Intercept(nil)
	return k.seen
}

// kills lists the requests at which a run is killed: all of them where THOROUGH is set, else some.
func kills(total int) []int {
	step := 1
	if os.Getenv("THOROUGH") == "" {
		step = max(1, total/7)
	}
	var all []int
	for at := 1; at <= total; at += step {
		all = append(all, at)
	}
	return all
}

func TestRun_KilledAtAnyRequest(t *testing.T) {
	t.Parallel()
	total := 0
	onGround(t, func(g *ground) { total = g.during(0, false, func() { g.must(drill.Good, "drill-1") }) })
	for _, apply := range []bool{false, true} {
		for _, at := range kills(total) {
			t.Run(fmt.Sprintf("request_%d_applied_%v", at, apply), func(t *testing.T) {
				t.Parallel()
				t.Run("and_continued_is_as_good_as_one_that_was_not", func(t *testing.T) {
					onGround(t, func(g *ground) {
						before := g.content(localtest.Other)
						g.during(at, apply, func() { _, _ = g.try("drill-1") })
						time.Sleep(time.Minute)
						r := g.must(drill.Good, "drill-1")
						if now := g.content(localtest.Other); now != before || g.isOpen() {
							t.Errorf("open %v, left %s", g.isOpen(), now)
						}
						if last, err := g.records().Last(g.t.Context(), localtest.Workspace); err != nil || last.Good == nil || last.Good.ID != r.ID {
							t.Errorf("%+v %v", last, err)
						}
					})
				})
				t.Run("and_forgotten_is_removed_by_the_next", func(t *testing.T) {
					onGround(t, func(g *ground) {
						before := g.content(localtest.Other)
						g.during(at, apply, func() { _, _ = g.try("drill-1") })
						time.Sleep(time.Minute)
						g.must(drill.Good, "drill-2")
						if now := g.content(localtest.Other); now != before || g.isOpen() {
							t.Errorf("open %v, left %s", g.isOpen(), now)
						}
						former, err := g.records().Load(g.t.Context(), "drill-1")
						if err != nil || former != nil && !former.Final() {
							t.Errorf("the former drill: %+v %v", former, err)
						}
						if failed := former != nil && former.Status == drill.Failed; failed != slices.Contains(g.told, "drill-1") {
							t.Errorf("the former drill: %+v, told %v", former, g.told)
						}
					})
				})
			})
		}
	}
}
