package factory

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
)

func TestParseEnvelope(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]envelope{
		`{"error_code":"DLF.0100","error_msg":"The job does not exists."}`:                               {Code: "DLF.0100", Message: "The job does not exists."},
		`{"errors":[{"error_code":"DLF.6201","error_msg":"The script does not exist."}]}`:                {Code: "DLF.6201", Message: "The script does not exist."},
		`{"errorCode":"DLF.3051","errorMsg":"invalid"}`:                                                  {Code: "DLF.3051", Message: "invalid"},
		`{"error_code":"APIG.0301","error_msg":"Incorrect IAM authentication","request_id":"8a9f"}`:      {Code: "APIG.0301", Message: "Incorrect IAM authentication", RequestID: "8a9f"},
		`{"error":{"code":401,"message":"The token must be updated","title":"Unauthorized"}}`:            {Code: "401", Message: "The token must be updated"},
		`{"code":"IAM.0001","message":"no"}`:                                                             {Code: "IAM.0001", Message: "no"},
		`{"message":"Service Unavailable"}`:                                                              {Message: "Service Unavailable"},
		`{"errors":[{"error_code":"DLF.0202","error_msg":"taken"},{"error_code":"X"}],"request_id":"1"}`: {Code: "DLF.0202", Message: "taken", RequestID: "1"},
		`{"total":0}`: {Message: `{"total":0}`},
		`[]`:          {Message: `[]`},
		``:            {},
	} {
		if got := parseEnvelope([]byte(body)); got != want {
			t.Errorf("%s\n got %+v\nwant %+v", body, got, want)
		}
	}
	html := "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body bgcolor=\"white\">\r\n<hr><center>api-gateway</center></body></html>"
	if got := shorten(parseEnvelope([]byte(html)).Message); got != "502 Bad Gateway api-gateway" {
		t.Errorf("HTML: %q", got)
	}
	if got := shorten(strings.Repeat("作", 1000)); len(got) > maxMessage+3 || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
		t.Errorf("shortened to %d bytes: %q", len(got), got)
	}
}

// FuzzParseEnvelope holds that every error body gives one line of valid UTF-8 of bounded length.
func FuzzParseEnvelope(f *testing.F) {
	for _, seed := range []string{
		`{"error_code":"DLF.0100","error_msg":"x"}`, `{"errors":[{"error_code":1}]}`, `{"error":"x"}`, `<html>`, `{"a":`, "\xff<", `{"errors":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e := parseEnvelope(body)
		for _, text := range []string{shorten(e.Code), shorten(e.Message), shorten(e.RequestID)} {
			if !utf8.ValidString(text) || len(text) > maxMessage+len("…") || strings.ContainsAny(text, "\r\n\x00") {
				t.Errorf("%q", text)
			}
		}
	})
}

// FuzzReadPage holds that a page is either an error or JSON, that the rows are exactly its rows, and that each row's name is
// the one that encoding/json reads.
func FuzzReadPage(f *testing.F) {
	for _, seed := range []string{
		`{"total":1,"scripts":[{"name":"a"}]}`, `{"scripts":[{"name":"\u4f5c\ud83d\ude00","id":5},{}],"total":"2","x":{"y":[1]}}`,
		`{"scripts":null,"total":0}`, `{"scripts":[1,[],"x",{"name":1}],"count":4}`, `{"scripts":[{"name":"a","name":"b"}],"total":1}`,
		`{"total":1,"scripts":[{"name":"a"}`, `{"error_code":"DLF.3051"}`, "{\"total\":1,\"scripts\":[{\"name\":\"\xff\"}]}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var raws []json.RawMessage
		rows, total, err := readPage(bytes.NewReader(body), "scripts", 1<<20, func(raw json.RawMessage) error {
			raws = append(raws, bytes.Clone(raw))
			row, ok := parseRow(asset.Scripts, raw)
			if !ok {
				return nil
			}
			var fields map[string]json.RawMessage
			var name string
			if json.Unmarshal(raw, &fields) != nil || json.Unmarshal(fields["name"], &name) != nil || name != row.Ref.Name {
				t.Errorf("row %s: name %q", raw, row.Ref.Name)
			}
			return nil
		})
		if err != nil {
			return
		}
		if !json.Valid(body) || rows != len(raws) || total < 0 {
			t.Errorf("%d rows, total %d, of %q", rows, total, body)
		}
		for _, raw := range raws {
			if !bytes.Contains(body, raw) {
				t.Errorf("row %q is not in %q", raw, body)
			}
		}
	})
}
