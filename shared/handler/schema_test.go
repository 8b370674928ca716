package handler_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/drill"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// schema is one of the JSON Schemas in docs/.
type schema struct{ *jsonschema.Schema }

func readSchema(t *testing.T, name string) schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return schema{compiled}
}

// check validates a text.
func (s schema) check(text []byte) error {
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	return s.Validate(v)
}

func TestSchema_DescribesEveryFieldThatAnEditorMayShow(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"backup.schema.json", "restore-request.schema.json"} {
		text, err := os.ReadFile(filepath.Join("../../docs", name))
		if err != nil {
			t.Fatal(err)
		}
		var root map[string]any
		if err := json.Unmarshal(text, &root); err != nil {
			t.Fatal(err)
		}
		if root["$schema"] != "https://json-schema.org/draft/2020-12/schema" || root["title"] == nil || root["description"] == nil {
			t.Errorf("%s: %v", name, root["$schema"])
		}
		walk(root, func(node map[string]any) {
			if node["type"] == "object" && node["properties"] != nil && node["if"] == nil && node["additionalProperties"] != false {
				t.Errorf("%s takes any field beside %v", name, slices.Sorted(maps.Keys(object(node["properties"]))))
			}
		})
	}
}

// words are texts as they stand in requests.
func words() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"ods_*", "hive_prod", "数据", "a b", `"quoted"`, "[a-z]?"})
}

func ids() *rapid.Generator[string] { return rapid.StringMatching(`[A-Za-z0-9._-]{0,20}[A-Za-z0-9]`) }

func dates() *rapid.Generator[string] {
	return rapid.OneOf(rapid.Just("latest"), rapid.StringMatching(`20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])(T([01][0-9]|2[0-3])[0-5][0-9][0-5][0-9])?`))
}

func replacements(r *rapid.T) *restore.Replace {
	values := rapid.MapOfN(words(), words(), 0, 3)
	paths := rapid.StringMatching(`(obs|s3a)://[a-z]{3,8}(/[a-z. ]{0,8}){0,2}`)
	return &restore.Replace{ConnectionName: values.Draw(r, "connectionName"), Database: values.Draw(r, "database"), ClusterName: values.Draw(r, "clusterName"),
		OBSPath: rapid.MapOfN(paths, paths, 0, 2).Draw(r, "obsPath"), ExpressionTimeZone: values.Draw(r, "expressionTimeZone")}
}

// requests generates requests that are right.
func requests(r *rapid.T) any {
	one := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(r, name) }
	chance := func(name string) bool { return rapid.Bool().Draw(r, name) }
	kind := one("kind of request", "restore", "export", "undo", "drill")
	var replace *restore.Replace
	if chance("replace") {
		replace = replacements(r)
	}
	switch kind {
	case "undo":
		return restore.Request{Undo: ids().Draw(r, "undo")}
	case "drill":
		spec := drill.Spec{Workspace: "w" + ids().Draw(r, "workspace"), Replace: replace, Keep: chance("keep")}
		if chance("source") {
			spec.Source = "s" + ids().Draw(r, "source")
		}
		if chance("date") {
			spec.Date = dates().Draw(r, "date")
		}
		return drill.Command{Drill: spec}
	}
	req := restore.Request{Replace: replace, AllowPartial: chance("allowPartial")}
	if chance("id") {
		req.ID = ids().Draw(r, "id")
	}
	if chance("path") {
		req.Path = rapid.StringMatching(`obs://[a-z]{3,8}/[a-z.]?[a-z]{1,8}/[0-9-]{0,10}/?`).Draw(r, "path")
	} else {
		req.Date = dates().Draw(r, "date")
		if chance("source") {
			req.Source = ids().Draw(r, "source")
		}
	}
	if chance("select") {
		req.Select = &restore.Select{Kinds: rapid.SliceOf(rapid.SampledFrom(asset.Kinds())).Draw(r, "kinds"), Names: rapid.SliceOf(words()).Draw(r, "names"),
			Directories: rapid.SliceOf(rapid.StringMatching(`/[a-z/ ]{0,8}`)).Draw(r, "directories"), WithDependencies: chance("withDependencies")}
	}
	if kind == "export" {
		req.Export = true
		return req
	}
	req.DuplicateNamePolicy = restore.Policy(one("policy", "overwrite", "skip", "fail"))
	req.DryRun, req.Schedules = chance("dryRun"), one("schedules", "", "keep", "stop", "start")
	req.TargetStatus = one("targetStatus", "", "SAVED", "SUBMITTED", "PRODUCTION")
	req.PlanHash = one("planHash", "", "abc")
	req.Approvers = rapid.SliceOf(words()).Draw(r, "approvers")
	if chance("workspace") {
		req.Workspace = ids().Draw(r, "workspace")
	}
	return req
}

// understood reads a request as the restore function does.
func understood(text []byte) error {
	var err error
	if drill.IsCommand(text) {
		_, err = drill.ParseCommand(text)
	} else {
		_, err = restore.ParseRequest(text)
	}
	return err
}

func TestSchema_OfRequestsTakesEveryRequestThatTheFunctionTakes(t *testing.T) {
	t.Parallel()
	s := readSchema(t, "restore-request.schema.json")
	rapid.Check(t, func(r *rapid.T) {
		text, err := json.Marshal(requests(r))
		if err != nil {
			r.Fatal(err)
		}
		if err := understood(text); err != nil {
			r.Fatalf("the generator is wrong: %s: %v", text, err)
		}
		if err := s.check(text); err != nil {
			r.Errorf("%s: %v", text, err)
		}
	})
	for _, file := range []string{"command-restore.json", "command-restore-dry-run.json", "command-restore-undo.json", "command-restore-drill.json", "command-restore-export.json"} {
		text, err := os.ReadFile(filepath.Join("../../events", file))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.check(text); err != nil || understood(text) != nil {
			t.Errorf("%s: %v %v", file, err, understood(text))
		}
	}
}

func TestSchema_OfRequestsFindsTheFaultsThatTheFunctionFinds(t *testing.T) {
	t.Parallel()
	s := readSchema(t, "restore-request.schema.json")
	for _, text := range []string{
		`[]`, `"x"`, `{}`,
		`{"date":"latest"}`, `{"duplicateNamePolicy":"skip"}`,
		`{"date":"latest","path":"obs://b/f/","duplicateNamePolicy":"skip"}`,
		`{"date":"monday","duplicateNamePolicy":"skip"}`, `{"date":"2026-13-01","duplicateNamePolicy":"skip"}`, `{"date":"2026-11-22T250000","duplicateNamePolicy":"skip"}`,
		`{"date":1,"duplicateNamePolicy":"skip"}`,
		`{"date":"latest","duplicateNamePolicy":"merge"}`, `{"date":"latest","duplicateNamePolicy":""}`, `{"date":"latest","duplicateNamePolicy":null}`,
		`{"date":"latest","duplicateNamePolicy":"skip","dryrun":true}`, `{"date":"latest","duplicateNamePolicy":"skip","dryRun":"yes"}`,
		`{"date":"latest","duplicateNamePolicy":"skip","$schema":"x"}`,
		`{"id":"a b","date":"latest","duplicateNamePolicy":"skip"}`, `{"id":"..","date":"latest","duplicateNamePolicy":"skip"}`,
		`{"id":"` + strings.Repeat("a", 65) + `","date":"latest","duplicateNamePolicy":"skip"}`,
		`{"workspace":"a/b","date":"latest","duplicateNamePolicy":"skip"}`, `{"source":"a/b","date":"latest","duplicateNamePolicy":"skip"}`,
		`{"path":"/b/f","duplicateNamePolicy":"skip"}`, `{"path":"obs://b","duplicateNamePolicy":"skip"}`, `{"path":"obs:///f","duplicateNamePolicy":"skip"}`,
		`{"path":"obs://b/../f","duplicateNamePolicy":"skip"}`, `{"path":"obs://b/f/..","duplicateNamePolicy":"skip"}`,
		`{"path":"obs://b/f/","source":"w","duplicateNamePolicy":"skip"}`,
		`{"date":"latest","duplicateNamePolicy":"skip","schedules":"pause"}`, `{"date":"latest","duplicateNamePolicy":"skip","targetStatus":"DONE"}`,
		`{"date":"latest","duplicateNamePolicy":"skip","approvers":"me"}`, `{"date":"latest","duplicateNamePolicy":"skip","approvers":[1]}`,
		`{"date":"latest","duplicateNamePolicy":"skip","select":[]}`, `{"date":"latest","duplicateNamePolicy":"skip","select":{"kind":["jobs"]}}`,
		`{"date":"latest","duplicateNamePolicy":"skip","select":{"kinds":["job"]}}`, `{"date":"latest","duplicateNamePolicy":"skip","select":{"directories":["ods"]}}`,
		`{"date":"latest","duplicateNamePolicy":"skip","select":{"names":"x"}}`, `{"date":"latest","duplicateNamePolicy":"skip","select":{"withDependencies":1}}`,
		`{"date":"latest","duplicateNamePolicy":"skip","replace":{"connection":{}}}`, `{"date":"latest","duplicateNamePolicy":"skip","replace":{"database":{"a":1}}}`,
		`{"date":"latest","duplicateNamePolicy":"skip","replace":{"obsPath":{"/a":"obs://b/"}}}`, `{"date":"latest","duplicateNamePolicy":"skip","replace":{"obsPath":{"obs://b/":"b"}}}`,
		`{"undo":"x","date":"latest"}`, `{"undo":"a/b"}`, `{"undo":".."}`, `{"undo":1}`, `{"undo":"x","duplicateNamePolicy":"skip"}`,
		`{"export":true}`, `{"export":"yes","date":"latest"}`, `{"export":true,"date":"latest","duplicateNamePolicy":"skip"}`, `{"export":true,"date":"latest","workspace":"w"}`,
		`{"export":true,"date":"latest","dryRun":true}`, `{"export":true,"date":"latest","planHash":"x"}`, `{"export":true,"date":"latest","schedules":"stop"}`,
		`{"export":true,"date":"latest","targetStatus":"SAVED"}`, `{"export":true,"date":"latest","approvers":["x"]}`, `{"export":true,"path":"obs://b/f/","date":"latest"}`,
		`{"export":false,"date":"latest"}`,
		`{"drill":{}}`, `{"drill":null}`, `{"drill":[]}`, `{"drill":{"workspace":"a b"}}`, `{"drill":{"workspace":"w","source":"a/b"}}`, `{"drill":{"workspace":"w","date":"monday"}}`,
		`{"drill":{"workspace":"w","keep":1}}`, `{"drill":{"workspace":"w","policy":"x"}}`, `{"drill":{"workspace":"w"},"date":"latest"}`, `{"drill":{"workspace":"w"},"time":"tonight"}`,
		`{"drill":{"workspace":"w","replace":{"obsPath":{"/a":"obs://b/"}}}}`,
	} {
		if err := understood([]byte(text)); err == nil {
			t.Errorf("the function takes %s", text)
		}
		if err := s.check([]byte(text)); err == nil {
			t.Errorf("the schema takes %s", text)
		}
	}
}

// committed writes a backup of generated assets and returns its backup.json.
func (b *consoleBench) committed(r *rapid.T, folder string) []byte {
	f := b.vault("factory").Folder(folder)
	w, err := f.Begin(b.t.Context())
	if err != nil {
		r.Fatal(err)
	}
	m := &vault.Manifest{FormatVersion: vault.FormatVersion, BackupDate: folder[:10], Workspace: vault.Workspace{ID: ids().Draw(r, "workspace"), Name: words().Draw(r, "name")},
		Status: vault.Complete, Totals: map[asset.Kind]int{}, Counts: map[asset.Kind]int{}}
	values := func() string {
		fields := map[string]string{}
		for _, wire := range []string{"connectionName", "database", "clusterName", "Database", "CONNECTIONNAME", "other"} {
			if rapid.Bool().Draw(r, wire) {
				fields[wire] = words().Draw(r, "value")
			}
		}
		text, _ := json.Marshal(fields)
		return strings.Trim(string(text), "{}")
	}
	put := func(ref asset.Ref, definition string) {
		a, err := w.Put(b.t.Context(), ref, []byte(definition))
		if err != nil {
			r.Fatal(err)
		}
		m.Assets = append(m.Assets, a)
		m.Counts[ref.Kind]++
		w.Bind(ref, asset.Bindings(ref.Kind, []byte(definition)))
	}
	for n := range rapid.IntRange(0, 4).Draw(r, "scripts") {
		name, t := fmt.Sprint(words().Draw(r, "script"), n), rapid.SampledFrom([]string{"HiveSQL", "Shell", ""}).Draw(r, "type")
		definition, _ := json.Marshal(map[string]string{"name": name, "type": t})
		text := strings.TrimSuffix(string(definition), "}")
		if more := values(); more != "" {
			text += "," + more
		}
		put(asset.Ref{Kind: asset.Scripts, Name: name, Directory: "/"}, text+"}")
	}
	for n := range rapid.IntRange(0, 3).Draw(r, "jobs") {
		var nodes []string
		for i := range rapid.IntRange(0, 3).Draw(r, "nodes") {
			var properties []string
			for pair := range strings.SplitSeq(values(), ",") {
				if name, value, ok := strings.Cut(pair, ":"); ok {
					properties = append(properties, fmt.Sprintf(`{"name":%s,"value":%s}`, name, value))
				}
			}
			nodes = append(nodes, fmt.Sprintf(`{"name":"n%d","type":"CDMJob","properties":[%s]}`, i, strings.Join(properties, ",")))
		}
		name := fmt.Sprint("job", n)
		put(asset.Ref{Kind: asset.Jobs, Name: name, Directory: "/"}, fmt.Sprintf(`{"name":%q,"nodes":[%s]}`, name, strings.Join(nodes, ",")))
	}
	m.Totals = m.Counts
	if err := w.Commit(b.t.Context(), m, nil); err != nil {
		r.Fatal(err)
	}
	text, ok := b.objects.GetObject(consoleBucket, "factory/"+folder+"/backup.json")
	if !ok {
		r.Fatal("no backup.json")
	}
	return text
}

func TestSchema_OfBackupJSONTakesWhatIsCommitted(t *testing.T) {
	t.Parallel()
	s := readSchema(t, "backup.schema.json")
	b := newConsoleBench(t)
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		text := b.committed(r, fmt.Sprintf("2026-%02d-%02dT%06d", n/28%12+1, n%28+1, n%60))
		if err := s.check(text); err != nil {
			r.Errorf("%s: %v", text, err)
		}
		if strings.Contains(string(text), "$schema") {
			r.Errorf("%s", text)
		}
	})
}

func TestSchema_OfBackupJSONAgreesWithTheRestore(t *testing.T) {
	t.Parallel()
	s := readSchema(t, "backup.schema.json")
	f := newFunctions(t)
	const key = localtest.Workspace + "/2026-11-22/backup.json"
	committed, ok := f.Objects.GetObject(localtest.Bucket, key)
	if !ok {
		t.Fatal("no backup.json")
	}
	line := func(section, field string) string { // the first entry that has a field
		in := false
		for l := range strings.SplitSeq(string(committed), "\n") {
			in = in || strings.HasPrefix(l, `  "`+section+`"`)
			if in && strings.Contains(l, `"`+field+`": "`) {
				return strings.TrimSuffix(strings.TrimSpace(l), ",")
			}
		}
		t.Fatalf("no %s of %s in %s", field, section, committed)
		return ""
	}
	node, script := line("jobs", "connectionName"), line("scripts", "connectionName")
	value := func(entry, field string) string { // "field": "value"
		start := strings.Index(entry, `"`+field+`"`)
		return entry[start : start+strings.IndexByte(entry[start+len(field)+5:], '"')+len(field)+6]
	}
	in := func(entry, old, new string) [2]string { return [2]string{entry, strings.Replace(entry, old, new, 1)} }
	const rules = `"replace": {"connectionName": {}, "database": {}, "clusterName": {}}`
	for name, c := range map[string]struct {
		edit  [2]string
		legal bool
	}{
		"nothing":                         {[2]string{"", ""}, true},
		"another connection of a node":    {in(node, value(node, "connectionName"), `"connectionName": "dr"`), true},
		"another connection of a script":  {in(script, value(script, "connectionName"), `"connectionName": "dr"`), true},
		"a rule":                          {[2]string{rules, `"replace": {"connectionName": {"a": "b"}, "database": {}, "clusterName": {}}`}, true},
		"fewer rules":                     {[2]string{rules, `"replace": {}`}, true},
		"a rule of a field that has none": {[2]string{rules, `"replace": {"obsPath": {}}`}, false},
		"a rule to a number":              {[2]string{rules, `"replace": {"database": {"a": 1}}`}, false},
		"rules in a list":                 {[2]string{rules, `"replace": []`}, false},
		"rules of a field in a list":      {[2]string{rules, `"replace": {"database": []}`}, false},
		"no rules at all":                 {[2]string{",\n  " + rules, ""}, false},
		"a connection that is a number":   {in(node, value(node, "connectionName"), `"connectionName": 1`), false},
		"a connection that is null":       {in(script, value(script, "connectionName"), `"connectionName": null`), false},
		"an unknown field of a node":      {in(node, `{`, `{"engine": "x", `), false},
		"an unknown field of a script":    {in(script, `{`, `{"engine": "x", `), false},
		"a node of a script":              {in(script, `{`, `{"node": "x", `), false},
		"a script of a node":              {in(node, `{`, `{"script": "x", `), false},
		"a node without its job":          {in(node, value(node, "job")+", ", ``), false},
		"a node without its name":         {in(node, value(node, "node")+", ", ``), false},
		"an entry that is a text":         {[2]string{node, `"x"`}, false},
		"another format":                  {[2]string{`"formatVersion": 1`, `"formatVersion": 2`}, false},
		"a format that is a text":         {[2]string{`"formatVersion": 1`, `"formatVersion": "1"`}, false},
		"no format":                       {[2]string{`"formatVersion": 1,`, ``}, false},
		"a date that is none":             {[2]string{`"backupDate": "2026-11-22"`, `"backupDate": "yesterday"`}, false},
		"a hash that is none":             {[2]string{`"manifestSha256": "`, `"manifestSha256": "x`}, false},
		"a $schema":                       {[2]string{`"formatVersion": 1`, `"$schema": "x", "formatVersion": 1`}, false},
		"a workspace that is a text":      {[2]string{`"workspace": {`, `"workspace": "x", "was": {`}, false},
		"jobs in a list":                  {[2]string{`"jobs": {`, `"jobs": [], "was": {`}, false},
		"a trailing comma":                {[2]string{rules, rules + ","}, false},
	} {
		edited := []byte(strings.Replace(string(committed), c.edit[0], c.edit[1], 1))
		if name != "nothing" && string(edited) == string(committed) {
			t.Errorf("%s: nothing was edited", name)
			continue
		}
		if err := f.Objects.PutObject(localtest.Bucket, key, edited); err != nil {
			t.Fatal(err)
		}
		_, _, body := f.http("POST", "/restores", `{"date":"2026-11-22","duplicateNamePolicy":"overwrite","dryRun":true}`)
		if taken := strings.Contains(body, `"status": "PLANNED"`); taken != c.legal {
			t.Errorf("%s: the restore takes it: %v: %s", name, taken, body)
		}
		if err := s.check(edited); (err == nil) != c.legal {
			t.Errorf("%s: the schema says %v", name, err)
		}
	}
}
