package browser_test

import (
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/browser/chromium"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	w, names := nights(t, 2)
	w.Edit(dataarts.Scripts, "dwd_customers_hivesql", "SELECT *", "SELECT id")
	w.Workspace.Delete(dataarts.Jobs, "ads_orders_df")

	t.Run("two_backups", func(t *testing.T) {
		t.Parallel()
		tab := open(t, w, chromium.View{}, "")
		compare := tab.Part("form.filter", "Compare")
		compare.Choose("Compare", names[0])
		compare.Choose("with", names[1])
		compare.Click("button", "Compare")
		tab.Wait("heading", "From "+names[0]+" to "+names[1])
		tab.Settle()
		items := chromium.Eval[[]string](tab, `[...document.querySelectorAll('details.item summary')].map(s => s.innerText.replace(/\s+/g, ' '))`)
		if len(items) != 2 || !strings.Contains(strings.Join(items, "|"), "adhoc_1") {
			t.Errorf("what differs is %q, want a script that was added and one that was changed", items)
		}
		tab.Part("details.item summary", "dwd_orders_hivesql").Hit()
		tab.WaitText("content", "revision 1")
		accessible(t, tab, "a comparison")
	})

	t.Run("a_backup_and_the_live_workspace", func(t *testing.T) {
		t.Parallel()
		tab := open(t, w, chromium.View{}, "")
		row(tab, names[1]).Click("link", names[1])
		tab.Click("link", "Compare with the live workspace")
		tab.Wait("heading", "the live workspace")
		tab.Part("details.item", "dwd_customers_hivesql")
		tab.Part("details.item", "ads_orders_df")
		if n := chromium.Eval[int](tab, `document.querySelectorAll('details.item').length`); n != 2 {
			t.Errorf("%d assets differ, want 2", n)
		}
	})

	t.Run("an_asset_is_found_by_its_connection", func(t *testing.T) {
		t.Parallel()
		tab := open(t, w, chromium.View{}, "")
		tab.Click("link", "Find")
		tab.Wait("heading", "Find")
		accessible(t, tab, "the search")
		tab.Fill("searchbox", "Connection", "dws_prod")
		tab.Click("button", "Find")
		tab.Wait("heading", "Found")
		tab.WaitText("ads_orders_dwssql", "dws_prod")
		accessible(t, tab, "what was found")
	})
}
