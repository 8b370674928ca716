package local

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
)

// TimerName is the name of the nightly backup's trigger as the cloud starts. FunctionGraph's API changes and renames it.
const TimerName = "nightly-backup"

// RequestPrefix is the prefix of the OBS trigger: objects below it are restore requests. The backups themselves trigger nothing.
const RequestPrefix = "restore-requests/"

// ErrTimerOff means that the backup function has no timer that is on, so that nothing was delivered.
var ErrTimerOff = errors.New("the backup function has no timer that is on")

// Midnight is the timer: it delivers the event for the moment at to the backup function, asynchronously as the service does, and waits until the
// function has done with it, retries included. The event carries the text of the trigger's configuration, and its time keeps at's zone, as the service
// keeps that of the schedule. The error is of the delivery (ErrTimerOff where the trigger is off); what became of the backup is in the result. Of several
// timers that are on, each delivers, and the result is that of the first.
func (c *Cloud) Midnight(ctx context.Context, at time.Time) (functiongraph.AsyncInvocation, error) {
	id, err := c.Tick(at, "")
	if err != nil {
		return functiongraph.AsyncInvocation{}, err
	}
	if err := c.Backup.Wait(ctx); err != nil {
		return functiongraph.AsyncInvocation{}, fmt.Errorf("the timer at %s: %w", at.Format(time.RFC3339), err)
	}
	invocation, _ := c.Backup.Async(id)
	return invocation, nil
}

// Tick delivers the timer's event and does not wait. userEvent takes the place of the text that the trigger's configuration adds to its events, unless it
// is empty.
func (c *Cloud) Tick(at time.Time, userEvent string) (requestID string, err error) {
	for _, t := range c.Backup.Timers() {
		if !t.Active {
			continue
		}
		id, err := c.Backup.InvokeAsync(functiongraph.TimerEvent(t.Name, at, cmp.Or(userEvent, t.UserEvent)))
		if err != nil {
			return "", fmt.Errorf("the timer at %s: %w", at.Format(time.RFC3339), err)
		}
		requestID = cmp.Or(requestID, id)
	}
	if requestID == "" {
		return "", fmt.Errorf("the timer at %s: %w", at.Format(time.RFC3339), ErrTimerOff)
	}
	return requestID, nil
}

// objectCreated is the OBS trigger. The store calls it before the writer hears of its success, and it does not wait for the function.
func (c *Cloud) objectCreated(bucket, key, etag string, size int64) {
	if bucket != Bucket || !strings.HasPrefix(key, RequestPrefix) {
		return
	}
	// The event is small and is refused only while the cloud shuts down; then nobody waits for it.
	_, _ = c.Restore.InvokeAsync(functiongraph.ObjectCreatedEvent(bucket, key, etag, size, c.opts.Now(), Region))
}
