package browser_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/browser/chromium"
	"github.com/dataarts-backup/dataarts-backup/infra/browser/world"
	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
)

// timer is the backup function's timer as the service has it.
func timer(t *testing.T, w *world.World) functiongraph.Timer {
	t.Helper()
	timers := w.Backup.Timers()
	if len(timers) != 1 {
		t.Fatalf("the function has %d timers: %+v", len(timers), timers)
	}
	return timers[0]
}

func TestDailyBackup(t *testing.T) {
	t.Parallel()

	t.Run("is_started_into_a_folder_and_stopped_and_the_trigger_follows", func(t *testing.T) {
		t.Parallel()
		w := start(t, local.Options{}).TimerOff()
		tab := open(t, w, chromium.View{}, "")
		tab.WaitText("Daily backup OFF")
		tab.Click("button", "Start Daily Backup")
		dialog := tab.In("dialog", "Start Daily Backup")
		dialog.Fill("textbox", "Folder", "team-a")
		accessible(t, tab, "the dialog that starts the daily backup")
		dialog.Click("button", "Start Daily Backup")
		tab.WaitGone("dialog", "Start Daily Backup")
		tab.WaitText("Daily backup ON", "Next run:", "team-a")
		if got := timer(t, w); !got.Active || !strings.Contains(got.UserEvent, "team-a") {
			t.Errorf("the trigger is %+v", got)
		}
		tab.Reload()
		tab.WaitText("Daily backup ON")

		tab.Click("button", "Stop Daily Backup")
		tab.In("dialog", "Stop Daily Backup").Click("button", "Stop Daily Backup")
		tab.WaitText("Daily backup OFF")
		if got := timer(t, w); got.Active {
			t.Errorf("the trigger is %+v", got)
		}
	})

	t.Run("shows_what_somebody_did_to_the_trigger_elsewhere", func(t *testing.T) {
		t.Parallel()
		w := start(t, local.Options{})
		tab := open(t, w, chromium.View{}, "")
		tab.WaitText("Daily backup ON")
		w.TimerOff()
		tab.Reload()
		tab.WaitText("Daily backup OFF")
	})

	t.Run("is_not_touched_when_the_dialog_is_cancelled", func(t *testing.T) {
		t.Parallel()
		w := start(t, local.Options{})
		tab := open(t, w, chromium.View{}, "")
		tab.Click("button", "Stop Daily Backup")
		tab.In("dialog", "Stop Daily Backup").Click("button", "Cancel")
		tab.WaitGone("dialog", "Stop Daily Backup")
		tab.Click("button", "Stop Daily Backup")
		tab.Press("Escape")
		tab.WaitGone("dialog", "Stop Daily Backup")
		if focus := tab.Focus(); focus != "button Stop Daily Backup" {
			t.Errorf("the focus went to %q", focus)
		}
		if got := timer(t, w); !got.Active {
			t.Errorf("the trigger is %+v", got)
		}
	})

	t.Run("browses_folders", func(t *testing.T) {
		t.Parallel()
		w := start(t, local.Options{}).TimerOff()
		for _, key := range []string{"archive/2026/x", "archive/2025/x", "other/x"} {
			if err := w.Store.PutObject(local.Bucket, local.WorkspaceID+"/"+key, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		tab := open(t, w, chromium.View{}, "")
		tab.Click("button", "Start Daily Backup")
		dialog := tab.In("dialog", "Start Daily Backup")
		dialog.Wait("button", "other")
		dialog.Click("button", "archive")
		dialog.Click("button", "2026")
		tab.Until("the path to be shown", `document.querySelector('#start [data-browse] code').textContent.endsWith('/archive/2026/')`)
		if got := dialog.Value("textbox", "Folder"); got != "archive/2026" {
			t.Errorf("chosen is %q", got)
		}
		dialog.Click("button", "↑ Up")
		dialog.Wait("button", "2025")
		dialog.Click("button", "Start Daily Backup")
		tab.WaitText("Daily backup ON")
		if got := timer(t, w); !strings.Contains(got.UserEvent, `archive`) || strings.Contains(got.UserEvent, `2026`) {
			t.Errorf("the trigger is %+v", got)
		}
	})
}

func TestBackUpNow_shows_the_progress_until_the_backup_is_complete(t *testing.T) {
	t.Parallel()
	w := start(t, local.Options{Switches: dataarts.Switches{ExportUnsupported: true}}).Fill(sample.Options{})
	w.Nights(world.Midnights(time.Now(), 1))
	gate := w.Hold(dataarts.ShowJob)
	tab := open(t, w, chromium.View{}, "")
	tab.Click("button", "Back Up Now")
	tab.In("dialog", "Back Up Now").Click("button", "Back Up Now")
	tab.WaitText("The backup was asked for")
	gate.Reached()
	tab.WaitText("INCOMPLETE") // it is running, and says so
	gate.Open()
	tab.Until("the backup by hand to be complete", `[...document.querySelectorAll('table.backups tbody tr')].filter(r => r.innerText.includes('COMPLETE') && !r.innerText.includes('INCOMPLETE')).length === 2`)
	tab.Until("the page to have seen that nothing is under way", `!document.querySelector('[data-live]')`)
}
