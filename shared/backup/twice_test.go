package backup_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// start runs a backup of the drill's folder in a vault, as another process does.
func (d *drill) start(v *vault.Vault) (backup.Result, error) {
	return backup.Run(d.t.Context(), d.Factory.Workspace(localtest.Workspace), v, d.name, backup.Options{
		Workspace: vault.Workspace{ID: localtest.Workspace, Name: "sales"}, Lease: lease.Options{Owner: "test"}})
}

// commits counts how often backup.json is written.
func (d *drill) commits() *atomic.Int32 {
	var n atomic.Int32
	d.Objects.OnObjectCreated(func(_, key, _ string, _ int64) {
		if strings.HasSuffix(key, "/backup.json") {
			n.Add(1)
		}
	})
	return &n
}

func TestRun_StartedTwentyTimesAtOnceCommitsOneWholeBackup(t *testing.T) {
	t.Parallel()
	for name, ignore := range map[string]bool{"conditions are kept": false, "conditions are ignored": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, localtest.Options{}, func(d *drill) {
				d.stock(10, 10)
				d.DataArts.SetSwitches(func(s *dataarts.Switches) { s.Latency = 20 * time.Millisecond })
				d.Objects.IgnoreConditions(ignore)
				commits := d.commits()
				var runs sync.WaitGroup
				var own atomic.Int32
				for i := range 20 {
					runs.Go(func() {
						res, err := d.start(d.vault)
						if err != nil || res.Status != vault.Complete || res.Counts["jobs"] != 10 {
							t.Errorf("run %d: %+v %v", i, res, err)
						}
						if res.Manifest != nil {
							own.Add(1)
						}
					})
				}
				runs.Wait()
				if n := commits.Load(); n != 1 {
					t.Errorf("%d commits", n)
				}
				if n := own.Load(); n != 1 {
					t.Errorf("%d runs say that the backup is theirs", n)
				}
				for _, lie := range d.finish() {
					t.Error(lie)
				}
			})
		})
	}
}

func TestRun_StartedByATimerThatFiresTwiceTakesOneBackup(t *testing.T) {
	t.Parallel()
	for name, apart := range map[string]time.Duration{"at once": 0, "while the first is listing": 30 * time.Millisecond, "when the first is over": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, localtest.Options{}, func(d *drill) {
				d.stock(10, 10)
				d.DataArts.SetSwitches(func(s *dataarts.Switches) { s.Latency = 20 * time.Millisecond })
				commits := d.commits()
				var runs sync.WaitGroup
				for range 2 {
					runs.Go(func() {
						if res, err := d.start(d.vault); err != nil || res.Status != vault.Complete {
							t.Errorf("%+v %v", res, err)
						}
					})
					time.Sleep(apart)
				}
				runs.Wait()
				if n := commits.Load(); n != 1 {
					t.Errorf("%d commits", n)
				}
				for _, lie := range d.finish() {
					t.Error(lie)
				}
			})
		})
	}
}

// TestRun_WhoseLeaseIsLostDoesNotCommit takes the lease away at every step before the last one, whose check is the last thing that can be asked.
func TestRun_WhoseLeaseIsLostDoesNotCommit(t *testing.T) {
	t.Parallel()
	key := "backups/leases/" + day + ".json"
	for loss, lose := range map[string]func(d *drill){
		"deleted": func(d *drill) { _ = d.Objects.DeleteObject(localtest.Bucket, key) },
		"overwritten": func(d *drill) {
			_ = d.Objects.PutObject(localtest.Bucket, key, []byte(`{"owner":"somebody else","token":"other"}`))
		},
	} {
		for _, step := range []string{listing, getting, exporting, putting, looking, describing} {
			t.Run(loss+"/"+step, func(t *testing.T) {
				t.Parallel()
				inBubble(t, localtest.Options{}, func(d *drill) {
					d.stock(10, 10)
					var once sync.Once
					taken := func() { once.Do(func() { lose(d) }) }
					d.befall(fault{
						service: func(d *drill, _ *http.Request) *dataarts.Fault { taken(); return nil },
						store:   func(d *drill, _ objectstore.Call) *objectstore.Fault { taken(); return nil },
					}, step, 1)
					res, err := d.start(d.vault)
					if !errors.Is(err, lease.ErrLost) || res.Status != vault.Failed || d.has("backups/"+day+"/backup.json") {
						t.Errorf("%+v %v", res, err)
					}
					for _, lie := range d.finish() {
						t.Error(lie)
					}
				})
			})
		}
	}
}

// cutOff is a store that does not answer anything about leases any more once it is cut off.
type cutOff struct {
	store.Store
	cut *atomic.Bool
}

var errCutOff = errors.New("no route to host")

// Put writes an object.
func (c cutOff) Put(ctx context.Context, key string, body []byte, cond store.Condition) (store.Info, error) {
	if c.cut.Load() && strings.Contains(key, "/leases/") {
		return store.Info{}, errCutOff
	}
	return c.Store.Put(ctx, key, body, cond)
}

// TestRun_ThatCannotRenewItsLeaseLeavesTheFolderToTheNext lets a run stand still until another one has taken over and committed.
func TestRun_ThatCannotRenewItsLeaseLeavesTheFolderToTheNext(t *testing.T) {
	t.Parallel()
	inBubble(t, localtest.Options{}, func(d *drill) {
		d.stock(10, 10)
		commits := d.commits()
		var cut atomic.Bool
		d.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
			if op == dataarts.ExportJobList && cut.CompareAndSwap(false, true) {
				return &dataarts.Fault{Delay: 5 * time.Minute}
			}
			return nil
		})
		first := make(chan error, 1)
		go func() {
			_, err := d.start(vault.New(cutOff{d.Store, &cut}, localtest.Bucket, "backups"))
			first <- err
		}()
		time.Sleep(time.Second)
		if res, err := d.start(d.vault); err != nil || res.Status != vault.Complete {
			t.Errorf("the run that took over: %+v %v", res, err)
		}
		if err := <-first; !errors.Is(err, lease.ErrLost) {
			t.Errorf("the run that stood still: %v", err)
		}
		if n := commits.Load(); n != 1 {
			t.Errorf("%d commits", n)
		}
		for _, lie := range d.finish() {
			t.Error(lie)
		}
	})
}
