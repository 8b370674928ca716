package backup_test

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
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// chaos is what goes wrong in one run, all of it decided by a seed. What befalls a request depends on what it asks for and how often
// that was asked before, and not on the order in which requests happen to meet.
type chaos struct {
	seed    uint64
	service float64       // the share of requests to the service that meet a fault
	store   float64       // and to the store
	edits   float64       // the share of requests to the service before which somebody edits the workspace
	within  time.Duration // how long the run has; 0 is for ever
	outage  int           // the request to the store from which on it is out; 0 is never

	mu     sync.Mutex
	asked  map[string]int
	sent   int
	edited int
}

func newChaos(seed uint64, r *rand.Rand) *chaos {
	rates := []float64{0, 0, 0.02, 0.1, 0.3, 0.6}
	c := &chaos{seed: seed, service: rates[r.IntN(len(rates))], store: rates[r.IntN(len(rates))], asked: map[string]int{}}
	if r.IntN(3) == 0 {
		c.edits = []float64{0.05, 0.2, 0.5}[r.IntN(3)]
	}
	if r.IntN(4) == 0 {
		c.within = time.Duration(1+r.IntN(600)) * time.Second
	}
	if r.IntN(8) == 0 {
		c.outage = 1 + r.IntN(80)
	}
	return c
}

// dice are those of one request, by what it asks for.
func (c *chaos) dice(what string) *rand.Rand {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked[what]++
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s %d", c.seed, what, c.asked[what])
	return rand.New(rand.NewPCG(c.seed, h.Sum64()))
}

// refusal is a status that says that something is wrong for now, or now and then one that says that it is so for good.
func refusal(r *rand.Rand) (int, http.Header) {
	status := []int{429, 429, 500, 502, 503, 504, 408}[r.IntN(7)]
	if r.IntN(100) == 0 {
		status = []int{400, 401, 403, 404}[r.IntN(4)]
	}
	if r.IntN(2) == 0 {
		return status, http.Header{"Retry-After": {fmt.Sprint(1 + r.IntN(20))}}
	}
	return status, nil
}

// ofService is what befalls a request to the service.
func (c *chaos) ofService(d *drill, req *http.Request) *dataarts.Fault {
	r := c.dice(req.Method + req.URL.Path + req.URL.RawQuery)
	if r.Float64() < c.edits {
		c.edit(d, r)
	}
	if r.Float64() >= c.service {
		return nil
	}
	pause := time.Duration(1+r.IntN(200)) * time.Second
	switch r.IntN(8) {
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
		return &dataarts.Fault{Dribble: pause / 50, DribbleBytes: 300}
	}
	status, header := refusal(r)
	return &dataarts.Fault{Status: status, Header: header, Applied: r.IntN(2) == 0}
}

// ofStore is what befalls a request to the store.
func (c *chaos) ofStore(_ *drill, call objectstore.Call) *objectstore.Fault {
	if call.Bucket == "libs" && call.Operation == "GetObject" {
		return nil
	}
	r := c.dice(call.Operation + call.Bucket + call.Key + call.Request.URL.RawQuery)
	c.mu.Lock()
	c.sent++
	out := c.outage > 0 && c.sent >= c.outage
	c.mu.Unlock()
	if out {
		return &objectstore.Fault{Status: 503, Code: "SlowDown"}
	}
	if r.Float64() >= c.store {
		return nil
	}
	pause := time.Duration(1+r.IntN(60)) * time.Second
	kinds := 7
	if call.Operation == "PutObject" && !strings.HasSuffix(call.Key, "/manifest.json") || call.Operation == "CopyObject" {
		kinds = 5 // without those that take time, see inBubble
	}
	switch kinds - 1 - r.IntN(kinds) {
	case 0:
		return &objectstore.Fault{ResetBefore: true}
	case 1:
		return &objectstore.Fault{ResetAfter: true}
	case 2:
		return &objectstore.Fault{Truncate: true, TruncateAt: r.IntN(400)}
	case 5:
		return &objectstore.Fault{Delay: pause}
	case 6:
		return &objectstore.Fault{DelayAfter: pause}
	}
	status, header := refusal(r)
	return &objectstore.Fault{Status: status, Code: "SlowDown", Header: header, Applied: r.IntN(2) == 0}
}

// edit changes, adds or deletes an asset.
func (c *chaos) edit(d *drill, r *rand.Rand) {
	time.Sleep(2 * time.Millisecond) // the service tells times in milliseconds
	c.mu.Lock()
	c.edited++
	version := c.edited
	c.mu.Unlock()
	if version > 40 {
		return // people rest
	}
	i := r.IntN(20)
	script, job := fmt.Sprintf("script_%02d", i), fmt.Sprintf("job_%02d", i)
	switch r.IntN(6) {
	case 0:
		d.change(dataarts.Scripts, script, nil)
	case 1:
		d.change(dataarts.Jobs, job, nil)
	case 2:
		d.change(dataarts.Env, "env", []byte(envText(version)))
	case 3, 4:
		d.change(dataarts.Scripts, script, []byte(scriptText(i, version)))
	case 5:
		d.change(dataarts.Jobs, job, []byte(jobText(i, version)))
	}
}

// moods are ways in which a service may be odd all the time.
func moods(r *rand.Rand) (dataarts.Switches, func(*drill)) {
	s := dataarts.Switches{Latency: time.Millisecond}
	switch r.IntN(12) {
	case 0:
		s.ExportUnsupported = true
	case 1:
		s.ListOmits = []string{"content"}
	case 2:
		s.ExportUnsupported, s.ListOmits = true, []string{"content", "location"}
	case 3:
		s.ExportFails = 2
	case 4:
		s.ExportTruncated = true
	case 5:
		s.ListMoves = 1 + r.IntN(3)
	case 6:
		s.TotalDelta = r.IntN(5) - 2
	case 7:
		s.EnvUnsupported = true
	case 8:
		s.RecordOffsets = true
	}
	store := func(*drill) {}
	switch r.IntN(12) {
	case 0:
		store = func(d *drill) { d.Objects.IgnoreConditions(true) }
	case 1:
		store = func(d *drill) { d.late = true; d.Objects.LateListings(1, 0) }
	}
	return s, store
}

// TestRun_TellsTheTruthInAThousandRunsOfChaos lets everything go wrong at once. What each run reports has to be what is in the bucket; with the faults
// lifted, the next run for the same date makes it a whole backup.
func TestRun_TellsTheTruthInAThousandRunsOfChaos(t *testing.T) {
	t.Parallel()
	const seeds, groups = 1000, 20
	var mu sync.Mutex
	var liars []uint64
	ends := map[vault.Status]int{}
	t.Cleanup(func() {
		slices.Sort(liars)
		t.Logf("how they ended: %v; seeds that failed: %v", ends, liars)
		if len(ends) != 3 && !t.Failed() {
			t.Errorf("the faults do not reach every end: %v", ends)
		}
	})
	for group := range uint64(groups) {
		t.Run(fmt.Sprintf("seeds from %d", group*seeds/groups+1), func(t *testing.T) {
			t.Parallel()
			for seed := group*seeds/groups + 1; seed <= (group+1)*seeds/groups; seed += uint64(share(5)) {
				status, lies := throughChaos(t, seed)
				mu.Lock()
				ends[status]++
				if len(lies) > 0 {
					liars = append(liars, seed)
					t.Errorf("seed %d, %s: %s", seed, status, strings.Join(lies, "; "))
				}
				mu.Unlock()
			}
		})
	}
}

// throughChaos is the run of one seed.
func throughChaos(t *testing.T, seed uint64) (status vault.Status, lies []string) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0))
	inBubble(t, localtest.Options{PageSize: []int{0, 4, 7}[r.IntN(3)]}, func(d *drill) {
		d.stock(3+r.IntN(10), 3+r.IntN(10))
		c := newChaos(seed, r)
		switches, mood := moods(r)
		d.DataArts.SetSwitches(func(s *dataarts.Switches) { *s = switches })
		mood(d)
		d.DataArts.Intercept(func(req *http.Request, _ dataarts.Operation) *dataarts.Fault { return c.ofService(d, req) })
		d.storeFaults(func(call objectstore.Call) *objectstore.Fault { return c.ofStore(d, call) })
		ctx, cancel := context.WithCancel(d.t.Context())
		if c.within > 0 {
			ctx, cancel = context.WithTimeout(ctx, c.within)
		}
		defer cancel()
		res, err := d.backUp(ctx)
		status = res.Status
		lies = d.lie(res, err, false)
		for _, lie := range d.finish() {
			lies = append(lies, "the next run: "+lie)
		}
		if len(lies) > 0 {
			lies = append(lies, fmt.Sprintf("service %.2f, store %.2f, edits %.2f, within %s, outage %d, late listings %v, switches %+v: %v",
				c.service, c.store, c.edits, c.within, c.outage, d.late, switches, err))
		}
	})
	return status, lies
}
