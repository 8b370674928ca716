package restore_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/restore"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// A resource that is blocked when the restore is continued has its file from the run before: the undo has to know.
func TestUndo_RemovesAFileOfAResourceThatIsBlockedNow(t *testing.T) {
	t.Parallel()
	d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf))
	d.Handle(localtest.Workspace).Wipe()
	d.lay(udfJar, "")
	request := fileRequest("overwrite", `,"id":"x"`)
	d.interrupt(request, 0, dataarts.CreateResource)
	if d.file(udfJar) != jarText {
		t.Fatal("the file was not put back before the definition")
	}
	d.put(dataarts.Resources, strings.Replace(udf, `"jar"`, `"file"`, 1))
	report := d.must(restore.Partial, request)
	if i := item(report, asset.Resources, "udf"); i.Outcome != restore.Blocked || len(i.Files) != 1 {
		t.Errorf("%+v", i)
	}
	d.undo(restore.Undone, "x")
	if d.file(udfJar) != "" {
		t.Error("the file is there")
	}
}

func TestUndo_LeavesAFileThatSomebodyHasChangedSince(t *testing.T) {
	t.Parallel()
	d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf))
	d.lay(udfJar, "")
	d.must(restore.Complete, fileRequest("overwrite", `,"id":"x"`))
	d.lay(udfJar, newText)
	if report := d.undo(restore.Partial, "x"); d.file(udfJar) != newText || !strings.Contains(report.Message, udfJar) {
		t.Errorf("%q %s", d.file(udfJar), report.Message)
	}
}

func TestUndo_SavesTheFilesThatItOverwritesOrRemoves(t *testing.T) {
	t.Parallel()
	d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText, "obs://libs/two.jar": "two"}, having(dataarts.Resources, udf, strings.ReplaceAll(udf, "udf", "two")))
	d.lay(udfJar, newText)
	d.lay("obs://libs/two.jar", "")
	d.must(restore.Complete, fileRequest("overwrite", `,"id":"x"`))
	d.lay(udfJar, "edited since")
	d.undo(restore.Undone, "x")
	if diff := cmp.Diff(map[string]string{"udf.jar": newText}, d.bucket("libs")); diff != "" {
		t.Errorf("-before +after the undo:\n%s", diff)
	}
	const saved = "obs://dataarts-backup/backups/restores/x/undo/2_resources/.files/libs/"
	if d.file(saved+"udf.jar") != "edited since" || d.file(saved+"two.jar") != "two" {
		t.Errorf("%q %q", d.file(saved+"udf.jar"), d.file(saved+"two.jar"))
	}
}

// A run that ends at any request to the store, whether that one was carried out or not, is continued under its id and ends like one that was not
// interrupted; and its undo gives every file back.
func TestRun_KilledAtAnyRequestToTheStoreEndsWithTheSameFiles(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	for kind, keys := range map[string]vault.Keys{"plain": {}, "encrypted": ring(t, id, id)} {
		for how, applied := range map[string]bool{"before it is applied": false, "after it was applied": true} {
			t.Run(kind+"/"+how, func(t *testing.T) {
				t.Parallel()
				d := newFileDesk(t, keys, map[string]string{udfJar: jarText, "obs://libs/two.jar": "two", "obs://libs/same.jar": "same"}, having(dataarts.Resources,
					udf, strings.ReplaceAll(udf, "udf", "two"), strings.ReplaceAll(udf, "udf", "same")))
				d.hurry()
				lived := func() map[string]string {
					d.Handle(localtest.Workspace).Wipe()
					d.put(dataarts.Resources, udf, strings.ReplaceAll(udf, "udf", "same"))
					d.lay(udfJar, newText)
					d.lay("obs://libs/two.jar", "")
					d.lay("obs://libs/same.jar", "same")
					return d.bucket("libs")
				}
				run := func(id string) (*restore.Report, error) {
					opts := d.options()
					opts.Concurrency = 1
					req, err := restore.ParseRequest([]byte(fileRequest("overwrite", `,"id":"`+id+`"`)))
					if err != nil {
						t.Fatal(err)
					}
					return restore.Run(t.Context(), req, opts)
				}
				// kill ends fn at a request, 0 for none, and counts them. The lease is let go all the same, so that nobody has to wait until it is stale.
				kill := func(at int, fn func()) int {
					var mu sync.Mutex
					seen := 0
					d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
						if strings.Contains(c.Key, "/leases/") {
							return nil
						}
						mu.Lock()
						defer mu.Unlock()
						seen++
						if at == 0 || seen < at {
							return nil
						}
						return &objectstore.Fault{Status: 403, Code: "AccessDenied", Applied: applied && seen == at}
					})
					fn()
					d.Objects.Intercept(nil)
					return seen
				}
				want := map[string]string{"udf.jar": jarText, "two.jar": "two", "same.jar": "same"}
				lived()
				requests := kill(0, func() {
					if report, err := run("whole"); err != nil || report.Status != restore.Complete {
						t.Fatalf("%v %s", err, dump(report))
					}
				})
				if requests < 20 || !maps.Equal(d.bucket("libs"), want) {
					t.Fatalf("%d requests, %q", requests, d.bucket("libs"))
				}
				for k := 0; k < requests; k += share(23) {
					name := fmt.Sprintf("k%d", k+1)
					before := lived()
					kill(k+1, func() { _, _ = run(name) })
					report, err := run(name)
					if err != nil || report.Status != restore.Complete {
						t.Errorf("request %d: continued: %v %s", k+1, err, dump(report))
						continue
					}
					if diff := cmp.Diff(want, d.bucket("libs")); diff != "" {
						t.Errorf("request %d: -uninterrupted +continued:\n%s", k+1, diff)
					}
					if report, err := restore.Undo(t.Context(), name, d.options()); err != nil || report.Status != restore.Undone {
						t.Errorf("request %d: undo: %v %s", k+1, err, dump(report))
					}
					if diff := cmp.Diff(before, d.bucket("libs")); diff != "" {
						t.Errorf("request %d: -before +after the undo:\n%s", k+1, diff)
					}
				}
			})
		}
	}
}

func TestUndo_KilledAtAnyRequestToTheStoreGivesTheFilesBack(t *testing.T) {
	t.Parallel()
	d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText, "obs://libs/two.jar": "two"}, having(dataarts.Resources, udf, strings.ReplaceAll(udf, "udf", "two")))
	d.hurry()
	restored := func(id string) map[string]string {
		d.lay(udfJar, newText)
		d.lay("obs://libs/two.jar", "")
		before := d.bucket("libs")
		d.must(restore.Complete, fileRequest("overwrite", `,"id":"`+id+`"`))
		return before
	}
	applied := false
	for k, over := 1, false; !over; k += share(19) {
		applied = !applied
		id := fmt.Sprintf("u%d", k)
		before := restored(id)
		var mu sync.Mutex
		seen := 0
		d.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
			if strings.Contains(c.Key, "/leases/") {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			if seen++; seen < k {
				return nil
			}
			return &objectstore.Fault{Status: 403, Code: "AccessDenied", Applied: seen == k && applied}
		})
		_, _ = restore.Undo(t.Context(), id, d.options())
		d.Objects.Intercept(nil)
		over = seen < k
		report, err := restore.Undo(t.Context(), id, d.options())
		if err != nil || report.Status != restore.Undone {
			t.Errorf("request %d: asked again: %v %s", k, err, dump(report))
		}
		if diff := cmp.Diff(before, d.bucket("libs")); diff != "" {
			t.Errorf("request %d: -before +after the undo:\n%s", k, diff)
		}
	}
}

func TestRun_OfWhatARestoreSavedSaysThatItsFilesAreForTheUndo(t *testing.T) {
	t.Parallel()
	d := newFileDesk(t, vault.Keys{}, map[string]string{udfJar: jarText}, having(dataarts.Resources, udf))
	d.lay(udfJar, newText)
	d.must(restore.Complete, fileRequest("overwrite", `,"id":"x"`))
	report := d.must(restore.Complete, `{"path":"obs://dataarts-backup/backups/restores/x/before/","workspace":"`+localtest.Workspace+`","duplicateNamePolicy":"overwrite"}`)
	if text, _ := json.Marshal(report.Problems); !strings.Contains(string(text), "only the undo") || d.file(udfJar) != jarText {
		t.Errorf("%s %q", text, d.file(udfJar))
	}
}
