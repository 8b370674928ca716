package backup_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
)

var errKilled = errors.New("killed")

// killed runs a backup whose process ends at its n-th request, whichever service that goes to, before it is carried out; or at its n-th write, after that was
// carried out: for what only reads, the two are the same. What the process tries after that, to clean up, does not arrive either. It returns how many requests there were.
func (d *drill) killed(n int, applied bool) int {
	ctx, kill := context.WithCancelCause(d.t.Context())
	defer kill(nil)
	var mu sync.Mutex
	count := 0
	arrives := func(writes bool) (last, gone bool) {
		mu.Lock()
		defer mu.Unlock()
		if applied && !writes {
			return false, count >= n
		}
		count++
		if count == n {
			kill(errKilled)
		}
		return count == n && applied, count > n || count == n && !applied
	}
	d.DataArts.Intercept(func(*http.Request, dataarts.Operation) *dataarts.Fault {
		last, gone := arrives(false)
		return &dataarts.Fault{ResetAfter: last, ResetBefore: gone}
	})
	d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		last, gone := arrives(slices.Contains([]string{"PutObject", "CopyObject", "DeleteObject", "DeleteObjects"}, c.Operation))
		return &objectstore.Fault{ResetAfter: last, ResetBefore: gone}
	})
	res, err := d.backUp(ctx)
	mu.Lock()
	defer mu.Unlock()
	if count < n {
		for _, lie := range d.lie(res, err, false) {
			d.t.Error("not killed: " + lie)
		}
	} else if err == nil && !d.has("backups/"+d.name+"/backup.json") {
		d.t.Error("a run that was killed reports a backup that is not there")
	}
	return count
}

// share is how many there are to one that a quick run of the tests tries. With THOROUGH set, as in CI, it is all of them.
func share(n int) int {
	if os.Getenv("THOROUGH") != "" {
		return 1
	}
	return n
}

// TestRun_KilledAtAnyRequestIsFinishedByTheNext kills a run at every one of its requests. The next run takes the lease over, and its
// backup is whole, with nothing left over.
func TestRun_KilledAtAnyRequestIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	for mode, switches := range map[string]dataarts.Switches{
		"in bulk":    {},
		"one by one": {ExportUnsupported: true, ListOmits: []string{"content"}},
	} {
		prepare := func(d *drill) *drill {
			d.DataArts.SetSwitches(func(s *dataarts.Switches) { *s = switches })
			return d.stock(29, 28)
		}
		for _, applied := range []bool{false, true} {
			requests := 0
			inBubble(t, localtest.Options{}, func(d *drill) { requests = prepare(d).killed(1<<30, applied) })
			if requests < 60 {
				t.Fatalf("%s: a run has only %d requests", mode, requests)
			}
			for n := 1; n <= requests; n += share(5) {
				t.Run(fmt.Sprintf("%s/%d/carried out %v", mode, n, applied), func(t *testing.T) {
					t.Parallel()
					inBubble(t, localtest.Options{}, func(d *drill) {
						prepare(d).killed(n, applied)
						began := time.Now()
						for _, lie := range d.finish() {
							t.Error(lie)
						}
						if waited := time.Since(began); waited > 2*time.Minute {
							t.Errorf("the next run took %s", waited)
						}
						if d.vault.Folder(d.name).Name != day || !d.has("backups/"+day+"/backup.json") || d.has("backups/"+day+"/progress.json") {
							t.Errorf("in the bucket: %q", d.keys())
						}
					})
				})
			}
		}
	}
}
