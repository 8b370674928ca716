package handler_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
)

func failureOf(err error) (*runtime.Failure, bool) { return errors.AsType[*runtime.Failure](err) }

func TestRestore_TellsOfWhatDidNotEndAsItShould(t *testing.T) {
	t.Parallel()
	deny := func(status int, op dataarts.Operation) func(*functions) {
		return func(f *functions) {
			f.DataArts.Intercept(func(_ *http.Request, o dataarts.Operation) *dataarts.Fault {
				if o == op {
					return &dataarts.Fault{Status: status, Code: "DLF.0001"}
				}
				return nil
			})
		}
	}
	wiped := func(f *functions) { f.Handle(localtest.Workspace).Wipe() }
	for name, c := range map[string]struct {
		prepare       []func(*functions)
		request       string
		subject, text string // empty: nobody is told
	}{
		"a_partial_restore": {[]func(*functions){wiped, deny(400, dataarts.CreateScript)}, `{"id":"mine","date":"latest","duplicateNamePolicy":"overwrite"}`,
			"DataArts restore PARTIAL: workspace " + localtest.Workspace, "- failed: script"},
		"a_refused_restore": {nil, `{"id":"mine","date":"latest","duplicateNamePolicy":"fail"}`,
			"DataArts restore FAILED: workspace " + localtest.Workspace, "duplicateNamePolicy is fail"},
		"an_interrupted_restore": {[]func(*functions){wiped, deny(401, dataarts.CreateScript)}, `{"id":"mine","date":"latest","duplicateNamePolicy":"overwrite"}`,
			"DataArts restore INTERRUPTED: workspace " + localtest.Workspace, "goes on when the same request comes again"},
		"not_a_complete_restore":                      {[]func(*functions){wiped}, `{"date":"latest","duplicateNamePolicy":"overwrite"}`, "", ""},
		"not_a_plan_that_refuses":                     {nil, `{"date":"latest","duplicateNamePolicy":"fail","dryRun":true}`, "", ""},
		"not_a_request_whose_sender_reads_the_answer": {nil, `{"date":"monday"}`, "", ""},
		"a_refused_undo":                              {nil, `{"undo":"none"}`, "DataArts undo FAILED", `there is no restore "none"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFunctions(t)
			h, people := f.tellingRestore(map[string]string{})
			for _, prepare := range c.prepare {
				prepare(f)
			}
			answer, err := f.invoke(h, []byte(c.request))
			messages := people.Messages()
			if c.subject == "" {
				if len(messages) > 0 {
					t.Errorf("told: %+v", messages)
				}
				return
			}
			if len(messages) != 1 || messages[0].Subject != c.subject || !strings.Contains(messages[0].Text, c.text) || !strings.Contains(messages[0].Text, "request: r") {
				t.Errorf("%s %v\ntold: %+v", answer, err, messages)
			}
		})
	}
}

func TestRestore_TellsOfAPartialUndo(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	h, people := f.tellingRestore(map[string]string{})
	f.Handle(localtest.Workspace).Wipe()
	if answer, err := f.invoke(h, []byte(`{"id":"mine","date":"latest","duplicateNamePolicy":"overwrite"}`)); err != nil {
		t.Fatal(answer, err)
	}
	f.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.DeleteScript {
			return &dataarts.Fault{Status: 400, Code: "DLF.0001"}
		}
		return nil
	})
	_, _ = f.invoke(h, []byte(`{"undo":"mine"}`))
	messages := people.Messages()
	if len(messages) != 1 || messages[0].Subject != "DataArts undo PARTIAL: workspace "+localtest.Workspace || !strings.Contains(messages[0].Text, "was not removed") {
		t.Errorf("%+v", messages)
	}
}

func TestRestore_TellsOfARequestInTheBucketThatCannotBeUnderstood(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ request, told string }{
		"a_fault":            {`{"date":"monday"}`, "monday"},
		"a_fault_of_a_drill": {`{"drill":{"workspace":"monday!"}}`, "monday!"},
		"more_than_is_read":  {strings.Repeat(" ", 1<<20) + `{}`, "a restore request has 1048576 bytes at most"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFunctions(t)
			h, people := f.tellingRestore(map[string]string{})
			if err := f.Objects.PutObject(localtest.Bucket, "restore-requests/a.json", []byte(test.request)); err != nil {
				t.Fatal(err)
			}
			_, err := f.invoke(h, functiongraph.ObjectCreatedEvent(localtest.Bucket, "restore-requests/a.json", "", int64(len(test.request)), midnight, localtest.Region))
			if _, ok := errors.AsType[*runtime.Unsuccessful](err); !ok {
				t.Errorf("%v", err)
			}
			messages := people.Messages()
			if len(messages) != 1 || messages[0].Subject != "DataArts restore FAILED" || !strings.Contains(messages[0].Text, "restore-requests/a.json: ") ||
				!strings.Contains(messages[0].Text, test.told) {
				t.Errorf("told: %+v", messages)
			}
		})
	}
}
