package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/infra/local/objectstore"
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/digest"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/rawjson"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// lens is a workspace of which lists and exports show something else than the asset's own call.
type lens struct {
	backup.Workspace
	row      func(kind asset.Kind, name string, raw []byte) []byte
	exported func(name string, definition []byte) []byte
	get      func(ref asset.Ref) error
	env      func() (json.RawMessage, error)
	exports  atomic.Int64
}

func (l *lens) List(ctx context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error) {
	return l.Workspace.List(ctx, kind, func(r factory.Row) error {
		if l.row != nil {
			r.Raw = l.row(kind, r.Ref.Name, r.Raw)
		}
		return fn(r)
	})
}

func (l *lens) Export(ctx context.Context, jobs []string, fn func(string, json.RawMessage) error) error {
	l.exports.Add(1)
	return l.Workspace.Export(ctx, jobs, func(name string, d json.RawMessage) error {
		if l.exported != nil {
			d = l.exported(name, d)
		}
		return fn(name, d)
	})
}

func (l *lens) Get(ctx context.Context, ref asset.Ref, id string) (json.RawMessage, error) {
	if l.get != nil {
		if err := l.get(ref); err != nil {
			return nil, err
		}
	}
	return l.Workspace.Get(ctx, ref, id)
}

func (l *lens) Env(ctx context.Context) (json.RawMessage, error) {
	if l.env != nil {
		return l.env()
	}
	return l.Workspace.Env(ctx)
}

func (n *night) put(kind dataarts.Kind, text string, args ...any) {
	n.t.Helper()
	if err := n.Handle(localtest.Workspace).Put(kind, fmt.Appendf(nil, text, args...)); err != nil {
		n.t.Fatal(err)
	}
}

// honest fails when a run said COMPLETE and the folder is not the workspace.
func (n *night) honest(l *lens) {
	n.t.Helper()
	if l.Workspace == nil {
		l.Workspace = n.Factory.Workspace(localtest.Workspace)
	}
	res, err := n.runWith(l)
	if err == nil && res.Status == vault.Complete {
		n.whole(day)
	}
}

const simpleJob = `{"name":%q,"processType":"BATCH","schedule":{"type":"EXECUTE_ONCE"},"nodes":[%s]}`

func TestRun_AJobOfADoubtedNodeTypeThatIsEditedMeanwhileIsReadByItself(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(60, 3)
	n.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ExportOmits = []string{"nodes[Shell].pollingInterval"} })
	var once sync.Once
	n.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowJob { // the samples are being checked: the exports are read
			once.Do(func() {
				w := n.Handle(localtest.Workspace)
				raw, _ := w.Asset(dataarts.Jobs, "job_0031")
				_ = w.Put(dataarts.Jobs, bytes.ReplaceAll(raw, []byte(`"ada"`), []byte(`"eve"`)))
			})
		}
		return nil
	})
	n.honest(&lens{})
}

func TestRun_AJobOfADoubtedNodeTypeWhoseOwnCallFailedOnceIsNotBelievedInTheNextRound(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(60, 3)
	n.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ExportOmits = []string{"nodes[Shell].pollingInterval"} })
	var failed atomic.Bool
	n.honest(&lens{get: func(ref asset.Ref) error {
		if ref.Name == "job_0031" && !failed.Swap(true) {
			return &factory.Error{Operation: "get job", StatusCode: 502}
		}
		return nil
	}})
}

func TestRun_EveryDifferenceOfASampleCountsNotOnlyTheFirst(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.DataArts.SetSwitches(func(s *dataarts.Switches) {
		s.ExportOmits = []string{"nodes[HiveSQL].retryTimes", "nodes[Shell].pollingInterval"}
	})
	n.put(dataarts.Jobs, simpleJob, "j1", `{"name":"a","type":"HiveSQL","retryTimes":3,"properties":[]},{"name":"b","type":"Shell","pollingInterval":7,"properties":[]}`)
	n.put(dataarts.Jobs, `{"name":"j2","logPath":"obs://l/","processType":"BATCH","schedule":{"type":"EXECUTE_ONCE"},"nodes":[{"name":"b","type":"Shell","properties":[]}]}`)
	n.put(dataarts.Jobs, simpleJob, "j3", `{"name":"b","type":"Shell","pollingInterval":9,"properties":[]}`)
	n.put(dataarts.Jobs, simpleJob, "j4", `{"name":"`+strings.Repeat("long", 30)+`","type":"Shell","properties":[]}`)
	n.honest(&lens{})
}

func TestRun_ResourcesOfATypeOfWhichNoSampleCouldBeCheckedAreReadOneByOne(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ListOmits = []string{"resources.desc"} })
	n.put(dataarts.Resources, `{"name":"f1","type":"file","location":"hdfs://ns/%s","directory":"/r"}`, strings.Repeat("x", 300))
	n.put(dataarts.Resources, `{"name":"j1","type":"jar","location":"hdfs://ns/1","directory":"/r"}`)
	n.put(dataarts.Resources, `{"name":"f2","type":"file","location":"hdfs://ns/%s","directory":"/r"}`, strings.Repeat("x", 400))
	n.put(dataarts.Resources, `{"name":"j2","type":"jar","location":"hdfs://ns/2","directory":"/r","desc":"what it is"}`)
	n.honest(&lens{get: func(ref asset.Ref) error {
		if ref.Name == "j1" {
			return &factory.Error{Operation: "get resource", StatusCode: 500}
		}
		return nil
	}})
}

func TestRun_AnExportedJobWithoutNodesIsReadByItself(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(30, 0)
	n.honest(&lens{exported: func(name string, d []byte) []byte {
		if name == "job_0017" {
			return []byte(`{"name":"job_0017","processType":"BATCH","directory":"/d","schedule":{"type":"EXECUTE_ONCE"},"basicConfig":{"owner":"ada"},"nodes":[]}`)
		}
		return d
	}})
}

func TestRun_AScriptThatIsListedWithoutItsTextIsReadByItself(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"empty": `""`, "null": `null`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNight(t).crowd(0, 30)
			n.honest(&lens{row: func(kind asset.Kind, name string, raw []byte) []byte {
				if name == "script_0017" {
					return rawjson.Set(raw, "content", []byte(content))
				}
				return raw
			}})
		})
	}
}

func TestRun_AListThatCutsTextsAtACharacterCountIsSeenThoughAnotherTextHasMoreEscapes(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.put(dataarts.Scripts, `{"name":"s1","type":"Shell","content":"x"}`)
	n.put(dataarts.Scripts, `{"name":"s2","type":"Shell","content":"%s"}`, strings.Repeat(`\n`, 60_000))
	n.put(dataarts.Scripts, `{"name":"s3","type":"Shell","content":"%s"}`, strings.Repeat(`y`, 100_000))
	n.honest(&lens{row: func(kind asset.Kind, _ string, raw []byte) []byte {
		if kind != asset.Scripts {
			return raw
		}
		text := rawjson.StringAt(raw, "content")
		return rawjson.Set(raw, "content", rawjson.Quote(text[:min(len(text), 65_536)]))
	}})
}

func TestRun_AnExportThatCutsLongPropertiesIsSeenThoughAnotherJobIsLarger(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	node := func(text string) string {
		return `{"name":"a","type":"HiveSQL","properties":[{"name":"statement","value":"` + text + `"}]}`
	}
	n.put(dataarts.Jobs, simpleJob, "j1", node("x"))
	n.put(dataarts.Jobs, simpleJob, "j2", strings.Repeat(node(strings.Repeat("x", 1000))+",", 150)+node("x"))
	n.put(dataarts.Jobs, simpleJob, "j3", node(strings.Repeat("y", 100_000)))
	n.honest(&lens{exported: func(name string, d []byte) []byte {
		return bytes.ReplaceAll(d, []byte(strings.Repeat("y", 100_000)), []byte(strings.Repeat("y", 65_536)))
	}})
}

func TestRun_AFieldThatListsLeaveOutAndFewScriptsHaveIsSeen(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(0, 30)
	n.put(dataarts.Scripts, `{"name":"rare","type":"HiveSQL","content":"x","connectionName":"c","directory":"/a/b","configuration":{"hive.x":"1"}}`)
	n.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ListOmits = []string{"scripts.configuration"} })
	n.honest(&lens{})
}

func TestRun_AFieldThatExportsLeaveOutAndFewJobsHaveIsSeen(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(300, 0)
	for i := range 20 {
		n.put(dataarts.Jobs, simpleJob, fmt.Sprintf("rare_%d", i), `{"name":"b","type":"Shell","failPolicy":"IGNORE","location":{"x":"1","y":"2"},"properties":[]}`)
	}
	n.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ExportOmits = []string{"nodes.failPolicy"} })
	n.honest(&lens{})
}

// turns is a workspace of scripts that differ from listing to listing.
type turns struct {
	lists  [][]string // "name=content" of each listing
	second func()     // before the second listing
	n      atomic.Int32
	now    atomic.Int32
}

func (s *turns) List(_ context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error) {
	if kind != asset.Scripts {
		return factory.Listing{Settled: true}, nil
	}
	at := min(int(s.n.Add(1)), len(s.lists)) - 1
	if at == 1 && s.second != nil {
		s.second()
	}
	s.now.Store(int32(at))
	for _, text := range s.lists[at] {
		name, content, _ := strings.Cut(text, "=")
		if err := fn(factory.Row{Ref: asset.Ref{Kind: kind, Name: name}, Raw: fmt.Appendf(nil, `{"name":%q,"type":"Shell","content":%q}`, name, content)}); err != nil {
			return factory.Listing{}, err
		}
	}
	return factory.Listing{Total: len(s.lists[at]), Unique: len(s.lists[at]), Settled: true}, nil
}

func (s *turns) Get(_ context.Context, ref asset.Ref, _ string) (json.RawMessage, error) {
	for _, text := range s.lists[s.now.Load()] {
		if name, content, _ := strings.Cut(text, "="); name == ref.Name {
			return fmt.Appendf(nil, `{"name":%q,"type":"Shell","content":%q}`, name, content), nil
		}
	}
	return nil, &factory.Error{StatusCode: 400, Code: "DLF.6201"}
}

func (s *turns) Export(context.Context, []string, func(string, json.RawMessage) error) error {
	return nil
}
func (s *turns) Env(context.Context) (json.RawMessage, error) {
	return json.RawMessage(`{"params":[]}`), nil
}

func TestRun_AWriteThatIsOvertakenByThatOfTheSameNameIsNotWhatStays(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	written := func() bool {
		data, ok := n.Objects.GetObject(localtest.Bucket, "backups/2026-11-22/3_scripts/a.script")
		return ok && bytes.Contains(data, []byte("second"))
	}
	var first atomic.Bool
	begun := make(chan struct{})
	n.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Operation == "PutObject" && strings.HasSuffix(c.Key, "/a.script") {
			if !first.Swap(true) {
				close(begun) // a slow store, or one that answered 503 to the first attempts
				for i := 0; i < 500 && !written(); i++ {
					time.Sleep(10 * time.Millisecond)
				}
				time.Sleep(100 * time.Millisecond)
			}
		}
		return nil
	})
	res, err := n.runWith(&turns{second: func() { <-begun }, lists: [][]string{{"a=first1", "b=x"}, {"b=x", "c=x"}, {"a=second", "b=x", "c=x"}}})
	if err != nil || res.Status != vault.Complete {
		t.Logf("%+v %v", res, err)
		return
	}
	if err := n.open(day).Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

// the last listing is not checked by another one. What factory.List reports for it is COMPLETE in every respect.
func TestRun_ARowThatMovesOutOfTheLastListingIsNotTakenForDeleted(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	for i := range 250 {
		n.put(dataarts.Scripts, `{"name":"s%03d","type":"Shell","content":"x"}`, i)
	}
	w := n.Handle(localtest.Workspace)
	var mu sync.Mutex
	listing := 0
	n.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op != dataarts.ListScripts {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		switch offset := r.URL.Query().Get("offset"); {
		case offset == "0":
			if listing++; listing == 2 {
				_ = w.Put(dataarts.Scripts, []byte(`{"name":"zz_new","type":"Shell","content":"x"}`)) // so that there is a third listing
			}
		case offset == "1" && listing == 3: // between two pages, one is deleted and one is created
			listing++
			w.Delete(dataarts.Scripts, "s007")
			_ = w.Put(dataarts.Scripts, []byte(`{"name":"zz_newer","type":"Shell","content":"x"}`))
		}
		return nil
	})
	res, err := n.run(day)
	if err != nil || res.Status != vault.Complete {
		return
	}
	for name := range w.All(dataarts.Scripts) {
		if !n.has("backups/2026-11-22/3_scripts/" + name + ".script") {
			t.Errorf("script %s was there all night, and the COMPLETE backup lacks it: drift %v", name, res.Drift)
		}
	}
}

func TestRun_AnEnvironmentAPIThatYesterdayHadIsNotUnsupportedToday(t *testing.T) {
	t.Parallel()
	n := newNight(t).one()
	n.put(dataarts.Env, `{"params":[{"name":"a","type":"variable","value":"1"}]}`)
	if res, err := n.run("2026-11-21"); err != nil || res.Counts[asset.Env] != 1 {
		t.Fatal(res, err)
	}
	n.DataArts.Intercept(func(_ *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ShowFactoryEnv {
			return &dataarts.Fault{Status: 404, Body: `{"error_code":"APIG.0101","error_msg":"The API does not exist or has not been published in the environment"}`}
		}
		return nil
	})
	res, err := n.run(day)
	if err == nil && res.Status == vault.Complete {
		t.Errorf("COMPLETE without the variable that yesterday's backup has: %q", res.Message)
	}
}

func TestRun_AnUnfinishedEncryptedBackupHoldsNoHashOfPlainBytes(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	n.put(dataarts.Scripts, `{"name":"secret","type":"Shell","content":"export PASSWORD=hunter2"}`)
	n.put(dataarts.Jobs, simpleJob, "bad", `{"name":"b","type":"Shell","properties":[]}`)
	n.put(dataarts.Jobs, simpleJob, "late", `{"name":"b","type":"Shell","properties":[]}`)
	var late atomic.Bool
	id, _ := age.GenerateX25519Identity()
	keys, err := vault.ParseKeys([]string{id.Recipient().String()}, "")
	if err != nil {
		t.Fatal(err)
	}
	n.vault = n.vault.WithKeys(keys)
	n.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ExportUnsupported = true })
	var hash string
	now, calls := time.Now(), atomic.Int64{}
	res, err := backup.Run(t.Context(), &lens{Workspace: n.Factory.Workspace(localtest.Workspace), row: func(kind asset.Kind, name string, raw []byte) []byte {
		if name == "secret" {
			sum := sha256.Sum256(rawjson.Without(raw, func(f string) bool { return f == "status" || f == "startTime" }))
			hash = hex.EncodeToString(sum[:])
		}
		return raw
	}, get: func(ref asset.Ref) error {
		if ref.Name == "bad" || ref.Name == "late" && !late.Swap(true) {
			return &factory.Error{Operation: "get job", StatusCode: 400, Code: "DLF.9999"}
		}
		return nil
	}}, n.vault, day, backup.Options{Workspace: vault.Workspace{ID: localtest.Workspace}, Now: func() time.Time { return now.Add(time.Duration(calls.Add(1)) * time.Minute) }})
	if res.Status != vault.Partial {
		t.Fatal(res, err)
	}
	text, _ := n.Objects.GetObject(localtest.Bucket, "backups/2026-11-22/progress.json")
	if hash == "" || bytes.Contains(text, []byte(hash)) {
		t.Errorf("progress.json tells the hash of the script's row, with its text: %s", text)
	}
}

func TestRun_ARunWhoseTimeEndsInTheCommitIsContinued(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(100, 100)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	n.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Operation == "PutObject" && strings.HasSuffix(c.Key, "/manifest.json") {
			return &objectstore.Fault{Delay: time.Hour}
		}
		return nil
	})
	if _, err := n.runIn(ctx, day); err == nil {
		t.Fatal("no error")
	}
	n.Objects.Intercept(nil)
	n.DataArts.ResetCalls()
	if _, err := n.run(day); err != nil {
		t.Fatal(err)
	}
	if got := n.DataArts.CallCounts()[dataarts.ExportJobList]; got > 1 { // real-time jobs are looked at once more
		t.Errorf("everything was stored, and %d exports were read again", got)
	}
}

func TestRun_APanicWhereAssetsAreReadIsOneRunsFailure(t *testing.T) {
	if os.Getenv("BACKUP_TEST_PANIC") == "" {
		t.Parallel()
		cmd := exec.Command(os.Args[0], "-test.run=^TestRun_APanicWhereAssetsAreReadIsOneRunsFailure$")
		cmd.Env = append(os.Environ(), "BACKUP_TEST_PANIC=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("the process ended: %v\n%.600s", err, out)
		}
		return
	}
	n := newNight(t).crowd(3, 3)
	defer func() { _ = recover() }() // as the handler does
	_, _ = n.runWith(&lens{Workspace: n.Factory.Workspace(localtest.Workspace), get: func(asset.Ref) error { panic("index out of range") }})
}

// run with -race
func TestRun_VariablesThatCannotBeReadWhileProgressIsSaved(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(10, 200)
	now, calls := time.Now(), atomic.Int64{}
	_, _ = backup.Run(t.Context(), &lens{Workspace: n.Factory.Workspace(localtest.Workspace), env: func() (json.RawMessage, error) {
		time.Sleep(30 * time.Millisecond)
		return nil, &factory.Error{Operation: "get environment variables", StatusCode: 500}
	}}, n.vault, day, backup.Options{Workspace: vault.Workspace{ID: localtest.Workspace}, Now: func() time.Time { return now.Add(time.Duration(calls.Add(1)) * time.Minute) }})
}

func TestRun_ExportsThatStopWorkingInMidRunAreGivenUp(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(1000, 0)
	l := &failing{lens: lens{Workspace: n.Factory.Workspace(localtest.Workspace)}}
	res, err := n.runWith(l)
	if err != nil || res.Status != vault.Complete {
		t.Fatal(res, err)
	}
	if got := l.exports.Load(); got > 30 {
		t.Errorf("%d exports, each sent three times, although none has worked after the first", got)
	}
}

type failing struct{ lens }

func (f *failing) Export(ctx context.Context, jobs []string, fn func(string, json.RawMessage) error) error {
	if f.exports.Add(1) == 1 {
		return f.Workspace.Export(ctx, jobs, fn)
	}
	time.Sleep(100 * time.Millisecond)
	return &factory.Error{Operation: "export jobs", StatusCode: 503}
}

func TestRun_AnAlteredDayShowsInTheChainThoughANewerBackupSkippedIt(t *testing.T) {
	t.Parallel()
	n := newNight(t).one()
	for _, d := range []string{"2026-11-20", "2026-11-21"} {
		if _, err := n.run(d); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Objects.PutObject(localtest.Bucket, "backups/2026-11-21/manifest.json", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if _, err := n.run(day); err != nil {
		t.Fatal(err)
	}
	chain, err := n.open(day).Chain(t.Context())
	if err != nil || len(chain.Breaks) == 0 {
		t.Errorf("2026-11-21 was altered, and the chain says %+v %v", chain, err)
	}
}

func TestRun_AnExportThatIsRightOnlyTheSecondTimeIsNoEdit(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(60, 0)
	var mu sync.Mutex
	exported := map[string]bool{}
	n.honest(&lens{exported: func(name string, d []byte) []byte {
		mu.Lock()
		defer mu.Unlock()
		again := exported[name]
		exported[name] = true
		if again {
			return d
		}
		return rawjson.Without(d, func(f string) bool { return f == "basicConfig" })
	}})
}

// an export is the text of a create call, and has keys that the job's own call does not send.
func TestRun_AJobThatIsReadInAnotherWayThanYesterdayHasNotChanged(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(19, 0) // no real-time jobs, whose rows have no time of the last change
	l := &lens{Workspace: n.Factory.Workspace(localtest.Workspace), exported: func(_ string, d []byte) []byte {
		return rawjson.Set(d, "maskedParams", []byte("[]"))
	}}
	run := func(name string) backup.Result {
		res, err := backup.Run(t.Context(), l, n.vault, name, backup.Options{Workspace: vault.Workspace{ID: localtest.Workspace}})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	run("2026-11-21")
	n.DataArts.SetSwitches(func(s *dataarts.Switches) { s.ExportUnsupported = true })
	res := run(day)
	if d := digest.Between(res.Previous, res.Manifest); d.Changed > 0 {
		t.Errorf("nobody has touched anything, and the digest tells of %d changed jobs", d.Changed)
	}
}

// one odd answer. The first listing has shown 40 jobs, and every one of them can still be read.
func TestRun_OneEmptyAnswerInTheSecondListingDoesNotEmptyTheBackup(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(40, 3)
	var batch atomic.Int32
	n.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op == dataarts.ListJobs && r.URL.Query().Get("jobType") == "BATCH" && batch.Add(1) == 2 {
			return &dataarts.Fault{Status: 200, Body: `{"total":0,"jobs":[]}`}
		}
		return nil
	})
	res, err := n.run(day)
	if err == nil && res.Status == vault.Complete && res.Counts[asset.Jobs] < 40 {
		t.Errorf("COMPLETE with %d of 40 jobs after %d listings", res.Counts[asset.Jobs], batch.Load())
	}
}

// somebody's script is created and deleted all the time, and each time a page is read a row has slipped to the page before.
func TestRun_AWorkspaceThatNeverComesToRestIsNotTakenForComplete(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	for i := range 250 {
		n.put(dataarts.Scripts, `{"name":"s%03d","type":"Shell","content":"x"}`, i)
	}
	w := n.Handle(localtest.Workspace)
	var mu sync.Mutex
	n.DataArts.Intercept(func(r *http.Request, op dataarts.Operation) *dataarts.Fault {
		if op != dataarts.ListScripts {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		switch r.URL.Query().Get("offset") {
		case "0":
			_ = w.Put(dataarts.Scripts, []byte(`{"name":"tmp","type":"Shell","content":"x"}`))
			w.Move(dataarts.Scripts, "tmp", 7)
		case "1":
			w.Delete(dataarts.Scripts, "tmp")
		}
		return nil
	})
	res, err := n.run(day)
	if err == nil && res.Status == vault.Complete && !n.has("backups/2026-11-22/3_scripts/s099.script") {
		t.Errorf("COMPLETE, and script s099, which was there all night, was never seen: %d scripts, %q", res.Counts[asset.Scripts], res.Message)
	}
}

func TestRun_ABackupDoesNotFailBecauseItsProgressCouldNotBeSaved(t *testing.T) {
	t.Parallel()
	n := newNight(t).crowd(0, 30)
	now, calls := time.Now(), atomic.Int64{}
	var saves atomic.Int32
	n.Objects.Intercept(func(c objectstore.Call) *objectstore.Fault {
		if c.Operation == "PutObject" && strings.HasSuffix(c.Key, "/progress.json") && saves.Add(1) > 1 {
			return &objectstore.Fault{Status: 400, Code: "InvalidRequest"}
		}
		return nil
	})
	res, err := backup.Run(t.Context(), n.Factory.Workspace(localtest.Workspace), n.vault, day, backup.Options{Workspace: vault.Workspace{ID: localtest.Workspace},
		Now: func() time.Time { return now.Add(time.Duration(calls.Add(1)) * time.Minute) }})
	if err != nil {
		t.Errorf("%s %v", res.Status, err)
	}
}

// forgetful is a workspace whose listings after the first leave one script out, and count without it.
type forgetful struct {
	lens
	name  string
	lists atomic.Int32
}

func (f *forgetful) List(ctx context.Context, kind asset.Kind, fn func(factory.Row) error) (factory.Listing, error) {
	if kind != asset.Scripts || f.lists.Add(1) == 1 {
		return f.Workspace.List(ctx, kind, fn)
	}
	l, err := f.Workspace.List(ctx, kind, func(r factory.Row) error {
		if r.Ref.Name == f.name {
			return nil
		}
		return fn(r)
	})
	l.Total, l.Unique = l.Total-1, l.Unique-1
	return l, err
}

func TestRun_AScriptThatIsNotListedAnyMoreIsGoneOnlyWhenTheServiceSaysSo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want vault.Status
	}{
		"there":            {nil, vault.Complete},
		"gone":             {&factory.Error{StatusCode: 400, Code: "DLF.6201"}, vault.Complete},
		"throttled":        {&factory.Error{StatusCode: 429, Attempts: 7}, vault.Partial},
		"out of order":     {&factory.Error{StatusCode: 502, Attempts: 7}, vault.Partial},
		"nonsense":         {&factory.Error{StatusCode: 200, Attempts: 7}, vault.Partial},
		"a right withheld": {&factory.Error{StatusCode: 403}, vault.Partial},
		"another refusal":  {&factory.Error{StatusCode: 400, Code: "DLF.6888"}, vault.Partial},
		"no connection":    {&factory.Error{Attempts: 7}, vault.Partial},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNight(t).crowd(3, 100)
			f := &forgetful{name: "script_0042"}
			f.Workspace = n.Factory.Workspace(localtest.Workspace)
			f.get = func(ref asset.Ref) error {
				if ref.Name == f.name {
					return c.err
				}
				return nil
			}
			res, err := n.runWith(f)
			stored := false
			for _, a := range res.Drift {
				stored = stored || a.Name == f.name && a.Change == "vanished"
			}
			if res.Status != c.want || (name == "gone") != stored {
				t.Errorf("%s, drift %v: %v", res.Status, res.Drift, err)
			}
			if c.want == vault.Partial && (len(res.Missing) != 1 || res.Missing[0].Name != f.name) {
				t.Errorf("missing %v", res.Missing)
			}
			if c.want == vault.Complete && n.has("backups/"+day+"/3_scripts/script_0042.script") == stored {
				t.Errorf("it is in the folder: %v", !stored)
			}
		})
	}
}
