package formats_test

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
)

// added are the fields that later versions write in formatVersion 1 and that the fixture does not have, as "manifest.json assets[].example". A field may be added
// if a version that does not know it may overlook it; docs/format.md has it, too, and docs/compatibility.md has the rule.
func added() []string { return nil }

// What the functions write today has the fields that it had, and no others.
func TestFormat1_HasTheFieldsThatAreWritten(t *testing.T) {
	t.Parallel()
	now := newWorld(t)
	story(t, now)
	frozen, _ := loaded(t, format1)
	got, want := fieldsIn(t, now), fieldsIn(t, frozen)
	for _, field := range added() {
		want[field] = true
	}
	for _, field := range slices.Sorted(maps.Keys(want)) {
		if !got[field] {
			t.Errorf("%s is not written any more: older versions, and people's programs, read it", field)
		}
	}
	for _, field := range slices.Sorted(maps.Keys(got)) {
		if !want[field] {
			t.Errorf("%s is new: docs/compatibility.md says what that takes", field)
		}
	}
	for _, field := range []string{"manifest.json assets[].sha256", "manifest.json missing[].reason", "manifest.json recipients[]", "manifest.json previous.sha256",
		"manifest.json assets[].files[].sourceETag", "backup.json manifestSha256", "progress.json done", "report.json items[].outcome", "drills/ verdict", "drills/last/ status",
		"removed/ previous.sha256", "verifications/ manifestSha256", "reported.json formatVersion"} {
		if !want[field] && !want[field+".step"] {
			t.Errorf("the fixture has no %s", field)
		}
	}
}

// fieldsIn are the fields of every JSON object of the functions in the bucket: "manifest.json assets[].name".
func fieldsIn(t *testing.T, w *world) map[string]bool {
	t.Helper()
	keys, err := w.Objects.Keys(localtest.Bucket, "")
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]bool{}
	for _, key := range keys {
		what := path.Base(key)
		switch dir := path.Dir(key); {
		case strings.Contains(dir, "/drills/last"):
			what = "drills/last/"
		case strings.HasSuffix(dir, "/drills"), strings.HasSuffix(dir, "/removed"), strings.HasSuffix(dir, "/verifications"):
			what = path.Base(dir) + "/"
		case !slices.Contains([]string{"manifest.json", "backup.json", "progress.json", "report.json", "reported.json"}, what):
			continue // an asset, or a file
		}
		var v any
		if err := json.Unmarshal(w.object(key), &v); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		collect(fields, what+" ", v)
	}
	// How far the run had come that was cut off is chance.
	maps.DeleteFunc(fields, func(field string, _ bool) bool { return strings.HasPrefix(field, "progress.json assets[]") })
	return fields
}

func collect(fields map[string]bool, at string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			collect(fields, strings.TrimPrefix(at+"."+name, "."), value)
		}
	case []any:
		for _, value := range v {
			collect(fields, at+"[]", value)
		}
	default:
	}
	fields[strings.Replace(at, " .", " ", 1)] = true
}
