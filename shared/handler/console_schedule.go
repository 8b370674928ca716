package handler

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/schedule"
	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
)

// scheduleAnswer is the answer to GET and PUT /schedule.
type scheduleAnswer struct {
	Enabled    bool       `json:"enabled"`
	Folder     string     `json:"folder"` // below the location; empty for the location itself
	Path       string     `json:"path"`   // obs:// path of the location with the folder, {workspace} left in; empty where there is no timer
	Trigger    string     `json:"trigger"`
	Expression string     `json:"expression"`
	TimeZone   string     `json:"timeZone"`
	NextRun    *time.Time `json:"nextRun"`
	Message    string     `json:"message"`
}

// scheduleChange is the body of PUT /schedule; what is nil stays as it is.
type scheduleChange struct {
	Enabled *bool   `json:"enabled"`
	Folder  *string `json:"folder"` // below the location, or an obs:// path in it
	Trigger string  `json:"trigger"`
}

// showSchedule serves GET /schedule.
func (c *console) showSchedule(ctx context.Context, r event.Request) (reply, error) {
	p := &parameters{values: r.Query}
	trigger := p.text("trigger")
	if err := p.err(); err != nil {
		return reply{}, err
	}
	answer, err := c.schedule(ctx, trigger)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, answer)
}

// putSchedule serves PUT /schedule.
func (c *console) putSchedule(ctx context.Context, r event.Request) (reply, error) {
	p := &parameters{values: r.Query}
	trigger := p.text("trigger")
	change, err := c.readScheduleChange(r.Body)
	if trigger != "" && change.Trigger != "" && change.Trigger != trigger {
		p.fault("trigger: %q, but the body names %q", trigger, change.Trigger)
	}
	if refusal, ok := errors.AsType[*httpError](err); ok && len(p.faults) == 0 && refusal.status == http.StatusForbidden {
		return reply{}, err
	}
	if err != nil {
		p.fault("%v", err)
	}
	if err := p.err(); err != nil {
		return reply{}, err
	}
	change.Trigger = cmp.Or(trigger, change.Trigger)
	answer, err := c.setSchedule(ctx, change)
	if err != nil {
		return reply{}, err
	}
	return jsonReply(http.StatusOK, answer)
}

// schedule is the state of the daily backup, as the platform has it. trigger names the timer where there are several, and is else empty.
func (c *console) schedule(ctx context.Context, trigger string) (scheduleAnswer, error) {
	platform, err := c.platform()
	if err != nil {
		return scheduleAnswer{}, err
	}
	s, err := schedule.Read(ctx, platform, trigger, c.options.Now())
	if err != nil {
		return scheduleAnswer{}, platformError(ctx, err)
	}
	return c.scheduleAnswer(s), nil
}

// setSchedule starts or stops the daily backup, and says where it goes. The answer is the state that the platform then has.
func (c *console) setSchedule(ctx context.Context, change scheduleChange) (scheduleAnswer, error) {
	platform, err := c.platform()
	if err != nil {
		return scheduleAnswer{}, err
	}
	if change.Folder != nil {
		folder, err := c.folderBelow(*change.Folder)
		if err != nil {
			return scheduleAnswer{}, err
		}
		change.Folder = &folder
	}
	s, err := schedule.Set(ctx, platform, schedule.Change(change), c.options.Now())
	if err != nil {
		return scheduleAnswer{}, platformError(ctx, err)
	}
	return c.scheduleAnswer(s), nil
}

func (c *console) scheduleAnswer(s schedule.Schedule) scheduleAnswer {
	a := scheduleAnswer{Enabled: s.Enabled, Folder: s.Folder, Trigger: s.Trigger, Expression: s.Expression, TimeZone: s.TimeZone, NextRun: s.NextRun, Message: s.Message}
	if s.Trigger != "" {
		a.Path = c.config.Location.String() + "/"
		if s.Folder != "" {
			a.Path += s.Folder + "/"
		}
	}
	for _, note := range c.timerNotes(s.Input) {
		if a.Message != "" {
			a.Message += "; "
		}
		a.Message += note
	}
	return a
}

// scheduledTime stands for the moment of a run in what an EventBridge schedule delivers ("Context attributes" of EventBridge Scheduler). On FunctionGraph it
// is a text like any other.
const scheduledTime = "<aws.scheduler.scheduled-time>"

// timerNotes is what the text of a timer's events means for the backups, where that is not what one expects of a daily backup.
func (c *console) timerNotes(input string) []string {
	text := bytes.TrimSpace([]byte(input))
	if rawjson.Check(text) != nil {
		return nil
	}
	fixed := true
	if !strings.HasPrefix(c.config.BackupFunction, fgURN) {
		fixed = !bytes.Contains(text, []byte(scheduledTime))
		text = bytes.ReplaceAll(text, []byte(scheduledTime), []byte(c.options.Now().Format(time.RFC3339)))
	}
	command, err := readBackupCommand(text)
	if err != nil {
		return []string{fmt.Sprintf("the backup function refuses the text of the timer's events: %v", err)}
	}
	var notes []string
	if len(command.Workspaces) > 0 {
		notes = append(notes, "of the workspaces, only these are backed up: "+strings.Join(command.Workspaces, ", "))
	}
	if command.Time != nil && fixed {
		notes = append(notes, fmt.Sprintf("the text of the timer's events names a time, %s: every run is that of this one moment, so that a complete backup is never followed by another",
			command.Time.Format(time.RFC3339)))
	}
	return notes
}

// readScheduleChange reads the body of PUT /schedule. The error has every fault of it.
func (c *console) readScheduleChange(body []byte) (scheduleChange, error) {
	doc, err := strictjson.Parse(body)
	if err != nil {
		return scheduleChange{}, err
	}
	var change scheduleChange
	var faults strictjson.Faults
	if err := doc.Decode(&change); err != nil && !errors.As(err, &faults) {
		return scheduleChange{}, err
	}
	if change.Enabled == nil && change.Folder == nil && len(faults) == 0 {
		faults = append(faults, doc.FaultAt("", "nothing is to change: want enabled (true or false), folder, or both"))
	}
	if change.Folder != nil {
		folder, err := c.folderBelow(*change.Folder)
		if refusal, ok := errors.AsType[*httpError](err); ok && len(faults) == 0 && refusal.status == http.StatusForbidden {
			return scheduleChange{}, err
		}
		if err != nil {
			faults = append(faults, doc.FaultAt("folder", strings.TrimPrefix(err.Error(), "folder: ")))
		}
		change.Folder = &folder
	}
	return change, faults.Err()
}

// folderBelow is the folder below the location that a text names: itself, without slashes at its ends, or the end of an obs:// path. The error is a 400, or a
// 403 for a path outside of the location. An obs:// path cannot name a folder where each workspace has a location of its own.
func (c *console) folderBelow(text string) (string, error) {
	l := c.config.Location
	folder := text
	if strings.HasPrefix(text, "obs://") {
		if l.PerWorkspace() {
			return "", invalid("folder: %q: each workspace has a location of its own, %s: want a folder below it, like nights", text, l)
		}
		bucket, key, ok := asset.ParseOBSPath(text)
		if !ok && strings.TrimSuffix(text, "/") == "obs://"+l.Bucket {
			bucket, key, ok = l.Bucket, "", true
		}
		if !ok {
			return "", invalid("folder: %q: want a folder below the location, or obs://bucket/folder/", text)
		}
		below, inside := strings.CutPrefix(strings.TrimSuffix(key, "/")+"/", l.Root())
		if bucket != l.Bucket || !inside {
			return "", &httpError{status: http.StatusForbidden, code: codeForbidden, message: fmt.Sprintf("folder: %q is outside of %s, where backups lie", text, l)}
		}
		folder = below
	}
	folder = strings.Trim(folder, "/")
	if problem := folderProblem(folder); problem != "" {
		return "", invalid("folder: %q %s: want a folder below the location, like nights", folder, problem)
	}
	return folder, nil
}
