package restore_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// damage is one way in which an object of a backup may be other than it was written. A nil object is none.
type damage struct {
	name   string
	object []byte
}

// damages are all ways to harm an object. older is what the backup before had under the key, others are objects that it may be mistaken for.
func damages(random *rand.Rand, object, older []byte, others map[string][]byte) []damage {
	all := []damage{{"deleted", nil}, {"emptied", []byte{}}, {"one byte more", append(bytes.Clone(object), 'x')}, {"twice", append(bytes.Clone(object), object...)}}
	bits := min(64, 8*len(object))
	for _, bit := range random.Perm(8 * len(object))[:bits] {
		flipped := bytes.Clone(object)
		flipped[bit/8] ^= 1 << (bit % 8)
		all = append(all, damage{fmt.Sprintf("bit %d flipped", bit), flipped})
	}
	for _, n := range []int{1, len(object) / 2, len(object) - 1} {
		all = append(all, damage{fmt.Sprintf("cut to %d bytes", n), object[:n]})
	}
	if older != nil && !bytes.Equal(older, object) {
		all = append(all, damage{"that of the backup before", older})
	}
	for _, key := range slices.Sorted(maps.Keys(others)) {
		if !bytes.Equal(others[key], object) {
			all = append(all, damage{"swapped with " + key, others[key]})
		}
	}
	return all
}

// editable are the places of backup.json that an operator may edit.
var editable = regexp.MustCompile(`^(jobs\..+\[\d+\]|scripts\..+\[\d+\]|replace)\.(connectionName|database|Database|clusterName)(\..+)?$`)

// legal tells whether backup.json is an edit that an operator may have made: then nobody can know that it is damage.
func legal(original, now []byte) bool {
	if !utf8.Valid(now) || rawjson.Check(now) != nil {
		return false
	}
	changes, err := rawjson.Diff(original, now)
	return err == nil && !slices.ContainsFunc(changes, func(c rawjson.Change) bool {
		return !editable.MatchString(c.Path) || !strings.HasPrefix(c.To, `"`) || c.From == "" && !strings.HasPrefix(c.Path, "replace.")
	})
}

// twenty is a workspace of some twenty assets of all kinds. Its second state differs in each of them.
func twenty(t fataler, w *dataarts.WorkspaceHandle, state string) {
	c := content{env: variables(variable("a", state), variable("b", state))}
	for i := range 8 {
		c.jobs = append(c.jobs, fmt.Sprintf(`{"name":"job_%d","processType":"BATCH","directory":"/d","schedule":{"type":"EXECUTE_ONCE"},"description":%q,"nodes":[{"name":"n","type":"HiveSQL",`+
			`"location":{"x":"1","y":"2"},"properties":[{"name":"connectionName","value":"hive"},{"name":"database","value":"db"},{"name":"scriptName","value":"script_%d"}]}]}`, i, state, i))
		c.scripts = append(c.scripts, fmt.Sprintf(`{"name":"script_%d","type":"HiveSQL","content":"select %d -- %s","connectionName":"hive","database":"db","directory":"/d"}`, i, i, state))
	}
	for i := range 3 {
		c.resources = append(c.resources, fmt.Sprintf(`{"name":"res_%d","type":"jar","directory":"/r","location":"obs://libs/%d.jar","desc":%q}`, i, i, state))
	}
	c.put(t, w)
}

// TestRun_RefusesEveryCorruptionBeforeItsFirstWrite harms every object of a backup in every way. What it cannot refuse, by definition, are edits of backup.json
// that an operator may make: other names of connections, databases and clusters, and white space.
func TestRun_RefusesEveryCorruptionBeforeItsFirstWrite(t *testing.T) {
	t.Parallel()
	for _, sealed := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain", true: "encrypted"}[sealed], func(t *testing.T) {
			t.Parallel()
			cloud := service()
			r := &round{TB: t, cloud: cloud, client: hurried(t, cloud), store: newMemory(localtest.Bucket), id: "w"}
			r.w = cloud.AddWorkspace(dataarts.Workspace{ID: r.id, Name: "sales"})
			if sealed {
				own := newIdentity(t)
				r.keys = ring(t, own, own)
			}
			for i, state := range []string{"older", "newer"} {
				for n := range 3 {
					r.store.Bucket("libs").(*memory).write(fmt.Sprintf("%d.jar", n), []byte(fmt.Sprintf("file %d, %s", n, state)))
				}
				twenty(t, r.w, state)
				r.backUp([]string{"2026-11-21", day}[i])
			}
			twenty(t, r.w, "changed since")
			r.corrupt(t)
		})
	}
}

func (r *round) corrupt(t *testing.T) {
	prefix, before := "backups/"+r.id+"/"+day+"/", "backups/"+r.id+"/2026-11-21/"
	objects := map[string][]byte{}
	for at, body := range r.store.objects {
		if name, ok := strings.CutPrefix(at.Key, prefix); ok && at.Bucket == localtest.Bucket {
			objects[name] = body
		}
	}
	if len(objects) < 25 {
		t.Fatalf("only %d objects: %q", len(objects), slices.Sorted(maps.Keys(objects)))
	}
	live := r.snapshot()
	refused, edits, number := 0, 0, 0
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		others := map[string][]byte{}
		for other := range objects {
			if folder, _, _ := strings.Cut(other, "/"); strings.HasPrefix(name, folder) && other != name && len(others) < 2 || strings.HasSuffix(name, ".json") && strings.HasSuffix(other, ".json") && other != name {
				others[other] = objects[other]
			}
		}
		older := r.store.objects[store.Location{Bucket: localtest.Bucket, Key: before + name}]
		for i, harm := range damages(random, objects[name], older, others) {
			if strings.HasPrefix(harm.name, "bit ") && i%share(48) != 0 {
				continue
			}
			if name == "backup.json" && harm.object != nil && legal(objects[name], harm.object) {
				edits++
				continue
			}
			number++
			if fault := r.harmed(fmt.Sprintf("c%d", number), prefix+name, harm.object, live); fault != "" {
				t.Errorf("%s %s: %s", name, harm.name, fault)
				continue
			}
			refused++
		}
		r.store.write(prefix+name, objects[name])
	}
	// The commit of the backup before over the assets of this one.
	for _, name := range []string{"manifest.json", "backup.json"} {
		r.store.write(prefix+name, r.store.objects[store.Location{Bucket: localtest.Bucket, Key: before + name}])
	}
	if fault := r.harmed("older", prefix+"progress.json", nil, live); fault != "" {
		t.Errorf("manifest and commit of the backup before: %s", fault)
	}
	for _, name := range []string{"manifest.json", "backup.json"} {
		r.store.write(prefix+name, objects[name])
	}
	r.client = hurried(r, r.cloud)
	r.run(restore.Complete, `{"id":"unharmed","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`)
	t.Logf("%d objects, %d corruptions, %d refused, %d besides are legal edits of backup.json", len(objects), number, refused, edits)
}

// harmed restores with one object harmed, and says what is wrong with how that ended; empty for nothing.
func (r *round) harmed(id, key string, object []byte, live picture) string {
	if object == nil {
		_ = r.store.Delete(context.Background(), key) // a deletion from memory does not fail
	} else {
		r.store.write(key, object)
	}
	r.client = hurried(r, r.cloud)
	r.cloud.ResetCalls()
	objects := len(r.store.objects)
	req, err := restore.ParseRequest([]byte(`{"id":"` + id + `","date":"2026-11-22","duplicateNamePolicy":"overwrite"}`))
	if err != nil {
		return err.Error()
	}
	report, err := restore.Run(context.Background(), req, r.options())
	for _, call := range r.cloud.Calls() {
		if call.Method != "GET" && call.Operation != dataarts.ExportJobList && call.Operation != dataarts.ExportJob {
			return fmt.Sprintf("%s %s was sent: %v %s", call.Method, call.Path, err, dump(report))
		}
	}
	switch {
	case err != nil || report.Status != restore.Failed || report.Message == "":
		return fmt.Sprintf("it was not refused: %v %s", err, dump(report))
	case len(r.store.objects) > objects+1: // the report
		return "something was written to the store"
	}
	for _, difference := range live.differences(r.snapshot(), func(asset.Ref) bool { return false }) {
		return difference
	}
	return ""
}
