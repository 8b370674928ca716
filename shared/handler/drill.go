package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/drill"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// timer holds the drill that the timer's user_event asks for. A tick that is delivered again goes on with its drill.
func (r *restoring) timer(ctx context.Context, e event.Timer) (any, error) {
	command, err := timedDrill(e)
	if err != nil {
		drillFailed.log(ctx, "drill")
		r.tellOfFault(ctx, "drill", fmt.Errorf("the timer %s: %w", e.Name, err)) // Nobody reads the answer of a timer.
		return nil, failure("BadRequest", err)
	}
	id, err := timedID(command.Drill, *command.Time)
	if err != nil {
		return nil, failure("BadRequest", err)
	}
	return r.drill(ctx, id, command.Drill)
}

// timedDrill reads the command in a timer's event.
func timedDrill(e event.Timer) (drill.Command, error) {
	const want = `{"drill": {"workspace": "id of the drill workspace"}}`
	text := bytes.TrimSpace([]byte(e.UserEvent))
	if len(text) == 0 {
		return drill.Command{}, fmt.Errorf("the timer's user_event is empty, and a timer of the restore function holds drills: want %s", want)
	}
	if rawjson.Check(text) == nil && !drill.IsCommand(text) {
		return drill.Command{}, fmt.Errorf("the timer's user_event asks for no drill, and a timer of the restore function holds nothing else: want %s", want)
	}
	command, err := drill.ParseCommand(text)
	if err != nil {
		return drill.Command{}, fmt.Errorf("the timer's user_event: %w", err)
	}
	if command.Time == nil {
		command.Time = &e.Time
	}
	return command, nil
}

// drillCommand holds the drill that a direct invocation asks for. Without a time it is another one each time.
func (r *restoring) drillCommand(ctx context.Context, data []byte) (any, error) {
	command, err := drill.ParseCommand(data)
	if err != nil {
		drillFailed.log(ctx, "drill")
		if r.inv.Async { // Nobody reads the answer.
			r.tellOfFault(ctx, "drill", err)
		}
		return nil, failure("BadRequest", err)
	}
	id := "drill-" + r.options.NewID()
	if command.Time != nil {
		if id, err = timedID(command.Drill, *command.Time); err != nil {
			return nil, failure("BadRequest", err)
		}
	}
	return r.drill(ctx, id, command.Drill)
}

// drillObject holds the drill that the object at key asks for. Each delivery of the same object means the same drill.
func (r *restoring) drillObject(ctx context.Context, key, etag string, data []byte) (any, error) {
	command, err := drill.ParseCommand(data)
	if err != nil {
		drillFailed.log(ctx, "drill")
		return r.refuseUnread(ctx, requestID(key, etag), data, fmt.Errorf("%s: %w", key, err))
	}
	id := "drill-" + vault.Hash([]byte(key + "\n" + etag))[:16]
	if command.Time != nil {
		if id, err = timedID(command.Drill, *command.Time); err != nil {
			return nil, failure("BadRequest", err)
		}
	}
	return r.drill(ctx, id, command.Drill)
}

// timedID is the id of the drill that is due at a moment. Two timers may tick at the same one.
func timedID(spec drill.Spec, due time.Time) (string, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return "", fmt.Errorf("drill: %w", err)
	}
	return "drill-" + due.UTC().Format("20060102T150405Z") + "-" + vault.Hash(text)[:8], nil
}

// drill holds a drill and turns its end into the answer of an invocation. One that failed is an error, so that the platform counts it; trying again
// is answered from the record.
func (r *restoring) drill(ctx context.Context, id string, spec drill.Spec) (any, error) {
	options := drill.Options{Restore: r.restoreOptions(), Protected: r.config.Workspaces}
	if r.config.NotifyTopicURN != "" {
		options.Tell = r.tellOfDrill
	}
	record, err := drill.Run(ctx, id, spec, options)
	outcomeOfDrill(record, err).log(ctx, "drill")
	var answer any
	if record != nil {
		answer = record
	}
	if err != nil {
		err = r.advised(err)
		if !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil { // one that has used up its time goes on when its event comes again
			r.tellOfFault(ctx, "drill "+id, err)
		}
		return answer, failure("DrillInterrupted", err)
	}
	if record.Status != drill.Good {
		return answer, failure("DrillFailed", fmt.Errorf("drill %s is %s: %s", id, record.Status, record.Message))
	}
	return answer, nil
}

// tellOfDrill sends the notification of a drill that failed.
func (r *restoring) tellOfDrill(ctx context.Context, failed *drill.Record) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Status: %s", failed.Status)
	line("The backup could not be proved to be restorable. Step: %s", failed.Step)
	line("Backup: %s", failed.Backup)
	line("Drill workspace: %s", failed.Workspace)
	line("%s", failed.Message)
	for _, left := range failed.Left {
		line("- left in the drill workspace: %s", left)
	}
	line("")
	line("Drill: %s, request: %s", failed.ID, r.inv.RequestID)
	return r.publish(ctx, r.inv, fmt.Sprintf("DataArts drill FAILED: backup of workspace %s", failed.Source), b.String())
}
