package restore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// share is how many there are to one that a quick run of the tests tries. With THOROUGH set, as in CI, it is all of them.
func share(n int) int {
	if os.Getenv("THOROUGH") != "" {
		return 1
	}
	return n
}

// inBubble runs fn with a desk in a bubble of testing/synctest, where back-off, pauses, slow answers, leases and deadlines take no time. Both services
// are reached by pipes and with real HTTP.
func inBubble(t *testing.T, keys vault.Keys, fn func(d *desk), fill ...func(*dataarts.WorkspaceHandle) error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		// A restore holds a mutex while it writes its report, and the time of a bubble stands still while somebody waits for a mutex. So nobody may wait
		// for time who writes an object.
		c := localtest.NewWith(t, localtest.Options{Pipes: true, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
		d := newDeskIn(t, c, keys, fill...)
		d.keys, d.terms = keys, brief
		fn(d)
		time.Sleep(time.Minute) // a lease that was being renewed when its run ended lives that long
	})
}

// unhurried are the options of a restore that waits as in earnest: in a bubble that takes no time.
func (d *desk) unhurried() restore.Options {
	opts := d.options()
	opts.Sleep = nil
	return opts
}

// request reads a request in JSON.
func (d *desk) request(text string) restore.Request {
	d.t.Helper()
	req, err := restore.ParseRequest([]byte(text))
	if err != nil {
		d.t.Fatal(err)
	}
	return req
}

// storeWrites are the operations of the object store that change it.
func storeWrites() []string {
	return []string{"PutObject", "CopyObject", "DeleteObject", "DeleteObjects", "UploadPart", "CopyPart", "CompleteMultipartUpload", "InitiateMultipartUpload"}
}

// changes tells whether a request to the service changes a workspace.
func changes(r *http.Request, op dataarts.Operation) bool {
	return r.Method != http.MethodGet && op != dataarts.ExportJobList && op != dataarts.ExportJob && op != dataarts.ShowFileInfo
}

// fate is how a run ends at one of its requests.
type fate string

const (
	diesBefore  fate = "the process ends before the request is carried out"
	diesAfter   fate = "the process ends after the request was carried out"
	keysRefused fate = "the keys are over, the request is refused"
	keysTooLate fate = "the request is carried out, its answer is that the keys are over"
)

func fates() []fate { return []fate{diesBefore, diesAfter, keysRefused, keysTooLate} }

// dies tells whether nothing at all is heard of the run after its end.
func (f fate) dies() bool { return f == diesBefore || f == diesAfter }

// counts tells whether a request is one at which this fate can befall a run. Where it is to be carried out, only what changes something makes a difference,
// and keys are DataArts' matter.
func (f fate) counts(store, writes bool) bool {
	return (writes || f == diesBefore || f == keysRefused) && (f.dies() || !store)
}

// ending counts the requests of runs and ends one of them. It is told of what was carried out.
type ending struct {
	d *desk

	mu      sync.Mutex
	applied map[dataarts.Operation]int // writes to the service that were carried out, of all runs
}

func (d *desk) ending() *ending { return &ending{d: d, applied: map[dataarts.Operation]int{}} }

// at runs fn and ends it at its n-th request to either service; 0 is never. It returns how many requests there were.
func (e *ending) at(n int, f fate, fn func(context.Context)) int {
	ctx, kill := context.WithCancel(e.d.t.Context())
	defer kill()
	count, over := 0, false
	meets := func(store, writes bool) (last, gone bool) {
		if over {
			return false, f.dies() || !store
		}
		if !f.counts(store, writes) {
			return false, false
		}
		count++
		if count != n {
			return false, false
		}
		if over = true; f.dies() {
			kill()
		}
		carriedOut := f == diesAfter || f == keysTooLate
		return carriedOut, !carriedOut
	}
	e.d.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		e.mu.Lock()
		defer e.mu.Unlock()
		writes := changes(r, op)
		last, gone := meets(false, writes)
		if writes && !gone {
			e.applied[op]++
		}
		if f.dies() {
			return &dataarts.Fault{ResetAfter: last, ResetBefore: gone}
		}
		if !last && !gone {
			return nil
		}
		fault := expired()
		fault.Applied = last
		return fault
	})
	e.d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		e.mu.Lock()
		defer e.mu.Unlock()
		last, gone := meets(true, slices.Contains(storeWrites(), c.Operation))
		return &objectstore.Fault{ResetAfter: last, ResetBefore: gone}
	})
	fn(ctx)
	e.d.DataArts.Intercept(nil)
	e.d.Objects.Intercept(nil)
	e.mu.Lock()
	defer e.mu.Unlock()
	return count
}

// whole is a report as it stands on record.
func whole(r *restore.Report) string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(r)
	return text.String()
}
