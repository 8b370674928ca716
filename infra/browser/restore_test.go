package browser_test

import (
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/browser/chromium"
	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

func TestRestore_is_planned_applied_watched_and_undone(t *testing.T) {
	t.Parallel()
	w, names := nights(t, 1)
	backedUp := local.TakeSnapshot(w.Workspace)
	w.Edit(dataarts.Scripts, "dwd_orders_hivesql", "SELECT *", "SELECT nothing")
	w.Workspace.Delete(dataarts.Jobs, "ads_orders_df")
	before := local.TakeSnapshot(w.Workspace)

	tab := open(t, w, chromium.View{}, "")
	tab.Click("button", "Restore "+names[0])
	dialog := tab.In("dialog", "Restore Backup")
	accessible(t, tab, "the restore dialog")
	dialog.Click("radio", "overwrite it")
	dialog.Click("button", "Show the Plan")
	tab.WaitText("PLANNED")
	tab.Settle()
	tab.Part("details.item", "dwd_orders_hivesql").WaitText("overwrite")
	tab.Part("details.item", "ads_orders_df").WaitText("create")
	accessible(t, tab, "the plan")
	same(t, "the plan", before, w.Workspace)

	gate := w.Hold(dataarts.CreateJob)
	tab.Click("button", "Apply This Plan")
	tab.In("dialog", "Apply This Plan").Click("button", "Apply This Plan")
	gate.Reached()
	tab.WaitText("RUNNING")
	gate.Open()
	tab.WaitText("COMPLETE")
	tab.Settle()
	tab.Part("details.item", "dwd_orders_hivesql").WaitText("overwritten")
	tab.Part("details.item", "ads_orders_df").WaitText("created")
	accessible(t, tab, "the report")
	same(t, "the restore", backedUp, w.Workspace)

	tab.Click("button", "Undo")
	tab.In("dialog", "Undo").Click("button", "Undo")
	tab.WaitText("UNDONE")
	same(t, "the undo", before, w.Workspace)

	tab.In("navigation", "Views").Click("link", "Restorations")
	tab.Wait("tab", "Manage Restoration")
	tab.Part("table.restorations tbody tr", "UNDONE")
	accessible(t, tab, "the restorations")
}

func TestRestore_of_a_plan_that_is_no_longer_so_is_refused(t *testing.T) {
	t.Parallel()
	w, names := nights(t, 1)
	w.Edit(dataarts.Scripts, "dwd_orders_hivesql", "SELECT *", "SELECT nothing")
	tab := open(t, w, chromium.View{}, "")
	tab.Click("button", "Restore "+names[0])
	dialog := tab.In("dialog", "Restore Backup")
	dialog.Click("radio", "overwrite it")
	dialog.Fill("textbox", "Only these names", "dwd_*")
	dialog.Click("button", "Show the Plan")
	tab.WaitText("PLANNED")
	tab.Settle()
	w.Edit(dataarts.Scripts, "dwd_customers_hivesql", "SELECT *", "SELECT other")
	changed := local.TakeSnapshot(w.Workspace)
	tab.Click("button", "Apply This Plan")
	tab.In("dialog", "Apply This Plan").Click("button", "Apply This Plan")
	tab.WaitText("FAILED")
	same(t, "a restore that was refused", changed, w.Workspace)
}

func TestRestore_says_what_the_request_lacks(t *testing.T) {
	t.Parallel()
	w, names := nights(t, 1)
	tab := open(t, w, chromium.View{}, "tab=restorations")
	tab.Click("button", "Restore Backup")
	dialog := tab.In("dialog", "Restore Backup")
	dialog.Wait("button", names[0]) // the folders are there
	dialog.Fill("combobox", "Path of the backup", "obs://elsewhere/2026-01-01/")
	dialog.Click("radio", "skip it")
	dialog.Click("button", "Show the Plan")
	dialog.WaitText("That did not work:", "elsewhere")
	tab.Press("Escape")
	tab.WaitGone("dialog", "Restore Backup")
}

// same fails the test unless the workspace holds what it held before.
func same(t *testing.T, what string, before local.Snapshot, w *dataarts.WorkspaceHandle) {
	t.Helper()
	differences, err := before.Differences(local.TakeSnapshot(w))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differences {
		t.Errorf("after %s: %v", what, d)
	}
}
