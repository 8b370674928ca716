package handler

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode/utf8"
)

// choice reads a parameter that is true or false; without it, it is false.
func choice(p *parameters, name string) bool {
	switch text := p.text(name); text {
	case "true":
		return true
	case "", "false":
	default:
		p.fault("%s: %q: want true or false", name, text)
	}
	return false
}

// inTime bounds work to the time that an answer has: what ctx leaves, less some for the answer itself, and no more than a gateway waits, which says nothing
// of that.
func inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	const most, spare = 25 * time.Second, 2 * time.Second
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithTimeout(ctx, most)
	}
	left := time.Until(deadline)
	return context.WithTimeout(ctx, min(most, left-min(spare, left/4)))
}

// fits tells whether a body fits into an answer, in the form that it has in a gateway's event: a JSON string, or base64 where it is not UTF-8.
func fits(body []byte) bool {
	if len(body) > mostAnswer {
		return false
	}
	if !utf8.Valid(body) {
		return base64.StdEncoding.EncodedLen(len(body)) <= mostAnswer
	}
	size := len(body)
	for i, c := range body {
		switch {
		case c == '"', c == '\\', c == '\n', c == '\t', c == '\r':
			size++
		case c < ' ':
			size += 5
		case c == 0xE2 && i+2 < len(body) && body[i+1] == 0x80 && body[i+2]&^1 == 0xA8: // the separators U+2028 and U+2029
			size += 3
		}
	}
	return size <= mostAnswer
}

// download is an answer to be kept as a file. It is never taken for a page, whatever it holds.
func download(name, contentType string, data []byte, location string) (reply, error) {
	if !fits(data) {
		return reply{}, tooLarge("%s would have more than the %d bytes that a gateway takes: fetch %s from the bucket", name, mostAnswer, location)
	}
	return reply{status: http.StatusOK, body: data, header: http.Header{
		"Content-Type":            {contentType},
		"Content-Disposition":     {attachment(name)},
		"Content-Security-Policy": {"default-src 'none'; sandbox"},
	}}, nil
}

// attachment is a Content-Disposition for a file name: plain ASCII for every client, and the name itself in the encoding of RFC 8187 for those that know it.
func attachment(name string) string {
	const most = 200 // bytes: file systems take 255
	extension := path.Ext(strings.TrimSuffix(name, ".age"))
	if strings.HasSuffix(name, ".age") {
		extension += ".age"
	}
	if len(name) > most && len(extension) < most {
		name = strings.ToValidUTF8(name[:most-len(extension)], "") + extension
	}
	name = strings.TrimLeft(strings.NewReplacer("/", "_", `\`, "_").Replace(name), ".") // in no folder, and not hidden
	plain := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.", c) {
			return c
		}
		return '_'
	}, name)
	return fmt.Sprintf(`attachment; filename="%s"; filename*=UTF-8''%s`, plain, url.PathEscape(name))
}
