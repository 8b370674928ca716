package local_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
)

// digested is what the tests read of an answer's digest.
type digested struct {
	Since                            string
	Added, Changed, Removed, Renamed int
	LostShare                        float64
	MassLoss                         bool
	Changes                          []struct{ Kind, Name, Change, By string }
}

// nightly results, with what only the tests in this file look at.
type nights struct {
	Status  string
	Backups []struct {
		Workspace, Path, Status, Message, RunID string
		Removed                                 []string
		Digest                                  *digested
	}
}

// three are the workspaces of one instance.
func three() []dataarts.Workspace {
	return []dataarts.Workspace{{ID: "ws-one", Name: "one", IsDefault: true}, {ID: "ws-two", Name: "two"}, {ID: "ws-three", Name: "three"}}
}

// withThree starts a cloud with three filled workspaces, of which ws-two cannot be listed.
func withThree(t *testing.T, opts local.Options) *local.Cloud {
	t.Helper()
	opts.Workspaces = three()
	c := start(t, opts)
	for _, w := range opts.Workspaces {
		if err := sample.Fill(c.Workspace(w.ID), sample.Options{Jobs: 3, Scripts: 2, Resources: 1}); err != nil {
			t.Fatal(err)
		}
	}
	c.DataArts.Intercept(func(r *http.Request, _ dataarts.Operation) *dataarts.Fault {
		if r.Header.Get("workspace") == "ws-two" {
			return &dataarts.Fault{Status: http.StatusForbidden, Code: "DLF.0403"}
		}
		return nil
	})
	return c
}

// subjects are those of the notifications, in order.
func subjects(c *local.Cloud) []string {
	var all []string
	for _, m := range c.SMN.Messages() {
		all = append(all, m.Subject)
	}
	slices.Sort(all)
	return all
}

func TestNight_gives_every_workspace_an_invocation_of_its_own(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string]string{"a_list": "ws-one,ws-two,ws-three", "every_workspace": "*"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := withThree(t, local.Options{Variables: map[string]string{"DATAARTS_WORKSPACES": setting}})
			id, err := c.Tick(midnight(), `{"folder":"nights"}`)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Backup.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			night, _ := c.Backup.Async(id)
			if night.Status != functiongraph.AsyncSuccess || night.Attempts != 1 {
				t.Fatalf("the timer's own invocation: %+v: %s", night, night.Result.Payload)
			}
			got := parse[nights](t, night.Result.Payload)
			if got.Status != "RUNNING" || len(got.Backups) != 3 {
				t.Fatalf("answer %+v", got)
			}
			if n := len(c.Backup.AsyncInvocations()); n != 1+3 {
				t.Errorf("%d invocations, want the timer's and one for each workspace", n)
			}
			for _, b := range got.Backups {
				if b.Status != "RUNNING" || b.Path != "obs://"+local.Bucket+"/"+b.Workspace+"/nights/2026-11-22/" {
					t.Errorf("%+v", b)
				}
				var own functiongraph.AsyncInvocation
				for _, a := range c.Backup.AsyncInvocations() {
					if a.RequestID != id && strings.Contains(b.Message, a.RequestID) {
						own = a
					}
				}
				if b.Workspace == "ws-two" {
					if own.Status != functiongraph.AsyncFail || own.Attempts != 2 || !strings.Contains(own.Result.FunctionError.Message, "ws-two") {
						t.Errorf("the broken workspace's: %+v", own)
					}
					continue
				}
				if own.Status != functiongraph.AsyncSuccess || own.Attempts != 1 {
					t.Errorf("%s: %+v", b.Workspace, own)
					continue
				}
				if child := parse[nights](t, own.Result.Payload); child.Status != "COMPLETE" || len(child.Backups) != 1 || child.Backups[0].Path != b.Path {
					t.Errorf("%s: %+v", b.Workspace, child)
				}
				provedBackup(t, c, b.Workspace+"/nights/2026-11-22/")
			}
			want := []string{"DataArts backup COMPLETE: workspace one", "DataArts backup COMPLETE: workspace three",
				"DataArts backup FAILED: workspace two", "DataArts backup FAILED: workspace two"} // the second is that of the platform's second try
			if diff := cmp.Diff(want, subjects(c)); diff != "" {
				t.Errorf("notifications (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNight_is_done_in_turn_when_nothing_can_be_handed_over(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		intercept func(http.ResponseWriter, *http.Request) bool
		requests  int64
		reason    string
	}{
		"the_API_is_down": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}, 3, "status 503"}, // three attempts for the first workspace, and none for the others
		"the_agency_may_not": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusForbidden)
			_, _ = fmt.Fprint(w, `{"error_code":"FSS.0403","error_msg":"no permission"}`)
			return true
		}, 1, "FSS.0403"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int64
			c := withThree(t, local.Options{InterceptFunctionGraph: func(w http.ResponseWriter, r *http.Request) bool {
				requests.Add(1)
				return test.intercept(w, r)
			}})
			c.DataArts.Intercept(nil)
			night, err := c.Midnight(t.Context(), midnight())
			if err != nil || night.Status != functiongraph.AsyncSuccess {
				t.Fatalf("%+v, %v", night, err)
			}
			got := parse[nights](t, night.Result.Payload)
			if got.Status != "COMPLETE" || len(got.Backups) != 3 || len(c.Backup.AsyncInvocations()) != 1 || requests.Load() != test.requests {
				t.Errorf("answer %+v after %d invocations and %d requests", got, len(c.Backup.AsyncInvocations()), requests.Load())
			}
			for _, b := range got.Backups {
				provedBackup(t, c, b.Workspace+"/2026-11-22/")
				if !strings.Contains(b.Message, "done here in turn") || !strings.Contains(b.Message, test.reason) {
					t.Errorf("%s: %s", b.Workspace, b.Message)
				}
			}
		})
	}
}

func TestNight_in_turn_survives_a_workspace_that_fails(t *testing.T) {
	t.Parallel()
	c := withThree(t, local.Options{Variables: map[string]string{"FUNCTIONGRAPH_ENDPOINT": "http://127.0.0.1:1"}})
	night, err := c.Midnight(t.Context(), midnight())
	if err != nil || night.Status != functiongraph.AsyncFail || !strings.Contains(night.Result.FunctionError.Message, "PARTIAL: workspace ws-two") {
		t.Fatalf("%+v, %v", night.Result.FunctionError, err)
	}
	for _, w := range []string{"ws-one", "ws-three"} {
		provedBackup(t, c, w+"/2026-11-22/")
	}
}

func TestNight_of_Lambda_is_done_in_turn(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	c := withThree(t, local.Options{InterceptFunctionGraph: func(http.ResponseWriter, *http.Request) bool { requests.Add(1); return false }})
	c.DataArts.Intercept(nil)
	a := deployOnLambda(t, c)
	event := `{"version":"0","id":"1","detail-type":"Scheduled Event","source":"aws.scheduler","account":"1","time":"2026-11-21T16:00:00Z","region":"eu-central-1","resources":[],"detail":"{}"}`
	got := parse[nights](t, invoke(t, a.backup, event))
	if got.Status != "COMPLETE" || len(got.Backups) != 3 || requests.Load() != 0 {
		t.Errorf("answer %+v, %d requests to FunctionGraph", got, requests.Load())
	}
	for _, b := range got.Backups {
		if strings.Contains(b.Message, "in turn") || !strings.HasSuffix(b.Path, "/"+b.Workspace+"/2026-11-22/") {
			t.Errorf("%+v", b)
		}
	}
}

func TestNight_of_one_workspace_is_not_handed_over(t *testing.T) {
	t.Parallel()
	c, _ := filled(t, local.Options{})
	if night, err := c.Midnight(t.Context(), midnight()); err != nil || night.Status != functiongraph.AsyncSuccess || len(c.Backup.AsyncInvocations()) != 1 {
		t.Errorf("%+v, %v, %d invocations", night, err, len(c.Backup.AsyncInvocations()))
	}
}

func TestMorning_tells_what_has_changed(t *testing.T) {
	t.Parallel()
	c, w := filled(t, local.Options{})
	night := func(day string) nights {
		t.Helper()
		return answer[nights](t, run(t, "backup", `{"time":"`+day+`T00:00:00+08:00"}`, c.Environment()).succeed(t))
	}
	first := night("2026-11-22").Backups[0]
	if d := first.Digest; d == nil || d.Since != "" || d.Added != 3+6+8+1 || len(d.Changes) != 0 || first.RunID == "" {
		t.Errorf("the first: %+v", first)
	}
	w.Delete(dataarts.Scripts, "dwd_orders_hivesql")
	changeSome(t, w, func(i int) bool { return i == 0 })
	second := night("2026-11-23").Backups[0]
	d := second.Digest
	if d == nil || d.Since != "obs://"+local.Bucket+"/"+folderOfTheNight || d.Added != 0 || d.Changed != 3+1 || d.Removed != 1 || d.MassLoss {
		t.Fatalf("the second: %+v", d)
	}
	messages := c.SMN.Messages()
	if len(messages) != 2 {
		t.Fatalf("%d notifications: %+v", len(messages), messages)
	}
	text := messages[1].Text
	for _, want := range []string{second.Path, d.Since, "0 added, 4 changed, 1 removed", `removed: script "dwd_orders_hivesql"`, "changed: environment variables", second.RunID} {
		if !strings.Contains(text, want) {
			t.Errorf("the notification lacks %q:\n%s", want, text)
		}
	}
	for _, secret := range []string{"dlf-prod", "dlf-changed", "obsutil"} {
		if strings.Contains(text+messages[0].Text, secret) {
			t.Errorf("%q is in a notification", secret)
		}
	}
	if again := night("2026-11-23").Backups[0]; again.Digest != nil || len(c.SMN.Messages()) != 2 {
		t.Errorf("a date that was complete already: %+v, %d notifications", again, len(c.SMN.Messages()))
	}
}

func TestMorning_after_a_mass_deletion_holds_retention_and_says_so(t *testing.T) {
	t.Parallel()
	c, w := filled(t, local.Options{Variables: map[string]string{"BACKUP_KEEP": "daily=1"}})
	night := func(day string) nights {
		t.Helper()
		return answer[nights](t, run(t, "backup", `{"time":"`+day+`T00:00:00+08:00"}`, c.Environment()).succeed(t))
	}
	night("2026-11-22")
	if got := night("2026-11-23").Backups[0]; !slices.Equal(got.Removed, []string{"2026-11-22"}) {
		t.Fatalf("retention removed %v: %s", got.Removed, got.Message)
	}
	w.Wipe()
	got := night("2026-11-24").Backups[0]
	if got.Status != "COMPLETE" || len(got.Removed) != 0 || !got.Digest.MassLoss || !strings.Contains(got.Message, "retention is held") {
		t.Errorf("%+v %+v", got, got.Digest)
	}
	provedBackup(t, c, local.WorkspaceID+"/2026-11-23/")
	messages := c.SMN.Messages()
	if last := messages[len(messages)-1]; !strings.Contains(last.Subject, "MASS DELETION") || !strings.Contains(last.Text, "retention is held") {
		t.Errorf("%s\n%s", last.Subject, last.Text)
	}
}

func TestNotification_of_failures(t *testing.T) {
	t.Parallel()
	t.Run("a_partial_backup", func(t *testing.T) {
		t.Parallel()
		c, _ := filled(t, local.Options{})
		c.DataArts.SetSwitches(func(s *dataarts.Switches) { s.TotalDelta = 1 })
		run(t, "backup", nightly, c.Environment()).refuse(t)
		if got := c.SMN.Messages(); len(got) != 1 || got[0].Subject != "DataArts backup PARTIAL: workspace warehouse" || !strings.Contains(got[0].Text, "missing: 1 script: the API claims 7 scripts and lists 6") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a_backup_that_is_not_what_it_was", func(t *testing.T) {
		t.Parallel()
		c, _ := filled(t, local.Options{})
		run(t, "backup", nightly, c.Environment()).succeed(t)
		run(t, "backup", `{"verify":"latest"}`, c.Environment()).succeed(t)
		if n := len(c.SMN.Messages()); n != 1 {
			t.Errorf("%d notifications after a backup and a verification that went well", n)
		}
		key := folderOfTheNight + "4_jobs/ads_orders_df.job"
		if err := c.Store.PutObject(local.Bucket, key, append(object(t, c, key), ' ')); err != nil {
			t.Fatal(err)
		}
		run(t, "backup", `{"verify":"latest"}`, c.Environment()).refuse(t)
		if got := c.SMN.Messages(); len(got) != 2 || got[1].Subject != "DataArts verification FAILED: workspace warehouse" || !strings.Contains(got[1].Text, "ads_orders_df") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("workspaces_that_cannot_be_listed", func(t *testing.T) {
		t.Parallel()
		c := start(t, local.Options{Variables: map[string]string{"DATAARTS_WORKSPACES": "*"}})
		c.DataArts.Intercept(func(*http.Request, dataarts.Operation) *dataarts.Fault {
			return &dataarts.Fault{Status: http.StatusForbidden, Code: "DLF.0403"}
		})
		run(t, "backup", nightly, c.Environment()).refuse(t)
		if got := c.SMN.Messages(); len(got) != 1 || got[0].Subject != "DataArts backup FAILED: nothing is backed up" || !strings.Contains(got[0].Text, local.InstanceID) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a_timer_that_asks_for_nonsense", func(t *testing.T) {
		t.Parallel()
		c := start(t, local.Options{})
		if _, err := c.Tick(midnight(), `{"foldr":"x"}`); err != nil {
			t.Fatal(err)
		}
		if err := c.Backup.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := c.SMN.Messages(); len(got) == 0 || !strings.Contains(got[0].Text, "foldr") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a_notification_that_cannot_be_sent_is_a_warning", func(t *testing.T) {
		t.Parallel()
		c, _ := filled(t, local.Options{})
		c.SMN.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		})
		o := run(t, "backup", nightly, c.Environment()).succeed(t)
		got := answer[nights](t, o)
		if got.Status != "COMPLETE" || !strings.Contains(got.Backups[0].Message, "the notification could not be sent") || !strings.Contains(o.stderr, `"level":"warn"`) {
			t.Errorf("%+v\n%s", got, o.stderr)
		}
	})
}

func TestDryRun_says_what_would_be_and_does_nothing(t *testing.T) {
	t.Parallel()
	c, _ := filled(t, local.Options{})
	for _, day := range []string{"2026-11-20", "2026-11-21"} {
		run(t, "backup", `{"time":"`+day+`T00:00:00+08:00"}`, c.Environment()).succeed(t)
	}
	env := append(c.Environment(), "BACKUP_KEEP=daily=2")
	before, written, sent := keys(t, c, ""), c.Store.Calls("PutObject"), len(c.SMN.Messages())
	check := func(name string, o outcome, path string, removed []string) {
		t.Helper()
		got := answer[nights](t, o.succeed(t))
		if b := got.Backups[0]; got.Status != "PLANNED" || b.Status != "PLANNED" || b.Path != "obs://"+local.Bucket+"/"+local.WorkspaceID+path || !slices.Equal(b.Removed, removed) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	check("by command", run(t, "backup", `{"time":"2026-11-22T00:00:00+08:00","dryRun":true}`, env), "/2026-11-22/", []string{"2026-11-20"})
	check("by flag", runWith(t, []string{"--dry-run"}, `{"time":"2026-11-22T00:00:00+08:00"}`, env), "/2026-11-22/", []string{"2026-11-20"})
	check("of a folder that is complete", runWith(t, []string{"--dry-run"}, `{"time":"2026-11-21T00:00:00+08:00"}`, env), "/2026-11-21/", []string{})
	if diff := cmp.Diff(before, keys(t, c, "")); diff != "" || c.Store.Calls("PutObject") != written || len(c.SMN.Messages()) != sent {
		t.Errorf("%d objects were written, %d notifications sent, and the bucket changed:\n%s", c.Store.Calls("PutObject")-written, len(c.SMN.Messages())-sent, diff)
	}
	for _, args := range [][]string{{"--dryrun"}, {"--dry-run", "now"}} {
		o := runWith(t, args, nightly, env).refuse(t)
		if !strings.Contains(string(o.stdout), args[len(args)-1]) {
			t.Errorf("%v: %s", args, o.stdout)
		}
	}
	if n := c.Store.Calls("PutObject"); n != written {
		t.Errorf("%d objects were written after a mistyped flag", n-written)
	}
}
