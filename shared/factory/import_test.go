package factory_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

func TestWorkspace_Import(t *testing.T) {
	t.Parallel()
	t.Run("sends what is asked for and returns the task", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct {
			request      factory.ImportRequest
			want, answer string
		}{
			{factory.ImportRequest{Path: "obs://b/f.zip"}, `{"path":"obs://b/f.zip"}`, `{"taskId":"t1"}`},
			{factory.ImportRequest{Path: "obs://b/f.zip", Policy: factory.ImportSkip, TargetStatus: "SUBMITTED", Approvers: []string{"a", `b"`}},
				`{"path":"obs://b/f.zip","sameNamePolicy":"SKIP","targetStatus":"SUBMITTED","approvers":[{"approverName":"a"},{"approverName":"b\""}]}`, `{"task_id":"t1"}`},
		} {
			var sent string
			w, _ := answering(t, func(rw http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				sent = r.Method + " " + r.URL.Path + " " + string(body)
				_, _ = io.WriteString(rw, c.answer)
			})
			id, err := w.Import(t.Context(), c.request)
			if want := "POST /v1/" + project + "/jobs/import " + c.want; err != nil || id != "t1" || sent != want {
				t.Errorf("%q %v\nsent %s\nwant %s", id, err, sent, want)
			}
		}
	})
	t.Run("is not repeated when its answer was lost", func(t *testing.T) {
		t.Parallel()
		calls := 0
		w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) {
			calls++
			rw.WriteHeader(http.StatusBadGateway)
		})
		if _, err := w.Import(t.Context(), factory.ImportRequest{Path: "obs://b/f.zip"}); !errors.Is(err, factory.ErrUnknownOutcome) || calls != 1 {
			t.Errorf("%d calls, %v", calls, err)
		}
	})
	t.Run("wants the id of a task", func(t *testing.T) {
		t.Parallel()
		w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, `{}`) })
		if _, err := w.Import(t.Context(), factory.ImportRequest{Path: "obs://b/f.zip"}); !errors.Is(err, factory.ErrUnknownOutcome) {
			t.Error(err)
		}
	})
	t.Run("tells why there can be none", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct {
			status int
			body   string
			want   error
		}{
			{400, `{"error_code":"DLF.0815","error_msg":"Fail to read OBS file."}`, factory.ErrNoFile},
			{400, `{"error_code":"DLF.20815","error_msg":"Fail to read OBS file."}`, factory.ErrNoFile},
			{400, `{"error_code":"DLF.0803","error_msg":"The OBS path is invalid."}`, factory.ErrNoFile},
			{404, `{"error_code":"APIG.0101","error_msg":"The API does not exist"}`, factory.ErrUnsupported},
			{403, `{"error_code":"APIG.0302","error_msg":"no right"}`, factory.ErrUnauthorized},
		} {
			w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) {
				rw.WriteHeader(c.status)
				_, _ = io.WriteString(rw, c.body)
			})
			if _, err := w.Import(t.Context(), factory.ImportRequest{Path: "obs://b/f.zip"}); !errors.Is(err, c.want) {
				t.Errorf("import: %v, want %v", err, c.want)
			}
			if _, err := w.CheckFile(t.Context(), "obs://b/f.zip"); !errors.Is(err, c.want) {
				t.Errorf("check: %v, want %v", err, c.want)
			}
		}
	})
}

func TestWorkspace_CheckFile(t *testing.T) {
	t.Parallel()
	t.Run("lists the names of the documented example", func(t *testing.T) {
		t.Parallel()
		w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, `{"jobs":[{"name":"test","path":"/test","params":{"ddd":"dddd"}},{"name":"test1","path":"/test"}],"scripts":[{"name":"script1","path":"/path1"}]}`)
		})
		got, err := w.CheckFile(t.Context(), "obs://aaaaa/job_batch.zip")
		if diff := cmp.Diff(factory.FileContent{Jobs: []string{"test", "test1"}, Scripts: []string{"script1"}}, got); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
	})
	t.Run("is repeated like every read", func(t *testing.T) {
		t.Parallel()
		calls := 0
		w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) {
			if calls++; calls < 3 {
				rw.WriteHeader(http.StatusBadGateway)
				return
			}
			_, _ = io.WriteString(rw, `{"jobs":[]}`)
		})
		if _, err := w.CheckFile(t.Context(), "obs://b/f.zip"); err != nil || calls != 3 {
			t.Errorf("%d calls, %v", calls, err)
		}
	})
	t.Run("finds an error with status 200", func(t *testing.T) {
		t.Parallel()
		w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, `{"error_code":"DLF.0815","error_msg":"Fail to read OBS file."}`)
		})
		if got, err := w.CheckFile(t.Context(), "obs://b/f.zip"); !errors.Is(err, factory.ErrNoFile) {
			t.Errorf("%v %v", got, err)
		}
	})
}

func TestWorkspace_Task(t *testing.T) {
	t.Parallel()
	t.Run("reads the documented example and other spellings of it", func(t *testing.T) {
		t.Parallel()
		for name, c := range map[string]struct {
			answer string
			want   factory.Task
		}{
			"documented": {`{"endTime":1544777083000,"id":"t","lastUpdate":1544777083000,"name":"Import the job from obs://aaaaa/job_batch.zip.","startTime":1544777081000,
				"status":"SUCCESSFUL","subtasks":[{"id":"1","lastUpdate":1544777083000,"name":"Import the job_batch job.","status":"SUCCESSFUL","taskId":"2"}]}`,
				factory.Task{ID: "t", Status: factory.TaskSuccessful, Started: time.UnixMilli(1544777081000).UTC(),
					Subtasks: []factory.Subtask{{Name: "Import the job_batch job.", Status: factory.TaskSuccessful}}}},
			"spelled otherwise": {`{"status":"failed","start_time":"1544777081000","subTasks":[{"name":"x","status":"Failed","lastMessage":"DLF.0102"}]}`,
				factory.Task{ID: "t", Status: factory.TaskFailed, Started: time.UnixMilli(1544777081000).UTC(),
					Subtasks: []factory.Subtask{{Name: "x", Status: factory.TaskFailed, Message: "DLF.0102"}}}},
			"bare": {`{"status":"RUNNING"}`, factory.Task{ID: "t", Status: factory.TaskRunning}},
		} {
			w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, c.answer) })
			got, err := w.Task(t.Context(), "t")
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("%s: %v\n%s", name, err, diff)
			}
			if got.Over() != (name != "bare") {
				t.Errorf("%s: over %v", name, got.Over())
			}
		}
	})
	t.Run("tells of one that is not known, by either code", func(t *testing.T) {
		t.Parallel()
		for _, code := range []string{"DLF.0810", "DLF.20810"} {
			w, _ := answering(t, func(rw http.ResponseWriter, _ *http.Request) {
				rw.WriteHeader(http.StatusBadRequest)
				_, _ = fmt.Fprintf(rw, `{"error_code":%q,"error_msg":"Task [t] does not exist."}`, code)
			})
			if _, err := w.Task(t.Context(), "t"); !errors.Is(err, factory.ErrNoTask) {
				t.Error(err)
			}
		}
	})
}

// The emulated service and the client agree on the whole of it.
func TestWorkspace_ImportsFromTheEmulatedService(t *testing.T) {
	t.Parallel()
	c := newCloud(t, dataarts.Switches{})
	if _, err := c.workspace.CheckFile(t.Context(), "obs://b/none.zip"); !errors.Is(err, factory.ErrNoFile) {
		t.Errorf("check: %v", err)
	}
	if _, err := c.workspace.Import(t.Context(), factory.ImportRequest{Path: "obs://b/none.zip"}); !errors.Is(err, factory.ErrNoFile) {
		t.Errorf("import: %v", err)
	}
	if _, err := c.workspace.Task(t.Context(), "none"); !errors.Is(err, factory.ErrNoTask) {
		t.Errorf("task: %v", err)
	}
	c.service.SetSwitches(func(s *dataarts.Switches) { s.ImportUnsupported = true })
	if _, err := c.workspace.Import(t.Context(), factory.ImportRequest{Path: "obs://b/none.zip"}); !errors.Is(err, factory.ErrUnsupported) {
		t.Errorf("not published: %v", err)
	}
}
