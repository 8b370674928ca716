package factory

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

// Row is one asset in a listing.
type Row struct {
	Ref asset.Ref
	// ID is the service's id, needed to read and write a resource. Jobs and scripts often have none in a listing.
	ID string
	// JobType is BATCH or REAL_TIME, empty for what is no job.
	JobType string
	// Status is a job's scheduling status: SCHEDULING, STOPPED, PAUSED (BATCH) or STARTING, NORMAL, EXCEPTION, STOPPING,
	// STOPPED (REAL_TIME). Listings of real-time jobs may lack it; see JobStatus.
	Status string
	Owner  string
	// LastModified is zero where the row has no time of the last change.
	LastModified   time.Time
	LastModifiedBy string
	// Raw is the row as it was sent; for scripts with the whole content. It is valid during the call only.
	Raw json.RawMessage
}

// parseRow reads the fields of a row in both spellings: the pages document camelCase, their examples mix in snake_case. The
// row must be valid JSON. ok is false when it is no object or has no name.
func parseRow(kind asset.Kind, raw json.RawMessage) (row Row, ok bool) {
	row = Row{Ref: asset.Ref{Kind: kind}, Raw: raw}
	var directory, path, id, resourceID, name, modified string
	fields := map[string]*string{
		"directory": &directory, "path": &path, "id": &id, "resourceId": &resourceID, "resource_id": &resourceID,
		"jobType": &row.JobType, "job_type": &row.JobType, "status": &row.Status, "owner": &row.Owner,
		"lastUpdateTime": &modified, "last_update_time": &modified, "modifyTime": &modified, "modify_time": &modified,
		"lastUpdateUser": &row.LastModifiedBy, "last_update_user": &row.LastModifiedBy,
		"modifyUser": &row.LastModifiedBy, "modify_user": &row.LastModifiedBy,
	}
	// Not gjson: it would copy a script's content several times on the way to the next field.
	for member, span := range rawjson.Members(raw) {
		text := raw[span.Start:span.End]
		if member == "name" {
			name, _ = rawjson.String(text)
		} else if field := fields[member]; field != nil {
			if text := scalar(gjson.ParseBytes(text)); text != "" {
				*field = text
			}
		}
	}
	if name == "" {
		return Row{}, false
	}
	row.Ref.Name = name
	row.ID, row.LastModified = id, parseTime(modified)
	switch kind {
	case asset.Jobs:
		if directory == "" {
			directory = path
		}
	case asset.Resources:
		// Documents and SDK have "id", Huawei's Terraform provider reads "resourceId".
		if row.ID == "" {
			row.ID = resourceID
		}
	}
	row.Ref.Directory = asset.CleanDirectory(directory)
	return row, true
}

// Modified is when a definition says that it was changed last; zero where it does not say it.
func Modified(definition []byte) time.Time {
	for _, name := range []string{"modifyTime", "modify_time", "lastUpdateTime", "last_update_time"} {
		if value, ok := rawjson.Path(definition, name); ok {
			return parseTime(scalar(gjson.ParseBytes(value)))
		}
	}
	return time.Time{}
}

// parseTime reads milliseconds since 1970, which the service sends as a number or as a string, or RFC 3339. It is zero for
// anything else.
func parseTime(text string) time.Time {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms > 0 {
		return time.UnixMilli(ms).UTC()
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC()
	}
	return time.Time{}
}
