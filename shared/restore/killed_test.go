package restore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

// end is how a run ends at one of its writes. Nothing that it asks the service afterwards is answered.
type end string

const (
	refused end = "before it is applied"                                 // the keys are over
	applied end = "after it was applied"                                 // the keys are over
	dead    end = "after it was applied and before it could be recorded" // the process is gone: it writes no report any more either
)

// reaper counts the writes to the service and ends a run at one of them.
type reaper struct {
	d *desk

	mu     sync.Mutex
	ended  bool
	seen   int
	counts map[dataarts.Operation]int // writes that were applied
}

func (d *desk) reaper() *reaper { return &reaper{d: d, counts: map[dataarts.Operation]int{}} }

func isWrite(op dataarts.Operation) bool {
	switch op {
	case dataarts.CreateJob, dataarts.UpdateJob, dataarts.DeleteJob, dataarts.StartJob, dataarts.StopJob, dataarts.CreateScript, dataarts.UpdateScript,
		dataarts.DeleteScript, dataarts.CreateResource, dataarts.UpdateResource, dataarts.DeleteResource, dataarts.CreateFactoryEnv:
		return true
	}
	return false
}

// during lets fn run to its end at write number at; 0 for one that is left alone.
func (r *reaper) during(at int, how end, fn func()) {
	r.d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.ended {
			return expired()
		}
		if !isWrite(op) {
			return nil
		}
		r.seen++
		fault := (*dataarts.Fault)(nil)
		if r.seen == at {
			r.ended = true
			fault = expired()
			fault.Applied = how != refused
		}
		if fault == nil || fault.Applied {
			r.counts[op]++
		}
		return fault
	})
	r.d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.ended && how == dead && c.Operation == "PutObject" && strings.HasSuffix(c.Key, "/report.json") {
			return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
		}
		return nil
	})
	fn()
	r.d.DataArts.Intercept(nil)
	r.d.Objects.Intercept(nil)
	r.seen, r.ended = 0, false
}

// hurry makes the desk's client one that does not wait for the pace of the service: its clock runs ahead instead.
func (d *desk) hurry() {
	d.t.Helper()
	var mu sync.Mutex
	var ahead time.Duration
	client, err := factory.New(factory.Options{Endpoint: d.V1, V2Endpoint: d.V2, ProjectID: localtest.ProjectID, RateLimit: 100_000,
		Credentials: factory.Credentials{AccessKey: localtest.AccessKey, SecretKey: localtest.SecretKey},
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(ahead)
		},
		Sleep: func(ctx context.Context, d time.Duration) error {
			mu.Lock()
			defer mu.Unlock()
			ahead += d
			return ctx.Err()
		}})
	if err != nil {
		d.t.Fatal(err)
	}
	d.Factory = client
}

// state is a workspace as text, asset by asset and variable by variable, with the schedule of every job.
func (d *desk) state() map[string]string {
	d.t.Helper()
	w := d.Handle(localtest.Workspace)
	all := map[string]string{}
	text := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			d.t.Fatal(err)
		}
		return string(data)
	}
	for kind, assets := range d.snapshot(localtest.Workspace) {
		for name, raw := range assets {
			var fields map[string]any
			if err := json.Unmarshal(asset.Comparable(asset.Kind(kind), raw), &fields); err != nil {
				d.t.Fatal(err)
			}
			if kind != dataarts.Env {
				all[fmt.Sprintf("%s %s", kind, name)] = text(fields)
				continue
			}
			params, _ := fields["params"].([]any)
			for _, param := range params {
				p, _ := param.(map[string]any)
				all[fmt.Sprintf("variable %v", p["name"])] += text(p)
			}
		}
	}
	for job := range w.All(dataarts.Jobs) {
		all["status of "+job] = w.JobStatus(job)
	}
	return all
}

// outcomes are what a report says of its items.
func outcomes(r *restore.Report) map[string]string {
	all := map[string]string{}
	for _, i := range r.Items {
		all[fmt.Sprintf("%s %s", i.Kind, i.Name)] = fmt.Sprintf("%s %s, was running: %v", i.Action, i.Outcome, i.WasRunning)
	}
	return all
}

// backedUp is a small workspace in which there is one of everything that matters to the order of writes.
func backedUp(w *dataarts.WorkspaceHandle) error {
	for _, fill := range []func(*dataarts.WorkspaceHandle) error{
		having(dataarts.Env, variables(variable("changed", "1"), variable("gone", "1"), variable("same", "1"))),
		having(dataarts.Resources, `{"name":"udf","type":"jar","directory":"/lib","location":"obs://libs/udf.jar"}`),
		having(dataarts.Scripts, `{"name":"changed","type":"Shell","content":"1"}`, `{"name":"gone","type":"Shell","content":"1"}`),
		having(dataarts.Jobs, batch("changed"), batch("gone", "ring_1"), batch("ran"), batch("ran_changed"), batch("ring_1", "ring_2"), batch("ring_2", "ring_1"), batch("stood")),
	} {
		if err := fill(w); err != nil {
			return err
		}
	}
	return nil
}

// lived brings the workspace to where it was before the restore: changed since, or empty but for what the backup does not know.
func (d *desk) lived(empty bool) {
	d.t.Helper()
	w := d.Handle(localtest.Workspace)
	w.Wipe()
	d.put(dataarts.Env, variables(variable("only_live", "1")))
	d.put(dataarts.Jobs, batch("only_live"))
	w.SetJobStatus("only_live", "SCHEDULING")
	if empty {
		return
	}
	d.put(dataarts.Env, variables(variable("changed", "2"), variable("only_live", "1"), variable("same", "1")))
	d.put(dataarts.Scripts, `{"name":"changed","type":"Shell","content":"2"}`)
	d.put(dataarts.Jobs, described(batch("changed"), "changed"), batch("ran"), described(batch("ran_changed"), "changed"), batch("stood"))
	w.SetJobStatus("ran", "SCHEDULING")
	w.SetJobStatus("ran_changed", "SCHEDULING")
}
