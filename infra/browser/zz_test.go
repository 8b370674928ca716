package browser_test

import (
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

func TestZZ(t *testing.T) {
	w, names := nights(t, 1)
	w.Edit(dataarts.Scripts, "dwd_orders_hivesql", "SELECT *", "SELECT nothing")
	w.Workspace.Delete(dataarts.Jobs, "ads_orders_df")
	path := "obs://dataarts-backup/0dd3000000000000000000000000aaaa/" + names[0] + "/"
	for _, id := range []string{"a", "b", "c"} {
		_, body := w.Call("POST", "/restores", `{"id":"`+id+`","path":"`+path+`","duplicateNamePolicy":"overwrite","dryRun":true}`)
		t.Logf("%.300s", body)
	}
	_, body := w.Call("GET", "/?view=restore&id=a", "")
	i := 0
	for j := range body {
		if j+11 < len(body) && string(body[j:j+11]) == "data-apply=" {
			i = j
		}
	}
	t.Logf("%.800s", body[i:])
	_, body = w.Call("GET", "/backups/"+names[0], "")
	t.Logf("%.700s", body)
	code, body := w.Call("POST", "/backups/"+names[0]+"/verify", "")
	t.Logf("%d %.700s", code, body)
	_, body = w.Call("GET", "/backups/"+names[0], "")
	t.Logf("%.700s", body)
}
