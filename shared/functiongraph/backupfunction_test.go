package functiongraph_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	local "github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/shared/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/shared/schedule"
)

func TestBackupFunction_is_switched_off_and_on(t *testing.T) {
	t.Parallel()
	for name, switches := range map[string]local.TriggerSwitches{
		"with_event_data_as_an_object":   {},
		"with_event_data_as_a_text":      {EventDataAsText: true},
		"with_DISABLE_as_the_status":     {DisableWithoutD: true},
		"where_event_data_can_be_set":    {UpdateEventData: local.UpdateTakesEventData},
		"where_event_data_would_be_lost": {UpdateEventData: local.UpdateIgnoresEventData},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, switches, nightly(func(t *local.Timer) { t.UserEvent = `{"folder":"nights"}` }))
			if s := b.read(); !s.Enabled || s.Folder != "nights" || s.Trigger != "nightly-backup" || s.TimeZone != "Asia/Shanghai" || s.NextRun == nil || s.Message != "" {
				t.Errorf("at first: %+v", s)
			}
			s, err := b.set(switched(false))
			if err != nil || s.Enabled || s.NextRun != nil || s.Folder != "nights" {
				t.Fatalf("switched off: %+v, %v", s, err)
			}
			b.wants(`nightly-backup off {"folder":"nights"}`)
			if s, err = b.set(switched(false)); err != nil || s.Enabled {
				t.Errorf("switched off again: %+v, %v", s, err)
			}
			if s, err = b.set(switched(true)); err != nil || !s.Enabled {
				t.Fatalf("switched on: %+v, %v", s, err)
			}
			b.wants(`nightly-backup on {"folder":"nights"}`)
			want := `PUT {"trigger_status":"DISABLED"}|PUT {"trigger_status":"ACTIVE"}`
			if got := strings.Join(b.calls, "|"); got != want {
				t.Errorf("sent %s, want %s", got, want)
			}
		})
	}
}

func TestBackupFunction_gets_another_folder(t *testing.T) {
	t.Parallel()
	const exchanged = "in the place of nightly-backup"
	for name, test := range map[string]struct {
		switches local.TriggerSwitches
		change   schedule.Change
		there    string
		message  string
	}{
		"in_place":                                             {local.TriggerSwitches{UpdateEventData: local.UpdateTakesEventData}, to(true, "new"), `nightly-backup on {"folder":"new"}`, ""},
		"in_place_and_switched_off":                            {local.TriggerSwitches{UpdateEventData: local.UpdateTakesEventData}, to(false, "new"), `nightly-backup off {"folder":"new"}`, ""},
		"by_exchange_where_refused":                            {local.TriggerSwitches{}, to(true, "new"), `nightly-backup-changed-1 on {"folder":"new"}`, exchanged},
		"by_exchange_where_ignored":                            {local.TriggerSwitches{UpdateEventData: local.UpdateIgnoresEventData}, to(true, "new"), `nightly-backup-changed-1 on {"folder":"new"}`, exchanged},
		"by_exchange_from_a_text":                              {local.TriggerSwitches{EventDataAsText: true}, to(true, "new"), `nightly-backup-changed-1 on {"folder":"new"}`, exchanged},
		"by_exchange_and_switched_off":                         {local.TriggerSwitches{}, to(false, "new"), `nightly-backup-changed-1 off {"folder":"new"}`, exchanged},
		"by_exchange_switched_off_where_creating_ignores_that": {local.TriggerSwitches{CreateIgnoresStatus: true, DisableWithoutD: true}, to(false, "new"), `nightly-backup-changed-1 off {"folder":"new"}`, exchanged},
		"by_exchange_to_none":                                  {local.TriggerSwitches{}, to(true, ""), `nightly-backup-changed-1 on {"workspaces":["a"]}`, exchanged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			input := `{"folder":"old"}`
			if strings.HasSuffix(name, "none") {
				input = `{"workspaces":["a"],"folder":"old"}`
			}
			b := newBench(t, test.switches, nightly(func(t *local.Timer) { t.UserEvent = input }))
			most := 0
			b.hook(nil, func(*http.Request, string) bool { most = max(most, len(b.function.Timers())); return false })
			s, err := b.set(test.change)
			if err != nil || s.Enabled != *test.change.Enabled || s.Folder != *test.change.Folder || !strings.Contains(s.Message, test.message) || (test.message == "") != (s.Message == "") {
				t.Fatalf("%+v, %v", s, err)
			}
			b.wants(test.there)
			if s.Trigger != b.function.Timers()[0].Name || most > 2 {
				t.Errorf("trigger %s; at most %d at a time", s.Trigger, most)
			}
			if again, err := b.set(test.change); err != nil || again.Trigger != s.Trigger || strings.Contains(again.Message, exchanged) {
				t.Errorf("the same again: %+v, %v", again, err)
			}
			b.wants(test.there)
		})
	}
	t.Run("again_and_again", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, local.TriggerSwitches{}, nightly(func(t *local.Timer) { t.Name = "n" + strings.Repeat("x", 63) }))
		for i := range 11 {
			if s, err := b.set(to(i%2 == 0, fmt.Sprint("n", i))); err != nil || s.Folder != fmt.Sprint("n", i) {
				t.Fatalf("%d: %+v, %v", i, s, err)
			}
		}
		b.wants("n" + strings.Repeat("x", 52) + `-changed-11 on {"folder":"n10"}`)
	})
}

func TestBackupFunction_leaves_no_exchange_half_done(t *testing.T) {
	t.Parallel()
	down := func(w http.ResponseWriter) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"error_code":"FSS.0503","error_msg":"Service unavailable. sk"}`)
		return true
	}
	forbidden := func(w http.ResponseWriter) bool {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"error_code":"FSS.0403","error_msg":"Forbidden"}`)
		return true
	}
	const was = `nightly-backup on {"folder":"old"}`
	for name, test := range map[string]struct {
		switches local.TriggerSwitches
		before   func(w http.ResponseWriter, r *http.Request, body string) bool
		after    func(r *http.Request, body string) bool
		change   schedule.Change
		want     string // in the error; empty: none
		there    string // after it
		reads    string // the message then
		finally  string // after asking again, when nothing fails any more
	}{
		"when_updating_is_forbidden": {before: func(w http.ResponseWriter, r *http.Request, _ string) bool {
			return r.Method == http.MethodPut && forbidden(w)
		},
			want: "has still the text", there: was},
		"when_switching_is_forbidden": {change: switched(false), before: func(w http.ResponseWriter, r *http.Request, _ string) bool {
			return r.Method == http.MethodPut && forbidden(w)
		}, want: "still on", there: was, finally: `nightly-backup off {"folder":"old"}`},
		"when_switching_does_nothing": {change: switched(false), before: func(w http.ResponseWriter, r *http.Request, _ string) bool {
			return r.Method == http.MethodPut
		}, want: "still on", there: was, finally: `nightly-backup off {"folder":"old"}`},
		"when_the_service_is_down": {before: func(w http.ResponseWriter, r *http.Request, _ string) bool {
			return r.Method == http.MethodPut && down(w)
		},
			want: "503", there: was},
		"when_the_answer_to_an_update_is_lost": {switches: local.TriggerSwitches{UpdateEventData: local.UpdateTakesEventData},
			after: func(r *http.Request, _ string) bool { return r.Method == http.MethodPut }, there: `nightly-backup on {"folder":"new"}`},
		"when_a_new_one_cannot_be_made": {before: func(w http.ResponseWriter, r *http.Request, _ string) bool {
			return r.Method == http.MethodPost && forbidden(w)
		},
			want: "no other could take its place", there: was},
		"when_making_one_has_no_answer_and_made_none": {before: func(w http.ResponseWriter, r *http.Request, _ string) bool {
			return r.Method == http.MethodPost && down(w)
		},
			want: "no other could take its place", there: was},
		"when_the_answer_to_making_one_is_lost": {after: func(r *http.Request, _ string) bool { return r.Method == http.MethodPost },
			there: `nightly-backup-changed-1 on {"folder":"new"}`},
		"when_a_new_one_cannot_be_looked_at": {before: func() func(w http.ResponseWriter, r *http.Request, body string) bool {
			made := false
			return func(w http.ResponseWriter, r *http.Request, _ string) bool {
				if r.Method == http.MethodPost {
					made = true
				}
				return r.Method == http.MethodGet && made && down(w)
			}
		}(), want: "no other could take its place", there: was},
		"when_the_old_one_cannot_be_deleted": {before: func(w http.ResponseWriter, r *http.Request, _ string) bool {
			return r.Method == http.MethodDelete && forbidden(w)
		},
			want: "nightly-backup (", there: was + `, nightly-backup-changed-1 on {"folder":"new"}`, reads: "there is still nightly-backup"},
		"when_deleting_does_nothing": {before: func(w http.ResponseWriter, r *http.Request, _ string) bool {
			if r.Method == http.MethodDelete {
				w.WriteHeader(http.StatusNoContent)
			}
			return r.Method == http.MethodDelete
		}, want: "the service answered that it did", there: was + `, nightly-backup-changed-1 on {"folder":"new"}`, reads: "there is still nightly-backup"},
		"when_the_answer_to_deleting_is_lost": {after: func(r *http.Request, _ string) bool { return r.Method == http.MethodDelete },
			there: `nightly-backup-changed-1 on {"folder":"new"}`},
		"when_neither_switching_nor_deleting_the_new_one_works": {switches: local.TriggerSwitches{CreateIgnoresStatus: true}, change: to(false, "new"),
			before: func(w http.ResponseWriter, r *http.Request, _ string) bool {
				return (r.Method == http.MethodDelete || r.Method == http.MethodPut) && len(r.URL.Path) > 0 && !strings.Contains(r.URL.Path, "invocations") && refusedPut(w, r)
			}, want: "stands beside it and could not be deleted", there: was + `, nightly-backup-changed-1 on {"folder":"new"}`, reads: "there is still nightly-backup",
			finally: `nightly-backup-changed-1 off {"folder":"new"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, test.switches, nightly(func(t *local.Timer) { t.UserEvent = `{"folder":"old"}` }))
			b.hook(test.before, test.after)
			change := test.change
			if change == (schedule.Change{}) {
				change = to(true, "new")
			}
			_, err := b.set(change)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "sk\"") {
				t.Errorf("the error shows a key: %v", err)
			}
			b.wants(test.there)
			b.hook(nil, nil)
			if s := b.read(); !s.Enabled || !strings.Contains(s.Message, test.reads) || (test.reads == "") != (s.Message == "") {
				t.Errorf("it reads %+v", s)
			}
			if s, err := b.set(change); err != nil || s.Enabled != *change.Enabled {
				t.Errorf("asked again: %+v, %v", s, err)
			}
			finally := test.finally
			if finally == "" {
				finally = `nightly-backup-changed-1 on {"folder":"new"}`
				if test.switches.UpdateEventData == local.UpdateTakesEventData {
					finally = test.there
				}
			}
			b.wants(finally)
			if s := b.read(); s.Enabled != *change.Enabled || s.Message != "" {
				t.Errorf("at last it reads %+v", s)
			}
		})
	}
}

// refusedPut answers as a service does that takes no change at all.
func refusedPut(w http.ResponseWriter, r *http.Request) bool {
	status := http.StatusForbidden
	if r.Method == http.MethodPut {
		status = http.StatusBadRequest
	}
	w.WriteHeader(status)
	return true
}

func TestBackupFunction_takes_no_stranger_for_what_is_left_of_an_exchange(t *testing.T) {
	t.Parallel()
	changed := nightly(func(t *local.Timer) { t.Name = "nightly-backup-changed-1" })
	for name, timers := range map[string][]local.Timer{
		"with_a_name_of_its_own":     {nightly(func(t *local.Timer) { t.Name = "another" }), changed},
		"with_the_former_name_again": {changed, nightly(nil)}, // made after the exchange, as infrastructure as code does
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, local.TriggerSwitches{}, timers[0])
			if strings.HasPrefix(name, "with_the_former") {
				// The service's times are of whole seconds.
				time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
			}
			if _, err := b.function.CreateTimer(timers[1]); err != nil {
				t.Fatal(err)
			}
			was := b.there()
			_, err := b.set(to(false, "new"))
			if known, ok := errors.AsType[*schedule.Conflict](err); !ok || !strings.Contains(known.Message, "several timers") {
				t.Errorf("error %v", err)
			}
			b.wants(was)
		})
	}
}

func TestBackupFunction_refuses_what_it_does_not_understand(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ answer, want string }{
		"a_status":        {`[{"trigger_id":"1","trigger_type_code":"TIMER","trigger_status":"PAUSED","event_data":{}}]`, `"PAUSED", which is not known`},
		"no_event_data":   {`[{"trigger_id":"1","trigger_type_code":"TIMER","trigger_status":"ACTIVE"}]`, "event_data of trigger 1"},
		"a_broken_text":   {`[{"trigger_id":"1","trigger_type_code":"TIMER","trigger_status":"ACTIVE","event_data":"{"}]`, "event_data of trigger 1"},
		"no_list":         {`{"count":0}`, "not the list that is documented"},
		"a_trigger_of_no": {`[{"trigger_type_code":"TIMER","trigger_status":"ACTIVE","event_data":{}}]`, "no id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, local.TriggerSwitches{}, nightly(nil))
			b.hook(func(w http.ResponseWriter, r *http.Request, _ string) bool {
				_, _ = io.WriteString(w, test.answer)
				return true
			}, nil)
			if _, err := b.set(switched(false)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			b.wants("nightly-backup on ")
		})
	}
	t.Run("but_not_triggers_of_other_types", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, local.TriggerSwitches{})
		b.hook(func(w http.ResponseWriter, r *http.Request, _ string) bool {
			_, _ = io.WriteString(w, `[{"trigger_id":"1","trigger_type_code":"KAFKA","trigger_status":"RESTARTING","event_data":[]}]`)
			return true
		}, nil)
		if s := b.read(); s.Enabled || s.Trigger != "" || s.Message == "" {
			t.Errorf("%+v", s)
		}
	})
}

func TestBackupFunction_asks_for_the_triggers_of_the_latest_version(t *testing.T) {
	t.Parallel()
	b := newBench(t, local.TriggerSwitches{}, nightly(nil))
	var paths []string
	b.hook(func(_ http.ResponseWriter, r *http.Request, _ string) bool {
		paths = append(paths, r.URL.Path)
		return false
	}, nil)
	for _, version := range []string{"", ":latest"} {
		b.backup.URN = "urn:fss:eu-de:0dd3:function:default:backup" + version
		b.read()
	}
	const want = "/v2/0dd3/fgs/triggers/urn:fss:eu-de:0dd3:function:default:backup:latest"
	if len(paths) != 2 || paths[0] != want || paths[1] != want {
		t.Errorf("asked for %v", paths)
	}
}

func TestBackupFunction_Run(t *testing.T) {
	t.Parallel()
	b := newBench(t, local.TriggerSwitches{})
	id, err := b.backup.Run(t.Context(), []byte(`{"do":"see"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.function.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a, ok := b.function.Async(id); !ok || a.Status != local.AsyncSuccess {
		t.Errorf("the invocation %s is %+v", id, a)
	}
}

// overtaken is a platform whose timer somebody else changes right after it was listed.
type overtaken struct {
	schedule.Platform
	by func()
}

func (o overtaken) Timers(ctx context.Context) ([]schedule.Timer, error) {
	timers, err := o.Platform.Timers(ctx)
	o.by()
	return timers, err
}

func TestBackupFunction_that_was_stopped_meanwhile_stays_stopped(t *testing.T) {
	t.Parallel()
	nights := "nights"
	for name, test := range map[string]struct {
		switches local.TriggerSwitches
		there    string
	}{
		"in_place":                           {local.TriggerSwitches{UpdateEventData: local.UpdateTakesEventData}, `nightly-backup off {"folder":"nights"}`},
		"by_exchange":                        {local.TriggerSwitches{}, `nightly-backup-changed-1 off {"folder":"nights"}`},
		"by_exchange_where_creating_ignores": {local.TriggerSwitches{CreateIgnoresStatus: true}, `nightly-backup-changed-1 off {"folder":"nights"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, test.switches, nightly(nil))
			stop := func() {
				if _, err := b.set(switched(false)); err != nil {
					t.Error(err)
				}
			}
			s, err := schedule.Set(t.Context(), overtaken{b.backup, stop}, schedule.Change{Folder: &nights}, time.Now())
			if err != nil || s.Enabled || s.Folder != "nights" {
				t.Errorf("%+v, %v", s, err)
			}
			b.wants(test.there)
		})
	}
	for name, test := range map[string]struct {
		switches local.TriggerSwitches
		method   string // of the request after which it is stopped
		there    string
	}{
		"also_while_its_text_is_changed":     {local.TriggerSwitches{UpdateEventData: local.UpdateTakesEventData}, http.MethodPut, `nightly-backup off {"folder":"nights"}`},
		"also_while_its_text_is_refused":     {local.TriggerSwitches{}, http.MethodPut, `nightly-backup-changed-1 off {"folder":"nights"}`},
		"also_while_another_takes_its_place": {local.TriggerSwitches{}, http.MethodPost, `nightly-backup-changed-1 off {"folder":"nights"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, test.switches, nightly(nil))
			stopping := false
			b.hook(nil, func(r *http.Request, _ string) bool {
				if r.Method != test.method || stopping {
					return false
				}
				stopping = true
				old := b.function.Timers()[0]
				b.mu.Unlock() // of the server, which answers one request at a time
				defer b.mu.Lock()
				triggers, err := b.backup.Client.ListTriggers(t.Context(), b.backup.URN, functiongraph.TypeTimer)
				if err != nil || len(triggers) == 0 {
					t.Error(err)
				}
				for _, trigger := range triggers {
					if strings.Contains(string(trigger.Data), `"`+old.Name+`"`) {
						if err := b.backup.Client.SetTriggerStatus(t.Context(), b.backup.URN, trigger, false); err != nil {
							t.Error(err)
						}
					}
				}
				return false
			})
			s, err := b.set(schedule.Change{Folder: &nights})
			if err != nil || s.Enabled || s.Folder != "nights" {
				t.Errorf("%+v, %v", s, err)
			}
			b.wants(test.there)
		})
	}
}
