package terraform_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/terraform/plan"
	"github.com/dataarts-backup/dataarts-backup/shared/config"
)

func TestHuaweiCloud_MistakesAreRefusedBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		inputs map[string]any
		of     string
	}{
		"no authentication":                 {map[string]any{"gateway": map[string]any{"instance_id": "9a1c", "auth": "NONE"}}, "variable gateway"},
		"an offset for a zone":              {map[string]any{"time_zone": "+02:00"}, "variable time_zone"},
		"no workspace":                      {map[string]any{"workspaces": []string{}}, "variable workspaces"},
		"the same workspace twice":          {map[string]any{"workspaces": []string{"a", "a"}}, "variable workspaces"},
		"one workspace beside all":          {map[string]any{"workspaces": []string{"*", "a"}}, "variable workspaces"},
		"all of no instance":                {map[string]any{"workspaces": []string{"*"}}, "huaweicloud_fgs_function.backup"},
		"several in one folder":             {map[string]any{"workspaces": []string{"a", "b"}, "location": "dataarts"}, "huaweicloud_fgs_function.backup"},
		"more workspaces than instances":    {map[string]any{"workspaces": []string{"a", "b"}, "max_instances": map[string]any{"backup": 2}}, "huaweicloud_fgs_function.backup"},
		"another placeholder":               {map[string]any{"location": "a/{date}"}, "variable location"},
		"a location with a slash in front":  {map[string]any{"location": "/a"}, "variable location"},
		"a nightly folder of the functions": {map[string]any{"nightly_folder": "a/restores"}, "variable nightly_folder"},
		"a nightly folder that is a date":   {map[string]any{"nightly_folder": "2026-11-22"}, "variable nightly_folder"},
		"the same rule twice":               {map[string]any{"keep": "daily=3,daily=4"}, "variable keep"},
		"a rule of none":                    {map[string]any{"keep": "daily=0"}, "variable keep"},
		"no age key":                        {map[string]any{"recipients": []string{"age1abc"}}, "variable recipients"},
		"plain HTTP":                        {map[string]any{"obs_endpoint": "http://obs.example.com"}, "variable obs_endpoint"},
		"a drill among the backups":         {map[string]any{"drill": map[string]any{"workspace": "0dd3a0e6b0c64a0e8d0fbb5f4a7d9c11"}}, "huaweicloud_fgs_function_trigger.drill[0]"},
		"a drill beside all":                {map[string]any{"workspaces": []string{"*"}, "instance_id": "i", "drill": map[string]any{"workspace": "c", "source": "a"}}, "huaweicloud_fgs_function_trigger.drill[0]"},
		"IAM for everybody":                 {map[string]any{"gateway": map[string]any{"instance_id": "9a1c", "auth": "IAM"}}, "variable gateway"},
		"accounts of apps":                  {map[string]any{"gateway": map[string]any{"instance_id": "9a1c", "accounts": []string{anAccount}}}, "variable gateway"},
		"an account by its name":            {map[string]any{"gateway": map[string]any{"instance_id": "9a1c", "auth": "IAM", "accounts": []string{"example"}}}, "variable gateway"},
		"backups among resources":           {map[string]any{"resource_buckets": []string{"jars", "vault"}}, "huaweicloud_fgs_function.restore"},
		"another project's id alone":        {map[string]any{"project_id": "b384b9e9ab9b4ee8994c8633aabc9505"}, "huaweicloud_identity_agency.function[\"backup\"]"},
		"another project's name alone":      {map[string]any{"dataarts_project_name": "data"}, "huaweicloud_identity_agency.function[\"backup\"]"},
		"a drill of nobody's backup":        {map[string]any{"workspaces": []string{"a", "b"}, "drill": map[string]any{"workspace": "c"}}, "huaweicloud_fgs_function_trigger.drill[0]"},
		"a drill every second":              {map[string]any{"drill": map[string]any{"workspace": "c", "schedule": "* * * * * *"}}, "variable drill"},
		"alarms in nobody's name":           {map[string]any{"alarm_user": ""}, "huaweicloud_lts_keywords_alarm_rule.log[\"backup-failed\"]"},
		"logs that alarms cannot read":      {map[string]any{"log_level": "warn"}, "variable log_level"},
		"access logs into the same bucket":  {map[string]any{"access_log_bucket": "vault"}, "huaweicloud_obs_bucket.backups[0]"},
		"a function that is switched off":   {map[string]any{"max_instances": map[string]any{"restore": 0}}, "variable max_instances"},
		"memory that FunctionGraph has not": {map[string]any{"memory": map[string]any{"backup": 500}}, "variable memory"},
		"more settings than 2 KB":           {map[string]any{"recipients": slices.Repeat([]string{"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"}, 32)}, "huaweicloud_fgs_function.backup"},
	} {
		_, err := tried(huaweicloud, with(few(), c.inputs))
		failed, ok := errors.AsType[*plan.ConditionFailed](err)
		if !ok || failed.Of != c.of {
			t.Errorf("%s: %v, want a refusal of %s", name, err, c.of)
		}
	}
}

// A location or a rule that the template takes has to be one that the code takes; the other way round it would only be tiresome.
func TestHuaweiCloud_WhatItTakesTheCodeTakes(t *testing.T) {
	t.Parallel()
	for _, keep := range []string{"daily=1", "weekly=8,yearly=99999", "daily=36525", "monthly=12,daily=7"} {
		_, refused := tried(huaweicloud, with(few(), map[string]any{"keep": keep}))
		if _, err := config.ParseKeep(keep); err != nil && refused == nil {
			t.Errorf("keep %q is taken, and the code says %v", keep, err)
		}
	}
	for _, location := range []string{"a", "a/b", "a//b", "a/", "..", "a/../b", "x{workspace}y", "{workspace}/{workspace}", "a{b}", "日本"} {
		_, refused := tried(huaweicloud, with(few(), map[string]any{"location": location}))
		if _, err := config.ParseLocation("obs://vault/" + location); err != nil && refused == nil {
			t.Errorf("location %q is taken, and the code says %v", location, err)
		}
	}
}
