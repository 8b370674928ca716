package restore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// This file is about imports that go on while nobody looks: a run that is over, for whatever reason, may have left one behind.

// Import is one bundle that a restore handed to the service. The items that it held have its number, from 1.
type Import struct {
	Path   string `json:"path"`             // obs:// path; the object is deleted when the import is over
	TaskID string `json:"taskId,omitempty"` // empty where the answer was lost, or is yet to come
	// StartedAt is since when the service may have created what the bundle holds, by the service's own clock: what is older is somebody else's. It is
	// left out where that is not known.
	StartedAt time.Time `json:"startedAt,omitzero"`
	// Repeated tells that it was asked for again because an answer was lost: then the task may have begun after the service had created assets.
	Repeated bool `json:"repeated,omitempty"`
	// AskedMS is how many milliseconds before the task it was asked for first, by this side's clock. The client may have sent it more than once.
	AskedMS int64  `json:"askedMs,omitempty"`
	Status  string `json:"status,omitempty"` // of the task, once what it brought was read back; RUNNING where it took too long
}

// importFolder is where bundles lie below the restore's folder.
const importFolder = "import"

// unknownStatus is the status of an import of which the service tells nothing.
const unknownStatus = "UNKNOWN"

// refusedStatus is the status of an import that the service did not begin.
const refusedStatus = "REFUSED"

// How long an import is waited for: until nothing has moved for some time, or too much has passed in all.
const (
	importStall = 5 * time.Minute
	importLimit = 20 * time.Minute
	// importSettles is what an import whose answer was lost is given to get under way before anybody looks.
	importSettles = 10 * time.Second
	// importSilence is how long nothing may come of an import that cannot be watched until nobody waits for it any more.
	importSilence = time.Minute
)

// waitFor waits until a task is over, and returns it as it was seen last: not over where that took too long or nothing moved any more. watch is told of
// it from time to time.
func (opts Options) waitFor(ctx context.Context, target Importer, id string, watch func(factory.Task) error) (factory.Task, error) {
	t := factory.Task{ID: id, Status: factory.TaskRunning}
	var waited, still time.Duration
	for pause := time.Second; waited < importLimit && still < importStall; pause = min(2*pause, 10*time.Second) {
		if err := opts.Sleep(ctx, pause); err != nil {
			return t, err
		}
		waited, still = waited+pause, still+pause
		now, err := target.Task(ctx, id)
		switch {
		case err != nil && keysAreOver(ctx, err):
			return t, err
		case err != nil:
			zerolog.Ctx(ctx).Warn().Err(err).Str("task", id).Msg("the import cannot be watched; what it brings is looked at instead")
			t.Status = unknownStatus
			return t, nil
		}
		if !slices.Equal(now.Subtasks, t.Subtasks) {
			still = 0
		}
		if t = now; t.Over() {
			return t, nil
		}
		if err := watch(t); err != nil {
			return t, err
		}
	}
	return t, nil
}

// keysAreOver tells whether an error of an import's calls ends the restore, as it would with any other call. That somebody has no right to them (403) does not.
func keysAreOver(ctx context.Context, err error) bool {
	answer, ok := errors.AsType[*factory.Error](err)
	return ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || ok && answer.StatusCode == http.StatusUnauthorized
}

// said is what a task says of assets, by the names of its subtasks.
type said map[string][]factory.Subtask

// subtasksOf indexes the subtasks of a task by their names and by the words in them.
func subtasksOf(t factory.Task) said {
	all := said{}
	for _, sub := range t.Subtasks {
		all[sub.Name] = append(all[sub.Name], sub)
		for word := range strings.FieldsSeq(sub.Name) {
			if word = strings.Trim(word, `"'.,:;()[]`); word != sub.Name {
				all["…"+word] = append(all["…"+word], sub)
			}
		}
	}
	return all
}

// of is what became of an asset, and the service's words about it. A subtask that is not named as documented, or like the asset, is good for its words
// only.
func (all said) of(ref asset.Ref) (status, message string) {
	for n, name := range []string{"Import the " + ref.Name + " " + ref.Kind.Singular() + ".", ref.Name, "…" + ref.Name} {
		subs := all[name]
		if len(subs) == 0 {
			continue
		}
		status = subs[0].Status
		for _, sub := range subs {
			if sub.Status == factory.TaskFailed {
				return sub.Status, sub.Message
			}
			if sub.Status != status || n == 2 {
				status = ""
			}
		}
		return status, ""
	}
	return "", ""
}

// awaited is what is known of imports that a run left behind.
type awaited struct {
	imports []Import            // with what became of them; the report is left as it is until what they brought is on record, too
	claims  map[asset.Ref]claim // of what they held and the run had not read back, by identity
	faults  []string            // of those that may bring assets yet
}

// importTarget is what it takes to wait for imports.
type importTarget interface {
	Importer
	List(ctx context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error)
}

// awaitImports waits for the imports that a run left under way.
func (opts Options) awaitImports(ctx context.Context, target importTarget, report *Report) (awaited, error) {
	known := awaited{imports: slices.Clone(report.Imports), claims: map[asset.Ref]claim{}}
	open := map[int][]asset.Ref{}
	for _, i := range report.Items {
		if i.Import > 0 && i.unseen() {
			open[i.Import] = append(open[i.Import], i.Ref())
		}
	}
	for n := range known.imports {
		one := &known.imports[n]
		t, fault, err := opts.awaitImport(ctx, target, one, open[n+1])
		if err != nil {
			return known, err
		}
		if fault != "" {
			known.faults = append(known.faults, fault+": what it brings from now on is not removed")
		}
		said := subtasksOf(t)
		for _, ref := range open[n+1] {
			status, _ := said.of(ref)
			known.claims[ref.Identity()] = claim{began: one.StartedAt, done: status == factory.TaskSuccessful}
		}
	}
	return known, nil
}

// awaitImport waits for one import. open are the assets of its bundle of which nobody knows what became of them. fault says why the import may bring some
// of them later.
func (opts Options) awaitImport(ctx context.Context, target importTarget, one *Import, open []asset.Ref) (t factory.Task, fault string, err error) {
	switch {
	case !slices.Contains([]string{"", factory.TaskRunning, unknownStatus}, one.Status):
		return t, "", nil
	case one.Status == unknownStatus && len(open) == 0:
		return t, "", nil
	case one.TaskID == "":
		one.Status = unknownStatus
	default:
		if t, err = opts.waitFor(ctx, target, one.TaskID, func(factory.Task) error { return nil }); err != nil {
			return t, "", err
		}
		if one.Status = t.Status; one.StartedAt.IsZero() && !t.Started.IsZero() && !one.Repeated {
			one.StartedAt = t.Started.Add(-time.Duration(one.AskedMS) * time.Millisecond)
		}
	}
	switch one.Status {
	case factory.TaskRunning:
		return t, fmt.Sprintf("import task %s does not come to an end", one.TaskID), nil
	case unknownStatus:
		all, err := opts.arrival(ctx, target, open)
		if err != nil || all {
			return t, "", err
		}
		return t, "nobody can tell what has become of the import of " + one.Path, nil
	}
	return t, "", nil
}

// arrival waits for what an import may bring that cannot be watched, until all of it is there or nothing more comes.
func (opts Options) arrival(ctx context.Context, target importTarget, open []asset.Ref) (all bool, err error) {
	there := 0
	for still := time.Duration(0); there < len(open) && still < importSilence; still += importSettles {
		if err := opts.Sleep(ctx, importSettles); err != nil {
			return false, err
		}
		live, err := rowsOf(ctx, target, open)
		if err != nil {
			return false, err
		}
		if len(live) > there {
			there, still = len(live), 0
		}
	}
	return there == len(open), nil
}

// rowsOf lists those of some jobs and scripts that are live, by identity, each with when it was made as far as the list tells.
func rowsOf(ctx context.Context, target importTarget, refs []asset.Ref) (map[asset.Ref]time.Time, error) {
	wanted, live := map[asset.Ref]bool{}, map[asset.Ref]time.Time{}
	for _, ref := range refs {
		wanted[ref.Identity()] = true
	}
	for _, kind := range []asset.Kind{asset.Scripts, asset.Jobs} {
		if !slices.ContainsFunc(refs, func(ref asset.Ref) bool { return ref.Kind == kind }) {
			continue
		}
		_, err := target.List(ctx, kind, func(row factory.Row) error {
			if id := row.Ref.Identity(); wanted[id] {
				live[id] = madeAt(row.Raw)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return live, nil
}

// deleteBundles deletes what lies in the bucket to be imported.
func (opts Options) deleteBundles(ctx context.Context, id string) error {
	l := opts.Locations
	var keys []string
	err := l.Store.List(ctx, l.Reports().folder(id, importFolder), "", func(info store.Info) error {
		keys = append(keys, info.Key)
		return nil
	})
	if err == nil && len(keys) > 0 {
		err = l.Store.Delete(ctx, keys...)
	}
	if err != nil {
		return fmt.Errorf("delete import files: %w", err)
	}
	return nil
}

// cleanBundles deletes them where nothing hangs on that it succeeds.
func (opts Options) cleanBundles(ctx context.Context, id string) {
	if err := opts.deleteBundles(ctx, id); err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("restore", id).Msg("import files were not deleted")
	}
}
