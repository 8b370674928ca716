package lambda

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The patterns of "CreateSchedule" and "Target" in the API reference of EventBridge Scheduler.
var (
	scheduleName       = regexp.MustCompile(`^[0-9a-zA-Z-_.]{1,64}$`)
	scheduleToken      = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,64}$`)
	scheduleRole       = regexp.MustCompile(`^arn:aws(-[a-z]+)?:iam::[0-9]{12}:role/[\w+=,.@/-]+$`)
	scheduleExpression = regexp.MustCompile(`^(at\([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\)|rate\([1-9][0-9]* (minutes?|hours?|days?)\)|cron\(\S+( \S+){5}\))$`)
)

// invalid is a ValidationException with all its faults.
func invalid(faults ...string) *apiError {
	noun := "error"
	if len(faults) > 1 {
		noun = "errors"
	}
	return refuse(http.StatusBadRequest, "ValidationException", "%d validation %s detected: %s", len(faults), noun, strings.Join(faults, "; "))
}

// checkSchedule checks the settings of a schedule as CreateSchedule and UpdateSchedule do.
func checkSchedule(name string, settings map[string]json.RawMessage) *apiError {
	var faults []string
	fault := func(value json.RawMessage, at, constraint string) {
		shown := "null"
		if value != nil {
			shown = "'" + strings.Trim(string(value), `"`) + "'"
		}
		faults = append(faults, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", shown, at, constraint))
	}
	// match checks a text that may be missing unless it is required.
	match := func(in map[string]json.RawMessage, field, at string, required bool, good func(string) bool, constraint string) {
		value, is := in[field]
		switch {
		case !is && required:
			fault(nil, at, "Member must not be null")
		case is && (!isText(value) || !good(text(value))):
			fault(value, at, constraint)
		}
	}
	oneOf := func(values ...string) (func(string) bool, string) {
		return func(s string) bool { return slices.Contains(values, s) }, "Member must satisfy enum value set: [" + strings.Join(values, ", ") + "]"
	}
	number := func(in map[string]json.RawMessage, field, at string, from, to int) {
		value, is := in[field]
		var n int
		if is && (json.Unmarshal(value, &n) != nil || n < from || n > to) {
			fault(value, at, fmt.Sprintf("Member must have value between %d and %d", from, to))
		}
	}
	const pattern = "Member must satisfy regular expression pattern"
	quoted, _ := json.Marshal(name)
	if !scheduleName.MatchString(name) {
		fault(quoted, "name", pattern)
	}
	match(settings, "GroupName", "groupName", false, scheduleName.MatchString, pattern)
	match(settings, "ClientToken", "clientToken", false, scheduleToken.MatchString, pattern)
	match(settings, "ScheduleExpression", "scheduleExpression", true, scheduleExpression.MatchString, "Invalid Schedule Expression.")
	match(settings, "ScheduleExpressionTimezone", "scheduleExpressionTimezone", false, func(zone string) bool {
		_, err := time.LoadLocation(zone)
		return err == nil && zone != "" && zone != "Local"
	}, "Invalid ScheduleExpressionTimezone.")
	match(settings, "Description", "description", false, func(s string) bool { return len(s) <= 512 }, "Member must have length less than or equal to 512")
	good, constraint := oneOf("ENABLED", "DISABLED")
	match(settings, "State", "state", false, good, constraint)
	good, constraint = oneOf("NONE", "DELETE")
	match(settings, "ActionAfterCompletion", "actionAfterCompletion", false, good, constraint)
	for field, at := range map[string]string{"StartDate": "startDate", "EndDate": "endDate"} {
		var date float64
		if value, is := settings[field]; is && json.Unmarshal(value, &date) != nil {
			fault(value, at, "Member must be a timestamp")
		}
	}
	if value, is := settings["FlexibleTimeWindow"]; !is {
		fault(nil, "flexibleTimeWindow", "Member must not be null")
	} else {
		window := members(value)
		good, constraint = oneOf("OFF", "FLEXIBLE")
		match(window, "Mode", "flexibleTimeWindow.mode", true, good, constraint)
		number(window, "MaximumWindowInMinutes", "flexibleTimeWindow.maximumWindowInMinutes", 1, 1440)
		if _, is := window["MaximumWindowInMinutes"]; is != (text(window["Mode"]) == "FLEXIBLE") {
			fault(value, "flexibleTimeWindow", "A maximum window goes with the mode FLEXIBLE")
		}
	}
	if value, is := settings["Target"]; !is {
		fault(nil, "target", "Member must not be null")
	} else {
		target := members(value)
		match(target, "Arn", "target.arn", true, func(s string) bool { return strings.HasPrefix(s, "arn:") && len(s) <= 1600 }, pattern)
		match(target, "RoleArn", "target.roleArn", true, scheduleRole.MatchString, pattern)
		// "If you are configuring a templated Lambda […] target, the input must be a well-formed JSON."
		match(target, "Input", "target.input", false, func(s string) bool { return s != "" && json.Valid([]byte(s)) }, "Invalid Input: it is not well-formed JSON")
		retry := members(target["RetryPolicy"])
		number(retry, "MaximumEventAgeInSeconds", "target.retryPolicy.maximumEventAgeInSeconds", 60, 86400)
		number(retry, "MaximumRetryAttempts", "target.retryPolicy.maximumRetryAttempts", 0, 185)
		match(members(target["DeadLetterConfig"]), "Arn", "target.deadLetterConfig.arn", false, func(s string) bool { return strings.HasPrefix(s, "arn:aws") && strings.Contains(s, ":sqs:") }, pattern)
	}
	if len(faults) == 0 {
		return nil
	}
	return invalid(faults...)
}

func isText(value json.RawMessage) bool { return len(value) > 0 && value[0] == '"' }
