package dataarts

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzText(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { } `, `{"a":1}`, "{\n \"a\" : \"x}\\\"\" ,\t\"b\":[{},[],{\"c\":[1,2 ]}] ,\"a\":-1.0e5\n}\n", `{"a":"\\","":"","\u0061":null}`, `{"a":[],"b":true}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !isObject(text) {
			return
		}
		text = bytes.TrimSpace(text)
		var names []string
		for _, m := range members(text) {
			names = append(names, m.name)
			if !json.Valid(text[m.value:m.end]) || text[m.start] != '"' {
				t.Fatalf("member %q of %q is cut wrongly: %q", m.name, text, text[m.start:m.end])
			}
		}
		// The members are those that encoding/json finds.
		var decoded map[string]json.RawMessage
		if err := json.Unmarshal(text, &decoded); err != nil {
			t.Fatal(err)
		}
		unique := slices.Compact(slices.Sorted(slices.Values(names)))
		if len(unique) != len(decoded) {
			t.Fatalf("members of %q: %q, want %d", text, unique, len(decoded))
		}
		// What is spliced in is taken out again without a trace.
		if slices.Contains(names, "spliced") {
			return
		}
		var more fields
		more.add("spliced", "x")
		longer := bytes.Join(spliced(text, more), nil)
		if !json.Valid(longer) {
			t.Fatalf("spliced into %q: %q", text, longer)
		}
		if got := without(longer, []string{"spliced"}); !bytes.Equal(got, text) {
			t.Fatalf("%q came back as %q", text, got)
		}
		if got := without(text, names); len(members(got)) != 0 || !json.Valid(got) {
			t.Fatalf("without all members %q is %q", text, got)
		}
	})
}

func TestWithout_leaves_the_rest_as_it_is(t *testing.T) {
	t.Parallel()
	text := "{ \"id\":1,\n  \"a\": 1.0,\t\"version\":[2] , \"b\":{\"id\":3}\n, \"createTime\":4 }"
	if got, want := string(without([]byte(text), []string{"id", "version", "createTime"})), "{ \"a\": 1.0 , \"b\":{\"id\":3} }"; got != want {
		t.Errorf("without: %q, want %q", got, want)
	}
}

func TestElements_finds_every_value_of_an_array(t *testing.T) {
	t.Parallel()
	text := `[ 1, "a,]" ,[2,[3]],{"b":[]} ]`
	var got []string
	for _, span := range elements([]byte(text)) {
		got = append(got, text[span[0]:span[1]])
	}
	if want := []string{"1", `"a,]"`, "[2,[3]]", `{"b":[]}`}; !cmp.Equal(got, want) {
		t.Errorf("elements: %q", got)
	}
}
