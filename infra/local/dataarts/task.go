package dataarts

import "time"

// task is what Querying System Task Details tells of an import.
type task struct {
	id, name, status string
	ws               *workspace
	polls            int    // how often it is still RUNNING
	endless          bool   // it is always RUNNING
	later            func() // carries it out when it is no longer RUNNING
	started          time.Time
	subtasks         []subtask
}

type subtask struct {
	id, taskID, name, status, message string
	at                                time.Time
}

func (q *request) showTask() (reply, error) {
	t := q.s.tasks[q.args[1]]
	if t == nil || t.ws != q.ws {
		// The example's code; the table of error codes says DLF.0810.
		return reply{}, refuse("DLF.20810", "Task ["+q.args[1]+"] does not exist.")
	}
	running := t.polls > 0 || t.endless
	t.polls = max(t.polls-1, 0)
	if !running && t.later != nil {
		t.later()
		t.later = nil
	}
	status := t.status
	if running {
		status = "RUNNING"
	}
	subtasks := []jsonLiteral{}
	for _, sub := range t.subtasks {
		var f fields
		f.add("id", sub.id)
		f.add("lastUpdate", millis(sub.at))
		f.add("name", sub.name)
		if status == "RUNNING" {
			f.add("status", status)
		} else {
			f.add("status", sub.status)
			f.add("taskId", sub.taskID)
			if sub.message != "" {
				f.add("message", sub.message)
			}
		}
		subtasks = append(subtasks, jsonLiteral(f.object()))
	}
	var f fields
	if status != "RUNNING" {
		f.add("endTime", millis(t.started))
	}
	f.add("id", t.id)
	f.add("lastUpdate", millis(t.started))
	f.add("name", t.name)
	f.add("projectId", q.args[0])
	f.add("startTime", millis(t.started))
	f.add("status", status)
	f.add("subtasks", subtasks)
	return okJSON(f.object())
}
