package objectstore

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// The methods here are the console of the local cloud: they need no signature, meet no faults and are not counted.

// CreateBucket makes a bucket. One that exists already is no error.
func (s *Server) CreateBucket(name string) error {
	answer := s.backendCall(Call{Bucket: name}, http.MethodPut, "", nil, nil)
	if answer.status >= 300 && answer.status != http.StatusConflict {
		return fmt.Errorf("create bucket %s: %d %s", name, answer.status, answer.body)
	}
	return nil
}

// PutObject writes an object, as somebody does who uploads a file in the console: OnObjectCreated hears of it.
func (s *Server) PutObject(bucket, key string, data []byte) error {
	call := Call{Bucket: bucket, Key: key}
	isNew := s.late() && !s.exists(call)
	answer := s.backendCall(call, http.MethodPut, "", nil, data)
	if answer.status >= 300 {
		return fmt.Errorf("put object %s/%s: %d %s", bucket, key, answer.status, answer.body)
	}
	s.created(call, isNew)
	return nil
}

// GetObject reads an object; ok is false if there is none.
func (s *Server) GetObject(bucket, key string) (data []byte, ok bool) {
	answer := s.backendCall(Call{Bucket: bucket, Key: key}, http.MethodGet, "", nil, nil)
	if answer.status != http.StatusOK {
		return nil, false
	}
	return answer.body, true
}

// DeleteObject removes an object, protected or not.
func (s *Server) DeleteObject(bucket, key string) error {
	answer := s.backendCall(Call{Bucket: bucket, Key: key}, http.MethodDelete, "", nil, nil)
	if answer.status >= 300 {
		return fmt.Errorf("delete object %s/%s: %d %s", bucket, key, answer.status, answer.body)
	}
	return nil
}

// Keys lists all keys that begin with prefix, in order, hidden ones included.
func (s *Server) Keys(bucket, prefix string) ([]string, error) {
	var keys []string
	for marker := ""; ; {
		query := url.Values{"prefix": {prefix}, "marker": {marker}}
		answer := s.backendCall(Call{Bucket: bucket}, http.MethodGet, strings.ReplaceAll(query.Encode(), "+", "%20"), nil, nil)
		if answer.status != http.StatusOK {
			return nil, fmt.Errorf("list bucket %s: %d %s", bucket, answer.status, answer.body)
		}
		var list listing
		if err := xml.Unmarshal(answer.body, &list); err != nil {
			return nil, fmt.Errorf("list bucket %s: %w", bucket, err)
		}
		for _, object := range list.Contents {
			keys = append(keys, object.Key)
		}
		if !list.IsTruncated {
			return keys, nil
		}
		if len(list.Contents) == 0 {
			return nil, errors.New("list bucket " + bucket + ": a truncated page without keys")
		}
		marker = list.Contents[len(list.Contents)-1].Key
	}
}
