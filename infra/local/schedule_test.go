package local_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
)

func TestConsole_stops_and_starts_the_daily_backup_and_backs_up_now(t *testing.T) {
	t.Parallel()
	for name, switches := range map[string]functiongraph.TriggerSwitches{
		"where_a_timer_s_text_cannot_be_changed": {CreateIgnoresStatus: true, EventDataAsText: true, DisableWithoutD: true},
		"where_it_can":                           {UpdateEventData: functiongraph.UpdateTakesEventData},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := filled(t, local.Options{Triggers: switches, Variables: map[string]string{"BACKUP_TIME_ZONE": "Asia/Shanghai"}})
			type schedule struct {
				Enabled                                  bool
				Folder, Path, Trigger, TimeZone, Message string
				NextRun                                  *time.Time
			}
			ask := func(method, body string) schedule {
				t.Helper()
				response, answer := call(t, c, method, "/schedule", body)
				if response.StatusCode != http.StatusOK {
					t.Fatalf("%s /schedule %s: %s: %s", method, body, response.Status, answer)
				}
				return parse[schedule](t, answer)
			}
			if s := ask(http.MethodGet, ""); !s.Enabled || s.Trigger != local.TimerName || s.TimeZone != "Asia/Shanghai" || s.NextRun == nil || s.Path != "obs://"+local.Bucket+"/{workspace}/" {
				t.Errorf("at first: %+v", s)
			}

			if s := ask(http.MethodPut, `{"enabled":false}`); s.Enabled || s.NextRun != nil {
				t.Errorf("stopped: %+v", s)
			}
			if _, err := c.Midnight(t.Context(), midnight()); !errors.Is(err, local.ErrTimerOff) {
				t.Errorf("the stopped timer: %v", err)
			}
			if found := keys(t, c, local.WorkspaceID+"/"); len(found) > 0 {
				t.Errorf("the stopped timer backed up: %v", found)
			}

			// Stopped and with another folder, then started: two nights' worth of changes.
			if s := ask(http.MethodPut, `{"folder":"nights"}`); s.Enabled || s.Folder != "nights" {
				t.Errorf("with a folder: %+v", s)
			}
			if s := ask(http.MethodPut, `{"enabled":true}`); !s.Enabled || s.Folder != "nights" || s.NextRun == nil {
				t.Errorf("started: %+v", s)
			}
			if timers := c.Backup.Timers(); len(timers) != 1 || !timers[0].Active || timers[0].UserEvent != `{"folder":"nights"}` {
				t.Fatalf("the timers are %+v", timers)
			}
			night, err := c.Midnight(t.Context(), midnight())
			if err != nil || night.Status != functiongraph.AsyncSuccess {
				t.Fatalf("%+v, %v: %s", night, err, night.Result.Payload)
			}
			provedBackup(t, c, local.WorkspaceID+"/nights/2026-11-22/")

			response, answer := call(t, c, http.MethodPost, "/backups?workspace="+local.WorkspaceID, `{"folder":"by-hand"}`)
			started := parse[struct {
				RequestID  string
				Workspaces []string
			}](t, answer)
			if response.StatusCode != http.StatusAccepted || response.Header.Get("Location") != "/backups?folder=by-hand&workspace="+local.WorkspaceID || len(started.Workspaces) != 1 {
				t.Fatalf("POST /backups: %s: %s", response.Status, answer)
			}
			if err := c.Backup.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			run, ok := c.Backup.Async(started.RequestID)
			if !ok || run.Status != functiongraph.AsyncSuccess {
				t.Fatalf("the run %s: %+v: %s", started.RequestID, run, run.Result.Payload)
			}
			taken := parse[backups](t, run.Result.Payload).Backups
			prefix := fmt.Sprintf("obs://%s/%s/by-hand/", local.Bucket, local.WorkspaceID)
			if len(taken) != 1 || !strings.HasPrefix(taken[0].Path, prefix) || !strings.Contains(strings.TrimPrefix(taken[0].Path, prefix), "T") {
				t.Fatalf("taken by hand: %+v", taken)
			}
			provedBackup(t, c, strings.TrimPrefix(taken[0].Path, "obs://"+local.Bucket+"/"))
		})
	}
}
