package handler_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
)

// ended is the answer of the backup function, and how long it took.
type ended struct {
	err     error
	took    time.Duration
	Status  string
	Backups []struct {
		Workspace, Status, Message string
		Calls                      int64
	}
}

// nightOfTwo is the night of two workspaces in a bubble of testing/synctest, where waiting takes no time.
type nightOfTwo struct {
	*localtest.Cloud
	t     *testing.T
	extra map[string]string
}

func inBubble(t *testing.T, fn func(*nightOfTwo)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := &nightOfTwo{Cloud: localtest.NewWith(t, localtest.Options{Pipes: true}), t: t, extra: map[string]string{"DATAARTS_WORKSPACES": localtest.Workspace + "," + localtest.Other}}
		for _, w := range []string{localtest.Workspace, localtest.Other} {
			if err := sample.Fill(n.Handle(w), sample.Options{Jobs: 4, Scripts: 3, Resources: 1}); err != nil {
				t.Fatal(err)
			}
		}
		fn(n)
		time.Sleep(time.Minute) // until leases that were being renewed have ended
	})
}

// slow makes the service take so long for each call about the first workspace.
func (n *nightOfTwo) slow(delay time.Duration) {
	n.DataArts.Intercept(func(r *http.Request, _ dataarts.Operation) *dataarts.Fault {
		if r.Header.Get("workspace") == localtest.Workspace {
			return &dataarts.Fault{Delay: delay}
		}
		return nil
	})
}

// invoke lets midnight come for an invocation that has so much time.
func (n *nightOfTwo) invoke(platform runtime.Platform, limit time.Duration, around func(http.RoundTripper) http.RoundTripper) ended {
	n.t.Helper()
	options := handler.Options{Lookup: n.Environment(n.extra), FactoryTransport: n.FactoryTransport, StoreTransport: n.StoreTransport}
	if around != nil {
		options.FactoryTransport = around(options.FactoryTransport)
	}
	ctx, cancel := context.WithTimeout(n.t.Context(), limit)
	defer cancel()
	began := time.Now()
	answer, err := handler.Backup(options)(ctx, runtime.Invocation{Platform: platform, RequestID: "r", Payload: functiongraph.TimerEvent("nightly", midnight, ""), Deadline: began.Add(limit)})
	text, encodeErr := json.Marshal(answer)
	if encodeErr != nil {
		n.t.Fatal(encodeErr)
	}
	e := ended{err: err, took: time.Since(began)}
	if err := json.Unmarshal(text, &e); err != nil || len(e.Backups) != 2 {
		n.t.Fatalf("%s %v %v", text, err, e.err)
	}
	return e
}

func TestBackup_InTurn(t *testing.T) {
	t.Parallel()
	t.Run("a_workspace_whose_service_hangs_leaves_the_others_their_time", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(n *nightOfTwo) {
			n.slow(time.Hour)
			got := n.invoke(runtime.Lambda, time.Minute, nil)
			if got.err == nil || got.Status != "PARTIAL" || got.Backups[0].Status != "FAILED" || got.Backups[1].Status != "COMPLETE" || got.took > time.Minute {
				t.Errorf("%+v", got)
			}
			n.DataArts.Intercept(nil)
			if got = n.invoke(runtime.Lambda, time.Minute, nil); got.err != nil || got.Status != "COMPLETE" || got.Backups[1].Calls != 0 {
				t.Errorf("the next invocation: %+v", got)
			}
		})
	})

	t.Run("a_workspace_that_needs_more_than_its_share_goes_on_after_the_others", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(n *nightOfTwo) {
			n.slow(5 * time.Second)
			alone := n.invoke(runtime.Lambda, time.Hour, nil)
			if alone.err != nil || alone.took < 20*time.Second {
				t.Fatalf("%+v", alone)
			}
			n.extra["BACKUP_LOCATION"] = "obs://" + localtest.Bucket + "/again/{workspace}"
			got := n.invoke(runtime.Lambda, alone.took*19/10, nil)
			if got.err != nil || got.Status != "COMPLETE" || got.took <= alone.took {
				t.Errorf("alone %+v, in turn %+v", alone, got)
			}
		})
	})

	t.Run("with_too_little_time_for_all_says_who_has_had_a_share", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(n *nightOfTwo) {
			n.DataArts.Intercept(func(*http.Request, dataarts.Operation) *dataarts.Fault { return &dataarts.Fault{Delay: time.Hour} })
			got := n.invoke(runtime.Lambda, time.Minute, nil)
			if got.err == nil || got.Status != "FAILED" || !strings.Contains(got.Backups[0].Message, "it has had its share of the time") ||
				strings.Contains(got.Backups[1].Message, "share of the time") {
				t.Errorf("%+v", got)
			}
		})
	})

	t.Run("FunctionGraph_that_hangs_costs_seconds", func(t *testing.T) {
		t.Parallel()
		inBubble(t, func(n *nightOfTwo) {
			for name, value := range map[string]string{"FUNCTIONGRAPH_ENDPOINT": "https://functiongraph.invalid", "RUNTIME_PROJECT_ID": localtest.ProjectID,
				"RUNTIME_PACKAGE": "default", "RUNTIME_FUNC_NAME": "backup", "RUNTIME_FUNC_VERSION": "latest"} {
				n.extra[name] = value
			}
			asked := 0
			got := n.invoke(runtime.FunctionGraph, 10*time.Minute, func(next http.RoundTripper) http.RoundTripper {
				return roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.URL.Host != "functiongraph.invalid" {
						return next.RoundTrip(r)
					}
					asked++
					<-r.Context().Done()
					return nil, r.Context().Err()
				})
			})
			if got.err != nil || got.Status != "COMPLETE" || asked == 0 || got.took > 8*time.Second || !strings.Contains(got.Backups[1].Message, "no answer within 6s") {
				t.Errorf("%d calls: %+v", asked, got)
			}
		})
	})
}

// roundTrip is a transport in a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
