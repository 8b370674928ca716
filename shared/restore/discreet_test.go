package restore_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

func TestRun_OfAnEncryptedBackupDoesNotQuoteTheService(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status  int
		refused dataarts.Operation
		live    bool
	}{
		"about a create":    {400, dataarts.CreateScript, false},
		"about a read":      {400, dataarts.ShowScript, true},
		"about an update":   {400, dataarts.UpdateScript, true},
		"in an error of it": {401, dataarts.CreateScript, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := newIdentity(t)
			d := newDeskWith(t, ring(t, id, id), having(dataarts.Scripts, `{"name":"s","type":"Shell","content":"echo TOPSECRET"}`))
			d.keys = ring(t, id) // what is encrypted is the backup
			if d.Handle(localtest.Workspace).Wipe(); c.live {
				d.put(dataarts.Scripts, `{"name":"s","type":"Shell","content":"echo other"}`)
			}
			met := false
			d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
				if op != c.refused {
					return nil
				}
				met = true
				return &dataarts.Fault{Status: c.status, Body: `{"error_code":"DLF.0201","error_msg":"content [echo TOPSECRET] is invalid"}`}
			})
			report, err := d.run(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
			text := stored(d, "x") + dump(report)
			if err != nil {
				text += err.Error()
			}
			if strings.Contains(text, "TOPSECRET") {
				t.Errorf("the report has the script's text: %s", text)
			}
			if !met || report.Status == restore.Complete || !strings.Contains(text, "DLF.0201") {
				t.Errorf("the service's code is missing: %v %s", err, text)
			}
		})
	}
}
