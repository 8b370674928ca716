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

// Import is one bundle that a restore handed to the service.
type Import struct {
	Path   string `json:"path"`             // obs:// path; the object is deleted when the import is over
	TaskID string `json:"taskId,omitempty"` // empty where the answer was lost, or is yet to come
	Status string `json:"status,omitempty"` // of the task, once nobody waits for it any more; RUNNING where that took too long
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

// awaitImports waits for the imports that a run left under way, notes in the report's items what their tasks say was created, and deletes the bundles.
func (opts Options) awaitImports(ctx context.Context, target Importer, report *Report) error {
	for n := range report.Imports {
		one := &report.Imports[n]
		switch {
		case one.Status != "" && one.Status != factory.TaskRunning:
			continue
		case one.TaskID == "":
			if err := opts.Sleep(ctx, importSettles); err != nil {
				return err
			}
			one.Status = unknownStatus
			continue
		}
		t, err := opts.waitFor(ctx, target, one.TaskID, func(factory.Task) error { return nil })
		if err != nil {
			return err
		}
		one.Status = t.Status
		said := subtasksOf(t)
		for j := range report.Items {
			i := &report.Items[j]
			if i.Action != ActionCreate || i.Outcome != "" || (i.Kind != asset.Jobs && i.Kind != asset.Scripts) {
				continue
			}
			if status, _ := said.of(i.Ref()); status == factory.TaskSuccessful {
				i.Written = true
			}
		}
	}
	return opts.deleteBundles(ctx, report.ID)
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

// imports waits, before anything is undone, for imports that would bring assets afterwards.
func (u *undoing) imports(ctx context.Context) error {
	if len(u.report.Imports) == 0 {
		return nil
	}
	if err := u.opts.awaitImports(ctx, u.target, u.report); err != nil {
		return err
	}
	for _, one := range u.report.Imports {
		if one.Status == factory.TaskRunning {
			u.fault("import task %s does not come to an end: what it brings from now on is not removed", one.TaskID)
		}
	}
	return nil
}
