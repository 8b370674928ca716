package restore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// batch is a batch job without nodes that waits for other jobs.
func batch(name string, on ...string) string {
	cron := ""
	if len(on) > 0 {
		waits, _ := json.Marshal(on)
		cron = `,"cron":{"startTime":"2026-01-01T00:00:00+08","expression":"0 0 1 * * ?","dependJobs":{"jobs":` + string(waits) + `}}`
	}
	return fmt.Sprintf(`{"name":%q,"processType":"BATCH","nodes":[],"schedule":{"type":"CRON"%s}}`, name, cron)
}

// described is a definition with another description.
func described(definition, text string) string {
	return string(rawjson.Set([]byte(definition), "description", rawjson.Quote(text)))
}

// having fills a workspace with assets of one kind.
func having(kind dataarts.Kind, definitions ...string) func(*dataarts.WorkspaceHandle) error {
	return func(w *dataarts.WorkspaceHandle) error {
		for _, definition := range definitions {
			if err := w.Put(kind, []byte(definition)); err != nil {
				return err
			}
		}
		return nil
	}
}

func (d *desk) put(kind dataarts.Kind, definitions ...string) {
	d.t.Helper()
	if err := having(kind, definitions...)(d.Handle(localtest.Workspace)); err != nil {
		d.t.Fatal(err)
	}
}

// description is that of a live job, and whether there is such a job.
func (d *desk) description(job string) (string, bool) {
	raw, ok := d.Handle(localtest.Workspace).Asset(dataarts.Jobs, job)
	return rawjson.StringAt(raw, "description"), ok
}

// expired is what the gateway answers once the temporary keys of an invocation are over: the restore cannot go on.
func expired() *dataarts.Fault {
	return &dataarts.Fault{Status: 401, Body: `{"error_code":"APIGW.0301","error_msg":"keys expired"}`}
}

// interrupt restores with keys that are over when an operation is asked for more often than it is served.
func (d *desk) interrupt(request string, served int32, operations ...dataarts.Operation) *restore.Report {
	d.t.Helper()
	var n atomic.Int32
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if slices.Contains(operations, op) && n.Add(1) > served {
			return expired()
		}
		return nil
	})
	defer d.DataArts.Intercept(nil)
	report, err := d.run(request)
	if err == nil || report.Status != restore.Running {
		d.t.Fatalf("%s: want an interruption, got %v %s", request, err, dump(report))
	}
	return report
}

// undo takes a restore back and wants the status.
func (d *desk) undo(status restore.Status, id string) *restore.Report {
	d.t.Helper()
	report, err := restore.Undo(d.t.Context(), id, d.options())
	if err != nil || report.Status != status {
		d.t.Fatalf("undo of %s: %v %s", id, err, dump(report))
	}
	return report
}

// saved tells whether a restore has put an asset with this text aside, below a folder of its own.
func (d *desk) saved(id, folder, file, text string) bool {
	d.t.Helper()
	keys, err := d.Objects.Keys(localtest.Bucket, "backups/restores/"+id+"/"+folder)
	if err != nil {
		d.t.Fatal(err)
	}
	return slices.ContainsFunc(keys, func(key string) bool {
		data, _ := d.Objects.GetObject(localtest.Bucket, key)
		return strings.HasSuffix(key, "/"+file) && bytes.Contains(data, []byte(text))
	})
}

func dump(r *restore.Report) string {
	text, _ := json.MarshalIndent(r, "", " ")
	return fmt.Sprintf("%.3000s", text)
}

func stored(d *desk, id string) string {
	data, _ := d.Objects.GetObject(localtest.Bucket, "backups/restores/"+id+"/report.json")
	return string(data)
}

func TestRun_ThatIsContinuedGoesOnAlthoughItsOwnWritesHaveChangedThePlan(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b")))
	d.Handle(localtest.Workspace).Wipe()
	planned := d.must(restore.Planned, `{"id":"plan","date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true}`)
	request := `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite","planHash":"` + planned.PlanHash + `"}`
	d.interrupt(request, 1, dataarts.CreateJob)
	if report := d.must(restore.Complete, request); report.Counts["created"] != 2 {
		t.Errorf("%s", dump(report))
	}
}

func TestRun_ThatIsContinuedStaysWithItsBackup(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b")))
	d.Handle(localtest.Workspace).Wipe()
	const request = `{"id":"x","date":"latest","duplicateNamePolicy":"overwrite"}`
	d.interrupt(request, 1, dataarts.CreateJob)
	v := vault.New(d.Store, localtest.Bucket, "backups/"+localtest.Workspace)
	if result, err := backup.Run(t.Context(), d.Factory.Workspace(localtest.Workspace), v, "2026-11-23", backup.Options{
		Workspace: vault.Workspace{ID: localtest.Workspace, Name: "sales"}, Lease: terms}); err != nil {
		t.Fatalf("%+v %v", result, err)
	}
	report := d.must(restore.Complete, request)
	if differences := d.same(localtest.Workspace); len(differences) > 0 || !strings.HasSuffix(report.Backup, "/"+day+"/") {
		t.Errorf("from %s: %q", report.Backup, differences)
	}
}

func TestRun_ThatIsRefusedWhenContinuedKeepsWhatItHasDone(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b", "a")))
	w := d.Handle(localtest.Workspace)
	w.Wipe()
	const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
	d.interrupt(request, 1, dataarts.CreateJob)
	if len(w.All(dataarts.Jobs)) != 1 {
		t.Fatal("want one job written")
	}
	key := "backups/" + localtest.Workspace + "/" + day + "/4_jobs/b.job"
	if err := d.Objects.PutObject(localtest.Bucket, key, []byte("damaged")); err != nil {
		t.Fatal(err)
	}
	report := d.must(restore.Partial, request)
	if a := item(report, asset.Jobs, "a"); len(report.Items) != 2 || a.Action != restore.ActionCreate || !a.Written && a.Outcome != restore.Created {
		t.Errorf("%s", dump(report))
	}
	if !strings.Contains(report.Message, "4_jobs/b.job") || report.FinishedAt == nil {
		t.Errorf("the fault is not named: %s", dump(report))
	}
	d.undo(restore.Undone, "x")
	if left := len(w.All(dataarts.Jobs)); left > 0 {
		t.Errorf("the undo leaves %d jobs", left)
	}
}

func TestRun_ThatIsContinuedSavesWhatItOverwritesFirst(t *testing.T) {
	t.Parallel()
	t.Run("an asset that was unchanged at first", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b")))
		d.Handle(localtest.Workspace).Delete(dataarts.Jobs, "a")
		const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
		d.interrupt(request, 0, dataarts.CreateJob)
		d.put(dataarts.Jobs, described(batch("b"), "precious"))
		report := d.must(restore.Complete, request)
		if i := item(report, asset.Jobs, "b"); i.Outcome != restore.Overwritten {
			t.Errorf("%+v", i)
		}
		if !d.saved("x", "before-2/", "b.job", "precious") {
			t.Error("before-2/ does not hold what was overwritten")
		}
		d.undo(restore.Undone, "x")
		if got, _ := d.description("b"); got != "precious" {
			t.Errorf("after the undo b is %q", got)
		}
	})
	t.Run("at every continuation", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b"), batch("c")))
		d.Handle(localtest.Workspace).Delete(dataarts.Jobs, "a")
		const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
		d.interrupt(request, 0, dataarts.CreateJob)
		d.put(dataarts.Jobs, described(batch("b"), "precious"))
		d.interrupt(request, 0, dataarts.CreateJob, dataarts.UpdateJob)
		d.put(dataarts.Jobs, described(batch("c"), "also precious"))
		d.must(restore.Complete, request)
		if !d.saved("x", "before-2/", "b.job", "precious") || !d.saved("x", "before-3/", "c.job", "also precious") {
			t.Errorf("b saved: %v, c saved: %v", d.saved("x", "before-2/", "b.job", "precious"), d.saved("x", "before-3/", "c.job", "also precious"))
		}
		d.undo(restore.Undone, "x")
		b, _ := d.description("b")
		if c, _ := d.description("c"); b != "precious" || c != "also precious" {
			t.Errorf("after the undo b is %q and c %q", b, c)
		}
	})
	t.Run("an asset that was edited after it had been saved", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, having(dataarts.Jobs, batch("a")))
		d.put(dataarts.Jobs, described(batch("a"), "old"))
		const request = `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
		d.interrupt(request, 0, dataarts.UpdateJob)
		d.put(dataarts.Jobs, described(batch("a"), "precious"))
		d.must(restore.Complete, request)
		if !d.saved("x", "before", "a.job", "precious") || !d.saved("x", "before/", "a.job", "old") {
			t.Errorf("what was overwritten is saved: %v, what was there first: %v", d.saved("x", "before", "a.job", "precious"), d.saved("x", "before/", "a.job", "old"))
		}
		d.undo(restore.Undone, "x")
		if got, _ := d.description("a"); got != "old" {
			t.Errorf("after the undo a is %q: the state before the restore is the oldest that was saved", got)
		}
	})
}

func TestRun_ThatIsContinuedTreatsWhatSomebodyElseCreatedByItsPolicy(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]struct {
		status      restore.Status
		outcome     restore.Outcome
		description string
	}{
		"overwrite": {restore.Complete, restore.Overwritten, ""},
		"skip":      {restore.Complete, restore.Skipped, "precious"},
		"fail":      {restore.Partial, restore.Blocked, "precious"},
	} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b")))
			d.Handle(localtest.Workspace).Wipe()
			request := `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"` + policy + `"}`
			d.interrupt(request, 0, dataarts.CreateJob)
			d.put(dataarts.Jobs, described(batch("b"), "precious"))
			report := d.must(want.status, request)
			a, b := item(report, asset.Jobs, "a"), item(report, asset.Jobs, "b")
			if a.Outcome != restore.Created || b.Outcome != want.outcome || want.outcome == restore.Blocked && b.Reason == "" {
				t.Errorf("%+v %+v", a, b)
			}
			if got, _ := d.description("b"); got != want.description {
				t.Errorf("b is %q", got)
			}
			if policy == "overwrite" && !d.saved("x", "before", "b.job", "precious") {
				t.Error("it was overwritten and not saved")
			}
			d.undo(restore.Undone, "x")
			if got, there := d.description("b"); got != "precious" || !there {
				t.Errorf("after the undo b is there: %v, %q", there, got)
			}
			if _, there := d.description("a"); there {
				t.Error("after the undo a is there")
			}
		})
	}
}

// defaulting is a service that adds a field of its own to what it is given.
type defaulting struct{ restore.Workspace }

func (w defaulting) Get(ctx context.Context, ref asset.Ref, id string) (json.RawMessage, error) {
	raw, err := w.Workspace.Get(ctx, ref, id)
	if err == nil {
		raw = rawjson.Set(raw, "serverDefault", []byte("0"))
	}
	return raw, err
}

func TestRun_ThatIsContinuedKnowsItsOwnWorkOnAServiceThatAddsDefaults(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"overwrite", "skip", "fail"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b"), batch("ring_1", "ring_2"), batch("ring_2", "ring_1")))
			w := d.Handle(localtest.Workspace)
			w.Wipe()
			opts := d.options()
			opts.Concurrency = 1
			opts.Workspace = func(id string) restore.Workspace { return defaulting{d.Factory.Workspace(id)} }
			var n atomic.Int32
			d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
				if (op == dataarts.CreateJob || op == dataarts.UpdateJob) && n.Add(1) > 3 {
					return expired()
				}
				return nil
			})
			req, err := restore.ParseRequest([]byte(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"` + policy + `"}`))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := restore.Run(t.Context(), req, opts); err == nil {
				t.Fatal("want an interruption")
			}
			d.DataArts.Intercept(nil)
			report, err := restore.Run(t.Context(), req, opts)
			if err != nil || report.Status != restore.Complete || report.Counts["created"] != 4 {
				t.Errorf("%v %s", err, dump(report))
			}
			if undone, err := restore.Undo(t.Context(), "x", opts); err != nil || undone.Status != restore.Undone || len(w.All(dataarts.Jobs)) > 0 {
				t.Errorf("the undo leaves %d jobs: %v %s", len(w.All(dataarts.Jobs)), err, dump(undone))
			}
		})
	}
}

func TestRun_NearItsDeadlineIsInterruptedInsteadOfGivingUpItsAssets(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b")))
	d.Handle(localtest.Workspace).Wipe()
	d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.CreateJob {
			return &dataarts.Fault{Status: 429, Header: http.Header{"Retry-After": {"60"}}, Body: `{"error_code":"APIG.0308","error_msg":"throttled"}`}
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := restore.ParseRequest([]byte(`{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`))
	if err != nil {
		t.Fatal(err)
	}
	report, err := restore.Run(ctx, req, d.options())
	if !errors.Is(err, context.DeadlineExceeded) || report.Status != restore.Running {
		t.Errorf("%v %s", err, dump(report))
	}
	d.DataArts.Intercept(nil)
	// The next invocation knows nothing of the pause that the service asked this one for.
	if d.Factory, err = factory.New(factory.Options{Endpoint: d.V1, V2Endpoint: d.V2, ProjectID: localtest.ProjectID, RateLimit: 100_000,
		Credentials: factory.Credentials{AccessKey: localtest.AccessKey, SecretKey: localtest.SecretKey}}); err != nil {
		t.Fatal(err)
	}
	if report := d.must(restore.Complete, `{"id":"x","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`); report.Counts["created"] != 2 {
		t.Errorf("%s", dump(report))
	}
}
