package bulk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/shared/bulk"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

// exporter answers exports, and counts them.
type exporter struct {
	calls int
	fault func(jobs []string) error
	lacks []string
}

func (e *exporter) Export(_ context.Context, jobs []string, fn func(string, json.RawMessage) error) error {
	e.calls++
	if e.fault != nil {
		if err := e.fault(jobs); err != nil {
			return err
		}
	}
	for _, name := range jobs {
		if slices.Contains(e.lacks, name) {
			continue
		}
		if err := fn(name, text(`{"name":%q,"nodes":[]}`, name)); err != nil {
			return err
		}
	}
	return nil
}

func status(code int) error { return &factory.Error{Operation: "export jobs", StatusCode: code} }

func hundred() []string {
	var all []string
	for i := range bulk.Together {
		all = append(all, fmt.Sprintf("job_%02d", i))
	}
	return all
}

// export exports a hundred jobs and returns how many came, and which are left.
func export(t *testing.T, trust *bulk.Trust[string], e *exporter) (came int, left []string, err error) {
	t.Helper()
	left, err = trust.Export(t.Context(), e, "BATCH", hundred(), func(string, json.RawMessage) (bool, error) {
		came++
		return true, nil
	})
	return came, left, err
}

func TestTrust_ExportReturnsWhatDidNotCome(t *testing.T) {
	t.Parallel()
	e := &exporter{lacks: []string{"job_03", "job_99"}}
	came, left, err := export(t, bulk.NewTrust[string]("", bulk.ByText), e)
	if err != nil || came != 98 || !slices.Equal(left, e.lacks) || e.calls != 1 {
		t.Errorf("%d came with %d calls, left %q: %v", came, e.calls, left, err)
	}
}

func TestTrust_ExportReturnsWhatWasNotTaken(t *testing.T) {
	t.Parallel()
	left, err := bulk.NewTrust[string]("", bulk.ByText).Export(t.Context(), &exporter{}, "BATCH", hundred(), func(name string, _ json.RawMessage) (bool, error) {
		return name != "job_42", nil
	})
	if err != nil || !slices.Equal(left, []string{"job_42"}) {
		t.Errorf("%q %v", left, err)
	}
}

func TestTrust_ExportHalvesABatchThatIsRefusedUntilTheRefusedJobIsAlone(t *testing.T) {
	t.Parallel()
	e := &exporter{fault: func(jobs []string) error {
		if slices.Contains(jobs, "job_42") {
			return status(http.StatusBadRequest)
		}
		return nil
	}}
	trust := bulk.NewTrust[string]("", bulk.ByText)
	came, left, err := export(t, trust, e)
	if err != nil || came != 99 || !slices.Equal(left, []string{"job_42"}) || e.calls > 16 || !trust.Exports("BATCH") {
		t.Errorf("%d came with %d calls, left %q: %v", came, e.calls, left, err)
	}
}

func TestTrust_ExportGivesUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code, batches int // of how many that bring nothing no other is sent
	}{
		"at once where there is no such API":   {http.StatusNotFound, 1},
		"after three batches that bring none":  {http.StatusInternalServerError, 3},
		"after three batches that are refused": {http.StatusForbidden, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &exporter{fault: func([]string) error { return status(c.code) }}
			trust := bulk.NewTrust[string]("", bulk.ByText)
			for n := range c.batches {
				if !trust.Exports("BATCH") {
					t.Fatalf("gave up after %d", n)
				}
				if came, left, err := export(t, trust, e); err != nil || came > 0 || len(left) != bulk.Together {
					t.Fatalf("%d came, %d left: %v", came, len(left), err)
				}
			}
			calls := e.calls
			if _, left, err := export(t, trust, e); err != nil || trust.Exports("BATCH") || e.calls != calls || len(left) != bulk.Together {
				t.Errorf("%d calls more, %d left: %v", e.calls-calls, len(left), err)
			}
			if !trust.Exports("REAL_TIME") {
				t.Error("the other job type is given up, too")
			}
		})
	}
}

func TestTrust_ExportEndsWithWhatEndsARun(t *testing.T) {
	t.Parallel()
	mine := errors.New("of fn")
	for name, c := range map[string]struct{ fault, fn error }{
		"keys that are not accepted":      {fault: status(http.StatusUnauthorized)},
		"time that is over":               {fault: &factory.Error{Operation: "export jobs", Err: context.DeadlineExceeded}},
		"a workspace that does not exist": {fault: &factory.Error{Operation: "export jobs", StatusCode: 400, Code: factory.CodeNoWorkspace}},
		"an error of the caller's":        {fn: mine},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &exporter{fault: func([]string) error { return c.fault }}
			_, err := bulk.NewTrust[string]("", bulk.ByText).Export(t.Context(), e, "BATCH", hundred(), func(string, json.RawMessage) (bool, error) { return true, c.fn })
			want := c.fault
			if want == nil {
				want = c.fn
			}
			if !errors.Is(err, want) || e.calls != 1 {
				t.Errorf("%v after %d calls", err, e.calls)
			}
		})
	}
}
