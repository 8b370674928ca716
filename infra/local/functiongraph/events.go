package functiongraph

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

// TimerEvent is the event of a TIMER trigger. The time keeps the offset of its zone, as the service writes the zone of the
// schedule. userEvent is any text, also where it holds JSON.
func TimerEvent(name string, at time.Time, userEvent string) []byte {
	return encode(struct {
		Version     string `json:"version"`
		Time        string `json:"time"`
		TriggerType string `json:"trigger_type"`
		TriggerName string `json:"trigger_name"`
		UserEvent   string `json:"user_event"`
	}{"v1.0", at.Format(time.RFC3339), "TIMER", name, userEvent})
}

// ObjectCreatedEvent is the event of an OBS trigger (type OBS, not EVENTGRID) for an object that was put. It resembles S3's
// notification, with a capital P in the bucket owner's PrincipalId and a versionId that is the text "null" in a bucket without
// versions. The key is URL-encoded, as in S3; whether the service always does so is not documented.
func ObjectCreatedEvent(bucket, key, etag string, size int64, at time.Time, region string) []byte {
	type object = map[string]any
	const principal = "000102030405060708090a0b0c0d0e0f"
	requestID := fmt.Sprintf("%032X", at.UnixNano())
	return encode(object{"Records": []object{{
		"eventVersion":      "2.0",
		"eventSource":       "aws:s3",
		"awsRegion":         region,
		"eventTime":         at.UTC().Format("2006-01-02T15:04:05.000Z"),
		"eventName":         "ObjectCreated:Put",
		"userIdentity":      object{"principalId": principal},
		"requestParameters": object{"sourceIPAddress": "127.0.0.1"},
		"responseElements":  object{"x-amz-request-id": requestID, "x-amz-id-2": requestID},
		"s3": object{
			"s3SchemaVersion": "1.0",
			"configurationId": "object-created",
			"bucket": object{
				"name":          bucket,
				"ownerIdentity": object{"PrincipalId": principal},
				"arn":           "arn:aws:s3:::" + bucket,
			},
			"object": object{
				"key":       url.QueryEscape(key),
				"eTag":      etag,
				"size":      size,
				"versionId": "null",
				"sequencer": requestID,
			},
		},
	}}})
}

// encode is the JSON of an event, which is made of texts and numbers only.
func encode(event any) []byte {
	b, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	return b
}
