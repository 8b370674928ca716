package restore_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// livelong is a real-time job, whose status no listing tells.
func livelong(name string) string {
	return strings.Replace(batch(name), "BATCH", "REAL_TIME", 1)
}

// calling is a job that calls another one by a node.
func calling(name, called string) string {
	return fmt.Sprintf(`{"name":%q,"processType":"BATCH","directory":"/calls","schedule":{"type":"EXECUTE_ONCE"},`+
		`"nodes":[{"name":"n","type":"SubJob","location":{"x":"1","y":"2"},"properties":[{"name":"jobName","value":%q}]}]}`, name, called)
}

// ofAllSorts is a small workspace in which there is one of everything that matters to the order and the number of requests.
func ofAllSorts(w *dataarts.WorkspaceHandle) error {
	for _, fill := range []func(*dataarts.WorkspaceHandle) error{
		backedUp,
		having(dataarts.Resources, `{"name":"changed","type":"file","directory":"/lib","location":"obs://libs/a.txt","desc":"1"}`,
			`{"name":"changed","type":"file","directory":"/lib/2","location":"hdfs://ns/a.txt","desc":"1"}`),
		having(dataarts.Jobs, livelong("live_ran"), livelong("live_stood"), livelong("live_gone"), calling("a_call", "z_called"), batch("z_called")),
	} {
		if err := fill(w); err != nil {
			return err
		}
	}
	return nil
}

// agedAllSorts brings the workspace to where it was before a restore: changed since, or empty but for what the backup does not know.
func (d *desk) agedAllSorts(empty bool, schedules string) {
	d.t.Helper()
	if d.lived(empty); empty {
		return
	}
	d.put(dataarts.Resources, `{"name":"changed","type":"file","directory":"/lib","location":"obs://libs/a.txt","desc":"2"}`)
	d.put(dataarts.Jobs, described(livelong("live_ran"), "changed"), described(livelong("live_stood"), "changed"), described(batch("z_called"), "changed"),
		described(batch("ring_1", "only_live"), "changed"))
	w := d.Handle(localtest.Workspace)
	w.SetJobStatus("live_ran", "NORMAL")
	w.SetJobStatus("ring_1", "SCHEDULING")
	if schedules != restore.Start { // no API pauses a job that was started again
		w.SetJobStatus("stood", "PAUSED")
	}
}

// killing is a restore that is ended at its requests.
type killing struct {
	name, policy, schedules string
	empty                   bool // into a workspace that has nothing that the backup has
	sealed                  bool // encrypted
	wide                    bool // several assets at a time, so that the end comes in the middle of some
}

func killings() []killing {
	return []killing{
		{name: "overwrite", policy: "overwrite", schedules: "keep"},
		{name: "overwrite and start", policy: "overwrite", schedules: "start"},
		{name: "overwrite and stop", policy: "overwrite", schedules: "stop"},
		{name: "overwrite encrypted", policy: "overwrite", schedules: "keep", sealed: true},
		{name: "overwrite several at a time", policy: "overwrite", schedules: "keep", wide: true},
		{name: "skip", policy: "skip", schedules: "keep"},
		{name: "fail", policy: "fail", schedules: "keep", empty: true},
		{name: "fail and start", policy: "fail", schedules: "start", empty: true},
		{name: "fail several at a time", policy: "fail", schedules: "keep", empty: true, wide: true},
	}
}

// inBubble runs fn with a desk for the restore.
func (k killing) inBubble(t *testing.T, fn func(*desk)) {
	t.Helper()
	t.Parallel()
	keys := vault.Keys{}
	if k.sealed {
		own := newIdentity(t)
		keys = ring(t, own, own)
	}
	inBubble(t, keys, fn, ofAllSorts)
}

// options make the requests come in one order, unless that is not wanted.
func (k killing) options(d *desk) restore.Options {
	opts := d.unhurried()
	if opts.Concurrency = 1; k.wide {
		opts.Concurrency = 4
	}
	return opts
}

// restore is the restore under an id.
func (k killing) restore(ctx context.Context, d *desk, id string) (*restore.Report, error) {
	return restore.Run(ctx, d.request(fmt.Sprintf(`{"id":%q,"date":"2026-11-22","duplicateNamePolicy":%q,"schedules":%q}`, id, k.policy, k.schedules)), k.options(d))
}

// TestRun_EndedAtAnyRequestAndContinuedIsLikeOneThatWasNot ends a restore at every one of its requests to DataArts and to the store, in every
// way. Continued under its id, it ends like one that was left alone, has written nothing twice, and is undone like one.
func TestRun_EndedAtAnyRequestAndContinuedIsLikeOneThatWasNot(t *testing.T) {
	t.Parallel()
	for _, k := range killings() {
		for _, f := range fates() {
			t.Run(k.name+"/"+string(f), func(t *testing.T) {
				k.inBubble(t, func(d *desk) { k.everywhere(d, f) })
			})
		}
	}
}

func (k killing) everywhere(d *desk, f fate) {
	t := d.t
	d.agedAllSorts(k.empty, k.schedules)
	before := d.state()
	alone := d.ending()
	var want *restore.Report
	requests := alone.at(0, f, func(ctx context.Context) {
		report, err := k.restore(ctx, d, "alone")
		if err != nil || report.Status != restore.Complete {
			t.Fatalf("%v %s", err, dump(report))
		}
		want = report
	})
	after := d.state()
	if requests < 6 {
		t.Fatalf("%d requests are too few to say anything", requests)
	}
	for n := 1; n <= requests; n += share(73) {
		name := fmt.Sprintf("request %d of %d", n, requests)
		id := fmt.Sprintf("k%d", n)
		d.agedAllSorts(k.empty, k.schedules)
		e := d.ending()
		e.at(n, f, func(ctx context.Context) {
			if report, err := k.restore(ctx, d, id); err == nil && stored(d, id) != whole(report) {
				t.Errorf("%s: what was ended reports what is not on record: %s", name, dump(report))
			}
		})
		e.at(0, f, func(ctx context.Context) {
			report, err := k.restore(ctx, d, id)
			if err != nil || report.Status != restore.Complete || stored(d, id) != whole(report) {
				t.Errorf("%s: continued: %v %s", name, err, dump(report))
				return
			}
			if diff := cmp.Diff(outcomes(want), outcomes(report)); diff != "" {
				t.Errorf("%s: the report, -uninterrupted +continued:\n%s", name, diff)
			}
		})
		if diff := cmp.Diff(after, d.state()); diff != "" {
			t.Errorf("%s: the workspace, -uninterrupted +continued:\n%s", name, diff)
		}
		if diff := cmp.Diff(alone.applied, e.applied); diff != "" {
			t.Errorf("%s: writes that were carried out, -uninterrupted +continued:\n%s", name, diff)
		}
		if report, err := restore.Undo(t.Context(), id, d.unhurried()); err != nil || report.Status != restore.Undone {
			t.Errorf("%s: undo: %v %s", name, err, dump(report))
		}
		if diff := cmp.Diff(before, d.state()); diff != "" {
			t.Errorf("%s: the workspace, -before +after the undo:\n%s", name, diff)
		}
	}
	k.noLeaks(d)
	t.Logf("%d requests", requests)
}

// noLeaks looks for texts of definitions in the bucket of an encrypted restore.
func (k killing) noLeaks(d *desk) {
	if !k.sealed {
		return
	}
	if leaks := d.leaks("only_live", "EXECUTE_ONCE", `"Shell"`); len(leaks) > 0 {
		d.t.Errorf("can be read: %q", leaks)
	}
}

// TestUndo_EndedAtAnyRequestAndAskedForAgainIsLikeOneThatWasNot does the same to an undo.
func TestUndo_EndedAtAnyRequestAndAskedForAgainIsLikeOneThatWasNot(t *testing.T) {
	t.Parallel()
	for _, k := range killings() {
		for _, f := range fates() {
			t.Run(k.name+"/"+string(f), func(t *testing.T) {
				k.inBubble(t, func(d *desk) { k.undoneEverywhere(d, f) })
			})
		}
	}
}

func (k killing) undoneEverywhere(d *desk, f fate) {
	t := d.t
	restored := func(id string) (before map[string]string) {
		d.agedAllSorts(k.empty, k.schedules)
		before = d.state()
		if report, err := k.restore(t.Context(), d, id); err != nil || report.Status != restore.Complete {
			t.Fatalf("%v %s", err, dump(report))
		}
		return before
	}
	before := restored("alone")
	alone := d.ending()
	requests := alone.at(0, f, func(ctx context.Context) {
		if report, err := restore.Undo(ctx, "alone", k.options(d)); err != nil || report.Status != restore.Undone {
			t.Fatalf("%v %s", err, dump(report))
		}
	})
	if diff := cmp.Diff(before, d.state()); diff != "" {
		t.Fatalf("-before +after the undo:\n%s", diff)
	}
	for n := 1; n <= requests; n += share(73) {
		name := fmt.Sprintf("request %d of %d", n, requests)
		id := fmt.Sprintf("u%d", n)
		restored(id)
		e := d.ending()
		e.at(n, f, func(ctx context.Context) {
			if report, err := restore.Undo(ctx, id, k.options(d)); err == nil && stored(d, id) != whole(report) {
				t.Errorf("%s: what was ended reports what is not on record: %s", name, dump(report))
			}
		})
		e.at(0, f, func(ctx context.Context) {
			if report, err := restore.Undo(ctx, id, k.options(d)); err != nil || report.Status != restore.Undone || stored(d, id) != whole(report) {
				t.Errorf("%s: asked again: %v %s", name, err, dump(report))
			}
		})
		if diff := cmp.Diff(before, d.state()); diff != "" {
			t.Errorf("%s: -before +after the undo:\n%s", name, diff)
		}
		if diff := cmp.Diff(alone.applied, e.applied); diff != "" {
			t.Errorf("%s: writes that were carried out, -uninterrupted +asked again:\n%s", name, diff)
		}
	}
	if len(alone.applied) == 0 || slices.Max(slices.Collect(maps.Values(alone.applied))) < 2 {
		t.Errorf("too few writes to say anything: %v", alone.applied)
	}
	k.noLeaks(d)
	t.Logf("%d requests", requests)
}
