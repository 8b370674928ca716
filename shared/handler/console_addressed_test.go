package handler_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
)

func TestConsole_TakesTheFolderOfTheQuery(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ target, body, command string }{
		"alone":                   {"/backups?folder=nights", "", `{"folder":"nights"}`},
		"as_the_body_has_it":      {"/backups?folder=/nights/", `{"folder":"nights/"}`, `{"folder":"nights"}`},
		"beside_the_workspace":    {"/backups?folder=nights&workspace=ws1", `{}`, `{"workspaces":["ws1"],"folder":"nights"}`},
		"not_where_it_is_nothing": {"/backups?folder=", `{"folder":"nights"}`, `{"folder":"nights"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newPlatformBench(t)
			decodeConsole[struct{}](t, b.ask("POST", test.target, test.body), http.StatusAccepted)
			if want := []string{"POST invocations-async " + test.command}; !cmp.Equal(b.sent, want) {
				t.Errorf("sent %v, want %v", b.sent, want)
			}
		})
	}
	t.Run("not_where_the_body_names_another", func(t *testing.T) {
		t.Parallel()
		b := newPlatformBench(t)
		for body, words := range map[string]string{`{"folder":"days"}`: `the body names "days"`, `{"folder":""}`: `the body names ""`} {
			b.refuses(b.ask("POST", "/backups?folder=nights", body), http.StatusBadRequest, "invalid", `folder: "nights"`, words)
		}
		b.refuses(b.ask("POST", "/backups?folder=..", ""), http.StatusBadRequest, "invalid", "folder")
		if len(b.sent) > 0 {
			t.Errorf("sent %v", b.sent)
		}
	})
	t.Run("only_once", func(t *testing.T) {
		t.Parallel()
		b := newPlatformBench(t)
		b.backup("factory/a", "2026-11-22", nil)
		for _, request := range [][2]string{{"GET", "/backups"}, {"GET", "/backups/2026-11-22"}, {"GET", "/calendar"}, {"POST", "/backups/2026-11-22/verify"}, {"POST", "/backups"}, {"GET", "/find?text=x"}} {
			target := request[1] + "?folder=a&folder=b"
			if strings.Contains(request[1], "?") {
				target = request[1] + "&folder=a&folder=b"
			}
			b.refuses(b.ask(request[0], target, ""), http.StatusBadRequest, "invalid", "folder: given 2 times")
		}
	})
}

func TestConsole_TakesTheTriggerOfTheQuery(t *testing.T) {
	t.Parallel()
	two := func(t *testing.T) *platformBench {
		return newPlatformBench(t, dailyTimer(nil), dailyTimer(func(timer *functiongraph.Timer) { timer.Name = "second" }))
	}
	for name, body := range map[string]string{"alone": `{"enabled":false}`, "as_the_body_has_it": `{"enabled":false,"trigger":"second"}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := two(t)
			if s := decodeConsole[consoleSchedule](t, b.ask("PUT", "/schedule?trigger=second", body), http.StatusOK); s.Enabled || s.Trigger != "second" {
				t.Errorf("%+v", s)
			}
		})
	}
	t.Run("not_where_the_body_names_another", func(t *testing.T) {
		t.Parallel()
		b := two(t)
		b.refuses(b.ask("PUT", "/schedule?trigger=second", `{"enabled":false,"trigger":"nightly-backup"}`), http.StatusBadRequest, "invalid", `trigger: "second"`, `"nightly-backup"`)
		b.refuses(b.ask("PUT", "/schedule?trigger=second&trigger=nightly-backup", `{"enabled":false}`), http.StatusBadRequest, "invalid", "trigger: given 2 times")
		if len(b.sent) > 0 {
			t.Errorf("sent %v", b.sent)
		}
	})
}

// Where a started backup will be listed has to be an address that lists it.
func TestConsole_SaysWhereAStartedBackupIsListed(t *testing.T) {
	t.Parallel()
	const all, one = "obs://" + consoleBucket + "/{workspace}", "obs://" + consoleBucket + "/factory"
	for name, test := range map[string]struct{ location, configured, target, body, want string }{
		"of_one_workspace":         {all, "", "/backups?workspace=ws1", "", "/backups?workspace=ws1"},
		"of_the_first_of_several":  {all, "", "/backups", `{"workspaces":["ws2","ws1"]}`, "/backups?workspace=ws2"},
		"of_those_configured":      {all, "ws3,ws1", "/backups", "", "/backups?workspace=ws3"},
		"of_a_location_of_one":     {one, "", "/backups", "", "/backups"},
		"in_a_folder":              {one, "", "/backups", `{"folder":"before/R&D"}`, "/backups?folder=before%2FR%26D"},
		"in_a_folder_of_workspace": {all, "", "/backups?workspace=ws1&folder=nights", "", "/backups?folder=nights&workspace=ws1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newPlatformBench(t)
			b.env["BACKUP_LOCATION"] = test.location
			if test.configured != "" {
				b.env["DATAARTS_WORKSPACES"] = test.configured
			}
			a := b.ask("POST", test.target, test.body)
			if a.Status != http.StatusAccepted || a.Header["Location"] != test.want {
				t.Fatalf("%d, %q, want %q: %s", a.Status, a.Header["Location"], test.want, a.Body)
			}
			if a := b.ask("GET", a.Header["Location"], ""); a.Status != http.StatusOK {
				t.Errorf("it is no address: %d %s", a.Status, a.Body)
			}
		})
	}
}

func TestConsole_KnowsAWorkspaceByItsBackups(t *testing.T) {
	t.Parallel()
	known := func(b *consoleBench) string {
		return decodeConsole[consoleError](b.t, b.send("GET", "/backups"), 400).Error.Message
	}
	fill := func(b *consoleBench) {
		b.env["BACKUP_LOCATION"] = "obs://" + consoleBucket + "/{workspace}"
		for _, id := range []string{"beta", "alpha"} {
			b.backup(id, "2026-11-22", nil)
		}
		b.put("exports/2026/file.csv", "x")
		b.put("logs/today.log", "x")
	}
	t.Run("and_not_by_any_folder", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		fill(b)
		if got := known(b); got != "workspace: missing, want one of alpha, beta" {
			t.Error(got)
		}
	})
	t.Run("those_configured_first", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		fill(b)
		b.env["DATAARTS_WORKSPACES"] = "sales,beta,logs"
		if got := known(b); got != "workspace: missing, want one of sales, beta, logs, alpha" {
			t.Error(got)
		}
	})
	t.Run("where_only_one_is_configured_that_one_is_meant", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		fill(b)
		b.env["DATAARTS_WORKSPACES"] = "beta"
		if list := decodeConsole[consoleList](t, b.send("GET", "/backups"), 200); list.Workspace != "beta" {
			t.Errorf("%+v", list)
		}
	})
	t.Run("also_where_the_store_does_not_let_it_look", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		fill(b)
		b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if prefix := c.Request.URL.Query().Get("prefix"); c.Operation == "ListObjects" && prefix == "logs/" {
				return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
			}
			return nil
		})
		if got := known(b); got != "workspace: missing, want one of alpha, beta, logs" {
			t.Error(got)
		}
	})
}
