package handler

import (
	"context"
	"fmt"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
)

// mostTold is how many items of a restore a notification names; the report has all.
const mostTold = 50

// tellOfRestore sends the notification of a restore or an undo that did not end as it should: PARTIAL, FAILED, or interrupted by err. A plan deserves
// none, and neither does what went well. One that cannot be sent is a warning and changes nothing else.
func (r *restoring) tellOfRestore(ctx context.Context, req restore.Request, report *restore.Report, err error) {
	if req.DryRun || err == nil && report.Succeeded() {
		return
	}
	what := "restore"
	if req.Undo != "" {
		what = "undo"
	}
	status, id, workspace := "INTERRUPTED", req.ID, req.Workspace
	if req.Undo != "" {
		id = req.Undo
	}
	if report != nil {
		id, workspace = report.ID, report.Workspace
		if err == nil {
			status = string(report.Status)
		}
	}
	into := ""
	if workspace != "" {
		into = ": workspace " + workspace
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Status: %s", status)
	if workspace != "" {
		line("Workspace: %s", workspace)
	}
	if report != nil && report.Backup != "" {
		line("Backup: %s", report.Backup)
	}
	if err != nil {
		line("The %s is not over and goes on when the same request comes again: %v", what, err)
	} else {
		line("%s", report.Message)
		tellItems(line, report)
	}
	line("")
	line("%s: %s, request: %s", strings.ToUpper(what[:1])+what[1:], id, r.inv.RequestID)
	_ = r.publish(ctx, r.inv, fmt.Sprintf("DataArts %s %s%s", what, status, into), b.String())
}

// tellItems names the assets that are not as the plan wanted them.
func tellItems(line func(string, ...any), report *restore.Report) {
	n := 0
	for _, i := range report.Items {
		if i.Outcome != restore.Errored && i.Outcome != restore.Blocked {
			continue
		}
		if n++; n > mostTold {
			continue
		}
		what := i.Ref().String()
		if i.Kind == asset.Env {
			what = fmt.Sprintf("environment variable %q", i.Name)
		}
		line("- %s: %s: %s", i.Outcome, what, shorten(i.Reason))
	}
	if n > mostTold {
		line("- and %d more: restores/%s/report.json has all", n-mostTold, report.ID)
	}
}

// tellOfFault sends the notification that nothing was done, or not to the end.
func (r *restoring) tellOfFault(ctx context.Context, what string, fault error) {
	_ = r.publish(ctx, r.inv, "DataArts "+what+" FAILED", fmt.Sprintf("Status: FAILED\n%v\n\nRequest: %s\n", fault, r.inv.RequestID))
}

// longestReason is how much of a reason a message to people tells, in characters.
const longestReason = 240

// shorten cuts a reason to what fits into a line. The whole of it is in the report.
func shorten(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if runes := []rune(text); len(runes) > longestReason {
		return string(runes[:longestReason-1]) + "…"
	}
	return text
}
