package asset_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
)

func changed(t *testing.T, k asset.Kind, from, to string) []string {
	t.Helper()
	changes, err := asset.Changes(k, []byte(from), []byte(to))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, c := range changes {
		paths = append(paths, c.Path)
	}
	return paths
}

func TestChanges_AreNoneWhereTheServiceSpellsTheSameOtherwise(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind asset.Kind
		a, b string
	}{
		{asset.Jobs, `{"name":"j","id":7,"version":1}`, `{"name":"j","directory":"/"}`},
		{asset.Jobs, `{"directory":"/ods/"}`, `{"directory":"/ods"}`},
		{asset.Jobs, `{"basicConfig":{"tags":{}}}`, `{"basicConfig":{"tags":[]}}`},
		{asset.Jobs, `{"basicConfig":{"tags":{}}}`, `{}`},
		{asset.Jobs, `{"basicConfig":{"priority":0,"customFields":{ }}}`, `{}`},
		{asset.Jobs, `{"cleanoverdueDays":"60"}`, `{"cleanOverdueDays":60}`},
		{asset.Scripts, `{"connection_name":"c"}`, `{"connectionName":"c"}`},
		{asset.Scripts, `{"connection_name":""}`, `{}`},
		{asset.Resources, `{"depend_files":["obs://b/x"]}`, `{"dependFiles":["obs://b/x"]}`},
		{asset.Jobs, `{"cleanoverdueDays":"60"}`, `{"cleanoverdueDays":60.0}`},
		{asset.Jobs, `{"nodes":[{"name":"n","location":{"x":"-45.50","y":1}}]}`, `{"nodes":[{"name":"n","location":{"x":-45.5,"y":"1"}}]}`},
		{asset.Jobs, `{"nodes":[{"name":"n"}]}`,
			`{"nodes":[{"name":"n","pollingInterval":10,"maxExecutionTime":60,"retryInterval":120,"failPolicy":"FAIL","execTimeOutRetry":"false","preNodeName":[]}]}`},
		{asset.Jobs, `{"nodes":[{"name":"n","cronTrigger":{"period":"1"}}]}`, `{"nodes":[{"name":"n","cronTrigger":{"period":"1","dependPrePeriod":false,"dependJobs":{}}}]}`},
		{asset.Jobs, `{"params":[{"name":"p","value":"v"}]}`, `{"params":[{"name":"p","value":"v","type":"variable"}]}`},
		{asset.Jobs, `{"schedule":{"type":"CRON","cron":{"dependJobs":{"jobs":["a"]}}}}`,
			`{"schedule":{"type":"CRON","cron":{"dependPrePeriod":false,"dependJobs":{"jobs":["a"],"dependPeriod":"SAME_PERIOD","dependFailPolicy":"FAIL"}}}}`},
		{asset.Scripts, `{"name":"s","content":"x","owner":"me"}`, `{"name":"s","content":"x","directory":"/","connectionName":"","configuration":{},"autoAcquireLock":true}`},
		{asset.Resources, `{"name":"r","directory":"/jars/"}`, `{"name":"r","directory":"/jars"}`},
	} {
		if paths := changed(t, c.kind, c.a, c.b); len(paths) > 0 {
			t.Errorf("%s and %s differ in %q", c.a, c.b, paths)
		}
		if lost, err := asset.Lost(c.kind, []byte(c.b), []byte(c.a)); err != nil || len(lost) > 0 {
			t.Errorf("%s loses %v as %s: %v", c.b, lost, c.a, err)
		}
	}
}

func TestChanges_ShowWhateverCouldMatter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind asset.Kind
		a, b string
	}{
		{asset.Jobs, `{"nodes":[{"name":"n"}]}`, `{"nodes":[{"name":"n","retryTimes":0}]}`}, // documents disagree about the default
		{asset.Jobs, `{"nodes":[{"name":"n"}]}`, `{"nodes":[{"name":"n","pollingInterval":20}]}`},
		{asset.Jobs, `{"nodes":[{"name":"n","pollingInterval":10}]}`, `{"nodes":[{"name":"n","pollingInterval":"11"}]}`},
		{asset.Jobs, `{"nodes":[]}`, `{"nodes":[{}]}`},
		{asset.Jobs, `{"nodes":[{"failPolicy":"FAIL"}]}`, `{"nodes":[]}`},
		{asset.Jobs, `{}`, `{"basicConfig":{"priority":1}}`},
		{asset.Jobs, `{"basicConfig":{"tags":{}}}`, `{"basicConfig":{"tags":["daily"]}}`},
		{asset.Jobs, `{"cleanoverdueDays":"60"}`, `{"cleanOverdueDays":61}`},
		{asset.Jobs, `{"cleanoverdueDays":"60"}`, `{}`},
		{asset.Scripts, `{"connection_name":"c"}`, `{"connectionName":"d"}`},
		{asset.Resources, `{"depend_files":[]}`, `{}`},
		{asset.Jobs, `{"nodes":[{"properties":[{"name":"retry","value":"1"}]}]}`, `{"nodes":[{"properties":[{"name":"retry","value":1}]}]}`},
		{asset.Jobs, `{"nodes":[{"location":{"x":"1"}}]}`, `{"nodes":[{"location":{"x":"01"}}]}`},
		{asset.Jobs, `{"logPath":"obs://log/"}`, `{"logPath":"obs://log"}`},
		{asset.Scripts, `{"content":"a\n"}`, `{"content":"a"}`},
		{asset.Scripts, `{"content":"\ud800","directory":"\ud800/"}`, `{"content":"\ud800","directory":"\ud801/"}`},
		{asset.Resources, `{"location":"obs://a/b"}`, `{"location":"obs://a/b/"}`},
	} {
		if paths := changed(t, c.kind, c.a, c.b); len(paths) == 0 {
			t.Errorf("%s and %s are taken for the same", c.a, c.b)
		}
	}
}

func TestLost_OfADefaultThatIsThereOtherwise(t *testing.T) {
	t.Parallel()
	lost, err := asset.Lost(asset.Jobs, []byte(`{"nodes":[{"name":"n","pollingInterval":10}]}`), []byte(`{"nodes":[{"name":"n","pollingInterval":30,"more":1}]}`))
	if err != nil || len(lost) != 1 || lost[0].Path != "nodes[0].pollingInterval" {
		t.Errorf("%v %v", lost, err)
	}
	if lost, err := asset.Lost(asset.Jobs, []byte(`{"nodes":[{"name":"n"}]}`), []byte(`{"nodes":[{"name":"n","pollingInterval":30}]}`)); err != nil || len(lost) > 0 {
		t.Errorf("what was not sent is lost: %v %v", lost, err)
	}
}

// definitions draws definitions in which the fields of the table, and others, are there, absent, default and otherwise.
func definitions(k asset.Kind) *rapid.Generator[any] {
	root := &place{}
	for _, n := range asset.Normals() {
		if n.Kind != k {
			continue
		}
		root.add(n.Path, n)
		if n.Also != "" {
			root.add(n.Also, n)
		}
	}
	return rapid.Custom(func(t *rapid.T) any { return root.draw(t) })
}

// place is the table as the test reads it: fields by their names, lists by "[]".
type place struct {
	field *asset.Normal
	below map[string]*place
}

func (p *place) add(path string, n asset.Normal) {
	for _, name := range strings.Split(strings.ReplaceAll(path, "[]", ".[]"), ".") {
		if p.below == nil {
			p.below = map[string]*place{}
		}
		if p.below[name] == nil {
			p.below[name] = &place{}
		}
		p = p.below[name]
	}
	p.field = &n
}

func (p *place) draw(t *rapid.T) any {
	if p.field != nil {
		values := []string{`"x"`, `7`, `"7"`, `7.0`, `[]`, `{}`, `true`, `"true"`, `"/a"`, `"/a/"`, `null`}
		if p.field.Absent != "" {
			values = append(values, p.field.Absent, p.field.Absent, p.field.Absent)
		}
		return json.RawMessage(rapid.SampledFrom(values).Draw(t, p.field.Path))
	}
	if element := p.below["[]"]; element != nil {
		list := []any{}
		for range rapid.IntRange(0, 2).Draw(t, "elements") {
			list = append(list, element.draw(t))
		}
		return list
	}
	object := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(p.below)) {
		if rapid.IntRange(0, 3).Draw(t, "there") == 0 {
			object[name] = p.below[name].draw(t)
		}
	}
	if rapid.Bool().Draw(t, "more") {
		object["other"] = rapid.SampledFrom([]any{nil, 0, "0", []int{}, "text"}).Draw(t, "other")
	}
	return object
}

func encode(t *rapid.T, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func kinds() *rapid.Generator[asset.Kind] {
	return rapid.SampledFrom([]asset.Kind{asset.Jobs, asset.Scripts, asset.Resources})
}

func TestNormalised_TextsAreTheSameExactlyWhereNothingHasChanged(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k := kinds().Draw(t, "kind")
		a, b := encode(t, definitions(k).Draw(t, "a")), encode(t, definitions(k).Draw(t, "b"))
		for _, to := range [][]byte{b, asset.Normalised(k, a), a} {
			there, err := asset.Changes(k, a, to)
			back, errBack := asset.Changes(k, to, a)
			differ, errDiff := rawjson.Diff(asset.Normalised(k, a), asset.Normalised(k, to))
			if err != nil || errBack != nil || errDiff != nil {
				t.Fatal(err, errBack, errDiff)
			}
			if (len(there) > 0) != (len(differ) > 0) || (len(there) > 0) != (len(back) > 0) {
				t.Fatalf("%s and %s: changes %v, back %v, of the normalised texts %v", a, to, there, back, differ)
			}
		}
		once := asset.Normalised(k, a)
		if twice := asset.Normalised(k, once); string(once) != string(twice) {
			t.Fatalf("%s, and once more %s", once, twice)
		}
		if changes, _ := asset.Changes(k, a, once); len(changes) > 0 {
			t.Fatalf("%s is not %s: %v", a, once, changes)
		}
	})
}

func TestNormals_ADefaultThatIsSpelledOutIsNoChange(t *testing.T) {
	t.Parallel()
	for _, n := range asset.Normals() {
		if n.Absent == "" {
			continue
		}
		without, with := document(n.Path, ""), document(n.Path, n.Absent)
		if paths := changed(t, n.Kind, without, with); len(paths) > 0 {
			t.Errorf("%s: %s and %s differ in %q", n.Path, without, with, paths)
		}
		if paths := changed(t, n.Kind, without, document(n.Path, `"another value"`)); len(paths) == 0 {
			t.Errorf("%s: another value is no change", n.Path)
		}
	}
}

// document is a definition with one field at a path, or with nothing there.
func document(path, value string) string {
	name, rest, below := strings.Cut(path, ".")
	name, list := strings.CutSuffix(name, "[]")
	inner := value
	if below {
		inner = document(rest, value)
	} else if value == "" {
		return `{"other":1}`
	}
	if list {
		inner = "[" + inner + "]"
	}
	return fmt.Sprintf(`{"other":1,%q:%s}`, name, inner)
}

func TestChanges_AnyChangeOfAnyOtherFieldShows(t *testing.T) {
	t.Parallel()
	leaf := regexp.MustCompile(`"value":"[^"]*"|"name":"[^"]*"|"type":"[^"]*"|"jobName":"[^"]*"|"logPath":"[^"]*"|"n":[0-9]+`)
	for _, at := range leaf.FindAllStringIndex(job, -1) {
		old := job[at[0]:at[1]]
		now := old[:len(old)-1] + "9"
		if strings.HasSuffix(old, `"`) {
			now += `"`
		}
		if paths := changed(t, asset.Jobs, job, job[:at[0]]+now+job[at[1]:]); len(paths) != 1 {
			t.Errorf("%s to %s: %q", old, now, paths)
		}
	}
}

func TestNormals_AreThoseOfTheDocumentation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| jobs | `") || strings.HasPrefix(line, "| scripts | `") || strings.HasPrefix(line, "| resources | `") {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	for _, n := range asset.Normals() {
		if row := tableRow(n); !slices.Contains(rows, row) {
			t.Errorf("docs/format.md has no row\n%s", row)
		} else {
			rows = slices.DeleteFunc(rows, func(r string) bool { return r == row })
		}
	}
	for _, row := range rows {
		if strings.Count(row, "|") == 6 {
			t.Errorf("docs/format.md has a row that is not true:\n%s", row)
		}
	}
}

func tableRow(n asset.Normal) string {
	field := "`" + n.Path + "`"
	if n.Also != "" {
		field += ", `" + n.Also + "`"
	}
	absent := ""
	if n.Absent != "" {
		absent = "`" + n.Absent + "`"
	}
	forms := map[asset.Form]string{asset.Exact: "", asset.Scalar: "in quotes or not", asset.Directory: "slash at the end or not", asset.Empty: "`{}` or `[]`"}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |", n.Kind, field, absent, forms[n.Form], n.Source)
}

func BenchmarkChanges_OfAJobThatIsTheSame(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(job)))
	for b.Loop() {
		if _, err := asset.Changes(asset.Jobs, []byte(job), []byte(job)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNormalised_Job(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(job)))
	for b.Loop() {
		asset.Normalised(asset.Jobs, []byte(job))
	}
}

func BenchmarkComparable_Job(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(job)))
	for b.Loop() {
		asset.Comparable(asset.Jobs, []byte(job))
	}
}
