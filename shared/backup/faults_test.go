package backup_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// The steps of a backup that faults befall.
const (
	listing    = "list"          // the lists of jobs, scripts and resources
	getting    = "get"           // reading one asset, or the environment variables
	exporting  = "export"        // reading many jobs
	putting    = "put"           // writing assets, and copying the files of resources
	looking    = "look"          // listing the folder before the commit
	describing = "manifest.json" // writing it
	committing = "backup.json"   // writing it
)

func steps() []string {
	return []string{listing, getting, exporting, putting, looking, describing, committing}
}

// fault is what goes wrong with a request to either service, by turns. A nil function means that the other service is not concerned.
type fault struct {
	service func(d *drill, r *http.Request) *dataarts.Fault
	store   func(d *drill, c objectstore.Call) *objectstore.Fault
	before  func(d *drill) // what is prepared before the run
	after   int            // how many requests of the step go well first, where there are many
	outage  bool           // the store is out from the moment on in which a request of the step is met
	within  time.Duration  // how long the run has; 0 is for ever
	lenient bool           // what is stored may be of any moment of the run
	opts    localtest.Options
}

// ends is how a backup ends whose first requests of a step meet a fault, and one in which all do.
type ends struct{ first, ever vault.Status }

// cells are the ends by step. A step that is not in it is in the row's senseless.
type cells map[string]ends

const (
	complete = vault.Complete
	partial  = vault.Partial
	failed   = vault.Failed
)

// either is the end of what depends on the order in which requests meet: the truth is all that counts.
const either vault.Status = "either"

// passing are the ends of a fault that passes, and that nothing helps against when it does not.
func passing() cells {
	return cells{listing: {complete, failed}, getting: {complete, partial}, exporting: {complete, complete}, putting: {complete, failed},
		looking: {complete, failed}, describing: {complete, failed}, committing: {complete, failed}}
}

// but is the cells with others in place of some.
func (c cells) but(others cells) cells {
	for step, e := range others {
		c[step] = e
	}
	return c
}

// status is the fault of an answer that refuses.
func status(code int, storeCode string, header http.Header) fault {
	return fault{
		service: func(*drill, *http.Request) *dataarts.Fault { return &dataarts.Fault{Status: code, Header: header} },
		store: func(*drill, objectstore.Call) *objectstore.Fault {
			return &objectstore.Fault{Status: code, Code: storeCode, Header: header}
		},
	}
}

// both is a fault that is the same in the two services.
func both(service dataarts.Fault, object objectstore.Fault) fault {
	return fault{
		service: func(*drill, *http.Request) *dataarts.Fault { return &service },
		store:   func(*drill, objectstore.Call) *objectstore.Fault { return &object },
	}
}

// answering changes the body of the service's answer.
func answering(change func(string) string) fault {
	return fault{service: func(d *drill, r *http.Request) *dataarts.Fault {
		return &dataarts.Fault{Status: http.StatusOK, Body: change(d.answer(r)), Header: http.Header{"Content-Type": {"application/json"}}}
	}}
}

// again marks a request that a fault makes itself.
const again = "X-Again"

// answer is what the service says to a GET without faults.
func (d *drill) answer(r *http.Request) string {
	repeated := r.Clone(context.WithoutCancel(r.Context()))
	repeated.Body, repeated.ContentLength = http.NoBody, 0
	repeated.Header.Set(again, "yes")
	w := httptest.NewRecorder()
	d.DataArts.V1().ServeHTTP(w, repeated)
	return w.Body.String()
}

// lastSegment is the name or id that a request is about.
func lastSegment(r *http.Request) string {
	return r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
}

// deleteAsked deletes the asset that a request asks for.
func deleteAsked(d *drill, r *http.Request) *dataarts.Fault {
	time.Sleep(2 * time.Millisecond)
	name := lastSegment(r)
	switch {
	case strings.Contains(r.URL.Path, "/jobs/"):
		d.change(dataarts.Jobs, name, nil)
	case strings.Contains(r.URL.Path, "/scripts/"):
		d.change(dataarts.Scripts, name, nil)
	case strings.Contains(r.URL.Path, "/resources/"):
		w := d.Handle(localtest.Workspace)
		for id := range w.All(dataarts.Resources) {
			if got, _ := w.ID(dataarts.Resources, id); got == name {
				d.change(dataarts.Resources, id, nil)
			}
		}
	}
	return nil
}

// deleteFirst deletes the first job or script that is left.
func deleteFirst(kind dataarts.Kind) func(*drill, *http.Request) *dataarts.Fault {
	return func(d *drill, _ *http.Request) *dataarts.Fault {
		time.Sleep(2 * time.Millisecond)
		names := sortedNames(d, kind)
		if len(names) > 0 {
			d.change(kind, names[0], nil)
		}
		return nil
	}
}

func sortedNames(d *drill, kind dataarts.Kind) []string {
	var names []string
	for name := range d.Handle(localtest.Workspace).All(kind) {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// row is one fault, how a backup ends in which it befalls each step, and why it cannot befall the others.
type row struct {
	name      string
	fault     fault
	cells     cells
	senseless map[string]string
}

var totals = regexp.MustCompile(`"total":(\d+)`)

func rows() []row {
	retryAfter := http.Header{"Retry-After": {"7"}}
	oneAsset := "the answer is about one asset, or about those that are named"
	ofStore := "the folder is listed by the object store, which has a row of its own"
	noBody := "the answer to a PUT has no body"
	noList := "nothing is listed by pages, and no total told"
	ownObject := "nobody but the backup touches this object"
	consistent := "an object store reads what was written"
	hour := time.Hour
	return []row{
		{"429 with Retry-After", status(429, "TooManyRequests", retryAfter), passing(), nil},
		{"429 without Retry-After", status(429, "TooManyRequests", nil), passing(), nil},
		{"500", status(500, "InternalError", nil), passing(), nil},
		{"502", status(502, "", nil), passing(), nil},
		{"503", status(503, "ServiceUnavailable", nil), passing(), nil},
		{"504", status(504, "", nil), passing(), nil},
		{"reset before the answer", both(dataarts.Fault{ResetBefore: true}, objectstore.Fault{ResetBefore: true}), passing(), nil},
		// A manifest or commit whose answers are all lost is there: a look at it tells.
		{"reset after it was applied", both(dataarts.Fault{ResetAfter: true}, objectstore.Fault{ResetAfter: true}),
			passing().but(cells{describing: {complete, complete}, committing: {complete, complete}}), nil},
		{"truncated body", both(dataarts.Fault{Truncate: 0.5}, objectstore.Fault{Truncate: true, TruncateAt: 10}), cells{listing: {complete, failed},
			getting: {complete, partial}, exporting: {complete, complete}, putting: {complete, either}, looking: {complete, failed}},
			map[string]string{describing: noBody, committing: noBody}},
		{"slow body", both(dataarts.Fault{Dribble: 3 * time.Second, DribbleBytes: 200}, objectstore.Fault{DelayAfter: 3 * time.Second, Dribble: time.Second, DribbleBytes: 1000}),
			cells{listing: {complete, complete}, getting: {complete, complete}, exporting: {complete, complete}, putting: {complete, complete},
				looking: {complete, complete}, describing: {complete, complete}, committing: {complete, complete}}, nil},
		{"body that stands still", fault{service: func(*drill, *http.Request) *dataarts.Fault { return &dataarts.Fault{Dribble: hour} },
			store: func(_ *drill, c objectstore.Call) *objectstore.Fault {
				if c.Operation == "PutObject" || c.Operation == "GetObjectMetadata" { // without a body there is nothing to stand still
					return &objectstore.Fault{DelayAfter: hour}
				}
				return &objectstore.Fault{Truncate: true, TruncateAt: 10, Stall: make(chan struct{})}
			}},
			cells{listing: {complete, failed}, getting: {complete, partial}, exporting: {complete, complete}, putting: {complete, either}, looking: {complete, failed}},
			map[string]string{describing: noBody, committing: noBody}},
		// A PUT has an ETag for an answer: one that is wrong makes the client read back what is stored.
		{"malformed answer", fault{service: func(*drill, *http.Request) *dataarts.Fault { return &dataarts.Fault{Malformed: true} },
			store: func(_ *drill, c objectstore.Call) *objectstore.Fault {
				if c.Operation == "PutObject" || c.Operation == "GetObjectMetadata" {
					return &objectstore.Fault{SetHeader: http.Header{"Etag": {`"0123"`}}}
				}
				return &objectstore.Fault{Replace: []byte("<Oops")}
			}},
			cells{listing: {complete, failed}, getting: {complete, partial}, exporting: {complete, complete}, putting: {either, either},
				looking: {complete, failed}, describing: {complete, complete}, committing: {complete, complete}}, nil},
		{"401 in mid-run", fault{service: status(401, "", nil).service, store: status(401, "InvalidAccessKeyId", nil).store, after: 2},
			cells{listing: {failed, failed}, getting: {failed, failed}, exporting: {failed, failed}, putting: {failed, failed},
				looking: {failed, failed}, describing: {failed, failed}, committing: {failed, failed}}, nil},
		{"asset gone between two pages", fault{service: deleteFirst(dataarts.Scripts), opts: localtest.Options{PageSize: 4}, after: 4}, cells{listing: {complete, complete}},
			map[string]string{getting: "see the next row", exporting: "see the next row", putting: ofStore, looking: ofStore, describing: ownObject, committing: ownObject}},
		{"asset gone between list and get", fault{service: deleteAsked}, cells{getting: {complete, complete}},
			map[string]string{listing: "see the row before", exporting: "see the next row", putting: "see the row after the next",
				looking: "see the third row from here", describing: ownObject, committing: ownObject}},
		{"job gone between list and export", fault{service: deleteFirst(dataarts.Jobs)}, cells{exporting: {complete, complete}},
			map[string]string{listing: "see above", getting: "see above", putting: "see the next row", looking: "see the row after the next", describing: ownObject, committing: ownObject}},
		{"file of a resource gone while it is copied", fault{store: func(d *drill, _ objectstore.Call) *objectstore.Fault {
			_ = d.Objects.DeleteObject("libs", "a.jar")
			return nil
		}}, cells{putting: {complete, complete}},
			map[string]string{listing: "see above", getting: "see above", exporting: "see above", looking: "the copy is in the folder by then", describing: ownObject, committing: ownObject}},
		{"stored object gone before the commit", fault{store: func(d *drill, _ objectstore.Call) *objectstore.Fault {
			_ = d.Objects.DeleteObject(localtest.Bucket, "backups/"+d.name+"/3_scripts/script_01.script")
			return nil
		}}, cells{looking: {failed, failed}},
			map[string]string{listing: "nothing is stored yet", getting: "nothing is stored yet", exporting: "nothing is stored yet",
				putting: "see what is looked at before the commit", describing: "after the look it is for a verification to find", committing: "after the look it is for a verification to find"}},
		{"page shift", fault{service: func(d *drill, r *http.Request) *dataarts.Fault {
			if r.URL.Query().Get("offset") != "0" {
				d.Handle(localtest.Workspace).Move(dataarts.Scripts, sortedNames(d, dataarts.Scripts)[0], 99)
				d.Handle(localtest.Workspace).Move(dataarts.Jobs, sortedNames(d, dataarts.Jobs)[7], 0)
			}
			return nil
		}, opts: localtest.Options{PageSize: 4}, after: 3}, cells{listing: {complete, either}},
			map[string]string{getting: oneAsset, exporting: oneAsset, putting: noList, looking: ofStore, describing: noList, committing: noList}},
		{"every row twice", answering(func(body string) string {
			at := strings.IndexByte(body, '[') + 1
			end := strings.LastIndexByte(body, ']')
			if at == end {
				return body
			}
			return body[:at] + body[at:end] + "," + body[at:]
		}), cells{listing: {complete, complete}},
			map[string]string{getting: oneAsset, exporting: "a job's file twice is a switch of the emulated service in other tests", putting: noList, looking: ofStore, describing: noList, committing: noList}},
		{"total too high", answering(func(body string) string { return totals.ReplaceAllString(body, `"total":99$1`) }), cells{listing: {complete, partial}},
			map[string]string{getting: noList, exporting: noList, putting: noList, looking: noList, describing: noList, committing: noList}},
		{"total too low", func() fault {
			f := answering(func(body string) string { return totals.ReplaceAllString(body, `"total":1`) })
			f.opts = localtest.Options{PageSize: 4}
			return f
		}(), cells{listing: {complete, partial}},
			map[string]string{getting: noList, exporting: noList, putting: noList, looking: noList, describing: noList, committing: noList}},
		{"stale reads", fault{service: func(*drill, *http.Request) *dataarts.Fault { return nil }, before: func(d *drill) {
			// The service serves the old definitions until it has served some reads: those of the first listings and a few more.
			d.DataArts.SetSwitches(func(s *dataarts.Switches) { s.StaleReads = 7 })
			w := d.Factory.Workspace(localtest.Workspace)
			if err := w.Update(d.t.Context(), asset.Ref{Kind: asset.Scripts, Name: "script_01"}, "", []byte(scriptText(1, 5))); err != nil {
				d.t.Error(err)
			}
			if err := w.Update(d.t.Context(), asset.Ref{Kind: asset.Jobs, Name: "job_01"}, "", []byte(jobText(1, 5))); err != nil {
				d.t.Error(err)
			}
		}}, cells{listing: {complete, complete}, getting: {complete, complete}, exporting: {complete, complete}},
			map[string]string{putting: consistent, looking: consistent, describing: consistent, committing: consistent}},
		{"store 503", fault{store: status(503, "SlowDown", nil).store, outage: true},
			passing().but(cells{getting: {complete, failed}, exporting: {complete, failed}}), nil},
		{"store listing late", fault{store: func(*drill, objectstore.Call) *objectstore.Fault { return nil }}, cells{looking: {complete, complete}},
			map[string]string{listing: "nothing is listed in the store then", getting: "nothing is listed in the store then", exporting: "nothing is listed in the store then",
				putting: "nothing is listed in the store then", describing: "nothing is listed in the store then", committing: "nothing is listed in the store then"}},
		{"deadline", fault{service: func(*drill, *http.Request) *dataarts.Fault { return &dataarts.Fault{Delay: hour} },
			store: func(*drill, objectstore.Call) *objectstore.Fault { return &objectstore.Fault{Delay: hour} }, within: 5 * time.Minute},
			cells{listing: {complete, failed}, getting: {complete, failed}, exporting: {complete, either}, putting: {complete, failed},
				looking: {complete, failed}, describing: {complete, failed}, committing: {complete, failed}}, nil},
	}
}

// stepOf is the step that a request to the service belongs to.
func stepOf(op dataarts.Operation) string {
	switch op {
	case dataarts.ListJobs, dataarts.ListScripts, dataarts.ListResources:
		return listing
	case dataarts.ShowJob, dataarts.ShowScript, dataarts.ShowResource, dataarts.ShowFactoryEnv:
		return getting
	case dataarts.ExportJobList:
		return exporting
	}
	return ""
}

// storeStep is the step that a request to the store belongs to. stored tells that assets have been written.
func storeStep(c objectstore.Call, folder string, stored bool) string {
	key, inside := strings.CutPrefix(c.Key, folder)
	switch {
	case c.Bucket == "libs", inside && strings.IndexByte("1234", (key + " ")[0]) >= 0:
		return putting
	case inside && c.Operation == "PutObject" && key == "manifest.json":
		return describing
	case inside && c.Operation == "PutObject" && key == "backup.json":
		return committing
	case c.Operation == "ListObjects" && stored && c.Request.URL.Query().Get("prefix") == folder:
		return looking
	}
	return ""
}

// befall makes the fault befall the requests of a step: the first of them, or all.
func (d *drill) befall(f fault, step string, first int) {
	var mu sync.Mutex
	met, stored, outage := 0, false, 0
	after := f.after
	if step != listing && step != getting && step != putting {
		after = 0 // there are few of these requests
	}
	meets := func(of string) bool {
		mu.Lock()
		defer mu.Unlock()
		if of != step {
			return false
		}
		met++
		if met == 1 {
			outage = first
		}
		return met > after && met <= after+first
	}
	d.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if r.Header.Get(again) != "" || !meets(stepOf(op)) || f.service == nil {
			return nil
		}
		return f.service(d, r)
	})
	folder := "backups/" + d.name + "/"
	d.storeFaults(func(c objectstore.Call) *objectstore.Fault {
		mu.Lock()
		at := storeStep(c, folder, stored)
		stored = stored || at == putting
		mu.Unlock()
		hit := meets(at)
		if f.outage {
			mu.Lock()
			hit = outage > 0
			outage = max(0, outage-1)
			mu.Unlock()
		}
		if !hit || f.store == nil {
			return nil
		}
		return f.store(d, c)
	})
}

// TestRun_TellsTheTruthWhateverFails makes every fault befall every step, at first and for ever. What the run reports has to be what is
// in the bucket, and with the fault lifted the next run for the same date makes it a whole backup.
func TestRun_TellsTheTruthWhateverFails(t *testing.T) {
	t.Parallel()
	for _, r := range rows() {
		for _, step := range steps() {
			e, makesSense := r.cells[step]
			if makesSense == (r.senseless[step] != "") {
				t.Errorf("%s x %s: either it has an end or a reason why it has none", r.name, step)
			}
			if !makesSense {
				continue
			}
			for mode, want := range map[string]vault.Status{"at first": e.first, "for ever": e.ever} {
				t.Run(fmt.Sprintf("%s/%s/%s", r.name, step, mode), func(t *testing.T) {
					t.Parallel()
					first := 2
					if mode == "for ever" {
						first = 1 << 30
					}
					inBubble(t, r.fault.opts, func(d *drill) { d.cell(r, step, first, want) })
				})
			}
		}
	}
}

// cell is one fault that befalls one step.
func (d *drill) cell(r row, step string, first int, want vault.Status) {
	d.stock(10, 10)
	switches := dataarts.Switches{Latency: time.Millisecond}
	if step == getting { // in bulk nothing but samples is read one by one
		switches.ExportUnsupported, switches.ListOmits = true, []string{"content", "location"}
	}
	d.DataArts.SetSwitches(func(s *dataarts.Switches) { *s = switches })
	if r.fault.before != nil {
		r.fault.before(d)
	}
	if r.name == "store listing late" {
		d.late = true
		if first > 2 {
			d.Objects.StaleList(true)
		} else {
			d.Objects.LateListings(1, 0)
		}
	}
	d.befall(r.fault, step, first)
	ctx := d.t.Context()
	if r.fault.within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.fault.within)
		defer cancel()
	}
	res, err := d.backUp(ctx)
	if want != either && res.Status != want {
		d.t.Errorf("%s, want %s: %v", res.Status, want, err)
	}
	for _, lie := range d.lie(res, err, r.fault.lenient) {
		d.t.Error(lie)
	}
	for _, lie := range d.finish() {
		d.t.Error("the next run: " + lie)
	}
}
