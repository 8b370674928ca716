package schedule_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // as the product has it

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/shared/schedule"
)

// platform is a backup function with these timers.
type platform struct {
	timers  []schedule.Timer
	updates []schedule.Timer
	answer  func(schedule.Timer) (schedule.Timer, error) // nil: what is wanted is done
	since   func(*schedule.Timer)                        // what somebody else changes before the timer is read once more; nil: nothing
}

func (p *platform) Timers(context.Context) ([]schedule.Timer, error) { return p.timers, nil }

func (p *platform) Update(_ context.Context, t schedule.Timer, change func(schedule.Timer) schedule.Timer) (schedule.Timer, error) {
	if p.since != nil {
		p.since(&t)
	}
	t = change(t)
	p.updates = append(p.updates, t)
	if p.answer != nil {
		return p.answer(t)
	}
	t.Unfinished = ""
	return t, nil
}

func (p *platform) Run(context.Context, []byte) (string, error) { return "", errors.New("not used") }

func nightly(change func(*schedule.Timer)) schedule.Timer {
	t := schedule.Timer{ID: "1", Name: "nightly", Enabled: true, Expression: "CRON_TZ=Asia/Shanghai 0 0 0 * * *"}
	if change != nil {
		change(&t)
	}
	return t
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

func TestRead_tells_the_next_run(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		expression, zone string // of the timer
		now              string
		next             string // in the zone; empty for none
		why              string
		inZone           string
	}{
		"at_midnight_in_the_zone_of_the_expression": {"CRON_TZ=Asia/Shanghai 0 0 0 * * *", "", "2026-11-22T17:00:00Z", "2026-11-24T00:00:00+08:00", "", "Asia/Shanghai"},
		"with_a_question_mark":                      {"CRON_TZ=Asia/Shanghai 0 0 0 * * ?", "", "2026-11-22T15:59:59Z", "2026-11-23T00:00:00+08:00", "", "Asia/Shanghai"},
		"of_five_fields_without_a_day_of_week":      {"CRON_TZ=UTC 0 30 1 * *", "", "2026-11-22T02:00:00Z", "2026-11-23T01:30:00Z", "", "UTC"},
		"in_a_zone_that_is_kept_apart":              {"0 0 0 * * *", "Europe/Berlin", "2026-11-22T12:00:00Z", "2026-11-23T00:00:00+01:00", "", "Europe/Berlin"},
		"of_a_descriptor":                           {"CRON_TZ=Europe/Berlin @daily", "", "2026-11-22T12:00:00Z", "2026-11-23T00:00:00+01:00", "", "Europe/Berlin"},
		"in_the_night_in_which_summer_time_begins":  {"CRON_TZ=Europe/Berlin 0 0 0 * * *", "", "2026-03-28T23:30:00Z", "2026-03-30T00:00:00+02:00", "", "Europe/Berlin"},
		"not_at_an_hour_that_the_day_lacks":         {"CRON_TZ=Europe/Berlin 0 30 2 * * *", "", "2026-03-28T12:00:00Z", "2026-03-30T02:30:00+02:00", "", "Europe/Berlin"},
		"not_without_a_zone":                        {"0 0 0 * * *", "", "2026-11-22T12:00:00Z", "", "names no time zone", ""},
		"not_in_a_zone_that_is_none":                {"CRON_TZ=Mars/Olympus 0 0 0 * * *", "", "2026-11-22T12:00:00Z", "", `"Mars/Olympus" is no time zone`, "Mars/Olympus"},
		"not_in_the_machine_s_own_zone":             {"CRON_TZ=Local 0 0 0 * * *", "", "2026-11-22T12:00:00Z", "", "is no time zone", "Local"},
		"not_with_two_zones":                        {"CRON_TZ=UTC TZ=UTC 0 0 0 * * *", "", "2026-11-22T12:00:00Z", "", "cannot be read", "UTC"},
		"not_of_nothing_but_a_zone":                 {"CRON_TZ=UTC", "", "2026-11-22T12:00:00Z", "", "cannot be read", "UTC"},
		"not_of_what_is_no_expression":              {"CRON_TZ=UTC 0 0 25 * * *", "", "2026-11-22T12:00:00Z", "", "cannot be read", "UTC"},
		"not_of_a_day_that_never_comes":             {"CRON_TZ=UTC 0 0 0 30 2 *", "", "2026-11-22T12:00:00Z", "", "none in the next years", "UTC"},
		"not_of_a_rate":                             {"1d", "", "2026-11-22T12:00:00Z", "", "1d counts from a moment that only the platform knows", ""},
		"not_of_every_so_often":                     {"@every 24h", "", "2026-11-22T12:00:00Z", "", "counts from a moment", ""},
		"not_of_every_so_often_in_a_zone":           {"CRON_TZ=UTC @every 24h", "", "2026-11-22T12:00:00Z", "", "counts from a moment", "UTC"},

		"of_AWS_in_UTC":                                       {"cron(0 0 * * ? *)", "", "2026-11-22T12:00:00Z", "2026-11-23T00:00:00Z", "", "UTC"},
		"of_AWS_in_its_zone":                                  {"cron(0 0 * * ? *)", "Asia/Shanghai", "2026-11-22T17:00:00Z", "2026-11-24T00:00:00+08:00", "", "Asia/Shanghai"},
		"of_AWS_where_Sunday_is_1":                            {"cron(30 1 ? * 1 *)", "UTC", "2026-11-23T00:00:00Z", "2026-11-29T01:30:00Z", "", "UTC"},
		"of_AWS_with_named_days":                              {"cron(30 1 ? * MON-FRI *)", "UTC", "2026-11-27T12:00:00Z", "2026-11-30T01:30:00Z", "", "UTC"},
		"of_AWS_with_a_range_of_days":                         {"cron(30 1 ? * 2-6 *)", "UTC", "2026-11-27T12:00:00Z", "2026-11-30T01:30:00Z", "", "UTC"},
		"of_AWS_with_a_step_of_days":                          {"cron(0 0 ? * 2/3 *)", "UTC", "2026-11-23T12:00:00Z", "2026-11-26T00:00:00Z", "", "UTC"},
		"of_AWS_in_a_year":                                    {"cron(0 12 1 JAN ? 2029-2031)", "UTC", "2026-11-22T00:00:00Z", "2029-01-01T12:00:00Z", "", "UTC"},
		"of_AWS_in_every_second_year":                         {"cron(0 0 1 1 ? 2020/2)", "UTC", "2026-11-22T00:00:00Z", "2028-01-01T00:00:00Z", "", "UTC"},
		"of_AWS_not_at_an_hour_that_the_day_lacks":            {"cron(30 2 * * ? *)", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T02:30:00+02:00", "", "Europe/Berlin"},
		"of_AWS_at_the_first_of_two_equal_hours":              {"cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T02:30:00+02:00", "", "Europe/Berlin"},
		"of_AWS_not_again_at_the_second_of_two_equal_hours":   {"cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-25T00:45:00Z", "2026-10-26T02:30:00+01:00", "", "Europe/Berlin"},
		"of_AWS_at_one_moment":                                {"at(2026-12-01T00:00:00)", "Europe/Berlin", "2026-11-22T00:00:00Z", "2026-12-01T00:00:00+01:00", "", "Europe/Berlin"},
		"of_AWS_not_after_that_moment":                        {"at(2026-11-01T00:00:00)", "Europe/Berlin", "2026-11-22T00:00:00Z", "", "there is no next run", "Europe/Berlin"},
		"of_AWS_not_after_its_years":                          {"cron(0 0 * * ? 2020)", "", "2026-11-22T00:00:00Z", "", "there is no next run", "UTC"},
		"of_AWS_not_on_the_last_day":                          {"cron(0 0 L * ? *)", "", "2026-11-22T00:00:00Z", "", "left to the platform", "UTC"},
		"of_AWS_not_on_the_last_Friday":                       {"cron(0 0 ? * 6L *)", "", "2026-11-22T00:00:00Z", "", "left to the platform", "UTC"},
		"of_AWS_not_on_the_nearest_weekday":                   {"cron(0 0 3W * ? *)", "", "2026-11-22T00:00:00Z", "", "left to the platform", "UTC"},
		"of_AWS_not_on_the_third_Friday":                      {"cron(0 0 ? * 6#3 *)", "", "2026-11-22T00:00:00Z", "", "left to the platform", "UTC"},
		"of_AWS_not_with_two_days":                            {"cron(0 0 * * * *)", "", "2026-11-22T00:00:00Z", "", "has to be ?", "UTC"},
		"of_AWS_not_with_a_day_8":                             {"cron(0 0 ? * 8 *)", "", "2026-11-22T00:00:00Z", "", "want 1 to 7", "UTC"},
		"of_AWS_not_with_five_fields":                         {"cron(0 0 * * ?)", "", "2026-11-22T00:00:00Z", "", "5 fields, want 6", "UTC"},
		"of_AWS_not_with_a_year_that_is_none":                 {"cron(0 0 * * ? next)", "", "2026-11-22T00:00:00Z", "", `year "next"`, "UTC"},
		"of_AWS_not_of_a_rate":                                {"rate(1 day)", "", "2026-11-22T00:00:00Z", "", "rate(1 day) counts from a moment", ""},
		"of_AWS_not_in_a_zone_that_is_none":                   {"cron(0 0 * * ? *)", "Mars/Olympus", "2026-11-22T00:00:00Z", "", "is no time zone", "Mars/Olympus"},
		"of_AWS_not_of_what_is_no_moment":                     {"at(tomorrow)", "", "2026-11-22T00:00:00Z", "", "cannot be read", "UTC"},
		"of_AWS_in_a_zone_whose_clocks_move_by_half_an_hour":  {"cron(45 1 * * ? *)", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", "2026-04-05T01:45:00+11:00", "", "Australia/Lord_Howe"},
		"of_AWS_in_a_day_that_begins_an_hour_late":            {"cron(0 0 * * ? *)", "Africa/Cairo", "2026-04-23T12:00:00Z", "2026-04-25T00:00:00+03:00", "", "Africa/Cairo"},
		"of_AWS_with_lists":                                   {"cron(0,30 1,3 1,15 * ? 2026,2027)", "UTC", "2026-11-22T00:00:00Z", "2026-12-01T01:00:00Z", "", "UTC"},
		"of_AWS_across_a_year_that_does_not_count":            {"cron(0 0 31 12 ? 2026,2028)", "UTC", "2026-12-31T12:00:00Z", "2028-12-31T00:00:00Z", "", "UTC"},
		"of_AWS_not_in_a_year_before_1970":                    {"cron(0 0 * * ? 1950-1960)", "", "2026-11-22T00:00:00Z", "", "want 1970 to 2199", "UTC"},
		"of_AWS_not_with_a_step_of_no_years":                  {"cron(0 0 * * ? 2020/0)", "", "2026-11-22T00:00:00Z", "", `year "2020/0"`, "UTC"},
		"of_AWS_not_with_a_bracket_too_few":                   {"cron(0 0 * * ? *", "", "2026-11-22T00:00:00Z", "", "not known", ""},
		"of_AWS_in_every_year_of_a_step_from_the_first":       {"cron(0 0 1 1 ? */10)", "", "2026-11-22T00:00:00Z", "2030-01-01T00:00:00Z", "", "UTC"},
		"of_AWS_not_in_a_range_of_years_that_ends_in_nothing": {"cron(0 0 1 1 ? 2020-)", "", "2026-11-22T00:00:00Z", "", `year "2020-"`, "UTC"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &platform{timers: []schedule.Timer{nightly(func(timer *schedule.Timer) { timer.Expression, timer.TimeZone = test.expression, test.zone })}}
			s, err := schedule.Read(t.Context(), p, "", at(t, test.now))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if s.NextRun != nil {
				got = s.NextRun.Format(time.RFC3339)
			}
			if got != test.next || !strings.Contains(s.Message, test.why) || (test.why == "") != (s.Message == "") || s.TimeZone != test.inZone || s.Expression != test.expression {
				t.Errorf("next run %q in %q: %q; want %q in %q: %q", got, s.TimeZone, s.Message, test.next, test.inZone, test.why)
			}
			p.timers[0].Enabled = false
			if s, err = schedule.Read(t.Context(), p, "", at(t, test.now)); err != nil || s.NextRun != nil || s.Enabled || s.Message != "" {
				t.Errorf("switched off: %+v, %v", s, err)
			}
		})
	}
}

func TestRead_finds_the_daily_timer(t *testing.T) {
	t.Parallel()
	verify := schedule.Timer{ID: "2", Name: "weekly-check", Enabled: true, Expression: "1d", Input: ` {"verify":"latest"}`}
	dry := schedule.Timer{ID: "3", Name: "rehearsal", Enabled: true, Expression: "1d", Input: `{"dryRun":true}`}
	second := nightly(func(timer *schedule.Timer) { timer.ID, timer.Name, timer.Input = "4", "second", `{"workspaces":["a"]}` })
	for name, test := range map[string]struct {
		timers   []schedule.Timer
		trigger  string
		found    string
		message  string
		conflict string
	}{
		"beside_one_that_verifies":               {[]schedule.Timer{verify, nightly(nil), dry}, "", "nightly", "", ""},
		"by_its_name":                            {[]schedule.Timer{second, nightly(nil)}, "nightly", "nightly", "", ""},
		"not_where_there_are_two":                {[]schedule.Timer{second, verify, nightly(nil)}, "", "", "", "second, nightly"},
		"not_by_a_name_that_no_timer_has":        {[]schedule.Timer{second}, "nightly", "", "", "no timer nightly that starts a backup, but second"},
		"not_by_the_name_of_one_that_verifies":   {[]schedule.Timer{verify}, "weekly-check", "", "", "something else"},
		"not_by_a_name_that_two_have":            {[]schedule.Timer{nightly(nil), nightly(nil)}, "nightly", "", "", "2 timers with the name nightly"},
		"or_says_what_to_do_where_there_is_none": {nil, "", "", "CRON_TZ=", ""},
		"or_says_what_to_do_where_all_verify":    {[]schedule.Timer{verify}, "", "", "CRON_TZ=", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &platform{timers: test.timers}
			s, err := schedule.Read(t.Context(), p, test.trigger, at(t, "2026-11-22T12:00:00Z"))
			known, isConflict := errors.AsType[*schedule.Conflict](err)
			if isConflict != (test.conflict != "") || isConflict && !strings.Contains(known.Message, test.conflict) {
				t.Fatalf("error %v", err)
			}
			if s.Trigger != test.found || s.Enabled != (test.found != "") || !strings.Contains(s.Message, test.message) {
				t.Errorf("state %+v", s)
			}
			on := true
			if _, err := schedule.Set(t.Context(), p, schedule.Change{Enabled: &on, Trigger: test.trigger}, time.Now()); (err == nil) != (test.found != "") {
				t.Errorf("Set: %v", err)
			} else if _, ok := errors.AsType[*schedule.Conflict](err); err != nil && !ok {
				t.Errorf("Set: %v is no conflict", err)
			}
			if len(p.updates) > 0 {
				t.Errorf("sent %+v", p.updates)
			}
		})
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	folder := func(text string) *string { return &text }
	for name, test := range map[string]struct {
		input   string
		change  schedule.Change
		enabled bool
		sent    bool
		want    string // the input then
		message string
	}{
		"switches_off":                                     {"", schedule.Change{Enabled: &no}, false, true, "", ""},
		"sends_nothing_where_it_is_on_already":             {"", schedule.Change{Enabled: &yes}, true, false, "", ""},
		"puts_a_folder_where_there_was_nothing":            {"", schedule.Change{Folder: folder("nights")}, true, true, `{"folder":"nights"}`, ""},
		"switches_off_and_sets_a_folder_at_once":           {"{}", schedule.Change{Enabled: &no, Folder: folder("nights")}, false, true, `{"folder":"nights"}`, ""},
		"replaces_a_folder_and_keeps_the_rest_to_the_byte": {"{ \"workspaces\" : [\"a\"],\n\t\"folder\" :\"old\" , \"time\":\"x\"}", schedule.Change{Folder: folder("new")}, true, true, "{ \"workspaces\" : [\"a\"],\n\t\"folder\" :\"new\" , \"time\":\"x\"}", ""},
		"takes_a_folder_away":                              {`{"folder":"old","workspaces":["a"]}`, schedule.Change{Folder: folder("")}, true, true, `{"workspaces":["a"]}`, ""},
		"takes_away_a_folder_that_stands_twice":            {`{"folder":"old","folder":"older"}`, schedule.Change{Folder: folder("new")}, true, true, `{"folder":"new"}`, ""},
		"sends_nothing_for_the_folder_that_is_there":       {`{"folder":"/old/"}`, schedule.Change{Folder: folder("old")}, true, false, `{"folder":"/old/"}`, ""},
		"sends_nothing_for_no_folder_where_there_is_none":  {"hello", schedule.Change{Folder: folder("")}, true, false, "hello", "ignores it"},
		"keeps_a_text_that_is_ignored":                     {"hello", schedule.Change{Enabled: &no}, false, true, "hello", "ignores it"},
		"replaces_a_text_that_is_ignored_by_a_folder":      {"hello", schedule.Change{Folder: folder("nights")}, true, true, `{"folder":"nights"}`, `in the place of the text "hello"`},
		"keeps_hostile_characters_of_a_folder":             {"", schedule.Change{Folder: folder(`a"</b>`)}, true, true, `{"folder":"a\"</b>"}`, ""},
		"keeps_what_stands_for_the_time_of_EventBridge":    {`{"time":"<aws.scheduler.scheduled-time>"}`, schedule.Change{Folder: folder("n")}, true, true, `{"time":"<aws.scheduler.scheduled-time>","folder":"n"}`, ""},
		"takes_away_the_only_field":                        {`{"folder":"old"}`, schedule.Change{Folder: folder("")}, true, true, `{}`, ""},
		"puts_a_folder_into_a_list_s_place":                {`["a"]`, schedule.Change{Folder: folder("n")}, true, true, `{"folder":"n"}`, "in the place of"},
		"replaces_a_folder_that_is_no_text":                {`{"folder":7}`, schedule.Change{Folder: folder("n")}, true, true, `{"folder":"n"}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &platform{timers: []schedule.Timer{nightly(func(timer *schedule.Timer) { timer.Input = test.input })}}
			s, err := schedule.Set(t.Context(), p, test.change, at(t, "2026-11-22T12:00:00Z"))
			if err != nil {
				t.Fatal(err)
			}
			if s.Enabled != test.enabled || s.Input != test.want || (s.NextRun != nil) != test.enabled || !strings.Contains(s.Message, test.message) || (test.message == "") != (s.Message == "") {
				t.Errorf("state %+v", s)
			}
			var want []schedule.Timer
			if test.sent {
				want = []schedule.Timer{nightly(func(timer *schedule.Timer) { timer.Enabled, timer.Input = test.enabled, test.want })}
			}
			if diff := cmp.Diff(want, p.updates); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSet_keeps_what_somebody_else_changes_meanwhile(t *testing.T) {
	t.Parallel()
	yes, nights := true, "nights"
	stopped := func(t *schedule.Timer) { t.Enabled = false }
	moved := func(t *schedule.Timer) { t.Input = `{"folder":"elsewhere","workspaces":["a"]}` }
	for name, test := range map[string]struct {
		since   func(*schedule.Timer)
		change  schedule.Change
		enabled bool
		input   string
	}{
		"a_stop_by_another_folder":          {stopped, schedule.Change{Folder: &nights}, false, `{"folder":"nights"}`},
		"not_a_stop_by_a_start":             {stopped, schedule.Change{Enabled: &yes, Folder: &nights}, true, `{"folder":"nights"}`},
		"a_folder_by_a_start":               {moved, schedule.Change{Enabled: &yes}, true, `{"folder":"elsewhere","workspaces":["a"]}`},
		"what_stands_beside_another_folder": {moved, schedule.Change{Folder: &nights}, false, `{"folder":"nights","workspaces":["a"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &platform{timers: []schedule.Timer{nightly(func(timer *schedule.Timer) { timer.Enabled = name == "a_stop_by_another_folder" })}, since: test.since}
			s, err := schedule.Set(t.Context(), p, test.change, time.Now())
			if err != nil || s.Enabled != test.enabled || s.Input != test.input {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}

func TestSet_names_what_the_platform_did_not_take(t *testing.T) {
	t.Parallel()
	no, nights := false, "nights"
	change := schedule.Change{Enabled: &no, Folder: &nights}
	for name, test := range map[string]struct {
		answer func(schedule.Timer) (schedule.Timer, error)
		want   []string // in the error; none: no error
	}{
		"nothing_of_it":           {func(schedule.Timer) (schedule.Timer, error) { return nightly(nil), nil }, []string{"still on", `carry "" and not`}},
		"the_folder":              {func(t schedule.Timer) (schedule.Timer, error) { t.Input = "{}"; return t, nil }, []string{`carry "{}" and not`}},
		"the_schedule_it_had":     {func(t schedule.Timer) (schedule.Timer, error) { t.Expression = "1d"; return t, nil }, []string{"was CRON_TZ=Asia/Shanghai 0 0 0 * * * and is 1d"}},
		"all_of_it_with_an_error": {func(t schedule.Timer) (schedule.Timer, error) { return t, errors.New("no way") }, []string{"change the timer nightly: no way"}},
		"what_is_left":            {func(t schedule.Timer) (schedule.Timer, error) { t.Unfinished = "half done"; return t, nil }, []string{"half done"}},
		"nothing_when_spelled_anew": {func(t schedule.Timer) (schedule.Timer, error) {
			t.Input = "{ \"folder\": \"\\u006eights\" }"
			return t, nil
		}, nil},
		"nothing_when_another_serves": {func(t schedule.Timer) (schedule.Timer, error) { t.ID, t.Name = "9", "nightly-changed-1"; return t, nil }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := schedule.Set(t.Context(), &platform{timers: []schedule.Timer{nightly(nil)}, answer: test.answer}, change, time.Now())
			if (err == nil) != (test.want == nil) {
				t.Fatalf("error %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q", err, want)
				}
			}
			if another := strings.HasSuffix(s.Trigger, "-changed-1"); another != strings.Contains(s.Message, "in the place of nightly (1)") {
				t.Errorf("message %q", s.Message)
			}
		})
	}
}

func TestSet_finishes_what_was_left_half_done(t *testing.T) {
	t.Parallel()
	yes := true
	p := &platform{timers: []schedule.Timer{nightly(func(timer *schedule.Timer) { timer.Unfinished = "there are two" })}}
	if s, err := schedule.Read(t.Context(), p, "", time.Now()); err != nil || !strings.Contains(s.Message, "there are two") {
		t.Errorf("read: %+v, %v", s, err)
	}
	s, err := schedule.Set(t.Context(), p, schedule.Change{Enabled: &yes}, time.Now())
	if err != nil || s.Message != "" || len(p.updates) != 1 {
		t.Errorf("%+v, %v after %d updates", s, err, len(p.updates))
	}
}
