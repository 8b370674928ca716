package restore_test

import (
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

// A plan is approved by its hash, perhaps by a request that spells the same in other words.
func TestRun_ThePlanHashHangsOnWhatARequestMeans(t *testing.T) {
	t.Parallel()
	const own = localtest.Workspace
	for name, test := range map[string]struct {
		one, other string // members of the two requests
		differ     bool
	}{
		"the_workspace_left_out_is_that_of_the_backup": {`"date":"2026-11-22"`, `"date":"2026-11-22","workspace":"` + own + `"`, false},
		"another_workspace_is_another_plan":            {`"date":"2026-11-22"`, `"date":"2026-11-22","source":"` + own + `","workspace":"` + localtest.Other + `"`, true},
		"a_path_is_a_date":                             {`"date":"2026-11-22"`, `"path":"PATH"`, false},
		"latest_is_a_date":                             {`"date":"2026-11-22"`, `"date":"latest"`, false},
		"a_selection_of_nothing_is_none":               {`"date":"2026-11-22"`, `"date":"2026-11-22","select":{}`, false},
		"all_kinds_are_no_selection":                   {`"date":"2026-11-22"`, `"date":"2026-11-22","select":{"kinds":["jobs","env","resources","scripts"]}`, false},
		"the_order_of_a_selection_is_none": {`"date":"2026-11-22","select":{"kinds":["jobs","scripts"],"names":["a","b"]}`,
			`"date":"2026-11-22","select":{"kinds":["scripts","jobs"],"names":["b","a","a"]}`, false},
		"another_selection_is_another_plan":    {`"date":"2026-11-22","select":{"names":["a"]}`, `"date":"2026-11-22","select":{"names":["a","b"]}`, true},
		"schedules_are_kept_unless_told_else":  {`"date":"2026-11-22"`, `"date":"2026-11-22","schedules":"keep"`, false},
		"other_schedules_are_another_plan":     {`"date":"2026-11-22"`, `"date":"2026-11-22","schedules":"stop"`, true},
		"a_replacement_of_nothing_is_none":     {`"date":"2026-11-22"`, `"date":"2026-11-22","replace":{"connectionName":{"nowhere":"else"}}`, false},
		"approvers_have_no_order":              {`"date":"2026-11-22","approvers":["ada","bob"]`, `"date":"2026-11-22","approvers":["bob","ada","bob"]`, false},
		"other_approvers_are_another_plan":     {`"date":"2026-11-22","approvers":["ada","bob"]`, `"date":"2026-11-22","approvers":["ada"]`, true},
		"approvers_are_not_run_into_one":       {`"date":"2026-11-22","approvers":["ada","bob"]`, `"date":"2026-11-22","approvers":["ada\nbob"]`, true},
		"another_target_status_is_another":     {`"date":"2026-11-22"`, `"date":"2026-11-22","targetStatus":"SAVED"`, true},
		"what_may_be_missing_is_no_difference": {`"date":"2026-11-22"`, `"date":"2026-11-22","allowPartial":true`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b")))
			d.Handle(localtest.Workspace).Delete(dataarts.Jobs, "a")
			plan := func(members string) *restore.Report {
				return d.must(restore.Planned, `{`+members+`,"duplicateNamePolicy":"overwrite","dryRun":true}`)
			}
			one := plan(test.one)
			other := plan(strings.Replace(test.other, "PATH", one.Backup, 1))
			if (one.PlanHash != other.PlanHash) != test.differ {
				t.Errorf("hashes %s and %s", one.PlanHash, other.PlanHash)
			}
		})
	}
}

func TestRun_APlanMadeWithoutAWorkspaceIsAppliedByARequestThatNamesIt(t *testing.T) {
	t.Parallel()
	d := newDesk(t, having(dataarts.Jobs, batch("a"), batch("b")))
	d.Handle(localtest.Workspace).Delete(dataarts.Jobs, "a")
	plan := d.must(restore.Planned, `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true}`)
	d.must(restore.Complete, `{"path":"`+plan.Backup+`","workspace":"`+plan.Workspace+`","duplicateNamePolicy":"overwrite","planHash":"`+plan.PlanHash+`"}`)
}
