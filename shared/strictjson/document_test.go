package strictjson_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
)

const edited = `{
  "formatVersion": 1,
  "jobs": {
    "HiveSQL": [
      {"job": "ods_订单", "node": "n1", "connectionName": "hive"},
      {"job": "a.b", "node": "n2"}
    ]
  },
  "replace": {"database": {"ods.orders": "x", "[0]": "y", "": "z", "q\"": "w"}}
}`

func TestDocument_FaultAt(t *testing.T) {
	t.Parallel()
	doc, err := strictjson.Parse([]byte(edited))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct {
		line, column int
		value        string
	}{
		"":                               {1, 1, edited},
		"formatVersion":                  {2, 20, "1"},
		"jobs.HiveSQL[0]":                {5, 7, `{"job": "ods_订单", "node": "n1", "connectionName": "hive"}`},
		"jobs.HiveSQL[0].connectionName": {5, 57, `"hive"`},
		"jobs.HiveSQL[1].node":           {6, 30, `"n2"`},
		`replace.database["ods.orders"]`: {9, 42, `"x"`},
		`replace.database["[0]"]`:        {9, 54, `"y"`},
		`replace.database[""]`:           {9, 63, `"z"`},
		`replace.database["q\""]`:        {9, 75, `"w"`},
		`["jobs"]["HiveSQL"][1]["job"]`:  {6, 15, `"a.b"`},

		// There is no such value: the nearest around it.
		"jobs.HiveSQL[2].job":        {4, 16, ""},
		"jobs.HiveSQL[1].database":   {6, 7, ""},
		"jobs.CDMJob[0].clusterName": {3, 11, ""},
		"jobs[0]":                    {3, 11, ""},
		"jobs.HiveSQL.job":           {4, 16, ""},
		"formatVersion.x":            {2, 20, ""},
		"jobs.HiveSQL[-1]":           {4, 16, ""},
		"jobs.HiveSQL[x]":            {4, 16, ""},
		"jobs.HiveSQL[1":             {4, 16, ""},
		`jobs["HiveSQL`:              {3, 11, ""},
		"jobs..HiveSQL":              {3, 11, ""},
	} {
		got := doc.FaultAt(path, "is wrong")
		if diff := cmp.Diff(strictjson.Fault{Line: want.line, Column: want.column, Path: path, Problem: "is wrong"}, got); diff != "" {
			t.Errorf("%s: fault differs (-want +got):\n%s", path, diff)
		}
		value, found := doc.Value(path)
		if string(value) != want.value || found != (want.value != "") {
			t.Errorf("%s: value is %s (%t), want %s", path, value, found, want.value)
		}
	}
}

func TestDocument_DecodesToo(t *testing.T) {
	t.Parallel()
	doc, err := strictjson.Parse([]byte(`{"kinds": ["jobs"], "names": [1]}`))
	if err != nil {
		t.Fatal(err)
	}
	var into selection
	if err := doc.Decode(&into); err == nil || err.Error() != "line 1, column 31, names[0]: found a number, want a string" {
		t.Errorf("error is %v", err)
	}
	var lists map[string]strictList
	if err := doc.Decode(&lists); err != nil || len(lists) != 2 {
		t.Errorf("decoded %v, %v", lists, err)
	}
}

// strictList takes any JSON.
type strictList struct{}

func (*strictList) UnmarshalJSON([]byte) error { return nil }

func TestParse_RefusesWhatCannotBeTrusted(t *testing.T) {
	t.Parallel()
	doc, err := strictjson.Parse([]byte("{\"a\": 1, \"a\": 2,\n \"b\": \"\xff\", \"c\" 1}"))
	want := "line 1, column 10, a: the field \"a\" stands twice, first at line 1, column 2; " +
		"line 2, column 8, b: the byte 0xff is not UTF-8, save the document as UTF-8; " +
		"line 2, column 16: found '1', want ':' after the field's name \"c\""
	if doc != nil || err == nil || err.Error() != want {
		t.Errorf("document %v, error\n%v\nwant\n%s", doc, err, want)
	}
}

// TestDocument_IsQuickInLargeDocuments holds that faults are found through the index: looking each up by reading the
// document again would take minutes here, one line or many.
func TestDocument_IsQuickInLargeDocuments(t *testing.T) {
	t.Parallel()
	const entries = 50_000
	for name, lineBreak := range map[string]string{"many lines": "\n", "one line": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			b.WriteString(`{"jobs":{"HiveSQL":[`)
			for i := range entries {
				if i > 0 {
					b.WriteString("," + lineBreak)
				}
				fmt.Fprintf(&b, `{"job":"任务_%06d","node":"n","connectionName":"hive","database":"ods"}`, i)
			}
			b.WriteString("]},\"names\":{")
			for i := range entries {
				if i > 0 {
					b.WriteString("," + lineBreak)
				}
				fmt.Fprintf(&b, `"k%06d":1`, i)
			}
			b.WriteString("}}")
			text := []byte(b.String())
			started := time.Now()
			doc, err := strictjson.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			for i := range entries {
				entry := doc.FaultAt(fmt.Sprintf("jobs.HiveSQL[%d].connectionName", i), "")
				member := doc.FaultAt(fmt.Sprintf("names.k%06d", i), "")
				if lineBreak != "" && (entry.Line != i+1 || member.Line != entries+i) {
					t.Fatalf("entry %d stands in line %d, member in line %d", i, entry.Line, member.Line)
				}
				if lineBreak == "" && i == 1 && entry.Column != 140 {
					t.Fatalf("entry 1 stands in column %d", entry.Column)
				}
			}
			if took := time.Since(started); took > time.Minute {
				t.Errorf("%d faults in %d MB took %s", 2*entries, len(text)>>20, took)
			}
		})
	}
}

func TestDocument_IsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	doc, err := strictjson.Parse([]byte(edited))
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if got := doc.FaultAt("jobs.HiveSQL[1]", "").Line; got != 6 {
				t.Errorf("line is %d, want 6", got)
			}
		})
	}
	group.Wait()
}

// TestPaths_LeadBack holds that a path made of any names leads to the value it was made for.
func TestPaths_LeadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.String(), 1, 4).Draw(t, "names")
		at := rapid.IntRange(0, 20).Draw(t, "at")
		text, path := `"here"`, ""
		for _, name := range names {
			path = strictjson.Element(strictjson.Field(path, name), at)
		}
		for i := len(names) - 1; i >= 0; i-- {
			text = "{" + quoted(names[i]) + ": [" + strings.Repeat("0, ", at) + text + "]}"
		}
		doc, err := strictjson.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if value, found := doc.Value(path); !found || string(value) != `"here"` {
			t.Fatalf("%s in %s is %s (%t)", path, text, value, found)
		}
	})
}

func TestPosition(t *testing.T) {
	t.Parallel()
	text := []byte("aä\n😀b\r\n\nc")
	for offset, want := range map[int64][2]int{
		-1: {1, 1}, 0: {1, 1}, 1: {1, 2}, 2: {1, 2}, 3: {1, 3}, 4: {2, 1}, 7: {2, 1}, 8: {2, 2}, 9: {2, 3}, 11: {3, 1}, 12: {4, 1}, 13: {4, 2}, 99: {4, 2},
	} {
		if line, column := strictjson.Position(text, offset); line != want[0] || column != want[1] {
			t.Errorf("offset %d is line %d, column %d, want %v", offset, line, column, want)
		}
	}
	if line, column := strictjson.Position(nil, 5); line != 1 || column != 1 {
		t.Errorf("in nothing: line %d, column %d", line, column)
	}
}

// TestPosition_AgreesWithTheIndex compares the plain count with the one of a document across its marks.
func TestPosition_AgreesWithTheIndex(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		space := strings.Repeat(rapid.StringMatching(`[ \n]{1,9}`).Draw(t, "space"), rapid.IntRange(0, 1500).Draw(t, "times"))
		text := []byte(`["` + strings.Repeat(rapid.StringMatching(`[aä恢😀]{1,9}`).Draw(t, "text"), rapid.IntRange(0, 1500).Draw(t, "repeats")) + `",` + space + `1]`)
		doc, err := strictjson.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		line, column := strictjson.Position(text, int64(len(text)-2))
		if got := doc.FaultAt("[1]", ""); got.Line != line || got.Column != column {
			t.Fatalf("index says line %d, column %d, count says %d, %d", got.Line, got.Column, line, column)
		}
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	if err := (strictjson.Faults{}).Err(); err != nil {
		t.Errorf("no faults are the error %v", err)
	}
	faults := strictjson.Faults{{Line: 2, Column: 1, Problem: "c"}, {Line: 1, Column: 9, Path: "b", Problem: "b"}, {Line: 1, Column: 2, Path: "a", Problem: "a"}}
	err := faults.Err()
	if want := "line 1, column 2, a: a; line 1, column 9, b: b; line 2, column 1: c"; err.Error() != want {
		t.Errorf("error is %q, want %q", err, want)
	}
	if _, ok := errors.AsType[strictjson.Faults](fmt.Errorf("request: %w", err)); !ok {
		t.Error("the faults are not found in a wrapped error")
	}
	if faults[0].Problem != "c" {
		t.Error("Err sorted the caller's faults")
	}
}

func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		if r < ' ' || r == '"' || r == '\\' {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
