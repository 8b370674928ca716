package handler_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

type liveBackup struct {
	Name, Status, Message string
	Verified              *struct {
		Status, Message string
		At              time.Time
	}
	Progress *struct {
		Done    int
		Total   *int
		At      time.Time
		Running bool
	}
}

type liveList struct{ Backups []liveBackup }

// reads counts what is read of backups from now on: whole manifests, and all objects.
func (b *consoleBench) reads() (manifests, objects *atomic.Int64) {
	b.t.Helper()
	there, err := b.objects.Keys(consoleBucket, "")
	if err != nil {
		b.t.Fatal(err)
	}
	manifests, objects = &atomic.Int64{}, &atomic.Int64{}
	b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Operation == "GetObject" && slices.Contains(there, c.Key) {
			objects.Add(1)
			if strings.HasSuffix(c.Key, "/manifest.json") && c.Request.Header.Get("Range") == "" {
				manifests.Add(1)
			}
		}
		return nil
	})
	return manifests, objects
}

func TestConsole_RemembersWhatItHasRead(t *testing.T) {
	t.Parallel()

	t.Run("a_list_that_is_asked_for_again_reads_nothing", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		for i := range 20 {
			b.backup("factory", fmt.Sprintf("2026-11-%02d", i+1), nil)
		}
		b.send("POST", "/backups/2026-11-20/verify")
		_, objects := b.reads()
		first := b.send("GET", "/backups")
		if n := objects.Load(); n != 2*20+1 {
			t.Errorf("%d objects were read, want two of each backup and the record", n)
		}
		objects.Store(0)
		for range 3 {
			if again := b.send("GET", "/backups"); again.Body != first.Body {
				t.Errorf("%s, before %s", again.Body, first.Body)
			}
		}
		if n := objects.Load(); n != 0 {
			t.Errorf("%d objects were read again", n)
		}
	})

	t.Run("nothing_that_has_changed_is_told", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-21", nil)
		b.backup("factory", "2026-11-22", nil)
		state := func() liveBackup {
			t.Helper()
			return decodeConsole[liveList](t, b.send("GET", "/backups"), 200).Backups[0]
		}
		if s := state(); s.Status != "COMPLETE" {
			t.Fatalf("%+v", s)
		}
		const at = "factory/2026-11-22/"
		manifest, _ := b.objects.GetObject(consoleBucket, at+"manifest.json")
		document, _ := b.objects.GetObject(consoleBucket, at+"backup.json")
		b.put(at+"manifest.json", strings.Replace(string(manifest), "sales", "other", 1)) // of the same size
		if s := state(); s.Status != "DAMAGED" {
			t.Errorf("a manifest was changed: %+v", s)
		}
		b.put(at+"manifest.json", string(manifest))
		if s := state(); s.Status != "COMPLETE" {
			t.Errorf("it was put back: %+v", s)
		}
		b.put(at+"backup.json", "{")
		if s := state(); s.Status != "DAMAGED" {
			t.Errorf("backup.json was broken: %+v", s)
		}
		b.remove(at + "backup.json")
		if s := state(); s.Status != "INCOMPLETE" {
			t.Errorf("backup.json was removed: %+v", s)
		}
		b.put(at+"backup.json", string(document))
		if s := state(); s.Status != "COMPLETE" {
			t.Errorf("it was put back: %+v", s)
		}
		b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if c.Operation == "GetObjectMetadata" || c.Operation == "GetObject" {
				return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
			}
			return nil
		})
		if s := state(); s.Status != "UNREADABLE" {
			t.Errorf("the store says nothing, and the answer is from memory: %+v", s)
		}
	})

	t.Run("what_changes_while_it_is_read_is_not_remembered_as_what_it_was", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-22", nil)
		const at = "factory/2026-11-22/"
		manifest, _ := b.objects.GetObject(consoleBucket, at+"manifest.json")
		var once sync.Once
		b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if c.Operation == "GetObject" && c.Key == at+"backup.json" {
				once.Do(func() { b.put(at+"manifest.json", "{") })
			}
			return nil
		})
		decodeConsole[liveList](t, b.send("GET", "/backups"), 200)
		b.put(at+"manifest.json", string(manifest))
		if s := decodeConsole[liveList](t, b.send("GET", "/backups"), 200).Backups[0]; s.Status != "COMPLETE" {
			t.Errorf("%+v", s)
		}
	})

	t.Run("many_may_ask_at_once", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.everyState()
		want := b.send("GET", "/backups").Body
		var everybody sync.WaitGroup
		for range 6 {
			everybody.Go(func() {
				if got := b.send("GET", "/backups"); got.Body != want {
					t.Errorf("%s", got.Body)
				}
				b.send("GET", "/calendar?until=2026-11-22")
			})
		}
		everybody.Wait()
	})
}

func TestConsole_Progress(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 0, 10, 0, 0, time.UTC)
	total := 10_300
	// begun is a bench with an unfinished backup whose progress was saved then.
	begun := func(t *testing.T, tally vault.Tally) *consoleBench {
		t.Helper()
		b := newConsoleBench(t)
		b.now = func() time.Time { return now }
		w, err := b.vault("factory").Folder("2026-11-23").Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.SaveProgress(t.Context(), tally, nil); err != nil {
			t.Fatal(err)
		}
		return b
	}
	hold := func(t *testing.T, b *consoleBench, note string) {
		t.Helper()
		v := b.vault("factory")
		b.now = time.Now // the lease is renewed by the store's clock
		l, err := lease.Acquire(t.Context(), v.Store(), v.LeaseKey("2026-11-23"), lease.Options{Owner: "backup r", TTL: 300 * time.Millisecond, Settle: 50 * time.Millisecond,
			Note: func() string { return note }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Release(t.Context()) })
		for note != "" {
			if sight, err := lease.Look(t.Context(), v.Store(), v.LeaseKey("2026-11-23")); err == nil && sight.Note == note {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	look := func(t *testing.T, b *consoleBench) liveBackup {
		t.Helper()
		one := decodeConsole[liveBackup](t, b.send("GET", "/backups/2026-11-23"), 200)
		listed := decodeConsole[liveList](t, b.send("GET", "/backups"), 200).Backups[0]
		if one.Status != "INCOMPLETE" || one.Progress == nil != (listed.Progress == nil) || one.Message[:8] != listed.Message[:8] {
			t.Errorf("%+v, in the list %+v", one, listed)
		}
		return listed
	}

	t.Run("of_a_run_that_is_at_work_says_the_lease", func(t *testing.T) {
		t.Parallel()
		b := begun(t, vault.Tally{Done: 1000, Total: &total, At: time.Now().Add(-40 * time.Second)})
		note, err := json.Marshal(vault.Tally{Done: 1200, Total: &total, At: time.Now().Add(-12 * time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		hold(t, b, string(note))
		s := look(t, b)
		if s.Progress == nil || s.Progress.Done != 1200 || *s.Progress.Total != 10_300 || !s.Progress.Running || !strings.HasPrefix(s.Message, "running: 1,200 of 10,300 assets stored, 1") {
			t.Errorf("%+v %+v", s, s.Progress)
		}
	})

	t.Run("of_a_run_that_has_just_gone_on_is_what_was_saved", func(t *testing.T) {
		t.Parallel()
		b := begun(t, vault.Tally{Done: 1000, At: time.Now().Add(-time.Hour)})
		hold(t, b, "")
		s := look(t, b)
		if s.Progress == nil || s.Progress.Done != 1000 || s.Progress.Total != nil || !s.Progress.Running || !strings.HasPrefix(s.Message, "running: 1,000 assets stored, 60 minutes ago") {
			t.Errorf("%+v %+v", s, s.Progress)
		}
	})

	t.Run("of_a_run_that_died_says_so", func(t *testing.T) {
		t.Parallel()
		b := begun(t, vault.Tally{Done: 1200, Total: &total, At: now.Add(-14 * time.Minute)})
		s := look(t, b)
		if s.Progress == nil || s.Progress.Running || s.Message != "interrupted? 1,200 of 10,300 assets stored, and nothing more for 14 minutes; the next run for this backup finishes it" {
			t.Errorf("%+v %+v", s, s.Progress)
		}
	})

	t.Run("of_a_run_whose_lease_was_left_behind_says_so_too", func(t *testing.T) {
		t.Parallel()
		b := begun(t, vault.Tally{Done: 1200, Total: &total, At: now.Add(-14 * time.Minute)})
		b.put("factory/leases/2026-11-23.json", `{"owner":"backup r","token":"t","renewedCount":3,"since":"2026-11-23T00:00:00Z","note":"no json"}`)
		b.now = func() time.Time { return time.Now().Add(time.Minute) }
		if s := look(t, b); s.Progress == nil || s.Progress.Running {
			t.Errorf("%+v", s.Progress)
		}
	})

	t.Run("is_guessed_by_the_clock_where_the_lease_cannot_be_read", func(t *testing.T) {
		t.Parallel()
		for age, running := range map[time.Duration]bool{10 * time.Second: true, 10 * time.Minute: false} {
			b := begun(t, vault.Tally{Done: 1, At: now.Add(-age)})
			b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
				if strings.Contains(c.Key, "/leases/") {
					return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
				}
				return nil
			})
			if s := look(t, b); s.Progress == nil || s.Progress.Running != running {
				t.Errorf("%s: %+v", age, s.Progress)
			}
		}
	})

	t.Run("is_not_told_of_what_is_over", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.everyState()
		for _, s := range decodeConsole[liveList](t, b.send("GET", "/backups"), 200).Backups {
			if s.Progress != nil {
				t.Errorf("%+v", s)
			}
		}
	})
}

func TestConsole_Calendar(t *testing.T) {
	t.Parallel()
	type day struct {
		Date, State string
		Backups     []string
		Verified    bool
	}
	type calendar struct {
		Workspace, Path, Today string
		Days                   []day
	}

	t.Run("tells_the_best_of_every_day", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.now = func() time.Time { return time.Date(2026, 11, 12, 20, 0, 0, 0, time.UTC) }
		b.env["BACKUP_TIME_ZONE"] = "Asia/Shanghai"
		b.everyState()
		b.backup("factory", "2026-11-03T101010", nil)
		b.backup("factory", "2026-11-14", nil)
		b.send("POST", "/backups/2026-11-01/verify")
		manifests, _ := b.reads()
		c := decodeConsole[calendar](t, b.send("GET", "/calendar?days=13"), 200)
		if c.Today != "2026-11-13" || c.Path != "obs://backups/factory/" || len(c.Days) != 13 || c.Days[0].Date != "2026-11-01" || c.Days[12].Date != "2026-11-13" {
			t.Fatalf("%+v", c)
		}
		want := map[string]string{"2026-11-01": "COMPLETE", "2026-11-02": "PARTIAL", "2026-11-03": "COMPLETE", "2026-11-04": "INCOMPLETE", "2026-11-05": "COMPLETE", "2026-11-06": "DAMAGED",
			"2026-11-07": "DAMAGED", "2026-11-08": "DAMAGED", "2026-11-09": "UNVERIFIED", "2026-11-10": "COMPLETE", "2026-11-11": "PARTIAL", "2026-11-12": "NONE", "2026-11-13": "NONE"}
		for _, d := range c.Days {
			if d.State != want[d.Date] || d.Verified != (d.Date == "2026-11-01") || d.Backups == nil {
				t.Errorf("%+v, want %s", d, want[d.Date])
			}
		}
		if !slices.Equal(c.Days[2].Backups, []string{"2026-11-03", "2026-11-03T101010"}) {
			t.Errorf("%+v", c.Days[2])
		}
		if n := manifests.Load(); n > 2 { // of folders that are damaged, which is rare
			t.Errorf("%d manifests were read", n)
		}
		// What a whole look has found is known from then on.
		b.send("GET", "/backups")
		if d := decodeConsole[calendar](t, b.send("GET", "/calendar?days=1&until=2026-11-05"), 200).Days[0]; d.State != "DAMAGED" {
			t.Errorf("%+v", d)
		}
	})

	t.Run("costs_little", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		for i := range 28 {
			b.backup("factory", fmt.Sprintf("2026-11-%02d", i+1), nil)
		}
		manifests, objects := b.reads()
		first := b.send("GET", "/calendar?until=2026-11-28&days=400")
		if c := decodeConsole[calendar](t, first, 200); len(c.Days) != 400 || c.Days[399].State != "COMPLETE" || c.Days[0].State != "NONE" {
			t.Errorf("%+v", c)
		}
		if manifests.Load() != 0 || objects.Load() != 28 {
			t.Errorf("%d objects were read, %d of them manifests; want the beginning of each backup.json", objects.Load(), manifests.Load())
		}
		objects.Store(0)
		if again := b.send("GET", "/calendar?until=2026-11-28&days=400"); again.Body != first.Body || objects.Load() != 0 {
			t.Errorf("%d objects were read again", objects.Load())
		}
	})

	t.Run("shows_what_a_verification_has_found", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.backup("factory", "2026-11-22", nil)
		b.remove("factory/2026-11-22/4_jobs/nightly.job")
		b.send("POST", "/backups/2026-11-22/verify")
		if d := decodeConsole[calendar](t, b.send("GET", "/calendar?until=2026-11-22&days=1"), 200).Days[0]; d.State != "DAMAGED" || d.Verified {
			t.Errorf("%+v", d)
		}
		b.remove("factory/2026-11-22/backup.json")
		b.backup("factory", "2026-11-22", func(m *vault.Manifest) { m.Region = "another run" })
		if d := decodeConsole[calendar](t, b.send("GET", "/calendar?until=2026-11-22&days=1"), 200).Days[0]; d.State != "COMPLETE" || d.Verified {
			t.Errorf("the record speaks of another backup: %+v", d)
		}
	})

	t.Run("is_one_of_empty_days_where_there_is_nothing", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		for _, location := range []string{"obs://backups/factory", "obs://backups/{workspace}"} {
			b.env["BACKUP_LOCATION"] = location
			if c := decodeConsole[calendar](t, b.send("GET", "/calendar"), 200); len(c.Days) != 35 || c.Days[34].Date != c.Today || c.Days[34].State != "NONE" {
				t.Errorf("%s: %+v", location, c)
			}
		}
	})

	t.Run("names_every_fault_of_a_request", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		e := decodeConsole[consoleError](t, b.send("GET", "/calendar?days=401&until=2026-02-30"), 400)
		if !strings.Contains(e.Error.Message, "days: ") || !strings.Contains(e.Error.Message, "until: ") {
			t.Errorf("%+v", e)
		}
	})
}
