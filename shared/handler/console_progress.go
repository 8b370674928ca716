package handler

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// A run renews its lease every ten seconds, and saves its progress at least every thirty; each may be late once. The clocks are those of the store, of
// the run and of this function.
const (
	leaseSilence    = 30 * time.Second
	progressSilence = 90 * time.Second
)

// backupProgress is how far an unfinished backup is.
type backupProgress struct {
	Done    int       `json:"done"`    // assets stored
	Total   *int      `json:"total"`   // null while not everything was listed
	At      time.Time `json:"at"`      // when it stood so
	Running bool      `json:"running"` // a run is at work on it; else it was interrupted
}

// addLive adds to a summary what hangs on more than backup.json and manifest.json.
func (c *console) addLive(ctx context.Context, f *vault.Folder, found vault.Inspection, s *backupSummary) error {
	if found.State == vault.StateIncomplete {
		o, err := f.Outline(ctx)
		if err != nil {
			return err
		}
		c.addProgress(ctx, f, o, s)
	}
	record, err := f.Location().Verification(ctx, f.Name)
	if err != nil {
		zerolog.Ctx(ctx).Error().Err(err).Str("path", f.Path()).Msg("the verification could not be read")
	} else {
		s.judge(found, record)
	}
	return nil
}

// addProgress says of an INCOMPLETE folder how far its backup is, and whether a run is at work on it.
func (c *console) addProgress(ctx context.Context, f *vault.Folder, o vault.Outline, s *backupSummary) {
	if s.Status != vault.StateIncomplete || o.Manifest.Key != "" {
		return
	}
	tally, running := c.tally(ctx, f, o)
	if tally == nil {
		if running {
			s.Message = "running: nothing is stored yet"
		}
		return
	}
	s.Progress = &backupProgress{Done: tally.Done, Total: tally.Total, At: tally.At, Running: running}
	s.Message = progressMessage(*s.Progress, c.options.Now().Sub(tally.At))
}

// tally is how far the backup in a folder is, nil where nobody says, and whether a run is at work on it. The lease of the run says both, and is newer than
// progress.json; where it cannot be read, what was saved last has to tell.
func (c *console) tally(ctx context.Context, f *vault.Folder, o vault.Outline) (tally *vault.Tally, running bool) {
	complain := func(err error, what string) {
		if err != nil {
			zerolog.Ctx(ctx).Warn().Err(err).Str("path", f.Path()).Msg(what + " of the unfinished backup could not be read")
		}
	}
	now := c.options.Now()
	var err error
	if o.Progress.Key != "" {
		tally, err = f.Tally(ctx)
		complain(err, "the progress")
	}
	v := f.Location()
	sight, err := lease.Look(ctx, v.Store(), v.LeaseKey(f.Name))
	complain(err, "the lease")
	if sight != nil && sight.Note != "" {
		var noted vault.Tally
		if json.Unmarshal([]byte(sight.Note), &noted) == nil && !noted.At.IsZero() && (tally == nil || noted.At.After(tally.At)) {
			tally = &noted
		}
	}
	switch {
	case err != nil || sight != nil && sight.Renewed.IsZero():
		return tally, tally != nil && now.Sub(tally.At) < progressSilence
	case sight == nil:
		return tally, false
	}
	return tally, now.Sub(sight.Renewed) < leaseSilence
}

// progressMessage says how a backup stands whose last asset was stored so long ago.
func progressMessage(p backupProgress, since time.Duration) string {
	stored := grouped(p.Done) + " assets"
	if p.Done == 1 {
		stored = "1 asset"
	}
	if p.Total != nil {
		stored = fmt.Sprintf("%s of %s assets", grouped(p.Done), grouped(*p.Total))
	}
	if p.Running {
		return fmt.Sprintf("running: %s stored, %s ago", stored, ago(since))
	}
	return fmt.Sprintf("interrupted? %s stored, and nothing more for %s; the next run for this backup finishes it", stored, ago(since))
}

// grouped is a number with commas.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// ago is a time that has passed, in the unit that people would use.
func ago(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
