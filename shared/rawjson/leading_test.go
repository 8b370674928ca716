package rawjson_test

import (
	"encoding/json"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

func TestLeading(t *testing.T) {
	t.Parallel()
	read := func(text string) (found string) {
		rawjson.Leading([]byte(text), func(name string, value json.RawMessage) bool {
			found += name + "=" + string(value) + ";"
			return name != "stop"
		})
		return found
	}
	for name, c := range map[string]struct{ text, want string }{
		"a_whole_object":                 {`{"a": 1, "b": {"c": [2]}}`, `a=1;b={"c": [2]};`},
		"one_that_is_cut_in_a_list":      {`{"a": "x", "b": [1, 2`, `a="x";b=;`},
		"one_that_is_cut_in_a_number":    {`{"a": "x", "b": 12`, `a="x";b=;`},
		"one_that_is_cut_in_a_name":      {`{"a": "x", "b`, `a="x";`},
		"one_that_is_cut_in_a_character": {"{\"a\": \"x\", \"b\": \"\xe4\xbd", `a="x";b=;`},
		"one_that_is_left_early":         {`{"a":1,"stop":2,"b":3}`, `a=1;stop=2;`},
		"a_list":                         {`[1]`, ``},
		"nothing":                        {``, ``},
		"no_json":                        {`{a: 1}`, ``},
	} {
		if got := read(c.text); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
