package handler

import (
	"context"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/event"
)

// FolderOfTimer is the dated folder that the backup function chooses for a timer's event. zone is BACKUP_TIME_ZONE; nil where it is not set. The clock is
// not asked: there is none.
func FolderOfTimer(ctx context.Context, payload []byte, zone *time.Location) (string, error) {
	e, err := event.Decode(payload)
	if err != nil {
		return "", err
	}
	s := &session{config: &config.Config{TimeZone: zone}}
	command, due, err := s.backupCommand(ctx, e)
	if err != nil {
		return "", err
	}
	return job{session: s, command: command, due: due}.name(), nil
}
