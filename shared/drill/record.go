package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
)

// Status is how a drill stands.
type Status string

// The statuses. GOOD: the backup was given back whole, read back equal, and what was made is removed again (or kept, as was asked).
const (
	Running Status = "RUNNING"
	Good    Status = "GOOD"
	Failed  Status = "FAILED"
)

// Step is what a drill is at, or failed at.
type Step string

// The steps, in their order.
const (
	StepCheck   Step = "check"   // may this be tried, and is the workspace empty
	StepRestore Step = "restore" // the restore
	StepCompare Step = "compare" // is the workspace the backup, and nothing else
	StepCleanUp Step = "cleanUp" // the undo of the restore
)

// Record is drills/<id>.json and the answer to a drill.
type Record struct {
	ID              string     `json:"id"` // also that of the restore, whose report names every asset
	Status          Status     `json:"status"`
	Source          string     `json:"source"`         // workspace that the backup is of
	Workspace       string     `json:"workspace"`      // that was restored into
	Backup          string     `json:"backup"`         // obs:// path of the folder
	Step            Step       `json:"step,omitempty"` // what it is at; of a drill that FAILED, where; empty for a GOOD one
	BackupStartedAt *time.Time `json:"backupStartedAt,omitempty"`
	StartedAt       time.Time  `json:"startedAt"`
	FinishedAt      *time.Time `json:"finishedAt,omitempty"`
	DurationMS      int64      `json:"durationMs"`  // of the whole drill, pauses of one that was continued included
	RestoreMS       int64      `json:"restoreMs"`   // until the workspace was there again: the recovery time
	CompareMS       int64      `json:"compareMs"`   // of the comparison
	CleanUpMS       int64      `json:"cleanUpMs"`   // of the undo, and of the look whether it left anything
	BackupAgeMS     int64      `json:"backupAgeMs"` // at the beginning of the drill: the recovery point, what a loss at that moment would have cost
	Calls           int64      `json:"calls"`       // requests to DataArts, of all runs of this drill
	// Counts are the assets that were restored and compared, by kind; env counts variables.
	Counts  map[asset.Kind]int `json:"counts"`
	Message string             `json:"message"`
	Kept    bool               `json:"kept,omitempty"` // what was restored is left in the workspace, as was asked
	Left    []string           `json:"left,omitempty"` // what could not be removed again, or is in the workspace and nobody knows why

	Spec Spec `json:"drill"`
	// Variables are the names of the environment variables that the workspace had before.
	Variables []string `json:"variables,omitempty"`
	Verdict   *Verdict `json:"verdict,omitempty"` // of restore and comparison; nil before that is known
	Told      bool     `json:"told,omitempty"`    // people were told that it failed
}

// Verdict is what restore and comparison came to. It is on record before the cleaning up begins.
type Verdict struct {
	Step    Step   `json:"step,omitempty"`    // that failed; empty for a good one
	Message string `json:"message,omitempty"` // why it failed; of a good one, what it left out
}

// Final tells whether the drill is over.
func (r *Record) Final() bool { return r != nil && (r.Status == Good || r.Status == Failed) }

// Records keeps the records of drills under <root>/drills/:
//
//	drills/<id>.json                     every drill
//	drills/last/<source>/good.json       the last one of a workspace's backups that was GOOD
//	drills/last/<source>/failed.json     and that FAILED
//	drills/open/<workspace>.json         the drill whose assets are in a drill workspace, or may be
type Records struct {
	Store store.Store
	Root  string // ends with "/", or is empty
}

const (
	folder    = "drills/"
	maxRecord = 16 << 20
)

func (s Records) key(id string) string { return s.Root + folder + id + ".json" }

func (s Records) openKey(workspace string) string {
	return s.Root + folder + "open/" + asset.Escape(workspace) + ".json"
}

func (s Records) lastFolder() string { return s.Root + folder + "last/" }

func (s Records) lastKey(source string, status Status) string {
	return s.lastFolder() + asset.Escape(source) + "/" + strings.ToLower(string(status)) + ".json"
}

// Load reads the record of a drill; nil where there is none.
func (s Records) Load(ctx context.Context, id string) (*Record, error) {
	return s.read(ctx, s.key(id))
}

func (s Records) read(ctx context.Context, key string) (*Record, error) {
	data, _, err := store.ReadAll(ctx, s.Store, key, maxRecord)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil //nolint:nilnil // no drill is no error
	}
	if err != nil {
		return nil, fmt.Errorf("read the record of a drill: %w", err)
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("read the record of a drill, %s: %w", key, err)
	}
	return &r, nil
}

func (s Records) write(ctx context.Context, key string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		_, err = s.Store.Put(ctx, key, append(data, '\n'), store.Condition{})
	}
	if err != nil {
		return fmt.Errorf("write the record of a drill: %w", err)
	}
	return nil
}

// Last is the last drills of a workspace's backups.
type Last struct {
	Good   *Record // nil where there is none
	Failed *Record // nil where there is none, or none after the last good one
}

// Last reads the last drills of a workspace's backups; of any workspace's where source is empty.
func (s Records) Last(ctx context.Context, source string) (Last, error) {
	sources := []string{asset.Escape(source)}
	if source == "" {
		sources = nil
		err := s.Store.List(ctx, s.lastFolder(), "/", func(info store.Info) error {
			sources = append(sources, strings.TrimSuffix(strings.TrimPrefix(info.Key, s.lastFolder()), "/"))
			return nil
		})
		if err != nil {
			return Last{}, fmt.Errorf("list the last drills: %w", err)
		}
	}
	var last Last
	for _, name := range sources {
		good, err := s.read(ctx, s.lastFolder()+name+"/good.json")
		if err != nil {
			return Last{}, err
		}
		failed, err := s.read(ctx, s.lastFolder()+name+"/failed.json")
		if err != nil {
			return Last{}, err
		}
		last.Good, last.Failed = newer(last.Good, good), newer(last.Failed, failed)
	}
	if last.Failed != nil && newer(last.Good, last.Failed) == last.Good {
		last.Failed = nil
	}
	return last, nil
}

// newer is that of two records which began later; the first of two equal ones.
func newer(a, b *Record) *Record {
	switch {
	case a == nil:
		return b
	case b == nil || !b.StartedAt.After(a.StartedAt):
		return a
	}
	return b
}

// remember makes a record that is over the last of its status, unless a later one is.
func (s Records) remember(ctx context.Context, r *Record) error {
	if r.Source == "" { // refused before it was known whose backup is meant
		return nil
	}
	key := s.lastKey(r.Source, r.Status)
	known, err := s.read(ctx, key)
	if err != nil || (known != nil && known.ID != r.ID && newer(known, r) == known) {
		return err
	}
	return s.write(ctx, key, r)
}

// open is the id of the drill whose assets a workspace has, or may have; empty if there is none.
func (s Records) open(ctx context.Context, workspace string) (string, error) {
	r, err := s.read(ctx, s.openKey(workspace))
	if err != nil || r == nil {
		return "", err
	}
	return r.ID, nil
}

// setOpen notes that a workspace will have a drill's assets.
func (s Records) setOpen(ctx context.Context, r *Record) error {
	return s.write(ctx, s.openKey(r.Workspace), map[string]string{"id": r.ID})
}

// setClosed notes that a workspace has nothing of a drill any more.
func (s Records) setClosed(ctx context.Context, r *Record) error {
	id, err := s.open(ctx, r.Workspace)
	if err != nil || id != r.ID {
		return err
	}
	if err := s.Store.Delete(ctx, s.openKey(r.Workspace)); err != nil {
		return fmt.Errorf("note that workspace %s is empty again: %w", r.Workspace, err)
	}
	return nil
}
