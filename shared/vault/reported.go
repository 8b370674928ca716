package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// reportedName is the record of the backups that were followed up: compared with the one before, and told of.
const reportedName = "reported.json"

// maxReported is how many backups the record holds: more than are taken within the time in which a platform delivers an event again.
const maxReported = 100

// report is one entry: a backup. When it was started tells it from another one that had the same folder.
type report struct {
	Folder    string    `json:"folder"`
	StartedAt time.Time `json:"startedAt"`
}

func (r report) same(other report) bool {
	return r.Folder == other.Folder && r.StartedAt.Equal(other.StartedAt)
}

type reportedRecord struct {
	FormatVersion int      `json:"formatVersion"`
	Backups       []report `json:"backups"` // the last one last
}

// IsReported tells whether [Vault.SetReported] was called for the backup that was started then. One from before all that the record still holds counts as
// reported.
func (v *Vault) IsReported(ctx context.Context, folder string, startedAt time.Time) (bool, error) {
	record, err := v.reported(ctx)
	if err != nil {
		return false, err
	}
	forgotten := len(record.Backups) >= maxReported
	for _, r := range record.Backups {
		if r.same(report{folder, startedAt}) {
			return true, nil
		}
		forgotten = forgotten && startedAt.Before(r.StartedAt)
	}
	return forgotten, nil
}

// SetReported puts on record, in `<location>/reported.json`, that everything which follows the commit of a backup was done. Two runs at the same moment may lose
// the entry of one; then that backup is told of once more if its event comes again.
func (v *Vault) SetReported(ctx context.Context, folder string, startedAt time.Time) error {
	record, err := v.reported(ctx)
	if err != nil {
		return err
	}
	record.FormatVersion = FormatVersion
	record.Backups = append(record.Backups, report{folder, startedAt.UTC()})
	record.Backups = record.Backups[max(0, len(record.Backups)-maxReported):]
	text, err := encodeJSON(record, "  ")
	if err == nil {
		_, err = v.store.Put(ctx, v.prefix+reportedName, append(text, '\n'), store.Condition{})
	}
	if err != nil {
		return fmt.Errorf("write %s%s: %w", v.Path(), reportedName, err)
	}
	return nil
}

// reported reads the record. One that cannot be understood is taken for none.
func (v *Vault) reported(ctx context.Context) (reportedRecord, error) {
	text, _, err := store.ReadAll(ctx, v.store, v.prefix+reportedName, maxTombstone)
	if errors.Is(err, store.ErrNotExist) {
		return reportedRecord{}, nil
	}
	if err != nil {
		return reportedRecord{}, fmt.Errorf("read %s%s: %w", v.Path(), reportedName, err)
	}
	var record reportedRecord
	if err := json.Unmarshal(text, &record); err != nil {
		return reportedRecord{}, nil //nolint:nilerr // see above
	}
	return record, nil
}
