package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// changed is one object of a notification: the part that OBS (also through EventGrid) and S3 have in common.
type changed struct {
	Bucket struct {
		Name  string                     `json:"name"`
		Owner map[string]json.RawMessage `json:"ownerIdentity"`
	} `json:"bucket"`
	Object struct {
		Key       string `json:"key"`
		ETag      string `json:"eTag"`
		Size      size   `json:"size"`
		Sequencer string `json:"sequencer"`
	} `json:"object"`
}

// object makes an Object of it, with the keys that it can have.
func (c *changed) object(event string, keys []string) (Object, error) {
	event = strings.TrimPrefix(event, "s3:")
	switch {
	case c == nil:
		return Object{}, errors.New("it names no object")
	case c.Bucket.Name == "":
		return Object{}, errors.New("field bucket.name is empty, want a bucket's name")
	case c.Object.Key == "":
		return Object{}, errors.New("field object.key is empty, want an object's key")
	case event == "":
		return Object{}, errors.New("it does not say what happened, want an event name like ObjectCreated:Put")
	}
	return Object{
		Bucket: c.Bucket.Name, Keys: keys, ETag: strings.Trim(c.Object.ETag, `"`), Size: int64(c.Object.Size),
		Sequencer: c.Object.Sequencer, Event: event, Created: strings.HasPrefix(event, "ObjectCreated"),
	}, nil
}

// records reads a notification: of S3 (S3 user guide, "Event message structure"), or of OBS, which took over its form.
func records(payload []byte) (Event, error) {
	var e struct {
		Records []struct {
			Source  string   `json:"eventSource"`
			Version string   `json:"eventVersion"`
			Name    string   `json:"eventName"`
			S3      *changed `json:"s3"`
		} `json:"Records"`
	}
	if err := decode(payload, "notification", &e); err != nil {
		return nil, err
	}
	if len(e.Records) == 0 {
		return nil, errors.New("notification: field Records is empty, want at least one record")
	}
	var all Objects
	for i, r := range e.Records {
		if r.S3 == nil {
			from := "of an unnamed source"
			if r.Source != "" {
				from = "from " + r.Source
			}
			// SNS writes EventSource where others write eventSource; the names are matched without case.
			return nil, unsupported("a notification " + from)
		}
		source := OBSNotification
		if ofS3(r.Source, r.Version, r.S3.Bucket.Owner) {
			source = S3Notification
		}
		if all.Source != "" && all.Source != source {
			return nil, fmt.Errorf("notification: Records[%d] is an %s and those before it are not", i, source)
		}
		all.Source = source
		key := r.S3.Object.Key
		object, err := r.S3.object(r.Name, notifiedKeys(key, source))
		if err != nil {
			return nil, fmt.Errorf("%s: Records[%d]: %w", source, i, err)
		}
		all.Objects = append(all.Objects, object)
	}
	return all, nil
}

// ofS3 tells a record of S3 from one of OBS, which also calls itself aws:s3. OBS writes the owner's PrincipalId with a
// capital, leaves out eventSource in the samples of its console, and has stayed at version 2.0; S3 writes principalId and is
// at 2.1 and later, except in the samples of its console.
func ofS3(source, version string, owner map[string]json.RawMessage) bool {
	if !strings.HasSuffix(source, ":s3") || has(owner, "PrincipalId") {
		return false
	}
	return has(owner, "principalId") || version != "" && version != "2.0"
}

// notifiedKeys returns the keys that the key of a notification can stand for. S3 always encodes it as a query parameter
// (space is +). Of OBS it is not documented whether it always does.
func notifiedKeys(key, source string) []string {
	decoded, ok := decodeKey(key)
	switch {
	case !ok || decoded == key:
		return []string{key}
	case source == S3Notification:
		return []string{decoded}
	case !looksEncoded(key):
		return []string{key, decoded}
	}
	return []string{decoded, key}
}

// decodeKey decodes a key that is encoded as a query parameter. It is false for text that cannot be one.
func decodeKey(key string) (string, bool) {
	decoded, err := url.QueryUnescape(key)
	return decoded, err == nil && decoded != "" && utf8.ValidString(decoded)
}

// looksEncoded is false for a key with a character that encoding would not have left.
func looksEncoded(key string) bool {
	for i := range len(key) {
		if c := key[i]; c <= ' ' || c >= utf8.RuneSelf || strings.IndexByte(`"<>\^{|}`+"`", c) >= 0 {
			return false
		}
	}
	return true
}

// eventGrid reads a CloudEvent of EventGrid. Those of OBS carry the old notification's object as data.obs, or as data.s3
// under the old layout (seen in captured events; the shape of data is not documented).
func eventGrid(payload []byte) (Event, error) {
	var e struct {
		Source  string          `json:"source"`
		Type    string          `json:"type"`
		Subject string          `json:"subject"`
		Data    json.RawMessage `json:"data"`
	}
	if err := decode(payload, "CloudEvent", &e); err != nil {
		return nil, err
	}
	kind, ofObject := strings.CutPrefix(e.Type, "OBS:DWR:")
	if !ofObject && e.Source != "HC.OBS.DWR" {
		return nil, unsupported(fmt.Sprintf("a CloudEvent of type %q from %q", e.Type, e.Source))
	}
	type change struct {
		Name string   `json:"eventName"`
		OBS  *changed `json:"obs"`
		S3   *changed `json:"s3"`
	}
	// One event carries one object; community code has met a list.
	var changes []change
	if len(e.Data) > 0 && e.Data[0] == '[' {
		if err := decode(e.Data, OBSEventGrid+": field data", &changes); err != nil {
			return nil, err
		}
	} else {
		var one change
		if err := decode(e.Data, OBSEventGrid+": field data", &one); err != nil {
			return nil, err
		}
		changes = []change{one}
	}
	if len(changes) == 0 {
		return nil, fmt.Errorf("%s: field data is empty, want what happened to an object", OBSEventGrid)
	}
	all := Objects{Source: OBSEventGrid}
	for _, c := range changes {
		about := c.OBS
		if about == nil {
			about = c.S3
		}
		name := c.Name
		if name == "" {
			name = eventName(kind)
		}
		var keys []string
		if about != nil {
			keys = griddedKeys(about.Object.Key, e.Subject)
		}
		object, err := about.object(name, keys)
		if err != nil {
			return nil, fmt.Errorf("%s: field data: %w", OBSEventGrid, err)
		}
		all.Objects = append(all.Objects, object)
	}
	return all, nil
}

// griddedKeys returns the keys that the key of an EventGrid event can stand for. It is encoded when the trigger has
// Key_encode, which the event does not tell. The subject is the plain key in the captured events.
func griddedKeys(key, subject string) []string {
	decoded, ok := decodeKey(key)
	switch {
	case !ok || decoded == key:
		return []string{key}
	case subject == key || !looksEncoded(key):
		return []string{key, decoded}
	}
	return []string{decoded, key}
}

// eventName makes the name that notifications use of an EventGrid type: ObjectCreated:PUT is ObjectCreated:Put.
func eventName(kind string) string {
	what, how, _ := strings.Cut(kind, ":")
	switch {
	case how == "":
		return what
	case how == strings.ToUpper(how):
		how = how[:1] + strings.ToLower(how[1:])
	}
	return what + ":" + how
}

// object reads an S3 event from EventBridge (S3 user guide, "Amazon S3 event message structure" for EventBridge). The key
// is plain there.
func (e bridged) object() (Event, error) {
	var d struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"`
			ETag      string `json:"etag"`
			Size      size   `json:"size"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
		Reason       string `json:"reason"`
		DeletionType string `json:"deletion-type"`
	}
	if err := decode(e.Detail, S3EventBridge+": field detail", &d); err != nil {
		return nil, err
	}
	var c changed
	c.Bucket.Name = d.Bucket.Name
	c.Object.Key, c.Object.ETag, c.Object.Size, c.Object.Sequencer = d.Object.Key, d.Object.ETag, d.Object.Size, d.Object.Sequencer
	name := e.DetailType
	switch e.DetailType {
	case "Object Created":
		// The reasons are PutObject, POST Object, CopyObject and CompleteMultipartUpload.
		how := strings.ReplaceAll(strings.ReplaceAll(d.Reason, " ", ""), "Object", "")
		name = eventName("ObjectCreated:" + how)
	case "Object Deleted":
		name = "ObjectRemoved:Delete"
		if d.DeletionType == "Delete Marker Created" {
			name = "ObjectRemoved:DeleteMarkerCreated"
		}
	}
	object, err := c.object(name, []string{d.Object.Key})
	if err != nil {
		return nil, fmt.Errorf("%s: field detail: %w", S3EventBridge, err)
	}
	return Objects{Source: S3EventBridge, Objects: []Object{object}}, nil
}

// size is an object's size, which some senders write as text.
type size int64

func (s *size) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	n, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("field size holds %s, want a number of bytes", text)
	}
	*s = size(n)
	return nil
}
