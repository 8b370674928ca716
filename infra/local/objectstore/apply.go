package objectstore

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/dataarts-backup/dataarts-backup/infra/local/iam"
)

// apply carries out a request whose signature is good.
func (s *Server) apply(r *http.Request, call Call) *reply {
	if call.Operation == "" {
		return refuse(call, &iam.Denial{Status: http.StatusNotImplemented, Code: "NotImplemented", Message: "This server does not know " + r.Method + " with " + r.URL.RawQuery + "."})
	}
	body, err := io.ReadAll(r.Body)
	if denial, ok := asDenial(err); ok {
		return refuse(call, denial)
	} else if err != nil {
		return refuse(call, &iam.Denial{Status: http.StatusBadRequest, Code: "IncompleteBody", Message: "The body is shorter than Content-Length says."})
	}
	if r.ContentLength < 0 && r.Method == http.MethodPut {
		return refuse(call, &iam.Denial{Status: http.StatusLengthRequired, Code: "MissingContentLength", Message: "You must provide the Content-Length HTTP header."})
	}
	header := s.translate(r.Header, call)
	if denial := s.conditions(header, call); denial != nil {
		return refuse(call, denial)
	}
	switch call.Operation {
	case "DeleteObject", "PutObject", "CopyObject":
		if why := s.denied(call.Bucket, call.Key, call.Operation == "DeleteObject"); why != "" {
			return refuse(call, &iam.Denial{Status: http.StatusForbidden, Code: "AccessDenied", Message: why})
		}
	}
	isNew := s.late() && !s.exists(call)
	var answer *reply
	switch {
	case call.Operation == "DeleteObjects":
		answer = s.deleteObjects(header, call, body)
	case call.Operation == "CopyPart" && s.memory:
		answer = s.copyPart(header, call)
	default:
		answer = s.backendCall(call, r.Method, r.URL.RawQuery, header, body)
	}
	switch call.Operation {
	case "ListObjects":
		s.finishListing(answer, call)
	case "PutObject", "CopyObject", "CompleteMultipartUpload":
		// A copy and a completion can answer 200 and carry an error.
		if answer.status == http.StatusOK && !bytes.Contains(answer.body, []byte("<Error>")) {
			s.created(call, isNew)
		}
	}
	return answer
}

// translate makes the backend's headers out of a request's: S3's names, nothing about the signature, which gofakes3 would store
// with the object and give out again.
func (s *Server) translate(from http.Header, call Call) http.Header {
	header := http.Header{}
	for name, values := range from {
		if rest, ok := strings.CutPrefix(name, "X-Obs-"); ok && call.OBS {
			name = "X-Amz-" + rest
		}
		switch name {
		case "Authorization", "X-Amz-Date", "X-Amz-Content-Sha256", "X-Amz-Security-Token", "Date", "Connection", "Accept-Encoding", "User-Agent", "Content-Length":
			continue
		case "X-Amz-Copy-Source":
			// gofakes3 takes a "+" for a space; services take it for itself.
			if source, err := url.PathUnescape(values[0]); err == nil {
				values = []string{iam.EscapePath(source)}
			}
		case "X-Amz-Storage-Class":
			values = []string{map[string]string{"WARM": "STANDARD_IA", "COLD": "GLACIER"}[values[0]]}
			if values[0] == "" {
				continue
			}
		case "X-Amz-Server-Side-Encryption":
			if values[0] == "kms" {
				values = []string{"aws:kms"}
			}
		}
		header[name] = values
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noCondition && call.Operation == "PutObject" {
		header.Del("If-None-Match")
		header.Del("If-Match")
	}
	return header
}

// conditions checks those that gofakes3 ignores.
func (s *Server) conditions(header http.Header, call Call) *iam.Denial {
	bucket, key, want := call.Bucket, call.Key, ""
	switch call.Operation {
	case "GetObject", "GetObjectMetadata":
		want = header.Get("If-Match")
	case "CopyObject", "CopyPart":
		source, err := url.PathUnescape(strings.TrimPrefix(header.Get("X-Amz-Copy-Source"), "/"))
		if err != nil {
			return &iam.Denial{Status: http.StatusBadRequest, Code: "InvalidArgument", Message: "Copy Source must mention the source bucket and key"}
		}
		bucket, key, _ = strings.Cut(source, "/")
		want = header.Get("X-Amz-Copy-Source-If-Match")
	}
	if want == "" {
		return nil
	}
	stored := s.backendCall(Call{Bucket: bucket, Key: key}, http.MethodHead, "", nil, nil)
	if stored.status == http.StatusOK && strings.Trim(stored.header.Get("ETag"), `"`) != strings.Trim(want, `"`) {
		return &iam.Denial{Status: http.StatusPreconditionFailed, Code: "PreconditionFailed", Message: "At least one of the pre-conditions you specified did not hold"}
	}
	return nil
}

// created tells the listeners of an object that was written.
func (s *Server) created(call Call, isNew bool) {
	s.mu.Lock()
	s.hide(call, isNew)
	listeners := s.onCreated
	s.mu.Unlock()
	if len(listeners) == 0 {
		return
	}
	stored := s.backendCall(call, http.MethodHead, "", nil, nil)
	var size int64
	_, _ = fmt.Sscan(stored.header.Get("Content-Length"), &size)
	for _, fn := range listeners {
		fn(call.Bucket, call.Key, strings.Trim(stored.header.Get("ETag"), `"`), size)
	}
}

// deleteObjects removes objects except those that may not be, for which the answer has an error each.
func (s *Server) deleteObjects(header http.Header, call Call, body []byte) *reply {
	type object struct {
		Key       string
		VersionID string `xml:"VersionId,omitempty"`
	}
	var request struct {
		XMLName xml.Name `xml:"Delete"`
		Quiet   bool
		Object  []object
	}
	if err := xml.Unmarshal(body, &request); err != nil || len(request.Object) > 1000 {
		return refuse(call, &iam.Denial{Status: http.StatusBadRequest, Code: "MalformedXML", Message: "The XML you provided was not well-formed or did not validate against our published schema."})
	}
	var locked bytes.Buffer
	free := request.Object[:0:0]
	for _, o := range request.Object {
		why := s.denied(call.Bucket, o.Key, true)
		if why == "" {
			free = append(free, o)
			continue
		}
		locked.WriteString("<Error><Key>")
		_ = xml.EscapeText(&locked, []byte(o.Key)) // a buffer takes everything
		locked.WriteString("</Key><Code>AccessDenied</Code><Message>" + why + "</Message></Error>")
	}
	if locked.Len() == 0 {
		return s.backendCall(call, http.MethodPost, "delete", header, body)
	}
	answer := &reply{call: call, status: http.StatusOK, header: http.Header{"Content-Type": {"application/xml"}}, body: []byte("<DeleteResult></DeleteResult>")}
	if request.Object = free; len(free) > 0 {
		rest, err := xml.Marshal(request)
		if err != nil {
			return refuse(call, &iam.Denial{Status: http.StatusInternalServerError, Code: "InternalError", Message: err.Error()})
		}
		header.Del("Content-Md5")
		if answer = s.backendCall(call, http.MethodPost, "delete", header, rest); answer.status != http.StatusOK {
			return answer
		}
	}
	answer.body = bytes.Replace(answer.body, []byte("</DeleteResult>"), append(locked.Bytes(), "</DeleteResult>"...), 1)
	return answer
}

// copyPart copies a range of an object into a part, which gofakes3 cannot.
func (s *Server) copyPart(header http.Header, call Call) *reply {
	source, err := url.PathUnescape(strings.TrimPrefix(header.Get("X-Amz-Copy-Source"), "/"))
	bucket, key, ok := strings.Cut(source, "/")
	if err != nil || !ok {
		return refuse(call, &iam.Denial{Status: http.StatusBadRequest, Code: "InvalidArgument", Message: "Copy Source must mention the source bucket and key"})
	}
	get := http.Header{}
	if byteRange := header.Get("X-Amz-Copy-Source-Range"); byteRange != "" {
		get.Set("Range", byteRange)
	}
	read := s.backendCall(Call{Bucket: bucket, Key: key}, http.MethodGet, "", get, nil)
	if read.status >= 300 {
		read.call = call
		return read
	}
	written := s.backendCall(call, http.MethodPut, call.Request.URL.RawQuery, http.Header{}, read.body)
	if written.status == http.StatusOK {
		written.header.Set("Content-Type", "application/xml")
		written.body = fmt.Appendf(nil, "%s<CopyPartResult><LastModified>%s</LastModified><ETag>%s</ETag></CopyPartResult>", xml.Header,
			s.now().UTC().Format("2006-01-02T15:04:05.000Z"), strings.ReplaceAll(written.header.Get("ETag"), `"`, "&quot;"))
		written.header.Del("ETag")
	}
	return written
}
