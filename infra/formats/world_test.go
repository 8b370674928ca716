// Package formats_test holds what released versions have written into buckets to what this version reads: testdata/format-1 is a bucket as the code
// left it that first wrote formatVersion 1, and no later version may change a byte of it.
//
// What it guarantees: a backup, a restore, a drill, a tombstone and the other records of every released format are opened, verified, followed, restored,
// undone and gone on with by the functions as they are now; and a field that appears in, or vanishes from, what they write does not pass unnoticed.
package formats_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dataarts-backup/dataarts-backup/infra/local"
	"github.com/dataarts-backup/dataarts-backup/infra/local/dataarts"
	"github.com/dataarts-backup/dataarts-backup/infra/local/localtest"
	"github.com/dataarts-backup/dataarts-backup/shared/handler"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
)

const (
	filesBucket = "dlf-prod" // what the sample's resources point to

	// The key pair that the encrypted backups are for. It was made for them and protects nothing else.
	recipient = "age1x8pkk5cqj76kxyhm8ya0v64ae9yvdy3gav8q7z9rjh3cgp26zywq5l5y6f"
	identity  = "AGE-SECRET-KEY-17J66UUNT7WVQTXADYY6L42XJW2NS2XEKMM2XP2SH6ZFTDX8LTPLQ8ZRJR8"
)

// The locations in the bucket: one in plain text, one encrypted.
const (
	plain  = "plain"
	sealed = "sealed"
)

// zone is that of the nights.
func zone() *time.Location { return time.FixedZone("", 8*3600) }

// at is a moment of November 2026, in that zone.
func at(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, zone()) }

// world is a cloud, and the functions in it at one location.
type world struct {
	t *testing.T
	*localtest.Cloud
	location string
	now      time.Time
	tick     time.Duration // by which the clock goes on with each reading, so that what was begun first shows
}

// newWorld is an empty one.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, Cloud: localtest.New(t), location: plain, now: at(25, 9, 0), tick: time.Millisecond}
	if err := w.Objects.CreateBucket(filesBucket); err != nil {
		t.Fatal(err)
	}
	return w
}

// at is the same world, seen from another location or at another time.
func (w *world) at(location string, now time.Time) *world {
	other := *w
	other.location, other.now = location, now
	return &other
}

// functions is what a function is made by.
type functions func(handler.Options) runtime.Handler

// invoke sends a function an event and decodes its answer. Settings are added to the environment.
func (w *world) invoke(ctx context.Context, function functions, settings map[string]string, event []byte, answer any) error {
	w.t.Helper()
	env := map[string]string{"BACKUP_LOCATION": "obs://" + localtest.Bucket + "/" + w.location + "/{workspace}", "LOG_LEVEL": "error"}
	if w.location == sealed {
		env["BACKUP_RECIPIENTS"], env["RESTORE_IDENTITY"] = recipient, identity
	}
	for name, value := range settings {
		env[name] = value
	}
	var readings atomic.Int64
	options := handler.Options{Lookup: w.Environment(env), Version: "1.0.0", Now: func() time.Time {
		return w.now.Add(time.Duration(readings.Add(1)) * w.tick)
	}}
	got, err := function(options)(ctx, runtime.Invocation{Platform: runtime.Stdin, RequestID: "formats", Payload: event})
	if answer != nil && got != nil {
		text, encodeErr := json.Marshal(got)
		if encodeErr != nil {
			w.t.Fatal(encodeErr)
		}
		if decodeErr := json.Unmarshal(text, answer); decodeErr != nil {
			w.t.Fatalf("%v: %s", decodeErr, text)
		}
	}
	return err
}

// The answers, as far as the tests look.
type (
	backups struct {
		Status  string
		Backups []struct {
			Path, Status, Message string
			Counts                map[string]int
			Calls                 int64
			Removed               []string
			Digest                *struct{ Since string }
		}
	}
	report struct {
		ID, Status, Message string
		Counts              map[string]int
		Items               []struct{ Kind, Name, Action, Outcome, Reason string }
	}
	drilled struct{ ID, Status, Backup, Message string }
)

// backUp gives the backup function a command.
func (w *world) backUp(command string, settings map[string]string) (backups, error) {
	w.t.Helper()
	var got backups
	err := w.invoke(w.t.Context(), handler.Backup, settings, []byte(command), &got)
	return got, err
}

// night takes the nightly backup of a day of November 2026.
func (w *world) night(day int, settings map[string]string) (backups, error) {
	w.t.Helper()
	return w.at(w.location, at(day, 0, 0)).backUp(`{"time":"`+at(day, 0, 0).Format(time.RFC3339)+`"}`, settings)
}

// restore gives the restore function a command.
func (w *world) restore(command string, settings map[string]string) (report, error) {
	w.t.Helper()
	var got report
	err := w.invoke(w.t.Context(), handler.Restore, settings, []byte(command), &got)
	return got, err
}

// get asks the console. A status of 400 and more fails the test.
func (w *world) get(target string, answer any) {
	w.t.Helper()
	path, query, _ := strings.Cut(target, "?")
	event, err := json.Marshal(map[string]any{"version": "2.0", "rawPath": path, "rawQueryString": query, "headers": map[string]string{}, "isBase64Encoded": false,
		"requestContext": map[string]any{"stage": "$default", "http": map[string]string{"method": "GET", "path": path}}})
	if err != nil {
		w.t.Fatal(err)
	}
	var got struct {
		StatusCode int
		Body       string
	}
	if err := w.invoke(w.t.Context(), handler.Console, nil, event, &got); err != nil {
		w.t.Fatal(err)
	}
	if got.StatusCode != 200 {
		w.t.Fatalf("GET %s: %d %s", target, got.StatusCode, got.Body)
	}
	if err := json.Unmarshal([]byte(got.Body), answer); err != nil {
		w.t.Fatalf("GET %s: %v: %s", target, err, got.Body)
	}
}

// prefix is the location in the bucket.
func (w *world) prefix() string { return w.location + "/" + localtest.Workspace + "/" }

func (w *world) object(key string) []byte {
	w.t.Helper()
	data, ok := w.Objects.GetObject(localtest.Bucket, key)
	if !ok {
		w.t.Fatalf("there is no object %s", key)
	}
	return data
}

// decode reads an object.
func (w *world) decode(key string, into any) {
	w.t.Helper()
	if err := json.Unmarshal(w.object(key), into); err != nil {
		w.t.Fatalf("%s: %v", key, err)
	}
}

func (w *world) put(key string, data []byte) {
	w.t.Helper()
	if err := w.Objects.PutObject(localtest.Bucket, key, data); err != nil {
		w.t.Fatal(err)
	}
}

// holds are the workspaces of the fixture, by what had happened to them.
type holds map[string]local.Snapshot

// The moments.
const (
	backedUp = "backedUp" // as it was when the backup of the 22nd was taken
	damaged  = "damaged"  // before the restore
	restored = "restored" // and after it
	// sealedDamaged is as it was before the restore of the encrypted backup, which left it as restored.
	sealedDamaged = "sealedDamaged"
)

// fill makes a workspace hold what a snapshot has.
func (w *world) fill(s local.Snapshot) {
	w.t.Helper()
	h := w.Handle(localtest.Workspace)
	h.Wipe()
	for _, kind := range []dataarts.Kind{dataarts.Env, dataarts.Resources, dataarts.Scripts, dataarts.Jobs} {
		for name, raw := range s {
			if strings.HasPrefix(name, string(kind)+" ") {
				if err := h.Put(kind, raw); err != nil {
					w.t.Fatalf("%s: %v", name, err)
				}
			}
		}
	}
}

// differences are those between a snapshot and the workspace, in words.
func (w *world) differences(s local.Snapshot) []string {
	w.t.Helper()
	found, err := s.Differences(local.TakeSnapshot(w.Handle(localtest.Workspace)))
	if err != nil {
		w.t.Fatal(err)
	}
	var words []string
	for _, d := range found {
		words = append(words, d.String())
	}
	return words
}

// fixture is the folder of a format's files.
func fixture(name string) string { return filepath.Join("testdata", name) }

// loaded is a cloud with the objects of a fixture, and an empty workspace.
func loaded(t *testing.T, format string) (*world, holds) {
	t.Helper()
	w := newWorld(t)
	root := filepath.Join(fixture(format), "objects")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		bucket, key, ok := strings.Cut(filepath.ToSlash(name), "/")
		if !ok {
			return errors.New("a file that lies in no bucket: " + name)
		}
		return w.Objects.PutObject(bucket, key, data)
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(fixture(format), "workspaces.json"))
	if err != nil {
		t.Fatal(err)
	}
	var h holds
	if err := json.Unmarshal(text, &h); err != nil {
		t.Fatal(err)
	}
	return w, h
}
