package restore_test

import (
	"net/http"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

func TestRun_CountsTheRequestsOfAllItsRuns(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Handle(localtest.Workspace).Wipe()
	run := func() (*restore.Report, error) {
		req, err := restore.ParseRequest([]byte(`{"id":"counted","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`))
		if err != nil {
			t.Fatal(err)
		}
		options := d.options()
		options.Calls = d.Factory.Calls
		return restore.Run(t.Context(), req, options)
	}
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.CreateJob {
			return expired()
		}
		return nil
	})
	d.DataArts.ResetCalls()
	if _, err := run(); err == nil {
		t.Fatal("the restore was not interrupted")
	}
	first := len(d.DataArts.Calls())
	if stored, err := d.options().Locations.Reports().Load(t.Context(), "counted"); err != nil || stored.Calls == 0 || stored.Calls > int64(first)+8 { // some may have been called off on their way
		t.Errorf("%+v %v, and %d were sent", stored, err, first)
	}
	d.DataArts.Intercept(nil)
	report, err := run()
	if err != nil || report.Status != restore.Complete {
		t.Fatalf("%+v %v", report, err)
	}
	if sent := len(d.DataArts.Calls()); report.Calls <= int64(first) || report.Calls > int64(sent)+8 {
		t.Errorf("the report counts %d requests, %d were sent, %d of them by the first run", report.Calls, sent, first)
	}
}
