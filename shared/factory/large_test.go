package factory_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

// A gateway gives up after a minute: pages of 1,000 may take longer than that where pages of 100 do not.
func TestWorkspace_List_PagesOfAThousandThatTimeOutAreReadByTheHundred(t *testing.T) {
	t.Parallel()
	const jobs = 500
	w, _ := answering(t, func(rw http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		limit, _ := strconv.Atoi(q.Get("limit"))
		offset, _ := strconv.Atoi(q.Get("offset"))
		if limit > 100 {
			rw.WriteHeader(http.StatusGatewayTimeout)
			return
		}
		total := jobs
		if q.Get("jobType") == "REAL_TIME" {
			total = 0
		}
		rows := []map[string]any{}
		for i := offset * limit; i < min((offset+1)*limit, total); i++ {
			rows = append(rows, map[string]any{"name": fmt.Sprintf("j%03d", i)})
		}
		_ = json.NewEncoder(rw).Encode(map[string]any{"total": total, "jobs": rows})
	})
	n := 0
	listing, err := w.List(t.Context(), asset.Jobs, func(factory.Row) error { n++; return nil })
	if err != nil || n != jobs {
		t.Errorf("%d of %d jobs, %+v, %v", n, jobs, listing, err)
	}
}

// Four exports are read side by side by a backup, and what they hold comes on top of the memory that it counts.
func TestWorkspace_Export_OfLargeJobsFitsIntoASmallFunctionFourTimes(t *testing.T) {
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("j%d", i))
		f, _ := z.Create("jobs/" + names[i] + "/" + names[i] + ".job")
		_, _ = fmt.Fprintf(f, `{"name":%q,"description":%q}`, names[i], strings.Repeat("x", 300_000))
	}
	_ = z.Close()
	w, _ := answering(t, func(rw http.ResponseWriter, r *http.Request) { _, _ = rw.Write(archive.Bytes()) })
	var ready, all sync.WaitGroup
	ready.Add(4)
	release := make(chan struct{})
	for range 4 {
		all.Go(func() {
			var once sync.Once
			err := w.Export(t.Context(), names, func(string, json.RawMessage) error {
				once.Do(func() { ready.Done(); <-release })
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	ready.Wait()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	close(release)
	all.Wait()
	if m.HeapAlloc > 200<<20 {
		t.Errorf("%d MiB alive", m.HeapAlloc>>20)
	}
}
