package restore_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// The day on which the files of resources lay there and were copied. On the day before, none did.
const dayWithFiles = "2026-11-23"

const (
	udfJar  = "obs://libs/udf.jar"
	jarText = "the bytes of a jar"
	newText = "other bytes of a jar"
)

// udf is a resource with a file.
const udf = `{"name":"udf","type":"jar","directory":"/lib","location":"obs://libs/udf.jar","desc":"","dependFiles":[]}`

// usesUDF is a job with a node that uses the file of udf.
const usesUDF = `{"name":"uses_udf","processType":"BATCH","schedule":{"type":"EXECUTE_ONCE"},"nodes":[{"name":"n","type":"MRSSpark","location":{"x":1,"y":1},"properties":[{"name":"jarPath","value":"obs://libs/udf.jar"}]}]}`

// newFileDesk makes a desk with a backup that has copies of files, given by location.
func newFileDesk(t *testing.T, keys vault.Keys, files map[string]string, fill ...func(*dataarts.WorkspaceHandle) error) *desk {
	t.Helper()
	d := newDeskWith(t, keys, fill...)
	d.keys = keys
	for location, text := range files {
		d.lay(location, text)
	}
	v := vault.New(d.Store, localtest.Bucket, "backups/"+localtest.Workspace).WithKeys(keys)
	if res, err := backup.Run(t.Context(), d.Factory.Workspace(localtest.Workspace), v, dayWithFiles, backup.Options{
		Workspace: vault.Workspace{ID: localtest.Workspace, Name: "sales"}, Lease: terms}); err != nil {
		t.Fatalf("%+v %v", res, err)
	}
	d.DataArts.ResetCalls()
	return d
}

// lay puts a file to its location, in a bucket that is made where there is none; "" removes it.
func (d *desk) lay(location, text string) {
	d.t.Helper()
	bucket, key, _ := asset.ParseOBSPath(location)
	err := d.Objects.CreateBucket(bucket)
	if err == nil && text != "" {
		err = d.Objects.PutObject(bucket, key, []byte(text))
	} else if err == nil {
		err = d.Objects.DeleteObject(bucket, key)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// file reads what lies at a location; "" where nothing does.
func (d *desk) file(location string) string {
	bucket, key, _ := asset.ParseOBSPath(location)
	data, _ := d.Objects.GetObject(bucket, key)
	return string(data)
}

// bucket is all that lies in a bucket.
func (d *desk) bucket(name string) map[string]string {
	d.t.Helper()
	keys, err := d.Objects.Keys(name, "")
	if err != nil {
		d.t.Fatal(err)
	}
	all := map[string]string{}
	for _, key := range keys {
		all[key] = d.file("obs://" + name + "/" + key)
	}
	return all
}

// writesTo counts what changes a bucket while fn runs.
func (d *desk) writesTo(bucket string, fn func()) int {
	n := 0
	var mu sync.Mutex
	d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Bucket == bucket && !slices.Contains([]string{"GetObject", "GetObjectMetadata", "ListObjects"}, c.Operation) {
			mu.Lock()
			defer mu.Unlock()
			n++
		}
		return nil
	})
	fn()
	d.Objects.Intercept(nil)
	return n
}

// request asks for the backup with files.
func fileRequest(policy, more string) string {
	return `{"date":"` + dayWithFiles + `","duplicateNamePolicy":"` + policy + `"` + more + `}`
}

// what a report says of the files of a resource.
func filesOf(r *restore.Report, name string) string {
	var all []string
	for _, f := range item(r, asset.Resources, name).Files {
		all = append(all, fmt.Sprintf("%s %s %s", strings.TrimPrefix(f.Location, "obs://"), f.Action, f.Outcome))
	}
	return strings.Join(all, ", ")
}

func TestRun_PutsFilesOfResourcesBackWhereTheyAreMissing(t *testing.T) {
	t.Parallel()
	const elsewhere = `{"name":"udf","type":"jar","directory":"/lib","location":"obs://libs/other.jar","desc":"","dependFiles":[]}`
	id := newIdentity(t)
	for _, c := range []struct {
		name, policy string
		live         string // the resource in the workspace; "" is none
		there        string // what lies where its file belongs
		want         string // what lies there afterwards
		files        string // in the report
	}{
		{"missing, of a resource that is as it was", "overwrite", udf, "", jarText, "libs/udf.jar create created"},
		{"missing, of a resource that points elsewhere", "overwrite", elsewhere, "", jarText, "libs/udf.jar create created"},
		{"missing, of a resource that is gone", "fail", "", "", jarText, "libs/udf.jar create created"},
		{"missing, of a resource that is skipped", "skip", udf, "", jarText, "libs/udf.jar create created"},
		{"missing, of a skipped resource that points elsewhere", "skip", elsewhere, "", "", ""},
		{"missing, of a resource that is gone, skip", "skip", "", "", jarText, "libs/udf.jar create created"},
		{"the same", "overwrite", udf, jarText, jarText, ""},
		{"the same, of a resource that is gone", "fail", "", jarText, jarText, ""},
		{"another, overwrite", "overwrite", udf, newText, jarText, "libs/udf.jar overwrite overwritten"},
		{"another, overwrite, of a resource that is gone", "overwrite", "", newText, jarText, "libs/udf.jar overwrite overwritten"},
		{"another, fail", "fail", "", newText, newText, "libs/udf.jar skip skipped"},
		{"another, skip", "skip", "", newText, newText, "libs/udf.jar skip skipped"},
		{"another, of a resource that is skipped", "skip", udf, newText, newText, ""},
		{"of the same length", "overwrite", udf, strings.ToUpper(jarText), jarText, "libs/udf.jar overwrite overwritten"},
	} {
		for kind, keys := range map[string]vault.Keys{"plain": {}, "encrypted": ring(t, id, id)} {
			t.Run(c.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				d := newFileDesk(t, keys, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf))
				d.Handle(localtest.Workspace).Wipe()
				if c.live != "" {
					d.put(dataarts.Resources, c.live)
				}
				d.lay(udfJar, c.there)
				d.lay("obs://libs/mine.txt", "somebody's")
				before := d.bucket("libs")
				plan := d.must(restore.Planned, fileRequest(c.policy, `,"dryRun":true`))
				if diff := cmp.Diff(before, d.bucket("libs")); diff != "" {
					t.Errorf("the dry run has written:\n%s", diff)
				}
				var report *restore.Report
				writes := d.writesTo("libs", func() {
					report = d.must(restore.Complete, fileRequest(c.policy, `,"id":"x","planHash":"`+plan.PlanHash+`"`))
				})
				if got := d.file(udfJar); got != c.want {
					t.Errorf("there is %q", got)
				}
				if got := filesOf(report, "udf"); got != c.files {
					t.Errorf("the report says %q", got)
				}
				if (writes > 0) != (c.want != c.there) {
					t.Errorf("%d writes", writes)
				}
				if planned := filesOf(plan, "udf"); (planned == "") != (c.files == "") || planned != "" && !strings.HasPrefix(c.files, planned) {
					t.Errorf("the plan says %q", planned)
				}
				if writes > 0 {
					if again := d.must(restore.Planned, fileRequest("overwrite", `,"dryRun":true`)); filesOf(again, "udf") != "" && c.live != elsewhere {
						t.Errorf("a second plan has %q", filesOf(again, "udf"))
					}
				}
				d.undo(restore.Undone, "x")
				if diff := cmp.Diff(before, d.bucket("libs")); diff != "" {
					t.Errorf("-before +after the undo:\n%s", diff)
				}
				if kind == "encrypted" {
					for key, text := range d.bucket(localtest.Bucket) {
						if strings.Contains(text, jarText) || strings.Contains(text, newText) {
							t.Errorf("%s is readable", key)
						}
					}
				}
			})
		}
	}
}

func TestRun_TellsTheSameFileByItsBytesWhereItsETagDoesNot(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	for kind, keys := range map[string]vault.Keys{"plain": {}, "encrypted": ring(t, id, id)} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := newFileDesk(t, keys, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf))
			other := func() {
				d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
					if c.Bucket == "libs" {
						return &objectstore.Fault{SetHeader: map[string][]string{"Etag": {`"0123456789abcdef0123456789abcdef-2"`}}}
					}
					return nil
				})
			}
			other()
			if plan := d.must(restore.Planned, fileRequest("overwrite", `,"dryRun":true`)); filesOf(plan, "udf") != "" {
				t.Errorf("%q", filesOf(plan, "udf"))
			}
			d.lay(udfJar, strings.ToUpper(jarText))
			if plan := d.must(restore.Planned, fileRequest("overwrite", `,"dryRun":true`)); filesOf(plan, "udf") != "libs/udf.jar overwrite " {
				t.Errorf("other bytes: %q", filesOf(plan, "udf"))
			}
		})
	}
}

func TestRun_PutsAFileOfSeveralResourcesBackOnce(t *testing.T) {
	t.Parallel()
	d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText, "obs://libs/dep.jar": "dep"}, having(dataarts.Resources, udf,
		`{"name":"second","type":"jar","directory":"/","location":"obs://libs/dep.jar","desc":"","dependPackages":[{"type":"jar","location":"obs://libs/udf.jar"}]}`,
		`{"name":"third","type":"jar","directory":"/","location":"s3a://libs/udf.jar","desc":"","dependFiles":["obs://libs/dep.jar"]}`))
	d.lay(udfJar, "")
	var report *restore.Report
	if n := d.writesTo("libs", func() { report = d.must(restore.Complete, fileRequest("overwrite", "")) }); n != 1 {
		t.Errorf("%d writes", n)
	}
	for _, name := range []string{"udf", "second", "third"} {
		if i := item(report, asset.Resources, name); len(i.Files) != 1 || i.Files[0].Outcome != restore.Created || i.Outcome != restore.Unchanged {
			t.Errorf("%s: %+v", name, i)
		}
	}
	if d.file(udfJar) != jarText || !strings.Contains(report.Message, "files of resources: 1 put back") {
		t.Errorf("%q, %s", d.file(udfJar), report.Message)
	}
}

func TestRun_LooksOnceAtEachFileThatIsAsItWas(t *testing.T) {
	t.Parallel()
	files, definitions := map[string]string{}, []string{}
	for i := range 6 {
		files[fmt.Sprintf("obs://libs/%d.jar", i/2)] = "jar"
		definitions = append(definitions, fmt.Sprintf(`{"name":"r%d","type":"jar","directory":"/","location":"obs://libs/%d.jar","desc":"","dependFiles":["obs://libs/0.jar"]}`, i, i/2))
	}
	d := newFileDesk(t, vault.Keys{}, files, having(dataarts.Resources, definitions...))
	calls := map[string]int{}
	var mu sync.Mutex
	d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Bucket == "libs" {
			mu.Lock()
			defer mu.Unlock()
			calls[c.Operation]++
		}
		return nil
	})
	d.must(restore.Complete, fileRequest("overwrite", ""))
	if diff := cmp.Diff(map[string]int{"GetObjectMetadata": len(files)}, calls); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRun_PutsFilesToWhereTheyAreMapped(t *testing.T) {
	t.Parallel()
	const into = `,"source":"` + localtest.Workspace + `","workspace":"` + localtest.Other + `"`
	const mapped = into + `,"replace":{"obsPath":{"obs://libs/":"obs://drill/copies/"}}`
	fresh := func(t *testing.T) *desk {
		return newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf), having(dataarts.Jobs, usesUDF))
	}
	t.Run("in another bucket", func(t *testing.T) {
		t.Parallel()
		d := fresh(t)
		d.lay("obs://drill/else", "x")
		d.lay(udfJar, newText) // that is the other workspace's business
		report := d.must(restore.Complete, fileRequest("fail", mapped))
		if d.file("obs://drill/copies/udf.jar") != jarText || d.file(udfJar) != newText || filesOf(report, "udf") != "drill/copies/udf.jar create created" {
			t.Errorf("%q %q %s", d.file("obs://drill/copies/udf.jar"), d.file(udfJar), filesOf(report, "udf"))
		}
		raw, _ := d.Handle(localtest.Other).Asset(dataarts.Resources, "/lib/udf")
		if got := asset.FileLocations(raw); !slices.Equal(got, []string{"obs://drill/copies/udf.jar"}) {
			t.Errorf("the resource points to %q", got)
		}
	})
	t.Run("in a bucket that does not exist", func(t *testing.T) {
		t.Parallel()
		d := fresh(t)
		report := d.must(restore.Partial, fileRequest("overwrite", mapped))
		i, job := item(report, asset.Resources, "udf"), item(report, asset.Jobs, "uses_udf")
		if i.Outcome != restore.Blocked || !strings.Contains(i.Reason, "bucket drill does not exist") || job.Outcome != restore.Blocked || !strings.Contains(job.Reason, "udf") {
			t.Errorf("%+v\n%+v", i, job)
		}
	})
	t.Run("nowhere else, and the other workspace's file stays as it is", func(t *testing.T) {
		t.Parallel()
		d := fresh(t)
		d.lay(udfJar, newText)
		report := d.must(restore.Complete, fileRequest("overwrite", into))
		if f := item(report, asset.Resources, "udf").Files; d.file(udfJar) != newText || len(f) != 1 || f[0].Outcome != restore.Skipped || !strings.Contains(f[0].Reason, "replace.obsPath") {
			t.Errorf("%q %+v", d.file(udfJar), f)
		}
	})
	t.Run("two to one place", func(t *testing.T) {
		t.Parallel()
		d := newFileDesk(t, vault.Keys{}, map[string]string{"obs://one-a/f": "a", "obs://one-b/f": "b", "obs://one-a/g": "g", "obs://one-b/g": "g"}, having(dataarts.Resources,
			`{"name":"a","type":"file","directory":"/","location":"obs://one-a/f","desc":"","dependFiles":["obs://one-a/g"]}`,
			`{"name":"b","type":"file","directory":"/","location":"obs://one-b/g","desc":"","dependFiles":["obs://one-b/f"]}`))
		d.lay("obs://one-c/else", "x")
		report := d.must(restore.Partial, fileRequest("overwrite", into+`,"replace":{"obsPath":{"obs://one-a/":"obs://one-c/","obs://one-b/":"obs://one-c/"}}`))
		for _, name := range []string{"a", "b"} {
			if i := item(report, asset.Resources, name); i.Outcome != restore.Blocked || !strings.Contains(i.Reason, "two different files") {
				t.Errorf("%+v", i)
			}
		}
		if d.file("obs://one-c/f") != "" || d.file("obs://one-c/g") != "" {
			t.Error("something was written")
		}
	})
}

func TestRun_NeverWritesAFileAmongTheBackups(t *testing.T) {
	t.Parallel()
	for name, location := range map[string]string{"below the root": "obs://dataarts-backup/backups/" + localtest.Workspace + "/f.jar", "by a detour": "obs://dataarts-backup/x/../backups/f.jar"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newFileDesk(t, vault.Keys{}, map[string]string{"obs://libs/f.jar": jarText}, having(dataarts.Resources, strings.Replace(udf, "udf.jar", "f.jar", 1)))
			d.Handle(localtest.Workspace).Wipe()
			before := d.bucket(localtest.Bucket)
			prefix, _, _ := strings.Cut(location, "f.jar")
			report := d.must(restore.Partial, fileRequest("overwrite", `,"replace":{"obsPath":{"obs://libs/":"`+prefix+`"}}`))
			if i := item(report, asset.Resources, "udf"); i.Outcome != restore.Blocked || !strings.Contains(i.Reason, "among the backups") {
				t.Errorf("%+v", i)
			}
			for key := range d.bucket(localtest.Bucket) {
				if _, there := before[key]; !there && !strings.HasPrefix(key, "backups/restores/") {
					t.Errorf("%s was written", key)
				}
			}
		})
	}
}

func TestRun_TellsOfAFileThatIsMissingAndHasNoCopy(t *testing.T) {
	t.Parallel()
	d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf, strings.Replace(udf, `"udf"`, `"twin"`, 1)))
	problems := func() []restore.Problem {
		return slices.DeleteFunc(d.must(restore.Complete, overwrite).Problems, func(p restore.Problem) bool { return !strings.Contains(p.Problem, "no copy") })
	}
	if p := problems(); len(p) > 0 { // that backup has none, but the file is there
		t.Errorf("%+v", p)
	}
	d.lay(udfJar, "")
	if p := problems(); len(p) != 1 || p[0].Kind != asset.Resources || !strings.Contains(p[0].Problem, udfJar) || !strings.Contains(p[0].Problem, "1 other resource") {
		t.Errorf("%+v", p)
	}
}

// A file that cannot be written fails its resources, whose definition is not written then, and blocks what needs them.
func TestRun_AFileThatCannotBeWrittenFailsItsResource(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	for kind, keys := range map[string]vault.Keys{"plain": {}, "encrypted": ring(t, id, id)} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			d := newFileDesk(t, keys, map[string]string{udfJar: jarText, "obs://libs/fine.jar": "fine"}, having(dataarts.Jobs, usesUDF),
				having(dataarts.Resources, udf, `{"name":"fine","type":"jar","directory":"/","location":"obs://libs/fine.jar","desc":"","dependFiles":[]}`))
			d.Handle(localtest.Workspace).Wipe()
			d.lay(udfJar, "")
			d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
				if c.Bucket == "libs" && (c.Operation == "CopyObject" || c.Operation == "PutObject") {
					return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
				}
				return nil
			})
			report := d.must(restore.Partial, fileRequest("overwrite", `,"id":"x"`))
			d.Objects.Intercept(nil)
			i, job := item(report, asset.Resources, "udf"), item(report, asset.Jobs, "uses_udf")
			if i.Outcome != restore.Errored || !strings.Contains(i.Reason, udfJar) || !strings.Contains(i.Reason, "AccessDenied") || job.Outcome != restore.Blocked {
				t.Errorf("%+v\n%+v", i, job)
			}
			if item(report, asset.Resources, "fine").Outcome != restore.Created {
				t.Errorf("%+v", item(report, asset.Resources, "fine"))
			}
			if _, there := d.Handle(localtest.Workspace).Asset(dataarts.Resources, "/lib/udf"); there {
				t.Error("the definition was written all the same")
			}
			d.undo(restore.Undone, "x")
		})
	}
}

func TestRun_OfAFileThatCannotBeLookedAtWritesNothing(t *testing.T) {
	t.Parallel()
	d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf), having(dataarts.Jobs, usesUDF))
	w := d.Handle(localtest.Workspace)
	denied := func(c objectstore.Call) *objectstore.Fault {
		if c.Bucket == "libs" {
			return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
		}
		return nil
	}
	d.lay(udfJar, newText)
	d.Objects.Intercept(denied)
	// The resource is as it was, so its job has what it needs as far as anybody knows; but the restore is not complete.
	report := d.must(restore.Partial, fileRequest("overwrite", ""))
	if i := item(report, asset.Resources, "udf"); i.Outcome != restore.Unchanged || filesOf(report, "udf") != "libs/udf.jar blocked blocked" || !strings.Contains(i.Files[0].Reason, "403") {
		t.Errorf("%+v", i)
	}
	if !strings.Contains(report.Message, "files of resources: 1 blocked") || item(report, asset.Jobs, "uses_udf").Outcome != restore.Unchanged {
		t.Errorf("%s", dump(report))
	}
	w.Wipe()
	report = d.must(restore.Partial, fileRequest("overwrite", ""))
	if i := item(report, asset.Resources, "udf"); i.Outcome != restore.Blocked || d.file(udfJar) != newText {
		t.Errorf("%+v", i)
	}
}

// What is overwritten is what was saved: a file that somebody changes in between is left alone.
func TestRun_LeavesAFileThatChangesAfterItWasPlanned(t *testing.T) {
	t.Parallel()
	for name, there := range map[string]string{"another": newText, "missing": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf))
			d.lay(udfJar, there)
			d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
				if c.Operation == "PutObject" && strings.HasSuffix(c.Key, "/before/backup.json") {
					d.lay(udfJar, "somebody's newest")
				}
				return nil
			})
			report := d.must(restore.Partial, fileRequest("overwrite", ""))
			if i := item(report, asset.Resources, "udf"); d.file(udfJar) != "somebody's newest" || i.Outcome != restore.Errored || !strings.Contains(i.Reason, "somebody") {
				t.Errorf("%q %+v", d.file(udfJar), i)
			}
		})
	}
}

func TestRun_DoesNotOverwriteAFileThatItCannotSave(t *testing.T) {
	t.Parallel()
	d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf))
	d.lay(udfJar, newText)
	d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if strings.Contains(c.Key, "/before/2_resources/.files/") && c.Operation != "GetObjectMetadata" {
			return &objectstore.Fault{Status: 403, Code: "AccessDenied"}
		}
		return nil
	})
	report := d.must(restore.Partial, fileRequest("overwrite", ""))
	if i := item(report, asset.Resources, "udf"); d.file(udfJar) != newText || i.Outcome != restore.Errored || !strings.Contains(i.Reason, "cannot be saved") {
		t.Errorf("%q %+v", d.file(udfJar), i)
	}
}

func TestRun_ThePlanHashTellsThatAFileHasMoved(t *testing.T) {
	t.Parallel()
	d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf))
	same := d.must(restore.Planned, fileRequest("overwrite", `,"dryRun":true`)).PlanHash
	d.lay(udfJar, newText)
	moved := d.must(restore.Planned, fileRequest("overwrite", `,"dryRun":true`)).PlanHash
	if report := d.must(restore.Failed, fileRequest("overwrite", `,"planHash":"`+same+`"`)); d.file(udfJar) != newText || !strings.Contains(report.Message, "no longer") {
		t.Errorf("%q %s", d.file(udfJar), report.Message)
	}
	d.lay(udfJar, newText+"!")
	d.must(restore.Failed, fileRequest("overwrite", `,"planHash":"`+moved+`"`))
}
