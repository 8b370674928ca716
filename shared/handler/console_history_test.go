package handler_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"

	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

type consoleLog struct {
	Kind, Name, Directory, Next string
	Complete                    bool
	Searched                    struct{ Backups, Total int }
	Entries                     []struct{ Backup, Change, Before, Status, Reason, Key string }
}

type consoleFindings struct {
	Complete bool
	Next     string
	Assets   []struct {
		Kind, Name, Key, First, Last string
		Where, Backups               []string
	}
	Unsearched []struct {
		Backup, Status, Reason string
		Assets                 int
	}
}

type consoleGraph struct {
	Name, Status        string
	Truncated, Complete bool
	UnreadCount         int
	Nodes               []struct {
		Key, Kind, Name, State string
		Distance, Hidden       int
	}
	Edges []struct {
		From, To int
		Type     string
	}
	Searched struct{ Read, Total int }
}

// hostileScript is a name that must come out of every answer as it is.
const hostileScript = `"><script>alert(1)</script>/../%2F`

// someDays writes three days: the script is changed on the second, the variable on the third, on which the job is gone.
func (b *consoleBench) someDays() {
	b.keep("2026-11-20", nil, variables(`{"params":[{"name":"DAY","value":"secret-1"}]}`), script(hostileScript, "Shell", "echo 1"), hiveJob("j", "load", "hive_prod"))
	b.keep("2026-11-21", nil, variables(`{"params":[{"name":"DAY","value":"secret-1"}]}`), script(hostileScript, "Shell", "echo needle #{Env.get('DAY')}"), hiveJob("j", "load", "hive_prod"))
	b.keep("2026-11-22", nil, variables(`{"params":[{"name":"DAY","value":"secret-2"}]}`), script(hostileScript, "Shell", "echo needle #{Env.get('DAY')}"))
}

func TestConsole_Log(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	b.someDays()

	t.Run("tells_on_which_days_an_asset_was_changed", func(t *testing.T) {
		t.Parallel()
		for target, want := range map[string][]string{
			"/log?kind=scripts&name=" + url.QueryEscape(hostileScript): {"2026-11-21 changed 2026-11-20", "2026-11-20 first "},
			"/log?kind=jobs&name=j":   {"2026-11-22 removed 2026-11-21", "2026-11-20 first "},
			"/log?kind=env&name=DAY":  {"2026-11-22 changed 2026-11-21", "2026-11-20 first "},
			"/log?kind=env":           {"2026-11-22 changed 2026-11-21", "2026-11-20 first "},
			"/log?kind=jobs&name=no":  nil,
			"/log?kind=env&name=nope": nil,
		} {
			a := b.send("GET", target)
			l := decodeConsole[consoleLog](t, a, 200)
			var got []string
			for _, e := range l.Entries {
				got = append(got, e.Backup+" "+e.Change+" "+e.Before)
			}
			if !slices.Equal(got, want) || !l.Complete || l.Searched.Backups != 3 {
				t.Errorf("%s: %v %+v", target, got, l)
			}
			if strings.Contains(a.Body, "secret") {
				t.Errorf("%s: %s", target, a.Body)
			}
		}
	})

	t.Run("goes_on_where_it_was_cut_off", func(t *testing.T) {
		t.Parallel()
		l := decodeConsole[consoleLog](t, b.send("GET", "/log?kind=jobs&name=j&limit=1"), 200)
		if len(l.Entries) != 1 || l.Complete || l.Next == "" {
			t.Fatalf("%+v", l)
		}
		l = decodeConsole[consoleLog](t, b.send("GET", "/log?kind=jobs&name=j&limit=1&after="+l.Next), 200)
		if len(l.Entries) != 1 || l.Entries[0].Backup != "2026-11-20" || !l.Complete {
			t.Errorf("%+v", l)
		}
	})

	t.Run("names_every_fault_of_the_request", func(t *testing.T) {
		t.Parallel()
		e := decodeConsole[consoleError](t, b.send("GET", "/log?kind=x&limit=0&after=y&workspace=z"), 400)
		for _, part := range []string{"kind", "limit", "after", "name", "workspace"} {
			if !strings.Contains(e.Error.Message, part) {
				t.Errorf("%s: %s", part, e.Error.Message)
			}
		}
		decodeConsole[consoleError](t, b.send("GET", "/log?kind=env&directory=/"), 400)
	})
}

func TestConsole_Find(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	b.someDays()

	t.Run("tells_which_backups_hold_what", func(t *testing.T) {
		t.Parallel()
		f := decodeConsole[consoleFindings](t, b.send("GET", "/find?text=NEEDLE"), 200)
		if len(f.Assets) != 1 || f.Assets[0].Name != hostileScript || !slices.Equal(f.Assets[0].Backups, []string{"2026-11-22", "2026-11-21"}) || f.Assets[0].First != "2026-11-21" ||
			f.Assets[0].Where[0] != "line 1: echo needle #{Env.get('DAY')}" || !f.Complete {
			t.Errorf("%+v", f)
		}
		f = decodeConsole[consoleFindings](t, b.send("GET", "/find?connectionName=hive_*&kind=jobs"), 200)
		if len(f.Assets) != 1 || f.Assets[0].Last != "2026-11-21" || len(f.Assets[0].Backups) != 2 {
			t.Errorf("%+v", f)
		}
		f = decodeConsole[consoleFindings](t, b.send("GET", "/find?connectionName=hive_*&backups=1"), 200)
		if len(f.Assets) != 0 {
			t.Errorf("%+v", f)
		}
		if a := b.send("GET", "/find?text=secret"); len(decodeConsole[consoleFindings](t, a, 200).Assets) != 0 {
			t.Error(a.Body)
		}
	})

	t.Run("goes_on_where_it_was_cut_off", func(t *testing.T) {
		t.Parallel()
		var names []string
		after := ""
		for range 3 {
			f := decodeConsole[consoleFindings](t, b.send("GET", "/find?name=*&limit=1&after="+after), 200)
			for _, a := range f.Assets {
				names = append(names, a.Name)
			}
			after = f.Next
		}
		if after != "" || !slices.Equal(names, []string{"DAY", hostileScript, "j"}) {
			t.Errorf("%v %q", names, after)
		}
	})

	t.Run("names_every_fault_of_the_request", func(t *testing.T) {
		t.Parallel()
		e := decodeConsole[consoleError](t, b.send("GET", "/find?kind=x&limit=501&backups=401&workspace=z"), 400)
		for _, part := range []string{"kind", "limit", "backups", "at least one", "workspace"} {
			if !strings.Contains(e.Error.Message, part) {
				t.Errorf("%s: %s", part, e.Error.Message)
			}
		}
		e = decodeConsole[consoleError](t, b.send("GET", "/find?name=x&after=2026-11-22"), 400)
		if !strings.HasPrefix(e.Error.Message, "after: ") {
			t.Error(e.Error.Message)
		}
		decodeConsole[consoleError](t, b.send("GET", "/find?text="+strings.Repeat("x", 257)), 400)
	})

	t.Run("names_the_backups_that_it_cannot_look_into", func(t *testing.T) {
		t.Parallel()
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		b := newConsoleBench(t)
		b.keep("2026-11-20", []string{id.Recipient().String()}, script("s", "Shell", "needle"))
		b.keepAs(vault.Partial, "2026-11-21", nil, script("s", "Shell", "needle"))
		b.put("factory/2026-11-22/manifest.json", "{")
		f := decodeConsole[consoleFindings](t, b.send("GET", "/find?text=needle"), 200)
		if len(f.Unsearched) != 3 || len(f.Assets) != 1 || len(f.Assets[0].Backups) != 1 {
			t.Errorf("%+v", f)
		}
		b.env["RESTORE_IDENTITY"] = id.String()
		f = decodeConsole[consoleFindings](t, b.send("GET", "/find?text=needle"), 200)
		if len(f.Unsearched) != 2 || len(f.Assets[0].Backups) != 2 {
			t.Errorf("%+v", f)
		}
	})
}

func TestConsole_Graph(t *testing.T) {
	t.Parallel()
	b := newConsoleBench(t)
	b.someDays()

	t.Run("shows_what_lies_around_an_asset", func(t *testing.T) {
		t.Parallel()
		g := decodeConsole[consoleGraph](t, b.send("GET", "/backups/2026-11-22/graph?key=1_env/env.json%23DAY"), 200)
		if len(g.Nodes) != 2 || g.Nodes[1].Name != hostileScript || g.Nodes[1].Distance != -1 || g.Nodes[1].State != "present" || len(g.Edges) != 1 || g.Edges[0].Type != "reads" ||
			g.Edges[0].From != 1 || !g.Complete || g.Searched.Read != 2 || g.Status != "COMPLETE" {
			t.Errorf("%+v", g)
		}
	})

	t.Run("says_why_there_is_none", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.everyState()
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		b.keep("2026-12-01", []string{id.Recipient().String()}, script("s", "Shell", "x"))
		b.keep("2026-12-02", nil, script("s", "Shell", "x"))
		for target, status := range map[string]int{
			"/backups/2026-12-02/graph?key=3_scripts/none.script":          404,
			"/backups/2026-12-02/graph":                                    400,
			"/backups/2026-12-02/graph?key=3_scripts/s.script&depth=0":     400,
			"/backups/2026-12-02/graph?key=3_scripts/s.script&limit=501":   400,
			"/backups/2026-01-01/graph?key=3_scripts/s.script":             404,
			"/backups/latest/graph?key=3_scripts/s.script":                 400,
			"/backups/2026-12-01/graph?key=3_scripts/s.script.age":         409,
			"/backups/2026-12-02/graph?key=../../restores/x/before/secret": 404,
		} {
			e := decodeConsole[consoleError](t, b.send("GET", target), status)
			if e.Error.Message == "" {
				t.Errorf("%s: %+v", target, e)
			}
		}
	})
}

func TestConsole_HistoryInLittleTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newConsoleBench(t)
		b.someDays()
		// Time is over for the reader before the last folder is opened, and not for the answer.
		b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if strings.HasSuffix(c.Key, "manifest.json") {
				return &objectstore.Fault{Delay: 300 * time.Millisecond}
			}
			return nil
		})
		within := func(target string) consoleAnswer {
			ctx, cancel := context.WithTimeout(t.Context(), 800*time.Millisecond)
			defer cancel()
			return b.sendWithin(ctx, "GET", target)
		}
		var got []string
		for after, pages := "", 0; ; pages++ {
			l := decodeConsole[consoleLog](t, within("/log?kind=jobs&name=j&after="+after), 200)
			for _, e := range l.Entries {
				got = append(got, e.Backup+" "+e.Change)
			}
			if after = l.Next; l.Complete {
				if pages == 0 {
					t.Error("there was time for all")
				}
				break
			}
			if pages > 5 {
				t.Fatal("no end")
			}
		}
		if !slices.Equal(got, []string{"2026-11-22 removed", "2026-11-20 first"}) {
			t.Error(got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if a := b.sendWithin(ctx, "GET", "/find?text=x"); a.Status != 504 {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	})
}
