package backup_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// The documented rows of real-time jobs have no time of the last change (List Jobs page), so that no row shows an edit.
func TestRun_AnEditOfARealTimeJobBetweenTwoRunsForOneFolderIsNotLost(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(30, 30)
	n.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ExportUnsupported = true })
	strip := func(_ asset.Kind, _ string, raw []byte) []byte {
		if rawjson.StringAt(raw, "jobType") != "REAL_TIME" {
			return raw
		}
		return rawjson.Without(raw, func(f string) bool { return f == "lastUpdateTime" || f == "lastUpdateUser" })
	}
	var fail atomic.Bool
	fail.Store(true)
	n.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowJob && fail.Load() && r.URL.Path[len(r.URL.Path)-8:] == "job_0029" {
			return &dataarts.Fault{Status: 400, Body: `{"error_code":"DLF.9999","error_msg":"no"}`}
		}
		return nil
	})
	l := &lens{Workspace: n.Factory.Workspace(localtest.Workspace), row: strip}
	now, calls := time.Now(), atomic.Int64{}
	opts := backup.Options{Workspace: vault.Workspace{ID: localtest.Workspace}, Now: func() time.Time { return now.Add(time.Duration(calls.Add(1)) * time.Minute) }}
	if res, _ := backup.Run(t.Context(), l, n.vault, day, opts); res.Status != vault.Partial {
		t.Fatal(res)
	}
	fail.Store(false)
	w := n.Handle(localtest.Workspace)
	raw, _ := w.Asset(dataarts.Jobs, "job_0019")
	_ = w.Put(dataarts.Jobs, rawjson.Set(raw, "description", []byte(`"edited between the two runs"`)))
	n.honest(l)
}

// The same while a run goes on: the second listing is there to find this.
func TestRun_AnEditOfARealTimeJobDuringTheRunIsSeenByTheSecondListing(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(140, 30)
	const quiet = "job_0119" // it is no sample: others before it have its type and fields, and others are larger
	var once sync.Once
	n.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowJob { // the exports are read, the second listing has not begun
			once.Do(func() {
				w := n.Handle(localtest.Workspace)
				raw, _ := w.Asset(dataarts.Jobs, quiet)
				_ = w.Put(dataarts.Jobs, rawjson.Set(raw, "description", []byte(`"edited meanwhile"`)))
			})
		}
		return nil
	})
	n.honest(&lens{row: func(_ asset.Kind, _ string, raw []byte) []byte {
		if rawjson.StringAt(raw, "jobType") != "REAL_TIME" {
			return raw
		}
		return rawjson.Without(raw, func(f string) bool { return f == "lastUpdateTime" || f == "lastUpdateUser" })
	}})
}
