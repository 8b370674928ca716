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
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
)

// restoreBench is a restore function whose bucket holds reports and nothing else.
type restoreBench struct {
	*consoleBench
	restore runtime.Handler
}

func newRestoreBench(t *testing.T) *restoreBench {
	t.Helper()
	b := &restoreBench{consoleBench: newConsoleBench(t)}
	for name, value := range map[string]string{"DATAARTS_PROJECT_ID": "p", "DATAARTS_ENDPOINT": "https://dataarts.invalid", "DATAARTS_V2_ENDPOINT": "https://dataarts.invalid",
		"HUAWEICLOUD_SDK_AK": "access", "HUAWEICLOUD_SDK_SK": consoleSecret} {
		b.env[name] = value
	}
	b.restore = handler.Restore(handler.Options{StoreTransport: b.objects.Transport(), Lookup: config.Lookup(func(name string) (string, bool) { value, ok := b.env[name]; return value, ok })})
	return b
}

type consoleRestores struct {
	Restores []struct {
		ID, Status, Workspace, Message string
		StartedAt                      time.Time
		Items                          []any
	}
	Next string
}

func (l consoleRestores) ids() (ids []string) {
	for _, r := range l.Restores {
		ids = append(ids, r.ID)
	}
	return ids
}

func (b *restoreBench) list(query string) consoleAnswer {
	b.t.Helper()
	path, raw, _ := strings.Cut("/restores"+query, "?")
	payload, err := json.Marshal(map[string]any{"version": "2.0", "rawPath": path, "rawQueryString": raw, "requestContext": map[string]any{"http": map[string]string{"method": "GET"}, "stage": "$default"}})
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := b.restore(b.t.Context(), runtime.Invocation{RequestID: "r", Payload: payload})
	if err != nil {
		b.t.Fatal(err)
	}
	encoded, _ := answer.(json.RawMessage)
	var a consoleAnswer
	if err := json.Unmarshal(encoded, &a); err != nil {
		b.t.Fatal(err)
	}
	return a
}

func TestRestore_List(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time {
		return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC).Add(time.Duration(minutes) * time.Minute)
	}

	t.Run("is_the_newest_first_page_by_page", func(t *testing.T) {
		t.Parallel()
		b := newRestoreBench(t)
		var want []string
		for i := range 25 {
			id := at(i).Format("20060102T150405Z") + fmt.Sprintf("-%08x", i)
			if i%3 == 0 {
				id = fmt.Sprintf("mine-%d", 100-i)
			}
			b.report(restore.Report{ID: id, Status: restore.Complete, StartedAt: at(i), Items: []restore.Item{{Kind: asset.Jobs, Name: "a"}}})
			want = append([]string{id}, want...)
		}
		b.put("factory/restores/killed-before-its-report/before/manifest.json", "{}")
		list := decodeConsole[consoleRestores](t, b.list(""), 200)
		if !slices.Equal(list.ids(), want) || list.Next != "" || list.Restores[0].Items == nil || len(list.Restores[0].Items) != 0 {
			t.Errorf("%q, want %q; next %q", list.ids(), want, list.Next)
		}
		for _, limit := range []int{1, 4, 24, 25} {
			var got []string
			query := fmt.Sprintf("?limit=%d", limit)
			for next := ""; ; {
				page := decodeConsole[consoleRestores](t, b.list(query+next), 200)
				got = append(got, page.ids()...)
				if page.Next == "" {
					break
				}
				if len(page.Restores) != limit || page.Next != page.ids()[limit-1] {
					t.Fatalf("limit %d: %q, next %q", limit, page.ids(), page.Next)
				}
				next = "&after=" + page.Next
			}
			if !slices.Equal(got, want) {
				t.Errorf("limit %d: %q, want %q", limit, got, want)
			}
		}
	})

	t.Run("reads_only_the_beginnings_of_the_reports_of_the_page", func(t *testing.T) {
		t.Parallel()
		b := newRestoreBench(t)
		items := make([]restore.Item, 2000)
		for i := range items {
			items[i] = restore.Item{Kind: asset.Jobs, Name: fmt.Sprint("job ", i)}
		}
		for i := range 60 {
			id := at(i).Format("20060102T150405Z") + fmt.Sprintf("-%08x", i)
			if i < 20 {
				id = fmt.Sprint("mine-", i)
			}
			b.report(restore.Report{ID: id, Status: restore.Complete, StartedAt: at(i), Items: items})
		}
		var reads, whole atomic.Int64
		b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if c.Operation == "GetObject" {
				reads.Add(1)
				if c.Request.Header.Get("Range") == "" {
					whole.Add(1)
				}
			}
			return nil
		})
		for _, want := range []int64{30, 10} { // those that were named by hand are read once, to know when they were started
			reads.Store(0)
			list := decodeConsole[consoleRestores](t, b.list("?limit=10"), 200)
			if len(list.Restores) != 10 || list.Restores[0].ID != at(59).Format("20060102T150405Z")+"-0000003b" {
				t.Fatalf("%q", list.ids())
			}
			if reads.Load() > want || whole.Load() > 0 {
				t.Errorf("%d reads, want %d; %d of whole reports", reads.Load(), want, whole.Load())
			}
		}
	})

	t.Run("finds_those_into_a_workspace_and_those_with_a_status", func(t *testing.T) {
		t.Parallel()
		b := newRestoreBench(t)
		for i := range 40 {
			r := restore.Report{ID: at(i).Format("20060102T150405Z") + fmt.Sprintf("-%08x", i), Status: restore.Complete, Workspace: "ws1", StartedAt: at(i)}
			if i%10 == 0 {
				r.Status = restore.Failed
			}
			if i%4 == 0 {
				r.Workspace = "ws2"
			}
			b.report(r)
		}
		for query, want := range map[string]int{"": 40, "workspace=ws2": 10, "status=FAILED": 4, "status=FAILED&workspace=ws2": 2, "workspace=ws3": 0, "status=RUNNING": 0} {
			seen, next := 0, ""
			for {
				page := decodeConsole[consoleRestores](t, b.list("?limit=3&"+query+next), 200)
				seen += len(page.Restores)
				for _, r := range page.Restores {
					if strings.Contains(query, "status") && r.Status != "FAILED" || strings.Contains(query, "ws2") && r.Workspace != "ws2" {
						t.Errorf("%s: %+v", query, r)
					}
				}
				if page.Next == "" {
					break
				}
				next = "&after=" + page.Next
			}
			if seen != want {
				t.Errorf("%s: %d restores, want %d", query, seen, want)
			}
		}
	})

	t.Run("shows_what_cannot_be_read_and_hides_nothing", func(t *testing.T) {
		t.Parallel()
		b := newRestoreBench(t)
		b.report(restore.Report{ID: "good", Status: restore.Complete, StartedAt: at(1)})
		b.report(restore.Report{ID: "denied", Status: restore.Complete, StartedAt: at(0)})
		b.put("factory/restores/damaged/report.json", "{")
		b.objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if c.Operation == "GetObject" && strings.Contains(c.Key, "denied") {
				return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
			}
			return nil
		})
		list := decodeConsole[consoleRestores](t, b.list(""), 200)
		got := map[string]string{}
		for _, r := range list.Restores {
			got[r.ID] = r.Status
		}
		if len(got) != 3 || got["good"] != "COMPLETE" || got["denied"] != "UNREADABLE" || got["damaged"] != "DAMAGED" || list.Restores[2].ID != "good" {
			t.Errorf("%+v", list)
		}
		if list := decodeConsole[consoleRestores](t, b.list("?status=DAMAGED"), 200); len(list.Restores) != 1 || list.Restores[0].Message == "" {
			t.Errorf("%+v", list)
		}
	})

	t.Run("a_report_with_a_long_request_is_read_all_the_same", func(t *testing.T) {
		t.Parallel()
		b := newRestoreBench(t)
		b.report(restore.Report{ID: "long", Status: restore.Partial, StartedAt: at(1), Message: "said at the end of a long head",
			Request: &restore.Request{ID: "long", Select: &restore.Select{Names: []string{strings.Repeat("x", 100_000)}}}, Items: []restore.Item{{Kind: asset.Jobs, Name: "a"}}})
		list := decodeConsole[consoleRestores](t, b.list(""), 200)
		if len(list.Restores) != 1 || list.Restores[0].Status != "PARTIAL" || !strings.HasPrefix(list.Restores[0].Message, "said at") || len(list.Restores[0].Items) != 0 {
			t.Errorf("%+v", list)
		}
	})

	t.Run("every_fault_of_a_request_is_named", func(t *testing.T) {
		t.Parallel()
		b := newRestoreBench(t)
		e := decodeConsole[consoleError](t, b.list("?limit=0&status=GONE&workspace=a/b&after=../x"), 400)
		for _, want := range []string{"limit: ", "status: ", "workspace: ", "after: "} {
			if !strings.Contains(e.Error.Message, want) {
				t.Errorf("%q is not in %s", want, e.Error.Message)
			}
		}
		if e := decodeConsole[consoleError](t, b.list("?after=nobody"), 400); !strings.Contains(e.Error.Message, "nobody") {
			t.Errorf("%+v", e)
		}
		if list := decodeConsole[consoleRestores](t, b.list("?after=20261122T000000Z-00000000"), 200); len(list.Restores) != 0 {
			t.Errorf("%+v", list)
		}
	})

	t.Run("may_be_asked_for_by_many_at_once", func(t *testing.T) {
		t.Parallel()
		b := newRestoreBench(t)
		for i := range 30 {
			b.report(restore.Report{ID: fmt.Sprint("mine-", i), Status: restore.Complete, StartedAt: at(i)})
		}
		var everybody sync.WaitGroup
		for range 8 {
			everybody.Go(func() {
				if list := decodeConsole[consoleRestores](t, b.list("?limit=5"), 200); len(list.Restores) != 5 || list.Restores[0].ID != "mine-29" {
					t.Errorf("%q", list.ids())
				}
			})
		}
		everybody.Wait()
	})
}
