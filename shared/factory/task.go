package factory

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// The statuses of a task and of its subtasks. The page has the first three; WARNING is in the SDK only.
const (
	TaskRunning    = "RUNNING"
	TaskSuccessful = "SUCCESSFUL"
	TaskFailed     = "FAILED"
	TaskWarning    = "WARNING"
)

// codeNoTask is the answer to the id of a task that does not exist (error table; the example spells it DLF.20810).
const codeNoTask = "DLF.0810"

// ErrNoTask says that the service knows no task with this id.
var ErrNoTask = errors.New("no such task")

// Task is how a system task stands, such as an import (Querying System Task Details page).
type Task struct {
	ID       string
	Status   string    // in upper case: TaskRunning, …; another one is as the service spells it
	Started  time.Time // by the service's clock; zero where it does not say
	Subtasks []Subtask // one for each asset, as far as the service has begun them
}

// Subtask is one asset's part of a task.
type Subtask struct {
	Name    string // in the documentation's example "Import the job_batch job."
	Status  string
	Message string // what went wrong, in the service's words; may be empty
}

// Over tells whether the task has ended. A status that is not known counts as an end: waiting for another would have none.
func (t Task) Over() bool { return t.Status != TaskRunning }

// Task asks how a task stands. Errors: ErrNoTask.
func (w *Workspace) Task(ctx context.Context, id string) (Task, error) {
	t := Task{ID: id}
	q := &call{
		operation: "get task", asset: id, service: w.client.v1, workspace: w.id, effect: read, method: http.MethodGet,
		path: w.client.path("v1", "system-tasks", id),
	}
	q.accept = func(body io.Reader, _ http.Header) error {
		data, err := w.client.readObject(body)
		if err != nil {
			return err
		}
		root := gjson.ParseBytes(data)
		if t.Status = strings.ToUpper(first(root, "status")); t.Status == "" {
			if said := parseEnvelope(data); said.Code != "" {
				return envelopeError(said)
			}
			return malformed(errors.New("no status"))
		}
		if ms := gjson.Parse(first(root, "startTime", "start_time")).Int(); ms > 0 {
			t.Started = time.UnixMilli(ms).UTC()
		}
		t.Subtasks = nil
		for _, list := range []string{"subtasks", "subTasks", "sub_tasks"} {
			for _, one := range root.Get(list).Array() {
				t.Subtasks = append(t.Subtasks, Subtask{Name: first(one, "name"), Status: strings.ToUpper(first(one, "status")),
					Message: shorten(first(one, "message", "lastMessage", "error_msg", "errorMsg"))})
			}
		}
		return nil
	}
	err := w.client.do(ctx, q)
	if IsCode(err, codeNoTask) {
		var e *Error
		if errors.As(err, &e) && e.Err == nil {
			e.Err = ErrNoTask
		}
	}
	return t, err
}
