package objectstore

import (
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// listing is ListBucketResult, with values as they stand in the XML.
type listing struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	Name                  string
	Prefix                string
	Marker                string
	NextMarker            string `xml:",omitempty"`
	ContinuationToken     string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	StartAfter            string `xml:",omitempty"`
	KeyCount              string `xml:",omitempty"`
	MaxKeys               string
	Delimiter             string `xml:",omitempty"`
	EncodingType          string `xml:",omitempty"`
	IsTruncated           bool
	Contents              []listedObject
	CommonPrefixes        []listedPrefix
}

type listedObject struct {
	Key          string
	LastModified string
	ETag         string
	Size         string
	StorageClass string `xml:",omitempty"`
}

type listedPrefix struct{ Prefix string }

// finishListing makes a backend's listing one of OBS: keys are encoded where that was asked for, NextMarker stands in every
// truncated listing, and a stale listing lacks what was written since.
func (s *Server) finishListing(answer *reply, call Call) {
	var list listing
	if answer.status != http.StatusOK || xml.Unmarshal(answer.body, &list) != nil {
		return
	}
	last := ""
	for _, object := range list.Contents {
		last = max(last, object.Key)
	}
	for _, common := range list.CommonPrefixes {
		last = max(last, common.Prefix)
	}
	if call.OBS && list.IsTruncated && list.NextMarker == "" {
		list.NextMarker = last
	}
	encode := func(text string) string { return text }
	if call.Request.URL.Query().Get("encoding-type") == "url" && list.EncodingType == "" {
		list.EncodingType = "url"
		encode = func(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "%2F", "/") }
	}
	s.removeUnlisted(&list, call.Bucket)
	list.Prefix, list.Marker, list.NextMarker, list.Delimiter = encode(list.Prefix), encode(list.Marker), encode(list.NextMarker), encode(list.Delimiter)
	for i := range list.Contents {
		list.Contents[i].Key = encode(list.Contents[i].Key)
	}
	for i := range list.CommonPrefixes {
		list.CommonPrefixes[i].Prefix = encode(list.CommonPrefixes[i].Prefix)
	}
	body, err := xml.Marshal(list)
	if err != nil {
		return
	}
	answer.body = append([]byte(xml.Header), body...)
	answer.header.Del("Content-Length")
}

// removeUnlisted takes out of a page what listings do not show yet, and folders in which there is nothing else.
func (s *Server) removeUnlisted(list *listing, bucket string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.hidden) == 0 {
		return
	}
	list.Contents = slices.DeleteFunc(list.Contents, func(object listedObject) bool { return s.unlisted(bucket + "/" + object.Key) })
	list.CommonPrefixes = slices.DeleteFunc(list.CommonPrefixes, func(folder listedPrefix) bool {
		inside := bucket + "/" + folder.Prefix
		if !slices.ContainsFunc(slices.Collect(maps.Keys(s.hidden)), func(name string) bool { return strings.HasPrefix(name, inside) }) {
			return false
		}
		keys, err := s.Keys(bucket, folder.Prefix) // a method of the console: it takes no lock
		if err != nil {
			return false
		}
		shown := false
		for _, key := range keys {
			shown = !s.unlisted(bucket+"/"+key) || shown
		}
		return !shown
	})
}
