package strictjson_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/shared/strictjson"
)

// order is a command with a field of every type.
type order struct {
	ID           string             `json:"id"`
	DryRun       bool               `json:"dryRun,omitempty"`
	AllowPartial *bool              `json:"allowPartial"`
	Time         time.Time          `json:"time"`
	Until        *time.Time         `json:"until"`
	Count        int                `json:"count"`
	Small        int8               `json:"small"`
	Unsigned     uint16             `json:"unsigned"`
	Ratio        float64            `json:"ratio"`
	Precise      json.Number        `json:"precise"`
	Raw          json.RawMessage    `json:"raw"`
	Policy       policy             `json:"policy"`
	Own          *own               `json:"own"`
	Select       *selection         `json:"select"`
	Replace      map[string]mapping `json:"replace"`
	Nodes        []selection        `json:"nodes"`
	Plain        string
	Hidden       string `json:"-"`
	private      string
}

type selection struct {
	Kinds []string `json:"kinds"`
	Names []string `json:"names"`
}

type mapping map[string]string

// policy is a type with text of its own.
type policy int

func (p *policy) UnmarshalText(text []byte) error {
	for i, name := range []string{"skip", "overwrite"} {
		if string(text) == name {
			*p = policy(i)
			return nil
		}
	}
	return fmt.Errorf("found %q, want skip or overwrite", text)
}

// own is a type with JSON of its own.
type own struct{ text string }

func (o *own) UnmarshalJSON(data []byte) error {
	if len(data) > 10 {
		return errors.New("want a short value")
	}
	o.text = string(data)
	return nil
}

func TestDecode_FillsEveryType(t *testing.T) {
	t.Parallel()
	got := order{Plain: "kept", private: "kept"}
	err := strictjson.Decode([]byte(` {
		"id": "a\"\u00e4\ud83d\ude00\n", "dryRun": true, "allowPartial": false, "time": "2026-01-02T00:00:00+08:00", "until": null,
		"count": -12, "small": 127, "unsigned": 65535, "ratio": 1.5e3, "precise": 12345678901234567890.10, "raw": {"a": [1, 2]},
		"policy": "overwrite", "own": [1], "select": {"kinds": ["jobs", "scripts"], "names": null},
		"replace": {"database": {"ods.old": "ods.new"}, "empty": {}, "none": null}, "nodes": [{}, {"kinds": []}]
	} `), &got)
	if err != nil {
		t.Fatal(err)
	}
	no := false
	want := order{
		ID: "a\"ä😀\n", DryRun: true, AllowPartial: &no, Time: time.Date(2026, 1, 1, 16, 0, 0, 0, time.UTC),
		Count: -12, Small: math.MaxInt8, Unsigned: math.MaxUint16, Ratio: 1500, Precise: "12345678901234567890.10", Raw: json.RawMessage(`{"a": [1, 2]}`),
		Policy: 1, Own: &own{text: "[1]"}, Select: &selection{Kinds: []string{"jobs", "scripts"}},
		Replace: map[string]mapping{"database": {"ods.old": "ods.new"}, "empty": {}, "none": nil},
		Nodes:   []selection{{}, {Kinds: []string{}}}, Plain: "kept", private: "kept",
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(order{}, own{})); diff != "" {
		t.Errorf("decoded otherwise (-want +got):\n%s", diff)
	}
}

const knownFields = "(known: id, dryRun, allowPartial, time, until, count, small, unsigned, ratio, precise, raw, policy, own, select, replace, nodes, Plain)"

func TestDecode_Faults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ document, want string }{
		// Fields.
		"an unknown field":                     {`{"colour": 1}`, `line 1, column 2, colour: unknown field "colour" ` + knownFields},
		"a field in other case":                {`{"DryRun": true}`, `line 1, column 2, DryRun: unknown field "DryRun", did you mean "dryRun"? ` + knownFields},
		"a field spelt the other way":          {`{"dry_run": true}`, `line 1, column 2, dry_run: unknown field "dry_run", did you mean "dryRun"? ` + knownFields},
		"letters swapped":                      {`{"polciy": "skip"}`, `line 1, column 2, polciy: unknown field "polciy", did you mean "policy"? ` + knownFields},
		"a field that JSON does not have":      {`{"Hidden": ""}`, `line 1, column 2, Hidden: unknown field "Hidden" ` + knownFields},
		"a field that Go does not export":      {`{"private": ""}`, `line 1, column 2, private: unknown field "private" ` + knownFields},
		"an unknown field further down":        {`{"select": {"kind": []}}`, `line 1, column 13, select.kind: unknown field "kind", did you mean "kinds"? (known: kinds, names)`},
		"a field twice":                        {"{\"id\": \"a\",\n \"id\": \"b\"}", `line 2, column 2, id: the field "id" stands twice, first at line 1, column 2`},
		"a field twice, once with escapes":     {`{"id": "a", "\u0069d": "b"}`, `line 1, column 13, id: the field "id" stands twice, first at line 1, column 2`},
		"a key of a map twice":                 {`{"replace": {"database": {"a.b": "", "a.b": ""}}}`, `line 1, column 38, replace.database["a.b"]: the field "a.b" stands twice, first at line 1, column 27`},
		"a field twice in what is not decoded": {`{"raw": [{"a": 1, "a": 2}]}`, `line 1, column 19, raw[0].a: the field "a" stands twice, first at line 1, column 11`},
		"a long name is cut":                   {`{"select": {"` + strings.Repeat("n", 70) + `": 1}}`, `line 1, column 13, select.` + strings.Repeat("n", 70) + `: unknown field "` + strings.Repeat("n", 60) + `"… (known: kinds, names)`},

		// Types.
		"a number for a string":         {`{"id": 17}`, `line 1, column 8, id: found a number, want a string`},
		"null for a string":             {`{"id": null}`, `line 1, column 8, id: found null, want a string`},
		"a string for true or false":    {`{"dryRun": "true"}`, `line 1, column 12, dryRun: found a string, want true or false`},
		"a string behind a pointer":     {`{"allowPartial": "no"}`, `line 1, column 18, allowPartial: found a string, want true or false`},
		"a list for an object":          {`{"select": []}`, `line 1, column 12, select: found a list, want an object`},
		"null for an object in a list":  {`{"nodes": [null]}`, `line 1, column 12, nodes[0]: found null, want an object`},
		"a string for a list":           {`{"select": {"kinds": "jobs"}}`, `line 1, column 22, select.kinds: found a string, want a list`},
		"an element of another type":    {`{"select": {"kinds": ["jobs", true]}}`, `line 1, column 31, select.kinds[1]: found true or false, want a string`},
		"a value of a map":              {`{"replace": {"database": {"ods": 3}}}`, `line 1, column 34, replace.database.ods: found a number, want a string`},
		"a list for a map":              {`{"replace": []}`, `line 1, column 13, replace: found a list, want an object`},
		"an object for a number":        {`{"count": {}}`, `line 1, column 11, count: found an object, want a whole number`},
		"a string for a number":         {`{"ratio": "1"}`, `line 1, column 11, ratio: found a string, want a number`},
		"a string for a precise number": {`{"precise": "1"}`, `line 1, column 13, precise: found a string, want a number`},
		"a fraction for a whole number": {`{"count": 1.5}`, `line 1, column 11, count: found 1.5, want a whole number from -9223372036854775808 to 9223372036854775807`},
		"a number out of range":         {`{"small": -129}`, `line 1, column 11, small: found -129, want a whole number from -128 to 127`},
		"a negative number":             {`{"unsigned": -1}`, `line 1, column 14, unsigned: found -1, want a whole number from 0 to 65535`},
		"a number out of a float":       {`{"ratio": 1e400}`, `line 1, column 11, ratio: found 1e400, want a number of 64 bits`},
		"a time without offset":         {`{"time": "2026-01-02T00:00:00"}`, `line 1, column 10, time: found "2026-01-02T00:00:00", want a time with an offset like 2026-01-02T15:04:05Z (RFC 3339)`},
		"a number for a time":           {`{"until": 5}`, `line 1, column 11, until: found a number, want a time with an offset like 2026-01-02T15:04:05Z (RFC 3339)`},
		"a text that the type refuses":  {`{"policy": "fail"}`, `line 1, column 12, policy: found "fail", want skip or overwrite`},
		"a number for such a text":      {`{"policy": 1}`, `line 1, column 12, policy: found a number, want a string`},
		"a value that the type refuses": {`{"own": "long enough"}`, `line 1, column 9, own: want a short value`},
		"the document is no object":     {"\n []", `line 2, column 2: found a list, want an object`},

		// Grammar.
		"nothing":                       {"", `line 1, column 1: the document is empty, want JSON`},
		"only space":                    {" \n ", `line 2, column 2: the document is empty, want JSON`},
		"a comma too many":              {"{\"id\": \"a\",\n}", `line 1, column 11: a comma stands before '}', want none after the last one`},
		"a comma too many in a list":    {`{"select": {"kinds": ["jobs",]}}`, `line 1, column 29, select.kinds: a comma stands before ']', want none after the last one`},
		"a comma too few":               {"{\"id\": \"a\"\n \"dryRun\": true}", `line 2, column 2: found '"', want ',' or '}'`},
		"two commas":                    {`{"select": {"kinds": ["a",,"b"]}}`, `line 1, column 27, select.kinds[1]: found ',', want a value`},
		"a colon too few":               {`{"id" "a"}`, `line 1, column 7: found '"', want ':' after the field's name "id"`},
		"an equals sign":                {`{"id" = "a"}`, `line 1, column 7: found '=', want ':' after the field's name "id"`},
		"a name without quotes":         {`{id: "a"}`, `line 1, column 2: found 'i', want a field's name in double quotes`},
		"a value without quotes":        {`{"id": latest}`, `line 1, column 8, id: found 'l', want a value; text stands in double quotes, and it is true, false, null in small letters`},
		"a value that begins like true": {`{"id": tomorrow}`, `line 1, column 8, id: found 't', want a value; text stands in double quotes`},
		"a value that goes on":          {`{"dryRun": truelike}`, `line 1, column 16: found 'l', want ',' or '}'`},
		"capital True":                  {`{"dryRun": True}`, `line 1, column 12, dryRun: found 'T', want a value; text stands in double quotes, and it is true, false, null in small letters`},
		"single quotes":                 {`{"id": 'a'}`, `line 1, column 8, id: found ', want a value; text stands in double quotes`},
		"typographic quotes":            {`{“id”: "a"}`, `line 1, column 2: found '“', want a field's name in double quotes`},
		"a comment":                     {"{\n  // the id\n  \"id\": \"a\"}", `line 2, column 3: found '/', want a field's name; JSON has no comments`},
		"a comment behind a value":      {"{\"id\": \"a\" // the id\n}", `line 1, column 12: found '/', want ',' or '}'; JSON has no comments`},
		"a comment before a value":      {`{"id": /* the id */ "a"}`, `line 1, column 8, id: found '/', want a value; JSON has no comments`},
		"no value":                      {`{"id": }`, `line 1, column 8, id: found '}', want a value`},
		"the wrong bracket":             {`{"select": {"kinds": ["a"}}`, `line 1, column 26, select.kinds: found '}', want ',' or ']'`},
		"an object that is not closed":  {"{\"select\":\n  {\"kinds\": []", `line 2, column 15, select: the document ends inside an object that begins at line 2, column 3, want '}'`},
		"a list that is not closed":     {`{"select": {"kinds": ["jobs"`, `line 1, column 29, select.kinds: the document ends inside a list that begins at line 1, column 22, want ']'`},
		"an object just opened":         {`{`, `line 1, column 2: found the end of the document, want a field's name in double quotes`},
		"a value that is not there":     {`{"id":`, `line 1, column 7, id: found the end of the document, want a value`},
		"a string that is not closed":   {`{"id": "a}`, `line 1, column 8, id: the string that begins here is not closed`},
		"a string over two lines":       {"{\"id\": \"a\nb\"}", `line 1, column 10, id: a line ends inside a string, want '"' before it (a line break within a string is written \n)`},
		"a tab in a string":             {"{\"id\": \"a\tb\"}", `line 1, column 10, id: the control character U+0009 stands in a string, want it written as \u0009`},
		"a path with backslashes":       {`{"id": "C:\data"}`, `line 1, column 11, id: malformed escape in a string, want one of \" \\ \/ \b \f \n \r \t \u0000 (a backslash itself is written \\)`},
		"an escape cut short":           {`{"id": "\u12"}`, `line 1, column 9, id: malformed escape in a string, want one of \" \\ \/ \b \f \n \r \t \u0000 (a backslash itself is written \\)`},
		"a leading zero":                {`{"count": 012}`, `line 1, column 11, count: malformed number, want one like 0, -12 or 1.5e3`},
		"a plus":                        {`{"count": +1}`, `line 1, column 11, count: found '+', want a value`},
		"a point without digits":        {`{"ratio": 1.}`, `line 1, column 11, ratio: malformed number, want one like 0, -12 or 1.5e3`},
		"a minus alone":                 {`{"ratio": -}`, `line 1, column 11, ratio: malformed number, want one like 0, -12 or 1.5e3`},
		"an exponent without digits":    {`{"ratio": 1e}`, `line 1, column 11, ratio: malformed number, want one like 0, -12 or 1.5e3`},
		"text after the end":            {"{}\n{}", `line 2, column 1: found '{' after the end of the document, want nothing more`},
		"a NUL":                         {"{}\x00", `line 1, column 3: found the character U+0000 after the end of the document, want nothing more`},

		// Characters.
		"a byte order mark":        {"\xEF\xBB\xBF{}", `line 1, column 1: the document begins with a byte order mark: save it as UTF-8 without one`},
		"Latin-1 in a string":      {"{\"id\": \"Gr\xf6\xdfe\"}", `line 1, column 11, id: the byte 0xf6 is not UTF-8, save the document as UTF-8`},
		"Latin-1 outside a string": {"{\xf6}", `line 1, column 2: found the byte 0xf6, which is not UTF-8, want a field's name in double quotes`},
		"half a character":         {`{"id": "\ud83dx"}`, `line 1, column 9, id: the escape \ud83d is half of a character, want both halves`},
		"the other half":           {`{"id": "\ude00"}`, `line 1, column 9, id: the escape \ude00 is half of a character, want both halves`},
		"columns are characters":   {`{"replace": {"数据库": {"旧😀": 1}}}`, `line 1, column 28, replace.数据库["旧😀"]: found a number, want a string`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var into order
			err := strictjson.Decode([]byte(c.document), &into)
			if err == nil {
				t.Fatalf("decoded to %+v, want an error", into)
			}
			if err.Error() != c.want {
				t.Errorf("error is\n%s\nwant\n%s", err, c.want)
			}
			if faults, ok := errors.AsType[strictjson.Faults](err); !ok || len(faults) != 1 {
				t.Errorf("error is %#v, want one fault", err)
			}
		})
	}
}

func TestDecode_TellsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	var into order
	err := strictjson.Decode([]byte(`{
  "id": 1,
  "id": 2,
  "dry_run": true,
  "select": {"kinds": [1, "jobs", null]},
  "time": "noon",
  "count": 1,
}`), &into)
	want := strictjson.Faults{
		{Line: 2, Column: 9, Path: "id", Problem: "found a number, want a string"},
		{Line: 3, Column: 3, Path: "id", Problem: `the field "id" stands twice, first at line 2, column 3`},
		{Line: 4, Column: 3, Path: "dry_run", Problem: `unknown field "dry_run", did you mean "dryRun"? ` + knownFields},
		{Line: 5, Column: 24, Path: "select.kinds[0]", Problem: "found a number, want a string"},
		{Line: 5, Column: 35, Path: "select.kinds[2]", Problem: "found null, want a string"},
		{Line: 6, Column: 11, Path: "time", Problem: `found "noon", want a time with an offset like 2026-01-02T15:04:05Z (RFC 3339)`},
		{Line: 7, Column: 13, Problem: "a comma stands before '}', want none after the last one"},
	}
	if diff := cmp.Diff(error(want), err); diff != "" {
		t.Errorf("faults differ (-want +got):\n%s", diff)
	}
}

func TestDecode_ListsALimitedNumberOfFaults(t *testing.T) {
	t.Parallel()
	var into []string
	err := strictjson.Decode([]byte("["+strings.Repeat("1,", 5000)+"1]"), &into)
	faults, ok := errors.AsType[strictjson.Faults](err)
	if !ok || len(faults) != 1001 {
		t.Fatalf("%d faults, want 1001", len(faults))
	}
	if got := faults[1000].Problem; got != "more faults follow, only the first 1000 are listed" {
		t.Errorf("last fault is %q", got)
	}
}

func TestDecode_SurvivesDeepNesting(t *testing.T) {
	t.Parallel()
	nested := func(levels int) []byte {
		return []byte(strings.Repeat(`[`, levels) + strings.Repeat(`]`, levels))
	}
	var into json.RawMessage
	if err := strictjson.Decode(nested(10_000), &into); err != nil {
		t.Errorf("10000 levels: %v", err)
	}
	for _, levels := range []int{10_001, 1_000_000} {
		err := strictjson.Decode(nested(levels), &into)
		if err == nil || err.Error() != "line 1, column 10001: values are nested deeper than 10000 levels" {
			t.Errorf("%d levels: %v", levels, err)
		}
	}
	err := strictjson.Decode([]byte(strings.Repeat(`{"a":[`, 500_000)), &into)
	if err == nil || err.Error() != "line 1, column 30001: values are nested deeper than 10000 levels" {
		t.Errorf("a million levels that are not closed: %v", err)
	}
}

func TestDecode_RefusesTypesThatItCannotFill(t *testing.T) {
	t.Parallel()
	type embedded struct{ selection }
	type tagged struct {
		Selection selection `json:"selection"`
		Loop      *tagged   `json:"loop"`
	}
	for want, into := range map[string]any{
		"strictjson: decode into strictjson_test.order: want a pointer that is not nil":                                            order{},
		"strictjson: decode into *strictjson_test.order: want a pointer that is not nil":                                           (*order)(nil),
		"strictjson: decode into <nil>: want a pointer that is not nil":                                                            nil,
		"strictjson: decode into *interface {}: values of kind interface are not read":                                             new(any),
		"strictjson: decode into *map[int]string: the keys of a map must be plain strings":                                         new(map[int]string),
		"strictjson: decode into *[]uint8: bytes are not read":                                                                     new([]byte),
		"strictjson: decode into *[]map[string][2]int: values of kind array are not read":                                          new([]map[string][2]int),
		"strictjson: decode into *strictjson_test.embedded: the embedded field strictjson_test.embedded.selection has no json tag": new(embedded),
		"strictjson: decode into *struct { A int \"json:\\\"a,string\\\"\" }: the tag of struct { A int \"json:\\\"a,string\\\"\" }.A has the option string": new(struct {
			A int `json:"a,string"`
		}),
	} {
		if err := strictjson.Decode([]byte(`{}`), into); err == nil || err.Error() != want {
			t.Errorf("error is\n%v\nwant\n%s", err, want)
		}
	}
	if err := strictjson.Decode([]byte(`{"loop": {"loop": null}}`), new(tagged)); err != nil {
		t.Errorf("a type that holds itself: %v", err)
	}
}

// FuzzDecode holds that what we decode encoding/json decodes to the same, and that we refuse what it decodes only for the
// reasons that make us strict.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"id": "a", "dryRun": true}`, `{"id": null}`, `{"ID": "a"}`, `{"id":1,"id":"b"}`, `{"select":{"kinds":["a"]}}`, `{"nodes":[{},null]}`,
		`{"replace":{"database":{"a":"b"},"x":null}}`, `{"raw":{"a":[1,{"b":null}]},"precise":1e5,"ratio":-0.0,"count":-0}`, `{"policy":"skip","own":[1]}`,
		`{"time":"2026-01-02T00:00:00+08:00","until":null}`, `{"id":"\ud83d\ude00\u00e4\/"}`, "{\"id\":\"\xff\"}", `{"id":"\ud83d"}`, `[1,2`, `{"a":1,}`, ` {} x`,
		`{"small":128,"unsigned":1.0}`, `{"Plain":"x","private":"y"}`, "\xEF\xBB\xBF{}", `"` + "\u2028" + `"`, `{"allowPartial":true}`,
	} {
		f.Add([]byte(seed))
	}
	allowed := []string{"found null, want", "stands twice", "did you mean", "is not UTF-8", "is half of a character"}
	f.Fuzz(func(t *testing.T, data []byte) {
		var ours, theirs order
		err := strictjson.Decode(data, &ours)
		decoder := json.NewDecoder(strings.NewReader(string(data)))
		decoder.DisallowUnknownFields()
		theirErr := decoder.Decode(&theirs)
		if theirErr == nil && decoder.More() || theirErr == nil && !json.Valid(data) {
			theirErr = errors.New("trailing data")
		}
		if err == nil {
			if theirErr != nil {
				t.Fatalf("we decode what encoding/json refuses: %v", theirErr)
			}
			if diff := cmp.Diff(theirs, ours, cmp.AllowUnexported(order{}, own{})); diff != "" {
				t.Fatalf("decoded otherwise (-encoding/json +strictjson):\n%s", diff)
			}
			return
		}
		faults, ok := errors.AsType[strictjson.Faults](err)
		if !ok {
			t.Fatalf("error is %#v, want faults", err)
		}
		for _, fault := range faults {
			if fault.Line < 1 || fault.Column < 1 || fault.Problem == "" {
				t.Errorf("fault is %#v", fault)
			}
			strict := slices.ContainsFunc(allowed, func(reason string) bool { return strings.Contains(fault.Problem, reason) })
			if theirErr == nil && !strict {
				t.Errorf("encoding/json decodes what we refuse: %v", fault)
			}
		}
	})
}
