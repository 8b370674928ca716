package handler_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/dataarts-backup/dataarts-backup/infra/local/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	api := readOpenAPI(t)

	t.Run("describes_every_route_and_no_other", func(t *testing.T) {
		t.Parallel()
		var described []string
		for path, item := range object(api.at("paths")) {
			for method := range object(item) {
				if method != "parameters" {
					described = append(described, strings.ToUpper(method)+" "+path)
				}
			}
		}
		routes := handler.RouteTable()
		slices.Sort(described)
		slices.Sort(routes)
		if !slices.Equal(described, routes) {
			t.Errorf("described: %v\nserved:    %v", described, routes)
		}
	})

	t.Run("has_no_reference_that_leads_nowhere", func(t *testing.T) {
		t.Parallel()
		count := 0
		walk(api.root, func(node map[string]any) {
			if ref, ok := node["$ref"].(string); ok {
				count++
				if api.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...) == nil {
					t.Errorf("%s is not there", ref)
				}
			}
		})
		if count == 0 {
			t.Error("no references")
		}
	})

	t.Run("names_every_parameter_of_a_path_and_every_operation_once", func(t *testing.T) {
		t.Parallel()
		inBraces := regexp.MustCompile(`\{([^}]+)\}`)
		ids := map[string]bool{}
		for path, item := range object(api.at("paths")) {
			for method, operation := range object(item) {
				if method == "parameters" {
					continue
				}
				id, _ := object(operation)["operationId"].(string)
				if id == "" || ids[id] {
					t.Errorf("%s %s: operationId %q", method, path, id)
				}
				ids[id] = true
				// Any path can be asked for in a way that no route is reached.
				if refused := api.follow(object(object(operation)["responses"])["default"]); object(refused["content"])["application/json"] == nil {
					t.Errorf("%s %s: what it is refused for is not described", method, path)
				}
			}
			var got, want []string
			for _, match := range inBraces.FindAllStringSubmatch(path, -1) {
				want = append(want, match[1])
			}
			list, _ := object(item)["parameters"].([]any)
			for _, p := range list {
				name, _ := api.follow(p)["name"].(string)
				got = append(got, name)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: parameters %v, want %v", path, got, want)
			}
		}
	})

	t.Run("takes_the_ids_that_a_restore_may_have", func(t *testing.T) {
		t.Parallel()
		patterns := []any{object(object(object(api.at("components", "schemas", "RestoreRequest"))["properties"])["id"])["pattern"]}
		for _, path := range []string{"/restores/{id}", "/restores/{id}/undo"} {
			list, _ := object(object(api.at("paths"))[path])["parameters"].([]any)
			patterns = append(patterns, object(api.follow(list[0])["schema"])["pattern"])
		}
		for _, pattern := range patterns {
			text, _ := pattern.(string)
			described := regexp.MustCompile(text)
			for _, id := range []string{"a", "_monday", "-a", ".hidden", "A-1._", strings.Repeat("a", 64), "", strings.Repeat("a", 65), "a/b", "a b", "ä"} {
				if described.MatchString(id) != restore.IsID(id) {
					t.Errorf("%q: %s", id, text)
				}
			}
		}
	})

	t.Run("describes_the_console_s_answers", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.everyState()
		b.backup("factory", "2026-11-30", func(m *vault.Manifest) {
			now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
			m.Assets[1].Owner, m.Assets[1].LastModified = "me", &now
			m.Assets[1].Files = []vault.File{{Location: "hdfs:///x.jar", Reason: "not on OBS"}}
			m.Drift = []vault.Drift{{Kind: asset.Jobs, Name: "nightly", Change: "changed"}}
			m.Unsupported = []vault.Unsupported{{Kind: asset.Resources, Reason: "404"}}
			m.Previous = &vault.Previous{Path: "obs://x", SHA256: "y"}
		})
		b.backup("factory", "2026-12-01", nil)
		b.put("factory/2026-12-01/4_jobs/nightly.job", "{}")
		b.put("factory/2026-12-02/progress.json", `{"formatVersion": 1, "done":1,"total":null,"at":"2026-12-02T00:00:00Z", "assets": [`)
		b.put("jars/x.jar", "x")
		m := b.keep("2026-12-02", nil, variables(`{"params":[{"name":"A","value":"v"}]}`), script("s", "Shell", "#{Env.get('A')}"), script("huge", "Shell", ""),
			hiveJob("j", "n", "c"), keptAsset{kind: asset.Resources, name: "r", directory: "/", definition: `{}`, files: []string{"obs://backups/jars/x.jar"}})
		for i := range m.Assets {
			if m.Assets[i].Name == "huge" {
				m.Assets[i].Size = 100 << 20
			}
		}
		b.putManifest("2026-12-02", m)
		for _, c := range []struct{ method, target, path string }{
			{"GET", "/backups", "/backups"},
			{"GET", "/backups?limit=2", "/backups"},
			{"GET", "/backups?limit=x", "/backups"},
			{"GET", "/backups/2026-11-30", "/backups/{name}"},
			{"GET", "/backups/2026-11-30?limit=1", "/backups/{name}"},
			{"GET", "/backups/2026-11-02", "/backups/{name}"},
			{"GET", "/backups/2026-11-06", "/backups/{name}"},
			{"GET", "/backups/2026-01-01", "/backups/{name}"},
			{"GET", "/backups/x", "/backups/{name}"},
			{"GET", "/backups/2026-11-30/diff/2026-12-01", "/backups/{name}/diff/{other}"},
			{"GET", "/backups/2026-11-02/diff/2026-11-30?limit=1", "/backups/{name}/diff/{other}"},
			{"GET", "/backups/2026-11-30/diff/live", "/backups/{name}/diff/{other}"},
			{"GET", "/backups/2026-11-30/diff/x?limit=x", "/backups/{name}/diff/{other}"},
			{"GET", "/backups/2026-11-30/diff/2026-01-01", "/backups/{name}/diff/{other}"},
			{"GET", "/backups/2026-11-30?q=d*&kind=scripts", "/backups/{name}"},
			{"GET", "/backups/2026-11-30/asset?key=4_jobs/nightly.job", "/backups/{name}/asset"},
			{"GET", "/backups/2026-12-02/asset?key=1_env/env.json", "/backups/{name}/asset"},
			{"GET", "/backups/2026-12-02/asset?key=3_scripts/s.script", "/backups/{name}/asset"},
			{"GET", "/backups/2026-12-02/asset?key=4_jobs/j.job", "/backups/{name}/asset"},
			{"GET", "/backups/2026-11-30/asset", "/backups/{name}/asset"},
			{"GET", "/backups/2026-11-30/asset?key=x", "/backups/{name}/asset"},
			{"GET", "/backups/2026-12-01/asset?key=4_jobs/nightly.job", "/backups/{name}/asset"},
			{"GET", "/backups/2026-12-02/asset?key=3_scripts/huge.script", "/backups/{name}/asset"},
			{"GET", "/backups/2026-11-02/document", "/backups/{name}/document"},
			{"PUT", "/backups/2026-11-30/document", "/backups/{name}/document"},
			{"GET", "/backups/2026-11-30/export?names=none", "/backups/{name}/export"},
			{"GET", "/backups/2026-11-03/export", "/backups/{name}/export"},
			{"GET", "/backups/2026-01-01/export", "/backups/{name}/export"},
			{"GET", "/backups/2026-12-02/export?names=huge", "/backups/{name}/export"},
			{"POST", "/backups/2026-11-01/verify", "/backups/{name}/verify"},
			{"POST", "/backups/2026-12-01/verify", "/backups/{name}/verify"},
			{"POST", "/backups/2026-11-02/verify", "/backups/{name}/verify"},
			{"GET", "/log?kind=scripts&name=dim", "/log"},
			{"GET", "/log?kind=env&limit=1", "/log"},
			{"GET", "/log?kind=x", "/log"},
			{"GET", "/find?name=*&backups=400", "/find"},
			{"GET", "/find?connectionName=c*&limit=1", "/find"},
			{"GET", "/find", "/find"},
			{"GET", "/backups/2026-12-02/graph?key=4_jobs/j.job", "/backups/{name}/graph"},
			{"GET", "/backups/2026-12-02/graph?key=3_scripts/s.script", "/backups/{name}/graph"},
			{"GET", "/backups/2026-12-01/graph?key=4_jobs/nightly.job", "/backups/{name}/graph"},
			{"GET", "/backups/2026-11-30/graph?key=x", "/backups/{name}/graph"},
			{"GET", "/backups/2026-11-30/graph", "/backups/{name}/graph"},
			{"GET", "/backups/2026-11-03/graph?key=x", "/backups/{name}/graph"},
			{"GET", "/calendar?until=2026-11-30&days=40", "/calendar"},
			{"GET", "/calendar?until=x", "/calendar"},
			{"GET", "/backups/2026-12-01", "/backups/{name}"},
			{"GET", "/backups/2026-12-02", "/backups/{name}"},
			{"GET", "/folders", "/folders"},
			{"GET", "/folders?path=obs://backups/factory/2026-11-01", "/folders"},
			{"GET", "/folders?path=obs://elsewhere", "/folders"},
			{"GET", "/folders?path=elsewhere", "/folders"},
		} {
			a := b.send(c.method, c.target)
			schema := api.answer(t, c.method, c.path, a.Status)
			var v any
			if err := json.Unmarshal([]byte(a.Body), &v); err != nil {
				t.Fatal(err)
			}
			for _, fault := range api.faults(schema, v, "answer") {
				t.Errorf("%s %s: %d: %s", c.method, c.target, a.Status, fault)
			}
		}
	})

	t.Run("describes_what_edits_of_a_document_are_answered_with", func(t *testing.T) {
		t.Parallel()
		b := newConsoleBench(t)
		b.keep("2026-11-22", nil, script("s", "HiveSQL", "x"), hiveJob("j", "n", "old"))
		b.everyState()
		text := b.stored("backup.json")
		header := b.ask("GET", consoleDocument, "", nil).Header
		etag := header["ETag"] + header["Etag"]
		edited := strings.Replace(text, `"connectionName": {}`, `"connectionName": {"a": "b"}`, 1)
		for _, c := range []struct {
			target, text, etag string
			status             int
		}{
			{consoleDocument + "?dryRun=true", strings.Replace(edited, `"old"`, `"new"`, 1), etag, 200},
			{consoleDocument, edited, etag, 200},
			{consoleDocument, edited, etag, 412},
			{consoleDocument + "?dryRun=perhaps", edited, etag, 400},
			{consoleDocument, "{}", "", 428},
			{consoleDocument, strings.Repeat(" ", 6<<20), etag, 413},
			{"/backups/2026-11-02/document", "{}", etag, 409},
			{"/backups/2026-01-01/document", "{}", etag, 404},
		} {
			a := b.edited(c.target, c.text, c.etag)
			if a.Status != c.status {
				t.Errorf("%s: %d, want %d", c.target, a.Status, c.status)
			}
			var v any
			if err := json.Unmarshal(a.Body, &v); err != nil {
				t.Fatal(err)
			}
			for _, fault := range api.faults(api.answer(t, "PUT", "/backups/{name}/document", a.Status), v, "answer") {
				t.Errorf("PUT %s: %d: %s", c.target, a.Status, fault)
			}
		}
		header = b.ask("GET", consoleDocument, "", nil).Header
		a := b.edit("{}", header["ETag"]+header["Etag"])
		var v any
		if err := json.Unmarshal(a.Body, &v); err != nil {
			t.Fatal(err)
		}
		for _, fault := range api.faults(api.answer(t, "PUT", "/backups/{name}/document", 400), v, "answer") {
			t.Error(fault)
		}
		selection := api.faults(object(api.at("components", "schemas", "Selection")), b.selectionOf("2026-11-22"), "selection.json")
		for _, fault := range selection {
			t.Error(fault)
		}
	})

	t.Run("describes_the_restore_function_s_answers", func(t *testing.T) {
		t.Parallel()
		f := newFunctions(t)
		f.Handle(localtest.Workspace).Wipe()
		for _, c := range []struct{ method, target, path, body string }{
			{"GET", "/restores", "/restores", ""},
			{"POST", "/restores", "/restores", `{"date":"latest","duplicateNamePolicy":"fail","dryRun":true}`},
			{"POST", "/restores", "/restores", `{"date":"latest"}`},
			{"POST", "/restores", "/restores", `{"id":"mine","date":"latest","duplicateNamePolicy":"fail"}`},
			{"POST", "/restores", "/restores", `{"id":"mine","date":"latest","duplicateNamePolicy":"skip"}`},
			{"GET", "/restores/mine", "/restores/{id}", ""},
			{"GET", "/restores/none", "/restores/{id}", ""},
			{"POST", "/restores/none/undo", "/restores/{id}/undo", ""},
			{"POST", "/restores", "/restores", `{"id":"files","date":"latest","export":true}`},
			{"EVENT", "mine", "", ""},
			{"EVENT", "files", "", ""},
			{"GET", "/restores/mine", "/restores/{id}", ""},
			{"GET", "/restores/files", "/restores/{id}", ""},
			{"POST", "/restores/files/undo", "/restores/{id}/undo", ""},
			{"GET", "/restores", "/restores", ""},
			{"GET", "/restores?limit=1&status=COMPLETE", "/restores", ""},
			{"GET", "/restores?limit=0", "/restores", ""},
			{"POST", "/restores/mine/undo", "/restores/{id}/undo", ""},
		} {
			if c.method == "EVENT" {
				event := functiongraph.ObjectCreatedEvent(localtest.Bucket, "restore-requests/"+c.target+".json", "", 10, midnight, localtest.Region)
				if answer, err := f.invoke(f.restore, event); err != nil {
					t.Fatal(answer, err)
				}
				continue
			}
			status, _, body := f.http(c.method, c.target, c.body)
			var v any
			if err := json.Unmarshal([]byte(body), &v); err != nil {
				t.Fatal(err)
			}
			for _, fault := range api.faults(api.answer(t, c.method, c.path, status), v, "answer") {
				t.Errorf("%s %s: %d: %s", c.method, c.target, status, fault)
			}
		}
	})

	t.Run("describes_reports_and_requests_of_restores_field_by_field", func(t *testing.T) {
		t.Parallel()
		now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
		replacements := map[string]string{"a": "b"}
		for name, value := range map[string]any{
			"Report": restore.Report{ID: "x", Status: restore.Complete, Backup: "obs://x/", Workspace: "w", DuplicateNamePolicy: "fail", PlanHash: "h",
				StartedAt: now, FinishedAt: &now, Counts: map[string]int{"created": 1}, Message: "m", Calls: 1,
				Problems: []restore.Problem{{Kind: asset.Jobs, Name: "j", Problem: "p"}},
				Exports:  []restore.Export{{Path: "obs://x/1.zip", Size: 1, SHA256: "h", Jobs: 1, Scripts: 1, Resources: 1}},
				Imports:  []restore.Import{{Path: "obs://x/1.zip", TaskID: "t", Status: "RUNNING"}},
				Items: []restore.Item{{Kind: asset.Jobs, Name: "j", Directory: "/", Action: restore.ActionCreate, Outcome: restore.Created, Reason: "r", WasRunning: true, Written: true,
					Files:   []restore.FileItem{{Location: "obs://x/y", Action: restore.ActionCreate, Outcome: restore.Created, Reason: "r", Size: 1, ETag: "e"}},
					Changes: []restore.Change{{Field: "f", From: "a", To: "b", Diff: "d"}}}, {Kind: asset.Scripts, Name: "s", Action: restore.ActionExport, Outcome: restore.Exported}}},
			"RestoreRequest": restore.Request{ID: "x", Path: "obs://x/", Date: "latest", Source: "s", Workspace: "w", DuplicateNamePolicy: "skip", DryRun: true, PlanHash: "h",
				Select: &restore.Select{Kinds: asset.Kinds(), Names: []string{"*"}, Directories: []string{"/"}, WithDependencies: true},
				Replace: &restore.Replace{ConnectionName: replacements, Database: replacements, ClusterName: replacements, OBSPath: replacements,
					ExpressionTimeZone: replacements}, Schedules: "keep", TargetStatus: "SAVED", Approvers: []string{"me"}, AllowPartial: true, Export: true},
		} {
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			var v any
			if err := json.Unmarshal(text, &v); err != nil {
				t.Fatal(err)
			}
			for _, fault := range api.faults(object(api.at("components", "schemas", name)), v, name) {
				t.Error(fault)
			}
		}
	})
}

// openAPI is docs/openapi.yaml.
type openAPI struct{ root map[string]any }

func readOpenAPI(t *testing.T) openAPI {
	t.Helper()
	text, err := os.ReadFile("../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := yaml.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	if root["openapi"] != "3.1.0" {
		t.Fatalf("openapi is %v", root["openapi"])
	}
	return openAPI{root}
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

// at is the value at a path; nil if there is none.
func (a openAPI) at(path ...string) any {
	var v any = a.root
	for _, name := range path {
		v = object(v)[strings.ReplaceAll(name, "~1", "/")]
	}
	return v
}

// follow is a node, or what it refers to.
func (a openAPI) follow(v any) map[string]any {
	node := object(v)
	if ref, ok := node["$ref"].(string); ok {
		return a.follow(a.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...))
	}
	return node
}

// answer is the schema of an answer in JSON.
func (a openAPI) answer(t *testing.T, method, path string, status int) map[string]any {
	t.Helper()
	response := a.follow(object(object(object(object(a.at("paths"))[path])[strings.ToLower(method)])["responses"])[fmt.Sprint(status)])
	schema := object(object(object(response["content"])["application/json"])["schema"])
	if schema == nil {
		t.Fatalf("%s %s: an answer with status %d is not described", method, path, status)
	}
	return schema
}

// faults are what does not fit between a value and its schema. A field that the schema does not name is a fault too, so that none is forgotten.
func (a openAPI) faults(schema map[string]any, v any, at string) []string {
	schema = a.follow(schema)
	if schema != nil && len(schema) == 0 { // anything
		return nil
	}
	if one, ok := schema["oneOf"].([]any); ok {
		var all []string
		for _, s := range one {
			faults := a.faults(object(s), v, at)
			if len(faults) == 0 {
				return nil
			}
			all = append(all, faults...)
		}
		return all
	}
	schema = a.merged(schema)
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, at+": "+fmt.Sprintf(format, args...)) }
	types, ok := schema["type"].([]any)
	if !ok {
		types = []any{schema["type"]}
	}
	if !slices.ContainsFunc(types, func(name any) bool { return isOfType(name, v) }) {
		fault("%v is not of type %v", v, types)
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, v) {
		fault("%v is none of %v", v, enum)
	}
	if pattern, ok := schema["pattern"].(string); ok {
		if text, isText := v.(string); isText && !regexp.MustCompile(pattern).MatchString(text) {
			fault("%q does not match %s", text, pattern)
		}
	}
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			faults = append(faults, a.faults(object(schema["items"]), e, fmt.Sprintf("%s[%d]", at, i))...)
		}
	case map[string]any:
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := v[fmt.Sprint(name)]; !ok {
				fault("%v is missing", name)
			}
		}
		for name, value := range v {
			property, ok := object(schema["properties"])[name]
			if !ok {
				property, ok = schema["additionalProperties"].(map[string]any)
			}
			if !ok {
				fault("%s is not described", name)
				continue
			}
			faults = append(faults, a.faults(object(property), value, at+"."+name)...)
		}
	}
	return faults
}

// merged is a schema with the parts of its allOf in one.
func (a openAPI) merged(schema map[string]any) map[string]any {
	parts, ok := schema["allOf"].([]any)
	if !ok {
		return schema
	}
	properties, required := map[string]any{}, []any{}
	for _, part := range parts {
		p := a.follow(part)
		for name, property := range object(p["properties"]) {
			properties[name] = property
		}
		more, _ := p["required"].([]any)
		required = append(required, more...)
	}
	return map[string]any{"type": "object", "properties": properties, "required": required}
}

func isOfType(name, v any) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case float64:
		return name == "number" || name == "integer" && v == float64(int64(v))
	case []any:
		return name == "array"
	case map[string]any:
		return name == "object"
	}
	return false
}

// walk calls fn for every object in v.
func walk(v any, fn func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		fn(v)
		for _, e := range v {
			walk(e, fn)
		}
	case []any:
		for _, e := range v {
			walk(e, fn)
		}
	}
}
