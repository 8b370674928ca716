package restore_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// phase is a sort of request of a restore that a fault befalls.
type phase string

const (
	listing     phase = "list"
	getting     phase = "get"       // definitions before the first write
	creating    phase = "create"    // an asset
	updating    phase = "update"    // an asset
	starting    phase = "start"     // a job
	stopping    phase = "stop"      // a job
	readingBack phase = "read-back" // definitions after the first write
	gettingEnv  phase = "get env"
	puttingEnv  phase = "put env"
	deleting    phase = "delete" // by an undo
	checking    phase = "check file"
	importing   phase = "import"
	polling     phase = "task" // of an import
)

func phases() []phase {
	return []phase{listing, getting, creating, updating, starting, stopping, readingBack, gettingEnv, puttingEnv, deleting, checking, importing, polling}
}

// phases tells which phase a request belongs to.
type phaser struct{ written bool }

func (p *phaser) of(op dataarts.Operation) phase {
	switch op {
	case dataarts.ListJobs, dataarts.ListScripts, dataarts.ListResources:
		return listing
	case dataarts.CreateJob, dataarts.CreateScript, dataarts.CreateResource:
		p.written = true
		return creating
	case dataarts.UpdateJob, dataarts.UpdateScript, dataarts.UpdateResource:
		p.written = true
		return updating
	case dataarts.StartJob:
		return starting
	case dataarts.StopJob:
		return stopping
	case dataarts.ShowJob, dataarts.ShowScript, dataarts.ShowResource:
		if p.written {
			return readingBack
		}
		return getting
	case dataarts.ShowFactoryEnv:
		return gettingEnv
	case dataarts.CreateFactoryEnv:
		return puttingEnv
	case dataarts.DeleteJob, dataarts.DeleteScript, dataarts.DeleteResource:
		return deleting
	case dataarts.ShowFileInfo:
		return checking
	case dataarts.ImportJob:
		p.written = true
		return importing
	case dataarts.ShowSystemTask:
		return polling
	}
	return ""
}

// mishap is what goes wrong with a request to the service.
type mishap struct {
	name  string
	fault dataarts.Fault
	// passes tells that it is one after which the request may be sent again, so that one of them changes nothing.
	passes bool
	within time.Duration // how long the run has; 0 is for ever
}

func mishaps() []mishap {
	html := "<html><head><title>Sign in</title></head><body></body></html>"
	other := `{"name":"somebody_else","type":"Shell","content":"","nodes":[],"schedule":{"type":"EXECUTE_ONCE"},"processType":"BATCH","directory":"/","location":"obs://a/b"}`
	all := []mishap{
		{name: "500", fault: dataarts.Fault{Status: 500}, passes: true},
		{name: "500 after it was applied", fault: dataarts.Fault{Status: 500, Applied: true}, passes: true},
		{name: "503 with Retry-After", fault: dataarts.Fault{Status: 503, Header: http.Header{"Retry-After": {"3"}}}, passes: true},
		{name: "429 with Retry-After", fault: dataarts.Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, passes: true},
		{name: "429 without Retry-After", fault: dataarts.Fault{Status: 429}, passes: true},
		{name: "400", fault: dataarts.Fault{Status: 400, Code: "DLF.3051"}},
		{name: "403", fault: dataarts.Fault{Status: 403}},
		{name: "403 of the service itself", fault: dataarts.Fault{Status: 403, Code: "DLF.6888"}},
		{name: "401", fault: *expired()},
		{name: "404", fault: dataarts.Fault{Status: 404, Code: "APIGW.0101"}},
		{name: "reset before", fault: dataarts.Fault{ResetBefore: true}, passes: true},
		{name: "reset after", fault: dataarts.Fault{ResetAfter: true}, passes: true},
		{name: "truncated body", fault: dataarts.Fault{Truncate: 0.5}, passes: true},
		{name: "half a body", fault: dataarts.Fault{Malformed: true}, passes: true},
		{name: "HTML with status 200", fault: dataarts.Fault{Status: 200, Body: html}},
		{name: "HTML with status 200 and applied", fault: dataarts.Fault{Status: 200, Body: html, Applied: true}},
		{name: "error with status 200", fault: dataarts.Fault{Status: 200, Body: `{"error_code":"DLF.9999","error_msg":"busy"}`}},
		{name: "204 and nothing was done", fault: dataarts.Fault{Status: 204}},
		{name: "another asset", fault: dataarts.Fault{Status: 200, Body: other}},
		{name: "slow", fault: dataarts.Fault{Dribble: 2 * time.Second, DribbleBytes: 200, DelayAfter: 20 * time.Second}, passes: true},
		{name: "slow beyond the deadline", fault: dataarts.Fault{Delay: time.Hour}, within: 5 * time.Minute},
		{name: "applied, and the answer is slow beyond the deadline", fault: dataarts.Fault{DelayAfter: time.Hour}, within: 5 * time.Minute},
	}
	return all
}

// when is how often a mishap befalls a phase.
type when struct {
	name     string
	from, to int // the requests of the phase that meet it, counted from 1
}

func whens() []when {
	return []when{{"the first", 1, 1}, {"the third", 3, 3}, {"all", 1, 1 << 30}}
}

// way is how a restore is asked for.
type way struct {
	policy, schedules string
	empty             bool // the workspace is
	imports           bool // however few jobs there are
}

// ways lists the ways that meet a phase.
func ways(p phase) []way {
	imports := []way{{"overwrite", "start", true, true}, {"skip", "stop", true, true}, {"fail", "keep", true, true}}
	switch p {
	case checking, importing, polling:
		return imports
	case listing, creating, starting, readingBack:
		return append(imports, written()...)
	}
	return written()
}

// written lists the ways without imports.
func written() []way {
	return []way{{"overwrite", "keep", false, false}, {"overwrite", "start", false, false}, {"skip", "stop", false, false}, {"fail", "keep", true, false}}
}

// options are those of a restore in this way.
func (w way) options(d *desk) restore.Options {
	opts := d.unhurried()
	opts.ImportThreshold = map[bool]int{true: 1, false: -1}[w.imports]
	return opts
}

// prepare brings the workspace to where it was before a restore. Imports are for one in which no job and no script is.
func (w way) prepare(d *desk) {
	d.agedAllSorts(w.empty, w.schedules)
	if !w.imports {
		return
	}
	handle := d.Handle(localtest.Workspace)
	for _, kind := range []dataarts.Kind{dataarts.Jobs, dataarts.Scripts} {
		for name := range handle.All(kind) {
			handle.Delete(kind, name)
		}
	}
}

// befall makes a mishap befall a phase of a run. It returns how many requests met it.
func (d *desk) befall(m mishap, p phase, w when, fn func(context.Context)) int {
	var mu sync.Mutex
	phaser, met, seen := phaser{}, 0, 0
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		mu.Lock()
		defer mu.Unlock()
		if phaser.of(op) != p {
			return nil
		}
		if seen++; seen < w.from || seen > w.to {
			return nil
		}
		met++
		fault := m.fault
		return &fault
	})
	defer d.DataArts.Intercept(nil)
	ctx := d.t.Context()
	if m.within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, m.within)
		defer cancel()
	}
	fn(ctx)
	mu.Lock()
	defer mu.Unlock()
	return met
}

// TestRun_TellsTheTruthWhateverFails makes every mishap befall every phase of a restore and of an undo. What the report says has to be what
// is in the workspace. With the mishap over, what was interrupted is continued to its end, and what was restored is undone.
func TestRun_TellsTheTruthWhateverFails(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	ends, cells, hit, tried := map[restore.Status]int{}, 0, map[phase]int{}, map[phase]bool{}
	t.Cleanup(func() {
		t.Logf("%d cells, how they ended: %v; requests that met a mishap: %v", cells, ends, hit)
		for p := range tried {
			if hit[p] == 0 {
				t.Errorf("nothing befell %s", p)
			}
		}
	})
	for i, m := range mishaps() {
		for j, p := range phases() {
			if (i+j)%share(61) != 0 {
				continue
			}
			t.Run(m.name+"/"+string(p), func(t *testing.T) {
				t.Parallel()
				inBubble(t, vault.Keys{}, func(d *desk) {
					for _, way := range ways(p) {
						for _, w := range whens() {
							id := fmt.Sprintf("%s-%s-%v-%s", way.policy, way.schedules, way.imports, strings.ReplaceAll(w.name, " ", "-"))
							status, met, lies := d.cell(id, m, p, w, way)
							for _, lie := range lies {
								t.Errorf("%s: %s", id, lie)
							}
							mu.Lock()
							cells++
							ends[status]++
							hit[p] += met
							tried[p] = true
							mu.Unlock()
						}
					}
				}, ofAllSorts)
			})
		}
	}
}

// cell is one mishap that befalls one phase of a restore and, with the same id, of its undo. met is how many requests it befell.
func (d *desk) cell(id string, m mishap, p phase, w when, way way) (status restore.Status, met int, lies []string) {
	way.prepare(d)
	c := &trial{d: d, desired: pictureOf(d.t, d.before), before: d.picture(localtest.Workspace), policy: way.policy, keep: way.schedules}
	req := d.request(fmt.Sprintf(`{"id":%q,"date":"2026-11-22","duplicateNamePolicy":%q,"schedules":%q}`, id, way.policy, way.schedules))
	say := func(what string, more []string) {
		for _, lie := range more {
			lies = append(lies, what+": "+lie)
		}
	}
	var report *restore.Report
	var err error
	restored := func(ctx context.Context) { report, err = restore.Run(ctx, req, way.options(d)) }
	if p == deleting {
		restored(d.t.Context())
	} else {
		met = d.befall(m, p, w, restored)
	}
	status = report.Status
	say("the run", c.lies(report, err))
	if (met == 0 || w.from == w.to && m.passes) && (err != nil || report.Status != restore.Complete) {
		lies = append(lies, fmt.Sprintf("%d mishaps that pass ended it with %s: %v %s", met, report.Status, err, dump(report)))
	}
	if err != nil || report.Status == restore.Failed {
		restored(d.t.Context())
		if err != nil || report.Status != restore.Complete {
			lies = append(lies, fmt.Sprintf("continued: %v %s", err, dump(report)))
		}
		say("continued", c.lies(report, err))
	}
	undone := func(ctx context.Context) { report, err = restore.Undo(ctx, id, way.options(d)) }
	if p == deleting || p == listing || p == getting || p == updating || p == gettingEnv || p == puttingEnv {
		met += d.befall(m, p, w, undone)
		say("the undo", c.undoLies(report, err))
	}
	if err != nil || report.Status != restore.Undone {
		undone(d.t.Context())
		if err != nil {
			lies = append(lies, fmt.Sprintf("undone again: %v %s", err, dump(report)))
		}
	}
	say("after the undo", c.undoLies(report, err))
	return status, met, lies
}
