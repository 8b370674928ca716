package dataarts

import (
	"fmt"
	"net/http"
)

// problem is an error as the service answers it.
type problem struct {
	status int
	code   string
	msg    string
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s: %s", p.status, p.code, p.msg) }

// refuse is a business error: always status 400. The words are those of the API reference's examples, or of its table of error codes.
func refuse(code, msg string) *problem {
	return &problem{status: http.StatusBadRequest, code: code, msg: msg}
}

// invalid is DLF.3051, which the table of error codes lacks and the examples use for every wrong parameter.
func invalid(format string, args ...any) *problem {
	return refuse("DLF.3051", "The request parameter is invalid. "+fmt.Sprintf(format, args...))
}

func jobMissing() *problem { return refuse("DLF.0100", "The job does not exists.") }
func jobExists() *problem  { return refuse("DLF.0102", "The job name already exists.") }
func jobQuota() *problem {
	return refuse("DLF.0101", "The number of jobs reaches the upper limit.")
}
func jobNameInvalid() *problem { return refuse("DLF.3018", "The job name is invalid.") }
func jobRunning(name string) *problem {
	// Of the codes of import tasks, the one for a job that is running; the API reference has none for PUT and DELETE.
	return refuse("DLF.30107", "The job "+name+" is running. Stop it first.")
}
func badSchedule(why string) *problem {
	return refuse("DLF.3025", "Invalid job scheduling configuration. "+why)
}

func scriptMissing() *problem { return refuse("DLF.6201", "The script does not exist.") }
func scriptExists() *problem  { return refuse("DLF.0202", "The script name already exists.") }

func resourceMissing() *problem {
	return refuse("DLF.6241", "The resource information does not exist.")
}
func resourceExists() *problem {
	return refuse("DLF.6259", "Files of the same name exist in the directory.")
}

func obsUnreadable() *problem { return refuse("DLF.0815", "Fail to read OBS file.") }

// unauthorized, notPublished and throttled are the API gateway's own answers.
func unauthorized(why string) *problem {
	return &problem{http.StatusUnauthorized, "APIGW.0301", "Incorrect IAM authentication information: " + why}
}
func notPublished() *problem {
	return &problem{http.StatusNotFound, "APIGW.0101", "The API does not exist or has not been published in the environment"}
}
func throttled(limit int) *problem {
	return &problem{http.StatusTooManyRequests, "APIGW.0308",
		fmt.Sprintf("The throttling threshold has been reached: policy user over ratelimit,limit:%d,time:1 second", limit)}
}

// body is the flat envelope, or the list that script APIs are seen to answer.
func (p *problem) body(list bool, requestID string) []byte {
	var f fields
	f.add("error_code", p.code)
	f.add("error_msg", p.msg)
	if list {
		return append(append([]byte(`{"errors":[`), f.object()...), "]}"...)
	}
	if p.status != http.StatusBadRequest {
		f.add("request_id", requestID)
	}
	return f.object()
}
