package local_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
)

// The documents contradict each other, and services have bad days. Whatever is true of a region, a backup is whole and a restore puts everything back.
func TestBackupAndRestore_hold_whichever_reading_of_the_documents_is_true(t *testing.T) {
	t.Parallel()
	for name, switches := range map[string]dataarts.Switches{
		"offsets_count_records":              {RecordOffsets: true},
		"the_id_of_a_resource_is_resourceId": {ResourceIDKey: "resourceId"},
		"a_resource_answers_without_its_id":  {HideResourceID: true},
		"script_errors_in_an_envelope":       {ScriptErrorsEnvelope: true},
		"createTime_is_a_string":             {StringCreateTime: true},
		"no_tags_are_an_object":              {EmptyTagsAsObject: true},
		"rows_in_snake_case":                 {SnakeScripts: true, SnakeDepends: true},
		"variables_are_merged":               {EnvMerge: true},
		"variables_answer_JSON":              {EnvAnswer: dataarts.EnvAnswerJSON},
		"variables_answer_nothing":           {EnvAnswer: dataarts.EnvAnswerNoContent},
		"no_API_for_variables":               {EnvUnsupported: true},
		"writes_are_seen_some_reads_later":   {StaleReads: 2},
		"writes_are_seen_after_a_while":      {StaleFor: 400 * time.Millisecond},
		"running_jobs_cannot_be_changed":     {RefuseRunning: true},
		"few_requests_a_second":              {RateLimit: 15, RetryAfter: time.Second},
		"few_requests_without_a_word":        {RateLimit: 15},
		"writes_are_reviewed":                {Review: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, w := filled(t, local.Options{Switches: switches})
			if switches.EnvUnsupported {
				w.Delete(dataarts.Env, "env")
			}
			before, running := local.TakeSnapshot(w), statuses(w)

			run(t, "backup", nightly, c.Environment()).succeed(t)
			m := provedBackup(t, c, local.WorkspaceID+"/2026-11-22/")
			if unsupported := len(m.Unsupported) == 1 && m.Unsupported[0].Kind == "env" && m.Unsupported[0].Reason != ""; unsupported != switches.EnvUnsupported {
				t.Errorf("unsupported is %+v", m.Unsupported)
			}

			deleted := damage(t, w)
			request := `{"date":"2026-11-22","duplicateNamePolicy":"overwrite"}`
			if switches.Review {
				request = `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","targetStatus":"SUBMITTED","approvers":["lead"]}`
			}
			r := answer[report](t, run(t, "restore", request, c.Environment()))
			counts := map[string]int{"created": deleted, "overwritten": 3, "unchanged": 3 + 6 + 8 - deleted - 3}
			if !switches.EnvUnsupported {
				counts["overwritten"] += 1
				counts["unchanged"] += 5 - 1
			}
			r.wants(t, "COMPLETE", counts)
			equal(t, before, w)
			for job, status := range running {
				if now := w.JobStatus(job); now != status && now != "STOPPED" {
					t.Errorf("job %s was %s and is %s", job, status, now)
				}
			}
			if got := w.JobStatus("ads_orders_df"); got != "SCHEDULING" {
				t.Errorf("a job that ran before it was overwritten is %s", got)
			}
		})
	}
}

func statuses(w *dataarts.WorkspaceHandle) map[string]string {
	all := map[string]string{}
	for name := range w.All(dataarts.Jobs) {
		all[name] = w.JobStatus(name)
	}
	return all
}

// damage deletes every third asset of each kind but the running job, and changes the running job, a script, a resource and a variable.
func damage(t *testing.T, w *dataarts.WorkspaceHandle) (deleted int) {
	t.Helper()
	for _, kind := range []dataarts.Kind{dataarts.Resources, dataarts.Scripts, dataarts.Jobs} {
		for i, identity := range slices.Sorted(maps.Keys(w.All(kind))) {
			if i%3 == 2 && identity != "ads_orders_df" {
				w.Delete(kind, identity)
				deleted++
			}
		}
	}
	changeSome(t, w, func(i int) bool { return i == 0 })
	return deleted
}
