package handler

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/digest"
	"github.com/dataarts-backup/dataarts-backup/shared/notify"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// How long a notification may take. A run that has used up its time still tells of it: the runtime leaves some before the platform ends the process.
const (
	notifyTime    = 15 * time.Second
	minNotifyTime = time.Second
)

// tell sends the notification that a run deserves: of a failure, or the digest of a backup that this run has completed or found unreported. A date that was
// reported already and a successful verification deserve none. A notification that cannot be sent is a warning and changes nothing else; what could
// be told is put on record.
func (j job) tell(ctx context.Context, w vault.Workspace, res *backup.Result, err error, after *aftermath) {
	if err == nil && res.Status == vault.Complete && res.Manifest == nil {
		return
	}
	if err := j.session.publish(ctx, j.inv, subject(w, j, *res, after), j.message(w, *res, err, after)); err != nil {
		after.warn("the notification could not be sent: %v", err)
		return
	}
	if err == nil && after.committed != nil {
		j.reported(ctx, *res, after)
	}
}

// tellOfFailure sends the notification of a failure that is not one workspace's.
func (s *session) tellOfFailure(ctx context.Context, inv runtime.Invocation, what string, cause error) {
	subject := "DataArts backup FAILED: " + what
	message := fmt.Sprintf("Status: FAILED\n%s: %v\n\nRequest: %s\n", what, cause, inv.RequestID)
	_ = s.publish(ctx, inv, subject, message) // it is in the log, and there is nobody else to tell
}

// publish sends a message to the topic, if there is one. That it could not be sent is in the log.
func (s *session) publish(ctx context.Context, inv runtime.Invocation, subject, message string) error {
	err := s.send(ctx, inv, subject, message)
	if err != nil {
		zerolog.Ctx(ctx).Warn().Err(err).Str("operation", "notify").Msg("the notification could not be sent")
		notificationFailed.log(ctx, "notify")
	}
	return err
}

func (s *session) send(ctx context.Context, inv runtime.Invocation, subject, message string) error {
	if s.config.NotifyTopicURN == "" {
		return nil
	}
	limit := notifyTime
	if !inv.Deadline.IsZero() {
		limit = max(minNotifyTime, min(limit, inv.Deadline.Sub(s.options.Now())-minNotifyTime))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	client, err := notify.New(notify.Options{Endpoint: s.config.SMNEndpoint, TopicURN: s.config.NotifyTopicURN, Credentials: s.keys,
		Transport: s.options.FactoryTransport, UserAgent: s.options.tool()})
	if err != nil {
		return err
	}
	id, err := client.Publish(ctx, subject, message)
	if err != nil {
		return err
	}
	zerolog.Ctx(ctx).Info().Str("operation", "notify").Str("messageId", id).Msg("notification sent")
	return nil
}

// subject is the line that has to be understood on a telephone's lock screen.
func subject(w vault.Workspace, j job, res backup.Result, after *aftermath) string {
	what := "backup"
	if j.command.Verify != "" {
		what = "verification"
	}
	alarm := ""
	switch {
	case after.massLoss:
		alarm = ", MASS DELETION"
	case after.held != "":
		alarm = ", retention held"
	}
	return fmt.Sprintf("DataArts %s %s%s: workspace %s", what, res.Status, alarm, title(w))
}

func title(w vault.Workspace) string {
	if w.Name == "" {
		return w.ID
	}
	return w.Name
}

// message is the text of a notification. It holds names and numbers only.
func (j job) message(w vault.Workspace, res backup.Result, err error, after *aftermath) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Status: %s", res.Status)
	if w.Name != "" {
		line("Workspace: %s (%s)", w.Name, w.ID)
	} else {
		line("Workspace: %s", w.ID)
	}
	if res.Path != "" {
		line("Folder: %s", res.Path)
	}
	line("%s", res.Message)
	if err != nil && !strings.Contains(res.Message, err.Error()) {
		line("%v", err)
	}
	for _, warning := range after.warnings {
		line("Warning: %s", warning)
	}
	for _, m := range res.Missing {
		line("- missing: %s", missingText(m))
	}
	if res.Digest != nil {
		line("")
		digestLines(line, *res.Digest)
	}
	if len(res.Removed) > 0 {
		line("")
		line("Retention removed: %s", strings.Join(res.Removed, ", "))
	}
	line("")
	line("Request: %s, run: %s", j.inv.RequestID, res.RunID)
	return b.String()
}

func missingText(m vault.Missing) string {
	what := asset.Ref{Kind: m.Kind, Name: m.Name, Directory: m.Directory}.String()
	if m.Name == "" {
		what = m.Kind.Count(max(1, m.Count))
	}
	return what + ": " + m.Reason
}

// digestLines writes a digest for people.
func digestLines(line func(string, ...any), d digest.Digest) {
	if d.Since == "" {
		line("The first backup here: %s.", plural(d.Added, "asset"))
		return
	}
	since := "Since " + d.Since
	if d.Total() == 0 && d.Unknown == 0 {
		line("%s: nothing has changed.", since)
		return
	}
	line("%s: %d added, %d changed, %d removed, %d renamed.", since, d.Added, d.Changed, d.Removed, d.Renamed)
	if d.Unknown > 0 {
		line("Of %s it cannot be told: one of the two backups is encrypted.", plural(d.Unknown, "asset"))
	}
	if d.MassLoss {
		line("MASS DELETION: more than a fifth of what the backup before holds is gone.")
	}
	for _, c := range d.Changes {
		text := c.Change + ": " + asset.Ref{Kind: c.Kind, Name: c.Name, Directory: c.Directory}.String()
		if c.From != "" {
			text += fmt.Sprintf(" (was %q)", c.From)
		}
		if c.By != "" {
			text += ", last changed by " + c.By
		}
		line("- %s", text)
	}
	if d.Unlisted > 0 {
		line("- and %d more", d.Unlisted)
	}
}
