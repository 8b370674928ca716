package factory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// readPage reads one page of a listing from r: an object with an array of rows and the total under "total" or "count". It
// calls visit for each row as it comes, and holds no more than one row, which may have limit bytes.
func readPage(r io.Reader, rowsKey string, limit int, visit func(json.RawMessage) error) (rows, total int, err error) {
	budget := &budgetReader{r: r, left: limit, limit: limit}
	d := json.NewDecoder(budget)
	if err := expect(d, json.Delim('{')); err != nil {
		return 0, 0, err
	}
	total = -1
	found := false
	rest := []byte("{") // The other fields: an error, if this is no page.
	var raw json.RawMessage
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return 0, 0, malformed(err)
		}
		key, _ := token.(string) // A key is always a string.
		if key == rowsKey && !found {
			found = true
			if rows, err = readRows(d, budget, visit); err != nil {
				return 0, 0, err
			}
			continue
		}
		if err := d.Decode(&raw); err != nil {
			return 0, 0, malformed(err)
		}
		if key == "total" || key == "count" {
			if n, err := strconv.Atoi(scalar(gjson.ParseBytes(raw))); err == nil && n >= 0 {
				total = n
			}
		}
		if field, err := json.Marshal(key); err == nil {
			if len(rest) > 1 {
				rest = append(rest, ',')
			}
			rest = append(append(append(rest, field...), ':'), raw...)
		}
	}
	if err := expect(d, json.Delim('}')); err != nil {
		return 0, 0, err
	}
	if _, err := d.Token(); err != io.EOF {
		return 0, 0, malformed(errors.New("text after the end"))
	}
	if said := parseEnvelope(append(rest, '}')); said.Code != "" {
		return 0, 0, envelopeError(said)
	}
	if !found || total < 0 {
		return 0, 0, malformed(fmt.Errorf("a page without %q and a total", rowsKey))
	}
	return rows, total, nil
}

// readRows reads the array of rows; null is an empty one.
func readRows(d *json.Decoder, budget *budgetReader, visit func(json.RawMessage) error) (rows int, err error) {
	token, err := d.Token()
	if err != nil {
		return 0, malformed(err)
	}
	if token == nil {
		return 0, nil
	}
	if token != json.Delim('[') {
		return 0, malformed(fmt.Errorf("rows begin with %v", token))
	}
	var raw json.RawMessage
	for d.More() {
		if err := d.Decode(&raw); err != nil {
			return 0, malformed(err)
		}
		rows++
		if err := visit(raw); err != nil {
			return 0, err
		}
		budget.left = budget.limit
	}
	return rows, expect(d, json.Delim(']'))
}

func expect(d *json.Decoder, want json.Delim) error {
	token, err := d.Token()
	if err != nil {
		return malformed(err)
	}
	if token != want {
		return malformed(fmt.Errorf("%v where %v should be", token, want))
	}
	return nil
}

// malformed wraps what is wrong with an answer. The end of the body inside a value is io.ErrUnexpectedEOF.
func malformed(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("malformed answer: %w", err)
}

// budgetReader fails when more is read for one row than a row may have.
type budgetReader struct {
	r           io.Reader
	left, limit int
}

func (b *budgetReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, finalError{fmt.Errorf("a row is longer than %d bytes", b.limit)}
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
