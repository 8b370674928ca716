package handler

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// codeNoPermission is what DataArts Factory answers, with status 400, to a user who may use the API and not this asset (error table: no permission).
const codeNoPermission = "DLF.6888"

// advised adds to an error what an operator can do about it, where the service's own words do not say that.
func (s *session) advised(err error) error {
	if missing, ok := errors.AsType[*obs.Error](err); ok && missing.Code == "NoSuchBucket" && missing.Bucket == s.config.Location.Bucket {
		return fmt.Errorf("the bucket %s of BACKUP_LOCATION does not exist: %w", missing.Bucket, err)
	}
	refused, ok := errors.AsType[*factory.Error](err)
	if ok && (refused.StatusCode == http.StatusForbidden || factory.IsCode(err, codeNoPermission)) || missesForPermission(err) {
		return fmt.Errorf("%w; look at the DataArts Studio permissions of the agency or user whose keys these are: the IAM role (DAYU User or DAYU Administrator) "+
			"and the role in the workspace", err)
	}
	return err
}

// missesForPermission tells whether a backup is PARTIAL because something may not be read: the manifest has the service's answer as the reason.
func missesForPermission(err error) bool {
	incomplete, ok := errors.AsType[*backup.Incomplete](err)
	return ok && slices.ContainsFunc(incomplete.Missing, func(m vault.Missing) bool {
		return strings.Contains(m.Reason, codeNoPermission) || strings.Contains(m.Reason, "status 403")
	})
}
