package restore_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// chaos is what goes wrong in the runs of one restore and its undo, all of it decided by a seed. What befalls a request depends on what it asks for and
// how often that was asked before, and not on the order in which requests happen to meet.
type chaos struct {
	seed    uint64
	service float64 // the share of requests to the service that meet a fault
	store   float64 // and to the store

	mu    sync.Mutex
	asked map[string]int
	sent  int
	kill  func() // ends the run
	at    int    // the request at which the process ends; 0 is never
}

// dice are those of one request, by what it asks for.
func (c *chaos) dice(what string) (r *rand.Rand, dead bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sent++; c.sent == c.at {
		c.kill()
	}
	c.asked[what]++
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s %d", c.seed, what, c.asked[what])
	return rand.New(rand.NewPCG(c.seed, h.Sum64())), c.at > 0 && c.sent >= c.at
}

// turnedDown is a status that says that something is wrong for now, or now and then one that says that it is so for good.
func turnedDown(r *rand.Rand) (int, http.Header) {
	status := []int{429, 429, 500, 502, 503, 504, 408}[r.IntN(7)]
	if r.IntN(60) == 0 {
		status = []int{400, 401, 403, 404}[r.IntN(4)]
	}
	if r.IntN(2) == 0 {
		return status, http.Header{"Retry-After": {fmt.Sprint(1 + r.IntN(20))}}
	}
	return status, nil
}

// ofService is what befalls a request to the service.
func (c *chaos) ofService(req *http.Request, _ dataarts.Operation) *dataarts.Fault {
	r, dead := c.dice(req.Method + req.URL.Path + req.URL.RawQuery)
	if dead {
		return &dataarts.Fault{ResetBefore: true}
	}
	if r.Float64() >= c.service {
		return nil
	}
	pause := time.Duration(1+r.IntN(120)) * time.Second
	switch r.IntN(10) {
	case 0:
		return &dataarts.Fault{ResetBefore: true}
	case 1:
		return &dataarts.Fault{ResetAfter: true}
	case 2:
		return &dataarts.Fault{Truncate: 0.01 + 0.98*r.Float64()}
	case 3:
		return &dataarts.Fault{Malformed: true}
	case 4:
		return &dataarts.Fault{Delay: pause}
	case 5:
		return &dataarts.Fault{DelayAfter: pause}
	case 6:
		if req.Method != http.MethodGet {
			return &dataarts.Fault{Status: 204} // and nothing was done
		}
	}
	status, header := turnedDown(r)
	return &dataarts.Fault{Status: status, Header: header, Applied: r.IntN(2) == 0}
}

// ofStore is what befalls a request to the store. Nothing that takes time befalls a write, see inBubble.
func (c *chaos) ofStore(call objectstore.Call) *objectstore.Fault {
	r, dead := c.dice(call.Operation + call.Bucket + call.Key + call.Request.URL.RawQuery)
	if dead {
		return &objectstore.Fault{ResetBefore: true}
	}
	if r.Float64() >= c.store {
		return nil
	}
	switch r.IntN(6) {
	case 0:
		return &objectstore.Fault{ResetBefore: true}
	case 1:
		return &objectstore.Fault{ResetAfter: true}
	case 2:
		return &objectstore.Fault{Truncate: true, TruncateAt: r.IntN(400)}
	}
	status, header := turnedDown(r)
	return &objectstore.Fault{Status: status, Code: "SlowDown", Header: header, Applied: r.IntN(2) == 0}
}

// during runs fn in the chaos, with the process ended at a request in some runs.
func (c *chaos) during(d *desk, r *rand.Rand, fn func(context.Context)) {
	ctx, cancel := context.WithCancel(d.t.Context())
	defer cancel()
	if r.IntN(3) == 0 {
		var stop func()
		ctx, stop = context.WithTimeout(ctx, time.Duration(1+r.IntN(600))*time.Second)
		defer stop()
	}
	c.mu.Lock()
	c.sent, c.at, c.kill = 0, 0, cancel
	if r.IntN(3) == 0 {
		c.at = 1 + r.IntN(150)
	}
	c.mu.Unlock()
	d.DataArts.Intercept(c.ofService)
	d.Objects.Intercept(c.ofStore)
	fn(ctx)
	d.DataArts.Intercept(nil)
	d.Objects.Intercept(nil)
}

// moods are ways in which a service may be odd all the time, and that no restore may fail for.
func moods(r *rand.Rand) dataarts.Switches {
	s := dataarts.Switches{Latency: time.Millisecond}
	switch r.IntN(8) {
	case 0:
		s.ExportUnsupported = true
	case 1:
		s.ListOmits = []string{"content", "location"}
	case 2:
		s.ExportFails = 2
	case 3:
		s.EnvMerge, s.EnvAnswer = true, dataarts.EnvAnswerJSON
	case 4:
		s.RecordOffsets = true
	case 5:
		s.RefuseRunning = true
	}
	return s
}

// TestRun_TellsTheTruthInAThousandChaoses lets everything go wrong at once, in restores, in those that continue them, and in undos. What each run reports has
// to be what is in the workspace; with the faults lifted, the restore ends and its undo gives back what was there before, or names what it does not.
func TestRun_TellsTheTruthInAThousandChaoses(t *testing.T) {
	t.Parallel()
	const seeds, groups = 1000, 20
	var mu sync.Mutex
	var liars []uint64
	ends := map[restore.Status]int{}
	t.Cleanup(func() {
		slices.Sort(liars)
		t.Logf("how they ended at first: %v; seeds that failed: %v", ends, liars)
		if len(ends) < 3 && !t.Failed() {
			t.Errorf("the faults do not reach every end: %v", ends)
		}
	})
	for group := range uint64(groups) {
		t.Run(fmt.Sprintf("seeds from %d", group*seeds/groups+1), func(t *testing.T) {
			t.Parallel()
			inBubble(t, vault.Keys{}, func(d *desk) {
				for seed := group*seeds/groups + 1; seed <= (group+1)*seeds/groups; seed += uint64(share(40)) {
					status, lies := d.throughChaos(seed)
					mu.Lock()
					ends[status]++
					if len(lies) > 0 {
						liars = append(liars, seed)
						t.Errorf("seed %d, %s: %s", seed, status, strings.Join(lies, "; "))
					}
					mu.Unlock()
				}
			}, ofAllSorts)
		})
	}
}

// throughChaos is the restore of one seed, and its undo.
func (d *desk) throughChaos(seed uint64) (status restore.Status, lies []string) {
	r := rand.New(rand.NewPCG(seed, 0))
	rates := []float64{0, 0.02, 0.1, 0.3, 0.6}
	c := &chaos{seed: seed, service: rates[r.IntN(len(rates))], store: rates[r.IntN(len(rates)-1)], asked: map[string]int{}}
	all := ways(creating)
	way := all[r.IntN(len(all))]
	switches := moods(r)
	d.DataArts.SetSwitches(func(s *dataarts.Switches) { *s = dataarts.Switches{} })
	way.prepare(d)
	d.DataArts.SetSwitches(func(s *dataarts.Switches) { *s = switches })
	trial := &trial{d: d, desired: pictureOf(d.t, d.before), before: d.picture(localtest.Workspace), policy: way.policy, keep: way.schedules}
	id := fmt.Sprintf("seed-%d", seed)
	req := d.request(fmt.Sprintf(`{"id":%q,"date":"2026-11-22","duplicateNamePolicy":%q,"schedules":%q}`, id, way.policy, way.schedules))
	var report *restore.Report
	var err error
	run := func(ctx context.Context) { report, err = restore.Run(ctx, req, way.options(d)) }
	say := func(what string, more []string) {
		for _, lie := range more {
			lies = append(lies, what+": "+lie)
		}
	}
	for n := 1; n == 1 || n <= 3 && (err != nil || report.Status == restore.Failed); n++ {
		began := d.picture(localtest.Workspace)
		c.during(d, r, run)
		say(fmt.Sprintf("run %d", n), trial.since(began).lies(report, err))
		if n == 1 {
			status = report.Status
		}
	}
	if err != nil || report.Status == restore.Failed {
		began := d.picture(localtest.Workspace)
		run(d.t.Context())
		if err != nil || report.Status != restore.Complete && report.Status != restore.Partial {
			lies = append(lies, fmt.Sprintf("continued: %v %s", err, dump(report)))
		}
		say("continued", trial.since(began).lies(report, err))
	}
	undo := func(ctx context.Context) { report, err = restore.Undo(ctx, id, way.options(d)) }
	for n := range 2 {
		c.during(d, r, undo)
		say(fmt.Sprintf("undo %d", n+1), trial.undoLies(report, err))
	}
	if err != nil || report.Status != restore.Undone {
		undo(d.t.Context())
		if err != nil {
			lies = append(lies, fmt.Sprintf("undone again: %v %s", err, dump(report)))
		}
	}
	say("undone", trial.undoLies(report, err))
	if len(lies) > 0 {
		lies = append(lies, fmt.Sprintf("%+v, service %.2f, store %.2f, switches %+v", way, c.service, c.store, switches))
	}
	return status, lies
}
