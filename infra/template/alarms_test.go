package template_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts/sample"
)

// counted is how often the metric filters of the stack find their pattern in the functions' logs, by metric.
func (a *account) counted() map[string]int {
	a.t.Helper()
	a.service.Close() // then everything that was printed has arrived
	counts := map[string]int{}
	for name, r := range a.resources {
		if r.Type != "AWS::Logs::MetricFilter" {
			continue
		}
		var filter struct {
			LogGroupName, FilterPattern string
			MetricTransformations       []struct{ MetricNamespace, MetricName, MetricValue string }
		}
		a.of(name, &filter)
		into := filter.MetricTransformations
		if len(into) != 1 || into[0].MetricValue != "1" || into[0].MetricNamespace != "DataArtsBackup/"+stackName {
			a.t.Fatalf("%s: %+v", name, into)
		}
		for resource := range functions() {
			if a.stack.function(resource).LoggingConfig.LogGroup != filter.LogGroupName {
				continue
			}
			for _, line := range a.output.of(a.physical(resource)) {
				if found(a.t, filter.FilterPattern, line) {
					counts[into[0].MetricName]++
				}
			}
		}
	}
	return counts
}

// found tells whether a line of a log fits a filter pattern for JSON, as far as the template uses them ("Filter pattern syntax for metric filters"): texts
// compared by = and !=, and these joined by && and, weaker, ||. A field that is not there fits nothing.
func found(t *testing.T, pattern, line string) bool {
	t.Helper()
	inner, isJSON := strings.CutPrefix(pattern, "{ ")
	inner, closed := strings.CutSuffix(inner, " }")
	if !isJSON || !closed || strings.ContainsAny(inner, "()") {
		t.Fatalf("the pattern %s is not known to these tests", pattern)
	}
	var fields any
	if json.Unmarshal([]byte(line), &fields) != nil { // what Lambda itself writes
		return false
	}
	term := regexp.MustCompile(`^\$((?:\.[A-Za-z]+)+) (=|!=) "([^"*]*)"$`)
	return slices.ContainsFunc(strings.Split(inner, " || "), func(all string) bool {
		return !slices.ContainsFunc(strings.Split(all, " && "), func(one string) bool {
			m := term.FindStringSubmatch(one)
			if m == nil {
				t.Fatalf("%q in the pattern %s is not known to these tests", one, pattern)
			}
			value := fields
			for _, name := range strings.Split(m[1][1:], ".") {
				object, _ := value.(map[string]any)
				value = object[name]
			}
			text, isText := value.(string)
			if m[2] == "=" {
				return !isText || text != m[3]
			}
			return !isText || text == m[3]
		})
	})
}

func TestAlarms_HearOfWhatGoesWrong(t *testing.T) {
	t.Parallel()
	small := func(a *account) *dataarts.WorkspaceHandle {
		w := a.cloud.Workspace(sales)
		if err := sample.Fill(w, sample.Options{Jobs: 8, Scripts: 6, Resources: 1}); err != nil {
			a.t.Fatal(err)
		}
		return w
	}
	failed := func(a *account, name string, n int) {
		if a.tick(name, night(n)).FunctionError == nil {
			a.t.Errorf("%s went well", name)
		}
	}
	for name, test := range map[string]struct {
		change map[string]string
		do     func(a *account)
		want   map[string]int
	}{
		"and_not_of_what_goes_well": {nil, func(a *account) {
			w := small(a)
			a.good("nightly", night(0))
			a.good("nightly", night(0)) // EventBridge delivers at least once
			a.byHand()
			a.good("verify", night(1))
			a.good("drill", night(1))
			w.Wipe()
			if _, status := a.restored("/restores", `{"date":"latest","duplicateNamePolicy":"fail"}`); status != "COMPLETE" {
				a.t.Errorf("the restore is %s", status)
			}
		}, map[string]int{"CompleteBackups": 3}},
		"a_backup_that_is_not_complete": {nil, func(a *account) {
			small(a)
			a.cloud.DataArts.SetSwitches(func(s *dataarts.Switches) { s.TotalDelta = 1 })
			failed(a, "nightly", 0)
		}, map[string]int{"FailedBackups": 1}},
		"a_backup_that_cannot_reach_DataArts": {nil, func(a *account) {
			small(a)
			a.cloud.Keyring.Remove(a.secrets()["dataarts"]["ak"])
			failed(a, "nightly", 0)
		}, map[string]int{"FailedBackups": 1}},
		"a_backup_that_is_damaged": {nil, func(a *account) {
			small(a)
			a.good("nightly", night(0))
			if err := a.bucket.PutObject(vaultName, sales+"/"+date(0)+"/1_env/env.json", []byte("{}")); err != nil {
				a.t.Fatal(err)
			}
			failed(a, "verify", 1)
		}, map[string]int{"CompleteBackups": 1, "FailedVerifications": 1}},
		"a_mass_deletion": {map[string]string{"BackupKeep": "daily=1"}, func(a *account) {
			w := small(a)
			a.good("nightly", night(0))
			w.Wipe()
			a.good("nightly", night(1))
		}, map[string]int{"CompleteBackups": 2, "MassDeletions": 1}},
		"a_restore_that_is_refused": {nil, func(a *account) {
			small(a)
			a.good("nightly", night(0))
			a.restored("/restores", `{"date":"latest","duplicateNamePolicy":"fail"}`) // everything is there
		}, map[string]int{"CompleteBackups": 1, "FailedRestores": 1}},
		"a_request_that_cannot_be_read": {nil, func(a *account) {
			if err := a.bucket.PutObject(vaultName, "restore-requests/x.json", []byte(`{"dat":"latest"}`)); err != nil {
				a.t.Fatal(err)
			}
			a.settle()
		}, map[string]int{"FailedRestores": 1}},
		"a_message_that_cannot_be_sent": {map[string]string{"NotifyTopicUrn": "urn:smn:eu-west-101:0123:nightly", "SmnEndpoint": "https://127.0.0.1:1"}, func(a *account) {
			small(a)
			a.good("nightly", night(0))
			a.restored("/restores", `{"date":"latest","duplicateNamePolicy":"fail"}`)
		}, map[string]int{"CompleteBackups": 1, "UntoldBackups": 1, "FailedRestores": 1, "UntoldRestores": 1}},
		"a_drill_that_fails": {nil, func(a *account) {
			small(a)
			a.good("nightly", night(0))
			if err := sample.Fill(a.cloud.Workspace(spare), sample.Options{Jobs: 1, Scripts: 1, Resources: 1}); err != nil { // somebody works there
				a.t.Fatal(err)
			}
			failed(a, "drill", 1)
		}, map[string]int{"CompleteBackups": 1, "FailedDrills": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := open(t, test.change)
			test.do(a)
			if got := a.counted(); !maps.Equal(got, test.want) {
				t.Errorf("counted %v, want %v", got, test.want)
			}
		})
	}
}

// alarm is what these tests read of an alarm.
type alarm struct {
	AlarmDescription, Namespace, MetricName, Statistic, ComparisonOperator, TreatMissingData string
	Period, EvaluationPeriods                                                                int
	Threshold                                                                                float64
	Dimensions                                                                               []struct{ Name, Value string }
	AlarmActions, OKActions                                                                  []string
}

func TestAlarms_TellThePeople(t *testing.T) {
	t.Parallel()
	s := deploy(t, defaults(optional()))
	metrics := map[string]bool{}
	for _, r := range s.resources {
		var filter struct{ MetricTransformations []struct{ MetricName string } }
		if r.Type == "AWS::Logs::MetricFilter" {
			convert(t, r.Properties, &filter)
			metrics[filter.MetricTransformations[0].MetricName] = false
		}
	}
	for name, r := range s.resources {
		if r.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		var a alarm
		s.of(name, &a)
		topic := s.attribute("AlarmTopic", "Arn")
		if !slices.Equal(a.AlarmActions, []string{topic}) || a.AlarmDescription == "" {
			t.Errorf("%s tells %v", name, a.AlarmActions)
		}
		// "For alarms with a period of less than one hour, the total evaluation period can't be longer than one day", else seven days (PutMetricAlarm).
		if total := a.Period * a.EvaluationPeriods; a.Period%60 != 0 || total > 7*86400 || a.Period < 3600 && total > 86400 {
			t.Errorf("%s looks at %d periods of %d s", name, a.EvaluationPeriods, a.Period)
		}
		if a.Namespace == "AWS/SQS" {
			if a.MetricName != "ApproximateNumberOfMessagesVisible" || fmt.Sprint(a.Dimensions) != "[{QueueName "+s.attribute("FailedEvents", "QueueName")+"}]" || a.raises(0) || !a.raises(1) {
				t.Errorf("%s: %+v", name, a)
			}
			continue
		}
		if _, is := metrics[a.MetricName]; !is || a.Namespace != "DataArtsBackup/"+stackName || a.Statistic != "Sum" || len(a.Dimensions) > 0 {
			t.Errorf("%s looks at %s %s, which no filter counts", name, a.Namespace, a.MetricName)
		}
		metrics[a.MetricName] = true
		if name == "LateBackupAlarm" { // no news is bad news
			if a.TreatMissingData != "breaching" || a.Period*a.EvaluationPeriods != 26*3600 || !a.raises(0) || a.raises(1) || a.MetricName != "CompleteBackups" || !slices.Equal(a.OKActions, []string{topic}) {
				t.Errorf("%s: %+v", name, a)
			}
		} else if a.TreatMissingData != "notBreaching" || a.raises(0) || !a.raises(1) || a.EvaluationPeriods != 1 {
			t.Errorf("%s: %+v", name, a)
		}
	}
	for metric, watched := range metrics {
		if !watched {
			t.Errorf("no alarm looks at %s", metric)
		}
	}
	var subscription struct{ TopicArn, Protocol, Endpoint string }
	if s.of("AlarmSubscription", &subscription); subscription.TopicArn != s.attribute("AlarmTopic", "Arn") || subscription.Endpoint != "ops@example.com" {
		t.Errorf("%+v", subscription)
	}
	if _, is := deploy(t, defaults(nil)).resources["AlarmSubscription"]; is {
		t.Error("nobody is subscribed")
	}
}

// raises tells whether a sum raises the alarm.
func (a alarm) raises(sum float64) bool {
	switch a.ComparisonOperator {
	case "GreaterThanThreshold":
		return sum > a.Threshold
	case "LessThanThreshold":
		return sum < a.Threshold
	}
	return false
}
