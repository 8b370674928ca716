package factory_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

// TestWorkspace_List_OddServers lists what no document describes.
func TestWorkspace_List_OddServers(t *testing.T) {
	t.Parallel()
	// rows answers the page of rows [from, to) of n, under a total.
	rows := func(rw http.ResponseWriter, total int, shown []int) {
		var b strings.Builder
		for i, n := range shown {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"name":"r%d"}`, n)
		}
		fmt.Fprintf(rw, `{"total":%d,"scripts":[%s]}`, total, b.String())
	}
	between := func(from, to, n int) (all []int) {
		for i := min(from, n); i < min(to, n); i++ {
			all = append(all, i)
		}
		return all
	}
	parameters := func(r *http.Request) (offset, limit int) {
		offset, _ = strconv.Atoi(r.URL.Query().Get("offset"))
		limit, _ = strconv.Atoi(r.URL.Query().Get("limit"))
		return offset, limit
	}

	t.Run("a total that is too high is in the listing", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{TotalDelta: 3})
		for _, name := range numbered(120) {
			c.put(t, asset.Scripts, script(name))
		}
		found, listing := names(t, c.workspace, asset.Scripts)
		if len(found) != 120 || listing.Missing() != 3 || listing.Settled {
			t.Errorf("%d found, %+v", len(found), listing)
		}
	})

	for _, lie := range []struct{ scripts, total int }{
		{250, 100}, {250, 200}, {101, 100}, {201, 200}, {400, 300}, // a full page meets the total where pages are counted
		{250, 101}, {350, 200}, {350, 299}, // and where records are counted
		{250, 150}, {350, 90}, {350, 1}, {350, 0}, {50, 30}, // the total is met in the middle of a page
	} {
		for _, records := range []bool{false, true} {
			t.Run(fmt.Sprintf("a total of %d for %d scripts loses nothing, record offsets %t", lie.total, lie.scripts, records), func(t *testing.T) {
				t.Parallel()
				c := newCloud(t, dataarts.Switches{TotalDelta: lie.total - lie.scripts, RecordOffsets: records})
				for _, name := range numbered(lie.scripts) {
					c.put(t, asset.Scripts, script(name))
				}
				found, listing := names(t, c.workspace, asset.Scripts)
				slices.Sort(found)
				if diff := cmp.Diff(numbered(lie.scripts), found); diff != "" {
					t.Error(diff)
				}
				if listing.Settled || listing.Total != lie.total || listing.Unique != lie.scripts || listing.Missing() != 0 {
					t.Errorf("listing: %+v", listing)
				}
			})
		}
	}

	t.Run("a last page repeated past the end is read once more and believed", func(t *testing.T) {
		t.Parallel()
		w, _ := answering(t, func(rw http.ResponseWriter, r *http.Request) {
			offset, limit := parameters(r)
			offset = min(offset, 1) * limit
			rows(rw, 200, between(offset, offset+limit, 200))
		})
		found, listing := names(t, w, asset.Scripts)
		if len(found) != 200 || !listing.Settled || listing.Pages != 3 {
			t.Errorf("%d found, %+v", len(found), listing)
		}
	})

	t.Run("a service that ignores the limit is never asked for more than the limit", func(t *testing.T) {
		t.Parallel()
		w, _ := answering(t, func(rw http.ResponseWriter, r *http.Request) {
			if _, limit := parameters(r); limit > 100 {
				t.Errorf("limit %d", limit)
			}
			rows(rw, 300, between(0, 300, 300))
		})
		found, listing := names(t, w, asset.Scripts)
		if len(found) != 300 || !listing.Settled || listing.Pages != 2 {
			t.Errorf("%d found, %+v", len(found), listing)
		}
	})

	t.Run("the documentation's own example, 2 rows of 55", func(t *testing.T) {
		t.Parallel()
		w, _ := answering(t, func(rw http.ResponseWriter, r *http.Request) {
			offset, limit := parameters(r)
			rows(rw, 55, between(offset*limit, offset*limit+limit, 2))
		})
		found, listing := names(t, w, asset.Scripts)
		if len(found) != 2 || listing.Missing() != 53 {
			t.Errorf("%d found, %+v", len(found), listing)
		}
	})

	t.Run("a page size capped below the limit", func(t *testing.T) {
		t.Parallel()
		for _, records := range []bool{false, true} {
			w, _ := answering(t, func(rw http.ResponseWriter, r *http.Request) {
				offset, limit := parameters(r)
				limit = min(limit, 40)
				if !records {
					offset *= limit
				}
				rows(rw, 210, between(offset, offset+limit, 210))
			})
			found, listing := names(t, w, asset.Scripts)
			if len(found) != 210 || !listing.Settled {
				t.Errorf("records %t: %d found, %+v", records, len(found), listing)
			}
		}
	})

	t.Run("pages with rows left out that the caller may not see", func(t *testing.T) {
		t.Parallel()
		for _, records := range []bool{false, true} {
			w, _ := answering(t, func(rw http.ResponseWriter, r *http.Request) {
				offset, limit := parameters(r)
				if !records {
					offset *= limit
				}
				shown := slices.DeleteFunc(between(offset, offset+limit, 300), func(n int) bool { return n%50 == 7 })
				rows(rw, 300, shown)
			})
			found, listing := names(t, w, asset.Scripts)
			if len(found) != 294 || listing.Missing() != 6 {
				t.Errorf("records %t: %d found, %+v", records, len(found), listing)
			}
		}
	})

	t.Run("an offset that is ignored ends", func(t *testing.T) {
		t.Parallel()
		w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) { rows(rw, 250, between(0, 100, 250)) })
		found, listing := names(t, w, asset.Scripts)
		if len(found) != 100 || listing.Missing() != 150 || listing.Pages > 8 {
			t.Errorf("%d found, %+v", len(found), listing)
		}
	})

	t.Run("an order that changes with every page is listed until the total is met", func(t *testing.T) {
		t.Parallel()
		var calls atomic.Int32
		w, _ := answering(t, func(rw http.ResponseWriter, r *http.Request) {
			offset, limit := parameters(r)
			turn := 37 * int(calls.Add(1)-1)
			var shown []int
			for _, n := range between(offset*limit, offset*limit+limit, 240) {
				shown = append(shown, (n+turn)%240)
			}
			rows(rw, 240, shown)
		})
		found, listing := names(t, w, asset.Scripts)
		if len(found) != 240 || listing.Missing() != 0 {
			t.Errorf("%d found, %+v", len(found), listing)
		}
	})

	t.Run("both spellings, totals as text, null for no rows, rows without a name", func(t *testing.T) {
		t.Parallel()
		w, _ := answering(t, func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("jobType") == "REAL_TIME" {
				fmt.Fprint(rw, `{"jobs":null,"total":0}`)
				return
			}
			fmt.Fprint(rw, `{"total":"3","jobs":[
				{"name":"a","job_type":"BATCH","last_update_time":1762853642305,"last_update_user":"ada","path":"/test/","owner":5,"job_id":"7"},
				{"name":"b","modifyTime":"1762853642305","lastUpdateTime":null},
				{"path":"/"}]}`)
		})
		var rows []factory.Row
		listing, err := w.List(t.Context(), asset.Jobs, func(r factory.Row) error {
			r.Raw = nil
			rows = append(rows, r)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		at := time.UnixMilli(1762853642305).UTC()
		want := []factory.Row{
			{Ref: asset.Ref{Kind: asset.Jobs, Name: "a", Directory: "/test"}, JobType: "BATCH", Owner: "5", LastModified: at, LastModifiedBy: "ada"},
			{Ref: asset.Ref{Kind: asset.Jobs, Name: "b", Directory: "/"}, JobType: "BATCH", LastModified: at},
		}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Error(diff)
		}
		if listing.Missing() != 1 {
			t.Errorf("the row without a name is not missed: %+v", listing)
		}
	})

	t.Run("a job type that is ignored counts nothing twice", func(t *testing.T) {
		t.Parallel()
		w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(rw, `{"total":2,"jobs":[{"name":"a"},{"name":"b"}]}`)
		})
		found, listing := names(t, w, asset.Jobs)
		if len(found) != 2 || listing.Total != 2 || listing.Unique != 2 {
			t.Errorf("%v, %+v", found, listing)
		}
	})

	for name, body := range map[string]string{
		"an error with status 200": `{"error_code":"DLF.3051","error_msg":"The request parameter is invalid."}`,
		"rows without a total":     `{"scripts":[]}`,
		"a total without rows":     `{"total":0}`,
		"a page of HTML":           `<html><body>Bad gateway</body></html>`,
		"an empty body":            ``,
		"text after the end":       `{"total":0,"scripts":[]}{"total":1}`,
		"rows that are no array":   `{"total":1,"scripts":{"name":"a"}}`,
	} {
		t.Run(name+" is an error", func(t *testing.T) {
			t.Parallel()
			w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, body) })
			listing, err := w.List(t.Context(), asset.Scripts, func(factory.Row) error { return nil })
			var e *factory.Error
			if !errors.As(err, &e) || e.Operation != "list scripts" || listing.Settled {
				t.Errorf("%v, %+v", err, listing)
			}
			if strings.Contains(body, "3051") != factory.IsCode(err, "DLF.3051") {
				t.Errorf("code: %v", err)
			}
		})
	}
}
