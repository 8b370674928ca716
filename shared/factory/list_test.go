package factory_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

func numbered(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("script_%04d", i))
	}
	return all
}

func TestWorkspace_List(t *testing.T) {
	t.Parallel()
	for _, records := range []bool{false, true} {
		for _, n := range []int{0, 1, 2, 99, 100, 101, 199, 200, 201, 350} {
			t.Run(fmt.Sprintf("shows every row once, record offsets %t, %d scripts", records, n), func(t *testing.T) {
				t.Parallel()
				c := newCloud(t, dataarts.Switches{RecordOffsets: records})
				for _, name := range numbered(n) {
					c.put(t, asset.Scripts, script(name))
				}
				found, listing := names(t, c.workspace, asset.Scripts)
				if diff := cmp.Diff(numbered(n), found); diff != "" {
					t.Error(diff)
				}
				if listing.Total != n || listing.Unique != n || listing.Missing() != 0 || !listing.Settled {
					t.Errorf("listing: %+v", listing)
				}
				most := max(1, (n+99)/100)
				if n > 100 && records {
					most++ // The page that tells pages from records.
				}
				if n > 0 && n%100 == 0 || n == 101 && records {
					most++ // A full page met the total, and only the next page shows that nothing follows.
				}
				if listing.Pages > most || len(c.service.Calls()) != listing.Pages {
					t.Errorf("%d pages in %d calls, want at most %d", listing.Pages, len(c.service.Calls()), most)
				}
			})
		}
	}

	t.Run("jobs of both types, each with what its row says", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.put(t, asset.Jobs, `{"name":"nightly","processType":"BATCH","directory":"/ods/orders","basicConfig":{"owner":"ada"},"schedule":{"type":"CRON"},"nodes":[]}`)
		c.put(t, asset.Jobs, job("stream", "REAL_TIME"))
		c.inside.SetJobStatus("nightly", "SCHEDULING")
		rows := map[string]factory.Row{}
		listing, err := c.workspace.List(t.Context(), asset.Jobs, func(r factory.Row) error {
			r.Raw = nil
			rows[r.Ref.Name] = r
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if listing.Total != 2 || listing.Unique != 2 || listing.Pages != 2 {
			t.Errorf("listing: %+v", listing)
		}
		nightly := rows["nightly"]
		if nightly.JobType != "BATCH" || nightly.Status != "SCHEDULING" || nightly.Owner != "ada" ||
			nightly.Ref != (asset.Ref{Kind: asset.Jobs, Name: "nightly", Directory: "/ods/orders"}) ||
			time.Since(nightly.LastModified).Abs() > time.Hour || nightly.LastModifiedBy == "" {
			t.Errorf("row: %+v", nightly)
		}
		if rows["stream"].JobType != "REAL_TIME" {
			t.Errorf("row: %+v", rows["stream"])
		}
	})

	t.Run("resources are unique by directory and name, under both spellings of the id", func(t *testing.T) {
		t.Parallel()
		for _, key := range []string{"id", "resourceId"} {
			c := newCloud(t, dataarts.Switches{ResourceIDKey: key})
			c.put(t, asset.Resources, resource("/jars", "udf"))
			c.put(t, asset.Resources, resource("/", "udf"))
			found := map[string]string{}
			if _, err := c.workspace.List(t.Context(), asset.Resources, func(r factory.Row) error {
				found[r.Ref.String()] = r.ID
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			id1, _ := c.inside.ID(dataarts.Resources, "/jars/udf")
			id2, _ := c.inside.ID(dataarts.Resources, "/udf")
			want := map[string]string{`resource "/jars/udf"`: id1, `resource "/udf"`: id2}
			if diff := cmp.Diff(want, found); diff != "" {
				t.Errorf("id key %s: %s", key, diff)
			}
		}
	})

	t.Run("the row is handed on byte for byte", func(t *testing.T) {
		t.Parallel()
		row := `{ "name":"a" , "content":"\u003cSELECT 1.10&\ud83d\ude00\/", "version":1e2,"big":12345678901234567890 }`
		w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(rw, `{"scripts":[`+row+`],"total":1}`)
		})
		if _, err := w.List(t.Context(), asset.Scripts, func(r factory.Row) error {
			if string(r.Raw) != row {
				t.Errorf("raw: %s", r.Raw)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("a larger page is tried for jobs and given up where it is refused", func(t *testing.T) {
		t.Parallel()
		for _, largest := range []int{1000, 100} {
			c := newCloud(t, dataarts.Switches{MaxLimit: largest})
			for i := range 1350 {
				c.put(t, asset.Jobs, job(fmt.Sprintf("job_%04d", i), "BATCH"))
			}
			want := []int{1 + 2 + 1, 2 + 1} // one of 100, two of 1000, real-time jobs; then without trying
			if largest == 100 {
				want = []int{14 + 1, 14 + 1} // and one that was refused
			}
			for _, pages := range want {
				found, listing := names(t, c.workspace, asset.Jobs)
				if len(found) != 1350 || !listing.Settled || listing.Pages != pages {
					t.Errorf("largest %d: %d found, %+v, want %d pages", largest, len(found), listing, pages)
				}
			}
		}
	})

	t.Run("an error of the callback ends the listing and comes back as it is", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		c.put(t, asset.Scripts, script("a"))
		stop := errors.New("the store is full")
		_, err := c.workspace.List(t.Context(), asset.Scripts, func(factory.Row) error { return stop })
		if !errors.Is(err, stop) || len(c.service.Calls()) != 1 {
			t.Errorf("%v after %d calls", err, len(c.service.Calls()))
		}
	})

	t.Run("what cannot be listed is an error", func(t *testing.T) {
		t.Parallel()
		w, _ := answering(t, func(http.ResponseWriter, *http.Request) { t.Error("called") })
		if _, err := w.List(t.Context(), asset.Env, nil); err == nil {
			t.Error("no error")
		}
	})
}

// TestWorkspace_List_WhileEdited changes the workspace between two pages.
func TestWorkspace_List_WhileEdited(t *testing.T) {
	t.Parallel()
	edits := map[string]struct {
		edit func(*testing.T, *cloud)
		lost []string // of the 250 there were
	}{
		"a row of the first page vanishes": {func(_ *testing.T, c *cloud) { c.inside.Delete(dataarts.Scripts, "script_0005") }, []string{"script_0005"}},
		"a row appears at the end":         {func(t *testing.T, c *cloud) { c.put(t, asset.Scripts, script("new")) }, nil},
		"many rows of the first page vanish": {func(_ *testing.T, c *cloud) {
			for _, name := range numbered(60) {
				c.inside.Delete(dataarts.Scripts, name)
			}
		}, numbered(60)},
	}
	for name, test := range edits {
		for _, records := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, record offsets %t", name, records), func(t *testing.T) {
				t.Parallel()
				c := newCloud(t, dataarts.Switches{RecordOffsets: records})
				for _, name := range numbered(250) {
					c.put(t, asset.Scripts, script(name))
				}
				var calls atomic.Int32
				c.service.Intercept(func(*http.Request, dataarts.Operation) *dataarts.Fault {
					if calls.Add(1) == 2 {
						test.edit(t, c)
					}
					return nil
				})
				found, listing := names(t, c.workspace, asset.Scripts)
				if !listing.Settled || listing.Missing() != 0 {
					t.Errorf("listing: %+v", listing)
				}
				for identity := range c.inside.All(dataarts.Scripts) {
					if !slices.Contains(found, identity) {
						t.Errorf("%s was skipped", identity)
					}
				}
				if listing.Total != len(c.inside.All(dataarts.Scripts)) || listing.Unique != listing.Total {
					t.Errorf("listing: %+v", listing)
				}
				slices.Sort(found)
				if len(slices.Compact(found)) != len(found) {
					t.Error("a row was shown twice")
				}
			})
		}
	}

	t.Run("one row replaced by another is noticed where records are counted", func(t *testing.T) {
		t.Parallel()
		// The total stays the same and every page is full, but a row moved from the second page to the first.
		c := newCloud(t, dataarts.Switches{RecordOffsets: true})
		for _, name := range numbered(350) {
			c.put(t, asset.Scripts, script(name))
		}
		var calls atomic.Int32
		c.service.Intercept(func(*http.Request, dataarts.Operation) *dataarts.Fault {
			if calls.Add(1) == 3 {
				c.inside.Delete(dataarts.Scripts, "script_0005")
				c.inside.Delete(dataarts.Scripts, "script_0006")
				c.put(t, asset.Scripts, script("new_1"))
				c.put(t, asset.Scripts, script("new_2"))
			}
			return nil
		})
		found, listing := names(t, c.workspace, asset.Scripts)
		for identity := range c.inside.All(dataarts.Scripts) {
			if !slices.Contains(found, identity) {
				t.Errorf("%s was skipped", identity)
			}
		}
		if !listing.Settled || listing.Unique != 350 {
			t.Errorf("listing: %+v", listing)
		}
	})

	t.Run("a workspace that never rests is listed a few times and not called settled", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		for _, name := range numbered(150) {
			c.put(t, asset.Scripts, script(name))
		}
		var calls atomic.Int32
		c.service.Intercept(func(*http.Request, dataarts.Operation) *dataarts.Fault {
			n := calls.Add(1)
			c.put(t, asset.Scripts, script(fmt.Sprintf("new_%d", n)))
			return nil
		})
		_, listing := names(t, c.workspace, asset.Scripts)
		if listing.Settled || listing.Pages > 10 {
			t.Errorf("listing: %+v", listing)
		}
	})
}

func TestWorkspace_List_Retries(t *testing.T) {
	t.Parallel()
	t.Run("a page that breaks off is read again, and no row is shown twice", func(t *testing.T) {
		t.Parallel()
		c := newCloud(t, dataarts.Switches{})
		for _, name := range numbered(150) {
			c.put(t, asset.Scripts, script(name))
		}
		c.fail(dataarts.ListScripts, &dataarts.Fault{Truncate: 0.3}, &dataarts.Fault{Truncate: 0.8}, nil,
			&dataarts.Fault{Status: 200, Body: `{"total":150,"scripts":[{"name":"script_0100"},{]`})
		found, listing := names(t, c.workspace, asset.Scripts)
		if diff := cmp.Diff(numbered(150), found); diff != "" || !listing.Settled {
			t.Errorf("%+v %s", listing, diff)
		}
	})

	t.Run("a page that breaks off goes on as long as it gets further", func(t *testing.T) {
		t.Parallel()
		// Each attempt shows one row more than the one before: far more attempts than any call has.
		var calls atomic.Int32
		w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) {
			n := int(calls.Add(1))
			fmt.Fprint(rw, `{"total":40,"scripts":[`)
			for i := range min(n, 40) {
				if i > 0 {
					fmt.Fprint(rw, ",")
				}
				fmt.Fprintf(rw, `{"name":"r%d"}`, i)
			}
			if n >= 40 {
				fmt.Fprint(rw, "]}")
			}
		})
		found, listing := names(t, w, asset.Scripts)
		if len(found) != 40 || !listing.Settled {
			t.Errorf("%d found, %+v", len(found), listing)
		}
	})

	t.Run("a page that never comes whole is an error in the end", func(t *testing.T) {
		t.Parallel()
		w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, `{"total":2,"scripts":[{"name":"a"}`) })
		shown := 0
		_, err := w.List(t.Context(), asset.Scripts, func(factory.Row) error { shown++; return nil })
		if err == nil || shown != 1 || !strings.Contains(err.Error(), "malformed answer") {
			t.Errorf("%d shown, %v", shown, err)
		}
	})
}

func BenchmarkWorkspace_List(b *testing.B) {
	content := strings.Repeat(`SELECT * FROM ods.orders WHERE dt = \"20261122\";\n`, 2000)
	var page strings.Builder
	page.WriteString(`{"total":99,"scripts":[`)
	for i := range 99 { // One less than a full page, after which there is no second call.
		if i > 0 {
			page.WriteByte(',')
		}
		fmt.Fprintf(&page, `{"name":"script_%d","directory":"/ods","content":"%s","modifyTime":1762853642305,"owner":"ada"}`, i, content)
	}
	page.WriteString("]}")
	body := []byte(page.String())
	w, _ := answering(b, func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(body) })
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, listing := names(b, w, asset.Scripts); listing.Unique != 99 {
			b.Fatal(listing)
		}
	}
}
