package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

const (
	// Together is how many jobs one export takes.
	Together = factory.MaxExport
	// Exporting is how many exports should be under way at the same time. Each may take the memory of two archives.
	Exporting = 4
	// exportTries is how often one batch of jobs is exported in smaller parts after the service refused it, before each is read by itself.
	exportTries = 16
	// exportFaults is after how many batches in a row that brought nothing the rest of a run is read job by job.
	exportFaults = 3
)

// Exporter reads the definitions of jobs together.
type Exporter interface {
	// Export reads the definitions of up to factory.MaxExport jobs with one call and calls fn for each that the answer holds.
	Export(ctx context.Context, jobs []string, fn func(name string, definition json.RawMessage) error) error
}

// Exports tells whether jobs are exported in this way: by job type.
func (t *Trust[T]) Exports(how string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.noExport[how] == "" && t.doubted[string(asset.Jobs)] == ""
}

// Export reads up to [Together] jobs of one type and returns those that did not come: they have to be read one by one. fn gets the definitions that came,
// and tells whether it takes one. When the service refuses them all, because one is gone or together they are too large, the halves are
// tried; when exports of a type bring nothing again and again, no more are sent. An error is one that [Fatal] names, or of fn.
func (t *Trust[T]) Export(ctx context.Context, source Exporter, how string, names []string, fn func(name string, definition json.RawMessage) (taken bool, err error)) (left []string, err error) {
	tries := exportTries
	return t.export(ctx, source, how, names, &tries, fn)
}

func (t *Trust[T]) export(ctx context.Context, source Exporter, how string, names []string, tries *int,
	fn func(name string, definition json.RawMessage) (bool, error)) (left []string, err error) {
	if *tries == 0 || !t.Exports(how) {
		return names, nil
	}
	whole := *tries == exportTries
	*tries--
	came := make(map[string]bool, len(names))
	err = source.Export(ctx, names, func(name string, definition json.RawMessage) error {
		taken, err := fn(name, definition)
		came[name] = taken && err == nil
		return err
	})
	var refused *factory.Error
	switch {
	case err == nil:
	case Fatal(ctx, err) || !errors.As(err, &refused):
		return nil, err
	case len(names) > 1 && (refused.StatusCode/100 == 4 && refused.StatusCode != http.StatusNotFound || errors.Is(err, factory.ErrTooLarge)):
		half := len(names) / 2
		first, err := t.export(ctx, source, how, names[:half], tries, fn)
		if err != nil {
			return nil, err
		}
		second, err := t.export(ctx, source, how, names[half:], tries, fn)
		if err != nil {
			return nil, err
		}
		for _, part := range [][]string{first, second} { // not append(first, second...): first may be a part of names
			left = append(left, part...)
		}
		if whole {
			t.exported(how, refused, len(left) < len(names))
		}
		return left, nil
	}
	for _, name := range names {
		if !came[name] {
			left = append(left, name)
		}
	}
	if whole {
		t.exported(how, err, len(left) < len(names))
	}
	return left, nil
}

// exported notes how a batch of exports ended.
func (t *Trust[T]) exported(how string, err error, brought bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if brought {
		t.faults[how] = 0
		return
	}
	t.faults[how]++
	var e *factory.Error
	unknown := errors.As(err, &e) && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusMethodNotAllowed || e.StatusCode == http.StatusNotImplemented)
	if unknown || t.faults[how] >= exportFaults {
		t.noExport[how] = "exports bring nothing"
	}
}

// Fatal tells whether an error ends a whole run rather than the reading of some assets: the keys are not accepted, there is no such workspace, or time is
// over. A right that is missing for one thing (403) is that thing's fault.
func Fatal(ctx context.Context, err error) bool {
	if err == nil {
		return false
	}
	var e *factory.Error
	unauthorized := errors.As(err, &e) && e.StatusCode == http.StatusUnauthorized
	return ctx.Err() != nil || unauthorized || errors.Is(err, context.DeadlineExceeded) || factory.IsCode(err, factory.CodeNoWorkspace)
}
