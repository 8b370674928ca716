package factory

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// maxMessage bounds, in bytes, how much of an answer goes into an error.
const maxMessage = 500

// envelope is what an error body says.
type envelope struct {
	Code, Message, RequestID string
}

// parseEnvelope reads an error body in all the forms that were documented or seen:
// {"error_code","error_msg"} (documented, and the gateway's), {"errors":[{"error_code","error_msg"}]} (scripts, seen in
// Huawei's Terraform provider), {"errorCode","errorMsg"} (OpenAPI schema), {"error":{"code","message"}} (IAM),
// {"code","message"}. A body that is none of these, such as a proxy's HTML page, gives its text. Nothing is shortened yet.
func parseEnvelope(body []byte) envelope {
	if !gjson.ValidBytes(body) {
		return envelope{Message: stripTags(string(body))}
	}
	root := gjson.ParseBytes(body)
	if root.IsObject() {
		for _, part := range []gjson.Result{root, root.Get("errors.0"), root.Get("error"), root.Get("errors")} {
			if e := envelopeOf(part); e.Code != "" {
				if e.RequestID == "" {
					e.RequestID = first(root, "request_id", "requestId")
				}
				return e
			}
		}
		if message := first(root, "error_msg", "errorMsg", "message", "error"); message != "" {
			return envelope{Message: message, RequestID: first(root, "request_id", "requestId")}
		}
	}
	return envelope{Message: root.Raw}
}

// envelopeError is an error body as an error, which attempt completes.
func envelopeError(e envelope) *Error {
	return &Error{Code: e.Code, Message: e.Message, RequestID: e.RequestID}
}

func envelopeOf(object gjson.Result) envelope {
	if !object.IsObject() {
		return envelope{}
	}
	return envelope{
		Code:      first(object, "error_code", "errorCode", "code"),
		Message:   first(object, "error_msg", "errorMsg", "message", "error_message", "msg"),
		RequestID: first(object, "request_id", "requestId"),
	}
}

// first returns the first of the fields that is a string or a number and not empty. Numbers keep their text.
func first(object gjson.Result, fields ...string) string {
	for _, field := range fields {
		if text := scalar(object.Get(field)); text != "" {
			return text
		}
	}
	return ""
}

// scalar is the text of a string or a number, and empty for everything else.
func scalar(value gjson.Result) string {
	switch value.Type {
	case gjson.String:
		return value.Str
	case gjson.Number:
		return value.Raw
	}
	return ""
}

// stripTags leaves the text of an HTML page, roughly: enough to recognise whose error page it is.
func stripTags(text string) string {
	var b strings.Builder
	for text != "" {
		open := strings.IndexByte(text, '<')
		if open < 0 {
			b.WriteString(text)
			break
		}
		b.WriteString(text[:open])
		b.WriteByte(' ')
		end := strings.IndexByte(text[open:], '>')
		if end < 0 {
			break
		}
		text = text[open+end+1:]
	}
	return b.String()
}

// shorten makes text fit into one line of an error: white space and control characters become single blanks, invalid UTF-8
// is replaced, and the rest is cut.
func shorten(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), 4*maxMessage)], "\uFFFD")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if len(text) <= maxMessage {
		return text
	}
	cut := maxMessage
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
