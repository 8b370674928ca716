package rawjson_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

const odd = "{ \"name\" : \"作业<&>\u2028\" ,\"big\":12345678901234567890,\"one\":1.0,\"nodes\":[ {\"a\":\"}]\\\"\"}, [] ,null,-0.5e3],\"\\u0069d\":7 }"

func TestMembers_AreFoundWithoutRespellingThem(t *testing.T) {
	t.Parallel()
	want := map[string]string{"name": "\"作业<&>\u2028\"", "big": "12345678901234567890", "one": "1.0", "nodes": `[ {"a":"}]\""}, [] ,null,-0.5e3]`, "id": "7"}
	got := map[string]string{}
	for name, span := range rawjson.Members([]byte(odd)) {
		got[name] = string(span.In([]byte(odd)))
	}
	if len(got) != len(want) {
		t.Fatalf("members %v", got)
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: %s, want %s", name, got[name], value)
		}
	}
}

func TestElements_AreFoundInOrder(t *testing.T) {
	t.Parallel()
	nodes, ok := rawjson.Path([]byte(odd), "nodes")
	if !ok {
		t.Fatal("nodes not found")
	}
	var got []string
	for span := range rawjson.Elements(nodes) {
		got = append(got, string(span.In(nodes)))
	}
	if s := strings.Join(got, "|"); s != `{"a":"}]\""}|[]|null|-0.5e3` {
		t.Errorf("elements %s", s)
	}
}

func TestWithout_TakesTheCommaAlong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"x":1,"a":2}`:             `{"a":2}`,
		`{"a":2 , "x":1}`:           `{"a":2}`,
		`{"a":2,"x":1,"y":3}`:       `{"a":2}`,
		`{"x":1, "y":3, "a":2}`:     `{"a":2}`,
		`{"x":1}`:                   `{}`,
		`{"x":1,"y":3}`:             `{}`,
		`{"a":1.0}`:                 `{"a":1.0}`,
		`{"x":0,"a":1,"y":2,"b":3}`: `{"a":1,"b":3}`,
	} {
		got := rawjson.Without([]byte(text), func(name string) bool { return name == "x" || name == "y" })
		if string(got) != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestSet_ReplacesInPlaceOrAdds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`:                 `{"x":true}`,
		`{"a":1}`:            `{"a":1,"x":true}`,
		"{\n  \"a\": 1\n}\n": "{\n  \"a\": 1,\"x\":true\n}\n",
		`{"x": 5, "a":1}`:    `{"x": true, "a":1}`,
	} {
		if got := rawjson.Set([]byte(text), "x", []byte("true")); string(got) != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestQuote_GivesBackTheSameString(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "a<&>\u2028\"\\\n中", `\u2028`, "\x00\t"} {
		if back, ok := rawjson.String(rawjson.Quote(s)); !ok || back != s {
			t.Errorf("%q became %q", s, back)
		}
	}
	if got := string(rawjson.Quote("a<&>")); got != `"a<&>"` {
		t.Errorf("escaped without need: %s", got)
	}
}

func TestDiff_SeesMeaningNotSpelling(t *testing.T) {
	t.Parallel()
	same := [][2]string{
		{`{"a":1,"b":[1.0,"x"]}`, `{ "b":[1, "\u0078"], "a":1 }`},
		{`100000000000000000001`, `100000000000000000001.0`},
	}
	for _, pair := range same {
		if changes, err := rawjson.Diff([]byte(pair[0]), []byte(pair[1])); err != nil || len(changes) > 0 {
			t.Errorf("%s and %s: %v %v", pair[0], pair[1], changes, err)
		}
	}
	changes, err := rawjson.Diff([]byte(`{"n":[{"v":9007199254740993},1],"gone":"<"}`), []byte(`{"n":[{"v":9007199254740992}],"new":null}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []rawjson.Change{
		{Path: "gone", From: `"<"`},
		{Path: "n[0].v", From: "9007199254740993", To: "9007199254740992"},
		{Path: "n[1]", From: "1"},
		{Path: "new", To: "null"},
	}
	if len(changes) != len(want) {
		t.Fatalf("%+v", changes)
	}
	for i := range want {
		if changes[i] != want[i] {
			t.Errorf("change %d: %+v, want %+v", i, changes[i], want[i])
		}
	}
}

func TestDiff_TakesNoReplacementCharacterForAnother(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{`{"a":"\ud800"}`, `{"a":"\ufffd"}`}, {"{\"a\":\"\xe9\"}", "{\"a\":\"\xea\"}"}, {`{"a":"\udc00\ud800"}`, `{"a":"\udc00\ud801"}`}} {
		if changes, err := rawjson.Diff([]byte(pair[0]), []byte(pair[1])); err != nil || len(changes) == 0 {
			t.Errorf("%q and %q: %v %v", pair[0], pair[1], changes, err)
		}
	}
	same := [2]string{`{"a":"\ud83d\ude00 \\ud800"}`, `{"a" : "😀 \\ud800"}`}
	if changes, err := rawjson.Diff([]byte(same[0]), []byte(same[1])); err != nil || len(changes) > 0 {
		t.Errorf("%q and %q: %v %v", same[0], same[1], changes, err)
	}
}

func TestLost_IgnoresWhatAServiceAdds(t *testing.T) {
	t.Parallel()
	changes, err := rawjson.Lost([]byte(`{"a":{"b":1},"l":[1]}`), []byte(`{"a":{"b":1,"default":0},"l":[1,2],"id":5}`))
	if err != nil || len(changes) != 1 || changes[0].Path != "l[1]" {
		t.Errorf("%+v %v", changes, err)
	}
}

func FuzzSpans(f *testing.F) {
	for _, seed := range []string{odd, `{}`, `[`, `{"a":`, `{"a":[{"b":"\"`, "\"", `{"x":1,"x":2}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		out := rawjson.Without(text, func(name string) bool { return len(name)%2 == 1 })
		set := rawjson.Set(text, "k", []byte("[1]"))
		for range rawjson.Elements(text) {
		}
		if rawjson.Check(text) != nil {
			return
		}
		if !json.Valid(out) || !json.Valid(set) {
			t.Fatalf("%q: %q %q", text, out, set)
		}
		var want, got map[string]json.RawMessage
		if json.Unmarshal(text, &want) != nil || json.Unmarshal(out, &got) != nil {
			t.Fatal("no longer an object")
		}
		for name, value := range want {
			if len(name)%2 == 1 {
				delete(want, name)
			} else if !bytes.Equal(got[name], value) {
				t.Fatalf("%q: %q became %q", name, value, got[name])
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%q: %q", text, out)
		}
	})
}
